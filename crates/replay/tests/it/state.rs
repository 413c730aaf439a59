//! The initial state: every version of the lists.

use std::io::Cursor;

use sysflow_replay::{
    Capture,
    scap::{FdDetail, FdInfo, ProcessInfo},
};

use crate::support::{bundled, shared};

/// A section with one block.
fn capture(kind: u32, body: &[u8]) -> Capture {
    let mut section = 0x1A2B_3C4D_u32.to_le_bytes().to_vec();
    section.extend([1, 0, 2, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    let mut bytes = Vec::new();
    for (kind, body) in [(0x0A0D_0D0A_u32, section.as_slice()), (kind, body)] {
        let padded = body.len().next_multiple_of(4);
        bytes.extend(kind.to_le_bytes());
        bytes.extend((padded as u32 + 12).to_le_bytes());
        bytes.extend(body);
        bytes.resize(bytes.len() + padded - body.len(), 0);
        bytes.extend((padded as u32 + 12).to_le_bytes());
    }
    Capture::from_reader("state.scap", Cursor::new(bytes)).unwrap_or_else(|e| panic!("{e}"))
}

fn text(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend((bytes.len() as u16).to_le_bytes());
    out.extend(bytes);
}

/// An entry of the process list as a version has it, with the first `tail` bytes of what version 9 appends.
fn entry(version: u8, tail: usize) -> Vec<u8> {
    let mut e = Vec::new();
    for id in [11i64, 10, 9] {
        e.extend(id.to_le_bytes());
    }
    if version >= 6 {
        e.extend(8i64.to_le_bytes());
    }
    if version >= 8 {
        e.extend(7i64.to_le_bytes());
    }
    text(&mut e, b"cat");
    text(&mut e, b"/bin/cat");
    if version >= 7 {
        text(&mut e, b"/usr/bin/cat");
    }
    text(&mut e, b"-n\0\0file");
    text(&mut e, b"/tmp");
    e.extend(1024u64.to_le_bytes());
    for n in [1u32, 1000, 1001] {
        e.extend(n.to_le_bytes());
    }
    if version >= 2 {
        e.extend([1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0]);
        e.extend(4u64.to_le_bytes());
        e.extend(5u64.to_le_bytes());
    }
    if version >= 3 {
        text(&mut e, b"A=1\0B=\0");
    }
    if version >= 4 {
        e.extend(3i64.to_le_bytes());
        e.extend(2i64.to_le_bytes());
        text(&mut e, b"cpu_cgroup=/x\0io=/y\0nonsense\0");
    }
    if version >= 5 {
        text(&mut e, b"/");
    }
    if version >= 9 {
        let mut all = Vec::new();
        all.extend(77u64.to_le_bytes());
        all.extend(34816u32.to_le_bytes());
        all.extend(500u32.to_le_bytes());
        all.push(1);
        for c in [1u64, 2, 3] {
            all.extend(c.to_le_bytes());
        }
        all.push(1);
        for n in [101u64, 102, 103] {
            all.extend(n.to_le_bytes());
        }
        all.extend([1, 1]);
        all.extend(6i64.to_le_bytes());
        all.extend(b"from a newer library");
        // The short tail of old libraries begins behind the two fields that were put in front of it later.
        let all = if tail <= 29 { &all[12..] } else { &all[..] };
        e.extend(&all[..tail.min(all.len())]);
        let len = (e.len() + 4) as u32;
        e.splice(0..0, len.to_le_bytes());
    }
    e
}

fn expected(version: u8, tail: usize) -> ProcessInfo {
    let mut p = ProcessInfo {
        tid: 11,
        pid: 10,
        ptid: 9,
        comm: b"cat".to_vec(),
        exe: b"/bin/cat".to_vec(),
        args: vec![b"-n".to_vec(), Vec::new(), b"file".to_vec()],
        cwd: b"/tmp".to_vec(),
        fd_limit: 1024,
        flags: 1,
        uid: 1000,
        gid: 1001,
        ..ProcessInfo::default()
    };
    if version >= 2 {
        (p.memory_kb, p.page_faults) = ([1, 2, 3], [4, 5]);
    }
    if version >= 3 {
        p.env = vec![b"A=1".to_vec(), b"B=".to_vec()];
    }
    if version >= 4 {
        (p.vtid, p.vpid) = (3, 2);
        p.cgroups = vec![(b"cpu".to_vec(), b"/x".to_vec()), (b"blkio".to_vec(), b"/y".to_vec())];
    }
    if version >= 5 {
        p.root = b"/".to_vec();
    }
    if version >= 6 {
        p.sid = 8;
    }
    if version >= 7 {
        p.exe_path = b"/usr/bin/cat".to_vec();
    }
    if version >= 8 {
        p.vpgid = 7;
    }
    if version >= 9 && tail >= 4 {
        p.loginuid = 500;
    }
    if version >= 9 && tail >= 29 {
        (p.exe_writable, p.capabilities) = (true, [1, 2, 3]);
    }
    if version >= 9 && tail > 29 {
        (p.pidns_init_start_ts, p.tty) = (77, 34816);
        (p.exe_upper_layer, p.exe_from_memfd, p.exe_lower_layer) = (true, true, true);
        (p.exe_ino, p.exe_ino_ctime, p.exe_ino_mtime, p.pgid) = (101, 102, 103, 6);
    }
    p
}

#[test]
fn all_versions_of_the_process_list() {
    let kinds = [0x202, 0x207, 0x209, 0x210, 0x211, 0x212, 0x213, 0x214, 0x215];
    for (kind, version) in kinds.into_iter().zip(1..) {
        // 4 bytes were recorded in 2020, 29 in 2022, 76 today, and more may come.
        for tail in if version < 9 { vec![0] } else { vec![4, 29, 76, 96] } {
            let body = [entry(version, tail), entry(version, tail)].concat();
            let found = capture(kind, &body).processes;
            let one = expected(version, tail);
            assert_eq!(found, [one.clone(), one], "version {version}, tail {tail}");
        }
    }
    for (kind, version) in [(0x8000_ABCD, 1), (0x8013_ABCD, 2), (0x8014_ABCD, 3)] {
        assert_eq!(capture(kind, &entry(version, 0)).processes, [expected(version, 0)], "{kind:#x}");
    }
}

/// Every kind of descriptor, as the list with and without entry lengths has it.
#[test]
fn both_versions_of_the_descriptor_list() {
    let named = |kind: u8| FdInfo { fd: 9, ino: 5, kind, detail: FdDetail::Named(b"name".to_vec()) };
    let mut v6 = [0u8; 37];
    v6[15] = 1;
    v6[31] = 2;
    v6[32..].copy_from_slice(&[1, 0, 2, 0, 1]);
    let unix = [&1u64.to_le_bytes()[..], &2u64.to_le_bytes(), &[4, 0], b"sock"].concat();
    let info = |kind, detail| FdInfo { fd: 9, ino: 5, kind, detail };
    let [one, two] = [1u16, 2].map(|n| std::net::Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, n));
    let cases: Vec<(&[u8], FdInfo, &str)> = vec![
        (
            &[127, 0, 0, 1, 10, 0, 0, 2, 0x39, 0x30, 80, 0, 2],
            info(
                FdInfo::IPV4_SOCK,
                FdDetail::Ipv4 {
                    sip: [127, 0, 0, 1].into(),
                    dip: [10, 0, 0, 2].into(),
                    sport: 12345,
                    dport: 80,
                    l4proto: 2,
                },
            ),
            "127.0.0.1:12345->10.0.0.2:80",
        ),
        (
            &[0, 0, 0, 0, 80, 0, 2],
            info(FdInfo::IPV4_SERVSOCK, FdDetail::Ipv4Server { ip: [0; 4].into(), port: 80, l4proto: 2 }),
            "0.0.0.0:80",
        ),
        (
            &v6,
            info(FdInfo::IPV6_SOCK, FdDetail::Ipv6 { sip: one, dip: two, sport: 1, dport: 2, l4proto: 1 }),
            "::1:1->::2:2",
        ),
        (
            &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 80, 0, 2],
            info(FdInfo::IPV6_SERVSOCK, FdDetail::Ipv6Server { ip: one, port: 80, l4proto: 2 }),
            "::1:80",
        ),
        (
            &unix,
            info(FdInfo::UNIX_SOCK, FdDetail::Unix { source: 1, destination: 2, name: b"sock".to_vec() }),
            "sock",
        ),
        (
            b"\x01\0\0\0\x04\0name",
            info(FdInfo::FILE_V2, FdDetail::File { open_flags: 1, name: b"name".to_vec(), dev: 0 }),
            "name",
        ),
        (b"\x04\0name", named(FdInfo::FIFO), "name"),
        (b"\x04\0name", named(FdInfo::FILE), "name"),
        (b"\x04\0name", named(FdInfo::PIDFD), "name"),
        (b"", info(0, FdDetail::Unknown), ""),
    ];
    let (mut plain, mut sized, mut all) =
        (42i64.to_le_bytes().to_vec(), 42i64.to_le_bytes().to_vec(), Vec::new());
    for (bytes, fd, name) in cases {
        assert_eq!(fd.name(), name.as_bytes());
        let head = [&9i64.to_le_bytes()[..], &5u64.to_le_bytes(), &[fd.kind]].concat();
        let entry = [&head, bytes].concat();
        plain.extend(&entry);
        // Three bytes of a newer library, fewer than the device number of a file needs.
        sized.extend((entry.len() as u32 + 4 + 3).to_le_bytes());
        sized.extend([&entry[..], &[1, 2, 3]].concat());
        all.push(fd);
    }
    assert_eq!(capture(0x203, &plain).fds[&42], all);
    assert_eq!(capture(0x218, &sized).fds[&42], all);
    // The device number of a file, and a type that is not known yet.
    let file = [
        &37u32.to_le_bytes()[..],
        &[9, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 16],
        b"\x01\0\0\0\x06\0/a/b/c",
        &[3, 2, 1, 0],
    ]
    .concat();
    let new = [&24u32.to_le_bytes()[..], &[9, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 99], &[1, 2, 3]]
        .concat();
    let found = capture(0x218, &[&42i64.to_le_bytes()[..], &file, &new].concat()).fds.remove(&42);
    let found = found.expect("the thread's descriptors");
    assert_eq!(found[0].detail, FdDetail::File { open_flags: 1, name: b"/a/b/c".to_vec(), dev: 0x10203 });
    assert_eq!(found[1], info(FdInfo::UNSUPPORTED, FdDetail::Named(b"unknown-type:[99]".to_vec())));
}

