//! The writer thread: takes blocks out of the ring and gets rid of them.

use std::{
    mem,
    path::Path,
    sync::{Arc, atomic::Ordering},
    thread,
    time::{Duration, Instant},
};

use sysflow::record::Loss;

use super::{
    Block, Shared, Target,
    directory::{Directory, DirectoryError},
    files::Files,
    loss,
    packets::Packets,
    socket::{self, Client},
    spool::Spool,
    state::{Decision, State},
};
use crate::{own, probe::Asker};

/// A pause when there is nothing to do; the event thread cuts it short.
const PAUSE: Duration = Duration::from_millis(50);
/// A pause while frames wait for their acknowledgement.
const POLL_MS: i32 = 5;
/// Without a block for so long, the event thread is asked for what it has.
const QUIET: Duration = Duration::from_secs(1);
/// How long the end of a capture waits for an acknowledgement …
const LAST_ACK: Duration = Duration::from_secs(10);
/// … and for a processor that is not there.
const LAST_CONNECT: Duration = Duration::from_secs(3);
/// The end of a live capture waits for so long in all: Falco waits with it.
const LAST: Duration = Duration::from_secs(15);

/// Packets that wait may take this part of the buffer.
const PACKETS_PART: usize = 4;

/// What the thread owns.
#[derive(Debug)]
pub(super) struct Writer {
    ends: Ends,
    /// What could not be delivered and was not told yet.
    given_up: Loss,
    shared: Arc<Shared>,
    files: Option<Files>,
    client: Option<Client>,
    packets: Option<Packets>,
    /// Its header was asked for.
    asked_for_header: bool,
    state: Option<State>,
    /// Finds out what Falco delivers; `None` in a replay.
    asker: Option<Asker>,
    live: bool,
}

/// Its ends of the rings between the two threads.
#[derive(Debug)]
pub(super) struct Ends {
    pub(super) ring: rtrb::Consumer<Block>,
    pub(super) decided: rtrb::Consumer<Decision>,
    pub(super) losses: rtrb::Producer<Loss>,
}

impl Writer {
    pub(super) fn new(target: Target, ends: Ends, shared: Arc<Shared>) -> Result<Self, DirectoryError> {
        let files = target.dir.as_deref().map(|dir| open(dir, target.schema)).transpose()?;
        let (spool, buffer) = (target.spool.map(Spool::new), target.buffer);
        let packets = target
            .seqpacket
            .map(|path| Packets::new(path, target.peer_uids.clone(), target.schema, buffer / PACKETS_PART));
        let client = target.socket.map(|path| {
            let peer = socket::Peer { path, uids: target.peer_uids, live: target.live };
            Client::new(peer, target.schema, target.stream, buffer, spool)
        });
        let state = target.state.map(|(dir, known)| State::new(&dir, known, target.live)).transpose()?;
        let asker = target.live.then(Asker::new);
        let given_up = Loss::default();
        Ok(Self {
            ends,
            given_up,
            shared,
            files,
            client,
            packets,
            asked_for_header: false,
            state,
            asker,
            live: target.live,
        })
    }

    /// Takes in who processes are.
    pub(super) fn note(&mut self, decisions: Vec<Decision>) {
        if let Some(state) = &mut self.state {
            for decision in decisions {
                state.note(decision);
            }
        }
    }

    pub(super) fn run(mut self) -> Leftover {
        let mut quiet_since = Instant::now();
        // When the capture ended, and when something was acknowledged last after that.
        let mut end: Option<(Instant, Instant)> = None;
        loop {
            // Read before the ring is emptied: what was pushed before it was set is in the ring.
            let closing = self.shared.closing.load(Ordering::Acquire);
            let mut moved = false;
            while self.may_take()
                && let Ok(block) = self.ends.ring.pop()
            {
                self.take(block);
                moved = true;
            }
            moved |= self.pump();
            moved |= self.pump_packets();
            self.tend_files();
            moved |= self.tend_state();
            self.ask();
            self.tell_losses();
            if moved {
                quiet_since = Instant::now();
            } else if quiet_since.elapsed() >= QUIET {
                self.shared.flush.store(true, Ordering::Relaxed);
                quiet_since = Instant::now();
            }
            if closing {
                if end.is_none() {
                    self.client.as_mut().map(Client::hurry);
                    self.packets.as_mut().map(Packets::hurry);
                }
                let now = Instant::now();
                let (start, progress) = end.get_or_insert((now, now));
                if moved {
                    *progress = now;
                }
                if self.is_done(*start, *progress) {
                    break;
                }
            }
            if !moved {
                let waited = self.client.as_ref().is_some_and(|c| !c.is_idle() && c.wait(POLL_MS));
                if !waited && !self.packets.as_ref().is_some_and(|packets| packets.wait(POLL_MS)) {
                    thread::park_timeout(if closing { PAUSE / 10 } else { PAUSE });
                }
            }
        }
        self.finish()
    }

    fn take(&mut self, block: Block) {
        if block.header
            && let Some(state) = &mut self.state
        {
            state.rotate();
        }
        if let Some(files) = &mut self.files {
            let lost = files.write(&block);
            self.lost(lost, &block);
        }
        if let Some(packets) = &mut self.packets {
            packets.push(&block);
        }
        match &mut self.client {
            Some(client) => client.push(block),
            None => {
                self.shared.held.fetch_sub(block.held, Ordering::Relaxed);
            }
        }
    }

