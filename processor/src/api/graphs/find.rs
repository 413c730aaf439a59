//! From the id in a path to the graph.

use axum::http::StatusCode;
use sysflow::GraphId;
use sysflow_graph::{QueryError, Snapshot};
use sysflow_policy::Condition;

use super::super::extract::bad_query;
use super::super::{App, Problem};
use crate::world::World;

/// Longest condition.
const MAX_CONDITION: usize = 4096;

/// The graph as it is now.
pub(super) fn find(world: &World, id: GraphId) -> Result<Snapshot, Problem> {
    let live = world.lock().graphs.snapshot(id);
    live.ok_or_else(|| unknown(id))
}

/// There is no such graph.
pub(super) fn unknown(id: GraphId) -> Problem {
    let detail = "it has not been seen, or was forgotten to make room for newer ones; /api/v1/graphs lists those in memory";
    Problem::new(StatusCode::NOT_FOUND, format!("no graph {id}"), detail)
}

/// A condition of the query string.
pub(super) fn condition(name: &str, text: &str) -> Result<Condition, Problem> {
    if text.len() > MAX_CONDITION {
        return Err(bad_query(&format!("{name}: at most {MAX_CONDITION} bytes")));
    }
    Condition::parse(text).map_err(|error| bad_query(&format!("{name}: {error}")))
}

/// What a graph says of a question.
#[allow(clippy::needless_pass_by_value, reason = "the shape that map_err takes")]
pub(super) fn wrong(error: QueryError) -> Problem {
    match error {
        QueryError::Node(_) => Problem::new(StatusCode::NOT_FOUND, "no such node", error.to_string()),
        error => bad_query(&error.to_string()),
    }
}

/// Work on the world that may take milliseconds.
pub(super) async fn blocking<T: Send + 'static>(
    app: &App,
    work: impl FnOnce(&World) -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let world = std::sync::Arc::clone(&app.world);
    super::super::blocking(move || work(&world)).await?
}
