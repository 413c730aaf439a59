//! Trees with names in, one graph of shared atoms out.

mod atom;
mod build;
mod pattern;
mod plan;
mod program;
mod question;
mod scope;

pub(crate) use atom::{FieldId, Test};
pub(crate) use build::{AtomKey, Builder, Compiled};
pub(crate) use plan::Plan;
pub use program::Scratch;
pub(crate) use program::{Judgement, Node, NodeId, Program};
pub(crate) use scope::Scope;
