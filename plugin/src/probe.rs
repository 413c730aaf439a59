//! What Falco does not deliver.
//!
//! What a plugin subscribes to enables nothing in stock Falco: without the right `base_syscalls` there are no reads,
//! writes, unlinks ..., and no way to ask. So, when a live capture begins, the writer thread makes calls of its own
//! that do nothing or fail, and the event thread looks which types of events arrive, whoever they are from. What has
//! not come some time after the last round is missing, until one comes after all.

use std::{
    fs::File,
    os::fd::AsRawFd,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use crate::events::code;

/// When calls are made, after the first event.
const ROUNDS: [Duration; 3] = [Duration::ZERO, Duration::from_millis(500), Duration::from_millis(1_500)];
/// After the last round, events get so long to arrive, by their own time.
const SLACK: Duration = Duration::from_secs(1);
/// Codes of events are below this.
const CODES: usize = 512;

/// A call that changes nothing.
#[derive(Clone, Copy, Debug)]
struct Call {
    /// Type of the event that it must bring.
    code: u16,
    /// Falco's name for it.
    name: &'static str,
    number: libc::c_long,
    args: [Arg; 6],
}

/// An argument of a call.
#[derive(Clone, Copy, Debug)]
enum Arg {
    /// This number; a null pointer, a length of nothing.
    N(usize),
    /// Minus one: no descriptor.
    Bad,
    /// Where a path is wanted, an empty one: there is nothing of that name.
    Empty,
    /// The current directory, for `*at` calls.
    Here,
    /// `/dev/null`, open for reading and writing.
    Null,
    /// Our own process.
    Us,
}

/// The writer thread's part.
#[derive(Debug)]
pub(crate) struct Asker {
    /// When the first event came.
    since: Option<Instant>,
    rounds: usize,
    null: Option<File>,
}

/// The event thread's part: which types have come.
#[derive(Debug)]
pub(crate) struct Watch {
    seen: Codes,
    /// Found missing and not come since; `None` before that is judged.
    missing: Option<Codes>,
}

/// What the event thread has found out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// Everything arrives: there is nothing to watch for any more.
    Complete,
    /// What this says does not.
    Missing(String),
    /// What was said to be missing has come.
    Came(String),
}

/// A set of types of events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Codes([u64; CODES / 64]);

use Arg::{Bad, Empty, Here, N, Null, Us};

const fn call<const A: usize>(code: u16, name: &'static str, number: libc::c_long, given: [Arg; A]) -> Call {
    let mut args = [N(0); 6];
    let mut index = 0;
    while index < A {
        args[index] = given[index];
        index += 1;
    }
    Call { code, name, number, args }
}

