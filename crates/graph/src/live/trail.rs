//! The records below a graph, as they came: what windows are counted from, and what questions go back to.
//!
//! A trail is a list of chunks. Each is a small trace of its own (entities before what names them, as in a file of
//! SysFlow, in the bytes of its codec), so that the oldest can go without the others losing anything. A chunk that is
//! full never changes: clones of a graph share it.

use std::collections::VecDeque;
use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashSet};
use serde::{Deserialize, Serialize};
use sysflow::avro::{decode, encode};
use sysflow::record::{Container, Header, Loss, ObjectState, Process, Record};
use sysflow::{Entities, Foid, Joined, Oid, Schema};

use super::behaviour::Key;
use super::graph::{EdgeKind, span};

/// Bytes after which a chunk is closed: about 150 records with their entities.
const CHUNK: usize = 16 << 10;
/// A chunk spans at most this much time: what is quiet does not hold on to what is old.
const SPAN: i64 = 15 * 60 * 1_000_000_000;

/// The newest records of one graph.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Trail {
    closed: VecDeque<Chunk>,
    open: Option<Open>,
    /// Number of the next event or flow.
    next: u64,
    /// Latest end of a record that went.
    gone: Option<i64>,
}

/// Events, flows and moves of one stretch, with the entities that they name.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Chunk {
    /// Number of its first event or flow.
    base: u64,
    #[serde(with = "bytes")]
    bytes: Arc<Vec<u8>>,
    first: i64,
    last: i64,
}

/// The chunk that is written to.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Open {
    chunk: Chunk,
    /// Processes that it describes, each with what tells that a description is still right.
    processes: HashMap<Oid, u64, FixedState>,
    files: HashSet<Foid, FixedState>,
}

/// How a process came to where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Move {
    pub(crate) process: Oid,
    pub(crate) to: Key,
    /// Where it was before, or for one that is new the process that made it and where that was.
    pub(crate) source: Option<(Oid, Key)>,
    /// The edge that is drawn for it: where it starts, and what it is called.
    pub(crate) edge: Option<(Key, EdgeKind)>,
    /// When the edge is drawn.
    pub(crate) ts: i64,
    /// Since when it knows what its source knew: a new process since it was made, which may be before anything of it
    /// was recorded.
    pub(crate) since: i64,
}

/// One thing on a trail.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step<'a> {
    /// An event or flow, and the node of its process after it.
    Record { number: u64, node: Option<Key>, joined: &'a Joined<'a> },
    /// A process came to another node, just before the record that follows.
    Move(Move),
}

impl Step<'_> {
    /// First and last time.
    pub(crate) fn span(&self) -> (i64, i64) {
        match self {
            Self::Record { joined, .. } => span(joined.record).map_or((0, 0), |(_, from, to)| (from, to)),
            Self::Move(moved) => (moved.ts, moved.ts),
        }
    }
}

/// What a frame of a chunk holds.
#[repr(u8)]
enum Tag {
    Entity = 0,
    Placed = 1,
    Unplaced = 2,
    Move = 3,
}

/// What a change of a trail did to the memory that it takes, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Grown {
    pub(crate) bytes: usize,
    /// Whether a chunk was begun.
    pub(crate) chunk: bool,
}

impl Trail {
    /// Takes in an event or flow.
    pub(crate) fn record(&mut self, joined: &Joined<'_>, node: Option<Key>) -> Grown {
        let Some((_, from, to)) = span(joined.record) else { return Grown::default() };
        let (open, mut grown) = self.open(joined, from, to);
        let before = open.chunk.bytes.len();
        open.describe(joined);
        let bytes = Arc::make_mut(&mut open.chunk.bytes);
        match node {
            Some(key) => {
                bytes.push(Tag::Placed as u8);
                bytes.extend_from_slice(&key.bytes());
            }
            None => bytes.push(Tag::Unplaced as u8),
        }
        encode(Schema::Extended, joined.record, bytes);
        grown.bytes += bytes.len() - before;
        self.next = self.next.saturating_add(1);
        grown
    }

    /// Takes in a move, which is known before the record that brings it.
    pub(crate) fn moved(&mut self, joined: &Joined<'_>, moved: &Move) -> Grown {
        let (open, mut grown) = self.open(joined, moved.ts, moved.ts);
        let before = open.chunk.bytes.len();
        moved.write(Arc::make_mut(&mut open.chunk.bytes));
        grown.bytes += open.chunk.bytes.len() - before;
        grown
    }

