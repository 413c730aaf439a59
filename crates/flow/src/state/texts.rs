//! Texts that many processes have in common, once each.

use std::sync::Arc;

use hashbrown::HashTable;

/// Executables and working directories.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    table: HashTable<Arc<str>>,
    hasher: foldhash::fast::RandomState,
    /// With so many texts, those that nobody has any more are dropped.
    sweep_at: usize,
}

/// Texts that are not worth a sweep.
const FEW: usize = 1024;

// === impl Texts ===

impl Texts {
    /// The text as all others have it.
    pub(crate) fn intern(&mut self, text: &str) -> Arc<str> {
        use std::hash::BuildHasher as _;
        let Self { table, hasher, sweep_at } = self;
        let hash = hasher.hash_one(text);
        if let Some(known) = table.find(hash, |known| **known == *text) {
            return Arc::clone(known);
        }
        if table.len() >= *sweep_at {
            table.retain(|known| Arc::strong_count(known) > 1);
            *sweep_at = (2 * table.len()).max(FEW);
        }
        let new: Arc<str> = text.into();
        table.insert_unique(hash, Arc::clone(&new), |known| hasher.hash_one(&**known));
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_are_one_and_unused_ones_go() {
        let mut texts = Texts::default();
        let first = texts.intern("/bin/sh");
        assert!(Arc::ptr_eq(&first, &texts.intern("/bin/sh")));
        for n in 0..10 * FEW {
            texts.intern(&n.to_string());
        }
        assert!(texts.table.len() <= FEW);
        assert!(Arc::ptr_eq(&first, &texts.intern("/bin/sh")));
    }
}
