//! Atoms of which one must be found before a condition can hold.

use super::matcher::Answer;
use crate::{
    HashSet,
    compile::program::{Node, NodeId, Program},
};

/// A node, or its contrary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Literal {
    pub(super) node: NodeId,
    pub(super) negated: bool,
}

/// There are none: it may hold whatever was found.
pub(super) const NEVER: u32 = u32::MAX;

/// Nodes that a search for atoms visits: what needs more is asked always.
const MOST: usize = 10_000;

/// For each node what its atoms cost.
#[derive(Debug)]
pub(super) struct Triggers<'p> {
    program: &'p Program,
    /// Of the node, and of its contrary.
    costs: Vec<[u32; 2]>,
}

impl<'p> Triggers<'p> {
    /// `found` says of each atom how its answer comes about, and what it costs.
    pub(super) fn new(program: &'p Program, found: &[(Answer, u32)]) -> Self {
        let mut costs: Vec<[u32; 2]> = Vec::with_capacity(program.nodes.len());
        for node in &program.nodes {
            let sum =
                |parts: &[NodeId], side: usize| sum(parts.iter().map(|part| costs[*part as usize][side]));
            let least = |parts: &[NodeId], side: usize| {
                parts.iter().map(|part| costs[*part as usize][side]).min().unwrap_or(NEVER)
            };
            costs.push(match node {
                Node::Const(true) => [NEVER, 0],
                Node::Const(false) => [0, NEVER],
                Node::Atom(atom) => match found[*atom as usize] {
                    (Answer::Asked, _) => [NEVER, NEVER],
                    (_, cost) => [cost, NEVER],
                },
                Node::Not(inner) => {
                    let [holds, not] = costs[*inner as usize];
                    [not, holds]
                }
                Node::And(parts) => [least(parts, 0), sum(parts, 1)],
                Node::Or(parts) => [sum(parts, 0), least(parts, 1)],
            });
        }
        Self { program, costs }
    }

    /// What the atoms cost without which `literal` cannot hold; [`NEVER`] for none.
    pub(super) fn cost(&self, literal: Literal) -> u32 {
        self.costs[literal.node as usize][usize::from(literal.negated)]
    }

    /// The atoms; `None` when there are none, or too many to search for them.
    pub(super) fn atoms(&self, literals: &[Literal]) -> Option<Vec<u32>> {
        let (mut open, mut seen, mut atoms) = (literals.to_vec(), HashSet::default(), Vec::new());
        while let Some(literal) = open.pop() {
            if !seen.insert(literal) {
                continue;
            }
            if seen.len() > MOST || self.cost(literal) == NEVER {
                return None;
            }
            let negated = literal.negated;
            let part = |node: &NodeId| Literal { node: *node, negated };
            match &self.program.nodes[literal.node as usize] {
                Node::Const(_) => {}
                Node::Atom(atom) => atoms.push(*atom),
                Node::Not(inner) => open.push(Literal { node: *inner, negated: !negated }),
                // All must hold, so that one of them is enough to wait for.
                Node::And(parts) if !negated => open.extend(self.cheapest(parts.iter().map(part))),
                Node::Or(parts) if negated => open.extend(self.cheapest(parts.iter().map(part))),
                Node::And(parts) | Node::Or(parts) => open.extend(parts.iter().map(part)),
            }
        }
        atoms.sort_unstable();
        atoms.dedup();
        Some(atoms)
    }

    /// The literal of which the atoms cost least.
    pub(super) fn cheapest(&self, literals: impl Iterator<Item = Literal>) -> Option<Literal> {
        literals.min_by_key(|literal| self.cost(*literal))
    }
}

/// What any of several may cost; [`NEVER`] with one that does.
pub(super) fn sum(costs: impl Iterator<Item = u32>) -> u32 {
    costs.fold(0, u32::saturating_add)
}
