//! What is asked of all graphs in memory.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;
use sysflow_graph::{Attack, Projection, Snapshot, Traffic};

use super::super::extract::Params;
use super::super::{App, Problem, etag};
use super::find::blocking;
use super::questions::WindowAsked;

pub(super) async fn projection(
    State(app): State<App>,
    Params(query): Params<WindowAsked>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    answer(app, query, headers, Projection::over).await
}

pub(super) async fn traffic(
    State(app): State<App>,
    Params(query): Params<WindowAsked>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    answer(app, query, headers, Traffic::over).await
}

pub(super) async fn attack(
    State(app): State<App>,
    Params(query): Params<WindowAsked>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    answer(app, query, headers, Attack::over).await
}

async fn answer<T: Serialize + 'static>(
    app: App,
    query: WindowAsked,
    headers: HeaderMap,
    ask: impl FnOnce(&[Snapshot], (i64, i64)) -> T + Send + 'static,
) -> Result<Response, Problem> {
    let span = query.span();
    let body = blocking(&app, move |world| {
        let graphs = world.lock().graphs.snapshots();
        Ok(serde_json::to_string(&ask(&graphs, span)).unwrap_or_default())
    })
    .await?;
    Ok(etag::answer(&headers, body))
}
