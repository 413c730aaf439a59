//! Who could have told whom what, and when.
//!
//! A record says that information went from one thing to another at some time between its start and its end: a read
//! from a file to a process, a clone from parent to child. A way from one thing to another has to respect time: what
//! is read before it is written tells nothing. A process is one thing on each node that it stood on.

use std::collections::BinaryHeap;

use foldhash::quality::RandomState;
use hashbrown::HashMap;
use sysflow::record::{FileEvent, FileFlow, NetworkFlow, Record, op};
use sysflow::{Joined, Oid};

use crate::limits::Limits;
use crate::live::{Key, Step, paths, span};

/// What can know something.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Thing {
    Process(Key, Oid),
    /// A path, in a container or on the host.
    File(Option<String>, String),
    Connection(Box<Ends>),
}

/// Both ends of one connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Ends {
    pub(crate) source: ([u8; 16], i32),
    pub(crate) destination: ([u8; 16], i32),
    pub(crate) protocol: i32,
}

/// Information could go from one thing to another at any time from `first` to `last`.
#[derive(Clone, Copy, Debug)]
struct Edge {
    from: u32,
    to: u32,
    first: i64,
    last: i64,
    step: u32,
}

/// All that went between the things of one graph.
#[derive(Debug, Default)]
pub(crate) struct Flows {
    things: HashMap<Thing, u32, RandomState>,
    edges: Vec<Edge>,
    /// Process of each step, and the step's time.
    actors: Vec<Option<(u32, i64, i64)>>,
}

/// Things that everybody shares and that remember nothing.
const FORGETFUL: [&str; 7] =
    ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/console"];

impl Flows {
    /// Takes in the next step.
    pub(crate) fn take(&mut self, step: &Step<'_>, limits: &Limits) {
        let nth = self.actors.len() as u32;
        let actor = match step {
            Step::Move(moved) => {
                let to = self.thing(Thing::Process(moved.to, moved.process));
                if let Some((oid, key)) = moved.source {
                    let from = self.thing(Thing::Process(key, oid));
                    self.edge(from, to, moved.since, moved.since, nth);
                }
                Some((to, moved.ts, moved.ts))
            }
            Step::Record { node: Some(key), joined, .. } => self.record(*key, joined, nth, limits),
            Step::Record { .. } => None,
        };
        self.actors.push(actor);
    }

    /// Process of a step, with the time of the step.
    pub(crate) fn actor(&self, step: usize) -> Option<(u32, i64, i64)> {
        self.actors.get(step).copied().flatten()
    }

    /// Processes that stood on a node for which `is` holds.
    pub(crate) fn standing(&self, is: impl Fn(Key) -> bool) -> Vec<u32> {
        let on = |thing: &Thing| matches!(thing, Thing::Process(key, _) if is(*key));
        self.things.iter().filter(|(thing, _)| on(thing)).map(|(_, at)| *at).collect()
    }

    /// When each thing can first know what some knew at a time; `i64::MAX` for never.
    pub(crate) fn forward(&self, starts: &[(u32, i64)]) -> Vec<i64> {
        let out = self.adjacent(|edge| edge.from);
        let mut known = vec![i64::MAX; self.things.len()];
        let mut queue = BinaryHeap::new();
        for (at, time) in starts {
            if *time < known[*at as usize] || known[*at as usize] == i64::MAX {
                known[*at as usize] = (*time).min(i64::MAX - 1);
                queue.push((std::cmp::Reverse(known[*at as usize]), *at));
            }
        }
        while let Some((std::cmp::Reverse(time), at)) = queue.pop() {
            if time > known[at as usize] {
                continue;
            }
            for edge in out.of(at).map(|nth| self.edges[nth as usize]).filter(|edge| time <= edge.last) {
                let then = time.max(edge.first);
                if then < known[edge.to as usize] {
                    known[edge.to as usize] = then;
                    queue.push((std::cmp::Reverse(then), edge.to));
                }
            }
        }
        known
    }

    /// Until when each thing can tell what some know at a time; `i64::MIN` for never.
    pub(crate) fn back(&self, ends: &[(u32, i64)]) -> Vec<i64> {
        let into = self.adjacent(|edge| edge.to);
        let mut tells = vec![i64::MIN; self.things.len()];
        let mut queue = BinaryHeap::new();
        for (at, time) in ends {
            if *time > tells[*at as usize] || tells[*at as usize] == i64::MIN {
                tells[*at as usize] = (*time).max(i64::MIN + 1);
                queue.push((tells[*at as usize], *at));
            }
        }
        while let Some((time, at)) = queue.pop() {
            if time < tells[at as usize] {
                continue;
            }
            for edge in into.of(at).map(|nth| self.edges[nth as usize]).filter(|edge| time >= edge.first) {
                let then = time.min(edge.last);
                if then > tells[edge.from as usize] {
                    tells[edge.from as usize] = then;
                    queue.push((then, edge.from));
                }
            }
        }
        tells
    }

