//! The one entry: operations go in, records go out to a [`Sink`].

use std::collections::VecDeque;

use sysflow::{Record, record::op};

use crate::{
    Config, Counters, Event, Host, Identity, Initial, Op, Reduction,
    config::Habits,
    flows::{Flows, Key, Known, Rollup},
    loss::Pending,
    op::Ignored,
    state::{
        Map,
        container::Containers,
        fd::Fd,
        file::Files,
        process::{Exiting, Gone, Made, Process, Processes},
        texts::Texts,
        user::Names,
    },
    timers::Timers,
};

/// Nanoseconds of a second.
pub(crate) const SECOND: i64 = 1_000_000_000;
/// An ended process is kept so long for what comes late, such as the parent's half of a vfork.
const KEEP_ENDED: i64 = SECOND;

/// Takes records; must not block.
pub trait Sink {
    /// One record, in order. Entities come before the records that name them.
    fn record(&mut self, record: &Record, urgency: Urgency);

    /// Who a process is was decided or has changed: it was found, born, or judged at its first exec. For whoever
    /// hands it to the next recorder after a restart, see [`Identity`].
    fn identity(&mut self, _pid: i64, _identity: &Identity) {}

    /// Whether anybody listens to [`Sink::identity`]: putting one together allocates.
    fn keeps_identities(&self) -> bool {
        true
    }
}

/// How soon a record should be on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// An event or the first sign of a flow.
    Soon,
    /// Anything else.
    Later,
}

impl Sink for Vec<Record> {
    fn record(&mut self, record: &Record, _: Urgency) {
        self.push(record.clone());
    }
}

/// Turns operations into SysFlow.
#[derive(Debug)]
pub struct Recorder {
    pub(crate) config: Config,
    pub(crate) habits: Habits,
    pub(crate) counters: Counters,
    pub(crate) processes: Processes,
    pub(crate) containers: Containers,
    pub(crate) names: Names,
    pub(crate) files: Files,
    pub(crate) texts: Texts,
    pub(crate) flows: Flows,
    /// Those that bytes went through last, by thread and descriptor.
    pub(crate) known: Known,
    /// Those of crowded descriptors by identity.
    pub(crate) far_flows: Map<Key, u32>,
    /// Opens that are told together; `None` when each is told by itself.
    pub(crate) rollup: Option<Box<Rollup>>,
    /// Flows by the second of their next export, with their generation.
    pub(crate) timers: Timers<(u32, u32)>,
    /// What was lost since the last header.
    pub(crate) pending: Pending,
    /// Distinguishes flows that used the same slot.
    pub(crate) generation: u32,
    /// Processes with a process flow, by the second of its next export.
    pub(crate) process_timers: Timers<u32>,
    /// Ended processes, by the time of their end.
    ended: VecDeque<(i64, u32)>,
    /// Main threads that have ended before the other threads of their process, by pid.
    pub(crate) exiting: Map<i64, Exiting>,
    /// Threads that have ended a short while ago, for what comes late.
    pub(crate) gone: Gone,
    /// Threads that the host was asked for in vain.
    missed: Map<i64, ()>,
    /// Counts the headers that were written because it was time.
    pub(crate) rotation: u32,
    /// Every header starts one; what was written before counts as unwritten.
    pub(crate) epoch: u32,
    /// Time of the last event.
    pub(crate) now: i64,
    /// When the next second begins.
    next_tick: i64,
    /// The last event's second.
    pub(crate) last_second: i64,
    header_second: i64,
    /// Room for a path, kept to spare allocations; for ancestors likewise.
    pub(crate) path: String,
    pub(crate) chain: Vec<u32>,
    /// Thread that ended with the last event, and its process: the host asks about it after that.
    exited: Option<(i64, u32)>,
    /// Files that the last operation on a path was about: the one, or old, and the new one of a link or rename.
    pub(crate) last_files: [Option<u32>; 2],
    /// What the last operation has closed.
    pub(crate) closed: Option<Fd>,
    /// What the collector's library last made into text, for [`Recorder::connect`] in compatibility modes.
    pub(crate) printed: String,
    /// Size of the file table after the last sweep, so that a full table is not swept again at once.
    swept: usize,
    /// Second in which no process could be dropped for another.
    pub(crate) no_room: i64,
    /// Room in the tables of descriptors, at most, and the second in which it was counted last.
    pub(crate) held_fds: usize,
    counted: i64,
}

/// What the recorder reaches beside its own state.
pub(crate) struct Io<'a> {
    pub(crate) host: &'a mut dyn Host,
    pub(crate) sink: &'a mut dyn Sink,
}

