//! Reading of little-endian values from a block's body, each checked against its end.

/// A place in a block's body.
#[derive(Debug, Clone)]
pub(super) struct Cursor<'a> {
    body: &'a [u8],
    at: usize,
    /// Offset of `body` in the block's body, for messages.
    base: usize,
}

/// What was wrong and where in the body.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) at: usize,
    pub(super) text: String,
}

type Result<T> = std::result::Result<T, Problem>;

// === impl Cursor ===

impl<'a> Cursor<'a> {
    pub(super) fn new(body: &'a [u8]) -> Self {
        Self { body, at: 0, base: 0 }
    }

    pub(super) fn left(&self) -> usize {
        self.body.len() - self.at
    }

    pub(super) fn bytes(&mut self, len: usize, what: &str) -> Result<&'a [u8]> {
        if len > self.left() {
            return Err(self.problem(format!("{what} needs {len} bytes, only {} are left", self.left())));
        }
        let bytes = &self.body[self.at..self.at + len];
        self.at += len;
        Ok(bytes)
    }

    pub(super) fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N]> {
        let mut out = [0; N];
        out.copy_from_slice(self.bytes(N, what)?);
        Ok(out)
    }

    pub(super) fn u8(&mut self, what: &str) -> Result<u8> {
        self.array(what).map(u8::from_le_bytes)
    }

    pub(super) fn u16(&mut self, what: &str) -> Result<u16> {
        self.array(what).map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self, what: &str) -> Result<u32> {
        self.array(what).map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self, what: &str) -> Result<u64> {
        self.array(what).map(u64::from_le_bytes)
    }

    pub(super) fn i64(&mut self, what: &str) -> Result<i64> {
        self.array(what).map(i64::from_le_bytes)
    }

    /// A string as captures store it: u16 length and bytes. What follows a NUL, if any, is not part of it.
    pub(super) fn string(&mut self, what: &str) -> Result<Vec<u8>> {
        let bytes = self.blob(what)?;
        let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
        Ok(bytes[..end].to_vec())
    }

    /// u16 length and bytes of any kind.
    pub(super) fn blob(&mut self, what: &str) -> Result<&'a [u8]> {
        let len = self.u16(what)?;
        self.bytes(usize::from(len), what)
    }

    /// Splits off the rest of an entry that starts at `start` (a result of [`Cursor::position`]) and has `len`
    /// bytes from there; this cursor moves on behind it.
    pub(super) fn entry(&mut self, start: usize, len: u32, what: &str) -> Result<Cursor<'a>> {
        let rest = (start + len as usize).checked_sub(self.at);
        let Some(rest) = rest else {
            return Err(self.problem(format!("{what} has the impossible length {len}")));
        };
        let at = self.at;
        let body = self.bytes(rest, what)?;
        Ok(Cursor { body, at: 0, base: self.base + at })
    }

    /// Where the next byte is, within this cursor's bytes.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    pub(super) fn problem(&self, text: String) -> Problem {
        Problem { at: self.base + self.at, text }
    }
}
