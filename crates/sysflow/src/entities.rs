//! Entity tables of a reader, and the join of an event or flow with what they hold.

use foldhash::quality::RandomState;
use hashbrown::HashMap;

use crate::graph::{
    Executable, GraphRef, Kin, Servers, is_root_at_birth, is_root_at_exec, is_root_when_found,
};
use crate::id::{Foid, GraphId, Oid};
use crate::record::{Container, File, Header, ObjectState, Pod, Process, Record};

/// How far [`Joined::ancestors`] climbs: a chain longer than this is a loop made by a damaged trace.
const MAX_ANCESTORS: usize = 256;

/// What a reader of a trace or stream knows at one point of it.
///
/// Records go in with [`Entities::apply`]; events and flows come out joined with [`Entities::join`]. A header
/// empties all tables, as the format demands.
#[derive(Debug, Default)]
pub struct Entities {
    header: Option<Header>,
    containers: HashMap<String, Container, RandomState>,
    pods: HashMap<String, Pod, RandomState>,
    processes: HashMap<Oid, Process, RandomState>,
    files: HashMap<Foid, File, RandomState>,
    /// Graphs derived for the processes whose records do not say theirs.
    graphs: HashMap<Oid, Derived, RandomState>,
    servers: Servers,
}

/// What is remembered of a process whose graph was derived.
#[derive(Clone, Copy, Debug)]
struct Derived {
    id: GraphId,
    parent: Option<GraphId>,
    /// Its graph is decided for good: it has executed something.
    executed: bool,
    is_server: bool,
}

/// An event or flow together with the entities that it names.
#[derive(Clone, Copy, Debug)]
pub struct Joined<'a> {
    /// The event or flow.
    pub record: &'a Record,
    /// Header of the trace, once one was read.
    pub header: Option<&'a Header>,
    /// Process that acted.
    pub process: Option<&'a Process>,
    /// Its parent.
    pub parent: Option<&'a Process>,
    /// Its container.
    pub container: Option<&'a Container>,
    /// The container's pod.
    pub pod: Option<&'a Pod>,
    /// File of a file flow or event.
    pub file: Option<&'a File>,
    /// Second file of a rename or link.
    pub new_file: Option<&'a File>,
    entities: &'a Entities,
}

impl Entities {
    /// Empty tables that take `servers` for session servers where they have to derive graphs.
    pub fn with_servers(servers: Servers) -> Self {
        Self { servers, ..Self::default() }
    }

    /// Takes an entity record or header into the tables; events and flows change nothing.
    pub fn apply(&mut self, record: &Record) {
        match record {
            Record::Header(header) => {
                let servers = std::mem::take(&mut self.servers);
                *self = Self { header: Some(header.clone()), servers, ..Self::default() };
            }
            Record::Container(container) => {
                self.containers.insert(container.id.clone(), container.clone());
            }
            Record::Pod(pod) => {
                self.pods.insert(pod.id.clone(), pod.clone());
            }
            Record::Process(process) => self.apply_process(process),
            Record::File(file) => {
                self.files.insert(file.oid, file.clone());
            }
            _ => {}
        }
    }

    /// SysFlow readers prefer MODIFIED over CREATED over REUP, whatever came last: a parent is written again as REUP
    /// for each new child, with what the writer knew of it when it was first seen.
    fn apply_process(&mut self, process: &Process) {
        let rank = |state| match state {
            ObjectState::Modified => 2,
            ObjectState::Created => 1,
            ObjectState::Reup => 0,
        };
        if let Some(known) = self.processes.get(&process.oid)
            && rank(known.state) > rank(process.state)
        {
            return;
        }
        if GraphId::parse(&process.graph_id).is_none() {
            let derived = self.derive_graph(process);
            self.graphs.insert(process.oid, derived);
        }
        self.processes.insert(process.oid, process.clone());
    }

