//! From conditions as written to the tree that both languages share.

use super::{
    attribute,
    field::SfField,
    parser::{Atom, List, Term, unquoted},
};
use crate::{
    HashMap, HashSet,
    file::Problems,
    suggest::did_you_mean,
    syntax::{Comparison, Expr, FieldName, Operand, Operator, Word},
};

/// Beginnings of names that are meant for attributes.
const FAMILIES: [&str; 6] = ["sf.", "evt.", "fd.", "proc.", "container.", "user."];
/// Lists inside lists.
const MAX_LISTS: usize = 100;

/// Names that conditions can use.
pub(super) struct Names<'a> {
    pub(super) lists: HashMap<&'a str, &'a List>,
    pub(super) macros: HashSet<&'a str>,
    /// Names that were warned of.
    pub(super) warned: HashSet<String>,
}

/// The values of one comparison, while its lists are opened.
#[derive(Default)]
struct Expansion<'s> {
    words: Vec<Word>,
    open: Vec<&'s str>,
    done: HashSet<&'s str>,
}

impl Names<'_> {
    /// The tree of a condition. What cannot be found is false, as with sf-processor, and warned of.
    pub(super) fn expr(&mut self, term: &Term, problems: &mut Problems<'_>) -> Expr {
        match term {
            Term::And(parts) => Expr::And(parts.iter().map(|part| self.expr(part, problems)).collect()),
            Term::Or(parts) => Expr::Or(parts.iter().map(|part| self.expr(part, problems)).collect()),
            Term::Not(inner) => Expr::Not(Box::new(self.expr(inner, problems))),
            Term::Macro(name) if self.macros.contains(name.text.as_str()) => Expr::Macro(word(name)),
            Term::Macro(name) => {
                if self.warned.insert(name.text.clone()) {
                    let help = did_you_mean(&name.text, self.macros.iter().copied());
                    let message = format!("there is no macro `{}`: it counts as false", name.text);
                    problems.warning_help(name.span, message, help);
                }
                Expr::Or(Vec::new())
            }
            Term::Exists(atom) => {
                self.check(atom, problems);
                Expr::Exists(field(atom))
            }
            Term::Compare(left, operator, right) => self.comparison(left, *operator, right, problems),
            Term::AnyOf(left, operator, values) => {
                self.check(left, problems);
                let mut expansion = Expansion::default();
                for value in values {
                    self.expand(value, &mut expansion, problems);
                }
                compare(left, *operator, Operand::Many(expansion.words))
            }
        }
    }

    fn comparison(
        &mut self,
        left: &Atom,
        operator: Operator,
        right: &Atom,
        problems: &mut Problems<'_>,
    ) -> Expr {
        self.check(left, problems);
        if right.text.starts_with("sf.") {
            self.check(right, problems);
        }
        let is_order = matches!(
            operator,
            Operator::Less | Operator::LessEqual | Operator::Greater | Operator::GreaterEqual
        );
        if self.lists.contains_key(right.text.as_str()) && self.warned.insert(right.text.clone()) {
            let help = format!("write `{} in ({})`", left.text, right.text);
            let message = format!("the list `{}` is taken for its name here", right.text);
            problems.warning_help(right.span, message, Some(help));
        }
        let meant = SfField::new(&right.text);
        let operand = if is_order || !meant.is_literal() {
            Operand::Field(field(right))
        } else {
            let text = meant.literal().unwrap_or_default().to_owned();
            Operand::One(Word { text, quoted: true, span: right.span })
        };
        match operator {
            Operator::NotEqual => Expr::Not(Box::new(compare(left, Operator::Equal, operand))),
            operator => compare(left, operator, operand),
        }
    }

    /// Values that `atom` stands for: itself, or the items of a list, which may name lists.
    fn expand<'s>(&'s self, atom: &Atom, into: &mut Expansion<'s>, problems: &mut Problems<'_>) {
        let Some((name, list)) = self.lists.get_key_value(atom.text.as_str()) else {
            let text = unquoted(&atom.text).to_owned();
            into.words.push(Word { text, quoted: true, span: atom.span });
            return;
        };
        if into.open.contains(name) || into.open.len() > MAX_LISTS {
            let message = format!("list `{name}` contains itself, or lies deeper than {MAX_LISTS} lists");
            problems.error(list.name.span, message);
            return;
        }
        // A list met twice adds nothing: this also bounds lists of lists of lists.
        if !into.done.insert(name) {
            return;
        }
        into.open.push(name);
        for item in &list.items {
            self.expand(item, into, problems);
        }
        into.open.pop();
    }

    /// Warns of a name that looks like an attribute and is none: it stands for its own text.
    fn check(&mut self, atom: &Atom, problems: &mut Problems<'_>) {
        let name = atom.text.split('[').next().unwrap_or_default();
        if FAMILIES.iter().any(|family| name.starts_with(family))
            && SfField::new(&atom.text).is_literal()
            && name != "evt.dir"
            && self.warned.insert(atom.text.clone())
        {
            let message = format!("there is no attribute `{name}`: it stands for its own text");
            let help = did_you_mean(name, attribute::names());
            problems.warning_help(atom.span, message, help);
        }
    }
}

fn compare(left: &Atom, operator: Operator, operand: Operand) -> Expr {
    let comparison = Comparison { field: field(left), operator, operator_span: left.span, operand };
    Expr::Compare(Box::new(comparison))
}

fn field(atom: &Atom) -> FieldName {
    FieldName::plain(atom.text.clone(), None, atom.span)
}

pub(super) fn word(atom: &Atom) -> Word {
    Word { text: atom.text.clone(), quoted: false, span: atom.span }
}
