//! `evt.*`: the operation itself.

use std::borrow::Cow;

use sysflow::{
    Joined,
    record::{Kind, Record, exe_flags, op, open_flags},
};

use super::{FalcoField, Type, Value, no, ops, yes};
use crate::kinds::KindSet;

const ALL: KindSet = KindSet::JUDGED;
const OPS: KindSet = KindSet::of(&[
    Kind::ProcessEvent,
    Kind::NetworkFlow,
    Kind::FileFlow,
    Kind::FileEvent,
    Kind::NetworkEvent,
    Kind::ProcessFlow,
]);
const PE: KindSet = KindSet::of(&[Kind::ProcessEvent]);
const FE: KindSet = KindSet::of(&[Kind::FileEvent]);
const FF_FE: KindSet = KindSet::of(&[Kind::FileFlow, Kind::FileEvent]);
const RESULT: KindSet =
    KindSet::of(&[Kind::ProcessEvent, Kind::FileEvent, Kind::FileFlow, Kind::NetworkFlow]);
const RESULTS: &str = "flows hold no result: what was not refused counts as a success";
const RESOLVED: &str = "the resolved path, not as the program wrote it";
const SEQUENCE: &str = "records have no number: always 1";
const TEXT: &str = "arguments of system calls are recorded one by one; use sf.* or evt.arg fields";
const RAW: &str = "payloads are not recorded";

pub(super) static FIELDS: &[FalcoField] = &[
    yes("evt.type", Type::Text, OPS, |r, _| calls(r)),
    yes("syscall.type", Type::Text, OPS, |r, _| calls(r)),
    yes("evt.dir", Type::Text, ALL, |_, _| Value::Str(Cow::Borrowed("<"))),
    yes("evt.num", Type::Number, ALL, |_, _| Value::Int(1)).note(SEQUENCE),
    yes("evt.count", Type::Number, ALL, |_, _| Value::Int(1)),
    yes("evt.rawtime", Type::Number, ALL, |r, _| r.record.ts().map_or(Value::Absent, Value::Int)),
    yes("evt.time", Type::Text, ALL, |r, _| {
        r.record.ts().map_or(Value::Absent, |ts| Value::owned(clock(ts)))
    }),
    yes("evt.time.iso8601", Type::Text, ALL, |r, _| {
        r.record.ts().map_or(Value::Absent, |ts| Value::owned(iso8601(ts)))
    }),
    yes("evt.datetime", Type::Text, ALL, |r, _| {
        r.record.ts().map_or(Value::Absent, |ts| Value::owned(iso8601(ts)))
    }),
    yes("evt.hostname", Type::Text, ALL, |r, _| r.header.map_or(Value::Absent, |h| Value::text(&h.exporter))),
    yes("evt.rawres", Type::Number, RESULT, |r, _| match result(r) {
        Some(ret) => Value::Int(ret),
        None => Value::Absent,
    })
    .note(RESULTS),
    yes("evt.res", Type::Text, RESULT, |r, _| match result(r) {
        Some(ret) if ret < 0 => Value::Str(errno(-ret)),
        Some(_) => Value::Str(Cow::Borrowed("SUCCESS")),
        None => Value::Absent,
    })
    .note(RESULTS),
    yes("evt.failed", Type::Truth, RESULT, |r, _| {
        result(r).map_or(Value::Absent, |ret| Value::Bool(ret < 0))
    })
    .note(RESULTS),
    yes("evt.is_open_read", Type::Truth, FF_FE, |r, _| opened(r, open_flags::RDONLY)),
    yes("evt.is_open_write", Type::Truth, FF_FE, |r, _| opened(r, open_flags::WRONLY)),
    yes("evt.arg.flags", Type::Text, KindSet::of(&[Kind::ProcessEvent, Kind::FileFlow]), |r, _| flags(r)),
    yes("evt.arg.path", Type::Text, FF_FE, |r, _| target(r)),
    yes("evt.arg.filename", Type::Text, FE, |r, _| target(r)).note(RESOLVED),
    yes("evt.arg.cmd", Type::Text, PE, |r, _| bpf_command(r)),
    yes("evt.arg.name", Type::Text, FF_FE, |r, _| target(r)),
    yes("evt.arg.oldpath", Type::Text, FE, |r, _| second(r, op::RENAME | op::LINK, false)),
    yes("evt.arg.newpath", Type::Text, FE, |r, _| second(r, op::RENAME | op::LINK, true)),
    yes("evt.arg.target", Type::Text, FE, |r, _| second(r, op::SYMLINK, false)),
    yes("evt.arg.linkpath", Type::Text, FE, |r, _| second(r, op::SYMLINK, true)),
    yes("evt.arg.uid", Type::Text, PE, |r, _| event_arg(r, op::SETUID).map_or(Value::Absent, Value::text)),
    yes("evt.arg.request", Type::Text, PE, |r, _| {
        let request = event_arg(r, op::PTRACE).filter(|request| *request != "process_vm_writev");
        request.map_or(Value::Absent, |request| Value::owned(format!("PTRACE_{request}")))
    }),
    yes("evt.arg.mode", Type::Text, FE, |r, _| mode(r)).note("recorded for changes of a mode only"),
    no("evt.args", TEXT),
    no("evt.arg", TEXT),
    no("evt.info", TEXT),
    no("evt.buffer", RAW),
    no("evt.buflen", RAW),
    no("evt.rawarg", RAW),
    no("evt.is_open_exec", "whether a new file was made executable is not recorded"),
    no("evt.is_open_create", "use sf.file.openflags: whether a file was new is not recorded"),
    no("evt.category", "operations are not sorted into Falco's categories"),
    no("evt.cpu", "the CPU of an operation is not recorded"),
    no("evt.latency", "the duration of system calls is not recorded"),
    no("evt.latency.human", "the duration of system calls is not recorded"),
    no("evt.deltatime", "records are not compared with their neighbours"),
    no("evt.reltime", "records are not numbered from the start of a capture"),
    no("evt.abspath", "use fd.name or fs.path.name"),
    no("evt.source", "all records come from system calls"),
    no("evt.plugininfo", "all records come from system calls"),
    no("evt.pluginname", "all records come from system calls"),
    no("evt.is_async", "all records come from system calls"),
    no("evt.asynctype", "all records come from system calls"),
    no("evt.is_io", "use evt.type"),
    no("evt.is_io_read", "use evt.type"),
    no("evt.is_io_write", "use evt.type"),
    no("evt.is_wait", "waiting is not recorded"),
    no("evt.wait_latency", "waiting is not recorded"),
    no("evt.is_syslog", "payloads are not recorded"),
];

