//! A stream of records, and what an engine keeps of it.

use std::sync::Arc;

use sysflow::{Entities, Record};
use sysflow_policy::{RuleId, Scratch};

use crate::alert::{Settings, Suppressor};
use crate::hex;

/// Where records come from: one life of a collector.
#[derive(Clone, Debug, PartialEq, Eq)]
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
#[derive(Debug)]
pub(super) struct Course {
    pub(super) stream: Arc<Stream>,
    pub(super) entities: Entities,
    pub(super) suppressor: Suppressor,
    pub(super) scratch: Scratch,
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
    pub(super) fn new(stream: Arc<Stream>, settings: Settings) -> Self {
        Self {
            stream,
            entities: Entities::default(),
            suppressor: Suppressor::new(settings),
            scratch: Scratch::default(),
            matches: Vec::new(),
            clock: i64::MIN,
            next: 0,
        }
    }
}
