//! Literal questions about literal traces.

use sysflow::record::{Loss, Record, op};
use sysflow_graph::{Attack, Change, Direction, Limits, Priority, Projection, Query, SampleView, Traffic};

use crate::trace::*;

const SECOND: i64 = 1_000_000_000;
const EVER: (i64, i64) = (i64::MIN, i64::MAX);

fn changed(pid: i64, parent: i64, exe: &str) -> sysflow::record::Process {
    process(pid, parent, 10, exe, "")
}

/// A server reads a secret; a shell below it writes a script, python runs it and calls home in a rhythm. A second shell
/// does something else.
fn story() -> Trace {
    let mut trace = Trace::new(Limits::default());
    trace.clone(&changed(10, 0, "/bin/server"));
    trace.put(Record::File(file("/etc/shadow")));
    trace.put(Record::File(file("/tmp/x.py")));
    trace.put(Record::File(file("/tmp/other")));
    trace.exec(&changed(20, 10, "/bin/sh"), SECOND);
    trace.put(file_flow(20, 2 * SECOND, "/etc/shadow", op::OPEN | op::READ_RECV, 100, 0));
    trace.put(file_flow(20, 3 * SECOND, "/tmp/x.py", op::OPEN | op::WRITE_SEND, 0, 50));
    trace.exec(&changed(30, 10, "/bin/sleep"), 4 * SECOND);
    trace.put(file_flow(30, 5 * SECOND, "/tmp/other", op::OPEN | op::WRITE_SEND, 0, 7));
    trace.exec(&changed(40, 10, "/bin/python"), 6 * SECOND);
    trace.put(file_flow(40, 7 * SECOND, "/tmp/x.py", op::OPEN | op::READ_RECV, 50, 0));
    for nth in 0..8 {
        let flags = op::CONNECT | op::WRITE_SEND;
        let flow = net_flow(
            40,
            (10 + 5 * nth) * SECOND,
            &format!("10.0.0.1:{}", 4000 + nth),
            "198.51.100.7:443",
            flags,
            0,
            20,
        );
        if nth == 0 {
            trace.alert(flow, &mark("a", 10 * SECOND, Priority::Error, &["T1071", "T1059.006", "TA0011"]));
        } else {
            trace.put(flow);
        }
    }
    trace
}

fn labels(document: &sysflow_graph::Document) -> Vec<&str> {
    let processes = document.nodes.iter().filter(|node| node.kind == "process");
    processes.map(|node| node.label.as_str()).collect()
}

#[test]
fn back_is_what_wrote_what_was_read() {
    let trace = story();
    let whole = trace.document(10);
    let snapshot = trace.graphs.snapshot(graph(10)).unwrap();
    let python = node(&whole, "process", "/bin/python").id.clone();
    let back = snapshot.trace(&python, Direction::Back, None).unwrap();
    assert_eq!(labels(&back), ["server", "sh", "python"], "sleep told it nothing");
    let read = &node(&back, "files", "/bin/sh").samples;
    assert_eq!(read.len(), 2, "what the shell knew when it wrote the script counts: {read:?}");

    // Before the script was read the shell had told it nothing.
    let early = snapshot.trace(&python, Direction::Back, Some(6 * SECOND)).unwrap();
    assert_eq!(labels(&early), ["server", "python"]);
    let sleep = node(&whole, "process", "/bin/sleep").id.clone();
    assert_eq!(labels(&snapshot.trace(&sleep, Direction::Forward, None).unwrap()), ["server", "sleep"]);
    let shell = node(&whole, "files", "/bin/sh").id.clone();
    let forward = snapshot.trace(&shell, Direction::Forward, None).unwrap();
    assert_eq!(labels(&forward), ["server", "sh", "python"]);
    let late = snapshot.trace(&shell, Direction::Forward, Some(8 * SECOND)).unwrap();
    assert_eq!(labels(&late), ["server", "sh"], "the script was read before");
    let root = snapshot.trace(&python, Direction::Root, None).unwrap();
    assert_eq!(labels(&root), ["server", "python"]);
    assert!(snapshot.trace("p:0000000000000000", Direction::Back, None).is_err());
}