/// Harmless for these reasons: nothing is read or written at length 0, nothing has an empty path, descriptor -1 is not
/// open, signal 0 is none, nothing is unshared, and there are no such requests to ptrace and bpf. Modules are left out: to load none still
/// looks like an attempt, and a unit that forbids it kills who tries.
const CALLS: &[Call] = &[
    call(code::READ_X, "read", libc::SYS_read, [Null, N(0), N(0)]),
    call(code::PREAD_X, "pread", libc::SYS_pread64, [Null, N(0), N(0), N(0)]),
    call(code::READV_X, "readv", libc::SYS_readv, [Null, N(0), N(0)]),
    call(code::PREADV_X, "preadv", libc::SYS_preadv, [Null, N(0), N(0), N(0), N(0)]),
    call(code::WRITE_X, "write", libc::SYS_write, [Null, N(0), N(0)]),
    call(code::PWRITE_X, "pwrite", libc::SYS_pwrite64, [Null, N(0), N(0), N(0)]),
    call(code::WRITEV_X, "writev", libc::SYS_writev, [Null, N(0), N(0)]),
    call(code::PWRITEV_X, "pwritev", libc::SYS_pwritev, [Null, N(0), N(0), N(0), N(0)]),
    call(code::SENDFILE_X, "sendfile", libc::SYS_sendfile, [Bad, Bad, N(0), N(1)]),
    call(code::SPLICE_X, "splice", libc::SYS_splice, [Bad, N(0), Bad, N(0), N(1), N(0)]),
    call(
        code::COPY_FILE_RANGE_X,
        "copy_file_range",
        libc::SYS_copy_file_range,
        [Bad, N(0), Bad, N(0), N(1), N(0)],
    ),
    call(
        code::MMAP_X,
        "mmap",
        libc::SYS_mmap,
        // A length of nothing cannot be mapped.
        [N(0), N(0), N(0), N(libc::MAP_PRIVATE as usize), Null, N(0)],
    ),
    call(code::MKDIRAT_X, "mkdirat", libc::SYS_mkdirat, [Here, Empty, N(0o700)]),
    call(code::UNLINKAT_2_X, "unlinkat", libc::SYS_unlinkat, [Here, Empty, N(0)]),
    call(code::RENAMEAT2_X, "renameat2", libc::SYS_renameat2, [Here, Empty, Here, Empty, N(0)]),
    call(code::LINKAT_2_X, "linkat", libc::SYS_linkat, [Here, Empty, Here, Empty, N(0)]),
    call(code::SYMLINKAT_X, "symlinkat", libc::SYS_symlinkat, [Empty, Here, Empty]),
    call(code::FCHMOD_X, "fchmod", libc::SYS_fchmod, [Bad, N(0)]),
    call(code::FCHMODAT_X, "fchmodat", libc::SYS_fchmodat, [Here, Empty, N(0)]),
    call(code::FCHOWN_X, "fchown", libc::SYS_fchown, [Bad, Bad, Bad]),
    call(code::FCHOWNAT_X, "fchownat", libc::SYS_fchownat, [Here, Empty, Bad, Bad, N(0)]),
    call(code::MKNODAT_X, "mknodat", libc::SYS_mknodat, [Here, Empty, N(libc::S_IFREG as usize), N(0)]),
    call(code::LISTEN_X, "listen", libc::SYS_listen, [Bad, N(0)]),
    call(code::KILL_X, "kill", libc::SYS_kill, [Us, N(0)]),
    call(code::PTRACE_X, "ptrace", libc::SYS_ptrace, [N(0x7fff), Us, N(0), N(0)]),
    call(code::SETNS_X, "setns", libc::SYS_setns, [Bad, N(0)]),
    call(code::UNSHARE_X, "unshare", libc::SYS_unshare, [N(0)]),
    call(
        code::PROCESS_VM_WRITEV_X,
        "process_vm_writev",
        libc::SYS_process_vm_writev,
        [Us, N(0), N(0), N(0), N(0), N(0)],
    ),
    call(code::BPF_2_X, "bpf", libc::SYS_bpf, [N(0x7fff), N(0), N(0)]),
];

/// Calls that newer architectures do without.
#[cfg(target_arch = "x86_64")]
const OLD_CALLS: &[Call] = &[
    call(code::MKDIR_2_X, "mkdir", libc::SYS_mkdir, [Empty, N(0o700)]),
    call(code::RMDIR_2_X, "rmdir", libc::SYS_rmdir, [Empty]),
    call(code::UNLINK_2_X, "unlink", libc::SYS_unlink, [Empty]),
    call(code::RENAME_X, "rename", libc::SYS_rename, [Empty, Empty]),
    call(code::RENAMEAT_X, "renameat", libc::SYS_renameat, [Here, Empty, Here, Empty]),
    call(code::LINK_2_X, "link", libc::SYS_link, [Empty, Empty]),
    call(code::SYMLINK_X, "symlink", libc::SYS_symlink, [Empty, Empty]),
    call(code::CHMOD_X, "chmod", libc::SYS_chmod, [Empty, N(0)]),
    call(code::CHOWN_X, "chown", libc::SYS_chown, [Empty, Bad, Bad]),
    call(code::LCHOWN_X, "lchown", libc::SYS_lchown, [Empty, Bad, Bad]),
    call(code::MKNOD_X, "mknod", libc::SYS_mknod, [Empty, N(libc::S_IFREG as usize), N(0)]),
];
#[cfg(not(target_arch = "x86_64"))]
const OLD_CALLS: &[Call] = &[];

