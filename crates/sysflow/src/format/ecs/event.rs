//! The section `event`: what happened, in the words of the Elastic Common Schema.

use crate::format::Judgement;
use crate::format::json_writer::Json;
use crate::record::{FileEvent, FileFlow, K8sAction, NetworkFlow, ProcessEvent, Record, op};
use crate::schema::K8S_ACTIONS;

use super::time;

/// The three words that classify an event.
struct Class {
    category: &'static str,
    event_type: String,
    action: String,
}

pub(super) fn event(json: &mut Json, record: &Record, judgement: &Judgement<'_>) {
    let Class { category, event_type, action } = classify(record);
    let start = record.ts().unwrap_or(0);
    let end = match record {
        Record::NetworkFlow(r) => r.end_ts,
        Record::FileFlow(r) => r.end_ts,
        Record::ProcessFlow(r) => r.end_ts,
        _ => 0,
    };
    let end = if end == 0 { start } else { end };
    json.field("action", &action);
    json.field("category", category);
    json.number("duration", end.saturating_sub(start));
    json.field("end", &time(end));
    json.field("kind", if judgement.policies.is_empty() { "event" } else { "alert" });
    if let Record::K8sEvent(event) = record {
        json.field("original", &event.message);
    }
    if let Some(severity) = judgement.policies.iter().map(|policy| policy.priority).max() {
        let rules: Vec<_> = judgement.policies.iter().map(|policy| policy.id).collect();
        json.field("reason", &rules.join(", "));
        json.number("severity", severity);
    }
    match record {
        Record::ProcessEvent(r) => json.number("sf_ret", r.ret),
        Record::FileEvent(r) => json.number("sf_ret", r.ret),
        _ => {}
    }
    json.field("sf_type", record.kind().as_str());
    json.field("start", &time(start));
    json.field("type", &event_type);
}

/// Thread and operations of a record.
pub(super) fn actor(record: &Record) -> (i64, i32) {
    match record {
        Record::ProcessEvent(r) => (r.tid, r.op_flags),
        Record::NetworkFlow(r) => (r.tid, r.op_flags),
        Record::FileFlow(r) => (r.tid, r.op_flags),
        Record::FileEvent(r) => (r.tid, r.op_flags),
        Record::NetworkEvent(r) => (r.tid, r.op_flags),
        Record::ProcessFlow(r) => (r.proc_oid.hpid, r.op_flags),
        _ => (0, 0),
    }
}

fn classify(record: &Record) -> Class {
    match record {
        Record::ProcessEvent(event) => of_process(event),
        Record::NetworkFlow(flow) => of_connection(flow),
        Record::FileFlow(flow) => of_file(flow),
        Record::FileEvent(event) => of_file_event(event),
        Record::ProcessFlow(_) => class("process", "info", "process-threads"),
        Record::NetworkEvent(_) => class("network", "info", "network-event"),
        Record::K8sEvent(event) => {
            let event_type = match event.action {
                K8sAction::Added => "creation",
                K8sAction::Deleted => "deletion",
                K8sAction::Modified => "change",
                K8sAction::Error => "error",
                K8sAction::Nonexistent | K8sAction::Unknown => "info",
            };
            class("orchestration", event_type, K8S_ACTIONS[event.action as usize])
        }
        _ => class("host", "info", "sysflow-entity"),
    }
}

fn class(category: &'static str, event_type: &str, action: &str) -> Class {
    Class { category, event_type: event_type.into(), action: action.into() }
}

fn of_process(event: &ProcessEvent) -> Class {
    let thread = if event.tid == event.proc_oid.hpid { "" } else { "thread-" };
    let event_type = match event.op_flags {
        op::CLONE | op::EXEC => format!("{thread}start"),
        op::EXIT => format!("{thread}exit"),
        op::PTRACE => return class("process", "access", "process-ptrace"),
        op::SIGNAL => return class("process", "change", "process-signal"),
        op::KERNEL => return class("driver", "change", "kernel-change"),
        _ => "change".into(),
    };
    Class { category: "process", action: format!("process-{event_type}"), event_type }
}

fn of_connection(flow: &NetworkFlow) -> Class {
    match flow.op_flags {
        op::BIND => class("network", "info", "network-bind"),
        op::LISTEN => class("network", "info", "network-listen"),
        _ => class("network", "connection", "network-connection-traffic"),
    }
}

fn of_file(flow: &FileFlow) -> Class {
    let read = flow.op_flags & op::READ_RECV != 0 && (flow.num_rrecv_bytes > 0 || flow.num_rrecv_ops > 0);
    let written = flow.op_flags & op::WRITE_SEND != 0 && (flow.num_wsend_bytes > 0 || flow.num_wsend_ops > 0);
    let (event_type, write) = if written { ("change", "-write") } else { ("access", "") };
    let read = if read { "-read" } else { "" };
    Class { category: "file", event_type: event_type.into(), action: format!("file-access{read}{write}") }
}

fn of_file_event(event: &FileEvent) -> Class {
    match event.op_flags {
        op::MKDIR => class("directory", "creation", "directory-create"),
        op::RMDIR => class("directory", "deletion", "directory-delete"),
        op::UNLINK => class("file", "deletion", "file-delete"),
        op::LINK | op::SYMLINK => class("file", "change", "file-link"),
        op::RENAME => class("file", "change", "file-rename"),
        op::CHMOD => class("file", "change", "file-chmod"),
        op::CHOWN => class("file", "change", "file-chown"),
        op::MKNOD => class("file", "creation", "file-create"),
        op::MOUNT => class("file", "change", "file-mount"),
        op::UMOUNT => class("file", "change", "file-umount"),
        op::OPEN => class("file", "denied", "file-access-denied"),
        _ => class("file", "info", "file-event"),
    }
}
