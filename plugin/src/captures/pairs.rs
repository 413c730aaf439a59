//! The traces that SysFlow's own collector made of its captures, record by record.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use sysflow::{Entities, Oid, Reader, Record, Schema};

use super::{replay, shared, tests_config, write};

/// What must be reached at least: share of equal records (F1) with all fields that carry meaning.
const ENOUGH: f64 = 0.98;

/// The pairs that are there: a trace, and the capture beside it.
fn pairs(shared: &Path) -> Vec<(PathBuf, PathBuf)> {
    let mut pairs: Vec<_> = std::fs::read_dir(shared.join("data/pairs"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sf"))
        .map(|trace| (trace.with_extension("scap.gz"), trace))
        .collect();
    pairs.sort();
    assert!(!pairs.is_empty());
    pairs
}

#[test]
fn records_equal_those_of_the_collector() {
    let Some(shared) = shared() else { return };
    let out = tempfile::tempdir().unwrap();
    let keep = std::env::var_os("SYSFLOW_PAIRS_OUT").map(std::path::PathBuf::from);
    let mut failures = Vec::new();
    for (capture, trace) in pairs(&shared) {
        let name = trace.file_stem().unwrap().display();
        let (records, recorder) = replay(&capture, tests_config());
        // Through a file, so that what is compared is what a reader gets.
        let path = keep.as_deref().unwrap_or(out.path()).join(format!("{name}.sf"));
        let _ = std::fs::remove_file(&path);
        write(&records, Schema::V5, &path);
        let got = Facts::read(&path);
        let want = Facts::read(&trace);
        let f1 = got.f1(&want);
        println!("{name}: {f1:.4} of {} records; {:?}", want.total(), recorder.counters());
        if f1 < ENOUGH {
            failures.push(format!("{name}: {f1:.4} < {ENOUGH}"));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

/// Events and flows with their references resolved, as a multiset.
#[derive(Default)]
struct Facts(HashMap<String, u32>);

impl Facts {
    fn read(path: &std::path::Path) -> Self {
        let mut facts = Self::default();
        let mut paths: HashMap<sysflow::Foid, String> = HashMap::new();
        for record in Reader::open(path).unwrap() {
            let record = record.unwrap();
            if let Record::File(file) = &record {
                paths.insert(file.oid, file.path.clone());
            }
            if let Some(fact) =
                fact(&record, |oid| paths.get(&oid).cloned().unwrap_or_else(|| oid.to_string()))
            {
                *facts.0.entry(fact).or_default() += 1;
            }
        }
        facts
    }

    fn total(&self) -> u32 {
        self.0.values().sum()
    }

    fn f1(&self, other: &Self) -> f64 {
        let both: u32 = self.0.iter().map(|(fact, n)| *n.min(other.0.get(fact).unwrap_or(&0))).sum();
        2.0 * f64::from(both) / f64::from(self.total() + other.total())
    }
}

fn fact(record: &Record, path: impl Fn(sysflow::Foid) -> String) -> Option<String> {
    let oid = |oid: Oid| (oid.create_ts, oid.hpid);
    Some(match record {
        Record::ProcessEvent(r) => {
            format!("{:?} {} {} {} {:?} {}", oid(r.proc_oid), r.ts, r.tid, r.op_flags, r.args, r.ret)
        }
        Record::FileEvent(r) => format!(
            "{:?} {} {} {} {} {} {:?}",
            oid(r.proc_oid),
            r.ts,
            r.tid,
            r.op_flags,
            path(r.file_oid),
            r.ret,
            r.new_file_oid.map(&path)
        ),
        Record::FileFlow(r) => {
            let path = path(r.file_oid);
            let r = sysflow::record::FileFlow { file_oid: sysflow::Foid::default(), ..r.clone() };
            format!("{path} {r:?}")
        }
        Record::NetworkFlow(r) => format!("{r:?}"),
        _ => return None,
    })
}

/// Every record that names a process or a file comes after it, in every pair.
#[test]
fn entities_come_before_what_names_them() {
    let Some(shared) = shared() else { return };
    for (capture, _) in pairs(&shared) {
        let (records, _) = replay(&capture, tests_config());
        let mut entities = Entities::default();
        for record in &records {
            entities.apply(record);
            if let Some(oid) = record.proc_oid() {
                assert!(entities.process(oid).is_some(), "{}: {record:?}", capture.display());
            }
        }
    }
}
