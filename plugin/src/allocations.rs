//! Counts allocations of the running thread, to prove that the hot path makes none, and what is left of them, to prove
//! that the state is small.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

use sysflow_flow::{
    Config, Env, Event, Initial, NoHost, Op, Recorder, Reduction,
    op::{AT_FDCWD, Endpoint, Open, Tuple},
};

use crate::{
    Discard,
    events::{Raw, code, decode},
};

struct Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
    /// Bytes allocated and not freed, below zero where a thread frees what another has allocated; and the most that were.
    static LIVE: Cell<i64> = const { Cell::new(0) };
    static PEAK: Cell<i64> = const { Cell::new(0) };
}

/// What 50,000 processes with 200 bytes of arguments each, 200,000 descriptors and as many flows may take.
const BOUND: i64 = 64 << 20;
/// The same with 1.5 KiB of environment each, none of it equal to another's.
const BOUND_ENV: i64 = 144 << 20;
const PROCESSES: i64 = 50_000;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: everything is passed on to the system's allocator as it came; counting touches no heap.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // The count is gone while a thread ends: that one allocation is not counted.
        let _ = COUNT.try_with(|count| count.set(count.get() + 1));
        hold(layout.size() as i64);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        hold(-(layout.size() as i64));
        // SAFETY: the caller keeps the contract of `dealloc`, and the memory came from the system's allocator.
        unsafe { System.dealloc(pointer, layout) }
    }
}

fn hold(bytes: i64) {
    let _ = LIVE.try_with(|live| {
        live.set(live.get() + bytes);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(live.get())));
    });
}

fn event(ts: u64, code: u16, params: &[&[u8]]) -> Vec<u8> {
    sysflow_replay::event::build(ts, 100, code, params).unwrap()
}

fn apply(recorder: &mut Recorder, bytes: &[u8]) {
    let event = sysflow_replay::RawEvent::parse(bytes).unwrap();
    let payload = &bytes[sysflow_replay::event::HEADER_LEN..];
    let raw = Raw::new(event.ts(), event.tid(), event.code(), event.nparams(), payload).unwrap();
    recorder.apply(&decode(&raw).unwrap(), &mut NoHost, &mut Discard);
}

#[test]
fn an_operation_on_a_known_descriptor_allocates_nothing() {
    let n = |value: i64| value.to_le_bytes();
    let mut recorder = Recorder::new(Config::default());
    let process = sysflow_flow::Initial { tid: 100, pid: 100, ..Default::default() };
    recorder.start([process], &mut Discard);
    let open = event(1, code::OPENAT_2_X, &[&n(3), &n(-100), b"/x\0", &1_u32.to_le_bytes()]);
    let tuple =
        [&[2][..], &[10, 0, 0, 1], &1_u16.to_le_bytes(), &[10, 0, 0, 2], &2_u16.to_le_bytes()].concat();
    let accept = event(1, code::ACCEPT4_6_X, &[&n(4), &tuple]);
    let read = event(2, code::READ_X, &[&n(10), b"data", &n(3), &10_u32.to_le_bytes()]);
    let write = event(2, code::WRITE_X, &[&n(10), b"data", &n(3), &10_u32.to_le_bytes()]);
    let receive = event(2, code::RECVFROM_X, &[&n(10), b"data", &tuple, &n(4), &10_u32.to_le_bytes()]);
    let send = event(2, code::SENDTO_X, &[&n(10), b"data", &n(4), &10_u32.to_le_bytes(), &[]]);
    for first in [&open, &accept, &read, &write, &receive, &send] {
        apply(&mut recorder, first);
    }
    let before = COUNT.with(Cell::get);
    for _ in 0..1_000 {
        for event in [&read, &write, &receive, &send] {
            apply(&mut recorder, event);
        }
    }
    assert_eq!(COUNT.with(Cell::get) - before, 0);
    assert_eq!(recorder.counters().folded, 4_006);
}

