//! Root directories: what a process in a jail calls `/` is a directory of the host.

use sysflow_flow::{
    Config, Event, Host, Initial, Op, Recorder,
    op::{AT_FDCWD, Exec, Image, Open, PathKind, clone_flags},
};

use crate::{
    line::START,
    scene::{SHELL, Scene, open, path},
};

fn chroot(path: &str) -> Op<'_> {
    Op::Chroot { ret: 0, path: path.as_bytes() }
}

fn chdir(path: &str) -> Op<'_> {
    Op::Chdir { ret: 0, path: path.as_bytes() }
}

/// Paths of the files that unlink was called on since the last time.
fn removed(s: &mut Scene) -> Vec<String> {
    let path = |line: String| line.split(" UNLINK ").nth(1).map(|rest| rest.replace(" = 0", ""));
    s.events().into_iter().filter_map(path).collect()
}

fn unlink(s: &mut Scene, tid: i64, names: &[&str]) -> Vec<String> {
    for name in names {
        s.op(tid, path(PathKind::Unlink, name));
    }
    removed(s)
}

#[test]
fn paths_in_a_jail_are_told_as_the_host_sees_them() {
    let mut s = Scene::new();
    s.op(SHELL, chroot("/srv/jail"));
    assert_eq!(unlink(&mut s, SHELL, &["/a", "/../../b", "c"]), ["/srv/jail/a", "/srv/jail/b", "/root/c"]);
    s.op(SHELL, chdir("/"));
    assert_eq!(unlink(&mut s, SHELL, &["d", "../../e"]), ["/srv/jail/d", "/srv/jail/e"]);
    s.op(SHELL, chroot("deep"));
    assert_eq!(unlink(&mut s, SHELL, &["/f"]), ["/srv/jail/deep/f"]);
    // A child is in the same jail, and has a working directory of its own.
    s.fork(SHELL, 101).op(101, chdir("/sub"));
    assert_eq!(unlink(&mut s, 101, &["g", "/h"]), ["/srv/jail/deep/sub/g", "/srv/jail/deep/h"]);
    assert_eq!(unlink(&mut s, SHELL, &["g"]), ["/srv/jail/g"]);
    // A failed one changes nothing.
    s.op(101, Op::Chroot { ret: -1, path: b"/sub" });
    assert_eq!(unlink(&mut s, 101, &["/h"]), ["/srv/jail/deep/h"]);
}

#[test]
fn the_way_out_of_a_jail_shows() {
    let mut s = Scene::new();
    s.op(SHELL, chroot("/srv/jail")).op(SHELL, chdir("/"));
    // The classic: a second root below, with the working directory left outside of it.
    s.op(SHELL, chroot("x")).op(SHELL, chdir("../../../../..")).op(SHELL, chroot("."));
    assert_eq!(unlink(&mut s, SHELL, &["/etc/shadow"]), ["/etc/shadow"]);
}

#[test]
fn opens_and_descriptors_keep_to_the_hosts_paths() {
    let mut s = Scene::new();
    s.open(SHELL, "/etc", 3).op(SHELL, chroot("/srv/jail")).open(SHELL, "/etc/passwd", 4);
    // A directory that was opened outside is still outside.
    s.op(SHELL, Op::Open(Open { ret: 5, dirfd: 3, path: b"shadow", flags: 1, ..Open::default() }));
    // The kernel's own path is not one of the jail.
    let by_handle = Open { ret: 6, dirfd: AT_FDCWD, path: b"/etc/hosts", resolved: true, ..Open::default() };
    s.op(SHELL, Op::Open(by_handle)).op(SHELL, open("/x", 1, -13)).finish();
    let lines = s.lines();
    let opened: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix("F reup ")).collect();
    assert_eq!(
        opened,
        ["f /etc", "f /srv/jail/etc/passwd", "f /etc/shadow", "f /etc/hosts", "? /srv/jail/x"]
    );
}

#[test]
fn sysflows_own_habit_is_to_tell_paths_as_the_process_names_them() {
    let mut s = Scene::tests();
    s.op(SHELL, chroot("/srv/jail"));
    assert_eq!(unlink(&mut s, SHELL, &["/a"]), ["/a"]);
}

#[test]
fn a_thread_can_have_a_root_of_its_own() {
    let mut s = Scene::new();
    s.clone(SHELL, 101, clone_flags::THREAD).op(101, Op::Unshare { ret: 0, flags: clone_flags::FS });
    s.op(101, chroot("/srv/jail")).op(101, chdir("/sub"));
    assert_eq!(unlink(&mut s, 101, &["/a", "b"]), ["/srv/jail/a", "/srv/jail/sub/b"]);
    assert_eq!(unlink(&mut s, SHELL, &["/a", "b"]), ["/a", "/root/b"]);
    // What it starts is there too.
    s.fork(101, 102);
    assert_eq!(unlink(&mut s, 102, &["b"]), ["/srv/jail/sub/b"]);
    // Its id is free again.
    s.exit(101).clone(SHELL, 101, clone_flags::THREAD);
    assert_eq!(unlink(&mut s, 101, &["/a"]), ["/a"]);
}

