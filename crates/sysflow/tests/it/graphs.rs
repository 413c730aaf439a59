//! Which process begins a graph.

use sysflow::graph::{
    Executable, GraphRef, Kin, Servers, is_root_at_birth, is_root_at_exec, is_root_when_found,
};
use sysflow::record::{Header, Loss, ObjectState, Process, exe_flags};
use sysflow::{Entities, GraphId, Oid, Record};

const HOST: Kin<'_> = Kin { pid: 100, container: None, is_server: false };
const SERVER: Kin<'_> = Kin { pid: 50, container: None, is_server: true };
const INSIDE: Kin<'_> = Kin { pid: 200, container: Some("c0"), is_server: false };

#[test]
fn roots_at_birth() {
    assert!(is_root_at_birth(HOST, None), "nobody knows its parent");
    assert!(is_root_at_birth(HOST, Some(Kin { pid: 1, ..SERVER })), "a child of init");
    assert!(is_root_at_birth(HOST, Some(Kin { pid: 2, ..HOST })), "a kernel thread");
    assert!(is_root_at_birth(INSIDE, Some(HOST)), "first of its container");
    assert!(!is_root_at_birth(HOST, Some(HOST)));
    assert!(!is_root_at_birth(INSIDE, Some(INSIDE)));
    assert!(!is_root_at_birth(HOST, Some(SERVER)), "not before its exec");
}

#[test]
fn roots_at_exec() {
    assert!(is_root_at_exec(HOST, None, Some(SERVER)), "the shell of a login");
    assert!(!is_root_at_exec(SERVER, None, Some(SERVER)), "a server's helper");
    assert!(is_root_at_exec(INSIDE, None, Some(HOST)), "it moved into the container before its exec");
    assert!(!is_root_at_exec(INSIDE, Some("c0"), Some(INSIDE)));
    assert!(!is_root_at_exec(HOST, None, Some(HOST)));
    assert!(is_root_when_found(HOST, Some(SERVER)));
    assert!(is_root_when_found(INSIDE, Some(SERVER)));
    assert!(!is_root_when_found(HOST, Some(HOST)));
}

#[test]
fn servers_are_known_by_their_path() {
    let servers = Servers::default();
    let sshd = Executable { path: "/usr/sbin/sshd", flags: 0, uid: 0, container: None };
    let cases = [
        (sshd, true, "the real one"),
        (Executable { path: "/tmp/sshd", ..sshd }, false, "a copy elsewhere"),
        (Executable { path: "sshd", ..sshd }, false, "no full path"),
        (Executable { container: Some("c0"), ..sshd }, false, "inside a container"),
        (Executable { flags: exe_flags::UPPER_LAYER, ..sshd }, false, "made in an overlay"),
        (Executable { flags: exe_flags::MEMFD, ..sshd }, false, "from memory"),
        (Executable { flags: exe_flags::WRITABLE, uid: 1000, ..sshd }, false, "its user could have made it"),
        (Executable { flags: exe_flags::WRITABLE, ..sshd }, true, "root can write everything"),
        (Executable { path: "/usr/bin/conmon", ..sshd }, true, "a container runtime"),
        (
            Executable { path: "/var/lib/rancher/k3s/data/5f1e/bin/runc", ..sshd },
            true,
            "one that has a hash in its path",
        ),
        (
            Executable { path: "/var/lib/rancher/k3s/data/a/b/bin/runc", ..sshd },
            false,
            "one element, not two",
        ),
    ];
    for (executable, is_server, why) in cases {
        assert_eq!(servers.contains(executable), is_server, "{why}");
    }
    let own = Servers::new(["/opt/gate/gated", "portald"]);
    let executable = |path| Executable { path, ..sshd };
    assert!(own.contains(executable("/opt/gate/gated")) && own.contains(executable("/usr/sbin/portald")));
    assert!(!own.contains(sshd));
}

/// Builds processes of a v5 trace.
struct Trace(Entities);

impl Trace {
    fn new() -> Self {
        let mut entities = Entities::default();
        let (exporter, lost) = ("node-1".to_owned(), Loss::default());
        entities.apply(&Record::Header(Header {
            version: 5,
            exporter,
            ip: String::new(),
            filename: String::new(),
            lost,
        }));
        Self(entities)
    }

    fn process(&mut self, state: ObjectState, hpid: i64, parent: i64, exe: &str, container: Option<&str>) {
        let poid = (parent > 0).then_some(Oid { create_ts: 7, hpid: parent });
        let (oid, exe, container_id) =
            (Oid { create_ts: 7, hpid }, exe.to_owned(), container.map(str::to_owned));
        self.0.apply(&Record::Process(Process { state, oid, poid, exe, container_id, ..Process::default() }));
    }

