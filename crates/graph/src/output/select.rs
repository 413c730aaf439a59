//! Which nodes a picture shows.

use std::collections::{BTreeMap, BTreeSet};

use super::query::{Around, Query};
use super::render::Drawn;
use crate::live::Key;

/// Process nodes that the query asks for, and whether some more were asked for than it allows.
pub(super) fn select(
    drawn: &BTreeMap<Key, Drawn>,
    root: Option<Key>,
    query: &Query,
) -> (BTreeSet<Key>, bool) {
    let (from, to) = query.window();
    let in_window = |node: &Drawn| {
        from.is_none_or(|from| node.node.last >= from) && to.is_none_or(|to| node.node.first <= to)
    };
    let mut chosen: BTreeSet<Key> =
        drawn.iter().filter(|(_, node)| in_window(node)).map(|(key, _)| *key).collect();
    if let Some(near) = neighbourhood(drawn, root, query) {
        chosen.retain(|key| near.contains(key));
    }
    let asked = chosen.len();
    let mut shown = BTreeSet::new();
    let mut budget = query.max_nodes.unwrap_or(usize::MAX);
    for key in by_importance(drawn, &chosen, root) {
        let path: Vec<_> = lineage(drawn, key).take_while(|key| !shown.contains(key)).collect();
        let cost: usize = path.iter().map(|key| drawn[key].size()).sum();
        if cost <= budget {
            budget -= cost;
            shown.extend(path);
        }
    }
    let truncated = chosen.iter().filter(|key| shown.contains(*key)).count() < asked;
    (shown, truncated)
}

/// The node and its ancestors, from the node up.
fn lineage(drawn: &BTreeMap<Key, Drawn>, key: Key) -> impl Iterator<Item = Key> + '_ {
    std::iter::successors(Some(key), |key| drawn.get(key)?.parent.filter(|parent| drawn.contains_key(parent)))
        .take(drawn.len())
}

/// The root, then nodes with alerts, then the rest; the newest first.
fn by_importance(drawn: &BTreeMap<Key, Drawn>, chosen: &BTreeSet<Key>, root: Option<Key>) -> Vec<Key> {
    let mut keys: Vec<_> = chosen.iter().copied().collect();
    keys.sort_by_key(|key| {
        let node = &drawn[key].node;
        (Some(*key) != root, node.alerts.is_empty(), std::cmp::Reverse(node.last), *key)
    });
    keys
}

/// Nodes within the query's depth of its centre; `None` when it sets no bound.
fn neighbourhood(drawn: &BTreeMap<Key, Drawn>, root: Option<Key>, query: &Query) -> Option<BTreeSet<Key>> {
    let centre = match &query.around {
        Some(Around::Node(id)) => Some(drawn.keys().copied().find(|key| key.is_part(id))),
        _ => None,
    };
    if centre.is_none() && query.depth.is_none() {
        return None;
    }
    let depth = query.depth.unwrap_or(usize::MAX);
    let centre = match centre {
        Some(centre) => vec![centre?],
        None => tops(drawn, root),
    };
    let mut near: BTreeSet<Key> =
        centre.iter().flat_map(|key| lineage(drawn, *key).take(depth.saturating_add(1))).collect();
    let mut generation: BTreeSet<Key> = centre.into_iter().collect();
    for _ in 0..depth {
        let children: BTreeSet<Key> = drawn
            .iter()
            .filter(|(key, node)| {
                node.parent.is_some_and(|p| generation.contains(&p)) && !near.contains(*key)
            })
            .map(|(key, _)| *key)
            .collect();
        if children.is_empty() {
            break;
        }
        near.extend(&children);
        generation = children;
    }
    Some(near)
}

fn tops(drawn: &BTreeMap<Key, Drawn>, root: Option<Key>) -> Vec<Key> {
    let orphans = drawn
        .iter()
        .filter(|(_, node)| node.parent.is_none_or(|p| !drawn.contains_key(&p)))
        .map(|(key, _)| *key);
    root.into_iter().filter(|root| drawn.contains_key(root)).chain(orphans).collect()
}
