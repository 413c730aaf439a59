//! What the state says of the process behind an event, for the host's own rules.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use sysflow::{
    Foid, GraphId, Oid,
    record::{Container, File as FileRecord, Pod},
};

use crate::{
    Recorder,
    op::Endpoint,
    state::{
        fd::{Ends, FdKind, protocol_number},
        file::File,
        process::{Process, entries},
    },
};

/// Ancestors that are told of at most, as of a trace.
const MAX_ANCESTORS: usize = 256;

/// A process as it is after the last event.
#[derive(Clone, Copy, Debug)]
pub struct ProcessView<'a> {
    recorder: &'a Recorder,
    process: &'a Process,
    slot: u32,
}

/// What an open descriptor stands for.
#[derive(Clone, Debug)]
pub enum DescriptorView {
    /// A file, as its record would be.
    File(FileRecord),
    /// A connection, or a socket that has an address only.
    Connection {
        /// Who asked.
        client: Endpoint,
        /// Who was asked.
        server: Endpoint,
        /// 6 tcp, 17 udp, 1 icmp, 254 raw.
        proto: Option<u8>,
    },
}

impl Recorder {
    /// Name of the node, as headers carry it.
    pub fn node(&self) -> &str {
        &self.config.node
    }

    /// The process of a thread.
    pub fn process_of(&self, tid: i64) -> Option<ProcessView<'_>> {
        self.view(self.slot_of(tid)?)
    }

    fn view(&self, slot: u32) -> Option<ProcessView<'_>> {
        Some(ProcessView { recorder: self, process: self.processes.get(slot)?, slot })
    }

    /// What a descriptor of the thread's process stands for.
    pub fn descriptor_of(&self, tid: i64, fd: i64) -> Option<DescriptorView> {
        let slot = self.slot_of(tid)?;
        let process = self.processes.get(slot)?;
        self.describe(process, self.processes.fd(slot, fd)?.kind)
    }

    /// What the descriptor stood for that the last operation, of this thread, has closed.
    pub fn closed_descriptor(&self, tid: i64) -> Option<DescriptorView> {
        self.describe(self.processes.get(self.slot_of(tid)?)?, self.closed?.kind)
    }

    fn describe(&self, process: &Process, kind: FdKind) -> Option<DescriptorView> {
        Some(match kind {
            FdKind::Path { path, restype } => {
                let container = process.container;
                let unseen = || {
                    let oid = Foid::new(self.containers.id(container), self.files.text(path));
                    File { oid, path, container, restype, written: 0, known: false }
                };
                let file = self.files.at(container, path).copied().unwrap_or_else(unseen);
                DescriptorView::File(self.file_record(&file))
            }
            FdKind::Inet(socket) => DescriptorView::connection(&socket.ends, socket.proto),
            FdKind::Bound { local, proto } => DescriptorView::connection(&local, proto),
            FdKind::Process { .. } | FdKind::Other | FdKind::Unknown => return None,
        })
    }

    /// File that the last operation on a path was about; the old one of a link or rename.
    pub fn last_file(&self) -> Option<FileRecord> {
        Some(self.file_record(self.files.get(self.last_files[0]?)?))
    }

    /// The new file of the last operation, if that was a link or rename.
    pub fn last_new_file(&self) -> Option<FileRecord> {
        Some(self.file_record(self.files.get(self.last_files[1]?)?))
    }
}

impl DescriptorView {
    fn connection(ends: &Ends, proto: i8) -> Self {
        let address = |ip: &[u8; 16]| -> IpAddr {
            if ends.v6 {
                Ipv6Addr::from(*ip).into()
            } else {
                Ipv4Addr::new(ip[0], ip[1], ip[2], ip[3]).into()
            }
        };
        Self::Connection {
            client: Endpoint { ip: address(&ends.sip), port: ends.sport },
            server: Endpoint { ip: address(&ends.dip), port: ends.dport },
            proto: u8::try_from(protocol_number(proto)).ok(),
        }
    }
}

impl<'a> ProcessView<'a> {
    /// Its identity.
    pub fn oid(&self) -> Oid {
        self.process.oid
    }