    /// Judges a process from its new record and from what was known of it and of its parent.
    ///
    /// A trace does not say whether a process that it saw being created has executed: that its executable is not its
    /// parent's, or is another than before, is taken for that.
    fn derive_graph(&self, process: &Process) -> Derived {
        let known = self.processes.get(&process.oid);
        let before = self.graphs.get(&process.oid);
        let parent = process.poid.and_then(|oid| self.processes.get(&oid));
        let executes = match known {
            Some(known) => known.exe != process.exe,
            None => process.state != ObjectState::Created || parent.is_some_and(|p| p.exe != process.exe),
        };
        let is_server = match (executes, before, parent) {
            (false, Some(before), _) => before.is_server,
            (false, None, Some(parent)) => self.is_server(parent),
            _ => self.servers.contains(executable(process)),
        };
        let own = kin(process, is_server);
        let above = parent.map(|parent| kin(parent, self.is_server(parent)));
        let id = GraphId::new(self.header.as_ref().map_or("", |header| &header.exporter), process.oid);

        if let Some(before) = before {
            let birth_container = known.and_then(|known| known.container_id.as_deref());
            let turns_root = executes && !before.executed && is_root_at_exec(own, birth_container, above);
            let (id, parent) = if turns_root && before.id != id {
                (id, Some(before.id))
            } else {
                (before.id, before.parent)
            };
            return Derived { id, parent, executed: before.executed || executes, is_server };
        }
        let is_root = if executes { is_root_when_found(own, above) } else { is_root_at_birth(own, above) };
        let (id, parent) = match parent.map(|parent| self.graph_id(parent)) {
            Some(inherited) if !is_root => (inherited.id, inherited.parent),
            inherited => (id, inherited.map(|graph| graph.id)),
        };
        Derived { id, parent, executed: executes, is_server }
    }

    fn is_server(&self, process: &Process) -> bool {
        match self.graphs.get(&process.oid) {
            Some(derived) => derived.is_server,
            None => self.servers.contains(executable(process)),
        }
    }

    /// Graph of a process: the one that its record names, else one derived from the tables.
    pub fn graph_id(&self, process: &Process) -> GraphRef {
        if let Some(id) = GraphId::parse(&process.graph_id) {
            return GraphRef { id, parent: GraphId::parse(&process.parent_graph_id), derived: false };
        }
        let derived = self.graphs.get(&process.oid).copied().unwrap_or_else(|| self.derive_graph(process));
        GraphRef { id: derived.id, parent: derived.parent, derived: true }
    }

    /// Joins an event or flow with its entities; entities that the trace does not hold stay `None`.
    pub fn join<'a>(&'a self, record: &'a Record) -> Joined<'a> {
        let process = record.proc_oid().and_then(|oid| self.processes.get(&oid));
        let container = process.and_then(|p| self.containers.get(p.container_id.as_deref()?));
        let (file, new_file) = match record {
            Record::FileFlow(flow) => (Some(flow.file_oid), None),
            Record::FileEvent(event) => (Some(event.file_oid), event.new_file_oid),
            _ => (None, None),
        };
        Joined {
            record,
            header: self.header.as_ref(),
            process,
            parent: process.and_then(|p| self.processes.get(&p.poid?)),
            container,
            pod: container.and_then(|c| self.pods.get(c.pod_id.as_deref()?)),
            file: file.and_then(|oid| self.files.get(&oid)),
            new_file: new_file.and_then(|oid| self.files.get(&oid)),
            entities: self,
        }
    }

    /// Process with this identity.
    pub fn process(&self, oid: Oid) -> Option<&Process> {
        self.processes.get(&oid)
    }

    /// Container with this id.
    pub fn container(&self, id: &str) -> Option<&Container> {
        self.containers.get(id)
    }
}

fn kin(process: &Process, is_server: bool) -> Kin<'_> {
    Kin { pid: process.oid.hpid, container: process.container_id.as_deref(), is_server }
}

fn executable(process: &Process) -> Executable<'_> {
    Executable {
        path: &process.exe,
        flags: process.exe_flags,
        uid: process.uid,
        container: process.container_id.as_deref(),
    }
}

impl<'a> Joined<'a> {
    /// Identity of the parent, whether or not the trace holds it.
    pub fn parent_oid(&self) -> Option<Oid> {
        self.process.and_then(|process| process.poid)
    }

    /// Graph of the process.
    pub fn graph(&self) -> Option<GraphRef> {
        self.process.map(|process| self.entities.graph_id(process))
    }

    /// Graph of another process, such as an ancestor.
    pub fn graph_of(&self, process: &Process) -> GraphRef {
        self.entities.graph_id(process)
    }

    /// The process itself, its parent, and so on up to the oldest one known.
    pub fn ancestors(&self) -> impl Iterator<Item = &'a Process> + use<'a> {
        let entities = self.entities;
        std::iter::successors(self.process, move |p| entities.processes.get(&p.poid?)).take(MAX_ANCESTORS)
    }
}
