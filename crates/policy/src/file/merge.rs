//! Entries of rules files into the library: definitions, `append`, `override`, `exceptions`.

use super::{
    Exception, Library, ListDef, MacroDef, Passage, Problems, RuleDef, Text,
    entry::{Entry, found, word, words},
    library::Cell,
    yaml::{Node, Value},
};
use crate::{HashMap, Priority, rule::Action, sigma, source::Span, suggest::did_you_mean, syntax::Word};

const ENTRIES: [&str; 5] = ["rule", "macro", "list", "required_engine_version", "required_plugin_versions"];
const LIST_KEYS: [&str; 4] = ["list", "items", "append", "override"];
const MACRO_KEYS: [&str; 4] = ["macro", "condition", "append", "override"];
const RULE_KEYS: [&str; 16] = [
    "rule",
    "condition",
    "desc",
    "output",
    "priority",
    "tags",
    "enabled",
    "source",
    "exceptions",
    "action",
    "append",
    "override",
    "warn_evttypes",
    "skip-if-unknown-filter",
    "capture",
    "capture_duration",
];

/// What to do with each key of an entry that changes a definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Append,
    Replace,
}

pub(super) fn merge(library: &mut Library, documents: &[Node], problems: &mut Problems<'_>) {
    for document in documents {
        if document.is_null() {
            continue;
        }
        if sigma::is_rule(document) {
            sigma::merge(library, document, problems);
            continue;
        }
        let Value::Sequence(entries) = &document.value else {
            let message =
                format!("a rules file is a list of rules, macros and lists, found {}", document.what());
            problems.error(document.span, message);
            continue;
        };
        for node in entries.iter() {
            match &node.value {
                Value::Mapping(pairs) => {
                    let entry = Entry::new(pairs, node.span, problems);
                    one(library, entry, problems);
                }
                _ if node.is_null() => {}
                _ => problems.error(
                    node.span,
                    format!("expected `rule:`, `macro:` or `list:`, found {}", found(node)),
                ),
            }
        }
    }
}

fn one(library: &mut Library, mut entry: Entry<'_>, problems: &mut Problems<'_>) {
    match entry.first_of(&ENTRIES) {
        Some("rule") => rule(library, entry, problems),
        Some("macro") => macro_(library, entry, problems),
        Some("list") => list(library, entry, problems),
        Some(key) => {
            let node = entry.take(key);
            if let (Some(node), "required_engine_version") = (node, key) {
                engine_version(node, problems);
            }
            entry.report_rest("this entry", &ENTRIES, problems);
        }
        None => {
            let message = "this entry is no `rule`, `macro` or `list`";
            match entry.keys().first().map(|key| did_you_mean(key, ENTRIES)) {
                // Falco passes over entries of later versions.
                Some(None) => {
                    problems.warning_help(entry.span(), format!("{message}: it is ignored"), None);
                }
                help => problems.error_help(entry.span(), message, help.flatten()),
            }
        }
    }
}

/// The version of Falco's engine whose language this is: that of Falco 0.44 and what was merged since.
const ENGINE: [u32; 3] = [0, 63, 0];

/// Versions are `x.y.z`, or a number that stands for y. Those of plugins say nothing here: records come from one.
fn engine_version(node: &Node, problems: &mut Problems<'_>) {
    let text = node.as_text().unwrap_or_default().trim();
    let parts: Option<Vec<u32>> = text.split('.').map(|part| part.parse().ok()).collect();
    let version = match parts.as_deref() {
        Some([minor]) => [0, *minor, 0],
        Some([major, minor, patch]) => [*major, *minor, *patch],
        _ => {
            let message = format!("`{text}` is no version of Falco's engine");
            problems.error_help(node.span, message, Some("such as 0.58.0".to_owned()));
            return;
        }
    };
    if version > ENGINE {
        let [major, minor, patch] = ENGINE;
        let message = format!(
            "the file asks for engine version {text}, and this one reads the language of {major}.{minor}.{patch}"
        );
        problems.warning_help(node.span, message, None);
    }
}

