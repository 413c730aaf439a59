//! clone and exec: how processes come to be and what they become.

use sysflow::{
    Oid, Record,
    record::{ObjectState, ProcessEvent, exe_flags, op},
};

use crate::{
    Recorder, Urgency,
    config::Threads,
    emit::Cause,
    op::{Clone, Exec, Image, clone_flags},
    recorder::{At, Io, Outcome, SECOND},
    state::{
        container,
        fd::FdTable,
        process::{Fs, Made, Process},
    },
    text::{memfd_path, parts},
};

/// Both halves of one clone are seen within this time; later the thread id has been used again
/// (libs: userspace/libsinsp/parsers.cpp, CLONE_STALE_TIME_NS).
const CLONE_HALVES: i64 = 2 * SECOND;

impl Recorder {
    pub(crate) fn clone(&mut self, ts: i64, tid: i64, clone: &Clone<'_>, io: &mut Io<'_>) -> Outcome {
        let is_thread = is_thread(tid, clone);
        let slot = if clone.ret == 0 {
            self.cloned_child(ts, tid, clone, io)
        } else {
            let known = self.thread(tid, io);
            let slot = known.or_else(|| self.first_sight(tid, &clone.image, io));
            if let Some(slot) = slot.filter(|_| clone.ret > 0) {
                self.cloned_by_parent(ts, tid, slot, clone, io);
            }
            slot
        };
        let Some(slot) = slot else { return Outcome::Limit };
        if clone.clone3 && self.habits.collector_gaps {
            return Outcome::Folded;
        }
        if self.processes.get(slot).is_some_and(|process| process.own) {
            return Outcome::Ignored(crate::op::Ignored::Own);
        }
        let at = At { ts, tid, slot };
        let is_event = match self.habits.threads {
            Threads::Events => true,
            Threads::Nothing => !is_thread,
            Threads::Flows if !self.habits.collector_entities => !is_thread,
            // The collector goes by the acting thread on the child's side, by the flags on the parent's.
            Threads::Flows if clone.ret == 0 => {
                self.processes.get(slot).is_some_and(|process| process.oid.hpid == tid)
            }
            Threads::Flows => clone.ret > 0 && !is_thread,
        };
        if is_event {
            self.write_process_once(slot, ts, Cause::Start, io);
            self.process_event(at, op::CLONE, clone.ret, Vec::new(), io);
        } else if self.habits.threads == Threads::Flows {
            self.process_flow(at, op::CLONE, clone.ret, io);
        }
        Outcome::Folded
    }

    /// The parent's half, which comes first except for vfork. Its `ret` is the child's pid on the host only when the
    /// caller sees the host's pids; else the child's own half makes it.
    fn cloned_by_parent(&mut self, ts: i64, tid: i64, parent: u32, clone: &Clone<'_>, io: &mut Io<'_>) {
        if clone.vtid.is_some_and(|vtid| vtid != tid) {
            return;
        }
        let child = clone.ret;
        // Its own half was there first, and then its end.
        if self.gone.take(child, |gone| gone.awaited && within(ts, gone.ts, SECOND)).is_some() {
            return;
        }
        if let Some(thread) = self.processes.threads.get(child) {
            let own_half_seen = match thread.made {
                Made::ByChild(at) => {
                    within(ts, at, CLONE_HALVES) || self.is_child_of(thread.process, parent, ts)
                }
                // vfork: the child has been through an exec meanwhile; or a restart has.
                Made::Settled | Made::Adopted(_) => self.is_child_of(thread.process, parent, ts),
                Made::ByParent(_) => false,
            };
            if own_half_seen {
                self.processes.threads.settle(child);
                return;
            }
            self.drop_thread(child, ts, io);
        }
        if is_thread(tid, clone) {
            self.add_thread(child, parent, Made::ByParent(ts));
        } else {
            self.add_clone(ts, child, (parent, tid), &clone.image, clone.flags, Made::ByParent(ts), io);
        }
    }

    /// Whether the process was born to `parent` a short while ago, the child of a vfork that took its time.
    fn is_child_of(&self, slot: u32, parent: u32, ts: i64) -> bool {
        let process = self.processes.get(slot);
        let process = process.filter(|p| p.born && p.parent == Some(parent));
        process.is_some_and(|p| within(ts, p.oid.create_ts, 60 * SECOND))
    }

