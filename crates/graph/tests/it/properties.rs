//! What holds for any records.

use proptest::prelude::*;
use sysflow::record::{ObjectState, Process, Record, op};
use sysflow_graph::{Document, Limits, Query};

use crate::trace::*;

/// Processes of the traces below, all of one graph.
const PROCESSES: i64 = 6;

/// A tree of processes: the parent of each is an earlier one.
pub(crate) fn tree() -> impl Strategy<Value = Vec<Record>> {
    let parents = (2..=PROCESSES).map(|pid| 1..pid).collect::<Vec<_>>();
    let exes = prop::collection::vec(0..3_u8, PROCESSES as usize);
    (parents, exes).prop_map(|(parents, exes)| {
        let mut parents: Vec<_> = parents;
        parents.insert(0, 0);
        let make = |(pid, (parent, exe)): (i64, (i64, u8))| {
            Record::Process(process(pid * 10, parent * 10, 10, &format!("/bin/{exe}"), ""))
        };
        (1..).zip(parents.into_iter().zip(exes)).map(make).collect()
    })
}

/// Flows and file events, which say nothing of how processes came to be: their order must not matter.
pub(crate) fn independent() -> impl Strategy<Value = Vec<Record>> {
    let pid = (1..=PROCESSES).prop_map(|pid| pid * 10);
    let flags =
        prop::sample::select(vec![op::OPEN, op::READ_RECV, op::WRITE_SEND, op::OPEN | op::WRITE_SEND]);
    let net_flags = prop::sample::select(vec![op::CONNECT, op::ACCEPT, op::READ_RECV, op::LISTEN]);
    let ts = 0..400_000_000_000_i64;
    let bytes = 0..10_000_i64;
    let file = (pid.clone(), ts.clone(), 0..9_u8, flags, bytes.clone(), bytes.clone())
        .prop_map(|(pid, ts, at, flags, r, w)| file_flow(pid, ts, &format!("/tmp/{at}"), flags, r, w));
    let refused = (pid.clone(), ts.clone(), 0..9_u8, -13..1_i32)
        .prop_map(|(pid, ts, at, ret)| file_event(pid, ts, &format!("/tmp/{at}"), op::UNLINK, ret));
    let net = (pid, ts, 0..4_u8, 0..4_u8, 1..4_u16, net_flags, bytes.clone(), bytes).prop_map(
        |(pid, ts, client, server, port, flags, r, w)| {
            let (client, server) = (format!("10.0.0.{client}:4000"), format!("10.0.0.{server}:{port}"));
            net_flow(pid, ts, &client, &server, flags, r, w)
        },
    );
    prop::collection::vec(prop_oneof![file, refused, net], 1..60)
}

/// Records as they come from a host gone mad.
fn wild() -> impl Strategy<Value = Vec<Record>> {
    let pid = 0..5_i64;
    let process = (pid.clone(), pid.clone(), pid.clone(), 0..3_u8, any::<i64>(), any::<bool>()).prop_map(
        |(pid, parent, root, exe, ts, modified)| {
            let state = if modified { ObjectState::Modified } else { ObjectState::Created };
            let graph_id = if root == 0 { "nonsense".to_owned() } else { graph(root).to_string() };
            Record::Process(Process {
                state,
                ts,
                graph_id,
                ..process(pid, parent, 10, ["", "/", "/bin/sh"][usize::from(exe)], "")
            })
        },
    );
    let event = (pid.clone(), any::<i64>(), any::<i32>(), any::<i32>())
        .prop_map(|(pid, ts, flags, ret)| event(pid, ts, flags, ret));
    let file = (pid.clone(), any::<i32>(), any::<i64>(), any::<i64>(), 0..i64::MAX)
        .prop_map(|(pid, flags, r, w, ts)| file_flow(pid, ts - 1, "/tmp/a", flags, r, w));
    let net = (pid, any::<i32>(), any::<i64>(), any::<i64>(), 0..i64::MAX)
        .prop_map(|(pid, flags, r, w, ts)| net_flow(pid, ts - 1, "1.2.3.4:5", "6.7.8.9:10", flags, r, w));
    prop::collection::vec(prop_oneof![process, event, file, net], 0..80)
}

