//! `proc.*` and `thread.*`.

use std::borrow::Cow;

use sysflow::{
    Joined,
    attr::{names, path::base_name},
    record::{Process, Record, exe_flags},
};

use super::{Argument, FalcoField, PROC, Takes, Type, Value, no, yes};

const NAME: &str = "the file name of the executable, also without its version (python3.11 is python3 too), not the \
                    kernel's 16 bytes of command name";
const PARENT: &str = "the process that created this one, by the file name of its executable: one that adopted it later \
                      is not recorded";
const ARGV0: &str = "the first argument is not recorded: the path of the executable stands for it";
const CMDLINE: &str = "the command line starts with the file name of the executable";
const TTY: &str = "1 stands for a terminal whose number the trace does not hold";
const LIVE: &str = "the state of live processes (memory, threads, descriptors) is not recorded";
const GROUPS: &str = "process groups are not recorded";

pub(super) static FIELDS: &[FalcoField] = &[
    yes("proc.name", Type::Text, PROC, |r, _| name(r.process)).note(NAME),
    yes("proc.exepath", Type::Text, PROC, |r, _| exe(r.process)),
    yes("proc.exe", Type::Text, PROC, |r, _| exe(r.process)).note(ARGV0),
    yes("proc.cmdline", Type::Text, PROC, |r, _| cmdline(r.process)).note(CMDLINE),
    yes("proc.args", Type::Text, PROC, |r, _| {
        r.process.map_or(Value::Absent, |p| Value::Str(Cow::Borrowed(&p.exe_args)))
    }),
    yes("proc.pid", Type::Number, PROC, |r, _| r.process.map_or(Value::Absent, |p| Value::Int(p.oid.hpid))),
    yes("proc.vpid", Type::Number, PROC, |r, _| r.process.map_or(Value::Absent, |p| Value::known(p.vpid))),
    yes("proc.ppid", Type::Number, PROC, |r, _| {
        r.process.and_then(|p| p.poid).map_or(Value::Absent, |oid| Value::Int(oid.hpid))
    }),
    yes("proc.pvpid", Type::Number, PROC, |r, _| r.parent.map_or(Value::Absent, |p| Value::known(p.vpid))),
    yes("proc.pname", Type::Text, PROC, |r, _| name(r.parent)).note(PARENT),
    yes("proc.pexepath", Type::Text, PROC, |r, _| exe(r.parent)).note(PARENT),
    yes("proc.pexe", Type::Text, PROC, |r, _| exe(r.parent)).note(PARENT),
    yes("proc.pcmdline", Type::Text, PROC, |r, _| cmdline(r.parent)).note(PARENT),
    yes("proc.aname", Type::Text, PROC, |r, at| ancestors(r, at, name)).takes(Takes::MayIndex).note(NAME),
    yes("proc.aexepath", Type::Text, PROC, |r, at| ancestors(r, at, exe)).takes(Takes::MayIndex),
    yes("proc.aexe", Type::Text, PROC, |r, at| ancestors(r, at, exe)).takes(Takes::MayIndex).note(ARGV0),
    yes("proc.acmdline", Type::Text, PROC, |r, at| ancestors(r, at, cmdline))
        .takes(Takes::MayIndex)
        .note(CMDLINE),
    yes("proc.apid", Type::Number, PROC, |r, at| match at {
        Argument::Index(at) => r.ancestors().nth(*at).map_or(Value::Absent, |p| Value::Int(p.oid.hpid)),
        _ => Value::Ints(r.ancestors().skip(1).map(|p| p.oid.hpid).collect()),
    })
    .takes(Takes::MayIndex),
    yes("proc.sid", Type::Number, PROC, |r, _| r.process.map_or(Value::Absent, |p| Value::known(p.sid))),
    yes("proc.tty", Type::Number, PROC, |r, _| {
        r.process.map_or(Value::Absent, |p| {
            Value::Int(if p.tty_nr == 0 { i64::from(p.tty) } else { i64::from(p.tty_nr) })
        })
    })
    .note(TTY),
    yes("proc.cwd", Type::Text, PROC, |r, _| cwd(r)),
    yes("proc.env", Type::Text, PROC, env)
        .takes(Takes::MayKey)
        .note("empty unless the plugin is told to record the environment"),
    yes("proc.pid.ts", Type::Number, PROC, |r, _| started(r.process)),
    yes("proc.ppid.ts", Type::Number, PROC, |r, _| started(r.parent)),
    yes("proc.duration", Type::Number, PROC, |r, _| age(r, r.process)),
    yes("proc.ppid.duration", Type::Number, PROC, |r, _| age(r, r.parent)),
    yes("proc.is_exe_upper_layer", Type::Truth, PROC, |r, _| exe_flag(r, exe_flags::UPPER_LAYER)),
    yes("proc.is_exe_lower_layer", Type::Truth, PROC, |r, _| exe_flag(r, exe_flags::LOWER_LAYER)),
    yes("proc.is_exe_from_memfd", Type::Truth, PROC, |r, _| exe_flag(r, exe_flags::MEMFD)),
    yes("proc.is_exe_writable", Type::Truth, PROC, |r, _| exe_flag(r, exe_flags::WRITABLE)),
    yes("proc.exe_ino", Type::Number, PROC, |r, _| extended(r, |p| p.exe_ino)),
    yes("proc.exe_ino.ctime", Type::Number, PROC, |r, _| extended(r, |p| p.exe_ctime)),
    yes("proc.exe_ino.ctime_duration_proc_start", Type::Number, PROC, |r, _| match r.process {
        Some(p) if p.exe_ctime > 0 && p.oid.create_ts >= p.exe_ctime => {
            Value::Int(p.oid.create_ts - p.exe_ctime)
        }
        _ => Value::Absent,
    }),
    yes("thread.tid", Type::Number, PROC, |r, _| tid(r).map_or(Value::Absent, Value::Int)),
    yes("thread.ismain", Type::Truth, PROC, |r, _| match (tid(r), r.process) {
        (Some(tid), Some(process)) => Value::Bool(tid == process.oid.hpid),
        _ => Value::Absent,
    }),
    yes("thread.cap_effective", Type::Text, PROC, |r, _| capabilities(r)),
    no("proc.exeline", ARGV0),
    no("proc.pexeline", ARGV0),
    no("proc.aexeline", ARGV0),
    no("proc.aenv", "the environment of ancestors is not searched"),
    no("proc.cmdnargs", "arguments are recorded as one text"),
    no("proc.cmdlenargs", "arguments are recorded as one text"),
    no("proc.pcmdnargs", "arguments are recorded as one text"),
    no("proc.pcmdlenargs", "arguments are recorded as one text"),
    no("proc.loginshellid", "login shells are not told apart from other shells"),
    no("proc.sname", "the leader of a session is not recorded"),
    no("proc.sid.exe", "the leader of a session is not recorded"),
    no("proc.sid.exepath", "the leader of a session is not recorded"),
    no("proc.is_sid_leader", "the leader of a session is not recorded"),
    no("proc.pgid", GROUPS),
    no("proc.vpgid", GROUPS),
    no("proc.is_vpgid_leader", GROUPS),
    no("proc.is_pgid_leader", GROUPS),
    no("proc.exe_ino.mtime", "only the change time of an executable is recorded, not its modification time"),
    no("proc.exe_ino.ctime_duration_pidns_start", "the start of pid namespaces is not recorded"),
    no("proc.pidns_init_start_ts", "the start of pid namespaces is not recorded"),
    no("proc.pid.ts.duration", LIVE),
    no("proc.fdopencount", LIVE),
    no("proc.fdlimit", LIVE),
    no("proc.fdusage", LIVE),
    no("proc.vmsize", LIVE),
    no("proc.vmrss", LIVE),
    no("proc.vmswap", LIVE),
    no("proc.nthreads", LIVE),
    no("proc.nchilds", LIVE),
    no("proc.cpu", LIVE),
    no("proc.cgroups", "control groups are not recorded"),
    no("proc.stdin.name", "what a descriptor of another operation points to is not recorded"),
    no("proc.stdout.name", "what a descriptor of another operation points to is not recorded"),
    no("proc.stderr.name", "what a descriptor of another operation points to is not recorded"),
    no("proc.stdin.type", "what a descriptor of another operation points to is not recorded"),
    no("proc.stdout.type", "what a descriptor of another operation points to is not recorded"),
    no("proc.stderr.type", "what a descriptor of another operation points to is not recorded"),
    no("proc.is_container_healthcheck", "health checks of containers are not recorded"),
    no("proc.is_container_liveness_probe", "health checks of containers are not recorded"),
    no("proc.is_container_readiness_probe", "health checks of containers are not recorded"),
    no("thread.cap_permitted", "only effective capabilities are recorded"),
    no("thread.cap_inheritable", "only effective capabilities are recorded"),
    no("thread.vtid", "thread numbers inside pid namespaces are not recorded"),
    no("thread.pidns", LIVE),
    no("thread.cgroups", "control groups are not recorded"),
    no("thread.cgroup", "control groups are not recorded"),
    no("thread.cpu", LIVE),
    no("thread.exectime", LIVE),
    no("thread.totexectime", LIVE),
    no("thread.vmsize", LIVE),
    no("thread.vmrss", LIVE),
];

