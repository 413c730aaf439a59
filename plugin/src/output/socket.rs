//! The client of the processor's socket: frames go out in order and are kept until they are acknowledged.
//!
//! Records that wait move to the spool when they take too much of the buffer. What an earlier run left there goes out first,
//! on connections of its own: it belongs to other streams, and a node has one live stream at a time.

use std::{
    collections::VecDeque,
    io::{self, Read},
    net::Shutdown,
    os::unix::net::UnixStream,
    path::PathBuf,
    time::{Duration, Instant},
};

use sysflow::{
    Schema,
    record::Loss,
    stream::{self, Decoder, Hello, Message, PROTOCOL, Welcome},
};

use super::{
    Block, Stream,
    endpoint::Endpoint,
    loss, peer,
    queue::{Moved, Queue},
    spool::{LeftFile, Spool},
};

/// The processor answers a Hello within this time.
const GREETING: Duration = Duration::from_secs(5);
/// … and closes a connection that we have ended.
const FAREWELL: Duration = Duration::from_secs(1);
/// Reads of one turn, so that a processor that never stops talking does not keep this thread.
const READS: usize = 16;
/// Frames are encoded ahead of the socket by at most so many bytes.
const AHEAD: usize = 1 << 20;
/// Bytes that go to the spool in one turn.
const SPILLS: usize = 8 << 20;

/// Records that the processor has not acknowledged, and the connection if there is one.
#[derive(Debug)]
pub(super) struct Client {
    endpoint: Endpoint,
    /// Bytes that may wait in memory.
    buffer: usize,
    own: Queue,
    spool: Option<Spool>,
    /// What earlier runs left in the spool, oldest first.
    earlier: VecDeque<Earlier>,
    /// The connection is for the first of them.
    serves_earlier: bool,
    /// How many of the queue's items are on their way.
    sent: usize,
    /// Number of the record after the last that was sent on this connection.
    sent_end: u64,
    /// Number of the record after the last of our own that there is.
    end: u64,
    /// In a replay the processor may have the stream from an earlier one, to a later end than we know of.
    live: bool,
    /// Records that the processor has, as it said last.
    stored: u64,
    state: State,
    /// What the processor has said of itself, until it is asked for.
    pub(super) greeted: Option<(Welcome, peer::Peer)>,
    /// What could not be read from the spool, until it is asked for.
    pub(super) lost: Loss,
}

#[derive(Debug)]
struct Earlier {
    queue: Queue,
    files: VecDeque<LeftFile>,
}

/// Where and to whom.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) path: PathBuf,
    pub(super) uids: Vec<u32>,
    pub(super) live: bool,
}

/// Records at the end of a capture that the processor has not acknowledged.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rest {
    /// The next run sends them.
    pub(super) spooled: u64,
    /// Nobody does.
    pub(super) lost: u64,
}

#[derive(Debug)]
enum State {
    Away {
        until: Instant,
    },
    Greeting {
        link: Link,
        since: Instant,
    },
    Open {
        link: Link,
    },
    /// All of an earlier run is delivered; the processor has to see our end before its node can have another stream.
    Ending {
        link: Link,
        since: Instant,
    },
}

#[derive(Debug)]
struct Link {
    socket: UnixStream,
    decoder: Decoder,
    out: Vec<u8>,
    written: usize,
}

impl Client {
    pub(super) fn new(
        peer: Peer,
        schema: Schema,
        stream: Stream,
        buffer: usize,
        spool: Option<Spool>,
    ) -> Self {
        Self {
            endpoint: Endpoint::new(peer.path, peer.uids),
            buffer,
            own: Queue::new(stream, schema),
            spool,
            earlier: VecDeque::new(),
            serves_earlier: false,
            sent: 0,
            sent_end: 0,
            end: 0,
            live: peer.live,
            stored: 0,
            state: State::Away { until: Instant::now() },
            greeted: None,
            lost: Loss::default(),
        }
    }

