//! Bytes as a .sf file, and as a single datum of either schema.

use sysflow::{Entities, Error, Reader, Schema, attr, avro};

/// Fuzz target.
pub(crate) fn run(data: &[u8]) {
    for schema in Schema::ALL {
        if let Ok((record, length)) = avro::decode(schema, data) {
            assert!(length <= data.len());
            let mut written = Vec::new();
            avro::encode(schema, &record, &mut written);
            assert_eq!(avro::decode(schema, &written).expect("just written"), (record, written.len()));
        }
    }
    let Ok(mut reader) = Reader::new(data, "fuzz.sf") else { return };
    let mut entities = Entities::with_bound(64);
    for record in reader.by_ref() {
        match record {
            Ok(record) => {
                entities.apply(&record);
                let joined = entities.join(&record);
                let said = attr::ATTRS.iter().filter(|attr| !attr.value(&joined).is_absent());
                assert!(said.count() > 0);
            }
            Err(Error::Damaged { file, .. }) => assert_eq!(file, "fuzz.sf"),
            Err(error) => panic!("{error}"),
        }
    }
    assert!(reader.next().is_none(), "after the end, or an error, there is nothing");
}
