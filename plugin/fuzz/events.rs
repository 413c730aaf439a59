//! Events as a driver might give them, through the decoder into the recorder.
//!
//! An input is a sequence of `u16 type, u8 thread, u8 number of parameters, u16 length` and that many bytes: the
//! lengths of the parameters, then the parameters. Numbers are little endian.

use sysflow::{Record, Schema, avro};
use sysflow_flow::{Config, Initial, NoHost, Recorder, Sink, Urgency};

use crate::events::{Raw, decode};

/// Threads that events are of: four processes, and some that nobody knows.
pub(crate) const TIDS: [i64; 8] = [1, 2, 100, 101, 102, 0, -1, i64::MAX];

/// Every record can be written and read again.
struct Check(Vec<u8>);

impl Sink for Check {
    fn record(&mut self, record: &Record, _: Urgency) {
        self.0.clear();
        avro::encode(Schema::Extended, record, &mut self.0);
        let (read, len) = avro::decode(Schema::Extended, &self.0).expect("a record that was just written");
        assert!(read == *record && len == self.0.len(), "{record:?} is read as {read:?}");
    }
}

/// Fuzz target.
pub(crate) fn run(mut data: &[u8]) {
    let mut recorder = Recorder::new(Config { first: 1, rotate: 60, ..Config::default() });
    let mut sink = Check(Vec::new());
    let process = |pid| Initial {
        tid: pid,
        pid,
        ptid: pid / 100,
        exe_path: b"/bin/sh".to_vec(),
        cwd: b"/tmp/".to_vec(),
        ..Initial::default()
    };
    recorder.start(TIDS[..4].iter().map(|pid| process(*pid)), &mut sink);
    let mut ts = 1_700_000_000_000_000_000_u64;
    while let Some(([code_low, code_high, thread, count, len_low, len_high], rest)) = data.split_first_chunk()
    {
        let code = u16::from_le_bytes([*code_low, *code_high]);
        let len = usize::from(u16::from_le_bytes([*len_low, *len_high])).min(rest.len());
        let (payload, rest) = rest.split_at(len);
        data = rest;
        ts += 1_000_000 * u64::from(thread >> 3);
        let tid = TIDS[usize::from(thread & 7)];
        match Raw::new(ts, tid, code, u32::from(*count), payload).and_then(|raw| decode(&raw)) {
            Ok(event) => recorder.apply(&event, &mut NoHost, &mut sink),
            Err(_) => recorder.malformed(),
        }
        assert!(recorder.counters().balanced(), "{:?}", recorder.counters());
    }
    recorder.finish(&mut sink);
}
