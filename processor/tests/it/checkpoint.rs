//! Going on from a checkpoint, as if there had been no end.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sysflow::{GraphId, Record, Schema, avro};
use sysflow_processor::archive::{Archive, Datum};
use sysflow_processor::config::{self, Config, Input};
use sysflow_processor::metrics::Metrics;
use sysflow_processor::service::{Parts, Service};
use sysflow_processor::stop::Stop;

use crate::engine::Judged;
use crate::plugin::{Plugin, hello};
use crate::records::{self, RULES, SECOND, START};

/// Windows that open, count and end, objects beyond the limit, a second header, and a loss of time in between.
fn long_story() -> Vec<Record> {
    let mut records = records::story();
    records.extend((1..4).map(|n| records::call(START + n * SECOND)));
    for n in 0..5 {
        let path = format!("/etc/secret{n}");
        records.extend([records::file(&path), records::read(&path, START + 5 * SECOND + n)]);
    }
    records.extend(records::beginning());
    records.extend([records::call(START + 9 * SECOND), records::call(START + 61 * SECOND)]);
    records.extend([records::call(START + 62 * SECOND), records::exec(START + 130 * SECOND)]);
    records
}

fn judged() -> Judged {
    let mut config = Config::default();
    config.alerts.max_distinct = 3;
    Judged::new(&config)
}

#[test]
fn an_engine_that_was_cut_anywhere_tells_the_same() {
    let told = |alerts: &[Arc<sysflow_processor::alert::Alert>]| -> Vec<_> {
        alerts.iter().map(|alert| (alert.with_id(), alert.count)).collect()
    };
    let graph = GraphId::parse(&records::graph()).unwrap();
    let drawn = |judged: &Judged| {
        sysflow_processor::api::document(&judged.world, graph, &sysflow_graph::Query::default()).unwrap()
    };
    let mut whole = judged();
    let expected = [whole.take(long_story()), whole.finish()].concat();
    assert!(expected.len() > 6 && expected.iter().any(|alert| alert.count == 5), "{:?}", told(&expected));
    for at in 0..=long_story().len() {
        let (mut before, mut after) = (judged(), judged());
        let mut alerts = before.take(long_story()[..at].to_vec());
        let snapshot = before.engine.snapshot().unwrap();
        assert_eq!(snapshot.alerts, alerts.len() as u64);
        after.engine.restore(&snapshot.bytes, sysflow_graph::Limits::default()).unwrap();
        // From the beginning, as a plugin may send it: what was judged is known.
        alerts.extend(after.take(long_story()));
        alerts.extend(after.finish());
        assert_eq!(told(&alerts), told(&expected), "cut before record {at}");
        assert_eq!(drawn(&after), drawn(&whole), "cut before record {at}");
    }
}

#[test]
fn a_count_that_was_told_early_is_told_once_more_when_it_grew() {
    let mut judged = judged();
    judged.take(records::beginning());
    let first = judged.take(vec![records::call(START), records::call(START + SECOND)]);
    let stream = sysflow_processor::engine::Stream::new([7; 16], records::NODE);
    for _ in 0..3 {
        judged.engine.idle(&stream, 60 * SECOND);
    }
    let early = judged.take(vec![]);
    assert_eq!((early.len(), early[0].count, &early[0].id), (1, 2, &first[0].id), "told once");
    // These were on their way: they belong to the same window.
    let late = judged.take(vec![records::call(START + 2 * SECOND), records::call(START + 70 * SECOND)]);
    let late: Vec<_> = late.iter().map(|alert| (alert.count, alert.id == first[0].id)).collect();
    assert_eq!(late, [(3, true), (1, false)]);
}

fn configuration(dir: &Path) -> Config {
    let rules = dir.join("rules.yaml");
    std::fs::write(&rules, RULES).unwrap();
    let mut config = Config::default();
    config.api.listen = "127.0.0.1:0".parse().unwrap();
    config.rules.files.push(rules);
    config.store = Some(dir.join("store"));
    config.alerts.file = Some(dir.join("alerts.jsonl"));
    config.inputs.push(Input { socket: dir.join("s.sock"), peer_uids: None });
    config
}

/// Starts a service, lets `with` use it, and ends it.
fn serve<T>(config: &Config, with: impl FnOnce(&mut Service) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let stop = Stop::default();
    let mut service = Service::start(config, Parts::default(), runtime.handle(), &stop).unwrap();
    let result = with(&mut service);
    stop.stop();
    service.shut_down(runtime.handle(), Duration::ZERO).unwrap();
    result
}

