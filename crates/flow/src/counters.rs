//! What became of every event: nothing is dropped without being counted.

use crate::op::Ignored;

/// Counts since the recorder was made. [`Counters::balanced`] is the conservation law.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Events that were handed in.
    pub events: u64,
    /// Events that became part of the state or of a record.
    pub folded: u64,
    /// Events without consequence, by reason (index: [`Ignored`]).
    pub ignored: [u64; 5],
    /// Events that should have had a consequence and could not.
    pub lost: Lost,
    /// Records handed to the sink.
    pub records: u64,
    /// Flows that ended without a record because nothing happened in them.
    pub flows_idle: u64,
    /// Flows that the mode filters out.
    pub flows_filtered: u64,
    /// Strings that were cut at the limit.
    pub strings_cut: u64,
    /// Processes that were dropped because limits.processes was reached.
    pub evicted: u64,
    /// Times an entity table was swept because it was full.
    pub sweeps: u64,
}

/// Events that are lost, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// The event contradicts its own type.
    pub malformed: u64,
    /// Nobody knows the thread: its start was missed.
    pub unknown_thread: u64,
    /// Nobody knows the descriptor: its opening was missed.
    pub unknown_fd: u64,
    /// A table is full and nothing in it can go: limits.processes, limits.flows, limits.fds.
    pub limit: u64,
}

impl Counters {
    /// Events of one reason of [`Ignored`].
    pub fn ignored(&self, why: Ignored) -> u64 {
        self.ignored[why as usize]
    }

    /// All lost events.
    pub fn lost(&self) -> u64 {
        self.lost.malformed + self.lost.unknown_thread + self.lost.unknown_fd + self.lost.limit
    }

    /// Events in = folded + ignored + lost.
    pub fn balanced(&self) -> bool {
        self.events == self.folded + self.ignored.iter().sum::<u64>() + self.lost()
    }
}
