//! Where the test data is.

use std::path::{Path, PathBuf};

/// A capture that is part of the repository.
pub(crate) fn bundled(name: &str) -> PathBuf {
    repo().join("tests/data").join(name)
}

/// A file of the data beside the repository; `None`, with a line that says so, when it is not there. In CI its
/// absence is a failure.
pub(crate) fn shared(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("SYSFLOW_SHARED").map_or_else(|| repo().join("../shared"), PathBuf::from);
    if root.is_dir() {
        return Some(root.join(name));
    }
    assert!(std::env::var_os("CI").is_none(), "../shared must be there in CI");
    println!("skipped: ../shared is not here");
    None
}

fn repo() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}
