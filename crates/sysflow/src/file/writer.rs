//! Writing of `.sf` files.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::recover::{Recovered, recover, scan, seek};
use super::{Codec, header};
use crate::avro::{encode, encode_long};
use crate::error::{Error, Result};
use crate::record::Record;
use crate::schema::Schema;

/// SysFlow's collector ends a block at this size.
const BLOCK_BYTES: usize = 80_000;

/// How a file is written.
#[derive(Clone, Debug)]
pub struct Options {
    /// Schema of the records.
    pub schema: Schema,
    /// Compression of the blocks.
    pub codec: Codec,
    /// A block ends with the record that takes it beyond this many bytes, uncompressed.
    pub block_bytes: usize,
    /// Entries of the metadata map beside Avro's own. Keys must not start with `avro.`.
    pub metadata: Vec<(String, Vec<u8>)>,
    /// Sync marker; random unless given. For reproducible files.
    pub sync: Option<[u8; 16]>,
}

/// Writes records as an object container file to anything.
///
/// Records gather in a block; [`Writer::flush`] ends it early. What was not flushed when the writer is dropped is
/// lost: end with [`Writer::into_inner`] or [`Writer::finish`].
#[derive(Debug)]
pub struct Writer<W> {
    output: W,
    name: String,
    schema: Schema,
    codec: Codec,
    block_bytes: usize,
    sync: [u8; 16],
    block: Vec<u8>,
    count: u64,
    /// A whole block as it goes to the output, kept for its memory.
    stored: Vec<u8>,
    records: u64,
    bytes: u64,
}

/// A file that gets its name when it is complete; dropped before, it is removed.
#[derive(Debug)]
pub struct NewFile {
    file: BufWriter<File>,
    temporary: PathBuf,
    path: PathBuf,
    renamed: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            schema: Schema::default(),
            codec: Codec::default(),
            block_bytes: BLOCK_BYTES,
            metadata: Vec::new(),
            sync: None,
        }
    }
}

impl<W: Write> Writer<W> {
    /// Writes the file's head to `output`, which is best buffered or a file; `name` is for messages.
    pub fn new(output: W, name: &str, options: &Options) -> Result<Self> {
        if options.codec == Codec::Zstd && cfg!(not(feature = "zstd")) {
            return Err(Error::Schema {
                why: "this program was built without the codec zstandard; use deflate".into(),
            });
        }
        let sync = options.sync.unwrap_or_else(random_sync);
        let mut writer = Self::continued(output, name, options, sync);
        let mut head = Vec::new();
        header::encode(options.codec, &options.schema.json(), &options.metadata, sync, &mut head);
        writer.output.write_all(&head).map_err(|e| writer.io(e))?;
        writer.bytes = head.len() as u64;
        Ok(writer)
    }

    fn continued(output: W, name: &str, options: &Options, sync: [u8; 16]) -> Self {
        Self {
            output,
            name: name.to_owned(),
            schema: options.schema,
            codec: options.codec,
            block_bytes: options.block_bytes,
            sync,
            block: Vec::new(),
            count: 0,
            stored: Vec::new(),
            records: 0,
            bytes: 0,
        }
    }

    /// Adds a record.
    pub fn write(&mut self, record: &Record) -> Result<()> {
        encode(self.schema, record, &mut self.block);
        self.count += 1;
        self.records += 1;
        if self.block.len() > self.block_bytes { self.end_block() } else { Ok(()) }
    }

    /// Adds a block of `count` records that were encoded with the file's schema, as one block of the file.
    pub fn write_block(&mut self, count: u64, block: &[u8]) -> Result<()> {
        self.end_block()?;
        self.records += count;
        self.put(count, block)
    }

    /// Ends the current block and flushes the output.
    pub fn flush(&mut self) -> Result<()> {
        self.end_block()?;
        self.output.flush().map_err(|e| self.io(e))
    }

    /// Ends the file and gives the output back.
    pub fn into_inner(mut self) -> Result<W> {
        self.flush()?;
        Ok(self.output)
    }

    /// Records written so far, those of the block that is not full among them.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Bytes given to the output so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Schema of the file.
    pub fn schema(&self) -> Schema {
        self.schema
    }

    fn end_block(&mut self) -> Result<()> {
        if self.count == 0 {
            return Ok(());
        }
        let (count, mut block) = (std::mem::take(&mut self.count), std::mem::take(&mut self.block));
        let written = self.put(count, &block);
        block.clear();
        self.block = block;
        written
    }

    /// Writes a block with one call, so that a live file is torn only where the system stopped inside that call.
    fn put(&mut self, count: u64, block: &[u8]) -> Result<()> {
        let compressed = self.codec.compress(block).map_err(|e| self.io(e))?;
        let content = compressed.as_deref().unwrap_or(block);
        self.stored.clear();
        encode_long(count as i64, &mut self.stored);
        encode_long(content.len() as i64, &mut self.stored);
        self.stored.extend_from_slice(content);
        self.stored.extend_from_slice(&self.sync);
        self.output.write_all(&self.stored).map_err(|e| self.io(e))?;
        self.bytes += self.stored.len() as u64;
        Ok(())
    }

