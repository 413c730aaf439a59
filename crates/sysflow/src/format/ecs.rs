//! Elastic Common Schema 8.2, with the fields that SysFlow's exporter adds.

mod event;
mod network;

use xxhash_rust::xxh64::Xxh64;

use super::Judgement;
use super::json_writer::Json;
use super::pod::addresses;
use crate::attr::names::container_type;
use crate::attr::path::{base_name, command_line, directory, socket_parts};
use crate::entities::Joined;
use crate::id::Oid;
use crate::record::{K8sEvent, Pod, Process, Record, op};
use crate::time::Rfc3339;

const ECS_VERSION: &str = "8.2";

/// One record as a line of JSON.
pub fn ecs(r: &Joined<'_>, judgement: &Judgement<'_>) -> String {
    let mut json = Json::default();
    json.object(|json| {
        json.field("@timestamp", &time(r.record.ts().unwrap_or(0)));
        json.key("agent").object(|json| {
            json.field("type", "SysFlow");
            json.field("version", env!("CARGO_PKG_VERSION"));
        });
        json.key("ecs").object(|json| json.field("version", ECS_VERSION));
        json.key("event").object(|json| event::event(json, r.record, judgement));
        json.key("host").object(|json| {
            json.field("id", r.header.map_or("", |h| &h.exporter));
            json.field("ip", r.header.map_or("", |h| &h.ip));
        });
        container(json, r);
        match r.record {
            Record::K8sEvent(event) => orchestrator_of_event(json, event),
            _ => r.pod.into_iter().for_each(|pod| of_pod(json, pod)),
        }
        file(json, r);
        if let Record::NetworkFlow(flow) = r.record {
            network::network(json, flow);
        }
        processes(json, r);
        if !judgement.tags.is_empty() {
            json.strings("tags", judgement.tags);
        }
    });
    json.into_string()
}

/// Id of the document: the same record has the same id, so that sending it twice stores it once.
pub fn document_id(r: &Joined<'_>) -> String {
    let mut hash = Xxh64::new(0);
    hash.update(r.header.map_or("", |h| &h.exporter).as_bytes());
    hash.update(r.container.map_or("", |c| &c.id).as_bytes());
    let oid = r.record.proc_oid().unwrap_or_default();
    let (tid, op_flags) = event::actor(r.record);
    let mut numbers = |numbers: &[i64]| numbers.iter().for_each(|n| hash.update(&n.to_le_bytes()));
    numbers(&[r.record.ts().unwrap_or(0), tid, oid.create_ts, op_flags.into()]);
    match r.record {
        Record::FileFlow(flow) => hash.update(flow.file_oid.to_string().as_bytes()),
        Record::FileEvent(event) => hash.update(event.file_oid.to_string().as_bytes()),
        Record::NetworkFlow(flow) => {
            numbers(&[flow.sip, flow.sport, flow.dip, flow.dport, flow.proto].map(i64::from));
            // IPv6 flows have 0 for both addresses there.
            [flow.sip6, flow.dip6].into_iter().flatten().for_each(|address| hash.update(&address));
        }
        Record::K8sEvent(event) => {
            numbers(&[event.action as i64, event.kind as i64]);
            hash.update(event.message.as_bytes());
        }
        _ => {}
    }
    format!("{:016x}", hash.digest())
}

fn time(ts: i64) -> String {
    Rfc3339(ts).to_string()
}

// === where it was ===

fn container(json: &mut Json, r: &Joined<'_>) {
    let Some(c) = r.container else { return };
    json.key("container").object(|json| {
        json.field("id", &c.id);
        json.key("image").object(|json| {
            json.field("id", &c.imageid);
            json.field("name", &c.image);
        });
        json.field("name", &c.name);
        json.field("runtime", container_type(c.container_type));
        json.truth("sf_privileged", c.privileged);
    });
}

fn orchestrator(json: &mut Json, namespace: &str, name: &str, kind: &str) {
    json.key("orchestrator").object(|json| {
        json.field("namespace", namespace);
        json.key("resource").object(|json| {
            json.field("name", name);
            json.field("type", kind);
        });
        json.field("type", "kubernetes");
    });
}

fn orchestrator_of_event(json: &mut Json, event: &K8sEvent) {
    // Falco's libraries end the text with a newline and a zero.
    let message = event.message.trim_end_matches(['\0', '\n', ' ']);
    let message: serde_json::Value = serde_json::from_str(message).unwrap_or_default();
    let text = |pointer| message.pointer(pointer).and_then(|value| value.as_str()).unwrap_or_default();
    orchestrator(json, text("/items/0/namespace"), text("/items/0/name"), &text("/kind").to_lowercase());
}

