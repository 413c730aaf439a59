//! Background work: closed files are compressed, the oldest go when there is no more room for them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use sysflow::file::Options;
use sysflow::{Codec, Reader, Writer};

use super::{Index, files};
use crate::config;
use crate::error::{Error, Result};
use crate::metrics::Metrics;

/// Size of a compressed file's blocks before compression.
const BLOCK: usize = 256 << 10;

/// A stream that brought nothing for so long does not come back: its last file is like any other.
const STREAM_ENDS: Duration = Duration::from_secs(24 * 3600);

/// Works on files as they are closed, until the sender is gone; what waits then is done at the next start.
pub(super) fn start(
    index: Arc<Mutex<Index>>,
    closed: Receiver<PathBuf>,
    config: config::Archive,
    metrics: Arc<Metrics>,
) -> Result<JoinHandle<()>> {
    std::thread::Builder::new()
        .name("archive".into())
        .spawn(move || {
            for path in closed {
                if let Err(error) = compress(&path) {
                    tracing::warn!(file = %path.display(), %error, "cannot compress a closed file; it stays as it is");
                    metrics.archive_errors.add(1);
                }
                remove_oldest(&index, &config, &metrics);
            }
        })
        .map_err(|source| Error::Io { what: "cannot start a thread".into(), source })
}

/// Rewrites a file in larger, compressed blocks. Readers see the old or the new one, never half of it, and so does who
/// comes after a power loss: the new one is on the disk before it takes the place of the old one.
fn compress(path: &Path) -> Result<()> {
    if !path.exists() {
        return Ok(());
    }
    let mut reader = Reader::open(path)?;
    if reader.codec() != Codec::Null {
        return Ok(());
    }
    let schema = reader.schema().ok_or_else(|| Error::Failed("its schema is not one of ours".into()))?;
    let metadata = [files::STREAM, files::FIRST, files::NODE]
        .into_iter()
        .filter_map(|key| Some((key.to_owned(), reader.metadata(key)?.to_owned())))
        .collect();
    let options = Options { schema, codec: Codec::Deflate, metadata, ..Options::default() };
    // The end of the name is that of leftovers, which the next start removes.
    let new = path.with_extension("sf.part");
    let mut writer = Writer::create(&new, &options)?;
    let (mut count, mut bytes) = (0, Vec::new());
    while let Some(block) = reader.next_block()? {
        count += block.count;
        bytes.extend_from_slice(block.bytes);
        if bytes.len() >= BLOCK {
            writer.write_block(count, &bytes)?;
            (count, bytes) = (0, Vec::new());
        }
    }
    if count > 0 {
        writer.write_block(count, &bytes)?;
    }
    writer.finish()?;
    fs::File::open(&new).and_then(|file| file.sync_all()).map_err(Error::io("sync", &new))?;
    fs::rename(&new, path).map_err(Error::io("replace", path))?;
    path.parent().map_or(Ok(()), files::sync_directory)
}

/// Removes closed files beyond the bounds on size and age. The last file of each stream stays as long as the stream may
/// go on: it tells what is stored.
fn remove_oldest(index: &Mutex<Index>, config: &config::Archive, metrics: &Metrics) {
    let mut index = index.lock().unwrap_or_else(PoisonError::into_inner);
    let Index { files, streams, .. } = &mut *index;
    let sizes: Vec<u64> =
        files.iter().map(|entry| fs::metadata(&entry.path).map_or(0, |m| m.len())).collect();
    let mut excess = sizes.iter().sum::<u64>().saturating_sub(config.max_mib.saturating_mul(1 << 20));
    let now = SystemTime::now();
    let kept = Duration::from_secs(config.max_hours.saturating_mul(3600));
    let oldest = (config.max_hours > 0).then(|| now.checked_sub(kept)).flatten();
    let ended = now.checked_sub(STREAM_ENDS);
    let mut sizes = sizes.into_iter();
    files.retain(|entry| {
        let size = sizes.next().unwrap_or(0);
        let changed = fs::metadata(&entry.path).and_then(|file| file.modified()).ok();
        let before =
            |time: Option<SystemTime>| time.zip(changed).is_some_and(|(time, changed)| changed < time);
        let is_last = streams.get(&entry.stream).is_some_and(|last| last.path == entry.path);
        if (excess == 0 && !before(oldest))
            || (is_last && !before(ended))
            || fs::remove_file(&entry.path).is_err()
        {
            return true;
        }
        if is_last {
            streams.remove(&entry.stream);
        }
        excess = excess.saturating_sub(size);
        metrics.archive_removed.add(1);
        false
    });
}
