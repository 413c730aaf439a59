//! What happens to a process between its exec and its end, and the end.

use sysflow::record::{ObjectState, op};

use crate::{
    Recorder,
    config::Threads,
    emit::Cause,
    op::{AT_FDCWD, Ignored, KernelArg, UidCall, clone_flags},
    recorder::{At, Io, Outcome, SECOND},
    state::{
        fd::FdKind,
        process::{Exiting, GoneThread, Made, Root},
    },
};

/// Ended ancestors that are kept for a living process; the process keeps the identity of its parent in any case.
const MAX_ENDED_ANCESTORS: u32 = 64;

impl Recorder {
    pub(crate) fn exit(&mut self, ts: i64, tid: i64, status: i64, io: &mut Io<'_>) -> Outcome {
        let Some(slot) = self.thread(tid, io) else { return Outcome::UnknownThread };
        let at = At { ts, tid, slot };
        let Some(process) = self.processes.get(slot) else { return Outcome::UnknownThread };
        let is_main = process.oid.hpid == tid;
        if is_main {
            let told = process.threads <= 1 || self.habits.collector_entities;
            if told {
                self.tell_exit(at, status, io);
            }
            self.exiting.insert(tid, Exiting { process: slot, ts, status, told });
        } else {
            match self.habits.threads {
                Threads::Events => {
                    self.write_process_once(slot, ts, Cause::Other, io);
                    self.cut_process(slot, Some(tid), ts, io);
                    self.process_event(at, op::EXIT, status, Vec::new(), io);
                }
                Threads::Flows => self.process_flow(at, op::EXIT, status, io),
                Threads::Nothing => {}
            }
        }
        self.remove_thread(tid, ts, io);
        Outcome::Folded
    }

    /// The records of a process's end.
    fn tell_exit(&mut self, at: At, status: i64, io: &mut Io<'_>) {
        self.end_process_flow(at.slot, at.ts, 0, io);
        self.write_process_once(at.slot, at.ts, Cause::Other, io);
        self.cut_process(at.slot, None, at.ts, io);
        self.process_event(at, op::EXIT, status, Vec::new(), io);
    }

    /// Tells of the processes whose main thread ended before `ts` and that have done nothing since: the ends of their
    /// other threads were missed. One that goes on without its main thread has not ended, for wait(2) neither.
    pub(crate) fn tell_exits(&mut self, ts: i64, io: &mut Io<'_>) {
        let due = |exit: &Exiting| !exit.told && exit.ts < ts && self.is_quiet_since(exit.process, exit.ts);
        if !self.exiting.values().any(due) {
            return;
        }
        let mut all: Vec<(i64, Exiting)> =
            self.exiting.iter().filter(|(_, exit)| due(exit)).map(|(pid, exit)| (*pid, *exit)).collect();
        all.sort_unstable_by_key(|(pid, exit)| (exit.ts, *pid));
        for (pid, exit) in all {
            self.exiting.insert(pid, Exiting { told: true, ..exit });
            self.tell_exit(At { ts: self.now, tid: pid, slot: exit.process }, exit.status, io);
        }
    }

    /// Whether a process has done nothing in the seconds after `ts`.
    fn is_quiet_since(&self, slot: u32, ts: i64) -> bool {
        let Some(process) = self.processes.get(slot) else { return true };
        let second = ts / SECOND;
        i64::from(process.active) <= second
            && process.flows.iter().all(|(_, first)| self.last_operation(*first) <= second)
    }

    /// Removes a thread whose end was missed: its id has been given to another.
    pub(crate) fn drop_thread(&mut self, tid: i64, ts: i64, io: &mut Io<'_>) {
        let Some(slot) = self.processes.by_tid(tid) else { return };
        let is_main = self.processes.get(slot).is_some_and(|process| process.oid.hpid == tid);
        if is_main {
            // The main thread's id is free only when all threads are gone.
            self.processes.threads.retain(|_, process| process != slot);
            self.processes.sweep_own_fs();
            if let Some(process) = self.processes.get_mut(slot) {
                process.threads = 0;
            }
            self.end_threads(slot, ts, io);
        } else {
            self.remove_thread(tid, ts, io);
        }
    }

    fn remove_thread(&mut self, tid: i64, ts: i64, io: &mut Io<'_>) {
        let Some(thread) = self.processes.threads.remove(tid) else { return };
        if let Some(fs) = self.processes.own_fs.remove(&tid) {
            self.processes.release_shared(fs, u32::MAX);
        }
        let Some(process) = self.processes.get_mut(thread.process) else { return };
        let is_main = process.oid.hpid == tid;
        process.threads = process.threads.saturating_sub(1);
        process.ended |= is_main;
        let awaited = matches!(thread.made, Made::ByChild(_) | Made::Adopted(_));
        if is_main || awaited {
            self.gone.add(tid, GoneThread { ts, process: thread.process, awaited });
        }
        let Some(process) = self.processes.get(thread.process) else { return };
        if process.threads == 0 {
            self.end_threads(thread.process, ts, io);
        }
    }

