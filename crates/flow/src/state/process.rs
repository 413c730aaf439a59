//! Processes and their threads.

use std::{collections::VecDeque, sync::Arc};

use sysflow::Oid;

use super::{
    Map, Slab,
    fd::{Fd, FdMap, FdTable, Fds, FlowRef},
    threads::Threads,
};
use crate::graph::Membership;

/// A process; threads point to it.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) oid: Oid,
    pub(crate) poid: Option<Oid>,
    /// Slot of the parent while it is kept.
    pub(crate) parent: Option<u32>,
    /// Slots that name this one as parent.
    pub(crate) children: u32,
    pub(crate) threads: u32,
    /// The main thread has ended.
    pub(crate) ended: bool,
    pub(crate) exe: Arc<str>,
    pub(crate) args: Arc<str>,
    /// Each variable ended by NUL, which none contains; `None` when there are none.
    pub(crate) env: Option<Arc<str>>,
    pub(crate) uid: i32,
    pub(crate) gid: i32,
    pub(crate) tty: u32,
    pub(crate) sid: i64,
    pub(crate) vpid: i64,
    pub(crate) loginuid: i64,
    pub(crate) cap_effective: i64,
    pub(crate) exe_flags: i32,
    pub(crate) exe_ino: i64,
    pub(crate) exe_ctime: i64,
    /// Index of the container, 0 for the host.
    pub(crate) container: u32,
    pub(crate) birth_container: u32,
    /// Slot of the working directory, shared by CLONE_FS.
    pub(crate) fs: u32,
    /// Slot of the descriptor table, shared by CLONE_FILES.
    pub(crate) files: u32,
    /// First flow on each descriptor.
    pub(crate) flows: FdMap<FlowRef>,
    pub(crate) thread_flow: Option<Box<ProcessFlow>>,
    pub(crate) graph: Membership,
    /// Its executable started sessions when it was executed; a clone has its parent's answer.
    pub(crate) is_server: bool,
    /// The same of its parent, when that had ended before a restart.
    pub(crate) parent_serves: bool,
    /// The judgement at the first successful exec has been made.
    pub(crate) judged: bool,
    /// It was cloned in this trace.
    pub(crate) born: bool,
    /// It was written before, in this epoch or another.
    pub(crate) known: bool,
    /// What the collector keeps from the first time that it told of the process, and never renews.
    pub(crate) told: Option<Box<Told>>,
    /// Epoch in which it was last written.
    pub(crate) written: u32,
    /// The collector or the processor: not recorded.
    pub(crate) own: bool,
    /// Second of its last operation, or of its end.
    pub(crate) active: u32,
}

/// Attributes that an exec renews and SysFlow's collector does not.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) tty: u32,
    pub(crate) vpid: i64,
    pub(crate) container: u32,
    pub(crate) cwd: Arc<str>,
    pub(crate) env: Option<Arc<str>>,
}

/// Threads of a process since the last export.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ProcessFlow {
    pub(crate) ts: i64,
    pub(crate) op_flags: i32,
    pub(crate) cloned: i64,
    pub(crate) exited: i64,
    pub(crate) errors: i64,
    /// Second of the last operation.
    pub(crate) updated: i64,
    /// Second of the next export.
    pub(crate) export_at: i64,
}

/// Working directory and root, shared by CLONE_FS.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fs {
    /// As the host's libraries show it: with a slash at its end, empty when unknown.
    pub(crate) cwd: Arc<str>,
    /// Of a process that has called chroot.
    pub(crate) root: Option<Box<Root>>,
    pub(crate) users: u32,
}

/// A root directory that is not the container's or the host's.
#[derive(Clone, Debug)]
pub(crate) struct Root {
    /// Without a slash at its end.
    pub(crate) path: String,
    /// A runtime may put a process into its root first and into its container then: what is a directory of the host
    /// before is the container's own root after.
    pub(crate) container: u32,
}

