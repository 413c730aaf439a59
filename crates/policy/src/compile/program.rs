//! The compiled form: fields, atoms, and a graph of boolean nodes in which equal parts are one.

use sysflow::Joined;

use super::atom::{Atom, FieldId, Test};
use crate::field::{Field, Value};

/// Number of a node; the nodes that it is made of have smaller numbers.
pub(crate) type NodeId = u32;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Node {
    Const(bool),
    Atom(u32),
    Not(NodeId),
    And(Box<[NodeId]>),
    Or(Box<[NodeId]>),
}

#[derive(Debug, Default)]
pub(crate) struct Program {
    pub(crate) fields: Vec<Field>,
    pub(crate) atoms: Vec<Atom>,
    pub(crate) nodes: Vec<Node>,
}

/// Working memory of an evaluation, kept between records so that judging one allocates little.
#[derive(Debug, Default)]
pub struct Scratch {
    epoch: u32,
    /// For each node the epoch in which it was judged, and in the low bit the verdict.
    verdicts: Vec<u32>,
}

/// One record under judgement: what was read and decided so far.
pub(crate) struct Judgement<'p, 'a> {
    program: &'p Program,
    record: &'p Joined<'a>,
    values: Vec<Option<Value<'a>>>,
    scratch: &'p mut Scratch,
}

impl Program {
    pub(crate) fn judge<'p, 'a>(
        &'p self,
        record: &'p Joined<'a>,
        scratch: &'p mut Scratch,
    ) -> Judgement<'p, 'a> {
        scratch.start(self.nodes.len());
        let mut values = Vec::with_capacity(self.fields.len());
        values.resize_with(self.fields.len(), || None);
        Judgement { program: self, record, values, scratch }
    }
}

impl Scratch {
    fn start(&mut self, nodes: usize) {
        self.epoch += 1;
        if self.verdicts.len() != nodes || self.epoch >= u32::MAX >> 1 {
            self.verdicts.clear();
            self.verdicts.resize(nodes, 0);
            self.epoch = 1;
        }
    }
}

impl Judgement<'_, '_> {
    /// Whether the record satisfies `node`. Recursion is bounded: the builder refuses deep graphs.
    pub(crate) fn holds(&mut self, node: NodeId) -> bool {
        let known = self.scratch.verdicts[node as usize];
        if known >> 1 == self.scratch.epoch {
            return known & 1 == 1;
        }
        let program = self.program;
        let verdict = match &program.nodes[node as usize] {
            Node::Const(truth) => *truth,
            Node::Atom(atom) => self.atom(*atom),
            Node::Not(inner) => !self.holds(*inner),
            Node::And(parts) => parts.iter().all(|part| self.holds(*part)),
            Node::Or(parts) => parts.iter().any(|part| self.holds(*part)),
        };
        self.scratch.verdicts[node as usize] = self.scratch.epoch << 1 | u32::from(verdict);
        verdict
    }

    fn atom(&mut self, atom: u32) -> bool {
        let (program, record) = (self.program, self.record);
        let read = |field: FieldId| program.fields[field as usize].value(record);
        let atom = &program.atoms[atom as usize];
        // Operations are asked for most and need no value built.
        if let (Test::Operation(masks), false) = (&atom.test, atom.negated) {
            return masks.matches(record.record);
        }
        let value = self.values[atom.field as usize].get_or_insert_with(|| read(atom.field));
        atom.holds(record, value, read)
    }
}
