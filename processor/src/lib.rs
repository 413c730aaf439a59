//! The program `sysflow`: a sidecar service that turns the records of SysFlow plugins into alerts and graphs, and the
//! same for captures and traces on a laptop.
//!
//! ```text
//! input -> archive -> engine (join, judge, draw) -> outputs (terminal, file, queue -> Falcosidekick)
//!                        \-> world (graphs, alerts) -> api (JSON, page, metrics)
//! ```
//!
//! Inputs, engine and outputs are threads, and data flows one way through them; only HTTP runs on tokio.
#![forbid(unsafe_code)]

pub mod alert;
pub mod api;
pub mod archive;
pub mod calls;
pub mod capture;
pub mod checkpoint;
pub mod cli;
pub mod config;
pub mod doctor;
pub mod engine;
pub mod error;
pub mod exports;
mod hex;
pub mod input;
pub mod losses;
pub mod metrics;
pub mod output;
pub mod queue;
pub mod rules;
pub mod service;
pub mod sidekick;
pub mod stop;
pub mod store;
pub mod time;
pub mod ui_proxy;
pub mod world;

pub use error::{Error, Result};
