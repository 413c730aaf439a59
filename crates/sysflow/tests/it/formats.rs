//! Records as text equal what SysFlow's own exporter wrote, its defects repaired.

use std::collections::HashMap;

use serde_json::{Value, json};
use sysflow::format::{self, Judgement, Policy, ecs, table::Table};
use sysflow::record::{Kind, Record, op};
use sysflow::{Entities, Joined, attr};

use crate::golden::{each_event, each_line};
use crate::shared::shared;

/// The one rule of the goldens: `sf.opflags = EXEC`.
const RULE: Policy<'_> = Policy { id: "Execution of a file", desc: "Execution of a file", priority: 2 };
const TAGS: &[&str] = &["mitre:T1106", "demo"];

fn judge(joined: &Joined<'_>) -> Judgement<'static> {
    match joined.record {
        Record::ProcessEvent(event) if event.op_flags & op::EXEC != 0 => {
            Judgement { policies: &[RULE], tags: TAGS }
        }
        _ => Judgement::default(),
    }
}

/// What the original did wrong, each turned into what we do.
type Repair = (&'static str, fn(&mut Value, &Joined<'_>));

const JSON_REPAIRS: [Repair; 5] = [
    ("texts of a parent that the trace does not hold are two quotes", |golden, _| {
        if let Some(Value::Object(parent)) = golden.get_mut("pproc") {
            parent.values_mut().filter(|value| **value == json!("\"\"")).for_each(|value| *value = json!(""));
        }
    }),
    ("counters of flows are doubled", |golden, _| {
        if let Some(Value::Object(flow)) = golden.get_mut("flow") {
            flow.values_mut().for_each(halve);
        }
    }),
    ("a command line without arguments ends with a space", |golden, _| {
        trim(golden, "/proc/cmdline");
    }),
    ("a file event shows the state of its new file as descriptor", |golden, joined| {
        if joined.record.kind() == Kind::FileEvent {
            golden["file"]["fd"] = json!(0);
        }
    }),
    (
        "READ and RECV, WRITE and SEND are mixed up when the same bits occurred in another kind before",
        |golden, joined| {
            let Some(Value::Array(names)) = golden.get_mut("opflags") else { return };
            let (from, to) = match joined.record.kind() {
                Kind::NetworkFlow => (["READ", "WRITE"], ["RECV", "SEND"]),
                _ => (["RECV", "SEND"], ["READ", "WRITE"]),
            };
            for name in names {
                for (from, to) in from.iter().zip(to) {
                    if name == from {
                        *name = json!(to);
                    }
                }
            }
        },
    ),
];

const ECS_REPAIRS: [Repair; 6] = [
    ("counters of flows are doubled", |golden, _| {
        for section in ["sf_file_action", "network", "source", "destination"] {
            if let Some(Value::Object(section)) = golden.get_mut(section) {
                for (key, value) in section {
                    if ["bytes", "packets", "bytes_read", "bytes_written", "read_ops", "write_ops"]
                        .contains(&key.as_str())
                    {
                        halve(value);
                    }
                }
            }
        }
    }),
    ("a command line without arguments ends with a space", |golden, _| {
        trim(golden, "/process/command_line");
    }),
    ("the kind is 'event' even when a rule matched", |golden, _| {
        if golden["event"].get("reason").is_some() {
            golden["event"]["kind"] = json!("alert");
        }
    }),
    ("an unknown parent is shown as zeros", |golden, _| {
        if golden.pointer("/process/parent/pid") == Some(&json!(0))
            && let Some(Value::Object(process)) = golden.get_mut("process")
        {
            process.remove("parent");
        }
    }),
    ("a parent that the trace does not hold is called '.'", |golden, _| {
        if let Some(Value::Object(parent)) = golden.pointer_mut("/process/parent")
            && parent["executable"] == ""
        {
            parent.retain(|key, _| key == "pid" || key == "start");
        }
    }),
    ("the agent's version is the original's", |golden, _| {
        golden["agent"]["version"] = json!(env!("CARGO_PKG_VERSION"));
    }),
];

