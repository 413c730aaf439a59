//! `output_fields` of an alert. What the record does not say is absent, never guessed.

use serde_json::{Map, Value as Json};
use sysflow::Joined;
use sysflow::attr::{self, Value};

/// Attributes that an alert carries, those that are spared least easily first.
const ATTRIBUTES: &[&str] = &[
    "sf.type",
    "sf.opflags",
    "sf.ret",
    "sf.proc.pid",
    "sf.proc.name",
    "sf.proc.exe",
    "sf.proc.cmdline",
    "sf.proc.user",
    "sf.proc.uid",
    "sf.proc.tty",
    "sf.proc.cwd",
    "sf.pproc.pid",
    "sf.pproc.exe",
    "sf.pproc.cmdline",
    "sf.container.id",
    "sf.container.name",
    "sf.container.image",
    "sf.pod.name",
    "sf.pod.namespace",
    "sf.file.path",
    "sf.file.newpath",
    "sf.file.arg",
    "sf.net.proto",
    "sf.net.sip",
    "sf.net.sport",
    "sf.net.dip",
    "sf.net.dport",
    "sf.flow.rbytes",
    "sf.flow.rops",
    "sf.flow.wbytes",
    "sf.flow.wops",
];

/// Fields under Falco's own names, by which Falcosidekick's outputs group and filter.
const FALCO_NAMES: &[(&str, &str)] = &[
    ("sf.container.id", "container.id"),
    ("sf.container.name", "container.name"),
    ("sf.pod.name", "k8s.pod.name"),
    ("sf.pod.namespace", "k8s.ns.name"),
];

/// Numbers that JSON readers keep exactly.
const EXACT: u64 = 1 << 53;

/// How easily a field is spared: those of the highest rank first. Names that are not ours are spared before all.
pub(super) fn rank(name: &str) -> usize {
    ATTRIBUTES.iter().position(|known| *known == name).unwrap_or(usize::MAX)
}

/// Fields of an event or flow.
pub fn fields(joined: &Joined<'_>) -> Map<String, Json> {
    let mut fields = Map::new();
    for name in ATTRIBUTES {
        if let Some(value) = attr::find(name).and_then(|attr| json(&attr.value(joined))) {
            fields.insert((*name).to_owned(), value);
        }
    }
    for (ours, falcos) in FALCO_NAMES {
        // Falcosidekick takes nothing but text here.
        if let Some(Json::String(text)) = fields.get(*ours) {
            let text = text.clone();
            fields.insert((*falcos).to_owned(), Json::String(text));
        }
    }
    fields
}

fn json(value: &Value<'_>) -> Option<Json> {
    Some(match value {
        Value::Absent => return None,
        // SysFlow's collector writes this for what it does not know.
        Value::Str(text) if text.is_empty() || text == "<NA>" => return None,
        Value::Str(text) => Json::String(text.clone().into_owned()),
        Value::Int(n) if n.unsigned_abs() < EXACT => Json::from(*n),
        Value::Int(n) => Json::String(n.to_string()),
        Value::Bool(b) => Json::Bool(*b),
        Value::StrList(list) if list.is_empty() => return None,
        Value::StrList(list) => Json::String(list.join(",")),
        Value::IntList(list) if list.is_empty() => return None,
        Value::IntList(list) => Json::String(list.iter().map(i64::to_string).collect::<Vec<_>>().join(",")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_readers_may_change_are_text() {
        for (number, expected) in [
            (1, Json::from(1)),
            ((1 << 53) - 1, Json::from((1_i64 << 53) - 1)),
            (1 << 53, Json::from("9007199254740992")),
            (i64::MIN, Json::from("-9223372036854775808")),
        ] {
            assert_eq!(json(&Value::Int(number)), Some(expected));
        }
    }
}
