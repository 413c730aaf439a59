//! Flows: what one thread does on one descriptor, folded until it closes, its thread ends, or it is time to tell.

mod known;
mod rollup;
mod table;

use sysflow::{
    Record,
    record::{FileFlow, NetworkFlow, ProcessFlow as ProcessFlowRecord, op},
};

pub(crate) use known::Known;
pub(crate) use rollup::Rollup;
use rollup::Ways;
pub(crate) use table::Flows;

use crate::{
    Recorder, Urgency,
    config::{FileMode, ReadFilter},
    emit::Cause,
    recorder::{At, Io, Outcome, SECOND},
    state::fd::{Ends, Fd, FdKind, FlowRef, Socket, protocol_number},
};

/// An open flow.
#[derive(Clone, Debug)]
pub(crate) struct Flow {
    pub(crate) hot: Hot,
    pub(crate) cold: Cold,
}

/// What an operation on a flow looks at and changes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hot {
    /// Slot of the process.
    pub(crate) slot: u32,
    pub(crate) fd: i32,
    pub(crate) tid: i32,
    op_flags: i32,
    reads: i64,
    writes: i64,
    read_bytes: i64,
    written_bytes: i64,
    /// Second of the last operation, as far as 32 bits hold it: only differences count.
    updated: u32,
    generation: u32,
    ts: i64,
}

/// What its beginning, its exports and its end need beside.
#[derive(Clone, Debug)]
pub(crate) struct Cold {
    pub(crate) on: On,
    /// The next flow on the same descriptor of the same process, and the one before.
    pub(crate) next: Option<FlowRef>,
    prev: Option<FlowRef>,
    open_flags: i32,
    /// It has given a record already.
    exported: bool,
    /// It is in the table of far flows.
    far: bool,
    /// What it may do, where that is asked.
    ways: Ways,
}

/// What a flow is on; part of its identity.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum On {
    File { file: u32, path: u32, restype: u8 },
    V4 { sip: [u8; 4], dip: [u8; 4], sport: u16, dport: u16, proto: i8 },
    V6(Box<(Ends, i8)>),
}

/// Identity of a flow, for descriptors that many threads use or many peers speak to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    slot: u32,
    tid: i64,
    fd: i64,
    on: KeyOn,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum KeyOn {
    Path(u32),
    Ends(Ends),
}

/// So many flows of a descriptor are looked at one after the other; beyond, a table is asked.
const NEAR: usize = 8;

/// Flags of a flow that began by itself, which sibling flows on the same descriptor follow.
const BEGINS: i32 = op::OPEN | op::ACCEPT | op::CONNECT;

/// Directories whose reads the collector leaves out by default.
const SYSTEM_DIRS: [&str; 8] =
    ["/proc/", "/dev/", "/sys/", "//sys/", "/lib/", "/lib64/", "/usr/lib/", "/usr/lib64/"];

impl Key {
    fn new(slot: u32, tid: i64, fd: i64, of: &Fd) -> Option<Self> {
        let on = match of.kind {
            FdKind::Path { path, .. } => KeyOn::Path(path),
            FdKind::Inet(socket) => KeyOn::Ends(socket.ends),
            FdKind::Bound { .. } | FdKind::Process { .. } | FdKind::Other | FdKind::Unknown => return None,
        };
        Some(Self { slot, tid, fd, on })
    }
}

impl Flow {
    fn new(at: At, tid: i32, fd: i32, on: On, open_flags: i32) -> Self {
        let hot = Hot { slot: at.slot, fd, tid, ts: at.ts, ..Hot::default() };
        let (exported, far, ways) = (false, false, Ways::default());
        Self { hot, cold: Cold { on, next: None, prev: None, open_flags, exported, far, ways } }
    }
}

// === impl Cold ===

impl Cold {
    /// File and path that it is on.
    pub(crate) fn file(&self) -> Option<(u32, u32)> {
        match self.on {
            On::File { file, path, .. } => Some((file, path)),
            _ => None,
        }
    }

