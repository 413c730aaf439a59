//! SysFlow's own stream as its processor reads it: packets of at most 16,384 bytes, one record of version 5 each.

use std::{
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    path::Path,
    time::{Duration, Instant},
};

use sysflow::{
    Record, Schema, avro,
    record::{FileEvent, Header, Loss, NetworkFlow, Process, ProcessEvent, op},
};
use sysflow_flow::{Sink, Urgency};

use super::fit::{self, Fitted};
use crate::output::{CloseError, Outlet, Target, peer, tests};

const MIB: usize = 1 << 20;

/// What SysFlow's processor reads into.
const READER_BUFFER: usize = 16_384;

/// A listening socket, or a connection of it.
struct Socket(OwnedFd);

impl Socket {
    fn listen(path: &Path) -> Self {
        use std::os::unix::ffi::OsStrExt;
        // SAFETY: the calls get a descriptor that is open, and an address that is valid for the size that is said.
        unsafe {
            let socket = libc::socket(libc::AF_UNIX, libc::SOCK_SEQPACKET, 0);
            assert!(socket >= 0);
            let mut address = libc::sockaddr_un { sun_family: libc::AF_UNIX as u16, sun_path: [0; 108] };
            for (to, from) in address.sun_path.iter_mut().zip(path.as_os_str().as_bytes()) {
                *to = *from as libc::c_char;
            }
            let size = size_of::<libc::sockaddr_un>() as u32;
            assert_eq!(libc::bind(socket, (&raw const address).cast(), size), 0);
            assert_eq!(libc::listen(socket, 1), 0);
            Self(OwnedFd::from_raw_fd(socket))
        }
    }

    fn accept(&self) -> Self {
        // SAFETY: the descriptor is open; the other arguments are not used.
        let fd = unsafe { libc::accept(self.0.as_raw_fd(), std::ptr::null_mut(), std::ptr::null_mut()) };
        assert!(fd >= 0);
        // SAFETY: the descriptor has just been opened and belongs to nobody else.
        Self(unsafe { OwnedFd::from_raw_fd(fd) })
    }

    /// The next record; `None` at the end.
    fn record(&self) -> Option<Record> {
        let mut buffer = [0_u8; READER_BUFFER];
        // SAFETY: the descriptor is open, the buffer is ours and as long as is said.
        let n = unsafe {
            libc::recv(self.0.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), libc::MSG_TRUNC)
        };
        let n = usize::try_from(n).unwrap();
        assert!(n <= fit::MAX_MESSAGE, "a packet of {n} bytes");
        if n == 0 {
            return None;
        }
        let (record, size) = avro::decode(Schema::V5, &buffer[..n]).unwrap();
        assert_eq!(size, n, "one record a packet");
        Some(record)
    }

    fn rest(&self) -> Vec<Record> {
        std::iter::from_fn(|| self.record()).collect()
    }
}

fn header(ip: &str) -> Record {
    let (exporter, filename) = ("n".into(), String::new());
    Record::Header(Header { version: 5, exporter, ip: ip.into(), filename, lost: Loss::default() })
}

fn event(op_flags: i32, ts: i64) -> Record {
    let proc_oid = sysflow::Oid { create_ts: 1, hpid: 2 };
    Record::ProcessEvent(ProcessEvent { proc_oid, ts, tid: 2, op_flags, args: vec!["a".repeat(100)], ret: 0 })
}

fn outlet(path: &Path, schema: Schema, live: bool) -> Outlet {
    let mut outlet = Outlet::new(schema, MIB, false);
    let target = tests::target("".into(), MIB);
    outlet.start(Target { socket: None, seqpacket: Some(path.to_owned()), schema, live, ..target }).unwrap();
    outlet
}

fn fitted(record: Record) -> (Option<Fitted>, Vec<u8>) {
    let mut out = b"before".to_vec();
    let fitted = fit::encode(record, &mut out);
    assert!(out.starts_with(b"before"));
    (fitted, out[6..].to_vec())
}

