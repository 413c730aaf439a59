//! Attributes as sf-processor's policies see them.
//!
//! Every attribute has a value on every record: what a record does not have is empty, 0 or false. The Falco names
//! among them mean what sf-processor made of them, which is not always what Falco means.

use std::borrow::Cow;

use sysflow::{
    Joined, Oid,
    attr::{
        self, Attr, names,
        path::{base_name, command_line, directory},
    },
    record::{File, Kind, Process, Record, open_flags},
};

use crate::{
    field::{Subject, Value},
    kinds::KindSet,
};

/// An attribute.
#[derive(Debug)]
pub(crate) struct SfAttr {
    pub(crate) name: &'static str,
    pub(crate) kinds: KindSet,
    pub(crate) absent: Absent,
    get: for<'a> fn(&Joined<'a>) -> Value<'a>,
}

/// What stands for a value that a record does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Absent {
    Empty,
    /// Go's base name and directory of nothing.
    Dot,
    Zero,
    False,
}

/// Where the value of a field comes from.
#[derive(Debug)]
pub(crate) enum Origin {
    Sf(&'static SfAttr),
    /// An attribute that sf-processor does not have.
    Other(&'static Attr),
    /// Text that names no attribute.
    Literal(Box<str>),
}

/// Records that a process stands behind; others sf-processor does not judge.
const PROC: KindSet = KindSet::of(&[Kind::ProcessEvent, Kind::NetworkFlow, Kind::FileFlow, Kind::FileEvent]);
/// All that sf-processor judges.
pub(crate) const JUDGED: KindSet =
    KindSet::of(&[Kind::ProcessEvent, Kind::NetworkFlow, Kind::FileFlow, Kind::FileEvent, Kind::K8sEvent]);
const NET: KindSet = KindSet::of(&[Kind::NetworkFlow]);
const FLOW: KindSet = KindSet::of(&[Kind::NetworkFlow, Kind::FileFlow]);
const ENDS: KindSet = KindSet::of(&[Kind::NetworkFlow, Kind::FileFlow, Kind::K8sEvent]);
const FILE: KindSet = KindSet::of(&[Kind::FileFlow, Kind::FileEvent]);
const FILE_FLOW: KindSet = KindSet::of(&[Kind::FileFlow]);
const FILE_EVENT: KindSet = KindSet::of(&[Kind::FileEvent]);
const EVENT: KindSet = KindSet::of(&[Kind::ProcessEvent, Kind::FileEvent]);
const KUBE: KindSet = KindSet::of(&[Kind::K8sEvent]);

const fn is(
    name: &'static str,
    kinds: KindSet,
    absent: Absent,
    get: for<'a> fn(&Joined<'a>) -> Value<'a>,
) -> SfAttr {
    SfAttr { name, kinds, absent, get }
}

use Absent::{Dot, Empty, False, Zero};

/// By name.
static ATTRS: &[SfAttr] = &[
    is("sf.container.id", PROC, Empty, |r| r.container.map_or(Value::Absent, |c| text(&c.id))),
    is("sf.container.image", PROC, Empty, |r| r.container.map_or(Value::Absent, |c| text(c.image.trim()))),
    is("sf.container.imageid", PROC, Empty, |r| r.container.map_or(Value::Absent, |c| text(&c.imageid))),
    is("sf.container.name", PROC, Empty, |r| r.container.map_or(Value::Absent, |c| text(c.name.trim()))),
    is("sf.container.privileged", PROC, Zero, |r| {
        r.container.map_or(Value::Absent, |c| Value::Int(c.privileged.into()))
    }),
    is("sf.container.type", PROC, Empty, |r| {
        r.container.map_or(Value::Absent, |c| text(names::container_type(c.container_type)))
    }),
    is("sf.endts", ENDS, Zero, |r| match r.record {
        Record::NetworkFlow(flow) => Value::Int(flow.end_ts),
        Record::FileFlow(flow) => Value::Int(flow.end_ts),
        other => other.ts().map_or(Value::Absent, Value::Int),
    }),
    is("sf.file.directory", FILE, Dot, |r| r.file.map_or(Value::Absent, file_directory)),
    is("sf.file.fd", FILE_FLOW, Zero, |r| match r.record {
        Record::FileFlow(flow) => Value::Int(flow.fd.into()),
        _ => Value::Absent,
    }),
    is("sf.file.is_open_read", FILE_FLOW, False, |r| opened(r, open_flags::RDONLY)),
    is("sf.file.is_open_write", FILE_FLOW, False, |r| opened(r, open_flags::WRONLY)),
    is("sf.file.name", FILE, Dot, |r| r.file.map_or(Value::Absent, |f| base(f.path.trim()))),
    is("sf.file.newdirectory", FILE_EVENT, Dot, |r| r.new_file.map_or(Value::Absent, file_directory)),
    is("sf.file.newname", FILE_EVENT, Dot, |r| r.new_file.map_or(Value::Absent, |f| base(f.path.trim()))),
    is("sf.file.newoid", FILE_EVENT, Empty, |r| r.new_file.map_or(Value::Absent, file_oid)),
    is("sf.file.newpath", FILE_EVENT, Empty, |r| r.new_file.map_or(Value::Absent, |f| text(socket(f).1))),
    is("sf.file.newsymlink", FILE_EVENT, Empty, |r| r.new_file.map_or(Value::Absent, file_link)),
    is("sf.file.oid", FILE, Empty, |r| r.file.map_or(Value::Absent, file_oid)),
    is("sf.file.openflags", FILE_FLOW, Empty, |r| match r.record {
        Record::FileFlow(flow) => {
            Value::Strs(names::open_flags(flow.open_flags).map(Cow::Borrowed).collect())
        }
        _ => Value::Absent,
    }),
    is("sf.file.path", FILE, Empty, |r| r.file.map_or(Value::Absent, |f| text(socket(f).1))),
    is("sf.file.symlink", FILE, Empty, |r| r.file.map_or(Value::Absent, file_link)),
    is("sf.file.type", FILE, Empty, |r| {
        let kind = r.file.and_then(|file| u32::try_from(file.restype).ok()).and_then(char::from_u32);
        kind.map_or(Value::Absent, |kind| Value::owned(kind.to_string()))
    }),
    is("sf.flow.rbytes", FLOW, Zero, |r| counter(r, 2)),
    is("sf.flow.rops", FLOW, Zero, |r| counter(r, 0)),
    is("sf.flow.wbytes", FLOW, Zero, |r| counter(r, 3)),
    is("sf.flow.wops", FLOW, Zero, |r| counter(r, 1)),
    is("sf.ke.action", KUBE, Empty, |r| attribute("sf.ke.action", r)),
    is("sf.ke.kind", KUBE, Empty, |r| attribute("sf.ke.kind", r)),
    is("sf.ke.message", KUBE, Empty, |r| match r.record {
        Record::K8sEvent(event) => text(&event.message),
        _ => Value::Absent,
    }),
    is("sf.meta.schema", JUDGED, Zero, |r| r.header.map_or(Value::Absent, |h| Value::Int(h.version))),
    is("sf.meta.tracename", JUDGED, Dot, |r| r.header.map_or(Value::Absent, |h| base(&h.filename))),
    is("sf.net.dip", NET, Empty, |r| net(r, |flow| Value::owned(names::endpoints(flow).1))),
    is("sf.net.dport", NET, Zero, |r| net(r, |flow| Value::Int(flow.dport.into()))),
    is("sf.net.ip", NET, Empty, |r| {
        net(r, |flow| {
            let (client, server) = names::endpoints(flow);
            Value::Strs(vec![Cow::Owned(client), Cow::Owned(server)])
        })
    }),
    is("sf.net.port", NET, Empty, |r| net(r, |flow| Value::Ints(vec![flow.sport.into(), flow.dport.into()]))),
    is("sf.net.proto", NET, Zero, |r| net(r, |flow| Value::Int(flow.proto.into()))),
    is("sf.net.sip", NET, Empty, |r| net(r, |flow| Value::owned(names::endpoints(flow).0))),
    is("sf.net.sport", NET, Zero, |r| net(r, |flow| Value::Int(flow.sport.into()))),
    is("sf.node.id", JUDGED, Empty, |r| r.header.map_or(Value::Absent, |h| text(&h.exporter))),
    is("sf.node.ip", JUDGED, Empty, |r| r.header.map_or(Value::Absent, |h| text(&h.ip))),
    is("sf.opflags", PROC, Empty, |r| {
        let flags = crate::field::ops::flags(r.record);
        Value::Strs(names::ops(flags, r.record.kind()).map(Cow::Borrowed).collect())
    }),
    is("sf.pod.hostip", PROC, Empty, |r| r.pod.map_or(Value::Absent, |p| addresses(&p.host_ip))),
    is("sf.pod.id", PROC, Empty, |r| r.pod.map_or(Value::Absent, |p| text(&p.id))),
    is("sf.pod.internalip", PROC, Empty, |r| r.pod.map_or(Value::Absent, |p| addresses(&p.internal_ip))),
    is("sf.pod.name", PROC, Empty, |r| r.pod.map_or(Value::Absent, |p| text(p.name.trim()))),
    is("sf.pod.namespace", PROC, Empty, |r| r.pod.map_or(Value::Absent, |p| text(p.namespace.trim()))),
    is("sf.pod.nodename", PROC, Empty, |r| r.pod.map_or(Value::Absent, |p| text(p.node_name.trim()))),
    is("sf.pod.restartcnt", PROC, Zero, |r| r.pod.map_or(Value::Absent, |p| Value::Int(p.restart_count))),
    is("sf.pod.services", PROC, Empty, |r| attribute("sf.pod.services", r)),
    is("sf.pod.ts", PROC, Zero, |r| r.pod.map_or(Value::Absent, |p| Value::Int(p.ts))),
    is("sf.pproc.args", PROC, Empty, |r| r.parent.map_or(Value::Absent, |p| text(p.exe_args.trim()))),
    is("sf.pproc.cmdline", PROC, Empty, |r| r.parent.map_or(Value::Absent, |p| Value::Str(command_line(p)))),
    is("sf.pproc.createts", PROC, Zero, |r| {
        r.parent_oid().map_or(Value::Absent, |o| Value::Int(o.create_ts))
    }),
    is("sf.pproc.entry", PROC, Zero, |r| r.parent.map_or(Value::Absent, |p| Value::Bool(p.entry))),
    is("sf.pproc.exe", PROC, Empty, |r| r.parent.map_or(Value::Absent, |p| text(p.exe.trim()))),
    is("sf.pproc.gid", PROC, Zero, |r| r.parent.map_or(Value::Absent, |p| Value::Int(p.gid.into()))),
    is("sf.pproc.group", PROC, Empty, |r| r.parent.map_or(Value::Absent, |p| text(&p.group_name))),
    is("sf.pproc.name", PROC, Empty, |r| r.parent.map_or(Value::Absent, |p| base(p.exe.trim()))),
    is("sf.pproc.oid", JUDGED, Empty, |r| oid(r.parent_oid())),
    is("sf.pproc.pid", PROC, Zero, |r| r.parent_oid().map_or(Value::Absent, |o| Value::Int(o.hpid))),
    is("sf.pproc.tty", PROC, Zero, |r| r.parent.map_or(Value::Absent, |p| Value::Bool(p.tty))),
    is("sf.pproc.uid", PROC, Zero, |r| r.parent.map_or(Value::Absent, |p| Value::Int(p.uid.into()))),
    is("sf.pproc.user", PROC, Empty, |r| r.parent.map_or(Value::Absent, |p| text(&p.user_name))),
    is("sf.proc.acmdline", PROC, Empty, |r| ancestors(r, command_line)),
    is("sf.proc.aexe", PROC, Empty, |r| ancestors(r, |p| Cow::Borrowed(p.exe.trim()))),
    is("sf.proc.aname", PROC, Empty, |r| ancestors(r, |p| Cow::Borrowed(base_text(p.exe.trim())))),
    is("sf.proc.apid", PROC, Empty, |r| Value::Ints(r.ancestors().map(|p| p.oid.hpid).collect())),
    is("sf.proc.args", PROC, Empty, |r| r.process.map_or(Value::Absent, |p| text(p.exe_args.trim()))),
    is("sf.proc.cmdline", PROC, Empty, |r| r.process.map_or(Value::Absent, |p| Value::Str(command_line(p)))),
    is("sf.proc.createts", PROC, Zero, |r| r.process.map_or(Value::Absent, |p| Value::Int(p.oid.create_ts))),
    is("sf.proc.entry", PROC, False, |r| r.process.map_or(Value::Absent, |p| Value::Bool(p.entry))),
    is("sf.proc.exe", PROC, Empty, |r| r.process.map_or(Value::Absent, |p| text(p.exe.trim()))),
    is("sf.proc.gid", PROC, Zero, |r| r.process.map_or(Value::Absent, |p| Value::Int(p.gid.into()))),
    is("sf.proc.group", PROC, Empty, |r| r.process.map_or(Value::Absent, |p| text(&p.group_name))),
    is("sf.proc.name", PROC, Dot, |r| r.process.map_or(Value::Absent, |p| base(p.exe.trim()))),
    is("sf.proc.oid", JUDGED, Empty, |r| oid(r.process.map(|p| p.oid))),
    is("sf.proc.pid", PROC, Zero, |r| r.process.map_or(Value::Absent, |p| Value::Int(p.oid.hpid))),
    is("sf.proc.tid", PROC, Zero, |r| attribute("sf.proc.tid", r)),
    is("sf.proc.tty", PROC, False, |r| r.process.map_or(Value::Absent, |p| Value::Bool(p.tty))),
    is("sf.proc.uid", PROC, Zero, |r| r.process.map_or(Value::Absent, |p| Value::Int(p.uid.into()))),
    is("sf.proc.user", PROC, Empty, |r| r.process.map_or(Value::Absent, |p| text(&p.user_name))),
    is("sf.ret", EVENT, Zero, |r| match r.record {
        Record::ProcessEvent(event) => Value::Int(event.ret.into()),
        Record::FileEvent(event) => Value::Int(event.ret.into()),
        _ => Value::Absent,
    }),
    is("sf.ts", JUDGED, Zero, |r| r.record.ts().map_or(Value::Absent, Value::Int)),
    is("sf.type", JUDGED, Empty, |r| text(r.record.kind().as_str())),
];

/// Falco's names, and the attributes that sf-processor answers them with.
static ALIASES: &[(&str, &str)] = &[
    ("container.id", "sf.container.id"),
    ("container.image", "sf.container.image"),
    ("container.image.id", "sf.container.imageid"),
    ("container.name", "sf.container.name"),
    ("container.privileged", "sf.container.privileged"),
    ("container.type", "sf.container.type"),
    ("evt.arg.uid", "sf.proc.uid"),
    ("evt.is_open_read", "sf.file.is_open_read"),
    ("evt.is_open_write", "sf.file.is_open_write"),
    ("evt.rawres", "sf.type"),
    ("evt.rawtime", "sf.ts"),
    ("evt.type", "sf.opflags"),
    ("fd.cproto", "sf.net.proto"),
    ("fd.dip", "sf.net.dip"),
    ("fd.directory", "sf.file.directory"),
    ("fd.dport", "sf.net.dport"),
    ("fd.filename", "sf.file.name"),
    ("fd.ip", "sf.net.ip"),
    ("fd.l4proto", "sf.net.proto"),
    ("fd.lproto", "sf.net.proto"),
    ("fd.name", "sf.file.name"),
    ("fd.num", "sf.file.fd"),
    ("fd.port", "sf.net.port"),
    ("fd.proto", "sf.net.proto"),
    ("fd.rproto", "sf.net.proto"),
    ("fd.sip", "sf.net.sip"),
    ("fd.sport", "sf.net.sport"),
    ("fd.sproto", "sf.net.proto"),
    ("fd.typechar", "sf.file.type"),
    ("proc.aname", "sf.proc.aname"),
    ("proc.apid", "sf.proc.apid"),
    ("proc.args", "sf.proc.args"),
    ("proc.cmdline", "sf.proc.cmdline"),
    ("proc.createtime", "sf.pproc.createts"),
    ("proc.exe", "sf.proc.exe"),
    ("proc.gid", "sf.proc.gid"),
    ("proc.group", "sf.proc.group"),
    ("proc.name", "sf.proc.name"),
    ("proc.pargs", "sf.pproc.args"),
    ("proc.pcmdline", "sf.pproc.cmdline"),
    ("proc.pcreatetime", "sf.pproc.createts"),
    ("proc.pexe", "sf.pproc.exe"),
    ("proc.pgid", "sf.pproc.gid"),
    ("proc.pgroup", "sf.pproc.group"),
    ("proc.pid", "sf.proc.pid"),
    ("proc.pname", "sf.pproc.name"),
    ("proc.ppid", "sf.pproc.pid"),
    ("proc.ptty", "sf.pproc.tty"),
    ("proc.puid", "sf.pproc.uid"),
    ("proc.puser", "sf.pproc.user"),
    ("proc.tid", "sf.proc.tid"),
    ("proc.tty", "sf.pproc.tty"),
    ("proc.uid", "sf.proc.uid"),
    ("proc.user", "sf.proc.user"),
    ("user.name", "sf.proc.user"),
];

/// Both directions: every record stands for the entry and the exit of its system calls.
const DIRECTIONS: &str = ">,<";

/// What `name` stands for; `None` when it is no attribute.
pub(super) fn find(name: &str) -> Option<Origin> {
    if name == "evt.dir" {
        return Some(Origin::Literal(DIRECTIONS.into()));
    }
    let full = match ALIASES.binary_search_by(|(alias, _)| alias.cmp(&name)) {
        Ok(at) => ALIASES[at].1,
        Err(_) => name,
    };
    match ATTRS.binary_search_by(|attr| attr.name.cmp(full)) {
        Ok(at) => Some(Origin::Sf(&ATTRS[at])),
        Err(_) => attr::find(full).map(Origin::Other),
    }
}

/// Attributes by name, for "did you mean".
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    ATTRS.iter().map(|attr| attr.name)
}

