//! Reading of `.sf` files that any version of SysFlow wrote.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::header::{BlockHead, Head, Input};
use super::{Codec, MAX_BLOCK};
use crate::avro;
use crate::error::{Error, Result};
use crate::record::Record;
use crate::schema::Schema;

/// The records of a file, one after the other.
///
/// A damaged file gives all records before the damage, then one error, then nothing.
#[derive(Debug)]
pub struct Reader<R> {
    input: Input<R>,
    head: Head,
    decoder: Decoder,
    /// Offset of the current block in the file.
    block_start: u64,
    /// Its bytes as stored.
    stored: Vec<u8>,
    /// Its bytes as inflated.
    block: Vec<u8>,
    /// Position of the next record in it.
    at: usize,
    /// Records of it that were not read yet.
    left: u64,
    records: u64,
    finished: bool,
}

/// A block as [`Reader::next_block`] gives it.
#[derive(Clone, Copy, Debug)]
pub struct Block<'a> {
    /// How many records it holds.
    pub count: u64,
    /// The records, inflated, in the writer's schema.
    pub bytes: &'a [u8],
}

#[derive(Debug)]
enum Decoder {
    /// The writer's schema is one of ours.
    Own(Schema),
    #[cfg(feature = "any-schema")]
    Resolve { resolver: avro::Resolver, scratch: Vec<u8> },
}

impl Reader<File> {
    /// Opens the file at `path` and reads its head.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let name = path.display().to_string();
        match File::open(path) {
            Ok(file) => Self::new(file, &name),
            Err(source) => Err(Error::Io { action: "open", file: name, source }),
        }
    }
}

impl<R: Read> Reader<R> {
    /// Reads the head of a file from `input`, which need not be buffered; `name` is for messages.
    pub fn new(input: R, name: &str) -> Result<Self> {
        let mut input = Input::new(input, name.to_owned());
        let head = Head::read(&mut input)?;
        if head.codec == Codec::Zstd && cfg!(not(feature = "zstd")) {
            return Err(input.not_sf("its codec is zstandard, which this program was built without"));
        }
        let decoder = Decoder::new(&head.schema).map_err(|e| input.not_sf(&e.to_string()))?;
        Ok(Self {
            input,
            head,
            decoder,
            block_start: 0,
            stored: Vec::new(),
            block: Vec::new(),
            at: 0,
            left: 0,
            records: 0,
            finished: false,
        })
    }

    /// Value of an entry of the file's metadata.
    pub fn metadata(&self, key: &str) -> Option<&[u8]> {
        self.head.metadata.get(key).map(Vec::as_slice)
    }

    /// The writer's schema as JSON.
    pub fn schema_json(&self) -> &str {
        &self.head.schema
    }

    /// The writer's schema, if it is one of those that we write.
    pub fn schema(&self) -> Option<Schema> {
        match &self.decoder {
            Decoder::Own(schema) => Some(*schema),
            #[cfg(feature = "any-schema")]
            Decoder::Resolve { .. } => None,
        }
    }

    /// How the file's blocks are compressed.
    pub fn codec(&self) -> Codec {
        self.head.codec
    }

