//! Falco's own rules files load.

use sysflow_policy::{RuleSet, Source, Status};

use crate::shared;

/// Loads a file and counts its rules: all, and those that can run.
fn load(name: &str) -> Option<(usize, usize)> {
    let path = shared(&format!("data/policies/{name}"))?;
    let source =
        Source::from_bytes(name, std::fs::read(path).expect("the file can be read")).expect("it is UTF-8");
    let (set, warnings) = RuleSet::load(&[source]).unwrap_or_else(|error| panic!("{error}"));
    for report in set.reports().iter().filter(|report| report.status == Status::Cannot) {
        assert!(!report.reasons.is_empty(), "{} cannot run, and nothing says why", report.rule);
        let told = warnings
            .iter()
            .any(|warning| warning.message.contains(&format!("rule `{}` cannot run", report.rule)));
        assert!(told, "{}", report.rule);
    }
    let cannot = set.reports().iter().filter(|report| report.status == Status::Cannot).count();
    Some((set.reports().len(), set.reports().len() - cannot))
}

#[test]
fn stable() {
    if let Some((all, can)) = load("falco_rules.yaml") {
        assert_eq!(all, 25);
        assert!(can >= 20, "{can} can run");
    }
}

#[test]
fn incubating() {
    if let Some((all, can)) = load("falco-incubating_rules.yaml") {
        assert_eq!(all, 31);
        assert!(can >= 25, "{can} can run");
    }
}

#[test]
fn sandbox() {
    if let Some((all, can)) = load("falco-sandbox_rules.yaml") {
        assert_eq!(all, 37);
        assert!(can >= 25, "{can} can run");
    }
}
