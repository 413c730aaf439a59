//! Atoms that a matcher found to hold.

/// Marks on atoms, taken off all at once.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    epoch: u32,
    marked: Vec<u32>,
    /// Those that bear a mark.
    list: Vec<u32>,
}

/// Where matchers tell what they find.
pub(super) struct Hits<'m>(&'m mut Marks);

impl Marks {
    /// Takes all marks off, with room for `atoms`.
    pub(in crate::compile) fn start(&mut self, atoms: usize) {
        self.list.clear();
        self.epoch = self.epoch.wrapping_add(1);
        if self.marked.len() != atoms || self.epoch == 0 {
            self.marked.clear();
            self.marked.resize(atoms, 0);
            self.epoch = 1;
        }
    }

    pub(super) fn hits(&mut self) -> Hits<'_> {
        Hits(self)
    }

    pub(crate) fn has(&self, atom: u32) -> bool {
        self.marked[atom as usize] == self.epoch
    }

    /// The atoms with a mark, each once.
    pub(super) fn list(&self) -> &[u32] {
        &self.list
    }
}

impl Hits<'_> {
    pub(super) fn add(&mut self, atoms: &[u32]) {
        for atom in atoms {
            let mark = &mut self.0.marked[*atom as usize];
            if *mark != self.0.epoch {
                *mark = self.0.epoch;
                self.0.list.push(*atom);
            }
        }
    }
}