/// What became of one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Folded,
    Ignored(Ignored),
    UnknownThread,
    UnknownFd,
    Limit,
}

// === impl Recorder ===

impl Recorder {
    /// A recorder that knows nothing yet.
    pub fn new(config: Config) -> Self {
        let habits = config.habits();
        Self {
            habits,
            // The collector names users of a container only by that container's own list.
            names: Names::new(config.host_users_for_all && !habits.collector_entities),
            rollup: (config.reduction == Reduction::Rollup)
                .then(|| Box::new(Rollup::new(config.limits.flows))),
            config,
            counters: Counters::default(),
            processes: Processes::default(),
            containers: Containers::default(),
            files: Files::default(),
            texts: Texts::default(),
            flows: Flows::default(),
            known: Known::default(),
            far_flows: Map::default(),
            timers: Timers::default(),
            pending: Pending::default(),
            generation: 0,
            process_timers: Timers::default(),
            ended: VecDeque::new(),
            exiting: Map::default(),
            gone: Gone::default(),
            missed: Map::default(),
            rotation: 0,
            epoch: 0,
            now: 0,
            next_tick: 0,
            last_second: 0,
            header_second: 0,
            path: String::new(),
            chain: Vec::new(),
            exited: None,
            last_files: [None; 2],
            closed: None,
            printed: String::new(),
            swept: 0,
            no_room: -1,
            held_fds: 0,
            counted: -1,
        }
    }

    /// Takes in the processes that exist already, and writes the first header.
    pub fn start(&mut self, initial: impl IntoIterator<Item = Initial>, sink: &mut dyn Sink) {
        self.load(initial, sink);
        self.header(sink);
    }

    /// Takes in one operation. Time must not be far behind that of the operation before.
    #[inline]
    pub fn apply(&mut self, event: &Event<'_>, host: &mut dyn Host, sink: &mut dyn Sink) {
        self.apply_op(event.ts, event.tid, &event.op, host, sink);
    }

    /// The same of an operation that is not part of an [`Event`]: those are large, and copying one costs as much as
    /// taking it in.
    pub fn apply_op(&mut self, ts: i64, tid: i64, op: &Op<'_>, host: &mut dyn Host, sink: &mut dyn Sink) {
        self.counters.events += 1;
        self.exited = None;
        self.last_files = [None; 2];
        self.closed = None;
        if self.moves_bytes(ts, tid, op) {
            self.counters.folded += 1;
            return;
        }
        self.change(ts, tid, op, &mut Io { host, sink });
    }

    /// What is not bytes on their known way: apart, so that these need not save for it what the processor holds.
    #[inline(never)]
    fn change(&mut self, ts: i64, tid: i64, op: &Op<'_>, io: &mut Io<'_>) {
        self.bound_files();
        self.tick(ts, io);
        let outcome = self.dispatch(ts, tid, op, io);
        self.account(outcome, ts);
        debug_assert!(self.counters.balanced(), "{:?}", self.counters);
    }

    /// Lets time pass without an event.
    pub fn advance(&mut self, now: i64, host: &mut dyn Host, sink: &mut dyn Sink) {
        self.tick(now, &mut Io { host, sink });
    }

    /// Ends all flows at the time of the last event. The state stays as it is.
    pub fn finish(&mut self, sink: &mut dyn Sink) {
        let mut host = crate::host::NoHost;
        let mut io = Io { host: &mut host, sink };
        self.tell_exits(i64::MAX, &mut io);
        self.cut_everything(&mut io);
        self.tell_losses(i64::MAX, io.sink);
    }

    /// What became of the events so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Processes that are kept, ended ones with living descendants included.
    pub fn process_count(&self) -> usize {
        self.processes.slots.len()
    }

    /// Flows that are open.
    pub fn flow_count(&self) -> usize {
        self.flows.len()
    }

    /// Paths and files that are known.
    pub fn file_count(&self) -> usize {
        self.files.len()
    }

    /// Descriptors that tables have room for.
    pub fn descriptor_room(&self) -> usize {
        self.processes.files.iter().map(|(_, table)| table.fds.room()).sum()
    }

    /// Time of the last event in nanoseconds since the epoch.
    pub fn now(&self) -> i64 {
        self.now
    }

    /// A user of the host by name.
    pub fn learn_user(&mut self, uid: u32, name: &str) {
        let name = self.text(name.as_bytes());
        self.names.add_user(0, uid, name);
    }

    /// A group of the host by name.
    pub fn learn_group(&mut self, gid: u32, name: &str) {
        let name = self.text(name.as_bytes());
        self.names.add_group(0, gid, name);
    }

