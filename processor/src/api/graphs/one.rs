//! `/api/v1/graphs/{id}`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use schemars::JsonSchema;
use serde::Deserialize;
use sysflow::GraphId;
use sysflow_graph::Document;

use super::super::extract::{Graph, Params};
use super::super::{App, Problem, etag, foreign, query};
use super::find::{unknown, wrong};
use crate::alert::Alert;
use crate::world::World;

/// Which part of a graph: a window of time, or what is near a time or node.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct OneAsked {
    from: Option<i64>,
    to: Option<i64>,
    around: Option<String>,
    depth: Option<usize>,
    max_nodes: Option<usize>,
}

pub(super) async fn one(
    State(app): State<App>,
    Graph(graph): Graph,
    Params(asked): Params<OneAsked>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let asked = asked.query()?;
    let (world, wanted) = (Arc::clone(&app.world), asked.clone());
    let live = super::super::blocking(move || {
        document(&world, graph, &wanted).map(|document| serde_json::to_string(&document).unwrap_or_default())
    })
    .await?;
    let body = match (live, &app.history) {
        (None, Some(history)) => query::graph(history, graph, &asked).await?,
        (live, _) => live,
    };
    Ok(etag::answer(&headers, body.ok_or_else(|| unknown(graph))?))
}

impl OneAsked {
    fn query(self) -> Result<sysflow_graph::Query, Problem> {
        let around = self.around.as_deref().map(str::parse).transpose().map_err(wrong)?;
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
    let snapshot = world.lock().graphs.snapshot(id)?;
    let document = snapshot.document(query);
    // An alert whose node the graph had no room for is one of the whole graph all the same.
    let whole = *query == sysflow_graph::Query::default();
    Some(alerted(world, id, document, whole))
}

/// The document with the alerts of its nodes, oldest first.
pub(super) fn with_alerts(world: &World, id: GraphId, document: Document) -> Document {
    alerted(world, id, document, false)
}

fn alerted(world: &World, id: GraphId, mut document: Document, whole: bool) -> Document {
    let mut alerts = world.lock().alerts.newest(Some(&id.to_string()), usize::MAX);
    foreign::place(&mut document, &alerts);
    let shown = document.alert_ids();
    let is_shown = |alert: &Arc<Alert>| whole || shown.binary_search(&alert.id.as_str()).is_ok();
    alerts.retain(is_shown);
    alerts.reverse();
    document.alerts = alerts.iter().map(|alert| alert.value()).collect();
    document
}
