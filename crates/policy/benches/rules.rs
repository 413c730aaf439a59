//! What judging a record costs, by how many rules there are: `cargo bench -p sysflow-policy`.
//!
//! Records of real traces are joined in memory; decoding is not measured, and what joining costs is taken off. Needs
//! the traces and policies that tests share.

use std::{env, fmt::Write, hint::black_box, path::PathBuf, time::Duration};

use sysflow::{Entities, Joined, Reader, Record, attr, record::Kind};
use sysflow_policy::{RuleId, RuleSet, Scratch, Source};

const TRACES: [&str; 5] = [
    "traces/mon.1531776682.sf",
    "traces/mon.1531776712.sf",
    "traces/mon.1531776742.sf",
    "pairs/mpm-preforked_full_capture.sf",
    "pairs/namespaces_setns.sf",
];
const SIZES: [usize; 5] = [1, 10, 100, 1_000, 10_000];
const REPEATS: usize = 5;

fn main() {
    let root = env::var_os("SYSFLOW_SHARED")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")), PathBuf::from)
        .join("data");
    if !root.exists() {
        println!("skipped: ../shared is not here");
        return;
    }
    let traces: Vec<Vec<Record>> = TRACES.iter().map(|trace| read(&root.join(trace))).collect();
    let judged = traces.iter().flatten().filter(|record| is_judged(record)).count();
    let join = least(|| walk(&traces, |_| {}));
    println!(
        "{judged} events and flows of {} traces; joining one takes {:.0} ns",
        traces.len(),
        per(join, judged)
    );
    println!("{:28} {:>8} {:>10} {:>10} {:>10}", "rules", "atoms", "matches", "ns/record", "plain");

    let policy = |name: &str| {
        let bytes = std::fs::read(root.join("policies").join(name)).expect("the policy is here");
        Source::from_bytes(name, bytes).expect("UTF-8")
    };
    let built_in = concat!(env!("CARGO_MANIFEST_DIR"), "/../../rules/sysflow_rules.yaml");
    let built_in = Source::new("rules", std::fs::read_to_string(built_in).expect("the rules are here"));
    for (name, sources) in [
        ("SysFlow's TTPs", vec![policy("ttps.yaml")]),
        ("SysFlow's filter", vec![policy("filter.yaml")]),
        ("ours", vec![built_in.clone()]),
        ("SysFlow's TTPs and ours", vec![policy("ttps.yaml"), built_in]),
    ] {
        let set = load(&sources);
        let (matches, time) = judge(&traces, &set);
        row(name, &set, matches, per(time.saturating_sub(join), judged), None);
    }
    for size in SIZES {
        let rules: Vec<Rule> = (0..size).map(Rule::new).collect();
        let set = load(&[Source::new("generated", file(&rules))]);
        let (matches, time) = judge(&traces, &set);
        // The plain walk is slow: a part of the records says as much.
        let share = 1.max(size / 100);
        let mut seen = 0_usize;
        let mut found = 0_usize;
        let plain = least(|| {
            (seen, found) = (0, 0);
            let mut asked = 0_usize;
            walk(&traces, |record| {
                asked += 1;
                if asked.is_multiple_of(share) {
                    seen += 1;
                    found += rules.iter().filter(|rule| rule.holds(record)).count();
                }
            });
        });
        black_box(found);
        let plain = plain.saturating_sub(join);
        let name = format!("{size} generated");
        row(&name, &set, matches, per(time.saturating_sub(join), judged), Some(per(plain, seen)));
    }
}

fn row(name: &str, set: &RuleSet, matches: usize, ns: f64, plain: Option<f64>) {
    let plain = plain.map_or("-".to_owned(), |plain| format!("{plain:.0}"));
    let rules = format!("{name} ({})", set.rules().len());
    println!("{rules:28} {:>8} {matches:>10} {ns:>10.0} {plain:>10}", set.atoms());
}

fn read(path: &std::path::Path) -> Vec<Record> {
    Reader::open(path).expect("the trace opens").map(|record| record.expect("the trace is whole")).collect()
}

fn load(sources: &[Source]) -> RuleSet {
    RuleSet::load(sources).unwrap_or_else(|problems| panic!("{problems}")).0
}

fn is_judged(record: &Record) -> bool {
    !matches!(record.kind(), Kind::Header | Kind::Container | Kind::Process | Kind::File | Kind::Pod)
}

