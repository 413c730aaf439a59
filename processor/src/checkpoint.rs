//! The engine's state on disk, so that a start judges only what came after it.
//!
//! Invariants:
//! * a checkpoint is written after all alerts that it includes were told: a kill in between tells them again;
//! * it takes the place of the one before as a whole, or not at all;
//! * one that cannot be read, or is of another version, is reported and left aside: the archive is judged from its
//!   beginning then.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::engine::{Engine, Snapshot};
use crate::error::{Error, Result};
use crate::metrics::Metrics;
use crate::output::Handled;

/// Version of what the engine writes: raised with each change of what is part of it.
const FORMAT: u32 = 1;

/// First line of the file.
const MAGIC: &[u8] = b"sysflow checkpoint\n";

/// Without a header of a stream, a checkpoint is written after so long.
const LONGEST: Duration = Duration::from_secs(300);

/// Between two checkpoints, the engine works at least so many times as long as the last one took.
const WORK: u32 = 20;

/// Second line of the file, as JSON.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Head {
    format: u32,
    /// Release that wrote it: the bytes do not describe themselves.
    version: String,
    length: usize,
    xxh3: u64,
}

/// Where a checkpoint is kept.
#[derive(Clone, Debug)]
pub struct Keeper {
    path: PathBuf,
    /// Whether it is forced to the disk.
    sync: bool,
}

/// Takes checkpoints of a running engine.
#[derive(Debug)]
pub struct Checkpoints {
    engine: Arc<Engine>,
    metrics: Arc<Metrics>,
    to: SyncSender<Snapshot>,
    /// One is being written.
    busy: Arc<AtomicBool>,
    pace: Mutex<Pace>,
}

#[derive(Debug)]
struct Pace {
    /// Not before.
    from: Instant,
    /// At the latest.
    until: Instant,
}

impl Keeper {
    /// A checkpoint in the directory `state`, which is made when it does not exist.
    pub fn new(state: &Path, sync: bool) -> Result<Self> {
        use std::os::unix::fs::DirBuilderExt;
        // Command lines may hold secrets.
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(state);
        made.map_err(Error::io("make the state directory", state))?;
        Ok(Self { path: state.join("checkpoint"), sync })
    }

    /// The bytes of the last snapshot; `None` when there is none. An error says why it cannot be used.
    pub fn read(&self) -> Result<Option<Vec<u8>>> {
        let content = match fs::read(&self.path) {
            Ok(content) => content,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Error::io("read", &self.path)(e)),
        };
        parse(&content)
            .map(|bytes| Some(bytes.to_vec()))
            .map_err(|why| Error::Failed(format!("{}: {why}", self.path.display())))
    }

    /// Replaces the last snapshot.
    pub fn write(&self, bytes: &[u8]) -> Result<()> {
        let temporary = self.path.with_extension("tmp");
        let fail = |e| Error::io("write", &self.path)(e);
        let mut file = File::create(&temporary).map_err(fail)?;
        let head = serde_json::to_string(&head_of(bytes)).unwrap_or_default();
        file.write_all(MAGIC)
            .and_then(|()| writeln!(file, "{head}"))
            .and_then(|()| file.write_all(bytes))
            .and_then(|()| if self.sync { file.sync_all() } else { Ok(()) })
            .and_then(|()| fs::rename(&temporary, &self.path))
            .map_err(fail)
    }

    /// Puts a checkpoint that cannot be used where somebody may look at it.
    pub fn set_aside(&self) {
        _ = fs::rename(&self.path, self.path.with_extension("damaged"));
    }
}

fn head_of(bytes: &[u8]) -> Head {
    Head {
        format: FORMAT,
        version: env!("CARGO_PKG_VERSION").into(),
        length: bytes.len(),
        xxh3: xxhash_rust::xxh3::xxh3_64(bytes),
    }
}

