use sysflow_flow::{Op, op::clone_flags};

use crate::scene::{SHELL, Scene, open};

#[test]
fn open_read_close_is_one_flow() {
    let mut s = Scene::new();
    s.open(SHELL, "/etc/passwd", 3).read(SHELL, 3, 100).read(SHELL, 3, 0).read(SHELL, 3, -11).close(SHELL, 3);
    // A failed read on a good descriptor is an operation of no bytes.
    assert_eq!(
        s.lines(),
        [
            "H",
            "P reup 1 /usr/lib/systemd/systemd uid=0",
            "P reup 50 /usr/sbin/sshd uid=0",
            "P reup 100 /bin/bash uid=0",
            "F reup f /etc/passwd",
            "FF 1ms-5ms 100/100 OPEN|READ|CLOSE fd=3 /etc/passwd read=3/100 written=0/0",
        ]
    );
}

#[test]
fn paths_follow_the_working_directory_and_descriptors() {
    use sysflow_flow::op::{Open, PathKind, PathOp};
    let mut s = Scene::new();
    s.op(SHELL, Op::Chdir { ret: 0, path: b"../srv/./www" });
    s.open(SHELL, "index.html", 3).close(SHELL, 3);
    s.op(SHELL, open("/var//log/", 1 | 0x400, 4));
    s.op(SHELL, Op::Open(Open { ret: 5, dirfd: 4, path: b"../log/x", flags: 1, ..Open::default() }));
    s.close(SHELL, 5);
    s.op(SHELL, Op::Path(PathOp { ret: 0, kind: PathKind::Unlink, dirfd: 4, path: b"x" }));
    s.op(SHELL, Op::Fchdir { ret: 0, fd: 4 });
    s.op(SHELL, Op::Path(PathOp { ret: 0, kind: PathKind::Mkdir, dirfd: -100, path: b"d" }));
    let paths: Vec<String> =
        s.lines().into_iter().filter_map(|l| l.strip_prefix("F ").map(str::to_owned)).collect();
    assert_eq!(
        paths,
        ["reup f /srv/www/index.html", "reup d /var/log", "reup f /var/log/x", "created d /var/log/d"]
    );
}

#[test]
fn a_close_cuts_the_flows_of_other_threads_first() {
    let mut s = Scene::new();
    s.clone(SHELL, 101, clone_flags::THREAD);
    s.clone(SHELL, 102, clone_flags::THREAD);
    s.open(101, "/data", 3).read(SHELL, 3, 10).read(102, 3, 20).read(101, 3, 30);
    s.events();
    s.close(102, 3);
    // The flow that saw the opening comes first.
    assert_eq!(
        s.events(),
        [
            "FF 5ms-9ms 100/101 OPEN|READ|TRUNCATE fd=3 /data read=1/30 written=0/0",
            "FF 6ms-9ms 100/100 READ|TRUNCATE fd=3 /data read=1/10 written=0/0",
            "FF 7ms-9ms 100/102 READ|CLOSE fd=3 /data read=1/20 written=0/0",
        ]
    );
}

#[test]
fn a_close_without_a_flow_stands_alone() {
    let mut s = Scene::new();
    s.close(SHELL, 2);
    assert_eq!(s.events(), ["FF 1ms-1ms 100/100 CLOSE fd=2 /dev/pts/0 read=0/0 written=0/0"]);
}

#[test]
fn copies_of_a_descriptor_have_flows_of_their_own() {
    let mut s = Scene::new();
    s.open(SHELL, "/out", 3).op(SHELL, Op::Dup { ret: 1, old: 3, cloexec: false });
    // The terminal that 1 was is closed by that.
    assert_eq!(s.events(), ["FF 2ms-2ms 100/100 CLOSE fd=1 /dev/pts/0 read=0/0 written=0/0"]);
    s.close(SHELL, 3).write(SHELL, 1, 7).close(SHELL, 1);
    assert_eq!(
        s.events(),
        [
            "FF 1ms-3ms 100/100 OPEN|CLOSE fd=3 /out read=0/0 written=0/0",
            "FF 4ms-5ms 100/100 WRITE|CLOSE fd=1 /out read=0/0 written=1/7",
        ]
    );
}

