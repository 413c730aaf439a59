//! Any number in any field: nothing overflows, nothing is lost without being counted.

use proptest::prelude::*;
use sysflow::Record;
use sysflow_flow::{
    Compat, Config, Event, FileMode, Initial, InitialFd, InitialFdKind, Limits, Modes, NoHost, Op, Recorder,
    op::{Addr, Clone, Exec, Image, KernelArg, LinkKind, LinkOp, Open, PathKind, PathOp, Tuple, UidCall},
};

use crate::{
    line::START,
    scene::{endpoint, inet},
};

/// A number from anywhere, with a liking for the ends of its range.
fn number() -> impl Strategy<Value = i64> {
    prop_oneof![
        4 => prop::sample::select(vec![
            i64::MIN,
            i64::MIN + 1,
            i64::from(i32::MIN) - 1,
            i64::from(i32::MIN),
            -4096,
            -100,
            -9,
            -1,
            0,
            1,
            3,
            255,
            i64::from(u16::MAX),
            i64::from(i32::MAX),
            i64::from(u32::MAX),
            i64::MAX - 1,
            i64::MAX,
        ]),
        1 => any::<i64>(),
        2 => 0_i64..6,
    ]
}

fn small() -> impl Strategy<Value = u32> {
    prop_oneof![any::<u32>(), Just(0), Just(u32::MAX), 0_u32..4]
}

