//! Trees with names in, one graph of shared atoms out.

mod atom;
mod build;
mod pattern;
mod program;
mod question;
mod scope;

pub(crate) use build::{Builder, Compiled};
pub use program::Scratch;
pub(crate) use program::{NodeId, Program};
pub(crate) use scope::Scope;