#[test]
fn paths_lead_from_the_secret_to_the_endpoint() {
    let trace = story();
    let snapshot = trace.graphs.snapshot(graph(10)).unwrap();
    let reads = |path: &'static str| {
        move |joined: &sysflow::Joined<'_>| joined.file.is_some_and(|file| file.path == path)
    };
    let calls = |joined: &sysflow::Joined<'_>| matches!(joined.record, Record::NetworkFlow(_));
    let found = snapshot.paths(reads("/etc/shadow"), calls);
    assert_eq!(labels(&found), ["server", "sh", "python"]);
    assert!(snapshot.paths(reads("/tmp/other"), calls).nodes.is_empty());
    let around = snapshot.matching(reads("/tmp/other")).unwrap();
    assert_eq!(labels(&around), ["server", "sleep"]);
    assert!(snapshot.matching(|_| false).is_none());
}

#[test]
fn traffic_has_a_rhythm() {
    let trace = story();
    let snapshot = trace.graphs.snapshot(graph(10)).unwrap();
    let traffic = snapshot.traffic(None, EVER).unwrap();
    let [row] = &traffic.by[..] else { panic!("{traffic:?}") };
    assert_eq!((row.endpoint.as_str(), row.exe.as_str()), ("198.51.100.7:443", "/bin/python"));
    assert_eq!((row.egress, row.ingress, row.flows), (160, 0, 8));
    let beacon = row.beacon.expect("a rhythm");
    assert_eq!((beacon.period_ns, beacon.score), (5 * SECOND, 1.0));
    assert_eq!(traffic.series.iter().map(|bucket| bucket.egress).sum::<u64>(), 160);
    let window = snapshot.traffic(None, (10 * SECOND, 16 * SECOND)).unwrap();
    assert_eq!((window.by[0].flows, window.by[0].beacon), (2, None), "two calls are no rhythm");
    let shell = node(&trace.document(10), "process", "/bin/sh").id.clone();
    assert_eq!(snapshot.traffic(Some(&shell), EVER).unwrap().by, []);
    assert_eq!(Traffic::over(&trace.graphs.snapshots(), EVER).by[0].graph, graph(10).to_string());
}

#[test]
fn techniques_have_names_and_nodes() {
    let trace = story();
    let attack = trace.graphs.snapshot(graph(10)).unwrap().attack(EVER);
    let rows: Vec<_> =
        attack.techniques.iter().map(|row| (row.id.as_str(), row.name.as_str(), row.count)).collect();
    assert_eq!(
        rows,
        [
            ("T1059.006", "Command and Scripting Interpreter: Python", 1),
            ("T1071", "Application Layer Protocol", 1)
        ],
        "a tactic is no technique"
    );
    assert_eq!(attack.techniques[1].tactics, ["command-and-control"]);
    assert_eq!(attack.techniques[1].mitigations[1].name, "Filter Network Traffic");
    assert_eq!(attack.techniques[0].nodes, [node(&trace.document(10), "process", "/bin/python").id.clone()]);
    let over = Attack::over(&trace.graphs.snapshots(), EVER);
    assert_eq!(over.techniques[0].graphs, [graph(10).to_string()]);
    assert_eq!(Attack::over(&trace.graphs.snapshots(), (0, 1)).techniques, []);
}

#[test]
fn a_projection_has_three_columns() {
    let trace = story();
    let projection = Projection::over(&trace.graphs.snapshots(), EVER);
    let kinds: Vec<_> = projection.nodes.iter().map(|node| (node.kind, node.label.as_str())).collect();
    assert_eq!(
        kinds,
        [("container", "shop-frontend"), ("endpoint", "198.51.100.7:443"), ("process", "/bin/python")]
    );
    let links: Vec<_> = projection.links.iter().map(|link| (link.bytes, link.count, link.alerts)).collect();
    assert_eq!(links, [(160, 8, 1), (160, 8, 1)]);
}

