//! More than there is room for, at once: caps hold, what is shed is counted, and the trace tells of it.

use sysflow::Record;
use sysflow_flow::{
    Config, Event, Initial, Limits, NoHost, Op, Recorder, Sink, Urgency,
    op::{AT_FDCWD, Clone, Exec, Image, Open},
};

use crate::line::START;

/// A tenth of it in the ordinary run.
fn size(full: i64) -> i64 {
    if std::env::var_os("TEST_FULL").is_some() { full } else { full / 10 }
}

/// What a trace has said, without keeping it.
#[derive(Default)]
struct Told {
    records: u64,
    lost: i64,
    causes: Vec<String>,
    exits: u64,
    refused: u64,
}

impl Sink for Told {
    fn record(&mut self, record: &Record, _: Urgency) {
        self.records += 1;
        match record {
            Record::Header(header) if header.lost.events > 0 => {
                self.lost += header.lost.events;
                self.causes.push(header.lost.cause.clone());
            }
            Record::ProcessEvent(event) => self.exits += u64::from(event.op_flags & 4 != 0),
            Record::FileEvent(event) => self.refused += u64::from(event.ret == -13),
            _ => {}
        }
    }
}

struct Storm {
    recorder: Recorder,
    told: Told,
    ts: i64,
    /// The most that there was at a time of processes, flows, and paths and files.
    peak: [usize; 3],
}

impl Storm {
    /// On a host with one process, 100.
    fn new(limits: Limits) -> Self {
        let mut recorder = Recorder::new(Config { limits, ..Config::default() });
        let mut told = Told::default();
        let shell =
            Initial { tid: 100, pid: 100, exe: b"/bin/sh".into(), cwd: b"/".into(), ..Initial::default() };
        recorder.start([shell], &mut told);
        Self { recorder, told, ts: START, peak: [0; 3] }
    }

    /// One operation, a microsecond after the one before: a million in a second.
    fn op(&mut self, tid: i64, op: Op<'_>) {
        self.ts += 1_000;
        self.recorder.apply(&Event { ts: self.ts, tid, op }, &mut NoHost, &mut self.told);
        let now = [self.recorder.process_count(), self.recorder.flow_count(), self.recorder.file_count()];
        for (peak, now) in self.peak.iter_mut().zip(now) {
            *peak = now.max(*peak);
        }
    }

    fn open(&mut self, tid: i64, path: &str, ret: i64) {
        let path = path.as_bytes();
        self.op(tid, Op::Open(Open { ret, dirfd: AT_FDCWD, path, flags: 1, ..Open::default() }));
    }

    /// Ends the trace, and the balance is right: every event is accounted for, and the headers have told of all that did
    /// not fit.
    fn finish(mut self) -> (Recorder, Told, [usize; 3]) {
        self.recorder.finish(&mut self.told);
        let counters = *self.recorder.counters();
        assert!(counters.balanced(), "{counters:?}");
        assert_eq!(counters.records, self.told.records);
        // Of unknown threads and descriptors the next header would tell.
        let told = counters.lost.limit as i64..=counters.lost() as i64;
        assert!(told.contains(&self.told.lost), "{} {counters:?}", self.told.lost);
        assert_eq!(self.recorder.flow_count(), 0);
        (self.recorder, self.told, self.peak)
    }
}

#[test]
fn descriptors_without_end() {
    let opened = size(1_000_000);
    let limits = Limits { fds: 16_384, files: 40_000, ..Limits::default() };
    let mut storm = Storm::new(limits);
    for fd in 0..opened {
        storm.open(100, &format!("/tmp/{fd}"), fd);
    }
    // What is open can be used as ever, and closed.
    let before = storm.recorder.counters().folded;
    storm.op(100, Op::Read { ret: 9, fd: 5, tuple: None });
    storm.op(100, Op::Close { ret: 0, fd: 5 });
    assert_eq!(storm.recorder.counters().folded, before + 2);
    let (recorder, told, [_, flows, files]) = storm.finish();
    assert_eq!(recorder.counters().lost.limit, (opened - 16_384) as u64);
    assert_eq!(flows, 16_384);
    assert!(files <= 40_001 + 16_384, "{files}");
    assert!(told.causes.iter().all(|cause| cause.contains("did not fit into limits")), "{:?}", told.causes);
}

#[test]
fn descriptors_of_many_processes_share_the_room_for_flows() {
    let (processes, each) = (20, size(1_000_000) / 20);
    let limits = Limits { flows: 30_000, files: 40_000, ..Limits::default() };
    let mut storm = Storm::new(limits);
    for pid in 200..200 + processes {
        storm.op(100, clone(pid, 100, pid));
        for fd in 0..each {
            storm.open(pid, &format!("/tmp/{pid}/{fd}"), fd);
        }
    }
    let (recorder, told, [_, flows, _]) = storm.finish();
    assert_eq!(flows, 30_000);
    assert_eq!(recorder.counters().lost.limit, (processes * each - 30_000) as u64);
    assert!(!told.causes.is_empty());
}

