//! How many alerts a minute of event time are told, of one rule and in all; what is beyond that is held back and counted.
//!
//! A bucket holds a minute's worth and is refilled evenly. It is kept as one number: the time at which it would be full
//! again (the "theoretical arrival time" of the generic cell rate algorithm).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Alert;

const MINUTE: i64 = 60_000_000_000;

/// Rules whose buckets are remembered; a full one need not be.
const MAX_RULES: usize = 10_000;

/// Alerts a minute; 0: as many as there are.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rates {
    /// Of one rule.
    pub rule: u32,
    /// Of all rules.
    pub total: u32,
}

/// Which limit holds an alert back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Limit {
    /// That of its rule.
    Rule,
    /// That of all rules.
    Total,
}

/// Buckets, and what is held back.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Limiter {
    rules: BTreeMap<String, i64>,
    total: i64,
}

/// Alerts that are held back: of a rule, or of all.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Held {
    /// Tells of them, once their number is in it.
    closing: Alert,
    limit: Limit,
    count: u64,
    /// The count that was told last.
    told: u64,
    last: i64,
}

impl Limit {
    /// Word for metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rule => "rule",
            Self::Total => "total",
        }
    }
}

impl Default for Limiter {
    fn default() -> Self {
        Self { rules: BTreeMap::new(), total: i64::MIN }
    }
}

impl Limiter {
    /// Takes an alert of `rule` out of the buckets; the limit that does not allow it.
    pub(super) fn take(&mut self, rates: Rates, rule: &str, now: i64) -> Result<(), Limit> {
        let of_rule = self.rules.get(rule).copied().unwrap_or(i64::MIN);
        let next_of_rule = taken(rates.rule, of_rule, now).ok_or(Limit::Rule)?;
        self.total = taken(rates.total, self.total, now).ok_or(Limit::Total)?;
        if rates.rule > 0 {
            if self.rules.len() >= MAX_RULES {
                self.rules.retain(|_, full| *full > now);
            }
            // A set of rules that was replaced very often: better a bucket too full than memory without bounds.
            if self.rules.len() < MAX_RULES || self.rules.contains_key(rule) {
                self.rules.insert(rule.to_owned(), next_of_rule);
            }
        }
        Ok(())
    }
}

/// When a bucket is full again that is full at `full` and of which one is taken `now`; `None` when it is empty.
fn taken(a_minute: u32, full: i64, now: i64) -> Option<i64> {
    if a_minute == 0 {
        return Some(full);
    }
    let each = MINUTE / i64::from(a_minute);
    let next = full.max(now).saturating_add(each);
    (next.saturating_sub(now) <= MINUTE).then_some(next)
}

impl Held {
    /// The first one that is held back.
    pub(super) fn new(closing: Alert, limit: Limit) -> Self {
        let last = closing.ts;
        Self { closing, limit, count: 0, told: 0, last }
    }

    /// One more, with what it would have been.
    pub(super) fn add(&mut self, priority: sysflow_policy::Priority, ts: i64) {
        self.count += 1;
        self.last = ts;
        self.closing.priority = self.closing.priority.max(priority);
    }

    /// What tells of them, unless it was told.
    pub(super) fn update(&mut self) -> Option<Alert> {
        if self.count == self.told {
            return None;
        }
        self.told = self.count;
        let mut alert = self.closing.clone();
        alert.ts = self.last;
        alert.count = self.count;
        alert.output_fields.insert("sf.count".into(), self.count.into());
        let what = match self.limit {
            Limit::Rule => {
                format!("{}: {} more alerts were held back (alerts.per_minute.rule)", alert.rule, self.count)
            }
            Limit::Total => {
                format!("{} more alerts of any rule were held back (alerts.per_minute.total)", self.count)
            }
        };
        alert.text.clone_from(&what);
        alert.recompose(&what);
        Some(alert)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    /// How many of `asked` alerts at one time are told.
    fn told(limiter: &mut Limiter, rates: Rates, rule: &str, now: i64, asked: usize) -> usize {
        (0..asked).filter(|_| limiter.take(rates, rule, now).is_ok()).count()
    }

    #[test]
    fn a_bucket_holds_a_minutes_worth_and_is_refilled_evenly() {
        let rates = Rates { rule: 6, total: 0 };
        let mut limiter = Limiter::default();
        let mut at = |now, asked| told(&mut limiter, rates, "r", now, asked);
        assert_eq!(at(0, 10), 6);
        assert_eq!(at(9 * SECOND, 10), 0);
        assert_eq!(at(10 * SECOND, 10), 1, "one in ten seconds");
        assert_eq!(at(50 * SECOND, 10), 4);
        assert_eq!(at(1000 * SECOND, 10), 6, "and no more than a minute's worth");
    }

    #[test]
    fn rules_have_buckets_of_their_own_and_one_together() {
        let rates = Rates { rule: 3, total: 5 };
        let mut limiter = Limiter::default();
        assert_eq!(told(&mut limiter, rates, "a", 0, 10), 3);
        assert_eq!(limiter.take(rates, "a", 0), Err(Limit::Rule));
        assert_eq!(told(&mut limiter, rates, "b", 0, 10), 2);
        assert_eq!(limiter.take(rates, "b", 0), Err(Limit::Total));
        // What the total refuses costs the rule nothing.
        assert_eq!(told(&mut limiter, Rates { rule: 3, total: 0 }, "b", 0, 10), 1);
    }

    #[test]
    fn without_limits_everything_is_told_and_nothing_remembered() {
        let mut limiter = Limiter::default();
        assert_eq!(told(&mut limiter, Rates::default(), "r", 0, 1000), 1000);
        assert!(limiter.rules.is_empty());
        // Times are those of records, which may be anything.
        let rates = Rates { rule: u32::MAX, total: 1 };
        for (now, expected) in [(i64::MIN, 1), (0, 1), (i64::MAX, 2)] {
            assert_eq!(told(&mut Limiter::default(), rates, "r", now, 2), expected);
        }
    }

    #[test]
    fn buckets_of_rules_that_come_and_go_are_bounded() {
        let rates = Rates { rule: 1, total: 0 };
        let mut limiter = Limiter::default();
        for n in 0..2 * MAX_RULES {
            assert_eq!(limiter.take(rates, &n.to_string(), 0), Ok(()));
        }
        assert_eq!(limiter.rules.len(), MAX_RULES);
        assert_eq!(limiter.take(rates, "later", 2 * MINUTE), Ok(()));
        assert_eq!(limiter.rules.len(), 1);
    }
}
