//! What lies in the archive's directory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, str};

use sysflow::file::recover;

use crate::error::{Error, Result};
use crate::hex;
use crate::input::StreamId;

/// Key of the metadata entry that holds the stream, as 32 hex digits.
pub(super) const STREAM: &str = "sysflow.stream";
/// Key of the entry that holds the number of the first record, in decimal.
pub(super) const FIRST: &str = "sysflow.first";
/// Key of the entry that holds the node's name.
pub(super) const NODE: &str = "sysflow.node";

/// One file of the archive.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) path: PathBuf,
    pub(super) sequence: u64,
    pub(super) stream: StreamId,
    pub(super) first: u64,
    pub(super) records: u64,
}

/// Path of a new file. Nothing in it comes from outside but hex digits of the stream.
pub(super) fn path(dir: &Path, sequence: u64, stream: &StreamId, first: u64) -> PathBuf {
    let short = hex::encode(&stream[..4]);
    dir.join(format!("{sequence:010}-{short}-{first}.sf"))
}

/// All files, oldest first, torn ends cut off; leftovers of a kill are removed.
pub(super) fn scan(dir: &Path) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for file in fs::read_dir(dir).map_err(Error::io("list", dir))? {
        let path = file.map_err(Error::io("list", dir))?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if path.extension().is_some_and(|extension| extension == "part") {
            tracing::info!(file = %path.display(), "removing what a kill left behind");
            _ = fs::remove_file(&path);
            continue;
        }
        let sequence = name.strip_suffix(".sf").and_then(|stem| stem.split('-').next()?.parse().ok());
        let Some(sequence) = sequence else { continue };
        match entry(&path, sequence) {
            Ok(Some(entry)) => entries.push(entry),
            Ok(None) => _ = fs::remove_file(&path),
            Err(error) => set_aside(&path, &error),
        }
    }
    entries.sort_by_key(|entry| entry.sequence);
    Ok(entries)
}

/// `None` for a file without records.
fn entry(path: &Path, sequence: u64) -> Result<Option<Entry>> {
    let recovered = recover(path)?;
    if recovered.cut > 0 {
        tracing::warn!(file = %path.display(), bytes = recovered.cut, "cut a torn block off; it was not acknowledged");
    }
    if recovered.records == 0 {
        return Ok(None);
    }
    let missing = || Error::Failed("its metadata do not name stream and first record".into());
    let stream = text(&recovered.metadata, STREAM).and_then(parse_stream).ok_or_else(missing)?;
    let first = text(&recovered.metadata, FIRST).and_then(|first| first.parse().ok()).ok_or_else(missing)?;
    Ok(Some(Entry { path: path.to_owned(), sequence, stream, first, records: recovered.records }))
}

/// A file that cannot be read must not keep the service from starting, and must not be lost either.
fn set_aside(path: &Path, error: &Error) {
    let aside = path.with_extension("sf.damaged");
    tracing::error!(file = %path.display(), %error, aside = %aside.display(), "set a damaged file aside");
    _ = fs::rename(path, aside);
}

/// Forces the names in a directory to the disk: that of a new file is not part of the file.
pub(super) fn sync_directory(dir: &Path) -> Result<()> {
    fs::File::open(dir).and_then(|dir| dir.sync_all()).map_err(Error::io("sync", dir))
}

pub(super) fn text<'a>(metadata: &'a BTreeMap<String, Vec<u8>>, key: &str) -> Option<&'a str> {
    str::from_utf8(metadata.get(key)?).ok()
}

pub(super) fn parse_stream(hex: &str) -> Option<StreamId> {
    let mut stream = [0; 16];
    if hex.len() != 32 || !hex.is_ascii() {
        return None;
    }
    for (byte, at) in stream.iter_mut().zip((0..32).step_by(2)) {
        *byte = u8::from_str_radix(&hex[at..at + 2], 16).ok()?;
    }
    Some(stream)
}