#[test]
fn what_clone_has_shared_unshare_separates() {
    let mut s = Scene::new();
    s.clone(SHELL, 101, clone_flags::FS | clone_flags::FILES).op(101, chdir("/tmp"));
    assert_eq!(unlink(&mut s, SHELL, &["a"]), ["/tmp/a"]);
    s.op(101, Op::Unshare { ret: 0, flags: clone_flags::FS | clone_flags::FILES }).op(101, chdir("/var"));
    assert_eq!(unlink(&mut s, SHELL, &["a"]), ["/tmp/a"]);
    s.open(101, "/x", 3).op(SHELL, Op::Fchdir { ret: 0, fd: 3 });
    assert_eq!(s.recorder.counters().lost.unknown_fd, 1, "the descriptor is the child's alone");
}

#[test]
fn new_namespaces_are_told_and_a_new_mount_namespace_has_its_own_root() {
    let mut s = Scene::new();
    s.op(SHELL, Op::Unshare { ret: 0, flags: clone_flags::NEWUSER | clone_flags::NEWNS });
    s.op(SHELL, Op::Unshare { ret: -1, flags: clone_flags::NEWNET });
    assert_eq!(
        s.events(),
        ["PE 1ms 100/100 SETNS unshare NEWUSER,NEWNS = 0", "PE 2ms 100/100 SETNS unshare NEWNET = -1",]
    );
    s.op(SHELL, chroot("/srv/jail")).open(SHELL, "/proc/7/ns/mnt", 3);
    s.op(SHELL, Op::SetNs { ret: 0, fd: 3, kinds: 0 });
    assert_eq!(unlink(&mut s, SHELL, &["/a", "b"]), ["/a", "/b"]);
    s.op(SHELL, chroot("/srv/jail")).op(SHELL, Op::PidfdOpen { ret: 4, pid: 50 });
    s.op(SHELL, Op::SetNs { ret: 0, fd: 4, kinds: clone_flags::NEWNS | clone_flags::NEWPID });
    assert_eq!(s.events(), ["PE 10ms 100/100 SETNS setns NEWNS,NEWPID 50 = 0"]);
    assert_eq!(unlink(&mut s, SHELL, &["/a"]), ["/a"]);
    let mut tests = Scene::tests();
    tests.op(SHELL, Op::Unshare { ret: 0, flags: clone_flags::NEWUSER });
    assert!(tests.events().is_empty());
}

/// Some runtimes change the root of a process first and move it into its container then.
#[test]
fn the_root_of_a_container_is_no_jail() {
    let id = "e8febe1a20e50eb223c79826220d523af5efc29cd70295cc3742cb6bd05ef035";
    let cgroups = format!("memory=/docker/{id}\0");
    let image = Image { pid: 101, exe: b"sh", cgroups: cgroups.as_bytes(), ..Image::default() };
    let mut s = Scene::new();
    s.fork(SHELL, 101).op(101, chroot("/var/lib/docker/overlay2/1/merged")).op(101, chdir("/"));
    s.op(101, Op::Exec(Exec { image, path: b"/bin/sh", ..Exec::default() }));
    assert_eq!(unlink(&mut s, 101, &["/etc/a"]), ["/etc/a"]);
    // A jail inside of it is one.
    s.op(101, chroot("/run/sshd"));
    assert_eq!(unlink(&mut s, 101, &["/b"]), ["/run/sshd/b"]);
}

/// A host that knows where a process has its root.
struct Jailer;

impl Host for Jailer {
    fn root(&mut self, tid: i64) -> Option<Vec<u8>> {
        (tid == 7).then(|| b"/real/jail".to_vec())
    }
}

#[test]
fn the_host_knows_better_and_jails_from_before_are_known() {
    let initial = |pid, root: &[u8]| Initial {
        tid: pid,
        pid,
        exe: b"/bin/x".into(),
        cwd: b"/".into(),
        root: root.into(),
        ..Initial::default()
    };
    let mut recorder = Recorder::new(Config::default());
    let mut records: Vec<sysflow::Record> = Vec::new();
    recorder.start([initial(7, b"/"), initial(8, b"/old/jail")], &mut records);
    // `sshd` calls it with a symbolic link, which only the host can follow.
    let ops = [(7, chroot("link")), (7, path(PathKind::Unlink, "/a")), (8, path(PathKind::Unlink, "/b"))];
    for (ts, (tid, op)) in (START..).zip(ops) {
        recorder.apply(&Event { ts, tid, op }, &mut Jailer, &mut records);
    }
    let paths: Vec<&str> = records
        .iter()
        .filter_map(|record| match record {
            sysflow::Record::File(file) => Some(file.path.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(paths, ["/real/jail/a", "/old/jail/b"]);
}