/// What is missing without them is not only an event of its own: flows have no counts.
const COUNTS: &[u16] = &[code::READ_X, code::WRITE_X];

fn calls() -> impl Iterator<Item = &'static Call> {
    CALLS.iter().chain(OLD_CALLS)
}

// === impl Asker ===

impl Asker {
    pub(crate) fn new() -> Self {
        Self { since: None, rounds: 0, null: None }
    }

    /// Makes the calls of a round when its time has come and events `flow`. After the last round: the time, in
    /// nanoseconds since the epoch, of events by which all that come must have come.
    pub(crate) fn tend(&mut self, flow: bool) -> Option<i64> {
        if !flow || self.rounds >= ROUNDS.len() {
            return None;
        }
        let since = *self.since.get_or_insert_with(Instant::now);
        if since.elapsed() < ROUNDS[self.rounds] {
            return None;
        }
        self.rounds += 1;
        self.ask();
        let is_last = self.rounds == ROUNDS.len();
        is_last.then(|| {
            self.null = None;
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            (now + SLACK).as_nanos() as i64
        })
    }

    fn ask(&mut self) {
        if self.null.is_none() {
            self.null = File::options().read(true).write(true).open("/dev/null").ok();
        }
        let null = self.null.as_ref().map_or(-1, AsRawFd::as_raw_fd);
        for call in calls() {
            call.make(null);
        }
    }
}

impl Call {
    /// Makes it; what it returns is of no interest but to a test.
    fn make(&self, null: i32) -> libc::c_long {
        let args = self.args.map(|arg| match arg {
            N(number) => number,
            Bad => usize::MAX,
            Empty => c"".as_ptr() as usize,
            Here => libc::AT_FDCWD as usize,
            Null => null as usize,
            Us => std::process::id() as usize,
        });
        // SAFETY: the only memory that these calls are told of is an empty string that lives for ever, which they only
        // read; lengths are 0 or the descriptors are not open, so that nothing is read, written or mapped.
        unsafe { libc::syscall(self.number, args[0], args[1], args[2], args[3], args[4], args[5]) }
    }
}

// === impl Watch ===

impl Watch {
    pub(crate) fn new() -> Self {
        Self { seen: Codes::default(), missing: None }
    }

    /// Takes notice of an event at `ts`. `judge` is what [`Asker::tend`] has said, 0 until then.
    pub(crate) fn see(&mut self, code: u16, ts: i64, judge: i64) -> Option<Finding> {
        if let Some(missing) = &mut self.missing {
            if !missing.has(code) {
                return None;
            }
            missing.remove(code);
            let name = calls().find(|call| call.code == code).map_or("", |call| call.name);
            return Some(Finding::Came(format!("Falco delivers {name} after all")));
        }
        self.seen.add(code);
        if judge == 0 || ts < judge {
            return None;
        }
        let mut missing = Codes::default();
        let mut names = Vec::new();
        for call in calls().filter(|call| !self.seen.has(call.code)) {
            missing.add(call.code);
            names.push(call.name);
        }
        self.missing = Some(missing);
        if names.is_empty() {
            return Some(Finding::Complete);
        }
        let counts = if COUNTS.iter().any(|code| missing.has(*code)) {
            "; flows of files tell opens and closes but no counts"
        } else {
            ""
        };
        Some(Finding::Missing(format!(
            "Falco does not deliver {}{counts}; set base_syscalls.custom_set with all: true and repair: true as in \
             falco-config/sysflow.yaml",
            names.join(", ")
        )))
    }

    /// Whether nothing is missing any more.
    pub(crate) fn is_done(&self) -> bool {
        self.missing.is_some_and(|missing| missing == Codes::default())
    }
}

// === impl Codes ===