    /// The child's half: makes the child, or completes what the parent's half has made.
    fn cloned_child(&mut self, ts: i64, tid: i64, clone: &Clone<'_>, io: &mut Io<'_>) -> Option<u32> {
        let image = &clone.image;
        if let Some(thread) = self.processes.threads.get(tid) {
            let of_pid = self.processes.slots.get(thread.process).is_some_and(|p| p.oid.hpid == image.pid);
            if matches!(thread.made, Made::ByParent(at) | Made::Adopted(at) if within(ts, at, CLONE_HALVES))
                && (of_pid || image.pid <= 0)
            {
                self.processes.threads.settle(tid);
                let slot = thread.process;
                self.complete_child(slot, tid, clone, io);
                return Some(slot);
            }
            self.drop_thread(tid, ts, io);
        }
        let is_thread = is_thread(tid, clone);
        let pid = if image.pid > 0 { image.pid } else { tid };
        let model = if is_thread { pid } else { image.ptid };
        let slot = match self.thread(model, io) {
            Some(slot) if is_thread => {
                self.add_thread(tid, slot, Made::ByChild(ts));
                slot
            }
            Some(parent) => {
                let parent = (parent, image.ptid);
                self.add_clone(ts, tid, parent, image, clone.flags, Made::ByChild(ts), io)?
            }
            None => self.born_to_unknown(ts, tid, image, io)?,
        };
        self.complete_child(slot, tid, clone, io);
        Some(slot)
    }

    /// What only the child's half tells.
    fn complete_child(&mut self, slot: u32, tid: i64, clone: &Clone<'_>, io: &mut Io<'_>) {
        let image = &clone.image;
        let container = container::from_cgroups(parts(image.cgroups));
        let index = container.map_or(0, |(id, container_type)| self.containers.index(&id, container_type));
        let keep_container = image.cgroups.is_empty();
        let Some(process) = self.processes.get_mut(slot).filter(|process| process.oid.hpid == tid) else {
            return;
        };
        process.vpid = clone.vpid.unwrap_or(process.vpid);
        process.uid = image.uid.map_or(process.uid, |uid| uid as i32);
        process.gid = image.gid.map_or(process.gid, |gid| gid as i32);
        if keep_container || index == process.container {
            return;
        }
        process.container = index;
        process.birth_container = index;
        let Some(graph) = self.processes.get(slot).map(|process| self.graph_at_birth(process)) else {
            return;
        };
        if let Some(process) = self.processes.get_mut(slot) {
            process.graph = graph;
        }
        self.tell_identity(slot, io.sink);
    }

    /// A new process as a copy of `parent`, cloned by this thread of it.
    #[allow(clippy::too_many_arguments, reason = "what a clone says of its child")]
    fn add_clone(
        &mut self,
        ts: i64,
        pid: i64,
        (parent, caller): (u32, i64),
        image: &Image<'_>,
        flags: u32,
        made: Made,
        io: &mut Io<'_>,
    ) -> Option<u32> {
        let exe = self.processes.get(parent)?.exe.clone();
        // The event says what the arguments are now; the program may have changed its own.
        let args = if image.exe.is_empty() {
            self.processes.get(parent)?.args.clone()
        } else {
            let args = self.argument_list(&exe, image.args);
            // Most programs do not.
            let of = self.processes.get(parent)?;
            if *of.args == *args { of.args.clone() } else { args.into() }
        };
        let of = self.processes.get(parent)?;
        let (fs, files) = (self.processes.fs_of(parent, caller), of.files);
        let fs = if flags & clone_flags::FS != 0
            && let Some(shared) = self.processes.fs.get_mut(fs)
        {
            shared.users += 1;
            fs
        } else {
            let copy = self.processes.fs.get(fs).map_or_else(Fs::default, |fs| Fs { users: 1, ..fs.clone() });
            self.processes.fs.insert(Fs { users: 1, ..copy })
        };
        let files = if flags & clone_flags::FILES != 0
            && let Some(shared) = self.processes.files.get_mut(files)
        {
            shared.users += 1;
            if shared.users == 2 {
                self.forget_all_known(parent);
            }
            files
        } else {
            // What is not copied is asked of the host when it is used.
            let room = self.processes.files.get(files).map_or(0, |table| table.fds.room());
            let copies = self.has_room_for(room);
            let copy = self.processes.files.get(files).filter(|_| copies).cloned().unwrap_or_default();
            self.processes.files.insert(FdTable { users: 1, missed: None, ..copy })
        };
        let of = self.processes.get(parent)?;
        // CLONE_PARENT: the child is a sibling of the caller. The library that the collector's traces were made with
        // does not know that.
        let sibling = flags & clone_flags::PARENT != 0 && !self.habits.collector_entities;
        let (real_parent, poid) = if sibling { (of.parent, of.poid) } else { (Some(parent), Some(of.oid)) };
        let oid = Oid { create_ts: ts, hpid: pid };
        let child = Process {
            exe,
            args,
            env: of.env.clone(),
            uid: image.uid.map_or(of.uid, |uid| uid as i32),
            gid: image.gid.map_or(of.gid, |gid| gid as i32),
            tty: of.tty,
            sid: of.sid,
            // A pid in another namespace is told by the child's half.
            vpid: if of.vpid == of.oid.hpid { pid } else { -1 },
            loginuid: of.loginuid,
            cap_effective: of.cap_effective,
            exe_flags: of.exe_flags,
            exe_ino: of.exe_ino,
            exe_ctime: of.exe_ctime,
            container: of.container,
            birth_container: of.container,
            fs,
            files,
            born: true,
            is_server: of.is_server,
            poid,
            ..self.blank(oid, real_parent)
        };
        let graph = self.graph_at_birth(&child);
        let slot = self.add_process(Process { graph, ..child })?;
        self.found(pid);
        self.add_thread(pid, slot, made);
        self.tell_identity(slot, io.sink);
        Some(slot)
    }

