//! Who we are and where: facts of the machine that Falco watches, read from its file system.

use std::{
    fs,
    path::{Path, PathBuf},
};

use sysflow::stream::Welcome;

/// Two start times of one process, in nanoseconds, differ by no more: the kernel tells the boot time in whole seconds.
pub(crate) const SAME_START: u64 = 2_000_000_000;

/// What start times of processes are reckoned with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    /// Boot time in nanoseconds since the epoch.
    boot: i64,
    /// Ticks of a second.
    ticks: i64,
}

// === impl Clock ===

impl Clock {
    /// The clock of the machine that we run on.
    pub(crate) fn of_host() -> Option<Self> {
        Some(Self { boot: boot_time()?, ticks: ticks_per_second() })
    }

    /// Ticks since the boot in nanoseconds since the epoch.
    pub(crate) fn since_epoch(self, ticks: i64) -> i64 {
        self.boot.saturating_add(ticks.saturating_mul(1_000_000_000 / self.ticks.max(1)))
    }

    /// When a process was started, in nanoseconds since the epoch.
    pub(crate) fn start_time(self, pid: i64) -> Option<i64> {
        start_ticks(pid).map(|ticks| self.since_epoch(ticks))
    }
}

/// Where the host's root is mounted, when Falco runs in a container.
pub(crate) fn host_root() -> PathBuf {
    std::env::var_os("HOST_ROOT").map_or_else(|| PathBuf::from("/"), PathBuf::from)
}

/// A file below the host's root.
pub(crate) fn host_path(path: &str) -> PathBuf {
    host_root().join(path.trim_start_matches('/'))
}

/// Our own process id as the host sees it: in a pod, getpid() says 1.
pub(crate) fn own_pid() -> Option<i64> {
    let status = fs::read_to_string(host_path("proc/self/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("Tgid:"))?.trim().parse().ok()
}

/// Path of our own executable as the host's /proc shows it.
pub(crate) fn own_exe(pid: i64) -> Option<PathBuf> {
    fs::read_link(host_path(&format!("proc/{pid}/exe"))).ok()
}

/// Root directory of a thread, seen from its mount namespace.
pub(crate) fn root(tid: i64) -> Option<Vec<u8>> {
    let root = fs::read_link(host_path(&format!("proc/{tid}/root"))).ok()?;
    Some(std::os::unix::ffi::OsStringExt::into_vec(root.into_os_string()))
}

/// When a process was started, in clock ticks since the boot.
pub(crate) fn start_ticks(pid: i64) -> Option<i64> {
    // The name of a process need not be UTF-8.
    let stat = fs::read(host_path(&format!("proc/{pid}/stat"))).ok()?;
    parse_start(&String::from_utf8_lossy(&stat))
}

/// Field 22 of `/proc/<pid>/stat`; the name in field 2 may hold anything, so fields are counted after its end.
fn parse_start(stat: &str) -> Option<i64> {
    stat.get(stat.rfind(')')? + 1..)?.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// Boot time in nanoseconds since the epoch.
fn boot_time() -> Option<i64> {
    let stat = fs::read_to_string(host_path("proc/stat")).ok()?;
    let seconds: i64 = stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    Some(seconds * 1_000_000_000)
}

/// Clock ticks of a second.
fn ticks_per_second() -> i64 {
    // SAFETY: sysconf takes a number and touches no memory of ours.
    unsafe { libc::sysconf(libc::_SC_CLK_TCK) }
}

/// Identity of the host's boot.
pub(crate) fn boot_id() -> Option<String> {
    let id = fs::read_to_string(host_path("proc/sys/kernel/random/boot_id")).ok()?;
    Some(id.trim().to_owned())
}

/// Name of the node: what the operator set, else what Kubernetes says, else the machine's id.
pub(crate) fn node_name(configured: Option<&str>) -> String {
    let set = |name: &str| (!name.is_empty()).then(|| name.to_owned());
    let variable = |name: &str| std::env::var(name).ok().as_deref().and_then(set);
    let machine = || {
        let id = fs::read_to_string(host_path("etc/machine-id")).ok()?;
        set(id.trim())
    };
    configured
        .and_then(set)
        .or_else(|| variable("FALCO_K8S_NODE_NAME"))
        .or_else(|| variable("NODE_NAME"))
        .or_else(machine)
        .unwrap_or_else(|| "unknown-node".into())
}

/// Users or groups of the host: name and id of each line of passwd or group.
pub(crate) fn accounts(path: &Path) -> Vec<(String, u32)> {
    let Ok(text) = fs::read(path) else { return Vec::new() };
    let text = String::from_utf8_lossy(&text);
    text.lines()
        .filter_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            let id = fields.nth(1)?.parse().ok()?;
            Some((name.to_owned(), id))
        })
        .collect()
}

/// Pid of the processor in the host's namespace, and when it was started in nanoseconds since the epoch. The kernel
/// tells the pid unless the namespaces hide it; then the process that has the pid and the namespace that the welcome
/// names is looked for.
pub(crate) fn processor(welcome: &Welcome, credential: i32) -> Option<(i64, i64)> {
    let is_it = |pid: i64| {
        let namespace = fs::metadata(host_path(&format!("proc/{pid}/ns/pid"))).ok().map(|meta| inode(&meta));
        namespace == Some(welcome.pid_ns) && innermost_pid(pid) == Some(i64::from(welcome.pid))
    };
    let told = i64::from(credential);
    let pid = if told > 0 && is_it(told) {
        told
    } else {
        let entries = fs::read_dir(host_path("proc")).ok()?;
        entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).find(|pid| is_it(*pid))?
    };
    Some((pid, Clock::of_host()?.start_time(pid)?))
}

