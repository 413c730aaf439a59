//! One graph as it was at a moment, to be asked while records go on.

use std::sync::Arc;

use sysflow::record::Record;
use sysflow::{GraphId, Joined};

use super::document::Document;
use super::part::Part;
use super::query::Query;
use super::render::{drawn_as, render};
use crate::error::QueryError;
use crate::limits::Limits;
use crate::live::{Graph, Graphs, Hole, Key, Step};

/// One graph as it was when it was asked for. It is cheap to take, and nobody waits while it is read.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub(crate) id: GraphId,
    pub(crate) graph: Arc<Graph>,
    pub(crate) holes: Arc<Vec<Hole>>,
    pub(crate) limits: Limits,
}

/// A stretch of time, both ends included.
pub(crate) type Span = (i64, i64);

/// All of time.
pub(crate) const EVER: Span = (i64::MIN, i64::MAX);

impl Graphs {
    /// Graph `id` as it is now; `None` when there is no such graph.
    pub fn snapshot(&self, id: GraphId) -> Option<Snapshot> {
        let graph = Arc::clone(self.by_id.get(&id)?);
        let holes = Arc::new(self.holes.iter().filter(|hole| hole.host == graph.host).cloned().collect());
        Some(Snapshot { id, graph, holes, limits: self.limits.clone() })
    }

    /// All graphs as they are now, by id.
    pub fn snapshots(&self) -> Vec<Snapshot> {
        let holes = Arc::new(self.holes.clone());
        let mut all: Vec<_> = self
            .by_id
            .iter()
            .map(|(id, graph)| Snapshot {
                id: *id,
                graph: Arc::clone(graph),
                holes: Arc::clone(&holes),
                limits: self.limits.clone(),
            })
            .collect();
        all.sort_unstable_by_key(|snapshot| snapshot.id);
        all
    }

    /// The part of graph `id` that the query asks for; `None` when there is no such graph.
    pub fn document(&self, id: GraphId, query: &Query) -> Option<Document> {
        Some(self.snapshot(id)?.document(query))
    }
}

impl Snapshot {
    /// Id of the graph.
    pub fn id(&self) -> GraphId {
        self.id
    }

    /// Host, as the trace calls it.
    pub fn host(&self) -> &str {
        &self.graph.host
    }

    /// First and last time of the graph, in ns.
    pub fn span(&self) -> (i64, i64) {
        (self.graph.totals.first, self.graph.totals.last)
    }

    /// The part that the query asks for.
    ///
    /// Counts, series, files and endpoints are those of the window, as long as the records of all of it are kept. Of an
    /// older window they are those of the whole life of each node that touches it: the document then is not `complete`.
    pub fn document(&self, query: &Query) -> Document {
        let (from, to) = query.window();
        if from.is_none() && to.is_none() {
            return render(self, &self.graph, query, true);
        }
        let span = (from.unwrap_or(i64::MIN), to.unwrap_or(i64::MAX));
        match self.within(span) {
            Some(part) => render(self, &part, query, true),
            None => render(self, &self.graph, query, false),
        }
    }

    /// The records of a stretch of time as a graph, if all of them are kept: those that touch it.
    pub(crate) fn within(&self, span: Span) -> Option<Graph> {
        if !self.graph.trail.reaches(span.0) {
            return None;
        }
        let mut part = Part::new(&self.graph, span.0, span.1, &self.limits);
        self.walk(span, |step| part.take(step));
        Some(part.finish())
    }

    /// The same where all are kept, else the whole graph; also says which.
    pub(crate) fn within_or_all(&self, span: Span) -> (std::borrow::Cow<'_, Graph>, bool) {
        if span == EVER {
            return (std::borrow::Cow::Borrowed(&self.graph), true);
        }
        match self.within(span) {
            Some(part) => (std::borrow::Cow::Owned(part), true),
            None => (std::borrow::Cow::Borrowed(&self.graph), false),
        }
    }

    /// Steps that touch a stretch of time, as they came.
    pub(crate) fn walk(&self, (from, to): Span, mut each: impl FnMut(&Step<'_>)) {
        self.graph.trail.walk(from, to, |step| {
            let (first, last) = step.span();
            if first <= to && last >= from {
                each(&step);
            }
        });
    }

    /// Whether every record of the graph from `from` on is kept.
    pub fn reaches(&self, from: i64) -> bool {
        self.graph.trail.reaches(from)
    }

    /// Events and flows that are kept, as they came: the number of each in this graph, and the id of the node of its
    /// process. With `node`, those of that node only, and of a files or net node those on files or connections.
    pub fn records(
        &self,
        node: Option<&str>,
        span: (i64, i64),
        mut each: impl FnMut(u64, Option<String>, &Joined<'_>),
    ) -> Result<(), QueryError> {
        let only = node.map(|node| self.key(node)).transpose()?;
        let kind = node.map_or('p', |node| node.chars().next().unwrap_or('p'));
        self.walk(span, |step| {
            let Step::Record { number, node, joined } = step else { return };
            let drawn = node.and_then(|key| drawn_as(&self.graph, key));
            let is_asked = only.is_none_or(|only| drawn == Some(only))
                && match kind {
                    'f' => matches!(joined.record, Record::FileFlow(_) | Record::FileEvent(_)),
                    'n' => matches!(joined.record, Record::NetworkFlow(_)),
                    _ => true,
                };
            if is_asked {
                each(*number, drawn.map(Key::process), joined);
            }
        });
        Ok(())
    }

    /// Whether an event or flow that is kept meets a condition.
    pub fn any(&self, span: (i64, i64), mut meets: impl FnMut(&Joined<'_>) -> bool) -> bool {
        let mut found = false;
        self.walk(span, |step| {
            if let Step::Record { joined, .. } = step {
                found = found || meets(joined);
            }
        });
        found
    }
}
