//! The hand-over, where it is tight.

use std::{io::Read, os::unix::net::UnixListener, time::Duration};

use sysflow::{
    Record, Schema,
    record::{Header, Loss},
};
use sysflow_flow::{Sink, Urgency};

use super::{Outlet, Stream, Target, peer};

fn header() -> Record {
    Record::Header(Header {
        version: 5,
        exporter: "x".repeat(1_000),
        ip: String::new(),
        filename: String::new(),
        lost: Loss::default(),
    })
}

fn target(socket: std::path::PathBuf, buffer: usize) -> Target {
    let stream = Stream { id: [7; 16], node: "n".into(), boot_id: "b".into() };
    Target { socket: Some(socket), dir: None, peer_uids: Vec::new(), schema: Schema::V5, buffer, stream }
}

/// A processor that takes the connection and never says a word.
#[test]
fn what_does_not_fit_is_dropped_counted_and_told_of_once_a_second() {
    let temp = tempfile::tempdir().unwrap();
    let socket = temp.path().join("s");
    let listener = UnixListener::bind(&socket).unwrap();
    let mut outlet = Outlet::new(Schema::V5, 1 << 20);
    outlet.start(target(socket, 1 << 20)).unwrap();
    let mut sent = 0;
    for _ in 0..5_000 {
        outlet.at(2_000_000_000);
        outlet.record(&header(), Urgency::Later);
        sent += 1;
    }
    let waiting = 1 << 20;
    assert!(outlet.loss.records > 3_000 && outlet.loss.records < sent, "{:?}", outlet.loss);
    assert!(outlet.loss.cause.contains("buffer_mib"));
    assert!(outlet.next * 1_000 <= waiting, "records are numbered only when they are handed over");
    // There is no room for a header that would tell of it yet.
    assert_eq!(outlet.take_loss(), None);
    drop(listener);
    drop(outlet);
}

#[test]
fn a_loss_is_told_of_when_there_is_room() {
    let mut outlet = Outlet::new(Schema::V5, 1 << 20);
    let temp = tempfile::tempdir().unwrap();
    outlet.start(target(temp.path().join("nobody"), 1 << 20)).unwrap();
    outlet.at(5_000_000_000);
    outlet.lose(3, "why");
    let loss = outlet.take_loss().unwrap();
    assert_eq!((loss.records, loss.from, loss.cause.as_str()), (3, 5_000_000_000, "why"));
    outlet.lose(1, "why");
    outlet.at(5_900_000_000);
    assert_eq!(outlet.take_loss(), None, "not twice in a second");
    outlet.at(6_000_000_000);
    assert_eq!(outlet.take_loss().unwrap().records, 1);
}

/// The event thread must not wait, whatever the other end does.
#[test]
fn nothing_waits_for_a_processor_that_does_not_read() {
    let temp = tempfile::tempdir().unwrap();
    let socket = temp.path().join("s");
    let listener = UnixListener::bind(&socket).unwrap();
    let hold = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 10]);
        std::thread::sleep(Duration::from_millis(300));
    });
    let mut outlet = Outlet::new(Schema::V5, 4 << 20);
    outlet.start(target(socket, 4 << 20)).unwrap();
    let started = std::time::Instant::now();
    for i in 0..20_000 {
        outlet.at(i * 10_000_000);
        outlet.record(&header(), Urgency::Soon);
    }
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    hold.join().unwrap();
    drop(outlet);
}

#[test]
fn only_those_who_may_get_our_records() {
    use std::os::unix::fs::PermissionsExt;
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("d");
    std::fs::create_dir(&dir).unwrap();
    let socket = dir.join("s");
    assert!(peer::is_trusted(0, &[], &socket));
    assert!(peer::is_trusted(4711, &[4711], &socket));
    assert!(!peer::is_trusted(4711, &[], &socket), "a stranger");
    // The owner of the directory may, unless others can write there. Only root can give a directory away.
    if std::os::unix::fs::chown(&dir, Some(4711), None).is_ok() {
        std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert!(peer::is_trusted(4711, &[], &socket));
        std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o777)).unwrap();
        assert!(!peer::is_trusted(4711, &[], &socket));
    }
}
