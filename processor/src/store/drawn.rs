//! Rows of an answer as a graph.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sysflow::GraphId;
use sysflow_graph::Query;
use sysflow_store::{Asked, Error, History, Limits, Result};

/// Graphs that are drawn for one answer.
const MAX_GRAPHS: usize = 16;

/// The graphs of the rows that match a condition: that of all in one document, whose `id` is null and whose `graphs` lists
/// them if they are several. Ids of nodes have their graph's before them then: two graphs may behave alike.
pub async fn matches(history: &History, asked: &Asked, limits: &Limits) -> Result<Value> {
    let answer = history.ask(asked).await?;
    let ids: BTreeSet<GraphId> =
        answer.texts("sf.graphid")?.iter().filter_map(|id| GraphId::parse(id)).collect();
    let mut documents = Vec::new();
    for id in ids.iter().take(MAX_GRAPHS) {
        let found = history.graph(*id, asked.since, asked.until, limits).await?;
        if let Some(document) = found.document(*id, &Query::default()) {
            let value = serde_json::to_value(document).map_err(|error| Error::Row(error.to_string()))?;
            documents.push((id.to_string(), value));
        }
    }
    let truncated = answer.truncated || ids.len() > MAX_GRAPHS;
    if let [(_, only)] = documents.as_mut_slice() {
        if truncated {
            only["truncated"] = true.into();
        }
        return Ok(only.take());
    }
    Ok(together(documents, truncated))
}

fn together(documents: Vec<(String, Value)>, mut truncated: bool) -> Value {
    let names: Vec<String> = documents.iter().map(|(id, _)| id.clone()).collect();
    let (mut nodes, mut edges, mut alerts, mut lost) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut window: Option<(i64, i64)> = None;
    let mut hosts = BTreeSet::new();
    let time = |value: &Value| value.as_str().and_then(|text| text.parse::<i64>().ok());
    for (id, mut document) in documents {
        truncated |= document["truncated"] == true;
        hosts.extend(document["node"].as_str().map(str::to_owned));
        if let (Some(from), Some(to)) = (time(&document["window"]["from"]), time(&document["window"]["to"])) {
            window = Some(window.map_or((from, to), |(a, b): (i64, i64)| (a.min(from), b.max(to))));
        }
        let own = |value: &mut Value, keys: &[&str]| {
            for key in keys {
                if let Some(name) = value[*key].as_str().map(|name| format!("{id}/{name}")) {
                    value[*key] = name.into();
                }
            }
        };
        for node in taken(&mut document, "nodes") {
            let mut node = node;
            own(&mut node, &["id"]);
            nodes.push(node);
        }
        for edge in taken(&mut document, "edges") {
            let mut edge = edge;
            own(&mut edge, &["from", "to"]);
            edges.push(edge);
        }
        alerts.extend(taken(&mut document, "alerts"));
        for hole in taken(&mut document, "lost") {
            if !lost.contains(&hole) {
                lost.push(hole);
            }
        }
    }
    let (from, to) = window.unwrap_or_default();
    json!({
        "version": 1,
        "id": null,
        "graphs": names,
        "node": hosts.into_iter().collect::<Vec<_>>().join(","),
        "window": { "from": from.to_string(), "to": to.to_string() },
        "truncated": truncated,
        "root": null,
        "parent": null,
        "lost": lost,
        "nodes": nodes,
        "edges": edges,
        "alerts": alerts,
    })
}

fn taken(document: &mut Value, key: &str) -> Vec<Value> {
    match document[key].take() {
        Value::Array(values) => values,
        _ => Vec::new(),
    }
}
