//! Events on paths: made, removed, renamed, their mode changed.

use std::fmt::Write as _;

use sysflow::{
    Foid, Record,
    attr::names,
    record::{FileEvent, op, open_flags},
};

use crate::{
    Recorder, Urgency,
    config::FileMode,
    emit::Cause,
    op::{Ignored, LinkKind, LinkOp, Open, PathKind, PathOp},
    recorder::{At, Io, Outcome},
    state::fd::FdKind,
};

/// The kind of a file that only its path is known of.
const ANY: u8 = b'?';

impl Recorder {
    pub(crate) fn path_event(&mut self, at: At, event: &PathOp<'_>, io: &mut Io<'_>) -> Outcome {
        let (mut flag, is_new) = flag_of(&event.kind);
        if event.kind == PathKind::UnlinkDir && self.habits.collector_entities {
            flag = op::UNLINK;
        }
        if is_new && !self.records_new_kinds() || self.habits.files == FileMode::None {
            return Outcome::Ignored(Ignored::Mode);
        }
        let path = self.event_path(at, event.dirfd, event.path, io);
        self.one_file(at, event.ret, flag, &event.kind, &path, io);
        Outcome::Folded
    }

    pub(crate) fn fd_path_event(
        &mut self,
        at: At,
        ret: i64,
        kind: PathKind<'_>,
        fd: i64,
        io: &mut Io<'_>,
    ) -> Outcome {
        let (flag, is_new) = flag_of(&kind);
        if is_new && !self.records_new_kinds() || self.habits.files == FileMode::None {
            return Outcome::Ignored(Ignored::Mode);
        }
        match self.fd_of_call(at, ret, fd, io).kind {
            FdKind::Path { path, .. } => {
                let path = self.files.text(path).to_owned();
                self.one_file(at, ret, flag, &kind, &path, io);
                Outcome::Folded
            }
            FdKind::Unknown if ret < 0 => Outcome::Ignored(Ignored::Failed),
            FdKind::Unknown => Outcome::UnknownFd,
            _ => Outcome::Ignored(Ignored::FdKind),
        }
    }

    fn one_file(&mut self, at: At, ret: i64, flag: i32, kind: &PathKind<'_>, path: &str, io: &mut Io<'_>) {
        let is_dir = matches!(kind, PathKind::Mkdir | PathKind::Rmdir)
            || *kind == PathKind::UnlinkDir && !self.habits.collector_entities;
        let restype = if is_dir { b'd' } else { ANY };
        self.write_process_once(at.slot, at.ts, Cause::Other, io);
        let file = self.written_file(at, path, restype, true, io);
        let arg = self.argument(kind);
        self.file_event(at, flag, ret, file, None, arg, io);
    }

    pub(crate) fn link_event(&mut self, at: At, link: &LinkOp<'_>, io: &mut Io<'_>) -> Outcome {
        if self.habits.files == FileMode::None {
            return Outcome::Ignored(Ignored::Mode);
        }
        let flag = match link.kind {
            LinkKind::Rename => op::RENAME,
            LinkKind::Link => op::LINK,
            LinkKind::Symlink | LinkKind::SymlinkAt => op::SYMLINK,
        };
        let old = match link.kind {
            LinkKind::SymlinkAt => self.text(link.old),
            // A target is seen from where the link is; SysFlow's collector takes the working directory.
            LinkKind::Symlink if !self.habits.collector_entities => self.text(link.old),
            _ => self.event_path(at, link.old_dirfd, link.old, io),
        };
        let new = self.event_path(at, link.new_dirfd, link.new, io);
        self.write_process_once(at.slot, at.ts, Cause::Other, io);
        let old = self.written_file(at, &old, ANY, false, io);
        let new = self.written_file(at, &new, ANY, true, io);
        self.file_event(at, flag, link.ret, old, Some(new), String::new(), io);
        Outcome::Folded
    }

