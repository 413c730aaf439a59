//! The hand-over, where it is tight.

use std::{
    io::{Read, Write},
    os::unix::{
        fs::MetadataExt,
        net::{UnixListener, UnixStream},
    },
    path::Path,
    time::{Duration, Instant},
};

use sysflow::{
    Record, Schema,
    record::{Header, Loss},
    stream::{self, Decoder, Frame, Message, Welcome},
};
use sysflow_flow::{Sink, Urgency};

use super::{CloseError, Outlet, Stream, Target, peer};

fn header() -> Record {
    Record::Header(Header {
        version: 5,
        exporter: "x".repeat(1_000),
        ip: String::new(),
        filename: String::new(),
        lost: Loss::default(),
    })
}

pub(super) fn target(socket: std::path::PathBuf, buffer: usize) -> Target {
    let stream = Stream { id: [7; 16], node: "n".into(), boot_id: "b".into() };
    Target {
        socket: Some(socket),
        dir: None,
        seqpacket: None,
        spool: None,
        state: None,
        peer_uids: Vec::new(),
        schema: Schema::V5,
        buffer,
        stream,
        live: true,
    }
}

/// A header that says `text`, so that records can be told apart.
fn numbered(number: u64) -> Record {
    let Record::Header(header) = header() else { unreachable!() };
    Record::Header(Header { ip: number.to_string(), ..header })
}

fn number(record: &Record) -> u64 {
    if let Record::Header(header) = record { header.ip.parse().unwrap() } else { unreachable!() }
}

pub(super) fn read_file(path: &Path) -> Vec<Record> {
    sysflow::Reader::open(path).unwrap().map(Result::unwrap).collect()
}

/// The next message that comes.
pub(super) fn receive(socket: &mut UnixStream, decoder: &mut Decoder) -> Option<Message> {
    let mut buffer = [0; 4096];
    loop {
        if let Some(message) = decoder.next().unwrap() {
            return Some(message);
        }
        let n = socket.read(&mut buffer).ok().filter(|n| *n > 0)?;
        decoder.push(&buffer[..n]);
    }
}

pub(super) fn send(socket: &mut UnixStream, encode: impl FnOnce(&mut Vec<u8>)) {
    let mut out = Vec::new();
    encode(&mut out);
    // The other end may have hung up.
    let _ = socket.write_all(&out);
}

/// Accepts a connection and answers its hello.
pub(super) fn welcome(listener: &UnixListener, stored: u64) -> (UnixStream, Decoder) {
    let (mut socket, _) = listener.accept().unwrap();
    let mut decoder = Decoder::default();
    assert!(matches!(receive(&mut socket, &mut decoder), Some(Message::Hello(_))));
    send(&mut socket, |out| stream::encode_welcome(&Welcome { stored, pid: 1, pid_ns: 1 }, out));
    (socket, decoder)
}

/// Takes frames and acknowledges them until the other end closes; the records.
pub(super) fn take_all(listener: &UnixListener, pause: Duration) -> Vec<Record> {
    let (mut socket, mut decoder) = welcome(listener, 0);
    let mut records = Vec::new();
    while let Some(message) = receive(&mut socket, &mut decoder) {
        let Message::Frame(frame) = message else { panic!("{message:?}") };
        assert_eq!(frame.first, records.len() as u64);
        records.extend(decode(&frame));
        std::thread::sleep(pause);
        send(&mut socket, |out| stream::encode_ack(records.len() as u64, out));
    }
    records
}

pub(super) fn decode(frame: &Frame) -> Vec<Record> {
    let (mut records, mut block) = (Vec::new(), &frame.block[..]);
    while !block.is_empty() {
        let (record, size) = sysflow::avro::decode(Schema::V5, block).unwrap();
        records.push(record);
        block = &block[size..];
    }
    records
}

