//! A whole service in this process, asked over HTTP.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;
use sysflow::Record;
use sysflow::record::{Header, Loss};
use sysflow_processor::config::{Config, Input};
use sysflow_processor::service::{Parts, Service};
use sysflow_processor::stop::Stop;

use crate::plugin::Plugin;
use crate::records::{self, RULES};

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.body))
    }
}

pub(crate) fn request(address: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    send(address, method, path, headers, None)
}

/// A request with a body.
pub(crate) fn send(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&str>,
) -> Answer {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut head = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
    if !headers.iter().any(|(name, _)| *name == "host") {
        head = format!("{head}host: {address}\r\n");
    }
    for (name, value) in headers {
        head = format!("{head}{name}: {value}\r\n");
    }
    if let Some(body) = body {
        head = format!("{head}content-length: {}\r\n", body.len());
    }
    // It may answer before it has read everything.
    _ = socket.write_all((head + "\r\n" + body.unwrap_or_default()).as_bytes());
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
        .collect();
    Answer { status, headers, body: body.to_owned() }
}

pub(crate) fn get(address: SocketAddr, path: &str) -> Answer {
    request(address, "GET", path, &[])
}

/// A service that has taken the story.
pub(crate) struct Running {
    dir: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
    service: Option<Service>,
    pub(crate) address: SocketAddr,
    stop: Stop,
}

impl Running {
    pub(crate) fn start(change: impl FnOnce(&mut Config)) -> Self {
        Self::with(change, Parts::default())
    }

    fn with(change: impl FnOnce(&mut Config), parts: Parts) -> Self {
        Self::delivered(change, parts, &records::story())
    }

    fn delivered(change: impl FnOnce(&mut Config), parts: Parts, story: &[Record]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("rules.yaml"), RULES).unwrap();
        let mut config = Config::default();
        config.api.listen = "127.0.0.1:0".parse().unwrap();
        config.rules.files.push(dir.path().join("rules.yaml"));
        config.inputs.push(Input { socket: dir.path().join("s.sock"), ..Default::default() });
        change(&mut config);
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let stop = Stop::default();
        let mut service = Service::start(&config, parts, runtime.handle(), &stop).unwrap();
        let (mut plugin, _) = Plugin::welcome(&dir.path().join("s.sock"), 0);
        plugin.frame(0, story);
        plugin.until_stored(story.len() as u64);
        drop(plugin);
        service.drain_inputs();
        let address = service.address().unwrap();
        Self { dir, runtime, service: Some(service), address, stop }
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        get(self.address, path)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.stop();
        if let Some(service) = self.service.take() {
            service.shut_down(self.runtime.handle(), Duration::ZERO).unwrap();
        }
        assert!(TcpStream::connect(self.address).is_err(), "nobody listens after the end");
        assert!(!self.dir.path().join("s.sock").exists());
    }
}

#[test]
fn graphs_and_alerts_can_be_asked_for() {
    let running = Running::start(|_| {});
    let graph = records::graph();
    let list = running.get("/api/v1/graphs").json();
    assert_eq!((&list["total"], &list["graphs"][0]["id"]), (&1.into(), &graph.clone().into()));
    assert_eq!(list["graphs"][0]["severity"], "Critical");
    assert_eq!(running.get("/api/v1/graphs?q=nothing").json()["total"], 0);

    let answer = running.get(&format!("/api/v1/graphs/{graph}"));
    let document = answer.json();
    assert_eq!((&document["version"], &document["id"]), (&1.into(), &graph.clone().into()));
    let labels: Vec<_> =
        document["nodes"].as_array().unwrap().iter().map(|node| node["label"].as_str()).collect();
    assert!(labels.contains(&Some("sh")), "{labels:?}");
    assert_eq!(document["alerts"].as_array().unwrap().len(), 3);

    let alerts = running.get(&format!("/api/v1/alerts?graph={graph}&limit=2")).json();
    assert_eq!((alerts["alerts"].as_array().unwrap().len(), &alerts["total"]), (2, &3.into()));
    assert_eq!(alerts["alerts"][0]["rule"], "Call home", "newest first");
    assert_eq!(
        alerts["alerts"][0]["output_fields"]["sf.graph_url"].as_str().unwrap().split('?').next().unwrap(),
        format!("http://{}/g/{graph}", running.address)
    );
}

