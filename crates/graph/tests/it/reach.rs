//! What is said of ways through a graph is what its raw records say.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use sysflow::Oid;
use sysflow::record::{Process, Record, op};
use sysflow_graph::{Direction, Document, Limits, Query, Snapshot};

use crate::properties::{independent, tree};
use crate::trace::*;

/// Everything happens after all processes were made.
const LATER: i64 = 1_000;

/// Information that went from one thing to another at some time within a record.
#[derive(Clone, Debug)]
struct Went {
    from: String,
    to: String,
    first: i64,
    last: i64,
    /// Index of the record; none for a clone.
    record: Option<usize>,
}

fn later(record: Record) -> Record {
    match record {
        Record::FileFlow(mut r) => {
            (r.ts, r.end_ts) = (r.ts + LATER, r.end_ts + LATER + r.ts / 3);
            Record::FileFlow(r)
        }
        Record::NetworkFlow(mut r) => {
            (r.ts, r.end_ts) = (r.ts + LATER, r.end_ts + LATER + r.ts / 3);
            Record::NetworkFlow(r)
        }
        Record::FileEvent(mut r) => {
            r.ts += LATER;
            Record::FileEvent(r)
        }
        other => other,
    }
}

/// The raw records, read by hand. Processes count only once something of theirs, or of a child, was recorded.
fn raw(tree: &[Record], records: &[Record]) -> Vec<Went> {
    let mut went = Vec::new();
    let process = |oid: Oid| format!("process {}", oid.hpid);
    let parents: BTreeMap<Oid, Option<Oid>> = tree
        .iter()
        .filter_map(|record| match record {
            Record::Process(Process { oid, poid, .. }) => Some((*oid, *poid)),
            _ => None,
        })
        .collect();
    let mut seen = BTreeSet::new();
    for oid in records.iter().filter_map(Record::proc_oid) {
        let mut next = Some(oid);
        while let Some(oid) = next.filter(|oid| seen.insert(*oid)) {
            next = parents[&oid];
            if let Some(parent) = next {
                let (first, last) = (oid.create_ts, oid.create_ts);
                went.push(Went { from: process(parent), to: process(oid), first, last, record: None });
            }
        }
    }
    for (nth, record) in records.iter().enumerate() {
        let mut add = |from: String, to: String, first, last| {
            went.push(Went { from, to, first, last, record: Some(nth) });
        };
        match record {
            Record::FileFlow(r) => {
                let file = format!("file {}", r.file_oid);
                if r.num_rrecv_bytes > 0 || r.op_flags & op::READ_RECV != 0 {
                    add(file.clone(), process(r.proc_oid), r.ts, r.end_ts);
                }
                if r.num_wsend_bytes > 0 || r.op_flags & op::WRITE_SEND != 0 {
                    add(process(r.proc_oid), file, r.ts, r.end_ts);
                }
            }
            Record::FileEvent(r) if r.ret >= 0 => {
                add(process(r.proc_oid), format!("file {}", r.file_oid), r.ts, r.ts);
            }
            Record::NetworkFlow(r) => {
                let line = format!("line {} {} {} {}", r.sip, r.sport, r.dip, r.dport);
                if r.num_rrecv_bytes > 0 || r.op_flags & op::READ_RECV != 0 {
                    add(line.clone(), process(r.proc_oid), r.ts, r.end_ts);
                }
                if r.num_wsend_bytes > 0 || r.op_flags & op::WRITE_SEND != 0 {
                    add(process(r.proc_oid), line, r.ts, r.end_ts);
                }
            }
            _ => {}
        }
    }
    went
}

/// First time at which each thing can know something, found by trying every edge until nothing changes.
fn known(went: &[Went], start: &[(String, i64)]) -> BTreeMap<String, i64> {
    let mut known: BTreeMap<String, i64> = BTreeMap::new();
    for (thing, at) in start {
        let since = known.entry(thing.clone()).or_insert(*at);
        *since = (*since).min(*at);
    }
    loop {
        let mut changed = false;
        for edge in went {
            let Some(at) = known.get(&edge.from).copied().filter(|at| *at <= edge.last) else { continue };
            let then = at.max(edge.first);
            if known.get(&edge.to).is_none_or(|known| then < *known) {
                known.insert(edge.to.clone(), then);
                changed = true;
            }
        }
        if !changed {
            return known;
        }
    }
}

