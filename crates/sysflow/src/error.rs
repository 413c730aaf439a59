//! What can go wrong in this crate.

use std::io;

/// Why a datum, file or message could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Bytes that are no SysFlow datum.
    #[error("broken datum at byte {at}: {what}")]
    Datum {
        /// Offset from the start of the datum or, inside a block, from the start of the block.
        at: usize,
        /// What was found there.
        what: &'static str,
    },
    /// A schema that SysFlow records cannot be read with.
    #[error("unusable writer schema: {why}")]
    Schema {
        /// What is wrong with it.
        why: String,
    },
    /// A message of the plugin's stream that cannot be read; the connection is of no more use.
    #[error("broken stream message: {what}")]
    Message {
        /// What is wrong with it.
        what: String,
    },
    /// The operating system refused.
    #[error("cannot {action} {file}: {source}")]
    Io {
        /// What was tried, such as `open`.
        action: &'static str,
        /// On which file.
        file: String,
        /// Its answer.
        source: io::Error,
    },
    /// A file that is no .sf file, or that uses what we cannot read.
    #[error("{file} is not a readable .sf file: {why}")]
    NotSf {
        /// Which file.
        file: String,
        /// What is wrong, and what to do.
        why: String,
    },
    /// A .sf file that is damaged or cut short; all records before the damage were given.
    #[error("{file} is damaged: block at byte {block}, record {record} of the file: {why}")]
    Damaged {
        /// Which file.
        file: String,
        /// Offset of the block in the file.
        block: u64,
        /// Records read from the file before.
        record: u64,
        /// What is wrong, and what to do.
        why: String,
    },
}

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;
