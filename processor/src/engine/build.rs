//! From a match to an alert.

use serde_json::{Map, Value};
use sysflow::{GraphId, Joined};
use sysflow_graph::AlertMark;
use sysflow_policy::{Memory, Rule};

use super::Batch;
use crate::alert::{self, Alert, Limit, Object, Raise, Raised, Suppressor, text};
use crate::config::Config;
use crate::world::State;

/// What stands for a rule in the alert that tells how many of any rule were held back.
const HELD_BACK: &str = "Alerts Held Back";

/// What all alerts have in common.
#[derive(Clone, Debug)]
pub struct Template {
    source: String,
    node: Option<String>,
    /// Where the page is, without a slash at the end.
    public_url: String,
}

impl Template {
    /// From the configuration; `public_url` is where users reach the page.
    pub fn new(config: &Config, public_url: &str) -> Self {
        let public_url = public_url.trim_end_matches('/').to_owned();
        Self { source: config.alerts.source.clone(), node: config.node.clone(), public_url }
    }

    /// Takes a match through suppression; an alert that is to be told was put on its graph.
    #[allow(clippy::too_many_arguments, reason = "everything that a match is made of, used here only")]
    pub(super) fn raise(
        &self,
        suppressor: &mut Suppressor,
        now: i64,
        rule: &Rule,
        (joined, memory): (&Joined<'_>, &Memory),
        graph: Option<GraphId>,
        (batch, number): (&Batch, u64),
        state: &mut State,
    ) -> Option<Raised> {
        let process = joined.record.proc_oid()?;
        let ts = joined.record.ts()?;
        let object = Object::of(joined);
        let Rule { name, priority, .. } = rule;
        let raise = Raise { now, ts, rule: name, priority: *priority, graph, process, object: &object };
        Some(suppressor.raise(
            raise,
            || self.alert(rule, (joined, memory), graph, ts, batch, number, state),
            |limit| self.closing(rule, limit, joined, ts, (batch, number)),
        ))
    }

    /// An alert that is to tell how many others were held back. It is about many records, so it tells nothing of this one.
    fn closing(
        &self,
        rule: &Rule,
        limit: Limit,
        joined: &Joined<'_>,
        ts: i64,
        (batch, number): (&Batch, u64),
    ) -> Alert {
        let id = alert::id(&[
            limit.as_str().as_bytes(),
            rule.name.as_bytes(),
            batch.stream.id.as_bytes(),
            &number.to_le_bytes(),
        ]);
        let fields = [("sf.alert.id", id.as_str()), ("sf.held", limit.as_str())];
        let (name, tags) = match limit {
            Limit::Rule => (text::rule_name(&rule.name), text::tags(rule.tags.iter().map(String::as_str))),
            Limit::Total => (HELD_BACK.to_owned(), Vec::new()),
        };
        Alert {
            ts,
            priority: rule.priority,
            rule: name,
            source: self.source.clone(),
            hostname: self.hostname(joined, batch),
            tags,
            text: String::new(),
            output: String::new(),
            output_fields: fields.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect(),
            count: 0,
            id,
        }
    }

    #[allow(clippy::too_many_arguments, reason = "everything that a match is made of, used here only")]
    fn alert(
        &self,
        rule: &Rule,
        (joined, memory): (&Joined<'_>, &Memory),
        graph: Option<GraphId>,
        ts: i64,
        batch: &Batch,
        number: u64,
        state: &mut State,
    ) -> Alert {
        let id = alert::id(&[rule.name.as_bytes(), batch.stream.id.as_bytes(), &number.to_le_bytes()]);
        let tags = text::tags(rule.tags.iter().map(String::as_str));
        let name = text::rule_name(&rule.name);
        // Falcosidekick gives every post an id of its own: a receiver tells repetitions and updates by this one.
        let mut output_fields = Map::from_iter([("sf.alert.id".to_owned(), Value::from(id.as_str()))]);
        if let Some(graph) = graph {
            output_fields.insert("sf.graphid".into(), Value::from(graph.to_string()));
            output_fields
                .insert("sf.graph_url".into(), Value::from(format!("{}/g/{graph}?at={ts}", self.public_url)));
            let mark = AlertMark {
                id: id.clone(),
                ts,
                priority: rule.priority,
                rule: name.clone(),
                tags: tags.clone(),
            };
            if let Some((_, Some(node))) = state.graphs.mark(joined, &mark) {
                output_fields.insert("sf.node".into(), Value::from(node));
            }
        }
        output_fields.append(&mut alert::fields(joined));
        let rule_text = rule.output.format_in(joined, memory);
        // A rule without an output, or with one that came to nothing: the UI takes no alert without text.
        let rule_text = if rule_text.trim().is_empty() {
            name.clone()
        } else {
            text::cut(&rule_text, text::MAX_STRING).into_owned()
        };
        let graph = graph.map(|graph| graph.to_string());
        let mut alert = Alert {
            id,
            ts,
            priority: rule.priority,
            rule: name,
            source: self.source.clone(),
            hostname: self.hostname(joined, batch),
            tags,
            output: Alert::compose_output(ts, rule.priority, &rule_text, graph.as_deref()),
            text: rule_text,
            output_fields,
            count: 1,
        };
        alert.fit();
        alert
    }

    /// What the trace calls the node, then the stream, then the configuration.
    fn hostname(&self, joined: &Joined<'_>, batch: &Batch) -> String {
        let named = [
            joined.header.map(|header| header.exporter.as_str()),
            Some(batch.stream.node.as_str()),
            self.node.as_deref(),
        ];
        let name = named.into_iter().flatten().find(|name| !name.is_empty()).unwrap_or_default();
        text::cut(&text::ascii(name), 253).into_owned()
    }
}
