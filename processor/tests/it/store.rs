//! The Parquet store of a running service.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use sysflow::Record;
use sysflow_processor::config::{Config, Input};
use sysflow_processor::service::{Parts, Service};
use sysflow_processor::stop::Stop;

use crate::api::get;
use crate::cli::{self, eventually, sysflow};
use crate::falcosidekick::Falcosidekick;
use crate::plugin::Plugin;
use crate::records::{self, RULES, SECOND, START};

fn configuration(dir: &Path) -> Config {
    let rules = dir.join("rules.yaml");
    std::fs::write(&rules, RULES).unwrap();
    let mut config = Config::default();
    config.api.listen = "127.0.0.1:0".parse().unwrap();
    config.rules.files.push(rules);
    config.store = Some(dir.join("store"));
    config.inputs.push(Input { socket: dir.join("s.sock"), ..Default::default() });
    config
}

/// Starts a service, lets `with` use it, and ends it.
fn serve<T>(config: &Config, with: impl FnOnce(&mut Service) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let stop = Stop::default();
    let mut service = Service::start(config, Parts::default(), runtime.handle(), &stop).unwrap();
    let result = with(&mut service);
    stop.stop();
    service.shut_down(runtime.handle(), Duration::ZERO).unwrap();
    result
}

fn deliver(config: &Config, first: u64, records: &[Record]) {
    let (mut plugin, _) = Plugin::welcome(&config.inputs[0].socket, first);
    plugin.frame(first, records);
    plugin.until_stored(first + records.len() as u64);
}

fn ask(address: SocketAddr, body: &Value) -> (u16, Value) {
    let body = body.to_string();
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    write!(
        socket,
        "POST /api/v1/query HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}")))
}

fn count(address: SocketAddr, condition: &str) -> usize {
    let (status, answer) = ask(address, &json!({ "condition": condition }));
    assert_eq!(status, 200, "{answer}");
    answer["rows"].as_array().unwrap().len()
}

/// Lines of `sysflow query`.
fn query(store: &Path, arguments: &[&str]) -> Vec<Value> {
    let output = sysflow().arg("query").args(arguments).arg("--store").arg(store).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn story_rows() -> usize {
    records::story().iter().filter(|record| record.proc_oid().is_some()).count()
}

#[test]
fn what_was_judged_can_be_asked_at_once_and_after_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let config = configuration(dir.path());
    let rows = story_rows() + 1;
    let live = serve(&config, |service| {
        deliver(&config, 0, &records::story());
        deliver(&config, 8, &[records::call(START + SECOND)]);
        service.drain_inputs();
        let address = service.address().unwrap();
        assert_eq!(count(address, "sf.type exists"), rows);
        let stored = service.metrics().store_rows.get();
        assert!(stored < rows as u64, "what came after the first checkpoint is in no file yet");
        let graph = records::graph();
        let (_, drawn) = ask(address, &json!({ "condition": "proc.name = sh", "as": "graph" }));
        assert_eq!(drawn["id"], graph);
        get(address, &format!("/api/v1/graphs/{graph}")).json()
    });
    let store = dir.path().join("store");
    assert_eq!(query(&store, &["sf.type exists", "-o", "json"]).len(), rows);
    let shells = query(&store, &["proc.name = sh and evt.type = execve", "-o", "json"]);
    assert_eq!(shells.len(), 1, "{shells:?}");
    assert!(
        shells[0]["sf.rules"].as_array().is_some_and(|rules| !rules.is_empty()),
        "as it was judged: {shells:?}"
    );
    let stored = query(&store, &["sf.type exists", "-o", "graph"]).remove(0);
    assert_eq!(stored["nodes"], live["nodes"], "the graph is the live one");
    assert_eq!(stored["edges"], live["edges"]);
    assert_eq!(stored["alerts"].as_array().map(Vec::len), live["alerts"].as_array().map(Vec::len));
    let sql = "SELECT \"sf.proc.name\" AS name, count(*) AS n FROM records GROUP BY 1 ORDER BY 1";
    let by_name = query(&store, &["--sql", sql, "-o", "json"]);
    let total: u64 = by_name.iter().filter_map(|row| row["n"].as_u64()).sum();
    assert_eq!(total, rows as u64);
}

