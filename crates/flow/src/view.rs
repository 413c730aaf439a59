//! What the state says of the process behind an event, for the host's own rules.

use sysflow::{Foid, GraphId, Oid};

use crate::{Recorder, state::fd::FdKind, state::process::Process};

/// A process as it is after the last event.
#[derive(Clone, Copy, Debug)]
pub struct ProcessView<'a> {
    recorder: &'a Recorder,
    process: &'a Process,
}

impl Recorder {
    /// The process of a thread.
    pub fn process_of(&self, tid: i64) -> Option<ProcessView<'_>> {
        let process = self.processes.get(self.slot_of(tid)?)?;
        Some(ProcessView { recorder: self, process })
    }

    /// File that a descriptor of the thread's process is open on.
    pub fn file_of(&self, tid: i64, fd: i64) -> Option<Foid> {
        let slot = self.slot_of(tid)?;
        let FdKind::Path { path, .. } = self.processes.fd(slot, fd)?.kind else { return None };
        let container = self.containers.id(self.processes.get(slot)?.container);
        Some(Foid::new(container, self.files.text(path)))
    }

    /// File that the last operation on a path was about; the old one of a rename.
    pub fn last_file(&self) -> Option<Foid> {
        Some(self.files.get(self.last_file?)?.oid)
    }
}

impl<'a> ProcessView<'a> {
    /// Its identity.
    pub fn oid(&self) -> Oid {
        self.process.oid
    }

    /// Path of its executable.
    pub fn exe(&self) -> &'a str {
        &self.process.exe
    }

    /// Its arguments without the first.
    pub fn args(&self) -> &'a str {
        &self.process.args
    }

    /// Executable and arguments.
    pub fn cmdline(&self) -> String {
        let separator = if self.process.args.is_empty() { "" } else { " " };
        format!("{}{separator}{}", self.process.exe, self.process.args)
    }

    /// Whether it has a terminal.
    pub fn tty(&self) -> bool {
        self.process.tty != 0
    }

    /// Its graph.
    pub fn graph(&self) -> GraphId {
        self.process.graph.id
    }

    /// The graph that its graph came from.
    pub fn parent_graph(&self) -> Option<GraphId> {
        self.process.graph.parent()
    }

    /// Identity of the process that its graph is named by.
    pub fn root(&self) -> Oid {
        self.process.graph.root
    }

    /// Executable of that process, as long as it or a descendant in line is known.
    pub fn root_exe(&self) -> Option<&'a str> {
        let mut process = self.process;
        // A parent is always older than its child, so that there is no way round; it costs nothing to be sure.
        for _ in 0..self.recorder.processes.slots.len() {
            if process.oid == process.graph.root {
                return Some(&process.exe);
            }
            process = self.recorder.processes.get(process.parent?)?;
        }
        None
    }

    /// Its parent, while that is known.
    pub fn parent(&self) -> Option<ProcessView<'a>> {
        let process = self.recorder.processes.get(self.process.parent?)?;
        Some(ProcessView { recorder: self.recorder, process })
    }

    /// Identity of its parent.
    pub fn parent_oid(&self) -> Option<Oid> {
        self.process.poid
    }
}
