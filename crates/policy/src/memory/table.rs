//! A map of bounded size.

use std::{fmt, hash::Hash};

use serde::{Deserialize, Serialize};

use crate::HashMap;

/// Entries by key; when it is full, the half that was not touched for longest is dropped.
#[derive(Serialize, Deserialize)]
#[serde(bound(
    serialize = "K: Hash + Eq + Serialize, V: Serialize",
    deserialize = "K: Hash + Eq + Deserialize<'de>, V: Deserialize<'de>"
))]
pub(super) struct Table<K, V> {
    entries: HashMap<K, (u64, V)>,
    clock: u64,
    /// Set by [`Table::limited`] when the table was read.
    #[serde(skip)]
    limit: usize,
}

impl<K: Hash + Eq, V: Default> Table<K, V> {
    pub(super) fn new(limit: usize) -> Self {
        Self { entries: HashMap::default(), clock: 0, limit: limit.max(2) }
    }

    /// A table that was read, with its bound; `None` if it could not have come about by [`Table::touch`].
    pub(super) fn limited(self, limit: usize, is_sound: impl Fn(&V) -> bool) -> Option<Self> {
        let limit = limit.max(2);
        // More touches than this take longer than any machine lives.
        let sound = self.entries.len() <= limit
            && self.clock <= u64::MAX / 2
            && self.entries.values().all(|(last, value)| *last <= self.clock && is_sound(value));
        sound.then_some(Self { limit, ..self })
    }

    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key).map(|(_, value)| value)
    }

    /// The entry, made now if it is not there.
    pub(super) fn touch(&mut self, key: K) -> &mut V {
        self.clock += 1;
        if self.entries.len() >= self.limit && !self.entries.contains_key(&key) {
            self.forget_half();
        }
        let entry = self.entries.entry(key).or_default();
        entry.0 = self.clock;
        &mut entry.1
    }

    /// Drops the half that was not touched for longest.
    pub(super) fn forget_half(&mut self) {
        let mut touched: Vec<u64> = self.entries.values().map(|(last, _)| *last).collect();
        if touched.is_empty() {
            return;
        }
        let middle = touched.len() / 2;
        let (_, &mut median, _) = touched.select_nth_unstable(middle);
        self.entries.retain(|_, (last, _)| *last > median);
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &V> {
        self.entries.values().map(|(_, value)| value)
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.entries.values_mut().map(|(_, value)| value)
    }
}

impl<K, V> fmt::Debug for Table<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table")
            .field("len", &self.entries.len())
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn the_half_not_touched_makes_room() {
        let mut table: Table<u32, u32> = Table::new(100);
        for key in 0..10_000 {
            *table.touch(key) = key;
            table.touch(0);
            assert!(table.entries.len() <= 101);
        }
        assert_eq!(table.get(&0), Some(&0));
        assert_eq!(table.get(&9_999), Some(&9_999));
        assert_eq!(table.get(&1), None);
    }
}
