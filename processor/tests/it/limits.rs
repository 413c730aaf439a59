//! Limits of alerts a minute, and outputs that take only what is urgent.

use std::sync::Arc;
use std::time::Duration;

use sysflow::Record;
use sysflow::record::NetworkFlow;
use sysflow_processor::alert::Alert;
use sysflow_processor::config::{Config, Input, Level};
use sysflow_processor::service::{Parts, Service};
use sysflow_processor::stop::Stop;

use crate::engine::Judged;
use crate::plugin::Plugin;
use crate::records::{self, RULES, SECOND, START};

fn limited(rule: u32, total: u32) -> Config {
    let mut config = Config::default();
    config.alerts.per_minute.rule = rule;
    config.alerts.per_minute.total = total;
    config.alerts.max_distinct = 1000;
    config
}

/// A call to a server of its own: nothing folds it.
fn call(n: i32, ts: i64) -> Record {
    let Record::NetworkFlow(flow) = records::call(ts) else { unreachable!() };
    Record::NetworkFlow(NetworkFlow { dip: n, ..flow })
}

fn told(alerts: &[Arc<Alert>]) -> Vec<(&str, u64)> {
    alerts.iter().map(|alert| (alert.rule.as_str(), alert.count)).collect()
}

#[test]
fn a_noisy_rule_is_cut_short_and_its_rest_counted_once() {
    let mut judged = Judged::new(&limited(3, 0));
    judged.take(records::beginning());
    let first = judged.take((0..10).map(|n| call(n, START + i64::from(n))).collect());
    assert_eq!(told(&first), [("Call home", 1); 3]);
    assert_eq!(judged.metrics.held.get("rule"), 7);
    // Other rules are told as ever.
    let secret = judged.take(vec![records::file("/etc/x"), records::read("/etc/x", START + SECOND)]);
    assert_eq!(told(&secret), [("Secret read", 1)]);
    // A third of a minute later there is room for one. The window of what was held back ends after a minute.
    let later = judged.take(vec![call(20, START + 21 * SECOND), call(21, START + 22 * SECOND)]);
    assert_eq!(told(&later), [("Call home", 1)]);
    let end = judged.take(vec![records::exec(START + 61 * SECOND)]);
    assert_eq!(told(&end), [("Call home", 8), ("Shell of a server", 1)]);
    let closing = &end[0];
    assert!(closing.output.contains("8 more alerts were held back"), "{}", closing.output);
    assert_eq!((&closing.output_fields["sf.count"], closing.field("sf.held")), (&8.into(), Some("rule")));
    assert_eq!(closing.field("sf.alert.id"), Some(closing.id.as_str()));
    assert_eq!((closing.ts, closing.tags.len()), (START + 22 * SECOND, 1), "of the last one");
    assert!(closing.graph().is_none() && closing.field("sf.net.dip").is_none(), "it is about many");
    assert!(judged.finish().is_empty());
}

#[test]
fn what_was_held_back_is_told_when_it_happens_again() {
    let mut judged = Judged::new(&limited(1, 0));
    judged.take(records::beginning());
    let at = |seconds: i64| call(2, START + seconds * SECOND);
    assert_eq!(judged.take(vec![call(1, START), at(1)]).len(), 1);
    let later = judged.take(vec![at(70)]);
    assert_eq!(told(&later), [("Call home", 1), ("Call home", 1)], "how many were held back, and it itself");
    assert!(later[1].graph().is_some());
}

#[test]
fn all_rules_share_a_limit_and_one_alert_tells_of_the_rest() {
    // One of them is the shell of the beginning.
    let mut judged = Judged::new(&limited(0, 3));
    judged.take(records::beginning());
    let mut many: Vec<_> = (0..4).map(|n| call(n, START)).collect();
    many.extend([records::file("/etc/x"), records::read("/etc/x", START + 1)]);
    assert_eq!(told(&judged.take(many)), [("Call home", 1); 2]);
    assert_eq!(judged.metrics.held.get("total"), 3);
    let end = judged.finish();
    assert_eq!(told(&end), [("Alerts Held Back", 3)]);
    assert_eq!(end[0].priority.as_str(), "Critical", "the worst of them");
    assert!(end[0].output.contains("3 more alerts of any rule"), "{}", end[0].output);
}

#[test]
fn a_count_of_what_is_held_back_does_not_wait_for_another_record() {
    let mut judged = Judged::new(&limited(1, 0));
    judged.take(records::beginning());
    judged.take((0..3).map(|n| call(n, START)).collect());
    judged.idle(60 * SECOND);
    let early = judged.take(vec![]);
    assert_eq!(told(&early), [("Call home", 2)]);
    let late = judged.take(vec![call(9, START + 1), records::exec(START + 61 * SECOND)]);
    assert_eq!(told(&late), [("Call home", 3), ("Shell of a server", 1)]);
    assert_eq!(late[0].id, early[0].id, "the same, grown");
}

#[test]
fn limits_go_on_over_a_restart() {
    let story = || {
        let mut story = records::beginning();
        story.extend((0..30).map(|n| call(n, START + i64::from(n) * 4 * SECOND)));
        story
    };
    let text =
        |alerts: &[Arc<Alert>]| alerts.iter().map(|alert| (alert.with_id(), alert.count)).collect::<Vec<_>>();
    let mut whole = Judged::new(&limited(4, 0));
    let expected = [whole.take(story()), whole.finish()].concat();
    assert!(expected.iter().any(|alert| alert.field("sf.held").is_some()));
    for at in 0..story().len() {
        let (mut before, mut after) = (Judged::new(&limited(4, 0)), Judged::new(&limited(4, 0)));
        let mut alerts = before.take(story()[..at].to_vec());
        let snapshot = before.engine.snapshot().unwrap();
        after.engine.restore(&snapshot.bytes, sysflow_graph::Limits::default()).unwrap();
        alerts.extend(after.take(story()));
        alerts.extend(after.finish());
        assert_eq!(text(&alerts), text(&expected), "cut before record {at}");
    }
}

#[test]
fn an_output_is_told_what_is_urgent_enough() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = Config::default();
    let (rules, file) = (dir.path().join("rules.yaml"), dir.path().join("alerts.jsonl"));
    std::fs::write(&rules, RULES).unwrap();
    config.rules.files.push(rules);
    config.inputs.push(Input { socket: dir.path().join("s.sock"), ..Default::default() });
    config.alerts.file = Some(file.clone());
    config.alerts.file_min_priority = Level("warning".parse().unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let parts = Parts { no_api: true, ..Parts::default() };
    let mut service = Service::start(&config, parts, runtime.handle(), &Stop::default()).unwrap();
    let (mut plugin, _) = Plugin::welcome(&config.inputs[0].socket, 0);
    plugin.frame(0, &records::story());
    plugin.until_stored(records::story().len() as u64);
    drop(plugin);
    service.drain_inputs();
    assert_eq!(service.world().lock().alerts.count(None), 3, "the API knows all");
    service.shut_down(runtime.handle(), Duration::ZERO).unwrap();
    let text = std::fs::read_to_string(file).unwrap();
    let priorities: Vec<_> = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["priority"].clone())
        .collect();
    assert_eq!(priorities, ["Warning", "Critical"]);
}
