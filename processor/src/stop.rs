//! The wish to stop, seen by threads and tasks alike.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::error::{Error, Result};

/// A signal this long after the first one is meant as a second one.
const AGAIN: Duration = Duration::from_secs(1);

/// Turns once, from running to stopping.
#[derive(Clone, Debug)]
pub struct Stop {
    flag: Arc<AtomicBool>,
    sender: Arc<watch::Sender<bool>>,
}

impl Default for Stop {
    fn default() -> Self {
        Self { flag: Arc::default(), sender: Arc::new(watch::channel(false).0) }
    }
}

impl Stop {
    /// Wishes it.
    pub fn stop(&self) {
        self.flag.store(true, Ordering::Release);
        self.sender.send_replace(true);
    }

    /// Whether it was wished.
    pub fn is_set(&self) -> bool {
        self.flag.load(Ordering::Acquire)
    }

    /// The flag itself, for loops outside of this crate.
    pub fn flag(&self) -> &AtomicBool {
        &self.flag
    }

    /// For tasks.
    pub fn watch(&self) -> watch::Receiver<bool> {
        self.sender.subscribe()
    }

    /// Returns once it is wished.
    pub async fn wait(&self) {
        _ = self.watch().wait_for(|stop| *stop).await;
    }

    /// Lets SIGINT and SIGTERM wish it; another one a second later ends the process at once, as without us. Those that
    /// come together count as one: supervisors signal a process and then its group.
    ///
    /// Has to be called inside a tokio runtime.
    pub fn on_signals(&self) -> Result<()> {
        let failed = |source| Error::Io { what: "cannot listen for signals".into(), source };
        let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
        let stop = self.clone();
        tokio::spawn(async move {
            let mut first = None;
            loop {
                let number = tokio::select! {
                    _ = interrupt.recv() => 2,
                    _ = terminate.recv() => 15,
                };
                if first.get_or_insert_with(Instant::now).elapsed() > AGAIN {
                    std::process::exit(128 + number);
                }
                stop.stop();
            }
        });
        Ok(())
    }
}
