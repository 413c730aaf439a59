//! Which of many texts a text begins with.

use super::Hits;

/// Texts, sorted, each with the longest other one that it begins with.
///
/// Whatever a text begins with is the last one not behind it in this order, or one that that one begins with: one
/// search and a short walk find all.
#[derive(Debug, Default)]
pub(super) struct Prefixes {
    texts: Vec<Box<[u8]>>,
    shorter: Vec<Option<u32>>,
    atoms: Vec<Vec<u32>>,
}

impl Prefixes {
    /// Of the texts with the atoms that ask for them.
    pub(super) fn new(mut asked: Vec<(Box<[u8]>, u32)>) -> Self {
        asked.sort_unstable();
        let mut prefixes = Self::default();
        // Those that the next text may begin with, the longest last.
        let mut open: Vec<u32> = Vec::new();
        for (text, atom) in asked {
            if let (Some(last), Some(atoms)) = (prefixes.texts.last(), prefixes.atoms.last_mut())
                && *last == text
            {
                atoms.push(atom);
                continue;
            }
            while open.last().is_some_and(|at| !text.starts_with(&prefixes.texts[*at as usize])) {
                open.pop();
            }
            prefixes.shorter.push(open.last().copied());
            open.push(prefixes.texts.len() as u32);
            prefixes.texts.push(text);
            prefixes.atoms.push(vec![atom]);
        }
        prefixes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// Tells of the atoms whose text `text` begins with.
    pub(super) fn find(&self, text: &[u8], hits: &mut Hits<'_>) {
        let behind = self.texts.partition_point(|prefix| **prefix <= *text);
        let mut next = behind.checked_sub(1).map(|at| at as u32);
        let mut begins = false;
        while let Some(at) = next {
            let at = at as usize;
            begins = begins || text.starts_with(&self.texts[at]);
            if begins {
                hits.add(&self.atoms[at]);
            }
            next = self.shorter[at];
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::{super::Marks, Prefixes};

    proptest! {
        #[test]
        fn all_that_a_text_begins_with_are_found(
            texts in vec("[ab]{1,5}", 0..20),
            text in "[abc]{0,8}",
        ) {
            let asked = texts.iter().zip(0..).map(|(text, atom)| (text.as_bytes().into(), atom));
            let prefixes = Prefixes::new(asked.collect());
            let mut marks = Marks::default();
            marks.start(texts.len());
            prefixes.find(text.as_bytes(), &mut marks.hits());
            for (at, prefix) in texts.iter().enumerate() {
                prop_assert_eq!(marks.has(at as u32), text.starts_with(prefix.as_str()), "{}", prefix);
            }
        }
    }
}
