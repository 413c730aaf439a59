//! Records for other systems: lines of JSON in files, each with the rules that the record matched and their tags.
//!
//! Invariants:
//! * a record that an export wants is in its file before a checkpoint says that it was judged;
//! * what is judged anew after a restart is not written again: a ledger knows the last record of each stream. A kill
//!   between a file and its ledger repeats at most one block of records, and loses none;
//! * a file that cannot be written costs its records, which are counted, and neither alerts nor other files.

mod file;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sysflow::Joined;
use sysflow::format::{self, Judgement, Policy};
use sysflow_policy::{Priority, Rule};

use crate::config::{self, ExportForm, ExportMode};
use crate::engine::Stream;
use crate::error::Result;
use crate::metrics::Metrics;
use crate::output::Ledger;
use file::Rotated;

/// No record is exported: they are of the time before there was the export.
const BEFORE: u64 = u64::MAX;

/// All files that records are copied to.
#[derive(Debug, Default)]
pub struct Exports {
    list: Vec<Export>,
    metrics: Arc<Metrics>,
}

#[derive(Debug)]
struct Export {
    mode: ExportMode,
    form: ExportForm,
    file: Mutex<Rotated>,
    /// Without a store nothing is judged a second time.
    ledger: Option<Arc<Mutex<Ledger>>>,
}

/// What a block of records adds to the files.
#[derive(Debug)]
pub struct Sheets(Vec<Sheet>);

#[derive(Debug)]
struct Sheet {
    /// Records before this one are in the file.
    from: u64,
    text: String,
    records: u64,
    /// Number of the last one.
    last: u64,
}

impl Exports {
    /// Opens the files. `state` is where it is kept how far they are.
    pub fn open(config: &[config::Export], state: Option<&Path>, metrics: Arc<Metrics>) -> Result<Self> {
        let open = |config: &config::Export| {
            let ledger = state.map(|state| {
                let name = xxhash_rust::xxh3::xxh3_64(config.file.as_os_str().as_encoded_bytes());
                Ledger::open(&state.join(format!("exported-{name:016x}.jsonl")))
            });
            Ok(Export {
                mode: config.mode,
                form: config.format,
                file: Mutex::new(Rotated::open(&config.file, u64::from(config.max_mib) << 20, config.keep)?),
                ledger: ledger.transpose()?.map(|ledger| Arc::new(Mutex::new(ledger))),
            })
        };
        Ok(Self { list: config.iter().map(open).collect::<Result<_>>()?, metrics })
    }

    /// What knows how far the files are.
    pub fn ledgers(&self) -> impl Iterator<Item = Arc<Mutex<Ledger>>> {
        self.list.iter().filter_map(|export| export.ledger.clone())
    }

    /// Whether nothing is to be exported.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Empty sheets for a block of a stream's records. `again`: they come from the archive; what it holds from before
    /// an export was asked for is not exported.
    pub fn sheets(&self, stream: &Stream, again: bool) -> Sheets {
        let sheet = |export: &Export| {
            let from =
                export.ledger.as_deref().map(lock).map_or(0, |ledger| {
                    if again && ledger.is_new() { BEFORE } else { ledger.next(&stream.id) }
                });
            Sheet { from, text: String::new(), records: 0, last: 0 }
        };
        Sheets(self.list.iter().map(sheet).collect())
    }

    /// Puts a record on the sheets of the exports that want it.
    pub fn put(&self, sheets: &mut Sheets, number: u64, joined: &Joined<'_>, matched: &[&Rule]) {
        let mut lines: [Option<String>; 2] = [None, None];
        for (export, sheet) in self.list.iter().zip(&mut sheets.0) {
            sheet.last = number;
            if number < sheet.from || !export.mode.wants(matched) {
                continue;
            }
            let line = lines[export.form as usize].get_or_insert_with(|| match export.form {
                ExportForm::Json => judged(joined, matched, format::json),
                ExportForm::Ecs => judged(joined, matched, format::ecs),
            });
            sheet.text.push_str(line);
            sheet.text.push('\n');
            sheet.records += 1;
        }
    }

    /// Writes the sheets of a block of `stream` into the files.
    pub fn write(&self, sheets: Sheets, stream: &Stream) {
        for (export, sheet) in self.list.iter().zip(sheets.0) {
            if sheet.records > 0 {
                self.append(export, &sheet);
            } else if sheet.from != BEFORE {
                continue;
            }
            if let Some(Err(error)) =
                export.ledger.as_deref().map(|ledger| lock(ledger).reached(&stream.id, sheet.last))
            {
                tracing::error!(%error, "cannot note that records were exported: after a restart they may be exported again");
            }
        }
    }

    fn append(&self, export: &Export, sheet: &Sheet) {
        let mut file = lock(&export.file);
        match file.write(sheet.text.as_bytes()) {
            Ok(()) => self.metrics.exported.add(sheet.records),
            Err(error) => {
                self.metrics.exports_dropped.add(sheet.records);
                // A full disk is told of once, not with each block.
                if file.fails() {
                    tracing::error!(%error, "records cannot be exported: they are counted and left out");
                }
            }
        }
    }

    /// Forces the files to the disk.
    pub fn sync(&self) -> Result<()> {
        self.list.iter().try_for_each(|export| lock(&export.file).sync())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ExportMode {
    /// Whether a record that matches these rules is exported; none that a rule drops is.
    fn wants(self, matched: &[&Rule]) -> bool {
        if matched.iter().any(|rule| rule.drops()) {
            return false;
        }
        match self {
            Self::Export => matched.iter().any(|rule| rule.exports()),
            Self::Alert => matched.iter().any(|rule| rule.exports() || rule.alerts()),
            Self::Enrich => true,
        }
    }
}

/// A record in one of SysFlow's forms, with the rules that it matches.
pub fn judged(
    joined: &Joined<'_>,
    matched: &[&Rule],
    render: impl FnOnce(&Joined<'_>, &Judgement<'_>) -> String,
) -> String {
    let policies: Vec<_> = matched
        .iter()
        .map(|rule| Policy { id: &rule.name, desc: &rule.desc, priority: scale(rule.priority) })
        .collect();
    let mut tags = Vec::new();
    for tag in matched.iter().flat_map(|rule| &rule.tags) {
        if !tags.contains(&tag.as_str()) {
            tags.push(tag.as_str());
        }
    }
    render(joined, &Judgement { policies: &policies, tags: &tags })
}

/// SysFlow's five levels.
fn scale(priority: Priority) -> u8 {
    match priority {
        Priority::Debug | Priority::Informational => 0,
        Priority::Notice => 1,
        Priority::Warning => 2,
        Priority::Error => 3,
        Priority::Critical | Priority::Alert | Priority::Emergency => 4,
    }
}
