//! Definitions of sf-processor's files in, compiled rules out.

use super::{
    Language, attribute,
    lower::Names,
    parser::{self, Atom, Definitions, Rule as RuleDef},
};
use crate::{
    HashMap, HashSet, Priority,
    compile::{Builder, NodeId, Scope},
    file::{Library, MacroDef, Passage, Problems},
    kinds::KindSet,
    output::Output,
    rule::{Action, Rule, RuleReport, Status},
    source::Span,
    suggest::did_you_mean,
    syntax::Expr,
};

/// Rules and filters, compiled.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    pub(crate) rules: Vec<Rule>,
    pub(crate) roots: Vec<NodeId>,
    pub(crate) reports: Vec<RuleReport>,
    /// Holds for records that filters drop.
    pub(crate) drop: Option<NodeId>,
}

/// Loads those of the sources that are sf-processor's; what is wrong goes to `problems`.
pub(crate) fn load(languages: &[Language], builder: &mut Builder, problems: &mut Problems<'_>) -> Loaded {
    let sources = problems.sources;
    let mut all = Definitions::default();
    for (number, (source, language)) in sources.iter().zip(languages).enumerate() {
        if *language == Language::SfProcessor {
            if let Some(problem) = crate::file::too_large(number as u32, source) {
                problems.error(problem.0, problem.1);
                continue;
            }
            parser::parse(number as u32, source, &mut all, problems);
        }
    }
    if problems.found.has_errors() {
        return Loaded::default();
    }
    let lists = unique("list", all.lists.iter().map(|list| (&list.name, list)), problems);
    let macros = unique("macro", all.macros.iter().map(|found| (&found.name, found)), problems);
    let mut names = Names { lists, macros: macros.keys().copied().collect(), warned: HashSet::default() };
    let mut library = Library::default();
    let mut sorted: Vec<_> = macros.values().collect();
    sorted.sort_unstable_by_key(|found| (found.name.span.source, found.name.span.start));
    for found in sorted {
        let parsed = Some(names.expr(&found.condition, problems));
        let definition = MacroDef { name_span: found.name.span, condition: Passage::default(), parsed };
        library.macros.insert(found.name.text.clone(), definition);
    }
    let mut loaded = Loaded::default();
    let mut scope = Scope::new(&library);
    builder.language = Language::SfProcessor;
    for found in &all.macros {
        // Also those that no rule uses: a circle in one must not wait for its first use.
        builder.condition(&Expr::Macro(super::lower::word(&found.name)), &mut scope, problems);
    }
    let mut drops = Vec::new();
    for filter in &all.filters {
        let condition = names.expr(&filter.condition, problems);
        let compiled = builder.condition(&condition, &mut scope, problems);
        drops.extend(compiled.filter(|_| filter.enabled).map(|compiled| compiled.node));
    }
    loaded.drop = if drops.is_empty() { None } else { Some(builder.any(drops)) };
    let mut seen = HashSet::default();
    for rule in &all.rules {
        if !seen.insert(rule.name.text.as_str()) {
            let message = format!("there is another rule `{}`: both are judged", rule.name.text);
            problems.warning_help(rule.name.span, message, None);
        }
        let condition = names.expr(&rule.condition, problems);
        if let Some(compiled) = builder.condition(&condition, &mut scope, problems) {
            loaded.rule(rule, compiled.node, builder.kinds(compiled.node), problems);
        }
    }
    builder.language = Language::Falco;
    loaded
}

impl Loaded {
    fn rule(&mut self, def: &RuleDef, root: NodeId, kinds: KindSet, problems: &mut Problems<'_>) {
        let (output, notes) = output(def, problems);
        let prefilter = prefilter(&def.prefilter, problems);
        let rule = Rule {
            name: def.name.text.clone(),
            desc: def.desc.clone(),
            priority: priority(def.priority.as_ref(), problems),
            tags: def.tags.iter().map(|tag| tag.text.clone()).collect(),
            source: "sysflow".to_owned(),
            output,
            kinds: kinds.intersection(attribute::JUDGED).intersection(prefilter),
            actions: actions(&def.actions, problems),
        };
        let status = if def.enabled { Status::Runs } else { Status::Disabled };
        self.reports.push(RuleReport {
            rule: rule.name.clone(),
            status,
            reasons: notes,
            priority: rule.priority,
            tags: rule.tags.clone(),
            source: rule.source.clone(),
            file: problems.sources[def.name.span.source as usize].name.clone(),
            id: None,
        });
        if def.enabled {
            self.rules.push(rule);
            self.roots.push(root);
        }
    }
}

