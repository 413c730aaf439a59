//! Descriptors come, are copied, and go.

use sysflow::record::{op, open_flags};

use super::{EACCES, EBADF, EINTR, EIO, EPERM, UNKNOWN};
use crate::{
    Recorder,
    op::{Ignored, Open},
    recorder::{At, Io, Outcome},
    state::fd::{Fd, FdKind},
    text::memfd_path,
};

impl Recorder {
    pub(crate) fn open(&mut self, at: At, open: &Open<'_>, io: &mut Io<'_>) -> Outcome {
        if open.ret < 0 {
            let refused = matches!(open.ret, EACCES | EPERM);
            return if refused && self.records_new_kinds() {
                self.refused_open(at, open, io)
            } else {
                Outcome::Ignored(Ignored::Failed)
            };
        }
        let path = if open.resolved {
            let path = self.text(open.path);
            self.files.path(&path)
        } else {
            self.absolute_path(at, open.dirfd, open.path, io)
        };
        let is_dir = open.flags & open_flags::DIRECTORY as u32 != 0;
        let cloexec = open.flags & open_flags::CLOEXEC as u32 != 0;
        let kind = FdKind::Path { path, restype: if is_dir { b'd' } else { b'f' } };
        let fd = Fd { kind, open_flags: open.flags as i32, cloexec };
        let outcome = self.new_fd(at, open.ret, fd, io);
        if outcome != Outcome::Folded || open.unknown_to_collector && self.habits.collector_gaps {
            return outcome;
        }
        self.flow(at, open.ret, &fd, op::OPEN, 0, io)
    }

    pub(crate) fn close(&mut self, at: At, ret: i64, number: i64, io: &mut Io<'_>) -> Outcome {
        let Some(table) = self.processes.files_mut(at.slot) else { return Outcome::UnknownThread };
        let Some(fd) = table.fds.remove(number) else {
            table.forget_miss(number);
            return if ret >= 0 { Outcome::UnknownFd } else { Outcome::Ignored(Ignored::Failed) };
        };
        // Linux closes the descriptor even when close(2) reports an error, unless there was none.
        if ret < 0 && !matches!(ret, EINTR | EIO) && !self.habits.collector_entities && ret == EBADF {
            self.cut(at.slot, number, at.ts, io, |_, _| true);
            return Outcome::Ignored(Ignored::Failed);
        }
        self.closed = Some(fd);
        self.close_flows(at, number, &fd, io)
    }

    /// The flows of a descriptor that has just gone.
    fn close_flows(&mut self, at: At, number: i64, fd: &Fd, io: &mut Io<'_>) -> Outcome {
        if self.close_only_flow(at, number, fd, io) {
            return Outcome::Folded;
        }
        // A socket that never had a peer tells nothing by its end.
        let nothing = matches!(fd.kind, FdKind::Inet(socket) if socket.ends.is_empty())
            && self.processes.get(at.slot).is_none_or(|process| process.flows.get(number).is_none());
        let outcome = if nothing && !self.habits.collector_entities {
            Outcome::Folded
        } else {
            self.flow(at, number, fd, op::CLOSE, 0, io)
        };
        if !self.habits.collector_entities {
            // A datagram socket has a flow for each peer; all end here.
            self.cut(at.slot, number, at.ts, io, |_, _| true);
        }
        match outcome {
            Outcome::Ignored(Ignored::FdKind) => Outcome::Folded,
            outcome => outcome,
        }
    }

    pub(crate) fn close_range(
        &mut self,
        at: At,
        ret: i64,
        (first, last): (u32, u32),
        cloexec: bool,
        io: &mut Io<'_>,
    ) -> Outcome {
        if ret < 0 {
            return Outcome::Ignored(Ignored::Failed);
        }
        let range = i64::from(first)..=i64::from(last);
        let Some(fds) = self.processes.fds_mut(at.slot) else { return Outcome::UnknownThread };
        let numbers: Vec<i64> = fds.iter().map(|(number, _)| number).filter(|n| range.contains(n)).collect();
        for number in numbers {
            let Some(fds) = self.processes.fds_mut(at.slot) else { break };
            if cloexec {
                fds.set_cloexec(number, true);
            } else if let Some(fd) = fds.remove(number) {
                if self.habits.collector_gaps {
                    self.forget_known(at.slot, number);
                } else {
                    self.close_flows(at, number, &fd, io);
                }
            }
        }
        Outcome::Folded
    }

    pub(crate) fn dup(&mut self, at: At, ret: i64, old: i64, cloexec: bool, io: &mut Io<'_>) -> Outcome {
        if ret < 0 {
            return Outcome::Ignored(Ignored::Failed);
        }
        if ret == old {
            return Outcome::Folded;
        }
        let fd = self.fd(at, old, io);
        // dup2 and dup3 close what the new number stood for.
        if !self.habits.collector_entities
            && let Some(closed) = self.processes.fds_mut(at.slot).and_then(|fds| fds.remove(ret))
        {
            self.close_flows(at, ret, &closed, io);
        }
        let outcome = self.new_fd(at, ret, Fd { cloexec, ..fd }, io);
        if fd.kind == FdKind::Unknown { Outcome::UnknownFd } else { outcome }
    }