/// The same in a mirror: the last time at which each thing can tell something.
fn tells(went: &[Went], end: &[(String, i64)]) -> BTreeMap<String, i64> {
    let mirror = |edge: &Went| Went {
        from: edge.to.clone(),
        to: edge.from.clone(),
        first: -edge.last,
        last: -edge.first,
        record: edge.record,
    };
    let mirrored: Vec<_> = went.iter().map(mirror).collect();
    let end: Vec<_> = end.iter().map(|(thing, at)| (thing.clone(), -*at)).collect();
    known(&mirrored, &end).into_iter().map(|(thing, at)| (thing, -at)).collect()
}

fn records_of(went: &[Went], on_way: impl Fn(&Went) -> bool) -> BTreeSet<usize> {
    went.iter().filter(|edge| on_way(edge)).filter_map(|edge| edge.record).collect()
}

/// Flows and file events that a document counts.
fn counted(document: &Document) -> u64 {
    document.edges.iter().filter(|edge| !edge.to.starts_with("p:")).map(|edge| edge.count).sum()
}

fn snapshot(trace: &Trace) -> Snapshot {
    trace.graphs.snapshot(graph(10)).expect("graph exists")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn reachability_is_that_of_the_raw_records(
        tree in tree(), records in independent(), pick in 0..100_usize, at in 0..400_000_000_000_i64, bounded in any::<bool>(),
    ) {
        let records: Vec<_> = records.into_iter().map(later).collect();
        let went = raw(&tree, &records);
        let mut trace = Trace::new(Limits::default());
        trace.put_all([tree, records].concat());
        let whole = trace.document(10);
        let nodes: Vec<_> = whole.nodes.iter().filter(|node| node.kind == "process").collect();
        let node = nodes[pick % nodes.len()];
        let at = bounded.then_some(at);
        let start = |at: i64| -> Vec<_> {
            node.instances.iter().map(|instance| (format!("process {}", instance.pid), at)).collect()
        };

        let since = known(&went, &start(at.unwrap_or(i64::MIN + 1)));
        let expected = records_of(&went, |edge| since.get(&edge.from).is_some_and(|known| *known <= edge.last));
        let forward = snapshot(&trace).trace(&node.id, Direction::Forward, at).expect("node exists");
        prop_assert_eq!(counted(&forward), expected.len() as u64);
        prop_assert!(forward.complete);

        let until = tells(&went, &start(at.unwrap_or(i64::MAX)));
        let expected = records_of(&went, |edge| until.get(&edge.to).is_some_and(|tells| *tells >= edge.first));
        let back = snapshot(&trace).trace(&node.id, Direction::Back, at).expect("node exists");
        prop_assert_eq!(counted(&back), expected.len() as u64);
    }

    #[test]
    fn paths_are_those_of_the_raw_records(tree in tree(), records in independent(), file in 0..9_u8, port in 1..4_i32) {
        let records: Vec<_> = records.into_iter().map(later).collect();
        let went = raw(&tree, &records);
        let mut trace = Trace::new(Limits::default());
        trace.put_all([tree, records.clone()].concat());
        let path = format!("/tmp/{file}");
        let is_source = |record: &Record| matches!(record, Record::FileFlow(r) if r.file_oid == sysflow::Foid::new(SHOP, &path));
        let is_sink = |record: &Record| matches!(record, Record::NetworkFlow(r) if r.dport == port);
        let end = |record: &Record, last: bool| {
            let (oid, first, end) = match record {
                Record::FileFlow(r) => (r.proc_oid, r.ts, r.end_ts),
                Record::NetworkFlow(r) => (r.proc_oid, r.ts, r.end_ts),
                _ => unreachable!(),
            };
            (format!("process {}", oid.hpid), if last { end } else { first })
        };
        let starts: Vec<_> = records.iter().filter(|r| is_source(r)).map(|r| end(r, false)).collect();
        let ends: Vec<_> = records.iter().filter(|r| is_sink(r)).map(|r| end(r, true)).collect();
        let (since, until) = (known(&went, &starts), tells(&went, &ends));
        let mut expected = records_of(&went, |edge| {
            since.get(&edge.from).zip(until.get(&edge.to)).is_some_and(|(since, until)| {
                *since.max(&edge.first) <= *until.min(&edge.last)
            })
        });
        let mut any = false;
        for (nth, record) in records.iter().enumerate().filter(|(_, r)| is_source(r) || is_sink(r)) {
            let ((process, first), (_, last)) = (end(record, false), end(record, true));
            let on_way = since.get(&process).zip(until.get(&process)).is_some_and(|(since, until)| {
                since <= until && *since <= last && *until >= first
            });
            if on_way {
                any = true;
                expected.insert(nth);
            }
        }
        if !any {
            expected.clear();
        }
        let found = snapshot(&trace).paths(|joined| is_source(joined.record), |joined| is_sink(joined.record));
        prop_assert_eq!(counted(&found), expected.len() as u64);
        prop_assert_eq!(found.nodes.is_empty(), !any);
    }

    #[test]
    fn a_window_counts_what_touches_it(tree in tree(), records in independent(), a in 0..600_000_000_000_i64, b in 0..600_000_000_000_i64) {
        let records: Vec<_> = records.into_iter().map(later).collect();
        let mut trace = Trace::new(Limits::default());
        trace.put_all([tree, records.clone()].concat());
        let (from, to) = (a.min(b), a.max(b));
        let touches = |record: &&Record| match record {
            Record::FileFlow(r) => r.ts <= to && r.end_ts >= from,
            Record::NetworkFlow(r) => r.ts <= to && r.end_ts >= from,
            Record::FileEvent(r) => (from..=to).contains(&r.ts),
            _ => false,
        };
        let sent = |record: &Record| match record {
            Record::FileFlow(r) => r.num_wsend_bytes as u64,
            Record::NetworkFlow(r) => r.num_wsend_bytes as u64,
            _ => 0,
        };
        let asked = Query { from: Some(from), to: Some(to), ..Query::default() };
        let document = trace.graphs.document(graph(10), &asked).expect("graph exists");
        prop_assert!(document.complete);
        prop_assert_eq!(counted(&document), records.iter().filter(touches).count() as u64);
        let bytes: u64 = document.edges.iter().filter(|edge| !edge.to.starts_with("p:")).map(|edge| edge.wbytes).sum();
        prop_assert_eq!(bytes, records.iter().filter(touches).map(sent).sum::<u64>());
        let series: u64 = document.nodes.iter().flat_map(|node| &node.series).map(|bucket| bucket.wbytes).sum();
        prop_assert!(series <= bytes);
    }

    #[test]
    fn a_window_of_all_time_is_the_whole_graph(tree in tree(), records in independent()) {
        let mut trace = Trace::new(Limits::default());
        trace.put_all([tree, records.into_iter().map(later).collect()].concat());
        let whole = trace.document(10);
        let ever = Query { from: Some(i64::MIN), to: Some(i64::MAX), ..Query::default() };
        let window = trace.graphs.document(graph(10), &ever).expect("graph exists");
        prop_assert_eq!(Document { window: whole.window, ..window }, whole);
    }

    #[test]
    fn the_order_of_records_changes_no_answer(tree in tree(), records in independent(), seed in any::<u64>()) {
        let records: Vec<_> = records.into_iter().map(later).collect();
        let (mut straight, mut mixed) = (Trace::new(Limits::default()), Trace::new(Limits::default()));
        // Each process is seen before the threads mix: one that is known only as an ancestor is there since it was made, not
        // since its first record.
        let seen = (1..=6).map(|pid| file_flow(pid * 10, 500, "/tmp/seen", op::OPEN, 0, 0)).collect();
        let tree = [tree, seen].concat();
        // All processes are there first: where one comes from is told by what brings it.
        let place = (1..=6).map(|pid| event(pid * 10, LATER - 1, op::SETUID, 0));
        let tree: Vec<_> = tree.into_iter().chain(place).collect();
        straight.put_all([tree.clone(), records.clone()].concat());
        // As several threads bring them: each process keeps its own order.
        let mut queues: BTreeMap<_, std::collections::VecDeque<Record>> = BTreeMap::new();
        for record in records {
            queues.entry(record.proc_oid()).or_default().push_back(record);
        }
        mixed.put_all(tree);
        let mut dice = seed;
        while !queues.is_empty() {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let key = *queues.keys().nth((dice >> 33) as usize % queues.len()).expect("one");
            let queue = queues.get_mut(&key).expect("there");
            mixed.put(queue.pop_front().expect("not empty"));
            queues.retain(|_, queue| !queue.is_empty());
        }
        let node = straight.document(10).nodes.last().expect("a node").id.clone();
        let ask = |trace: &Trace| {
            let snapshot = snapshot(trace);
            (
                snapshot.trace(&node, Direction::Back, None),
                snapshot.trace(&node, Direction::Forward, Some(100_000_000_000)),
                snapshot.document(&Query { from: Some(50_000_000_000), to: Some(200_000_000_000), ..Query::default() }),
                snapshot.timeline(None, None, 50),
                snapshot.traffic(None, (i64::MIN, i64::MAX)),
                snapshot.projection((i64::MIN, i64::MAX)),
            )
        };
        prop_assert_eq!(ask(&straight), ask(&mixed));
    }
}
