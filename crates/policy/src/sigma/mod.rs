//! Sigma rules: one mapping a rule, with `logsource` and `detection`.
//!
//! Rules of Linux's `process_creation`, `file_event` and `network_connection` become conditions over records; those of
//! other sources, and those that ask what no record holds, are told and left out.

mod condition;
mod detection;
mod fields;
mod value;

use self::{condition::Search, fields::Category};
use crate::{
    Priority,
    file::{
        Entry, Library, Passage, Problems, RuleDef,
        yaml::{Node, Value},
    },
    source::Span,
    suggest::did_you_mean,
    syntax::{self, Expr},
};

/// Whether `document` is a Sigma rule, also a wrong one.
pub(crate) fn is_rule(document: &Node) -> bool {
    let Value::Mapping(pairs) = &document.value else { return false };
    let has = |name| pairs.iter().any(|(key, _)| key.as_text() == Some(name));
    has("detection") || has("logsource") || has("correlation")
}

/// Why a rule is left out, where that stands, and whether the rule itself is wrong.
#[derive(Debug)]
struct Refusal {
    span: Span,
    message: String,
    help: Option<String>,
    wrong: bool,
}

impl Refusal {
    /// The rule is well-formed, and records cannot answer it.
    fn cannot(span: Span, message: impl Into<String>) -> Self {
        Self { span, message: message.into(), help: None, wrong: false }
    }

    fn wrong(span: Span, message: impl Into<String>, help: Option<String>) -> Self {
        Self { span, message: message.into(), help, wrong: true }
    }
}

/// Adds the rule of `document` to the library.
pub(crate) fn merge(library: &mut Library, document: &Node, problems: &mut Problems<'_>) {
    let Value::Mapping(pairs) = &document.value else { return };
    let mut entry = Entry::new(pairs, document.span, problems);
    let Some(title) = entry.text("title", problems) else {
        problems.error(document.span, "this Sigma rule has no `title`");
        return;
    };
    let id = entry.take("id").and_then(Node::as_text).unwrap_or_default().to_owned();
    let status = entry.take("status").and_then(Node::as_text).unwrap_or_default().to_owned();
    let desc = entry.take("description").and_then(Node::as_text).unwrap_or_default();
    let desc = desc.split_whitespace().collect::<Vec<_>>().join(" ");
    let tags = entry.words("tags", problems).unwrap_or_default();
    let level = entry.text("level", problems);
    let Some(priority) = level.as_ref().map_or(Some(Priority::Warning), |level| priority(&level.text)) else {
        let level = level.unwrap_or(title);
        let help = Some("one of informational, low, medium, high, critical".to_owned());
        problems.error_help(level.span, format!("`{}` is no level", level.text), help);
        return;
    };
    let condition = expression(&mut entry, title.span, problems);
    let (tree, category, refused) = match condition {
        Ok((expr, category)) => (expr, Some(category), None),
        Err(refusal) if refusal.wrong => {
            problems.error_help(refusal.span, refusal.message, refusal.help);
            return;
        }
        Err(refusal) => (Expr::Or(Vec::new()), None, Some((refusal.span, refusal.message))),
    };
    // Titles are not unique in Sigma's own collection; ids are.
    let taken = |name: &str| {
        library
            .rule_index
            .get(name)
            .is_some_and(|at| library.rules[*at].sigma.as_ref().is_none_or(|s| s.id != id))
    };
    let name = if taken(&title.text) {
        format!("{} ({})", title.text, id.get(..8).unwrap_or(&id))
    } else {
        title.text
    };
    let output = category.map_or("", |category| category.output);
    let rule = RuleDef {
        name: name.clone(),
        name_span: title.span,
        condition: Passage::default(),
        desc,
        output: Passage::new(output, title.span.source, vec![title.span.start; output.len()]),
        priority,
        tags: all_tags(tags.into_iter().map(|tag| tag.text)),
        enabled: !matches!(status.as_str(), "deprecated" | "unsupported"),
        source: "sysflow".to_owned(),
        skip_if_unknown: false,
        exceptions: Vec::new(),
        actions: Vec::new(),
        sigma: Some(SigmaDef { id, tree, refused }),
    };
    if let Some(at) = library.rule_index.get(&name) {
        library.rules[*at] = rule;
    } else {
        library.rule_index.insert(name, library.rules.len());
        library.rules.push(rule);
    }
}

