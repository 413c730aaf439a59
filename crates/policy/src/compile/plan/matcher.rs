//! Many questions about one field, answered in one pass over its value.

use aho_corasick::AhoCorasick;

use super::{Hits, affix::Prefixes, literal};
use crate::{
    HashMap,
    compile::{
        atom::{Atom, FieldId, Test},
        pattern::PathSet,
    },
    field::{Value, aliases},
    sf::{Parts, any_part},
    syntax::Operator,
};

/// What is asked of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Mode {
    /// Each text of it.
    Texts,
    /// Each name, and the other names of the program.
    Programs,
    /// Each part between commas, as sf-processor has it.
    Parts,
    Numbers,
}

/// How an atom's answer comes about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It is asked on its own.
    #[default]
    Asked,
    /// A matcher finds it.
    Found,
    /// A matcher finds what it needs; then it is asked.
    Confirmed,
}

/// Questions about one field.
#[derive(Debug)]
pub(super) struct Matcher {
    pub(super) field: FieldId,
    mode: Mode,
    equal: HashMap<Box<str>, Vec<u32>>,
    numbers: HashMap<i64, Vec<u32>>,
    starts: Prefixes,
    /// Texts backwards.
    ends: Prefixes,
    /// Directories of which a path may be, or lie below, any.
    below: HashMap<Box<str>, Vec<u32>>,
    contains: Option<Within>,
    contains_any_case: Option<Within>,
}

/// Texts that are looked for anywhere.
#[derive(Debug)]
struct Within {
    automaton: AhoCorasick,
    /// By number of the text.
    atoms: Vec<Vec<u32>>,
}

