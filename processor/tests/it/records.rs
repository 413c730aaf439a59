//! Records of a small story, literally: a web server starts a shell that reads a secret and calls home.

use sysflow::record::{
    Container, ContainerType, File, FileFlow, Header, Loss, NetworkFlow, ObjectState, Process, ProcessEvent,
    op, open_flags,
};
use sysflow::{Foid, GraphId, Oid, Record};

pub(crate) const NODE: &str = "node-1";
pub(crate) const START: i64 = 1_795_489_172_000_000_000;
pub(crate) const SECOND: i64 = 1_000_000_000;

const SERVER: Oid = Oid { create_ts: START - SECOND, hpid: 100 };
pub(crate) const SHELL: Oid = Oid { create_ts: START, hpid: 101 };

pub(crate) fn graph() -> String {
    GraphId::new(NODE, SERVER).to_string()
}

pub(crate) fn header() -> Record {
    Record::Header(Header {
        version: 5,
        exporter: NODE.into(),
        ip: String::new(),
        filename: String::new(),
        lost: Loss::default(),
    })
}

fn container() -> Record {
    Record::Container(Container {
        id: "0123456789ab".into(),
        name: "shop".into(),
        image: "shop:1".into(),
        imageid: String::new(),
        container_type: ContainerType::Custom,
        privileged: false,
        pod_id: None,
    })
}

fn process(oid: Oid, poid: Option<Oid>, exe: &str, args: &str) -> Record {
    Record::Process(Process {
        state: ObjectState::Created,
        oid,
        poid,
        ts: oid.create_ts,
        exe: exe.into(),
        exe_args: args.into(),
        uid: 1000,
        user_name: "node".into(),
        gid: 1000,
        group_name: "node".into(),
        container_id: Some("0123456789ab".into()),
        cwd: "/app".into(),
        graph_id: graph(),
        ..Process::default()
    })
}

pub(crate) fn exec(ts: i64) -> Record {
    Record::ProcessEvent(ProcessEvent {
        proc_oid: SHELL,
        ts,
        tid: SHELL.hpid,
        op_flags: op::EXEC,
        args: Vec::new(),
        ret: 0,
    })
}

pub(crate) fn file(path: &str) -> Record {
    Record::File(File {
        state: ObjectState::Reup,
        oid: Foid::new("0123456789ab", path),
        ts: START,
        restype: i32::from(b'f'),
        path: path.into(),
        container_id: Some("0123456789ab".into()),
    })
}

pub(crate) fn read(path: &str, ts: i64) -> Record {
    Record::FileFlow(FileFlow {
        proc_oid: SHELL,
        ts,
        tid: SHELL.hpid,
        op_flags: op::OPEN | op::READ_RECV | op::CLOSE,
        open_flags: open_flags::RDONLY,
        end_ts: ts + 1000,
        file_oid: Foid::new("0123456789ab", path),
        fd: 3,
        num_rrecv_ops: 1,
        num_wsend_ops: 0,
        num_rrecv_bytes: 80,
        num_wsend_bytes: 0,
        num_opens: 1,
    })
}

pub(crate) fn call(ts: i64) -> Record {
    Record::NetworkFlow(NetworkFlow {
        proc_oid: SHELL,
        ts,
        tid: SHELL.hpid,
        op_flags: op::CONNECT | op::WRITE_SEND | op::CLOSE,
        end_ts: ts + 1000,
        sip: i32::from_le_bytes([10, 88, 0, 2]),
        sport: 40_000,
        dip: i32::from_le_bytes([198, 51, 100, 77]),
        dport: 8443,
        proto: 6,
        fd: 4,
        num_rrecv_ops: 0,
        num_wsend_ops: 1,
        num_rrecv_bytes: 0,
        num_wsend_bytes: 26,
        sip6: None,
        dip6: None,
    })
}