    fn is_on(&self, fd: &Fd) -> bool {
        match (&self.on, &fd.kind) {
            (On::File { path, .. }, FdKind::Path { path: of_fd, .. }) => path == of_fd,
            (On::V4 { sip, dip, sport, dport, .. }, FdKind::Inet(Socket { ends, .. })) => {
                (*sport, *dport, ends.v6) == (ends.sport, ends.dport, false)
                    && (&sip[..], &dip[..]) == (&ends.sip[..4], &ends.dip[..4])
            }
            (On::V6(on), FdKind::Inet(socket)) => on.0 == socket.ends,
            _ => false,
        }
    }
}

// === impl Hot ===

impl Hot {
    fn key(&self, on: &On) -> Key {
        let on = match on {
            On::File { path, .. } => KeyOn::Path(*path),
            _ => KeyOn::Ends(on.ends().0),
        };
        Key { slot: self.slot, tid: i64::from(self.tid), fd: i64::from(self.fd), on }
    }

    /// A number of the flow's own, the same in every replay. Flows that begin together, as at the start, must not be
    /// exported together for ever.
    fn spread(&self) -> u32 {
        let mixed =
            (self.ts ^ i64::from(self.tid).rotate_left(40) ^ i64::from(self.fd).rotate_left(20)) as u64;
        (mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32
    }

    #[allow(clippy::inline_always, reason = "a call costs as much as the work: see `Recorder::known_flow`")]
    #[inline(always)]
    fn add(&mut self, flag: i32, bytes: i64, second: i64) {
        self.op_flags |= flag;
        self.updated = second as u32;
        match flag {
            op::READ_RECV => {
                self.reads += 1;
                self.read_bytes = self.read_bytes.saturating_add(bytes.max(0));
            }
            op::WRITE_SEND => {
                self.writes += 1;
                self.written_bytes = self.written_bytes.saturating_add(bytes.max(0));
            }
            _ => {}
        }
    }

    /// Adds the counts of another.
    fn take_in(&mut self, other: &Self) {
        self.reads = self.reads.saturating_add(other.reads);
        self.writes = self.writes.saturating_add(other.writes);
        self.read_bytes = self.read_bytes.saturating_add(other.read_bytes);
        self.written_bytes = self.written_bytes.saturating_add(other.written_bytes);
    }
}

impl Default for Hot {
    /// Of no flow.
    fn default() -> Self {
        Self {
            slot: u32::MAX,
            fd: -1,
            tid: -1,
            op_flags: 0,
            reads: 0,
            writes: 0,
            read_bytes: 0,
            written_bytes: 0,
            updated: 0,
            generation: 0,
            ts: 0,
        }
    }
}

// === impl On ===

impl On {
    fn net(ends: Ends, proto: i8) -> Self {
        let low = |ip: [u8; 16]| [ip[0], ip[1], ip[2], ip[3]];
        if ends.v6 {
            Self::V6(Box::new((ends, proto)))
        } else {
            let Ends { sport, dport, .. } = ends;
            Self::V4 { sip: low(ends.sip), dip: low(ends.dip), sport, dport, proto }
        }
    }

