//! YAML as a tree that knows where everything stood.

use std::{borrow::Cow, ops::Range, rc::Rc};

use saphyr_parser::{Event, Marker, Parser, ScalarStyle};

use crate::{
    HashMap,
    diagnostic::{Diagnostic, Severity},
    source::{Source, Span},
};

/// Deepest nesting of sequences and mappings: rules files need five.
const MAX_DEPTH: usize = 64;
/// Nodes that aliases may stand for in one file, so that aliases of aliases cannot grow without bound.
const MAX_ALIASED: usize = 100_000;

/// A value and where it stood.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) span: Span,
    pub(crate) value: Value,
}

#[derive(Clone, Debug)]
pub(crate) enum Value {
    Scalar(Scalar),
    Sequence(Rc<[Node]>),
    Mapping(Rc<[(Node, Node)]>),
}

/// Text of a scalar after folding and unescaping.
#[derive(Clone, Debug)]
pub(crate) struct Scalar {
    pub(crate) text: Rc<str>,
    style: Style,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    Plain,
    Single,
    Double,
    Block,
}

impl Node {
    /// What the value is, for messages.
    pub(crate) fn what(&self) -> &'static str {
        match &self.value {
            Value::Scalar(_) => "a single value",
            Value::Sequence(_) => "a list",
            Value::Mapping(_) => "a mapping",
        }
    }

    pub(crate) fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(scalar) => Some(&scalar.text),
            _ => None,
        }
    }

    /// An empty or null value: `key:` with nothing behind it.
    pub(crate) fn is_null(&self) -> bool {
        match &self.value {
            Value::Scalar(scalar) => {
                scalar.style == Style::Plain && matches!(&*scalar.text, "" | "~" | "null" | "Null" | "NULL")
            }
            _ => false,
        }
    }
}

/// Lines that are joined to the line before, at most, to read one file.
const MAX_JOINED: usize = 200;

/// All documents of `source`.
///
/// Falco's own YAML reader lets lines inside `[…]` stand further left than YAML allows, and its shipped files do. Such
/// a line is read as part of the line before; the text keeps its length, so that positions stay true.
pub(crate) fn parse(index: u32, source: &Source) -> Result<Vec<Node>, Box<Diagnostic>> {
    let mut text = Cow::Borrowed(source.text.as_str());
    let offsets = Offsets::new(&source.text);
    let mut first_error = None;
    for _ in 0..MAX_JOINED {
        let mut builder = Builder {
            index,
            source,
            offsets: &offsets,
            anchors: HashMap::default(),
            aliased: 0,
            stack: Vec::new(),
            documents: Vec::new(),
            outdented: None,
        };
        match builder.run(&text) {
            Ok(()) => return Ok(builder.documents),
            Err(error) => {
                let joined = builder.outdented.and_then(|at| join_line(&text, at));
                first_error.get_or_insert(error);
                match joined {
                    Some(joined) => text = Cow::Owned(joined),
                    None => break,
                }
            }
        }
    }
    Err(first_error.unwrap_or_else(|| unreachable!("the loop runs at least once")))
}

/// `text` with the line of character `at` joined to the one before, whose comment is blanked out.
fn join_line(text: &str, at: usize) -> Option<String> {
    let mut chars: Vec<char> = text.chars().collect();
    let line = chars[..at.min(chars.len())].iter().rposition(|c| *c == '\n')?;
    let before = chars[..line].iter().rposition(|c| *c == '\n').map_or(0, |newline| newline + 1);
    let mut quote = None;
    let mut comment = line;
    for at in before..line {
        match (quote, chars[at]) {
            (None, '#') if at == before || chars[at - 1].is_whitespace() => {
                comment = at;
                break;
            }
            (None, c @ ('"' | '\'')) => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            _ => {}
        }
    }
    chars[comment..=line].fill(' ');
    Some(chars.into_iter().collect())
}

/// For each byte of the scalar's text, where it stood in the source.
///
/// The words of a scalar stand in its source text in the same order, with line breaks, indentation and escapes between
/// them, so both are walked together.
pub(crate) fn source_offsets(source: &Source, node: &Node) -> Vec<u32> {
    let Value::Scalar(scalar) = &node.value else { return Vec::new() };
    let raw = source.text.get(node.span.start as usize..node.span.end as usize).unwrap_or_default();
    let mut rest = raw.char_indices().peekable();
    if matches!(scalar.style, Style::Single | Style::Double) {
        rest.next();
    }
    let mut offsets = Vec::with_capacity(scalar.text.len() + 1);
    let mut last = node.span.start;
    for c in scalar.text.chars() {
        if !c.is_whitespace() {
            while let Some((at, r)) = rest.next() {
                if r == c {
                    last = node.span.start + at as u32;
                    break;
                }
                if r == '\\' && scalar.style == Style::Double {
                    match rest.next() {
                        Some((at, escaped)) if escaped == c => {
                            last = node.span.start + at as u32;
                            break;
                        }
                        _ => {}
                    }
                }
            }
        } else if let Some((at, r)) = rest.next_if(|(_, r)| r.is_whitespace()) {
            last = node.span.start + at as u32;
            let _ = r;
        }
        offsets.extend(std::iter::repeat_n(last, c.len_utf8()));
    }
    offsets.push(last + u32::from(!scalar.text.is_empty()));
    offsets
}

/// Byte offsets of characters: the parser counts characters.
enum Offsets {
    Ascii(u32),
    Table(Vec<u32>),
}

