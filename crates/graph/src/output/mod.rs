//! What is said of graphs: one as a document, all as a list.

mod document;
mod list;
mod query;
mod render;
mod select;

pub use document::{
    ContainerView, Document, EdgeView, InstanceView, LossView, NodeView, SampleView, SeriesView, Window,
};
pub use list::{Listing, RootView, Summary};
pub use query::{Around, Query};
