//! One file of the spool: a plain `.sf` file whose blocks carry a checksum.
//!
//! ```text
//! name    SEQUENCE-STREAM-FIRST.sf: ten digits that grow, eight hex digits of the stream, number of the first record
//! file    as every .sf file, codec deflate; metadata: sysflow.stream, sysflow.first, sysflow.node, sysflow.boot
//! block   the records in deflate's stored form, CRC32C of (first number, count, records)
//! ```
//!
//! Avro's blocks have no checksum. A deflate stream says itself where it ends, so a reader of `.sf` files does not see what
//! stands behind it, and the checksum costs no second file. Nothing is compressed: writing to the spool has to be quick.

use std::{fmt::Write as _, fs::File, io, os::unix::fs::FileExt};

use sysflow::{Codec, Reader, Schema, file};

use crate::output::Stream;

const STREAM: &str = "sysflow.stream";
const FIRST: &str = "sysflow.first";
const NODE: &str = "sysflow.node";
const BOOT: &str = "sysflow.boot";
/// Largest part of a stored deflate stream.
const STORED_MAX: usize = 0xffff;
/// What stands before each part: whether it is the last, its length, and that inverted.
const STORED_HEAD: usize = 5;
const SUM: usize = 4;
const SYNC: usize = 16;
/// Largest block that is read back; those we write are far smaller.
const MAX_BLOCK: u64 = 24 << 20;

/// An open file of the spool.
#[derive(Debug)]
pub(super) struct Segment {
    file: File,
    pub(super) name: String,
    sync: [u8; SYNC],
    /// Length up to the last whole block.
    pub(super) bytes: u64,
    /// Number of the record after the last.
    pub(super) next: u64,
    /// Slices that are not released yet.
    pub(super) slices: usize,
}

/// A block in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::output) struct Slice {
    /// Sequence number of the segment.
    pub(super) segment: u64,
    offset: u64,
    length: usize,
    pub(in crate::output) first: u64,
    pub(in crate::output) count: u32,
}

/// What a segment's head says.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub(super) stream: Stream,
    pub(super) schema: Schema,
    pub(super) first: u64,
}

/// A segment as it was found: its blocks up to the first that is not whole, and the bytes behind them.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) segment: Segment,
    pub(super) slices: Vec<Slice>,
    pub(super) cut: u64,
}

// === impl Head ===

impl Head {
    /// Reads it from a file that an earlier run left.
    pub(super) fn read(file: &File, name: &str) -> Result<Self, String> {
        let reader = Reader::new(file, name).map_err(|e| e.to_string())?;
        let text = |key| reader.metadata(key).and_then(|value| std::str::from_utf8(value).ok());
        let parsed = || {
            let mut id = [0; 16];
            let hex = text(STREAM)?;
            if hex.len() != 32 {
                return None;
            }
            for (at, byte) in id.iter_mut().enumerate() {
                *byte = u8::from_str_radix(hex.get(2 * at..2 * at + 2)?, 16).ok()?;
            }
            let stream = Stream { id, node: text(NODE)?.to_owned(), boot_id: text(BOOT)?.to_owned() };
            Some(Self { stream, schema: reader.schema()?, first: text(FIRST)?.parse().ok()? })
        };
        parsed().ok_or_else(|| "its head does not say which stream it is of".into())
    }

    fn encode(&self, sync: [u8; SYNC]) -> io::Result<Vec<u8>> {
        let text = |key: &str, value: &str| (key.to_owned(), value.as_bytes().to_vec());
        let options = file::Options {
            schema: self.schema,
            codec: Codec::Deflate,
            metadata: vec![
                text(STREAM, &hex(&self.stream.id)),
                text(FIRST, &self.first.to_string()),
                text(NODE, &self.stream.node),
                text(BOOT, &self.stream.boot_id),
            ],
            sync: Some(sync),
            ..file::Options::default()
        };
        let writer = file::Writer::new(Vec::new(), "the spool", &options).map_err(io::Error::other)?;
        writer.into_inner().map_err(io::Error::other)
    }

    /// Name of the segment.
    pub(super) fn name(&self, sequence: u64) -> String {
        format!("{sequence:010}-{}-{}.sf", hex(&self.stream.id[..4]), self.first)
    }
}

/// Sequence number in a segment's name; `None` for files that are something else.
pub(super) fn sequence(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".sf")?.split('-').next().filter(|digits| digits.len() >= 10)?;
    digits.parse().ok()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

// === impl Segment ===

impl Segment {
    /// Writes the head of a new file.
    pub(super) fn begin(file: File, name: String, head: &Head) -> io::Result<Self> {
        let sync = crate::own::random_id();
        let bytes = head.encode(sync)?;
        file.write_all_at(&bytes, 0)?;
        Ok(Self { file, name, sync, bytes: bytes.len() as u64, next: head.first, slices: 0 })
    }

