//! Records on disk: they come back as they were, or are counted.

use std::{
    fs,
    os::unix::{
        fs::{FileExt, MetadataExt, PermissionsExt},
        net::UnixListener,
    },
    path::Path,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use sysflow::{Record, Schema, avro, record::Loss, stream};
use sysflow_flow::{Sink, Urgency};

use super::{Place, Spool, segment::*};
use crate::output::{
    Outlet, Stream, Target,
    directory::{Directory, DirectoryError},
    tests::{decode, file, in_a_child, read_file, receive, send, target, welcome},
};

const MIB: usize = 1 << 20;
const BYTES: usize = 1_000;

fn stream(id: u8) -> Stream {
    Stream { id: [id; 16], node: "n".into(), boot_id: "b".into() }
}

fn spool(dir: &Path, max: u64) -> Spool {
    let mut spool = Spool::new(Place { dir: dir.to_owned(), max });
    assert!(spool.tend().is_empty());
    spool
}

/// A record of about a thousand bytes that says which it is.
fn numbered(number: u64) -> Record {
    file(number as i64, "p".repeat(BYTES))
}

fn encoded(numbers: std::ops::Range<u64>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for number in numbers {
        avro::encode(Schema::V5, &numbered(number), &mut bytes);
    }
    bytes
}

fn numbers(records: &[Record]) -> Vec<u64> {
    let number = |record: &Record| match record {
        Record::File(file) => file.ts as u64,
        other => panic!("{other:?}"),
    };
    records.iter().map(number).collect()
}

fn files(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_segment_is_an_sf_file_that_only_we_can_read() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("spool");
    let mut spool = spool(&dir, 10 << 20);
    // More than deflate stores in one part, and less.
    let long = spool.append(&stream(7), Schema::V5, 100, 200, &encoded(100..300)).unwrap();
    let short = spool.append(&stream(7), Schema::V5, 300, 1, &encoded(300..301)).unwrap();
    assert_eq!(files(&dir), ["0000000000-07070707-100.sf"]);
    let path = dir.join("0000000000-07070707-100.sf");
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(&dir).unwrap().mode() & 0o777, 0o700);
    assert_eq!(numbers(&read_file(&path)), (100..301).collect::<Vec<_>>());
    assert_eq!(spool.read(&long).unwrap(), encoded(100..300));
    assert_eq!(spool.read(&short).unwrap(), encoded(300..301));
    spool.release(&long);
    assert_eq!(files(&dir).len(), 1, "one of its blocks is needed");
    spool.release(&short);
    assert!(files(&dir).is_empty());
    assert_eq!(spool.used, 0);
}

/// Whatever a kill or a bad disk makes of the last block: those before it are there, and it is not believed.
#[test]
fn what_is_not_whole_is_cut_off() {
    let temp = tempfile::tempdir().unwrap();
    let directory = Directory::open(&temp.path().join("d")).unwrap();
    let head = Head { stream: stream(1), schema: Schema::V5, first: 5 };
    let create = |name: &str| {
        let mut segment = Segment::begin(directory.create(name).unwrap(), name.into(), &head).unwrap();
        segment.append(0, 2, b"two records").unwrap();
        let before = segment.bytes;
        segment.append(0, 3, b"three more of them").unwrap();
        (before, segment.bytes)
    };
    let find = |name: &str| Segment::find(directory.reopen(name).unwrap(), name.into(), 0, &head).unwrap();
    let (before, end) = create("whole");
    let whole = find("whole");
    assert_eq!((whole.slices.len(), whole.cut, whole.segment.next), (2, 0, 10));
    let path = |name: &str| temp.path().join("d").join(name);
    for length in before..end {
        let name = format!("cut{length}");
        create(&name);
        fs::OpenOptions::new().write(true).open(path(&name)).unwrap().set_len(length).unwrap();
        let found = find(&name);
        assert_eq!((found.slices.len(), found.cut), (1, length - before), "cut to {length}");
        assert_eq!(fs::metadata(path(&name)).unwrap().len(), before);
    }
    for at in before..end {
        let name = format!("changed{at}");
        create(&name);
        let file = fs::OpenOptions::new().read(true).write(true).open(path(&name)).unwrap();
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).unwrap();
        file.write_all_at(&[byte[0] ^ 0x10], at).unwrap();
        let found = find(&name);
        assert_eq!(found.slices.len(), 1, "changed at {at}");
        assert_eq!(found.segment.read(&found.slices[0]).unwrap(), b"two records");
    }
}

