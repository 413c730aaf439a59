//! Addresses of network flows, and networks to compare them with.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use sysflow::{
    Joined,
    record::{Kind, NetworkFlow, Record, op},
};

use super::{Argument, Field, Get, Getter, Role, Subject, Type, Value};
use crate::kinds::KindSet;

pub(super) const NET: KindSet = KindSet::of(&[Kind::NetworkFlow]);

/// A network: all addresses that share the first `bits` bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Network {
    address: IpAddr,
    bits: u8,
}

/// Client and server of a flow.
pub(super) struct Ends {
    pub(super) client: Option<IpAddr>,
    pub(super) server: Option<IpAddr>,
}

/// SysFlow's address attributes, as addresses instead of text so that networks can be asked for.
pub(super) fn attribute(name: &str) -> Option<Field> {
    let get: Get = match name {
        "sf.net.sip" => |r, _| client(r),
        "sf.net.dip" => |r, _| server(r),
        "sf.net.ip" => |r, _| both(r),
        _ => return None,
    };
    Some(Field {
        name: name.to_owned(),
        value_type: Type::Address,
        kinds: NET,
        note: None,
        role: Role::None,
        subject: Subject::Record,
        list: false,
        get: Getter::Falco(get, Argument::None),
        functions: Vec::new(),
    })
}

pub(super) fn flow<'a>(record: &Joined<'a>) -> Option<&'a NetworkFlow> {
    match record.record {
        Record::NetworkFlow(flow) => Some(flow),
        _ => None,
    }
}

pub(super) fn client<'a>(record: &Joined<'_>) -> Value<'a> {
    Value::ip(flow(record).and_then(|flow| Ends::of(flow).client))
}

pub(super) fn server<'a>(record: &Joined<'_>) -> Value<'a> {
    Value::ip(flow(record).and_then(|flow| Ends::of(flow).server))
}

pub(super) fn both<'a>(record: &Joined<'_>) -> Value<'a> {
    flow(record).map_or(Value::Absent, |flow| {
        let ends = Ends::of(flow);
        Value::Ips([ends.client, ends.server])
    })
}

/// Whether the process is the server of this flow; `None` when the flow does not show it.
pub(super) fn is_server(flow: &NetworkFlow) -> Option<bool> {
    if flow.op_flags & (op::ACCEPT | op::LISTEN | op::BIND) != 0 {
        Some(true)
    } else if flow.op_flags & op::CONNECT != 0 {
        Some(false)
    } else {
        None
    }
}

// === impl Ends ===

impl Ends {
    pub(super) fn of(flow: &NetworkFlow) -> Self {
        // A flow has IPv6 addresses on both ends or on none.
        let six = flow.sip6.is_some() || flow.dip6.is_some();
        let end = |v4: i32, v6: Option<[u8; 16]>| match v6 {
            Some(bytes) => IpAddr::V6(Ipv6Addr::from(bytes)),
            None if six => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            None => IpAddr::V4(Ipv4Addr::from(v4.to_le_bytes())),
        };
        Self { client: Some(end(flow.sip, flow.sip6)), server: Some(end(flow.dip, flow.dip6)) }
    }
}

// === impl Network ===

impl Network {
    /// `address` or `address/bits`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(bits) => bits.parse().ok().filter(|bits| *bits <= most)?,
            None => most,
        };
        Some(Self { address, bits })
    }

    pub(crate) fn contains(&self, ip: IpAddr) -> bool {
        match (self.address, unmapped(ip)) {
            (IpAddr::V4(net), IpAddr::V4(ip)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or(0);
                (net.to_bits() ^ ip.to_bits()) & mask == 0
            }
            (IpAddr::V6(net), IpAddr::V6(ip)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.bits)).unwrap_or(0);
                (net.to_bits() ^ ip.to_bits()) & mask == 0
            }
            _ => false,
        }
    }
}

/// A dual-stack socket shows IPv4 peers as `::ffff:a.b.c.d`: they are in IPv4 networks all the same.
fn unmapped(ip: IpAddr) -> IpAddr {
    ip.to_canonical()
}
