//! What outlives a restart: who each process is, and the state as the next start would find it.
//!
//! A host can tell what a process is doing, but not when its clone was seen, nor which graph it was judged to be in.
//! Whoever keeps recorders alive over restarts stores each [`Identity`] that [`crate::Sink::identity`] is told of, and
//! hands it back in [`crate::Initial::identity`] of the same process.

use sysflow::{GraphId, Oid, record::open_flags};

use crate::{
    Initial, InitialFd, InitialFdKind, Recorder, Sink,
    state::{
        Map,
        fd::{Ends, Fd, FdKind, protocol_number},
        process::{Process, entries},
    },
};

/// Who a process is, as a recorder has decided it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The process: when it was cloned, and its pid on the host.
    pub oid: Oid,
    /// The process that it was cloned by; it may have ended since.
    pub poid: Option<Oid>,
    /// Its graph.
    pub graph: GraphId,
    /// The graph that its graph came from.
    pub parent_graph: Option<GraphId>,
    /// The process that names the graph.
    pub root: Oid,
    /// The judgement at its first successful exec has been made: its graph never changes any more.
    pub judged: bool,
    /// It starts sessions, as was decided when its program was executed.
    pub serves: bool,
    /// The process that it was cloned by does so, which counts until it is judged.
    pub parent_serves: bool,
    /// Container that it was born in, empty for the host; a process that changes it is a graph of its own.
    pub birth_container: String,
}

impl Recorder {
    /// Who the process with this pid is; `None` when it is not known or has ended.
    pub fn identity(&self, pid: i64) -> Option<Identity> {
        let process = self.processes.get(self.processes.by_tid(pid)?)?;
        (process.oid.hpid == pid).then(|| self.identity_of(process))
    }

