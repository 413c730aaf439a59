//! The host with plugins written in C: what it refuses, and what a plugin sees.

use std::{
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use sysflow_replay::{
    Capture, Error, RawEvent, event,
    host::{Log, Options, Plugin, Severity, Speed, Value, replay},
    schema::code,
};

use crate::{compile, support::bundled};

const ATTACK: &str = "shop-attack.scap";

fn capture() -> Capture {
    Capture::open(&bundled(ATTACK)).expect("the bundled capture opens")
}

fn load_error(path: &Path) -> String {
    Plugin::load(path).expect_err("it must not load").to_string()
}

#[test]
fn what_is_not_a_plugin_is_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let text = dir.path().join("notes.txt");
    std::fs::write(&text, "hello").expect("a file");
    let empty = dir.path().join("empty.so");
    std::fs::write(&empty, "").expect("a file");
    let broken = dir.path().join("broken.so");
    std::fs::write(&broken, b"\x7fELF and nothing more").expect("a file");
    for (path, part) in [
        (dir.path().join("nowhere.so"), "No such file"),
        (dir.path().to_path_buf(), "it is not a file"),
        (text, "it is not a shared object (no ELF header)"),
        (empty, "it is not a shared object (no ELF header)"),
        (broken, "the dynamic loader refuses it"),
    ] {
        let error = load_error(&path);
        assert!(error.contains(part) && error.contains(path.to_str().expect("UTF-8")), "{error}");
    }
}

#[test]
fn plugins_with_a_fault_are_refused() {
    for (define, part) in [
        ("-DNO_DESTROY", "does not export plugin_destroy"),
        ("-DNO_FIELDS", "does not export plugin_get_fields"),
        ("-DAPI_VERSION=\"3.13.0\"", "requires version 3.13.0 of Falco's plugin API, this host has 3.12.0"),
        ("-DAPI_VERSION=\"2.0.0\"", "requires version 2.0.0"),
        ("-DAPI_VERSION=\"4.0.0\"", "requires version 4.0.0"),
        ("-DAPI_VERSION=\"three\"", "\"three\", which is not a version"),
    ] {
        let plugin = compile::plugin("bad.c", &[define]);
        let error = load_error(&plugin);
        assert!(error.contains(part), "{define}: {error}");
    }
}

#[test]
fn failures_of_init_are_told_in_the_plugins_words() {
    for (define, part) in [
        ("-DINIT_FAILS=1", "plugin bad: init failed: the moon is full"),
        ("-DINIT_FAILS=0", "plugin bad: init failed: it does not say why"),
        ("-DSCHEMA=\"5.0.0\"", "it requires event schema \"5.0.0\", this host has 4.5.1"),
        ("-DSCHEMA=\"4.6.0\"", "it requires event schema \"4.6.0\""),
        ("-DSCHEMA=\"3.9.0\"", "it requires event schema \"3.9.0\""),
        ("-DEVENT_TYPE=9999", "it wants events of type 9999"),
    ] {
        let compiled = compile::plugin("bad.c", &[define]);
        let plugin = Plugin::load(&compiled).expect("it loads");
        let error = plugin.init("", &capture()).expect_err("init must fail").to_string();
        assert!(error.contains(part), "{define}: {error}");
    }
    let fine = compile::plugin("bad.c", &["-DSCHEMA=\"4.0.0\""]);
    Plugin::load(&fine).expect("it loads").init("", &capture()).expect("nothing is wrong with it");
}

