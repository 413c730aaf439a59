//! The twelve record kinds of SysFlow, with the fields that the extended schema appends.
//!
//! All timestamps are nanoseconds since the epoch. Fields keep the names and the order of the Avro schema.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::{Foid, Oid};

/// One SysFlow record. The order of the variants is the order of the branches of the Avro union `rec`.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// Starts a file or a stream, and resets all entity tables of a reader.
    Header(Header),
    /// A container that a process runs in.
    Container(Container),
    /// A process as it was at `ts`.
    Process(Process),
    /// A file, directory, pipe or unix socket.
    File(File),
    /// A process was cloned, executed, exited, changed its user …
    ProcessEvent(ProcessEvent),
    /// What one process sent and received over one connection.
    NetworkFlow(NetworkFlow),
    /// What one process read from and wrote to one open file.
    FileFlow(FileFlow),
    /// A file was created, removed, renamed, changed its mode …
    FileEvent(FileEvent),
    /// Declared by SysFlow, produced by nobody.
    NetworkEvent(NetworkEvent),
    /// How many threads a process started and ended.
    ProcessFlow(ProcessFlow),
    /// A Kubernetes pod.
    Pod(Pod),
    /// An event of the Kubernetes API.
    K8sEvent(K8sEvent),
}

/// The short names that `sf.type` and the command line use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// `H`, [`Header`].
    Header,
    /// `C`, [`Container`].
    Container,
    /// `P`, [`Process`].
    Process,
    /// `F`, [`File`].
    File,
    /// `PE`, [`ProcessEvent`].
    ProcessEvent,
    /// `NF`, [`NetworkFlow`].
    NetworkFlow,
    /// `FF`, [`FileFlow`].
    FileFlow,
    /// `FE`, [`FileEvent`].
    FileEvent,
    /// `NE`, [`NetworkEvent`].
    NetworkEvent,
    /// `PF`, [`ProcessFlow`].
    ProcessFlow,
    /// `PD`, [`Pod`].
    Pod,
    /// `KE`, [`K8sEvent`].
    K8sEvent,
}

/// Start of a file or of a stretch of a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Version of the SysFlow schema that the writer follows.
    pub version: i64,
    /// Name of the node, or what the operator calls it.
    pub exporter: String,
    /// Address of the node; empty when not known.
    pub ip: String,
    /// Path under which the trace was written.
    pub filename: String,
    /// Extended: what was lost before this header; `Loss::default()` when nothing was.
    pub lost: Loss,
}

/// What was shed since the header before, reported in the data itself so that a graph can show the hole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// Events of the kernel that never became part of a record.
    pub events: i64,
    /// Records that were made and could not be handed over.
    pub records: i64,
    /// Time of the first loss.
    pub from: i64,
    /// Time of the last loss.
    pub to: i64,
    /// Why, in words for the operator; also carries what the collector misses from its host.
    pub cause: String,
}

/// Container runtimes; the numbers are those of Falco's libraries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum ContainerType {
    /// Docker.
    #[default]
    Docker = 0,
    /// LXC.
    Lxc = 1,
    /// LXC under libvirt.
    LibvirtLxc = 2,
    /// Mesos.
    Mesos = 3,
    /// rkt.
    Rkt = 4,
    /// Anything else (podman among them).
    Custom = 5,
    /// A runtime behind the Kubernetes CRI.
    Cri = 6,
    /// containerd.
    Containerd = 7,
    /// CRI-O.
    Crio = 8,
    /// BPM.
    Bpm = 9,
}

/// A container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// First twelve hex digits of the runtime's id.
    pub id: String,
    /// Name that the runtime gives it; `incomplete` until metadata arrives.
    pub name: String,
    /// Image with tag; `incomplete:incomplete` until metadata arrives.
    pub image: String,
    /// Digest of the image.
    pub imageid: String,
    /// Runtime.
    pub container_type: ContainerType,
    /// Whether it runs privileged.
    pub privileged: bool,
    /// Pod that it belongs to.
    pub pod_id: Option<String>,
}

