//! The thread that looks whether rules files have changed.
//!
//! It asks for their metadata a few times a second and reads them when that has changed. That is less than it sounds (a
//! microsecond a file), and finds what notifications of the kernel miss: network file systems, and the links by which
//! Kubernetes replaces all files of a ConfigMap at once.

use std::os::unix::fs::MetadataExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::{Rules, files};
use crate::error::{Error, Result};

/// Between two looks. An edit is seen at the next one and read at the one after it: in force within two, and a half-written file
/// is not taken for a whole one.
const PAUSE: Duration = Duration::from_millis(200);

/// Looks at which files are read after a change was seen. The second one finds a change within the same tick of the file
/// system's clock.
const READINGS: u32 = 2;

/// Looks that a file may change one after another before it is read all the same.
const PATIENCE: u32 = 3;

/// Watches the files of a set of rules until it is dropped.
#[derive(Debug)]
pub struct Watcher {
    wishes: Arc<Wishes>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Wishes {
    wished: Mutex<Wished>,
    changed: Condvar,
}

#[derive(Clone, Copy, Debug, Default)]
struct Wished {
    reload: bool,
    end: bool,
}

/// What tells a file from what it was: device, inode, size, times of its last changes.
type Stamp = (PathBuf, Option<(u64, u64, u64, [i64; 4])>);

impl Watcher {
    /// Starts to watch.
    pub fn start(rules: Arc<Rules>) -> Result<Self> {
        let wishes = Arc::new(Wishes::default());
        let wished = Arc::clone(&wishes);
        let thread = std::thread::Builder::new()
            .name("rules".into())
            .spawn(move || watch(&rules, &wished))
            .map_err(|source| Error::Io { what: "cannot start a thread".into(), source })?;
        Ok(Self { wishes, thread: Some(thread) })
    }

    /// For whoever asks for a reload.
    pub fn handle(&self) -> impl Fn() + Send + Sync + 'static {
        let wishes = Arc::clone(&self.wishes);
        move || wishes.wish(|wished| wished.reload = true)
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.wishes.wish(|wished| wished.end = true);
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that watches rules panicked; please report this");
        }
    }
}

impl Wishes {
    fn wish(&self, wish: impl FnOnce(&mut Wished)) {
        wish(&mut self.wished.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }

    /// What is wished, at the latest after a pause; a reload is wished once.
    fn wait(&self) -> Wished {
        let wished = self.wished.lock().unwrap_or_else(PoisonError::into_inner);
        let nothing = |wished: &mut Wished| !wished.reload && !wished.end;
        let waited = self.changed.wait_timeout_while(wished, PAUSE, nothing);
        let (mut wished, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let now = *wished;
        wished.reload = false;
        now
    }
}

fn watch(rules: &Rules, wishes: &Wishes) {
    let paths = rules.current().config().files.clone();
    // What changed between the loading and this first look is read as well.
    let (mut seen, mut readings, mut restless) = (stamps(&paths), READINGS, 0);
    loop {
        let wished = wishes.wait();
        if wished.end {
            return;
        }
        if wished.reload {
            look(rules, true);
        }
        if paths.is_empty() {
            continue;
        }
        let now = stamps(&paths);
        if now != seen {
            (seen, readings) = (now, READINGS);
            restless += 1;
            if restless < PATIENCE {
                continue;
            }
        }
        restless = 0;
        if readings > 0 {
            readings -= 1;
            look(rules, false);
        }
    }
}

/// A panic of the compiler keeps the old rules, and the thread.
fn look(rules: &Rules, anyway: bool) {
    if catch_unwind(AssertUnwindSafe(|| rules.reload(anyway))).is_err() {
        tracing::error!("loading the new rules panicked, the old ones stay in force; please report this");
    }
}

fn stamps(paths: &[PathBuf]) -> Vec<Stamp> {
    // A directory that cannot be read now is looked at by its own metadata; reading says what is wrong.
    let files = files::expand(paths).unwrap_or_else(|_| paths.to_vec());
    let stamp = |path: PathBuf| {
        let of = std::fs::metadata(&path).ok();
        let of =
            of.map(|m| (m.dev(), m.ino(), m.len(), [m.mtime(), m.mtime_nsec(), m.ctime(), m.ctime_nsec()]));
        (path, of)
    };
    files.into_iter().map(stamp).collect()
}
