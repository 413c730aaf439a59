//! All fields that conditions can name, for people who write them.

use sysflow::attr::ATTRS;

use super::{Answer, Type, seen, tables};
use crate::context::Stateful;
use crate::syntax::Operator;

/// A field that a condition can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldEntry {
    /// Name, without an argument.
    pub name: &'static str,
    /// Type of its values, in words.
    pub value_type: &'static str,
    /// What it says; for Falco's fields how the answer differs from Falco's, if it does.
    pub doc: &'static str,
    /// Where it comes from.
    pub class: FieldClass,
}

/// Where a field comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldClass {
    /// An attribute of SysFlow's records.
    Attribute,
    /// What was seen before the record: it has no value where records are judged on their own.
    Stateful,
    /// A field of Falco that records can answer.
    Falco,
}

/// Fields that can be answered, each once: SysFlow's by name, then those that look back, then Falco's.
pub fn fields() -> impl Iterator<Item = FieldEntry> {
    let attributes = ATTRS.iter().map(|attr| FieldEntry {
        name: attr.name,
        value_type: attr.value_type.as_str(),
        doc: attr.doc,
        class: FieldClass::Attribute,
    });
    let stateful = Stateful::ALL.into_iter().filter_map(|(name, attribute)| {
        let field = seen::attribute(name)?;
        let value_type = if field.list { "list of texts" } else { word(field.value_type) };
        Some(FieldEntry { name, value_type, doc: attribute.doc(), class: FieldClass::Stateful })
    });
    let falco = tables().filter_map(|field| match field.answer {
        Answer::Yes { value_type, note, .. } => Some(FieldEntry {
            name: field.name,
            value_type: word(value_type),
            doc: note.unwrap_or_default(),
            class: FieldClass::Falco,
        }),
        Answer::No(_) => None,
    });
    attributes.chain(stateful).chain(falco)
}

/// Signs and words that compare a field with values, then those that join conditions.
pub fn operators() -> impl Iterator<Item = &'static str> {
    let compare = Operator::SIGNS.iter().chain(&Operator::WORDS).map(|(name, _)| *name);
    compare.chain(["exists", "and", "or", "not"])
}

/// As attributes call their types.
fn word(value_type: Type) -> &'static str {
    match value_type {
        Type::Text => "text",
        Type::Number => "number",
        Type::Truth => "boolean",
        Type::Address => "address",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::Condition;

    #[test]
    fn every_field_that_is_offered_can_be_asked_for() {
        let all: Vec<_> = fields().collect();
        let names: BTreeSet<_> = all.iter().map(|field| field.name).collect();
        assert_eq!(names.len(), all.len(), "each once");
        for field in &all {
            // Some of Falco's need an argument.
            let is_field =
                ["", "[1]"].map(|argument| Condition::parse(&format!("{}{argument} exists", field.name)));
            assert!(is_field.iter().any(Result::is_ok), "{field:?}: {}", is_field[0].as_ref().unwrap_err());
            assert!(!field.doc.is_empty() || field.class == FieldClass::Falco, "{field:?}");
        }
        assert!(
            names.contains("sf.proc.exe") && names.contains("sf.graph.tags") && names.contains("proc.name")
        );
    }

    #[test]
    fn every_operator_that_is_offered_is_one() {
        for operator in operators() {
            let text = match operator {
                "exists" => "proc.name exists".to_owned(),
                "and" | "or" => format!("proc.name = a {operator} proc.pid = 1"),
                "not" => "not proc.name = a".to_owned(),
                "in" | "intersects" | "pmatch" => format!("proc.name {operator} (a, b)"),
                "<" | "<=" | ">" | ">=" => format!("proc.pid {operator} 1"),
                "bcontains" | "bstartswith" => format!("proc.name {operator} 6162"),
                _ => format!("proc.name {operator} a"),
            };
            assert!(Condition::parse(&text).is_ok(), "{text}: {}", Condition::parse(&text).unwrap_err());
        }
    }
}
