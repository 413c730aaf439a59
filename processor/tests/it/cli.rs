//! The program itself: what it says, how it ends, and what a kill leaves behind.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use sysflow::file::Options;
use sysflow::{Reader, Writer};

use crate::api::get;
use crate::falcosidekick::Falcosidekick;
use crate::plugin::Plugin;
use crate::records::{self, RULES, SECOND, START};

pub(crate) fn sysflow() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sysflow"));
    command.env_remove("FALCOSIDEKICK_URL").env_remove("SYSFLOW_LOG").env_remove("SYSFLOW_CONFIG");
    command.env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    sysflow().args(arguments).output().unwrap()
}

/// Runs it; it has to fail with this status, and say each of these words, once and without a panic.
#[track_caller]
fn fails(arguments: &[&str], status: i32, says: &[&str]) {
    let output = run(arguments);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(status), "{arguments:?}\n{stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
    assert!(stderr.lines().filter(|line| line.starts_with("sysflow: ")).count() <= 1, "{stderr}");
    for word in says {
        assert!(stderr.contains(word), "{arguments:?} should say {word:?}\n{stderr}");
    }
}

fn trace(dir: &Path) -> String {
    let path = dir.join("story.sf");
    let mut writer = Writer::create(&path, &Options::default()).unwrap();
    for record in records::story() {
        writer.write(&record).unwrap();
    }
    writer.finish().unwrap();
    path.display().to_string()
}

#[test]
fn the_plugin_and_directories_are_installed() {
    let scratch = tempfile::tempdir().unwrap();
    let (bin, to, run_dir) =
        (scratch.path().join("bin"), scratch.path().join("to"), scratch.path().join("run"));
    for dir in [&bin, &to] {
        std::fs::create_dir(dir).unwrap();
    }
    let program = bin.join("sysflow");
    std::fs::copy(env!("CARGO_BIN_EXE_sysflow"), &program).unwrap();
    std::fs::write(bin.join("libsysflow.so"), "new").unwrap();
    std::fs::write(to.join("libsysflow.so"), "old and longer").unwrap();
    let uid = rustix::process::getuid().as_raw().to_string();
    let done = Command::new(&program)
        .args([
            "install",
            "--plugin",
            to.to_str().unwrap(),
            "--own",
            run_dir.to_str().unwrap(),
            "--owner",
            &uid,
        ])
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(std::fs::read_to_string(to.join("libsysflow.so")).unwrap(), "new");
    assert_eq!(std::fs::read_dir(&to).unwrap().count(), 1, "nothing half-written stays");
    assert!(run_dir.is_dir());
    fails(&["install", "--own", "/run/x"], 2, &["--owner"]);
    fails(&["install", "--own", "/run/x", "--owner", "nobody"], 2, &["nobody"]);
    fails(&["install"], 2, &["--plugin"]);
}

#[test]
fn a_public_url_has_to_be_one() {
    fails(&["run", "--public-url", "sysflow.example"], 2, &["http://"]);
}

#[test]
fn every_command_has_help_with_an_example() {
    for command in [
        &["--help"][..],
        &["run", "--help"],
        &["demo", "--help"],
        &["replay", "--help"],
        &["print", "--help"],
        &["graph", "--help"],
        &["rules", "check", "--help"],
        &["install", "--help"],
        &["rules", "list", "--help"],
        &["rules", "test", "--help"],
        &["rules", "explain", "--help"],
        &["config", "schema", "--help"],
        &["config", "check", "--help"],
        &["doctor", "--help"],
    ] {
        let output = run(command);
        assert_eq!(output.status.code(), Some(0));
        assert!(String::from_utf8(output.stdout).unwrap().contains("Example"), "{command:?}");
    }
}

#[test]
fn wrong_use_is_status_2() {
    for arguments in
        [&[][..], &["nothing"], &["print"], &["replay"], &["demo", "--speed", "slow"], &["rules"]]
    {
        assert_eq!(run(arguments).status.code(), Some(2), "{arguments:?}");
    }
    let dir = tempfile::tempdir().unwrap();
    let trace = trace(dir.path());
    fails(&["print", &trace, "-f", "sf.proc.exee = sh"], 2, &["sf.proc.exee", "sf.proc.exe", "^"]);
    fails(&["print", &trace, "-c", "sf.nothing"], 2, &["sf.nothing"]);
    fails(&["graph", &trace, "--id", "12"], 2, &["32"]);
    fails(&["demo", "--listen", "nowhere"], 2, &["--listen", "nowhere", "127.0.0.1:8686"]);
    fails(&["--log", "no=such=level", "rules", "list"], 2, &["--log"]);
}

