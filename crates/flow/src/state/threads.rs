//! Which process each thread belongs to.

use super::{Map, process::Made};

/// Threads by id. Every operation begins with a look here, so that entries are as small as they can be: what is only
/// asked when a thread begins or ends is beside them.
#[derive(Debug, Default)]
pub(crate) struct Threads {
    process_of: Map<u32, u32>,
    /// Those of ids that no kernel gives out.
    odd: Map<i64, u32>,
    /// How a thread was made, of those of which that still matters.
    unsettled: Map<i64, Made>,
}

/// A thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Thread {
    /// Slot of its process.
    pub(crate) process: u32,
    /// When and by whose event it was made, to tell the other half of the same clone from a reused id.
    pub(crate) made: Made,
}

// === impl Threads ===

impl Threads {
    /// Slot of a thread's process.
    #[inline]
    pub(crate) fn process_of(&self, tid: i64) -> Option<u32> {
        match u32::try_from(tid) {
            Ok(tid) => self.process_of.get(&tid).copied(),
            Err(_) => self.odd_process_of(tid),
        }
    }

    #[cold]
    fn odd_process_of(&self, tid: i64) -> Option<u32> {
        self.odd.get(&tid).copied()
    }

    pub(crate) fn contains(&self, tid: i64) -> bool {
        self.process_of(tid).is_some()
    }

    pub(crate) fn get(&self, tid: i64) -> Option<Thread> {
        let process = self.process_of(tid)?;
        Some(Thread { process, made: self.unsettled.get(&tid).copied().unwrap_or(Made::Settled) })
    }

    /// Gives a thread to a process; the slot of the one that it belonged to.
    pub(crate) fn insert(&mut self, tid: i64, Thread { process, made }: Thread) -> Option<u32> {
        if made == Made::Settled {
            self.settle(tid);
        } else {
            self.unsettled.insert(tid, made);
        }
        match u32::try_from(tid) {
            Ok(tid) => self.process_of.insert(tid, process),
            Err(_) => self.odd.insert(tid, process),
        }
    }

    /// Both halves of its clone have been seen.
    pub(crate) fn settle(&mut self, tid: i64) {
        if !self.unsettled.is_empty() {
            self.unsettled.remove(&tid);
        }
    }

    pub(crate) fn remove(&mut self, tid: i64) -> Option<Thread> {
        let thread = self.get(tid)?;
        self.settle(tid);
        match u32::try_from(tid) {
            Ok(tid) => self.process_of.remove(&tid),
            Err(_) => self.odd.remove(&tid),
        };
        Some(thread)
    }

    /// Keeps the threads of which `keep` says so, by id and slot of the process.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(i64, u32) -> bool) {
        let Self { process_of, odd, unsettled } = self;
        process_of.retain(|tid, process| keep(i64::from(*tid), *process));
        odd.retain(|tid, process| keep(*tid, *process));
        unsettled.retain(|tid, _| match u32::try_from(*tid) {
            Ok(tid) => process_of.contains_key(&tid),
            Err(_) => odd.contains_key(tid),
        });
    }

    /// Ids with the slots of their processes.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (i64, u32)> {
        let usual = self.process_of.iter().map(|(tid, process)| (i64::from(*tid), *process));
        usual.chain(self.odd.iter().map(|(tid, process)| (*tid, *process)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thread(process: u32, made: Made) -> Thread {
        Thread { process, made }
    }

    #[test]
    fn a_thread_is_found_whatever_its_id_is() {
        let mut threads = Threads::default();
        for (process, tid) in (0..).zip([1, -1, i64::from(u32::MAX), i64::MAX, 1 << 32]) {
            assert_eq!(threads.insert(tid, thread(process, Made::ByParent(tid))), None);
        }
        let mut all: Vec<(i64, u32)> = threads.iter().collect();
        all.sort_unstable();
        assert_eq!(all, [(-1, 1), (1, 0), (i64::from(u32::MAX), 2), (1 << 32, 4), (i64::MAX, 3)]);
        assert_eq!(threads.get(-1).map(|thread| thread.made), Some(Made::ByParent(-1)));
        threads.retain(|tid, process| tid < 0 || process == 2);
        assert_eq!(threads.iter().count(), 2);
        assert_eq!(threads.unsettled.len(), 2);
        assert_eq!(
            threads.remove(-1).map(|thread| (thread.process, thread.made)),
            Some((1, Made::ByParent(-1)))
        );
        assert!(!threads.contains(-1) && threads.remove(-1).is_none());
    }

    #[test]
    fn what_is_settled_stays_so_until_the_id_is_given_out_again() {
        let mut threads = Threads::default();
        threads.insert(7, thread(1, Made::ByChild(5)));
        threads.settle(7);
        assert_eq!(threads.get(7).map(|thread| thread.made), Some(Made::Settled));
        assert_eq!(threads.insert(7, thread(2, Made::ByParent(6))), Some(1));
        assert_eq!(threads.get(7).map(|thread| thread.made), Some(Made::ByParent(6)));
        assert_eq!(threads.insert(7, thread(3, Made::Settled)), Some(2));
        assert_eq!(threads.get(7).map(|thread| thread.made), Some(Made::Settled));
    }
}
