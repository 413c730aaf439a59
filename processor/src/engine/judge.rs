//! The rules, loaded.

use std::path::PathBuf;

use sysflow::Joined;
use sysflow_policy::{Diagnostic, Language, Memory, Priority, Rule, RuleId, RuleSet, Scratch, Source};

use crate::config;
use crate::error::{Error, Result};

/// The rules that come with the program.
const BUILT_IN: &str = include_str!("../../../rules/sysflow_rules.yaml");

/// What messages call them.
const BUILT_IN_NAME: &str = "rules/sysflow_rules.yaml (built in)";

/// Judges records by the rules.
#[derive(Debug)]
pub struct Judge {
    rules: RuleSet,
    min_priority: Priority,
}

impl Judge {
    /// Loads the configured rules; problems that leave a rule out are logged.
    pub fn load(config: &config::Rules) -> Result<Self> {
        let min_priority = match &config.min_priority {
            None => Priority::Debug,
            Some(name) => name.parse().map_err(|_| {
                let all: Vec<_> = Priority::ALL.iter().rev().map(|priority| priority.as_str()).collect();
                Error::Failed(format!("rules.min_priority: {name:?} is none of {}", all.join(", ")))
            })?,
        };
        let (rules, warnings) = load(&config.files)?;
        for warning in &warnings {
            tracing::warn!(file = %warning.file, line = warning.line, "{}", warning.message);
        }
        Ok(Self { rules, min_priority })
    }

    /// Puts the rules that a record matches, by what was seen before it, into `found`.
    pub fn matches(
        &self,
        joined: &Joined<'_>,
        memory: &Memory,
        scratch: &mut Scratch,
        found: &mut Vec<RuleId>,
    ) {
        found.clear();
        self.rules.matches_in(joined, memory, scratch, found);
    }

    /// Whether a match of a rule raises an alert. One that does not is remembered all the same.
    pub fn alerts(&self, rule: &Rule) -> bool {
        rule.alerts() && rule.priority >= self.min_priority
    }

    /// A rule that matched.
    pub fn rule(&self, id: RuleId) -> &Rule {
        self.rules.rule(id)
    }

    /// All rules.
    pub fn rules(&self) -> &RuleSet {
        &self.rules
    }
}

/// Loads rules files, or the built-in ones when there are none.
pub fn load(files: &[PathBuf]) -> Result<(RuleSet, Vec<Diagnostic>)> {
    load_as(files, None)
}

/// The same, where all files are in one language; without, each file's keys tell.
pub fn load_as(files: &[PathBuf], language: Option<Language>) -> Result<(RuleSet, Vec<Diagnostic>)> {
    let mut sources = Vec::new();
    for file in files {
        let bytes = std::fs::read(file).map_err(Error::io("read the rules file", file))?;
        let source = Source::from_bytes(file.display().to_string(), bytes);
        let source = source.map_err(|e| Error::Failed(format!("the rules cannot be loaded\n{e}")))?;
        sources.push(Source { language, ..source });
    }
    if sources.is_empty() {
        sources.push(Source::new(BUILT_IN_NAME, BUILT_IN));
    }
    RuleSet::load(&sources)
        .map_err(|problems| Error::Failed(format!("the rules cannot be loaded\n{problems}")))
}
