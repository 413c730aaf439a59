//! How all rules are judged at once.
//!
//! Most of a condition depends on one subject: the process, the object it acts on, or the shape of the record (its
//! kind and operations). What rules demand of a subject is put together in a *cell*, equal ones once. The cells that
//! hold are found when a subject is first seen, by matchers that answer all questions about a field in one pass, and
//! are kept until one of the entities changes. A rule has its *home* at the subject for which its condition is
//! rarest: only where that holds is the rule looked at, so that a record costs what it matches, not how many rules
//! there are. What remains for each record are bits, and the questions that depend on the record alone.

mod affix;
mod cache;
mod judge;
mod literal;
mod marks;
mod matcher;
mod part;
mod table;
mod trigger;

pub(crate) use self::{cache::Caches, marks::Marks, matcher::Answer};
use self::{
    marks::Hits,
    part::{CellId, Check, Part},
    table::Tables,
    trigger::{Literal, NEVER, Triggers},
};
use super::{
    atom::{Atom, Test},
    program::{Node, NodeId, Program},
};
use crate::{HashMap, HashSet, field::Subject, kinds::KindSet};

/// Literals that must all hold are taken apart up to this many: the rest stays as it is.
const MOST_LITERALS: usize = 512;

/// A rule is at home at a subject when its cell holds for less than about so many in a thousand.
const RARE: u32 = 400;

/// Subjects of which answers are kept.
const KEPT: [Subject; 3] = [Subject::Shape, Subject::Process, Subject::Object];

/// The rules of a set, ready to be judged.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Of shapes, processes and objects.
    parts: [Part; 3],
    /// By number.
    rules: Vec<Checks>,
    /// Number of the rule that keeps a record from all others.
    drop: Option<u32>,
    /// What rules demand of shapes, each once.
    views: Vec<View>,
    tables: Tables,
    /// Rules that are at home nowhere.
    homeless: Vec<u32>,
    /// For each node where its verdict is found.
    places: Vec<Place>,
    /// For each atom how its answer comes about.
    answers: Vec<Answer>,
    /// Whether objects of network flows differ in their ends.
    reads_ends: bool,
}

/// What a rule demands.
#[derive(Debug)]
struct Checks {
    kinds: KindSet,
    /// Of shape, process and object.
    of: [Check; 3],
    /// Of the record, or of several subjects at once.
    rest: Box<[Literal]>,
}

/// Subjects at which rules are at home.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Homes {
    process: bool,
    object: bool,
}

/// Rules that demand the same of a shape: what must be looked up for them.
#[derive(Debug, PartialEq, Eq, Hash)]
struct View {
    kinds: KindSet,
    check: Check,
    homes: Homes,
    table: Option<u32>,
}

/// Where the verdict of a node is found.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// In a cell of a part.
    Cell(u8, CellId),
    /// It is judged for each record.
    Record,
}

/// Makes a plan.
struct Planner<'p> {
    program: &'p Program,
    /// For each node the subjects of its atoms, a bit each.
    subjects: Vec<u8>,
    parts: [Part; 3],
    places: Vec<Place>,
    /// For each node whether places were found for it and below.
    placed: Vec<bool>,
}

const RECORD: u8 = 1 << 3;

fn bit(subject: Subject) -> u8 {
    match subject {
        Subject::Shape => 1,
        Subject::Process => 1 << 1,
        Subject::Object => 1 << 2,
        Subject::Record => RECORD,
    }
}

impl Plan {
    /// `rules` are the roots and the kinds of the rules, by number; `drop` keeps records from them.
    pub(crate) fn new(
        program: &Program,
        rules: &[(NodeId, KindSet)],
        drop: Option<(NodeId, KindSet)>,
    ) -> Self {
        let subjects: Vec<Subject> = program.atoms.iter().map(|atom| subject(program, atom)).collect();
        let mut found = vec![(Answer::Asked, 0); program.atoms.len()];
        let parts = KEPT.map(|wanted| {
            let of: Vec<u32> = (0..).zip(&subjects).filter(|(_, s)| **s == wanted).map(|(n, _)| n).collect();
            if wanted == Subject::Shape { Part::default() } else { Part::new(program, &of, &mut found) }
        });
        let triggers = Triggers::new(program, &found);
        let nodes = program.nodes.len();
        let mut planner = Planner {
            program,
            subjects: of_nodes(program, &subjects),
            parts,
            places: vec![Place::Record; nodes],
            placed: vec![false; nodes],
        };
        let checks: Vec<Checks> =
            rules.iter().chain(&drop).map(|(root, kinds)| planner.checks(*root, *kinds)).collect();
        let Planner { mut parts, places, .. } = planner;

        let costs = [1, 2].map(|at: usize| parts[at].costs(&triggers));
        let cost = |rule: &Checks, at: usize| match rule.of[at].cell() {
            Some((cell, true)) => costs[at - 1][cell as usize],
            _ => NEVER,
        };
        let mut tables = Tables::default();
        let at_tables: Vec<_> = checks
            .iter()
            .map(|rule| cost(rule, 1).min(cost(rule, 2)) >= RARE)
            .zip(&checks)
            .map(|(common, rule)| if common { table::demanded(program, &rule.rest) } else { None })
            .collect();
        tables.count(at_tables.iter().flatten());
        let mut views: HashSet<View> = HashSet::default();
        let mut shape_homes: HashMap<CellId, Vec<u32>> = HashMap::default();
        let mut homeless = Vec::new();
        for (number, (rule, demanded)) in (0..).zip(checks.iter().zip(at_tables)) {
            let mut view =
                View { kinds: rule.kinds, check: rule.of[0], homes: Homes::default(), table: None };
            let (process, object) = (cost(rule, 1), cost(rule, 2));
            if process.min(object) < RARE {
                let at = if process <= object { 1 } else { 2 };
                view.homes = Homes { process: at == 1, object: at == 2 };
                if let Some((cell, _)) = rule.of[at].cell() {
                    parts[at].homes.entry(cell).or_default().push(number);
                }
            } else if let Some(table) = demanded.and_then(|demand| tables.insert(&demand, number)) {
                view.table = Some(table);
            } else if let Some((cell, true)) = rule.of[0].cell() {
                shape_homes.entry(cell).or_default().push(number);
            } else {
                homeless.push(number);
            }
            views.insert(view);
        }
        parts[0].homes = shape_homes;
        for part in &mut parts {
            part.finish(&triggers);
        }
        let reads_ends = program.fields.iter().any(crate::field::Field::reads_ends);
        Self {
            parts,
            rules: checks,
            drop: drop.map(|_| rules.len() as u32),
            views: views.into_iter().collect(),
            tables,
            homeless,
            places,
            answers: found.into_iter().map(|(answer, _)| answer).collect(),
            reads_ends,
        }
    }
}

