//! Falco's raw events as typed operations: the only place that knows indexes of parameters.
//!
//! The indexes are those of event schema 4 (Falco 0.42 and later), where exit events carry all parameters of their
//! system call. Parameters are read by index with checked bounds; those that an older host lacks read as absent.

#![allow(clippy::wildcard_imports, reason = "the module of codes holds nothing but codes")]

pub(crate) mod code;
mod file;
mod krsi;
mod net;
mod process;
mod raw;

use sysflow_flow::op::{Event, Ignored, Op};

pub(crate) use code::SUBSCRIBED;
pub(crate) use krsi::pid_of as krsi_pid;
pub(crate) use raw::{Malformed, Raw};

/// Name of the asynchronous events in which Falco's container plugin describes a container.
const CONTAINER_EVENT: &[u8] = b"container";

/// What an event stands for: an operation of its own thread, or of one that it names.
pub(crate) fn decode<'a>(raw: &Raw<'a>) -> Result<Event<'a>, Malformed> {
    if raw.code == code::ASYNCEVENT_E && krsi::is_krsi(raw.str(1)) {
        return krsi::decode(raw);
    }
    Ok(Event { ts: raw.ts, tid: raw.tid, op: op(raw)? })
}

/// The operation that an event stands for, asynchronous ones of the krsi plugin excepted.
#[inline]
pub(crate) fn op<'a>(raw: &Raw<'a>) -> Result<Op<'a>, Malformed> {
    use code::*;
    match raw.code {
        READ_X | PREAD_X | READV_X | PREADV_X | WRITE_X | PWRITE_X | WRITEV_X | PWRITEV_X | SEND_X
        | SENDTO_X | SENDMSG_X | SENDMMSG_X | RECV_X | RECVFROM_X | RECVMSG_X | RECVMMSG_X | SENDFILE_X
        | SPLICE_X | COPY_FILE_RANGE_X | MMAP_X | MMAP2_X => file::io(raw),
        OPEN_X | OPENAT_2_X | OPENAT2_X | CREAT_X | OPEN_BY_HANDLE_AT_X => file::open(raw),
        CLOSE_X | CLOSE_RANGE_X | DUP_1_X | DUP2_X | DUP3_X | FCNTL_X | PIPE_X | PIPE2_X | EVENTFD_X
        | EVENTFD2_X | SIGNALFD_X | SIGNALFD4_X | TIMERFD_CREATE_X | INOTIFY_INIT_X | INOTIFY_INIT1_X
        | EPOLL_CREATE_X | EPOLL_CREATE1_X | USERFAULTFD_X | IO_URING_SETUP_X | MEMFD_CREATE_X
        | PIDFD_OPEN_X | PIDFD_GETFD_X => file::descriptor(raw),
        MKDIR_2_X | MKDIRAT_X | RMDIR_2_X | UNLINK_2_X | UNLINKAT_2_X | RENAME_X | RENAMEAT_X
        | RENAMEAT2_X | LINK_2_X | LINKAT_2_X | SYMLINK_X | SYMLINKAT_X | CHMOD_X | FCHMOD_X | FCHMODAT_X
        | CHOWN_X | LCHOWN_X | FCHOWN_X | FCHOWNAT_X | MKNOD_X | MKNODAT_X | MOUNT_X | UMOUNT_1_X
        | UMOUNT2_X => file::path(raw),
        SOCKET_X | BIND_X | CONNECT_X | LISTEN_X | ACCEPT_5_X | ACCEPT4_6_X | SHUTDOWN_X | SOCKETPAIR_X => {
            net::socket(raw)
        }
        CLONE_20_X | FORK_20_X | VFORK_20_X | CLONE3_X => process::clone(raw),
        EXECVE_19_X | EXECVEAT_X => process::exec(raw),
        PROCEXIT_1_E | SETUID_X | SETREUID_X | SETRESUID_X | SETGID_X | SETREGID_X | SETRESGID_X
        | SETSID_X | CAPSET_X | CHDIR_X | FCHDIR_X | CHROOT_X | SETNS_X | UNSHARE_X | PTRACE_X
        | PROCESS_VM_WRITEV_X | KILL_X | TKILL_X | TGKILL_X | INIT_MODULE_X | FINIT_MODULE_X
        | DELETE_MODULE_X | BPF_2_X => process::change(raw),
        ASYNCEVENT_E if raw.str(1) == CONTAINER_EVENT => Ok(Op::Container { json: raw.bytes(2) }),
        CONTAINER_JSON_2_E => Ok(Op::Container { json: raw.bytes(0) }),
        USER_ADDED_E => {
            let uid = raw.u32(0).ok_or(Malformed)?;
            Ok(Op::UserAdded { container: raw.str(5), uid, name: raw.str(2) })
        }
        GROUP_ADDED_E => {
            let gid = raw.u32(0).ok_or(Malformed)?;
            Ok(Op::GroupAdded { container: raw.str(2), gid, name: raw.str(1) })
        }
        // Among them PROCINFO_E, which comes from a clock, not from a system call: it lets time pass where nothing else
        // happens. And events of other plugins.
        _ => Ok(Op::Nothing(Ignored::Kind)),
    }
}

#[cfg(test)]
mod krsi_payload;
#[cfg(test)]
mod tests;
