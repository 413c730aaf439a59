//! Atoms: one field, one question.

use std::borrow::Cow;

use regex::Regex;
use sysflow::Joined;

use super::pattern::{Glob, PathSet};
use crate::{
    HashSet,
    field::{Value, aliases, net::Network, ops::OpMasks},
    sf::{self, Parts},
    syntax::Operator,
};

/// Number of a field in a program.
pub(crate) type FieldId = u32;

/// A question asked of one field.
///
/// A field with several values passes when any of them does. An absent one never does, also not the negated
/// question: `a != b` is false where there is no `a`, and `not a = b` is true, as in Falco.
#[derive(Debug)]
pub(crate) struct Atom {
    pub(crate) field: FieldId,
    pub(crate) test: Test,
    pub(crate) negated: bool,
    /// The question as people write it; long lists are cut.
    pub(crate) text: Box<str>,
}

#[derive(Debug)]
pub(crate) enum Test {
    Exists,
    Is(Box<str>),
    IsOneOf(HashSet<Box<str>>),
    Contains(Box<str>),
    /// Lower-case ASCII.
    IContains(Box<str>),
    StartsWith(Box<str>),
    EndsWith(Box<str>),
    Glob(Glob),
    Regex(Box<Regex>),
    Below(PathSet),
    /// The name of a program, or one of its other names.
    Program(Box<Test>),
    /// Bytes, wherever they are.
    BContains(Box<[u8]>),
    BStartsWith(Box<[u8]>),
    Number(Operator, i64),
    /// Sorted.
    NumberIn(Box<[i64]>),
    Truth(bool),
    Within(Box<[Network]>),
    /// Operations, read off the record itself.
    Operation(OpMasks),
    /// System calls: records with none of these operations stand for none of them, of the others the value tells.
    Call(OpMasks, Box<Test>),
    /// Another field of the same record.
    Field(Operator, FieldId),
    /// With sf-processor's meaning.
    Parts(Parts),
    /// Another field of the same record, with sf-processor's meaning.
    PartsOfField(Operator, FieldId),
}

impl Atom {
    /// The answer for the value of its field; `read` gives other fields of the record.
    pub(crate) fn holds<'a>(
        &self,
        record: &Joined<'a>,
        value: &Value<'a>,
        read: impl FnOnce(FieldId) -> Value<'a>,
    ) -> bool {
        if matches!(value, Value::Absent) {
            return false;
        }
        let passed = match &self.test {
            Test::Field(operator, field) => compare(value, *operator, &read(*field)),
            Test::PartsOfField(operator, field) => sf::compare(value, *operator, &read(*field)),
            Test::Operation(masks) => masks.matches(record.record),
            Test::Call(masks, test) => masks.matches(record.record) && test.passes(value),
            test => test.passes(value),
        };
        passed != self.negated
    }
}

impl Atom {
    /// The field that another one is compared with.
    pub(crate) fn other_field(&self) -> Option<FieldId> {
        match self.test {
            Test::Field(_, field) | Test::PartsOfField(_, field) => Some(field),
            _ => None,
        }
    }
}

impl Test {
    pub(crate) fn passes(&self, value: &Value<'_>) -> bool {
        match self {
            Self::Exists => value.exists(),
            Self::Is(wanted) => value.any_text(|text| *text == **wanted),
            Self::IsOneOf(wanted) => value.any_text(|text| wanted.contains(text)),
            Self::Contains(part) => value.any_text(|text| text.contains(&**part)),
            Self::IContains(part) => value.any_text(|text| icontains(text, part)),
            Self::StartsWith(part) => value.any_text(|text| text.starts_with(&**part)),
            Self::EndsWith(part) => value.any_text(|text| text.ends_with(&**part)),
            Self::Glob(glob) => value.any_text(|text| glob.matches(text)),
            Self::Regex(regex) => value.any_text(|text| regex.is_match(text)),
            Self::BContains(bytes) => value
                .any_text(|text| text.as_bytes().windows(bytes.len().max(1)).any(|part| *part == **bytes)),
            Self::BStartsWith(bytes) => value.any_text(|text| text.as_bytes().starts_with(bytes)),
            Self::Program(test) => value.any_text(|name| {
                let passes = |name| test.passes(&Value::Str(Cow::Borrowed(name)));
                passes(name) || aliases(name).any(passes)
            }),
            Self::Below(paths) => value.any_text(|text| paths.matches(text)),
            Self::Number(operator, wanted) => value.any_number(|number| ordered(number, *operator, *wanted)),
            Self::NumberIn(wanted) => value.any_number(|number| wanted.binary_search(&number).is_ok()),
            Self::Truth(wanted) => value.any_number(|number| (number != 0) == *wanted),
            Self::Within(networks) => match value {
                Value::Ips(ips) => {
                    ips.iter().flatten().any(|ip| networks.iter().any(|net| net.contains(*ip)))
                }
                _ => false,
            },
            Self::Parts(parts) => parts.holds(value),
            Self::Operation(_) | Self::Call(..) | Self::Field(..) | Self::PartsOfField(..) => false,
        }
    }
}

fn ordered(left: i64, operator: Operator, right: i64) -> bool {
    match operator {
        Operator::Equal | Operator::NotEqual => left == right,
        Operator::Less => left < right,
        Operator::LessEqual => left <= right,
        Operator::Greater => left > right,
        Operator::GreaterEqual => left >= right,
        _ => false,
    }
}

/// Case is ASCII's, as in Falco.
fn icontains(text: &str, lower: &str) -> bool {
    let (text, part) = (text.as_bytes(), lower.as_bytes());
    part.is_empty() || text.windows(part.len()).any(|window| window.eq_ignore_ascii_case(part))
}

/// Compares two fields of a record: any value of one with any of the other.
fn compare(left: &Value<'_>, operator: Operator, right: &Value<'_>) -> bool {
    match operator {
        Operator::Less | Operator::LessEqual | Operator::Greater | Operator::GreaterEqual => {
            left.any_number(|l| right.any_number(|r| ordered(l, operator, r)))
        }
        _ => left.any_text(|l| {
            right.any_text(|r| match operator {
                Operator::Contains => l.contains(r),
                Operator::IContains => icontains(l, &r.to_ascii_lowercase()),
                Operator::StartsWith => l.starts_with(r),
                Operator::EndsWith => l.ends_with(r),
                _ => l == r,
            })
        }),
    }
}
