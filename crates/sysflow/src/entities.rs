//! Entity tables of a reader, and the join of an event or flow with what they hold.

use serde::{Deserialize, Serialize};

use crate::aging::{Aging, new_version};
use crate::graph::{
    Executable, GraphRef, Kin, Servers, is_root_at_birth, is_root_at_exec, is_root_when_found,
};
use crate::id::{Foid, GraphId, Oid};
use crate::record::{Container, File, FileEvent, FileFlow, Header, ObjectState, Pod, Process, Record};

/// How far [`Joined::ancestors`] climbs: a chain longer than this is a loop made by a damaged trace.
const MAX_ANCESTORS: usize = 256;

/// Entities of one kind that are remembered, unless said otherwise: as many processes as a plugin follows at once.
const MAX_ENTITIES: usize = 2 * 262_144;

fn default_bound() -> usize {
    MAX_ENTITIES
}

/// What a reader of a trace or stream knows at one point of it.
///
/// Records go in with [`Entities::apply`]; events and flows come out joined with [`Entities::join`]. A header
/// empties all tables, as the format demands. A writer that never starts anew fills them without end: each table is
/// bounded, and what no record has named for longest goes first.
///
/// The tables can be serialised, to go on with them later; the list of session servers and the bound are not part of
/// that.
#[derive(Debug, Serialize, Deserialize)]
pub struct Entities {
    header: Option<Header>,
    containers: Aging<String, Container>,
    pods: Aging<String, Pod>,
    processes: Aging<Oid, Process>,
    files: Aging<Foid, File>,
    /// Graphs derived for the processes whose records do not say theirs.
    graphs: Aging<Oid, Derived>,
    #[serde(skip)]
    servers: Servers,
    #[serde(skip, default = "default_bound")]
    bound: usize,
    evicted: u64,
    /// See [`Joined::changes`].
    #[serde(skip, default = "new_version")]
    changes: u64,
}

/// What is remembered of a process whose graph was derived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    process_version: u64,
    file_version: u64,
}

impl Entities {
    /// Empty tables that take `servers` for session servers where they have to derive graphs.
    pub fn with_servers(servers: Servers) -> Self {
        Self { servers, ..Self::default() }
    }

    /// Empty tables that remember at most `bound` entities of each kind.
    pub fn with_bound(bound: usize) -> Self {
        Self { bound, ..Self::default() }
    }

    /// Entities that went to stay within the bound.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Takes an entity record or header into the tables; an event or flow keeps those that it names from going.
    pub fn apply(&mut self, record: &Record) {
        let evicted = self.evicted;
        match record {
            Record::Header(header) => {
                let servers = std::mem::take(&mut self.servers);
                let (bound, evicted) = (self.bound, self.evicted);
                *self = Self { header: Some(header.clone()), servers, bound, evicted, ..Self::default() };
            }
            Record::Container(container) => {
                self.evicted += self.containers.insert(container.id.clone(), container.clone(), self.bound);
            }
            Record::Pod(pod) => {
                self.evicted += self.pods.insert(pod.id.clone(), pod.clone(), self.bound);
            }
            Record::Process(process) => self.apply_process(process),
            Record::File(file) => {
                self.evicted += self.files.insert(file.oid, file.clone(), self.bound);
            }
            record => self.used(record),
        }
        let is_entity =
            matches!(record, Record::Header(_) | Record::Container(_) | Record::Pod(_) | Record::Process(_));
        if is_entity || self.evicted != evicted {
            self.changes = new_version();
        }
    }

    /// Keeps what a record names, and what that names in turn.
    fn used(&mut self, record: &Record) {
        let is_young = self.processes.is_young() && self.files.is_young() && self.containers.is_young();
        if is_young {
            return;
        }
        let bound = self.bound;
        if let Record::FileFlow(FileFlow { file_oid, .. }) | Record::FileEvent(FileEvent { file_oid, .. }) =
            record
        {
            self.evicted += self.files.used(file_oid, bound);
        }
        if let Record::FileEvent(FileEvent { new_file_oid: Some(oid), .. }) = record {
            self.evicted += self.files.used(oid, bound);
        }
        let mut next = record.proc_oid();
        for _ in 0..MAX_ANCESTORS {
            let Some(oid) = next else { return };
            self.evicted += self.processes.used(&oid, bound);
            self.graphs.used(&oid, bound);
            let Some(process) = self.processes.get(&oid) else { return };
            next = process.poid;
            if let Some(id) = &process.container_id
                && !(self.containers.is_young() && self.pods.is_young())
            {
                self.evicted += self.containers.used(id, bound);
                if let Some(pod) = self.containers.get(id).and_then(|container| container.pod_id.as_ref()) {
                    self.evicted += self.pods.used(pod, bound);
                }
            }
        }
    }

