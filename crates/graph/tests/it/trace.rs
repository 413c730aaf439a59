//! Literal traces: a few records in, a graph out.

use sysflow::record::{
    Container, ContainerType, File, FileEvent, FileFlow, Header, Loss, NetworkFlow, ObjectState,
};
use sysflow::record::{Process, ProcessEvent, Record, op};
use sysflow::{Entities, Foid, GraphId, Oid};
use sysflow_graph::{AlertMark, Document, Graphs, Limits, NodeView, Priority, Query};

/// Host of all traces.
pub(crate) const HOST: &str = "demo-node";
/// Container of the service.
pub(crate) const SHOP: &str = "e8febe1a20e5";

/// Records are applied as they are made.
pub(crate) struct Trace {
    pub(crate) entities: Entities,
    pub(crate) graphs: Graphs,
}

/// Identity of process `pid`, born at `pid` ns.
pub(crate) fn oid(pid: i64) -> Oid {
    Oid { create_ts: pid, hpid: pid }
}

/// Graph whose root is process `pid`.
pub(crate) fn graph(pid: i64) -> GraphId {
    GraphId::new(HOST, oid(pid))
}

/// Process of the graph of `root`.
pub(crate) fn process(pid: i64, parent: i64, root: i64, exe: &str, args: &str) -> Process {
    Process {
        oid: oid(pid),
        poid: (parent > 0).then(|| oid(parent)),
        ts: pid,
        exe: exe.to_owned(),
        exe_args: args.to_owned(),
        uid: 1000,
        user_name: "node".to_owned(),
        gid: 1000,
        container_id: Some(SHOP.to_owned()),
        graph_id: graph(root).to_string(),
        ..Process::default()
    }
}

pub(crate) fn event(pid: i64, ts: i64, op_flags: i32, ret: i32) -> Record {
    Record::ProcessEvent(ProcessEvent { proc_oid: oid(pid), ts, tid: pid, op_flags, args: Vec::new(), ret })
}

pub(crate) fn file(path: &str) -> File {
    File {
        state: ObjectState::Created,
        oid: Foid::new(SHOP, path),
        ts: 0,
        restype: i32::from(b'f'),
        path: path.to_owned(),
        container_id: Some(SHOP.to_owned()),
    }
}

pub(crate) fn file_flow(pid: i64, ts: i64, path: &str, op_flags: i32, read: i64, written: i64) -> Record {
    Record::FileFlow(FileFlow {
        proc_oid: oid(pid),
        ts,
        tid: pid,
        op_flags,
        open_flags: 0,
        end_ts: ts + 1,
        file_oid: Foid::new(SHOP, path),
        fd: 3,
        num_rrecv_ops: i64::from(read > 0),
        num_wsend_ops: i64::from(written > 0),
        num_rrecv_bytes: read,
        num_wsend_bytes: written,
        num_opens: 1,
    })
}

pub(crate) fn file_event(pid: i64, ts: i64, path: &str, op_flags: i32, ret: i32) -> Record {
    Record::FileEvent(FileEvent {
        proc_oid: oid(pid),
        ts,
        tid: pid,
        op_flags,
        file_oid: Foid::new(SHOP, path),
        ret,
        new_file_oid: None,
        arg: String::new(),
    })
}

/// Addresses and ports as `a.b.c.d:port` of client and server.
pub(crate) fn net_flow(
    pid: i64,
    ts: i64,
    client: &str,
    server: &str,
    op_flags: i32,
    read: i64,
    sent: i64,
) -> Record {
    let end = |text: &str| {
        let end: std::net::SocketAddrV4 = text.parse().expect("address and port");
        (i32::from_le_bytes(end.ip().octets()), i32::from(end.port()))
    };
    let ((sip, sport), (dip, dport)) = (end(client), end(server));
    Record::NetworkFlow(NetworkFlow {
        proc_oid: oid(pid),
        ts,
        tid: pid,
        op_flags,
        end_ts: ts + 1,
        sip,
        sport,
        dip,
        dport,
        proto: 6,
        fd: 4,
        num_rrecv_ops: i64::from(read > 0),
        num_wsend_ops: i64::from(sent > 0),
        num_rrecv_bytes: read,
        num_wsend_bytes: sent,
        sip6: None,
        dip6: None,
    })
}

