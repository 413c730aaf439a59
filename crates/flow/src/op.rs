//! What a system call did, in types: the only input of this crate.
//!
//! Paths and strings are bytes as the monitored host gave them. Results are those of the system call: negative ones
//! are `-errno`. Descriptors are `i64` as in Falco's events; [`AT_FDCWD`] stands for the working directory.

/// "Relative to the working directory", in place of a directory descriptor.
pub const AT_FDCWD: i64 = -100;

/// One operation of one thread.
#[derive(Clone, Debug, PartialEq)]
pub struct Event<'a> {
    /// When it ended, in nanoseconds since the epoch; the only clock there is.
    pub ts: i64,
    /// Thread in the host's pid namespace.
    pub tid: i64,
    /// What it did.
    pub op: Op<'a>,
}

/// An operation. Variants carry what the state or a record needs, nothing else.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "each is the system call of its name, its fields that call's arguments")]
pub enum Op<'a> {
    Clone(Clone<'a>),
    Exec(Exec<'a>),
    /// A thread ended; `status` is that of wait(2).
    Exit {
        status: i64,
    },
    /// setuid, setreuid, setresuid: `asked` is the first user given, `effective` the one that holds on success.
    SetUid {
        ret: i64,
        call: UidCall,
        asked: Option<u32>,
        effective: Option<u32>,
    },
    SetGid {
        ret: i64,
        effective: Option<u32>,
    },
    SetSid {
        ret: i64,
    },
    Capset {
        ret: i64,
        effective: u64,
    },
    Chdir {
        ret: i64,
        path: &'a [u8],
    },
    Fchdir {
        ret: i64,
        fd: i64,
    },
    Chroot {
        ret: i64,
        path: &'a [u8],
    },
    /// `flags` are bits of [`clone_flags`].
    Unshare {
        ret: i64,
        flags: u32,
    },

    Open(Open<'a>),
    Close {
        ret: i64,
        fd: i64,
    },
    CloseRange {
        ret: i64,
        first: u32,
        last: u32,
        cloexec: bool,
    },
    /// dup, dup2, dup3, fcntl(F_DUPFD): `ret` is the new descriptor.
    Dup {
        ret: i64,
        old: i64,
        cloexec: bool,
    },
    /// fcntl(F_SETFD).
    SetCloexec {
        ret: i64,
        fd: i64,
        cloexec: bool,
    },
    Pipe {
        ret: i64,
        fds: [i64; 2],
        ino: u64,
        cloexec: bool,
    },
    /// Descriptors that carry no flow: eventfd, timerfd, epoll …
    OtherFd {
        ret: i64,
        cloexec: bool,
    },
    MemfdCreate {
        ret: i64,
        name: &'a [u8],
        cloexec: bool,
    },
    PidfdOpen {
        ret: i64,
        pid: i64,
    },
    /// `ret` is a copy of the descriptor `target` of the process that `pidfd` stands for.
    PidfdGetfd {
        ret: i64,
        pidfd: i64,
        target: i64,
    },

    Socket {
        ret: i64,
        domain: u32,
        kind: u32,
        proto: u32,
    },
    SocketPair {
        ret: i64,
        fds: [i64; 2],
        source: u64,
        peer: u64,
    },
    Bind {
        ret: i64,
        fd: i64,
        addr: Option<Addr<'a>>,
    },
    Connect {
        ret: i64,
        fd: i64,
        tuple: Option<Tuple<'a>>,
        addr: Option<Addr<'a>>,
    },
    /// `ret` is the new descriptor.
    Accept {
        ret: i64,
        tuple: Option<Tuple<'a>>,
        cloexec: bool,
    },
    Listen {
        ret: i64,
        fd: i64,
    },
    Shutdown {
        ret: i64,
        fd: i64,
    },

    Read {
        ret: i64,
        fd: i64,
        tuple: Option<Tuple<'a>>,
    },
    Write {
        ret: i64,
        fd: i64,
        tuple: Option<Tuple<'a>>,
    },
    /// sendfile, splice, copy_file_range: bytes from one descriptor to another.
    Transfer {
        ret: i64,
        from: i64,
        to: i64,
    },
    Mmap {
        ret: i64,
        fd: i64,
        anonymous: bool,
    },
    /// `kinds` are the `NEW…` bits of [`clone_flags`], 0 for "what the descriptor stands for".
    SetNs {
        ret: i64,
        fd: i64,
        kinds: u32,
    },

    Path(PathOp<'a>),
    /// fchmod, fchown: the file is named by a descriptor.
    FdPath {
        ret: i64,
        kind: PathKind<'a>,
        fd: i64,
    },
    Link(LinkOp<'a>),

    Ptrace {
        ret: i64,
        request: u16,
        pid: i64,
    },
    /// process_vm_writev: writes into another process.
    VmWrite {
        ret: i64,
        pid: i64,
    },
    /// Modules that come and go, bpf: `what` names the call, `arg` says what was loaded.
    Kernel {
        ret: i64,
        what: &'static str,
        arg: KernelArg<'a>,
    },
    Signal {
        ret: i64,
        pid: i64,
        signal: u8,
    },

    /// What a container runtime says of a container: the JSON that Falco's container plugin emits.
    Container {
        json: &'a [u8],
    },
    UserAdded {
        container: &'a [u8],
        uid: u32,
        name: &'a [u8],
    },
    GroupAdded {
        container: &'a [u8],
        gid: u32,
        name: &'a [u8],
    },
    /// Watched, and of no consequence: why, for the counters.
    Nothing(Ignored),
}

/// Which call of the setuid family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the system call of its name")]
pub enum UidCall {
    Setuid,
    Setreuid,
    Setresuid,
}

/// Why an operation has no consequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Ignored {
    /// The call failed and failures of its kind are not recorded.
    Failed,
    /// The descriptor is of a kind that carries no flow.
    FdKind,
    /// The process is the collector or the processor.
    Own,
    /// The schema or the compatibility mode has no record for it.
    Mode,
    /// The event is of a type, or says something, that SysFlow does not speak of.
    Kind,
}

/// The part of clone and exec that describes the process.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[allow(missing_docs, reason = "the fields of a process")]
pub struct Image<'a> {
    pub pid: i64,
    /// Thread that is the parent, in the host's namespace.
    pub ptid: i64,
    /// `argv[0]`.
    pub exe: &'a [u8],
    /// argv[1..], each ended by NUL.
    pub args: &'a [u8],
    /// `subsystem=path`, each ended by NUL.
    pub cgroups: &'a [u8],
    pub cwd: &'a [u8],
    pub uid: Option<u32>,
    pub gid: Option<u32>,
}

/// clone, clone3, fork, vfork, as seen by the parent (`ret` > 0) or by the child (`ret` = 0).
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs, reason = "the arguments of the call")]
pub struct Clone<'a> {
    pub ret: i64,
    /// The event is clone3's own; SysFlow's collector does not know it.
    pub clone3: bool,
    pub image: Image<'a>,
    /// Bits of [`clone_flags`].
    pub flags: u32,
    pub vtid: Option<i64>,
    pub vpid: Option<i64>,
}

