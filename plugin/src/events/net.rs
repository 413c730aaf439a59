//! Events of sockets, and the two forms of addresses in them.
//!
//! An address is the family (one byte: 1 unix, 2 IPv4, 10 IPv6), then IP in network order and port in host order, or
//! a path. A tuple is the family, then both ends; for unix sockets the kernel's addresses of both, then a path.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use sysflow_flow::op::{Addr, Endpoint, Ignored, Op, Tuple};

use super::{Malformed, Raw, code};

const UNIX: u8 = 1;
const INET: u8 = 2;
const INET6: u8 = 10;
/// `SOCK_CLOEXEC` of the kernel.
const SOCK_CLOEXEC: u32 = 0o2_000_000;
/// The same in the portable flags.
const PPM_CLOEXEC: u32 = sysflow::record::open_flags::CLOEXEC as u32;

pub(super) fn socket<'a>(raw: &Raw<'a>) -> Result<Op<'a>, Malformed> {
    use code::*;
    let ret = raw.need(0)?;
    Ok(match raw.code {
        SOCKET_X => Op::Socket {
            ret,
            domain: raw.u32(1).unwrap_or(0),
            // Falco 0.44 tells the flags apart from the type; the type may have them as well.
            kind: raw.u32(2).unwrap_or(0) | cloexec_of(raw.u32(4)),
            proto: raw.u32(3).unwrap_or(0),
        },
        BIND_X => Op::Bind { ret, fd: raw.need(2)?, addr: addr(raw.bytes(1)) },
        CONNECT_X => {
            Op::Connect { ret, fd: raw.need(2)?, tuple: tuple(raw.bytes(1)), addr: addr(raw.bytes(3)) }
        }
        LISTEN_X => Op::Listen { ret, fd: raw.need(1)? },
        ACCEPT_5_X => Op::Accept { ret, tuple: tuple(raw.bytes(1)), cloexec: false },
        ACCEPT4_6_X => Op::Accept { ret, tuple: tuple(raw.bytes(1)), cloexec: cloexec_of(raw.u32(5)) != 0 },
        SHUTDOWN_X => Op::Shutdown { ret, fd: raw.need(1)? },
        SOCKETPAIR_X => Op::SocketPair {
            ret,
            fds: [raw.i64(1).unwrap_or(-1), raw.i64(2).unwrap_or(-1)],
            source: raw.u64(3).unwrap_or(0),
            peer: raw.u64(4).unwrap_or(0),
        },
        _ => Op::Nothing(Ignored::Kind),
    })
}

fn cloexec_of(flags: Option<u32>) -> u32 {
    if flags.is_some_and(|flags| flags & (SOCK_CLOEXEC | PPM_CLOEXEC) != 0) { SOCK_CLOEXEC } else { 0 }
}

/// An address; `None` when there is none or it is of another family.
fn addr(bytes: &[u8]) -> Option<Addr<'_>> {
    let (family, rest) = bytes.split_first()?;
    match *family {
        UNIX => Some(Addr::Unix(until_nul(rest))),
        INET | INET6 => Some(Addr::Inet(endpoint(*family, rest)?.0)),
        _ => None,
    }
}

/// A tuple; `None` when there is none or it is of another family.
pub(super) fn tuple(bytes: &[u8]) -> Option<Tuple<'_>> {
    let (family, rest) = bytes.split_first()?;
    match *family {
        UNIX => {
            let (source, rest) = rest.split_first_chunk::<8>()?;
            let (dest, path) = rest.split_first_chunk::<8>()?;
            let (source, dest) = (u64::from_le_bytes(*source), u64::from_le_bytes(*dest));
            Some(Tuple::Unix { source, dest, path: until_nul(path) })
        }
        INET | INET6 => {
            let (source, rest) = endpoint(*family, rest)?;
            let (dest, _) = endpoint(*family, rest)?;
            Some(Tuple::Inet { source, dest })
        }
        _ => None,
    }
}

fn endpoint(family: u8, bytes: &[u8]) -> Option<(Endpoint, &[u8])> {
    let (ip, rest): (IpAddr, _) = if family == INET {
        let (ip, rest) = bytes.split_first_chunk::<4>()?;
        (Ipv4Addr::from(*ip).into(), rest)
    } else {
        let (ip, rest) = bytes.split_first_chunk::<16>()?;
        (Ipv6Addr::from(*ip).into(), rest)
    };
    let (port, rest) = rest.split_first_chunk::<2>()?;
    Some((Endpoint { ip, port: u16::from_le_bytes(*port) }, rest))
}

/// Paths of abstract sockets begin with NUL: that one is kept.
fn until_nul(path: &[u8]) -> &[u8] {
    let end = path.iter().skip(1).position(|byte| *byte == 0).map_or(path.len(), |at| at + 1);
    if path == [0] { &[] } else { &path[..end] }
}
