//! Files: what every version of SysFlow wrote, what we write, and damage.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use proptest::prelude::*;
use sysflow::file::{Options, recover};
use sysflow::record::{Header, Kind, Loss, ProcessEvent};
use sysflow::{Codec, Error, Oid, Reader, Record, Schema, Writer};

use crate::arbitrary::{record, schema, seen_through};
use crate::shared::shared;

fn header() -> Record {
    let (exporter, ip, filename) = ("node".into(), "10.0.0.1".into(), "x.sf".into());
    Record::Header(Header { version: 5, exporter, ip, filename, lost: Loss::default() })
}

fn event(ts: i64) -> Record {
    let proc_oid = Oid { create_ts: 1, hpid: 2 };
    Record::ProcessEvent(ProcessEvent { proc_oid, ts, tid: 2, op_flags: 2, args: vec!["a".into()], ret: 0 })
}

fn read_all(path: &Path) -> (Vec<Record>, Option<Error>) {
    let mut records = Vec::new();
    for record in Reader::open(path).unwrap() {
        match record {
            Ok(record) => records.push(record),
            Err(e) => return (records, Some(e)),
        }
    }
    (records, None)
}

/// Counts of every trace as SysFlow's own tools give them; version of the header first.
#[test]
fn all_reference_traces_read() {
    let expected = [
        ("pairs/client-server_tcp-client-server.sf", 5, "H1 P10 F2 PE4 NF2 FF4"),
        ("pairs/files_files.sf", 5, "H1 P7 F12 PE2 FF6 FE13"),
        ("pairs/mpm-preforked_cold_start_capture.sf", 5, "H1 C1 P10 F4 NF27 FF40"),
        ("pairs/mpm-preforked_full_capture.sf", 5, "H1 C1 P19 F98 PE36 NF25 FF4390 FE27"),
        ("pairs/namespaces_setns.sf", 5, "H1 P54 F85 PE83 NF3 FF322"),
        ("pairs/objectstore_ls.sf", 5, "H1 C1 P5 F11 NF3 FF11"),
        ("pairs/objectstore_upload.sf", 5, "H1 C1 P5 F30 NF3 FF34 FE30"),
        ("pairs/rename_rename.sf", 5, "H1 P4 F27 PE2 FF25 FE1"),
        ("pairs/setuid_setuid.sf", 5, "H1 P6 F2 PE10 FF2"),
        ("traces/k8s_small.sf", 4, "H1 C23 P217 F666 PE341 NF1511 FF3383 FE8 PD19 KE4"),
        ("traces/shellshock.sf", 4, "90 in all"),
        ("traces/tcp.sf", 1000, "23 in all"),
        ("traces/mon.1531776682.sf", 1000, "19885 in all"),
        ("traces/mon.1531776712.sf", 1000, "7396 in all"),
        ("traces/mon.1531776742.sf", 1000, "22339 in all"),
    ];
    let Some(data) = shared("data") else { return };
    for (name, version, counts) in expected {
        let (records, error) = read_all(&data.join(name));
        assert!(error.is_none(), "{name}: {error:?}");
        let Record::Header(header) = &records[0] else { panic!("{name} starts with {:?}", records[0]) };
        assert_eq!(header.version, version, "{name}");
        let got = if counts.ends_with("in all") {
            format!("{} in all", records.len())
        } else {
            let mut by_kind = BTreeMap::new();
            for record in &records {
                *by_kind.entry(record.kind()).or_insert(0) += 1;
            }
            let counts: Vec<_> =
                by_kind.iter().map(|(kind, count)| format!("{}{count}", kind.as_str())).collect();
            counts.join(" ")
        };
        assert_eq!(got, counts, "{name}");
        let identities = records.iter().filter_map(|record| match record {
            Record::File(file) => Some((file.oid, file)),
            _ => None,
        });
        for (oid, file) in identities {
            let container = file.container_id.as_deref().unwrap_or_default();
            assert_eq!(oid, sysflow::Foid::new(container, &file.path), "{name}: {}", file.path);
        }
    }
}

