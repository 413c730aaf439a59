//! Conditions to expressions over columns.
//!
//! What columns answer becomes an expression, which leaves out files, row groups, pages and rows. What they do not (a
//! regular expression, Falco's own fields, an ancestor) is left open: the expression then keeps every row that may
//! match, and the condition itself judges those.

use datafusion::common::{Column as Name, ScalarValue};
use datafusion::functions::expr_fn::{contains, ends_with, starts_with};
use datafusion::functions_nested::expr_fn::array_has;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, lit};
use sysflow_policy::Condition;
use sysflow_policy::query::{Comparison, Part, Question, Test};

use crate::column::{self, Form};

/// An expression larger than this costs more than it saves.
const MAX_NODES: usize = 2_000;

/// So is one that is nested deeper than this; the engine works on expressions recursively.
const MAX_DEPTH: usize = 64;

/// Values of a list that are compared one by one.
const MAX_VALUES: usize = 1_000;

/// A condition over columns.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    /// True for every row that may match.
    pub(crate) expr: Expr,
    /// Whether each row for which it is true does match.
    pub(crate) is_exact: bool,
}

/// What is known of a node: it holds only where `upper` is true, and wherever `lower` is true.
#[derive(Clone, Debug)]
struct Bounds {
    /// `None`: it may hold everywhere.
    upper: Option<Expr>,
    /// `None`: nothing is known to make it hold.
    lower: Option<Expr>,
    is_exact: bool,
    nodes: usize,
    depth: usize,
}

impl Filter {
    pub(crate) fn new(condition: &Condition) -> Self {
        let kinds: Vec<Expr> = condition.kinds().iter().map(|kind| lit(kind.as_str())).collect();
        let of_kind = column(column::TYPE).in_list(kinds, false);
        let mut known: Vec<Bounds> = Vec::new();
        for part in condition.parts() {
            let bounds = match part {
                Part::Const(truth) => Bounds::exact(lit(truth)),
                Part::Question(question) => ask(&question),
                Part::Not(of) => known[of].clone().not(),
                Part::All(of) => Bounds::join(of.iter().map(|at| &known[*at]), true),
                Part::Any(of) => Bounds::join(of.iter().map(|at| &known[*at]), false),
            };
            let is_large = bounds.nodes > MAX_NODES || bounds.depth > MAX_DEPTH;
            known.push(if is_large { Bounds::OPEN } else { bounds });
        }
        let whole = known.pop().unwrap_or(Bounds::OPEN);
        let expr = match whole.upper {
            Some(upper) => of_kind.and(upper),
            None => of_kind,
        };
        Self { expr, is_exact: whole.is_exact }
    }
}

/// The column of this name; its dots are no path.
pub(crate) fn column(name: &str) -> Expr {
    Expr::Column(Name::from_name(name))
}

fn ask(question: &Question<'_>) -> Bounds {
    // Operations are read off the record, whatever field was named.
    if let Test::Operations(masks) = &question.test
        && (!question.negated || question.attribute == Some("sf.opflags"))
    {
        let any: Vec<Expr> = masks
            .iter()
            .map(|(kind, bits)| column(column::TYPE).eq(lit(kind.as_str())).and(has_bits(*bits)))
            .collect();
        let any = balanced(any, Expr::or).unwrap_or_else(|| lit(false));
        return Bounds::exact(negated(question.negated, column(column::OPS), any));
    }
    let Some(column) = question.attribute.and_then(column::find) else { return Bounds::OPEN };
    match test(column, &question.test) {
        Some(expr) => Bounds::exact(negated(question.negated, self::column(column.name), expr)),
        None => Bounds::OPEN,
    }
}

pub(crate) fn has_bits(bits: i32) -> Expr {
    let ops = Expr::BinaryExpr(BinaryExpr::new(
        Box::new(column(column::OPS)),
        Operator::BitwiseAnd,
        Box::new(lit(i64::from(bits))),
    ));
    ops.not_eq(lit(0_i64))
}

/// A field without a value passes no question, a negated one neither.
fn negated(negated: bool, value: Expr, expr: Expr) -> Expr {
    if negated { value.is_not_null().and(expr.is_not_true()) } else { expr }
}

