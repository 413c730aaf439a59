//! The host in C runs a plugin as our own host does.

use std::{path::PathBuf, process::Command};

use crate::compile;

fn run(plugin: &std::path::Path, config: &str, field: &str) -> (bool, String) {
    let host = compile::program("host_c/host.c");
    let output =
        Command::new(&host).arg(plugin).args([config, field]).output().expect("the host can be started");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn it_feeds_three_events_to_a_plugin() {
    let plugin = compile::plugin("stub.c", &[]);
    let (ok, text) = run(&plugin, "{}", "stub.last");
    assert!(ok, "{text}");
    for part in [
        "plugin stub 0.1.0, API 3.12.0",
        "event 293 of 303 bytes: parsed, stub.last = 293/31",
        "event 307 of 88 bytes: parsed, stub.last = 307/7",
        "event 5 of 46 bytes: parsed, stub.last = 5/2",
        "done",
    ] {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
}

#[test]
fn it_says_what_is_wrong() {
    let plugin = compile::plugin("bad.c", &["-DINIT_FAILS=1"]);
    let (ok, text) = run(&plugin, "{}", "bad.field");
    assert!(!ok && text.contains("host: plugin_init: the moon is full"), "{text}");
    let (ok, text) = run("/nowhere.so".as_ref(), "{}", "x");
    assert!(!ok && text.contains("host: dlopen: "), "{text}");
}

/// The real plugin, where it has been built into the same target folder.
#[test]
fn it_runs_the_real_plugin() {
    let Some(plugin) = real_plugin() else {
        println!("skipped: libsysflow.so is not built (cargo build -p sysflow-plugin)");
        return;
    };
    let (ok, text) = run(&plugin, "{}", "sf.graphid");
    assert!(ok && text.ends_with("done\n"), "{text}");
    assert_eq!(text.matches(": parsed, sf.graphid = ").count(), 3, "{text}");
    let first = text.lines().find(|l| l.starts_with("event 293")).expect("the execve");
    assert!(!first.ends_with("(none)"), "an executed process has a graph: {first}");
}

/// `deps/it-<hash>` of the target folder is this test, the plugin is beside `deps`.
fn real_plugin() -> Option<PathBuf> {
    let exe = std::env::current_exe().ok()?;
    let deps = exe.parent()?;
    let found = [deps.parent()?, deps].map(|dir| dir.join("libsysflow.so")).into_iter().find(|p| p.is_file());
    assert!(found.is_some() || std::env::var_os("CI").is_none(), "libsysflow.so must be built in CI");
    found
}
