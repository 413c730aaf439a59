//! A table that forgets what was not used for longest, once there is too much.

use std::hash::Hash;

use foldhash::quality::RandomState;
use hashbrown::{Equivalent, HashMap};
use serde::{Deserialize, Serialize};

/// A map of two generations: what is put in or used is young; when half of the bound is young, what is old goes and
/// the young are the old from then on. So an entry outlives at least half a bound of others after its last use, and
/// no order of use has to be kept.
#[derive(Debug, Serialize, Deserialize)]
#[serde(bound(
    serialize = "K: Eq + Hash + Serialize, V: Serialize",
    deserialize = "K: Eq + Hash + Deserialize<'de>, V: Deserialize<'de>"
))]
pub(crate) struct Aging<K, V> {
    young: HashMap<K, V, RandomState>,
    old: HashMap<K, V, RandomState>,
}

impl<K, V> Default for Aging<K, V> {
    fn default() -> Self {
        Self { young: HashMap::default(), old: HashMap::default() }
    }
}

impl<K: Eq + Hash, V> Aging<K, V> {
    pub(crate) fn get<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) -> Option<&V> {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    /// Puts an entry in; how many went to make room for it, so that at most `bound` stay.
    pub(crate) fn insert(&mut self, key: K, value: V, bound: usize) -> u64 {
        self.old.remove(&key);
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
            Some((key, value)) => self.insert(key, value, bound),
            None => 0,
        }
    }

    /// Whether nothing may be forgotten soon.
    pub(crate) fn is_young(&self) -> bool {
        self.old.is_empty()
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
}
