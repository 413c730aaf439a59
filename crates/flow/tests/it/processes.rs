use sysflow_flow::{
    Op,
    op::{Clone, Exec, Image, UidCall, clone_flags},
};

use crate::scene::{SHELL, Scene, exec};

#[test]
fn fork_exec_exit() {
    let mut s = Scene::new();
    s.fork(SHELL, 101).exec(101, "/usr/bin/cat", "/etc/passwd\0").exit(101);
    assert_eq!(
        s.lines(),
        [
            "H",
            "P reup 1 /usr/lib/systemd/systemd uid=0",
            "P reup 50 /usr/sbin/sshd uid=0",
            "P reup 100 /bin/bash uid=0",
            "PE 1ms 100/100 CLONE = 101",
            "P created 101 /bin/bash uid=0",
            "PE 2ms 101/101 CLONE = 0",
            "P modified 101 /usr/bin/cat /etc/passwd uid=0",
            "PE 3ms 101/101 EXEC = 0",
            "PE 4ms 101/101 EXIT = 0",
        ]
    );
}

#[test]
fn the_identity_is_the_time_of_the_half_that_came_first() {
    let mut s = Scene::new();
    s.fork(SHELL, 101);
    let first = s.now() - 1_000_000;
    assert_eq!(s.recorder.process_of(101).unwrap().oid().create_ts, first);
    // vfork: the child is seen, and has become another program, before its parent returns.
    let of = |pid, ptid| Image { pid, ptid, ..Image::default() };
    s.op(102, Op::Clone(Clone { image: of(102, SHELL), ..Clone::default() }));
    let born = s.now();
    s.exec(102, "/bin/true", "");
    s.op(SHELL, Op::Clone(Clone { ret: 102, image: of(SHELL, 50), ..Clone::default() }));
    let child = s.recorder.process_of(102).unwrap();
    assert_eq!((child.oid().create_ts, child.exe()), (born, "/bin/true"));
}

#[test]
fn a_pid_of_another_namespace_makes_no_process() {
    let mut s = Scene::new();
    // The caller is 12 in its container and knows its child as 13; the host knows it as 201.
    let caller = Image { pid: SHELL, ptid: 50, ..Image::default() };
    s.op(SHELL, Op::Clone(Clone { ret: 13, image: caller, vtid: Some(12), ..Clone::default() }));
    assert!(s.recorder.process_of(13).is_none());
    let child = Image { pid: 201, ptid: SHELL, ..Image::default() };
    s.op(201, Op::Clone(Clone { image: child, vtid: Some(13), vpid: Some(13), ..Clone::default() }));
    assert_eq!(s.recorder.process_of(201).unwrap().parent_oid().unwrap().hpid, SHELL);
}

#[test]
fn a_clone_can_be_a_sibling() {
    let mut s = Scene::new();
    s.clone(SHELL, 101, clone_flags::PARENT);
    let sibling = s.recorder.process_of(101).unwrap();
    assert_eq!((sibling.parent_oid().unwrap().hpid, sibling.exe()), (50, "/bin/bash"));
}

#[test]
fn a_reused_id_is_another_process() {
    let mut s = Scene::new();
    s.fork(SHELL, 101).exec(101, "/bin/old", "");
    let old = s.recorder.process_of(101).unwrap().oid();
    // Its exit was missed.
    s.after(100_000).fork(SHELL, 101);
    let new = s.recorder.process_of(101).unwrap();
    assert_ne!(new.oid(), old);
    assert_eq!(new.exe(), "/bin/bash");
}

#[test]
fn threads_are_events_only_for_the_regression_tests() {
    let run = |s: &mut Scene| {
        s.clone(SHELL, 101, clone_flags::THREAD).open(101, "/x", 3).exit(101);
        s.events()
    };
    assert!(run(&mut Scene::new()).is_empty());
    assert_eq!(
        run(&mut Scene::tests()),
        [
            "PE 1ms 100/100 CLONE = 101",
            "PE 2ms 100/101 CLONE = 0",
            "FF 3ms-4ms 100/101 OPEN|TRUNCATE fd=3 /x read=0/0 written=0/0",
            "PE 4ms 100/101 EXIT = 0",
        ]
    );
}

