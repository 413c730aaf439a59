//! Whatever a host calls its processes and files, the alert can be sent.

use serde_json::Value;
use sysflow_policy::Priority;
use sysflow_processor::alert::{Alert, wire_size};
use sysflow_processor::config::Config;

use crate::engine::Judged;
use crate::{falcosidekick, records};

#[test]
fn hostile_names_make_alerts_that_falcosidekick_takes() {
    let hostile = [
        "x".repeat(100_000),
        "\u{1b}[2J\n\r\t\0".repeat(5000),
        "<script>&".repeat(4000),
        "日本語\u{202e}".repeat(3000),
        "\"\\".repeat(9000),
        "é".repeat(511),
        String::new(),
    ];
    for args in &hostile {
        let mut judged = Judged::new(&Config::default());
        let mut story = records::beginning();
        story.insert(4, records::shell_with(args));
        let path = format!("/etc/{args}");
        story.extend([records::file(&path), records::read(&path, records::START + 5)]);
        let alerts = judged.take(story);
        assert_eq!(alerts.len(), 2);
        for alert in alerts {
            let wire = alert.wire();
            assert!(wire.len() < 4096 && wire_size(&wire) < 4096, "{} bytes", wire_size(&wire));
            let sent: Value = serde_json::from_str(&wire).unwrap();
            let got = falcosidekick::decode(wire.as_bytes()).unwrap();
            assert_eq!(got["output_fields"], sent["output_fields"], "nothing was cut on the way");
            assert!(falcosidekick::ui_takes(&got), "{wire}");
            for (name, value) in sent["output_fields"].as_object().unwrap() {
                assert!(value.as_str().is_none_or(|text| text.len() <= 512), "{name}");
            }
            assert_eq!(sent["output_fields"]["sf.graphid"], records::graph());
            assert!(sent["output"].as_str().unwrap().contains(&format!("graph={}", records::graph())));
            assert!(sent["output"].as_str().unwrap().len() <= 512);
        }
    }
}

#[test]
fn numbers_beyond_what_javascript_keeps_are_strings() {
    let mut judged = Judged::new(&Config::default());
    for alert in judged.take(records::story()) {
        for (name, value) in &alert.output_fields {
            assert!(value.as_i64().is_none_or(|n| n.abs() < 1 << 53), "{name} = {value}");
        }
    }
}

#[test]
fn rule_names_and_sources_are_what_the_ui_can_filter_by() {
    let mut judged = Judged::new(&Config::default());
    for alert in judged.take(records::story()) {
        assert!(alert.rule.chars().all(|c| c.is_ascii_alphanumeric() || c == ' '));
        assert!(!alert.source.contains('-'));
        assert!(alert.tags.windows(2).all(|pair| pair[0] < pair[1]), "sorted, each once");
    }
}

#[test]
fn the_graph_stays_in_the_text_when_the_rule_names_it_too_late() {
    let graph = records::graph();
    let compose = |text: &str| Alert::compose_output(0, Priority::Notice, text, Some(&graph));
    let short = compose(&format!("x {graph}"));
    assert_eq!(short.matches(&graph).count(), 1, "{short}");
    for before in [430, 460, 480, 600] {
        let long = compose(&format!("{} {graph}", "x".repeat(before)));
        assert!(long.len() <= 512 && long.contains(&graph), "{before}: {long}");
    }
}
