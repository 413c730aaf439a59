//! Caps hold, and what is shed is counted.

use sysflow_flow::{Config, Limits, op::Exec};

use crate::scene::{SHELL, Scene};

fn with(limits: Limits) -> Scene {
    Scene::with(Config { limits, ..Config::default() })
}

fn known(s: &Scene, pids: impl IntoIterator<Item = i64>) -> Vec<i64> {
    pids.into_iter().filter(|pid| s.recorder.process_of(*pid).is_some()).collect()
}

#[test]
fn a_full_table_drops_what_has_ended_first() {
    let mut s = with(Limits { processes: 8, ..Limits::default() });
    s.fork(SHELL, 101).fork(101, 102).fork(102, 103).exit(101).exit(102);
    // Two ended ancestors of 103, and 104, which has just ended.
    s.after(2_000).fork(SHELL, 104).exit(104).fork(SHELL, 105);
    assert_eq!(s.recorder.counters().evicted, 0);
    // 104 goes, then the first ancestor, then the second.
    for (pid, evicted) in [(106, 0), (107, 1), (108, 2)] {
        s.fork(SHELL, pid);
        assert_eq!(s.recorder.counters().evicted, evicted, "{pid}");
        assert_eq!(s.recorder.process_count(), 8);
    }
    assert_eq!(known(&s, [1, 50, SHELL, 103, 105, 106, 107, 108]), [1, 50, SHELL, 103, 105, 106, 107, 108]);
    // Its parent is told of as before.
    assert_eq!(s.recorder.process_of(103).unwrap().parent_oid().unwrap().hpid, 102);
    assert_eq!(s.recorder.counters().lost.limit, 0);
}

#[test]
fn a_full_table_drops_what_has_been_idle_for_the_longest() {
    let mut s = with(Limits { processes: 7, ..Limits::default() });
    s.fork(SHELL, 101).fork(SHELL, 102).fork(SHELL, 103).fork(SHELL, 104);
    s.open(101, "/x", 3).after(10_000).read(103, 0, 0).after(10_000).read(104, 0, 0).read(SHELL, 0, 0);
    s.after(10_000).read(50, 99, 0);
    // 102 has done nothing since its birth; 101 neither, but has a file open.
    s.fork(SHELL, 105);
    assert_eq!(known(&s, 101..106), [101, 103, 104, 105]);
    assert_eq!((s.recorder.counters().evicted, s.recorder.process_count()), (1, 7));
    s.finish();
}

#[test]
fn the_parent_stays_while_its_child_is_born() {
    let mut s = with(Limits { processes: 4, ..Limits::default() });
    for pid in 200..300 {
        s.fork(pid - 1, pid).after(1_000);
        if pid == 200 {
            s.fork(SHELL, 200);
        }
        assert!(s.recorder.process_of(pid).is_some(), "{pid}");
        assert!(s.recorder.process_count() <= 4);
    }
}

#[test]
fn an_unjudged_child_of_a_dropped_server_is_a_session_all_the_same() {
    let mut s = with(Limits { processes: 5, ..Limits::default() });
    s.fork(50, 60).exec(60, "/usr/sbin/sshd", "-R\0").fork(60, 61).exit(60).after(5_000);
    s.fork(SHELL, 101);
    assert_eq!(s.recorder.counters().evicted, 1);
    s.exec(61, "/bin/bash", "");
    assert_eq!(s.recorder.process_of(61).unwrap().root().hpid, 61);
}

#[test]
fn without_anything_to_drop_new_processes_are_refused_and_counted() {
    let mut s = with(Limits { processes: 3, ..Limits::default() });
    s.read(50, 0, 0).open(50, "/y", 3).open(SHELL, "/x", 3);
    let image = sysflow_flow::op::Image { pid: 7, exe: b"x", ..Default::default() };
    s.op(7, sysflow_flow::Op::Exec(Exec { image, ..Exec::default() }));
    assert_eq!((s.recorder.counters().lost.limit, s.recorder.process_count()), (1, 3));
}
