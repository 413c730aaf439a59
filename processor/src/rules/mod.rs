//! The rules in force, and how others take their place while records stream.
//!
//! Invariants:
//! * a batch of records is judged by one set of rules, and none waits for a new one to be compiled;
//! * a set takes the place of another as a whole, and only when all of its files load: else the old one stays, and
//!   log, metrics and API say why;
//! * nothing that outlives a record refers to a rule by its number: windows of suppression, limits and counts know it by
//!   its name, what is remembered by its tags.

mod counts;
mod files;
mod watch;

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;

use sysflow_policy::{RuleReport, Status};

pub use counts::{Counts, Tally, Usage};
pub use files::{Failure, Files};
pub use watch::Watcher;

use crate::alert::text;
use crate::engine::Judge;

/// Rules that metrics tell by name.
const NAMED: usize = 50;

/// Bytes of a rule's name in metrics.
const MAX_LABEL: usize = 128;

/// The rules in force, shared by engines, API and whoever replaces them.
#[derive(Debug)]
pub struct Rules {
    current: RwLock<Arc<Judge>>,
    failed: Mutex<Option<Failed>>,
    /// Sets that took the place of another, and those that did not load.
    replaced: AtomicU64,
    refused: AtomicU64,
}

/// A set of rules that did not load, while its files are still as they were then.
#[derive(Clone, Debug)]
pub struct Failed {
    /// When it was tried.
    pub at: SystemTime,
    /// Why.
    pub failure: Failure,
    /// Of the files, where they could be read.
    digest: Option<u128>,
}

/// What became of a look at the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    /// They hold what is in force.
    Same,
    /// They hold what did not load before.
    StillFailed,
    /// Their rules are in force now.
    Replaced,
    /// Their rules do not load: the old ones stay in force.
    Failed,
}

impl Rules {
    /// With a first set in force.
    pub fn new(judge: Judge) -> Self {
        Self {
            current: RwLock::new(Arc::new(judge)),
            failed: Mutex::default(),
            replaced: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    /// The set in force. Whoever judges several records by one set keeps it meanwhile.
    pub fn current(&self) -> Arc<Judge> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The last set that did not load, unless a later one did.
    pub fn failed(&self) -> Option<Failed> {
        self.failure().clone()
    }

    /// Looks at the files, and puts their rules in force if they are others than before. `anyway`: also if they are the
    /// same, as somebody asked for it.
    pub fn reload(&self, anyway: bool) -> Reload {
        let current = self.current();
        let mut failed = self.failure();
        let known = failed.as_ref();
        let (failure, digest) = match Files::read(&current.config().files, None) {
            Ok(files) if files.digest == current.digest() && !anyway => {
                // Whoever takes a mistake back is told no more of it.
                *failed = None;
                return Reload::Same;
            }
            Ok(files) if known.is_some_and(|known| known.digest == Some(files.digest)) && !anyway => {
                return Reload::StillFailed;
            }
            Ok(files) => {
                let digest = files.digest;
                match current.successor(files) {
                    Ok(judge) => {
                        tracing::info!(rules = judge.rules().rules().len(), "new rules are in force");
                        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(judge);
                        *failed = None;
                        self.replaced.fetch_add(1, Ordering::Relaxed);
                        return Reload::Replaced;
                    }
                    Err(failure) => (failure, Some(digest)),
                }
            }
            Err(failure) if known.is_some_and(|known| known.failure == failure) && !anyway => {
                return Reload::StillFailed;
            }
            Err(failure) => (failure, None),
        };
        tracing::error!(why = %failure.message, "the new rules are not used, the old ones stay in force");
        *failed = Some(Failed { at: SystemTime::now(), failure, digest });
        self.refused.fetch_add(1, Ordering::Relaxed);
        Reload::Failed
    }

    /// For Prometheus. Rules that did most, and that took longest, are told by name; the others together.
    pub fn metrics(&self, out: &mut String) {
        let current = self.current();
        let failed = u64::from(self.failure().is_some());
        let loaded = current.loaded_at().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        for (name, kind, help, value) in [
            ("rules", "gauge", "rules that records are judged by", current.rules().rules().len() as u64),
            ("rules_loaded_seconds", "gauge", "when they were loaded, since the epoch", loaded),
            (
                "rules_failed",
                "gauge",
                "1 while the files hold rules that do not load, and older ones are in force",
                failed,
            ),
            (
                "rules_replaced_total",
                "counter",
                "sets of rules that took the place of another",
                self.replaced.load(Ordering::Relaxed),
            ),
            (
                "rules_refused_total",
                "counter",
                "sets of rules that did not load",
                self.refused.load(Ordering::Relaxed),
            ),
        ] {
            _ = writeln!(
                out,
                "# HELP sysflow_{name} {help}\n# TYPE sysflow_{name} {kind}\nsysflow_{name} {value}"
            );
        }
        let usage: Vec<_> =
            current.rules().rules().map(|(id, rule)| (rule, current.counts().usage(id, rule))).collect();
        let by_rule = |get: fn(&Usage) -> u64| {
            usage.iter().map(|(rule, usage)| (rule.name.as_str(), get(usage))).collect()
        };
        write_most(
            out,
            ("rule_matches", "records that a rule matched"),
            by_rule(|usage| usage.matches),
            |count| count.to_string(),
        );
        write_most(
            out,
            ("rule_seconds", "what judging records by a rule alone takes, as far as samples tell"),
            by_rule(|usage| usage.nanoseconds),
            |ns| format!("{:.6}", ns as f64 / 1e9),
        );
    }

    fn failure(&self) -> std::sync::MutexGuard<'_, Option<Failed>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes a number of each rule, the largest ones by name and the rest as one. That one may shrink when another rule
/// becomes one of the largest, so it is no counter.
fn write_most(
    out: &mut String,
    (name, help): (&str, &str),
    mut rules: Vec<(&str, u64)>,
    show: impl Fn(u64) -> String,
) {
    rules.sort_by_key(|(_, number)| std::cmp::Reverse(*number));
    let (named, rest) = rules.split_at(rules.len().min(NAMED));
    _ = writeln!(out, "# HELP sysflow_{name}_total {help}\n# TYPE sysflow_{name}_total counter");
    for (rule, number) in named.iter().filter(|(_, number)| *number > 0) {
        _ = writeln!(out, "sysflow_{name}_total{{rule=\"{}\"}} {}", label(rule), show(*number));
    }
    let rest = rest.iter().fold(0_u64, |sum, (_, number)| sum.saturating_add(*number));
    _ = writeln!(
        out,
        "# HELP sysflow_{name}_rest {help}, of all rules that are not told by name\n\
         # TYPE sysflow_{name}_rest gauge\nsysflow_{name}_rest {}",
        show(rest)
    );
}

/// A name as the value of a label.
fn label(name: &str) -> String {
    text::cut(name, MAX_LABEL).replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// What became of a rule, in the word of `rules check` and the API.
pub fn status(report: &RuleReport) -> &'static str {
    match report.status {
        Status::Runs => "runs",
        Status::Differs => "differs",
        Status::Cannot | Status::OtherSource | Status::Disabled => "cannot",
    }
}

/// Why it differs or cannot run.
pub fn reason(report: &RuleReport) -> String {
    match report.status {
        Status::Disabled if report.reasons.is_empty() => "disabled in the file (enabled: false)".into(),
        _ => report.reasons.join("; "),
    }
}
