//! Broken captures: one clear error, never a panic.

use std::{
    io::{Cursor, Write},
    panic::AssertUnwindSafe,
};

use flate2::{Compression, write::GzEncoder};
use sysflow_replay::{Capture, Error, event, schema::code};

use crate::support::bundled;

/// Reads a capture from memory to its end or first error.
fn read(bytes: &[u8]) -> (u64, Option<Error>) {
    let mut capture = match Capture::from_reader("test.scap", Cursor::new(bytes.to_vec())) {
        Ok(capture) => capture,
        Err(e) => return (0, Some(e)),
    };
    let mut events = 0;
    let error = loop {
        match capture.next_event() {
            Ok(Some(event)) => {
                // Every byte of every parameter can be reached.
                assert!(event.params().map(<[u8]>::len).sum::<usize>() <= event.bytes().len());
                events += 1;
            }
            Ok(None) => break None,
            Err(e) => break Some(e),
        }
    };
    assert!(matches!(capture.next_event(), Ok(None)), "after the end, or an error, there is nothing");
    (events, error)
}

/// A block with correct lengths.
fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let padded = body.len().next_multiple_of(4);
    let total = (padded + 12) as u32;
    let mut out = [kind.to_le_bytes(), total.to_le_bytes()].concat();
    out.extend(body);
    out.resize(8 + padded, 0);
    out.extend(total.to_le_bytes());
    out
}

fn section() -> Vec<u8> {
    let mut body = 0x1A2B_3C4D_u32.to_le_bytes().to_vec();
    body.extend([1, 0, 2, 0]);
    body.extend([0xff; 8]);
    block(0x0A0D_0D0A, &body)
}

fn close_event() -> Vec<u8> {
    event::build(5, 6, code::SYSCALL_CLOSE_X, &[&[0; 8], &[3, 0, 0, 0, 0, 0, 0, 0]]).expect("encodes")
}

fn event_block(event: &[u8]) -> Vec<u8> {
    block(0x216, &[&[0, 0], event].concat())
}

/// The uncompressed bytes of a bundled capture.
fn plain() -> Vec<u8> {
    let file = std::fs::File::open(bundled("shop-normal.scap")).expect("the capture");
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::MultiGzDecoder::new(file), &mut bytes).expect("gzip");
    bytes
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::fast());
    out.write_all(bytes).expect("memory");
    out.finish().expect("memory")
}

#[test]
fn compressed_or_not_in_one_part_or_many() {
    let bytes = plain();
    assert_eq!(read(&bytes).0, 7_894);
    assert_eq!(read(&gzip(&bytes)).0, 7_894);
    let capture = Capture::from_bytes("memory.scap", bytes.clone()).expect("opens");
    assert_eq!((capture.file_len(), capture.path()), (Some(bytes.len() as u64), "memory.scap"));
    let (a, b) = bytes.split_at(bytes.len() / 3);
    let (events, error) = read(&[gzip(a), gzip(b)].concat());
    assert_eq!((events, error.is_none()), (7_894, true));
}

#[test]
fn what_is_not_a_capture_is_told_apart() {
    let mut big_endian = section();
    big_endian[8..12].reverse();
    let mut future = section();
    future[12] = 2;
    for (bytes, part) in [
        (Vec::new(), "it is empty"),
        (b"hello world, this is text".to_vec(), "instead of a section header"),
        (b"Obj\x01".to_vec(), "its 8 bytes are not complete"),
        (gzip(b"hello world, this is text"), "instead of a section header"),
        (big_endian, "recorded on a big-endian machine"),
        (future, "format version 2 is newer than 1"),
    ] {
        let (events, error) = read(&bytes);
        let error = error.expect("an error").to_string();
        assert_eq!(events, 0);
        assert!(error.contains("test.scap is not a .scap capture: ") && error.contains(part), "{error}");
    }
    let missing = Capture::open("/nowhere/x.scap".as_ref()).expect_err("no file").to_string();
    assert!(missing.starts_with("cannot open capture /nowhere/x.scap: "), "{missing}");
    assert!(Capture::open("/".as_ref()).is_err());
    // A capture of a source plugin has no processes, and one may have no events.
    assert_eq!(read(&section()).0, 0);
    assert!(read(&section()).1.is_none());
}

