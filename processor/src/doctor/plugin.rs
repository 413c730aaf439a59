//! The plugin in Falco's configuration: loaded, in order, with a library that loads and an output that arrives.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::falco_config::FalcoConfig;
use super::{Finding, Subject, library};

const NAME: &str = "sysflow";
const LIBRARY: &str = "libsysflow.so";

/// Where Falco looks for a library without a path.
const PLUGINS: &str = "/usr/share/falco/plugins";

const INSTALL: &str = "copy falco-config/sysflow.yaml to /etc/falco/config.d/";

pub(super) fn examine(config: &FalcoConfig, subject: &Subject) -> Vec<Finding> {
    const CHECK: &str = "plugin";
    let configured = config.list(&["plugins"]);
    let names: Vec<&str> = configured.iter().filter_map(|entry| entry.get("name")?.as_str()).collect();
    let load = config.key("load_plugins").is_some();
    let loaded: Vec<&str> = if load {
        config.list(&["load_plugins"]).into_iter().filter_map(Value::as_str).collect()
    } else {
        names.clone()
    };
    if let Some(stray) = loaded.iter().find(|name| !names.contains(name)) {
        let message = format!(
            "load_plugins in {} names {stray:?}, which plugins does not have: Falco does not start",
            config.origin("load_plugins")
        );
        let fix = format!("add {stray:?} to plugins, or remove it from load_plugins");
        return vec![Finding::problem(CHECK, message, fix)];
    }
    // Of two entries with one name Falco takes the first.
    let Some(entry) = configured.iter().find(|entry| is_ours(entry)) else {
        return vec![Finding::problem(CHECK, "plugins has no entry for sysflow", INSTALL)];
    };
    let name = entry.get("name").and_then(Value::as_str).unwrap_or(NAME);
    let Some(place) = loaded.iter().position(|loaded| *loaded == name) else {
        let message = format!("load_plugins in {} leaves out {name}", config.origin("load_plugins"));
        return vec![Finding::problem(
            CHECK,
            message,
            format!("add {name} to load_plugins, after container"),
        )];
    };
    let container = loaded.iter().position(|loaded| *loaded == "container");
    let order = if load { "load_plugins" } else { "plugins" };
    vec![
        match container {
            Some(container) if container > place => Finding::problem(
                CHECK,
                format!(
                    "{order} has container after {name}: containers are known only after their processes are seen"
                ),
                format!("put container before {name} in {order}"),
            ),
            Some(_) => Finding::ok(CHECK, format!("{name} is loaded, after container")),
            None => Finding::warning(
                CHECK,
                format!("{name} is loaded, container is not: containers have ids, but no names and images"),
                format!("load Falco's container plugin before {name}, if there are containers here"),
            ),
        },
        library(entry, subject),
        output(entry, config, subject),
    ]
}

fn is_ours(entry: &Value) -> bool {
    let library = entry.get("library_path").and_then(Value::as_str).unwrap_or_default();
    entry.get("name").and_then(Value::as_str) == Some(NAME)
        || Path::new(library).file_name().is_some_and(|file| file == LIBRARY)
}

fn library(entry: &Value, subject: &Subject) -> Finding {
    const CHECK: &str = "plugin_library";
    let path = PathBuf::from(entry.get("library_path").and_then(Value::as_str).unwrap_or(LIBRARY));
    let path = if path.is_absolute() { path } else { Path::new(PLUGINS).join(path) };
    let needs = match library::glibc_of(&subject.seen(&path)) {
        Ok(needs) => needs,
        Err(error) => {
            let fix = format!("copy {LIBRARY} to {}", path.display());
            return Finding::problem(CHECK, format!("{}: {error}", path.display()), fix);
        }
    };
    let has = library::glibc_there(&|path| subject.seen(path));
    match (needs, has) {
        (Some(needs), Some(has)) if needs > has => Finding::problem(
            CHECK,
            format!("{} needs glibc {}.{}, here is {}.{}", path.display(), needs.0, needs.1, has.0, has.1),
            format!("take a {LIBRARY} that was built against glibc {}.{} or older", has.0, has.1),
        ),
        (Some(needs), None) => Finding::unknown(
            CHECK,
            format!("{} needs glibc {}.{}; no C library is seen here", path.display(), needs.0, needs.1),
            "run this in the image that Falco runs in",
        ),
        (Some(needs), Some(has)) => Finding::ok(
            CHECK,
            format!("{} needs glibc {}.{}, here is {}.{}", path.display(), needs.0, needs.1, has.0, has.1),
        ),
        (None, _) => Finding::ok(CHECK, path.display().to_string()),
    }
}

/// What the plugin is told to do with its records.
fn output(entry: &Value, config: &FalcoConfig, subject: &Subject) -> Finding {
    const CHECK: &str = "plugin_output";
    let origin = config.origin("plugins");
    let init = match entry.get("init_config") {
        // Falco takes text too.
        Some(Value::String(text)) => serde_json::from_str(text).unwrap_or_default(),
        Some(value) => value.clone(),
        None => Value::Null,
    };
    let text = |key: &str| init.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let ours: Vec<&Path> = subject.config.inputs.iter().map(|input| input.socket.as_path()).collect();
    let listed = ours.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
    match (text("socket"), text("dir")) {
        (None, None) => Finding::problem(
            CHECK,
            "init_config of sysflow names neither socket nor dir: its records go nowhere",
            format!("set init_config: {{socket: {listed}}}"),
        ),
        (None, Some(dir)) => Finding::ok(CHECK, format!("records go to files in {dir}, and to no service")),
        (Some(socket), _) if ours.contains(&Path::new(socket)) => {
            Finding::ok(CHECK, format!("the plugin connects to {socket}"))
        }
        (Some(socket), _) => Finding::problem(
            CHECK,
            format!(
                "the plugin connects to {socket} ({origin} or another file), the service listens on {listed}"
            ),
            format!("set init_config.socket to {listed}, or inputs to [{{socket: {socket}}}]"),
        ),
    }
}
