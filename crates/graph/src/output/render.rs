//! From a live graph to a document.

use std::collections::{BTreeMap, BTreeSet};

use sysflow::record::op;

use super::document::{
    ContainerView, Document, EdgeView, InstanceView, LossView, NodeView, SampleView, SeriesView, Window,
};
use super::query::Query;
use super::select::select;
use super::snapshot::Snapshot;
use crate::live::{
    Activity, Direction, EdgeKind, Endpoint, Graph, Hole, Key, NetKey, Node, Series, Tally, Target,
    TargetKey, proto_name,
};

/// A process node as it is drawn: forks that were but a passage to something else are part of their parent.
pub(crate) struct Drawn {
    pub(crate) node: Node,
    pub(crate) parent: Option<Key>,
}

impl Drawn {
    /// Nodes that it makes in a document.
    pub(super) fn size(&self) -> usize {
        1 + usize::from(self.node.files.is_some()) + usize::from(self.node.net.is_some())
    }
}

/// What the query asks of a graph, or of a part of it, as a document. `complete`: its counts are those of the window.
pub(crate) fn render(snapshot: &Snapshot, graph: &Graph, query: &Query, complete: bool) -> Document {
    let drawn = draw(graph);
    let root = graph.root.and_then(|root| drawn_as(graph, root)).or_else(|| first_orphan(&drawn));
    let (shown, dropped) = select(&drawn, root, query);
    let (from, to) = query.window();
    let whole = &snapshot.graph.totals;
    let view = View {
        graph,
        from: from.unwrap_or(i64::MIN),
        to: to.unwrap_or(i64::MAX),
        samples: snapshot.limits.samples,
    };

    let mut nodes = Vec::new();
    let mut edges = Vec::new();
    for key in &shown {
        let Some(drawn) = drawn.get(key) else { continue };
        view.process(*key, &drawn.node, &mut nodes);
        view.files(*key, &drawn.node, &mut nodes, &mut edges);
        view.net(*key, &drawn.node, &mut nodes, &mut edges);
    }
    for ((from, to, kind), tally) in edges_drawn(graph) {
        // The way to the root is shown whole, also where it is older than the window.
        let asked = kind != EdgeKind::Exit || view.overlaps(tally.first, tally.last);
        if asked && shown.contains(&from) && shown.contains(&to) {
            edges.push(edge(from.process(), to.process(), kind, tally));
        }
    }
    let mut document = Document {
        version: 1,
        id: Some(snapshot.id.to_string()),
        node: graph.host.clone(),
        window: Window { from: from.unwrap_or(whole.first), to: to.unwrap_or(whole.last) },
        truncated: whole.truncated || dropped,
        complete,
        against: None,
        graphs: Vec::new(),
        root: root.filter(|root| shown.contains(root)).map(Key::process),
        parent: graph.parent.map(|parent| parent.to_string()),
        lost: lost(snapshot, &view),
        nodes,
        edges,
        alerts: Vec::new(),
    };
    document.sort();
    document
}

fn lost(snapshot: &Snapshot, view: &View<'_>) -> Vec<LossView> {
    // What is missed all the time belongs to every window.
    let concerns = |hole: &Hole| {
        hole.host == snapshot.graph.host && (hole.is_notice() || view.overlaps(hole.from, hole.to))
    };
    let holes = snapshot.holes.iter().filter(|hole| concerns(hole));
    holes.map(LossView::of).collect()
}

/// Process nodes with the passages folded into the nodes that they stand for.
pub(crate) fn draw(graph: &Graph) -> BTreeMap<Key, Drawn> {
    let mut drawn: BTreeMap<Key, Drawn> = BTreeMap::new();
    let folded = |key: &Key| drawn_as(graph, *key).filter(|to| to != key);
    for (key, node) in graph.nodes.iter().filter(|(key, _)| folded(key).is_none()) {
        let parent = node.parent.and_then(|parent| drawn_as(graph, parent));
        drawn.insert(*key, Drawn { node: node.clone(), parent });
    }
    let mut passages: Vec<_> =
        graph.nodes.iter().filter_map(|(key, node)| Some((*key, folded(key)?, node))).collect();
    passages.sort_unstable_by_key(|(key, ..)| *key);
    for (_, to, node) in passages {
        if let Some(drawn) = drawn.get_mut(&to) {
            drawn.node.absorb_passage(node);
        }
    }
    drawn
}

