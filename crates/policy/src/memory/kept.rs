//! A memory that was kept, read back.
//!
//! The bytes may be damaged or made up: what no memory could hold is refused, so that the bounds hold from there on.

use std::net::IpAddr;

use serde::Deserialize;
use sysflow::{GraphId, Oid};

use super::{Actor, Graph, Known, Limits, MAX_ENDPOINTS, MAX_TAGS, Memory, rhythm::Rhythm, table::Table};

/// The fields of [`Memory`], in their order, as they are read.
#[derive(Deserialize)]
pub(super) struct Kept {
    graphs: Table<GraphId, Graph>,
    processes: Table<Oid, Actor>,
    rhythms: Table<(u64, IpAddr, i32), Rhythm>,
    known: Table<Known, ()>,
    endpoints: usize,
}

impl TryFrom<Kept> for Memory {
    type Error = &'static str;

    fn try_from(kept: Kept) -> Result<Self, Self::Error> {
        let limits = Limits::default();
        let limited = || {
            Some(Self {
                graphs: kept.graphs.limited(limits.graphs, |graph| graph.tags.len() <= MAX_TAGS)?,
                processes: kept.processes.limited(limits.processes, |actor| {
                    actor.tags.len() <= MAX_TAGS && actor.endpoints.len() <= MAX_ENDPOINTS
                })?,
                rhythms: kept.rhythms.limited(limits.rhythms, Rhythm::is_sound)?,
                known: kept.known.limited(limits.known, |()| true)?,
                endpoints: kept.endpoints,
            })
        };
        limited().ok_or("no memory of rules holds so much")
    }
}
