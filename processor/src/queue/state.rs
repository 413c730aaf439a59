//! What the queue remembers beside its entries: how far it was read, and what was ever put in.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Entry;
use crate::error::{Error, Result};

const FILE: &str = "state.json";

/// Streams that are remembered. One begins at each boot of a node and each start of its Falco.
const MAX_STREAMS: usize = 1024;

/// Keys that are remembered of a stream.
const MAX_KEYS: usize = 256;

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct State {
    /// Where reading goes on: segment and byte.
    pub(super) segment: u64,
    pub(super) offset: u64,
    /// Per stream the last record that raised an alert.
    taken: BTreeMap<String, Taken>,
    /// Counts changes of `taken`, so that the stream without news longest can be forgotten.
    age: u64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Taken {
    number: u64,
    /// Keys of the last alerts, for those that one record raised together and for counts that came without a record.
    keys: VecDeque<String>,
    age: u64,
}

impl State {
    pub(super) fn load(dir: &Path) -> Result<Self> {
        let path = dir.join(FILE);
        match std::fs::read(&path) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).unwrap_or_else(|error| {
                // After a power loss the file may be empty. The alerts are in the segments: better twice than not at all.
                tracing::error!(
                    file = %path.display(), %error,
                    "the queue's state is damaged: alerts that are in the queue or the archive may be sent again"
                );
                Self::default()
            })),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(e) => Err(Error::io("read", &path)(e)),
        }
    }

    /// Replaces the file as a whole.
    pub(super) fn save(&self, dir: &Path) -> Result<()> {
        let path = dir.join(FILE);
        let temporary = dir.join("state.json.tmp");
        let text = serde_json::to_vec(self)
            .map_err(|e| Error::Failed(format!("cannot write {}: {e}", path.display())))?;
        std::fs::write(&temporary, text).map_err(Error::io("write", &temporary))?;
        std::fs::rename(&temporary, &path).map_err(Error::io("write", &path))
    }

    /// Whether an alert was taken before.
    pub(super) fn knows(&self, entry: &Entry) -> bool {
        self.taken
            .get(&entry.stream)
            .is_some_and(|taken| entry.number < taken.number || taken.keys.contains(&entry.key))
    }

    /// Remembers that an alert was taken.
    pub(super) fn note(&mut self, entry: &Entry) {
        self.age += 1;
        let taken = self.taken.entry(entry.stream.clone()).or_default();
        taken.number = taken.number.max(entry.number);
        if !taken.keys.contains(&entry.key) {
            taken.keys.push_back(entry.key.clone());
        }
        if taken.keys.len() > MAX_KEYS {
            taken.keys.pop_front();
        }
        taken.age = self.age;
        if self.taken.len() > MAX_STREAMS
            && let Some(oldest) =
                self.taken.iter().min_by_key(|(_, taken)| taken.age).map(|(stream, _)| stream.clone())
        {
            self.taken.remove(&oldest);
        }
    }
}