fn name(process: Option<&Process>) -> Value<'_> {
    process.map_or(Value::Absent, |p| Value::text(base_name(&p.exe)))
}

/// Names by which a program is also called: that of its executable comes from behind all links, and people write the
/// links. The version is left out, and Debian's names of alternatives are known.
pub(crate) fn aliases(name: &str) -> impl Iterator<Item = &str> {
    let known = match name {
        "dash" => Some("sh"),
        "mawk" | "gawk" | "original-awk" => Some("awk"),
        "nc.openbsd" | "nc.traditional" => Some("nc"),
        "vim.basic" | "vim.tiny" | "vim.nox" => Some("vim"),
        _ => None,
    };
    let versioned = name.split_once('.').filter(|(major, minor)| {
        major.ends_with(|c: char| c.is_ascii_digit())
            && minor.starts_with(|c: char| c.is_ascii_digit())
            && minor.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
    });
    let major = versioned.map(|(major, _)| major);
    let plain = major.map(|major| major.trim_end_matches(|c: char| c.is_ascii_digit()));
    known.into_iter().chain(major).chain(plain.filter(|plain| !plain.is_empty()))
}

fn exe(process: Option<&Process>) -> Value<'_> {
    process.map_or(Value::Absent, |p| Value::text(&p.exe))
}

