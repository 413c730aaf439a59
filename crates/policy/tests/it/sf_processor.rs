//! sf-processor's language: its files, and what its conditions mean.

use sysflow::record::op;
use sysflow_policy::{Diagnostic, Language, Priority, RuleSet, Source};

use crate::scene::Scene;

#[track_caller]
fn load(text: &str) -> (RuleSet, Vec<Diagnostic>) {
    let source = Source { language: Some(Language::SfProcessor), ..Source::new("policy", text) };
    RuleSet::load(&[source]).unwrap_or_else(|problems| panic!("{problems}"))
}

#[track_caller]
fn refused(text: &str) -> String {
    let source = Source { language: Some(Language::SfProcessor), ..Source::new("policy", text) };
    RuleSet::load(&[source]).expect_err("the file is wrong").to_string()
}

fn matched(set: &RuleSet, scene: Scene) -> Vec<String> {
    let mut found = Vec::new();
    scene.joined(|record| set.matches(record, &mut found));
    found.into_iter().map(|id| set.rule(id).name.clone()).collect()
}

/// Asserts of each condition that it holds, or with a leading `!` that it does not.
#[track_caller]
fn check(scene: impl Fn() -> Scene, conditions: &[&str]) {
    for text in conditions {
        let (expected, condition) = match text.strip_prefix('!') {
            Some(text) => (false, text),
            None => (true, *text),
        };
        let (set, _) = load(&format!("- rule: r\n  desc: d\n  condition: {condition}\n"));
        assert_eq!(!matched(&set, scene()).is_empty(), expected, "{text}");
    }
}

fn exec() -> Scene {
    Scene::new("systemd > node app.js > bash -c a,b > id -u,/etc/x").exec()
}

fn flow() -> Scene {
    Scene::new("node app.js").read("/etc/ssl/a.pem")
}

// === files ===

