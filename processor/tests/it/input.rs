//! Records of plugins: exactly once, whatever happens to connections.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use sysflow::stream::{self, Message};
use sysflow::{Reader, Record};
use sysflow_processor::archive::Archive;
use sysflow_processor::config;
use sysflow_processor::engine::Batch;
use sysflow_processor::input::{self, Input, Intake};
use sysflow_processor::metrics::Metrics;
use sysflow_processor::stop::Stop;

use crate::plugin::{Plugin, block, hello};
use crate::records;

/// An input with an archive in a directory of its own.
pub(crate) struct Listening {
    dir: Arc<tempfile::TempDir>,
    pub(crate) path: PathBuf,
    archive: Arc<Archive>,
    pub(crate) metrics: Arc<Metrics>,
    batches: Receiver<Batch>,
    input: Input,
    stop: Stop,
}

impl Listening {
    fn start() -> Self {
        Self::on(Arc::new(tempfile::tempdir().unwrap()))
    }

    fn on(dir: Arc<tempfile::TempDir>) -> Self {
        Self::of_kind(dir, config::Kind::Stream)
    }

    pub(crate) fn of_kind(dir: Arc<tempfile::TempDir>, kind: config::Kind) -> Self {
        let (path, stop, metrics) =
            (dir.path().join("run/sysflow.sock"), Stop::default(), Arc::new(Metrics::default()));
        let archive_dir = dir.path().join("archive");
        let archive = Archive::open(&archive_dir, &config::Archive::default(), Arc::clone(&metrics)).unwrap();
        let archive = Arc::new(archive);
        let intake = Arc::new(Intake::new(Some(Arc::clone(&archive)), Arc::clone(&metrics)));
        let (sender, batches) = std::sync::mpsc::sync_channel(1000);
        let listen = config::Input { socket: path.clone(), kind, ..Default::default() };
        let input = input::listen(&listen, intake, sender, stop.clone()).unwrap();
        Self { dir, path, archive, metrics, batches, input, stop }
    }

    /// Ends it; the records that the engine got.
    pub(crate) fn end(self) -> (Arc<tempfile::TempDir>, Vec<Record>) {
        self.stop.stop();
        self.input.join();
        assert!(!self.path.exists(), "the socket is removed");
        self.archive.close();
        (self.dir, self.batches.into_iter().flat_map(|batch| batch.records).collect())
    }

    pub(crate) fn stored(&self) -> Vec<Record> {
        stored(&self.archive)
    }
}

fn stored(archive: &Archive) -> Vec<Record> {
    archive.files().iter().flat_map(|file| Reader::open(file).unwrap().map(Result::unwrap)).collect()
}

#[test]
fn records_are_stored_before_they_are_acknowledged() {
    let listening = Listening::start();
    let (mut plugin, stored) = Plugin::welcome(&listening.path, 0);
    assert_eq!(stored, 0);
    let story = records::story();
    plugin.frame(0, &story);
    plugin.until_stored(story.len() as u64);
    assert_eq!(listening.stored(), story);
    drop(plugin);
    assert_eq!(listening.end().1, story);
}

#[test]
fn the_welcome_tells_the_plugin_who_reads() {
    let listening = Listening::start();
    let (_, Message::Welcome(welcome)) = Plugin::connect(&listening.path, &hello(0)) else {
        panic!("no welcome")
    };
    assert_eq!(welcome.pid, std::process::id());
    let link = std::fs::read_link("/proc/self/ns/pid").unwrap();
    assert_eq!(link.to_str().unwrap(), format!("pid:[{}]", welcome.pid_ns));
}

