//! SysFlow's own stream: a `SOCK_SEQPACKET` socket on which each message is one record of version 5 and nothing else.
//!
//! Nobody acknowledges anything there, so there is no going on after a break: whoever listens begins anew with a header,
//! after which all entities come again. The event thread is asked for that header. Until it comes, and when a reader is too
//! slow for its share of the buffer, records are dropped and counted. Records go out in the order in which they were made,
//! entities before what refers to them.

mod fit;

use std::{collections::VecDeque, io, os::fd::OwnedFd, path::PathBuf, time::Instant};

use sysflow::{Schema, avro};

use super::{Block, endpoint::Endpoint, peer};
use fit::Fitted;

/// Messages of one turn, so that the other outputs come to theirs.
const MESSAGES: usize = 10_000;
/// A message takes that much beside its bytes.
const OVERHEAD: usize = size_of::<u32>();

/// The sending end.
#[derive(Debug)]
pub(super) struct Packets {
    endpoint: Endpoint,
    /// Schema of the records that come.
    schema: Schema,
    /// Bytes that may wait.
    limit: usize,
    /// Messages one after the other, the first at `start`.
    bytes: Vec<u8>,
    start: usize,
    lengths: VecDeque<u32>,
    /// Records are dropped until a header comes, which at the start it does by itself.
    needs_header: bool,
    /// The stream was broken off: a header has to be asked for.
    broken_off: bool,
    state: State,
    told_slow: bool,
    /// Records that did not go out and were not told of yet.
    lost: u64,
    /// Records that were made shorter.
    cut: u64,
}

#[derive(Debug)]
enum State {
    Away { until: Instant },
    Open { socket: OwnedFd },
}

// === impl Packets ===

impl Packets {
    pub(super) fn new(path: PathBuf, peer_uids: Vec<u32>, schema: Schema, limit: usize) -> Self {
        Self {
            endpoint: Endpoint::new(path, peer_uids),
            schema,
            limit,
            bytes: Vec::new(),
            start: 0,
            lengths: VecDeque::new(),
            needs_header: true,
            broken_off: false,
            state: State::Away { until: Instant::now() },
            told_slow: false,
            lost: 0,
            cut: 0,
        }
    }

    /// Takes the records of a block.
    pub(super) fn push(&mut self, block: &Block) {
        let mut rest = &block.bytes[..];
        for left in (1..=block.count).rev() {
            let Ok((record, size)) = avro::decode(self.schema, rest) else {
                // A defect: what follows cannot be read either.
                self.lost += u64::from(left);
                return;
            };
            rest = &rest[size..];
            if matches!(record, sysflow::Record::Header(_)) {
                (self.needs_header, self.broken_off) = (false, false);
            }
            if self.needs_header {
                self.lost += 1;
                continue;
            }
            let at = self.bytes.len();
            let Some(fitted) = fit::encode(record, &mut self.bytes) else { continue };
            if fitted == Fitted::Cut {
                if self.cut == 0 {
                    let (path, most) = (self.endpoint.path().display(), fit::MAX_MESSAGE);
                    eprintln!(
                        "sysflow: {path}: a record has more than {most} bytes; such records lose the end of their environment or arguments"
                    );
                }
                self.cut += 1;
            }
            self.lengths.push_back((self.bytes.len() - at) as u32);
            if self.waiting_bytes() > self.limit {
                if !self.told_slow {
                    self.told_slow = true;
                    let path = self.endpoint.path().display();
                    eprintln!(
                        "sysflow: {path}: nobody takes records there fast enough; they are dropped, counted, and begin anew with a header"
                    );
                }
                self.drop_all();
            }
        }
    }

    /// Whether there is room for more.
    pub(super) fn has_room(&self) -> bool {
        self.waiting_bytes() <= self.limit / 2
    }

    /// Messages that wait.
    pub(super) fn waiting(&self) -> u64 {
        self.lengths.len() as u64
    }

    /// Whether a reader is there that waits for a header.
    pub(super) fn asks_for_header(&self) -> bool {
        self.broken_off && self.is_open()
    }

    /// Records that did not go out since it was asked last.
    pub(super) fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, State::Open { .. })
    }

    /// The end is near: a reader that is away is looked for often.
    pub(super) fn hurry(&mut self) {
        self.endpoint.works();
        if let State::Away { until } = &mut self.state {
            *until = Instant::now();
        }
    }

    /// The end: records that have not gone out and that no header has told of.
    pub(super) fn finish(&mut self) -> u64 {
        if self.cut > 0 {
            let (path, cut) = (self.endpoint.path().display(), self.cut);
            eprintln!(
                "sysflow: {path}: {cut} records had more than {} bytes and were made shorter",
                fit::MAX_MESSAGE
            );
        }
        self.take_lost() + self.waiting()
    }

    /// Sends what the socket takes; how many messages that was.
    pub(super) fn pump(&mut self) -> usize {
        if let State::Away { until } = self.state {
            if Instant::now() < until {
                return 0;
            }
            match self.endpoint.connect(libc::SOCK_SEQPACKET) {
                Ok(socket) => {
                    self.endpoint.tell_connected();
                    self.state = State::Open { socket };
                }
                Err(problem) => {
                    self.state = State::Away { until: self.endpoint.failed(&problem) };
                    return 0;
                }
            }
        }
        match self.send() {
            Ok(sent) => sent,
            Err(error) => {
                // What the reader had not read of it is lost as well; how much that is nobody knows.
                self.drop_all();
                self.state = State::Away { until: self.endpoint.failed(&error.to_string()) };
                0
            }
        }
    }

    /// Waits until the socket takes more, or for a short while. False when there is nothing to wait for.
    pub(super) fn wait(&self, milliseconds: i32) -> bool {
        let State::Open { socket } = &self.state else { return false };
        if self.lengths.is_empty() {
            return false;
        }
        peer::wait(socket, true, milliseconds);
        true
    }

    fn send(&mut self) -> io::Result<usize> {
        let State::Open { socket } = &self.state else { return Ok(0) };
        let mut sent = 0;
        while sent < MESSAGES
            && let Some(&length) = self.lengths.front()
        {
            let end = self.start + length as usize;
            match peer::send(socket, &self.bytes[self.start..end]) {
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(e),
            }
            self.endpoint.works();
            self.lengths.pop_front();
            self.start = end;
            sent += 1;
        }
        // Moving the rest to the front pays when it is the smaller part.
        if self.start > self.bytes.len() / 2 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        Ok(sent)
    }

    fn waiting_bytes(&self) -> usize {
        self.bytes.len() - self.start + self.lengths.len() * OVERHEAD
    }

    /// A stream with a hole could not be understood: entities may be in it.
    fn drop_all(&mut self) {
        self.lost += self.waiting();
        self.bytes.clear();
        self.start = 0;
        self.lengths.clear();
        (self.needs_header, self.broken_off) = (true, true);
    }
}

#[cfg(test)]
mod tests;
