use sysflow::{GraphId, record::exe_flags};
use sysflow_flow::{
    Op, Recorder,
    op::{Clone, Exec, Image},
};

use crate::scene::{SHELL, Scene};

const ID: &str = "0123456789ab0123456789ab0123456789ab0123456789ab0123456789abcdef";

fn root(recorder: &Recorder, pid: i64) -> i64 {
    let process = recorder.process_of(pid).unwrap();
    assert_eq!(process.graph(), GraphId::new("node", process.root()));
    process.root().hpid
}

#[test]
fn a_session_is_a_graph_and_its_commands_are_in_it() {
    let mut s = Scene::new();
    // sshd's parent is init: a graph of its own. The shell was found as a child of a session server.
    assert_eq!([1, 50, SHELL].map(|pid| root(&s.recorder, pid)), [1, 50, SHELL]);
    s.fork(SHELL, 101).exec(101, "/bin/ls", "").fork(101, 102);
    assert_eq!([101, 102].map(|pid| root(&s.recorder, pid)), [SHELL, SHELL]);
    // A new login: sshd forks itself, and becomes a shell.
    s.fork(50, 60).exec(60, "/usr/sbin/sshd", "-R\0").fork(60, 61);
    assert_eq!([60, 61].map(|pid| root(&s.recorder, pid)), [50, 50], "sshd's own children are sshd's");
    s.exec(61, "/bin/bash", "");
    let login = s.recorder.process_of(61).unwrap();
    assert_eq!(login.root().hpid, 61);
    assert_eq!(login.parent_graph(), Some(s.recorder.process_of(50).unwrap().graph()));
}

#[test]
fn a_graph_never_changes_after_the_first_exec() {
    let mut s = Scene::new();
    s.fork(SHELL, 101).exec(101, "/usr/sbin/sshd", "").fork(101, 102).exec(102, "/usr/sbin/sshd", "");
    assert_eq!(root(&s.recorder, 102), SHELL);
    s.exec(102, "/bin/bash", "");
    assert_eq!(root(&s.recorder, 102), SHELL, "its second exec");
}

#[test]
fn a_shell_that_moves_into_a_container_is_a_graph_of_its_own() {
    let mut s = Scene::new();
    let host = b"cpu=/user.slice\0";
    let inside = format!("cpu=/machine.slice/libpod-{ID}.scope\0");
    let conmon = format!("cpu=/machine.slice/libpod-conmon-{ID}.scope\0");
    let child = Image { pid: 200, ptid: SHELL, cgroups: host, ..Image::default() };
    s.op(200, Op::Clone(Clone { image: child, ..Clone::default() }));
    assert_eq!(root(&s.recorder, 200), SHELL);
    let image = Image { pid: 200, exe: b"sh", cgroups: inside.as_bytes(), ..Image::default() };
    s.op(200, Op::Exec(Exec { image, filename: b"/bin/sh", ..Exec::default() }));
    let process = s.recorder.process_of(200).unwrap();
    assert_eq!(process.root().hpid, 200);
    assert_eq!(process.parent_graph(), Some(s.recorder.process_of(SHELL).unwrap().graph()));
    // The records up to the exec name the old graph, the last one before it the new.
    let graphs: Vec<String> = s
        .records
        .iter()
        .filter_map(|r| match r {
            sysflow::Record::Process(p) if p.oid.hpid == 200 => Some(p.graph_id.clone()),
            _ => None,
        })
        .collect();
    let [shell, own] = [SHELL, 200].map(|pid| s.recorder.process_of(pid).unwrap().graph().to_string());
    assert_eq!(graphs, [shell, own]);
    // The monitor is not in the container.
    let image = Image { pid: 201, ptid: SHELL, cgroups: conmon.as_bytes(), ..Image::default() };
    s.op(201, Op::Clone(Clone { image, ..Clone::default() }));
    assert_eq!(root(&s.recorder, 201), SHELL);
}

#[test]
fn a_program_that_only_calls_itself_sshd_starts_no_session() {
    for (path, flags) in
        [("/tmp/sshd", 0), ("/usr/sbin/sshd", exe_flags::UPPER_LAYER), ("/usr/sbin/sshd", exe_flags::MEMFD)]
    {
        let mut s = Scene::new();
        s.fork(SHELL, 101);
        let image = Image { pid: 101, exe: b"sshd", uid: Some(1000), ..Image::default() };
        s.op(101, Op::Exec(Exec { image, path: path.as_bytes(), exe_flags: flags, ..Exec::default() }));
        s.fork(101, 102).exec(102, "/bin/bash", "");
        assert_eq!(root(&s.recorder, 102), SHELL, "{path} {flags}");
    }
}
