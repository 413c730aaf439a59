//! Log lines on standard error.

use std::io::{IsTerminal, stderr};

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

use crate::error::{Error, Result};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts logging for the rest of the process.
pub(super) fn start(level: &str, format: Format) -> Result<()> {
    let filter = EnvFilter::builder().parse(level).map_err(|e| {
        Error::Usage(format!("--log {level:?}: {e}; error, warn, info, debug and trace are levels"))
    })?;
    // A standard error that nobody reads any more ends the log lines, not the threads that write them.
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr)
        .with_target(false)
        .log_internal_errors(false);
    let colour = stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let started = match format {
        Format::Text => builder.with_ansi(colour).try_init(),
        Format::Json => builder.json().try_init(),
    };
    started.map_err(|e| Error::Failed(format!("cannot start logging: {e}")))
}
