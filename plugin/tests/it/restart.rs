//! A replay that is cut in two by a restart of the plugin gives processes and graphs the ids of one that is not.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
};

use sysflow::{Oid, Record, record::op};
use sysflow_replay::{Capture, RawEvent, host::Plugin, scap::ProcessInfo};

use crate::support::{bundled, library, records_of};

const CAPTURE: &str = "shop-attack.scap";

/// By subsystem, as a table has them.
type Cgroups = Vec<(Vec<u8>, Vec<u8>)>;

/// Processes with their graphs.
fn ids(records: &[Record]) -> HashSet<(Oid, String)> {
    let ids = records.iter().filter_map(|record| match record {
        Record::Process(process) => Some((process.oid, process.graph_id.clone())),
        _ => None,
    });
    ids.collect()
}

/// The thread table of a host at the end of these records.
fn table(before: &[ProcessInfo], records: &[Record]) -> Vec<ProcessInfo> {
    let mut table: Vec<ProcessInfo> = before.to_vec();
    let mut containers: HashMap<Option<String>, Cgroups> = HashMap::new();
    for record in records {
        match record {
            Record::Process(process) => {
                let pid = process.oid.hpid;
                let known = table.iter().find(|entry| entry.tid == pid).cloned();
                let model = known.clone().or_else(|| {
                    let parent = process.poid?.hpid;
                    table.iter().find(|entry| entry.tid == parent).cloned()
                });
                let mut entry = model.unwrap_or_else(|| before[0].clone());
                if let Some(known) = known {
                    containers.entry(process.container_id.clone()).or_insert(known.cgroups);
                }
                if let Some(cgroups) = containers.get(&process.container_id) {
                    entry.cgroups.clone_from(cgroups);
                }
                entry.tid = pid;
                entry.pid = pid;
                entry.ptid = process.poid.map_or(0, |parent| parent.hpid);
                entry.exe = process.exe.clone().into();
                entry.exe_path = process.exe.clone().into();
                entry.args = process.exe_args.split(' ').map(|arg| arg.as_bytes().to_vec()).collect();
                entry.uid = process.uid as u32;
                table.retain(|entry| entry.tid != pid);
                table.push(entry);
            }
            Record::ProcessEvent(event) if event.op_flags == op::EXIT => {
                table.retain(|entry| entry.pid != event.proc_oid.hpid || event.tid != event.proc_oid.hpid);
            }
            _ => {}
        }
    }
    table
}

/// Feeds the capture through one instance up to event `cut` and through another after it.
fn cut_in_two(plugin: &Plugin, cut: usize, config: &dyn Fn(&Path) -> String, dir: &Path) -> Vec<Record> {
    let mut capture = Capture::open(&bundled(CAPTURE)).unwrap();
    let before = capture.processes.clone();
    let (first, second) = (dir.join("first"), dir.join("second"));
    let mut instance = plugin.init(&config(&first), &capture).unwrap();
    instance.capture_open().unwrap();
    for _ in 0..cut {
        let Some(event) = capture.next_event().unwrap() else { break };
        instance.parse(RawEvent::parse(event.bytes()).unwrap()).unwrap();
    }
    instance.capture_close().unwrap();
    drop(instance);
    let mut records = records_of(&first);
    capture.processes = table(&before, &records);
    let mut instance = plugin.init(&config(&second), &capture).unwrap();
    instance.capture_open().unwrap();
    while let Some(event) = capture.next_event().unwrap() {
        instance.parse(event).unwrap();
    }
    instance.capture_close().unwrap();
    records.extend(records_of(&second));
    records
}

#[test]
fn ids_outlive_a_restart() {
    let plugin = Plugin::load(&library()).unwrap();
    let temp = tempfile::tempdir().unwrap();
    let whole = {
        let dir = temp.path().join("whole");
        crate::support::replay(&bundled(CAPTURE), &format!(r#"{{"node":"n","dir":{dir:?}}}"#));
        ids(&records_of(&dir))
    };
    let mut strangers_without = 0;
    for cut in [1_000, 4_000, 9_000, 14_000] {
        let dir = temp.path().join(format!("cut{cut}"));
        std::fs::create_dir(&dir).unwrap();
        let state = dir.join("state");
        let with = |dir: &Path| format!(r#"{{"node":"n","dir":{dir:?},"state_dir":{state:?}}}"#);
        let got = ids(&cut_in_two(&plugin, cut, &with, &dir));
        let strangers: Vec<_> = got.difference(&whole).collect();
        assert!(strangers.is_empty(), "cut at {cut}: {strangers:?}");
        let dir = dir.join("without");
        std::fs::create_dir(&dir).unwrap();
        let without = |dir: &Path| format!(r#"{{"node":"n","dir":{dir:?}}}"#);
        strangers_without += ids(&cut_in_two(&plugin, cut, &without, &dir)).difference(&whole).count();
    }
    assert!(strangers_without > 0, "the cuts are where nothing lives: this proves nothing");
    println!("{} ids, {strangers_without} others without state_dir", whole.len());
}

/// The file is lost or of something else: nothing fails, ids begin anew.
#[test]
fn a_damaged_state_file_stops_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let state = temp.path().join("state");
    let config = |dir: &Path| format!(r#"{{"node":"n","dir":{dir:?},"state_dir":{state:?}}}"#);
    let (first, second) = (temp.path().join("first"), temp.path().join("second"));
    crate::support::replay(&bundled(CAPTURE), &config(&first));
    let file = state.join("identities");
    let length = std::fs::metadata(&file).unwrap().len();
    assert!(length > 1_000, "{length}");
    std::fs::write(&file, vec![0xff; length as usize]).unwrap();
    crate::support::replay(&bundled(CAPTURE), &config(&second));
    assert_eq!(records_of(&first), {
        let mut records = records_of(&second);
        for (record, before) in records.iter_mut().zip(records_of(&first)) {
            if let (Record::Header(header), Record::Header(before)) = (record, before) {
                header.filename = before.filename;
            }
        }
        records
    });
    assert_eq!(std::fs::metadata(&file).unwrap().len(), length, "it is written anew");
}