fn inode(meta: &fs::Metadata) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    meta.ino()
}

/// The pid that a process has in its own namespace.
fn innermost_pid(pid: i64) -> Option<i64> {
    let status = fs::read_to_string(host_path(&format!("proc/{pid}/status"))).ok()?;
    let pids = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
    pids.split_ascii_whitespace().last()?.parse().ok()
}

/// Sixteen bytes that nobody has had before.
pub(crate) fn random_id() -> [u8; 16] {
    let mut id = [0; 16];
    // SAFETY: the buffer is ours and as long as is said.
    let got = unsafe { libc::getrandom(id.as_mut_ptr().cast(), id.len(), 0) };
    if got != id.len() as isize {
        // Never so on a kernel that Falco runs on; time and pid tell streams of one node apart all the same.
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        id[..8].copy_from_slice(&(now.as_nanos() as u64).to_le_bytes());
        id[8..12].copy_from_slice(&std::process::id().to_le_bytes());
    }
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_time_is_found_behind_any_name() {
        let stat = "12 (a) b ( c)) S 1 12 12 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 1000 5";
        assert_eq!(parse_start(stat), Some(987_654));
        assert_eq!(parse_start("12 (x"), None);
        assert_eq!(parse_start(""), None);
    }

    #[test]
    fn ids_of_streams_are_random() {
        let [one, other] = [random_id(), random_id()];
        assert!(one != other && one != [0; 16] && one[12..] != [0; 4]);
    }

    #[test]
    fn this_process_started_after_the_boot_and_before_now() {
        let pid = own_pid().unwrap();
        let start = Clock::of_host().unwrap().start_time(pid).unwrap();
        let now =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as i64;
        assert!(start > boot_time().unwrap() && start <= now + 1_000_000_000, "{start} {now}");
    }

    #[test]
    fn a_processor_in_our_namespace_is_found() {
        let namespace = inode(&fs::metadata("/proc/self/ns/pid").unwrap());
        let welcome = Welcome { stored: 0, pid: std::process::id(), pid_ns: namespace };
        let (pid, start) = processor(&welcome, 0).unwrap();
        assert_eq!(Some(pid), own_pid());
        assert_eq!(Some(start), Clock::of_host().unwrap().start_time(pid));
        assert_eq!(processor(&Welcome { pid_ns: 1, ..welcome }, 0), None);
    }
}
