//! What libsysflow.so exports.
#![allow(missing_docs, reason = "the functions are those of Falco's plugin API, made by the SDK's macros")]

use std::ffi::c_char;

use falco_plugin::{capture_listen_plugin, extract_plugin, parse_plugin, plugin};

use crate::SysFlow;

/// Version of the event schema that we need: the first in which exit events carry all parameters of their call.
///
/// Falco 0.42 and later ask for this symbol, which the SDK of this version does not export; without it they take the
/// answer to be 3.0.0 and refuse to start. A replay does not ask.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn plugin_get_required_event_schema_version(
    _: *mut falco_plugin::api::ss_plugin_t,
) -> *const c_char {
    c"4.0.0".as_ptr()
}

// The version of the plugin API that the symbol above came with; older Falcos have another event schema.
plugin!(unsafe { 3; 12; 0 } => SysFlow);
parse_plugin!(SysFlow);
extract_plugin!(SysFlow);
capture_listen_plugin!(SysFlow);
