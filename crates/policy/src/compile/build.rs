//! Compiles trees into a program: looks up names, checks types, shares equal parts.

use std::collections::BTreeSet;

use super::{
    atom::{Atom, FieldId, Test},
    program::{Node, NodeId, Program},
    question,
    scope::{MacroState, Scope},
};
use crate::{
    HashMap,
    field::{Field, FieldError, Role, Type, Value, Wrong},
    file::Problems,
    kinds::KindSet,
    sf::Language,
    source::Span,
    syntax::{self, Comparison, Expr, FieldName, Modifier, Operand, Operator, Word},
};

/// Levels of conditions and macros inside each other; keeps recursion within a small stack.
const MAX_LEVELS: usize = 400;

/// A compiled condition.
#[derive(Clone, Debug)]
pub(crate) struct Compiled {
    pub(crate) node: NodeId,
    /// Fields in it that records cannot answer: the condition must not be used.
    pub(crate) cannot: Vec<Cannot>,
    /// How its fields differ from Falco's.
    pub(crate) notes: BTreeSet<String>,
    /// Longest way from the root to a leaf.
    levels: usize,
}

/// A field that records cannot answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cannot {
    pub(crate) span: Span,
    pub(crate) field: String,
    pub(crate) reason: String,
}

#[derive(Debug, Default)]
pub(crate) struct Builder {
    pub(crate) program: Program,
    /// Whose meaning names and operators have.
    pub(crate) language: Language,
    fields: HashMap<String, FieldId>,
    atoms: HashMap<AtomKey, u32>,
    nodes: HashMap<Node, NodeId>,
    kinds: Vec<KindSet>,
    atom_kinds: Vec<KindSet>,
}

/// What makes two atoms one.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct AtomKey {
    pub(crate) field: FieldId,
    /// `None` for `exists`.
    pub(crate) operator: Option<Operator>,
    pub(crate) values: Vec<String>,
    pub(crate) other: Option<FieldId>,
}

/// `None`: what is wrong was reported.
type Built<T> = Option<T>;

impl Builder {
    /// Kinds of records on which `node` can hold.
    pub(crate) fn kinds(&self, node: NodeId) -> KindSet {
        self.kinds[node as usize]
    }

    pub(crate) fn and_not(&mut self, node: NodeId, excepted: NodeId) -> NodeId {
        let not = self.not(excepted);
        self.all(vec![node, not])
    }

    /// Compiles `expr`; problems are reported and give `None`.
    pub(crate) fn condition(
        &mut self,
        expr: &Expr,
        scope: &mut Scope<'_>,
        problems: &mut Problems<'_>,
    ) -> Built<Compiled> {
        self.expr(expr, 0, scope, problems)
    }

    fn expr(
        &mut self,
        expr: &Expr,
        level: usize,
        scope: &mut Scope<'_>,
        problems: &mut Problems<'_>,
    ) -> Built<Compiled> {
        match expr {
            Expr::And(parts) => self.parts(parts, true, level, scope, problems),
            Expr::Or(parts) => self.parts(parts, false, level, scope, problems),
            Expr::Not(inner) => {
                let mut inner = self.expr(inner, level + 1, scope, problems)?;
                inner.node = self.not(inner.node);
                inner.levels += 1;
                Some(inner)
            }
            Expr::Macro(name) => self.macro_(name, level, scope, problems),
            Expr::Exists(field) if self.language == Language::SfProcessor => Some(self.sf_exists(field)),
            Expr::Compare(comparison) if self.language == Language::SfProcessor => {
                Some(self.sf_comparison(comparison))
            }
            Expr::Exists(field) => match self.field(field, problems)? {
                Ok(id) => {
                    let key = AtomKey { field: id, operator: None, values: Vec::new(), other: None };
                    let kinds = self.program.fields[id as usize].kinds;
                    let node = self.atom(key, kinds, |_| Test::Exists);
                    Some(self.compiled(node, &[id]))
                }
                Err(cannot) => Some(self.unanswered(cannot)),
            },
            Expr::Compare(comparison) => self.comparison(comparison, scope, problems),
        }
    }

    pub(crate) fn compiled(&self, node: NodeId, fields: &[FieldId]) -> Compiled {
        let notes = fields
            .iter()
            .filter_map(|id| {
                let field = &self.program.fields[*id as usize];
                field.note.map(|note| format!("{}: {note}", field.name))
            })
            .collect();
        Compiled { node, cannot: Vec::new(), notes, levels: 1 }
    }

    fn unanswered(&mut self, cannot: Cannot) -> Compiled {
        let node = self.node(Node::Const(false));
        Compiled { node, cannot: vec![cannot], notes: BTreeSet::new(), levels: 1 }
    }