    fn io(&self, source: io::Error) -> Error {
        Error::Io { action: "write", file: self.name.clone(), source }
    }
}

impl Writer<NewFile> {
    /// Starts the file `path` under a temporary name beside it that does not end in `.sf`; [`Writer::finish`] gives
    /// it its own, so that nobody ever sees half a file.
    pub fn create(path: impl AsRef<Path>, options: &Options) -> Result<Self> {
        let path = path.as_ref();
        Self::new(NewFile::create(path)?, &path.display().to_string(), options)
    }

    /// Ends the file and gives it its name.
    pub fn finish(mut self) -> Result<()> {
        self.flush()?;
        self.output.rename()
    }
}

impl Writer<File> {
    /// Starts a file that is read while it grows and that survives the death of its writer: under its own name from
    /// the start, uncompressed whatever `options` say, and each block goes to the system with one call. A file that
    /// is there already is an error: it may hold records, see [`Writer::append`].
    pub fn live(path: impl AsRef<Path>, options: &Options) -> Result<Self> {
        let path = path.as_ref();
        if path.symlink_metadata().is_ok() {
            let source = io::ErrorKind::AlreadyExists.into();
            return Err(Error::Io { action: "create", file: path.display().to_string(), source });
        }
        let options = Options { codec: Codec::Null, ..options.clone() };
        let new = Writer::new(NewFile::create(path)?, &path.display().to_string(), &options)?;
        let Writer { output, name, sync, bytes, .. } = new;
        let file = output.rename_and_open()?;
        Ok(Self { bytes, ..Writer::continued(file, &name, &options, sync) })
    }

    /// Goes on with a file that [`Writer::live`] began, after [`recover`] made it whole.
    pub fn append(path: impl AsRef<Path>) -> Result<(Self, Recovered)> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let recovered = recover(path)?;
        let fail = |source| Error::Io { action: "open", file: name.clone(), source };
        let file = OpenOptions::new().read(true).write(true).open(path).map_err(fail)?;
        let (head, records, end) = scan(&file, &name)?;
        let schema = Schema::ALL.into_iter().find(|schema| schema.json() == head.schema);
        let schema = schema.ok_or_else(|| Error::NotSf {
            file: name.clone(),
            why: "its schema is not one that records can be added with".into(),
        })?;
        seek(&file, end).map_err(fail)?;
        let options = Options { schema, codec: head.codec, ..Options::default() };
        let writer = Self { records, bytes: end, ..Self::continued(file, &name, &options, head.sync) };
        Ok((writer, recovered))
    }

    /// Waits until everything written is on the disk.
    pub fn sync(&mut self) -> Result<()> {
        self.flush()?;
        self.output.sync_data().map_err(|e| self.io(e))
    }
}

impl NewFile {
    fn create(path: &Path) -> Result<Self> {
        let mut temporary = OsString::from(path);
        temporary.push(format!(".{}.part", std::process::id()));
        let temporary = PathBuf::from(temporary);
        let open = || {
            // A file of that name is from a process that had our id and died.
            if let Err(e) = fs::remove_file(&temporary)
                && e.kind() != io::ErrorKind::NotFound
            {
                return Err(e);
            }
            OpenOptions::new().write(true).create_new(true).open(&temporary)
        };
        let file = open().map_err(|source| Error::Io {
            action: "create",
            file: path.display().to_string(),
            source,
        })?;
        Ok(Self { file: BufWriter::new(file), temporary, path: path.to_owned(), renamed: false })
    }

    fn rename(&mut self) -> Result<()> {
        let renamed = self.file.flush().and_then(|()| fs::rename(&self.temporary, &self.path));
        renamed.map_err(|source| Error::Io {
            action: "write",
            file: self.path.display().to_string(),
            source,
        })?;
        self.renamed = true;
        Ok(())
    }

    fn rename_and_open(mut self) -> Result<File> {
        self.rename()?;
        let file = self.file.get_ref().try_clone();
        file.map_err(|source| Error::Io { action: "write", file: self.path.display().to_string(), source })
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.renamed {
            // Nothing can be done if it fails; the name says that the file is not complete.
            fs::remove_file(&self.temporary).ok();
        }
    }
}

impl Codec {
    /// `None` when the content stays as it is.
    fn compress(self, block: &[u8]) -> io::Result<Option<Vec<u8>>> {
        match self {
            Self::Null => Ok(None),
            Self::Deflate => {
                let mut encoder =
                    flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
                encoder.write_all(block)?;
                encoder.finish().map(Some)
            }
            #[cfg(feature = "zstd")]
            Self::Zstd => zstd::bulk::compress(block, 1).map(Some),
            #[cfg(not(feature = "zstd"))]
            Self::Zstd => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

/// A marker only has to be unlikely inside a block; the standard library's hash keys are random enough for that.
fn random_sync() -> [u8; 16] {
    let mut sync = [0; 16];
    for (nth, half) in sync.chunks_exact_mut(8).enumerate() {
        half.copy_from_slice(&RandomState::new().hash_one((nth, std::process::id())).to_le_bytes());
    }
    sync
}
