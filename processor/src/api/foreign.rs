//! `POST /api/v1/alerts`: alerts of others, as Falcosidekick's webhook output sends them.
//!
//! Falco's own alerts carry `sf.graphid`, which the plugin adds to them: so they appear on the graph of what they are about,
//! beside ours. Every text in them comes from a monitored host.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sysflow::{GraphId, Priority};
use sysflow_graph::Document;

use super::extract::Body;
use super::{App, Problem};
use crate::alert::{self, Alert, text};
use crate::time;

/// Most fields of an alert that are kept.
const MAX_FIELDS: usize = 64;

/// Longest name of a field.
const MAX_NAME: usize = 128;

/// Most tags.
const MAX_TAGS: usize = 32;

/// Longest text of an alert: Falco's rules say more in it than ours.
const MAX_OUTPUT: usize = 2048;

/// Numbers that JSON readers keep exactly.
const EXACT: u64 = 1 << 53;

/// A field that our alerts carry and no others do.
const OURS: &str = "sf.alert.id";

/// Graph of an alert, as the plugin adds it to Falco's.
const GRAPH: &str = "sf.graphid";

/// What Falcosidekick sends. Keys that are not named here are passed over.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "FalcoAlert")]
pub(super) struct Payload {
    /// When (RFC 3339).
    #[schemars(extend("format" = "date-time"))]
    time: String,
    /// How urgent.
    #[schemars(extend("enum" = ["Emergency", "Alert", "Critical", "Error", "Warning", "Notice", "Informational", "Debug"]))]
    priority: String,
    /// Rule that it comes from.
    #[schemars(length(min = 1), extend("pattern" = "\\S"))]
    rule: String,
    /// What happened, in a line.
    #[serde(default)]
    output: Option<String>,
    /// Source of the events, such as `syscall`.
    #[serde(default)]
    source: Option<String>,
    /// Host that it comes from.
    #[serde(default)]
    hostname: Option<String>,
    /// Tags of the rule.
    #[serde(default)]
    tags: Option<Vec<String>>,
    /// What the event says; `sf.graphid` among it puts the alert on its graph.
    #[serde(default)]
    output_fields: Option<Map<String, Value>>,
}

/// What became of an alert.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Taken {
    /// Its id in lists and on graphs; none for one of ours that came back.
    id: Option<String>,
    /// Whether it was not known before.
    new: bool,
}

pub(super) async fn take(
    State(app): State<App>,
    Body(payload): Body<Payload>,
) -> Result<Json<Taken>, Problem> {
    if payload.output_fields.as_ref().is_some_and(|fields| fields.contains_key(OURS)) {
        // Ours went to Falcosidekick, whose webhook leads back here.
        app.metrics.received.add("own", 1);
        return Ok(Json(Taken { id: None, new: false }));
    }
    let alert = Arc::new(payload.alert()?);
    let id = Some(alert.id.clone());
    let new = app.world.lock().alerts.put(alert);
    app.metrics.received.add(if new { "new" } else { "known" }, 1);
    Ok(Json(Taken { id, new }))
}

impl Payload {
    fn alert(self) -> Result<Alert, Problem> {
        let bad = |key: &str, why: &str| {
            Err(Problem::new(StatusCode::BAD_REQUEST, "this is no alert of Falco", format!("{key}: {why}")))
        };
        let Some(ts) = time::parse_rfc3339(&self.time) else {
            return bad("time", "RFC 3339 is expected, such as 2026-11-24T02:59:32.532306532Z");
        };
        let Ok(priority) = self.priority.parse::<Priority>() else {
            return bad("priority", "one of Falco's eight is expected, such as Warning");
        };
        if self.rule.trim().is_empty() {
            return bad("rule", "it has to have a name");
        }
        let line =
            |text: Option<String>, max| text::cut(&text::ascii(&text.unwrap_or_default()), max).into_owned();
        let rule = line(Some(self.rule), MAX_NAME);
        let output = line(self.output, MAX_OUTPUT);
        let source = Some(self.source.unwrap_or_default()).filter(|source| !source.is_empty());
        let source = line(source.or_else(|| Some("syscall".into())), 64);
        let hostname = line(self.hostname, 253);
        let tags = self.tags.unwrap_or_default();
        // Falcosidekick may send one again: it is the same.
        let parts =
            [source.as_bytes(), rule.as_bytes(), &ts.to_le_bytes(), hostname.as_bytes(), output.as_bytes()];
        let mut alert = Alert {
            id: format!("{}{}", alert::FOREIGN, alert::id(&parts)),
            ts,
            priority,
            source,
            hostname,
            tags: text::tags(tags.iter().take(MAX_TAGS).map(String::as_str)),
            text: output.clone(),
            output: if output.is_empty() { rule.clone() } else { output },
            rule,
            output_fields: fields(self.output_fields.unwrap_or_default()),
            count: 1,
        };
        alert.fit();
        Ok(alert)
    }
}

fn fields(all: Map<String, Value>) -> Map<String, Value> {
    let is_name = |name: &str| name.len() <= MAX_NAME && name.bytes().all(|byte| byte.is_ascii_graphic());
    let named = all.into_iter().filter(|(name, _)| is_name(name));
    named
        .filter_map(|(name, value)| Some((field(&name, value)?, name)))
        .map(|(value, name)| (name, value))
        .take(MAX_FIELDS)
        .collect()
}

