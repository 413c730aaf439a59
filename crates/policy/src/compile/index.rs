//! Which rules a record can match at all: by its kind, its operations, and values that a rule demands.

use sysflow::{Joined, record::Kind};

use super::{
    atom::{Atom, FieldId, Test},
    program::{Judgement, Node, NodeId, Program},
};
use crate::{
    HashMap,
    field::{
        Value,
        ops::{self, OpMasks},
    },
    kinds::KindSet,
    sf::{Parts, any_part},
    syntax::Operator,
};

/// Rules that demand values of one field; fewer are quicker asked one by one than looked up.
const WORTH_A_TABLE: usize = 8;

/// Rules by what a record must have for them.
#[derive(Debug, Default)]
pub(crate) struct Index {
    by_kind: [Vec<Group>; 12],
}

/// Rules of one kind of records that ask for the same operations.
#[derive(Debug)]
struct Group {
    /// A record without any of these operations matches none of them; `None` where they ask for none.
    operations: Option<i32>,
    rules: Vec<u32>,
    tables: Vec<Table>,
}

/// Rules by the values that they demand of a field.
#[derive(Debug)]
struct Table {
    field: FieldId,
    /// Commas divide values, as sf-processor has it.
    in_parts: bool,
    texts: HashMap<Box<str>, Vec<u32>>,
    numbers: HashMap<i64, Vec<u32>>,
}

/// A value that a rule demands: it holds for no record whose field has another.
enum Demand<'p> {
    Texts(Vec<&'p str>),
    Numbers(Vec<i64>),
}

// === impl Index ===

impl Index {
    /// `rules` are the roots and the kinds of the rules, by number.
    pub(crate) fn new(program: &Program, rules: &[(NodeId, KindSet)]) -> Self {
        let needed = operations(program);
        let mut index = Self::default();
        for kind in Kind::ALL {
            let mut groups: Vec<(Option<i32>, Vec<u32>)> = Vec::new();
            for (number, (root, kinds)) in rules.iter().enumerate() {
                if !kinds.contains(kind) {
                    continue;
                }
                let bits = needed[*root as usize].map(|masks| masks.bits(kind));
                if bits == Some(0) {
                    continue;
                }
                match groups.iter_mut().find(|(known, _)| *known == bits) {
                    Some((_, group)) => group.push(number as u32),
                    None => groups.push((bits, vec![number as u32])),
                }
            }
            let group = |(operations, numbers)| Group::new(program, rules, operations, numbers);
            index.by_kind[kind as usize] = groups.into_iter().map(group).collect();
        }
        index
    }

    /// Whether no rule is about records of `kind`.
    pub(crate) fn is_empty(&self, kind: Kind) -> bool {
        self.by_kind[kind as usize].is_empty()
    }

    /// Numbers of rules that `record` may match, in order; all others it does not.
    pub(crate) fn candidates(
        &self,
        record: &Joined<'_>,
        judgement: &mut Judgement<'_, '_>,
        candidates: &mut Vec<u32>,
    ) {
        let flags = ops::flags(record.record);
        let mut sources = 0;
        for group in &self.by_kind[record.record.kind() as usize] {
            if group.operations.is_some_and(|operations| operations & flags == 0) {
                continue;
            }
            let before = candidates.len();
            candidates.extend_from_slice(&group.rules);
            sources += usize::from(candidates.len() > before);
            for table in &group.tables {
                let before = candidates.len();
                table.find(judgement.value(table.field), candidates);
                // Several values may each lead to rules.
                sources += 2 * usize::from(candidates.len() > before);
            }
        }
        if sources > 1 {
            candidates.sort_unstable();
            candidates.dedup();
        }
    }
}

