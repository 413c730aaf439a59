//! Ordinary activity of every kind on a host: what its scripts are known to do is in the records.

use sysflow::{Record, record::op};
use sysflow_flow::Config;

use super::{bundled, replay};

struct Mix {
    records: Vec<Record>,
    paths: std::collections::HashMap<sysflow::Foid, String>,
}

fn mix() -> Mix {
    let (records, recorder) = replay(&bundled("host-mix.scap"), Config::default());
    let counters = recorder.counters();
    assert_eq!(
        (counters.lost.malformed, counters.lost.unknown_thread, counters.lost.limit),
        (0, 0, 0),
        "{counters:?}"
    );
    println!("{counters:?}");
    let mut paths = std::collections::HashMap::new();
    for record in &records {
        if let Record::File(file) = record {
            paths.insert(file.oid, file.path.clone());
        }
    }
    Mix { records, paths }
}

impl Mix {
    /// Bytes received and sent by a process over connections to a port, and how many records that took.
    fn net(&self, pid: i64, dport: i32) -> (i64, i64, usize) {
        let mut total = (0, 0, 0);
        for record in &self.records {
            if let Record::NetworkFlow(f) = record
                && (f.proc_oid.hpid, f.dport) == (pid, dport)
                && f.op_flags & (op::BIND | op::LISTEN) == 0
            {
                total = (total.0 + f.num_rrecv_bytes, total.1 + f.num_wsend_bytes, total.2 + 1);
            }
        }
        total
    }

    fn file_events<'a>(&'a self, flag: i32) -> Vec<(String, i32, &'a str)> {
        let event = |record: &'_ Record| match record {
            Record::FileEvent(e) if e.op_flags == flag => Some((self.paths[&e.file_oid].clone(), e.ret)),
            _ => None,
        };
        let arg = |record: &'a Record| match record {
            Record::FileEvent(e) => e.arg.as_str(),
            _ => "",
        };
        self.records.iter().filter_map(|r| event(r).map(|(path, ret)| (path, ret, arg(r)))).collect()
    }

    fn process_events<'a>(&'a self, pid: i64, flag: i32) -> Vec<(i32, &'a [String])> {
        let event = |record: &'a Record| match record {
            Record::ProcessEvent(e) if (e.proc_oid.hpid, e.op_flags) == (pid, flag) => {
                Some((e.ret, e.args.as_slice()))
            }
            _ => None,
        };
        self.records.iter().filter_map(event).collect()
    }
}

#[test]
fn a_long_connection_is_a_chain_with_all_of_its_bytes() {
    let mix = mix();
    let (received, sent, records) = mix.net(18249, 7070);
    assert_eq!((received, sent), (800, 800), "eight exchanges of 100 bytes each way");
    assert!(records >= 4, "111 s are at least four records: {records}");
}

#[test]
fn ipv6_and_refused_connections_show() {
    let mix = mix();
    let flows: Vec<_> = mix
        .records
        .iter()
        .filter_map(|r| if let Record::NetworkFlow(f) = r { Some(f) } else { None })
        .filter(|f| f.proc_oid.hpid == 18334)
        .collect();
    let loopback = std::net::Ipv6Addr::LOCALHOST.octets();
    for port in [7071, 7073] {
        assert!(flows.iter().any(|f| f.dport == port && f.dip6 == Some(loopback)), "[::1]:{port}");
    }
    assert!(flows.iter().any(|f| f.dport == 7072 && f.dip6.is_none() && f.proto == 17));
    assert!(flows.iter().any(|f| f.dport == 9 && f.op_flags & op::CONNECT != 0), "refused");
}

#[test]
fn failed_execs_say_what_was_tried() {
    let mix = mix();
    let failed: Vec<i32> = mix
        .process_events(18416, op::EXEC)
        .into_iter()
        .filter(|(ret, _)| *ret < 0)
        .map(|(ret, _)| ret)
        .collect();
    assert_eq!(failed, [-2, -13, -13]);
    assert!(mix.process_events(18416, op::EXEC).iter().all(|(_, args)| args.len() == 1));
    assert_eq!(mix.process_events(18416, op::EXIT)[0].0, 7 << 8);
}

#[test]
fn changes_of_files_show_with_what_they_change() {
    let mix = mix();
    let has = |flag, what: &dyn Fn(&(String, i32, &str)) -> bool| {
        let events = mix.file_events(flag);
        assert!(events.iter().any(what), "{events:?}");
    };
    has(op::CHMOD, &|(path, ret, arg)| path.starts_with("/srv/demo") && *ret == 0 && arg.starts_with("0o"));
    has(op::CHOWN, &|(path, _, arg)| path.starts_with("/srv/demo") && arg.contains(':'));
    has(op::RMDIR, &|(_, ret, _)| *ret == -39);
    has(op::MKDIR, &|(path, ret, _)| path.starts_with("/srv/demo") && *ret == 0);
    has(op::SYMLINK, &|(_, ret, _)| *ret == 0);
    has(op::LINK, &|(_, ret, _)| *ret == 0);
    has(op::RENAME, &|(_, ret, _)| *ret == 0);
}

#[test]
fn bytes_that_never_pass_through_the_process_count() {
    let mix = mix();
    let total = |pick: fn(&sysflow::record::FileFlow) -> i64| -> i64 {
        let flows =
            mix.records.iter().filter_map(|r| if let Record::FileFlow(f) = r { Some(f) } else { None });
        flows.filter(|f| f.proc_oid.hpid == 18409).map(pick).sum()
    };
    // sendfile 200000, copy_file_range 50000, splice 4096.
    let (read, written) = (total(|f| f.num_rrecv_bytes), total(|f| f.num_wsend_bytes));
    assert!(read >= 254_096 && written >= 254_096, "{read} {written}");
}

#[test]
fn users_change_and_daemons_leave() {
    let mix = mix();
    assert!(!mix.process_events(18421, op::SETUID).is_empty());
    assert!(mix.process_events(18421, op::SETUID).iter().any(|(ret, args)| *ret == 0 && args[0] == "nobody"));
    let daemon = mix.records.iter().rev().find_map(|r| match r {
        Record::Process(p) if p.oid.hpid == 18420 => Some(p),
        _ => None,
    });
    let daemon = daemon.expect("the daemon");
    assert_eq!(
        daemon.poid.map(|oid| oid.hpid),
        Some(18419),
        "its parent is who made it, also after that has gone"
    );
    assert!(mix.process_events(18417, op::EXIT)[0].0 & 0x7f == 9, "killed");
}
