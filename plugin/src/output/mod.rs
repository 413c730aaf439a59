//! From the event thread to the writer thread and out: a bounded hand-over that never makes the event thread wait.
//!
//! The event thread encodes records into a block. A block that is full or old enough goes into a ring to the writer
//! thread, which sends it over the socket, writes it to files, or both. All blocks that nobody has confirmed yet
//! count against `buffer_mib`, in the ring or behind it; one that does not fit any more is dropped and counted, and
//! the next header tells of it. A replay has time: there the event thread waits for room instead, and a slow
//! processor makes a slow replay, not one with holes.

mod directory;
mod endpoint;
mod files;
mod loss;
mod packets;
mod peer;
mod queue;
mod socket;
mod spool;
mod state;
mod writer;

use std::{
    path::PathBuf,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use sysflow::{Record, Schema, avro, record::Loss};
use sysflow_flow::{Identity, Sink, Urgency};

pub(crate) use directory::DirectoryError;
pub(crate) use spool::Place as SpoolPlace;
use state::Decision;
pub(crate) use state::Known;

/// A block goes out when it has this many bytes.
const BLOCK_BYTES: usize = 64 * 1024;
/// The record that fills it up may take it a little beyond that.
const BLOCK_CAPACITY: usize = BLOCK_BYTES + BLOCK_BYTES / 4;
/// … or this long after a record that should be seen soon …
const SOON: i64 = 10_000_000;
/// … or this long after its first record. Nanoseconds of event time.
const LATER: i64 = 100_000_000;
/// Losses are told of at most so often, because every header makes all entities be written again.
const LOSS_PERIOD: i64 = 1_000_000_000;
/// A replay waits so long for a processor that takes nothing, before it gives up.
const PATIENCE: Duration = Duration::from_secs(60);
/// … looking so often.
const LOOK: Duration = Duration::from_millis(1);
/// Decisions on who a process is that may be on their way to the state file.
const DECISIONS: usize = 16 * 1024;
/// Losses on their way to the event thread; more are added up meanwhile.
const LOSSES: usize = 16;
/// Slots of the ring for each MiB of the buffer: blocks that go out by their age are small.
const SLOTS_PER_MIB: usize = 64;

/// Where records go.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) socket: Option<PathBuf>,
    pub(crate) dir: Option<PathBuf>,
    /// Where somebody may listen for SysFlow's own stream.
    pub(crate) seqpacket: Option<PathBuf>,
    /// Where records for the socket wait when memory is short.
    pub(crate) spool: Option<SpoolPlace>,
    /// Where it is kept who processes are, and what is known of that already.
    pub(crate) state: Option<(PathBuf, Known)>,
    pub(crate) peer_uids: Vec<u32>,
    pub(crate) schema: Schema,
    pub(crate) buffer: usize,
    pub(crate) stream: Stream,
    /// Falco watches this machine now: nothing may wait.
    pub(crate) live: bool,
}

/// Records that the end of a capture leaves behind.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CloseError {
    /// The processor was not there, or did not answer in time.
    #[error("{0} records are not confirmed by the processor: is it running and listening on the socket?")]
    Unconfirmed(u64),
    /// They could not be written, or were dropped and no header could tell of it any more.
    #[error("{0} records are lost: see what was reported before, or raise buffer_mib")]
    Lost(u64),
    /// Nobody was there to read them, or too slowly.
    #[error("{0} records did not reach the reader of the SEQPACKET socket")]
    Unsent(u64),
    /// A defect.
    #[error("the writer thread panicked; records it held are lost")]
    Panicked,
}

/// Which stream this is; see `sysflow::stream`.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    pub(crate) id: [u8; 16],
    pub(crate) node: String,
    pub(crate) boot_id: String,
}

/// Whole records, encoded one after the other.
#[derive(Debug)]
struct Block {
    /// Number of the first record in the stream.
    first: u64,
    count: u32,
    /// The first record is a header: a new file begins here.
    header: bool,
    /// Time of the last record, in nanoseconds since the epoch.
    ts: i64,
    bytes: Vec<u8>,
    /// What it counts against the buffer: all memory that it takes.
    held: usize,
    /// What its headers tell of; with them it would be lost too.
    told: Loss,
}

