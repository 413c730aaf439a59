//! The engine's state on disk, so that a start judges only what came after it.
//!
//! Invariants:
//! * a checkpoint is written after all alerts that it includes were told: a kill in between tells them again. What tells
//!   of them is on the disk before it is, so that a power loss cannot keep the checkpoint and not the alerts;
//! * nor before the store has the rows of the records that it includes: those after it are judged again, and stored then;
//! * it takes the place of the one before as a whole, or not at all, also at a power loss;
//! * one that cannot be read, or is of another version, is reported and left aside: the archive is judged from its
//!   beginning then.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::engine::{Engine, Frozen};
use crate::error::{Error, Result};
use crate::metrics::Metrics;
use crate::output::{Durable, Handled};
use crate::store::Sink;

/// Version of what the engine writes: raised with each change of what is part of it, in this crate or in those that it
/// keeps (records, entities, graphs, what rules remember). The bytes do not describe themselves; tests/data/engine-N.state holds some of
/// version N, and a test that reads them fails when this number should have been raised.
pub const FORMAT: u32 = 5;

/// A file larger than this is no checkpoint: graphs and entities are bounded well below it.
const MAX_FILE: u64 = 4 << 30;

/// A head is longer than this in no version.
const MAX_HEAD: usize = 4096;

/// First line of the file.
const MAGIC: &[u8] = b"sysflow checkpoint\n";

/// Without a header of a stream, a checkpoint is written after so long. A plugin writes a header every 300 s unless told
/// otherwise; right after one there are few entities to be kept, so that is what is waited for.
const LONGEST: Duration = Duration::from_secs(600);

/// How long a checkpoint waits for the store to have what it includes.
const STORED: Duration = Duration::from_secs(60);

/// Between two checkpoints, the engine works at least so many times as long as the last one held it.
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
}

/// Takes checkpoints of a running engine.
#[derive(Debug)]
pub struct Checkpoints {
    engine: Arc<Engine>,
    metrics: Arc<Metrics>,
    to: SyncSender<Frozen>,
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
    pub fn new(state: &Path) -> Result<Self> {
        use std::os::unix::fs::DirBuilderExt;
        // Command lines may hold secrets.
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(state);
        made.map_err(Error::io("make the state directory", state))?;
        Ok(Self { path: state.join("checkpoint") })
    }

    /// The bytes of the last snapshot; `None` when there is none. An error says why it cannot be used.
    pub fn read(&self) -> Result<Option<Vec<u8>>> {
        let fail = |e| Error::io("read", &self.path)(e);
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(fail(e)),
        };
        let damaged = |why: String| Error::Failed(format!("{}: {why}", self.path.display()));
        let length = file.metadata().map_err(fail)?.len();
        if length > MAX_FILE {
            return Err(damaged(format!("{length} bytes are more than a checkpoint has")));
        }
        let mut content = Vec::new();
        Read::by_ref(&mut file).take(MAX_FILE).read_to_end(&mut content).map_err(fail)?;
        let start = check(&content).map_err(damaged)?;
        // In place: a second copy would double what a start needs.
        content.drain(..start);
        Ok(Some(content))
    }

    /// Replaces the last snapshot.
    pub fn write(&self, bytes: &[u8]) -> Result<()> {
        use std::os::unix::fs::OpenOptionsExt;
        let temporary = self.path.with_extension("tmp");
        let fail = |e| Error::io("write", &self.path)(e);
        // What a kill has left there may be of any kind.
        match fs::remove_file(&temporary) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(fail(e)),
            _ => {}
        }
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary).map_err(fail)?;
        let head = serde_json::to_string(&head_of(bytes)).map_err(|e| fail(e.into()))?;
        let written = file
            .write_all(MAGIC)
            .and_then(|()| writeln!(file, "{head}"))
            .and_then(|()| file.write_all(bytes))
            .and_then(|()| file.sync_all())
            .and_then(|()| fs::rename(&temporary, &self.path))
            .and_then(|()| File::open(self.path.parent().unwrap_or(&self.path))?.sync_all());
        if written.is_err() {
            // A full disk needs the room.
            _ = fs::remove_file(&temporary);
        }
        written.map_err(fail)
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

