//! The `sf.*` attributes: one table from which rules, printing, storage, plugin fields and documents are derived.

use std::borrow::Cow;
use std::fmt;

use crate::entities::Joined;
use crate::record::Kind;

mod get;
pub mod names;
pub mod path;
mod table;

pub use table::ATTRS;

/// Type of an attribute's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// Text.
    Str,
    /// Whole number.
    Int,
    /// Truth value.
    Bool,
    /// Several texts; a comparison holds when it holds for any of them.
    StrList,
    /// Several numbers; a comparison holds when it holds for any of them.
    IntList,
    /// Text that is JSON and can be asked with a path.
    Json,
}

/// Value of an attribute for one record.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// The record kind has no such attribute, or the source did not give it.
    Absent,
    /// Text.
    Str(Cow<'a, str>),
    /// Whole number.
    Int(i64),
    /// Truth value.
    Bool(bool),
    /// Texts.
    StrList(Vec<Cow<'a, str>>),
    /// Numbers.
    IntList(Vec<i64>),
}

/// One attribute: its name, what it is, and how it is read off a joined record.
#[derive(Debug)]
pub struct Attr {
    /// Full name, such as `sf.proc.exe`.
    pub name: &'static str,
    /// Type of its values.
    pub value_type: Type,
    /// Record kinds for which it can have a value.
    pub kinds: &'static [Kind],
    /// One line for people.
    pub doc: &'static str,
    get: for<'a> fn(&Joined<'a>) -> Value<'a>,
}

impl Attr {
    /// Value for `record`; [`Value::Absent`] when its kind has none or the source did not say.
    pub fn value<'a>(&self, record: &Joined<'a>) -> Value<'a> {
        if self.kinds.contains(&record.record.kind()) { (self.get)(record) } else { Value::Absent }
    }
}

impl Type {
    /// Name for documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Str => "text",
            Self::Int => "number",
            Self::Bool => "boolean",
            Self::StrList => "list of texts",
            Self::IntList => "list of numbers",
            Self::Json => "JSON",
        }
    }
}

impl Value<'_> {
    /// Whether there is no value.
    pub fn is_absent(&self) -> bool {
        *self == Self::Absent
    }
}

/// Lists with commas between, nothing for an absent value.
impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => Ok(()),
            Self::Str(text) => f.write_str(text),
            Self::Int(number) => write!(f, "{number}"),
            Self::Bool(truth) => write!(f, "{truth}"),
            Self::StrList(texts) => list(f, texts),
            Self::IntList(numbers) => list(f, numbers),
        }
    }
}

fn list<T: fmt::Display>(f: &mut fmt::Formatter<'_>, items: &[T]) -> fmt::Result {
    for (i, item) in items.iter().enumerate() {
        write!(f, "{}{item}", if i > 0 { "," } else { "" })?;
    }
    Ok(())
}

/// Attribute of this name.
pub fn find(name: &str) -> Option<&'static Attr> {
    ATTRS.binary_search_by(|attr| attr.name.cmp(name)).ok().map(|at| &ATTRS[at])
}

/// The attribute that was probably meant by `name`, for "did you mean".
///
/// `None` when none is within a third of its letters.
pub fn closest(name: &str) -> Option<&'static str> {
    // Longer than any name by more than could be forgiven: hostile input must not cost time.
    if name.len() > 64 {
        return None;
    }
    let name = name.to_ascii_lowercase();
    let distances = ATTRS.iter().map(|attr| (distance(&name, attr.name), attr.name));
    let (distance, closest) = distances.min()?;
    (distance <= closest.len() / 3).then_some(closest)
}

/// Letters to insert, remove, replace or swap with their neighbour to make `a` into `b`.
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut next = vec![i];
        for j in 1..=b.len() {
            let mut best =
                (row[j - 1] + usize::from(a[i - 1] != b[j - 1])).min(row[j] + 1).min(next[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            next.push(best);
        }
        before = std::mem::replace(&mut row, next);
    }
    row[b.len()]
}
