//! Falco's rules language, and sf-processor's, over SysFlow records: parse, check, compile, evaluate.
//!
//! Rules files and conditions come in as text ([`RuleSet::load`], [`Condition::parse`]); everything wrong with them
//! comes back at once as [`Diagnostics`] that point into the text. What remains is a set of typed atoms shared by all
//! rules ([`RuleSet::matches`]) and judged against one [`sysflow::Joined`] record at a time, without I/O or clocks.
#![forbid(unsafe_code)]

mod compile;
mod condition;
mod context;
mod diagnostic;
mod explain;
mod field;
mod file;
mod kinds;
mod load;
mod memory;
mod output;
pub mod query;
mod rule;
mod sf;
mod sigma;
mod source;
mod suggest;
mod syntax;

/// Names and paths come from strangers: hashing is seeded.
type HashMap<K, V> = hashbrown::HashMap<K, V, foldhash::quality::RandomState>;
type HashSet<T> = hashbrown::HashSet<T, foldhash::quality::RandomState>;

pub use compile::Scratch;
pub use condition::Condition;
pub use context::{Context, NoContext, Seen, Stateful};
pub use diagnostic::{Diagnostic, Diagnostics, Severity};
pub use explain::{Explanation, Verdict, What};
pub use field::{FieldClass, FieldEntry, FieldReport, falco_fields, fields, operators};
pub use kinds::KindSet;
pub use memory::{Limits, Memory};
pub use output::Output;
pub use rule::{Action, Rule, RuleId, RuleReport, RuleSet, Status};
pub use sf::Language;
pub use source::Source;
pub use sysflow::Priority;
