//! Events that contradict themselves, of every type that there is, given to the plugin as Falco gives them.

use sysflow::{Record, record::op};
use sysflow_replay::{
    Capture, RawEvent, event,
    host::{Instance, Plugin, Request},
    schema::{self, EVENT_MAX, ParamType},
};

use crate::support::{bundled, library, records_of};

/// A process of the capture.
const TID: i64 = 10098;
/// Offsets in an event's header.
const LEN: usize = 16;
const NPARAMS: usize = 22;
const LENGTHS: usize = 26;

/// Fields of each way in which a field finds what it is about.
const FIELDS: [&str; 5] = ["sf.graphid", "sf.file.path", "sf.file.newpath", "sf.net.sip", "sf.proc.aname"];

struct Host {
    instance: Instance,
    requests: Vec<Request>,
    ts: u64,
    given: usize,
}

#[test]
fn nothing_malformed_does_harm_and_headers_tell_of_it() {
    let plugin = Plugin::load(&library()).unwrap();
    let mut capture = Capture::open(&bundled("shop-attack.scap")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("sf");
    let config = serde_json::json!({"node": "here", "dir": out}).to_string();
    let mut instance = plugin.init(&config, &capture).unwrap();
    let requests = FIELDS.iter().map(|field| instance.request(field).unwrap()).collect();
    instance.capture_open().unwrap();
    let ts = capture.next_event().unwrap().unwrap().ts();
    let mut host = Host { instance, requests, ts, given: 0 };

    let mut lies = 0;
    let mut random = Random(0x5EED);
    for code in 0..EVENT_MAX + 3 {
        for params in shapes(code) {
            let params: Vec<&[u8]> = params.iter().map(Vec::as_slice).collect();
            let Ok(event) = event::build(0, TID, code, &params) else { continue };
            host.give(event.clone());
            if event.len() > 8192 {
                continue;
            }
            for lie in lies_about(&event, code, &mut random) {
                let wanted = host.instance.wants(code);
                lies += i64::from(wanted && RawEvent::parse(&lie).is_err());
                host.give(lie);
            }
        }
    }
    println!("{} events, {lies} of them without true lengths", host.given);
    // The plugin is as it was: it records what is right.
    let mkdir = event::build(0, TID, 277, &[&[0; 8], b"/still/here\0", &[0; 4]]).unwrap();
    host.give(mkdir);
    host.instance.capture_close().unwrap();

    let records = records_of(&out);
    let made =
        |record: &&Record| matches!(record, Record::FileEvent(e) if e.op_flags == op::MKDIR && e.ret == 0);
    assert!(records.iter().filter(made).count() > 0);
    assert!(records.iter().any(|r| matches!(r, Record::File(file) if file.path == "/still/here")));
    let losses =
        || records.iter().filter_map(|r| if let Record::Header(h) = r { Some(&h.lost) } else { None });
    let told: i64 = losses().map(|lost| malformed(&lost.cause)).sum();
    assert!(told >= lies && lies > 5_000, "{told} of {lies}");
    assert!(losses().all(|lost| lost.events >= malformed(&lost.cause)));
}

/// The number before "malformed events".
fn malformed(cause: &str) -> i64 {
    let part = cause.split("; ").find_map(|part| part.strip_suffix(" malformed events"));
    part.map_or(0, |number| number.parse().unwrap())
}

// === events ===

/// Parameters of an event: right ones, then ones of wrong sizes and numbers.
fn shapes(code: u16) -> Vec<Vec<Vec<u8>>> {
    let types = schema::info(code).map_or(&[][..], |info| info.params);
    let right: Vec<Vec<u8>> = types.iter().map(|param| right_value(*param)).collect();
    let mut shapes = vec![
        Vec::new(),
        vec![Vec::new(); types.len()],
        [right.clone(), vec![b"beyond".to_vec(); 40]].concat(),
        vec![vec![0xff; 1]; types.len()],
        vec![vec![0xff; 9]; types.len()],
        vec![vec![b'/'; 1200]; types.len()],
    ];
    for (at, param) in types.iter().enumerate() {
        let mut change = |value: Vec<u8>| {
            let mut shape = right.clone();
            shape[at] = value;
            shapes.push(shape);
        };
        change(Vec::new());
        change(vec![0x7f; 3]);
        change(vec![0xff; 65_535]);
        if matches!(param, ParamType::SockAddr | ParamType::SockTuple) {
            // Every family, cut anywhere.
            for family in 0..=12 {
                change([vec![family], vec![7; usize::from(family) * 3]].concat());
            }
        }
        shapes.push(right[..at].to_vec());
    }
    shapes.push(right);
    shapes
}

fn right_value(param: ParamType) -> Vec<u8> {
    match param {
        ParamType::SockAddr => vec![2, 10, 0, 0, 1, 80, 0],
        ParamType::SockTuple => vec![2, 10, 0, 0, 1, 80, 0, 10, 0, 0, 2, 81, 0],
        other => other.fixed_size().map_or_else(|| b"/a/text\0".to_vec(), |size| vec![0; size]),
    }
}

/// The event with a header or lengths that are not true.
fn lies_about(event: &[u8], code: u16, random: &mut Random) -> Vec<Vec<u8>> {
    let width = schema::length_width(code);
    let change = |at: usize, to: &[u8]| {
        let mut lie = event.to_vec();
        if let Some(place) = lie.get_mut(at..at + to.len()) {
            place.copy_from_slice(to);
        }
        lie
    };
    let mut lies = vec![
        change(LEN, &0_u32.to_le_bytes()),
        change(LEN, &25_u32.to_le_bytes()),
        change(LEN, &26_u32.to_le_bytes()),
        change(LEN, &(event.len() as u32 - 1).to_le_bytes()),
        change(NPARAMS, &u32::MAX.to_le_bytes()),
        change(NPARAMS, &0x8000_0001_u32.to_le_bytes()),
        change(LENGTHS, &[0xff; 4][..width]),
        change(LENGTHS + width, &[0xff; 4][..width]),
    ];
    let mut noise = event.to_vec();
    for byte in &mut noise[NPARAMS..] {
        if random.next().is_multiple_of(4) {
            *byte = random.next() as u8;
        }
    }
    lies.push(noise);
    lies
}

impl Host {
    /// As Falco does: parse what is wanted, then ask fields of any event.
    fn give(&mut self, mut event: Vec<u8>) {
        self.ts += 1_000;
        self.given += 1;
        event[..8].copy_from_slice(&self.ts.to_le_bytes());
        // SAFETY: that the plugin checks everything itself is what this test is about.
        let parsed = unsafe { self.instance.parse_unchecked(&event) };
        assert!(parsed.is_ok(), "{parsed:?}: {event:?}");
        for request in &self.requests {
            // An event that is no event has no fields; that is an error of its own in Falco.
            // SAFETY: as above.
            let _ = unsafe { self.instance.extract_unchecked(&event, request) };
        }
    }
}

/// xorshift64: the same on every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}
