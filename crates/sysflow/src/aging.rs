//! A table that forgets what was not used for longest, once there is too much.

use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};

use foldhash::quality::RandomState;
use hashbrown::{Equivalent, HashMap};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A map of two generations: what is put in or used is young; when half of the bound is young, what is old goes and
/// the young are the old from then on. So an entry outlives at least half a bound of others after its last use, and
/// no order of use has to be kept.
#[derive(Debug, Serialize, Deserialize)]
#[serde(bound(
    serialize = "K: Eq + Hash + Serialize, V: Serialize",
    deserialize = "K: Eq + Hash + Deserialize<'de>, V: Deserialize<'de>"
))]
pub(crate) struct Aging<K, V> {
    young: HashMap<K, Versioned<V>, RandomState>,
    old: HashMap<K, Versioned<V>, RandomState>,
}

/// A value, and a number that stands for it alone: what is derived from a value can be kept under its number.
#[derive(Debug)]
struct Versioned<V> {
    version: u64,
    value: V,
}

/// A number that no version in any table of this program has yet.
pub(crate) fn new_version() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1, Ordering::Relaxed) + 1
}

impl<K, V> Default for Aging<K, V> {
    fn default() -> Self {
        Self { young: HashMap::default(), old: HashMap::default() }
    }
}

impl<K: Eq + Hash, V: PartialEq> Aging<K, V> {
    pub(crate) fn get<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) -> Option<&V> {
        self.versioned(key).map(|(value, _)| value)
    }

    /// The value with the number of its version, which is never 0.
    pub(crate) fn versioned<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) -> Option<(&V, u64)> {
        let found = self.young.get(key).or_else(|| self.old.get(key));
        found.map(|found| (&found.value, found.version))
    }

    /// Puts an entry in; how many went to make room for it, so that at most `bound` stay. A value that is there
    /// already keeps its version.
    pub(crate) fn insert(&mut self, key: K, value: V, bound: usize) -> u64 {
        let version = match self.versioned(&key) {
            Some((known, version)) if *known == value => version,
            _ => new_version(),
        };
        self.old.remove(&key);
        self.put(key, Versioned { version, value }, bound)
    }

    fn put(&mut self, key: K, value: Versioned<V>, bound: usize) -> u64 {
        self.young.insert(key, value);
        if self.young.len() < (bound / 2).max(1) {
            return 0;
        }
        let gone = std::mem::replace(&mut self.old, std::mem::take(&mut self.young));
        gone.len() as u64
    }

    /// Says that an entry was used; how many went because of that.
    pub(crate) fn used<Q: Hash + Equivalent<K> + ?Sized>(&mut self, key: &Q, bound: usize) -> u64 {
        match self.old.remove_entry(key) {
            Some((key, value)) => self.put(key, value, bound),
            None => 0,
        }
    }

    /// Whether nothing may be forgotten soon.
    pub(crate) fn is_young(&self) -> bool {
        self.old.is_empty()
    }
}

/// Versions are of one run: only the value is kept.
impl<V: Serialize> Serialize for Versioned<V> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(to)
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Versioned<V> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        V::deserialize(from).map(|value| Self { version: new_version(), value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_and_what_is_not_goes() {
        let mut table = Aging::default();
        let mut gone = 0;
        for n in 0..1000 {
            gone += table.insert(n, n, 100);
            gone += table.used(&0, 100);
            assert!(table.young.len() + table.old.len() <= 100);
        }
        assert_eq!(table.get(&0), Some(&0), "used all the time");
        assert_eq!(table.get(&1), None, "never used again");
        assert!((950..1000).all(|n| table.get(&n) == Some(&n)), "half a bound of the newest is always there");
        assert_eq!(gone as usize, 1000 - table.young.len() - table.old.len());
    }

    #[test]
    fn a_new_value_takes_the_place_of_an_old_one() {
        let mut table = Aging::default();
        for n in 0..5 {
            table.insert(n, "before", 10);
        }
        assert!(!table.is_young());
        table.insert(0, "after", 10);
        assert_eq!((table.get(&0), table.get(&1)), (Some(&"after"), Some(&"before")));
        assert_eq!(table.old.len() + table.young.len(), 5);
    }

    #[test]
    fn a_version_stands_for_one_value() {
        let mut table = Aging::default();
        let version = |table: &Aging<_, _>, key| table.versioned(&key).map(|(_, version)| version);
        table.insert(1, "a", 10);
        table.insert(2, "a", 10);
        let first = version(&table, 1);
        assert_ne!(first, version(&table, 2), "equal values of two entries are told apart");
        table.insert(1, "a", 10);
        assert_eq!(version(&table, 1), first, "written again as it was");
        for key in 3..6 {
            table.insert(key, "a", 10);
        }
        table.used(&1, 10);
        assert_eq!(version(&table, 1), first, "used");
        table.insert(1, "b", 10);
        let second = version(&table, 1);
        assert!(second > first, "changed");
        table.insert(1, "a", 10);
        assert!(version(&table, 1) > second, "changed back: nothing of before is taken for it");
    }
}
