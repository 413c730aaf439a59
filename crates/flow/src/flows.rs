//! Flows: what one thread does on one descriptor, folded until it closes, its thread ends, or it is time to tell.

use sysflow::{
    Record,
    record::{FileFlow, NetworkFlow, ProcessFlow as ProcessFlowRecord, op},
};

use crate::{
    Recorder, Urgency,
    emit::Cause,
    recorder::{At, Io, Outcome, SECOND},
    state::fd::{Ends, Fd, FdKind, protocol_number},
};

/// An open flow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flow {
    /// Slot of the process.
    pub(crate) slot: u32,
    pub(crate) tid: i64,
    pub(crate) fd: i64,
    pub(crate) on: On,
    /// The next flow on the same descriptor of the same process, and the one before.
    pub(crate) next: Option<u32>,
    prev: Option<u32>,
    generation: u64,
    ts: i64,
    op_flags: i32,
    open_flags: i32,
    reads: i64,
    writes: i64,
    read_bytes: i64,
    written_bytes: i64,
    /// Second of the last operation.
    updated: i64,
    /// Second of the next export.
    export_at: i64,
    /// It has given a record already.
    exported: bool,
}

/// What a flow is on; part of its identity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum On {
    File { file: u32, path: u32, restype: u8 },
    Net { ends: Ends, proto: i8 },
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
            FdKind::Bound { .. } | FdKind::Other | FdKind::Unknown => return None,
        };
        Some(Self { slot, tid, fd, on })
    }
}

impl Flow {
    fn key(&self) -> Key {
        let on = match self.on {
            On::File { path, .. } => KeyOn::Path(path),
            On::Net { ends, .. } => KeyOn::Ends(ends),
        };
        Key { slot: self.slot, tid: self.tid, fd: self.fd, on }
    }

    /// File and path that it is on.
    pub(crate) fn file(&self) -> Option<(u32, u32)> {
        match self.on {
            On::File { file, path, .. } => Some((file, path)),
            On::Net { .. } => None,
        }
    }

    fn is_on(&self, fd: &Fd) -> bool {
        match (&self.on, &fd.kind) {
            (On::File { path, .. }, FdKind::Path { path: of_fd, .. }) => path == of_fd,
            (On::Net { ends, .. }, FdKind::Inet(socket)) => *ends == socket.ends,
            _ => false,
        }
    }

