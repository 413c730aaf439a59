//! Closed files of the archive, copied to where SysFlow's own tools look for them.
//!
//! The key is that of SysFlow's exporter: `CLUSTER/NODE/ADDRESS/YYYY/MM/DD/EPOCH.ADDRESS.sf`, parts that are not known left
//! out, with the time of the file's first record. It follows from the file alone: an upload that a kill has cut
//! short is done again, and takes its own place. What was uploaded is noted after it is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use sysflow::time::Rfc3339;
use sysflow::{Codec, Reader, Record};
use sysflow_store::{Objects, outside};
use tokio::runtime::Handle;

use super::failed;
use crate::config;
use crate::error::{Error, Result};
use crate::stop::Stop;

/// How often it is looked for closed files, and a store that was away is tried again.
const EVERY: Duration = Duration::from_secs(10);

/// How soon the end of the service is noticed.
const TICK: Duration = Duration::from_millis(200);

/// What was uploaded, in the store's state.
const NOTES: &str = "uploaded";

/// Copies files as they are closed.
#[derive(Debug)]
pub struct Uploads {
    objects: Objects,
    archive: PathBuf,
    notes: PathBuf,
    cluster: String,
    done: BTreeSet<String>,
}

impl Uploads {
    /// Uploads of the archive of the store in `directory`; `None` when the configuration wants none.
    pub fn open(config: &config::Archive, directory: &Path) -> Result<Option<Self>> {
        let Some(target) = &config.upload else { return Ok(None) };
        let objects = Objects::open(target).map_err(failed)?;
        let notes = directory.join("state").join(NOTES);
        let done = match fs::read_to_string(&notes) {
            Ok(text) => text.lines().map(str::to_owned).collect(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeSet::new(),
            Err(error) => return Err(Error::io("read", &notes)(error)),
        };
        let cluster = config.cluster.clone().unwrap_or_default();
        Ok(Some(Self { objects, archive: directory.join("archive"), notes, cluster, done }))
    }

    /// Copies them until the service ends.
    pub fn start(mut self, runtime: Handle, stop: Stop) -> Result<JoinHandle<()>> {
        std::thread::Builder::new()
            .name("upload".into())
            .spawn(move || {
                let mut next = Instant::now();
                while !stop.is_set() {
                    if Instant::now() >= next {
                        if let Err(error) = self.pass(&runtime) {
                            tracing::warn!(%error, "a file of the archive was not uploaded; it is tried again");
                        }
                        next = Instant::now() + EVERY;
                    }
                    std::thread::sleep(TICK);
                }
            })
            .map_err(|source| Error::Io { what: "cannot start a thread".into(), source })
    }

    /// Copies what is closed and was not copied; how many files that were.
    pub fn pass(&mut self, runtime: &Handle) -> Result<usize> {
        let mut names = Vec::new();
        for file in fs::read_dir(&self.archive).map_err(Error::io("list", &self.archive))? {
            let file = file.map_err(Error::io("list", &self.archive))?;
            if file.path().extension().is_some_and(|extension| extension == "sf") {
                names.extend(file.file_name().into_string().ok());
            }
        }
        names.sort_unstable();
        // What retention has removed need not be remembered.
        self.done.retain(|name| names.binary_search(name).is_ok());
        let mut copied = 0;
        for name in names {
            if self.done.contains(&name) {
                continue;
            }
            let path = self.archive.join(&name);
            let Some(key) = key(&path, &self.cluster)? else { continue };
            let bytes = fs::read(&path).map_err(Error::io("read", &path))?;
            runtime.block_on(self.objects.put(&key, bytes)).map_err(failed)?;
            self.done.insert(name);
            self.note()?;
            copied += 1;
        }
        Ok(copied)
    }

    fn note(&self) -> Result<()> {
        let fail = |error| Error::io("write", &self.notes)(error);
        let temporary = self.notes.with_extension("tmp");
        let names: Vec<&str> = self.done.iter().map(String::as_str).collect();
        let text = names.join("\n");
        fs::write(&temporary, text).and_then(|()| fs::rename(&temporary, &self.notes)).map_err(fail)
    }
}

/// Key of a file; `None` while it is written or not compressed yet.
fn key(path: &Path, cluster: &str) -> Result<Option<String>> {
    let reader = Reader::open(path)?;
    if reader.codec() != Codec::Deflate {
        return Ok(None);
    }
    let (mut node, mut address, mut time) = (String::new(), String::new(), None);
    for record in reader {
        let record = record?;
        if let Record::Header(header) = &record {
            (node, address) = (header.exporter.clone(), header.ip.clone());
        }
        // Entities carry the time at which they began, which may be long ago.
        if record.proc_oid().is_some() {
            time = record.ts();
            break;
        }
    }
    let ns = time.unwrap_or_default().max(0);
    let date = Rfc3339(ns).to_string();
    let date = date.get(..10).unwrap_or("1970-01-01").replace('-', "/");
    let given = |part: &str| (!matches!(part, "" | "NA")).then(|| outside(part));
    let address = given(&address);
    let epoch = ns / 1_000_000_000;
    let name = match &address {
        Some(address) => format!("{epoch}.{address}.sf"),
        None => format!("{epoch}.sf"),
    };
    let parts = [given(cluster), given(&node), address, Some(date), Some(name)];
    Ok(Some(parts.into_iter().flatten().collect::<Vec<_>>().join("/")))
}
