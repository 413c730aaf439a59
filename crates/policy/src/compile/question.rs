//! Questions: an operator and its values, checked against the type of the field that is asked.

use regex::RegexBuilder;
use sysflow::record::Kind;

use super::{
    atom::Test,
    pattern::{Glob, PathSet},
};
use crate::{
    field::{
        Field, Role, Type,
        net::Network,
        ops::{OPS, Op, OpMasks},
    },
    file::Problems,
    kinds::KindSet,
    suggest::did_you_mean,
    syntax::{Comparison, Operator, Word},
};

/// Compiled size of one regular expression in bytes.
const REGEX_SIZE: usize = 1 << 20;

/// `None`: what is wrong was reported.
type Built<T> = Option<T>;

/// The question, and the kinds of records on which its answer can be yes.
pub(super) fn test(
    field: &Field,
    comparison: &Comparison,
    words: &[Word],
    problems: &mut Problems<'_>,
) -> Built<(Test, KindSet)> {
    let operator = comparison.operator;
    let equality =
        matches!(operator, Operator::Equal | Operator::NotEqual | Operator::In | Operator::Intersects);
    let narrow = |kinds: KindSet| if operator == Operator::NotEqual { field.kinds } else { kinds };
    if equality {
        match field.role {
            Role::RecordKind => {
                let kinds = record_kinds(words, problems)?;
                return Some((texts(words), narrow(kinds)));
            }
            Role::Operation => {
                let masks = operations(words, problems)?;
                return Some((Test::Operation(masks), narrow(masks.kinds())));
            }
            Role::SystemCall => {
                let asked = |op: &Op| op.calls.iter().any(|call| has(words, call));
                let masks = OpMasks::of(asked);
                // One bit stands for several calls that differ much; the record's argument tells them apart.
                let told = OPS.iter().any(|op| op.told && asked(op));
                let test =
                    if told { Test::Call(masks, Box::new(texts(words))) } else { Test::Operation(masks) };
                return Some((test, narrow(masks.kinds())));
            }
            Role::None | Role::Program | Role::Constant(_) => {}
        }
    }
    let test = match field.value_type {
        Type::Address if equality => {
            let networks: Option<Vec<_>> =
                words.iter().map(|word| value(word, field, Network::parse(&word.text), problems)).collect();
            Test::Within(networks?.into())
        }
        Type::Text | Type::Address => text_test(operator, words, problems, comparison)?,
        Type::Number => number_test(field, comparison, words, problems)?,
        Type::Truth if equality => {
            let parsed: Option<Vec<bool>> =
                words.iter().map(|word| value(word, field, truth(&word.text), problems)).collect();
            let parsed = parsed?;
            let first = parsed.first().copied().unwrap_or_default();
            if parsed.iter().any(|other| *other != first) { Test::Exists } else { Test::Truth(first) }
        }
        Type::Truth => return wrong_operator(field, comparison, problems),
    };
    let test = if field.role == Role::Program { Test::Program(Box::new(test)) } else { test };
    Some((test, field.kinds))
}

/// How asking for these system calls differs from asking Falco.
pub(super) fn call_notes(words: &[Word]) -> Vec<String> {
    let mut notes = Vec::new();
    let list = |calls: &[&str]| calls.iter().map(|call| format!("`{call}`")).collect::<Vec<_>>().join(", ");
    for op in OPS.iter().filter(|op| !op.told && op.calls.iter().any(|call| has(words, call))) {
        let (asked, others): (Vec<&str>, Vec<&str>) =
            op.calls.iter().copied().partition(|call| has(words, call));
        if !others.is_empty() {
            notes.push(format!("evt.type: records do not tell {} from {}", list(&asked), list(&others)));
        }
        let flows = KindSet::of(&[Kind::NetworkFlow, Kind::FileFlow]);
        if !op.kinds.intersection(flows).is_empty() {
            notes.push("evt.type: a flow matches once for all of its operations".to_owned());
        }
    }
    notes
}

fn has(words: &[Word], text: &str) -> bool {
    words.iter().any(|word| word.text == text)
}

fn texts(words: &[Word]) -> Test {
    match words {
        [only] => Test::Is(only.text.as_str().into()),
        _ => Test::IsOneOf(words.iter().map(|word| word.text.as_str().into()).collect()),
    }
}

