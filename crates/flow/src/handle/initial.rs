//! The state that exists before the first event.

use std::sync::Arc;

use sysflow::{Oid, record::exe_flags};

use crate::{
    Identity, Initial, InitialFd, InitialFdKind, Recorder, Sink,
    config::Env,
    graph::Membership,
    mask::mask,
    op::Endpoint,
    recorder::SECOND,
    state::{
        Map, container,
        fd::{Ends, Fd, FdKind, FdTable, Role, Socket},
        process::{Exiting, Fs, Made, Process, Root},
        threads::Thread,
    },
    text::{memfd_path, parts, text},
};

impl Recorder {
    pub(crate) fn load(&mut self, initial: impl IntoIterator<Item = Initial>, sink: &mut dyn Sink) {
        let initial: Vec<Initial> = initial.into_iter().collect();
        let leader_of: Map<i64, i64> = initial.iter().map(|thread| (thread.tid, thread.pid)).collect();
        // One thread tells of the process: the main thread, unless that has ended before the others.
        let (leaders, threads): (Vec<_>, Vec<_>) =
            initial.into_iter().partition(|entry| entry.tid == entry.pid || entry.identity.is_some());
        let mut waiting: Map<i64, Initial> = leaders.into_iter().map(|leader| (leader.pid, leader)).collect();
        let mut slots: Map<i64, u32> = Map::default();
        let mut pids: Vec<i64> = waiting.keys().copied().collect();
        pids.sort_unstable();
        // A process is judged by its parent's graph: parents first.
        for pid in pids {
            let mut line = Vec::new();
            let mut next = Some(pid);
            while let Some(process) = next.and_then(|pid| waiting.remove(&pid)) {
                next = Some(leader_of.get(&process.ptid).copied().unwrap_or(process.ptid));
                line.push(process);
            }
            while let Some(process) = line.pop() {
                let slot = self.add_initial(&process, sink);
                slots.extend(slot.map(|slot| (process.pid, slot)));
            }
        }
        for thread in threads {
            match slots.get(&thread.pid) {
                Some(slot) => self.add_thread(thread.tid, *slot, Made::Settled),
                None => slots.extend(self.add_initial(&thread, sink).map(|slot| (thread.pid, slot))),
            }
        }
    }

    /// Adds a process or a thread that existed before it was seen; its slot.
    pub(crate) fn add_initial(&mut self, initial: &Initial, sink: &mut dyn Sink) -> Option<u32> {
        self.found(initial.tid);
        if let Some(slot) = self.processes.by_tid(initial.pid) {
            self.add_thread(initial.tid, slot, Made::Settled);
            return Some(slot);
        }
        let parent = self.processes.by_tid(initial.ptid).filter(|_| initial.ptid > 0);
        let exe_path = if initial.exe_path.is_empty() { &initial.exe } else { &initial.exe_path };
        let mut exe = self.text(exe_path);
        if initial.exe_flags & exe_flags::MEMFD != 0 && !self.habits.collector_entities {
            exe = memfd_path(&exe);
        }
        let args = self.arguments(&exe, initial.args.iter().map(Vec::as_slice));
        let env = self.environment(initial.env.iter().map(Vec::as_slice));
        let container = match &initial.container_id {
            Some(id) => self.containers.index(id, None),
            None => match container::from_cgroups(initial.cgroups.iter().map(Vec::as_slice)) {
                Some((id, container_type)) => self.containers.index(&id, container_type),
                None => 0,
            },
        };
        let mut cwd = self.text(&initial.cwd);
        if !cwd.is_empty() && !cwd.ends_with('/') {
            cwd.push('/');
        }
        // A jail of a container's own shows from outside as a directory of the host in some runtimes.
        let root =
            Some(self.text(&initial.root)).filter(|_| container == 0 && !self.habits.collector_entities);
        let root = root.and_then(|root| Root::new(&root, container));
        self.processes.has_roots |= root.is_some();
        let mut table = FdTable { users: 1, ..FdTable::default() };
        for fd in &initial.fds {
            let entry = self.initial_fd(fd);
            if table.fds.len() < self.config.limits.fds as usize && fd.fd >= 0 {
                table.fds.insert(fd.fd, entry);
            }
        }
        self.held_fds += table.fds.room();
        let oid = Oid { create_ts: initial.start_ts, hpid: initial.pid };
        let process = Process {
            poid: parent.and_then(|parent| Some(self.processes.get(parent)?.oid)),
            exe: self.texts.intern(&exe),
            args: args.into(),
            env,
            uid: initial.uid as i32,
            gid: initial.gid as i32,
            tty: initial.tty,
            sid: initial.sid,
            vpid: initial.vpid,
            loginuid: i64::from(initial.loginuid as i32),
            cap_effective: initial.cap_effective as i64,
            exe_flags: initial.exe_flags,
            exe_ino: initial.exe_ino as i64,
            exe_ctime: initial.exe_ctime as i64,
            container,
            birth_container: container,
            fs: self.processes.fs.insert(Fs { cwd: self.texts.intern(&cwd), root, users: 1 }),
            files: self.processes.files.insert(table),
            judged: true,
            ..self.blank(oid, parent)
        };
        let slot = self.add_process(process)?;
        let made = match &initial.identity {
            Some(identity) if identity.oid.hpid == initial.pid => self.adopt(slot, identity),
            _ => {
                self.judge(slot);
                Made::Settled
            }
        };
        self.add_thread(initial.tid, slot, made);
        if initial.identity.is_some() && initial.tid != initial.pid {
            // Its main thread had ended before the restart; how is not known any more.
            let exit = Exiting { process: slot, ts: i64::MAX, status: 0, told: false };
            self.exiting.insert(initial.pid, exit);
        }
        self.tell_identity(slot, sink);
        Some(slot)
    }