/// Why a Process or File record was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum ObjectState {
    /// Came to be in this trace.
    #[default]
    Created = 0,
    /// Is known and has changed.
    Modified = 1,
    /// Was there before this trace or file.
    Reup = 2,
}

/// A process, identified by the time it was cloned and its pid in the host's namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Why this record was written.
    pub state: ObjectState,
    /// Identity.
    pub oid: Oid,
    /// Identity of the parent.
    pub poid: Option<Oid>,
    /// Time of the event that made this record necessary.
    pub ts: i64,
    /// Path of the executable.
    pub exe: String,
    /// Arguments without the first, joined by one space.
    pub exe_args: String,
    /// Effective user id.
    pub uid: i32,
    /// Name of that user, empty when unknown.
    pub user_name: String,
    /// Effective group id.
    pub gid: i32,
    /// Name of that group, empty when unknown.
    pub group_name: String,
    /// Whether a terminal is attached.
    pub tty: bool,
    /// Container that it runs in, `None` on the host.
    pub container_id: Option<String>,
    /// Whether it is the first process of its pid namespace.
    pub entry: bool,
    /// Working directory.
    pub cwd: String,
    /// Environment as `K=V`; empty unless the operator asks for it.
    pub env: Vec<String>,
    /// Extended: graph that this process belongs to, 32 hex digits; empty in plain v5.
    pub graph_id: String,
    /// Extended: graph that its graph came from.
    pub parent_graph_id: String,
    /// Extended: session id, -1 when unknown.
    pub sid: i64,
    /// Extended: pid inside its own namespace, -1 when unknown.
    pub vpid: i64,
    /// Extended: user that logged in, -1 when unknown.
    pub loginuid: i64,
    /// Extended: number of the controlling terminal, 0 for none.
    pub tty_nr: i32,
    /// Extended: effective capabilities, a bit each.
    pub cap_effective: i64,
    /// Extended: see [`exe_flags`].
    pub exe_flags: i32,
    /// Extended: inode of the executable.
    pub exe_ino: i64,
    /// Extended: change time of the executable's inode.
    pub exe_ctime: i64,
}

/// A process of which nothing is known: what the schema has as defaults.
impl Default for Process {
    fn default() -> Self {
        Self {
            state: ObjectState::default(),
            oid: Oid::default(),
            poid: None,
            ts: 0,
            exe: String::new(),
            exe_args: String::new(),
            uid: 0,
            user_name: String::new(),
            gid: 0,
            group_name: String::new(),
            tty: false,
            container_id: None,
            entry: false,
            cwd: String::new(),
            env: Vec::new(),
            graph_id: String::new(),
            parent_graph_id: String::new(),
            sid: -1,
            vpid: -1,
            loginuid: -1,
            tty_nr: 0,
            cap_effective: 0,
            exe_flags: 0,
            exe_ino: 0,
            exe_ctime: 0,
        }
    }
}

/// Bits of [`Process::exe_flags`].
pub mod exe_flags {
    /// The executable lies in the upper layer of an overlay: it was written in the container.
    pub const UPPER_LAYER: i32 = 1;
    /// The executable is a memfd.
    pub const MEMFD: i32 = 2;
    /// The executable could be written by the user who ran it.
    pub const WRITABLE: i32 = 4;
    /// The executable lies in a lower layer of an overlay: it came with the image.
    pub const LOWER_LAYER: i32 = 8;
}

/// A file, directory, pipe or unix socket, identified by container and path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Why this record was written.
    pub state: ObjectState,
    /// Identity.
    pub oid: Foid,
    /// Time of the event that made this record necessary.
    pub ts: i64,
    /// ASCII code of the type: `f` file, `d` directory, `p` pipe, `u` unix socket, `?` unknown.
    pub restype: i32,
    /// Path as the process sees it.
    pub path: String,
    /// Container that the path belongs to, `None` on the host.
    pub container_id: Option<String>,
}

/// Something happened to a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessEvent {
    /// Process.
    pub proc_oid: Oid,
    /// When.
    pub ts: i64,
    /// Acting thread.
    pub tid: i64,
    /// Operation, one bit of [`op`].
    pub op_flags: i32,
    /// Arguments, by operation: the new user of SETUID, target and request of PTRACE …
    pub args: Vec<String>,
    /// Result of the system call.
    pub ret: i32,
}

