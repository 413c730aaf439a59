//! The compiled form: fields, atoms, and a graph of boolean nodes in which equal parts are one.

use std::sync::atomic::{AtomicU64, Ordering};

use sysflow::Joined;

use super::{
    atom::{Atom, FieldId, Test},
    plan::{Answer, Caches, Marks},
};
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

/// Working memory that is kept between records, and answers that hold for more than one.
///
/// What is in it changes no verdict: an empty one gives the same, later.
#[derive(Debug, Default)]
pub struct Scratch {
    pub(super) work: Work,
    pub(super) caches: Caches,
    /// Numbers of rules that may match.
    pub(super) candidates: Vec<u32>,
    /// Numbers of the rules that matched.
    pub(crate) matched: Vec<u32>,
}

/// Working memory of an evaluation, so that judging a record allocates little.
#[derive(Debug, Default)]
pub(crate) struct Work {
    program: u64,
    epoch: u32,
    /// For each node the epoch in which it was judged, and in the low bit the verdict.
    verdicts: Vec<u32>,
    /// For each field the epoch in which it was read, and where its value lies.
    slots: Vec<(u32, u32)>,
    /// Empty between records: only its memory is kept.
    values: Vec<Value<'static>>,
    /// Atoms that matchers found.
    pub(super) marks: Marks,
    /// A text in the making.
    pub(super) backwards: Vec<u8>,
}

/// One record under judgement: what was read and decided so far.
pub(crate) struct Judgement<'p, 'a> {
    program: &'p Program,
    record: &'p Joined<'a>,
    context: &'p dyn Context,
    values: Vec<Value<'a>>,
    work: &'p mut Work,
    /// For each atom how its answer comes about; without, it is asked.
    pub(super) answers: &'p [Answer],
}

impl Default for Program {
    fn default() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Self { id, fields: Vec::new(), atoms: Vec::new(), nodes: Vec::new() }
    }
}

impl Program {
    /// Every question is asked when it is reached.
    pub(crate) fn judge_alone<'p, 'a>(
        &'p self,
        record: &'p Joined<'a>,
        context: &'p dyn Context,
        scratch: &'p mut Scratch,
    ) -> Judgement<'p, 'a> {
        self.judge(record, context, &mut scratch.work)
    }

    pub(super) fn judge<'p, 'a>(
        &'p self,
        record: &'p Joined<'a>,
        context: &'p dyn Context,
        work: &'p mut Work,
    ) -> Judgement<'p, 'a> {
        work.start(self);
        let values = std::mem::take(&mut work.values);
        Judgement { program: self, record, context, values, work, answers: &[] }
    }

    pub(super) fn id(&self) -> u64 {
        self.id
    }
}

impl Work {
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
        if values.capacity() == 0 {
            return;
        }
        values.clear();
        // Nothing is left to convert: this is how the memory passes on to another record's lifetime.
        self.work.values = values.into_iter().map(|_| Value::Absent).collect();
    }
}

impl<'p, 'a> Judgement<'p, 'a> {
    /// Whether the record satisfies `node`. Recursion is bounded: the builder refuses deep graphs.
    pub(crate) fn holds(&mut self, node: NodeId) -> bool {
        if let Some(verdict) = self.verdict(node) {
            return verdict;
        }
        let program = self.program;
        let verdict = match &program.nodes[node as usize] {
            Node::Const(truth) => *truth,
            Node::Atom(atom) => self.atom(*atom),
            Node::Not(inner) => !self.holds(*inner),
            Node::And(parts) => parts.iter().all(|part| self.holds(*part)),
            Node::Or(parts) => parts.iter().any(|part| self.holds(*part)),
        };
        self.settle(node, verdict);
        verdict
    }

    /// The verdict on a node that was judged before.
    pub(super) fn verdict(&self, node: NodeId) -> Option<bool> {
        let known = self.work.verdicts[node as usize];
        (known >> 1 == self.work.epoch).then_some(known & 1 == 1)
    }

    pub(super) fn settle(&mut self, node: NodeId, verdict: bool) {
        self.work.verdicts[node as usize] = self.work.epoch << 1 | u32::from(verdict);
    }

    /// The value of a field, read once a record.
    pub(super) fn value(&mut self, field: FieldId) -> &Value<'a> {
        let at = self.read(field);
        &self.values[at]
    }

    /// Shows the value of a field to `find`.
    pub(super) fn find(&mut self, field: FieldId, find: impl FnOnce(&Value<'a>, &mut Work)) {
        let at = self.read(field);
        find(&self.values[at], self.work);
    }

    fn read(&mut self, field: FieldId) -> usize {
        let slot = &mut self.work.slots[field as usize];
        if slot.0 != self.work.epoch {
            *slot = (self.work.epoch, self.values.len() as u32);
            self.values.push(self.program.fields[field as usize].value_in(self.record, self.context));
        }
        slot.1 as usize
    }

    fn atom(&mut self, number: u32) -> bool {
        match self.answers.get(number as usize) {
            Some(Answer::Found) => return self.work.marks.has(number),
            Some(Answer::Confirmed) if !self.work.marks.has(number) => return false,
            _ => {}
        }
        let (program, record, context) = (self.program, self.record, self.context);
        let atom = &program.atoms[number as usize];
        // Operations are asked for most and need no value built.
        if let (Test::Operation(masks), false) = (&atom.test, atom.negated) {
            return masks.matches(record.record);
        }
        let read = |field: FieldId| program.fields[field as usize].value_in(record, context);
        atom.holds(record, self.value(atom.field), read)
    }

    /// Takes off the marks of all atoms.
    pub(super) fn unmark(&mut self) {
        self.work.marks.start(self.program.atoms.len());
    }

    pub(super) fn marks(&self) -> &Marks {
        &self.work.marks
    }

    pub(super) fn record(&self) -> &'p Joined<'a> {
        self.record
    }

    pub(super) fn program(&self) -> &'p Program {
        self.program
    }
}
