//! `/api/v1/graphs` and what is asked of one graph or of all of them.

mod ask;
mod find;
mod list;
mod one;
mod over;
mod questions;

use axum::routing::get;

use super::routes::Routes;

pub(super) use list::ListAsked;
pub(super) use one::OneAsked;
pub use one::document;
pub(super) use questions::{
    DiffAsked, PathsAsked, RecordsAsked, TimelineAsked, TraceAsked, TrafficAsked, WindowAsked,
};

/// The routes of this folder.
pub(super) fn routes() -> Routes {
    Routes::default()
        .route("/api/v1/graphs", get(list::list))
        .route("/api/v1/graphs/{id}", get(one::one))
        .route("/api/v1/graphs/{id}/records", get(questions::records))
        .route("/api/v1/graphs/{id}/alerts", get(questions::alerts))
        .route("/api/v1/graphs/{id}/timeline", get(questions::timeline))
        .route("/api/v1/graphs/{id}/trace", get(questions::trace))
        .route("/api/v1/graphs/{id}/paths", get(questions::paths))
        .route("/api/v1/graphs/{id}/diff", get(questions::diff))
        .route("/api/v1/graphs/{id}/attack", get(questions::attack))
        .route("/api/v1/graphs/{id}/traffic", get(questions::traffic))
        .route("/api/v1/graphs/{id}/projection", get(questions::projection))
        .route("/api/v1/graphs/{id}/links", get(questions::links))
        .route("/api/v1/projection", get(over::projection))
        .route("/api/v1/traffic", get(over::traffic))
        .route("/api/v1/attack", get(over::attack))
}
