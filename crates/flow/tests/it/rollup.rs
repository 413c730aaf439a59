//! Opens that are told together, and what must not change by it: who reaches whom, and when.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use sysflow::{
    Foid, Oid, Record,
    record::{FileFlow, op, open_flags},
};
use sysflow_flow::{
    Config, Limits, Op, Reduction,
    op::{LinkKind, PathKind},
};

use crate::scene::{SHELL, Scene, inet, link, open, path, socket};

const RDONLY: u32 = open_flags::RDONLY as u32;
const WRONLY: u32 = open_flags::WRONLY as u32;
const RDWR: u32 = open_flags::RDWR as u32;
const TRUNC: u32 = open_flags::TRUNC as u32;

fn rollup() -> Scene {
    Scene::with(Config { reduction: Reduction::Rollup, ..Config::default() })
}

impl Scene {
    /// Opens a file, reads or writes it as its flags say, and closes it.
    fn visit(&mut self, pid: i64, name: &str, flags: u32) -> &mut Self {
        self.op(pid, open(name, flags, 3));
        if flags & RDONLY != 0 {
            self.read(pid, 3, 10);
        }
        if flags & WRONLY != 0 {
            self.write(pid, 3, 10);
        }
        self.close(pid, 3)
    }

    /// How many opens each record of `name` stands for.
    fn opens(&self, name: &str) -> Vec<i64> {
        let file = Foid::new("", name);
        let of_file = |record: &Record| match record {
            Record::FileFlow(flow) if flow.file_oid == file => Some(flow.num_opens),
            _ => None,
        };
        self.records.iter().filter_map(of_file).collect()
    }
}

#[test]
fn opens_of_one_path_are_one_record() {
    let mut s = rollup();
    for _ in 0..5 {
        s.visit(SHELL, "/a", RDONLY).visit(SHELL, "/b", RDONLY);
    }
    assert!(s.events().is_empty());
    s.after(2_000).read(SHELL, 0, 1);
    assert_eq!(
        s.events(),
        [
            "FF 1ms-27ms 100/100 OPEN|READ|CLOSE fd=3 /a read=5/50 written=0/0",
            "FF 4ms-30ms 100/100 OPEN|READ|CLOSE fd=3 /b read=5/50 written=0/0",
        ]
    );
    assert_eq!(s.opens("/a"), [5]);
    // From then on once in an export period.
    for _ in 0..10 {
        s.after(1_000).visit(SHELL, "/a", RDONLY);
    }
    s.after(31_000).read(SHELL, 0, 1);
    assert_eq!(s.opens("/a"), [5, 10]);
    // What is not opened again is forgotten, and begins anew.
    s.after(61_000).visit(SHELL, "/a", RDONLY).after(2_000).read(SHELL, 0, 1);
    assert_eq!(s.opens("/a"), [5, 10, 1]);
}

#[test]
fn each_open_is_a_record_without_rollup() {
    let mut s = Scene::new();
    s.visit(SHELL, "/a", RDONLY).visit(SHELL, "/a", RDONLY);
    assert_eq!(s.opens("/a"), [1, 1]);
}

#[test]
fn opens_that_differ_are_not_folded() {
    let mut s = rollup();
    s.visit(SHELL, "/a", RDONLY).visit(SHELL, "/a", RDWR).visit(SHELL, "/a", RDONLY | 0x1000);
    s.op(SHELL, open("/a", RDONLY, 4)).close(SHELL, 4);
    s.op(SHELL, open("/a", RDONLY, 3)).close(SHELL, 3);
    s.finish();
    assert_eq!(s.opens("/a"), [1, 1, 1, 1, 1]);
}