    /// Makes the process who it was before a restart.
    fn adopt(&mut self, slot: u32, identity: &Identity) -> Made {
        let birth_container = self.containers.index(&identity.birth_container, None);
        let parent = self.processes.get(slot).and_then(|process| process.parent);
        // An orphan keeps the parent that it was cloned by, not the one that has taken it in.
        let stranger = parent.filter(|parent| self.processes.get(*parent).map(|p| p.oid) != identity.poid);
        if let Some(parent) = stranger.and_then(|parent| self.processes.get_mut(parent)) {
            parent.children = parent.children.saturating_sub(1);
        }
        if let Some(process) = self.processes.get_mut(slot) {
            process.oid = identity.oid;
            process.poid = identity.poid;
            process.parent = parent.filter(|_| stranger.is_none());
            process.graph = Membership::new(identity.graph, identity.parent_graph, identity.root);
            process.judged = identity.judged;
            process.is_server = identity.serves;
            process.parent_serves = identity.parent_serves;
            process.birth_container = birth_container;
            process.born = true;
            process.known = true;
        }
        if identity.judged { Made::Settled } else { Made::Adopted(identity.oid.create_ts) }
    }

    /// A process of which nothing is known but who it is.
    pub(crate) fn blank(&self, oid: Oid, parent: Option<u32>) -> Process {
        Process {
            oid,
            poid: parent.and_then(|parent| Some(self.processes.get(parent)?.oid)),
            parent,
            children: 0,
            threads: 0,
            ended: false,
            exe: Arc::default(),
            args: Arc::default(),
            env: None,
            uid: -1,
            gid: -1,
            tty: 0,
            sid: -1,
            vpid: -1,
            loginuid: -1,
            cap_effective: 0,
            exe_flags: 0,
            exe_ino: 0,
            exe_ctime: 0,
            container: 0,
            birth_container: 0,
            fs: u32::MAX,
            files: u32::MAX,
            flows: crate::state::fd::FdMap::default(),
            thread_flow: None,
            graph: self.own_graph(oid, None),
            is_server: false,
            parent_serves: false,
            judged: false,
            born: false,
            known: false,
            told: None,
            written: 0,
            own: false,
            active: (self.now / SECOND) as u32,
        }
    }

    /// Puts a process in a slot; `None` when there are too many and none can go.
    pub(crate) fn add_process(&mut self, process: Process) -> Option<u32> {
        let (limit, parent) = (self.config.limits.processes as usize, process.parent);
        // Before room is made: a parent with a child is not forgotten.
        if let Some(parent) = parent.and_then(|parent| self.processes.get_mut(parent)) {
            parent.children += 1;
        }
        if self.processes.slots.len() >= limit {
            self.make_room(parent);
        }
        if self.processes.slots.len() >= limit {
            if let Some(parent) = parent.and_then(|parent| self.processes.get_mut(parent)) {
                parent.children = parent.children.saturating_sub(1);
            }
            self.processes.release_shared(process.fs, process.files);
            return None;
        }
        Some(self.processes.slots.insert(process))
    }

    pub(crate) fn add_thread(&mut self, tid: i64, slot: u32, made: Made) {
        let old = self.processes.threads.insert(tid, Thread { process: slot, made });
        if let Some(process) = self.processes.get_mut(slot) {
            process.threads += 1;
        }
        if let Some(process) = old.and_then(|old| self.processes.get_mut(old)) {
            process.threads = process.threads.saturating_sub(1);
        }
    }

