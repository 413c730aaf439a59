//! Falco's own rules over our records find in the captures what a real Falco finds there.

use std::{collections::BTreeSet, path::Path};

use sysflow::{Entities, Joined, Record, record::op};
use sysflow_policy::{Memory, Priority, RuleSet, Scratch, Source, Status};

use crate::support::{bundled, records_of, replay, shared};

/// What a real Falco (engine 0.63, container ids from control groups) found in each capture with all rules enabled.
const FALCO: &str = include_str!("falco_matches.tsv");

/// A finding: rule, pid, and the file or connection.
type Finding = (String, i64, String);

/// All rules of Falco's three files, also those that ship disabled.
fn upstream() -> Option<RuleSet> {
    let mut sources = Vec::new();
    for name in ["falco_rules.yaml", "falco-incubating_rules.yaml", "falco-sandbox_rules.yaml"] {
        let path = shared(&format!("data/policies/{name}"))?;
        let text = std::fs::read_to_string(path).unwrap().replace("enabled: false", "enabled: true");
        sources.push(Source::new(name, text));
    }
    Some(RuleSet::load(&sources).unwrap_or_else(|error| panic!("{error}")).0)
}

fn theirs(capture: &str) -> BTreeSet<Finding> {
    FALCO
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split('\t').collect::<Vec<_>>())
        .filter(|columns| columns[0] == capture)
        .map(|columns| (columns[1].to_owned(), columns[3].parse().unwrap(), columns[5].to_owned()))
        .collect()
}

