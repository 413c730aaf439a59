//! Joined records from a few words: who did it, where, and what.

use std::net::IpAddr;

use sysflow::{
    Entities, Foid, Joined, Oid,
    record::{
        Container, ContainerType, File, FileEvent, FileFlow, Header, Loss, NetworkFlow, ObjectState, Pod,
        Process, ProcessEvent, Record, exe_flags, op, open_flags,
    },
};

/// Start of the scene's clock.
pub(crate) const NOW: i64 = 1_700_000_000_000_000_000;

/// A process tree, its container, and one event or flow of the last process.
#[derive(Debug)]
pub(crate) struct Scene {
    entities: Entities,
    processes: Vec<Process>,
    record: Option<Record>,
}

impl Scene {
    /// `"node app.js > sh -c id > id"`: ancestors first. A name without a path lies in /usr/bin.
    pub(crate) fn new(tree: &str) -> Self {
        let mut entities = Entities::default();
        entities.apply(&Record::Header(Header {
            version: 5,
            exporter: "node-1".into(),
            ip: "192.0.2.1".into(),
            filename: "scene".into(),
            lost: Loss::default(),
        }));
        let mut processes: Vec<Process> = Vec::new();
        for (at, command) in tree.split(" > ").enumerate() {
            let (exe, args) = command.trim().split_once(' ').unwrap_or((command.trim(), ""));
            let path = if exe.contains('/') || exe.starts_with("memfd:") {
                exe.to_owned()
            } else {
                format!("/usr/bin/{exe}")
            };
            processes.push(Process {
                state: ObjectState::Created,
                oid: Oid { create_ts: NOW - 60_000_000_000 + at as i64, hpid: 100 + at as i64 },
                poid: processes.last().map(|parent| parent.oid),
                ts: NOW,
                exe: path,
                exe_args: args.to_owned(),
                uid: 1000,
                user_name: "web".into(),
                gid: 1000,
                group_name: "web".into(),
                cwd: "/app".into(),
                graph_id: "00000000000000000000000000000001".into(),
                sid: 100,
                vpid: 1 + at as i64,
                loginuid: -1,
                ..Process::default()
            });
        }
        Self { entities, processes, record: None }
    }

    /// All processes run in this container, which belongs to a pod.
    pub(crate) fn container(mut self, name: &str) -> Self {
        let id = "0123456789ab";
        self.entities.apply(&Record::Pod(Pod {
            ts: NOW,
            id: "pod-uid".into(),
            name: format!("{name}-0"),
            node_name: "node-1".into(),
            host_ip: Vec::new(),
            internal_ip: Vec::new(),
            namespace: "prod".into(),
            restart_count: 0,
            labels: [("app".to_owned(), name.to_owned())].into(),
            selectors: std::collections::BTreeMap::new(),
            services: Vec::new(),
        }));
        self.entities.apply(&Record::Container(Container {
            id: id.into(),
            name: name.into(),
            image: format!("registry.example:5000/team/{name}:1.2"),
            imageid: "sha256:00".into(),
            container_type: ContainerType::Containerd,
            privileged: false,
            pod_id: Some("pod-uid".into()),
        }));
        for process in &mut self.processes {
            process.container_id = Some(id.into());
        }
        self
    }

    /// Changes the process that acts.
    pub(crate) fn with(mut self, change: impl FnOnce(&mut Process)) -> Self {
        if let Some(process) = self.processes.last_mut() {
            change(process);
        }
        self
    }

    /// Changes the parent of the process that acts.
    pub(crate) fn parent(mut self, change: impl FnOnce(&mut Process)) -> Self {
        if let [.., parent, _] = self.processes.as_mut_slice() {
            change(parent);
        }
        self
    }

    pub(crate) fn tty(self) -> Self {
        self.with(|process| {
            process.tty = true;
            process.tty_nr = 34816;
        })
    }

    pub(crate) fn upper_layer(self) -> Self {
        self.with(|process| process.exe_flags |= exe_flags::UPPER_LAYER)
    }

    pub(crate) fn memfd(self) -> Self {
        self.with(|process| process.exe_flags |= exe_flags::MEMFD)
    }

    // === operations ===

    pub(crate) fn event(mut self, op_flags: i32, ret: i32, args: &[&str]) -> Self {
        self.record = Some(Record::ProcessEvent(ProcessEvent {
            proc_oid: self.oid(),
            ts: NOW,
            tid: self.oid().hpid,
            op_flags,
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            ret,
        }));
        self
    }

    pub(crate) fn exec(self) -> Self {
        self.event(op::EXEC, 0, &[])
    }

    /// A flow of `path`, opened with `open_flags` (0: it began without an open), `bytes` read and written.
    pub(crate) fn file(mut self, path: &str, kind: u8, flags: i32, bytes: (i64, i64)) -> Self {
        let file_oid = self.add_file(path, kind);
        let mut op_flags = op::CLOSE;
        if flags != 0 {
            op_flags |= op::OPEN;
        }
        if bytes.0 > 0 {
            op_flags |= op::READ_RECV;
        }
        if bytes.1 > 0 {
            op_flags |= op::WRITE_SEND;
        }
        if kind == b'u' {
            op_flags = op::CONNECT | op::WRITE_SEND;
        }
        self.record = Some(Record::FileFlow(FileFlow {
            proc_oid: self.oid(),
            ts: NOW,
            tid: self.oid().hpid,
            op_flags,
            open_flags: flags,
            end_ts: NOW + 5_000_000,
            file_oid,
            fd: 3,
            num_rrecv_ops: i64::from(bytes.0 > 0),
            num_wsend_ops: i64::from(bytes.1 > 0),
            num_rrecv_bytes: bytes.0,
            num_wsend_bytes: bytes.1,
            num_opens: 1,
        }));
        self
    }

