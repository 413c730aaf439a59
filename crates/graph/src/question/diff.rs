//! What two graphs have in common, and what only one of them has.
//!
//! Nodes are compared by behaviour: executable, arguments, user, terminal, image of the container, and the same of the
//! parent. So one workload can be compared before and after, or on two hosts, though no id is the same.

use std::collections::{BTreeMap, BTreeSet};

use xxhash_rust::xxh3::Xxh3Default;

use crate::live::{Graph, Key};
use crate::output::{Against, Change, Document, Drawn, NodeView, Query, SampleView, Snapshot, Weight, draw};

impl Snapshot {
    /// This graph and another one as one document: `added` is what only this one has, `removed` what only the other one
    /// has, `changed` what both have with other files or endpoints, or with more than twice or less than half the weight.
    pub fn diff(&self, other: &Self, query: &Query) -> Document {
        let (own, theirs) = (self.every_sample(query), other.every_sample(query));
        let ids = common(&behaviours(&self.graph), &behaviours(&other.graph));
        let mut merged = merge(own, theirs, &ids);
        merged.against = Some(Against { id: Some(other.id.to_string()), profile: None });
        merged.cut_samples(self.limits.samples);
        merged.sort();
        merged
    }

    /// What both graphs have, as this one counts it.
    pub fn intersection(&self, other: &Self, query: &Query) -> Document {
        let mut merged = self.diff(other, query);
        let both = |change: Option<Change>| matches!(change, Some(Change::Same | Change::Changed));
        merged.nodes.retain(|node| both(node.change));
        merged.edges.retain(|edge| both(edge.change));
        for node in &mut merged.nodes {
            node.samples.retain(|sample| both(sample.change()));
        }
        merged
    }

    fn every_sample(&self, query: &Query) -> Document {
        let mut all = self.clone();
        all.limits.samples = usize::MAX;
        all.document(query)
    }
}

/// Behaviour of each node that is drawn, whatever the graph.
fn behaviours(graph: &Graph) -> BTreeMap<Key, u64> {
    let drawn = draw(graph);
    let mut behaviours = BTreeMap::new();
    for key in drawn.keys() {
        // From the root down: parents first.
        let mut lineage = vec![*key];
        while let Some(parent) = lineage.last().and_then(|key| drawn.get(key)?.parent)
            && drawn.contains_key(&parent)
            && !behaviours.contains_key(&parent)
            && lineage.len() <= drawn.len()
        {
            lineage.push(parent);
        }
        for key in lineage.into_iter().rev() {
            let Some(Drawn { node, parent }) = drawn.get(&key) else { continue };
            let image = node.container.as_ref().map(|id| {
                let image = graph.containers.get(id).map(|(_, image)| image.as_str()).unwrap_or_default();
                if image.is_empty() { id.as_str() } else { image }
            });
            let above: u64 = parent.and_then(|parent| behaviours.get(&parent).copied()).unwrap_or(0);
            let mut hash = Xxh3Default::new();
            for part in [node.exe.as_str(), &node.args, image.unwrap_or("host:")] {
                hash.update(&(part.len() as u64).to_le_bytes());
                hash.update(part.as_bytes());
            }
            hash.update(&node.uid.to_le_bytes());
            hash.update(&[u8::from(node.tty), u8::from(node.fork)]);
            hash.update(&above.to_le_bytes());
            behaviours.insert(key, hash.digest());
        }
    }
    behaviours
}

/// For each node of the other graph, the digits of its id and of the one under which it appears.
fn common(own: &BTreeMap<Key, u64>, theirs: &BTreeMap<Key, u64>) -> BTreeMap<String, String> {
    let mut free: BTreeMap<u64, BTreeSet<Key>> = BTreeMap::new();
    for (key, behaviour) in own {
        free.entry(*behaviour).or_default().insert(*key);
    }
    theirs
        .iter()
        .map(|(key, behaviour)| {
            let same = free.get_mut(behaviour).and_then(|keys| keys.take(key).or_else(|| keys.pop_first()));
            let id = match same {
                Some(same) => same,
                None if own.contains_key(key) => key.other(),
                None => *key,
            };
            (key.to_string(), id.to_string())
        })
        .collect()
}

fn merge(own: Document, theirs: Document, ids: &BTreeMap<String, String>) -> Document {
    let renamed = |id: &str| match id.split_once(':').and_then(|(kind, hex)| Some((kind, ids.get(hex)?))) {
        Some((kind, hex)) => format!("{kind}:{hex}"),
        None => id.to_owned(),
    };
    let mut before: BTreeMap<String, NodeView> =
        theirs.nodes.into_iter().map(|node| (renamed(&node.id), node)).collect();
    let mut nodes = Vec::new();
    for node in own.nodes {
        nodes.push(match before.remove(&node.id) {
            None => NodeView { change: Some(Change::Added), ..node },
            Some(was) => compare(node, was),
        });
    }
    nodes.extend(before.into_iter().map(|(id, node)| NodeView {
        change: Some(Change::Removed),
        alerts: Vec::new(),
        id,
        ..node
    }));
    let mut before: BTreeMap<_, _> = theirs
        .edges
        .into_iter()
        .map(|edge| ((renamed(&edge.from), renamed(&edge.to), edge.kind), edge))
        .collect();
    let mut edges = own.edges;
    for edge in &mut edges {
        let was = before.remove(&(edge.from.clone(), edge.to.clone(), edge.kind));
        edge.change = Some(match was {
            None => Change::Added,
            Some(was) => {
                let pairs = [(edge.count, was.count), (edge.rbytes, was.rbytes), (edge.wbytes, was.wbytes)];
                weighed(&pairs)
            }
        });
    }
    edges.extend(before.into_iter().map(|((from, to, _), mut edge)| {
        (edge.from, edge.to, edge.change) = (from, to, Some(Change::Removed));
        edge
    }));
    Document { nodes, edges, truncated: own.truncated || theirs.truncated, ..own }
}

fn compare(node: NodeView, was: NodeView) -> NodeView {
    let name = |sample: &SampleView| sample.name();
    let mut before: BTreeMap<_, _> = was.samples.into_iter().map(|sample| (name(&sample), sample)).collect();
    let mut samples = node.samples;
    let mut others = false;
    for sample in &mut samples {
        let known = before.remove(&name(sample)).is_some();
        others |= !known;
        *sample.change_mut() = Some(if known { Change::Same } else { Change::Added });
    }
    others |= !before.is_empty();
    samples.extend(before.into_values().map(|mut sample| {
        *sample.change_mut() = Some(Change::Removed);
        sample
    }));
    let weight = Weight { ops: was.ops, rbytes: was.rbytes, wbytes: was.wbytes, targets: was.targets };
    // The bytes of a process are those of its files and connections, which are compared themselves.
    let bytes = if node.kind == "process" {
        [(0, 0); 2]
    } else {
        [(node.rbytes, was.rbytes), (node.wbytes, was.wbytes)]
    };
    let pairs = [bytes[0], bytes[1], (node.ops, was.ops), (node.targets as u64, was.targets as u64)];
    let change = if others { Change::Changed } else { weighed(&pairs) };
    NodeView { samples, change: Some(change), was: Some(weight), ..node }
}

fn weighed(pairs: &[(u64, u64)]) -> Change {
    let differs = |(a, b): &(u64, u64)| *a > b.saturating_mul(2) || *b > a.saturating_mul(2);
    if pairs.iter().any(differs) { Change::Changed } else { Change::Same }
}
