//! Rules files: definitions, order, changes, exceptions.

use sysflow_policy::{Priority, RuleSet, Source, Status};

use crate::scene::Scene;

#[track_caller]
fn load(texts: &[&str]) -> RuleSet {
    let sources: Vec<_> =
        texts.iter().enumerate().map(|(at, text)| Source::new(format!("{at}.yaml"), *text)).collect();
    match RuleSet::load(&sources) {
        Ok((set, _)) => set,
        Err(error) => panic!("{error}"),
    }
}

#[track_caller]
fn errors(texts: &[&str]) -> Vec<String> {
    let sources: Vec<_> = texts.iter().map(|text| Source::new("t.yaml", *text)).collect();
    let error = RuleSet::load(&sources).expect_err("these files are wrong");
    error.iter().map(|d| format!("{}: {}", d.line, d.message)).collect()
}

/// Names of the rules that an exec of `tree` matches.
fn matches(set: &RuleSet, tree: &str) -> Vec<String> {
    Scene::new(tree).exec().joined(|record| {
        let mut ids = Vec::new();
        set.matches(record, &mut ids);
        ids.into_iter().map(|id| set.rule(id).name.clone()).collect()
    })
}

const BASE: &str = "
- required_engine_version: 0.57.0
- required_plugin_versions:
    - name: container
      version: 0.4.0
- list: shells
  items: [sh, bash]
- list: programs
  items: [shells, '\"(odd)\"']
- macro: is_shell
  condition: (sf.proc.name in (shells))
- rule: Shell
  desc: >
    A shell
    was started.
  condition: sf.opflags = EXEC and is_shell
  output: shell %sf.proc.name
  priority: WARNING
  tags: [mitre_execution, T1059]
  source: sysflow
  warn_evttypes: false
";

#[test]
fn a_rule_has_all_its_parts() {
    let set = load(&[BASE]);
    let id = set.find("Shell").expect("the rule is active");
    let rule = set.rule(id);
    assert_eq!(rule.desc, "A shell was started.");
    assert_eq!(rule.priority, Priority::Warning);
    assert_eq!(rule.tags, ["mitre_execution", "T1059"]);
    assert_eq!(rule.source, "sysflow");
    assert_eq!(matches(&set, "java > bash"), ["Shell"]);
    assert!(matches(&set, "java > zsh").is_empty());
}

#[test]
fn lists_hold_lists_and_odd_names() {
    let set = load(&[
        BASE,
        "- rule: P\n  desc: d\n  condition: sf.proc.name in (programs, \"x\")\n  output: o\n  priority: info\n",
    ]);
    assert_eq!(matches(&set, "java > (odd)"), ["P"]);
    assert_eq!(matches(&set, "java > sh"), ["Shell", "P"]);
    assert_eq!(matches(&set, "java > x"), ["P"]);
}

#[test]
fn the_last_definition_wins_whatever_the_order() {
    let set = load(&[BASE, "- list: shells\n  items: [zsh]\n"]);
    assert!(matches(&set, "java > bash").is_empty());
    assert_eq!(matches(&set, "java > zsh"), ["Shell"]);
    let set = load(&[BASE, "- macro: is_shell\n  condition: sf.proc.args = x\n"]);
    assert_eq!(matches(&set, "java > ls x"), ["Shell"]);
}

#[test]
fn documents_in_one_file_follow_each_other() {
    let text = "---\n- list: a\n  items: [x]\n---\n# nothing\n---\n- list: a\n  items: [sh]\n...\n---\n- rule: r\n  desc: d\n  \
                condition: sf.proc.name in (a)\n  output: o\n  priority: Info\n";
    assert_eq!(matches(&load(&[text]), "sh"), ["r"]);
}

#[test]
fn anchors_are_followed() {
    let text = "- list: a\n  items: &names [sh, bash]\n- list: b\n  items: *names\n- rule: r\n  desc: d\n  \
                condition: sf.proc.name in (b)\n  output: o\n  priority: Info\n";
    assert_eq!(matches(&load(&[text]), "bash"), ["r"]);
}