/// A process that holds many descriptors, or a single high one, and forks: each child has a copy of the table.
#[test]
fn copies_of_descriptors_are_bounded() {
    let children = size(20_000);
    for fds in [vec![4_000], (0..4_000).collect::<Vec<i64>>()] {
        let limits = Limits { all_fds: 100_000, ..Limits::default() };
        let mut storm = Storm::new(limits);
        for fd in &fds {
            storm.op(100, Op::Socket { ret: *fd, domain: 2, kind: 1, proto: 0 });
        }
        for pid in 1_000..1_000 + children {
            storm.op(100, clone(pid, 100, pid));
        }
        // The first ones have them all, the last one has to ask.
        let used = |fd| Op::Shutdown { ret: 0, fd };
        storm.op(1_000, used(fds[0]));
        assert_eq!(storm.recorder.counters().lost(), 0);
        storm.op(1_000 + children - 1, used(fds[0]));
        assert_eq!(storm.recorder.counters().lost.unknown_fd, 1);
        let (recorder, told, _) = storm.finish();
        assert!(recorder.descriptor_room() <= 100_000, "{}", recorder.descriptor_room());
        assert_eq!(told.records, recorder.counters().records);
    }
}

#[test]
fn calls_that_fail_without_end() {
    let calls = size(1_000_000);
    let limits = Limits { files: 10_000, ..Limits::default() };
    let mut storm = Storm::new(limits);
    for fd in 0..calls {
        match fd % 4 {
            0 => storm.op(100, Op::Read { ret: 1, fd: 1_000_000 + fd, tuple: None }),
            1 => storm.op(100, Op::Close { ret: -9, fd: 1_000_000 + fd }),
            2 => storm.open(100, &format!("/none/{fd}"), -2),
            // An intruder who tries everything is told of, each time.
            _ => storm.open(100, &format!("/root/{fd}"), -13),
        }
    }
    let (recorder, told, [processes, flows, files]) = storm.finish();
    let counters = recorder.counters();
    assert_eq!((counters.lost.unknown_fd, counters.lost.limit), ((calls / 4) as u64, 0));
    assert_eq!(told.refused, (calls / 4) as u64);
    assert_eq!((processes, flows), (1, 0));
    assert!(files <= 10_002, "{files}");
}

fn clone(ret: i64, parent: i64, child: i64) -> Op<'static> {
    let image = Image { pid: if ret > 0 { parent } else { child }, ptid: parent, ..Image::default() };
    let vtid = Some(if ret > 0 { parent } else { child });
    Op::Clone(Clone { ret, image, vtid, ..Clone::default() })
}

/// A life: both halves of the fork, an exec, a file, the end; all in `micros` of event time.
fn live(storm: &mut Storm, pid: i64, micros: i64, ends: bool) {
    let from = storm.ts;
    storm.op(100, clone(pid, 100, pid));
    storm.op(pid, clone(0, 100, pid));
    let args = format!("{pid}\0");
    let image = Image { pid, exe: b"true", args: args.as_bytes(), ..Image::default() };
    storm.op(pid, Op::Exec(Exec { image, path: b"/bin/true", filename: b"/bin/true", ..Exec::default() }));
    storm.open(pid, "/lib/libc.so", 3);
    storm.op(pid, Op::Read { ret: 832, fd: 3, tuple: None });
    if ends {
        storm.op(pid, Op::Exit { status: 0 });
    }
    storm.ts = from + micros * 1_000;
}

#[test]
fn short_lives_leave_nothing_behind() {
    let lives = size(100_000);
    let mut storm = Storm::new(Limits::default());
    for pid in 0..lives {
        live(&mut storm, 1_000 + pid, 100, true);
    }
    let lost = storm.recorder.counters().lost();
    storm.ts += 5_000_000_000;
    storm.op(100, Op::Read { ret: 0, fd: 77, tuple: None });
    storm.ts += 5_000_000_000;
    storm.op(100, Op::Read { ret: 0, fd: 77, tuple: None });
    assert_eq!((lost, storm.recorder.process_count()), (0, 1));
    let (recorder, told, [processes, ..]) = storm.finish();
    assert_eq!((told.exits, recorder.counters().evicted), (lives as u64, 0));
    // Those of the last second or two are kept.
    assert!(processes < 25_000, "{processes}");
}

#[test]
fn short_lives_in_a_small_table() {
    let lives = size(100_000);
    let limits = Limits { processes: 500, ..Limits::default() };
    let mut storm = Storm::new(limits);
    // 100,000 a second, each told of to its end although nobody has forgotten it yet.
    for pid in 0..lives {
        live(&mut storm, 1_000 + pid, 10, true);
    }
    let (recorder, told, [processes, ..]) = storm.finish();
    assert_eq!(told.exits, lives as u64);
    assert_eq!((processes, recorder.counters().lost()), (500, 0));
}

#[test]
fn lives_that_do_not_end_in_a_small_table() {
    let lives = size(100_000);
    let limits = Limits { processes: 500, ..Limits::default() };
    let mut storm = Storm::new(limits);
    for pid in 0..lives {
        live(&mut storm, 1_000 + pid, 10, false);
    }
    let (recorder, told, [processes, flows, _]) = storm.finish();
    let counters = recorder.counters();
    // They all have a file open, so none can go for another: what does not fit is counted by its events.
    assert_eq!((processes, flows), (500, 499));
    assert!(counters.lost.limit > 0, "{counters:?}");
    assert!(told.causes.iter().any(|cause| cause.contains("did not fit into limits")), "{:?}", told.causes);
}
