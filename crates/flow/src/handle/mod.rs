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
    text::{borrowed_text, is_normal, resolve_into, text},
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

    /// A descriptor is, or becomes, something else. False when the process has as many as it may.
    pub(crate) fn put_fd(&mut self, slot: u32, number: i64, fd: Fd) -> bool {
        self.forget_known(slot, number);
        self.store_fd(slot, number, fd)
    }

    fn store_fd(&mut self, slot: u32, number: i64, fd: Fd) -> bool {
        let limit = self.config.limits.fds as usize;
        let Some(mut table) = self.processes.files_mut(slot) else { return false };
        table.forget_miss(number);
        if fd.kind == FdKind::Unknown {
            table.fds.remove(number);
            return true;
        }
        if table.fds.replace(number, &fd) {
            return true;
        }
        if number < 0 || table.fds.len() >= limit {
            return false;
        }
        let more = table.fds.more_for(number);
        if more > 0 {
            if !self.has_room_for(more) {
                return false;
            }
            let Some(again) = self.processes.files_mut(slot) else { return false };
            table = again;
        }
        table.fds.insert(number, fd);
        true
    }

    /// A descriptor that the kernel has just given out: what was on it before is gone, seen or not.
    fn new_fd(&mut self, at: At, number: i64, fd: Fd, io: &mut Io<'_>) -> Outcome {
        if self.habits.collector_entities {
            self.forget_known(at.slot, number);
        } else {
            self.cut(at.slot, number, at.ts, io, |_, _| true);
        }
        if self.store_fd(at.slot, number, fd) { Outcome::Folded } else { Outcome::Limit }
    }

    fn path_fd(&mut self, name: &str, restype: u8, open_flags: u32, cloexec: bool) -> Fd {
        let path = self.files.path(name);
        Fd { kind: FdKind::Path { path, restype }, open_flags: open_flags as i32, cloexec }
    }

    /// A path as the process means it, absolute where its base is known.
    fn absolute(&mut self, at: At, dirfd: i64, path: &[u8], io: &mut Io<'_>) -> String {
        let mut out = String::new();
        self.absolute_into(&mut out, at, dirfd, path, io);
        out
    }

    /// The same as an index of the path table; a path that is known costs no allocation.
    fn absolute_path(&mut self, at: At, dirfd: i64, path: &[u8], io: &mut Io<'_>) -> u32 {
        if path.len() <= self.config.limits.string as usize
            && is_normal(path)
            && self.processes.root_of(at.slot, at.tid).is_empty()
        {
            if let Some(index) = self.files.known_path(path) {
                return index;
            }
            if let Ok(path) = std::str::from_utf8(path) {
                return self.files.path(path);
            }
        }
        let mut buffer = std::mem::take(&mut self.path);
        self.absolute_into(&mut buffer, at, dirfd, path, io);
        let index = self.files.path(&buffer);
        self.path = buffer;
        index
    }

    fn absolute_into(&mut self, out: &mut String, at: At, dirfd: i64, path: &[u8], io: &mut Io<'_>) {
        let limit = self.config.limits.string as usize;
        self.counters.strings_cut += u64::from(path.len() > limit);
        let path = borrowed_text(path, limit);
        let dir = if path.starts_with('/') || dirfd == AT_FDCWD {
            None
        } else {
            match self.fd(at, dirfd, io).kind {
                FdKind::Path { path, .. } => Some(self.files.text(path)),
                _ => Some(""),
            }
        };
        let root = self.processes.root_of(at.slot, at.tid);
        let base = dir.unwrap_or_else(|| self.processes.cwd_of(at.slot, at.tid));
        resolve_into(out, root, base, &path);
        // A working directory can be moved deeper for ever. As long as a text of `limit` bytes can be when it is no UTF-8.
        let most = limit.saturating_mul(4);
        if out.len() > most {
            self.counters.strings_cut += 1;
            let end = (0..=most).rev().find(|end| out.is_char_boundary(*end)).unwrap_or(0);
            out.truncate(end);
        }
    }

    /// The same for an event on a path: where the directory is not known, the collector leaves the path as it is.
    pub(crate) fn event_path(&mut self, at: At, dirfd: i64, path: &[u8], io: &mut Io<'_>) -> String {
        let resolved = self.absolute(at, dirfd, path, io);
        if self.habits.collector_entities && !resolved.starts_with('/') { self.text(path) } else { resolved }
    }
}
