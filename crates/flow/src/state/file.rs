//! Paths and files: a path is interned once, its identity (SHA-1) computed once per container.

use sysflow::Foid;

use std::hash::BuildHasher as _;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::{Map, Slab};

/// Interned paths, and the files that they name in each container.
#[derive(Debug, Default)]
pub(crate) struct Files {
    paths: Slab<Box<str>>,
    by_text: HashTable<u32>,
    list: Slab<File>,
    by_place: HashTable<u32>,
    hasher: RandomState,
}

/// A path in a container.
#[derive(Clone, Copy, Debug)]
pub(crate) struct File {
    pub(crate) oid: Foid,
    pub(crate) path: u32,
    /// Index of the container, 0 for the host.
    pub(crate) container: u32,
    pub(crate) restype: u8,
    /// Epoch in which it was last written.
    pub(crate) written: u32,
    /// It was written before, in this epoch or another.
    pub(crate) known: bool,
}

impl Files {
    /// Index of a path.
    pub(crate) fn path(&mut self, text: &str) -> u32 {
        let hash = self.hasher.hash_one(text.as_bytes());
        if let Some(index) = self.index_of(hash, text.as_bytes()) {
            return index;
        }
        let Self { paths, by_text, hasher, .. } = self;
        let index = paths.insert(text.into());
        let text_of = |index: &u32| paths.get(*index).map_or(&[][..], |path| path.as_bytes());
        by_text.insert_unique(hash, index, |index| hasher.hash_one(text_of(index)));
        index
    }

    /// Index of a path that has been seen before: whatever equals a text is one.
    pub(crate) fn known_path(&self, text: &[u8]) -> Option<u32> {
        self.index_of(self.hasher.hash_one(text), text)
    }

    fn index_of(&self, hash: u64, text: &[u8]) -> Option<u32> {
        let same = |index: &u32| self.paths.get(*index).is_some_and(|path| path.as_bytes() == text);
        self.by_text.find(hash, same).copied()
    }

    /// Text of a path.
    pub(crate) fn text(&self, path: u32) -> &str {
        self.paths.get(path).map_or("", |path| path)
    }

    /// Index of the file that `path` names in a container; `container_id` is empty for the host.
    pub(crate) fn file(&mut self, container: u32, container_id: &str, path: u32, restype: u8) -> u32 {
        let hash = self.hasher.hash_one((container, path));
        if let Some(index) = self.index_at(hash, container, path) {
            return index;
        }
        let oid = Foid::new(container_id, self.text(path));
        let file = File { oid, path, container, restype, written: 0, known: false };
        let index = self.list.insert(file);
        let Self { list, by_place, hasher, .. } = self;
        let place = |index: &u32| list.get(*index).map_or((0, 0), |file| (file.container, file.path));
        by_place.insert_unique(hash, index, |index| hasher.hash_one(place(index)));
        index
    }

    /// The file that a path names in a container, if there was need for it before.
    pub(crate) fn at(&self, container: u32, path: u32) -> Option<&File> {
        self.list.get(self.index_at(self.hasher.hash_one((container, path)), container, path)?)
    }

    fn index_at(&self, hash: u64, container: u32, path: u32) -> Option<u32> {
        let same = |file: &File| (file.container, file.path) == (container, path);
        self.by_place.find(hash, |index| self.list.get(*index).is_some_and(same)).copied()
    }

    pub(crate) fn get(&self, file: u32) -> Option<&File> {
        self.list.get(file)
    }

    pub(crate) fn get_mut(&mut self, file: u32) -> Option<&mut File> {
        self.list.get_mut(file)
    }

    /// Entries of both tables.
    pub(crate) fn len(&self) -> usize {
        self.paths.len() + self.list.len()
    }

    /// Forgets what neither `files` (by index) nor `paths` need.
    pub(crate) fn sweep(&mut self, files: &Map<u32, ()>, paths: &mut Map<u32, ()>) {
        for index in self.list.indexes() {
            let Some(file) = self.list.get(index).copied() else { continue };
            if files.contains_key(&index) {
                paths.insert(file.path, ());
            } else {
                self.list.remove(index);
            }
        }
        let Self { list, by_place, .. } = self;
        by_place.retain(|index| list.get(*index).is_some());
        self.by_text.retain(|index| paths.contains_key(index));
        for index in self.paths.indexes() {
            if !paths.contains_key(&index) {
                self.paths.remove(index);
            }
        }
    }
}
