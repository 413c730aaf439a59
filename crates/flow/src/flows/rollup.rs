//! `reduction: rollup`: repeated opens of one path by one process become one record that says how many they were.
//!
//! Opens are folded that differ in nothing but their times and counts. A trace says then of the file and the process one
//! interval where there were two with a gap between them, and whoever follows data through the records must still reach
//! the same nodes at the same times. Take a process that reads. With the gap closed, what gets into the file during the
//! gap reaches the process too early, and with it all that the process feeds meanwhile; what the process has during the
//! gap seems to come from a later state of the file. Neither is seen when nothing gets into the file during the gap: what
//! is in it then has been there since before, and the process has read that. The same holds, with time turned round, for
//! a process that writes and a file that nobody reads during the gap. So a fold ends when the file was open, between two
//! reads, for somebody who may write it, or between two writes for somebody who may read it, or was renamed, removed,
//! executed. What else the process does does not matter.

use std::hash::BuildHasher as _;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use sysflow::record::{op, open_flags};

use super::{Cold, Flow};
use crate::{
    Recorder, Urgency,
    recorder::Io,
    state::{Map, Slab, fd::FlowRef},
    timers::Timers,
};

/// This part of `limits.flows` is remembered beside the flows that are open; what does not fit is told at once.
const SHARE: u32 = 16;

/// What an open and close may have done that is folded. A mapping outlives the close.
const FOLDED: i32 = op::OPEN | op::CLOSE | op::READ_RECV | op::WRITE_SEND;

/// Opens that are folded, and what has happened since to their files.
#[derive(Debug)]
pub(crate) struct Rollup {
    folds: Slab<Fold>,
    by_key: HashTable<u32>,
    hasher: RandomState,
    /// First fold of a process, by slot.
    first: Map<u32, FlowRef>,
    /// Files that are open or have folds, by index.
    files: Map<u32, OfFile>,
    timers: Timers<(u32, u32)>,
    room: usize,
    generation: u32,
}

/// Opens that differ in nothing but their times and counts.
#[derive(Debug)]
struct Fold {
    /// Their sum; when `opens` is 0, what was told last.
    flow: Flow,
    /// The last close.
    end: i64,
    /// Nobody had the file open then who could end the fold.
    alone: bool,
    opens: i64,
    /// Generation of the open flow that may become part of it.
    continued_by: Option<u32>,
    /// Distinguishes folds that used the same place.
    generation: u32,
    /// Others of the same process.
    next: Option<FlowRef>,
    prev: Option<FlowRef>,
}

/// What happens to a file.
#[derive(Debug, Default)]
struct OfFile {
    folds: u32,
    /// Open flows that may read it, and that may write it.
    readers: u32,
    writers: u32,
    /// When the last of them began.
    read_since: i64,
    written_since: i64,
}

/// Which opens differ in nothing but their times and counts: process, file, thread, descriptor, flags.
type Key = (u32, u32, i32, i32, i32);

/// Which ways data flows: from file to process, and from process to file.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ways {
    read: bool,
    write: bool,
}

// === impl Ways ===

impl Ways {
    /// Those that the flags of a descriptor allow; both where they are not known.
    fn allowed(flags: i32) -> Self {
        let access = flags & open_flags::RDWR;
        Self {
            read: access != open_flags::WRONLY,
            write: access != open_flags::RDONLY || flags & open_flags::TRUNC != 0,
        }
    }

    /// Those that were used. An open that moved nothing is a look.
    fn used(flow: &Flow) -> Self {
        let write = flow.hot.op_flags & op::WRITE_SEND != 0 || flow.cold.open_flags & open_flags::TRUNC != 0;
        Self { read: flow.hot.op_flags & op::READ_RECV != 0 || !write, write }
    }
}

// === impl OfFile ===

impl OfFile {
    fn touch(&mut self, ways: Ways, ts: i64) {
        if ways.read {
            self.read_since = self.read_since.max(ts);
        }
        if ways.write {
            self.written_since = self.written_since.max(ts);
        }
    }
}

// === impl Rollup ===

impl Rollup {
    pub(crate) fn new(flows: u32) -> Self {
        Self {
            folds: Slab::default(),
            by_key: HashTable::new(),
            hasher: RandomState::default(),
            first: Map::default(),
            files: Map::default(),
            timers: Timers::default(),
            room: (flows / SHARE).max(1) as usize,
            generation: 0,
        }
    }

    /// Whether anything of the process is still to be told.
    pub(crate) fn holds(&self, slot: u32) -> bool {
        self.first.contains_key(&slot)
    }

    /// Files, and their paths, that are still to be told of.
    pub(crate) fn files(&self) -> impl Iterator<Item = (u32, u32)> {
        self.folds.iter().filter_map(|(_, fold)| fold.flow.cold.file())
    }

