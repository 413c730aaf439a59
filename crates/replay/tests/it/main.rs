//! Integration tests of the capture reader, the converter and the plugin host.

mod bindings;
mod captures;
mod compile;
mod conversion;
mod damage;
mod fuzz;
mod host_c;
mod plugins;
mod state;
mod support;