fn halve(value: &mut Value) {
    *value = json!(value.as_i64().unwrap() / 2);
}

fn trim(golden: &mut Value, pointer: &str) {
    if let Some(Value::String(text)) = golden.pointer_mut(pointer) {
        text.truncate(text.trim_end().len());
    }
}

fn repaired(repairs: &[Repair], used: &mut [usize], golden: &mut Value, joined: &Joined<'_>) {
    for ((_, repair), used) in repairs.iter().zip(used) {
        let before = golden.clone();
        repair(golden, joined);
        *used += usize::from(*golden != before);
    }
}

fn all_used(repairs: &[Repair], used: &[usize]) {
    for ((name, _), used) in repairs.iter().zip(used) {
        assert!(*used > 0, "repair '{name}' is of no use");
    }
}

/// The keys of an object and of all below it, in the order in which they stand.
fn key_order(line: &str) -> Vec<String> {
    // serde_json sorts keys: look at the text itself, outside of strings.
    let (mut keys, mut text, mut inside, mut escaped) = (Vec::new(), String::new(), false, false);
    let mut last = String::new();
    for c in line.chars() {
        match c {
            _ if inside && escaped => escaped = false,
            '\\' if inside => escaped = true,
            '"' => {
                inside = !inside;
                last = std::mem::take(&mut text);
            }
            c if inside => text.push(c),
            ':' => keys.push(std::mem::take(&mut last)),
            _ => {}
        }
    }
    keys
}

#[test]
fn json_equals_the_original() {
    let mut used = [0; JSON_REPAIRS.len()];
    let mut first = FirstMet::new();
    let mut unquoted = 0;
    let compared = each_line("json", |trace, joined, line| {
        let ours_line = format::json(joined, &judge(joined));
        let (mut golden, mut ours) = (parse(line), parse(&ours_line));
        repaired(&JSON_REPAIRS, &mut used, &mut golden, joined);
        // The original's lists of ancestors are outdated, and so is what it shows of the parent: both are compared
        // with ours of the time when it first met the process.
        if golden.get("proc").is_some() {
            as_first_met(&mut first, trace, joined, &mut ours, "pproc");
            for list in ["acmdline", "aexe", "aname", "apid"] {
                as_first_met(&mut first, trace, joined, &mut ours["proc"], list);
            }
        }
        unquoted += requote(&ours, &mut golden);
        assert_same(trace, joined, &ours, &golden);
        assert_eq!(key_order(&ours_line), key_order(line), "{trace}");
    });
    if compared > 0 {
        all_used(&JSON_REPAIRS, &used);
        assert!(unquoted > 0);
    }
}

#[test]
fn ecs_equals_the_original() {
    let mut used = [0; ECS_REPAIRS.len()];
    let mut first = FirstMet::new();
    let mut unquoted = 0;
    let compared = each_line("ecs", |trace, joined, line| {
        let (id, line) = line.split_once(' ').unwrap();
        let ours_line = format::ecs(joined, &judge(joined));
        let (mut golden, mut ours) = (parse(line), parse(&ours_line));
        repaired(&ECS_REPAIRS, &mut used, &mut golden, joined);
        if let Some(process) = ours.get_mut("process") {
            as_first_met(&mut first, trace, joined, process, "parent");
        }
        unquoted += requote(&ours, &mut golden);
        assert_same(trace, joined, &ours, &golden);
        assert_eq!(ecs::document_id(joined), id, "{trace}: {:?}", joined.record);
        if golden.pointer("/process/parent/name").is_some() && golden.pointer("/user/name").is_some() {
            assert_eq!(key_order(&ours_line), key_order(line), "{trace}");
        }
    });
    if compared > 0 {
        all_used(&ECS_REPAIRS, &used);
        assert!(unquoted > 0);
    }
}

