//! Tests on real captures: they go through the decoder and the recorder as in Falco, without the C interface.

use std::{
    io::Write as _,
    net::IpAddr,
    path::{Path, PathBuf},
};

use sysflow::{
    Record, Schema,
    file::{Options, Writer},
};
use sysflow_flow::{Compat, Config, Initial, InitialFd, InitialFdKind, NoHost, Recorder};
use sysflow_replay::{
    Capture,
    host::account_events,
    scap::{FdDetail, FdInfo, ProcessInfo},
};

use crate::events::{Raw, decode};

mod attack;
mod calls;
mod host_mix;
mod pairs;
mod restart;
mod rollup;

/// The folder of shared test data, or `None` with a note when this is a clone without it.
fn shared() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let dir = std::env::var_os("SYSFLOW_SHARED").map_or_else(beside, PathBuf::from);
    if dir.is_dir() {
        return Some(dir);
    }
    assert!(std::env::var_os("CI").is_none(), "../shared must be there when CI is set");
    println!("skipped: ../shared is not here");
    None
}

/// A capture of the project's own.
fn bundled(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data").join(name)
}

/// A capture whose events are still to be applied.
struct Replay {
    recorder: Recorder,
    records: Vec<Record>,
    events: Vec<Vec<u8>>,
}

impl Replay {
    fn open(path: &Path, config: Config) -> Self {
        let mut capture = Capture::open(path).unwrap();
        let node = capture.machine.hostname_lossy();
        let node = if config.node.is_empty() { node } else { config.node.clone() };
        let mut recorder = Recorder::new(Config { node, host_users_for_all: true, ..config });
        let mut records = Vec::new();
        let initial: Vec<Initial> = capture
            .processes
            .iter()
            .map(|process| initial(process, capture.fds.get(&process.tid).map_or(&[][..], Vec::as_slice)))
            .collect();
        recorder.start(initial, &mut records);
        let mut events = Vec::new();
        account_events(&capture, 0, |bytes| {
            events.push(bytes.to_vec());
            Ok(())
        })
        .unwrap();
        while let Some(event) = capture.next_event().unwrap() {
            if crate::events::SUBSCRIBED.contains(&event.code()) {
                events.push(event.bytes().to_vec());
            }
        }
        Self { recorder, records, events }
    }
}

/// Records of a capture, and the recorder after it.
fn replay(path: &Path, config: Config) -> (Vec<Record>, Recorder) {
    let Replay { mut recorder, mut records, events } = Replay::open(path, config);
    for bytes in &events {
        apply(&mut recorder, bytes, &mut records);
    }
    recorder.finish(&mut records);
    assert!(recorder.counters().balanced(), "{:?}", recorder.counters());
    (records, recorder)
}

fn apply(recorder: &mut Recorder, bytes: &[u8], records: &mut Vec<Record>) {
    let event = sysflow_replay::RawEvent::parse(bytes).unwrap();
    let payload = &bytes[sysflow_replay::event::HEADER_LEN..];
    let raw = Raw::new(event.ts(), event.tid(), event.code(), event.nparams(), payload).unwrap();
    match decode(&raw) {
        Ok(event) => recorder.apply(&event, &mut NoHost, records),
        Err(_) => recorder.malformed(),
    }
}

/// Writes records as a trace.
fn write(records: &[Record], schema: Schema, path: &Path) {
    let mut writer = Writer::create(path, &Options { schema, ..Options::default() }).unwrap();
    for record in records {
        writer.write(record).unwrap();
    }
    writer.finish().unwrap();
}

fn initial(process: &ProcessInfo, fds: &[FdInfo]) -> Initial {
    use sysflow::record::exe_flags;
    let flag = |set: bool, flag: i32| if set { flag } else { 0 };
    Initial {
        tid: process.tid,
        pid: process.pid,
        ptid: process.ptid,
        start_ts: 0,
        sid: process.sid,
        vpid: process.vpid,
        exe: process.exe.clone(),
        exe_path: process.exe_path.clone(),
        args: process.args.clone(),
        env: process.env.clone(),
        cgroups: process.cgroups.iter().map(|(a, b)| [a.as_slice(), b"=", b].concat()).collect(),
        cwd: process.cwd.clone(),
        root: process.root.clone(),
        uid: process.uid,
        gid: process.gid,
        loginuid: process.loginuid,
        tty: process.tty,
        cap_effective: process.capabilities[2],
        exe_flags: flag(process.exe_upper_layer, exe_flags::UPPER_LAYER)
            | flag(process.exe_lower_layer, exe_flags::LOWER_LAYER)
            | flag(process.exe_from_memfd, exe_flags::MEMFD)
            | flag(process.exe_writable, exe_flags::WRITABLE),
        exe_ino: process.exe_ino,
        exe_ctime: process.exe_ino_ctime,
        container_id: None,
        identity: None,
        fds: if process.tid == process.pid { fds.iter().map(initial_fd).collect() } else { Vec::new() },
    }
}

fn initial_fd(fd: &FdInfo) -> InitialFd {
    let proto = |l4: u8| match l4 {
        2 => 6,
        3 => 17,
        4 => 1,
        5 => 254,
        _ => -1,
    };
    let mut open_flags = 0;
    let kind = match &fd.detail {
        FdDetail::Ipv4 { sip, dip, sport, dport, l4proto } => InitialFdKind::Inet {
            source: (IpAddr::V4(*sip), *sport),
            dest: (IpAddr::V4(*dip), *dport),
            proto: proto(*l4proto),
        },
        FdDetail::Ipv6 { sip, dip, sport, dport, l4proto } => InitialFdKind::Inet {
            source: (IpAddr::V6(*sip), *sport),
            dest: (IpAddr::V6(*dip), *dport),
            proto: proto(*l4proto),
        },
        FdDetail::Ipv4Server { ip, port, l4proto } => {
            InitialFdKind::InetServer { local: (IpAddr::V4(*ip), *port), proto: proto(*l4proto) }
        }
        FdDetail::Ipv6Server { ip, port, l4proto } => {
            InitialFdKind::InetServer { local: (IpAddr::V6(*ip), *port), proto: proto(*l4proto) }
        }
        FdDetail::Unix { source, destination, name } => {
            let mut text = format!("{source:x}->{destination:x} ").into_bytes();
            text.extend_from_slice(name);
            InitialFdKind::Unix(text)
        }
        FdDetail::File { open_flags: flags, name, .. } => {
            open_flags = *flags;
            InitialFdKind::File(name.clone())
        }
        FdDetail::Named(name) => match fd.kind {
            FdInfo::FILE => InitialFdKind::File(name.clone()),
            FdInfo::DIRECTORY => InitialFdKind::Directory(name.clone()),
            FdInfo::FIFO => InitialFdKind::Pipe(name.clone()),
            _ => InitialFdKind::Other,
        },
        FdDetail::Unknown => InitialFdKind::Other,
    };
    InitialFd { fd: fd.fd, kind, open_flags }
}

#[allow(dead_code, reason = "to look at a trace while working on it")]
fn dump(records: &[Record], path: &Path) {
    let mut out = std::fs::File::create(path).unwrap();
    for record in records {
        writeln!(out, "{record:?}").unwrap();
    }
}

fn tests_config() -> Config {
    Config { schema: Schema::V5, compat: Compat::SysflowTests, node: "tests".into(), ..Config::default() }
}