#[test]
fn a_time_line_has_every_record_and_every_hole_once() {
    let mut trace = story();
    trace.put(header(Loss {
        events: 7,
        records: 0,
        from: 20 * SECOND,
        to: 22 * SECOND,
        cause: "full".into(),
    }));
    let snapshot = trace.graphs.snapshot(graph(10)).unwrap();
    let line = snapshot.timeline(None, None, 10);
    assert_eq!(line.bins.len(), 10);
    assert_eq!(line.bins.iter().map(|bin| bin.events).sum::<u64>(), 16);
    assert_eq!(line.bins.iter().map(|bin| bin.wbytes).sum::<u64>(), 217);
    assert_eq!((line.lost[0].at, line.lost[0].events), (21 * SECOND, 7));
    let part = snapshot.timeline(Some(10 * SECOND), Some(20 * SECOND), 1);
    assert_eq!((part.bins.len(), part.bins[0].events), (1, 3));
    assert_eq!(
        snapshot.timeline(Some(i64::MIN), Some(i64::MAX), 7).bins.iter().map(|b| b.events).sum::<u64>(),
        16
    );
}

#[test]
fn a_time_line_and_windows_of_what_has_gone_are_summaries() {
    let mut trace = Trace::new(Limits { history: 0, ..Limits::default() });
    trace.clone(&changed(10, 0, "/bin/server"));
    for nth in 0..200 {
        trace.put(file_flow(10, nth * SECOND, "/tmp/a", op::READ_RECV, 10, 0));
    }
    let snapshot = trace.graphs.snapshot(graph(10)).unwrap();
    let line = snapshot.timeline(None, None, 50);
    assert_eq!(line.bins.iter().map(|bin| bin.rbytes).sum::<u64>(), 2000);
    let window =
        snapshot.document(&Query { from: Some(5 * SECOND), to: Some(6 * SECOND), ..Query::default() });
    assert!(!window.complete);
    assert_eq!(node(&window, "files", "/bin/server").rbytes, 2000, "the whole life, and it says so");
    assert_eq!(trace.graphs.history(), 0);
}

#[test]
fn the_oldest_records_go_first_and_what_is_left_is_exact() {
    let mut trace = Trace::new(Limits { history: 512 << 10, ..Limits::default() });
    trace.clone(&changed(10, 0, "/bin/server"));
    for nth in 0..20_000 {
        trace.put(file_flow(10, nth * SECOND, &format!("/tmp/{}", nth % 50), op::READ_RECV, 10, 0));
    }
    assert!(trace.graphs.history() <= 64 << 10, "a graph has an eighth: {}", trace.graphs.history());
    let snapshot = trace.graphs.snapshot(graph(10)).unwrap();
    let window = |from: i64| snapshot.document(&Query { from: Some(from * SECOND), ..Query::default() });
    let recent = window(19_800);
    assert!(recent.complete);
    assert_eq!(node(&recent, "files", "/bin/server").rbytes, 2000);
    assert!(!window(100).complete);
}

/// The story in another container of the same image, where python is not run and the shell reads something else.
fn before() -> Trace {
    let mut trace = Trace::new(Limits::default());
    trace.clone(&changed(10, 0, "/bin/server"));
    trace.put(Record::File(file("/etc/shadow")));
    trace.put(Record::File(file("/etc/hosts")));
    trace.exec(&changed(20, 10, "/bin/sh"), SECOND);
    trace.put(file_flow(20, 2 * SECOND, "/etc/shadow", op::OPEN | op::READ_RECV, 100, 0));
    trace.put(file_flow(20, 2 * SECOND, "/etc/hosts", op::OPEN | op::READ_RECV, 100, 0));
    trace.exec(&changed(50, 10, "/bin/date"), 4 * SECOND);
    trace
}

