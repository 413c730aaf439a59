//! Events of descriptors and paths.

use sysflow::record::open_flags::CLOEXEC;
use sysflow_flow::op::{AT_FDCWD, Ignored, LinkKind, LinkOp, Op, Open, PathKind, PathOp};

use super::{Malformed, Raw, code, net::tuple};

/// `MAP_ANONYMOUS` in the portable flags (libs: driver/ppm_events_public.h).
const MAP_ANONYMOUS: u32 = 1 << 3;
/// `AT_REMOVEDIR`.
const AT_REMOVEDIR: u32 = 0x200;
/// Commands of fcntl in the portable numbering.
const F_DUPFD: u8 = 1;
const F_SETFD: u8 = 3;
const F_DUPFD_CLOEXEC: u8 = 26;
/// Flags of the kernel, which some events pass on as they are.
const FD_CLOEXEC: u64 = 1;
const MFD_CLOEXEC: u32 = 1;
const CLOSE_RANGE_CLOEXEC: u32 = 1 << 2;

fn has_cloexec(flags: Option<u32>) -> bool {
    flags.is_some_and(|flags| flags & CLOEXEC as u32 != 0)
}

pub(super) fn io<'a>(raw: &Raw<'a>) -> Result<Op<'a>, Malformed> {
    use code::*;
    let ret = raw.need(0)?;
    let read = |fd: usize| Ok(Op::Read { ret, fd: raw.need(fd)?, tuple: None });
    let write = |fd: usize| Ok(Op::Write { ret, fd: raw.need(fd)?, tuple: None });
    let receive = |fd: usize, at: usize| Ok(Op::Read { ret, fd: raw.need(fd)?, tuple: tuple(raw.bytes(at)) });
    let send = |fd: usize, at: usize| Ok(Op::Write { ret, fd: raw.need(fd)?, tuple: tuple(raw.bytes(at)) });
    match raw.code {
        READ_X | PREAD_X => read(2),
        READV_X | PREADV_X => read(3),
        WRITE_X | PWRITE_X | WRITEV_X | PWRITEV_X => write(2),
        SEND_X | SENDTO_X | SENDMSG_X => send(2, 4),
        SENDMMSG_X => send(1, 4),
        RECV_X => receive(2, 4),
        RECVFROM_X => receive(3, 2),
        RECVMSG_X => receive(5, 3),
        RECVMMSG_X => receive(1, 4),
        SENDFILE_X => Ok(Op::Transfer { ret, from: raw.need(3)?, to: raw.need(2)? }),
        SPLICE_X => Ok(Op::Transfer { ret, from: raw.need(1)?, to: raw.need(2)? }),
        COPY_FILE_RANGE_X => Ok(Op::Transfer { ret, from: raw.need(3)?, to: raw.need(1)? }),
        MMAP_X | MMAP2_X => {
            let anonymous = raw.u32(7).is_some_and(|flags| flags & MAP_ANONYMOUS != 0);
            Ok(Op::Mmap { ret, fd: raw.i64(8).unwrap_or(-1), anonymous })
        }
        _ => Ok(Op::Nothing(Ignored::Kind)),
    }
}

pub(super) fn open<'a>(raw: &Raw<'a>) -> Result<Op<'a>, Malformed> {
    use code::*;
    let ret = raw.need(0)?;
    let here = Open { ret, dirfd: AT_FDCWD, ..Open::default() };
    let flags = |index: usize| raw.u32(index).unwrap_or(0);
    Ok(Op::Open(match raw.code {
        OPENAT_2_X => Open { dirfd: raw.need(1)?, path: raw.str(2), flags: flags(3), ..here },
        OPENAT2_X => Open {
            unknown_to_collector: true,
            dirfd: raw.need(1)?,
            path: raw.str(2),
            flags: flags(3),
            ..here
        },
        OPEN_BY_HANDLE_AT_X => {
            Open { unknown_to_collector: true, resolved: true, path: raw.str(3), flags: flags(2), ..here }
        }
        CREAT_X => {
            use sysflow::record::open_flags::{CREAT, TRUNC, WRONLY};
            let flags = (CREAT | WRONLY | TRUNC) as u32;
            Open { unknown_to_collector: true, path: raw.str(1), flags, ..here }
        }
        _ => Open { path: raw.str(1), flags: flags(2), ..here },
    }))
}

