//! Values put together from others: `join`, `concat`, `getopt` and lists.

use std::borrow::Cow;

use super::Value;
use crate::syntax::Combine;

/// What `combine` makes of its arguments; absent when one of them is, as in Falco.
pub(super) fn value<'a>(combine: &Combine, option: Option<char>, arguments: Vec<Value<'a>>) -> Value<'a> {
    if arguments.iter().any(|argument| matches!(argument, Value::Absent)) {
        return Value::Absent;
    }
    let mut arguments = arguments.into_iter();
    match combine {
        Combine::Text(text) => Value::owned(text.as_str()),
        Combine::List => Value::Strs(arguments.flat_map(texts).collect()),
        Combine::Concat => Value::owned(arguments.flat_map(texts).collect::<String>()),
        Combine::Join => {
            let separator = arguments.next().map(texts).unwrap_or_default().concat();
            Value::owned(arguments.flat_map(texts).collect::<Vec<_>>().join(&separator))
        }
        Combine::GetOpt => {
            // A command line is one text in a record.
            let words: Vec<Cow<'_, str>> = match arguments.next() {
                Some(Value::Str(line)) => {
                    line.split_whitespace().map(|word| word.to_owned().into()).collect()
                }
                Some(list) => texts(list),
                None => Vec::new(),
            };
            let letters = arguments.next().map(texts).unwrap_or_default().concat();
            let found = options(&words, &letters);
            option.map_or_else(|| all(&found), |letter| last(&found, letter))
        }
    }
}

/// The value of the option: the last one counts, as for the programs that read them.
fn last<'a>(found: &[Found], letter: char) -> Value<'a> {
    let option = found.iter().rfind(|option| option.letter == Some(letter));
    option.map_or(Value::Absent, |option| match &option.value {
        Given::Nothing => Value::owned(letter),
        Given::Value(value) => Value::owned(value.as_str()),
        Given::Missing => Value::owned(""),
    })
}

/// Letters and values in order.
fn all<'a>(found: &[Found]) -> Value<'a> {
    let mut shown = Vec::with_capacity(found.len());
    for option in found {
        if !matches!(option.value, Given::Missing) {
            shown.push(Cow::Owned(option.letter.unwrap_or('?').to_string()));
        }
        match &option.value {
            Given::Nothing => {}
            Given::Value(value) => shown.push(Cow::Owned(value.clone())),
            Given::Missing => shown.push(Cow::Borrowed("")),
        }
    }
    Value::Strs(shown)
}

fn texts(value: Value<'_>) -> Vec<Cow<'_, str>> {
    match value {
        Value::Absent => Vec::new(),
        Value::Str(text) => vec![text],
        Value::Strs(list) => list,
        Value::Int(number) => vec![number.to_string().into()],
        Value::Bool(truth) => vec![truth.to_string().into()],
        Value::Ints(list) => list.iter().map(|number| number.to_string().into()).collect(),
        Value::Ips(list) => list.iter().flatten().map(|ip| ip.to_string().into()).collect(),
    }
}

/// An option of a command line.
struct Found {
    /// `None`: a letter that is no option.
    letter: Option<char>,
    value: Given,
}

enum Given {
    /// The option takes no value.
    Nothing,
    Value(String),
    /// It takes one, and the command line ends before it.
    Missing,
}

/// Options of `words` with their values, by the rules of getopt(3): `letters` names the known ones, a colon behind one
/// says that it takes a value. Long options are passed over; the first word that is no option ends the search.
fn options(words: &[Cow<'_, str>], letters: &str) -> Vec<Found> {
    let letters: Vec<char> = letters.strip_prefix(':').unwrap_or(letters).chars().collect();
    let mut found = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if word == "--" {
            break;
        }
        let Some(cluster) = word.strip_prefix('-').filter(|rest| !rest.is_empty()) else { break };
        if cluster.starts_with('-') {
            continue;
        }
        let mut rest = cluster.chars();
        while let Some(letter) = rest.next() {
            let Some(at) = letters.iter().position(|known| *known == letter && letter != ':') else {
                found.push(Found { letter: None, value: Given::Nothing });
                continue;
            };
            if letters.get(at + 1) != Some(&':') {
                found.push(Found { letter: Some(letter), value: Given::Nothing });
                continue;
            }
            let value = match rest.as_str() {
                "" => words.next().map_or(Given::Missing, |word| Given::Value(word.to_string())),
                attached => Given::Value(attached.to_owned()),
            };
            found.push(Found { letter: Some(letter), value });
            break;
        }
    }
    found
}
