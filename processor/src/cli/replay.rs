//! `sysflow replay`.

use std::io::{Write, stderr};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::thread::JoinHandle;
use std::time::Instant;

use serde_json::{Map, Value, json};
use sysflow::file::Options;
use sysflow::file::writer::NewFile;
use sysflow::{Codec, Record, Schema, Writer};

use super::{Speed, runtime};
use crate::capture::{self, Origin, Replay};
use crate::engine::Batch;
use crate::error::{Error, Result};
use crate::input::{self, Input, Intake};
use crate::stop::Stop;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example: sysflow replay shop-attack.scap -o shop-attack.sf")]
pub(super) struct Args {
    /// The capture, gzip or not.
    capture: PathBuf,
    /// Falco plugin to replay it through. Default: libsysflow.so beside this program or where it is installed.
    #[arg(long, value_name = "SO")]
    plugin: Option<PathBuf>,
    /// Settings of the plugin as a JSON object, such as '{"schema":"v5"}'.
    #[arg(long, value_name = "JSON")]
    config: Option<String>,
    /// File to write the records to; it appears under its name only when it is complete.
    #[arg(short, long, value_name = "OUT.sf", conflicts_with = "socket")]
    output: Option<PathBuf>,
    /// Compression of the file: deflate, zstd (old readers do not know it), null.
    #[arg(long, value_name = "CODEC", default_value = "deflate", requires = "output")]
    codec: String,
    /// Socket of a running service to send the records to.
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Pace.
    #[arg(long, value_enum, default_value_t = Speed::Max)]
    speed: Speed,
}

pub(super) fn run(args: &Args) -> Result<()> {
    let plugin = capture::load_plugin(args.plugin.as_deref())?;
    let mut config = capture::parse_config(args.config.as_deref())?;
    if args.output.is_some() && !capture::is_ours(&plugin) {
        return Err(Error::Usage(format!(
            "-o: {} is not the SysFlow plugin, only that makes records",
            plugin.path().display()
        )));
    }
    let sink =
        args.output.as_deref().map(|output| Sink::start(output, &args.codec, &mut config)).transpose()?;
    if let Some(socket) = &args.socket {
        check_socket(socket)?;
    }
    let (_runtime, stop) = runtime()?;
    let socket = sink.as_ref().map(|sink| sink.socket.clone()).or_else(|| args.socket.clone());
    let bar = capture::bar();
    let replay = Replay {
        capture: Origin::File(&args.capture),
        plugin: &plugin,
        config,
        speed: args.speed.into(),
        shift_to_now: false,
        bar,
    };
    let started = Instant::now();
    let stats = replay.run(socket.as_deref(), &stop)?;
    let elapsed = started.elapsed();
    if stats.stopped {
        return Err(Error::Failed("the replay was interrupted; no file was written".into()));
    }
    let records = sink.map(|mut sink| sink.end(true)).transpose()?;
    let mut line = capture::rate(&stats, elapsed);
    if let (Some(records), Some(output)) = (records, &args.output) {
        line = format!("{line}; {records} records in {}", output.display());
    }
    _ = writeln!(stderr(), "{line}");
    Ok(())
}

/// The plugin would wait for a processor without end, as it does in Falco.
fn check_socket(socket: &Path) -> Result<()> {
    UnixStream::connect(socket).map(drop).map_err(|e| {
        let hint = "start the service (sysflow run) or name its socket";
        Error::Failed(format!("cannot connect to the socket {}: {e}; {hint}", socket.display()))
    })
}

/// A private socket whose records go into one file.
struct Sink {
    socket: PathBuf,
    input: Option<Input>,
    writing: Option<JoinHandle<Result<u64>>>,
    /// Set before the end when the file may get its name.
    complete: Arc<AtomicBool>,
    _dir: tempfile::TempDir,
}

impl Sink {
    fn start(output: &Path, codec: &str, config: &mut Map<String, Value>) -> Result<Self> {
        let codec: Codec =
            codec.parse().map_err(|e: sysflow::Error| Error::Usage(format!("--codec: {e}")))?;
        let schema = match config.get("schema").and_then(Value::as_str) {
            Some("v5") => Schema::V5,
            _ => Schema::Extended,
        };
        // One file needs one header, unless rotation is asked for.
        config.entry("rotate").or_insert(json!(0));
        let writer = Writer::create(output, &Options { schema, codec, ..Options::default() })?;
        let dir = tempfile::Builder::new()
            .prefix("sysflow-")
            .tempdir()
            .map_err(|source| Error::Io { what: "cannot make a temporary directory".into(), source })?;
        let socket = dir.path().join("replay.sock");
        let (batches, waiting) = crate::service::batches();
        let intake = Arc::new(Intake::new(None, Arc::default()));
        let listen = crate::config::Input { socket: socket.clone(), ..Default::default() };
        let input = input::listen(&listen, intake, batches, Stop::default())?;
        let name = output.display().to_string();
        let complete = Arc::new(AtomicBool::new(false));
        let may_finish = Arc::clone(&complete);
        let writing = std::thread::Builder::new()
            .name("write".into())
            .spawn(move || write(writer, &waiting, &name, &may_finish))
            .map_err(|source| Error::Io { what: "cannot start a thread".into(), source })?;
        Ok(Self { socket, input: Some(input), writing: Some(writing), complete, _dir: dir })
    }

    /// Waits for the last record; a complete file gets its name, another one is removed.
    fn end(&mut self, complete: bool) -> Result<u64> {
        self.complete.store(complete, Ordering::Release);
        if let Some(input) = self.input.take() {
            input.close();
            input.join();
        }
        let written = self.writing.take().map(JoinHandle::join);
        written
            .unwrap_or(Ok(Ok(0)))
            .unwrap_or_else(|_| Err(Error::Failed("the writer panicked; please report this".into())))
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        // Why the replay failed is told already.
        _ = self.end(false);
    }
}

fn write(
    mut writer: Writer<NewFile>,
    batches: &Receiver<Batch>,
    name: &str,
    may_finish: &AtomicBool,
) -> Result<u64> {
    let mut expected = 0;
    for batch in batches {
        if batch.first != expected {
            return Err(Error::Failed(format!(
                "the plugin lost {} records; give it more memory with --config '{{\"buffer_mib\":4096}}'",
                batch.first.saturating_sub(expected)
            )));
        }
        expected += batch.records.len() as u64;
        for mut record in batch.records {
            if let Record::Header(header) = &mut record
                && header.filename.is_empty()
            {
                name.clone_into(&mut header.filename);
            }
            writer.write(&record)?;
        }
    }
    if !may_finish.load(Ordering::Acquire) {
        return Ok(0);
    }
    if expected == 0 {
        return Err(Error::Failed("the plugin sent no records; --log info shows what it says".into()));
    }
    writer.finish()?;
    Ok(expected)
}
