//! Which part of a graph is asked for.

use std::str::FromStr;

use crate::error::QueryError;

/// How far around a point in time a picture reaches: 15 minutes.
const AROUND: i64 = 15 * 60 * 1_000_000_000;

/// A question about one graph; the default asks for all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Leave out what ended before this time, in ns.
    pub from: Option<i64>,
    /// Leave out what began after this time, in ns.
    pub to: Option<i64>,
    /// Centre of the picture.
    pub around: Option<Around>,
    /// Generations shown above and below the node at the centre, or below the root.
    pub depth: Option<usize>,
    /// Nodes shown at most, those with alerts and their ancestors first.
    pub max_nodes: Option<usize>,
}

/// Centre of a picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Around {
    /// 15 minutes before and after this time, in ns.
    Time(i64),
    /// Ancestors and descendants of this node.
    Node(String),
}

impl Query {
    /// The window in time, where one is asked for.
    pub fn window(&self) -> (Option<i64>, Option<i64>) {
        match self.around {
            Some(Around::Time(ts)) => (
                self.from.or_else(|| Some(ts.saturating_sub(AROUND))),
                self.to.or_else(|| Some(ts.saturating_add(AROUND))),
            ),
            _ => (self.from, self.to),
        }
    }
}

impl FromStr for Around {
    type Err = QueryError;

    fn from_str(text: &str) -> Result<Self, QueryError> {
        let is_node = |rest: &str| rest.len() == 16 && rest.bytes().all(|b| b.is_ascii_hexdigit());
        if ["p:", "f:", "n:"].iter().any(|kind| text.strip_prefix(kind).is_some_and(is_node)) {
            return Ok(Self::Node(text.to_owned()));
        }
        text.parse().map(Self::Time).map_err(|_| QueryError::Around(text.to_owned()))
    }
}
