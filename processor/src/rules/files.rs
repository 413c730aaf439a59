//! Rules files, read.

use std::path::{Path, PathBuf};

use sysflow_policy::{Diagnostic, Diagnostics, Language, Source};
use xxhash_rust::xxh3::Xxh3;

use crate::error::Error;

/// The rules that come with the program.
const BUILT_IN: &str = include_str!("../../../rules/sysflow_rules.yaml");

/// What messages call them.
const BUILT_IN_NAME: &str = "rules/sysflow_rules.yaml (built in)";

/// Why rules could not be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// All of it, for people; may be of many lines.
    pub message: String,
    /// What is wrong within the files; empty when one of them could not be read.
    pub problems: Vec<Diagnostic>,
}

/// The content of all rules files.
#[derive(Debug)]
pub struct Files {
    /// In the order of the configuration.
    pub sources: Vec<Source>,
    /// Hash of names and contents: equal ones need not be loaded again.
    pub digest: u128,
}

impl Files {
    /// Reads rules files, or the built-in ones when there are none. A directory stands for its `.yaml` and `.yml` files
    /// in the order of their names. `language`: that of all of them; without, each file's keys tell.
    pub fn read(paths: &[PathBuf], language: Option<Language>) -> Result<Self, Failure> {
        let mut sources = Vec::new();
        for path in expand(paths)? {
            let bytes = std::fs::read(&path).map_err(unreadable(&path))?;
            let source = Source::from_bytes(path.display().to_string(), bytes)
                .map_err(|problems| Failure::of(&problems))?;
            sources.push(Source { language, ..source });
        }
        if paths.is_empty() {
            sources.push(Source::new(BUILT_IN_NAME, BUILT_IN));
        }
        let mut digest = Xxh3::new();
        for part in sources.iter().flat_map(|source| [&source.name, &source.text]) {
            digest.update(&(part.len() as u64).to_le_bytes());
            digest.update(part.as_bytes());
        }
        Ok(Self { sources, digest: digest.digest128() })
    }
}

/// Directories replaced by the rules files in them. A name that begins with a dot is none: so are called an editor's
/// temporary files, and those by which Kubernetes replaces the files of a ConfigMap.
pub(super) fn expand(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let mut found = Vec::new();
        for entry in std::fs::read_dir(path).map_err(unreadable(path))? {
            let entry = entry.map_err(unreadable(path))?.path();
            let hidden = entry.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
            let is_yaml = entry.extension().is_some_and(|ending| ending == "yaml" || ending == "yml");
            if is_yaml && !hidden && !entry.is_dir() {
                found.push(entry);
            }
        }
        if found.is_empty() {
            let message = format!("the rules directory {} holds no .yaml or .yml file", path.display());
            return Err(Failure { message, problems: Vec::new() });
        }
        found.sort_unstable();
        files.extend(found);
    }
    Ok(files)
}

fn unreadable(path: &Path) -> impl FnOnce(std::io::Error) -> Failure {
    let path = path.to_owned();
    move |error| Failure {
        message: Error::io("read the rules file", &path)(error).to_string(),
        problems: Vec::new(),
    }
}

impl Failure {
    /// Of problems within the files.
    pub fn of(problems: &Diagnostics) -> Self {
        Self {
            message: format!("the rules cannot be loaded\n{problems}"),
            problems: problems.iter().cloned().collect(),
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure.message)
    }
}
