//! What Falco knows beside events: its table of threads and their descriptors.
//!
//! It is read as a whole when the capture opens. After that the recorder's own state is the truth; the table is asked
//! only for a thread or descriptor that nobody has seen coming, and only while the capture is live: in a replay it
//! may be the state of another time. A miss costs microseconds, which is why the recorder remembers misses.

mod tables;

use std::{net::IpAddr, ops::ControlFlow};

use falco_plugin::tables::TablesInput;
use sysflow::record::exe_flags;
use sysflow_flow::{Host, Initial, InitialFd, InitialFdKind};
use tables::{Fd, RecordedTable, Thread, ThreadTable};

use crate::{
    output::Known,
    own::{self, Clock},
};

/// Types of descriptors (libs: userspace/libscap/scap.h, `SCAP_FD_*`).
mod kind {
    pub(super) const FILE: u8 = 1;
    pub(super) const DIRECTORY: u8 = 2;
    pub(super) const IPV4_SOCK: u8 = 3;
    pub(super) const IPV6_SOCK: u8 = 4;
    pub(super) const IPV4_SERVSOCK: u8 = 5;
    pub(super) const IPV6_SERVSOCK: u8 = 6;
    pub(super) const FIFO: u8 = 7;
    pub(super) const UNIX_SOCK: u8 = 8;
    pub(super) const FILE_V2: u8 = 16;
    pub(super) const MEMFD: u8 = 20;
}

/// Falco's tables, found at init.
pub(crate) struct Tables {
    threads: ThreadTable,
    /// Only in a replay.
    recorded: Option<RecordedTable>,
}

/// The tables while Falco lets us read them.
pub(crate) struct TableHost<'a, R> {
    pub(crate) tables: Option<&'a Tables>,
    pub(crate) reader: &'a R,
    /// For the start times of processes, which the table lacks; `None` in a replay.
    pub(crate) clock: Option<Clock>,
    pub(crate) env: bool,
    /// Who processes were before a restart of ours.
    pub(crate) known: Option<&'a Known>,
    /// Executables are shown as SysFlow's collector did, if the host can.
    pub(crate) as_recorded: bool,
}

impl std::fmt::Debug for Tables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tables").finish_non_exhaustive()
    }
}

// === impl Tables ===

impl Tables {
    /// Finds the tables; `Err` says what is missing.
    pub(crate) fn new(input: &TablesInput<'_>) -> Result<Self, falco_plugin::anyhow::Error> {
        Ok(Self { threads: input.get_table(c"threads")?, recorded: input.get_table(c"threads").ok() })
    }
}

// === impl TableHost ===

