//! Attributes of records that the goldens do not have.

use proptest::prelude::*;
use sysflow::attr::{ATTRS, Type, Value, find};
use sysflow::format::{self, Judgement, table::Table};
use sysflow::record::{
    Container, ContainerType, File, FileEvent, NetworkFlow, ObjectState, Process, ProcessEvent, exe_flags, op,
};
use sysflow::{Entities, Foid, Oid, Record};

use crate::arbitrary::record;

const SHELL: Oid = Oid { create_ts: 5, hpid: 70 };

/// A container with a shell, whose parent the trace does not hold, and two files.
fn entities() -> Entities {
    let mut entities = Entities::default();
    let container = Container {
        id: "e8febe1a20e5".into(),
        name: "incomplete".into(),
        image: "incomplete:incomplete".into(),
        imageid: String::new(),
        container_type: ContainerType::Crio,
        privileged: true,
        pod_id: None,
    };
    let shell = Process {
        oid: SHELL,
        poid: Some(Oid { create_ts: 3, hpid: 60 }),
        exe: "/tmp/sh".into(),
        user_name: "<NA>".into(),
        uid: -2,
        gid: -1,
        container_id: Some("e8febe1a20e5".into()),
        cwd: "/srv".into(),
        env: vec!["A=b".into(), "C=d".into()],
        graph_id: "0123456789abcdef0123456789abcdef".into(),
        parent_graph_id: "f123456789abcdef0123456789abcdef".into(),
        sid: 9,
        vpid: 2,
        loginuid: -1,
        tty_nr: 34816,
        cap_effective: 1 << 21 | 1,
        exe_flags: exe_flags::UPPER_LAYER | exe_flags::WRITABLE,
        exe_ino: 77,
        exe_ctime: 78,
        ..Process::default()
    };
    let file = |path: &str, restype| {
        let (oid, path) = (Foid::new("", path), path.to_owned());
        Record::File(File { state: ObjectState::Created, oid, ts: 1, restype, path, container_id: None })
    };
    entities.apply(&Record::Container(container));
    entities.apply(&Record::Process(shell));
    entities.apply(&file("/etc/shadow", i32::from(b'f')));
    entities.apply(&file("ffff->eeee /run/a.sock", i32::from(b'u')));
    entities
}

#[track_caller]
fn assert_values(record: &Record, expected: &[(&str, &str)]) {
    let entities = entities();
    let joined = entities.join(record);
    for (name, value) in expected {
        let attr = find(name).unwrap_or_else(|| panic!("no attribute {name}"));
        assert_eq!(attr.value(&joined).to_string(), *value, "{name}");
    }
}

fn event(op_flags: i32, args: &[&str]) -> Record {
    let args = args.iter().map(|&arg| arg.to_owned()).collect();
    Record::ProcessEvent(ProcessEvent { proc_oid: SHELL, ts: 10, tid: 71, op_flags, args, ret: 0 })
}

#[test]
fn what_the_extended_schema_adds() {
    assert_values(
        &event(op::PTRACE, &["16"]),
        &[
            ("sf.opflags", "PTRACE"),
            ("sf.event.args", "16"),
            ("sf.graphid", "0123456789abcdef0123456789abcdef"),
            ("sf.graph.parent", "f123456789abcdef0123456789abcdef"),
            ("sf.proc.sid", "9"),
            ("sf.proc.vpid", "2"),
            ("sf.proc.loginuid", ""),
            ("sf.proc.cwd", "/srv"),
            ("sf.proc.env", "A=b,C=d"),
            ("sf.proc.ttynr", "34816"),
            ("sf.proc.capeffective", "CAP_CHOWN,CAP_SYS_ADMIN"),
            ("sf.proc.exeflags", "UPPER_LAYER,WRITABLE"),
            ("sf.proc.exeino", "77"),
            ("sf.proc.exectime", "78"),
        ],
    );
}

#[test]
fn what_the_source_did_not_say_is_absent() {
    assert_values(
        &event(op::EXEC, &[]),
        &[
            ("sf.proc.user", ""),
            ("sf.proc.uid", "4294967294"),
            ("sf.proc.gid", ""),
            ("sf.proc.cmdline", "/tmp/sh"),
            ("sf.event.args", ""),
            ("sf.container.id", "e8febe1a20e5"),
            ("sf.container.name", ""),
            ("sf.container.image", ""),
            ("sf.container.type", "CRIO"),
            ("sf.container.privileged", "1"),
            ("sf.pproc.pid", "60"),
            ("sf.pproc.exe", ""),
            ("sf.pod.id", ""),
            ("sf.node.id", ""),
            ("sf.endts", ""),
            ("sf.net.sip", ""),
            ("sf.file.path", ""),
        ],
    );
}

#[test]
fn files_of_the_extended_schema() {
    let refused = FileEvent {
        proc_oid: SHELL,
        ts: 10,
        tid: 70,
        op_flags: op::OPEN,
        file_oid: Foid::new("", "/etc/shadow"),
        ret: -13,
        new_file_oid: Some(Foid::new("", "ffff->eeee /run/a.sock")),
        arg: "RDONLY".into(),
    };
    assert_values(
        &Record::FileEvent(refused),
        &[
            ("sf.opflags", "OPEN"),
            ("sf.ret", "-13"),
            ("sf.file.arg", "RDONLY"),
            ("sf.file.directory", "/etc"),
            ("sf.file.newpath", "/run/a.sock"),
            ("sf.file.newsymlink", "ffff->eeee"),
            ("sf.file.newname", "a.sock"),
            ("sf.file.openflags", ""),
            ("sf.flow.rops", ""),
        ],
    );
}

