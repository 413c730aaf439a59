//! Files come whole, once, and go when they should.

use std::time::{Duration, SystemTime};

use sysflow::{Entities, Record};
use sysflow_store::{Asked, Compaction, Retention, RowsBuilder};

use crate::data::{Place, STREAM, append, trace, wait};

const AT_ONCE: Compaction = Compaction { files: 2, bytes: 32 << 20, grace: Duration::ZERO };

/// The records in `count` files.
async fn in_files(place: &Place, records: &[Record], count: usize) {
    let mut entities = Entities::default();
    let size = records.len().div_ceil(count);
    for (nth, part) in records.chunks(size).enumerate() {
        let mut builder = RowsBuilder::new(STREAM, "n");
        append(&mut builder, part, (nth * size) as u64, &mut entities);
        if !builder.is_empty() {
            place.data.write(&builder.rows().expect("rows")).await.expect("written");
        }
    }
}

async fn count(place: &Place) -> usize {
    let answer = place.history().ask(&Asked::sql("SELECT count(*) FROM records")).await.expect("an answer");
    answer.values().1[0][0].as_u64().expect("a number") as usize
}

fn rows(records: &[Record]) -> usize {
    records.iter().filter(|record| record.proc_oid().is_some()).count()
}

#[test]
fn rows_that_are_written_twice_are_there_once() {
    let Some(records) = trace("pairs/files_files.sf") else { return };
    wait(async {
        let place = Place::new();
        in_files(&place, &records, 3).await;
        let files = place.data.segments().await.expect("listed").len();
        in_files(&place, &records, 3).await;
        assert_eq!(place.data.segments().await.expect("listed").len(), files);
        assert_eq!(count(&place).await, rows(&records));
        let stored = place.data.stored().await.expect("known");
        assert_eq!(stored.len(), 1);
        assert_eq!(stored[0].0, STREAM);
        let last = records.iter().rposition(|r| r.proc_oid().is_some()).expect("rows") as u64;
        assert_eq!(stored[0].1, last + 1);
    });
}

#[test]
fn compaction_changes_nothing_but_the_number_of_files() {
    let Some(records) = trace("pairs/files_files.sf") else { return };
    wait(async {
        let place = Place::new();
        in_files(&place, &records, 9).await;
        let before = place.data.segments().await.expect("listed").len();
        assert!(before > 3, "{before} files");
        let stored = place.data.stored().await.expect("known");
        let now = SystemTime::now();
        place.data.compact(&AT_ONCE, now).await.expect("compacted");
        // The old files are still there, as after a kill; they count no more.
        assert_eq!(count(&place).await, rows(&records));
        assert_eq!(place.data.segments().await.expect("listed").len(), 1);
        assert_eq!(place.data.stored().await.expect("known"), stored);
        let gone = place.data.compact(&AT_ONCE, now + Duration::from_secs(1)).await.expect("compacted");
        assert_eq!(gone, before);
        assert_eq!(count(&place).await, rows(&records));
        // A clock that went back removes nothing, and fails nothing.
        let past = SystemTime::UNIX_EPOCH;
        assert_eq!(place.data.compact(&AT_ONCE, past).await.expect("compacted"), 0);
    });
}

#[test]
fn what_a_kill_left_half_written_is_not_seen_and_goes() {
    let Some(records) = trace("pairs/files_files.sf") else { return };
    wait(async {
        let place = Place::new();
        in_files(&place, &records, 2).await;
        let segment = place.data.segments().await.expect("listed").remove(0);
        let file = place.directory.path().join("parquet").join(segment.key());
        std::fs::write(file.with_extension("part"), b"PAR1 half").expect("written");
        assert_eq!(count(&place).await, rows(&records));
        assert_eq!(place.data.repair().expect("repaired"), 1);
        assert_eq!(place.data.repair().expect("repaired"), 0);
        assert_eq!(count(&place).await, rows(&records));
    });
}

#[test]
fn a_foreign_or_damaged_file_is_an_error_or_no_file_and_never_a_panic() {
    let Some(records) = trace("pairs/files_files.sf") else { return };
    wait(async {
        let place = Place::new();
        in_files(&place, &records, 2).await;
        let parquet = place.directory.path().join("parquet");
        for name in ["x.parquet", "README", "a-b-c-d-e.parquet"] {
            std::fs::write(parquet.join(name), b"nothing").expect("written");
        }
        assert_eq!(count(&place).await, rows(&records), "files of other names are passed over");
        let segment = place.data.segments().await.expect("listed").remove(0);
        let file = parquet.join(segment.key());
        let whole = std::fs::read(&file).expect("read");
        for cut in [0, 3, whole.len() / 2, whole.len() - 1] {
            std::fs::write(&file, &whole[..cut]).expect("written");
            let answer = place.history().ask(&Asked::sql("SELECT count(\"sf.ts\") FROM records")).await;
            assert!(answer.is_err(), "cut at {cut}");
        }
        std::fs::write(&file, &whole).expect("written");
        assert_eq!(count(&place).await, rows(&records));
    });
}

#[test]
fn the_oldest_files_go() {
    let Some(records) = trace("pairs/files_files.sf") else { return };
    wait(async {
        let place = Place::new();
        in_files(&place, &records, 6).await;
        let segments = place.data.segments().await.expect("listed");
        let total: u64 = segments.iter().map(sysflow_store::Segment::size).sum();
        let now = SystemTime::now();
        let keep = Retention { bytes: Some(total), age: Some(Duration::from_secs(3600)) };
        assert_eq!(place.data.retain(&keep, now).await.expect("kept"), 0);
        // Retention counts from arrival: these records are years old.
        let half = Retention { bytes: Some(total / 2), age: None };
        assert!(place.data.retain(&half, now).await.expect("kept") >= 1);
        let left: u64 =
            place.data.segments().await.expect("listed").iter().map(sysflow_store::Segment::size).sum();
        assert!(left <= total / 2);
        let last = place.data.stored().await.expect("known")[0].1;
        assert_eq!(
            last,
            segments.iter().map(|s| s.range().1).max().expect("files") + 1,
            "the newest are kept"
        );
        let all = place.data.retain(&keep, now + Duration::from_secs(7200)).await.expect("kept");
        assert!(all >= 1);
        assert!(place.data.segments().await.expect("listed").is_empty());
    });
}

#[test]
fn a_store_that_is_none_says_what_is_expected() {
    for (target, why) in [("ftp://x/y", "ftp"), ("s3://", "bucket"), ("file://host/x", "path")] {
        let error = sysflow_store::DataSet::open(target).map(|_| ()).expect_err(target).to_string();
        assert!(error.contains(why) && error.contains(target), "{error}");
    }
}
