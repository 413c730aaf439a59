//! Making a file whole again whose writer was stopped in the middle of a block.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::path::Path;

use super::header::{Head, Input};
use crate::error::{Error, Result};

/// What [`recover`] found in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// Records in whole blocks, which the file now ends with.
    pub records: u64,
    /// Length of the file now.
    pub bytes: u64,
    /// Bytes of a torn block that were cut off.
    pub cut: u64,
    /// The file's metadata.
    pub metadata: BTreeMap<String, Vec<u8>>,
}

/// Cuts a torn block off the end of the file at `path` and counts the records in the blocks before.
///
/// The blocks are not inflated, so that a large file takes no longer than it has blocks. A block whose sync marker
/// is wrong counts as torn, and so does everything after it.
pub fn recover(path: impl AsRef<Path>) -> Result<Recovered> {
    let path = path.as_ref();
    let name = path.display().to_string();
    let fail = |action| {
        let file = name.clone();
        move |source| Error::Io { action, file, source }
    };
    let file = OpenOptions::new().read(true).write(true).open(path).map_err(fail("open"))?;
    let (head, records, good) = scan(&file, &name)?;
    let length = file.metadata().map_err(fail("read"))?.len();
    if good < length {
        file.set_len(good).and_then(|()| file.sync_all()).map_err(fail("cut the torn end off"))?;
    }
    Ok(Recovered { records, bytes: good, cut: length - good, metadata: head.metadata })
}

/// Head of the file, records in whole blocks, and where the last of them ends.
pub(super) fn scan(file: &File, name: &str) -> Result<(Head, u64, u64)> {
    let mut input = Input::new(file, name.to_owned());
    let head = Head::read(&mut input)?;
    let (mut records, mut good) = (0u64, input.at);
    loop {
        match next_block(&mut input, head.sync) {
            Ok(Some(count)) => records = records.saturating_add(count),
            Ok(None) => return Ok((head, records, good)),
            Err(e) if matches!(e.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData) => {
                return Ok((head, records, good));
            }
            Err(e) => return Err(input.io(e)),
        }
        good = input.at;
    }
}

fn next_block(input: &mut Input<&File>, sync: [u8; 16]) -> io::Result<Option<u64>> {
    if input.is_at_end()? {
        return Ok(None);
    }
    let head = input.block_head()?;
    input.skip(head.size)?;
    let mut found = [0; 16];
    input.exact(&mut found)?;
    if found == sync { Ok(Some(head.count)) } else { Err(io::ErrorKind::InvalidData.into()) }
}

/// Moves `file` to `offset`, for a writer that goes on there.
pub(super) fn seek(mut file: &File, offset: u64) -> io::Result<()> {
    file.seek(SeekFrom::Start(offset)).map(drop)
}
