//! Falco itself: its version, and the keys that decide which events and alerts there are.

use std::fmt::Write;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::Finding;
use super::falco_config::FalcoConfig;
use crate::calls;

/// How long `falco --version` may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Most names in one message.
const NAMED: usize = 12;

/// What the plugin's events need: Falco, its plugin API, and the major version of its event schema.
const OLDEST_FALCO: (u64, u64) = (0, 42);
const OLDEST_API: (u64, u64) = (3, 12);
const SCHEMA: u64 = 4;

const DROP_IN: &str = "copy the block base_syscalls of falco-config/sysflow.yaml into it, or merge the two";

/// Asks Falco for its versions.
pub(super) fn version(falco: Option<&Path>, config: &Path) -> Finding {
    const CHECK: &str = "falco_version";
    let Some(falco) = falco else {
        return Finding::unknown(
            CHECK,
            "no falco program is seen",
            "run this where Falco runs, or say --falco PROGRAM",
        );
    };
    let text = match ask(falco, config) {
        Ok(text) => text,
        Err(why) => {
            let fix = "run `falco --version` and mend what it says";
            return Finding::problem(CHECK, format!("{} --version: {why}", falco.display()), fix);
        }
    };
    let field = |name: &str| {
        let value = text.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(':'));
        value.map(|value| value.trim().chars().take(40).filter(|c| !c.is_control()).collect::<String>())
    };
    let (version, api, schema) = (field("Falco version"), field("Plugin API"), field("Schema version"));
    let number = |text: &Option<String>| text.as_deref().and_then(two_numbers);
    let seen = format!(
        "Falco {}, plugin API {}, event schema {}",
        version.as_deref().unwrap_or("?"),
        api.as_deref().unwrap_or("?"),
        schema.as_deref().unwrap_or("?")
    );
    let fix = format!(
        "install Falco {}.{} or later, with plugin API {}.{} and event schema {SCHEMA}",
        OLDEST_FALCO.0, OLDEST_FALCO.1, OLDEST_API.0, OLDEST_API.1
    );
    match (number(&version), number(&api), number(&schema)) {
        (None, None, _) => Finding::unknown(CHECK, format!("{} says no versions", falco.display()), fix),
        // A build from source may call itself 0.0.0: its interfaces count then.
        (version, api, schema)
            if api.is_some_and(|api| api.0 != OLDEST_API.0 || api < OLDEST_API)
                || schema.is_some_and(|schema| schema.0 != SCHEMA)
                || (api.is_none() && version.is_some_and(|version| version < OLDEST_FALCO)) =>
        {
            Finding::problem(CHECK, format!("{seen}: the plugin does not load there"), fix)
        }
        _ => Finding::ok(CHECK, seen),
    }
}

/// Everything that the configuration alone says.
pub(super) fn examine(config: &FalcoConfig) -> Vec<Finding> {
    vec![base_syscalls(config), failed_calls(config), append_output(config), watch(config)]
}

fn base_syscalls(config: &FalcoConfig) -> Finding {
    const CHECK: &str = "base_syscalls";
    let origin = config.origin("base_syscalls");
    let names: Vec<&str> =
        config.list(&["base_syscalls", "custom_set"]).into_iter().filter_map(Value::as_str).collect();
    let taken_out: Vec<&str> =
        names.iter().filter_map(|name| calls::known(name.strip_prefix('!')?)).collect();
    // Names that are only taken out leave Falco's own set in place.
    if names.iter().all(|name| name.starts_with('!')) {
        return Finding::warning(
            CHECK,
            "Falco delivers only what its rules and its own state need: no read, write, mkdir, unlink, rename, chmod; \
             flows have no counts",
            "unless falco-config/sysflow-stock.yaml is your choice, copy sysflow.yaml from there: its base_syscalls \
             brings them",
        );
    }
    if !taken_out.is_empty() {
        let message = format!("{origin} takes out {}", some(&taken_out));
        return Finding::problem(CHECK, message, "remove these names with ! from base_syscalls.custom_set");
    }
    let missing: Vec<&str> =
        calls::needed().iter().map(String::as_str).filter(|name| !names.contains(name)).collect();
    let has = |name: &String| names.contains(&name.as_str());
    let light = calls::without_counts();
    if light.iter().all(has) && !calls::needed().difference(light).any(has) {
        return Finding::warning(
            CHECK,
            format!("{origin} leaves out reads and writes: flows have no counts"),
            "unless falco-config/sysflow-no-io-counts.yaml is your choice, copy sysflow.yaml from there",
        );
    }
    if !missing.is_empty() {
        return Finding::problem(CHECK, format!("custom_set in {origin} lacks {}", some(&missing)), DROP_IN);
    }
    if !config.is_on(&["base_syscalls", "all"], false) {
        return Finding::problem(
            CHECK,
            format!("{origin} has not all: true, so Falco leaves out read, write and others of high volume"),
            "set base_syscalls.all: true",
        );
    }
    if !config.is_on(&["base_syscalls", "repair"], false) {
        return Finding::warning(
            CHECK,
            format!("{origin} has not repair: true: Falco does not add what its own state needs"),
            "set base_syscalls.repair: true",
        );
    }
    Finding::ok(CHECK, format!("{origin} names all {} calls", calls::needed().len()))
}

