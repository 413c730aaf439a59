//! Fields of conditions: an attribute, a path into one, or text that names none.

use std::borrow::Cow;

use sysflow::Joined;

use super::{
    attribute::{self, Absent, Origin},
    json_path::JsonPath,
    parser::unquoted,
};
use crate::{field::Value, kinds::KindSet};

/// What stands on a side of a comparison.
#[derive(Debug)]
pub(crate) struct SfField {
    pub(crate) origin: Origin,
    /// Path into the JSON that the attribute holds.
    path: Option<JsonPath>,
}

impl SfField {
    /// What `text`, as written, stands for: what is no attribute stands for itself.
    pub(super) fn new(text: &str) -> Self {
        if let Some(origin) = attribute::find(text) {
            return Self { origin, path: None };
        }
        // A bracket behind anything but an attribute is part of the text.
        if let Some((name, rest)) = text.split_once('[')
            && let Some(path) = rest.strip_suffix(']')
            && let Some(origin) = attribute::find(name)
        {
            return Self { origin, path: Some(JsonPath::new(path)) };
        }
        Self { origin: Origin::Literal(unquoted(text).into()), path: None }
    }

    /// The value; never absent.
    pub(crate) fn value<'a>(&self, record: &Joined<'a>) -> Value<'a> {
        let value = self.origin.value(record);
        let Some(path) = &self.path else { return value };
        let json = match value {
            Value::Str(text) => text,
            other => other.render().map_or(Cow::Borrowed(""), |text| Cow::Owned(text.into_owned())),
        };
        match json {
            Cow::Borrowed(json) => Value::Str(path.get(json).unwrap_or_default()),
            Cow::Owned(json) => Value::owned(path.get(&json).unwrap_or_default()),
        }
    }

    /// What it is on kinds of records that are not [`SfField::kinds`].
    pub(super) fn absent(&self) -> Value<'_> {
        match &self.origin {
            Origin::Literal(text) => Value::Str(Cow::Borrowed(text)),
            _ if self.path.is_some() => Absent::Empty.value(),
            origin => origin.absent().value(),
        }
    }

    pub(super) fn kinds(&self) -> KindSet {
        self.origin.kinds()
    }

    pub(super) fn is_literal(&self) -> bool {
        self.literal().is_some()
    }

    pub(super) fn literal(&self) -> Option<&str> {
        match &self.origin {
            Origin::Literal(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn is_number(&self) -> bool {
        self.path.is_none() && self.origin.is_number()
    }

    pub(super) fn has_path(&self) -> bool {
        self.path.is_some()
    }

    pub(super) fn is(&self, name: &str) -> bool {
        self.path.is_none() && matches!(&self.origin, Origin::Sf(attr) if attr.name == name)
    }
}
