//! Graphs drawn from literal records.

mod bounds;
mod intrusion;
mod net;
mod processes;
mod properties;
mod questions;
mod trace;
