//! Process list blocks, all nine versions.

use super::cursor::{Cursor, Problem};

/// A thread of the capture's initial state. Strings are bytes as found on the monitored host.
///
/// Values that the version of the list does not hold are -1 for ids, all ones for `loginuid`, otherwise zero,
/// false or empty, as in libscap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessInfo {
    /// Host thread id.
    pub tid: i64,
    /// Host process id (thread group); the thread is the leader when it equals `tid`.
    pub pid: i64,
    /// Thread id of the parent.
    pub ptid: i64,
    /// Session id.
    pub sid: i64,
    /// Process group id within the pid namespace.
    pub vpgid: i64,
    /// Process group id.
    pub pgid: i64,
    /// Thread id within the pid namespace.
    pub vtid: i64,
    /// Process id within the pid namespace.
    pub vpid: i64,
    /// Command name, at most 15 bytes on Linux.
    pub comm: Vec<u8>,
    /// First argument (`argv[0]`).
    pub exe: Vec<u8>,
    /// Path of the executable.
    pub exe_path: Vec<u8>,
    /// Arguments from `argv[1]` on.
    pub args: Vec<Vec<u8>>,
    /// Working directory.
    pub cwd: Vec<u8>,
    /// Environment as `NAME=value`.
    pub env: Vec<Vec<u8>>,
    /// Control groups as (subsystem, path).
    pub cgroups: Vec<(Vec<u8>, Vec<u8>)>,
    /// Root directory (chroot).
    pub root: Vec<u8>,
    /// Limit of open files.
    pub fd_limit: u64,
    /// `PPM_CL_*` flags.
    pub flags: u32,
    /// Effective user id.
    pub uid: u32,
    /// Effective group id.
    pub gid: u32,
    /// Login user id (audit); all ones if none.
    pub loginuid: u32,
    /// Controlling terminal's device number.
    pub tty: u32,
    /// Start of the pid namespace's init in nanoseconds since the epoch.
    pub pidns_init_start_ts: u64,
    /// Executable can be written by the process's user.
    pub exe_writable: bool,
    /// Executable is in the upper layer of an overlay.
    pub exe_upper_layer: bool,
    /// Executable is in the lower layer of an overlay.
    pub exe_lower_layer: bool,
    /// Executable is a memfd.
    pub exe_from_memfd: bool,
    /// Inode of the executable.
    pub exe_ino: u64,
    /// Its change time in nanoseconds since the epoch.
    pub exe_ino_ctime: u64,
    /// Its modification time in nanoseconds since the epoch.
    pub exe_ino_mtime: u64,
    /// Capabilities: inheritable, permitted, effective.
    pub capabilities: [u64; 3],
    /// Memory in KiB: virtual, resident, swapped.
    pub memory_kb: [u32; 3],
    /// Page faults: major, minor.
    pub page_faults: [u64; 2],
}

/// Size of the tail of version 9 before libs 0.10, which then put two fields in front of it.
const OLD_TAIL: usize = 29;

/// Reads one process list block of a version; `push` takes the threads.
pub(super) fn read(
    body: &[u8],
    version: u8,
    mut push: impl FnMut(ProcessInfo) -> Result<(), String>,
) -> Result<(), Problem> {
    let mut list = Cursor::new(body);
    // Fewer than four bytes are padding.
    while list.left() >= 4 {
        let before = list.clone();
        let process = if version >= 9 {
            let start = list.position();
            let len = list.u32("length of a process entry")?;
            let mut entry = list.entry(start, len, "process entry")?;
            let mut process = read_entry(&mut entry, version)?;
            read_tail(&mut entry, &mut process)?;
            process
        } else {
            read_entry(&mut list, version)?
        };
        push(process).map_err(|text| before.problem(text))?;
    }
    Ok(())
}

