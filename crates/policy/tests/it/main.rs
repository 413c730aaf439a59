//! Tests of the rules language, and of the rules that ship.

mod actions;
mod attack;
mod caches;
mod conditions;
mod diagnostics;
mod files;
mod goldens;
mod hostile;
mod memory;
mod outputs;
mod plain;
mod rules;
mod scene;
mod sf_processor;
mod sigma;
mod traces;
mod upstream;

use std::path::PathBuf;

/// A file of the data that tests share; `None`, with a line that says so, when it is not here.
fn shared(path: &str) -> Option<PathBuf> {
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

/// A file of the repository.
fn repository(path: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join(path)
}
