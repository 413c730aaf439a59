//! How processes become nodes and edges.

use sysflow::record::{Process, Record, op};
use sysflow_graph::{Limits, Priority};

use crate::trace::*;

#[test]
fn equal_behaviour_shares_a_node() {
    let mut trace = Trace::new(Limits::default());
    let shell = process(10, 0, 10, "/bin/sh", "loop.sh");
    trace.put(Record::Process(shell.clone()));
    for pid in [20, 30, 40] {
        trace.clone(&Process { oid: oid(pid), poid: Some(oid(10)), ts: pid, ..shell.clone() });
        trace.exec(&process(pid, 10, 10, "/bin/date", ""), pid + 1);
        trace.put(event(pid, pid + 2, op::EXIT, 0));
    }
    let document = trace.document(10);
    assert_eq!(process_edges(&document), ["sh EXEC date 3", "date EXIT date 3"]);
    let date = node(&document, "process", "/bin/date");
    let pids: Vec<_> = date.instances.iter().map(|instance| instance.pid).collect();
    assert_eq!((pids, date.targets, date.folded), (vec![20, 30, 40], 3, 0));
}

#[test]
fn other_user_or_parent_is_other_behaviour() {
    let mut trace = Trace::new(Limits::default());
    trace.clone(&process(10, 0, 10, "/bin/sh", ""));
    trace.exec(&process(20, 10, 10, "/bin/id", ""), 21);
    trace.exec(&Process { uid: 0, ..process(30, 10, 10, "/bin/id", "") }, 31);
    trace.exec(&process(40, 20, 10, "/bin/id", ""), 41);
    let ids: Vec<_> =
        trace.document(10).nodes.into_iter().filter(|n| n.exe == "/bin/id").map(|n| n.uid).collect();
    assert_eq!(ids, [1000, 0, 1000]);
}

#[test]
fn a_fork_that_lives_on_is_a_node() {
    let mut trace = Trace::new(Limits::default());
    let server = process(10, 0, 10, "/usr/bin/postgres", "-D data");
    trace.put(Record::Process(server.clone()));
    for pid in [20, 30] {
        trace.clone(&Process { oid: oid(pid), poid: Some(oid(10)), ts: pid, ..server.clone() });
        trace.put(file_event(pid, pid + 1, "/data/1", op::UNLINK, 0));
    }
    let document = trace.document(10);
    assert_eq!(process_edges(&document), ["postgres CLONE postgres 2"]);
    let workers =
        document.nodes.iter().filter(|node| node.kind == "process").nth(1).expect("node of the workers");
    assert_eq!(workers.instances.len(), 2);
}

#[test]
fn what_a_fork_does_before_exec_is_its_parents_doing() {
    let mut trace = Trace::new(Limits::default());
    let shell = process(10, 0, 10, "/bin/sh", "-c date > /tmp/log");
    trace.put(Record::Process(shell.clone()));
    trace.put(Record::File(file("/tmp/log")));
    trace.clone(&Process { oid: oid(20), poid: Some(oid(10)), ts: 20, ..shell.clone() });
    trace.put(file_flow(20, 21, "/tmp/log", op::OPEN | op::CLOSE, 0, 0));
    trace.exec(&process(20, 10, 10, "/bin/date", ""), 22);
    let document = trace.document(10);
    assert_eq!(process_edges(&document), ["sh EXEC date 1"]);
    assert_eq!(node(&document, "files", "/bin/sh").targets, 1);
    assert_eq!(document.nodes.len(), 3);
}

#[test]
fn a_fork_with_an_alert_stays_visible() {
    let mut trace = Trace::new(Limits::default());
    let shell = process(10, 0, 10, "/bin/sh", "");
    trace.put(Record::Process(shell.clone()));
    trace.clone(&Process { oid: oid(20), poid: Some(oid(10)), ts: 20, ..shell });
    let refused = file_event(20, 21, "/etc/shadow", op::OPEN, -13);
    let marked = trace.alert(refused, &mark("a", 21, Priority::Warning, &[])).expect("node");
    trace.exec(&process(20, 10, 10, "/bin/date", ""), 22);
    let document = trace.document(10);
    assert!(document.nodes.iter().any(|node| node.id == marked), "{document:#?}");
    assert_eq!(process_edges(&document), ["sh CLONE sh 1", "sh EXEC date 1"]);
}