/// Two visits of a file with something in between: how many records they are.
fn with_between(flags: u32, between: impl for<'a> Fn(&'a mut Scene) -> &'a mut Scene) -> Vec<i64> {
    let mut s = rollup();
    s.fork(SHELL, 200);
    s.visit(SHELL, "/a", flags);
    between(&mut s);
    s.visit(SHELL, "/a", flags).finish();
    let of_shell = |record: &Record| match record {
        Record::FileFlow(flow) if flow.proc_oid.hpid == SHELL && flow.file_oid == Foid::new("", "/a") => {
            Some(flow.num_opens)
        }
        _ => None,
    };
    s.records.iter().filter_map(of_shell).collect()
}

#[test]
fn a_fold_ends_where_a_trace_would_change() {
    let (one, two) = (vec![2], vec![1, 1]);
    // Reads: nobody has changed the file.
    assert_eq!(with_between(RDONLY, |s| s), one);
    assert_eq!(with_between(RDONLY, |s| s.visit(200, "/a", RDONLY)), one);
    assert_eq!(with_between(RDONLY, |s| s.visit(SHELL, "/b", RDWR)), one);
    assert_eq!(with_between(RDONLY, |s| s.connect(SHELL, 8).write(SHELL, 8, 1)), one);
    assert_eq!(with_between(RDONLY, |s| s.visit(200, "/a", WRONLY)), two);
    assert_eq!(with_between(RDONLY, |s| s.op(200, open("/a", WRONLY, 9))), two);
    assert_eq!(with_between(RDONLY, |s| s.visit(200, "/a", RDONLY | TRUNC)), two);
    assert_eq!(with_between(RDONLY, |s| s.op(200, path(PathKind::Unlink, "/a"))), two);
    assert_eq!(with_between(RDONLY, |s| s.op(200, link(LinkKind::Rename, "/b", "/a"))), two);
    assert_eq!(with_between(RDONLY, |s| s.op(200, link(LinkKind::Rename, "/a", "/b"))), two);
    // Writes: nobody has read the file.
    assert_eq!(with_between(WRONLY, |s| s), one);
    assert_eq!(with_between(WRONLY, |s| s.visit(200, "/a", WRONLY)), one);
    assert_eq!(with_between(WRONLY, |s| s.visit(SHELL, "/b", RDWR)), one);
    assert_eq!(with_between(WRONLY, |s| s.visit(200, "/a", RDONLY)), two);
    assert_eq!(with_between(WRONLY, |s| s.exec(200, "/a", "")), two);
    // The process reads /a, writes /b, and reads /a again, into which another has written meanwhile.
    let written = |s: &mut Scene| {
        s.visit(SHELL, "/b", WRONLY).visit(200, "/a", WRONLY);
    };
    assert_eq!(
        with_between(RDONLY, |s| {
            written(s);
            s
        }),
        two
    );
    // Another program, another user.
    assert_eq!(with_between(RDONLY, |s| s.exec(SHELL, "/bin/x", "")), two);
}

#[test]
fn folds_are_told_before_their_process_ends_or_changes() {
    let mut s = rollup();
    s.fork(SHELL, 200).visit(200, "/a", RDONLY).visit(200, "/a", RDONLY);
    s.events();
    s.exec(200, "/bin/x", "");
    let lines = s.lines();
    assert!(lines[0].starts_with("FF") && lines[1].starts_with("P "), "{lines:?}");
    s.visit(200, "/a", RDONLY).visit(200, "/a", RDONLY).exit(200);
    let lines = s.lines();
    assert!(lines[0].starts_with("FF") && lines[1].starts_with("PE"), "{lines:?}");
    assert_eq!(s.opens("/a"), [2, 2]);
}

#[test]
fn the_table_is_bounded() {
    let limits = Limits { flows: 160, ..Limits::default() };
    let mut s = Scene::with(Config { reduction: Reduction::Rollup, limits, ..Config::default() });
    for n in 0..30 {
        s.visit(SHELL, &format!("/{n}"), RDONLY);
    }
    assert_eq!(s.events().len(), 20, "a sixteenth of the flows is remembered, the rest is told at once");
    assert_eq!(s.finish().events().len(), 10);
}

