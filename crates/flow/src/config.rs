//! What to record and how.

use sysflow::{Schema, graph::Servers};

/// Settings of a [`crate::Recorder`].
#[derive(Clone, Debug)]
pub struct Config {
    /// Name of the node: the header's exporter, and the first part of every graph id.
    pub node: String,
    /// Address of the node for the header; empty when not known.
    pub ip: String,
    /// Name of the trace for the header.
    pub filename: String,
    /// Which fields and which kinds of records are written.
    pub schema: Schema,
    /// Whose habits to follow.
    pub compat: Compat,
    /// The collector's modes, where they differ from what `compat` presets.
    pub modes: Modes,
    /// How much is folded.
    pub reduction: Reduction,
    /// Seconds after which a living flow is exported.
    pub export: u32,
    /// Seconds without an operation after which a flow is forgotten at its next export.
    pub expire: u32,
    /// Seconds after which a new flow is exported for the first time; 0: with the others.
    pub first: u32,
    /// Seconds after which a new header starts; 0: never.
    pub rotate: u32,
    /// How much of a process's environment is kept.
    pub env: Env,
    /// Whether secrets in arguments are masked.
    pub mask: bool,
    /// Whether the host's users name those of containers without users of their own. Only right when the list came
    /// with the events (replay).
    pub host_users_for_all: bool,
    /// Executables that start sessions.
    pub servers: Servers,
    /// Bounds of the tables.
    pub limits: Limits,
}

/// Whose habits are followed where there is a choice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compat {
    /// Ours: all file kinds, no read filter, first export after [`Config::first`], no records of threads.
    #[default]
    None,
    /// The defaults of SysFlow's collector: regular files only, reads below system directories left out, threads in
    /// process flows.
    Sysflow,
    /// The settings of its regression tests: all file kinds, no read filter, an event for every thread, exporter
    /// `tests`; and its gaps.
    SysflowTests,
}

/// Modes of SysFlow's collector; each is independent of the others and of [`Compat`], which presets them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Modes {
    /// Which files give records. Preset: all; regular ones with [`Compat::Sysflow`].
    pub files: Option<FileMode>,
    /// Which flows on files are left out because they only read. Preset: none; those of system directories with
    /// [`Compat::Sysflow`].
    pub reads: Option<ReadFilter>,
    /// Whether the threads of a process are counted in process flows. Preset: no; yes with [`Compat::Sysflow`].
    pub process_flows: Option<bool>,
    /// Whether a flow on a file is its open and nothing else, and connections are told of without bind, listen and
    /// shutdown: for those who only want to know who opened and connected to what. Preset: no.
    pub consume: Option<bool>,
}

/// Which files give records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FileMode {
    /// Regular files, devices, directories, pipes, unix sockets.
    #[default]
    All,
    /// Flows of regular files and devices only; events on paths of all kinds.
    Regular,
    /// None: neither flows nor events.
    None,
}

/// Which flows that only read are left out. Their files and processes are told of all the same, and so is one that maps
/// the file or writes to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReadFilter {
    /// None.
    #[default]
    Off,
    /// All.
    All,
    /// Those below /proc, /dev, /sys, /lib, /lib64, /usr/lib and /usr/lib64.
    System,
}

/// How much is folded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reduction {
    /// Every open of a file is a flow of its own.
    #[default]
    Lossless,
    /// Opens of a file that differ in nothing but their times and counts are one flow, unless a trace of where data
    /// went would change by it. Their own times and counts are lost.
    Rollup,
}

/// How much of a process's environment is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Env {
    /// Nothing.
    #[default]
    Off,
    /// `NAME=` of each variable.
    Names,
    /// The variables of these names.
    Listed(Vec<String>),
    /// Everything, secrets included.
    All,
}

/// Bounds; what exceeds them is counted.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Processes, the dead ancestors of living ones included. When it is reached, those that ended or were active
    /// longest ago are dropped.
    pub processes: u32,
    /// Descriptors of one process.
    pub fds: u32,
    /// Descriptors of all processes, and the free numbers below them that have room too: a fork copies them all.
    pub all_fds: u32,
    /// Living flows.
    pub flows: u32,
    /// Files and paths known at a time; unused ones are swept when this is reached.
    pub files: u32,
    /// Bytes of one string (arguments, paths, variables).
    pub string: u32,
}

/// How [`Compat`] and [`Schema`] translate into single decisions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Habits {
    pub(crate) extended: bool,
    pub(crate) threads: Threads,
    pub(crate) files: FileMode,
    pub(crate) reads: ReadFilter,
    pub(crate) consume: bool,
    pub(crate) first: i64,
    /// Types of events that the collector does not know give no record.
    pub(crate) collector_gaps: bool,
    /// A process is CREATED by its first clone or exec in the trace, even if it is older; EXEC and SETUID write it
    /// again even when they failed; exec closes nothing.
    pub(crate) collector_entities: bool,
}

/// What a thread's start and end become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Threads {
    Nothing,
    Flows,
    Events,
}

// === impl Config ===

impl Config {
    pub(crate) fn habits(&self) -> Habits {
        let extended = self.schema == Schema::Extended;
        let (threads, ours) = match self.compat {
            Compat::None => (Threads::Nothing, true),
            Compat::Sysflow => (Threads::Flows, false),
            Compat::SysflowTests => (Threads::Events, false),
        };
        let (files, reads) = match self.compat {
            Compat::Sysflow => (FileMode::Regular, ReadFilter::System),
            Compat::None | Compat::SysflowTests => (FileMode::All, ReadFilter::Off),
        };
        let threads = match self.modes.process_flows {
            None => threads,
            Some(true) => Threads::Flows,
            Some(false) if ours => Threads::Nothing,
            Some(false) => Threads::Events,
        };
        Habits {
            extended,
            threads,
            files: self.modes.files.unwrap_or(files),
            reads: self.modes.reads.unwrap_or(reads),
            consume: self.modes.consume.unwrap_or(false),
            first: if ours { i64::from(self.first) } else { 0 },
            collector_gaps: !ours,
            collector_entities: !ours,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            node: String::new(),
            ip: String::new(),
            filename: String::new(),
            schema: Schema::Extended,
            compat: Compat::None,
            modes: Modes::default(),
            reduction: Reduction::Lossless,
            export: 30,
            expire: 60,
            first: 1,
            rotate: 300,
            env: Env::Off,
            mask: true,
            host_users_for_all: false,
            servers: Servers::default(),
            limits: Limits::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            processes: 1 << 18,
            fds: 1 << 16,
            all_fds: 1 << 21,
            flows: 1 << 20,
            files: 1 << 18,
            string: 4096,
        }
    }
}
