//! HTTP: graphs and alerts as JSON, the page, health and metrics. Read-only, and on loopback unless told otherwise.

mod alerts;
mod etag;
mod graphs;
mod guard;
mod health;
mod page;
mod patient;
mod problem;
mod rules;
mod server;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use tokio::sync::Semaphore;

use crate::config;
use crate::error::{Error, Result};
use crate::metrics::{Gauge, Metrics};
use crate::world::World;

pub use graphs::document;
pub use problem::Problem;
pub use server::{Server, bind};

/// What the handlers need.
#[derive(Clone)]
pub struct App {
    world: Arc<World>,
    metrics: Arc<Metrics>,
    gauges: Arc<dyn Fn() -> Vec<Gauge> + Send + Sync>,
    hosts: Arc<guard::Hosts>,
    slots: Arc<Semaphore>,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("hosts", &self.hosts).finish_non_exhaustive()
    }
}

impl App {
    /// API over `world`, listening at `address`; `gauges` is asked at each look at the metrics.
    pub fn new(
        config: &config::Config,
        address: SocketAddr,
        world: Arc<World>,
        metrics: Arc<Metrics>,
        gauges: impl Fn() -> Vec<Gauge> + Send + Sync + 'static,
    ) -> Self {
        Self {
            world,
            metrics,
            gauges: Arc::new(gauges),
            hosts: Arc::new(guard::Hosts::new(&config.api, address)),
            slots: Arc::new(Semaphore::new(config.limits.requests)),
        }
    }

    /// All routes.
    pub fn router(self) -> Router {
        Router::new()
            .route("/healthz", get(health::alive))
            .route("/readyz", get(health::ready))
            .route("/metrics", get(health::metrics))
            .route("/api/v1/graphs", get(graphs::list))
            .route("/api/v1/graphs/{id}", get(graphs::one))
            .route("/api/v1/alerts", get(alerts::list))
            .route("/api/v1/rules", get(rules::list))
            .route("/", get(page::index))
            .route("/g/{id}", get(page::graph))
            .route("/assets/{*path}", get(page::asset))
            .fallback(unknown)
            .method_not_allowed_fallback(read_only)
            .layer(from_fn_with_state(self.clone(), guard::guard))
            .with_state(self)
    }
}

/// Refuses an address that other machines reach, unless that is wanted: the API has no authentication.
pub fn check_listen(api: &config::Api) -> Result<()> {
    if api.listen.ip().is_loopback() || api.insecure {
        return Ok(());
    }
    Err(Error::Usage(format!(
        "{} can be reached by other machines, and the API has no authentication: listen on 127.0.0.1, or put an \
         authenticating proxy in front and say --insecure (api.insecure: true)",
        api.listen
    )))
}

async fn unknown() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "no such page",
        "see /api/v1/graphs, /api/v1/alerts, /metrics, and / for the page",
    )
}

async fn read_only() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method not allowed", "this API is read-only: use GET")
}
