//! Records as text: JSON in SysFlow's own layout, Elastic Common Schema, CSV, and tables for terminals.
//!
//! All of them take a record that is joined with its entities, and give one line without its end.

pub mod csv;
pub mod ecs;
mod json_writer;
mod pod;
pub mod sysflow;
pub mod table;
pub mod terminal;

pub use ecs::ecs;
pub use sysflow::json;

pub(crate) use pod::pod_services;

/// What the rules said of a record.
#[derive(Clone, Copy, Debug, Default)]
pub struct Judgement<'a> {
    /// Rules that matched, in the order in which they stand.
    pub policies: &'a [Policy<'a>],
    /// Tags of those rules.
    pub tags: &'a [&'a str],
}

/// A rule that matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy<'a> {
    /// Name of the rule.
    pub id: &'a str,
    /// What it looks for.
    pub desc: &'a str,
    /// SysFlow's scale: 0 informational, 1 low, 2 medium, 3 high, 4 critical.
    pub priority: u8,
}