pub(super) fn descriptor<'a>(raw: &Raw<'a>) -> Result<Op<'a>, Malformed> {
    use code::*;
    let ret = raw.need(0)?;
    Ok(match raw.code {
        CLOSE_X => Op::Close { ret, fd: raw.need(1)? },
        CLOSE_RANGE_X => Op::CloseRange {
            ret,
            first: raw.u32(1).ok_or(Malformed)?,
            last: raw.u32(2).ok_or(Malformed)?,
            cloexec: raw.u32(3).is_some_and(|flags| flags & CLOSE_RANGE_CLOEXEC != 0),
        },
        DUP_1_X | DUP2_X => Op::Dup { ret, old: raw.need(1)?, cloexec: false },
        DUP3_X => Op::Dup { ret, old: raw.need(1)?, cloexec: has_cloexec(raw.u32(3)) },
        FCNTL_X => {
            let fd = raw.need(1)?;
            match raw.u8(2) {
                Some(F_DUPFD) => Op::Dup { ret, old: fd, cloexec: false },
                Some(F_DUPFD_CLOEXEC) => Op::Dup { ret, old: fd, cloexec: true },
                // The argument came with Falco 0.44; without it nobody knows what was set.
                Some(F_SETFD) => match raw.u64(3) {
                    Some(arg) => Op::SetCloexec { ret, fd, cloexec: arg & FD_CLOEXEC != 0 },
                    None => Op::Nothing(Ignored::Kind),
                },
                _ => Op::Nothing(Ignored::Kind),
            }
        }
        PIPE_X | PIPE2_X => {
            let fds = [raw.i64(1).unwrap_or(-1), raw.i64(2).unwrap_or(-1)];
            Op::Pipe { ret, fds, ino: raw.u64(3).unwrap_or(0), cloexec: has_cloexec(raw.u32(4)) }
        }
        MEMFD_CREATE_X => Op::MemfdCreate {
            ret,
            name: raw.str(1),
            cloexec: raw.u32(2).is_some_and(|flags| flags & MFD_CLOEXEC != 0),
        },
        // The kernel sets the flag on both by itself.
        PIDFD_OPEN_X => Op::PidfdOpen { ret, pid: raw.i64(1).unwrap_or(-1) },
        PIDFD_GETFD_X => {
            Op::PidfdGetfd { ret, pidfd: raw.i64(1).unwrap_or(-1), target: raw.i64(2).unwrap_or(-1) }
        }
        EPOLL_CREATE1_X => Op::OtherFd { ret, cloexec: raw.u32(1).is_some_and(|flags| flags & 1 != 0) },
        INOTIFY_INIT1_X | EVENTFD2_X | SIGNALFD4_X => {
            Op::OtherFd { ret, cloexec: has_cloexec(raw.u16(1).map(u32::from)) }
        }
        // And on this one.
        IO_URING_SETUP_X => Op::OtherFd { ret, cloexec: true },
        _ => Op::OtherFd { ret, cloexec: false },
    })
}

pub(super) fn path<'a>(raw: &Raw<'a>) -> Result<Op<'a>, Malformed> {
    use code::*;
    let ret = raw.need(0)?;
    let number = |index: usize| raw.u32(index).unwrap_or(0);
    let here = |kind, path| Op::Path(PathOp { ret, kind, dirfd: AT_FDCWD, path });
    let at = |kind| -> Result<Op<'a>, Malformed> {
        Ok(Op::Path(PathOp { ret, kind, dirfd: raw.need(1)?, path: raw.str(2) }))
    };
    let link = |kind| {
        let (old, new) = (raw.str(1), raw.str(2));
        Op::Link(LinkOp { ret, kind, old_dirfd: AT_FDCWD, old, new_dirfd: AT_FDCWD, new })
    };
    let link_at = |kind| -> Result<Op<'a>, Malformed> {
        let (old, new) = (raw.str(2), raw.str(4));
        Ok(Op::Link(LinkOp { ret, kind, old_dirfd: raw.need(1)?, old, new_dirfd: raw.need(3)?, new }))
    };
    Ok(match raw.code {
        MKDIR_2_X => here(PathKind::Mkdir, raw.str(1)),
        MKDIRAT_X => at(PathKind::Mkdir)?,
        RMDIR_2_X => here(PathKind::Rmdir, raw.str(1)),
        UNLINK_2_X => here(PathKind::Unlink, raw.str(1)),
        // What unlinkat removes is a directory with this flag; SysFlow calls it an unlink in any case.
        UNLINKAT_2_X if number(3) & AT_REMOVEDIR != 0 => at(PathKind::UnlinkDir)?,
        UNLINKAT_2_X => at(PathKind::Unlink)?,
        RENAME_X => link(LinkKind::Rename),
        RENAMEAT_X | RENAMEAT2_X => link_at(LinkKind::Rename)?,
        LINK_2_X => link(LinkKind::Link),
        LINKAT_2_X => link_at(LinkKind::Link)?,
        SYMLINK_X => link(LinkKind::Symlink),
        SYMLINKAT_X => {
            let (old, new) = (raw.str(1), raw.str(3));
            let new_dirfd = raw.need(2)?;
            Op::Link(LinkOp { ret, kind: LinkKind::SymlinkAt, old_dirfd: AT_FDCWD, old, new_dirfd, new })
        }
        CHMOD_X => here(PathKind::Chmod { mode: number(2) }, raw.str(1)),
        FCHMODAT_X => at(PathKind::Chmod { mode: number(3) })?,
        FCHMOD_X => Op::FdPath { ret, kind: PathKind::Chmod { mode: number(2) }, fd: raw.need(1)? },
        CHOWN_X | LCHOWN_X => here(PathKind::Chown { uid: number(2), gid: number(3) }, raw.str(1)),
        FCHOWNAT_X => at(PathKind::Chown { uid: number(3), gid: number(4) })?,
        FCHOWN_X => {
            Op::FdPath { ret, kind: PathKind::Chown { uid: number(2), gid: number(3) }, fd: raw.need(1)? }
        }
        MKNOD_X => here(PathKind::Mknod { mode: number(2), device: number(3) }, raw.str(1)),
        MKNODAT_X => at(PathKind::Mknod { mode: number(3), device: number(4) })?,
        MOUNT_X => {
            let kind = PathKind::Mount { device: raw.str(1), fstype: raw.str(3), flags: number(4) };
            here(kind, raw.str(2))
        }
        UMOUNT_1_X => here(PathKind::Umount { flags: 0 }, raw.str(1)),
        UMOUNT2_X => here(PathKind::Umount { flags: number(2) }, raw.str(1)),
        _ => Op::Nothing(Ignored::Kind),
    })
}