/// What a Sigma rule has beside what Falco's have.
#[derive(Debug)]
pub(crate) struct SigmaDef {
    pub(crate) id: String,
    pub(crate) tree: Expr,
    /// Why the rule cannot run.
    pub(crate) refused: Option<(Span, String)>,
}

fn priority(level: &str) -> Option<Priority> {
    Some(match level.to_ascii_lowercase().as_str() {
        "informational" => Priority::Informational,
        "low" => Priority::Notice,
        "medium" => Priority::Warning,
        "high" => Priority::Error,
        "critical" => Priority::Critical,
        _ => return None,
    })
}

/// Tags as written, and those of ATT&CK in Falco's form too: `T1059.004`, `mitre_execution`.
fn all_tags(tags: impl Iterator<Item = String>) -> Vec<String> {
    let mut all = Vec::new();
    for tag in tags {
        let attack = tag.strip_prefix("attack.").map(|name| {
            let technique =
                name.strip_prefix('t').filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
            match technique {
                Some(number) => format!("T{number}"),
                None => format!("mitre_{}", name.replace('-', "_")),
            }
        });
        for tag in std::iter::once(tag).chain(attack) {
            if !all.contains(&tag) {
                all.push(tag);
            }
        }
    }
    all
}

/// The whole condition: that of the category, and that of the detection.
fn expression(
    entry: &mut Entry<'_>,
    title: Span,
    problems: &mut Problems<'_>,
) -> Result<(Expr, &'static Category), Refusal> {
    if entry.has("correlation") || entry.has("action") {
        return Err(Refusal::cannot(title, "correlations and rules in several documents are not supported"));
    }
    let source = entry.take("logsource");
    let Some(source) = source else {
        return Err(Refusal::wrong(title, "this Sigma rule has no `logsource`", None));
    };
    let category = category(source, problems)?;
    let Some(detection) = entry.take("detection") else {
        return Err(Refusal::wrong(title, "this Sigma rule has no `detection`", None));
    };
    let Value::Mapping(pairs) = &detection.value else {
        return Err(Refusal::wrong(detection.span, "`detection` must be a mapping of searches", None));
    };
    let mut searches = Vec::with_capacity(pairs.len());
    let mut condition = None;
    for (key, node) in pairs.iter() {
        match key.as_text().unwrap_or_default() {
            "condition" => condition = Some(node),
            "timeframe" => return Err(Refusal::cannot(key.span, "`timeframe` counts records of a time")),
            name => {
                let mut size = 0;
                let expr = detection::search(node, category, &mut size)?;
                searches.push(Search { name, expr, size });
            }
        }
    }
    let Some(condition) = condition else {
        return Err(Refusal::wrong(detection.span, "this detection has no `condition`", None));
    };
    let texts: Vec<&Node> = match &condition.value {
        Value::Sequence(items) => items.iter().collect(),
        _ => vec![condition],
    };
    let mut parts = Vec::with_capacity(texts.len());
    for node in texts {
        let text = node.as_text().unwrap_or_default();
        if text.contains('|') {
            return Err(Refusal::cannot(node.span, "its condition counts records"));
        }
        let expr = condition::parse(text, &searches)
            .map_err(|(message, help)| Refusal::wrong(node.span, message, help))?;
        parts.push(expr);
    }
    let guard = syntax::parse(category.guard, &|_| title)
        .map_err(|error| Refusal::wrong(title, error.message, error.help))?;
    Ok((Expr::And(vec![guard, Expr::Or(parts)]), category))
}

fn category(source: &Node, problems: &mut Problems<'_>) -> Result<&'static Category, Refusal> {
    let Value::Mapping(pairs) = &source.value else {
        return Err(Refusal::wrong(source.span, "`logsource` must be a mapping", None));
    };
    let mut entry = Entry::new(pairs, source.span, problems);
    let mut text = |key| entry.take(key).and_then(Node::as_text).unwrap_or_default().to_owned();
    let (product, category, service) = (text("product"), text("category"), text("service"));
    if !matches!(product.as_str(), "" | "linux") {
        return Err(Refusal::cannot(source.span, format!("its source is of `{product}`, not of Linux")));
    }
    match Category::find(&category) {
        Some(found) if service.is_empty() => Ok(found),
        _ => {
            let what = if service.is_empty() { category } else { service };
            let help = did_you_mean(&what, Category::names()).unwrap_or_default();
            let known = Category::names().collect::<Vec<_>>().join(", ");
            let message = format!("records hold no log `{what}`; they are of {known} {help}");
            Err(Refusal::cannot(source.span, message.trim_end()))
        }
    }
}
