//! The archive's files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sysflow::{Codec, Reader, Record, Schema, avro};
use sysflow_processor::archive::{self, Archive, Datum};
use sysflow_processor::config;
use sysflow_processor::metrics::Metrics;

use crate::plugin::{STREAM, hello};
use crate::records;

fn open(dir: &Path) -> Archive {
    Archive::open(dir, &config::Archive::default(), Arc::new(Metrics::default())).unwrap()
}

fn append(archive: &Archive, first: u64, records: &[Record]) {
    let (mut block, mut datums) = (Vec::new(), Vec::new());
    for record in records {
        let start = block.len();
        avro::encode(Schema::Extended, record, &mut block);
        datums.push(Datum { range: start..block.len(), header: matches!(record, Record::Header(_)) });
    }
    archive.writer(&hello(first)).append(first, &block, &datums).unwrap();
}

fn read(path: &PathBuf) -> Vec<Record> {
    Reader::open(path).unwrap().map(Result::unwrap).collect()
}

/// The story twice, as after a rotation of the plugin.
fn two_parts() -> Vec<Record> {
    [records::story(), records::story()].concat()
}

#[test]
fn each_header_begins_a_file_and_closed_files_are_compressed() {
    let dir = tempfile::tempdir().unwrap();
    let archive = open(dir.path());
    append(&archive, 0, &two_parts());
    append(&archive, 16, &records::story()[..3]);
    archive.close();
    let files = archive.files();
    let codecs: Vec<_> = files.iter().map(|file| Reader::open(file).unwrap().codec()).collect();
    assert_eq!(codecs, [Codec::Deflate, Codec::Deflate, Codec::Null]);
    assert_eq!(files.iter().map(|file| read(file).len()).collect::<Vec<_>>(), [8, 8, 3]);
    assert_eq!(
        files.iter().flat_map(read).collect::<Vec<_>>(),
        [two_parts(), records::story()[..3].to_vec()].concat()
    );
    for (file, first) in files.iter().zip(["0", "8", "16"]) {
        let reader = Reader::open(file).unwrap();
        assert_eq!(reader.metadata("sysflow.first").unwrap(), first.as_bytes(), "kept when compressed");
        assert_eq!(reader.metadata("sysflow.node").unwrap(), records::NODE.as_bytes());
    }
    let leftovers = std::fs::read_dir(dir.path())
        .unwrap()
        .filter(|file| file.as_ref().unwrap().path().extension().is_none_or(|extension| extension != "sf"));
    assert_eq!(leftovers.count(), 0);
}

#[test]
fn a_file_cut_at_any_byte_loses_no_whole_block() {
    let dir = tempfile::tempdir().unwrap();
    let archive = open(dir.path());
    let story = records::story();
    let mut ends = Vec::new();
    for (n, record) in (0..).zip(&story) {
        append(&archive, n, std::slice::from_ref(record));
        ends.push(std::fs::metadata(&archive.files()[0]).unwrap().len() as usize);
    }
    let file = archive.files().remove(0);
    archive.close();
    let whole = std::fs::read(&file).unwrap();
    for cut in 0..=whole.len() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(file.file_name().unwrap()), &whole[..cut]).unwrap();
        let archive = open(dir.path());
        let kept = ends.iter().filter(|&&end| end <= cut).count();
        assert_eq!(archive.stored(&STREAM).unwrap(), kept as u64, "cut at {cut}");
        append(&archive, kept as u64, &story[kept..]);
        assert_eq!(archive.files().iter().flat_map(read).collect::<Vec<_>>(), story, "cut at {cut}");
    }
}

#[test]
fn records_come_back_with_their_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let archive = open(dir.path());
    append(&archive, 0, &two_parts());
    archive.close();
    let mut seen = Vec::new();
    for file in archive.files() {
        archive::records(&file, |batch| {
            assert_eq!(batch.stream.node, records::NODE);
            seen.extend((batch.first..).zip(batch.records.clone()));
        })
        .unwrap();
    }
    assert_eq!(seen, (0..).zip(two_parts()).collect::<Vec<_>>());
}

