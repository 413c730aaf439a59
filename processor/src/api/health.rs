//! Probes and metrics.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;

use super::App;

/// A restart mends what this says: the archive has what was not judged.
pub(super) async fn alive(State(app): State<App>) -> impl IntoResponse {
    match app.world.failure() {
        None => (StatusCode::OK, "ok\n".to_owned()),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}

/// Does not depend on Falcosidekick: its outage is no reason to send us no records.
pub(super) async fn ready(State(app): State<App>) -> impl IntoResponse {
    match app.world.failure() {
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
        None if app.world.is_ready() => (StatusCode::OK, "ready\n".to_owned()),
        None => (StatusCode::SERVICE_UNAVAILABLE, "what was stored is being judged anew\n".to_owned()),
    }
}

pub(super) async fn metrics(State(app): State<App>) -> impl IntoResponse {
    let mut text = app.metrics.text(&(app.gauges)());
    if let Some(rules) = app.world.rules() {
        rules.metrics(&mut text);
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
}