/// `None`: the column does not answer it.
fn test(of: column::Column, test: &Test<'_>) -> Option<Expr> {
    let value = column(of.name);
    let text = |text: &str| Expr::Literal(ScalarValue::Utf8(Some(text.to_owned())), None);
    Some(match (of.form, test) {
        (Form::Text, Test::Exists) => value.not_eq(text("")),
        (Form::Int | Form::Bool, Test::Exists) => value.is_not_null(),
        (Form::Text, Test::OneOf(texts)) if texts.len() <= MAX_VALUES => match texts.as_slice() {
            [only] => value.eq(text(only)),
            texts => value.in_list(texts.iter().map(|t| text(t)).collect(), false),
        },
        (Form::Texts, Test::OneOf(texts)) if texts.len() <= 16 => texts
            .iter()
            .map(|t| array_has(value.clone(), text(t)))
            .reduce(Expr::or)
            .unwrap_or_else(|| lit(false)),
        (Form::Text, Test::Contains(part)) => contains(value, text(part)),
        (Form::Text, Test::StartsWith(part)) => starts_with(value, text(part)),
        (Form::Text, Test::EndsWith(part)) => ends_with(value, text(part)),
        (Form::Int, Test::Number(comparison, number)) => {
            let number = lit(*number);
            match comparison {
                Comparison::Equal => value.eq(number),
                Comparison::Less => value.lt(number),
                Comparison::LessOrEqual => value.lt_eq(number),
                Comparison::Greater => value.gt(number),
                Comparison::GreaterOrEqual => value.gt_eq(number),
            }
        }
        (Form::Int, Test::NumberIn(numbers)) if numbers.len() <= MAX_VALUES => {
            value.in_list(numbers.iter().map(|number| lit(*number)).collect(), false)
        }
        (Form::Bool, Test::Truth(truth)) => value.eq(lit(*truth)),
        _ => return None,
    })
}

/// All of them joined, so that the result is no deeper than it has to be.
fn balanced(mut exprs: Vec<Expr>, join: fn(Expr, Expr) -> Expr) -> Option<Expr> {
    while exprs.len() > 1 {
        let mut joined = Vec::with_capacity(exprs.len().div_ceil(2));
        let mut pairs = exprs.into_iter();
        while let Some(left) = pairs.next() {
            joined.push(match pairs.next() {
                Some(right) => join(left, right),
                None => left,
            });
        }
        exprs = joined;
    }
    exprs.pop()
}

impl Bounds {
    const OPEN: Self = Self { upper: None, lower: None, is_exact: false, nodes: 0, depth: 0 };

    fn exact(expr: Expr) -> Self {
        Self { upper: Some(expr.clone()), lower: Some(expr), is_exact: true, nodes: 1, depth: 1 }
    }

    /// What has no answer is no: so the opposite of no answer is yes.
    fn not(self) -> Self {
        Self {
            upper: self.lower.map(Expr::is_not_true),
            lower: self.upper.map(Expr::is_not_true),
            is_exact: self.is_exact,
            nodes: self.nodes,
            depth: self.depth + 1,
        }
    }

    fn join<'a>(parts: impl Iterator<Item = &'a Self>, all: bool) -> Self {
        let (mut upper, mut lower) = (Vec::new(), Vec::new());
        let (mut is_exact, mut nodes, mut depth, mut count) = (true, 0, 0, 0_usize);
        for part in parts {
            count += 1;
            nodes += part.nodes;
            depth = depth.max(part.depth);
            is_exact &= part.is_exact;
            upper.extend(part.upper.clone());
            lower.extend(part.lower.clone());
        }
        let join = |exprs: Vec<Expr>| balanced(exprs, if all { Expr::and } else { Expr::or });
        // Of all parts, those that are known narrow it already; of any, one that is open leaves it open.
        let upper = if all || upper.len() == count { join(upper) } else { None };
        let lower = if !all || lower.len() == count { join(lower) } else { None };
        Self { upper, lower, is_exact, nodes, depth: depth + 1 + count.checked_ilog2().unwrap_or(0) as usize }
    }
}
