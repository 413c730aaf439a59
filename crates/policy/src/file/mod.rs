//! Rules files: YAML in, definitions of lists, macros and rules out.

mod entry;
mod library;
mod merge;
pub(crate) mod yaml;

pub(crate) use entry::Entry;
pub(crate) use library::{Exception, Library, ListDef, MacroDef, Passage, RuleDef, Text};

use crate::{
    diagnostic::{Diagnostic, Diagnostics, Severity},
    sf::Language,
    source::{Source, Span},
};

/// Bytes of one file: ten times what a large installation has.
const MAX_FILE: usize = 64 << 20;

/// Problems found so far, and the texts that they point into.
#[derive(Debug)]
pub(crate) struct Problems<'a> {
    pub(crate) sources: &'a [Source],
    pub(crate) found: Diagnostics,
}

/// Definitions of Falco's files, in order; a later definition of a name replaces an earlier one.
pub(crate) fn load(languages: &[Language], problems: &mut Problems<'_>) -> Library {
    let mut library = Library::default();
    for (index, source) in problems.sources.iter().enumerate() {
        if languages.get(index) != Some(&Language::Falco) {
            continue;
        }
        let index = index as u32;
        if let Some((span, message)) = too_large(index, source) {
            problems.error(span, message);
            continue;
        }
        match yaml::parse(index, source) {
            Ok(documents) => merge::merge(&mut library, &documents, problems),
            Err(error) => problems.found.push(*error),
        }
    }
    library
}

/// What to say of a file that is larger than any that people write.
pub(crate) fn too_large(index: u32, source: &Source) -> Option<(Span, String)> {
    (source.text.len() > MAX_FILE).then(|| {
        let message = format!("the file is larger than {} MiB", MAX_FILE >> 20);
        (Span { source: index, start: 0, end: 1 }, message)
    })
}

impl Problems<'_> {
    pub(crate) fn error(&mut self, span: Span, message: impl Into<String>) {
        self.push(Severity::Error, span, message, |diagnostic| diagnostic);
    }

    pub(crate) fn error_help(&mut self, span: Span, message: impl Into<String>, help: Option<String>) {
        self.push(Severity::Error, span, message, |diagnostic| diagnostic.help(help));
    }

    pub(crate) fn warning_help(&mut self, span: Span, message: impl Into<String>, help: Option<String>) {
        self.push(Severity::Warning, span, message, |diagnostic| diagnostic.help(help));
    }

    pub(crate) fn push(
        &mut self,
        severity: Severity,
        span: Span,
        message: impl Into<String>,
        finish: impl FnOnce(Diagnostic) -> Diagnostic,
    ) {
        let sources = self.sources;
        self.found.push_with(severity, || {
            finish(Diagnostic::new(severity, &sources[span.source as usize], span, message))
        });
    }
}
