//! Conditions mean the same over rows as over records.

use proptest::prelude::*;
use sysflow::{Entities, Record};
use sysflow_policy::{Condition, Scratch};
use sysflow_store::{Asked, History, Limits};

use crate::data::{Place, builder, trace, wait};

/// Records that match, by number.
fn matching(records: &[Record], condition: &str) -> usize {
    let condition = Condition::parse(condition).expect("a condition");
    let (mut entities, mut scratch) = (Entities::default(), Scratch::default());
    records
        .iter()
        .filter(|record| {
            entities.apply(record);
            condition.matches_with(&entities.join(record), &mut scratch)
        })
        .count()
}

/// Times and processes of the records that match, in order.
fn expected(records: &[Record], condition: &str) -> Vec<(i64, String)> {
    let condition = Condition::parse(condition).expect("a condition");
    let (mut entities, mut scratch) = (Entities::default(), Scratch::default());
    let mut found = Vec::new();
    for record in records {
        entities.apply(record);
        let joined = entities.join(record);
        if condition.matches_with(&joined, &mut scratch) {
            let oid = sysflow::attr::find("sf.proc.oid").expect("known").value(&joined).to_string();
            found.push((record.ts().unwrap_or_default(), oid));
        }
    }
    found.sort();
    found
}

fn found(answer: &sysflow_store::Answer) -> Vec<(i64, String)> {
    let (columns, rows) = answer.values();
    let at = |name: &str| columns.iter().position(|(column, _)| column == name).expect("a column");
    let (ts, oid) = (at("sf.ts"), at("sf.proc.oid"));
    let number = |value: &serde_json::Value| match value {
        serde_json::Value::String(text) => text.parse().expect("a number"),
        other => other.as_i64().expect("a number"),
    };
    let mut rows: Vec<_> =
        rows.iter().map(|row| (number(&row[ts]), row[oid].as_str().unwrap_or_default().to_owned())).collect();
    rows.sort();
    rows
}

fn ask(history: &History, condition: &str) -> sysflow_store::Answer {
    let limits = Limits { rows: 1_000_000, ..Limits::default() };
    wait_on(history, &Asked { limits, ..Asked::condition(condition) })
}

fn wait_on(history: &History, asked: &Asked) -> sysflow_store::Answer {
    wait(async { history.ask(asked).await.expect("an answer") })
}

/// Atoms that columns answer, and atoms that they do not.
const ATOMS: &[&str] = &[
    "sf.type = FF",
    "sf.type in (PE, NF)",
    "sf.opflags = EXEC",
    "sf.opflags in (OPEN, CONNECT, UNLINK)",
    "sf.opflags != READ",
    "sf.opflags exists",
    "sf.proc.name = node",
    "sf.proc.name in (sh, bash, cat)",
    "sf.proc.name != node",
    "sf.proc.exe contains bin",
    "sf.proc.exe startswith /usr",
    "sf.proc.exe endswith sh",
    "sf.proc.cmdline contains exfil",
    "sf.proc.cmdline icontains NODE",
    "sf.proc.cmdline regex .*node.*",
    "sf.proc.exe glob /usr/*/node",
    "sf.proc.uid = 0",
    "sf.proc.uid != 0",
    "sf.proc.pid > 1000",
    "sf.proc.pid <= 1000",
    "sf.proc.tid in (1, 100, 2000)",
    "sf.proc.args contains -",
    "sf.proc.entry = true",
    "sf.proc.aname in (node, sh)",
    "sf.pproc.name = node",
    "sf.pproc.name exists",
    "sf.pproc.exe exists",
    "sf.file.path pmatch (/etc, /proc)",
    "sf.file.path startswith /etc",
    "sf.file.path contains node_modules",
    "sf.file.path exists",
    "sf.file.type = f",
    "sf.file.type != f",
    "sf.file.openflags = RDONLY",
    "sf.file.newpath exists",
    "sf.file.name = passwd",
    "sf.file.directory = /etc",
    "sf.net.dip = 127.0.0.1",
    "sf.net.ip = 172.0.0.0/8",
    "sf.net.dport = 8080",
    "sf.net.dport in (80, 443, 53)",
    "sf.net.port = 53",
    "sf.net.proto = 6",
    "sf.net.dport > 1024",
    "sf.ret < 0",
    "sf.ret = 0",
    "sf.flow.rbytes > 100",
    "sf.flow.wbytes >= 1",
    "sf.flow.rops = 0",
    "sf.container.id exists",
    "sf.container.name != node",
    "sf.container.type = DOCKER",
    "sf.event.args exists",
    "sf.ts > 0",
    "sf.endts exists",
    "len(sf.proc.exe) > 12",
    "tolower(sf.proc.name) = node",
    "proc.name = node",
    "proc.name in (sh, cat)",
    "proc.cmdline contains node",
    "proc.aname[1] = sh",
    "proc.pname exists",
    "fd.name startswith /etc",
    "fd.sport = 53",
    "fd.rip = 8.8.8.8",
    "evt.type in (execve, openat)",
    "evt.type = connect",
    "evt.dir = <",
    "container.id = host",
    "container.id != host",
    "user.uid = 0",
    "fd.typechar = f",
    "sf.proc.exe = val(sf.pproc.exe)",
];

