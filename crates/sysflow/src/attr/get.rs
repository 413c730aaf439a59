//! How attributes are read off joined records.

use std::borrow::Cow;

use super::Value;
use super::path::{base_name, command_line, directory, file_type, socket_parts};
use crate::entities::Joined;
use crate::id::Oid;
use crate::record::{Container, File, Process, Record};

/// What Falco's libraries write for a text that they do not know.
const NOT_AVAILABLE: &str = "<NA>";

/// What SysFlow's collector writes for a container before the runtime has told of it.
const INCOMPLETE: &str = "incomplete";

// === values ===

pub(super) fn text(text: &str) -> Value<'_> {
    Value::Str(Cow::Borrowed(text))
}

#[allow(clippy::needless_pass_by_value, reason = "most are made for the call")]
pub(super) fn owned<'a>(text: impl ToString) -> Value<'a> {
    Value::Str(Cow::Owned(text.to_string()))
}

/// Text for which empty means that the source did not say.
pub(super) fn said(said: &str) -> Value<'_> {
    if matches!(said, "" | NOT_AVAILABLE) { Value::Absent } else { text(said) }
}

/// Number for which -1 means that the source did not say.
pub(super) fn known<'a>(number: i64) -> Value<'a> {
    if number == -1 { Value::Absent } else { Value::Int(number) }
}

/// User or group id: 32 bits without sign, all of them set for none.
pub(super) fn user<'a>(id: i32) -> Value<'a> {
    if id == -1 { Value::Absent } else { Value::Int((id as u32).into()) }
}

/// Number for which 0 means that the source did not say.
pub(super) fn not_zero<'a>(number: i64) -> Value<'a> {
    if number == 0 { Value::Absent } else { Value::Int(number) }
}

pub(super) fn texts<'a>(texts: impl Iterator<Item = &'static str>) -> Value<'a> {
    Value::StrList(texts.map(Cow::Borrowed).collect())
}

pub(super) fn oid<'a>(oid: Oid) -> Value<'a> {
    owned(format_args!("{:016x}", oid.hash64()))
}

// === the record itself ===

pub(super) fn op_flags(record: &Record) -> Option<i32> {
    match record {
        Record::ProcessEvent(r) => Some(r.op_flags),
        Record::NetworkFlow(r) => Some(r.op_flags),
        Record::FileFlow(r) => Some(r.op_flags),
        Record::FileEvent(r) => Some(r.op_flags),
        Record::NetworkEvent(r) => Some(r.op_flags),
        Record::ProcessFlow(r) => Some(r.op_flags),
        _ => None,
    }
}

pub(super) fn end_ts(record: &Record) -> Option<i64> {
    match record {
        Record::NetworkFlow(r) => Some(r.end_ts),
        Record::FileFlow(r) => Some(r.end_ts),
        Record::ProcessFlow(r) => Some(r.end_ts),
        _ => None,
    }
}

pub(super) fn tid(record: &Record) -> Option<i64> {
    match record {
        Record::ProcessEvent(r) => Some(r.tid),
        Record::NetworkFlow(r) => Some(r.tid),
        Record::FileFlow(r) => Some(r.tid),
        Record::FileEvent(r) => Some(r.tid),
        Record::NetworkEvent(r) => Some(r.tid),
        _ => None,
    }
}

pub(super) fn ret(record: &Record) -> Option<i32> {
    match record {
        Record::ProcessEvent(r) => Some(r.ret),
        Record::FileEvent(r) => Some(r.ret),
        Record::NetworkEvent(r) => Some(r.ret),
        _ => None,
    }
}

/// Counters of a flow: read operations, write operations, bytes read, bytes written.
pub(super) fn counters(record: &Record) -> Option<[i64; 4]> {
    match record {
        Record::NetworkFlow(r) => {
            Some([r.num_rrecv_ops, r.num_wsend_ops, r.num_rrecv_bytes, r.num_wsend_bytes])
        }
        Record::FileFlow(r) => Some([r.num_rrecv_ops, r.num_wsend_ops, r.num_rrecv_bytes, r.num_wsend_bytes]),
        _ => None,
    }
}

pub(super) fn counter<'a>(r: &Joined<'a>, nth: usize) -> Value<'a> {
    int(counters(r.record).map(|counters| counters[nth]))
}

pub(super) fn int<'a>(number: Option<impl Into<i64>>) -> Value<'a> {
    number.map_or(Value::Absent, |number| Value::Int(number.into()))
}

/// Protocol, client port, server port.
pub(super) fn ports(record: &Record) -> Option<[i32; 3]> {
    match record {
        Record::NetworkFlow(r) => Some([r.proto, r.sport, r.dport]),
        Record::NetworkEvent(r) => Some([r.proto, r.sport, r.dport]),
        _ => None,
    }
}

pub(super) fn addresses(record: &Record) -> Option<[String; 2]> {
    match record {
        Record::NetworkFlow(r) => {
            let (client, server) = super::names::endpoints(r);
            Some([client, server])
        }
        Record::NetworkEvent(r) => Some([r.sip, r.dip].map(|ip| super::names::ipv4(ip).to_string())),
        _ => None,
    }
}

// === entities ===

pub(super) fn of<'a, T>(entity: Option<&'a T>, get: impl FnOnce(&'a T) -> Value<'a>) -> Value<'a> {
    entity.map_or(Value::Absent, get)
}

/// Extended fields with 0 as their default say nothing in a trace without extension; such a trace has no graph ids.
pub(super) fn extended<'a>(
    process: Option<&'a Process>,
    get: impl FnOnce(&'a Process) -> Value<'a>,
) -> Value<'a> {
    of(process.filter(|p| !p.graph_id.is_empty()), get)
}

pub(super) fn exe(p: &Process) -> Value<'_> {
    said(p.exe.trim())
}

pub(super) fn name(p: &Process) -> Value<'_> {
    match exe(p) {
        Value::Str(_) => said(base_name(p.exe.trim())),
        absent => absent,
    }
}

pub(super) fn cmdline(p: &Process) -> Value<'_> {
    match exe(p) {
        Value::Str(_) => Value::Str(command_line(p)),
        absent => absent,
    }
}

pub(super) fn ancestors<'a>(r: &Joined<'a>, get: impl Fn(&'a Process) -> Cow<'a, str>) -> Value<'a> {
    match r.process {
        None => Value::Absent,
        Some(_) => Value::StrList(r.ancestors().map(get).collect()),
    }
}

pub(super) fn path(file: &File) -> Value<'_> {
    said(socket_parts(file).1)
}

pub(super) fn symlink(file: &File) -> Value<'_> {
    said(socket_parts(file).0)
}

pub(super) fn file_name(file: &File) -> Value<'_> {
    said(base_name(socket_parts(file).1))
}

pub(super) fn file_directory(file: &File) -> Value<'_> {
    match socket_parts(file).1 {
        "" | NOT_AVAILABLE => Value::Absent,
        path => Value::Str(directory(path)),
    }
}

pub(super) fn type_of(file: &File) -> Value<'_> {
    file_type(file).map_or(Value::Absent, owned)
}

pub(super) fn open_flags(record: &Record) -> Option<i32> {
    match record {
        Record::FileFlow(r) => Some(r.open_flags),
        _ => None,
    }
}

/// Text of a container, which is a placeholder until the runtime has told.
pub(super) fn told<'a>(
    container: Option<&'a Container>,
    get: impl FnOnce(&'a Container) -> &'a str,
) -> Value<'a> {
    of(container, |c| {
        let value = get(c);
        if value.split(':').all(|part| part == INCOMPLETE) { Value::Absent } else { said(value) }
    })
}
