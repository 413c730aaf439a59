//! Bytes move: the hot path.

use sysflow::record::op;

use super::{net::learn_peer, process::namespaces};
use crate::{
    Recorder,
    op::{Ignored, Tuple, clone_flags},
    recorder::{At, Io, Outcome},
    state::fd::FdKind,
};

impl Recorder {
    pub(crate) fn read(
        &mut self,
        at: At,
        ret: i64,
        fd: i64,
        tuple: Option<&Tuple<'_>>,
        io: &mut Io<'_>,
    ) -> Outcome {
        self.transferred(at, ret, fd, op::READ_RECV, tuple, io)
    }

    pub(crate) fn write(
        &mut self,
        at: At,
        ret: i64,
        fd: i64,
        tuple: Option<&Tuple<'_>>,
        io: &mut Io<'_>,
    ) -> Outcome {
        self.transferred(at, ret, fd, op::WRITE_SEND, tuple, io)
    }

    fn transferred(
        &mut self,
        at: At,
        ret: i64,
        number: i64,
        flag: i32,
        tuple: Option<&Tuple<'_>>,
        io: &mut Io<'_>,
    ) -> Outcome {
        let mut fd = self.fd_of_call(at, ret, number, io);
        if ret >= 0
            && let Some(tuple) = tuple
            && learn_peer(&mut fd, tuple, flag == op::READ_RECV)
        {
            self.put_fd(at.slot, number, fd);
        }
        if fd.kind == FdKind::Unknown && ret < 0 {
            return Outcome::Ignored(Ignored::Failed);
        }
        self.flow(at, number, &fd, flag, ret, io)
    }

    /// sendfile, splice, copy_file_range: a read of one descriptor and a write of the other. SysFlow's collector
    /// records none of them.
    pub(crate) fn transfer(&mut self, at: At, ret: i64, from: i64, to: i64, io: &mut Io<'_>) -> Outcome {
        if self.habits.collector_gaps {
            return Outcome::Ignored(Ignored::Mode);
        }
        let read = self.transferred(at, ret, from, op::READ_RECV, None, io);
        let written = self.transferred(at, ret, to, op::WRITE_SEND, None, io);
        // One event is counted once: it is folded if either end was.
        if read == Outcome::Folded { read } else { written }
    }

    pub(crate) fn mmap(&mut self, at: At, ret: i64, fd: i64, anonymous: bool, io: &mut Io<'_>) -> Outcome {
        if anonymous || fd < 0 {
            return Outcome::Ignored(Ignored::Kind);
        }
        // The result is an address: the kernel's are negative too, errors are small.
        if (-4095..0).contains(&ret) && !self.habits.collector_entities {
            return Outcome::Ignored(Ignored::Failed);
        }
        let fd_entry = self.fd_of_call(at, ret, fd, io);
        match fd_entry.kind {
            FdKind::Path { .. } => self.flow(at, fd, &fd_entry, op::MMAP, 0, io),
            FdKind::Unknown => Outcome::UnknownFd,
            _ => Outcome::Ignored(Ignored::FdKind),
        }
    }

    /// The new namespaces are those of a file below /proc/PID/ns, or all that `kinds` names of a pidfd's process.
    pub(crate) fn set_ns(&mut self, at: At, ret: i64, fd: i64, kinds: u32, io: &mut Io<'_>) -> Outcome {
        if ret < 0 && !self.habits.collector_entities {
            return Outcome::Ignored(Ignored::Failed);
        }
        let entry = self.fd_of_call(at, ret, fd, io);
        match entry.kind {
            FdKind::Path { path, .. } => {
                if kinds & clone_flags::NEWNS != 0 || self.files.text(path).ends_with("/ns/mnt") {
                    self.enter_root(at, ret);
                }
                self.flow(at, fd, &entry, op::SETNS, 0, io)
            }
            FdKind::Process { pid } => {
                if kinds & clone_flags::NEWNS != 0 {
                    self.enter_root(at, ret);
                }
                let args = vec!["setns".into(), namespaces(kinds), pid.to_string()];
                self.extended_event(at, op::SETNS, ret, args, io)
            }
            FdKind::Unknown => Outcome::UnknownFd,
            _ => Outcome::Ignored(Ignored::FdKind),
        }
    }
}