fn connection(op_flags: i32) -> Record {
    let address = |last| Some(std::net::Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, last).octets());
    Record::NetworkFlow(NetworkFlow {
        proc_oid: SHELL,
        ts: 10,
        tid: 70,
        op_flags,
        end_ts: 25,
        sip: 0,
        sport: 1,
        dip: 0,
        dport: 443,
        proto: -1,
        fd: 3,
        num_rrecv_ops: 1,
        num_wsend_ops: 2,
        num_rrecv_bytes: 3,
        num_wsend_bytes: 4,
        sip6: address(1),
        dip6: address(2),
    })
}

#[test]
fn connections_of_the_extended_schema() {
    assert_values(
        &connection(op::BIND | op::WRITE_SEND),
        &[
            ("sf.opflags", "SEND,BIND"),
            ("sf.net.ip", "fe80::1,fe80::2"),
            ("sf.net.sip", "fe80::1"),
            ("sf.net.port", "1,443"),
            ("sf.net.proto", ""),
            ("sf.flow.duration", "15"),
            ("sf.flow.rops", "1"),
            ("sf.flow.wops", "2"),
            ("sf.flow.rbytes", "3"),
            ("sf.flow.wbytes", "4"),
        ],
    );
}

#[test]
fn new_operations_in_elastic_common_schema() {
    let file_event = |op_flags| {
        let file_oid = Foid::new("", "/etc/shadow");
        let (ret, new_file_oid, arg) = (-13, None, "0600".to_owned());
        Record::FileEvent(FileEvent {
            proc_oid: SHELL,
            ts: 1,
            tid: 70,
            op_flags,
            file_oid,
            ret,
            new_file_oid,
            arg,
        })
    };
    let cases = [
        (event(op::PTRACE, &[]), "process access process-ptrace"),
        (event(op::KERNEL, &[]), "driver change kernel-change"),
        (event(op::SIGNAL, &[]), "process change process-signal"),
        (file_event(op::OPEN), "file denied file-access-denied"),
        (file_event(op::CHMOD), "file change file-chmod"),
        (file_event(op::MKNOD), "file creation file-create"),
        (connection(op::LISTEN), "network info network-listen"),
    ];
    let entities = entities();
    for (record, expected) in cases {
        let line = format::ecs(&entities.join(&record), &Judgement::default());
        let event = &serde_json::from_str::<serde_json::Value>(&line).unwrap()["event"];
        let words = ["category", "type", "action"].map(|key| event[key].as_str().unwrap());
        assert_eq!(words.join(" "), expected);
    }
}

/// What the layout of version 5 does not have stands in the JSON only where the trace says it.
#[test]
fn json_shows_the_graph_that_the_trace_names() {
    let entities = entities();
    let record = event(op::EXEC, &[]);
    let line = format::json(&entities.join(&record), &Judgement::default());
    let graph =
        r#""graph":{"id":"0123456789abcdef0123456789abcdef","parent":"f123456789abcdef0123456789abcdef"}"#;
    assert!(line.contains(graph), "{line}");
}

proptest! {
    /// Whatever the trace holds: values are of the type that the table promises, and every format gives one line.
    #[test]
    fn any_record_has_values_and_lines(records in prop::collection::vec(record(), 1..12)) {
        let mut entities = Entities::default();
        for record in &records {
            entities.apply(record);
            let joined = entities.join(record);
            for attr in ATTRS {
                let fits = matches!(
                    (attr.value_type, attr.value(&joined)),
                    (_, Value::Absent)
                        | (Type::Str | Type::Json, Value::Str(_))
                        | (Type::Int, Value::Int(_))
                        | (Type::Bool, Value::Bool(_))
                        | (Type::StrList, Value::StrList(_))
                        | (Type::IntList, Value::IntList(_))
                );
                prop_assert!(fits, "{}: {:?}", attr.name, attr.value(&joined));
            }
            for line in [format::json(&joined, &Judgement::default()), format::ecs(&joined, &Judgement::default())] {
                prop_assert!(serde_json::from_str::<serde_json::Value>(&line).is_ok(), "{}", line);
                prop_assert!(!line.contains(['\n', '<']));
            }
            prop_assert!(!Table::default().row(&joined).chars().any(char::is_control));
        }
    }
}

/// A stream without a header anew, as with `rotate: 0`, while one process goes on all the time.
#[test]
fn tables_that_are_never_emptied_forget_what_no_record_names() {
    let mut entities = Entities::with_bound(100);
    let process = |pid: i64, parent: i64| {
        let oid = |pid| Oid { create_ts: pid, hpid: pid };
        Record::Process(Process {
            oid: oid(pid),
            poid: Some(oid(parent)),
            exe: "/bin/x".into(),
            ..Process::default()
        })
    };
    let event = |pid: i64| {
        let proc_oid = Oid { create_ts: pid, hpid: pid };
        Record::ProcessEvent(ProcessEvent {
            proc_oid,
            ts: 1,
            tid: pid,
            op_flags: op::CLONE,
            args: Vec::new(),
            ret: 0,
        })
    };
    entities.apply(&process(10, 9));
    entities.apply(&process(20, 10));
    for pid in 1000..3000 {
        entities.apply(&process(pid, 20));
        entities.apply(&event(20));
    }
    let busy = event(20);
    let joined = entities.join(&busy);
    assert!(joined.process.is_some() && joined.parent.is_some(), "what is named stays, with its ancestors");
    assert!(entities.join(&event(1000)).process.is_none(), "what is not named goes");
    assert!(entities.join(&event(2999)).process.is_some());
    assert!((1900..2000).contains(&entities.evicted()), "{}", entities.evicted());
}
