//! Counters of the service, and their text for Prometheus.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// Everything that is counted since the start of the process.
#[derive(Debug)]
pub struct Metrics {
    /// Records judged, by kind.
    pub records: Family,
    /// Alerts raised, by priority; updates of an alert's count are left out.
    pub alerts: Family,
    /// Matches that were folded into an alert told before.
    pub suppressed: Counter,
    /// Alerts that a limit of alerts a minute holds back, by limit.
    pub held: Family,
    /// Alerts that could not be told, by reason.
    pub alerts_dropped: Family,
    /// Alerts of others that were posted to the API, by what became of them.
    pub received: Family,
    /// Frames received.
    pub frames: Counter,
    /// Records received that were stored already.
    pub duplicates: Counter,
    /// Events and records that the plugin reports as lost, and records that it had dropped when it connected.
    pub lost: Family,
    /// Events that the plugin reports as lost, by cause.
    pub lost_events: Family,
    /// Records that the plugin reports as lost, by cause.
    pub lost_records: Family,
    /// Plugins that are connected, by version.
    pub plugins: Levels,
    /// Time of the newest record, in ns since the epoch.
    pub newest: AtomicI64,
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
    /// Records that went to the exports.
    pub exported: Counter,
    /// Records that an export could not write.
    pub exports_dropped: Counter,
    /// Files removed from the archive to stay within its bounds.
    pub archive_removed: Counter,
    /// Failures of the archive's background work.
    pub archive_errors: Counter,
    /// Rows written to the Parquet store.
    pub store_rows: Counter,
    /// Files written to it.
    pub store_files: Counter,
    /// Bytes of those.
    pub store_bytes: Counter,
    /// Files removed from it to stay within its bounds.
    pub store_removed: Counter,
    /// Writes and background work that failed there; writes are tried again.
    pub store_errors: Counter,
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

/// Numbers that grow and shrink, told apart by a label.
#[derive(Debug)]
pub struct Levels {
    name: &'static str,
    help: &'static str,
    label: &'static str,
    values: Mutex<BTreeMap<String, u64>>,
}

/// Counted as long as this lives.
#[derive(Debug)]
pub struct Level<'a> {
    levels: &'a Levels,
    value: String,
}

/// A number at the moment of asking.
#[derive(Debug)]
pub struct Gauge {
    /// Name without the prefix.
    pub name: &'static str,
    /// One line for people.
    pub help: &'static str,
    /// Name of a label and its value, which is a word of this program.
    pub label: Option<(&'static str, &'static str)>,
    /// Its value.
    pub value: u64,
}

/// Versions of plugins that are told apart at the same time.
const MAX_VERSIONS: usize = 16;

