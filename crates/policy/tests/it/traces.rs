//! The shipped rules on real traces.

use std::collections::BTreeSet;

use sysflow::{Entities, Reader};
use sysflow_policy::{Priority, RuleSet, Scratch};

use crate::{rules::shipped, shared};

/// Names of the rules of at least `priority` that match in a trace; `None` when it is not here.
fn alerts(set: &RuleSet, trace: &str, priority: Priority) -> Option<BTreeSet<String>> {
    let path = shared(&format!("data/{trace}"))?;
    let (mut entities, mut scratch, mut ids) = (Entities::default(), Scratch::default(), Vec::new());
    let mut names = BTreeSet::new();
    for record in Reader::open(path).expect("the trace opens") {
        let record = record.expect("the trace is whole");
        entities.apply(&record);
        set.matches_with(&entities.join(&record), &mut scratch, &mut ids);
        names.extend(
            ids.drain(..).map(|id| set.rule(id)).filter(|r| r.priority >= priority).map(|r| r.name.clone()),
        );
    }
    Some(names)
}

/// The collector's regression traces are file, process and network operations of all kinds, and no attack.
#[test]
fn regression_traces_raise_no_warning() {
    let set = shipped();
    for trace in [
        "client-server_tcp-client-server",
        "files_files",
        "mpm-preforked_cold_start_capture",
        "mpm-preforked_full_capture",
        "namespaces_setns",
        "objectstore_ls",
        "objectstore_upload",
        "rename_rename",
        "setuid_setuid",
    ] {
        if let Some(names) = alerts(&set, &format!("pairs/{trace}.sf"), Priority::Warning) {
            assert!(names.is_empty(), "{trace}: {names:?}");
        }
    }
}

/// A node.js service runs a script that an intruder left in /tmp, which reads the service's credentials.
#[test]
fn the_node_intrusion_is_found() {
    if let Some(names) = alerts(&shipped(), "traces/mon.1531776712.sf", Priority::Notice) {
        for expected in [
            "Shell Started by Network Service",
            "Script Interpreter Started Below Network Service",
            "Program Run From Temporary Directory in Container",
            "Script Run From Temporary Directory",
            "Application Secrets Read",
            "Public Connection Below Network Service",
        ] {
            assert!(names.contains(expected), "{expected} is not among {names:?}");
        }
    }
}

#[test]
fn shellshock_is_found() {
    if let Some(names) = alerts(&shipped(), "traces/shellshock.sf", Priority::Warning) {
        assert!(names.contains("Account Discovery Below Network Service"), "{names:?}");
    }
}
