//! Records for the tests, and the way from a trace to a data set.

use std::path::PathBuf;

use sysflow::{Entities, Reader, Record};
use sysflow_policy::{Memory, NoContext, RuleSet, Scratch};
use sysflow_store::{DataSet, History, Judged, RowsBuilder};

/// Stream of the tests.
pub(crate) const STREAM: &str = "0123456789abcdef0123456789abcdef";

/// A file of the data that tests share; `None`, with a line that says so, when it is not here.
pub(crate) fn shared(path: &str) -> Option<PathBuf> {
    let root = std::env::var_os("SYSFLOW_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")),
        PathBuf::from,
    );
    let file = root.join(path);
    if file.exists() {
        return Some(file);
    }
    assert!(std::env::var_os("CI").is_none(), "{} is missing: CI must have it", file.display());
    println!("skipped: ../shared is not here");
    None
}

/// Records of a shared trace.
pub(crate) fn trace(path: &str) -> Option<Vec<Record>> {
    let path = shared(&format!("data/{path}"))?;
    Some(
        Reader::open(path)
            .expect("the trace opens")
            .map(|record| record.expect("the trace is whole"))
            .collect(),
    )
}

/// Rows of records that no rule judged.
pub(crate) fn builder(records: &[Record]) -> RowsBuilder {
    let mut builder = RowsBuilder::new(STREAM, "node-1");
    append(&mut builder, records, 0, &mut Entities::default());
    builder
}

/// Appends records, the first of which is the one with number `first`.
pub(crate) fn append(builder: &mut RowsBuilder, records: &[Record], first: u64, entities: &mut Entities) {
    let judged = Judged { rules: &[], tags: &[], alerts: "", seen: &NoContext };
    for (number, record) in (first..).zip(records) {
        entities.apply(record);
        builder.append(number, &entities.join(record), &judged);
    }
}

/// Rows of records that these rules judged, one after the other.
pub(crate) fn judged(records: &[Record], rules: &RuleSet) -> RowsBuilder {
    let mut builder = RowsBuilder::new(STREAM, "node-1");
    let (mut entities, mut memory) = (Entities::default(), Memory::default());
    let (mut scratch, mut ids) = (Scratch::default(), Vec::new());
    for (number, record) in (0..).zip(records) {
        entities.apply(record);
        let joined = entities.join(record);
        rules.matches_in(&joined, &memory, &mut scratch, &mut ids);
        let matched: Vec<_> = ids.drain(..).map(|id| rules.rule(id)).collect();
        let names: Vec<&str> = matched.iter().map(|rule| rule.name.as_str()).collect();
        let tags: Vec<&str> = matched.iter().flat_map(|rule| rule.tags.iter().map(String::as_str)).collect();
        let judged = Judged { rules: &names, tags: &tags, alerts: "", seen: &memory };
        builder.append(number, &joined, &judged);
        memory.observe(&joined, matched);
    }
    builder
}

/// A data set in a directory of its own, which goes with it.
pub(crate) struct Place {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) data: DataSet,
}

impl Place {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let data = DataSet::at(directory.path()).expect("a data set");
        Self { directory, data }
    }

    /// With the rows in one file.
    pub(crate) async fn with(builder: &RowsBuilder) -> Self {
        let place = Self::new();
        place.data.write(&builder.rows().expect("rows")).await.expect("written");
        place
    }

    pub(crate) fn history(&self) -> History {
        History::new(self.data.clone(), None).expect("history")
    }
}

/// Does asynchronous work.
pub(crate) fn wait<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(work)
}