/// What a process does next.
#[derive(Clone, Debug)]
enum Act {
    Visit { file: usize, flags: u32 },
    Keep { file: usize, flags: u32 },
    Use { write: bool },
    Drop,
    Talk { write: bool, end: bool },
    Fork,
    Exec { file: usize },
    Unlink { file: usize },
    Rename { from: usize, to: usize },
    Wait { ms: i64 },
}

const FILES: [&str; 3] = ["/a", "/b", "/c"];
const PIDS: [i64; 3] = [200, 201, 202];

fn acts() -> impl Strategy<Value = Vec<(usize, Act)>> {
    let flags = || prop::sample::select(vec![RDONLY, RDONLY, WRONLY, RDWR, WRONLY | TRUNC]);
    let file = || 0..FILES.len();
    let act = prop_oneof![
        12 => (file(), flags()).prop_map(|(file, flags)| Act::Visit { file, flags }),
        2 => (file(), flags()).prop_map(|(file, flags)| Act::Keep { file, flags }),
        3 => any::<bool>().prop_map(|write| Act::Use { write }),
        2 => Just(Act::Drop),
        2 => (any::<bool>(), any::<bool>()).prop_map(|(write, end)| Act::Talk { write, end }),
        1 => Just(Act::Fork),
        1 => file().prop_map(|file| Act::Exec { file }),
        1 => file().prop_map(|file| Act::Unlink { file }),
        1 => (file(), file()).prop_map(|(from, to)| Act::Rename { from, to }),
        1 => prop::sample::select(vec![10_i64, 900, 2_500, 31_000]).prop_map(|ms| Act::Wait { ms }),
    ];
    prop::collection::vec((0..PIDS.len(), act), 1..40)
}