/// execve and execveat.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs, reason = "the arguments of the call")]
pub struct Exec<'a> {
    pub ret: i64,
    /// The event is execveat's own; SysFlow's collector does not know it.
    pub execveat: bool,
    pub image: Image<'a>,
    /// `NAME=value`, each ended by NUL.
    pub env: &'a [u8],
    /// Path of the executable as the kernel resolved it.
    pub path: &'a [u8],
    /// Path as the caller gave it.
    pub filename: &'a [u8],
    pub tty: Option<u32>,
    pub loginuid: Option<u32>,
    pub cap_effective: Option<u64>,
    /// Bits of `sysflow::record::exe_flags`.
    pub exe_flags: i32,
    pub exe_ino: u64,
    pub exe_ctime: u64,
}

/// open, openat, openat2, creat, open_by_handle_at.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[allow(missing_docs, reason = "the arguments of the call")]
pub struct Open<'a> {
    /// The descriptor.
    pub ret: i64,
    /// The event is creat's or openat2's own; SysFlow's collector does not know it.
    pub unknown_to_collector: bool,
    pub dirfd: i64,
    pub path: &'a [u8],
    /// The path is the kernel's, not the caller's.
    pub resolved: bool,
    /// Bits of `sysflow::record::open_flags`.
    pub flags: u32,
}

