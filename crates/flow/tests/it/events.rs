use sysflow_flow::{
    Op,
    op::{LinkKind, Open, PathKind, PathOp},
};

use crate::scene::{SHELL, Scene, link, open, path};

#[test]
fn paths_are_made_removed_and_renamed() {
    let mut s = Scene::new();
    s.op(SHELL, path(PathKind::Mkdir, "d")).op(SHELL, path(PathKind::Rmdir, "d"));
    s.op(SHELL, path(PathKind::Unlink, "/tmp/../etc/x"));
    s.op(SHELL, link(LinkKind::Rename, "a", "/b")).op(SHELL, link(LinkKind::Link, "/b", "c"));
    s.op(SHELL, link(LinkKind::Symlink, "../target", "/l"));
    assert_eq!(
        s.lines()[4..],
        [
            "F created d /root/d",
            "FE 1ms 100/100 MKDIR /root/d = 0",
            "FE 2ms 100/100 RMDIR /root/d = 0",
            "F created ? /etc/x",
            "FE 3ms 100/100 UNLINK /etc/x = 0",
            "F reup ? /root/a",
            "F created ? /b",
            "FE 4ms 100/100 RENAME /root/a > /b = 0",
            "F created ? /root/c",
            "FE 5ms 100/100 LINK /b > /root/c = 0",
            "F reup ? ../target",
            "F created ? /l",
            "FE 6ms 100/100 SYMLINK ../target > /l = 0",
        ]
    );
}

#[test]
fn failures_are_told_with_their_error() {
    let mut s = Scene::new();
    let op = PathOp { ret: -2, kind: PathKind::Unlink, dirfd: -100, path: b"/none" };
    s.op(SHELL, Op::Path(op));
    assert_eq!(s.events(), ["FE 1ms 100/100 UNLINK /none = -2"]);
}

#[test]
fn further_operations_are_told_by_default_only() {
    let run = |s: &mut Scene| {
        s.op(SHELL, path(PathKind::Chmod { mode: 0o4755 }, "/x"));
        s.op(SHELL, path(PathKind::Chown { uid: 0, gid: u32::MAX }, "/x"));
        let mount = PathKind::Mount { device: b"/dev/sda1", fstype: b"ext4", flags: 1 };
        s.op(SHELL, path(mount, "/mnt"));
        s.open(SHELL, "/y", 3).op(SHELL, Op::FdPath { ret: 0, kind: PathKind::Chmod { mode: 0o600 }, fd: 3 });
        s.op(SHELL, Op::Signal { ret: 0, pid: 50, signal: 9 })
            .op(SHELL, Op::Signal { ret: 0, pid: SHELL, signal: 6 });
        s.op(SHELL, Op::Ptrace { ret: 0, request: 11, pid: 50 })
            .op(SHELL, Op::Ptrace { ret: 0, request: 3, pid: 50 });
        s.events()
    };
    assert_eq!(
        run(&mut Scene::new()),
        [
            "FE 1ms 100/100 CHMOD /x (0o4755) = 0",
            "FE 2ms 100/100 CHOWN /x (0:-1) = 0",
            "FE 3ms 100/100 MOUNT /mnt (/dev/sda1 ext4 0x1) = 0",
            "FE 5ms 100/100 CHMOD /y (0o0600) = 0",
            "PE 6ms 100/100 SIGNAL 50 9 = 0",
            "PE 8ms 100/100 PTRACE ATTACH 50 = 0",
        ]
    );
    assert!(run(&mut Scene::tests()).is_empty());
}

#[test]
fn an_open_that_was_refused_is_told() {
    let run = |s: &mut Scene| {
        s.op(SHELL, open("/etc/shadow", 1 | 0x1000, -13)).op(SHELL, open("/none", 1, -2));
        s.events()
    };
    assert_eq!(run(&mut Scene::new()), ["FE 1ms 100/100 OPEN /etc/shadow (RDONLY,CLOEXEC) = -13"]);
    assert!(run(&mut Scene::tests()).is_empty());
}

#[test]
fn names_that_are_no_text_stay_apart() {
    let mut s = Scene::new();
    for name in [&b"/a\xff"[..], b"/a\xfe", b"/a\n"] {
        s.op(SHELL, Op::Path(PathOp { ret: 0, kind: PathKind::Unlink, dirfd: -100, path: name }));
    }
    let files: Vec<String> = s.lines().into_iter().filter(|line| line.starts_with('F')).collect();
    assert!(files.contains(&"F created ? /a\\xff".to_owned()), "{files:?}");
    assert_eq!(files.iter().filter(|line| line.starts_with("F ")).count(), 3);
}

#[test]
fn long_strings_are_cut_and_counted() {
    let long = "x".repeat(100_000);
    let mut s = Scene::new();
    let op = Op::Open(Open { ret: 3, dirfd: -100, path: long.as_bytes(), flags: 1, ..Open::default() });
    s.op(SHELL, op).close(SHELL, 3);
    assert_eq!(s.recorder.counters().strings_cut, 1);
    assert!(s.lines().iter().all(|line| line.len() < 5_000));
}
