//! What rules remember of the records that went by: the state behind stateful attributes, bounded.
//!
//! [`Memory::observe`] takes each record after it was judged, with the tags of the rules that it matched. Time is that
//! of the records. Each table holds a fixed number of entries; those not touched for longest make room.

mod kept;
mod rhythm;
mod table;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};
use sysflow::{
    GraphId, Joined, Oid,
    record::{NetworkFlow, Record, op},
};

use self::{rhythm::Rhythm, table::Table};
use crate::{
    HashMap,
    context::{Context, Seen, Stateful},
    rule::Rule,
};

/// How much is remembered.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Graphs with their tags and counts.
    pub graphs: usize,
    /// Processes with their tags and connections.
    pub processes: usize,
    /// Pairs of process image and server whose rhythm is known.
    pub rhythms: usize,
    /// Executables, servers and ports of images, all together.
    pub known: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { graphs: 20_000, processes: 50_000, rhythms: 20_000, known: 200_000 }
    }
}

/// Time in which distinct endpoints are counted.
const WINDOW: i64 = 60_000_000_000;
/// Tags and connections kept of one graph or process.
const MAX_TAGS: usize = 64;
const MAX_ENDPOINTS: usize = 512;
/// Connections kept of all processes: a scanner that forks may have many of each.
const MAX_ENDPOINTS_IN_ALL: usize = 200_000;