/// Joins all events and flows, and shows each.
fn walk(traces: &[Vec<Record>], mut show: impl FnMut(&Joined<'_>)) {
    for trace in traces {
        let mut entities = Entities::default();
        for record in trace {
            entities.apply(record);
            if is_judged(record) {
                show(&black_box(entities.join(record)));
            }
        }
    }
}

fn judge(traces: &[Vec<Record>], set: &RuleSet) -> (usize, Duration) {
    let mut matches = 0;
    let time = least(|| {
        let (mut scratch, mut found) = (Scratch::default(), Vec::<RuleId>::new());
        matches = 0;
        walk(traces, |record| {
            set.matches_with(record, &mut scratch, &mut found);
            matches += found.len();
            found.clear();
        });
    });
    (matches, time)
}

fn per(time: Duration, count: usize) -> f64 {
    time.as_nanos() as f64 / count.max(1) as f64
}

/// The least time of several runs, of this thread's processor time: other programs do not count.
fn least(mut run: impl FnMut()) -> Duration {
    let time = |run: &mut dyn FnMut()| {
        let before = cpu();
        run();
        cpu().saturating_sub(before)
    };
    (0..REPEATS).map(|_| time(&mut run)).min().unwrap_or_default()
}

/// Processor time of the calling thread, as the kernel reports it in nanoseconds.
fn cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("this kernel counts time");
    let ns = text.split(' ').next().and_then(|ns| ns.parse().ok()).expect("nanoseconds");
    Duration::from_nanos(ns)
}

// === generated rules ===

/// Rules such as people write: an operation, who did it, and what it was done to.
struct Rule {
    number: usize,
    names: [String; 3],
    path: String,
}

impl Rule {
    fn new(number: usize) -> Self {
        // The first ones are about programs and paths of the traces, so that something matches.
        const PROGRAMS: [&str; 6] = ["node", "httpd", "bash", "cat", "docker", "runc"];
        const PATHS: [&str; 4] = ["/etc", "/usr/lib", "/proc", "/tmp"];
        let name = |at: usize| match PROGRAMS.get(number + at) {
            Some(name) => (*name).to_owned(),
            None => format!("program-{}", number * 3 + at),
        };
        let path =
            PATHS.get(number).map_or_else(|| format!("/srv/app-{number}/data"), |path| (*path).to_owned());
        Self { number, names: [name(0), name(1), name(2)], path }
    }

    fn condition(&self) -> String {
        let [a, b, c] = &self.names;
        let path = &self.path;
        match self.number % 4 {
            0 => format!("sf.opflags = EXEC and sf.proc.name in ({a}, {b}, {c}) and not sf.pproc.name = {b}"),
            1 => {
                format!("sf.type = FF and sf.file.path startswith {path} and not sf.proc.name in ({a}, {b})")
            }
            2 => format!("sf.opflags in (WRITE, SEND) and sf.proc.aname in ({a}, {c}) and sf.proc.uid = 0"),
            _ => format!(
                "sf.type = NF and sf.net.dport = {} and sf.proc.exe endswith {a}",
                self.number % 10_000
            ),
        }
    }

    /// The same, read off the attributes each time.
    fn holds(&self, record: &Joined<'_>) -> bool {
        let [a, b, c] = &self.names;
        let read = |name: &str| attr::find(name).map_or(attr::Value::Absent, |attr| attr.value(record));
        let is = |name: &str, test: &dyn Fn(&str) -> bool| match read(name) {
            attr::Value::Absent => false,
            attr::Value::StrList(list) => list.iter().any(|text| test(text)),
            attr::Value::Str(text) => test(&text),
            other => test(&other.to_string()),
        };
        match self.number % 4 {
            0 => {
                is("sf.opflags", &|op| op == "EXEC")
                    && is("sf.proc.name", &|name| name == a || name == b || name == c)
                    && !is("sf.pproc.name", &|name| name == b)
            }
            1 => {
                is("sf.type", &|kind| kind == "FF")
                    && is("sf.file.path", &|path| path.starts_with(&self.path))
                    && !is("sf.proc.name", &|name| name == a || name == b)
            }
            2 => {
                is("sf.opflags", &|op| op == "WRITE" || op == "SEND")
                    && is("sf.proc.aname", &|name| name == a || name == c)
                    && read("sf.proc.uid") == attr::Value::Int(0)
            }
            _ => {
                let port = (self.number % 10_000) as i64;
                is("sf.type", &|kind| kind == "NF")
                    && read("sf.net.dport") == attr::Value::Int(port)
                    && is("sf.proc.exe", &|exe| exe.ends_with(a.as_str()))
            }
        }
    }
}

fn file(rules: &[Rule]) -> String {
    let mut text = String::new();
    for rule in rules {
        let (number, condition) = (rule.number, rule.condition());
        writeln!(
            text,
            "- rule: rule {number}\n  desc: d\n  condition: {condition}\n  output: o\n  priority: INFO\n  source: sysflow"
        )
        .expect("writing to a string cannot fail");
    }
    text
}
