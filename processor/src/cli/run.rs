//! `sysflow run`.

use std::io::{IsTerminal, Write, stderr};
use std::path::PathBuf;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use super::listen::{self, Listen};
use super::runtime;
use crate::config::{self, Stdout};
use crate::error::{Error, Result};
use crate::output::{AtLeast, Lines, Output, Terminal};
use crate::service::{Parts, Service};

/// How long a stopping service waits for Falcosidekick to take what it can take at once; the rest stays in the queue.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Debug, clap::Args)]
#[command(after_help = "Example: sysflow run --config /etc/sysflow/sysflow.yaml")]
pub(super) struct Args {
    /// Configuration file; without one, everything is as by default.
    #[arg(short, long, value_name = "FILE", env = "SYSFLOW_CONFIG")]
    config: Option<PathBuf>,
    #[command(flatten)]
    listen: Listen,
}

pub(super) fn run(args: &Args) -> Result<()> {
    let mut config = args.config.as_deref().map(config::load).transpose()?.unwrap_or_default();
    args.listen.apply(&mut config.api)?;
    if config.inputs.is_empty() {
        config.inputs.push(config::Input::default());
    }
    let outputs: Vec<Box<dyn Output>> = match config.alerts.stdout {
        Stdout::None => Vec::new(),
        Stdout::Text => {
            vec![Box::new(AtLeast::new(Terminal::new(None, true), config.alerts.stdout_min_priority))]
        }
        Stdout::Json => vec![Box::new(AtLeast::new(Lines::stdout(), config.alerts.stdout_min_priority))],
    };
    let (runtime, stop) = runtime()?;
    // Before the start, which may take long: without us, this signal ends the process.
    let mut hangup = runtime
        .block_on(async { signal(SignalKind::hangup()) })
        .map_err(|source| Error::Io { what: "cannot listen for signals".into(), source })?;
    let service = Service::start(&config, Parts { outputs, ..Parts::default() }, runtime.handle(), &stop)?;
    let reload = service.reload_rules();
    runtime.spawn(async move {
        while hangup.recv().await.is_some() {
            tracing::info!("SIGHUP: the rules files are read again");
            reload();
        }
    });
    if let Some(page) = listen::page(&service) {
        // Also with --log error: without it nobody gets in.
        match service.token() {
            Some(_) if stderr().is_terminal() => _ = writeln!(stderr(), "{page}"),
            _ => tracing::info!("{page}"),
        }
    }
    for input in &config.inputs {
        tracing::info!(socket = %input.socket.display(), "waiting for plugins");
    }
    runtime.block_on(stop.wait());
    tracing::info!("stopping");
    let waiting = service.shut_down(runtime.handle(), PATIENCE)?;
    if waiting > 0 {
        tracing::warn!(
            alerts = waiting,
            "alerts still wait for Falcosidekick; with a store they are sent after the next start"
        );
    }
    Ok(())
}