    /// Both ends and the protocol of a connection; nothing for a file.
    fn ends(&self) -> (Ends, i8) {
        let wide = |ip: [u8; 4]| {
            let mut out = [0; 16];
            out[..4].copy_from_slice(&ip);
            out
        };
        match self {
            Self::File { .. } => (Ends::default(), 0),
            Self::V4 { sip, dip, sport, dport, proto } => {
                let (sip, dip, sport, dport) = (wide(*sip), wide(*dip), *sport, *dport);
                (Ends { v6: false, sip, dip, sport, dport }, *proto)
            }
            Self::V6(on) => **on,
        }
    }
}

// === impl Recorder ===

impl Recorder {
    /// The flow of bytes that move through a descriptor, if it is known without a search. `changes`: a peer is named that
    /// may be another than before.
    #[allow(
        clippy::inline_always,
        reason = "a call costs as much as the work: 50 of 250 instructions are saved, see docs/performance.md"
    )]
    #[inline(always)]
    pub(crate) fn known_flow(&self, tid: i64, number: i64, changes: bool) -> Option<u32> {
        let known = self.known.find(tid, number).filter(|known| !changes || known.is_settled())?;
        let slot = self.processes.by_tid(tid)?;
        let flow = self.flows.hot(known.index())?;
        // The id may have been given to a thread of another process.
        let is_it = flow.slot == slot && i64::from(flow.tid) == tid && i64::from(flow.fd) == number;
        is_it.then_some(known.index())
    }

    #[allow(clippy::inline_always, reason = "a call costs as much as the work: see `known_flow`")]
    #[inline(always)]
    pub(crate) fn add_to_flow(&mut self, index: u32, flag: i32, bytes: i64) {
        let second = self.last_second;
        if let Some(flow) = self.flows.hot_mut(index) {
            flow.add(flag, bytes, second);
        }
    }

    /// Folds an operation on a descriptor; `bytes` counts for reads and writes.
    pub(crate) fn flow(
        &mut self,
        at: At,
        number: i64,
        fd: &Fd,
        flag: i32,
        bytes: i64,
        io: &mut Io<'_>,
    ) -> Outcome {
        use crate::op::Ignored;
        match fd.kind {
            FdKind::Path { restype, .. } => {
                let left_out = match self.habits.files {
                    FileMode::All => false,
                    FileMode::Regular => restype != b'f',
                    FileMode::None => true,
                };
                if left_out || self.habits.consume && flag != op::OPEN {
                    return Outcome::Ignored(Ignored::Mode);
                }
            }
            FdKind::Inet(socket) => {
                if socket.ends.v6 && !self.records_ipv6() || self.habits.consume && flag == op::SHUTDOWN {
                    return Outcome::Ignored(Ignored::Mode);
                }
            }
            FdKind::Bound { .. } | FdKind::Process { .. } | FdKind::Other => {
                return Outcome::Ignored(Ignored::FdKind);
            }
            FdKind::Unknown => return Outcome::UnknownFd,
        }
        if let Some(index) = self.find_flow(at, number, fd) {
            self.add_to_flow(index, flag, bytes);
            if flag == op::OPEN
                && let Some(flow) = self.flows.cold_mut(index)
            {
                flow.open_flags = fd.open_flags;
            }
            if flag == op::CLOSE {
                self.cut_siblings(at, number, fd, io);
                self.close_flow(index, at.ts, io);
            } else {
                self.remember_flow(at, number, fd, index);
            }
            return Outcome::Folded;
        }
        self.begin_flow(at, number, fd, flag, bytes, io)
    }

    pub(crate) fn records_ipv6(&self) -> bool {
        self.habits.extended && !self.habits.collector_gaps
    }

    /// Closes the flow on a descriptor that is the only one and the thread's own, as most are; false when it is not so.
    pub(crate) fn close_only_flow(&mut self, at: At, number: i64, fd: &Fd, io: &mut Io<'_>) -> bool {
        let second = self.last_second;
        let first = self.processes.get(at.slot).and_then(|process| process.flows.get(number));
        let Some(index) = first.map(|first| first.index()) else { return false };
        if self.flows.cold(index).is_none_or(|cold| cold.next.is_some() || !cold.is_on(fd)) {
            return false;
        }
        let Some(hot) = self.flows.hot_mut(index).filter(|hot| i64::from(hot.tid) == at.tid) else {
            return false;
        };
        hot.add(op::CLOSE, 0, second);
        self.close_flow(index, at.ts, io);
        true
    }

    /// Second of the last operation on a descriptor by its first flow and those after it.
    pub(crate) fn last_operation(&self, first: FlowRef) -> i64 {
        self.flows.chain(Some(first)).map(|(_, hot, _)| i64::from(hot.updated)).max().unwrap_or(0)
    }

    fn find_flow(&self, at: At, number: i64, fd: &Fd) -> Option<u32> {
        let mut next = self.processes.get(at.slot)?.flows.get(number).copied();
        for _ in 0..NEAR {
            let index = next?.index();
            let flow = self.flows.cold(index)?;
            if i64::from(self.flows.hot(index)?.tid) == at.tid && flow.is_on(fd) {
                return Some(index);
            }
            next = flow.next;
        }
        // All that are farther away than this are in the table.
        next?;
        self.far_flows.get(&Key::new(at.slot, at.tid, number, fd)?).copied()
    }

    /// For the bytes that will move. Not where another process, cloned so, can change what the descriptor is.
    fn remember_flow(&mut self, at: At, number: i64, fd: &Fd, index: u32) {
        if self.processes.shares_files(at.slot) {
            return;
        }
        let settled = match fd.kind {
            FdKind::Path { .. } => true,
            FdKind::Inet(socket) => socket.is_connected(),
            _ => false,
        };
        self.known.insert(at.tid, number, index, settled, self.flows.len());
    }

    /// The descriptor is about to be something else.
    pub(crate) fn forget_known(&mut self, slot: u32, number: i64) {
        let first = self.processes.get(slot).and_then(|process| process.flows.get(number).copied());
        for (index, hot, _) in self.flows.chain(first) {
            self.known.remove(i64::from(hot.tid), number, index);
        }
    }

    /// All descriptors of the process may become something else unseen, or nothing of it is to be recorded any more.
    pub(crate) fn forget_all_known(&mut self, slot: u32) {
        let Some(process) = self.processes.get(slot) else { return };
        for (number, first) in process.flows.iter() {
            for (index, hot, _) in self.flows.chain(Some(*first)) {
                self.known.remove(i64::from(hot.tid), number, index);
            }
        }
    }

    fn begin_flow(
        &mut self,
        at: At,
        number: i64,
        fd: &Fd,
        flag: i32,
        bytes: i64,
        io: &mut Io<'_>,
    ) -> Outcome {
        let second = self.last_second;
        // The kernel's own numbers of threads and descriptors have 32 bits.
        let Ok(tid) = i32::try_from(at.tid) else { return Outcome::UnknownThread };
        let Ok(small) = i32::try_from(number) else { return Outcome::UnknownFd };
        if flag != op::CLOSE && self.flows.len() >= self.config.limits.flows as usize {
            return Outcome::Limit;
        }
        let on = match fd.kind {
            FdKind::Path { path, restype } => {
                let Some(process) = self.processes.get(at.slot) else { return Outcome::UnknownThread };
                let container = process.container;
                let file = self.files.file(container, self.containers.id(container), path, restype);
                On::File { file, path, restype }
            }
            FdKind::Inet(socket) => On::net(socket.ends, socket.proto),
            FdKind::Bound { .. } | FdKind::Process { .. } | FdKind::Other | FdKind::Unknown => {
                return Outcome::UnknownFd;
            }
        };
        // The process and the file are told of as soon as there is something going on, whatever becomes of the flow.
        self.write_process_once(at.slot, at.ts, Cause::Other, io);
        if let On::File { file, .. } = on {
            self.write_file_once(file, at.ts, false, io);
        }
        self.generation = self.generation.wrapping_add(1);
        let open_flags = if flag == op::OPEN { fd.open_flags } else { 0 };
        let mut flow = Flow::new(at, tid, small, on, open_flags);
        flow.hot.generation = self.generation;
        flow.hot.add(flag, bytes, second);
        if self.habits.consume && matches!(flow.cold.on, On::File { .. }) {
            self.write_flow(&flow, at.ts, 0, Urgency::Soon, io);
            return Outcome::Folded;
        }
        if flag == op::CLOSE {
            self.cut_siblings(at, number, fd, io);
            self.write_flow(&flow, at.ts, 0, Urgency::Later, io);
            return Outcome::Folded;
        }
        self.rollup_begins(&mut flow, fd.open_flags, io);
        let spread = flow.hot.spread();
        let index = self.link_flow(flow);
        self.remember_flow(at, number, fd, index);
        let due = self.first_export(at.ts, second, spread);
        self.timers.push(due, (index, self.generation));
        Outcome::Folded
    }

    /// Second of the first export: a flow that is younger than [`crate::Config::first`] is told once. The collector
    /// counts whole seconds of its clock.
    fn first_export(&self, ts: i64, second: i64, spread: u32) -> i64 {
        let period = i64::from(self.config.export);
        if self.habits.first > 0 {
            let at = ts.saturating_add(self.habits.first.saturating_mul(SECOND)).saturating_add(SECOND - 1);
            (at / SECOND).clamp(second + 1, second + self.habits.first + 1)
        } else if self.habits.collector_entities {
            second + period
        } else {
            second + 1 + i64::from(spread) % period.max(1)
        }
    }

    /// Puts a flow before the others on its descriptor.
    fn link_flow(&mut self, mut flow: Flow) -> u32 {
        let (slot, number) = (flow.hot.slot, i64::from(flow.hot.fd));
        let next = self.processes.get(slot).and_then(|process| process.flows.get(number).copied());
        flow.cold.next = next;
        let index = self.flows.insert(flow);
        let this = FlowRef::new(index);
        if let (Some(process), Some(this)) = (self.processes.get_mut(slot), this) {
            process.flows.insert(number, this);
        }
        if let Some(next) = next {
            if let Some(next) = self.flows.cold_mut(next.index()) {
                next.prev = this;
            }
            self.move_far(next);
        }
        index
    }

    /// The flow that a new one has pushed out of reach of the search goes into the table.
    fn move_far(&mut self, first: FlowRef) {
        let Some((index, hot, cold)) = self.flows.chain(Some(first)).nth(NEAR - 1) else { return };
        self.far_flows.insert(hot.key(&cold.on), index);
        if let Some(flow) = self.flows.cold_mut(index) {
            flow.far = true;
        }
    }

    /// Ends the flows that other threads have on the same open file or connection.
    fn cut_siblings(&mut self, at: At, number: i64, fd: &Fd, io: &mut Io<'_>) {
        self.cut(at.slot, number, at.ts, io, |hot, cold| i64::from(hot.tid) != at.tid && cold.is_on(fd));
    }

    /// Ends flows on a descriptor as cut; those that saw their own beginning come first.
    pub(crate) fn cut(
        &mut self,
        slot: u32,
        number: i64,
        ts: i64,
        io: &mut Io<'_>,
        which: impl Fn(&Hot, &Cold) -> bool,
    ) {
        let first = self.processes.get(slot).and_then(|process| process.flows.get(number).copied());
        if first.is_none() {
            return;
        }
        let mut chosen: [Vec<u32>; 2] = [Vec::new(), Vec::new()];
        for (index, hot, cold) in self.flows.chain(first) {
            if which(hot, cold) {
                chosen[usize::from(hot.op_flags & BEGINS == 0)].push(index);
            }
        }
        for index in chosen.into_iter().flatten() {
            self.end_flow(index, ts, op::TRUNCATE, io);
        }
    }

    /// Writes and removes a flow.
    pub(crate) fn end_flow(&mut self, index: u32, ts: i64, flags: i32, io: &mut Io<'_>) {
        let Some(flow) = self.unlink_flow(index) else { return };
        self.write_flow(&flow, ts, flags, Urgency::Later, io);
    }

    /// Writes and removes a flow that was closed, or folds it with others.
    fn close_flow(&mut self, index: u32, ts: i64, io: &mut Io<'_>) {
        let Some(flow) = self.unlink_flow(index) else { return };
        let told = if self.rollup.is_some() { self.fold(flow, ts, io) } else { Some(flow) };
        if let Some(flow) = told {
            self.write_flow(&flow, ts, 0, Urgency::Later, io);
        }
    }

    fn unlink_flow(&mut self, index: u32) -> Option<Flow> {
        let flow = self.flows.remove(index)?;
        let Flow { hot, cold } = &flow;
        let (number, next) = (i64::from(hot.fd), cold.next);
        self.known.remove(i64::from(hot.tid), number, index);
        self.rollup_ends(cold);
        if cold.far {
            self.far_flows.remove(&hot.key(&cold.on));
        }
        if let Some(next) = next.and_then(|next| self.flows.cold_mut(next.index())) {
            next.prev = cold.prev;
        }
        if let Some(prev) = cold.prev.and_then(|prev| self.flows.cold_mut(prev.index())) {
            prev.next = next;
            return Some(flow);
        }
        let process = self.processes.get_mut(hot.slot)?;
        match next {
            Some(next) => process.flows.insert(number, next),
            None => process.flows.remove(number),
        };
        Some(flow)
    }

    /// All flows of a process, or those of one of its threads with their siblings: files first, then connections.
    pub(crate) fn cut_process(&mut self, slot: u32, thread: Option<i64>, ts: i64, io: &mut Io<'_>) {
        if thread.is_none() {
            self.end_folds(slot, io);
        }
        let Some(process) = self.processes.get(slot) else { return };
        let mut files = Vec::new();
        let mut connections = Vec::new();
        for (_, first) in process.flows.iter() {
            for (index, hot, cold) in self.flows.chain(Some(*first)) {
                if thread.is_none_or(|tid| tid == i64::from(hot.tid)) {
                    match cold.on {
                        On::File { .. } => files.push((hot.ts, index)),
                        _ => connections.push((hot.ts, index)),
                    }
                }
            }
        }
        files.sort_unstable();
        connections.sort_unstable();
        for (_, index) in files.into_iter().chain(connections) {
            if thread.is_some()
                && let Some(Flow { hot: Hot { fd, tid, .. }, cold: Cold { on, .. } }) = self.flows.get(index)
            {
                self.cut(slot, i64::from(fd), ts, io, |hot, cold| hot.tid != tid && cold.on == on);
            }
            self.end_flow(index, ts, op::TRUNCATE, io);
        }
    }

    /// At the end of the capture.
    pub(crate) fn cut_everything(&mut self, io: &mut Io<'_>) {
        let ts = self.now;
        for slot in self.processes.slots.indexes() {
            self.cut_process(slot, None, ts, io);
            self.end_process_flow(slot, ts, op::TRUNCATE, io);
        }
    }

    /// Exports what is due at this second; forgets what has been idle.
    pub(crate) fn export_due(&mut self, second: i64, io: &mut Io<'_>) {
        while let Some(due) = self.timers.due(second) {
            for (index, generation) in &due {
                self.export_flow(*index, *generation, second, io);
            }
            self.timers.give_back(due);
        }
        self.export_folds(second, io);
        while let Some(due) = self.process_timers.due(second) {
            for slot in &due {
                self.export_process_flow(*slot, second, io);
            }
            self.process_timers.give_back(due);
        }
    }

    fn export_flow(&mut self, index: u32, generation: u32, second: i64, io: &mut Io<'_>) {
        let ts = self.now;
        let Some(hot) = self.flows.hot_mut(index).filter(|hot| hot.generation == generation) else { return };
        if (second as u32).wrapping_sub(hot.updated) >= self.config.expire {
            // Whatever it did was told at an export since; if not, because the periods are set so, now.
            if let Some(flow) = self.unlink_flow(index) {
                self.write_flow(&flow, ts, 0, Urgency::Later, io);
            }
            return;
        }
        let told = *hot;
        hot.ts = ts;
        hot.op_flags = 0;
        (hot.reads, hot.writes, hot.read_bytes, hot.written_bytes) = (0, 0, 0, 0);
        let Some(cold) = self.flows.cold_mut(index) else { return };
        let told = Flow { hot: told, cold: cold.clone() };
        cold.exported = true;
        let period = i64::from(self.config.export.max(1));
        let spreads = self.habits.first > 0 && !told.cold.exported;
        let wait = if spreads { 1 + i64::from(told.hot.spread()) % period } else { period };
        self.timers.push(second + wait, (index, generation));
        let urgency = if told.cold.exported { Urgency::Later } else { Urgency::Soon };
        self.write_flow(&told, ts, 0, urgency, io);
    }

    /// Writes a flow that ends at `end_ts`, unless nothing happened in it or the mode leaves it out.
    fn write_flow(&mut self, flow: &Flow, end_ts: i64, flags: i32, urgency: Urgency, io: &mut Io<'_>) {
        self.write_opens(flow, end_ts, flags, 1, urgency, io);
    }

    /// The same of a flow that stands for so many opens.
    fn write_opens(
        &mut self,
        flow: &Flow,
        end_ts: i64,
        flags: i32,
        num_opens: i64,
        urgency: Urgency,
        io: &mut Io<'_>,
    ) {
        let Flow { hot: flow, cold } = flow;
        let op_flags = flow.op_flags | flags;
        if op_flags & !op::TRUNCATE == 0 {
            self.counters.flows_idle += 1;
            return;
        }
        // Events of different processors come slightly out of order.
        let end_ts = end_ts.max(flow.ts);
        self.write_process_once(flow.slot, end_ts, Cause::Other, io);
        let Some(process) = self.processes.get(flow.slot) else { return };
        let proc_oid = process.oid;
        let record = match cold.on {
            On::File { file, path, .. } => {
                self.write_file_once(file, end_ts, false, io);
                if self.is_left_out_read(path, op_flags, cold.open_flags) {
                    self.counters.flows_filtered += 1;
                    return;
                }
                let Some(file) = self.files.get(file) else { return };
                Record::FileFlow(FileFlow {
                    proc_oid,
                    ts: flow.ts,
                    tid: i64::from(flow.tid),
                    op_flags,
                    open_flags: cold.open_flags,
                    end_ts,
                    file_oid: file.oid,
                    fd: flow.fd,
                    num_rrecv_ops: flow.reads,
                    num_wsend_ops: flow.writes,
                    num_rrecv_bytes: flow.read_bytes,
                    num_wsend_bytes: flow.written_bytes,
                    num_opens,
                })
            }
            On::V4 { .. } | On::V6(_) => {
                let (ends, proto) = cold.on.ends();
                let (sip, dip) = ends.ipv4();
                Record::NetworkFlow(NetworkFlow {
                    proc_oid,
                    ts: flow.ts,
                    tid: i64::from(flow.tid),
                    op_flags,
                    end_ts,
                    sip,
                    sport: i32::from(ends.sport),
                    dip,
                    dport: i32::from(ends.dport),
                    proto: protocol_number(proto),
                    fd: flow.fd,
                    num_rrecv_ops: flow.reads,
                    num_wsend_ops: flow.writes,
                    num_rrecv_bytes: flow.read_bytes,
                    num_wsend_bytes: flow.written_bytes,
                    sip6: ends.v6.then_some(ends.sip),
                    dip6: ends.v6.then_some(ends.dip),
                })
            }
        };
        self.emit(&record, urgency, io);
    }

    /// A network record of its own, for bind and listen.
    pub(crate) fn write_socket_event(
        &mut self,
        at: At,
        fd: i64,
        ends: Ends,
        proto: i8,
        flag: i32,
        io: &mut Io<'_>,
    ) {
        let mut flow = Flow::new(at, at.tid as i32, fd as i32, On::net(ends, proto), 0);
        flow.hot.op_flags = flag;
        self.write_flow(&flow, at.ts, 0, Urgency::Soon, io);
    }

    /// Whether the read filter leaves a flow out. The collector takes RDWR for RDONLY, as their bits go.
    fn is_left_out_read(&self, path: u32, op_flags: i32, open_flags: i32) -> bool {
        use sysflow::record::open_flags::RDONLY;
        if self.habits.reads == ReadFilter::Off {
            return false;
        }
        let reads_only = open_flags & RDONLY == RDONLY
            || op_flags & op::READ_RECV != 0 && op_flags & (op::WRITE_SEND | op::MMAP) == 0;
        if !reads_only || self.habits.reads == ReadFilter::All {
            return reads_only;
        }
        let path = self.files.text(path);
        SYSTEM_DIRS.iter().any(|dir| path.starts_with(dir))
    }
}

