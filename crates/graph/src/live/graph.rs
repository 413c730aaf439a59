//! One graph.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use foldhash::quality::RandomState;
use hashbrown::{HashMap, HashSet};
use serde::{Deserialize, Serialize};
use sysflow::record::{Record, op};
use sysflow::{GraphId, Joined, Oid, Priority};

use super::activity::Target;
use super::alert::AlertMark;
use super::behaviour::Key;
use super::net::{NetKey, local_address};
use super::node::{Node, Tally, cut, note_alert};
use super::series::{Bucket, Series};
use super::trail::Trail;
use crate::limits::Limits;

/// Own addresses that a graph remembers.
const MAX_ADDRESSES: usize = 1_024;
/// Rules and tags that a graph's summary names.
const MAX_NAMES: usize = 256;

/// Why two process nodes are joined, or a process node to its files or net node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum EdgeKind {
    Clone,
    Exec,
    Setuid,
    Exit,
    FileFlow,
    FileEvent,
    NetworkFlow,
}

/// Everything that one application instance or session did.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Graph {
    /// Host, as the trace calls it.
    pub(crate) host: String,
    /// Graph that spawned this one.
    pub(crate) parent: Option<GraphId>,
    pub(crate) nodes: HashMap<Key, Node, RandomState>,
    /// Edges between process nodes.
    pub(crate) edges: HashMap<(Key, Key, EdgeKind), Tally, RandomState>,
    /// Node of the process that the graph is named after.
    pub(crate) root: Option<Key>,
    /// Name and image of each container, once known.
    pub(crate) containers: BTreeMap<String, (String, String)>,
    /// The graph's own addresses, with the container that has them.
    addresses: HashSet<(Option<String>, IpAddr), RandomState>,
    pub(crate) totals: Totals,
    /// The newest records.
    pub(crate) trail: Trail,
    cells: usize,
}

/// Counts over a whole graph.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Totals {
    pub(crate) records: u64,
    pub(crate) processes: u64,
    pub(crate) alerts: u64,
    pub(crate) severity: Option<Priority>,
    pub(crate) tags: BTreeSet<String>,
    pub(crate) rules: BTreeSet<String>,
    pub(crate) first: i64,
    pub(crate) last: i64,
    /// Records and their bytes over time.
    pub(crate) series: Series,
    /// Whether something was seen that the graph does not hold.
    pub(crate) truncated: bool,
}

impl Graph {
    pub(crate) fn new(host: &str) -> Self {
        Self {
            host: host.to_owned(),
            parent: None,
            nodes: HashMap::default(),
            edges: HashMap::default(),
            root: None,
            containers: BTreeMap::new(),
            addresses: HashSet::default(),
            totals: Totals {
                records: 0,
                processes: 0,
                alerts: 0,
                severity: None,
                tags: BTreeSet::new(),
                rules: BTreeSet::new(),
                first: i64::MAX,
                last: i64::MIN,
                series: Series::default(),
                truncated: false,
            },
            trail: Trail::default(),
            cells: 0,
        }
    }

    /// The same graph without nodes, edges and counts.
    pub(crate) fn outline(&self) -> Self {
        let mut outline = Self::new(&self.host);
        outline.parent = self.parent;
        outline.root = self.root;
        outline.containers.clone_from(&self.containers);
        outline.addresses.clone_from(&self.addresses);
        outline.totals.truncated = self.totals.truncated;
        outline
    }

    /// Changes the node `key`, and keeps count of the memory that it takes.
    pub(crate) fn change<T>(&mut self, key: Key, change: impl FnOnce(&mut Node) -> T) -> Option<T> {
        let node = self.nodes.get_mut(&key)?;
        let before = node.cells();
        let result = change(node);
        self.cells = (self.cells + node.cells()).saturating_sub(before);
        Some(result)
    }

