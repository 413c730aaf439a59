//! Records as lines of text, so that a test shows what it expects.

use std::{collections::HashMap, net::Ipv4Addr};

use sysflow::{
    Foid, Record,
    record::{ObjectState, op},
};

/// Times are shown relative to this.
pub(crate) const START: i64 = 1_000_000_000_000_000_000;

const NAMES: [(i32, &str); 30] = [
    (op::CLONE, "CLONE"),
    (op::EXEC, "EXEC"),
    (op::EXIT, "EXIT"),
    (op::SETUID, "SETUID"),
    (op::SETNS, "SETNS"),
    (op::ACCEPT, "ACCEPT"),
    (op::CONNECT, "CONNECT"),
    (op::OPEN, "OPEN"),
    (op::READ_RECV, "READ"),
    (op::WRITE_SEND, "WRITE"),
    (op::SHUTDOWN, "SHUTDOWN"),
    (op::MMAP, "MMAP"),
    (op::MKDIR, "MKDIR"),
    (op::RMDIR, "RMDIR"),
    (op::LINK, "LINK"),
    (op::UNLINK, "UNLINK"),
    (op::SYMLINK, "SYMLINK"),
    (op::RENAME, "RENAME"),
    (op::CHMOD, "CHMOD"),
    (op::CHOWN, "CHOWN"),
    (op::MOUNT, "MOUNT"),
    (op::UMOUNT, "UMOUNT"),
    (op::MKNOD, "MKNOD"),
    (op::BIND, "BIND"),
    (op::LISTEN, "LISTEN"),
    (op::PTRACE, "PTRACE"),
    (op::KERNEL, "KERNEL"),
    (op::SIGNAL, "SIGNAL"),
    (op::CLOSE, "CLOSE"),
    (op::TRUNCATE, "TRUNCATE"),
];

fn flags(bits: i32) -> String {
    let known: Vec<&str> = NAMES.iter().filter(|(bit, _)| bits & bit != 0).map(|(_, name)| *name).collect();
    let rest = NAMES.iter().fold(bits, |rest, (bit, _)| rest & !bit);
    assert_eq!(rest, 0, "name the bits {rest:#x} of {bits:#x} in line.rs");
    known.join("|")
}

/// Milliseconds since the start.
fn at(ts: i64) -> String {
    format!("{}ms", (ts - START) / 1_000_000)
}

fn state(state: ObjectState) -> &'static str {
    match state {
        ObjectState::Created => "created",
        ObjectState::Modified => "modified",
        ObjectState::Reup => "reup",
    }
}

/// Turns records into lines; remembers paths on the way.
#[derive(Default)]
pub(crate) struct Lines {
    paths: HashMap<Foid, String>,
}

impl Lines {
    fn path(&self, oid: Foid) -> &str {
        self.paths.get(&oid).map_or("(no file record)", String::as_str)
    }

    pub(crate) fn line(&mut self, record: &Record) -> String {
        match record {
            Record::Header(r) if r.lost != sysflow::record::Loss::default() => {
                let (lost, from, to) = (&r.lost, at(r.lost.from.max(START)), at(r.lost.to.max(START)));
                format!(
                    "H lost {} events, {} records, {from}-{to}: {}",
                    lost.events, lost.records, lost.cause
                )
            }
            Record::Header(_) => "H".into(),
            Record::Container(r) => format!("C {} {} {}", r.id, r.name, r.image),
            Record::Pod(r) => format!("PD {}/{}", r.namespace, r.name),
            Record::Process(r) => {
                let container = r.container_id.as_ref().map_or(String::new(), |id| format!(" in {id}"));
                let args = if r.exe_args.is_empty() { String::new() } else { format!(" {}", r.exe_args) };
                format!("P {} {} {}{args} uid={}{container}", state(r.state), r.oid.hpid, r.exe, r.uid)
            }
            Record::File(r) => {
                self.paths.insert(r.oid, r.path.clone());
                format!("F {} {} {}", state(r.state), char::from(r.restype as u8), r.path)
            }
            Record::ProcessEvent(r) => {
                let args = if r.args.is_empty() { String::new() } else { format!(" {}", r.args.join(" ")) };
                format!(
                    "PE {} {}/{} {}{args} = {}",
                    at(r.ts),
                    r.proc_oid.hpid,
                    r.tid,
                    flags(r.op_flags),
                    r.ret
                )
            }
            Record::FileFlow(r) => format!(
                "FF {}-{} {}/{} {} fd={} {} read={}/{} written={}/{}",
                at(r.ts),
                at(r.end_ts),
                r.proc_oid.hpid,
                r.tid,
                flags(r.op_flags),
                r.fd,
                self.path(r.file_oid),
                r.num_rrecv_ops,
                r.num_rrecv_bytes,
                r.num_wsend_ops,
                r.num_wsend_bytes,
            ),
            Record::NetworkFlow(r) => {
                let v4 = |ip: i32| Ipv4Addr::from(ip.to_le_bytes()).to_string();
                let ip = |v6: Option<[u8; 16]>, ip| {
                    v6.map_or_else(|| v4(ip), |ip| format!("[{}]", std::net::Ipv6Addr::from(ip)))
                };
                format!(
                    "NF {}-{} {}/{} {} fd={} {}:{}>{}:{} proto={} received={}/{} sent={}/{}",
                    at(r.ts),
                    at(r.end_ts),
                    r.proc_oid.hpid,
                    r.tid,
                    flags(r.op_flags),
                    r.fd,
                    ip(r.sip6, r.sip),
                    r.sport,
                    ip(r.dip6, r.dip),
                    r.dport,
                    r.proto,
                    r.num_rrecv_ops,
                    r.num_rrecv_bytes,
                    r.num_wsend_ops,
                    r.num_wsend_bytes,
                )
            }
            Record::FileEvent(r) => {
                let new = r.new_file_oid.map_or(String::new(), |oid| format!(" > {}", self.path(oid)));
                let arg = if r.arg.is_empty() { String::new() } else { format!(" ({})", r.arg) };
                let path = self.path(r.file_oid);
                format!(
                    "FE {} {}/{} {} {path}{new}{arg} = {}",
                    at(r.ts),
                    r.proc_oid.hpid,
                    r.tid,
                    flags(r.op_flags),
                    r.ret
                )
            }
            Record::ProcessFlow(r) => format!(
                "PF {}-{} {} {} cloned={} exited={} errors={}",
                at(r.ts),
                at(r.end_ts),
                r.proc_oid.hpid,
                flags(r.op_flags),
                r.num_threads_cloned,
                r.num_threads_exited,
                r.num_clone_errors
            ),
            Record::NetworkEvent(_) | Record::K8sEvent(_) => panic!("never produced: {record:?}"),
        }
    }
}
