//! Payloads of the krsi plugin's events, built as that plugin builds them.

/// A payload that is being built.
#[derive(Clone, Debug, Default)]
pub(crate) struct Payload(pub(crate) Vec<u8>);

impl Payload {
    /// Head of an event: process, thread, kind.
    pub(crate) fn new(pid: u32, tid: u32, kind: u32) -> Self {
        Self::default().raw(&pid.to_le_bytes()).raw(&tid.to_le_bytes()).raw(&kind.to_le_bytes())
    }

    pub(crate) fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn none(self) -> Self {
        self.raw(&[0])
    }

    pub(crate) fn i64(self, value: i64) -> Self {
        self.raw(&[1]).raw(&value.to_le_bytes())
    }

    /// Of 32 bits, with or without sign.
    pub(crate) fn n32(self, value: u32) -> Self {
        self.raw(&[1]).raw(&value.to_le_bytes())
    }

    pub(crate) fn text(self, text: &[u8]) -> Self {
        self.raw(&[1]).bare_text(text)
    }

    pub(crate) fn bare_text(self, text: &[u8]) -> Self {
        self.raw(&(text.len() as u64).to_le_bytes()).raw(text)
    }
}