/// Findings of the rules of at least `priority` over the records that the plugin makes of a capture.
fn ours(rules: &RuleSet, capture: &Path, priority: Priority) -> BTreeSet<Finding> {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("sf");
    replay(capture, &format!(r#"{{"dir":"{}"}}"#, dir.display()));
    let (mut entities, mut memory) = (Entities::default(), Memory::default());
    let (mut scratch, mut ids, mut found) = (Scratch::default(), Vec::new(), BTreeSet::new());
    let records = records_of(&dir);
    assert!(records.len() > 100, "nothing can be found in {} records", records.len());
    for record in records {
        entities.apply(&record);
        let joined = entities.join(&record);
        rules.matches_in(&joined, &memory, &mut scratch, &mut ids);
        let matched: Vec<_> = ids.drain(..).map(|id| rules.rule(id)).collect();
        memory.observe(&joined, matched.iter().copied());
        for rule in matched.into_iter().filter(|rule| rule.priority >= priority) {
            let pid = joined.process.map_or(0, |process| process.oid.hpid);
            found.insert((rule.name.clone(), pid, object(&joined)));
        }
    }
    found
}

/// The descriptor as Falco names it.
fn object(joined: &Joined<'_>) -> String {
    match joined.record {
        // Of file events, only a refused open has one.
        Record::FileEvent(event) if event.op_flags & op::OPEN == 0 => String::new(),
        Record::FileFlow(_) | Record::FileEvent(_) => {
            joined.file.map(|file| file.path.clone()).unwrap_or_default()
        }
        Record::NetworkFlow(flow) => {
            let end = |v4: i32, v6: Option<[u8; 16]>, port| match v6 {
                Some(v6) => format!("{}:{port}", std::net::Ipv6Addr::from(v6)),
                None => format!("{}:{port}", std::net::Ipv4Addr::from(v4.to_le_bytes())),
            };
            let server = end(flow.dip, flow.dip6, flow.dport);
            if flow.op_flags & op::LISTEN != 0 {
                return server;
            }
            format!("{}->{server}", end(flow.sip, flow.sip6, flow.sport))
        }
        _ => String::new(),
    }
}

/// Asserts that we find what Falco found, but for `more` and `less`: rule, pid, object. docs/falco-rules.md says why.
#[track_caller]
fn compare(capture: &str, more: &[(&str, i64, &str)], less: &[(&str, i64, &str)]) {
    let Some(rules) = upstream() else { return };
    let path = bundled(&format!("{capture}.scap"));
    let path = if path.exists() { Some(path) } else { shared(&format!("data/captures/{capture}.scap")) };
    let Some(path) = path else { return };
    let cannot = |rule: &str| {
        rules.reports().iter().any(|report| report.rule == rule && report.status == Status::Cannot)
    };
    let theirs: BTreeSet<_> = theirs(capture).into_iter().filter(|(rule, ..)| !cannot(rule)).collect();
    let ours = ours(&rules, &path, Priority::Debug);
    let list = |expected: &[(&str, i64, &str)]| -> Vec<Finding> {
        let mut list: Vec<Finding> =
            expected.iter().map(|(rule, pid, object)| ((*rule).into(), *pid, (*object).into())).collect();
        list.sort();
        list
    };
    let only = |these: &BTreeSet<Finding>, those| these.difference(those).cloned().collect::<Vec<_>>();
    assert_eq!(only(&ours, &theirs), list(more), "{capture}: what Falco did not find");
    assert_eq!(only(&theirs, &ours), list(less), "{capture}: what only Falco found");
}

#[test]
fn falcos_rules_find_the_intrusion_as_falco_does() {
    compare(
        "shop-attack",
        &[("Non sudo setuid", 10386, "")],
        &[
            ("Change thread namespace", 10385, "/proc/10098/ns/user"),
            ("Terminal shell in container", 10386, ""),
        ],
    );
}

#[test]
fn falcos_rules_find_in_normal_work_what_falco_does() {
    compare("shop-normal", &[], &[]);
    compare(
        "host-mix",
        &[
            ("Interpreted procs inbound network activity", 18334, ":::50425->::1:7073"),
            ("Interpreted procs outbound network activity", 18320, "::1:50425->::1:7073"),
            ("Interpreted procs outbound network activity", 18334, ":::50425->::1:7073"),
        ],
        &[("Interpreted procs outbound network activity", 18320, "::1:7073->::1:50425")],
    );
}

#[test]
#[ignore = "a million events: `make test-full`"]
fn falcos_rules_find_nothing_in_load_as_falco_does() {
    compare("load", &[], &[]);
}

/// Nothing in ordinary work is worth a warning; a compiler, `su` and a daemon may look like something three times.
#[test]
fn our_own_rules_are_quiet_about_ordinary_work() {
    let text = include_str!("../../../rules/sysflow_rules.yaml");
    let (rules, _) = RuleSet::load(&[Source::new("sysflow_rules.yaml", text)]).unwrap();
    let found = |capture| ours(&rules, &bundled(capture), Priority::Warning);
    let shop = found("shop-normal.scap");
    assert!(shop.is_empty(), "{shop:?}");
    let host = found("host-mix.scap");
    assert!(host.len() <= 3, "{host:?}");
}

/// By counting and memory, not by names of programs.
#[test]
fn scan_beacon_and_pull_are_found_by_memory() {
    let text = include_str!("../../../rules/sysflow_rules.yaml");
    let (rules, _) = RuleSet::load(&[Source::new("sysflow_rules.yaml", text)]).unwrap();
    let names =
        ["Many Ports of One Server Tried", "Connections in a Rhythm", "Much Received After Port Scan"];
    let found = |capture| {
        let server = |object: &str| object.rsplit("->").next().unwrap_or_default().to_owned();
        let all = ours(&rules, &bundled(capture), Priority::Debug);
        let counted = all.into_iter().filter(|(rule, ..)| names.contains(&rule.as_str()));
        counted.map(|(rule, pid, object)| (rule, pid, server(&object))).collect::<BTreeSet<_>>()
    };
    let attack = found("shop-attack.scap");
    let of = |name: &str| -> Vec<_> { attack.iter().filter(|(rule, ..)| rule == name).collect() };
    let scan = of(names[0]);
    assert!(scan.len() >= 5, "{attack:?}");
    assert!(
        scan.iter().all(|(_, pid, server)| *pid == 10397 && server.starts_with("10.88.0.3:")),
        "{scan:?}"
    );
    assert_eq!(of(names[1]), [&(names[1].to_owned(), 10397, "198.51.100.77:8443".to_owned())]);
    assert_eq!(of(names[2]), [&(names[2].to_owned(), 10397, "10.88.0.3:5432".to_owned())]);
    assert!(found("shop-normal.scap").is_empty());
    assert!(found("host-mix.scap").is_empty());
}
