//! A compiled condition as a tree, for those who ask it of stored rows instead of records.
//!
//! What a store can test on a column is told in full; everything else is [`Test::Other`], which only
//! [`Condition::matches`](crate::Condition::matches) can answer.

use crate::{
    compile::{self, Node, NodeId, Program},
    condition::Condition,
    field::Field,
    kinds::KindSet,
    syntax::Operator,
};
use sysflow::record::Kind;

/// A node of a condition. Parts that occur more than once are told once: nodes are named by number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// Always the same.
    Const(bool),
    /// A question about one field.
    Question(Question<'a>),
    /// The opposite of a node.
    Not(usize),
    /// All of the nodes.
    All(Vec<usize>),
    /// Any of the nodes.
    Any(Vec<usize>),
}

/// A question about one field. A field without a value passes no question, a negated one neither.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question<'a> {
    /// Name of the `sf.*` attribute that is asked, when it is one, and unchanged by functions.
    pub attribute: Option<&'a str>,
    /// What is asked.
    pub test: Test<'a>,
    /// Whether it passes when the test does not.
    pub negated: bool,
}

/// What is asked of a value. A list passes when any element does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test<'a> {
    /// Whether there is anything: no empty text, no empty list.
    Exists,
    /// Equals one of these texts.
    OneOf(Vec<&'a str>),
    /// Contains the text.
    Contains(&'a str),
    /// Starts with the text.
    StartsWith(&'a str),
    /// Ends with the text.
    EndsWith(&'a str),
    /// Compares with a number.
    Number(Comparison, i64),
    /// Equals one of these numbers.
    NumberIn(&'a [i64]),
    /// Equals a truth value.
    Truth(bool),
    /// Has one of these operations, bits of the record's `op_flags`, by kind of record.
    Operations(Vec<(Kind, i32)>),
    /// None of these.
    Other,
}

/// How a number is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// Equal.
    Equal,
    /// Less.
    Less,
    /// Less or equal.
    LessOrEqual,
    /// Greater.
    Greater,
    /// Greater or equal.
    GreaterOrEqual,
}

impl Condition {
    /// The condition as nodes; each is made of nodes before it, and the last one is the whole. Records of other kinds
    /// than [`Condition::kinds`] do not match, whatever the nodes say.
    pub fn parts(&self) -> Vec<Part<'_>> {
        let (program, root) = self.program();
        // Nodes behind the root belong to nothing.
        (0..=root).map(|node| part(program, node)).collect()
    }

    /// Whether it asks what was seen before a record: such an answer depends on when it was judged.
    pub fn is_stateful(&self) -> bool {
        let (program, _) = self.program();
        program.fields.iter().any(Field::is_stateful)
    }
}

fn part(program: &Program, node: NodeId) -> Part<'_> {
    match &program.nodes[node as usize] {
        Node::Const(truth) => Part::Const(*truth),
        Node::Not(inner) => Part::Not(*inner as usize),
        Node::And(parts) => Part::All(parts.iter().map(|part| *part as usize).collect()),
        Node::Or(parts) => Part::Any(parts.iter().map(|part| *part as usize).collect()),
        Node::Atom(atom) => {
            let atom = &program.atoms[*atom as usize];
            Part::Question(Question {
                attribute: program.fields[atom.field as usize].attribute_name(),
                test: test(&atom.test),
                negated: atom.negated,
            })
        }
    }
}

fn test(test: &compile::Test) -> Test<'_> {
    use compile::Test as Compiled;
    match test {
        Compiled::Exists => Test::Exists,
        Compiled::Is(text) => Test::OneOf(vec![text]),
        Compiled::IsOneOf(texts) => {
            let mut texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
            texts.sort_unstable();
            Test::OneOf(texts)
        }
        Compiled::Contains(text) => Test::Contains(text),
        Compiled::StartsWith(text) => Test::StartsWith(text),
        Compiled::EndsWith(text) => Test::EndsWith(text),
        Compiled::Number(operator, number) => {
            let comparison = match operator {
                Operator::Less => Comparison::Less,
                Operator::LessEqual => Comparison::LessOrEqual,
                Operator::Greater => Comparison::Greater,
                Operator::GreaterEqual => Comparison::GreaterOrEqual,
                // Negation is said apart.
                Operator::Equal | Operator::NotEqual => Comparison::Equal,
                _ => return Test::Other,
            };
            Test::Number(comparison, *number)
        }
        Compiled::NumberIn(numbers) => Test::NumberIn(numbers),
        Compiled::Truth(truth) => Test::Truth(*truth),
        Compiled::Operation(masks) => Test::Operations(
            KindSet::JUDGED
                .iter()
                .map(|kind| (kind, masks.of_kind(kind)))
                .filter(|(_, bits)| *bits != 0)
                .collect(),
        ),
        _ => Test::Other,
    }
}
