//! What an analyst asks of graphs.

mod attack;
mod diff;
mod flow;
mod links;
mod projection;
mod techniques;
mod timeline;
mod trace;
mod traffic;

pub use attack::{Attack, MitigationView, TechniqueView, is_known_technique};
pub use links::{GraphLink, Links};
pub use projection::{ColumnView, LinkView, Projection};
pub use timeline::{BinView, MAX_BINS, Timeline};
pub use trace::Direction;
pub use traffic::{Beacon, PeerView, Traffic, TrafficView};
