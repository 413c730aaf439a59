//! The Avro primitives, read from bytes that nobody vouches for.

use crate::error::{Error, Result};

/// How many items the arrays and maps of one datum may hold together: an item of one byte becomes a value of up
/// to a hundred, so a small hostile datum must not become a large one in memory; nor may items of no bytes at all
/// keep a reader busy for ever.
const MAX_ITEMS: usize = 1 << 20;

/// A position in a buffer that holds one or more datums.
#[derive(Debug)]
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    items: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, items: MAX_ITEMS }
    }

    /// Bytes read so far.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn error(&self, what: &'static str) -> Error {
        Error::Datum { at: self.at, what }
    }

    fn byte(&mut self) -> Result<u8> {
        let byte = *self.bytes.get(self.at).ok_or_else(|| self.error("it ends too early"))?;
        self.at += 1;
        Ok(byte)
    }

    pub(crate) fn long(&mut self) -> Result<i64> {
        let first = self.byte()?;
        if first < 0x80 {
            return Ok(zigzag(u64::from(first)));
        }
        let mut value = u64::from(first & 0x7f);
        for shift in (7..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return if shift == 63 && byte > 1 {
                    Err(self.error("number out of range"))
                } else {
                    Ok(zigzag(value))
                };
            }
        }
        Err(self.error("number too long"))
    }

    pub(crate) fn int(&mut self) -> Result<i32> {
        i32::try_from(self.long()?).map_err(|_| self.error("number out of range"))
    }

    pub(crate) fn boolean(&mut self) -> Result<bool> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.error("neither true nor false")),
        }
    }

    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let end = self.at.checked_add(length).filter(|&end| end <= self.bytes.len());
        let end = end.ok_or_else(|| self.error("a length beyond the end"))?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    pub(crate) fn fixed<const N: usize>(&mut self) -> Result<[u8; N]> {
        let bytes = self.take(N)?;
        bytes.try_into().map_err(|_| self.error("it ends too early"))
    }

    /// The bytes of a string or of `bytes`.
    pub(crate) fn bytes(&mut self) -> Result<&'a [u8]> {
        let length = self.long()?;
        let length = usize::try_from(length).map_err(|_| self.error("a negative length"))?;
        self.take(length)
    }

    /// Text. Paths and arguments of a monitored host need not be UTF-8, and old collectors wrote them as they were:
    /// what is not becomes U+FFFD, rather than that the trace cannot be read.
    pub(crate) fn string(&mut self) -> Result<String> {
        let bytes = self.bytes()?;
        Ok(match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => String::from_utf8_lossy(bytes).into_owned(),
        })
    }

    /// Index of a union's branch or an enumeration's symbol, less than `count`.
    pub(crate) fn index(&mut self, count: usize) -> Result<usize> {
        let index = self.long()?;
        usize::try_from(index)
            .ok()
            .filter(|&i| i < count)
            .ok_or_else(|| self.error("unknown branch or symbol"))
    }

    /// Reads an array or map: `item` is called at each item.
    pub(crate) fn items(&mut self, mut item: impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        loop {
            let count = self.block()?;
            if count == 0 {
                return Ok(());
            }
            for _ in 0..count {
                item(self)?;
            }
        }
    }

    /// Starts a block of items and says how many it has; 0 ends the array or map.
    pub(crate) fn block(&mut self) -> Result<usize> {
        let count = self.long()?;
        if count < 0 {
            self.long()?; // size in bytes, for readers who skip
        }
        let count = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
        self.spend(count)?;
        Ok(count)
    }

    /// Takes from the number of items that this datum may still have.
    pub(crate) fn spend(&mut self, items: usize) -> Result<()> {
        self.items = self.items.checked_sub(items).ok_or_else(|| self.error("too many items"))?;
        Ok(())
    }
}

fn zigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}
