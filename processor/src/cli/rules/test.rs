//! `sysflow rules test`.

use std::io::{BufWriter, StdoutLock, Write, stdout};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde_json::json;
use sysflow::attr::{self, Attr};
use sysflow::format::terminal::printable;
use sysflow::{Entities, Joined};
use sysflow_policy::{Memory, Rule, RuleSet, Scratch};

use super::{
    super::print::{is_printed, read},
    Language,
};
use crate::engine;
use crate::error::{self, Error, Result};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Rules files (.yaml, .yml), of Falco's or of sf-processor's kind, then traces (.sf); - is a trace on standard
    /// input.
    #[arg(required = true, value_name = "RULES|TRACE")]
    files: Vec<PathBuf>,
    /// Whose language the rules files are in; without, their keys tell.
    #[arg(long, value_enum)]
    language: Option<Language>,
    /// Form of the matches.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// A line a match, for people.
    Table,
    /// One JSON object a match: i, ts, type, rule, priority, tags.
    Json,
}

pub(super) fn run(args: &Args) -> Result<()> {
    let (rules, traces) = split(&args.files)?;
    let (rules, warnings) = engine::load_rules_as(&rules, args.language.map(Into::into))?;
    for warning in &warnings {
        eprintln!("{warning}");
    }
    let mut printer = Printer::new(args.output, &rules, &traces)?;
    let mut scratch = Scratch::default();
    let mut found = Vec::new();
    for trace in &traces {
        let (mut entities, mut memory) = (Entities::default(), Memory::default());
        let mut index = 0_u64;
        read(trace, |record| {
            entities.apply(&record);
            if !is_printed(record.kind()) {
                return Ok(());
            }
            let joined = entities.join(&record);
            found.clear();
            rules.matches_in(&joined, &memory, &mut scratch, &mut found);
            for id in &found {
                printer.print(trace, index, &joined, rules.rule(*id))?;
            }
            memory.observe(&joined, found.iter().map(|id| rules.rule(*id)));
            index += 1;
            Ok(())
        })
        // What was read before the damage is shown first.
        .map_err(|error| printer.out.flush().map_err(error::stdout).err().unwrap_or(error))?;
    }
    printer.out.flush().map_err(error::stdout)
}

/// Rules files and traces; both have to be there.
pub(super) fn split(files: &[PathBuf]) -> Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let is_rules =
        |file: &PathBuf| file.extension().is_some_and(|ending| ending == "yaml" || ending == "yml");
    let (rules, traces): (Vec<_>, Vec<_>) = files.iter().cloned().partition(is_rules);
    if rules.is_empty() {
        return Err(Error::Usage("no rules: name at least one file that ends in .yaml or .yml".into()));
    }
    if traces.is_empty() {
        return Err(Error::Usage("no trace: name at least one .sf file, or - for standard input".into()));
    }
    Ok((rules, traces))
}

struct Printer {
    out: BufWriter<StdoutLock<'static>>,
    output: Output,
    /// Traces are told apart only where there are several.
    names_trace: bool,
    /// Columns of the table that hold texts of the files.
    rule_width: usize,
    process: Option<&'static Attr>,
}

impl Printer {
    fn new(output: Output, rules: &RuleSet, traces: &[PathBuf]) -> Result<Self> {
        let rule_width = rules.rules().map(|(_, rule)| rule.name.chars().count()).max().unwrap_or(0);
        let mut printer = Self {
            out: BufWriter::with_capacity(64 << 10, stdout().lock()),
            output,
            names_trace: traces.len() > 1,
            rule_width: rule_width.clamp(4, 48),
            process: attr::find("sf.proc.cmdline"),
        };
        if output == Output::Table {
            let width = printer.rule_width;
            let line = format!(
                "{:>8}  {:<4}  {:<13}  {:<width$}  {:<32}  PROCESS",
                "I", "TYPE", "PRIORITY", "RULE", "TAGS"
            );
            printer.line(&line)?;
        }
        Ok(printer)
    }

    fn print(&mut self, trace: &Path, index: u64, joined: &Joined<'_>, rule: &Rule) -> Result<()> {
        let kind = joined.record.kind().as_str();
        let line = match self.output {
            Output::Json => {
                let mut line = json!({
                    "i": index,
                    "ts": joined.record.ts(),
                    "type": kind,
                    "rule": rule.name,
                    "priority": rule.priority.as_str(),
                    "tags": rule.tags,
                });
                if self.names_trace {
                    line["trace"] = trace.display().to_string().into();
                }
                line.to_string()
            }
            Output::Table => {
                let width = self.rule_width;
                let process = self.process.map_or(attr::Value::Absent, |attr| attr.value(joined));
                let trace = if self.names_trace { format!("  {}", trace.display()) } else { String::new() };
                format!(
                    "{index:>8}  {kind:<4}  {:<13}  {:<width$}  {:<32}  {}{}",
                    rule.priority.as_str(),
                    printable(&rule.name),
                    printable(&rule.tags.join(" ")),
                    printable(&process.to_string()),
                    printable(&trace),
                )
            }
        };
        self.line(&line)
    }

    fn line(&mut self, line: &str) -> Result<()> {
        writeln!(self.out, "{}", line.trim_end()).map_err(error::stdout)
    }
}