    /// An open that was refused: SysFlow never saw an intruder try.
    pub(crate) fn refused_open(&mut self, at: At, open: &Open<'_>, io: &mut Io<'_>) -> Outcome {
        if self.habits.files == FileMode::None {
            return Outcome::Ignored(Ignored::Mode);
        }
        let path = self.absolute(at, open.dirfd, open.path, io);
        self.write_process_once(at.slot, at.ts, Cause::Other, io);
        let file = self.written_file(at, &path, ANY, false, io);
        self.file_event(at, op::OPEN, open.ret, file, None, open_flag_names(open.flags as i32), io);
        Outcome::Folded
    }

    fn written_file(&mut self, at: At, path: &str, restype: u8, new: bool, io: &mut Io<'_>) -> Foid {
        let container = self.processes.get(at.slot).map_or(0, |process| process.container);
        let path = self.files.path(path);
        let file = self.files.file(container, self.containers.id(container), path, restype);
        self.write_file_once(file, at.ts, new, io);
        let [first, second] = &mut self.last_files;
        if first.is_some() { second } else { first }.get_or_insert(file);
        self.rollup_file(file, at.ts);
        self.files.get(file).map_or_else(Foid::default, |file| file.oid)
    }

    #[allow(clippy::too_many_arguments, reason = "the fields of the record")]
    fn file_event(
        &mut self,
        at: At,
        flag: i32,
        ret: i64,
        file_oid: Foid,
        new_file_oid: Option<Foid>,
        arg: String,
        io: &mut Io<'_>,
    ) {
        let Some(process) = self.processes.get(at.slot) else { return };
        let record = FileEvent {
            proc_oid: process.oid,
            ts: at.ts,
            tid: at.tid,
            op_flags: flag,
            file_oid,
            ret: ret as i32,
            new_file_oid,
            arg: if self.habits.extended { arg } else { String::new() },
        };
        self.emit(&Record::FileEvent(record), Urgency::Soon, io);
    }

    /// What the record says beside the path.
    fn argument(&mut self, kind: &PathKind<'_>) -> String {
        match kind {
            PathKind::Mkdir | PathKind::Rmdir | PathKind::Unlink | PathKind::UnlinkDir => String::new(),
            PathKind::Chmod { mode } => format!("{mode:#06o}"),
            // -1 leaves an owner as it is.
            PathKind::Chown { uid, gid } => format!("{}:{}", *uid as i32, *gid as i32),
            PathKind::Mount { device, fstype, flags } => {
                format!("{} {} {flags:#x}", self.text(device), self.text(fstype))
            }
            PathKind::Umount { flags } => format!("{flags:#x}"),
            PathKind::Mknod { mode, device } => format!("{mode:#o} {device:#x}"),
        }
    }
}

/// Operation bit, and whether only the extended schema has it.
fn flag_of(kind: &PathKind<'_>) -> (i32, bool) {
    match kind {
        PathKind::Mkdir => (op::MKDIR, false),
        PathKind::Rmdir | PathKind::UnlinkDir => (op::RMDIR, false),
        PathKind::Unlink => (op::UNLINK, false),
        PathKind::Chmod { .. } => (op::CHMOD, true),
        PathKind::Chown { .. } => (op::CHOWN, true),
        PathKind::Mount { .. } => (op::MOUNT, true),
        PathKind::Umount { .. } => (op::UMOUNT, true),
        PathKind::Mknod { .. } => (op::MKNOD, true),
    }
}

/// Names of open flags as `sf.file.openflags` has them, joined by commas.
fn open_flag_names(flags: i32) -> String {
    let access = match flags & open_flags::RDWR {
        open_flags::RDONLY => "RDONLY",
        open_flags::WRONLY => "WRONLY",
        open_flags::RDWR => "RDWR",
        _ => "NONE",
    };
    let mut out = access.to_owned();
    for name in names::open_modifiers(flags) {
        let _ = write!(out, ",{name}");
    }
    out
}