#[test]
fn old_files_go_when_there_is_no_room_and_the_last_one_stays() {
    let dir = tempfile::tempdir().unwrap();
    let metrics = Arc::new(Metrics::default());
    let config = config::Archive { max_mib: 0, ..config::Archive::default() };
    let archive = Archive::open(dir.path(), &config, Arc::clone(&metrics)).unwrap();
    append(&archive, 0, &[two_parts(), records::story()].concat());
    archive.close();
    assert_eq!(metrics.archive_removed.get(), 2);
    assert_eq!(archive.files().len(), 1);
    assert_eq!(archive.stored(&STREAM).unwrap(), 24, "numbers go on");
}

#[test]
fn a_damaged_file_is_set_aside_and_told_of() {
    let dir = tempfile::tempdir().unwrap();
    let bad = dir.path().join("0000000001-00000000-0.sf");
    std::fs::write(&bad, "this is no trace").unwrap();
    let archive = open(dir.path());
    assert_eq!(archive.files().len(), 0);
    assert!(bad.with_extension("sf.damaged").exists() && !bad.exists());
}

#[test]
fn streams_that_ended_long_ago_leave_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    append(&open(dir.path()), 0, &records::story());
    let config = config::Archive { max_mib: 0, ..config::Archive::default() };
    let bounded = || Archive::open(dir.path(), &config, Arc::new(Metrics::default())).unwrap();
    let other = sysflow::stream::Hello { stream: [2; 16], ..hello(0) };
    let block = crate::plugin::block(&[records::header()]);
    let datums = [Datum { range: 0..block.len(), header: true }];
    let go_on = |archive: &Archive| {
        // A second file of the other stream closes its first one, which makes the archive look at its bounds.
        let first = archive.stored(&other.stream).unwrap();
        archive.writer(&other).append(first, &block, &datums).unwrap();
        archive.writer(&other).append(first + 1, &block, &datums).unwrap();
        archive.close();
    };
    let archive = bounded();
    go_on(&archive);
    assert_eq!(archive.stored(&STREAM).unwrap(), 8, "a stream of today may go on");
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(48 * 3600);
    let first = archive.files().remove(0);
    std::fs::File::options().write(true).open(&first).unwrap().set_modified(old).unwrap();
    drop(archive);
    let archive = bounded();
    go_on(&archive);
    assert!(!first.exists());
    assert_eq!((archive.files().len(), archive.stored(&STREAM).unwrap()), (1, 0));
}

#[test]
fn the_largest_bounds_are_no_bounds() {
    let dir = tempfile::tempdir().unwrap();
    for (max_mib, max_hours) in [(1 << 44, 0), (u64::MAX, u64::MAX)] {
        let config = config::Archive { max_mib, max_hours, ..config::Archive::default() };
        let archive = Archive::open(dir.path(), &config, Arc::new(Metrics::default())).unwrap();
        let first = archive.stored(&STREAM).unwrap();
        append(&archive, first, &two_parts());
        archive.close();
        assert_eq!(archive.files().len() as u64, first / 8 + 2);
    }
}

#[test]
fn what_a_kill_leaves_of_a_compression_goes() {
    let dir = tempfile::tempdir().unwrap();
    append(&open(dir.path()), 0, &records::story());
    let half = dir.path().join("0000000000-73747265-0.sf.part");
    std::fs::write(&half, "half a file").unwrap();
    assert_eq!(open(dir.path()).stored(&STREAM).unwrap(), 8);
    assert!(!half.exists());
}

#[test]
fn a_synced_archive_holds_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let config = config::Archive { sync: true, ..config::Archive::default() };
    let archive = Archive::open(dir.path(), &config, Arc::new(Metrics::default())).unwrap();
    append(&archive, 0, &two_parts());
    archive.close();
    assert_eq!(archive.files().iter().flat_map(read).collect::<Vec<_>>(), two_parts());
}
