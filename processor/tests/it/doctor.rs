//! `sysflow doctor`: each finding, through the program itself, on made-up hosts.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sysflow::Record;
use sysflow::record::{Header, Loss};

use crate::cli::{Running, eventually, sysflow};
use crate::falcosidekick::Falcosidekick;
use crate::plugin::Plugin;
use crate::records;

const FALCO: &str = "Falco version: 0.44.1 (x86_64)\nLibs version:  0.25.0\nPlugin API:    3.12.0\nEngine:        58\n\
                     Driver:\n  API version:    8.0.0\n  Schema version: 4.1.0\n";

const MAIN: &str = "config_files: [/etc/falco/config.d]\nload_plugins: []\nplugins:\n  - {name: container, \
                    library_path: libcontainer.so}\nappend_output: [{suggested_output: true}]\nwatch_config_files: true\n";

const CONTAINER: &str = "load_plugins: [container]\n";

/// A host on which all is well, as far as files say. Its socket is where our drop-in says.
struct Host {
    dir: tempfile::TempDir,
    socket: Option<UnixListener>,
}

impl Host {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for sub in ["etc/falco/config.d", "usr/share/falco/plugins", "lib64", "run/sysflow"] {
            std::fs::create_dir_all(dir.path().join(sub)).unwrap();
        }
        let drop_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("../falco-config/sysflow.yaml");
        let mut host = Self { dir, socket: None };
        host.write("etc/falco/falco.yaml", MAIN);
        host.write("etc/falco/config.d/falco.container_plugin.yaml", CONTAINER);
        host.write("etc/falco/config.d/sysflow.yaml", &std::fs::read_to_string(drop_in).unwrap());
        host.library("usr/share/falco/plugins/libsysflow.so", "2.28");
        host.library("lib64/libc.so.6", "2.36");
        host.write("falco", &format!("#!/bin/sh\ncat <<END\n{FALCO}END\n"));
        let falco = host.at("falco");
        std::fs::set_permissions(falco, std::fs::Permissions::from_mode(0o755)).unwrap();
        host.socket = Some(UnixListener::bind(host.at("run/sysflow/sysflow.sock")).unwrap());
        host
    }

    fn at(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        std::fs::write(self.at(path), text).unwrap();
    }

    /// Something that needs, or is, this version of glibc.
    fn library(&self, path: &str, version: &str) {
        self.write(path, &format!("\x7fELF\0GLIBC_2.2.5\0GLIBC_{version}\0"));
    }

    /// Changes a file.
    fn change(&self, path: &str, old: &str, new: &str) {
        let text = std::fs::read_to_string(self.at(path)).unwrap();
        assert!(text.contains(old), "{text}");
        self.write(path, &text.replace(old, new));
    }

    /// What is found, with further arguments; one object a line.
    fn ask(&self, arguments: &[&str]) -> (Vec<Value>, i32) {
        let mut command = sysflow();
        command.args(["doctor", "-o", "json", "--url", "http://127.0.0.1:9", "--root"]).arg(self.dir.path());
        command.arg("--falco").arg(self.at("falco")).args(arguments);
        let output = command.output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(!stderr.contains("panicked"), "{stderr}");
        let lines = String::from_utf8(output.stdout).unwrap();
        (
            lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect(),
            output.status.code().unwrap(),
        )
    }

    /// The check of this name has to find this, and say these words in message or fix.
    #[track_caller]
    fn finds(&self, check: &str, status: &str, says: &[&str]) {
        finds(&self.ask(&[]).0, check, status, says);
    }
}

#[track_caller]
fn finds(found: &[Value], check: &str, status: &str, says: &[&str]) {
    let of_check: Vec<_> = found.iter().filter(|finding| finding["check"] == check).collect();
    let says_all = |finding: &&&Value| {
        let text = finding.to_string();
        finding["status"] == status && says.iter().all(|word| text.contains(word))
    };
    assert!(of_check.iter().any(|finding| says_all(&finding)), "{check}: {status} {says:?}: {of_check:#?}");
    let has_fix = |finding: &&Value| finding["status"] == "ok" || finding["fix"].as_str().is_some();
    assert!(of_check.iter().all(has_fix), "{of_check:#?}");
}

