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
use crate::records::{self, RULES, SECOND, START, STATEFUL};

/// Windows that open, count and end, objects beyond the limit, a second header, and a loss of time in between; and calls
/// in a rhythm, which only those find who remember.
fn long_story() -> Vec<Record> {
    let mut records = records::story();
    if let Record::Header(header) = &mut records[0] {
        header.lost.cause = "Falco does not deliver read, mkdir".into();
    }
    records.extend((1..4).map(|n| records::call(START + n * SECOND)));
    for n in 0..5 {
        let path = format!("/etc/secret{n}");
        records.extend([records::file(&path), records::read(&path, START + 5 * SECOND + n)]);
    }
    records.extend(records::beginning());
    records.extend([records::call(START + 9 * SECOND), records::call(START + 61 * SECOND)]);
    records.extend((0..8).map(|n| records::call_from(41_000 + n, START + (64 + i64::from(n) * 5) * SECOND)));
    records.extend([records::call(START + 104 * SECOND), records::exec(START + 130 * SECOND)]);
    records
}

fn judged() -> Judged {
    let mut config = Config::default();
    config.alerts.max_distinct = 3;
    Judged::by(&config, &format!("{RULES}{STATEFUL}"))
}

#[test]
fn an_engine_that_was_cut_anywhere_tells_the_same() {
    let told = |alerts: &[Arc<sysflow_processor::alert::Alert>]| -> Vec<_> {
        alerts.iter().map(|alert| (alert.with_id(), alert.count)).collect()
    };
    let graph = GraphId::parse(&records::graph()).unwrap();
    let drawn = |judged: &Judged| {
        let document =
            sysflow_processor::api::document(&judged.world, graph, &sysflow_graph::Query::default()).unwrap();
        (document, judged.world.lock().missing.calls())
    };
    let mut whole = judged();
    let expected = [whole.take(long_story()), whole.finish()].concat();
    assert!(expected.len() > 6 && expected.iter().any(|alert| alert.count == 5), "{:?}", told(&expected));
    for rule in ["Call after a secret", "Old graph", "Rhythm"] {
        assert!(expected.iter().any(|alert| alert.rule == rule), "{rule}: {:?}", told(&expected));
    }
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

fn golden() -> std::path::PathBuf {
    let name = format!("../tests/data/engine-{}.state", sysflow_processor::checkpoint::FORMAT);
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Fails when what is kept has changed: raise checkpoint::FORMAT then, and write the file anew.
#[test]
fn a_state_of_this_format_is_read_as_it_was_written() {
    let bytes = std::fs::read(golden()).expect("a state of this format; see write_a_state_of_this_format");
    let (mut whole, mut kept) = (judged(), judged());
    let (first, rest) = (long_story()[..21].to_vec(), long_story()[21..].to_vec());
    whole.take(first.clone());
    kept.engine.restore(&bytes, sysflow_graph::Limits::default()).unwrap();
    assert_eq!(kept.engine.next(&sysflow_processor::engine::Stream::new([7; 16], "").id), 21);
    kept.skip(21);
    let told = |judged: &mut Judged| -> Vec<_> {
        let alerts = [judged.take(rest.clone()), judged.finish()].concat();
        alerts.iter().map(|alert| (alert.with_id(), alert.count)).collect()
    };
    assert_eq!(told(&mut kept), told(&mut whole));
    let drawn = |judged: &Judged| {
        let graph = GraphId::parse(&records::graph()).unwrap();
        let document =
            sysflow_processor::api::document(&judged.world, graph, &sysflow_graph::Query::default()).unwrap();
        let state = judged.world.lock();
        (document, state.missing.calls(), state.alerts.count(None))
    };
    assert_eq!(drawn(&kept), drawn(&whole));
}

/// `cargo test -p sysflow-processor -- --ignored write_a_state`
#[test]
#[ignore = "writes into the repository"]
fn write_a_state_of_this_format() {
    let mut judged = judged();
    judged.take(long_story()[..21].to_vec());
    std::fs::write(golden(), judged.engine.snapshot().unwrap().bytes).unwrap();
}

/// Whatever the bytes are, an engine takes them or refuses them, and goes on.
#[test]
fn an_engine_survives_a_snapshot_that_somebody_made_up() {
    let mut judged_before = judged();
    judged_before.take(long_story());
    let whole = judged_before.engine.snapshot().unwrap().bytes;
    let restored = |bytes: &[u8]| {
        let mut judged = judged();
        let result = judged.engine.restore(bytes, sysflow_graph::Limits::default());
        result.map(|()| {
            judged.take(long_story());
            judged.take(vec![records::call(START + 500 * SECOND)]);
            let graphs = judged.world.lock().graphs.list("", 10).graphs;
            for graph in graphs {
                let query = sysflow_graph::Query::default();
                _ = sysflow_processor::api::document(
                    &judged.world,
                    GraphId::parse(&graph.id).unwrap(),
                    &query,
                );
            }
            judged.engine.snapshot().unwrap();
        })
    };
    assert!(restored(&whole).is_ok());
    assert!(restored(&[&whole[..], &[0]].concat()).is_err(), "more than a state");
    for cut in (0..whole.len()).step_by(7) {
        assert!(restored(&whole[..cut]).is_err(), "cut at {cut}");
    }
    let (mut taken, mut refused) = (0, 0);
    let mut seed = 1_u64;
    for _ in 0..400 {
        let mut bytes = whole.clone();
        // Also long runs of 0xff: lengths and numbers as large as they can be.
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let at = (seed >> 33) as usize % bytes.len();
        match seed >> 30 & 3 {
            0 => bytes[at] ^= 1 << (seed >> 60 & 7),
            1 => bytes[at] = 0xff,
            2 => bytes[at] = 0,
            _ => bytes.splice(at..=at, [0xff; 9].into_iter().chain([0x01])).for_each(drop),
        }
        match std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| restored(&bytes))) {
            Ok(Ok(())) => taken += 1,
            Ok(Err(_)) => refused += 1,
            Err(panic) => {
                // A count at its end wraps in the program that users run; only this build checks for that.
                let says = panic.downcast_ref::<&str>().copied().unwrap_or("something else");
                assert_eq!(says, "attempt to add with overflow", "seed {seed}");
            }
        }
    }
    assert!(taken > 5 && refused > 5, "taken {taken}, refused {refused}");
}

