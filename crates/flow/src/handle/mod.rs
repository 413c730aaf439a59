//! What each operation does to the state, and which record it gives.

mod evict;
mod fd;
mod file;
mod initial;
mod io;
mod net;
mod process;
mod start;

use crate::{
    Recorder,
    op::AT_FDCWD,
    recorder::{At, Io, Outcome},
    state::fd::{Fd, FdKind},
    text::{resolve, text},
};

const EPERM: i64 = -1;
const EINTR: i64 = -4;
const EIO: i64 = -5;
const EBADF: i64 = -9;
const EACCES: i64 = -13;

const UNKNOWN: Fd = Fd { kind: FdKind::Unknown, open_flags: 0, cloexec: false };

impl Recorder {
    /// Text of the monitored host, cut at the limit.
    pub(crate) fn text(&mut self, bytes: &[u8]) -> String {
        let limit = self.config.limits.string as usize;
        self.counters.strings_cut += u64::from(bytes.len() > limit);
        text(bytes, limit)
    }

    /// A descriptor of the process; asked of the host the first time that it is not known.
    pub(crate) fn fd(&mut self, at: At, fd: i64, io: &mut Io<'_>) -> Fd {
        if let Some(fd) = self.processes.fd(at.slot, fd) {
            return fd;
        }
        let second = self.last_second;
        let Some(process) = self.processes.get(at.slot) else { return UNKNOWN };
        let (pid, files) = (process.oid.hpid, process.files);
        let table = self.processes.files.get(files);
        if !table.is_some_and(|table| table.should_ask(fd, self.rotation, second)) {
            return UNKNOWN;
        }
        if let Some(found) = io.host.fd(pid, fd) {
            let found = self.initial_fd(&found);
            self.put_fd(at.slot, fd, found);
            return found;
        }
        if let Some(table) = self.processes.files.get_mut(files) {
            table.miss(fd, self.rotation, second);
        }
        UNKNOWN
    }

    /// The same for a call that ended with `ret`: the host is not asked for what the kernel says does not exist.
    fn fd_of_call(&mut self, at: At, ret: i64, fd: i64, io: &mut Io<'_>) -> Fd {
        if ret == EBADF {
            return self.processes.fd(at.slot, fd).unwrap_or(UNKNOWN);
        }
        self.fd(at, fd, io)
    }

    /// False when the process has as many descriptors as it may.
    pub(crate) fn put_fd(&mut self, slot: u32, number: i64, fd: Fd) -> bool {
        let limit = self.config.limits.fds as usize;
        let Some(table) = self.processes.files_mut(slot) else { return false };
        table.forget_miss(number);
        if fd.kind == FdKind::Unknown {
            table.fds.remove(number);
            return true;
        }
        if number < 0 || table.fds.len() >= limit && table.fds.get(number).is_none() {
            return false;
        }
        table.fds.insert(number, fd);
        true
    }

    /// A descriptor that the kernel has just given out: what was on it before is gone, seen or not.
    fn new_fd(&mut self, at: At, number: i64, fd: Fd, io: &mut Io<'_>) -> Outcome {
        if !self.habits.collector_entities {
            self.cut(at.slot, number, at.ts, io, |_| true);
        }
        if self.put_fd(at.slot, number, fd) { Outcome::Folded } else { Outcome::Limit }
    }

    fn path_fd(&mut self, name: &str, restype: u8, open_flags: u32, cloexec: bool) -> Fd {
        let path = self.files.path(name);
        Fd { kind: FdKind::Path { path, restype }, open_flags: open_flags as i32, cloexec }
    }

    /// A path as the process means it, absolute where its base is known.
    fn absolute(&mut self, at: At, dirfd: i64, path: &[u8], io: &mut Io<'_>) -> String {
        let path = self.text(path);
        if path.starts_with('/') {
            return resolve("", &path);
        }
        if dirfd == AT_FDCWD {
            return resolve(self.processes.cwd(at.slot), &path);
        }
        match self.fd(at, dirfd, io).kind {
            FdKind::Path { path: base, .. } => resolve(self.files.text(base), &path),
            _ => resolve("", &path),
        }
    }

    /// The same for an event on a path: where the directory is not known, the collector leaves the path as it is.
    pub(crate) fn event_path(&mut self, at: At, dirfd: i64, path: &[u8], io: &mut Io<'_>) -> String {
        let resolved = self.absolute(at, dirfd, path, io);
        if self.habits.collector_entities && !resolved.starts_with('/') { self.text(path) } else { resolved }
    }
}