    fn graph(&self, hpid: i64) -> GraphRef {
        self.0.graph_id(self.0.process(Oid { create_ts: 7, hpid }).unwrap())
    }

    #[track_caller]
    fn assert_root(&self, hpid: i64, root: i64, parent_root: Option<i64>) {
        let id = |hpid| GraphId::new("node-1", Oid { create_ts: 7, hpid });
        let expected = GraphRef { id: id(root), parent: parent_root.map(id), derived: true };
        assert_eq!(self.graph(hpid), expected, "graph of {hpid}");
    }
}

#[test]
fn graphs_are_derived_for_traces_without() {
    use ObjectState::{Created, Modified, Reup};
    let mut trace = Trace::new();
    trace.process(Reup, 1, 0, "/usr/lib/systemd/systemd", None);
    trace.process(Reup, 50, 1, "/usr/sbin/sshd", None);
    trace.process(Reup, 60, 1, "/usr/bin/conmon", None);
    trace.process(Reup, 100, 60, "/usr/bin/node", Some("c0"));
    trace.assert_root(1, 1, None);
    trace.assert_root(50, 50, Some(1));
    trace.assert_root(100, 100, Some(60));

    // The service starts a shell that starts a tool: one graph.
    trace.process(Created, 101, 100, "/usr/bin/node", Some("c0"));
    trace.process(Modified, 101, 100, "/bin/sh", Some("c0"));
    trace.process(Created, 102, 101, "/usr/bin/curl", Some("c0"));
    trace.assert_root(101, 100, Some(60));
    trace.assert_root(102, 100, Some(60));

    // A login: the server's helpers stay with it, the shell begins a graph when it executes, and keeps it.
    trace.process(Created, 200, 50, "/usr/sbin/sshd", None);
    trace.process(Created, 201, 200, "/usr/sbin/sshd", None);
    trace.assert_root(201, 50, Some(1));
    trace.process(Modified, 201, 200, "/bin/bash", None);
    trace.assert_root(201, 201, Some(50));
    trace.process(Created, 202, 201, "/bin/ls", None);
    trace.process(Modified, 201, 200, "/usr/bin/zsh", None);
    trace.assert_root(202, 201, Some(50));
    trace.assert_root(201, 201, Some(50));

    // An exec into the container: cloned on the host, moved, executed.
    trace.process(Created, 300, 60, "/usr/bin/conmon", None);
    trace.process(Modified, 300, 60, "/bin/sh", Some("c0"));
    trace.assert_root(300, 300, Some(60));
}

#[test]
fn a_graph_that_the_trace_names_is_taken() {
    let mut trace = Trace::new();
    let named = GraphId::new("other", Oid { create_ts: 1, hpid: 1 });
    let mut process = Process {
        oid: Oid { create_ts: 7, hpid: 9 },
        graph_id: named.to_string(),
        parent_graph_id: "not one".into(),
        ..Process::default()
    };
    trace.0.apply(&Record::Process(process.clone()));
    assert_eq!(trace.graph(9), GraphRef { id: named, parent: None, derived: false });
    trace.process(ObjectState::Created, 10, 9, "", None);
    assert_eq!(trace.graph(10), GraphRef { id: named, parent: None, derived: true }, "children of it, too");

    process.graph_id = "x".repeat(32);
    process.oid.hpid = 11;
    trace.0.apply(&Record::Process(process));
    assert!(trace.graph(11).derived, "what is no graph id is not taken");
}

#[test]
fn a_loop_of_parents_ends() {
    let mut trace = Trace::new();
    trace.process(ObjectState::Created, 5, 6, "/a", None);
    trace.process(ObjectState::Created, 6, 5, "/b", None);
    trace.process(ObjectState::Modified, 5, 5, "/c", None);
    assert_eq!(trace.graph(6).id, trace.graph(5).id);
}

#[test]
fn own_servers_survive_a_header() {
    let mut entities = Entities::with_servers(Servers::new(["/opt/gated"]));
    let header = Header {
        version: 5,
        exporter: "n".into(),
        ip: String::new(),
        filename: String::new(),
        lost: Loss::default(),
    };
    entities.apply(&Record::Header(header));
    let mut trace = Trace(entities);
    trace.process(ObjectState::Reup, 70, 0, "/opt/gated", None);
    trace.process(ObjectState::Reup, 71, 70, "/bin/bash", None);
    assert_eq!(trace.graph(71).parent, Some(trace.graph(70).id));
}
