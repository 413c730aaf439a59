//! How much was done when: a bounded time series.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Buckets that a series may span.
const BUCKETS: i64 = 120;
/// Width of a bucket as long as everything fits: 1 s.
const FINEST: i64 = 1_000_000_000;

/// Operations and bytes per bucket of time.
///
/// Buckets are one second wide and double in width whenever the series would span more than 120 of them. The width
/// depends on the first and last time alone, so that order of arrival does not matter.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Kept")]
pub(crate) struct Series {
    width: i64,
    buckets: BTreeMap<i64, Bucket>,
}

/// A series as it was serialised, before it is known to be one.
#[derive(Deserialize)]
struct Kept {
    width: i64,
    buckets: BTreeMap<i64, Bucket>,
}

impl TryFrom<Kept> for Series {
    type Error = &'static str;

    fn try_from(Kept { width, buckets }: Kept) -> Result<Self, Self::Error> {
        let starts = buckets.first_key_value().zip(buckets.last_key_value());
        let is_bounded = starts.is_none_or(|((first, _), (last, _))| {
            *first >= 0 && last - first < BUCKETS && last.checked_mul(width).is_some()
        });
        if width < FINEST || !is_bounded {
            return Err("a series of times that cannot be");
        }
        Ok(Self { width, buckets })
    }
}

/// What happened within one bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Bucket {
    pub(crate) ops: u64,
    pub(crate) rbytes: u64,
    pub(crate) wbytes: u64,
}

impl Default for Series {
    fn default() -> Self {
        Self { width: FINEST, buckets: BTreeMap::new() }
    }
}

impl Series {
    /// Adds what a record says at `ts` ns; times before the epoch count as the epoch.
    pub(crate) fn add(&mut self, ts: i64, bucket: Bucket) {
        self.buckets.entry(ts.max(0) / self.width).or_default().add(bucket);
        while self.span() > BUCKETS {
            self.coarsen();
        }
    }

    /// Adds all of another series.
    pub(crate) fn absorb(&mut self, other: &Self) {
        while self.width < other.width {
            self.coarsen();
        }
        for (start, bucket) in other.iter() {
            self.add(start, bucket);
        }
    }

    /// Buckets that are not empty, with the time at which each starts.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (i64, Bucket)> + '_ {
        self.buckets.iter().map(|(index, bucket)| (index * self.width, *bucket))
    }

    /// Width of a bucket in ns.
    pub(crate) fn width(&self) -> i64 {
        self.width
    }

    fn span(&self) -> i64 {
        match (self.buckets.first_key_value(), self.buckets.last_key_value()) {
            (Some((first, _)), Some((last, _))) => last - first + 1,
            _ => 0,
        }
    }

    fn coarsen(&mut self) {
        self.width = self.width.saturating_mul(2);
        for (index, bucket) in std::mem::take(&mut self.buckets) {
            self.buckets.entry(index / 2).or_default().add(bucket);
        }
    }
}

impl Bucket {
    fn add(&mut self, other: Self) {
        self.ops = self.ops.saturating_add(other.ops);
        self.rbytes = self.rbytes.saturating_add(other.rbytes);
        self.wbytes = self.wbytes.saturating_add(other.wbytes);
    }
}
