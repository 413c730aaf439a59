use std::collections::HashMap;

use sysflow::Record;

use crate::support::{Processor, bundled, records_of, replay, shared, try_replay};

fn lost(records: &[Record]) -> i64 {
    records.iter().map(|record| if let Record::Header(h) = record { h.lost.records } else { 0 }).sum()
}

#[test]
fn socket_and_directory_get_the_same_records() {
    let temp = tempfile::tempdir().unwrap();
    let (socket, dir) = (temp.path().join("sf.sock"), temp.path().join("sf"));
    let processor = Processor::start(&socket, &[]);
    let config = format!(r#"{{"node":"demo-node","socket":{socket:?},"dir":{dir:?},"rotate":20}}"#);
    let stats = replay(&bundled("shop-attack.scap"), &config);
    assert_eq!(stats.parse_errors, 0);
    let received = processor.finish();
    let files = std::fs::read_dir(&dir).unwrap().count();
    assert_eq!(files, 4, "73 s are four files of 20 s");
    assert_eq!(received.records, records_of(&dir));
    assert_eq!((received.repeated, lost(&received.records)), (0, 0));
    assert_eq!(received.hellos.len(), 1);
    let hello = &received.hellos[0];
    assert_eq!((hello.node.as_str(), hello.next), ("demo-node", 0));
    assert_eq!(hello.boot_id, "1795489155867503615", "a replay's boot is its first event");
    // Records that should be seen soon do not wait for a full block.
    assert!(received.frames > 100, "{}", received.frames);
    let headers = received.records.iter().filter(|r| matches!(r, Record::Header(_))).count();
    assert_eq!(headers, 4);
}

#[test]
fn a_processor_that_dies_loses_and_doubles_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let whole = {
        let dir = temp.path().join("whole");
        replay(&bundled("shop-attack.scap"), &format!(r#"{{"node":"n","dir":{dir:?}}}"#));
        records_of(&dir)
    };
    let socket = temp.path().join("sf.sock");
    let processor = Processor::start(&socket, &[1, 5, 40]);
    replay(&bundled("shop-attack.scap"), &format!(r#"{{"node":"n","socket":{socket:?}}}"#));
    let received = processor.finish();
    assert_eq!(received.hellos.len(), 4);
    assert!(received.hellos.windows(2).all(|pair| pair[0].stream == pair[1].stream));
    let whole: Vec<Record> = whole.into_iter().filter(|r| !matches!(r, Record::Header(_))).collect();
    let got: Vec<Record> = received.records.into_iter().filter(|r| !matches!(r, Record::Header(_))).collect();
    assert_eq!(got, whole);
}

#[test]
fn the_same_capture_is_the_same_stream_and_is_not_sent_twice() {
    let temp = tempfile::tempdir().unwrap();
    let socket = temp.path().join("sf.sock");
    let processor = Processor::start(&socket, &[]);
    let config = format!(r#"{{"node":"n","socket":{socket:?}}}"#);
    replay(&bundled("shop-normal.scap"), &config);
    replay(&bundled("shop-normal.scap"), &config);
    let received = processor.finish();
    assert_eq!(received.hellos[0].stream, received.hellos[1].stream);
    assert_eq!(received.repeated, 0);
    let headers = received.records.iter().filter(|r| matches!(r, Record::Header(_))).count();
    assert_eq!(headers, 1);
}

#[test]
fn a_million_events_at_full_speed_lose_nothing() {
    let Some(capture) = shared("data/captures/load.scap") else { return };
    let temp = tempfile::tempdir().unwrap();
    let (socket, dir) = (temp.path().join("sf.sock"), temp.path().join("sf"));
    let processor = Processor::start(&socket, &[]);
    let started = std::time::Instant::now();
    let stats = replay(&capture, &format!(r#"{{"node":"n","socket":{socket:?},"dir":{dir:?}}}"#));
    println!("{} events in {:?}", stats.events, started.elapsed());
    assert!(stats.events >= 1_292_000, "{}", stats.events);
    let received = processor.finish();
    assert_eq!(lost(&received.records), 0);
    assert_eq!(received.records, records_of(&dir));
    // Every request of the web server is a write to its log.
    let mut paths = HashMap::new();
    let mut log_lines = 0;
    for record in &received.records {
        match record {
            Record::File(file) => {
                paths.insert(file.oid, file.path.clone());
            }
            Record::FileFlow(flow) if paths[&flow.file_oid].contains("access") => {
                log_lines += flow.num_wsend_ops;
            }
            _ => {}
        }
    }
    println!("{} records, {log_lines} log lines", received.records.len());
    assert!(log_lines >= 103_000, "101,193 requests of wrk and 2,000 of ab: {log_lines}");
}

#[test]
fn a_directory_that_others_can_write_to_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("open");
    std::fs::create_dir(&dir).unwrap();
    std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o777)).unwrap();
    let error = try_replay(&bundled("shop-normal.scap"), &format!(r#"{{"dir":{dir:?}}}"#)).unwrap_err();
    assert!(error.contains("mode 0700") && error.contains("0777"), "{error}");
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 0);
}

#[test]
fn a_processor_that_is_not_there_is_an_error_at_the_end() {
    let temp = tempfile::tempdir().unwrap();
    let socket = temp.path().join("nobody.sock");
    let error = try_replay(&bundled("shop-normal.scap"), &format!(r#"{{"socket":{socket:?}}}"#)).unwrap_err();
    assert!(error.contains("are not confirmed by the processor"), "{error}");
}

#[test]
fn without_an_output_nothing_is_written_and_nothing_fails() {
    let stats = replay(&bundled("shop-normal.scap"), "{}");
    assert_eq!(stats.parse_errors, 0);
    assert!(stats.delivered > 3_000, "{}", stats.delivered);
}

#[test]
fn old_captures_give_what_the_collector_made_of_them() {
    for (name, want) in [("files_files", 41), ("objectstore_ls", 32), ("setuid_setuid", 21)] {
        let Some(capture) = shared(&format!("data/pairs/{name}.scap.gz")) else { return };
        let keep = std::env::var_os("SYSFLOW_KEEP").map(std::path::PathBuf::from);
        let temp = tempfile::tempdir().unwrap();
        let dir = keep.unwrap_or_else(|| temp.path().to_owned()).join(name);
        replay(&capture, &format!(r#"{{"schema":"v5","compat":"sysflow-tests","dir":{dir:?}}}"#));
        let records = records_of(&dir);
        assert_eq!(records.len(), want, "{name}");
        assert!(matches!(&records[0], Record::Header(h) if h.exporter == "tests" && h.version == 5));
    }
}
