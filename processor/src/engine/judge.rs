//! The rules, loaded.

use std::path::PathBuf;
use std::time::SystemTime;

use sysflow::Joined;
use sysflow_policy::{Diagnostic, Language, Memory, Priority, Rule, RuleId, RuleSet, Scratch};

use crate::config;
use crate::error::{Error, Result};
use crate::rules::{Counts, Failure, Files, Tally};

/// Judges records by the rules.
#[derive(Debug)]
pub struct Judge {
    rules: RuleSet,
    counts: Counts,
    min_priority: Priority,
    config: config::Rules,
    files: Vec<String>,
    digest: u128,
    loaded_at: SystemTime,
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
        let files = Files::read(&config.files, None)?;
        Ok(Self::of(files, min_priority, config.clone(), None)?)
    }

    /// The same with other content of the files. Its counts go on from ours.
    pub(crate) fn successor(&self, files: Files) -> Result<Self, Failure> {
        Self::of(files, self.min_priority, self.config.clone(), Some(self))
    }

    fn of(
        files: Files,
        min_priority: Priority,
        config: config::Rules,
        before: Option<&Self>,
    ) -> Result<Self, Failure> {
        let (rules, warnings) = RuleSet::load(&files.sources).map_err(|problems| Failure::of(&problems))?;
        for warning in &warnings {
            tracing::warn!(file = %warning.file, line = warning.line, "{}", warning.message);
        }
        let counts = Counts::new(&rules, before.map(|before| (&before.rules, &before.counts)));
        let Files { sources, digest } = files;
        let files = sources.into_iter().map(|source| source.name).collect();
        Ok(Self { rules, counts, min_priority, config, files, digest, loaded_at: SystemTime::now() })
    }

    /// Puts the rules that a record matches, by what was seen before it, into `found`, and counts it in `tally`.
    pub fn matches(
        &self,
        joined: &Joined<'_>,
        memory: &Memory,
        scratch: &mut Scratch,
        tally: &mut Tally,
        found: &mut Vec<RuleId>,
    ) {
        found.clear();
        self.rules.matches_in(joined, memory, scratch, found);
        self.counts.judged(&self.rules, joined, memory, found, tally);
    }

    /// What its rules did so far.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Whether a match of a rule raises an alert. One that does not is remembered all the same.
    pub fn alerts(&self, rule: &Rule) -> bool {
        rule.alerts() && !rule.drops() && rule.priority >= self.min_priority
    }

    /// A rule that matched.
    pub fn rule(&self, id: RuleId) -> &Rule {
        self.rules.rule(id)
    }

    /// All rules.
    pub fn rules(&self) -> &RuleSet {
        &self.rules
    }

    /// Where they come from.
    pub fn config(&self) -> &config::Rules {
        &self.config
    }

    /// Names of the files, in the order in which they were read.
    pub fn files(&self) -> &[String] {
        &self.files
    }

    /// Hash of the files.
    pub fn digest(&self) -> u128 {
        self.digest
    }

    /// When they were loaded.
    pub fn loaded_at(&self) -> SystemTime {
        self.loaded_at
    }
}

/// Loads rules files, or the built-in ones when there are none.
pub fn load(files: &[PathBuf]) -> Result<(RuleSet, Vec<Diagnostic>)> {
    load_as(files, None)
}

/// The same, where all files are in one language; without, each file's keys tell.
pub fn load_as(files: &[PathBuf], language: Option<Language>) -> Result<(RuleSet, Vec<Diagnostic>)> {
    let files = Files::read(files, language)?;
    Ok(RuleSet::load(&files.sources).map_err(|problems| Failure::of(&problems))?)
}