/// What the answer of an atom depends on.
fn subject(program: &Program, atom: &Atom) -> Subject {
    let of = |field: u32| program.fields[field as usize].subject;
    match (&atom.test, atom.other_field()) {
        (Test::Operation(_), _) => Subject::Shape,
        // The record's arguments tell calls apart.
        (Test::Call(..), _) => Subject::Record,
        (_, Some(other)) if of(other) != of(atom.field) => Subject::Record,
        _ => of(atom.field),
    }
}

fn of_nodes(program: &Program, atoms: &[Subject]) -> Vec<u8> {
    let mut subjects: Vec<u8> = Vec::with_capacity(program.nodes.len());
    for node in &program.nodes {
        subjects.push(match node {
            // A constant counts as a shape's: those that remain are whole rules.
            Node::Const(_) => bit(Subject::Shape),
            Node::Atom(atom) => bit(atoms[*atom as usize]),
            Node::Not(inner) => subjects[*inner as usize],
            Node::And(parts) | Node::Or(parts) => {
                parts.iter().fold(0, |all, part| all | subjects[*part as usize])
            }
        });
    }
    subjects
}

// === impl Planner ===

impl Planner<'_> {
    fn checks(&mut self, root: NodeId, kinds: KindSet) -> Checks {
        let (mut of, mut rest): ([Vec<Literal>; 3], Vec<Literal>) = Default::default();
        for literal in self.literals(root) {
            match self.part(literal.node) {
                Some(part) => of[part].push(literal),
                None => rest.push(literal),
            }
        }
        let of = {
            let mut at = 0;
            of.map(|literals| {
                at += 1;
                self.parts[at - 1].check(literals)
            })
        };
        for literal in &rest {
            self.place(literal.node);
        }
        // What only the record says is quicker asked than what needs looking up.
        rest.sort_by_key(|literal| self.subjects[literal.node as usize] != RECORD);
        Checks { kinds, of, rest: rest.into() }
    }

    /// Which part a node is of, if it is of one alone.
    fn part(&self, node: NodeId) -> Option<usize> {
        let subjects = self.subjects[node as usize];
        KEPT.iter().position(|subject| bit(*subject) == subjects)
    }

    /// What must all hold for `root` to hold.
    fn literals(&self, root: NodeId) -> Vec<Literal> {
        let mut literals = Vec::new();
        let mut open = vec![Literal { node: root, negated: false }];
        while let Some(Literal { node, negated }) = open.pop() {
            // A node of one part is one condition already.
            let whole = self.part(node).is_some() || open.len() + literals.len() > MOST_LITERALS;
            match &self.program.nodes[node as usize] {
                Node::Not(inner) => open.push(Literal { node: *inner, negated: !negated }),
                Node::And(parts) if !negated && !whole => {
                    open.extend(parts.iter().rev().map(|part| Literal { node: *part, negated }));
                }
                Node::Or(parts) if negated && !whole => {
                    open.extend(parts.iter().rev().map(|part| Literal { node: *part, negated }));
                }
                _ => literals.push(Literal { node, negated }),
            }
        }
        literals
    }

    /// Finds cells for the largest parts of a mixed node that are of one subject.
    fn place(&mut self, root: NodeId) {
        let mut open = vec![root];
        while let Some(node) = open.pop() {
            if std::mem::replace(&mut self.placed[node as usize], true) {
                continue;
            }
            if let Some(part) = self.part(node) {
                let check = self.parts[part].check(vec![Literal { node, negated: false }]);
                if let Some((cell, _)) = check.cell() {
                    self.places[node as usize] = Place::Cell(part as u8, cell);
                }
                continue;
            }
            match &self.program.nodes[node as usize] {
                Node::Not(inner) => open.push(*inner),
                Node::And(parts) | Node::Or(parts) => open.extend_from_slice(parts),
                Node::Const(_) | Node::Atom(_) => {}
            }
        }
    }
}
