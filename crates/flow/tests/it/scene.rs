//! A host with a shell on it, and the operations that happen there.

use sysflow::{Record, Schema};
use sysflow_flow::{
    Compat, Config, Event, Initial, InitialFd, InitialFdKind, NoHost, Op, Recorder,
    op::{AT_FDCWD, Clone, Endpoint, Exec, Image, LinkKind, LinkOp, Open, PathKind, PathOp, Tuple},
};

use crate::line::{Lines, START};

/// Pid of the shell.
pub(crate) const SHELL: i64 = 100;

/// A recorder and what it has said.
pub(crate) struct Scene {
    pub(crate) recorder: Recorder,
    pub(crate) records: Vec<Record>,
    seen: usize,
    lines: Lines,
    ms: i64,
}

impl Scene {
    /// init 1, sshd 50, and a shell 100 with its terminal; in the default mode.
    pub(crate) fn new() -> Self {
        Self::with(Config::default())
    }

    /// In the mode of SysFlow's regression tests.
    pub(crate) fn tests() -> Self {
        Self::with(Config { schema: Schema::V5, compat: Compat::SysflowTests, ..Config::default() })
    }

    pub(crate) fn with(config: Config) -> Self {
        let terminal = |fd| InitialFd { fd, kind: InitialFdKind::File(b"/dev/pts/0".into()), open_flags: 3 };
        let process = |pid, ptid, exe: &[u8]| Initial {
            tid: pid,
            pid,
            ptid,
            vpid: pid,
            exe: exe.into(),
            exe_path: exe.into(),
            cwd: b"/root".into(),
            ..Initial::default()
        };
        let init = process(1, 0, b"/usr/lib/systemd/systemd");
        let sshd = process(50, 1, b"/usr/sbin/sshd");
        let shell =
            Initial { fds: vec![terminal(0), terminal(1), terminal(2)], ..process(SHELL, 50, b"/bin/bash") };
        let mut recorder = Recorder::new(Config { node: "node".into(), ..config });
        let mut records = Vec::new();
        recorder.start([init, sshd, shell], &mut records);
        Self { recorder, records, seen: 0, lines: Lines::default(), ms: 0 }
    }

    /// Lets time pass.
    pub(crate) fn after(&mut self, ms: i64) -> &mut Self {
        self.ms += ms;
        self
    }

    pub(crate) fn now(&self) -> i64 {
        START + self.ms * 1_000_000
    }

    /// One operation, a millisecond after the one before.
    pub(crate) fn op(&mut self, tid: i64, op: Op<'_>) -> &mut Self {
        self.ms += 1;
        let event = Event { ts: self.now(), tid, op };
        self.recorder.apply(&event, &mut NoHost, &mut self.records);
        let counters = self.recorder.counters();
        assert!(counters.balanced(), "{counters:?}");
        self
    }

    pub(crate) fn finish(&mut self) -> &mut Self {
        self.recorder.finish(&mut self.records);
        self
    }

    /// The records since the last call, as lines.
    pub(crate) fn lines(&mut self) -> Vec<String> {
        let new = &self.records[self.seen..];
        self.seen = self.records.len();
        new.iter().map(|record| self.lines.line(record)).collect()
    }

    /// The events and flows since the last call.
    pub(crate) fn events(&mut self) -> Vec<String> {
        let is_entity =
            |line: &String| ["H", "C ", "P ", "F ", "PD "].iter().any(|kind| line.starts_with(kind));
        self.lines().into_iter().filter(|line| !is_entity(line)).collect()
    }

    /// Both halves of a fork of `parent`.
    pub(crate) fn fork(&mut self, parent: i64, child: i64) -> &mut Self {
        self.clone(parent, child, 0)
    }

    pub(crate) fn clone(&mut self, parent: i64, child: i64, flags: u32) -> &mut Self {
        let is_thread = flags & sysflow_flow::op::clone_flags::THREAD != 0;
        let image = Image { pid: if is_thread { parent } else { child }, ptid: parent, ..Image::default() };
        let of = Image { pid: parent, ..Image::default() };
        let vtid = Some(parent);
        self.op(parent, Op::Clone(Clone { ret: child, image: of, flags, vtid, ..Clone::default() }));
        self.op(
            child,
            Op::Clone(Clone { image, flags, vtid: Some(child), vpid: Some(child), ..Clone::default() }),
        )
    }

    pub(crate) fn exec(&mut self, pid: i64, path: &str, args: &str) -> &mut Self {
        self.op(pid, exec(pid, path, args))
    }

    pub(crate) fn open(&mut self, tid: i64, path: &str, fd: i64) -> &mut Self {
        self.op(tid, open(path, 1, fd))
    }

    pub(crate) fn read(&mut self, tid: i64, fd: i64, ret: i64) -> &mut Self {
        self.op(tid, Op::Read { ret, fd, tuple: None })
    }

    pub(crate) fn write(&mut self, tid: i64, fd: i64, ret: i64) -> &mut Self {
        self.op(tid, Op::Write { ret, fd, tuple: None })
    }

    pub(crate) fn close(&mut self, tid: i64, fd: i64) -> &mut Self {
        self.op(tid, Op::Close { ret: 0, fd })
    }

    pub(crate) fn exit(&mut self, tid: i64) -> &mut Self {
        self.op(tid, Op::Exit { status: 0 })
    }

    /// A TCP connection of `tid` to 10.0.0.2:80.
    pub(crate) fn connect(&mut self, tid: i64, fd: i64) -> &mut Self {
        self.op(tid, socket(fd));
        self.op(
            tid,
            Op::Connect { ret: 0, fd, tuple: Some(inet("10.0.0.1:4000", "10.0.0.2:80")), addr: None },
        )
    }
}

pub(crate) fn exec<'a>(pid: i64, path: &'a str, args: &'a str) -> Op<'a> {
    let image = Image { pid, exe: path.as_bytes(), args: args.as_bytes(), ..Image::default() };
    Op::Exec(Exec { image, path: path.as_bytes(), filename: path.as_bytes(), ..Exec::default() })
}

pub(crate) fn open(path: &str, flags: u32, ret: i64) -> Op<'_> {
    Op::Open(Open { ret, dirfd: AT_FDCWD, path: path.as_bytes(), flags, ..Open::default() })
}

pub(crate) fn path<'a>(kind: PathKind<'a>, path: &'a str) -> Op<'a> {
    Op::Path(PathOp { ret: 0, kind, dirfd: AT_FDCWD, path: path.as_bytes() })
}

pub(crate) fn link<'a>(kind: LinkKind, old: &'a str, new: &'a str) -> Op<'a> {
    let (old, new) = (old.as_bytes(), new.as_bytes());
    Op::Link(LinkOp { ret: 0, kind, old_dirfd: AT_FDCWD, old, new_dirfd: AT_FDCWD, new })
}

/// An IPv4 stream socket.
pub(crate) fn socket(fd: i64) -> Op<'static> {
    Op::Socket { ret: fd, domain: 2, kind: 1, proto: 0 }
}

pub(crate) fn endpoint(text: &str) -> Endpoint {
    let address: std::net::SocketAddr = text.parse().unwrap();
    Endpoint { ip: address.ip(), port: address.port() }
}

pub(crate) fn inet(source: &str, dest: &str) -> Tuple<'static> {
    Tuple::Inet { source: endpoint(source), dest: endpoint(dest) }
}
