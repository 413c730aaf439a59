//! sysflow.yaml.

use sysflow_processor::config::{self, Config, ExportForm, ExportMode, Stdout};

fn error(text: &str) -> String {
    config::parse(text, "sysflow.yaml").expect_err(text).to_string()
}

#[test]
fn nothing_is_a_configuration() {
    for text in ["", "# only a comment\n\n", "api: {}\n"] {
        let config = config::parse(text, "sysflow.yaml").unwrap();
        assert_eq!(config.api.listen.to_string(), config::DEFAULT_LISTEN);
        assert!(config.store.is_none() && config.inputs.is_empty());
    }
}

#[test]
fn every_key_can_be_set() {
    let text = "
node: node-1
inputs:
  - socket: /run/a.sock
    peer_uids: [0, 1000]
  - {}
rules: { files: [a.yaml, b.yaml], min_priority: notice }
alerts:
  window: 30
  max_distinct: 10
  source: syscall
  stdout: json
  file: /var/log/alerts.json
  queue_mib: 64
  falcosidekick:
    url: https://falcosidekick:2801
    ca_file: ca.pem
    client_cert: c.pem
    client_key: k.pem
    timeout_ms: 500
    headers: { authorization: token }
store: /var/lib/sysflow
archive: { max_mib: 10, max_hours: 24, sync: true }
exports: [{ file: /var/log/records.jsonl, mode: enrich }]
api: { listen: '0.0.0.0:80', public_url: 'https://flow.example', insecure: true, allowed_hosts: [a.example],
       token_file: /run/secrets/token, frame_ancestors: ['https://ui.example', 'http://[::1]:2802'] }
limits: { alerts: 1, graphs: 2, requests: 3 }
";
    let config = config::parse(text, "sysflow.yaml").unwrap();
    assert_eq!(config.inputs[0].peer_uids.as_deref(), Some([0, 1000].as_slice()));
    assert_eq!(config.inputs[1].socket.to_str(), Some(config::DEFAULT_SOCKET));
    assert_eq!((config.alerts.stdout, config.alerts.window), (Stdout::Json, 30));
    assert_eq!(config.alerts.falcosidekick.unwrap().headers["authorization"], "token");
    assert!(config.archive.sync && config.api.insecure);
    assert_eq!(config.limits.graphs, 2);
    let export = &config.exports[0];
    assert_eq!(
        (export.mode, export.format, export.max_mib, export.keep),
        (ExportMode::Enrich, ExportForm::Json, 100, 5)
    );
}

#[test]
fn mistakes_are_told_with_their_place() {
    for (text, says) in [
        ("node: a\nalert: {}\n", &["sysflow.yaml", "alert", "line 2"][..]),
        ("api:\n  listn: 127.0.0.1:1\n", &["listn", "line 2"]),
        ("api:\n  listen: nowhere\n", &["line 2"]),
        ("alerts:\n  window: many\n", &["line 2"]),
        ("inputs:\n  - sockt: x\n", &["sockt", "line 2"]),
        ("inputs: [\n", &["sysflow.yaml"]),
        ("- a\n", &["sysflow.yaml"]),
        ("alerts: { source: my-source }", &["alerts.source", "my-source"]),
        ("alerts: { window: 0 }", &["alerts.window"]),
        ("alerts: { falcosidekick: { url: 'http://h', client_cert: c.pem } }", &["client_key"]),
        ("alerts: { falcosidekick: {} }", &["url"]),
        ("exports:\n  - s3: {}\n", &["s3", "line 2"]),
        ("exports: [{ file: /a }, { file: /a }]", &["exports", "/a", "twice"]),
        ("exports: [{ file: /a, max_mib: 0 }]", &["max_mib"]),
        ("alerts:\n  file_min_priority: loud\n", &["loud", "Warning", "line 2"]),
        ("api: { frame_ancestors: [ui.example] }", &["frame_ancestors", "ui.example"]),
        ("api: { frame_ancestors: ['https://a; script-src *'] }", &["frame_ancestors"]),
        ("api: { frame_ancestors: ['https://a/path'] }", &["frame_ancestors"]),
        ("inputs: [{ socket: /a }, { socket: /a }]", &["/a", "twice"]),
        ("api: { public_url: flow.example }", &["api.public_url", "http://"]),
        ("api: { falcosidekick_ui: 'javascript:alert(1)' }", &["api.falcosidekick_ui", "http://"]),
        ("api: { falcosidekick_ui: 'https://ui example' }", &["api.falcosidekick_ui", "printable"]),
        ("limits: { graphs: 0 }", &["limits"]),
        ("limits: { requests: 18446744073709551615 }", &["limits.requests", "65536"]),
    ] {
        let error = error(text);
        for word in says {
            assert!(error.contains(word), "{text:?} should say {word:?}:\n{error}");
        }
    }
}

#[test]
fn the_schema_knows_all_keys_and_allows_no_others() {
    let schema = config::json_schema();
    let mut keys: Vec<_> = schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(
        keys,
        ["alerts", "api", "archive", "exports", "inputs", "limits", "node", "parquet", "rules", "store"]
    );
    assert_eq!(schema["additionalProperties"], false);
    let written = serde_json::to_value(Config::default()).unwrap();
    assert!(written.as_object().unwrap().keys().all(|key| keys.contains(&key.as_str())));
}