/// Allocations of many rounds, when as many like them have gone before.
fn steady(reduction: Reduction, mut round: impl FnMut(&mut Recorder, i64)) -> u64 {
    let mut recorder = Recorder::new(Config { rotate: 0, reduction, ..Config::default() });
    let process = Initial { tid: 100, pid: 100, cwd: b"/srv".into(), ..Initial::default() };
    recorder.start([process], &mut Discard);
    let rounds = 2_000;
    let second = |at: i64| 1_700_000_000_000_000_000 + at * 100_000_000;
    for at in 0..rounds {
        round(&mut recorder, second(at));
    }
    let before = COUNT.with(Cell::get);
    for at in rounds..2 * rounds {
        round(&mut recorder, second(at));
    }
    assert!(recorder.counters().balanced());
    assert_eq!(recorder.counters().lost(), 0);
    COUNT.with(Cell::get) - before
}

fn act(recorder: &mut Recorder, ts: i64, op: Op<'_>) {
    recorder.apply(&Event { ts, tid: 100, op }, &mut NoHost, &mut Discard);
}

/// Ten rounds a second of event time, over minutes: seconds begin, flows are exported and folds told of, some of which
/// end early because the file is written.
#[test]
fn opens_datagrams_and_exports_allocate_nothing_in_the_long_run() {
    let paths: [&[u8]; 3] = [b"/etc/hosts", b"part.bin", b"../x/./y"];
    for reduction in [Reduction::Lossless, Reduction::Rollup] {
        let mut records = 0;
        let opens = steady(reduction, |recorder, ts| {
            for (at, path) in paths.into_iter().enumerate() {
                let open = Open { ret: 3, dirfd: AT_FDCWD, path, flags: 3, ..Open::default() };
                act(recorder, ts, Op::Open(open));
                let writes = at == 0 && ts / 100_000_000 % 7 == 0;
                let moved = if writes {
                    Op::Write { ret: 10, fd: 3, tuple: None }
                } else {
                    Op::Read { ret: 10, fd: 3, tuple: None }
                };
                act(recorder, ts, moved);
                act(recorder, ts, Op::Close { ret: 0, fd: 3 });
            }
            records = recorder.counters().records;
        });
        assert_eq!(opens, 0, "open, read, close: {reduction:?}");
        let folded = records < 4_000;
        assert_eq!(folded, reduction == Reduction::Rollup, "{records} records of 12,000 opens");
    }

    let tuple = |peer: u8| {
        let source = Endpoint { ip: [10, 0, 0, 1].into(), port: 5_353 };
        Some(Tuple::Inet { source, dest: Endpoint { ip: [10, 0, 1, peer].into(), port: 53 } })
    };
    let datagrams = steady(Reduction::Lossless, |recorder, ts| {
        if recorder.flow_count() == 0 {
            act(recorder, ts, Op::Socket { ret: 4, domain: 2, kind: 2, proto: 0 });
        }
        // More peers than are looked at one after the other.
        for peer in 0..20 {
            act(recorder, ts, Op::Write { ret: 10, fd: 4, tuple: tuple(peer) });
            act(recorder, ts, Op::Read { ret: 10, fd: 4, tuple: tuple(peer) });
        }
    });
    assert_eq!(datagrams, 0, "sendto, recvfrom");

    let exports = steady(Reduction::Lossless, |recorder, ts| {
        for fd in 10..30 {
            if recorder.flow_count() < 20 {
                let path = b"/var/log/x";
                act(
                    recorder,
                    ts,
                    Op::Open(Open { ret: fd, dirfd: AT_FDCWD, path, flags: 2, ..Open::default() }),
                );
            }
            act(recorder, ts, Op::Write { ret: 10, fd, tuple: None });
        }
    });
    assert_eq!(exports, 0, "ticks and exports");
}

