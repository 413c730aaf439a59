//! What the queue remembers beside its entries: how far it was read, and what was ever put in.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Entry;
use super::taken::Taken;
use crate::error::{Error, Result};

const FILE: &str = "state.json";

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct State {
    /// Where reading goes on: segment and byte.
    pub(super) segment: u64,
    pub(super) offset: u64,
    #[serde(flatten)]
    taken: Taken,
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
        self.taken.knows(entry.mark())
    }

    /// Remembers that an alert was taken.
    pub(super) fn note(&mut self, entry: &Entry) {
        self.taken.note(entry.mark());
    }
}