    /// Notes that a record is not kept.
    pub(crate) fn skip(&mut self, to: i64) {
        self.gone = self.gone.max(Some(to));
    }

    /// Bytes that it takes.
    pub(crate) fn len(&self) -> usize {
        self.chunks().map(|chunk| chunk.bytes.len()).sum()
    }

    /// Lets the oldest chunk go; how many bytes that freed.
    pub(crate) fn shed(&mut self) -> usize {
        let chunk = self.closed.pop_front().or_else(|| self.open.take().map(|open| open.chunk));
        let Some(chunk) = chunk else { return 0 };
        self.gone = self.gone.max(Some(chunk.last));
        chunk.bytes.len()
    }

    /// Whether every record that touches the time from `from` on is here.
    pub(crate) fn reaches(&self, from: i64) -> bool {
        self.gone.is_none_or(|gone| gone < from)
    }

    /// All steps of chunks that touch the time from `from` to `to`, in the order in which they came. Those of such a
    /// chunk that lie outside are among them.
    pub(crate) fn walk(&self, from: i64, to: i64, mut each: impl FnMut(Step<'_>)) {
        for chunk in self.chunks().filter(|chunk| chunk.first <= to && chunk.last >= from) {
            // What was written here is read here: an error would be one of ours, and ends the chunk.
            _ = chunk.walk(&mut each);
        }
    }

    fn chunks(&self) -> impl Iterator<Item = &Chunk> {
        self.closed.iter().chain(self.open.as_ref().map(|open| &open.chunk))
    }

    fn open(&mut self, joined: &Joined<'_>, from: i64, to: i64) -> (&mut Open, Grown) {
        let is_done =
            |open: &Open| open.chunk.bytes.len() >= CHUNK || to.saturating_sub(open.chunk.first) > SPAN;
        if self.open.as_ref().is_some_and(is_done)
            && let Some(open) = self.open.take()
        {
            self.closed.push_back(open.chunk);
        }
        let mut grown = Grown::default();
        let next = self.next;
        let open = self.open.get_or_insert_with(|| {
            let open = Open::new(next, joined.header);
            grown = Grown { bytes: open.chunk.bytes.len(), chunk: true };
            open
        });
        open.chunk.first = open.chunk.first.min(from);
        open.chunk.last = open.chunk.last.max(to);
        (open, grown)
    }
}

impl Open {
    fn new(base: u64, header: Option<&Header>) -> Self {
        let mut bytes = Vec::new();
        if let Some(header) = header {
            // What was lost is told of the graph, not of each piece of it.
            let header = Header { lost: Loss::default(), ..header.clone() };
            entity(&Record::Header(header), &mut bytes);
        }
        Self {
            chunk: Chunk { base, bytes: Arc::new(bytes), first: i64::MAX, last: i64::MIN },
            processes: HashMap::default(),
            files: HashSet::default(),
        }
    }

    /// Writes the entities that a record names and that this chunk does not have as they are now.
    fn describe(&mut self, joined: &Joined<'_>) {
        if let Some(process) = joined.process {
            let look = look(process, joined.container);
            if self.processes.get(&process.oid) != Some(&look) {
                self.describe_process(joined, process.oid, look);
            }
        }
        for file in [joined.file, joined.new_file].into_iter().flatten() {
            if self.files.insert(file.oid) {
                entity(&Record::File(file.clone()), Arc::make_mut(&mut self.chunk.bytes));
            }
        }
    }

