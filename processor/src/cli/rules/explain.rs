//! `sysflow rules explain`.

use std::io::{BufWriter, StdoutLock, Write, stdout};
use std::path::PathBuf;

use clap::ValueEnum;
use serde_json::{Value, json};
use sysflow::format::terminal::printable;
use sysflow::record::Kind;
use sysflow::{Entities, Joined};
use sysflow_policy::{Explanation, Memory, RuleId, RuleSet, Scratch, Verdict, What};

use super::{
    super::print::{is_printed, read},
    Language,
};
use crate::engine;
use crate::error::{self, Error, Result};

/// Matches that are shown in full.
const SHOWN: usize = 3;

/// Characters of a value that are shown.
const VALUE: usize = 160;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Name of the rule.
    rule: String,
    /// Trace (.sf); - is standard input.
    trace: PathBuf,
    /// Rules files that the rule is in; without any, the rules that are built in.
    #[arg(short, long, value_name = "FILE")]
    rules: Vec<PathBuf>,
    /// Explain this event or flow alone: its number in the trace, as `rules test` and `print -o json` count.
    #[arg(short = 'i', long, value_name = "I")]
    at: Option<u64>,
    /// Whose language the rules files are in; without, their keys tell.
    #[arg(long, value_enum)]
    language: Option<Language>,
    /// Form of the answer; json is a line a record.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people.
    Text,
    /// One JSON object a record.
    Json,
}

pub(super) fn run(args: &Args) -> Result<()> {
    let (rules, _) = engine::load_rules_as(&args.rules, args.language.map(Into::into))?;
    let id = find(&rules, &args.rule)?;
    let mut survey = Survey::new(args, &rules, id);
    let mut entities = Entities::default();
    let mut index = 0;
    read(&args.trace, |record| {
        entities.apply(&record);
        if is_printed(record.kind()) {
            survey.look(index, &entities.join(&record));
            index += 1;
        }
        Ok(())
    })?;
    if let Some(at) = args.at
        && at >= index
    {
        return Err(Error::Usage(format!(
            "--at {at}: the trace has {index} events and flows, counted from 0"
        )));
    }
    survey.tell().map_err(error::stdout)
}

fn find(rules: &RuleSet, name: &str) -> Result<RuleId> {
    if let Some(id) = rules.find(name) {
        return Ok(id);
    }
    if let Some(report) = rules.reports().iter().find(|report| report.rule == name) {
        let why = if report.reasons.is_empty() { "it is disabled".into() } else { report.reasons.join("; ") };
        return Err(Error::Failed(format!("rule {name:?} is not judged: {why}")));
    }
    let lower = name.to_lowercase();
    let like: Vec<_> = rules
        .rules()
        .filter(|(_, rule)| rule.name.to_lowercase().contains(&lower))
        .map(|(_, rule)| format!("{:?}", rule.name))
        .take(5)
        .collect();
    let hint = if like.is_empty() {
        "`sysflow rules list` shows all".into()
    } else {
        format!("did you mean {}?", like.join(" or "))
    };
    Err(Error::Usage(format!("there is no rule {name:?}: {hint}")))
}

/// What is learned of a rule on the way through a trace.
struct Survey<'a> {
    args: &'a Args,
    rules: &'a RuleSet,
    id: RuleId,
    scratch: Scratch,
    /// What was seen before the record at hand.
    memory: Memory,
    records: u64,
    matched: u64,
    /// Records of the rule's kinds that come past each step of its condition, one step after the other.
    passed: Vec<u64>,
    of_its_kinds: u64,
    told: Vec<Told>,
    /// The record that came furthest without a match, and how far.
    nearest: Option<(usize, Told)>,
}

/// A record, and how the rule fares with it.
struct Told {
    index: u64,
    ts: Option<i64>,
    kind: &'static str,
    verdict: Verdict,
}

impl<'a> Survey<'a> {
    fn new(args: &'a Args, rules: &'a RuleSet, id: RuleId) -> Self {
        Self {
            args,
            rules,
            id,
            scratch: Scratch::default(),
            memory: Memory::default(),
            records: 0,
            matched: 0,
            passed: Vec::new(),
            of_its_kinds: 0,
            told: Vec::new(),
            nearest: None,
        }
    }

    fn look(&mut self, index: u64, joined: &Joined<'_>) {
        self.records += 1;
        let mut found = Vec::new();
        self.rules.matches_in(joined, &self.memory, &mut self.scratch, &mut found);
        self.weigh(index, joined, found.contains(&self.id));
        self.memory.observe(joined, found.iter().map(|id| self.rules.rule(*id)));
    }

    fn weigh(&mut self, index: u64, joined: &Joined<'_>, matches: bool) {
        let explain = |rules: &RuleSet, memory: &Memory| Told {
            index,
            ts: joined.record.ts(),
            kind: joined.record.kind().as_str(),
            verdict: rules.explain_in(self.id, joined, memory),
        };
        if let Some(at) = self.args.at {
            if at == index {
                self.told.push(explain(self.rules, &self.memory));
            }
            return;
        }
        if matches {
            self.matched += 1;
            if self.told.len() < SHOWN || self.args.output == Output::Json {
                self.told.push(explain(self.rules, &self.memory));
            }
        }
        if !self.rules.rule(self.id).kinds.contains(joined.record.kind()) {
            return;
        }
        self.of_its_kinds += 1;
        let steps = self.rules.steps_in(self.id, joined, &self.memory);
        self.passed.resize(steps.len(), 0);
        let before = steps.iter().take_while(|holds| **holds).count();
        self.passed.iter_mut().take(before).for_each(|passed| *passed += 1);
        let hold = steps.iter().filter(|holds| **holds).count();
        if self.matched == 0 && self.nearest.as_ref().is_none_or(|(most, _)| hold > *most) {
            self.nearest = Some((hold, explain(self.rules, &self.memory)));
        }
    }