/// What both threads see.
#[derive(Debug, Default)]
struct Shared {
    /// Bytes of blocks that are not confirmed.
    held: AtomicUsize,
    /// The capture is over: write what there is and end.
    closing: AtomicBool,
    /// No block has come for a while: hand over what there is.
    flush: AtomicBool,
    /// Pid of the processor in the host's namespace, 0 when not connected; written after its start.
    processor: AtomicI64,
    /// When that process was started, in nanoseconds since the epoch.
    processor_start: AtomicI64,
    /// Events have come.
    flowing: AtomicBool,
    /// Time of events by which all types that Falco delivers have come; 0 until that is known.
    judge: AtomicI64,
    /// Decisions that found no room in their ring.
    forgotten: AtomicU64,
    /// The processes that are there at the end; set before `closing`.
    last: OnceLock<Vec<Decision>>,
}

/// The process at the other end of the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Processor {
    /// Its id as the host sees it.
    pub(crate) pid: i64,
    /// When it was started, in nanoseconds since the epoch, to about a second.
    pub(crate) start: i64,
}

/// The event thread's end. Encodes records; hands over blocks.
#[derive(Debug)]
pub(crate) struct Outlet {
    schema: Schema,
    limit: usize,
    block: Vec<u8>,
    count: u32,
    header: bool,
    /// Number of the next record.
    next: u64,
    now: i64,
    due: i64,
    link: Option<Link>,
    /// What is to be told of in a header.
    loss: Loss,
    loss_told: i64,
    /// What the headers in the block tell of.
    told: Loss,
    /// A replay, which waits for room so long.
    patience: Option<Duration>,
    /// Decisions from before the start; `None` when nobody keeps them.
    decisions: Option<Vec<Decision>>,
}

/// The way to a running writer thread.
#[derive(Debug)]
struct Link {
    ring: rtrb::Producer<Block>,
    decisions: rtrb::Producer<Decision>,
    /// What the writer thread had to give up.
    losses: rtrb::Consumer<Loss>,
    shared: Arc<Shared>,
    thread: JoinHandle<writer::Leftover>,
}

// === impl Outlet ===

/// Whether files can be written to the directory, without writing any.
pub(crate) fn check_directory(path: &std::path::Path) -> Result<(), DirectoryError> {
    directory::Directory::open(path).map(|_| ())
}

impl Outlet {
    /// An outlet that leads nowhere yet: records wait in its block until [`Outlet::start`].
    ///
    /// It takes in who processes are if somebody `keeps` that.
    pub(crate) fn new(schema: Schema, buffer: usize, keeps: bool) -> Self {
        Self {
            schema,
            limit: buffer,
            block: Vec::with_capacity(BLOCK_CAPACITY),
            count: 0,
            header: false,
            next: 0,
            now: 0,
            due: i64::MAX,
            link: None,
            loss: Loss::default(),
            loss_told: 0,
            told: Loss::default(),
            patience: None,
            decisions: keeps.then(Vec::new),
        }
    }

    /// Whether a writer thread runs.
    pub(crate) fn is_started(&self) -> bool {
        self.link.is_some()
    }

    /// Starts the writer thread.
    pub(crate) fn start(&mut self, target: Target) -> Result<(), DirectoryError> {
        let slots = (target.buffer >> 20).max(1) * SLOTS_PER_MIB;
        let (ring, consumer) = rtrb::RingBuffer::new(slots);
        let shared = Arc::new(Shared::default());
        self.patience = (!target.live).then_some(PATIENCE);
        let (decisions, decided) = rtrb::RingBuffer::new(DECISIONS);
        let (given_up, losses) = rtrb::RingBuffer::new(LOSSES);
        let ends = writer::Ends { ring: consumer, decided, losses: given_up };
        let mut writer = writer::Writer::new(target, ends, Arc::clone(&shared))?;
        writer.note(self.decisions.as_mut().map(std::mem::take).unwrap_or_default());
        let thread = std::thread::Builder::new()
            .name("sysflow-writer".into())
            .spawn(move || writer.run())
            .map_err(DirectoryError::Thread)?;
        self.link = Some(Link { ring, decisions, losses, shared, thread });
        Ok(())
    }

