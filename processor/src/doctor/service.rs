//! The running service, asked over HTTP: is it well, who is connected, what is missing. And Falcosidekick behind it.

use std::time::{SystemTime, UNIX_EPOCH};

use super::Finding;
use crate::config::{Config, Sidekick};
use crate::sidekick::Client;

/// Clocks and records may be so far apart, in seconds.
const APART: u64 = 60;

/// No clock is right that says an earlier time, in seconds since the epoch: 2025.
const EARLIEST: u64 = 1_735_689_600;

pub(super) const TIMEOUT_MS: u64 = 5_000;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Everything that the service itself says.
pub(super) async fn examine(url: &str) -> Vec<Finding> {
    const CHECK: &str = "service";
    let asked = Sidekick { timeout_ms: TIMEOUT_MS, ..Sidekick::at(url) };
    let client = match Client::new(&asked) {
        Ok(client) => client,
        Err(error) => return vec![Finding::problem(CHECK, error.to_string(), "mend --url or api.listen")],
    };
    let alive = match client.get("/healthz").await {
        Ok(page) => page,
        Err(why) => {
            return vec![
                Finding::problem(
                    CHECK,
                    format!("no service answers at {url}: {why}"),
                    "start it: sysflow run",
                ),
                clock(None, None),
            ];
        }
    };
    let mut found = Vec::new();
    let ready = client.get("/readyz").await;
    found.push(match ready {
        _ if !alive.status.is_success() => Finding::problem(
            CHECK,
            format!("{url} is not well: {}", line(&alive.text)),
            "restart the service",
        ),
        Ok(ready) if ready.status.is_success() => Finding::ok(CHECK, format!("{url} is well and ready")),
        Ok(ready) => Finding::warning(
            CHECK,
            format!("{url} is not ready: {}", line(&ready.text)),
            "wait; a start judges what the archive holds since the last checkpoint",
        ),
        Err(why) => Finding::problem(CHECK, format!("{url}/readyz: {why}"), "restart the service"),
    });
    let metrics = match client.get("/metrics").await {
        Ok(page) if page.status.is_success() => Numbers(page.text),
        Ok(page) => {
            let message = format!("{url}/metrics answers {}", page.status);
            found.push(Finding::problem(
                "metrics",
                message,
                "is this another program's port? see api.listen",
            ));
            return found;
        }
        Err(why) => {
            found.push(Finding::problem("metrics", format!("{url}/metrics: {why}"), "restart the service"));
            return found;
        }
    };
    found.extend([versions(&metrics), missing(&metrics), losses(&metrics)]);
    found.push(clock(metrics.get("sysflow_clock_seconds"), metrics.get("sysflow_newest_record_seconds")));
    found
}

/// Whether Falcosidekick answers, if there is one.
pub(super) async fn falcosidekick(config: &Config) -> Option<Finding> {
    const CHECK: &str = "falcosidekick";
    let sidekick = config.alerts.falcosidekick.as_ref()?;
    let url = &sidekick.url;
    let fix = "start Falcosidekick, or mend alerts.falcosidekick; alerts wait in the queue meanwhile";
    let asked = Sidekick { timeout_ms: sidekick.timeout_ms.min(TIMEOUT_MS), ..sidekick.clone() };
    let client = match Client::new(&asked) {
        Ok(client) => client,
        Err(error) => return Some(Finding::problem(CHECK, error.to_string(), "mend alerts.falcosidekick")),
    };
    Some(match client.get("/ping").await {
        Ok(page) if page.status.is_success() && page.text.trim() == "pong" => {
            Finding::ok(CHECK, format!("{url} answers"))
        }
        Ok(page) => Finding::warning(
            CHECK,
            format!("{url} answers {} to a ping, which Falcosidekick would not", page.status),
            "look whether a gateway stands in between, or another program has that port",
        ),
        Err(why) => Finding::problem(CHECK, format!("{url}: {why}"), fix),
    })
}

fn versions(metrics: &Numbers) -> Finding {
    const CHECK: &str = "versions";
    let plugins: Vec<_> =
        metrics.labelled("sysflow_plugins", "version").map(|(version, _)| version).collect();
    let service = metrics.labelled("sysflow_build_info", "version").map(|(version, _)| version).next();
    let service = service.unwrap_or_else(|| "?".into());
    if plugins.is_empty() {
        return Finding::problem(
            CHECK,
            format!("no plugin is connected to the service (version {service})"),
            "start Falco with the plugin; see its log, and the findings about plugin and socket",
        );
    }
    let message = format!("service {service}, plugin {}, this program {VERSION}", plugins.join(" and "));
    if service != VERSION || plugins.iter().any(|plugin| *plugin != service) {
        return Finding::warning(CHECK, message, "bring all to the same version; either side may go first");
    }
    Finding::ok(CHECK, message)
}