#[test]
fn records_are_printed_in_all_forms() {
    let dir = tempfile::tempdir().unwrap();
    let trace = trace(dir.path());
    for (form, lines) in [("table", 4), ("csv", 4), ("json", 3), ("ecs", 3)] {
        let output = run(&["print", &trace, "-o", form]);
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), lines, "{form}");
    }
    let filtered = run(&["print", &trace, "-o", "csv", "-c", "sf.type,sf.proc.exe", "-f", "sf.type = NF"]);
    assert_eq!(String::from_utf8(filtered.stdout).unwrap(), "sf.type,sf.proc.exe\nNF,/bin/sh\n");
    let nothing = run(&["print", &trace, "-o", "json", "-f", "sf.type = FE"]);
    assert_eq!((nothing.status.code(), nothing.stdout.len()), (Some(0), 0));
    let counts: serde_json::Value =
        serde_json::from_slice(&run(&["print", "--counts", &trace]).stdout).unwrap();
    assert_eq!((&counts["records"], &counts["P"], &counts["NF"]), (&8.into(), &2.into(), &1.into()));
}

#[test]
fn rules_are_told_beside_the_records() {
    let dir = tempfile::tempdir().unwrap();
    let rules = dir.path().join("rules.yaml");
    std::fs::write(&rules, RULES).unwrap();
    let output = run(&["print", &trace(dir.path()), "-o", "json", "--rules", rules.to_str().unwrap()]);
    let first = String::from_utf8(output.stdout).unwrap();
    let first: serde_json::Value = serde_json::from_str(first.lines().next().unwrap()).unwrap();
    assert_eq!(first["policies"][0]["id"], "Shell of a server");
    assert_eq!(first["policies"][0]["priority"], 2);
    assert_eq!(first["tags"], serde_json::json!(["T1059.004", "mitre_execution"]));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("long.sf");
    let mut writer = Writer::create(&path, &Options::default()).unwrap();
    for record in records::beginning() {
        writer.write(&record).unwrap();
    }
    for n in 0..50_000 {
        writer.write(&records::exec(START + n)).unwrap();
    }
    writer.finish().unwrap();
    let mut child = sysflow()
        .args(["print", path.to_str().unwrap()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[test]
fn damaged_traces_give_one_message_after_what_is_good() {
    let dir = tempfile::tempdir().unwrap();
    let whole = std::fs::read(trace(dir.path())).unwrap();
    let bad = dir.path().join("bad.sf");
    let name = bad.to_str().unwrap();
    for content in [&b""[..], b"no trace at all", &whole[..whole.len() - 20], &whole[..100]] {
        std::fs::write(&bad, content).unwrap();
        fails(&["print", name], 1, &["bad.sf"]);
        fails(&["graph", name], 1, &["bad.sf"]);
    }
    fails(&["print", "/no/such/file.sf"], 1, &["/no/such/file.sf"]);
    // Two blocks, the second one torn: the first is shown.
    let mut writer = Writer::create(&bad, &Options::default()).unwrap();
    for record in records::story() {
        writer.write(&record).unwrap();
        writer.flush().unwrap();
    }
    writer.finish().unwrap();
    let whole = std::fs::read(&bad).unwrap();
    std::fs::write(&bad, &whole[..whole.len() - 5]).unwrap();
    let output = run(&["print", name, "-o", "json"]);
    assert_eq!((output.status.code(), output.stdout.split(|&b| b == b'\n').count() - 1), (Some(1), 2));
}

#[test]
fn graphs_of_a_trace_are_listed_and_drawn() {
    let dir = tempfile::tempdir().unwrap();
    let trace = trace(dir.path());
    let list: serde_json::Value = serde_json::from_slice(&run(&["graph", &trace]).stdout).unwrap();
    assert_eq!(list["graphs"][0]["id"], records::graph());
    let graph: serde_json::Value =
        serde_json::from_slice(&run(&["graph", &trace, "--id", &records::graph()]).stdout).unwrap();
    assert_eq!((&graph["version"], &graph["node"]), (&1.into(), &records::NODE.into()));
    fails(&["graph", &trace, "--id", "00000000000000000000000000000000"], 1, &["no graph"]);
}

#[test]
fn rules_are_checked() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rules.yaml");
    let rules = path.to_str().unwrap();
    std::fs::write(&path, RULES).unwrap();
    let lines = String::from_utf8(run(&["rules", "check", rules, "-o", "json"]).stdout).unwrap();
    let first: serde_json::Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!(
        (lines.lines().count(), &first["rule"], &first["status"]),
        (3, &"Shell of a server".into(), &"runs".into())
    );
    assert_eq!(run(&["rules", "check", rules, "--strict"]).status.code(), Some(0));
    std::fs::write(&path, RULES.replace("sf.proc.name", "sf.proc.nme")).unwrap();
    fails(&["rules", "check", rules], 1, &["rules.yaml:4", "sf.proc.nme", "sf.proc.name", "^"]);
    // A rule for another source loads and cannot run.
    std::fs::write(&path, format!("{RULES}\n- rule: K\n  desc: k\n  condition: ka.verb = get\n  output: k\n  priority: INFO\n  source: k8s_audit\n")).unwrap();
    assert_eq!(run(&["rules", "check", rules]).status.code(), Some(0));
    fails(&["rules", "check", rules, "--strict"], 1, &["1 rules cannot run"]);
    let table = String::from_utf8(run(&["rules", "check", rules]).stdout).unwrap();
    assert!(table.contains("runs      Shell of a server\n"), "{table}");
    assert!(table.contains("cannot    K\n          source `k8s_audit`: only `syscall`"), "{table}");
}

#[test]
fn the_built_in_rules_load_without_a_warning() {
    let output = run(&["--log", "warn", "rules", "list", "-o", "json"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8(output.stdout).unwrap().lines().count() >= 25);
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[test]
fn plugins_that_are_none_and_captures_that_are_none() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("libx.so");
    std::fs::write(&file, "text").unwrap();
    let (plugin, out) = (file.to_str().unwrap(), dir.path().join("out.sf"));
    let out = out.to_str().unwrap();
    fails(&["replay", plugin, "--plugin", plugin, "-o", out], 1, &["libx.so", "shared object"]);
    fails(&["demo", "--once", "--plugin", plugin], 1, &["libx.so"]);
    fails(&["demo", "--once", "--capture", plugin], 1, &["libx.so"]);
    fails(&["replay", plugin, "--plugin", "/lib/x86_64-linux-gnu/libm.so.6"], 1, &["libm.so.6"]);
    assert!(!Path::new(out).exists());
}

#[test]
fn the_services_resources_that_cannot_be_had() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sysflow.yaml");
    let config = path.to_str().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap();
    let write = |text: String| std::fs::write(&path, text).unwrap();
    let at = dir.path().display();

    write(format!("inputs: [{{ socket: {at}/s.sock }}]\napi: {{ listen: '{port}' }}\n"));
    fails(&["run", "-c", config], 1, &[&port.to_string(), "--listen"]);
    write(format!("inputs: [{{ socket: {at}/sysflow.yaml/s.sock }}]\napi: {{ listen: '127.0.0.1:0' }}\n"));
    fails(&["run", "-c", config], 1, &["s.sock", "choose another path"]);
    write(format!(
        "inputs: [{{ socket: {at}/s.sock }}]\nstore: {config}/store\napi: {{ listen: '127.0.0.1:0' }}\n"
    ));
    fails(&["run", "-c", config], 1, &["store"]);
    write("alerts: { falcosidekick: { url: nowhere } }\napi: { listen: '127.0.0.1:0' }\n".into());
    fails(&["run", "-c", config], 1, &["alerts.falcosidekick", "nowhere"]);
    write("rules: { files: [/no/rules.yaml] }\napi: { listen: '127.0.0.1:0' }\n".into());
    fails(&["run", "-c", config], 1, &["/no/rules.yaml"]);
    write("storre: x\n".into());
    fails(&["run", "-c", config], 1, &["sysflow.yaml", "storre", "line 1"]);
    fails(&["config", "check", config], 1, &["storre"]);
    fails(&["run", "-c", "/no/sysflow.yaml"], 1, &["/no/sysflow.yaml"]);
}

/// Writes the configuration NAME.yaml of a service that listens on NAME.sock, with `more` keys.
fn configuration(dir: &Path, name: &str, more: &str) -> PathBuf {
    let config = dir.join(name).with_extension("yaml");
    let socket = dir.join(name).with_extension("sock");
    let text =
        format!("inputs: [{{ socket: {} }}]\napi: {{ listen: '127.0.0.1:0' }}\n{more}", socket.display());
    std::fs::write(&config, text).unwrap();
    config
}

/// A running service.
pub(crate) struct Running {
    child: Child,
    address: SocketAddr,
}

impl Running {
    /// With the configuration s.yaml in `dir`.
    pub(crate) fn start(dir: &Path, sidekick: &str) -> Self {
        Self::with(dir, sidekick, "")
    }

    /// The same with more lines of configuration.
    pub(crate) fn with(dir: &Path, sidekick: &str, lines: &str) -> Self {
        std::fs::write(dir.join("rules.yaml"), RULES).unwrap();
        let at = dir.display();
        let more = format!(
            "rules: {{ files: [{at}/rules.yaml] }}\nstore: {at}/store\n\
             alerts: {{ falcosidekick: {{ url: '{sidekick}' }} }}\n{lines}"
        );
        let config = configuration(dir, "s", &more);
        let log = std::fs::File::create(dir.join("log")).unwrap();
        let child = sysflow().arg("run").arg("-c").arg(&config).stderr(log).spawn().unwrap();
        let mut running = Self { child, address: ([127, 0, 0, 1], 0).into() };
        running.address = eventually("the service says where it listens", || {
            let log = std::fs::read_to_string(dir.join("log")).unwrap();
            let (_, rest) = log.split_once("http://")?;
            rest.split('/').next()?.parse().ok().filter(|_| log.contains("waiting for plugins"))
        });
        running
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it as an operator would.
    pub(crate) fn stop(mut self) {
        self.signal("-TERM");
        assert_eq!(self.child.wait().unwrap().code(), Some(0), "a clean end");
    }

    fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Of a service that was ended already this is an error, which does not matter.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

#[track_caller]
pub(crate) fn eventually<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < deadline, "{what} did not happen in time");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_service_that_is_killed_loses_and_doubles_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let sidekick = runtime.block_on(Falcosidekick::start());
    let path = dir.path().join("s.sock");
    let mut expected = records::beginning();
    expected.extend((0..40_i64).flat_map(|n| {
        let path = format!("/etc/secret{n}");
        [records::file(&path), records::read(&path, START + n * SECOND)]
    }));
    let mut sent = 0;
    while sent < expected.len() {
        let running = Running::start(dir.path(), &sidekick.url);
        let (mut plugin, stored) = Plugin::welcome(&path, sent as u64);
        assert_eq!(stored, sent as u64);
        let end = (sent + 17).min(expected.len());
        plugin.frame(sent as u64, &expected[sent..end]);
        plugin.until_stored(end as u64);
        sent = end;
        running.signal("-KILL");
    }
    let mut running = Running::start(dir.path(), &sidekick.url);
    // A shell, and 40 different files.
    eventually("all alerts arrive", || (sidekick.accepted().len() >= 41).then_some(()));
    let graph = get(running.address, &format!("/api/v1/graphs/{}", records::graph())).json();
    let read = graph["nodes"].as_array().unwrap().iter().find(|node| node["kind"] == "files").unwrap();
    assert_eq!(read["rbytes"], 40 * 80, "no record counts twice");
    assert_eq!(get(running.address, "/api/v1/alerts").json()["total"], 41);

    running.signal("-TERM");
    assert_eq!(running.child.wait().unwrap().code(), Some(0), "a clean end");
    assert!(!path.exists(), "the socket is removed");
    let mut outputs: BTreeMap<String, usize> = BTreeMap::new();
    for alert in sidekick.accepted() {
        *outputs.entry(alert["output"].to_string()).or_default() += 1;
    }
    assert_eq!(outputs.len(), 41);
    // Between a delivery and its note in the queue's state there is an instant in which a kill repeats one alert.
    let repeated = outputs.values().filter(|&&times| times > 1).count();
    assert!(repeated <= 6 && outputs.values().all(|&times| times <= 2), "{outputs:?}");
    assert_eq!(sidekick.refused(), Vec::<String>::new());

    let archive = dir.path().join("store/archive");
    let mut files: Vec<_> = std::fs::read_dir(archive).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let stored: Vec<_> =
        files.iter().flat_map(|file| Reader::open(file).unwrap().map(Result::unwrap)).collect();
    assert_eq!(stored, expected);
}

#[test]
fn alerts_wait_for_falcosidekick_over_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let url = format!("http://{address}/");
    let mut running = Running::start(dir.path(), &url);
    let (mut plugin, _) = Plugin::welcome(&dir.path().join("s.sock"), 0);
    plugin.frame(0, &records::story());
    plugin.until_stored(8);
    eventually("all is judged", || {
        (get(running.address, "/api/v1/alerts").json()["total"] == 3).then_some(())
    });
    running.signal("-TERM");
    assert_eq!(running.child.wait().unwrap().code(), Some(0));

    let listener = runtime.block_on(tokio::net::TcpListener::bind(address)).unwrap();
    let sidekick = {
        let _inside = runtime.enter();
        Falcosidekick::on(listener)
    };
    let _running = Running::start(dir.path(), &url);
    eventually("they arrive", || (sidekick.accepted().len() >= 3).then_some(()));
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(sidekick.accepted().len(), 3, "each once");
}

#[test]
fn files_of_one_name_in_two_directories_are_two() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [a, b] = dirs.each_ref().map(|dir| trace(dir.path()));
    let records = |files: &[&str]| {
        let list: serde_json::Value =
            serde_json::from_slice(&run(&[&["graph"], files].concat()).stdout).unwrap();
        list["graphs"][0]["records"].as_u64().unwrap()
    };
    assert_eq!((records(&[&a]), records(&[&a, &b])), (3, 6));
}