fn calls<'a>(record: &Joined<'a>) -> Value<'a> {
    // Of the calls that change the kernel, the record says which one it was.
    if let Some(call) = event_arg(record, op::KERNEL) {
        return Value::Strs(vec![Cow::Borrowed(call)]);
    }
    let calls = ops::of(record.record).flat_map(|op| op.calls_of(record.record));
    let names: Vec<_> = calls.map(|call| Cow::Borrowed(*call)).collect();
    if names.is_empty() { Value::Absent } else { Value::Strs(names) }
}

fn result(record: &Joined<'_>) -> Option<i64> {
    match record.record {
        Record::ProcessEvent(event) => Some(event.ret.into()),
        Record::FileEvent(event) => Some(event.ret.into()),
        Record::FileFlow(flow) => Some(flow.fd.into()),
        Record::NetworkFlow(_) => Some(0),
        _ => None,
    }
}

/// Refused opens say in their argument what they asked for; flows in their open flags.
fn opened<'a>(record: &Joined<'a>, bit: i32) -> Value<'a> {
    match record.record {
        Record::FileFlow(flow) if flow.open_flags != 0 => Value::Bool(flow.open_flags & bit != 0),
        Record::FileEvent(event) if event.op_flags & op::OPEN != 0 => {
            let asked = |name| event.arg.split([',', '|', ' ', '=']).any(|word| word == name);
            let (read, write) = (asked("RDONLY") || asked("O_RDONLY"), asked("WRONLY") || asked("O_WRONLY"));
            let both = asked("RDWR") || asked("O_RDWR");
            if !(read || write || both) {
                return Value::Absent;
            }
            Value::Bool(both || if bit == open_flags::RDONLY { read } else { write })
        }
        _ => Value::Absent,
    }
}

