//! All graphs, and the way of a record into one of them.

use std::collections::VecDeque;
use std::sync::Arc;

use foldhash::quality::RandomState;
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};
use sysflow::record::{Header, Process, Record, op};
use sysflow::{GraphId, Joined, Oid};
use xxhash_rust::xxh3::xxh3_64;

use super::alert::AlertMark;
use super::behaviour::{Attributes, Key};
use super::graph::{EdgeKind, Graph, span};
use super::node::Node;
use super::process::{Placed, ProcessId, Processes};
use super::trail::{Grown, Move};
use crate::limits::Limits;

/// Live graphs, one per graph id.
///
/// They can be serialised, all of them and with all that later records depend on, and go on from there as if nothing
/// had been between: see [`Graphs::with_limits`]. A clone is cheap, and costs a copy only of those graphs that change
/// while it lives: it can be serialised while records go on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Graphs {
    #[serde(skip)]
    pub(crate) limits: Limits,
    #[serde(with = "shared")]
    pub(crate) by_id: HashMap<GraphId, Arc<Graph>, RandomState>,
    pub(crate) holes: Vec<Hole>,
    processes: Processes,
    cells: usize,
    /// Bytes of all trails.
    history: usize,
    /// Graphs whose trails began a chunk, in that order.
    chunks: VecDeque<GraphId>,
    evicted: u64,
    unplaced: u64,
}

/// What a header says was lost, and on which host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hole {
    pub(crate) host: String,
    pub(crate) from: i64,
    pub(crate) to: i64,
    pub(crate) events: i64,
    pub(crate) records: i64,
    pub(crate) cause: String,
}

impl Hole {
    /// Whether nothing is counted: the collector misses something for as long as it runs.
    pub(crate) fn is_notice(&self) -> bool {
        self.events == 0 && self.records == 0
    }
}