/// Traffic of one process over one connection, client → server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkFlow {
    /// Process.
    pub proc_oid: Oid,
    /// First operation, or end of the record before in a chain.
    pub ts: i64,
    /// Thread.
    pub tid: i64,
    /// Union of the operations seen, bits of [`op`].
    pub op_flags: i32,
    /// Last operation, or time of the periodic export.
    pub end_ts: i64,
    /// IPv4 address of the client, first octet in the low byte; 0 for IPv6.
    pub sip: i32,
    /// Port of the client.
    pub sport: i32,
    /// IPv4 address of the server, first octet in the low byte; 0 for IPv6.
    pub dip: i32,
    /// Port of the server.
    pub dport: i32,
    /// 6 tcp, 17 udp, 1 icmp, 254 raw, -1 unknown.
    pub proto: i32,
    /// Descriptor.
    pub fd: i32,
    /// Receive operations.
    pub num_rrecv_ops: i64,
    /// Send operations.
    pub num_wsend_ops: i64,
    /// Bytes that the process received.
    pub num_rrecv_bytes: i64,
    /// Bytes that the process sent.
    pub num_wsend_bytes: i64,
    /// Extended: IPv6 address of the client.
    pub sip6: Option<[u8; 16]>,
    /// Extended: IPv6 address of the server.
    pub dip6: Option<[u8; 16]>,
}

/// Traffic of one process on one open file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileFlow {
    /// Process.
    pub proc_oid: Oid,
    /// First operation, or end of the record before in a chain.
    pub ts: i64,
    /// Thread.
    pub tid: i64,
    /// Union of the operations seen, bits of [`op`].
    pub op_flags: i32,
    /// Flags of the open, bits of [`open_flags`]; 0 when the flow began without one.
    pub open_flags: i32,
    /// Last operation, or time of the periodic export.
    pub end_ts: i64,
    /// File.
    pub file_oid: Foid,
    /// Descriptor.
    pub fd: i32,
    /// Read operations.
    pub num_rrecv_ops: i64,
    /// Write operations.
    pub num_wsend_ops: i64,
    /// Bytes read.
    pub num_rrecv_bytes: i64,
    /// Bytes written.
    pub num_wsend_bytes: i64,
    /// Extended: how many opens a rolled-up flow stands for, else 1.
    pub num_opens: i64,
}

/// Something happened to a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEvent {
    /// Process.
    pub proc_oid: Oid,
    /// When.
    pub ts: i64,
    /// Thread.
    pub tid: i64,
    /// Operation, one bit of [`op`].
    pub op_flags: i32,
    /// File; the old one of a rename, the target of a link.
    pub file_oid: Foid,
    /// Result of the system call.
    pub ret: i32,
    /// The new file of a rename or link.
    pub new_file_oid: Option<Foid>,
    /// Extended: mode, owner, mount type and flags, open flags, device.
    pub arg: String,
}

/// Declared by SysFlow, produced by nobody; read so that no trace is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkEvent {
    /// Process.
    pub proc_oid: Oid,
    /// When.
    pub ts: i64,
    /// Thread.
    pub tid: i64,
    /// Operation.
    pub op_flags: i32,
    /// IPv4 address of the client.
    pub sip: i32,
    /// Port of the client.
    pub sport: i32,
    /// IPv4 address of the server.
    pub dip: i32,
    /// Port of the server.
    pub dport: i32,
    /// Protocol.
    pub proto: i32,
    /// Result of the system call.
    pub ret: i32,
}

/// Threads of one process over a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessFlow {
    /// Process.
    pub proc_oid: Oid,
    /// Start of the record.
    pub ts: i64,
    /// Threads started.
    pub num_threads_cloned: i64,
    /// Union of the operations seen, bits of [`op`].
    pub op_flags: i32,
    /// End of the record.
    pub end_ts: i64,
    /// Threads ended.
    pub num_threads_exited: i64,
    /// Failed clones.
    pub num_clone_errors: i64,
}

