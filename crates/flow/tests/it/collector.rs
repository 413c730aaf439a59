//! Habits of SysFlow's collector and of the library under it, which its traces show.

use sysflow::{Record, record};
use sysflow_flow::{
    Op,
    op::{Addr, Clone, Exec, Image, Tuple, UidCall, clone_flags},
};

use crate::scene::{SHELL, Scene, exec};

fn process(s: &Scene, pid: i64) -> &record::Process {
    let of_pid = |record: &'_ &Record| matches!(record, Record::Process(p) if p.oid.hpid == pid);
    match s.records.iter().rfind(of_pid) {
        Some(Record::Process(process)) => process,
        _ => panic!("no process {pid}"),
    }
}

#[test]
fn one_empty_argument_at_the_end_is_lost() {
    // As of sshd, which overwrites its arguments with a title and NULs.
    for (args, ours, theirs) in
        [("\0\0\0", "  ", " "), ("\0", "", ""), ("a\0\0", "a ", "a"), ("a\0", "a", "a")]
    {
        let run = |mut s: Scene| process(s.exec(SHELL, "/bin/x", args), SHELL).exe_args.clone();
        assert_eq!((run(Scene::new()).as_str(), run(Scene::tests()).as_str()), (ours, theirs), "{args:?}");
    }
}

#[test]
fn what_an_exec_renews_stays_as_it_was_first_told() {
    let run = |mut s: Scene| {
        s.fork(SHELL, 101).op(101, Op::Chdir { ret: 0, path: b"/elsewhere" });
        if let Op::Exec(e) = exec(101, "/bin/x", "") {
            let image = Image {
                cgroups: b"cpu=/docker/0123456789ab0123456789ab0123456789ab0123456789ab0123456789abcdef\0",
                ..e.image
            };
            s.op(101, Op::Exec(Exec { tty: Some(34816), image, ..e }));
        }
        let p = process(&s, 101);
        (p.exe.clone(), p.tty, p.cwd.clone(), p.container_id.clone())
    };
    let moved = ("/bin/x".into(), true, "/elsewhere/".into(), Some("0123456789ab".into()));
    assert_eq!(run(Scene::new()), moved);
    assert_eq!(run(Scene::tests()), ("/bin/x".into(), false, "/root/".into(), None));
}

#[test]
fn a_sibling_by_clone_parent_is_called_a_child() {
    let run = |mut s: Scene| {
        s.clone(SHELL, 101, clone_flags::PARENT);
        process(&s, 101).poid.map(|oid| oid.hpid)
    };
    assert_eq!((run(Scene::new()), run(Scene::tests())), (Some(50), Some(SHELL)));
}

#[test]
fn a_parent_that_nobody_saw_is_made_up() {
    let run = |mut s: Scene| {
        let image =
            Image { pid: 900, ptid: 899, exe: b"runc", args: b"init\0", uid: Some(0), ..Image::default() };
        s.op(900, Op::Clone(Clone { image, ..Clone::default() }));
        s
    };
    let theirs = run(Scene::tests());
    let (parent, child) = (process(&theirs, 899), process(&theirs, 900));
    assert_eq!((parent.exe.as_str(), parent.exe_args.as_str(), parent.uid), ("runc", "init", -1));
    assert_eq!((child.poid, child.uid), (Some(parent.oid), 0));
    let ours = run(Scene::new());
    assert!(!ours.records.iter().any(|r| matches!(r, Record::Process(p) if p.oid.hpid == 899)));
    assert_eq!(process(&ours, 900).poid, None);
}

#[test]
fn a_refused_unix_connection_is_named_by_what_was_last_in_a_buffer() {
    let socket = |fd| Op::Socket { ret: fd, domain: 1, kind: 1, proto: 0 };
    let connect = |ret, fd, path: &'static [u8], addr| {
        let tuple = Some(Tuple::Unix { source: 0, dest: 0x10, path });
        Op::Connect { ret, fd, tuple, addr }
    };
    let refused = |s: &mut Scene, addr| {
        s.op(SHELL, socket(3)).op(SHELL, connect(-2, 3, b"/run/nscd", addr)).close(SHELL, 3);
        s.events().pop().unwrap()
    };
    let mut s = Scene::tests();
    s.op(SHELL, Op::SetUid { ret: 0, call: UidCall::Setuid, asked: Some(7), effective: Some(7) });
    assert!(refused(&mut s, None).contains("fd=3 7 "));
    s.op(SHELL, socket(4)).op(SHELL, connect(0, 4, b"/dev/log", None));
    assert!(refused(&mut s, None).contains("fd=3 0->10 /dev/log"));
    s.connect(SHELL, 5);
    assert!(refused(&mut s, None).contains("fd=3 10.0.0.1:4000->10.0.0.2:80"));
    // Captures of 2022 and later say where the connection was to go.
    assert!(refused(&mut s, Some(Addr::Unix(b"/run/nscd"))).contains("fd=3 /run/nscd"));
    // And we take it from where it is.
    assert!(refused(&mut Scene::new(), None).contains("fd=3 0->10 /run/nscd"));
}