    /// The last thread is gone.
    fn end_threads(&mut self, slot: u32, ts: i64, io: &mut Io<'_>) {
        let Some(pid) = self.processes.get(slot).map(|process| process.oid.hpid) else { return };
        if let Some(exit) = self.exiting.remove(&pid).filter(|exit| !exit.told && exit.process == slot) {
            self.tell_exit(At { ts, tid: pid, slot }, exit.status, io);
        }
        self.cut_process(slot, None, ts, io);
        self.end_process_flow(slot, ts, op::TRUNCATE, io);
        let active = (self.now / SECOND) as u32;
        let Some(process) = self.processes.get_mut(slot) else { return };
        process.ended = true;
        process.active = active;
        let (fs, files) = (process.fs, process.files);
        (process.fs, process.files) = (u32::MAX, u32::MAX);
        self.processes.release_shared(fs, files);
        self.shorten_line(slot);
        self.keep_ended(ts, slot);
    }

    /// A chain of processes that each start the next and end must not grow for ever.
    fn shorten_line(&mut self, slot: u32) {
        let mut at = slot;
        for _ in 0..MAX_ENDED_ANCESTORS {
            match self.processes.get(at).and_then(|process| process.parent) {
                Some(parent) if self.processes.get(parent).is_some_and(|p| p.ended) => at = parent,
                _ => return,
            }
        }
        let Some(parent) = self.processes.get_mut(at).and_then(|process| process.parent.take()) else {
            return;
        };
        if let Some(parent) = self.processes.get_mut(parent) {
            parent.children = parent.children.saturating_sub(1);
        }
        self.forget(parent);
    }

    pub(crate) fn set_uid(
        &mut self,
        at: At,
        ret: i64,
        call: UidCall,
        asked: Option<u32>,
        effective: Option<u32>,
        io: &mut Io<'_>,
    ) -> Outcome {
        let silent = self.habits.collector_gaps && call == UidCall::Setreuid;
        if self.habits.collector_entities && call == UidCall::Setuid {
            self.printed = asked.map_or(-1, |uid| uid as i32).to_string();
        }
        let new = !silent && self.write_process_once(at.slot, at.ts, Cause::Other, io);
        let Some(process) = self.processes.get_mut(at.slot) else { return Outcome::UnknownThread };
        let container = process.container;
        // -1 leaves the id as it is.
        if let Some(uid) = effective.filter(|uid| ret >= 0 && *uid != u32::MAX) {
            process.uid = uid as i32;
        }
        if silent {
            return Outcome::Folded;
        }
        if ret >= 0 || self.habits.collector_entities && !new {
            self.write_process(at.slot, at.ts, ObjectState::Modified, io);
        }
        let asked = asked.map_or(-1, |uid| uid as i32);
        let name = self.names.user(container, asked);
        let arg = match (call, name) {
            // The collector looks for a parameter that setresuid does not have.
            (UidCall::Setresuid, _) if self.habits.collector_entities => String::new(),
            (_, "") if self.habits.collector_entities => "<NA>".to_owned(),
            (_, "") => asked.to_string(),
            (_, name) => name.to_owned(),
        };
        self.process_event(at, op::SETUID, ret, vec![arg], io);
        Outcome::Folded
    }

    pub(crate) fn set_gid(&mut self, at: At, ret: i64, effective: Option<u32>, io: &mut Io<'_>) -> Outcome {
        if ret < 0 {
            return Outcome::Ignored(Ignored::Failed);
        }
        let Some(process) = self.processes.get_mut(at.slot) else { return Outcome::UnknownThread };
        let Some(gid) = effective.filter(|gid| *gid != u32::MAX) else { return Outcome::Folded };
        let changed = process.gid != gid as i32;
        process.gid = gid as i32;
        // SysFlow has no event for it: the new group is told at once, or nobody would see it before the next exec.
        if changed && process.written == self.epoch && !self.habits.collector_entities {
            self.write_process(at.slot, at.ts, ObjectState::Modified, io);
        }
        Outcome::Folded
    }

    pub(crate) fn set_sid(&mut self, at: At, ret: i64) -> Outcome {
        if ret < 0 {
            return Outcome::Ignored(Ignored::Failed);
        }
        if let Some(process) = self.processes.get_mut(at.slot) {
            // The result is the pid in the caller's own namespace.
            process.sid = process.oid.hpid;
            process.tty = 0;
        }
        Outcome::Folded
    }

