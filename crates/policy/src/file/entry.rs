//! One entry of a rules file, asked key by key.

use super::{
    Passage, Problems, Text,
    yaml::{Node, Value, source_offsets},
};
use crate::{HashMap, source::Span, suggest::did_you_mean, syntax::Word};

/// A mapping whose keys are taken one after another; what was not taken is reported.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    span: Span,
    pairs: HashMap<&'a str, (Span, &'a Node)>,
    order: Vec<&'a str>,
}

impl<'a> Entry<'a> {
    pub(crate) fn new(pairs: &'a [(Node, Node)], span: Span, problems: &mut Problems<'_>) -> Self {
        let mut entry = Self { span, pairs: HashMap::default(), order: Vec::new() };
        for (key, value) in pairs {
            let Some(name) = key.as_text() else { continue };
            if entry.pairs.insert(name, (key.span, value)).is_some() {
                problems.error(key.span, format!("`{name}` stands here twice"));
            }
            entry.order.push(name);
        }
        entry
    }

    pub(crate) fn span(&self) -> Span {
        self.span
    }

    /// First key that is one of `keys`.
    pub(super) fn first_of<'k>(&self, keys: &[&'k str]) -> Option<&'k str> {
        keys.iter().copied().find(|key| self.pairs.contains_key(key))
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.pairs.contains_key(key)
    }

    pub(crate) fn take(&mut self, key: &str) -> Option<&'a Node> {
        self.pairs.remove(key).map(|(_, node)| node)
    }

    /// The same, with where the key stood.
    pub(super) fn remove(&mut self, key: &str) -> Option<(Span, &'a Node)> {
        self.pairs.remove(key)
    }

    /// Keys that are still there.
    pub(super) fn keys(&self) -> Vec<&'a str> {
        self.order.iter().copied().filter(|key| self.pairs.contains_key(key)).collect()
    }

    /// A single value, white space around it dropped.
    pub(crate) fn text(&mut self, key: &str, problems: &mut Problems<'_>) -> Option<Text> {
        let node = self.take(key)?;
        match node.as_text() {
            Some(text) if !node.is_null() => Some(Text { text: text.trim().to_owned(), span: node.span }),
            _ => {
                problems.error(node.span, format!("`{key}` must be a text, found {}", found(node)));
                None
            }
        }
    }

    /// A text of which each byte's place is known.
    pub(super) fn passage(&mut self, key: &str, problems: &mut Problems<'_>) -> Option<Passage> {
        let node = self.take(key)?;
        let Some(text) = node.as_text().filter(|_| !node.is_null()) else {
            problems.error(node.span, format!("`{key}` must be a text, found {}", found(node)));
            return None;
        };
        let offsets = source_offsets(&problems.sources[node.span.source as usize], node);
        Some(Passage::new(text, node.span.source, offsets))
    }

    pub(super) fn flag(&mut self, key: &str, problems: &mut Problems<'_>) -> Option<bool> {
        let text = self.text(key, problems)?;
        match text.text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" => Some(true),
            "false" | "no" | "off" => Some(false),
            _ => {
                problems.error(text.span, format!("`{key}` must be true or false"));
                None
            }
        }
    }

    pub(crate) fn words(&mut self, key: &str, problems: &mut Problems<'_>) -> Option<Vec<Word>> {
        let node = self.take(key)?;
        words(node, key, problems)
    }

    pub(super) fn report_rest(self, what: &str, known: &[&str], problems: &mut Problems<'_>) {
        for key in self.keys() {
            let (span, _) = self.pairs[key];
            let help = did_you_mean(key, known.iter().copied());
            problems.warning_help(span, format!("{what} has no key `{key}`: it is ignored"), help);
        }
    }
}

/// A list of single values.
pub(super) fn words(node: &Node, key: &str, problems: &mut Problems<'_>) -> Option<Vec<Word>> {
    let Value::Sequence(items) = &node.value else {
        if node.is_null() {
            return Some(Vec::new());
        }
        problems.error(node.span, format!("`{key}` must be a list, found {}", found(node)));
        return None;
    };
    let mut words = Vec::with_capacity(items.len());
    for item in items.iter() {
        match item.as_text() {
            Some(text) => words.push(word(text, item.span)),
            None => problems.error(item.span, format!("`{key}` holds single values, found {}", found(item))),
        }
    }
    Some(words)
}

/// Values may carry quotes of their own inside those of YAML: `'"(systemd)"'`.
pub(super) fn word(text: &str, span: Span) -> Word {
    let inner = ['"', '\'']
        .into_iter()
        .find_map(|quote| text.strip_prefix(quote)?.strip_suffix(quote))
        .filter(|_| text.len() >= 2);
    Word { text: inner.unwrap_or(text).to_owned(), quoted: inner.is_some(), span }
}

pub(super) fn found(node: &Node) -> &'static str {
    if node.is_null() { "nothing" } else { node.what() }
}
