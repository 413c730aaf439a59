//! What a rule does beside raising an alert.

use sysflow_policy::{Action, Context as _, Memory, RuleSet, Scratch, Seen, Source, Stateful};

use crate::scene::Scene;

fn load(text: &str) -> RuleSet {
    let (rules, warnings) = RuleSet::load(&[Source::new("t.yaml", text)]).unwrap_or_else(|e| panic!("{e}"));
    assert!(warnings.is_empty(), "{warnings:?}");
    rules
}

/// A rule of Falco's language for executions of a program.
fn rule(name: &str, program: &str, rest: &str) -> String {
    format!(
        "- rule: {name}\n  desc: d\n  condition: sf.opflags = EXEC and sf.proc.name = {program}\n  output: o\n  priority: INFO\n  source: sysflow\n  tags: [{name}]\n{rest}"
    )
}

fn matches(rules: &RuleSet, scene: Scene, memory: &mut Memory) -> Vec<String> {
    scene.joined(|record| {
        let (mut ids, mut scratch) = (Vec::new(), Scratch::default());
        rules.matches_in(record, memory, &mut scratch, &mut ids);
        let matched: Vec<_> = ids.iter().map(|id| rules.rule(*id)).collect();
        memory.observe(record, matched.iter().copied());
        matched.iter().map(|rule| rule.name.clone()).collect()
    })
}

#[test]
fn an_action_is_a_word_or_several() {
    for (written, actions, alerts, tags_only) in [
        ("", &[][..], true, false),
        ("  action: alert\n", &[Action::Alert], true, false),
        ("  action: tag\n", &[Action::Tag], false, true),
        ("  action: export\n", &[Action::Export], false, false),
        ("  action: [tag, export]\n", &[Action::Tag, Action::Export], false, true),
        ("  action:\n    - alert\n    - export\n", &[Action::Alert, Action::Export], true, false),
        ("  action: drop\n", &[Action::Drop], false, false),
    ] {
        let rules = load(&rule("r", "sh", written));
        let (_, rule) = rules.rules().next().unwrap();
        assert_eq!(rule.actions, actions, "{written}");
        assert_eq!((rule.alerts(), rule.tags_only()), (alerts, tags_only), "{written}");
    }
}

#[test]
fn a_later_file_changes_an_action() {
    let change = "- rule: r\n  action: tag\n  override:\n    action: replace\n";
    let rules = load(&format!("{}{change}", rule("r", "sh", "")));
    assert_eq!(rules.rules().next().unwrap().1.actions, [Action::Tag]);
}

#[test]
fn what_is_no_action_is_told() {
    for (written, says) in [
        ("  action: dorp\n", "did you mean `drop`"),
        ("  action: [alert, kill]\n", "one of alert, tag, drop, export"),
        ("  action: [drop, alert]\n", "`drop` goes with no other action"),
        ("  action: {}\n", "action"),
    ] {
        let error = RuleSet::load(&[Source::new("t.yaml", rule("r", "sh", written))]).unwrap_err();
        assert!(error.to_string().contains(says), "{written} should say {says}:\n{error}");
    }
}

/// Wherever it stands, and in either language.
#[test]
fn what_a_rule_drops_matches_nothing_else_and_leaves_no_tags() {
    let sf = |action: &str| {
        format!("- rule: d\n  desc: d\n  condition: sf.proc.name = sh\n  actions: [{action}]\n")
    };
    let all = rule("all", "sh", "");
    let drop = rule("d", "sh", "  action: drop\n");
    for sources in [
        vec![("falco", format!("{all}{drop}"))],
        vec![("falco", format!("{drop}{all}"))],
        vec![("falco", all.clone()), ("sf", sf("drop"))],
    ] {
        let sources: Vec<_> = sources.into_iter().map(|(name, text)| Source::new(name, text)).collect();
        let (rules, _) = RuleSet::load(&sources).unwrap_or_else(|e| panic!("{e}"));
        let mut memory = Memory::default();
        assert_eq!(matches(&rules, Scene::new("sh -c id").exec(), &mut memory), ["d"]);
        let seen = Scene::new("sh -c id").exec().joined(|record| {
            [Stateful::GraphTags, Stateful::GraphAlerts].map(|asked| memory.value(asked, record))
        });
        assert_eq!(seen, [Seen::Texts(Vec::new()), Seen::Number(0)], "as if no rule had matched");
        assert!(matches(&rules, Scene::new("bash").exec(), &mut memory).is_empty());
    }
    // Matches of other records in the same list stay.
    let rules = load(&format!("{all}{drop}{}", rule("other", "id", "")));
    let (mut ids, mut scratch) = (Vec::new(), Scratch::default());
    for scene in [Scene::new("id").exec(), Scene::new("sh").exec()] {
        scene.joined(|record| rules.matches_with(record, &mut scratch, &mut ids));
    }
    let names: Vec<_> = ids.iter().map(|id| rules.rule(*id).name.as_str()).collect();
    assert_eq!(names, ["other", "d"]);
}

#[test]
fn each_rule_of_a_file_is_reported_with_what_is_known_of_it() {
    let sf = "- rule: a\n  desc: d\n  condition: sf.proc.name = sh\n  tags: [x]\n  enabled: false\n- rule: b\n  desc: d\n  condition: sf.type = PE\n";
    let falco = format!(
        "{}{}{}",
        rule("off", "sh", "  enabled: false\n"),
        rule("on", "sh", ""),
        rule("later", "sh", "").replace("source: sysflow", "source: okta")
    );
    let (rules, _) = RuleSet::load(&[Source::new("sf", sf), Source::new("falco", falco)]).unwrap();
    let told: Vec<_> = rules
        .reports()
        .iter()
        .map(|report| {
            (report.rule.as_str(), report.file.as_str(), report.id.map(|id| rules.rule(id).name.as_str()))
        })
        .collect();
    assert_eq!(
        told,
        [
            ("off", "falco", None),
            ("on", "falco", Some("on")),
            ("later", "falco", None),
            ("a", "sf", None),
            ("b", "sf", Some("b"))
        ]
    );
    assert_eq!(
        (rules.reports()[2].source.as_str(), &rules.reports()[3].tags[..]),
        ("okta", &["x".to_owned()][..])
    );
}

#[test]
fn one_rule_is_asked_alone() {
    let rules = load(&format!("{}{}", rule("a", "sh", ""), rule("b", "id", "")));
    let mut scratch = Scratch::default();
    let mut holds = |name: &str, scene: Scene| {
        let id = rules.find(name).unwrap();
        scene.joined(|record| rules.holds_in(id, record, &sysflow_policy::NoContext, &mut scratch))
    };
    assert!(holds("a", Scene::new("sh").exec()) && !holds("b", Scene::new("sh").exec()));
    assert!(holds("b", Scene::new("id").exec()));
}
