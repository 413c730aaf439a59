//! Definitions as files make them, before names in conditions are looked up.

use std::ops::Range;

use crate::{
    HashMap, Priority,
    rule::Action,
    sigma::SigmaDef,
    source::Span,
    syntax::{Expr, Word},
};

/// All lists, macros and rules.
#[derive(Debug, Default)]
pub(crate) struct Library {
    pub(crate) lists: HashMap<String, ListDef>,
    pub(crate) macros: HashMap<String, MacroDef>,
    /// In the order in which they were first defined.
    pub(crate) rules: Vec<RuleDef>,
    pub(crate) rule_index: HashMap<String, usize>,
}

#[derive(Debug)]
pub(crate) struct ListDef {
    pub(crate) name_span: Span,
    pub(crate) items: Vec<Word>,
}

#[derive(Debug)]
pub(crate) struct MacroDef {
    pub(crate) name_span: Span,
    pub(crate) condition: Passage,
    /// The condition where its text is not Falco's.
    pub(crate) parsed: Option<Expr>,
}

#[derive(Debug)]
pub(crate) struct RuleDef {
    pub(crate) name: String,
    pub(crate) name_span: Span,
    pub(crate) condition: Passage,
    pub(crate) desc: String,
    pub(crate) output: Passage,
    pub(crate) priority: Priority,
    pub(crate) tags: Vec<String>,
    pub(crate) enabled: bool,
    pub(crate) source: String,
    pub(crate) skip_if_unknown: bool,
    pub(crate) exceptions: Vec<Exception>,
    pub(crate) actions: Vec<Action>,
    /// Set for a Sigma rule, whose condition is no text.
    pub(crate) sigma: Option<SigmaDef>,
}

/// `exceptions`: each row of values that applies keeps a rule quiet.
#[derive(Clone, Debug)]
pub(crate) struct Exception {
    pub(crate) name: String,
    pub(crate) span: Span,
    pub(crate) fields: Vec<Word>,
    pub(crate) comps: Vec<Word>,
    /// `fields` is one name without brackets: `values` is one list for it.
    pub(crate) single: bool,
    /// A row has a cell for each field, a cell one or several values.
    pub(crate) rows: Vec<Vec<Cell>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Cell {
    pub(crate) words: Vec<Word>,
    pub(crate) is_list: bool,
}

/// A text and where it stood.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    pub(crate) text: String,
    pub(crate) span: Span,
}

/// Text of a condition or output, put together from one or several places.
#[derive(Clone, Debug, Default)]
pub(crate) struct Passage {
    pub(crate) text: String,
    /// Where each byte stood.
    offsets: Vec<u32>,
    /// From which byte on the text comes from which source.
    pieces: Vec<(usize, u32)>,
}

// === impl Passage ===

impl Passage {
    /// `text` stood in `source`, byte for byte at `offsets`.
    pub(crate) fn new(text: &str, source: u32, mut offsets: Vec<u32>) -> Self {
        offsets.truncate(text.len());
        Self { text: text.to_owned(), offsets, pieces: vec![(0, source)] }
    }

    /// Adds another text behind a blank, as `append` does.
    pub(crate) fn append(&mut self, other: Self) {
        let last = self.offsets.last().copied().unwrap_or_default();
        self.text.push(' ');
        self.offsets.resize(self.text.len(), last);
        let shift = self.text.len();
        self.text.push_str(&other.text);
        self.offsets.extend(other.offsets);
        self.pieces.extend(other.pieces.into_iter().map(|(start, source)| (start + shift, source)));
    }

    pub(crate) fn span(&self, range: Range<usize>) -> Span {
        let at = |byte: usize| self.offsets.get(byte).or(self.offsets.last()).copied().unwrap_or_default();
        let source = |byte| {
            self.pieces.iter().rev().find(|(start, _)| *start <= byte).map_or(0, |(_, source)| *source)
        };
        let start = at(range.start);
        let last = range.end.saturating_sub(1).max(range.start);
        let end = if source(range.start) == source(last) { at(last) } else { start };
        Span { source: source(range.start), start, end: end.max(start) + 1 }
    }
}
