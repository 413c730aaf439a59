//! What one stream has that the processor has not acknowledged: the older part on disk, the younger in memory.
//!
//! Invariant: record numbers grow from item to item, over both parts. A gap is there only where records were lost on disk.

use std::collections::VecDeque;

use sysflow::{Schema, avro, record::Loss, stream};

use super::{
    Block, Stream, loss,
    spool::{Slice, Spool},
};

/// Small blocks are put together on their way to the disk, up to so many bytes.
const SPILL: usize = 256 << 10;

/// The queue of one stream.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) stream: Stream,
    schema: Schema,
    disk: VecDeque<Spilled>,
    memory: VecDeque<Block>,
    /// What `memory` counts against the buffer.
    held: usize,
}

#[derive(Debug)]
struct Spilled {
    slice: Slice,
    /// What its headers tell of; with them it would be lost too.
    told: Loss,
}

/// What a call has moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Moved {
    /// Bytes of the buffer that are free again.
    pub(super) freed: usize,
    /// By how many the items before a place have become fewer.
    pub(super) items: usize,
}

// === impl Queue ===

impl Queue {
    pub(super) fn new(stream: Stream, schema: Schema) -> Self {
        Self { stream, schema, disk: VecDeque::new(), memory: VecDeque::new(), held: 0 }
    }

    pub(super) fn schema(&self) -> Schema {
        self.schema
    }

    pub(super) fn push(&mut self, block: Block) {
        self.held += block.held;
        self.memory.push_back(block);
    }

    /// Takes in what an earlier run left on disk.
    pub(super) fn extend(&mut self, slices: Vec<Slice>) {
        self.disk.extend(slices.into_iter().map(|slice| Spilled { slice, told: Loss::default() }));
    }

    pub(super) fn len(&self) -> usize {
        self.disk.len() + self.memory.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of the buffer that it takes.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Records on disk.
    pub(super) fn on_disk(&self) -> u64 {
        self.disk.iter().map(|item| u64::from(item.slice.count)).sum()
    }

    /// Records in memory.
    pub(super) fn in_memory(&self) -> u64 {
        self.memory.iter().map(|block| u64::from(block.count)).sum()
    }

    /// Numbers of the first record of an item, and of the record after its last.
    pub(super) fn span(&self, item: usize) -> Option<(u64, u64)> {
        let (first, count) = match self.disk.get(item) {
            Some(spilled) => (spilled.slice.first, spilled.slice.count),
            None => self.memory.get(item - self.disk.len()).map(|block| (block.first, block.count))?,
        };
        Some((first, first + u64::from(count)))
    }

    /// Encodes an item's records from number `from` on as a frame. False when it cannot be read any more.
    pub(super) fn encode(&self, item: usize, from: u64, spool: Option<&Spool>, out: &mut Vec<u8>) -> bool {
        if let Some(spilled) = self.disk.get(item) {
            let slice = &spilled.slice;
            let read = spool.and_then(|spool| spool.read(slice).ok());
            return read.is_some_and(|records| self.frame(slice.first, slice.count, &records, from, out));
        }
        let block = self.memory.get(item - self.disk.len());
        block.is_some_and(|block| self.frame(block.first, block.count, &block.bytes, from, out))
    }

    /// Leaves out what the processor has: blocks are not always cut where they were cut before.
    fn frame(&self, first: u64, count: u32, records: &[u8], from: u64, out: &mut Vec<u8>) -> bool {
        let skip = from.saturating_sub(first);
        let mut rest = records;
        for _ in 0..skip {
            let Ok((_, size)) = avro::decode(self.schema, rest) else { return false };
            rest = &rest[size..];
        }
        stream::encode_frame(first + skip, count - skip as u32, rest, out);
        true
    }

    /// Forgets an item that cannot be sent; what is lost with it.
    pub(super) fn forget(&mut self, item: usize, spool: Option<&mut Spool>) -> (Loss, Moved) {
        let lost = |count: u32, told: Loss| {
            let cause = "records in the spool could not be read".into();
            let mut lost = told;
            loss::add(&mut lost, &Loss { records: i64::from(count), cause, ..Loss::default() });
            lost
        };
        if item < self.disk.len() {
            let Some(Spilled { slice, told }) = self.disk.remove(item) else { return Default::default() };
            if let Some(spool) = spool {
                spool.release(&slice);
            }
            return (lost(slice.count, told), Moved::default());
        }
        let Some(block) = self.memory.remove(item - self.disk.len()) else { return Default::default() };
        self.held -= block.held;
        (lost(block.count, block.told), Moved { freed: block.held, items: 0 })
    }

    /// Forgets the items whose records the processor has all stored.
    pub(super) fn confirm(&mut self, stored: u64, mut spool: Option<&mut Spool>) -> Moved {
        let mut moved = Moved::default();
        while self.span(0).is_some_and(|(_, end)| end <= stored) {
            moved.items += 1;
            if let Some(spilled) = self.disk.pop_front() {
                if let Some(spool) = spool.as_deref_mut() {
                    spool.release(&spilled.slice);
                }
            } else if let Some(block) = self.memory.pop_front() {
                self.held -= block.held;
                moved.freed += block.held;
            }
        }
        moved
    }

    /// Moves the oldest records in memory to the disk. Items before `sent` are on their way; none is put together from
    /// both sides of it. `None` when there is nothing to move or it is not possible now.
    pub(super) fn spill(&mut self, spool: &mut Spool, sent: usize) -> Option<Moved> {
        let oldest = self.memory.front()?;
        let (first, mut end) = (oldest.first, oldest.first);
        // Those that are on their way, or else those that are not.
        let on_their_way = sent.saturating_sub(self.disk.len());
        let most = if on_their_way > 0 { on_their_way } else { self.memory.len() };
        let (mut blocks, mut size) = (0, 0);
        for block in self.memory.iter().take(most) {
            if block.first != end || (blocks > 0 && size + block.bytes.len() > SPILL) {
                break;
            }
            end += u64::from(block.count);
            size += block.bytes.len();
            blocks += 1;
        }
        let count = u32::try_from(end - first).ok()?;
        let slice = if blocks == 1 {
            spool.append(&self.stream, self.schema, first, count, &oldest.bytes)?
        } else {
            let mut records = Vec::with_capacity(size);
            for block in self.memory.iter().take(blocks) {
                records.extend_from_slice(&block.bytes);
            }
            spool.append(&self.stream, self.schema, first, count, &records)?
        };
        let (mut freed, mut told) = (0, Loss::default());
        for block in self.memory.drain(..blocks) {
            freed += block.held;
            loss::add(&mut told, &block.told);
        }
        self.held -= freed;
        self.disk.push_back(Spilled { slice, told });
        Some(Moved { freed, items: if on_their_way > 0 { blocks - 1 } else { 0 } })
    }
}
