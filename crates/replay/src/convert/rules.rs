//! The rules of the conversion, as data: what to do with an event of a type that has so many parameters.
//!
//! They state the facts of libscap's savefile converter for schema 4.5.1 (libs:
//! userspace/libscap/engine/savefile/converter/table.cpp). Before schema 4 a system call was two events, and what
//! its caller passed was in the first; since then the exit event has everything.

use std::{collections::HashMap, sync::LazyLock};

use Action::{Add, Become, Pass, Store, StoreAndPass};
use Source::{ContainerJson, Default, Empty, Enter, EnterOrEmpty, Old, Olds};

use crate::schema::code;

/// Where a parameter of the new event comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// This parameter of the event itself.
    Old(u8),
    /// These parameters of the event itself, first to last.
    Olds(u8, u8),
    /// This parameter of the enter event, or the type's default if that was lost.
    Enter(u8),
    /// This parameter of the enter event, or an empty one if that was lost.
    EnterOrEmpty(u8),
    /// The default value of the parameter's type.
    Default,
    /// A parameter of length zero: not known.
    Empty,
    /// The container's description as JSON, made of the four parameters of the oldest container event.
    ContainerJson,
}

/// What to do with an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// It is current.
    Pass,
    /// Keep it for its exit event.
    Store,
    /// Keep it for its exit event and deliver it.
    StoreAndPass,
    /// Append parameters.
    Add(&'static [Source]),
    /// Make an event of another type.
    Become(u16, &'static [Source]),
}

/// One rule: event type and number of parameters found, and what to do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    pub(super) code: u16,
    pub(super) nparams: u8,
    pub(super) action: Action,
}

/// The rule for an event, if there is one.
pub(super) fn find(code: u16, nparams: u32) -> Option<Action> {
    static INDEX: LazyLock<HashMap<(u16, u8), Action>> =
        LazyLock::new(|| all().map(|r| ((r.code, r.nparams), r.action)).collect());
    INDEX.get(&(code, u8::try_from(nparams).ok()?)).copied()
}

/// All rules.
pub(super) fn all() -> impl Iterator<Item = Rule> {
    let stored = STORED.iter().map(|&(code, nparams)| rule(code, nparams, Store));
    stored.chain(RULES.iter().copied())
}

const fn rule(code: u16, nparams: u8, action: Action) -> Rule {
    Rule { code, nparams, action }
}