#[test]
fn long_records_lose_their_environment_first_and_then_their_arguments() {
    let process = |env: usize, args: usize| {
        Record::Process(Process {
            exe: "/bin/x".into(),
            exe_args: "ä".repeat(args / 2),
            env: (0..env / 100).map(|n| format!("{n:03}={}", "v".repeat(96))).collect(),
            ..Process::default()
        })
    };
    let decoded = |env, args| {
        let (fitted, bytes) = fitted(process(env, args));
        assert!(bytes.len() <= fit::MAX_MESSAGE, "{}", bytes.len());
        match avro::decode(Schema::V5, &bytes).unwrap() {
            (Record::Process(process), size) if size == bytes.len() => (fitted.unwrap(), process),
            other => panic!("{other:?}"),
        }
    };
    let (fitted_as, process) = decoded(1_000, 10_000);
    assert_eq!((fitted_as, process.env.len(), process.exe_args.len()), (Fitted::Whole, 10, 10_000));
    let (fitted_as, process) = decoded(2_000_000, 10_000);
    assert_eq!((fitted_as, process.exe_args.len()), (Fitted::Cut, 10_000), "the environment goes first");
    assert!(process.env.len() > 50 && process.env[0].starts_with("000="), "no more of it than is needed");
    let (fitted_as, process) = decoded(2_000, 100_001);
    assert_eq!((fitted_as, process.env.len()), (Fitted::Cut, 0));
    assert!(process.exe_args.len() > 15_000 && process.exe == "/bin/x");
    let long = |text: usize| "x".repeat(text);
    for record in [
        tests::file(1, long(20_000)),
        Record::ProcessEvent(ProcessEvent {
            proc_oid: sysflow::Oid::default(),
            ts: 1,
            tid: 1,
            op_flags: op::EXEC,
            args: vec![long(15_000), long(15_000)],
            ret: 0,
        }),
        header(&long(17_000)),
    ] {
        let (as_what, bytes) = fitted(record);
        assert_eq!(as_what, Some(Fitted::Cut));
        assert!((15_900..=fit::MAX_MESSAGE).contains(&bytes.len()), "{}", bytes.len());
        assert_eq!(avro::decode(Schema::V5, &bytes).unwrap().1, bytes.len());
    }
}

#[test]
fn what_version_5_does_not_have_is_left_out() {
    let flow = |op_flags, sip6| {
        let Record::NetworkFlow(flow) = any_flow() else { unreachable!() };
        Record::NetworkFlow(NetworkFlow { op_flags, sip6, ..flow })
    };
    let file_event = |op_flags| {
        let (proc_oid, file_oid) = (sysflow::Oid::default(), sysflow::Foid::default());
        let (new_file_oid, arg) = (None, "arg".into());
        Record::FileEvent(FileEvent {
            proc_oid,
            ts: 1,
            tid: 1,
            op_flags,
            file_oid,
            ret: -13,
            new_file_oid,
            arg,
        })
    };
    for record in [
        flow(op::CONNECT, Some([1; 16])),
        flow(op::LISTEN, None),
        event(op::SIGNAL, 1),
        file_event(op::CHMOD),
        file_event(op::OPEN),
    ] {
        assert_eq!(fitted(record.clone()).0, None, "{record:?}");
    }
    let (_, bytes) = fitted(flow(op::ACCEPT | op::BIND, None));
    assert_eq!(avro::decode(Schema::V5, &bytes).unwrap().0, flow(op::ACCEPT, None));
    let (_, bytes) = fitted(file_event(op::MKDIR));
    let (Record::FileEvent(event), _) = avro::decode(Schema::V5, &bytes).unwrap() else { panic!() };
    assert_eq!((event.op_flags, event.arg.as_str()), (op::MKDIR, ""));
}

fn any_flow() -> Record {
    Record::NetworkFlow(NetworkFlow {
        proc_oid: sysflow::Oid::default(),
        ts: 1,
        tid: 1,
        op_flags: 0,
        end_ts: 2,
        sip: 1,
        sport: 2,
        dip: 3,
        dport: 4,
        proto: 6,
        fd: 3,
        num_rrecv_ops: 0,
        num_wsend_ops: 0,
        num_rrecv_bytes: 0,
        num_wsend_bytes: 0,
        sip6: None,
        dip6: None,
    })
}

/// A replay waits for its reader, also for one that is slow and for one that comes late.
#[test]
fn every_record_is_a_packet_in_order() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("s");
    let reader = std::thread::spawn({
        let path = path.clone();
        move || {
            std::thread::sleep(Duration::from_millis(200));
            let connection = Socket::listen(&path).accept();
            std::thread::sleep(Duration::from_millis(200));
            connection.rest()
        }
    });
    let mut outlet = outlet(&path, Schema::Extended, false);
    outlet.record(&header(""), Urgency::Soon);
    for ts in 0..20_000 {
        outlet.at(ts);
        outlet.record(&event(op::EXEC, ts), Urgency::Later);
    }
    outlet.record(&tests::file(0, "p".repeat(100_000)), Urgency::Later);
    outlet.close().unwrap();
    let records = reader.join().unwrap();
    assert_eq!(records.len(), 20_002);
    assert_eq!(records[0], header(""));
    let in_order = |(ts, record): (i64, &Record)| *record == event(op::EXEC, ts);
    assert!((0..20_000).zip(&records[1..]).all(in_order));
}

