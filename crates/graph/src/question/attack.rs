//! ATT&CK techniques that alerts found.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::techniques::{mitigation, technique};
use crate::live::{Key, Tally};
use crate::output::{Snapshot, Span, drawn_as, text};

/// Techniques, the first seen first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Attack {
    /// A row each.
    pub techniques: Vec<TechniqueView>,
}

/// A technique, and where it was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TechniqueView {
    /// Such as `T1059.004`.
    pub id: String,
    /// MITRE's name, with that of the technique for a sub-technique; the id where it is not known.
    pub name: String,
    /// Tactics that it serves.
    pub tactics: Vec<&'static str>,
    /// MITRE's page of it.
    pub url: String,
    /// First time in ns.
    #[serde(serialize_with = "text")]
    pub first: i64,
    /// Last time in ns.
    #[serde(serialize_with = "text")]
    pub last: i64,
    /// Alerts.
    pub count: u64,
    /// Process nodes; of the table over all graphs none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<String>,
    /// Graphs; of the table of one graph none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub graphs: Vec<String>,
    /// What MITRE says helps.
    pub mitigations: Vec<MitigationView>,
}

/// What helps against a technique.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MitigationView {
    /// Such as `M1038`.
    pub id: &'static str,
    /// MITRE's name.
    pub name: &'static str,
    /// MITRE's page of it.
    pub url: String,
}

/// Whether MITRE's name of a technique is known here.
pub fn is_known_technique(id: &str) -> bool {
    technique(id).is_some()
}

impl Snapshot {
    /// Techniques of this graph's alerts within a stretch of time.
    pub fn attack(&self, span: (i64, i64)) -> Attack {
        let mut found: BTreeMap<String, (Tally, BTreeSet<String>)> = BTreeMap::new();
        self.techniques(span, |id, key, tally| {
            let (sum, nodes) = found.entry(id.to_owned()).or_default();
            sum.absorb(*tally);
            nodes.insert(drawn_as(&self.graph, key).unwrap_or(key).process());
        });
        let row = |(id, (tally, nodes)): (String, (Tally, BTreeSet<String>))| TechniqueView {
            nodes: nodes.into_iter().collect(),
            ..view(id, tally)
        };
        Attack::of(found.into_iter().map(row).collect())
    }

    fn techniques(&self, (from, to): Span, mut each: impl FnMut(&str, Key, &Tally)) {
        for (key, node) in &self.graph.nodes {
            let within = |tally: &Tally| tally.first <= to && tally.last >= from;
            // Alerts may carry a tactic's id as well: that is no row of this table.
            let techniques = node.tags.iter().filter(|(id, tally)| !id.starts_with("TA") && within(tally));
            techniques.for_each(|(id, tally)| each(id, *key, tally));
        }
    }
}

impl Attack {
    /// The table over many graphs.
    pub fn over(graphs: &[Snapshot], span: (i64, i64)) -> Self {
        let mut found: BTreeMap<String, (Tally, BTreeSet<String>)> = BTreeMap::new();
        for graph in graphs {
            graph.techniques(span, |id, _, tally| {
                let (sum, graphs) = found.entry(id.to_owned()).or_default();
                sum.absorb(*tally);
                graphs.insert(graph.id.to_string());
            });
        }
        let row = |(id, (tally, graphs)): (String, (Tally, BTreeSet<String>))| TechniqueView {
            graphs: graphs.into_iter().collect(),
            ..view(id, tally)
        };
        Self::of(found.into_iter().map(row).collect())
    }

    fn of(mut techniques: Vec<TechniqueView>) -> Self {
        techniques.sort_by(|a, b| (a.first, &a.id).cmp(&(b.first, &b.id)));
        Self { techniques }
    }
}

fn view(id: String, tally: Tally) -> TechniqueView {
    let known = technique(&id);
    let parent = id.split_once('.').and_then(|(parent, _)| technique(parent));
    let name = match (known, parent) {
        (Some(own), Some(parent)) => format!("{}: {}", parent.name, own.name),
        (Some(own), None) => own.name.to_owned(),
        (None, _) => id.clone(),
    };
    let mitigations = known.map_or(&[][..], |known| known.mitigations);
    TechniqueView {
        name,
        tactics: known.map_or_else(Vec::new, |known| known.tactics.to_vec()),
        url: format!("https://attack.mitre.org/techniques/{}/", id.replace('.', "/")),
        first: tally.first,
        last: tally.last,
        count: tally.count,
        nodes: Vec::new(),
        graphs: Vec::new(),
        mitigations: mitigations
            .iter()
            .filter_map(|id| Some((*id, mitigation(id)?)))
            .map(|(id, name)| MitigationView {
                id,
                name,
                url: format!("https://attack.mitre.org/mitigations/{id}/"),
            })
            .collect(),
        id,
    }
}
