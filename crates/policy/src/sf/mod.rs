//! Policy files of SysFlow's own processor, as they are: a second front end onto the tree, the compiler and the
//! evaluator of Falco's rules.
//!
//! The language looks like Falco's and differs in what it means. Its files are read by a tolerant parser (`lexer`,
//! `parser`); names are looked up and turned into the shared tree (`lower`); attributes have sf-processor's values
//! (`attribute`, `field`, `json_path`), and operators its meaning (`question`). What sf-processor got wrong is not
//! followed; docs/rules.md lists it.

mod attribute;
mod compile;
mod field;
mod json_path;
mod language;
mod lexer;
mod load;
mod lower;
mod parser;
mod question;

pub use language::Language;

pub(crate) use field::SfField;
pub(crate) use load::load;
pub(crate) use question::{Parts, any_part, compare};
