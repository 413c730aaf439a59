//! Who acted: the process of a record, its ancestors, container, pod and the header of its trace, in one value that all
//! records of a process share.
//!
//! The value is a byte for the version of this form, the identity of the process, and datums of the extended schema:
//! header, pod and container if known, then the ancestors, oldest first, and the process. An event of Kubernetes has
//! no process and stands here itself. After each process comes the
//! graph that it was in where its own record does not say.

use sysflow::graph::GraphRef;
use sysflow::record::{Header, Loss, Process, Record};
use sysflow::{Entities, GraphId, Joined, Oid, Schema, avro};

use crate::error::{Error, Result};

/// Version of the form, which is raised when the extended schema gets a field.
const VERSION: u8 = 1;

/// Marks a process whose graph its record says.
const SAID: u8 = 0;
/// Marks one whose graph was derived; the id follows.
const DERIVED: u8 = 1;
/// The same, and its parent's id follows too.
const DERIVED_WITH_PARENT: u8 = 2;

/// What was written, to see whether it can be used again.
#[derive(Debug)]
pub(crate) struct Cached {
    header: Option<Header>,
    pod: Option<sysflow::record::Pod>,
    container: Option<sysflow::record::Container>,
    chain: Vec<(Process, GraphRef)>,
    pub(crate) key: i32,
}

impl Cached {
    pub(crate) fn new(joined: &Joined<'_>, key: i32) -> Self {
        Self {
            header: joined.header.cloned(),
            pod: joined.pod.cloned(),
            container: joined.container.cloned(),
            chain: joined.ancestors().map(|p| (p.clone(), joined.graph_of(p))).collect(),
            key,
        }
    }

    /// Whether the subject of this record would be the same value.
    pub(crate) fn is_of(&self, joined: &Joined<'_>) -> bool {
        let mut known = self.chain.iter();
        let same_chain = joined
            .ancestors()
            .all(|p| known.next().is_some_and(|(k, graph)| k == p && joined.graph_of(p) == *graph));
        same_chain
            && known.next().is_none()
            && self.header.as_ref() == joined.header
            && self.container.as_ref() == joined.container
            && self.pod.as_ref() == joined.pod
    }
}

/// Appends the subject of a record. `loss`: with what its header says was lost.
pub(crate) fn encode(joined: &Joined<'_>, out: &mut Vec<u8>, loss: bool) {
    out.push(VERSION);
    let oid = joined.record.proc_oid().unwrap_or_default();
    out.extend_from_slice(&oid.create_ts.to_le_bytes());
    out.extend_from_slice(&oid.hpid.to_le_bytes());
    let mut put = |record: Record| avro::encode(Schema::Extended, &record, out);
    if let Some(header) = joined.header {
        let lost = if loss { header.lost.clone() } else { Loss::default() };
        put(Record::Header(Header { lost, ..header.clone() }));
    }
    if let event @ Record::K8sEvent(_) = joined.record {
        put(event.clone());
    }
    if let Some(pod) = joined.pod {
        put(Record::Pod(pod.clone()));
    }
    if let Some(container) = joined.container {
        put(Record::Container(container.clone()));
    }
    let chain: Vec<&Process> = joined.ancestors().collect();
    for process in chain.into_iter().rev() {
        avro::encode(Schema::Extended, &Record::Process(process.clone()), out);
        let graph = joined.graph_of(process);
        match (graph.derived, graph.parent) {
            (false, _) => out.push(SAID),
            (true, None) => {
                out.push(DERIVED);
                out.extend_from_slice(graph.id.to_string().as_bytes());
            }
            (true, Some(parent)) => {
                out.push(DERIVED_WITH_PARENT);
                out.extend_from_slice(graph.id.to_string().as_bytes());
                out.extend_from_slice(parent.to_string().as_bytes());
            }
        }
    }
}

/// A subject, read back.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) oid: Oid,
    pub(crate) entities: Entities,
    /// Container of the process, which is that of most of its files.
    pub(crate) container: Option<String>,
    pub(crate) header: Option<Header>,
    /// An event of Kubernetes, which no process stands behind, is its own subject.
    pub(crate) event: Option<Record>,
}

pub(crate) fn decode(bytes: &[u8]) -> Result<Subject> {
    let damaged = |what: &str| Error::Row(format!("raw.subject: {what}"));
    let (version, rest) = bytes.split_first().ok_or_else(|| damaged("empty"))?;
    if *version != VERSION {
        return Err(damaged("written by another version"));
    }
    let (create_ts, rest) = rest.split_first_chunk().ok_or_else(|| damaged("cut"))?;
    let (hpid, mut rest) = rest.split_first_chunk().ok_or_else(|| damaged("cut"))?;
    let oid = Oid { create_ts: i64::from_le_bytes(*create_ts), hpid: i64::from_le_bytes(*hpid) };
    let mut subject =
        Subject { oid, entities: Entities::default(), container: None, header: None, event: None };
    while !rest.is_empty() {
        let (record, length) =
            avro::decode(Schema::Extended, rest).map_err(|error| damaged(&error.to_string()))?;
        rest = &rest[length..];
        match record {
            Record::Process(process) => {
                let graph = graph(&process, &mut rest).ok_or_else(|| damaged("no graph after a process"))?;
                subject.entities.adopt(&process, graph);
                subject.container = process.container_id;
            }
            event @ Record::K8sEvent(_) => subject.event = Some(event),
            record => {
                if let Record::Header(header) = &record {
                    subject.header = Some(header.clone());
                }
                subject.entities.apply(&record);
            }
        }
    }
    Ok(subject)
}

fn graph(process: &Process, rest: &mut &[u8]) -> Option<GraphRef> {
    let (mark, after) = rest.split_first()?;
    *rest = after;
    let mut id = || {
        let (id, after) = rest.split_at_checked(32)?;
        *rest = after;
        GraphId::parse(std::str::from_utf8(id).ok()?)
    };
    match *mark {
        SAID => Some(GraphRef {
            id: GraphId::parse(&process.graph_id)?,
            parent: GraphId::parse(&process.parent_graph_id),
            derived: false,
        }),
        DERIVED => Some(GraphRef { id: id()?, parent: None, derived: true }),
        DERIVED_WITH_PARENT => Some(GraphRef { id: id()?, parent: Some(id()?), derived: true }),
        _ => None,
    }
}
