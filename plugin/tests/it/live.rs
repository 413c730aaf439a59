//! A capture of the machine that the plugin runs on: it knows itself by its own process in Falco's table.

use sysflow::{Record, record::op};
use sysflow_replay::{
    Capture, RawEvent, event,
    host::{Instance, Plugin},
};

use crate::support::{Processor, bundled, library};

/// Pid of somebody else.
const OTHER: i64 = 1_999_999;
const UNLINK_2_X: u16 = 301;
const WRITE_X: u16 = 9;
const OPEN_X: u16 = 3;
const PROCEXIT_1_E: u16 = 186;

/// An instance whose capture is of this machine: we are in the thread table, and one that is somebody else.
fn instance(config: &str) -> Instance {
    let me = i64::from(std::process::id());
    let exe = std::fs::read_link("/proc/self/exe").unwrap();
    let plugin = Plugin::load(&library()).unwrap();
    let mut capture = Capture::open(&bundled("shop-normal.scap")).unwrap();
    let mut process = capture.processes[0].clone();
    process.tid = me;
    process.pid = me;
    process.ptid = 0;
    process.uid = 0;
    process.exe_path = exe.to_str().unwrap().into();
    let other = sysflow_replay::scap::ProcessInfo {
        tid: OTHER,
        pid: OTHER,
        exe_path: b"/bin/x".into(),
        ..process.clone()
    };
    capture.processes.extend([process, other]);
    let mut instance = plugin.init(config, &capture).unwrap();
    instance.capture_open().unwrap();
    instance
}

fn feed(instance: &mut Instance, ts: u64, tid: i64, code: u16, params: &[&[u8]]) {
    let bytes = event::build(ts, tid, code, params).unwrap();
    assert!(instance.parse(RawEvent::parse(&bytes).unwrap()).unwrap());
}

fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64
}

/// Stock Falco delivers no unlink, and nobody is told so by it.
#[test]
fn what_falco_does_not_deliver_is_said_in_the_stream() {
    let temp = tempfile::tempdir().unwrap();
    let socket = temp.path().join("sf.sock");
    let processor = Processor::start(&socket, &[]);
    let mut instance = instance(&format!(r#"{{"socket":{socket:?}}}"#));
    let n = |value: i64| value.to_le_bytes();
    let flags = 1_u32.to_le_bytes();
    feed(&mut instance, now(), OTHER, OPEN_X, &[&n(70), b"/tmp/x\0", &flags]);
    feed(&mut instance, now(), OTHER, WRITE_X, &[&n(10), b"", &n(70), &flags]);
    // The calls are made now; a host that delivers none of them is a quiet one.
    std::thread::sleep(std::time::Duration::from_millis(2_200));
    let later = now() + 10_000_000_000;
    feed(&mut instance, later, OTHER, OPEN_X, &[&n(71), b"/tmp/x\0", &flags]);
    feed(&mut instance, later, OTHER, OPEN_X, &[&n(72), b"/tmp/x\0", &flags]);
    feed(&mut instance, later + 2_000_000_000, OTHER, UNLINK_2_X, &[&n(0), b"/tmp/x\0"]);
    instance.capture_close().unwrap();
    let causes: Vec<String> = processor
        .finish()
        .records
        .into_iter()
        .filter_map(|r| if let Record::Header(h) = r { Some(h.lost.cause) } else { None })
        .filter(|cause| !cause.is_empty())
        .collect();
    assert_eq!(causes.len(), 2, "{causes:?}");
    let names: Vec<&str> = causes[0]
        .strip_prefix("Falco does not deliver ")
        .and_then(|rest| rest.split_once(';'))
        .map(|(names, _)| names.split(", ").collect())
        .unwrap();
    assert!(names.contains(&"read") && names.contains(&"unlink") && !names.contains(&"write"), "{names:?}");
    assert!(causes[0].contains("set base_syscalls.custom_set with all: true and repair: true"));
    assert_eq!(causes[1], "Falco delivers unlink after all");
}

/// Falco closes a capture also to take over a changed configuration, and ends when that fails.
#[test]
fn a_live_capture_closes_well_without_a_processor() {
    let temp = tempfile::tempdir().unwrap();
    let socket = temp.path().join("nobody.sock");
    let mut instance = instance(&format!(r#"{{"socket":{socket:?}}}"#));
    let flags = 1_u32.to_le_bytes();
    feed(&mut instance, now(), OTHER, OPEN_X, &[&70_i64.to_le_bytes(), b"/tmp/x\0", &flags]);
    instance.capture_close().unwrap();
}

#[test]
fn a_live_capture_is_about_this_machine_but_not_about_us() {
    let me = i64::from(std::process::id());
    let temp = tempfile::tempdir().unwrap();
    let socket = temp.path().join("sf.sock");
    let processor = Processor::start(&socket, &[]);

    let mut instance = instance(&format!(r#"{{"socket":{socket:?}}}"#));
    let now = now();
    let mut feed = |ts, tid, code, params: &[&[u8]]| feed(&mut instance, ts, tid, code, params);
    let n = |value: i64| value.to_le_bytes();
    let flags = 1_u32.to_le_bytes();
    for tid in [me, OTHER] {
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
    assert_eq!(flows, [OTHER], "what we do ourselves is no flow");
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
