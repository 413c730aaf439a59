//! What is due at which second.

use std::collections::VecDeque;

/// Things by second, first come first served. A list that has been worked off is used again, so that a steady state
/// allocates nothing.
#[derive(Debug)]
pub(crate) struct Timers<T> {
    /// Second of the first list.
    from: i64,
    lists: VecDeque<Vec<T>>,
    spare: Vec<Vec<T>>,
}

/// Lists that are kept for later. Their room is what a busy second has needed.
const SPARE: usize = 2;

impl<T> Timers<T> {
    /// `second` is at most a day or so away; one that is over is taken as the next.
    pub(crate) fn push(&mut self, second: i64, what: T) {
        if self.lists.is_empty() {
            self.from = second;
        }
        // One before all others: there are no lists between it and them yet.
        while second < self.from {
            self.lists.push_front(Vec::new());
            self.from -= 1;
        }
        let index = (second - self.from) as usize;
        while self.lists.len() <= index {
            self.lists.push_back(Vec::new());
        }
        let list = &mut self.lists[index];
        if list.capacity() == 0
            && let Some(spare) = self.spare.pop()
        {
            *list = spare;
        }
        list.push(what);
    }

    /// The first list that is due at `second`, if there is one; to be given back.
    pub(crate) fn due(&mut self, second: i64) -> Option<Vec<T>> {
        while self.from <= second {
            let list = self.lists.pop_front()?;
            self.from += 1;
            if !list.is_empty() {
                return Some(list);
            }
        }
        None
    }

    pub(crate) fn give_back(&mut self, mut list: Vec<T>) {
        if self.spare.len() < SPARE {
            list.clear();
            self.spare.push(list);
        }
    }
}

impl<T> Default for Timers<T> {
    fn default() -> Self {
        Self { from: 0, lists: VecDeque::new(), spare: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_due(timers: &mut Timers<char>, second: i64) -> String {
        let mut all = String::new();
        while let Some(due) = timers.due(second) {
            all.extend(&due);
            timers.give_back(due);
        }
        all
    }

    #[test]
    fn things_come_in_the_order_of_seconds_and_of_their_coming() {
        let mut timers = Timers::default();
        for (second, what) in [(130, 'd'), (101, 'b'), (130, 'e'), (100, 'a'), (101, 'c'), (2_000, 'f')] {
            timers.push(second, what);
        }
        assert_eq!(all_due(&mut timers, 99), "");
        assert_eq!(all_due(&mut timers, 100), "a");
        assert_eq!(all_due(&mut timers, 129), "bc");
        // Time may jump far.
        assert_eq!(all_due(&mut timers, 1_000_000), "def");
        timers.push(1_000_001, 'g');
        timers.push(1_000_031, 'h');
        assert_eq!(all_due(&mut timers, 1_000_030), "g");
        assert_eq!(all_due(&mut timers, 1_000_031), "h");
        assert_eq!(all_due(&mut timers, 1_000_032), "");
    }
}