pub(crate) fn mark(id: &str, ts: i64, priority: Priority, tags: &[&str]) -> AlertMark {
    AlertMark {
        id: id.to_owned(),
        ts,
        priority,
        rule: "A rule".to_owned(),
        tags: tags.iter().map(|&tag| tag.to_owned()).collect(),
    }
}

impl Trace {
    pub(crate) fn new(limits: Limits) -> Self {
        let mut trace = Self { entities: Entities::default(), graphs: Graphs::new(limits) };
        trace.put(header(Loss::default()));
        trace.put(Record::Container(Container {
            id: SHOP.to_owned(),
            name: "shop-frontend".to_owned(),
            image: "localhost/demo/shop-frontend:1.4".to_owned(),
            imageid: String::new(),
            container_type: ContainerType::Custom,
            privileged: false,
            pod_id: None,
        }));
        trace
    }

    #[allow(clippy::needless_pass_by_value, reason = "tests make each record where they use it")]
    pub(crate) fn put(&mut self, record: Record) {
        self.entities.apply(&record);
        if let Record::Header(header) = &record {
            self.graphs.loss(header);
        }
        self.graphs.apply(&self.entities.join(&record));
    }

    pub(crate) fn put_all(&mut self, records: impl IntoIterator<Item = Record>) {
        records.into_iter().for_each(|record| self.put(record));
    }

    /// The process appears, cloned.
    pub(crate) fn clone(&mut self, process: &Process) {
        self.put(Record::Process(process.clone()));
        self.put(event(process.oid.hpid, process.ts, op::CLONE, 0));
    }

    /// The process, cloned by its parent, becomes `process`.
    pub(crate) fn exec(&mut self, process: &Process, ts: i64) {
        self.put(Record::Process(Process { state: ObjectState::Modified, ts, ..process.clone() }));
        self.put(event(process.oid.hpid, ts, op::EXEC, 0));
    }

    #[allow(clippy::needless_pass_by_value, reason = "tests make each record where they use it")]
    pub(crate) fn alert(&mut self, record: Record, mark: &AlertMark) -> Option<String> {
        self.put(record.clone());
        self.graphs.mark(&self.entities.join(&record), mark).and_then(|(_, node)| node)
    }

    pub(crate) fn document(&self, root: i64) -> Document {
        self.graphs.document(graph(root), &Query::default()).expect("graph exists")
    }
}

pub(crate) fn header(lost: Loss) -> Record {
    Record::Header(Header {
        version: 5,
        exporter: HOST.to_owned(),
        ip: String::new(),
        filename: String::new(),
        lost,
    })
}

/// The one node of this kind below the executable `exe`.
pub(crate) fn node<'a>(document: &'a Document, kind: &str, exe: &str) -> &'a NodeView {
    let mut nodes = document.nodes.iter().filter(|node| node.kind == kind && node.exe == exe);
    let found = nodes.next().unwrap_or_else(|| panic!("no {kind} node of {exe}: {document:#?}"));
    assert!(nodes.next().is_none(), "more than one {kind} node of {exe}: {document:#?}");
    found
}

/// Process edges by executable: `from KIND to count`, in order.
pub(crate) fn process_edges(document: &Document) -> Vec<String> {
    let exe = |id: &str| {
        let node = document.nodes.iter().find(|node| node.id == id).expect("end of an edge is a node");
        node.label.clone()
    };
    let edges = document.edges.iter().filter(|edge| edge.to.starts_with("p:"));
    edges.map(|edge| format!("{} {} {} {}", exe(&edge.from), edge.kind, exe(&edge.to), edge.count)).collect()
}