/// Threads of a process, where the mode folds them.
impl Recorder {
    pub(crate) fn process_flow(&mut self, at: At, flag: i32, ret: i64, io: &mut Io<'_>) {
        self.write_process_once(at.slot, at.ts, Cause::Other, io);
        let second = self.last_second;
        let export_at = second + i64::from(self.config.export);
        let Some(process) = self.processes.get_mut(at.slot) else { return };
        let new = process.thread_flow.is_none();
        let flow = process.thread_flow.get_or_insert_default();
        if new {
            flow.ts = at.ts;
            flow.export_at = export_at;
            self.process_timers.push(export_at, at.slot);
        }
        flow.op_flags |= flag;
        flow.updated = second;
        match (flag, ret) {
            (op::CLONE, 0) => flow.cloned += 1,
            // The collector knows one error.
            (op::CLONE, -1) => flow.errors += 1,
            (op::CLONE, ..0) if !self.habits.collector_entities => flow.errors += 1,
            (op::EXIT, _) => flow.exited += 1,
            _ => {}
        }
    }

    pub(crate) fn end_process_flow(&mut self, slot: u32, ts: i64, flags: i32, io: &mut Io<'_>) {
        let Some(process) = self.processes.get_mut(slot) else { return };
        let Some(flow) = process.thread_flow.take() else { return };
        self.write_process_flow(slot, &flow, ts, flags, io);
    }

