//! The one error of this crate.

use std::{io, path::PathBuf};

/// What can go wrong with a capture, a conversion or a plugin; the text says what failed, where, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The capture file cannot be opened.
    #[error("cannot open capture {path}: {source}", path = path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },

    /// Reading stopped with an error of the file system.
    #[error("cannot read capture {path} at byte {offset} of its content: {source}")]
    Read {
        /// The file, as shown to the user.
        path: String,
        /// Offset in the decompressed content.
        offset: u64,
        /// Why.
        source: io::Error,
    },

    /// The file is not a capture in libscap's format.
    #[error(
        "{path} is not a .scap capture: {problem}; record one with Falco's capture feature or sysdig -w, \
         gzip is fine, pcap and .sf are not"
    )]
    NotACapture {
        /// The file, as shown to the user.
        path: String,
        /// What was found instead.
        problem: String,
    },

    /// The file ends in the middle of something: it was cut, or its writer was killed.
    #[error(
        "capture {path} is cut off at byte {offset} of its content, in {block}: {problem}; all events before \
         it were read, copy or record the file again to get the rest"
    )]
    Truncated {
        /// The file, as shown to the user.
        path: String,
        /// Offset in the decompressed content.
        offset: u64,
        /// The block it happened in.
        block: String,
        /// What was expected.
        problem: String,
    },

    /// The content contradicts itself.
    #[error(
        "capture {path} is corrupt at byte {offset} of its content, in {block}: {problem}; all events before it \
         were read, copy or record the file again to get the rest"
    )]
    Corrupt {
        /// The file, as shown to the user.
        path: String,
        /// Offset in the decompressed content.
        offset: u64,
        /// The block it happened in.
        block: String,
        /// What is wrong.
        problem: String,
    },

    /// A parameter is too long for the length field of its event type.
    #[error("parameter {index} of event {event} has {len} bytes, more than its length field can say")]
    ParameterTooLong {
        /// Name of the event type.
        event: &'static str,
        /// Which parameter.
        index: usize,
        /// Its size in bytes.
        len: usize,
    },

    /// Bytes that were given as an event are not one.
    #[error("invalid event: {0}")]
    Event(#[from] crate::event::Malformed),

    /// An event of an old schema has no way to the current one.
    #[error("cannot convert event: {0}")]
    Convert(#[from] crate::convert::ConvertError),

    /// The file cannot be loaded as a plugin.
    #[error("cannot load plugin {path}: {problem}", path = path.display())]
    Plugin {
        /// The file.
        path: PathBuf,
        /// Why, and what to do.
        problem: String,
    },

    /// A plugin refused a call; the text is its own.
    #[error("plugin {plugin}: {call} failed: {message}")]
    Call {
        /// Name of the plugin.
        plugin: String,
        /// The function.
        call: &'static str,
        /// What `plugin_get_last_error` says.
        message: String,
    },

    /// A field cannot be asked for as written.
    #[error("plugin {plugin} cannot extract {field}: {problem}")]
    Field {
        /// Name of the plugin.
        plugin: String,
        /// The field as written.
        field: String,
        /// What is wrong.
        problem: String,
    },
}