    /// Node `key`, made by `new` when it is not there; `None` when there is no room for it.
    pub(crate) fn node(
        &mut self,
        key: Key,
        room: bool,
        limits: &Limits,
        new: impl FnOnce() -> Node,
    ) -> Option<Key> {
        if !self.nodes.contains_key(&key) {
            if !room || self.nodes.len() >= limits.nodes {
                self.totals.truncated = true;
                return None;
            }
            let node = new();
            self.cells += node.cells();
            self.nodes.insert(key, node);
        }
        Some(key)
    }

    /// Counts one more passage along an edge between process nodes.
    pub(crate) fn edge(&mut self, from: Key, to: Key, kind: EdgeKind, ts: i64) {
        let edges = self.edges.len();
        self.edges.entry((from, to, kind)).or_default().absorb(Tally::one(ts, ts, 0, 0));
        self.cells += self.edges.len() - edges;
    }

    /// Memory in cells: see [`Limits::cells`].
    pub(crate) fn cells(&self) -> usize {
        1 + self.cells + self.addresses.len() / 2
    }

    /// Takes in a record of the process that stands on `key`.
    pub(crate) fn record(&mut self, joined: &Joined<'_>, key: Option<Key>, room: bool, limits: &Limits) {
        let Some((oid, from, to)) = span(joined.record) else { return };
        self.totals.records += 1;
        self.totals.first = self.totals.first.min(from);
        self.totals.last = self.totals.last.max(to);
        let (rbytes, wbytes) = bytes_of(joined.record);
        self.totals.series.add(from, Bucket { ops: 1, rbytes, wbytes });
        self.container(joined, limits);
        let Some(key) = key else { return };
        self.change(key, |node| node.touch(oid, from, to));
        match joined.record {
            Record::ProcessEvent(event) => {
                let main_thread_exit = event.op_flags & op::EXIT != 0 && event.tid == oid.hpid;
                self.change(key, |node| {
                    node.events += 1;
                    if let Some(instance) = node.instances.get_mut(&oid).filter(|_| main_thread_exit) {
                        instance.exit = Some(event.ret);
                    }
                });
                if main_thread_exit {
                    self.edge(key, key, EdgeKind::Exit, from);
                }
            }
            Record::ProcessFlow(_) => {
                self.change(key, |node| node.events += 1);
            }
            Record::FileFlow(_) | Record::FileEvent(_) => self.file_record(joined, key, room, limits),
            Record::NetworkFlow(flow) => {
                if let Some(address) = local_address(flow).filter(|_| self.addresses.len() < MAX_ADDRESSES) {
                    self.addresses.insert((container_of(joined), address));
                }
                let what = Target {
                    flags: flow.op_flags,
                    ops: operations(flow.num_rrecv_ops, flow.num_wsend_ops),
                    count: 1,
                    rbytes: count(flow.num_rrecv_bytes),
                    wbytes: count(flow.num_wsend_bytes),
                    first: from,
                    last: to,
                    ret: None,
                    alerted: false,
                };
                let counted = self.change(key, |node| {
                    let net = node.net.get_or_insert_default();
                    net.flows.absorb(Tally::one(from, to, what.rbytes, what.wbytes));
                    net.by_end.add(NetKey::of(flow), &what, limits.targets, room)
                });
                self.totals.truncated |= counted == Some(false);
            }
            _ => {}
        }
    }

