//! Texts that rules come from, and positions in them.

use crate::{
    diagnostic::{Diagnostic, Diagnostics, Severity},
    sf::Language,
};

/// A text to load: a rules file, or a condition given on the command line.
#[derive(Clone, Debug)]
pub struct Source {
    /// What messages call it, usually a path.
    pub name: String,
    /// Its content.
    pub text: String,
    /// Whose language it is in; without, its keys tell.
    pub language: Option<Language>,
}

/// Bytes `start..end` of source number `source`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) source: u32,
    pub(crate) start: u32,
    pub(crate) end: u32,
}

/// Line and column of a position, and the line's text.
pub(crate) struct Place<'a> {
    pub(crate) line: u32,
    /// In characters, from 1.
    pub(crate) column: u32,
    pub(crate) text: &'a str,
}

impl Source {
    /// A text with a name.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), text: text.into(), language: None }
    }

    /// The content of a file, which must be UTF-8; the error says where it is not.
    pub fn from_bytes(name: impl Into<String>, bytes: Vec<u8>) -> Result<Self, Diagnostics> {
        let name = name.into();
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Self { name, text, language: None }),
            Err(error) => {
                let valid = error.utf8_error().valid_up_to();
                let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
                let source = Self { name, text, language: None };
                let span = Span { source: 0, start: valid as u32, end: valid as u32 + 1 };
                Err(Diagnostics::from(Diagnostic::new(
                    Severity::Error,
                    &source,
                    span,
                    "the file is not UTF-8 text",
                )))
            }
        }
    }

    pub(crate) fn place(&self, offset: u32) -> Place<'_> {
        let offset = floor_boundary(&self.text, offset as usize);
        let before = &self.text[..offset];
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        let end = self.text[offset..].find('\n').map_or(self.text.len(), |at| offset + at);
        Place {
            line: before.bytes().filter(|byte| *byte == b'\n').count() as u32 + 1,
            column: self.text[start..offset].chars().count() as u32 + 1,
            text: self.text[start..end].trim_end_matches('\r'),
        }
    }
}

/// Largest character boundary of `text` that is not after `offset`.
pub(crate) fn floor_boundary(text: &str, offset: usize) -> usize {
    let mut at = offset.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}
