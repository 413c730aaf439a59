//! Integration tests of the crate `sysflow`.

mod arbitrary;
mod attrs;
mod avro;
mod documents;
mod files;
mod formats;
mod fuzz;
mod golden;
mod graphs;
mod oracle;
mod schema;
mod shared;
mod stream;
mod values;
