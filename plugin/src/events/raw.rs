//! The bytes of one event, its parameters by index.
//!
//! An event carries the lengths of its parameters (u16 each, u32 for the few types with large payloads), then the
//! parameters back to back. Length 0 means that the driver had no value.

use std::ffi::CStr;

use super::code;

/// An event whose lengths have been checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Raw<'a> {
    pub(crate) ts: i64,
    pub(crate) tid: i64,
    pub(crate) code: u16,
    lengths: &'a [u8],
    data: &'a [u8],
    wide: bool,
}

/// The event contradicts its own type: a length beyond its end, a number of the wrong size, a parameter missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

impl<'a> Raw<'a> {
    /// `payload` is what follows the header: `count` lengths, then the parameters.
    pub(crate) fn new(
        ts: u64,
        tid: i64,
        code: u16,
        count: u32,
        payload: &'a [u8],
    ) -> Result<Self, Malformed> {
        let wide = matches!(code, code::ASYNCEVENT_E | code::CONTAINER_JSON_2_E);
        let width = if wide { 4 } else { 2 };
        let lengths_len = (count as usize).checked_mul(width).ok_or(Malformed)?;
        let (lengths, data) = payload.split_at_checked(lengths_len).ok_or(Malformed)?;
        let raw = Self { ts: ts as i64, tid, code, lengths, data, wide };
        if raw.total(lengths) > data.len() { Err(Malformed) } else { Ok(raw) }
    }

    /// Bytes of the parameters with these lengths.
    #[inline]
    fn total(&self, lengths: &[u8]) -> usize {
        if self.wide {
            let lengths = lengths.as_chunks().0.iter();
            return lengths.map(|len| u32::from_le_bytes(*len) as usize).fold(0, usize::saturating_add);
        }
        // Far from too many for a usize: each is less than 2^16, and the lengths themselves are in memory.
        lengths.as_chunks().0.iter().map(|len| usize::from(u16::from_le_bytes(*len))).sum()
    }

    /// A parameter; `None` when it is absent or the driver had no value for it.
    #[inline]
    pub(crate) fn param(&self, index: usize) -> Option<&'a [u8]> {
        if self.wide {
            return self.wide_param(index);
        }
        let (before, rest) = self.lengths.as_chunks().0.split_at_checked(index)?;
        let len = usize::from(u16::from_le_bytes(*rest.first()?));
        let start = before.iter().map(|len| usize::from(u16::from_le_bytes(*len))).sum();
        self.part(start, len)
    }

    fn wide_param(&self, index: usize) -> Option<&'a [u8]> {
        let (before, rest) = self.lengths.split_at_checked(index.checked_mul(4)?)?;
        self.part(self.total(before), self.total(rest.get(..4)?))
    }

    /// An empty one is absent.
    #[inline]
    fn part(&self, start: usize, len: usize) -> Option<&'a [u8]> {
        self.data.get(start..)?.get(..len).filter(|param| !param.is_empty())
    }

    /// A parameter, empty when there is none.
    pub(crate) fn bytes(&self, index: usize) -> &'a [u8] {
        self.param(index).unwrap_or(&[])
    }

    /// A string without the NUL at its end.
    pub(crate) fn str(&self, index: usize) -> &'a [u8] {
        let bytes = self.bytes(index);
        CStr::from_bytes_until_nul(bytes).map_or(bytes, CStr::to_bytes)
    }

    /// A number of eight bytes: a result, pid or descriptor.
    #[inline]
    pub(crate) fn i64(&self, index: usize) -> Option<i64> {
        Some(i64::from_le_bytes(self.param(index)?.try_into().ok()?))
    }

    /// A number of eight bytes that must be there.
    #[inline]
    pub(crate) fn need(&self, index: usize) -> Result<i64, Malformed> {
        self.i64(index).ok_or(Malformed)
    }

    pub(crate) fn u64(&self, index: usize) -> Option<u64> {
        self.i64(index).map(|value| value as u64)
    }

    pub(crate) fn u32(&self, index: usize) -> Option<u32> {
        Some(u32::from_le_bytes(self.param(index)?.try_into().ok()?))
    }

    pub(crate) fn u16(&self, index: usize) -> Option<u16> {
        Some(u16::from_le_bytes(self.param(index)?.try_into().ok()?))
    }

    pub(crate) fn u8(&self, index: usize) -> Option<u8> {
        self.param(index)?.first().copied()
    }
}