fn read_entry(c: &mut Cursor<'_>, version: u8) -> Result<ProcessInfo, Problem> {
    let (tid, pid, ptid) = (c.i64("tid")?, c.i64("pid")?, c.i64("ptid")?);
    let mut p = ProcessInfo { tid, pid, ptid, ..ProcessInfo::default() };
    if version >= 6 {
        p.sid = c.i64("sid")?;
    }
    if version >= 8 {
        p.vpgid = c.i64("vpgid")?;
    }
    p.comm = c.string("comm")?;
    p.exe = c.string("exe")?;
    if version >= 7 {
        p.exe_path = c.string("exepath")?;
    }
    p.args = split(c.blob("args")?);
    p.cwd = c.string("cwd")?;
    p.fd_limit = c.u64("fdlimit")?;
    p.flags = c.u32("flags")?;
    p.uid = c.u32("uid")?;
    p.gid = c.u32("gid")?;
    if version >= 2 {
        p.memory_kb = [c.u32("vmsize")?, c.u32("vmrss")?, c.u32("vmswap")?];
        p.page_faults = [c.u64("pfmajor")?, c.u64("pfminor")?];
    }
    if version >= 3 {
        p.env = split(c.blob("env")?);
    }
    if version >= 4 {
        p.vtid = c.i64("vtid")?;
        p.vpid = c.i64("vpid")?;
        p.cgroups = split(c.blob("cgroups")?).iter().filter_map(|e| cgroup(e)).collect();
    }
    if version >= 5 {
        p.root = c.string("root")?;
    }
    Ok(p)
}

/// Version 9 grows by appending: each value is there only if the entry is long enough.
fn read_tail(c: &mut Cursor<'_>, p: &mut ProcessInfo) -> Result<(), Problem> {
    if c.left() > OLD_TAIL {
        p.pidns_init_start_ts = c.u64("pidns_init_start_ts")?;
        if c.left() >= 4 {
            p.tty = c.u32("tty")?;
        }
    }
    if c.left() >= 4 {
        p.loginuid = c.u32("loginuid")?;
    }
    let flag = |c: &mut Cursor<'_>, to: &mut bool| -> Result<(), Problem> {
        if c.left() >= 1 {
            *to = c.u8("flag")? != 0;
        }
        Ok(())
    };
    let word = |c: &mut Cursor<'_>, to: &mut u64| -> Result<(), Problem> {
        if c.left() >= 8 {
            *to = c.u64("u64")?;
        }
        Ok(())
    };
    flag(c, &mut p.exe_writable)?;
    for capability in &mut p.capabilities {
        word(c, capability)?;
    }
    flag(c, &mut p.exe_upper_layer)?;
    word(c, &mut p.exe_ino)?;
    word(c, &mut p.exe_ino_ctime)?;
    word(c, &mut p.exe_ino_mtime)?;
    flag(c, &mut p.exe_from_memfd)?;
    flag(c, &mut p.exe_lower_layer)?;
    if c.left() >= 8 {
        p.pgid = c.i64("pgid")?;
    }
    Ok(())
}

/// Splits NUL-separated strings; a final NUL ends the last one and starts none.
fn split(bytes: &[u8]) -> Vec<Vec<u8>> {
    if bytes.is_empty() {
        return Vec::new();
    }
    let bytes = bytes.strip_suffix(&[0]).unwrap_or(bytes);
    bytes.split(|&b| b == 0).map(<[u8]>::to_vec).collect()
}

/// `subsystem=path`, with the subsystem named as Falco's `threads` table names it.
fn cgroup(entry: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    const SUFFIX: &[u8] = b"_cgroup";
    let eq = entry.iter().position(|&b| b == b'=')?;
    let name = &entry[..eq];
    let name = name.strip_suffix(SUFFIX).unwrap_or(name);
    // The kernel's own names, which the driver reports, differ from those in /proc for three controllers.
    let name: &[u8] = match name {
        b"perf" => b"perf_event",
        b"mem" => b"memory",
        b"io" => b"blkio",
        other => other,
    };
    Some((name.to_vec(), entry[eq + 1..].to_vec()))
}

// === impl ProcessInfo ===

impl Default for ProcessInfo {
    fn default() -> Self {
        Self {
            tid: -1,
            pid: -1,
            ptid: -1,
            sid: -1,
            vpgid: -1,
            pgid: -1,
            vtid: -1,
            vpid: -1,
            comm: Vec::new(),
            exe: Vec::new(),
            exe_path: Vec::new(),
            args: Vec::new(),
            cwd: Vec::new(),
            env: Vec::new(),
            cgroups: Vec::new(),
            root: Vec::new(),
            fd_limit: 0,
            flags: 0,
            uid: 0,
            gid: 0,
            loginuid: u32::MAX,
            tty: 0,
            pidns_init_start_ts: 0,
            exe_writable: false,
            exe_upper_layer: false,
            exe_lower_layer: false,
            exe_from_memfd: false,
            exe_ino: 0,
            exe_ino_ctime: 0,
            exe_ino_mtime: 0,
            capabilities: [0; 3],
            memory_kb: [0; 3],
            page_faults: [0; 2],
        }
    }
}
