//! Rules, and the set of all that are loaded.

use sysflow::Joined;

use crate::{
    Priority,
    compile::{NodeId, Plan, Program, Scratch},
    context::{Context, NoContext},
    diagnostic::{Diagnostic, Diagnostics},
    file::{self, Problems},
    kinds::KindSet,
    load,
    output::Output,
    sf::{self, Language},
    source::Source,
};

/// Number of a rule in its [`RuleSet`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId(u32);

/// A rule that is active.
#[derive(Debug)]
pub struct Rule {
    /// Name, unique in its set.
    pub name: String,
    /// What it finds, in a paragraph.
    pub desc: String,
    /// How urgent its alerts are.
    pub priority: Priority,
    /// Tags, as written.
    pub tags: Vec<String>,
    /// `syscall` or `sysflow`, as written.
    pub source: String,
    /// Text of its alerts.
    pub output: Output,
    /// Record kinds on which it can match.
    pub kinds: KindSet,
    /// What is done on a match; without any an alert is raised.
    pub actions: Vec<Action>,
}

/// What is done when a rule matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// An alert is raised.
    Alert,
    /// The graph and the process bear the rule's tags, and the record its name where it is shown.
    Tag,
    /// No other rule matches the record.
    Drop,
    /// The record is copied to the exports.
    Export,
}

/// What became of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It runs as written.
    Runs,
    /// It runs, and fields in it differ from Falco's in a stated way.
    Differs,
    /// It cannot run on SysFlow records.
    Cannot,
    /// `enabled: false`.
    Disabled,
    /// It is a rule of another source.
    OtherSource,
}

/// A rule of the files and what became of it.
#[derive(Clone, Debug)]
pub struct RuleReport {
    /// Name of the rule.
    pub rule: String,
    /// What became of it.
    pub status: Status,
    /// Why it differs or cannot run.
    pub reasons: Vec<String>,
    /// How urgent its alerts are.
    pub priority: Priority,
    /// Tags, as written.
    pub tags: Vec<String>,
    /// Its source, as written.
    pub source: String,
    /// Name of the file that it stands in.
    pub file: String,
    /// The rule itself, if it is active.
    pub id: Option<RuleId>,
}

/// All rules of a set of files, compiled together.
#[derive(Debug)]
pub struct RuleSet {
    rules: Vec<Rule>,
    roots: Vec<NodeId>,
    program: Program,
    plan: Plan,
    /// Holds for records that filters drop, and the kinds on which it can.
    drop: Option<(NodeId, KindSet)>,
    /// Whether a rule drops what it matches.
    has_drops: bool,
    reports: Vec<RuleReport>,
}

// === impl Action ===