impl Default for Metrics {
    fn default() -> Self {
        Self {
            records: Family::new("records_total", "records judged", "kind"),
            alerts: Family::new("alerts_total", "alerts raised", "priority"),
            suppressed: Counter::new("matches_suppressed_total", "matches folded into an alert told before"),
            held: Family::new(
                "alerts_held_total",
                "alerts that a limit of alerts a minute holds back",
                "limit",
            ),
            alerts_dropped: Family::new("alerts_dropped_total", "alerts that could not be told", "reason"),
            received: Family::new(
                "alerts_received_total",
                "alerts of others that were posted here",
                "result",
            ),
            frames: Counter::new("frames_total", "frames received"),
            duplicates: Counter::new("duplicate_records_total", "records received that were stored already"),
            lost: Family::new("lost_total", "what the plugin reports as lost", "what"),
            lost_events: Family::new("lost_events_total", "events that the plugin lost", "cause"),
            lost_records: Family::new("lost_records_total", "records that the plugin lost", "cause"),
            plugins: Levels::new("plugins", "plugins that are connected", "version"),
            newest: AtomicI64::new(0),
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
            exported: Counter::new("exported_records_total", "records that went to the exports"),
            exports_dropped: Counter::new("exports_dropped_total", "records that an export could not write"),
            archive_removed: Counter::new(
                "archive_files_removed_total",
                "archive files removed to stay within bounds",
            ),
            archive_errors: Counter::new("archive_errors_total", "failures of the archive's background work"),
            store_rows: Counter::new("store_rows_total", "rows written to the Parquet store"),
            store_files: Counter::new("store_files_total", "files written to the Parquet store"),
            store_bytes: Counter::new("store_bytes_total", "bytes written to the Parquet store"),
            store_removed: Counter::new(
                "store_files_removed_total",
                "files removed from the Parquet store to stay within bounds",
            ),
            store_errors: Counter::new(
                "store_errors_total",
                "failures of the Parquet store; writes are tried again",
            ),
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
            &self.held,
            &self.alerts_dropped,
            &self.received,
            &self.lost,
            &self.lost_events,
            &self.lost_records,
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
            &self.exported,
            &self.exports_dropped,
            &self.archive_removed,
            &self.archive_errors,
            &self.store_rows,
            &self.store_files,
            &self.store_bytes,
            &self.store_removed,
            &self.store_errors,
        ] {
            head(&mut out, counter.name, counter.help, "counter");
            _ = writeln!(out, "sysflow_{} {}", counter.name, counter.get());
        }
        self.plugins.write(&mut out);
        head(&mut out, "build_info", "version of this program", "gauge");
        _ = writeln!(out, "sysflow_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION"));
        // So that others can compare their clock with ours.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        head(&mut out, "clock_seconds", "this host's clock, since the epoch", "gauge");
        _ = writeln!(out, "sysflow_clock_seconds {now}");
        let newest = self.newest.load(Ordering::Relaxed);
        head(&mut out, "newest_record_seconds", "time of the newest record, since the epoch", "gauge");
        if newest > 0 {
            _ = writeln!(out, "sysflow_newest_record_seconds {}", newest / 1_000_000_000);
        }
        let mut name = "";
        for gauge in gauges {
            // Those of one name follow each other.
            if gauge.name != name {
                head(&mut out, gauge.name, gauge.help, "gauge");
                name = gauge.name;
            }
            _ = match gauge.label {
                None => writeln!(out, "sysflow_{} {}", gauge.name, gauge.value),
                Some((label, value)) => {
                    writeln!(out, "sysflow_{}{{{label}=\"{value}\"}} {}", gauge.name, gauge.value)
                }
            };
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

impl Levels {
    fn new(name: &'static str, help: &'static str, label: &'static str) -> Self {
        Self { name, help, label, values: Mutex::default() }
    }

    /// Counts one more under `value` until what is returned is dropped. The value comes from the other side: what looks
    /// like no version, and more of them than there can be, is `other`.
    pub fn enter(&self, value: &str) -> Level<'_> {
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        let is_version = (1..=32).contains(&value.len())
            && value.bytes().all(|b| b.is_ascii_alphanumeric() || b".-+".contains(&b));
        let has_room = values.len() < MAX_VERSIONS || values.contains_key(value);
        let value = if is_version && has_room { value } else { "other" };
        *values.entry(value.to_owned()).or_default() += 1;
        Level { levels: self, value: value.to_owned() }
    }

    fn write(&self, out: &mut String) {
        head(out, self.name, self.help, "gauge");
        for (value, count) in self.values.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            _ = writeln!(out, "sysflow_{}{{{}=\"{value}\"}} {count}", self.name, self.label);
        }
    }
}

impl Drop for Level<'_> {
    fn drop(&mut self) {
        let mut values = self.levels.values.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = values.get_mut(&self.value) {
            *count -= 1;
            if *count == 0 {
                values.remove(&self.value);
            }
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
        let text = metrics.text(&[Gauge { name: "graphs", help: "graphs in memory", label: None, value: 7 }]);
        assert!(
            text.contains("# TYPE sysflow_records_total counter\nsysflow_records_total{kind=\"PE\"} 3\n"),
            "{text}"
        );
        assert!(
            text.contains("\nsysflow_frames_total 4\n") && text.contains("\nsysflow_graphs 7\n"),
            "{text}"
        );
    }
    #[test]
    fn versions_that_others_make_up_are_bounded() {
        let metrics = Metrics::default();
        let versions: Vec<_> = (0..100).map(|n| format!("{n}.0.0")).collect();
        let levels: Vec<_> = versions.iter().map(|version| metrics.plugins.enter(version)).collect();
        _ = metrics.plugins.enter("1.0\"} 1\n");
        let text = metrics.text(&[]);
        let lines: Vec<_> = text.lines().filter(|line| line.starts_with("sysflow_plugins{")).collect();
        assert_eq!(lines.len(), MAX_VERSIONS + 1, "{lines:?}");
        assert!(lines.contains(&"sysflow_plugins{version=\"other\"} 84"), "{lines:?}");
        drop(levels);
        assert!(!metrics.text(&[]).contains("sysflow_plugins{"));
    }
}
