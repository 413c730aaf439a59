//! Attributes that need more than the record: stateful ones, and what its times say.

use sysflow::{
    Joined,
    record::{Kind, Record},
};

use super::{Argument, Field, Get, Getter, PROC, Role, Subject, Type, Value, net::NET};
use crate::{
    context::{Seen, Stateful},
    kinds::KindSet,
};

const FLOWS: KindSet = KindSet::of(&[Kind::NetworkFlow, Kind::FileFlow]);

/// Attributes of a record's own times.
const TIMES: [(&str, Get); 2] = [
    ("sf.flow.duration", |record, _| duration(record).map_or(Value::Absent, Value::Int)),
    ("sf.flow.rate", |record, _| rate(record).map_or(Value::Absent, Value::Int)),
];

/// The attribute `name`, if it is one of these.
pub(super) fn attribute(name: &str) -> Option<Field> {
    let stateful = Stateful::ALL.into_iter().find(|(known, _)| *known == name);
    let (value_type, kinds, list, get) = if let Some((_, attribute)) = stateful {
        let get = Getter::Context(attribute);
        match attribute {
            Stateful::GraphTags | Stateful::ProcTags => (Type::Text, PROC, true, get),
            Stateful::GraphAlerts
            | Stateful::GraphEgressBytes
            | Stateful::GraphIngressBytes
            | Stateful::GraphAge
            | Stateful::ProcEndpoints => (Type::Number, PROC, false, get),
            Stateful::ProcPorts
            | Stateful::FlowBeacon
            | Stateful::FlowBeaconPeriod
            | Stateful::FlowBeaconJitter => (Type::Number, NET, false, get),
            Stateful::NewExe => (Type::Truth, KindSet::of(&[Kind::ProcessEvent]), false, get),
            Stateful::NewEndpoint | Stateful::NewPort => (Type::Truth, NET, false, get),
        }
    } else {
        let (_, get) = TIMES.into_iter().find(|(known, _)| *known == name)?;
        (Type::Number, FLOWS, false, Getter::Falco(get, Argument::None))
    };
    Some(Field {
        name: name.to_owned(),
        value_type,
        kinds,
        note: None,
        role: Role::None,
        subject: Subject::Record,
        list,
        get,
        functions: Vec::new(),
    })
}

pub(super) fn names() -> impl Iterator<Item = &'static str> {
    Stateful::ALL.iter().map(|(name, _)| *name).chain(TIMES.iter().map(|(name, _)| *name))
}

pub(super) fn value<'a>(seen: Seen) -> Value<'a> {
    match seen {
        Seen::Unknown => Value::Absent,
        Seen::Number(number) => Value::Int(number),
        Seen::Truth(truth) => Value::Bool(truth),
        Seen::Texts(texts) => Value::Strs(texts.into_iter().map(Into::into).collect()),
    }
}

/// ns from the beginning to the end of a flow, or of the part of it that this record tells.
fn duration(record: &Joined<'_>) -> Option<i64> {
    let (start, end) = match record.record {
        Record::NetworkFlow(flow) => (flow.ts, flow.end_ts),
        Record::FileFlow(flow) => (flow.ts, flow.end_ts),
        _ => return None,
    };
    Some(end.saturating_sub(start).max(0))
}

/// Bytes a second in both directions; of what took less than a millisecond, as if it had taken one.
fn rate(record: &Joined<'_>) -> Option<i64> {
    let bytes = match record.record {
        Record::NetworkFlow(flow) => flow.num_rrecv_bytes.saturating_add(flow.num_wsend_bytes),
        Record::FileFlow(flow) => flow.num_rrecv_bytes.saturating_add(flow.num_wsend_bytes),
        _ => return None,
    };
    let duration = duration(record)?.max(1_000_000);
    let rate = i128::from(bytes.max(0)) * 1_000_000_000 / i128::from(duration);
    Some(i64::try_from(rate).unwrap_or(i64::MAX))
}
