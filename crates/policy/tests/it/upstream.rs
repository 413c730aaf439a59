//! Falco's own rules files: what becomes of each rule and field, and docs/falco-rules.md, which says so.

use std::{collections::BTreeSet, fmt::Write as _};

use sysflow_policy::{RuleSet, Source, Status, falco_fields};

use crate::{repository, shared};

const FILES: [(&str, &str); 3] = [
    ("stable", "falco_rules.yaml"),
    ("incubating", "falco-incubating_rules.yaml"),
    ("sandbox", "falco-sandbox_rules.yaml"),
];

/// A file with all of its rules enabled.
fn text(name: &str) -> Option<String> {
    let path = shared(&format!("data/policies/{name}"))?;
    let text = std::fs::read_to_string(path).expect("the file can be read");
    Some(text.replace("enabled: false", "enabled: true"))
}

/// Loads a file and asserts of each rule that cannot run that a warning says why.
fn load(name: &str) -> Option<RuleSet> {
    let (set, warnings) =
        RuleSet::load(&[Source::new(name, text(name)?)]).unwrap_or_else(|error| panic!("{error}"));
    for report in set.reports().iter().filter(|report| report.status != Status::Runs) {
        assert!(!report.reasons.is_empty(), "{} differs, and nothing says why", report.rule);
    }
    for report in set.reports().iter().filter(|report| report.status == Status::Cannot) {
        let told = warnings
            .iter()
            .any(|warning| warning.message.contains(&format!("rule `{}` cannot run", report.rule)));
        assert!(told, "{}", report.rule);
    }
    Some(set)
}

/// Names of the rules that cannot run.
fn cannot(set: &RuleSet) -> Vec<&str> {
    let reports = set.reports().iter().filter(|report| report.status == Status::Cannot);
    reports.map(|report| report.rule.as_str()).collect()
}

#[test]
fn stable() {
    if let Some(set) = load("falco_rules.yaml") {
        assert_eq!(set.reports().len(), 25);
        assert_eq!(
            cannot(&set),
            [
                "Directory traversal monitored file read",
                "Contact K8S API Server From Container",
                "Packet socket created in container",
                "Redirect STDOUT/STDIN to Network Connection in Container",
            ]
        );
    }
}

#[test]
fn incubating() {
    if let Some(set) = load("falco-incubating_rules.yaml") {
        assert_eq!(set.reports().len(), 31);
        assert_eq!(
            cannot(&set),
            ["Change namespace privileges via unshare", "Launch Excessively Capable Container"]
        );
    }
}

#[test]
fn sandbox() {
    if let Some(set) = load("falco-sandbox_rules.yaml") {
        assert_eq!(set.reports().len(), 37);
        assert_eq!(cannot(&set).len(), 7, "{:?}", cannot(&set));
    }
}

fn status(status: Status) -> &'static str {
    match status {
        Status::Runs => "runs",
        Status::Differs => "differs",
        _ => "cannot",
    }
}

/// Vertical bars end the cells of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn rules_table() -> Option<String> {
    let mut table = "| Maturity | Rule | | Why |\n|---|---|---|---|\n".to_owned();
    for (maturity, name) in FILES {
        for report in load(name)?.reports() {
            let reasons = cell(&report.reasons.join("; "));
            writeln!(table, "| {maturity} | {} | {} | {reasons} |", report.rule, status(report.status))
                .expect("a String takes all");
        }
    }
    Some(table)
}

/// Falco's fields that stand in one of the files, and what becomes of them.
fn fields_table() -> Option<String> {
    let mut used = BTreeSet::new();
    for (_, name) in FILES {
        let text = text(name)?;
        let code = text.lines().filter(|line| !line.trim_start().starts_with('#'));
        for line in code {
            let words = line.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.'));
            used.extend(words.map(|word| word.trim_matches('.').to_owned()));
        }
    }
    let mut table = "| Field | | Why |\n|---|---|---|\n".to_owned();
    let mut fields: Vec<_> = falco_fields().filter(|field| used.contains(field.name)).collect();
    fields.sort_by_key(|field| field.name);
    for field in fields {
        let reason = cell(field.reason.unwrap_or_default());
        writeln!(table, "| {} | {} | {reason} |", field.name, status(field.status))
            .expect("a String takes all");
    }
    Some(table)
}

#[test]
fn the_document_is_current() {
    let (Some(rules), Some(fields)) = (rules_table(), fields_table()) else { return };
    let path = repository("docs/falco-rules.md");
    let text = std::fs::read_to_string(&path).expect("docs/falco-rules.md can be read");
    let mut want = text.clone();
    for (mark, table) in [("rules", rules), ("fields", fields)] {
        let open = format!("<!-- {mark} -->\n");
        let (head, rest) = want.split_once(&open).expect("the mark is there");
        let (_, tail) = rest.split_once("<!-- end -->").expect("the end is there");
        want = format!("{head}{open}{table}<!-- end -->{tail}");
    }
    if std::env::var_os("SYSFLOW_UPDATE_DOCS").is_some() {
        std::fs::write(&path, want).expect("docs/falco-rules.md can be written");
        return;
    }
    assert!(
        text == want,
        "docs/falco-rules.md is not current: SYSFLOW_UPDATE_DOCS=1 cargo test -p sysflow-policy upstream"
    );
}
