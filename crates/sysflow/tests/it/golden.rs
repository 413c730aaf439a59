//! Traces with what SysFlow's own exporter said of them.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use sysflow::attr::find;
use sysflow::record::Kind;
use sysflow::{Entities, Joined, Oid, Reader};

use crate::shared::{gz_lines, shared};

/// Trace, and stem of its goldens.
pub(crate) const TRACES: [(&str, &str); 9] = [
    ("pairs/client-server_tcp-client-server.sf", "client-server_tcp-client-server"),
    ("pairs/files_files.sf", "files_files"),
    ("pairs/namespaces_setns.sf", "namespaces_setns"),
    ("pairs/objectstore_ls.sf", "objectstore_ls"),
    ("pairs/objectstore_upload.sf", "objectstore_upload"),
    ("pairs/rename_rename.sf", "rename_rename"),
    ("pairs/setuid_setuid.sf", "setuid_setuid"),
    ("traces/k8s_small.sf", "proc_k8s_small.sf"),
    ("traces/shellshock.sf", "proc_shellshock.sf"),
];

/// Calls `check` with each event and flow and the line that the original exporter made of it, and says how many
/// there were. `kind` is `attrs`, `json` or `ecs`.
pub(crate) fn each_line(kind: &str, mut check: impl FnMut(&str, &Joined<'_>, &str)) -> usize {
    let Some(data) = shared("data") else { return 0 };
    let mut compared = 0;
    for (trace, stem) in TRACES {
        let golden = data.join(format!("golden/{stem}.{kind}.jsonl.gz"));
        if golden.exists() {
            let lines = gz_lines(&golden);
            let mut lines = lines.iter();
            each_event(data.join(trace), |joined| {
                check(trace, joined, lines.next().unwrap_or_else(|| panic!("{stem} has too few lines")));
                compared += 1;
            });
            assert_eq!(lines.next(), None, "{stem} has too many lines");
        }
    }
    assert!(compared > 500, "only {compared} lines of {kind} compared");
    compared
}

/// What the original shows for the ancestors of a process: it lists them when it first meets the process and never
/// again, so that what an ancestor executes later does not show. This remembers our lists as of that time.
#[derive(Default)]
pub(crate) struct FirstAncestors(HashMap<(String, Oid), BTreeMap<&'static str, String>>);

impl FirstAncestors {
    /// The lists of names, executables, command lines and pids as they were when the process was first met.
    pub(crate) fn of(&mut self, trace: &str, joined: &Joined<'_>) -> &BTreeMap<&'static str, String> {
        const LISTS: [&str; 4] = ["sf.proc.aname", "sf.proc.aexe", "sf.proc.acmdline", "sf.proc.apid"];
        let oid = joined.record.proc_oid().unwrap_or_default();
        self.0.entry((trace.to_owned(), oid)).or_insert_with(|| {
            LISTS.map(|name| (name, find(name).unwrap().value(joined).to_string())).into_iter().collect()
        })
    }
}

/// Calls `each` with the records that SysFlow's processor exports.
pub(crate) fn each_event(trace: PathBuf, mut each: impl FnMut(&Joined<'_>)) {
    let mut entities = Entities::default();
    for record in Reader::open(trace).unwrap() {
        let record = record.unwrap();
        match record.kind() {
            Kind::ProcessEvent | Kind::NetworkFlow | Kind::FileFlow | Kind::FileEvent | Kind::K8sEvent => {
                each(&entities.join(&record));
            }
            _ => entities.apply(&record),
        }
    }
}
