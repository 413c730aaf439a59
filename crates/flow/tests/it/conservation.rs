use proptest::prelude::*;
use sysflow::{Entities, Record};
use sysflow_flow::{
    Compat, Config, Event, Limits, NoHost, Op, Recorder,
    op::{Addr, Clone, Exec, Image, Open, PathKind, PathOp, clone_flags},
};

use crate::{
    line::START,
    scene::{endpoint, inet},
};

/// Operations of a few threads on a few descriptors and paths: collisions are the point.
fn operation() -> impl Strategy<Value = (i64, Op<'static>)> {
    let fd = -1_i64..6;
    let ret = -13_i64..100;
    let path = prop::sample::select(vec![&b"/a"[..], b"b/../c", b"", b"\xff\0"]);
    let pid = 1_i64..8;
    let tuple = || {
        prop_oneof![
            Just(None),
            Just(Some(inet("10.0.0.1:1", "10.0.0.2:2"))),
            Just(Some(inet("[::1]:1", "[::1]:2")))
        ]
    };
    let op = prop_oneof![
        (ret.clone(), fd.clone(), tuple()).prop_map(|(ret, fd, tuple)| Op::Read { ret, fd, tuple }),
        (ret.clone(), fd.clone(), tuple()).prop_map(|(ret, fd, tuple)| Op::Write { ret, fd, tuple }),
        (ret.clone(), fd.clone(), path.clone(), any::<u32>()).prop_map(|(ret, dirfd, path, flags)| Op::Open(
            Open { ret, dirfd, path, flags, ..Open::default() }
        )),
        (-9_i64..1, fd.clone()).prop_map(|(ret, fd)| Op::Close { ret, fd }),
        (fd.clone(), fd.clone()).prop_map(|(ret, old)| Op::Dup { ret, old, cloexec: true }),
        (fd.clone(), any::<bool>()).prop_map(|(ret, cloexec)| Op::OtherFd { ret, cloexec }),
        (0_u32..4, 0_u32..9).prop_map(|(first, last)| Op::CloseRange { ret: 0, first, last, cloexec: false }),
        (fd.clone(), 1_u32..11, 1_u32..4).prop_map(|(ret, domain, kind)| Op::Socket {
            ret,
            domain,
            kind,
            proto: 0
        }),
        (ret.clone(), fd.clone(), tuple()).prop_map(|(ret, fd, tuple)| Op::Connect {
            ret,
            fd,
            tuple,
            addr: None
        }),
        (fd.clone(), tuple()).prop_map(|(ret, tuple)| Op::Accept { ret, tuple, cloexec: false }),
        (fd.clone()).prop_map(|fd| Op::Bind { ret: 0, fd, addr: Some(Addr::Inet(endpoint("0.0.0.0:80"))) }),
        (fd.clone(), fd.clone(), ret.clone()).prop_map(|(from, to, ret)| Op::Transfer { ret, from, to }),
        (ret.clone(), fd.clone()).prop_map(|(ret, fd)| Op::Mmap { ret, fd, anonymous: false }),
        (ret.clone(), path.clone(), fd.clone()).prop_map(|(ret, path, dirfd)| Op::Path(PathOp {
            ret,
            kind: PathKind::Unlink,
            dirfd,
            path
        })),
        (path, ret.clone()).prop_map(|(path, ret)| Op::Chdir { ret, path }),
        (0_i64..8, pid.clone(), pid.clone(), any::<bool>(), any::<bool>()).prop_map(
            |(ret, pid, ptid, thread, files)| {
                let flags =
                    if thread { clone_flags::THREAD } else { 0 } | if files { clone_flags::FILES } else { 0 };
                let image = Image { pid, ptid, ..Image::default() };
                Op::Clone(Clone { ret, image, flags, ..Clone::default() })
            }
        ),
        (ret, pid.clone()).prop_map(|(ret, pid)| {
            let image = Image { pid, exe: b"x", ..Image::default() };
            Op::Exec(Exec { ret: ret.min(0), image, ..Exec::default() })
        }),
        Just(Op::Exit { status: 0 }),
    ];
    (pid, op)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever happens: nothing panics, every event is accounted for, no byte is counted twice, and every record is
    /// preceded by the entities that it names.
    #[test]
    fn any_history_is_accounted_for(
        ops in prop::collection::vec((operation(), 0_i64..3_000), 1..200),
        compat in prop_oneof![Just(Compat::None), Just(Compat::Sysflow), Just(Compat::SysflowTests)],
        rotate in 0_u32..20,
        tight in any::<bool>(),
    ) {
        let limits = if tight {
            Limits { processes: 4, fds: 3, all_fds: 24, flows: 3, files: 4, string: 64 }
        } else {
            Limits::default()
        };
        let mut recorder = Recorder::new(Config { compat, rotate, limits, ..Config::default() });
        let mut records: Vec<Record> = Vec::new();
        recorder.start([], &mut records);
        let mut ts = START;
        let mut moved = 0;
        for ((tid, op), ms) in &ops {
            ts += ms * 1_000_000;
            if let Op::Read { ret, .. } | Op::Write { ret, .. } = op {
                moved += (*ret).max(0);
            }
            if let Op::Transfer { ret, .. } = op {
                moved += 2 * (*ret).max(0);
            }
            recorder.apply(&Event { ts, tid: *tid, op: op.clone() }, &mut NoHost, &mut records);
            prop_assert!(recorder.counters().balanced());
        }
        recorder.finish(&mut records);
        prop_assert_eq!(recorder.counters().events, ops.len() as u64);
        prop_assert_eq!(recorder.counters().records, records.len() as u64);
        prop_assert_eq!(recorder.flow_count(), 0, "all flows have ended");

        let mut entities = Entities::default();
        let mut told = 0;
        let mut files = std::collections::HashSet::new();
        for record in &records {
            entities.apply(record);
            match record {
                Record::Header(_) => files.clear(),
                Record::File(file) => { files.insert(file.oid); }
                Record::FileFlow(flow) => {
                    told += flow.num_rrecv_bytes + flow.num_wsend_bytes;
                    prop_assert!(files.contains(&flow.file_oid));
                    prop_assert!(flow.ts <= flow.end_ts);
                }
                Record::FileEvent(event) => prop_assert!(files.contains(&event.file_oid)),
                Record::NetworkFlow(flow) => {
                    told += flow.num_rrecv_bytes + flow.num_wsend_bytes;
                    prop_assert!(flow.ts <= flow.end_ts);
                }
                _ => {}
            }
            if let Some(oid) = record.proc_oid() {
                prop_assert!(entities.process(oid).is_some(), "{:?}", record);
            }
        }
        prop_assert!(told <= moved, "{} > {}", told, moved);
    }
}
