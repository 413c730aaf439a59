//! The real libsysflow.so, loaded over Falco's C interface and fed captures; its output taken as a processor takes it.

mod conformance;
mod documents;
mod falco_rules;
mod fields;
mod krsi;
mod live;
mod malformed;
mod output;
mod plugin;
mod restart;
mod support;