// === impl Origin ===

impl Origin {
    pub(crate) fn value<'a>(&self, record: &Joined<'a>) -> Value<'a> {
        let value = match self {
            Self::Sf(attr) if attr.kinds.contains(record.record.kind()) => (attr.get)(record),
            Self::Sf(_) => Value::Absent,
            Self::Other(attr) => attr.value(record).into(),
            Self::Literal(text) => return Value::owned(&**text),
        };
        match value {
            Value::Absent => self.absent().value(),
            Value::Str(text) => Value::Str(unquoted(text)),
            Value::Strs(list) => Value::Strs(unquoted_list(list)),
            other => other,
        }
    }

    /// What it is where it has no value.
    pub(crate) fn absent(&self) -> Absent {
        match self {
            Self::Sf(attr) => attr.absent,
            Self::Other(attr) => match attr.value_type {
                attr::Type::Int => Zero,
                attr::Type::Bool => False,
                attr::Type::Str | attr::Type::StrList | attr::Type::IntList | attr::Type::Json => Empty,
            },
            Self::Literal(_) => Empty,
        }
    }

    /// What its value depends on.
    pub(crate) fn subject(&self) -> Subject {
        match self {
            Self::Sf(attr) => Subject::of_attribute(attr.name),
            Self::Other(attr) => Subject::of_attribute(attr.name),
            Self::Literal(_) => Subject::Shape,
        }
    }

    /// Kinds on which it can have another value than its absent one.
    pub(crate) fn kinds(&self) -> KindSet {
        match self {
            Self::Sf(attr) => attr.kinds,
            Self::Other(attr) => KindSet::of(attr.kinds).intersection(JUDGED),
            Self::Literal(_) => KindSet::NONE,
        }
    }

    /// Whether `<` and the like see a number: with sf-processor a parent's terminal is none, its own is 0 or 1.
    pub(crate) fn is_number(&self) -> bool {
        match self {
            Self::Sf(attr) => match attr.name {
                "sf.proc.tty" | "sf.proc.entry" => true,
                "sf.pproc.tty" | "sf.pproc.entry" => false,
                _ => attr.absent == Zero,
            },
            Self::Other(attr) => attr.value_type == attr::Type::Int,
            Self::Literal(_) => false,
        }
    }

    /// The attribute that says whether there is something to name: a name of nothing is a dot.
    pub(crate) fn named(&self) -> Option<&'static str> {
        let Self::Sf(attr) = self else { return None };
        match attr.name {
            "sf.proc.name" => Some("sf.proc.exe"),
            "sf.file.name" | "sf.file.directory" => Some("sf.file.path"),
            "sf.file.newname" | "sf.file.newdirectory" => Some("sf.file.newpath"),
            _ => None,
        }
    }
}