    fn tell(self) -> std::io::Result<()> {
        let mut out = BufWriter::new(stdout().lock());
        let nearest = if self.matched == 0 { self.nearest.as_ref().map(|(_, told)| told) } else { None };
        match self.args.output {
            Output::Json => {
                for told in self.told.iter().chain(nearest) {
                    writeln!(out, "{}", json_of(&self.rules.rule(self.id).name, told))?;
                }
            }
            Output::Text => {
                if self.args.at.is_none() {
                    self.summary(&mut out, nearest)?;
                }
                for told in self.told.iter().chain(nearest) {
                    writeln!(out)?;
                    text(&mut out, told)?;
                }
                let unshown = self.matched.saturating_sub(self.told.len() as u64);
                if unshown > 0 && self.args.at.is_none() {
                    writeln!(
                        out,
                        "\n... and {unshown} more; `sysflow rules test` names them, --at shows one"
                    )?;
                }
            }
        }
        out.flush()
    }

    fn summary(&self, out: &mut BufWriter<StdoutLock<'_>>, nearest: Option<&Told>) -> std::io::Result<()> {
        let rule = self.rules.rule(self.id);
        let kinds: Vec<_> = rule.kinds.iter().map(Kind::as_str).collect();
        writeln!(
            out,
            "rule {:?} matches {} of {} events and flows",
            printable(&rule.name),
            self.matched,
            self.records
        )?;
        writeln!(out, "{:>10} are of its kinds ({})", self.of_its_kinds, kinds.join(" "))?;
        let steps = self.told.first().or(nearest).map(|told| told.verdict.condition.steps());
        for (passed, step) in self.passed.iter().zip(steps.unwrap_or_default()) {
            writeln!(out, "{passed:>10} of these: {}", brief(step))?;
        }
        if let Some(nearest) = nearest {
            writeln!(out, "\nnothing matches; closest comes event or flow {}", nearest.index)?;
        }
        Ok(())
    }
}

fn text(out: &mut BufWriter<StdoutLock<'_>>, told: &Told) -> std::io::Result<()> {
    let verdict = &told.verdict;
    let outcome = match verdict {
        Verdict { matches: true, .. } => "matches",
        Verdict { dropped: true, .. } => "does not match: a filter drops it",
        Verdict { wrong_kind: true, .. } => "does not match: the rule is not for records of this kind",
        _ => "does not match",
    };
    writeln!(out, "{} {} {outcome}", told.index, told.kind)?;
    tree(out, &verdict.condition, 1)
}

fn tree(out: &mut BufWriter<StdoutLock<'_>>, part: &Explanation, depth: usize) -> std::io::Result<()> {
    let mark = if part.holds { '+' } else { '-' };
    write!(out, "{:indent$}{mark} ", "", indent = 2 * depth)?;
    match &part.what {
        What::Constant => writeln!(out, "always {}", part.holds),
        What::Question { text, value, other } => {
            write!(out, "{}", printable(text))?;
            for value in [Some(value), other.as_ref().map(|_| other)].into_iter().flatten() {
                write!(out, "   is {}", shown(value.as_deref()))?;
            }
            writeln!(out)
        }
        What::Not(inner) => {
            writeln!(out, "not")?;
            tree(out, inner, depth + 1)
        }
        What::All(parts) | What::Any(parts) => {
            let all = matches!(part.what, What::All(_));
            writeln!(out, "{}", if all { "all of" } else { "any of" })?;
            parts.iter().try_for_each(|part| tree(out, part, depth + 1))
        }
    }
}

fn shown(value: Option<&str>) -> String {
    match value {
        None => "absent".into(),
        Some("") => "empty".into(),
        Some(value) if value.chars().count() > VALUE => {
            format!("{} ...", printable(&value.chars().take(VALUE).collect::<String>()))
        }
        Some(value) => printable(value).into_owned(),
    }
}

/// A part of a condition in one line.
fn brief(part: &Explanation) -> String {
    match &part.what {
        What::Constant => format!("always {}", part.holds),
        What::Question { text, .. } => printable(text).into_owned(),
        What::Not(inner) => format!("not {}", brief(inner)),
        What::All(parts) | What::Any(parts) => {
            let word = if matches!(part.what, What::All(_)) { "all" } else { "any" };
            let first = parts.first().map(brief).unwrap_or_default();
            match parts.len() {
                0 | 1 => first,
                len => format!("{word} of {first}, and {} more", len - 1),
            }
        }
    }
}

fn json_of(rule: &str, told: &Told) -> Value {
    let verdict = &told.verdict;
    json!({
        "rule": rule,
        "i": told.index,
        "ts": told.ts,
        "type": told.kind,
        "matches": verdict.matches,
        "wrong_kind": verdict.wrong_kind,
        "dropped": verdict.dropped,
        "condition": json_part(&verdict.condition),
    })
}

fn json_part(part: &Explanation) -> Value {
    let parts = |parts: &[Explanation]| parts.iter().map(json_part).collect::<Vec<_>>();
    let mut json = match &part.what {
        What::Constant => json!({}),
        What::Question { text, value, other: None } => json!({ "question": text, "value": value }),
        What::Question { text, value, other } => json!({ "question": text, "value": value, "other": other }),
        What::Not(inner) => json!({ "not": json_part(inner) }),
        What::All(all) => json!({ "all": parts(all) }),
        What::Any(any) => json!({ "any": parts(any) }),
    };
    json["holds"] = part.holds.into();
    json
}