#[test]
fn a_thread_is_known_by_its_process_when_its_flags_are_not() {
    // In a container, where the parent's half does not tell the thread's id; the driver has no flags for the child.
    let mut s = Scene::new();
    let image = Image { pid: SHELL, ptid: 50, ..Image::default() };
    s.op(101, Op::Clone(Clone { clone3: true, image, vtid: Some(20), vpid: Some(19), ..Clone::default() }));
    assert_eq!(s.recorder.process_of(101).unwrap().oid().hpid, SHELL);
    assert_eq!(s.recorder.process_of(101).unwrap().oid().create_ts, 0);
    assert!(s.events().is_empty());
}

#[test]
fn an_exit_cuts_files_then_connections_then_is_told() {
    let mut s = Scene::new();
    s.fork(SHELL, 101).connect(101, 4).open(101, "/x", 3).read(101, 3, 9);
    s.events();
    s.exit(101);
    assert_eq!(
        s.events(),
        [
            "FF 5ms-7ms 101/101 OPEN|READ|TRUNCATE fd=3 /x read=1/9 written=0/0",
            "NF 4ms-7ms 101/101 CONNECT|TRUNCATE fd=4 10.0.0.1:4000>10.0.0.2:80 proto=6 received=0/0 sent=0/0",
            "PE 7ms 101/101 EXIT = 0",
        ]
    );
}

#[test]
fn a_failed_exec_is_told_with_what_was_tried() {
    let mut s = Scene::new();
    let image = Image { pid: SHELL, exe: b"bash", ..Image::default() };
    s.op(SHELL, Op::Exec(Exec { ret: -13, image, filename: b"./evil", ..Exec::default() }));
    assert_eq!(s.events(), ["PE 1ms 100/100 EXEC /root/evil = -13"]);
    assert_eq!(s.recorder.process_of(SHELL).unwrap().exe(), "/bin/bash");
}

#[test]
fn setuid_changes_the_user_and_says_whom() {
    let mut s = Scene::new();
    s.op(-1, Op::UserAdded { container: b"", uid: 33, name: b"www-data" });
    let call = UidCall::Setuid;
    s.op(SHELL, Op::SetUid { ret: 0, call, asked: Some(33), effective: Some(33) });
    s.op(SHELL, Op::SetUid { ret: -1, call, asked: Some(7), effective: Some(7) });
    assert_eq!(
        s.lines()[4..],
        [
            "P modified 100 /bin/bash uid=33",
            "PE 2ms 100/100 SETUID www-data = 0",
            "PE 3ms 100/100 SETUID 7 = -1",
        ]
    );
}

#[test]
fn a_process_that_was_never_seen_starts_with_its_exec() {
    let mut s = Scene::new();
    let image = Image { pid: 777, ptid: SHELL, exe: b"x", ..Image::default() };
    s.op(777, Op::Exec(Exec { image, filename: b"/opt/x", ..Exec::default() }));
    let process = s.recorder.process_of(777).unwrap();
    assert_eq!((process.oid().create_ts, process.parent_oid().unwrap().hpid), (0, SHELL));
    assert_eq!(s.lines()[4..], ["P reup 777 /opt/x uid=-1", "PE 1ms 777/777 EXEC = 0"]);
    // What else it does before that is lost, and counted.
    s.read(888, 0, 5);
    assert_eq!(s.recorder.counters().lost.unknown_thread, 1);
}