fn missing(metrics: &Numbers) -> Finding {
    const CHECK: &str = "not_delivered";
    let number = metrics.get("sysflow_calls_not_delivered").unwrap_or(0);
    if number == 0 {
        return Finding::ok(CHECK, "no plugin has said that calls do not arrive");
    }
    let calls: Vec<_> =
        metrics.labelled("sysflow_call_not_delivered_nodes", "call").map(|(call, _)| call).collect();
    // It may be somebody's choice.
    Finding::warning(
        CHECK,
        format!("Falco does not deliver {number} calls that the plugin needs: {}", calls.join(", ")),
        "set base_syscalls with all: true, repair: true and the custom_set of falco-config/sysflow.yaml",
    )
}

fn losses(metrics: &Numbers) -> Finding {
    const CHECK: &str = "losses";
    let fix = |cause: &str| match cause {
        "limit" => "raise the plugin's limits",
        "malformed" => "see Falco's log: its events may be of another version than the plugin knows",
        "unknown_thread" | "unknown_fd" => {
            "Falco drops events, or started after the processes: see its metrics, raise engine.*.buf_size_preset"
        }
        "buffer" => "raise the plugin's buffer_mib, and see why the service or its disk is slow or away",
        "spool" => "raise the plugin's spool.max_mib, and see why the service is away",
        "output" => "see Falco's log for what the file or the socket said",
        _ => "see lostCause in the records: sysflow graph FILE",
    };
    let mut lost = Vec::new();
    for (metric, what) in [("sysflow_lost_events_total", "events"), ("sysflow_lost_records_total", "records")]
    {
        lost.extend(
            metrics.labelled(metric, "cause").filter(|(_, n)| *n > 0).map(|(cause, n)| (n, what, cause)),
        );
    }
    if lost.is_empty() {
        return Finding::ok(CHECK, "no plugin has reported a loss since the service started");
    }
    let told: Vec<_> = lost.iter().map(|(n, what, cause)| format!("{n} {what} ({cause})")).collect();
    let mut fixes: Vec<_> = lost.iter().map(|(_, _, cause)| fix(cause)).collect();
    fixes.dedup();
    Finding::warning(CHECK, format!("lost since the service started: {}", told.join(", ")), fixes.join("; "))
}

/// `there`: the service's clock. `newest`: time of its newest record.
fn clock(there: Option<u64>, newest: Option<u64>) -> Finding {
    const CHECK: &str = "clock";
    const FIX: &str = "let a time service set the clocks of this host and of the nodes, such as chrony";
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    if now < EARLIEST {
        return Finding::problem(CHECK, format!("this host's clock says {now} s since 1970"), FIX);
    }
    if let Some(there) = there.filter(|there| there.abs_diff(now) > APART) {
        let message = format!("the service's clock is {} s apart from this one", there.abs_diff(now));
        return Finding::problem(CHECK, message, FIX);
    }
    if let Some(newest) = newest.filter(|newest| *newest > now + APART) {
        let message = format!("the newest record is {} s ahead of this host's clock", newest - now);
        return Finding::warning(CHECK, message, FIX);
    }
    Finding::ok(CHECK, "this host's clock agrees with what is seen")
}

/// One line of somebody's answer.
fn line(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().filter(|c| !c.is_control()).take(200).collect()
}

/// Numbers in Prometheus's text format.
struct Numbers(String);

impl Numbers {
    fn get(&self, name: &str) -> Option<u64> {
        self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
    }

    /// All numbers of a name with the values of its one label.
    fn labelled(&self, name: &str, label: &str) -> impl Iterator<Item = (String, u64)> {
        let start = format!("{name}{{{label}=\"");
        self.0.lines().filter_map(move |text| {
            let (value, number) = text.strip_prefix(&start)?.split_once("\"} ")?;
            Some((line(value), number.parse().ok()?))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Status;

    #[test]
    fn clocks_are_compared() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        assert_eq!(clock(None, Some(now)).status, Status::Ok);
        assert_eq!(clock(None, Some(now + 3600)).status, Status::Warning);
        assert_eq!(clock(Some(now - 3600), None).status, Status::Problem);
    }

    #[test]
    fn numbers_are_read_from_what_the_service_serves() {
        let numbers = Numbers("# HELP a b\nab 1\na 2\na{x=\"y\"} 3\na{x=\"z\"} 4\na{x=\"\n".into());
        assert_eq!(numbers.get("a"), Some(2));
        assert_eq!(numbers.labelled("a", "x").collect::<Vec<_>>(), [("y".into(), 3), ("z".into(), 4)]);
    }
}