/// A host under load: each process has a file that all have, one that a few share, one of its own, and a connection.
fn populated(processes: i64, env: Env) -> Recorder {
    let mut recorder = Recorder::new(Config { node: "node".into(), env, ..Config::default() });
    let ts = 1_700_000_000_000_000_000;
    let initial = (0..processes).map(|index| Initial {
        tid: 1_000 + index,
        pid: 1_000 + index,
        ptid: 1,
        vpid: 1_000 + index,
        start_ts: ts,
        exe: b"/usr/bin/worker".into(),
        exe_path: b"/usr/bin/worker".into(),
        args: vec![format!("{index:0200}").into()],
        env: (0..24).map(|n| format!("VARIABLE_{n}={index:052}").into()).collect(),
        cwd: b"/srv/data".into(),
        ..Initial::default()
    });
    recorder.start(initial, &mut Discard);
    let mut apply =
        |tid, op: Op<'_>| recorder.apply(&Event { ts: ts + 1, tid, op }, &mut NoHost, &mut Discard);
    for index in 0..processes {
        let tid = 1_000 + index;
        let paths = [
            "/dev/null".to_owned(),
            format!("/srv/data/part-{}.bin", index % (processes / 5)),
            format!("/var/log/worker/{index}.log"),
        ];
        for (fd, path) in (0..).zip(&paths) {
            let (ret, path) = (fd, path.as_bytes());
            apply(tid, Op::Open(Open { ret, dirfd: AT_FDCWD, path, flags: 1, ..Open::default() }));
        }
        let source = Endpoint { ip: [10, 0, (index >> 8) as u8, index as u8].into(), port: 40_000 };
        let dest = Endpoint { ip: [10, 1, 0, 1].into(), port: 5_432 };
        apply(tid, Op::Accept { ret: 3, tuple: Some(Tuple::Inet { source, dest }), cloexec: true });
    }
    assert_eq!(recorder.flow_count() as i64, 4 * processes);
    recorder
}

/// Bytes that a host with so many processes takes.
fn state(processes: i64, env: Env) -> i64 {
    let before = LIVE.with(Cell::get);
    let recorder = populated(processes, env);
    let bytes = LIVE.with(Cell::get) - before;
    drop(recorder);
    println!("{processes} processes: {:.1} MiB", bytes as f64 / f64::from(1 << 20));
    bytes
}

/// A power of two fewer, so that the tables are as full; they grow by doubling.
#[test]
fn a_state_is_small_in_proportion() {
    // Tables that grow by chunks have one begun.
    let begun = 256 << 10;
    assert!(state(PROCESSES / 16, Env::Off) <= BOUND / 16 + begun);
    assert!(state(PROCESSES / 16, Env::All) <= BOUND_ENV / 16 + begun);
}

#[test]
#[ignore = "takes seconds without optimisation; the same in small is always run"]
fn a_large_state_is_small() {
    assert!(state(PROCESSES, Env::Off) <= BOUND);
    assert!(state(PROCESSES, Env::All) <= BOUND_ENV);
}

/// A storm of opens, of forks and of failures: the memory that it takes is that of the limits, however long it lasts.
#[test]
fn a_storm_takes_as_much_memory_as_the_limits_allow() {
    let n = |value: i64| value.to_le_bytes();
    let limits = sysflow_flow::Limits {
        processes: 1_000,
        fds: 1_000,
        all_fds: 20_000,
        flows: 10_000,
        files: 20_000,
        ..Default::default()
    };
    let mut recorder = Recorder::new(Config { limits, ..Config::default() });
    let process = sysflow_flow::Initial { tid: 100, pid: 100, ..Default::default() };
    recorder.start([process], &mut Discard);
    let start = LIVE.with(Cell::get);
    let mut peaks = Vec::new();
    // The same again and again, each time with other names and numbers.
    for round in 0..5 {
        PEAK.with(|peak| peak.set(0));
        for i in 0..30_000_i64 {
            let (ts, number) = (1_000_000_000 + (round * 30_000 + i) as u64 * 1_000, round * 30_000 + i);
            let path = format!("/tmp/storm/{number}/with/a/name/of/ordinary/length\0");
            let open =
                |ret: i64| event(ts, code::OPENAT_2_X, &[&n(ret), &n(-100), path.as_bytes(), &[1, 0, 0, 0]]);
            apply(&mut recorder, &open(if i % 3 == 0 { -13 } else { number }));
            if i % 3 == 2 {
                let none: &[u8] = &[];
                let mut clone = [none; 20];
                let (ret, tid) = (n(1_000 + number), n(100));
                (clone[0], clone[4], clone[18]) = (&ret, &tid, &tid);
                apply(&mut recorder, &event(ts, code::CLONE_20_X, &clone));
            }
        }
        peaks.push(PEAK.with(Cell::get) - start);
    }
    assert!(
        recorder.counters().balanced() && recorder.counters().lost.limit > 0,
        "{:?}",
        recorder.counters()
    );
    let (first, last) = (peaks[0], peaks[4]);
    assert!(last < first + first / 10 && last < 16 << 20, "{peaks:?}");
}
