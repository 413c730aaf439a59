//! Graph JSON, version 1.
//!
//! Times and process identities are strings in JSON: they are larger than what JavaScript's numbers hold.

use serde::{Serialize, Serializer};

use crate::live::Hole;

/// One graph, or a part of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Document {
    /// Version of this form: 1.
    pub version: u32,
    /// Id of the graph.
    pub id: Option<String>,
    /// Host.
    pub node: String,
    /// Time that the document is about.
    pub window: Window,
    /// Whether there was more than the document or the graph could hold.
    pub truncated: bool,
    /// Whether the counts are those of the window: of one that is older than the records that are kept they are those
    /// of the whole life of what touches it.
    pub complete: bool,
    /// What it is compared with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub against: Option<Against>,
    /// Graphs that it shows parts of, where it is of several; `id` is none then.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub graphs: Vec<String>,
    /// Process node of the root.
    pub root: Option<String>,
    /// Graph that spawned this one.
    pub parent: Option<String>,
    /// Holes in the data of the window.
    pub lost: Vec<LossView>,
    /// Nodes by first time, then id.
    pub nodes: Vec<NodeView>,
    /// Edges by first time, then ends and kind.
    pub edges: Vec<EdgeView>,
    /// Alerts, oldest first. The graph holds their ids only: whoever keeps the alerts fills this in.
    pub alerts: Vec<serde_json::Value>,
}

/// A stretch of time in ns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Window {
    /// Start.
    #[serde(serialize_with = "text")]
    pub from: i64,
    /// End.
    #[serde(serialize_with = "text")]
    pub to: i64,
}

/// The other side of a comparison.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Against {
    /// Another graph.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// A profile, by what it is of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
}

/// How something differs from the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// Only here.
    Added,
    /// Only there.
    Removed,
    /// On both sides, with other parts or another weight.
    Changed,
    /// On both sides.
    Same,
}

/// What a node weighs on the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Weight {
    /// Operations.
    pub ops: u64,
    /// Bytes read or received.
    pub rbytes: u64,
    /// Bytes written or sent.
    pub wbytes: u64,
    /// Distinct processes, files or endpoints.
    pub targets: usize,
}

/// A hole in the data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LossView {
    /// Where it stands on a time line: its middle.
    #[serde(serialize_with = "text")]
    pub at: i64,
    /// First loss.
    #[serde(serialize_with = "text")]
    pub from: i64,
    /// Last loss.
    #[serde(serialize_with = "text")]
    pub to: i64,
    /// Events lost.
    pub events: i64,
    /// Records lost.
    pub records: i64,
    /// Why.
    pub cause: String,
}

/// A behaviour, or what it did to files or over the network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NodeView {
    /// `p:`, `f:` or `n:` and 16 hex digits, which a process node shares with its files and net node.
    pub id: String,
    /// `process`, `files` or `net`.
    pub kind: &'static str,
    /// Short text for the picture.
    pub label: String,
    /// Path of the executable.
    pub exe: String,
    /// Arguments without the first.
    pub args: String,
    /// Name of the user, if known.
    pub user: Option<String>,
    /// User id.
    pub uid: i32,
    /// Whether a terminal is attached.
    pub tty: bool,
    /// Container.
    pub container: Option<ContainerView>,
    /// Processes, oldest first; none on files and net nodes.
    pub instances: Vec<InstanceView>,
    /// ATT&CK techniques of its alerts.
    pub tags: Vec<String>,
    /// Ids of its alerts, oldest first.
    pub alerts: Vec<String>,
    /// First time.
    #[serde(serialize_with = "text")]
    pub first: i64,
    /// Last time.
    #[serde(serialize_with = "text")]
    pub last: i64,
    /// Process events, or single operations on files or connections.
    pub ops: u64,
    /// Bytes read or received.
    pub rbytes: u64,
    /// Bytes written or sent.
    pub wbytes: u64,
    /// Distinct processes, files or endpoints, listed or not.
    pub targets: usize,
    /// Operations and bytes over time; none on process nodes.
    pub series: Vec<SeriesView>,
    /// Files or endpoints, the most telling first; none on process nodes.
    pub samples: Vec<SampleView>,
    /// How many processes, files or endpoints are not listed.
    pub folded: usize,
    /// How it differs, in a comparison.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
    /// What it weighs on the other side of a comparison.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub was: Option<Weight>,
}

/// A container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ContainerView {
    /// Id.
    pub id: String,
    /// Name, once known.
    pub name: Option<String>,
    /// Image with tag, once known.
    pub image: Option<String>,
}

/// A process that behaved so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InstanceView {
    /// Process id as the host sees it.
    pub pid: i64,
    /// Creation time and pid.
    pub oid: String,
    /// First time that it was this.
    #[serde(serialize_with = "text")]
    pub first: i64,
    /// Last time.
    #[serde(serialize_with = "text")]
    pub last: i64,
    /// Status with which it exited.
    pub exit: Option<i32>,
}

