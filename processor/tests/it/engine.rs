//! Records in, alerts out.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

use sysflow::Record;
use sysflow_processor::alert::Alert;
use sysflow_processor::config::{Config, Rules};
use sysflow_processor::engine::{Batch, Engine, Judge, Stream, Told};
use sysflow_processor::metrics::Metrics;
use sysflow_processor::world::World;

use crate::records::{self, RULES, SECOND, START};

pub(crate) struct Judged {
    pub(crate) engine: Engine,
    pub(crate) world: Arc<World>,
    pub(crate) told: Receiver<Told>,
    pub(crate) metrics: Arc<Metrics>,
    stream: Arc<Stream>,
    next: u64,
    rules: tempfile::NamedTempFile,
}

impl Judged {
    pub(crate) fn new(config: &Config) -> Self {
        Self::by(config, RULES)
    }

    pub(crate) fn by(config: &Config, text: &str) -> Self {
        let rules = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(rules.path(), text).unwrap();
        let judge = Judge::load(&Rules { files: vec![rules.path().to_owned()], min_priority: None }).unwrap();
        let world = Arc::new(World::new(sysflow_graph::Limits::default(), 1000));
        let (tell, told) = sync_channel(10_000);
        let url = "http://127.0.0.1:8686";
        let metrics = Arc::new(Metrics::default());
        let engine = Engine::new(judge, config, url, Arc::clone(&world), Arc::clone(&metrics), tell);
        Self {
            engine,
            world,
            told,
            metrics,
            stream: Arc::new(Stream::new([7; 16], records::NODE)),
            next: 0,
            rules,
        }
    }

    pub(crate) fn take(&mut self, records: Vec<Record>) -> Vec<Arc<Alert>> {
        let batch = Batch { stream: Arc::clone(&self.stream), first: self.next, records };
        self.next += batch.records.len() as u64;
        self.engine.take(&batch, false);
        self.drain()
    }

    /// Says that nothing has come for so long.
    pub(crate) fn idle(&self, ns: i64) {
        self.engine.idle(&self.stream, ns);
    }

    /// The file that its rules come from.
    pub(crate) fn rules_file(&self) -> &std::path::Path {
        self.rules.path()
    }

    /// Says that so many records were judged elsewhere.
    pub(crate) fn skip(&mut self, records: u64) {
        self.next += records;
    }

    pub(crate) fn finish(&mut self) -> Vec<Arc<Alert>> {
        self.engine.finish();
        self.drain()
    }

    fn drain(&self) -> Vec<Arc<Alert>> {
        self.told.try_iter().map(|told| told.alert).collect()
    }
}

fn judged(window: u32, max_distinct: u32) -> Judged {
    let mut config = Config::default();
    config.alerts.window = window;
    config.alerts.max_distinct = max_distinct;
    Judged::new(&config)
}

fn rules(alerts: &[Arc<Alert>]) -> Vec<(&str, u64)> {
    alerts.iter().map(|alert| (alert.rule.as_str(), alert.count)).collect()
}

#[test]
fn a_story_gives_its_alerts_with_all_their_fields() {
    let alerts = judged(60, 100).take(records::story());
    assert_eq!(rules(&alerts), [("Shell of a server", 1), ("Secret read", 1), ("Call home", 1)]);
    let shell = serde_json::from_str::<serde_json::Value>(&alerts[0].with_id()).unwrap();
    assert_eq!(shell["time"], "2026-11-24T02:59:32.000000001Z");
    assert_eq!(shell["hostname"], "node-1");
    assert_eq!(shell["tags"], serde_json::json!(["T1059", "T1059.004", "mitre_execution"]));
    let graph = records::graph();
    assert_eq!(
        shell["output"],
        format!("02:59:32.000000001: Warning shell (cmdline=/bin/sh -c id) (graph={graph})")
    );
    let fields = &shell["output_fields"];
    for (name, value) in [
        ("sf.alert.id", alerts[0].id.clone()),
        ("sf.graphid", graph.clone()),
        ("sf.graph_url", format!("http://127.0.0.1:8686/g/{graph}?at={}", START + 1)),
        ("sf.type", "PE".into()),
        ("sf.opflags", "EXEC".into()),
        ("sf.proc.exe", "/bin/sh".into()),
        ("sf.proc.name", "sh".into()),
        ("sf.proc.cmdline", "/bin/sh -c id".into()),
        ("sf.proc.user", "node".into()),
        ("sf.pproc.cmdline", "/usr/bin/node server.js".into()),
        ("sf.container.name", "shop".into()),
        ("sf.container.image", "shop:1".into()),
        ("container.id", "0123456789ab".into()),
    ] {
        assert_eq!(fields[name], value, "{name}");
    }
    assert_eq!(fields["sf.proc.pid"], 101);
    assert_eq!(fields["sf.pproc.pid"], 100);
    assert!(fields["sf.node"].as_str().unwrap().starts_with("p:"));
    assert!(fields.get("sf.file.path").is_none() && fields.get("k8s.ns.name").is_none(), "absent, not empty");
    let call = &alerts[2].output_fields;
    assert_eq!((&call["sf.net.dip"], &call["sf.net.dport"]), (&"198.51.100.77".into(), &8443.into()));
    assert_eq!(call["sf.flow.wbytes"], 26);
}

