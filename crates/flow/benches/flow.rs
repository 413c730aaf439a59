//! What an operation costs, by how many flows live: `cargo bench -p sysflow-flow`.
//!
//! `-- --instructions` counts instructions and cache misses instead of time, under valgrind. Each size runs in a process
//! of its own, so that its peak of memory is its own too. Every flow has been used before anything is measured: what is
//! measured is the state that a host is in for days, not how it gets there.

mod support;

use std::{env, hint::black_box, process::Command};

use support::{Chance, cpu_ns, instructions, least, machine, memory_mib, misses};
use sysflow::Record;
use sysflow_flow::{
    Config, Event, Initial, Limits, NoHost, Op, Recorder, Reduction, Sink, Urgency,
    op::{AT_FDCWD, Clone, Endpoint, Exec, Image, Open, Tuple},
};

/// Live flows.
const SIZES: [u64; 4] = [1_000, 10_000, 100_000, 1_000_000];
/// Descriptors of one process: files first, then connections.
const FDS: u64 = 10;
const FILES: u64 = 8;
const FIRST_FD: i64 = 3;
const FIRST_PID: u64 = 1_000;
const START: i64 = 1_700_000_000_000_000_000;
const SECOND: i64 = 1_000_000_000;

/// Operations of one measurement.
const TRANSFERS: u64 = 1_000_000;
const OPENS: u64 = 200_000;
const LIVES: u64 = 20_000;
const REPEATS: u32 = 3;

/// What is measured, and how many operations of it callgrind watches.
const SCENARIOS: [(&str, u64); 6] = [
    ("uniform", 100_000),
    ("zipf", 100_000),
    ("receive", 100_000),
    ("open", 20_000),
    ("life", 5_000),
    ("export", 0),
];
/// Paths that one process opens again and again, and how many rounds of open, read and close are in one measurement.
const AGAIN: u64 = 20;
const ROUNDS: u64 = 200_000;
const AGAIN_WATCHED: u64 = 20_000;
const REDUCTIONS: [(&str, Reduction); 2] = [("lossless", Reduction::Lossless), ("rollup", Reduction::Rollup)];

fn main() {
    let args: Vec<String> = env::args().skip(1).filter(|arg| arg != "--bench").collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => {
            table();
            reduction_table();
        }
        ["--instructions"] => {
            instruction_table();
            miss_table();
        }
        ["--one", flows] => println!("{}", row(flows.parse().expect("a number"))),
        ["--fixed", scenario, flows] => fixed(scenario, flows.parse().expect("a number")),
        _ => eprintln!("usage: cargo bench -p sysflow-flow [-- --instructions]"),
    }
}

fn table() {
    println!("{}", machine());
    println!("CPU nanoseconds an operation, discarding the records; least of {REPEATS} runs");
    println!(
        "read/write: of any flow as likely as of any other (uniform), and mostly of those that are busy (zipf: the n-th \
         busiest flow is used n times less than the busiest); line: an addition in one of as many lines of memory"
    );
    println!(
        "{:>9} {:>6} {:>8} {:>8} {:>8} {:>10} {:>15} {:>6} {:>9} {:>9}",
        "flows",
        "line",
        "uniform",
        "zipf",
        "receive",
        "open+close",
        "clone+exec+exit",
        "export",
        "live MiB",
        "peak MiB"
    );
    for flows in SIZES {
        let here = env::current_exe().expect("this program has a path");
        let out = Command::new(here).args(["--one", &flows.to_string()]).output().expect("it runs");
        print!("{}", String::from_utf8_lossy(&out.stdout));
    }
}

fn row(flows: u64) -> String {
    let empty = memory_mib("VmRSS:");
    let mut world = World::new(flows, Reduction::Lossless);
    let live = memory_mib("VmRSS:") - empty;
    let picks = [world.draw(false), world.draw(true)];
    let [uniform, zipf] = picks.map(|picks| {
        world.picks = picks;
        least(REPEATS, || {
            let before = cpu_ns();
            world.transfers(TRANSFERS);
            (cpu_ns() - before) as f64 / TRANSFERS as f64
        })
    });
    let mut per = |count: u64, run: fn(&mut World, u64)| {
        least(REPEATS, || {
            let before = cpu_ns();
            run(&mut world, count);
            (cpu_ns() - before) as f64 / count as f64
        })
    };
    let receive = per(TRANSFERS, World::receives);
    let open = per(OPENS, World::opens);
    let life = per(LIVES, World::lives);
    let export = least(REPEATS, || {
        world.touch_all();
        let before = cpu_ns();
        let exports = world.export();
        (cpu_ns() - before) as f64 / exports as f64
    });
    let peak = memory_mib("VmHWM:") - empty;
    let line = line(flows, &world.draw(false));
    format!(
        "{flows:>9} {line:>6.1} {uniform:>8.1} {zipf:>8.1} {receive:>8.1} {open:>10.0} {life:>15.0} {export:>6.0} {live:>9.1} {peak:>9.1}"
    )
}

