//! Where something came from, what came of it, and how one thing led to another.

use std::collections::BTreeSet;
use std::str::FromStr;

use sysflow::Joined;

use super::flow::Flows;
use crate::error::QueryError;
use crate::live::{Key, Step};
use crate::output::{Around, Document, EVER, Part, Query, Snapshot, drawn_as, render};

/// Which way to go from a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To everything that could have told it something: what it read, who wrote that, who started it.
    Back,
    /// To everything that it could have told something: what it wrote, who read that, what it started.
    Forward,
    /// To the root, from parent to parent.
    Root,
}

impl FromStr for Direction {
    type Err = QueryError;

    fn from_str(text: &str) -> Result<Self, QueryError> {
        match text {
            "back" => Ok(Self::Back),
            "forward" => Ok(Self::Forward),
            "root" => Ok(Self::Root),
            _ => Err(QueryError::Direction(text.to_owned())),
        }
    }
}

impl Snapshot {
    /// What a node had to do with, in one direction and with respect for time: back from what it knew at time `at` (without
    /// it: at its end), or forward from what it knew then (without it: from its start). Node ids are those of a
    /// document. What led there is counted from the records that are kept: the document is `complete` when all are.
    pub fn trace(&self, node: &str, direction: Direction, at: Option<i64>) -> Result<Document, QueryError> {
        let target = self.key(node)?;
        if direction == Direction::Root {
            let around = Some(Around::Node(node.to_owned()));
            return Ok(self.document(&Query { around, depth: Some(0), ..Query::default() }));
        }
        let flows = self.flows();
        let start = flows.standing(|key| drawn_as(&self.graph, key) == Some(target));
        let steps: BTreeSet<usize> = if direction == Direction::Forward {
            let starts: Vec<_> = start.iter().map(|thing| (*thing, at.unwrap_or(i64::MIN))).collect();
            let known = flows.forward(&starts);
            flows.steps(|thing| known[thing as usize], |_| i64::MAX).collect()
        } else {
            let ends: Vec<_> = start.iter().map(|thing| (*thing, at.unwrap_or(i64::MAX))).collect();
            let tells = flows.back(&ends);
            flows.steps(|_| i64::MIN, |thing| tells[thing as usize]).collect()
        };
        Ok(self.part_of(&steps, &[target]))
    }

    /// How what meets `from` could have led to what meets `to`: every way of information from a process at the time of
    /// such a record to another one, which respects time. Without one the document has no nodes.
    pub fn paths(
        &self,
        mut from: impl FnMut(&Joined<'_>) -> bool,
        mut to: impl FnMut(&Joined<'_>) -> bool,
    ) -> Document {
        let (mut sources, mut sinks) = (Vec::new(), Vec::new());
        let flows = self.flows_with(|nth, joined| {
            if from(joined) {
                sources.push(nth);
            }
            if to(joined) {
                sinks.push(nth);
            }
        });
        let starts: Vec<_> = sources.iter().filter_map(|nth| flows.actor(*nth)).collect();
        let ends: Vec<_> = sinks.iter().filter_map(|nth| flows.actor(*nth)).collect();
        let known = flows.forward(&starts.iter().map(|(at, first, _)| (*at, *first)).collect::<Vec<_>>());
        let tells = flows.back(&ends.iter().map(|(at, _, last)| (*at, *last)).collect::<Vec<_>>());
        let between = |thing: u32| known[thing as usize] <= tells[thing as usize];
        let mut steps: BTreeSet<usize> = BTreeSet::new();
        let on_way = |nth: &&usize| {
            flows.actor(**nth).is_some_and(|(at, first, last)| {
                between(at) && known[at as usize] <= last && tells[at as usize] >= first
            })
        };
        let ended: Vec<_> = sources.iter().chain(&sinks).filter(on_way).copied().collect();
        if !ended.is_empty() {
            steps.extend(flows.steps(|at| known[at as usize], |at| tells[at as usize]));
            steps.extend(ended);
        }
        self.part_of(&steps, &[])
    }

    /// The records that meet a condition, with what led to them and what came of them; `None` when none does.
    pub fn matching(&self, mut meets: impl FnMut(&Joined<'_>) -> bool) -> Option<Document> {
        let mut matched = Vec::new();
        let flows = self.flows_with(|nth, joined| {
            if meets(joined) {
                matched.push(nth);
            }
        });
        if matched.is_empty() {
            return None;
        }
        let actors: Vec<_> = matched.iter().filter_map(|nth| flows.actor(*nth)).collect();
        let known = flows.forward(&actors.iter().map(|(at, first, _)| (*at, *first)).collect::<Vec<_>>());
        let tells = flows.back(&actors.iter().map(|(at, _, last)| (*at, *last)).collect::<Vec<_>>());
        let mut steps: BTreeSet<usize> = matched.into_iter().collect();
        steps.extend(flows.steps(|at| known[at as usize], |_| i64::MAX));
        steps.extend(flows.steps(|_| i64::MIN, |at| tells[at as usize]));
        Some(self.part_of(&steps, &[]))
    }

    /// Key of the process node that is drawn under this id, or that has the files, connections or parts under it.
    pub(crate) fn key(&self, node: &str) -> Result<Key, QueryError> {
        let found = self.graph.nodes.keys().find(|key| key.is_part(node));
        found
            .and_then(|key| drawn_as(&self.graph, *key))
            .ok_or_else(|| QueryError::Node(node.chars().take(64).collect()))
    }

    fn flows(&self) -> Flows {
        self.flows_with(|_, _| {})
    }

    fn flows_with(&self, mut each: impl FnMut(usize, &Joined<'_>)) -> Flows {
        let (mut flows, mut nth) = (Flows::default(), 0);
        self.walk(EVER, |step| {
            flows.take(step, &self.limits);
            if let Step::Record { joined, .. } = step {
                each(nth, joined);
            }
            nth += 1;
        });
        flows
    }

    /// The graph of some steps, and of nodes that are shown in any case.
    fn part_of(&self, steps: &BTreeSet<usize>, nodes: &[Key]) -> Document {
        let mut part = Part::new(&self.graph, i64::MIN, i64::MAX, &self.limits);
        let mut nth = 0;
        self.walk(EVER, |step| {
            if steps.contains(&nth) {
                part.take(step);
            }
            nth += 1;
        });
        for key in nodes {
            part.show(*key);
        }
        render(self, &part.finish(), &Query::default(), self.reaches(i64::MIN))
    }
}
