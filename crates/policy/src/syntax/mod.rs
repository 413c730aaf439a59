//! Conditions as text, and as the tree that they mean.

mod lexer;
mod parser;
mod tree;

pub(crate) use parser::parse;
pub(crate) use tree::{Comparison, Expr, FieldName, Function, Operand, Operator, Word};
