//! Any record at all, and the one of a kind.

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use sysflow::record::*;
use sysflow::{Foid, Oid, Record, Schema};

fn text() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[ -~]{1,20}", any::<String>(), "\\PC{60,90}"]
}

fn long() -> impl Strategy<Value = i64> {
    prop_oneof![
        Just(0),
        Just(-1),
        Just(i64::MAX),
        Just(i64::MIN),
        -70i64..70,
        any::<i64>(),
        (0u32..64).prop_map(|bit| 1 << bit),
    ]
}

fn int() -> impl Strategy<Value = i32> {
    prop_oneof![Just(0), Just(-1), Just(i32::MAX), Just(i32::MIN), -70i32..70, any::<i32>()]
}

fn oid() -> impl Strategy<Value = Oid> {
    (long(), long()).prop_map(|(create_ts, hpid)| Oid { create_ts, hpid })
}

fn foid() -> impl Strategy<Value = Foid> {
    any::<[u8; 20]>().prop_map(Foid)
}

fn state() -> impl Strategy<Value = ObjectState> {
    prop_oneof![Just(ObjectState::Created), Just(ObjectState::Modified), Just(ObjectState::Reup)]
}

fn container_type() -> impl Strategy<Value = ContainerType> {
    use ContainerType::*;
    proptest::sample::select(vec![Docker, Lxc, LibvirtLxc, Mesos, Rkt, Custom, Cri, Containerd, Crio, Bpm])
}

fn k8s() -> impl Strategy<Value = (K8sComponent, K8sAction)> {
    use K8sComponent::*;
    (
        proptest::sample::select(vec![
            Nodes,
            Namespaces,
            Pods,
            ReplicationControllers,
            Services,
            Events,
            ReplicaSets,
            DaemonSets,
            Deployments,
            Unknown,
        ]),
        proptest::sample::select(vec![
            K8sAction::Added,
            K8sAction::Modified,
            K8sAction::Deleted,
            K8sAction::Error,
            K8sAction::Nonexistent,
            K8sAction::Unknown,
        ]),
    )
}

fn header() -> impl Strategy<Value = Record> {
    (long(), text(), text(), text(), [long(), long(), long(), long()], text()).prop_map(
        |(version, exporter, ip, filename, [events, records, from, to], cause)| {
            Record::Header(Header {
                version,
                exporter,
                ip,
                filename,
                lost: Loss { events, records, from, to, cause },
            })
        },
    )
}

fn container() -> impl Strategy<Value = Record> {
    (text(), text(), text(), text(), container_type(), any::<bool>(), option::of(text())).prop_map(
        |(id, name, image, imageid, container_type, privileged, pod_id)| {
            Record::Container(Container { id, name, image, imageid, container_type, privileged, pod_id })
        },
    )
}

fn process() -> impl Strategy<Value = Record> {
    (
        (state(), oid(), option::of(oid()), long(), text(), text(), int(), text(), int(), text()),
        (any::<bool>(), option::of(text()), any::<bool>(), text(), vec(text(), 0..5)),
        (text(), text(), long(), long(), long(), int(), long(), int(), long(), long()),
    )
        .prop_map(|(a, b, c)| {
            Record::Process(Process {
                state: a.0,
                oid: a.1,
                poid: a.2,
                ts: a.3,
                exe: a.4,
                exe_args: a.5,
                uid: a.6,
                user_name: a.7,
                gid: a.8,
                group_name: a.9,
                tty: b.0,
                container_id: b.1,
                entry: b.2,
                cwd: b.3,
                env: b.4,
                graph_id: c.0,
                parent_graph_id: c.1,
                sid: c.2,
                vpid: c.3,
                loginuid: c.4,
                tty_nr: c.5,
                cap_effective: c.6,
                exe_flags: c.7,
                exe_ino: c.8,
                exe_ctime: c.9,
            })
        })
}

fn file() -> impl Strategy<Value = Record> {
    (state(), foid(), long(), int(), text(), option::of(text())).prop_map(
        |(state, oid, ts, restype, path, container_id)| {
            Record::File(File { state, oid, ts, restype, path, container_id })
        },
    )
}

fn process_event() -> impl Strategy<Value = Record> {
    (oid(), long(), long(), int(), vec(text(), 0..5), int()).prop_map(
        |(proc_oid, ts, tid, op_flags, args, ret)| {
            Record::ProcessEvent(ProcessEvent { proc_oid, ts, tid, op_flags, args, ret })
        },
    )
}

fn network_flow() -> impl Strategy<Value = Record> {
    let address = || option::of(any::<[u8; 16]>());
    (oid(), [long(), long(), long()], vec(int(), 7), [long(), long(), long(), long()], address(), address())
        .prop_map(|(proc_oid, [ts, tid, end_ts], ints, counts, sip6, dip6)| {
            Record::NetworkFlow(NetworkFlow {
                proc_oid,
                ts,
                tid,
                op_flags: ints[0],
                end_ts,
                sip: ints[1],
                sport: ints[2],
                dip: ints[3],
                dport: ints[4],
                proto: ints[5],
                fd: ints[6],
                num_rrecv_ops: counts[0],
                num_wsend_ops: counts[1],
                num_rrecv_bytes: counts[2],
                num_wsend_bytes: counts[3],
                sip6,
                dip6,
            })
        })
}