    pub(crate) fn capset(&mut self, at: At, ret: i64, effective: u64) -> Outcome {
        if ret < 0 {
            return Outcome::Ignored(Ignored::Failed);
        }
        if let Some(process) = self.processes.get_mut(at.slot) {
            process.cap_effective = effective as i64;
        }
        Outcome::Folded
    }

    pub(crate) fn chdir(&mut self, at: At, ret: i64, path: &[u8], io: &mut Io<'_>) -> Outcome {
        if ret < 0 {
            return Outcome::Ignored(Ignored::Failed);
        }
        let path = self.absolute(at, AT_FDCWD, path, io);
        self.set_cwd(at, path);
        Outcome::Folded
    }

    pub(crate) fn fchdir(&mut self, at: At, ret: i64, fd: i64, io: &mut Io<'_>) -> Outcome {
        if ret < 0 {
            return Outcome::Ignored(Ignored::Failed);
        }
        match self.fd(at, fd, io).kind {
            FdKind::Path { path, .. } => {
                let path = self.files.text(path).to_owned();
                self.set_cwd(at, path);
                Outcome::Folded
            }
            _ => Outcome::UnknownFd,
        }
    }

    fn set_cwd(&mut self, at: At, mut path: String) {
        if !path.ends_with('/') {
            path.push('/');
        }
        let path = self.texts.intern(&path);
        let fs = self.processes.fs_of(at.slot, at.tid);
        if let Some(fs) = self.processes.fs.get_mut(fs) {
            fs.cwd = path;
        }
    }

    /// Paths are told as the host or the container sees them, not as the process does in its jail: `/srv/jail/etc/passwd`
    /// is another file than `/etc/passwd`. SysFlow's collector tells them as the process names them.
    pub(crate) fn chroot(&mut self, at: At, ret: i64, path: &[u8], io: &mut Io<'_>) -> Outcome {
        if ret < 0 {
            return Outcome::Ignored(Ignored::Failed);
        }
        if self.habits.collector_entities {
            return Outcome::Folded;
        }
        let root = match io.host.root(at.tid) {
            Some(root) => self.text(&root),
            None => self.absolute(at, AT_FDCWD, path, io),
        };
        let container = self.processes.get(at.slot).map_or(0, |process| process.container);
        let root = Root::new(&root, container);
        self.processes.has_roots |= root.is_some();
        let fs = self.processes.fs_of(at.slot, at.tid);
        if let Some(fs) = self.processes.fs.get_mut(fs) {
            fs.root = root;
        }
        Outcome::Folded
    }

    /// The thread is at the root of another mount namespace.
    pub(crate) fn enter_root(&mut self, at: At, ret: i64) {
        let fs = self.processes.fs_of(at.slot, at.tid);
        if let Some(fs) =
            self.processes.fs.get_mut(fs).filter(|_| ret >= 0 && !self.habits.collector_entities)
        {
            (fs.cwd, fs.root) = ("/".into(), None);
        }
    }

    /// New namespaces are told of as those that are entered by setns, in the words of an event: there is no file.
    pub(crate) fn unshare(&mut self, at: At, ret: i64, flags: u32, io: &mut Io<'_>) -> Outcome {
        if ret >= 0 && !self.habits.collector_entities {
            if flags & clone_flags::FILES != 0 {
                // That of one thread among several is not kept apart.
                let alone = self.processes.get(at.slot).is_some_and(|process| process.threads <= 1);
                if alone {
                    self.unshare_files(at.slot);
                }
            }
            if flags & (clone_flags::FS | clone_flags::NEWNS | clone_flags::NEWUSER) != 0 {
                self.processes.unshare_fs(at.slot, at.tid);
            }
        }
        let kinds = namespaces(flags);
        if kinds.is_empty() {
            return if ret < 0 { Outcome::Ignored(Ignored::Failed) } else { Outcome::Folded };
        }
        self.extended_event(at, op::SETNS, ret, vec!["unshare".into(), kinds], io)
    }

    pub(crate) fn ptrace(&mut self, at: At, ret: i64, request: u16, pid: i64, io: &mut Io<'_>) -> Outcome {
        let Some(name) = ptrace_name(request) else { return Outcome::Ignored(Ignored::Kind) };
        self.extended_event(at, op::PTRACE, ret, vec![name.to_owned(), pid.to_string()], io)
    }

    pub(crate) fn vm_write(&mut self, at: At, ret: i64, pid: i64, io: &mut Io<'_>) -> Outcome {
        self.extended_event(at, op::PTRACE, ret, vec!["process_vm_writev".into(), pid.to_string()], io)
    }

