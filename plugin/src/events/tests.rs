//! Events built by hand, as the driver writes them.

use sysflow_flow::op::{Addr, Endpoint, Event, Ignored, LinkKind, LinkOp, Op, Open, PathKind, PathOp, Tuple};

use super::{Malformed, Raw, code, decode, krsi_payload::Payload, krsi_pid};

#[path = "../../fuzz/events.rs"]
mod fuzz;
#[path = "../../../tests/fuzz/mutate.rs"]
mod mutate;

fn event(code: u16, params: &[&[u8]]) -> Vec<u8> {
    sysflow_replay::event::build(5, 7, code, params).unwrap()
}

fn raw(bytes: &[u8]) -> Result<Raw<'_>, Malformed> {
    let event = sysflow_replay::RawEvent::parse(bytes).unwrap();
    let payload = &bytes[sysflow_replay::event::HEADER_LEN..];
    Raw::new(event.ts(), event.tid(), event.code(), event.nparams(), payload)
}

fn op(bytes: &[u8]) -> Result<Op<'_>, Malformed> {
    let Event { ts, tid, op } = decode(&raw(bytes)?)?;
    assert_eq!((ts, tid), (5, 7));
    Ok(op)
}

fn n(value: i64) -> [u8; 8] {
    value.to_le_bytes()
}

#[test]
fn a_read_is_read_by_index() {
    let bytes = event(code::READ_X, &[&n(3), b"abc", &n(5), &100_u32.to_le_bytes()]);
    assert_eq!(op(&bytes), Ok(Op::Read { ret: 3, fd: 5, tuple: None }));
    // A newer host appends parameters, an older one has fewer.
    let bytes = event(code::READ_X, &[&n(3), b"", &n(5), &[], &[1, 2, 3]]);
    assert_eq!(op(&bytes), Ok(Op::Read { ret: 3, fd: 5, tuple: None }));
    assert_eq!(op(&event(code::READ_X, &[&n(3), b"abc"])), Err(Malformed));
    assert_eq!(op(&event(code::READ_X, &[&[1, 2], b"", &n(5)])), Err(Malformed), "a result of two bytes");
}

#[test]
fn addresses_are_read_in_both_families() {
    let v4 =
        [&[2][..], &[10, 0, 0, 1], &4000_u16.to_le_bytes(), &[10, 0, 0, 2], &80_u16.to_le_bytes()].concat();
    let bytes = event(code::CONNECT_X, &[&n(0), &v4, &n(3), &[2, 10, 0, 0, 2, 80, 0]]);
    let Ok(Op::Connect { tuple: Some(Tuple::Inet { source, dest }), addr: Some(Addr::Inet(addr)), .. }) =
        op(&bytes)
    else {
        panic!("{:?}", op(&bytes))
    };
    assert_eq!((source.ip.to_string().as_str(), source.port), ("10.0.0.1", 4000));
    assert_eq!((dest, dest.port), (addr, 80));
    let mut v6 = vec![10];
    v6.extend([0; 15]);
    v6.extend([1, 1, 0]);
    v6.extend([0; 15]);
    v6.extend([2, 2, 0]);
    let bytes = event(code::SENDTO_X, &[&n(9), b"", &n(4), &9_u32.to_le_bytes(), &v6]);
    let Ok(Op::Write { tuple: Some(Tuple::Inet { source, dest }), .. }) = op(&bytes) else { panic!() };
    assert_eq!((source.ip.to_string().as_str(), dest.ip.to_string().as_str()), ("::1", "::2"));
    // One that is cut off, or of a family that nobody knows, is none.
    for tuple in [&v6[..20], &[99, 1, 2], &[]] {
        let bytes = event(code::SENDTO_X, &[&n(9), b"", &n(4), &9_u32.to_le_bytes(), tuple]);
        assert_eq!(op(&bytes), Ok(Op::Write { ret: 9, fd: 4, tuple: None }));
    }
    let unix = [&[1][..], &0xabc_u64.to_le_bytes(), &0xdef_u64.to_le_bytes(), b"/run/x\0"].concat();
    let bytes = event(code::CONNECT_X, &[&n(0), &unix, &n(3), b"\x01\0abstract\0"]);
    assert_eq!(
        op(&bytes),
        Ok(Op::Connect {
            ret: 0,
            fd: 3,
            tuple: Some(Tuple::Unix { source: 0xabc, dest: 0xdef, path: b"/run/x" }),
            addr: Some(Addr::Unix(b"\0abstract")),
        })
    );
}

#[test]
fn lengths_that_lie_are_malformed() {
    for payload in [&[][..], &[8], &[8, 0, 8, 0, 1, 2, 3], &[0xff; 64]] {
        assert!(Raw::new(1, 1, code::READ_X, 2, payload).is_err(), "{payload:?}");
    }
    assert!(Raw::new(1, 1, code::READ_X, u32::MAX, &[0; 64]).is_err());
}

