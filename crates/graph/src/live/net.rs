//! Which end of a connection is the other one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};
use sysflow::record::{NetworkFlow, op};

/// What a flow says about which end its process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Side {
    /// It connected.
    Client,
    /// It accepted, bound or listened.
    Server,
    /// The flow began before we looked, or continues an earlier record.
    Unknown,
}

/// Flows of one process that go to the same endpoint.
///
/// A client's own address and port say nothing about the endpoint, and neither does the ephemeral port of those who
/// call a server: all calls of one address on one port of ours are one endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct NetKey {
    pub(crate) side: Side,
    pub(crate) client: IpAddr,
    pub(crate) server: IpAddr,
    pub(crate) port: i32,
    pub(crate) proto: i32,
}

/// Direction in which a connection was made, seen from the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Direction {
    Out,
    In,
}

/// The remote end, and the port of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Endpoint {
    pub(crate) direction: Direction,
    pub(crate) ip: IpAddr,
    pub(crate) port: i32,
    pub(crate) proto: i32,
}

const ANY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

impl NetKey {
    pub(crate) fn of(flow: &NetworkFlow) -> Self {
        let client = address(flow.sip, flow.sip6);
        let server = address(flow.dip, flow.dip6);
        let side = match flow.op_flags {
            flags if flags & op::CONNECT != 0 => Side::Client,
            flags if flags & (op::ACCEPT | op::BIND | op::LISTEN) != 0 => Side::Server,
            _ => Side::Unknown,
        };
        Self {
            side,
            client: if side == Side::Client { ANY } else { client },
            server: if side == Side::Server { ANY } else { server },
            port: flow.dport,
            proto: flow.proto,
        }
    }

    /// Port of the process itself, if it was called there.
    pub(crate) fn served_port(&self) -> Option<i32> {
        (self.side == Side::Server).then_some(self.port)
    }

    /// The endpoint, when `is_local` tells the process's own addresses and `serves` the ports it accepted on.
    pub(crate) fn endpoint(
        &self,
        is_local: impl Fn(IpAddr) -> bool,
        serves: impl Fn(i32) -> bool,
    ) -> Endpoint {
        let direction = match self.side {
            Side::Client => Direction::Out,
            Side::Server => Direction::In,
            Side::Unknown => match (is_local(self.client), is_local(self.server)) {
                (true, false) => Direction::Out,
                (false, true) => Direction::In,
                _ if serves(self.port) => Direction::In,
                _ => Direction::Out,
            },
        };
        let ip = if direction == Direction::Out { self.server } else { self.client };
        Endpoint { direction, ip, port: self.port, proto: self.proto }
    }
}

/// The process's own address, where the flow tells.
pub(crate) fn local_address(flow: &NetworkFlow) -> Option<IpAddr> {
    let own = match NetKey::of(flow).side {
        Side::Client => address(flow.sip, flow.sip6),
        Side::Server => address(flow.dip, flow.dip6),
        Side::Unknown => return None,
    };
    (!own.is_unspecified()).then_some(own)
}

/// Name of an IP protocol as SysFlow numbers them.
pub(crate) fn proto_name(proto: i32) -> String {
    match proto {
        1 => "icmp".to_owned(),
        6 => "tcp".to_owned(),
        17 => "udp".to_owned(),
        254 => "raw".to_owned(),
        -1 => "unknown".to_owned(),
        other => format!("proto {other}"),
    }
}

fn address(v4: i32, v6: Option<[u8; 16]>) -> IpAddr {
    match v6 {
        Some(octets) => IpAddr::V6(Ipv6Addr::from(octets)),
        None => IpAddr::V4(Ipv4Addr::from(v4.to_le_bytes())),
    }
}

impl Endpoint {
    /// `198.51.100.77:8443` for what the process called; `203.0.113.10 -> :3000` for who called it there.
    pub(crate) fn name(&self) -> String {
        match (self.direction, self.ip) {
            (Direction::Out, IpAddr::V6(ip)) => format!("[{ip}]:{}", self.port),
            (Direction::Out, ip) => format!("{ip}:{}", self.port),
            (Direction::In, ip) if ip.is_unspecified() => format!("*:{}", self.port),
            (Direction::In, ip) => format!("{ip} -> :{}", self.port),
        }
    }
}
