//! Records of a collector that speaks SysFlow's own stream: a record a packet.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::net::{
    AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType, connect, send, socket_with,
};
use sysflow::{Record, Schema, avro};
use sysflow_processor::config::{Input, Kind};
use sysflow_processor::input::{self, Intake};
use sysflow_processor::stop::Stop;

use crate::input::Listening;
use crate::records;

struct Collector(OwnedFd);

impl Collector {
    fn connect(path: &Path) -> Self {
        let socket =
            socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        connect(&socket, &SocketAddrUnix::new(path).unwrap()).unwrap();
        Self(socket)
    }

    fn packet(&self, bytes: &[u8]) {
        send(&self.0, bytes, SendFlags::empty()).unwrap();
    }

    fn records(&self, records: &[Record]) {
        for record in records {
            self.packet(&encoded(record));
        }
    }
}

fn encoded(record: &Record) -> Vec<u8> {
    let mut bytes = Vec::new();
    avro::encode(Schema::V5, record, &mut bytes);
    bytes
}

/// As version 5 has them.
fn story() -> Vec<Record> {
    records::story().iter().map(|record| avro::decode(Schema::V5, &encoded(record)).unwrap().0).collect()
}

fn listening() -> Listening {
    Listening::of_kind(Arc::new(tempfile::tempdir().unwrap()), Kind::Seqpacket)
}

fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn packets_are_archived_and_judged_in_order() {
    let (listening, story) = (listening(), story());
    let collector = Collector::connect(&listening.path);
    collector.records(&story[..3]);
    // Without waiting for more, and before the end.
    until("the first are stored", || listening.stored() == story[..3]);
    collector.records(&story[3..]);
    until("all are stored", || listening.stored() == story);
    drop(collector);
    until("the end is seen", || listening.metrics.connections.get("closed") == 1);
    // The next connection is another stream, which begins anew.
    let collector = Collector::connect(&listening.path);
    collector.records(&story);
    let twice = [story.clone(), story].concat();
    until("the second time too", || listening.stored() == twice);
    drop(collector);
    assert_eq!(listening.end().1, twice);
}

#[test]
fn packets_that_are_no_records_are_counted_and_cost_no_others() {
    let (listening, story) = (listening(), story());
    let collector = Collector::connect(&listening.path);
    collector.records(&story[1..2]);
    collector.records(&story[..2]);
    collector.packet(b"hello");
    collector.packet(&[0xff; 100]);
    collector.records(&story[2..]);
    until("the rest is stored", || listening.stored() == story);
    assert_eq!(listening.metrics.lost.get("unreadable"), 2);
    assert_eq!(listening.metrics.lost.get("before_a_header"), 1, "what it says cannot be understood");
    // A second collector of that node has to wait for the end of the first.
    let second = Collector::connect(&listening.path);
    second.records(&story[..1]);
    until("it is refused", || listening.metrics.connections.get("refused") == 1);
    drop(collector);
    assert_eq!(listening.end().1, story);
}

#[test]
fn a_socket_that_is_listened_on_stays_whatever_its_kind() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("s.sock");
    let listen = |kind| {
        let intake = Arc::new(Intake::new(None, Arc::default()));
        let (sender, _) = std::sync::mpsc::sync_channel(1);
        let stop = Stop::default();
        let config = Input { socket: socket.clone(), kind, ..Default::default() };
        input::listen(&config, intake, sender, stop.clone())
            .map(|input| (input, stop))
            .map_err(|e| e.to_string())
    };
    for kind in [Kind::Seqpacket, Kind::Stream] {
        let (input, stop) = listen(kind).unwrap();
        for other in [Kind::Seqpacket, Kind::Stream] {
            assert!(listen(other).unwrap_err().contains("another process listens there"));
        }
        stop.stop();
        input.join();
    }
}