#[test]
fn a_host_on_which_all_is_well() {
    let (found, _) = Host::new().ask(&[]);
    for check in [
        "falco_version",
        "falco_config",
        "base_syscalls",
        "drop_failed_exit",
        "append_output",
        "watch_config_files",
        "plugin",
        "plugin_library",
        "plugin_output",
        "socket",
        "clock",
    ] {
        finds(&found, check, "ok", &[]);
    }
}

#[test]
fn versions_of_falco_and_of_its_c_library() {
    let host = Host::new();
    host.change("falco", "3.12.0", "3.11.0");
    host.finds("falco_version", "problem", &["3.11.0", "does not load", "Falco 0.42"]);
    host.change("falco", "3.11.0", "3.13.0");
    host.change("falco", "4.1.0", "5.0.0");
    host.finds("falco_version", "problem", &["event schema 5.0.0"]);
    host.write("falco", "#!/bin/sh\nexit 3\n");
    host.finds("falco_version", "problem", &["exit status: 3"]);
    host.write("falco", "#!/bin/sh\necho hello\n");
    host.finds("falco_version", "unknown", &[]);
    host.library("usr/share/falco/plugins/libsysflow.so", "2.39");
    host.finds("plugin_library", "problem", &["needs glibc 2.39, here is 2.36"]);
    host.write("usr/share/falco/plugins/libsysflow.so", "text");
    host.finds("plugin_library", "problem", &["no shared library", "copy libsysflow.so"]);
    std::fs::remove_file(host.at("lib64/libc.so.6")).unwrap();
    host.library("usr/share/falco/plugins/libsysflow.so", "2.39");
    host.finds("plugin_library", "unknown", &["no C library"]);
}

#[test]
fn keys_of_falco_that_drop_events() {
    const DROP_IN: &str = "etc/falco/config.d/sysflow.yaml";
    let host = Host::new();
    // A later file replaces the whole of it.
    host.write(
        "etc/falco/config.d/zz.yaml",
        "base_syscalls: {custom_set: [open], all: true, repair: true}\n",
    );
    host.finds("base_syscalls", "problem", &["zz.yaml", "lacks", "accept", "more"]);
    host.write("etc/falco/config.d/zz.yaml", "base_syscalls: {all: true, repair: true}\n");
    host.finds("base_syscalls", "warning", &["only what its rules", "sysflow-stock.yaml"]);
    std::fs::remove_file(host.at("etc/falco/config.d/zz.yaml")).unwrap();
    host.change(DROP_IN, "read, readv, pread,", "\"!read\", readv, pread,");
    host.finds("base_syscalls", "problem", &["takes out read"]);
    host.change(DROP_IN, "\"!read\", readv, pread,", "readv, pread,");
    host.finds("base_syscalls", "problem", &["lacks read\""]);
    host.change(DROP_IN, "readv, pread,", "read, readv, pread,");
    host.change(DROP_IN, "all: true", "all: false");
    host.finds("base_syscalls", "problem", &["all: true", "high volume"]);
    host.change(DROP_IN, "all: false", "all: true");
    host.change(DROP_IN, "repair: true", "repair: no");
    host.finds("base_syscalls", "warning", &["repair: true"]);
    host.write(
        "etc/falco/config.d/z.yaml",
        "engine: {kind: modern_ebpf, modern_ebpf: {drop_failed_exit: true}}\n",
    );
    host.finds("drop_failed_exit", "warning", &["engine.modern_ebpf.drop_failed_exit: false"]);
    host.change("etc/falco/falco.yaml", "suggested_output: true", "suggested_output: false");
    host.finds("append_output", "ok", &[]);
    host.change(DROP_IN, "extra_fields: [sf.graphid]", "extra_fields: [evt.num]");
    host.finds("append_output", "warning", &["sf.graphid"]);
    host.write(
        "etc/falco/config.d/z.yaml",
        "append_output: [{match: {source: syscall}, extra_fields: [sf.graphid]}]\n",
    );
    host.finds("append_output", "ok", &[]);
    host.change("etc/falco/falco.yaml", "watch_config_files: true", "watch_config_files: false");
    host.finds("watch_config_files", "ok", &["restart Falco"]);
}