/// The asynchronous event that the krsi plugin makes of a payload.
fn krsi(payload: &Payload) -> Vec<u8> {
    event(code::ASYNCEVENT_E, &[&[0; 4], b"krsi_x\0", &payload.0])
}

#[test]
fn what_io_uring_does_is_told_as_if_a_call_had_done_it() {
    let at = |path: &'static [u8], kind| Op::Path(PathOp { ret: -2, kind, dirfd: 5, path });
    let dirfd = -100;
    let open =
        Open { unknown_to_collector: true, resolved: true, dirfd, path: b"/a", flags: 1, ..Open::default() };
    let link = LinkOp { ret: 0, kind: LinkKind::Link, old_dirfd: -100, old: b"x", new_dirfd: 4, new: b"y" };
    let inet = Payload::default().raw(&[0; 4]).raw(&[0; 4]).raw(&[10, 0, 0, 2]).raw(&80_u16.to_le_bytes());
    let inet = inet.raw(&[0; 4]).raw(&[10, 0, 0, 1]).raw(&4000_u16.to_le_bytes());
    let unix = Payload::default().raw(&[1, 0, 0, 0]).raw(&7_u64.to_le_bytes()).raw(&9_u64.to_le_bytes());
    let unix = unix.bare_text(b"/run/x");
    let ends =
        [("10.0.0.1", 4000), ("10.0.0.2", 80)].map(|(ip, port)| Endpoint { ip: ip.parse().unwrap(), port });
    let tuple = Some(Tuple::Inet { source: ends[0], dest: ends[1] });
    let file = |open: Payload, answer: i64| open.text(b"/a").n32(1).none().n32(1).i64(2).i64(answer);
    let cases = [
        (file(Payload::new(7, 8, 0).i64(3).none(), 0), Op::Open(Open { ret: 3, ..open })),
        // A direct descriptor, and a call that failed.
        (file(Payload::new(7, 8, 0).none().n32(4), 0), Op::Open(Open { ret: (1 << 30) + 4, ..open })),
        (file(Payload::new(7, 8, 0).none().none(), -13), Op::Open(Open { ret: -13, ..open })),
        (
            Payload::new(7, 8, 1).i64(0).i64(5).none().n32(2).n32(1).n32(6),
            Op::Socket { ret: 5, domain: 2, kind: 1, proto: 6 },
        ),
        (
            Payload::new(7, 8, 2).i64(5).none().raw(&[1]).raw(&inet.0).i64(-115).i64(0),
            Op::Connect { ret: -115, fd: 5, tuple, addr: None },
        ),
        (
            Payload::new(7, 8, 2).i64(5).none().raw(&[1]).raw(&unix.0).i64(0).i64(0),
            Op::Connect {
                ret: 0,
                fd: 5,
                tuple: Some(Tuple::Unix { source: 7, dest: 9, path: b"/run/x" }),
                addr: None,
            },
        ),
        (
            Payload::new(7, 8, 3).text(b"x").i64(4).text(b"y").i64(0).i64(0),
            Op::Link(LinkOp { kind: LinkKind::SymlinkAt, ..link }),
        ),
        (Payload::new(7, 8, 4).none().text(b"x").i64(4).text(b"y").n32(0).i64(0).i64(0), Op::Link(link)),
        (
            Payload::new(7, 8, 7).none().text(b"x").i64(4).text(b"y").n32(0).i64(0).i64(0),
            Op::Link(LinkOp { kind: LinkKind::Rename, ..link }),
        ),
        (Payload::new(7, 8, 5).i64(5).text(b"z").n32(0).i64(-2).i64(0), at(b"z", PathKind::Unlink)),
        (Payload::new(7, 8, 5).i64(5).text(b"z").n32(0x200).i64(-2).i64(0), at(b"z", PathKind::UnlinkDir)),
        (Payload::new(7, 8, 6).i64(5).text(b"d").n32(0o755).i64(-2).i64(0), at(b"d", PathKind::Mkdir)),
        // The handler itself has refused.
        (Payload::new(7, 8, 6).i64(5).text(b"d").n32(0o755).none().i64(-2), at(b"d", PathKind::Mkdir)),
        // A kind that came later.
        (Payload::new(7, 8, 8), Op::Nothing(Ignored::Kind)),
    ];
    for (payload, want) in cases {
        let bytes = krsi(&payload);
        let decoded = decode(&raw(&bytes).unwrap()).unwrap();
        assert_eq!((decoded.ts, decoded.tid, decoded.op), (5, 8, want), "{payload:?}");
        assert_eq!(krsi_pid(&raw(&bytes).unwrap()), Some(7));
        // Every cut is noticed, and a newer plugin may append.
        for cut in 0..payload.0.len() {
            let bytes = krsi(&Payload(payload.0[..cut].to_vec()));
            assert_eq!(decode(&raw(&bytes).unwrap()), Err(Malformed), "{cut} of {payload:?}");
        }
        assert!(decode(&raw(&krsi(&payload.raw(b"more"))).unwrap()).is_ok());
    }
}

