//! Where alerts go: terminal, file, and the queue of Falcosidekick. One thread, so that each sees them in order.

mod at_least;
mod durable;
mod handled;
mod ledger;
mod lines;
mod terminal;

use std::path::Path;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use crate::engine::Told;
use crate::error::{Error, Result};
use crate::metrics::Metrics;
use crate::queue::{Entry, Queue};
use crate::stop::Stop;
use crate::world::World;

pub use at_least::AtLeast;
pub use durable::Durable;
use handled::Counting;
pub use handled::Handled;
pub use ledger::Ledger;
use ledger::Once;
pub use lines::Lines;
pub use terminal::Terminal;

/// Something that alerts are written to.
pub trait Output: Send {
    /// Takes one alert.
    fn alert(&mut self, told: &Told) -> Result<()>;

    /// Forces what was taken to where it belongs.
    fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    /// What log messages call it.
    fn name(&self) -> &'static str;
}

/// A ledger that its output writes to and the service settles.
pub type SharedLedger = Arc<Mutex<Ledger>>;

/// Lets an output tell each alert once, over restarts; what it told stands in a file of `state`.
pub fn once(output: Box<dyn Output>, state: &Path) -> Result<(Box<dyn Output>, SharedLedger)> {
    let path = state.join(format!("told-{}.jsonl", output.name()));
    let ledger = Arc::new(Mutex::new(Ledger::open(&path)?));
    Ok((Box::new(Once { output, ledger: Arc::clone(&ledger) }), ledger))
}

/// Starts the thread that hands alerts to `outputs` until the engine is gone. The thread's result is the first error
/// of an output that cannot go on, such as a closed standard output; the others go on without it, and `closed` is told.
/// How many alerts it has done with stands in `handled`.
pub fn start(
    alerts: Receiver<Told>,
    mut outputs: Vec<Box<dyn Output>>,
    metrics: Arc<Metrics>,
    closed: Stop,
    handled: Arc<Handled>,
    world: Arc<World>,
) -> Result<JoinHandle<Option<Error>>> {
    std::thread::Builder::new()
        .name("outputs".into())
        .spawn(move || {
            let handled = handled.until_dropped();
            world.watch("the outputs", || hand_out(alerts, &mut outputs, &metrics, &closed, &handled))
        })
        .map_err(|source| Error::Io { what: "cannot start a thread".into(), source })
}

fn hand_out(
    alerts: Receiver<Told>,
    outputs: &mut Vec<Box<dyn Output>>,
    metrics: &Metrics,
    closed: &Stop,
    handled: &Counting<'_>,
) -> Option<Error> {
    let mut failed = None;
    for told in alerts {
        outputs.retain_mut(|output| keep(output.alert(&told), output.name(), metrics, &mut failed));
        if failed.is_some() {
            closed.stop();
        }
        handled.one_more();
    }
    outputs.retain_mut(|output| keep(output.flush(), output.name(), metrics, &mut failed));
    failed
}

/// Whether an output can go on.
fn keep(result: Result<()>, name: &'static str, metrics: &Metrics, failed: &mut Option<Error>) -> bool {
    match result {
        Ok(()) => true,
        Err(Error::BrokenPipe) => {
            tracing::info!(output = name, "its reader is gone: no more alerts go there");
            failed.get_or_insert(Error::BrokenPipe);
            false
        }
        Err(error) => {
            // A full disk may have room again for the next alert.
            tracing::error!(%error, output = name, "an alert could not be written");
            metrics.alerts_dropped.add(name, 1);
            true
        }
    }
}

/// Into the queue of Falcosidekick.
#[derive(Debug)]
pub struct ToQueue(pub Arc<Queue>);

impl Output for ToQueue {
    fn alert(&mut self, told: &Told) -> Result<()> {
        // Also what is judged again: the queue knows what it has taken, and may have missed the last ones before a kill.
        self.0
            .push(&Entry {
                stream: told.stream.id.clone(),
                number: told.number,
                key: told.key(),
                body: told.alert.wire(),
            })
            .map(|_| ())
    }

    fn flush(&mut self) -> Result<()> {
        self.0.sync()
    }

    fn name(&self) -> &'static str {
        "queue"
    }
}
