//! Event types, by the numbers of Falco's driver ABI (libs: driver/ppm_events_public.h), which never change.

/// Makes a constant of each type and the list of those that the plugin asks Falco for.
macro_rules! codes {
    ($($code:literal $name:ident)*) => {
        $(
            #[allow(dead_code, reason = "one that only lets time pass is named nowhere else")]
            pub(crate) const $name: u16 = $code;
        )*

        /// What the plugin subscribes to. Nothing of it is unknown to Falco 0.42: a type that the host does not
        /// know stops it at start.
        pub(crate) const SUBSCRIBED: &[u16] = &[$($code),*];
    };
}

codes! {
    3 OPEN_X
    5 CLOSE_X
    7 READ_X
    9 WRITE_X
    19 SOCKET_X
    21 BIND_X
    23 CONNECT_X
    25 LISTEN_X
    29 SEND_X
    31 SENDTO_X
    33 RECV_X
    35 RECVFROM_X
    37 SHUTDOWN_X
    43 SOCKETPAIR_X
    49 SENDMSG_X
    51 SENDMMSG_X
    53 RECVMSG_X
    55 RECVMMSG_X
    59 CREAT_X
    61 PIPE_X
    63 EVENTFD_X
    95 CHDIR_X
    97 FCHDIR_X
    113 PREAD_X
    115 PWRITE_X
    117 READV_X
    119 WRITEV_X
    121 PREADV_X
    123 PWRITEV_X
    127 SIGNALFD_X
    129 KILL_X
    131 TKILL_X
    133 TGKILL_X
    137 TIMERFD_CREATE_X
    139 INOTIFY_INIT_X
    151 FCNTL_X
    161 MMAP_X
    163 MMAP2_X
    167 SPLICE_X
    169 PTRACE_X
    175 RENAME_X
    177 RENAMEAT_X
    179 SYMLINK_X
    181 SYMLINKAT_X
    186 PROCEXIT_1_E
    189 SENDFILE_X
    193 SETRESUID_X
    195 SETRESGID_X
    199 SETUID_X
    201 SETGID_X
    223 CLONE_20_X
    225 FORK_20_X
    227 VFORK_20_X
    234 PROCINFO_E
    241 SETNS_X
    247 ACCEPT_5_X
    257 MOUNT_X
    267 CHROOT_X
    275 SETSID_X
    277 MKDIR_2_X
    279 RMDIR_2_X
    285 UNSHARE_X
    293 EXECVE_19_X
    301 UNLINK_2_X
    303 UNLINKAT_2_X
    305 MKDIRAT_X
    307 OPENAT_2_X
    309 LINK_2_X
    311 LINKAT_2_X
    313 FCHMODAT_X
    315 CHMOD_X
    317 FCHMOD_X
    319 RENAMEAT2_X
    321 USERFAULTFD_X
    324 CONTAINER_JSON_2_E
    327 OPENAT2_X
    331 EXECVEAT_X
    333 COPY_FILE_RANGE_X
    335 CLONE3_X
    337 OPEN_BY_HANDLE_AT_X
    339 IO_URING_SETUP_X
    353 CAPSET_X
    354 USER_ADDED_E
    358 GROUP_ADDED_E
    363 DUP2_X
    365 DUP3_X
    367 DUP_1_X
    369 BPF_2_X
    375 EPOLL_CREATE_X
    377 EPOLL_CREATE1_X
    379 CHOWN_X
    381 LCHOWN_X
    383 FCHOWN_X
    385 FCHOWNAT_X
    387 UMOUNT_1_X
    389 ACCEPT4_6_X
    391 UMOUNT2_X
    393 PIPE2_X
    395 INOTIFY_INIT1_X
    397 EVENTFD2_X
    399 SIGNALFD4_X
    402 ASYNCEVENT_E
    405 MEMFD_CREATE_X
    407 PIDFD_GETFD_X
    409 PIDFD_OPEN_X
    411 INIT_MODULE_X
    413 FINIT_MODULE_X
    415 MKNOD_X
    417 MKNODAT_X
    423 PROCESS_VM_WRITEV_X
    425 DELETE_MODULE_X
    427 SETREUID_X
    429 SETREGID_X
}

/// Falco 0.44 and later have it. It is decoded, and not subscribed to: 0.42 and 0.43 would refuse the plugin. Without
/// it a descriptor that close_range has closed is found out when its number is given out again.
pub(crate) const CLOSE_RANGE_X: u16 = 451;
