//! `sysflow demo`.

use std::io::{Write, stderr};
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use indicatif::ProgressBar;

use super::listen::{self, Listen};
use super::{Speed, runtime};
use crate::capture::{self, Origin, Replay};
use crate::config::{self, Config};
use crate::error::{Error, Result};
use crate::output::{Lines, Output, Terminal};
use crate::service::{Parts, Service};
use crate::stop::Stop;

/// The capture of an intrusion that comes with the program.
const BUNDLED: Origin<'static> =
    Origin::Bytes("shop-attack.scap", include_bytes!("../../../tests/data/shop-attack.scap"));

/// How long `--once` waits for Falcosidekick to take the alerts.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  sysflow demo                    in real time, as if it happened now; Ctrl-C ends it\n  \
                        sysflow demo --once -o json     at full speed, an alert a line, then the end"
)]
pub(super) struct Args {
    /// Replay at full speed with the recorded times, then end.
    #[arg(long)]
    once: bool,
    /// Form of the alerts on standard output.
    #[arg(short, long, value_enum, default_value_t = Form::Text)]
    output: Form,
    /// Another capture than the bundled one.
    #[arg(long, value_name = "FILE")]
    capture: Option<PathBuf>,
    /// Directory that keeps records and alerts.
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    #[command(flatten)]
    listen: Listen,
    /// The plugin. Default: libsysflow.so beside this program or where it is installed.
    #[arg(long, value_name = "SO")]
    plugin: Option<PathBuf>,
    /// Settings of the plugin as a JSON object.
    #[arg(long, value_name = "JSON")]
    config: Option<String>,
    /// Pace. Default: realtime, with --once max.
    #[arg(long, value_enum)]
    speed: Option<Speed>,
    /// Rules files; without any, the rules that are built in.
    #[arg(long, value_name = "FILE")]
    rules: Vec<PathBuf>,
    /// Falcosidekick to send the alerts to as well.
    #[arg(long, value_name = "URL", env = "FALCOSIDEKICK_URL")]
    falcosidekick: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

pub(super) fn run(args: &Args) -> Result<()> {
    let mut config = Config { store: args.store.clone(), ..Config::default() };
    args.listen.apply(&mut config.api)?;
    config.rules.files.clone_from(&args.rules);
    let url = args.falcosidekick.as_deref().filter(|url| !url.is_empty());
    config.alerts.falcosidekick = url.map(config::Sidekick::at);

    let plugin_config = capture::parse_config(args.config.as_deref())?;
    let origin = args.capture.as_deref().map_or(BUNDLED, Origin::File);
    // What is wrong with the capture or the plugin is said before anything is started.
    origin.open()?;
    let plugin = capture::load_plugin(args.plugin.as_deref())?;
    if !capture::is_ours(&plugin) {
        return Err(Error::Failed(format!("{} is not the SysFlow plugin", plugin.path().display())));
    }
    let dir = tempfile::Builder::new()
        .prefix("sysflow-")
        .tempdir()
        .map_err(|source| Error::Io { what: "cannot make a temporary directory".into(), source })?;
    let socket = dir.path().join("demo.sock");
    config.inputs.push(config::Input { socket: socket.clone(), ..Default::default() });

    let (runtime, stop) = runtime()?;
    let speed = args.speed.unwrap_or(if args.once { Speed::Max } else { Speed::Realtime });
    let bar = capture::bar();
    let no_api = args.once && args.listen.listen.is_none();
    let output: Box<dyn Output> = match args.output {
        Form::Text => Box::new(Terminal::new(Some(bar.clone()), !no_api)),
        Form::Json => Box::new(Lines::stdout()),
    };
    // Its own wish to stop is never used: Ctrl-C ends the replay, and the plugin then delivers what it has.
    let mut service = Service::start(
        &config,
        Parts { outputs: vec![output], repeat: true, no_api, closed: stop.clone() },
        runtime.handle(),
        &Stop::default(),
    )?;
    if let Some(page) = listen::page(&service) {
        say(&bar, &page);
    }
    if !args.once {
        let pace = if speed == Speed::Realtime { " in real time, as if it happened now" } else { "" };
        say(&bar, &format!("replaying {}{pace}", origin.name()));
    }
    let replay = Replay {
        capture: origin,
        plugin: &plugin,
        config: plugin_config,
        speed: speed.into(),
        shift_to_now: !args.once,
        bar: bar.clone(),
    };
    let replayed = replay.run(Some(&socket), &stop);
    service.drain_inputs();
    service.finish_windows();
    let stays = replayed.is_ok() && !args.once;
    if stays && !stop.is_set() {
        invite(&service, &bar);
        wait(&runtime, &stop);
    }
    let left =
        service.shut_down(runtime.handle(), if args.once { PATIENCE } else { Duration::from_secs(1) })?;
    replayed?;
    if left > 0 {
        let url = url.unwrap_or_default();
        return Err(Error::Failed(format!(
            "{left} alerts could not be delivered to Falcosidekick at {url}; is it running?"
        )));
    }
    Ok(())
}

/// Says where the worst graph is.
fn invite(service: &Service, bar: &ProgressBar) {
    let worst = service.world().lock().graphs.list("", 1).graphs.into_iter().find(|graph| graph.alerts > 0);
    match (worst, service.address()) {
        (Some(graph), Some(address)) => {
            say(bar, &format!("\nThe graph of the attack: http://{address}/g/{}\nCtrl-C ends.", graph.id));
        }
        _ => say(bar, "\nNo alerts. Ctrl-C ends."),
    }
}

fn wait(runtime: &tokio::runtime::Runtime, stop: &Stop) {
    runtime.block_on(stop.wait());
}

/// A line on standard error, which the progress bar does not overwrite.
fn say(bar: &ProgressBar, line: &str) {
    bar.suspend(|| _ = writeln!(stderr(), "{line}"));
}
