//! The Parquet store of a running service: what was judged goes there, and is asked there.
//!
//! Engines hand each judged record to the [`Sink`], which gathers rows and passes them on to the writer's thread. A
//! checkpoint of an engine counts only once the rows before it are stored: so a start judges again what is not stored
//! yet, the records that are stored already are passed over by their numbers, and no row is lost or there twice.

pub mod drawn;
mod sink;
pub mod time;
mod upkeep;
pub mod upload;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use sysflow_store::{DataSet, History};
use tokio::runtime::Handle;

use crate::config;
use crate::error::{Error, Result};
use crate::metrics::Metrics;
use crate::stop::Stop;

pub use sink::{Matched, Sink};

/// The store of a service, with its threads.
#[derive(Debug)]
pub struct Store {
    sink: Arc<Sink>,
    history: Arc<History>,
    writer: JoinHandle<()>,
    upkeep: JoinHandle<()>,
    stop: Stop,
}

impl Store {
    /// Opens the store and starts its threads; `None` when the configuration wants none.
    pub fn start(
        config: &config::Parquet,
        directory: Option<&Path>,
        runtime: &Handle,
        metrics: &Arc<Metrics>,
    ) -> Result<Option<Self>> {
        let data = match (&config.url, directory) {
            _ if !config.enabled => return Ok(None),
            (Some(url), _) => DataSet::open(url).map_err(failed)?,
            (None, Some(directory)) => DataSet::at(directory).map_err(failed)?,
            (None, None) => return Ok(None),
        };
        let removed = data.repair().map_err(failed)?;
        if removed > 0 {
            tracing::info!(removed, "removed Parquet files that a kill left half written");
        }
        let stored = runtime.block_on(data.stored()).map_err(failed)?;
        let (sink, jobs) = Sink::new(config, stored, Arc::clone(metrics));
        let sink = Arc::new(sink);
        let history = Arc::new(History::new(data.clone(), Some(Arc::clone(&sink) as _)).map_err(failed)?);
        let stop = Stop::default();
        let writer =
            writer::start(data.clone(), jobs, Arc::clone(&sink), runtime.clone(), Arc::clone(metrics))?;
        let upkeep = upkeep::start(data, config, runtime.clone(), Arc::clone(metrics), stop.clone())?;
        Ok(Some(Self { sink, history, writer, upkeep, stop }))
    }

    /// Where engines hand records to.
    pub fn sink(&self) -> &Arc<Sink> {
        &self.sink
    }

    /// What was stored, to be asked.
    pub fn history(&self) -> &Arc<History> {
        &self.history
    }

    /// Ends the threads. What was gathered is written first, unless the store refuses it for too long.
    pub fn close(self) {
        self.stop.stop();
        self.sink.close();
        for thread in [self.writer, self.upkeep] {
            if thread.join().is_err() {
                tracing::error!("a thread of the store panicked; please report this");
            }
        }
    }
}

/// For `map_err`.
pub fn failed(error: sysflow_store::Error) -> Error {
    match error {
        sysflow_store::Error::Question(_) | sysflow_store::Error::Target { .. } => {
            Error::Usage(error.to_string())
        }
        error => Error::Failed(error.to_string()),
    }
}
