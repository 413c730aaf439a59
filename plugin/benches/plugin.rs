//! What a real capture costs, through libsysflow.so as Falco loads it, and how much of it is left:
//! `cargo bench -p sysflow-plugin`.
//!
//! `-- --instructions` counts the instructions inside of the plugin's parse function, under valgrind.

#[path = "../../crates/flow/benches/support.rs"]
mod support;

use std::{
    env, fs,
    io::{Read as _, Write as _},
    os::unix::{fs::PermissionsExt as _, net::UnixListener},
    path::{Path, PathBuf},
    process::Command,
};

use support::{cpu_ns, instructions, machine};
use sysflow::{
    Reader,
    stream::{self, Decoder, Message, Welcome},
};
use sysflow_replay::{Capture, RawEvent, host};

/// The capture that times are measured on.
const LOAD: &str = "load";
const CAPTURES: [&str; 4] = [LOAD, "shop-attack", "shop-normal", "host-mix"];
const REPEATS: usize = 5;
/// Events that callgrind watches.
const WATCHED: usize = 100_000;

fn main() {
    let args: Vec<String> = env::args().skip(1).filter(|arg| arg != "--bench").collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => tables(),
        ["--instructions"] => instruction_table(),
        ["--fixed", output] => fixed(output),
        _ => eprintln!("usage: cargo bench -p sysflow-plugin [-- --instructions]"),
    }
}

fn tables() {
    let Some(shared) = shared() else { return };
    println!("{}", machine());
    let library = host::Plugin::load(&library()).expect("libsysflow.so loads");
    costs(&library, &shared);
    sizes(&library, &shared);
    pairs(&library, &shared);
}

/// CPU time of the event thread, the C ABI included.
fn costs(library: &host::Plugin, shared: &Path) {
    let events = Events::read(&capture(shared, LOAD), library);
    println!("\n{LOAD}.scap: {} events delivered, least of {REPEATS} runs", events.len());
    println!(
        "{:<10} {:>9} {:>10} {:>12} {:>11} {:>12}",
        "output", "ns/event", "records", "events/record", "bytes/event", "bytes/record"
    );
    for output in ["nothing", "files", "socket"] {
        let runs: Vec<Run> = (0..REPEATS).map(|_| events.run(library, output, usize::MAX)).collect();
        let least = runs.iter().min_by_key(|run| run.ns).expect("there are runs");
        let per =
            |what: u64, of: u64| if of == 0 { "-".into() } else { format!("{:.1}", what as f64 / of as f64) };
        let events = events.len() as u64;
        println!(
            "{output:<10} {:>9} {:>10} {:>12} {:>11} {:>12}",
            per(least.ns, events),
            least.records,
            per(events, least.records),
            per(least.bytes, events),
            per(least.bytes, least.records),
        );
    }
}

/// What is left of each capture.
fn sizes(library: &host::Plugin, shared: &Path) {
    println!("\n.sf files beside the captures, both as they are on the disk");
    println!(
        "{:<12} {:<9} {:>9} {:>8} {:>13} {:>10} {:>11} {:>10} {:>11}",
        "capture",
        "reduction",
        "events",
        "records",
        "events/record",
        ".sf bytes",
        "bytes/event",
        ".scap.gz",
        "times less"
    );
    for name in CAPTURES {
        let path = capture(shared, name);
        let events = Events::read(&path, library);
        let scap = fs::metadata(&path).map_or(0, |data| data.len());
        for reduction in ["lossless", "rollup"] {
            let dir = private();
            let config = serde_json::json!({ "dir": dir.path(), "reduction": reduction }).to_string();
            if let Err(why) = events.replay(library, &config) {
                println!("{name:<12} {reduction:<9} {why}");
                continue;
            }
            let (records, bytes) = written(dir.path());
            let delivered = events.len() as f64;
            println!(
                "{name:<12} {reduction:<9} {delivered:>9} {records:>8} {:>13.1} {bytes:>10} {:>11.2} {scap:>10} {:>11.1}",
                delivered / records as f64,
                bytes as f64 / delivered,
                scap as f64 / bytes as f64,
            );
        }
    }
}