    /// Appends `count` records as one block, with one write.
    pub(super) fn append(&mut self, sequence: u64, count: u32, records: &[u8]) -> io::Result<Slice> {
        let first = self.next;
        let parts = records.len().div_ceil(STORED_MAX).max(1);
        let length = records.len() + parts * STORED_HEAD + SUM;
        let mut out = Vec::with_capacity(length + SYNC + 20);
        encode_long(u64::from(count), &mut out);
        encode_long(length as u64, &mut out);
        let offset = self.bytes + out.len() as u64;
        store(records, &mut out);
        out.extend_from_slice(&checksum(first, count, records).to_le_bytes());
        out.extend_from_slice(&self.sync);
        if let Err(error) = self.file.write_all_at(&out, self.bytes) {
            // What was written of it is cut again; if that fails too, the next start does it.
            let _ = self.file.set_len(self.bytes);
            return Err(error);
        }
        self.bytes += out.len() as u64;
        self.next = first + u64::from(count);
        self.slices += 1;
        Ok(Slice { segment: sequence, offset, length, first, count })
    }

    /// The records of a slice.
    pub(super) fn read(&self, slice: &Slice) -> io::Result<Vec<u8>> {
        let mut content = vec![0; slice.length];
        self.file.read_exact_at(&mut content, slice.offset)?;
        unstore(&content, slice.first, slice.count)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "its checksum is wrong"))
    }

    /// Looks through a file that an earlier run left, and cuts what is not whole at its end.
    pub(super) fn find(file: File, name: String, sequence: u64, head: &Head) -> io::Result<Found> {
        let length = file.metadata()?.len();
        // We wrote the head, so it is what we would write, but for the marker at its end.
        let mut start = head.encode([0; SYNC])?;
        let before = start.len() - SYNC;
        file.read_exact_at(&mut start, 0)?;
        let mut sync = [0; SYNC];
        sync.copy_from_slice(&start[before..]);
        if start != head.encode(sync)? {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "its head is not one of ours"));
        }
        let mut segment = Self { file, name, sync, bytes: start.len() as u64, next: head.first, slices: 0 };
        let mut slices = Vec::new();
        while let Some((slice, end)) = segment.whole_block(sequence, length)? {
            segment.bytes = end;
            segment.next += u64::from(slice.count);
            slices.push(slice);
        }
        segment.slices = slices.len();
        let cut = length - segment.bytes;
        if cut > 0 {
            segment.file.set_len(segment.bytes)?;
        }
        Ok(Found { segment, slices, cut })
    }

    /// The block at the end of what was looked at, and where it ends; `None` when none is whole there.
    fn whole_block(&self, sequence: u64, file: u64) -> io::Result<Option<(Slice, u64)>> {
        let mut head = [0; 20];
        let left = file - self.bytes;
        let known = left.min(head.len() as u64) as usize;
        self.file.read_exact_at(&mut head[..known], self.bytes)?;
        let parsed = || {
            let mut rest = &head[..known];
            let (count, length) = (decode_long(&mut rest)?, decode_long(&mut rest)?);
            let start = (known - rest.len()) as u64;
            let fits = length <= MAX_BLOCK && start + length + SYNC as u64 <= left;
            (fits && count > 0).then_some((u32::try_from(count).ok()?, start, length))
        };
        let Some((count, start, length)) = parsed() else { return Ok(None) };
        let offset = self.bytes + start;
        let mut content = vec![0; length as usize + SYNC];
        self.file.read_exact_at(&mut content, offset)?;
        let (content, sync) = content.split_at(length as usize);
        let ends = self.next.checked_add(u64::from(count)).is_some();
        if !ends || sync != self.sync || unstore(content, self.next, count).is_none() {
            return Ok(None);
        }
        let slice = Slice { segment: sequence, offset, length: length as usize, first: self.next, count };
        Ok(Some((slice, offset + length + SYNC as u64)))
    }
}

/// Appends bytes as a deflate stream that stores them (RFC 1951, section 3.2.4).
fn store(bytes: &[u8], out: &mut Vec<u8>) {
    let mut rest = bytes;
    loop {
        let (part, after) = rest.split_at(rest.len().min(STORED_MAX));
        let length = part.len() as u16;
        out.push(u8::from(after.is_empty()));
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&(!length).to_le_bytes());
        out.extend_from_slice(part);
        rest = after;
        if rest.is_empty() {
            return;
        }
    }
}

/// The records of a block's content; `None` unless it is whole and its checksum right.
fn unstore(content: &[u8], first: u64, count: u32) -> Option<Vec<u8>> {
    let mut records = Vec::with_capacity(content.len());
    let mut rest = content;
    loop {
        let (head, after) = rest.split_at_checked(STORED_HEAD)?;
        let length = u16::from_le_bytes([head[1], head[2]]);
        if head[0] > 1 || u16::from_le_bytes([head[3], head[4]]) != !length {
            return None;
        }
        let (part, after) = after.split_at_checked(usize::from(length))?;
        records.extend_from_slice(part);
        rest = after;
        if head[0] == 1 {
            break;
        }
    }
    (rest == checksum(first, count, &records).to_le_bytes()).then_some(records)
}

fn checksum(first: u64, count: u32, records: &[u8]) -> u32 {
    let sum = crc32c::crc32c(&first.to_le_bytes());
    crc32c::crc32c_append(crc32c::crc32c_append(sum, &count.to_le_bytes()), records)
}

/// Avro's long, of a number that is not negative.
fn encode_long(value: u64, out: &mut Vec<u8>) {
    let mut rest = value << 1;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// `None` for a number that is negative or does not end.
fn decode_long(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..63).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return (value & 1 == 0).then_some(value >> 1);
        }
    }
    None
}