    fn file_record(&mut self, joined: &Joined<'_>, key: Key, room: bool, limits: &Limits) {
        let Some((_, from, to)) = span(joined.record) else { return };
        let [path, new_path] = paths(joined, limits);
        let Some(path) = path else { return };
        let (what, is_flow) = match joined.record {
            Record::FileFlow(flow) => {
                let what = Target {
                    flags: flow.op_flags,
                    ops: operations(flow.num_rrecv_ops, flow.num_wsend_ops),
                    count: count(flow.num_opens).max(1),
                    rbytes: count(flow.num_rrecv_bytes),
                    wbytes: count(flow.num_wsend_bytes),
                    first: from,
                    last: to,
                    ret: None,
                    alerted: false,
                };
                // That a program reads its own executable is how it starts, not what it does.
                let loads_itself = joined.process.is_some_and(|process| process.exe == path)
                    && flow.op_flags & op::WRITE_SEND == 0;
                if loads_itself {
                    return;
                }
                (what, true)
            }
            Record::FileEvent(event) => {
                let what = Target {
                    flags: event.op_flags,
                    ops: 1,
                    count: 1,
                    first: from,
                    last: to,
                    ret: Some(event.ret),
                    ..Target::NOTHING
                };
                (what, false)
            }
            _ => return,
        };
        let counted = self.change(key, |node| {
            let files = node.files.get_or_insert_default();
            let tally = if is_flow { &mut files.flows } else { &mut files.events };
            tally.absorb(Tally::one(from, to, what.rbytes, what.wbytes));
            let mut counted = files.by_path.add(path, &what, limits.targets, room);
            if let Some(new_path) = new_path {
                counted &= files.by_path.add_name(new_path, &what, limits.targets, room);
            }
            counted
        });
        self.totals.truncated |= counted == Some(false);
    }

    /// Puts an alert on the node of the record that it judges, and on its files or net node.
    pub(crate) fn alert(&mut self, joined: &Joined<'_>, key: Option<Key>, mark: &AlertMark, limits: &Limits) {
        self.totals.alerts += 1;
        self.totals.first = self.totals.first.min(mark.ts);
        self.totals.last = self.totals.last.max(mark.ts);
        self.totals.severity = self.totals.severity.max(Some(mark.priority));
        note(&mut self.totals.rules, &mark.rule);
        mark.techniques().for_each(|tag| note(&mut self.totals.tags, tag));
        let Some(key) = key else { return };
        self.change(key, |node| {
            note_alert(&mut node.alerts, mark.ts, &mark.id);
            mark.techniques().for_each(|tag| note_technique(&mut node.tags, tag, mark.ts));
            match joined.record {
                Record::FileFlow(_) | Record::FileEvent(_) => {
                    let Some(files) = &mut node.files else { return };
                    note_alert(&mut files.alerts, mark.ts, &mark.id);
                    mark.techniques().for_each(|tag| note_technique(&mut files.tags, tag, mark.ts));
                    paths(joined, limits).iter().flatten().for_each(|path| files.by_path.alert(path));
                }
                Record::NetworkFlow(flow) => {
                    let Some(net) = &mut node.net else { return };
                    note_alert(&mut net.alerts, mark.ts, &mark.id);
                    mark.techniques().for_each(|tag| note_technique(&mut net.tags, tag, mark.ts));
                    net.by_end.alert(&NetKey::of(flow));
                }
                _ => {}
            }
        });
    }

    /// Puts the techniques among some tags on the node of a record, and on its files or net node.
    pub(crate) fn tag(&mut self, joined: &Joined<'_>, key: Option<Key>, tags: &[String]) {
        let techniques: Vec<_> = super::alert::techniques(tags).collect();
        for tag in &techniques {
            note(&mut self.totals.tags, tag);
        }
        let (Some(key), Some(ts)) = (key, joined.record.ts()) else { return };
        self.change(key, |node| {
            for tag in &techniques {
                note_technique(&mut node.tags, tag, ts);
            }
            let below = match joined.record {
                Record::FileFlow(_) | Record::FileEvent(_) => {
                    node.files.as_mut().map(|files| &mut files.tags)
                }
                Record::NetworkFlow(_) => node.net.as_mut().map(|net| &mut net.tags),
                _ => None,
            };
            if let Some(below) = below {
                for tag in &techniques {
                    note_technique(below, tag, ts);
                }
            }
        });
    }

    /// Whether `address` is known to be the container's own.
    pub(crate) fn is_local(&self, container: Option<&str>, address: IpAddr) -> bool {
        self.addresses.contains(&(container.map(str::to_owned), address))
    }

