use sysflow_flow::{Config, Op};

use crate::scene::{SHELL, Scene};

fn collector() -> Scene {
    Scene::tests()
}

#[test]
fn a_long_flow_is_a_chain_of_records() {
    let mut s = collector();
    s.connect(SHELL, 3).write(SHELL, 3, 10).after(29_000).write(SHELL, 3, 10);
    assert!(s.events().is_empty(), "29 s are not 30 s");
    s.after(2_000).read(SHELL, 3, 5).after(3_000).close(SHELL, 3);
    // The records touch; the first has the connect, the last the close, the counts add up.
    assert_eq!(
        s.events(),
        [
            "NF 2ms-31005ms 100/100 CONNECT|WRITE fd=3 10.0.0.1:4000>10.0.0.2:80 proto=6 received=0/0 sent=2/20",
            "NF 31005ms-34006ms 100/100 READ|CLOSE fd=3 10.0.0.1:4000>10.0.0.2:80 proto=6 received=1/5 sent=0/0",
        ]
    );
}

#[test]
fn whole_seconds_count() {
    let mut s = collector();
    // Begins at 0.901 s, so that 30.000 s is 30 whole seconds later although it is 29.1 s.
    s.after(900).open(SHELL, "/x", 3).after(29_098).read(SHELL, 1, 0);
    assert_eq!(s.events(), ["FF 901ms-30000ms 100/100 OPEN fd=3 /x read=0/0 written=0/0"]);
}

#[test]
fn an_idle_flow_is_forgotten_without_a_record() {
    let mut s = collector();
    s.open(SHELL, "/x", 3).after(31_000).read(SHELL, 1, 1);
    assert_eq!(s.events(), ["FF 1ms-31002ms 100/100 OPEN fd=3 /x read=0/0 written=0/0"]);
    s.after(31_000).read(SHELL, 1, 1).after(31_000).read(SHELL, 1, 1).close(SHELL, 3);
    // After 62 s without an operation the flow was gone; the close stands alone.
    let of_x: Vec<String> = s.events().into_iter().filter(|line| line.contains("/x")).collect();
    assert_eq!(of_x, ["FF 93005ms-93005ms 100/100 CLOSE fd=3 /x read=0/0 written=0/0"]);
    assert!(s.recorder.counters().flows_idle > 0);
}

#[test]
fn by_default_a_new_flow_shows_after_a_second() {
    let mut s = Scene::new();
    s.connect(SHELL, 3).write(SHELL, 3, 10).after(1_000).write(SHELL, 3, 1);
    assert!(s.events().is_empty(), "a second boundary is no second");
    s.after(1_000).write(SHELL, 3, 2).after(32_000).write(SHELL, 3, 4).after(1).close(SHELL, 3);
    let lines = s.events();
    assert_eq!(
        lines[0],
        "NF 2ms-2005ms 100/100 CONNECT|WRITE fd=3 10.0.0.1:4000>10.0.0.2:80 proto=6 received=0/0 sent=2/11"
    );
    // The next one is within 30 s, the records touch and add up.
    assert_eq!(
        lines[1..],
        [
            "NF 2005ms-34006ms 100/100 WRITE fd=3 10.0.0.1:4000>10.0.0.2:80 proto=6 received=0/0 sent=1/2",
            "NF 34006ms-34008ms 100/100 WRITE|CLOSE fd=3 10.0.0.1:4000>10.0.0.2:80 proto=6 received=0/0 sent=1/4",
        ]
    );
}

/// Seconds at which flows that begin together are exported while a clock ticks, and how many at a time.
fn exports(s: &mut Scene, seconds: i64) -> Vec<(i64, usize)> {
    for fd in 3..303 {
        s.open(SHELL, &format!("/{fd}"), fd);
    }
    let mut all = Vec::new();
    for second in 1..=seconds {
        for fd in 3..303 {
            s.recorder.apply(
                &sysflow_flow::Event {
                    ts: s.now() + second * 1_000_000_000,
                    tid: SHELL,
                    op: Op::Read { ret: 1, fd, tuple: None },
                },
                &mut sysflow_flow::NoHost,
                &mut s.records,
            );
        }
        let exported = s.events().len();
        if exported > 0 {
            all.push((second, exported));
        }
    }
    all
}

