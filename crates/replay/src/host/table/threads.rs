//! The table `threads`, filled with a capture's initial process list: Falco's names, types and conventions
//! (libs: userspace/libsinsp/threadinfo.cpp, fdinfo.cpp).

use std::{
    collections::HashMap,
    ffi::CStr,
    net::{Ipv4Addr, Ipv6Addr},
    rc::Rc,
};

use super::{Schema, Table, Value};
use crate::{
    Capture,
    host::{abi, owner::Errors},
    scap::{FdDetail, FdInfo, ProcessInfo},
};

const I64: i32 = abi::SS_PLUGIN_ST_INT64;
const U8: i32 = abi::SS_PLUGIN_ST_UINT8;
const U16: i32 = abi::SS_PLUGIN_ST_UINT16;
const U32: i32 = abi::SS_PLUGIN_ST_UINT32;
const U64: i32 = abi::SS_PLUGIN_ST_UINT64;
const TEXT: i32 = abi::SS_PLUGIN_ST_STRING;
const BOOL: i32 = abi::SS_PLUGIN_ST_BOOL;

/// `PPM_CL_ACTIVE`: Falco sets it on all threads that were there at the beginning.
const CL_ACTIVE: u32 = 1 << 19;
/// `FLAGS_*` of libsinsp's file descriptors.
const FD_FROM_PROC: u32 = 1;
const FD_ROLE_CLIENT: u32 = 1 << 2;
const FD_ROLE_SERVER: u32 = 1 << 3;
const FD_CONNECTED: u32 = 1 << 13;
/// `SCAP_L4_TCP`.
const L4_TCP: u8 = 2;

/// A column: name, type, whether plugins may not write it, and its value.
struct Column<T: ?Sized> {
    name: &'static CStr,
    kind: i32,
    read_only: bool,
    value: fn(&T) -> Value,
}

const fn column<T: ?Sized>(name: &'static CStr, kind: i32, value: fn(&T) -> Value) -> Column<T> {
    Column { name, kind, read_only: false, value }
}

/// The table, and the schemas of the tables within it.
#[derive(Debug)]
pub(in crate::host) struct Threads {
    table: Rc<Table>,
    args: Rc<Schema>,
    env: Rc<Schema>,
    cgroups: Rc<Schema>,
    fds: Rc<Schema>,
    errors: Rc<Errors>,
}

// === impl Threads ===

impl Threads {
    /// An empty table.
    pub(in crate::host) fn new(errors: &Rc<Errors>) -> Self {
        let strings = |name, fields: &[&CStr]| {
            let schema = Schema::new(name, U64);
            for field in fields {
                schema.define(field, TEXT as u32, false, None);
            }
            schema
        };
        let args = strings(c"args", &[c"value"]);
        let env = strings(c"env", &[c"value"]);
        let cgroups = strings(c"cgroups", &[c"first", c"second"]);
        let fds = Schema::new(c"file_descriptors", I64);
        define(&fds, FD_COLUMNS);

        let threads = Schema::new(c"threads", I64);
        define(&threads, THREAD_COLUMNS);
        for nested in [&args, &env, &cgroups, &fds] {
            threads.define(nested.name, abi::SS_PLUGIN_ST_TABLE as u32, true, Some(Rc::clone(nested)));
        }
        Self { table: Table::new(&threads, errors), args, env, cgroups, fds, errors: Rc::clone(errors) }
    }

    pub(in crate::host) fn table(&self) -> &Rc<Table> {
        &self.table
    }

    /// Replaces the content with the state of a capture.
    pub(in crate::host) fn fill(&self, capture: &Capture) {
        self.clear();
        let mut fd_tables: HashMap<i64, Rc<Table>> = HashMap::new();
        for (&tid, fds) in &capture.fds {
            let table = Table::new(&self.fds, &self.errors);
            for fd in fds {
                table.put(fd.fd as u64, fd_row(&plain(fd)));
            }
            fd_tables.insert(tid, table);
        }
        for process in &capture.processes {
            let leader = process.tid == process.pid;
            let mut values: Vec<Value> = THREAD_COLUMNS.iter().map(|c| (c.value)(process)).collect();
            // Falco keeps environment and file descriptors at the leader of the thread group; a thread without
            // descriptors of its own shows the leader's.
            let env: &[Vec<u8>] = if leader { &process.env } else { &[] };
            let fds = fd_tables
                .entry(if fd_tables.contains_key(&process.tid) { process.tid } else { process.pid })
                .or_insert_with(|| Table::new(&self.fds, &self.errors));
            values.push(self.strings(&self.args, process.args.iter().map(|a| vec![Value::text(a)])));
            values.push(self.strings(&self.env, env.iter().map(|e| vec![Value::text(e)])));
            let cgroups = process.cgroups.iter().map(|(a, b)| vec![Value::text(a), Value::text(b)]);
            values.push(self.strings(&self.cgroups, cgroups));
            values.push(Value::Table(Rc::clone(fds)));
            self.table.put(process.tid as u64, values);
        }
    }

