//! Telling the same thing once.
//!
//! The same rule in the same graph for the same process and object within a window of event time is one alert at
//! once and, when it was matched again, one update with the same id and the count when the window ends. Of one rule
//! in one graph at most `max_distinct` different objects are told; then one alert says how many more there were.
//!
//! What would be told then is still subject to limits of alerts a minute. What they hold back opens no window: it is
//! counted, and at a window's end one alert says how many there were.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};

use hashbrown::{HashMap, HashSet};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sysflow::Oid;
use sysflow::record::Record;
use sysflow::{GraphId, Joined};
use sysflow_policy::Priority;
use xxhash_rust::xxh3::Xxh3;

use super::Alert;
use super::limit::{Held, Limit, Limiter, Rates};

/// Windows that are open at the same time. Beyond, the oldest ends early: its update comes sooner, nothing is lost.
const MAX_OPEN: usize = 5_000;

/// Objects beyond `max_distinct` that are told apart; from there on they are not counted any more.
const MAX_COUNTED: usize = 65_536;

/// The same over all (rule, graph) pairs of a stream: 16 bytes each, and attackers choose how many pairs there are.
const MAX_COUNTED_IN_ALL: usize = 262_144;

/// (Rule, graph) pairs that are remembered.
const MAX_PAIRS: usize = 20_000;

/// How alerts are folded.
#[derive(Clone, Copy, Debug, Default)]
pub struct Settings {
    /// Length of a window, in ns of event time.
    pub window: i64,
    /// Objects told for one rule in one graph.
    pub max_distinct: usize,
    /// Alerts a minute.
    pub rates: Rates,
}

/// Folds matches into alerts.
///
/// It can be serialised, with all windows that are open, and go on later as if nothing had been between.
#[derive(Debug, Serialize, Deserialize)]
pub struct Suppressor {
    #[serde(skip)]
    settings: Settings,
    /// Keyed, so that nobody can craft a path that counts as another one.
    seed: u64,
    open: HashMap<u128, Window, foldhash::quality::RandomState>,
    pairs: HashMap<u128, Pair, foldhash::quality::RandomState>,
    ends: BTreeMap<(i64, u64), End>,
    sequence: u64,
    /// Objects that are told apart beyond `max_distinct`, over all pairs.
    counted: usize,
    limiter: Limiter,
    /// What is held back, of a rule (its hash) or of all (0).
    held: HashMap<u128, Held, foldhash::quality::RandomState>,
}

/// A match that may become an alert.
#[derive(Clone, Copy, Debug)]
pub struct Raise<'a> {
    /// Event time now, in ns: never goes back.
    pub now: i64,
    /// Time of the record that matched.
    pub ts: i64,
    /// Rule.
    pub rule: &'a str,
    /// Its priority.
    pub priority: Priority,
    /// Graph of the process.
    pub graph: Option<GraphId>,
    /// Process.
    pub process: Oid,
    /// What was done to.
    pub object: &'a Object,
}

/// What becomes of a match.
#[derive(Debug)]
pub enum Raised {
    /// It is told.
    Told(Box<Alert>),
    /// It is counted with one that was told before.
    Folded,
    /// It is counted with others that a limit holds back.
    Held(Limit),
}

/// What a record acts on: path, endpoint, or command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object(String);

