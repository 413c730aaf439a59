//! Reader of the .scap savefile format (libs: userspace/libscap/scap_savefile.h), gzip or not, streamed.
//!
//! ```no_run
//! # fn main() -> Result<(), sysflow_replay::Error> {
//! let mut capture = sysflow_replay::Capture::open("shop.scap".as_ref())?;
//! println!("{} threads of {}", capture.processes.len(), capture.machine.hostname_lossy());
//! while let Some(event) = capture.next_event()? {
//!     println!("{} {} {}", event.ts(), event.tid(), event.name());
//! }
//! # Ok(()) }
//! ```
//!
//! Opening reads the initial state up to the first event. [`Capture::next_event`] then yields one event at a time
//! from a buffer that is reused, in the current schema whatever the age of the capture, as libscap does;
//! [`Capture::next_raw`] yields them as recorded. Every length is capped and checked before it is used, so that a
//! hostile file costs an error and no more memory than it has data.

mod block;
mod cursor;
mod fd;
mod process;
mod stream;
mod user;
mod v1;

use std::{
    collections::BTreeMap,
    io::{Cursor, Read},
    path::Path,
};

pub use fd::{FdDetail, FdInfo};
pub use process::ProcessInfo;
pub use user::{GroupInfo, UserInfo};

use crate::{
    Error,
    convert::{Converted, Converter},
    event::RawEvent,
    schema,
};
use block::{Block, EventBlock};
use cursor::Problem;
use stream::{Header, Stream};

/// libscap allows 64 KiB for event blocks without large payloads, less the block header.
const MAX_EVENT_BODY: u32 = 64 * 1024 - 12;
/// libscap has no limit for large events; no producer comes near this one.
const MAX_LARGE_EVENT_BODY: u32 = 64 * 1024 * 1024;
/// Of one process, descriptor or user list block, and of all of them together.
const MAX_STATE: u64 = 512 * 1024 * 1024;
/// Falco's own table holds as many by default.
const MAX_THREADS: usize = 1 << 18;
const MAX_FDS: usize = 1 << 20;
const MAX_ACCOUNTS: usize = 1 << 20;

const SECTION_LEN: usize = 16;
const SECTION_MAGIC: u32 = 0x1A2B_3C4D;
const MAJOR_VERSION: u16 = 1;

/// An open capture: the state at its beginning and its events.
#[derive(Debug)]
pub struct Capture {
    /// The captured host.
    pub machine: MachineInfo,
    /// Threads at the beginning of the capture, in the order of the file.
    pub processes: Vec<ProcessInfo>,
    /// Open file descriptors by thread id.
    pub fds: BTreeMap<i64, Vec<FdInfo>>,
    /// Users of the captured host.
    pub users: Vec<UserInfo>,
    /// Groups of the captured host.
    pub groups: Vec<GroupInfo>,
    stream: Stream,
    /// Header of an event block that has been read while its body has not.
    pending: Option<(Header, EventBlock)>,
    buffer: Vec<u8>,
    converter: Converter,
    counts: Counts,
    state_bytes: u64,
    fd_count: usize,
    done: bool,
}

/// Machine info of a capture; zeros and an empty name when it has none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MachineInfo {
    /// Number of CPUs.
    pub num_cpus: u32,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// Highest process id.
    pub max_pid: u64,
    /// Host name as bytes.
    pub hostname: Vec<u8>,
    /// Boot time in nanoseconds since the epoch, 0 if not known.
    pub boot_ts: u64,
}

/// What the reader has met so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Events in the file, all of them.
    pub read: u64,
    /// Events of types that this schema does not know, skipped.
    pub unknown: u64,
    /// Events that the converter took away (enter events that live on in their exit event, mostly).
    pub absorbed: u64,
    /// Events that the converter changed.
    pub converted: u64,
    /// Events of an old schema that have no conversion, skipped.
    pub unconvertible: u64,
    /// Concatenated captures in the file.
    pub sections: u32,
}

