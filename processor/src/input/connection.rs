//! One connection of a plugin, from its hello to its end.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use sysflow::avro;
use sysflow::record::Record;
use sysflow::stream::{self, Decoder, Frame, Hello, Message};

use super::TICK;
use super::handshake;
use super::intake::Intake;
use crate::archive::{Datum, StreamWriter};
use crate::engine::{Batch, Stream};
use crate::stop::Stop;

/// A plugin that says nothing for so long after connecting is cut off.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);

/// A hello has three short texts; whoever sends more before it is answered is no plugin.
const MAX_HELLO: usize = 16 << 10;

/// A plugin that does not take our answers for so long is cut off.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    #[error("the plugin closed it")]
    Closed,
    #[error("this program stops")]
    Stopping,
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Broken(#[from] sysflow::error::Error),
    #[error("{0}")]
    Protocol(String),
    #[error("refused: {0}")]
    Refused(String),
    #[error("the records cannot be stored: {0}")]
    Store(#[from] crate::error::Error),
}

struct Connection<'a> {
    socket: UnixStream,
    decoder: Decoder,
    buffer: Vec<u8>,
    stop: &'a Stop,
}

/// Serves a connection to its end.
pub(super) fn serve(socket: UnixStream, intake: &Intake, engine: &SyncSender<Batch>, stop: &Stop) {
    let mut connection = Connection { socket, decoder: Decoder::default(), buffer: vec![0; 256 << 10], stop };
    conclude(connection.run(intake, engine), intake);
}

/// Says and counts how a connection ended.
pub(super) fn conclude(ended: Ended, intake: &Intake) {
    let result = match ended {
        Ended::Closed => "closed",
        Ended::Stopping => "stopped",
        why @ Ended::Store(_) => {
            tracing::error!(%why, "a plugin's connection ended; it keeps what was not acknowledged and tries again");
            "store_failed"
        }
        why => {
            tracing::warn!(%why, "a plugin's connection ended");
            if matches!(why, Ended::Refused(_)) { "refused" } else { "broken" }
        }
    };
    intake.metrics().connections.add(result, 1);
}

impl Connection<'_> {
    fn run(&mut self, intake: &Intake, engine: &SyncSender<Batch>) -> Ended {
        match self.converse(intake, engine) {
            Ok(never) => match never {},
            Err(ended) => ended,
        }
    }

    fn converse(
        &mut self,
        intake: &Intake,
        engine: &SyncSender<Batch>,
    ) -> Result<std::convert::Infallible, Ended> {
        self.socket.set_read_timeout(Some(TICK))?;
        self.socket.set_write_timeout(Some(SEND_TIMEOUT))?;
        let Message::Hello(hello) = self.message(Some(Instant::now() + HELLO_TIMEOUT))? else {
            return Err(Ended::Protocol("the first message is no hello".into()));
        };
        let _live = match handshake::answer(&mut self.socket, &hello, intake)? {
            Ok(live) => live,
            Err(reason) => return Err(Ended::Refused(reason)),
        };
        tracing::info!(node = ?hello.node, plugin = ?hello.version, next = hello.next, "a plugin connected");
        let _connected = intake.metrics().plugins.enter(&hello.version);
        let mut course = Course::new(&hello, intake, engine)?;
        loop {
            match self.message(None)? {
                Message::Frame(frame) => course.take(&frame)?,
                _ => return Err(Ended::Protocol("something else than a frame after the hello".into())),
            }
            // Several frames that came together are acknowledged at once.
            while let Some(message) = self.decoder.next()? {
                match message {
                    Message::Frame(frame) => course.take(&frame)?,
                    _ => return Err(Ended::Protocol("something else than a frame after the hello".into())),
                }
            }
            let mut out = Vec::new();
            stream::encode_ack(course.stored, &mut out);
            send(&mut self.socket, &out)?;
            if self.stop.is_set() {
                return Err(Ended::Stopping);
            }
        }
    }

    /// The next message, waiting for it.
    fn message(&mut self, deadline: Option<Instant>) -> Result<Message, Ended> {
        loop {
            if let Some(message) = self.decoder.next()? {
                return Ok(message);
            }
            // Also when bytes come, a few at a time.
            if deadline.is_some_and(|deadline| deadline < Instant::now()) {
                return Err(Ended::Protocol("no hello came in time".into()));
            }
            if deadline.is_some() && self.decoder.pending() > MAX_HELLO {
                return Err(Ended::Protocol("the first message is no hello".into()));
            }
            match self.socket.read(&mut self.buffer) {
                Ok(0) if self.decoder.pending() > 0 => {
                    return Err(Ended::Protocol("it was cut within a message".into()));
                }
                Ok(0) => return Err(Ended::Closed),
                Ok(n) => self.decoder.push(&self.buffer[..n]),
                Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    if self.stop.is_set() {
                        return Err(Ended::Stopping);
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e.into()),
            }
        }
    }
}

