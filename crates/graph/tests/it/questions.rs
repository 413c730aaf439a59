//! Parts of a graph.

use sysflow::record::{Loss, Process, Record, op};
use sysflow_graph::{Around, Document, Limits, Priority, Query};

use crate::trace::*;

const MINUTE: i64 = 60_000_000_000;

/// init 10 -> a 20 -> b 30 -> c 40, one minute after another, and init -> z 50.
fn chain() -> Trace {
    let mut trace = Trace::new(Limits::default());
    trace.clone(&process(10, 0, 10, "/bin/init", ""));
    for (pid, parent, exe) in [(20, 10, "/bin/a"), (30, 20, "/bin/b"), (40, 30, "/bin/c"), (50, 10, "/bin/z")]
    {
        trace.exec(&process(pid, parent, 10, exe, ""), pid / 10 * MINUTE);
        trace.put(file_event(pid, pid / 10 * MINUTE + 1, &format!("/tmp/{pid}"), op::MKDIR, 0));
    }
    trace
}

fn ask(trace: &Trace, query: &Query) -> (String, Document) {
    let document = trace.graphs.document(graph(10), query).expect("graph exists");
    let processes = document.nodes.iter().filter(|node| node.kind == "process");
    (processes.map(|node| node.label.as_str()).collect::<Vec<_>>().join(" "), document)
}

#[test]
fn a_window_keeps_the_way_to_the_root() {
    let query = Query { from: Some(3 * MINUTE), to: Some(3 * MINUTE + 5), ..Query::default() };
    let (nodes, document) = ask(&chain(), &query);
    assert_eq!(nodes, "init a b");
    assert_eq!((document.window.from, document.window.to), (3 * MINUTE, 3 * MINUTE + 5));
    assert!(document.nodes.iter().all(|node| node.kind != "files" || node.exe == "/bin/b"), "{document:#?}");
    assert!(!document.truncated, "what was not asked for is not missing");
}

#[test]
fn around_a_time_is_a_quarter_of_an_hour_each_way() {
    let (_, document) = ask(&chain(), &Query { around: Some(Around::Time(20 * MINUTE)), ..Query::default() });
    assert_eq!((document.window.from, document.window.to), (5 * MINUTE, 35 * MINUTE));
}

#[test]
fn around_a_node_are_its_ancestors_and_descendants() {
    let trace = chain();
    let id = node(&trace.document(10), "process", "/bin/b").id.clone();
    let around = |depth| Query { around: Some(Around::Node(id.clone())), depth, ..Query::default() };
    assert_eq!(ask(&trace, &around(None)).0, "init a b c");
    assert_eq!(ask(&trace, &around(Some(0))).0, "init a b", "the way to the root is always shown");
    let below_root = Query { depth: Some(1), ..Query::default() };
    assert_eq!(ask(&trace, &below_root).0, "init a z");
}

#[test]
fn alerts_come_first_when_there_is_little_room() {
    let mut trace = chain();
    let again = file_event(30, 3 * MINUTE + 2, "/tmp/30", op::RMDIR, 0);
    trace.alert(again, &mark("a", 3 * MINUTE + 2, Priority::Error, &[]));
    let (nodes, document) = ask(&trace, &Query { max_nodes: Some(5), ..Query::default() });
    assert_eq!(nodes, "init a b");
    assert!(document.truncated);
    let (nodes, document) = ask(&trace, &Query { max_nodes: Some(9), ..Query::default() });
    assert_eq!((nodes.as_str(), document.truncated), ("init a b c z", false));
}

#[test]
fn around_is_a_time_or_a_node() {
    assert_eq!("12".parse(), Ok(Around::Time(12)));
    assert_eq!("f:00112233aabbccdd".parse(), Ok(Around::Node("f:00112233aabbccdd".to_owned())));
    for bad in ["", "p:12", "x:00112233aabbccdd", "p:00112233aabbccd\u{e9}", "12s"] {
        assert!(bad.parse::<Around>().is_err(), "{bad}");
    }
}

#[test]
fn a_hole_in_the_data_is_shown_where_it_is() {
    let mut trace = chain();
    trace.put(header(Loss {
        events: 7,
        records: 2,
        from: MINUTE,
        to: 2 * MINUTE,
        cause: "buffer full".to_owned(),
    }));
    let lost = ask(&trace, &Query::default()).1.lost;
    assert_eq!(
        (lost.len(), lost[0].events, lost[0].records, lost[0].cause.as_str()),
        (1, 7, 2, "buffer full")
    );
    assert_eq!(ask(&trace, &Query { from: Some(3 * MINUTE), ..Query::default() }).1.lost, []);
}

#[test]
fn what_a_collector_misses_is_told_once_in_every_window() {
    let mut trace = chain();
    let notice = Loss { cause: "Falco does not deliver read".into(), ..Loss::default() };
    for _ in 0..3 {
        trace.put(header(notice.clone()));
    }
    for query in [Query::default(), Query { from: Some(3 * MINUTE), ..Query::default() }] {
        let lost = ask(&trace, &query).1.lost;
        let told: Vec<_> = lost.iter().map(|loss| (loss.events, loss.records, loss.cause.as_str())).collect();
        assert_eq!(told, [(0, 0, "Falco does not deliver read")]);
    }
}

#[test]
fn the_worst_graph_is_listed_first_then_the_newest() {
    let mut trace = Trace::new(Limits::default());
    for (pid, priority) in
        [(10, None), (20, Some(Priority::Notice)), (30, Some(Priority::Critical)), (40, None)]
    {
        trace.put(Record::Process(Process { exe: format!("/bin/{pid}"), ..process(pid, 0, pid, "", "") }));
        let record = event(pid, pid + 1, op::SETUID, 0);
        match priority {
            Some(priority) => drop(trace.alert(record, &mark("a", pid, priority, &[]))),
            None => trace.put(record),
        }
    }
    let listing = trace.graphs.list("", 3);
    let order: Vec<_> = listing.graphs.iter().map(|g| g.root.as_ref().and_then(|root| root.pid)).collect();
    assert_eq!((order, listing.total), (vec![Some(30), Some(20), Some(40)], 4));
}