impl Graphs {
    /// No graphs yet.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            by_id: HashMap::default(),
            holes: Vec::new(),
            processes: Processes::default(),
            cells: 0,
            history: 0,
            chunks: VecDeque::new(),
            evicted: 0,
            unplaced: 0,
        }
    }

    /// The same graphs with other bounds, which hold from the next record on. Bounds are not serialised.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Takes in an event or flow, and returns the graph that it went into. Records of other kinds, and those whose
    /// process the trace does not describe, change nothing.
    pub fn apply(&mut self, joined: &Joined<'_>) -> Option<GraphId> {
        span(joined.record)?;
        let Some((id, key)) = self.place(joined) else {
            self.unplaced += 1;
            return None;
        };
        let room = self.room(id);
        let limits = &self.limits;
        let graph = Arc::make_mut(self.by_id.get_mut(&id)?);
        let before = graph.cells();
        graph.record(joined, key, room, limits);
        let grown = if limits.history > 0 {
            graph.trail.record(joined, key)
        } else {
            graph.trail.skip(span(joined.record)?.2);
            Grown::default()
        };
        self.cells = (self.cells + graph.cells()).saturating_sub(before);
        self.grow(id, grown);
        if let Record::ProcessEvent(event) = joined.record
            && event.op_flags & op::EXIT != 0
            && event.tid == event.proc_oid.hpid
        {
            self.processes.exit(process_id(joined, event.proc_oid), self.limits.processes);
        }
        Some(id)
    }

    /// Puts an alert on the graph of the record that it judges, which was applied before; returns the graph's id and
    /// that of the process node, if there was room for one.
    pub fn mark(&mut self, joined: &Joined<'_>, mark: &AlertMark) -> Option<(GraphId, Option<String>)> {
        let (id, key) = self.standing(joined).or_else(|| self.place(joined))?;
        let limits = &self.limits;
        let graph = Arc::make_mut(self.by_id.get_mut(&id)?);
        let before = graph.cells();
        graph.alert(joined, key, mark, limits);
        self.cells = (self.cells + graph.cells()).saturating_sub(before);
        Some((id, key.map(Key::process)))
    }

    /// Puts tags on the node of a record, which was applied before, without an alert; returns the graph's id.
    pub fn tag(&mut self, joined: &Joined<'_>, tags: &[String]) -> Option<GraphId> {
        let (id, key) = self.standing(joined).or_else(|| self.place(joined))?;
        let graph = Arc::make_mut(self.by_id.get_mut(&id)?);
        let before = graph.cells();
        graph.tag(joined, key, tags);
        self.cells = (self.cells + graph.cells()).saturating_sub(before);
        Some(id)
    }

    /// Takes in what a header says was lost before it, or what its collector misses all the time: a cause without counts
    /// is a notice, which is kept once.
    pub fn loss(&mut self, header: &Header) {
        let lost = &header.lost;
        let is_notice = lost.events == 0 && lost.records == 0;
        if is_notice {
            let cause = super::node::cut(&lost.cause, self.limits.text);
            let is_known =
                |hole: &Hole| hole.is_notice() && hole.host == header.exporter && hole.cause == cause;
            if cause.is_empty() || self.holes.iter().any(is_known) {
                return;
            }
        }
        if self.holes.len() >= self.limits.losses.max(1) {
            self.holes.remove(0);
        }
        self.holes.push(Hole {
            host: header.exporter.clone(),
            from: lost.from,
            to: lost.to,
            events: lost.events,
            records: lost.records,
            cause: super::node::cut(&lost.cause, self.limits.text),
        });
    }

    /// Graphs that are held.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether no graph is held.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Graphs that went to make room for others.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Events and flows that no graph could take in, since the trace does not describe their process.
    pub fn unplaced(&self) -> u64 {
        self.unplaced
    }

    /// Memory in use, in cells: see [`Limits::cells`].
    pub fn cells(&self) -> usize {
        self.cells
    }

    /// Bytes of records that are kept as they came.
    pub fn history(&self) -> usize {
        self.history
    }

    /// A trail has grown: others, or its own older parts, make room.
    fn grow(&mut self, id: GraphId, grown: Grown) {
        self.history = self.history.saturating_add(grown.bytes);
        if !grown.chunk {
            return;
        }
        self.chunks.push_back(id);
        let share = self.limits.history / 8;
        if let Some(graph) = self.by_id.get_mut(&id) {
            let trail = &mut Arc::make_mut(graph).trail;
            let mut length = trail.len();
            while length > share {
                let freed = trail.shed();
                length -= freed;
                self.history = self.history.saturating_sub(freed);
                if let Some(at) = self.chunks.iter().position(|chunk| *chunk == id) {
                    self.chunks.remove(at);
                }
            }
        }
        while self.history > self.limits.history {
            let Some(oldest) = self.chunks.pop_front() else { return };
            let Some(graph) = self.by_id.get_mut(&oldest) else { continue };
            self.history = self.history.saturating_sub(Arc::make_mut(graph).trail.shed());
        }
    }

    /// Graph and node of the record's process after the record, if it was applied.
    fn standing(&self, joined: &Joined<'_>) -> Option<(GraphId, Option<Key>)> {
        let process = joined.process?;
        let placed = self.processes.get(&process_id(joined, process.oid))?;
        let is_current = joined.graph_of(process).id == placed.graph;
        (is_current && self.by_id.contains_key(&placed.graph)).then_some((placed.graph, placed.node))
    }

    /// Graph and node of the record's process, after making both when they are new.
    fn place(&mut self, joined: &Joined<'_>) -> Option<(GraphId, Option<Key>)> {
        let process = joined.process?;
        let attributes = Attributes::of(process);
        let execed = executes(joined.record);
        let known = self.processes.get(&process_id(joined, process.oid));
        let graph = joined.graph_of(process).id;
        if let Some(placed) = known
            && placed.graph == graph
            && placed.attributes == attributes
            && !execed
            && self.by_id.contains_key(&graph)
        {
            return Some((graph, placed.node));
        }
        let (_, ts, _) = span(joined.record)?;
        for ancestor in self.missing_ancestors(joined, graph) {
            self.come(joined, ancestor, graph, ancestor.ts, false);
        }
        let key = self.come(joined, process, graph, ts, execed);
        Some((graph, key))
    }

    /// Ancestors in the same graph that have not been placed, oldest first: those that did nothing that was recorded.
    fn missing_ancestors<'a>(&self, joined: &Joined<'a>, graph: GraphId) -> Vec<&'a Process> {
        let mut missing: Vec<_> = joined
            .ancestors()
            .skip(1)
            .take_while(|ancestor| {
                let known = self.processes.get(&process_id(joined, ancestor.oid));
                known.is_none() && joined.graph_of(ancestor).id == graph
            })
            .collect();
        missing.reverse();
        missing
    }

    /// A process is seen for the first time, or has become something else.
    fn come(
        &mut self,
        joined: &Joined<'_>,
        process: &Process,
        graph_id: GraphId,
        ts: i64,
        execed: bool,
    ) -> Option<Key> {
        let id = process_id(joined, process.oid);
        let attributes = Attributes::of(process);
        let before = self.processes.get(&id).copied();
        let parent = process
            .poid
            .and_then(|parent| self.processes.get(&process_id(joined, parent)))
            .filter(|parent| parent.graph == graph_id && process.poid != Some(process.oid))
            .copied();

        self.ensure(joined, process, graph_id);
        let room = self.room(graph_id);
        let stays = before.filter(|before| before.graph == graph_id);
        let placed = match stays {
            Some(now) => turned(now, attributes, execed),
            None => born(graph_id, parent, attributes, execed),
        };
        let key = Key::new(placed.attributes, placed.parent, placed.fork);
        let keeps = self.limits.history > 0;
        let mut grown = Grown::default();

        let limits = &self.limits;
        let graph = Arc::make_mut(self.by_id.get_mut(&graph_id)?);
        let cells = graph.cells();
        let node = graph.node(key, room, limits, || Node::new(process, placed.parent, placed.fork, limits));
        let moved = stays.is_none_or(|now| now.node != node);
        if let Some(key) = node.filter(|_| moved) {
            graph.change(key, |node| node.enter(process, ts, limits));
        }
        if let Some(now) = stays {
            leave_fork(graph, now, node, process.oid);
        } else {
            graph.totals.processes += 1;
        }
        if let Some(to) = node {
            let edge = passage(stays.as_ref(), &placed, execed);
            if let Some((from, kind)) = edge {
                graph.edge(from, to, kind, ts);
            }
            let source = match stays {
                Some(now) => now.node.map(|node| (process.oid, node)),
                None => process.poid.zip(placed.parent),
            };
            if keeps && (moved || edge.is_some()) {
                let since = if stays.is_some() { ts } else { process.oid.create_ts.min(ts) };
                let moved = Move { process: process.oid, to, source, edge, ts, since };
                grown = graph.trail.moved(joined, &moved);
            }
        }
        if node.is_some() && graph.root.is_none() && GraphId::new(&graph.host, process.oid) == graph_id {
            graph.root = node;
        }
        self.cells = (self.cells + graph.cells()).saturating_sub(cells);
        self.grow(graph_id, grown);
        if let Some(left) = before.filter(|before| before.graph != graph_id)
            && let Some(graph) = self.by_id.get_mut(&left.graph)
        {
            leave_fork(Arc::make_mut(graph), left, None, process.oid);
        }
        self.processes.put(id, Placed { node, ..placed }, self.limits.processes);
        node
    }

    /// Makes the graph if it is new, which may cost another one its place.
    fn ensure(&mut self, joined: &Joined<'_>, process: &Process, id: GraphId) {
        if !self.by_id.contains_key(&id) {
            while self.by_id.len() >= self.limits.graphs.max(1) {
                self.evict(id);
            }
            let graph = Graph::new(joined.header.map_or("", |header| &header.exporter));
            self.cells += graph.cells();
            self.by_id.insert(id, Arc::new(graph));
        }
        let Some(graph) = self.by_id.get_mut(&id).filter(|graph| graph.parent.is_none()) else { return };
        let parent = joined.graph_of(process).parent.filter(|parent| *parent != id);
        if parent.is_some() {
            Arc::make_mut(graph).parent = parent;
        }
    }

    /// Whether `graph` may grow, after other graphs have made what room they can.
    fn room(&mut self, graph: GraphId) -> bool {
        while self.cells >= self.limits.cells && self.by_id.len() > 1 {
            self.evict(graph);
        }
        self.cells < self.limits.cells
    }

    fn evict(&mut self, except: GraphId) {
        let oldest = self
            .by_id
            .iter()
            .filter(|(id, _)| **id != except)
            .min_by_key(|(id, graph)| (graph.totals.alerts > 0, graph.totals.last, **id))
            .map(|(id, _)| *id);
        let Some(id) = oldest else { return };
        if let Some(graph) = self.by_id.remove(&id) {
            self.cells = self.cells.saturating_sub(graph.cells());
            self.history = self.history.saturating_sub(graph.trail.len());
            self.chunks.retain(|chunk| *chunk != id);
            self.processes.forget(id);
            self.evicted += 1;
        }
    }
}

