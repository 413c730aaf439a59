//! `sysflow graph`.

use std::io::{Write, stdout};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::ValueEnum;
use serde_json::Value;
use sysflow::{GraphId, Reader};

use crate::api;
use crate::config::Config;
use crate::engine::{Batch, Engine, Judge, Stream};
use crate::error::{self, Error, Result};
use crate::metrics::Metrics;
use crate::world::World;

/// Graphs listed when no id is given.
const LISTED: usize = 1000;

/// Records judged at a time.
const BATCH: usize = 4096;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  sysflow graph trace.sf               lists the graphs\n  sysflow graph trace.sf --id <ID>     draws one"
)]
pub(super) struct Args {
    /// .sf files, in the order of their records.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Graph to draw, 32 hex digits; without it, all graphs are listed.
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// Form of the answer.
    #[arg(short, long, value_enum, default_value_t = Output::Json)]
    output: Output,
    /// Rules files for the alerts in the graphs; without any, the rules that are built in.
    #[arg(long, value_name = "FILE")]
    rules: Vec<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// Graph JSON, version 1.
    Json,
}

pub(super) fn run(args: &Args) -> Result<()> {
    let id = match &args.id {
        None => None,
        Some(text) => {
            let wrong = || Error::Usage(format!("--id {text:?}: 32 lower-case hex digits are expected"));
            Some(GraphId::parse(text).ok_or_else(wrong)?)
        }
    };
    let world = judge(&args.files, &args.rules)?;
    let document: Value = match id {
        None => serde_json::to_value(world.lock().graphs.list("", LISTED)).unwrap_or_default(),
        Some(id) => {
            let document = api::document(&world, id, &sysflow_graph::Query::default()).ok_or_else(|| {
                Error::Failed(format!("no graph {id} in these files; without --id they are listed"))
            })?;
            serde_json::to_value(document).unwrap_or_default()
        }
    };
    let Output::Json = args.output;
    writeln!(stdout().lock(), "{document}").map_err(error::stdout)
}

/// Judges and draws the records of files.
fn judge(files: &[PathBuf], rules: &[PathBuf]) -> Result<Arc<World>> {
    let config = Config::default();
    let rules = crate::config::Rules { files: rules.to_vec(), min_priority: None };
    let limits = sysflow_graph::Limits { graphs: config.limits.graphs, ..sysflow_graph::Limits::default() };
    let world = Arc::new(World::new(limits, config.limits.alerts));
    let url = format!("http://{}", config.api.listen);
    let (tell, told) = std::sync::mpsc::sync_channel(1);
    // The alerts are taken from the graphs; nobody else is told.
    let ignore = std::thread::spawn(move || told.into_iter().for_each(drop));
    let engine = Engine::new(
        Judge::load(&rules)?,
        &config,
        &url,
        Arc::clone(&world),
        Arc::new(Metrics::default()),
        tell,
    );
    for (nth, file) in files.iter().enumerate() {
        let same_name = files[..nth].iter().filter(|before| before.file_name() == file.file_name()).count();
        take(&engine, file, same_name)?;
    }
    engine.finish();
    drop(engine);
    _ = ignore.join();
    Ok(world)
}

/// `same_name`: how many files before had the same name in another directory.
fn take(engine: &Engine, file: &Path, same_name: usize) -> Result<()> {
    let reader = Reader::open(file)?;
    // The same content gives the same ids of alerts wherever the file lies.
    let name = file.file_name().unwrap_or(file.as_os_str()).as_encoded_bytes();
    let id = xxhash_rust::xxh3::xxh3_128_with_seed(name, same_name as u64).to_be_bytes();
    let mut batch = Batch { stream: Arc::new(Stream::new(id, "")), first: 0, records: Vec::new() };
    for record in reader {
        batch.records.push(record?);
        if batch.records.len() >= BATCH {
            engine.take(&batch, false);
            batch.first += batch.records.len() as u64;
            batch.records.clear();
        }
    }
    engine.take(&batch, false);
    Ok(())
}
