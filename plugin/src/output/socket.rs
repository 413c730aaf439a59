//! The client of the processor's socket: frames go out in order and are kept until they are acknowledged.

use std::{
    collections::VecDeque,
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    path::PathBuf,
    time::{Duration, Instant},
};

use sysflow::{
    Schema, avro,
    stream::{self, Decoder, Hello, Message, PROTOCOL, Welcome},
};

use super::{Block, Stream, peer};

const FIRST_RETRY: Duration = Duration::from_millis(50);
const LAST_RETRY: Duration = Duration::from_secs(5);
/// The processor answers a Hello within this time.
const GREETING: Duration = Duration::from_secs(5);
/// Reads of one turn, so that a processor that never stops talking does not keep this thread.
const READS: usize = 16;
/// Frames are encoded ahead of the socket by at most so many bytes.
const AHEAD: usize = 1 << 20;

/// Blocks that the processor has not acknowledged, and the connection if there is one.
#[derive(Debug)]
pub(super) struct Client {
    path: PathBuf,
    peer_uids: Vec<u32>,
    schema: Schema,
    stream: Stream,
    waiting: VecDeque<Block>,
    /// How many of `waiting` are on their way.
    sent: usize,
    /// Number of the record after the last that was sent on this connection.
    sent_end: u64,
    /// Number of the record after the last that there is.
    end: u64,
    /// In a replay the processor may have the stream from an earlier one, to a later end than we know of.
    live: bool,
    /// Records that the processor has, as it said last.
    stored: u64,
    state: State,
    retry: Duration,
    /// What was told of the connection last, so that it is told once.
    told: String,
    /// What the processor has said of itself, until it is asked for.
    pub(super) greeted: Option<(Welcome, peer::Peer)>,
}

