//! Events built by hand, as the driver writes them.

use sysflow_flow::op::{Addr, Event, Ignored, Op, Tuple};

use super::{Malformed, Raw, code, decode};

fn event(code: u16, params: &[&[u8]]) -> Vec<u8> {
    sysflow_replay::event::build(5, 7, code, params).unwrap()
}

fn op(bytes: &[u8]) -> Result<Op<'_>, Malformed> {
    let event = sysflow_replay::RawEvent::parse(bytes).unwrap();
    let payload = &bytes[sysflow_replay::event::HEADER_LEN..];
    let raw = Raw::new(event.ts(), event.tid(), event.code(), event.nparams(), payload)?;
    let Event { ts, tid, op } = decode(&raw)?;
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
fn every_subscribed_type_is_decoded_from_whatever_it_holds() {
    // No parameters, empty ones, too short and too long ones: an operation or an error, never a panic.
    let params: [&[u8]; 5] = [&[], &[1], &[0; 4], &[0xff; 8], &[0xff; 40]];
    for code in super::SUBSCRIBED {
        let _ = op(&event(*code, &[]));
        for param in params {
            let _ = op(&event(*code, &[param; 31]));
        }
    }
}

#[test]
fn lengths_that_lie_are_malformed() {
    for payload in [&[][..], &[8], &[8, 0, 8, 0, 1, 2, 3], &[0xff; 64]] {
        assert!(Raw::new(1, 1, code::READ_X, 2, payload).is_err(), "{payload:?}");
    }
    assert!(Raw::new(1, 1, code::READ_X, u32::MAX, &[0; 64]).is_err());
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
