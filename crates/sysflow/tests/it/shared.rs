//! The reference data beside the repository, which a stranger's clone does not have.

use std::io::Read;
use std::path::{Path, PathBuf};

/// Path of `name` in the reference data, or `None` (said aloud) where there is none. In CI its absence is a failure.
pub(crate) fn shared(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("SYSFLOW_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    if root.is_dir() {
        return Some(root.join(name));
    }
    assert!(std::env::var_os("CI").is_none(), "../shared is needed in CI");
    println!("skipped: ../shared is not here");
    None
}

/// Lines of a gzipped file of the goldens.
pub(crate) fn gz_lines(path: &Path) -> Vec<String> {
    let file = std::fs::File::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut text = String::new();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    text.lines().map(str::to_owned).collect()
}
