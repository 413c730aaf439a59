//! The bytes of one event, its parameters by index.
//!
//! An event carries the lengths of its parameters (u16 each, u32 for the few types with large payloads), then the
//! parameters back to back. Length 0 means that the driver had no value.

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
        let total: u64 = (0..count as usize).map(|index| raw.length(index).unwrap_or(0) as u64).sum();
        if total > data.len() as u64 { Err(Malformed) } else { Ok(raw) }
    }

    fn length(&self, index: usize) -> Option<usize> {
        if self.wide {
            let bytes = self.lengths.get(index * 4..index * 4 + 4)?;
            Some(u32::from_le_bytes(bytes.try_into().ok()?) as usize)
        } else {
            let bytes = self.lengths.get(index * 2..index * 2 + 2)?;
            Some(usize::from(u16::from_le_bytes(bytes.try_into().ok()?)))
        }
    }

    /// A parameter; `None` when it is absent or the driver had no value for it.
    pub(crate) fn param(&self, index: usize) -> Option<&'a [u8]> {
        let mut start = 0;
        for before in 0..index {
            start += self.length(before)?;
        }
        let len = self.length(index)?;
        self.data.get(start..start + len).filter(|param| !param.is_empty())
    }

    /// A parameter, empty when there is none.
    pub(crate) fn bytes(&self, index: usize) -> &'a [u8] {
        self.param(index).unwrap_or(&[])
    }

    /// A string without the NUL at its end.
    pub(crate) fn str(&self, index: usize) -> &'a [u8] {
        let bytes = self.bytes(index);
        bytes.split(|byte| *byte == 0).next().unwrap_or(bytes)
    }

    /// A number of eight bytes: a result, pid or descriptor.
    pub(crate) fn i64(&self, index: usize) -> Option<i64> {
        Some(i64::from_le_bytes(self.param(index)?.try_into().ok()?))
    }

    /// A number of eight bytes that must be there.
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
