//! The records as they came: a directory of .sf files, which is also the write-ahead log.
//!
//! Invariants:
//! * a file holds records of one stream, one after the other; its metadata say which stream and the number of the
//!   first, so what is stored of a stream is that number plus the records in the file;
//! * a file begins with a header of the stream (the plugin's rotation), so each file can be read on its own;
//! * file names begin with a number that grows: their order is the order of arrival;
//! * the file being written is uncompressed and whole up to its last block. Once closed it is rewritten compressed,
//!   under a temporary name, and takes its own place.

mod compact;
mod files;
mod replay;
mod writer;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use hashbrown::HashMap;
use sysflow::stream::Hello;

use crate::config;
use crate::error::{Error, Result};
use crate::input::StreamId;
use crate::metrics::Metrics;

pub use replay::records;
pub use writer::{Datum, StreamWriter};

/// A directory of .sf files.
#[derive(Debug)]
pub struct Archive {
    dir: PathBuf,
    sync: bool,
    index: Arc<Mutex<Index>>,
    closed: Mutex<Option<Sender<PathBuf>>>,
    compactor: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct Index {
    /// All files, oldest first.
    files: VecDeque<files::Entry>,
    /// Of each stream, the file written last and what is stored.
    streams: HashMap<StreamId, Last, foldhash::quality::RandomState>,
    next_sequence: u64,
}

#[derive(Clone, Debug)]
struct Last {
    path: PathBuf,
    first: u64,
    stored: u64,
    /// Set when a write failed: the file has to be looked at before more is known.
    unsure: bool,
}

impl Archive {
    /// Opens the archive in `dir`, which is made when it does not exist, and repairs what a kill left behind.
    pub fn open(dir: &Path, config: &config::Archive, metrics: Arc<Metrics>) -> Result<Self> {
        use std::os::unix::fs::DirBuilderExt;
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(Error::io("make the archive directory", dir))?;
        let mut index = Index::default();
        let mut open_files = Vec::new();
        for entry in files::scan(dir)? {
            index.next_sequence = entry.sequence + 1;
            let last = Last {
                path: entry.path.clone(),
                first: entry.first,
                stored: entry.first + entry.records,
                unsure: false,
            };
            if let Some(before) = index.streams.insert(entry.stream, last) {
                open_files.push(before.path);
            }
            index.files.push_back(entry);
        }
        let index = Arc::new(Mutex::new(index));
        let (closed, jobs) = channel();
        let compactor = compact::start(Arc::clone(&index), jobs, config.clone(), metrics)?;
        for path in open_files {
            // Those that were compressed already are left alone.
            _ = closed.send(path);
        }
        Ok(Self {
            dir: dir.to_owned(),
            sync: config.sync,
            index,
            closed: Mutex::new(Some(closed)),
            compactor: Mutex::new(Some(compactor)),
        })
    }

    /// Records stored of a stream.
    pub fn stored(&self, stream: &StreamId) -> Result<u64> {
        let mut index = self.lock();
        let Some(last) = index.streams.get_mut(stream) else { return Ok(0) };
        if last.unsure {
            last.stored = last.first + sysflow::file::recover(&last.path)?.records;
            last.unsure = false;
        }
        Ok(last.stored)
    }

    /// Goes on with a stream.
    pub fn writer(&self, hello: &Hello) -> StreamWriter<'_> {
        StreamWriter::new(self, hello)
    }

    /// All files, oldest first.
    pub fn files(&self) -> Vec<PathBuf> {
        self.lock().files.iter().map(|entry| entry.path.clone()).collect()
    }

    /// Files with records that are not judged yet, oldest first; `next` says of a stream which record comes next.
    pub fn files_from(&self, next: impl Fn(&str) -> u64) -> Vec<PathBuf> {
        let entries: Vec<_> = self.lock().files.iter().cloned().collect();
        let is_new =
            |entry: &files::Entry| entry.first + entry.records > next(&crate::hex::encode(&entry.stream));
        entries.into_iter().filter(is_new).map(|entry| entry.path).collect()
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.lock().files.is_empty()
    }

    /// Ends the background work, what is under way excepted.
    pub fn close(&self) {
        self.closed.lock().unwrap_or_else(PoisonError::into_inner).take();
        let compactor = self.compactor.lock().unwrap_or_else(PoisonError::into_inner).take();
        if compactor.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the archive's thread panicked; please report this");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn file_closed(&self, path: PathBuf) {
        if let Some(closed) = self.closed.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            _ = closed.send(path);
        }
    }
}

impl Drop for Archive {
    fn drop(&mut self) {
        self.close();
    }
}