fn text_test(
    operator: Operator,
    words: &[Word],
    problems: &mut Problems<'_>,
    comparison: &Comparison,
) -> Built<Test> {
    let first = &words[0];
    let text: Box<str> = first.text.as_str().into();
    Some(match operator {
        Operator::Equal | Operator::NotEqual | Operator::In | Operator::Intersects => texts(words),
        Operator::Contains => Test::Contains(text),
        Operator::IContains => Test::IContains(text.to_ascii_lowercase().into()),
        Operator::StartsWith => Test::StartsWith(text),
        Operator::EndsWith => Test::EndsWith(text),
        Operator::Glob | Operator::IGlob => {
            if ["?(", "*(", "+(", "@(", "!("].iter().any(|start| text.contains(start)) {
                problems.error(first.span, "groups such as `@(a|b)` are not supported in globs; use `regex`");
                return None;
            }
            Test::Glob(Glob::new(&text, operator == Operator::IGlob))
        }
        Operator::Regex => {
            // Falco anchors regular expressions at both ends.
            match RegexBuilder::new(&format!("^(?:{text})$"))
                .dot_matches_new_line(true)
                .size_limit(REGEX_SIZE)
                .build()
            {
                Ok(regex) => Test::Regex(Box::new(regex)),
                Err(error) => {
                    let reason = match error {
                        regex::Error::CompiledTooBig(_) => "it is too large".to_owned(),
                        other => {
                            let text = other.to_string();
                            let last = text.lines().last().unwrap_or_default().trim();
                            last.trim_start_matches("error: ").to_owned()
                        }
                    };
                    problems.error(first.span, format!("this is no regular expression: {reason}"));
                    return None;
                }
            }
        }
        Operator::BContains | Operator::BStartsWith => {
            let Some(bytes) = bytes(&text) else {
                problems.error(first.span, "expected bytes as hexadecimal digits, such as `cafe01`");
                return None;
            };
            if operator == Operator::BContains { Test::BContains(bytes) } else { Test::BStartsWith(bytes) }
        }
        Operator::PathMatch => Test::Below(PathSet::new(words.iter().map(|word| word.text.as_str()))),
        Operator::Less | Operator::LessEqual | Operator::Greater | Operator::GreaterEqual => {
            let message =
                format!("`{}` compares numbers, and `{}` is text", operator.as_str(), comparison.field.name);
            problems.error(comparison.operator_span, message);
            return None;
        }
    })
}

fn number_test(
    field: &Field,
    comparison: &Comparison,
    words: &[Word],
    problems: &mut Problems<'_>,
) -> Built<Test> {
    match comparison.operator {
        Operator::Contains
        | Operator::IContains
        | Operator::StartsWith
        | Operator::EndsWith
        | Operator::Glob
        | Operator::IGlob
        | Operator::Regex
        | Operator::BContains
        | Operator::BStartsWith
        | Operator::PathMatch => wrong_operator(field, comparison, problems),
        operator => {
            let parsed: Option<Vec<i64>> =
                words.iter().map(|word| value(word, field, number(&word.text), problems)).collect();
            let mut parsed = parsed?;
            if let (false, [only]) = (operator.takes_list(), parsed.as_slice()) {
                return Some(Test::Number(operator, *only));
            }
            parsed.sort_unstable();
            Some(Test::NumberIn(parsed.into()))
        }
    }
}

fn wrong_operator<T>(field: &Field, comparison: &Comparison, problems: &mut Problems<'_>) -> Built<T> {
    let message = format!(
        "`{}` compares texts, and `{}` is {}",
        comparison.operator.as_str(),
        field.name,
        field.value_type.as_str()
    );
    problems.error(comparison.operator_span, message);
    None
}

fn value<T>(word: &Word, field: &Field, parsed: Option<T>, problems: &mut Problems<'_>) -> Built<T> {
    if parsed.is_none() {
        let message =
            format!("`{}` is {}, and `{}` is not", field.name, field.value_type.as_str(), word.text);
        problems.error(word.span, message);
    }
    parsed
}

fn number(text: &str) -> Option<i64> {
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    match hex {
        Some(digits) => i64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// At least one byte, two hexadecimal digits each.
fn bytes(text: &str) -> Option<Box<[u8]>> {
    if text.is_empty() || !text.len().is_multiple_of(2) || !text.bytes().all(|byte| byte.is_ascii_hexdigit())
    {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

fn record_kinds(words: &[Word], problems: &mut Problems<'_>) -> Built<KindSet> {
    let judged = || KindSet::JUDGED.iter().map(Kind::as_str);
    let mut kinds = KindSet::NONE;
    for word in words {
        let Some(kind) = KindSet::JUDGED.iter().find(|kind| kind.as_str() == word.text) else {
            let names = judged().collect::<Vec<_>>().join(", ");
            let message = format!("`{}` is no kind of event or flow", word.text);
            problems.error_help(word.span, message, Some(format!("one of {names}")));
            return None;
        };
        kinds = kinds.union(KindSet::of(&[kind]));
    }
    Some(kinds)
}

fn operations(words: &[Word], problems: &mut Problems<'_>) -> Built<OpMasks> {
    for word in words {
        if !OPS.iter().any(|op| op.name == word.text) {
            let names = || OPS.iter().map(|op| op.name);
            let help = did_you_mean(&word.text, names()).or_else(|| {
                let upper = word.text.to_ascii_uppercase();
                names().find(|name| *name == upper).map(|name| format!("did you mean `{name}`?"))
            });
            problems.error_help(word.span, format!("there is no operation `{}`", word.text), help);
            return None;
        }
    }
    Some(OpMasks::of(|op| has(words, op.name)))
}