/// An operation with anything in any of its fields.
fn hostile() -> impl Strategy<Value = Op<'static>> {
    let text = || {
        prop::sample::select(vec![
            &b""[..],
            b"/",
            b"/a/../..",
            b"\0\0",
            b"\xff\xfe",
            b"a=b\0=\0==",
            &[b'x'; 1 << 16],
            &[0xff; 1 << 16],
            &[b'/'; 1 << 16],
            b"../\xe2\x82/.",
            b"{\"id\":1}",
        ])
    };
    let tuple = || {
        prop_oneof![
            Just(None),
            Just(Some(inet("255.255.255.255:65535", "0.0.0.0:0"))),
            Just(Some(inet("[::ffff:1.2.3.4]:1", "[::]:0"))),
            text().prop_map(|path| Some(Tuple::Unix { source: u64::MAX, dest: 0, path })),
        ]
    };
    let addr = || {
        prop_oneof![
            Just(None),
            Just(Some(Addr::Inet(endpoint("0.0.0.0:0")))),
            Just(Some(Addr::Inet(endpoint("[::1]:65535")))),
            text().prop_map(|path| Some(Addr::Unix(path))),
        ]
    };
    let image = (number(), number(), text(), text(), text(), any::<Option<u32>>())
        .prop_map(|(pid, ptid, exe, args, cgroups, uid)| Image {
            pid,
            ptid,
            exe,
            args,
            cgroups,
            uid,
            gid: uid,
            cwd: exe,
        })
        .boxed();
    let kind = (text(), small(), small())
        .prop_flat_map(|(text, a, b)| {
            prop::sample::select(vec![
                PathKind::Mkdir,
                PathKind::Rmdir,
                PathKind::Unlink,
                PathKind::UnlinkDir,
                PathKind::Chmod { mode: a },
                PathKind::Chown { uid: a, gid: b },
                PathKind::Mount { device: text, fstype: text, flags: a },
                PathKind::Umount { flags: a },
                PathKind::Mknod { mode: a, device: b },
            ])
        })
        .boxed();
    let descriptors = prop_oneof![
        (number(), number(), tuple()).prop_map(|(ret, fd, tuple)| Op::Read { ret, fd, tuple }),
        (number(), number(), tuple()).prop_map(|(ret, fd, tuple)| Op::Write { ret, fd, tuple }),
        (number(), number(), text(), small()).prop_map(|(ret, dirfd, path, flags)| Op::Open(Open {
            ret,
            dirfd,
            path,
            flags,
            ..Open::default()
        })),
        (number(), number()).prop_map(|(ret, fd)| Op::Close { ret, fd }),
        (number(), small(), small(), any::<bool>()).prop_map(|(ret, first, last, cloexec)| Op::CloseRange {
            ret,
            first,
            last,
            cloexec
        }),
        (number(), number(), any::<bool>()).prop_map(|(ret, old, cloexec)| Op::Dup { ret, old, cloexec }),
        (number(), number(), any::<bool>()).prop_map(|(ret, fd, cloexec)| Op::SetCloexec {
            ret,
            fd,
            cloexec
        }),
        (number(), number(), number(), any::<u64>()).prop_map(|(ret, a, b, ino)| Op::Pipe {
            ret,
            fds: [a, b],
            ino,
            cloexec: false
        }),
        (number(), any::<bool>()).prop_map(|(ret, cloexec)| Op::OtherFd { ret, cloexec }),
        (number(), number(), number()).prop_map(|(ret, from, to)| Op::Transfer { ret, from, to }),
        (number(), number(), any::<bool>()).prop_map(|(ret, fd, anonymous)| Op::Mmap { ret, fd, anonymous }),
        (number(), number(), small()).prop_map(|(ret, fd, kinds)| Op::SetNs { ret, fd, kinds }),
        (number(), small()).prop_map(|(ret, flags)| Op::Unshare { ret, flags }),
        (number(), text(), any::<bool>()).prop_map(|(ret, name, cloexec)| Op::MemfdCreate {
            ret,
            name,
            cloexec
        }),
        (number(), number()).prop_map(|(ret, pid)| Op::PidfdOpen { ret, pid }),
        (number(), number(), number()).prop_map(|(ret, pidfd, target)| Op::PidfdGetfd { ret, pidfd, target }),
        (number(), number()).prop_map(|(ret, fd)| Op::Fchdir { ret, fd }),
    ];
    let sockets = prop_oneof![
        (number(), small(), small(), small()).prop_map(|(ret, domain, kind, proto)| Op::Socket {
            ret,
            domain,
            kind,
            proto
        }),
        (number(), number(), number()).prop_map(|(ret, a, b)| Op::SocketPair {
            ret,
            fds: [a, b],
            source: u64::MAX,
            peer: 0
        }),
        (number(), number(), addr()).prop_map(|(ret, fd, addr)| Op::Bind { ret, fd, addr }),
        (number(), number(), tuple(), addr()).prop_map(|(ret, fd, tuple, addr)| Op::Connect {
            ret,
            fd,
            tuple,
            addr
        }),
        (number(), tuple(), any::<bool>()).prop_map(|(ret, tuple, cloexec)| Op::Accept {
            ret,
            tuple,
            cloexec
        }),
        (number(), number()).prop_map(|(ret, fd)| Op::Listen { ret, fd }),
        (number(), number()).prop_map(|(ret, fd)| Op::Shutdown { ret, fd }),
    ];
    let paths =
        prop_oneof![
            (number(), kind.clone(), number(), text())
                .prop_map(|(ret, kind, dirfd, path)| Op::Path(PathOp { ret, kind, dirfd, path })),
            (number(), kind, number()).prop_map(|(ret, kind, fd)| Op::FdPath { ret, kind, fd }),
            (number(), number(), number(), text(), text(), 0_usize..4).prop_map(
                |(ret, old_dirfd, new_dirfd, old, new, kind)| {
                    let kinds = [LinkKind::Rename, LinkKind::Link, LinkKind::Symlink, LinkKind::SymlinkAt];
                    Op::Link(LinkOp { ret, kind: kinds[kind], old_dirfd, old, new_dirfd, new })
                }
            ),
            (number(), text()).prop_map(|(ret, path)| Op::Chdir { ret, path }),
            (number(), text()).prop_map(|(ret, path)| Op::Chroot { ret, path }),
        ];
    let processes = prop_oneof![
        (number(), image.clone(), small(), any::<Option<i64>>(), any::<Option<i64>>()).prop_map(
            |(ret, image, flags, vtid, vpid)| Op::Clone(Clone {
                ret,
                image,
                flags,
                vtid,
                vpid,
                clone3: false
            })
        ),
        (number(), image, text(), text(), any::<i32>(), any::<u64>()).prop_map(
            |(ret, image, path, filename, exe_flags, number)| Op::Exec(Exec {
                ret,
                image,
                path,
                filename,
                env: filename,
                exe_flags,
                exe_ino: number,
                exe_ctime: number,
                cap_effective: Some(number),
                tty: Some(u32::MAX),
                loginuid: Some(u32::MAX),
                execveat: false,
            })
        ),
        number().prop_map(|status| Op::Exit { status }),
        (number(), any::<Option<u32>>(), any::<Option<u32>>()).prop_map(|(ret, asked, effective)| {
            Op::SetUid { ret, call: UidCall::Setresuid, asked, effective }
        }),
        (number(), any::<Option<u32>>()).prop_map(|(ret, effective)| Op::SetGid { ret, effective }),
        number().prop_map(|ret| Op::SetSid { ret }),
        (number(), any::<u64>()).prop_map(|(ret, effective)| Op::Capset { ret, effective }),
        (number(), any::<u16>(), number()).prop_map(|(ret, request, pid)| Op::Ptrace { ret, request, pid }),
        (number(), number()).prop_map(|(ret, pid)| Op::VmWrite { ret, pid }),
        (number(), number()).prop_map(|(ret, fd)| Op::Kernel { ret, what: "bpf", arg: KernelArg::Fd(fd) }),
        (number(), number(), any::<u8>()).prop_map(|(ret, pid, signal)| Op::Signal { ret, pid, signal }),
        text().prop_map(|json| Op::Container { json }),
        (text(), small(), text()).prop_map(|(container, uid, name)| Op::UserAdded { container, uid, name }),
        (text(), small(), text()).prop_map(|(container, gid, name)| Op::GroupAdded { container, gid, name }),
    ];
    prop_oneof![descriptors, sockets, paths, processes]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Numbers from the ends of their ranges, times that jump in both directions: nothing overflows, every event is
    /// accounted for, and no record ends before it begins.
    #[test]
    fn no_number_is_too_big(
        ops in prop::collection::vec((number(), number(), hostile()), 1..60),
        compat in prop_oneof![Just(Compat::None), Just(Compat::Sysflow), Just(Compat::SysflowTests)],
        start in number(),
    ) {
        let fds = [-1, 0, 3].map(|fd| InitialFd { fd, kind: InitialFdKind::File(b"/x".into()), open_flags: u32::MAX });
        let found = |pid| Initial { tid: pid, pid, ptid: pid, start_ts: start, fds: fds.to_vec(), ..Initial::default() };
        let mut recorder = Recorder::new(Config { compat, rotate: 1, ..Config::default() });
        let mut records: Vec<Record> = Vec::new();
        recorder.start([0, 1, 3, i64::MAX].map(found), &mut records);
        for (ts, tid, op) in &ops {
            // Seldom far: time does not come back from the end of its range.
            let ts = if *ts == i64::MAX { START } else { *ts };
            recorder.apply(&Event { ts, tid: *tid, op: op.clone() }, &mut NoHost, &mut records);
            prop_assert!(recorder.counters().balanced());
        }
        let _ = recorder.snapshot();
        recorder.finish(&mut records);
        prop_assert_eq!(recorder.counters().events, ops.len() as u64);
        for record in &records {
            let span = match record {
                Record::FileFlow(f) => (f.ts, f.end_ts),
                Record::NetworkFlow(f) => (f.ts, f.end_ts),
                Record::ProcessFlow(f) => (f.ts, f.end_ts),
                _ => continue,
            };
            prop_assert!(span.0 <= span.1, "{:?}", record);
        }
    }
}

