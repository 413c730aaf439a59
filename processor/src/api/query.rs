//! `POST /api/v1/query`: what was recorded, stored and live, by a condition of the rules or by SQL.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use sysflow::GraphId;
use sysflow_store::{History, Limits, What};

use super::extract::Body;
use super::{App, Problem};
use crate::store::{drawn, time};

/// Most rows of one answer.
const MAX_ROWS: usize = 10_000;

/// Rows of an answer when the request does not say.
const ROWS: usize = 1_000;

/// Rows that are read for a graph.
const GRAPH_ROWS: usize = 500_000;

/// Time and memory of one question.
const TIME: Duration = Duration::from_secs(20);
const MEMORY: usize = 256 << 20;

/// A question to what was recorded: a condition, or SQL where the service allows it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Query")]
pub(super) struct Asked {
    condition: Option<String>,
    sql: Option<String>,
    since: Option<String>,
    until: Option<String>,
    limit: Option<usize>,
    #[serde(rename = "as")]
    form: Option<Form>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Form {
    Rows,
    Graph,
}

pub(super) async fn ask(State(app): State<App>, Body(asked): Body<Asked>) -> Result<Json<Value>, Problem> {
    let history = app.history.as_ref().ok_or_else(|| {
        let detail = "nothing is stored: start the service with --store, and leave parquet.enabled on";
        Problem::new(StatusCode::NOT_FOUND, "there is no store", detail)
    })?;
    let form = asked.form.unwrap_or(Form::Rows);
    let what = match (asked.condition, asked.sql) {
        (Some(condition), None) => What::Condition(condition),
        (None, Some(_)) if !app.sql => {
            return Err(refused(StatusCode::FORBIDDEN, "SQL is off; api.sql: true allows it"));
        }
        (None, Some(_)) if form == Form::Graph => {
            return Err(refused(StatusCode::BAD_REQUEST, "a graph is drawn of a condition, not of SQL"));
        }
        (None, Some(sql)) => What::Sql(sql),
        _ => return Err(refused(StatusCode::BAD_REQUEST, "give either condition or sql")),
    };
    let newest = app.metrics.newest.load(std::sync::atomic::Ordering::Relaxed);
    let moment = |name: &str, text: Option<&str>| {
        text.map(|text| time::parse(text, newest))
            .transpose()
            .map_err(|why| refused(StatusCode::BAD_REQUEST, &format!("{name}: {why}")))
    };
    let (since, until) = (moment("since", asked.since.as_deref())?, moment("until", asked.until.as_deref())?);
    let rows = asked.limit.unwrap_or(ROWS).clamp(1, MAX_ROWS);
    let asked =
        sysflow_store::Asked { what, since, until, limits: Limits { time: TIME, memory: MEMORY, rows } };
    let answer = if form == Form::Graph {
        let limits = Limits { rows: GRAPH_ROWS, ..asked.limits };
        drawn::matches(history, &asked, &limits).await.map_err(problem)?
    } else {
        let answer = history.ask(&asked).await.map_err(problem)?;
        let (columns, rows) = answer.values();
        let columns: Vec<Value> =
            columns.into_iter().map(|(name, kind)| json!({ "name": name, "type": kind })).collect();
        json!({
            "columns": columns,
            "rows": rows,
            "truncated": answer.truncated,
            "scanned": { "files": answer.scanned.files, "rows": answer.scanned.rows },
            "elapsed_ms": answer.elapsed.as_millis() as u64,
        })
    };
    Ok(Json(answer))
}

/// A graph that is not live any more, as its rows tell it.
pub(super) async fn graph(
    history: &History,
    id: GraphId,
    query: &sysflow_graph::Query,
) -> Result<Option<String>, Problem> {
    let limits = Limits { time: TIME, memory: MEMORY, rows: GRAPH_ROWS };
    let document = history.document(id, query, &limits).await.map_err(problem)?;
    Ok(document.map(|document| serde_json::to_string(&document).unwrap_or_default()))
}

fn refused(status: StatusCode, why: &str) -> Problem {
    Problem::new(status, "the query cannot be asked", why)
}

fn problem(error: sysflow_store::Error) -> Problem {
    use sysflow_store::Error;
    match error {
        Error::Question(why) => refused(StatusCode::BAD_REQUEST, &why),
        Error::Limit(why) => Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "the query costs too much", why),
        error => {
            tracing::error!(%error, "a query failed");
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the query failed", "the log has more")
        }
    }
}