fn judged_by(service: &Service) -> u64 {
    ["PE", "FF", "NF"].iter().map(|kind| service.metrics().records.get(kind)).sum()
}

fn records_drawn(service: &Service) -> u64 {
    service.world().lock().graphs.list("", 10).graphs.iter().map(|graph| graph.records).sum()
}

#[test]
fn a_start_judges_what_came_after_the_checkpoint_and_everything_without_one() {
    let dir = tempfile::tempdir().unwrap();
    let config = configuration(dir.path());
    let deliver = |service: &mut Service, first: u64, records: &[Record]| {
        let (mut plugin, stored) = Plugin::welcome(&config.inputs[0].socket, 0);
        assert_eq!(stored, first);
        plugin.frame(first, records);
        plugin.until_stored(first + records.len() as u64);
        drop(plugin);
        service.drain_inputs();
    };
    serve(&config, |service| deliver(service, 0, &records::story()));
    let checkpoint = dir.path().join("store/state/checkpoint");
    let old = std::fs::read(&checkpoint).unwrap();
    serve(&config, |service| {
        assert_eq!((judged_by(service), records_drawn(service)), (0, 3), "known, without having been judged");
        deliver(service, 8, &[records::call(START + SECOND)]);
        assert_eq!((judged_by(service), records_drawn(service)), (1, 4));
    });
    // As after a kill: the checkpoint is older than the archive.
    std::fs::write(&checkpoint, old).unwrap();
    serve(&config, |service| assert_eq!((judged_by(service), records_drawn(service)), (1, 4)));
    std::fs::write(&checkpoint, "no checkpoint").unwrap();
    serve(&config, |service| assert_eq!((judged_by(service), records_drawn(service)), (4, 4)));
    assert!(checkpoint.with_extension("damaged").exists(), "for whoever wants to know why");
    // Whoever empties the archive wants to begin anew.
    std::fs::remove_dir_all(dir.path().join("store/archive")).unwrap();
    serve(&config, |service| assert_eq!(records_drawn(service), 0));
    let lines = std::fs::read_to_string(dir.path().join("alerts.jsonl")).unwrap();
    assert_eq!(lines.lines().count(), 3, "each alert was written once, over six starts");
}

#[test]
fn a_file_of_alerts_that_is_new_does_not_tell_old_ones() {
    let dir = tempfile::tempdir().unwrap();
    let with_file = configuration(dir.path());
    let without = Config { alerts: config::Alerts::default(), ..with_file.clone() };
    serve(&without, |service| {
        let (mut plugin, _) = Plugin::welcome(&without.inputs[0].socket, 0);
        plugin.frame(0, &records::story());
        plugin.until_stored(8);
        drop(plugin);
        service.drain_inputs();
    });
    std::fs::remove_file(dir.path().join("store/state/checkpoint")).unwrap();
    serve(&with_file, |_| ());
    serve(&with_file, |_| ());
    assert_eq!(std::fs::read_to_string(dir.path().join("alerts.jsonl")).unwrap(), "");
}

/// Prints how long a start takes: `cargo test --release -p sysflow-processor -- --ignored --nocapture start_over`.
#[test]
#[ignore = "a measurement, takes a minute"]
fn start_over_a_million_records() {
    let dir = tempfile::tempdir().unwrap();
    let config = configuration(dir.path());
    let archive = Archive::open(
        &dir.path().join("store/archive"),
        &config::Archive::default(),
        Arc::new(Metrics::default()),
    )
    .unwrap();
    let mut next = 0;
    for file in 0..20_i64 {
        let (mut block, mut datums) = (Vec::new(), Vec::new());
        let mut put = |record: &Record| {
            let start = block.len();
            avro::encode(Schema::Extended, record, &mut block);
            datums.push(Datum { range: start..block.len(), header: matches!(record, Record::Header(_)) });
        };
        records::beginning().iter().for_each(&mut put);
        for n in 0..25_000 {
            let path = format!("/srv/data/{}", n % 5000);
            put(&records::file(&path));
            put(&records::read(&path, START + (file * 25_000 + n) * 1_000_000));
        }
        archive.writer(&hello(next)).append(next, &block, &datums).unwrap();
        next += datums.len() as u64;
    }
    archive.close();
    drop(archive);
    for what in ["without a checkpoint", "with one"] {
        let began = Instant::now();
        let judged = serve(&config, |service| {
            println!("start {what}: {:?} ({next} records in the archive)", began.elapsed());
            judged_by(service)
        });
        assert_eq!(judged > 0, what == "without a checkpoint");
    }
    let size = std::fs::metadata(dir.path().join("store/state/checkpoint")).unwrap().len();
    println!("checkpoint: {size} bytes");
}
