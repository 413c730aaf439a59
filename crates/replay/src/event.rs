//! One event in the layout of Falco's plugin ABI, borrowed from wherever its bytes are.
//!
//! Little-endian, unaligned: header (u64 time in ns since the epoch, i64 tid, u32 length of the whole event, u16
//! type, u32 number of parameters), the lengths of the parameters (u16 each, u32 for the few types with large
//! payloads), the parameters back to back. A capture file holds the same bytes.

use crate::{Error, schema};

/// Size of the packed event header in bytes.
pub const HEADER_LEN: usize = 26;

/// Offsets in the header.
const TS: usize = 0;
const TID: usize = 8;
const LEN: usize = 16;
const TYPE: usize = 20;
const NPARAMS: usize = 22;

/// An event whose lengths have been checked: every parameter lies inside of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RawEvent<'a> {
    bytes: &'a [u8],
}

/// Why bytes are not an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Fewer bytes than a header.
    #[error("{0} bytes are fewer than the {HEADER_LEN} of an event header")]
    NoHeader(usize),
    /// The length in the header is impossible.
    #[error("event length {len} is not between {HEADER_LEN} and the {available} bytes available")]
    Length {
        /// What the header says.
        len: u32,
        /// What there is.
        available: usize,
    },
    /// The lengths array does not fit.
    #[error("{nparams} parameters do not fit into an event of {len} bytes")]
    Nparams {
        /// What the header says.
        nparams: u32,
        /// Length of the event.
        len: u32,
    },
    /// A parameter reaches beyond the event.
    #[error("parameter {index} of {size} bytes reaches beyond the event's {len} bytes")]
    Parameter {
        /// Which one.
        index: u32,
        /// Its length.
        size: usize,
        /// Length of the event.
        len: u32,
    },
}

// === impl RawEvent ===

impl<'a> RawEvent<'a> {
    /// Checks the event at the start of `bytes`; what follows it is cut off.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        if bytes.len() < HEADER_LEN {
            return Err(Malformed::NoHeader(bytes.len()));
        }
        let len = u32_at(bytes, LEN);
        let size = len as usize;
        if size < HEADER_LEN || size > bytes.len() {
            return Err(Malformed::Length { len, available: bytes.len() });
        }
        let event = Self { bytes: &bytes[..size] };
        let (nparams, width) = (event.nparams(), event.length_width());
        let mut end = HEADER_LEN as u64 + u64::from(nparams) * width as u64;
        if end > u64::from(len) {
            return Err(Malformed::Nparams { nparams, len });
        }
        for index in 0..nparams {
            let size = event.length_of(index as usize);
            end += size as u64;
            if end > u64::from(len) {
                return Err(Malformed::Parameter { index, size, len });
            }
        }
        Ok(event)
    }

    /// The event's bytes, exactly its length.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Time in nanoseconds since the epoch.
    pub fn ts(&self) -> u64 {
        u64_at(self.bytes, TS)
    }

    /// Thread that caused the event; -1 when none did.
    pub fn tid(&self) -> i64 {
        u64_at(self.bytes, TID) as i64
    }

    /// Event type, a code of [`schema::code`].
    pub fn code(&self) -> u16 {
        u16::from_le_bytes([self.bytes[TYPE], self.bytes[TYPE + 1]])
    }

    /// The driver's name of the type, for messages.
    pub fn name(&self) -> &'static str {
        schema::name(self.code())
    }

    /// Number of parameters present, which may be fewer or more than the schema has.
    pub fn nparams(&self) -> u32 {
        u32_at(self.bytes, NPARAMS)
    }

    /// Bytes of a parameter: empty when the driver had no value, `None` when the event has fewer parameters.
    pub fn param(&self, index: usize) -> Option<&'a [u8]> {
        self.params().nth(index)
    }

    /// All parameters in order.
    pub fn params(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let event = *self;
        let count = event.nparams() as usize;
        let mut at = HEADER_LEN + count * event.length_width();
        (0..count).map(move |i| {
            let start = at;
            at += event.length_of(i);
            // `parse` has proved that every parameter ends inside the event.
            &event.bytes[start..at]
        })
    }

    fn length_width(&self) -> usize {
        schema::length_width(self.code())
    }

    fn length_of(&self, index: usize) -> usize {
        if self.length_width() == 4 {
            u32_at(self.bytes, HEADER_LEN + index * 4) as usize
        } else {
            let at = HEADER_LEN + index * 2;
            usize::from(u16::from_le_bytes([self.bytes[at], self.bytes[at + 1]]))
        }
    }
}

impl std::fmt::Debug for RawEvent<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RawEvent")
            .field("ts", &self.ts())
            .field("tid", &self.tid())
            .field("type", &format_args!("{} {}", self.code(), self.name()))
            .field("params", &self.params().map(|p| p.escape_ascii().to_string()).collect::<Vec<_>>())
            .finish()
    }
}

/// Writes an event into `out`, which is cleared first.
///
/// Panics never; a parameter longer than its length field can express is an error.
pub fn encode(out: &mut Vec<u8>, ts: u64, tid: i64, code: u16, params: &[&[u8]]) -> Result<(), Error> {
    let width = schema::length_width(code);
    let max = if width == 4 { u32::MAX as usize } else { usize::from(u16::MAX) };
    out.clear();
    out.extend_from_slice(&[0; HEADER_LEN]);
    for (index, param) in params.iter().enumerate() {
        if param.len() > max {
            return Err(Error::ParameterTooLong { event: schema::name(code), index, len: param.len() });
        }
        out.extend_from_slice(&(param.len() as u32).to_le_bytes()[..width]);
    }
    for param in params {
        out.extend_from_slice(param);
    }
    write_header(out, ts, tid, code, params.len() as u32);
    Ok(())
}

/// Like [`encode`], into a new buffer; made for tests and hand-built events.
pub fn build(ts: u64, tid: i64, code: u16, params: &[&[u8]]) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    encode(&mut out, ts, tid, code, params)?;
    Ok(out)
}

/// Type of an event that may be anything beyond its header, or why a plugin cannot be asked: it reads as many bytes as
/// the header says, and the header itself.
pub(crate) fn check_bounds(event: &[u8]) -> Result<u16, Malformed> {
    if event.len() < HEADER_LEN {
        return Err(Malformed::NoHeader(event.len()));
    }
    let len = u32_at(event, LEN);
    if len as usize > event.len() {
        return Err(Malformed::Length { len, available: event.len() });
    }
    Ok(u16::from_le_bytes([event[TYPE], event[TYPE + 1]]))
}

/// Fills in the header of an event of which the rest is already in `event`.
pub(crate) fn write_header(event: &mut [u8], ts: u64, tid: i64, code: u16, nparams: u32) {
    let len = event.len() as u32;
    event[TS..TID].copy_from_slice(&ts.to_le_bytes());
    event[TID..LEN].copy_from_slice(&tid.to_le_bytes());
    event[LEN..TYPE].copy_from_slice(&len.to_le_bytes());
    event[TYPE..NPARAMS].copy_from_slice(&code.to_le_bytes());
    event[NPARAMS..HEADER_LEN].copy_from_slice(&nparams.to_le_bytes());
}

/// Replaces the time of an event.
pub(crate) fn set_ts(event: &mut [u8], ts: u64) {
    event[TS..TID].copy_from_slice(&ts.to_le_bytes());
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}
