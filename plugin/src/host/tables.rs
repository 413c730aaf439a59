//! The fields of Falco's thread table that we read (libs: userspace/libsinsp/threadinfo.cpp, fdinfo.cpp).

use std::{ffi::CStr, sync::Arc};

use falco_plugin::tables::import::{Bool, Entry, Field, Table, TableMetadata};

pub(super) type ThreadTable = Table<i64, Thread>;
pub(super) type Thread = Entry<Arc<ThreadMeta>>;
pub(super) type RecordedTable = Table<i64, Recorded>;
pub(super) type Recorded = Entry<Arc<RecordedMeta>>;
pub(super) type Text = Entry<Arc<TextMeta>>;
pub(super) type Cgroup = Entry<Arc<CgroupMeta>>;
pub(super) type Fd = Entry<Arc<FdMeta>>;

#[derive(TableMetadata)]
#[entry_type(Text)]
#[accessors_mod(text_fields)]
pub(super) struct TextMeta {
    value: Field<CStr, Text>,
}

#[derive(TableMetadata)]
#[entry_type(Cgroup)]
#[accessors_mod(cgroup_fields)]
pub(super) struct CgroupMeta {
    first: Field<CStr, Cgroup>,
    second: Field<CStr, Cgroup>,
}

#[derive(TableMetadata)]
#[entry_type(Fd)]
#[accessors_mod(fd_fields)]
pub(super) struct FdMeta {
    fd: Field<i64, Fd>,
    #[name(c"type")]
    fd_type: Field<u8, Fd>,
    open_flags: Field<u32, Fd>,
    name: Field<CStr, Fd>,
    socket_ipv4_src_ip: Field<u32, Fd>,
    socket_ipv4_dest_dip: Field<u32, Fd>,
    socket_ipv4_src_port: Field<u16, Fd>,
    socket_ipv4_dst_port: Field<u16, Fd>,
    socket_ipv4_l4_proto: Field<u8, Fd>,
    socket_ipv6_src_ip_low: Field<u64, Fd>,
    socket_ipv6_src_ip_high: Field<u64, Fd>,
    socket_ipv6_dest_ip_low: Field<u64, Fd>,
    socket_ipv6_dest_ip_high: Field<u64, Fd>,
    socket_ipv6_src_port: Field<u16, Fd>,
    socket_ipv6_dst_port: Field<u16, Fd>,
    socket_ipv6_l4_proto: Field<u8, Fd>,
    socket_ipv4_server_ip: Field<u32, Fd>,
    socket_ipv4_server_port: Field<u16, Fd>,
    socket_ipv4_server_l4_proto: Field<u8, Fd>,
    socket_ipv6_server_ip_low: Field<u64, Fd>,
    socket_ipv6_server_ip_high: Field<u64, Fd>,
    socket_ipv6_server_port: Field<u16, Fd>,
    socket_ipv6_server_l4_proto: Field<u8, Fd>,
    socket_unix_src: Field<u64, Fd>,
    socket_unix_dest: Field<u64, Fd>,
}

#[derive(TableMetadata)]
#[entry_type(Thread)]
#[accessors_mod(thread_fields)]
pub(super) struct ThreadMeta {
    tid: Field<i64, Thread>,
    pid: Field<i64, Thread>,
    ptid: Field<i64, Thread>,
    sid: Field<i64, Thread>,
    vpid: Field<i64, Thread>,
    exe: Field<CStr, Thread>,
    exe_path: Field<CStr, Thread>,
    exe_writable: Field<Bool, Thread>,
    exe_upper_layer: Field<Bool, Thread>,
    exe_lower_layer: Field<Bool, Thread>,
    exe_from_memfd: Field<Bool, Thread>,
    exe_ino: Field<u64, Thread>,
    exe_ino_ctime: Field<u64, Thread>,
    uid: Field<u32, Thread>,
    gid: Field<u32, Thread>,
    loginuid: Field<u32, Thread>,
    tty: Field<u32, Thread>,
    cwd: Field<CStr, Thread>,
    root: Field<CStr, Thread>,
    args: Field<Table<u64, Text>, Thread>,
    env: Field<Table<u64, Text>, Thread>,
    cgroups: Field<Table<u64, Cgroup>, Thread>,
    file_descriptors: Field<Table<i64, Fd>, Thread>,
    /// Made by the container plugin; made by us, and then empty, where that does not run.
    #[custom]
    container_id: Field<CStr, Thread>,
}

/// A column that only the replay host has.
#[derive(TableMetadata)]
#[entry_type(Recorded)]
#[accessors_mod(recorded_fields)]
pub(super) struct RecordedMeta {
    /// Path of the executable with ` (deleted)` behind it if it was, as Falco's libraries showed it before 0.19.
    exe_path_as_recorded: Field<CStr, Recorded>,
}