    /// Takes a process over as another reader knew it, whatever was known here, with the graph that it had there.
    pub fn adopt(&mut self, process: &Process, graph: GraphRef) {
        if graph.derived {
            let derived = Derived { id: graph.id, parent: graph.parent, executed: true, is_server: false };
            self.graphs.insert(process.oid, derived, self.bound);
        }
        self.evicted += self.processes.insert(process.oid, process.clone(), self.bound);
        self.changes = new_version();
    }

    /// Forgets all files but these.
    pub fn replace_files(&mut self, files: impl IntoIterator<Item = File>) {
        self.files = Aging::default();
        for file in files {
            self.evicted += self.files.insert(file.oid, file, self.bound);
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
            // These go with their processes, and are not counted twice.
            self.graphs.insert(process.oid, derived, self.bound);
        }
        self.evicted += self.processes.insert(process.oid, process.clone(), self.bound);
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
        let process = record.proc_oid().and_then(|oid| self.processes.versioned(&oid));
        let (process, process_version) = process.unzip();
        let container = process.and_then(|p| self.containers.get(p.container_id.as_ref()?));
        let (file, new_file) = match record {
            Record::FileFlow(flow) => (Some(flow.file_oid), None),
            Record::FileEvent(event) => (Some(event.file_oid), event.new_file_oid),
            _ => (None, None),
        };
        let (file, file_version) = file.and_then(|oid| self.files.versioned(&oid)).unzip();
        Joined {
            record,
            header: self.header.as_ref(),
            process,
            parent: process.and_then(|p| self.processes.get(&p.poid?)),
            container,
            pod: container.and_then(|c| self.pods.get(c.pod_id.as_ref()?)),
            file,
            new_file: new_file.and_then(|oid| self.files.get(&oid)),
            entities: self,
            process_version: process_version.unwrap_or_default(),
            file_version: file_version.unwrap_or_default(),
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

impl Default for Entities {
    fn default() -> Self {
        Self {
            header: None,
            containers: Aging::default(),
            pods: Aging::default(),
            processes: Aging::default(),
            files: Aging::default(),
            graphs: Aging::default(),
            servers: Servers::default(),
            bound: MAX_ENTITIES,
            evicted: 0,
            changes: new_version(),
        }
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

    /// A number that stands for what the record of [`Joined::process`] says, whichever tables it is in; `None`
    /// without a process. What is derived from the record alone can be kept under it.
    pub fn process_version(&self) -> Option<u64> {
        self.process.map(|_| self.process_version)
    }

    /// The same for [`Joined::file`].
    pub fn file_version(&self) -> Option<u64> {
        self.file.map(|_| self.file_version)
    }

    /// A number of these tables that is another one whenever a process, container, pod or header in them may be
    /// another one: while it stays, so does [`Joined::lineage`] of a process.
    pub fn changes(&self) -> u64 {
        self.entities.changes
    }

    /// Versions of container and pod (0: not known), then of the process and its ancestors. While these stay, so
    /// does all that those records say; a header clears the tables, and no version outlives it.
    pub fn lineage(&self) -> impl Iterator<Item = u64> + use<'a> {
        let entities = self.entities;
        let container = self.container.and_then(|c| entities.containers.versioned(&c.id));
        let pod = self.pod.and_then(|pod| entities.pods.versioned(&pod.id));
        let above = [container.map(|(_, version)| version), pod.map(|(_, version)| version)];
        let first = self.process.map(|process| (process, self.process_version));
        let processes = std::iter::successors(first, move |(p, _)| entities.processes.versioned(&p.poid?));
        let versions = processes.take(MAX_ANCESTORS).map(|(_, version)| version);
        above.into_iter().map(Option::unwrap_or_default).chain(versions)
    }
}
