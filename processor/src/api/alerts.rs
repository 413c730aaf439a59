//! `/api/v1/alerts`.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::Value;
use sysflow::GraphId;

use super::extract::Params;
pub(super) use super::extract::bad_query;
use super::{App, Problem};

/// Most entries of one answer.
pub(super) const MAX_LIMIT: usize = 1000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    graph: Option<String>,
    limit: Option<usize>,
}

pub(super) async fn list(
    State(app): State<App>,
    Params(asked): Params<Asked>,
) -> Result<Json<Value>, Problem> {
    if asked.graph.as_deref().is_some_and(|graph| GraphId::parse(graph).is_none()) {
        return Err(bad_query("graph: 32 hex digits are expected"));
    }
    let limit = asked.limit.unwrap_or(100).min(MAX_LIMIT);
    let (alerts, total) = {
        let state = app.world.lock();
        let graph = asked.graph.as_deref();
        (state.alerts.newest(graph, limit), state.alerts.count(graph))
    };
    let alerts: Vec<Value> = alerts.iter().map(|alert| alert.value()).collect();
    Ok(Json(serde_json::json!({ "alerts": alerts, "total": total })))
}