/// What stood at a key of ours when a process was first met in a trace.
type FirstMet = HashMap<(String, Option<sysflow::Oid>, &'static str), Option<Value>>;

/// Puts into `ours` at `key` what stood there when the process was first met.
fn as_first_met(
    memory: &mut FirstMet,
    trace: &str,
    joined: &Joined<'_>,
    ours: &mut Value,
    key: &'static str,
) {
    let Value::Object(ours) = ours else { return };
    let first = memory
        .entry((trace.to_owned(), joined.record.proc_oid(), key))
        .or_insert_with(|| ours.get(key).cloned());
    match first {
        Some(first) => drop(ours.insert(key.to_owned(), first.clone())),
        None => drop(ours.remove(key)),
    }
}

/// The original takes a quotation mark off each end of a text; puts back those that ours says were there, and says
/// how many texts that were.
fn requote(ours: &Value, golden: &mut Value) -> usize {
    match (ours, golden) {
        (Value::Object(ours), Value::Object(golden)) => {
            golden.iter_mut().map(|(key, value)| ours.get(key).map_or(0, |ours| requote(ours, value))).sum()
        }
        (Value::Array(ours), Value::Array(golden)) => {
            ours.iter().zip(golden).map(|(ours, golden)| requote(ours, golden)).sum()
        }
        (Value::String(ours), Value::String(golden)) if ours != golden => {
            let text = ours.strip_prefix(['"', '\'']).unwrap_or(ours);
            let text = text.strip_suffix(['"', '\'']).unwrap_or(text);
            if text == golden {
                golden.clone_from(ours);
                return 1;
            }
            0
        }
        _ => 0,
    }
}

/// Where two values differ, as path and both sides.
fn differences(path: &str, ours: &Value, golden: &Value, found: &mut Vec<String>) {
    match (ours, golden) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<_> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let side = |map: &serde_json::Map<String, Value>| map.get(key).cloned().unwrap_or_default();
                differences(&format!("{path}/{key}"), &side(a), &side(b), found);
            }
        }
        (a, b) if a == b => {}
        (a, b) => found.push(format!("{path}: ours {a}, original {b}")),
    }
}

#[track_caller]
fn assert_same(trace: &str, joined: &Joined<'_>, ours: &Value, golden: &Value) {
    let mut found = Vec::new();
    differences("", ours, golden, &mut found);
    assert!(found.is_empty() && ours == golden, "{trace}: {:?}\n{}", joined.record, found.join("\n"));
}

fn parse(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))
}

/// Where nothing is repaired (most flows have counters, which the original doubles) the lines are the same to the byte: escapes, numbers, spaces.
#[test]
fn untouched_lines_equal_to_the_byte() {
    let mut equal = 0;
    let compared = each_line("json", |_, joined, line| {
        equal += usize::from(format::json(joined, &judge(joined)) == line);
    });
    assert!(equal * 10 >= compared, "{equal} of {compared}");
}

/// A trace whose names are as bad as names can be.
fn hostile() -> (Entities, Record) {
    use sysflow::record::*;
    let oid = sysflow::Oid { create_ts: 1, hpid: 2 };
    let process = Process {
        oid,
        exe: "/tmp/\u{1b}]0;owned\u{7}<script>&\"\\".into(),
        exe_args: "a\nb\u{202e}cba".into(),
        user_name: "r\"oot".into(),
        ..Process::default()
    };
    let file_oid = sysflow::Foid::new("", "x");
    let file = File {
        state: ObjectState::Created,
        oid: file_oid,
        ts: 1,
        restype: i32::from(b'f'),
        path: "/tmp/a,b\r\n\u{0}c".into(),
        container_id: None,
    };
    let mut entities = Entities::default();
    entities.apply(&Record::Process(process));
    entities.apply(&Record::File(file));
    let event = FileEvent {
        proc_oid: oid,
        ts: 1,
        tid: 2,
        op_flags: op::UNLINK,
        file_oid,
        ret: -13,
        new_file_oid: None,
        arg: String::new(),
    };
    (entities, Record::FileEvent(event))
}