#[test]
fn exec_closes_what_is_marked_so() {
    let cloexec = 0x1000;
    let mut s = Scene::new();
    s.fork(SHELL, 101).op(101, open("/a", 1 | cloexec, 3)).open(101, "/b", 4);
    s.events();
    s.exec(101, "/bin/cat", "");
    assert_eq!(
        s.events(),
        ["FF 3ms-5ms 101/101 OPEN|CLOSE fd=3 /a read=0/0 written=0/0", "PE 5ms 101/101 EXEC = 0",]
    );
    s.read(101, 3, 5);
    assert_eq!(s.recorder.counters().lost.unknown_fd, 1, "descriptor 3 is gone");
    s.read(101, 4, 5).close(101, 4);
    assert_eq!(s.events(), ["FF 4ms-8ms 101/101 OPEN|READ|CLOSE fd=4 /b read=1/5 written=0/0"]);
}

#[test]
fn a_fork_copies_descriptors_and_clone_files_shares_them() {
    let mut s = Scene::new();
    s.fork(SHELL, 101).open(101, "/mine", 3).read(SHELL, 3, 1);
    assert_eq!(s.recorder.counters().lost.unknown_fd, 1, "the parent does not have the child's descriptor");
    s.clone(SHELL, 102, clone_flags::FILES).open(102, "/ours", 7).read(SHELL, 7, 1);
    assert_eq!(s.recorder.counters().lost.unknown_fd, 1);
}

#[test]
fn both_ends_of_a_transfer_count() {
    let mut s = Scene::new();
    s.open(SHELL, "/from", 3).connect(SHELL, 4).op(SHELL, Op::Transfer { ret: 500, from: 3, to: 4 }).finish();
    assert_eq!(
        s.events(),
        [
            "FF 1ms-4ms 100/100 OPEN|READ|TRUNCATE fd=3 /from read=1/500 written=0/0",
            "NF 3ms-4ms 100/100 CONNECT|WRITE|TRUNCATE fd=4 10.0.0.1:4000>10.0.0.2:80 proto=6 received=0/0 sent=1/500",
        ]
    );
}

#[test]
fn both_ends_of_a_pipe_are_one_file() {
    let mut s = Scene::new();
    s.op(SHELL, Op::Pipe { ret: 0, fds: [3, 4], ino: 77, cloexec: false });
    s.write(SHELL, 4, 5).read(SHELL, 3, 5).close(SHELL, 3).close(SHELL, 4);
    assert_eq!(
        s.events(),
        [
            "FF 3ms-4ms 100/100 READ|CLOSE fd=3 pipe:[77] read=1/5 written=0/0",
            "FF 2ms-5ms 100/100 WRITE|CLOSE fd=4 pipe:[77] read=0/0 written=1/5",
        ]
    );
}

#[test]
fn maps_and_namespaces_are_flows_on_the_file() {
    let mut s = Scene::new();
    s.open(SHELL, "/lib/libc.so.6", 3)
        .op(SHELL, Op::Mmap { ret: 0x7f00, fd: 3, anonymous: false })
        .close(SHELL, 3);
    s.open(SHELL, "/proc/7/ns/net", 3).op(SHELL, Op::SetNs { ret: 0, fd: 3, kinds: 0 }).close(SHELL, 3);
    assert_eq!(
        s.events(),
        [
            "FF 1ms-3ms 100/100 OPEN|MMAP|CLOSE fd=3 /lib/libc.so.6 read=0/0 written=0/0",
            "FF 4ms-6ms 100/100 SETNS|OPEN|CLOSE fd=3 /proc/7/ns/net read=0/0 written=0/0",
        ]
    );
}

#[test]
fn the_collectors_filter_leaves_reads_below_system_directories_out() {
    use sysflow_flow::{Compat, Config};
    let mut s = Scene::with(Config { compat: Compat::Sysflow, ..Config::default() });
    s.open(SHELL, "/usr/lib/x.so", 3).read(SHELL, 3, 5).close(SHELL, 3);
    s.open(SHELL, "/etc/passwd", 3).read(SHELL, 3, 5).close(SHELL, 3);
    s.op(SHELL, open("/etc", 1 | 0x400, 3)).close(SHELL, 3);
    assert_eq!(s.events(), ["FF 4ms-6ms 100/100 OPEN|READ|CLOSE fd=3 /etc/passwd read=1/5 written=0/0"]);
    assert_eq!(s.recorder.counters().flows_filtered, 1);
}

