//! What all connections share: the archive, and which streams are known and live.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashbrown::{HashMap, HashSet};

use crate::archive::Archive;
use crate::error::Result;
use crate::metrics::Metrics;

/// Identity of a stream.
pub type StreamId = [u8; 16];

/// Shared by the connections of all inputs.
#[derive(Debug)]
pub struct Intake {
    archive: Option<Arc<Archive>>,
    metrics: Arc<Metrics>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// Records taken of each stream, when there is no archive to ask.
    stored: HashMap<StreamId, u64, foldhash::quality::RandomState>,
    /// Nodes with a connection.
    live: HashSet<String, foldhash::quality::RandomState>,
}

/// Keeps a node's place as long as its connection lasts.
#[derive(Debug)]
pub(super) struct Live<'a> {
    intake: &'a Intake,
    node: String,
}

impl Intake {
    /// Goes on where the archive ends; without one, nothing is kept.
    pub fn new(archive: Option<Arc<Archive>>, metrics: Arc<Metrics>) -> Self {
        Self { archive, metrics, known: Mutex::default() }
    }

    /// Number of the next record of a stream.
    pub fn stored(&self, stream: &StreamId) -> Result<u64> {
        match &self.archive {
            Some(archive) => archive.stored(stream),
            None => Ok(self.lock().stored.get(stream).copied().unwrap_or(0)),
        }
    }

    pub(super) fn set_stored(&self, stream: StreamId, stored: u64) {
        if self.archive.is_none() {
            self.lock().stored.insert(stream, stored);
        }
    }

    /// Takes the place of a node; `None` when it has a live stream.
    pub(super) fn enter(&self, node: &str) -> Option<Live<'_>> {
        self.lock().live.insert(node.to_owned()).then(|| Live { intake: self, node: node.to_owned() })
    }

    pub(super) fn archive(&self) -> Option<&Archive> {
        self.archive.as_deref()
    }

    pub(super) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Live<'_> {
    fn drop(&mut self) {
        self.intake.lock().live.remove(&self.node);
    }
}
