//! `fd.*` and `fs.*`: files of file flows and events, ends of network flows.

use std::{borrow::Cow, net::IpAddr};

use sysflow::{
    Joined,
    attr::path::{base_name, file_type},
    record::{Kind, Record, op},
};

use super::{
    FalcoField, Type, Value,
    net::{self, Ends, NET},
    no, yes,
};
use crate::kinds::KindSet;

const FILE: KindSet = KindSet::of(&[Kind::FileFlow, Kind::FileEvent]);
const FLOW: KindSet = KindSet::of(&[Kind::FileFlow, Kind::NetworkFlow]);
const FD: KindSet = KindSet::of(&[Kind::FileFlow, Kind::FileEvent, Kind::NetworkFlow]);
const DNS: &str = "addresses are not looked up";
const RAW: &str = "the path as the program wrote it is not recorded, only the resolved one";
const SIDE: &str = "known only when the flow shows who connected or accepted";

pub(super) static FIELDS: &[FalcoField] = &[
    yes("fd.name", Type::Text, FD, |r, _| name(r)),
    yes("fd.directory", Type::Text, FILE, |r, _| path(r).map_or(Value::Absent, |p| Value::Str(directory(p)))),
    yes("fd.filename", Type::Text, FILE, |r, _| path(r).map_or(Value::Absent, |p| Value::text(base_name(p)))),
    yes("fd.num", Type::Number, FD, |r, _| match r.record {
        Record::FileFlow(flow) => Value::Int(i64::from(flow.fd)),
        Record::NetworkFlow(flow) => Value::Int(i64::from(flow.fd)),
        Record::FileEvent(event) if event.op_flags & op::OPEN != 0 => Value::Int(-1),
        _ => Value::Absent,
    }),
    yes("fd.typechar", Type::Text, FD, |r, _| type_char(r).map_or(Value::Absent, Value::owned)),
    yes("fd.type", Type::Text, FD, |r, _| {
        Value::Str(Cow::Borrowed(match type_char(r) {
            Some('f') => "file",
            Some('d') => "directory",
            Some('p') => "pipe",
            Some('u') => "unix",
            Some('4') => "ipv4",
            Some('6') => "ipv6",
            _ => return Value::Absent,
        }))
    }),
    yes("fd.sockfamily", Type::Text, FLOW, |r, _| {
        Value::Str(Cow::Borrowed(match type_char(r) {
            Some('4' | '6') => "ip",
            Some('u') => "unix",
            _ => return Value::Absent,
        }))
    }),
    yes("fd.l4proto", Type::Text, NET, |r, _| {
        Value::Str(Cow::Borrowed(match net::flow(r).map(|flow| flow.proto) {
            Some(6) => "tcp",
            Some(17) => "udp",
            Some(1 | 58) => "icmp",
            Some(254) => "raw",
            _ => return Value::Absent,
        }))
    }),
    yes("fd.ip", Type::Address, NET, |r, _| net::both(r)),
    yes("fd.net", Type::Address, NET, |r, _| net::both(r)),
    yes("fd.cip", Type::Address, NET, |r, _| net::client(r)),
    yes("fd.cnet", Type::Address, NET, |r, _| net::client(r)),
    yes("fd.sip", Type::Address, NET, |r, _| net::server(r)),
    yes("fd.snet", Type::Address, NET, |r, _| net::server(r)),
    yes("fd.lip", Type::Address, NET, |r, _| Value::ip(side(r, true).0)).note(SIDE),
    yes("fd.lnet", Type::Address, NET, |r, _| Value::ip(side(r, true).0)).note(SIDE),
    yes("fd.rip", Type::Address, NET, |r, _| Value::ip(side(r, false).0)).note(SIDE),
    yes("fd.rnet", Type::Address, NET, |r, _| Value::ip(side(r, false).0)).note(SIDE),
    yes("fd.port", Type::Number, NET, |r, _| {
        net::flow(r).map_or(Value::Absent, |f| Value::Ints(vec![f.sport.into(), f.dport.into()]))
    }),
    yes("fd.cport", Type::Number, NET, |r, _| {
        net::flow(r).map_or(Value::Absent, |f| Value::Int(f.sport.into()))
    }),
    yes("fd.sport", Type::Number, NET, |r, _| {
        net::flow(r).map_or(Value::Absent, |f| Value::Int(f.dport.into()))
    }),
    yes("fd.lport", Type::Number, NET, |r, _| side(r, true).1.map_or(Value::Absent, Value::Int)).note(SIDE),
    yes("fd.rport", Type::Number, NET, |r, _| side(r, false).1.map_or(Value::Absent, Value::Int)).note(SIDE),
    yes("fd.is_server", Type::Truth, NET, |r, _| {
        net::flow(r).and_then(net::is_server).map_or(Value::Absent, Value::Bool)
    })
    .note(SIDE),
    yes("fd.connected", Type::Truth, NET, |r, _| {
        net::flow(r).map_or(Value::Absent, |f| Value::Bool(f.op_flags & (op::CONNECT | op::ACCEPT) != 0))
    })
    .note("whether the flow began with connect or accept"),
    yes("fd.name_changed", Type::Truth, NET, |r, _| {
        net::flow(r).map_or(Value::Absent, |_| Value::Bool(true))
    })
    .note("always true: a flow is one pair of endpoints"),
    yes("fs.path.name", Type::Text, FILE, |r, _| path(r).map_or(Value::Absent, Value::text)),
    yes("fs.path.source", Type::Text, KindSet::of(&[Kind::FileEvent]), |r, _| match r.new_file {
        Some(_) => path(r).map_or(Value::Absent, Value::text),
        None => Value::Absent,
    }),
    yes("fs.path.target", Type::Text, KindSet::of(&[Kind::FileEvent]), |r, _| {
        r.new_file.map_or(Value::Absent, |file| Value::text(&file.path))
    }),
    no("fd.nameraw", RAW),
    no("fs.path.nameraw", RAW),
    no("fs.path.sourceraw", RAW),
    no("fs.path.targetraw", RAW),
    no("fd.cip.name", DNS),
    no("fd.sip.name", DNS),
    no("fd.lip.name", DNS),
    no("fd.rip.name", DNS),
    no("fd.types", "the types of a process's other descriptors are not recorded"),
    no("fd.uid", "descriptors have no identity of their own in a record"),
    no("fd.containername", "use fd.name and container.name"),
    no("fd.containerdirectory", "use fd.directory and container.name"),
    no("fd.proto", "port numbers are not turned into names"),
    no("fd.cproto", "port numbers are not turned into names"),
    no("fd.sproto", "port numbers are not turned into names"),
    no("fd.lproto", "port numbers are not turned into names"),
    no("fd.rproto", "port numbers are not turned into names"),
    no("fd.dev", "devices and inodes of opened files are not recorded"),
    no("fd.dev.major", "devices and inodes of opened files are not recorded"),
    no("fd.dev.minor", "devices and inodes of opened files are not recorded"),
    no("fd.ino", "devices and inodes of opened files are not recorded"),
    no("fd.is_upper_layer", "file system layers of opened files are not recorded"),
    no("fd.is_lower_layer", "file system layers of opened files are not recorded"),
    no("fd.is_fork", "the origin of descriptors is not recorded"),
];