/// Enter events that are kept until their exit event comes, with the number of parameters they must have.
const STORED: &[(u16, u8)] = &[
    (code::GENERIC_E, 2),
    (code::SYSCALL_CLOSE_E, 1),
    (code::SYSCALL_READ_E, 2),
    (code::SYSCALL_LINK_E, 2),
    (code::SYSCALL_LINKAT_E, 4),
    (code::SYSCALL_UNLINK_E, 1),
    (code::SYSCALL_UNLINKAT_E, 2),
    (code::SYSCALL_PREAD_E, 3),
    (code::SYSCALL_DUP_E, 1),
    (code::SYSCALL_SIGNALFD_E, 3),
    (code::SYSCALL_KILL_E, 2),
    (code::SYSCALL_TKILL_E, 2),
    (code::SYSCALL_TGKILL_E, 3),
    (code::SYSCALL_NANOSLEEP_E, 1),
    (code::SYSCALL_TIMERFD_CREATE_E, 2),
    (code::SYSCALL_INOTIFY_INIT_E, 1),
    (code::SYSCALL_GETRLIMIT_E, 1),
    (code::SYSCALL_SETRLIMIT_E, 1),
    (code::SYSCALL_PRLIMIT_E, 2),
    (code::SYSCALL_FCNTL_E, 2),
    (code::SYSCALL_BRK_1_E, 1),
    (code::SYSCALL_BRK_4_E, 1),
    (code::SOCKET_BIND_E, 1),
    (code::SOCKET_SOCKET_E, 3),
    (code::SOCKET_LISTEN_E, 2),
    (code::SYSCALL_WRITE_E, 2),
    (code::SYSCALL_PWRITE_E, 3),
    (code::SYSCALL_READV_E, 1),
    (code::SYSCALL_WRITEV_E, 2),
    (code::SYSCALL_PREADV_E, 2),
    (code::SYSCALL_PWRITEV_E, 3),
    (code::SYSCALL_SETRESUID_E, 3),
    (code::SYSCALL_SETUID_E, 1),
    (code::SOCKET_RECV_E, 2),
    (code::SOCKET_RECVFROM_E, 2),
    (code::SOCKET_SEND_E, 2),
    (code::SOCKET_SENDTO_E, 3),
    (code::SOCKET_SHUTDOWN_E, 2),
    (code::SOCKET_SOCKETPAIR_E, 3),
    (code::SOCKET_SENDMSG_E, 3),
    (code::SOCKET_RECVMSG_E, 1),
    (code::SYSCALL_EVENTFD_E, 2),
    (code::SYSCALL_MKDIR_2_E, 1),
    (code::SYSCALL_MKDIR_E, 2),
    (code::SYSCALL_RMDIR_E, 1),
    (code::SYSCALL_OPENAT_E, 4),
    (code::SYSCALL_UNSHARE_E, 1),
    (code::SYSCALL_FUTEX_E, 3),
    (code::SYSCALL_FSTAT_E, 1),
    (code::SYSCALL_EPOLLWAIT_E, 1),
    (code::SYSCALL_POLL_E, 2),
    (code::SYSCALL_LSEEK_E, 3),
    (code::SYSCALL_LLSEEK_E, 3),
    (code::SYSCALL_IOCTL_2_E, 2),
    (code::SYSCALL_IOCTL_3_E, 3),
    (code::SYSCALL_MMAP_E, 6),
    (code::SYSCALL_MMAP2_E, 6),
    (code::SYSCALL_MUNMAP_E, 2),
    (code::SYSCALL_SPLICE_E, 4),
    (code::SYSCALL_PTRACE_E, 2),
    (code::SYSCALL_SENDFILE_E, 4),
    (code::SYSCALL_QUOTACTL_E, 4),
    (code::SYSCALL_FCHDIR_E, 1),
    (code::SYSCALL_GETDENTS_E, 1),
    (code::SYSCALL_GETDENTS64_E, 1),
    (code::SYSCALL_SETNS_E, 2),
    (code::SYSCALL_FLOCK_E, 2),
    (code::SYSCALL_SEMOP_E, 1),
    (code::SYSCALL_SEMCTL_E, 4),
    (code::SYSCALL_PPOLL_E, 3),
    (code::SYSCALL_MOUNT_E, 1),
    (code::SYSCALL_SEMGET_E, 3),
    (code::SYSCALL_ACCESS_E, 1),
    (code::SYSCALL_SETGID_E, 1),
    (code::SYSCALL_SETPGID_E, 2),
    (code::SYSCALL_BPF_E, 1),
    (code::SYSCALL_SECCOMP_E, 2),
    (code::SYSCALL_MPROTECT_E, 3),
    (code::SYSCALL_COPY_FILE_RANGE_E, 3),
    (code::SYSCALL_EPOLL_CREATE_E, 1),
    (code::SYSCALL_EPOLL_CREATE1_E, 1),
    (code::SYSCALL_SETRESGID_E, 3),
    (code::SOCKET_ACCEPT4_E, 1),
    (code::SOCKET_ACCEPT4_5_E, 1),
    (code::SOCKET_ACCEPT4_6_E, 1),
    (code::SYSCALL_UMOUNT2_E, 1),
    (code::SYSCALL_EVENTFD2_E, 1),
    (code::SYSCALL_SIGNALFD4_E, 2),
];