impl Offsets {
    fn new(text: &str) -> Self {
        if text.is_ascii() {
            Self::Ascii(text.len() as u32)
        } else {
            Self::Table(text.char_indices().map(|(at, _)| at as u32).chain([text.len() as u32]).collect())
        }
    }

    fn byte(&self, marker: Marker) -> u32 {
        match self {
            Self::Ascii(len) => (*len).min(marker.index() as u32),
            Self::Table(table) => table.get(marker.index()).or(table.last()).copied().unwrap_or_default(),
        }
    }
}

struct Builder<'a> {
    index: u32,
    source: &'a Source,
    offsets: &'a Offsets,
    anchors: HashMap<usize, (Node, usize)>,
    aliased: usize,
    stack: Vec<Open>,
    documents: Vec<Node>,
    /// Character at which a line inside `[…]` or `{…}` stood too far left.
    outdented: Option<usize>,
}

/// A sequence or mapping whose end has not come yet.
struct Open {
    start: u32,
    anchor: usize,
    mapping: bool,
    children: Vec<Node>,
    size: usize,
}

impl Builder<'_> {
    fn run(&mut self, text: &str) -> Result<(), Box<Diagnostic>> {
        let mut parser = Parser::new_from_str(text);
        while let Some(event) = parser.next_event() {
            let (event, span) = event.map_err(|error| {
                let opened = self.stack.last().and_then(|open| self.source.text.get(open.start as usize..));
                let in_flow = opened.is_some_and(|text| text.starts_with(['[', '{']));
                if in_flow && error.info().starts_with("invalid indentation") {
                    self.outdented = Some(error.marker().index());
                }
                let mut at = self.offsets.byte(*error.marker());
                // What the parser complains of may have begun lines before the tab that is the cause.
                if error.info().contains("tab")
                    && let Some(tab) = self.source.text.get(at as usize..).and_then(|rest| rest.find('\t'))
                {
                    at += tab as u32;
                }
                self.error(at..at + 1, format!("not valid YAML: {}", error.info()))
            })?;
            let range = self.offsets.byte(span.start)..self.offsets.byte(span.end);
            match event {
                Event::Scalar(text, style, anchor, _) => self.scalar(range, text, style, anchor)?,
                Event::SequenceStart(anchor, _) => self.open(range, anchor, false)?,
                Event::MappingStart(anchor, _) => self.open(range, anchor, true)?,
                Event::SequenceEnd | Event::MappingEnd => self.close(&range)?,
                Event::Alias(anchor) => self.alias(range, anchor)?,
                Event::StreamEnd => break,
                Event::Nothing | Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd => {}
            }
        }
        Ok(())
    }

    fn error(&self, range: Range<u32>, message: impl Into<String>) -> Box<Diagnostic> {
        Box::new(Diagnostic::new(Severity::Error, self.source, self.span(range), message))
    }

    fn span(&self, range: Range<u32>) -> Span {
        Span { source: self.index, start: range.start, end: range.end.max(range.start) }
    }

    fn scalar(
        &mut self,
        range: Range<u32>,
        text: Cow<'_, str>,
        style: ScalarStyle,
        anchor: usize,
    ) -> Result<(), Box<Diagnostic>> {
        let style = match style {
            ScalarStyle::Plain => Style::Plain,
            ScalarStyle::SingleQuoted => Style::Single,
            ScalarStyle::DoubleQuoted => Style::Double,
            ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
        };
        let scalar = Scalar { text: text.into(), style };
        let node = Node { span: self.span(range), value: Value::Scalar(scalar) };
        self.add(node, anchor, 1)
    }

    fn open(&mut self, range: Range<u32>, anchor: usize, mapping: bool) -> Result<(), Box<Diagnostic>> {
        if self.stack.len() >= MAX_DEPTH {
            return Err(self.error(range, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        self.stack.push(Open { start: range.start, anchor, mapping, children: Vec::new(), size: 1 });
        Ok(())
    }

    fn close(&mut self, range: &Range<u32>) -> Result<(), Box<Diagnostic>> {
        let Some(open) = self.stack.pop() else { return Ok(()) };
        let span = self.span(open.start..range.end);
        let value = if open.mapping {
            let mut pairs = Vec::with_capacity(open.children.len() / 2);
            let mut children = open.children.into_iter();
            while let (Some(key), Some(value)) = (children.next(), children.next()) {
                pairs.push((key, value));
            }
            Value::Mapping(pairs.into())
        } else {
            Value::Sequence(open.children.into())
        };
        self.add(Node { span, value }, open.anchor, open.size)
    }

    fn alias(&mut self, range: Range<u32>, anchor: usize) -> Result<(), Box<Diagnostic>> {
        let Some((node, size)) = self.anchors.get(&anchor).cloned() else {
            return Err(self.error(range, "this alias names an anchor that is not complete here"));
        };
        self.aliased += size;
        if self.aliased > MAX_ALIASED {
            return Err(self.error(range, format!("aliases stand for more than {MAX_ALIASED} values")));
        }
        self.add(node, 0, size)
    }

    fn add(&mut self, node: Node, anchor: usize, size: usize) -> Result<(), Box<Diagnostic>> {
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), size));
        }
        match self.stack.last_mut() {
            None => self.documents.push(node),
            Some(open) => {
                let is_key = open.mapping && open.children.len() % 2 == 0;
                if is_key && node.as_text().is_none() {
                    let span = node.span;
                    return Err(self.error(span.start..span.end, "a key must be a plain word"));
                }
                open.children.push(node);
                open.size += size;
            }
        }
        Ok(())
    }
}