#[test]
fn the_lighter_choices_are_no_mistakes() {
    for (file, says) in [
        ("sysflow-no-io-counts.yaml", "leaves out reads and writes"),
        ("sysflow-stock.yaml", "only what its rules"),
    ] {
        let host = Host::new();
        let there = Path::new(env!("CARGO_MANIFEST_DIR")).join("../falco-config").join(file);
        host.write("etc/falco/config.d/sysflow.yaml", &std::fs::read_to_string(there).unwrap());
        host.finds("base_syscalls", "warning", &[says, file]);
        host.finds("plugin", "ok", &[]);
        host.finds("append_output", "ok", &[]);
    }
}

#[test]
fn a_configuration_that_cannot_be_read_or_is_not_there() {
    let host = Host::new();
    host.write("etc/falco/config.d/bad.yaml", "a: [\n");
    let (found, status) = host.ask(&[]);
    finds(&found, "falco_config", "problem", &["config.d/bad.yaml"]);
    assert_eq!(status, 1);
    std::fs::remove_dir_all(host.at("etc/falco")).unwrap();
    host.finds("falco_config", "unknown", &["--falco-config"]);
    finds(&host.ask(&["--falco-config", "/no/falco.yaml"]).0, "falco_config", "problem", &["/no/falco.yaml"]);
}

#[test]
fn the_plugin_is_loaded_in_order_and_connects_to_us() {
    const DROP_IN: &str = "etc/falco/config.d/sysflow.yaml";
    let host = Host::new();
    host.finds("plugin", "ok", &["after container"]);
    std::fs::rename(
        host.at("etc/falco/config.d/falco.container_plugin.yaml"),
        host.at("etc/falco/config.d/z.yaml"),
    )
    .unwrap();
    host.finds("plugin", "problem", &["container after sysflow", "load_plugins"]);
    std::fs::remove_file(host.at("etc/falco/config.d/z.yaml")).unwrap();
    host.finds("plugin", "warning", &["container is not"]);
    host.change(DROP_IN, "load_plugins: [sysflow]", "load_plugins: [json]");
    host.finds("plugin", "problem", &["\\\"json\\\"", "does not start"]);
    host.change(DROP_IN, "load_plugins: [json]", "load_plugins: [container]");
    host.finds("plugin", "problem", &["leaves out sysflow"]);
    host.change(DROP_IN, "load_plugins: [container]", "load_plugins: [container, sysflow]");
    host.change(DROP_IN, "/run/sysflow/sysflow.sock", "/run/other.sock");
    host.finds(
        "plugin_output",
        "problem",
        &["connects to /run/other.sock", "listens on /run/sysflow/sysflow.sock"],
    );
    host.change(DROP_IN, "socket: /run/other.sock", "rotate: 60");
    host.finds("plugin_output", "problem", &["neither socket nor dir"]);
    host.change(DROP_IN, "name: sysflow", "name: other");
    host.change(DROP_IN, "libsysflow.so", "libother.so");
    host.change(DROP_IN, "[container, sysflow]", "[container]");
    host.finds("plugin", "problem", &["no entry for sysflow", "config.d"]);
}