/// Uneven indentation, tabs, `: ` in values, folded texts, keys in any order: what the shipped files have.
const ODD: &str = "
# a comment
 - list: shells
   items: [bash, 'sh',
\t  \"da,sh\", ]   # another
- list: all_shells
  items: [shells, zsh]
- macro: is_shell
  condition: >
    (sf.proc.name in (all_shells)
  or sf.proc.exe = \"/opt/it's\")
  append: false
- rule: Account Discovery: Local 'Account'
  desc: >
    don't
    stop, output it \\'here
\tcondition: not is_shell
\t   and sf.type = PE
  tags: [mitre:T1087.001, \"two words\"]
  prefilter: [PE, FF]
  priority: High
  enabled: \"true\"
- rule: off
  desc:x
  condition:sf.type = PE
  enabled: F
- required_engine_version: 2
";

#[test]
fn files_are_read_as_they_are() {
    let (set, warnings) = load(ODD);
    assert!(warnings.is_empty(), "{warnings:?}");
    let rules: Vec<_> = set.rules().map(|(_, rule)| rule).collect();
    assert_eq!(rules.len(), 1);
    assert_eq!(rules[0].name, "Account Discovery: Local 'Account'");
    assert_eq!(rules[0].desc, "don't\n    stop, output it \\'here");
    assert_eq!(rules[0].priority, Priority::Error);
    assert_eq!(rules[0].tags, ["mitre:T1087.001", "two words"]);
    assert_eq!(matched(&set, exec()), ["Account Discovery: Local 'Account'"]);
    for shell in ["bash", "sh", "da", "zsh"] {
        assert!(matched(&set, Scene::new(shell).exec()).is_empty(), "{shell}");
    }
}

#[test]
fn the_language_is_found_out() {
    let (set, _) =
        RuleSet::load(&[Source::new("policy", ODD)]).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(set.rules().len(), 1);
}

#[test]
fn both_languages_live_in_one_set() {
    let falco = "- macro: both\n  condition: proc.name = id\n\
        - rule: falco's\n  desc: d\n  condition: both\n  output: o\n  priority: INFO\n";
    let sf = "- macro: both\n  condition: sf.proc.name = nothing\n- rule: sf's\n  desc: d\n  condition: not both\n";
    let sources = [Source::new("falco", falco), Source::new("sf", sf)];
    let (set, _) = RuleSet::load(&sources).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(matched(&set, exec()), ["falco's", "sf's"]);
}

#[test]
fn levels_are_three() {
    for (level, priority) in [
        ("low", Priority::Notice),
        ("DEBUG", Priority::Notice),
        ("info", Priority::Notice),
        ("alert", Priority::Notice),
        ("Medium", Priority::Warning),
        ("warning", Priority::Warning),
        ("high", Priority::Error),
        ("critical", Priority::Error),
        ("emergency", Priority::Error),
    ] {
        let (set, _) = load(&format!("- rule: r\n  desc: d\n  condition: sf.type=PE\n  priority: {level}\n"));
        assert_eq!(set.rules().next().map(|(_, rule)| rule.priority), Some(priority), "{level}");
    }
    let (set, _) = load("- rule: r\n  desc: d\n  condition: sf.type=PE\n");
    assert_eq!(set.rules().next().map(|(_, rule)| rule.priority), Some(Priority::Notice));
}

#[test]
fn filters_come_before_rules() {
    let rule = "- rule: r\n  desc: d\n  condition: sf.type = PE\n";
    for (filter, is_judged) in [
        ("- drop: a\n  condition: sf.proc.name = id\n", false),
        ("- filter: a\n  condition: sf.proc.name = id\n", false),
        ("- drop: a\n  condition: sf.proc.name = id\n  enabled: false\n", true),
        ("- drop: a\n  condition: sf.proc.name = ls\n", true),
        ("- drop: a\n  condition: sf.type = NF\n- drop: b\n  condition: sf.proc.name = id\n", false),
    ] {
        let (set, _) = load(&format!("{rule}{filter}"));
        assert_eq!(!matched(&set, exec()).is_empty(), is_judged, "{filter}");
    }
}

#[test]
fn a_prefilter_leaves_kinds_out() {
    let (set, _) = load("- rule: r\n  desc: d\n  condition: sf.proc.name = node\n  prefilter: [FF, FE]\n");
    assert_eq!(matched(&set, flow()), ["r"]);
    assert!(matched(&set, Scene::new("node").exec()).is_empty());
}

#[test]
fn a_tag_alone_raises_no_alert() {
    for (actions, alerts) in
        [("", true), ("actions: [tag]", false), ("actions: [tag, alert]", true), ("actions: [hash]", true)]
    {
        let (set, _) = load(&format!("- rule: r\n  desc: d\n  condition: sf.type = PE\n  {actions}\n"));
        assert_eq!(set.rules().next().map(|(_, rule)| rule.alerts()), Some(alerts), "{actions}");
    }
}

#[test]
fn process_flows_are_not_judged() {
    use sysflow_policy::KindSet;
    let (set, _) = load("- rule: r\n  desc: d\n  condition: not sf.proc.name = x\n");
    let kinds = set.rules().next().map(|(_, rule)| rule.kinds);
    let without = [sysflow::record::Kind::ProcessFlow, sysflow::record::Kind::NetworkEvent];
    assert!(kinds.is_some_and(|kinds| kinds.intersection(KindSet::of(&without)).is_empty()));
}

#[test]
fn what_is_odd_is_warned_of() {
    for (text, says) in [
        ("condition: sf.proc.username != root", "no attribute `sf.proc.username`"),
        ("condition: nothing", "no macro `nothing`"),
        ("condition: sf.type = PE\n  priority: urgent", "no priority"),
        ("condition: sf.type = PE\n  prefilter: [PX]", "kind of record"),
        ("condition: sf.type = PE\n  actions: [hash]", "no action `hash`"),
        ("condition: sf.type = PE\n  enabled: maybe", "neither true nor false"),
        ("condition: sf.proc.name in ([a, b], c)", "brackets"),
        ("condition: sf.proc.name = shells\n- list: shells\n  items: [sh]", "in (shells)"),
    ] {
        let (_, warnings) = load(&format!("- rule: r\n  desc: d\n  {text}\n"));
        let all: String = warnings.iter().map(ToString::to_string).collect();
        assert!(all.contains(says), "{text}: {all}");
    }
}

#[test]
fn what_is_wrong_is_refused() {
    for (text, says) in [
        ("- rule: r\n  desc: d\n", "no `condition`"),
        ("- rule: r\n  desc: d\n  condition: sf.type PE\n", "expected `and` or `or`, found `PE`"),
        ("- rule: r\n  desc: d\n  condition: (sf.type = PE\n", "not closed"),
        ("- rule: r\n  desc: d\n  condition: sf.type = PE)\n", "found `)`"),
        ("- rule: r\n  desc: d\n  condition: sf.type = and\n", "expected a value"),
        ("- rule: r\n  desc: d\n  condition: sf.type in PE\n", "`(`"),
        ("- rule: r\n  desc: d\n  condition: sf.type in (PE\n", "`,` or `)`"),
        ("- list: a\n  items: b\n", "expected `[`"),
        ("- list: a\n  items: [b\n- list: c\n  items: []\n", "`,` or `]`"),
        ("- rul: a\n", "expected one of rule"),
        ("rule: a\n", "expected a definition"),
        ("- macro: a\n  condition: not b\n- macro: b\n  condition: a\n", "contains itself"),
        (
            "- list: a\n  items: [b]\n- list: b\n  items: [a]\n- macro: c\n  condition: x in (a)\n",
            "contains itself",
        ),
    ] {
        let problems = refused(text);
        assert!(problems.contains(says), "{text}{problems}");
        assert!(problems.contains("policy:"), "{problems}");
    }
}

#[test]
fn hostile_files_end() {
    refused(&format!("- macro: a\n  condition: {}sf.type = PE\n", "(".repeat(100_000)));
    refused(&format!("- macro: a\n  condition: {}\n", "not ".repeat(100_000)));
    refused(&"- ".repeat(100_000));
    // Macros and lists that double at each level.
    let doubled = |level: u32| match level {
        0 => "- macro: m0\n  condition: sf.type = PE\n- list: l0\n  items: [x]\n".to_owned(),
        n => {
            format!("- macro: m{n}\n  condition: m{0} and m{0}\n- list: l{n}\n  items: [l{0}, l{0}]\n", n - 1)
        }
    };
    let all: String = (0..90).map(doubled).collect();
    load(&format!("{all}- rule: r\n  desc: d\n  condition: m89 or sf.proc.name in (l89)\n"));
    let chained = |n: u32| format!("- macro: m{n}\n  condition: m{}\n", n + 1);
    let long: String = (0..2000).map(chained).collect();
    assert!(refused(&format!("{long}- macro: m2000\n  condition: sf.type = PE\n")).contains("nested"));
}

// === conditions ===

#[test]
fn parts_of_lists_and_of_texts_with_commas() {
    check(
        exec,
        &[
            "sf.opflags = EXEC",
            "!sf.opflags != EXEC",
            "sf.opflags contains XE",
            "sf.opflags in (CLONE, EXEC)",
            "sf.proc.args = '-u'",
            "sf.proc.args in (/etc/x)",
            "sf.proc.args startswith /etc",
            "sf.proc.args endswith 'q,/etc/x'",
            "sf.proc.aname = node",
            "sf.proc.aname in (systemd)",
            "sf.pproc.args = b",
            "'a,-u' = sf.proc.args",
            "sf.proc.exe != sf.pproc.exe",
            "sf.proc.user = sf.pproc.user",
            "sf.proc.aexe contains sf.pproc.exe",
        ],
    );
}

#[test]
fn operators() {
    check(
        exec,
        &[
            "sf.proc.exe pmatch (bin/i)",
            "!sf.proc.exe pmatch (Bin)",
            "sf.proc.exe icontains BIN",
            "!sf.proc.exe contains BIN",
            "sf.proc.exe startswith /usr",
            "sf.proc.exe endswith \"id\"",
            "sf.proc.uid > 999",
            "sf.proc.uid >= 1000",
            "!sf.proc.uid < 1000",
            "1000 <= sf.proc.uid",
            "sf.proc.pid > sf.pproc.pid",
            // What is no number counts as 0.
            "!sf.proc.uid < '2000'",
            "sf.proc.name <= 0",
            "sf.proc.uid > many",
            "2 > 1",
            "!1 > 2",
            "a = a",
            "!a contains b",
            "abc contains b",
        ],
    );
}

#[test]
fn absent_values_are_empty_zero_or_false() {
    check(
        exec,
        &[
            "sf.file.path = ''",
            "!sf.file.path exists",
            "!sf.file.name exists",
            "sf.file.name = .",
            "sf.file.directory != /tmp",
            "sf.net.dport = 0",
            "!sf.net.dport exists",
            "sf.net.sip = ''",
            "sf.file.is_open_read = false",
            "sf.file.openflags != NONE",
            "sf.flow.rbytes < 1",
            "sf.container.type != host",
            "sf.container.id = ''",
            "sf.proc.name exists",
            "sf.pproc.pid exists",
            "nonsense exists",
        ],
    );
    check(|| Scene::new("init").exec(), &["!sf.pproc.pid exists", "sf.pproc.uid = 0", "sf.pproc.name = ''"]);
}

#[test]
fn macros_and_negation() {
    check(
        exec,
        &[
            "not sf.type = NF and sf.type = PE",
            "!not sf.type = PE or sf.type = NF",
            "not not sf.type = PE",
            "sf.type = PE or sf.type = NF and sf.type = FF",
            "not unknown_macro",
        ],
    );
}

/// Two of these sf-processor got wrong: numbers of the parent, and counters.
#[test]
fn defects_are_not_followed() {
    check(exec, &["sf.pproc.uid > 999", "sf.proc.cmdline endswith x", "!sf.container.type = DOCKER"]);
    check(|| Scene::new("ls").exec(), &["sf.proc.cmdline endswith ls"]);
    check(flow, &["sf.flow.rbytes = 100", "sf.flow.rops = 1", "!sf.net.sip exists", "sf.net.dport = 0"]);
    check(
        || Scene::new("[").exec(),
        &["sf.proc.name = \"[\"", "sf.proc.name in (\"[\")", "!sf.proc.name = \"[x\""],
    );
    let net = || Scene::new("curl").connect("192.0.2.1:443", 10, 20);
    check(
        net,
        &[
            "sf.opflags = SEND",
            "!sf.opflags = WRITE",
            "sf.file.is_open_write = false",
            "sf.file.openflags = ''",
            "sf.net.port = 443",
            "sf.net.ip = 192.0.2.1",
        ],
    );
}

#[test]
fn falco_names_mean_what_sf_processor_made_of_them() {
    check(
        flow,
        &[
            "fd.name = a.pem",
            "fd.directory = /etc/ssl",
            "evt.type = READ",
            "evt.rawres = FF",
            "evt.dir = < and evt.dir = >",
            "!evt.dir = x",
            "proc.ppid = 0",
        ],
    );
    check(|| Scene::new("sshd > bash").tty().exec(), &["sf.proc.tty = true", "proc.tty = false"]);
}

#[test]
fn names_that_sf_processor_lacks_are_ours() {
    check(exec, &["sf.proc.cwd = /app", "sf.proc.sid = 100", "sf.graphid exists"]);
    check(flow, &["sf.flow.duration > 0"]);
}

#[test]
fn json_is_asked_with_paths() {
    use sysflow::{Entities, Record, record::K8sEvent};
    let (set, _) = load(
        "- rule: deleted\n  desc: d\n  condition: sf.ke.message[items.0.namespace] = prod and \
         sf.ke.message[items.0.name] exists and not sf.ke.message[items.1] exists\n",
    );
    let entities = Entities::default();
    for (namespace, is_found) in [("prod", true), ("test", false)] {
        let message = format!(r#"{{"items":[{{"name":"a","namespace":"{namespace}"}}]}}"#);
        let record = Record::K8sEvent(K8sEvent { message, ..k8s_event() });
        let mut found = Vec::new();
        set.matches(&entities.join(&record), &mut found);
        assert_eq!(!found.is_empty(), is_found, "{namespace}");
    }
}

fn k8s_event() -> sysflow::record::K8sEvent {
    use sysflow::record::{K8sAction, K8sComponent};
    sysflow::record::K8sEvent {
        kind: K8sComponent::Pods,
        action: K8sAction::Deleted,
        ts: 1,
        message: String::new(),
    }
}

#[test]
fn unix_sockets_have_a_path_behind_their_addresses() {
    let socket =
        || Scene::new("curl").file("ffff9ce02054c800->ffff9ce02054c000 /run/a.sock", b'u', 0, (1, 1));
    check(
        socket,
        &[
            "sf.file.path = /run/a.sock",
            "sf.file.name = a.sock",
            "sf.file.symlink = \"ffff9ce02054c800->ffff9ce02054c000\"",
            "sf.file.type = u",
        ],
    );
    let renamed = || Scene::new("mv").file_event(op::RENAME, "/a/b", Some("/c/d"), 0, "");
    check(renamed, &["sf.file.newpath = /c/d", "sf.file.newname = d", "sf.file.newdirectory = /c"]);
}
