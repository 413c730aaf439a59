//! The queue of alerts on their way to Falcosidekick, on disk: an outage or a kill loses none of them.
//!
//! Invariants:
//! * an alert that [`Queue::push`] took is handed out by [`Queue::next`] until [`Queue::done`] was told of it;
//! * an alert that was taken once is never taken again, also not after a restart in which the archive is judged
//!   anew: alerts come in the order of the records that raised them, so the highest (stream, record) tells;
//! * the files are lines of JSON in numbered segments and one `state.json`, which is always replaced as a whole.

mod segment;
mod state;
pub(crate) mod taken;

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::error::{Error, Result};
use segment::Segment;
use state::State;
use taken::Mark;

/// A segment is closed when it has this many bytes.
const SEGMENT: u64 = 1 << 20;

/// Queue of alerts in a directory.
#[derive(Debug)]
pub struct Queue {
    inner: Mutex<Inner>,
    pushed: Notify,
    depth: AtomicU64,
    dropped: AtomicU64,
}

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    max_bytes: u64,
    state: State,
    /// Oldest first; the last one is written to.
    segments: Vec<Segment>,
}

/// An alert in the queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Stream of the record that raised it.
    pub stream: String,
    /// Number of that record.
    pub number: u64,
    /// Tells the alerts of one record apart.
    pub key: String,
    /// What is sent.
    pub body: String,
}

/// An alert that was handed out.
#[derive(Clone, Debug)]
pub struct Item {
    /// What is sent.
    pub body: String,
    segment: u64,
    end: u64,
}

impl Entry {
    fn mark(&self) -> Mark<'_> {
        Mark { stream: &self.stream, number: self.number, key: &self.key }
    }
}

impl Queue {
    /// Opens the queue in `dir`, which is made when it does not exist. A torn last line is cut off.
    pub fn open(dir: &Path, max_bytes: u64) -> Result<Self> {
        // Command lines may hold secrets.
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
        made.map_err(Error::io("make the queue directory", dir))?;
        let mut state = State::load(dir)?;
        let mut segments = segment::open_all(dir)?;
        for segment in &segments {
            for entry in segment.entries(0)? {
                state.note(&entry);
            }
        }
        state.save(dir)?;
        segments.retain(|segment| segment.number >= state.segment || segment.delete().is_err());
        if segments.is_empty() {
            let number = state.segment.max(1);
            segments.push(Segment::create(dir, number)?);
            if state.segment != number {
                (state.segment, state.offset) = (number, 0);
            }
        }
        if state.segment < segments[0].number {
            (state.segment, state.offset) = (segments[0].number, 0);
        }
        state.offset = state.offset.min(segments[0].length);
        let mut depth = 0;
        for segment in &segments {
            let from = if segment.number == state.segment { state.offset } else { 0 };
            depth += segment.entries(from)?.len() as u64;
        }
        Ok(Self {
            inner: Mutex::new(Inner { dir: dir.to_owned(), max_bytes, state, segments }),
            pushed: Notify::new(),
            depth: AtomicU64::new(depth),
            dropped: AtomicU64::new(0),
        })
    }

    /// Appends an alert; false when it was taken before.
    pub fn push(&self, entry: &Entry) -> Result<bool> {
        let mut inner = self.lock();
        if inner.state.knows(entry) {
            return Ok(false);
        }
        if inner.segments.last().is_none_or(|segment| segment.length >= SEGMENT) {
            inner.roll()?;
        }
        if let Some(segment) = inner.segments.last_mut() {
            segment.append(entry)?;
        }
        inner.state.note(entry);
        self.depth.fetch_add(1, Ordering::Relaxed);
        let dropped = inner.make_room()?;
        self.depth.fetch_sub(dropped, Ordering::Relaxed);
        self.dropped.fetch_add(dropped, Ordering::Relaxed);
        drop(inner);
        self.pushed.notify_one();
        Ok(true)
    }

    /// The oldest alert that is not done, once there is one.
    pub async fn next(&self) -> Result<Item> {
        loop {
            let pushed = self.pushed.notified();
            if let Some(item) = self.lock().head()? {
                return Ok(item);
            }
            pushed.await;
        }
    }

    /// Takes an alert that was handed out off the queue.
    pub fn done(&self, item: &Item) -> Result<()> {
        let mut inner = self.lock();
        // What was dropped meanwhile to make room is behind us already.
        if (inner.state.segment, inner.state.offset) < (item.segment, item.end) {
            (inner.state.segment, inner.state.offset) = (item.segment, item.end);
            self.depth.fetch_sub(1, Ordering::Relaxed);
        }
        inner.forget_read_segments()?;
        inner.state.save(&inner.dir)
    }

    /// Alerts that wait.
    pub fn depth(&self) -> u64 {
        self.depth.load(Ordering::Relaxed)
    }

    /// Alerts that were dropped since the queue was opened because it was full.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Forces everything to the disk.
    pub fn sync(&self) -> Result<()> {
        let inner = self.lock();
        inner.state.save(&inner.dir)?;
        inner.segments.last().map_or(Ok(()), Segment::sync)?;
        let dir = std::fs::File::open(&inner.dir).and_then(|dir| dir.sync_all());
        dir.map_err(Error::io("sync the queue directory", &inner.dir))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        // A panic while the lock is held leaves at worst an alert to be sent twice.
        self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Inner {
    fn roll(&mut self) -> Result<()> {
        let number = self.segments.last().map_or(self.state.segment, |segment| segment.number + 1);
        // Later only the last one is forced to the disk.
        self.segments.last().map_or(Ok(()), Segment::sync)?;
        self.segments.push(Segment::create(&self.dir, number)?);
        Ok(())
    }

    /// First entry at or after the read position; moves the position over what cannot be read.
    fn head(&mut self) -> Result<Option<Item>> {
        for at in 0..self.segments.len() {
            let segment = &self.segments[at];
            if segment.number < self.state.segment {
                continue;
            }
            let from = if segment.number == self.state.segment { self.state.offset } else { 0 };
            if let Some((entry, end)) = segment.first(from)? {
                return Ok(Some(Item { body: entry.body, segment: segment.number, end }));
            }
        }
        Ok(None)
    }

    /// Drops whole old segments until the size is within bounds; how many undelivered alerts that cost.
    fn make_room(&mut self) -> Result<u64> {
        let mut dropped = 0;
        while self.segments.len() > 1 && self.segments.iter().map(|s| s.length).sum::<u64>() > self.max_bytes
        {
            let oldest = self.segments.remove(0);
            let from = if oldest.number == self.state.segment { self.state.offset } else { 0 };
            if oldest.number >= self.state.segment {
                dropped += oldest.entries(from)?.len() as u64;
                (self.state.segment, self.state.offset) = (self.segments[0].number, 0);
                self.state.save(&self.dir)?;
            }
            oldest.delete()?;
        }
        Ok(dropped)
    }

    /// Deletes segments that were read to their end, after the state that says so is on disk.
    fn forget_read_segments(&mut self) -> Result<()> {
        while self.segments.len() > 1 {
            let first = &self.segments[0];
            let read = first.number < self.state.segment
                || (first.number == self.state.segment && self.state.offset >= first.length);
            if !read {
                break;
            }
            if first.number == self.state.segment {
                (self.state.segment, self.state.offset) = (self.segments[1].number, 0);
            }
            self.state.save(&self.dir)?;
            self.segments.remove(0).delete()?;
        }
        Ok(())
    }
}
