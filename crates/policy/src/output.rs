//! Outputs of alerts: text with `%field` in it.

use sysflow::Joined;

use crate::{
    context::{Context, NoContext},
    field::{Field, FieldError},
    source::Span,
    syntax::{self, Combine, Function},
};

/// The output of a rule, ready to be filled in for a record.
#[derive(Debug)]
pub struct Output {
    parts: Vec<Part>,
}

#[derive(Debug)]
enum Part {
    Text(String),
    /// The field, or for one that records cannot answer its name alone.
    Field(Result<Field, String>),
}

/// A `%field` that is wrong, or that records cannot answer, and where in the text it stands.
#[derive(Debug)]
pub(crate) struct FieldProblem {
    pub(crate) range: std::ops::Range<usize>,
    pub(crate) name: String,
    pub(crate) error: FieldError,
}

impl Output {
    /// Parses a template; the problems name fields that will show as `<NA>`.
    pub(crate) fn parse(template: &str) -> (Self, Vec<FieldProblem>) {
        // Falco prints `<NA>` for absent fields only behind this sign; an output without it may be dropped.
        let text = template.strip_prefix('*').unwrap_or(template);
        let shift = template.len() - text.len();
        let mut output = Self { parts: Vec::new() };
        let mut problems = Vec::new();
        let mut plain = 0;
        let mut from = 0;
        while let Some(found) = text[from..].find('%') {
            let start = from + found;
            let (name_end, end, argument) = field_at(text, start + 1);
            if name_end == start + 1 {
                from = end;
                continue;
            }
            let name = &text[start + 1..name_end];
            let (end, found) = match function_at(text, start + 1) {
                Some((end, found)) => (end, found),
                None => (end, Field::find(name, argument).map_err(|error| (name.to_owned(), error))),
            };
            from = end;
            let field = found.map_err(|(name, error)| {
                problems.push(FieldProblem { range: shift + start..shift + end, name, error });
                text[start + 1..end].to_owned()
            });
            // Both `*%field` and `%field` show an absent field as `<NA>`.
            let before = &text[plain..start];
            output.text(before.strip_suffix('*').unwrap_or(before));
            output.parts.push(Part::Field(field));
            plain = end;
        }
        output.text(&text[plain..]);
        (output, problems)
    }

    /// A text without fields.
    pub(crate) fn plain(text: &str) -> Self {
        let mut output = Self { parts: Vec::new() };
        output.text(text);
        output
    }

    /// The text for `record`: absent fields as `<NA>`; printable ASCII only, everything else escaped.
    pub fn format(&self, record: &Joined<'_>) -> String {
        self.format_in(record, &NoContext)
    }

    /// The same with what was seen before `record`, for stateful attributes.
    pub fn format_in(&self, record: &Joined<'_>, context: &dyn Context) -> String {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(plain) => text.push_str(plain),
                Part::Field(Err(_)) => text.push_str(ABSENT),
                Part::Field(Ok(field)) => match field.shown(record, context).render() {
                    Some(value) => escape_into(&value, &mut text),
                    None => text.push_str(ABSENT),
                },
            }
        }
        text
    }

    /// Names of the fields in it and their values for `record`, `None` for absent ones.
    pub fn fields<'o>(&'o self, record: &Joined<'_>) -> impl Iterator<Item = (&'o str, Option<String>)> {
        self.parts.iter().filter_map(move |part| match part {
            Part::Text(_) => None,
            Part::Field(Err(name)) => Some((name.as_str(), None)),
            Part::Field(Ok(field)) => Some((
                field.name.as_str(),
                field.shown(record, &NoContext).render().map(std::borrow::Cow::into_owned),
            )),
        })
    }

    fn text(&mut self, text: &str) {
        if !text.is_empty() {
            let mut plain = String::with_capacity(text.len());
            escape_into(text, &mut plain);
            self.parts.push(Part::Text(plain));
        }
    }
}

const ABSENT: &str = "<NA>";

/// From `start`: end of the name, end of the whole with `[argument]`, and the argument.
fn field_at(text: &str, start: usize) -> (usize, usize, Option<&str>) {
    let rest = &text[start..];
    let len = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.')).unwrap_or(rest.len());
    // A full stop after a field ends the sentence.
    let name_end = start + rest[..len].trim_end_matches('.').len();
    if let Some(argument) = text[name_end..].strip_prefix('[')
        && let Some(close) = argument.find(']')
    {
        return (name_end, name_end + close + 2, Some(&argument[..close]));
    }
    (name_end, name_end, None)
}

/// What is wrong with a field, and the part of it that is meant.
type Named = (String, FieldError);

/// `tolower(proc.name)` from `start`, and where it ends; `None` when no function stands there.
fn function_at(text: &str, start: usize) -> Option<(usize, Result<Field, Named>)> {
    let rest = &text[start..];
    let open = rest.find('(')?;
    let known = Function::NAMES.iter().any(|(name, _)| *name == &rest[..open])
        || Combine::NAMES.iter().any(|(name, _)| *name == &rest[..open]);
    if !known {
        return None;
    }
    // Ranges within the function are not told: an output is short.
    let nowhere = |_| Span { source: 0, start: 0, end: 0 };
    let (end, found) = match syntax::parse_field(rest, &nowhere) {
        Ok((name, len)) => {
            let field = Field::compile(&name).map_err(|wrong| (wrong.at.name.clone(), wrong.error));
            (len, field)
        }
        Err(error) => (open, Err((rest[..open].to_owned(), FieldError::Argument(error.message)))),
    };
    Some((start + end, found))
}

/// Values come from the monitored host: nothing of them may move a cursor or break a line.
fn escape_into(value: &str, text: &mut String) {
    for c in value.chars() {
        match c {
            ' '..='~' => text.push(c),
            _ => text.extend(c.escape_default()),
        }
    }
}
