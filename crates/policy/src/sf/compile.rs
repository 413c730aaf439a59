//! Conditions of sf-processor's files on their way into the program that all rules share.

use super::{
    field::SfField,
    question::{self, Parts},
};
use crate::{
    compile::{AtomKey, Builder, Compiled, FieldId, Node, Test},
    field::{Field, Value},
    kinds::KindSet,
    syntax::{Comparison, FieldName, Operand, Operator},
};

impl Builder {
    pub(crate) fn sf_exists(&mut self, field: &FieldName) -> Compiled {
        let mut asked = SfField::new(&field.name);
        if asked.is_literal() {
            return self.constant(true);
        }
        if let (Some(name), false) = (asked.origin.named(), asked.has_path()) {
            asked = SfField::new(name);
        }
        let kinds = question::kinds(&asked, |value| Parts::Exists.holds(value));
        let id = self.sf_field(asked, &field.name);
        self.sf_atom(id, None, Vec::new(), None, kinds, Test::Parts(Parts::Exists))
    }

    pub(crate) fn sf_comparison(&mut self, comparison: &Comparison) -> Compiled {
        let operator = comparison.operator;
        let left = SfField::new(&comparison.field.name);
        let is_order = matches!(
            operator,
            Operator::Less | Operator::LessEqual | Operator::Greater | Operator::GreaterEqual
        );
        match &comparison.operand {
            Operand::Field(right) if is_order => {
                self.sf_order(left, &comparison.field.name, operator, SfField::new(&right.name), &right.name)
            }
            Operand::Field(right) => {
                let (left, right) = (
                    self.sf_field(left, &comparison.field.name),
                    self.sf_field(SfField::new(&right.name), &right.name),
                );
                let test = Test::PartsOfField(operator, right);
                self.sf_atom(left, Some(operator), Vec::new(), Some(right), KindSet::JUDGED, test)
            }
            Operand::One(word) => self.sf_texts(left, &comparison.field.name, operator, &[&word.text]),
            // This language has no modifiers.
            Operand::Many(words) | Operand::Each(_, words) => {
                let texts: Vec<_> = words.iter().map(|word| word.text.as_str()).collect();
                self.sf_texts(left, &comparison.field.name, operator, &texts)
            }
        }
    }

    fn sf_texts(&mut self, left: SfField, written: &str, operator: Operator, texts: &[&str]) -> Compiled {
        if texts.is_empty() {
            return self.constant(false);
        }
        let parts = Parts::new(operator, texts.iter().copied());
        if left.is_literal() {
            return self.constant(parts.holds(&left.absent()));
        }
        let mut kinds = question::kinds(&left, |value| parts.holds(value));
        let masks = if left.is("sf.opflags") { question::operations(&parts) } else { None };
        let test = match masks {
            Some(masks) => {
                kinds = masks.kinds();
                Test::Operation(masks)
            }
            None => Test::Parts(parts),
        };
        let mut values: Vec<String> =
            texts.iter().flat_map(|text| text.split(',')).map(str::to_owned).collect();
        values.sort_unstable();
        values.dedup();
        let operator = match operator {
            Operator::In => Operator::Equal,
            Operator::PathMatch => Operator::Contains,
            operator => operator,
        };
        let id = self.sf_field(left, written);
        self.sf_atom(id, Some(operator), values, None, kinds, test)
    }

    /// `<` and the like: numbers, and 0 for what is none.
    fn sf_order(
        &mut self,
        left: SfField,
        left_written: &str,
        operator: Operator,
        right: SfField,
        right_written: &str,
    ) -> Compiled {
        let number = |written: &str| written.parse::<i64>().unwrap_or(0);
        match (left.is_number(), right.is_number()) {
            (false, false) => {
                let test = Test::Number(operator, number(right_written));
                self.constant(test.passes(&Value::Int(number(left_written))))
            }
            (true, true) => {
                let (left, right) = (self.sf_field(left, left_written), self.sf_field(right, right_written));
                let test = Test::Field(operator, right);
                self.sf_atom(left, Some(operator), Vec::new(), Some(right), KindSet::JUDGED, test)
            }
            (true, false) => self.sf_number(left, left_written, operator, number(right_written)),
            (false, true) => {
                let mirrored = match operator {
                    Operator::Less => Operator::Greater,
                    Operator::LessEqual => Operator::GreaterEqual,
                    Operator::Greater => Operator::Less,
                    _ => Operator::LessEqual,
                };
                self.sf_number(right, right_written, mirrored, number(left_written))
            }
        }
    }

    fn sf_number(&mut self, field: SfField, written: &str, operator: Operator, number: i64) -> Compiled {
        let test = Test::Number(operator, number);
        let kinds = question::kinds(&field, |value| test.passes(value));
        let id = self.sf_field(field, written);
        self.sf_atom(id, Some(operator), vec![number.to_string()], None, kinds, test)
    }

    fn sf_field(&mut self, field: SfField, written: &str) -> FieldId {
        self.field_id(format!("sf-processor {written}"), || Field::sf_processor(written, field))
    }

    fn sf_atom(
        &mut self,
        field: FieldId,
        operator: Option<Operator>,
        values: Vec<String>,
        other: Option<FieldId>,
        kinds: KindSet,
        test: Test,
    ) -> Compiled {
        let key = AtomKey { field, operator, values, other };
        let node = self.atom(key, kinds, |_| test);
        self.compiled(node, &[])
    }

    fn constant(&mut self, truth: bool) -> Compiled {
        let node = self.node(Node::Const(truth));
        self.compiled(node, &[])
    }
}