fn condition() -> impl Strategy<Value = String> {
    let atom = prop::sample::select(ATOMS).prop_map(str::to_owned);
    atom.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|part| format!("not ({part})")),
            prop::collection::vec(inner.clone(), 2..4).prop_map(|parts| format!("({})", parts.join(" and "))),
            prop::collection::vec(inner, 2..4).prop_map(|parts| format!("({})", parts.join(" or "))),
        ]
    })
}

/// Some hundred records of each of three traces, one after the other, as if they were one.
fn place() -> Option<(Vec<Record>, Place)> {
    let traces = [
        "traces/mon.1531776712.sf",
        "pairs/client-server_tcp-client-server.sf",
        "pairs/rename_rename.sf",
        "pairs/namespaces_setns.sf",
    ];
    let mut records = Vec::new();
    for name in traces {
        records.extend(trace(name)?.into_iter().take(1000));
    }
    let place = wait(Place::with(&builder(&records)));
    Some((records, place))
}

#[test]
fn each_atom_gives_the_same_rows_over_records_and_over_parquet() {
    let Some((records, place)) = place() else { return };
    let history = place.history();
    let mut matching = 0;
    for atom in ATOMS {
        for condition in [(*atom).to_owned(), format!("not {atom}")] {
            let expected = expected(&records, &condition);
            matching += usize::from(!expected.is_empty());
            assert_eq!(found(&ask(&history, &condition)), expected, "{condition}");
        }
    }
    assert!(matching > ATOMS.len() * 3 / 2, "most of them match something: {matching}");
}

#[test]
fn a_stateless_condition_gives_the_same_rows_over_records_and_over_parquet() {
    let Some((records, place)) = place() else { return };
    let history = place.history();
    let config = ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(condition in condition())| {
        prop_assert_eq!(found(&ask(&history, &condition)), expected(&records, &condition), "{}", condition);
    });
}

#[test]
fn a_limit_keeps_the_earliest_rows_and_says_that_there_were_more() {
    let Some((records, place)) = place() else { return };
    let history = place.history();
    let all = matching(&records, "sf.type exists");
    for condition in ["sf.type exists", "proc.name exists or sf.type exists"] {
        let limits = Limits { rows: 5, ..Limits::default() };
        let answer = wait_on(&history, &Asked { limits, ..Asked::condition(condition) });
        assert_eq!((answer.len(), answer.truncated), (5, true), "{condition}");
        let mut first: Vec<i64> =
            records.iter().filter(|r| r.proc_oid().is_some()).filter_map(Record::ts).collect();
        first.sort_unstable();
        let times: Vec<i64> = found(&answer).into_iter().map(|(ts, _)| ts).collect();
        assert_eq!(times, first[..5], "{condition}");
    }
    let whole = ask(&history, "sf.type exists");
    assert_eq!((whole.len(), whole.truncated), (all, false));
    assert_eq!(whole.scanned.files, 1);
}

#[test]
fn a_stretch_of_time_leaves_files_out() {
    let Some(records) = trace("traces/mon.1531776712.sf") else { return };
    wait(async {
        let place = Place::new();
        let mut entities = Entities::default();
        for (nth, part) in records.chunks(records.len().div_ceil(4)).enumerate() {
            let mut builder = sysflow_store::RowsBuilder::new(crate::data::STREAM, "n");
            let first = nth * records.len().div_ceil(4);
            crate::data::append(&mut builder, part, first as u64, &mut entities);
            place.data.write(&builder.rows().expect("rows")).await.expect("written");
        }
        let history = place.history();
        let times: Vec<i64> =
            records.iter().filter(|r| r.proc_oid().is_some()).filter_map(Record::ts).collect();
        let (first, last) = (times.iter().min().expect("times"), times.iter().max().expect("times"));
        let all = history.ask(&Asked::condition("sf.type exists")).await.expect("answer");
        assert_eq!((all.len(), all.scanned.files), (times.len(), 4));
        let asked = Asked { until: Some(*first), ..Asked::condition("sf.type exists") };
        let early = history.ask(&asked).await.expect("answer");
        assert_eq!(early.len(), times.iter().filter(|ts| *ts == first).count());
        assert!(early.scanned.files < 4, "files that began later were not opened");
        let asked = Asked { since: Some(last + 3_600_000_000_000), ..Asked::condition("sf.type exists") };
        let none = history.ask(&asked).await.expect("answer");
        assert_eq!((none.len(), none.scanned.files, none.scanned.rows), (0, 0, 0));
    });
}

#[test]
fn rows_that_cannot_match_are_not_read() {
    let Some((_, place)) = place() else { return };
    let history = place.history();
    let none = ask(&history, "sf.graphid = 00000000000000000000000000000000");
    assert_eq!((none.len(), none.scanned.rows), (0, 0), "its Bloom filter rules the file out");
    let none = ask(&history, "sf.proc.uid = 4294967294");
    assert_eq!((none.len(), none.scanned.rows), (0, 0), "so do the bounds of a column");
}

#[test]
fn a_condition_that_is_none_says_where() {
    let place = Place::new();
    let history = place.history();
    for wrong in ["sf.proc.nmae = x", "sf.type =", "", "proc.cmdnargs > 1"] {
        let error = wait(async { history.ask(&Asked::condition(wrong)).await }).expect_err(wrong);
        assert!(matches!(error, sysflow_store::Error::Question(_)), "{wrong}: {error}");
    }
}
