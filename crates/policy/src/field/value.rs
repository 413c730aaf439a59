//! Values of fields for one record.

use std::{borrow::Cow, net::IpAddr};

use crate::syntax::Function;

/// Value of a field for one record.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    /// The record has no such thing, or its source did not say.
    Absent,
    Str(Cow<'a, str>),
    Int(i64),
    Bool(bool),
    Strs(Vec<Cow<'a, str>>),
    Ints(Vec<i64>),
    /// One or two addresses.
    Ips([Option<IpAddr>; 2]),
}

/// What values of a field are made of; lists are of the same element type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Text,
    Number,
    Truth,
    Address,
}

impl Type {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Number => "a number",
            Self::Truth => "true or false",
            Self::Address => "an IP address",
        }
    }
}

impl<'a> Value<'a> {
    /// Text; absent when the source wrote nothing, or libsinsp's `<NA>`.
    pub(crate) fn text(text: &'a str) -> Self {
        if text.is_empty() || text == "<NA>" { Self::Absent } else { Self::Str(Cow::Borrowed(text)) }
    }

    pub(crate) fn owned(text: impl Into<String>) -> Self {
        Self::Str(Cow::Owned(text.into()))
    }

    /// A number of which -1 means unknown.
    pub(crate) fn known(number: i64) -> Self {
        if number == -1 { Self::Absent } else { Self::Int(number) }
    }

    pub(crate) fn ip(ip: Option<IpAddr>) -> Self {
        if ip.is_none() { Self::Absent } else { Self::Ips([ip, None]) }
    }

    /// Whether there is anything: not absent, no empty text, no empty list.
    pub(crate) fn exists(&self) -> bool {
        match self {
            Self::Absent => false,
            Self::Str(text) => !text.is_empty(),
            Self::Int(_) | Self::Bool(_) => true,
            Self::Strs(list) => list.iter().any(|text| !text.is_empty()),
            Self::Ints(list) => !list.is_empty(),
            Self::Ips(list) => list.iter().any(Option::is_some),
        }
    }

    /// Element `at` of a list.
    pub(crate) fn element(self, at: usize) -> Self {
        match self {
            Self::Strs(list) => list.into_iter().nth(at).map_or(Self::Absent, Self::Str),
            Self::Ints(list) => list.get(at).map_or(Self::Absent, |n| Self::Int(*n)),
            other if at == 0 => other,
            _ => Self::Absent,
        }
    }

    /// What `function` makes of the value.
    pub(crate) fn through(self, function: Function) -> Self {
        let map = |change: fn(&str) -> Option<String>, value: Self| match value {
            Self::Str(text) => change(&text).map_or(Self::Absent, |text| Self::Str(Cow::Owned(text))),
            Self::Strs(list) => {
                Self::Strs(list.iter().filter_map(|text| change(text)).map(Cow::Owned).collect())
            }
            _ => Self::Absent,
        };
        match function {
            Function::ToLower => map(|text| Some(text.to_ascii_lowercase()), self),
            Function::ToUpper => map(|text| Some(text.to_ascii_uppercase()), self),
            // Falco's: what stands behind the last slash, also when that is nothing.
            Function::BaseName => map(|text| text.rsplit('/').next().map(str::to_owned), self),
            Function::Base64 => map(base64, self),
            Function::Len => match self {
                Self::Str(text) => Self::Int(text.len() as i64),
                Self::Strs(list) => Self::Int(list.len() as i64),
                Self::Ints(list) => Self::Int(list.len() as i64),
                _ => Self::Absent,
            },
        }
    }

    /// Calls `test` with each element as text until one passes.
    pub(crate) fn any_text(&self, mut test: impl FnMut(&str) -> bool) -> bool {
        match self {
            Self::Absent => false,
            Self::Str(text) => test(text),
            Self::Strs(list) => list.iter().any(|text| test(text)),
            Self::Int(number) => test(&number.to_string()),
            Self::Ints(list) => list.iter().any(|number| test(&number.to_string())),
            Self::Bool(truth) => test(if *truth { "true" } else { "false" }),
            Self::Ips(list) => list.iter().flatten().any(|ip| test(&ip.to_string())),
        }
    }

    /// Calls `test` with each number until one passes.
    pub(crate) fn any_number(&self, mut test: impl FnMut(i64) -> bool) -> bool {
        match self {
            Self::Int(number) => test(*number),
            Self::Ints(list) => list.iter().any(|number| test(*number)),
            Self::Bool(truth) => test(i64::from(*truth)),
            Self::Absent | Self::Str(_) | Self::Strs(_) | Self::Ips(_) => false,
        }
    }

    /// The value as one text, lists joined by commas; `None` when absent.
    pub(crate) fn render(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Absent => None,
            Self::Str(text) => Some(Cow::Borrowed(text)),
            Self::Int(number) => Some(Cow::Owned(number.to_string())),
            Self::Bool(truth) => Some(Cow::Borrowed(if *truth { "true" } else { "false" })),
            Self::Strs(list) => Some(Cow::Owned(list.join(","))),
            Self::Ints(list) => {
                Some(Cow::Owned(list.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")))
            }
            Self::Ips(list) => {
                let texts: Vec<_> = list.iter().flatten().map(ToString::to_string).collect();
                Some(Cow::Owned(texts.join(",")))
            }
        }
    }
}

// === impl From ===

impl<'a> From<sysflow::attr::Value<'a>> for Value<'a> {
    fn from(value: sysflow::attr::Value<'a>) -> Self {
        use sysflow::attr::Value as Attr;
        match value {
            Attr::Absent => Self::Absent,
            Attr::Str(text) => Self::Str(text),
            Attr::Int(number) => Self::Int(number),
            Attr::Bool(truth) => Self::Bool(truth),
            Attr::StrList(list) => Self::Strs(list),
            Attr::IntList(list) => Self::Ints(list),
        }
    }
}

/// The text that base64 (with or without padding) stands for; what is no UTF-8 in it is replaced.
fn base64(text: &str) -> Option<String> {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    };
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 2);
    for chunk in text.trim_end_matches('=').as_bytes().chunks(4) {
        if chunk.len() == 1 {
            return None;
        }
        let mut group = 0u32;
        for at in 0..4 {
            group = group << 6 | chunk.get(at).map_or(Some(0), |byte| digit(*byte)).map(u32::from)?;
        }
        bytes.extend_from_slice(&group.to_be_bytes()[1..chunk.len()]);
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}
