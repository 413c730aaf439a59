//! One file of the queue: an entry a line.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::Entry;
use crate::error::{Error, Result};

const EXTENSION: &str = "jsonl";

/// A file of entries, and how much of it is known to be whole lines.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) number: u64,
    pub(super) length: u64,
    path: PathBuf,
    file: File,
}

/// All segments of a directory, oldest first, each cut after its last whole line.
pub(super) fn open_all(dir: &Path) -> Result<Vec<Segment>> {
    let mut segments = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(Error::io("list", dir))? {
        let path = entry.map_err(Error::io("list", dir))?.path();
        let number = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
        if let Some(number) = number.filter(|_| path.extension().is_some_and(|e| e == EXTENSION)) {
            segments.push(Segment::open(path, number)?);
        }
    }
    segments.sort_by_key(|segment: &Segment| segment.number);
    Ok(segments)
}

impl Segment {
    pub(super) fn create(dir: &Path, number: u64) -> Result<Self> {
        Self::open(dir.join(format!("{number:010}.{EXTENSION}")), number)
    }

    fn open(path: PathBuf, number: u64) -> Result<Self> {
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .read(true)
            .open(&path)
            .map_err(Error::io("open the queue's file", &path))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(Error::io("read the queue's file", &path))?;
        let length = bytes.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
        if length < bytes.len() {
            tracing::warn!(file = %path.display(), bytes = bytes.len() - length, "cut a torn line off the queue");
            file.set_len(length as u64).map_err(Error::io("cut the queue's file", &path))?;
        }
        Ok(Self { number, length: length as u64, path, file })
    }

    /// Appends one line. When the disk is full no part of it stays.
    pub(super) fn append(&mut self, entry: &Entry) -> Result<()> {
        let mut line = serde_json::to_vec(entry)
            .map_err(|e| Error::Failed(format!("cannot queue an alert: {e}; please report this")))?;
        line.push(b'\n');
        if let Err(e) = self.file.write_all(&line) {
            _ = self.file.set_len(self.length);
            return Err(Error::io("write the queue's file", &self.path)(e));
        }
        self.length += line.len() as u64;
        Ok(())
    }

    /// The first readable entry at or after a byte, and the byte behind it.
    pub(super) fn first(&self, from: u64) -> Result<Option<(Entry, u64)>> {
        // Entries hold one alert each, far below this; a longer line is read in further rounds.
        let mut size = 16 << 10;
        loop {
            let mut chunk = Vec::new();
            let mut file = &self.file;
            file.seek(SeekFrom::Start(from)).map_err(Error::io("read the queue's file", &self.path))?;
            file.take((self.length - from.min(self.length)).min(size))
                .read_to_end(&mut chunk)
                .map_err(Error::io("read the queue's file", &self.path))?;
            if let Some(found) = lines(&chunk, from).next() {
                return Ok(Some(found));
            }
            if from + size >= self.length {
                return Ok(None);
            }
            size *= 8;
        }
    }

    /// All readable entries at or after a byte.
    pub(super) fn entries(&self, from: u64) -> Result<Vec<Entry>> {
        let bytes = std::fs::read(&self.path).map_err(Error::io("read the queue's file", &self.path))?;
        let from = (from as usize).min(bytes.len());
        Ok(lines(&bytes[from..], from as u64).map(|(entry, _)| entry).collect())
    }

    pub(super) fn delete(&self) -> Result<()> {
        std::fs::remove_file(&self.path).map_err(Error::io("remove the queue's file", &self.path))
    }

    pub(super) fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(Error::io("sync the queue's file", &self.path))
    }
}

/// Entries of whole lines, with the offset behind each. A line that is no entry (a disk error) is skipped.
fn lines(bytes: &[u8], start: u64) -> impl Iterator<Item = (Entry, u64)> {
    let mut end = start;
    bytes.split_inclusive(|&b| b == b'\n').filter_map(move |line| {
        end += line.len() as u64;
        let entry = line.strip_suffix(b"\n").and_then(|line| serde_json::from_slice(line).ok())?;
        Some((entry, end))
    })
}
