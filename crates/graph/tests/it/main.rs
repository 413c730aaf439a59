//! Graphs drawn from literal records.

mod answers;
mod bounds;
mod intrusion;
mod net;
mod processes;
mod properties;
mod questions;
mod reach;
mod trace;