    /// Steps of the edges on which something could go that is known since `known` at their start, and told until
    /// `tells` at their end.
    pub(crate) fn steps(
        &self,
        known: impl Fn(u32) -> i64,
        tells: impl Fn(u32) -> i64,
    ) -> impl Iterator<Item = usize> {
        self.edges.iter().filter_map(move |edge| {
            let (since, until) = (known(edge.from), tells(edge.to));
            let goes =
                since != i64::MAX && until != i64::MIN && since.max(edge.first) <= until.min(edge.last);
            goes.then_some(edge.step as usize)
        })
    }

    fn record(
        &mut self,
        key: Key,
        joined: &Joined<'_>,
        nth: u32,
        limits: &Limits,
    ) -> Option<(u32, i64, i64)> {
        let (oid, first, last) = span(joined.record)?;
        let process = self.thing(Thing::Process(key, oid));
        let container = joined.process.and_then(|process| process.container_id.clone());
        let [path, new_path] = paths(joined, limits);
        match joined.record {
            Record::ProcessEvent(event) if event.op_flags & op::EXEC != 0 && event.ret == 0 => {
                if let Some(ran) = joined.process {
                    let file = self.thing(Thing::File(container, ran.exe.clone()));
                    self.edge(file, process, first, last, nth);
                }
            }
            Record::FileFlow(flow) => {
                let Some(file) = self.file(container, path) else { return Some((process, first, last)) };
                if reads(flow) {
                    self.edge(file, process, first, last, nth);
                }
                if writes(flow) {
                    self.edge(process, file, first, last, nth);
                }
            }
            Record::FileEvent(event) if event.ret >= 0 => {
                let old = self.file(container.clone(), path);
                let new = self.file(container, new_path);
                if let Some(file) = old.filter(|_| changes(event)) {
                    self.edge(process, file, first, last, nth);
                }
                if let Some(new) = new {
                    self.edge(process, new, first, last, nth);
                    if let Some(old) = old {
                        self.edge(old, new, first, last, nth);
                    }
                }
            }
            Record::NetworkFlow(flow) => {
                let connection = self.thing(connection(flow));
                if flow.num_rrecv_bytes > 0 || flow.op_flags & op::READ_RECV != 0 {
                    self.edge(connection, process, first, last, nth);
                }
                if flow.num_wsend_bytes > 0 || flow.op_flags & op::WRITE_SEND != 0 {
                    self.edge(process, connection, first, last, nth);
                }
            }
            _ => {}
        }
        Some((process, first, last))
    }

    fn file(&mut self, container: Option<String>, path: Option<String>) -> Option<u32> {
        let path = path.filter(|path| !path.starts_with('(') && !FORGETFUL.contains(&path.as_str()))?;
        Some(self.thing(Thing::File(container, path)))
    }

    fn thing(&mut self, thing: Thing) -> u32 {
        let next = self.things.len() as u32;
        *self.things.entry(thing).or_insert(next)
    }

    fn edge(&mut self, from: u32, to: u32, first: i64, last: i64, step: u32) {
        self.edges.push(Edge { from, to, first, last, step });
    }

    fn adjacent(&self, end: impl Fn(&Edge) -> u32) -> Adjacent {
        let mut starts = vec![0_u32; self.things.len() + 1];
        for edge in &self.edges {
            starts[end(edge) as usize + 1] += 1;
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let (mut next, mut edges) = (starts.clone(), vec![0_u32; self.edges.len()]);
        for (nth, edge) in (0..).zip(&self.edges) {
            let at = &mut next[end(edge) as usize];
            edges[*at as usize] = nth;
            *at += 1;
        }
        Adjacent { starts, edges }
    }
}

/// Edges by one of their ends.
struct Adjacent {
    starts: Vec<u32>,
    edges: Vec<u32>,
}

impl Adjacent {
    fn of(&self, at: u32) -> impl Iterator<Item = u32> + '_ {
        let (from, to) = (self.starts[at as usize], self.starts[at as usize + 1]);
        self.edges[from as usize..to as usize].iter().copied()
    }
}

/// Whether a flow brought something to its process. An open alone did not.
pub(crate) fn reads(flow: &FileFlow) -> bool {
    flow.num_rrecv_bytes > 0 || flow.op_flags & (op::READ_RECV | op::MMAP) != 0
}

/// Whether a flow changed its file.
pub(crate) fn writes(flow: &FileFlow) -> bool {
    flow.num_wsend_bytes > 0 || flow.op_flags & (op::WRITE_SEND | op::TRUNCATE) != 0
}

/// Whether an event that succeeded changed its file: the old one of a rename is gone, that of a link is as it was.
pub(crate) fn changes(event: &FileEvent) -> bool {
    event.op_flags & (op::LINK | op::SYMLINK) == 0 && event.ret >= 0
}

/// The connection of a flow, the same for both of its ends.
pub(crate) fn connection(flow: &NetworkFlow) -> Thing {
    let address = |v4: i32, v6: Option<[u8; 16]>| {
        v6.unwrap_or_else(|| std::net::Ipv4Addr::from(v4.to_le_bytes()).to_ipv6_mapped().octets())
    };
    Thing::Connection(Box::new(Ends {
        source: (address(flow.sip, flow.sip6), flow.sport),
        destination: (address(flow.dip, flow.dip6), flow.dport),
        protocol: flow.proto,
    }))
}