/// A Kubernetes pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pod {
    /// When it was seen.
    pub ts: i64,
    /// Uid.
    pub id: String,
    /// Name.
    pub name: String,
    /// Node that it runs on.
    pub node_name: String,
    /// Addresses of the node, IPv4 as in [`NetworkFlow::sip`].
    pub host_ip: Vec<i64>,
    /// Addresses of the pod, IPv4 as in [`NetworkFlow::sip`].
    pub internal_ip: Vec<i64>,
    /// Namespace.
    pub namespace: String,
    /// How often it was restarted.
    pub restart_count: i64,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Selectors.
    pub selectors: BTreeMap<String, String>,
    /// Services that lead to it.
    pub services: Vec<Service>,
}

/// A Kubernetes service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Name.
    pub name: String,
    /// Uid.
    pub id: String,
    /// Namespace.
    pub namespace: String,
    /// Ports.
    pub port_list: Vec<Port>,
    /// Addresses, IPv4 as in [`NetworkFlow::sip`].
    pub cluster_ip: Vec<i64>,
}

/// A port of a [`Service`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// Port of the service.
    pub port: i32,
    /// Port of the pod.
    pub target_port: i32,
    /// Port of the node.
    pub node_port: i32,
    /// `TCP`, `UDP`, `SCTP`.
    pub proto: String,
}

/// What a [`K8sEvent`] is about; symbols of the schema, index = position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[allow(missing_docs, reason = "the symbols say it")]
pub enum K8sComponent {
    Nodes = 0,
    Namespaces = 1,
    Pods = 2,
    ReplicationControllers = 3,
    Services = 4,
    Events = 5,
    ReplicaSets = 6,
    DaemonSets = 7,
    Deployments = 8,
    Unknown = 9,
}

/// What happened in a [`K8sEvent`]; symbols of the schema, index = position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[allow(missing_docs, reason = "the symbols say it")]
pub enum K8sAction {
    Added = 0,
    Modified = 1,
    Deleted = 2,
    Error = 3,
    Nonexistent = 4,
    Unknown = 5,
}

/// An event of the Kubernetes API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct K8sEvent {
    /// What it is about.
    pub kind: K8sComponent,
    /// What happened.
    pub action: K8sAction,
    /// When.
    pub ts: i64,
    /// The event as JSON.
    pub message: String,
}

/// Bits of `op_flags`.
///
/// Bits 0 to 20 are SysFlow's; the rest are written by the extended schema only.
#[allow(missing_docs, reason = "each is the system call of its name")]
pub mod op {
    pub const CLONE: i32 = 1;
    pub const EXEC: i32 = 1 << 1;
    pub const EXIT: i32 = 1 << 2;
    pub const SETUID: i32 = 1 << 3;
    pub const SETNS: i32 = 1 << 4;
    pub const ACCEPT: i32 = 1 << 5;
    pub const CONNECT: i32 = 1 << 6;
    pub const OPEN: i32 = 1 << 7;
    pub const READ_RECV: i32 = 1 << 8;
    pub const WRITE_SEND: i32 = 1 << 9;
    pub const CLOSE: i32 = 1 << 10;
    /// The flow was cut by the collector (exit, another thread's close, shutdown); not truncate(2).
    pub const TRUNCATE: i32 = 1 << 11;
    pub const SHUTDOWN: i32 = 1 << 12;
    pub const MMAP: i32 = 1 << 13;
    pub const DIGEST: i32 = 1 << 14;
    pub const MKDIR: i32 = 1 << 15;
    pub const RMDIR: i32 = 1 << 16;
    pub const LINK: i32 = 1 << 17;
    pub const UNLINK: i32 = 1 << 18;
    pub const SYMLINK: i32 = 1 << 19;
    pub const RENAME: i32 = 1 << 20;
    pub const CHMOD: i32 = 1 << 21;
    pub const CHOWN: i32 = 1 << 22;
    pub const MOUNT: i32 = 1 << 23;
    pub const UMOUNT: i32 = 1 << 24;
    pub const MKNOD: i32 = 1 << 25;
    pub const BIND: i32 = 1 << 26;
    pub const LISTEN: i32 = 1 << 27;
    pub const PTRACE: i32 = 1 << 28;
    /// Module load, bpf, kexec.
    pub const KERNEL: i32 = 1 << 29;
    /// A signal to another process.
    pub const SIGNAL: i32 = 1 << 30;
}