fn path<'a>(record: &Joined<'a>) -> Option<&'a str> {
    record.file.map(|file| file.path.as_str())
}

pub(super) fn directory(path: &str) -> Cow<'_, str> {
    match path.rfind('/') {
        Some(0) => Cow::Borrowed("/"),
        Some(at) => Cow::Borrowed(&path[..at]),
        None => Cow::Borrowed(""),
    }
}

/// Falco names descriptors only: of file events, only a refused open has one.
fn name<'a>(record: &Joined<'a>) -> Value<'a> {
    match record.record {
        Record::NetworkFlow(flow) => {
            let Ends { client: Some(client), server: Some(server) } = Ends::of(flow) else {
                return Value::Absent;
            };
            let colon = |ip: IpAddr, port| match ip {
                IpAddr::V4(ip) => format!("{ip}:{port}"),
                IpAddr::V6(ip) => format!("{ip}:{port}"),
            };
            // A socket that listens has one end.
            if flow.op_flags & (op::BIND | op::LISTEN) != 0 && flow.sport == 0 && client.is_unspecified() {
                return Value::owned(colon(server, flow.dport));
            }
            Value::owned(format!("{}->{}", colon(client, flow.sport), colon(server, flow.dport)))
        }
        Record::FileFlow(_) => path(record).map_or(Value::Absent, Value::text),
        Record::FileEvent(event) if event.op_flags & op::OPEN != 0 => {
            path(record).map_or(Value::Absent, Value::text)
        }
        _ => Value::Absent,
    }
}

fn type_char(record: &Joined<'_>) -> Option<char> {
    match record.record {
        Record::NetworkFlow(flow) if flow.sip6.is_some() || flow.dip6.is_some() => Some('6'),
        Record::NetworkFlow(_) => Some('4'),
        // What could not be opened has no known type; Falco calls it a file.
        Record::FileEvent(event) if event.op_flags & op::OPEN != 0 => Some('f'),
        Record::FileFlow(_) => record.file.and_then(file_type),
        _ => None,
    }
}

/// Address and port of the local or remote end.
fn side(record: &Joined<'_>, local: bool) -> (Option<IpAddr>, Option<i64>) {
    let Some(flow) = net::flow(record) else { return (None, None) };
    let Some(server) = net::is_server(flow) else { return (None, None) };
    let ends = Ends::of(flow);
    if server == local {
        (ends.server, Some(flow.dport.into()))
    } else {
        (ends.client, Some(flow.sport.into()))
    }
}