    fn parts(
        &mut self,
        parts: &[Expr],
        all: bool,
        level: usize,
        scope: &mut Scope<'_>,
        problems: &mut Problems<'_>,
    ) -> Built<Compiled> {
        // Every part is compiled, also after a wrong one: all problems are wanted.
        let parts: Vec<_> = parts.iter().map(|part| self.expr(part, level + 1, scope, problems)).collect();
        let mut whole = Compiled { node: 0, cannot: Vec::new(), notes: BTreeSet::new(), levels: 0 };
        let mut nodes = Vec::with_capacity(parts.len());
        for part in parts {
            let part = part?;
            nodes.push(part.node);
            whole
                .cannot
                .extend(part.cannot.into_iter().filter(|c| !whole.cannot.contains(c)).collect::<Vec<_>>());
            whole.notes.extend(part.notes);
            whole.levels = whole.levels.max(part.levels + 1);
        }
        whole.node = if all { self.all(nodes) } else { self.any(nodes) };
        Some(whole)
    }

    fn macro_<'a>(
        &mut self,
        name: &Word,
        level: usize,
        scope: &mut Scope<'a>,
        problems: &mut Problems<'_>,
    ) -> Built<Compiled> {
        let library = scope.library;
        let Some((key, definition)) = library.macros.get_key_value(name.text.as_str()) else {
            let help = scope.macro_help(&name.text);
            problems.error_help(name.span, format!("there is no macro `{}`", name.text), help);
            return None;
        };
        let key: &'a str = key;
        match scope.macros.get(key) {
            Some(MacroState::Ready(compiled)) => {
                let compiled = compiled.clone();
                if level + compiled.levels > MAX_LEVELS {
                    problems
                        .error(name.span, format!("conditions are nested deeper than {MAX_LEVELS} levels"));
                    return None;
                }
                return Some(compiled);
            }
            Some(MacroState::Broken) => return None,
            Some(MacroState::Open) => {
                problems.error(definition.name_span, format!("macro `{key}` contains itself"));
                return None;
            }
            None => {}
        }
        if level > MAX_LEVELS {
            problems.error(name.span, format!("conditions are nested deeper than {MAX_LEVELS} levels"));
            return None;
        }
        scope.macros.insert(key, MacroState::Open);
        let text = &definition.condition;
        let parsed = match &definition.parsed {
            Some(expr) => Ok(expr.clone()),
            None => syntax::parse(&text.text, &|range| text.span(range)),
        };
        let compiled = match parsed {
            Ok(expr) => self.expr(&expr, level + 1, scope, problems),
            Err(error) => {
                problems.error_help(error.span, error.message, error.help);
                None
            }
        };
        let state = compiled.clone().map_or(MacroState::Broken, MacroState::Ready);
        scope.macros.insert(key, state);
        compiled
    }

    /// The field known as `key`, made at its first use.
    pub(crate) fn field_id(&mut self, key: String, make: impl FnOnce() -> Field) -> FieldId {
        if let Some(id) = self.fields.get(&key) {
            return *id;
        }
        let id = self.program.fields.len() as FieldId;
        self.program.fields.push(make());
        self.fields.insert(key, id);
        id
    }

    /// `Some(Err(…))`: a field of Falco that records cannot answer.
    fn field(&mut self, name: &FieldName, problems: &mut Problems<'_>) -> Built<Result<FieldId, Cannot>> {
        let full = name.full();
        if let Some(id) = self.fields.get(&full) {
            return Some(Ok(*id));
        }
        match Field::compile(name) {
            Ok(field) => Some(Ok(self.field_id(full, || field))),
            Err(Wrong { at, error: FieldError::CannotAnswer(reason) }) => {
                let field = FieldName { functions: Vec::new(), ..at.clone() }.full();
                Some(Err(Cannot { span: at.span, field, reason: reason.to_owned() }))
            }
            Err(Wrong { at, error: FieldError::Unknown { suggestion } }) => {
                let help = suggestion.map(|found| format!("did you mean `{found}`?"));
                problems.error_help(at.span, format!("there is no field `{}`", at.name), help);
                None
            }
            Err(Wrong { at, error: FieldError::Argument(message) }) => {
                problems.error(at.span, message);
                None
            }
        }
    }

    fn comparison(
        &mut self,
        comparison: &Comparison,
        scope: &mut Scope<'_>,
        problems: &mut Problems<'_>,
    ) -> Built<Compiled> {
        let field = self.field(&comparison.field, problems);
        let words = match &comparison.operand {
            Operand::One(word) => vec![word.clone()],
            Operand::Many(words) | Operand::Each(_, words) => scope.expand(words, problems)?,
            Operand::Field(other) => {
                let other = self.field(other, problems)?;
                return match (field?, other) {
                    (Ok(left), Ok(right)) => self.two_fields(comparison, left, right, problems),
                    (Err(cannot), _) | (_, Err(cannot)) => Some(self.unanswered(cannot)),
                };
            }
        };
        let id = match field? {
            Ok(id) => id,
            Err(cannot) => return Some(self.unanswered(cannot)),
        };
        if words.is_empty() {
            let node = self.node(Node::Const(false));
            return Some(self.compiled(node, &[id]));
        }
        for word in words.iter().filter(|word| !word.quoted && Field::is_name(&word.text)) {
            let message = format!("`{}` is compared as text", word.text);
            let help = format!("`val({})` compares with the field", word.text);
            problems.warning_help(word.span, message, Some(help));
        }
        let (node, kinds, depth) = if let Operand::Each(modifier, _) = comparison.operand {
            self.each(id, comparison, modifier, &words, problems)?
        } else {
            let (node, kinds) = self.question(id, comparison, &words, problems)?;
            (node, kinds, 1)
        };
        let mut compiled = self.compiled(node, &[id]);
        compiled.levels = depth;
        match self.program.fields[id as usize].role {
            Role::SystemCall => compiled.notes.extend(question::call_notes(&words)),
            // No event of Falco has the number 0 either: rules say "never" so.
            Role::Constant(_) if words.iter().all(|word| word.text == "0") => compiled.notes.clear(),
            _ => {}
        }
        if kinds.is_empty() {
            let names = words.iter().map(|word| format!("`{}`", word.text)).collect::<Vec<_>>().join(", ");
            compiled.notes.insert(format!("{names}: system calls that are not recorded"));
        }
        Some(compiled)
    }

    /// One question, and the kinds of records on which its answer can be yes.
    fn question(
        &mut self,
        id: FieldId,
        comparison: &Comparison,
        words: &[Word],
        problems: &mut Problems<'_>,
    ) -> Built<(NodeId, KindSet)> {
        let field = &self.program.fields[id as usize];
        let (test, kinds) = question::test(field, comparison, words, problems)?;
        if let Role::Constant(number) = field.role {
            let truth = test.passes(&Value::Int(number)) != (comparison.operator == Operator::NotEqual);
            return Some((self.node(Node::Const(truth)), kinds));
        }
        let mut values: Vec<_> = words.iter().map(|word| word.text.clone()).collect();
        values.sort_unstable();
        let operator = match comparison.operator {
            Operator::Intersects => Operator::In,
            operator => operator,
        };
        let key = AtomKey { field: id, operator: Some(operator), values, other: None };
        Some((self.atom(key, kinds, |_| test), kinds))
    }

    /// `field operator oneof (a, b)`: a question for each value, the answers counted. Also its levels.
    fn each(
        &mut self,
        id: FieldId,
        comparison: &Comparison,
        modifier: Modifier,
        words: &[Word],
        problems: &mut Problems<'_>,
    ) -> Built<(NodeId, KindSet, usize)> {
        // A set answers these at once.
        let set = matches!(
            (comparison.operator, modifier),
            (Operator::Equal, Modifier::Any) | (Operator::NotEqual, Modifier::All)
        );
        if set {
            let (node, kinds) = self.question(id, comparison, words, problems)?;
            return Some((node, kinds, 1));
        }
        let mut nodes = Vec::with_capacity(words.len());
        let mut kinds = KindSet::NONE;
        for word in words {
            let (node, of) = self.question(id, comparison, std::slice::from_ref(word), problems)?;
            nodes.push(node);
            kinds = kinds.union(of);
        }
        let depth = 2 + 3 * nodes.len().ilog2() as usize;
        let node = match modifier {
            Modifier::Any => self.any(nodes),
            Modifier::All => self.all(nodes),
            Modifier::One => self.exactly_one(&nodes),
        };
        Some((node, kinds, depth))
    }

    /// One half holds exactly one, the other none: the graph grows with the number of parts, not with its square.
    fn exactly_one(&mut self, parts: &[NodeId]) -> NodeId {
        let [first, rest @ ..] = parts else { return self.node(Node::Const(false)) };
        if rest.is_empty() {
            return *first;
        }
        let (left, right) = parts.split_at(parts.len() / 2);
        let mut only = |one: &[NodeId], none: &[NodeId]| {
            let one = self.exactly_one(one);
            let any = self.any(none.to_vec());
            self.and_not(one, any)
        };
        let either = vec![only(left, right), only(right, left)];
        self.any(either)
    }

    fn two_fields(
        &mut self,
        comparison: &Comparison,
        left: FieldId,
        right: FieldId,
        problems: &mut Problems<'_>,
    ) -> Built<Compiled> {
        let operator = comparison.operator;
        let (a, b) = (&self.program.fields[left as usize], &self.program.fields[right as usize]);
        let numeric = matches!(
            operator,
            Operator::Less | Operator::LessEqual | Operator::Greater | Operator::GreaterEqual
        );
        if numeric && (a.value_type != Type::Number || b.value_type != Type::Number) {
            let message = format!("`{}` compares numbers", operator.as_str());
            problems.error(comparison.operator_span, message);
            return None;
        }
        if matches!(
            operator,
            Operator::PathMatch
                | Operator::Glob
                | Operator::IGlob
                | Operator::Regex
                | Operator::BContains
                | Operator::BStartsWith
        ) {
            let message = format!("`{}` takes a pattern, not a field", operator.as_str());
            problems.error(comparison.operator_span, message);
            return None;
        }
        let kinds = a.kinds.intersection(b.kinds);
        let key = AtomKey { field: left, operator: Some(operator), values: Vec::new(), other: Some(right) };
        let node = self.atom(key, kinds, |_| Test::Field(operator, right));
        Some(self.compiled(node, &[left, right]))
    }

    pub(crate) fn atom(
        &mut self,
        key: AtomKey,
        kinds: KindSet,
        test: impl FnOnce(&AtomKey) -> Test,
    ) -> NodeId {
        if let Some(id) = self.atoms.get(&key) {
            return self.node(Node::Atom(*id));
        }
        let id = self.program.atoms.len() as u32;
        let negated = key.operator == Some(Operator::NotEqual);
        let text = self.as_written(&key).into();
        let atom = Atom { field: key.field, test: test(&key), negated, text };
        self.program.atoms.push(atom);
        self.atom_kinds.push(kinds);
        self.atoms.insert(key, id);
        self.node(Node::Atom(id))
    }

    /// An atom as people write it.
    fn as_written(&self, key: &AtomKey) -> String {
        /// Values that are shown of a list.
        const SHOWN: usize = 8;
        let field = &self.program.fields[key.field as usize].name;
        let Some(operator) = key.operator else { return format!("{field} exists") };
        let operator = operator.as_str();
        match (key.other, key.values.as_slice()) {
            (Some(other), _) => format!("{field} {operator} {}", self.program.fields[other as usize].name),
            (None, [only]) => format!("{field} {operator} {only}"),
            (None, values) => {
                let shown = values.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
                let more = values.len().saturating_sub(SHOWN);
                let more = if more > 0 { format!(", and {more} more") } else { String::new() };
                let operator = if operator == "=" { "in" } else { operator };
                format!("{field} {operator} ({shown}{more})")
            }
        }
    }

    // === nodes ===

    pub(crate) fn node(&mut self, node: Node) -> NodeId {
        if let Some(id) = self.nodes.get(&node) {
            return *id;
        }
        let of = |ids: &[NodeId], join: fn(KindSet, KindSet) -> KindSet, start| {
            ids.iter().fold(start, |set, id| join(set, self.kinds[*id as usize]))
        };
        let kinds = match &node {
            Node::Const(false) => KindSet::NONE,
            Node::Const(true) => KindSet::JUDGED,
            Node::Not(inner) => match &self.program.nodes[*inner as usize] {
                Node::Const(true) => KindSet::NONE,
                _ => KindSet::JUDGED,
            },
            Node::Atom(atom) => self.atom_kinds[*atom as usize].intersection(KindSet::JUDGED),
            Node::And(parts) => of(parts, KindSet::intersection, KindSet::JUDGED),
            Node::Or(parts) => of(parts, KindSet::union, KindSet::NONE),
        };
        let id = self.program.nodes.len() as NodeId;
        self.program.nodes.push(node.clone());
        self.kinds.push(kinds);
        self.nodes.insert(node, id);
        id
    }

    fn not(&mut self, inner: NodeId) -> NodeId {
        match self.program.nodes[inner as usize] {
            Node::Not(twice) => twice,
            Node::Const(truth) => self.node(Node::Const(!truth)),
            _ => self.node(Node::Not(inner)),
        }
    }

    fn all(&mut self, parts: Vec<NodeId>) -> NodeId {
        self.joined(parts, false, Node::And)
    }

    pub(crate) fn any(&mut self, parts: Vec<NodeId>) -> NodeId {
        self.joined(parts, true, Node::Or)
    }

    /// `decider` is the constant that decides the whole; the other one adds nothing.
    fn joined(&mut self, parts: Vec<NodeId>, decider: bool, make: fn(Box<[NodeId]>) -> Node) -> NodeId {
        let mut kept: Vec<NodeId> = Vec::with_capacity(parts.len());
        for part in parts {
            match self.program.nodes[part as usize] {
                Node::Const(truth) if truth == decider => return part,
                Node::Const(_) => {}
                _ if kept.contains(&part) => {}
                _ => kept.push(part),
            }
        }
        match kept.as_slice() {
            [] => self.node(Node::Const(!decider)),
            [only] => *only,
            _ => self.node(make(kept.into())),
        }
    }
}
