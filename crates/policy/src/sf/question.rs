//! Questions with sf-processor's meaning of operators.
//!
//! Values are texts; commas divide them into parts, and a comparison holds when it holds for any part.

use sysflow::{attr::names, record::Kind};

use super::field::SfField;
use crate::{HashSet, field::Value, field::ops::OpMasks, kinds::KindSet, syntax::Operator};

/// A question asked of the parts of a value.
#[derive(Debug)]
pub(crate) enum Parts {
    /// Not empty, 0 or false.
    Exists,
    Is(Box<str>),
    IsOneOf(HashSet<Box<str>>),
    Contains(Box<[Box<str>]>),
    /// Lower case.
    IContains(Box<[Box<str>]>),
    StartsWith(Box<[Box<str>]>),
    EndsWith(Box<[Box<str>]>),
}

impl Parts {
    /// Whether any part of the value is to any of the texts what `operator` says.
    pub(super) fn new<'t>(operator: Operator, texts: impl IntoIterator<Item = &'t str>) -> Self {
        let parts = texts.into_iter().flat_map(|text| text.split(','));
        match operator {
            Operator::Contains | Operator::PathMatch => Self::Contains(parts.map(Into::into).collect()),
            Operator::IContains => Self::IContains(parts.map(|part| part.to_lowercase().into()).collect()),
            Operator::StartsWith => Self::StartsWith(parts.map(Into::into).collect()),
            Operator::EndsWith => Self::EndsWith(parts.map(Into::into).collect()),
            _ => match parts.collect::<Vec<_>>().as_slice() {
                [only] => Self::Is((*only).into()),
                several => Self::IsOneOf(several.iter().map(|part| (*part).into()).collect()),
            },
        }
    }

    pub(crate) fn holds(&self, value: &Value<'_>) -> bool {
        match self {
            Self::Exists => match value {
                Value::Int(number) => *number != 0,
                Value::Bool(truth) => *truth,
                other => other.render().is_some_and(|text| !text.is_empty()),
            },
            Self::Is(wanted) => any_part(value, |part| *part == **wanted),
            Self::IsOneOf(wanted) => any_part(value, |part| wanted.contains(part)),
            Self::Contains(wanted) => any_part(value, |part| wanted.iter().any(|w| part.contains(&**w))),
            Self::IContains(wanted) => any_part(value, |part| {
                let part = part.to_lowercase();
                wanted.iter().any(|w| part.contains(&**w))
            }),
            Self::StartsWith(wanted) => any_part(value, |part| wanted.iter().any(|w| part.starts_with(&**w))),
            Self::EndsWith(wanted) => any_part(value, |part| wanted.iter().any(|w| part.ends_with(&**w))),
        }
    }
}

/// Compares two fields of a record: any part of one with any part of the other.
pub(crate) fn compare(left: &Value<'_>, operator: Operator, right: &Value<'_>) -> bool {
    any_part(left, |l| {
        any_part(right, |r| match operator {
            Operator::Contains => l.contains(r),
            Operator::IContains => l.to_lowercase().contains(&r.to_lowercase()),
            Operator::StartsWith => l.starts_with(r),
            Operator::EndsWith => l.ends_with(r),
            _ => l == r,
        })
    })
}

/// Calls `test` with each part until one passes.
pub(crate) fn any_part(value: &Value<'_>, mut test: impl FnMut(&str) -> bool) -> bool {
    match value {
        // A list is a text with commas: an empty one is an empty text.
        Value::Strs(list) if list.is_empty() => test(""),
        Value::Ints(list) if list.is_empty() => test(""),
        value => value.any_text(|text| text.split(',').any(&mut test)),
    }
}

/// Kinds of records on which `holds` can be true of the field.
pub(super) fn kinds(field: &SfField, holds: impl Fn(&Value<'_>) -> bool) -> KindSet {
    if field.is("sf.type") {
        let named = |kind: &Kind| holds(&Value::Str(kind.as_str().into()));
        return super::attribute::JUDGED.iter().filter(named).fold(KindSet::NONE, add);
    }
    if holds(&field.absent()) { KindSet::JUDGED } else { field.kinds() }
}

fn add(set: KindSet, kind: Kind) -> KindSet {
    set.union(KindSet::of(&[kind]))
}

/// Operations that a comparison with names asks for; `None` where masks cannot say it.
pub(super) fn operations(names: &Parts) -> Option<OpMasks> {
    let wanted = |name: &str| match names {
        Parts::Is(wanted) => **wanted == *name,
        Parts::IsOneOf(wanted) => wanted.contains(name),
        _ => false,
    };
    // Records without operations are asked for as well.
    if !matches!(names, Parts::Is(_) | Parts::IsOneOf(_)) || wanted("") {
        return None;
    }
    Some(OpMasks::of_bits(|kind, bit| names::ops(bit, kind).any(wanted)))
}