/// The node that `key` is drawn as: itself, or for a passage what its parent is drawn as.
pub(crate) fn drawn_as(graph: &Graph, mut key: Key) -> Option<Key> {
    for _ in 0..=graph.nodes.len() {
        let node = graph.nodes.get(&key)?;
        match node.parent.filter(|parent| node.is_passage() && graph.nodes.contains_key(parent)) {
            Some(parent) => key = parent,
            None => return Some(key),
        }
    }
    Some(key)
}

/// Edges between the nodes that are drawn. The clone that led into a passage is not an edge of its own.
fn edges_drawn(graph: &Graph) -> BTreeMap<(Key, Key, EdgeKind), Tally> {
    let mut edges: BTreeMap<(Key, Key, EdgeKind), Tally> = BTreeMap::new();
    for ((from, to, kind), tally) in &graph.edges {
        let (Some(start), Some(end)) = (drawn_as(graph, *from), drawn_as(graph, *to)) else {
            continue;
        };
        if *kind == EdgeKind::Clone && end != *to {
            continue;
        }
        edges.entry((start, end, *kind)).or_default().absorb(*tally);
    }
    edges
}

fn first_orphan(drawn: &BTreeMap<Key, Drawn>) -> Option<Key> {
    let orphans = drawn.iter().filter(|(_, node)| node.parent.is_none());
    orphans.min_by_key(|(key, node)| (node.node.first, **key)).map(|(key, _)| *key)
}

/// What turns nodes into views.
struct View<'a> {
    graph: &'a Graph,
    /// What ended before is left out.
    from: i64,
    /// What began after is left out.
    to: i64,
    samples: usize,
}