#[test]
fn the_socket_and_who_may_use_it() {
    let mut host = Host::new();
    host.finds("socket", "ok", &["/run/sysflow/sysflow.sock", "listens"]);
    std::fs::set_permissions(host.at("run/sysflow"), std::fs::Permissions::from_mode(0o777)).unwrap();
    host.finds("socket", "warning", &["others can write", "777"]);
    std::fs::set_permissions(host.at("run/sysflow"), std::fs::Permissions::from_mode(0o755)).unwrap();
    drop(host.socket.take());
    host.finds("socket", "problem", &["nobody listens"]);
    std::fs::remove_file(host.at("run/sysflow/sysflow.sock")).unwrap();
    host.finds("socket", "problem", &["is not there", "sysflow run"]);
    host.write("run/sysflow/sysflow.sock", "");
    host.finds("socket", "problem", &["is no socket"]);
    host.write("s.yaml", "inputs: [{peer_uids: [1000]}]\n");
    let config = host.at("s.yaml");
    finds(&host.ask(&["-c", config.to_str().unwrap()]).0, "socket", "warning", &["leaves out root"]);
}

/// What is to be said of a store whose archive may take so much: that depends on the disk of whoever runs the tests.
fn with_room_for(dir: &Path, max_mib: u64) -> &'static str {
    const SLACK_MIB: u64 = 1024;
    let room = rustix::fs::statvfs(dir).unwrap();
    let free_mib = room.f_bavail * room.f_frsize / (1024 * 1024);
    if free_mib >= max_mib + SLACK_MIB { "ok" } else { "warning" }
}

#[test]
fn the_store_and_falcosidekick() {
    let host = Host::new();
    let config = host.at("s.yaml");
    let ask = |text: String| {
        std::fs::write(&config, text).unwrap();
        host.ask(&["-c", config.to_str().unwrap()]).0
    };
    finds(&ask("{}".into()), "store", "warning", &["no store"]);
    let store = host.at("new/store");
    finds(
        &ask(format!("store: {}\narchive: {{max_mib: 1}}\n", store.display())),
        "store",
        with_room_for(host.at("").as_path(), 1),
        &["MiB free"],
    );
    assert!(!store.exists(), "nothing is changed");
    let much = format!("store: {}\narchive: {{max_mib: 1000000000000}}\n", store.display());
    finds(&ask(much), "store", "warning", &["lower archive.max_mib"]);
    finds(&ask(format!("store: {}/store\n", config.display())), "store", "problem", &["no directory"]);
    finds(&ask("store: /proc/sysflow\n".into()), "store", "problem", &["cannot be written"]);

    let runtime = tokio::runtime::Runtime::new().unwrap();
    let sidekick = runtime.block_on(Falcosidekick::start());
    let at = |url: &str| format!("alerts: {{falcosidekick: {{url: '{url}'}}}}\n");
    finds(&ask(at(&sidekick.url)), "falcosidekick", "ok", &[]);
    finds(
        &ask(at("http://127.0.0.1:9/")),
        "falcosidekick",
        "problem",
        &["http://127.0.0.1:9/", "wait in the queue"],
    );
}

