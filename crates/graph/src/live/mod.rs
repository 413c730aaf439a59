//! Graphs as they grow.

mod activity;
mod alert;
mod behaviour;
mod graph;
mod graphs;
mod net;
mod node;
mod process;
mod series;
mod trail;

pub(crate) use activity::{Activity, Target, TargetKey};
pub use alert::AlertMark;
pub(crate) use behaviour::Key;
pub(crate) use graph::{EdgeKind, Graph, bytes_of, paths, span};
pub use graphs::Graphs;
pub(crate) use graphs::Hole;
pub(crate) use net::{Direction, Endpoint, NetKey, proto_name};
pub(crate) use node::{Node, Tally};
pub(crate) use series::Series;
pub(crate) use trail::{Move, Step};