/// The traces that SysFlow's own collector made, beside ours of the same captures.
fn pairs(library: &host::Plugin, shared: &Path) {
    println!("\n.sf files beside those of SysFlow's collector (schema v5, its regression settings)");
    println!(
        "{:<33} {:>9} {:>8} {:>10} {:>8} {:>10} {:>10}",
        "pair", "events", "records", ".sf bytes", "records", ".sf bytes", ".scap.gz"
    );
    let listed = fs::read_dir(shared.join("data/pairs")).expect("the pairs");
    let mut references: Vec<PathBuf> = listed.map(|entry| entry.expect("an entry").path()).collect();
    references.retain(|path| path.extension().is_some_and(|extension| extension == "sf"));
    references.sort();
    for reference in references {
        let path = reference.with_extension("scap.gz");
        let name = reference.file_stem().expect("a name").display().to_string();
        let events = Events::read(&path, library);
        let dir = private();
        let config = serde_json::json!({ "dir": dir.path(), "schema": "v5", "compat": "sysflow-tests" });
        events.replay(library, &config.to_string()).expect("the pair replays");
        let (records, bytes) = written(dir.path());
        let their_records = Reader::open(&reference).expect("a trace").count();
        let size = |path: &Path| fs::metadata(path).map_or(0, |data| data.len());
        println!(
            "{name:<33} {:>9} {records:>8} {bytes:>10} {their_records:>8} {:>10} {:>10}",
            events.len(),
            size(&reference),
            size(&path),
        );
    }
}

fn instruction_table() {
    let Some(_) = shared() else { return };
    // Built before valgrind watches.
    library();
    println!("{}", machine());
    println!(
        "instructions inside of the plugin's parse function, mean of {WATCHED} events of {LOAD}.scap, by callgrind"
    );
    for output in ["nothing", "files"] {
        match instructions("plugin_parse_event", &["--fixed", output]) {
            Ok(total) => println!("{output:<10} {:>8.1}", total as f64 / WATCHED as f64),
            Err(why) => {
                println!("skipped: {why}");
                return;
            }
        }
    }
}

fn fixed(output: &str) {
    let Some(shared) = shared() else { return };
    let library = host::Plugin::load(&library()).expect("libsysflow.so loads");
    let events = Events::first(&capture(&shared, LOAD), &library, WATCHED);
    events.run(&library, output, WATCHED);
}

/// A capture in memory: only what the plugin asks for.
struct Events {
    path: PathBuf,
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

/// One run of a capture through a new instance.
#[derive(Default)]
struct Run {
    ns: u64,
    records: u64,
    /// Of the records: encoded for the socket, compressed in files.
    bytes: u64,
}

impl Events {
    fn read(path: &Path, library: &host::Plugin) -> Self {
        Self::first(path, library, usize::MAX)
    }

    fn first(path: &Path, library: &host::Plugin, most: usize) -> Self {
        let mut capture = Capture::open(path).expect("a capture");
        let wanted = library.init("{}", &capture).expect("an instance");
        let mut events = Self { path: path.to_owned(), bytes: Vec::new(), ends: Vec::new() };
        host::account_events(&capture, 1, |event| {
            events.push(event);
            Ok(())
        })
        .expect("accounts");
        while let Some(event) = capture.next_event().expect("an event").filter(|_| events.len() < most) {
            if wanted.wants(event.code()) {
                events.push(event.bytes());
            }
        }
        events
    }

    fn push(&mut self, event: &[u8]) {
        self.bytes.extend_from_slice(event);
        self.ends.push(self.bytes.len());
    }

    fn len(&self) -> usize {
        self.ends.len()
    }

    fn run(&self, library: &host::Plugin, output: &str, most: usize) -> Run {
        let dir = private();
        match output {
            "files" => {
                let config = serde_json::json!({ "dir": dir.path() }).to_string();
                let ns = self.replay_some(library, &config, most).expect("a replay");
                let (records, bytes) = written(dir.path());
                Run { ns, records, bytes }
            }
            "socket" => {
                let socket = dir.path().join("sysflow.sock");
                let listener = UnixListener::bind(&socket).expect("a socket");
                let reader = std::thread::spawn(move || drain(&listener));
                let config = serde_json::json!({ "socket": socket }).to_string();
                let ns = self.replay_some(library, &config, most).expect("a replay");
                let (records, bytes) = reader.join().expect("the reader ends");
                Run { ns, records, bytes }
            }
            _ => Run { ns: self.replay_some(library, "{}", most).expect("a replay"), ..Run::default() },
        }
    }

    fn replay(&self, library: &host::Plugin, config: &str) -> Result<u64, sysflow_replay::Error> {
        self.replay_some(library, config, usize::MAX)
    }

