//! What is known of subjects, kept between records.
//!
//! Nothing here is part of a checkpoint: it is found again. Every entry stands under a number that is of one version
//! of an entity alone, so that an entity that is written anew, evicted or of another stream is never taken for it. What
//! depends on other entities too, a process on its ancestors, is compared with their versions whenever any may have
//! changed.

use sysflow::{
    Joined,
    record::{FileEvent, Kind, Record, op},
};

use super::{CellId, Plan, part::Part};
use crate::{HashMap, compile::program::Judgement, field::ops, kinds::KindSet};

/// Kinds that are judged.
const KINDS: usize = 7;
/// Entries of each kind of subject, and the memory of all of one kind in bytes: what is full is emptied.
const MOST: usize = 1 << 16;
const MOST_BYTES: usize = 32 << 20;
/// Shapes; ordinary hosts show some dozens.
const MOST_SHAPES: usize = 1 << 12;
/// Up to so many cells a bit each is kept, beyond it a list of those that hold.
const DENSE: usize = 1 << 10;

/// Answers for the rules of one set.
#[derive(Debug, Default)]
pub(crate) struct Caches {
    program: u64,
    pub(super) shapes: HashMap<(Kind, i32, i32), Shape>,
    pub(super) processes: Cache,
    pub(super) objects: Cache,
}

/// Answers by subject.
#[derive(Debug, Default)]
pub(super) struct Cache {
    entries: HashMap<u64, Entry>,
    bytes: usize,
    /// Of a subject that is not kept.
    once: Kept,
}

#[derive(Debug)]
struct Entry {
    /// The tables in which the lineage was last seen to be this.
    changes: u64,
    lineage: Box<[u64]>,
    kept: Kept,
}

/// Which cells hold for a subject, and the rules that are at home there.
#[derive(Debug, Default)]
pub(super) struct Kept {
    cells: Cells,
    rules: Box<[u32]>,
    /// Where the rules of each kind of records end.
    ends: [u32; KINDS],
}

#[derive(Debug)]
enum Cells {
    Bits(Box<[u64]>),
    /// Sorted.
    List(Box<[CellId]>),
}

/// What is known of records of one shape.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) kept: Kept,
    /// Whether any rule can match.
    pub(super) alive: bool,
    /// Rules are at home at processes, at objects.
    pub(super) process: bool,
    pub(super) object: bool,
    pub(super) tables: Box<[u32]>,
}

/// Place of a kind among those that are judged.
pub(super) fn slot(kind: Kind) -> Option<usize> {
    Some(match kind {
        Kind::ProcessEvent => 0,
        Kind::NetworkFlow => 1,
        Kind::FileFlow => 2,
        Kind::FileEvent => 3,
        Kind::NetworkEvent => 4,
        Kind::ProcessFlow => 5,
        Kind::K8sEvent => 6,
        _ => return None,
    })
}

/// Number under which the answers for the process are kept; `None` where they are not.
fn process_key(record: &Joined<'_>) -> Option<u64> {
    // The other kinds are rare, and some attributes have no value there.
    let kept = matches!(
        record.record.kind(),
        Kind::ProcessEvent | Kind::NetworkFlow | Kind::FileFlow | Kind::FileEvent
    );
    record.process_version().filter(|_| kept)
}

/// The same for the object. Fields of one depend on the kind of the record and on whether it was opened as well.
fn object_key(record: &Joined<'_>, reads_ends: bool) -> Option<u64> {
    let of_file = |form: u64, flags: i32| {
        let form = form + u64::from(flags & op::OPEN != 0);
        record.file_version().map(|version| version << 3 | form)
    };
    match record.record {
        Record::ProcessEvent(_) => Some(0),
        Record::NetworkFlow(_) if !reads_ends => Some(1),
        Record::FileFlow(flow) => of_file(2, flow.op_flags),
        Record::FileEvent(FileEvent { op_flags, new_file_oid: None, .. }) => of_file(4, *op_flags),
        _ => None,
    }
}

// === impl Caches ===

impl Caches {
    /// Forgets what is known for other rules.
    pub(super) fn start(&mut self, program: u64) {
        if self.program != program {
            *self = Self { program, ..Self::default() };
        }
    }
}

// === impl Cache ===

impl Cache {
    pub(super) fn process(&mut self, plan: &Plan, judgement: &mut Judgement<'_, '_>) -> &Kept {
        let record = judgement.record();
        let part = &plan.parts[1];
        let Some(key) = process_key(record) else { return self.once(part, plan, judgement) };
        let changes = record.changes();
        self.make_room();
        let entry = self.entries.entry(key).or_insert_with(|| {
            let kept = Kept::default();
            self.bytes += kept.bytes();
            Entry { changes: 0, lineage: Box::default(), kept }
        });
        if entry.changes != changes {
            if !entry.lineage.iter().copied().eq(record.lineage()) {
                entry.lineage = record.lineage().collect();
                self.bytes -= entry.kept.bytes();
                entry.kept = Kept::new(part, plan, judgement);
                self.bytes += entry.kept.bytes();
            }
            entry.changes = changes;
        }
        &entry.kept
    }