impl Group {
    fn new(
        program: &Program,
        rules: &[(NodeId, KindSet)],
        operations: Option<i32>,
        numbers: Vec<u32>,
    ) -> Self {
        let demand = |number: u32| demanded(program, rules[number as usize].0);
        let mut counts: HashMap<FieldId, usize> = HashMap::default();
        for (atom, _) in numbers.iter().filter_map(|number| demand(*number)) {
            *counts.entry(atom.field).or_default() += 1;
        }
        let mut group = Self { operations, rules: Vec::new(), tables: Vec::new() };
        for number in numbers {
            match demand(number) {
                Some((atom, demand)) if counts[&atom.field] >= WORTH_A_TABLE => {
                    group.table(atom).insert(&demand, number);
                }
                _ => group.rules.push(number),
            }
        }
        group
    }

    fn table(&mut self, atom: &Atom) -> &mut Table {
        let at = self.tables.iter().position(|table| table.field == atom.field).unwrap_or_else(|| {
            self.tables.push(Table {
                field: atom.field,
                in_parts: matches!(atom.test, Test::Parts(_)),
                texts: HashMap::default(),
                numbers: HashMap::default(),
            });
            self.tables.len() - 1
        });
        &mut self.tables[at]
    }
}

impl Table {
    fn insert(&mut self, demand: &Demand<'_>, rule: u32) {
        match demand {
            Demand::Texts(texts) => {
                for text in texts {
                    self.texts.entry((*text).into()).or_default().push(rule);
                }
            }
            Demand::Numbers(numbers) => {
                for number in numbers {
                    self.numbers.entry(*number).or_default().push(rule);
                }
            }
        }
    }

    fn find(&self, value: &Value<'_>, candidates: &mut Vec<u32>) {
        if !self.texts.is_empty() {
            let mut look = |text: &str| {
                candidates.extend(self.texts.get(text).into_iter().flatten());
                false
            };
            if self.in_parts {
                any_part(value, look)
            } else {
                value.any_text(&mut look)
            };
        }
        if !self.numbers.is_empty() {
            value.any_number(|number| {
                candidates.extend(self.numbers.get(&number).into_iter().flatten());
                false
            });
        }
    }
}

/// For each node operations of which a record must have one for it to hold; `None` for no such demand.
fn operations(program: &Program) -> Vec<Option<OpMasks>> {
    let mut needed: Vec<Option<OpMasks>> = Vec::with_capacity(program.nodes.len());
    for node in &program.nodes {
        let of = |parts: &[NodeId]| parts.iter().map(|part| needed[*part as usize]).collect::<Vec<_>>();
        let masks = match node {
            Node::Const(true) | Node::Not(_) => None,
            Node::Const(false) => Some(OpMasks::default()),
            Node::Atom(atom) => match &program.atoms[*atom as usize] {
                Atom { test: Test::Operation(masks) | Test::Call(masks, _), negated: false, .. } => {
                    Some(*masks)
                }
                _ => None,
            },
            // Any part's demand is one of the whole; the narrowest serves best.
            Node::And(parts) => of(parts).into_iter().flatten().reduce(OpMasks::narrower),
            Node::Or(parts) => {
                of(parts).into_iter().try_fold(OpMasks::default(), |all, part| Some(all.union(part?)))
            }
        };
        needed.push(masks);
    }
    needed
}

/// The first question in a rule that must hold and demands certain values.
fn demanded(program: &Program, node: NodeId) -> Option<(&Atom, Demand<'_>)> {
    match &program.nodes[node as usize] {
        Node::And(parts) => parts.iter().find_map(|part| demanded(program, *part)),
        Node::Atom(atom) => {
            let atom = &program.atoms[*atom as usize];
            let demand = match &atom.test {
                _ if atom.negated => return None,
                Test::Is(text) | Test::Parts(Parts::Is(text)) => Demand::Texts(vec![&**text]),
                Test::IsOneOf(texts) | Test::Parts(Parts::IsOneOf(texts)) => {
                    Demand::Texts(texts.iter().map(|text| &**text).collect())
                }
                Test::Number(Operator::Equal, number) => Demand::Numbers(vec![*number]),
                Test::NumberIn(numbers) => Demand::Numbers(numbers.to_vec()),
                _ => return None,
            };
            Some((atom, demand))
        }
        _ => None,
    }
}