#[test]
fn a_plugin_sees_the_process_list() {
    let compiled = compile::plugin("probe.c", &[]);
    let plugin = Plugin::load(&compiled).expect("it loads");
    assert_eq!((plugin.name(), plugin.version()), ("probe", "0.1.0"));
    assert_eq!(plugin.init_schema(), Some("{}"));
    assert!(plugin.fields().iter().any(|f| f.name == "probe.event" && f.add_output));

    let lines = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&lines);
    let log = Log::new(move |severity, line| kept.lock().expect("lock").push((severity, line.to_owned())));
    let capture = capture();
    let threads = capture.processes.len() as u64;
    let mut instance = plugin.init_with_log("{\"pid\": 10098}", &capture, log).expect("init");
    assert_eq!(*lines.lock().expect("lock"), [(Severity::Info, "probe: ready".to_owned())]);
    instance.capture_open().expect("open");

    let bytes = event::build(7, 10098, code::SYSCALL_CLOSE_X, &[&[0; 8], &[3, 0, 0, 0, 0, 0, 0, 0]])
        .expect("an event");
    let event = RawEvent::parse(&bytes).expect("an event");
    assert!(instance.parse(event).expect("parses"));
    let mut one = |field: &str| match instance.extract(event, field).expect(field).as_slice() {
        [value] => value.clone(),
        other => panic!("{field} gives {other:?}"),
    };
    let text = |value: Value| match value {
        Value::Text(bytes) => String::from_utf8(bytes).expect("UTF-8"),
        other => panic!("{other:?} is not text"),
    };
    assert_eq!(one("probe.threads"), Value::U64(threads));
    assert_eq!(one("probe.parsed"), Value::U64(1));
    assert_eq!(one("probe.opened"), Value::Bool(true));
    assert_eq!(one("probe.ip"), Value::Ip([10, 88, 0, 2].into()));
    assert_eq!(one("probe.ts"), Value::AbsTime(7));
    assert_eq!(text(one("probe.event")), "5/2 tid=10098 num=1");

    // The service of the story: a leader with all there is to know.
    let node = text(one("probe.thread[10098]"));
    for part in [
        "tid=10098 pid=10098 comm=node exe_path=/usr",
        " cwd=/app/ uid=1000 ",
        " container='' args=</app/server.js>",
        "=/machine.slice/libpod-e8febe1a20e50eb223c79826220d523af5efc29cd70295cc3742cb6bd05ef035.scope>",
    ] {
        assert!(node.contains(part), "{part} is not in {node}");
    }
    let leader_fds = node.rsplit(" fds=").next().expect("a number");
    assert_ne!(leader_fds, "0");
    // One of its threads: no environment and no directory of its own, the descriptors of the leader.
    let thread = text(one("probe.thread[10101]"));
    assert!(thread.contains("tid=10101 pid=10098 comm=node"), "{thread}");
    assert!(thread.contains(" cwd= ") && thread.contains(" env= "), "{thread}");
    assert!(thread.ends_with(&format!(" fds={leader_fds}")), "{thread}");
    assert_eq!(text(one("probe.thread[424242]")), "table threads has no entry 424242");

    // The open connection of the service to its database.
    let fds = &capture.fds[&10098];
    let connection =
        fds.iter().find(|f| f.name() == b"10.88.0.2:48064->10.88.0.3:5432").expect("the connection");
    let shown = text(one(&format!("probe.fd[{}]", connection.fd)));
    let expected =
        format!("type=3 name=10.88.0.2:48064->10.88.0.3:5432 ino={} port=5432 ip=0200580a", connection.ino);
    assert_eq!(shown, expected);

    assert_eq!(
        instance.extract(event, "probe.codes").expect("a list"),
        [Value::U64(u64::from(code::SYSCALL_CLOSE_X)), Value::U64(u64::from(code::SYSCALL_CLOSE_X))]
    );
    assert_eq!(instance.extract(event, "probe.none").expect("no value"), []);
    instance.capture_close().expect("close: the table is empty by then");
}

#[test]
fn fields_are_asked_for_as_they_are_written() {
    let compiled = compile::plugin("probe.c", &[]);
    let plugin = Plugin::load(&compiled).expect("it loads");
    let mut instance = plugin.init("", &capture()).expect("an empty configuration is {}");
    for (field, part) in [
        ("probe.nothing", "it has no such field"),
        ("probe.thread", "it needs an argument"),
        ("probe.thread[x]", "its argument x must be a number"),
        ("probe.thread[1", "lacks the closing bracket"),
        ("probe.ip[1]", "it takes no argument"),
    ] {
        let error = instance.request(field).expect_err(field).to_string();
        assert!(error.contains(part) && error.contains(field), "{error}");
    }
    let bytes = event::build(1, 1, code::SYSCALL_CLOSE_X, &[&[0; 8], &[0; 8]]).expect("an event");
    let event = RawEvent::parse(&bytes).expect("an event");
    let error = instance.extract(event, "probe.fails").expect_err("it fails").to_string();
    assert_eq!(error, "plugin probe: extract_fields failed: this field never works");
}

#[test]
fn a_configuration_that_is_not_json_never_reaches_the_plugin() {
    let compiled = compile::plugin("probe.c", &[]);
    let plugin = Plugin::load(&compiled).expect("it loads");
    let error = plugin.init("{\"pid\": ", &capture()).expect_err("not JSON").to_string();
    assert!(error.contains("init failed: its configuration is not JSON"), "{error}");
    assert!(plugin.init("{\"a\": \"\0\"}", &capture()).is_err());
}