    /// Called with the time of every event: hands over what is old enough.
    pub(crate) fn at(&mut self, now: i64) {
        if self.now == 0
            && let Some(link) = &self.link
        {
            link.shared.flowing.store(true, Ordering::Relaxed);
        }
        self.now = now;
        let asked = self.link.as_ref().is_some_and(|link| link.shared.flush.load(Ordering::Relaxed));
        if now >= self.due || asked {
            if let Some(link) = &self.link {
                link.shared.flush.store(false, Ordering::Relaxed);
            }
            self.hand_over();
        }
    }

    /// A loss to tell of in a header now, if there is one and it is time.
    pub(crate) fn take_loss(&mut self) -> Option<Loss> {
        while let Some(loss) = self.link.as_mut().and_then(|link| link.losses.pop().ok()) {
            self.give_up(loss);
        }
        let due = loss::is_any(&self.loss) && self.now - self.loss_told >= LOSS_PERIOD && self.has_room();
        due.then(|| {
            self.loss_told = self.now;
            std::mem::take(&mut self.loss)
        })
    }

    /// Time of events by which all types that Falco delivers have come; 0 until that is known.
    pub(crate) fn judge(&self) -> i64 {
        self.link.as_ref().map_or(0, |link| link.shared.judge.load(Ordering::Relaxed))
    }

    /// The connected processor, once it is known.
    pub(crate) fn processor(&self) -> Option<Processor> {
        let shared = &self.link.as_ref()?.shared;
        let pid = shared.processor.load(Ordering::Acquire);
        (pid > 0).then(|| Processor { pid, start: shared.processor_start.load(Ordering::Relaxed) })
    }

    /// Who all processes are, for the end.
    pub(crate) fn keep_all(&mut self, all: impl Iterator<Item = (i64, Identity)>) {
        if let (Some(_), Some(link)) = (&self.decisions, &self.link) {
            let ts = self.now;
            // Once only: an end comes once.
            let _ = link.shared.last.set(all.map(|(pid, identity)| Decision { pid, ts, identity }).collect());
        }
    }

    /// Hands over the rest, and waits until it is written and confirmed, or for as long as that may take.
    pub(crate) fn close(&mut self) -> Result<(), CloseError> {
        self.hand_over();
        let Some(mut link) = self.link.take() else { return Ok(()) };
        link.shared.closing.store(true, Ordering::Release);
        link.thread.thread().unpark();
        let left = link.thread.join().map_err(|_| CloseError::Panicked)?;
        while let Ok(loss) = link.losses.pop() {
            self.give_up(loss);
        }
        let shed = u64::try_from(self.loss.records).unwrap_or(0);
        if left.unconfirmed > 0 {
            return Err(CloseError::Unconfirmed(left.unconfirmed));
        }
        if left.unwritten + shed > 0 {
            return Err(CloseError::Lost(left.unwritten + shed));
        }
        if left.unsent > 0 {
            return Err(CloseError::Unsent(left.unsent));
        }
        Ok(())
    }

    fn has_room(&self) -> bool {
        let Some(link) = &self.link else { return false };
        link.ring.slots() > 0
            && link.shared.held.load(Ordering::Relaxed) + BLOCK_CAPACITY + size_of::<Block>() <= self.limit
    }

    fn hand_over(&mut self) {
        self.due = i64::MAX;
        if self.count == 0 {
            return;
        }
        if self.link.is_none() {
            // Not started: the first blocks wait, within the limit.
            if self.block.len() > self.limit {
                self.shed("no output was started");
            }
            return;
        }
        let fits = self.fits() || self.patience.is_some() && self.wait_for_room();
        if !fits {
            self.shed("buffer_mib is full: the processor or the disk is too slow or away");
            return;
        }
        let bytes = self.take_bytes();
        let size = bytes.capacity() + size_of::<Block>();
        let Some(link) = &mut self.link else { return };
        let block = Block {
            first: self.next,
            count: self.count,
            header: self.header,
            ts: self.now,
            bytes,
            held: size,
            told: std::mem::take(&mut self.told),
        };
        self.next += u64::from(self.count);
        link.shared.held.fetch_add(size, Ordering::Relaxed);
        // There is room: this thread is the only one that fills the ring.
        let pushed = link.ring.push(block).is_ok();
        debug_assert!(pushed);
        link.thread.thread().unpark();
        self.count = 0;
        self.header = false;
    }