/// At every length: the events that are whole come out, then an error, except at the ends of blocks.
#[test]
fn every_cut_gives_whole_events_and_one_error() {
    let mut bytes = section();
    let start = bytes.len();
    let one = event_block(&close_event());
    for _ in 0..3 {
        bytes.extend(&one);
    }
    for cut in 1..=bytes.len() {
        let (events, error) = read(&bytes[..cut]);
        if cut < start {
            assert!(error.is_some(), "cut at {cut}");
            continue;
        }
        let whole = (cut - start) / one.len();
        assert_eq!(events, whole as u64, "cut at {cut}");
        let at_end = (cut - start).is_multiple_of(one.len());
        assert_eq!(error.is_none(), at_end, "cut at {cut}: {error:?}");
        if let Some(error) = error {
            assert!(matches!(error, Error::Truncated { offset, .. } if offset == cut as u64), "{error:?}");
        }
    }
}

#[test]
fn a_real_capture_can_be_cut_anywhere() {
    let bytes = plain();
    let compressed = std::fs::read(bundled("shop-normal.scap")).expect("the capture");
    let (mut last, mut last_of_gzip) = (0, 0);
    for step in 0..120 {
        let cut = bytes.len() * step / 120;
        let (events, _) = read(&bytes[..cut]);
        assert!(events >= last, "a longer part has no fewer events");
        last = events;
        let (events, error) = read(&compressed[..compressed.len() * step / 120]);
        assert!(error.is_some(), "a cut gzip file is always noticed");
        assert!(events >= last_of_gzip, "what was there before the cut is kept");
        last_of_gzip = events;
    }
    assert!(last > 7_000 && last_of_gzip > 7_000, "{last}, {last_of_gzip}");
}