#[test]
fn close_range_closes_and_marks() {
    let mut s = Scene::new();
    s.open(SHELL, "/a", 5).open(SHELL, "/b", 6).open(SHELL, "/c", 7);
    s.op(SHELL, Op::CloseRange { ret: 0, first: 6, last: u32::MAX, cloexec: false });
    assert_eq!(
        s.events(),
        [
            "FF 2ms-4ms 100/100 OPEN|CLOSE fd=6 /b read=0/0 written=0/0",
            "FF 3ms-4ms 100/100 OPEN|CLOSE fd=7 /c read=0/0 written=0/0",
        ]
    );
    s.op(SHELL, Op::CloseRange { ret: 0, first: 3, last: 10, cloexec: true });
    assert!(s.events().is_empty());
    s.exec(SHELL, "/bin/x", "");
    assert_eq!(s.events()[0], "FF 1ms-6ms 100/100 OPEN|CLOSE fd=5 /a read=0/0 written=0/0");
}

#[test]
fn a_number_that_is_given_out_again_ends_what_was_on_it() {
    let mut s = Scene::new();
    s.open(SHELL, "/a", 3).open(SHELL, "/b", 3).close(SHELL, 3);
    assert_eq!(
        s.events(),
        [
            "FF 1ms-2ms 100/100 OPEN|TRUNCATE fd=3 /a read=0/0 written=0/0",
            "FF 2ms-3ms 100/100 OPEN|CLOSE fd=3 /b read=0/0 written=0/0",
        ]
    );
}

#[test]
fn a_program_without_a_file_has_one_name_where_it_is_written_and_where_it_runs() {
    use sysflow_flow::op::{Exec, Image};
    let mut s = Scene::new();
    s.fork(SHELL, 101).op(101, Op::MemfdCreate { ret: 3, name: b"x", cloexec: true }).write(101, 3, 4096);
    let image = Image { pid: 101, exe: b"x", ..Image::default() };
    // The kernel module says it another way.
    for path in [&b"memfd:x"[..], b"/memfd:x (deleted)"] {
        s.op(101, Op::Exec(Exec { image, path, exe_flags: 2, ..Exec::default() }));
        assert_eq!(s.recorder.process_of(101).unwrap().exe(), "memfd:x");
    }
    let lines = s.lines();
    assert!(lines.contains(&"F reup f memfd:x".to_owned()), "{lines:?}");
    let flow = "FF 3ms-5ms 101/101 OPEN|WRITE|CLOSE fd=3 memfd:x read=0/0 written=1/4096";
    assert!(lines.iter().any(|line| line == flow), "{lines:?}");
    let mut tests = Scene::tests();
    tests.op(SHELL, Op::MemfdCreate { ret: 3, name: b"x", cloexec: true }).write(SHELL, 3, 4096).finish();
    assert!(tests.events().is_empty());
}

#[test]
fn a_descriptor_taken_from_another_process_is_what_it_is_there() {
    let mut s = Scene::new();
    s.fork(SHELL, 101).open(101, "/secret", 9);
    s.op(SHELL, Op::PidfdOpen { ret: 3, pid: 101 });
    s.op(SHELL, Op::PidfdGetfd { ret: 4, pidfd: 3, target: 9 }).read(SHELL, 4, 50);
    // One of a descriptor or a process that nobody knows is not known.
    s.op(SHELL, Op::PidfdGetfd { ret: 5, pidfd: 3, target: 77 }).read(SHELL, 5, 1);
    s.op(SHELL, Op::PidfdGetfd { ret: 6, pidfd: 0, target: 9 }).read(SHELL, 6, 1);
    assert_eq!(s.recorder.counters().lost.unknown_fd, 2);
    s.op(SHELL, Op::PidfdGetfd { ret: -1, pidfd: 3, target: 9 }).close(SHELL, 3).finish();
    let flows: Vec<String> = s.events().into_iter().filter(|line| line.contains(" 100/100 READ")).collect();
    assert_eq!(flows, ["FF 6ms-12ms 100/100 READ|TRUNCATE fd=4 /secret read=1/50 written=0/0"]);
    // It is closed by an exec.
    let mut s = Scene::new();
    s.fork(SHELL, 101).open(101, "/secret", 9).op(SHELL, Op::PidfdOpen { ret: 3, pid: 101 });
    s.op(SHELL, Op::PidfdGetfd { ret: 4, pidfd: 3, target: 9 }).exec(SHELL, "/bin/x", "").read(SHELL, 4, 1);
    assert_eq!(s.recorder.counters().lost.unknown_fd, 1);
}