/// A process that comes to be in this graph. It is a fork while it is as its parent was.
fn born(graph: GraphId, parent: Option<Placed>, attributes: Attributes, execed: bool) -> Placed {
    let fork =
        !execed && parent.is_some_and(|parent| parent.node.is_some() && parent.attributes == attributes);
    Placed { graph, node: None, parent: parent.and_then(|parent| parent.node), attributes, fork }
}

/// A process of this graph, after its attributes changed or it was executed. Terminal and container are looked at only
/// with an exec: readers of a trace learn of them late.
fn turned(now: Placed, mut attributes: Attributes, execed: bool) -> Placed {
    if !execed {
        attributes.place = now.attributes.place;
    }
    Placed { attributes, fork: now.fork && !execed && attributes == now.attributes, ..now }
}

/// The edge that leads to where a process now stands. A fork has the node of its parent behind it: nobody wants to
/// see the moment between clone and exec.
fn passage(before: Option<&Placed>, now: &Placed, execed: bool) -> Option<(Key, EdgeKind)> {
    let Some(before) = before else {
        return Some((now.parent?, if execed { EdgeKind::Exec } else { EdgeKind::Clone }));
    };
    let from = if before.fork { before.parent } else { before.node }?;
    let kind = match () {
        () if execed || before.attributes.image != now.attributes.image => EdgeKind::Exec,
        () if before.attributes.identity != now.attributes.identity => EdgeKind::Setuid,
        () => return None,
    };
    Some((from, kind))
}

