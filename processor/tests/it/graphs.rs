//! Questions to graphs, over HTTP.

use crate::api::Running;
use crate::records;

fn encoded(condition: &str) -> String {
    condition.bytes().fold(String::new(), |text, byte| text + &format!("%{byte:02X}"))
}

#[test]
fn a_graph_answers_what_it_is_asked() {
    let running = Running::start(|_| {});
    let base = format!("/api/v1/graphs/{}", records::graph());
    let ask = |path: &str| running.get(&format!("{base}{path}")).json();
    let document = ask("");
    let nodes = document["nodes"].as_array().unwrap();
    let shell = nodes.iter().find(|node| node["label"] == "sh").unwrap()["id"].as_str().unwrap();

    let all = ask("/records");
    let (records, next) = (all["records"].as_array().unwrap(), &all["next"]);
    assert!(records.len() > 2 && next.is_null() && all["complete"] == true, "{all}");
    let first = ask("/records?limit=1");
    assert_eq!(first["records"][0], records[0]);
    let second = ask(&format!("/records?limit=1&after={}", first["next"]));
    assert_eq!(second["records"][0], records[1], "pages follow each other");
    let of_shell = ask(&format!("/records?node={shell}"));
    let of_shell = of_shell["records"].as_array().unwrap();
    assert!(!of_shell.is_empty() && of_shell.iter().all(|row| row["node"] == shell), "{of_shell:?}");
    assert!(of_shell.iter().all(|row| row["record"]["proc"]["exe"] == "/bin/sh"), "{of_shell:?}");

    assert_eq!(ask("/alerts")["alerts"].as_array().unwrap().len(), 3);
    assert_eq!(ask("/alerts?to=1")["alerts"].as_array().unwrap().len(), 0);

    let line = ask("/timeline?bins=5");
    let events = line["bins"].as_array().unwrap().iter().map(|bin| bin["events"].as_u64().unwrap());
    assert_eq!(events.sum::<u64>(), records.len() as u64);
    assert_eq!(line["alerts"].as_array().unwrap().len(), 3);

    let back = ask(&format!("/trace?node={shell}&direction=back"));
    assert!(back["nodes"].as_array().unwrap().iter().any(|node| node["id"] == shell));
    let reads = encoded("sf.file.path = /etc/shadow");
    let calls = encoded("sf.type = NF");
    let paths = ask(&format!("/paths?from={reads}&to={calls}"));
    assert!(paths["nodes"].as_array().unwrap().iter().any(|node| node["id"] == shell), "{paths}");
    let none = ask(&format!("/paths?from={}&to={calls}", encoded("sf.file.path = /none")));
    assert_eq!(none["nodes"].as_array().unwrap().len(), 0);

    let diff = ask(&format!("/diff?other={}", records::graph()));
    assert!(diff["nodes"].as_array().unwrap().iter().all(|node| node["change"] == "same"));
    let traffic = ask("/traffic");
    assert_eq!(traffic["by"][0]["endpoint"], "198.51.100.77:8443");
    assert_eq!(traffic["by"][0]["beacon"], serde_json::Value::Null);
    assert!(ask("/projection")["links"].as_array().unwrap().len() >= 2);
    assert_eq!(ask("/links")["links"].as_array().unwrap().len(), 0);

    let over = |path: &str| running.get(path).json();
    assert_eq!(over("/api/v1/traffic")["by"][0]["graph"], records::graph());
    assert_eq!(over("/api/v1/projection")["nodes"], ask("/projection")["nodes"]);
    let attack = over("/api/v1/attack");
    let ids = |table: &serde_json::Value| {
        let rows = table["techniques"].as_array().unwrap().clone();
        rows.iter().map(|row| row["id"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&attack), ids(&ask("/attack")));
}

#[test]
fn a_list_is_filtered_by_what_was_recorded() {
    let running = Running::start(|_| {});
    let total = |condition: &str| {
        running.get(&format!("/api/v1/graphs?filter={}", encoded(condition))).json()["total"].clone()
    };
    assert_eq!(total("sf.file.path = /etc/shadow"), 1);
    assert_eq!(total("sf.file.path = /none"), 0);
    assert_eq!(running.get("/api/v1/graphs?severity=emergency").json()["total"], 0);
    assert_eq!(running.get("/api/v1/graphs?severity=warning").json()["total"], 1);
}

#[test]
fn wrong_questions_are_told() {
    let running = Running::start(|_| {});
    let base = format!("/api/v1/graphs/{}", records::graph());
    for (path, status) in [
        ("/trace?node=p:0000000000000000&direction=back", 404),
        ("/trace?node=p:0000000000000000&direction=up", 400),
        ("/trace", 400),
        ("/paths?from=(&to=(", 400),
        ("/diff?other=x", 400),
        ("/diff?other=00000000000000000000000000000000", 404),
        ("/traffic?node=p:0000000000000000", 404),
        ("/timeline?bins=x", 400),
    ] {
        let answer = running.get(&format!("{base}{path}"));
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
        assert_eq!(answer.headers["content-type"], "application/problem+json");
    }
    assert_eq!(running.get("/api/v1/graphs/00000000000000000000000000000000/links").status, 404);
    assert_eq!(running.get("/api/v1/graphs?after=x").status, 400);
}
