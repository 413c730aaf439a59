//! Names of the bits and numbers in records.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::record::{ContainerType, Kind, NetworkFlow, exe_flags, op, open_flags};
use crate::schema::CONTAINER_TYPES;

/// Operations in the order in which SysFlow prints them; the new ones of the extended schema at the end.
const OPS: &[(i32, &str)] = &[
    (op::MKDIR, "MKDIR"),
    (op::RMDIR, "RMDIR"),
    (op::LINK, "LINK"),
    (op::SYMLINK, "SYMLINK"),
    (op::UNLINK, "UNLINK"),
    (op::RENAME, "RENAME"),
    (op::CLONE, "CLONE"),
    (op::EXEC, "EXEC"),
    (op::EXIT, "EXIT"),
    (op::SETUID, "SETUID"),
    (op::OPEN, "OPEN"),
    (op::ACCEPT, "ACCEPT"),
    (op::CONNECT, "CONNECT"),
    (op::CLOSE, "CLOSE"),
    (op::WRITE_SEND, "WRITE"),
    (op::READ_RECV, "READ"),
    (op::SETNS, "SETNS"),
    (op::MMAP, "MMAP"),
    (op::SHUTDOWN, "SHUTDOWN"),
    (op::TRUNCATE, "TRUNCATE"),
    (op::DIGEST, "DIGEST"),
    (op::CHMOD, "CHMOD"),
    (op::CHOWN, "CHOWN"),
    (op::MOUNT, "MOUNT"),
    (op::UMOUNT, "UMOUNT"),
    (op::MKNOD, "MKNOD"),
    (op::BIND, "BIND"),
    (op::LISTEN, "LISTEN"),
    (op::PTRACE, "PTRACE"),
    (op::KERNEL, "KERNEL"),
    (op::SIGNAL, "SIGNAL"),
];

/// Flags of an open in the order in which SysFlow prints them.
const OPEN_FLAGS: &[(i32, &str)] = &[
    (open_flags::CREAT, "CREAT"),
    (open_flags::EXCL, "EXCL"),
    (open_flags::TRUNC, "TRUNC"),
    (open_flags::APPEND, "APPEND"),
    (open_flags::NONBLOCK, "NONBLOCK"),
    (open_flags::DSYNC, "DSYNC"),
    (open_flags::DIRECT, "DIRECT"),
    (open_flags::LARGEFILE, "LARGEFILE"),
    (open_flags::DIRECTORY, "DIRECTORY"),
    (open_flags::CLOEXEC, "CLOEXEC"),
    (open_flags::SYNC, "SYNC"),
];

const EXE_FLAGS: &[(i32, &str)] = &[
    (exe_flags::UPPER_LAYER, "UPPER_LAYER"),
    (exe_flags::MEMFD, "MEMFD"),
    (exe_flags::WRITABLE, "WRITABLE"),
    (exe_flags::LOWER_LAYER, "LOWER_LAYER"),
];

/// Capabilities of Linux by number.
const CAPABILITIES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// Names of the operations in `flags`, for a record of `kind`: the same bit is a READ of a file and a RECV of a
/// connection.
pub fn ops(flags: i32, kind: Kind) -> impl Iterator<Item = &'static str> {
    let of_connection = matches!(kind, Kind::NetworkFlow | Kind::NetworkEvent);
    OPS.iter().filter(move |(bit, _)| flags & bit != 0).map(move |&(bit, name)| match bit {
        op::WRITE_SEND if of_connection => "SEND",
        op::READ_RECV if of_connection => "RECV",
        _ => name,
    })
}

/// Names of the flags of an open. RDWR comes with RDONLY and WRONLY, so that a rule that asks for one of those finds
/// it; without any flag it is NONE.
pub fn open_flags(flags: i32) -> impl Iterator<Item = &'static str> {
    let access: &[&str] = match flags & open_flags::RDWR {
        _ if flags == 0 => &["NONE"],
        open_flags::RDONLY => &["RDONLY"],
        open_flags::WRONLY => &["WRONLY"],
        open_flags::RDWR => &["RDONLY", "WRONLY", "RDWR"],
        _ => &[],
    };
    access.iter().copied().chain(open_modifiers(flags))
}

/// Names of the flags of an open beside how it accesses the file.
pub fn open_modifiers(flags: i32) -> impl Iterator<Item = &'static str> {
    named(flags, OPEN_FLAGS)
}

/// Names of the bits of `Process::exe_flags`.
pub fn exe_flags(flags: i32) -> impl Iterator<Item = &'static str> {
    named(flags, EXE_FLAGS)
}

/// Names of the capabilities in a set.
pub fn capabilities(set: i64) -> impl Iterator<Item = &'static str> {
    CAPABILITIES.iter().enumerate().filter(move |(bit, _)| set >> bit & 1 != 0).map(|(_, name)| *name)
}

fn named(flags: i32, names: &'static [(i32, &'static str)]) -> impl Iterator<Item = &'static str> {
    names.iter().filter(move |(bit, _)| flags & bit != 0).map(|(_, name)| *name)
}

/// `DOCKER`, `CRIO`, ...
pub fn container_type(container_type: ContainerType) -> &'static str {
    let symbol = CONTAINER_TYPES[container_type as usize];
    symbol.strip_prefix("CT_").unwrap_or(symbol)
}

/// IPv4 address as SysFlow keeps it: the first octet in the low byte.
pub fn ipv4(address: i32) -> Ipv4Addr {
    address.to_le_bytes().into()
}

/// Client and server of a flow, as text.
pub fn endpoints(flow: &NetworkFlow) -> (String, String) {
    let text = |v4, v6: Option<[u8; 16]>| match v6 {
        Some(bytes) => Ipv6Addr::from(bytes).to_string(),
        None => ipv4(v4).to_string(),
    };
    (text(flow.sip, flow.sip6), text(flow.dip, flow.dip6))
}
