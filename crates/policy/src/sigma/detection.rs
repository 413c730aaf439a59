//! Searches: fields, modifiers and values into comparisons.

use regex::RegexBuilder;

use super::{
    Refusal,
    fields::{Category, Target},
    value::{self, Modifiers, Place},
};
use crate::{
    file::yaml::{Node, Value},
    source::Span,
    suggest::did_you_mean,
    syntax::{Comparison, Expr, FieldName, Operand, Operator, Word},
};

/// A mapping asks for all of its fields, a list for any of its mappings. `size` counts values.
pub(super) fn search(node: &Node, category: &Category, size: &mut usize) -> Result<Expr, Refusal> {
    match &node.value {
        Value::Mapping(pairs) => {
            let fields = pairs.iter().map(|(key, value)| field(key, value, category, size));
            Ok(Expr::And(fields.collect::<Result<_, _>>()?))
        }
        Value::Sequence(items) if items.iter().all(|item| matches!(item.value, Value::Mapping(_))) => {
            let parts = items.iter().map(|item| search(item, category, size));
            Ok(Expr::Or(parts.collect::<Result<_, _>>()?))
        }
        _ => Err(Refusal::cannot(
            node.span,
            "words without a field search a line of a log: records have fields",
        )),
    }
}

fn field(key: &Node, node: &Node, category: &Category, size: &mut usize) -> Result<Expr, Refusal> {
    let text = key.as_text().unwrap_or_default();
    let mut words = text.split('|');
    let name = words.next().unwrap_or_default();
    let modifiers = Modifiers::parse(words)
        .map_err(|word| Refusal::cannot(key.span, format!("the modifier `{word}` is not supported")))?;
    let target = target(name, key.span, category)?;
    let values: Vec<&Node> = match &node.value {
        Value::Sequence(items) => items.iter().collect(),
        _ => vec![node],
    };
    let mut parts = Vec::with_capacity(values.len());
    for node in values {
        *size += 1;
        parts.push(value(target, modifiers, key.span, node, category)?);
    }
    let expr = if modifiers.all { Expr::And(parts) } else { Expr::Or(parts) };
    Ok(if modifiers.negated { Expr::Not(Box::new(expr)) } else { expr })
}

fn target(name: &str, span: Span, category: &Category) -> Result<Target, Refusal> {
    match category.field(name) {
        Some(Target::No(reason)) => Err(Refusal::cannot(span, format!("`{name}`: {reason}"))),
        Some(target) => Ok(target),
        None => {
            let help = did_you_mean(name, category.field_names()).unwrap_or_default();
            let message = format!("`{name}` is not recorded for {} {help}", category.name);
            Err(Refusal::cannot(span, message.trim_end()))
        }
    }
}

