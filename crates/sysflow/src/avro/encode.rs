//! Records to bytes.

use crate::id::{Foid, Oid};
use crate::record::{
    Container, File, FileEvent, FileFlow, Header, K8sEvent, NetworkEvent, NetworkFlow, Pod, Port, Process,
    ProcessEvent, ProcessFlow, Record, Service,
};
use crate::schema::Schema;

/// Appends `record` to `out` as one datum of `schema`, fields that the schema lacks left out.
pub fn encode(schema: Schema, record: &Record, out: &mut Vec<u8>) {
    let extended = schema == Schema::Extended;
    out.push((record.kind() as u8) << 1);
    match record {
        Record::Header(r) => header(r, extended, out),
        Record::Container(r) => container(r, out),
        Record::Process(r) => process(r, extended, out),
        Record::File(r) => file(r, out),
        Record::ProcessEvent(r) => process_event(r, out),
        Record::NetworkFlow(r) => network_flow(r, extended, out),
        Record::FileFlow(r) => file_flow(r, extended, out),
        Record::FileEvent(r) => file_event(r, extended, out),
        Record::NetworkEvent(r) => network_event(r, out),
        Record::ProcessFlow(r) => process_flow(r, out),
        Record::Pod(r) => pod(r, out),
        Record::K8sEvent(r) => k8s_event(r, out),
    }
}

// === the records, in the order of the schema's fields ===

fn header(r: &Header, extended: bool, out: &mut Vec<u8>) {
    long(r.version, out);
    string(&r.exporter, out);
    string(&r.ip, out);
    string(&r.filename, out);
    if extended {
        long(r.lost.events, out);
        long(r.lost.records, out);
        long(r.lost.from, out);
        long(r.lost.to, out);
        string(&r.lost.cause, out);
    }
}

fn container(r: &Container, out: &mut Vec<u8>) {
    string(&r.id, out);
    string(&r.name, out);
    string(&r.image, out);
    string(&r.imageid, out);
    long(r.container_type as i64, out);
    boolean(r.privileged, out);
    optional_string(r.pod_id.as_deref(), out);
}

fn process(r: &Process, extended: bool, out: &mut Vec<u8>) {
    long(r.state as i64, out);
    oid(r.oid, out);
    match r.poid {
        None => null(out),
        Some(poid) => {
            some(out);
            oid(poid, out);
        }
    }
    long(r.ts, out);
    string(&r.exe, out);
    string(&r.exe_args, out);
    int(r.uid, out);
    string(&r.user_name, out);
    int(r.gid, out);
    string(&r.group_name, out);
    boolean(r.tty, out);
    optional_string(r.container_id.as_deref(), out);
    boolean(r.entry, out);
    string(&r.cwd, out);
    array(&r.env, out, |text, out| string(text, out));
    if extended {
        string(&r.graph_id, out);
        string(&r.parent_graph_id, out);
        long(r.sid, out);
        long(r.vpid, out);
        long(r.loginuid, out);
        int(r.tty_nr, out);
        long(r.cap_effective, out);
        int(r.exe_flags, out);
        long(r.exe_ino, out);
        long(r.exe_ctime, out);
    }
}

fn file(r: &File, out: &mut Vec<u8>) {
    long(r.state as i64, out);
    foid(r.oid, out);
    long(r.ts, out);
    int(r.restype, out);
    string(&r.path, out);
    optional_string(r.container_id.as_deref(), out);
}

fn process_event(r: &ProcessEvent, out: &mut Vec<u8>) {
    oid(r.proc_oid, out);
    long(r.ts, out);
    long(r.tid, out);
    int(r.op_flags, out);
    array(&r.args, out, |text, out| string(text, out));
    int(r.ret, out);
}

fn network_flow(r: &NetworkFlow, extended: bool, out: &mut Vec<u8>) {
    oid(r.proc_oid, out);
    long(r.ts, out);
    long(r.tid, out);
    int(r.op_flags, out);
    long(r.end_ts, out);
    int(r.sip, out);
    int(r.sport, out);
    int(r.dip, out);
    int(r.dport, out);
    int(r.proto, out);
    int(r.fd, out);
    long(r.num_rrecv_ops, out);
    long(r.num_wsend_ops, out);
    long(r.num_rrecv_bytes, out);
    long(r.num_wsend_bytes, out);
    if extended {
        optional_fixed(r.sip6.as_ref(), out);
        optional_fixed(r.dip6.as_ref(), out);
    }
}

fn file_flow(r: &FileFlow, extended: bool, out: &mut Vec<u8>) {
    oid(r.proc_oid, out);
    long(r.ts, out);
    long(r.tid, out);
    int(r.op_flags, out);
    int(r.open_flags, out);
    long(r.end_ts, out);
    foid(r.file_oid, out);
    int(r.fd, out);
    long(r.num_rrecv_ops, out);
    long(r.num_wsend_ops, out);
    long(r.num_rrecv_bytes, out);
    long(r.num_wsend_bytes, out);
    if extended {
        long(r.num_opens, out);
    }
}