#[test]
fn repetitions_are_one_alert_and_one_count() {
    let mut judged = judged(60, 100);
    judged.take(records::beginning());
    let first = judged.take(vec![records::call(START)]);
    let repeated = judged.take((1..5).map(|n| records::call(START + n * SECOND)).collect());
    assert_eq!((rules(&first), repeated.len()), (vec![("Call home", 1)], 0));
    // The window ends with the first record beyond it; the same happens again then, as a new alert.
    let later = judged.take(vec![records::call(START + 61 * SECOND)]);
    assert_eq!(rules(&later), [("Call home", 5), ("Call home", 1)]);
    assert_eq!(later[0].id, first[0].id, "an update has the id of what it updates");
    assert_eq!(later[0].field("sf.alert.id"), Some(first[0].id.as_str()), "also for Falcosidekick");
    assert_ne!(later[1].id, first[0].id);
    assert_eq!(later[0].ts, START + 4 * SECOND, "time of the record that completed the count");
    assert!(later[0].output.contains("(5 times)") && later[0].output_fields["sf.count"] == 5);
    assert_eq!(rules(&judged.finish()), [], "one match needs no count");
}

#[test]
fn a_count_does_not_wait_for_another_record() {
    let mut judged = judged(60, 100);
    judged.take(records::beginning());
    let first = judged.take(vec![records::call(START), records::call(START + SECOND)]);
    let stream = Stream::new([7; 16], records::NODE);
    judged.engine.idle(&stream, 10 * SECOND);
    assert_eq!(rules(&judged.drain()), []);
    judged.engine.idle(&stream, 60 * SECOND);
    let count = judged.drain();
    assert_eq!((rules(&count), &count[0].id), (vec![("Call home", 2)], &first[0].id));
    let later = judged.take(vec![records::call(START + 62 * SECOND)]);
    assert_eq!(rules(&later), [("Call home", 1)], "as if the quiet had not been looked at");
}

#[test]
fn of_many_objects_some_are_told_and_the_rest_is_counted() {
    let mut judged = judged(60, 3);
    judged.take(records::beginning());
    let reads = |n: i64| {
        let path = format!("/etc/secret{n}");
        vec![records::file(&path), records::read(&path, START + n)]
    };
    let told = judged.take((0..10).flat_map(reads).collect());
    assert_eq!(told.len(), 3);
    let rest = judged.finish();
    assert_eq!(rules(&rest), [("Secret read", 7)]);
    assert!(rest[0].output.contains("7 more objects"), "{}", rest[0].output);
    assert!(rest[0].field("sf.file.path").is_none(), "it is about many files");
    assert!(rest[0].graph().is_some());
}

#[test]
fn ids_are_the_same_however_the_records_are_cut() {
    let whole: Vec<_> = judged(60, 100).take(records::story()).iter().map(|alert| alert.id.clone()).collect();
    let mut pieces = judged(60, 100);
    let single: Vec<_> = records::story()
        .into_iter()
        .flat_map(|record| pieces.take(vec![record]))
        .map(|alert| alert.id.clone())
        .collect();
    assert_eq!(whole, single);
    assert!(whole.iter().all(|id| id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit())));
}

#[test]
fn records_that_come_again_are_not_judged_again() {
    let mut judged = judged(60, 100);
    judged.take(records::story());
    judged.next = 0;
    assert_eq!(judged.take(records::story()).len(), 0);
    assert_eq!(judged.finish().len(), 0, "and do not count");
}

#[test]
fn graphs_know_their_alerts() {
    let mut judged = judged(60, 100);
    let alerts = judged.take(records::story());
    let id = sysflow::GraphId::parse(&records::graph()).unwrap();
    let document =
        sysflow_processor::api::document(&judged.world, id, &sysflow_graph::Query::default()).unwrap();
    let ids: Vec<_> = document.alerts.iter().map(|alert| alert["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids, alerts.iter().map(|alert| alert.id.clone()).collect::<Vec<_>>());
    assert_eq!(document.alert_ids().len(), 3);
}

#[test]
fn windows_that_end_while_the_archive_is_judged_are_of_before_too() {
    let judged = judged(60, 100);
    let take = |stream: u8, records| {
        let stream = Arc::new(Stream::new([stream; 16], records::NODE));
        judged.engine.take(&Batch { stream, first: 0, records }, true);
    };
    let repeated = [records::beginning(), vec![records::call(START), records::call(START + SECOND)]].concat();
    take(0, repeated);
    // More streams than are kept: the first one ends.
    (1..=64).for_each(|stream| take(stream, vec![records::header()]));
    let told: Vec<_> = judged.told.try_iter().collect();
    assert!(told.iter().any(|told| told.alert.count == 2));
    assert!(told.iter().all(|told| told.again), "nothing is written anew at each start");
}
