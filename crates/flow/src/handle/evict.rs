//! Room for new processes when the table is full.

use crate::{
    Recorder,
    state::{Map, process::Process},
};

/// This part of the table is freed at a time: looking at all of it for each new process would stop the event thread.
const BATCH: usize = 16;

impl Recorder {
    /// Drops processes so that another fits: those that have ended, the longest ended first, then those that have been
    /// idle for the longest and have no open flow. `keep` is needed by what is going on. Without room the new one is
    /// refused.
    pub(crate) fn make_room(&mut self, keep: Option<u32>) {
        let limit = self.config.limits.processes as usize;
        if self.forget_first_ended() && self.processes.slots.len() < limit {
            return;
        }
        // Where all are busy, most will be so for a while: looking at all of them for each new one would stop us as well.
        if self.no_room == self.last_second {
            return;
        }
        let may_go = |(slot, process): (u32, &Process)| {
            let needed = keep == Some(slot) || process.own || process.oid.hpid <= 2;
            let busy = process.flows.len() > 0
                || process.thread_flow.is_some()
                || self.rollup.as_ref().is_some_and(|rollup| rollup.holds(slot));
            (!needed && !busy).then_some((process.threads > 0, process.active, slot))
        };
        let mut chosen: Vec<_> = self.processes.slots.iter().filter_map(may_go).collect();
        let batch = (limit / BATCH).max(1);
        if chosen.len() > batch {
            chosen.select_nth_unstable(batch);
            chosen.truncate(batch);
        }
        let mut gone: Map<u32, bool> = Map::default();
        for (_, _, slot) in chosen {
            let Some(process) = self.processes.slots.remove(slot) else { continue };
            gone.insert(slot, process.is_server);
            self.processes.release_shared(process.fs, process.files);
            self.exiting.remove(&process.oid.hpid);
            if let Some(parent) = process.parent.and_then(|parent| self.processes.get_mut(parent)) {
                parent.children = parent.children.saturating_sub(1);
            }
        }
        if gone.is_empty() {
            self.no_room = self.last_second;
        }
        self.counters.evicted += gone.len() as u64;
        self.processes.threads.retain(|_, process| !gone.contains_key(&process));
        self.processes.sweep_own_fs();
        // Children keep the identity of their parent; where it was in the table another will be.
        for slot in self.processes.slots.indexes() {
            let Some(process) = self.processes.get_mut(slot) else { continue };
            if let Some(serves) = process.parent.and_then(|parent| gone.get(&parent)) {
                process.parent = None;
                process.parent_serves = *serves;
            }
        }
    }
}
