//! A graph of some of the records of another: those of a window, or those that answer a question.

use std::collections::BTreeSet;

use sysflow::Joined;

use crate::limits::Limits;
use crate::live::{EdgeKind, Graph, Key, Move, Node, Step, Target};

/// Takes records and moves of `whole` and counts them anew, on the same nodes.
pub(crate) struct Part<'a> {
    whole: &'a Graph,
    taken: Graph,
    from: i64,
    to: i64,
    limits: Limits,
}

impl<'a> Part<'a> {
    /// Nothing yet; alerts and processes shown will be those of the time from `from` to `to`.
    pub(crate) fn new(whole: &'a Graph, from: i64, to: i64, limits: &Limits) -> Self {
        let limits = Limits { nodes: usize::MAX, ..limits.clone() };
        Self { whole, taken: whole.outline(), from, to, limits }
    }

    /// Takes in one step.
    pub(crate) fn take(&mut self, step: &Step<'_>) {
        match step {
            Step::Record { node, joined, .. } => self.record(joined, *node),
            Step::Move(moved) => self.moved(moved),
        }
    }

    /// Shows a node also when nothing of it was taken.
    pub(crate) fn show(&mut self, key: Key) {
        if let Some(whole) = self.whole.nodes.get(&key)
            && !self.taken.nodes.contains_key(&key)
        {
            let shell = self.shell(whole);
            self.taken.nodes.insert(key, shell);
        }
    }

    /// The graph, with the way of each of its nodes to the root.
    pub(crate) fn finish(mut self) -> Graph {
        let own: Vec<Key> = self.taken.nodes.keys().copied().collect();
        for key in own {
            let mut above = self.taken.nodes.get(&key).and_then(|node| node.parent);
            while let Some(key) = above.filter(|key| !self.taken.nodes.contains_key(key)) {
                let Some(whole) = self.whole.nodes.get(&key) else { break };
                let shell = self.shell(whole);
                self.taken.nodes.insert(key, Node { first: whole.first, last: whole.last, ..shell });
                above = whole.parent;
            }
        }
        for (edge, tally) in &self.whole.edges {
            let (from, to, kind) = edge;
            let joins = *kind != EdgeKind::Exit
                && self.taken.nodes.contains_key(from)
                && self.taken.nodes.contains_key(to);
            // How a node came to be is shown also where that was earlier.
            if joins && tally.first <= self.to {
                self.taken.edges.entry(*edge).or_insert(*tally);
            }
        }
        for (key, node) in &mut self.taken.nodes {
            let Some(whole) = self.whole.nodes.get(key) else { continue };
            if node.first > node.last {
                (node.first, node.last) = (whole.first, whole.last);
            }
            judge(node, whole, self.from, self.to);
        }
        self.taken
    }

    fn record(&mut self, joined: &Joined<'_>, node: Option<Key>) {
        if let Some(key) = node {
            self.show(key);
        }
        self.taken.record(joined, node.filter(|key| self.taken.nodes.contains_key(key)), true, &self.limits);
    }

    fn moved(&mut self, moved: &Move) {
        self.show(moved.to);
        if let Some(node) = self.taken.nodes.get_mut(&moved.to) {
            node.touch(moved.process, moved.ts, moved.ts);
        }
        let Some((from, kind)) = moved.edge else { return };
        self.show(from);
        if [from, moved.to].iter().all(|key| self.taken.nodes.contains_key(key)) {
            self.taken.edge(from, moved.to, kind, moved.ts);
        }
    }

    /// The node without what it did.
    fn shell(&self, whole: &Node) -> Node {
        let instances: std::collections::BTreeMap<_, _> = whole
            .instances
            .iter()
            .filter(|(_, instance)| instance.first <= self.to && instance.last >= self.from)
            .map(|(oid, instance)| (*oid, *instance))
            .collect();
        let (processes, left) = if whole.is_passage() {
            (whole.processes, whole.left)
        } else {
            ((instances.len() as u64).max(1), 0)
        };
        Node {
            parent: whole.parent,
            fork: whole.fork,
            exe: whole.exe.clone(),
            args: whole.args.clone(),
            user: whole.user.clone(),
            uid: whole.uid,
            tty: whole.tty,
            container: whole.container.clone(),
            instances,
            processes,
            left,
            tags: std::collections::BTreeMap::new(),
            alerts: BTreeSet::new(),
            events: 0,
            first: i64::MAX,
            last: i64::MIN,
            files: None,
            net: None,
        }
    }
}

/// Puts the alerts of the time on a node and on what is shown of its files and connections.
fn judge(node: &mut Node, whole: &Node, from: i64, to: i64) {
    let alerts = |alerts: &BTreeSet<(i64, String)>| {
        alerts.iter().filter(|(ts, _)| (from..=to).contains(ts)).cloned().collect()
    };
    let tags = |tags: &std::collections::BTreeMap<String, crate::live::Tally>| {
        let within = tags.iter().filter(|(_, tally)| tally.first <= to && tally.last >= from);
        within.map(|(tag, tally)| (tag.clone(), *tally)).collect()
    };
    node.alerts = alerts(&whole.alerts);
    node.tags = tags(&whole.tags);
    if let (Some(files), Some(whole)) = (&mut node.files, &whole.files) {
        files.alerts = alerts(&whole.alerts);
        files.tags = tags(&whole.tags);
        alerted(&whole.by_path.targets, |path| files.by_path.alert(path));
    }
    if let (Some(net), Some(whole)) = (&mut node.net, &whole.net) {
        net.alerts = alerts(&whole.alerts);
        net.tags = tags(&whole.tags);
        alerted(&whole.by_end.targets, |end| net.by_end.alert(end));
    }
}

fn alerted<'t, K: 't>(targets: impl IntoIterator<Item = (&'t K, &'t Target)>, mut each: impl FnMut(&'t K)) {
    targets.into_iter().filter(|(_, target)| target.alerted).for_each(|(key, _)| each(key));
}