impl Absent {
    pub(crate) fn value(self) -> Value<'static> {
        match self {
            Empty => Value::Str(Cow::Borrowed("")),
            Dot => Value::Str(Cow::Borrowed(".")),
            Zero => Value::Int(0),
            False => Value::Bool(false),
        }
    }
}

// === values ===

fn text(text: &str) -> Value<'_> {
    Value::Str(Cow::Borrowed(text))
}

fn base(path: &str) -> Value<'_> {
    text(base_text(path))
}

fn base_text(path: &str) -> &str {
    match base_name(path) {
        "" => ".",
        name => name,
    }
}

fn oid<'a>(oid: Option<Oid>) -> Value<'a> {
    // Of no process sf-processor takes the hash of two zeros.
    let oid = oid.unwrap_or(Oid { create_ts: 0, hpid: 0 });
    Value::owned(format!("{:016x}", oid.hash64()))
}

fn ancestors<'a>(record: &Joined<'a>, get: impl Fn(&'a Process) -> Cow<'a, str>) -> Value<'a> {
    Value::Strs(record.ancestors().map(get).collect())
}

fn attribute<'a>(name: &str, record: &Joined<'a>) -> Value<'a> {
    attr::find(name).map_or(Value::Absent, |attr| attr.value(record).into())
}

