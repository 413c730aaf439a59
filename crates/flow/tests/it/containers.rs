use sysflow_flow::{
    DescriptorView, Op,
    op::{Clone, Exec, Image},
};

use crate::scene::{SHELL, Scene};

const ID: &str = "0123456789ab0123456789ab0123456789ab0123456789ab0123456789abcdef";

fn cgroups(path: &str) -> Vec<u8> {
    format!("cpu={path}\0memory={path}\0").into_bytes()
}

#[test]
fn a_container_is_told_incomplete_and_again_with_its_metadata() {
    let mut s = Scene::new();
    let inside = cgroups(&format!("/system.slice/docker-{ID}.scope"));
    let image = Image { pid: 200, ptid: SHELL, cgroups: &inside, ..Image::default() };
    s.op(200, Op::Clone(Clone { image, vpid: Some(1), vtid: Some(1), ..Clone::default() }));
    s.open(200, "/x", 3);
    let json =
        br#"{"container":{"id":"0123456789ab","name":"web","image":"nginx","imagetag":"1.27","type":0}}"#;
    s.op(-1, Op::Container { json }).close(200, 3);
    assert_eq!(
        s.lines()[1..],
        [
            "C 0123456789ab incomplete incomplete:incomplete",
            "P reup 1 /usr/lib/systemd/systemd uid=0",
            "P reup 50 /usr/sbin/sshd uid=0",
            "P reup 100 /bin/bash uid=0",
            "P created 200 /bin/bash uid=0 in 0123456789ab",
            "PE 1ms 200/200 CLONE = 0",
            "F reup f /x",
            "C 0123456789ab web nginx:1.27",
            "FF 2ms-4ms 200/200 OPEN|CLOSE fd=3 /x read=0/0 written=0/0",
        ]
    );
}

#[test]
fn a_path_is_another_file_in_each_container() {
    let mut s = Scene::new();
    let inside = cgroups(&format!("/docker/{ID}"));
    s.fork(SHELL, 200);
    let image = Image { pid: 200, exe: b"sh", cgroups: &inside, ..Image::default() };
    s.op(200, Op::Exec(Exec { image, filename: b"/bin/sh", ..Exec::default() }));
    s.open(200, "/etc/passwd", 3).open(SHELL, "/etc/passwd", 3);
    let [inside, outside] = [200, SHELL].map(|tid| match s.recorder.descriptor_of(tid, 3) {
        Some(DescriptorView::File(file)) => file.oid,
        other => panic!("{other:?}"),
    });
    assert_eq!(inside, sysflow::Foid::new("0123456789ab", "/etc/passwd"));
    assert_eq!(outside, sysflow::Foid::new("", "/etc/passwd"));
}

#[test]
fn users_are_named_by_their_container() {
    let mut s = Scene::new();
    s.op(-1, Op::UserAdded { container: b"", uid: 1000, name: b"alice" });
    s.op(-1, Op::UserAdded { container: b"0123456789ab", uid: 1000, name: b"node" });
    let inside = cgroups(&format!("/docker/{ID}"));
    for (pid, cgroups) in [(200, &inside[..]), (201, b"cpu=/\0")] {
        s.fork(SHELL, pid);
        let image = Image { pid, exe: b"x", cgroups, uid: Some(1000), ..Image::default() };
        s.op(pid, Op::Exec(Exec { image, filename: b"/x", ..Exec::default() }));
    }
    let name = |pid: i64| {
        s.records.iter().rev().find_map(|record| match record {
            sysflow::Record::Process(p) if p.oid.hpid == pid => Some(p.user_name.clone()),
            _ => None,
        })
    };
    assert_eq!((name(200).as_deref(), name(201).as_deref()), (Some("node"), Some("alice")));
}