fn drawn(records: impl IntoIterator<Item = Record>) -> Document {
    let mut trace = Trace::new(Limits::default());
    trace.put_all(records);
    trace.document(10)
}

proptest! {
    #[test]
    fn order_does_not_matter(tree in tree(), (records, shuffled) in independent().prop_flat_map(|records| {
        (Just(records.clone()), Just(records).prop_shuffle())
    })) {
        let place: Vec<_> = (1..=PROCESSES).map(|pid| event(pid * 10, pid, op::SETUID, 0)).collect();
        let start = || tree.iter().chain(&place).cloned();
        prop_assert_eq!(drawn(start().chain(records)), drawn(start().chain(shuffled)));
    }

    #[test]
    fn everything_is_counted_once(tree in tree(), records in independent()) {
        let document = drawn(tree.into_iter().chain(records.clone()));
        let edges = |kinds: &[&str]| -> u64 {
            document.edges.iter().filter(|edge| kinds.contains(&edge.kind)).map(|edge| edge.count).sum()
        };
        prop_assert_eq!(edges(&["FF", "FE", "NF"]), records.len() as u64);
        for node in document.nodes.iter().filter(|node| node.kind != "process") {
            let in_series: u64 = node.series.iter().map(|bucket| bucket.ops).sum();
            prop_assert_eq!(in_series, node.ops);
            prop_assert_eq!(node.targets, node.samples.len() + node.folded);
            prop_assert!(node.series.len() <= 120);
        }
    }

    #[test]
    fn graphs_that_were_kept_go_on_as_if_nothing_had_been_between(
        tree in tree(), wild in wild(), records in independent(), few in 1..20_usize, at in 0..150_usize,
    ) {
        let limits = Limits { graphs: few, nodes: few, instances: few, targets: few, processes: 2 * few, ..Limits::default() };
        let records = [tree, records, wild].concat();
        let (mut whole, mut kept) = (Trace::new(limits.clone()), Trace::new(limits.clone()));
        for (nth, record) in records.into_iter().enumerate() {
            if nth == at {
                let bytes = postcard::to_stdvec(&(&kept.entities, &kept.graphs)).expect("graphs can be kept");
                let (entities, graphs): (_, sysflow_graph::Graphs) = postcard::from_bytes(&bytes).expect("and read");
                kept = Trace { entities, graphs: graphs.with_limits(limits.clone()) };
            }
            whole.put(record.clone());
            kept.put(record);
        }
        prop_assert_eq!(whole.graphs.cells(), kept.graphs.cells());
        prop_assert_eq!(whole.graphs.list("", 100), kept.graphs.list("", 100));
        for pid in 1..=PROCESSES {
            let document = |trace: &Trace| trace.graphs.document(graph(pid * 10), &Query::default());
            prop_assert_eq!(document(&whole), document(&kept));
        }
    }

    #[test]
    fn any_records_make_a_document_in_canonical_order(records in wild(), few in 1..20_usize) {
        let mut trace = Trace::new(Limits { cells: few * 10, nodes: few, instances: 1, targets: 2, ..Limits::default() });
        trace.put_all(records);
        for summary in trace.graphs.list("", usize::MAX).graphs {
            let id = sysflow::GraphId::parse(&summary.id).expect("id of a graph");
            let document = trace.graphs.document(id, &Query { max_nodes: Some(few), ..Query::default() }).expect("graph");
            prop_assert!(document.nodes.len() <= few);
            prop_assert!(document.nodes.is_sorted_by_key(|node| (node.first, node.id.clone())));
            let ends = |edge: &sysflow_graph::EdgeView| (edge.first, edge.from.clone(), edge.to.clone(), edge.kind);
            prop_assert!(document.edges.is_sorted_by_key(ends));
            for edge in &document.edges {
                prop_assert!([&edge.from, &edge.to].iter().all(|id| document.nodes.iter().any(|n| n.id == **id)));
            }
        }
    }
}