/// Definitions by name; the last of a name is the one that counts.
fn unique<'d, T>(
    what: &str,
    definitions: impl Iterator<Item = (&'d Atom, &'d T)>,
    problems: &mut Problems<'_>,
) -> HashMap<&'d str, &'d T> {
    let mut found = HashMap::default();
    for (name, definition) in definitions {
        if found.insert(name.text.as_str(), definition).is_some() {
            let message = format!("this {what} `{}` replaces one that was defined before", name.text);
            problems.warning_help(name.span, message, None);
        }
    }
    found
}

/// sf-processor has three levels, which every word is mapped to.
fn priority(level: Option<&Atom>, problems: &mut Problems<'_>) -> Priority {
    const LOW: Priority = Priority::Notice;
    let Some(level) = level else { return LOW };
    match level.text.to_ascii_lowercase().as_str() {
        "low" | "debug" | "info" | "informational" | "notice" => LOW,
        "medium" | "warning" => Priority::Warning,
        "high" | "error" | "critical" | "emergency" => Priority::Error,
        "alert" => {
            let message = "`alert` counts as low here, as with sf-processor";
            problems.warning_help(level.span, message, Some("write `high`".to_owned()));
            LOW
        }
        other => {
            let help = did_you_mean(other, ["low", "medium", "high"]);
            problems.warning_help(level.span, format!("`{other}` is no priority, and counts as low"), help);
            LOW
        }
    }
}

/// Kinds of records that a rule is for; without any all.
fn prefilter(names: &[Atom], problems: &mut Problems<'_>) -> KindSet {
    if names.is_empty() {
        return attribute::JUDGED;
    }
    let mut kinds = KindSet::NONE;
    for name in names {
        let Some(kind) = attribute::JUDGED.iter().find(|kind| kind.as_str() == name.text) else {
            let message = format!("`{}` is no kind of record that is judged", name.text);
            problems.warning_help(name.span, message, Some("one of PE, NF, FF, FE, KE".to_owned()));
            continue;
        };
        kinds = kinds.union(KindSet::of(&[kind]));
    }
    kinds
}

fn actions(names: &[Atom], problems: &mut Problems<'_>) -> Vec<Action> {
    let mut actions = Vec::new();
    for name in names {
        let known = Action::ALL.iter().find(|(known, _)| *known == name.text);
        if known.is_none() {
            let help = did_you_mean(&name.text, Action::ALL.map(|(known, _)| known));
            let message = format!("there is no action `{}`: it does nothing", name.text);
            problems.warning_help(name.span, message, help);
        }
        actions.extend(known.map(|(_, action)| *action));
    }
    actions
}

/// The text of alerts: the output, which sf-processor reads and does not use, else the description.
fn output(def: &RuleDef, problems: &mut Problems<'_>) -> (Output, Vec<String>) {
    let Some((text, start)) = &def.output else {
        let words: Vec<_> = def.desc.split_whitespace().collect();
        return (Output::plain(&words.join(" ")), Vec::new());
    };
    let (output, wrong) = Output::parse(text);
    let notes = wrong.into_iter().map(|problem| {
        let name = problem.name;
        let span = Span {
            source: def.name.span.source,
            start: start + problem.range.start as u32,
            end: start + problem.range.end as u32,
        };
        problems.warning_help(span, format!("the output shows <NA> for `%{name}`"), None);
        format!("output shows <NA> for {name}")
    });
    let notes = notes.collect();
    (output, notes)
}
