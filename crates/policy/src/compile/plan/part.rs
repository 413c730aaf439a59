//! The part of all rules that depends on one subject alone.

use super::{
    matcher::{Answer, Collector, Matcher, Mode, needle},
    trigger::{Literal, NEVER, Triggers, sum},
};
use crate::{
    HashMap,
    compile::{
        atom::FieldId,
        program::{Judgement, Program},
    },
    field::Value,
};

/// Number of a cell in its part.
pub(super) type CellId = u32;

/// A condition on one subject.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Cell {
    literals: Box<[Literal]>,
    /// One literal is enough; else all must hold.
    any: bool,
}

/// What a rule demands of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Check(u32);

/// Conditions on one subject, each once, and the matchers that answer the atoms in them.
#[derive(Debug, Default)]
pub(super) struct Part {
    matchers: Vec<Matcher>,
    cells: Vec<Cell>,
    /// For each atom the cells that may hold only when one of their atoms was found.
    waiting: HashMap<u32, Vec<CellId>>,
    /// The other cells.
    always: Vec<CellId>,
    /// For each cell the rules that are looked at where it holds.
    pub(super) homes: HashMap<CellId, Vec<u32>>,
    numbers: HashMap<Cell, CellId>,
}

impl Check {
    /// Nothing is demanded.
    pub(super) const NONE: Self = Self(u32::MAX);

    fn new(cell: CellId, holds: bool) -> Self {
        Self(cell << 1 | u32::from(holds))
    }

    /// The cell, and whether it must hold or must not.
    pub(super) fn cell(self) -> Option<(CellId, bool)> {
        (self != Self::NONE).then_some((self.0 >> 1, self.0 & 1 == 1))
    }
}

impl Part {
    /// With matchers for those of `atoms`, all of this subject, that they can answer; how is noted in `found`.
    pub(super) fn new(program: &Program, atoms: &[u32], found: &mut [(Answer, u32)]) -> Self {
        let mut collectors: HashMap<(FieldId, Mode), Collector> = HashMap::default();
        for number in atoms {
            let atom = &program.atoms[*number as usize];
            if let Some((mode, needle)) = needle(atom) {
                found[*number as usize] = (needle.answer(), needle.cost());
                collectors.entry((atom.field, mode)).or_default().add(*number, needle);
            }
        }
        let mut left = Vec::new();
        let finish = |((field, mode), collector): (_, Collector)| collector.finish(field, mode, &mut left);
        let matchers = collectors.into_iter().map(finish).collect();
        for atom in left {
            found[atom as usize] = (Answer::Asked, 0);
        }
        Self { matchers, ..Self::default() }
    }

    /// The check that all of `literals` hold.
    pub(super) fn check(&mut self, mut literals: Vec<Literal>) -> Check {
        if literals.is_empty() {
            return Check::NONE;
        }
        literals.sort_unstable();
        literals.dedup();
        // That none of some things holds is kept as its contrary, which is rarer.
        let none = literals.iter().all(|literal| literal.negated);
        if none {
            for literal in &mut literals {
                literal.negated = false;
            }
        }
        let cell = Cell { any: none && literals.len() > 1, literals: literals.into() };
        let next = self.numbers.len() as CellId;
        Check::new(*self.numbers.entry(cell).or_insert(next), !none)
    }

    /// What it costs to wait for `check`: [`NEVER`] when it may hold whatever was found.
    pub(super) fn costs(&self, triggers: &Triggers<'_>) -> Vec<u32> {
        let mut costs = vec![NEVER; self.numbers.len()];
        for (cell, number) in &self.numbers {
            let each = cell.literals.iter().map(|literal| triggers.cost(*literal));
            costs[*number as usize] = if cell.any { sum(each) } else { each.min().unwrap_or(NEVER) };
        }
        costs
    }

    /// Ends the making of cells.
    pub(super) fn finish(&mut self, triggers: &Triggers<'_>) {
        let mut cells: Vec<(Cell, CellId)> = std::mem::take(&mut self.numbers).into_iter().collect();
        cells.sort_unstable_by_key(|(_, number)| *number);
        for (cell, number) in cells {
            let atoms = match triggers.cheapest(cell.literals.iter().copied()) {
                Some(cheapest) if !cell.any => triggers.atoms(&[cheapest]),
                _ => triggers.atoms(&cell.literals),
            };
            match atoms {
                Some(atoms) => {
                    for atom in atoms {
                        self.waiting.entry(atom).or_default().push(number);
                    }
                }
                None => self.always.push(number),
            }
            self.cells.push(cell);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.cells.len()
    }

    /// The cells that hold, in order.
    pub(super) fn evaluate(&self, judgement: &mut Judgement<'_, '_>) -> Vec<CellId> {
        judgement.unmark();
        for matcher in &self.matchers {
            judgement.find(matcher.field, |value, work| {
                if !matches!(value, Value::Absent) {
                    matcher.find(value, &mut work.backwards, &mut work.marks.hits());
                }
            });
        }
        let marked = judgement.marks().list().iter();
        let waiting = marked.filter_map(|atom| self.waiting.get(atom)).flatten();
        let mut asked: Vec<CellId> = waiting.copied().collect();
        asked.sort_unstable();
        asked.dedup();
        asked.extend_from_slice(&self.always);
        asked.retain(|number| {
            let cell = &self.cells[*number as usize];
            let mut each = cell.literals.iter();
            let mut holds = |literal: &Literal| judgement.holds(literal.node) != literal.negated;
            if cell.any { each.any(holds) } else { each.all(&mut holds) }
        });
        asked.sort_unstable();
        asked
    }
}