    /// Records that could not be written when this block came; what the block itself told of counts only if it is one of
    /// those.
    fn lost(&mut self, lost: u64, block: &Block) {
        if lost == 0 {
            return;
        }
        let mut all = if lost >= u64::from(block.count) { block.told.clone() } else { Loss::default() };
        all.records = all.records.saturating_add(i64::try_from(lost).unwrap_or(i64::MAX));
        loss::add(&mut self.given_up, &all);
        loss::add(&mut self.given_up, &not_in_files(0));
    }

    /// Tells the event thread, which puts it into a header.
    fn tell_losses(&mut self) {
        if loss::is_any(&self.given_up)
            && let Err(rtrb::PushError::Full(loss)) = self.ends.losses.push(mem::take(&mut self.given_up))
        {
            self.given_up = loss;
        }
    }

    fn ask(&mut self) {
        let Some(asker) = &mut self.asker else { return };
        if let Some(judge) = asker.tend(self.shared.flowing.load(Ordering::Relaxed)) {
            self.shared.judge.store(judge, Ordering::Relaxed);
            self.asker = None;
        }
    }

    /// Files are completed by the clock: on a quiet host no block comes that would do it.
    fn tend_files(&mut self) {
        if let Some(files) = &mut self.files {
            let lost = files.tend();
            if lost > 0 {
                loss::add(&mut self.given_up, &not_in_files(lost));
            }
        }
    }

    /// True when there is more to do.
    fn tend_state(&mut self) -> bool {
        let Some(state) = &mut self.state else { return false };
        while let Ok(decision) = self.ends.decided.pop() {
            state.note(decision);
        }
        let forgotten = self.shared.forgotten.swap(0, Ordering::Relaxed);
        if forgotten > 0 {
            eprintln!(
                "sysflow: {forgotten} processes came too fast for state_dir; a restart may give them new ids"
            );
        }
        state.tend()
    }

    fn pump(&mut self) -> bool {
        let Some(client) = &mut self.client else { return false };
        let freed = client.pump();
        self.shared.held.fetch_sub(freed, Ordering::Relaxed);
        loss::add(&mut self.given_up, &std::mem::take(&mut client.lost));
        if let Some((welcome, peer)) = client.greeted.take() {
            let found = own::processor(&welcome, peer.pid);
            self.shared.processor_start.store(found.map_or(0, |(_, start)| start), Ordering::Relaxed);
            self.shared.processor.store(found.map_or(0, |(pid, _)| pid), Ordering::Release);
        } else if !client.is_open() {
            self.shared.processor.store(0, Ordering::Relaxed);
        }
        freed > 0
    }

    /// A replay has time: it waits for a slow reader of packets, too.
    fn may_take(&self) -> bool {
        self.live || self.packets.as_ref().is_none_or(Packets::has_room)
    }

    fn pump_packets(&mut self) -> bool {
        let Some(packets) = &mut self.packets else { return false };
        let sent = packets.pump();
        if !packets.asks_for_header() {
            self.asked_for_header = false;
        } else if !self.asked_for_header {
            self.asked_for_header = true;
            // Nothing is missing in the other outputs, so no record counts as lost.
            let lost = packets.take_lost();
            let cause =
                format!("the reader of the SEQPACKET socket begins anew, {lost} records did not reach it");
            loss::add(&mut self.given_up, &Loss { cause, ..Loss::default() });
        }
        sent > 0
    }

    fn is_done(&self, start: Instant, progress: Instant) -> bool {
        let (client, packets) = (self.client.as_ref(), self.packets.as_ref());
        let idle = client.is_none_or(Client::is_idle)
            && packets.is_none_or(|packets| packets.waiting() == 0)
            && self.ends.ring.is_empty();
        let open = client.is_some_and(Client::is_open) || packets.is_some_and(Packets::is_open);
        let patience = if open { LAST_ACK } else { LAST_CONNECT };
        idle || progress.elapsed() >= patience || (self.live && start.elapsed() >= LAST)
    }

    fn finish(mut self) -> Leftover {
        self.tend_state();
        if let Some(state) = &mut self.state {
            state.finish(self.shared.last.get().map(Vec::as_slice));
        }
        let rest = self.client.as_mut().map(Client::finish).unwrap_or_default();
        if rest.spooled > 0
            && let Some(spool) = self.client.as_ref().and_then(Client::spool)
        {
            let (count, dir) = (rest.spooled, spool.path().display());
            eprintln!(
                "sysflow: {count} records are not confirmed by the processor; they lie in {dir} and the next start sends them"
            );
        }
        Leftover {
            unwritten: self.files.as_mut().map_or(0, Files::finish)
                + u64::try_from(self.given_up.records).unwrap_or(0),
            unconfirmed: rest.lost,
            unsent: self.packets.as_mut().map_or(0, Packets::finish),
        }
    }
}

/// Records that did not reach their goal when the capture ended.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Leftover {
    /// Not in a file.
    pub(super) unwritten: u64,
    /// Not confirmed by the processor.
    pub(super) unconfirmed: u64,
    /// Not taken by the reader of packets.
    pub(super) unsent: u64,
}

fn not_in_files(records: u64) -> Loss {
    let cause = "a file could not be written".into();
    Loss { records: i64::try_from(records).unwrap_or(i64::MAX), cause, ..Loss::default() }
}

fn open(dir: &Path, schema: sysflow::Schema) -> Result<Files, DirectoryError> {
    Ok(Files::new(Directory::open(dir)?, schema))
}