/// One value of a field.
fn value(
    target: Target,
    modifiers: Modifiers,
    key: Span,
    node: &Node,
    category: &Category,
) -> Result<Expr, Refusal> {
    let Some(text) = node.as_text() else {
        let message = format!("a field holds single values, found {}", node.what());
        return Err(Refusal::wrong(node.span, message, None));
    };
    let flag = || match text.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Refusal::wrong(node.span, format!("expected true or false, found `{text}`"), None)),
    };
    if let Target::Initiated = target {
        let operation = if flag()? { "CONNECT" } else { "ACCEPT" };
        return Ok(compare("sf.opflags", Operator::Equal, operation, key, node.span));
    }
    if node.is_null() {
        return Ok(Expr::Not(Box::new(exists(target, key))));
    }
    let (operator, texts) = match modifiers.place {
        Place::Exists => {
            let exists = exists(target, key);
            return Ok(if flag()? { exists } else { Expr::Not(Box::new(exists)) });
        }
        Place::Field => {
            let Target::Field(other) = self::target(text, node.span, category)? else {
                return Err(Refusal::cannot(node.span, format!("`{text}` is no single field")));
            };
            let other = FieldName::plain(other, None, node.span);
            return Ok(each(target, key, |field| Comparison {
                field,
                operator: Operator::Equal,
                operator_span: key,
                operand: Operand::Field(other.clone()),
            }));
        }
        Place::Cidr => (Operator::Equal, vec![text.to_owned()]),
        Place::Less => (Operator::Less, vec![text.to_owned()]),
        Place::LessEqual => (Operator::LessEqual, vec![text.to_owned()]),
        Place::Greater => (Operator::Greater, vec![text.to_owned()]),
        Place::GreaterEqual => (Operator::GreaterEqual, vec![text.to_owned()]),
        Place::Regex => {
            let (operator, pattern) = modifiers.comparison(text);
            check_regex(&pattern, node.span)?;
            (operator, vec![pattern])
        }
        // Numbers and addresses are compared as such.
        Place::Whole if is_plain(target) => match value::literal(text) {
            Some(plain) => (Operator::Equal, vec![plain]),
            None => return Err(Refusal::cannot(node.span, "wildcards cannot be compared with a number")),
        },
        _ => {
            let texts =
                modifiers.encoded(text).map_err(|message| Refusal::wrong(node.span, message, None))?;
            let parts: Vec<_> = texts
                .iter()
                .map(|text| {
                    let (operator, text) = modifiers.comparison(text);
                    one(target, operator, &text, key, node.span)
                })
                .collect();
            return Ok(Expr::Or(parts));
        }
    };
    Ok(Expr::Or(texts.iter().map(|text| one(target, operator, text, key, node.span)).collect()))
}

/// Fields whose values are numbers or addresses.
fn is_plain(target: Target) -> bool {
    matches!(
        target,
        Target::Field(
            "sf.net.dip"
                | "sf.net.sip"
                | "sf.net.dport"
                | "sf.net.sport"
                | "proc.pid"
                | "proc.ppid"
                | "user.loginuid"
        )
    )
}

/// Look-around and back-references of other engines are left out, not refused: Sigma's rules are shared.
fn check_regex(pattern: &str, span: Span) -> Result<(), Refusal> {
    match RegexBuilder::new(pattern).dot_matches_new_line(true).size_limit(1 << 20).build() {
        Ok(_) => Ok(()),
        Err(_) => Err(Refusal::cannot(span, "its regular expression is not one of RE2's kind")),
    }
}

fn exists(target: Target, key: Span) -> Expr {
    match target {
        Target::Field(name) => Expr::Exists(FieldName::plain(name, None, key)),
        _ => Expr::Or(vec![
            Expr::Exists(FieldName::plain("sf.file.newpath", None, key)),
            Expr::Exists(FieldName::plain("sf.file.path", None, key)),
        ]),
    }
}

fn one(target: Target, operator: Operator, text: &str, key: Span, span: Span) -> Expr {
    let word = Word { text: text.to_owned(), quoted: true, span };
    each(target, key, |field| Comparison {
        field,
        operator,
        operator_span: key,
        operand: Operand::One(word.clone()),
    })
}

/// A comparison of the one field, or of the name that a file has afterwards.
fn each(target: Target, key: Span, compare: impl Fn(FieldName) -> Comparison) -> Expr {
    let with = |name: &str| Expr::Compare(Box::new(compare(FieldName::plain(name, None, key))));
    match target {
        Target::Field(name) => with(name),
        _ => Expr::Or(vec![
            with("sf.file.newpath"),
            Expr::And(vec![self::compare("sf.type", Operator::Equal, "FF", key, key), with("sf.file.path")]),
        ]),
    }
}

fn compare(field: &str, operator: Operator, text: &str, key: Span, span: Span) -> Expr {
    let word = Word { text: text.to_owned(), quoted: true, span };
    let field = FieldName::plain(field, None, key);
    Expr::Compare(Box::new(Comparison { field, operator, operator_span: key, operand: Operand::One(word) }))
}