    fn describe_process(&mut self, joined: &Joined<'_>, oid: Oid, new: u64) {
        let bytes = Arc::make_mut(&mut self.chunk.bytes);
        if let Some(container) = joined.container {
            joined.pod.into_iter().for_each(|pod| entity(&Record::Pod(pod.clone()), bytes));
            entity(&Record::Container(container.clone()), bytes);
        }
        let mut lineage: Vec<_> = joined.ancestors().collect();
        lineage.reverse();
        for process in lineage {
            let is_new = if process.oid == oid {
                self.processes.insert(oid, new);
                true
            } else {
                let look = look(process, None);
                match self.processes.entry(process.oid) {
                    // It acts itself when it changes, and is described then.
                    hashbrown::hash_map::Entry::Occupied(_) => false,
                    hashbrown::hash_map::Entry::Vacant(entry) => {
                        entry.insert(look);
                        true
                    }
                }
            };
            if is_new {
                let graph = joined.graph_of(process);
                // Readers keep what changed over what was there before: here the last one always holds.
                let process = Process {
                    state: ObjectState::Modified,
                    graph_id: graph.id.to_string(),
                    parent_graph_id: graph.parent.map(|id| id.to_string()).unwrap_or_default(),
                    ..process.clone()
                };
                entity(&Record::Process(process), bytes);
            }
        }
    }
}

/// Changes whenever a description of the process does: a writer gives each the time of what made it necessary.
fn look(process: &Process, container: Option<&Container>) -> u64 {
    let names = container.map_or(0, |container| container.name.len() << 8 ^ container.image.len());
    let texts = process.exe.len() << 40 ^ process.exe_args.len() << 20 ^ process.cwd.len() << 10;
    let rest = process.user_name.len() << 8 ^ process.graph_id.len() << 4 ^ usize::from(process.tty);
    let who = u64::from(process.uid as u32) << 32 | u64::from(process.gid as u32);
    [process.ts as u64, process.state as u64, who, texts as u64, rest as u64, names as u64]
        .into_iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, part| {
            (hash ^ part).wrapping_mul(0x0100_0000_01b3).rotate_left(23)
        })
}

fn entity(record: &Record, bytes: &mut Vec<u8>) {
    bytes.push(Tag::Entity as u8);
    encode(Schema::Extended, record, bytes);
}

impl Chunk {
    fn walk(&self, each: &mut impl FnMut(Step<'_>)) -> Option<()> {
        let (mut rest, mut entities, mut number) = (self.bytes.as_slice(), Entities::default(), self.base);
        while let Some((tag, body)) = rest.split_first() {
            rest = body;
            let node = match *tag {
                tag if tag == Tag::Move as u8 => {
                    each(Step::Move(Move::read(&mut rest)?));
                    continue;
                }
                tag if tag == Tag::Placed as u8 => Some(Key::from_bytes(take(&mut rest)?)),
                _ => None,
            };
            let (record, length) = decode(Schema::Extended, rest).ok()?;
            rest = rest.get(length..)?;
            entities.apply(&record);
            if *tag != Tag::Entity as u8 {
                each(Step::Record { number, node, joined: &entities.join(&record) });
                number = number.saturating_add(1);
            }
        }
        Some(())
    }
}

impl Move {
    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.push(Tag::Move as u8);
        bytes.push(u8::from(self.source.is_some()) | u8::from(self.edge.is_some()) << 1);
        bytes.extend_from_slice(&self.ts.to_le_bytes());
        bytes.extend_from_slice(&self.since.to_le_bytes());
        bytes.extend_from_slice(&self.to.bytes());
        put_oid(self.process, bytes);
        if let Some((oid, key)) = self.source {
            put_oid(oid, bytes);
            bytes.extend_from_slice(&key.bytes());
        }
        if let Some((key, kind)) = self.edge {
            bytes.extend_from_slice(&key.bytes());
            bytes.push(kind as u8);
        }
    }

    fn read(rest: &mut &[u8]) -> Option<Self> {
        let [parts] = take(rest)?;
        let ts = i64::from_le_bytes(take(rest)?);
        let since = i64::from_le_bytes(take(rest)?);
        let to = Key::from_bytes(take(rest)?);
        let process = get_oid(rest)?;
        let source = if parts & 1 == 0 { None } else { Some((get_oid(rest)?, Key::from_bytes(take(rest)?))) };
        let edge = if parts & 2 == 0 {
            None
        } else {
            let key = Key::from_bytes(take(rest)?);
            let [kind] = take(rest)?;
            Some((key, EdgeKind::between_processes(kind)?))
        };
        Some(Self { process, to, source, edge, ts, since })
    }
}

fn put_oid(oid: Oid, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(&oid.create_ts.to_le_bytes());
    bytes.extend_from_slice(&oid.hpid.to_le_bytes());
}

fn get_oid(rest: &mut &[u8]) -> Option<Oid> {
    Some(Oid { create_ts: i64::from_le_bytes(take(rest)?), hpid: i64::from_le_bytes(take(rest)?) })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, left) = rest.split_first_chunk()?;
    *rest = left;
    Some(*taken)
}

/// Bytes as one piece, not as a list of numbers.
mod bytes {
    use std::fmt;
    use std::sync::Arc;

    use serde::de::{Error, Visitor};
    use serde::{Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &Arc<Vec<u8>>, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(bytes)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Arc<Vec<u8>>, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Vec<u8>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the bytes of a chunk")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }
        }
        from.deserialize_bytes(Bytes).map(Arc::new)
    }
}
