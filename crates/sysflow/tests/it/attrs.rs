//! The attributes have the values that SysFlow's own processor gives them, its defects repaired.

use std::collections::BTreeMap;

use sysflow::Joined;
use sysflow::attr::{ATTRS, Value, closest, find};
use sysflow::record::Kind;

use crate::golden::{FirstAncestors, each_line};

/// A golden: every attribute as text, of one record.
type Golden = BTreeMap<String, String>;

/// A defect, and what turns the golden into what it should be.
type Repair = (&'static str, fn(&mut Golden, Kind));

/// What the original did wrong, or says with a placeholder, each turned into what we say. An attribute that is
/// removed has no value.
const REPAIRS: [Repair; 10] = [
    ("internal twins of the attributes of pods are not attributes", |golden, _| {
        golden.retain(|name, _| !name.ends_with('+'));
    }),
    ("attributes of other kinds show other fields of the record or zeros", |golden, kind| {
        golden.retain(|name, _| applies(name, kind));
    }),
    ("counters of flows are doubled", |golden, _| {
        for (name, value) in golden {
            if name.starts_with("sf.flow.") {
                *value = (value.parse::<i64>().unwrap() / 2).to_string();
            }
        }
    }),
    ("a command line without arguments ends with a space", |golden, _| {
        if let Some(line) = golden.get_mut("sf.proc.cmdline") {
            *line = line.trim_end().to_owned();
        }
    }),
    ("the host has the container type DOCKER and privileged 0", |golden, _| {
        if golden["sf.container.id"].is_empty() {
            golden.retain(|name, _| !name.starts_with("sf.container."));
        }
    }),
    ("no pod is shown as zeros", |golden, _| {
        if golden["sf.pod.id"].is_empty() {
            golden.retain(|name, _| !name.starts_with("sf.pod."));
        }
    }),
    ("an unknown parent is shown as zeros", |golden, _| {
        if golden.get("sf.pproc.pid").is_some_and(|pid| pid == "0") {
            golden.retain(|name, _| !name.starts_with("sf.pproc."));
        }
    }),
    ("users and groups that are not known are -1 and <NA>", |golden, _| {
        golden.retain(|name, value| {
            let is_id = matches!(name.rsplit('.').next(), Some("uid" | "gid"));
            !(value == "<NA>" || (is_id && value == "-1"))
        });
    }),
    ("no path has the name and the directory '.', no type is a zero", |golden, _| {
        for (path, parts) in [
            ("sf.file.path", ["sf.file.name", "sf.file.directory", "sf.file.type"]),
            ("sf.file.newpath", ["sf.file.newname", "sf.file.newdirectory", "sf.file.newtype"]),
        ] {
            if golden.get(path).is_some_and(String::is_empty) {
                golden.retain(|name, value| {
                    !(parts.contains(&name.as_str()) && (value == "." || value == "\0"))
                });
            }
        }
    }),
    ("what is not known is empty", |golden, _| {
        golden.retain(|name, value| !value.is_empty() || name.ends_with("proc.args"));
    }),
];

fn applies(name: &str, kind: Kind) -> bool {
    use Kind::{FileEvent as FE, FileFlow as FF, K8sEvent as KE, NetworkFlow as NF, ProcessEvent as PE};
    let part = name.split('.').nth(1).unwrap();
    match (name, part) {
        ("sf.ret", _) => matches!(kind, PE | FE),
        ("sf.endts", _) => matches!(kind, NF | FF),
        (_, "net") => kind == NF,
        (_, "flow") => matches!(kind, NF | FF),
        (_, "ke") => kind == KE,
        ("sf.file.fd" | "sf.file.is_open_read" | "sf.file.is_open_write" | "sf.file.openflags", _) => {
            kind == FF
        }
        (name, "file") if name.starts_with("sf.file.new") => kind == FE,
        (_, "file") => matches!(kind, FF | FE),
        _ => true,
    }
}

/// Attributes that the original does not have, or does not always have.
fn is_ours(name: &str, golden: &Golden) -> bool {
    let unknown_parent = !golden.contains_key("sf.pproc.pid");
    let identity = ["sf.pproc.pid", "sf.pproc.oid", "sf.pproc.createts"];
    let extended = [
        "sf.event.args",
        "sf.graphid",
        "sf.graph.parent",
        "sf.proc.cwd",
        "sf.proc.env",
        "sf.flow.duration",
        "sf.flow.opens",
    ];
    extended.contains(&name) || (unknown_parent && identity.contains(&name))
}

fn ours(joined: &Joined<'_>) -> BTreeMap<&'static str, String> {
    ATTRS
        .iter()
        .filter_map(|attr| match attr.value(joined) {
            Value::Absent => None,
            value => Some((attr.name, value.to_string())),
        })
        .collect()
}

#[test]
fn values_equal_the_original_processors() {
    let mut used = [0; REPAIRS.len()];
    let mut first = FirstAncestors::default();
    let mut outdated = 0;
    each_line("attrs", |trace, joined, line| {
        let mut golden: Golden = serde_json::from_str(line).unwrap();
        for ((_, repair), used) in REPAIRS.iter().zip(&mut used) {
            let before = golden.clone();
            repair(&mut golden, joined.record.kind());
            *used += usize::from(golden != before);
        }
        let mut ours = ours(joined);
        ours.retain(|name, _| !is_ours(name, &golden));
        for (name, value) in first.of(trace, joined).iter().filter(|(_, value)| !value.is_empty()) {
            outdated += usize::from(ours.get(name) != Some(value));
            ours.insert(name, value.clone());
        }
        for (name, value) in &golden {
            assert_eq!(ours.get(name.as_str()), Some(value), "{trace}: {name} of {:?}", joined.record);
        }
        for (name, value) in &ours {
            assert_eq!(golden.get(*name), Some(value), "{trace}: {name} of {:?}", joined.record);
        }
    });
    println!("lists of ancestors that the original shows as they were before: {outdated}");
    if used.iter().any(|&used| used > 0) {
        for ((name, _), used) in REPAIRS.iter().zip(used) {
            assert!(used > 0, "repair '{name}' is of no use");
        }
    }
}

#[test]
fn the_table_is_sorted_and_documented() {
    assert!(ATTRS.is_sorted_by(|a, b| a.name < b.name));
    for attr in ATTRS {
        assert!(std::ptr::eq(find(attr.name).unwrap(), attr));
        assert!(
            attr.name.starts_with("sf.") && !attr.kinds.is_empty() && !attr.doc.is_empty(),
            "{}",
            attr.name
        );
    }
    assert!(find("sf.proc").is_none());
    let table = sysflow::docs::fields_table();
    assert_eq!(table.lines().count(), ATTRS.len() + 2);
    assert!(table.contains("| `sf.net.dport` | number | NF NE | port of the server |"), "{table}");
}

#[test]
fn a_misspelt_name_finds_the_attribute_meant() {
    let cases = [
        ("sf.proc.nmae", Some("sf.proc.name")),
        ("sf.procname", Some("sf.proc.name")),
        ("SF.PROC.EXE", Some("sf.proc.exe")),
        ("srf.proc.name", Some("sf.proc.name")),
        ("sf.opflag", Some("sf.opflags")),
        ("sf.file.typechar", Some("sf.file.type")),
        ("evt.num", None),
        ("", None),
    ];
    for (name, meant) in cases {
        assert_eq!(closest(name), meant, "{name}");
    }
    assert_eq!(closest(&"x".repeat(1 << 20)), None);
}
