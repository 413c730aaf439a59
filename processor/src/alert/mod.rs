//! Alerts: Falco's JSON shape, and what has to hold for Falcosidekick and its UI to take them.
//!
//! Invariants, whatever a monitored host puts into its names:
//! * the object that is sent stays below 4096 bytes as Falcosidekick writes it again, and no string passes 512;
//! * `output`, `rule`, `source`, `hostname` and tags are printable ASCII; `output` is never empty;
//! * identifiers and times are strings: JSON numbers lose digits above 2^53 on their way through the UI;
//! * `output_fields` always holds something, for Falcosidekick refuses an alert without any.

mod fields;
mod fit;
mod limit;
mod suppress;
pub mod text;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sysflow_policy::Priority;

pub use fields::fields;
pub use fit::wire_size;
pub use limit::{Limit, Rates};
pub use suppress::{Object, Raise, Raised, Settings, Suppressor};

use crate::time;

/// Most bytes of an alert that is sent.
pub const MAX_ALERT: usize = 4096;

/// Begins the ids of alerts that others have raised, such as Falco; ours are hex digits.
pub const FOREIGN: &str = "falco-";

/// A judgement: this record is what that rule looks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// 16 hex digits, a hash of the rule and of the first matching record: the same in every run over the same data.
    pub id: String,
    /// Time of the record that is judged, in ns.
    pub ts: i64,
    /// How urgent.
    pub priority: Priority,
    /// Name of the rule.
    pub rule: String,
    /// Source of the alert, `sysflow` unless configured otherwise.
    pub source: String,
    /// Node that the record came from.
    pub hostname: String,
    /// Tags of the rule.
    pub tags: Vec<String>,
    /// What the rule says, without time and priority. Not sent.
    pub text: String,
    /// One line for people.
    pub output: String,
    /// What the record says.
    #[serde(with = "json_text")]
    pub output_fields: Map<String, Value>,
    /// How many matches it stands for.
    pub count: u64,
}

/// An alert as others see it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Alert")]
pub struct Wire<'a> {
    /// The same for each update of an alert. Falcosidekick is not told.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    /// Time of the record that is judged (RFC 3339).
    time: String,
    /// One of Falco's eight.
    priority: &'a str,
    /// Name of the rule.
    rule: &'a str,
    /// `sysflow` unless configured otherwise; that of others, such as `syscall` for Falco's own.
    source: &'a str,
    /// Node that it comes from.
    hostname: &'a str,
    /// Tags of the rule, ATT&CK techniques among them.
    tags: &'a [String],
    /// One line for people.
    output: &'a str,
    /// What the record says: `sf.graphid` is its graph.
    output_fields: &'a Map<String, Value>,
}

impl Alert {
    /// `output` as Falco begins it (time, priority), with the graph's id: some of Falcosidekick's outputs pass on
    /// nothing but this text.
    pub fn compose_output(ts: i64, priority: Priority, text: &str, graph: Option<&str>) -> String {
        let prefix = format!("{}: {priority} ", time::clock(ts));
        let text = text::ascii(text);
        let room = text::MAX_STRING - prefix.len();
        let whole = text::cut(&text, room);
        match graph {
            // The rule may name the graph itself, where it was not cut away.
            Some(graph) if !whole.contains(graph) => {
                let suffix = format!(" (graph={graph})");
                format!("{prefix}{}{suffix}", text::cut(&text, room - suffix.len()))
            }
            _ => format!("{prefix}{whole}"),
        }
    }

    /// The object that Falcosidekick gets.
    pub fn wire(&self) -> String {
        self.json(None)
    }

    /// The same with the alert's id, as API and command line give it.
    pub fn with_id(&self) -> String {
        self.json(Some(&self.id))
    }

    /// The same as a value.
    pub fn value(&self) -> Value {
        serde_json::to_value(self.view(Some(&self.id))).unwrap_or_default()
    }

    /// The same with the alert's id, to be written as part of something larger.
    pub fn listed(&self) -> Wire<'_> {
        self.view(Some(&self.id))
    }

    /// Whether somebody else has raised it.
    pub fn is_foreign(&self) -> bool {
        self.id.starts_with(FOREIGN)
    }

    /// Graph that it belongs to.
    pub fn graph(&self) -> Option<&str> {
        self.field("sf.graphid")
    }

    /// Text of an output field.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.output_fields.get(name)?.as_str()
    }

    /// Composes `output` anew from other words, and makes the alert fit again.
    fn recompose(&mut self, text: &str) {
        self.output = Self::compose_output(self.ts, self.priority, text, self.graph());
        self.fit();
    }

    fn json(&self, id: Option<&str>) -> String {
        // A map of strings and numbers always serialises.
        serde_json::to_string(&self.view(id)).unwrap_or_default()
    }

    fn view<'a>(&'a self, id: Option<&'a str>) -> Wire<'a> {
        Wire {
            id,
            time: time::rfc3339(self.ts),
            priority: self.priority.as_str(),
            rule: &self.rule,
            source: &self.source,
            hostname: &self.hostname,
            tags: &self.tags,
            output: &self.output,
            output_fields: &self.output_fields,
        }
    }
}

/// 16 hex digits over some parts.
pub fn id(parts: &[&[u8]]) -> String {
    let mut hash = xxhash_rust::xxh3::Xxh3::new();
    for part in parts {
        hash.update(&(part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    format!("{:016x}", hash.digest())
}

/// JSON within formats that do not describe themselves.
mod json_text {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use serde_json::{Map, Value};

    pub(super) fn serialize<S: Serializer>(fields: &Map<String, Value>, to: S) -> Result<S::Ok, S::Error> {
        serde_json::to_string(fields).unwrap_or_default().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Map<String, Value>, D::Error> {
        serde_json::from_str(&String::deserialize(from)?).map_err(D::Error::custom)
    }
}