/// A processor that takes the connection and never says a word.
#[test]
fn what_does_not_fit_is_dropped_counted_and_told_of_once_a_second() {
    let temp = tempfile::tempdir().unwrap();
    let socket = temp.path().join("s");
    let listener = UnixListener::bind(&socket).unwrap();
    let mut outlet = Outlet::new(Schema::V5, 1 << 20, false);
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

/// `buffer_mib` is what the operator sees Falco grow by.
#[test]
fn blocks_that_wait_take_no_more_memory_than_is_counted() {
    let (producer, mut blocks) = rtrb::RingBuffer::new(2_000);
    let temp = tempfile::tempdir().unwrap();
    let mut outlet = Outlet::new(Schema::V5, 64 << 20, false);
    outlet.start(target(temp.path().join("nobody"), 64 << 20)).unwrap();
    outlet.link.as_mut().unwrap().ring = producer;
    for i in 0..1_000 {
        outlet.at(5_000_000_000 + i * 20_000_000);
        outlet.record(&file(i, "p".repeat(100)), Urgency::Soon);
    }
    for i in 0..1_000 {
        outlet.record(&file(i, "p".repeat(1_000)), Urgency::Later);
    }
    let (mut counted, mut taken, mut small) = (0, 0, 0);
    while let Ok(block) = blocks.pop() {
        counted += block.held;
        taken += block.bytes.capacity() + size_of::<super::Block>();
        small += usize::from(block.bytes.capacity() < 1_000);
    }
    assert!(small >= 999, "{small} small blocks");
    assert_eq!(counted, taken);
    assert!(counted < 2 << 20, "{counted}: 80 KiB for each of them would be 78 MiB");
}

#[test]
fn a_loss_is_told_of_when_there_is_room() {
    let mut outlet = Outlet::new(Schema::V5, 1 << 20, false);
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
    let mut outlet = Outlet::new(Schema::V5, 4 << 20, false);
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

/// Falco's end must not hang on a processor that hangs.
#[test]
fn a_listener_that_never_accepts_keeps_neither_files_nor_the_end() {
    let temp = tempfile::tempdir().unwrap();
    let socket = temp.path().join("s");
    let _listener = UnixListener::bind(&socket).unwrap();
    let mut held = Vec::new();
    let full = loop {
        match peer::connect(&socket, libc::SOCK_STREAM) {
            Ok(stream) => held.push(stream),
            Err(error) => break error,
        }
    };
    assert!(full.to_string().contains("connections are not accepted"), "{full}");
    let dir = temp.path().join("d");
    let mut outlet = Outlet::new(Schema::V5, 4 << 20, false);
    outlet.start(Target { dir: Some(dir.clone()), ..target(socket, 4 << 20) }).unwrap();
    for i in 0..100 {
        outlet.at(5_000_000_000 + i);
        outlet.record(&numbered(0), Urgency::Soon);
    }
    let started = Instant::now();
    assert!(matches!(outlet.close(), Err(CloseError::Unconfirmed(100))));
    assert!(started.elapsed() < Duration::from_secs(6), "{:?}", started.elapsed());
    let records: usize =
        std::fs::read_dir(&dir).unwrap().map(|entry| read_file(&entry.unwrap().path()).len()).sum();
    assert_eq!(records, 100);
}

/// A header that tells of a loss may be lost as well.
#[test]
fn what_a_lost_header_told_of_is_told_again() {
    let mut outlet = Outlet::new(Schema::V5, 1 << 20, false);
    let temp = tempfile::tempdir().unwrap();
    outlet.start(target(temp.path().join("nobody"), 1 << 20)).unwrap();
    outlet.at(5_000_000_000);
    let Record::Header(plain) = header() else { unreachable!() };
    let lost = Loss { events: 7, records: 3, from: 1, to: 2, cause: "why".into() };
    outlet.record(&Record::Header(Header { lost, ..plain }), Urgency::Later);
    outlet.shed("no room");
    let want = Loss { events: 7, records: 4, from: 1, to: 5_000_000_000, cause: "why; no room".into() };
    assert_eq!(outlet.take_loss(), Some(want));
    // Also when the loss is of events alone, and when the writer thread gives the block up.
    outlet.at(7_000_000_000);
    outlet.give_up(Loss { events: 9, records: 2, ..Loss::default() });
    let loss = outlet.take_loss().unwrap();
    assert_eq!((loss.events, loss.records, loss.to), (9, 2, 7_000_000_000));
    outlet.at(9_000_000_000);
    outlet.loss = Loss { events: 1, ..Loss::default() };
    assert_eq!(outlet.take_loss().unwrap().events, 1);
}

#[test]
fn an_acknowledgement_of_what_was_not_sent_discards_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let socket = temp.path().join("s");
    let listener = UnixListener::bind(&socket).unwrap();
    let liar = std::thread::spawn(move || {
        let (mut socket, mut decoder) = welcome(&listener, 0);
        receive(&mut socket, &mut decoder).unwrap();
        send(&mut socket, |out| stream::encode_ack(1 << 40, out));
        // A live stream has no more records than the plugin has made.
        welcome(&listener, 1 << 40);
        take_all(&listener, Duration::ZERO)
    });
    let mut outlet = Outlet::new(Schema::V5, 4 << 20, false);
    outlet.start(target(socket, 4 << 20)).unwrap();
    for i in 0..50 {
        outlet.at(5_000_000_000 + i * 20_000_000);
        outlet.record(&numbered(i as u64), Urgency::Soon);
    }
    outlet.close().unwrap();
    drop(outlet);
    let numbers: Vec<u64> = liar.join().unwrap().iter().map(number).collect();
    assert_eq!(numbers, (0..50).collect::<Vec<_>>());
}

#[test]
fn a_processor_that_went_away_is_not_known_any_more() {
    let temp = tempfile::tempdir().unwrap();
    let socket = temp.path().join("s");
    let listener = UnixListener::bind(&socket).unwrap();
    let mut outlet = Outlet::new(Schema::V5, 1 << 20, false);
    outlet.start(target(socket, 1 << 20)).unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    let pid_ns = std::fs::metadata("/proc/self/ns/pid").unwrap().ino();
    let me = Welcome { stored: 0, pid: std::process::id(), pid_ns };
    send(&mut stream, |out| stream::encode_welcome(&me, out));
    let wait = |outlet: &Outlet, there: bool| {
        let started = Instant::now();
        while outlet.processor().is_some() != there {
            assert!(started.elapsed() < Duration::from_secs(10), "{:?}", outlet.processor());
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    wait(&outlet, true);
    assert_eq!(outlet.processor().map(|it| it.pid), crate::own::own_pid());
    drop((stream, listener));
    wait(&outlet, false);
}

/// The processor's host directory is unmounted, say: socket file and connection are gone, and come back later.
#[test]
fn a_socket_that_vanishes_gets_the_rest_when_it_is_there_again() {
    let temp = tempfile::tempdir().unwrap();
    let socket = temp.path().join("s");
    let listener = UnixListener::bind(&socket).unwrap();
    let mut outlet = Outlet::new(Schema::V5, 4 << 20, false);
    outlet.start(target(socket.clone(), 4 << 20)).unwrap();
    let hand_over = |outlet: &mut Outlet, numbers: std::ops::Range<i64>| {
        for number in numbers {
            outlet.at(5_000_000_000 + number * 20_000_000);
            outlet.record(&file(number, "p".into()), Urgency::Soon);
        }
    };
    hand_over(&mut outlet, 0..20);
    let (mut connection, mut decoder) = welcome(&listener, 0);
    let Some(Message::Frame(frame)) = receive(&mut connection, &mut decoder) else { panic!("no frame") };
    let mut records = decode(&frame);
    send(&mut connection, |out| stream::encode_ack(records.len() as u64, out));
    drop((connection, listener));
    std::fs::remove_file(&socket).unwrap();
    hand_over(&mut outlet, 20..40);
    let listener = UnixListener::bind(&socket).unwrap();
    let stored = records.len() as u64;
    let rest = std::thread::spawn(move || {
        let (mut connection, mut decoder) = welcome(&listener, stored);
        let mut records = Vec::new();
        while let Some(Message::Frame(frame)) = receive(&mut connection, &mut decoder) {
            assert_eq!(frame.first, stored + records.len() as u64);
            records.extend(decode(&frame));
            send(&mut connection, |out| stream::encode_ack(stored + records.len() as u64, out));
        }
        records
    });
    outlet.close().unwrap();
    drop(outlet);
    records.extend(rest.join().unwrap());
    assert_eq!(records, (0..40).map(|number| file(number, "p".into())).collect::<Vec<_>>());
}

/// Two threads and a ring between them: an end may come before the writer thread has begun, while it is at it, or when it
/// sleeps.
#[test]
fn blocks_are_written_exactly_once_whenever_the_end_comes() {
    let temp = tempfile::tempdir().unwrap();
    for round in 0..60_i64 {
        let dir = temp.path().join(round.to_string());
        let mut outlet = Outlet::new(Schema::V5, 1 << 20, false);
        let target = Target { dir: Some(dir.clone()), socket: None, ..target("".into(), 1 << 20) };
        let count = 1 + round % 7 * 5;
        if round % 3 == 0 {
            outlet.record(&numbered(0), Urgency::Soon);
        }
        outlet.start(target).unwrap();
        if round % 3 != 0 {
            outlet.record(&numbered(0), Urgency::Soon);
        }
        for number in 1..count {
            outlet.at(5_000_000_000 + number * 20_000_000);
            outlet.record(&file(number, "p".into()), Urgency::Soon);
            if round % 5 == 1 {
                std::thread::sleep(Duration::from_micros(round as u64 * 37 % 400));
            }
        }
        if round % 2 == 0 {
            outlet.close().unwrap();
            outlet.close().unwrap();
        }
        drop(outlet);
        let mut records = Vec::new();
        for entry in std::fs::read_dir(&dir).unwrap() {
            records.extend(read_file(&entry.unwrap().path()));
        }
        assert_eq!(records.len() as i64, count, "round {round}");
        assert!(records[1..].iter().zip(1..).all(|(record, number)| *record == file(number, "p".into())));
    }
}

#[test]
fn a_file_is_current_within_a_second_or_so_on_a_quiet_host() {
    let temp = tempfile::tempdir().unwrap();
    let mut outlet = Outlet::new(Schema::V5, 1 << 20, false);
    outlet
        .start(Target { dir: Some(temp.path().join("d")), socket: None, ..target("".into(), 1 << 20) })
        .unwrap();
    outlet.at(5_000_000_000);
    outlet.record(&numbered(0), Urgency::Soon);
    outlet.at(5_020_000_000);
    let started = Instant::now();
    let file = temp.path().join("d/5.sf.tmp");
    while !file.exists() || read_file(&file).is_empty() {
        assert!(started.elapsed() < Duration::from_secs(3), "nothing is in {}", file.display());
        std::thread::sleep(Duration::from_millis(20));
    }
    outlet.close().unwrap();
}

#[test]
fn a_replay_waits_for_a_slow_processor_and_loses_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let socket = temp.path().join("s");
    let listener = UnixListener::bind(&socket).unwrap();
    let slow = std::thread::spawn(move || take_all(&listener, Duration::from_millis(10)));
    let mut outlet = Outlet::new(Schema::V5, 1 << 20, false);
    outlet.start(Target { live: false, ..target(socket, 1 << 20) }).unwrap();
    for i in 0..5_000 {
        outlet.at(5_000_000_000 + i);
        // Not headers: those are a block each.
        outlet.record(&file(i, "p".repeat(1_000)), Urgency::Later);
    }
    outlet.close().unwrap();
    drop(outlet);
    assert_eq!(slow.join().unwrap().len(), 5_000);
}

#[test]
fn a_replay_does_not_wait_for_ever() {
    let temp = tempfile::tempdir().unwrap();
    let socket = temp.path().join("s");
    let _listener = UnixListener::bind(&socket).unwrap();
    let mut outlet = Outlet::new(Schema::V5, 1 << 20, false);
    outlet.start(Target { live: false, ..target(socket, 1 << 20) }).unwrap();
    outlet.patience = Some(Duration::from_millis(200));
    let started = Instant::now();
    for i in 0..2_000 {
        outlet.at(i);
        outlet.record(&header(), Urgency::Later);
    }
    assert!(outlet.loss.records > 500, "{:?}", outlet.loss);
    assert!(outlet.close().is_err());
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

/// A full disk, as far as it can be had without root: the kernel refuses to make a file longer than the limit.
#[test]
fn after_a_write_error_the_next_file_begins_with_a_header() {
    in_a_child("tests::write_error", 100_000);
}

#[test]
#[ignore = "run by after_a_write_error_the_next_file_begins_with_a_header, in a process with a limit"]
fn write_error() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("d");
    let mut outlet = Outlet::new(Schema::V5, 8 << 20, false);
    outlet.start(Target { dir: Some(dir.clone()), socket: None, ..target("".into(), 8 << 20) }).unwrap();
    let (mut total, mut lost, mut random) = (0, 0, 1);
    let started = Instant::now();
    for second in 0.. {
        outlet.at(5_000_000_000 + second * 1_000_000_000);
        let loss = outlet.take_loss().unwrap_or_default();
        let told = loss.records > 0;
        if second == 0 || told {
            lost += loss.records;
            let Record::Header(plain) = header() else { unreachable!() };
            outlet.record(&Record::Header(Header { lost: loss, ..plain }), Urgency::Soon);
            total += 1;
        }
        // Too much for one file: the first one breaks.
        for _ in 0..if lost == 0 { 4 } else { 1 } {
            outlet.record(&noise(&mut random, 20_000), Urgency::Soon);
            total += 1;
        }
        std::thread::sleep(Duration::from_millis(100));
        if lost > 0 && !told {
            break;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "nothing broke");
    }
    if let Err(CloseError::Lost(left)) = outlet.close() {
        lost += left as i64;
    }
    let (mut kept, mut files) = (0, 0);
    for entry in std::fs::read_dir(&dir).unwrap() {
        let path = entry.unwrap().path();
        assert!(path.extension().is_some_and(|e| e == "sf"), "{}", path.display());
        let records = read_file(&path);
        assert!(matches!(records.first(), None | Some(Record::Header(_))), "{}", path.display());
        kept += records.len() as i64;
        files += 1;
    }
    assert!(files >= 2 && kept >= 2, "{files} files, {kept} records");
    assert_eq!(kept + lost, total);
}

/// A record of `size` bytes that do not compress.
fn noise(random: &mut u64, size: usize) -> Record {
    let mut path = String::new();
    while path.len() < size {
        *random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        path.push(char::from(b'!' + (*random >> 57) as u8 % 90));
    }
    file(0, path)
}

pub(super) fn file(ts: i64, path: String) -> Record {
    Record::File(sysflow::record::File {
        state: sysflow::record::ObjectState::Created,
        oid: sysflow::Foid::default(),
        ts,
        restype: 102,
        path,
        container_id: None,
    })
}

/// Runs an ignored test below this module's parent by itself, in a process whose files can have `limit` bytes.
pub(super) fn in_a_child(test: &str, limit: u64) {
    use std::os::unix::process::CommandExt;
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", &format!("output::{test}"), "--ignored", "--nocapture"]);
    // SAFETY: both calls are among those allowed between fork and exec, and touch nothing but their arguments.
    unsafe {
        child.pre_exec(move || {
            let limit = libc::rlimit { rlim_cur: limit, rlim_max: limit };
            // Ignored, the signal becomes an error of the write.
            libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
            if libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit) < 0 {
                return Err(std::io::Error::last_os_error());
            }
            Ok(())
        });
    }
    let output = child.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
