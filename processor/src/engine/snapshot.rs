//! The state of an engine as bytes: everything that later records depend on.
//!
//! Invariant: an engine that goes on from a snapshot does with the records after it what it would have done without the
//! break: the same alerts under the same ids, the same graphs.
//!
//! A checksum stands before the bytes, so that damage does not come this far. What does is read all the same as if
//! somebody had made it up: an error, never a panic, and no more memory than the bytes have.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use sysflow_graph::{Graphs, Limits};

use super::{Course, Engine, MAX_ENDED, MAX_STREAMS};
use crate::alert::Alert;
use crate::error::{Error, Result};
use crate::world::Missing;

/// What an engine knew at one moment.
#[derive(Debug)]
pub struct Snapshot {
    /// For [`Engine::restore`].
    pub bytes: Vec<u8>,
    /// Alerts that went to the outputs before: they have to be told before the snapshot counts.
    pub alerts: u64,
    /// Parts that went to the store before: they have to be there before the snapshot counts.
    pub parts: u64,
}

/// The same before it is turned into bytes, which takes longest and need not hold up the engine.
#[derive(Debug)]
pub struct Frozen {
    /// What is kept of streams, as bytes already.
    streams: Vec<u8>,
    graphs: Graphs,
    alerts: Vec<Arc<Alert>>,
    missing: Missing,
    sent: u64,
    parts: u64,
}

/// What is kept of streams: the one without news longest first.
#[derive(Serialize)]
struct Streams<'a> {
    courses: Vec<&'a Course>,
    ended: &'a BTreeMap<String, (u64, u64)>,
    used: u64,
}

#[derive(Serialize)]
struct Shown<'a> {
    graphs: &'a Graphs,
    alerts: Vec<&'a Alert>,
    missing: &'a Missing,
}

/// Both together, in this order.
#[derive(Deserialize)]
struct Kept {
    courses: Vec<Course>,
    ended: BTreeMap<String, (u64, u64)>,
    used: u64,
    graphs: Graphs,
    alerts: Vec<Alert>,
    missing: Missing,
}

impl Frozen {
    /// Turns it into bytes.
    pub fn bytes(self) -> Result<Snapshot> {
        let Self { streams, graphs, alerts, missing, sent, parts } = self;
        let shown =
            Shown { graphs: &graphs, alerts: alerts.iter().map(AsRef::as_ref).collect(), missing: &missing };
        Ok(Snapshot { bytes: postcard::to_extend(&shown, streams).map_err(unwritten)?, alerts: sent, parts })
    }
}

#[allow(clippy::needless_pass_by_value, reason = "the shape that map_err takes")]
fn unwritten(error: postcard::Error) -> Error {
    Error::Failed(format!("the state of the engine cannot be written: {error}; please report this"))
}

impl Engine {
    /// Everything that later records depend on.
    pub fn snapshot(&self) -> Result<Snapshot> {
        self.freeze()?.bytes()
    }

    /// The same, to be turned into bytes elsewhere. Records wait meanwhile.
    ///
    /// An error after a panic on a record: what it left half done must not be taken for done. A new start judges the
    /// record again.
    pub fn freeze(&self) -> Result<Frozen> {
        let _closed = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        let parts = self.sink.as_ref().map_or(0, |sink| sink.cut());
        let courses = self.lock();
        let mut by_use: Vec<_> = courses.by_stream.values().collect();
        by_use.sort_unstable_by_key(|(used, _)| *used);
        let open: Result<Vec<_>, _> = by_use.iter().map(|(_, course)| course.lock()).collect();
        let open = open.map_err(|_| Error::Failed("the engine panicked; its state is not kept".into()))?;
        let streams = Streams {
            courses: open.iter().map(|course| &**course).collect(),
            ended: &courses.ended,
            used: courses.used,
        };
        let streams = postcard::to_stdvec(&streams).map_err(unwritten)?;
        let state = self.world.lock();
        Ok(Frozen {
            streams,
            graphs: state.graphs.clone(),
            alerts: state.alerts.all().cloned().collect(),
            missing: state.missing.clone(),
            sent: self.sent.load(Ordering::Relaxed),
            parts,
        })
    }

    /// Goes on from a snapshot, with the rules and bounds of today. To be called before any record is taken.
    pub fn restore(&self, bytes: &[u8], limits: Limits) -> Result<()> {
        let read: Result<(Kept, &[u8]), _> = postcard::take_from_bytes(bytes);
        let (kept, rest) =
            read.map_err(|e| Error::Failed(format!("the checkpoint is no state of an engine: {e}")))?;
        if !rest.is_empty() || kept.courses.len() > MAX_STREAMS || kept.ended.len() > MAX_ENDED {
            return Err(Error::Failed(
                "the checkpoint is no state of an engine: it has more than that".into(),
            ));
        }
        let _closed = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        let mut courses = self.lock();
        courses.ended = kept.ended;
        courses.used = kept.used.min(u64::MAX / 2);
        for mut course in kept.courses {
            course.suppressor = course.suppressor.with_settings(self.settings);
            courses.used += 1;
            let used = courses.used;
            courses.by_stream.insert(course.stream.id.clone(), (used, Arc::new(Mutex::new(course))));
        }
        let mut state = self.world.lock();
        state.graphs = kept.graphs.with_limits(limits);
        state.missing = kept.missing;
        for alert in kept.alerts {
            state.alerts.put(Arc::new(alert));
        }
        Ok(())
    }
}