#[test]
fn the_collectors_gaps_are_kept_for_its_tests() {
    let run = |s: &mut Scene| {
        let of = |pid, ptid| Image { pid, ptid, ..Image::default() };
        s.op(SHELL, Op::Clone(Clone { ret: 101, clone3: true, image: of(SHELL, 50), ..Clone::default() }));
        s.op(101, Op::Clone(Clone { clone3: true, image: of(101, SHELL), ..Clone::default() }));
        if let Op::Exec(e) = exec(101, "/bin/x", "") {
            s.op(101, Op::Exec(Exec { execveat: true, ..e }));
        }
        s.events()
    };
    assert!(run(&mut Scene::tests()).is_empty());
    assert_eq!(
        run(&mut Scene::new()),
        ["PE 1ms 100/100 CLONE = 101", "PE 2ms 101/101 CLONE = 0", "PE 3ms 101/101 EXEC = 0"]
    );
}

#[test]
fn our_own_processes_are_left_out_but_for_their_execs_and_exits() {
    let mut s = Scene::new();
    s.fork(SHELL, 101);
    s.recorder.ignore_process(101);
    s.events();
    s.exec(101, "/usr/bin/sysflow", "")
        .open(101, "/archive.sf", 3)
        .write(101, 3, 100)
        .close(101, 3)
        .exit(101);
    assert_eq!(s.events(), ["PE 3ms 101/101 EXEC = 0", "PE 7ms 101/101 EXIT = 0"]);
    assert_eq!(s.recorder.counters().ignored(sysflow_flow::op::Ignored::Own), 3);
}

#[test]
fn a_chain_of_daemons_does_not_grow() {
    let mut s = Scene::new();
    let mut pid = SHELL;
    for next in 1_000..3_000 {
        s.fork(pid, next).exit(pid).after(1_500);
        pid = next;
    }
    s.after(5_000).open(pid, "/x", 3);
    assert!(s.recorder.process_count() < 200, "{}", s.recorder.process_count());
}

/// A process 101 with a further thread 102, of which the scene has told.
fn two_threads() -> Scene {
    let mut s = Scene::new();
    s.fork(SHELL, 101).exec(101, "/bin/a", "").clone(101, 102, clone_flags::THREAD).open(102, "/x", 3);
    s.events();
    s
}

/// Threads that are known, those of the scene's three processes left out.
fn threads(s: &Scene) -> Vec<(i64, i64)> {
    let mut all: Vec<(i64, i64)> =
        s.recorder.snapshot().iter().map(|t| (t.pid, t.tid)).filter(|(pid, _)| *pid > SHELL).collect();
    all.sort_unstable();
    all
}

#[test]
fn exec_from_a_thread_is_one_process_when_it_comes_with_the_main_threads_id() {
    let mut s = two_threads();
    let oid = s.recorder.process_of(101).unwrap().oid();
    // The kernel ends the main thread, and the caller takes its id before the event is made.
    s.op(101, Op::Exit { status: 9 }).exec(101, "/bin/b", "").read(101, 3, 1).exit(101);
    assert_eq!(
        s.events(),
        [
            "PE 8ms 101/101 EXEC = 0",
            "FF 6ms-10ms 101/102 OPEN|TRUNCATE fd=3 /x read=0/0 written=0/0",
            "FF 9ms-10ms 101/101 READ|TRUNCATE fd=3 /x read=1/1 written=0/0",
            "PE 10ms 101/101 EXIT = 0",
        ]
    );
    let execs: Vec<_> =
        s.records.iter().filter_map(sysflow::Record::proc_oid).filter(|o| o.hpid == 101).collect();
    assert!(execs.iter().all(|of| *of == oid), "{execs:?}");
    s.after(3_000).read(SHELL, 0, 1);
    assert_eq!((threads(&s), s.recorder.process_count()), (vec![], 3));
}