#[test]
fn a_file_without_a_head_is_set_aside_and_keeps_no_other() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("spool");
    {
        let mut spool = spool(&dir, 10 << 20);
        spool.append(&stream(1), Schema::V5, 0, 2, &encoded(0..2)).unwrap();
    }
    fs::write(dir.join("0000000001-01010101-2.sf"), "Obj\u{1}no").unwrap();
    fs::write(dir.join("0000000002-01010101-2.sf"), "").unwrap();
    fs::write(dir.join("notes.txt"), "of the operator").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", dir.join("0000000003-01010101-2.sf")).unwrap();
    let mut spool = Spool::new(Place { dir: dir.clone(), max: 10 << 20 });
    let mut left = spool.tend();
    assert_eq!((left.len(), left[0].files.len()), (1, 1));
    assert_eq!(spool.load(left[0].files.pop_front().unwrap()).0.len(), 1);
    assert_eq!(
        files(&dir),
        [
            "0000000000-01010101-0.sf",
            "0000000001-01010101-2.sf.damaged",
            "0000000002-01010101-2.sf.damaged",
            "0000000003-01010101-2.sf.damaged",
            "notes.txt"
        ]
    );
    assert_eq!(spool.next_sequence, 4);
}

#[test]
fn the_spool_is_bounded_and_has_room_again() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("spool");
    let mut spool = spool(&dir, 1 << 20);
    let block = encoded(0..50);
    let mut slices = Vec::new();
    while let Some(slice) = spool.append(&stream(1), Schema::V5, slices.len() as u64 * 50, 50, &block) {
        slices.push(slice);
    }
    let size = || -> u64 { files(&dir).iter().map(|name| fs::metadata(dir.join(name)).unwrap().len()).sum() };
    assert_eq!(size(), spool.used);
    assert!((900 << 10..=1 << 20).contains(&size()), "{} bytes", size());
    assert!(files(&dir).len() > 5, "a file goes only as a whole");
    let next = slices.len() as u64 * 50;
    for slice in slices.drain(..4) {
        spool.release(&slice);
    }
    assert!(spool.append(&stream(1), Schema::V5, next, 50, &block).is_some());
}

#[test]
fn two_processes_do_not_take_each_others_files() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("spool");
    let mut first = spool(&dir, 10 << 20);
    first.append(&stream(1), Schema::V5, 0, 2, &encoded(0..2)).unwrap();
    let mut second = Spool::new(Place { dir: dir.clone(), max: 10 << 20 });
    assert!(second.tend().is_empty());
    assert!(second.append(&stream(2), Schema::V5, 0, 2, &encoded(0..2)).is_none());
    drop(first);
    std::thread::sleep(super::RETRY);
    assert_eq!(second.tend().len(), 1, "now they are left-overs");
}

#[test]
fn a_directory_that_is_not_ours_alone_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    let check = |dir: &Path| crate::output::check_directory(dir);
    let open = temp.path().join("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o750)).unwrap();
    assert!(matches!(check(&open), Err(DirectoryError::NotOurs { mode: 0o750, .. })));
    let ours = temp.path().join("ours");
    check(&ours).unwrap();
    let link = temp.path().join("link");
    std::os::unix::fs::symlink(&ours, &link).unwrap();
    assert!(matches!(check(&link), Err(DirectoryError::Open { .. })), "through a link");
    // Only root can give a directory away.
    if std::os::unix::fs::chown(&ours, Some(4711), None).is_ok() {
        assert!(matches!(check(&ours), Err(DirectoryError::NotOurs { owner: 4711, .. })));
    }
}

// === with a writer thread and a processor ===

fn spooling(socket: &Path, dir: &Path, id: u8, max_mib: u64) -> Outlet {
    let mut outlet = Outlet::new(Schema::V5, MIB, false);
    let place = Place { dir: dir.to_owned(), max: max_mib << 20 };
    let target = target(socket.to_owned(), MIB);
    outlet.start(Target { spool: Some(place), stream: stream(id), ..target }).unwrap();
    outlet
}

/// Hands over records, at a pace at which the writer thread can put them away.
fn feed(outlet: &mut Outlet, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let started = Instant::now();
        while !outlet.has_room() && started.elapsed() < Duration::from_secs(5) {
            std::thread::sleep(Duration::from_millis(1));
        }
        outlet.at(5_000_000_000 + number as i64);
        outlet.record(&numbered(number), Urgency::Later);
    }
}

/// Of each connection the stream and the records, until the other end is done with stream `last`.
type Taken = Vec<(u8, Vec<Record>)>;

