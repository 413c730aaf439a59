//! Fields say what the stream's record of the same event says.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use sysflow::{Entities, Record, attr, record::op};
use sysflow_replay::{
    Capture, RawEvent,
    host::{Plugin, Request, Value, account_events},
};

use crate::support::{bundled, library, records_of, replay};

/// By time and thread of the event: its descriptor, and what each field said.
type Answers = HashMap<(i64, i64), (Option<i64>, Vec<Vec<Value>>)>;

/// Attributes that a process record does not follow: it is written when the process starts, executes or changes its
/// user, and chdir and setsid change these in between.
const CHANGES_UNSEEN: [&str; 5] =
    ["sf.proc.cwd", "sf.proc.sid", "sf.proc.tty", "sf.proc.ttynr", "sf.pproc.tty"];

/// Attributes of a flow that stay as they were when it began: its record comes at its end.
const OF_FLOWS: [&str; 4] = ["sf.file.", "sf.net.", "sf.graph", "sf.node."];

/// Fields that are about graphs and no attribute of a record.
const NOT_IN_RECORDS: [&str; 2] = ["sf.graph.root.pid", "sf.graph.root.exe"];

#[test]
fn fields_say_what_the_record_of_the_event_says() {
    let mut compared = BTreeMap::new();
    for name in ["shop-attack.scap", "shop-normal.scap", "host-mix.scap"] {
        compare(&bundled(name), &mut compared);
    }
    let never: Vec<&str> = compared.iter().filter(|(_, count)| **count == 0).map(|(name, _)| *name).collect();
    println!("compared: {compared:?}");
    // What these captures do not hold, or no record follows.
    assert_eq!(never, ["sf.container.imageid", "sf.file.newsymlink", "sf.pproc.tty", "sf.proc.loginuid"]);
}

fn compare(capture: &Path, compared: &mut BTreeMap<&'static str, usize>) {
    let plugin = Plugin::load(&library()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let config =
        |name| serde_json::json!({"node": "here", "env": "all", "dir": dir.path().join(name)}).to_string();
    let fields: Vec<String> = plugin.fields().iter().map(|field| field.name.clone()).collect();
    replay(capture, &config("first"));
    let asked: HashSet<_> =
        records_of(&dir.path().join("first")).iter().filter_map(|r| r.ts().zip(tid(r))).collect();
    let answers = answers(&plugin, capture, &config("second"), &fields, &asked);

    let records = records_of(&dir.path().join("second"));
    let mut entities = Entities::default();
    let mut wrong = Vec::new();
    for record in &records {
        entities.apply(record);
        let (Some(ts), Some(tid)) = (record.ts(), tid(record)) else { continue };
        let Some((fd, values)) = answers.get(&(ts, tid)) else { continue };
        // A flow of another descriptor that the event has ended, or that it was time for.
        if flow_fd(record).is_some_and(|flow| Some(flow) != *fd) {
            continue;
        }
        let joined = entities.join(record);
        for (name, value) in fields.iter().zip(values) {
            if NOT_IN_RECORDS.contains(&name.as_str()) {
                continue;
            }
            let attribute = attr::find(name).unwrap_or_else(|| panic!("{name} is no attribute"));
            if !attribute.kinds.contains(&record.kind()) {
                continue;
            }
            let want = attribute.value(&joined);
            let count = compared.entry(attribute.name).or_insert(0);
            let stays = flow_fd(record).is_none() || OF_FLOWS.iter().any(|start| name.starts_with(start));
            let same = name.starts_with("sf.proc.") && starts(record);
            if !stays || CHANGES_UNSEEN.contains(&attribute.name) && !same {
                continue;
            }
            if text(&want) == value.iter().map(shown).collect::<Vec<_>>() {
                *count += usize::from(!want.is_absent());
            } else {
                wrong.push(format!("{name} at {ts} by {tid}: {want:?}, not {value:?}: {record:?}"));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{}: {} of them:\n{}",
        capture.display(),
        wrong.len(),
        wrong[..wrong.len().min(30)].join("\n")
    );
}

/// What fields say of the events that have records.
fn answers(
    plugin: &Plugin,
    capture: &Path,
    config: &str,
    fields: &[String],
    asked: &HashSet<(i64, i64)>,
) -> Answers {
    let mut capture = Capture::open(capture).unwrap();
    let mut instance = plugin.init(config, &capture).unwrap();
    let requests: Vec<Request> = fields.iter().map(|field| instance.request(field).unwrap()).collect();
    instance.capture_open().unwrap();
    let mut answers = Answers::new();
    let (mut twice, mut first) = (HashSet::new(), true);
    while let Some(event) = capture.next_event().unwrap() {
        if !instance.wants(event.code()) || event.ts() == 0 {
            continue;
        }
        let event = event.bytes().to_vec();
        let event = RawEvent::parse(&event).unwrap();
        if std::mem::take(&mut first) {
            let mut account = |event: &[u8]| instance.parse(RawEvent::parse(event)?).map(drop);
            account_events(&capture, event.ts(), &mut account).unwrap();
        }
        instance.parse(event).unwrap();
        if !asked.contains(&(event.ts() as i64, event.tid())) {
            continue;
        }
        let mut ask = |request| instance.extract_request(event, request).unwrap();
        let values = requests.iter().map(&mut ask).collect();
        let at = (event.ts() as i64, event.tid());
        if answers.insert(at, (descriptor(event), values)).is_some() {
            twice.insert(at);
        }
    }
    answers.retain(|at, _| !twice.contains(at));
    instance.capture_close().unwrap();
    answers
}

fn tid(record: &Record) -> Option<i64> {
    match record {
        Record::ProcessEvent(r) => Some(r.tid),
        Record::FileEvent(r) => Some(r.tid),
        Record::FileFlow(r) => Some(r.tid),
        Record::NetworkFlow(r) => Some(r.tid),
        _ => None,
    }
}

/// The descriptor that an event of these types is about: open, close, read, write, bind, connect, listen, accept.
fn descriptor(event: RawEvent<'_>) -> Option<i64> {
    let index = match event.code() {
        3 | 247 | 307 | 327 | 389 => 0,
        5 | 25 => 1,
        7 | 9 | 21 | 23 => 2,
        _ => return None,
    };
    Some(i64::from_le_bytes(event.param(index)?.try_into().ok()?))
}

fn flow_fd(record: &Record) -> Option<i64> {
    match record {
        Record::FileFlow(r) => Some(r.fd.into()),
        Record::NetworkFlow(r) => Some(r.fd.into()),
        _ => None,
    }
}

/// The process record was written with this one.
fn starts(record: &Record) -> bool {
    matches!(record, Record::ProcessEvent(event) if event.op_flags == op::EXEC && event.ret == 0)
}

fn text(value: &attr::Value<'_>) -> Vec<String> {
    match value {
        attr::Value::Absent => Vec::new(),
        attr::Value::StrList(texts) => texts.iter().map(ToString::to_string).collect(),
        attr::Value::IntList(numbers) => numbers.iter().map(ToString::to_string).collect(),
        one => vec![one.to_string()],
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::U64(number) => number.to_string(),
        Value::Text(text) => String::from_utf8(text.clone()).unwrap(),
        Value::Bool(truth) => truth.to_string(),
        other => panic!("{other:?}"),
    }
}
