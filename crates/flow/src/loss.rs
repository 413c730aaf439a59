//! Loss as data: what is lost is counted until a header tells of it.
//!
//! Every header says what was lost since the one before. What a limit or a malformed event has cost, and records that
//! the output had to shed, get a header of their own, at most one a second, because all entities are written again after
//! it. Threads and descriptors that nobody knows are common at the start of a trace and after missed events: they wait
//! for the next header. SysFlow's own habits have no place for any of it.

use sysflow::record::Loss;

use crate::{
    Recorder, Sink,
    recorder::{Outcome, SECOND},
};

/// Causes that are kept for one header; the first ones say most.
const CAUSES: usize = 8;

/// What the next header has to tell.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    /// First and last time, and what others have reported.
    reported: Loss,
    /// Events by what became of them.
    malformed: i64,
    limit: i64,
    unknown_thread: i64,
    unknown_fd: i64,
    causes: Vec<String>,
    /// It does not wait for a header that comes anyway.
    urgent: bool,
    /// Records were lost, entities perhaps among them.
    records: bool,
    /// Second of the last header with a loss.
    told: i64,
}

impl Recorder {
    /// Takes over a loss that the output has had: records shed, events that were in headers that were shed. The next
    /// header tells of it, which is written at once unless one was in this second already; what it cannot tell yet
    /// stays pending.
    pub fn report_loss(&mut self, loss: Loss, sink: &mut dyn Sink) {
        let pending = &mut self.pending;
        pending.urgent |= loss != Loss::default();
        pending.records |= loss.records > 0;
        if loss.from != 0 || loss.to != 0 {
            pending.at(loss.from);
            pending.at(loss.to);
        }
        pending.reported.events = pending.reported.events.saturating_add(loss.events.max(0));
        pending.reported.records = pending.reported.records.saturating_add(loss.records.max(0));
        pending.cause(loss.cause);
        self.tell_losses(self.now / SECOND, sink);
    }

    /// Puts words into the `lostCause` of the next header, once: what is missing from the data although nothing was
    /// lost, such as calls that the host does not deliver.
    pub fn notice(&mut self, cause: &str) {
        self.pending.cause(cause.to_owned());
    }

    /// Counts an event that could not be read.
    pub fn malformed(&mut self) {
        self.counters.events += 1;
        self.counters.lost.malformed += 1;
        self.pending.malformed += 1;
        self.pending.urgent = true;
        self.pending.at(self.now);
    }

    /// Counts an event by what became of it.
    pub(crate) fn account(&mut self, outcome: Outcome, ts: i64) {
        let (counters, pending) = (&mut self.counters, &mut self.pending);
        let (total, count) = match outcome {
            Outcome::Folded => {
                counters.folded += 1;
                return;
            }
            Outcome::Ignored(why) => {
                counters.ignored[why as usize] += 1;
                return;
            }
            Outcome::UnknownThread => (&mut counters.lost.unknown_thread, &mut pending.unknown_thread),
            Outcome::UnknownFd => (&mut counters.lost.unknown_fd, &mut pending.unknown_fd),
            Outcome::Limit => {
                pending.urgent = true;
                (&mut counters.lost.limit, &mut pending.limit)
            }
        };
        *total += 1;
        *count += 1;
        pending.at(ts);
    }

    /// Writes a header for what cannot wait, unless one was written in this second.
    pub(crate) fn tell_losses(&mut self, second: i64, sink: &mut dyn Sink) {
        if !self.pending.urgent || self.pending.told == second {
            return;
        }
        if self.habits.collector_gaps && !self.pending.records {
            self.pending = Pending { told: self.pending.told, ..Pending::default() };
            return;
        }
        self.write_header(sink);
    }

    /// What the next header tells; nothing is pending then.
    pub(crate) fn take_losses(&mut self) -> Loss {
        let pending =
            std::mem::replace(&mut self.pending, Pending { told: self.now / SECOND, ..Pending::default() });
        if self.habits.collector_gaps { Loss::default() } else { pending.into_loss() }
    }
}

// === impl Pending ===

impl Pending {
    fn at(&mut self, ts: i64) {
        let span = &mut self.reported;
        span.from = if span.from == 0 { ts } else { span.from.min(ts) };
        span.to = span.to.max(ts);
    }

    fn cause(&mut self, cause: String) {
        if !cause.is_empty() && self.causes.len() < CAUSES && !self.causes.contains(&cause) {
            self.causes.push(cause);
        }
    }

    fn into_loss(self) -> Loss {
        let counted = [
            (self.limit, "events that did not fit into limits"),
            (self.malformed, "malformed events"),
            (self.unknown_thread, "events of unknown threads"),
            (self.unknown_fd, "events on unknown descriptors"),
        ];
        let mut causes = self.causes;
        causes.extend(
            counted.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")),
        );
        let events: i64 = counted.iter().map(|(count, _)| count).sum();
        Loss {
            events: self.reported.events.saturating_add(events),
            cause: causes.join("; "),
            ..self.reported
        }
    }
}