    /// A process that is seen for the first time in the middle of its life.
    fn first_sight(&mut self, tid: i64, image: &Image<'_>, io: &mut Io<'_>) -> Option<u32> {
        let pid = if image.pid > 0 { image.pid } else { tid };
        self.found(tid);
        if let Some(slot) = self.processes.by_tid(pid) {
            self.add_thread(tid, slot, Made::Settled);
            return Some(slot);
        }
        let parent = self.processes.by_tid(image.ptid).filter(|_| image.ptid > 0);
        let exe = self.text(image.exe);
        let args = self.argument_list(&exe, image.args);
        let container = container::from_cgroups(parts(image.cgroups));
        let container =
            container.map_or(0, |(id, container_type)| self.containers.index(&id, container_type));
        let cwd = self.text(image.cwd);
        let (exe, cwd) = (self.texts.intern(&exe), self.texts.intern(&cwd));
        // When it was cloned nobody knows; that it was before this event is all that can be said.
        let oid = Oid { create_ts: 0, hpid: pid };
        let mut process = Process {
            exe,
            args: args.into(),
            uid: image.uid.map_or(-1, |uid| uid as i32),
            gid: image.gid.map_or(-1, |gid| gid as i32),
            container,
            birth_container: container,
            fs: self.processes.fs.insert(Fs { cwd, users: 1, ..Fs::default() }),
            files: self.processes.files.insert(FdTable { users: 1, ..FdTable::default() }),
            ..self.blank(oid, parent)
        };
        process.graph = self.graph_at_birth(&process);
        let slot = self.add_process(process)?;
        self.add_thread(pid, slot, Made::Settled);
        if tid != pid {
            self.add_thread(tid, slot, Made::Settled);
        }
        self.tell_identity(slot, io.sink);
        Some(slot)
    }

    /// A child whose parent was never seen: its birth was.
    fn born_to_unknown(&mut self, ts: i64, tid: i64, image: &Image<'_>, io: &mut Io<'_>) -> Option<u32> {
        let tests = self.habits.collector_entities;
        if tests && image.ptid > 0 && image.pid == tid {
            // The collector's library makes up a parent in the image of its child, without a user.
            let made_up = Image { pid: image.ptid, exe: image.exe, args: image.args, ..Image::default() };
            self.first_sight(image.ptid, &made_up, io)?;
        }
        let slot = self.first_sight(tid, image, io)?;
        let (node_oid, is_leader) = (Oid { create_ts: ts, hpid: tid }, image.pid == tid || image.pid <= 0);
        if is_leader {
            let graph = self.own_graph(node_oid, None);
            let process = self.processes.get_mut(slot)?;
            process.oid = node_oid;
            process.born = true;
            process.graph = graph;
            self.tell_identity(slot, io.sink);
        }
        Some(slot)
    }