/// How a thread came into the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Made {
    /// By the initial state, an exec, or a clone whose both halves were seen.
    Settled,
    /// By its parent's clone; its own half is still to come.
    ByParent(i64),
    /// By its own half of a clone; the parent's is still to come.
    ByChild(i64),
    /// Before a restart, by a clone at this time of which one half may be still to come.
    Adopted(i64),
}

/// A main thread that has ended while other threads of its process live: the process ends with the last of them, or
/// one of them has called exec and takes the main thread's place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exiting {
    pub(crate) process: u32,
    pub(crate) ts: i64,
    /// Of wait(2).
    pub(crate) status: i64,
    /// There is a record of it.
    pub(crate) told: bool,
}

/// Threads that have ended a short while ago.
#[derive(Debug, Default)]
pub(crate) struct Gone {
    by_tid: Map<i64, GoneThread>,
    order: VecDeque<(i64, i64)>,
}

/// A thread that has ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GoneThread {
    pub(crate) ts: i64,
    pub(crate) process: u32,
    /// The parent's half of the clone that made it was still to come.
    pub(crate) awaited: bool,
}

/// Threads remembered after their end at most.
const GONE: usize = 1 << 16;

/// All processes.
#[derive(Debug, Default)]
pub(crate) struct Processes {
    pub(crate) slots: Slab<Process>,
    pub(crate) threads: Threads,
    pub(crate) fs: Slab<Fs>,
    pub(crate) files: Slab<FdTable>,
    /// Slots in `fs` of threads that have left the directories of their process (unshare).
    pub(crate) own_fs: Map<i64, u32>,
    /// Some process has had another root: until then nobody looks for one.
    pub(crate) has_roots: bool,
}

// === impl Gone ===

impl Gone {
    pub(crate) fn add(&mut self, tid: i64, thread: GoneThread) {
        if self.order.len() >= GONE {
            self.forget_first();
        }
        self.order.push_back((thread.ts, tid));
        self.by_tid.insert(tid, thread);
    }

    pub(crate) fn take(&mut self, tid: i64, which: impl Fn(&GoneThread) -> bool) -> Option<GoneThread> {
        self.by_tid.get(&tid).filter(|thread| which(thread))?;
        self.by_tid.remove(&tid)
    }

    /// Forgets those that ended before `ts`.
    pub(crate) fn forget(&mut self, ts: i64) {
        while self.order.front().is_some_and(|(ended, _)| *ended < ts) {
            self.forget_first();
        }
    }

    fn forget_first(&mut self) {
        if let Some((ts, tid)) = self.order.pop_front() {
            self.take(tid, |thread| thread.ts == ts);
        }
    }
}

/// The variables of an environment as it is kept.
pub(crate) fn entries(env: Option<&str>) -> impl Iterator<Item = &str> {
    env.into_iter().flat_map(|env| env.split_terminator('\0'))
}

// === impl Root ===

impl Root {
    /// `None` for a root that is none: `/`, and what is not an absolute path.
    pub(crate) fn new(path: &str, container: u32) -> Option<Box<Self>> {
        let path = path.trim_end_matches('/');
        path.starts_with('/').then(|| Box::new(Self { path: path.to_owned(), container }))
    }
}

// === impl Processes ===

impl Processes {
    pub(crate) fn get(&self, slot: u32) -> Option<&Process> {
        self.slots.get(slot)
    }

    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut Process> {
        self.slots.get_mut(slot)
    }

    #[inline]
    pub(crate) fn by_tid(&self, tid: i64) -> Option<u32> {
        self.threads.process_of(tid)
    }

    /// Working directory of the process; empty when unknown.
    pub(crate) fn cwd(&self, slot: u32) -> &str {
        self.get(slot).and_then(|p| self.fs.get(p.fs)).map_or("", |fs| &fs.cwd)
    }

    /// Slot of a thread's directories.
    pub(crate) fn fs_of(&self, slot: u32, tid: i64) -> u32 {
        let own = if self.own_fs.is_empty() { None } else { self.own_fs.get(&tid) };
        own.copied().or_else(|| Some(self.get(slot)?.fs)).unwrap_or(u32::MAX)
    }

