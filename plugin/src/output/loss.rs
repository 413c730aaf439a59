//! What was lost, added up.

use sysflow::record::Loss;

/// Longest cause in a header. Causes are ours, so that they are few; this is the last resort.
const MAX_CAUSE: usize = 1024;

/// Whether there is anything to tell of.
pub(super) fn is_any(loss: &Loss) -> bool {
    loss.records > 0 || loss.events > 0 || !loss.cause.is_empty()
}

/// Adds what was lost later to `loss`. Each cause is named once.
pub(super) fn add(loss: &mut Loss, later: &Loss) {
    if !is_any(later) {
        return;
    }
    if !is_any(loss) {
        loss.clone_from(later);
        return;
    }
    loss.events = loss.events.saturating_add(later.events);
    loss.records = loss.records.saturating_add(later.records);
    if later.from != 0 {
        loss.from = if loss.from == 0 { later.from } else { loss.from.min(later.from) };
    }
    loss.to = loss.to.max(later.to);
    for cause in later.cause.split("; ").filter(|cause| !cause.is_empty()) {
        let known = loss.cause.split("; ").any(|known| known == cause);
        if !known && loss.cause.len() + cause.len() <= MAX_CAUSE {
            if !loss.cause.is_empty() {
                loss.cause.push_str("; ");
            }
            loss.cause.push_str(cause);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loss(events: i64, records: i64, from: i64, to: i64, cause: &str) -> Loss {
        Loss { events, records, from, to, cause: cause.into() }
    }

    #[test]
    fn losses_add_up_and_name_each_cause_once() {
        let mut sum = Loss::default();
        add(&mut sum, &Loss::default());
        assert!(!is_any(&sum));
        add(&mut sum, &loss(1, 2, 30, 40, "slow"));
        add(&mut sum, &loss(3, 4, 10, 50, "slow; gone"));
        add(&mut sum, &loss(0, 1, 60, 60, "gone"));
        assert_eq!(sum, loss(4, 7, 10, 60, "slow; gone"));
    }
}
