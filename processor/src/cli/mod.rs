//! The command line: what each command takes, and how its end becomes an exit status.
//!
//! Exit status: 0 done, whatever was or was not matched; 1 failed, or input with errors; 2 wrong use.

mod config;
mod demo;
mod doctor;
mod graph;
mod install;
mod listen;
mod log;
mod print;
mod query;
mod replay;
mod rules;
mod run;
mod ui_proxy;

use std::io::{Write, stderr};
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

use crate::error::{Error, Result};
use crate::stop::Stop;

/// SysFlow for Falco: behaviour graphs and alerts of what processes do.
#[derive(Debug, Parser)]
#[command(name = "sysflow", version, arg_required_else_help = true, after_help = "Example: sysflow demo")]
struct Cli {
    /// Least severity of log lines on standard error: error, warn, info, debug, trace, or a filter such as `plugin=debug`.
    #[arg(long, global = true, value_name = "LEVEL", env = "SYSFLOW_LOG")]
    log: Option<String>,
    /// Form of log lines.
    #[arg(long, global = true, value_enum, default_value_t = log::Format::Text, value_name = "FORM")]
    log_format: log::Format,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the sidecar service.
    Run(run::Args),
    /// Replay the bundled capture of an intrusion through the plugin: alerts here, graphs in the browser.
    Demo(demo::Args),
    /// Replay a .scap capture through the plugin, into a .sf file or a running service.
    Replay(replay::Args),
    /// Print the records of .sf files.
    Print(print::Args),
    /// Draw the graphs of .sf files as JSON.
    Graph(graph::Args),
    /// Ask what was recorded, by a condition of the rules or by SQL.
    Query(query::Args),
    /// Check and list rules.
    #[command(subcommand)]
    Rules(rules::Command),
    /// Look at Falco, the plugin and the service on this host, and say what is wrong and how to mend it.
    Doctor(doctor::Args),
    /// Check the configuration of the service, or print its JSON schema.
    #[command(subcommand)]
    Config(config::Command),
    /// Show graphs inside Falcosidekick-UI: a proxy in front of it.
    UiProxy(ui_proxy::Args),
    /// Put the plugin where Falco finds it, and give directories to the user of the service.
    Install(install::Args),
}

/// Pace of a replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Speed {
    /// With the pauses of the recording.
    Realtime,
    /// As fast as possible.
    Max,
}

impl From<Speed> for sysflow_replay::host::Speed {
    fn from(speed: Speed) -> Self {
        match speed {
            Speed::Realtime => Self::Realtime,
            Speed::Max => Self::Max,
        }
    }
}

/// Reads the command line and does what it says.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; a closed terminal is none either.
            _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let default = if matches!(cli.command, Command::Run(_) | Command::UiProxy(_)) { "info" } else { "warn" };
    let result =
        log::start(cli.log.as_deref().unwrap_or(default), cli.log_format).and_then(|()| match cli.command {
            Command::Run(args) => run::run(&args),
            Command::Demo(args) => demo::run(&args),
            Command::Replay(args) => replay::run(&args),
            Command::Print(args) => print::run(&args),
            Command::Graph(args) => graph::run(&args),
            Command::Query(args) => query::run(&args),
            Command::Rules(command) => rules::run(&command),
            Command::Doctor(args) => doctor::run(&args),
            Command::Config(command) => config::run(&command),
            Command::UiProxy(args) => ui_proxy::run(&args),
            Command::Install(args) => install::run(&args),
        });
    match result {
        Ok(()) | Err(Error::BrokenPipe) => ExitCode::SUCCESS,
        Err(error) => {
            // Not eprintln: that panics when nobody reads standard error.
            _ = writeln!(stderr(), "sysflow: {error}");
            ExitCode::from(error.exit_status())
        }
    }
}

/// A runtime for HTTP, and signals turned into the wish to stop.
fn runtime() -> Result<(tokio::runtime::Runtime, Stop)> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("http")
        .enable_all()
        .build()
        .map_err(|source| Error::Io { what: "cannot start the runtime".into(), source })?;
    let stop = Stop::default();
    runtime.block_on(async { stop.on_signals() })?;
    Ok((runtime, stop))
}
