//! `/api/v1/graphs`.

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::Deserialize;
use sysflow_graph::{ListQuery, Listing};

use super::super::alerts::MAX_LIMIT;
use super::super::extract::{Params, bad_query};
use super::super::{App, Problem};
use super::ask::Asked;
use super::find::{blocking, condition, wrong};

/// Longest text to search for.
const MAX_WORDS: usize = 256;

/// Which graphs are asked for; each condition that is given has to hold.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct ListAsked {
    /// Words that all occur in what is listed of it.
    #[serde(default)]
    q: String,
    /// A condition that one of its records in memory meets.
    filter: Option<String>,
    /// Graphs that were still active at this time, in ns since the epoch.
    from: Option<i64>,
    /// Graphs that had begun by this time, in ns since the epoch.
    to: Option<i64>,
    /// Least priority of its most severe alert.
    severity: Option<String>,
    /// Most graphs of the answer, up to 1000; 100 when nothing is said.
    limit: Option<usize>,
    /// `next` of the answer before.
    after: Option<String>,
}

pub(super) async fn list(
    State(app): State<App>,
    Params(query): Params<ListAsked>,
) -> Result<Json<Listing>, Problem> {
    if query.q.len() > MAX_WORDS {
        return Err(bad_query("q: at most 256 bytes"));
    }
    let filter = query.filter.as_deref().map(|text| condition("filter", text)).transpose()?;
    let severity = query.severity.as_deref().map(|name| {
        name.parse().map_err(|_| bad_query(&format!("severity: {name:?} is no priority, such as Warning")))
    });
    let span = (query.from.unwrap_or(i64::MIN), query.to.unwrap_or(i64::MAX));
    let mut list = ListQuery {
        words: query.q,
        from: query.from,
        to: query.to,
        severity: severity.transpose()?,
        only: None,
        limit: query.limit.unwrap_or(100).min(MAX_LIMIT),
        after: query.after.as_deref().map(str::parse).transpose().map_err(wrong)?,
    };
    blocking(&app, move |world| {
        if let Some(filter) = filter {
            // Records are read without the lock.
            let graphs = world.lock().graphs.snapshots();
            let meets = |graph: &sysflow_graph::Snapshot| {
                let mut asked = Asked::new(&filter);
                graph.any(span, |joined| asked.meets(joined))
            };
            list.only =
                Some(graphs.iter().filter(|graph| meets(graph)).map(sysflow_graph::Snapshot::id).collect());
        }
        Ok(world.lock().graphs.page(&list))
    })
    .await
    .map(Json)
}