    /// Decides the graph of a process that is older than the trace.
    fn judge(&mut self, slot: u32) {
        let Some(is_server) = self.processes.get(slot).map(|process| self.serves(process)) else { return };
        if let Some(process) = self.processes.get_mut(slot) {
            process.is_server = is_server;
        }
        let Some(graph) = self.processes.get(slot).map(|process| self.graph_when_found(process)) else {
            return;
        };
        if let Some(process) = self.processes.get_mut(slot) {
            process.graph = graph;
        }
    }

    /// Arguments joined by one space, secrets masked.
    pub(crate) fn arguments<'a>(&mut self, exe: &str, args: impl Iterator<Item = &'a [u8]>) -> String {
        let limit = self.config.limits.string as usize;
        let mut args: Vec<String> = args.map(|arg| text(arg, limit)).collect();
        // The collector's library loses an empty argument at the end; a process that has rewritten its title, such as
        // sshd, ends with many.
        if self.habits.collector_entities && args.last().is_some_and(String::is_empty) {
            args.pop();
        }
        if self.config.mask {
            mask(exe, &mut args, limit);
        }
        let mut joined = args.join(" ");
        if joined.len() > limit {
            self.counters.strings_cut += 1;
            let end = (0..=limit).rev().find(|end| joined.is_char_boundary(*end)).unwrap_or(0);
            joined.truncate(end);
        }
        joined
    }

    pub(crate) fn argument_list(&mut self, exe: &str, args: &[u8]) -> String {
        self.arguments(exe, parts(args))
    }

    /// What the settings keep of the environment.
    pub(crate) fn environment<'a>(&mut self, env: impl Iterator<Item = &'a [u8]>) -> Option<Arc<str>> {
        let limit = self.config.limits.string as usize;
        let mut kept = String::new();
        for entry in env {
            match &self.config.env {
                Env::Off => return None,
                Env::Names => {
                    kept.push_str(&name_of(entry, limit));
                    kept.push('=');
                }
                Env::Listed(names) if !names.contains(&name_of(entry, limit)) => continue,
                Env::Listed(_) | Env::All => kept.push_str(&text(entry, limit)),
            }
            kept.push('\0');
        }
        (!kept.is_empty()).then(|| kept.into())
    }

    pub(crate) fn initial_fd(&mut self, fd: &InitialFd) -> Fd {
        let socket = |source: (std::net::IpAddr, u16), dest: (std::net::IpAddr, u16)| {
            let end = |(ip, port)| Endpoint { ip, port };
            Ends::new(end(source), end(dest))
        };
        let kind = match &fd.kind {
            InitialFdKind::File(name) => return self.initial_path(name, b'f', fd.open_flags),
            InitialFdKind::Directory(name) => return self.initial_path(name, b'd', fd.open_flags),
            InitialFdKind::Pipe(name) => return self.initial_path(name, b'p', fd.open_flags),
            InitialFdKind::Unix(name) => return self.initial_path(name, b'u', fd.open_flags),
            InitialFdKind::Memfd(_) if self.habits.collector_gaps => FdKind::Other,
            InitialFdKind::Memfd(name) => {
                let name = memfd_path(&self.text(name));
                return self.initial_path(name.as_bytes(), b'f', fd.open_flags);
            }
            InitialFdKind::Inet { source, dest, proto } => FdKind::Inet(Socket {
                ends: socket(*source, *dest),
                proto: *proto as i8,
                role: Role::Unknown,
            }),
            InitialFdKind::InetServer { local, proto } => {
                let any = match local.0 {
                    std::net::IpAddr::V4(_) => std::net::IpAddr::from([0; 4]),
                    std::net::IpAddr::V6(_) => std::net::IpAddr::from([0; 16]),
                };
                FdKind::Bound { local: socket((any, 0), *local), proto: *proto as i8 }
            }
            InitialFdKind::Other => FdKind::Other,
        };
        let cloexec = fd.open_flags & sysflow::record::open_flags::CLOEXEC as u32 != 0;
        Fd { kind, open_flags: fd.open_flags as i32, cloexec }
    }

    fn initial_path(&mut self, name: &[u8], restype: u8, open_flags: u32) -> Fd {
        let name = self.text(name);
        let cloexec = open_flags & sysflow::record::open_flags::CLOEXEC as u32 != 0;
        self.path_fd(&name, restype, open_flags, cloexec)
    }
}

fn name_of(entry: &[u8], limit: usize) -> String {
    text(entry.split(|byte| *byte == b'=').next().unwrap_or(entry), limit)
}
