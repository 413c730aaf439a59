//! The state of an engine as bytes: everything that later records depend on.
//!
//! Invariant: an engine that goes on from a snapshot does with the records after it what it would have done without the
//! break: the same alerts under the same ids, the same graphs.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use sysflow_graph::{Graphs, Limits};

use super::{Course, Engine};
use crate::alert::Alert;
use crate::error::{Error, Result};

/// What an engine knew at one moment.
#[derive(Debug)]
pub struct Snapshot {
    /// For [`Engine::restore`].
    pub bytes: Vec<u8>,
    /// Alerts that went to the outputs before: they have to be told before the snapshot counts.
    pub alerts: u64,
}

#[derive(Serialize)]
struct Seen<'a> {
    graphs: &'a Graphs,
    alerts: Vec<&'a Alert>,
    /// The one without news longest first.
    courses: Vec<&'a Course>,
    ended: &'a BTreeMap<String, u64>,
}

#[derive(Deserialize)]
struct Kept {
    graphs: Graphs,
    alerts: Vec<Alert>,
    courses: Vec<Course>,
    ended: BTreeMap<String, u64>,
}

impl Engine {
    /// Everything that later records depend on. Records wait for as long as it takes.
    pub fn snapshot(&self) -> Result<Snapshot> {
        let _closed = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        let courses = self.lock();
        let mut by_use: Vec<_> = courses.by_stream.values().collect();
        by_use.sort_unstable_by_key(|(used, _)| *used);
        let open: Vec<_> =
            by_use.iter().map(|(_, course)| course.lock().unwrap_or_else(PoisonError::into_inner)).collect();
        let state = self.world.lock();
        let seen = Seen {
            graphs: &state.graphs,
            alerts: state.alerts.all().map(AsRef::as_ref).collect(),
            courses: open.iter().map(|course| &**course).collect(),
            ended: &courses.ended,
        };
        let bytes = postcard::to_stdvec(&seen).map_err(|e| {
            Error::Failed(format!("the state of the engine cannot be written: {e}; please report this"))
        })?;
        Ok(Snapshot { bytes, alerts: self.sent.load(Ordering::Relaxed) })
    }

    /// Goes on from a snapshot, with the rules and bounds of today. To be called before any record is taken.
    pub fn restore(&self, bytes: &[u8], limits: Limits) -> Result<()> {
        let kept: Kept = postcard::from_bytes(bytes).map_err(|e| Error::Failed(e.to_string()))?;
        let _closed = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        let mut courses = self.lock();
        courses.ended = kept.ended;
        for mut course in kept.courses {
            course.suppressor = course.suppressor.with_settings(self.settings);
            courses.used += 1;
            let used = courses.used;
            courses.by_stream.insert(course.stream.id.clone(), (used, Arc::new(Mutex::new(course))));
        }
        let mut state = self.world.lock();
        state.graphs = kept.graphs.with_limits(limits);
        for alert in kept.alerts {
            state.alerts.put(Arc::new(alert));
        }
        Ok(())
    }
}