#[test]
fn definitions_are_appended_to_and_replaced() {
    let set = load(&[BASE, "- list: shells\n  items: [zsh]\n  append: true\n"]);
    assert_eq!(matches(&set, "zsh"), ["Shell"]);
    assert_eq!(matches(&set, "sh"), ["Shell"]);
    let set = load(&[
        BASE,
        "- macro: is_shell\n  condition: or sf.proc.name = fish\n  override: {condition: append}\n",
    ]);
    assert_eq!(matches(&set, "fish"), ["Shell"]);
    let set = load(&[BASE, "- rule: Shell\n  condition: and sf.proc.args = x\n  append: true\n"]);
    assert!(matches(&set, "sh").is_empty());
    assert_eq!(matches(&set, "sh x"), ["Shell"]);
    let change = "- rule: Shell\n  priority: ERROR\n  tags: [mine]\n  output: more\n  override: {priority: replace, tags: append, output: append}\n";
    let set = load(&[BASE, change]);
    let rule = set.rule(set.find("Shell").unwrap());
    assert_eq!(rule.priority, Priority::Error);
    assert_eq!(rule.tags, ["mitre_execution", "T1059", "mine"]);
    assert_eq!(Scene::new("sh").exec().joined(|r| rule.output.format(r)), "shell sh more");
    let set = load(&[BASE, "- rule: Shell\n  enabled: false\n"]);
    assert_eq!(set.reports()[0].status, Status::Disabled);
    assert!(matches(&set, "sh").is_empty());
}

#[test]
fn changes_of_nothing_are_errors() {
    assert_eq!(
        errors(&[BASE, "- rule: Shel\n  condition: and x\n  append: true\n"]),
        ["1: there is no rule `Shel` to change"]
    );
    assert_eq!(
        errors(&[
            BASE,
            "- rule: Shell\n  priority: ERROR\n  override: {priority: append, colour: replace}\n"
        ]),
        ["3: `priority` can only be replaced", "3: `override` cannot change `colour`"]
    );
}

#[test]
fn every_key_that_falco_overrides_can_be_overridden() {
    let change = "
- rule: Shell
  condition: sf.proc.args = x
  desc: other
  exceptions: [{name: e, fields: proc.pname, values: [make]}]
  enabled: true
  warn_evttypes: false
  skip-if-unknown-filter: true
  capture: true
  capture_duration: 500
  override:
    condition: replace
    desc: append
    exceptions: replace
    enabled: replace
    warn_evttypes: replace
    skip-if-unknown-filter: replace
    capture: replace
    capture_duration: replace
";
    let set = load(&[BASE, change]);
    assert_eq!(set.rule(set.find("Shell").unwrap()).desc, "A shell was started. other");
    assert_eq!(matches(&set, "java > ls x"), ["Shell"]);
    assert!(matches(&set, "make > ls x").is_empty());
    let both =
        "- rule: Shell\n  condition: and sf.ret = 0\n  append: true\n  override: {condition: append}\n";
    assert_eq!(errors(&[BASE, both]), ["1: `append` and `override` exclude each other"]);
    let untold = "- rule: Shell\n  desc: d\n  tags: [a]\n  override: {desc: replace}\n";
    assert_eq!(errors(&[BASE, untold]), ["1: this entry gives `tags`, but its `override` does not name it"]);
    let other = "- rule: Shell\n  source: k8s_audit\n  condition: and x\n  append: true\n";
    assert_eq!(errors(&[BASE, other]), ["2: rule `Shell` has the source `sysflow`"]);
}

#[test]
fn append_changes_what_falco_lets_it_change() {
    let text = "- rule: Shell\n  condition: and sf.proc.args = x\n  tags: [more]\n  priority: ERROR\n  append: true\n";
    let (set, warnings) = RuleSet::load(&[Source::new("a", BASE), Source::new("b", text)]).unwrap();
    let messages: Vec<_> = warnings.iter().map(|warning| warning.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "`append: true` does not change `priority`: it is ignored",
            "`append: true` does not change `tags`: it is ignored"
        ]
    );
    let rule = set.rule(set.find("Shell").unwrap());
    assert_eq!((rule.priority, rule.tags.len()), (Priority::Warning, 2));
}

#[test]
fn what_falco_skips_is_skipped() {
    let later =
        "-\n- profile: x\n- required_engine_version: 0.99.0\n- rule: Shell\n  enabled: false\n  tags: [x]\n";
    let (set, warnings) = RuleSet::load(&[Source::new("a", BASE), Source::new("b", later)]).unwrap();
    let messages: Vec<_> = warnings.iter().map(|warning| warning.message.as_str()).collect();
    assert_eq!(messages.len(), 2, "{messages:?}");
    assert_eq!(messages[0], "this entry is no `rule`, `macro` or `list`: it is ignored");
    assert!(messages[1].starts_with("the file asks for engine version 0.99.0"), "{messages:?}");
    assert_eq!(set.reports()[0].status, Status::Disabled);
    assert_eq!(errors(&["- required_engine_version: new\n"]), ["1: `new` is no version of Falco's engine"]);
    load(&["- required_engine_version: 26\n"]);
}