fn file_event(r: &FileEvent, extended: bool, out: &mut Vec<u8>) {
    oid(r.proc_oid, out);
    long(r.ts, out);
    long(r.tid, out);
    int(r.op_flags, out);
    foid(r.file_oid, out);
    int(r.ret, out);
    optional_fixed(r.new_file_oid.as_ref().map(|oid| &oid.0), out);
    if extended {
        string(&r.arg, out);
    }
}

fn network_event(r: &NetworkEvent, out: &mut Vec<u8>) {
    oid(r.proc_oid, out);
    long(r.ts, out);
    long(r.tid, out);
    int(r.op_flags, out);
    int(r.sip, out);
    int(r.sport, out);
    int(r.dip, out);
    int(r.dport, out);
    int(r.proto, out);
    int(r.ret, out);
}

fn process_flow(r: &ProcessFlow, out: &mut Vec<u8>) {
    oid(r.proc_oid, out);
    long(r.ts, out);
    long(r.num_threads_cloned, out);
    int(r.op_flags, out);
    long(r.end_ts, out);
    long(r.num_threads_exited, out);
    long(r.num_clone_errors, out);
}

fn pod(r: &Pod, out: &mut Vec<u8>) {
    long(r.ts, out);
    string(&r.id, out);
    string(&r.name, out);
    string(&r.node_name, out);
    array(&r.host_ip, out, |&ip, out| long(ip, out));
    array(&r.internal_ip, out, |&ip, out| long(ip, out));
    string(&r.namespace, out);
    long(r.restart_count, out);
    for map in [&r.labels, &r.selectors] {
        items(map.len(), map.iter(), out, |(key, value), out| {
            string(key, out);
            string(value, out);
        });
    }
    array(&r.services, out, service);
}

fn service(r: &Service, out: &mut Vec<u8>) {
    string(&r.name, out);
    string(&r.id, out);
    string(&r.namespace, out);
    array(&r.port_list, out, port);
    array(&r.cluster_ip, out, |&ip, out| long(ip, out));
}

fn port(r: &Port, out: &mut Vec<u8>) {
    int(r.port, out);
    int(r.target_port, out);
    int(r.node_port, out);
    string(&r.proto, out);
}

fn k8s_event(r: &K8sEvent, out: &mut Vec<u8>) {
    long(r.kind as i64, out);
    long(r.action as i64, out);
    long(r.ts, out);
    string(&r.message, out);
}

// === Avro's types ===

/// Zig-zag variable-length number.
pub(crate) fn long(value: i64, out: &mut Vec<u8>) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    if rest < 0x80 {
        return out.push(rest as u8);
    }
    let mut bytes = [0; 10];
    let mut last = 0;
    while rest >= 0x80 {
        bytes[last] = rest as u8 | 0x80;
        rest >>= 7;
        last += 1;
    }
    bytes[last] = rest as u8;
    out.extend_from_slice(&bytes[..=last]);
}

fn int(value: i32, out: &mut Vec<u8>) {
    long(value.into(), out);
}

fn boolean(value: bool, out: &mut Vec<u8>) {
    out.push(value.into());
}

fn string(text: &str, out: &mut Vec<u8>) {
    long(text.len() as i64, out);
    out.extend_from_slice(text.as_bytes());
}

fn oid(oid: Oid, out: &mut Vec<u8>) {
    long(oid.create_ts, out);
    long(oid.hpid, out);
}

fn foid(oid: Foid, out: &mut Vec<u8>) {
    out.extend_from_slice(&oid.0);
}

/// Branch 0 of an optional value.
fn null(out: &mut Vec<u8>) {
    out.push(0);
}

/// Branch 1 of an optional value, which must follow.
fn some(out: &mut Vec<u8>) {
    out.push(2);
}

fn optional_string(text: Option<&str>, out: &mut Vec<u8>) {
    let Some(text) = text else { return null(out) };
    some(out);
    string(text, out);
}

fn optional_fixed<const N: usize>(bytes: Option<&[u8; N]>, out: &mut Vec<u8>) {
    let Some(bytes) = bytes else { return null(out) };
    some(out);
    out.extend_from_slice(bytes);
}

fn array<T>(values: &[T], out: &mut Vec<u8>, item: impl Fn(&T, &mut Vec<u8>)) {
    items(values.len(), values.iter(), out, item);
}

fn items<T>(
    count: usize,
    values: impl Iterator<Item = T>,
    out: &mut Vec<u8>,
    item: impl Fn(T, &mut Vec<u8>),
) {
    if count > 0 {
        long(count as i64, out);
        values.for_each(|value| item(value, out));
    }
    out.push(0);
}
