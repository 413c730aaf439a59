//! All graphs as a list.

use std::cmp::Reverse;

use serde::Serialize;
use sysflow::{GraphId, Priority};

use super::document::{ContainerView, text};
use super::render::container;
use crate::live::{Graph, Graphs, Key, Node};

/// Some graphs, and how many there are in all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listing {
    /// The most severe first, then the newest.
    pub graphs: Vec<Summary>,
    /// Graphs that match, listed or not.
    pub total: usize,
}

/// One graph in a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Id.
    pub id: String,
    /// Host.
    pub node: String,
    /// Its first process.
    pub root: Option<RootView>,
    /// Container of that process.
    pub container: Option<ContainerView>,
    /// First time in ns.
    #[serde(serialize_with = "text")]
    pub first: i64,
    /// Last time in ns.
    #[serde(serialize_with = "text")]
    pub last: i64,
    /// Events and flows.
    pub records: u64,
    /// Processes.
    pub processes: u64,
    /// Alerts.
    pub alerts: u64,
    /// Priority of the worst alert.
    pub severity: Option<Priority>,
    /// ATT&CK techniques of its alerts.
    pub tags: Vec<String>,
    /// Rules that fired.
    pub rules: Vec<String>,
    /// Graph that spawned this one.
    pub parent: Option<String>,
}

/// The process that a graph is named after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RootView {
    /// Path of the executable.
    pub exe: String,
    /// Arguments without the first.
    pub args: String,
    /// Process id as the host sees it.
    pub pid: Option<i64>,
    /// Name of the user, if known.
    pub user: Option<String>,
}

impl Graphs {
    /// Graphs in which every word of `words` occurs: in the id, host, root, container, tags, rules or severity,
    /// letter case aside. At most `limit` of them are listed.
    pub fn list(&self, words: &str, limit: usize) -> Listing {
        let words: Vec<_> = words.split_whitespace().map(str::to_lowercase).collect();
        let mut graphs: Vec<_> = self.by_id.iter().map(|(id, graph)| summary(*id, graph)).collect();
        graphs.retain(|graph| {
            let text = graph.text();
            words.iter().all(|word| text.contains(word))
        });
        let total = graphs.len();
        graphs.sort_by(|a, b| {
            let rank = |graph: &Summary| (Reverse(graph.severity), Reverse(graph.last));
            rank(a).cmp(&rank(b)).then_with(|| a.id.cmp(&b.id))
        });
        graphs.truncate(limit);
        Listing { graphs, total }
    }

    /// One graph in a line.
    pub fn summary(&self, id: GraphId) -> Option<Summary> {
        self.by_id.get(&id).map(|graph| summary(id, graph))
    }
}

impl Summary {
    fn text(&self) -> String {
        let mut words = vec![self.id.as_str(), &self.node];
        words.extend(self.severity.map(Priority::as_str));
        words.extend(self.tags.iter().chain(&self.rules).map(String::as_str));
        if let Some(root) = &self.root {
            words.extend([root.exe.as_str(), &root.args]);
            words.extend(root.user.as_deref());
        }
        if let Some(container) = &self.container {
            words.push(&container.id);
            words.extend(container.name.as_deref().into_iter().chain(container.image.as_deref()));
        }
        words.join("\n").to_lowercase()
    }
}

fn summary(id: GraphId, graph: &Graph) -> Summary {
    let root = root(graph);
    let totals = &graph.totals;
    Summary {
        id: id.to_string(),
        node: graph.host.clone(),
        root: root.map(|node| RootView {
            exe: node.exe.clone(),
            args: node.args.clone(),
            pid: node.instances.keys().next().map(|oid| oid.hpid),
            user: node.user.clone(),
        }),
        container: root.and_then(|node| node.container.as_deref()).map(|id| container(graph, id)),
        first: totals.first,
        last: totals.last,
        records: totals.records,
        processes: totals.processes,
        alerts: totals.alerts,
        severity: totals.severity,
        tags: totals.tags.iter().cloned().collect(),
        rules: totals.rules.iter().cloned().collect(),
        parent: graph.parent.map(|parent| parent.to_string()),
    }
}

fn root(graph: &Graph) -> Option<&Node> {
    let orphans = || graph.nodes.iter().filter(|(_, node)| node.parent.is_none());
    let key = graph.root.or_else(|| orphans().min_by_key(|(key, node)| (node.first, **key)).map(first))?;
    graph.nodes.get(&key)
}

fn first((key, _): (&Key, &Node)) -> Key {
    *key
}