    /// All living processes by pid, in no order: what a store of identities is made of when it is written anew.
    pub fn identities(&self) -> impl Iterator<Item = (i64, Identity)> + '_ {
        self.living().map(|process| (process.oid.hpid, self.identity_of(process)))
    }

    /// The state as a host would tell it to a recorder that starts now: processes with their identity, arguments (as
    /// recorded: secrets masked), container, working directory and descriptors, and their threads. What a restart does
    /// not find: open flows, ended processes, which processes share descriptors, and the names of users and containers.
    pub fn snapshot(&self) -> Vec<Initial> {
        let mut tids: Map<i64, i64> = Map::default();
        for (tid, slot) in self.processes.threads.iter() {
            let Some(pid) = self.processes.get(slot).map(|process| process.oid.hpid) else { continue };
            let of = tids.entry(pid).or_insert(tid);
            *of = if *of == pid || tid == pid { pid } else { (*of).min(tid) };
        }
        let leaders = self.living().map(|process| self.initial_of(process, &tids));
        let threads = self.processes.threads.iter().filter_map(|(tid, slot)| {
            let process = self.processes.get(slot)?;
            let pid = process.oid.hpid;
            let ptid = self.parent_tid(process, &tids);
            (tids.get(&pid) != Some(&tid)).then(|| Initial { tid, pid, ptid, ..Initial::default() })
        });
        leaders.chain(threads).collect()
    }

    /// Tells the sink who the process is, now that this is decided or has changed.
    pub(crate) fn tell_identity(&self, slot: u32, sink: &mut dyn Sink) {
        if let Some(process) = self.processes.get(slot).filter(|_| sink.keeps_identities()) {
            sink.identity(process.oid.hpid, &self.identity_of(process));
        }
    }

    fn living(&self) -> impl Iterator<Item = &Process> {
        self.processes.slots.iter().map(|(_, process)| process).filter(|process| process.threads > 0)
    }

    fn identity_of(&self, process: &Process) -> Identity {
        let parent = process.parent.and_then(|parent| self.processes.get(parent));
        Identity {
            oid: process.oid,
            poid: process.poid,
            graph: process.graph.id,
            parent_graph: process.graph.parent(),
            root: process.graph.root,
            judged: process.judged,
            serves: process.is_server,
            parent_serves: parent.map_or(process.parent_serves, |parent| parent.is_server),
            birth_container: self.containers.id(process.birth_container).to_owned(),
        }
    }

    /// The parent as the kernel has it: the first process takes orphans in.
    fn parent_tid(&self, process: &Process, tids: &Map<i64, i64>) -> i64 {
        let parent = process.parent.and_then(|parent| self.processes.get(parent));
        match parent {
            Some(parent) if parent.threads > 0 => tids.get(&parent.oid.hpid).copied().unwrap_or(1),
            None if process.poid.is_none() => 0,
            _ => 1,
        }
    }

    /// By the thread in `tids`: the main one, or another when that has ended before it.
    fn initial_of(&self, process: &Process, tids: &Map<i64, i64>) -> Initial {
        let bytes = |text: &str| text.as_bytes().to_vec();
        let fs = self.processes.fs.get(process.fs);
        let cwd = fs.map_or("", |fs| &fs.cwd);
        let root = fs.and_then(|fs| fs.root.as_ref()).filter(|root| root.container == process.container);
        let root = root.map_or("/", |root| &root.path);
        let fds = self.processes.files.get(process.files).map(|table| {
            table.fds.iter().filter_map(|(number, fd)| self.initial_fd_of(number, &fd)).collect()
        });
        Initial {
            tid: tids.get(&process.oid.hpid).copied().unwrap_or(process.oid.hpid),
            pid: process.oid.hpid,
            ptid: self.parent_tid(process, tids),
            start_ts: process.oid.create_ts,
            sid: process.sid,
            vpid: process.vpid,
            exe: bytes(&process.exe),
            exe_path: bytes(&process.exe),
            args: process.args.split(' ').filter(|_| !process.args.is_empty()).map(bytes).collect(),
            env: entries(process.env.as_deref()).map(bytes).collect(),
            cgroups: Vec::new(),
            cwd: bytes(cwd),
            root: bytes(root),
            uid: process.uid as u32,
            gid: process.gid as u32,
            loginuid: process.loginuid as u32,
            tty: process.tty,
            cap_effective: process.cap_effective as u64,
            exe_flags: process.exe_flags,
            exe_ino: process.exe_ino as u64,
            exe_ctime: process.exe_ctime as u64,
            container_id: Some(self.containers.id(process.container).to_owned()),
            fds: fds.unwrap_or_default(),
            identity: Some(self.identity_of(process)),
        }
    }

    fn initial_fd_of(&self, number: i64, fd: &Fd) -> Option<InitialFd> {
        let kind = match fd.kind {
            FdKind::Path { path, restype } => {
                let name = self.files.text(path).as_bytes().to_vec();
                match restype {
                    b'd' => InitialFdKind::Directory(name),
                    b'p' => InitialFdKind::Pipe(name),
                    b'u' => InitialFdKind::Unix(name),
                    _ => InitialFdKind::File(name),
                }
            }
            FdKind::Inet(socket) => {
                let (source, dest) = both(&socket.ends);
                InitialFdKind::Inet { source, dest, proto: protocol_number(socket.proto) }
            }
            FdKind::Bound { local, proto } => {
                InitialFdKind::InetServer { local: both(&local).1, proto: protocol_number(proto) }
            }
            FdKind::Process { .. } | FdKind::Other => InitialFdKind::Other,
            FdKind::Unknown => return None,
        };
        let cloexec = if fd.cloexec { open_flags::CLOEXEC } else { 0 };
        Some(InitialFd { fd: number, kind, open_flags: (fd.open_flags | cloexec) as u32 })
    }
}

fn both(ends: &Ends) -> ((std::net::IpAddr, u16), (std::net::IpAddr, u16)) {
    let ip = |ip: &[u8; 16]| -> std::net::IpAddr {
        if ends.v6 { (*ip).into() } else { [ip[0], ip[1], ip[2], ip[3]].into() }
    };
    ((ip(&ends.sip), ends.sport), (ip(&ends.dip), ends.dport))
}