/// Older schemas go through our own resolution; the crate `apache-avro` resolves them to the same datums.
#[test]
fn old_schemas_resolve_as_apache_avro_does() {
    let Some(data) = shared("data") else { return };
    for name in ["traces/k8s_small.sf", "traces/shellshock.sf", "traces/tcp.sf"] {
        let path = data.join(name);
        let values = apache_avro::Reader::new(std::fs::File::open(&path).unwrap()).unwrap();
        let (records, _) = read_all(&path);
        let mut compared = 0;
        for (value, record) in values.zip(&records) {
            let value = without_logical_types(value.unwrap());
            let ours = crate::oracle::value(Schema::V5, record);
            let (old, new) = (fields(&value), fields(&ours));
            for (field, value) in &old {
                assert_eq!(Some(value), new.get(field), "{name}: {field} of {record:?}");
            }
            for (field, value) in new.iter().filter(|(field, _)| !old.contains_key(*field)) {
                let nothing = format!("{value:?}");
                let defaults = [r#"String("")"#, "Array([])", "Boolean(false)", "Union(0, Null)"];
                assert!(defaults.contains(&nothing.as_str()), "{name}: {field} is {nothing}");
            }
            compared += 1;
        }
        assert_eq!(compared, records.len());
    }
}

type Value = apache_avro::types::Value;

fn fields(value: &Value) -> BTreeMap<String, Value> {
    let Value::Record(top) = value else { panic!("{value:?}") };
    let Value::Union(_, rec) = &top[0].1 else { panic!("{value:?}") };
    let Value::Record(fields) = rec.as_ref() else { panic!("{value:?}") };
    fields.iter().cloned().collect()
}

fn without_logical_types(value: Value) -> Value {
    match value {
        Value::TimestampMillis(ns) => Value::Long(ns),
        Value::Record(fields) => Value::Record(
            fields.into_iter().map(|(name, value)| (name, without_logical_types(value))).collect(),
        ),
        Value::Union(branch, value) => Value::Union(branch, Box::new(without_logical_types(*value))),
        other => other,
    }
}

/// Fields that we do not know are stepped over, whatever they are; fields may stand in any order.
#[test]
fn a_foreign_schema_is_matched_by_name() {
    let schema = r#"{"type":"record","namespace":"sysflow","name":"SysFlow","fields":[{"name":"rec","type":[
        {"type":"record","namespace":"sysflow.entity","name":"SFHeader","fields":[
            {"name":"exporter","type":"string"},{"name":"version","type":"int"}]},
        {"type":"record","namespace":"sysflow.entity","name":"File","fields":[
            {"name":"tree","type":{"type":"record","name":"Tree","fields":[
                {"name":"left","type":["null","Tree"]},{"name":"weight","type":"double"}]}},
            {"name":"containerId","type":["string","null"]},
            {"name":"state","type":{"type":"enum","name":"State","symbols":["REUP","CREATED","GONE"]}},
            {"name":"marks","type":{"type":"map","values":{"type":"array","items":"boolean"}}},
            {"name":"path","type":"string"},
            {"name":"oid","type":{"type":"fixed","name":"FOID","size":20}},
            {"name":"restype","type":"int"},
            {"name":"ts","type":{"type":"long","logicalType":"timestamp-millis"}},
            {"name":"sid","type":"long"},{"name":"selabel","type":"string"}]}]}]}"#;
    let avro = apache_avro::Schema::parse_str(schema).unwrap();
    let rec = |branch, fields: Vec<(&str, Value)>| {
        let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Value::Record(vec![("rec".into(), Value::Union(branch, Box::new(Value::Record(fields))))])
    };
    let leaf = Value::Record(vec![
        ("left".into(), Value::Union(0, Box::new(Value::Null))),
        ("weight".into(), Value::Double(1.5)),
    ]);
    let tree = Value::Record(vec![
        ("left".into(), Value::Union(1, Box::new(leaf))),
        ("weight".into(), Value::Double(2.5)),
    ]);
    let file = |state: (u32, &str)| {
        rec(
            1,
            vec![
                ("tree", tree.clone()),
                ("containerId", Value::Union(0, Box::new(Value::String("c0".into())))),
                ("state", Value::Enum(state.0, state.1.into())),
                (
                    "marks",
                    Value::Map(
                        [("m".to_owned(), Value::Array(vec![Value::Boolean(true)]))].into_iter().collect(),
                    ),
                ),
                ("path", Value::String("/etc/passwd".into())),
                ("oid", Value::Fixed(20, vec![7; 20])),
                ("restype", Value::Int(102)),
                ("ts", Value::TimestampMillis(1_531_776_682_000_000_000)),
                ("sid", Value::Long(9)),
                ("selabel", Value::String("system_u".into())),
            ],
        )
    };
    let mut writer = apache_avro::Writer::new(&avro, Vec::new()).unwrap();
    writer
        .append_value(rec(0, vec![("exporter", Value::String("e".into())), ("version", Value::Int(5))]))
        .unwrap();
    writer.append_value(file((0, "REUP"))).unwrap();
    writer.append_value(file((2, "GONE"))).unwrap();
    let bytes = writer.into_inner().unwrap();

    let mut reader = Reader::new(bytes.as_slice(), "foreign.sf").unwrap();
    assert_eq!(reader.schema(), None);
    let header = Header {
        version: 5,
        exporter: "e".into(),
        ip: String::new(),
        filename: String::new(),
        lost: Loss::default(),
    };
    assert_eq!(reader.next().unwrap().unwrap(), Record::Header(header));
    let expected = sysflow::record::File {
        state: sysflow::record::ObjectState::Reup,
        oid: sysflow::Foid([7; 20]),
        ts: 1_531_776_682_000_000_000,
        restype: 102,
        path: "/etc/passwd".into(),
        container_id: Some("c0".into()),
    };
    assert_eq!(reader.next().unwrap().unwrap(), Record::File(expected));
    let error = reader.next().unwrap().unwrap_err().to_string();
    assert!(error.ends_with("a symbol that SysFlow does not have"), "{error}");
    assert!(reader.next().is_none());
}