    pub(crate) fn kernel(
        &mut self,
        at: At,
        ret: i64,
        what: &str,
        arg: &KernelArg<'_>,
        io: &mut Io<'_>,
    ) -> Outcome {
        if what == "bpf" && ret > 0 {
            self.other_fd(at, ret, true, io);
        }
        let arg = match arg {
            KernelArg::Text(text) => self.text(text),
            KernelArg::Number(number) => number.to_string(),
            KernelArg::Fd(fd) => match self.fd(at, *fd, io).kind {
                FdKind::Path { path, .. } => self.files.text(path).to_owned(),
                _ => String::new(),
            },
        };
        self.extended_event(at, op::KERNEL, ret, vec![what.to_owned(), arg], io)
    }

    pub(crate) fn signal(&mut self, at: At, ret: i64, pid: i64, signal: u8, io: &mut Io<'_>) -> Outcome {
        let Some(process) = self.processes.get(at.slot) else { return Outcome::UnknownThread };
        // Signal 0 asks whether a process exists; one to oneself (raise, abort) shows in the exit status. The pid is
        // one of the caller's own namespace.
        if signal == 0 || pid == process.oid.hpid || pid == process.vpid {
            return Outcome::Ignored(Ignored::Kind);
        }
        self.extended_event(at, op::SIGNAL, ret, vec![pid.to_string(), signal.to_string()], io)
    }

    /// An event that only the extended schema has.
    pub(super) fn extended_event(
        &mut self,
        at: At,
        flag: i32,
        ret: i64,
        args: Vec<String>,
        io: &mut Io<'_>,
    ) -> Outcome {
        if !self.records_new_kinds() {
            return Outcome::Ignored(Ignored::Mode);
        }
        self.write_process_once(at.slot, at.ts, Cause::Other, io);
        self.process_event(at, flag, ret, args, io);
        Outcome::Folded
    }

    pub(crate) fn records_new_kinds(&self) -> bool {
        self.habits.extended && !self.habits.collector_gaps
    }

    pub(crate) fn container(&mut self, ts: i64, json: &[u8], io: &mut Io<'_>) -> Outcome {
        let limit = self.config.limits.string as usize;
        let Some(index) = self.containers.learn(json, limit, self.rotation) else {
            return Outcome::Ignored(Ignored::Kind);
        };
        // It was written without its metadata: write it again with them.
        if self
            .containers
            .get_mut(index)
            .is_some_and(|container| std::mem::take(&mut container.written) == self.epoch)
        {
            self.write_container_once(index, ts, io);
        }
        Outcome::Folded
    }

    pub(crate) fn user_added(&mut self, container: &[u8], uid: u32, name: &[u8]) -> Outcome {
        let (container, name) = (self.named_container(container), self.text(name));
        self.names.add_user(container, uid, name);
        Outcome::Folded
    }

    pub(crate) fn group_added(&mut self, container: &[u8], gid: u32, name: &[u8]) -> Outcome {
        let (container, name) = (self.named_container(container), self.text(name));
        self.names.add_group(container, gid, name);
        Outcome::Folded
    }

    fn named_container(&mut self, id: &[u8]) -> u32 {
        let id = crate::state::container::short_id(&self.text(id));
        self.containers.index(&id, None)
    }
}

/// Names of the kinds of namespaces among the flags of clone, unshare and setns, joined by commas.
pub(super) fn namespaces(flags: u32) -> String {
    let names = [
        (clone_flags::NEWUSER, "NEWUSER"),
        (clone_flags::NEWNS, "NEWNS"),
        (clone_flags::NEWPID, "NEWPID"),
        (clone_flags::NEWNET, "NEWNET"),
        (clone_flags::NEWIPC, "NEWIPC"),
        (clone_flags::NEWUTS, "NEWUTS"),
        (clone_flags::NEWCGROUP, "NEWCGROUP"),
    ];
    let set: Vec<&str> = names.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, name)| *name).collect();
    set.join(",")
}

/// Requests that take a process over or change it (libs: driver/ppm_events_public.h, PPM_PTRACE_*); a debugger's
/// stream of peeks and steps is left out.
fn ptrace_name(request: u16) -> Option<&'static str> {
    match request {
        1 => Some("TRACEME"),
        5 => Some("POKETEXT"),
        6 => Some("POKEDATA"),
        7 => Some("POKEUSR"),
        11 => Some("ATTACH"),
        19 => Some("SETREGSET"),
        20 => Some("SEIZE"),
        27 => Some("SETREGS"),
        _ => None,
    }
}
