//! Typed operations in, SysFlow records out.
//!
//! A [`Recorder`] takes what system calls did ([`Event`]), one after the other, keeps what there is to know of
//! processes, descriptors, working directories, containers and users, folds reads and writes into flows, and hands
//! records to a [`Sink`] in the order that makes a trace readable. It does no I/O and reads no clock: time is that of
//! the events, and what it cannot know from them it asks of a [`Host`]. By default every kind of file gives flows
//! (regular files, directories, pipes, unix sockets) and no read is left out; [`Compat`] follows SysFlow's own
//! collector instead. Every event is counted as folded, ignored with a reason, or lost with a reason ([`Counters`]).
#![forbid(unsafe_code)]

mod config;
mod counters;
mod emit;
mod flows;
mod graph;
mod handle;
mod host;
mod identity;
mod loss;
mod mask;
pub mod op;
mod recorder;
mod state;
mod text;
mod timers;
mod view;

pub use config::{Compat, Config, Env, FileMode, Limits, Modes, ReadFilter, Reduction};
pub use counters::{Counters, Lost};
pub use host::{Host, Initial, InitialFd, InitialFdKind, NoHost};
pub use identity::Identity;
pub use op::{Event, Op};
pub use recorder::{Recorder, Sink, Urgency};
pub use view::{DescriptorView, ProcessView};
