//! What can go wrong in this program, and which exit status that means.

use std::io;
use std::path::Path;

/// Why a command or service could not go on. Messages say what, where, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command line or a condition on it makes no sense.
    #[error("{0}")]
    Usage(String),
    /// Something that was given (capture, trace, rules, configuration) has errors, or a resource cannot be had.
    #[error("{0}")]
    Failed(String),
    /// The operating system refused.
    #[error("{what}: {source}")]
    Io {
        /// What was tried, with the path.
        what: String,
        /// Its answer.
        source: io::Error,
    },
    /// A trace or stream could not be read or written.
    #[error(transparent)]
    Sysflow(#[from] sysflow::error::Error),
    /// Standard output was closed by its reader: no error, we just stop.
    #[error("standard output was closed")]
    BrokenPipe,
}

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Exit status: 0 when the reader of our output went away, 2 for wrong use, 1 for everything else.
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::BrokenPipe => 0,
            Self::Usage(_) => 2,
            Self::Failed(_) | Self::Io { .. } | Self::Sysflow(_) => 1,
        }
    }

    /// For `map_err` on an operation with a file.
    pub fn io(action: &str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let what = format!("cannot {action} {}", path.display());
        |source| Self::Io { what, source }
    }
}

/// For `map_err` on a write to standard output.
pub fn stdout(source: io::Error) -> Error {
    match source.kind() {
        io::ErrorKind::BrokenPipe => Error::BrokenPipe,
        _ => Error::Io { what: "cannot write to standard output".into(), source },
    }
}