fn list(library: &mut Library, mut entry: Entry<'_>, problems: &mut Problems<'_>) {
    let Some(name) = name(&mut entry, "list", problems) else { return };
    let change = changes(&mut entry, &["items"], problems);
    let items = entry.words("items", problems);
    let Some(items) = items else {
        problems.error(name.span, format!("list `{}` has no `items`", name.text));
        return;
    };
    match change.get("items") {
        None => {
            let definition = ListDef { name_span: name.span, items };
            if let Some(before) = library.lists.insert(name.text.clone(), definition) {
                twin("list", &name, before.name_span, problems);
            }
        }
        Some(change) => match library.lists.get_mut(&name.text) {
            None => unknown_target(&name, "list", library.lists.keys(), problems),
            Some(known) if *change == Change::Append => known.items.extend(items),
            Some(known) => known.items = items,
        },
    }
    entry.report_rest("a list", &LIST_KEYS, problems);
}

fn macro_(library: &mut Library, mut entry: Entry<'_>, problems: &mut Problems<'_>) {
    let Some(name) = name(&mut entry, "macro", problems) else { return };
    let had_condition = entry.has("condition");
    let change = changes(&mut entry, &["condition"], problems);
    let condition = entry.passage("condition", problems);
    let Some(condition) = condition else {
        if !had_condition {
            problems.error(name.span, format!("macro `{}` has no `condition`", name.text));
        }
        return;
    };
    match change.get("condition") {
        None => {
            let definition = MacroDef { name_span: name.span, condition, parsed: None };
            if let Some(before) = library.macros.insert(name.text.clone(), definition) {
                twin("macro", &name, before.name_span, problems);
            }
        }
        Some(change) => match library.macros.get_mut(&name.text) {
            None => unknown_target(&name, "macro", library.macros.keys(), problems),
            Some(known) if *change == Change::Append => known.condition.append(condition),
            Some(known) => known.condition = condition,
        },
    }
    entry.report_rest("a macro", &MACRO_KEYS, problems);
}

/// The keys of a rule that one entry gives.
#[derive(Debug, Default)]
struct Given {
    condition: Option<Passage>,
    desc: Option<Text>,
    output: Option<Passage>,
    priority: Option<Priority>,
    tags: Option<Vec<String>>,
    enabled: Option<bool>,
    source: Option<Text>,
    skip_if_unknown: Option<bool>,
    exceptions: Option<Vec<Exception>>,
    actions: Option<Vec<Action>>,
}

