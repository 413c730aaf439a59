//! The plugin's file, captures, and a processor.

use std::{
    io::{Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    process::Command,
    sync::{OnceLock, mpsc},
    thread::JoinHandle,
};

use sysflow::{
    Record, Schema, avro,
    stream::{self, Decoder, Hello, Message, Welcome},
};
use sysflow_replay::{Capture, host};

/// libsysflow.so, built now: cargo builds a shared library for no test by itself.
pub(crate) fn library() -> PathBuf {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    let build = || {
        let test = std::env::current_exe().unwrap();
        let profile = test.parent().and_then(Path::parent).unwrap();
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["build", "--quiet", "--offline", "--lib", "--package", "sysflow-plugin", "--target-dir"]);
        cargo.arg(profile.parent().unwrap()).current_dir(env!("CARGO_MANIFEST_DIR"));
        if profile.ends_with("release") {
            cargo.arg("--release");
        }
        assert!(cargo.status().unwrap().success(), "{cargo:?}");
        profile.join("libsysflow.so")
    };
    LIBRARY.get_or_init(build).clone()
}

/// A capture of the project's own.
pub(crate) fn bundled(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data").join(name)
}

/// A file of the shared test data, or `None` with a note when this is a clone without it.
pub(crate) fn shared(name: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let dir = std::env::var_os("SYSFLOW_SHARED").map_or_else(beside, PathBuf::from);
    if dir.is_dir() {
        return Some(dir.join(name));
    }
    assert!(std::env::var_os("CI").is_none(), "../shared must be there when CI is set");
    println!("skipped: ../shared is not here");
    None
}

pub(crate) fn replay(capture: &Path, config: &str) -> host::ReplayStats {
    try_replay(capture, config).unwrap()
}

pub(crate) fn try_replay(capture: &Path, config: &str) -> Result<host::ReplayStats, String> {
    let plugin = host::Plugin::load(&library()).unwrap();
    let capture = Capture::open(capture).unwrap();
    let replayed = host::replay(capture, &plugin, config, &host::Options::default(), &mut |_| {});
    replayed.map_err(|e| e.to_string())
}

/// All records of the .sf files in a directory, in the order of the files.
pub(crate) fn records_of(dir: &Path) -> Vec<Record> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    assert!(files.iter().all(|path| path.extension().is_some_and(|ext| ext == "sf")), "{files:?}");
    files.iter().flat_map(|path| sysflow::Reader::open(path).unwrap()).map(Result::unwrap).collect()
}

/// A processor that keeps what it gets.
pub(crate) struct Processor {
    thread: JoinHandle<Received>,
    stop: mpsc::Sender<()>,
    path: PathBuf,
}

/// What a processor has got.
#[derive(Debug, Default)]
pub(crate) struct Received {
    pub(crate) hellos: Vec<Hello>,
    pub(crate) records: Vec<Record>,
    pub(crate) frames: usize,
    /// Records that came a second time and were left out.
    pub(crate) repeated: u64,
}

impl Processor {
    /// Listens at `path`. It hangs up without an answer after each of `crashes` frames, counted from the last one.
    pub(crate) fn start(path: &Path, crashes: &[usize]) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        let (stop, stopped) = mpsc::channel();
        let mut crashes = crashes.to_vec();
        crashes.reverse();
        let thread = std::thread::spawn(move || {
            let mut received = Received::default();
            loop {
                let (socket, _) = listener.accept().unwrap();
                if stopped.try_recv().is_ok() {
                    return received;
                }
                received.serve(socket, crashes.pop());
            }
        });
        Self { thread, stop, path: path.to_owned() }
    }

    pub(crate) fn finish(self) -> Received {
        self.stop.send(()).unwrap();
        // Wakes it up.
        let _ = UnixStream::connect(&self.path);
        self.thread.join().unwrap()
    }
}

impl Received {
    fn serve(&mut self, mut socket: UnixStream, crash_after: Option<usize>) {
        let mut decoder = Decoder::default();
        let mut buffer = vec![0; 1 << 16];
        let mut schema = Schema::default();
        let mut frames = 0;
        loop {
            let Ok(n @ 1..) = socket.read(&mut buffer) else { return };
            decoder.push(&buffer[..n]);
            while let Some(message) = decoder.next().unwrap() {
                let mut answer = Vec::new();
                match message {
                    Message::Hello(hello) => {
                        schema = hello.schema;
                        self.hellos.push(hello);
                        let stored = self.records.len() as u64;
                        stream::encode_welcome(&Welcome { stored, pid: 1, pid_ns: 1 }, &mut answer);
                    }
                    Message::Frame(frame) => {
                        frames += 1;
                        if crash_after == Some(frames) {
                            return;
                        }
                        self.take(&frame, schema);
                        stream::encode_ack(self.records.len() as u64, &mut answer);
                    }
                    other => panic!("a plugin sends {other:?}"),
                }
                if socket.write_all(&answer).is_err() {
                    return;
                }
            }
        }
    }

    fn take(&mut self, frame: &stream::Frame, schema: Schema) {
        self.frames += 1;
        let have = self.records.len() as u64;
        assert!(frame.first <= have, "records {have} to {} are missing", frame.first);
        let mut block = &frame.block[..];
        for number in frame.first..frame.first + u64::from(frame.count) {
            let (record, size) = avro::decode(schema, block).unwrap();
            block = &block[size..];
            if number < have {
                self.repeated += 1;
            } else {
                self.records.push(record);
            }
        }
        assert!(block.is_empty());
    }
}