    fn find(&self, key: Key) -> Option<u32> {
        self.by_key.find(self.hasher.hash_one(key), |index| self.is_of(*index, key)).copied()
    }

    fn is_of(&self, index: u32, key: Key) -> bool {
        self.folds.get(index).is_some_and(|fold| key_of(&fold.flow) == Some(key))
    }

    /// Whether closing the gap since the last close would change a trace.
    fn is_over(&self, fold: &Fold) -> bool {
        let ways = Ways::used(&fold.flow);
        let of_file = fold.flow.cold.file().and_then(|(file, _)| self.files.get(&file));
        !fold.alone
            || of_file.is_some_and(|of_file| {
                ways.read && of_file.written_since > fold.end || ways.write && of_file.read_since > fold.end
            })
    }

    /// Whether nobody else has the file open who could change the way data goes.
    fn is_alone(&self, flow: &Flow) -> bool {
        let ways = Ways::used(flow);
        let of_file = flow.cold.file().and_then(|(file, _)| self.files.get(&file));
        of_file.is_none_or(|of_file| !(ways.read && of_file.writers > 0 || ways.write && of_file.readers > 0))
    }

    /// Remembers a first open and close; hands it back when there is no room.
    fn insert(&mut self, flow: Flow, key: Key, end: i64, due: i64) -> Option<Flow> {
        if self.folds.len() >= self.room {
            return Some(flow);
        }
        let (slot, file, ..) = key;
        self.generation = self.generation.wrapping_add(1);
        let (generation, alone) = (self.generation, self.is_alone(&flow));
        let next = self.first.get(&slot).copied();
        let fold = Fold { flow, end, alone, opens: 1, continued_by: None, generation, next, prev: None };
        let index = self.folds.insert(fold);
        let this = FlowRef::new(index);
        if let Some(next) = next.and_then(|next| self.folds.get_mut(next.index())) {
            next.prev = this;
        }
        if let Some(this) = this {
            self.first.insert(slot, this);
        }
        self.files.entry(file).or_default().folds += 1;
        let Self { folds, by_key, hasher, .. } = self;
        let hash = |index: &u32| {
            hasher.hash_one(folds.get(*index).and_then(|fold| key_of(&fold.flow)).unwrap_or_default())
        };
        by_key.insert_unique(hasher.hash_one(key), index, hash);
        self.timers.push(due, (index, generation));
        None
    }

    fn remove(&mut self, index: u32) {
        let Some(key) = self.folds.get(index).and_then(|fold| key_of(&fold.flow)) else { return };
        let hash = self.hasher.hash_one(key);
        if let Ok(entry) = self.by_key.find_entry(hash, |at| *at == index) {
            entry.remove();
        }
        let Some(fold) = self.folds.remove(index) else { return };
        if let Some(next) = fold.next.and_then(|next| self.folds.get_mut(next.index())) {
            next.prev = fold.prev;
        }
        let (slot, file, ..) = key;
        match (fold.prev.and_then(|prev| self.folds.get_mut(prev.index())), fold.next) {
            (Some(prev), next) => prev.next = next,
            (None, Some(next)) => drop(self.first.insert(slot, next)),
            (None, None) => drop(self.first.remove(&slot)),
        }
        self.change(file, |of_file| of_file.folds = of_file.folds.saturating_sub(1));
    }

    /// Changes what is known of a file, and forgets it when nothing is left of it.
    fn change(&mut self, file: u32, change: impl FnOnce(&mut OfFile)) {
        let Some(of_file) = self.files.get_mut(&file) else { return };
        change(of_file);
        if of_file.folds == 0 && of_file.readers == 0 && of_file.writers == 0 {
            self.files.remove(&file);
        }
    }
}

// === impl Recorder ===

impl Recorder {
    /// A flow begins on a descriptor with these flags.
    pub(super) fn rollup_begins(&mut self, flow: &mut Flow, flags: i32, io: &mut Io<'_>) {
        let (Some(rollup), Some(key)) = (&mut self.rollup, key_of(flow)) else { return };
        let known = if flow.hot.op_flags & op::OPEN == 0 { None } else { rollup.find(key) };
        if let Some(index) = known
            && let Some(fold) = rollup.folds.get(index)
        {
            if rollup.is_over(fold) {
                self.tell_fold(index, io);
            } else if let Some(fold) = rollup.folds.get_mut(index) {
                fold.continued_by = Some(flow.hot.generation);
            }
        }
        let Some(rollup) = &mut self.rollup else { return };
        flow.cold.ways = Ways::allowed(flags);
        let (file, ways) = (key.1, flow.cold.ways);
        let of_file = rollup.files.entry(file).or_default();
        of_file.readers += u32::from(ways.read);
        of_file.writers += u32::from(ways.write);
        of_file.touch(ways, flow.hot.ts);
    }

