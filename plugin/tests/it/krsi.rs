//! What io_uring does, as the krsi plugin tells of it, becomes records of the process.

use sysflow::{Record, record::op};
use sysflow_replay::{Capture, RawEvent, event, host::Plugin};

use crate::support::{bundled, library, records_of};

#[path = "../../src/events/krsi_payload.rs"]
mod krsi_payload;
use krsi_payload::Payload;

#[test]
fn the_work_of_a_ring_is_that_of_its_process() {
    let plugin = Plugin::load(&library()).unwrap();
    let mut capture = Capture::open(&bundled("shop-attack.scap")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("sf");
    let config = serde_json::json!({"node": "here", "dir": out}).to_string();
    let mut instance = plugin.init(&config, &capture).unwrap();
    instance.capture_open().unwrap();
    let ts = capture.next_event().unwrap().unwrap().ts();

    // The process itself, and a worker of the kernel that nobody has told of.
    let mkdir = |tid, path: &[u8]| Payload::new(10098, tid, 6).none().text(path).n32(0).i64(0).i64(0);
    let open = Payload::new(10098, 99_999, 0).none().n32(7).text(b"/etc/shadow").n32(1);
    let events = [
        ("krsi_mkdirat", mkdir(10098, b"/by-ring")),
        ("krsi_mkdirat", mkdir(99_999, b"/by-worker")),
        ("krsi_openat", open.none().none().none().i64(0)),
        ("krsi", mkdir(10098, b"/not-yet")),
    ];
    for (name, payload) in events {
        let name = [name.as_bytes(), b"\0"].concat();
        let bytes = event::build(ts, -1, 402, &[&[0; 4], &name, &payload.0]).unwrap();
        assert!(instance.parse(RawEvent::parse(&bytes).unwrap()).unwrap());
    }
    instance.capture_close().unwrap();

    let records = records_of(&out);
    let path = |oid| {
        records.iter().find_map(|r| match r {
            Record::File(file) if file.oid == oid => Some(file.path.as_str()),
            _ => None,
        })
    };
    let made: Vec<_> = records
        .iter()
        .filter_map(|r| match r {
            Record::FileEvent(e) => Some((e.op_flags, e.proc_oid.hpid, e.tid, path(e.file_oid).unwrap())),
            Record::FileFlow(f) if f.op_flags & op::OPEN != 0 => {
                Some((op::OPEN, f.proc_oid.hpid, f.tid, path(f.file_oid).unwrap()))
            }
            _ => None,
        })
        .collect();
    assert_eq!(
        made,
        [
            (op::MKDIR, 10098, 10098, "/by-ring"),
            (op::MKDIR, 10098, 10098, "/by-worker"),
            (op::OPEN, 10098, 10098, "/etc/shadow"),
        ]
    );
}
