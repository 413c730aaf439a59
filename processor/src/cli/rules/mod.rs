//! `sysflow rules`.

mod explain;
mod test;

use std::io::{Write, stdout};
use std::path::PathBuf;

use clap::ValueEnum;
use serde_json::json;
use sysflow_policy::{RuleReport, Status};

use crate::alert::text;
use crate::engine;
use crate::error::{self, Error, Result};
use crate::rules::{reason, status};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Load rules files and say what becomes of each rule.
    #[command(after_help = "Example: sysflow rules check /etc/falco/falco_rules.yaml")]
    Check {
        /// Rules files, loaded together in this order.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Form of the answer; json is a line a rule.
        #[arg(short, long, value_enum, default_value_t = Output::Text)]
        output: Output,
        /// Fail when there is a rule that cannot run.
        #[arg(long)]
        strict: bool,
        /// Whose language the files are in; without, their keys tell.
        #[arg(long, value_enum)]
        language: Option<Language>,
    },
    /// List the rules that are active.
    #[command(after_help = "Example: sysflow rules list")]
    List {
        /// Rules files; without any, the rules that are built in.
        files: Vec<PathBuf>,
        /// Form of the answer; json is a line a rule.
        #[arg(short, long, value_enum, default_value_t = Output::Text)]
        output: Output,
    },
    /// Judge traces by rules and tell every match.
    #[command(
        after_help = "Examples:\n  sysflow rules test my_rules.yaml trace.sf\n  sysflow replay capture.scap -o - | sysflow rules test my_rules.yaml - -o json"
    )]
    Test(test::Args),
    /// Say why a rule does or does not match, question by question.
    #[command(
        after_help = "Examples:\n  sysflow rules explain 'Shell Started by Network Service' trace.sf\n  sysflow rules explain -r my_rules.yaml 'My Rule' trace.sf --at 42"
    )]
    Explain(explain::Args),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Whose language rules files are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Language {
    /// Falco's rules files.
    Falco,
    /// Policy files of SysFlow's own processor.
    SfProcessor,
}

impl From<Language> for sysflow_policy::Language {
    fn from(language: Language) -> Self {
        match language {
            Language::Falco => Self::Falco,
            Language::SfProcessor => Self::SfProcessor,
        }
    }
}

pub(super) fn run(command: &Command) -> Result<()> {
    match command {
        Command::Check { files, output, strict, language } => check(files, *output, *strict, *language),
        Command::List { files, output } => list(files, *output),
        Command::Test(args) => test::run(args),
        Command::Explain(args) => explain::run(args),
    }
}

fn check(files: &[PathBuf], output: Output, strict: bool, language: Option<Language>) -> Result<()> {
    let (rules, warnings) = engine::load_rules_as(files, language.map(Into::into))?;
    let mut out = stdout().lock();
    let cannot = rules.reports().iter().filter(|report| cannot_run(report)).count();
    match output {
        Output::Json => {
            for report in rules.reports() {
                let line = json!({ "rule": report.rule, "status": status(report), "reason": reason(report) });
                writeln!(out, "{line}").map_err(error::stdout)?;
            }
        }
        Output::Text => {
            for warning in &warnings {
                writeln!(out, "{warning}").map_err(error::stdout)?;
            }
            for report in rules.reports() {
                let word = if report.status == Status::Disabled { "disabled" } else { status(report) };
                writeln!(out, "{word:<8}  {}", text::ascii(&report.rule)).map_err(error::stdout)?;
                for reason in &report.reasons {
                    writeln!(out, "          {}", text::ascii(reason)).map_err(error::stdout)?;
                }
            }
            let count = |status| rules.reports().iter().filter(|report| report.status == status).count();
            writeln!(
                out,
                "{} rules: {} run, {} run and differ from Falco, {cannot} cannot run, {} are disabled",
                rules.reports().len(),
                count(Status::Runs),
                count(Status::Differs),
                count(Status::Disabled),
            )
            .map_err(error::stdout)?;
        }
    }
    if strict && cannot > 0 {
        return Err(Error::Failed(format!("{cannot} rules cannot run on SysFlow records (--strict)")));
    }
    Ok(())
}

fn list(files: &[PathBuf], output: Output) -> Result<()> {
    let (rules, _) = engine::load_rules(files)?;
    let mut out = stdout().lock();
    for (_, rule) in rules.rules() {
        match output {
            Output::Json => {
                let line = json!({
                    "rule": rule.name,
                    "priority": rule.priority.as_str(),
                    "tags": rule.tags,
                    "desc": rule.desc.trim(),
                });
                writeln!(out, "{line}")
            }
            Output::Text => {
                writeln!(out, "{:<13} {}  [{}]", rule.priority.as_str(), rule.name, rule.tags.join(" "))
            }
        }
        .map_err(error::stdout)?;
    }
    Ok(())
}

fn cannot_run(report: &RuleReport) -> bool {
    matches!(report.status, Status::Cannot | Status::OtherSource)
}