#[derive(Debug, Serialize, Deserialize)]
struct Window {
    first: Alert,
    count: u64,
    /// The count that was told last.
    told: u64,
    last: i64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Pair {
    objects: HashSet<u128, foldhash::quality::RandomState>,
    more: Option<More>,
    /// When it was last used.
    used: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct More {
    template: Alert,
    objects: HashSet<u128, foldhash::quality::RandomState>,
    told: usize,
    last: i64,
    waiting: bool,
    /// There were more than could be told apart.
    full: bool,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum End {
    Window(u128),
    More(u128),
    Held(u128),
}

impl Suppressor {
    /// Nothing is open.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            seed: RandomState::new().hash_one(0),
            open: HashMap::default(),
            pairs: HashMap::default(),
            ends: BTreeMap::new(),
            sequence: 0,
            counted: 0,
            limiter: Limiter::default(),
            held: HashMap::default(),
        }
    }

    /// Takes a match. `make` makes its alert, `closing` the one which tells how many a limit held back; each is called only when
    /// it may be needed.
    pub fn raise(
        &mut self,
        raise: Raise<'_>,
        make: impl FnOnce() -> Alert,
        closing: impl FnOnce(Limit) -> Alert,
    ) -> Raised {
        let object = self.hash(&[raise.object.0.as_bytes()]);
        let graph = raise.graph.map(|graph| graph.to_string()).unwrap_or_default();
        let pair = self.hash(&[raise.rule.as_bytes(), graph.as_bytes()]);
        let Oid { create_ts, hpid } = raise.process;
        let key = self.hash(&[
            &pair.to_le_bytes(),
            &create_ts.to_le_bytes(),
            &hpid.to_le_bytes(),
            &object.to_le_bytes(),
        ]);
        if let Some(window) = self.open.get_mut(&key) {
            window.count += 1;
            window.last = raise.ts;
            return Raised::Folded;
        }
        self.sequence += 1;
        let end = (raise.now.saturating_add(self.settings.window), self.sequence);
        let known = self.pairs.entry(pair).or_default();
        known.used = self.sequence;
        if known.objects.contains(&object) || known.objects.len() < self.settings.max_distinct {
            if let Err(limit) = self.limiter.take(self.settings.rates, raise.rule, raise.now) {
                self.hold(&raise, limit, || closing(limit));
                self.forget_pairs();
                return Raised::Held(limit);
            }
            known.objects.insert(object);
            let alert = make();
            self.open.insert(key, Window { first: alert.clone(), count: 1, told: 1, last: raise.ts });
            self.ends.insert(end, End::Window(key));
            self.forget_pairs();
            return Raised::Told(Box::new(alert));
        }
        let more = known.more.get_or_insert_with(|| More {
            template: make(),
            objects: HashSet::default(),
            told: 0,
            last: raise.ts,
            waiting: false,
            full: false,
        });
        if more.objects.len() >= MAX_COUNTED || self.counted >= MAX_COUNTED_IN_ALL {
            more.full |= !more.objects.contains(&object);
        } else if more.objects.insert(object) {
            self.counted += 1;
            more.last = raise.ts;
            if !more.waiting {
                more.waiting = true;
                self.ends.insert(end, End::More(pair));
            }
        }
        Raised::Folded
    }

    /// Counts an alert that a limit holds back.
    fn hold(&mut self, raise: &Raise<'_>, limit: Limit, closing: impl FnOnce() -> Alert) {
        let key = match limit {
            Limit::Rule => self.hash(&[raise.rule.as_bytes()]),
            Limit::Total => 0,
        };
        let end = (raise.now.saturating_add(self.settings.window), self.sequence);
        let ends = &mut self.ends;
        let held = self.held.entry(key).or_insert_with(|| {
            ends.insert(end, End::Held(key));
            Held::new(closing(), limit)
        });
        held.add(raise.priority, raise.ts);
    }

    /// Updates of the windows that have ended at `now`, in the order of their ends.
    pub fn expire(&mut self, now: i64) -> Vec<Alert> {
        let mut updates = Vec::new();
        while let Some(first) = self.ends.first_entry() {
            if first.key().0 > now && self.open.len() <= MAX_OPEN {
                break;
            }
            let end = first.remove();
            updates.extend(self.close(end));
        }
        updates
    }

    /// Counts of the windows that would have ended by `now` if records had come. They stay open until records say so:
    /// what is on its way belongs to them, and the count is then told once more.
    pub fn overdue(&mut self, now: i64) -> Vec<Alert> {
        let Self { settings, open, pairs, ends, held, .. } = self;
        let mut update = |end: &End| match end {
            End::Window(key) => open.get_mut(key)?.update(),
            End::More(pair) => pairs.get_mut(pair)?.more.as_mut()?.update(settings.max_distinct),
            End::Held(key) => held.get_mut(key)?.update(),
        };
        ends.range(..=(now, u64::MAX)).filter_map(|(_, end)| update(end)).collect()
    }

    /// The same with other settings, which hold for windows that open from now on.
    #[must_use]
    pub fn with_settings(self, settings: Settings) -> Self {
        Self { settings, ..self }
    }

    /// Ends all windows: the data is at its end.
    pub fn finish(&mut self) -> Vec<Alert> {
        let mut updates = Vec::new();
        while let Some((_, end)) = self.ends.pop_first() {
            updates.extend(self.close(end));
        }
        updates
    }

    fn close(&mut self, end: End) -> Option<Alert> {
        match end {
            End::Window(key) => self.open.remove(&key)?.update(),
            End::More(pair) => {
                let more = self.pairs.get_mut(&pair)?.more.as_mut()?;
                more.waiting = false;
                more.update(self.settings.max_distinct)
            }
            End::Held(key) => self.held.remove(&key)?.update(),
        }
    }

    /// Forgets the half of the pairs that was not used longest, those that wait for their end excepted.
    fn forget_pairs(&mut self) {
        if self.pairs.len() <= MAX_PAIRS {
            return;
        }
        let mut used: Vec<u64> = self.pairs.values().map(|pair| pair.used).collect();
        let (_, &mut middle, _) = used.select_nth_unstable(MAX_PAIRS / 2);
        self.pairs
            .retain(|_, pair| pair.used >= middle || pair.more.as_ref().is_some_and(|more| more.waiting));
        self.counted =
            self.pairs.values().filter_map(|pair| pair.more.as_ref()).map(|more| more.objects.len()).sum();
    }

    fn hash(&self, parts: &[&[u8]]) -> u128 {
        let mut hash = Xxh3::with_seed(self.seed);
        for part in parts {
            hash.update(&(part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        hash.digest128()
    }
}

impl Window {
    /// The count, unless it was told.
    fn update(&mut self) -> Option<Alert> {
        if self.count == self.told {
            return None;
        }
        let count = self.count;
        self.told = count;
        let mut update = self.first.clone();
        update.count = count;
        update.ts = self.last;
        update.output_fields.insert("sf.count".into(), Value::from(count));
        update.recompose(&format!("{} ({count} times)", update.text));
        Some(update)
    }
}

impl More {
    fn update(&mut self, told_one_by_one: usize) -> Option<Alert> {
        let count = self.objects.len();
        if count == self.told {
            return None;
        }
        self.told = count;
        let mut alert = self.template.clone();
        alert.count = count as u64;
        alert.ts = self.last;
        // The template's own object is one of many: naming it would mislead.
        alert
            .output_fields
            .retain(|name, _| !["sf.file.", "sf.net.", "sf.flow."].iter().any(|p| name.starts_with(p)));
        alert.output_fields.insert("sf.count".into(), Value::from(count));
        let at_least = if self.full { "at least " } else { "" };
        alert.recompose(&format!(
            "{}: {at_least}{count} more objects in this graph beyond the first {told_one_by_one}",
            alert.rule
        ));
        Some(alert)
    }
}

impl Object {
    /// Path of a file flow or event, endpoint of a network flow, else the command line.
    pub fn of(joined: &Joined<'_>) -> Self {
        let path =
            |file: Option<&sysflow::record::File>| file.map(|file| file.path.clone()).unwrap_or_default();
        Self(match joined.record {
            Record::FileFlow(_) => path(joined.file),
            Record::FileEvent(_) => match joined.new_file {
                Some(new) => format!("{}\0{}", path(joined.file), new.path),
                None => path(joined.file),
            },
            // The server's side: a client's port is another one each time.
            Record::NetworkFlow(flow) => match flow.dip6 {
                Some(address) => format!("{address:?}:{}", flow.dport),
                None => format!("{}:{}", flow.dip, flow.dport),
            },
            _ => joined
                .process
                .map(|process| format!("{}\0{}", process.exe, process.exe_args))
                .unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;

    fn alert() -> Alert {
        Alert {
            id: String::new(),
            ts: 0,
            priority: Priority::Notice,
            rule: "r".into(),
            source: "sysflow".into(),
            hostname: String::new(),
            tags: Vec::new(),
            text: String::new(),
            output: String::new(),
            output_fields: Map::new(),
            count: 1,
        }
    }

    #[test]
    fn objects_that_are_told_apart_are_bounded_over_all_rules_and_graphs() {
        let mut suppressor =
            Suppressor::new(Settings { window: 1, max_distinct: 1, rates: Rates::default() });
        let process = Oid { create_ts: 0, hpid: 1 };
        for rule in ["a", "b", "c", "d", "e", "f"] {
            for n in 0..60_000 {
                let object = Object(n.to_string());
                let raise = Raise {
                    now: 0,
                    ts: 0,
                    rule,
                    priority: Priority::Notice,
                    graph: None,
                    process,
                    object: &object,
                };
                suppressor.raise(raise, alert, |_| alert());
            }
        }
        let held: usize =
            suppressor.pairs.values().filter_map(|p| p.more.as_ref()).map(|m| m.objects.len()).sum();
        assert_eq!((held, suppressor.counted), (MAX_COUNTED_IN_ALL, MAX_COUNTED_IN_ALL));
        let outputs: Vec<_> = suppressor.finish().into_iter().map(|alert| alert.output).collect();
        assert_eq!(outputs.len(), 5, "the sixth counted none: {outputs:?}");
        assert_eq!(outputs.iter().filter(|output| output.contains("at least")).count(), 1, "{outputs:?}");
    }
}
