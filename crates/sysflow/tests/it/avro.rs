//! The codec means the same as the crate `apache-avro`, and bears any bytes.

use std::sync::LazyLock;

use apache_avro::Schema as Avro;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::writer::datum::GenericDatumWriter;
use proptest::prelude::*;
use sysflow::avro::{decode, encode};
use sysflow::{Error, Schema};

use crate::arbitrary::{record, schema, seen_through};
use crate::oracle;

static V5: LazyLock<Avro> = LazyLock::new(|| Avro::parse_str(&Schema::V5.json()).unwrap());
static EXTENDED: LazyLock<Avro> = LazyLock::new(|| Avro::parse_str(&Schema::Extended.json()).unwrap());

fn avro(schema: Schema) -> &'static Avro {
    match schema {
        Schema::V5 => &V5,
        Schema::Extended => &EXTENDED,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn what_we_write_apache_avro_reads(record in record(), schema in schema()) {
        let mut bytes = Vec::new();
        encode(schema, &record, &mut bytes);
        let mut rest = bytes.as_slice();
        let reader = GenericDatumReader::builder(avro(schema)).build().unwrap();
        let value = reader.read_value(&mut rest).unwrap();
        prop_assert_eq!(value, oracle::value(schema, &record));
        prop_assert!(rest.is_empty());
    }

    #[test]
    fn what_apache_avro_writes_we_read(record in record(), schema in schema()) {
        let writer = GenericDatumWriter::builder(avro(schema)).build().unwrap();
        let bytes = writer.write_value_to_vec(oracle::value(schema, &record)).unwrap();
        let (decoded, length) = decode(schema, &bytes).unwrap();
        prop_assert_eq!(decoded, seen_through(schema, &record));
        prop_assert_eq!(length, bytes.len());
    }

    #[test]
    fn a_v5_reader_reads_the_extended_schema(record in record()) {
        let mut bytes = Vec::new();
        encode(Schema::Extended, &record, &mut bytes);
        let reader = GenericDatumReader::builder(&EXTENDED).reader_schema(&V5).build().unwrap();
        let value = reader.read_value(&mut bytes.as_slice()).unwrap();
        prop_assert_eq!(value, oracle::value(Schema::V5, &record));
    }

    #[test]
    fn any_bytes_are_a_record_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200), schema in schema()) {
        if let Ok((_, length)) = decode(schema, &bytes) {
            prop_assert!(length <= bytes.len());
        }
    }

    #[test]
    fn a_cut_datum_is_an_error(record in record(), schema in schema(), cut in any::<prop::sample::Index>()) {
        let mut bytes = Vec::new();
        encode(schema, &record, &mut bytes);
        bytes.truncate(cut.index(bytes.len()));
        let is_error = matches!(decode(schema, &bytes), Err(Error::Datum { .. }));
        prop_assert!(is_error);
    }
}

/// Valid datums with a few bytes changed reach far deeper into the decoder than random bytes do.
#[test]
fn damaged_datums_never_panic() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let (mut good, mut bad) = (0, 0);
    for _ in 0..2000 {
        let tree = (record(), schema(), proptest::collection::vec(any::<(prop::sample::Index, u8)>(), 1..4));
        let (record, schema, changes) = tree.new_tree(&mut runner).unwrap().current();
        let mut bytes = Vec::new();
        encode(schema, &record, &mut bytes);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        match decode(schema, &bytes) {
            Ok((_, length)) => {
                assert!(length <= bytes.len());
                good += 1;
            }
            Err(Error::Datum { at, .. }) => {
                assert!(at <= bytes.len());
                bad += 1;
            }
            Err(e) => panic!("{e}"),
        }
    }
    assert!(good > 100 && bad > 100, "both ways are taken: {good} {bad}");
}

#[test]
fn hostile_lengths_are_errors() {
    // A process event whose list of arguments claims 2^40 of them.
    let mut bytes = vec![8, 0, 0, 0, 0, 0];
    bytes.extend([0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01]);
    assert_eq!(
        decode(Schema::V5, &bytes).unwrap_err().to_string(),
        "broken datum at byte 13: too many items"
    );
    // A header whose exporter is longer than the datum, and one of negative length.
    assert_eq!(
        decode(Schema::V5, &[0, 10, 0x80, 0x02, b'x']).unwrap_err().to_string(),
        "broken datum at byte 4: a length beyond the end"
    );
    assert_eq!(
        decode(Schema::V5, &[0, 10, 1]).unwrap_err().to_string(),
        "broken datum at byte 3: a negative length"
    );
    // A number of eleven bytes, and a branch that there is not.
    let endless = [&[0u8][..], &[0xff; 11]].concat();
    assert!(decode(Schema::V5, &endless).is_err());
    assert_eq!(
        decode(Schema::V5, &[24]).unwrap_err().to_string(),
        "broken datum at byte 1: unknown branch or symbol"
    );
}

#[test]
fn text_that_is_not_utf8_is_repaired() {
    let bytes = [&[0, 10, 4, 0xff, b'a', 0, 0][..]].concat();
    let (record, _) = decode(Schema::V5, &bytes).unwrap();
    let sysflow::Record::Header(header) = record else { panic!("{record:?}") };
    assert_eq!(header.exporter, "\u{fffd}a");
}
