//! The queue of alerts on disk.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use sysflow_processor::queue::{Entry, Queue};

const MIB: u64 = 1 << 20;

/// An alert; its key is its own, as the ids of alerts are.
fn alert(number: u64) -> Entry {
    entry(number, &format!("key of {number}"))
}

fn entry(number: u64, key: &str) -> Entry {
    Entry {
        stream: "s".into(),
        number,
        key: key.into(),
        body: format!("{{\"n\":{number},\"key\":\"{key}\"}}"),
    }
}

/// Bodies of all that waits, taken off.
fn drain(queue: &Queue) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut bodies = Vec::new();
    while queue.depth() > 0 {
        let item = runtime.block_on(queue.next()).unwrap();
        queue.done(&item).unwrap();
        bodies.push(item.body);
    }
    bodies
}

fn numbers(bodies: &[String]) -> Vec<u64> {
    let number =
        |body: &String| serde_json::from_str::<serde_json::Value>(body).unwrap()["n"].as_u64().unwrap();
    bodies.iter().map(number).collect()
}

fn only_segment(dir: &Path) -> std::path::PathBuf {
    let mut found: Vec<_> = std::fs::read_dir(dir).unwrap().map(|file| file.unwrap().path()).collect();
    found.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    assert_eq!(found.len(), 1);
    found.remove(0)
}

#[test]
fn alerts_survive_a_restart_in_order_and_once() {
    let dir = tempfile::tempdir().unwrap();
    let queue = Queue::open(dir.path(), MIB).unwrap();
    for number in 0..10 {
        assert!(queue.push(&alert(number)).unwrap());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for _ in 0..4 {
        let item = runtime.block_on(queue.next()).unwrap();
        queue.done(&item).unwrap();
    }
    // Handed out and not done: it comes again.
    runtime.block_on(queue.next()).unwrap();
    drop(queue);
    let queue = Queue::open(dir.path(), MIB).unwrap();
    assert_eq!(queue.depth(), 6);
    assert_eq!(numbers(&drain(&queue)), [4, 5, 6, 7, 8, 9]);
}

#[test]
fn what_was_taken_once_is_never_taken_again() {
    let dir = tempfile::tempdir().unwrap();
    {
        let queue = Queue::open(dir.path(), MIB).unwrap();
        assert!(queue.push(&entry(1, "0")).unwrap());
        assert!(queue.push(&entry(5, "a")).unwrap());
        assert!(queue.push(&entry(5, "b")).unwrap(), "another alert of the same record");
        drain(&queue);
    }
    let queue = Queue::open(dir.path(), MIB).unwrap();
    for (number, key) in [(1, "0"), (2, "new id, older record"), (5, "a"), (5, "b")] {
        assert!(!queue.push(&entry(number, key)).unwrap(), "{number} {key}");
    }
    assert!(!queue.push(&entry(9, "b")).unwrap(), "a count that was told before its record came");
    assert!(queue.push(&entry(5, "c")).unwrap());
    assert!(queue.push(&entry(6, "d")).unwrap());
    assert!(queue.push(&Entry { stream: "other".into(), ..entry(1, "a") }).unwrap());
    assert_eq!(queue.depth(), 3);
}

#[test]
fn a_file_cut_at_any_byte_keeps_all_whole_entries() {
    let dir = tempfile::tempdir().unwrap();
    let queue = Queue::open(dir.path(), MIB).unwrap();
    for number in 0..3 {
        queue.push(&alert(number)).unwrap();
    }
    drop(queue);
    let segment = only_segment(dir.path());
    let whole = std::fs::read(&segment).unwrap();
    for cut in 0..=whole.len() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(segment.file_name().unwrap()), &whole[..cut]).unwrap();
        let queue = Queue::open(dir.path(), MIB).unwrap();
        let lines = whole[..cut].split(|&b| b == b'\n').count() as u64 - 1;
        assert_eq!(queue.depth(), lines, "cut at {cut}");
        queue.push(&alert(9)).unwrap();
        let expected: Vec<u64> = (0..lines).chain([9]).collect();
        assert_eq!(numbers(&drain(&queue)), expected, "cut at {cut}");
    }
}

#[test]
fn a_line_that_is_no_entry_is_stepped_over() {
    let dir = tempfile::tempdir().unwrap();
    Queue::open(dir.path(), MIB).unwrap().push(&alert(1)).unwrap();
    let mut file = std::fs::OpenOptions::new().append(true).open(only_segment(dir.path())).unwrap();
    file.write_all(b"\0\0\0 disk error\n").unwrap();
    let queue = Queue::open(dir.path(), MIB).unwrap();
    queue.push(&alert(2)).unwrap();
    assert_eq!(numbers(&drain(&queue)), [1, 2]);
}

#[test]
fn a_full_queue_drops_the_oldest_and_counts_them() {
    let dir = tempfile::tempdir().unwrap();
    let queue = Queue::open(dir.path(), 3 * MIB).unwrap();
    let body = "x".repeat(4000);
    let total = 2000;
    for number in 0..total {
        queue.push(&Entry { body: format!("{{\"n\":{number},\"x\":\"{body}\"}}"), ..alert(number) }).unwrap();
    }
    let size: u64 =
        std::fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
    assert!(size <= 4 * MIB, "{size}");
    assert!(queue.dropped() > 0);
    assert_eq!(queue.dropped() + queue.depth(), total);
    let left = numbers(&drain(&queue));
    assert_eq!(left, (queue.dropped()..total).collect::<Vec<_>>());
}

#[test]
fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["queue::pushes_until_it_is_killed", "--exact", "--nocapture", "--ignored"])
        .env("QUEUE_DIR", dir.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pushed = 0;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        if let Some(number) = line.unwrap().strip_prefix("pushed ") {
            pushed = number.parse().unwrap();
            if pushed >= 500 {
                break;
            }
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let queue = Queue::open(dir.path(), 64 * MIB).unwrap();
    let found = numbers(&drain(&queue));
    assert!(found.len() as u64 > pushed && pushed >= 500, "{} of {pushed}", found.len());
    assert_eq!(found, (0..found.len() as u64).collect::<Vec<_>>(), "in order, each once");
}

#[test]
#[ignore = "the child of the test above"]
fn pushes_until_it_is_killed() {
    let Some(dir) = std::env::var_os("QUEUE_DIR") else { return };
    let queue = Queue::open(Path::new(&dir), 64 * MIB).unwrap();
    for number in 0.. {
        queue.push(&alert(number)).unwrap();
        println!("pushed {number}");
    }
}

#[test]
fn a_damaged_state_costs_repetitions_and_no_alert() {
    let dir = tempfile::tempdir().unwrap();
    Queue::open(dir.path(), MIB).unwrap().push(&alert(1)).unwrap();
    for damage in ["", "\0\0\0\0", "{"] {
        std::fs::write(dir.path().join("state.json"), damage).unwrap();
        let queue = Queue::open(dir.path(), MIB).unwrap();
        assert_eq!(queue.depth(), 1, "{damage:?}");
        assert!(!queue.push(&alert(1)).unwrap(), "what is in the queue is known");
    }
    let queue = Queue::open(dir.path(), MIB).unwrap();
    queue.push(&alert(2)).unwrap();
    assert_eq!(numbers(&drain(&queue)), [1, 2]);
}

#[test]
fn others_cannot_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("queue");
    Queue::open(&path, MIB).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o077, 0);
}
