//! Rules by values that they demand of the record itself.

use super::trigger::Literal;
use crate::{
    HashMap,
    compile::{
        atom::{FieldId, Test},
        program::{Judgement, Node, Program},
    },
    sf::{Parts, any_part},
    syntax::Operator,
};

/// Rules that demand values of one field; fewer are quicker asked one by one than looked up.
const WORTH_A_TABLE: usize = 8;

#[derive(Debug, Default)]
pub(super) struct Tables {
    /// How many rules there are for each.
    counts: HashMap<(FieldId, bool), usize>,
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

/// Values of which a rule demands one: it holds for no record whose field has others.
pub(super) struct Demand<'p> {
    field: FieldId,
    in_parts: bool,
    texts: Vec<&'p str>,
    numbers: Vec<i64>,
}

/// The first question of `rest`, all of which must hold, that demands certain values.
pub(super) fn demanded<'p>(program: &'p Program, rest: &[Literal]) -> Option<Demand<'p>> {
    rest.iter().filter(|literal| !literal.negated).find_map(|literal| {
        let Node::Atom(atom) = program.nodes[literal.node as usize] else { return None };
        let atom = &program.atoms[atom as usize];
        if atom.negated {
            return None;
        }
        let (texts, numbers) = match &atom.test {
            Test::Is(text) | Test::Parts(Parts::Is(text)) => (vec![&**text], Vec::new()),
            Test::IsOneOf(texts) | Test::Parts(Parts::IsOneOf(texts)) => {
                (texts.iter().map(|text| &**text).collect(), Vec::new())
            }
            Test::Number(Operator::Equal, number) => (Vec::new(), vec![*number]),
            Test::NumberIn(numbers) => (Vec::new(), numbers.to_vec()),
            _ => return None,
        };
        Some(Demand { field: atom.field, in_parts: matches!(atom.test, Test::Parts(_)), texts, numbers })
    })
}

impl Tables {
    /// Takes note of what is demanded, before anything is inserted.
    pub(super) fn count<'d, 'p: 'd>(&mut self, demands: impl Iterator<Item = &'d Demand<'p>>) {
        for demand in demands {
            *self.counts.entry((demand.field, demand.in_parts)).or_default() += 1;
        }
    }

    /// Puts a rule into the table for what it demands; which one that is, if it is worth one.
    pub(super) fn insert(&mut self, demand: &Demand<'_>, rule: u32) -> Option<u32> {
        let Demand { field, in_parts, .. } = *demand;
        if self.counts.get(&(field, in_parts)).is_none_or(|count| *count < WORTH_A_TABLE) {
            return None;
        }
        let known = self.tables.iter().position(|table| (table.field, table.in_parts) == (field, in_parts));
        let at = known.unwrap_or(self.tables.len());
        if known.is_none() {
            let (texts, numbers) = (HashMap::default(), HashMap::default());
            self.tables.push(Table { field, in_parts, texts, numbers });
        }
        let table = &mut self.tables[at];
        for text in &demand.texts {
            table.texts.entry((*text).into()).or_default().push(rule);
        }
        for number in &demand.numbers {
            table.numbers.entry(*number).or_default().push(rule);
        }
        Some(at as u32)
    }

    /// Adds the rules of table `at` whose demand the record meets to `rules`, some perhaps twice.
    pub(super) fn find(&self, at: u32, judgement: &mut Judgement<'_, '_>, rules: &mut Vec<u32>) {
        let table = &self.tables[at as usize];
        let value = judgement.value(table.field);
        if !table.texts.is_empty() {
            let mut look = |text: &str| {
                rules.extend(table.texts.get(text).into_iter().flatten());
                false
            };
            if table.in_parts {
                any_part(value, look)
            } else {
                value.any_text(&mut look)
            };
        }
        if !table.numbers.is_empty() {
            value.any_number(|number| {
                rules.extend(table.numbers.get(&number).into_iter().flatten());
                false
            });
        }
    }
}
