//! Every call that the plugin subscribes to: an event as the driver writes it in, the record out.
//!
//! The table is the one of docs/conformance.md, which is made from it.

use std::{collections::HashMap, fmt::Write as _, path::Path};

use sysflow::{
    Foid, Record,
    attr::names,
    record::{FileFlow, Kind, NetworkFlow, Process},
};
use sysflow_flow::{Config, Initial, InitialFd, InitialFdKind, Recorder};
use sysflow_replay::{event, schema};

use self::table::{Call, calls, descriptors};
use super::apply;
use crate::events::{SUBSCRIBED, code::PROCINFO_E};

mod table;

/// Who makes the calls: a shell in /root.
const SHELL: i64 = 100;

/// What comes of a call: events and flows in words, then the attributes of the caller that `want` speaks of.
fn outcome(call: &Call) -> String {
    let process = |pid, exe: &[u8], fds| Initial {
        tid: pid,
        pid,
        ptid: 1,
        vpid: pid,
        sid: pid - 1,
        tty: 34816,
        exe: exe.into(),
        cwd: b"/root".into(),
        fds,
        ..Initial::default()
    };
    let key = InitialFd { fd: 3, kind: InitialFdKind::File(b"/etc/ssh/key".into()), open_flags: 1 };
    let initial = [process(50, b"/usr/sbin/sshd", vec![key]), process(SHELL, b"/bin/bash", descriptors())];
    let mut recorder = Recorder::new(Config::default());
    let mut records = Vec::new();
    recorder.start(initial, &mut records);
    for (ts, (code, tid, params)) in (1_000_000_000_000_u64..).zip(&call.events) {
        let params: Vec<&[u8]> = params.iter().map(Vec::as_slice).collect();
        apply(&mut recorder, &event::build(ts, *tid, *code, &params).unwrap(), &mut records);
    }
    let lost = recorder.counters().lost();
    assert_eq!(lost, 0, "{}: {:?}", call.name, recorder.counters());
    recorder.finish(&mut records);
    let mut words = Words::default();
    let mut lines: Vec<String> = records.iter().filter_map(|record| words.of(record)).collect();
    for part in call.want.split("; ").filter_map(|part| part.strip_prefix("Process ")) {
        let names = part.split(' ').filter_map(|attribute| attribute.split_once('='));
        let process = words.caller.as_ref().unwrap_or_else(|| panic!("{}: no process", call.name));
        let values = names.map(|(name, _)| format!("{name}={}", attribute(process, name)));
        lines.push(format!("Process {}", values.collect::<Vec<_>>().join(" ")));
    }
    lines.extend(words.container.filter(|_| call.want.contains("Container ")));
    lines.join("; ")
}

fn attribute(process: &Process, name: &str) -> String {
    match name {
        "uid" => process.uid.to_string(),
        "gid" => process.gid.to_string(),
        "sid" => process.sid.to_string(),
        "tty" => process.tty_nr.to_string(),
        "caps" => format!("{:#x}", process.cap_effective),
        "group" => process.group_name.clone(),
        _ => panic!("name {name} here"),
    }
}

/// Records in words.
#[derive(Default)]
struct Words {
    paths: HashMap<Foid, String>,
    caller: Option<Process>,
    container: Option<String>,
}

