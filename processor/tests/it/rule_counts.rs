//! What the service says of each rule's matches and costs.

use std::time::Instant;

use sysflow::Entities;
use sysflow_policy::{Memory, Scratch};
use sysflow_processor::config::{self, Config};
use sysflow_processor::engine::Judge;
use sysflow_processor::rules::{Rules, Tally, Usage};

use crate::engine::Judged;
use crate::records::{self, RULES, SECOND, START};

fn usage(rules: &Rules, name: &str) -> Usage {
    let judge = rules.current();
    let id = judge.rules().find(name).unwrap();
    judge.counts().usage(id, judge.rule(id))
}

fn metrics(rules: &Rules) -> String {
    let mut text = String::new();
    rules.metrics(&mut text);
    text
}

#[test]
fn matches_records_and_time_are_counted_and_go_on_when_rules_are_replaced() {
    let mut judged = Judged::new(&Config::default());
    judged.take(records::story());
    let calls = |from: i64, n: i64| (from..from + n).map(|at| records::call(START + at * SECOND)).collect();
    judged.take(calls(0, 5000));
    let rules = judged.engine.rules().clone();
    let call = usage(&rules, "Call home");
    assert_eq!((call.matches, call.records), (5001, 5001), "each, also those that were folded");
    // A rule takes between a few nanoseconds and, on a busy machine, some microseconds.
    assert!((1..1_000_000).contains(&(call.nanoseconds / call.records)), "{call:?}");
    let shell = usage(&rules, "Shell of a server");
    assert_eq!((shell.matches, shell.records), (1, 1), "of the kinds that it is for");
    assert!(
        metrics(&rules).contains("\nsysflow_rule_matches_total{rule=\"Call home\"} 5001\n"),
        "{}",
        metrics(&rules)
    );
    assert!(
        metrics(&rules).contains("\nsysflow_rule_seconds_total{rule=\"Call home\"} "),
        "{}",
        metrics(&rules)
    );

    let new = "- rule: New \"one\"\n  desc: d\n  condition: sf.type = NF\n  output: o\n  priority: INFO\n";
    std::fs::write(judged.rules_file(), format!("{new}{RULES}")).unwrap();
    rules.reload(false);
    judged.take(calls(6000, 10));
    assert_eq!((usage(&rules, "Call home").matches, usage(&rules, "Call home").records), (5011, 5011));
    assert_eq!((usage(&rules, "New \"one\"").matches, usage(&rules, "New \"one\"").records), (10, 10));
    assert!(metrics(&rules).contains("rule=\"New \\\"one\\\"\"} 10\n"), "{}", metrics(&rules));
}

#[test]
fn metrics_name_the_largest_and_sum_up_the_rest() {
    let rule = |n: usize| {
        format!(
            "- rule: r{n}\n  desc: d\n  condition: sf.type = NF and sf.net.dport != {n}\n  output: o\n  priority: INFO\n  action: tag\n"
        )
    };
    let mut judged = Judged::by(&Config::default(), &(0..70).map(rule).collect::<String>());
    judged.take(records::beginning());
    judged.take(vec![records::call(START), records::call(START + 1)]);
    let text = metrics(judged.engine.rules());
    let named = text.lines().filter(|line| line.starts_with("sysflow_rule_matches_total{")).count();
    assert_eq!(named, 50, "{text}");
    assert!(text.contains("\nsysflow_rule_matches_rest 40\n"), "{text}");
}

/// Prints what counting costs a record: `cargo test --release -p sysflow-processor -- --ignored --nocapture counting_costs`.
#[test]
#[ignore = "a measurement"]
fn counting_costs() {
    let judge = Judge::load(&config::Rules::default()).unwrap();
    let mut entities = Entities::default();
    let story = records::story();
    for record in &story {
        entities.apply(record);
    }
    let record = records::call(START);
    let joined = entities.join(&record);
    let (memory, mut scratch, mut found, mut tally) =
        (Memory::default(), Scratch::default(), Vec::new(), Tally::default());
    let rounds = 2_000_000;
    for _ in 0..3 {
        let began = Instant::now();
        for _ in 0..rounds {
            found.clear();
            judge.rules().matches_in(&joined, &memory, &mut scratch, &mut found);
        }
        let plain = began.elapsed();
        let began = Instant::now();
        for _ in 0..rounds {
            judge.matches(&joined, &memory, &mut scratch, &mut tally, &mut found);
        }
        let counted = began.elapsed();
        println!(
            "{:.1} ns a record without counts, {:.1} ns with",
            plain.as_nanos() as f64 / f64::from(rounds),
            counted.as_nanos() as f64 / f64::from(rounds)
        );
    }
}
