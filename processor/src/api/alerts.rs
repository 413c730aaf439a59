//! `GET /api/v1/alerts`.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sysflow::{GraphId, Priority};

use super::extract::Params;
pub(super) use super::extract::bad_query;
use super::{App, Problem, etag};
use crate::alert::Wire;
use crate::world::{Place, Wanted};

/// Most entries of one answer.
pub(super) const MAX_LIMIT: usize = 1000;

/// Entries of an answer when nothing is said.
const LIMIT: usize = 100;

/// Longest name that is asked for.
const MAX_NAME: usize = 256;

/// Which alerts are asked for; each condition that is given has to hold.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// Id of their graph.
    #[schemars(extend("pattern" = "^[0-9a-f]{32}$"))]
    graph: Option<String>,
    /// Name of their rule.
    #[schemars(length(max = MAX_NAME))]
    rule: Option<String>,
    /// Least priority: debug, informational, notice, warning, error, critical, alert or emergency.
    #[schemars(extend("enum" = ["Emergency", "Alert", "Critical", "Error", "Warning", "Notice", "Informational", "Debug"]))]
    priority: Option<String>,
    /// First time, in ns since the epoch.
    from: Option<i64>,
    /// Last time, in ns since the epoch.
    to: Option<i64>,
    /// Their source, such as `sysflow`, or `syscall` for Falco's own.
    #[schemars(length(max = MAX_NAME))]
    source: Option<String>,
    /// Most alerts of the answer; 100 when nothing is said.
    #[schemars(range(min = 1, max = MAX_LIMIT))]
    limit: Option<usize>,
    /// `next` of the answer before.
    #[schemars(extend("pattern" = "^-?[0-9]{1,18}_[0-9]{1,18}$"))]
    after: Option<String>,
}

/// Some alerts.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "AlertList")]
pub(super) struct List<'a> {
    /// The newest first.
    alerts: Vec<Wire<'a>>,
    /// How many there are, listed or not, those before `after` among them.
    total: usize,
    /// For `after`, when there are more.
    next: Option<String>,
}

pub(super) async fn list(
    State(app): State<App>,
    Params(asked): Params<Asked>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let limit = asked.limit.unwrap_or(LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(bad_query("limit: 1 to 1000"));
    }
    let wanted = asked.wanted()?;
    let body = super::blocking(move || {
        let page = app.world.lock().alerts.page(&wanted, limit);
        let list = List {
            alerts: page.alerts.iter().map(|alert| alert.listed()).collect(),
            total: page.total,
            next: page.next.map(|place| place.to_string()),
        };
        serde_json::to_string(&list).unwrap_or_default()
    });
    Ok(etag::answer(&headers, body.await?))
}

impl Asked {
    fn wanted(self) -> Result<Wanted, Problem> {
        if self.graph.as_deref().is_some_and(|graph| GraphId::parse(graph).is_none()) {
            return Err(bad_query("graph: 32 hex digits are expected"));
        }
        for (key, text) in [("rule", &self.rule), ("source", &self.source)] {
            if text.as_ref().is_some_and(|text| text.len() > MAX_NAME) {
                return Err(bad_query(&format!("{key}: at most {MAX_NAME} bytes")));
            }
        }
        let priority = self.priority.as_deref().map(str::parse::<Priority>).transpose();
        let after = self.after.as_deref().map(str::parse::<Place>).transpose();
        Ok(Wanted {
            graph: self.graph,
            rule: self.rule,
            source: self.source,
            priority: priority.map_err(|_| bad_query("priority: one of Falco's eight, such as warning"))?,
            from: self.from,
            to: self.to,
            after: after.map_err(|()| bad_query("after: what an answer before had as `next`"))?,
        })
    }
}
