//! What an operation costs, by how many flows live: `cargo bench -p sysflow-flow`.
//!
//! `-- --instructions` counts instructions instead of time, under valgrind. Each size runs in a process of its own, so
//! that its peak of memory is its own too.

mod support;

use std::{env, hint::black_box, process::Command};

use support::{Chance, cpu_ns, instructions, least, machine, memory_mib};
use sysflow::Record;
use sysflow_flow::{
    Config, Event, Initial, Limits, NoHost, Op, Recorder, Sink, Urgency,
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
    ("local", 100_000),
    ("receive", 100_000),
    ("open", 20_000),
    ("life", 5_000),
    ("export", 0),
];

fn main() {
    let args: Vec<String> = env::args().skip(1).filter(|arg| arg != "--bench").collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => table(),
        ["--instructions"] => instruction_table(),
        ["--one", flows] => println!("{}", row(flows.parse().expect("a number"))),
        ["--fixed", scenario, flows] => fixed(scenario, flows.parse().expect("a number")),
        _ => eprintln!("usage: cargo bench -p sysflow-flow [-- --instructions]"),
    }
}

fn table() {
    println!("{}", machine());
    println!("CPU nanoseconds an operation, discarding the records; least of {REPEATS} runs");
    println!(
        "read/write: of any flow as likely as of any other (uniform), and mostly of those that are busy (local: the n-th \
         busiest flow is used n times less than the busiest)"
    );
    println!(
        "{:>9} {:>8} {:>8} {:>8} {:>10} {:>15} {:>6} {:>9} {:>9}",
        "flows",
        "uniform",
        "local",
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
    let mut world = World::new(flows);
    let live = memory_mib("VmRSS:") - empty;
    let picks = [world.draw(false), world.draw(true)];
    let [uniform, local] = picks.map(|picks| {
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
    format!(
        "{flows:>9} {uniform:>8.1} {local:>8.1} {receive:>8.1} {open:>10.0} {life:>15.0} {export:>6.0} {live:>9.1} {peak:>9.1}"
    )
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
}

fn fixed(scenario: &str, flows: u64) {
    let mut world = World::new(flows);
    let count = SCENARIOS.iter().find(|(name, _)| *name == scenario).map_or(0, |(_, count)| *count);
    match scenario {
        "export" => world.touch_all(),
        "uniform" | "local" => world.picks = world.draw(scenario == "local"),
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
    fn new(flows: u64) -> Self {
        let processes = flows / FDS;
        let limits = Limits { flows: 1 << 21, ..Limits::default() };
        let mut recorder =
            Recorder::new(Config { node: "bench".into(), rotate: 0, limits, ..Config::default() });
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
            "uniform" | "local" => self.transfers(count),
            "receive" => self.receives(count),
            "open" => self.opens(count),
            "life" => self.lives(count),
            _ => {
                self.export();
            }
        }
    }

    /// Which flows are used next; drawn beforehand, so that drawing costs nothing.
    fn draw(&mut self, local: bool) -> Vec<u32> {
        /// Busy flows lie anywhere.
        const SCATTER: u64 = 0x9e37_79b1;
        let flows = self.processes * FDS;
        let mut pick = || {
            if !local {
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