#[test]
fn a_plugin_can_add_a_table() {
    let compiled = compile::plugin("own_table.c", &[]);
    let plugin = Plugin::load(&compiled).expect("it loads");
    plugin.init("", &capture()).unwrap_or_else(|e| panic!("{e}"));
}

#[test]
fn a_replay_delivers_everything_and_the_accounts_first() {
    let compiled = compile::plugin("probe.c", &[]);
    let plugin = Plugin::load(&compiled).expect("it loads");
    let capture = capture();
    let accounts = (capture.users.len() + capture.groups.len()) as u64;
    let mut last = (0, 0, false);
    let options = Options { shift_ns: -1_000_000_000, ..Options::default() };
    let stats = replay(capture, &plugin, "{}", &options, &mut |p| {
        assert!(!last.2, "nothing comes after the last report");
        assert!(p.bytes_read >= last.1 && p.stats.events >= last.0);
        last = (p.stats.events, p.bytes_read, p.done);
        assert!(p.bytes_total.is_some_and(|t| p.bytes_read <= t));
    })
    .expect("replays");
    assert_eq!(stats.events, 31_162);
    assert!(accounts > 0);
    assert_eq!(stats.accounts, accounts);
    assert_eq!(stats.delivered, stats.events + accounts);
    assert_eq!((stats.parse_errors, stats.stopped), (0, false));
    assert_eq!(stats.first_ts, Some(1_795_489_155_867_503_615 - 1_000_000_000));
    assert_eq!(stats.last_ts, Some(1_795_489_229_486_670_557 - 1_000_000_000));
    let size = std::fs::metadata(bundled(ATTACK)).expect("a file").len();
    assert_eq!(last, (31_162, size, true));
}

#[test]
fn a_replay_can_begin_at_any_time_without_reading_twice() {
    let compiled = compile::plugin("probe.c", &[]);
    let plugin = Plugin::load(&compiled).expect("it loads");
    let options = Options { start_ns: Some(5_000_000_000), ..Options::default() };
    let stats = replay(capture(), &plugin, "{}", &options, &mut |_| {}).expect("replays");
    assert_eq!(stats.first_ts, Some(5_000_000_000));
    let length = 1_795_489_229_486_670_557 - 1_795_489_155_867_503_615;
    assert_eq!(stats.last_ts, Some(5_000_000_000 + length), "events keep their distance");
}

#[test]
fn account_events_have_the_captures_names() {
    let compiled = compile::plugin("probe.c", &[]);
    let plugin = Plugin::load(&compiled).expect("it loads");
    let capture = capture();
    let mut instance = plugin.init("", &capture).expect("init");
    let mut seen = Vec::new();
    sysflow_replay::host::account_events(&capture, 9, |bytes| {
        let event = RawEvent::parse(bytes)?;
        assert_eq!((event.ts(), event.tid()), (9, -1));
        seen.push(event.code());
        instance.parse(event).map(drop)
    })
    .expect("events");
    assert!(seen.contains(&code::USER_ADDED_E) && seen.contains(&code::GROUP_ADDED_E));
    let bytes = event::build(1, 1, code::SYSCALL_CLOSE_X, &[]).expect("an event");
    let event = RawEvent::parse(&bytes).expect("an event");
    for (uid, name) in [(0, "root in ''"), (1000, "node in ''"), (65534, "nobody in ''")] {
        let value = instance.extract(event, &format!("probe.user[{uid}]")).expect("a value");
        assert_eq!(value, [Value::Text(name.as_bytes().to_vec())], "{uid}");
    }
    assert_eq!(instance.extract(event, "probe.user[77]").expect("no value"), []);
    // What a terminal must not get is escaped when a value is shown.
    assert_eq!(
        Value::Text(b"caf\xc3\xa9 \x1b[31m \xff\n".to_vec()).to_string(),
        "caf\u{e9} \\u{1b}[31m \\xff\\n"
    );
}

/// Falco ignores errors of parsing; the host counts them and goes on.
#[test]
fn refused_events_are_counted() {
    let compiled = compile::plugin("probe.c", &[]);
    let plugin = Plugin::load(&compiled).expect("it loads");
    let config = format!("{{\"reject\": {}}}", code::ASYNCEVENT_E);
    let stats = replay(capture(), &plugin, &config, &Options::default(), &mut |_| {}).expect("replays");
    assert_eq!(stats.parse_errors, 2);
    assert_eq!(stats.delivered, stats.events + stats.accounts - 2);
    let last = stats.last_parse_error.expect("a message");
    assert!(last.starts_with("plugin probe: parse_event failed: rejected event "), "{last}");
}

