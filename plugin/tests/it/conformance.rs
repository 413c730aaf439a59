//! What a capture's table of processes becomes on the way through the host, the plugin and its output.

use sysflow::Record;

use crate::support::{records_of, replay, shared};

/// Executables of the processes in a trace that the plugin makes of a capture.
fn executables(pair: &str, config: &str) -> Option<Vec<String>> {
    let capture = shared(&format!("data/pairs/{pair}.scap.gz"))?;
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("sf");
    replay(&capture, &format!(r#"{{"dir":"{}",{config}}}"#, dir.display()));
    let process = |record| if let Record::Process(process) = record { Some(process.exe) } else { None };
    Some(records_of(&dir).into_iter().filter_map(process).collect())
}

#[test]
fn a_deleted_executable_is_named_so_only_where_the_collector_did() {
    let exe = |compat| executables("rename_rename", compat);
    let Some(theirs) = exe(r#""schema":"v5","compat":"sysflow-tests""#) else { return };
    assert!(theirs.contains(&"/bin/bash (deleted)".to_owned()), "{theirs:?}");
    let Some(ours) = exe(r#""schema":"v5""#) else { return };
    assert!(ours.contains(&"/bin/bash".to_owned()), "{ours:?}");
    assert!(!ours.iter().any(|exe| exe.ends_with("(deleted)")), "{ours:?}");
}
