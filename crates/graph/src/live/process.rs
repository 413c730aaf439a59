//! Which node each process is on.

use std::collections::VecDeque;

use foldhash::quality::RandomState;
use hashbrown::{HashMap, HashSet};
use serde::{Deserialize, Serialize};
use sysflow::{GraphId, Oid};

use super::behaviour::{Attributes, Key};

/// A process of one host: two hosts may give the same identity to different processes.
pub(crate) type ProcessId = (u64, Oid);

/// Where a process stands.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Placed {
    pub(crate) graph: GraphId,
    /// `None` when the graph had no room for its behaviour.
    pub(crate) node: Option<Key>,
    /// Node of the parent when the process came to be, if it is in the same graph.
    pub(crate) parent: Option<Key>,
    pub(crate) attributes: Attributes,
    /// Whether it still is what its parent was when it was cloned.
    pub(crate) fork: bool,
}

/// Processes and where they stand; bounded, the dead go first and then the oldest.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Processes {
    placed: HashMap<ProcessId, Placed, RandomState>,
    born: VecDeque<ProcessId>,
    dead: VecDeque<ProcessId>,
}

impl Processes {
    pub(crate) fn get(&self, id: &ProcessId) -> Option<&Placed> {
        self.placed.get(id)
    }

    /// Puts a process where it now stands, and forgets others beyond `limit`.
    pub(crate) fn put(&mut self, id: ProcessId, placed: Placed, limit: usize) {
        if self.placed.insert(id, placed).is_none() {
            self.born.push_back(id);
        }
        while self.placed.len() > limit.max(1) {
            let Some(oldest) = self.dead.pop_front().or_else(|| self.born.pop_front()) else { return };
            if oldest != id {
                self.placed.remove(&oldest);
            }
        }
        if self.born.len() > limit.saturating_mul(2) {
            self.born.retain(|id| self.placed.contains_key(id));
        }
    }

    /// Notes that a process is dead: it is kept as long as there is room for `limit`, since its children may name it.
    pub(crate) fn exit(&mut self, id: ProcessId, limit: usize) {
        self.dead.push_back(id);
        // A damaged trace may let one process die for ever.
        if self.dead.len() > limit.max(1).saturating_mul(2) {
            let mut seen = HashSet::with_hasher(RandomState::default());
            self.dead.retain(|id| self.placed.contains_key(id) && seen.insert(*id));
        }
    }

    /// Forgets all processes of a graph.
    pub(crate) fn forget(&mut self, graph: GraphId) {
        self.placed.retain(|_, placed| placed.graph != graph);
        self.born.retain(|id| self.placed.contains_key(id));
        self.dead.retain(|id| self.placed.contains_key(id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_dies_for_ever_takes_no_more_room() {
        let mut processes = Processes::default();
        for n in 0..1000 {
            processes.exit((0, Oid { create_ts: n % 3, hpid: 1 }), 8);
            assert!(processes.dead.len() <= 16);
        }
    }
}