impl<R: falco_plugin::tables::TableReader> TableHost<'_, R> {
    /// All threads.
    pub(crate) fn all(&self) -> Vec<Initial> {
        let mut all = Vec::new();
        if let Some(tables) = self.tables {
            let visited = tables.threads.iter_entries_mut(self.reader, |thread| {
                all.extend(self.initial(thread));
                ControlFlow::Continue(())
            });
            if let Err(error) = visited {
                eprintln!("sysflow: Falco's thread table could not be read to its end: {error}");
            }
        }
        all
    }

    /// Whether the capture is of the machine that we run on: our own process is in the table with our executable.
    pub(crate) fn is_live(tables: Option<&Tables>, reader: &R) -> bool {
        use tables::thread_fields::*;
        let found = || -> Option<bool> {
            let pid = own::own_pid()?;
            let exe = own::own_exe(pid)?;
            let entry = tables?.threads.get_entry(reader, &pid).ok()?;
            let path = entry.get_exe_path(reader).ok()?;
            // An upgrade while we run leaves the file without a name; Falco's libraries leave that out.
            let alive = |path: &[u8]| path.strip_suffix(b" (deleted)").unwrap_or(path).to_vec();
            let exe = std::os::unix::ffi::OsStrExt::as_bytes(exe.as_os_str());
            Some(alive(exe) == alive(path.to_bytes()))
        };
        found().unwrap_or(false)
    }

    fn initial(&self, thread: &Thread) -> Option<Initial> {
        use tables::{cgroup_fields::*, text_fields::*, thread_fields::*};
        let r = self.reader;
        let (tid, pid) = (thread.get_tid(r).ok()?, thread.get_pid(r).ok()?);
        let is_leader = tid == pid;
        let flag = |set: Result<bool, _>, flag: i32| match set {
            Ok::<bool, falco_plugin::anyhow::Error>(true) => flag,
            _ => 0,
        };
        let mut initial = Initial {
            tid,
            pid,
            ptid: thread.get_ptid(r).unwrap_or(-1),
            sid: thread.get_sid(r).unwrap_or(-1),
            vpid: thread.get_vpid(r).unwrap_or(-1),
            ..Initial::default()
        };
        if !is_leader {
            return Some(initial);
        }
        if let Some(clock) = self.clock
            && let Some(ticks) = own::start_ticks(pid)
        {
            initial.start_ts = clock.since_epoch(ticks);
            initial.identity = self.known.and_then(|known| known.identity(pid, ticks));
        }
        initial.exe = thread.get_exe(r).map(|s| s.to_bytes().to_vec()).unwrap_or_default();
        initial.exe_path = thread.get_exe_path(r).map(|s| s.to_bytes().to_vec()).unwrap_or_default();
        if let Some(path) = self.exe_path_as_recorded(pid) {
            initial.exe_path = path;
        }
        initial.cwd = thread.get_cwd(r).map(|s| s.to_bytes().to_vec()).unwrap_or_default();
        initial.root = thread.get_root(r).map(|s| s.to_bytes().to_vec()).unwrap_or_default();
        initial.uid = thread.get_uid(r).unwrap_or(u32::MAX);
        initial.gid = thread.get_gid(r).unwrap_or(u32::MAX);
        initial.loginuid = thread.get_loginuid(r).unwrap_or(u32::MAX);
        initial.tty = thread.get_tty(r).unwrap_or(0);
        initial.exe_ino = thread.get_exe_ino(r).unwrap_or(0);
        initial.exe_ctime = thread.get_exe_ino_ctime(r).unwrap_or(0);
        initial.exe_flags = flag(thread.get_exe_upper_layer(r), exe_flags::UPPER_LAYER)
            | flag(thread.get_exe_lower_layer(r), exe_flags::LOWER_LAYER)
            | flag(thread.get_exe_from_memfd(r), exe_flags::MEMFD)
            | flag(thread.get_exe_writable(r), exe_flags::WRITABLE);
        if let Ok(args) = thread.get_args(r) {
            let _ = args.iter_entries_mut(r, |arg| {
                initial.args.extend(arg.get_value(r).map(|value| value.to_bytes().to_vec()));
                ControlFlow::Continue(())
            });
        }
        if self.env
            && let Ok(env) = thread.get_env(r)
        {
            let _ = env.iter_entries_mut(r, |entry| {
                initial.env.extend(entry.get_value(r).map(|value| value.to_bytes().to_vec()));
                ControlFlow::Continue(())
            });
        }
        if let Ok(cgroups) = thread.get_cgroups(r) {
            let _ = cgroups.iter_entries_mut(r, |entry| {
                if let Ok(path) = entry.get_second(r).map(|path| path.to_bytes().to_vec()) {
                    let subsystem = entry.get_first(r).map(|s| s.to_bytes().to_vec()).unwrap_or_default();
                    initial.cgroups.push([subsystem, path].join(&b'='));
                }
                ControlFlow::Continue(())
            });
        }
        // The container plugin's answer counts only where it has one: without it the field is empty for all.
        initial.container_id = self.container_of(thread).filter(|id| !id.is_empty());
        if let Ok(fds) = thread.get_file_descriptors(r) {
            let _ = fds.iter_entries_mut(r, |fd| {
                initial.fds.extend(self.initial_fd(fd));
                ControlFlow::Continue(())
            });
        }
        Some(initial)
    }

    fn exe_path_as_recorded(&self, pid: i64) -> Option<Vec<u8>> {
        use tables::recorded_fields::*;
        let table = self.tables?.recorded.as_ref().filter(|_| self.as_recorded)?;
        let entry = table.get_entry(self.reader, &pid).ok()?;
        Some(entry.get_exe_path_as_recorded(self.reader).ok()?.to_bytes().to_vec())
    }

    fn container_of(&self, thread: &Thread) -> Option<String> {
        use tables::thread_fields::*;
        let id = thread.get_container_id(self.reader).ok()?;
        Some(id.to_string_lossy().into_owned())
    }

    fn initial_fd(&self, fd: &Fd) -> Option<InitialFd> {
        use tables::fd_fields::*;
        let r = self.reader;
        let number = fd.get_fd(r).ok()?;
        let name = || fd.get_name(r).map(|name| name.to_bytes().to_vec()).unwrap_or_default();
        let mut open_flags = 0;
        let kind = match fd.get_fd_type(r).ok()? {
            kind::FILE | kind::FILE_V2 => {
                open_flags = fd.get_open_flags(r).unwrap_or(0);
                InitialFdKind::File(name())
            }
            kind::DIRECTORY => InitialFdKind::Directory(name()),
            kind::FIFO => InitialFdKind::Pipe(name()),
            kind::MEMFD => InitialFdKind::Memfd(name()),
            kind::UNIX_SOCK => InitialFdKind::Unix(self.unix_name(fd, &name())),
            kind::IPV4_SOCK => InitialFdKind::Inet {
                source: (ipv4(fd.get_socket_ipv4_src_ip(r).ok()?), fd.get_socket_ipv4_src_port(r).ok()?),
                dest: (ipv4(fd.get_socket_ipv4_dest_dip(r).ok()?), fd.get_socket_ipv4_dst_port(r).ok()?),
                proto: protocol(fd.get_socket_ipv4_l4_proto(r).ok()?),
            },
            kind::IPV4_SERVSOCK => InitialFdKind::InetServer {
                local: (ipv4(fd.get_socket_ipv4_server_ip(r).ok()?), fd.get_socket_ipv4_server_port(r).ok()?),
                proto: protocol(fd.get_socket_ipv4_server_l4_proto(r).ok()?),
            },
            kind::IPV6_SOCK => InitialFdKind::Inet {
                source: (
                    ipv6(fd.get_socket_ipv6_src_ip_low(r).ok()?, fd.get_socket_ipv6_src_ip_high(r).ok()?),
                    fd.get_socket_ipv6_src_port(r).ok()?,
                ),
                dest: (
                    ipv6(fd.get_socket_ipv6_dest_ip_low(r).ok()?, fd.get_socket_ipv6_dest_ip_high(r).ok()?),
                    fd.get_socket_ipv6_dst_port(r).ok()?,
                ),
                proto: protocol(fd.get_socket_ipv6_l4_proto(r).ok()?),
            },
            kind::IPV6_SERVSOCK => InitialFdKind::InetServer {
                local: (
                    ipv6(
                        fd.get_socket_ipv6_server_ip_low(r).ok()?,
                        fd.get_socket_ipv6_server_ip_high(r).ok()?,
                    ),
                    fd.get_socket_ipv6_server_port(r).ok()?,
                ),
                proto: protocol(fd.get_socket_ipv6_server_l4_proto(r).ok()?),
            },
            _ => InitialFdKind::Other,
        };
        Some(InitialFd { fd: number, kind, open_flags })
    }

    /// `source->dest path`, as events name unix sockets; a path alone where the table has no addresses.
    fn unix_name(&self, fd: &Fd, name: &[u8]) -> Vec<u8> {
        use tables::fd_fields::*;
        let ends = (
            fd.get_socket_unix_src(self.reader).unwrap_or(0),
            fd.get_socket_unix_dest(self.reader).unwrap_or(0),
        );
        if ends == (0, 0) || name.windows(2).any(|pair| pair == b"->") {
            return name.to_vec();
        }
        [format!("{:x}->{:x} ", ends.0, ends.1).as_bytes(), name].concat()
    }
}

