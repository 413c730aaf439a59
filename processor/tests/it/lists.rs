//! Alerts over HTTP: lists and their parts, those of others, and streams of what happens.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};

use crate::api::{Answer, Running, request, send};
use crate::records;

const JSON: (&str, &str) = ("content-type", "application/json");

fn falco(rule: &str, second: u32) -> Value {
    json!({
        "uuid": "0", "time": format!("2026-11-24T02:59:{second:02}.5Z"), "priority": "Notice", "rule": rule,
        "output": format!("02:59:{second:02}.5: Notice {rule}"), "source": "syscall", "hostname": "n1",
        "tags": ["T1059"], "output_fields": { "sf.graphid": records::graph(), "proc.name": "sh" },
    })
}

fn post(address: SocketAddr, alert: &Value) -> Answer {
    send(address, "POST", "/api/v1/alerts", &[JSON], Some(&alert.to_string()))
}

fn rules(answer: &Value) -> Vec<&str> {
    answer["alerts"].as_array().unwrap().iter().map(|alert| alert["rule"].as_str().unwrap()).collect()
}

#[test]
fn a_list_is_read_in_parts() {
    let running = Running::start(|_| {});
    let all = running.get("/api/v1/alerts").json();
    assert_eq!((all["total"].as_u64(), &all["next"]), (Some(3), &Value::Null));
    let (mut found, mut after) = (Vec::new(), String::new());
    for _ in 0..3 {
        let part = running.get(&format!("/api/v1/alerts?limit=1{after}")).json();
        assert_eq!(part["total"], 3);
        found.extend(part["alerts"].as_array().unwrap().clone());
        after = part["next"].as_str().map_or(String::new(), |next| format!("&after={next}"));
    }
    assert_eq!((Value::from(found), after.as_str()), (all["alerts"].clone(), ""));
}

#[test]
fn a_list_is_narrowed_by_conditions() {
    let running = Running::start(|_| {});
    let all = running.get("/api/v1/alerts").json();
    let first = &all["alerts"][2];
    let count = |query: &str| running.get(&format!("/api/v1/alerts?{query}")).json()["total"].clone();
    let rule = first["rule"].as_str().unwrap().replace(' ', "%20");
    assert_eq!(count(&format!("rule={rule}")), 1);
    assert_eq!(count("rule=none"), 0);
    assert_eq!(count("source=sysflow"), 3);
    assert_eq!(count("source=syscall"), 0);
    assert_eq!(count("priority=debug"), 3);
    let critical = count("priority=critical").as_u64().unwrap();
    assert!((1..3).contains(&critical), "{all}");
    assert_eq!(count("priority=EMERGENCY"), 0);
    assert_eq!(count(&format!("graph={}&from=0", records::graph())), 3);
    assert_eq!(count("to=0"), 0);
    assert_eq!(count(&format!("graph={}", "0".repeat(32))), 0);
}

#[test]
fn a_list_that_the_client_has_is_not_sent_again() {
    let running = Running::start(|_| {});
    for path in ["/api/v1/alerts", "/api/v1/fields", "/api/openapi.json"] {
        let tag = running.get(path).headers["etag"].clone();
        let again = request(running.address, "GET", path, &[("if-none-match", &tag)]);
        assert_eq!((again.status, again.body.as_str()), (304, ""), "{path}");
    }
    let tag = running.get("/api/v1/alerts").headers["etag"].clone();
    post(running.address, &falco("New", 1));
    assert_eq!(request(running.address, "GET", "/api/v1/alerts", &[("if-none-match", &tag)]).status, 200);
}

