//! The thread that writes rows.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use sysflow_store::{DataSet, RowsBuilder};
use tokio::runtime::Handle;

use super::sink::{Part, Sink};
use crate::error::{Error, Result};
use crate::metrics::Metrics;

/// How often what was gathered is looked at.
const TICK: Duration = Duration::from_secs(1);

/// Between two tries of a store that refuses.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// How long the last parts are tried when the service ends; what is not stored by then is judged again by the next start.
const LAST_TRIES: Duration = Duration::from_secs(20);

pub(super) fn start(
    data: DataSet,
    jobs: Receiver<Part>,
    sink: Arc<Sink>,
    runtime: Handle,
    metrics: Arc<Metrics>,
) -> Result<JoinHandle<()>> {
    std::thread::Builder::new()
        .name("store".into())
        .spawn(move || {
            let _ended = Ended(Arc::clone(&sink));
            let writer = Writer { data, sink, runtime, metrics };
            writer.run(&jobs);
        })
        .map_err(|source| Error::Io { what: "cannot start a thread".into(), source })
}

/// Nobody waits for a writer that is gone, also when it has panicked.
struct Ended(Arc<Sink>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.ended();
    }
}

struct Writer {
    data: DataSet,
    sink: Arc<Sink>,
    runtime: Handle,
    metrics: Arc<Metrics>,
}

impl Writer {
    fn run(&self, jobs: &Receiver<Part>) {
        loop {
            match jobs.recv_timeout(TICK) {
                Ok(part) => {
                    if !self.write(&part, jobs) {
                        return;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    if !self.sink.take_due().iter().all(|part| self.write(part, jobs)) {
                        return;
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Writes a part, again and again while the store refuses; false when the service ends meanwhile.
    fn write(&self, part: &Part, jobs: &Receiver<Part>) -> bool {
        let (mut pause, mut ending) = (FIRST_PAUSE, None);
        loop {
            let Err(error) = self.try_write(part) else {
                self.sink.stored(part);
                return true;
            };
            tracing::error!(%error, rows = part.len(), "rows cannot be stored; they are tried again");
            self.metrics.store_errors.add(1);
            // Order matters: what came later waits behind this part.
            if self.sink.is_closed() {
                let ends = *ending.get_or_insert_with(|| Instant::now() + LAST_TRIES);
                if Instant::now() >= ends {
                    tracing::error!("rows were not stored; the next start judges their records again");
                    while jobs.try_recv().is_ok() {}
                    return false;
                }
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn try_write(&self, part: &RowsBuilder) -> sysflow_store::Result<()> {
        let rows = part.rows()?;
        let segment = self.runtime.block_on(self.data.write(&rows))?;
        self.metrics.store_rows.add(rows.batch.num_rows() as u64);
        self.metrics.store_files.add(1);
        self.metrics.store_bytes.add(segment.size());
        Ok(())
    }
}
