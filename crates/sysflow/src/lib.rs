//! The SysFlow data model: what a record is, how it is written and read, and what its attributes are called.
//!
//! SysFlow describes a host's behaviour with *entities* (containers, processes, files, pods), *events* (a process
//! was started, a file was removed) and *flows* (all reads of one file, all sends over one connection, folded into
//! one record with counts). This crate holds the records, their Avro codec and `.sf` files, the frames that carry
//! them between the Falco plugin and the processor, the table of `sf.*` attributes, and the identifiers of
//! processes, files and graphs. It does no policy and keeps no state beyond the entity tables of [`Entities`].
#![forbid(unsafe_code)]

mod aging;
pub mod attr;
pub mod avro;
pub mod docs;
pub mod entities;
pub mod error;
pub mod file;
pub mod format;
pub mod graph;
pub mod id;
pub mod priority;
pub mod record;
pub mod schema;
pub mod stream;
pub mod time;

pub use entities::{Entities, Joined};
pub use error::{Error, Result};
pub use file::{Codec, Reader, Writer};
pub use id::{Foid, GraphId, Oid};
pub use priority::Priority;
pub use record::Record;
pub use schema::Schema;
