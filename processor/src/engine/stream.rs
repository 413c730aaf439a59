//! A stream of records, and what an engine keeps of it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sysflow::{Entities, Record};
use sysflow_policy::{Memory, RuleId, Scratch};

use crate::alert::{Settings, Suppressor};
use crate::hex;
use crate::rules::Tally;

/// Where records come from: one life of a collector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stream {
    /// Identity, as hex digits.
    pub id: String,
    /// Node that it names itself.
    pub node: String,
}

/// Records of one stream, one after the other.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Their stream.
    pub stream: Arc<Stream>,
    /// Number of the first one.
    pub first: u64,
    /// The records.
    pub records: Vec<Record>,
}

/// State of one stream.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Course {
    #[serde(with = "shared")]
    pub(super) stream: Arc<Stream>,
    pub(super) entities: Entities,
    pub(super) suppressor: Suppressor,
    pub(super) memory: Memory,
    #[serde(skip)]
    pub(super) scratch: Scratch,
    #[serde(skip)]
    pub(super) tally: Tally,
    #[serde(skip)]
    pub(super) matches: Vec<RuleId>,
    /// Newest event time, in ns.
    pub(super) clock: i64,
    /// Number of the next record.
    pub(super) next: u64,
}

impl Stream {
    /// A stream of `node`.
    pub fn new(id: [u8; 16], node: &str) -> Self {
        Self { id: hex::encode(&id), node: node.to_owned() }
    }
}

impl Course {
    pub(super) fn new(stream: Arc<Stream>, settings: Settings, next: u64) -> Self {
        Self {
            stream,
            entities: Entities::default(),
            suppressor: Suppressor::new(settings),
            memory: Memory::default(),
            scratch: Scratch::default(),
            tally: Tally::default(),
            matches: Vec::new(),
            clock: i64::MIN,
            next,
        }
    }
}

mod shared {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Stream;

    pub(super) fn serialize<S: Serializer>(stream: &Arc<Stream>, to: S) -> Result<S::Ok, S::Error> {
        stream.as_ref().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Arc<Stream>, D::Error> {
        Stream::deserialize(from).map(Arc::new)
    }
}