#[test]
fn a_graph_that_is_not_live_any_more_comes_from_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = configuration(dir.path());
    serve(&config, |service| {
        deliver(&config, 0, &records::story());
        service.drain_inputs();
    });
    // Another process reads the same store, and has no graphs in memory.
    config.parquet.url = Some(dir.path().join("store").display().to_string());
    config.store = None;
    serve(&config, |service| {
        let address = service.address().unwrap();
        assert_eq!(service.world().lock().graphs.len(), 0);
        let answer = get(address, &format!("/api/v1/graphs/{}", records::graph()));
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert!(!answer.json()["nodes"].as_array().unwrap().is_empty());
        assert_eq!(get(address, &format!("/api/v1/graphs/{}", "0".repeat(32))).status, 404);
    });
}

#[test]
fn rows_are_there_once_whatever_became_of_the_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let config = configuration(dir.path());
    let checkpoint = dir.path().join("store/state/checkpoint");
    let all = || query(&dir.path().join("store"), &["sf.type exists", "-o", "json"]).len();
    serve(&config, |service| {
        deliver(&config, 0, &records::story());
        service.drain_inputs();
    });
    let old = std::fs::read(&checkpoint).unwrap();
    let more = |n: i64| records::call(START + n * SECOND);
    serve(&config, |service| {
        deliver(&config, 8, &[more(1), more(2)]);
        service.drain_inputs();
    });
    assert_eq!(all(), story_rows() + 2);
    // As after a kill: the checkpoint is older than the rows. And as after a damage: there is none.
    for bytes in [Some(old), None] {
        match bytes {
            Some(bytes) => std::fs::write(&checkpoint, bytes).unwrap(),
            None => std::fs::remove_file(&checkpoint).unwrap(),
        }
        serve(&config, |service| {
            assert_eq!(count(service.address().unwrap(), "sf.type exists"), story_rows() + 2);
        });
        assert_eq!(all(), story_rows() + 2);
    }
    // And as after a kill between the archive and the store: rows that are missing are made again.
    std::fs::remove_dir_all(dir.path().join("store/parquet")).unwrap();
    std::fs::remove_file(&checkpoint).unwrap();
    serve(&config, |_| ());
    assert_eq!(all(), story_rows() + 2);
}

#[test]
fn a_service_that_is_killed_stores_each_row_once() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let sidekick = runtime.block_on(Falcosidekick::start());
    let path = dir.path().join("s.sock");
    let mut expected = records::beginning();
    expected.extend((0..60_i64).map(|n| records::call(START + n * SECOND)));
    let parquet = "parquet: { flush_seconds: 1, flush_rows: 3 }\n";
    let mut sent = 0;
    while sent < expected.len() {
        let running = cli::Running::with(dir.path(), &sidekick.url, parquet);
        let (mut plugin, stored) = Plugin::welcome(&path, sent as u64);
        assert_eq!(stored, sent as u64);
        let end = (sent + 9).min(expected.len());
        plugin.frame(sent as u64, &expected[sent..end]);
        plugin.until_stored(end as u64);
        sent = end;
        // At another moment each time: before, while and after files are written.
        std::thread::sleep(Duration::from_millis(7 * (sent as u64 % 13)));
        drop(running);
    }
    let running = cli::Running::with(dir.path(), &sidekick.url, parquet);
    let rows = expected.iter().filter(|record| record.proc_oid().is_some()).count();
    assert_eq!(count(running.address(), "sf.type exists"), rows);
    running.stop();
    let store = dir.path().join("store");
    let stored = query(&store, &["sf.type exists", "-o", "json"]);
    assert_eq!(stored.len(), rows);
    let numbers =
        query(&store, &["--sql", "SELECT count(DISTINCT \"raw.record\") AS n FROM records", "-o", "json"]);
    assert_eq!(numbers[0]["n"], rows);
}

#[test]
fn a_store_that_refuses_is_tried_again_and_holds_up_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = configuration(dir.path());
    config.parquet.flush_seconds = 1;
    config.parquet.flush_rows = 2;
    let rows = serve(&config, |service| {
        // A file stands where the directory of the node has to be, as if the disk refused.
        let obstacle = dir.path().join("store/parquet/node=node-1");
        std::fs::write(&obstacle, "").unwrap();
        deliver(&config, 0, &records::story());
        service.drain_inputs();
        let address = service.address().unwrap();
        eventually("the failure is counted", || (service.metrics().store_errors.get() > 0).then_some(()));
        // The listing fails too while that file is there; alerts and graphs go on.
        assert_eq!(get(address, "/api/v1/graphs").json()["total"], 1);
        std::fs::remove_file(&obstacle).unwrap();
        eventually("the rows are stored", || {
            (service.metrics().store_rows.get() == story_rows() as u64).then_some(())
        });
        count(address, "sf.type exists")
    });
    assert_eq!(rows, story_rows());
}