fn net<'a>(record: &Joined<'a>, get: fn(&'a sysflow::record::NetworkFlow) -> Value<'a>) -> Value<'a> {
    match record.record {
        Record::NetworkFlow(flow) => get(flow),
        _ => Value::Absent,
    }
}

fn counter<'a>(record: &Joined<'a>, nth: usize) -> Value<'a> {
    let counters = match record.record {
        Record::NetworkFlow(r) => [r.num_rrecv_ops, r.num_wsend_ops, r.num_rrecv_bytes, r.num_wsend_bytes],
        Record::FileFlow(r) => [r.num_rrecv_ops, r.num_wsend_ops, r.num_rrecv_bytes, r.num_wsend_bytes],
        _ => return Value::Absent,
    };
    Value::Int(counters[nth])
}

fn opened<'a>(record: &Joined<'a>, bit: i32) -> Value<'a> {
    match record.record {
        Record::FileFlow(flow) => Value::Bool(flow.open_flags & bit != 0),
        _ => Value::Absent,
    }
}

fn file_oid(file: &File) -> Value<'_> {
    Value::owned(file.oid.to_string())
}

fn file_directory(file: &File) -> Value<'_> {
    Value::Str(directory(socket(file).1))
}

fn file_link(file: &File) -> Value<'_> {
    match socket(file).0 {
        Some([client, server]) => Value::owned(format!("{client:x}->{server:x}")),
        None => text(""),
    }
}

