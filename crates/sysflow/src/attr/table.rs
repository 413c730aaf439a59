//! All attributes.

use std::borrow::Cow;

use super::get::{self, extended, int, known, of, owned, said, text, texts};
use super::path::{base_name, command_line};
use super::{Attr, Type, Value, names};
use crate::entities::Joined;
use crate::format::pod_services;
use crate::graph::GraphRef;
use crate::record::{FileEvent, Kind, Record, open_flags};
use crate::schema::{K8S_ACTIONS, K8S_COMPONENTS};

/// Records that a process stands behind.
const EVENTS: &[Kind] = &[
    Kind::ProcessEvent,
    Kind::NetworkFlow,
    Kind::FileFlow,
    Kind::FileEvent,
    Kind::NetworkEvent,
    Kind::ProcessFlow,
];
const THREADED: &[Kind] =
    &[Kind::ProcessEvent, Kind::NetworkFlow, Kind::FileFlow, Kind::FileEvent, Kind::NetworkEvent];
const RESULTS: &[Kind] = &[Kind::ProcessEvent, Kind::FileEvent, Kind::NetworkEvent];
const FLOWS: &[Kind] = &[Kind::NetworkFlow, Kind::FileFlow, Kind::ProcessFlow];
const COUNTED: &[Kind] = &[Kind::NetworkFlow, Kind::FileFlow];
const FILES: &[Kind] = &[Kind::FileFlow, Kind::FileEvent];
const NET: &[Kind] = &[Kind::NetworkFlow, Kind::NetworkEvent];
const TIMED: &[Kind] = &[
    Kind::Process,
    Kind::File,
    Kind::ProcessEvent,
    Kind::NetworkFlow,
    Kind::FileFlow,
    Kind::FileEvent,
    Kind::NetworkEvent,
    Kind::ProcessFlow,
    Kind::Pod,
    Kind::K8sEvent,
];

const fn attr(
    name: &'static str,
    value_type: Type,
    kinds: &'static [Kind],
    doc: &'static str,
    get: for<'a> fn(&Joined<'a>) -> Value<'a>,
) -> Attr {
    Attr { name, value_type, kinds, doc, get }
}

fn list(texts: &[String]) -> Value<'_> {
    Value::StrList(texts.iter().map(|text| Cow::Borrowed(text.as_str())).collect())
}