impl Codes {
    fn has(&self, code: u16) -> bool {
        let code = usize::from(code);
        self.0.get(code / 64).is_some_and(|bits| bits >> (code % 64) & 1 == 1)
    }

    fn add(&mut self, code: u16) {
        let code = usize::from(code);
        if let Some(bits) = self.0.get_mut(code / 64) {
            *bits |= 1 << (code % 64);
        }
    }

    fn remove(&mut self, code: u16) {
        let code = usize::from(code);
        if let Some(bits) = self.0.get_mut(code / 64) {
            *bits &= !(1 << (code % 64));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calls_do_nothing() {
        let null = File::options().read(true).write(true).open("/dev/null").unwrap();
        for call in calls() {
            let returned = call.make(null.as_raw_fd());
            let error = std::io::Error::last_os_error();
            let does_nothing = [
                "read",
                "pread",
                "readv",
                "preadv",
                "write",
                "pwrite",
                "writev",
                "pwritev",
                "kill",
                "unshare",
                "process_vm_writev",
            ];
            if does_nothing.contains(&call.name) {
                assert_eq!(returned, 0, "{}: {error}", call.name);
            } else {
                assert_eq!(returned, -1, "{}", call.name);
                let refusals =
                    [libc::ENOENT, libc::EBADF, libc::EINVAL, libc::ESRCH, libc::EPERM, libc::ENODEV];
                assert!(
                    error.raw_os_error().is_some_and(|e| refusals.contains(&e)),
                    "{}: {error}",
                    call.name
                );
            }
        }
    }

    #[test]
    fn every_call_brings_an_event_that_we_ask_for() {
        let mut known = Codes::default();
        for call in calls() {
            assert!(code::SUBSCRIBED.contains(&call.code), "{}", call.name);
            assert!(!known.has(call.code), "{} is asked for twice", call.name);
            known.add(call.code);
        }
    }

    #[test]
    fn what_never_comes_is_named_once_and_cleared_when_it_comes() {
        let mut watch = Watch::new();
        assert_eq!(watch.see(code::OPENAT_2_X, 1, 0), None);
        for call in calls().filter(|call| !["write", "bpf"].contains(&call.name)) {
            assert_eq!(watch.see(call.code, 5, 10), None);
        }
        let Some(Finding::Missing(text)) = watch.see(code::OPENAT_2_X, 10, 10) else { panic!("{watch:?}") };
        assert!(text.starts_with("Falco does not deliver write, bpf; flows of files tell"), "{text}");
        assert!(text.contains("base_syscalls.custom_set"), "{text}");
        assert_eq!(watch.see(code::OPENAT_2_X, 11, 10), None);
        let came = Finding::Came("Falco delivers bpf after all".into());
        assert_eq!(watch.see(code::BPF_2_X, 12, 10), Some(came));
        assert_eq!(watch.see(code::BPF_2_X, 13, 10), None);
        assert!(!watch.is_done());
        watch.see(code::WRITE_X, 14, 10);
        assert!(watch.is_done());
    }

    #[test]
    fn a_falco_that_delivers_everything_is_not_complained_about() {
        let mut watch = Watch::new();
        for call in calls() {
            watch.see(call.code, 5, 10);
        }
        assert_eq!(watch.see(code::OPENAT_2_X, 10, 10), Some(Finding::Complete));
        assert!(watch.is_done());
    }

    #[test]
    fn the_last_round_says_when_to_judge() {
        let mut asker = Asker::new();
        assert_eq!(asker.tend(false), None);
        assert_eq!(asker.rounds, 0, "nothing is asked before events come");
        assert_eq!(asker.tend(true), None);
        assert_eq!((asker.tend(true), asker.rounds), (None, 1));
        asker.since = asker.since.and_then(|since| since.checked_sub(ROUNDS[2]));
        assert_eq!((asker.tend(true), asker.rounds), (None, 2));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as i64;
        assert!(asker.tend(true).unwrap() > now);
        assert_eq!(asker.tend(true), None);
    }
}
