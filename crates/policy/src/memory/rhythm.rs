//! Rhythms: how regularly connections to one server begin.

use serde::{Deserialize, Serialize};

/// Beginnings that are kept.
const KEPT: usize = 16;
/// Intervals without which nothing is called a rhythm.
const MIN_INTERVALS: usize = 4;
/// Intervals from which the score is full.
const FULL: i64 = 8;

/// Times at which connections began, the last ones.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Rhythm {
    times: Vec<i64>,
    /// Client's port of the last one: the same flow is exported several times.
    port: i32,
}

impl Rhythm {
    pub(super) fn begin(&mut self, ts: i64, port: i32) {
        if self.port == port && !self.times.is_empty() {
            return;
        }
        self.port = port;
        if self.times.len() == KEPT {
            self.times.remove(0);
        }
        // Flows are told when they end: one that began earlier may come later.
        let at = self.times.partition_point(|time| *time <= ts);
        self.times.insert(at, ts);
    }

    /// The rhythm when the connection in hand is one of it.
    pub(super) fn with(mut self, ts: i64, port: i32) -> Self {
        self.begin(ts, port);
        self
    }

    /// Whether it could have come about by [`Rhythm::begin`].
    pub(super) fn is_sound(&self) -> bool {
        self.times.len() <= KEPT && self.times.is_sorted()
    }

    fn intervals(&self) -> Option<Vec<i64>> {
        let mut intervals: Vec<i64> =
            self.times.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).collect();
        intervals.sort_unstable();
        (intervals.len() >= MIN_INTERVALS).then_some(intervals)
    }

    /// The middle interval in ns.
    pub(super) fn period(&self) -> Option<i64> {
        let intervals = self.intervals()?;
        Some(intervals[intervals.len() / 2])
    }

    /// Percent by which three quarters of the intervals differ from the period at most.
    pub(super) fn jitter(&self) -> Option<i64> {
        let (intervals, period) = (self.intervals()?, self.period()?);
        let mut apart: Vec<i64> =
            intervals.iter().map(|interval| interval.saturating_sub(period).saturating_abs()).collect();
        apart.sort_unstable();
        // Not the middle one: when most connections come in pairs, the pairs alone look regular.
        let most = apart[apart.len() * 3 / 4];
        // What begins at once has no period: a burst is as irregular as can be.
        Some(if period <= 0 { 100 } else { (i128::from(most) * 100 / i128::from(period)).min(100) as i64 })
    }

    /// 0 to 100: regular, and often enough that it is no chance.
    pub(super) fn score(&self) -> Option<i64> {
        // A second apart or more: faster is a busy client, not one that waits for orders.
        if self.period()? < 1_000_000_000 {
            return Some(0);
        }
        let regular = (100 - 2 * self.jitter()?).max(0);
        let count = (self.times.len() as i64 - 1).min(FULL);
        Some(regular * count / FULL)
    }
}

#[cfg(test)]
mod tests {
    use super::Rhythm;

    const SECOND: i64 = 1_000_000_000;

    fn rhythm(times: &[i64]) -> Rhythm {
        let mut rhythm = Rhythm::default();
        for (port, time) in times.iter().enumerate() {
            rhythm.begin(*time, port as i32 + 1);
            // Exported again.
            rhythm.begin(*time + 1, port as i32 + 1);
        }
        rhythm
    }

    #[test]
    fn a_clock_scores_full_and_chance_scores_low() {
        let every_two: Vec<i64> = (0..12).map(|n| n * 2 * SECOND + n % 3 * SECOND / 20).collect();
        let clock = rhythm(&every_two);
        assert!(clock.score() >= Some(85), "{clock:?} {:?}", clock.score());
        assert!((clock.period().unwrap() - 2 * SECOND).abs() < SECOND / 5);
        let chance = rhythm(&[0, 1, 30, 31, 95, 96, 250, 300, 301, 900].map(|t| t * SECOND));
        assert!(chance.score() < Some(30), "{:?}", chance.score());
        assert_eq!(rhythm(&[0, SECOND, 2 * SECOND]).score(), None);
        let burst: Vec<i64> = (0..12).map(|n| n * 1_000_000).collect();
        assert_eq!(rhythm(&burst).score(), Some(0));
        assert!(rhythm(&[0; 12]).score() < Some(1));
    }
}