/// Where the bytes of the snapshot begin, if all is well.
fn check(content: &[u8]) -> Result<usize, String> {
    let rest = content.strip_prefix(MAGIC).ok_or("it is no checkpoint")?;
    let end = rest.iter().take(MAX_HEAD).position(|&b| b == b'\n').ok_or("it is cut")?;
    let head: Head =
        serde_json::from_slice(&rest[..end]).map_err(|e| format!("its head cannot be read: {e}"))?;
    let own = head_of(&rest[end + 1..]);
    if (head.format, &head.version) != (own.format, &own.version) {
        return Err(format!("it was written by version {:?} (format {})", head.version, head.format));
    }
    if head != own {
        return Err("it is damaged".into());
    }
    Ok(MAGIC.len() + end + 1)
}

impl Checkpoints {
    /// Starts the thread that writes them, which ends with the last clone of what is returned.
    pub fn start(
        keeper: Keeper,
        engine: Arc<Engine>,
        handled: Arc<Handled>,
        durable: Arc<Durable>,
        sink: Option<Arc<Sink>>,
        metrics: Arc<Metrics>,
    ) -> Result<(Arc<Self>, JoinHandle<()>)> {
        let (to, states) = sync_channel(1);
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
            .spawn(move || write(&keeper, &states, (&handled, &durable, sink.as_deref()), &busy, &metrics))
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
        match self.engine.freeze() {
            Ok(state) => _ = self.to.send(state),
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
    states: &Receiver<Frozen>,
    (handled, durable, sink): (&Handled, &Durable, Option<&Sink>),
    busy: &AtomicBool,
    metrics: &Metrics,
) {
    for state in states {
        let written = state.bytes().and_then(|snapshot| {
            // Without its outputs the engine goes on, and its archive is judged anew after the next start.
            let is_stored = sink.is_none_or(|sink| sink.wait(snapshot.parts, STORED));
            if !is_stored {
                return Err(Error::Failed("the store has not taken the rows before it".into()));
            }
            if handled.wait(snapshot.alerts) {
                durable.sync()?;
                keeper.write(&snapshot.bytes)?;
                metrics.checkpoints.add(1);
            }
            Ok(())
        });
        if let Err(error) = written {
            tracing::error!(%error, "no checkpoint: after a restart more of the archive is judged anew");
            metrics.checkpoint_errors.add(1);
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
        let keeper = Keeper::new(&dir.path().join("state")).unwrap();
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
        let (own, other) = (format!("\"format\":{FORMAT}"), "\"format\":3");
        says(text.replace(&own, other).as_bytes(), "format 3");
        says(text.replace(env!("CARGO_PKG_VERSION"), "9.9.9").as_bytes(), "version \"9.9.9\"");
    }
    #[test]
    fn what_lies_there_is_no_reason_to_fail_or_to_take_all_memory() {
        let dir = tempfile::tempdir().unwrap();
        let keeper = Keeper::new(&dir.path().join("state")).unwrap();
        // A sparse file, and a head without an end.
        let huge = File::create(&keeper.path).unwrap();
        huge.set_len(MAX_FILE + 1).unwrap();
        assert!(keeper.read().unwrap_err().to_string().contains("more than a checkpoint has"));
        fs::write(&keeper.path, [MAGIC, &vec![b'{'; 1 << 20]].concat()).unwrap();
        assert!(keeper.read().unwrap_err().to_string().contains("cut"));
        // What a kill has left in the way of the next one.
        std::os::unix::fs::symlink("/dev/full", keeper.path.with_extension("tmp")).unwrap();
        keeper.write(b"new").unwrap();
        assert_eq!(keeper.read().unwrap().unwrap(), b"new");
        let mode = std::os::unix::fs::MetadataExt::mode(&fs::metadata(&keeper.path).unwrap());
        assert_eq!(mode & 0o777, 0o600);
    }
}