/// A question, in the form in which a matcher takes it.
pub(super) enum Needle<'t> {
    Equal(Vec<&'t str>),
    Starts(Vec<&'t str>),
    Ends(Vec<&'t str>),
    Contains(Vec<&'t str>),
    ContainsAnyCase(&'t str),
    Below(&'t PathSet),
    /// Needs any of these somewhere.
    Needs(Vec<Box<[u8]>>),
    Numbers(Vec<i64>),
}

/// Collects questions about a field.
#[derive(Debug, Default)]
pub(super) struct Collector {
    equal: HashMap<Box<str>, Vec<u32>>,
    numbers: HashMap<i64, Vec<u32>>,
    starts: Vec<(Box<[u8]>, u32)>,
    ends: Vec<(Box<[u8]>, u32)>,
    below: HashMap<Box<str>, Vec<u32>>,
    contains: HashMap<Box<[u8]>, Vec<u32>>,
    contains_any_case: HashMap<Box<[u8]>, Vec<u32>>,
}

/// What an atom asks, in the form in which a matcher takes it; `None` for what none takes: negated questions, empty
/// texts, which are everywhere, and comparisons.
pub(super) fn needle(atom: &Atom) -> Option<(Mode, Needle<'_>)> {
    if atom.negated {
        return None;
    }
    Some(match &atom.test {
        Test::Program(test) => (Mode::Programs, of_texts(test)?),
        Test::Number(Operator::Equal, number) => (Mode::Numbers, Needle::Numbers(vec![*number])),
        Test::NumberIn(numbers) => (Mode::Numbers, Needle::Numbers(numbers.to_vec())),
        Test::Parts(parts) => {
            let needle = match parts {
                Parts::Is(text) => Needle::Equal(vec![text]),
                Parts::IsOneOf(texts) => Needle::Equal(texts.iter().map(|text| &**text).collect()),
                Parts::Contains(texts) => Needle::Contains(no_empty(texts)?),
                Parts::StartsWith(texts) => Needle::Starts(no_empty(texts)?),
                Parts::EndsWith(texts) => Needle::Ends(no_empty(texts)?),
                // Upper and lower case beyond ASCII are left to the question itself.
                Parts::IContains(_) | Parts::Exists => return None,
            };
            (Mode::Parts, needle)
        }
        test => (Mode::Texts, of_texts(test)?),
    })
}

fn no_empty(texts: &[Box<str>]) -> Option<Vec<&str>> {
    texts.iter().map(|text| (!text.is_empty()).then_some(&**text)).collect()
}

fn of_texts(test: &Test) -> Option<Needle<'_>> {
    match test {
        Test::Is(text) => Some(Needle::Equal(vec![text])),
        Test::IsOneOf(texts) => Some(Needle::Equal(texts.iter().map(|text| &**text).collect())),
        Test::Contains(text) if !text.is_empty() => Some(Needle::Contains(vec![text])),
        Test::IContains(text) if !text.is_empty() => Some(Needle::ContainsAnyCase(text)),
        Test::StartsWith(text) if !text.is_empty() => Some(Needle::Starts(vec![text])),
        Test::EndsWith(text) if !text.is_empty() => Some(Needle::Ends(vec![text])),
        Test::Below(paths) if !paths.has_globs() => Some(Needle::Below(paths)),
        Test::Glob(glob) => literal::of_text(&glob.longest_text()).map(Needle::Needs),
        Test::Regex(regex) => literal::of_regex(regex.as_str()).map(Needle::Needs),
        _ => None,
    }
}

// === impl Needle ===

impl Needle<'_> {
    /// How the answer of its atom comes about.
    pub(super) fn answer(&self) -> Answer {
        if matches!(self, Self::Needs(_)) { Answer::Confirmed } else { Answer::Found }
    }

    /// What it costs: about in how many of a thousand values it is found.
    pub(super) fn cost(&self) -> u32 {
        let length = |texts: &[&str]| texts.iter().map(|text| text.len()).min().unwrap_or(0);
        match self {
            Self::Equal(texts) => texts.len() as u32,
            Self::Numbers(numbers) => 50 * numbers.len() as u32,
            Self::Starts(texts) | Self::Ends(texts) => {
                texts.len() as u32 * if length(texts) < 3 { 500 } else { 4 }
            }
            Self::Contains(texts) => texts.len() as u32 * if length(texts) < 3 { 200 } else { 4 },
            Self::ContainsAnyCase(text) => {
                if text.len() < 3 {
                    200
                } else {
                    4
                }
            }
            Self::Below(paths) => paths.plain().map(|path| if path.len() < 2 { 1_000 } else { 4 }).sum(),
            Self::Needs(texts) => 4 * texts.len() as u32,
        }
    }
}

// === impl Collector ===

impl Collector {
    /// Takes in what atom `number` asks.
    pub(super) fn add(&mut self, number: u32, needle: Needle<'_>) {
        match needle {
            Needle::Equal(texts) => {
                for text in texts {
                    self.equal.entry(text.into()).or_default().push(number);
                }
            }
            Needle::Numbers(numbers) => {
                for wanted in numbers {
                    self.numbers.entry(wanted).or_default().push(number);
                }
            }
            Needle::Starts(texts) => {
                self.starts.extend(texts.into_iter().map(|text| (text.as_bytes().into(), number)));
            }
            Needle::Ends(texts) => {
                let backwards = |text: &str| text.bytes().rev().collect();
                self.ends.extend(texts.into_iter().map(|text| (backwards(text), number)));
            }
            Needle::Contains(texts) => {
                for text in texts {
                    self.contains.entry(text.as_bytes().into()).or_default().push(number);
                }
            }
            Needle::ContainsAnyCase(text) => {
                self.contains_any_case.entry(text.as_bytes().into()).or_default().push(number);
            }
            Needle::Below(paths) => {
                for path in paths.plain() {
                    self.below.entry(path.into()).or_default().push(number);
                }
            }
            Needle::Needs(texts) => {
                for text in texts {
                    self.contains.entry(text).or_default().push(number);
                }
            }
        }
    }

    /// Those atoms whose automaton cannot be built are in `left`: they must be asked.
    pub(super) fn finish(self, field: FieldId, mode: Mode, left: &mut Vec<u32>) -> Matcher {
        Matcher {
            field,
            mode,
            equal: self.equal,
            numbers: self.numbers,
            starts: Prefixes::new(self.starts),
            ends: Prefixes::new(self.ends),
            below: self.below,
            contains: Within::new(self.contains, false, left),
            contains_any_case: Within::new(self.contains_any_case, true, left),
        }
    }
}

// === impl Matcher ===

impl Matcher {
    /// Tells of the atoms that hold for `value`.
    pub(super) fn find(&self, value: &Value<'_>, backwards: &mut Vec<u8>, hits: &mut Hits<'_>) {
        match self.mode {
            Mode::Texts => value.any_text(|text| self.text(text, backwards, hits)),
            Mode::Programs => value.any_text(|name| {
                self.text(name, backwards, hits);
                aliases(name).any(|name| self.text(name, backwards, hits))
            }),
            Mode::Parts => any_part(value, |part| self.text(part, backwards, hits)),
            Mode::Numbers => value.any_number(|number| {
                if let Some(atoms) = self.numbers.get(&number) {
                    hits.add(atoms);
                }
                false
            }),
        };
    }

    /// Always false: all texts are looked at.
    fn text(&self, text: &str, backwards: &mut Vec<u8>, hits: &mut Hits<'_>) -> bool {
        if !self.equal.is_empty()
            && let Some(atoms) = self.equal.get(text)
        {
            hits.add(atoms);
        }
        if !self.starts.is_empty() {
            self.starts.find(text.as_bytes(), hits);
        }
        if !self.ends.is_empty() {
            backwards.clear();
            backwards.extend(text.bytes().rev());
            self.ends.find(backwards, hits);
        }
        if !self.below.is_empty() {
            for path in PathSet::above(text) {
                if let Some(atoms) = self.below.get(path) {
                    hits.add(atoms);
                }
            }
        }
        for within in [&self.contains, &self.contains_any_case].into_iter().flatten() {
            for found in within.automaton.find_overlapping_iter(text) {
                hits.add(&within.atoms[found.pattern().as_usize()]);
            }
        }
        false
    }
}

impl Within {
    fn new(asked: HashMap<Box<[u8]>, Vec<u32>>, any_case: bool, left: &mut Vec<u32>) -> Option<Self> {
        if asked.is_empty() {
            return None;
        }
        let (texts, atoms): (Vec<_>, Vec<_>) = asked.into_iter().unzip();
        // The default kind of match is the one that can tell of all that overlap.
        if let Ok(automaton) = AhoCorasick::builder().ascii_case_insensitive(any_case).build(&texts) {
            return Some(Self { automaton, atoms });
        }
        left.extend(atoms.into_iter().flatten());
        None
    }
}