    /// Falco's table is empty when a capture is closed.
    pub(in crate::host) fn clear(&self) {
        let rows = std::mem::take(&mut *self.table.rows.borrow_mut());
        drop(rows);
    }

    fn strings(&self, schema: &Rc<Schema>, rows: impl Iterator<Item = Vec<Value>>) -> Value {
        let table = Table::new(schema, &self.errors);
        for (i, row) in rows.enumerate() {
            table.put(i as u64, row);
        }
        Value::Table(table)
    }
}

fn define<T>(schema: &Rc<Schema>, columns: &[Column<T>]) {
    for c in columns {
        schema.define(c.name, c.kind as u32, c.read_only, None);
    }
}

fn bits(value: impl Into<u64>) -> Value {
    Value::Bits(value.into())
}

fn int(value: i64) -> Value {
    Value::Bits(value as u64)
}

const THREAD_COLUMNS: &[Column<ProcessInfo>] = &[
    column(c"tid", I64, |p| int(p.tid)),
    column(c"pid", I64, |p| int(p.pid)),
    column(c"ptid", I64, |p| int(p.ptid)),
    column(c"reaper_tid", I64, |_| int(-1)),
    column(c"sid", I64, |p| int(p.sid)),
    column(c"comm", TEXT, |p| Value::text(&p.comm)),
    column(c"exe", TEXT, |p| Value::text(&p.exe)),
    column(c"exe_path", TEXT, |p| Value::text(p.exe_path.strip_suffix(b" (deleted)").unwrap_or(&p.exe_path))),
    // Falco has no such column: its libraries before 0.19 showed the path so, and traces of that time have it.
    column(c"exe_path_as_recorded", TEXT, |p| Value::text(&p.exe_path)),
    column(c"exe_writable", BOOL, |p| bits(p.exe_writable)),
    column(c"exe_upper_layer", BOOL, |p| bits(p.exe_upper_layer)),
    column(c"exe_lower_layer", BOOL, |p| bits(p.exe_lower_layer)),
    column(c"exe_from_memfd", BOOL, |p| bits(p.exe_from_memfd)),
    column(c"flags", U32, |p| bits(p.flags | CL_ACTIVE)),
    column(c"fd_limit", I64, |p| bits(p.fd_limit)),
    column(c"uid", U32, |p| bits(p.uid)),
    column(c"gid", U32, |p| bits(p.gid)),
    column(c"loginuid", U32, |p| bits(p.loginuid)),
    column(c"exe_ino", U64, |p| bits(p.exe_ino)),
    column(c"exe_ino_ctime", U64, |p| bits(p.exe_ino_ctime)),
    column(c"exe_ino_mtime", U64, |p| bits(p.exe_ino_mtime)),
    column(c"vtid", I64, |p| int(p.vtid)),
    column(c"vpid", I64, |p| int(p.vpid)),
    column(c"vpgid", I64, |p| int(p.vpgid)),
    column(c"pgid", I64, |p| int(p.pgid)),
    column(c"pidns_init_start_ts", U64, |p| bits(p.pidns_init_start_ts)),
    column(c"root", TEXT, |p| Value::text(&p.root)),
    column(c"tty", U32, |p| bits(p.tty)),
    Column { name: c"cwd", kind: TEXT, read_only: true, value: cwd },
];

/// Known at the leader only, and always ends with a slash.
fn cwd(p: &ProcessInfo) -> Value {
    if p.tid != p.pid {
        return Value::text(b"");
    }
    let mut cwd = p.cwd.clone();
    if cwd.last() != Some(&b'/') {
        cwd.push(b'/');
    }
    Value::text(&cwd)
}

fn fd_row(fd: &FdInfo) -> Vec<Value> {
    FD_COLUMNS.iter().map(|c| (c.value)(fd)).collect()
}

/// Falco shows IPv4 addresses that are mapped into IPv6 as IPv4.
fn plain(fd: &FdInfo) -> FdInfo {
    let mut plain = fd.clone();
    if let FdDetail::Ipv6 { sip, dip, sport, dport, l4proto } = fd.detail
        && let (Some(sip), Some(dip)) = (sip.to_ipv4_mapped(), dip.to_ipv4_mapped())
    {
        plain.kind = FdInfo::IPV4_SOCK;
        plain.detail = FdDetail::Ipv4 { sip, dip, sport, dport, l4proto };
    }
    plain
}