    pub(crate) fn read(self, path: &str) -> Self {
        self.file(path, b'f', open_flags::RDONLY, (100, 0))
    }

    pub(crate) fn write(self, path: &str) -> Self {
        self.file(path, b'f', open_flags::WRONLY | open_flags::CREAT | open_flags::TRUNC, (0, 100))
    }

    pub(crate) fn append(self, path: &str) -> Self {
        self.file(path, b'f', open_flags::WRONLY | open_flags::APPEND, (0, 100))
    }

    pub(crate) fn file_event(
        mut self,
        op_flags: i32,
        path: &str,
        new: Option<&str>,
        ret: i32,
        arg: &str,
    ) -> Self {
        let file_oid = self.add_file(path, b'?');
        let new_file_oid = new.map(|path| self.add_file(path, b'?'));
        self.record = Some(Record::FileEvent(FileEvent {
            proc_oid: self.oid(),
            ts: NOW,
            tid: self.oid().hpid,
            op_flags,
            file_oid,
            ret,
            new_file_oid,
            arg: arg.into(),
        }));
        self
    }

    /// Adds operations to those of a flow.
    pub(crate) fn add_ops(mut self, ops: i32) -> Self {
        if let Some(Record::FileFlow(flow)) = &mut self.record {
            flow.op_flags |= ops;
        }
        self
    }

    pub(crate) fn refused(self, path: &str) -> Self {
        self.file_event(op::OPEN, path, None, -13, "RDONLY")
    }

    /// A flow between `client` and `server`, each `address:port` or `[address]:port`.
    pub(crate) fn net(mut self, op_flags: i32, client: &str, server: &str, received: i64, sent: i64) -> Self {
        let (sip, sip6, sport) = endpoint(client);
        let (dip, dip6, dport) = endpoint(server);
        self.record = Some(Record::NetworkFlow(NetworkFlow {
            proc_oid: self.oid(),
            ts: NOW,
            tid: self.oid().hpid,
            op_flags: op_flags | op::READ_RECV | op::WRITE_SEND,
            end_ts: NOW + 2_000_000_000,
            sip,
            sport,
            dip,
            dport,
            proto: 6,
            fd: 4,
            num_rrecv_ops: 1,
            num_wsend_ops: 1,
            num_rrecv_bytes: received,
            num_wsend_bytes: sent,
            sip6,
            dip6,
        }));
        self
    }

    pub(crate) fn connect(self, server: &str, received: i64, sent: i64) -> Self {
        let client = if server.starts_with('[') { "[2001:db8::5]:40000" } else { "10.0.0.5:40000" };
        self.net(op::CONNECT, client, server, received, sent)
    }

    /// Moves the operation by `ns`.
    pub(crate) fn at(mut self, ns: i64) -> Self {
        match &mut self.record {
            Some(Record::ProcessEvent(event)) => event.ts += ns,
            Some(Record::FileEvent(event)) => event.ts += ns,
            Some(Record::FileFlow(flow)) => (flow.ts, flow.end_ts) = (flow.ts + ns, flow.end_ts + ns),
            Some(Record::NetworkFlow(flow)) => (flow.ts, flow.end_ts) = (flow.ts + ns, flow.end_ts + ns),
            _ => {}
        }
        self
    }

    // === the outcome ===

    /// Calls `judge` with the joined record.
    pub(crate) fn joined<T>(mut self, judge: impl FnOnce(&Joined<'_>) -> T) -> T {
        for process in &self.processes {
            self.entities.apply(&Record::Process(process.clone()));
        }
        let record = self.record.take().expect("the scene has an operation");
        judge(&self.entities.join(&record))
    }

    fn oid(&self) -> Oid {
        self.processes.last().expect("a scene has a process").oid
    }

    fn add_file(&mut self, path: &str, kind: u8) -> Foid {
        let container = self.processes.last().and_then(|process| process.container_id.clone());
        let oid = Foid::new(container.as_deref().unwrap_or_default(), path);
        self.entities.apply(&Record::File(File {
            state: ObjectState::Created,
            oid,
            ts: NOW,
            restype: i32::from(kind),
            path: path.into(),
            container_id: container,
        }));
        oid
    }
}

fn endpoint(text: &str) -> (i32, Option<[u8; 16]>, i32) {
    let (address, port) = text.rsplit_once(':').expect("address:port");
    let port = port.parse().expect("a port");
    match address.trim_matches(['[', ']']).parse().expect("an address") {
        IpAddr::V4(ip) => (i32::from_le_bytes(ip.octets()), None, port),
        IpAddr::V6(ip) => (0, Some(ip.octets()), port),
    }
}
