//! Which process begins a graph of its own.
//!
//! A graph is everything that one application instance or session did. Its name, [`GraphId`], comes from its first
//! process, the *root*. The root of a process is the process itself when its parent is unknown, or pid 1 or 2, or in
//! another container; otherwise it is the root of its parent. At its first successful exec a process is judged
//! again: it becomes a root if its container changed since its birth, or if its parent is a session server (sshd,
//! cron, a container runtime ...) and it is not one itself. After that its graph never changes.
//!
//! The collector decides with these functions as it watches and writes the result into the Process record. For
//! traces without graph ids [`crate::Entities`] derives them, from what the trace tells, with the same functions.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, LazyLock};

use crate::id::GraphId;
use crate::record::exe_flags;

/// The graph of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GraphRef {
    /// Its name.
    pub id: GraphId,
    /// The graph that it came from, if it came from one.
    pub parent: Option<GraphId>,
    /// Whether this was derived by the reader, best effort, because the trace did not say.
    pub derived: bool,
}

/// What the decision must know of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kin<'a> {
    /// Pid on the host.
    pub pid: i64,
    /// Container, `None` on the host.
    pub container: Option<&'a str>,
    /// What [`Servers::contains`] said of its executable when it was executed or first seen. A cloned process has
    /// its parent's answer: the flags of an executable say what the user who ran it could do, and servers change
    /// their user after that.
    pub is_server: bool,
}

/// An executable as it was when it was executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Executable<'a> {
    /// Full path.
    pub path: &'a str,
    /// Bits of [`exe_flags`].
    pub flags: i32,
    /// Effective user who executed it.
    pub uid: i32,
    /// Container that it runs in, `None` on the host.
    pub container: Option<&'a str>,
}

/// Whether a process begins a graph when it is cloned.
pub fn is_root_at_birth(process: Kin<'_>, parent: Option<Kin<'_>>) -> bool {
    parent.is_none_or(|parent| parent.pid <= 2 || parent.container != process.container)
}

/// Whether a process begins a graph at its first successful exec, having been born in `birth_container`.
pub fn is_root_at_exec(process: Kin<'_>, birth_container: Option<&str>, parent: Option<Kin<'_>>) -> bool {
    process.container != birth_container
        || (parent.is_some_and(|parent| parent.is_server) && !process.is_server)
}

/// Whether a process that was there before the recording begins a graph: as if it had executed long ago.
pub fn is_root_when_found(process: Kin<'_>, parent: Option<Kin<'_>>) -> bool {
    is_root_at_birth(process, parent) || is_root_at_exec(process, process.container, parent)
}

/// Programs whose children are sessions of their own, by full path on the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Servers {
    paths: Arc<HashSet<String>>,
    /// Paths in which `*` stands for one element, by their last element: every exec asks.
    patterns: Arc<HashMap<String, Vec<String>>>,
}

/// Names of session servers, looked for in each of [`DIRECTORIES`].
const NAMES: &[&str] = &[
    "sshd",
    "sshd-session",
    "dropbear",
    "login",
    "in.telnetd",
    "mosh-server",
    "xrdp-sesman",
    "gdm-session-worker",
    "lightdm",
    "cron",
    "crond",
    "anacron",
    "atd",
    "systemd",
    "init",
    "dockerd",
    "containerd",
    "containerd-shim",
    "containerd-shim-runc-v1",
    "containerd-shim-runc-v2",
    "docker-containerd-shim",
    "conmon",
    "conmonrs",
    "crio",
    "crun",
    "runc",
    "docker-runc",
    "youki",
    "kata-agent",
    "kubelet",
    "k3s",
    "buildkitd",
    "nsenter",
];

/// Where only root can put a program.
const DIRECTORIES: &[&str] = &[
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/lib/openssh",
    "/usr/libexec/openssh",
    "/usr/libexec",
    "/usr/lib/systemd",
    "/lib/systemd",
    "/usr/lib/cri-o-runc/sbin",
    "/usr/libexec/podman",
    "/usr/libexec/crio",
    "/usr/lib/podman",
    "/opt/bin",
    "/opt/containerd/bin",
    "/var/lib/rancher/k3s/data/*/bin",
    "/var/lib/rancher/rke2/data/*/bin",
];

static DEFAULT: LazyLock<Servers> = LazyLock::new(|| Servers::new(NAMES));

impl Servers {
    /// Servers from a configured list: full paths, in which `*` may stand for one element, and names, which are
    /// looked for in the usual directories.
    pub fn new(list: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let mut paths = HashSet::new();
        let mut patterns: HashMap<String, Vec<String>> = HashMap::new();
        let mut add = |path: String| {
            if path.contains('*') {
                patterns.entry(last_element(&path).to_owned()).or_default().push(path);
            } else {
                paths.insert(path);
            }
        };
        for entry in list {
            let entry = entry.as_ref();
            if entry.contains('/') {
                add(entry.to_owned());
            } else {
                for directory in DIRECTORIES {
                    add(format!("{directory}/{entry}"));
                }
            }
        }
        Self { paths: Arc::new(paths), patterns: Arc::new(patterns) }
    }

    /// Names of the default list, for documentation and configuration.
    pub fn default_names() -> &'static [&'static str] {
        NAMES
    }

    /// Whether `executable` is a session server: on the host, by its full path, and nothing that an intruder could
    /// have made. Root can write every file, so that this flag says nothing of what root executes.
    pub fn contains(&self, executable: Executable<'_>) -> bool {
        let forged = executable.flags & (exe_flags::UPPER_LAYER | exe_flags::MEMFD) != 0
            || (executable.flags & exe_flags::WRITABLE != 0 && executable.uid != 0);
        executable.container.is_none()
            && !forged
            && (self.paths.contains(executable.path) || self.matches(executable.path))
    }
}

impl Servers {
    fn matches(&self, path: &str) -> bool {
        let by_name = [last_element(path), "*"].into_iter().filter_map(|name| self.patterns.get(name));
        by_name.flatten().any(|pattern| matches(pattern, path))
    }
}

impl Default for Servers {
    fn default() -> Self {
        DEFAULT.clone()
    }
}

fn last_element(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn matches(pattern: &str, path: &str) -> bool {
    let (mut pattern, mut path) = (pattern.split('/'), path.split('/'));
    loop {
        match (pattern.next(), path.next()) {
            (None, None) => return true,
            (Some(pattern), Some(part)) if pattern == part || (pattern == "*" && !part.is_empty()) => {}
            _ => return false,
        }
    }
}
