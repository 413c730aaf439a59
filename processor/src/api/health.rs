//! Probes and metrics.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;

use super::App;

pub(super) async fn alive() -> &'static str {
    "ok\n"
}

/// Does not depend on Falcosidekick: its outage is no reason to send us no records.
pub(super) async fn ready(State(app): State<App>) -> impl IntoResponse {
    if app.world.is_ready() {
        (StatusCode::OK, "ready\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "what was stored is being judged anew\n")
    }
}

pub(super) async fn metrics(State(app): State<App>) -> impl IntoResponse {
    let text = app.metrics.text(&(app.gauges)());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
}