fn of_pod(json: &mut Json, pod: &Pod) {
    orchestrator(json, &pod.namespace, &pod.name, "pod");
    json.key("pod").object(|json| {
        json.strings("hostip", addresses(&pod.host_ip));
        json.field("id", &pod.id);
        json.strings("internalip", addresses(&pod.internal_ip));
        json.field("name", &pod.name);
        json.field("namespace", &pod.namespace);
        json.field("nodename", &pod.node_name);
        json.number("restartcnt", pod.restart_count);
        json.field("ts", &time(pod.ts));
    });
    if pod.services.is_empty() {
        return;
    }
    json.key("service").array(|json| {
        for service in &pod.services {
            json.object(|json| {
                json.strings("clusterip", addresses(&service.cluster_ip));
                json.field("id", &service.id);
                json.field("name", &service.name);
                json.field("namespace", &service.namespace);
                json.key("ports").array(|json| {
                    for port in &service.port_list {
                        json.object(|json| {
                            json.number("nodeport", port.node_port);
                            json.number("port", port.port);
                            json.field("proto", &port.proto);
                            json.number("targetport", port.target_port);
                        });
                    }
                });
            });
        }
    });
}

// === what it was done to ===

fn file(json: &mut Json, r: &Joined<'_>) {
    let (pid, fd, op_flags) = match r.record {
        Record::FileFlow(flow) => (flow.proc_oid.hpid, flow.fd, flow.op_flags),
        Record::FileEvent(event) => (event.proc_oid.hpid, 0, event.op_flags),
        _ => return,
    };
    let file_type = match r.file.and_then(|file| u8::try_from(file.restype).ok()) {
        _ if op_flags & op::SYMLINK != 0 => "symlink",
        Some(b'f') => "file",
        Some(b'd') => "dir",
        Some(b'u') => "socket",
        Some(b'p') => "pipe",
        _ => "unknown",
    };
    let descriptor = format!("/proc/{pid}/fd/{fd}");
    let path = match r.file.map_or("", |file| socket_parts(file).1) {
        "" => &descriptor,
        path => path,
    };
    let target = r.new_file.map(|file| socket_parts(file).1);
    json.key("file").object(|json| {
        if file_type == "dir" {
            json.field("directory", path);
        } else {
            let name = base_name(path);
            json.field("directory", &directory(path));
            json.field("name", name);
            if path != name {
                json.field("path", path);
            }
        }
        if let Some(target) = target {
            json.field("target_path", target);
        }
        json.field("type", file_type);
    });
    let Record::FileFlow(flow) = r.record else { return };
    let counters = [
        ("bytes_read", flow.num_rrecv_bytes),
        ("bytes_written", flow.num_wsend_bytes),
        ("read_ops", flow.num_rrecv_ops),
        ("write_ops", flow.num_wsend_ops),
    ];
    if counters.iter().any(|(_, count)| *count > 0) {
        json.key("sf_file_action")
            .object(|json| counters.iter().for_each(|(key, count)| json.number(key, *count)));
    }
}

// === who did it ===

fn processes(json: &mut Json, r: &Joined<'_>) {
    let Some(oid) = r.record.proc_oid() else { return };
    let unknown = Process::default();
    let p = r.process.unwrap_or(&unknown);
    json.key("process").object(|json| {
        described(json, p);
        if let Some(parent_oid) = r.parent_oid().filter(|oid| oid.hpid != 0) {
            json.key("parent").object(|json| {
                r.parent.into_iter().for_each(|parent| described(json, parent));
                started(json, parent_oid);
            });
        }
        started(json, oid);
        json.key("thread").object(|json| json.number("id", event::actor(r.record).0));
    });
    json.key("user").object(|json| {
        json.key("group").object(|json| {
            json.number("id", p.gid);
            named(json, &p.group_name);
        });
        json.number("id", p.uid);
        named(json, &p.user_name);
    });
}

fn named(json: &mut Json, name: &str) {
    if !name.is_empty() {
        json.field("name", name);
    }
}

fn described(json: &mut Json, p: &Process) {
    json.field("args", p.exe_args.trim());
    json.field("command_line", &command_line(p));
    json.field("executable", p.exe.trim());
    json.field("name", base_name(p.exe.trim()));
}

fn started(json: &mut Json, oid: Oid) {
    json.number("pid", oid.hpid);
    json.field("start", &time(oid.create_ts));
}