impl View<'_> {
    fn overlaps(&self, first: i64, last: i64) -> bool {
        first <= self.to && last >= self.from
    }

    fn process(&self, key: Key, node: &Node, nodes: &mut Vec<NodeView>) {
        let mut instances: Vec<_> = node
            .instances
            .iter()
            .filter(|(_, instance)| self.overlaps(instance.first, instance.last))
            .collect();
        instances.sort_by_key(|(oid, instance)| (instance.first, **oid));
        let views: Vec<_> = instances
            .into_iter()
            .map(|(oid, instance)| InstanceView {
                pid: oid.hpid,
                oid: format!("{}:{}", oid.create_ts, oid.hpid),
                first: instance.first,
                last: instance.last,
                exit: instance.exit,
            })
            .collect();
        let sum = |part: fn(&Target) -> u64| {
            let files = node.files.as_ref().map_or(0, |files| part(&files.by_path.total));
            files.saturating_add(node.net.as_ref().map_or(0, |net| part(&net.by_end.total)))
        };
        let processes = usize::try_from(node.processes.saturating_sub(node.left)).unwrap_or(usize::MAX);
        let base = self.base(node);
        nodes.push(NodeView {
            id: key.process(),
            kind: "process",
            label: name_of(&node.exe).to_owned(),
            tags: node.tags.keys().cloned().collect(),
            alerts: alert_ids(&node.alerts),
            first: node.first,
            last: node.last,
            ops: node.events,
            rbytes: sum(|total| total.rbytes),
            wbytes: sum(|total| total.wbytes),
            targets: processes,
            folded: processes.saturating_sub(views.len()),
            instances: views,
            ..base
        });
    }

    fn files(&self, key: Key, node: &Node, nodes: &mut Vec<NodeView>, edges: &mut Vec<EdgeView>) {
        let Some(files) = &node.files else { return };
        let total = &files.by_path.total;
        if !self.overlaps(total.first, total.last) {
            return;
        }
        for (kind, tally) in [(EdgeKind::FileFlow, files.flows), (EdgeKind::FileEvent, files.events)] {
            if tally.count > 0 {
                edges.push(edge(key.process(), key.files(), kind, tally));
            }
        }
        let listed =
            self.listed(files.by_path.targets.iter().map(|(path, target)| (path.clone(), target.clone())));
        let distinct = files.by_path.distinct();
        let view = self.aggregate(node, &files.by_path, &files.tags, &files.alerts);
        nodes.push(NodeView {
            id: key.files(),
            kind: "files",
            label: plural(distinct, "file"),
            targets: distinct,
            folded: distinct.saturating_sub(listed.len()),
            samples: listed.into_iter().map(file_sample).collect(),
            ..view
        });
    }

    fn net(&self, key: Key, node: &Node, nodes: &mut Vec<NodeView>, edges: &mut Vec<EdgeView>) {
        let Some(net) = &node.net else { return };
        let total = &net.by_end.total;
        if !self.overlaps(total.first, total.last) {
            return;
        }
        edges.push(edge(key.process(), key.net(), EdgeKind::NetworkFlow, net.flows));
        let ends = endpoints(self.graph, node, &net.by_end.targets);
        let merged = net.by_end.targets.len() - ends.len();
        let distinct = net.by_end.distinct().saturating_sub(merged);
        let listed = self.listed(ends.into_iter());
        let view = self.aggregate(node, &net.by_end, &net.tags, &net.alerts);
        nodes.push(NodeView {
            id: key.net(),
            kind: "net",
            label: plural(distinct, "endpoint"),
            targets: distinct,
            folded: distinct.saturating_sub(listed.len()),
            samples: listed.into_iter().map(endpoint_sample).collect(),
            ..view
        });
    }

    /// The first targets by rank that touch the window.
    fn listed<K: Ord>(&self, targets: impl Iterator<Item = (K, Target)>) -> Vec<(K, Target)> {
        let mut listed: Vec<_> =
            targets.filter(|(_, target)| self.overlaps(target.first, target.last)).collect();
        listed.sort_by(|(a, x), (b, y)| x.rank().cmp(&y.rank()).then_with(|| a.cmp(b)));
        listed.truncate(self.samples);
        listed
    }

    /// What a files and a net node have in common.
    fn aggregate<K: TargetKey>(
        &self,
        node: &Node,
        activity: &Activity<K>,
        tags: &BTreeMap<String, Tally>,
        alerts: &BTreeSet<(i64, String)>,
    ) -> NodeView {
        let total = &activity.total;
        NodeView {
            tags: tags.keys().cloned().collect(),
            alerts: alert_ids(alerts),
            first: total.first,
            last: total.last,
            ops: total.ops,
            rbytes: total.rbytes,
            wbytes: total.wbytes,
            series: self.series(&activity.series),
            ..self.base(node)
        }
    }

    fn series(&self, series: &Series) -> Vec<SeriesView> {
        let end = series.width() - 1;
        series
            .iter()
            .filter(|(start, _)| self.overlaps(*start, start.saturating_add(end)))
            .map(|(t, bucket)| SeriesView {
                t,
                ops: bucket.ops,
                rbytes: bucket.rbytes,
                wbytes: bucket.wbytes,
            })
            .collect()
    }

    /// What all nodes of a behaviour have in common.
    fn base(&self, node: &Node) -> NodeView {
        NodeView {
            id: String::new(),
            kind: "",
            label: String::new(),
            exe: node.exe.clone(),
            args: node.args.clone(),
            user: node.user.clone(),
            uid: node.uid,
            tty: node.tty,
            container: node.container.as_deref().map(|id| container(self.graph, id)),
            instances: Vec::new(),
            tags: Vec::new(),
            alerts: Vec::new(),
            first: node.first,
            last: node.last,
            ops: 0,
            rbytes: 0,
            wbytes: 0,
            targets: 0,
            series: Vec::new(),
            samples: Vec::new(),
            folded: 0,
            change: None,
            was: None,
        }
    }
}