/// A file of one uncompressed block, made by hand.
fn container(schema: &str, count: usize, block: &[u8]) -> Vec<u8> {
    let mut bytes = b"Obj\x01\x02\x16avro.schema".to_vec();
    bytes.extend(long(schema.len()));
    bytes.extend(schema.as_bytes());
    bytes.push(0);
    bytes.extend([0; 16]);
    bytes.extend(long(count));
    bytes.extend(long(block.len()));
    bytes.extend(block);
    bytes.extend([0; 16]);
    bytes
}

fn long(value: usize) -> Vec<u8> {
    let mut rest = (value as u64) << 1;
    let mut bytes = Vec::new();
    while rest >= 0x80 {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
    bytes
}

/// Items of no bytes, of which a block of a few bytes holds as many as it says.
#[test]
fn items_of_nothing_do_not_keep_us_busy() {
    let schema = r#"{"type":"record","name":"SysFlow","fields":[{"name":"rec","type":[
        {"type":"record","name":"SFHeader","fields":[{"name":"x","type":{"type":"array","items":"null"}}]}]}]}"#;
    let block = [&[0][..], &long(1 << 60), &[0]].concat();
    let bytes = container(schema, 1, &block);
    let error = Reader::new(bytes.as_slice(), "x.sf").unwrap().next().unwrap().unwrap_err().to_string();
    assert!(error.ends_with("broken datum at byte 10: too many items"), "{error}");
}