impl<R: falco_plugin::tables::TableReader> Host for TableHost<'_, R> {
    fn thread(&mut self, tid: i64) -> Option<Initial> {
        let (tables, _) = (self.tables?, self.clock?);
        let thread = tables.threads.get_entry(self.reader, &tid).ok()?;
        let initial = self.initial(&thread)?;
        if initial.tid == initial.pid {
            return Some(initial);
        }
        // The recorder needs the process, not the thread: descriptors and the rest are on its leader.
        let leader = tables.threads.get_entry(self.reader, &initial.pid).ok()?;
        self.initial(&leader)
    }

    fn fd(&mut self, pid: i64, fd: i64) -> Option<InitialFd> {
        use tables::thread_fields::*;
        let (tables, _) = (self.tables?, self.clock?);
        let thread = tables.threads.get_entry(self.reader, &pid).ok()?;
        let fds = thread.get_file_descriptors(self.reader).ok()?;
        self.initial_fd(&fds.get_entry(self.reader, &fd).ok()?)
    }

    fn container_id(&mut self, tid: i64) -> Option<String> {
        let (tables, _) = (self.tables?, self.clock?);
        let thread = tables.threads.get_entry(self.reader, &tid).ok()?;
        self.container_of(&thread).filter(|id| !id.is_empty())
    }

    /// Falco's table has the path of the chroot call itself, which says little: what it is relative to is gone.
    fn root(&mut self, tid: i64) -> Option<Vec<u8>> {
        self.clock?;
        own::root(tid)
    }
}

/// The table holds the bytes of the address as they are in memory.
fn ipv4(value: u32) -> IpAddr {
    IpAddr::from(value.to_ne_bytes())
}

fn ipv6(low: u64, high: u64) -> IpAddr {
    let mut octets = [0; 16];
    octets[..8].copy_from_slice(&low.to_ne_bytes());
    octets[8..].copy_from_slice(&high.to_ne_bytes());
    IpAddr::from(octets)
}

/// IP protocol number of a `SCAP_L4_*`; SysFlow's number for raw sockets is 254.
fn protocol(l4: u8) -> i32 {
    match l4 {
        2 => 6,
        3 => 17,
        4 => 1,
        5 => 254,
        _ => -1,
    }
}
