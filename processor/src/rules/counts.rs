//! What each rule does and costs: how many records it matches, and how long it takes to judge them.
//!
//! Matches are counted. Time is sampled, as asking a clock costs as much as a rule does: of one record in a thousand some
//! rules are judged once more, each on its own and with a clock beside it, and rules take turns. So the time of a rule is
//! what it would take alone; beside others it shares questions with them, and takes less.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hashbrown::HashMap;
use sysflow::Joined;
use sysflow::record::Kind;
use sysflow_policy::{Memory, Rule, RuleId, RuleSet, Scratch};

/// Of about so many records, one is a sample.
const EVERY: u32 = 1024;

/// Rules that are timed on one sample: ten thousand of them must not hold up the records behind it.
const TURN: usize = 32;

const KINDS: usize = Kind::ALL.len();

/// What a rule did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Records that it matched.
    pub matches: u64,
    /// Records of the kinds that it is for.
    pub records: u64,
    /// What judging them by this rule alone takes, as far as samples tell.
    pub nanoseconds: u64,
}

/// Counts of the rules of a set. A rule of the same name in the set that takes its place goes on with them.
#[derive(Debug)]
pub struct Counts {
    ids: Vec<RuleId>,
    /// By number of the rule.
    rules: Vec<Arc<Count>>,
    /// Records judged, by kind, over all sets.
    kinds: Arc<[AtomicU64; KINDS]>,
    /// Where the next turn of timing begins.
    turn: AtomicUsize,
}

#[derive(Debug, Default)]
struct Count {
    matches: AtomicU64,
    samples: AtomicU64,
    sampled_ns: AtomicU64,
    /// Records of each kind that were judged before there was this rule.
    before: [u64; KINDS],
}

/// What one stream has to add to the counts; it is added block by block.
#[derive(Debug, Default)]
pub struct Tally {
    kinds: [u64; KINDS],
    /// Records until the next sample.
    until: u32,
    seed: u32,
    scratch: Scratch,
}

impl Counts {
    /// Counts of a set of rules, which go on from those of the set that it takes the place of.
    pub fn new(rules: &RuleSet, before: Option<(&RuleSet, &Self)>) -> Self {
        let kinds = before.map_or_else(Arc::default, |(_, counts)| Arc::clone(&counts.kinds));
        let seen = kinds.each_ref().map(|count| count.load(Ordering::Relaxed));
        let mut known = HashMap::<_, _, foldhash::quality::RandomState>::default();
        if let Some((old, counts)) = before {
            known.extend(named(old).zip(&counts.rules));
        }
        let count = |name| match known.get(&name) {
            Some(count) => Arc::clone(count),
            None => Arc::new(Count { before: seen, ..Count::default() }),
        };
        let ids = rules.rules().map(|(id, _)| id).collect();
        Self { ids, rules: named(rules).map(count).collect(), kinds, turn: AtomicUsize::new(0) }
    }

    /// Takes in a record that was judged, and the rules that it matched.
    pub fn judged(
        &self,
        rules: &RuleSet,
        joined: &Joined<'_>,
        memory: &Memory,
        matched: &[RuleId],
        tally: &mut Tally,
    ) {
        for id in matched {
            self.rules[id.index()].matches.fetch_add(1, Ordering::Relaxed);
        }
        tally.kinds[joined.record.kind() as usize] += 1;
        if tally.is_sample() {
            self.time(rules, joined, memory, tally);
        }
    }

    /// Adds what a stream has counted.
    pub fn add(&self, tally: &mut Tally) {
        for (kind, count) in self.kinds.iter().zip(&mut tally.kinds) {
            if *count > 0 {
                kind.fetch_add(std::mem::take(count), Ordering::Relaxed);
            }
        }
    }

    /// What a rule of the set did.
    pub fn usage(&self, id: RuleId, rule: &Rule) -> Usage {
        let count = &self.rules[id.index()];
        let records = rule.kinds.iter().map(|kind| {
            self.kinds[kind as usize].load(Ordering::Relaxed).saturating_sub(count.before[kind as usize])
        });
        let records: u64 = records.sum();
        let samples = count.samples.load(Ordering::Relaxed);
        let sampled = count.sampled_ns.load(Ordering::Relaxed);
        let mean = if samples == 0 { 0.0 } else { sampled as f64 / samples as f64 };
        Usage {
            matches: count.matches.load(Ordering::Relaxed),
            records,
            nanoseconds: (mean * records as f64) as u64,
        }
    }

    fn time(&self, rules: &RuleSet, joined: &Joined<'_>, memory: &Memory, tally: &mut Tally) {
        let all = self.ids.len();
        let turn = TURN.min(all);
        let from = self.turn.fetch_add(turn, Ordering::Relaxed);
        let kind = joined.record.kind();
        let clock = clock_costs();
        let ids = (0..turn).map(|n| self.ids[from.wrapping_add(n) % all]);
        for id in ids.filter(|id| rules.rule(*id).kinds.contains(kind)) {
            let began = Instant::now();
            std::hint::black_box(rules.holds_in(id, joined, memory, &mut tally.scratch));
            let took = began.elapsed().saturating_sub(clock);
            let count = &self.rules[id.index()];
            count.samples.fetch_add(1, Ordering::Relaxed);
            count.sampled_ns.fetch_add(took.as_nanos() as u64, Ordering::Relaxed);
        }
    }
}

/// Names of rules, with a number for those that share one.
fn named(rules: &RuleSet) -> impl Iterator<Item = (&str, u32)> {
    let mut seen = HashMap::<_, u32, foldhash::quality::RandomState>::default();
    rules.rules().map(move |(_, rule)| {
        let number = seen.entry(rule.name.as_str()).or_default();
        *number += 1;
        (rule.name.as_str(), *number)
    })
}

fn clock_costs() -> Duration {
    let once = || Instant::now().elapsed();
    once().min(once())
}

impl Tally {
    /// Whether a record is one of those that rules are timed on. The distance varies: records may come in a rhythm.
    fn is_sample(&mut self) -> bool {
        if self.until > 0 {
            self.until -= 1;
            return false;
        }
        self.seed = self.seed.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
        self.until = EVERY / 2 + (self.seed >> 16) % EVERY;
        true
    }
}
