//! Counters of the service, and their text for Prometheus.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Everything that is counted since the start of the process.
#[derive(Debug)]
pub struct Metrics {
    /// Records judged, by kind.
    pub records: Family,
    /// Alerts raised, by priority; updates of an alert's count are left out.
    pub alerts: Family,
    /// Matches that were folded into an alert told before.
    pub suppressed: Counter,
    /// Alerts that could not be told, by reason.
    pub alerts_dropped: Family,
    /// Frames received.
    pub frames: Counter,
    /// Records received that were stored already.
    pub duplicates: Counter,
    /// Events and records that the plugin reports as lost.
    pub lost: Family,
    /// Connections of plugins, by what became of them.
    pub connections: Family,
    /// Posts to Falcosidekick, by result.
    pub posts: Family,
    /// Requests to the API, by status.
    pub requests: Family,
    /// Checkpoints written.
    pub checkpoints: Counter,
    /// Checkpoints that could not be written.
    pub checkpoint_errors: Counter,
    /// Entities that went to keep memory bounded.
    pub entities_evicted: Counter,
    /// Files removed from the archive to stay within its bounds.
    pub archive_removed: Counter,
    /// Failures of the archive's background work.
    pub archive_errors: Counter,
}

/// A number that only grows.
#[derive(Debug)]
pub struct Counter {
    name: &'static str,
    help: &'static str,
    value: AtomicU64,
}

/// Numbers that only grow, told apart by a label.
#[derive(Debug)]
pub struct Family {
    name: &'static str,
    help: &'static str,
    label: &'static str,
    values: Mutex<BTreeMap<String, u64>>,
}

/// A number at the moment of asking.
#[derive(Debug)]
pub struct Gauge {
    /// Name without the prefix.
    pub name: &'static str,
    /// One line for people.
    pub help: &'static str,
    /// Its value.
    pub value: u64,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            records: Family::new("records_total", "records judged", "kind"),
            alerts: Family::new("alerts_total", "alerts raised", "priority"),
            suppressed: Counter::new("matches_suppressed_total", "matches folded into an alert told before"),
            alerts_dropped: Family::new("alerts_dropped_total", "alerts that could not be told", "reason"),
            frames: Counter::new("frames_total", "frames received"),
            duplicates: Counter::new("duplicate_records_total", "records received that were stored already"),
            lost: Family::new("lost_total", "what the plugin reports as lost", "what"),
            connections: Family::new("connections_total", "connections of plugins", "result"),
            posts: Family::new("posts_total", "posts to Falcosidekick", "result"),
            requests: Family::new("http_requests_total", "requests to the API", "status"),
            checkpoints: Counter::new("checkpoints_total", "states of the engine written to disk"),
            checkpoint_errors: Counter::new(
                "checkpoint_errors_total",
                "states of the engine that could not be written",
            ),
            entities_evicted: Counter::new(
                "entities_evicted_total",
                "processes, files and containers forgotten to keep memory bounded",
            ),
            archive_removed: Counter::new(
                "archive_files_removed_total",
                "archive files removed to stay within bounds",
            ),
            archive_errors: Counter::new("archive_errors_total", "failures of the archive's background work"),
        }
    }
}

impl Metrics {
    /// All of it, and `gauges`, in Prometheus's text format.
    pub fn text(&self, gauges: &[Gauge]) -> String {
        let mut out = String::new();
        for family in [
            &self.records,
            &self.alerts,
            &self.alerts_dropped,
            &self.lost,
            &self.connections,
            &self.posts,
            &self.requests,
        ] {
            family.write(&mut out);
        }
        for counter in [
            &self.suppressed,
            &self.frames,
            &self.duplicates,
            &self.checkpoints,
            &self.checkpoint_errors,
            &self.entities_evicted,
            &self.archive_removed,
            &self.archive_errors,
        ] {
            head(&mut out, counter.name, counter.help, "counter");
            _ = writeln!(out, "sysflow_{} {}", counter.name, counter.get());
        }
        for gauge in gauges {
            head(&mut out, gauge.name, gauge.help, "gauge");
            _ = writeln!(out, "sysflow_{} {}", gauge.name, gauge.value);
        }
        out
    }
}

impl Counter {
    fn new(name: &'static str, help: &'static str) -> Self {
        Self { name, help, value: AtomicU64::new(0) }
    }

    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.value.fetch_add(n, Ordering::Relaxed);
    }

    /// Value so far.
    pub fn get(&self) -> u64 {
        self.value.load(Ordering::Relaxed)
    }
}

impl Family {
    fn new(name: &'static str, help: &'static str, label: &'static str) -> Self {
        Self { name, help, label, values: Mutex::default() }
    }

    /// Adds `n` to the number with this label value. Label values are words of this program, never of a host.
    pub fn add(&self, value: &str, n: u64) {
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        match values.get_mut(value) {
            Some(count) => *count += n,
            None => _ = values.insert(value.to_owned(), n),
        }
    }

    /// Number with this label value.
    pub fn get(&self, value: &str) -> u64 {
        self.values.lock().unwrap_or_else(PoisonError::into_inner).get(value).copied().unwrap_or(0)
    }

    fn write(&self, out: &mut String) {
        head(out, self.name, self.help, "counter");
        for (value, count) in self.values.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            _ = writeln!(out, "sysflow_{}{{{}=\"{value}\"}} {count}", self.name, self.label);
        }
    }
}

fn head(out: &mut String, name: &str, help: &str, kind: &str) {
    _ = writeln!(out, "# HELP sysflow_{name} {help}\n# TYPE sysflow_{name} {kind}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_what_prometheus_reads() {
        let metrics = Metrics::default();
        metrics.records.add("PE", 2);
        metrics.records.add("PE", 1);
        metrics.frames.add(4);
        let text = metrics.text(&[Gauge { name: "graphs", help: "graphs in memory", value: 7 }]);
        assert!(
            text.contains("# TYPE sysflow_records_total counter\nsysflow_records_total{kind=\"PE\"} 3\n"),
            "{text}"
        );
        assert!(
            text.contains("\nsysflow_frames_total 4\n") && text.contains("\nsysflow_graphs 7\n"),
            "{text}"
        );
    }
}
