//! One record before all rules.

use sysflow::{Joined, record::Kind};

use super::{
    Check, Place, Plan,
    cache::{Cache, Kept, Shape, slot},
};
use crate::{
    compile::program::{Judgement, Node, NodeId, Program, Scratch},
    context::Context,
};

/// A record under judgement, and what is known of its subjects.
struct Hearing<'h, 'p, 'a> {
    plan: &'p Plan,
    judgement: Judgement<'p, 'a>,
    kind: Kind,
    shape: &'h Kept,
    process: Looked<'h>,
    object: Looked<'h>,
}

/// A subject that is looked up when it is first asked for.
enum Looked<'h> {
    Not(&'h mut Cache),
    Up(&'h Kept),
}

impl Plan {
    /// Puts the numbers of the rules that `record` matches into `scratch.matched`, in order.
    pub(crate) fn judge(
        &self,
        program: &Program,
        record: &Joined<'_>,
        context: &dyn Context,
        scratch: &mut Scratch,
    ) {
        let Scratch { work, caches, candidates, matched } = scratch;
        matched.clear();
        let kind = record.record.kind();
        let Some(slot) = slot(kind) else { return };
        caches.start(program.id());
        let mut judgement = program.judge(record, context, work);
        judgement.answers = &self.answers;
        let shape = Shape::of(&mut caches.shapes, self, &mut judgement);
        if !shape.alive {
            return;
        }
        let mut hearing = Hearing {
            plan: self,
            judgement,
            kind,
            shape: &shape.kept,
            process: Looked::Not(&mut caches.processes),
            object: Looked::Not(&mut caches.objects),
        };
        hearing.ask(shape.kept.rules(slot), matched);
        if shape.process {
            let rules = hearing.process().rules(slot);
            hearing.ask(rules, matched);
        }
        if shape.object {
            let rules = hearing.object().rules(slot);
            hearing.ask(rules, matched);
        }
        for table in &shape.tables {
            candidates.clear();
            self.tables.find(*table, &mut hearing.judgement, candidates);
            hearing.ask(candidates, matched);
        }
        if self.drop.is_some_and(|drop| matched.contains(&drop)) {
            matched.clear();
        }
        // Nearly always none or one. A table may lead to a rule twice.
        if matched.len() > 1 {
            matched.sort_unstable();
            matched.dedup();
        }
    }
}

impl<'h> Hearing<'h, '_, '_> {
    fn ask(&mut self, rules: &[u32], matches: &mut Vec<u32>) {
        for rule in rules {
            if self.matches(*rule) {
                matches.push(*rule);
            }
        }
    }

    fn matches(&mut self, rule: u32) -> bool {
        let rule = &self.plan.rules[rule as usize];
        let [shape, process, object] = rule.of;
        rule.kinds.contains(self.kind)
            && passes(self.shape, shape)
            && (process == Check::NONE || passes(self.process(), process))
            && (object == Check::NONE || passes(self.object(), object))
            && rule.rest.iter().all(|literal| self.holds(literal.node) != literal.negated)
    }

    /// Recursion is bounded: the builder refuses deep graphs.
    fn holds(&mut self, node: NodeId) -> bool {
        match self.plan.places[node as usize] {
            Place::Cell(0, cell) => self.shape.has(cell),
            Place::Cell(1, cell) => self.process().has(cell),
            Place::Cell(_, cell) => self.object().has(cell),
            Place::Record => {
                if let Some(verdict) = self.judgement.verdict(node) {
                    return verdict;
                }
                let program = self.judgement.program();
                let verdict = match &program.nodes[node as usize] {
                    Node::Const(truth) => *truth,
                    Node::Atom(_) => return self.judgement.holds(node),
                    Node::Not(inner) => !self.holds(*inner),
                    Node::And(parts) => parts.iter().all(|part| self.holds(*part)),
                    Node::Or(parts) => parts.iter().any(|part| self.holds(*part)),
                };
                self.judgement.settle(node, verdict);
                verdict
            }
        }
    }

    fn process(&mut self) -> &'h Kept {
        let (plan, judgement) = (self.plan, &mut self.judgement);
        self.process.up(self.shape, |cache| cache.process(plan, judgement))
    }

    fn object(&mut self) -> &'h Kept {
        let (plan, judgement) = (self.plan, &mut self.judgement);
        self.object.up(self.shape, |cache| cache.object(plan, judgement))
    }
}

impl<'h> Looked<'h> {
    /// `meanwhile` is anything that may stand here while `look` is at work.
    fn up(&mut self, meanwhile: &'h Kept, look: impl FnOnce(&'h mut Cache) -> &'h Kept) -> &'h Kept {
        let kept = match std::mem::replace(self, Self::Up(meanwhile)) {
            Self::Up(kept) => kept,
            Self::Not(cache) => look(cache),
        };
        *self = Self::Up(kept);
        kept
    }
}

fn passes(kept: &Kept, check: Check) -> bool {
    check.cell().is_none_or(|(cell, wanted)| kept.has(cell) == wanted)
}