fn flags<'a>(record: &Joined<'a>) -> Value<'a> {
    let names: Vec<&str> = match record.record {
        Record::ProcessEvent(event) if event.op_flags & op::EXEC != 0 => match record.process {
            Some(p) if !p.graph_id.is_empty() => [
                (exe_flags::WRITABLE, "EXE_WRITABLE"),
                (exe_flags::UPPER_LAYER, "EXE_UPPER_LAYER"),
                (exe_flags::MEMFD, "EXE_FROM_MEMFD"),
                (exe_flags::LOWER_LAYER, "EXE_LOWER_LAYER"),
            ]
            .into_iter()
            .filter(|(bit, _)| p.exe_flags & bit != 0)
            .map(|(_, name)| name)
            .collect(),
            _ => return Value::Absent,
        },
        Record::FileFlow(flow) if flow.open_flags != 0 => {
            let access = match flow.open_flags & open_flags::RDWR {
                open_flags::RDWR => Some("O_RDWR"),
                open_flags::WRONLY => Some("O_WRONLY"),
                open_flags::RDONLY => Some("O_RDONLY"),
                _ => None,
            };
            let others = [
                (open_flags::CREAT, "O_CREAT"),
                (open_flags::APPEND, "O_APPEND"),
                (open_flags::DSYNC, "O_DSYNC"),
                (open_flags::EXCL, "O_EXCL"),
                (open_flags::NONBLOCK, "O_NONBLOCK"),
                (open_flags::SYNC, "O_SYNC"),
                (open_flags::TRUNC, "O_TRUNC"),
                (open_flags::DIRECT, "O_DIRECT"),
                (open_flags::DIRECTORY, "O_DIRECTORY"),
                (open_flags::LARGEFILE, "O_LARGEFILE"),
                (open_flags::CLOEXEC, "O_CLOEXEC"),
            ];
            let set = others.into_iter().filter(|(bit, _)| flow.open_flags & bit != 0);
            access.into_iter().chain(set.map(|(_, name)| name)).collect()
        }
        _ => return Value::Absent,
    };
    Value::owned(names.join("|"))
}

/// The one path that an operation acts on.
fn target<'a>(record: &Joined<'a>) -> Value<'a> {
    let one = match record.record {
        Record::FileEvent(_) => record.new_file.is_none(),
        Record::FileFlow(flow) => flow.op_flags & op::OPEN != 0,
        _ => false,
    };
    match record.file {
        Some(file) if one => Value::text(&file.path),
        _ => Value::Absent,
    }
}

fn second<'a>(record: &Joined<'a>, ops: i32, new: bool) -> Value<'a> {
    match record.record {
        Record::FileEvent(event) if event.op_flags & ops != 0 => {
            let file = if new { record.new_file } else { record.file };
            file.map_or(Value::Absent, |file| Value::text(&file.path))
        }
        _ => Value::Absent,
    }
}

fn event_arg<'a>(record: &Joined<'a>, op: i32) -> Option<&'a str> {
    match record.record {
        Record::ProcessEvent(event) if event.op_flags & op != 0 => event.args.first().map(String::as_str),
        _ => None,
    }
}

/// What bpf(2) was asked to do, by name and by number.
fn bpf_command<'a>(record: &Joined<'a>) -> Value<'a> {
    let Record::ProcessEvent(event) = record.record else { return Value::Absent };
    match event.args.as_slice() {
        [call, command, ..] if event.op_flags & op::KERNEL != 0 && call == "bpf" => {
            let name = match command.as_str() {
                "5" => "BPF_PROG_LOAD",
                "8" => "BPF_PROG_ATTACH",
                "17" => "BPF_RAW_TRACEPOINT_OPEN",
                "28" => "BPF_LINK_CREATE",
                other => other,
            };
            Value::Strs(vec![Cow::Borrowed(name), Cow::Borrowed(command)])
        }
        _ => Value::Absent,
    }
}

