//! The graph of a process, by the rules of `sysflow::graph`.

use sysflow::{
    GraphId, Oid,
    graph::{Executable, Kin, is_root_at_birth, is_root_at_exec, is_root_when_found},
};

use crate::{Recorder, state::process::Process};

/// Graph of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Membership {
    /// Its graph.
    pub(crate) id: GraphId,
    /// Graph that this one came from; that of the root process before its first exec, or of its parent. The graph
    /// itself when there is none: no graph comes from itself, and every process has one of these.
    from: GraphId,
    /// Process that names the graph.
    pub(crate) root: Oid,
}

// === impl Membership ===

impl Membership {
    pub(crate) fn new(id: GraphId, parent: Option<GraphId>, root: Oid) -> Self {
        Self { id, from: parent.unwrap_or(id), root }
    }

    /// Graph that this one came from.
    pub(crate) fn parent(&self) -> Option<GraphId> {
        Some(self.from).filter(|from| *from != self.id)
    }
}

// === impl Recorder ===

impl Recorder {
    fn kin<'a>(&'a self, process: &Process) -> Kin<'a> {
        Kin {
            pid: process.oid.hpid,
            container: self.container_name(process.container),
            is_server: process.is_server,
        }
    }

    fn container_name(&self, container: u32) -> Option<&str> {
        Some(self.containers.id(container)).filter(|id| !id.is_empty())
    }

    fn parent_of(&self, process: &Process) -> Option<&Process> {
        self.processes.get(process.parent?)
    }

    /// Whether the process's executable serves sessions.
    pub(crate) fn serves(&self, process: &Process) -> bool {
        self.config.servers.contains(Executable {
            path: &process.exe,
            flags: process.exe_flags,
            uid: process.uid,
            container: self.container_name(process.container),
        })
    }

    /// A graph of its own, come out of another.
    pub(crate) fn own_graph(&self, oid: Oid, parent: Option<GraphId>) -> Membership {
        Membership::new(GraphId::new(&self.config.node, oid), parent, oid)
    }

    /// Graph of a process that was just cloned.
    pub(crate) fn graph_at_birth(&self, process: &Process) -> Membership {
        let parent = self.parent_of(process);
        let is_root = is_root_at_birth(self.kin(process), parent.map(|parent| self.kin(parent)));
        self.graph_of(process, parent, is_root)
    }

    /// Graph of a process that is older than the trace.
    pub(crate) fn graph_when_found(&self, process: &Process) -> Membership {
        let parent = self.parent_of(process);
        let is_root = is_root_when_found(self.kin(process), parent.map(|parent| self.kin(parent)));
        self.graph_of(process, parent, is_root)
    }

    fn graph_of(&self, process: &Process, parent: Option<&Process>, is_root: bool) -> Membership {
        match parent {
            Some(parent) if !is_root => parent.graph,
            // What init and the kernel start came from no graph worth naming.
            parent => {
                let from = parent.filter(|parent| parent.oid.hpid > 2).map(|parent| parent.graph.id);
                self.own_graph(process.oid, from)
            }
        }
    }

    /// Graph of a process after its first successful exec.
    pub(crate) fn graph_at_exec(&self, process: &Process) -> Membership {
        let ended = || process.parent_serves.then_some(Kin { pid: 0, container: None, is_server: true });
        let parent = self.parent_of(process).map(|parent| self.kin(parent)).or_else(ended);
        let is_root =
            is_root_at_exec(self.kin(process), self.container_name(process.birth_container), parent);
        if is_root && process.graph.root != process.oid {
            self.own_graph(process.oid, Some(process.graph.id))
        } else {
            process.graph
        }
    }
}
