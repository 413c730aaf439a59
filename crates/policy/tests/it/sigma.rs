//! Sigma rules: what they find, and what is told of those that cannot run.

use sysflow::record::op;
use sysflow_policy::{Priority, RuleSet, Source, Status};

use crate::scene::Scene;

/// A rule of `category` with this detection, indented by two.
fn rule(category: &str, detection: &str) -> String {
    format!(
        "title: Test\nid: 11111111-2222\nlevel: high\nlogsource:\n  product: linux\n  category: {category}\ndetection:\n{detection}\n"
    )
}

fn load(text: &str) -> RuleSet {
    match RuleSet::load(&[Source::new("sigma.yml", text)]) {
        Ok((set, _)) => set,
        Err(error) => panic!("{error}"),
    }
}

/// Asserts of each scene whether the rule finds it.
#[track_caller]
fn finds(category: &str, detection: &str, cases: Vec<(bool, Scene)>) {
    let set = load(&rule(category, detection));
    assert_eq!(set.reports()[0].status, Status::Runs, "{:?}", set.reports());
    for (at, (expected, scene)) in cases.into_iter().enumerate() {
        let mut ids = Vec::new();
        scene.joined(|record| set.matches(record, &mut ids));
        assert_eq!(!ids.is_empty(), expected, "case {at} of\n{detection}");
    }
}

fn exec(tree: &str) -> Scene {
    Scene::new(tree).exec()
}

/// Why a rule cannot run.
#[track_caller]
fn cannot(text: &str) -> String {
    let (set, warnings) = RuleSet::load(&[Source::new("sigma.yml", text)]).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(set.reports()[0].status, Status::Cannot, "{:?}", set.reports());
    assert!(warnings.iter().any(|warning| warning.message.contains("cannot run")), "{warnings:?}");
    set.reports()[0].reasons.join("; ")
}

#[track_caller]
fn wrong(text: &str) -> String {
    let error = RuleSet::load(&[Source::new("sigma.yml", text)]).expect_err("this rule is wrong");
    error.iter().map(|d| format!("{}: {}", d.line, d.message)).collect::<Vec<_>>().join("; ")
}