#[test]
fn a_diff_says_what_is_new_and_what_is_gone() {
    let (now, then) = (story(), before());
    let (now, then) = (now.graphs.snapshot(graph(10)).unwrap(), then.graphs.snapshot(graph(10)).unwrap());
    let diff = now.diff(&then, &Query::default());
    let change = |kind, exe| node(&diff, kind, exe).change;
    assert_eq!(change("process", "/bin/server"), Some(Change::Same));
    assert_eq!(change("process", "/bin/sh"), Some(Change::Same));
    assert_eq!(change("process", "/bin/python"), Some(Change::Added));
    assert_eq!(change("net", "/bin/python"), Some(Change::Added));
    assert_eq!(change("process", "/bin/date"), Some(Change::Removed));
    let files = node(&diff, "files", "/bin/sh");
    let samples: Vec<_> = files
        .samples
        .iter()
        .map(|sample| match sample {
            SampleView::File { path, change, .. } => (path.as_str(), change.unwrap()),
            SampleView::Endpoint { .. } => unreachable!(),
        })
        .collect();
    assert_eq!(
        samples,
        [("/tmp/x.py", Change::Added), ("/etc/hosts", Change::Removed), ("/etc/shadow", Change::Same)]
    );
    assert_eq!((files.change, files.was.unwrap().rbytes), (Some(Change::Changed), 200));
    assert_eq!(diff.against.unwrap().id, Some(graph(10).to_string()));

    let both = now.intersection(&then, &Query::default());
    assert_eq!(labels(&both), ["server", "sh"]);
    assert_eq!(node(&both, "files", "/bin/sh").samples.len(), 1);
    let itself = now.diff(&now, &Query::default());
    assert!(itself.nodes.iter().all(|node| node.change == Some(Change::Same)));
    assert!(itself.edges.iter().all(|edge| edge.change == Some(Change::Same)));
}

#[test]
fn graphs_are_joined_by_parents_files_and_connections() {
    let mut trace = story();
    // A second graph runs what the first one wrote and accepts one of its calls; a third reads it before it was written.
    let other = sysflow::record::Process {
        parent_graph_id: graph(10).to_string(),
        ..process(60, 0, 60, "/tmp/other", "")
    };
    trace.clone(&other);
    let accepted = net_flow(60, 11 * SECOND, "10.0.0.1:4000", "198.51.100.7:443", op::ACCEPT, 20, 0);
    trace.put(accepted);
    trace.clone(&process(70, 0, 70, "/bin/early", ""));
    trace.put(file_flow(70, 1, "/tmp/x.py", op::READ_RECV, 1, 0));
    let all = trace.graphs.snapshots();
    let links = |root: i64| {
        let links = trace.graphs.snapshot(graph(root)).unwrap().links(&all).links;
        links.into_iter().map(|link| (link.graph, link.kind, link.label, link.at)).collect::<Vec<_>>()
    };
    let to = |root: i64, kind, label: &str, at| (graph(root).to_string(), kind, label.to_owned(), at);
    assert_eq!(
        links(10),
        [
            to(60, "child", "/tmp/other", 60),
            to(60, "connection", "connection to 198.51.100.7:443", 11 * SECOND),
            to(60, "file", "/tmp/other: written here, used there", 5 * SECOND),
        ]
    );
    assert_eq!(
        links(60),
        [
            to(10, "parent", "/bin/server", 60),
            to(10, "connection", "connection to 198.51.100.7:443", 10 * SECOND),
            to(10, "file", "/tmp/other: written there, used here", 5 * SECOND),
        ]
    );
    assert_eq!(links(70), []);
}

#[test]
fn the_list_comes_in_pages() {
    let mut trace = Trace::new(Limits::default());
    for pid in (10..60).step_by(10) {
        trace.clone(&process(pid, 0, pid, "/bin/a", ""));
        if pid == 20 {
            trace.alert(event(pid, 1000, op::SETUID, 0), &mark("a", 1000, Priority::Error, &[]));
        }
    }
    let mut seen = Vec::new();
    let mut query = sysflow_graph::ListQuery { limit: 2, ..Default::default() };
    loop {
        let page = trace.graphs.page(&query);
        assert_eq!(page.total, 5);
        seen.extend(page.graphs.into_iter().map(|graph| graph.root.unwrap().pid.unwrap()));
        let Some(next) = page.next else { break };
        query.after = Some(next.parse().unwrap());
    }
    assert_eq!(seen, [20, 50, 40, 30, 10], "each once, the worst first, then the newest");
    query = sysflow_graph::ListQuery { limit: 9, severity: Some(Priority::Warning), ..Default::default() };
    assert_eq!(trace.graphs.page(&query).total, 1);
    query = sysflow_graph::ListQuery { limit: 9, from: Some(45), to: Some(999), ..Default::default() };
    assert_eq!(
        trace.graphs.page(&query).total,
        2,
        "the one that comes then, and the one that is still there"
    );
    assert!("1.2".parse::<sysflow_graph::Cursor>().is_err());
}
