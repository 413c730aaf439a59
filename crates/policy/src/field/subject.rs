//! What a field's value depends on.

/// What a value is read off: as long as it stays the same, so does the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Subject {
    /// Kind of the record, its operations, and the flags with which a flow's file was opened.
    Shape,
    /// The process with its ancestors, its container and pod, and the header of the trace.
    Process,
    /// The file with the kind of the record and whether it was opened; of network flows the two ends.
    Object,
    /// Anything else of the record, or what was seen before it.
    Record,
}

impl Subject {
    /// Of what is put together from values of both.
    pub(super) fn and(self, other: Self) -> Self {
        if self == other { self } else { Self::Record }
    }

    /// Of SysFlow's attributes, also as sf-processor has them. What is not listed is read off each record.
    pub(crate) fn of_attribute(name: &str) -> Self {
        match name {
            "sf.type"
            | "sf.opflags"
            | "sf.file.openflags"
            | "sf.file.is_open_read"
            | "sf.file.is_open_write" => Self::Shape,
            "sf.file.path"
            | "sf.file.name"
            | "sf.file.directory"
            | "sf.file.type"
            | "sf.file.symlink"
            | "sf.file.oid"
            | "sf.file.newpath"
            | "sf.file.newname"
            | "sf.file.newdirectory"
            | "sf.file.newsymlink"
            | "sf.file.newoid" => Self::Object,
            // The thread is the record's.
            "sf.proc.tid" => Self::Record,
            _ => Self::of_family(name, &["sf.proc.", "sf.pproc.", "sf.container.", "sf.pod."]),
        }
    }

    /// Of Falco's fields.
    pub(super) fn of_falco(name: &str) -> Self {
        match name {
            "evt.dir" | "fd.connected" | "fd.is_server" => Self::Shape,
            "fd.name" | "fd.directory" | "fd.filename" | "fd.typechar" | "fd.type" | "fd.sockfamily"
            | "fs.path.name" | "fs.path.source" | "fs.path.target" | "evt.arg.path" | "evt.arg.filename"
            | "evt.arg.name" => Self::Object,
            // These depend on the time or the thread of the record.
            "proc.duration" | "proc.ppid.duration" | "thread.tid" | "thread.ismain" => Self::Record,
            _ => Self::of_family(name, &["proc.", "thread.", "user.", "group.", "container.", "k8s."]),
        }
    }

    fn of_family(name: &str, families: &[&str]) -> Self {
        let in_one = families.iter().any(|family| name.starts_with(family));
        if in_one { Self::Process } else { Self::Record }
    }
}