#[test]
fn questions_that_cannot_be_asked_say_why() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = configuration(dir.path());
    let wrong = [
        (json!({}), 400),
        (json!({ "condition": "sf.type = PE", "sql": "SELECT 1" }), 400),
        (json!({ "condition": "sf.nothing = 1" }), 400),
        (json!({ "condition": "sf.type = PE", "since": "yesterday" }), 400),
        (json!({ "condition": "sf.type = PE", "what": 1 }), 400),
        (json!({ "sql": "SELECT 1" }), 403),
    ];
    serve(&config, |service| {
        let address = service.address().unwrap();
        for (body, status) in &wrong {
            let (answered, problem) = ask(address, body);
            assert_eq!(answered, *status, "{body}: {problem}");
            assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{problem}");
        }
    });
    config.api.sql = true;
    serve(&config, |service| {
        let address = service.address().unwrap();
        let (status, answer) = ask(address, &json!({ "sql": "SELECT 1 AS one" }));
        assert_eq!((status, &answer["rows"]), (200, &json!([[1]])), "{answer}");
        for statement in ["DROP TABLE records", "SELECT * FROM '/etc/passwd'", "SET a = 1"] {
            assert_eq!(ask(address, &json!({ "sql": statement })).0, 400, "{statement}");
        }
    });
    config.parquet.enabled = false;
    serve(&config, |service| {
        assert_eq!(ask(service.address().unwrap(), &json!({ "condition": "sf.type = PE" })).0, 404);
    });
    for arguments in
        [&["sf.type = PE", "--store", "/nowhere"][..], &["--store", "/tmp"], &["sf.x = 1", "--store", "/tmp"]]
    {
        let output = sysflow().arg("query").args(arguments).output().unwrap();
        assert!(!output.status.success() && output.stdout.is_empty(), "{arguments:?}");
        assert!(!output.stderr.is_empty());
    }
}

#[test]
fn closed_files_of_the_archive_are_copied_under_the_exporters_keys() {
    use sysflow_processor::store::upload::Uploads;
    let dir = tempfile::tempdir().unwrap();
    let mut config = configuration(dir.path());
    // Two headers: the first file is closed when the second one comes.
    let mut records = records::story();
    records.extend(records::beginning());
    serve(&config, |service| {
        deliver(&config, 0, &records);
        service.drain_inputs();
    });
    config.archive.upload = Some(dir.path().join("bucket").display().to_string());
    config.archive.cluster = Some("../prod".into());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let store = dir.path().join("store");
    let open = || Uploads::open(&config.archive, &store).unwrap().expect("uploads are wanted");
    let closed = std::fs::read_dir(store.join("archive"))
        .unwrap()
        .filter(|file| {
            let path = file.as_ref().unwrap().path();
            sysflow::Reader::open(path).unwrap().codec() == sysflow::Codec::Deflate
        })
        .count();
    assert!(closed > 0, "a file is closed");
    assert_eq!(open().pass(runtime.handle()).unwrap(), closed);
    assert_eq!(open().pass(runtime.handle()).unwrap(), 0, "that is known after a restart");
    // As after a kill between an upload and its note: done again, in its own place.
    std::fs::remove_file(store.join("state/uploaded")).unwrap();
    assert_eq!(open().pass(runtime.handle()).unwrap(), closed);
    let mut found = Vec::new();
    let mut waiting = vec![dir.path().join("bucket")];
    while let Some(path) = waiting.pop() {
        for entry in std::fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { waiting.push(path) } else { found.push(path) }
        }
    }
    assert_eq!(found.len(), closed, "{found:?}");
    let key = found[0].strip_prefix(dir.path().join("bucket")).unwrap().display().to_string();
    let parts: Vec<_> = key.split('/').collect();
    let [cluster, node, year, month, day, name] = parts[..] else { panic!("{key}") };
    assert!(!cluster.starts_with('.') && cluster.contains("prod"), "{key}");
    assert_eq!((node, year, month, day), (records::NODE, "2026", "11", "24"), "{key}");
    assert_eq!(name, format!("{}.sf", START / SECOND), "{key}");
    let copied: Vec<_> = sysflow::Reader::open(&found[0]).unwrap().map(Result::unwrap).collect();
    assert_eq!(copied, records::story());
}
