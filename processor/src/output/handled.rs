//! How far the outputs are, for those who have to wait for them.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Counts the alerts that all outputs have done with.
#[derive(Debug, Default)]
pub struct Handled {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    alerts: u64,
    ended: bool,
}

/// Held by the thread of the outputs: when it ends, also by a panic, nobody waits for it any more.
#[derive(Debug)]
pub(super) struct Counting<'a>(&'a Handled);

impl Handled {
    /// Waits until so many alerts are done with; false when the outputs ended before.
    pub fn wait(&self, alerts: u64) -> bool {
        let state = self.lock();
        let waiting = |state: &mut State| state.alerts < alerts && !state.ended;
        let state = self.changed.wait_while(state, waiting).unwrap_or_else(PoisonError::into_inner);
        state.alerts >= alerts
    }

    pub(super) fn until_dropped(&self) -> Counting<'_> {
        Counting(self)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counting<'_> {
    pub(super) fn one_more(&self) {
        self.0.lock().alerts += 1;
        self.0.changed.notify_all();
    }
}

impl Drop for Counting<'_> {
    fn drop(&mut self) {
        self.0.lock().ended = true;
        self.0.changed.notify_all();
    }
}
