//! One behaviour and its instances.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sysflow::Oid;
use sysflow::record::Process;

use super::activity::{Activity, text_cells};
use super::behaviour::Key;
use super::net::NetKey;
use crate::limits::Limits;

/// Alerts that one node remembers by id; the graph's counts go on.
const MAX_ALERTS: usize = 1_000;

/// A process node, with what its processes did to files and over the network.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Node {
    pub(crate) parent: Option<Key>,
    /// Whether its processes run what their parent ran when it cloned them.
    pub(crate) fork: bool,
    pub(crate) exe: String,
    pub(crate) args: String,
    pub(crate) user: Option<String>,
    pub(crate) uid: i32,
    pub(crate) tty: bool,
    pub(crate) container: Option<String>,
    pub(crate) instances: BTreeMap<Oid, Instance>,
    /// Processes that ever were on this node.
    pub(crate) processes: u64,
    /// Forks among them that went on to be something else.
    pub(crate) left: u64,
    /// ATT&CK techniques of its alerts: when, and how often.
    pub(crate) tags: BTreeMap<String, Tally>,
    /// Time and id of each alert.
    pub(crate) alerts: BTreeSet<(i64, String)>,
    /// Process events.
    pub(crate) events: u64,
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) files: Option<FileActivity>,
    pub(crate) net: Option<NetActivity>,
}

/// A process while it was on one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Instance {
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) exit: Option<i32>,
}

/// What a behaviour did to files, by path.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct FileActivity {
    pub(crate) by_path: Activity<String>,
    pub(crate) flows: Tally,
    pub(crate) events: Tally,
    pub(crate) tags: BTreeMap<String, Tally>,
    pub(crate) alerts: BTreeSet<(i64, String)>,
}

/// What a behaviour did over the network, by endpoint.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct NetActivity {
    pub(crate) by_end: Activity<NetKey>,
    pub(crate) flows: Tally,
    pub(crate) tags: BTreeMap<String, Tally>,
    pub(crate) alerts: BTreeSet<(i64, String)>,
}

/// How often something went along an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tally {
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) count: u64,
    pub(crate) rbytes: u64,
    pub(crate) wbytes: u64,
}

impl Node {
    pub(crate) fn new(process: &Process, parent: Option<Key>, fork: bool, limits: &Limits) -> Self {
        Self {
            parent,
            fork,
            exe: cut(&process.exe, limits.text),
            args: cut(&process.exe_args, limits.text),
            user: None,
            uid: process.uid,
            tty: process.tty,
            container: process.container_id.as_deref().map(|id| cut(id, limits.text)),
            instances: BTreeMap::new(),
            processes: 0,
            left: 0,
            tags: BTreeMap::new(),
            alerts: BTreeSet::new(),
            events: 0,
            first: i64::MAX,
            last: i64::MIN,
            files: None,
            net: None,
        }
    }

    /// A process comes to this node.
    pub(crate) fn enter(&mut self, process: &Process, ts: i64, limits: &Limits) {
        if self.user.is_none() && !matches!(process.user_name.as_str(), "" | "<NA>") {
            self.user = Some(cut(&process.user_name, limits.text));
        }
        let new = Instance { first: ts, last: ts, exit: None };
        if self.instances.insert(process.oid, new).is_none() {
            self.processes += 1;
        }
        if self.instances.len() > limits.instances.saturating_mul(2) {
            self.prune(limits.instances);
        }
        self.touch(process.oid, ts, ts);
    }

    /// A fork turns into something else: it is no instance of this node any more.
    pub(crate) fn leave(&mut self, process: Oid) {
        self.instances.remove(&process);
        self.left += 1;
    }

    /// A record of one of its processes spans `from` to `to`.
    pub(crate) fn touch(&mut self, process: Oid, from: i64, to: i64) {
        self.first = self.first.min(from);
        self.last = self.last.max(to);
        if let Some(instance) = self.instances.get_mut(&process) {
            instance.first = instance.first.min(from);
            instance.last = instance.last.max(to);
        }
    }

    /// Whether the node is but the moment between a clone and what followed it.
    pub(crate) fn is_passage(&self) -> bool {
        self.fork && self.left >= self.processes && self.alerts.is_empty() && self.parent.is_some()
    }

    /// Takes over what was done in the moment between clone and exec: that was still this image.
    pub(crate) fn absorb_passage(&mut self, passage: &Self) {
        self.events = self.events.saturating_add(passage.events);
        self.first = self.first.min(passage.first);
        self.last = self.last.max(passage.last);
        if let Some(files) = &passage.files {
            let own = self.files.get_or_insert_default();
            own.by_path.absorb(&files.by_path);
            own.flows.absorb(files.flows);
            own.events.absorb(files.events);
        }
        if let Some(net) = &passage.net {
            let own = self.net.get_or_insert_default();
            own.by_end.absorb(&net.by_end);
            own.flows.absorb(net.flows);
        }
    }

    /// Memory in cells: see [`Limits::cells`].
    pub(crate) fn cells(&self) -> usize {
        let files = self.files.as_ref().map_or(0, |files| files.by_path.cells() + files.alerts.len());
        let net = self.net.as_ref().map_or(0, |net| net.by_end.cells() + net.alerts.len());
        2 + text_cells(&self.exe)
            + text_cells(&self.args)
            + self.instances.len() / 4
            + self.alerts.len()
            + files
            + net
    }

    fn prune(&mut self, keep: usize) {
        let mut by_age: Vec<_> = self.instances.iter().map(|(oid, instance)| (instance.last, *oid)).collect();
        by_age.sort_unstable();
        by_age.truncate(self.instances.len().saturating_sub(keep));
        for (_, oid) in by_age {
            self.instances.remove(&oid);
        }
    }
}

/// Adds an alert to a list that is bounded.
pub(crate) fn note_alert(alerts: &mut BTreeSet<(i64, String)>, ts: i64, id: &str) {
    if alerts.len() < MAX_ALERTS {
        alerts.insert((ts, id.to_owned()));
    }
}

/// The text, cut at a character boundary to at most `limit` bytes, then `…`.
pub(crate) fn cut(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let end = (0..=limit).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    format!("{}…", &text[..end])
}

impl Default for Tally {
    fn default() -> Self {
        Self { first: i64::MAX, last: i64::MIN, count: 0, rbytes: 0, wbytes: 0 }
    }
}

impl Tally {
    pub(crate) fn one(first: i64, last: i64, rbytes: u64, wbytes: u64) -> Self {
        Self { first, last, count: 1, rbytes, wbytes }
    }

    pub(crate) fn absorb(&mut self, other: Self) {
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.count = self.count.saturating_add(other.count);
        self.rbytes = self.rbytes.saturating_add(other.rbytes);
        self.wbytes = self.wbytes.saturating_add(other.wbytes);
    }
}
