//! Reading the archive again, after a restart.

use std::path::Path;
use std::sync::Arc;

use sysflow::Reader;

use super::files;
use crate::engine::{Batch, Stream};
use crate::error::{Error, Result};

/// Records of one batch.
const BATCH: usize = 1024;

/// Hands the records of one file of the archive to `take`, as they came once; of a damaged file, those before the damage.
pub fn records(path: &Path, mut take: impl FnMut(&Batch)) -> Result<()> {
    let reader = Reader::open(path)?;
    let text = |key| reader.metadata(key).and_then(|value| std::str::from_utf8(value).ok());
    let id = text(files::STREAM).and_then(files::parse_stream);
    let first: Option<u64> = text(files::FIRST).and_then(|first| first.parse().ok());
    let (Some(id), Some(first)) = (id, first) else {
        return Err(Error::Failed(format!("{} is no file of an archive", path.display())));
    };
    let stream = Arc::new(Stream::new(id, text(files::NODE).unwrap_or_default()));
    let mut batch = Batch { stream, first, records: Vec::new() };
    for record in reader {
        match record {
            Ok(record) => batch.records.push(record),
            Err(error) => {
                take(&batch);
                return Err(error.into());
            }
        }
        if batch.records.len() >= BATCH {
            take(&batch);
            batch.first += batch.records.len() as u64;
            batch.records.clear();
        }
    }
    take(&batch);
    Ok(())
}
