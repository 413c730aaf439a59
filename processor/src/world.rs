//! What engines write and the API reads: graphs and alerts, behind one lock that is held for a block of records or
//! for one answer.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};
use sysflow::{GraphId, Priority};
use sysflow_graph::Graphs;
use tokio::sync::broadcast;

use crate::alert::Alert;
use crate::calls;
use crate::engine::Stream;
use crate::losses::Told;
use crate::rules::Rules;

/// State shared between engines and API.
#[derive(Debug)]
pub struct World {
    state: Mutex<State>,
    ready: AtomicBool,
    /// Why the service cannot do its work any more.
    failed: OnceLock<String>,
    rules: OnceLock<Arc<Rules>>,
}

/// Graphs and alerts.
#[derive(Debug)]
pub struct State {
    /// All live graphs.
    pub graphs: Graphs,
    /// Alerts that the API knows.
    pub alerts: AlertLog,
    /// What hosts do not deliver.
    pub missing: Missing,
}

/// System calls that the Falco of a node does not deliver, as its plugin has found out.
///
/// A plugin says it once in a stream, so this is kept over a restart. A node's newer stream takes the place of its
/// older one.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Missing {
    by_node: BTreeMap<String, Host>,
    age: u64,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Host {
    stream: String,
    calls: BTreeSet<String>,
    /// Calls whose names this version does not know.
    unknown: u64,
    age: u64,
}

/// Nodes of which it is known what they miss; the one without news longest is forgotten.
const MAX_HOSTS: usize = 1024;

/// The newest alerts, each once: an update takes the place of what it updates. At most half of them are of others, so that
/// these cannot drive out ours.
#[derive(Debug)]
pub struct AlertLog {
    max: usize,
    next: u64,
    /// Those of others.
    foreign: BTreeSet<u64>,
    /// Tells of each that comes.
    news: broadcast::Sender<Arc<Alert>>,
    by_order: BTreeMap<u64, Arc<Alert>>,
    by_id: HashMap<String, u64, foldhash::quality::RandomState>,
    by_graph: HashMap<String, BTreeSet<u64>, foldhash::quality::RandomState>,
}

/// Alerts that a client may fall behind before it is let go.
const MAX_BEHIND: usize = 1024;

/// Which alerts are asked for; every condition that is given has to hold.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Id of their graph.
    pub graph: Option<String>,
    /// Name of their rule.
    pub rule: Option<String>,
    /// Their source.
    pub source: Option<String>,
    /// Their least priority.
    pub priority: Option<Priority>,
    /// First time, in ns.
    pub from: Option<i64>,
    /// Last time, in ns.
    pub to: Option<i64>,
    /// Only what comes after this place, which does not change their number.
    pub after: Option<Place>,
}

/// Where an alert stands in a list that begins with the newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    ts: i64,
    order: u64,
}

/// Some of the alerts that were asked for.
#[derive(Debug)]
pub struct Page {
    /// The newest first.
    pub alerts: Vec<Arc<Alert>>,
    /// How many there are in all.
    pub total: usize,
    /// Place of the last one, when there are more.
    pub next: Option<Place>,
}

impl State {
    /// A number that changes with a graph and its alerts; `None` when the graph is not in memory.
    pub fn revision(&self, graph: GraphId) -> Option<u64> {
        let summary = self.graphs.summary(graph)?;
        let told = self.alerts.count(Some(&graph.to_string())) as u64;
        Some(summary.records.wrapping_add(summary.alerts).wrapping_add(told))
    }
}

impl Wanted {
    fn holds(&self, alert: &Alert) -> bool {
        self.rule.as_ref().is_none_or(|rule| *rule == alert.rule)
            && self.source.as_ref().is_none_or(|source| *source == alert.source)
            && self.priority.is_none_or(|least| alert.priority >= least)
            && self.from.is_none_or(|from| alert.ts >= from)
            && self.to.is_none_or(|to| alert.ts <= to)
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}_{}", self.ts, self.order)
    }
}