    /// What was encoded. Blocks may wait for long, so one that went out by its age does not keep the memory of a full one:
    /// copying what is little costs less than counting what is not there.
    fn take_bytes(&mut self) -> Vec<u8> {
        if self.block.len() >= BLOCK_BYTES {
            return std::mem::replace(&mut self.block, Vec::with_capacity(BLOCK_CAPACITY));
        }
        let bytes = self.block.as_slice().to_vec();
        self.block.clear();
        bytes
    }

    fn fits(&self) -> bool {
        let size = if self.block.len() >= BLOCK_BYTES { self.block.capacity() } else { self.block.len() };
        self.link.as_ref().is_some_and(|link| {
            let held = link.shared.held.load(Ordering::Relaxed);
            // A block larger than the whole buffer goes when it is the only one.
            (held == 0 || held + size + size_of::<Block>() <= self.limit) && !link.ring.is_full()
        })
    }

    /// Waits until the block fits: only in a replay, where nobody is kept waiting. False when nothing has moved for too
    /// long, after which the replay goes on and loses what does not fit.
    fn wait_for_room(&mut self) -> bool {
        let Some(patience) = self.patience else { return false };
        let mut since = Instant::now();
        let mut seen = usize::MAX;
        while !self.fits() {
            let Some(link) = &self.link else { return false };
            let held = link.shared.held.load(Ordering::Relaxed);
            if held < seen {
                (seen, since) = (held, Instant::now());
            }
            if since.elapsed() >= patience || link.thread.is_finished() {
                eprintln!("sysflow: nothing was taken for {} s; the rest is lost", patience.as_secs_f32());
                self.patience = None;
                return false;
            }
            link.thread.thread().unpark();
            std::thread::sleep(LOOK);
        }
        true
    }

    /// Drops the block, and tells of it later.
    fn shed(&mut self, cause: &str) {
        let (count, told) = (self.count, std::mem::take(&mut self.told));
        self.block.clear();
        self.count = 0;
        self.header = false;
        // What its headers told of is told of again: it was earlier.
        let later = std::mem::replace(&mut self.loss, told);
        loss::add(&mut self.loss, &later);
        self.lose(i64::from(count), cause);
    }

    /// Takes in what the writer thread could not deliver.
    fn give_up(&mut self, loss: Loss) {
        let ts = if loss.records > 0 { self.now } else { 0 };
        let (from, to) = if loss.to == 0 { (ts, ts) } else { (loss.from, loss.to.max(ts)) };
        loss::add(&mut self.loss, &Loss { from, to, ..loss });
    }

    fn lose(&mut self, records: i64, cause: &str) {
        let loss = Loss { events: 0, records, from: self.now, to: self.now, cause: cause.into() };
        loss::add(&mut self.loss, &loss);
    }
}

impl Sink for Outlet {
    fn record(&mut self, record: &Record, urgency: Urgency) {
        if let Record::Header(header) = record {
            self.hand_over();
            self.header |= self.count == 0;
            loss::add(&mut self.told, &header.lost);
        }
        avro::encode(self.schema, record, &mut self.block);
        self.count += 1;
        let wait = match urgency {
            Urgency::Soon => SOON,
            Urgency::Later => LATER,
        };
        self.due = self.due.min(self.now.saturating_add(wait));
        if self.block.len() >= BLOCK_BYTES {
            self.hand_over();
        }
    }

    fn keeps_identities(&self) -> bool {
        self.decisions.is_some()
    }

    fn identity(&mut self, pid: i64, identity: &Identity) {
        let Some(early) = &mut self.decisions else { return };
        let decision = Decision { pid, ts: self.now, identity: identity.clone() };
        let Some(link) = &mut self.link else {
            early.push(decision);
            return;
        };
        while self.patience.is_some() && link.decisions.is_full() && !link.thread.is_finished() {
            std::thread::sleep(LOOK);
        }
        if link.decisions.push(decision).is_err() {
            link.shared.forgotten.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Outlet {
    /// A thread must not outlive the library that its code is in.
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            eprintln!("sysflow: {error}");
        }
    }
}

#[cfg(test)]
mod tests;