/// Bits of [`FileFlow::open_flags`]: the portable flags of Falco's libraries, not those of the kernel.
#[allow(missing_docs, reason = "each is the flag of open(2) of its name")]
pub mod open_flags {
    pub const RDONLY: i32 = 1;
    pub const WRONLY: i32 = 2;
    pub const RDWR: i32 = 3;
    pub const CREAT: i32 = 4;
    pub const APPEND: i32 = 8;
    pub const DSYNC: i32 = 0x10;
    pub const EXCL: i32 = 0x20;
    pub const NONBLOCK: i32 = 0x40;
    pub const SYNC: i32 = 0x80;
    pub const TRUNC: i32 = 0x100;
    pub const DIRECT: i32 = 0x200;
    pub const DIRECTORY: i32 = 0x400;
    pub const LARGEFILE: i32 = 0x800;
    pub const CLOEXEC: i32 = 0x1000;
}

impl Record {
    /// Kind of this record.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Header(_) => Kind::Header,
            Self::Container(_) => Kind::Container,
            Self::Process(_) => Kind::Process,
            Self::File(_) => Kind::File,
            Self::ProcessEvent(_) => Kind::ProcessEvent,
            Self::NetworkFlow(_) => Kind::NetworkFlow,
            Self::FileFlow(_) => Kind::FileFlow,
            Self::FileEvent(_) => Kind::FileEvent,
            Self::NetworkEvent(_) => Kind::NetworkEvent,
            Self::ProcessFlow(_) => Kind::ProcessFlow,
            Self::Pod(_) => Kind::Pod,
            Self::K8sEvent(_) => Kind::K8sEvent,
        }
    }

    /// Start time of the record; `None` for kinds that carry none.
    pub fn ts(&self) -> Option<i64> {
        match self {
            Self::Header(_) | Self::Container(_) => None,
            Self::Process(r) => Some(r.ts),
            Self::File(r) => Some(r.ts),
            Self::ProcessEvent(r) => Some(r.ts),
            Self::NetworkFlow(r) => Some(r.ts),
            Self::FileFlow(r) => Some(r.ts),
            Self::FileEvent(r) => Some(r.ts),
            Self::NetworkEvent(r) => Some(r.ts),
            Self::ProcessFlow(r) => Some(r.ts),
            Self::Pod(r) => Some(r.ts),
            Self::K8sEvent(r) => Some(r.ts),
        }
    }

    /// Process that the record is about, for events and flows.
    pub fn proc_oid(&self) -> Option<Oid> {
        match self {
            Self::ProcessEvent(r) => Some(r.proc_oid),
            Self::NetworkFlow(r) => Some(r.proc_oid),
            Self::FileFlow(r) => Some(r.proc_oid),
            Self::FileEvent(r) => Some(r.proc_oid),
            Self::NetworkEvent(r) => Some(r.proc_oid),
            Self::ProcessFlow(r) => Some(r.proc_oid),
            _ => None,
        }
    }
}

impl Kind {
    /// All kinds, in the order of the union.
    pub const ALL: [Self; 12] = [
        Self::Header,
        Self::Container,
        Self::Process,
        Self::File,
        Self::ProcessEvent,
        Self::NetworkFlow,
        Self::FileFlow,
        Self::FileEvent,
        Self::NetworkEvent,
        Self::ProcessFlow,
        Self::Pod,
        Self::K8sEvent,
    ];

    /// Short name: `H C P F PE NF FF FE NE PF PD KE`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Header => "H",
            Self::Container => "C",
            Self::Process => "P",
            Self::File => "F",
            Self::ProcessEvent => "PE",
            Self::NetworkFlow => "NF",
            Self::FileFlow => "FF",
            Self::FileEvent => "FE",
            Self::NetworkEvent => "NE",
            Self::ProcessFlow => "PF",
            Self::Pod => "PD",
            Self::K8sEvent => "KE",
        }
    }
}
