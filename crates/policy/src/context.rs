//! Stateful attributes: what was seen before a record.

use sysflow::Joined;

/// Answers stateful attributes. A record is judged against the state before it.
pub trait Context {
    /// The value of `attribute` for `record`.
    fn value(&self, attribute: Stateful, record: &Joined<'_>) -> Seen;
}

/// A value of a stateful attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Nothing is known, or the record has no such thing.
    Unknown,
    /// A number.
    Number(i64),
    /// Yes or no.
    Truth(bool),
    /// Tags.
    Texts(Vec<String>),
}

/// A stateful attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stateful {
    /// `sf.graph.tags`: tags of the rules that matched in this graph.
    GraphTags,
    /// `sf.graph.alerts`: how many records of this graph matched a rule.
    GraphAlerts,
    /// `sf.graph.egress.bytes`: bytes that this graph sent over the network.
    GraphEgressBytes,
    /// `sf.graph.ingress.bytes`: bytes that this graph received over the network.
    GraphIngressBytes,
    /// `sf.graph.age`: ns since the graph's first record.
    GraphAge,
    /// `sf.proc.tags`: tags of the rules that the process or an ancestor matched.
    ProcTags,
    /// `sf.proc.endpoints`: distinct servers, address and port, that the process connected to within a minute.
    ProcEndpoints,
    /// `sf.proc.ports`: distinct ports of one address, that of this flow, that the process connected to within a minute.
    ProcPorts,
    /// `sf.flow.beacon`: 0 to 100, how regularly connections to this server begin.
    FlowBeacon,
    /// `sf.flow.beacon.period`: ns between beginnings.
    FlowBeaconPeriod,
    /// `sf.flow.beacon.jitter`: percent by which the time between beginnings differs from the period.
    FlowBeaconJitter,
    /// `sf.new.exe`: whether this executable never ran in this container image before.
    NewExe,
    /// `sf.new.endpoint`: whether no container of this image connected to this server before.
    NewEndpoint,
    /// `sf.new.port`: whether no container of this image connected to this port of any server before.
    NewPort,
}

impl Stateful {
    /// All of them with their names.
    pub const ALL: [(&'static str, Self); 14] = [
        ("sf.graph.tags", Self::GraphTags),
        ("sf.graph.alerts", Self::GraphAlerts),
        ("sf.graph.egress.bytes", Self::GraphEgressBytes),
        ("sf.graph.ingress.bytes", Self::GraphIngressBytes),
        ("sf.graph.age", Self::GraphAge),
        ("sf.proc.tags", Self::ProcTags),
        ("sf.proc.endpoints", Self::ProcEndpoints),
        ("sf.proc.ports", Self::ProcPorts),
        ("sf.flow.beacon", Self::FlowBeacon),
        ("sf.flow.beacon.period", Self::FlowBeaconPeriod),
        ("sf.flow.beacon.jitter", Self::FlowBeaconJitter),
        ("sf.new.exe", Self::NewExe),
        ("sf.new.endpoint", Self::NewEndpoint),
        ("sf.new.port", Self::NewPort),
    ];

    /// One line for people.
    pub fn doc(self) -> &'static str {
        match self {
            Self::GraphTags => "tags of the rules that matched in this graph",
            Self::GraphAlerts => "how many records of this graph matched a rule",
            Self::GraphEgressBytes => "bytes that this graph sent over the network",
            Self::GraphIngressBytes => "bytes that this graph received over the network",
            Self::GraphAge => "ns since the graph's first record",
            Self::ProcTags => "tags of the rules that the process or an ancestor matched",
            Self::ProcEndpoints => "distinct servers that the process connected to within a minute",
            Self::ProcPorts => {
                "distinct ports of this flow's address that the process connected to within a minute"
            }
            Self::FlowBeacon => "0 to 100, how regularly connections to this server begin",
            Self::FlowBeaconPeriod => "ns between the beginnings of connections to this server",
            Self::FlowBeaconJitter => "percent by which the time between beginnings differs from the period",
            Self::NewExe => "whether this executable never ran in this container image before",
            Self::NewEndpoint => "whether no container of this image connected to this server before",
            Self::NewPort => "whether no container of this image connected to this port of any server before",
        }
    }
}

/// Knows nothing: for records judged on their own.
#[derive(Clone, Copy, Debug)]
pub struct NoContext;

impl Context for NoContext {
    fn value(&self, _: Stateful, _: &Joined<'_>) -> Seen {
        Seen::Unknown
    }
}
