//! The fuzz targets of this crate for a moment: files, datums and what comes over the socket.

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use sysflow::file::Options;
use sysflow::{Codec, Record, Schema, Writer, avro};

use crate::arbitrary::record;
use crate::stream::all;

#[path = "../../fuzz/file.rs"]
mod file;
#[path = "../../../../tests/fuzz/mutate.rs"]
mod mutate;
#[path = "../../fuzz/stream.rs"]
mod stream_target;

/// Records of every kind, the same ones on every run.
fn records() -> Vec<Record> {
    let mut runner = TestRunner::deterministic();
    (0..40).map(|_| record().new_tree(&mut runner).unwrap().current()).collect()
}

#[test]
fn files_and_datums_that_are_nearly_right() {
    let dir = tempfile::tempdir().unwrap();
    let mut seeds = Vec::new();
    for (schema, codec) in [
        (Schema::V5, Codec::Null),
        (Schema::Extended, Codec::Null),
        (Schema::Extended, Codec::Deflate),
        (Schema::Extended, Codec::Zstd),
    ] {
        let path = dir.path().join("seed.sf");
        let options =
            Options { schema, codec, block_bytes: 2_000, sync: Some([7; 16]), ..Options::default() };
        let mut writer = Writer::create(&path, &options).unwrap();
        for record in records() {
            writer.write(&record).unwrap();
        }
        writer.finish().unwrap();
        seeds.push(std::fs::read(&path).unwrap());
        std::fs::remove_file(path).unwrap();
        if codec != Codec::Null {
            continue;
        }
        for record in records() {
            let mut datum = Vec::new();
            avro::encode(schema, &record, &mut datum);
            seeds.push(datum);
        }
    }
    mutate::run(0x5F11E, 30_000, &seeds, file::run);
}

#[test]
fn messages_that_are_nearly_right() {
    let (bytes, _) = all();
    let seeds: Vec<Vec<u8>> = [1, 7, 255].iter().map(|piece| [&[*piece], &bytes[..]].concat()).collect();
    mutate::run(0x57EAE, 60_000, &seeds, stream_target::run);
}
