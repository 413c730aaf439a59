//! What `reduction: rollup` makes of captures.

use std::collections::BTreeMap;

use sysflow::{Foid, Oid, Record, Schema, record::op};
use sysflow_flow::{Config, Reduction};

use super::{replay, shared, write};

/// Opens, reads, writes and their bytes of a process on a file.
fn sums(records: &[Record]) -> BTreeMap<(Oid, Foid), [i64; 5]> {
    let mut sums: BTreeMap<_, [i64; 5]> = BTreeMap::new();
    for record in records {
        let Record::FileFlow(flow) = record else { continue };
        let opens = if flow.op_flags & op::OPEN != 0 { flow.num_opens } else { 0 };
        let (reads, writes) = (flow.num_rrecv_ops, flow.num_wsend_ops);
        let counts = [opens, reads, writes, flow.num_rrecv_bytes, flow.num_wsend_bytes];
        let sum = sums.entry((flow.proc_oid, flow.file_oid)).or_default();
        sum.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
    }
    sums
}

/// Nothing is lost but single opens: everything else is the same, and the sums are.
#[test]
fn rolled_up_captures_add_up_to_the_same() {
    add_up(&["shop-attack", "shop-normal", "host-mix"]);
}

#[test]
#[ignore = "takes many seconds without optimisation"]
fn a_long_capture_adds_up_to_the_same() {
    add_up(&["load"]);
}

fn add_up(names: &[&str]) {
    let Some(shared) = shared() else { return };
    let out = tempfile::tempdir().unwrap();
    for name in names {
        let of = |reduction| {
            let capture = shared.join(format!("data/captures/{name}.scap"));
            let (records, recorder) = replay(&capture, Config { reduction, ..Config::default() });
            let path = out.path().join("records.sf");
            write(&records, Schema::Extended, &path);
            let bytes = std::fs::metadata(&path).unwrap().len();
            std::fs::remove_file(&path).unwrap();
            println!("{name} {reduction:?}: {} records, {bytes} bytes", records.len());
            (records, recorder)
        };
        let (lossless, recorder) = of(Reduction::Lossless);
        let (folded, of_folded) = of(Reduction::Rollup);
        assert!(folded.len() < lossless.len(), "{name}");
        assert_eq!(sums(&lossless), sums(&folded), "{name}");
        let others = |records: &[Record]| {
            let is_other = |record: &&Record| !matches!(record, Record::FileFlow(_));
            records.iter().filter(is_other).cloned().collect::<Vec<_>>()
        };
        assert_eq!(others(&lossless), others(&folded), "{name}");
        assert_eq!(recorder.counters().folded, of_folded.counters().folded, "{name}");
    }
}