#[test]
fn exec_from_a_thread_is_one_process_when_it_comes_with_the_threads_own_id() {
    for main_ends in [false, true] {
        let mut s = two_threads();
        let oid = s.recorder.process_of(101).unwrap().oid();
        if main_ends {
            s.op(101, Op::Exit { status: 9 });
        }
        let image = Image { pid: 101, exe: b"b", ..Image::default() };
        s.op(102, Op::Exec(Exec { image, path: b"/bin/b", ..Exec::default() }));
        let process = s.recorder.process_of(101).unwrap();
        assert_eq!((process.oid(), process.exe()), (oid, "/bin/b"));
        assert_eq!(threads(&s), [(101, 101)], "main ends: {main_ends}");
        s.exit(101).after(3_000).read(SHELL, 0, 1);
        assert_eq!((threads(&s), s.recorder.process_count()), (vec![], 3));
    }
}

#[test]
fn exec_from_a_thread_that_was_never_seen_is_of_the_same_process() {
    let mut s = Scene::new();
    s.fork(SHELL, 101).exec(101, "/bin/a", "");
    let oid = s.recorder.process_of(101).unwrap().oid();
    s.op(101, Op::Exit { status: 9 }).exec(101, "/bin/b", "").open(101, "y", 3).exit(101);
    assert!(s.records.iter().filter_map(sysflow::Record::proc_oid).all(|of| of.hpid != 101 || of == oid));
    s.after(3_000).read(SHELL, 0, 1);
    assert_eq!((threads(&s), s.recorder.process_count()), (vec![], 3));
}

#[test]
fn a_process_ends_with_its_last_thread() {
    let mut s = two_threads();
    s.op(101, Op::Exit { status: 256 });
    assert!(s.events().is_empty());
    s.read(102, 3, 5).exit(102);
    assert_eq!(
        s.events(),
        ["FF 6ms-9ms 101/102 OPEN|READ|TRUNCATE fd=3 /x read=1/5 written=0/0", "PE 9ms 101/101 EXIT = 256"]
    );
}

/// Its other threads may go on for as long as they like: for wait(2) it has not ended either.
#[test]
fn a_process_goes_on_without_its_main_thread() {
    let exits =
        |s: &mut Scene| s.events().into_iter().filter(|line| line.contains("EXIT")).collect::<Vec<_>>();
    let mut s = two_threads();
    s.op(101, Op::Exit { status: 256 });
    for _ in 0..10 {
        // Time passes with the events of others, too.
        s.after(50_000).read(102, 3, 5).after(5_000).read(SHELL, 0, 1);
    }
    assert!(exits(&mut s).is_empty());
    s.after(50_000).exit(102);
    assert_eq!(exits(&mut s), ["PE 600028ms 101/101 EXIT = 256"]);
    // At the end of a trace it has not ended.
    let mut s = two_threads();
    s.op(101, Op::Exit { status: 256 }).after(5_000).read(102, 3, 5).finish();
    assert!(exits(&mut s).is_empty());
}

#[test]
fn a_process_that_is_silent_after_its_main_threads_end_has_ended() {
    let exits =
        |s: &mut Scene| s.events().into_iter().filter(|line| line.contains("EXIT")).collect::<Vec<_>>();
    let mut s = two_threads();
    s.op(101, Op::Exit { status: 256 }).after(59_000).read(SHELL, 0, 1);
    assert!(exits(&mut s).is_empty());
    s.after(2_000).read(SHELL, 0, 1);
    assert_eq!(exits(&mut s), ["PE 61009ms 101/101 EXIT = 256"]);
    // It is told once, also when it shows that it has not.
    s.after(2_000).exit(102);
    assert!(exits(&mut s).is_empty());
    let mut s = two_threads();
    s.op(101, Op::Exit { status: 256 }).finish();
    assert_eq!(exits(&mut s).len(), 1);
}