/// Bits of a file mode as libsinsp names them.
const MODES: [(u32, &str); 12] = [
    (0o4000, "S_ISUID"),
    (0o2000, "S_ISGID"),
    (0o1000, "S_ISVTX"),
    (0o400, "S_IRUSR"),
    (0o200, "S_IWUSR"),
    (0o100, "S_IXUSR"),
    (0o40, "S_IRGRP"),
    (0o20, "S_IWGRP"),
    (0o10, "S_IXGRP"),
    (0o4, "S_IROTH"),
    (0o2, "S_IWOTH"),
    (0o1, "S_IXOTH"),
];

/// A change of mode holds the new one in octal.
fn mode<'a>(record: &Joined<'a>) -> Value<'a> {
    let arg = match record.record {
        Record::FileEvent(event) if event.op_flags & op::CHMOD != 0 => event.arg.as_str(),
        _ => return Value::Absent,
    };
    match u32::from_str_radix(arg.trim_start_matches("0o"), 8) {
        Ok(mode) => {
            let names: Vec<_> =
                MODES.iter().filter(|(bit, _)| mode & bit != 0).map(|(_, name)| *name).collect();
            Value::owned(names.join("|"))
        }
        Err(_) => Value::Absent,
    }
}

/// Names of errors that files, processes and permissions give on Linux; others show their number.
fn errno(number: i64) -> Cow<'static, str> {
    Cow::Borrowed(match number {
        1 => "EPERM",
        2 => "ENOENT",
        3 => "ESRCH",
        4 => "EINTR",
        5 => "EIO",
        6 => "ENXIO",
        7 => "E2BIG",
        8 => "ENOEXEC",
        9 => "EBADF",
        10 => "ECHILD",
        11 => "EAGAIN",
        12 => "ENOMEM",
        13 => "EACCES",
        14 => "EFAULT",
        16 => "EBUSY",
        17 => "EEXIST",
        18 => "EXDEV",
        19 => "ENODEV",
        20 => "ENOTDIR",
        21 => "EISDIR",
        22 => "EINVAL",
        23 => "ENFILE",
        24 => "EMFILE",
        26 => "ETXTBSY",
        27 => "EFBIG",
        28 => "ENOSPC",
        30 => "EROFS",
        31 => "EMLINK",
        36 => "ENAMETOOLONG",
        38 => "ENOSYS",
        39 => "ENOTEMPTY",
        40 => "ELOOP",
        95 => "EOPNOTSUPP",
        115 => "EINPROGRESS",
        122 => "EDQUOT",
        _ => return Cow::Owned(format!("E{number}")),
    })
}

const NS: i64 = 1_000_000_000;

/// `HH:MM:SS.nnnnnnnnn` in UTC.
fn clock(ts: i64) -> String {
    let (second, ns) = (ts.div_euclid(NS).rem_euclid(86_400), ts.rem_euclid(NS));
    format!("{:02}:{:02}:{:02}.{ns:09}", second / 3_600, second / 60 % 60, second % 60)
}

/// `YYYY-MM-DDTHH:MM:SS.nnnnnnnnnZ`.
fn iso8601(ts: i64) -> String {
    // Days since 1970 to a civil date: years counted from March, so that the leap day comes last.
    let days = ts.div_euclid(86_400 * NS) + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{}Z", clock(ts))
}

#[cfg(test)]
mod tests {
    #[test]
    fn times_are_utc() {
        assert_eq!(super::iso8601(1_795_489_155_867_503_615), "2026-11-24T02:59:15.867503615Z");
        assert_eq!(super::iso8601(951_782_400_000_000_000), "2000-02-29T00:00:00.000000000Z");
        assert_eq!(super::iso8601(-1), "1969-12-31T23:59:59.999999999Z");
        assert_eq!(super::clock(1_795_489_155_867_503_615), "02:59:15.867503615");
    }
}
