//! `/api/v1/rules`.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};
use sysflow_policy::Status;

use super::{App, Problem};
use crate::rules::{Failed, Rules, reason, status};
use crate::time;

/// Every rule of the files: what became of it, and what it did so far.
pub(super) async fn list(State(app): State<App>) -> Result<Json<Value>, Problem> {
    let rules = app.world.rules().ok_or_else(|| {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "no rules yet",
            "the service is starting; try again in a second",
        )
    })?;
    Ok(Json(document(rules)))
}

fn document(rules: &Rules) -> Value {
    let judge = rules.current();
    let listed: Vec<_> = judge
        .rules()
        .reports()
        .iter()
        .map(|report| {
            let usage = report.id.map(|id| judge.counts().usage(id, judge.rule(id))).unwrap_or_default();
            json!({
                "name": report.rule,
                "priority": report.priority.as_str(),
                "tags": report.tags,
                "source": report.source,
                "file": report.file,
                "enabled": report.status != Status::Disabled,
                "matches": usage.matches,
                "records": usage.records,
                "nanoseconds": usage.nanoseconds,
                "status": status(report),
                "reason": reason(report),
            })
        })
        .collect();
    json!({
        "rules": listed,
        "loaded_at": rfc3339(judge.loaded_at()),
        "files": judge.files(),
        "error": rules.failed().as_ref().map(error),
    })
}

fn error(failed: &Failed) -> Value {
    let problems: Vec<_> = failed
        .failure
        .problems
        .iter()
        .map(|problem| {
            json!({
                "file": problem.file,
                "line": problem.line,
                "column": problem.column,
                "message": problem.message,
                "help": problem.help,
            })
        })
        .collect();
    json!({ "at": rfc3339(failed.at), "message": failed.failure.message, "problems": problems })
}

fn rfc3339(at: SystemTime) -> String {
    let ns = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    time::rfc3339(i64::try_from(ns).unwrap_or(i64::MAX))
}