fn file_flow() -> impl Strategy<Value = Record> {
    (oid(), [long(), long(), long()], [int(), int(), int()], foid(), vec(long(), 5)).prop_map(
        |(proc_oid, [ts, tid, end_ts], [op_flags, open_flags, fd], file_oid, counts)| {
            Record::FileFlow(FileFlow {
                proc_oid,
                ts,
                tid,
                op_flags,
                open_flags,
                end_ts,
                file_oid,
                fd,
                num_rrecv_ops: counts[0],
                num_wsend_ops: counts[1],
                num_rrecv_bytes: counts[2],
                num_wsend_bytes: counts[3],
                num_opens: counts[4],
            })
        },
    )
}

fn file_event() -> impl Strategy<Value = Record> {
    (oid(), long(), long(), int(), foid(), int(), option::of(foid()), text()).prop_map(
        |(proc_oid, ts, tid, op_flags, file_oid, ret, new_file_oid, arg)| {
            Record::FileEvent(FileEvent { proc_oid, ts, tid, op_flags, file_oid, ret, new_file_oid, arg })
        },
    )
}

fn network_event() -> impl Strategy<Value = Record> {
    (oid(), long(), long(), vec(int(), 7)).prop_map(|(proc_oid, ts, tid, ints)| {
        Record::NetworkEvent(NetworkEvent {
            proc_oid,
            ts,
            tid,
            op_flags: ints[0],
            sip: ints[1],
            sport: ints[2],
            dip: ints[3],
            dport: ints[4],
            proto: ints[5],
            ret: ints[6],
        })
    })
}

fn process_flow() -> impl Strategy<Value = Record> {
    (oid(), long(), long(), int(), [long(), long(), long()]).prop_map(
        |(proc_oid, ts, num_threads_cloned, op_flags, [end_ts, num_threads_exited, num_clone_errors])| {
            Record::ProcessFlow(ProcessFlow {
                proc_oid,
                ts,
                num_threads_cloned,
                op_flags,
                end_ts,
                num_threads_exited,
                num_clone_errors,
            })
        },
    )
}

fn service() -> impl Strategy<Value = Service> {
    let port = (int(), int(), int(), text()).prop_map(|(port, target_port, node_port, proto)| Port {
        port,
        target_port,
        node_port,
        proto,
    });
    (text(), text(), text(), vec(port, 0..3), vec(long(), 0..3)).prop_map(
        |(name, id, namespace, port_list, cluster_ip)| Service { name, id, namespace, port_list, cluster_ip },
    )
}

fn pod() -> impl Strategy<Value = Record> {
    let labels = || btree_map(text(), text(), 0..4);
    let ips = || vec(long(), 0..3);
    (long(), [text(), text(), text(), text()], ips(), ips(), long(), labels(), labels(), vec(service(), 0..3))
        .prop_map(
            |(
                ts,
                [id, name, node_name, namespace],
                host_ip,
                internal_ip,
                restart_count,
                labels,
                selectors,
                services,
            )| {
                Record::Pod(Pod {
                    ts,
                    id,
                    name,
                    node_name,
                    host_ip,
                    internal_ip,
                    namespace,
                    restart_count,
                    labels,
                    selectors,
                    services,
                })
            },
        )
}

fn k8s_event() -> impl Strategy<Value = Record> {
    (k8s(), long(), text())
        .prop_map(|((kind, action), ts, message)| Record::K8sEvent(K8sEvent { kind, action, ts, message }))
}

/// Any record.
pub(crate) fn record() -> impl Strategy<Value = Record> {
    prop_oneof![
        header(),
        container(),
        process(),
        file(),
        process_event(),
        network_flow(),
        file_flow(),
        file_event(),
        network_event(),
        process_flow(),
        pod(),
        k8s_event(),
    ]
}

pub(crate) fn schema() -> impl Strategy<Value = Schema> {
    prop_oneof![Just(Schema::V5), Just(Schema::Extended)]
}

/// What is left of a record when it is written with a schema: the other fields have their defaults.
pub(crate) fn seen_through(schema: Schema, record: &Record) -> Record {
    let mut record = record.clone();
    if schema == Schema::V5 {
        match &mut record {
            Record::Header(r) => r.lost = Loss::default(),
            Record::Process(r) => {
                *r = Process {
                    graph_id: String::new(),
                    parent_graph_id: String::new(),
                    sid: -1,
                    vpid: -1,
                    loginuid: -1,
                    tty_nr: 0,
                    cap_effective: 0,
                    exe_flags: 0,
                    exe_ino: 0,
                    exe_ctime: 0,
                    ..r.clone()
                }
            }
            Record::NetworkFlow(r) => (r.sip6, r.dip6) = (None, None),
            Record::FileFlow(r) => r.num_opens = 1,
            Record::FileEvent(r) => r.arg.clear(),
            _ => {}
        }
    }
    record
}
