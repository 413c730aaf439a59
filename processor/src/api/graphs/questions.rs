//! What is asked of one graph.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sysflow::GraphId;
use sysflow::format::{self, Judgement};
use sysflow_graph::Snapshot;

use super::super::alerts::MAX_LIMIT;
use super::super::extract::{Graph, Params, bad_query};
use super::super::{App, Problem, etag};
use super::ask::Asked;
use super::find::{blocking, condition, find, wrong};
use super::one::with_alerts;
use crate::world::World;

/// Bins of a time line, unless said otherwise.
const BINS: usize = 120;

/// A window of time.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct WindowAsked {
    from: Option<i64>,
    to: Option<i64>,
}

impl WindowAsked {
    pub(super) fn span(self) -> (i64, i64) {
        (self.from.unwrap_or(i64::MIN), self.to.unwrap_or(i64::MAX))
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct RecordsAsked {
    node: Option<String>,
    from: Option<i64>,
    to: Option<i64>,
    after: Option<u64>,
    limit: Option<usize>,
}

/// Records below a graph, in the order in which they came.
pub(super) async fn records(
    State(app): State<App>,
    Graph(id): Graph,
    Params(query): Params<RecordsAsked>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let limit = query.limit.unwrap_or(100).clamp(1, MAX_LIMIT);
    let body = blocking(&app, move |world| {
        let graph = find(world, id)?;
        let span = (query.from.unwrap_or(i64::MIN), query.to.unwrap_or(i64::MAX));
        let (mut records, mut last, mut more) = (Vec::new(), None, false);
        let each = |number: u64, node: Option<String>, joined: &sysflow::Joined<'_>| {
            if query.after.is_some_and(|after| number <= after) {
                return;
            }
            if records.len() >= limit {
                more = true;
                return;
            }
            let record = format::json(joined, &Judgement::default());
            let node = node.map_or(Value::Null, Value::String);
            records.push(format!("{{\"number\":{number},\"node\":{node},\"record\":{record}}}"));
            last = Some(number);
        };
        graph.records(query.node.as_deref(), span, each).map_err(wrong)?;
        let next = last.filter(|_| more).map_or(Value::Null, Value::from);
        let complete = graph.reaches(span.0);
        Ok(format!("{{\"records\":[{}],\"next\":{next},\"complete\":{complete}}}", records.join(",")))
    })
    .await?;
    Ok(etag::answer(&headers, body))
}

/// Alerts of a graph, oldest first.
pub(super) async fn alerts(
    State(app): State<App>,
    Graph(id): Graph,
    Params(query): Params<WindowAsked>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (from, to) = query.span();
    let body = blocking(&app, move |world| {
        find(world, id)?;
        let mut alerts = world.lock().alerts.newest(Some(&id.to_string()), usize::MAX);
        alerts.retain(|alert| (from..=to).contains(&alert.ts));
        alerts.reverse();
        let alerts: Vec<Value> = alerts.iter().map(|alert| alert.value()).collect();
        Ok(json!({ "alerts": alerts }).to_string())
    })
    .await?;
    Ok(etag::answer(&headers, body))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct TimelineAsked {
    from: Option<i64>,
    to: Option<i64>,
    bins: Option<usize>,
}

pub(super) async fn timeline(
    State(app): State<App>,
    Graph(id): Graph,
    Params(query): Params<TimelineAsked>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (from, to) = (query.from, query.to);
    answer(app, id, headers, move |graph, world| {
        let line = graph.timeline(from, to, query.bins.unwrap_or(BINS));
        let mut alerts = world.lock().alerts.newest(Some(&graph.id().to_string()), usize::MAX);
        alerts.retain(|alert| (line.from..=line.to).contains(&alert.ts));
        alerts.reverse();
        let tick = |alert: &std::sync::Arc<crate::alert::Alert>| {
            json!({
                "at": alert.ts.to_string(),
                "id": alert.id,
                "priority": alert.priority.as_str(),
                "rule": alert.rule,
            })
        };
        let mut body = serde_json::to_value(&line).unwrap_or_default();
        body["alerts"] = alerts.iter().map(tick).collect();
        Ok(body)
    })
    .await
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct TraceAsked {
    node: String,
    direction: String,
    at: Option<i64>,
}

pub(super) async fn trace(
    State(app): State<App>,
    Graph(id): Graph,
    Params(query): Params<TraceAsked>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let direction = query.direction.parse().map_err(wrong)?;
    answer(app, id, headers, move |graph, world| {
        let document = graph.trace(&query.node, direction, query.at).map_err(wrong)?;
        Ok(with_alerts(world, graph.id(), document))
    })
    .await
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct PathsAsked {
    from: String,
    to: String,
}

pub(super) async fn paths(
    State(app): State<App>,
    Graph(id): Graph,
    Params(query): Params<PathsAsked>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (from, to) = (condition("from", &query.from)?, condition("to", &query.to)?);
    answer(app, id, headers, move |graph, world| {
        let (mut from, mut to) = (Asked::new(&from), Asked::new(&to));
        let document = graph.paths(|joined| from.meets(joined), |joined| to.meets(joined));
        Ok(with_alerts(world, graph.id(), document))
    })
    .await
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct DiffAsked {
    other: String,
}

pub(super) async fn diff(
    State(app): State<App>,
    Graph(id): Graph,
    Params(query): Params<DiffAsked>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let other = GraphId::parse(&query.other)
        .ok_or_else(|| bad_query("other: 32 lower-case hex digits are expected"))?;
    answer(app, id, headers, move |graph, world| {
        let other = find(world, other)?;
        let document = graph.diff(&other, &sysflow_graph::Query::default());
        Ok(with_alerts(world, graph.id(), document))
    })
    .await
}

pub(super) async fn attack(
    State(app): State<App>,
    Graph(id): Graph,
    Params(query): Params<WindowAsked>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    answer(app, id, headers, move |graph, _| Ok(graph.attack(query.span()))).await
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct TrafficAsked {
    node: Option<String>,
    from: Option<i64>,
    to: Option<i64>,
}

pub(super) async fn traffic(
    State(app): State<App>,
    Graph(id): Graph,
    Params(query): Params<TrafficAsked>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    answer(app, id, headers, move |graph, _| {
        let span = (query.from.unwrap_or(i64::MIN), query.to.unwrap_or(i64::MAX));
        graph.traffic(query.node.as_deref(), span).map_err(wrong)
    })
    .await
}

pub(super) async fn projection(
    State(app): State<App>,
    Graph(id): Graph,
    Params(query): Params<WindowAsked>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    answer(app, id, headers, move |graph, _| Ok(graph.projection(query.span()))).await
}

/// How a graph hangs together with the others in memory.
pub(super) async fn links(
    State(app): State<App>,
    Graph(id): Graph,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    answer(app, id, headers, move |graph, world| {
        let others = world.lock().graphs.snapshots();
        Ok(graph.links(&others))
    })
    .await
}

/// What `ask` says of graph `id`.
async fn answer<T: Serialize + 'static>(
    app: App,
    id: GraphId,
    headers: HeaderMap,
    ask: impl FnOnce(&Snapshot, &World) -> Result<T, Problem> + Send + 'static,
) -> Result<Response, Problem> {
    let body = blocking(&app, move |world| {
        let graph = find(world, id)?;
        Ok(serde_json::to_string(&ask(&graph, world)?).unwrap_or_default())
    })
    .await?;
    Ok(etag::answer(&headers, body))
}