    /// Working directory of a thread; empty when unknown.
    pub(crate) fn cwd_of(&self, slot: u32, tid: i64) -> &str {
        self.fs.get(self.fs_of(slot, tid)).map_or("", |fs| &fs.cwd)
    }

    /// Root directory of a thread, without a slash at its end; empty for that of its container or host.
    pub(crate) fn root_of(&self, slot: u32, tid: i64) -> &str {
        if !self.has_roots {
            return "";
        }
        let container = self.get(slot).map(|process| process.container);
        let root = self.fs.get(self.fs_of(slot, tid)).and_then(|fs| fs.root.as_ref());
        root.filter(|root| Some(root.container) == container).map_or("", |root| &root.path)
    }

    /// Gives a thread directories of its own, copies of those that it shared.
    pub(crate) fn unshare_fs(&mut self, slot: u32, tid: i64) {
        let shared = self.fs_of(slot, tid);
        let alone = self.get(slot).is_some_and(|process| process.threads <= 1);
        let Some(fs) = self.fs.get_mut(shared) else { return };
        if self.own_fs.contains_key(&tid) || alone && fs.users <= 1 {
            return;
        }
        let copy = Fs { users: 1, ..fs.clone() };
        if alone {
            fs.users -= 1;
        }
        let copy = self.fs.insert(copy);
        match self.slots.get_mut(slot).filter(|_| alone) {
            Some(process) => process.fs = copy,
            None => drop(self.own_fs.insert(tid, copy)),
        }
    }

    /// Gives the process that shares `files` a table of its own, a copy where there is room for one.
    pub(crate) fn unshare_files(&mut self, slot: u32, files: u32, copies: bool) {
        let Some(table) = self.files.get_mut(files) else { return };
        table.users -= 1;
        let copy = if copies { table.clone() } else { FdTable::default() };
        let copy = self.files.insert(FdTable { users: 1, missed: None, ..copy });
        if let Some(process) = self.get_mut(slot) {
            process.files = copy;
        }
    }

    /// A thread that has directories of its own becomes all there is of its process.
    pub(crate) fn keep_own_fs(&mut self, slot: u32, tid: i64) {
        let Some(own) = self.own_fs.remove(&tid) else { return };
        let old = self.get_mut(slot).map(|process| std::mem::replace(&mut process.fs, own));
        self.release_shared(old.unwrap_or(own), u32::MAX);
    }

    /// Frees the directories of threads that are gone.
    pub(crate) fn sweep_own_fs(&mut self) {
        let gone = |(tid, _): &(&i64, &u32)| !self.threads.contains(**tid);
        let gone: Vec<(i64, u32)> = self.own_fs.iter().filter(gone).map(|(tid, fs)| (*tid, *fs)).collect();
        for (tid, fs) in gone {
            self.own_fs.remove(&tid);
            self.release_shared(fs, u32::MAX);
        }
    }

    /// Whether the descriptors of the process are those of another as well.
    pub(crate) fn shares_files(&self, slot: u32) -> bool {
        let files = self.get(slot).and_then(|process| self.files.get(process.files));
        files.is_none_or(|table| table.users > 1)
    }

    pub(crate) fn fd(&self, slot: u32, fd: i64) -> Option<Fd> {
        self.files.get(self.get(slot)?.files)?.fds.get(fd)
    }

    pub(crate) fn fds_mut(&mut self, slot: u32) -> Option<&mut Fds> {
        Some(&mut self.files_mut(slot)?.fds)
    }

    pub(crate) fn files_mut(&mut self, slot: u32) -> Option<&mut FdTable> {
        let files = self.get(slot)?.files;
        self.files.get_mut(files)
    }

    /// Drops a process's share of its directory and descriptors.
    pub(crate) fn release_shared(&mut self, fs: u32, files: u32) {
        if let Some(shared) = self.fs.get_mut(fs) {
            shared.users -= 1;
            if shared.users == 0 {
                self.fs.remove(fs);
            }
        }
        if let Some(shared) = self.files.get_mut(files) {
            shared.users -= 1;
            if shared.users == 0 {
                self.files.remove(files);
            }
        }
    }
}