#[test]
fn hostile_names_stay_inside_their_place() {
    let (entities, event) = hostile();
    let joined = entities.join(&event);

    let row = Table::default().row(&joined);
    assert!(!row.chars().any(|c| c.is_control() || c == '\u{202e}'), "{row:?}");
    assert!(row.contains("\\u{1b}]0;owned") && row.ends_with("/tmp/a,b\\u{d}\\n\\u{0}c (-13)"), "{row}");

    for line in [format::json(&joined, &Judgement::default()), format::ecs(&joined, &Judgement::default())] {
        assert!(!line.contains(['<', '>', '&', '\n']), "{line}");
        let text = parse(&line).to_string();
        assert!(text.contains("<script>&") && text.contains("a\\nb"), "{text}");
    }

    let columns = ["sf.type", "sf.file.path", "sf.proc.user"].map(|name| attr::find(name).unwrap());
    assert_eq!(format::csv::header(&columns), "sf.type,sf.file.path,sf.proc.user");
    assert_eq!(format::csv::row(&joined, &columns), "FE,\"/tmp/a,b\r\n\0c\",\"r\"\"oot\"");
}

#[test]
fn a_table_has_columns() {
    let Some(data) = shared("data") else { return };
    let table = Table::default();
    let mut lines = vec![table.header()];
    each_event(data.join("pairs/client-server_tcp-client-server.sf"), |joined| lines.push(table.row(joined)));
    assert_eq!(
        lines[..3],
        [
            "TIME                     TYPE PID     USER       CONTAINER    PROCESS                          OPERATIONS               READ     WRITTEN  RESOURCE",
            "2019-03-25T19:48:00.704… PE   13823                           ./server                         EXEC",
            "2019-03-25T19:48:00.704… FF   13823                           ./server                         OPEN,CLOSE,MMAP          0        0        /etc/ld.so.cache",
        ]
    );
    let flow = lines.iter().find(|line| line.contains(" NF ")).unwrap();
    assert!(flow.ends_with("127.0.0.1:40556 → 127.0.0.1:8080"), "{flow}");
}

#[test]
fn community_ids_are_those_of_other_tools() {
    use sysflow::record::NetworkFlow;
    // From the test vectors of the Community ID specification (tcp, 128.232.110.120:34855 to 66.35.250.204:80).
    let flow = |v6: bool| NetworkFlow {
        proc_oid: sysflow::Oid::default(),
        ts: 0,
        tid: 0,
        op_flags: 0,
        end_ts: 0,
        sip: if v6 { 0 } else { i32::from_le_bytes([128, 232, 110, 120]) },
        sport: 34855,
        dip: if v6 { 0 } else { i32::from_le_bytes([66, 35, 250, 204]) },
        dport: 80,
        proto: 6,
        fd: 0,
        num_rrecv_ops: 0,
        num_wsend_ops: 0,
        num_rrecv_bytes: 0,
        num_wsend_bytes: 0,
        sip6: v6.then(|| "2001:db8::1".parse::<std::net::Ipv6Addr>().unwrap().octets()),
        dip6: v6.then(|| "2001:db8::2".parse::<std::net::Ipv6Addr>().unwrap().octets()),
    };
    let entities = Entities::default();
    let line = |v6| {
        let record = Record::NetworkFlow(flow(v6));
        parse(&format::ecs(&entities.join(&record), &Judgement::default()))
    };
    assert_eq!(line(false)["network"]["community_id"], "1:LQU9qZlK+B5F3KDmev6m5PMibrg=");
    assert_eq!(line(true)["source"]["ip"], "2001:db8::1");
    assert_ne!(line(true)["network"]["community_id"], line(false)["network"]["community_id"]);
}

#[test]
fn times_before_and_after() {
    use sysflow::time::Rfc3339;
    let cases = [
        (-1, "1969-12-31T23:59:59.999999999Z"),
        (951_782_400_000_000_000, "2000-02-29T00:00:00Z"),
        (1_709_251_199_500_000_000, "2024-02-29T23:59:59.5Z"),
        (i64::MAX, "2262-04-11T23:47:16.854775807Z"),
        (i64::MIN, "1677-09-21T00:12:43.145224192Z"),
    ];
    for (ns, text) in cases {
        assert_eq!(Rfc3339(ns).to_string(), text);
    }
}
