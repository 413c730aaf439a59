//! Why a rule does or does not match a record, question by question.

use std::borrow::Cow;

use sysflow::Joined;

use crate::{
    compile::{FieldId, Judgement, Node, NodeId, Program, Scratch},
    context::{Context, NoContext},
    rule::{RuleId, RuleSet},
};

/// A condition, or a part of one, and what it says of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// Whether it holds.
    pub holds: bool,
    /// What it is.
    pub what: What,
}

/// What a part of a condition is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A question asked of the record.
    Question {
        /// Field, operator and values.
        text: String,
        /// The value that the record has; `None` for an absent one.
        value: Option<String>,
        /// For a comparison with another field, that field's value.
        other: Option<String>,
    },
    /// All parts must hold.
    All(Vec<Explanation>),
    /// One part must hold.
    Any(Vec<Explanation>),
    /// The part must not hold.
    Not(Box<Explanation>),
    /// Nothing depends on the record.
    Constant,
}

/// How a rule fares with a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the rule matches.
    pub matches: bool,
    /// The rule is not for records of this kind.
    pub wrong_kind: bool,
    /// A filter drops the record before any rule sees it.
    pub dropped: bool,
    /// The rule's condition; every question in it is asked.
    pub condition: Explanation,
}

/// Parts of an explanation: equal parts of a condition are shown at each place where they stand.
const MAX_PARTS: usize = 10_000;

impl RuleSet {
    /// Asks every question of a rule, also those that would not be reached.
    pub fn explain(&self, id: RuleId, record: &Joined<'_>) -> Verdict {
        self.explain_in(id, record, &NoContext)
    }

    /// The same with what was seen before `record`, for stateful attributes.
    pub fn explain_in(&self, id: RuleId, record: &Joined<'_>, context: &dyn Context) -> Verdict {
        let mut scratch = Scratch::default();
        let dropped = self.drops(record, &mut scratch);
        let wrong_kind = !self.rule(id).kinds.contains(record.record.kind());
        let program = self.program();
        let mut asked = Asked {
            program,
            record,
            context,
            judgement: program.judge_alone(record, context, &mut scratch),
            room: MAX_PARTS,
        };
        let condition = asked.explain(self.root(id));
        Verdict { matches: condition.holds && !wrong_kind && !dropped, wrong_kind, dropped, condition }
    }

    /// Which of the parts that must all hold do so: those of [`Explanation::steps`].
    pub fn steps(&self, id: RuleId, record: &Joined<'_>) -> Vec<bool> {
        self.steps_in(id, record, &NoContext)
    }

    /// The same with what was seen before `record`, for stateful attributes.
    pub fn steps_in(&self, id: RuleId, record: &Joined<'_>, context: &dyn Context) -> Vec<bool> {
        let mut scratch = Scratch::default();
        let program = self.program();
        let mut judgement = program.judge_alone(record, context, &mut scratch);
        let root = self.root(id);
        match &program.nodes[root as usize] {
            Node::And(parts) => parts.iter().map(|part| judgement.holds(*part)).collect(),
            _ => vec![judgement.holds(root)],
        }
    }
}

struct Asked<'p, 'a> {
    program: &'p Program,
    record: &'p Joined<'a>,
    context: &'p dyn Context,
    judgement: Judgement<'p, 'a>,
    /// Parts that may still be shown.
    room: usize,
}

impl Asked<'_, '_> {
    fn explain(&mut self, node: NodeId) -> Explanation {
        self.room = self.room.saturating_sub(1);
        let holds = self.judgement.holds(node);
        let program = self.program;
        let what = match &program.nodes[node as usize] {
            Node::Const(_) => What::Constant,
            Node::Not(inner) => What::Not(Box::new(self.explain(*inner))),
            Node::And(parts) => What::All(self.all(parts)),
            Node::Or(parts) => What::Any(self.all(parts)),
            Node::Atom(atom) => {
                let atom = &program.atoms[*atom as usize];
                What::Question {
                    text: atom.text.to_string(),
                    value: self.value(atom.field),
                    other: atom.other_field().and_then(|field| self.value(field)),
                }
            }
        };
        Explanation { holds, what }
    }

    fn all(&mut self, parts: &[NodeId]) -> Vec<Explanation> {
        let mut explained = Vec::new();
        for part in parts {
            if self.room > 0 {
                explained.push(self.explain(*part));
            }
        }
        explained
    }

    fn value(&self, field: FieldId) -> Option<String> {
        self.program.fields[field as usize].value_in(self.record, self.context).render().map(Cow::into_owned)
    }
}

impl Explanation {
    /// The parts that must all hold; of anything else the whole.
    pub fn steps(&self) -> &[Self] {
        match &self.what {
            What::All(parts) => parts,
            _ => std::slice::from_ref(self),
        }
    }
}
