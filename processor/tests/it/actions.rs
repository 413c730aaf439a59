//! Rules that do something else than raise an alert, and records that are exported.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use sysflow::{GraphId, Record};
use sysflow_processor::config::{Config, Export, ExportForm, ExportMode, Input};
use sysflow_processor::service::{Parts, Service};
use sysflow_processor::stop::Stop;

use crate::engine::Judged;
use crate::plugin::Plugin;
use crate::records::{self, RULES, SECOND, START};

/// The story's three rules, each with an action.
fn with_actions(shell: &str, secret: &str, call: &str) -> String {
    let mut text = RULES.to_owned();
    for (name, action) in [("Shell of a server", shell), ("Secret read", secret), ("Call home", call)] {
        text = text.replace(&format!("- rule: {name}\n"), &format!("- rule: {name}\n  action: {action}\n"));
    }
    text
}

#[test]
fn a_rule_that_tags_marks_the_graph_and_raises_nothing() {
    let mut judged = Judged::by(&Config::default(), &with_actions("tag", "tag", "alert"));
    let alerts = judged.take(records::story());
    let told: Vec<_> = alerts.iter().map(|alert| alert.rule.as_str()).collect();
    assert_eq!(told, ["Call home"]);
    let id = GraphId::parse(&records::graph()).unwrap();
    let document =
        sysflow_processor::api::document(&judged.world, id, &sysflow_graph::Query::default()).unwrap();
    let document = serde_json::to_value(&document).unwrap();
    let tagged = |kind: &str, tag: &str| {
        let nodes = document["nodes"].as_array().unwrap().iter();
        nodes
            .filter(|node| node["kind"] == kind)
            .any(|node| node["tags"].as_array().unwrap().contains(&tag.into()))
    };
    assert!(tagged("process", "T1059.004") && tagged("process", "T1003.008") && tagged("files", "T1003.008"));
    assert!(!tagged("net", "T1003.008"), "{document}");
    assert_eq!(judged.world.lock().alerts.count(None), 1);
}

#[test]
fn what_a_rule_drops_raises_nothing_and_is_drawn_all_the_same() {
    let text = with_actions("drop", "alert", "alert");
    let also =
        "- rule: Any shell\n  desc: d\n  condition: sf.proc.name = sh\n  output: o\n  priority: EMERGENCY\n";
    let mut judged = Judged::by(&Config::default(), &format!("{text}{also}"));
    let told: Vec<_> = judged.take(records::story()).iter().map(|alert| alert.rule.clone()).collect();
    assert_eq!(told, ["Secret read", "Any shell", "Call home", "Any shell"], "but for the execution");
    assert_eq!(judged.world.lock().graphs.list("", 10).graphs[0].records, 3);
}

fn export(file: &Path, mode: ExportMode) -> Export {
    Export { file: file.to_owned(), mode, format: ExportForm::Json, max_mib: 100, keep: 2 }
}

struct Setup {
    dir: tempfile::TempDir,
    config: Config,
}