/// The socket fields of Falco are one union; here those that do not go with the type are zero.
const FD_COLUMNS: &[Column<FdInfo>] = &[
    column(c"type", U8, |f| bits(f.kind)),
    column(c"open_flags", U32, |f| match f.detail {
        FdDetail::File { open_flags, .. } => bits(open_flags),
        _ => bits(0u32),
    }),
    column(c"name", TEXT, |f| Value::text(&f.name())),
    column(c"name_raw", TEXT, |_| Value::text(b"")),
    column(c"old_name", TEXT, |_| Value::text(b"")),
    column(c"flags", U32, |f| bits(fd_flags(f))),
    column(c"dev", U32, |f| match f.detail {
        FdDetail::File { dev, .. } => bits(dev),
        _ => bits(0u32),
    }),
    column(c"mount_id", U32, |_| bits(0u32)),
    column(c"ino", U64, |f| bits(f.ino)),
    column(c"pid", I64, |_| int(0)),
    column(c"fd", I64, |f| int(f.fd)),
    column(c"socket_ipv4_src_ip", U32, |f| ipv4(f, |t| ip4(t.0))),
    column(c"socket_ipv4_dest_dip", U32, |f| ipv4(f, |t| ip4(t.1))),
    column(c"socket_ipv4_src_port", U16, |f| ipv4(f, |t| u64::from(t.2))),
    column(c"socket_ipv4_dst_port", U16, |f| ipv4(f, |t| u64::from(t.3))),
    column(c"socket_ipv4_l4_proto", U8, |f| ipv4(f, |t| u64::from(t.4))),
    column(c"socket_ipv6_src_ip_low", U64, |f| ipv6(f, |t| ip6(t.0, 0))),
    column(c"socket_ipv6_src_ip_high", U64, |f| ipv6(f, |t| ip6(t.0, 8))),
    column(c"socket_ipv6_dest_ip_low", U64, |f| ipv6(f, |t| ip6(t.1, 0))),
    column(c"socket_ipv6_dest_ip_high", U64, |f| ipv6(f, |t| ip6(t.1, 8))),
    column(c"socket_ipv6_src_port", U16, |f| ipv6(f, |t| u64::from(t.2))),
    column(c"socket_ipv6_dst_port", U16, |f| ipv6(f, |t| u64::from(t.3))),
    column(c"socket_ipv6_l4_proto", U8, |f| ipv6(f, |t| u64::from(t.4))),
    column(c"socket_ipv4_server_ip", U32, |f| match f.detail {
        FdDetail::Ipv4Server { ip, .. } => bits(ip4(ip)),
        _ => bits(0u32),
    }),
    column(c"socket_ipv4_server_port", U16, |f| match f.detail {
        FdDetail::Ipv4Server { port, .. } => bits(port),
        _ => bits(0u32),
    }),
    column(c"socket_ipv4_server_l4_proto", U8, |f| match f.detail {
        FdDetail::Ipv4Server { l4proto, .. } => bits(l4proto),
        _ => bits(0u32),
    }),
    column(c"socket_ipv6_server_ip_low", U64, |f| match f.detail {
        FdDetail::Ipv6Server { ip, .. } => bits(ip6(ip, 0)),
        _ => bits(0u32),
    }),
    column(c"socket_ipv6_server_ip_high", U64, |f| match f.detail {
        FdDetail::Ipv6Server { ip, .. } => bits(ip6(ip, 8)),
        _ => bits(0u32),
    }),
    column(c"socket_ipv6_server_port", U16, |f| match f.detail {
        FdDetail::Ipv6Server { port, .. } => bits(port),
        _ => bits(0u32),
    }),
    column(c"socket_ipv6_server_l4_proto", U8, |f| match f.detail {
        FdDetail::Ipv6Server { l4proto, .. } => bits(l4proto),
        _ => bits(0u32),
    }),
    column(c"socket_unix_src", U64, |f| match f.detail {
        FdDetail::Unix { source, .. } => bits(source),
        _ => bits(0u32),
    }),
    column(c"socket_unix_dest", U64, |f| match f.detail {
        FdDetail::Unix { destination, .. } => bits(destination),
        _ => bits(0u32),
    }),
];

fn fd_flags(f: &FdInfo) -> u32 {
    FD_FROM_PROC
        | match &f.detail {
            FdDetail::Ipv4 { l4proto: L4_TCP, .. } | FdDetail::Ipv6 { l4proto: L4_TCP, .. } => FD_CONNECTED,
            FdDetail::Unix { name, .. } if name.is_empty() => FD_ROLE_CLIENT,
            FdDetail::Unix { .. } => FD_ROLE_SERVER,
            _ => 0,
        }
}

type Tuple<A> = (A, A, u16, u16, u8);

fn ipv4(f: &FdInfo, pick: fn(Tuple<Ipv4Addr>) -> u64) -> Value {
    match f.detail {
        FdDetail::Ipv4 { sip, dip, sport, dport, l4proto } => bits(pick((sip, dip, sport, dport, l4proto))),
        _ => bits(0u32),
    }
}

fn ipv6(f: &FdInfo, pick: fn(Tuple<Ipv6Addr>) -> u64) -> Value {
    match f.detail {
        FdDetail::Ipv6 { sip, dip, sport, dport, l4proto } => bits(pick((sip, dip, sport, dport, l4proto))),
        _ => bits(0u32),
    }
}

/// The bytes in network order, as memory of the monitored host holds them.
fn ip4(ip: Ipv4Addr) -> u64 {
    u64::from(u32::from_le_bytes(ip.octets()))
}

/// Eight bytes of an address from `at` on: the "low" ones are the first.
fn ip6(ip: Ipv6Addr, at: usize) -> u64 {
    let octets = ip.octets();
    octets[at..at + 8].iter().rev().fold(0, |n, &b| n << 8 | u64::from(b))
}
