//! The fuzz target of this crate for a moment.

use std::io::{Read, Write};

use flate2::{Compression, read::MultiGzDecoder, write::GzEncoder};

use crate::support::bundled;

#[path = "../../../../tests/fuzz/mutate.rs"]
mod mutate;
#[path = "../../fuzz/scap.rs"]
mod scap;

#[test]
fn captures_that_are_nearly_right() {
    let mut seeds = Vec::new();
    for name in ["shop-normal.scap", "host-mix.scap"] {
        let file = std::fs::File::open(bundled(name)).unwrap();
        let mut start = Vec::new();
        MultiGzDecoder::new(file).take(24_000).read_to_end(&mut start).unwrap();
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(&start).unwrap();
        seeds.push(gzip.finish().unwrap());
        seeds.push(start);
    }
    // The state takes most of a capture's start: events behind a section of their own.
    let mut all = Vec::new();
    let file = std::fs::File::open(bundled("shop-attack.scap")).unwrap();
    MultiGzDecoder::new(file).read_to_end(&mut all).unwrap();
    let section = u32::from_le_bytes(all[4..8].try_into().unwrap()) as usize;
    let mut events = all[..section].to_vec();
    let mut at = section;
    while let Some(head) = all.get(at..at + 8) {
        let kind = u32::from_le_bytes(head[..4].try_into().unwrap());
        let len = u32::from_le_bytes(head[4..].try_into().unwrap()) as usize;
        if matches!(kind, 0x216 | 0x221) && events.len() < 16_000 {
            events.extend_from_slice(&all[at..at + len]);
        }
        at += len;
    }
    assert!(events.len() > 10_000, "{}", events.len());
    seeds.push(events);
    mutate::run(0x5CA9, 3_000, &seeds, scap::run);
}