/// The records of a history in which only what is possible happens.
fn records(acts: &[(usize, Act)], reduction: Reduction) -> Vec<Record> {
    const KEPT: i64 = 10;
    const TALK: i64 = 11;
    let mut s = Scene::with(Config { reduction, ..Config::default() });
    for pid in PIDS {
        s.fork(SHELL, pid);
    }
    let mut kept: HashMap<i64, u32> = HashMap::new();
    let mut talking: BTreeSet<i64> = BTreeSet::new();
    let mut child = 300;
    for (who, act) in acts {
        let pid = PIDS[*who];
        match act {
            Act::Visit { file, flags } => {
                s.visit(pid, FILES[*file], *flags);
            }
            Act::Keep { file, flags } => {
                if kept.insert(pid, *flags).is_some() {
                    s.close(pid, KEPT);
                }
                s.op(pid, open(FILES[*file], *flags, KEPT));
            }
            Act::Use { write } => match (write, kept.get(&pid)) {
                (true, Some(flags)) if flags & WRONLY != 0 => {
                    s.write(pid, KEPT, 1);
                }
                (false, Some(flags)) if flags & RDONLY != 0 => {
                    s.read(pid, KEPT, 1);
                }
                _ => {}
            },
            Act::Drop => {
                if kept.remove(&pid).is_some() {
                    s.close(pid, KEPT);
                }
            }
            Act::Talk { write, end } => {
                if talking.insert(pid) {
                    let peer = inet(&format!("10.0.0.1:{pid}"), "10.0.0.2:80");
                    s.op(pid, socket(TALK));
                    s.op(pid, Op::Connect { ret: 0, fd: TALK, tuple: Some(peer), addr: None });
                }
                if *write {
                    s.write(pid, TALK, 1)
                } else {
                    s.read(pid, TALK, 1)
                };
                if *end {
                    talking.remove(&pid);
                    s.close(pid, TALK);
                }
            }
            Act::Fork => {
                s.fork(pid, child);
                child += 1;
            }
            Act::Exec { file } => {
                s.exec(pid, FILES[*file], "");
            }
            Act::Unlink { file } => {
                s.op(pid, path(PathKind::Unlink, FILES[*file]));
            }
            Act::Rename { from, to } => {
                s.op(pid, link(LinkKind::Rename, FILES[*from], FILES[*to]));
            }
            Act::Wait { ms } => {
                s.after(*ms);
            }
        }
    }
    s.finish();
    s.records
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Node {
    Process(i64, i64),
    File(Foid),
    Endpoint(i32, i32),
}

/// Data flows from one node to another, at any time in between.
#[derive(Clone, Copy, Debug)]
struct Edge {
    from: Node,
    to: Node,
    start: i64,
    end: i64,
}

/// What records say of the way of data.
fn edges(records: &[Record]) -> Vec<Edge> {
    let process = |oid: Oid| Node::Process(oid.create_ts, oid.hpid);
    let mut edges = Vec::new();
    let mut add = |from, to, start, end| edges.push(Edge { from, to, start, end });
    for record in records {
        match record {
            Record::Process(r) => {
                if let Some(parent) = r.poid {
                    add(process(parent), process(r.oid), r.oid.create_ts, r.oid.create_ts);
                }
            }
            Record::FileFlow(r) => {
                let (process, file) = (process(r.proc_oid), Node::File(r.file_oid));
                let truncates = r.op_flags & op::OPEN != 0 && r.open_flags & open_flags::TRUNC != 0;
                if r.op_flags & op::WRITE_SEND != 0 || truncates {
                    add(process, file, r.ts, r.end_ts);
                }
                if r.op_flags & op::READ_RECV != 0 {
                    add(file, process, r.ts, r.end_ts);
                }
            }
            Record::NetworkFlow(r) => {
                let (process, peer) = (process(r.proc_oid), Node::Endpoint(r.dip, r.dport));
                if r.op_flags & op::WRITE_SEND != 0 {
                    add(process, peer, r.ts, r.end_ts);
                }
                if r.op_flags & op::READ_RECV != 0 {
                    add(peer, process, r.ts, r.end_ts);
                }
            }
            Record::FileEvent(r) => {
                let file = Node::File(r.file_oid);
                add(process(r.proc_oid), file, r.ts, r.ts);
                if let Some(new) = r.new_file_oid.map(Node::File) {
                    add(process(r.proc_oid), new, r.ts, r.ts);
                    add(file, new, r.ts, r.ts);
                }
            }
            _ => {}
        }
    }
    edges
}

/// Who is reached from `start` with data that is there at `ts`.
fn forward(edges: &[Edge], start: Node, ts: i64) -> BTreeSet<Node> {
    let mut arrival = BTreeMap::from([(start, ts)]);
    loop {
        let mut changed = false;
        for edge in edges {
            let Some(at) = arrival.get(&edge.from).copied().filter(|at| *at <= edge.end) else { continue };
            let then = at.max(edge.start);
            if arrival.get(&edge.to).is_none_or(|known| then < *known) {
                arrival.insert(edge.to, then);
                changed = true;
            }
        }
        if !changed {
            return arrival.into_keys().collect();
        }
    }
}

/// Edges with time running back: who reaches is then who is reached.
fn reversed(edges: &[Edge]) -> Vec<Edge> {
    edges.iter().map(|e| Edge { from: e.to, to: e.from, start: -e.end, end: -e.start }).collect()
}

/// When what is in a node at `ts` was there first: a file changes only by what flows into it.
fn since(edges: &[Edge], node: Node, ts: i64) -> i64 {
    if !matches!(node, Node::File(_)) {
        return ts;
    }
    let into = edges.iter().filter(|edge| edge.to == node && edge.start <= ts);
    into.map(|edge| edge.end.min(ts)).max().unwrap_or(i64::MIN)
}

/// From what is in any node at any time: a node and a time of which the answers differ.
fn difference(lossless: &[Record], folded: &[Record]) -> Option<String> {
    let (lossless, folded) = (edges(lossless), edges(folded));
    for (way, lossless, folded) in
        [("forward", lossless.clone(), folded.clone()), ("backward", reversed(&lossless), reversed(&folded))]
    {
        let nodes: BTreeSet<Node> = lossless.iter().flat_map(|edge| [edge.from, edge.to]).collect();
        // An answer changes with time only where an edge begins or ends.
        let times = lossless.iter().flat_map(|edge| [edge.start, edge.start - 1, edge.end, edge.end + 1]);
        let times: BTreeSet<i64> = times.collect();
        for node in nodes {
            for ts in times.iter().map(|ts| since(&lossless, node, *ts)).collect::<BTreeSet<_>>() {
                let (want, got) = (forward(&lossless, node, ts), forward(&folded, node, ts));
                if want != got {
                    return Some(format!("{way} from {node:?} at {ts}: {want:?}, folded {got:?}"));
                }
            }
        }
    }
    None
}

fn flows(records: &[Record]) -> impl Iterator<Item = &FileFlow> {
    records.iter().filter_map(|record| match record {
        Record::FileFlow(flow) => Some(flow),
        _ => None,
    })
}

/// Opens, operations and bytes of each process on each file by each descriptor.
fn sums(records: &[Record]) -> BTreeMap<(i64, Foid, i32, i32), [i64; 5]> {
    let mut sums: BTreeMap<_, [i64; 5]> = BTreeMap::new();
    for flow in flows(records) {
        let opens = if flow.op_flags & op::OPEN != 0 { flow.num_opens } else { 0 };
        let counts =
            [opens, flow.num_rrecv_ops, flow.num_wsend_ops, flow.num_rrecv_bytes, flow.num_wsend_bytes];
        let sum = sums.entry((flow.proc_oid.hpid, flow.file_oid, flow.fd, flow.open_flags)).or_default();
        sum.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
    }
    sums
}

/// Everything but flows on files, in order.
fn others(records: &[Record]) -> Vec<&Record> {
    records.iter().filter(|record| !matches!(record, Record::FileFlow(_))).collect()
}

/// All repeated opens folded, whatever happens in between.
fn folded_without_rule(records: &[Record]) -> Vec<Record> {
    let mut out: Vec<Record> = Vec::new();
    let mut last: HashMap<_, usize> = HashMap::new();
    for record in records {
        if let Record::FileFlow(flow) = record
            && flow.op_flags & (op::OPEN | op::CLOSE) == op::OPEN | op::CLOSE
        {
            let key = (flow.proc_oid, flow.file_oid, flow.fd, flow.op_flags, flow.open_flags);
            if let Some(Record::FileFlow(first)) = last.get(&key).map(|at| &mut out[*at]) {
                first.end_ts = flow.end_ts;
                continue;
            }
            last.insert(key, out.len());
        }
        out.push(record.clone());
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Folded records say the same of who reaches whom and when, and add up to the same.
    #[test]
    fn a_fold_changes_no_trace(acts in acts()) {
        let lossless = records(&acts, Reduction::Lossless);
        let folded = records(&acts, Reduction::Rollup);
        prop_assert_eq!(difference(&lossless, &folded), None);
        prop_assert_eq!(sums(&lossless), sums(&folded));
        prop_assert_eq!(others(&lossless).len(), others(&folded).len());
    }
}

/// The property is worth something: it finds folds that ignore what happens in between, and there is enough to fold.
#[test]
fn the_property_finds_folds_without_the_rule() {
    let mut runner = TestRunner::deterministic();
    let (mut found, mut folds) = (0, 0);
    for _ in 0..100 {
        let acts = acts().new_tree(&mut runner).unwrap().current();
        let lossless = records(&acts, Reduction::Lossless);
        found += u32::from(difference(&lossless, &folded_without_rule(&lossless)).is_some());
        folds += flows(&records(&acts, Reduction::Rollup)).filter(|flow| flow.num_opens > 1).count();
    }
    assert!(found > 10, "{found} of 100");
    assert!(folds > 10, "{folds} in 100");
}
