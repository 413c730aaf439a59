//! A directory of `.sf` files, a new one with every header.

use std::{
    fs::File,
    io,
    time::{Duration, Instant},
};

use sysflow::{Schema, file};

use super::{Block, directory::Directory};

/// Blocks of the stream are gathered into blocks of a file of this size: they compress better.
const FILE_BLOCK: usize = 256 * 1024;
/// … or after this time, so that a crash loses little and a reader sees what happens.
const FLUSH: Duration = Duration::from_secs(1);

/// The file that is being written, and those before it.
#[derive(Debug)]
pub(super) struct Files {
    directory: Directory,
    schema: Schema,
    open: Option<Open>,
    /// An error has been told of; the next is told of when a file could be made again.
    told: bool,
}

#[derive(Debug)]
struct Open {
    writer: file::Writer<File>,
    name: String,
    pending: Vec<u8>,
    count: u64,
    /// When the first of the pending records came.
    since: Instant,
    /// Records that the writer counts and that are not in the file, after an error.
    failed: u64,
    /// Length of the file up to its last whole block, after an error.
    whole: Option<u64>,
}

impl Files {
    pub(super) fn new(directory: Directory, schema: Schema) -> Self {
        Self { directory, schema, open: None, told: false }
    }

    /// Writes a block; the number of records that could not be written.
    pub(super) fn write(&mut self, block: &Block) -> u64 {
        let mut lost = 0;
        if block.header {
            lost += self.finish();
            match self.create(block.ts) {
                Ok(open) => {
                    self.open = Some(open);
                    self.told = false;
                }
                Err(error) => self.tell("cannot make a file", &error.to_string()),
            }
        }
        // Without the header before it a file could not be read. That records are lost brings the next one soon.
        let Some(open) = &mut self.open else { return lost + u64::from(block.count) };
        if open.count == 0 {
            open.since = Instant::now();
        }
        open.pending.extend_from_slice(&block.bytes);
        open.count += u64::from(block.count);
        if open.pending.len() >= FILE_BLOCK {
            lost += self.flush();
        }
        lost
    }

    /// Writes what has waited long enough; the number of records that could not be written.
    pub(super) fn tend(&mut self) -> u64 {
        let is_due = self.open.as_ref().is_some_and(|open| open.count > 0 && open.since.elapsed() >= FLUSH);
        if is_due { self.flush() } else { 0 }
    }

    /// Ends the file and gives it its name; the number of records that could not be written.
    pub(super) fn finish(&mut self) -> u64 {
        let lost = self.flush();
        lost + self.complete()
    }

    /// What is in the file so far is whole: it gets its name. The number of its records that are not safe there.
    fn complete(&mut self) -> u64 {
        let Some(open) = self.open.take() else { return 0 };
        let temporary = temporary(&open.name);
        let records = open.writer.records() - open.failed;
        let synced = open.writer.into_inner().map_err(|e| e.to_string()).and_then(|file| {
            // What a failed write left at the end is no block.
            open.whole.map_or(Ok(()), |length| file.set_len(length)).map_err(|e| e.to_string())?;
            file.sync_data().map_err(|e| e.to_string())
        });
        let renamed = self.directory.rename(&temporary, &open.name).map_err(|e| e.to_string());
        match synced.and(renamed) {
            Ok(()) => 0,
            Err(error) => {
                self.tell(&format!("cannot complete {}", open.name), &error);
                records
            }
        }
    }

    fn flush(&mut self) -> u64 {
        let Some(open) = &mut self.open else { return 0 };
        let count = std::mem::take(&mut open.count);
        if count == 0 {
            return 0;
        }
        let whole = open.writer.bytes();
        let written = open.writer.write_block(count, &open.pending).and_then(|()| open.writer.flush());
        open.pending.clear();
        let Err(error) = written else { return 0 };
        open.failed = count;
        open.whole = Some(whole);
        self.tell("cannot write", &error.to_string());
        count + self.complete()
    }

    /// The file is named by the second of its first event; it has that name only when it is complete.
    fn create(&mut self, ts: i64) -> io::Result<Open> {
        let second = ts / 1_000_000_000;
        let names =
            std::iter::once(format!("{second}.sf")).chain((1..1000).map(|n| format!("{second}-{n}.sf")));
        for name in names {
            if self.directory.has(&name) {
                continue;
            }
            let file = match self.directory.create(&temporary(&name)) {
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => continue,
                file => file?,
            };
            let options = file::Options { schema: self.schema, ..file::Options::default() };
            let writer = file::Writer::new(file, &name, &options).map_err(io::Error::other)?;
            return Ok(Open {
                writer,
                name,
                pending: Vec::new(),
                count: 0,
                since: Instant::now(),
                failed: 0,
                whole: None,
            });
        }
        Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("1000 files begin with {second}")))
    }

    fn tell(&mut self, what: &str, error: &str) {
        if !self.told {
            self.told = true;
            eprintln!(
                "sysflow: {what} in {}: {error}; records are lost until that works again",
                self.directory.path.display()
            );
        }
    }
}

fn temporary(name: &str) -> String {
    format!("{name}.tmp")
}