    /// Stops recording a process of the collector's own, its exec and exit excepted; false when it is not known.
    pub fn ignore_process(&mut self, pid: i64) -> bool {
        let Some(slot) = self.processes.by_tid(pid) else { return false };
        self.forget_all_known(slot);
        self.processes.get_mut(slot).map(|process| process.own = true).is_some()
    }

    /// What is by far the most frequent: bytes through descriptors whose flows are known, in a second that has begun.
    /// False when it is anything else; then nothing has been done.
    #[inline]
    fn moves_bytes(&mut self, ts: i64, tid: i64, op: &Op<'_>) -> bool {
        if ts >= self.next_tick {
            return false;
        }
        let (flag, ret, fd, tuple) = match op {
            Op::Read { ret, fd, tuple } => (op::READ_RECV, *ret, *fd, tuple.as_ref()),
            Op::Write { ret, fd, tuple } => (op::WRITE_SEND, *ret, *fd, tuple.as_ref()),
            Op::Transfer { ret, from, to } => return self.moves_between(ts, tid, *ret, *from, *to),
            _ => return false,
        };
        let Some(flow) = self.known_flow(tid, fd, tuple.is_some() && ret >= 0) else { return false };
        self.add_to_flow(flow, flag, ret);
        self.now = self.now.max(ts);
        true
    }

    /// The same from one descriptor to another.
    #[inline(never)]
    fn moves_between(&mut self, ts: i64, tid: i64, ret: i64, from: i64, to: i64) -> bool {
        if self.habits.collector_gaps {
            return false;
        }
        let flows = (self.known_flow(tid, from, false), self.known_flow(tid, to, false));
        let (Some(from), Some(to)) = flows else { return false };
        self.add_to_flow(from, op::READ_RECV, ret);
        self.add_to_flow(to, op::WRITE_SEND, ret);
        self.now = self.now.max(ts);
        true
    }

    fn dispatch(&mut self, ts: i64, tid: i64, op: &Op<'_>, io: &mut Io<'_>) -> Outcome {
        match op {
            Op::Clone(clone) => return self.clone(ts, tid, clone, io),
            Op::Exec(exec) => return self.exec(ts, tid, exec, io),
            Op::Exit { status } => {
                self.exited = self.processes.by_tid(tid).map(|slot| (tid, slot));
                return self.exit(ts, tid, *status, io);
            }
            Op::Container { json } => return self.container(ts, json, io),
            Op::UserAdded { container, uid, name } => return self.user_added(container, *uid, name),
            Op::GroupAdded { container, gid, name } => return self.group_added(container, *gid, name),
            Op::Nothing(why) => return Outcome::Ignored(*why),
            _ => {}
        }
        let Some(slot) = self.thread(tid, io) else { return Outcome::UnknownThread };
        let second = self.last_second as u32;
        if let Some(process) = self.processes.get_mut(slot) {
            process.active = second;
            if process.own {
                return Outcome::Ignored(Ignored::Own);
            }
        }
        let at = At { ts, tid, slot };
        match op {
            Op::Read { ret, fd, tuple } => self.read(at, *ret, *fd, tuple.as_ref(), io),
            Op::Write { ret, fd, tuple } => self.write(at, *ret, *fd, tuple.as_ref(), io),
            Op::Open(open) => self.open(at, open, io),
            Op::Close { ret, fd } => self.close(at, *ret, *fd, io),
            Op::CloseRange { ret, first, last, cloexec } => {
                self.close_range(at, *ret, (*first, *last), *cloexec, io)
            }
            Op::Dup { ret, old, cloexec } => self.dup(at, *ret, *old, *cloexec, io),
            Op::SetCloexec { ret, fd, cloexec } => self.set_cloexec(at, *ret, *fd, *cloexec, io),
            Op::Pipe { ret, fds, ino, cloexec } => self.pipe(at, *ret, *fds, *ino, *cloexec, io),
            Op::OtherFd { ret, cloexec } => self.other_fd(at, *ret, *cloexec, io),
            Op::MemfdCreate { ret, name, cloexec } => self.memfd_create(at, *ret, name, *cloexec, io),
            Op::PidfdOpen { ret, pid } => self.pidfd_open(at, *ret, *pid, io),
            Op::PidfdGetfd { ret, pidfd, target } => self.pidfd_getfd(at, *ret, *pidfd, *target, io),
            Op::Socket { ret, domain, kind, proto } => self.socket(at, *ret, (*domain, *kind, *proto), io),
            Op::SocketPair { ret, fds, source, peer } => {
                self.socket_pair(at, *ret, *fds, (*source, *peer), io)
            }
            Op::Bind { ret, fd, addr } => self.bind(at, *ret, *fd, addr.as_ref(), io),
            Op::Connect { ret, fd, tuple, addr } => {
                self.connect(at, *ret, *fd, tuple.as_ref(), addr.as_ref(), io)
            }
            Op::Accept { ret, tuple, cloexec } => self.accept(at, *ret, tuple.as_ref(), *cloexec, io),
            Op::Listen { ret, fd } => self.listen(at, *ret, *fd, io),
            Op::Shutdown { ret, fd } => self.shutdown(at, *ret, *fd, io),
            Op::Transfer { ret, from, to } => self.transfer(at, *ret, *from, *to, io),
            Op::Mmap { ret, fd, anonymous } => self.mmap(at, *ret, *fd, *anonymous, io),
            Op::SetNs { ret, fd, kinds } => self.set_ns(at, *ret, *fd, *kinds, io),
            Op::Unshare { ret, flags } => self.unshare(at, *ret, *flags, io),
            Op::Path(path) => self.path_event(at, path, io),
            Op::FdPath { ret, kind, fd } => self.fd_path_event(at, *ret, *kind, *fd, io),
            Op::Link(link) => self.link_event(at, link, io),
            Op::SetUid { ret, call, asked, effective } => {
                self.set_uid(at, *ret, *call, *asked, *effective, io)
            }
            Op::SetGid { ret, effective } => self.set_gid(at, *ret, *effective, io),
            Op::SetSid { ret } => self.set_sid(at, *ret),
            Op::Capset { ret, effective } => self.capset(at, *ret, *effective),
            Op::Chdir { ret, path } => self.chdir(at, *ret, path, io),
            Op::Fchdir { ret, fd } => self.fchdir(at, *ret, *fd, io),
            Op::Chroot { ret, path } => self.chroot(at, *ret, path, io),
            Op::Ptrace { ret, request, pid } => self.ptrace(at, *ret, *request, *pid, io),
            Op::VmWrite { ret, pid } => self.vm_write(at, *ret, *pid, io),
            Op::Kernel { ret, what, arg } => self.kernel(at, *ret, what, arg, io),
            Op::Signal { ret, pid, signal } => self.signal(at, *ret, *pid, *signal, io),
            Op::Clone(_)
            | Op::Exec(_)
            | Op::Exit { .. }
            | Op::Container { .. }
            | Op::UserAdded { .. }
            | Op::GroupAdded { .. }
            | Op::Nothing(_) => Outcome::Folded,
        }
    }