#[test]
fn frames_that_come_again_and_frames_that_overlap_are_stored_once() {
    let listening = Listening::start();
    let story = records::story();
    let (mut plugin, _) = Plugin::welcome(&listening.path, 0);
    plugin.frame(0, &story[..4]);
    plugin.until_stored(4);
    drop(plugin);
    // The acknowledgement was lost, say: the plugin begins again before what is stored.
    let (mut plugin, stored) = loop {
        // The place of the node is free as soon as the end of the connection before was seen.
        match Plugin::connect(&listening.path, &hello(0)) {
            (plugin, Message::Welcome(welcome)) => break (plugin, welcome.stored),
            (_, Message::Refused { .. }) => std::thread::sleep(std::time::Duration::from_millis(5)),
            (_, other) => panic!("{other:?}"),
        }
    };
    assert_eq!(stored, 4);
    plugin.frame(0, &story[..3]);
    plugin.frame(2, &story[2..6]);
    plugin.frame(6, &story[6..]);
    plugin.until_stored(story.len() as u64);
    drop(plugin);
    assert_eq!(listening.stored(), story);
    assert_eq!(listening.metrics.duplicates.get(), 5);
    assert_eq!(listening.end().1, story, "and judged once");
}

#[test]
fn a_restart_goes_on_where_the_archive_ends() {
    let story = records::story();
    let mut listening = Listening::start();
    for (n, record) in (0_u64..).zip(&story) {
        let (mut plugin, stored) = Plugin::welcome(&listening.path, n);
        assert_eq!(stored, n);
        plugin.frame(n, std::slice::from_ref(record));
        plugin.until_stored(n + 1);
        drop(plugin);
        let (dir, _) = listening.end();
        listening = Listening::on(dir);
    }
    assert_eq!(listening.stored(), story);
    assert_eq!(listening.archive.files().len(), 1, "one header, one file");
}

#[test]
fn a_node_has_one_live_stream() {
    let listening = Listening::start();
    let (_first, _) = Plugin::welcome(&listening.path, 0);
    let (mut second, answer) = Plugin::connect(&listening.path, &hello(0));
    assert!(matches!(&answer, Message::Refused { reason } if reason.contains("node-1")), "{answer:?}");
    assert!(second.receive().is_none(), "and the connection ends");
    let other = sysflow::stream::Hello { node: "node-2".into(), stream: [2; 16], ..hello(0) };
    assert!(matches!(Plugin::connect(&listening.path, &other).1, Message::Welcome(_)));
}

#[test]
fn what_is_broken_ends_the_connection_and_leaves_no_trace() {
    let story = records::story();
    let frame = |first: u64, count: u32, block: &[u8]| {
        let mut out = Vec::new();
        stream::encode_frame(first, count, block, &mut out);
        out
    };
    let good = block(&story);
    let mut wrong_sum = frame(0, story.len() as u32, &good);
    *wrong_sum.last_mut().unwrap() ^= 1;
    for (what, bytes) in [
        ("a wrong checksum", wrong_sum),
        ("a count that is too high", frame(0, story.len() as u32 + 1, &good)),
        ("a count that is too low", frame(0, 1, &good)),
        ("half a datum", frame(0, story.len() as u32, &good[..good.len() - 3])),
        ("no datums", frame(0, 3, &[0xff; 100])),
        ("a gap", frame(5, story.len() as u32, &good)),
        ("the end of numbers", frame(u64::MAX, story.len() as u32, &good)),
        ("a huge length", vec![0xff; 64]),
        ("a second hello", {
            let mut out = Vec::new();
            stream::encode_hello(&hello(0), &mut out);
            out
        }),
    ] {
        let listening = Listening::start();
        let (mut plugin, _) = Plugin::welcome(&listening.path, 0);
        plugin.raw(&bytes);
        assert!(plugin.receive().is_none(), "{what}: no acknowledgement, the connection ends");
        assert_eq!(listening.stored(), [], "{what}");
        assert_eq!(listening.end().1, [], "{what}");
    }
}