#[test]
fn what_cannot_be_asked_for_is_a_problem() {
    let running = Running::start(|_| {});
    let long = "x".repeat(300_000);
    let deep = "[".repeat(10_000);
    for (method, path, body, status, says) in [
        ("GET", "/api/v1/alerts?limit=0", "", 400, "1 to 1000"),
        ("GET", "/api/v1/alerts?limit=1001", "", 400, "1 to 1000"),
        ("GET", "/api/v1/alerts?limit=-1", "", 400, "limit"),
        ("GET", "/api/v1/alerts?priority=loud", "", 400, "priority"),
        ("GET", "/api/v1/alerts?after=x", "", 400, "after"),
        ("GET", "/api/v1/alerts?from=yesterday", "", 400, "from"),
        ("GET", "/api/v1/alerts?from=1&from=2", "", 400, "from"),
        ("GET", "/api/v1/alerts?unknown=1", "", 400, "unknown"),
        ("GET", "/api/v1/graphs/%ff%fe", "", 400, "hex digits"),
        ("GET", "/assets/%ff", "", 400, "docs/api.md"),
        ("POST", "/api/v1/alerts", "", 400, "EOF"),
        ("POST", "/api/v1/alerts", "{", 400, "line 1"),
        ("POST", "/api/v1/alerts", "[]", 400, "expected"),
        ("POST", "/api/v1/alerts", "{\"time\": 1}", 400, "string"),
        ("POST", "/api/v1/alerts", &deep, 400, "string"),
        ("POST", "/api/v1/alerts", &long, 413, "262144"),
        ("POST", "/api/v1/conditions/check", "{\"condition\": 1}", 400, "string"),
        ("POST", "/api/v1/conditions/check", "{\"condition\": \"\", \"x\": 1}", 400, "unknown field"),
        ("PUT", "/api/v1/alerts", "{}", 405, "Allow"),
        ("POST", "/api/v1/nothing", "{}", 404, "/api/v1/graphs"),
    ] {
        let answer = send(running.address, method, path, &[JSON], (method != "GET").then_some(body));
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.body);
        assert_eq!(answer.headers["content-type"], "application/problem+json", "{method} {path}");
        let problem = answer.json();
        assert!(problem["detail"].as_str().unwrap().contains(says), "{method} {path}: {problem}");
        assert_eq!((&problem["status"], &problem["type"]), (&status.into(), &"about:blank".into()));
    }
    let answer = request(running.address, "DELETE", "/api/v1/alerts", &[]);
    assert_eq!((answer.status, answer.headers["allow"].as_str()), (405, "GET,HEAD,POST"));
}

#[test]
fn conditions_are_looked_at() {
    let running = Running::start(|_| {});
    let check = |condition: &str| {
        let body = json!({ "condition": condition }).to_string();
        send(running.address, "POST", "/api/v1/conditions/check", &[JSON], Some(&body)).json()
    };
    assert_eq!(check("proc.name = sh"), json!({ "ok": true }));
    let wrong = check("é = 1 or proc.nme = sh");
    assert_eq!(wrong["ok"], false);
    let wrong = check("proc.nme = sh");
    assert_eq!((&wrong["start"], &wrong["end"]), (&0.into(), &8.into()), "{wrong}");
    assert!(wrong["help"].as_str().unwrap().contains("proc.name"), "{wrong}");

    let vocabulary = running.get("/api/v1/fields").json();
    let field = |name: &str| {
        let fields = vocabulary["fields"].as_array().unwrap();
        fields.iter().find(|field| field["name"] == name).cloned().unwrap_or_default()
    };
    assert_eq!(
        (&field("sf.proc.exe")["class"], &field("sf.proc.exe")["stored"]),
        (&"attribute".into(), &true.into())
    );
    assert_eq!(
        (&field("sf.graph.tags")["class"], &field("sf.graph.tags")["stored"]),
        (&"stateful".into(), &false.into())
    );
    assert_eq!(field("proc.name")["class"], "falco");
    assert!(vocabulary["operators"].as_array().unwrap().contains(&"icontains".into()));
}

#[test]
fn falcos_alerts_stand_beside_ours() {
    let running = Running::start(|_| {});
    let alert = falco("Terminal shell in container", 1);
    let first = post(running.address, &alert);
    assert_eq!((first.status, &first.json()["new"]), (200, &true.into()), "{}", first.body);
    let again = post(running.address, &alert).json();
    assert_eq!((&again["new"], &again["id"]), (&false.into(), &first.json()["id"]), "sent twice is one");
    let listed = running.get("/api/v1/alerts?source=syscall").json();
    assert_eq!((&listed["total"], &listed["alerts"][0]["id"]), (&1.into(), &first.json()["id"]));
    assert_eq!(running.get("/api/v1/alerts").json()["total"], 4);
    let graph = running.get(&format!("/api/v1/graphs/{}", records::graph())).json();
    let on_graph: Vec<_> =
        graph["alerts"].as_array().unwrap().iter().map(|alert| alert["source"].as_str()).collect();
    assert_eq!(on_graph.iter().filter(|source| **source == Some("syscall")).count(), 1, "{on_graph:?}");

    // Ours come back through Falcosidekick, which knows them by another uuid.
    let mut ours = running.get("/api/v1/alerts?source=sysflow&limit=1").json()["alerts"][0].clone();
    ours["uuid"] = "1".into();
    let back = post(running.address, &ours);
    assert_eq!(back.json(), json!({ "id": null, "new": false }));
    assert_eq!(running.get("/api/v1/alerts").json()["total"], 4);
    let metrics = running.get("/metrics").body;
    for result in ["new", "known", "own"] {
        assert!(
            metrics.contains(&format!("sysflow_alerts_received_total{{result=\"{result}\"}} 1")),
            "{metrics}"
        );
    }
}