/// An event as recorded, with what its block says besides.
#[derive(Debug, Clone, Copy)]
pub struct Recorded<'a> {
    /// The event.
    pub event: RawEvent<'a>,
    /// CPU it was recorded on.
    pub cpu: u16,
    /// Recorded only to keep state while events were dropped.
    pub state_only: bool,
}

/// Where in the reader's buffer the next event is.
struct Found {
    start: usize,
    end: usize,
    cpu: u16,
    flags: u32,
}

// === impl Capture ===

impl Capture {
    /// Opens a capture file and reads its state up to the first event.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Self::start(Stream::open(path)?)
    }

    /// Reads a capture that is in memory; `name` stands for the file in messages.
    pub fn from_bytes(name: &str, bytes: impl AsRef<[u8]> + Send + 'static) -> Result<Self, Error> {
        let len = bytes.as_ref().len() as u64;
        Self::start(Stream::new(name.to_owned(), Box::new(Cursor::new(bytes)), Some(len))?)
    }

    /// Reads a capture from anywhere; `name` stands for the file in messages.
    pub fn from_reader(name: &str, input: impl Read + Send + 'static) -> Result<Self, Error> {
        Self::start(Stream::new(name.to_owned(), Box::new(input), None)?)
    }

    fn start(stream: Stream) -> Result<Self, Error> {
        let mut capture = Self {
            machine: MachineInfo::default(),
            processes: Vec::new(),
            fds: BTreeMap::new(),
            users: Vec::new(),
            groups: Vec::new(),
            stream,
            pending: None,
            buffer: Vec::new(),
            converter: Converter::new(),
            counts: Counts::default(),
            state_bytes: 0,
            fd_count: 0,
            done: false,
        };
        let Some(header) = capture.stream.header().map_err(|e| capture.first_block(e))? else {
            return Err(capture.stream.not_a_capture("it is empty"));
        };
        if block::classify(header.kind) != Block::Section {
            let text = format!("it starts with {:#010x} instead of a section header", header.kind);
            return Err(capture.stream.not_a_capture(text));
        }
        capture.section(&header)?;
        Ok(capture)
    }

    /// The next event in the current schema, `None` at the end of the file.
    ///
    /// The event borrows the reader's buffer until the next call. After an error there is nothing more.
    pub fn next_event(&mut self) -> Result<Option<RawEvent<'_>>, Error> {
        loop {
            let Some(found) = self.find()? else { return Ok(None) };
            // `find` has checked these bytes; the check is repeated because a borrow cannot outlive the loop.
            let event = RawEvent::parse(&self.buffer[found.start..found.end])?;
            match self.converter.convert(event) {
                Ok(Converted::Unchanged) => {
                    return Ok(Some(RawEvent::parse(&self.buffer[found.start..found.end])?));
                }
                Ok(Converted::Changed) => {
                    self.counts.converted += 1;
                    return Ok(Some(self.converter.event()?));
                }
                Ok(Converted::Absorbed) => self.counts.absorbed += 1,
                Err(_) => self.counts.unconvertible += 1,
            }
        }
    }

    /// The next event as it was recorded, `None` at the end of the file.
    pub fn next_raw(&mut self) -> Result<Option<Recorded<'_>>, Error> {
        let Some(found) = self.find()? else { return Ok(None) };
        Ok(Some(Recorded {
            event: RawEvent::parse(&self.buffer[found.start..found.end])?,
            cpu: found.cpu,
            state_only: found.flags & 1 != 0,
        }))
    }

    /// What the reader has met so far. When `sections` has grown, another capture was appended to this one and the
    /// public state fields are that capture's.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Bytes of the file read so far (compressed ones if it is compressed).
    pub fn bytes_read(&self) -> u64 {
        self.stream.raw_read()
    }

    /// Size of the file in bytes, `None` if it is not a file.
    pub fn file_len(&self) -> Option<u64> {
        self.stream.raw_len()
    }

    /// Name of the file for messages.
    pub fn path(&self) -> &str {
        self.stream.path()
    }

    /// A file that fails in its first block is no capture rather than a broken one.
    fn first_block(&self, error: Error) -> Error {
        match error {
            Error::Truncated { problem, .. } | Error::Corrupt { problem, .. } => {
                self.stream.not_a_capture(problem)
            }
            other => other,
        }
    }

    fn find(&mut self) -> Result<Option<Found>, Error> {
        if self.done {
            return Ok(None);
        }
        let found = self.find_event();
        // An error ends the capture: behind it block boundaries are not known any more.
        self.done = !matches!(found, Ok(Some(_)));
        found
    }

    fn find_event(&mut self) -> Result<Option<Found>, Error> {
        loop {
            let (header, kind) = match self.pending.take() {
                Some(next) => next,
                None => match self.stream.header()? {
                    None => return Ok(None),
                    Some(header) => match block::classify(header.kind) {
                        Block::Event(kind) => (header, kind),
                        Block::Section => {
                            self.section(&header)?;
                            continue;
                        }
                        _ => {
                            let what = "such a block may not follow events";
                            return Err(self.stream.corrupt(header.body_at - 8, header.kind, what));
                        }
                    },
                },
            };
            if let Some(found) = self.event_block(&header, kind)? {
                return Ok(Some(found));
            }
        }
    }

    /// Reads an event block; `None` if its type is not known.
    fn event_block(&mut self, header: &Header, kind: EventBlock) -> Result<Option<Found>, Error> {
        // The event of a first-generation block grows by the four bytes of `nparams`: the body is placed so that
        // only the front of it has to move.
        let from = v1::GAP;
        let max = if kind.large { MAX_LARGE_EVENT_BODY } else { MAX_EVENT_BODY };
        let end = self.stream.body(header, &mut self.buffer, from, max)?;
        self.counts.read += 1;
        let corrupt = |stream: &Stream, text: String| Err(stream.corrupt(header.body_at, header.kind, text));

        let prefix = if kind.flags { 6 } else { 2 };
        let header_len = if kind.nparams { crate::event::HEADER_LEN } else { v1::HEADER_LEN };
        if end - from < prefix + header_len {
            let text = format!("its {} bytes cannot hold an event header", end - from);
            return corrupt(&self.stream, text);
        }
        let body = &self.buffer[from..end];
        let cpu = u16::from_le_bytes([body[0], body[1]]);
        let flags = if kind.flags { u32::from_le_bytes([body[2], body[3], body[4], body[5]]) } else { 0 };
        let code = u16::from_le_bytes([body[prefix + 20], body[prefix + 21]]);
        if code >= schema::EVENT_MAX {
            self.counts.unknown += 1;
            return Ok(None);
        }
        let start = if kind.nparams {
            from + prefix
        } else {
            match v1::upgrade(&mut self.buffer[..end], from + prefix) {
                Ok(start) => start,
                Err(text) => return corrupt(&self.stream, text),
            }
        };
        match RawEvent::parse(&self.buffer[start..end]) {
            Ok(event) => {
                let end = start + event.bytes().len();
                Ok(Some(Found { start, end, cpu, flags }))
            }
            Err(e) => corrupt(&self.stream, format!("{}: {e}", schema::name(code))),
        }
    }

    /// Reads a section header and the state behind it, up to the first event or the end of the file.
    fn section(&mut self, header: &Header) -> Result<(), Error> {
        let first = self.counts.sections == 0;
        let end = self
            .stream
            .body(header, &mut self.buffer, 0, 1 << 20)
            .map_err(|e| if first { self.first_block(e) } else { e })?;
        let body = &self.buffer[..end];
        if body.len() < SECTION_LEN {
            return Err(self.stream.not_a_capture("its section header is too short"));
        }
        match u32::from_le_bytes([body[0], body[1], body[2], body[3]]) {
            SECTION_MAGIC => {}
            magic if magic == SECTION_MAGIC.swap_bytes() => {
                return Err(self.stream.not_a_capture("it was recorded on a big-endian machine"));
            }
            _ => return Err(self.stream.not_a_capture("its section header has the wrong magic number")),
        }
        let major = u16::from_le_bytes([body[4], body[5]]);
        if major > MAJOR_VERSION {
            return Err(self.stream.not_a_capture(format!("its format version {major} is newer than 1")));
        }
        self.counts.sections += 1;
        self.machine = MachineInfo::default();
        self.processes.clear();
        self.fds.clear();
        self.users.clear();
        self.groups.clear();
        self.state_bytes = 0;
        self.fd_count = 0;
        self.converter.clear();
        self.state()
    }

    fn state(&mut self) -> Result<(), Error> {
        while let Some(header) = self.stream.header()? {
            let block = block::classify(header.kind);
            match block {
                Block::Event(kind) => {
                    self.pending = Some((header, kind));
                    break;
                }
                Block::Section => return self.section(&header),
                Block::Machine | Block::Processes(_) | Block::Fds { .. } | Block::Users { .. } => {
                    self.state_bytes += u64::from(header.body_len);
                    if self.state_bytes > MAX_STATE {
                        let text = format!("the capture's state is larger than {MAX_STATE} bytes");
                        return Err(self.stream.corrupt(header.body_at, header.kind, text));
                    }
                    let end = self.stream.body(&header, &mut self.buffer, 0, MAX_STATE as u32)?;
                    let body = std::mem::take(&mut self.buffer);
                    let read = self.state_block(block, &body[..end]);
                    self.buffer = body;
                    read.map_err(|p| self.stream.corrupt(header.body_at + p.at as u64, header.kind, p.text))?;
                }
                // Interfaces say nothing about events; unknown blocks come from newer writers.
                Block::Interfaces | Block::Unknown => self.stream.skip(&header)?,
            }
        }
        // The buffer now serves events, of which few are larger than this.
        self.buffer.truncate(MAX_EVENT_BODY as usize);
        self.buffer.shrink_to(MAX_EVENT_BODY as usize);
        Ok(())
    }

    fn state_block(&mut self, block: Block, body: &[u8]) -> Result<(), Problem> {
        match block {
            Block::Machine => self.machine = MachineInfo::read(body)?,
            Block::Processes(version) => {
                process::read(body, version, |p| push(&mut self.processes, p, MAX_THREADS, "threads"))?;
            }
            Block::Fds { sized } => {
                fd::read(body, sized, |tid, fd| {
                    self.fd_count += 1;
                    if self.fd_count > MAX_FDS {
                        return Err(format!("it lists more file descriptors than the {MAX_FDS} allowed"));
                    }
                    self.fds.entry(tid).or_default().push(fd);
                    Ok(())
                })?;
            }
            Block::Users { sized } => user::read(body, sized, |account| match account {
                user::Account::User(u) => push(&mut self.users, u, MAX_ACCOUNTS, "users"),
                user::Account::Group(g) => push(&mut self.groups, g, MAX_ACCOUNTS, "groups"),
            })?,
            Block::Section | Block::Interfaces | Block::Event(_) | Block::Unknown => {}
        }
        Ok(())
    }
}

fn push<T>(list: &mut Vec<T>, item: T, max: usize, what: &str) -> Result<(), String> {
    if list.len() >= max {
        return Err(format!("it lists more {what} than the {max} allowed"));
    }
    list.push(item);
    Ok(())
}

// === impl MachineInfo ===

impl MachineInfo {
    /// The host name with invalid UTF-8 replaced.
    pub fn hostname_lossy(&self) -> String {
        String::from_utf8_lossy(&self.hostname).into_owned()
    }

    fn read(body: &[u8]) -> Result<Self, Problem> {
        let mut c = cursor::Cursor::new(body);
        let num_cpus = c.u32("number of CPUs")?;
        let memory_bytes = c.u64("memory size")?;
        let max_pid = c.u64("highest pid")?;
        let name = c.bytes(128, "host name")?;
        let end = name.iter().position(|&b| b == 0).unwrap_or(name.len());
        let boot_ts = c.u64("boot time")?;
        Ok(Self { num_cpus, memory_bytes, max_pid, hostname: name[..end].to_vec(), boot_ts })
    }
}
