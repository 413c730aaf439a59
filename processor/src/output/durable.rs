//! What has to be on the disk before a checkpoint is: it says that these alerts were told.

use std::fs::File;
use std::sync::{Arc, Mutex, PoisonError};

use super::Ledger;
use crate::error::{Error, Result};
use crate::exports::Exports;
use crate::queue::Queue;

/// Everything that tells of alerts, or notes that they were told.
#[derive(Debug, Default)]
pub struct Durable {
    /// Files that alerts are appended to.
    pub files: Vec<File>,
    /// What their ledgers are.
    pub ledgers: Vec<Arc<Mutex<Ledger>>>,
    /// Files that records are copied to; their ledgers are among those above.
    pub exports: Arc<Exports>,
    /// On their way to Falcosidekick.
    pub queue: Option<Arc<Queue>>,
}

impl Durable {
    /// Forces it to the disk: files before the ledgers that speak of them.
    pub fn sync(&self) -> Result<()> {
        for file in &self.files {
            file.sync_data()
                .map_err(|source| Error::Io { what: "cannot sync the file of alerts".into(), source })?;
        }
        self.exports.sync()?;
        for ledger in &self.ledgers {
            ledger.lock().unwrap_or_else(PoisonError::into_inner).sync()?;
        }
        self.queue.as_ref().map_or(Ok(()), |queue| queue.sync())
    }
}