#[test]
#[cfg(debug_assertions)]
fn a_record_on_which_the_engine_panicked_is_not_kept_as_judged() {
    let mut judged = judged();
    judged.take(records::beginning());
    // The numbers of records end here, which connections refuse.
    let stream = Arc::new(sysflow_processor::engine::Stream::new([7; 16], records::NODE));
    let batch = sysflow_processor::engine::Batch {
        stream,
        first: u64::MAX,
        records: vec![records::call(START), records::call(START)],
    };
    let panicked =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| judged.engine.take(&batch, false)));
    assert!(panicked.is_err());
    let error = judged.engine.snapshot().unwrap_err();
    assert!(error.to_string().contains("panicked"), "{error}");
}

/// Prints how long a snapshot of 10,000 graphs holds the engine:
/// `cargo test --release -p sysflow-processor -- --ignored --nocapture snapshot_of_many_graphs`.
#[test]
#[ignore = "a measurement, takes a minute"]
fn snapshot_of_many_graphs() {
    let mut judged = judged();
    judged.world.lock().graphs = sysflow_graph::Graphs::new(sysflow_graph::Limits {
        graphs: 10_000,
        ..sysflow_graph::Limits::default()
    });
    judged.take(vec![records::header()]);
    for root in 0..10_000 {
        judged.take(records::session(root));
    }
    let graphs = judged.world.lock().graphs.len();
    let measure = |what: &str, judged: &Judged| {
        let began = Instant::now();
        let frozen = judged.engine.freeze().unwrap();
        let held = began.elapsed();
        let bytes = frozen.bytes().unwrap().bytes.len();
        println!("{graphs} graphs, {what}: held for {held:?}, {:?} in all, {bytes} bytes", began.elapsed());
    };
    measure("450,000 entities", &judged);
    // Where checkpoints are taken: a header has just emptied the tables.
    judged.take(vec![records::header()]);
    for _ in 0..3 {
        measure("after a header", &judged);
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
    config.inputs.push(Input { socket: dir.join("s.sock"), ..Default::default() });
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