/// A value that can be shown and kept: text or what every reader of JSON reads alike.
fn field(name: &str, value: Value) -> Option<Value> {
    let short = |text: &str| Value::String(text::cut(text, text::MAX_STRING).into_owned());
    Some(match value {
        // What Falco could not tell.
        Value::Null => return None,
        // A graph that is none would lead nowhere.
        value if name == GRAPH => Value::String(GraphId::parse(value.as_str()?)?.to_string()),
        Value::String(text) => short(&text),
        Value::Bool(_) => value,
        Value::Number(number) => match number.as_i64() {
            Some(exact) if exact.unsigned_abs() < EXACT => Value::from(exact),
            _ => short(&number.to_string()),
        },
        Value::Array(_) | Value::Object(_) => short(&value.to_string()),
    })
}

/// Puts the ids of `alerts` of others on the process nodes that they are about, as far as they say; the rest belong to
/// the graph as a whole. Falco's rules name the process id, or else its program and command line.
pub(super) fn place(document: &mut Document, alerts: &[Arc<Alert>]) {
    for alert in alerts.iter().filter(|alert| alert.is_foreign()) {
        let mut found =
            document.nodes.iter_mut().filter(|node| node.kind == "process" && is_about(alert, node));
        // Two that look alike: better none than the wrong one.
        if let (Some(node), None) = (found.next(), found.next()) {
            node.alerts.push(alert.id.clone());
        }
    }
}

fn is_about(alert: &Alert, node: &sysflow_graph::NodeView) -> bool {
    let lived =
        |instance: &&sysflow_graph::InstanceView| instance.first <= alert.ts && alert.ts <= instance.last;
    let pid = alert.output_fields.get("proc.pid").and_then(Value::as_i64);
    if let Some(pid) = pid {
        return node.instances.iter().filter(lived).any(|instance| instance.pid == pid);
    }
    let Some(exe) = alert.field("proc.exepath") else { return false };
    let arguments =
        alert.field("proc.cmdline").and_then(|line| line.split_once(' ')).map_or("", |(_, rest)| rest);
    node.exe == exe && node.args == arguments && node.instances.iter().any(|instance| lived(&instance))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(text: &str) -> Payload {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn falcos_alerts_are_read_as_they_are() {
        let alert = payload(
            r#"{"uuid":"x","time":"2026-11-24T02:59:32.532306532Z","priority":"Notice","rule":"Terminal shell in container",
                "output":"02:59:32.532306532: Notice A shell","source":"syscall","hostname":"n1","tags":["T1059.004","shell"],
                "output_fields":{"sf.graphid":"00112233445566778899aabbccddeeff","proc.tty":34816,"evt.time":1795489172532306532,
                "container.id":"abc","k8s.pod.name":null}}"#,
        );
        let alert = alert.alert().unwrap();
        assert!(alert.is_foreign() && alert.id.len() == 22, "{}", alert.id);
        assert_eq!((alert.ts, alert.priority), (1_795_489_172_532_306_532, Priority::Notice));
        assert_eq!((alert.source.as_str(), alert.hostname.as_str()), ("syscall", "n1"));
        assert_eq!(alert.graph(), Some("00112233445566778899aabbccddeeff"));
        assert_eq!(alert.tags, ["T1059", "T1059.004", "shell"]);
        assert_eq!(alert.output_fields["proc.tty"], 34816);
        assert_eq!(alert.output_fields["evt.time"], "1795489172532306532", "readers would lose digits");
        assert!(!alert.output_fields.contains_key("k8s.pod.name"));
    }

    #[test]
    fn what_is_no_alert_is_told() {
        let base = r#"{"time":"2026-11-24T02:59:32Z","priority":"Notice","rule":"r"}"#;
        assert!(payload(base).alert().is_ok());
        for (old, new) in [("2026-11", "2026-13"), ("Notice", "loud"), ("\"r\"", "\" \"")] {
            assert!(payload(&base.replace(old, new)).alert().is_err(), "{new}");
        }
    }

    #[test]
    fn hostile_alerts_are_bounded() {
        let mut fields = Map::new();
        for n in 0..1000 {
            fields.insert(format!("f{n}"), Value::from("\u{1f4a9}".repeat(1000)));
        }
        fields.insert("sf.graphid".into(), Value::from("<NA>"));
        fields.insert("x\n".into(), Value::from(1));
        let text = "\u{1b}[2J\u{202e}é".repeat(10_000);
        let payload = Payload {
            time: "2026-11-24T02:59:32Z".into(),
            priority: "info".into(),
            rule: text.clone(),
            output: Some(text.clone()),
            source: Some(text.clone()),
            hostname: Some(text.clone()),
            tags: Some(vec![text; 1000]),
            output_fields: Some(fields),
        };
        let alert = payload.alert().unwrap();
        assert!(alert.with_id().len() < alert::MAX_ALERT + 64, "{}", alert.with_id().len());
        for shown in [&alert.rule, &alert.output, &alert.source, &alert.hostname] {
            assert!(shown.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{shown}");
        }
        assert_eq!(alert.graph(), None);
    }
}