fn rule(library: &mut Library, mut entry: Entry<'_>, problems: &mut Problems<'_>) {
    let Some(name) = name(&mut entry, "rule", problems) else { return };
    let missing: Vec<_> =
        ["condition", "desc", "output", "priority"].into_iter().filter(|key| !entry.has(key)).collect();
    // Also when `override` is wrong: the entry was not meant as a definition.
    let only_switched = missing.len() == 4 && entry.has("enabled");
    let changes_one = entry.has("append") || entry.has("override") || only_switched;
    let change = changes(
        &mut entry,
        &[
            "condition",
            "desc",
            "output",
            "priority",
            "tags",
            "enabled",
            "exceptions",
            "action",
            "skip-if-unknown-filter",
            "warn_evttypes",
            "capture",
            "capture_duration",
        ],
        problems,
    );
    let given = Given {
        condition: entry.passage("condition", problems),
        desc: entry.text("desc", problems),
        output: entry.passage("output", problems),
        priority: entry.text("priority", problems).and_then(|text| priority(&text, problems)),
        tags: entry.words("tags", problems).map(|tags| tags.into_iter().map(|tag| tag.text).collect()),
        enabled: entry.flag("enabled", problems),
        source: entry.text("source", problems),
        skip_if_unknown: entry.flag("skip-if-unknown-filter", problems),
        exceptions: entry.take("exceptions").map(|node| exceptions(node, problems)),
        actions: entry.take("action").map(|node| actions(node, problems)),
    };
    // Knobs of Falco's engine that have no meaning here: their form is checked all the same.
    for key in ["warn_evttypes", "capture"] {
        entry.flag(key, problems);
    }
    if let Some(duration) = entry.text("capture_duration", problems)
        && duration.text.parse::<u32>().is_err()
    {
        problems.error(duration.span, "`capture_duration` must be a number of milliseconds");
    }
    entry.report_rest("a rule", &RULE_KEYS, problems);
    if changes_one && !(change.is_empty() && missing.is_empty()) {
        match library.rule_index.get(&name.text) {
            None => unknown_target(&name, "rule", library.rule_index.keys(), problems),
            Some(at) => {
                let rule = &mut library.rules[*at];
                if let Some(source) = given.source.as_ref().filter(|source| source.text != rule.source) {
                    let message = format!("rule `{}` has the source `{}`", rule.name, rule.source);
                    problems.error(source.span, message);
                    return;
                }
                amend(rule, given, &change, problems);
            }
        }
        return;
    }
    if !missing.is_empty() {
        let keys = missing.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
        problems.error(name.span, format!("rule `{}` has no {keys}", name.text));
        return;
    }
    let Given {
        condition: Some(condition),
        desc: Some(desc),
        output: Some(output),
        priority: Some(priority),
        ..
    } = given
    else {
        return;
    };
    let rule = RuleDef {
        name: name.text.clone(),
        name_span: name.span,
        condition,
        desc: desc.text.split_whitespace().collect::<Vec<_>>().join(" "),
        output,
        priority,
        tags: given.tags.unwrap_or_default(),
        enabled: given.enabled.unwrap_or(true),
        source: given.source.map_or_else(|| "syscall".to_owned(), |text| text.text),
        skip_if_unknown: given.skip_if_unknown.unwrap_or(false),
        exceptions: given.exceptions.unwrap_or_default(),
        actions: given.actions.unwrap_or_default(),
        sigma: None,
    };
    if let Some(at) = library.rule_index.get(&name.text) {
        twin("rule", &name, library.rules[*at].name_span, problems);
        library.rules[*at] = rule;
    } else {
        library.rule_index.insert(name.text, library.rules.len());
        library.rules.push(rule);
    }
}

/// Applies what an entry with `append`, `override` or only `enabled` says to a known rule.
fn amend(rule: &mut RuleDef, given: Given, change: &Changes, problems: &mut Problems<'_>) {
    if let (Some(condition), Some(_)) = (&given.condition, &rule.sigma) {
        let span = condition.span(0..1);
        problems
            .error(span, format!("`{}` is a Sigma rule: its condition cannot be changed here", rule.name));
        return;
    }
    let appends = |key| change.get(key) == Some(&Change::Append);
    if let Some(condition) = given.condition {
        if appends("condition") {
            rule.condition.append(condition);
        } else {
            rule.condition = condition;
        }
    }
    if let Some(desc) = given.desc {
        rule.desc = if appends("desc") { format!("{} {}", rule.desc, desc.text) } else { desc.text };
    }
    if let Some(output) = given.output {
        if appends("output") {
            rule.output.append(output);
        } else {
            rule.output = output;
        }
    }
    if let Some(tags) = given.tags {
        if !appends("tags") {
            rule.tags.clear();
        }
        rule.tags.extend(tags);
    }
    if let Some(exceptions) = given.exceptions {
        if !appends("exceptions") {
            rule.exceptions.clear();
        }
        for exception in exceptions {
            match rule.exceptions.iter_mut().find(|known| known.name == exception.name) {
                Some(known) => {
                    if let Some(word) = exception.fields.first().or(exception.comps.first()) {
                        let message = format!(
                            "exception `{}` exists: only `values` can be added to it",
                            exception.name
                        );
                        problems.error(word.span, message);
                        continue;
                    }
                    for row in &exception.rows {
                        check_row(row, known.fields.len(), exception.span, problems);
                    }
                    known.rows.extend(exception.rows);
                }
                None => rule.exceptions.push(exception),
            }
        }
    }
    rule.priority = given.priority.unwrap_or(rule.priority);
    rule.enabled = given.enabled.unwrap_or(rule.enabled);
    rule.skip_if_unknown = given.skip_if_unknown.unwrap_or(rule.skip_if_unknown);
    if let Some(actions) = given.actions {
        rule.actions = actions;
    }
}

