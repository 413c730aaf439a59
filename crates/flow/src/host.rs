//! What the host of the recorder can tell beside events: the state at the start, and what was missed.

use std::net::IpAddr;

use crate::Identity;

/// A process or thread that exists before its first event.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs, reason = "the fields of a process; see sysflow::record::Process")]
pub struct Initial {
    pub tid: i64,
    pub pid: i64,
    pub ptid: i64,
    /// Start time in nanoseconds since the epoch; 0 when not known.
    pub start_ts: i64,
    pub sid: i64,
    pub vpid: i64,
    pub exe: Vec<u8>,
    pub exe_path: Vec<u8>,
    pub args: Vec<Vec<u8>>,
    pub env: Vec<Vec<u8>>,
    /// `subsystem=path`.
    pub cgroups: Vec<Vec<u8>>,
    pub cwd: Vec<u8>,
    /// Root directory; `/` or empty when it is that of its container or host.
    pub root: Vec<u8>,
    pub uid: u32,
    pub gid: u32,
    pub loginuid: u32,
    pub tty: u32,
    pub cap_effective: u64,
    /// Bits of `sysflow::record::exe_flags`.
    pub exe_flags: i32,
    pub exe_ino: u64,
    pub exe_ctime: u64,
    /// Container, when the host knows it by another way than the cgroups; empty for "not in one".
    pub container_id: Option<String>,
    pub fds: Vec<InitialFd>,
    /// Who it was found to be before a restart; adopted when it is about this pid.
    pub identity: Option<Identity>,
}

/// An open descriptor.
#[derive(Clone, Debug)]
pub struct InitialFd {
    /// Number.
    pub fd: i64,
    /// What it is.
    pub kind: InitialFdKind,
    /// Flags of the open, bits of `sysflow::record::open_flags`.
    pub open_flags: u32,
}

/// What a descriptor is.
#[derive(Clone, Debug)]
pub enum InitialFdKind {
    /// Regular file or device, with its path.
    File(Vec<u8>),
    /// Directory, with its path.
    Directory(Vec<u8>),
    /// Pipe or fifo, with its name (`pipe:[inode]`).
    Pipe(Vec<u8>),
    /// Unix socket, with its name (`source->dest path`).
    Unix(Vec<u8>),
    /// File of memfd_create, with its name, whatever the host puts around it.
    Memfd(Vec<u8>),
    /// Connection, client first.
    Inet {
        /// Client.
        source: (IpAddr, u16),
        /// Server.
        dest: (IpAddr, u16),
        /// IP protocol number, -1 when not known.
        proto: i32,
    },
    /// Listening or bound socket.
    InetServer {
        /// Its own address.
        local: (IpAddr, u16),
        /// IP protocol number, -1 when not known.
        proto: i32,
    },
    /// Anything that carries no flow.
    Other,
}

/// Asked when an event names what nobody has seen coming; knows nothing unless it says so. A miss is remembered by the
/// recorder.
pub trait Host {
    /// The thread, with the descriptors of its process.
    fn thread(&mut self, _tid: i64) -> Option<Initial> {
        None
    }

    /// A descriptor of a process.
    fn fd(&mut self, _pid: i64, _fd: i64) -> Option<InitialFd> {
        None
    }

    /// The container of a thread whose cgroups do not tell; empty for "not in one".
    fn container_id(&mut self, _tid: i64) -> Option<String> {
        None
    }

    /// Root directory of a thread as it is now, seen from its mount namespace. Asked after a chroot.
    fn root(&mut self, _tid: i64) -> Option<Vec<u8>> {
        None
    }
}

/// A host that knows nothing: replay, tests.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoHost;

impl Host for NoHost {}