/// What the machine takes for the least that an operation on a flow can do: it finds the flow's line without looking for
/// it, and adds to it.
fn line(flows: u64, picks: &[u32]) -> f64 {
    #[derive(Clone)]
    #[repr(align(64))]
    struct Line(u64);
    let mut lines = vec![Line(1); flows as usize];
    least(REPEATS, || {
        let before = cpu_ns();
        for pick in picks {
            black_box(&mut lines)[*pick as usize].0 += 1;
        }
        (cpu_ns() - before) as f64 / picks.len() as f64
    })
}

/// Files that are opened, read and closed again and again.
fn reduction_table() {
    println!(
        "\nopen, read and close of known paths, {AGAIN} of each of 100 processes; 10,000 rounds a second"
    );
    println!("{:>9} {:>8} {:>13}", "reduction", "ns/round", "records/round");
    for (name, reduction) in REDUCTIONS {
        let mut world = World::new(1_000, reduction);
        world.again(ROUNDS);
        let before = world.recorder.counters().records;
        let ns = least(REPEATS, || {
            let before = cpu_ns();
            world.again(ROUNDS);
            (cpu_ns() - before) as f64 / ROUNDS as f64
        });
        let records = world.recorder.counters().records - before;
        println!("{name:>9} {ns:>8.0} {:>13.3}", records as f64 / (ROUNDS * u64::from(REPEATS)) as f64);
    }
}

fn instruction_table() {
    println!("{}", machine());
    println!("instructions an operation, by callgrind");
    println!("{:>9} {}", "flows", SCENARIOS.map(|(name, _)| format!("{name:>9}")).join(" "));
    for flows in [1_000, 100_000] {
        let mut cells = Vec::new();
        for (scenario, count) in SCENARIOS {
            let args = ["--fixed", scenario, &flows.to_string()];
            match instructions("*World*measured*", &args) {
                Ok(total) => {
                    // An export is of all flows.
                    let count = if scenario == "export" { flows } else { count };
                    cells.push(format!("{:>9.1}", total as f64 / count as f64));
                }
                Err(why) => {
                    println!("skipped: {why}");
                    return;
                }
            }
        }
        println!("{flows:>9} {}", cells.join(" "));
    }
    println!("{:>9} {:>18}", "reduction", "open+read+close");
    for (name, _) in REDUCTIONS {
        match instructions("*World*measured*", &["--fixed", name, "1000"]) {
            Ok(total) => println!("{name:>9} {:>18.1}", total as f64 / AGAIN_WATCHED as f64),
            Err(why) => println!("skipped: {why}"),
        }
    }
}

/// Where memory is waited for: the number of lines that an operation needs and that are not near.
fn miss_table() {
    println!(
        "\nlines of memory an operation that are not in the first cache (32 KiB), nor in the core's (1 MiB)"
    );
    println!("{:>9} {:>8} {:>12} {:>12}", "flows", "", "not first", "not core's");
    for flows in [1_000, 1_000_000] {
        for scenario in ["uniform", "zipf"] {
            match misses("*World*measured*", &["--fixed", scenario, &flows.to_string()]) {
                Ok(misses) => {
                    let [first, own] = [misses.first, misses.own].map(|count| count as f64 / 100_000.0);
                    println!("{flows:>9} {scenario:>8} {first:>12.2} {own:>12.2}");
                }
                Err(why) => println!("skipped: {why}"),
            }
        }
    }
}