#[test]
fn a_graph_that_the_client_has_is_not_sent_again() {
    let running = Running::start(|_| {});
    let path = format!("/api/v1/graphs/{}", records::graph());
    let first = running.get(&path);
    let tag = first.headers["etag"].clone();
    let again = request(running.address, "GET", &path, &[("if-none-match", &tag)]);
    assert_eq!((again.status, again.body.as_str()), (304, ""));
    assert_eq!(request(running.address, "GET", &path, &[("if-none-match", "\"other\"")]).status, 200);
}

#[test]
fn mistakes_are_problems() {
    let running = Running::start(|_| {});
    for (method, path, status) in [
        ("GET", "/api/v1/graphs/00000000000000000000000000000000", 404),
        ("GET", "/api/v1/graphs/xyz", 400),
        ("GET", "/api/v1/graphs/../../etc/passwd", 404),
        ("GET", "/api/v1/graphs?limit=many", 400),
        ("GET", "/api/v1/graphs?lmit=1", 400),
        ("GET", "/api/v1/alerts?graph=1", 400),
        ("GET", "/api/v1/nothing", 404),
        ("GET", "/g/nothing", 400),
        ("GET", "/assets/../../Cargo.toml", 404),
        ("GET", "/assets/nothing.js", 404),
        ("POST", "/api/v1/graphs", 405),
        ("DELETE", "/", 405),
    ] {
        let answer = request(running.address, method, path, &[]);
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.body);
        assert_eq!(answer.headers["content-type"], "application/problem+json", "{method} {path}");
        let problem = answer.json();
        assert_eq!(problem["status"], status);
        assert!(
            !problem["title"].as_str().unwrap().is_empty() && !problem["detail"].as_str().unwrap().is_empty()
        );
    }
    let query = format!("/api/v1/graphs/{}?around=nowhere", records::graph());
    assert_eq!(running.get(&query).status, 400);
}

#[test]
fn the_page_is_told_what_it_has_to_know() {
    let running = Running::start(|config| config.api.falcosidekick_ui = Some("https://ui.example/".into()));
    let settings = running.get("/api/v1/settings").json();
    assert_eq!(settings["falcosidekick_ui"], "https://ui.example/#/events?since={since}&filter={graph}");
    for path in ["/", "/events", "/hunt"] {
        assert_eq!(running.get(path).status, 200, "{path}");
    }
}

#[test]
fn every_answer_is_guarded() {
    let running = Running::start(|_| {});
    for path in ["/", "/api/v1/graphs", "/healthz", "/nothing", "/g/00000000000000000000000000000000"] {
        let headers = running.get(path).headers;
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert!(
            headers["content-security-policy"].starts_with("default-src 'none'; script-src 'self'"),
            "{path}"
        );
        assert!(headers["content-security-policy"].contains("frame-ancestors 'none'"), "{path}");
    }
    assert_eq!(running.get("/api/v1/graphs").headers["cache-control"], "no-store");
}

/// What answers a method is what the description says; the paths themselves are compared where the routes are.
#[test]
fn every_method_is_described() {
    let running = Running::start(|_| {});
    let document = running.get("/api/openapi.json").json();
    assert_eq!(document["openapi"], "3.1.0");
    for (path, methods) in document["paths"].as_object().unwrap() {
        let real = path.replace("{id}", &records::graph()).replace("{path}", "x.js");
        for method in ["get", "post", "put", "patch", "delete"] {
            if path.ends_with("/stream") && method == "get" {
                // Never ends; its own test reads it.
                continue;
            }
            let json = [("content-type", "application/json")];
            let status = send(running.address, &method.to_uppercase(), &real, &json, Some("{}")).status;
            assert_eq!(status != 405, methods.get(method).is_some(), "{method} {path}: {status}");
        }
    }
}