    pub(super) fn object(&mut self, plan: &Plan, judgement: &mut Judgement<'_, '_>) -> &Kept {
        let part = &plan.parts[2];
        let Some(key) = object_key(judgement.record(), plan.reads_ends) else {
            return self.once(part, plan, judgement);
        };
        self.make_room();
        let entry = self.entries.entry(key).or_insert_with(|| {
            let kept = Kept::new(part, plan, judgement);
            self.bytes += kept.bytes();
            Entry { changes: 0, lineage: Box::default(), kept }
        });
        &entry.kept
    }

    fn once(&mut self, part: &Part, plan: &Plan, judgement: &mut Judgement<'_, '_>) -> &Kept {
        self.once = Kept::new(part, plan, judgement);
        &self.once
    }

    fn make_room(&mut self) {
        if self.entries.len() >= MOST || self.bytes > MOST_BYTES {
            self.entries.clear();
            self.bytes = 0;
        }
    }
}

// === impl Kept ===

impl Kept {
    fn new(part: &Part, plan: &Plan, judgement: &mut Judgement<'_, '_>) -> Self {
        let holding = part.evaluate(judgement);
        let at_home = holding.iter().filter_map(|cell| part.homes.get(cell)).flatten().copied();
        Self::with(part, &holding, &at_home.collect::<Vec<_>>(), plan)
    }

    fn with(part: &Part, holding: &[CellId], at_home: &[u32], plan: &Plan) -> Self {
        let (mut rules, mut ends) = (Vec::new(), [0; KINDS]);
        for kind in KindSet::JUDGED.iter() {
            let of_kind = |rule: &&u32| plan.rules[**rule as usize].kinds.contains(kind);
            // The kinds are in the order of their slots, or else the ends are not: a test looks after that.
            rules.extend(at_home.iter().filter(of_kind));
            if let Some(slot) = slot(kind) {
                ends[slot] = rules.len() as u32;
            }
        }
        Self { cells: Cells::new(holding, part.len()), rules: rules.into(), ends }
    }

    /// Rules at home here that are for records of a kind.
    pub(super) fn rules(&self, slot: usize) -> &[u32] {
        let start = slot.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.rules[start as usize..self.ends[slot] as usize]
    }

    pub(super) fn has(&self, cell: CellId) -> bool {
        match &self.cells {
            Cells::Bits(bits) => bits[cell as usize / 64] >> (cell % 64) & 1 == 1,
            Cells::List(list) => list.binary_search(&cell).is_ok(),
        }
    }

    fn bytes(&self) -> usize {
        let cells = match &self.cells {
            Cells::Bits(bits) => size_of_val(&**bits),
            Cells::List(list) => size_of_val(&**list),
        };
        size_of::<Entry>() + cells + size_of_val(&*self.rules)
    }
}

impl Cells {
    fn new(holding: &[CellId], cells: usize) -> Self {
        if cells > DENSE && holding.len() < cells / 32 {
            return Self::List(holding.into());
        }
        let mut bits = vec![0_u64; cells.div_ceil(64)];
        for cell in holding {
            bits[*cell as usize / 64] |= 1 << (cell % 64);
        }
        Self::Bits(bits.into())
    }
}

impl Default for Cells {
    fn default() -> Self {
        Self::Bits(Box::default())
    }
}

// === impl Shape ===

impl Shape {
    /// What is known of the shape of the record under judgement.
    pub(super) fn of<'c>(
        shapes: &'c mut HashMap<(Kind, i32, i32), Self>,
        plan: &Plan,
        judgement: &mut Judgement<'_, '_>,
    ) -> &'c Self {
        let record = judgement.record().record;
        let open_flags = if let Record::FileFlow(flow) = record { flow.open_flags } else { 0 };
        let key = (record.kind(), ops::flags(record), open_flags);
        if shapes.len() >= MOST_SHAPES && !shapes.contains_key(&key) {
            shapes.clear();
        }
        shapes.entry(key).or_insert_with(|| Self::new(key.0, plan, judgement))
    }

    fn new(kind: Kind, plan: &Plan, judgement: &mut Judgement<'_, '_>) -> Self {
        let part = &plan.parts[0];
        let holding = part.evaluate(judgement);
        let passes = |check: super::Check| match check.cell() {
            Some((cell, wanted)) => holding.binary_search(&cell).is_ok() == wanted,
            None => true,
        };
        let at_home = holding.iter().filter_map(|cell| part.homes.get(cell)).flatten();
        let homeless = plan.homeless.iter().filter(|rule| passes(plan.rules[**rule as usize].of[0]));
        let at_home: Vec<u32> = at_home.chain(homeless).copied().collect();
        let kept = Kept::with(part, &holding, &at_home, plan);
        let mut shape = Self { kept, alive: false, process: false, object: false, tables: Box::default() };
        let mut tables = Vec::new();
        for view in plan.views.iter().filter(|view| view.kinds.contains(kind) && passes(view.check)) {
            shape.alive = true;
            shape.process |= view.homes.process;
            shape.object |= view.homes.object;
            tables.extend(view.table);
        }
        tables.sort_unstable();
        tables.dedup();
        shape.tables = tables.into();
        shape
    }
}

#[cfg(test)]
mod tests {
    use super::{KINDS, slot};
    use crate::kinds::KindSet;

    #[test]
    fn slots_are_in_the_order_of_the_kinds() {
        let slots: Vec<_> = KindSet::JUDGED.iter().filter_map(slot).collect();
        assert_eq!(slots, (0..KINDS).collect::<Vec<_>>());
    }
}