    fn container(&mut self, joined: &Joined<'_>, limits: &Limits) {
        let Some(container) = joined.container else { return };
        let known =
            |name: &str, unknown: &str| if name == unknown { String::new() } else { cut(name, limits.text) };
        let names = self.containers.get(&container.id);
        if names.is_none_or(|(name, image)| name.is_empty() || image.is_empty())
            && self.containers.len() < MAX_NAMES
        {
            let names =
                (known(&container.name, "incomplete"), known(&container.image, "incomplete:incomplete"));
            self.containers.insert(container.id.clone(), names);
        }
    }
}

impl EdgeKind {
    /// The kind with this number, of those that join processes.
    pub(crate) fn between_processes(number: u8) -> Option<Self> {
        [Self::Clone, Self::Exec, Self::Setuid, Self::Exit].into_iter().find(|kind| *kind as u8 == number)
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Clone => "CLONE",
            Self::Exec => "EXEC",
            Self::Setuid => "SETUID",
            Self::Exit => "EXIT",
            Self::FileFlow => "FF",
            Self::FileEvent => "FE",
            Self::NetworkFlow => "NF",
        }
    }
}

/// Process and time of an event or flow; `None` for what a graph does not draw.
pub(crate) fn span(record: &Record) -> Option<(Oid, i64, i64)> {
    let (from, to) = match record {
        Record::ProcessEvent(r) => (r.ts, r.ts),
        Record::FileEvent(r) => (r.ts, r.ts),
        Record::FileFlow(r) => (r.ts, r.end_ts),
        Record::NetworkFlow(r) => (r.ts, r.end_ts),
        Record::ProcessFlow(r) => (r.ts, r.end_ts),
        _ => return None,
    };
    Some((record.proc_oid()?, from, to.max(from)))
}

/// Bytes that a flow read or received, and wrote or sent.
pub(crate) fn bytes_of(record: &Record) -> (u64, u64) {
    match record {
        Record::FileFlow(flow) => (count(flow.num_rrecv_bytes), count(flow.num_wsend_bytes)),
        Record::NetworkFlow(flow) => (count(flow.num_rrecv_bytes), count(flow.num_wsend_bytes)),
        _ => (0, 0),
    }
}

/// Path of the record's file, and of the new one of a rename or link. A file that the trace does not describe goes by
/// its id.
pub(crate) fn paths(joined: &Joined<'_>, limits: &Limits) -> [Option<String>; 2] {
    let (old, new) = match joined.record {
        Record::FileFlow(flow) => (Some(flow.file_oid), None),
        Record::FileEvent(event) => (Some(event.file_oid), event.new_file_oid),
        _ => (None, None),
    };
    let path = |file: Option<&sysflow::record::File>, id: sysflow::Foid| match file {
        Some(file) if file.path.is_empty() => unnamed(file.restype).to_owned(),
        Some(file) => cut(&file.path, limits.text),
        None => format!("file {id}"),
    };
    [old.map(|id| path(joined.file, id)), new.map(|id| path(joined.new_file, id))]
}

/// Both ends of a socket pair, and pipes in old traces, have no name.
fn unnamed(restype: i32) -> &'static str {
    match u8::try_from(restype) {
        Ok(b'u') => "(unnamed unix socket)",
        Ok(b'p') => "(unnamed pipe)",
        _ => "(unnamed)",
    }
}

fn container_of(joined: &Joined<'_>) -> Option<String> {
    joined.process.and_then(|process| process.container_id.clone())
}

fn note(names: &mut BTreeSet<String>, name: &str) {
    if names.len() < MAX_NAMES && !names.contains(name) {
        names.insert(name.to_owned());
    }
}

fn note_technique(tags: &mut BTreeMap<String, Tally>, tag: &str, ts: i64) {
    if tags.len() < MAX_NAMES || tags.contains_key(tag) {
        tags.entry(tag.to_owned()).or_default().absorb(Tally::one(ts, ts, 0, 0));
    }
}

fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// A flow that only opened and closed is one operation.
fn operations(reads: i64, writes: i64) -> u64 {
    count(reads).saturating_add(count(writes)).max(1)
}