/// Takes a process off the node of forks that it was on, when it now stands elsewhere.
fn leave_fork(graph: &mut Graph, before: Placed, now: Option<Key>, process: Oid) {
    if let Some(key) = before.node.filter(|key| before.fork && Some(*key) != now) {
        graph.change(key, |node| node.leave(process));
    }
}

fn executes(record: &Record) -> bool {
    matches!(record, Record::ProcessEvent(event) if event.op_flags & op::EXEC != 0 && event.ret == 0)
}

fn process_id(joined: &Joined<'_>, oid: Oid) -> ProcessId {
    (joined.header.map_or(0, |header| xxh3_64(header.exporter.as_bytes())), oid)
}

/// Graphs as they are, whoever shares them.
mod shared {
    use std::sync::Arc;

    use foldhash::quality::RandomState;
    use hashbrown::HashMap;
    use serde::{Deserialize, Deserializer, Serializer};
    use sysflow::GraphId;

    use super::Graph;

    type Shared = HashMap<GraphId, Arc<Graph>, RandomState>;

    pub(super) fn serialize<S: Serializer>(graphs: &Shared, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(graphs.iter().map(|(id, graph)| (id, &**graph)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Shared, D::Error> {
        let graphs = HashMap::<GraphId, Graph, RandomState>::deserialize(from)?;
        Ok(graphs.into_iter().map(|(id, graph)| (id, Arc::new(graph))).collect())
    }
}