#[test]
fn the_stop_flag_ends_a_replay_in_real_time() {
    let compiled = compile::plugin("probe.c", &[]);
    let plugin = Plugin::load(&compiled).expect("it loads");
    let stop = AtomicBool::new(false);
    let options = Options { speed: Speed::Realtime, stop: Some(&stop), ..Options::default() };
    let started = Instant::now();
    let mut reports = 0;
    let stats = replay(capture(), &plugin, "", &options, &mut |p| {
        reports += 1;
        if p.elapsed > Duration::from_millis(600) {
            stop.store(true, Ordering::Relaxed);
        }
    })
    .expect("replays");
    assert!(stats.stopped && stats.events < 31_162, "{stats:?}");
    assert!(reports >= 3, "{reports} reports");
    let elapsed = started.elapsed();
    assert!(elapsed < Duration::from_secs(30), "the capture is 73 s long, it took {elapsed:?}");
    // As much of the recording as there was time for.
    let span = Duration::from_nanos(stats.last_ts.unwrap_or(0) - stats.first_ts.unwrap_or(0));
    assert!(span <= elapsed, "{span:?} in {elapsed:?}");
}

/// A cut capture: everything before the cut is delivered, the plugin closes, and the error is reported.
#[test]
fn a_cut_capture_is_replayed_up_to_the_cut() {
    let compiled = compile::plugin("probe.c", &[]);
    let plugin = Plugin::load(&compiled).expect("it loads");
    let bytes = std::fs::read(bundled(ATTACK)).expect("the capture");
    let cut =
        Capture::from_reader("cut.scap", std::io::Cursor::new(bytes[..200_000].to_vec())).expect("opens");
    let mut last = None;
    let error = replay(cut, &plugin, "", &Options::default(), &mut |p| {
        if p.done {
            last = Some(p.stats.clone());
        }
    })
    .expect_err("it is cut");
    assert!(matches!(error, Error::Truncated { .. }), "{error}");
    let stats = last.expect("a last report");
    assert!(stats.events > 10_000 && stats.delivered == stats.events + stats.accounts, "{stats:?}");
}

/// Old captures begin with events that have no time; they must not make the replay wait for fifty years.
#[test]
fn events_without_a_time_get_one() {
    let compiled = compile::plugin("probe.c", &[]);
    let plugin = Plugin::load(&compiled).expect("it loads");
    let mut bytes = Vec::new();
    let mut block = |kind: u32, body: &[u8]| {
        let total = (body.len().next_multiple_of(4) + 12) as u32;
        bytes.extend([kind.to_le_bytes(), total.to_le_bytes()].concat());
        bytes.extend(body);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes.extend(total.to_le_bytes());
    };
    block(0x0A0D_0D0A, b"\x4d\x3c\x2b\x1a\x01\0\x02\0\xff\xff\xff\xff\xff\xff\xff\xff");
    for ts in [0, 0, 1_000_000_000, 0, 1_000_000_500] {
        let event = event::build(ts, 1, code::SYSCALL_CLOSE_X, &[&[0; 8], &[0; 8]]).expect("encodes");
        block(0x216, &[&[0, 0], event.as_slice()].concat());
    }
    let capture = Capture::from_bytes("old.scap", bytes).expect("opens");
    let options = Options { speed: Speed::Realtime, shift_ns: 5, ..Options::default() };
    let stats = replay(capture, &plugin, "", &options, &mut |_| {}).expect("replays");
    assert_eq!((stats.events, stats.delivered), (5, 5));
    assert_eq!((stats.first_ts, stats.last_ts), (Some(1_000_000_005), Some(1_000_000_505)));
}

/// The state of a capture that is appended to another replaces that of the first.
#[test]
fn concatenated_captures_are_one_replay() {
    let compiled = compile::plugin("probe.c", &[]);
    let plugin = Plugin::load(&compiled).expect("it loads");
    let mut bytes = std::fs::read(bundled("shop-normal.scap")).expect("a capture");
    bytes.extend(std::fs::read(bundled(ATTACK)).expect("a capture"));
    let both = Capture::from_reader("both.scap", std::io::Cursor::new(bytes)).expect("opens");
    let stats = replay(both, &plugin, "", &Options::default(), &mut |_| {}).expect("replays");
    assert_eq!(stats.events, 7_894 + 31_162);
    assert_eq!(stats.reader.sections, 2);
}
