//! Categories of log sources, and what their fields are in records.

/// A category: which records belong to it, and its fields.
pub(super) struct Category {
    pub(super) name: &'static str,
    /// Condition that its records satisfy.
    pub(super) guard: &'static str,
    /// Text of its alerts.
    pub(super) output: &'static str,
    fields: &'static [(&'static str, Target)],
}

/// What a field is in records.
#[derive(Clone, Copy, Debug)]
pub(super) enum Target {
    Field(&'static str),
    /// The file that came to be: the new name of a rename or link, else the file written.
    NewFile,
    /// Whether the process opened the connection, rather than accepted it.
    Initiated,
    /// Records do not hold it, and why.
    No(&'static str),
}

const PROCESS: [(&str, Target); 12] = [
    ("Image", Target::Field("proc.exepath")),
    ("CommandLine", Target::Field("proc.cmdline")),
    ("ParentImage", Target::Field("proc.pexepath")),
    ("ParentCommandLine", Target::Field("proc.pcmdline")),
    ("User", Target::Field("user.name")),
    ("ParentUser", Target::Field("sf.pproc.user")),
    ("CurrentDirectory", Target::Field("proc.cwd")),
    ("ProcessId", Target::Field("proc.pid")),
    ("ParentProcessId", Target::Field("proc.ppid")),
    ("LogonId", Target::Field("user.loginuid")),
    ("Hashes", Target::No("hashes of files are not recorded")),
    ("OriginalFileName", Target::No("names inside of executables are Windows' own")),
];

const CATEGORIES: [Category; 3] = [
    Category {
        name: "process_creation",
        guard: "sf.opflags = EXEC and evt.failed = false",
        output: "%sf.proc.cmdline (parent=%sf.pproc.cmdline user=%sf.proc.user container=%container.name \
                 image=%container.image)",
        fields: &[],
    },
    Category {
        name: "file_event",
        guard: "sf.type = FF and sf.file.is_open_write = true or sf.opflags in (RENAME, LINK, SYMLINK)",
        output: "%sf.file.path %sf.file.newpath (command=%sf.proc.cmdline user=%sf.proc.user \
                 container=%container.name image=%container.image)",
        fields: &[("TargetFilename", Target::NewFile)],
    },
    Category {
        name: "network_connection",
        guard: "sf.type = NF",
        output: "%fd.name (command=%sf.proc.cmdline user=%sf.proc.user container=%container.name \
                 image=%container.image)",
        fields: &[
            ("DestinationIp", Target::Field("sf.net.dip")),
            ("DestinationPort", Target::Field("sf.net.dport")),
            ("SourceIp", Target::Field("sf.net.sip")),
            ("SourcePort", Target::Field("sf.net.sport")),
            ("Protocol", Target::Field("fd.l4proto")),
            ("Initiated", Target::Initiated),
            ("DestinationHostname", Target::No("addresses are not looked up")),
            ("SourceHostname", Target::No("addresses are not looked up")),
        ],
    },
];

impl Category {
    pub(super) fn find(name: &str) -> Option<&'static Self> {
        CATEGORIES.iter().find(|category| category.name == name)
    }

    pub(super) fn names() -> impl Iterator<Item = &'static str> {
        CATEGORIES.iter().map(|category| category.name)
    }

    pub(super) fn field(&self, name: &str) -> Option<Target> {
        self.fields.iter().chain(&PROCESS).find(|(known, _)| *known == name).map(|(_, target)| *target)
    }

    pub(super) fn field_names(&self) -> impl Iterator<Item = &'static str> {
        self.fields.iter().chain(&PROCESS).map(|(name, _)| *name)
    }
}
