//! What helps people to write a condition: its fields and operators, and what is wrong with it.

use std::sync::LazyLock;

use axum::Json;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sysflow_policy::{Condition, Diagnostic, FieldClass, Severity};

use super::extract::Body;
use super::{Problem, etag};

/// Longest condition that is looked at.
pub(super) const MAX_CONDITION: usize = 16 << 10;

/// What a condition can be made of.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Vocabulary {
    fields: Vec<Field>,
    /// Signs and words between a field and its values, and between conditions.
    operators: Vec<&'static str>,
}

/// A field that a condition can name.
#[derive(Debug, Serialize, JsonSchema)]
struct Field {
    /// Without an argument.
    name: &'static str,
    /// Of its values: text, number, boolean, address, or a list of these.
    r#type: &'static str,
    /// One line; for a field of Falco, how the answer differs from Falco's, if it does.
    description: &'static str,
    class: Class,
    /// Whether rules can ask for it.
    live: bool,
    /// Whether history can be asked for it.
    stored: bool,
}

/// Where a field comes from.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "FieldClass")]
enum Class {
    /// The record itself.
    Attribute,
    /// What was seen before the record.
    Stateful,
    /// A name of Falco's for what the record says.
    Falco,
}

/// A condition to look at.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// In the language of the rules.
    #[schemars(length(max = MAX_CONDITION))]
    condition: String,
}

/// What is wrong with a condition, if anything is.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "ConditionReport")]
pub(super) struct Report {
    /// Whether it can be used.
    ok: bool,
    /// What is wrong first.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// First byte of what is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<usize>,
    /// First byte after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<usize>,
    /// What to write instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<String>,
    /// Further facts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
}

pub(super) async fn fields(headers: HeaderMap) -> Response {
    static BODY: LazyLock<String> =
        LazyLock::new(|| serde_json::to_string(&vocabulary()).unwrap_or_default());
    etag::answer(&headers, BODY.clone())
}

pub(super) async fn check(Body(asked): Body<Asked>) -> Result<Json<Report>, Problem> {
    if asked.condition.len() > MAX_CONDITION {
        let detail = format!("at most {MAX_CONDITION} bytes are looked at");
        return Err(Problem::new(StatusCode::BAD_REQUEST, "the condition is too long", detail));
    }
    super::blocking(move || report(&asked.condition)).await.map(Json)
}

fn vocabulary() -> Vocabulary {
    let fields = sysflow_policy::fields().map(|field| Field {
        name: field.name,
        r#type: field.value_type,
        description: field.doc,
        class: match field.class {
            FieldClass::Attribute => Class::Attribute,
            FieldClass::Stateful => Class::Stateful,
            FieldClass::Falco => Class::Falco,
        },
        live: true,
        stored: field.class != FieldClass::Stateful,
    });
    Vocabulary { fields: fields.collect(), operators: sysflow_policy::operators().collect() }
}

fn report(condition: &str) -> Report {
    let nothing = Report { ok: true, message: None, start: None, end: None, help: None, notes: Vec::new() };
    let Err(problems) = Condition::parse(condition) else { return nothing };
    let Some(first) = problems.iter().find(|problem| problem.severity == Severity::Error) else {
        return nothing;
    };
    let (start, end) = place(condition, first);
    Report {
        ok: false,
        message: Some(first.message.clone()),
        start: Some(start),
        end: Some(end),
        help: first.help.clone(),
        notes: first.notes.clone(),
    }
}

/// Bytes that a problem means: it counts lines and characters.
fn place(text: &str, problem: &Diagnostic) -> (usize, usize) {
    let before = text.split_inclusive('\n').take(problem.line as usize - 1).map(str::len).sum::<usize>();
    let line = &text[before..];
    let at = |column: usize| line.char_indices().nth(column).map_or(text.len(), |(byte, _)| before + byte);
    let column = problem.column as usize - 1;
    let start = at(column);
    (start, at(column + problem.width as usize).max(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_told_with_its_bytes() {
        assert!(report("sf.opflags = EXEC and proc.name in (sh, bash)").ok);
        for (condition, meant, says) in [
            ("proc.nme = sh", "proc.nme", "proc.nme"),
            ("proc.name = sh\n  and é.x = 1", "é.x", "é.x"),
            ("proc.name = \"é\" and proc.nme = 1", "proc.nme", "proc.nme"),
            ("proc.name = sh and", "", ""),
            ("", "", ""),
            ("(proc.name = sh", "", ""),
        ] {
            let report = report(condition);
            let (start, end) = (report.start.unwrap(), report.end.unwrap());
            assert!(!report.ok && start <= end && end <= condition.len(), "{condition:?}: {report:?}");
            let shown = &condition[start..end];
            assert!(meant.is_empty() || shown == meant, "{condition:?}: {shown:?}");
            assert!(report.message.unwrap().contains(says), "{condition:?}");
        }
        assert_eq!(
            report("proc.nme = sh").help.as_deref().map(|help| help.contains("proc.name")),
            Some(true)
        );
    }

    #[test]
    fn hostile_conditions_are_answered() {
        for hostile in ["(".repeat(MAX_CONDITION), "not ".repeat(4000), "\u{202e}\0\u{7f}\r\n\n".repeat(100)]
        {
            let report = report(&hostile);
            assert!(!report.ok && report.end.unwrap() <= hostile.len());
        }
    }
}
