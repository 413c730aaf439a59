//! Which alerts were taken before, so that none is taken twice when the archive is judged anew.
//!
//! Alerts of a stream come in the order of the records that raised them, in every run: the highest record tells, and the
//! keys of the last ones for those that share a record.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

/// Streams that are remembered. One begins at each boot of a node and each start of its Falco.
const MAX_STREAMS: usize = 1024;

/// Keys that are remembered of a stream.
const MAX_KEYS: usize = 256;

/// What tells an alert from all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark<'a> {
    /// Stream of the record that raised it.
    pub(crate) stream: &'a str,
    /// Number of that record.
    pub(crate) number: u64,
    /// Tells the alerts of one record apart.
    pub(crate) key: &'a str,
}

/// Alerts that were taken.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Taken {
    /// Per stream the last record that raised an alert.
    taken: BTreeMap<String, Last>,
    /// Counts changes, so that the stream without news longest can be forgotten.
    age: u64,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Last {
    number: u64,
    /// Keys of the last alerts, for those that one record raised together and for counts that came without a record.
    keys: VecDeque<String>,
    age: u64,
}

impl Taken {
    /// Whether an alert was taken before.
    pub(crate) fn knows(&self, mark: Mark<'_>) -> bool {
        self.taken
            .get(mark.stream)
            .is_some_and(|last| mark.number < last.number || last.keys.iter().any(|key| key == mark.key))
    }

    /// Highest record of a stream that was noted.
    pub(crate) fn highest(&self, stream: &str) -> Option<u64> {
        self.taken.get(stream).map(|last| last.number)
    }

    /// Remembers that an alert was taken.
    pub(crate) fn note(&mut self, mark: Mark<'_>) {
        self.age += 1;
        let last = self.taken.entry(mark.stream.to_owned()).or_default();
        last.number = last.number.max(mark.number);
        if !last.keys.iter().any(|key| key == mark.key) {
            last.keys.push_back(mark.key.to_owned());
        }
        if last.keys.len() > MAX_KEYS {
            last.keys.pop_front();
        }
        last.age = self.age;
        if self.taken.len() > MAX_STREAMS
            && let Some(oldest) =
                self.taken.iter().min_by_key(|(_, last)| last.age).map(|(stream, _)| stream.clone())
        {
            self.taken.remove(&oldest);
        }
    }
}