    /// Path of its executable.
    pub fn exe(&self) -> &'a str {
        &self.process.exe
    }

    /// Its arguments without the first.
    pub fn args(&self) -> &'a str {
        &self.process.args
    }

    /// Executable and arguments.
    pub fn cmdline(&self) -> String {
        let separator = if self.process.args.is_empty() { "" } else { " " };
        format!("{}{separator}{}", self.process.exe, self.process.args)
    }

    /// Whether it has a terminal.
    pub fn tty(&self) -> bool {
        self.process.tty != 0
    }

    /// Its graph.
    pub fn graph(&self) -> GraphId {
        self.process.graph.id
    }

    /// The graph that its graph came from.
    pub fn parent_graph(&self) -> Option<GraphId> {
        self.process.graph.parent()
    }

    /// Identity of the process that its graph is named by.
    pub fn root(&self) -> Oid {
        self.process.graph.root
    }

    /// Executable of that process, as long as it or a descendant in line is known.
    pub fn root_exe(&self) -> Option<&'a str> {
        let mut process = self.process;
        // A parent is always older than its child, so that there is no way round; it costs nothing to be sure.
        for _ in 0..self.recorder.processes.slots.len() {
            if process.oid == process.graph.root {
                return Some(&process.exe);
            }
            process = self.recorder.processes.get(process.parent?)?;
        }
        None
    }

    /// Its parent, while that is known.
    pub fn parent(&self) -> Option<ProcessView<'a>> {
        // The kernel's idle task is nobody's parent in a record.
        self.recorder.view(self.process.parent?).filter(|parent| parent.process.oid.hpid != 0)
    }

    /// Itself, its parent, and so on, up to the oldest that is known.
    pub fn ancestors(&self) -> impl Iterator<Item = ProcessView<'a>> + use<'a> {
        std::iter::successors(Some(*self), ProcessView::parent).take(MAX_ANCESTORS)
    }

    /// Identity of its parent.
    pub fn parent_oid(&self) -> Option<Oid> {
        self.process.poid
    }

    /// Effective user; `None` when not known.
    pub fn uid(&self) -> Option<u32> {
        known(self.process.uid)
    }

    /// Effective group; `None` when not known.
    pub fn gid(&self) -> Option<u32> {
        known(self.process.gid)
    }

    /// Name of its user; empty when nobody has told.
    pub fn user(&self) -> &'a str {
        self.recorder.names.user(self.process.container, self.process.uid)
    }

    /// Name of its group; empty when nobody has told.
    pub fn group(&self) -> &'a str {
        self.recorder.names.group(self.process.container, self.process.gid)
    }

    /// Number of its terminal, 0 for none.
    pub fn tty_nr(&self) -> u32 {
        self.process.tty
    }

    /// Whether it is the first of its pid namespace.
    pub fn entry(&self) -> bool {
        self.process.vpid == 1
    }

    /// Its working directory; empty when not known.
    pub fn cwd(&self) -> &'a str {
        self.recorder.processes.cwd(self.slot)
    }

    /// `NAME=value`, as far as the configuration has them recorded.
    pub fn env(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        entries(self.process.env.as_deref())
    }

    /// Its session; -1 when not known.
    pub fn sid(&self) -> i64 {
        self.process.sid
    }

    /// Pid in its own namespace; -1 when not known.
    pub fn vpid(&self) -> i64 {
        self.process.vpid
    }

    /// User who logged in; -1 when not known or nobody did.
    pub fn loginuid(&self) -> i64 {
        self.process.loginuid
    }

    /// Bits of its effective capabilities.
    pub fn cap_effective(&self) -> i64 {
        self.process.cap_effective
    }

    /// Bits of `sysflow::record::exe_flags`.
    pub fn exe_flags(&self) -> i32 {
        self.process.exe_flags
    }

    /// Inode of its executable; 0 when not known.
    pub fn exe_ino(&self) -> i64 {
        self.process.exe_ino
    }

    /// When that inode was last changed, in nanoseconds since the epoch; 0 when not known.
    pub fn exe_ctime(&self) -> i64 {
        self.process.exe_ctime
    }

    /// Id of its container; `None` on the host.
    pub fn container_id(&self) -> Option<&'a str> {
        Some(self.recorder.containers.id(self.process.container)).filter(|id| !id.is_empty())
    }

    /// Its container, as its record would be; `None` on the host.
    pub fn container(&self) -> Option<Container> {
        Some(self.recorder.containers.get(self.process.container)?.record())
    }

    /// The pod of its container.
    pub fn pod(&self) -> Option<Pod> {
        let mut pod = self.recorder.containers.get(self.process.container)?.meta.as_ref()?.pod.clone()?;
        pod.node_name.clone_from(&self.recorder.config.node);
        Some(pod)
    }
}

/// Ids of users and groups are all ones when not known.
fn known(id: i32) -> Option<u32> {
    (id != -1).then_some(id as u32)
}