fn failed_calls(config: &FalcoConfig) -> Finding {
    const CHECK: &str = "drop_failed_exit";
    let kind = config.at(&["engine", "kind"]).and_then(Value::as_str).unwrap_or("kmod");
    if config.is_on(&["engine", kind, "drop_failed_exit"], false) {
        return Finding::warning(
            CHECK,
            format!(
                "{} drops calls that failed: opens that were refused are not seen, and calls of which none has \
                 succeeded yet are taken for missing",
                config.origin("engine")
            ),
            format!("set engine.{kind}.drop_failed_exit: false"),
        );
    }
    Finding::ok(CHECK, "calls that fail are delivered")
}

fn append_output(config: &FalcoConfig) -> Finding {
    const CHECK: &str = "append_output";
    let names = |fields: &Value| match fields {
        Value::Object(fields) => fields.contains_key("sf.graphid"),
        field => field.as_str() == Some("sf.graphid"),
    };
    let has = |entry: &&Value| {
        let of_calls = entry.pointer("/match/source").is_none_or(|source| source == "syscall");
        let suggested = entry.get("suggested_output").is_some_and(|on| on == &Value::Bool(true));
        let fields = entry.get("extra_fields").and_then(Value::as_array);
        of_calls && (suggested || fields.is_some_and(|fields| fields.iter().any(names)))
    };
    if config.list(&["append_output"]).iter().any(has) {
        return Finding::ok(CHECK, "Falco's own alerts of system calls carry sf.graphid");
    }
    Finding::warning(
        CHECK,
        "Falco's own alerts do not carry sf.graphid: no way leads from them to their graphs",
        "set append_output: [{suggested_output: true}], or extra_fields: [sf.graphid] with match: {source: syscall}",
    )
}

fn watch(config: &FalcoConfig) -> Finding {
    const CHECK: &str = "watch_config_files";
    Finding::ok(
        CHECK,
        if config.is_on(&["watch_config_files"], true) {
            "Falco takes over changes of its configuration by itself"
        } else {
            "off: restart Falco after a change of its configuration"
        },
    )
}

/// The first few of many names.
fn some(names: &[&str]) -> String {
    let mut text = names.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    if names.len() > NAMED {
        _ = write!(text, " and {} more", names.len() - NAMED);
    }
    text
}

fn ask(falco: &Path, config: &Path) -> Result<String, String> {
    let mut command = Command::new(falco);
    command.arg("-c").arg(config).args(["--version", "-o", "json_output=false"]);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut child = child.map_err(|e| e.to_string())?;
    let deadline = Instant::now() + PATIENCE;
    let status = loop {
        match child.try_wait().map_err(|e| e.to_string())? {
            Some(status) => break status,
            None if Instant::now() > deadline => {
                _ = child.kill();
                _ = child.wait();
                return Err(format!("no answer within {PATIENCE:?}"));
            }
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    let mut text = String::new();
    if let Some(out) = child.stdout.take() {
        // What it prints fits into a pipe many times.
        out.take(64 << 10).read_to_string(&mut text).map_err(|e| e.to_string())?;
    }
    if status.success() { Ok(text) } else { Err(format!("it ended with {status}")) }
}

fn two_numbers(version: &str) -> Option<(u64, u64)> {
    let mut numbers = version.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}