impl std::str::FromStr for Place {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (ts, order) = text.split_once('_').ok_or(())?;
        Ok(Self { ts: ts.parse().map_err(|_| ())?, order: order.parse().map_err(|_| ())? })
    }
}

impl World {
    /// Empty, with bounds.
    pub fn new(graphs: sysflow_graph::Limits, alerts: usize) -> Self {
        Self {
            state: Mutex::new(State {
                graphs: Graphs::new(graphs),
                alerts: AlertLog::new(alerts),
                missing: Missing::default(),
            }),
            ready: AtomicBool::new(false),
            failed: OnceLock::new(),
            rules: OnceLock::new(),
        }
    }

    /// Locks it. A panic of another holder does not stop the API: each change leaves a state that can be shown.
    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that what was stored is judged and inputs are open.
    pub fn set_ready(&self) {
        self.ready.store(true, Ordering::Release);
    }

    /// Whether [`World::set_ready`] was called, and nothing has failed since.
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire) && self.failure().is_none()
    }

    /// Says which rules records are judged by; the first ones told are kept.
    pub fn set_rules(&self, rules: Arc<Rules>) {
        _ = self.rules.set(rules);
    }

    /// The rules in force; none before the engine is there.
    pub fn rules(&self) -> Option<&Arc<Rules>> {
        self.rules.get()
    }

    /// Says that a part of the service is gone and only a new start brings it back.
    pub fn fail(&self, why: String) {
        _ = self.failed.set(why);
    }

    /// What failed first.
    pub fn failure(&self) -> Option<&str> {
        self.failed.get().map(String::as_str)
    }

    /// Does a part's work; its panic is noted as a failure and goes on.
    pub fn watch<T>(&self, part: &str, work: impl FnOnce() -> T) -> T {
        catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
            self.fail(format!("{part} panicked; restart the service, and please report this"));
            resume_unwind(panic)
        })
    }
}

impl AlertLog {
    fn new(max: usize) -> Self {
        Self {
            max,
            next: 0,
            foreign: BTreeSet::new(),
            news: broadcast::channel(MAX_BEHIND).0,
            by_order: BTreeMap::new(),
            by_id: HashMap::default(),
            by_graph: HashMap::default(),
        }
    }

    /// Takes a new alert, or the update of one; whether it is new.
    pub fn put(&mut self, alert: Arc<Alert>) -> bool {
        let known = self.by_id.get(&alert.id).copied();
        if known.is_some() && alert.is_foreign() {
            return false;
        }
        // An error says that nobody listens.
        _ = self.news.send(Arc::clone(&alert));
        if let Some(order) = known {
            self.by_order.insert(order, alert);
            return false;
        }
        let order = self.next;
        self.next += 1;
        if alert.is_foreign() {
            self.foreign.insert(order);
        }
        self.by_id.insert(alert.id.clone(), order);
        if let Some(graph) = alert.graph() {
            self.by_graph.entry(graph.to_owned()).or_default().insert(order);
        }
        self.by_order.insert(order, alert);
        if self.by_order.len() > self.max {
            self.forget_oldest();
        }
        true
    }