fn parse(content: &[u8]) -> Result<&[u8], String> {
    let rest = content.strip_prefix(MAGIC).ok_or("it is no checkpoint")?;
    let end = rest.iter().position(|&b| b == b'\n').ok_or("it is cut")?;
    let head: Head =
        serde_json::from_slice(&rest[..end]).map_err(|e| format!("its head cannot be read: {e}"))?;
    let bytes = &rest[end + 1..];
    let own = head_of(bytes);
    if (head.format, &head.version) != (own.format, &own.version) {
        return Err(format!("it was written by version {} (format {})", head.version, head.format));
    }
    if head != own {
        return Err("it is damaged".into());
    }
    Ok(bytes)
}

impl Checkpoints {
    /// Starts the thread that writes them, which ends with the last clone of what is returned.
    pub fn start(
        keeper: Keeper,
        engine: Arc<Engine>,
        handled: Arc<Handled>,
        metrics: Arc<Metrics>,
    ) -> Result<(Arc<Self>, JoinHandle<()>)> {
        let (to, snapshots) = sync_channel(1);
        let busy = Arc::new(AtomicBool::new(false));
        let now = Instant::now();
        let checkpoints = Arc::new(Self {
            engine,
            metrics: Arc::clone(&metrics),
            to,
            busy: Arc::clone(&busy),
            pace: Mutex::new(Pace { from: now, until: now + LONGEST }),
        });
        let thread = std::thread::Builder::new()
            .name("checkpoint".into())
            .spawn(move || write(&keeper, &snapshots, &handled, &busy, &metrics))
            .map_err(|source| Error::Io { what: "cannot start a thread".into(), source })?;
        Ok((checkpoints, thread))
    }

    /// Says that records were judged, a header of a stream among them or not.
    pub fn judged(&self, header: bool) {
        let now = Instant::now();
        let is_due = {
            let pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
            now >= pace.from && (header || now >= pace.until)
        };
        if is_due && !self.busy.swap(true, Ordering::AcqRel) {
            self.take(now);
        }
    }

    /// Takes one now, unless one is being written.
    pub fn now(&self) {
        if !self.busy.swap(true, Ordering::AcqRel) {
            self.take(Instant::now());
        }
    }

    fn take(&self, start: Instant) {
        match self.engine.snapshot() {
            Ok(snapshot) => _ = self.to.send(snapshot),
            Err(error) => {
                tracing::error!(%error, "no checkpoint");
                self.metrics.checkpoint_errors.add(1);
                self.busy.store(false, Ordering::Release);
            }
        }
        let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        pace.from = now + (now - start) * WORK;
        pace.until = pace.from.max(now + LONGEST);
    }
}

fn write(
    keeper: &Keeper,
    snapshots: &Receiver<Snapshot>,
    handled: &Handled,
    busy: &AtomicBool,
    metrics: &Metrics,
) {
    for snapshot in snapshots {
        // Without its outputs the engine goes on, and its archive is judged anew after the next start.
        if handled.wait(snapshot.alerts) {
            match keeper.write(&snapshot.bytes) {
                Ok(()) => metrics.checkpoints.add(1),
                Err(error) => {
                    tracing::error!(%error, "no checkpoint: after a restart more of the archive is judged anew");
                    metrics.checkpoint_errors.add(1);
                }
            }
        }
        busy.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_damaged_or_of_another_version_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let keeper = Keeper::new(&dir.path().join("state"), false).unwrap();
        assert_eq!(keeper.read().unwrap(), None);
        keeper.write(b"first").unwrap();
        keeper.write(b"the state").unwrap();
        assert_eq!(keeper.read().unwrap().unwrap(), b"the state");
        let whole = fs::read(&keeper.path).unwrap();
        let says = |content: &[u8], says: &str| {
            fs::write(&keeper.path, content).unwrap();
            let error = keeper.read().unwrap_err().to_string();
            assert!(error.contains(says) && error.contains("state/checkpoint"), "{error}");
        };
        for cut in 0..whole.len() {
            says(&whole[..cut], "it");
        }
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            says(&damaged, "it");
        }
        let text = String::from_utf8(whole).unwrap();
        says(text.replace("\"format\":1", "\"format\":2").as_bytes(), "format 2");
        says(text.replace(env!("CARGO_PKG_VERSION"), "9.9.9").as_bytes(), "version 9.9.9");
    }
}
