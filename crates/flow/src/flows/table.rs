//! Where flows are kept: apart what an operation touches, which is one line of the cache, and what it does not.

use super::{Cold, Flow, Hot};
use crate::state::{CHUNK, Slab, fd::FlowRef};

/// Flows at stable indexes.
#[derive(Debug, Default)]
pub(crate) struct Flows {
    hot: Vec<Box<[Line; CHUNK]>>,
    cold: Slab<Cold>,
}

#[derive(Debug)]
#[repr(align(64))]
struct Line(Hot);

/// So that no operation waits for two.
const _: () = assert!(size_of::<Line>() == 64);

// === impl Flows ===

impl Flows {
    pub(crate) fn insert(&mut self, Flow { hot, cold }: Flow) -> u32 {
        let index = self.cold.insert(cold);
        if index as usize / CHUNK >= self.hot.len() {
            let chunk: Box<[Line]> = (0..CHUNK).map(|_| Line(Hot::default())).collect();
            // It has that length.
            self.hot.extend(chunk.try_into());
        }
        if let Some(line) = self.hot_mut(index) {
            *line = hot;
        }
        index
    }

    pub(crate) fn remove(&mut self, index: u32) -> Option<Flow> {
        let cold = self.cold.remove(index)?;
        let hot = self.hot_mut(index).map(std::mem::take)?;
        Some(Flow { hot, cold })
    }

    /// A copy.
    pub(crate) fn get(&self, index: u32) -> Option<Flow> {
        let cold = self.cold.get(index)?.clone();
        Some(Flow { hot: *self.hot(index)?, cold })
    }

    /// What operations change. Of an index that is free, it is of no flow.
    #[inline]
    pub(crate) fn hot(&self, index: u32) -> Option<&Hot> {
        Some(&self.hot.get(index as usize / CHUNK)?[index as usize % CHUNK].0)
    }

    #[inline]
    pub(crate) fn hot_mut(&mut self, index: u32) -> Option<&mut Hot> {
        Some(&mut self.hot.get_mut(index as usize / CHUNK)?[index as usize % CHUNK].0)
    }

    pub(crate) fn cold(&self, index: u32) -> Option<&Cold> {
        self.cold.get(index)
    }

    pub(crate) fn cold_mut(&mut self, index: u32) -> Option<&mut Cold> {
        self.cold.get_mut(index)
    }

    /// A flow and those after it on the same descriptor.
    pub(crate) fn chain(&self, first: Option<FlowRef>) -> impl Iterator<Item = (u32, &Hot, &Cold)> {
        let mut next = first;
        std::iter::from_fn(move || {
            let index = next?.index();
            let (hot, cold) = (self.hot(index)?, self.cold(index)?);
            next = cold.next;
            Some((index, hot, cold))
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.cold.len()
    }

    /// All flows, without what operations change.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Cold> {
        self.cold.iter().map(|(_, cold)| cold)
    }
}