/// Every text of a record.
fn texts(record: &Record) -> Vec<&str> {
    match record {
        Record::Process(p) => {
            let mut all = vec![&p.exe[..], &p.exe_args, &p.cwd, &p.user_name, &p.group_name];
            all.extend(p.env.iter().map(String::as_str));
            all
        }
        Record::File(f) => vec![&f.path],
        Record::ProcessEvent(e) => e.args.iter().map(String::as_str).collect(),
        Record::FileEvent(e) => vec![&e.arg],
        Record::Container(c) => vec![&c.id, &c.name, &c.image],
        _ => Vec::new(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever is asked for: no table and no text grows beyond its limit.
    #[test]
    fn limits_hold(
        ops in prop::collection::vec((0_i64..6, hostile()), 1..150),
        modes in (any::<bool>(), any::<bool>(), any::<bool>()),
        string in prop::sample::select(vec![64_u32, 100, 4096]),
    ) {
        let limits = Limits { processes: 5, fds: 6, all_fds: 40, flows: 4, files: 10, string };
        let modes = Modes {
            files: modes.0.then_some(FileMode::Regular),
            consume: Some(modes.1),
            process_flows: Some(modes.2),
            ..Modes::default()
        };
        let config = Config { limits, modes, rotate: 60, env: sysflow_flow::Env::All, ..Config::default() };
        let mut recorder = Recorder::new(config);
        let mut records: Vec<Record> = Vec::new();
        let found = |pid| Initial { tid: pid, pid, ptid: pid - 1, vpid: pid, ..Initial::default() };
        recorder.start([1, 2].map(found), &mut records);
        for (ts, (tid, op)) in (0..).map(|step| START + step * 40_000_000).zip(&ops) {
            recorder.apply(&Event { ts, tid: *tid, op: op.clone() }, &mut NoHost, &mut records);
            prop_assert!(recorder.counters().balanced());
            prop_assert!(recorder.process_count() <= 5);
            prop_assert!(recorder.flow_count() <= 4);
            prop_assert!(recorder.descriptor_room() <= 40, "{}", recorder.descriptor_room());
        }
        recorder.finish(&mut records);
        prop_assert_eq!(recorder.counters().records, records.len() as u64);
        // Four times as many: what is no UTF-8 is written as \\xNN. A few more around it: kernel addresses, numbers, a slash.
        let most = 8 * string as usize + 100;
        for text in records.iter().flat_map(texts) {
            prop_assert!(text.len() <= most, "{} bytes", text.len());
        }
    }
}

#[test]
fn a_directory_can_be_left_downwards_for_ever() {
    let mut recorder = Recorder::new(Config::default());
    let mut records: Vec<Record> = Vec::new();
    recorder.start([Initial { tid: 7, pid: 7, cwd: b"/".into(), ..Initial::default() }], &mut records);
    let name = [b'd'; 255];
    for step in 0..10_000 {
        let event = Event { ts: START + step, tid: 7, op: Op::Chdir { ret: 0, path: &name } };
        recorder.apply(&event, &mut NoHost, &mut records);
    }
    let unlink = PathOp { ret: 0, kind: PathKind::Unlink, dirfd: -100, path: b"x" };
    recorder.apply(&Event { ts: START + 20_000, tid: 7, op: Op::Path(unlink) }, &mut NoHost, &mut records);
    let longest = records.iter().flat_map(texts).map(str::len).max();
    assert!(longest <= Some(4 * 4096 + 1), "{longest:?}");
    assert!(recorder.counters().strings_cut > 9_000);
}