#[test]
fn schemas_that_are_not_sysflows_are_refused() {
    let cases = [
        ("{", "it is no Avro schema"),
        (r#""string""#, "its top is no record"),
        (r#"{"type":"record","name":"X","fields":[{"name":"y","type":"int"}]}"#, "there is no union `rec`"),
        (
            r#"{"type":"record","name":"SysFlow","fields":[{"name":"rec","type":["null",{"type":"record","name":"Y","fields":[]}]}]}"#,
            "a branch of `rec` is no record",
        ),
        (
            r#"{"type":"record","name":"SysFlow","fields":[{"name":"rec","type":[{"type":"record","name":"Y","fields":[]}]}]}"#,
            "Y is no record of SysFlow",
        ),
        (
            r#"{"type":"record","name":"SysFlow","fields":[{"name":"rec","type":[{"type":"record","name":"SFHeader","fields":[{"name":"version","type":"string"}]}]}]}"#,
            "field SFHeader.version: it has another type than in SysFlow",
        ),
    ];
    for (schema, why) in cases {
        let bytes = container(schema, 0, &[]);
        let error = Reader::new(bytes.as_slice(), "x.sf").unwrap_err().to_string();
        assert!(
            error.starts_with("x.sf is not a readable .sf file:") && error.contains(why),
            "{schema}: {error}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn what_is_written_is_read(
        records in prop::collection::vec(record(), 0..40),
        schema in schema(),
        codec in prop::sample::select(vec![Codec::Null, Codec::Deflate, Codec::Zstd]),
        block_bytes in prop::sample::select(vec![0, 100, 2000, 80_000]),
    ) {
        let options = Options { schema, codec, block_bytes, ..Options::default() };
        let mut writer = Writer::new(Vec::new(), "memory", &options).unwrap();
        for record in &records {
            writer.write(record).unwrap();
        }
        prop_assert_eq!(writer.records(), records.len() as u64);
        let bytes = writer.into_inner().unwrap();
        let reader = Reader::new(bytes.as_slice(), "memory").unwrap();
        prop_assert_eq!((reader.schema(), reader.codec()), (Some(schema), codec));
        let read: Vec<Record> = reader.map(|record| record.unwrap()).collect();
        let expected: Vec<Record> = records.iter().map(|record| seen_through(schema, record)).collect();
        prop_assert_eq!(read, expected);
    }

    /// A space makes it another schema, so that it is resolved and not taken as ours.
    #[test]
    fn resolution_changes_nothing_when_schemas_mean_the_same(
        records in prop::collection::vec(record(), 1..10),
        schema in schema(),
        changes in prop::collection::vec(any::<(prop::sample::Index, u8)>(), 0..3),
    ) {
        let json = format!("{} ", schema.json());
        let mut block = Vec::new();
        for record in &records {
            sysflow::avro::encode(schema, record, &mut block);
        }
        let bytes = container(&json, records.len(), &block);
        let reader = Reader::new(bytes.as_slice(), "memory").unwrap();
        prop_assert_eq!(reader.schema(), None);
        let read: Vec<Record> = reader.map(|record| record.unwrap()).collect();
        let expected: Vec<Record> = records.iter().map(|record| seen_through(schema, record)).collect();
        prop_assert_eq!(read, expected);

        for (at, byte) in changes {
            let at = at.index(block.len());
            block[at] = byte;
        }
        let all = |json: &str| -> Vec<Option<Record>> {
            let bytes = container(json, records.len(), &block);
            Reader::new(bytes.as_slice(), "memory").unwrap().map(Result::ok).collect()
        };
        prop_assert_eq!(all(&json), all(&schema.json()), "damage is seen alike");
    }

    #[test]
    fn any_damage_is_an_error_at_most(
        records in prop::collection::vec(record(), 1..20),
        codec in prop::sample::select(vec![Codec::Null, Codec::Deflate, Codec::Zstd]),
        changes in prop::collection::vec(any::<(prop::sample::Index, u8)>(), 1..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let options = Options { codec, block_bytes: 500, ..Options::default() };
        let mut writer = Writer::new(Vec::new(), "memory", &options).unwrap();
        for record in &records {
            writer.write(record).unwrap();
        }
        let mut bytes = writer.into_inner().unwrap();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(reader) = Reader::new(bytes.as_slice(), "memory") {
            let errors = reader.filter(Result::is_err).count();
            prop_assert!(errors <= 1);
        }
    }
}

#[test]
fn apache_avro_reads_our_files() {
    for codec in [Codec::Null, Codec::Deflate] {
        let options =
            Options { codec, metadata: vec![("sysflow.first".into(), b"7".to_vec())], ..Options::default() };
        let mut writer = Writer::new(Vec::new(), "memory", &options).unwrap();
        let records = [header(), event(1), event(2)];
        for record in &records {
            writer.write(record).unwrap();
        }
        let bytes = writer.into_inner().unwrap();
        let reader = apache_avro::Reader::new(bytes.as_slice()).unwrap();
        assert_eq!(reader.user_metadata()["sysflow.first"], b"7");
        let values: Vec<_> = reader.map(Result::unwrap).collect();
        assert_eq!(values, records.map(|record| crate::oracle::value(Schema::Extended, &record)));
    }
}

#[test]
fn blocks_end_at_80000_bytes() {
    let mut writer = Writer::new(Vec::new(), "memory", &Options::default()).unwrap();
    writer.write(&header()).unwrap();
    for ts in 0..20_000 {
        writer.write(&event(ts)).unwrap();
    }
    let bytes = writer.into_inner().unwrap();
    let mut reader = Reader::new(bytes.as_slice(), "memory").unwrap();
    let (mut sizes, mut count) = (Vec::new(), 0);
    while let Some(block) = reader.next_block().unwrap() {
        sizes.push(block.bytes.len());
        count += block.count;
    }
    let last = sizes.pop().unwrap();
    assert!(
        last < 80_100 && sizes.len() > 1 && sizes.iter().all(|size| (80_001..80_100).contains(size)),
        "{sizes:?}"
    );
    assert_eq!((count, reader.records()), (20_001, 20_001));
}

#[test]
fn a_file_has_its_name_only_when_it_is_complete() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("trace.sf");
    let names = || {
        let entries = std::fs::read_dir(dir.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect::<Vec<_>>()
    };
    let mut writer = Writer::create(&path, &Options::default()).unwrap();
    writer.write(&header()).unwrap();
    let is_sf = |name: &String| Path::new(name).extension().is_some_and(|extension| extension == "sf");
    assert!(names().len() == 1 && !names().iter().any(is_sf), "{:?}", names());
    drop(writer);
    assert!(names().is_empty(), "an abandoned file is removed");

    let mut writer = Writer::create(&path, &Options::default()).unwrap();
    writer.write(&header()).unwrap();
    writer.finish().unwrap();
    assert_eq!(names(), ["trace.sf"]);
    assert_eq!(read_all(&path).0, [header()]);
}

#[test]
fn a_live_file_is_recovered_after_its_writer_died_anywhere() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("live.sf");
    let options = Options { metadata: vec![("sysflow.stream".into(), b"s".to_vec())], ..Options::default() };
    let mut writer = Writer::live(&path, &options).unwrap();
    writer.write(&header()).unwrap();
    writer.flush().unwrap();
    let mut block = Vec::new();
    for ts in 0..3 {
        sysflow::avro::encode(Schema::Extended, &event(ts), &mut block);
    }
    writer.write_block(3, &block).unwrap();
    let whole = std::fs::read(&path).unwrap();
    assert_eq!(writer.bytes(), whole.len() as u64, "a block is in the file as soon as it is written");
    drop(writer);

    let error = Writer::live(&path, &options).unwrap_err().to_string();
    assert!(error.starts_with("cannot create") && error.contains("live.sf"), "{error}");

    let one = {
        std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        recover(&path).unwrap().bytes as usize
    };
    for cut in one..whole.len() {
        std::fs::write(&path, &whole[..cut]).unwrap();
        if cut > one {
            let (records, error) = read_all(&path);
            assert_eq!(records, [header()]);
            let error = error.unwrap().to_string();
            assert!(error.contains(&format!("block at byte {one}, record 1 of the file")), "{error}");
            assert!(error.contains("the file ends inside this block"), "{error}");
        }
        let recovered = recover(&path).unwrap();
        assert_eq!((recovered.records, recovered.cut), (1, (cut - one) as u64));
        assert_eq!(recovered.metadata["sysflow.stream"], b"s");
        assert_eq!(std::fs::metadata(&path).unwrap().len(), one as u64);
    }

    let (mut writer, recovered) = Writer::append(&path).unwrap();
    assert_eq!((recovered.records, writer.records(), writer.schema()), (1, 1, Schema::Extended));
    writer.write_block(3, &block).unwrap();
    writer.write(&event(3)).unwrap();
    writer.sync().unwrap();
    let (records, error) = read_all(&path);
    assert!(error.is_none(), "{error:?}");
    assert_eq!(records, [header(), event(0), event(1), event(2), event(3)]);
}

#[test]
fn zeros_at_the_end_are_cut_too() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("live.sf");
    let mut writer = Writer::live(&path, &Options::default()).unwrap();
    writer.write(&header()).unwrap();
    writer.flush().unwrap();
    drop(writer);
    let whole = std::fs::metadata(&path).unwrap().len();
    std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(&[0; 4096]).unwrap();
    let recovered = recover(&path).unwrap();
    assert_eq!((recovered.records, recovered.bytes, recovered.cut), (1, whole, 4096));
}

#[test]
fn what_is_no_file_of_ours_is_said_so() {
    let dir = tempfile::tempdir().unwrap();
    let error = Reader::open(dir.path().join("absent.sf")).unwrap_err().to_string();
    assert!(error.starts_with("cannot open") && error.contains("absent.sf"), "{error}");
    for bytes in [&b""[..], b"Ob", b"#!/bin/sh\necho"] {
        let error = Reader::new(bytes, "x.sf").unwrap_err().to_string();
        let expected = "x.sf is not a readable .sf file: it does not start with the mark of an Avro object container file";
        assert_eq!(error, expected);
    }
    let error = Reader::new(&b"Obj\x01\x04"[..], "x.sf").unwrap_err().to_string();
    assert_eq!(error, "x.sf is not a readable .sf file: it ends inside its head");
    let snappy = b"Obj\x01\x04\x14avro.codec\x0csnappy\x16avro.schema\x04{}\x000123456789abcdef";
    let error = Reader::new(&snappy[..], "x.sf").unwrap_err().to_string();
    assert!(error.contains("codec 'snappy' is not known; null, deflate and zstandard are"), "{error}");
}

#[test]
fn a_block_that_inflates_without_end_is_refused() {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
    let zeros = vec![0; 1 << 20];
    for _ in 0..70 {
        encoder.write_all(&zeros).unwrap();
    }
    let bomb = encoder.finish().unwrap();
    let options = Options { codec: Codec::Deflate, sync: Some([9; 16]), ..Options::default() };
    let mut bytes = Writer::new(Vec::new(), "memory", &options).unwrap().into_inner().unwrap();
    bytes.push(2);
    bytes.extend(long(bomb.len()));
    bytes.extend(bomb);
    bytes.extend([9; 16]);
    let error = Reader::new(bytes.as_slice(), "bomb.sf").unwrap().next().unwrap().unwrap_err().to_string();
    assert!(error.ends_with("it inflates to more than 67108864 bytes"), "{error}");
}

#[test]
fn kinds_are_in_the_order_of_the_union() {
    for (branch, kind) in Kind::ALL.into_iter().enumerate() {
        assert_eq!(kind as usize, branch);
    }
}
