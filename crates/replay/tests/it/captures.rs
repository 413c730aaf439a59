//! Whole captures: counts, state, layout of every event.

use std::collections::BTreeMap;

use sysflow_replay::{Capture, schema};

use crate::support::{bundled, shared};

/// Reads a capture to its end: events as recorded, events delivered, and how often each delivered type has how
/// many parameters.
fn read(path: &std::path::Path) -> (u64, u64, BTreeMap<(u16, u32), u64>) {
    let mut capture = Capture::open(path).unwrap_or_else(|e| panic!("{e}"));
    let (mut delivered, mut shapes) = (0, BTreeMap::new());
    while let Some(event) = capture.next_event().unwrap_or_else(|e| panic!("{e}")) {
        delivered += 1;
        *shapes.entry((event.code(), event.nparams())).or_insert(0) += 1;
    }
    let counts = capture.counts();
    println!("{}: {counts:?}", path.display());
    assert_eq!(counts.unconvertible, 0);
    assert_eq!(counts.read, delivered + counts.absorbed + counts.unknown);
    (counts.read, delivered, shapes)
}

/// The README beside the captures has the numbers, counted by libsinsp. Two events of each shop capture are those
/// of the containers, in the container plugin's form.
#[test]
fn bundled_captures_have_the_events_libsinsp_counts() {
    for (name, events) in
        [("shop-attack.scap", 31_162), ("shop-normal.scap", 7_894), ("host-mix.scap", 38_365)]
    {
        let (read, delivered, shapes) = read(&bundled(name));
        assert_eq!(read, events, "{name}");
        assert_eq!(delivered, events, "{name}: a current capture needs no conversion");
        check_shapes(name, &shapes);
        let containers = shapes.get(&(schema::code::ASYNCEVENT_E, 3)).copied();
        assert_eq!(containers, name.starts_with("shop").then_some(2), "{name}");
    }
}

#[test]
fn load_capture_streams() {
    let Some(path) = shared("data/captures/load.scap") else { return };
    let (read, ..) = read(&path);
    assert_eq!(read, 1_292_971);
}

/// Event counts of the original captures as SysFlow's collector tests have them.
#[test]
fn old_captures_come_out_in_the_current_schema() {
    let pairs = [
        ("client-server_tcp-client-server", 2_302),
        ("files_files", 2_186),
        ("mpm-preforked_cold_start_capture", 2_388),
        ("mpm-preforked_full_capture", 34_102),
        ("namespaces_setns", 9_947),
        ("objectstore_ls", 2_936),
        ("objectstore_upload", 8_829),
        ("rename_rename", 4_525),
        ("setuid_setuid", 1_973),
    ];
    for (name, events) in pairs {
        let Some(path) = shared(&format!("data/pairs/{name}.scap.gz")) else { return };
        let (read, delivered, shapes) = read(&path);
        assert_eq!(read, events, "{name}");
        assert!(delivered < read && delivered > 0, "{name}: enter events must be gone");
        check_shapes(name, &shapes);
    }
}

/// Every event has exactly the parameters of its type in today's schema.
fn check_shapes(name: &str, shapes: &BTreeMap<(u16, u32), u64>) {
    for (&(code, nparams), count) in shapes {
        let info = schema::info(code).expect("known types only");
        assert_eq!(nparams as usize, info.params.len(), "{name}: {count} of {}", info.name);
        let exit = !schema::is_enter(code);
        assert!(!(exit && info.flags & schema::OLD != 0), "{name}: {}", info.name);
        assert_eq!(info.flags & schema::UNUSED, 0, "{name}: {}", info.name);
    }
}