#[test]
fn others_do_not_drive_out_ours() {
    let running = Running::start(|config| config.limits.alerts = 8);
    for second in 0..30 {
        assert_eq!(post(running.address, &falco("Noise", second)).status, 200);
    }
    let listed = running.get("/api/v1/alerts").json();
    let ours = rules(&listed).iter().filter(|rule| **rule != "Noise").count();
    assert_eq!((ours, listed["total"].as_u64()), (3, Some(8)), "{:?}", rules(&listed));
    let newest = running.get("/api/v1/alerts?source=syscall&limit=1").json();
    assert!(newest["alerts"][0]["time"].as_str().unwrap().contains(":29."), "the oldest go first: {newest}");
}

/// A stream of server-sent events.
struct Events(BufReader<TcpStream>);

impl Events {
    fn open(address: SocketAddr, path: &str, more: &str) -> Self {
        let mut socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        write!(socket, "GET {path} HTTP/1.1\r\nhost: {address}\r\naccept: text/event-stream\r\n{more}\r\n")
            .unwrap();
        let mut reader = BufReader::new(socket);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(reader.read_line(&mut head).unwrap(), 0, "{head}");
        }
        assert!(head.starts_with("HTTP/1.1 200") && head.contains("text/event-stream"), "{head}");
        Self(reader)
    }

    /// Kind, id and data of the next event; `None` at the end.
    fn next(&mut self) -> Option<(String, String, Value)> {
        let (mut kind, mut id, mut data) = (String::new(), String::new(), String::new());
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let line = line.trim_end();
            if let Some(value) = line.strip_prefix("event: ") {
                kind = value.into();
            } else if let Some(value) = line.strip_prefix("id: ") {
                id = value.into();
            } else if let Some(value) = line.strip_prefix("data: ") {
                data = value.into();
            } else if line.is_empty() && !data.is_empty() {
                return Some((kind, id, serde_json::from_str(&data).unwrap()));
            }
        }
    }
}

#[test]
fn what_happens_is_told_as_it_happens() {
    let running = Running::start(|_| {});
    let mut all = Events::open(running.address, "/api/v1/alerts/stream", "");
    let path = format!("/api/v1/graphs/{}/stream", records::graph());
    let mut graph = Events::open(running.address, &path, "");
    let (kind, _, first) = graph.next().unwrap();
    assert_eq!((kind.as_str(), &first["id"]), ("graph", &records::graph().into()));

    let id = post(running.address, &falco("Shell", 1)).json()["id"].clone();
    let (kind, event, alert) = all.next().unwrap();
    assert_eq!((kind.as_str(), &Value::from(event), &alert["rule"]), ("alert", &id, &"Shell".into()));
    let mut kinds = Vec::new();
    let mut revision = Value::Null;
    while kinds.len() < 2 {
        let (kind, _, data) = graph.next().unwrap();
        if kind == "graph" {
            revision = data["revision"].clone();
        }
        kinds.push(kind);
    }
    kinds.sort();
    assert_eq!(kinds, ["alert", "graph"]);
    assert_ne!(revision, first["revision"]);

    // Of another graph.
    let mut other = falco("Elsewhere", 2);
    other["output_fields"]["sf.graphid"] = "0".repeat(32).into();
    post(running.address, &other);
    post(running.address, &falco("Here", 3));
    assert_eq!(all.next().unwrap().2["rule"], "Elsewhere");
    let next = std::iter::from_fn(|| graph.next()).find(|(kind, ..)| kind == "alert").unwrap();
    assert_eq!(next.2["rule"], "Here");

    assert_eq!(running.get(&format!("/api/v1/graphs/{}/stream", "0".repeat(32))).status, 404);
}

#[test]
fn who_comes_back_is_told_what_was_missed() {
    let running = Running::start(|_| {});
    let ids: Vec<_> =
        (1..4).map(|n| post(running.address, &falco("Shell", n)).json()["id"].clone()).collect();
    let last = format!("last-event-id: {}\r\n", ids[0].as_str().unwrap());
    let mut events = Events::open(running.address, "/api/v1/alerts/stream", &last);
    for id in &ids[1..] {
        assert_eq!(Value::from(events.next().unwrap().1), *id);
    }
}

#[test]
fn streams_end_with_the_service_and_are_bounded() {
    let running = Running::start(|_| {});
    let mut open: Vec<_> =
        (0..128).map(|_| Events::open(running.address, "/api/v1/alerts/stream", "")).collect();
    let refused = running.get("/api/v1/alerts/stream");
    assert_eq!((refused.status, refused.headers["retry-after"].as_str()), (503, "10"), "{}", refused.body);
    assert_eq!(running.get("/api/v1/alerts").status, 200, "others are answered all the while");
    open.truncate(1);
    let mut last = open.pop().unwrap();
    drop(running);
    let mut rest = Vec::new();
    // An end, not a connection that is left hanging.
    last.0.read_to_end(&mut rest).unwrap();
}
