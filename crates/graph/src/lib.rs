//! Behaviour graphs: what one application instance or session did, drawn from SysFlow records.
//!
//! Records go in joined with their entities; pictures come out. A node is a *behaviour*, not a pid: processes with equal
//! executable, arguments, user, group, terminal, container and parent behaviour share one and list their instances.
//! Each has at most one files node and one net node, which say how much was done and to what, with the most telling
//! paths and endpoints. The crate does no I/O and reads no clock, holds bounded memory, and says what it left out.
//! Where no bound is met, a document is a function of the set of records, whatever their order between processes.
#![forbid(unsafe_code)]

mod error;
mod limits;
mod live;
mod output;
mod question;

pub use error::QueryError;
pub use limits::Limits;
pub use live::{AlertMark, Graphs};
pub use output::{
    Against, Around, Change, ContainerView, Cursor, Document, EdgeView, InstanceView, ListQuery, Listing,
    LossView, NodeView, Query, RootView, SampleView, SeriesView, Snapshot, Summary, Weight, Window,
};
pub use question::{
    Attack, Beacon, BinView, ColumnView, Direction, GraphLink, LinkView, Links, MAX_BINS, MitigationView,
    PeerView, Projection, TechniqueView, Timeline, Traffic, TrafficView, is_known_technique,
};
pub use sysflow::Priority;