    fn add(&mut self, flag: i32, bytes: i64, second: i64) {
        self.op_flags |= flag;
        self.updated = second;
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
}

impl Recorder {
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
                if self.habits.regular_files_only && restype != b'f' {
                    return Outcome::Ignored(Ignored::Mode);
                }
            }
            FdKind::Inet(socket) => {
                if socket.ends.v6 && !self.records_ipv6() {
                    return Outcome::Ignored(Ignored::Mode);
                }
            }
            FdKind::Bound { .. } | FdKind::Other => return Outcome::Ignored(Ignored::FdKind),
            FdKind::Unknown => return Outcome::UnknownFd,
        }
        let second = self.now / SECOND;
        if let Some(index) = self.find_flow(at, number, fd) {
            if let Some(flow) = self.flows.get_mut(index) {
                flow.add(flag, bytes, second);
                if flag == op::OPEN {
                    flow.open_flags = fd.open_flags;
                }
            }
            if flag == op::CLOSE {
                self.cut_siblings(at, number, fd, io);
                self.end_flow(index, at.ts, 0, io);
            }
            return Outcome::Folded;
        }
        self.begin_flow(at, number, fd, flag, bytes, io)
    }

    pub(crate) fn records_ipv6(&self) -> bool {
        self.habits.extended && !self.habits.collector_gaps
    }

    fn find_flow(&self, at: At, number: i64, fd: &Fd) -> Option<u32> {
        let mut next = self.processes.get(at.slot)?.flows.get(number).copied();
        for _ in 0..NEAR {
            let index = next?;
            let flow = self.flows.get(index)?;
            if flow.tid == at.tid && flow.is_on(fd) {
                return Some(index);
            }
            next = flow.next;
        }
        self.far_flows.get(&Key::new(at.slot, at.tid, number, fd)?).copied()
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
        let second = self.now / SECOND;
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
            FdKind::Inet(socket) => On::Net { ends: socket.ends, proto: socket.proto },
            FdKind::Bound { .. } | FdKind::Other | FdKind::Unknown => return Outcome::UnknownFd,
        };
        // The process and the file are told of as soon as there is something going on, whatever becomes of the flow.
        self.write_process_once(at.slot, at.ts, Cause::Other, io);
        if let On::File { file, .. } = on {
            self.write_file_once(file, at.ts, false, io);
        }
        self.generation += 1;
        let wait = if self.habits.first > 0 { self.habits.first } else { i64::from(self.config.export) };
        let mut flow = Flow {
            slot: at.slot,
            tid: at.tid,
            fd: number,
            on,
            next: None,
            prev: None,
            generation: self.generation,
            ts: at.ts,
            op_flags: 0,
            open_flags: if flag == op::OPEN { fd.open_flags } else { 0 },
            reads: 0,
            writes: 0,
            read_bytes: 0,
            written_bytes: 0,
            updated: second,
            export_at: second + wait,
            exported: false,
        };
        flow.add(flag, bytes, second);
        if flag == op::CLOSE {
            self.cut_siblings(at, number, fd, io);
            self.write_flow(&flow, at.ts, 0, Urgency::Later, io);
            return Outcome::Folded;
        }
        let Some(process) = self.processes.get_mut(at.slot) else { return Outcome::UnknownThread };
        flow.next = process.flows.get(number).copied();
        let index = self.flows.insert(flow);
        process.flows.insert(number, index);
        if let Some(next) = flow.next.and_then(|next| self.flows.get_mut(next)) {
            next.prev = Some(index);
        }
        self.far_flows.insert(flow.key(), index);
        self.timers.entry(flow.export_at).or_default().push((index, flow.generation));
        Outcome::Folded
    }

    /// Ends the flows that other threads have on the same open file or connection.
    fn cut_siblings(&mut self, at: At, number: i64, fd: &Fd, io: &mut Io<'_>) {
        self.cut(at.slot, number, at.ts, io, |flow| flow.tid != at.tid && flow.is_on(fd));
    }

    /// Ends flows on a descriptor as cut; those that saw their own beginning come first.
    pub(crate) fn cut(
        &mut self,
        slot: u32,
        number: i64,
        ts: i64,
        io: &mut Io<'_>,
        which: impl Fn(&Flow) -> bool,
    ) {
        let Some(process) = self.processes.get(slot) else { return };
        let mut next = process.flows.get(number).copied();
        let mut chosen: [Vec<u32>; 2] = [Vec::new(), Vec::new()];
        while let Some((index, flow)) = next.and_then(|index| Some((index, self.flows.get(index)?))) {
            if which(flow) {
                chosen[usize::from(flow.op_flags & BEGINS == 0)].push(index);
            }
            next = flow.next;
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

    fn unlink_flow(&mut self, index: u32) -> Option<Flow> {
        let flow = self.flows.remove(index)?;
        self.far_flows.remove(&flow.key());
        if let Some(next) = flow.next.and_then(|next| self.flows.get_mut(next)) {
            next.prev = flow.prev;
        }
        if let Some(prev) = flow.prev.and_then(|prev| self.flows.get_mut(prev)) {
            prev.next = flow.next;
            return Some(flow);
        }
        let process = self.processes.get_mut(flow.slot)?;
        match flow.next {
            Some(next) => process.flows.insert(flow.fd, next),
            None => process.flows.remove(flow.fd),
        };
        Some(flow)
    }

    /// All flows of a process, or those of one of its threads with their siblings: files first, then connections.
    pub(crate) fn cut_process(&mut self, slot: u32, thread: Option<i64>, ts: i64, io: &mut Io<'_>) {
        let Some(process) = self.processes.get(slot) else { return };
        let mut files = Vec::new();
        let mut connections = Vec::new();
        for (_, first) in process.flows.iter() {
            let mut next = Some(*first);
            while let Some((index, flow)) = next.and_then(|index| Some((index, self.flows.get(index)?))) {
                if thread.is_none_or(|tid| tid == flow.tid) {
                    match flow.on {
                        On::File { .. } => files.push((flow.ts, index)),
                        On::Net { .. } => connections.push((flow.ts, index)),
                    }
                }
                next = flow.next;
            }
        }
        files.sort_unstable();
        connections.sort_unstable();
        for (_, index) in files.into_iter().chain(connections) {
            let Some(flow) = self.flows.get(index).copied() else { continue };
            if thread.is_some() {
                self.cut(slot, flow.fd, ts, io, |other| other.tid != flow.tid && other.on == flow.on);
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
        while let Some(entry) = self.timers.first_entry().filter(|entry| *entry.key() <= second) {
            for (index, generation) in entry.remove() {
                self.export_flow(index, generation, second, io);
            }
        }
        while let Some(entry) = self.process_timers.first_entry().filter(|entry| *entry.key() <= second) {
            for slot in entry.remove() {
                self.export_process_flow(slot, second, io);
            }
        }
    }

    fn export_flow(&mut self, index: u32, generation: u64, second: i64, io: &mut Io<'_>) {
        let ts = self.now;
        let Some(flow) = self.flows.get_mut(index).filter(|flow| flow.generation == generation) else {
            return;
        };
        if second - flow.updated >= i64::from(self.config.expire) {
            // Whatever it did was told at an export since; if not, because the periods are set so, now.
            if let Some(flow) = self.unlink_flow(index) {
                self.write_flow(&flow, ts, 0, Urgency::Later, io);
            }
            return;
        }
        let told = *flow;
        flow.ts = ts;
        flow.op_flags = 0;
        (flow.reads, flow.writes, flow.read_bytes, flow.written_bytes) = (0, 0, 0, 0);
        flow.exported = true;
        flow.export_at = second + i64::from(self.config.export.max(1));
        self.timers.entry(flow.export_at).or_default().push((index, generation));
        let urgency = if told.exported { Urgency::Later } else { Urgency::Soon };
        self.write_flow(&told, ts, 0, urgency, io);
    }

    /// Writes a flow that ends at `end_ts`, unless nothing happened in it or the mode leaves it out.
    fn write_flow(&mut self, flow: &Flow, end_ts: i64, flags: i32, urgency: Urgency, io: &mut Io<'_>) {
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
        let record = match flow.on {
            On::File { file, path, .. } => {
                self.write_file_once(file, end_ts, false, io);
                if self.habits.skip_system_reads && self.is_system_read(path, op_flags, flow.open_flags) {
                    self.counters.flows_filtered += 1;
                    return;
                }
                let Some(file) = self.files.get(file) else { return };
                Record::FileFlow(FileFlow {
                    proc_oid,
                    ts: flow.ts,
                    tid: flow.tid,
                    op_flags,
                    open_flags: flow.open_flags,
                    end_ts,
                    file_oid: file.oid,
                    fd: flow.fd as i32,
                    num_rrecv_ops: flow.reads,
                    num_wsend_ops: flow.writes,
                    num_rrecv_bytes: flow.read_bytes,
                    num_wsend_bytes: flow.written_bytes,
                    num_opens: 1,
                })
            }
            On::Net { ends, proto } => {
                let (sip, dip) = ends.ipv4();
                Record::NetworkFlow(NetworkFlow {
                    proc_oid,
                    ts: flow.ts,
                    tid: flow.tid,
                    op_flags,
                    end_ts,
                    sip,
                    sport: i32::from(ends.sport),
                    dip,
                    dport: i32::from(ends.dport),
                    proto: protocol_number(proto),
                    fd: flow.fd as i32,
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
        self.generation += 1;
        let flow = Flow {
            slot: at.slot,
            tid: at.tid,
            fd,
            on: On::Net { ends, proto },
            next: None,
            prev: None,
            generation: self.generation,
            ts: at.ts,
            op_flags: flag,
            open_flags: 0,
            reads: 0,
            writes: 0,
            read_bytes: 0,
            written_bytes: 0,
            updated: 0,
            export_at: 0,
            exported: false,
        };
        self.write_flow(&flow, at.ts, 0, Urgency::Soon, io);
    }

    /// The collector's test of its read filter: it takes RDWR for RDONLY, as their bits go.
    fn is_system_read(&self, path: u32, op_flags: i32, open_flags: i32) -> bool {
        use sysflow::record::open_flags::RDONLY;
        let reads_only = open_flags & RDONLY == RDONLY
            || op_flags & op::READ_RECV != 0 && op_flags & (op::WRITE_SEND | op::MMAP) == 0;
        let path = self.files.text(path);
        reads_only && SYSTEM_DIRS.iter().any(|dir| path.starts_with(dir))
    }
}

/// Threads of a process, where the mode folds them.
impl Recorder {
    pub(crate) fn process_flow(&mut self, at: At, flag: i32, ret: i64, io: &mut Io<'_>) {
        self.write_process_once(at.slot, at.ts, Cause::Other, io);
        let second = self.now / SECOND;
        let export_at = second + i64::from(self.config.export);
        let Some(process) = self.processes.get_mut(at.slot) else { return };
        let new = process.thread_flow.is_none();
        let flow = process.thread_flow.get_or_insert_default();
        if new {
            flow.ts = at.ts;
            flow.export_at = export_at;
            self.process_timers.entry(export_at).or_default().push(at.slot);
        }
        flow.op_flags |= flag;
        flow.updated = second;
        match (flag, ret) {
            (op::CLONE, 0) => flow.cloned += 1,
            (op::CLONE, -1) => flow.errors += 1,
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
        let told = *flow;
        if second - told.updated >= expire {
            process.thread_flow = None;
        } else {
            let updated = told.updated;
            *flow = crate::state::process::ProcessFlow { ts, updated, export_at, ..Default::default() };
            self.process_timers.entry(export_at).or_default().push(slot);
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
