//! What is wrong with a text, where, and what to do about it.

use std::fmt;

use crate::source::{Source, Span};

/// Characters of a source line that are shown; longer ones are cut around the position.
const SHOWN: usize = 160;
/// Errors and warnings kept of one load, each: a file that is wrong from end to end needs no more to be understood.
const MAX_KEPT: usize = 200;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The text is refused.
    Error,
    /// The text loads; something in it will not do what its author expects.
    Warning,
}

/// One problem, resolved to file, line and column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one line.
    pub message: String,
    /// Name of the source.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// Characters that the problem spans, at least 1, at most to the end of the line.
    pub width: u32,
    /// The source line, control characters replaced.
    pub snippet: String,
    /// Column of the first character of `snippet` (from 1): long lines are cut.
    pub snippet_column: u32,
    /// What to do: a suggestion beside the caret.
    pub help: Option<String>,
    /// Further facts, a line each.
    pub notes: Vec<String>,
}

/// All problems of one load. As an error type it displays the way compilers show theirs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnostics {
    list: Vec<Diagnostic>,
    errors: usize,
    warnings: usize,
}

impl Diagnostic {
    pub(crate) fn new(severity: Severity, source: &Source, span: Span, message: impl Into<String>) -> Self {
        let place = source.place(span.start);
        let line_start = place.column as usize - 1;
        let rest = place.text.chars().count().saturating_sub(line_start);
        let spanned = source
            .text
            .get(span.start as usize..span.end as usize)
            .map_or(1, |text| text.lines().next().map_or(0, |line| line.trim_end().chars().count()));
        let from =
            if line_start + spanned.min(40) < SHOWN { 0 } else { line_start.saturating_sub(SHOWN / 2) };
        Self {
            severity,
            message: message.into(),
            file: source.name.clone(),
            line: place.line,
            column: place.column,
            width: spanned.min(rest).max(1) as u32,
            snippet: place.text.chars().skip(from).take(SHOWN).map(printable).collect(),
            snippet_column: from as u32 + 1,
            help: None,
            notes: Vec::new(),
        }
    }

    pub(crate) fn help(mut self, help: Option<String>) -> Self {
        self.help = help;
        self
    }

    pub(crate) fn notes<'a>(mut self, notes: impl IntoIterator<Item = &'a String>) -> Self {
        self.notes.extend(notes.into_iter().cloned());
        self
    }
}

impl Diagnostics {
    pub(crate) fn push(&mut self, diagnostic: Diagnostic) {
        self.push_with(diagnostic.severity, || diagnostic);
    }

    /// Makes the diagnostic only if it is kept: finding its line reads the text.
    pub(crate) fn push_with(&mut self, severity: Severity, make: impl FnOnce() -> Diagnostic) {
        let count = match severity {
            Severity::Error => &mut self.errors,
            Severity::Warning => &mut self.warnings,
        };
        *count += 1;
        if *count <= MAX_KEPT {
            self.list.push(make());
        }
    }

    /// The problems, in the order in which they were found.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.list.iter()
    }

    /// How many there are, with those that were too many to keep.
    pub fn len(&self) -> usize {
        self.errors + self.warnings
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.errors > 0
    }

    pub(crate) fn into_vec(self) -> Vec<Diagnostic> {
        self.list
    }
}

/// Control characters would move the terminal's cursor or hide text: rules may come from strangers.
fn printable(c: char) -> char {
    match c {
        '\t' => ' ',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}

// === impl Diagnostics ===

impl From<Diagnostic> for Diagnostics {
    fn from(diagnostic: Diagnostic) -> Self {
        let mut all = Self::default();
        all.push(diagnostic);
        all
    }
}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.iter()
    }
}

impl std::error::Error for Diagnostics {}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, diagnostic) in self.list.iter().enumerate() {
            if at > 0 {
                writeln!(f)?;
            }
            write!(f, "{diagnostic}")?;
        }
        let unkept = self.len() - self.list.len();
        if unkept > 0 {
            write!(f, "\n... and {unkept} more")?;
        }
        Ok(())
    }
}

// === impl Diagnostic ===

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let gutter = self.line.to_string().len();
        writeln!(f, "{severity}: {}", self.message.chars().map(printable).collect::<String>())?;
        let file: String = self.file.chars().map(printable).collect();
        writeln!(f, "{:gutter$}--> {file}:{}:{}", "", self.line, self.column)?;
        writeln!(f, "{:gutter$} |", "")?;
        writeln!(f, "{}", format!("{} | {}", self.line, self.snippet).trim_end())?;
        let indent = (self.column - self.snippet_column) as usize;
        let room = SHOWN.saturating_sub(indent).max(1);
        let carets = "^".repeat((self.width as usize).min(room));
        write!(f, "{:gutter$} | {:indent$}{carets}", "", "")?;
        if let Some(help) = &self.help {
            write!(f, " {}", help.chars().map(printable).collect::<String>())?;
        }
        for note in &self.notes {
            write!(f, "\n{:gutter$} = {}", "", note.chars().map(printable).collect::<String>())?;
        }
        writeln!(f)
    }
}
