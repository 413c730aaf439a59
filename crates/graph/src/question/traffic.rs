//! What went over the network, when, to whom, and whether it went in a rhythm.

use std::collections::BTreeMap;

use serde::Serialize;
use sysflow::record::{Record, op};

use crate::error::QueryError;
use crate::live::{Endpoint, Key, NetKey, Series, Step, Target};
use crate::output::{Drawn, Snapshot, draw, drawn_as, endpoints, text};

/// Rows that one answer lists, those with the most bytes first.
const MAX_ROWS: usize = 1_000;
/// Connections that make a rhythm.
const LEAST_BEATS: usize = 5;
/// Shorter rhythms are those of programs at work.
const LEAST_PERIOD: i64 = 500_000_000;
/// Share of the gaps that have to keep time.
const LEAST_SCORE: f64 = 0.7;
/// How far a gap may be off, as a share of the period.
const LEEWAY: f64 = 0.25;

/// Traffic over time and by endpoint.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Traffic {
    /// Buckets that are not empty, in order.
    pub series: Vec<TrafficView>,
    /// The largest first.
    pub by: Vec<PeerView>,
    /// Rows beyond what is listed.
    pub omitted: usize,
    /// Whether the figures are those of the window that was asked for, not of whole lives.
    pub complete: bool,
}

/// A bucket of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct TrafficView {
    /// Start in ns.
    #[serde(serialize_with = "text")]
    pub at: i64,
    /// Width in ns.
    pub width: i64,
    /// Bytes sent.
    pub egress: u64,
    /// Bytes received.
    pub ingress: u64,
}

/// What a program exchanged with an endpoint.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PeerView {
    /// Graph.
    pub graph: String,
    /// Process node.
    pub node: String,
    /// The other end for people.
    pub endpoint: String,
    /// Path of the executable.
    pub exe: String,
    /// Bytes sent.
    pub egress: u64,
    /// Bytes received.
    pub ingress: u64,
    /// Connections, or records of one.
    pub flows: u64,
    /// First time in ns.
    #[serde(serialize_with = "text")]
    pub first: i64,
    /// Last time in ns.
    #[serde(serialize_with = "text")]
    pub last: i64,
    /// Its rhythm, if it has one.
    pub beacon: Option<Beacon>,
}

/// A rhythm of connections, found in the records that are kept.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Beacon {
    /// Time between two of them in ns: the median.
    #[serde(serialize_with = "text")]
    pub period_ns: i64,
    /// How far they are off, as a share of the period: the median.
    pub jitter: f64,
    /// Share of the gaps that keep time.
    pub score: f64,
}

impl Snapshot {
    /// Traffic of the graph, or of one of its nodes, within a stretch of time.
    pub fn traffic(&self, node: Option<&str>, span: (i64, i64)) -> Result<Traffic, QueryError> {
        let node = node.map(|node| self.key(node)).transpose()?;
        let mut sum = Sum { complete: true, ..Sum::default() };
        sum.add(self, node, span);
        Ok(sum.finish())
    }
}

impl Traffic {
    /// Traffic of many graphs.
    pub fn over(graphs: &[Snapshot], span: (i64, i64)) -> Self {
        let mut sum = Sum { complete: true, ..Sum::default() };
        for graph in graphs {
            sum.add(graph, None, span);
        }
        sum.finish()
    }
}

#[derive(Default)]
struct Sum {
    series: Series,
    by: Vec<PeerView>,
    complete: bool,
}

