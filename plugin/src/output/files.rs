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
/// … or after this time, so that a crash loses little.
const FLUSH: Duration = Duration::from_secs(5);

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
    since: Instant,
}

impl Files {
    pub(super) fn new(directory: Directory, schema: Schema) -> Self {
        Self { directory, schema, open: None, told: false }
    }

    /// Writes a block; the number of records that could not be written.
    pub(super) fn write(&mut self, block: &Block) -> u64 {
        let mut lost = 0;
        if block.header || self.open.is_none() {
            lost += self.finish();
            match self.create(block.ts) {
                Ok(open) => {
                    self.open = Some(open);
                    self.told = false;
                }
                Err(error) => {
                    self.tell("cannot make a file", &error.to_string());
                    return lost + u64::from(block.count);
                }
            }
        }
        let Some(open) = &mut self.open else { return lost };
        open.pending.extend_from_slice(&block.bytes);
        open.count += u64::from(block.count);
        if open.pending.len() >= FILE_BLOCK || open.since.elapsed() >= FLUSH {
            lost += self.flush();
        }
        lost
    }

    /// Ends the file and gives it its name; the number of records that could not be written.
    pub(super) fn finish(&mut self) -> u64 {
        let lost = self.flush();
        let Some(open) = self.open.take() else { return lost };
        let temporary = temporary(&open.name);
        let done = open.writer.into_inner().map_err(|e| e.to_string()).and_then(|file| {
            file.sync_data().map_err(|e| e.to_string())?;
            self.directory.rename(&temporary, &open.name).map_err(|e| e.to_string())
        });
        if let Err(error) = done {
            self.tell(&format!("cannot complete {}", open.name), &error);
        }
        lost
    }

    fn flush(&mut self) -> u64 {
        let Some(open) = &mut self.open else { return 0 };
        let count = std::mem::take(&mut open.count);
        if count == 0 {
            return 0;
        }
        let written = open.writer.write_block(count, &open.pending).and_then(|()| open.writer.flush());
        open.pending.clear();
        open.since = Instant::now();
        if let Err(error) = written {
            // What follows in this file could not be read: it ends here, under its temporary name.
            self.open = None;
            self.tell("cannot write", &error.to_string());
            return count;
        }
        0
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
            return Ok(Open { writer, name, pending: Vec::new(), count: 0, since: Instant::now() });
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
