//! Head of a file: metadata and sync marker; and the buffered input that knows where it is.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Seek};

use super::{Codec, MAX_HEADER};
use crate::avro::encode_long;
use crate::error::{Error, Result};

pub(crate) const MAGIC: [u8; 4] = *b"Obj\x01";
pub(crate) const CODEC: &str = "avro.codec";
pub(crate) const SCHEMA: &str = "avro.schema";

/// What stands before the blocks of a file.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) metadata: BTreeMap<String, Vec<u8>>,
    pub(crate) codec: Codec,
    pub(crate) schema: String,
    pub(crate) sync: [u8; 16],
}

/// A block without its content.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlockHead {
    pub(crate) count: u64,
    pub(crate) size: u64,
}

/// Appends a file's head to `out`.
pub(crate) fn encode(
    codec: Codec,
    schema: &str,
    extra: &[(String, Vec<u8>)],
    sync: [u8; 16],
    out: &mut Vec<u8>,
) {
    let bytes = |bytes: &[u8], out: &mut Vec<u8>| {
        encode_long(bytes.len() as i64, out);
        out.extend_from_slice(bytes);
    };
    out.extend_from_slice(&MAGIC);
    encode_long(2 + extra.len() as i64, out);
    for (key, value) in [(CODEC, codec.avro_name().as_bytes()), (SCHEMA, schema.as_bytes())]
        .into_iter()
        .chain(extra.iter().map(|(key, value)| (key.as_str(), value.as_slice())))
    {
        bytes(key.as_bytes(), out);
        bytes(value, out);
    }
    encode_long(0, out);
    out.extend_from_slice(&sync);
}

impl Head {
    pub(crate) fn read(input: &mut Input<impl Read>) -> Result<Self> {
        let mut magic = [0; 4];
        match input.exact(&mut magic) {
            Err(e) if e.kind() != io::ErrorKind::UnexpectedEof => return Err(input.io(e)),
            Ok(()) if magic == MAGIC => {}
            _ => return Err(input.not_sf("it does not start with the mark of an Avro object container file")),
        }
        let mut metadata = BTreeMap::new();
        loop {
            let count = input.head_long()?;
            if count < 0 {
                input.head_long()?;
            }
            if count == 0 {
                break;
            }
            for _ in 0..count.unsigned_abs() {
                let key = input.head_bytes()?;
                let value = input.head_bytes()?;
                metadata.insert(String::from_utf8_lossy(&key).into_owned(), value);
            }
        }
        let mut sync = [0; 16];
        input.exact(&mut sync).map_err(|e| input.head_error(e))?;
        let text = |key| metadata.get(key).map(|value| String::from_utf8_lossy(value).into_owned());
        let schema = text(SCHEMA).ok_or_else(|| input.not_sf("its head has no avro.schema"))?;
        let codec = text(CODEC).map_or(Ok(Codec::Null), |name| name.parse());
        let codec = codec.map_err(|e: Error| input.not_sf(&e.to_string()))?;
        Ok(Self { metadata, codec, schema, sync })
    }
}

/// Buffered input with a position and a name for messages.
#[derive(Debug)]
pub(crate) struct Input<R> {
    inner: BufReader<R>,
    pub(crate) file: String,
    pub(crate) at: u64,
}

impl<R: Read> Input<R> {
    pub(crate) fn new(inner: R, file: String) -> Self {
        Self { inner: BufReader::with_capacity(64 << 10, inner), file, at: 0 }
    }

    pub(crate) fn exact(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        self.inner.read_exact(buffer)?;
        self.at += buffer.len() as u64;
        Ok(())
    }

    /// Reads `size` bytes into `buffer`, which grows only as far as bytes come.
    pub(crate) fn exact_vec(&mut self, size: usize, buffer: &mut Vec<u8>) -> io::Result<()> {
        buffer.clear();
        let got = (&mut self.inner).take(size as u64).read_to_end(buffer)?;
        self.at += got as u64;
        if got == size { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    pub(crate) fn is_at_end(&mut self) -> io::Result<bool> {
        loop {
            match self.inner.fill_buf() {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                other => return other.map(<[u8]>::is_empty),
            }
        }
    }

    pub(crate) fn long(&mut self) -> io::Result<i64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let mut byte = [0];
            self.exact(&mut byte)?;
            value |= u64::from(byte[0] & 0x7f) << shift;
            if byte[0] < 0x80 {
                return Ok((value >> 1) as i64 ^ -((value & 1) as i64));
            }
        }
        Err(io::ErrorKind::InvalidData.into())
    }

    fn head_long(&mut self) -> Result<i64> {
        self.long().map_err(|e| self.head_error(e))
    }

    fn head_bytes(&mut self) -> Result<Vec<u8>> {
        let size = usize::try_from(self.head_long()?).unwrap_or(usize::MAX);
        if size.saturating_add(self.at as usize) > MAX_HEADER {
            return Err(self.not_sf("its head is longer than any schema of SysFlow"));
        }
        let mut bytes = Vec::new();
        self.exact_vec(size, &mut bytes).map_err(|e| self.head_error(e))?;
        Ok(bytes)
    }

    fn head_error(&self, e: io::Error) -> Error {
        match e.kind() {
            io::ErrorKind::UnexpectedEof => self.not_sf("it ends inside its head"),
            io::ErrorKind::InvalidData => self.not_sf("its head is damaged"),
            _ => self.io(e),
        }
    }

    /// Steps over bytes, perhaps beyond the end: the next read tells.
    pub(crate) fn skip(&mut self, bytes: u64) -> io::Result<()>
    where
        R: Seek,
    {
        self.inner.seek_relative(bytes as i64)?;
        self.at += bytes;
        Ok(())
    }

    pub(crate) fn io(&self, source: io::Error) -> Error {
        Error::Io { action: "read", file: self.file.clone(), source }
    }

    pub(crate) fn not_sf(&self, why: &str) -> Error {
        Error::NotSf { file: self.file.clone(), why: why.into() }
    }
}