/// A processor that keeps what it has, by stream, and hangs up after each of so many frames.
fn processor(socket: &Path, last: u8, hang_up: &[usize]) -> JoinHandle<Taken> {
    let listener = UnixListener::bind(socket).unwrap();
    let mut hang_up = hang_up.to_vec();
    std::thread::spawn(move || {
        let mut taken: Taken = Vec::new();
        loop {
            let (mut socket, _) = listener.accept().unwrap();
            let mut decoder = stream::Decoder::default();
            let Some(stream::Message::Hello(hello)) = receive(&mut socket, &mut decoder) else {
                panic!("no hello")
            };
            let id = hello.stream[0];
            let at = taken.iter().position(|(known, _)| *known == id).unwrap_or_else(|| {
                taken.push((id, Vec::new()));
                taken.len() - 1
            });
            let records = &mut taken[at].1;
            let stored = records.len() as u64;
            assert!(hello.next <= stored, "records {stored} to {} are missing", hello.next);
            send(&mut socket, |out| {
                stream::encode_welcome(&stream::Welcome { stored, pid: 1, pid_ns: 1 }, out);
            });
            let mut frames = hang_up.pop();
            while let Some(message) = receive(&mut socket, &mut decoder) {
                let stream::Message::Frame(frame) = message else { panic!("{message:?}") };
                let have = records.len() as u64;
                assert!(frame.first <= have, "record {} comes where {have} is next", frame.first);
                records.extend(decode(&frame).into_iter().skip((have - frame.first) as usize));
                if frames == Some(0) {
                    break;
                }
                frames = frames.map(|left| left - 1);
                send(&mut socket, |out| stream::encode_ack(records.len() as u64, out));
            }
            if frames != Some(0) && id == last {
                return taken;
            }
        }
    })
}

#[test]
fn a_processor_that_is_away_for_longer_than_memory_lasts_gets_every_record_once() {
    let temp = tempfile::tempdir().unwrap();
    let (socket, dir) = (temp.path().join("s"), temp.path().join("spool"));
    let mut outlet = spooling(&socket, &dir, 1, 64);
    feed(&mut outlet, 0..10_000);
    assert_eq!(outlet.loss, Loss::default());
    assert!(files(&dir).len() > 1, "ten times as much as memory holds");
    let processor = processor(&socket, 1, &[40, 20, 1]);
    feed(&mut outlet, 10_000..12_000);
    outlet.close().unwrap();
    drop(outlet);
    let taken = processor.join().unwrap();
    assert_eq!(taken.len(), 1);
    assert_eq!(numbers(&taken[0].1), (0..12_000).collect::<Vec<_>>());
    assert!(files(&dir).is_empty(), "acknowledged records are deleted: {:?}", files(&dir));
}

#[test]
fn what_an_earlier_run_left_goes_first_on_its_own_connection() {
    let temp = tempfile::tempdir().unwrap();
    let (socket, dir) = (temp.path().join("s"), temp.path().join("spool"));
    for (id, records) in [(1, 3_000), (2, 10)] {
        let mut outlet = spooling(&socket, &dir, id, 64);
        feed(&mut outlet, 0..records);
        outlet.close().unwrap();
    }
    assert!(files(&dir).len() >= 2);
    let processor = processor(&socket, 3, &[3]);
    let mut outlet = spooling(&socket, &dir, 3, 64);
    feed(&mut outlet, 0..2_000);
    outlet.close().unwrap();
    drop(outlet);
    let taken = processor.join().unwrap();
    let found: Vec<(u8, Vec<u64>)> = taken.iter().map(|(id, records)| (*id, numbers(records))).collect();
    assert_eq!(found, [(1, (0..3_000).collect()), (2, (0..10).collect()), (3, (0..2_000).collect())]);
    assert!(files(&dir).is_empty(), "{:?}", files(&dir));
}

