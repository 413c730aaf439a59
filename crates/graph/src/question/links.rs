//! How a graph hangs together with others.

use std::collections::{BTreeMap, BTreeSet};

use foldhash::quality::RandomState;
use hashbrown::HashMap;
use serde::Serialize;
use sysflow::GraphId;
use sysflow::record::{Record, op};

use super::flow::{Thing, connection};
use crate::live::{Step, Target};
use crate::output::{EVER, Snapshot, text};

/// Links that one answer lists, the newest first.
const MAX_LINKS: usize = 500;
/// What changes a file.
const CHANGES: i32 = op::WRITE_SEND | op::TRUNCATE | op::RENAME | op::LINK | op::SYMLINK;

/// Links of one graph.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Links {
    /// Parent and children first, then the newest.
    pub links: Vec<GraphLink>,
    /// Links beyond what is listed.
    pub omitted: usize,
}

/// Why another graph matters to this one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct GraphLink {
    /// The other graph.
    pub graph: String,
    /// `parent`, `child`, `file` or `connection`.
    pub kind: &'static str,
    /// What joins them.
    pub label: String,
    /// When, in ns.
    #[serde(serialize_with = "text")]
    pub at: i64,
}

/// A file of a host, in a container or outside.
type Place = (Option<String>, String);

impl Snapshot {
    /// Graphs among `others` that spawned this one or were spawned by it; that wrote a file which this one reads or
    /// runs, or the other way round; or that hold the other end of one of its connections, on any host. Files and
    /// connections are those of whom records or counts are kept.
    pub fn links(&self, others: &[Self]) -> Links {
        let mut links = BTreeSet::new();
        let (own_written, own_used) = self.files();
        let own_ends = self.connections();
        for other in others.iter().filter(|other| other.id != self.id) {
            if self.graph.parent == Some(other.id) {
                links.insert(link(other.id, "parent", &other.title(), self.graph.totals.first));
            }
            if other.graph.parent == Some(self.id) {
                links.insert(link(other.id, "child", &other.title(), other.graph.totals.first));
            }
            if other.graph.host == self.graph.host {
                let (written, used) = other.files();
                shared(&written, &own_used, |path, at| {
                    links.insert(link(other.id, "file", &format!("{path}: written there, used here"), at));
                });
                shared(&own_written, &used, |path, at| {
                    links.insert(link(other.id, "file", &format!("{path}: written here, used there"), at));
                });
            }
            if !own_ends.is_empty() {
                for (end, (at, label)) in other.connections() {
                    if own_ends.contains_key(&end)
                        && (!is_loopback(&end) || other.graph.host == self.graph.host)
                    {
                        links.insert(link(other.id, "connection", &label, at));
                    }
                }
            }
        }
        if let Some(parent) =
            self.graph.parent.filter(|parent| links.iter().all(|l| l.graph != parent.to_string()))
        {
            links.insert(link(parent, "parent", "not in memory", self.graph.totals.first));
        }
        // One line a file and graph, and one a pair of ends.
        let mut once: BTreeMap<(String, &'static str, String), GraphLink> = BTreeMap::new();
        for link in links {
            once.entry((link.graph.clone(), link.kind, link.label.clone())).or_insert(link);
        }
        let mut links: Vec<_> = once.into_values().collect();
        let rank = |kind: &str| ["parent", "child"].iter().position(|first| *first == kind).unwrap_or(2);
        links.sort_by(|a, b| {
            (rank(a.kind), std::cmp::Reverse(a.at), &a.graph, &a.label).cmp(&(
                rank(b.kind),
                std::cmp::Reverse(b.at),
                &b.graph,
                &b.label,
            ))
        });
        let omitted = links.len().saturating_sub(MAX_LINKS);
        links.truncate(MAX_LINKS);
        Links { links, omitted }
    }

    fn title(&self) -> String {
        let root = self.graph.root.and_then(|root| self.graph.nodes.get(&root));
        root.map(|root| format!("{} {}", root.exe, root.args).trim_end().to_owned()).unwrap_or_default()
    }

    /// When each file was first changed, and when each was last read or run.
    fn files(&self) -> (HashMap<Place, i64, RandomState>, HashMap<Place, i64, RandomState>) {
        let (mut written, mut used) = (HashMap::default(), HashMap::default());
        for node in self.graph.nodes.values() {
            let place = |path: &str| (node.container.clone(), path.to_owned());
            let last: &mut i64 = used.entry(place(&node.exe)).or_insert(i64::MIN);
            *last = (*last).max(node.last);
            for (path, target) in node.files.iter().flat_map(|files| &files.by_path.targets) {
                if path.starts_with('(') || path.starts_with("/dev/") || target.ret.is_some_and(|ret| ret < 0)
                {
                    continue;
                }
                if changes(target) {
                    let first = written.entry(place(path)).or_insert(i64::MAX);
                    *first = (*first).min(target.first);
                }
                if target.rbytes > 0 || target.flags & (op::READ_RECV | op::MMAP) != 0 {
                    let last: &mut i64 = used.entry(place(path)).or_insert(i64::MIN);
                    *last = (*last).max(target.last);
                }
            }
        }
        (written, used)
    }

    /// Connections whose both ends are known, with their first time and name.
    fn connections(&self) -> HashMap<Thing, (i64, String), RandomState> {
        let mut ends: HashMap<Thing, (i64, String), RandomState> = HashMap::default();
        if self.graph.nodes.values().all(|node| node.net.is_none()) {
            return ends;
        }
        self.walk(EVER, |step| {
            let Step::Record { joined, .. } = step else { return };
            let Record::NetworkFlow(flow) = joined.record else { return };
            if flow.sport == 0 || flow.dport == 0 {
                return;
            }
            let end = connection(flow);
            let Thing::Connection(ends_of) = &end else { return };
            let name = |(octets, port): ([u8; 16], i32)| {
                let ip = std::net::Ipv6Addr::from(octets);
                ip.to_ipv4_mapped().map_or_else(|| format!("[{ip}]:{port}"), |ip| format!("{ip}:{port}"))
            };
            // The port of the client changes from call to call: one line is enough for all of them.
            let label = format!("connection to {}", name(ends_of.destination));
            ends.entry(end).or_insert((flow.ts, label));
        });
        ends
    }
}

fn changes(target: &Target) -> bool {
    target.wbytes > 0 || target.flags & CHANGES != 0
}

/// Files that one side changed before the other one used them for the last time.
fn shared(
    written: &HashMap<Place, i64, RandomState>,
    used: &HashMap<Place, i64, RandomState>,
    mut each: impl FnMut(&str, i64),
) {
    let (fewer, more, swapped) =
        if written.len() <= used.len() { (written, used, false) } else { (used, written, true) };
    for (place, time) in fewer {
        let Some(other) = more.get(place) else { continue };
        let (written, used) = if swapped { (*other, *time) } else { (*time, *other) };
        if written <= used {
            each(&place.1, written);
        }
    }
}

fn is_loopback(end: &Thing) -> bool {
    let Thing::Connection(ends) = end else { return false };
    let ip = std::net::Ipv6Addr::from(ends.destination.0);
    ip.is_loopback() || ip.to_ipv4_mapped().is_some_and(|ip| ip.is_loopback())
}

fn link(graph: GraphId, kind: &'static str, label: &str, at: i64) -> GraphLink {
    GraphLink { graph: graph.to_string(), kind, label: label.to_owned(), at }
}