/// The course of one stream through one connection.
pub(super) struct Course<'a> {
    stream: Arc<Stream>,
    hello: &'a Hello,
    intake: &'a Intake,
    engine: &'a SyncSender<Batch>,
    writer: Option<StreamWriter<'a>>,
    stored: u64,
}

impl<'a> Course<'a> {
    pub(super) fn new(
        hello: &'a Hello,
        intake: &'a Intake,
        engine: &'a SyncSender<Batch>,
    ) -> Result<Self, Ended> {
        let mut stored = intake.stored(&hello.stream)?;
        if hello.next > stored {
            let gone = hello.next - stored;
            tracing::error!(node = ?hello.node, records = gone, "the plugin has dropped records that were not stored");
            intake.metrics().lost.add("dropped_by_plugin", gone);
            stored = hello.next;
        }
        Ok(Self {
            stream: Arc::new(Stream::new(hello.stream, &hello.node)),
            hello,
            intake,
            engine,
            writer: intake.archive().map(|archive| archive.writer(hello)),
            stored,
        })
    }

    pub(super) fn take(&mut self, frame: &Frame) -> Result<(), Ended> {
        let metrics = self.intake.metrics();
        metrics.frames.add(1);
        let Some(end) = frame.first.checked_add(u64::from(frame.count)) else {
            return Err(Ended::Protocol(format!(
                "numbers end before the frame at record {} does",
                frame.first
            )));
        };
        if frame.first > self.stored {
            return Err(Ended::Protocol(format!(
                "record {} comes where {} is next",
                frame.first, self.stored
            )));
        }
        let known = (self.stored.min(end) - frame.first) as usize;
        metrics.duplicates.add(known as u64);
        let (records, datums) = self.decode(frame)?;
        if end <= self.stored {
            return Ok(());
        }
        let first = self.stored;
        let written = match &mut self.writer {
            Some(writer) => writer.append(first, &frame.block, &datums[known..]),
            None => Ok(()),
        };
        // What a write stored before it failed will not be sent again: it has to be judged now.
        self.stored = match &written {
            Ok(()) => end,
            Err(_) => self.intake.stored(&self.hello.stream).map_or(first, |stored| stored.clamp(first, end)),
        };
        self.intake.set_stored(self.hello.stream, self.stored);
        let batch = Batch {
            stream: Arc::clone(&self.stream),
            first,
            records: records.into_iter().skip(known).take((self.stored - first) as usize).collect(),
        };
        // The engine ends after all inputs have.
        self.engine.send(batch).map_err(|_| Ended::Stopping)?;
        Ok(written?)
    }

    /// All records of a frame, and where each lies in its block.
    fn decode(&self, frame: &Frame) -> Result<(Vec<Record>, Vec<Datum>), Ended> {
        let (mut records, mut datums) = (Vec::new(), Vec::new());
        let mut at = 0;
        while at < frame.block.len() {
            let (record, length) = avro::decode(self.hello.schema, &frame.block[at..])?;
            datums.push(Datum { range: at..at + length, header: matches!(record, Record::Header(_)) });
            records.push(record);
            at += length;
        }
        if records.len() != frame.count as usize {
            return Err(Ended::Protocol(format!(
                "a frame of {} records says it has {}",
                records.len(),
                frame.count
            )));
        }
        Ok((records, datums))
    }
}

pub(super) fn send(socket: &mut UnixStream, bytes: &[u8]) -> io::Result<()> {
    socket.write_all(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first_message(send: impl FnOnce(UnixStream) + Send + 'static) -> Ended {
        let (near, far) = UnixStream::pair().unwrap();
        near.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let stop = Stop::default();
        let mut connection =
            Connection { socket: near, decoder: Decoder::default(), buffer: vec![0; 4096], stop: &stop };
        let sender = std::thread::spawn(move || send(far));
        let ended = connection.message(Some(Instant::now() + Duration::from_millis(200))).unwrap_err();
        drop(connection);
        sender.join().unwrap();
        ended
    }

    #[test]
    fn a_hello_in_a_trickle_is_too_late() {
        let ended = first_message(|mut far| {
            let mut bytes = [1000_u32.to_le_bytes().as_slice(), &[0; 990]].concat().into_iter();
            while bytes.next().is_some_and(|byte| far.write_all(&[byte]).is_ok()) {
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        assert!(ended.to_string().contains("no hello came in time"), "{ended}");
    }

    #[test]
    fn a_hello_is_not_as_long_as_other_messages() {
        let ended = first_message(|mut far| {
            _ = far.write_all(&[(1_u32 << 20).to_le_bytes().as_slice(), &vec![0; 64 << 10]].concat());
        });
        assert!(ended.to_string().contains("no hello"), "{ended}");
    }
}
