//! A Parquet data set of SysFlow's events and flows, and the questions asked of it.
//!
//! One row is one event or flow with what was known of its process, container and file, under the names of the `sf.*`
//! attributes, and with what the rules said of it. A row is enough to have the record back as it was judged
//! ([`Restorer`]): so a condition means the same here as on a live stream, and a graph that has left memory is drawn
//! anew from its rows ([`History::graph`]). Files lie on a disk or in an object store ([`DataSet`]); each has the range
//! of records that it holds in its name, so that writing it again replaces it and nothing is lost or doubled by a kill.
//! The crate reads no clock but to keep a question within its time.
#![forbid(unsafe_code)]

mod builder;
mod column;
mod compact;
mod dataset;
mod dictionary;
mod encode;
mod error;
mod filter;
mod history;
mod names;
mod output;
mod query;
mod restore;
mod retain;
mod subject;
mod table;

pub use builder::{Judged, Rows, RowsBuilder};
pub use column::{COLUMNS, Column, Form};
pub use compact::Compaction;
pub use dataset::{DataSet, Objects, Segment};
pub use error::{Error, Result};
pub use history::{Found, History, Live};
pub use names::outside;
pub use output::{arrow_stream, csv, json_lines, table};
pub use query::{Answer, Asked, Limits, Scanned, What};
pub use restore::{RestoredRow, Restorer};
pub use retain::Retention;

/// Names and paths come from strangers: hashing is seeded.
type HashMap<K, V> = hashbrown::HashMap<K, V, foldhash::quality::RandomState>;