#[test]
fn a_field_as_a_value_is_told() {
    let text = "- macro: m\n  condition: proc.name = proc.pname or proc.name = \"proc.pname\"\n";
    let (_, warnings) = RuleSet::load(&[Source::new("a", text)]).unwrap();
    let told: Vec<_> = warnings.iter().map(|w| (w.message.as_str(), w.help.as_deref())).collect();
    assert_eq!(
        told,
        [("`proc.pname` is compared as text", Some("`val(proc.pname)` compares with the field"))]
    );
}

#[test]
fn exceptions_compare_as_falco_does() {
    let rule = "
- list: quiet
  items: [-x, \"'-y z'\"]
- rule: Shell
  desc: d
  condition: sf.opflags = EXEC or sf.opflags = CLONE
  output: o
  priority: WARNING
  exceptions:
    - name: modifier
      fields: proc.args
      comps: startswith anyof
      values: [quiet]
    - name: rows
      fields: [tolower(proc.pname), proc.args]
      comps: [in, contains oneof]
      values:
        - [MAKE, [a, b]]
        - [[make, cron], [a, b]]
";
    let set = load(&[rule]);
    for quiet in ["java > sh -x1", "java > sh -y z", "MAKE > sh -a", "cron > sh -b"] {
        assert!(matches(&set, quiet).is_empty(), "{quiet}");
    }
    for loud in ["java > sh -z", "make > sh -a -b", "init > sh -a"] {
        assert_eq!(matches(&set, loud), ["Shell"], "{loud}");
    }
    let more = "- rule: Shell\n  exceptions: [{name: modifier, values: [-z]}, {name: rows, values: [[init, -a]]}]\n  append: true\n";
    let set = load(&[rule, more]);
    assert!(matches(&set, "java > sh -z").is_empty());
    assert!(matches(&set, "init > sh -a").is_empty());
    let base =
        "- rule: r\n  desc: d\n  condition: sf.ret = 0\n  output: o\n  priority: info\n  exceptions:\n";
    let wrong = |exception: &str| errors(&[&format!("{base}    - {exception}\n")]);
    assert_eq!(
        wrong("{name: e, fields: proc.name, comps: startswith, values: [a, b]}"),
        ["7: with one field, `values` is a list, and `startswith` takes one value"]
    );
    assert_eq!(
        wrong("{name: e, fields: [proc.name], comps: [starts], values: [[a]]}"),
        ["7: `starts` is no operator"]
    );
    assert_eq!(wrong("{name: e, fields: proc.nme, values: [a]}"), ["7: there is no field `proc.nme`"]);
    assert_eq!(wrong("{name: e, fields: proc.name or, values: [a]}"), ["7: `proc.name or` is no field"]);
    let fields = "- rule: r\n  exceptions: [{name: e, fields: proc.name, values: [b]}]\n  append: true\n";
    let first = format!("{base}    - {{name: e, fields: proc.name, values: [a]}}\n");
    assert_eq!(errors(&[&first, fields]), ["2: exception `e` exists: only `values` can be added to it"]);
}

#[test]
fn exceptions_keep_a_rule_quiet() {
    let rule = "
- list: quiet_parents
  items: [cron, make]
- rule: Shell
  desc: d
  condition: sf.opflags = EXEC and sf.proc.name = sh
  output: o
  priority: WARNING
  exceptions:
    - name: one_field
      fields: proc.pname
      values: [quiet_parents, git]
    - name: rows
      fields: [proc.pname, proc.args]
      comps: [=, startswith]
      values:
        - [java, -c ls]
        - [node, \"-c 'a b'\"]
    - name: lists
      fields: [proc.pname, user.name]
      comps: [in, =]
      values:
        - [[perl, ruby], web]
    - name: unused
      fields: [proc.pname]
";
    let set = load(&[rule]);
    for quiet in
        ["cron > sh", "make > sh", "git > sh", "java > sh -c ls -l", "node > sh -c 'a b' c", "ruby > sh"]
    {
        assert!(matches(&set, quiet).is_empty(), "{quiet}");
    }
    for loud in ["java > sh", "node > sh -c a", "init > sh", "python > sh"] {
        assert_eq!(matches(&set, loud), ["Shell"], "{loud}");
    }
    let more = "- rule: Shell\n  exceptions:\n    - name: rows\n      values: [[init, -x]]\n  append: true\n";
    assert!(matches(&load(&[rule, more]), "init > sh -x").is_empty());
    assert_eq!(
        errors(&[
            "- rule: r\n  desc: d\n  condition: sf.ret = 0\n  output: o\n  priority: info\n  exceptions:\n    - name: e\n      fields: [proc.name, proc.args]\n      values:\n        - [a]\n"
        ]),
        ["10: this row has 1 values for 2 fields"]
    );
}

#[test]
fn rules_of_other_sources_are_skipped_aloud() {
    let text = "- rule: K\n  desc: d\n  condition: ka.verb = create\n  output: \"%ka.verb\"\n  priority: info\n  source: k8s_audit\n";
    let (set, warnings) = RuleSet::load(&[Source::new("t.yaml", text)]).unwrap();
    assert_eq!(set.rules().len(), 0);
    assert_eq!(set.reports()[0].status, Status::OtherSource);
    assert_eq!(warnings[0].message, "rule `K` is skipped: its source is `k8s_audit`");
}

#[test]
fn a_rule_may_ask_to_be_skipped_when_a_field_is_unknown() {
    let text = "- rule: r\n  desc: d\n  condition: new.field = 1\n  output: o\n  priority: info\n  skip-if-unknown-filter: true\n";
    let set = load(&[BASE, text]);
    assert_eq!(set.reports()[1].status, Status::Cannot);
    assert_eq!(set.reports()[1].reasons, ["there is no field `new.field`"]);
    assert_eq!(matches(&set, "sh"), ["Shell"]);
}

#[test]
fn a_wrong_macro_is_told_once_and_also_when_unused() {
    assert_eq!(errors(&["- macro: unused\n  condition: sf.nope = 1\n"]), ["2: there is no field `sf.nope`"]);
    let text = "- macro: m\n  condition: sf.nope = 1\n- macro: a\n  condition: m and m\n- macro: b\n  condition: m or a\n";
    assert_eq!(errors(&[text]), ["2: there is no field `sf.nope`"]);
}

#[test]
fn twins_in_one_file_are_told() {
    let rule = "- rule: r\n  desc: d\n  condition: sf.ret = 0\n  output: o\n  priority: info\n";
    let (_, warnings) = RuleSet::load(&[Source::new("t.yaml", format!("{rule}{rule}"))]).unwrap();
    assert_eq!(warnings[0].message, "rule `r` is defined twice in this file: the last one counts");
    let text = "- list: a\n  items: [x]\n- macro: a\n  condition: sf.ret = 0\n";
    let (_, warnings) = RuleSet::load(&[Source::new("t.yaml", format!("{text}{text}"))]).unwrap();
    let told: Vec<_> = warnings.iter().map(|warning| (warning.line, warning.message.as_str())).collect();
    assert_eq!(
        told,
        [
            (5, "list `a` is defined twice in this file: the last one counts"),
            (7, "macro `a` is defined twice in this file: the last one counts")
        ]
    );
    let (_, warnings) = RuleSet::load(&[Source::new("t.yaml", text), Source::new("u.yaml", text)]).unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
    assert_eq!(
        errors(&["- macro: a\n  condition: sf.ret = 0\n  condition: sf.ret = 1\n"]),
        ["3: `condition` stands here twice"]
    );
}

#[test]
fn equal_questions_are_asked_once() {
    let rule = |name: &str, values: &str| {
        format!(
            "- rule: {name}\n  desc: d\n  condition: sf.type = PE and sf.proc.name in ({values})\n  output: o\n  priority: info\n"
        )
    };
    let text = format!("{}{}{}", rule("a", "x, y"), rule("b", "y, x"), rule("c", "x"));
    let set = load(&[&text]);
    assert_eq!(set.atoms(), 3);
    assert_eq!(matches(&set, "x"), ["a", "b", "c"]);
    assert_eq!(matches(&set, "y"), ["a", "b"]);
}

#[test]
fn working_memory_is_reused_between_records_and_sets() {
    let set = load(&[BASE]);
    let other =
        load(&["- rule: all\n  desc: d\n  condition: sf.type exists\n  output: o\n  priority: info\n"]);
    let mut scratch = sysflow_policy::Scratch::default();
    for (tree, expected) in [("sh", 1), ("ls", 0), ("bash", 1), ("id", 0)].into_iter().cycle().take(40) {
        Scene::new(tree).exec().joined(|record| {
            let mut ids = Vec::new();
            set.matches_with(record, &mut scratch, &mut ids);
            assert_eq!(ids.len(), expected, "{tree}");
            other.matches_with(record, &mut scratch, &mut ids);
            assert_eq!(ids.len(), expected + 1, "{tree}");
        });
    }
}
