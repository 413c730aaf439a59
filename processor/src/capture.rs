//! A capture through the real plugin: find it, configure it, feed it, and show how far it is.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Map, Value, json};
use sysflow_replay::Capture;
use sysflow_replay::host::{self, Log, Options, Plugin, Progress, ReplayStats, Severity, Speed};

use crate::error::{Error, Result};
use crate::stop::Stop;

/// File name of our plugin.
const FILE: &str = "libsysflow.so";

/// Name that our plugin gives itself.
const NAME: &str = "sysflow";

/// Memory for records that wait to be written, in MiB: a replay at full speed is faster than any consumer.
const BUFFER_MIB: u32 = 1024;

/// Where a capture comes from.
#[derive(Clone, Copy, Debug)]
pub enum Origin<'a> {
    /// A file.
    File(&'a Path),
    /// Bytes that are part of the program, with a name.
    Bytes(&'static str, &'static [u8]),
}

/// How a capture is replayed.
#[derive(Debug)]
pub struct Replay<'a> {
    /// The capture.
    pub capture: Origin<'a>,
    /// The plugin.
    pub plugin: &'a Plugin,
    /// Settings of the plugin, over our own.
    pub config: Map<String, Value>,
    /// Pace.
    pub speed: Speed,
    /// Whether its events happen now instead of when they were recorded.
    pub shift_to_now: bool,
    /// Where progress is shown.
    pub bar: ProgressBar,
}

impl Origin<'_> {
    /// Opens it and reads its head.
    pub fn open(&self) -> Result<Capture> {
        match self {
            Self::File(path) => Capture::open(path).map_err(failed),
            Self::Bytes(name, bytes) => Capture::from_bytes(name, *bytes).map_err(failed),
        }
    }

    /// Name for messages.
    pub fn name(&self) -> String {
        match self {
            Self::File(path) => path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned(),
            Self::Bytes(name, _) => (*name).to_owned(),
        }
    }
}

/// Loads the given plugin, or the one that lies where it is installed or built.
pub fn load_plugin(given: Option<&Path>) -> Result<Plugin> {
    let path = match given {
        Some(path) => path.to_owned(),
        None => find_plugin()?,
    };
    Plugin::load(&path).map_err(failed)
}

/// Whether a plugin is ours and understands our settings.
pub fn is_ours(plugin: &Plugin) -> bool {
    plugin.name() == NAME
}

/// Settings given as a JSON object on the command line.
pub fn parse_config(text: Option<&str>) -> Result<Map<String, Value>> {
    let Some(text) = text else { return Ok(Map::new()) };
    match serde_json::from_str(text) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => {
            Err(Error::Usage(r#"--config: a JSON object is expected, such as '{"schema":"v5"}'"#.into()))
        }
        Err(e) => Err(Error::Usage(format!(
            r#"--config: {e}; a JSON object is expected, such as '{{"schema":"v5"}}'"#
        ))),
    }
}

/// A bar for standard error; hidden when that is no terminal, where the last line says it all.
pub fn bar() -> ProgressBar {
    let target = if std::io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let bar = ProgressBar::with_draw_target(Some(100), target);
    let style = ProgressStyle::with_template("{prefix} {wide_bar} {percent}%  {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

impl Replay<'_> {
    /// Replays it through a socket on which a processor listens. Returns when the plugin has closed the capture.
    pub fn run(mut self, socket: Option<&Path>, stop: &Stop) -> Result<ReplayStats> {
        let capture = self.capture.open()?;
        if is_ours(self.plugin) {
            // A replay reads nothing of the machine it runs on, and all that is recorded was someone else's doing.
            let mut own = Map::from_iter([
                ("node".to_owned(), json!(capture.machine.hostname_lossy())),
                ("observe_self".to_owned(), json!(true)),
                ("buffer_mib".to_owned(), json!(BUFFER_MIB)),
            ]);
            if let Some(socket) = socket {
                own.insert("socket".to_owned(), json!(socket));
            }
            own.append(&mut self.config);
            self.config = own;
        }
        let name = self.capture.name();
        self.bar.set_prefix(name.clone());
        let options = Options {
            speed: self.speed,
            start_ns: self.shift_to_now.then(now_ns),
            stop: Some(stop.flag()),
            log: plugin_log(),
            ..Options::default()
        };
        let config = Value::Object(self.config).to_string();
        let bar = self.bar.clone();
        let stats =
            host::replay(capture, self.plugin, &config, &options, &mut |progress| show(&bar, progress));
        self.bar.finish_and_clear();
        let stats = stats.map_err(failed)?;
        if stats.parse_errors > 0 {
            tracing::warn!(
                events = stats.parse_errors,
                last = stats.last_parse_error.as_deref().unwrap_or_default(),
                "the plugin refused events"
            );
        }
        Ok(stats)
    }
}

/// The plugin that lies beside this program, or where it is installed.
pub fn find_plugin() -> Result<PathBuf> {
    let executable = std::env::current_exe().ok();
    let beside = executable.as_deref().and_then(Path::parent);
    let places: Vec<PathBuf> = [
        beside.map(|dir| dir.join(FILE)),
        beside.map(|dir| dir.join("../lib/sysflow").join(FILE)),
        Some(Path::new("/usr/lib/sysflow").join(FILE)),
    ]
    .into_iter()
    .flatten()
    .collect();
    places.iter().find(|path| path.is_file()).cloned().ok_or_else(|| {
        let tried: Vec<_> = places.iter().map(|path| format!("\n  {}", path.display())).collect();
        Error::Failed(format!(
            "the plugin {FILE} is in none of its places; build it (make build) or say where it is with --plugin:{}",
            tried.concat()
        ))
    })
}

fn show(bar: &ProgressBar, progress: &Progress<'_>) {
    if let Some(total) = progress.bytes_total {
        bar.set_length(total);
        bar.set_position(progress.bytes_read.min(total));
    }
    bar.set_message(rate(progress.stats, progress.elapsed));
    if progress.done {
        bar.finish_and_clear();
    }
}

/// `31162 events, 402 thousand a second`.
pub fn rate(stats: &ReplayStats, elapsed: Duration) -> String {
    let per_second = stats.events as f64 / elapsed.as_secs_f64().max(1e-6);
    match per_second {
        fast if fast >= 1e6 => format!("{} events, {:.1} million a second", stats.events, fast / 1e6),
        fast if fast >= 1e4 => format!("{} events, {:.0} thousand a second", stats.events, fast / 1e3),
        slow => format!("{} events, {slow:.0} a second", stats.events),
    }
}

fn plugin_log() -> Log {
    Log::new(|severity, line| {
        let line = crate::alert::text::ascii(line);
        match severity {
            Severity::Fatal | Severity::Critical | Severity::Error => {
                tracing::error!(target: "plugin", "{line}");
            }
            Severity::Warning => tracing::warn!(target: "plugin", "{line}"),
            Severity::Notice | Severity::Info => tracing::info!(target: "plugin", "{line}"),
            Severity::Debug | Severity::Trace => tracing::debug!(target: "plugin", "{line}"),
        }
    })
}

fn now_ns() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    since.as_nanos() as u64
}

#[allow(clippy::needless_pass_by_value, reason = "the shape that map_err takes")]
fn failed(error: sysflow_replay::Error) -> Error {
    Error::Failed(error.to_string())
}