    /// All of them, in the order in which they were put in.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Alert>> {
        self.by_order.values()
    }

    /// The newest `limit` of all, or of one graph, by the time of their records.
    pub fn newest(&self, graph: Option<&str>, limit: usize) -> Vec<Arc<Alert>> {
        let mut alerts: Vec<(u64, &Arc<Alert>)> = match graph {
            Some(graph) => {
                let orders = self.by_graph.get(graph).into_iter().flatten();
                orders.filter_map(|order| Some((*order, self.by_order.get(order)?))).collect()
            }
            None => self.by_order.iter().map(|(order, alert)| (*order, alert)).collect(),
        };
        // A flow is judged when it ends, and an update is of a later time than what it updates.
        alerts.sort_unstable_by_key(|(order, alert)| std::cmp::Reverse((alert.ts, *order)));
        alerts.into_iter().take(limit).map(|(_, alert)| Arc::clone(alert)).collect()
    }

    /// At most `limit` of those that are wanted, the newest first.
    pub fn page(&self, wanted: &Wanted, limit: usize) -> Page {
        let mut found: Vec<(Place, &Arc<Alert>)> = self
            .orders(wanted.graph.as_deref())
            .filter_map(|order| Some((order, self.by_order.get(&order)?)))
            .filter(|(_, alert)| wanted.holds(alert))
            .map(|(order, alert)| (Place { ts: alert.ts, order }, alert))
            .collect();
        let total = found.len();
        found.retain(|(place, _)| wanted.after.is_none_or(|after| *place < after));
        found.sort_unstable_by_key(|(place, _)| std::cmp::Reverse(*place));
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|(place, _)| *place);
        Page { alerts: found.into_iter().map(|(_, alert)| Arc::clone(alert)).collect(), total, next }
    }

    /// Those that came after the one with this id, of all graphs or of one, in their order. All of them when it is not known
    /// any more.
    pub fn after(&self, id: &str, graph: Option<&str>) -> Vec<Arc<Alert>> {
        let from = self.by_id.get(id).map_or(0, |order| order + 1);
        self.orders(graph)
            .filter(|order| *order >= from)
            .filter_map(|order| self.by_order.get(&order))
            .cloned()
            .collect()
    }

    /// Tells of each alert that is put in from now on, updates among them.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Alert>> {
        self.news.subscribe()
    }

    fn orders(&self, graph: Option<&str>) -> Box<dyn Iterator<Item = u64> + '_> {
        match graph {
            Some(graph) => Box::new(self.by_graph.get(graph).into_iter().flatten().copied()),
            None => Box::new(self.by_order.keys().copied()),
        }
    }

    /// How many there are, in all or of one graph.
    pub fn count(&self, graph: Option<&str>) -> usize {
        match graph {
            Some(graph) => self.by_graph.get(graph).map_or(0, BTreeSet::len),
            None => self.by_order.len(),
        }
    }

    fn forget_oldest(&mut self) {
        let oldest = if self.foreign.len() > self.max / 2 {
            self.foreign.first().copied()
        } else {
            self.by_order.keys().next().copied()
        };
        let Some((order, alert)) = oldest.and_then(|order| self.by_order.remove_entry(&order)) else {
            return;
        };
        self.foreign.remove(&order);
        self.by_id.remove(&alert.id);
        if let Some(graph) = alert.graph()
            && let Some(orders) = self.by_graph.get_mut(graph)
        {
            orders.remove(&order);
            if orders.is_empty() {
                self.by_graph.remove(graph);
            }
        }
    }
}

impl Missing {
    /// Takes over what a header of a stream tells.
    pub(crate) fn take(&mut self, stream: &Stream, told: &Told) {
        let is_known = self.by_node.get(&stream.node).is_some_and(|host| host.stream == stream.id);
        if !is_known {
            self.by_node.insert(stream.node.clone(), Host { stream: stream.id.clone(), ..Host::default() });
            if self.by_node.len() > MAX_HOSTS
                && let Some(oldest) =
                    self.by_node.iter().min_by_key(|(_, host)| host.age).map(|(node, _)| node.clone())
            {
                self.by_node.remove(&oldest);
            }
        }
        let Some(host) = self.by_node.get_mut(&stream.node) else { return };
        self.age += 1;
        host.age = self.age;
        host.calls.extend(told.missing.iter().map(|call| (*call).to_owned()));
        host.unknown = host.unknown.max(told.unknown as u64);
        for call in &told.came {
            host.calls.remove(*call);
        }
    }

    /// Calls that some node misses, each with how many nodes do.
    pub fn calls(&self) -> BTreeMap<&'static str, u64> {
        let mut calls = BTreeMap::new();
        // A name that came from a file and not from our list is no word of ours.
        for call in self.by_node.values().flat_map(|host| &host.calls).filter_map(|call| calls::known(call)) {
            *calls.entry(call).or_default() += 1;
        }
        calls
    }

    /// Most calls that one node misses.
    pub fn most(&self) -> u64 {
        let of = |host: &Host| (host.calls.len() as u64).saturating_add(host.unknown);
        self.by_node.values().map(of).max().unwrap_or(0)
    }
}