    pub(crate) fn exec(&mut self, ts: i64, tid: i64, exec: &Exec<'_>, io: &mut Io<'_>) -> Outcome {
        let known = self.take_over(ts, tid, exec).or_else(|| self.thread(tid, io));
        let Some(slot) = known.or_else(|| self.first_sight(tid, &exec.image, io)) else {
            return Outcome::Limit;
        };
        let at = At { ts, tid, slot };
        let silent = exec.execveat && self.habits.collector_gaps;
        if exec.ret < 0 {
            if silent {
                return Outcome::Folded;
            }
            let new = self.write_process_once(slot, ts, Cause::Start, io);
            if self.habits.collector_entities && !new {
                self.write_process(slot, ts, ObjectState::Modified, io);
            }
            // What was tried is in no other field.
            let args = if self.tells_names(exec) {
                vec![self.absolute(at, crate::op::AT_FDCWD, exec.filename, io)]
            } else {
                Vec::new()
            };
            self.process_event(at, op::EXEC, exec.ret, args, io);
            return Outcome::Folded;
        }
        self.end_folds(slot, io);
        self.become_image(at, exec, io);
        self.rollup_exec(slot, ts);
        if silent {
            return Outcome::Folded;
        }
        let new = self.write_process_once(slot, ts, Cause::Start, io);
        if !new {
            self.write_process(slot, ts, ObjectState::Modified, io);
        }
        let args = self.script(at, exec, io).into_iter().collect();
        self.process_event(at, op::EXEC, exec.ret, args, io);
        Outcome::Folded
    }

    fn tells_names(&self, exec: &Exec<'_>) -> bool {
        self.habits.extended && !self.habits.collector_gaps && !exec.filename.is_empty()
    }

    /// Path of the script that was executed: the process's program is its interpreter then, and the arguments name the
    /// script as the caller did. The kernel puts that name behind `argv[0]`, with one argument of the interpreter's
    /// between at most.
    fn script(&mut self, at: At, exec: &Exec<'_>, io: &mut Io<'_>) -> Option<String> {
        let is_script = parts(exec.image.args).take(2).any(|arg| arg == exec.filename);
        if !self.tells_names(exec) || !is_script {
            return None;
        }
        let path = self.absolute(at, crate::op::AT_FDCWD, exec.filename, io);
        self.processes.get(at.slot).is_some_and(|process| *process.exe != *path).then_some(path)
    }

    /// A thread that is not the main one has called exec: the kernel ends all others, the main thread among them, and
    /// gives the caller its id. What follows is of the same process, of which the main thread's end was seen.
    fn take_over(&mut self, ts: i64, tid: i64, exec: &Exec<'_>) -> Option<u32> {
        if exec.ret < 0
            || self.processes.by_tid(tid).is_some()
            || !matches!(exec.image.pid, pid if pid <= 0 || pid == tid)
        {
            return None;
        }
        let lives = self.exiting.get(&tid).map(|exit| exit.process);
        // The caller may be a thread that nobody has seen: then the process has ended in our eyes.
        let slot =
            lives.or_else(|| Some(self.gone.take(tid, |gone| within(ts, gone.ts, SECOND))?.process))?;
        self.processes.get(slot).filter(|process| process.oid.hpid == tid && process.ended)?;
        if self.processes.files_mut(slot).is_none() {
            let cwd = self.text(exec.image.cwd);
            let cwd = self.texts.intern(&cwd);
            let fs = self.processes.fs.insert(Fs { cwd, users: 1, ..Fs::default() });
            let files = self.processes.files.insert(FdTable { users: 1, ..FdTable::default() });
            let process = self.processes.get_mut(slot)?;
            (process.fs, process.files) = (fs, files);
        }
        self.add_thread(tid, slot, Made::Settled);
        Some(slot)
    }

    /// The process is another program from here on.
    fn become_image(&mut self, at: At, exec: &Exec<'_>, io: &mut Io<'_>) {
        let image = &exec.image;
        let exe = self.executable(at, exec, io);
        let args = self.argument_list(&exe, image.args);
        let env = self.environment(parts(exec.env));
        let exe = self.texts.intern(&exe);
        let container = match container::from_cgroups(parts(image.cgroups)) {
            Some((id, container_type)) => Some(self.containers.index(&id, container_type)),
            None => match io.host.container_id(at.tid) {
                Some(id) => Some(self.containers.index(&id, None)),
                None => (!image.cgroups.is_empty()).then_some(0),
            },
        };
        self.exec_descriptors(at, io);
        let Some(process) = self.processes.get_mut(at.slot) else { return };
        process.exe = exe;
        process.args = args.into();
        process.env = env;
        process.uid = image.uid.map_or(process.uid, |uid| uid as i32);
        process.gid = image.gid.map_or(process.gid, |gid| gid as i32);
        process.tty = exec.tty.unwrap_or(process.tty);
        process.loginuid = exec.loginuid.map_or(process.loginuid, |uid| i64::from(uid as i32));
        process.cap_effective = exec.cap_effective.map_or(process.cap_effective, |caps| caps as i64);
        process.exe_flags = exec.exe_flags;
        process.exe_ino = exec.exe_ino as i64;
        process.exe_ctime = exec.exe_ctime as i64;
        process.container = container.unwrap_or(process.container);
        self.judge_exec(at.slot, io);
    }