/// What happened within one bucket of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SeriesView {
    /// Start of the bucket.
    #[serde(serialize_with = "text")]
    pub t: i64,
    /// Operations.
    pub ops: u64,
    /// Bytes read or received.
    pub rbytes: u64,
    /// Bytes written or sent.
    pub wbytes: u64,
}

/// One file, or one endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum SampleView {
    /// A file.
    File {
        /// Path.
        path: String,
        /// Operations seen.
        ops: Vec<&'static str>,
        /// Opens and events.
        count: u64,
        /// Bytes read.
        rbytes: u64,
        /// Bytes written.
        wbytes: u64,
        /// First time.
        #[serde(serialize_with = "text")]
        first: i64,
        /// Last time.
        #[serde(serialize_with = "text")]
        last: i64,
        /// Lowest result of its events: a negative error number when one was refused.
        ret: Option<i32>,
        /// How it differs, in a comparison.
        #[serde(skip_serializing_if = "Option::is_none")]
        change: Option<Change>,
    },
    /// An endpoint.
    Endpoint {
        /// The remote end for people.
        endpoint: String,
        /// Its address.
        ip: String,
        /// Port of the server: the remote end's when `out`, the process's own when `in`.
        port: i32,
        /// Protocol.
        proto: String,
        /// `out` when the process called, `in` when it was called.
        direction: &'static str,
        /// Operations seen.
        ops: Vec<&'static str>,
        /// Connections, or records of one.
        count: u64,
        /// Bytes received.
        rbytes: u64,
        /// Bytes sent.
        wbytes: u64,
        /// First time.
        #[serde(serialize_with = "text")]
        first: i64,
        /// Last time.
        #[serde(serialize_with = "text")]
        last: i64,
        /// How it differs, in a comparison.
        #[serde(skip_serializing_if = "Option::is_none")]
        change: Option<Change>,
    },
}

/// How two nodes are joined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EdgeView {
    /// Id of the node that it leaves.
    pub from: String,
    /// Id of the node that it reaches.
    pub to: String,
    /// `CLONE`, `EXEC`, `SETUID`, `EXIT`, `FF`, `FE` or `NF`.
    pub kind: &'static str,
    /// First time.
    #[serde(serialize_with = "text")]
    pub first: i64,
    /// Last time.
    #[serde(serialize_with = "text")]
    pub last: i64,
    /// How often.
    pub count: u64,
    /// Bytes read or received.
    pub rbytes: u64,
    /// Bytes written or sent.
    pub wbytes: u64,
    /// How it differs, in a comparison.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
}

impl SampleView {
    /// What tells it from others of its node.
    pub(crate) fn name(&self) -> (String, String) {
        match self {
            Self::File { path, .. } => (path.clone(), String::new()),
            Self::Endpoint { endpoint, proto, .. } => (endpoint.clone(), proto.clone()),
        }
    }

    pub(crate) fn change(&self) -> Option<Change> {
        match self {
            Self::File { change, .. } | Self::Endpoint { change, .. } => *change,
        }
    }

    pub(crate) fn change_mut(&mut self) -> &mut Option<Change> {
        match self {
            Self::File { change, .. } | Self::Endpoint { change, .. } => change,
        }
    }
}

impl LossView {
    pub(crate) fn of(hole: &Hole) -> Self {
        Self {
            at: hole.from.midpoint(hole.to),
            from: hole.from,
            to: hole.to,
            events: hole.events,
            records: hole.records,
            cause: hole.cause.clone(),
        }
    }
}

impl Document {
    /// Puts nodes and edges in their order, which depends on nothing but themselves.
    pub(crate) fn sort(&mut self) {
        self.nodes.sort_by(|a, b| (a.first, &a.id).cmp(&(b.first, &b.id)));
        self.edges.sort_by(|a, b| (a.first, &a.from, &a.to, a.kind).cmp(&(b.first, &b.from, &b.to, b.kind)));
    }

    /// Lists at most `limit` files or endpoints on a node, those that differ first.
    pub(crate) fn cut_samples(&mut self, limit: usize) {
        for node in &mut self.nodes {
            node.samples.sort_by_key(|sample| sample.change() == Some(Change::Same));
            let more = node.samples.len().saturating_sub(limit);
            node.samples.truncate(limit);
            node.folded += more;
        }
    }

    /// Ids of all alerts on the nodes shown, each once.
    pub fn alert_ids(&self) -> Vec<&str> {
        let mut ids: Vec<_> =
            self.nodes.iter().filter(|node| node.kind == "process").flat_map(|node| &node.alerts).collect();
        ids.sort_unstable();
        ids.dedup();
        ids.into_iter().map(String::as_str).collect()
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
pub(crate) fn text<S: Serializer>(number: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(number)
}
