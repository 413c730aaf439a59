//! What happens when there is more than there is room for.

use sysflow::record::{Process, Record, op};
use sysflow_graph::{Limits, Priority};

use crate::trace::*;

#[test]
fn targets_beyond_the_bound_are_counted_and_the_telling_ones_kept() {
    let mut trace = Trace::new(Limits { targets: 10, samples: 5, ..Limits::default() });
    trace.put(Record::Process(process(10, 0, 10, "/bin/find", "/")));
    trace.put(Record::File(file("/etc/shadow")));
    trace.put(file_event(10, 11, "/etc/shadow", op::OPEN, -13));
    for at in 0..100 {
        let path = format!("/data/{at}");
        trace.put(Record::File(file(&path)));
        trace.put(file_flow(10, 20 + at, &path, op::OPEN | op::READ_RECV, 1000, 0));
        trace.put(file_flow(10, 20 + at, &path, op::READ_RECV, 1000, 0));
    }
    let document = trace.document(10);
    let files = node(&document, "files", "/bin/find");
    assert_eq!((files.targets, files.samples.len(), files.folded), (101, 5, 96));
    assert_eq!((files.rbytes, files.ops), (200_000, 201), "the totals are exact");
    let first = serde_json::to_value(&files.samples[0]).expect("JSON");
    assert_eq!(first["path"], "/etc/shadow");
    assert!(!document.truncated, "everything was counted");
}

#[test]
fn instances_beyond_the_bound_are_counted() {
    let mut trace = Trace::new(Limits { instances: 3, ..Limits::default() });
    trace.clone(&process(10, 0, 10, "/bin/sh", ""));
    for pid in 100..200 {
        trace.exec(&process(pid, 10, 10, "/bin/date", ""), pid);
    }
    let document = trace.document(10);
    let date = node(&document, "process", "/bin/date");
    assert_eq!((date.targets, date.instances.len() + date.folded), (100, 100));
    assert!(date.instances.len() <= 6);
    assert_eq!(date.instances.last().map(|instance| instance.pid), Some(199), "the newest are listed");
}

#[test]
fn a_graph_that_is_full_says_so() {
    let mut trace = Trace::new(Limits { nodes: 3, ..Limits::default() });
    trace.clone(&process(10, 0, 10, "/bin/sh", ""));
    for pid in 20..30 {
        trace.exec(&process(pid, 10, 10, "/bin/cp", &pid.to_string()), pid);
    }
    let document = trace.document(10);
    assert_eq!((document.nodes.len(), document.truncated), (3, true));
    assert_eq!(trace.graphs.list("", 1).graphs[0].records, 11, "its records still count");
}

#[test]
fn the_graph_longest_silent_without_alerts_goes_first() {
    let mut trace = Trace::new(Limits { graphs: 2, ..Limits::default() });
    let start = |trace: &mut Trace, pid| {
        trace.put(Record::Process(process(pid, 0, pid, "/bin/sh", "")));
        event(pid, pid, op::SETUID, 0)
    };
    let first = start(&mut trace, 10);
    trace.alert(first, &mark("a", 10, Priority::Warning, &[]));
    for pid in [20, 30] {
        let record = start(&mut trace, pid);
        trace.put(record);
    }
    assert_eq!((trace.graphs.len(), trace.graphs.evicted()), (2, 1));
    assert!(trace.graphs.summary(graph(10)).is_some() && trace.graphs.summary(graph(20)).is_none());
}

#[test]
fn memory_is_bounded_over_all_graphs() {
    let limits = Limits { cells: 2_000, ..Limits::default() };
    let mut trace = Trace::new(limits);
    for root in 1..20 {
        trace.put(Record::Process(process(root * 1000, 0, root * 1000, "/bin/sh", "")));
        for at in 0..200 {
            let path = format!("/tmp/{root}/{at}");
            trace.put(Record::File(file(&path)));
            trace.put(file_flow(root * 1000, root * 1000 + at, &path, op::OPEN, 1, 1));
        }
        assert!(trace.graphs.cells() <= 2_010, "{}", trace.graphs.cells());
    }
    assert!(trace.graphs.evicted() > 0);
}

#[test]
fn one_graph_alone_stops_growing_and_says_so() {
    let mut trace = Trace::new(Limits { cells: 100, ..Limits::default() });
    trace.put(Record::Process(process(10, 0, 10, "/bin/sh", "")));
    for at in 0..500 {
        trace.put(file_flow(10, at, &at.to_string(), op::OPEN, 1, 0));
    }
    let document = trace.document(10);
    assert!(document.truncated && trace.graphs.cells() <= 101, "{}", trace.graphs.cells());
    assert_eq!(node(&document, "files", "/bin/sh").rbytes, 500);
}

#[test]
fn long_texts_are_cut_at_a_character() {
    let mut trace = Trace::new(Limits { text: 8, ..Limits::default() });
    trace.put(Record::Process(Process {
        exe_args: "äöüäöüäöü".to_owned(),
        ..process(10, 0, 10, "/bin/sh", "")
    }));
    trace.put(event(10, 11, op::SETUID, 0));
    assert_eq!(node(&trace.document(10), "process", "/bin/sh").args, "äöüä…");
}

#[test]
fn long_texts_take_the_room_of_many_short_ones() {
    let mut trace = Trace::new(Limits { cells: 2_000, ..Limits::default() });
    trace.put(Record::Process(process(10, 0, 10, "/bin/sh", "")));
    for at in 0..500 {
        let path = format!("/tmp/{at}/{}", "x".repeat(4_000));
        trace.put(Record::File(file(&path)));
        trace.put(file_flow(10, at, &path, op::OPEN, 1, 0));
    }
    let document = trace.document(10);
    let files = node(&document, "files", "/bin/sh");
    assert!((50..=100).contains(&files.targets), "{} paths of 4 kB", files.targets);
    assert!(document.truncated && trace.graphs.cells() <= 2_050, "{}", trace.graphs.cells());
    assert_eq!(files.rbytes, 500, "the totals are exact");
}
