//! What is lost is in the data: counted, with its time and its cause, once.

use sysflow::{Record, Schema, record::Loss};
use sysflow_flow::{Compat, Config, Limits, NoHost, Op};

use crate::{
    line::START,
    scene::{SHELL, Scene},
};

/// A host that must not be asked.
struct Silent;

impl sysflow_flow::Host for Silent {
    fn thread(&mut self, tid: i64) -> Option<sysflow_flow::Initial> {
        panic!("asked for {tid}")
    }
    fn fd(&mut self, _: i64, fd: i64) -> Option<sysflow_flow::InitialFd> {
        panic!("asked for {fd}")
    }
    fn container_id(&mut self, _: i64) -> Option<String> {
        None
    }
}

fn shed(records: i64) -> Loss {
    let (from, to) = (START + 1_000_000, START + 2_000_000);
    Loss { records, from, to, cause: "the disk is full".into(), ..Loss::default() }
}

fn headers(s: &mut Scene) -> Vec<String> {
    s.lines().into_iter().filter(|line| line.starts_with('H')).collect()
}

/// All losses of the trace together.
fn total(records: &[Record]) -> (i64, i64) {
    records.iter().fold((0, 0), |sum, record| match record {
        Record::Header(header) => (sum.0 + header.lost.events, sum.1 + header.lost.records),
        _ => sum,
    })
}

#[test]
fn shed_records_are_told_at_once_and_entities_come_again() {
    let mut s = Scene::new();
    s.open(SHELL, "/x", 3).lines();
    s.recorder.report_loss(shed(7), &mut s.records);
    s.close(SHELL, 3);
    let lines = s.lines();
    assert_eq!(lines[0], "H lost 0 events, 7 records, 1ms-2ms: the disk is full");
    assert_eq!(lines.iter().filter(|line| line.starts_with("P ")).count(), 3);
}

#[test]
fn losses_are_told_once_a_second_and_add_up() {
    let mut s = Scene::new();
    s.read(SHELL, 0, 1).lines();
    for records in 1..=4 {
        s.recorder.report_loss(shed(records), &mut s.records);
    }
    assert_eq!(headers(&mut s), ["H lost 0 events, 1 records, 1ms-2ms: the disk is full"]);
    s.after(400).read(SHELL, 0, 1);
    assert!(headers(&mut s).is_empty());
    s.after(1_000).read(SHELL, 0, 1);
    assert_eq!(headers(&mut s), ["H lost 0 events, 9 records, 1ms-2ms: the disk is full"]);
    s.after(1_000).read(SHELL, 0, 1);
    assert!(headers(&mut s).is_empty());
}

#[test]
fn what_a_limit_or_a_malformed_event_costs_has_a_header_of_its_own() {
    let limits = Limits { flows: 1, ..Limits::default() };
    let mut s = Scene::with(Config { limits, ..Config::default() });
    s.open(SHELL, "/a", 3).open(SHELL, "/b", 4).read(SHELL, 4, 1);
    s.recorder.malformed();
    assert_eq!(headers(&mut s), ["H"]);
    s.after(1_000).read(SHELL, 0, 0);
    let told =
        "H lost 3 events, 0 records, 2ms-3ms: 2 events that did not fit into limits; 1 malformed events";
    assert_eq!(headers(&mut s), [told]);
    // The one more that this second has cost is told at the end.
    s.finish();
    let last = headers(&mut s);
    assert_eq!(last.len(), 1, "{last:?}");
    assert_eq!(total(&s.records).0, s.recorder.counters().lost() as i64);
}

#[test]
fn what_nobody_knows_waits_for_the_next_header() {
    let mut s = Scene::with(Config { rotate: 10, ..Config::default() });
    s.read(777, 0, 5).read(SHELL, 55, 5).read(SHELL, 56, 5).after(5_000).read(SHELL, 0, 1);
    assert_eq!(headers(&mut s), ["H"]);
    s.after(5_000).read(SHELL, 0, 1);
    assert_eq!(
        headers(&mut s),
        ["H lost 3 events, 0 records, 1ms-3ms: 1 events of unknown threads; 2 events on unknown descriptors"]
    );
    s.after(10_000).read(SHELL, 0, 1);
    assert_eq!(headers(&mut s), ["H"]);
}

#[test]
fn a_notice_is_in_the_next_header_once() {
    let mut s = Scene::with(Config { rotate: 10, ..Config::default() });
    s.read(SHELL, 0, 1);
    let cause = "Falco does not deliver read, write";
    s.recorder.notice(cause);
    s.recorder.notice(cause);
    s.recorder.notice("");
    s.after(1_000).read(SHELL, 0, 1);
    assert_eq!(headers(&mut s), ["H"], "it causes none by itself");
    s.after(10_000).read(SHELL, 0, 1).after(10_000).read(SHELL, 0, 1);
    let header = format!("H lost 0 events, 0 records, 0ms-0ms: {cause}");
    assert_eq!(headers(&mut s), [header.as_str(), "H"]);
}

#[test]
fn a_header_for_a_loss_forgets_nothing() {
    let mut s = Scene::new();
    s.open(SHELL, "/x", 3).read(SHELL, 55, 1).lines();
    let sweeps = s.recorder.counters().sweeps;
    s.recorder.report_loss(shed(1), &mut s.records);
    assert_eq!(s.recorder.counters().sweeps, sweeps);
    // The miss is remembered: the host is not asked again.
    let event = sysflow_flow::Event { ts: s.now(), tid: SHELL, op: Op::Read { ret: 1, fd: 55, tuple: None } };
    s.recorder.apply(&event, &mut Silent, &mut s.records);
}

#[test]
fn sysflows_own_habits_have_no_losses() {
    for compat in [Compat::Sysflow, Compat::SysflowTests] {
        let limits = Limits { flows: 1, ..Limits::default() };
        let mut s = Scene::with(Config { compat, limits, schema: Schema::V5, ..Config::default() });
        s.open(SHELL, "/a", 3).open(SHELL, "/b", 4).read(777, 0, 5).lines();
        s.recorder.malformed();
        s.recorder.notice("cause");
        s.after(2_000).read(SHELL, 0, 1);
        assert!(headers(&mut s).is_empty(), "{compat:?}");
        // But what was shed may have held entities.
        s.recorder.report_loss(shed(3), &mut s.records);
        s.close(SHELL, 3);
        let lines = s.lines();
        assert_eq!(lines.iter().filter(|line| line.starts_with("P ")).count(), 3, "{lines:?}");
        assert_eq!(lines[0], "H");
    }
}

#[test]
fn time_alone_tells_a_loss() {
    let mut s = Scene::new();
    s.read(SHELL, 0, 1);
    s.recorder.malformed();
    s.lines();
    let later = s.now() + 2_000_000_000;
    s.recorder.advance(later, &mut NoHost, &mut s.records);
    assert_eq!(headers(&mut s), ["H lost 1 events, 0 records, 1ms-1ms: 1 malformed events"]);
}
