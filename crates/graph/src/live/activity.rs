//! What one behaviour did to files, or over the network.

use std::cmp::Reverse;
use std::hash::{BuildHasher, Hash};

use foldhash::quality::FixedState;
use hashbrown::{HashMap, HashSet};
use serde::{Deserialize, Serialize};
use sysflow::record::op;

use super::net::NetKey;
use super::series::{Bucket, Series};

/// What an activity counts by: a path, or the ends of a connection.
pub(crate) trait TargetKey: Clone + Eq + Hash + Ord {
    /// Memory of a target with this key, in cells: see [`crate::Limits::cells`].
    fn cells(&self) -> usize {
        1
    }
}

impl TargetKey for String {
    fn cells(&self) -> usize {
        1 + text_cells(self)
    }
}

impl TargetKey for NetKey {}

/// Memory of a text beyond what a cell has room for.
pub(crate) fn text_cells(text: &str) -> usize {
    text.len() / 200
}

/// Totals of one behaviour, and the same for each path or endpoint, as far as there is room.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound(serialize = "K: TargetKey + Serialize", deserialize = "K: TargetKey + Deserialize<'de>"))]
pub(crate) struct Activity<K> {
    pub(crate) total: Target,
    pub(crate) series: Series,
    pub(crate) targets: HashMap<K, Target, FixedState>,
    /// Hashes of all targets ever seen; kept only once some were dropped from `targets`.
    seen: Option<HashSet<u64, FixedState>>,
    /// Cells of `targets`.
    cells: usize,
}

/// Totals of one path or endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Target {
    /// Union of the operations.
    pub(crate) flags: i32,
    /// Single operations, as far as records count them.
    pub(crate) ops: u64,
    /// Opens, connections or events.
    pub(crate) count: u64,
    pub(crate) rbytes: u64,
    pub(crate) wbytes: u64,
    pub(crate) first: i64,
    pub(crate) last: i64,
    /// Lowest result of its events; flows have none.
    pub(crate) ret: Option<i32>,
    /// Whether an alert was about it.
    pub(crate) alerted: bool,
}

/// Order in which targets are listed: what an alert was about, what was changed, refused or called, then by size,
/// the newest first.
pub(crate) type Rank = (Reverse<bool>, Reverse<bool>, Reverse<u64>, Reverse<i64>);

/// Operations of an observer; all others change something or reach out.
const OBSERVING: i32 = op::OPEN
    | op::READ_RECV
    | op::CLOSE
    | op::TRUNCATE
    | op::SHUTDOWN
    | op::MMAP
    | op::ACCEPT
    | op::BIND
    | op::LISTEN
    | op::SETNS;

impl Target {
    /// Nothing yet: what [`Target::absorb`] leaves as the other side is.
    pub(crate) const NOTHING: Self = Self {
        flags: 0,
        ops: 0,
        count: 0,
        rbytes: 0,
        wbytes: 0,
        first: i64::MAX,
        last: i64::MIN,
        ret: None,
        alerted: false,
    };

    pub(crate) fn absorb(&mut self, other: &Self) {
        self.flags |= other.flags;
        self.ops = self.ops.saturating_add(other.ops);
        self.count = self.count.saturating_add(other.count);
        self.rbytes = self.rbytes.saturating_add(other.rbytes);
        self.wbytes = self.wbytes.saturating_add(other.wbytes);
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.ret = match (self.ret, other.ret) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        self.alerted |= other.alerted;
    }

    pub(crate) fn rank(&self) -> Rank {
        let notable = self.flags & !OBSERVING != 0 || self.ret.is_some_and(|ret| ret < 0);
        (
            Reverse(self.alerted),
            Reverse(notable),
            Reverse(self.rbytes.saturating_add(self.wbytes)),
            Reverse(self.last),
        )
    }
}

impl<K: TargetKey> Default for Activity<K> {
    fn default() -> Self {
        Self {
            total: Target::NOTHING,
            series: Series::default(),
            targets: HashMap::with_hasher(FixedState::default()),
            seen: None,
            cells: 0,
        }
    }
}

impl<K: TargetKey> Activity<K> {
    /// Adds what a record says of `key`. Keeps at most `2 * keep` targets, and of those the first `keep` by rank when
    /// there were more. Returns whether everything was counted: without `room` a new target is not.
    pub(crate) fn add(&mut self, key: K, what: &Target, keep: usize, room: bool) -> bool {
        self.total.absorb(what);
        self.series.add(what.first, Bucket { ops: what.ops, rbytes: what.rbytes, wbytes: what.wbytes });
        self.add_name(key, what, keep, room)
    }

    /// The same for the second name in a record that [`Activity::add`] has counted already.
    pub(crate) fn add_name(&mut self, key: K, what: &Target, keep: usize, room: bool) -> bool {
        if let Some(target) = self.targets.get_mut(&key) {
            target.absorb(what);
            return true;
        }
        if !room {
            return false;
        }
        if let Some(seen) = &mut self.seen {
            seen.insert(digest(&key));
        }
        self.cells += key.cells();
        self.targets.insert(key, what.clone());
        if self.targets.len() > keep.saturating_mul(2) {
            self.prune(keep);
        }
        true
    }

    /// Notes that an alert was about `key`.
    pub(crate) fn alert(&mut self, key: &K) {
        if let Some(target) = self.targets.get_mut(key) {
            target.alerted = true;
        }
    }

    /// Adds all of another activity, without a bound: this is for pictures.
    pub(crate) fn absorb(&mut self, other: &Self) {
        self.total.absorb(&other.total);
        self.series.absorb(&other.series);
        if self.seen.is_some() || other.seen.is_some() {
            let seen = other.seen.iter().flatten().copied().chain(other.targets.keys().map(digest));
            self.seen_mut().extend(seen);
        }
        for (key, target) in &other.targets {
            self.targets.entry(key.clone()).or_insert(Target::NOTHING).absorb(target);
        }
        self.cells = self.targets.keys().map(K::cells).sum();
    }

    /// Distinct targets, also of those that are no longer listed.
    pub(crate) fn distinct(&self) -> usize {
        self.seen.as_ref().map_or(self.targets.len(), HashSet::len)
    }

    /// Memory in cells: see [`crate::Limits::cells`].
    pub(crate) fn cells(&self) -> usize {
        1 + self.cells + self.seen.as_ref().map_or(0, |seen| seen.len() / 8)
    }

    fn seen_mut(&mut self) -> &mut HashSet<u64, FixedState> {
        let targets = &self.targets;
        self.seen.get_or_insert_with(|| targets.keys().map(digest).collect())
    }

    fn prune(&mut self, keep: usize) {
        self.seen_mut();
        let mut ranked: Vec<_> = self.targets.drain().collect();
        ranked.sort_unstable_by(|(a, x), (b, y)| x.rank().cmp(&y.rank()).then_with(|| a.cmp(b)));
        self.targets.extend(ranked.into_iter().take(keep));
        self.cells = self.targets.keys().map(K::cells).sum();
    }
}

fn digest<K: Hash>(key: &K) -> u64 {
    FixedState::default().hash_one(key)
}