fn name(entry: &mut Entry<'_>, key: &str, problems: &mut Problems<'_>) -> Option<Text> {
    let name = entry.text(key, problems)?;
    if name.text.is_empty() {
        problems.error(name.span, format!("this {key} has no name"));
        return None;
    }
    Some(name)
}

fn priority(text: &Text, problems: &mut Problems<'_>) -> Option<Priority> {
    let parsed = text.text.parse().ok();
    if parsed.is_none() {
        let names = Priority::ALL.map(Priority::as_str);
        let help = did_you_mean(&text.text, names).or_else(|| Some(format!("one of {}", names.join(", "))));
        problems.error_help(text.span, format!("`{}` is no priority", text.text), help);
    }
    parsed
}

type Changes = HashMap<&'static str, Change>;

/// What `append: true` or `override: {…}` says of each key that the entry gives.
fn changes(entry: &mut Entry<'_>, keys: &[&'static str], problems: &mut Problems<'_>) -> Changes {
    let mut changes = Changes::default();
    if entry.flag("append", problems) == Some(true) {
        if entry.has("override") {
            let message = "`append` and `override` exclude each other";
            problems.error_help(entry.span(), message, Some("leave out `append`".to_owned()));
        }
        // As in Falco: what `append: true` cannot add to is left as it is.
        for key in keys {
            if matches!(*key, "condition" | "exceptions" | "items") {
                changes.insert(key, Change::Append);
            } else if let Some((span, _)) = entry.remove(key) {
                let message = format!("`append: true` does not change `{key}`: it is ignored");
                let help = format!("write `override: {{{key}: replace}}`");
                problems.warning_help(span, message, Some(help));
            }
        }
    }
    let Some(node) = entry.take("override") else { return changes };
    let Value::Mapping(pairs) = &node.value else {
        problems.error(
            node.span,
            format!("`override` must be a mapping of keys to `append` or `replace`, found {}", found(node)),
        );
        return changes;
    };
    for (key, value) in pairs.iter() {
        let name = key.as_text().unwrap_or_default();
        let Some(known) = keys.iter().find(|known| **known == name) else {
            let help = did_you_mean(name, keys.iter().copied());
            problems.error_help(key.span, format!("`override` cannot change `{name}`"), help);
            continue;
        };
        if !entry.has(known) {
            problems.error(key.span, format!("`override` names `{name}`, which this entry does not give"));
        }
        let appendable = matches!(*known, "condition" | "output" | "desc" | "tags" | "exceptions" | "items");
        match value.as_text() {
            Some("append") if appendable => {
                changes.insert(known, Change::Append);
            }
            Some("append") => {
                problems.error(value.span, format!("`{name}` can only be replaced"));
                changes.insert(known, Change::Replace);
            }
            Some("replace") => {
                changes.insert(known, Change::Replace);
            }
            _ => problems.error(value.span, "expected `append` or `replace`"),
        }
    }
    for key in entry.keys().into_iter().filter(|key| keys.contains(key) && !changes.contains_key(key)) {
        problems
            .error(entry.span(), format!("this entry gives `{key}`, but its `override` does not name it"));
    }
    changes
}

/// Another file may replace a definition; a second one in the same file is a slip.
fn twin(what: &str, name: &Text, before: Span, problems: &mut Problems<'_>) {
    if before.source == name.span.source {
        let message = format!("{what} `{}` is defined twice in this file: the last one counts", name.text);
        problems.warning_help(name.span, message, None);
    }
}

fn unknown_target<'a>(
    name: &Text,
    what: &str,
    known: impl Iterator<Item = &'a String>,
    problems: &mut Problems<'_>,
) {
    let help = did_you_mean(&name.text, known.map(String::as_str));
    problems.error_help(name.span, format!("there is no {what} `{}` to change", name.text), help);
}

/// `action`: one or several words of ours; Falco's own files have none.
fn actions(node: &Node, problems: &mut Problems<'_>) -> Vec<Action> {
    let mut actions = Vec::new();
    for word in one_or_many(node, "action", problems) {
        if let Some((_, action)) = Action::ALL.iter().find(|(name, _)| *name == word.text) {
            actions.push(*action);
            continue;
        }
        let names = Action::ALL.map(|(name, _)| name);
        let help = did_you_mean(&word.text, names).or_else(|| Some(format!("one of {}", names.join(", "))));
        problems.error_help(word.span, format!("`{}` is no action", word.text), help);
    }
    if actions.contains(&Action::Drop) && actions.len() > 1 {
        problems
            .error(node.span, "`drop` goes with no other action: nothing else is done with what is dropped");
    }
    actions
}

