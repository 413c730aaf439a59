//! How many records a second go from the event thread to a reader that acknowledges them, and what waiting blocks take:
//! `cargo bench -p sysflow-plugin --bench writer`.
//!
//! Ring, encoder, socket and reader are those of the plugin; only the records are made beforehand.
#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "the plugin is a shared library: its modules are taken as they are"
)]

#[path = "../src/events/code.rs"]
mod code;
#[path = "../src/output/mod.rs"]
mod output;
#[path = "../src/own.rs"]
mod own;
#[path = "../src/probe.rs"]
mod probe;
#[path = "../../crates/flow/benches/support.rs"]
mod support;

mod events {
    pub(crate) use crate::code;
}

use std::{
    io::{Read as _, Write as _},
    os::unix::net::UnixListener,
    path::Path,
    thread::JoinHandle,
    time::Instant,
};

use output::{Outlet, Stream, Target};
use support::{Chance, cpu_ns, machine, memory_mib};
use sysflow::{
    Foid, Oid, Record, Schema,
    record::{File, FileFlow, NetworkFlow, ObjectState, ProcessEvent, op},
    stream::{self, Decoder, Message, Welcome},
};
use sysflow_flow::{Sink as _, Urgency};

const RECORDS: u64 = 5_000_000;
const REPEATS: usize = 3;
const BUFFER: usize = 64 << 20;
/// Event time between two records: a million a second.
const STEP: i64 = 1_000;

fn main() {
    println!("{}", machine());
    // First, before there is freed memory that it could take.
    waiting();
    println!(
        "\n{RECORDS} records through ring, encoder and socket to a reader that acknowledges; best of {REPEATS} runs"
    );
    println!(
        "{:<10} {:>13} {:>9} {:>12} {:>12} {:>12} {:>12}",
        "schema", "records/s", "MB/s", "bytes/record", "event thread", "writer", "reader"
    );
    for schema in Schema::ALL {
        let runs = (0..REPEATS).map(|_| run(schema));
        let Some(best) = runs.max_by(|a, b| a.rate().total_cmp(&b.rate())) else { continue };
        println!(
            "{:<10} {:>13.0} {:>9.0} {:>12.1} {:>9.1} ns {:>9.1} ns {:>9.1} ns",
            schema,
            best.rate(),
            best.bytes as f64 / 1e6 / best.seconds,
            best.bytes as f64 / RECORDS as f64,
            best.event_ns as f64 / RECORDS as f64,
            best.writer_ns() as f64 / RECORDS as f64,
            best.reader_ns as f64 / RECORDS as f64,
        );
    }
}

struct Run {
    seconds: f64,
    bytes: u64,
    event_ns: u64,
    reader_ns: u64,
    process_ns: u64,
}

impl Run {
    fn rate(&self) -> f64 {
        RECORDS as f64 / self.seconds
    }

    /// What is left of the whole process's time.
    fn writer_ns(&self) -> u64 {
        self.process_ns.saturating_sub(self.event_ns + self.reader_ns)
    }
}

fn run(schema: Schema) -> Run {
    let dir = tempfile::tempdir().expect("a directory");
    let socket = dir.path().join("s");
    let reader = reader(&socket);
    let records = records();
    let mut outlet = outlet(&socket, schema);
    let (started, before, process) = (Instant::now(), cpu_ns(), process_ns());
    let mut ts = 1;
    for record in records.iter().cycle().take(RECORDS as usize) {
        ts += STEP;
        outlet.at(ts);
        outlet.record(record, Urgency::Later);
    }
    let event_ns = cpu_ns() - before;
    outlet.close().expect("all is acknowledged");
    let (seconds, process_ns) = (started.elapsed().as_secs_f64(), process_ns() - process);
    drop(outlet);
    let (count, bytes, reader_ns) = reader.join().expect("the reader");
    assert_eq!(count, RECORDS);
    Run { seconds, bytes, event_ns, reader_ns, process_ns }
}

fn outlet(socket: &Path, schema: Schema) -> Outlet {
    let mut outlet = Outlet::new(schema, BUFFER, false);
    let stream = Stream { id: [1; 16], node: "bench".into(), boot_id: "boot".into() };
    let target = Target {
        socket: Some(socket.to_owned()),
        dir: None,
        seqpacket: None,
        spool: None,
        state: None,
        peer_uids: Vec::new(),
        schema,
        buffer: BUFFER,
        stream,
        // It waits for room, so that none is dropped.
        live: false,
    };
    outlet.start(target).expect("the writer thread starts");
    outlet
}

