//! Bytes to records.

use std::collections::BTreeMap;

use super::Cursor;
use crate::error::Result;
use crate::id::{Foid, Oid};
use crate::record::{
    Container, ContainerType, File, FileEvent, FileFlow, Header, K8sAction, K8sComponent, K8sEvent, Loss,
    NetworkEvent, NetworkFlow, ObjectState, Pod, Port, Process, ProcessEvent, ProcessFlow, Record, Service,
};
use crate::schema::Schema;

/// Reads one datum of `schema` from the start of `bytes`; also says how long it was.
///
/// Fields that the schema lacks take their defaults. Text that is not UTF-8 is repaired with U+FFFD. Any bytes are
/// safe to give: what is no datum is an error, and memory stays in proportion to the input.
pub fn decode(schema: Schema, bytes: &[u8]) -> Result<(Record, usize)> {
    let extended = schema == Schema::Extended;
    let mut input = Cursor::new(bytes);
    let c = &mut input;
    let record = match c.index(12)? {
        0 => Record::Header(header(c, extended)?),
        1 => Record::Container(container(c)?),
        2 => Record::Process(process(c, extended)?),
        3 => Record::File(file(c)?),
        4 => Record::ProcessEvent(process_event(c)?),
        5 => Record::NetworkFlow(network_flow(c, extended)?),
        6 => Record::FileFlow(file_flow(c, extended)?),
        7 => Record::FileEvent(file_event(c, extended)?),
        8 => Record::NetworkEvent(network_event(c)?),
        9 => Record::ProcessFlow(process_flow(c)?),
        10 => Record::Pod(pod(c)?),
        _ => Record::K8sEvent(k8s_event(c)?),
    };
    Ok((record, input.at()))
}

// === the records; Rust evaluates the fields of a literal as written, so their order is the schema's ===

fn header(c: &mut Cursor<'_>, extended: bool) -> Result<Header> {
    Ok(Header {
        version: c.long()?,
        exporter: c.string()?,
        ip: c.string()?,
        filename: c.string()?,
        lost: if extended {
            Loss { events: c.long()?, records: c.long()?, from: c.long()?, to: c.long()?, cause: c.string()? }
        } else {
            Loss::default()
        },
    })
}

fn container(c: &mut Cursor<'_>) -> Result<Container> {
    Ok(Container {
        id: c.string()?,
        name: c.string()?,
        image: c.string()?,
        imageid: c.string()?,
        container_type: symbol(c, &CONTAINER_TYPES)?,
        privileged: c.boolean()?,
        pod_id: optional(c, Cursor::string)?,
    })
}

fn process(c: &mut Cursor<'_>, extended: bool) -> Result<Process> {
    let mut process = Process {
        state: symbol(c, &OBJECT_STATES)?,
        oid: oid(c)?,
        poid: optional(c, oid)?,
        ts: c.long()?,
        exe: c.string()?,
        exe_args: c.string()?,
        uid: c.int()?,
        user_name: c.string()?,
        gid: c.int()?,
        group_name: c.string()?,
        tty: c.boolean()?,
        container_id: optional(c, Cursor::string)?,
        entry: c.boolean()?,
        cwd: c.string()?,
        env: array(c, Cursor::string)?,
        ..Process::default()
    };
    if extended {
        process.graph_id = c.string()?;
        process.parent_graph_id = c.string()?;
        process.sid = c.long()?;
        process.vpid = c.long()?;
        process.loginuid = c.long()?;
        process.tty_nr = c.int()?;
        process.cap_effective = c.long()?;
        process.exe_flags = c.int()?;
        process.exe_ino = c.long()?;
        process.exe_ctime = c.long()?;
    }
    Ok(process)
}

fn file(c: &mut Cursor<'_>) -> Result<File> {
    Ok(File {
        state: symbol(c, &OBJECT_STATES)?,
        oid: foid(c)?,
        ts: c.long()?,
        restype: c.int()?,
        path: c.string()?,
        container_id: optional(c, Cursor::string)?,
    })
}

fn process_event(c: &mut Cursor<'_>) -> Result<ProcessEvent> {
    Ok(ProcessEvent {
        proc_oid: oid(c)?,
        ts: c.long()?,
        tid: c.long()?,
        op_flags: c.int()?,
        args: array(c, Cursor::string)?,
        ret: c.int()?,
    })
}

fn network_flow(c: &mut Cursor<'_>, extended: bool) -> Result<NetworkFlow> {
    Ok(NetworkFlow {
        proc_oid: oid(c)?,
        ts: c.long()?,
        tid: c.long()?,
        op_flags: c.int()?,
        end_ts: c.long()?,
        sip: c.int()?,
        sport: c.int()?,
        dip: c.int()?,
        dport: c.int()?,
        proto: c.int()?,
        fd: c.int()?,
        num_rrecv_ops: c.long()?,
        num_wsend_ops: c.long()?,
        num_rrecv_bytes: c.long()?,
        num_wsend_bytes: c.long()?,
        sip6: if extended { optional(c, Cursor::fixed)? } else { None },
        dip6: if extended { optional(c, Cursor::fixed)? } else { None },
    })
}