impl Sum {
    fn add(&mut self, snapshot: &Snapshot, only: Option<Key>, span: (i64, i64)) {
        let (first, last) = snapshot.span();
        if first > span.1 || last < span.0 || snapshot.graph.nodes.values().all(|node| node.net.is_none()) {
            return;
        }
        let (graph, complete) = snapshot.within_or_all(span);
        self.complete &= complete;
        let drawn = draw(&graph);
        let mut ends: BTreeMap<(Key, Endpoint), (Target, &str)> = BTreeMap::new();
        for (key, Drawn { node, .. }) in drawn.iter().filter(|(key, _)| only.is_none_or(|only| only == **key))
        {
            let Some(net) = &node.net else { continue };
            self.series.absorb(&net.by_end.series);
            for (end, target) in endpoints(&graph, node, &net.by_end.targets) {
                ends.insert((*key, end), (target, &node.exe));
            }
        }
        let beats = beats(snapshot, &drawn, span);
        self.by.extend(ends.into_iter().map(|((key, end), (target, exe))| PeerView {
            graph: snapshot.id.to_string(),
            node: key.process(),
            endpoint: end.name(),
            exe: exe.to_owned(),
            egress: target.wbytes,
            ingress: target.rbytes,
            flows: target.count,
            first: target.first,
            last: target.last,
            beacon: beats.get(&(key, end)).and_then(|starts| rhythm(starts)),
        }));
    }

    fn finish(mut self) -> Traffic {
        let size = |row: &PeerView| row.egress.saturating_add(row.ingress);
        self.by.sort_by(|a, b| {
            // A rhythm is what an analyst looks for, however little it carries.
            let rank = |row: &PeerView| (row.beacon.is_none(), std::cmp::Reverse(size(row)));
            rank(a)
                .cmp(&rank(b))
                .then_with(|| (&a.graph, &a.node, &a.endpoint).cmp(&(&b.graph, &b.node, &b.endpoint)))
        });
        let omitted = self.by.len().saturating_sub(MAX_ROWS);
        self.by.truncate(MAX_ROWS);
        let width = self.series.width();
        let series = self
            .series
            .iter()
            .map(|(at, bucket)| TrafficView { at, width, egress: bucket.wbytes, ingress: bucket.rbytes })
            .collect();
        Traffic { series, by: self.by, omitted, complete: self.complete }
    }
}

/// When connections to each endpoint were made. A record that continues another is no new one.
fn beats(
    snapshot: &Snapshot,
    drawn: &BTreeMap<Key, Drawn>,
    span: (i64, i64),
) -> BTreeMap<(Key, Endpoint), Vec<i64>> {
    const UDP: i32 = 17;
    let mut beats: BTreeMap<(Key, Endpoint), Vec<i64>> = BTreeMap::new();
    snapshot.walk(span, |step| {
        let Step::Record { node: Some(key), joined, .. } = step else { return };
        let Record::NetworkFlow(flow) = joined.record else { return };
        let begins = flow.op_flags & (op::CONNECT | op::ACCEPT) != 0 || flow.proto == UDP;
        let Some(key) = drawn_as(&snapshot.graph, *key).filter(|_| begins) else { return };
        let Some(Drawn { node, .. }) = drawn.get(&key) else { return };
        let container = node.container.as_deref();
        let serves = |port| {
            node.net
                .as_ref()
                .is_some_and(|net| net.by_end.targets.keys().any(|key| key.served_port() == Some(port)))
        };
        let end = NetKey::of(flow).endpoint(|address| snapshot.graph.is_local(container, address), serves);
        beats.entry((key, end)).or_default().push(flow.ts);
    });
    beats
}

/// The period of some times, if most of the gaps between them are equal. One or two missed beats are forgiven.
pub(crate) fn rhythm(times: &[i64]) -> Option<Beacon> {
    let mut times = times.to_vec();
    times.sort_unstable();
    times.dedup();
    if times.len() < LEAST_BEATS {
        return None;
    }
    let gaps: Vec<i64> = times.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).collect();
    let period = median(gaps.clone());
    if period < LEAST_PERIOD {
        return None;
    }
    let off = |gap: &i64| {
        let beats = (*gap as f64 / period as f64).round().clamp(1.0, 3.0);
        (*gap as f64 - beats * period as f64).abs() / period as f64
    };
    let in_time = gaps.iter().filter(|gap| off(gap) <= LEEWAY).count();
    let score = in_time as f64 / gaps.len() as f64;
    let jitter = median(gaps.iter().map(|gap| (off(gap) * 1e6) as i64).collect()) as f64 / 1e6;
    (score >= LEAST_SCORE).then_some(Beacon { period_ns: period, jitter, score })
}

fn median(mut numbers: Vec<i64>) -> i64 {
    let middle = numbers.len() / 2;
    *numbers.select_nth_unstable(middle).1
}