#[test]
fn what_an_ordinary_call_did_is_not_told_twice() {
    let payload = Payload::new(7, 8, 6).i64(5).text(b"d").n32(0o755).i64(0).none();
    assert_eq!(decode(&raw(&krsi(&payload)).unwrap()).unwrap().op, Op::Nothing(Ignored::Kind));
    // The krsi plugin's own bookkeeping, before the thread is known.
    let payload = Payload::new(7, 8, 6).i64(5).text(b"d").n32(0o755).i64(0).i64(0);
    let bytes = event(code::ASYNCEVENT_E, &[&[0; 4], b"krsi\0", &payload.0]);
    assert_eq!(op(&bytes), Ok(Op::Nothing(Ignored::Kind)));
    assert_eq!(krsi_pid(&raw(&bytes).unwrap()), None);
}

#[test]
fn hostile_payloads_are_malformed() {
    let long = Payload::new(7, 8, 6).i64(5).raw(&[1]).raw(&u64::MAX.to_le_bytes()).raw(b"d");
    let tag = Payload::new(7, 8, 6).raw(&[2]);
    let family = Payload::new(7, 8, 2).i64(5).none().raw(&[1]).raw(&[9; 4]);
    let ip = Payload::new(7, 8, 2).i64(5).none().raw(&[1, 0, 0, 0, 0]).raw(&[9; 4]);
    for payload in [long, tag, family, ip] {
        assert_eq!(decode(&raw(&krsi(&payload)).unwrap()), Err(Malformed), "{payload:?}");
    }
    // A path ends at its first NUL; an index that is out of all bounds stays within the numbers of a ring.
    let nul =
        Payload::new(7, 8, 0).none().n32(i32::MAX as u32).text(b"/a\0b").none().none().none().none().i64(0);
    let bytes = krsi(&nul);
    let Op::Open(open) = decode(&raw(&bytes).unwrap()).unwrap().op else { panic!() };
    assert_eq!((open.path, open.ret), (&b"/a"[..], i64::from(i32::MAX)));
}

#[test]
fn only_the_container_plugin_speaks_of_containers() {
    let event = |name: &[u8]| event(code::ASYNCEVENT_E, &[&[0; 4], name, b"{}\0"]);
    assert_eq!(op(&event(b"container\0")), Ok(Op::Container { json: b"{}\0" }));
    assert_eq!(op(&event(b"k8s\0")), Ok(Op::Nothing(Ignored::Kind)));
}

#[test]
fn the_list_has_no_type_that_falco_042_does_not_know() {
    // PPM_EVENT_MAX of libs 0.22 is 430.
    assert!(super::SUBSCRIBED.iter().all(|code| *code < 430));
    assert!(super::SUBSCRIBED.is_sorted());
    // GENERIC, SCHEDSWITCH, PAGE_FAULT and SIGNALDELIVER would make Falco trace far more.
    assert!([0, 1, 152, 290, 232].iter().all(|code| !super::SUBSCRIBED.contains(code)));
}

#[test]
fn events_of_every_type_that_are_nearly_right() {
    // Windows of a real capture, and one event of each type.
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/shop-attack.scap");
    let mut capture = sysflow_replay::Capture::open(path.as_ref()).unwrap();
    let mut seeds = vec![Vec::new()];
    while let Some(event) = capture.next_event().unwrap() {
        let window = seeds.last_mut().unwrap();
        add(window, event.code(), event.tid(), event.bytes(), event.nparams());
        if window.len() > 4_000 {
            seeds.push(Vec::new());
        }
    }
    for code in super::SUBSCRIBED {
        let params = [&n(0)[..], &n(3), b"/a/b\0", &n(5), b"/c\0", &[0; 4], &n(1), &n(2), b"x\0", &[0; 4]];
        let mut one = Vec::new();
        let event = event(*code, &params);
        add(&mut one, *code, 2, &event, params.len() as u32);
        seeds.push(one);
    }
    let payload = Payload::new(100, 101, 4).none().text(b"x").i64(4).text(b"y").n32(0).i64(0).i64(0);
    let mut one = Vec::new();
    add(&mut one, code::ASYNCEVENT_E, 2, &krsi(&payload), 3);
    seeds.push(one);
    mutate::run(0xE7E27, 5_000, &seeds, fuzz::run);
}

/// Appends an event as the fuzz target reads it.
fn add(window: &mut Vec<u8>, code: u16, tid: i64, event: &[u8], count: u32) {
    let payload = &event[sysflow_replay::event::HEADER_LEN..];
    let Ok(len) = u16::try_from(payload.len()) else { return };
    window.extend_from_slice(&code.to_le_bytes());
    // One of the threads, and a millisecond.
    window.extend_from_slice(&[8 | (tid % fuzz::TIDS.len() as i64) as u8, count as u8]);
    window.extend_from_slice(&len.to_le_bytes());
    window.extend_from_slice(payload);
}