    pub(super) fn push(&mut self, block: Block) {
        self.end = block.first + u64::from(block.count);
        self.own.push(block);
    }

    /// Whether everything is acknowledged.
    pub(super) fn is_idle(&self) -> bool {
        self.own.is_empty() && self.earlier.is_empty()
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, State::Open { .. })
    }

    /// Moves what can be moved without waiting for the processor; the bytes of the buffer that are free again.
    pub(super) fn pump(&mut self) -> usize {
        self.tend_spool();
        let state = std::mem::replace(&mut self.state, State::Away { until: Instant::now() });
        let next = match state {
            State::Away { until } if Instant::now() < until => Ok(State::Away { until }),
            State::Away { .. } => self.connect(),
            State::Greeting { link, since } => self.greet(link, since),
            State::Ending { link, since } => Ok(self.leave(link, since)),
            State::Open { link } => Ok(State::Open { link }),
        };
        let mut freed = 0;
        let next = match next {
            Ok(State::Open { mut link }) => match self.exchange(&mut link, &mut freed) {
                Ok(()) if self.serves_earlier && self.is_delivered() => {
                    // When it is closed already, the next read says so.
                    let _ = link.socket.shutdown(Shutdown::Write);
                    Ok(State::Ending { link, since: Instant::now() })
                }
                Ok(()) => Ok(State::Open { link }),
                Err(error) => Err(error),
            },
            next => next,
        };
        self.state = next.unwrap_or_else(|problem| self.lost(&problem));
        freed + self.spill()
    }

    /// Waits until there may be something to do, or for a short while. False when there is no connection to wait on.
    pub(super) fn wait(&self, milliseconds: i32) -> bool {
        let (State::Greeting { link, .. } | State::Open { link } | State::Ending { link, .. }) = &self.state
        else {
            return false;
        };
        peer::wait(&link.socket, link.written < link.out.len(), milliseconds);
        true
    }

    /// The end is near: a processor that is away is looked for often.
    pub(super) fn hurry(&mut self) {
        self.endpoint.works();
        if let State::Away { until } = &mut self.state {
            *until = Instant::now();
        }
    }

    /// The end: what is in memory goes to the disk, as far as there is room.
    pub(super) fn finish(&mut self) -> Rest {
        if let Some(spool) = &mut self.spool {
            while self.own.spill(spool, 0).is_some() {}
        }
        Rest { spooled: self.own.on_disk(), lost: self.own.in_memory() }
    }

    /// Where the rest lies.
    pub(super) fn spool(&self) -> Option<&Spool> {
        self.spool.as_ref()
    }

    fn tend_spool(&mut self) {
        let Some(spool) = &mut self.spool else { return };
        let found = spool.tend();
        if found.is_empty() {
            return;
        }
        self.earlier.extend(
            found
                .into_iter()
                .map(|left| Earlier { queue: Queue::new(left.stream, left.schema), files: left.files }),
        );
        if !self.serves_earlier && !matches!(self.state, State::Away { .. }) {
            // Found late, because another process had the spool: they go first all the same.
            self.sent = 0;
            self.state = State::Away { until: Instant::now() };
        }
    }

    /// Moves the oldest records to the disk: when the processor is away they should not take more than half of the buffer,
    /// when it is slow they may take three quarters. The bytes of the buffer that are free again.
    fn spill(&mut self) -> usize {
        let may_take = if self.is_open() { self.buffer / 4 * 3 } else { self.buffer / 2 };
        let mut freed = 0;
        while self.own.held() > may_take && freed < SPILLS {
            let sent = if self.serves_earlier { 0 } else { self.sent };
            let Some(spool) = &mut self.spool else { break };
            let Some(moved) = self.own.spill(spool, sent) else { break };
            self.sent -= moved.items;
            freed += moved.freed;
        }
        freed
    }

    fn connect(&mut self) -> Result<State, String> {
        while self.refill() {
            self.earlier.pop_front();
        }
        self.serves_earlier = !self.earlier.is_empty();
        let socket = UnixStream::from(self.endpoint.connect(libc::SOCK_STREAM)?);
        let mut out = Vec::new();
        let (queue, _) = self.queue();
        let next = queue.span(0).map_or(0, |(first, _)| first);
        let hello = Hello {
            protocol: PROTOCOL,
            schema: queue.schema(),
            next,
            stream: queue.stream.id,
            node: queue.stream.node.clone(),
            boot_id: queue.stream.boot_id.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
        };
        stream::encode_hello(&hello, &mut out);
        self.sent = 0;
        self.sent_end = next;
        let link = Link { socket, decoder: Decoder::default(), out, written: 0 };
        self.greet(link, Instant::now())
    }

    fn greet(&mut self, mut link: Link, since: Instant) -> Result<State, String> {
        link.write()?;
        link.read()?;
        match link.decoder.next().map_err(|e| e.to_string())? {
            None if since.elapsed() > GREETING => Err("it does not answer".into()),
            None => Ok(State::Greeting { link, since }),
            Some(Message::Welcome(welcome)) => {
                let who = peer::peer_of(&link.socket).map_err(|e| e.to_string())?;
                if self.live && !self.serves_earlier && welcome.stored > self.end {
                    let (has, end) = (welcome.stored, self.end);
                    return Err(format!("it says that it has {has} records of a stream of {end}"));
                }
                self.greeted = Some((welcome, who));
                self.endpoint.tell_connected();
                self.stored = welcome.stored;
                // It goes on from our first record when it has less than what is before that.
                self.sent_end = self.sent_end.max(welcome.stored);
                Ok(State::Open { link })
            }
            Some(Message::Refused { reason }) => Err(format!("it refuses the stream: {reason}")),
            Some(other) => Err(format!("it answers with {} instead of a welcome", name(&other))),
        }
    }

    /// Waits for the end of a connection whose stream is delivered.
    fn leave(&mut self, mut link: Link, since: Instant) -> State {
        if link.read().is_ok() && since.elapsed() < FAREWELL {
            return State::Ending { link, since };
        }
        self.earlier.pop_front();
        self.greeted = None;
        State::Away { until: Instant::now() }
    }

    /// The queue that the connection is for, with the spool.
    fn queue(&mut self) -> (&mut Queue, Option<&mut Spool>) {
        let queue = match self.earlier.front_mut().filter(|_| self.serves_earlier) {
            Some(earlier) => &mut earlier.queue,
            None => &mut self.own,
        };
        (queue, self.spool.as_mut())
    }

    /// Looks into the next files of an earlier run when those before are delivered. True when nothing is left of it, false
    /// when something is or there is no such run.
    fn refill(&mut self) -> bool {
        let (Some(earlier), Some(spool)) = (self.earlier.front_mut(), &mut self.spool) else { return false };
        while earlier.queue.is_empty() {
            let Some(file) = earlier.files.pop_front() else { return true };
            let (slices, damaged) = spool.load(file);
            earlier.queue.extend(slices);
            if damaged {
                let cause = "records of an earlier run were damaged on disk".into();
                loss::add(&mut self.lost, &Loss { cause, ..Loss::default() });
            }
        }
        false
    }

    /// Whether the earlier run that the connection is for has nothing more.
    fn is_delivered(&mut self) -> bool {
        self.earlier.is_empty() || self.refill()
    }

    /// Sends frames, takes acknowledgements; adds the bytes that were acknowledged to `freed`.
    fn exchange(&mut self, link: &mut Link, freed: &mut usize) -> Result<(), String> {
        loop {
            // In a replay of what was replayed before, blocks come that the processor has already.
            *freed += self.confirm();
            while link.out.len() - link.written < AHEAD {
                if !self.encode_next(link, freed)? {
                    break;
                }
            }
            let written = link.write()?;
            link.read()?;
            while let Some(message) = link.decoder.next().map_err(|e| e.to_string())? {
                match message {
                    Message::Ack { stored } if stored > self.sent_end => {
                        let end = self.sent_end;
                        return Err(format!("it acknowledges {stored} records where {end} were sent"));
                    }
                    Message::Ack { stored } => {
                        self.stored = self.stored.max(stored);
                        *freed += self.confirm();
                    }
                    Message::Refused { reason } => return Err(format!("it refuses the stream: {reason}")),
                    other => return Err(format!("it sends {} instead of an acknowledgement", name(&other))),
                }
            }
            let sent = self.sent;
            if written == 0 || sent >= self.queue().0.len() {
                return Ok(());
            }
        }
    }

    /// Encodes the next item. False when there is none that may go out now.
    fn encode_next(&mut self, link: &mut Link, freed: &mut usize) -> Result<bool, String> {
        let (sent, sent_end, stored) = (self.sent, self.sent_end, self.stored);
        let (queue, spool) = self.queue();
        let Some((first, end)) = queue.span(sent) else { return Ok(false) };
        // A hello tells the processor where the stream goes on behind a gap; first it has to have all that is before.
        let is_gap = first > sent_end;
        if is_gap && sent > 0 {
            return Ok(false);
        }
        if queue.encode(sent, stored, spool.as_deref(), &mut link.out) {
            if is_gap {
                return Err(format!(
                    "records {sent_end} to {first} are lost, the stream goes on behind them"
                ));
            }
            self.sent += 1;
            self.sent_end = sent_end.max(end);
            return Ok(true);
        }
        let (lost, moved) = queue.forget(sent, spool);
        *freed += moved.freed;
        loss::add(&mut self.lost, &lost);
        Ok(true)
    }

    /// Forgets what the processor has; the bytes of the buffer that are free again.
    fn confirm(&mut self) -> usize {
        let stored = self.stored;
        let (queue, spool) = self.queue();
        let Moved { freed, items } = queue.confirm(stored, spool);
        if items > 0 {
            // Not at the welcome: a processor that breaks at our first frame is not asked twenty times a second.
            self.endpoint.works();
        }
        self.sent = self.sent.saturating_sub(items);
        freed
    }

    fn lost(&mut self, problem: &str) -> State {
        self.sent = 0;
        self.greeted = None;
        State::Away { until: self.endpoint.failed(problem) }
    }
}

