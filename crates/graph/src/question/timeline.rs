//! How much happened when.

use serde::Serialize;
use sysflow::Joined;

use crate::live::{Step, bytes_of};
use crate::output::{LossView, Snapshot, text};

/// Most bins of a time line.
pub const MAX_BINS: usize = 1_000;

/// A graph over time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Timeline {
    /// Start in ns.
    #[serde(serialize_with = "text")]
    pub from: i64,
    /// End in ns.
    #[serde(serialize_with = "text")]
    pub to: i64,
    /// Width of a bin in ns.
    pub width: i64,
    /// All bins in order, those in which nothing happened too.
    pub bins: Vec<BinView>,
    /// Holes in the data.
    pub lost: Vec<LossView>,
}

/// A stretch of a time line. A flow counts where it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct BinView {
    /// Start in ns.
    #[serde(serialize_with = "text")]
    pub at: i64,
    /// Events and flows.
    pub events: u64,
    /// Bytes read or received.
    pub rbytes: u64,
    /// Bytes written or sent.
    pub wbytes: u64,
}

impl Snapshot {
    /// The graph over time, in `bins` equal parts of the window; without one, of the graph's whole life. Where the
    /// records of all of that are not kept any more, it is as fine as the series of the graph is: 120 parts of its life.
    pub fn timeline(&self, from: Option<i64>, to: Option<i64>, bins: usize) -> Timeline {
        let (first, last) = self.span();
        let (from, to) = (from.unwrap_or(first).max(0), to.unwrap_or(last).max(0));
        let to = to.max(from);
        let bins = bins.clamp(1, MAX_BINS) as i64;
        let width = (to - from) / bins + 1;
        let count = (to - from) / width + 1;
        let mut line: Vec<_> = (0..count)
            .map(|nth| BinView { at: from + nth * width, events: 0, rbytes: 0, wbytes: 0 })
            .collect();
        let mut add = |at: i64, events: u64, rbytes: u64, wbytes: u64| {
            if !(from..=to).contains(&at) {
                return;
            }
            if let Some(bin) = line.get_mut(((at - from) / width) as usize) {
                bin.events = bin.events.saturating_add(events);
                bin.rbytes = bin.rbytes.saturating_add(rbytes);
                bin.wbytes = bin.wbytes.saturating_add(wbytes);
            }
        };
        if self.reaches(from) {
            self.walk((from, to), |step| {
                if let Step::Record { joined, .. } = step {
                    let (rbytes, wbytes) = bytes_of(joined.record);
                    add(start(joined), 1, rbytes, wbytes);
                }
            });
        } else {
            let series = &self.graph.totals.series;
            for (at, bucket) in series.iter() {
                // The bucket in which the window starts began before it.
                let at = at.max(from.min(at.saturating_add(series.width() - 1)));
                add(at, bucket.ops, bucket.rbytes, bucket.wbytes);
            }
        }
        let touches = |from_: i64, to_: i64| from_ <= to && to_ >= from;
        let lost = self
            .holes
            .iter()
            .filter(|hole| hole.host == self.graph.host && (hole.is_notice() || touches(hole.from, hole.to)))
            .map(LossView::of)
            .collect();
        Timeline { from, to, width, bins: line, lost }
    }
}

fn start(joined: &Joined<'_>) -> i64 {
    joined.record.ts().unwrap_or(0)
}
