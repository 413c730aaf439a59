//! A service that runs a shell, which downloads a script and runs it.

use serde_json::json;
use sysflow::record::op;
use sysflow_graph::{Limits, Priority};

use crate::trace::*;

const FLOW: i32 = op::OPEN | op::READ_RECV | op::CLOSE;

fn intrusion() -> Trace {
    let mut trace = Trace::new(Limits::default());
    for path in ["/tmp/exfil.py", "/etc/shadow", "/usr/bin/curl"] {
        trace.put(sysflow::Record::File(file(path)));
    }
    trace.put(sysflow::Record::Process(process(10, 0, 10, "/usr/bin/node", "/app/server.js")));
    trace.put(net_flow(10, 11, "203.0.113.10:4000", "10.88.0.2:3000", op::ACCEPT, 90, 200));

    trace.clone(&process(20, 10, 10, "/usr/bin/node", "/app/server.js"));
    let shell = process(20, 10, 10, "/usr/bin/dash", "-c curl && python3");
    trace.exec(&shell, 21);
    for (pid, exe, args) in
        [(30, "/usr/bin/curl", "-o /tmp/exfil.py"), (40, "/usr/bin/python3.11", "/tmp/exfil.py")]
    {
        trace.clone(&process(pid, 20, 10, "/usr/bin/dash", "-c curl && python3"));
        trace.exec(&process(pid, 20, 10, exe, args), pid + 1);
    }
    trace.put(file_flow(30, 32, "/usr/bin/curl", FLOW, 64, 0));
    trace.put(file_flow(30, 33, "/tmp/exfil.py", op::OPEN | op::WRITE_SEND | op::CLOSE, 0, 3126));
    trace.put(net_flow(30, 34, "10.88.0.2:5000", "198.51.100.23:80", op::CONNECT | op::READ_RECV, 3126, 80));
    trace.put(event(30, 35, op::EXIT, 0));
    trace.put(file_flow(40, 42, "/tmp/exfil.py", FLOW, 3126, 0));
    trace.put(file_event(40, 43, "/etc/shadow", op::OPEN, -13));
    for beacon in 0..3 {
        let client = format!("10.88.0.2:{}", 6000 + beacon);
        let ts = 44 + i64::from(beacon);
        trace.put(net_flow(
            40,
            ts,
            &client,
            "198.51.100.77:8443",
            op::CONNECT | op::WRITE_SEND | op::CLOSE,
            6,
            26,
        ));
    }
    trace
}

#[test]
fn shows_who_ran_what() {
    let document = intrusion().document(10);
    let expected = ["node EXEC dash 1", "dash EXEC curl 1", "curl EXIT curl 1", "dash EXEC python3.11 1"];
    assert_eq!(process_edges(&document), expected);
    assert_eq!(document.root.as_ref(), Some(&node(&document, "process", "/usr/bin/node").id));
    assert_eq!(
        document.nodes.iter().filter(|node| node.kind == "process").count(),
        4,
        "no node for the moment of a fork"
    );
    let curl = node(&document, "process", "/usr/bin/curl");
    assert_eq!((curl.instances.len(), curl.instances[0].pid, curl.instances[0].exit), (1, 30, Some(0)));
    assert_eq!(curl.instances[0].oid, "30:30");
}

#[test]
fn shows_what_was_done_to_files_and_endpoints() {
    let document = serde_json::to_value(intrusion().document(10)).expect("document is JSON");
    let samples = |kind: &str, exe: &str| {
        let nodes = document["nodes"].as_array().expect("nodes");
        let node = nodes.iter().find(|n| n["kind"] == kind && n["exe"] == exe).expect("node");
        node["samples"].clone()
    };
    assert_eq!(
        samples("files", "/usr/bin/curl"),
        json!([{"path": "/tmp/exfil.py", "ops": ["OPEN", "WRITE", "CLOSE"], "count": 1, "rbytes": 0, "wbytes": 3126,
                "first": "33", "last": "34", "ret": null}]),
        "that curl was loaded is not something it did"
    );
    assert_eq!(
        samples("files", "/usr/bin/python3.11"),
        json!([{"path": "/etc/shadow", "ops": ["OPEN"], "count": 1, "rbytes": 0, "wbytes": 0,
                "first": "43", "last": "43", "ret": -13},
               {"path": "/tmp/exfil.py", "ops": ["OPEN", "READ", "CLOSE"], "count": 1, "rbytes": 3126, "wbytes": 0,
                "first": "42", "last": "43", "ret": null}]),
        "what was refused comes before what was read"
    );
    assert_eq!(
        samples("net", "/usr/bin/python3.11"),
        json!([{"endpoint": "198.51.100.77:8443", "ip": "198.51.100.77", "port": 8443, "proto": "tcp",
                "direction": "out", "ops": ["CONNECT", "SEND", "CLOSE"], "count": 3, "rbytes": 18, "wbytes": 78,
                "first": "44", "last": "47"}])
    );
    assert_eq!(samples("net", "/usr/bin/node")[0]["endpoint"], "203.0.113.10 -> :3000");
}