impl Link {
    /// Writes what the socket takes; how much that was.
    fn write(&mut self) -> Result<usize, String> {
        let start = self.written;
        while self.written < self.out.len() {
            match peer::send(&self.socket, &self.out[self.written..]) {
                Ok(0) => return Err("it closed the connection".into()),
                Ok(n) => self.written += n,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e.to_string()),
            }
        }
        let written = self.written - start;
        if self.written == self.out.len() {
            self.out.clear();
            self.written = 0;
        }
        Ok(written)
    }

    fn read(&mut self) -> Result<(), String> {
        let mut buffer = [0; 4096];
        for _ in 0..READS {
            match self.socket.read(&mut buffer) {
                // What was sent before it closed is in the decoder and still counts.
                Ok(0) if self.decoder.pending() > 0 => return Ok(()),
                Ok(0) => return Err("it closed the connection".into()),
                Ok(n) => self.decoder.push(&buffer[..n]),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e.to_string()),
            }
        }
        Ok(())
    }
}

/// A message in a word; what it holds may be large.
fn name(message: &Message) -> &'static str {
    match message {
        Message::Hello(_) => "a hello",
        Message::Welcome(_) => "a welcome",
        Message::Refused { .. } => "a refusal",
        Message::Frame(_) => "a frame",
        Message::Ack { .. } => "an acknowledgement",
    }
}