/// All attributes, sorted by name.
pub static ATTRS: &[Attr] = &[
    attr("sf.container.id", Type::Str, EVENTS, "container of the process, 12 hex digits", |r| {
        of(r.process, |p| p.container_id.as_deref().map_or(Value::Absent, said))
    }),
    attr("sf.container.image", Type::Str, EVENTS, "image of the container, with tag", |r| {
        get::told(r.container, |c| &c.image)
    }),
    attr("sf.container.imageid", Type::Str, EVENTS, "digest of the image", |r| {
        get::told(r.container, |c| &c.imageid)
    }),
    attr("sf.container.name", Type::Str, EVENTS, "name of the container", |r| {
        get::told(r.container, |c| &c.name)
    }),
    attr("sf.container.privileged", Type::Int, EVENTS, "1 if the container is privileged, else 0", |r| {
        of(r.container, |c| Value::Int(c.privileged.into()))
    }),
    attr(
        "sf.container.type",
        Type::Str,
        EVENTS,
        "runtime of the container: DOCKER, CRI, CONTAINERD, CRIO, CUSTOM ...",
        |r| of(r.container, |c| text(names::container_type(c.container_type))),
    ),
    attr("sf.endts", Type::Int, FLOWS, "end of the flow, in ns since the epoch", |r| {
        int(get::end_ts(r.record))
    }),
    attr(
        "sf.event.args",
        Type::StrList,
        &[Kind::ProcessEvent],
        "arguments of the event: script of EXEC or what was tried in vain, new user of SETUID, namespaces of SETNS, target of PTRACE and SIGNAL, object of KERNEL",
        |r| match r.record {
            Record::ProcessEvent(event) if !event.args.is_empty() => list(&event.args),
            _ => Value::Absent,
        },
    ),
    attr(
        "sf.file.arg",
        Type::Str,
        &[Kind::FileEvent],
        "mode, owner, mount type and flags, open flags or device of the operation (extended)",
        |r| match r.record {
            Record::FileEvent(event) => said(&event.arg),
            _ => Value::Absent,
        },
    ),
    attr("sf.file.directory", Type::Str, FILES, "directory of the file", |r| of(r.file, get::file_directory)),
    attr("sf.file.fd", Type::Int, &[Kind::FileFlow], "descriptor", |r| match r.record {
        Record::FileFlow(flow) => Value::Int(flow.fd.into()),
        _ => Value::Absent,
    }),
    attr(
        "sf.file.is_open_read",
        Type::Bool,
        &[Kind::FileFlow],
        "whether the file was opened for reading",
        |r| {
            get::open_flags(r.record)
                .map_or(Value::Absent, |flags| Value::Bool(flags & open_flags::RDONLY != 0))
        },
    ),
    attr(
        "sf.file.is_open_write",
        Type::Bool,
        &[Kind::FileFlow],
        "whether the file was opened for writing",
        |r| {
            get::open_flags(r.record)
                .map_or(Value::Absent, |flags| Value::Bool(flags & open_flags::WRONLY != 0))
        },
    ),
    attr("sf.file.name", Type::Str, FILES, "last element of the path of the file", |r| {
        of(r.file, get::file_name)
    }),
    attr(
        "sf.file.newdirectory",
        Type::Str,
        &[Kind::FileEvent],
        "directory of the new file of a link or rename",
        |r| of(r.new_file, get::file_directory),
    ),
    attr(
        "sf.file.newname",
        Type::Str,
        &[Kind::FileEvent],
        "last element of the path of the new file of a link or rename",
        |r| of(r.new_file, get::file_name),
    ),
    attr(
        "sf.file.newoid",
        Type::Str,
        &[Kind::FileEvent],
        "identity of the new file of a link or rename",
        |r| match r.record {
            Record::FileEvent(FileEvent { new_file_oid: Some(oid), .. }) => owned(oid),
            _ => Value::Absent,
        },
    ),
    attr("sf.file.newpath", Type::Str, &[Kind::FileEvent], "path of the new file of a link or rename", |r| {
        of(r.new_file, get::path)
    }),
    attr(
        "sf.file.newsymlink",
        Type::Str,
        &[Kind::FileEvent],
        "kernel addresses of a unix socket, for the new file of a link or rename",
        |r| of(r.new_file, get::symlink),
    ),
    attr(
        "sf.file.oid",
        Type::Str,
        FILES,
        "identity of the file: SHA-1 of container id and path",
        |r| match r.record {
            Record::FileFlow(flow) => owned(flow.file_oid),
            Record::FileEvent(event) => owned(event.file_oid),
            _ => Value::Absent,
        },
    ),
    attr(
        "sf.file.openflags",
        Type::StrList,
        &[Kind::FileFlow],
        "flags of the open: RDONLY, CREAT, TRUNC ...; NONE when the flow began without one",
        |r| get::open_flags(r.record).map_or(Value::Absent, |flags| texts(names::open_flags(flags))),
    ),
    attr("sf.file.path", Type::Str, FILES, "path of the file", |r| of(r.file, get::path)),
    attr("sf.file.symlink", Type::Str, FILES, "kernel addresses of a unix socket, for the file", |r| {
        of(r.file, get::symlink)
    }),
    attr("sf.file.type", Type::Str, FILES, "f file, d directory, p pipe, u unix socket, ? not known", |r| {
        of(r.file, get::type_of)
    }),
    attr("sf.flow.duration", Type::Int, FLOWS, "from start to end of the flow, in ns", |r| {
        int(get::end_ts(r.record).zip(r.record.ts()).map(|(end, start)| end.saturating_sub(start)))
    }),
    attr(
        "sf.flow.opens",
        Type::Int,
        &[Kind::FileFlow],
        "how many opens the flow stands for (extended)",
        |r| match r.record {
            Record::FileFlow(flow) => Value::Int(flow.num_opens),
            _ => Value::Absent,
        },
    ),
    attr("sf.flow.rbytes", Type::Int, COUNTED, "bytes read or received", |r| get::counter(r, 2)),
    attr("sf.flow.rops", Type::Int, COUNTED, "operations that read or received", |r| get::counter(r, 0)),
    attr("sf.flow.wbytes", Type::Int, COUNTED, "bytes written or sent", |r| get::counter(r, 3)),
    attr("sf.flow.wops", Type::Int, COUNTED, "operations that wrote or sent", |r| get::counter(r, 1)),
    attr("sf.graph.parent", Type::Str, EVENTS, "graph that the graph of the process came from", |r| match r
        .graph()
    {
        Some(GraphRef { parent: Some(parent), .. }) => owned(parent),
        _ => Value::Absent,
    }),
    attr("sf.graphid", Type::Str, EVENTS, "graph that the process belongs to, 32 hex digits", |r| {
        r.graph().map_or(Value::Absent, |graph| owned(graph.id))
    }),
    attr("sf.ke.action", Type::Str, &[Kind::K8sEvent], "what happened: K8S_COMPONENT_ADDED ...", |r| match r
        .record
    {
        Record::K8sEvent(event) => text(K8S_ACTIONS[event.action as usize]),
        _ => Value::Absent,
    }),
    attr("sf.ke.kind", Type::Str, &[Kind::K8sEvent], "what it happened to: K8S_PODS ...", |r| {
        match r.record {
            Record::K8sEvent(event) => text(K8S_COMPONENTS[event.kind as usize]),
            _ => Value::Absent,
        }
    }),
    attr("sf.ke.message", Type::Json, &[Kind::K8sEvent], "the event as the Kubernetes API gave it", |r| {
        match r.record {
            Record::K8sEvent(event) => said(&event.message),
            _ => Value::Absent,
        }
    }),
    attr("sf.meta.schema", Type::Int, &Kind::ALL, "version of the trace's schema", |r| {
        of(r.header, |h| Value::Int(h.version))
    }),
    attr("sf.meta.tracename", Type::Str, &Kind::ALL, "name of the trace file", |r| {
        of(r.header, |h| said(base_name(&h.filename)))
    }),
    attr("sf.net.dip", Type::Str, NET, "address of the server", |r| {
        get::addresses(r.record).map_or(Value::Absent, |[_, server]| owned(server))
    }),
    attr("sf.net.dport", Type::Int, NET, "port of the server", |r| {
        get::ports(r.record).map_or(Value::Absent, |ports| Value::Int(ports[2].into()))
    }),
    attr("sf.net.ip", Type::StrList, NET, "addresses of client and server", |r| {
        get::addresses(r.record).map_or(Value::Absent, |both| Value::StrList(both.map(Cow::Owned).to_vec()))
    }),
    attr("sf.net.port", Type::IntList, NET, "ports of client and server", |r| {
        get::ports(r.record)
            .map_or(Value::Absent, |[_, client, server]| Value::IntList(vec![client.into(), server.into()]))
    }),
    attr("sf.net.proto", Type::Int, NET, "protocol: 6 tcp, 17 udp, 1 icmp, 254 raw", |r| {
        get::ports(r.record).map_or(Value::Absent, |ports| known(ports[0].into()))
    }),
    attr("sf.net.sip", Type::Str, NET, "address of the client", |r| {
        get::addresses(r.record).map_or(Value::Absent, |[client, _]| owned(client))
    }),
    attr("sf.net.sport", Type::Int, NET, "port of the client", |r| {
        get::ports(r.record).map_or(Value::Absent, |ports| Value::Int(ports[1].into()))
    }),
    attr("sf.node.id", Type::Str, &Kind::ALL, "name of the node", |r| of(r.header, |h| said(&h.exporter))),
    attr("sf.node.ip", Type::Str, &Kind::ALL, "address of the node", |r| {
        of(r.header, |h| if h.ip == "NA" { Value::Absent } else { said(&h.ip) })
    }),
    attr("sf.opflags", Type::StrList, EVENTS, "operations: EXEC, OPEN, READ, SEND ...", |r| {
        match get::op_flags(r.record) {
            Some(flags) => texts(names::ops(flags, r.record.kind())),
            None => Value::Absent,
        }
    }),
    attr("sf.pf.nerrors", Type::Int, &[Kind::ProcessFlow], "clones that failed", |r| match r.record {
        Record::ProcessFlow(flow) => Value::Int(flow.num_clone_errors),
        _ => Value::Absent,
    }),
    attr("sf.pf.nexits", Type::Int, &[Kind::ProcessFlow], "threads ended", |r| match r.record {
        Record::ProcessFlow(flow) => Value::Int(flow.num_threads_exited),
        _ => Value::Absent,
    }),
    attr("sf.pf.nthreads", Type::Int, &[Kind::ProcessFlow], "threads started", |r| match r.record {
        Record::ProcessFlow(flow) => Value::Int(flow.num_threads_cloned),
        _ => Value::Absent,
    }),
    attr("sf.pod.hostip", Type::StrList, EVENTS, "addresses of the pod's node", |r| {
        of(r.pod, |p| {
            Value::StrList(
                p.host_ip.iter().map(|&ip| Cow::Owned(names::ipv4(ip as i32).to_string())).collect(),
            )
        })
    }),
    attr("sf.pod.id", Type::Str, EVENTS, "uid of the container's pod", |r| {
        of(r.container, |c| c.pod_id.as_deref().map_or(Value::Absent, said))
    }),
    attr("sf.pod.internalip", Type::StrList, EVENTS, "addresses of the pod", |r| {
        of(r.pod, |p| {
            Value::StrList(
                p.internal_ip.iter().map(|&ip| Cow::Owned(names::ipv4(ip as i32).to_string())).collect(),
            )
        })
    }),
    attr("sf.pod.name", Type::Str, EVENTS, "name of the pod", |r| of(r.pod, |p| said(&p.name))),
    attr("sf.pod.namespace", Type::Str, EVENTS, "namespace of the pod", |r| {
        of(r.pod, |p| said(&p.namespace))
    }),
    attr("sf.pod.nodename", Type::Str, EVENTS, "node of the pod", |r| of(r.pod, |p| said(&p.node_name))),
    attr("sf.pod.restartcnt", Type::Int, EVENTS, "how often the pod was restarted", |r| {
        of(r.pod, |p| Value::Int(p.restart_count))
    }),
    attr(
        "sf.pod.services",
        Type::Json,
        EVENTS,
        "services of the pod: [{id, name, namespace, clusterip[], ports[{port, targetport, nodeport, proto}]}]",
        |r| of(r.pod, |p| owned(pod_services(p))),
    ),
    attr("sf.pod.ts", Type::Int, EVENTS, "when the pod was seen, in ns since the epoch", |r| {
        of(r.pod, |p| Value::Int(p.ts))
    }),
    attr("sf.pproc.args", Type::Str, EVENTS, "arguments of the parent, without the first", |r| {
        of(r.parent, |p| text(p.exe_args.trim()))
    }),
    attr("sf.pproc.cmdline", Type::Str, EVENTS, "executable and arguments of the parent", |r| {
        of(r.parent, get::cmdline)
    }),
    attr(
        "sf.pproc.createts",
        Type::Int,
        EVENTS,
        "creation time of the parent in ns since the epoch, 0 when it is older than the recording",
        |r| int(r.parent_oid().map(|oid| oid.create_ts)),
    ),
    attr("sf.pproc.entry", Type::Bool, EVENTS, "whether the parent is the first of its pid namespace", |r| {
        of(r.parent, |p| Value::Bool(p.entry))
    }),
    attr("sf.pproc.exe", Type::Str, EVENTS, "path of the parent's executable", |r| of(r.parent, get::exe)),
    attr("sf.pproc.gid", Type::Int, EVENTS, "effective group id of the parent", |r| {
        of(r.parent, |p| get::user(p.gid))
    }),
    attr("sf.pproc.group", Type::Str, EVENTS, "name of the parent's group", |r| {
        of(r.parent, |p| said(&p.group_name))
    }),
    attr("sf.pproc.name", Type::Str, EVENTS, "last element of the path of the parent's executable", |r| {
        of(r.parent, get::name)
    }),
    attr(
        "sf.pproc.oid",
        Type::Str,
        EVENTS,
        "identity of the parent: hash of its pid and creation time",
        |r| r.parent_oid().map_or(Value::Absent, get::oid),
    ),
    attr("sf.pproc.pid", Type::Int, EVENTS, "pid of the parent on the host", |r| {
        int(r.parent_oid().map(|oid| oid.hpid))
    }),
    attr("sf.pproc.tty", Type::Bool, EVENTS, "whether the parent has a terminal", |r| {
        of(r.parent, |p| Value::Bool(p.tty))
    }),
    attr("sf.pproc.uid", Type::Int, EVENTS, "effective user id of the parent", |r| {
        of(r.parent, |p| get::user(p.uid))
    }),
    attr("sf.pproc.user", Type::Str, EVENTS, "name of the parent's user", |r| {
        of(r.parent, |p| said(&p.user_name))
    }),
    attr("sf.proc.acmdline", Type::StrList, EVENTS, "command lines of the process and its ancestors", |r| {
        get::ancestors(r, command_line)
    }),
    attr("sf.proc.aexe", Type::StrList, EVENTS, "executables of the process and its ancestors", |r| {
        get::ancestors(r, |p| Cow::Borrowed(p.exe.trim()))
    }),
    attr("sf.proc.aname", Type::StrList, EVENTS, "names of the process and its ancestors", |r| {
        get::ancestors(r, |p| Cow::Borrowed(base_name(p.exe.trim())))
    }),
    attr("sf.proc.apid", Type::IntList, EVENTS, "pids of the process and its ancestors", |r| {
        of(r.process, |_| Value::IntList(r.ancestors().map(|p| p.oid.hpid).collect()))
    }),
    attr("sf.proc.args", Type::Str, EVENTS, "arguments of the process, without the first", |r| {
        of(r.process, |p| text(p.exe_args.trim()))
    }),
    attr(
        "sf.proc.capeffective",
        Type::StrList,
        EVENTS,
        "effective capabilities, CAP_SYS_ADMIN ... (extended)",
        |r| extended(r.process, |p| texts(names::capabilities(p.cap_effective))),
    ),
    attr("sf.proc.cmdline", Type::Str, EVENTS, "executable and arguments of the process", |r| {
        of(r.process, get::cmdline)
    }),
    attr(
        "sf.proc.createts",
        Type::Int,
        EVENTS,
        "creation time of the process in ns since the epoch, 0 when it is older than the recording",
        |r| int(r.record.proc_oid().map(|oid| oid.create_ts)),
    ),
    attr("sf.proc.cwd", Type::Str, EVENTS, "working directory", |r| of(r.process, |p| said(&p.cwd))),
    attr("sf.proc.entry", Type::Bool, EVENTS, "whether the process is the first of its pid namespace", |r| {
        of(r.process, |p| Value::Bool(p.entry))
    }),
    attr(
        "sf.proc.env",
        Type::StrList,
        EVENTS,
        "environment, K=V each, as far as the collector is configured to record it",
        |r| of(r.process.filter(|p| !p.env.is_empty()), |p| list(&p.env)),
    ),
    attr("sf.proc.exe", Type::Str, EVENTS, "path of the process's executable", |r| of(r.process, get::exe)),
    attr(
        "sf.proc.exectime",
        Type::Int,
        EVENTS,
        "change time of the executable's inode in ns since the epoch (extended)",
        |r| of(r.process, |p| get::not_zero(p.exe_ctime)),
    ),
    attr(
        "sf.proc.exeflags",
        Type::StrList,
        EVENTS,
        "UPPER_LAYER (written in the container), MEMFD, WRITABLE, LOWER_LAYER (extended)",
        |r| extended(r.process, |p| texts(names::exe_flags(p.exe_flags))),
    ),
    attr("sf.proc.exeino", Type::Int, EVENTS, "inode of the executable (extended)", |r| {
        of(r.process, |p| get::not_zero(p.exe_ino))
    }),
    attr("sf.proc.gid", Type::Int, EVENTS, "effective group id of the process", |r| {
        of(r.process, |p| get::user(p.gid))
    }),
    attr("sf.proc.group", Type::Str, EVENTS, "name of the process's group", |r| {
        of(r.process, |p| said(&p.group_name))
    }),
    attr(
        "sf.proc.loginuid",
        Type::Int,
        EVENTS,
        "user who logged in, whoever they became since (extended)",
        |r| of(r.process, |p| known(p.loginuid)),
    ),
    attr("sf.proc.name", Type::Str, EVENTS, "last element of the path of the process's executable", |r| {
        of(r.process, get::name)
    }),
    attr(
        "sf.proc.oid",
        Type::Str,
        EVENTS,
        "identity of the process: hash of its pid and creation time",
        |r| r.record.proc_oid().map_or(Value::Absent, get::oid),
    ),
    attr("sf.proc.pid", Type::Int, EVENTS, "pid of the process on the host", |r| {
        int(r.record.proc_oid().map(|oid| oid.hpid))
    }),
    attr("sf.proc.sid", Type::Int, EVENTS, "session id (extended)", |r| of(r.process, |p| known(p.sid))),
    attr("sf.proc.tid", Type::Int, THREADED, "thread that acted", |r| int(get::tid(r.record))),
    attr("sf.proc.tty", Type::Bool, EVENTS, "whether the process has a terminal", |r| {
        of(r.process, |p| Value::Bool(p.tty))
    }),
    attr(
        "sf.proc.ttynr",
        Type::Int,
        EVENTS,
        "number of the controlling terminal, 0 for none (extended)",
        |r| extended(r.process, |p| Value::Int(p.tty_nr.into())),
    ),
    attr("sf.proc.uid", Type::Int, EVENTS, "effective user id of the process", |r| {
        of(r.process, |p| get::user(p.uid))
    }),
    attr("sf.proc.user", Type::Str, EVENTS, "name of the process's user", |r| {
        of(r.process, |p| said(&p.user_name))
    }),
    attr("sf.proc.vpid", Type::Int, EVENTS, "pid inside its own pid namespace (extended)", |r| {
        of(r.process, |p| known(p.vpid))
    }),
    attr(
        "sf.ret",
        Type::Int,
        RESULTS,
        "result of the system call, a negative error number if it failed",
        |r| int(get::ret(r.record)),
    ),
    attr("sf.ts", Type::Int, TIMED, "time of the event or start of the flow, in ns since the epoch", |r| {
        int(r.record.ts())
    }),
    attr("sf.type", Type::Str, &Kind::ALL, "kind of the record: PE NF FF FE PF KE, and NE C P F PD H", |r| {
        text(r.record.kind().as_str())
    }),
];
