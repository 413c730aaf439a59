//! The compiled form: fields, atoms, and a graph of boolean nodes in which equal parts are one.

use std::sync::atomic::{AtomicU64, Ordering};

use sysflow::Joined;

use super::atom::{Atom, FieldId, Test};
use crate::{
    context::Context,
    field::{Field, Value},
};

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

#[derive(Debug)]
pub(crate) struct Program {
    /// Working memory is of one program.
    id: u64,
    pub(crate) fields: Vec<Field>,
    pub(crate) atoms: Vec<Atom>,
    pub(crate) nodes: Vec<Node>,
}

/// Working memory of an evaluation, kept between records so that judging one allocates little.
#[derive(Debug, Default)]
pub struct Scratch {
    program: u64,
    epoch: u32,
    /// For each node the epoch in which it was judged, and in the low bit the verdict.
    verdicts: Vec<u32>,
    /// For each field the epoch in which it was read, and where its value lies.
    slots: Vec<(u32, u32)>,
    /// Empty between records: only its memory is kept.
    values: Vec<Value<'static>>,
    /// Numbers of rules; empty between records.
    pub(crate) candidates: Vec<u32>,
}

/// One record under judgement: what was read and decided so far.
pub(crate) struct Judgement<'p, 'a> {
    program: &'p Program,
    record: &'p Joined<'a>,
    context: &'p dyn Context,
    values: Vec<Value<'a>>,
    scratch: &'p mut Scratch,
}

impl Default for Program {
    fn default() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Self { id, fields: Vec::new(), atoms: Vec::new(), nodes: Vec::new() }
    }
}

impl Program {
    pub(crate) fn judge<'p, 'a>(
        &'p self,
        record: &'p Joined<'a>,
        context: &'p dyn Context,
        scratch: &'p mut Scratch,
    ) -> Judgement<'p, 'a> {
        scratch.start(self);
        let values = std::mem::take(&mut scratch.values);
        Judgement { program: self, record, context, values, scratch }
    }
}

impl Scratch {
    fn start(&mut self, program: &Program) {
        self.epoch += 1;
        if self.program != program.id || self.epoch >= u32::MAX >> 1 {
            self.program = program.id;
            self.verdicts.clear();
            self.verdicts.resize(program.nodes.len(), 0);
            self.slots.clear();
            self.slots.resize(program.fields.len(), (0, 0));
            self.epoch = 1;
        }
    }
}

impl Drop for Judgement<'_, '_> {
    fn drop(&mut self) {
        let mut values = std::mem::take(&mut self.values);
        values.clear();
        // Nothing is left to convert: this is how the memory passes on to another record's lifetime.
        self.scratch.values = values.into_iter().map(|_| Value::Absent).collect();
    }
}

impl<'a> Judgement<'_, 'a> {
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

    /// The value of a field, read once a record.
    pub(crate) fn value(&mut self, field: FieldId) -> &Value<'a> {
        let slot = &mut self.scratch.slots[field as usize];
        if slot.0 != self.scratch.epoch {
            *slot = (self.scratch.epoch, self.values.len() as u32);
            self.values.push(self.program.fields[field as usize].value_in(self.record, self.context));
        }
        &self.values[slot.1 as usize]
    }

    fn atom(&mut self, atom: u32) -> bool {
        let (program, record, context) = (self.program, self.record, self.context);
        let atom = &program.atoms[atom as usize];
        // Operations are asked for most and need no value built.
        if let (Test::Operation(masks), false) = (&atom.test, atom.negated) {
            return masks.matches(record.record);
        }
        let read = |field: FieldId| program.fields[field as usize].value_in(record, context);
        atom.holds(record, self.value(atom.field), read)
    }

    /// Working memory for the numbers of rules.
    pub(crate) fn take_candidates(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.scratch.candidates)
    }

    /// Gives it back.
    pub(crate) fn keep_candidates(&mut self, mut candidates: Vec<u32>) {
        candidates.clear();
        self.scratch.candidates = candidates;
    }
}
