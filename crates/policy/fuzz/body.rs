//! What is asked of every text, however odd: an answer or an error that can be shown, and no panic.
//!
//! Shared by the fuzz targets and by an ordinary test that runs a short while.

use sysflow::{
    Entities, Oid, Record,
    record::{ProcessEvent, op},
};
use sysflow_policy::{Condition, Diagnostics, RuleSet, Source};

/// Any bytes as a condition.
#[allow(dead_code, reason = "each fuzz target uses one of the two")]
pub(crate) fn condition(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Condition::parse(text) {
        Ok(condition) => {
            let event = exec();
            condition.matches(&Entities::default().join(&event));
        }
        Err(error) => shown(&error),
    }
}

/// Any bytes as a rules file.
#[allow(dead_code, reason = "each fuzz target uses one of the two")]
pub(crate) fn rules(data: &[u8]) {
    let source = match Source::from_bytes("fuzz.yaml", data.to_vec()) {
        Ok(source) => source,
        Err(error) => return shown(&error),
    };
    match RuleSet::load(&[source]) {
        Ok((set, warnings)) => {
            for warning in warnings {
                drop(warning.to_string());
            }
            let event = exec();
            let entities = Entities::default();
            let joined = entities.join(&event);
            set.matches(&joined, &mut Vec::new());
            for (_, rule) in set.rules() {
                drop(rule.output.format(&joined));
            }
        }
        Err(error) => shown(&error),
    }
}

fn exec() -> Record {
    Record::ProcessEvent(ProcessEvent {
        proc_oid: Oid { create_ts: 1, hpid: 1 },
        ts: 1,
        tid: 1,
        op_flags: op::EXEC,
        args: Vec::new(),
        ret: 0,
    })
}

/// Every problem has a place, and the text of it moves no cursor.
fn shown(error: &Diagnostics) {
    assert!(!error.is_empty());
    for problem in error {
        assert!(problem.line > 0 && problem.column > 0 && problem.width > 0, "{problem:?}");
    }
    let text = error.to_string();
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
}
