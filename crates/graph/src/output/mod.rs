//! What is said of graphs: one as a document, all as a list.

mod document;
mod list;
mod part;
mod query;
mod render;
mod select;
mod snapshot;

pub(crate) use document::text;
pub use document::{
    Against, Change, ContainerView, Document, EdgeView, InstanceView, LossView, NodeView, SampleView,
    SeriesView, Weight, Window,
};
pub use list::{Cursor, ListQuery, Listing, RootView, Summary};
pub(crate) use part::Part;
pub use query::{Around, Query};
pub(crate) use render::{Drawn, container, draw, drawn_as, endpoints, render};
pub use snapshot::Snapshot;
pub(crate) use snapshot::{EVER, Span};
