//! The thread that puts small files together and removes old ones.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use sysflow_store::{Compaction, DataSet, Retention};
use tokio::runtime::Handle;

use crate::config;
use crate::error::{Error, Result};
use crate::metrics::Metrics;
use crate::stop::Stop;

/// How often it looks.
const EVERY: Duration = Duration::from_secs(300);

/// How soon it notices the end of the service.
const TICK: Duration = Duration::from_millis(200);

pub(super) fn start(
    data: DataSet,
    config: &config::Parquet,
    runtime: Handle,
    metrics: Arc<Metrics>,
    stop: Stop,
) -> Result<JoinHandle<()>> {
    let keep = Retention {
        bytes: (config.max_mib > 0).then(|| config.max_mib.saturating_mul(1 << 20)),
        age: (config.max_hours > 0).then(|| Duration::from_secs(config.max_hours.saturating_mul(3600))),
    };
    let compaction = config.compact.then(Compaction::default);
    std::thread::Builder::new()
        .name("store upkeep".into())
        .spawn(move || {
            let mut next = Instant::now();
            while !stop.is_set() {
                if Instant::now() >= next {
                    runtime.block_on(look(&data, &keep, compaction.as_ref(), &metrics));
                    next = Instant::now() + EVERY;
                }
                std::thread::sleep(TICK);
            }
        })
        .map_err(|source| Error::Io { what: "cannot start a thread".into(), source })
}

async fn look(data: &DataSet, keep: &Retention, compaction: Option<&Compaction>, metrics: &Metrics) {
    match data.retain(keep, SystemTime::now()).await {
        Ok(gone) => metrics.store_removed.add(gone as u64),
        Err(error) => failed(&error, "old files of the store stay", metrics),
    }
    if let Some(compaction) = compaction
        && let Err(error) = data.compact(compaction, SystemTime::now()).await
    {
        failed(&error, "small files of the store stay as they are", metrics);
    }
}

fn failed(error: &sysflow_store::Error, what: &str, metrics: &Metrics) {
    tracing::warn!(%error, "{what}");
    metrics.store_errors.add(1);
}