    /// CPU time of the parse calls alone.
    fn replay_some(
        &self,
        library: &host::Plugin,
        config: &str,
        most: usize,
    ) -> Result<u64, sysflow_replay::Error> {
        let capture = Capture::open(&self.path)?;
        let mut instance = library.init(config, &capture)?;
        instance.capture_open()?;
        let mut start = 0;
        let mut events = Vec::with_capacity(self.len());
        for end in &self.ends {
            events.push(RawEvent::parse(&self.bytes[start..*end])?);
            start = *end;
        }
        // Valgrind does not bear this clock.
        let clock = || if most == WATCHED { 0 } else { cpu_ns() };
        let before = clock();
        for event in events.into_iter().take(most) {
            // An event that the plugin cannot read is counted there, and is no failure.
            let _ = instance.parse(event);
        }
        let ns = clock() - before;
        instance.capture_close()?;
        Ok(ns)
    }
}

/// A directory that the plugin accepts: nobody else may write into it.
fn private() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).expect("its mode");
    dir
}

/// Records in the .sf files of a directory, and the files' size.
fn written(dir: &Path) -> (u64, u64) {
    let (mut records, mut bytes) = (0, 0);
    for entry in fs::read_dir(dir).expect("the directory") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "sf") {
            bytes += fs::metadata(&path).map_or(0, |data| data.len());
            records += Reader::open(&path).expect("a trace").count() as u64;
        }
    }
    if let Some(keep) = env::var_os("SYSFLOW_BENCH_KEEP") {
        copy(dir, Path::new(&keep));
    }
    (records, bytes)
}

/// Adds what was written to a file of all runs, to be compared with that of another version.
fn copy(dir: &Path, keep: &Path) {
    let mut files: Vec<PathBuf> =
        fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    files.sort();
    let mut out =
        fs::OpenOptions::new().create(true).append(true).open(keep).expect("SYSFLOW_BENCH_KEEP is a file");
    for path in files {
        for record in Reader::open(&path).expect("a trace") {
            let mut record = record.expect("a record");
            if let sysflow::Record::Header(header) = &mut record {
                header.filename.clear();
            }
            writeln!(out, "{record:?}").expect("it is written");
        }
    }
}

/// A processor that reads, acknowledges, and forgets.
fn drain(listener: &UnixListener) -> (u64, u64) {
    let (mut socket, _) = listener.accept().expect("the plugin connects");
    let mut decoder = Decoder::default();
    let mut buffer = vec![0; 1 << 18];
    let (mut records, mut bytes) = (0, 0);
    while let Ok(n @ 1..) = socket.read(&mut buffer) {
        decoder.push(&buffer[..n]);
        while let Some(message) = decoder.next().expect("a message") {
            let mut answer = Vec::new();
            match message {
                Message::Frame(frame) => {
                    records += u64::from(frame.count);
                    bytes += frame.block.len() as u64;
                    stream::encode_ack(records, &mut answer);
                }
                _ => stream::encode_welcome(&Welcome { stored: 0, pid: 1, pid_ns: 1 }, &mut answer),
            }
            if socket.write_all(&answer).is_err() {
                return (records, bytes);
            }
        }
    }
    (records, bytes)
}

/// libsysflow.so of the profile that this program was built in: cargo builds a shared library for no benchmark.
fn library() -> PathBuf {
    let here = env::current_exe().expect("this program has a path");
    let profile = here.parent().and_then(Path::parent).expect("target/release/deps");
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args([
        "build",
        "--quiet",
        "--offline",
        "--release",
        "--lib",
        "--package",
        "sysflow-plugin",
        "--target-dir",
    ]);
    cargo.arg(profile.parent().expect("target")).current_dir(env!("CARGO_MANIFEST_DIR"));
    // Under valgrind it is there already.
    if env::args().any(|arg| arg == "--fixed") {
        return profile.join("libsysflow.so");
    }
    assert!(cargo.status().expect("cargo runs").success(), "{cargo:?}");
    profile.join("libsysflow.so")
}

/// The shared captures, or `None` with a note when they are not here.
fn shared() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let dir = env::var_os("SYSFLOW_SHARED").map_or_else(beside, PathBuf::from);
    if !dir.is_dir() {
        println!("skipped: ../shared is not here");
        return None;
    }
    Some(dir)
}

fn capture(shared: &Path, name: &str) -> PathBuf {
    shared.join(format!("data/captures/{name}.scap"))
}
