//! A recorder that starts in the middle gives every process the identity and the graph that it had before.

use std::collections::{HashMap, HashSet};

use sysflow::{GraphId, Oid, Record};
use sysflow_flow::{
    Config, Event, Identity, NoHost, Op, Recorder, Sink, Urgency,
    op::{Clone, Exec, Image, clone_flags},
};

use crate::{
    line::START,
    scene::{SHELL, Scene, exec, open},
};

const ID: &str = "0123456789ab0123456789ab0123456789ab0123456789ab0123456789abcdef";

/// Records, and the store of identities that whoever restarts a recorder keeps.
#[derive(Default)]
struct Kept {
    records: Vec<Record>,
    identities: HashMap<i64, Identity>,
}

impl Sink for Kept {
    fn record(&mut self, record: &Record, _: Urgency) {
        self.records.push(record.clone());
    }

    fn identity(&mut self, pid: i64, identity: &Identity) {
        self.identities.insert(pid, identity.clone());
    }
}

type Script = Vec<(i64, Op<'static>)>;

fn child_half(pid: i64, ptid: i64, flags: u32, cgroups: &'static [u8]) -> (i64, Op<'static>) {
    let image = Image { pid, ptid, cgroups, ..Image::default() };
    (pid, Op::Clone(Clone { image, flags, vtid: Some(pid), vpid: Some(pid), ..Clone::default() }))
}

fn parent_half(parent: i64, child: i64, flags: u32) -> (i64, Op<'static>) {
    let image = Image { pid: parent, ..Image::default() };
    (parent, Op::Clone(Clone { ret: child, image, flags, vtid: Some(parent), ..Clone::default() }))
}

fn fork(parent: i64, child: i64) -> [(i64, Op<'static>); 2] {
    [parent_half(parent, child, 0), child_half(child, parent, 0, b"")]
}

/// A day on a host: commands, logins, a vfork, threads, a container, orphans, a pid that is used again.
fn day() -> Script {
    let inside: &'static [u8] = format!("cpu=/machine.slice/libpod-{ID}.scope\0").leak().as_bytes();
    let into = |pid: i64, path: &'static [u8]| {
        let image = Image { pid, exe: path, cgroups: inside, ..Image::default() };
        (pid, Op::Exec(Exec { image, filename: path, ..Exec::default() }))
    };
    let exit = |tid: i64| (tid, Op::Exit { status: 0 });
    let mut script = Script::new();
    script.extend(fork(SHELL, 101));
    script.extend([(101, exec(101, "/bin/ls", "-l\0")), (101, open("/x", 1, 3)), exit(101)]);
    // A login, whose monitor ends before the session's shell is executed.
    script.extend(fork(50, 60));
    script.push((60, exec(60, "/usr/sbin/sshd", "-R\0")));
    script.extend(fork(60, 61));
    script.extend([exit(60), (61, exec(61, "/bin/bash", ""))]);
    script.extend(fork(61, 62));
    script.extend([(62, exec(62, "/usr/bin/id", "")), exit(62)]);
    // vfork: the child is another program, and gone, before its parent's half comes.
    script.extend([
        child_half(70, 61, 0, b""),
        (70, exec(70, "/bin/true", "")),
        parent_half(61, 70, 0),
        exit(70),
    ]);
    // A daemon: its parent and grandparent end.
    script.extend(fork(61, 80));
    script.extend(fork(80, 81));
    script.push(exit(80));
    script.extend(fork(81, 82));
    script.extend([exit(81), (82, exec(82, "/usr/bin/daemon", "")), (82, open("/var/log/d", 2, 3))]);
    // Threads, and a process that a thread makes.
    script.extend([parent_half(82, 83, clone_flags::THREAD)]);
    let thread = Image { pid: 82, ptid: 61, ..Image::default() };
    script.push((83, Op::Clone(Clone { image: thread, flags: clone_flags::THREAD, ..Clone::default() })));
    script.extend(fork(83, 84));
    script.extend([(84, exec(84, "/bin/sh", "-c\0")), exit(83), exit(84)]);
    // Into a container, and what is born there.
    script.extend(fork(SHELL, 200));
    script.push(into(200, b"/bin/sh"));
    script.push(parent_half(200, 201, 0));
    script.push(child_half(201, 200, 0, inside));
    script.extend([into(201, b"/bin/sleep"), exit(200), exit(201)]);
    // A pid that is used again without its exit having been seen.
    script.extend(fork(SHELL, 300));
    script.push((300, exec(300, "/bin/old", "")));
    script.extend(fork(61, 300));
    script.extend([(300, exec(300, "/bin/new", "")), exit(300)]);
    script
}

fn config() -> Config {
    Config { node: "node".into(), rotate: 0, ..Config::default() }
}

fn apply(recorder: &mut Recorder, script: &Script, range: std::ops::Range<usize>, kept: &mut Kept) {
    for index in range {
        let (tid, op) = script[index].clone();
        let ts = START + index as i64 * 1_000_000;
        recorder.apply(&Event { ts, tid, op }, &mut NoHost, kept);
    }
}

/// Identity and graphs of every process that a trace tells of.
fn told(records: &[Record]) -> HashSet<(Oid, Option<Oid>, String, String)> {
    let process = |record: &Record| match record {
        Record::Process(p) => Some((p.oid, p.poid, p.graph_id.clone(), p.parent_graph_id.clone())),
        _ => None,
    };
    records.iter().filter_map(process).collect()
}

fn events(records: &[Record]) -> Vec<(i64, Oid, i32)> {
    let event = |record: &Record| match record {
        Record::ProcessEvent(e) => Some((e.ts, e.proc_oid, e.op_flags)),
        _ => None,
    };
    records.iter().filter_map(event).collect()
}

/// The scene's processes, as its host tells them.
fn begin(kept: &mut Kept) -> Recorder {
    let snapshot = Scene::new().recorder.snapshot();
    let mut recorder = Recorder::new(config());
    recorder.start(snapshot.into_iter().map(|entry| sysflow_flow::Initial { identity: None, ..entry }), kept);
    recorder
}

#[test]
fn a_restart_at_any_event_changes_no_identity_and_no_graph() {
    let script = day();
    let mut whole = Kept::default();
    let mut recorder = begin(&mut whole);
    let mut marks = vec![whole.records.len()];
    for index in 0..script.len() {
        apply(&mut recorder, &script, index..index + 1, &mut whole);
        marks.push(whole.records.len());
    }
    let all = told(&whole.records);
    for (cut, mark) in marks.into_iter().enumerate() {
        let mut before = Kept::default();
        let mut first = begin(&mut before);
        apply(&mut first, &script, 0..cut, &mut before);
        // The identities come from the store, as in life.
        let mut found = first.snapshot();
        for entry in &mut found {
            if let Some(identity) = &entry.identity {
                let stored = before.identities.get(&entry.pid).cloned();
                let as_told = Identity { parent_serves: identity.parent_serves, ..stored.unwrap() };
                assert_eq!(as_told, *identity, "cut {cut}: the store is behind");
            }
        }
        let mut after = Kept::default();
        let mut second = Recorder::new(config());
        second.start(found, &mut after);
        let mut same: HashMap<i64, Identity> = second.identities().collect();
        for (pid, identity) in first.identities() {
            assert_eq!(same.remove(&pid), Some(identity), "cut {cut}");
        }
        assert!(same.is_empty(), "cut {cut}: {same:?}");
        apply(&mut second, &script, cut..script.len(), &mut after);
        let new = told(&after.records);
        let strange: Vec<_> = new.difference(&all).collect();
        assert!(strange.is_empty(), "cut {cut}: {strange:?}");
        let missing: Vec<_> = told(&whole.records[mark..]).difference(&new).cloned().collect();
        assert!(missing.is_empty(), "cut {cut}: {missing:?}");
        assert_eq!(events(&after.records), events(&whole.records[mark..]), "cut {cut}");
    }
}

#[test]
fn an_identity_of_another_pid_is_not_adopted() {
    let mut found = Scene::new().recorder.snapshot();
    let shell = found.iter_mut().find(|entry| entry.pid == SHELL).unwrap();
    shell.identity.as_mut().unwrap().oid.hpid = 1;
    shell.identity.as_mut().unwrap().graph = GraphId::new("elsewhere", Oid::default());
    let mut recorder = Recorder::new(config());
    recorder.start(found, &mut Kept::default());
    let shell = recorder.identity(SHELL).unwrap();
    assert_eq!(shell.oid.hpid, SHELL);
    assert_eq!(shell.graph, GraphId::new("node", shell.root));
}

#[test]
fn a_snapshot_has_what_a_host_has() {
    let mut s = Scene::new();
    s.fork(SHELL, 101).exec(101, "/usr/bin/curl", "-s\0--token\0abc\0").open(101, "/x", 7).connect(101, 8);
    s.clone(101, 102, clone_flags::THREAD);
    let all = s.recorder.snapshot();
    let curl = all.iter().find(|entry| entry.tid == 101).unwrap();
    assert_eq!((curl.pid, curl.ptid, curl.exe_path.as_slice()), (101, SHELL, &b"/usr/bin/curl"[..]));
    assert_eq!(curl.args.join(&b' '), b"-s --token ***");
    assert_eq!(curl.cwd, b"/root/");
    let mut fds: Vec<String> = curl.fds.iter().map(|fd| format!("{} {:?}", fd.fd, fd.kind)).collect();
    fds.sort_unstable();
    assert!(fds.iter().any(|fd| fd.starts_with("7 File(")), "{fds:?}");
    assert!(
        fds.iter().any(|fd| fd.contains("source: (10.0.0.1, 4000), dest: (10.0.0.2, 80), proto: 6")),
        "{fds:?}"
    );
    let thread = all.iter().find(|entry| entry.tid == 102).unwrap();
    assert_eq!((thread.pid, thread.identity.is_none()), (101, true));
}