#[test]
fn a_standard_error_that_nobody_reads_ends_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (config, socket) = (configuration(dir.path(), "s", ""), dir.path().join("s.sock"));
    let mut child = sysflow().arg("run").arg("-c").arg(&config).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stderr.take());
    let mut running = Running { child, address: ([127, 0, 0, 1], 0).into() };
    eventually("it listens", || socket.exists().then_some(()));
    let (mut plugin, _) = Plugin::welcome(&socket, 0);
    plugin.frame(0, &records::story());
    plugin.until_stored(8);
    running.signal("-TERM");
    assert_eq!(running.child.wait().unwrap().code(), Some(0));

    let mut print = sysflow();
    print.args(["print", "/no/such/file.sf"]).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = print.spawn().unwrap();
    drop(child.stderr.take());
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

#[test]
fn a_store_belongs_to_one_process() {
    let dir = tempfile::tempdir().unwrap();
    let running = Running::start(dir.path(), "http://127.0.0.1:9/");
    let second = configuration(dir.path(), "second", &format!("store: {}/store\n", dir.path().display()));
    fails(&["run", "-c", second.to_str().unwrap()], 1, &["store", "in use by another process"]);
    // A kill frees it.
    running.signal("-KILL");
    drop(running);
    Running::start(dir.path(), "http://127.0.0.1:9/");
}

/// Falco and the service in two containers: each is outside of the other's pid namespace.
#[test]
fn a_plugin_in_another_pid_namespace_is_served() {
    let isolated = || {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--pid", "--fork", "--kill-child"]);
        command
    };
    if !isolated().arg("true").status().is_ok_and(|status| status.success()) {
        assert!(std::env::var_os("CI").is_none(), "no pid namespace can be made here");
        println!("skipped: no pid namespace can be made here");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (config, socket) = (configuration(dir.path(), "s", ""), dir.path().join("s.sock"));
    let log = std::fs::File::create(dir.path().join("log")).unwrap();
    let child =
        isolated().arg(env!("CARGO_BIN_EXE_sysflow")).arg("run").arg("-c").arg(&config).stderr(log).spawn();
    let _running = Running { child: child.unwrap(), address: ([127, 0, 0, 1], 0).into() };
    eventually("it listens", || socket.exists().then_some(()));
    let (mut plugin, _) = Plugin::welcome(&socket, 0);
    plugin.frame(0, &records::story());
    plugin.until_stored(8);
}