/// Endpoints once it is known which end is which: parts of one connection that said so and parts that did not
/// come together here.
pub(crate) fn endpoints<'t>(
    graph: &Graph,
    node: &Node,
    targets: impl IntoIterator<Item = (&'t NetKey, &'t Target)> + Copy,
) -> BTreeMap<Endpoint, Target> {
    let ports: BTreeSet<i32> = targets.into_iter().filter_map(|(key, _)| key.served_port()).collect();
    let mut ends: BTreeMap<Endpoint, Target> = BTreeMap::new();
    for (key, target) in targets {
        let is_local = |address| graph.is_local(node.container.as_deref(), address);
        let end = key.endpoint(is_local, |port| ports.contains(&port));
        ends.entry(end).or_insert(Target::NOTHING).absorb(target);
    }
    ends
}

/// The container as far as the trace describes it.
pub(crate) fn container(graph: &Graph, id: &str) -> ContainerView {
    let known = |text: &String| (!text.is_empty()).then(|| text.clone());
    let names = graph.containers.get(id);
    ContainerView {
        id: id.to_owned(),
        name: names.and_then(|(name, _)| known(name)),
        image: names.and_then(|(_, image)| known(image)),
    }
}

fn edge(from: String, to: String, kind: EdgeKind, tally: Tally) -> EdgeView {
    EdgeView {
        from,
        to,
        kind: kind.as_str(),
        first: tally.first,
        last: tally.last,
        count: tally.count,
        rbytes: tally.rbytes,
        wbytes: tally.wbytes,
        change: None,
    }
}

fn file_sample((path, target): (String, Target)) -> SampleView {
    SampleView::File {
        path,
        ops: op_names(target.flags, "READ", "WRITE"),
        count: target.count,
        rbytes: target.rbytes,
        wbytes: target.wbytes,
        first: target.first,
        last: target.last,
        ret: target.ret,
        change: None,
    }
}

fn endpoint_sample((end, target): (Endpoint, Target)) -> SampleView {
    SampleView::Endpoint {
        endpoint: end.name(),
        ip: end.ip.to_string(),
        port: end.port,
        proto: proto_name(end.proto),
        direction: if end.direction == Direction::Out { "out" } else { "in" },
        ops: op_names(target.flags, "RECV", "SEND"),
        count: target.count,
        rbytes: target.rbytes,
        wbytes: target.wbytes,
        first: target.first,
        last: target.last,
        change: None,
    }
}

/// Names of the operations in `flags`, in the order in which they are usually seen.
fn op_names(flags: i32, read: &'static str, write: &'static str) -> Vec<&'static str> {
    let names = [
        (op::OPEN, "OPEN"),
        (op::BIND, "BIND"),
        (op::LISTEN, "LISTEN"),
        (op::ACCEPT, "ACCEPT"),
        (op::CONNECT, "CONNECT"),
        (op::READ_RECV, read),
        (op::WRITE_SEND, write),
        (op::MMAP, "MMAP"),
        (op::SETNS, "SETNS"),
        (op::SHUTDOWN, "SHUTDOWN"),
        (op::CLOSE, "CLOSE"),
        (op::TRUNCATE, "TRUNCATE"),
        (op::MKDIR, "MKDIR"),
        (op::RMDIR, "RMDIR"),
        (op::LINK, "LINK"),
        (op::SYMLINK, "SYMLINK"),
        (op::RENAME, "RENAME"),
        (op::UNLINK, "UNLINK"),
        (op::CHMOD, "CHMOD"),
        (op::CHOWN, "CHOWN"),
        (op::MOUNT, "MOUNT"),
        (op::UMOUNT, "UMOUNT"),
        (op::MKNOD, "MKNOD"),
    ];
    names.into_iter().filter(|(bit, _)| flags & bit != 0).map(|(_, name)| name).collect()
}

fn alert_ids(alerts: &BTreeSet<(i64, String)>) -> Vec<String> {
    alerts.iter().map(|(_, id)| id.clone()).collect()
}

/// Last part of a path.
fn name_of(exe: &str) -> &str {
    exe.rsplit('/').find(|part| !part.is_empty()).unwrap_or(exe)
}

fn plural(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}