    /// Records read so far.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// The rest of the current block, or else the next block, whose records are then counted as read.
    ///
    /// For copying without decoding.
    pub fn next_block(&mut self) -> Result<Option<Block<'_>>> {
        if self.left == 0 {
            match self.load_block() {
                Ok(true) => {}
                Ok(false) => return Ok(None),
                Err(e) => {
                    self.finished = true;
                    return Err(e);
                }
            }
        }
        let (count, start) = (std::mem::take(&mut self.left), self.at);
        self.records += count;
        self.at = self.block.len();
        Ok(Some(Block { count, bytes: &self.block[start..] }))
    }

    fn next_record(&mut self) -> Result<Option<Record>> {
        if self.left == 0 && !self.load_block()? {
            return Ok(None);
        }
        let decoded = self.decoder.decode(&self.block[self.at..]);
        let (record, length) = decoded.map_err(|e| {
            let e = match e {
                Error::Datum { at, what } => Error::Datum { at: self.at + at, what },
                other => other,
            };
            self.damaged(&e.to_string())
        })?;
        self.at += length;
        self.left -= 1;
        if self.left == 0 && self.at != self.block.len() {
            return Err(self.damaged("the block is longer than its records"));
        }
        self.records += 1;
        Ok(Some(record))
    }

    /// Reads blocks until one has records; `false` at the end of the file.
    fn load_block(&mut self) -> Result<bool> {
        while self.left == 0 {
            self.block_start = self.input.at;
            if self.finished || self.input.is_at_end().map_err(|e| self.input.io(e))? {
                return Ok(false);
            }
            let head = self.read_stored().map_err(|e| match e.kind() {
                io::ErrorKind::UnexpectedEof => self.damaged(
                    "the file ends inside this block, its writer was probably stopped; all records before are good",
                ),
                io::ErrorKind::InvalidData => self.damaged("this is no block of the file; it was changed after it was written"),
                _ => self.input.io(e),
            })?;
            self.inflate()?;
            if head.count > self.block.len() as u64 || (head.count == 0 && !self.block.is_empty()) {
                return Err(self.damaged("the number of its records cannot be right"));
            }
            self.at = 0;
            self.left = head.count;
        }
        Ok(true)
    }

    fn read_stored(&mut self) -> io::Result<BlockHead> {
        let head = self.input.block_head()?;
        self.input.exact_vec(head.size as usize, &mut self.stored)?;
        let mut sync = [0; 16];
        self.input.exact(&mut sync)?;
        if sync == self.head.sync { Ok(head) } else { Err(io::ErrorKind::InvalidData.into()) }
    }

    fn inflate(&mut self) -> Result<()> {
        self.block.clear();
        let limit = MAX_BLOCK as u64 + 1;
        let stored = self.stored.as_slice();
        let inflated = match self.head.codec {
            Codec::Null => {
                std::mem::swap(&mut self.stored, &mut self.block);
                return Ok(());
            }
            Codec::Deflate => {
                flate2::read::DeflateDecoder::new(stored).take(limit).read_to_end(&mut self.block)
            }
            #[cfg(feature = "zstd")]
            Codec::Zstd => zstd::stream::read::Decoder::new(stored)
                .and_then(|decoder| decoder.take(limit).read_to_end(&mut self.block)),
            #[cfg(not(feature = "zstd"))]
            Codec::Zstd => Err(io::ErrorKind::Unsupported.into()),
        };
        match inflated {
            Ok(size) if size <= MAX_BLOCK => Ok(()),
            Ok(_) => Err(self.damaged(&format!("it inflates to more than {MAX_BLOCK} bytes"))),
            Err(e) => Err(self.damaged(&format!("it does not inflate: {e}"))),
        }
    }

    fn damaged(&self, why: &str) -> Error {
        Error::Damaged {
            file: self.input.file.clone(),
            block: self.block_start,
            record: self.records,
            why: why.to_owned(),
        }
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.finished {
            return None;
        }
        let next = self.next_record().transpose();
        self.finished = !matches!(next, Some(Ok(_)));
        next
    }
}

impl<R: Read> Input<R> {
    /// Reads the two numbers before a block's content.
    pub(crate) fn block_head(&mut self) -> io::Result<BlockHead> {
        let head = (u64::try_from(self.long()?), u64::try_from(self.long()?));
        match head {
            (Ok(count), Ok(size)) if size <= MAX_BLOCK as u64 => Ok(BlockHead { count, size }),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

impl Decoder {
    fn new(json: &str) -> Result<Self> {
        if let Some(schema) = Schema::ALL.into_iter().find(|schema| schema.json() == json) {
            return Ok(Self::Own(schema));
        }
        #[cfg(feature = "any-schema")]
        return Ok(Self::Resolve { resolver: avro::Resolver::new(json)?, scratch: Vec::new() });
        #[cfg(not(feature = "any-schema"))]
        Err(Error::Schema { why: "it is not the one that this program was built for".into() })
    }

    fn decode(&mut self, bytes: &[u8]) -> Result<(Record, usize)> {
        match self {
            Self::Own(schema) => avro::decode(*schema, bytes),
            #[cfg(feature = "any-schema")]
            Self::Resolve { resolver, scratch } => {
                scratch.clear();
                let length = resolver.convert(bytes, scratch)?;
                let (record, _) = avro::decode(Schema::Extended, scratch)?;
                Ok((record, length))
            }
        }
    }
}