impl Words {
    /// An event or a flow; what it says beside its operation, and its result where that is not 0.
    fn of(&mut self, record: &Record) -> Option<String> {
        let result = |ret: i32| if ret == 0 { String::new() } else { format!(" = {ret}") };
        Some(match record {
            Record::File(file) => {
                self.paths.insert(file.oid, file.path.clone());
                return None;
            }
            Record::Process(process) => {
                self.caller =
                    Some(process.clone()).filter(|process| process.oid.hpid == SHELL).or(self.caller.take());
                return None;
            }
            Record::Container(container) => {
                self.container = Some(format!("Container {}", container.name));
                return None;
            }
            Record::ProcessEvent(e) => {
                let name = operation(e.op_flags, Kind::ProcessEvent);
                let words: Vec<&str> =
                    std::iter::once(name.as_str()).chain(e.args.iter().map(String::as_str)).collect();
                format!("ProcessEvent {}{}", words.join(" "), result(e.ret))
            }
            Record::FileEvent(e) => {
                let new = e.new_file_oid.map_or(String::new(), |oid| format!(" > {}", self.paths[&oid]));
                let arg = if e.arg.is_empty() { String::new() } else { format!(" ({})", e.arg) };
                let (name, path) = (operation(e.op_flags, Kind::FileEvent), &self.paths[&e.file_oid]);
                format!("FileEvent {name} {path}{new}{arg}{}", result(e.ret))
            }
            Record::FileFlow(f) => {
                let moved = moved(f);
                format!(
                    "FileFlow {} {}{moved}",
                    operation(f.op_flags, Kind::FileFlow),
                    self.paths[&f.file_oid]
                )
            }
            Record::NetworkFlow(f) => {
                let (source, dest) = names::endpoints(f);
                let name = operation(f.op_flags, Kind::NetworkFlow);
                format!("NetworkFlow {name} {source}:{} > {dest}:{}{}", f.sport, f.dport, moved_net(f))
            }
            _ => return None,
        })
    }
}

/// All but that a flow was cut: here all are that have not been closed.
fn operation(flags: i32, kind: Kind) -> String {
    names::ops(flags, kind).filter(|name| *name != "TRUNCATE").collect::<Vec<_>>().join(" ")
}

fn moved(f: &FileFlow) -> String {
    counts("read", f.num_rrecv_ops, f.num_rrecv_bytes)
        + &counts("written", f.num_wsend_ops, f.num_wsend_bytes)
}

fn moved_net(f: &NetworkFlow) -> String {
    counts("received", f.num_rrecv_ops, f.num_rrecv_bytes)
        + &counts("sent", f.num_wsend_ops, f.num_wsend_bytes)
}

fn counts(name: &str, ops: i64, bytes: i64) -> String {
    if ops == 0 { String::new() } else { format!(" {name} {ops}/{bytes}") }
}

#[test]
fn every_call_has_its_record() {
    let wrong: Vec<String> = calls()
        .iter()
        .map(|call| (call, outcome(call)))
        .filter(|(call, got)| got != call.want)
        .map(|(call, got)| format!("{}: {got}\n  instead of: {}", call.name, call.want))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_event_that_we_ask_for_is_in_the_table() {
    let calls = calls();
    let told: Vec<u16> = calls.iter().flat_map(|call| call.events.iter().map(|(code, ..)| *code)).collect();
    // It comes from a clock, to let time pass.
    let missing: Vec<&str> = SUBSCRIBED
        .iter()
        .filter(|code| !told.contains(code) && **code != PROCINFO_E)
        .map(|code| schema::name(*code))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn the_document_has_the_table() {
    let mut table = String::from("| call | record |\n|---|---|\n");
    for call in calls() {
        let after: Vec<String> = call.events[1..].iter().map(|(code, ..)| name_of_call(*code)).collect();
        let after = if after.is_empty() { String::new() } else { format!("after {}: ", after.join(", ")) };
        let records = if call.want.is_empty() {
            "none".to_owned()
        } else {
            call.want.split("; ").map(|part| format!("`{part}`")).collect::<Vec<_>>().join(", ")
        };
        writeln!(table, "| {} | {after}{records} |", call.name).unwrap();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/conformance.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (head, rest) = text.split_once("<!-- calls:").unwrap();
    let (mark, rest) = rest.split_once('\n').unwrap();
    let (_, tail) = rest.split_once("<!-- end -->").unwrap();
    let want = format!("{head}<!-- calls:{mark}\n{table}<!-- end -->{tail}");
    if std::env::var_os("SYSFLOW_UPDATE_DOCS").is_some() {
        std::fs::write(&path, want).unwrap();
        return;
    }
    assert!(
        text == want,
        "docs/conformance.md is not current: SYSFLOW_UPDATE_DOCS=1 cargo test -p sysflow-plugin calls"
    );
}

/// `SYSCALL_UNLINK_2_X` is unlink.
fn name_of_call(code: u16) -> String {
    let name =
        schema::name(code).trim_end_matches("_X").trim_end_matches(|c: char| c.is_ascii_digit() || c == '_');
    name.split_once('_').map_or(name, |(_, name)| name).to_lowercase()
}