    fn export_process_flow(&mut self, slot: u32, second: i64, io: &mut Io<'_>) {
        let (ts, expire) = (self.now, i64::from(self.config.expire));
        let export_at = second + i64::from(self.config.export.max(1));
        let Some(process) = self.processes.get_mut(slot) else { return };
        let Some(flow) = process.thread_flow.as_mut().filter(|flow| flow.export_at <= second) else {
            return;
        };
        let told = **flow;
        if second - told.updated >= expire {
            process.thread_flow = None;
        } else {
            let updated = told.updated;
            **flow = crate::state::process::ProcessFlow { ts, updated, export_at, ..Default::default() };
            self.process_timers.push(export_at, slot);
        }
        self.write_process_flow(slot, &told, ts, 0, io);
    }

    fn write_process_flow(
        &mut self,
        slot: u32,
        flow: &crate::state::process::ProcessFlow,
        end_ts: i64,
        flags: i32,
        io: &mut Io<'_>,
    ) {
        if flow.op_flags == 0 {
            self.counters.flows_idle += 1;
            return;
        }
        let end_ts = end_ts.max(flow.ts);
        self.write_process_once(slot, end_ts, Cause::Other, io);
        let Some(process) = self.processes.get(slot) else { return };
        let record = Record::ProcessFlow(ProcessFlowRecord {
            proc_oid: process.oid,
            ts: flow.ts,
            num_threads_cloned: flow.cloned,
            op_flags: flow.op_flags | flags,
            end_ts,
            num_threads_exited: flow.exited,
            num_clone_errors: flow.errors,
        });
        self.emit(&record, Urgency::Later, io);
    }
}