#[test]
fn records_that_the_plugin_dropped_are_counted_as_lost() {
    let listening = Listening::start();
    let story = records::story();
    let (mut plugin, stored) = Plugin::welcome(&listening.path, 100);
    assert_eq!(stored, 0);
    plugin.frame(100, &story);
    plugin.until_stored(100 + story.len() as u64);
    assert_eq!(listening.metrics.lost.get("dropped_by_plugin"), 100);
    assert_eq!(listening.stored(), story);
}

#[test]
fn a_user_who_is_not_allowed_gets_no_answer() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.sock");
    let metrics = Arc::new(Metrics::default());
    let intake = Arc::new(Intake::new(None, Arc::clone(&metrics)));
    let (sender, _batches) = std::sync::mpsc::sync_channel(1);
    let stop = Stop::default();
    let listen =
        config::Input { socket: path.clone(), peer_uids: Some(vec![4_000_000_000]), ..Default::default() };
    let input = input::listen(&listen, intake, sender, stop.clone()).unwrap();
    let mut socket = std::os::unix::net::UnixStream::connect(&path).unwrap();
    let mut buffer = [0; 16];
    assert_eq!(std::io::Read::read(&mut socket, &mut buffer).unwrap_or(0), 0);
    assert_eq!(metrics.connections.get("foreign_user"), 1);
    stop.stop();
    input.join();
}

#[test]
fn sockets_of_others_stay_and_stale_ones_go() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.sock");
    let listen = |path: &std::path::Path| {
        let intake = Arc::new(Intake::new(None, Arc::default()));
        let (sender, _) = std::sync::mpsc::sync_channel(1);
        let stop = Stop::default();
        let listen = config::Input { socket: path.to_owned(), ..Default::default() };
        input::listen(&listen, intake, sender, stop.clone())
            .map(|input| (input, stop))
            .map_err(|e| e.to_string())
    };
    std::fs::write(&path, "a file").unwrap();
    assert!(listen(&path).unwrap_err().contains("something else than a socket"));
    std::fs::remove_file(&path).unwrap();

    let living = std::os::unix::net::UnixListener::bind(&path).unwrap();
    assert!(listen(&path).unwrap_err().contains("another process listens there"));
    drop(living);
    assert!(path.exists(), "its file stays behind, as after a kill");
    let (input, stop) = listen(&path).unwrap();
    stop.stop();
    input.join();

    let long = dir.path().join("x".repeat(120));
    assert!(listen(&long).unwrap_err().contains("107"));
    std::fs::write(dir.path().join("file"), "").unwrap();
    assert!(listen(&dir.path().join("file/s.sock")).unwrap_err().contains("directory cannot be made"));
}

#[test]
fn what_a_failed_write_stored_is_judged_once_too() {
    let listening = Listening::start();
    let twice = [records::story(), records::story()].concat();
    // The second file cannot be made under its name.
    let in_the_way = listening.dir.path().join("archive/0000000001-73747265-8.sf");
    std::fs::create_dir(&in_the_way).unwrap();
    let (mut plugin, _) = Plugin::welcome(&listening.path, 0);
    plugin.frame(0, &twice);
    assert!(plugin.receive().is_none(), "no acknowledgement of what is not stored");
    drop(plugin);
    let (mut plugin, stored) = Plugin::welcome(&listening.path, 0);
    assert_eq!(stored, 8, "half of it is");
    plugin.frame(8, &twice[8..]);
    plugin.until_stored(16);
    drop(plugin);
    assert_eq!(listening.metrics.connections.get("store_failed"), 1);
    assert_eq!(listening.stored(), twice);
    assert_eq!(listening.end().1, twice, "each record reached the engine once");
}

#[test]
fn numbers_that_end_within_a_frame_are_refused() {
    let listening = Listening::start();
    let (mut plugin, _) = Plugin::welcome(&listening.path, u64::MAX - 3);
    plugin.frame(u64::MAX - 3, &records::story());
    assert!(plugin.receive().is_none());
    drop(plugin);
    assert_eq!(listening.stored(), []);
    assert_eq!(listening.end().1, []);
}