    /// Path of the new program: what the kernel says, else what was asked for, else `argv[0]`.
    fn executable(&mut self, at: At, exec: &Exec<'_>, io: &mut Io<'_>) -> String {
        if !exec.path.is_empty() {
            let path = self.text(exec.path);
            let is_memfd = exec.exe_flags & exe_flags::MEMFD != 0 && !self.habits.collector_entities;
            return if is_memfd { memfd_path(&path) } else { path };
        }
        if exec.filename.is_empty() {
            return self.text(exec.image.exe);
        }
        self.absolute(at, crate::op::AT_FDCWD, exec.filename, io)
    }

    fn judge_exec(&mut self, slot: u32, io: &mut Io<'_>) {
        let Some(process) = self.processes.get(slot) else { return };
        let is_server = self.serves(process);
        let (judged, served) = (process.judged, process.is_server);
        if let Some(process) = self.processes.get_mut(slot) {
            process.is_server = is_server;
            process.judged = true;
        }
        let Some(graph) = self.processes.get(slot).map(|process| self.graph_at_exec(process)) else { return };
        if let Some(process) = self.processes.get_mut(slot).filter(|_| !judged) {
            process.graph = graph;
        }
        if !judged || served != is_server {
            self.tell_identity(slot, io.sink);
        }
    }

    /// exec ends the other threads, stops sharing descriptors, and closes those that are marked so.
    fn exec_descriptors(&mut self, at: At, io: &mut Io<'_>) {
        let Some(process) = self.processes.get(at.slot) else { return };
        let pid = process.oid.hpid;
        if process.threads > 1 || at.tid != pid {
            let slot = at.slot;
            self.processes.threads.retain(|tid, process| process != slot || tid == pid);
            self.processes.keep_own_fs(slot, at.tid);
            self.processes.sweep_own_fs();
            let left = u32::from(self.processes.threads.contains(pid));
            if let Some(process) = self.processes.get_mut(slot) {
                process.threads = left;
            }
        }
        if self.processes.by_tid(pid).is_none() {
            self.add_thread(pid, at.slot, Made::Settled);
        }
        self.exiting.remove(&pid);
        if let Some(process) = self.processes.get_mut(at.slot) {
            process.ended = false;
        }
        self.unshare_files(at.slot);
        if self.habits.collector_entities {
            return;
        }
        let Some(fds) = self.processes.fds_mut(at.slot) else { return };
        let closed: Vec<i64> = fds.iter().filter(|(_, fd)| fd.cloexec).map(|(number, _)| number).collect();
        for number in closed {
            let fd = self.processes.fds_mut(at.slot).and_then(|fds| fds.remove(number));
            let has_flow = self.processes.get(at.slot).is_some_and(|p| p.flows.get(number).is_some());
            if let Some(fd) = fd.filter(|_| has_flow) {
                self.flow(at, number, &fd, op::CLOSE, 0, io);
                self.cut(at.slot, number, at.ts, io, |_, _| true);
            }
        }
    }

    pub(crate) fn process_event(&mut self, at: At, flag: i32, ret: i64, args: Vec<String>, io: &mut Io<'_>) {
        let Some(process) = self.processes.get(at.slot) else { return };
        let record = ProcessEvent {
            proc_oid: process.oid,
            ts: at.ts,
            tid: at.tid,
            op_flags: flag,
            args,
            ret: ret as i32,
        };
        self.emit(&Record::ProcessEvent(record), Urgency::Soon, io);
    }
}

/// Whether `ts` is less than `span` after `at`, or before it.
fn within(ts: i64, at: i64, span: i64) -> bool {
    ts.saturating_sub(at) < span
}

/// Whether a clone makes a thread. The child's half of a clone3 does not always know its flags, but whose thread it is.
fn is_thread(tid: i64, clone: &Clone<'_>) -> bool {
    clone.flags & clone_flags::THREAD != 0 || clone.ret == 0 && clone.image.pid > 0 && clone.image.pid != tid
}
