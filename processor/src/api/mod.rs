//! HTTP: graphs and alerts as JSON, the page, health and metrics. On loopback, or for those who show a token, unless told
//! otherwise.

mod access;
mod alerts;
mod conditions;
mod embed;
mod etag;
mod extract;
mod foreign;
mod graphs;
mod guard;
mod health;
mod openapi;
mod operations;
mod origin;
mod page;
mod patient;
mod problem;
mod query;
mod routes;
mod rules;
mod server;
mod session;
mod settings;
mod sign;
mod stream;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use sysflow_store::History;
use tokio::sync::Semaphore;

use crate::config;
use crate::metrics::{Gauge, Metrics};
use crate::stop::Stop;
use crate::world::World;

pub use access::{Access, Plan, Token};
pub use graphs::document;
pub use problem::Problem;
use routes::Routes;
pub use server::{Server, bind};

/// What the handlers need.
#[derive(Clone)]
pub struct App {
    world: Arc<World>,
    metrics: Arc<Metrics>,
    gauges: Arc<dyn Fn() -> Vec<Gauge> + Send + Sync>,
    hosts: Arc<guard::Hosts>,
    access: Arc<Access>,
    /// Origin under which users reach the page, when a proxy stands in between.
    public_origin: Option<Arc<str>>,
    /// Policy of the page in a frame.
    frame_csp: HeaderValue,
    slots: Arc<Semaphore>,
    /// What was stored, and whether SQL may ask it.
    history: Option<Arc<History>>,
    sql: bool,
    streams: Arc<Semaphore>,
    /// Ends streams, which end by themselves never.
    stop: Stop,
    settings: Arc<settings::Settings>,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("hosts", &self.hosts).finish_non_exhaustive()
    }
}

impl App {
    /// API over `world`, listening at `address` for those whom `access` lets in; `gauges` is asked at each look at the
    /// metrics.
    pub fn new(
        config: &config::Config,
        address: SocketAddr,
        access: Access,
        stop: Stop,
        world: Arc<World>,
        metrics: Arc<Metrics>,
        gauges: impl Fn() -> Vec<Gauge> + Send + Sync + 'static,
    ) -> Self {
        Self {
            world,
            metrics,
            gauges: Arc::new(gauges),
            hosts: Arc::new(guard::Hosts::new(&config.api, address)),
            access: Arc::new(access),
            public_origin: config.api.public_url.as_deref().and_then(origin::of_url).map(Arc::from),
            frame_csp: embed::csp(&config.api),
            slots: Arc::new(Semaphore::new(config.limits.requests)),
            history: None,
            sql: false,
            streams: Arc::new(Semaphore::new(stream::MAX_STREAMS)),
            stop,
            settings: Arc::new(settings::Settings::new(&config.api)),
        }
    }

    /// The same, which also answers from what was stored; with SQL beside conditions if `sql`.
    #[must_use]
    pub fn with_history(self, history: Option<Arc<History>>, sql: bool) -> Self {
        Self { history, sql, ..self }
    }

    /// All routes.
    pub fn router(self) -> Router {
        Self::routes()
            .into_router(unknown, not_allowed)
            .layer(from_fn_with_state(self.clone(), guard::guard))
            .with_state(self)
    }

    fn routes() -> Routes {
        Routes::default()
            .route("/healthz", get(health::alive))
            .route("/readyz", get(health::ready))
            .route("/metrics", get(health::metrics))
            .merge(graphs::routes())
            .route("/api/v1/graphs/{id}/embed", post(embed::link))
            .route("/api/v1/graphs/{id}/stream", get(stream::graph))
            .route("/api/v1/query", post(query::ask))
            .route("/api/v1/alerts", get(alerts::list).post(foreign::take))
            .route("/api/v1/alerts/stream", get(stream::alerts))
            .route("/api/v1/fields", get(conditions::fields))
            .route("/api/v1/conditions/check", post(conditions::check))
            .route("/api/openapi.json", get(operations::document))
            .route(session::LOGIN, post(session::login))
            .route(session::LOGOUT, post(session::logout))
            .route("/api/v1/rules", get(rules::list))
            .route("/api/v1/settings", get(settings::get))
            .route("/", get(page::index))
            .route("/events", get(page::index))
            .route("/hunt", get(page::index))
            .route("/g/{id}", get(page::graph))
            .route("/embed/g/{id}", get(embed::page))
            .route("/assets/{*path}", get(page::asset))
    }
}

/// Work that takes milliseconds: not on the threads that answer everybody.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!(%error, "a request's work panicked; please report this");
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the request failed",
            "the log has more; please report this",
        )
    })
}

async fn unknown() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "no such page",
        "see /api/v1/graphs, /api/v1/alerts, /metrics, and / for the page",
    )
}

async fn not_allowed() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method not allowed",
        "the header Allow names those that are",
    )
}