#[derive(Debug)]
enum State {
    Away { until: Instant },
    Greeting { link: Link, since: Instant },
    Open { link: Link },
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
        path: PathBuf,
        peer_uids: Vec<u32>,
        schema: Schema,
        stream: Stream,
        live: bool,
    ) -> Self {
        Self {
            path,
            peer_uids,
            schema,
            stream,
            waiting: VecDeque::new(),
            sent: 0,
            sent_end: 0,
            end: 0,
            live,
            stored: 0,
            state: State::Away { until: Instant::now() },
            retry: FIRST_RETRY,
            told: String::new(),
            greeted: None,
        }
    }

    pub(super) fn push(&mut self, block: Block) {
        self.end = block.first + u64::from(block.count);
        self.waiting.push_back(block);
    }

    /// Records that are not acknowledged.
    pub(super) fn unconfirmed(&self) -> u64 {
        self.waiting.iter().map(|block| u64::from(block.count)).sum()
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, State::Open { .. })
    }

    /// Moves what can be moved without waiting; the bytes of the blocks that were acknowledged.
    pub(super) fn pump(&mut self) -> usize {
        let state = std::mem::replace(&mut self.state, State::Away { until: Instant::now() });
        let next = match state {
            State::Away { until } if Instant::now() < until => Ok(State::Away { until }),
            State::Away { .. } => self.connect(),
            State::Greeting { link, since } => self.greet(link, since),
            State::Open { link } => Ok(State::Open { link }),
        };
        let mut freed = 0;
        let next = match next {
            Ok(State::Open { mut link }) => match self.exchange(&mut link) {
                Ok(bytes) => {
                    freed = bytes;
                    Ok(State::Open { link })
                }
                Err(error) => Err(error),
            },
            next => next,
        };
        self.state = next.unwrap_or_else(|problem| self.lost(&problem));
        freed
    }

    /// Waits until there may be something to do, or for a short while. False when there is no connection to wait on.
    pub(super) fn wait(&self, milliseconds: i32) -> bool {
        let (State::Greeting { link, .. } | State::Open { link }) = &self.state else { return false };
        peer::wait(&link.socket, link.written < link.out.len(), milliseconds);
        true
    }

    fn connect(&mut self) -> Result<State, String> {
        let socket = peer::connect(&self.path, libc::SOCK_STREAM).map_err(|e| e.to_string())?;
        let socket = UnixStream::from(socket);
        let who = peer::peer_of(&socket).map_err(|e| e.to_string())?;
        if !peer::is_trusted(who.uid, &self.peer_uids, &self.path) {
            return Err(format!("it is served by uid {}, which is not in peer_uids", who.uid));
        }
        let mut out = Vec::new();
        let hello = Hello {
            protocol: PROTOCOL,
            schema: self.schema,
            next: self.waiting.front().map_or(0, |block| block.first),
            stream: self.stream.id,
            node: self.stream.node.clone(),
            boot_id: self.stream.boot_id.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
        };
        stream::encode_hello(&hello, &mut out);
        self.sent = 0;
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
                if self.live && welcome.stored > self.end {
                    let (has, end) = (welcome.stored, self.end);
                    return Err(format!("it says that it has {has} records of a stream of {end}"));
                }
                self.greeted = Some((welcome, who));
                self.tell(String::new());
                self.stored = welcome.stored;
                self.sent_end = welcome.stored;
                Ok(State::Open { link })
            }
            Some(Message::Refused { reason }) => Err(format!("it refuses the stream: {reason}")),
            Some(other) => Err(format!("it answers with {} instead of a welcome", name(&other))),
        }
    }

    /// Leaves out what the processor has from before. Blocks are not always cut where they were then.
    fn skip_stored(&mut self) -> Result<(), String> {
        let stored = self.stored;
        let Some(block) = self.waiting.front_mut().filter(|_| self.sent == 0) else { return Ok(()) };
        let has = stored.saturating_sub(block.first);
        if has == 0 || has >= u64::from(block.count) {
            return Ok(());
        }
        let mut at = 0;
        for _ in 0..has {
            let rest = block.bytes.get(at..).unwrap_or(&[]);
            at += avro::decode(self.schema, rest).map_err(|e| e.to_string())?.1;
        }
        block.bytes.drain(..at);
        block.first = stored;
        block.count -= has as u32;
        Ok(())
    }

    /// Sends frames, takes acknowledgements; the bytes that were acknowledged.
    fn exchange(&mut self, link: &mut Link) -> Result<usize, String> {
        let mut freed = 0;
        loop {
            // In a replay of what was replayed before, blocks come that the processor has already.
            freed += self.confirm();
            self.skip_stored()?;
            while self.sent < self.waiting.len() && link.out.len() - link.written < AHEAD {
                let block = &self.waiting[self.sent];
                stream::encode_frame(block.first, block.count, &block.bytes, &mut link.out);
                self.sent_end = self.sent_end.max(block.first + u64::from(block.count));
                self.sent += 1;
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
                        freed += self.confirm();
                    }
                    Message::Refused { reason } => return Err(format!("it refuses the stream: {reason}")),
                    other => return Err(format!("it sends {} instead of an acknowledgement", name(&other))),
                }
            }
            if written == 0 || self.sent >= self.waiting.len() {
                return Ok(freed);
            }
        }
    }

    /// Forgets the blocks whose records are all stored; their bytes.
    fn confirm(&mut self) -> usize {
        let (mut freed, stored) = (0, self.stored);
        while self.waiting.front().is_some_and(|block| block.first + u64::from(block.count) <= stored) {
            let Some(block) = self.waiting.pop_front() else { break };
            // Not at the welcome: a processor that breaks at our first frame is not asked twenty times a second.
            self.retry = FIRST_RETRY;
            freed += block.held;
            self.sent = self.sent.saturating_sub(1);
        }
        freed
    }

    fn lost(&mut self, problem: &str) -> State {
        self.sent = 0;
        self.greeted = None;
        self.tell(problem.to_owned());
        let until = Instant::now() + self.retry;
        self.retry = (self.retry * 2).min(LAST_RETRY);
        State::Away { until }
    }

    fn tell(&mut self, problem: String) {
        if self.told == problem {
            return;
        }
        if problem.is_empty() {
            eprintln!("sysflow: connected to {}", self.path.display());
        } else {
            eprintln!("sysflow: {}: {problem}; trying again", self.path.display());
        }
        self.told = problem;
    }
}

impl Link {
    /// Writes what the socket takes; how much that was.
    fn write(&mut self) -> Result<usize, String> {
        let start = self.written;
        while self.written < self.out.len() {
            match self.socket.write(&self.out[self.written..]) {
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
