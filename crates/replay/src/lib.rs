//! Reader of Falco's capture files (.scap) and a host that loads any Falco plugin over the C ABI and feeds it one.
//!
//! [`scap`] streams a capture, gzip or not, and yields events in exactly the bytes a plugin gets from Falco;
//! [`convert`] brings events of older schemas to the current layout on the way; [`host`] loads a plugin, gives it
//! the capture's process list as Falco's `threads` table and drives it. Nothing here reads the machine it runs on.

pub mod convert;
mod error;
pub mod event;
pub mod host;
pub mod scap;
pub mod schema;

pub use error::Error;
pub use event::RawEvent;
pub use scap::Capture;
