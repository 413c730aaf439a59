//! Records as values of the crate `apache-avro`, written down from the schema and not from our codec.

use apache_avro::types::Value;
use sysflow::record::*;
use sysflow::{Foid, Oid, Record, Schema};

fn string(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn strings(texts: &[String]) -> Value {
    Value::Array(texts.iter().map(|text| string(text)).collect())
}

fn longs(numbers: &[i64]) -> Value {
    Value::Array(numbers.iter().map(|&n| Value::Long(n)).collect())
}

fn optional(value: Option<Value>) -> Value {
    match value {
        None => Value::Union(0, Box::new(Value::Null)),
        Some(value) => Value::Union(1, Box::new(value)),
    }
}

fn record(fields: Vec<(&str, Value)>) -> Value {
    Value::Record(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn oid(oid: Oid) -> Value {
    record(vec![("createTS", Value::Long(oid.create_ts)), ("hpid", Value::Long(oid.hpid))])
}

fn foid(oid: Foid) -> Value {
    Value::Fixed(20, oid.0.to_vec())
}

fn ipv6(address: Option<[u8; 16]>) -> Value {
    optional(address.map(|bytes| Value::Fixed(16, bytes.to_vec())))
}

const STATES: [&str; 3] = ["CREATED", "MODIFIED", "REUP"];
const CONTAINERS: [&str; 10] = [
    "CT_DOCKER",
    "CT_LXC",
    "CT_LIBVIRT_LXC",
    "CT_MESOS",
    "CT_RKT",
    "CT_CUSTOM",
    "CT_CRI",
    "CT_CONTAINERD",
    "CT_CRIO",
    "CT_BPM",
];
const COMPONENTS: [&str; 10] = [
    "K8S_NODES",
    "K8S_NAMESPACES",
    "K8S_PODS",
    "K8S_REPLICATIONCONTROLLERS",
    "K8S_SERVICES",
    "K8S_EVENTS",
    "K8S_REPLICASETS",
    "K8S_DAEMONSETS",
    "K8S_DEPLOYMENTS",
    "K8S_UNKNOWN",
];
const ACTIONS: [&str; 6] = [
    "K8S_COMPONENT_ADDED",
    "K8S_COMPONENT_MODIFIED",
    "K8S_COMPONENT_DELETED",
    "K8S_COMPONENT_ERROR",
    "K8S_COMPONENT_NONEXISTENT",
    "K8S_COMPONENT_UNKNOWN",
];

fn symbol(symbols: &[&str], index: usize) -> Value {
    Value::Enum(index as u32, symbols[index].to_owned())
}

/// The datum of `rec` as the schema has it.
pub(crate) fn value(schema: Schema, rec: &Record) -> Value {
    let (branch, mut fields, extended) = match rec {
        Record::Header(r) => (0, header(r), lost(&r.lost)),
        Record::Container(r) => (1, container(r), vec![]),
        Record::Process(r) => (2, process(r), process_extended(r)),
        Record::File(r) => (3, file(r), vec![]),
        Record::ProcessEvent(r) => (4, process_event(r), vec![]),
        Record::NetworkFlow(r) => (5, network_flow(r), vec![("sip6", ipv6(r.sip6)), ("dip6", ipv6(r.dip6))]),
        Record::FileFlow(r) => (6, file_flow(r), vec![("numOpens", Value::Long(r.num_opens))]),
        Record::FileEvent(r) => (7, file_event(r), vec![("arg", string(&r.arg))]),
        Record::NetworkEvent(r) => (8, network_event(r), vec![]),
        Record::ProcessFlow(r) => (9, process_flow(r), vec![]),
        Record::Pod(r) => (10, pod(r), vec![]),
        Record::K8sEvent(r) => (11, k8s_event(r), vec![]),
    };
    if schema == Schema::Extended {
        fields.extend(extended);
    }
    record(vec![("rec", Value::Union(branch, Box::new(record(fields))))])
}

type Fields = Vec<(&'static str, Value)>;

fn header(r: &Header) -> Fields {
    vec![
        ("version", Value::Long(r.version)),
        ("exporter", string(&r.exporter)),
        ("ip", string(&r.ip)),
        ("filename", string(&r.filename)),
    ]
}

fn lost(lost: &Loss) -> Fields {
    vec![
        ("lostEvents", Value::Long(lost.events)),
        ("lostRecords", Value::Long(lost.records)),
        ("lostFrom", Value::Long(lost.from)),
        ("lostTo", Value::Long(lost.to)),
        ("lostCause", string(&lost.cause)),
    ]
}

fn container(r: &Container) -> Fields {
    vec![
        ("id", string(&r.id)),
        ("name", string(&r.name)),
        ("image", string(&r.image)),
        ("imageid", string(&r.imageid)),
        ("type", symbol(&CONTAINERS, r.container_type as usize)),
        ("privileged", Value::Boolean(r.privileged)),
        ("podId", optional(r.pod_id.as_deref().map(string))),
    ]
}

fn process(r: &Process) -> Fields {
    vec![
        ("state", symbol(&STATES, r.state as usize)),
        ("oid", oid(r.oid)),
        ("poid", optional(r.poid.map(oid))),
        ("ts", Value::Long(r.ts)),
        ("exe", string(&r.exe)),
        ("exeArgs", string(&r.exe_args)),
        ("uid", Value::Int(r.uid)),
        ("userName", string(&r.user_name)),
        ("gid", Value::Int(r.gid)),
        ("groupName", string(&r.group_name)),
        ("tty", Value::Boolean(r.tty)),
        ("containerId", optional(r.container_id.as_deref().map(string))),
        ("entry", Value::Boolean(r.entry)),
        ("cwd", string(&r.cwd)),
        ("env", strings(&r.env)),
    ]
}

fn process_extended(r: &Process) -> Fields {
    vec![
        ("graphId", string(&r.graph_id)),
        ("parentGraphId", string(&r.parent_graph_id)),
        ("sid", Value::Long(r.sid)),
        ("vpid", Value::Long(r.vpid)),
        ("loginuid", Value::Long(r.loginuid)),
        ("ttyNr", Value::Int(r.tty_nr)),
        ("capEffective", Value::Long(r.cap_effective)),
        ("exeFlags", Value::Int(r.exe_flags)),
        ("exeIno", Value::Long(r.exe_ino)),
        ("exeCtime", Value::Long(r.exe_ctime)),
    ]
}

fn file(r: &File) -> Fields {
    vec![
        ("state", symbol(&STATES, r.state as usize)),
        ("oid", foid(r.oid)),
        ("ts", Value::Long(r.ts)),
        ("restype", Value::Int(r.restype)),
        ("path", string(&r.path)),
        ("containerId", optional(r.container_id.as_deref().map(string))),
    ]
}

fn process_event(r: &ProcessEvent) -> Fields {
    vec![
        ("procOID", oid(r.proc_oid)),
        ("ts", Value::Long(r.ts)),
        ("tid", Value::Long(r.tid)),
        ("opFlags", Value::Int(r.op_flags)),
        ("args", strings(&r.args)),
        ("ret", Value::Int(r.ret)),
    ]
}

fn network_flow(r: &NetworkFlow) -> Fields {
    vec![
        ("procOID", oid(r.proc_oid)),
        ("ts", Value::Long(r.ts)),
        ("tid", Value::Long(r.tid)),
        ("opFlags", Value::Int(r.op_flags)),
        ("endTs", Value::Long(r.end_ts)),
        ("sip", Value::Int(r.sip)),
        ("sport", Value::Int(r.sport)),
        ("dip", Value::Int(r.dip)),
        ("dport", Value::Int(r.dport)),
        ("proto", Value::Int(r.proto)),
        ("fd", Value::Int(r.fd)),
        ("numRRecvOps", Value::Long(r.num_rrecv_ops)),
        ("numWSendOps", Value::Long(r.num_wsend_ops)),
        ("numRRecvBytes", Value::Long(r.num_rrecv_bytes)),
        ("numWSendBytes", Value::Long(r.num_wsend_bytes)),
    ]
}

fn file_flow(r: &FileFlow) -> Fields {
    vec![
        ("procOID", oid(r.proc_oid)),
        ("ts", Value::Long(r.ts)),
        ("tid", Value::Long(r.tid)),
        ("opFlags", Value::Int(r.op_flags)),
        ("openFlags", Value::Int(r.open_flags)),
        ("endTs", Value::Long(r.end_ts)),
        ("fileOID", foid(r.file_oid)),
        ("fd", Value::Int(r.fd)),
        ("numRRecvOps", Value::Long(r.num_rrecv_ops)),
        ("numWSendOps", Value::Long(r.num_wsend_ops)),
        ("numRRecvBytes", Value::Long(r.num_rrecv_bytes)),
        ("numWSendBytes", Value::Long(r.num_wsend_bytes)),
    ]
}

fn file_event(r: &FileEvent) -> Fields {
    vec![
        ("procOID", oid(r.proc_oid)),
        ("ts", Value::Long(r.ts)),
        ("tid", Value::Long(r.tid)),
        ("opFlags", Value::Int(r.op_flags)),
        ("fileOID", foid(r.file_oid)),
        ("ret", Value::Int(r.ret)),
        ("newFileOID", optional(r.new_file_oid.map(foid))),
    ]
}

fn network_event(r: &NetworkEvent) -> Fields {
    vec![
        ("procOID", oid(r.proc_oid)),
        ("ts", Value::Long(r.ts)),
        ("tid", Value::Long(r.tid)),
        ("opFlags", Value::Int(r.op_flags)),
        ("sip", Value::Int(r.sip)),
        ("sport", Value::Int(r.sport)),
        ("dip", Value::Int(r.dip)),
        ("dport", Value::Int(r.dport)),
        ("proto", Value::Int(r.proto)),
        ("ret", Value::Int(r.ret)),
    ]
}

fn process_flow(r: &ProcessFlow) -> Fields {
    vec![
        ("procOID", oid(r.proc_oid)),
        ("ts", Value::Long(r.ts)),
        ("numThreadsCloned", Value::Long(r.num_threads_cloned)),
        ("opFlags", Value::Int(r.op_flags)),
        ("endTs", Value::Long(r.end_ts)),
        ("numThreadsExited", Value::Long(r.num_threads_exited)),
        ("numCloneErrors", Value::Long(r.num_clone_errors)),
    ]
}

fn pod(r: &Pod) -> Fields {
    let map = |map: &std::collections::BTreeMap<String, String>| {
        Value::Map(map.iter().map(|(key, value)| (key.clone(), string(value))).collect())
    };
    vec![
        ("ts", Value::Long(r.ts)),
        ("id", string(&r.id)),
        ("name", string(&r.name)),
        ("nodeName", string(&r.node_name)),
        ("hostIP", longs(&r.host_ip)),
        ("internalIP", longs(&r.internal_ip)),
        ("namespace", string(&r.namespace)),
        ("restartCount", Value::Long(r.restart_count)),
        ("labels", map(&r.labels)),
        ("selectors", map(&r.selectors)),
        ("services", Value::Array(r.services.iter().map(service).collect())),
    ]
}

fn service(r: &Service) -> Value {
    record(vec![
        ("name", string(&r.name)),
        ("id", string(&r.id)),
        ("namespace", string(&r.namespace)),
        ("portList", Value::Array(r.port_list.iter().map(port).collect())),
        ("clusterIP", longs(&r.cluster_ip)),
    ])
}

fn port(r: &Port) -> Value {
    record(vec![
        ("port", Value::Int(r.port)),
        ("targetPort", Value::Int(r.target_port)),
        ("nodePort", Value::Int(r.node_port)),
        ("proto", string(&r.proto)),
    ])
}

fn k8s_event(r: &K8sEvent) -> Fields {
    vec![
        ("kind", symbol(&COMPONENTS, r.kind as usize)),
        ("action", symbol(&ACTIONS, r.action as usize)),
        ("ts", Value::Long(r.ts)),
        ("message", string(&r.message)),
    ]
}