/// Takes one connection to its end; the records, their bytes, and what it cost.
fn reader(socket: &Path) -> JoinHandle<(u64, u64, u64)> {
    let listener = UnixListener::bind(socket).expect("a socket");
    std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().expect("a connection");
        let mut decoder = Decoder::default();
        let mut buffer = vec![0; 1 << 18];
        let (mut stored, mut bytes) = (0, 0);
        let before = cpu_ns();
        while let Ok(n @ 1..) = socket.read(&mut buffer) {
            decoder.push(&buffer[..n]);
            let mut answer = Vec::new();
            while let Some(message) = decoder.next().expect("whole messages") {
                match message {
                    Message::Hello(_) => {
                        stream::encode_welcome(&Welcome { stored, pid: 1, pid_ns: 1 }, &mut answer);
                    }
                    Message::Frame(frame) => {
                        assert_eq!(frame.first, stored);
                        stored += u64::from(frame.count);
                        bytes += frame.block.len() as u64;
                        answer.clear();
                        stream::encode_ack(stored, &mut answer);
                    }
                    other => panic!("a plugin sends {other:?}"),
                }
            }
            if socket.write_all(&answer).is_err() {
                break;
            }
        }
        (stored, bytes, cpu_ns() - before)
    })
}

/// Memory of small blocks, as a quiet host makes them, while the processor is away.
fn waiting() {
    const BLOCKS: u64 = 40_000;
    let dir = tempfile::tempdir().expect("a directory");
    let mut outlet = outlet(&dir.path().join("nobody"), Schema::V5);
    let record = file(&mut Chance(1), "p".repeat(1_000));
    let before = memory_mib("VmRSS:");
    let mut ts = 1;
    for _ in 0..BLOCKS {
        outlet.record(&record, Urgency::Soon);
        // Long enough for the block to be handed over.
        ts += 20_000_000;
        outlet.at(ts);
    }
    let grown = memory_mib("VmRSS:") - before;
    println!("\n{BLOCKS} blocks of one record of 1 kB wait: {grown:.1} MiB of memory");
}

/// Records as a host makes them, most of them flows.
fn records() -> Vec<Record> {
    let mut chance = Chance(42);
    (0..10_000)
        .map(|_| match chance.below(100) {
            0..60 => file_flow(&mut chance),
            60..85 => network_flow(&mut chance),
            85..95 => {
                let path = format!("/var/lib/service/{:x}/data", chance.next());
                file(&mut chance, path)
            }
            _ => process_event(&mut chance),
        })
        .collect()
}

fn oid(chance: &mut Chance) -> Oid {
    Oid {
        create_ts: 1_700_000_000_000_000_000 + chance.below(1 << 40) as i64,
        hpid: chance.below(1 << 22) as i64,
    }
}

fn foid(chance: &mut Chance) -> Foid {
    Foid::new("", &chance.next().to_string())
}

fn ts(chance: &mut Chance) -> i64 {
    1_700_000_000_000_000_000 + chance.below(1 << 40) as i64
}

fn file_flow(chance: &mut Chance) -> Record {
    Record::FileFlow(FileFlow {
        proc_oid: oid(chance),
        ts: ts(chance),
        tid: chance.below(1 << 22) as i64,
        op_flags: op::OPEN | op::READ_RECV | op::CLOSE,
        open_flags: 1,
        end_ts: ts(chance),
        file_oid: foid(chance),
        fd: chance.below(100) as i32,
        num_rrecv_ops: chance.below(1_000) as i64,
        num_wsend_ops: 0,
        num_rrecv_bytes: chance.below(1 << 20) as i64,
        num_wsend_bytes: 0,
        num_opens: 1,
    })
}

fn network_flow(chance: &mut Chance) -> Record {
    Record::NetworkFlow(NetworkFlow {
        proc_oid: oid(chance),
        ts: ts(chance),
        tid: chance.below(1 << 22) as i64,
        op_flags: op::ACCEPT | op::READ_RECV | op::WRITE_SEND | op::CLOSE,
        end_ts: ts(chance),
        sip: chance.next() as i32,
        sport: chance.below(65_536) as i32,
        dip: chance.next() as i32,
        dport: 443,
        proto: 6,
        fd: chance.below(100) as i32,
        num_rrecv_ops: chance.below(1_000) as i64,
        num_wsend_ops: chance.below(1_000) as i64,
        num_rrecv_bytes: chance.below(1 << 20) as i64,
        num_wsend_bytes: chance.below(1 << 20) as i64,
        sip6: None,
        dip6: None,
    })
}

fn file(chance: &mut Chance, path: String) -> Record {
    let (oid, ts) = (foid(chance), ts(chance));
    Record::File(File { state: ObjectState::Created, oid, ts, restype: 102, path, container_id: None })
}

fn process_event(chance: &mut Chance) -> Record {
    let (proc_oid, ts) = (oid(chance), ts(chance));
    Record::ProcessEvent(ProcessEvent {
        proc_oid,
        ts,
        tid: proc_oid.hpid,
        op_flags: op::EXEC,
        args: Vec::new(),
        ret: 0,
    })
}

/// Processor time of all threads.
fn process_ns() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
