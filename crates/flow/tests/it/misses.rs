//! What nobody knows is asked of the host once, and takes no room from what is known.

use sysflow_flow::{
    Config, Event, Host, Initial, InitialFd, InitialFdKind, Limits, Op, Recorder,
    op::{AT_FDCWD, Open, PathKind, PathOp},
};

use crate::{
    line::START,
    scene::{SHELL, Scene},
};

/// Counts questions; knows descriptor 7 of the shell and the thread 500 of a process 400.
#[derive(Default)]
struct Asked {
    fds: Vec<i64>,
    threads: Vec<i64>,
}

impl Host for Asked {
    fn thread(&mut self, tid: i64) -> Option<Initial> {
        self.threads.push(tid);
        let leader =
            Initial { tid: 400, pid: 400, ptid: 1, exe_path: b"/usr/bin/java".into(), ..Initial::default() };
        (tid == 500).then_some(leader)
    }

    fn fd(&mut self, _: i64, fd: i64) -> Option<InitialFd> {
        self.fds.push(fd);
        (fd == 7).then(|| InitialFd { fd, kind: InitialFdKind::File(b"/passed".into()), open_flags: 1 })
    }
}

fn read(fd: i64) -> Op<'static> {
    Op::Read { ret: 1, fd, tuple: None }
}

fn run(recorder: &mut Recorder, host: &mut Asked, ops: impl IntoIterator<Item = (i64, i64, Op<'static>)>) {
    for (ms, tid, op) in ops {
        recorder.apply(&Event { ts: START + ms * 1_000_000, tid, op }, host, &mut Vec::new());
    }
}

#[test]
fn a_descriptor_is_asked_for_once() {
    let (mut recorder, mut host) = (Scene::new().recorder, Asked::default());
    run(&mut recorder, &mut host, (0..100).map(|i| (i, SHELL, read(i % 3 + 6))));
    assert_eq!(host.fds, [6, 7, 8]);
    let counters = recorder.counters();
    assert_eq!((counters.lost.unknown_fd, counters.folded), (67, 33));
}

#[test]
fn what_cannot_exist_is_not_asked_for() {
    const EBADF: i64 = -9;
    let (mut recorder, mut host) = (Scene::new().recorder, Asked::default());
    let unlink = PathOp { ret: 0, kind: PathKind::Unlink, dirfd: -7, path: b"x" };
    let open = Open { ret: 9, dirfd: -2, path: b"x", ..Open::default() };
    run(
        &mut recorder,
        &mut host,
        [
            (1, SHELL, read(-5)),
            (2, SHELL, Op::Path(unlink)),
            (3, SHELL, Op::Open(open)),
            (4, SHELL, Op::Read { ret: EBADF, fd: 70, tuple: None }),
            (5, SHELL, Op::Connect { ret: EBADF, fd: 71, tuple: None, addr: None }),
            (6, SHELL, Op::Shutdown { ret: EBADF, fd: 72 }),
            (7, SHELL, Op::Mmap { ret: EBADF, fd: 73, anonymous: false }),
            (8, SHELL, Op::SetNs { ret: EBADF, fd: 74, kinds: 0 }),
            (9, SHELL, Op::FdPath { ret: EBADF, kind: PathKind::Chmod { mode: 0 }, fd: 75 }),
            (10, -1, read(0)),
        ],
    );
    assert_eq!((host.fds, host.threads), (vec![], vec![]));
}

#[test]
fn made_up_descriptors_do_not_blind_us() {
    let limits = Limits { fds: 8, ..Limits::default() };
    let mut s = Scene::with(Config { limits, ..Config::default() });
    let mut host = Asked::default();
    // Calls that succeed on descriptors that nobody knows, and fill the table with nothing.
    run(&mut s.recorder, &mut host, (0..100_000).map(|i| (i / 100, SHELL, read(1_000 + i))));
    assert!(host.fds.len() <= 300, "{} questions in two seconds", host.fds.len());
    s.after(2_000).open(SHELL, "/x", 3).read(SHELL, 3, 5).close(SHELL, 3);
    assert_eq!(s.events(), ["FF 2001ms-2003ms 100/100 OPEN|READ|CLOSE fd=3 /x read=1/5 written=0/0"]);
}

#[test]
fn a_full_table_remembers_misses_too() {
    let limits = Limits { fds: 4, ..Limits::default() };
    let mut s = Scene::with(Config { limits, ..Config::default() });
    s.open(SHELL, "/a", 3).open(SHELL, "/b", 4);
    assert_eq!(s.recorder.counters().lost.limit, 1);
    let mut host = Asked::default();
    run(&mut s.recorder, &mut host, (0..100).map(|i| (10 + i, SHELL, read(50))));
    assert_eq!(host.fds, [50]);
}

#[test]
fn a_number_that_is_used_again_is_asked_for_again() {
    let (mut recorder, mut host) = (Scene::new().recorder, Asked::default());
    let open = Open { ret: 50, path: b"/x", dirfd: AT_FDCWD, ..Open::default() };
    run(
        &mut recorder,
        &mut host,
        [
            (1, SHELL, read(50)),
            (2, SHELL, Op::Open(open)),
            (3, SHELL, Op::Close { ret: 0, fd: 50 }),
            (4, SHELL, read(50)),
            (5, SHELL, read(50)),
            (6, SHELL, Op::Close { ret: 0, fd: 50 }),
            (7, SHELL, read(50)),
        ],
    );
    assert_eq!(host.fds, [50, 50, 50]);
}

#[test]
fn a_thread_that_the_host_knows_is_asked_for_once() {
    let (mut recorder, mut host) = (Scene::new().recorder, Asked::default());
    run(&mut recorder, &mut host, (0..10).map(|i| (i, 500, read(7))));
    assert_eq!(host.threads, [500]);
    assert_eq!(recorder.process_of(500).unwrap().oid().hpid, 400);
    run(&mut recorder, &mut host, (10..20).map(|i| (i, 600, read(7))));
    assert_eq!(host.threads, [500, 600]);
    assert_eq!(recorder.counters().lost.unknown_thread, 10);
}