fn file_flow(c: &mut Cursor<'_>, extended: bool) -> Result<FileFlow> {
    Ok(FileFlow {
        proc_oid: oid(c)?,
        ts: c.long()?,
        tid: c.long()?,
        op_flags: c.int()?,
        open_flags: c.int()?,
        end_ts: c.long()?,
        file_oid: foid(c)?,
        fd: c.int()?,
        num_rrecv_ops: c.long()?,
        num_wsend_ops: c.long()?,
        num_rrecv_bytes: c.long()?,
        num_wsend_bytes: c.long()?,
        num_opens: if extended { c.long()? } else { 1 },
    })
}

fn file_event(c: &mut Cursor<'_>, extended: bool) -> Result<FileEvent> {
    Ok(FileEvent {
        proc_oid: oid(c)?,
        ts: c.long()?,
        tid: c.long()?,
        op_flags: c.int()?,
        file_oid: foid(c)?,
        ret: c.int()?,
        new_file_oid: optional(c, foid)?,
        arg: if extended { c.string()? } else { String::new() },
    })
}

fn network_event(c: &mut Cursor<'_>) -> Result<NetworkEvent> {
    Ok(NetworkEvent {
        proc_oid: oid(c)?,
        ts: c.long()?,
        tid: c.long()?,
        op_flags: c.int()?,
        sip: c.int()?,
        sport: c.int()?,
        dip: c.int()?,
        dport: c.int()?,
        proto: c.int()?,
        ret: c.int()?,
    })
}

fn process_flow(c: &mut Cursor<'_>) -> Result<ProcessFlow> {
    Ok(ProcessFlow {
        proc_oid: oid(c)?,
        ts: c.long()?,
        num_threads_cloned: c.long()?,
        op_flags: c.int()?,
        end_ts: c.long()?,
        num_threads_exited: c.long()?,
        num_clone_errors: c.long()?,
    })
}

fn pod(c: &mut Cursor<'_>) -> Result<Pod> {
    Ok(Pod {
        ts: c.long()?,
        id: c.string()?,
        name: c.string()?,
        node_name: c.string()?,
        host_ip: array(c, Cursor::long)?,
        internal_ip: array(c, Cursor::long)?,
        namespace: c.string()?,
        restart_count: c.long()?,
        labels: map(c)?,
        selectors: map(c)?,
        services: array(c, service)?,
    })
}

fn service(c: &mut Cursor<'_>) -> Result<Service> {
    Ok(Service {
        name: c.string()?,
        id: c.string()?,
        namespace: c.string()?,
        port_list: array(c, port)?,
        cluster_ip: array(c, Cursor::long)?,
    })
}

fn port(c: &mut Cursor<'_>) -> Result<Port> {
    Ok(Port { port: c.int()?, target_port: c.int()?, node_port: c.int()?, proto: c.string()? })
}

fn k8s_event(c: &mut Cursor<'_>) -> Result<K8sEvent> {
    Ok(K8sEvent {
        kind: symbol(c, &K8S_COMPONENTS)?,
        action: symbol(c, &K8S_ACTIONS)?,
        ts: c.long()?,
        message: c.string()?,
    })
}

// === Avro's types ===

fn oid(c: &mut Cursor<'_>) -> Result<Oid> {
    Ok(Oid { create_ts: c.long()?, hpid: c.long()? })
}

fn foid(c: &mut Cursor<'_>) -> Result<Foid> {
    c.fixed().map(Foid)
}

fn optional<'a, T>(c: &mut Cursor<'a>, some: impl FnOnce(&mut Cursor<'a>) -> Result<T>) -> Result<Option<T>> {
    if c.index(2)? == 0 { Ok(None) } else { some(c).map(Some) }
}

fn array<'a, T>(c: &mut Cursor<'a>, item: impl Fn(&mut Cursor<'a>) -> Result<T>) -> Result<Vec<T>> {
    let mut values = Vec::new();
    c.items(|c| {
        values.push(item(c)?);
        Ok(())
    })?;
    Ok(values)
}

fn map(c: &mut Cursor<'_>) -> Result<BTreeMap<String, String>> {
    let mut values = BTreeMap::new();
    c.items(|c| {
        values.insert(c.string()?, c.string()?);
        Ok(())
    })?;
    Ok(values)
}

fn symbol<T: Copy>(c: &mut Cursor<'_>, symbols: &[T]) -> Result<T> {
    c.index(symbols.len()).map(|index| symbols[index])
}

const OBJECT_STATES: [ObjectState; 3] = [ObjectState::Created, ObjectState::Modified, ObjectState::Reup];

const CONTAINER_TYPES: [ContainerType; 10] = [
    ContainerType::Docker,
    ContainerType::Lxc,
    ContainerType::LibvirtLxc,
    ContainerType::Mesos,
    ContainerType::Rkt,
    ContainerType::Custom,
    ContainerType::Cri,
    ContainerType::Containerd,
    ContainerType::Crio,
    ContainerType::Bpm,
];

const K8S_COMPONENTS: [K8sComponent; 10] = [
    K8sComponent::Nodes,
    K8sComponent::Namespaces,
    K8sComponent::Pods,
    K8sComponent::ReplicationControllers,
    K8sComponent::Services,
    K8sComponent::Events,
    K8sComponent::ReplicaSets,
    K8sComponent::DaemonSets,
    K8sComponent::Deployments,
    K8sComponent::Unknown,
];

const K8S_ACTIONS: [K8sAction; 6] = [
    K8sAction::Added,
    K8sAction::Modified,
    K8sAction::Deleted,
    K8sAction::Error,
    K8sAction::Nonexistent,
    K8sAction::Unknown,
];