fn fixed(scenario: &str, flows: u64) {
    let reduction = REDUCTIONS.iter().find(|(name, _)| *name == scenario).map(|(_, reduction)| *reduction);
    let mut world = World::new(flows, reduction.unwrap_or_default());
    let count = SCENARIOS.iter().find(|(name, _)| *name == scenario).map_or(0, |(_, count)| *count);
    match scenario {
        "export" => world.touch_all(),
        "uniform" | "zipf" => world.picks = world.draw(scenario == "zipf"),
        "lossless" | "rollup" => world.again(AGAIN_WATCHED),
        _ => {}
    }
    world.measured(scenario, count);
}

/// Processes with open files and connections, each with a flow.
struct World {
    recorder: Recorder,
    sink: Discard,
    chance: Chance,
    processes: u64,
    now: i64,
    next_pid: i64,
    paths: Vec<String>,
    /// Flows to be used, one after the other.
    picks: Vec<u32>,
}

struct Discard;

impl Sink for Discard {
    fn record(&mut self, record: &Record, _: Urgency) {
        black_box(record);
    }

    fn keeps_identities(&self) -> bool {
        false
    }
}

impl World {
    fn new(flows: u64, reduction: Reduction) -> Self {
        let processes = flows / FDS;
        let limits = Limits { flows: 1 << 21, ..Limits::default() };
        let config = Config { node: "bench".into(), rotate: 0, limits, reduction, ..Config::default() };
        let mut recorder = Recorder::new(config);
        let initial = (0..processes).map(|index| {
            let pid = (FIRST_PID + index) as i64;
            Initial {
                tid: pid,
                pid,
                ptid: 1,
                vpid: pid,
                start_ts: START - SECOND,
                exe: b"/usr/bin/worker".into(),
                exe_path: b"/usr/bin/worker".into(),
                args: vec![b"--config".into(), format!("/etc/worker/{index}.conf").into()],
                cwd: b"/srv".into(),
                ..Initial::default()
            }
        });
        let mut sink = Discard;
        recorder.start(initial, &mut sink);
        let paths = (0..(flows / 4).max(16)).map(|n| format!("/srv/data/{}/part-{n}.bin", n % 97)).collect();
        let mut world = Self {
            recorder,
            sink,
            chance: Chance(0x9e37_79b9_7f4a_7c15),
            processes,
            now: START,
            next_pid: (FIRST_PID + processes) as i64,
            paths,
            picks: Vec::new(),
        };
        for index in 0..processes {
            let tid = (FIRST_PID + index) as i64;
            for fd in 0..FDS {
                world.open_one(tid, FIRST_FD + fd as i64, fd >= FILES);
            }
        }
        // The first exports lie behind: from here on flows are told of every 30 seconds.
        world.now += 2 * SECOND;
        world.recorder.advance(world.now, &mut NoHost, &mut world.sink);
        world.touch_all();
        world
    }

    fn apply(&mut self, tid: i64, op: Op<'_>) {
        self.recorder.apply(&Event { ts: self.now, tid, op }, &mut NoHost, &mut self.sink);
    }

    fn open_one(&mut self, tid: i64, fd: i64, connection: bool) {
        if connection {
            self.apply(tid, Op::Accept { ret: fd, tuple: Some(tuple(tid, fd)), cloexec: false });
        } else {
            let at = self.chance.below(self.paths.len() as u64) as usize;
            let path = std::mem::take(&mut self.paths[at]);
            self.apply(tid, open(path.as_bytes(), fd));
            self.paths[at] = path;
        }
    }

    /// Some scenario under a name that callgrind finds.
    #[inline(never)]
    fn measured(&mut self, scenario: &str, count: u64) {
        match scenario {
            "uniform" | "zipf" => self.transfers(count),
            "receive" => self.receives(count),
            "open" => self.opens(count),
            "life" => self.lives(count),
            "lossless" | "rollup" => self.again(AGAIN_WATCHED),
            _ => {
                self.export();
            }
        }
    }

    /// Which flows are used next; drawn beforehand, so that drawing costs nothing.
    fn draw(&mut self, zipf: bool) -> Vec<u32> {
        /// Busy flows lie anywhere.
        const SCATTER: u64 = 0x9e37_79b1;
        let flows = self.processes * FDS;
        let mut pick = || {
            if !zipf {
                return self.chance.below(flows) as u32;
            }
            // The logarithm of the rank is uniform: Zipf's law with exponent 1.
            let part = self.chance.below(1 << 53) as f64 / (1_u64 << 53) as f64;
            let rank = (flows as f64).powf(part) as u64 - 1;
            ((rank * SCATTER) % flows) as u32
        };
        (0..TRANSFERS).map(|_| pick()).collect()
    }

