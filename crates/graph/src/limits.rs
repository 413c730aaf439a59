//! Bounds on memory and on the size of pictures.

/// How much is kept, and how much of it one picture shows. Whatever goes beyond is counted, never silently gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Graphs kept; beyond, the one that was longest without a record goes, those without alerts first.
    pub graphs: usize,
    /// Cells over all graphs: nodes, edges, instances, paths and endpoints. A cell takes about 200 bytes.
    pub cells: usize,
    /// Process nodes of one graph; records of behaviours beyond it are counted, and the graph is marked truncated.
    pub nodes: usize,
    /// Instances listed on a node, newest first.
    pub instances: usize,
    /// Paths or endpoints of one node kept with their counts; the others are counted only.
    pub targets: usize,
    /// Paths or endpoints of one node that a picture lists.
    pub samples: usize,
    /// Processes that are remembered, dead ones go first.
    pub processes: usize,
    /// Holes in the data that are remembered, oldest go first.
    pub losses: usize,
    /// Bytes of records that are kept as they came, over all graphs: windows are counted from them, and questions go
    /// back to them. The oldest go first, and no graph has more than an eighth.
    pub history: usize,
    /// Bytes of one text (executable, arguments, path) that are kept.
    pub text: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            graphs: 1_024,
            cells: 1_000_000,
            nodes: 2_000,
            instances: 256,
            targets: 1_000,
            samples: 100,
            processes: 65_536,
            losses: 256,
            history: 64 << 20,
            text: 4_096,
        }
    }
}
