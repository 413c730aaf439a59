//! Compiles the C files of the tests, with the compiler that the crate `cc` finds.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// What has been compiled by this run of the tests, by source and flags: many tests want the same plugin.
static DONE: Mutex<Option<HashMap<String, PathBuf>>> = Mutex::new(None);

/// A shared object made of `tests/plugins/<source>`.
pub(crate) fn plugin(source: &str, defines: &[&str]) -> PathBuf {
    let mut flags = vec!["-shared", "-fPIC", "-fvisibility=hidden"];
    flags.extend(defines);
    compile(&root().join("tests/plugins").join(source), &flags, &[])
}

/// A program made of a C file of this crate.
pub(crate) fn program(source: &str) -> PathBuf {
    compile(&root().join(source), &[], &["-ldl"])
}

fn compile(source: &Path, flags: &[&str], libraries: &[&str]) -> PathBuf {
    // A test that failed to compile its plugin must not take the others with it.
    let mut done = DONE.lock().unwrap_or_else(PoisonError::into_inner);
    let done = done.get_or_insert_default();
    let key = format!("{} {flags:?}", source.display());
    if let Some(path) = done.get(&key) {
        return path.clone();
    }
    // A number, not the process id, names the file: the next run overwrites it.
    let stem = source.file_stem().expect("a file name").to_string_lossy();
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{stem}-{}", done.len()));
    run_compiler(source, flags, libraries, &path);
    done.insert(key, path.clone());
    path
}

fn run_compiler(source: &Path, flags: &[&str], libraries: &[&str], path: &Path) {
    // A shared object that another process has loaded must not change under it.
    let _ = std::fs::remove_file(path);
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let tool = cc::Build::new()
        .cargo_metadata(false)
        .target(&target)
        .host(&target)
        .opt_level(1)
        .out_dir(env!("CARGO_TARGET_TMPDIR"))
        .get_compiler();
    let output = tool
        .to_command()
        .args(["-Wall", "-Wextra", "-Werror", "-I"])
        .arg(root().join("abi"))
        .args(flags)
        .arg("-o")
        .arg(path)
        .arg(source)
        .args(libraries)
        .output()
        .expect("a C compiler (package build-essential)");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{} does not compile:\n{text}", source.display());
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
