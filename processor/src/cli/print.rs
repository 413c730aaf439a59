//! `sysflow print`.

use std::io::{BufWriter, Read, Stdout, Write, stdin, stdout};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use sysflow::attr::{self, Attr};
use sysflow::format;
use sysflow::format::table::Table;
use sysflow::record::Kind;
use sysflow::{Entities, Joined, Reader, Record};
use sysflow_policy::{Condition, Memory, Rule, Scratch};

use crate::engine;
use crate::error::{self, Error, Result};
use crate::exports::judged;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  sysflow print trace.sf\n  sysflow print trace.sf -f 'sf.type = NF and sf.net.dport = 443' -o json"
)]
pub(super) struct Args {
    /// .sf files of any version of SysFlow; - is standard input.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Print only what meets this condition, in the language of rules.
    #[arg(short, long, value_name = "COND")]
    filter: Option<String>,
    /// Form of the records.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
    /// Attributes to show, for table and csv: sf.ts,sf.proc.exe,... Without, the usual ones, for csv all.
    #[arg(short = 'c', long, value_name = "ATTR,...", value_delimiter = ',')]
    columns: Vec<String>,
    /// Rules files whose matches are told in json and ecs.
    #[arg(long, value_name = "FILE")]
    rules: Vec<PathBuf>,
    /// Print how many records of each kind there are instead of the records.
    #[arg(long, conflicts_with_all = ["output", "columns", "rules", "filter"])]
    counts: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// A line a record, for people.
    Table,
    /// SysFlow's JSON, an object a line.
    Json,
    /// Comma-separated values.
    Csv,
    /// Elastic Common Schema, an object a line.
    Ecs,
}

pub(super) fn run(args: &Args) -> Result<()> {
    if args.counts {
        return counts(&args.files);
    }
    let condition = args.filter.as_deref().map(Condition::parse).transpose();
    let condition =
        condition.map_err(|e| Error::Usage(format!("the condition of -f cannot be used\n{e}")))?;
    let rules = if args.rules.is_empty() { None } else { Some(engine::load_rules(&args.rules)?.0) };
    let mut printer = Printer::new(args)?;
    let (mut scratch, mut found) = (Scratch::default(), Vec::new());
    for file in &args.files {
        let (mut entities, mut memory) = (Entities::default(), Memory::default());
        read(file, |record| {
            entities.apply(&record);
            if !is_printed(record.kind()) {
                return Ok(());
            }
            let joined = entities.join(&record);
            found.clear();
            if let Some(rules) = &rules {
                rules.matches_in(&joined, &memory, &mut scratch, &mut found);
            }
            let matched: Vec<_> =
                rules.iter().flat_map(|rules| found.iter().map(|id| rules.rule(*id))).collect();
            let meets = |condition: &Condition| condition.matches_in(&joined, &memory, &mut scratch);
            if condition.as_ref().is_none_or(meets) {
                printer.print(&joined, &matched)?;
            }
            // What is not printed was seen all the same.
            memory.observe(&joined, matched);
            Ok(())
        })
        // What was read before the damage is shown first.
        .map_err(|error| printer.out.flush().map_err(error::stdout).err().unwrap_or(error))?;
    }
    printer.out.flush().map_err(error::stdout)
}

/// Events and flows; entities are part of them.
pub(super) fn is_printed(kind: Kind) -> bool {
    !matches!(kind, Kind::Header | Kind::Container | Kind::Process | Kind::File | Kind::Pod)
}

pub(super) fn read(file: &Path, mut each: impl FnMut(Record) -> Result<()>) -> Result<()> {
    let (input, name): (Box<dyn Read>, _) = if file.as_os_str() == "-" {
        (Box::new(stdin()), "standard input".to_owned())
    } else {
        let open = std::fs::File::open(file).map_err(Error::io("open", file))?;
        (Box::new(open), file.display().to_string())
    };
    let reader = Reader::new(input, &name)?;
    for record in reader {
        each(record?)?;
    }
    Ok(())
}

struct Printer {
    out: BufWriter<Stdout>,
    form: Form,
}

enum Form {
    Table(Table),
    Csv(Vec<&'static Attr>),
    Json,
    Ecs,
}

impl Printer {
    fn new(args: &Args) -> Result<Self> {
        let columns = columns(&args.columns)?;
        let form = match args.output {
            Output::Table if columns.is_empty() => Form::Table(Table::default()),
            Output::Table => Form::Table(Table::new(&columns)),
            Output::Csv if columns.is_empty() => Form::Csv(attr::ATTRS.iter().collect()),
            Output::Csv => Form::Csv(columns),
            Output::Json => Form::Json,
            Output::Ecs => Form::Ecs,
        };
        let mut printer = Self { out: BufWriter::with_capacity(64 << 10, stdout()), form };
        match &printer.form {
            Form::Table(table) => printer.line(&table.header())?,
            Form::Csv(columns) => printer.line(&format::csv::header(columns))?,
            Form::Json | Form::Ecs => {}
        }
        Ok(printer)
    }

    /// Prints a record, with the rules that it matched where the form has a place for them.
    fn print(&mut self, joined: &Joined<'_>, matched: &[&Rule]) -> Result<()> {
        let line = match &self.form {
            Form::Table(table) => table.row(joined),
            Form::Csv(columns) => format::csv::row(joined, columns),
            Form::Json => judged(joined, matched, format::json),
            Form::Ecs => judged(joined, matched, format::ecs),
        };
        self.line(&line)
    }

    fn line(&mut self, line: &str) -> Result<()> {
        self.out.write_all(line.as_bytes()).and_then(|()| self.out.write_all(b"\n")).map_err(error::stdout)
    }
}

fn columns(names: &[String]) -> Result<Vec<&'static Attr>> {
    names
        .iter()
        .map(|name| {
            attr::find(name.trim()).ok_or_else(|| {
                Error::Usage(format!(
                    "--columns: there is no attribute {name:?}; print -o csv shows the names of all"
                ))
            })
        })
        .collect()
}

fn counts(files: &[PathBuf]) -> Result<()> {
    for file in files {
        let mut counts = [0_u64; Kind::ALL.len()];
        let result = read(file, |record| {
            counts[record.kind() as usize] += 1;
            Ok(())
        });
        let mut line = serde_json::Map::new();
        line.insert("file".into(), file.display().to_string().into());
        line.insert("records".into(), counts.iter().sum::<u64>().into());
        line.extend(
            Kind::ALL.into_iter().map(|kind| (kind.as_str().to_owned(), counts[kind as usize].into())),
        );
        writeln!(stdout(), "{}", serde_json::Value::Object(line)).map_err(error::stdout)?;
        result?;
    }
    Ok(())
}