#[test]
fn flows_that_begin_together_are_not_exported_together_for_ever() {
    let all = exports(&mut Scene::new(), 92);
    assert_eq!(all[0], (2, 300), "the first export is when they are due");
    let most = all[1..].iter().map(|(_, exported)| *exported).max().unwrap();
    assert!(most < 40, "{all:?}");
    let total: usize = all.iter().map(|(_, exported)| exported).sum();
    assert!((300 * 3..=300 * 5).contains(&total), "{total}");
    assert_eq!(all, exports(&mut Scene::new(), 92), "the same in every replay");
    // Also without an early first export.
    let all = exports(&mut Scene::with(Config { first: 0, ..Config::default() }), 60);
    assert!(all.iter().all(|(_, exported)| *exported < 40), "{all:?}");
    // The collector exports in step.
    assert_eq!(exports(&mut collector(), 60), [(30, 300), (60, 300)]);
}

#[test]
fn nothing_is_lost_when_flows_expire_before_their_export() {
    let mut s = Scene::with(Config { export: 100, expire: 10, first: 0, ..Config::default() });
    s.open(SHELL, "/x", 3).read(SHELL, 3, 42).after(200_000).read(SHELL, 1, 1);
    assert_eq!(s.events(), ["FF 1ms-200003ms 100/100 OPEN|READ fd=3 /x read=1/42 written=0/0"]);
}

#[test]
fn time_passes_without_operations() {
    let mut s = Scene::new();
    s.open(SHELL, "/x", 3).after(2_000);
    let now = s.now();
    s.recorder.advance(now, &mut sysflow_flow::NoHost, &mut s.records);
    assert_eq!(s.events(), ["FF 1ms-2001ms 100/100 OPEN fd=3 /x read=0/0 written=0/0"]);
}

#[test]
fn the_end_cuts_all_flows() {
    let mut s = Scene::new();
    s.open(SHELL, "/x", 3).connect(SHELL, 4).read(SHELL, 3, 1).finish();
    assert_eq!(
        s.events(),
        [
            "FF 1ms-4ms 100/100 OPEN|READ|TRUNCATE fd=3 /x read=1/1 written=0/0",
            "NF 3ms-4ms 100/100 CONNECT|TRUNCATE fd=4 10.0.0.1:4000>10.0.0.2:80 proto=6 received=0/0 sent=0/0",
        ]
    );
}

#[test]
fn threads_are_folded_where_the_collector_does_so() {
    use sysflow_flow::{Compat, op::clone_flags};
    let mut s = Scene::with(Config { compat: Compat::Sysflow, ..Config::default() });
    s.clone(SHELL, 101, clone_flags::THREAD).clone(SHELL, 102, clone_flags::THREAD).exit(101);
    assert!(s.events().is_empty());
    s.exit(102).exit(SHELL);
    assert_eq!(
        s.events(),
        ["PF 1ms-7ms 100 CLONE|EXIT cloned=2 exited=2 errors=0", "PE 7ms 100/100 EXIT = 0"]
    );
}

#[test]
fn a_full_table_refuses_new_flows_and_counts_them() {
    let limits = sysflow_flow::Limits { flows: 1, ..Default::default() };
    let mut s = Scene::with(Config { limits, ..Config::default() });
    s.open(SHELL, "/a", 3).open(SHELL, "/b", 4).op(SHELL, Op::Read { ret: 1, fd: 3, tuple: None });
    assert_eq!(s.recorder.counters().lost.limit, 1);
    s.finish();
    assert_eq!(s.events(), ["FF 1ms-3ms 100/100 OPEN|READ|TRUNCATE fd=3 /a read=1/1 written=0/0"]);
}

#[test]
fn a_record_never_ends_before_it_begins() {
    let mut s = Scene::new();
    s.after(10).open(SHELL, "/x", 3).after(-8).close(SHELL, 3);
    assert_eq!(s.events(), ["FF 11ms-11ms 100/100 OPEN|CLOSE fd=3 /x read=0/0 written=0/0"]);
}

#[test]
fn counts_stop_at_the_end_of_their_range() {
    let mut s = Scene::new();
    s.open(SHELL, "/x", 3).read(SHELL, 3, i64::MAX).read(SHELL, 3, i64::MAX).write(SHELL, 3, i64::MIN);
    s.close(SHELL, 3);
    let most = i64::MAX;
    assert_eq!(
        s.events(),
        [format!("FF 1ms-5ms 100/100 OPEN|READ|WRITE|CLOSE fd=3 /x read=2/{most} written=1/0")]
    );
}