/// The processor hears where the stream goes on, the header says what is missing.
#[test]
fn records_that_the_disk_has_lost_are_told_of_and_hold_up_no_others() {
    let temp = tempfile::tempdir().unwrap();
    let (socket, dir) = (temp.path().join("s"), temp.path().join("spool"));
    let mut outlet = spooling(&socket, &dir, 1, 64);
    feed(&mut outlet, 0..6_000);
    let second = dir.join(&files(&dir)[1]);
    let length = fs::metadata(&second).unwrap().len();
    fs::OpenOptions::new().write(true).open(&second).unwrap().set_len(length / 2).unwrap();
    let listener = UnixListener::bind(&socket).unwrap();
    let processor = std::thread::spawn(move || {
        let mut taken = Vec::new();
        let mut next = 0;
        for connection in 0..2 {
            let (mut socket, mut decoder) = welcome(&listener, next);
            while let Some(message) = receive(&mut socket, &mut decoder) {
                let stream::Message::Frame(frame) = message else { panic!("{message:?}") };
                assert!(frame.first == next || taken.len() < 6_000 && connection == 1);
                let records = decode(&frame);
                next = frame.first + records.len() as u64;
                taken.extend(numbers(&records));
                send(&mut socket, |out| stream::encode_ack(next, out));
            }
        }
        taken
    });
    let started = Instant::now();
    let mut lost = Loss::default();
    while lost.records == 0 {
        outlet.at(20_000_000_000);
        lost = outlet.take_loss().unwrap_or_default();
        assert!(started.elapsed() < Duration::from_secs(10));
        std::thread::sleep(Duration::from_millis(5));
    }
    feed(&mut outlet, 6_000..6_100);
    let _ = outlet.close();
    let taken = processor.join().unwrap();
    assert_eq!(taken.len() as i64 + lost.records + outlet.loss.records, 6_100);
    assert!(lost.records > 100 && taken.is_sorted(), "{lost:?}");
    assert_eq!(lost.cause, "records in the spool could not be read");
}

#[test]
fn a_directory_that_vanishes_stops_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let (socket, dir) = (temp.path().join("s"), temp.path().join("spool"));
    let mut outlet = spooling(&socket, &dir, 1, 64);
    feed(&mut outlet, 0..3_000);
    fs::remove_dir_all(&dir).unwrap();
    feed(&mut outlet, 3_000..12_000);
    assert_eq!(outlet.loss, Loss::default());
    assert!(!files(&dir).is_empty(), "it was made again");
    let processor = processor(&socket, 1, &[]);
    outlet.close().unwrap();
    drop(outlet);
    assert_eq!(numbers(&processor.join().unwrap()[0].1), (0..12_000).collect::<Vec<_>>());
    assert!(files(&dir).is_empty());
}

/// A full disk, as far as it can be had without root: the kernel refuses to make a file longer than the limit.
#[test]
fn a_full_disk_is_tried_again_and_what_is_lost_is_counted() {
    in_a_child("spool::tests::full_disk", 500_000);
}

#[test]
#[ignore = "run by a_full_disk_is_tried_again_and_what_is_lost_is_counted, in a process with a limit"]
fn full_disk() {
    let temp = tempfile::tempdir().unwrap();
    let (socket, dir) = (temp.path().join("s"), temp.path().join("spool"));
    let mut outlet = spooling(&socket, &dir, 1, 1_000);
    let mut shed = 0;
    for number in 0..4_000 {
        outlet.at(5_000_000_000);
        outlet.record(&numbered(number), Urgency::Later);
        shed = outlet.loss.records;
        if number % 100 == 0 {
            // Long enough for the spool to be tried again now and then.
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    assert!(shed > 0, "memory was enough");
    assert!(files(&dir).len() > 1, "it was tried again after the first file was full");
    let sizes: Vec<u64> =
        files(&dir).iter().map(|name| fs::metadata(dir.join(name)).unwrap().len()).collect();
    assert!(sizes.iter().all(|size| *size <= 500_000), "{sizes:?}");
    let processor = processor(&socket, 1, &[]);
    outlet.close().unwrap_err();
    let lost = outlet.loss.records;
    drop(outlet);
    let taken = processor.join().unwrap();
    assert_eq!(taken[0].1.len() as i64 + lost, 4_000);
    assert!(numbers(&taken[0].1).is_sorted());
}

#[test]
fn a_replay_goes_through_the_spool_too() {
    let temp = tempfile::tempdir().unwrap();
    let (socket, dir) = (temp.path().join("s"), temp.path().join("spool"));
    let mut outlet = Outlet::new(Schema::V5, MIB, false);
    let place = Place { dir: dir.clone(), max: 2 << 20 };
    let target = target(socket.clone(), MIB);
    outlet.start(Target { spool: Some(place), live: false, ..target }).unwrap();
    let processor = processor(&socket, 7, &[2, 0, 1]);
    for number in 0..8_000 {
        outlet.at(number);
        outlet.record(&file(number, "p".repeat(BYTES)), Urgency::Later);
    }
    outlet.close().unwrap();
    drop(outlet);
    assert_eq!(numbers(&processor.join().unwrap()[0].1), (0..8_000).collect::<Vec<_>>());
}