    /// A flow is over, or is told of by itself.
    pub(super) fn rollup_ends(&mut self, flow: &Cold) {
        if let (Some(rollup), Some((file, _))) = (&mut self.rollup, flow.file()) {
            rollup.change(file, |of_file| {
                of_file.readers = of_file.readers.saturating_sub(u32::from(flow.ways.read));
                of_file.writers = of_file.writers.saturating_sub(u32::from(flow.ways.write));
            });
        }
    }

    /// A flow was closed: it is folded, or handed back to be told at once.
    pub(super) fn fold(&mut self, flow: Flow, ts: i64, io: &mut Io<'_>) -> Option<Flow> {
        let whole =
            flow.hot.op_flags & op::OPEN != 0 && flow.hot.op_flags & !FOLDED == 0 && !flow.cold.exported;
        if !whole {
            return Some(flow);
        }
        let due = self.first_export(flow.hot.ts, self.last_second, flow.hot.spread());
        let (Some(rollup), Some(key)) = (&mut self.rollup, key_of(&flow)) else { return Some(flow) };
        let (end, alone) = (ts.max(flow.hot.ts), rollup.is_alone(&flow));
        let Some(index) = rollup.find(key) else {
            return rollup.insert(flow, key, end, due);
        };
        let fold = rollup.folds.get_mut(index)?;
        let continues = fold.continued_by.take() == Some(flow.hot.generation);
        if fold.opens > 0 && continues && fold.flow.hot.op_flags == flow.hot.op_flags {
            fold.flow.hot.take_in(&flow.hot);
            (fold.end, fold.alone, fold.opens) = (end, alone, fold.opens + 1);
            return None;
        }
        self.tell_fold(index, io);
        let fold = self.rollup.as_mut()?.folds.get_mut(index)?;
        (fold.flow, fold.end, fold.alone, fold.opens) = (flow, end, alone, 1);
        None
    }

    /// Writes a fold; the next open begins anew.
    fn tell_fold(&mut self, index: u32, io: &mut Io<'_>) {
        let fold = self.rollup.as_mut().and_then(|rollup| rollup.folds.get_mut(index));
        let Some(fold) = fold.filter(|fold| fold.opens > 0) else { return };
        let (flow, end, opens) = (fold.flow.clone(), fold.end, std::mem::take(&mut fold.opens));
        self.write_opens(&flow, end, 0, opens, Urgency::Later, io);
    }

    /// Tells what is folded of a process: it ends, or becomes somebody else.
    pub(crate) fn end_folds(&mut self, slot: u32, io: &mut Io<'_>) {
        let first = |recorder: &Self| Some(recorder.rollup.as_ref()?.first.get(&slot)?.index());
        while let Some(index) = first(self) {
            self.tell_fold(index, io);
            if let Some(rollup) = &mut self.rollup {
                rollup.remove(index);
            }
        }
    }

    /// Tells what is due, as flows are exported; forgets what was not opened again since.
    pub(super) fn export_folds(&mut self, second: i64, io: &mut Io<'_>) {
        let period = i64::from(self.config.export.max(1));
        while let Some(due) = self.rollup.as_mut().and_then(|rollup| rollup.timers.due(second)) {
            for (index, generation) in &due {
                let Some(rollup) = &mut self.rollup else { return };
                let fold = rollup.folds.get(*index).filter(|fold| fold.generation == *generation);
                let Some(fold) = fold else { continue };
                if fold.opens == 0 {
                    rollup.remove(*index);
                    continue;
                }
                rollup.timers.push(second + period, (*index, *generation));
                self.tell_fold(*index, io);
            }
            if let Some(rollup) = &mut self.rollup {
                rollup.timers.give_back(due);
            }
        }
    }

    /// A process has taken its program from a file.
    pub(crate) fn rollup_exec(&mut self, slot: u32, ts: i64) {
        let Some(process) = self.processes.get(slot).filter(|_| self.rollup.is_some()) else { return };
        let (container, path) = (process.container, self.files.path(&process.exe));
        let file = self.files.file(container, self.containers.id(container), path, b'f');
        self.rollup_file(file, ts);
    }

    /// Something happened to a file as a whole.
    pub(crate) fn rollup_file(&mut self, file: u32, ts: i64) {
        if let Some(of_file) = self.rollup.as_mut().and_then(|rollup| rollup.files.get_mut(&file)) {
            of_file.touch(Ways { read: true, write: true }, ts);
        }
    }
}

fn key_of(flow: &Flow) -> Option<Key> {
    let (file, _) = flow.cold.file()?;
    Some((flow.hot.slot, file, flow.hot.tid, flow.hot.fd, flow.cold.open_flags))
}
