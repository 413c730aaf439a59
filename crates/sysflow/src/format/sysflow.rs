//! SysFlow's own JSON, version 5 of its layout.
//!
//! Every key of the layout is there for every record of a section, whether or not it applies, as consumers of the
//! original expect. What the layout does not have (graph, argument of a file event, number of opens, threads) is
//! added only where the trace says it.

use super::Judgement;
use super::json_writer::Json;
use super::pod::pod_section;
use crate::attr::names::{self, endpoints};
use crate::attr::path::{base_name, command_line, directory, file_type, socket_parts};
use crate::entities::Joined;
use crate::id::{Foid, Oid};
use crate::record::{FileEvent, FileFlow, Process, Record, open_flags};
use crate::schema::{K8S_ACTIONS, K8S_COMPONENTS};

/// Version of the layout.
const VERSION: i64 = 5;

/// One record as a line of JSON.
pub fn json(r: &Joined<'_>, judgement: &Judgement<'_>) -> String {
    let mut json = Json::default();
    json.object(|json| {
        let facts = Facts::of(r.record);
        json.number("version", VERSION);
        json.number("endts", facts.end_ts);
        json.strings("opflags", names::ops(facts.op_flags, r.record.kind()));
        json.number("ret", facts.ret);
        json.number("ts", r.record.ts().unwrap_or(0));
        json.field("type", r.record.kind().as_str());
        container(json, r);
        match r.record {
            Record::FileFlow(flow) => file_of_flow(json, r, flow),
            Record::FileEvent(event) => file_of_event(json, r, event),
            _ => {}
        }
        flow(json, r.record);
        graph(json, r);
        k8s(json, r.record);
        node(json, r, |json| net(json, r.record));
        if let Some(pod) = r.pod {
            json.key("pod").object(|json| pod_section(json, pod));
        }
        processes(json, r, facts.tid);
        judged(json, judgement);
    });
    json.into_string()
}

/// What stands at the top of every record, 0 where a kind does not have it.
struct Facts {
    end_ts: i64,
    op_flags: i32,
    ret: i32,
    tid: i64,
}

impl Facts {
    fn of(record: &Record) -> Self {
        let facts = |end_ts, op_flags, ret, tid| Self { end_ts, op_flags, ret, tid };
        match record {
            Record::ProcessEvent(r) => facts(0, r.op_flags, r.ret, r.tid),
            Record::FileEvent(r) => facts(0, r.op_flags, r.ret, r.tid),
            Record::NetworkEvent(r) => facts(0, r.op_flags, r.ret, r.tid),
            Record::NetworkFlow(r) => facts(r.end_ts, r.op_flags, 0, r.tid),
            Record::FileFlow(r) => facts(r.end_ts, r.op_flags, 0, r.tid),
            Record::ProcessFlow(r) => facts(r.end_ts, r.op_flags, 0, 0),
            Record::K8sEvent(r) => facts(r.ts, 0, 0, 0),
            _ => facts(0, 0, 0, 0),
        }
    }
}

fn container(json: &mut Json, r: &Joined<'_>) {
    let Some(c) = r.container else { return };
    json.key("container").object(|json| {
        json.field("id", &c.id);
        json.field("image", &c.image);
        json.field("imageid", &c.imageid);
        json.field("name", &c.name);
        json.number("privileged", i32::from(c.privileged));
        json.field("type", names::container_type(c.container_type));
    });
}

// === files ===

/// A file as the layout has it.
struct FileParts<'a> {
    directory: std::borrow::Cow<'a, str>,
    name: &'a str,
    path: &'a str,
    symlink: &'a str,
    file_type: String,
}

fn parts(file: Option<&crate::record::File>) -> FileParts<'_> {
    let (symlink, path) = file.map_or(("", ""), socket_parts);
    FileParts {
        directory: directory(path),
        name: match base_name(path) {
            "" => ".",
            name => name,
        },
        path,
        symlink,
        file_type: file.and_then(file_type).map(String::from).unwrap_or_default(),
    }
}

fn file_of_flow(json: &mut Json, r: &Joined<'_>, flow: &FileFlow) {
    file(json, r, flow.fd, flow.open_flags, flow.file_oid, None, "");
}

fn file_of_event(json: &mut Json, r: &Joined<'_>, event: &FileEvent) {
    file(json, r, 0, 0, event.file_oid, event.new_file_oid, &event.arg);
}

fn file(json: &mut Json, r: &Joined<'_>, fd: i32, flags: i32, oid: Foid, new_oid: Option<Foid>, arg: &str) {
    let (old, new) = (parts(r.file), parts(r.new_file));
    json.key("file").object(|json| {
        if !arg.is_empty() {
            json.field("arg", arg);
        }
        json.field("directory", &old.directory);
        json.number("fd", fd);
        json.truth("is_open_read", flags & open_flags::RDONLY != 0);
        json.truth("is_open_write", flags & open_flags::WRONLY != 0);
        json.field("name", old.name);
        json.field("newdirectory", &new.directory);
        json.field("newname", new.name);
        json.field("newoid", &new_oid.map(|oid| oid.to_string()).unwrap_or_default());
        json.field("newpath", new.path);
        json.field("newsymlink", new.symlink);
        json.field("oid", &oid.to_string());
        json.strings("openflags", names::open_flags(flags));
        json.field("path", old.path);
        json.field("symlink", old.symlink);
        json.field("type", &old.file_type);
    });
}

