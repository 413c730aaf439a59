//! Who speaks with whom, in three columns: containers, programs, endpoints.

use std::collections::BTreeMap;

use serde::Serialize;
use xxhash_rust::xxh3::xxh3_64;

use crate::output::{Drawn, Snapshot, container, draw, endpoints};

/// Links that one answer lists, those with alerts and the largest first.
const MAX_LINKS: usize = 2_000;

/// Three columns, and the links between them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Projection {
    /// All that is linked.
    pub nodes: Vec<ColumnView>,
    /// The largest first.
    pub links: Vec<LinkView>,
    /// Links beyond what is listed.
    pub omitted: usize,
    /// Whether the figures are those of the window that was asked for, not of whole lives.
    pub complete: bool,
}

/// An entry of a column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ColumnView {
    /// Id within this answer.
    pub id: String,
    /// `container`, `process` or `endpoint`.
    pub kind: &'static str,
    /// Text for the picture.
    pub label: String,
}

/// A link between two columns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LinkView {
    /// Id of the left end.
    pub from: String,
    /// Id of the right end.
    pub to: String,
    /// Bytes over the network, both ways.
    pub bytes: u64,
    /// Connections, or records of one.
    pub count: u64,
    /// Alerts on the program, or endpoints that an alert was about.
    pub alerts: u64,
}

impl Snapshot {
    /// Who speaks with whom in this graph.
    pub fn projection(&self, span: (i64, i64)) -> Projection {
        Projection::over(std::slice::from_ref(self), span)
    }
}

impl Projection {
    /// Who speaks with whom in many graphs. Programs without a connection are not among them.
    pub fn over(graphs: &[Snapshot], span: (i64, i64)) -> Self {
        let mut nodes: BTreeMap<String, ColumnView> = BTreeMap::new();
        let mut links: BTreeMap<(String, String), LinkView> = BTreeMap::new();
        let mut complete = true;
        for snapshot in graphs {
            let (first, last) = snapshot.span();
            if first > span.1 || last < span.0 {
                continue;
            }
            let (graph, counted) = snapshot.within_or_all(span);
            complete &= counted;
            for Drawn { node, .. } in draw(&graph).values() {
                let Some(net) = &node.net else { continue };
                let place = node.container.as_deref().map_or_else(
                    || ColumnView {
                        id: format!("h:{}", graph.host),
                        kind: "container",
                        label: format!("host {}", graph.host),
                    },
                    |id| {
                        let known = container(&graph, id);
                        let label = known.name.or(known.image).unwrap_or_else(|| id.to_owned());
                        ColumnView { id: format!("c:{id}"), kind: "container", label }
                    },
                );
                let program = ColumnView {
                    id: format!("x:{:016x}", xxh3_64(format!("{}\n{}", place.id, node.exe).as_bytes())),
                    kind: "process",
                    label: node.exe.clone(),
                };
                let mut link = |from: &str, to: &str, bytes: u64, count: u64, alerts: u64| {
                    let new = || LinkView { from: from.into(), to: to.into(), bytes: 0, count: 0, alerts: 0 };
                    let link = links.entry((from.to_owned(), to.to_owned())).or_insert_with(new);
                    link.bytes = link.bytes.saturating_add(bytes);
                    link.count = link.count.saturating_add(count);
                    link.alerts = link.alerts.saturating_add(alerts);
                };
                let total = &net.by_end.total;
                let bytes = total.rbytes.saturating_add(total.wbytes);
                link(&place.id, &program.id, bytes, total.count, node.alerts.len() as u64);
                for (end, target) in endpoints(&graph, node, &net.by_end.targets) {
                    let label = end.name();
                    let end = ColumnView { id: format!("e:{label}"), kind: "endpoint", label };
                    let bytes = target.rbytes.saturating_add(target.wbytes);
                    link(&program.id, &end.id, bytes, target.count, u64::from(target.alerted));
                    nodes.entry(end.id.clone()).or_insert(end);
                }
                nodes.entry(place.id.clone()).or_insert(place);
                nodes.entry(program.id.clone()).or_insert(program);
            }
        }
        let mut links: Vec<_> = links.into_values().collect();
        links.sort_by(|a, b| {
            let rank = |link: &LinkView| std::cmp::Reverse((link.alerts, link.bytes, link.count));
            rank(a).cmp(&rank(b)).then_with(|| (&a.from, &a.to).cmp(&(&b.from, &b.to)))
        });
        let omitted = links.len().saturating_sub(MAX_LINKS);
        links.truncate(MAX_LINKS);
        let linked = |id: &str| links.iter().any(|link| link.from == id || link.to == id);
        let nodes = if omitted == 0 {
            nodes.into_values().collect()
        } else {
            nodes.into_values().filter(|n| linked(&n.id)).collect()
        };
        Self { nodes, links, omitted, complete }
    }
}