#[test]
fn both_versions_of_the_user_list() {
    let user = b"\0\xe8\x03\0\0\xe9\x03\0\0\x03\0ann\x09\0/home/ann\x07\0/bin/sh";
    let group = b"\x01\x05\0\0\0\x03\0web";
    let sized: Vec<u8> = [&user[..], group]
        .iter()
        .flat_map(|e| [&(e.len() as u32 + 4).to_le_bytes()[..], e].concat())
        .collect();
    for capture in [capture(0x206, &[&user[..], group].concat()), capture(0x220, &sized)] {
        let user = &capture.users[0];
        assert_eq!((user.uid, user.gid, user.name.as_slice()), (1000, 1001, &b"ann"[..]));
        assert_eq!((user.home.as_slice(), user.shell.as_slice()), (&b"/home/ann"[..], &b"/bin/sh"[..]));
        assert_eq!((capture.groups[0].gid, capture.groups[0].name.as_slice()), (5, &b"web"[..]));
    }
}

#[test]
fn the_bundled_captures_state() {
    let capture = Capture::open(&bundled("shop-attack.scap")).expect("opens");
    assert_eq!(capture.machine.hostname_lossy(), "demo-node");
    let node = capture.processes.iter().find(|p| p.tid == 10098).expect("the service");
    assert_eq!((node.pid, node.uid, node.comm.as_slice()), (10098, 1000, &b"node"[..]));
    assert_eq!(node.args, [b"/app/server.js".to_vec()]);
    assert!(node.cgroups.iter().any(|(_, path)| {
        path.ends_with(b"/libpod-e8febe1a20e50eb223c79826220d523af5efc29cd70295cc3742cb6bd05ef035.scope")
    }));
    assert!(capture.fds[&10098].iter().any(|f| f.name() == b"10.88.0.2:48064->10.88.0.3:5432"));
    let names: Vec<_> = capture.users.iter().map(|u| String::from_utf8_lossy(&u.name)).collect();
    for name in ["root", "www-data", "nobody", "node", "postgres"] {
        assert!(names.iter().any(|n| n == name), "{name} is not in {names:?}");
    }
}

/// Numbers of a capture of 2020, whose entries have the short tail.
#[test]
fn an_old_captures_state() {
    let Some(path) = shared("data/pairs/client-server_tcp-client-server.scap.gz") else { return };
    let capture = Capture::open(&path).expect("opens");
    assert_eq!(capture.machine.num_cpus, 2);
    let fds: usize = capture.fds.values().map(Vec::len).sum();
    assert_eq!((capture.processes.len(), fds), (131, 628));
    assert_eq!((capture.users.len(), capture.groups.len()), (22, 42));
    assert!(capture.processes.iter().all(|p| p.tid > 0 && p.pid > 0 && !p.comm.is_empty()));
    let init = capture.processes.iter().find(|p| p.tid == 1).expect("init");
    assert_eq!((init.comm.as_slice(), init.cwd.as_slice()), (&b"systemd"[..], &b"/"[..]));
}