#[test]
fn a_name_that_was_rebound_gets_nothing() {
    let running = Running::start(|config| config.api.public_url = Some("https://flow.example".into()));
    let status = |host: &str| request(running.address, "GET", "/api/v1/alerts", &[("host", host)]).status;
    assert_eq!(status("evil.example"), 421);
    assert_eq!(status(&format!("localhost:{}", running.address.port())), 200);
    assert_eq!(status("flow.example"), 200);
}

#[test]
fn probes_and_metrics() {
    let running = Running::start(|_| {});
    assert_eq!(running.get("/healthz").status, 200);
    assert_eq!(running.get("/readyz").status, 200);
    let metrics = running.get("/metrics").body;
    for line in [
        "sysflow_records_total{kind=\"PE\"} 1",
        "sysflow_alerts_total{priority=\"Warning\"} 1",
        "sysflow_frames_total 1",
        "sysflow_graphs 1",
        "sysflow_connections_total{result=\"closed\"} 1",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} in:\n{metrics}");
    }
}

#[test]
fn a_client_that_says_nothing_does_not_keep_others_waiting() {
    let running = Running::start(|_| {});
    let silent: Vec<_> = (0..50).map(|_| TcpStream::connect(running.address).unwrap()).collect();
    assert_eq!(running.get("/api/v1/graphs").status, 200);
    drop(silent);
}

#[test]
fn an_address_of_other_machines_needs_consent() {
    let mut config = Config::default();
    config.api.listen = "0.0.0.0:0".parse().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let error = Service::start(&config, Parts::default(), runtime.handle(), &Stop::default()).unwrap_err();
    assert!(error.to_string().contains("insecure"), "{error}");
    assert_eq!(error.exit_status(), 2);
}

/// An output with a defect.
struct Panics;

impl sysflow_processor::output::Output for Panics {
    fn alert(&mut self, _: &sysflow_processor::engine::Told) -> sysflow_processor::Result<()> {
        panic!("a defect, made for a test")
    }

    fn name(&self) -> &'static str {
        "panics"
    }
}

#[test]
fn a_part_that_panicked_is_told_by_the_probes() {
    let mut running = Running::with(|_| {}, Parts { outputs: vec![Box::new(Panics)], ..Parts::default() });
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while running.get("/readyz").status == 200 && std::time::Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
    }
    for probe in ["/readyz", "/healthz"] {
        let answer = running.get(probe);
        assert_eq!(answer.status, 503, "{probe}");
        assert!(answer.body.contains("the outputs panicked; restart the service"), "{}", answer.body);
    }
    running.stop.stop();
    let service = running.service.take().unwrap();
    let error = service.shut_down(running.runtime.handle(), Duration::ZERO).unwrap_err();
    assert!(error.to_string().contains("panicked"), "{error}");
}

/// The table of docs/operations.md is what is served, name by name.
#[test]
fn every_metric_stands_in_the_documentation() {
    let Record::Header(header) = records::header() else { unreachable!() };
    let cause = "Falco does not deliver read".to_owned();
    let mut story = records::story();
    story[0] = Record::Header(Header { lost: Loss { cause, ..Loss::default() }, ..header });
    let store = tempfile::tempdir().unwrap();
    let to_sidekick = |config: &mut Config| {
        config.parquet.url = Some(store.path().display().to_string());
        config.alerts.falcosidekick = Some(sysflow_processor::config::Sidekick::at("http://127.0.0.1:9/"));
    };
    let running = Running::delivered(to_sidekick, Parts::default(), &story);
    let served = running.get("/metrics").body;
    let mut served: Vec<_> =
        served.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect();
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operations.md");
    let text = std::fs::read_to_string(path).unwrap();
    let documented: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("| `sysflow_")?.split_once("` | "))
        .map(|(name, rest)| (format!("sysflow_{name}"), rest.split(' ').next().unwrap_or_default()))
        .collect();
    let mut documented: Vec<_> = documented.iter().map(|(name, kind)| (name.as_str(), *kind)).collect();
    documented.sort_unstable();
    served.sort_unstable();
    assert_eq!(served, documented);
}
