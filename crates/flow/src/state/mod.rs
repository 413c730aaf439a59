//! Processes, threads, descriptors, files, containers and users, as the operations so far have left them.

pub(crate) mod container;
pub(crate) mod fd;
pub(crate) mod file;
pub(crate) mod process;
pub(crate) mod texts;
pub(crate) mod threads;
pub(crate) mod user;

use hashbrown::HashMap;

pub(crate) type Map<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// Values at stable indexes; a freed index is used again. It grows by whole chunks: no value ever moves, so that the
/// event that makes one too many does not pay for copying a million.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    chunks: Vec<Box<[Option<T>; CHUNK]>>,
    free: Vec<u32>,
    /// Indexes from here on have never been used.
    end: u32,
}

/// Values of one chunk.
pub(crate) const CHUNK: usize = 256;

impl<T> Slab<T> {
    pub(crate) fn insert(&mut self, value: T) -> u32 {
        let index = self.free.pop().unwrap_or_else(|| {
            if self.end as usize == self.chunks.len() * CHUNK {
                let chunk: Box<[Option<T>]> = (0..CHUNK).map(|_| None).collect();
                // It has that length.
                self.chunks.extend(chunk.try_into());
            }
            self.end += 1;
            self.end - 1
        });
        if let Some(slot) = self.slot(index) {
            *slot = Some(value);
        }
        index
    }

    pub(crate) fn remove(&mut self, index: u32) -> Option<T> {
        let value = self.slot(index)?.take();
        if value.is_some() {
            self.free.push(index);
        }
        value
    }

    pub(crate) fn get(&self, index: u32) -> Option<&T> {
        self.chunks.get(index as usize / CHUNK)?[index as usize % CHUNK].as_ref()
    }

    pub(crate) fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        self.slot(index)?.as_mut()
    }

    pub(crate) fn len(&self) -> usize {
        self.end as usize - self.free.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        let slots = self.chunks.iter().flat_map(|chunk| chunk.iter()).enumerate();
        slots.filter_map(|(i, slot)| Some((i as u32, slot.as_ref()?)))
    }

    /// Indexes in use.
    pub(crate) fn indexes(&self) -> Vec<u32> {
        self.iter().map(|(index, _)| index).collect()
    }

    fn slot(&mut self, index: u32) -> Option<&mut Option<T>> {
        Some(&mut self.chunks.get_mut(index as usize / CHUNK)?[index as usize % CHUNK])
    }
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), free: Vec::new(), end: 0 }
    }
}