    pub(crate) fn set_cloexec(
        &mut self,
        at: At,
        ret: i64,
        fd: i64,
        cloexec: bool,
        io: &mut Io<'_>,
    ) -> Outcome {
        if ret < 0 {
            return Outcome::Ignored(Ignored::Failed);
        }
        if self.fd(at, fd, io).kind == FdKind::Unknown {
            return Outcome::UnknownFd;
        }
        if let Some(fds) = self.processes.fds_mut(at.slot) {
            fds.set_cloexec(fd, cloexec);
        }
        Outcome::Folded
    }

    pub(crate) fn pipe(
        &mut self,
        at: At,
        ret: i64,
        fds: [i64; 2],
        ino: u64,
        cloexec: bool,
        io: &mut Io<'_>,
    ) -> Outcome {
        if ret < 0 {
            return Outcome::Ignored(Ignored::Failed);
        }
        // The collector leaves new pipes without a name; with one, both ends are the same file.
        let name = if self.habits.collector_entities { String::new() } else { format!("pipe:[{ino}]") };
        let fd = self.path_fd(&name, b'p', 0, cloexec);
        self.new_pair(at, fds, fd, fd, io)
    }

    pub(crate) fn new_pair(&mut self, at: At, numbers: [i64; 2], a: Fd, b: Fd, io: &mut Io<'_>) -> Outcome {
        let first = self.new_fd(at, numbers[0], a, io);
        let second = self.new_fd(at, numbers[1], b, io);
        if first == Outcome::Folded { second } else { first }
    }

    pub(crate) fn other_fd(&mut self, at: At, ret: i64, cloexec: bool, io: &mut Io<'_>) -> Outcome {
        if ret < 0 {
            return Outcome::Ignored(Ignored::Failed);
        }
        self.new_fd(at, ret, Fd { kind: FdKind::Other, open_flags: 0, cloexec }, io)
    }

    /// A file without a path, that programs are run from when they shall leave no trace: its name is that by which
    /// the kernel calls an executable in it.
    pub(crate) fn memfd_create(
        &mut self,
        at: At,
        ret: i64,
        name: &[u8],
        cloexec: bool,
        io: &mut Io<'_>,
    ) -> Outcome {
        if ret < 0 || self.habits.collector_gaps {
            return self.other_fd(at, ret, cloexec, io);
        }
        let name = self.text(name);
        let flags = open_flags::RDWR | if cloexec { open_flags::CLOEXEC } else { 0 };
        let fd = self.path_fd(&memfd_path(&name), b'f', flags as u32, cloexec);
        let outcome = self.new_fd(at, ret, fd, io);
        if outcome != Outcome::Folded {
            return outcome;
        }
        self.flow(at, ret, &fd, op::OPEN, 0, io)
    }

    /// Gives the process descriptors of its own, which are those that it shares.
    pub(crate) fn unshare_files(&mut self, slot: u32) {
        let Some(files) = self.processes.get(slot).map(|process| process.files) else { return };
        let Some(table) = self.processes.files.get(files).filter(|table| table.users > 1) else { return };
        // What is not copied is asked of the host when it is used.
        let copies = self.has_room_for(table.fds.room());
        self.processes.unshare_files(slot, files, copies);
    }

    /// The pid is one of the caller's own namespace.
    pub(crate) fn pidfd_open(&mut self, at: At, ret: i64, pid: i64, io: &mut Io<'_>) -> Outcome {
        let sees_host = self.processes.get(at.slot).is_some_and(|process| process.vpid == process.oid.hpid);
        match u32::try_from(pid) {
            Ok(pid) if sees_host && ret >= 0 => {
                let fd = Fd { kind: FdKind::Process { pid }, open_flags: 0, cloexec: true };
                self.new_fd(at, ret, fd, io)
            }
            _ => self.other_fd(at, ret, true, io),
        }
    }

    pub(crate) fn pidfd_getfd(
        &mut self,
        at: At,
        ret: i64,
        pidfd: i64,
        target: i64,
        io: &mut Io<'_>,
    ) -> Outcome {
        if ret < 0 {
            return Outcome::Ignored(Ignored::Failed);
        }
        let copy = match self.fd(at, pidfd, io).kind {
            FdKind::Process { pid } => self
                .processes
                .by_tid(i64::from(pid))
                .and_then(|slot| self.processes.fd(slot, target))
                .map(|fd| Fd { cloexec: true, ..fd }),
            _ => None,
        };
        // What is not known is asked of the host when it is used.
        self.new_fd(at, ret, copy.unwrap_or(UNKNOWN), io)
    }
}