#[test]
fn a_clone_that_is_told_after_the_childs_end_makes_no_ghost() {
    let of = |pid, ptid| Image { pid, ptid, ..Image::default() };
    for flags in [0, clone_flags::THREAD] {
        let mut s = Scene::new();
        let pid = if flags == 0 { 101 } else { SHELL };
        s.op(101, Op::Clone(Clone { image: of(pid, SHELL), flags, ..Clone::default() })).exit(101);
        s.op(SHELL, Op::Clone(Clone { ret: 101, image: of(SHELL, 50), flags, ..Clone::default() }));
        assert!(s.recorder.process_of(101).is_none(), "{flags}");
        assert_eq!(s.recorder.snapshot().len(), 3);
        // A minute later the id is a new one's.
        s.after(60_000);
        s.op(SHELL, Op::Clone(Clone { ret: 101, image: of(SHELL, 50), flags, ..Clone::default() }));
        assert!(s.recorder.process_of(101).is_some(), "{flags}");
    }
    // Both halves were seen: the same id soon after is another process.
    let mut s = Scene::new();
    s.fork(SHELL, 101).exit(101);
    let late = s.now() + 1_000_000;
    s.fork(SHELL, 101);
    assert_eq!(s.recorder.process_of(101).unwrap().oid().create_ts, late);
}

#[test]
fn flows_of_a_process_that_turns_out_to_be_ours_do_not_go_on() {
    let mut s = Scene::new();
    s.fork(SHELL, 101).open(101, "/x", 3).read(101, 3, 10).read(101, 3, 10);
    let folded = s.recorder.counters().folded;
    assert!(s.recorder.ignore_process(101));
    s.read(101, 3, 10).read(101, 3, 10);
    assert_eq!(s.recorder.counters().folded, folded);
    assert_eq!(s.recorder.counters().ignored[sysflow_flow::op::Ignored::Own as usize], 2);
}

#[test]
fn a_script_is_told_beside_its_interpreter() {
    let run = |s: &mut Scene, path: &str, filename: &str, args: &str| {
        let image = Image { pid: SHELL, exe: path.as_bytes(), args: args.as_bytes(), ..Image::default() };
        let (path, filename) = (path.as_bytes(), filename.as_bytes());
        s.op(SHELL, Op::Exec(Exec { image, path, filename, ..Exec::default() }));
        s.events().into_iter().map(|line| line.split_once(' ').unwrap().1.to_owned()).collect::<Vec<_>>()
    };
    let mut s = Scene::new();
    assert_eq!(
        run(&mut s, "/usr/bin/bash", "./run.sh", "./run.sh\0x\0"),
        ["1ms 100/100 EXEC /root/run.sh = 0"]
    );
    assert_eq!(run(&mut s, "/usr/bin/perl", "/a/b", "-w\0/a/b\0"), ["2ms 100/100 EXEC /a/b = 0"]);
    // A program, a program behind a symbolic link, and one whose argument happens to be itself.
    for (filename, args) in [("/usr/bin/cat", "x\0"), ("/bin/cat", "x\0"), ("/usr/bin/cat", "/usr/bin/cat\0")]
    {
        let events = run(&mut s, "/usr/bin/cat", filename, args);
        assert!(events[0].ends_with(" EXEC = 0"), "{events:?}");
    }
    assert!(run(&mut Scene::tests(), "/usr/bin/bash", "./run.sh", "./run.sh\0")[0].ends_with(" EXEC = 0"));
}

#[test]
fn what_reaches_into_a_process_or_the_kernel_is_told() {
    use sysflow_flow::op::KernelArg;
    let mut s = Scene::new();
    s.op(SHELL, Op::VmWrite { ret: 8, pid: 50 });
    let unload = Op::Kernel { ret: 0, what: "delete_module", arg: KernelArg::Text(b"audit") };
    s.op(SHELL, unload).open(SHELL, "/tmp/x.ko", 3);
    s.op(SHELL, Op::Kernel { ret: -1, what: "finit_module", arg: KernelArg::Fd(3) });
    let events = s.events();
    assert_eq!(
        events,
        [
            "PE 1ms 100/100 PTRACE process_vm_writev 50 = 8",
            "PE 2ms 100/100 KERNEL delete_module audit = 0",
            "PE 4ms 100/100 KERNEL finit_module /tmp/x.ko = -1",
        ]
    );
}
