//! sf-processor's policies on real traces, against what the original engine says.

use std::{collections::BTreeMap, io::Read};

use flate2::read::GzDecoder;
use serde::Deserialize;
use sysflow::{Entities, Reader, record::Kind};
use sysflow_policy::{RuleSet, Scratch, Source};

use crate::shared;

/// A record that rules of the original engine match.
#[derive(Debug, Deserialize)]
struct Line {
    i: usize,
    rules: Vec<String>,
}

const TRACES: [(&str, &str); 15] = [
    ("coll__client-server__tcp-client-server", "pairs/client-server_tcp-client-server.sf"),
    ("coll__files__files", "pairs/files_files.sf"),
    ("coll__mpm-preforked__cold_start_capture", "pairs/mpm-preforked_cold_start_capture.sf"),
    ("coll__mpm-preforked__full_capture", "pairs/mpm-preforked_full_capture.sf"),
    ("coll__namespaces__setns", "pairs/namespaces_setns.sf"),
    ("coll__objectstore__ls", "pairs/objectstore_ls.sf"),
    ("coll__objectstore__upload", "pairs/objectstore_upload.sf"),
    ("coll__rename__rename", "pairs/rename_rename.sf"),
    ("coll__setuid__setuid", "pairs/setuid_setuid.sf"),
    ("proc__k8s_small", "traces/k8s_small.sf"),
    ("proc__mon.1531776682", "traces/mon.1531776682.sf"),
    ("proc__mon.1531776712", "traces/mon.1531776712.sf"),
    ("proc__mon.1531776742", "traces/mon.1531776742.sf"),
    ("proc__shellshock", "traces/shellshock.sf"),
    ("proc__tcp", "traces/tcp.sf"),
];

/// Rules by number of the record among the trace's events and flows.
type Matches = BTreeMap<usize, Vec<String>>;

fn policy(name: &str) -> Option<RuleSet> {
    let path = shared(&format!("data/policies/{name}.yaml"))?;
    let source = Source::from_bytes(name, std::fs::read(path).expect("the policy is read")).expect("UTF-8");
    let (set, warnings) = RuleSet::load(&[source]).unwrap_or_else(|problems| panic!("{problems}"));
    for warning in warnings {
        println!("{warning}");
    }
    Some(set)
}

fn judge(set: &RuleSet, trace: &str) -> Option<Matches> {
    let path = shared(&format!("data/{trace}"))?;
    let (mut entities, mut scratch, mut found) = (Entities::default(), Scratch::default(), Vec::new());
    let mut matches = Matches::new();
    let mut index = 0;
    for record in Reader::open(path).expect("the trace opens") {
        let record = record.expect("the trace is whole");
        entities.apply(&record);
        if matches!(record.kind(), Kind::Header | Kind::Container | Kind::Process | Kind::File | Kind::Pod) {
            continue;
        }
        set.matches_with(&entities.join(&record), &mut scratch, &mut found);
        if !found.is_empty() {
            matches.insert(index, found.drain(..).map(|id| set.rule(id).name.clone()).collect());
        }
        index += 1;
    }
    Some(matches)
}

fn golden(name: &str) -> Option<Matches> {
    let path = shared(&format!("data/golden/policy/{name}.jsonl.gz"))?;
    let mut text = String::new();
    let file = std::fs::File::open(path).expect("the golden opens");
    GzDecoder::new(file).read_to_string(&mut text).expect("the golden is text");
    let line = |line: &str| {
        let line: Line = serde_json::from_str(line).expect("a line of the golden");
        (line.i, line.rules)
    };
    Some(text.lines().map(line).collect())
}

#[test]
fn matches_are_those_of_the_original_engine() {
    let mut wrong = Vec::new();
    for name in ["ttps", "filter"] {
        let Some(set) = policy(name) else { return };
        for (golden_name, trace) in TRACES {
            let (Some(got), Some(want)) = (judge(&set, trace), golden(&format!("{golden_name}.{name}")))
            else {
                return;
            };
            let indexes: std::collections::BTreeSet<_> = got.keys().chain(want.keys()).collect();
            for index in indexes {
                let (got, want) = (got.get(index), want.get(index));
                if got != want {
                    wrong.push(format!("{trace} {name} {index}: {got:?}, not {want:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} differences\n{}", wrong.len(), wrong.join("\n"));
}
