//! What a graph keeps of an alert.

use sysflow::Priority;

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
        techniques(&self.tags)
    }
}

/// Those tags that name a technique, sub-technique or tactic.
pub(super) fn techniques(tags: &[String]) -> impl Iterator<Item = &str> {
    tags.iter().map(String::as_str).filter(|tag| is_technique(tag))
}

fn is_technique(tag: &str) -> bool {
    let Some(rest) = tag.strip_prefix('T') else { return false };
    let digits = rest.strip_prefix('A').unwrap_or(rest);
    let (technique, sub) = digits.split_once('.').unwrap_or((digits, "000"));
    let numeric = |text: &str, len| text.len() == len && text.bytes().all(|b| b.is_ascii_digit());
    numeric(technique, 4) && numeric(sub, 3)
}
