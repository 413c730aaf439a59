//! All graphs as a list.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::str::FromStr;

use serde::Serialize;
use sysflow::{GraphId, Priority};

use super::document::{ContainerView, text};
use super::render::container;
use crate::error::QueryError;
use crate::live::{Graph, Graphs, Key, Node};

/// Some graphs, and how many there are in all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listing {
    /// The most severe first, then the newest.
    pub graphs: Vec<Summary>,
    /// Graphs that match, listed or not.
    pub total: usize,
    /// What to give as `after` for those that follow; none when these were the last.
    pub next: Option<String>,
}

/// Which graphs are listed; the default lists none of them, but counts all.
#[derive(Clone, Debug, Default)]
pub struct ListQuery {
    /// Every word has to occur in the id, host, root, container, tags, rules or severity, letter case aside.
    pub words: String,
    /// Leave out what ended before this time, in ns.
    pub from: Option<i64>,
    /// Leave out what began after this time, in ns.
    pub to: Option<i64>,
    /// Leave out what has no alert as bad as this.
    pub severity: Option<Priority>,
    /// Leave out all but these.
    pub only: Option<BTreeSet<GraphId>>,
    /// Graphs listed at most.
    pub limit: usize,
    /// Begin after this one: what [`Listing::next`] was.
    pub after: Option<Cursor>,
}

/// A place in the list. Graphs that have moved meanwhile are listed where they stand now.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor(Reverse<Option<Priority>>, Reverse<i64>, String);

impl FromStr for Cursor {
    type Err = QueryError;

    fn from_str(text: &str) -> Result<Self, QueryError> {
        let wrong = || QueryError::Cursor(text.chars().take(64).collect());
        let (severity, rest) = text.split_once('.').ok_or_else(wrong)?;
        let (last, id) = rest.split_once('.').ok_or_else(wrong)?;
        let severity = match severity {
            "" => None,
            name => Some(name.parse().map_err(|_| wrong())?),
        };
        let last = last.parse().map_err(|_| wrong())?;
        let id = GraphId::parse(id).ok_or_else(wrong)?;
        Ok(Self(Reverse(severity), Reverse(last), id.to_string()))
    }
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
    /// Graphs in which every word of `words` occurs: see [`ListQuery::words`]. At most `limit` of them are listed.
    pub fn list(&self, words: &str, limit: usize) -> Listing {
        self.page(&ListQuery { words: words.to_owned(), limit, ..ListQuery::default() })
    }

    /// A page of the list.
    pub fn page(&self, query: &ListQuery) -> Listing {
        let words: Vec<_> = query.words.split_whitespace().map(str::to_lowercase).collect();
        let asked = |id: &GraphId, graph: &Graph| {
            let totals = &graph.totals;
            query.only.as_ref().is_none_or(|only| only.contains(id))
                && query.from.is_none_or(|from| totals.last >= from)
                && query.to.is_none_or(|to| totals.first <= to)
                && query.severity.is_none_or(|least| totals.severity >= Some(least))
        };
        let asked = self.by_id.iter().filter(|(id, graph)| asked(id, graph));
        let mut graphs: Vec<_> = asked.map(|(id, graph)| summary(*id, graph)).collect();
        graphs.retain(|graph| {
            let text = if words.is_empty() { String::new() } else { graph.text() };
            words.iter().all(|word| text.contains(word))
        });
        let total = graphs.len();
        if let Some(after) = &query.after {
            graphs.retain(|graph| graph.cursor() > *after);
        }
        graphs.sort_by_cached_key(Summary::cursor);
        let more = graphs.len() > query.limit;
        graphs.truncate(query.limit);
        let next = graphs.last().filter(|_| more).map(|last| {
            let severity = last.severity.map(Priority::as_str).unwrap_or_default();
            format!("{severity}.{}.{}", last.last, last.id)
        });
        Listing { graphs, total, next }
    }

    /// One graph in a line.
    pub fn summary(&self, id: GraphId) -> Option<Summary> {
        self.by_id.get(&id).map(|graph| summary(id, graph))
    }
}

impl Summary {
    /// The most severe first, then the newest.
    fn cursor(&self) -> Cursor {
        Cursor(Reverse(self.severity), Reverse(self.last), self.id.clone())
    }

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
