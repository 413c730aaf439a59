//! `/api/v1/graphs` and `/api/v1/graphs/{id}`.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use schemars::JsonSchema;
use serde::Deserialize;
use sysflow::GraphId;
use sysflow_graph::{Document, Listing};

use super::alerts::{MAX_LIMIT, bad_query};
use super::{App, Problem, etag, foreign};
use crate::alert::Alert;
use crate::world::World;

/// Longest text to search for.
const MAX_WORDS: usize = 256;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ListAsked {
    #[serde(default)]
    q: String,
    limit: Option<usize>,
}

/// Which part of a graph: a window of time, or what is near a time or node.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OneAsked {
    from: Option<i64>,
    to: Option<i64>,
    around: Option<String>,
    depth: Option<usize>,
    max_nodes: Option<usize>,
}

pub(super) async fn list(
    State(app): State<App>,
    asked: Result<Query<ListAsked>, QueryRejection>,
) -> Result<Json<Listing>, Problem> {
    let Query(asked) = asked.map_err(|e| bad_query(&e.body_text()))?;
    if asked.q.len() > MAX_WORDS {
        return Err(bad_query("q: at most 256 bytes"));
    }
    let limit = asked.limit.unwrap_or(100).min(MAX_LIMIT);
    blocking(move || app.world.lock().graphs.list(&asked.q, limit)).await.map(Json)
}

pub(super) async fn one(
    State(app): State<App>,
    Path(id): Path<String>,
    asked: Result<Query<OneAsked>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Query(asked) = asked.map_err(|e| bad_query(&e.body_text()))?;
    let Some(graph) = GraphId::parse(&id) else {
        return Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "no graph id",
            "32 lower-case hex digits are expected",
        ));
    };
    let query = asked.query()?;
    let body = blocking(move || {
        document(&app.world, graph, &query).map(|document| serde_json::to_string(&document).unwrap_or_default())
    })
    .await?
    .ok_or_else(|| {
        let detail = "it has not been seen, or was forgotten to make room for newer ones; /api/v1/graphs lists those in memory";
        Problem::new(StatusCode::NOT_FOUND, format!("no graph {graph}"), detail)
    })?;
    Ok(etag::answer(&headers, body))
}

impl OneAsked {
    fn query(self) -> Result<sysflow_graph::Query, Problem> {
        let around = match self.around.as_deref().map(str::parse) {
            None => None,
            Some(Ok(around)) => Some(around),
            Some(Err(error)) => return Err(bad_query(&format!("{error}"))),
        };
        Ok(sysflow_graph::Query {
            from: self.from,
            to: self.to,
            around,
            depth: self.depth,
            max_nodes: self.max_nodes,
        })
    }
}

/// One graph with its alerts, those of the nodes that are shown.
pub fn document(world: &World, id: GraphId, query: &sysflow_graph::Query) -> Option<Document> {
    let state = world.lock();
    let mut document = state.graphs.document(id, query)?;
    let whole = *query == sysflow_graph::Query::default();
    let mut alerts = state.alerts.newest(Some(&id.to_string()), usize::MAX);
    drop(state);
    foreign::place(&mut document, &alerts);
    let shown = document.alert_ids();
    let is_shown = |alert: &Arc<Alert>| whole || shown.binary_search(&alert.id.as_str()).is_ok();
    alerts.retain(is_shown);
    alerts.reverse();
    document.alerts = alerts.iter().map(|alert| alert.value()).collect();
    Some(document)
}

/// Drawing a large graph takes milliseconds: not on the threads that answer everybody.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!(%error, "a request's work panicked; please report this");
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the graph could not be drawn",
            "the log has more; please report this",
        )
    })
}