/// Everything else.
const RULES: &[Rule] = &[
    rule(code::GENERIC_X, 1, Add(&[EnterOrEmpty(1)])),
    rule(code::SYSCALL_OPEN_E, 0, Add(&[Empty, Empty, Empty])),
    rule(code::SYSCALL_OPEN_E, 3, Pass),
    rule(code::SYSCALL_OPEN_X, 4, Add(&[Empty])),
    rule(code::SYSCALL_OPEN_X, 5, Add(&[Empty])),
    rule(code::SYSCALL_CLOSE_X, 1, Add(&[Enter(0)])),
    rule(code::SYSCALL_READ_X, 2, Add(&[Enter(0), Enter(1)])),
    rule(
        code::SYSCALL_LINK_X,
        1,
        Become(code::SYSCALL_LINK_2_X, &[Old(0), EnterOrEmpty(0), EnterOrEmpty(1)]),
    ),
    rule(
        code::SYSCALL_LINKAT_X,
        1,
        Become(
            code::SYSCALL_LINKAT_2_X,
            &[Old(0), EnterOrEmpty(0), EnterOrEmpty(1), EnterOrEmpty(2), EnterOrEmpty(3), Empty],
        ),
    ),
    rule(code::SYSCALL_UNLINK_X, 1, Become(code::SYSCALL_UNLINK_2_X, &[Old(0), EnterOrEmpty(0)])),
    rule(
        code::SYSCALL_UNLINKAT_X,
        1,
        Become(code::SYSCALL_UNLINKAT_2_X, &[Old(0), EnterOrEmpty(0), EnterOrEmpty(1), Empty]),
    ),
    rule(code::SYSCALL_PREAD_X, 2, Add(&[Enter(0), Enter(1), Enter(2)])),
    rule(code::SYSCALL_DUP_X, 1, Become(code::SYSCALL_DUP_1_X, &[Old(0), EnterOrEmpty(0)])),
    rule(code::SYSCALL_SIGNALFD_X, 1, Add(&[Enter(0), Enter(1), Enter(2)])),
    rule(code::SYSCALL_KILL_X, 1, Add(&[Enter(0), Enter(1)])),
    rule(code::SYSCALL_TKILL_X, 1, Add(&[Enter(0), Enter(1)])),
    rule(code::SYSCALL_TGKILL_X, 1, Add(&[Enter(0), Enter(1), Enter(2)])),
    rule(code::SYSCALL_NANOSLEEP_X, 1, Add(&[Enter(0)])),
    rule(code::SYSCALL_TIMERFD_CREATE_X, 1, Add(&[Enter(0), Enter(1)])),
    rule(code::SYSCALL_INOTIFY_INIT_X, 1, Add(&[Enter(0)])),
    rule(code::SYSCALL_GETRLIMIT_X, 3, Add(&[Enter(0)])),
    rule(code::SYSCALL_SETRLIMIT_X, 3, Add(&[Enter(0)])),
    rule(code::SYSCALL_PRLIMIT_X, 5, Add(&[EnterOrEmpty(0), EnterOrEmpty(1)])),
    rule(
        code::SCHEDSWITCH_1_E,
        1,
        Become(code::SCHEDSWITCH_6_E, &[Old(0), Empty, Empty, Empty, Empty, Empty]),
    ),
    rule(code::SYSCALL_FCNTL_X, 1, Add(&[Enter(0), Enter(1)])),
    rule(code::SYSCALL_FCNTL_X, 3, Add(&[Default])),
    rule(
        code::SYSCALL_BRK_1_X,
        1,
        Become(code::SYSCALL_BRK_4_X, &[Old(0), EnterOrEmpty(0), Empty, Empty, Empty]),
    ),
    rule(code::SYSCALL_BRK_4_X, 4, Add(&[EnterOrEmpty(0)])),
    rule(code::SYSCALL_EXECVE_8_E, 0, Become(code::SYSCALL_EXECVE_13_E, &[])),
    rule(
        code::SYSCALL_EXECVE_8_X,
        8,
        Become(code::SYSCALL_EXECVE_13_X, &[Olds(0, 7), Empty, Empty, Empty, Empty, Empty]),
    ),
    rule(code::SYSCALL_EXECVE_13_E, 0, Become(code::SYSCALL_EXECVE_14_E, &[])),
    rule(code::SYSCALL_EXECVE_13_X, 13, Become(code::SYSCALL_EXECVE_14_X, &[Olds(0, 12), Empty])),
    rule(code::SYSCALL_EXECVE_14_E, 0, Become(code::SYSCALL_EXECVE_15_E, &[])),
    rule(code::SYSCALL_EXECVE_14_X, 14, Become(code::SYSCALL_EXECVE_15_X, &[Olds(0, 12), Empty, Old(13)])),
    rule(code::SYSCALL_EXECVE_15_E, 0, Become(code::SYSCALL_EXECVE_16_E, &[])),
    rule(code::SYSCALL_EXECVE_15_X, 15, Become(code::SYSCALL_EXECVE_16_X, &[Olds(0, 13), Empty, Old(14)])),
    rule(code::SYSCALL_EXECVE_16_E, 0, Become(code::SYSCALL_EXECVE_17_E, &[])),
    rule(code::SYSCALL_EXECVE_16_X, 16, Become(code::SYSCALL_EXECVE_17_X, &[Olds(0, 15), Empty])),
    rule(code::SYSCALL_EXECVE_17_E, 0, Become(code::SYSCALL_EXECVE_18_E, &[Empty])),
    rule(code::SYSCALL_EXECVE_17_X, 17, Become(code::SYSCALL_EXECVE_18_X, &[Olds(0, 16)])),
    rule(code::SYSCALL_EXECVE_18_E, 1, Become(code::SYSCALL_EXECVE_19_E, &[Old(0)])),
    rule(code::SYSCALL_EXECVE_18_X, 17, Become(code::SYSCALL_EXECVE_19_X, &[Olds(0, 16), Empty])),
    rule(code::SYSCALL_EXECVE_19_X, 18, Add(&[Empty])),
    rule(code::SYSCALL_EXECVE_19_E, 1, StoreAndPass),
    rule(code::SYSCALL_EXECVE_19_X, 19, Add(&[Empty])),
    rule(code::SYSCALL_EXECVE_19_X, 20, Add(&[Empty, Empty, Empty])),
    rule(code::SYSCALL_EXECVE_19_X, 23, Add(&[Empty, Empty, Empty])),
    rule(code::SYSCALL_EXECVE_19_X, 26, Add(&[Empty])),
    rule(code::SYSCALL_EXECVE_19_X, 27, Add(&[Empty])),
    rule(code::SYSCALL_EXECVE_19_X, 28, Add(&[Empty])),
    rule(code::SYSCALL_EXECVE_19_X, 29, Add(&[Empty])),
    rule(code::SYSCALL_EXECVE_19_X, 30, Add(&[EnterOrEmpty(0)])),
    rule(
        code::SYSCALL_CLONE_11_X,
        11,
        Become(code::SYSCALL_CLONE_16_X, &[Olds(0, 7), Empty, Empty, Empty, Empty, Empty, Olds(8, 10)]),
    ),
    rule(code::SYSCALL_CLONE_16_X, 16, Become(code::SYSCALL_CLONE_17_X, &[Olds(0, 12), Empty, Olds(13, 15)])),
    rule(
        code::SYSCALL_CLONE_17_X,
        17,
        Become(code::SYSCALL_CLONE_20_X, &[Olds(0, 13), Empty, Olds(14, 16), Empty, Empty]),
    ),
    rule(code::SYSCALL_CLONE_20_X, 20, Add(&[Empty])),
    rule(code::SOCKET_BIND_X, 2, Add(&[Enter(0)])),
    rule(code::SOCKET_CONNECT_E, 1, Add(&[Default])),
    rule(code::SOCKET_CONNECT_E, 2, StoreAndPass),
    rule(code::SOCKET_CONNECT_X, 2, Add(&[Enter(0)])),
    rule(code::SOCKET_CONNECT_X, 3, Add(&[Enter(1)])),
    rule(code::PROCEXIT_E, 0, Become(code::PROCEXIT_1_E, &[Empty, Empty, Empty, Empty, Empty])),
    rule(code::SOCKET_SOCKET_X, 1, Add(&[Enter(0), Enter(1), Enter(2)])),
    rule(code::SOCKET_SOCKET_X, 4, Add(&[Default])),
    rule(code::SOCKET_LISTEN_X, 1, Add(&[Enter(0), Enter(1)])),
    rule(code::SOCKET_ACCEPT_X, 3, Become(code::SOCKET_ACCEPT_5_X, &[Olds(0, 2), Default, Default])),
    rule(code::SYSCALL_WRITE_X, 2, Add(&[Enter(0), Enter(1)])),
    rule(code::SYSCALL_PWRITE_X, 2, Add(&[Enter(0), Enter(1), Enter(2)])),
    rule(code::SYSCALL_READV_X, 3, Add(&[Enter(0)])),
    rule(code::SYSCALL_WRITEV_X, 2, Add(&[Enter(0), Enter(1)])),
    rule(code::SYSCALL_PREADV_X, 3, Add(&[Enter(0), Enter(1)])),
    rule(code::SYSCALL_PWRITEV_X, 2, Add(&[Enter(0), Enter(1), Enter(2)])),
    rule(code::SYSCALL_SETRESUID_X, 1, Add(&[EnterOrEmpty(0), EnterOrEmpty(1), EnterOrEmpty(2)])),
    rule(code::SYSCALL_SETUID_X, 1, Add(&[EnterOrEmpty(0)])),
    rule(code::SOCKET_RECV_X, 2, Add(&[Enter(0), Enter(1), Default])),
    rule(code::SOCKET_RECVFROM_X, 3, Add(&[Enter(0), Enter(1)])),
    rule(code::SOCKET_SEND_X, 2, Add(&[Enter(0), Enter(1), Default])),
    rule(code::SOCKET_SENDTO_X, 2, Add(&[Enter(0), Enter(1), Enter(2)])),
    rule(code::SOCKET_SHUTDOWN_X, 1, Add(&[Enter(0), Enter(1)])),
    rule(code::SOCKET_SOCKETPAIR_X, 5, Add(&[Enter(0), Enter(1), Enter(2)])),
    rule(code::SOCKET_SENDMSG_X, 2, Add(&[Enter(0), Enter(1), Enter(2)])),
    rule(code::SOCKET_SENDMMSG_X, 0, Add(&[Default, Empty, Empty, Empty, Empty])),
    rule(code::SOCKET_RECVMSG_X, 4, Add(&[Default])),
    rule(code::SOCKET_RECVMSG_X, 5, Add(&[Enter(0)])),
    rule(code::SOCKET_RECVMMSG_X, 0, Add(&[Default, Empty, Empty, Empty, Empty, Empty])),
    rule(code::SYSCALL_CREAT_E, 0, Add(&[Empty, Empty])),
    rule(code::SYSCALL_CREAT_E, 2, Pass),
    rule(code::SYSCALL_CREAT_X, 3, Add(&[Empty])),
    rule(code::SYSCALL_CREAT_X, 4, Add(&[Empty])),
    rule(code::SYSCALL_CREAT_X, 5, Add(&[Empty])),
    rule(code::SYSCALL_EVENTFD_X, 1, Add(&[Enter(0), Enter(1)])),
    rule(code::SYSCALL_MKDIR_2_X, 2, Add(&[EnterOrEmpty(0)])),
    rule(
        code::SYSCALL_MKDIR_X,
        1,
        Become(code::SYSCALL_MKDIR_2_X, &[Old(0), EnterOrEmpty(0), EnterOrEmpty(1)]),
    ),
    rule(code::SYSCALL_RMDIR_X, 1, Become(code::SYSCALL_RMDIR_2_X, &[Old(0), EnterOrEmpty(0)])),
    rule(
        code::SYSCALL_OPENAT_X,
        1,
        Become(
            code::SYSCALL_OPENAT_2_X,
            &[Old(0), EnterOrEmpty(0), EnterOrEmpty(1), EnterOrEmpty(2), EnterOrEmpty(3), Empty, Empty],
        ),
    ),
    rule(code::SYSCALL_OPENAT_2_E, 0, Add(&[Empty, Empty, Empty, Empty])),
    rule(code::SYSCALL_OPENAT_2_E, 4, Pass),
    rule(code::SYSCALL_OPENAT_2_X, 5, Add(&[Empty])),
    rule(code::SYSCALL_OPENAT_2_X, 6, Add(&[Empty])),
    rule(code::SYSCALL_UNSHARE_X, 1, Add(&[Enter(0)])),
    rule(code::SYSCALL_FUTEX_X, 1, Add(&[Enter(0), Enter(1), Enter(2)])),
    rule(code::SYSCALL_FSTAT_X, 1, Add(&[Enter(0)])),
    rule(code::SYSCALL_EPOLLWAIT_X, 1, Add(&[Enter(0)])),
    rule(code::SYSCALL_POLL_X, 2, Add(&[Enter(1)])),
    rule(code::SYSCALL_NEWSELECT_X, 1, Become(code::SYSCALL_SELECT_X, &[Old(0)])),
    rule(code::SYSCALL_LSEEK_X, 1, Add(&[Enter(0), Enter(1), Enter(2)])),
    rule(code::SYSCALL_LLSEEK_X, 1, Add(&[Enter(0), Enter(1), Enter(2)])),
    rule(
        code::SYSCALL_IOCTL_2_X,
        1,
        Become(code::SYSCALL_IOCTL_3_X, &[Old(0), EnterOrEmpty(0), EnterOrEmpty(1), Empty]),
    ),
    rule(code::SYSCALL_IOCTL_3_X, 1, Add(&[Enter(0), Enter(1), Enter(2)])),
    rule(code::SYSCALL_MMAP_X, 4, Add(&[Enter(0), Enter(1), Enter(2), Enter(3), Enter(4), Enter(5)])),
    rule(code::SYSCALL_MMAP2_X, 4, Add(&[Enter(0), Enter(1), Enter(2), Enter(3), Enter(4), Enter(5)])),
    rule(code::SYSCALL_MUNMAP_X, 4, Add(&[Enter(0), Enter(1)])),
    rule(code::SYSCALL_SPLICE_X, 1, Add(&[Enter(0), Enter(1), Enter(2), Enter(3)])),
    rule(code::SYSCALL_PTRACE_X, 0, Add(&[Empty, Empty, Empty])),
    rule(code::SYSCALL_PTRACE_X, 3, Add(&[EnterOrEmpty(0), EnterOrEmpty(1)])),
    rule(code::SYSCALL_FORK_X, 16, Become(code::SYSCALL_FORK_17_X, &[Olds(0, 12), Empty, Olds(13, 15)])),
    rule(
        code::SYSCALL_FORK_17_X,
        17,
        Become(code::SYSCALL_FORK_20_X, &[Olds(0, 13), Empty, Olds(14, 16), Empty, Empty]),
    ),
    rule(code::SYSCALL_FORK_20_X, 20, Add(&[Empty])),
    rule(code::SYSCALL_VFORK_X, 16, Become(code::SYSCALL_VFORK_17_X, &[Olds(0, 12), Empty, Olds(13, 15)])),
    rule(
        code::SYSCALL_VFORK_17_X,
        17,
        Become(code::SYSCALL_VFORK_20_X, &[Olds(0, 13), Empty, Olds(14, 16), Empty, Empty]),
    ),
    rule(code::SYSCALL_VFORK_20_X, 20, Add(&[Empty])),
    rule(code::SYSCALL_SENDFILE_X, 2, Add(&[Enter(0), Enter(1), Enter(3)])),
    rule(code::SYSCALL_QUOTACTL_X, 14, Add(&[Enter(0), Enter(1), Enter(2), Enter(3)])),
    rule(code::SYSCALL_FCHDIR_X, 1, Add(&[EnterOrEmpty(0)])),
    rule(code::SYSCALL_GETDENTS_X, 1, Add(&[Enter(0)])),
    rule(code::SYSCALL_GETDENTS64_X, 1, Add(&[Enter(0)])),
    rule(code::SYSCALL_SETNS_X, 1, Add(&[EnterOrEmpty(0), EnterOrEmpty(1)])),
    rule(code::SYSCALL_FLOCK_X, 1, Add(&[Enter(0), Enter(1)])),
    rule(code::SYSCALL_SEMOP_X, 8, Add(&[Enter(0)])),
    rule(code::SYSCALL_SEMCTL_X, 1, Add(&[Enter(0), Enter(1), Enter(2), Enter(3)])),
    rule(code::SYSCALL_PPOLL_X, 2, Add(&[Enter(1), Enter(2)])),
    rule(code::SYSCALL_MOUNT_X, 4, Add(&[Enter(0)])),
    rule(code::SYSCALL_UMOUNT_X, 2, Become(code::SYSCALL_UMOUNT_1_X, &[Olds(0, 1)])),
    rule(code::SYSCALL_SEMGET_X, 1, Add(&[Enter(0), Enter(1), Enter(2)])),
    rule(code::SYSCALL_ACCESS_X, 2, Add(&[Enter(0)])),
    rule(code::CONTAINER_E, 4, Become(code::CONTAINER_JSON_E, &[ContainerJson])),
    rule(code::CONTAINER_JSON_E, 1, Become(code::CONTAINER_JSON_2_E, &[Old(0)])),
    rule(code::SYSCALL_SETGID_X, 1, Add(&[EnterOrEmpty(0)])),
    rule(code::SYSCALL_SETPGID_X, 1, Add(&[EnterOrEmpty(0), EnterOrEmpty(1)])),
    rule(code::SYSCALL_BPF_X, 1, Become(code::SYSCALL_BPF_2_X, &[Old(0), EnterOrEmpty(0)])),
    rule(code::SYSCALL_SECCOMP_E, 1, Add(&[Default])),
    rule(code::SYSCALL_SECCOMP_X, 1, Add(&[Enter(0), Enter(1)])),
    rule(code::SYSCALL_OPENAT2_E, 0, Add(&[Empty, Empty, Empty, Empty, Empty])),
    rule(code::SYSCALL_OPENAT2_E, 5, Pass),
    rule(code::SYSCALL_OPENAT2_X, 6, Add(&[Empty, Empty])),
    rule(code::SYSCALL_MPROTECT_X, 1, Add(&[Enter(0), Enter(1), Enter(2)])),
    rule(code::SYSCALL_EXECVEAT_E, 3, Pass),
    rule(code::SYSCALL_EXECVEAT_X, 19, Add(&[Empty])),
    rule(code::SYSCALL_EXECVEAT_X, 20, Add(&[Empty, Empty, Empty])),
    rule(code::SYSCALL_EXECVEAT_X, 23, Add(&[Empty, Empty, Empty])),
    rule(code::SYSCALL_EXECVEAT_X, 26, Add(&[Empty])),
    rule(code::SYSCALL_EXECVEAT_X, 27, Add(&[Empty])),
    rule(code::SYSCALL_EXECVEAT_X, 28, Add(&[Empty])),
    rule(code::SYSCALL_EXECVEAT_X, 29, Add(&[Empty])),
    rule(code::SYSCALL_COPY_FILE_RANGE_X, 3, Add(&[Enter(0), Enter(1), Enter(2)])),
    rule(code::SYSCALL_CLONE3_X, 20, Add(&[Empty])),
    rule(code::SYSCALL_EPOLL_CREATE_X, 1, Add(&[Enter(0)])),
    rule(code::SYSCALL_EPOLL_CREATE1_X, 1, Add(&[Enter(0)])),
    rule(code::SYSCALL_SETRESGID_X, 1, Add(&[EnterOrEmpty(0), EnterOrEmpty(1), EnterOrEmpty(2)])),
    rule(
        code::SOCKET_ACCEPT4_X,
        3,
        Become(code::SOCKET_ACCEPT4_6_X, &[Olds(0, 2), Default, Default, Enter(0)]),
    ),
    rule(code::SOCKET_ACCEPT4_5_X, 5, Become(code::SOCKET_ACCEPT4_6_X, &[Olds(0, 4), Enter(0)])),
    rule(code::SOCKET_ACCEPT4_6_X, 5, Add(&[Enter(0)])),
    rule(code::SYSCALL_UMOUNT2_X, 2, Add(&[Enter(0)])),
    rule(code::SYSCALL_EVENTFD2_X, 2, Add(&[Enter(0)])),
    rule(code::SYSCALL_SIGNALFD4_X, 2, Add(&[Enter(0), Enter(1)])),
];