    #[inline]
    fn tick(&mut self, ts: i64, io: &mut Io<'_>) {
        // Events of different processors come slightly out of order; the clock does not go back.
        self.now = self.now.max(ts);
        if self.now >= self.next_tick {
            self.begin_second(io);
        }
    }

    /// Once a second of event time: exports, deletions, rotation, in the collector's order.
    fn begin_second(&mut self, io: &mut Io<'_>) {
        let second = self.now / SECOND;
        self.next_tick = second.saturating_add(1).saturating_mul(SECOND);
        if second <= self.last_second {
            return;
        }
        if self.last_second == 0 {
            self.header_second = second;
        }
        self.last_second = second;
        self.export_due(second, io);
        let expire = i64::from(self.config.expire).saturating_mul(SECOND);
        self.tell_exits(self.now.saturating_sub(expire), io);
        self.gone.forget(self.now.saturating_sub(KEEP_ENDED));
        self.forget_ended();
        if self.config.rotate > 0 && second - self.header_second >= i64::from(self.config.rotate) {
            self.header(io.sink);
            return;
        }
        self.tell_losses(second, io.sink);
    }

    /// Makes room in the table of files. What open descriptors and flows need stays, so that there may be none to make: the
    /// next time is when there are half as many again.
    fn bound_files(&mut self) {
        let limit = self.config.limits.files as usize;
        if self.files.len() > limit.max(self.swept + self.swept / 2) {
            self.sweep();
        }
    }

    /// Begins a trace of its own: it is time.
    fn header(&mut self, sink: &mut dyn Sink) {
        self.header_second = self.now / SECOND;
        self.rotation += 1;
        self.sweep();
        self.missed.clear();
        self.write_header(sink);
    }

    /// A header, after which every entity is unwritten.
    pub(crate) fn write_header(&mut self, sink: &mut dyn Sink) {
        self.epoch += 1;
        self.counters.records += 1;
        let loss = self.take_losses();
        sink.record(&Record::Header(self.header_record(loss)), Urgency::Later);
    }

