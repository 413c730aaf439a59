use sysflow_flow::Config;

use crate::scene::{SHELL, Scene};

#[test]
fn each_header_begins_a_trace_of_its_own() {
    let mut s = Scene::with(Config { rotate: 10, ..Config::default() });
    s.fork(SHELL, 101).exec(101, "/bin/cat", "").open(101, "/x", 3).read(101, 3, 1).lines();
    s.after(20_000).read(101, 3, 1);
    // First the flow that was due, still below the old header; then all that the next record needs.
    assert_eq!(s.lines(), ["FF 4ms-20006ms 101/101 OPEN|READ fd=3 /x read=1/1 written=0/0", "H"]);
    s.close(101, 3);
    assert_eq!(
        s.lines(),
        [
            "P reup 1 /usr/lib/systemd/systemd uid=0",
            "P reup 50 /usr/sbin/sshd uid=0",
            "P reup 100 /bin/bash uid=0",
            "P reup 101 /bin/cat uid=0",
            "F reup f /x",
            "FF 20006ms-20007ms 101/101 READ|CLOSE fd=3 /x read=1/1 written=0/0",
        ]
    );
}

#[test]
fn an_entity_is_written_once() {
    let mut s = Scene::new();
    for _ in 0..3 {
        s.open(SHELL, "/x", 3).close(SHELL, 3);
    }
    let lines = s.lines();
    assert_eq!(lines.iter().filter(|line| line.starts_with("F ")).count(), 1);
    assert_eq!(lines.iter().filter(|line| line.starts_with("P ")).count(), 3);
}

#[test]
fn the_collector_calls_a_process_created_that_clones_first() {
    let mut s = Scene::tests();
    s.fork(SHELL, 101);
    let lines = s.lines();
    assert!(lines.contains(&"P created 100 /bin/bash uid=0".to_owned()), "{lines:#?}");
    assert!(lines.contains(&"P created 101 /bin/bash uid=0".to_owned()), "{lines:#?}");
}

#[test]
fn a_full_table_of_files_is_swept_and_forgets_nothing_that_is_open() {
    let limits = sysflow_flow::Limits { files: 100, ..Default::default() };
    let mut s = Scene::with(Config { limits, rotate: 0, ..Config::default() });
    s.open(SHELL, "/kept", 9);
    for i in 0..2_000 {
        s.open(SHELL, &format!("/tmp/{i}"), 3).close(SHELL, 3).after(100);
    }
    assert!(s.recorder.counters().sweeps > 1);
    s.lines();
    s.read(SHELL, 9, 5).close(SHELL, 9);
    assert!(s.events().last().unwrap().contains("READ|CLOSE fd=9 /kept"));
}