#[test]
fn lies_are_found_and_placed() {
    let event = close_event();
    let change = |at: usize, to: &[u8]| {
        let mut changed = event.clone();
        changed[at..at + to.len()].copy_from_slice(to);
        [section(), event_block(&changed)].concat()
    };
    let mut trailer = [section(), event_block(&event)].concat();
    let end = trailer.len();
    trailer[end - 4] ^= 1;
    let mut short = [section(), event_block(&event)].concat();
    short[28 + 4..28 + 8].copy_from_slice(&11u32.to_le_bytes());
    let huge = block(0x216, &vec![0; 70_000]);
    for (bytes, part) in [
        (
            change(16, &[200]),
            "SYSCALL_CLOSE_X: event length 200 is not between 26 and the 46 bytes available",
        ),
        (change(16, &[20]), "SYSCALL_CLOSE_X: event length 20 is not"),
        (change(22, &[0xff, 0xff]), "65535 parameters do not fit"),
        (change(26, &[9]), "parameter 1 of 8 bytes reaches beyond the event's 46 bytes"),
        (trailer, "total length is 60 in its header but 61 in its trailer"),
        (short, "total length 11 is less than its own header and trailer"),
        ([section(), block(0x216, &[0; 20])].concat(), "its 20 bytes cannot hold an event header"),
        ([section(), huge].concat(), "is larger than the 65524 allowed here"),
        ([section(), event_block(&event), block(0x201, &[0; 180])].concat(), "may not follow events"),
        ([section(), block(0x215, &[0xff; 64])].concat(), "process entry"),
        ([section(), block(0x218, &[0; 20])].concat(), "file descriptor entry has the impossible length 0"),
        ([section(), block(0x206, &[7; 20])].concat(), "a user entry has type 7"),
        ([section(), block(0x201, &[0; 100])].concat(), "host name needs 128 bytes"),
    ] {
        let (_, error) = read(&bytes);
        let error = error.expect(part);
        assert!(matches!(error, Error::Corrupt { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains(part) && text.contains("test.scap is corrupt at byte "), "{part}: {text}");
        // At the same byte of the content when it is compressed.
        assert_eq!(read(&gzip(&bytes)).1.map(|error| error.to_string()), Some(text));
    }
}

/// Types of a newer schema are passed over, blocks of a newer library before the first event too.
#[test]
fn what_is_newer_is_skipped() {
    let newer = event::build(1, 1, 9_999, &[b"x"]).expect("encodes");
    let bytes = [
        section(),
        block(0x7777, b"from the future"),
        event_block(&newer),
        event_block(&close_event()),
        event_block(&newer),
    ]
    .concat();
    let mut capture = Capture::from_reader("new.scap", Cursor::new(bytes)).expect("opens");
    assert_eq!(capture.next_event().expect("reads").expect("an event").code(), code::SYSCALL_CLOSE_X);
    assert!(capture.next_event().expect("reads").is_none());
    assert_eq!((capture.counts().read, capture.counts().unknown), (3, 2));
}

/// The first generation of captures has no number of parameters in its events.
#[test]
fn first_generation_events_are_completed() {
    let current = close_event();
    let mut old = current[..22].to_vec();
    old[16..20].copy_from_slice(&(current.len() as u32 - 4).to_le_bytes());
    old.extend(&current[26..]);
    let plain = block(0x204, &[&[2, 0], old.as_slice()].concat());
    let flagged = block(0x208, &[&[3, 0, 1, 0, 0, 0], old.as_slice()].concat());
    let bytes = [section(), plain, flagged].concat();
    let mut capture = Capture::from_reader("old.scap", Cursor::new(bytes)).expect("opens");
    let first = capture.next_raw().expect("reads").expect("an event");
    assert_eq!((first.event.bytes(), first.cpu, first.state_only), (current.as_slice(), 2, false));
    let second = capture.next_raw().expect("reads").expect("an event");
    assert_eq!((second.event.bytes(), second.cpu, second.state_only), (current.as_slice(), 3, true));
}

#[test]
fn large_events_use_wide_lengths() {
    let data = vec![b'x'; 200_000];
    let large = event::build(1, -1, code::ASYNCEVENT_E, &[&[0; 4], b"container\0", &data]).expect("encodes");
    let body = [&[0, 0], large.as_slice()].concat();
    let bytes = [section(), block(0x221, &body), event_block(&close_event())].concat();
    let mut capture = Capture::from_reader("large.scap", Cursor::new(bytes)).expect("opens");
    let event = capture.next_event().expect("reads").expect("an event");
    assert_eq!((event.param(1), event.param(2)), (Some(&b"container\0"[..]), Some(data.as_slice())));
    assert_eq!(capture.next_event().expect("reads").expect("an event").code(), code::SYSCALL_CLOSE_X);
    let too_long = event::build(1, 1, code::SYSCALL_READ_X, &[&[0; 8], &data]);
    assert!(matches!(too_long, Err(Error::ParameterTooLong { index: 1, len: 200_000, .. })));
}

/// Random changes of a real capture: errors are fine, panics are not.
#[test]
fn flipped_bytes_never_panic() {
    let mut bytes = plain();
    // State and some events: enough for every kind of block, and short enough for many rounds.
    bytes.truncate(150_000);
    let mut random = Random(0x5EED);
    let mut failures = 0;
    for round in 0..400 {
        let mut changed = bytes.clone();
        for _ in 0..=random.next() % 8 {
            // Every second round hits the state, which has the more intricate layout.
            let range = if round % 2 == 0 { 40_000 } else { changed.len() };
            let at = random.next() as usize % range;
            changed[at] = random.next() as u8;
        }
        let result = std::panic::catch_unwind(AssertUnwindSafe(|| read(&changed)));
        let (_, error) = result.unwrap_or_else(|_| panic!("round {round} panics"));
        failures += u32::from(error.is_some());
    }
    // The cut at the end is an error in itself unless something before it was.
    assert!(failures > 300, "{failures}");
}

/// The same under gzip: its own checks find most changes, and what they let through is read as any other file.
#[test]
fn flipped_compressed_bytes_never_panic() {
    let bytes = std::fs::read(bundled("shop-normal.scap")).expect("the capture");
    let mut random = Random(0xFACE);
    for round in 0..60 {
        let mut changed = bytes.clone();
        let at = random.next() as usize % changed.len();
        changed[at] ^= 1 << (random.next() % 8);
        let result = std::panic::catch_unwind(AssertUnwindSafe(|| read(&changed)));
        let (events, _) = result.unwrap_or_else(|_| panic!("round {round} panics"));
        assert!(events <= 7_894, "round {round}: {events} events");
    }
}

/// xorshift64: the same changes on every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}