/// What was seen so far.
///
/// It can be serialised, to go on with it later as if nothing had been between; what is read back is held to the bounds
/// of [`Limits::default`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(try_from = "kept::Kept")]
pub struct Memory {
    graphs: Table<GraphId, Graph>,
    processes: Table<Oid, Actor>,
    rhythms: Table<(u64, IpAddr, i32), Rhythm>,
    known: Table<Known, ()>,
    /// Connections of all processes, at most.
    endpoints: usize,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Graph {
    tags: Vec<String>,
    alerts: i64,
    sent: i64,
    received: i64,
    first: i64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Actor {
    tags: Vec<String>,
    /// Servers and when the last connection to each began.
    endpoints: HashMap<(IpAddr, i32), i64>,
}

/// Something that an image (0: the host) was seen to do.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
enum Known {
    /// The image at all: of an image never seen, everything would be new.
    Image(u64),
    Exe(u64, u64),
    Endpoint(u64, IpAddr, i32),
    Port(u64, i32),
}

impl Default for Memory {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl Memory {
    /// An empty memory.
    pub fn new(limits: Limits) -> Self {
        Self {
            graphs: Table::new(limits.graphs),
            processes: Table::new(limits.processes),
            rhythms: Table::new(limits.rhythms),
            known: Table::new(limits.known),
            endpoints: 0,
        }
    }

    /// Takes in a record that was judged, and the rules that it matched.
    pub fn observe<'r>(&mut self, record: &Joined<'_>, matched: impl IntoIterator<Item = &'r Rule>) {
        // What no process did, such as an event of Kubernetes, belongs to no graph and to no image.
        let (Some(now), Some(_)) = (record.record.ts(), record.record.proc_oid()) else { return };
        let (mut matches, mut tags) = (false, Vec::new());
        // What a rule drops is nothing to be remembered.
        for rule in matched.into_iter().filter(|rule| !rule.drops()) {
            matches = true;
            tags.extend(rule.tags.iter().map(String::as_str));
        }
        let connection = connection(record);
        if let Some(id) = graph(record) {
            let graph = self.graphs.touch(id);
            if graph.first == 0 {
                graph.first = now;
            }
            add_tags(&mut graph.tags, &tags);
            graph.alerts = graph.alerts.saturating_add(i64::from(matches));
            if let Record::NetworkFlow(flow) = record.record {
                graph.sent = graph.sent.saturating_add(flow.num_wsend_bytes.max(0));
                graph.received = graph.received.saturating_add(flow.num_rrecv_bytes.max(0));
            }
        }
        if let Some(process) = record.process
            && (!tags.is_empty() || connection.is_some())
        {
            let actor = self.processes.touch(process.oid);
            add_tags(&mut actor.tags, &tags);
            if let Some((server, port, _)) = connection {
                self.endpoints =
                    self.endpoints.saturating_add(usize::from(actor.connected(server, port, now)));
            }
        }
        if self.endpoints > MAX_ENDPOINTS_IN_ALL {
            self.forget_endpoints(now);
        }
        let image = image(record);
        if let Some((server, port, flow)) = connection {
            self.rhythms.touch((image_of_process(record), server, port)).begin(flow.ts, flow.sport);
            self.known.touch(Known::Endpoint(image, server, port));
            self.known.touch(Known::Port(image, port));
        }
        if let Some(exe) = executed(record) {
            self.known.touch(Known::Exe(image, exe));
        }
        self.known.touch(Known::Image(image));
    }

    /// Forgets what is older than a minute, and if that is little, the processes that were not touched for longest.
    fn forget_endpoints(&mut self, now: i64) {
        for actor in self.processes.values_mut() {
            actor.endpoints.retain(|_, last| is_recent(now, *last));
            actor.endpoints.shrink_to_fit();
        }
        let count =
            |processes: &Table<Oid, Actor>| processes.values().map(|actor| actor.endpoints.len()).sum();
        self.endpoints = count(&self.processes);
        while self.endpoints > MAX_ENDPOINTS_IN_ALL / 2 {
            self.processes.forget_half();
            self.endpoints = count(&self.processes);
        }
    }

    fn is_new(&self, image: u64, what: &Known) -> Seen {
        if self.known.get(&Known::Image(image)).is_none() {
            return Seen::Unknown;
        }
        Seen::Truth(self.known.get(what).is_none())
    }
}

impl Actor {
    /// Takes a connection in; whether it is one more.
    fn connected(&mut self, server: IpAddr, port: i32, now: i64) -> bool {
        if self.endpoints.len() >= MAX_ENDPOINTS {
            self.endpoints.retain(|_, last| is_recent(now, *last));
        }
        if self.endpoints.len() < MAX_ENDPOINTS || self.endpoints.contains_key(&(server, port)) {
            return self.endpoints.insert((server, port), now).is_none();
        }
        false
    }

    /// Servers of the last minute that `wanted` picks.
    fn recent(&self, now: i64, wanted: impl Fn(IpAddr) -> bool) -> i64 {
        self.endpoints.iter().filter(|((ip, _), last)| is_recent(now, **last) && wanted(*ip)).count() as i64
    }
}

impl Context for Memory {
    fn value(&self, attribute: Stateful, record: &Joined<'_>) -> Seen {
        let graph = || graph(record).and_then(|id| self.graphs.get(&id));
        let now = record.record.ts().unwrap_or_default();
        let of_graph =
            |get: fn(&Graph) -> i64| graph().map_or(Seen::Unknown, |graph| Seen::Number(get(graph)));
        let rhythm = |get: fn(&Rhythm) -> Option<i64>| {
            let found = connection(record).and_then(|(server, port, flow)| {
                let known = self.rhythms.get(&(image_of_process(record), server, port));
                get(&known.cloned().unwrap_or_default().with(flow.ts, flow.sport))
            });
            found.map_or(Seen::Unknown, Seen::Number)
        };
        let actor = || record.process.and_then(|process| self.processes.get(&process.oid));
        match attribute {
            Stateful::GraphTags => graph().map_or(Seen::Unknown, |graph| Seen::Texts(graph.tags.clone())),
            Stateful::GraphAlerts => of_graph(|graph| graph.alerts),
            Stateful::GraphEgressBytes => of_graph(|graph| graph.sent),
            Stateful::GraphIngressBytes => of_graph(|graph| graph.received),
            Stateful::GraphAge => {
                graph().map_or(Seen::Unknown, |graph| Seen::Number(now.saturating_sub(graph.first).max(0)))
            }
            Stateful::ProcTags => {
                let mut tags: Vec<String> = Vec::new();
                for actor in record.ancestors().filter_map(|process| self.processes.get(&process.oid)) {
                    add_tags(&mut tags, &actor.tags.iter().map(String::as_str).collect::<Vec<_>>());
                }
                Seen::Texts(tags)
            }
            Stateful::ProcEndpoints => {
                actor().map_or(Seen::Unknown, |a| Seen::Number(a.recent(now, |_| true)))
            }
            Stateful::ProcPorts => match connection(record) {
                Some((server, ..)) => {
                    Seen::Number(actor().map_or(0, |actor| actor.recent(now, |ip| ip == server)))
                }
                None => Seen::Unknown,
            },
            Stateful::FlowBeacon => rhythm(Rhythm::score),
            Stateful::FlowBeaconPeriod => rhythm(Rhythm::period),
            Stateful::FlowBeaconJitter => rhythm(Rhythm::jitter),
            Stateful::NewExe => executed(record).map_or(Seen::Unknown, |exe| {
                let image = image(record);
                self.is_new(image, &Known::Exe(image, exe))
            }),
            Stateful::NewEndpoint => connection(record).map_or(Seen::Unknown, |(server, port, _)| {
                let image = image(record);
                self.is_new(image, &Known::Endpoint(image, server, port))
            }),
            Stateful::NewPort => connection(record).map_or(Seen::Unknown, |(_, port, _)| {
                let image = image(record);
                self.is_new(image, &Known::Port(image, port))
            }),
        }
    }
}

fn is_recent(now: i64, last: i64) -> bool {
    now.saturating_sub(last) <= WINDOW
}

fn add_tags(known: &mut Vec<String>, tags: &[&str]) {
    for tag in tags {
        if known.len() < MAX_TAGS && !known.iter().any(|other| other == tag) {
            known.push((*tag).to_owned());
        }
    }
}

fn graph(record: &Joined<'_>) -> Option<GraphId> {
    record.process.and_then(|process| GraphId::parse(&process.graph_id))
}

/// Server, port and flow of a connection that the process opened.
fn connection<'r>(record: &Joined<'r>) -> Option<(IpAddr, i32, &'r NetworkFlow)> {
    match record.record {
        Record::NetworkFlow(flow) if flow.op_flags & op::CONNECT != 0 => {
            let server = match flow.dip6 {
                Some(bytes) => IpAddr::V6(Ipv6Addr::from(bytes)).to_canonical(),
                None => IpAddr::V4(Ipv4Addr::from(flow.dip.to_le_bytes())),
            };
            Some((server, flow.dport, flow))
        }
        _ => None,
    }
}

/// Hash of the executable that a successful execution started.
fn executed(record: &Joined<'_>) -> Option<u64> {
    match (record.record, record.process) {
        (Record::ProcessEvent(event), Some(process)) if event.op_flags & op::EXEC != 0 && event.ret == 0 => {
            Some(hash(&process.exe))
        }
        _ => None,
    }
}

/// Hash of the image of the container, 0 on the host.
fn image(record: &Joined<'_>) -> u64 {
    record.container.map_or(0, |container| hash(&container.image))
}

/// One rhythm for a program in an image, whichever of its processes connects.
fn image_of_process(record: &Joined<'_>) -> u64 {
    image(record).rotate_left(1) ^ record.process.map_or(0, |process| hash(&process.exe))
}

/// The same in every run, so that a memory could be kept; collisions only blur what is known.
fn hash(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