/// Does what the recorder does: tells of a loss in a header, after which everything begins anew.
fn tell_losses(outlet: &mut Outlet, told: &mut Vec<String>) {
    if let Some(loss) = outlet.take_loss() {
        assert_eq!(loss.records, 0, "no other output has lost any");
        outlet.record(&header("again"), Urgency::Soon);
        outlet.at(outlet.now + 20_000_000);
        told.push(loss.cause);
    }
}

fn lost(causes: &[String]) -> u64 {
    let number = |cause: &String| cause.split(", ").nth(1)?.split(' ').next()?.parse::<u64>().ok();
    causes.iter().filter_map(number).sum()
}

#[test]
fn a_reader_that_stops_reading_loses_counted_records_and_begins_anew_with_a_header() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("s");
    let listener = Socket::listen(&path);
    let mut outlet = outlet(&path, Schema::V5, true);
    outlet.at(1_000_000_000);
    outlet.record(&header("first"), Urgency::Soon);
    let connection = listener.accept();
    let (mut told, mut made, mut number) = (Vec::new(), 1, 0);
    let started = Instant::now();
    // It does not read: more than its share of the buffer comes.
    while told.is_empty() {
        for _ in 0..100 {
            number += 1;
            while !outlet.has_room() {
                std::thread::sleep(Duration::from_millis(1));
            }
            outlet.at(1_000_000_000 + number * 20_000_000);
            outlet.record(&event(op::EXEC, number), Urgency::Soon);
        }
        std::thread::sleep(Duration::from_millis(5));
        tell_losses(&mut outlet, &mut told);
        assert!(started.elapsed() < Duration::from_secs(20), "never full");
    }
    made += number as u64 + 1;
    let reader = std::thread::spawn(move || connection.rest());
    outlet.record(&event(op::EXIT, 0), Urgency::Soon);
    made += 1;
    let closed = outlet.close();
    let records = reader.join().unwrap();
    let begins: Vec<usize> =
        (0..records.len()).filter(|at| matches!(records[*at], Record::Header(_))).collect();
    assert_eq!((begins.len(), begins[0]), (2, 0));
    assert_eq!(records[begins[1]], header("again"));
    assert_eq!(records.last(), Some(&event(op::EXIT, 0)));
    // What came between the question for a header and the header was lost too: the end tells of it.
    let late = match closed {
        Ok(()) => 0,
        Err(CloseError::Unsent(late)) => late,
        Err(error) => panic!("{error}"),
    };
    assert!(lost(&told) > 1_000, "{told:?}");
    assert_eq!(records.len() as u64 + lost(&told) + late, made);
}

#[test]
fn a_reader_that_vanishes_stops_nothing_and_the_next_begins_with_a_header() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("s");
    let listener = Socket::listen(&path);
    let mut outlet = outlet(&path, Schema::V5, true);
    outlet.at(1_000_000_000);
    outlet.record(&header("first"), Urgency::Soon);
    outlet.at(2_000_000_000);
    let connection = listener.accept();
    assert_eq!(connection.record(), Some(header("first")));
    drop(connection);
    let (mut told, mut number) = (Vec::new(), 0);
    let started = Instant::now();
    while told.is_empty() {
        number += 1;
        outlet.at(2_000_000_000 + number * 20_000_000);
        outlet.record(&event(op::EXEC, number), Urgency::Soon);
        tell_losses(&mut outlet, &mut told);
        std::thread::sleep(Duration::from_millis(1));
        assert!(started.elapsed() < Duration::from_secs(20), "it was not noticed");
    }
    outlet.record(&event(op::EXIT, 0), Urgency::Soon);
    let reader = std::thread::spawn(move || listener.accept().rest());
    // Records between the break and the header are lost, and counted.
    assert!(matches!(outlet.close(), Ok(()) | Err(CloseError::Unsent(1..))));
    assert_eq!(reader.join().unwrap(), [header("again"), event(op::EXIT, 0)]);
}

#[test]
fn nobody_there_is_said_at_the_end() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("nobody");
    let mut outlet = outlet(&path, Schema::V5, true);
    outlet.record(&header(""), Urgency::Soon);
    outlet.record(&event(op::EXEC, 1), Urgency::Soon);
    assert!(matches!(outlet.close(), Err(CloseError::Unsent(2))));
    // A socket for streams is none for packets.
    let _streams = std::os::unix::net::UnixListener::bind(&path).unwrap();
    assert!(peer::connect(&path, libc::SOCK_SEQPACKET).is_err());
}