#[test]
fn a_rule_keeps_its_name_level_and_tags() {
    let text = "
title: Shell From Web Server
id: 0c0ffee0-0000-0000-0000-000000000001
status: experimental
description: |
  A web server
  starts a shell.
author: us
references: [https://example.org/]
tags:
  - attack.initial-access
  - attack.t1190
  - attack.t1059.004
  - car.2013-05-009
logsource: {category: process_creation, product: linux}
detection:
  selection:
    ParentImage|endswith: [/nginx, /apache2]
    Image|endswith: /sh
  condition: selection
falsepositives: [Unknown]
level: critical
";
    let set = load(text);
    let rule = set.rule(set.find("Shell From Web Server").unwrap());
    assert_eq!(rule.priority, Priority::Critical);
    assert_eq!(rule.desc, "A web server starts a shell.");
    assert_eq!(
        rule.tags,
        [
            "attack.initial-access",
            "mitre_initial_access",
            "attack.t1190",
            "T1190",
            "attack.t1059.004",
            "T1059.004",
            "car.2013-05-009"
        ]
    );
    exec("nginx > sh -c id").joined(|record| {
        let mut ids = Vec::new();
        set.matches(record, &mut ids);
        assert_eq!(ids.len(), 1);
        let text = rule.output.format(record);
        assert!(text.starts_with("/usr/bin/sh -c id (parent=/usr/bin/nginx"), "{text}");
    });
}

#[test]
fn texts_compare_without_case_and_with_wildcards() {
    let image = |value: &str| format!("  s:\n    Image: '{value}'\n  condition: s");
    finds("process_creation", &image("/usr/bin/NC"), vec![(true, exec("nc")), (false, exec("ncat"))]);
    finds("process_creation", &image("*/n?at"), vec![(true, exec("ncat")), (false, exec("nc"))]);
    let line = |field: &str| format!("  s:\n    {field}\n  condition: s");
    let found = |field: &str, yes: &str, no: &str| {
        finds("process_creation", &line(field), vec![(true, exec(yes)), (false, exec(no))]);
    };
    found("CommandLine|contains: 'dev/TCP'", "bash -c 'x >/dev/tcp/1'", "bash -c x");
    found("CommandLine|contains|all: [' -e ', ' 99']", "nc -e sh h 99", "nc -e sh h 98");
    found("CommandLine|contains|cased: 'TCP'", "bash TCP", "bash tcp");
    found("CommandLine|startswith: 'BASH -'", "bash -c x", "sh bash -c");
    found("CommandLine|endswith: '(x'", "sh (X", "sh (x)");
    found(r"CommandLine|contains: 'a\*b'", "sh a*b", "sh axb");
    found("CommandLine|re: 'ba?sh -i$'", "bash -i", "bash -ix");
    found("CommandLine|re|i: '^SH'", "sh x", "ash x");
    found("CommandLine|base64offset|contains: '/bin/bash'", "sh xxL2Jpbi9iYXNoCg==", "sh L2Jpbi9iYX");
    found("CommandLine|base64|contains: 'id'", "sh aWQ=", "sh id");
    found("CommandLine|wide|base64offset|contains: 'curl'", "pwsh -enc YwB1AHIAbAAgAA==", "pwsh Y3VybA==");
    finds("process_creation", &line("User: WEB"), vec![(true, exec("sh"))]);
    finds("process_creation", &line("User|neq: root"), vec![(true, exec("sh"))]);
}

#[test]
fn searches_are_combined() {
    let detection = "
  selection_img:
    Image|endswith:
      - /curl
      - /wget
  selection_arg:
    - CommandLine|contains: ' -o '
    - CommandLine|contains: ' -O '
  _hidden:
    Image|endswith: /nothing
  filter_main_apt:
    ParentImage|endswith: /apt-get
  filter_optional_cron:
    ParentCommandLine|startswith: cron
  condition: all of selection_* and not 1 of filter_*";
    let cases = || {
        vec![
            (true, exec("bash > curl -o x http://h")),
            (true, exec("bash > WGET -O x http://h")),
            (false, exec("bash > curl http://h")),
            (false, exec("apt-get > curl -o x http://h")),
            (false, exec("cron -f > curl -o x http://h")),
        ]
    };
    finds("process_creation", detection, cases());
    let other = detection.replace(
        "all of selection_* and not 1 of filter_*",
        "(selection_img and selection_arg) and not (filter_main_apt or any of filter_optional*)",
    );
    finds("process_creation", &other, cases());
    let them = "
  a:
    Image|endswith: /x
  _b:
    Image|endswith: /y
  condition: 1 of them";
    finds("process_creation", them, vec![(true, exec("x")), (false, exec("y"))]);
    let all = them.replace("1 of them", "[all of them, _b]");
    finds("process_creation", &all, vec![(true, exec("x")), (true, exec("y")), (false, exec("z"))]);
}

#[test]
fn null_and_exists() {
    let tests = [
        ("CurrentDirectory: null", false),
        ("CurrentDirectory|exists: true", true),
        ("CurrentDirectory|exists: false", false),
    ];
    for (field, expected) in tests {
        let detection = format!("  s:\n    {field}\n  condition: s");
        finds("process_creation", &detection, vec![(expected, exec("sh"))]);
    }
    let same = "  s:\n    Image|fieldref: ParentImage\n  condition: s";
    finds("process_creation", same, vec![(true, exec("sh > sh")), (false, exec("bash > sh"))]);
}

#[test]
fn only_what_succeeded_is_a_creation() {
    let any = "  s:\n    Image|contains: /\n  condition: s";
    finds(
        "process_creation",
        any,
        vec![
            (true, exec("sh")),
            (false, Scene::new("sh").event(op::EXEC, -2, &[])),
            (false, Scene::new("sh").read("/a")),
        ],
    );
}

#[test]
fn files_that_come_to_be() {
    let detection = "  s:\n    TargetFilename|startswith: /etc/cron.d/\n  condition: s";
    finds(
        "file_event",
        detection,
        vec![
            (true, Scene::new("sh").write("/etc/cron.d/x")),
            (false, Scene::new("sh").read("/etc/cron.d/x")),
            (false, Scene::new("sh").write("/tmp/x")),
            (true, Scene::new("mv").file_event(op::RENAME, "/tmp/x", Some("/etc/cron.d/x"), 0, "")),
            (false, Scene::new("mv").file_event(op::RENAME, "/etc/cron.d/x", Some("/tmp/x"), 0, "")),
            (false, Scene::new("rm").file_event(op::UNLINK, "/etc/cron.d/x", None, 0, "")),
            (false, exec("sh")),
        ],
    );
}

#[test]
fn connections() {
    let to = |server: &str| Scene::new("bash").connect(server, 1, 1);
    let field = |text: &str| format!("  s:\n    Image|endswith: /bash\n    {text}\n  condition: s");
    let net = "network_connection";
    let outside = "  s:\n    Initiated: 'true'\n  local:\n    DestinationIp|cidr:\n      - 10.0.0.0/8\n      - 127.0.0.0/8\n  condition: s and not local";
    let accepted = Scene::new("bash").net(op::ACCEPT, "198.51.100.7:5000", "10.0.0.5:80", 1, 1);
    finds(net, outside, vec![(true, to("203.0.113.9:443")), (false, to("10.1.1.1:443")), (false, accepted)]);
    finds(
        net,
        &field("DestinationPort: [4444, 1337]"),
        vec![(true, to("203.0.113.9:1337")), (false, to("203.0.113.9:80"))],
    );
    finds(
        net,
        &field("DestinationPort|gte: 1024"),
        vec![(true, to("203.0.113.9:1337")), (false, to("203.0.113.9:80"))],
    );
    finds(
        net,
        &field("DestinationIp: 203.0.113.9"),
        vec![(true, to("203.0.113.9:1")), (false, to("203.0.113.8:1"))],
    );
    finds(
        net,
        &field("DestinationIp|startswith: '203.'"),
        vec![(true, to("203.0.113.9:1")), (false, to("20.3.1.1:1"))],
    );
    finds(
        net,
        &field("DestinationIp|cidr: '2001:db8::/32'"),
        vec![(true, to("[2001:db8::9]:1")), (false, to("203.0.113.9:1"))],
    );
}

#[test]
fn what_cannot_run_is_told() {
    let s = "  s:\n    Image|endswith: /sh\n  condition: s";
    let other = rule("process_creation", s).replace("product: linux", "product: windows");
    assert_eq!(cannot(&other), "its source is of `windows`, not of Linux");
    let other = rule("process_creation", s).replace("  category: process_creation\n", "  service: auditd\n");
    assert!(cannot(&other).starts_with("records hold no log `auditd`"), "{}", cannot(&other));
    for (field, reason) in [
        ("Hashes: x", "`Hashes`: hashes of files are not recorded"),
        ("Imge: x", "`Imge` is not recorded for process_creation did you mean `Image`?"),
        ("CommandLine|windash|contains: ' -x'", "the modifier `windash` is not supported"),
        (r"CommandLine|re: '(?<!a)b'", "its regular expression is not one of RE2's kind"),
    ] {
        let text = rule("process_creation", &format!("  s:\n    {field}\n  condition: s"));
        assert_eq!(cannot(&text), reason);
    }
    let words = rule("process_creation", "  k: [a, b]\n  condition: k");
    assert!(cannot(&words).contains("words without a field"));
    let counts = rule("process_creation", &s.replace("condition: s", "condition: s | count() > 5"));
    assert_eq!(cannot(&counts), "its condition counts records");
    assert!(cannot("title: c\ncorrelation: {type: event_count}\n").starts_with("correlations"));
    let old = rule("process_creation", s).replace("level: high", "level: high\nstatus: deprecated");
    assert_eq!(load(&old).reports()[0].status, Status::Disabled);
}

#[test]
fn mistakes_have_a_place() {
    let s = "  selection:\n    Image|endswith: /sh\n  condition: selction";
    assert_eq!(wrong(&rule("process_creation", s)), "10: there is no search `selction`");
    let s = "  s:\n    Image|endswith: /sh\n  condition: (s";
    assert_eq!(wrong(&rule("process_creation", s)), "10: a `(` is not closed");
    assert_eq!(
        wrong(&rule("process_creation", "  s:\n    Image: x")),
        "8: this detection has no `condition`"
    );
    assert_eq!(wrong("title: x\ndetection: {}\n"), "1: this Sigma rule has no `logsource`");
    let s = "  s:\n    DestinationIp|cidr: 10.0.0.0/99\n  condition: s";
    assert_eq!(
        wrong(&rule("network_connection", s)),
        "9: `sf.net.dip` is an IP address, and `10.0.0.0/99` is not"
    );
    let bad = rule("process_creation", "  s:\n    Image: x\n  condition: s").replace("high", "hihg");
    assert_eq!(wrong(&bad), "3: `hihg` is no level");
    // Cheap to write, and large when written out.
    let many: Vec<_> = (0..2_000).map(|n| format!("      - v{n}")).collect();
    let s = format!(
        "  s:\n    Image|contains:\n{}\n  condition: {}",
        many.join("\n"),
        vec!["s"; 4_000].join(" or ")
    );
    assert!(wrong(&rule("process_creation", &s)).contains("stands for more than"));
    let deep = format!("  s:\n    Image: x\n  condition: {}s", "(".repeat(5_000));
    assert!(wrong(&rule("process_creation", &deep)).contains("nested deeper than"));
}

#[test]
fn sigma_and_falco_stand_side_by_side() {
    let s = "  s:\n    Image|endswith: /sh\n  condition: s";
    let one = rule("process_creation", s);
    let falco = "- rule: Test\n  desc: d\n  condition: sf.opflags = EXEC\n  output: o\n  priority: info\n";
    let twin = one.replace("11111111-2222", "33333333-4444");
    let both = format!("{one}---\n{twin}---\n{one}");
    let sources = [Source::new("a", falco), Source::new("b", both)];
    let (set, _) = RuleSet::load(&sources).unwrap_or_else(|error| panic!("{error}"));
    let names: Vec<_> = set.rules().map(|(_, rule)| rule.name.as_str()).collect();
    assert_eq!(names, ["Test", "Test (11111111)", "Test (33333333)"]);
}

#[test]
fn sigma_stands_beside_policies_of_sf_processor() {
    let sigma = rule("process_creation", "  s:\n    Image|endswith: /sh\n  condition: s");
    let policy = "- rule: Shell\n  desc: d\n  condition: sf.opflags = EXEC\n  priority: low\n";
    let lists = "- list: a\n  items: [b]\n";
    for sources in [
        [Source::new("policy", policy), Source::new("sigma", sigma.as_str()), Source::new("lists", lists)],
        [Source::new("sigma", sigma.as_str()), Source::new("lists", lists), Source::new("policy", policy)],
    ] {
        let (set, _) = RuleSet::load(&sources).unwrap_or_else(|error| panic!("{error}"));
        let found = exec("bash > sh").joined(|record| {
            let mut ids = Vec::new();
            set.matches(record, &mut ids);
            let mut names: Vec<_> = ids.into_iter().map(|id| set.rule(id).name.clone()).collect();
            names.sort();
            names
        });
        assert_eq!(found, ["Shell", "Test"]);
    }
}

/// As a text that was cut out of another one.
#[test]
fn a_rule_may_be_wholly_indented() {
    let text = rule("process_creation", "  x:\n    Image|endswith: /nc\n  condition: x");
    let text = format!("    {}\n", text.trim_end().replace('\n', "\n    "));
    for text in [text.clone(), format!("# cut out\n---\n{text}")] {
        let policy = "- rule: p\n  desc: d\n  condition: sf.proc.name = nc\n  prefilter: [PE]\n";
        let sources = [Source::new("sigma.yml", text), Source::new("policy.yaml", policy)];
        let (set, _) = RuleSet::load(&sources).unwrap_or_else(|error| panic!("{error}"));
        let mut ids = Vec::new();
        exec("nc -l").joined(|record| set.matches(record, &mut ids));
        let names: Vec<_> = ids.iter().map(|id| set.rule(*id).name.as_str()).collect();
        assert_eq!(names, ["Test", "p"]);
    }
}