impl Action {
    /// All of them by name.
    pub const ALL: [(&'static str, Self); 4] =
        [("alert", Self::Alert), ("tag", Self::Tag), ("drop", Self::Drop), ("export", Self::Export)];
}

// === impl RuleId ===

impl RuleId {
    /// Position among the rules of its set.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

// === impl Rule ===

impl Rule {
    /// Whether a match raises an alert.
    pub fn alerts(&self) -> bool {
        self.actions.is_empty() || self.actions.contains(&Action::Alert)
    }

    /// Whether a match is told by nothing but its tags.
    pub fn tags_only(&self) -> bool {
        self.actions.contains(&Action::Tag) && !self.alerts()
    }

    /// Whether no other rule matches what this one does.
    pub fn drops(&self) -> bool {
        self.actions.contains(&Action::Drop)
    }

    /// Whether what it matches is copied to the exports.
    pub fn exports(&self) -> bool {
        self.actions.contains(&Action::Export)
    }
}

// === impl RuleReport ===

impl RuleReport {
    /// Whether records are judged by the rule.
    pub fn is_active(&self) -> bool {
        matches!(self.status, Status::Runs | Status::Differs)
    }
}

// === impl RuleSet ===

impl RuleSet {
    /// Loads rules files in order; a later definition of a name replaces an earlier one. Falco's files and
    /// sf-processor's may be mixed; the rules of the latter come last.
    ///
    /// Beside the set come warnings: rules that cannot run on SysFlow records, unknown keys. Errors refuse all files,
    /// so that no half of a set is ever active.
    pub fn load(sources: &[Source]) -> Result<(Self, Vec<Diagnostic>), Diagnostics> {
        let mut problems = Problems { sources, found: Diagnostics::default() };
        let languages = Language::of(sources);
        let library = file::load(&languages, &mut problems);
        let mut loaded = load::load(&library, &mut problems);
        let sf = sf::load(&languages, &mut loaded.builder, &mut problems);
        if problems.found.has_errors() {
            return Err(problems.found);
        }
        loaded.rules.extend(sf.rules);
        loaded.roots.extend(sf.roots);
        loaded.reports.extend(sf.reports);
        let drop = sf.drop.map(|node| (node, loaded.builder.kinds(node)));
        let rules: Vec<_> =
            loaded.roots.iter().zip(&loaded.rules).map(|(root, rule)| (*root, rule.kinds)).collect();
        let plan = Plan::new(&loaded.builder.program, &rules, drop);
        // Both are in the order of the files.
        let active = loaded.reports.iter_mut().filter(|report| report.is_active());
        for (number, report) in active.enumerate() {
            debug_assert_eq!(report.rule, loaded.rules[number].name);
            report.id = Some(RuleId(number as u32));
        }
        let set = Self {
            has_drops: loaded.rules.iter().any(Rule::drops),
            rules: loaded.rules,
            roots: loaded.roots,
            program: loaded.builder.program,
            plan,
            drop,
            reports: loaded.reports,
        };
        Ok((set, problems.found.into_vec()))
    }

    /// Adds the rules that `record` matches to `matches`; records that a filter drops match none, those that a rule drops
    /// only such rules.
    pub fn matches(&self, record: &Joined<'_>, matches: &mut Vec<RuleId>) {
        self.matches_with(record, &mut Scratch::default(), matches);
    }

    /// The same with working memory that is kept between records.
    pub fn matches_with(&self, record: &Joined<'_>, scratch: &mut Scratch, matches: &mut Vec<RuleId>) {
        self.matches_in(record, &NoContext, scratch, matches);
    }

    /// The same with what was seen before `record`, for stateful attributes.
    pub fn matches_in(
        &self,
        record: &Joined<'_>,
        context: &dyn Context,
        scratch: &mut Scratch,
        matches: &mut Vec<RuleId>,
    ) {
        let before = matches.len();
        self.plan.judge(&self.program, record, context, scratch);
        matches.extend(scratch.matched.iter().copied().map(RuleId));
        if self.has_drops && matches[before..].iter().any(|id| self.rule(*id).drops()) {
            let mut at = 0;
            matches.retain(|id| {
                at += 1;
                at <= before || self.rule(*id).drops()
            });
        }
    }

    /// Whether `record` meets the condition of one rule, whatever filters and other rules say.
    pub fn holds_in(
        &self,
        id: RuleId,
        record: &Joined<'_>,
        context: &dyn Context,
        scratch: &mut Scratch,
    ) -> bool {
        self.rule(id).kinds.contains(record.record.kind())
            && self.program.judge_alone(record, context, scratch).holds(self.root(id))
    }

    /// Whether a filter keeps the rules from `record`; filters are of a language that has no stateful attributes.
    pub(crate) fn drops(&self, record: &Joined<'_>, scratch: &mut Scratch) -> bool {
        self.drop.is_some_and(|(node, kinds)| {
            kinds.contains(record.record.kind())
                && self.program.judge_alone(record, &NoContext, scratch).holds(node)
        })
    }

    pub(crate) fn program(&self) -> &Program {
        &self.program
    }

    pub(crate) fn root(&self, id: RuleId) -> NodeId {
        self.roots[id.index()]
    }

    /// The rule with this number, which must come from this set.
    pub fn rule(&self, id: RuleId) -> &Rule {
        &self.rules[id.index()]
    }

    /// All active rules, in the order of the files.
    pub fn rules(&self) -> impl ExactSizeIterator<Item = (RuleId, &Rule)> {
        self.rules.iter().enumerate().map(|(index, rule)| (RuleId(index as u32), rule))
    }

    /// The active rule of this name.
    pub fn find(&self, name: &str) -> Option<RuleId> {
        self.rules.iter().position(|rule| rule.name == name).map(|index| RuleId(index as u32))
    }

    /// What became of every rule of the files, active or not.
    pub fn reports(&self) -> &[RuleReport] {
        &self.reports
    }

    /// Distinct questions that the rules ask of records; equal ones are asked once.
    pub fn atoms(&self) -> usize {
        self.program.atoms.len()
    }
}
