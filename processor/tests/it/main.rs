//! The service's parts against the outside: sockets, disks, HTTP and the command line.

mod access;
mod actions;
mod alert;
mod api;
mod archive;
mod checkpoint;
mod cli;
mod config;
mod doctor;
mod engine;
mod falcosidekick;
mod graphs;
mod input;
mod latency;
mod limits;
mod lists;
mod packets;
mod plugin;
mod queue;
mod records;
mod reload;
mod rule_counts;
mod rules;
mod sidekick;
mod store;
mod ui_proxy;
