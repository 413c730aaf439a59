//! A replay that is cut in two by a restart gives every process the identity and the graph of the uncut one.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
};

use sysflow::{Oid, Record};
use sysflow_flow::{Config, Identity, Recorder};

use super::{Replay, apply, shared};

/// Restarts of each capture.
const CUTS: usize = 20;

type Told = HashSet<(Oid, Option<Oid>, String, String)>;

fn told(records: &[Record]) -> Told {
    let process = |record: &Record| match record {
        Record::Process(p) => Some((p.oid, p.poid, p.graph_id.clone(), p.parent_graph_id.clone())),
        _ => None,
    };
    records.iter().filter_map(process).collect()
}

/// Every process event with whom it is of.
fn events(records: &[Record]) -> Vec<(i64, Oid, i64, i32)> {
    let event = |record: &Record| match record {
        Record::ProcessEvent(e) => Some((e.ts, e.proc_oid, e.tid, e.op_flags)),
        _ => None,
    };
    records.iter().filter_map(event).collect()
}

/// Places to cut at, the same on every run.
fn places(len: usize, name: &str) -> Vec<usize> {
    let mut seed = name.bytes().fold(len as u64 | 1, |seed, byte| seed.wrapping_mul(31) ^ u64::from(byte));
    let mut next = || {
        // xorshift64*, George Marsaglia's generator as scrambled by Sebastiano Vigna.
        seed ^= seed >> 12;
        seed ^= seed << 25;
        seed ^= seed >> 27;
        (seed.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % len
    };
    let mut places: Vec<usize> = (0..CUTS).map(|_| next()).collect();
    places.sort_unstable();
    places
}

fn survives_restarts(path: &Path) {
    let name = path.display();
    let config = || Config { rotate: 0, ..Config::default() };
    let Replay { mut recorder, mut records, events: raw } = Replay::open(path, config());
    let node = recorder_node(&records);
    let places = places(raw.len(), &name.to_string());
    // The uncut run goes on from each cut; a second one begins there.
    let mut restarted: Vec<(usize, usize, Recorder, Vec<Record>)> = Vec::new();
    let mut due = places.iter().copied().peekable();
    for (index, bytes) in raw.iter().enumerate() {
        while due.next_if_eq(&index).is_some() {
            let mut second =
                Recorder::new(Config { node: node.clone(), host_users_for_all: true, ..config() });
            let mut after = Vec::new();
            second.start(recorder.snapshot(), &mut after);
            let mut found: HashMap<i64, Identity> = second.identities().collect();
            for (pid, identity) in recorder.identities() {
                assert_eq!(found.remove(&pid), Some(identity), "{name}, cut at {index}");
            }
            assert!(found.is_empty(), "{name}, cut at {index}: {found:?}");
            restarted.push((index, records.len(), second, after));
        }
        apply(&mut recorder, bytes, &mut records);
    }
    let all = told(&records);
    for (index, mark, mut second, mut after) in restarted {
        for bytes in &raw[index..] {
            apply(&mut second, bytes, &mut after);
        }
        let new = told(&after);
        let strange: Vec<_> = new.difference(&all).collect();
        assert!(strange.is_empty(), "{name}, cut at {index}: {strange:?}");
        let rest = told(&records[mark..]);
        let missing: Vec<_> = rest.difference(&new).collect();
        assert!(missing.is_empty(), "{name}, cut at {index}: {missing:?}");
        assert_eq!(events(&after), events(&records[mark..]), "{name}, cut at {index}");
        let mut live: HashMap<i64, Identity> = second.identities().collect();
        for (pid, identity) in recorder.identities() {
            assert_eq!(live.remove(&pid), Some(identity), "{name}, cut at {index}");
        }
        assert!(live.is_empty(), "{name}, cut at {index}: {live:?}");
    }
}

fn recorder_node(records: &[Record]) -> String {
    match records.first() {
        Some(Record::Header(header)) => header.exporter.clone(),
        other => panic!("a trace begins with a header: {other:?}"),
    }
}

#[test]
fn a_restart_anywhere_in_a_capture_changes_no_identity_and_no_graph() {
    let Some(shared) = shared() else { return };
    for name in ["host-mix", "shop-attack", "shop-normal", "load"] {
        survives_restarts(&shared.join(format!("data/captures/{name}.scap")));
    }
    let mut pairs: Vec<_> = std::fs::read_dir(shared.join("data/pairs"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "gz"))
        .collect();
    pairs.sort();
    assert!(!pairs.is_empty());
    for path in pairs {
        survives_restarts(&path);
    }
}