// === flows ===

fn flow(json: &mut Json, record: &Record) {
    let (opens, [rbytes, rops, wbytes, wops]) = match record {
        Record::FileFlow(r) => {
            (r.num_opens, [r.num_rrecv_bytes, r.num_rrecv_ops, r.num_wsend_bytes, r.num_wsend_ops])
        }
        Record::NetworkFlow(r) => {
            (1, [r.num_rrecv_bytes, r.num_rrecv_ops, r.num_wsend_bytes, r.num_wsend_ops])
        }
        Record::ProcessFlow(r) => {
            return json.key("pf").object(|json| {
                json.number("nerrors", r.num_clone_errors);
                json.number("nexits", r.num_threads_exited);
                json.number("nthreads", r.num_threads_cloned);
            });
        }
        _ => return,
    };
    json.key("flow").object(|json| {
        if opens != 1 {
            json.number("opens", opens);
        }
        json.number("rbytes", rbytes);
        json.number("rops", rops);
        json.number("wbytes", wbytes);
        json.number("wops", wops);
    });
}

fn net(json: &mut Json, record: &Record) {
    let (proto, sport, dport, (sip, dip)) = match record {
        Record::NetworkFlow(r) => (r.proto, r.sport, r.dport, endpoints(r)),
        Record::NetworkEvent(r) => {
            (r.proto, r.sport, r.dport, (names::ipv4(r.sip).to_string(), names::ipv4(r.dip).to_string()))
        }
        _ => return,
    };
    json.key("net").object(|json| {
        json.field("dip", &dip);
        json.number("dport", dport);
        json.strings("ip", [&sip, &dip]);
        json.key("port").array(|json| [sport, dport].into_iter().for_each(|port| json.plain(port)));
        json.number("proto", proto);
        json.field("sip", &sip);
        json.number("sport", sport);
    });
}

// === where it was ===

fn graph(json: &mut Json, r: &Joined<'_>) {
    let Some(graph) = r.graph().filter(|graph| !graph.derived) else { return };
    json.key("graph").object(|json| {
        json.field("id", &graph.id.to_string());
        if let Some(parent) = graph.parent {
            json.field("parent", &parent.to_string());
        }
    });
}

fn k8s(json: &mut Json, record: &Record) {
    let Record::K8sEvent(event) = record else { return };
    json.key("k8s").object(|json| {
        json.field("action", K8S_ACTIONS[event.action as usize]);
        json.field("kind", K8S_COMPONENTS[event.kind as usize]);
        json.field("message", &event.message);
    });
}

/// Trace and node, with the network section between them, where the layout has it.
fn node(json: &mut Json, r: &Joined<'_>, between: impl FnOnce(&mut Json)) {
    json.key("meta").object(|json| {
        json.number("schema", r.header.map_or(0, |h| h.version));
        json.field("tracename", r.header.map_or("", |h| base_name(&h.filename)));
    });
    between(json);
    json.key("node").object(|json| {
        json.field("id", r.header.map_or("", |h| &h.exporter));
        json.field("ip", r.header.map_or("", |h| &h.ip));
    });
}

// === processes ===

fn processes(json: &mut Json, r: &Joined<'_>, tid: i64) {
    let Some(oid) = r.record.proc_oid() else { return };
    if let Some(parent_oid) = r.parent_oid().filter(|oid| oid.hpid != 0) {
        json.key("pproc").object(|json| process(json, r.parent, parent_oid, None));
    }
    json.key("proc").object(|json| {
        json.strings("acmdline", r.ancestors().map(command_line));
        json.strings("aexe", r.ancestors().map(|p| p.exe.trim()));
        json.strings("aname", r.ancestors().map(|p| base_name(p.exe.trim())));
        json.key("apid").array(|json| r.ancestors().for_each(|p| json.plain(p.oid.hpid)));
        process(json, r.process, oid, Some(tid));
    });
}

fn process(json: &mut Json, process: Option<&Process>, oid: Oid, tid: Option<i64>) {
    let unknown = Process::default();
    let p = process.unwrap_or(&unknown);
    json.field("args", p.exe_args.trim());
    json.field("cmdline", &command_line(p));
    json.number("createts", oid.create_ts);
    json.truth("entry", p.entry);
    json.field("exe", p.exe.trim());
    json.number("gid", p.gid);
    json.field("group", &p.group_name);
    json.field("name", base_name(p.exe.trim()));
    json.field("oid", &format!("{:016x}", oid.hash64()));
    json.number("pid", oid.hpid);
    if let Some(tid) = tid {
        json.number("tid", tid);
    }
    json.truth("tty", p.tty);
    json.number("uid", p.uid);
    json.field("user", &p.user_name);
}

fn judged(json: &mut Json, judgement: &Judgement<'_>) {
    if !judgement.policies.is_empty() {
        json.key("policies").array(|json| {
            for policy in judgement.policies {
                json.object(|json| {
                    json.field("id", policy.id);
                    json.field("desc", policy.desc);
                    json.number("priority", policy.priority);
                });
            }
        });
    }
    if !judgement.tags.is_empty() {
        json.strings("tags", judgement.tags);
    }
}
