use sysflow_replay::{
    Capture,
    host::{Plugin, Value},
};

use crate::support::{bundled, library};

#[test]
fn falco_gets_what_it_asks_for_at_start() {
    let plugin = Plugin::load(&library()).unwrap();
    assert_eq!((plugin.name(), plugin.api_version().as_str()), ("sysflow", "3.12.0"));
    let fields: Vec<&str> = plugin.fields().iter().map(|field| field.name.as_str()).collect();
    for field in ["sf.graphid", "sf.graph.parent", "sf.proc.oid", "sf.pproc.cmdline", "sf.file.oid"] {
        assert!(fields.contains(&field), "{fields:?}");
    }
    let schema: serde_json::Value = serde_json::from_str(plugin.init_schema().unwrap()).unwrap();
    assert_eq!(schema["additionalProperties"], false);
}

/// A replay does not ask for the schema, and Falco, live, refuses to start without the symbol: only this notices.
#[test]
fn falco_is_told_the_event_schema_that_is_needed() {
    let plugin = Plugin::load(&library()).unwrap();
    let capture = Capture::open(&bundled("shop-normal.scap")).unwrap();
    let instance = plugin.init("{}", &capture).unwrap();
    // The first with exit events that carry everything; a later minor version would shut Falco 0.42 out.
    assert_eq!(instance.required_schema().as_deref(), Some("4.0.0"));
}

#[test]
fn mistakes_in_the_configuration_are_named() {
    let plugin = Plugin::load(&library()).unwrap();
    let capture = Capture::open(&bundled("shop-normal.scap")).unwrap();
    for (config, want) in [
        (r#"{"sockets":"/x"}"#, "sockets"),
        (r#"{"state_dir":"x"}"#, "must be an absolute path"),
        (r#"{"reduction":"rollup","schema":"v5"}"#, "reduction is rollup, it needs schema: extended"),
        (r#"{"dir":"relative"}"#, "must be an absolute path"),
    ] {
        let error = plugin.init(config, &capture).unwrap_err().to_string();
        assert!(error.contains(want), "{config}: {error}");
    }
}

/// Falco makes a second instance to check its configuration, and drops it without a capture.
#[test]
fn an_instance_that_never_opens_a_capture_leaves_nothing_behind() {
    let plugin = Plugin::load(&library()).unwrap();
    let capture = Capture::open(&bundled("shop-normal.scap")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let config = format!(r#"{{"dir":{:?}}}"#, dir.path().join("sf"));
    let mut instance = plugin.init(&config, &capture).unwrap();
    let second = plugin.init(&config, &capture).unwrap();
    instance.capture_open().unwrap();
    drop(second);
    instance.capture_close().unwrap();
    // Closing twice is what Falco does after a failed open.
    instance.capture_close().unwrap();
    assert!(dir.path().join("sf").is_dir());
}

/// What Falco does when something else has failed before a capture was opened.
#[test]
fn an_end_without_a_beginning_and_events_outside_of_a_capture_are_nothing() {
    let plugin = Plugin::load(&library()).unwrap();
    let mut capture = Capture::open(&bundled("shop-normal.scap")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let config = format!(r#"{{"dir":{:?}}}"#, dir.path().join("sf"));
    let mut instance = plugin.init(&config, &capture).unwrap();
    instance.capture_close().unwrap();
    let mut feed = |instance: &mut sysflow_replay::host::Instance| {
        for _ in 0..50 {
            let event = capture.next_event().unwrap().unwrap();
            instance.parse(event).unwrap();
        }
    };
    feed(&mut instance);
    assert!(!dir.path().join("sf").exists());
    instance.capture_open().unwrap();
    feed(&mut instance);
    instance.capture_close().unwrap();
    feed(&mut instance);
    instance.capture_close().unwrap();
    assert!(!crate::support::records_of(&dir.path().join("sf")).is_empty());
}

#[test]
fn fields_are_those_of_the_process_after_the_event() {
    let plugin = Plugin::load(&library()).unwrap();
    let mut capture = Capture::open(&bundled("shop-attack.scap")).unwrap();
    let mut instance = plugin.init(r#"{"node":"demo-node"}"#, &capture).unwrap();
    instance.capture_open().unwrap();
    let (mut seen, mut executed) = (0, false);
    while let Some(event) = capture.next_event().unwrap() {
        if instance.wants(event.code()) {
            instance.parse(event).unwrap();
        }
        // cat /etc/passwd of the intruder: its exec, its opens, its exit. Other paths were tried before that exec.
        let success = event.param(0) == Some(&[0; 8]);
        executed |= event.tid() == 10403 && event.code() == 293 && success;
        if event.tid() != 10403 || !executed || !matches!(event.code(), 293 | 307 | 186) {
            continue;
        }
        seen += 1;
        let mut text = |field: &str| match instance.extract(event, field).unwrap().pop() {
            Some(Value::Text(text)) => String::from_utf8(text).unwrap(),
            other => format!("{other:?}"),
        };
        let root = sysflow::Oid { create_ts: 0, hpid: 10098 };
        assert_eq!(text("sf.graphid"), sysflow::GraphId::new("demo-node", root).to_string());
        assert_eq!(text("sf.graph.root.exe"), "/usr/bin/node");
        assert_eq!(text("sf.pproc.cmdline"), "/usr/bin/python3.11 /tmp/exfil.py");
        assert_eq!(text("sf.proc.cmdline"), "/usr/bin/cat /etc/passwd");
        if event.code() == 307 && event.param(2) == Some(b"/etc/passwd\0") {
            let foid = sysflow::Foid::new("e8febe1a20e5", "/etc/passwd");
            assert_eq!(text("sf.file.oid"), foid.to_string());
            seen += 100;
        }
    }
    assert!(seen > 100, "{seen}");
}