#[test]
fn the_running_service_and_what_plugins_have_told_it() {
    let host = Host::new();
    host.finds("service", "problem", &["no service answers", "sysflow run"]);
    let dir = tempfile::tempdir().unwrap();
    let running = Running::start(dir.path(), "http://127.0.0.1:9/");
    let url = format!("http://{}", running.address());
    let ask = || {
        let mut command = sysflow();
        command.args(["doctor", "-o", "json", "--url", &url, "-c"]).arg(dir.path().join("s.yaml"));
        let output = command.output().unwrap();
        let lines = String::from_utf8(output.stdout).unwrap();
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>()
    };
    let found = ask();
    finds(&found, "service", "ok", &["ready"]);
    finds(&found, "versions", "problem", &["no plugin is connected"]);
    finds(&found, "not_delivered", "ok", &[]);
    finds(&found, "losses", "ok", &[]);
    finds(&found, "socket", "ok", &["listens"]);
    finds(&found, "store", with_room_for(dir.path(), 4096), &["may grow to 4096 MiB"]);

    let (mut plugin, _) = Plugin::welcome(&dir.path().join("s.sock"), 0);
    let lost = Loss {
        events: 3,
        records: 2,
        from: records::START,
        to: records::START,
        cause: "Falco does not deliver read, mkdir; set base_syscalls.custom_set; buffer_mib is full; 3 malformed \
                events; \u{1b}]0;x\u{7}"
            .into(),
    };
    let Record::Header(header) = records::header() else { unreachable!() };
    let mut told = records::story();
    told[0] = Record::Header(Header { lost, ..header });
    plugin.frame(0, &told);
    plugin.until_stored(8);
    let found = eventually("the header is judged", || {
        let found = ask();
        let is_there = found.iter().any(|f| f["check"] == "not_delivered" && f["status"] == "warning");
        is_there.then_some(found)
    });
    finds(&found, "not_delivered", "warning", &["2 calls", "mkdir, read", "base_syscalls"]);
    finds(&found, "losses", "warning", &["3 events (malformed)", "2 records (buffer)", "buffer_mib"]);
    finds(&found, "versions", "warning", &["plugin 0,"]);
    // Whatever the plugin says is kept over a restart, for it says it once.
    drop(plugin);
    running.stop();
    let running = Running::start(dir.path(), "http://127.0.0.1:9/");
    let url = format!("http://{}/metrics", running.address());
    let metrics = crate::api::get(running.address(), "/metrics").body;
    assert!(metrics.contains("\nsysflow_calls_not_delivered 2\n"), "{url}: {metrics}");
    assert!(metrics.contains("sysflow_call_not_delivered_nodes{call=\"read\"} 1\n"), "{metrics}");
}

#[test]
fn who_may_ask_the_service() {
    let host = Host::new();
    let config = host.at("sysflow.yaml");
    let ask = |text: &str| {
        std::fs::write(&config, text).unwrap();
        host.ask(&["-c", config.to_str().unwrap()]).0
    };
    finds(&ask(""), "token", "ok", &["everybody on this host"]);
    finds(&ask("api: { listen: '0.0.0.0:1' }\n"), "token", "problem", &["0.0.0.0:1", "api.token_file"]);
    let open = "api: { listen: '0.0.0.0:1', insecure: true }\n";
    finds(&ask(open), "token", "warning", &["everybody who reaches 0.0.0.0:1"]);
    let file = host.at("token");
    let with = format!("api: {{ token_file: {} }}\n", file.display());
    finds(&ask(&with), "token", "unknown", &["not there yet"]);
    let write = |text: &str, mode| {
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    write("short", 0o600);
    finds(&ask(&with), "token", "problem", &["16 to 512"]);
    write("0123456789abcdef", 0o644);
    finds(&ask(&with), "token", "warning", &["chmod 600"]);
    write("0123456789abcdef", 0o600);
    finds(&ask(&with), "token", "ok", &["requests need the token"]);

    // A service that was started with it, and one whose file was changed since.
    let running = crate::api::Running::start(|config| config.api.token_file = Some(file.clone()));
    let url = format!("http://{}", running.address);
    let ask = || {
        let output =
            sysflow().args(["doctor", "-o", "json", "--url", &url, "-c"]).arg(&config).output().unwrap();
        let lines = String::from_utf8(output.stdout).unwrap();
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>()
    };
    finds(&ask(), "token", "ok", &["the service knows"]);
    write("another token, of us".replace([' ', ','], "-").as_str(), 0o600);
    finds(&ask(), "token", "problem", &["another token", "restart"]);
}

#[test]
fn findings_for_people_and_wrong_use() {
    let host = Host::new();
    host.write("etc/falco/config.d/z.yaml", "load_plugins: [\"\\e[31mx\"]\n");
    let mut command = sysflow();
    let output = command
        .args(["doctor", "--url", "http://127.0.0.1:9", "--root"])
        .arg(host.dir.path())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("PROBLEM  plugin ") && text.contains("fix: "), "{text}");
    assert!(text.bytes().all(|b| b == b'\n' || (0x20..0x7f).contains(&b)), "{text:?}");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("problems were found"));
    assert_eq!(sysflow().args(["doctor", "-o", "xml"]).status().unwrap().code(), Some(2));
}