#[test]
fn is_the_json_of_version_1() {
    let mut trace = intrusion();
    let alert =
        mark("00000000000000aa", 50, Priority::Critical, &["T1003.008", "T1003", "mitre_credential_access"]);
    let refused = file_event(40, 50, "/etc/shadow", op::OPEN, -13);
    let id = trace.alert(refused, &alert).expect("alert is on a node");
    let document = trace.document(10);
    assert_eq!(document.alert_ids(), ["00000000000000aa"]);
    let json = serde_json::to_value(&document).expect("document is JSON");
    let python = json["nodes"]
        .as_array()
        .expect("nodes")
        .iter()
        .find(|n| n["id"] == id.as_str())
        .expect("alert's node");
    assert_eq!(
        *python,
        json!({"id": id, "kind": "process", "label": "python3.11", "exe": "/usr/bin/python3.11",
               "args": "/tmp/exfil.py", "user": "node", "uid": 1000, "tty": false,
               "container": {"id": SHOP, "name": "shop-frontend", "image": "localhost/demo/shop-frontend:1.4"},
               "instances": [{"pid": 40, "oid": "40:40", "first": "41", "last": "50", "exit": null}],
               "tags": ["T1003", "T1003.008"], "alerts": ["00000000000000aa"], "first": "41", "last": "50",
               "ops": 1, "rbytes": 3144, "wbytes": 78, "targets": 1, "series": [], "samples": [], "folded": 0})
    );
    assert_eq!(json["id"], graph(10).to_string());
    assert_eq!(json["window"], json!({"from": "11", "to": "50"}));
    assert_eq!(json["version"], 1);
    assert_eq!(
        (&json["truncated"], &json["parent"], &json["lost"]),
        (&json!(false), &json!(null), &json!([]))
    );
    let edges = json["edges"].as_array().expect("edges");
    let refused = edges.iter().find(|edge| edge["kind"] == "FE").expect("file event");
    let files = id.replace("p:", "f:");
    let expected = json!({"from": id, "to": files, "kind": "FE", "first": "43", "last": "50", "count": 2,
                          "rbytes": 0, "wbytes": 0});
    assert_eq!(*refused, expected);
    let files = document.nodes.iter().find(|node| node.id == files).expect("files node");
    assert_eq!(
        (files.alerts.len(), files.tags.len(), files.targets),
        (1, 2, 2),
        "the alert is on its files node too"
    );
}

#[test]
fn sums_up_in_a_line() {
    let mut trace = intrusion();
    trace.alert(event(40, 50, op::EXIT, 0), &mark("a", 50, Priority::Warning, &["T1059", "container"]));
    let json = serde_json::to_value(trace.graphs.list("SHOP-front warning", 10)).expect("listing is JSON");
    assert_eq!(
        json,
        json!({"total": 1, "next": null, "graphs": [{
            "id": graph(10).to_string(), "node": HOST, "parent": null, "severity": "Warning",
            "root": {"exe": "/usr/bin/node", "args": "/app/server.js", "pid": 10, "user": "node"},
            "container": {"id": SHOP, "name": "shop-frontend", "image": "localhost/demo/shop-frontend:1.4"},
            "first": "11", "last": "50", "records": 17, "processes": 4, "alerts": 1,
            "tags": ["T1059"], "rules": ["A rule"]}]})
    );
    assert_eq!(trace.graphs.list("shop nosuchword", 10).total, 0);
}