#[test]
fn alerts_on_an_exec_do_not_repeat_it() {
    let mut trace = Trace::new(Limits::default());
    trace.clone(&process(10, 0, 10, "/bin/sh", ""));
    let child = process(20, 10, 10, "/bin/date", "");
    trace.put(Record::Process(child));
    let exec = event(20, 21, op::EXEC, 0);
    trace.put(exec.clone());
    let at = trace.document(10);
    for id in ["a", "b"] {
        let joined = trace.entities.join(&exec);
        let marked = trace.graphs.mark(&joined, &mark(id, 21, Priority::Warning, &[])).expect("graph");
        assert_eq!(marked, (graph(10), Some(node(&at, "process", "/bin/date").id.clone())));
    }
    assert_eq!(process_edges(&trace.document(10)), ["sh EXEC date 1"]);
}

#[test]
fn setuid_leads_to_another_node() {
    let mut trace = Trace::new(Limits::default());
    let su = Process { uid: 0, ..process(10, 0, 10, "/bin/su", "nobody") };
    trace.put(Record::Process(su.clone()));
    trace.clone(&Process { oid: oid(20), poid: Some(oid(10)), ts: 20, ..su.clone() });
    let nobody = Process { uid: 65534, ..process(20, 10, 10, "/bin/su", "nobody") };
    trace.put(Record::Process(Process { state: sysflow::record::ObjectState::Modified, ..nobody.clone() }));
    trace.put(event(20, 21, op::SETUID, 0));
    trace.exec(&Process { uid: 65534, ..process(20, 10, 10, "/bin/id", "") }, 22);
    assert_eq!(process_edges(&trace.document(10)), ["su SETUID su 1", "su EXEC id 1"]);
}

#[test]
fn a_failed_exec_changes_nothing() {
    let mut trace = Trace::new(Limits::default());
    trace.clone(&process(10, 0, 10, "/bin/sh", ""));
    trace.put(event(10, 11, op::EXEC, -2));
    let document = trace.document(10);
    assert_eq!((document.nodes.len(), document.edges.len()), (1, 0));
}

#[test]
fn a_session_that_leaves_is_no_instance_of_where_it_came_from() {
    let mut trace = Trace::new(Limits::default());
    let server = process(10, 0, 10, "/usr/sbin/sshd", "");
    trace.put(Record::Process(server.clone()));
    trace.put(event(10, 11, op::CLONE, 20));
    trace.clone(&Process { oid: oid(20), poid: Some(oid(10)), ts: 20, ..server });
    let shell = Process { parent_graph_id: graph(10).to_string(), ..process(20, 10, 20, "/bin/bash", "") };
    trace.exec(&shell, 21);
    assert_eq!(process_edges(&trace.document(10)), [""; 0], "the fork that left is not drawn");
    let session = trace.document(20);
    assert_eq!(session.parent, Some(graph(10).to_string()));
    assert_eq!(session.nodes.iter().map(|node| node.exe.as_str()).collect::<Vec<_>>(), ["/bin/bash"]);
}

#[test]
fn ancestors_without_a_record_are_drawn() {
    let mut trace = Trace::new(Limits::default());
    trace.put(Record::Process(process(10, 0, 10, "/bin/init", "")));
    trace.put(Record::Process(process(20, 10, 10, "/bin/sh", "")));
    trace.put(Record::Process(process(30, 20, 10, "/bin/cat", "")));
    trace.put(file_flow(30, 31, "/etc/passwd", op::OPEN, 1, 0));
    assert_eq!(process_edges(&trace.document(10)), ["init CLONE sh 1", "sh CLONE cat 1"]);
}

#[test]
fn a_trace_without_graph_ids_gets_them_from_its_processes() {
    let mut trace = Trace::new(Limits::default());
    let plain =
        |pid, parent, exe: &str| Process { graph_id: String::new(), ..process(pid, parent, 10, exe, "") };
    trace.put(Record::Process(Process { container_id: None, ..plain(5, 1, "/usr/bin/conmon") }));
    trace.put(Record::Process(plain(10, 5, "/usr/bin/node")));
    trace.put(Record::Process(plain(20, 10, "/bin/sh")));
    trace.put(event(20, 21, op::EXIT, 1));
    assert_eq!(process_edges(&trace.document(10)), ["node CLONE sh 1", "sh EXIT sh 1"]);
}

#[test]
fn records_of_unknown_processes_are_counted() {
    let mut trace = Trace::new(Limits::default());
    trace.put(event(99, 1, op::EXIT, 0));
    assert_eq!((trace.graphs.len(), trace.graphs.unplaced()), (0, 1));
}