impl Setup {
    fn new(rules: &str, exports: &[(&str, ExportMode)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        let file = dir.path().join("rules.yaml");
        std::fs::write(&file, rules).unwrap();
        config.rules.files.push(file);
        config.store = Some(dir.path().join("store"));
        config.inputs.push(Input { socket: dir.path().join("s.sock"), ..Default::default() });
        config.exports = exports.iter().map(|(name, mode)| export(&dir.path().join(name), *mode)).collect();
        Self { dir, config }
    }

    /// Lets a service take records of the stream from `first` on.
    fn deliver(&self, first: u64, records: &[Record]) {
        Self::deliver_to(&self.config, first, records);
    }

    fn deliver_to(config: &Config, first: u64, records: &[Record]) {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let parts = Parts { no_api: true, ..Parts::default() };
        let mut service = Service::start(config, parts, runtime.handle(), &Stop::default()).unwrap();
        if !records.is_empty() {
            let (mut plugin, stored) = Plugin::welcome(&config.inputs[0].socket, first);
            assert_eq!(stored, first);
            plugin.frame(first, records);
            plugin.until_stored(first + records.len() as u64);
            drop(plugin);
        }
        service.drain_inputs();
        service.shut_down(runtime.handle(), Duration::ZERO).unwrap();
    }

    fn lines(&self, name: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(self.dir.path().join(name)).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn checkpoint(&self) -> std::path::PathBuf {
        self.dir.path().join("store/state/checkpoint")
    }
}

/// Kinds of records, and the rules that each matched.
fn kinds(lines: &[Value]) -> Vec<(String, Vec<String>)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    lines
        .iter()
        .map(|line| {
            let rules = line["policies"].as_array().into_iter().flatten().map(|policy| text(&policy["id"]));
            (text(&line["type"]), rules.collect())
        })
        .collect()
}

#[test]
fn records_go_to_the_exports_that_want_them() {
    let setup = Setup::new(
        &with_actions("export", "alert", "tag"),
        &[("e", ExportMode::Export), ("a", ExportMode::Alert), ("all", ExportMode::Enrich)],
    );
    setup.deliver(0, &records::story());
    let of = |kind: &str, rule: &str| (kind.to_owned(), vec![rule.to_owned()]);
    let (shell, secret, call) =
        (of("PE", "Shell of a server"), of("FF", "Secret read"), of("NF", "Call home"));
    assert_eq!(kinds(&setup.lines("e")), std::slice::from_ref(&shell));
    assert_eq!(kinds(&setup.lines("a")), [shell.clone(), secret.clone()]);
    let all = setup.lines("all");
    assert_eq!(kinds(&all), [shell, secret, call]);
    assert_eq!(all[2]["tags"], serde_json::json!(["T1571"]));
    assert_eq!(all[2]["net"]["dport"], 8443);
    let mode =
        std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(setup.dir.path().join("all")).unwrap());
    assert_eq!(mode & 0o777, 0o600, "command lines may hold secrets");
}

#[test]
fn what_is_dropped_is_not_exported_and_the_other_form_is_ecs() {
    let mut setup = Setup::new(&with_actions("drop", "alert", "alert"), &[("all", ExportMode::Enrich)]);
    setup.config.exports[0].format = ExportForm::Ecs;
    setup.deliver(0, &records::story());
    let lines = setup.lines("all");
    let actions: Vec<_> = lines.iter().map(|line| line["event"]["sf_type"].as_str().unwrap()).collect();
    assert_eq!(actions, ["FF", "NF"]);
}

/// Whether the last checkpoint is of the end, of before, or there is none.
#[test]
fn each_record_is_exported_once_over_restarts() {
    let setup = Setup::new(RULES, &[("all", ExportMode::Enrich)]);
    setup.deliver(0, &records::story());
    let first = std::fs::read(setup.checkpoint()).unwrap();
    let next = records::story().len() as u64;
    setup.deliver(next, &[records::call(START + SECOND)]);
    assert_eq!(setup.lines("all").len(), 4);
    // As after a kill: what came after the checkpoint is judged anew.
    std::fs::write(setup.checkpoint(), first).unwrap();
    setup.deliver(next + 1, &[records::call(START + 2 * SECOND)]);
    assert_eq!(setup.lines("all").len(), 5);
    std::fs::remove_file(setup.checkpoint()).unwrap();
    setup.deliver(next + 2, &[]);
    assert_eq!(setup.lines("all").len(), 5);
}

#[test]
fn an_export_that_is_new_does_not_tell_what_was_before_it() {
    let setup = Setup::new(RULES, &[("all", ExportMode::Enrich)]);
    let without = Config { exports: Vec::new(), ..setup.config.clone() };
    let next = records::story().len() as u64;
    Setup::deliver_to(&without, 0, &records::story());
    for _ in 0..2 {
        std::fs::remove_file(setup.checkpoint()).unwrap();
        setup.deliver(next, &[]);
        assert_eq!(setup.lines("all").len(), 0);
    }
    setup.deliver(next, &[records::call(START + SECOND)]);
    assert_eq!(kinds(&setup.lines("all")).len(), 1);
}

/// A disk that is full costs the records of its file, which are counted, and nothing else.
#[test]
fn an_export_that_cannot_be_written_holds_up_nothing() {
    let metrics = Arc::new(sysflow_processor::metrics::Metrics::default());
    let full = [export(Path::new("/dev/full"), ExportMode::Enrich)];
    let exports = sysflow_processor::exports::Exports::open(&full, None, Arc::clone(&metrics)).unwrap();
    let mut judged = Judged::new(&Config::default());
    judged.engine = judged.engine.with_exports(Arc::new(exports));
    assert_eq!(judged.take(records::story()).len(), 3);
    assert_eq!((metrics.exported.get(), metrics.exports_dropped.get()), (0, 3));
}