fn exceptions(node: &Node, problems: &mut Problems<'_>) -> Vec<Exception> {
    let Value::Sequence(items) = &node.value else {
        if !node.is_null() {
            problems.error(node.span, format!("`exceptions` must be a list, found {}", found(node)));
        }
        return Vec::new();
    };
    items.iter().filter_map(|item| exception(item, problems)).collect()
}

fn exception(node: &Node, problems: &mut Problems<'_>) -> Option<Exception> {
    let Value::Mapping(pairs) = &node.value else {
        problems.error(
            node.span,
            format!("an exception is a mapping with `name`, `fields`, `values`, found {}", found(node)),
        );
        return None;
    };
    let mut entry = Entry::new(pairs, node.span, problems);
    let Some(name) = entry.text("name", problems) else {
        problems.error(node.span, "this exception has no `name`");
        return None;
    };
    let fields = entry.take("fields");
    let single = fields.is_some_and(|node| node.as_text().is_some());
    let fields = fields.map_or_else(Vec::new, |node| one_or_many(node, "fields", problems));
    let comps = entry.take("comps").map_or_else(Vec::new, |node| one_or_many(node, "comps", problems));
    // Without fields the values are added to an exception that has them.
    let plain = |node: &Node| match &node.value {
        Value::Sequence(items) => items.iter().all(|item| item.as_text().is_some()),
        _ => false,
    };
    let rows = entry.take("values").map_or_else(Vec::new, |node| {
        let single = single || fields.is_empty() && plain(node);
        rows(node, single, problems)
    });
    entry.report_rest("an exception", &["name", "fields", "comps", "values"], problems);
    for row in rows.iter().filter(|_| !fields.is_empty()) {
        check_row(row, fields.len(), node.span, problems);
    }
    if !comps.is_empty() && !fields.is_empty() && comps.len() != fields.len() {
        problems.error(
            node.span,
            format!("exception `{}` has {} comps for {} fields", name.text, comps.len(), fields.len()),
        );
    }
    Some(Exception { name: name.text, span: node.span, fields, comps, single, rows })
}

/// `span` is that of the exception, for rows that are empty.
fn check_row(row: &[Cell], fields: usize, span: Span, problems: &mut Problems<'_>) {
    if row.len() != fields {
        let span = row.first().and_then(|cell| cell.words.first()).map_or(span, |word| word.span);
        problems.error(span, format!("this row has {} values for {fields} fields", row.len()));
    }
}

fn one_or_many(node: &Node, key: &str, problems: &mut Problems<'_>) -> Vec<Word> {
    match node.as_text() {
        Some(text) => vec![word(text, node.span)],
        None => words(node, key, problems).unwrap_or_default(),
    }
}

/// With one field written without brackets, `values` is one list of values for it; else a list of rows.
fn rows(node: &Node, single: bool, problems: &mut Problems<'_>) -> Vec<Vec<Cell>> {
    if single {
        let words = words(node, "values", problems).unwrap_or_default();
        return if words.is_empty() { Vec::new() } else { vec![vec![Cell { words, is_list: true }]] };
    }
    let Value::Sequence(items) = &node.value else {
        if !node.is_null() {
            problems.error(node.span, format!("`values` must be a list, found {}", found(node)));
        }
        return Vec::new();
    };
    let cell = |node: &Node, problems: &mut Problems<'_>| match node.as_text() {
        Some(text) => Cell { words: vec![word(text, node.span)], is_list: false },
        None => Cell { words: words(node, "values", problems).unwrap_or_default(), is_list: true },
    };
    items
        .iter()
        .filter_map(|row| {
            let Value::Sequence(cells) = &row.value else {
                problems.error(row.span, format!("a row of `values` must be a list, found {}", found(row)));
                return None;
            };
            Some(cells.iter().map(|node| cell(node, problems)).collect())
        })
        .collect()
}