fn cmdline(process: Option<&Process>) -> Value<'_> {
    process.map_or(Value::Absent, |p| match p.exe_args.as_str() {
        "" => Value::text(base_name(&p.exe)),
        args => Value::owned(format!("{} {args}", base_name(&p.exe))),
    })
}

/// `[0]` is the process itself; without an index, any ancestor but not the process itself.
fn ancestors<'a>(record: &Joined<'a>, at: &Argument, get: fn(Option<&'a Process>) -> Value<'a>) -> Value<'a> {
    if let Argument::Index(at) = at {
        return get(record.ancestors().nth(*at));
    }
    let texts = record.ancestors().skip(1).filter_map(|p| match get(Some(p)) {
        Value::Str(text) => Some(text),
        _ => None,
    });
    Value::Strs(texts.collect())
}

/// Falco's working directories end with a slash.
fn cwd<'a>(record: &Joined<'a>) -> Value<'a> {
    record.process.map_or(Value::Absent, |p| match p.cwd.as_str() {
        "" => Value::Absent,
        cwd if cwd.ends_with('/') => Value::text(cwd),
        cwd => Value::owned(format!("{cwd}/")),
    })
}

fn env<'a>(record: &Joined<'a>, key: &Argument) -> Value<'a> {
    let Some(process) = record.process else { return Value::Absent };
    match key {
        Argument::Key(key) => process
            .env
            .iter()
            .find_map(|entry| entry.strip_prefix(key.as_str())?.strip_prefix('='))
            .map_or(Value::Absent, |value| Value::Str(Cow::Borrowed(value))),
        _ if process.env.is_empty() => Value::Absent,
        _ => Value::owned(process.env.join(" ")),
    }
}

fn tid(record: &Joined<'_>) -> Option<i64> {
    match record.record {
        Record::ProcessEvent(r) => Some(r.tid),
        Record::NetworkFlow(r) => Some(r.tid),
        Record::FileFlow(r) => Some(r.tid),
        Record::FileEvent(r) => Some(r.tid),
        Record::NetworkEvent(r) => Some(r.tid),
        _ => None,
    }
}

fn started(process: Option<&Process>) -> Value<'_> {
    match process {
        Some(p) if p.oid.create_ts > 0 => Value::Int(p.oid.create_ts),
        _ => Value::Absent,
    }
}

fn age<'a>(record: &Joined<'a>, process: Option<&'a Process>) -> Value<'a> {
    match (record.record.ts(), started(process)) {
        (Some(now), Value::Int(start)) if now >= start => Value::Int(now - start),
        _ => Value::Absent,
    }
}

/// A value of the extended record; plain v5 traces do not say. Their processes have no graph id.
fn extended<'a>(record: &Joined<'a>, get: fn(&Process) -> i64) -> Value<'a> {
    match record.process {
        Some(p) if !p.graph_id.is_empty() => match get(p) {
            0 => Value::Absent,
            known => Value::Int(known),
        },
        _ => Value::Absent,
    }
}

fn exe_flag<'a>(record: &Joined<'a>, flag: i32) -> Value<'a> {
    match record.process {
        Some(p) if !p.graph_id.is_empty() => Value::Bool(p.exe_flags & flag != 0),
        _ => Value::Absent,
    }
}

/// Names as libsinsp prints them, a space between.
fn capabilities<'a>(record: &Joined<'a>) -> Value<'a> {
    match record.process {
        Some(p) if !p.graph_id.is_empty() => {
            let names: Vec<_> = names::capabilities(p.cap_effective).collect();
            Value::owned(names.join(" "))
        }
        _ => Value::Absent,
    }
}
