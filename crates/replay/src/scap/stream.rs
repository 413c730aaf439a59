//! The capture as a stream of blocks: `u32 type, u32 total length, body, padding to 4, u32 total length`.
//!
//! The total length counts header, padding and trailer. The stream is decompressed on the fly and never held as a
//! whole; offsets are those of the decompressed content.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use flate2::bufread::MultiGzDecoder;

use crate::Error;

const HEADER_LEN: usize = 8;
const TRAILER_LEN: usize = 4;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
/// Step by which a body buffer grows, so that a lie about a length costs no memory beyond the data there is.
const GROWTH: usize = 64 * 1024;

/// Blocks of a capture, one after the other.
pub(super) struct Stream {
    path: String,
    input: Box<dyn BufRead + Send>,
    /// Of the next unread byte.
    offset: u64,
    raw_read: Arc<AtomicU64>,
    raw_len: Option<u64>,
}

/// Header of a block.
#[derive(Debug, Clone, Copy)]
pub(super) struct Header {
    /// Block type.
    pub(super) kind: u32,
    /// Length of the body with its padding.
    pub(super) body_len: u32,
    /// Offset of the first byte of the body.
    pub(super) body_at: u64,
}

// === impl Stream ===

impl Stream {
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let fail = |source| Error::Open { path: path.to_owned(), source };
        let file = File::open(path).map_err(fail)?;
        let meta = file.metadata().map_err(fail)?;
        if meta.is_dir() {
            return Err(fail(io::Error::new(io::ErrorKind::IsADirectory, "it is a directory")));
        }
        let len = meta.is_file().then_some(meta.len());
        Self::new(path.display().to_string(), Box::new(file), len)
    }

    pub(super) fn new(
        path: String,
        input: Box<dyn Read + Send>,
        raw_len: Option<u64>,
    ) -> Result<Self, Error> {
        let raw_read = Arc::new(AtomicU64::new(0));
        let counted = Counted { input, count: Arc::clone(&raw_read) };
        let mut raw = BufReader::with_capacity(64 * 1024, counted);
        let start = raw.fill_buf().map_err(|source| Error::Read { path: path.clone(), offset: 0, source })?;
        let input: Box<dyn BufRead + Send> = if start.starts_with(&GZIP_MAGIC) {
            Box::new(BufReader::with_capacity(256 * 1024, MultiGzDecoder::new(raw)))
        } else {
            Box::new(raw)
        };
        Ok(Self { path, input, offset: 0, raw_read, raw_len })
    }

    /// The next block's header; `None` at a proper end of the file.
    pub(super) fn header(&mut self) -> Result<Option<Header>, Error> {
        let mut buf = [0; HEADER_LEN];
        let mut got = 0;
        while got < HEADER_LEN {
            match self.input.read(&mut buf[got..]) {
                Ok(0) if got == 0 => return Ok(None),
                Ok(0) => return Err(self.truncated("a block header", "its 8 bytes are not complete")),
                Ok(n) => {
                    got += n;
                    self.offset += n as u64;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(self.io("a block header", e)),
            }
        }
        let kind = u32::from_le_bytes([buf[0], buf[1], buf[2], buf[3]]);
        let total = u32::from_le_bytes([buf[4], buf[5], buf[6], buf[7]]);
        let Some(body_len) = total.checked_sub((HEADER_LEN + TRAILER_LEN) as u32) else {
            let at = self.offset - HEADER_LEN as u64;
            let what = format!("total length {total} is less than its own header and trailer");
            return Err(self.corrupt(at, kind, what));
        };
        Ok(Some(Header { kind, body_len, body_at: self.offset }))
    }

    /// Reads a body into `buf` from index `from` on and checks the trailer; returns the index of the body's end.
    pub(super) fn body(
        &mut self,
        header: &Header,
        buf: &mut Vec<u8>,
        from: usize,
        max: u32,
    ) -> Result<usize, Error> {
        if header.body_len > max {
            let what = format!("a block of {} bytes is larger than the {max} allowed here", header.body_len);
            return Err(self.corrupt(header.body_at, header.kind, what));
        }
        let end = from + header.body_len as usize;
        let mut at = from;
        while at < end {
            let to = end.min(at + GROWTH);
            if buf.len() < to {
                buf.resize(to, 0);
            }
            self.fill(&mut buf[at..to], header.kind)?;
            at = to;
        }
        self.trailer(header)?;
        Ok(end)
    }

    /// Passes over a body of any length and checks the trailer.
    pub(super) fn skip(&mut self, header: &Header) -> Result<(), Error> {
        let mut scratch = [0; 4096];
        let mut left = header.body_len as usize;
        while left > 0 {
            let step = left.min(scratch.len());
            self.fill(&mut scratch[..step], header.kind)?;
            left -= step;
        }
        self.trailer(header)
    }

    fn trailer(&mut self, header: &Header) -> Result<(), Error> {
        let mut buf = [0; TRAILER_LEN];
        let at = self.offset;
        self.fill(&mut buf, header.kind)?;
        let (total, trailer) = (header.body_len + (HEADER_LEN + TRAILER_LEN) as u32, u32::from_le_bytes(buf));
        if total == trailer {
            Ok(())
        } else {
            let what = format!("total length is {total} in its header but {trailer} in its trailer");
            Err(self.corrupt(at, header.kind, what))
        }
    }

    fn fill(&mut self, buf: &mut [u8], kind: u32) -> Result<(), Error> {
        let mut got = 0;
        while got < buf.len() {
            match self.input.read(&mut buf[got..]) {
                Ok(0) => return Err(self.truncated(&block_name(kind), "the file ends inside of it")),
                Ok(n) => {
                    got += n;
                    self.offset += n as u64;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(self.io(&block_name(kind), e)),
            }
        }
        Ok(())
    }

    /// Bytes of the file itself read so far, compressed if it is.
    pub(super) fn raw_read(&self) -> u64 {
        self.raw_read.load(Ordering::Relaxed)
    }

    /// Size of the file; `None` for a pipe.
    pub(super) fn raw_len(&self) -> Option<u64> {
        self.raw_len
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn not_a_capture(&self, problem: impl Into<String>) -> Error {
        Error::NotACapture { path: self.path.clone(), problem: problem.into() }
    }

    pub(super) fn corrupt(&self, offset: u64, kind: u32, problem: impl Into<String>) -> Error {
        Error::Corrupt { path: self.path.clone(), offset, block: block_name(kind), problem: problem.into() }
    }

    fn truncated(&self, block: &str, problem: &str) -> Error {
        Error::Truncated {
            path: self.path.clone(),
            offset: self.offset,
            block: block.to_owned(),
            problem: problem.to_owned(),
        }
    }

    fn io(&self, block: &str, source: io::Error) -> Error {
        match source.kind() {
            io::ErrorKind::UnexpectedEof => self.truncated(block, "the gzip data ends without its trailer"),
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => Error::Corrupt {
                path: self.path.clone(),
                offset: self.offset,
                block: block.to_owned(),
                problem: format!("the gzip data is damaged ({source})"),
            },
            _ => Error::Read { path: self.path.clone(), offset: self.offset, source },
        }
    }
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream")
            .field("path", &self.path)
            .field("offset", &self.offset)
            .finish_non_exhaustive()
    }
}

/// Counts what is read from a file, for progress.
struct Counted {
    input: Box<dyn Read + Send>,
    count: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.input.read(buf)?;
        self.count.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

/// A block type in words.
fn block_name(kind: u32) -> String {
    format!("a block of type {kind:#x} ({})", super::block::describe(kind))
}
