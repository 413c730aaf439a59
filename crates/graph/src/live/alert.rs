//! What a graph keeps of an alert.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::error::QueryError;

/// Falco's priorities, least severe first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names are Falco's")]
pub enum Priority {
    Debug,
    Informational,
    Notice,
    Warning,
    Error,
    Critical,
    Alert,
    Emergency,
}

/// An alert as a graph sees it; its text stays with whoever raised it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertMark {
    /// Identity of the alert.
    pub id: String,
    /// Time of the record that it judges, in ns.
    pub ts: i64,
    /// How bad.
    pub priority: Priority,
    /// Rule that fired.
    pub rule: String,
    /// Tags of the rule; the ATT&CK techniques among them land on the node.
    pub tags: Vec<String>,
}

impl AlertMark {
    /// The tags that name an ATT&CK technique, sub-technique or tactic: `T1059`, `T1059.004`, `TA0002`.
    pub(crate) fn techniques(&self) -> impl Iterator<Item = &str> {
        self.tags.iter().map(String::as_str).filter(|tag| is_technique(tag))
    }
}

fn is_technique(tag: &str) -> bool {
    let Some(rest) = tag.strip_prefix('T') else { return false };
    let digits = rest.strip_prefix('A').unwrap_or(rest);
    let (technique, sub) = digits.split_once('.').unwrap_or((digits, "000"));
    let numeric = |text: &str, len| text.len() == len && text.bytes().all(|b| b.is_ascii_digit());
    numeric(technique, 4) && numeric(sub, 3)
}

impl Priority {
    /// All of them, least severe first.
    pub const ALL: [Self; 8] = [
        Self::Debug,
        Self::Informational,
        Self::Notice,
        Self::Warning,
        Self::Error,
        Self::Critical,
        Self::Alert,
        Self::Emergency,
    ];

    /// Name as Falco writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "Debug",
            Self::Informational => "Informational",
            Self::Notice => "Notice",
            Self::Warning => "Warning",
            Self::Error => "Error",
            Self::Critical => "Critical",
            Self::Alert => "Alert",
            Self::Emergency => "Emergency",
        }
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Priority {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl FromStr for Priority {
    type Err = QueryError;

    fn from_str(text: &str) -> Result<Self, QueryError> {
        Self::ALL
            .into_iter()
            .find(|priority| priority.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| QueryError::Priority(text.to_owned()))
    }
}
