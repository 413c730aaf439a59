//! What a plugin says about what is missing, in the `lostCause` of its headers.
//!
//! The text comes from a monitored host. Nothing of it goes further than to people: numbers are counted under words of
//! this program, so that nobody can make more of them.

use sysflow::record::Loss;

use crate::calls;

/// Begins a part that names calls which never arrive.
const MISSING: &str = "Falco does not deliver ";

/// Around the name of a call that arrived after it was missed.
const CAME: (&str, &str) = ("Falco delivers ", " after all");

/// Why events or records are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// Events that did not fit into the plugin's tables.
    Limit,
    /// Events that could not be read.
    Malformed,
    /// Events of threads that nobody knows.
    UnknownThread,
    /// Events on descriptors that nobody knows.
    UnknownFd,
    /// Records for which the plugin's memory had no room.
    Buffer,
    /// Records for which the plugin's spool had no room.
    Spool,
    /// Records that a file or the processor did not take.
    Output,
    /// Of several causes at once, in proportions that were not told.
    Several,
    /// Not told, or in words that this version does not know.
    Other,
}

/// What a header tells.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Events lost, by cause. They add up to the header's number.
    pub events: Vec<(Cause, u64)>,
    /// Records lost, by cause. They add up to the header's number.
    pub records: Vec<(Cause, u64)>,
    /// Calls that never arrive.
    pub missing: Vec<&'static str>,
    /// How many more, of names that this version does not know.
    pub unknown: usize,
    /// Calls that arrive after all.
    pub came: Vec<&'static str>,
}

impl Cause {
    /// Value of the metric's label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Limit => "limit",
            Self::Malformed => "malformed",
            Self::UnknownThread => "unknown_thread",
            Self::UnknownFd => "unknown_fd",
            Self::Buffer => "buffer",
            Self::Spool => "spool",
            Self::Output => "output",
            Self::Several => "several",
            Self::Other => "other",
        }
    }

    /// Of a counted part, by the words after the number.
    fn of_events(words: &str) -> Option<Self> {
        match words {
            "events that did not fit into limits" => Some(Self::Limit),
            "malformed events" => Some(Self::Malformed),
            "events of unknown threads" => Some(Self::UnknownThread),
            "events on unknown descriptors" => Some(Self::UnknownFd),
            _ => None,
        }
    }

    fn of_records(part: &str) -> Option<Self> {
        match part {
            part if part.starts_with("buffer_mib ") => Some(Self::Buffer),
            part if part.contains("spool") => Some(Self::Spool),
            "a file or the processor could not take them" | "no output was started" => Some(Self::Output),
            _ => None,
        }
    }
}

impl Told {
    /// Reads a header's loss. Numbers below 0 count as 0.
    pub fn read(loss: &Loss) -> Self {
        let mut told = Self::default();
        let mut events_left = u64::try_from(loss.events).unwrap_or(0);
        let mut of_records = Vec::new();
        for part in loss.cause.split("; ") {
            if let Some(names) = part.strip_prefix(MISSING) {
                for name in names.split(", ") {
                    match calls::known(name) {
                        Some(name) => told.missing.push(name),
                        None => told.unknown += 1,
                    }
                }
            } else if let Some(name) = part.strip_prefix(CAME.0).and_then(|rest| rest.strip_suffix(CAME.1)) {
                told.came.extend(calls::known(name));
            } else if let Some((count, cause)) = counted(part) {
                // The header's own number is the truth: parts do not add to it.
                let count = count.min(events_left);
                events_left -= count;
                told.events.extend((count > 0).then_some((cause, count)));
            } else {
                of_records.extend(Cause::of_records(part));
            }
        }
        told.events.extend((events_left > 0).then_some((Cause::Other, events_left)));
        of_records.dedup();
        let cause = match of_records.as_slice() {
            [] => Cause::Other,
            [one] => *one,
            _ => Cause::Several,
        };
        let records = u64::try_from(loss.records).unwrap_or(0);
        told.records.extend((records > 0).then_some((cause, records)));
        told
    }
}

/// Such as `3 malformed events`.
fn counted(part: &str) -> Option<(u64, Cause)> {
    let (count, words) = part.split_once(' ')?;
    Some((count.parse().ok()?, Cause::of_events(words)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(events: i64, records: i64, cause: &str) -> Told {
        Told::read(&Loss { events, records, cause: cause.into(), ..Loss::default() })
    }

    #[test]
    fn losses_are_told_apart_and_add_up_to_the_headers_numbers() {
        let told = read(
            7,
            5,
            "buffer_mib is full: the processor or the disk is too slow or away; 2 events that did not fit into \
             limits; 4 malformed events",
        );
        assert_eq!(told.events, [(Cause::Limit, 2), (Cause::Malformed, 4), (Cause::Other, 1)]);
        assert_eq!(told.records, [(Cause::Buffer, 5)]);
        let told = read(0, 3, "no output was started; the spool is full");
        assert_eq!(told.records, [(Cause::Several, 3)]);
    }

    #[test]
    fn calls_that_do_not_arrive_are_named() {
        let told = read(
            0,
            0,
            "Falco does not deliver read, mkdir, frobnicate; flows of files tell opens and closes but no counts; set \
             base_syscalls.custom_set with all: true and repair: true as in falco-config/sysflow.yaml",
        );
        assert_eq!((told.missing, told.unknown), (vec!["read", "mkdir"], 1));
        assert_eq!(read(0, 0, "Falco delivers read after all").came, ["read"]);
    }

    #[test]
    fn nothing_that_a_host_writes_becomes_a_word_or_a_number_of_ours() {
        let wild = "99999999999999999999999 malformed events; 18446744073709551615 malformed events; Falco does not \
                    deliver \n, }\"; Falco delivers x\" after all; -1 malformed events; \u{0}";
        let told = read(3, i64::MIN, wild);
        assert_eq!(told.events, [(Cause::Malformed, 3)]);
        assert_eq!((told.records, told.missing, told.came), (vec![], vec![], vec![]));
        assert_eq!(read(i64::MIN, i64::MAX, "x").records, [(Cause::Other, i64::MAX as u64)]);
        assert_eq!(read(i64::MAX, 0, "").events, [(Cause::Other, i64::MAX as u64)]);
    }
}