    /// Process of a thread, asked of the host if nobody has seen it start.
    #[inline]
    pub(crate) fn thread(&mut self, tid: i64, io: &mut Io<'_>) -> Option<u32> {
        self.processes.by_tid(tid).or_else(|| self.ask_thread(tid, io))
    }

    fn ask_thread(&mut self, tid: i64, io: &mut Io<'_>) -> Option<u32> {
        if tid <= 0 || self.missed.contains_key(&tid) {
            return None;
        }
        if let Some(slot) = io.host.thread(tid).and_then(|initial| self.add_initial(&initial, io.sink)) {
            // The host answers with the process, of which this may be another thread.
            if self.processes.by_tid(tid).is_none() {
                self.add_thread(tid, slot, Made::Settled);
            }
            return Some(slot);
        }
        if self.missed.len() >= self.config.limits.processes as usize {
            self.missed.clear();
        }
        self.missed.insert(tid, ());
        None
    }

    /// A thread that was missed has shown itself after all.
    pub(crate) fn found(&mut self, tid: i64) {
        self.missed.remove(&tid);
    }

    /// Process of a thread, also when the last event was that thread's end.
    pub(crate) fn slot_of(&self, tid: i64) -> Option<u32> {
        let exited = self.exited.filter(|(exited, _)| *exited == tid).map(|(_, slot)| slot);
        self.processes.by_tid(tid).or(exited)
    }

    pub(crate) fn keep_ended(&mut self, ts: i64, slot: u32) {
        self.ended.push_back((ts, slot));
    }

    fn forget_ended(&mut self) {
        while let Some((ts, slot)) = self.ended.front().copied() {
            if self.now.saturating_sub(ts) <= KEEP_ENDED {
                break;
            }
            self.ended.pop_front();
            self.forget(slot);
        }
    }

    /// Forgets the process that ended first before its time; false when there is none.
    pub(crate) fn forget_first_ended(&mut self) -> bool {
        let first = self.ended.pop_front();
        if let Some((_, slot)) = first {
            self.forget(slot);
        }
        first.is_some()
    }

    /// Frees a process that has ended and that no descendant needs, then its parent likewise.
    pub(crate) fn forget(&mut self, slot: u32) {
        let mut next = Some(slot);
        while let Some(slot) = next {
            let done = |p: &Process| p.ended && p.threads == 0 && p.children == 0;
            if !self.processes.get(slot).is_some_and(done) {
                break;
            }
            let Some(process) = self.processes.slots.remove(slot) else { break };
            next = process.parent;
            if let Some(parent) = process.parent.and_then(|parent| self.processes.get_mut(parent)) {
                parent.children = parent.children.saturating_sub(1);
            }
        }
    }

    /// Whether tables of descriptors may have so much more room. What is given back is found out by counting, which is
    /// only needed where there is much.
    pub(crate) fn has_room_for(&mut self, more: usize) -> bool {
        let limit = self.config.limits.all_fds as usize;
        if self.held_fds + more > limit && self.counted != self.last_second {
            self.counted = self.last_second;
            self.held_fds = self.descriptor_room();
        }
        let fits = self.held_fds + more <= limit;
        self.held_fds += if fits { more } else { 0 };
        fits
    }

    /// Forgets paths, files and containers that nothing refers to any more.
    fn sweep(&mut self) {
        let mut files: Map<u32, ()> = Map::default();
        let mut paths: Map<u32, ()> = Map::default();
        for flow in self.flows.iter() {
            if let Some((file, path)) = flow.file() {
                files.insert(file, ());
                paths.insert(path, ());
            }
        }
        for (file, path) in self.rollup.iter().flat_map(|rollup| rollup.files()) {
            files.insert(file, ());
            paths.insert(path, ());
        }
        for (_, table) in self.processes.files.iter() {
            for (_, fd) in table.fds.iter() {
                if let crate::state::fd::FdKind::Path { path, .. } = fd.kind {
                    paths.insert(path, ());
                }
            }
        }
        self.files.sweep(&files, &mut paths);
        self.swept = self.files.len();
        self.counters.sweeps += 1;

        let mut containers: Map<u32, ()> = Map::default();
        for (_, process) in self.processes.slots.iter() {
            containers.insert(process.container, ());
            containers.insert(process.birth_container, ());
            containers.extend(process.told.iter().map(|told| (told.container, ())));
        }
        for (file, ()) in &files {
            containers.insert(self.files.get(*file).map_or(0, |file| file.container), ());
        }
        let forgotten = self.containers.sweep(&containers, self.rotation);
        self.names.forget(&forgotten);
    }
}

/// Where and when an operation happened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At {
    pub(crate) ts: i64,
    pub(crate) tid: i64,
    /// Slot of the process.
    pub(crate) slot: u32,
}