/// Kernel addresses and path of a unix socket, `a->b /path`: what has no such form is all path.
fn socket(file: &File) -> (Option<[u64; 2]>, &str) {
    let whole = file.path.trim();
    let parse = || {
        let (client, rest) = whole.split_once("->")?;
        let (server, rest) = rest.split_once(char::is_whitespace)?;
        let path = rest.split_whitespace().next()?;
        let hex = |digits: &str| {
            let all = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            u64::from_str_radix(digits, 16).ok().filter(|_| all)
        };
        Some(([hex(client)?, hex(server)?], path))
    };
    match parse() {
        Some((link, path)) => (Some(link), path),
        None => (None, whole),
    }
}

/// JSON, as policies ask it with a path.
fn addresses<'a>(addresses: &[i64]) -> Value<'a> {
    let quoted: Vec<_> =
        addresses.iter().map(|address| format!("\"{}\"", names::ipv4(*address as i32))).collect();
    Value::owned(format!("[{}]", quoted.join(",")))
}

/// One quote at each end is not part of a value, whoever wrote it.
fn unquoted(text: Cow<'_, str>) -> Cow<'_, str> {
    let inner = super::parser::unquoted(&text);
    if inner.len() == text.len() {
        return text;
    }
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(super::parser::unquoted(text)),
        Cow::Owned(text) => Cow::Owned(super::parser::unquoted(&text).to_owned()),
    }
}

/// The same for a list, which is one text with commas.
fn unquoted_list(mut list: Vec<Cow<'_, str>>) -> Vec<Cow<'_, str>> {
    const QUOTES: [char; 2] = ['"', '\''];
    if let Some(first) = list.first_mut().filter(|first| first.starts_with(QUOTES)) {
        *first = Cow::Owned(first[1..].to_owned());
    }
    if let Some(last) = list.last_mut().filter(|last| last.ends_with(QUOTES)) {
        *last = Cow::Owned(last[..last.len() - 1].to_owned());
    }
    list
}

#[cfg(test)]
mod tests {
    use super::{ALIASES, ATTRS, find};

    #[test]
    fn tables_are_sorted_and_aliases_lead_somewhere() {
        assert!(ATTRS.is_sorted_by_key(|attr| attr.name));
        assert!(ALIASES.is_sorted());
        for (alias, _) in ALIASES {
            assert!(find(alias).is_some(), "{alias}");
        }
    }
}
