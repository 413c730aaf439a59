//! One connection of a collector that speaks SysFlow's own stream: `SOCK_SEQPACKET`, a record a message, nothing else.
//!
//! Such a stream has no name, no numbers and no answers. Each connection is a stream of ours with numbers from 0, named
//! after the exporter in its first header; what was not stored when it breaks is gone, and the collector begins anew.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::SyncSender;

use rustix::net::{RecvFlags, recv};
use sysflow::record::Record;
use sysflow::stream::{Frame, Hello, PROTOCOL};
use sysflow::{Schema, avro};

use super::TICK;
use super::connection::{Course, Ended, conclude};
use super::intake::{Intake, StreamId};
use crate::engine::Batch;
use crate::stop::Stop;

/// Largest message that is taken. The collector sends environments whole; most systems allow no larger ones.
const MAX_MESSAGE: usize = 4 << 20;

/// Messages that came together are stored together, up to so many bytes.
const BATCH: usize = 64 << 10;

/// Version 5 appends a working directory and an environment to processes; both empty, this is their encoding.
const PROCESS_OF_V4: [u8; 2] = [0, 0];

/// Serves a connection to its end.
pub(super) fn serve(socket: UnixStream, intake: &Intake, engine: &SyncSender<Batch>, stop: &Stop) {
    let mut connection =
        Connection { socket, buffer: vec![0; MAX_MESSAGE], unreadable: 0, intake, engine, stop };
    let Err(ended) = connection.run();
    if connection.unreadable > 0 {
        tracing::warn!(
            records = connection.unreadable,
            "records of a collector could not be read and are lost"
        );
    }
    conclude(ended, intake);
}

struct Connection<'a> {
    socket: UnixStream,
    buffer: Vec<u8>,
    /// Messages that are no record.
    unreadable: u64,
    intake: &'a Intake,
    engine: &'a SyncSender<Batch>,
    stop: &'a Stop,
}

/// Records that came together.
#[derive(Default)]
struct Together {
    count: u32,
    block: Vec<u8>,
}

impl Connection<'_> {
    fn run(&mut self) -> Result<std::convert::Infallible, Ended> {
        self.socket.set_read_timeout(Some(TICK))?;
        let node = loop {
            match self.next(true)? {
                Some(Record::Header(header)) => break header,
                // It cannot be understood: its entities are not known.
                Some(_) => self.intake.metrics().lost.add("before_a_header", 1),
                None => {}
            }
        };
        let hello = Hello {
            protocol: PROTOCOL,
            schema: Schema::V5,
            next: 0,
            stream: random_stream(),
            node: node.exporter.clone(),
            boot_id: String::new(),
            version: String::new(),
        };
        let Some(_live) = self.intake.enter(&hello.node) else {
            return Err(Ended::Refused(format!("node {:?} has a live stream already", hello.node)));
        };
        tracing::info!(node = ?hello.node, version = node.version, "a collector connected");
        let mut course = Course::new(&hello, self.intake, self.engine)?;
        let mut together = Together::default();
        together.add(&Record::Header(node));
        let mut first = 0;
        loop {
            let more = if together.block.len() < BATCH { self.next(together.count == 0) } else { Ok(None) };
            match more {
                Ok(Some(record)) => together.add(&record),
                // Nothing more has come, for now or for ever: what there is, is stored.
                Ok(None) => first = self.store(&mut together, first, &mut course)?,
                Err(ended) => {
                    self.store(&mut together, first, &mut course)?;
                    return Err(ended);
                }
            }
            if self.stop.is_set() {
                self.store(&mut together, first, &mut course)?;
                return Err(Ended::Stopping);
            }
        }
    }

    /// Stores what came together; the number of the record after it.
    fn store(&self, together: &mut Together, first: u64, course: &mut Course<'_>) -> Result<u64, Ended> {
        let Together { count, block } = std::mem::take(together);
        if count == 0 {
            return Ok(first);
        }
        course.take(&Frame { first, count, block }).inspect_err(|_| {
            self.intake.metrics().lost.add("not_stored", u64::from(count));
        })?;
        Ok(first + u64::from(count))
    }

    /// The next record; `None` when none has come yet, or one that is unreadable. With `wait` it may take a tick to say so.
    fn next(&mut self, wait: bool) -> Result<Option<Record>, Ended> {
        let flags = if wait { RecvFlags::TRUNC } else { RecvFlags::TRUNC | RecvFlags::DONTWAIT };
        let (got, length) = match recv(&self.socket, &mut self.buffer[..], flags) {
            Ok((_, 0)) => return Err(Ended::Closed),
            Ok(received) => received,
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {
                if self.stop.is_set() {
                    return Err(Ended::Stopping);
                }
                return Ok(None);
            }
            Err(errno) => return Err(io::Error::from(errno).into()),
        };
        let record = if length > got { None } else { decode(&self.buffer[..got]) };
        if record.is_none() {
            self.unreadable += 1;
            self.intake.metrics().lost.add("unreadable", 1);
            if self.unreadable == 1 {
                tracing::warn!(
                    bytes = length,
                    "a message of a collector is no record of SysFlow; going on with the next"
                );
            }
        }
        Ok(record)
    }
}

impl Together {
    fn add(&mut self, record: &Record) {
        avro::encode(Schema::V5, record, &mut self.block);
        self.count += 1;
    }
}

/// A record of version 4 or 5. What stands behind it is skipped: an experiment of the collector appended fields.
fn decode(message: &[u8]) -> Option<Record> {
    if let Ok((record, _)) = avro::decode(Schema::V5, message) {
        return Some(record);
    }
    match avro::decode(Schema::V5, &[message, &PROCESS_OF_V4].concat()) {
        Ok((record @ Record::Process(_), _)) => Some(record),
        _ => None,
    }
}

/// Nothing tells one connection of a collector from the next, and they are not to be taken for one stream.
fn random_stream() -> StreamId {
    let mut id = [0; 16];
    for (nth, half) in id.chunks_exact_mut(8).enumerate() {
        half.copy_from_slice(&RandomState::new().hash_one((nth, std::process::id())).to_le_bytes());
    }
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_of_version_4_have_no_directory_and_no_environment() {
        let process = sysflow::record::Process { exe: "/bin/x".into(), ..Default::default() };
        let mut message = Vec::new();
        avro::encode(Schema::V5, &Record::Process(process.clone()), &mut message);
        assert_eq!(decode(&message), Some(Record::Process(process.clone())));
        assert_eq!(decode(&message[..message.len() - 2]), Some(Record::Process(process.clone())));
        assert_eq!(decode(&message[..message.len() - 4]), None);
        // The fields of the experiment.
        message.extend_from_slice(&[1, 2, b'x']);
        assert_eq!(decode(&message), Some(Record::Process(process)));
        for nonsense in [&[][..], &[0xff; 40], &[2], b"hello"] {
            assert_eq!(decode(nonsense), None, "{nonsense:?}");
        }
    }
}
