//! `sysflow config`.

use std::io::{Write, stdout};
use std::path::PathBuf;

use crate::config;
use crate::error::{self, Result};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Print the JSON schema of sysflow.yaml, for editors and charts.
    #[command(after_help = "Example: sysflow config schema > sysflow.schema.json")]
    Schema,
    /// Check a configuration file.
    #[command(after_help = "Example: sysflow config check sysflow.yaml")]
    Check {
        /// The file.
        file: PathBuf,
    },
}

pub(super) fn run(command: &Command) -> Result<()> {
    let mut out = stdout().lock();
    match command {
        Command::Schema => writeln!(out, "{:#}", config::json_schema()).map_err(error::stdout),
        Command::Check { file } => {
            config::load(file)?;
            writeln!(out, "{}: fine", file.display()).map_err(error::stdout)
        }
    }
}