/// A call on one path.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs, reason = "the arguments of the call")]
pub struct PathOp<'a> {
    pub ret: i64,
    pub kind: PathKind<'a>,
    pub dirfd: i64,
    pub path: &'a [u8],
}

/// Which call on one path.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs, reason = "each is the system call of its name")]
pub enum PathKind<'a> {
    Mkdir,
    Rmdir,
    Unlink,
    /// unlinkat with AT_REMOVEDIR.
    UnlinkDir,
    Chmod {
        mode: u32,
    },
    Chown {
        uid: u32,
        gid: u32,
    },
    Mount {
        device: &'a [u8],
        fstype: &'a [u8],
        flags: u32,
    },
    Umount {
        flags: u32,
    },
    Mknod {
        mode: u32,
        device: u32,
    },
}

/// A call on two paths.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs, reason = "the arguments of the call")]
pub struct LinkOp<'a> {
    pub ret: i64,
    pub kind: LinkKind,
    pub old_dirfd: i64,
    pub old: &'a [u8],
    pub new_dirfd: i64,
    pub new: &'a [u8],
}

/// Which call on two paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkKind {
    /// rename, renameat, renameat2.
    Rename,
    /// link, linkat.
    Link,
    /// symlink; its target is made absolute.
    Symlink,
    /// symlinkat; its target stays as given.
    SymlinkAt,
}

/// What a [`Op::Kernel`] operation loads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum KernelArg<'a> {
    /// Words of the call.
    Text(&'a [u8]),
    /// A number of the call.
    Number(u64),
    /// The file open under this descriptor.
    Fd(i64),
}

/// A socket address.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Addr<'a> {
    /// IPv4 or IPv6.
    Inet(Endpoint),
    /// Path of a unix socket.
    Unix(&'a [u8]),
}

/// Both ends of a connection, as the event tells them: for accept and receive the source is the peer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Tuple<'a> {
    /// IPv4 or IPv6.
    Inet {
        /// Where it came from.
        source: Endpoint,
        /// Where it went.
        dest: Endpoint,
    },
    /// Kernel addresses of the two sockets, and the path if there is one.
    Unix {
        /// Kernel address of the source.
        source: u64,
        /// Kernel address of the destination.
        dest: u64,
        /// Path.
        path: &'a [u8],
    },
}

/// Address and port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Address; IPv4-mapped IPv6 addresses are IPv4.
    pub ip: std::net::IpAddr,
    /// Port in host order.
    pub port: u16,
}

/// Bits of [`Clone::flags`], the portable ones of Falco's libraries (libs: driver/ppm_events_public.h).
#[allow(missing_docs, reason = "each is the flag of clone(2) of its name")]
pub mod clone_flags {
    pub const FILES: u32 = 1;
    pub const FS: u32 = 1 << 1;
    pub const NEWIPC: u32 = 1 << 3;
    pub const NEWNET: u32 = 1 << 4;
    pub const NEWNS: u32 = 1 << 5;
    pub const NEWPID: u32 = 1 << 6;
    pub const NEWUTS: u32 = 1 << 7;
    pub const PARENT: u32 = 1 << 8;
    pub const THREAD: u32 = 1 << 13;
    pub const NEWUSER: u32 = 1 << 20;
    pub const NEWCGROUP: u32 = 1 << 28;
}
