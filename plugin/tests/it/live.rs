//! A capture of the machine that the plugin runs on: it knows itself by its own process in Falco's table.

use sysflow::{Record, record::op};
use sysflow_replay::{Capture, RawEvent, event, host::Plugin};

use crate::support::{Processor, bundled, library};

const WRITE_X: u16 = 9;
const OPEN_X: u16 = 3;
const PROCEXIT_1_E: u16 = 186;

#[test]
fn a_live_capture_is_about_this_machine_but_not_about_us() {
    let me = i64::from(std::process::id());
    let exe = std::fs::read_link("/proc/self/exe").unwrap();
    let temp = tempfile::tempdir().unwrap();
    let socket = temp.path().join("sf.sock");
    let processor = Processor::start(&socket, &[]);

    let plugin = Plugin::load(&library()).unwrap();
    let mut capture = Capture::open(&bundled("shop-normal.scap")).unwrap();
    let mut process = capture.processes[0].clone();
    process.tid = me;
    process.pid = me;
    process.ptid = 0;
    process.uid = 0;
    process.exe_path = exe.to_str().unwrap().into();
    let other = sysflow_replay::scap::ProcessInfo {
        tid: 1_999_999,
        pid: 1_999_999,
        exe_path: b"/bin/x".into(),
        ..process.clone()
    };
    capture.processes.extend([process, other]);
    let mut instance = plugin.init(&format!(r#"{{"socket":{socket:?}}}"#), &capture).unwrap();
    instance.capture_open().unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64;
    let mut feed = |ts: u64, tid: i64, code: u16, params: &[&[u8]]| {
        let bytes = event::build(ts, tid, code, params).unwrap();
        assert!(instance.parse(RawEvent::parse(&bytes).unwrap()).unwrap());
    };
    let n = |value: i64| value.to_le_bytes();
    let flags = 1_u32.to_le_bytes();
    for tid in [me, 1_999_999] {
        feed(now, tid, OPEN_X, &[&n(70), b"/tmp/x\0", &flags]);
        feed(now + 1, tid, WRITE_X, &[&n(10), b"", &n(70), &flags]);
        feed(now + 2, tid, PROCEXIT_1_E, &[&n(0)]);
    }
    instance.capture_close().unwrap();

    let received = processor.finish();
    let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    assert_eq!(received.hellos[0].boot_id, boot_id.trim());
    assert_ne!(received.hellos[0].node, "replay");
    let flows: Vec<i64> = received
        .records
        .iter()
        .filter_map(|r| if let Record::FileFlow(f) = r { Some(f.proc_oid.hpid) } else { None })
        .collect();
    assert_eq!(flows, [1_999_999], "what we do ourselves is no flow");
    let exit = received.records.iter().find_map(|r| match r {
        Record::ProcessEvent(e) if e.op_flags == op::EXIT && e.proc_oid.hpid == me => Some(e.proc_oid),
        _ => None,
    });
    let started = exit.expect("our exit is told").create_ts;
    assert!(started > 0 && started <= now as i64 + 1_000_000_000, "started at {started}");
    // The machine's own users name the processes.
    let root = received.records.iter().find_map(|r| match r {
        Record::Process(p) if p.oid.hpid == me => Some(p.user_name.as_str()),
        _ => None,
    });
    assert_eq!(root, Some("root"));
}
