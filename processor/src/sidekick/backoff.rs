//! How long to wait before the next try.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(30);

/// Doubles from a quarter of a second to half a minute, each wait a random part between its half and its whole, so
/// that many processors do not come back to a restarted Falcosidekick at once.
#[derive(Debug)]
pub(super) struct Backoff {
    wait: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { wait: FIRST }
    }
}

impl Backoff {
    pub(super) fn reset(&mut self) {
        self.wait = FIRST;
    }

    pub(super) fn next(&mut self) -> Duration {
        let wait = self.wait;
        self.wait = (wait * 2).min(LONGEST);
        // A fresh RandomState is seeded by the operating system.
        let random = RandomState::new().build_hasher().finish() as u32;
        wait / 2 + (wait / 2).mul_f64(f64::from(random) / f64::from(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_half_a_minute_and_no_further() {
        let mut backoff = Backoff::default();
        let mut whole = FIRST;
        for _ in 0..20 {
            let wait = backoff.next();
            assert!(whole / 2 <= wait && wait <= whole, "{wait:?} within {whole:?}");
            whole = (whole * 2).min(LONGEST);
        }
        assert_eq!(whole, LONGEST);
        backoff.reset();
        assert!(backoff.next() <= FIRST);
    }
}