    /// Reads and writes on files and connections.
    fn transfers(&mut self, count: u64) {
        for at in 0..count as usize {
            let flow = u64::from(self.picks[at % self.picks.len()]);
            let tid = (FIRST_PID + flow / FDS) as i64;
            let fd = FIRST_FD + (flow % FDS) as i64;
            if at & 1 == 0 {
                self.apply(tid, Op::Read { ret: 512, fd, tuple: None });
            } else {
                self.apply(tid, Op::Write { ret: 512, fd, tuple: None });
            }
        }
    }

    /// Receives on connections, which say between whom.
    fn receives(&mut self, count: u64) {
        for _ in 0..count {
            let tid = (FIRST_PID + self.chance.below(self.processes)) as i64;
            let fd = FIRST_FD + (FILES + self.chance.below(FDS - FILES)) as i64;
            self.apply(tid, Op::Read { ret: 512, fd, tuple: Some(tuple(tid, fd)) });
        }
    }

    /// Opens of known paths, each closed again.
    fn opens(&mut self, count: u64) {
        let fd = FIRST_FD + FDS as i64;
        for _ in 0..count {
            let tid = (FIRST_PID + self.chance.below(self.processes)) as i64;
            self.open_one(tid, fd, false);
            self.apply(tid, Op::Close { ret: 0, fd });
        }
    }

    /// The same few files, read each time.
    fn again(&mut self, rounds: u64) {
        let fd = FIRST_FD + FDS as i64;
        for round in 0..rounds {
            let tid = (FIRST_PID + round % self.processes) as i64;
            let at = (round / self.processes % AGAIN) as usize % self.paths.len();
            let path = std::mem::take(&mut self.paths[at]);
            self.apply(tid, open(path.as_bytes(), fd));
            self.paths[at] = path;
            self.apply(tid, Op::Read { ret: 512, fd, tuple: None });
            self.apply(tid, Op::Close { ret: 0, fd });
            self.now += SECOND / 10_000;
        }
    }

    /// Processes that are born, execute something, and end.
    fn lives(&mut self, count: u64) {
        for _ in 0..count {
            let parent = (FIRST_PID + self.chance.below(self.processes)) as i64;
            let child = self.next_pid;
            self.next_pid += 1;
            let image = Image { pid: child, ptid: parent, ..Image::default() };
            let of = Image { pid: parent, ..Image::default() };
            self.apply(
                parent,
                Op::Clone(Clone { ret: child, image: of, vtid: Some(parent), ..Clone::default() }),
            );
            let own = Clone { image, vtid: Some(child), vpid: Some(child), ..Clone::default() };
            self.apply(child, Op::Clone(own));
            let image = Image { exe: b"ls", args: b"-l\0/srv/data\0", ..image };
            self.apply(
                child,
                Op::Exec(Exec { image, path: b"/usr/bin/ls", filename: b"/usr/bin/ls", ..Exec::default() }),
            );
            self.apply(child, Op::Exit { status: 0 });
            // Time passes, so that the dead are forgotten: 10,000 processes a second.
            self.now += SECOND / 10_000;
        }
    }

    /// An operation in every flow.
    fn touch_all(&mut self) {
        for index in 0..self.processes {
            let tid = (FIRST_PID + index) as i64;
            for fd in 0..FDS {
                self.apply(tid, Op::Read { ret: 1, fd: FIRST_FD + fd as i64, tuple: None });
            }
        }
    }

    /// All flows are due at once.
    fn export(&mut self) -> u64 {
        let before = self.recorder.counters().records;
        self.now += 31 * SECOND;
        self.recorder.advance(self.now, &mut NoHost, &mut self.sink);
        (self.recorder.counters().records - before).max(1)
    }
}

fn open(path: &[u8], ret: i64) -> Op<'_> {
    Op::Open(Open { ret, dirfd: AT_FDCWD, path, flags: 1, ..Open::default() })
}

/// A connection of its own for each descriptor.
fn tuple(tid: i64, fd: i64) -> Tuple<'static> {
    let [.., a, b, c] = (tid as u32).to_be_bytes();
    let source = Endpoint { ip: [10, a, b, c].into(), port: 40_000 + fd as u16 };
    Tuple::Inet { source, dest: Endpoint { ip: [10, 255, 0, 1].into(), port: 443 } }
}
