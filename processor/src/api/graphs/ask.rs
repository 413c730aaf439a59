//! A condition that is asked of the records below graphs.

use sysflow::Joined;
use sysflow_policy::{Condition, Memory, Scratch};

/// A condition, and what was seen before the record that it is asked of.
///
/// Attributes that look back (`sf.flow.beacon`, `sf.new.*`, ...) see the records that were given before. The tags that
/// rules left are not kept with records: `sf.graph.tags` and `sf.proc.tags` are empty.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    condition: &'a Condition,
    memory: Memory,
    scratch: Scratch,
}

impl<'a> Asked<'a> {
    /// Nothing was seen yet.
    pub(super) fn new(condition: &'a Condition) -> Self {
        Self { condition, memory: Memory::default(), scratch: Scratch::default() }
    }

    /// Whether the next record meets it.
    pub(super) fn meets(&mut self, joined: &Joined<'_>) -> bool {
        let meets = self.condition.matches_in(joined, &self.memory, &mut self.scratch);
        self.memory.observe(joined, std::iter::empty());
        meets
    }
}