/// Header, entities, and the shell's exec.
pub(crate) fn beginning() -> Vec<Record> {
    vec![
        header(),
        container(),
        process(SERVER, None, "/usr/bin/node", "server.js"),
        process(SHELL, Some(SERVER), "/bin/sh", "-c id"),
        exec(START + 1),
    ]
}

/// The whole story.
pub(crate) fn story() -> Vec<Record> {
    let mut records = beginning();
    records.extend([file("/etc/shadow"), read("/etc/shadow", START + 2), call(START + 3)]);
    records
}

/// The shell with other arguments.
pub(crate) fn shell_with(args: &str) -> Record {
    process(SHELL, Some(SERVER), "/bin/sh", args)
}

/// Rules for the story.
pub(crate) const RULES: &str = "
- rule: Shell of a server
  desc: a shell
  condition: sf.opflags = EXEC and sf.proc.name = sh
  output: 'shell (cmdline=%sf.proc.cmdline)'
  priority: WARNING
  tags: [T1059.004, mitre_execution]
- rule: Secret read
  desc: a file
  condition: sf.type = FF and sf.file.path startswith /etc/
  output: 'secret (file=%sf.file.path)'
  priority: CRITICAL
  tags: [T1003.008]
- rule: Call home
  desc: a connection
  condition: sf.type = NF and sf.net.dport = 8443
  output: 'call (to=%sf.net.dip)'
  priority: NOTICE
  tags: [T1571]
";

/// [`RULES`], and rules that ask what was seen before a record.
pub(crate) const STATEFUL: &str = "
- rule: Call after a secret
  desc: remembers the tags of the process
  condition: sf.type = NF and sf.proc.tags = T1003.008
  output: 'call after a secret (alerts=%sf.graph.alerts)'
  priority: WARNING
  tags: [T1041]
- rule: Old graph
  desc: remembers when the graph began
  condition: sf.graph.age >= 60000000000 and sf.graph.egress.bytes > 100
  output: 'old graph (age=%sf.graph.age sent=%sf.graph.egress.bytes)'
  priority: NOTICE
  tags: [T1048]
- rule: Rhythm
  desc: remembers times of connections
  condition: sf.flow.beacon >= 50 and sf.new.endpoint = false
  output: 'rhythm (score=%sf.flow.beacon ports=%sf.proc.ports)'
  priority: NOTICE
  tags: [T1071]
";

/// A call from another port, as every connection has it.
pub(crate) fn call_from(port: i32, ts: i64) -> Record {
    let Record::NetworkFlow(flow) = call(ts) else { unreachable!() };
    Record::NetworkFlow(NetworkFlow { sport: port, ..flow })
}

/// A session of its own: a shell that runs four programs, each of which reads ten files and calls three servers.
pub(crate) fn session(root: i64) -> Vec<Record> {
    let at = START + root * SECOND;
    let shell = Oid { create_ts: at, hpid: 1000 + root };
    let of = |oid: Oid, poid, exe: &str| {
        let Record::Process(process) = process(oid, poid, exe, "--all") else { unreachable!() };
        let graph_id = GraphId::new(NODE, shell).to_string();
        Record::Process(Process { graph_id, container_id: None, ..process })
    };
    let mut records = vec![of(shell, None, "/bin/bash")];
    for child in 0..4 {
        let oid = Oid { create_ts: at + child, hpid: 1_000_000 + root };
        records.push(of(oid, Some(shell), &format!("/usr/bin/tool{child}")));
        for n in 0..10 {
            let path = format!("/srv/data/{root}/{child}/{n}");
            records.push(file(&path));
            let Record::FileFlow(flow) = read(&path, at + n) else { unreachable!() };
            records.push(Record::FileFlow(FileFlow { proc_oid: oid, ..flow }));
        }
        for n in 0..3 {
            let Record::NetworkFlow(flow) = call(at + n) else { unreachable!() };
            records.push(Record::NetworkFlow(NetworkFlow { proc_oid: oid, dport: 9000 + n as i32, ..flow }));
        }
    }
    records
}
