//! A map of bounded size.

use std::{fmt, hash::Hash};

use crate::HashMap;

/// Entries by key; when it is full, the half that was not touched for longest is dropped.
pub(super) struct Table<K, V> {
    entries: HashMap<K, (u64, V)>,
    clock: u64,
    limit: usize,
}

impl<K: Hash + Eq, V: Default> Table<K, V> {
    pub(super) fn new(limit: usize) -> Self {
        Self { entries: HashMap::default(), clock: 0, limit: limit.max(2) }
    }

    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key).map(|(_, value)| value)
    }

    /// The entry, made now if it is not there.
    pub(super) fn touch(&mut self, key: K) -> &mut V {
        self.clock += 1;
        if self.entries.len() >= self.limit && !self.entries.contains_key(&key) {
            let mut touched: Vec<u64> = self.entries.values().map(|(last, _)| *last).collect();
            let (_, median, _) = touched.select_nth_unstable(self.limit / 2);
            let median = *median;
            self.entries.retain(|_, (last, _)| *last > median);
        }
        let entry = self.entries.entry(key).or_default();
        entry.0 = self.clock;
        &mut entry.1
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
