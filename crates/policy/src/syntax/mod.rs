//! Conditions as text, and as the tree that they mean.

mod lexer;
mod parser;
mod tree;

pub(crate) use parser::{parse, parse_field, parse_operator};
pub(crate) use tree::{Combine, Comparison, Expr, FieldName, Function, Modifier, Operand, Operator, Word};
