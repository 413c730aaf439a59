//! libsysflow.so: a Falco plugin that turns Falco's event stream into SysFlow.
//!
//! Falco calls three capabilities on its one event thread. *Capture listening* brings the state at the start (`host`)
//! and the end; *parsing* brings events, which `events` decodes, the recorder of `sysflow-flow` folds and `output`
//! hands to a writer thread; *extraction* answers `sf.*` fields for Falco's own rules (`fields`). Nothing of it
//! waits, and a panic ends the plugin, not Falco.

mod abi;
mod config;
mod events;
mod fields;
mod host;
mod output;
mod own;
mod probe;

#[cfg(test)]
mod allocations;
#[cfg(test)]
mod captures;

use std::{
    ffi::CStr,
    panic::{AssertUnwindSafe, catch_unwind},
};

use config::{Config, InitConfig};
use events::{Raw, SUBSCRIBED, code::ASYNCEVENT_E, decode, krsi_pid, op};
use falco_event::events::{AnyEventPayload, RawEvent};
use falco_plugin::{
    anyhow::{self, Error},
    base::{Json, Plugin},
    listen::{CaptureListenInput, CaptureListenPlugin},
    parse::{EventInput, ParseInput, ParsePlugin},
    tables::{TableReader, TablesInput},
};
use host::{TableHost, Tables};
use output::{Known, Outlet, Processor, SpoolPlace, Stream, Target};
use own::{Clock, SAME_START};
use probe::{Finding, Watch};
use sysflow::{Foid, Record, record::Loss};
use sysflow_flow::{Host, Initial, Op, Recorder, Sink, Urgency};

/// Identity of the host's boot, or a word in its place.
fn own_boot() -> String {
    own::boot_id().unwrap_or_else(|| "unknown-boot".into())
}

/// The plugin; Falco makes one, and another beside it that never sees a capture when its configuration changes.
#[derive(Debug)]
struct SysFlow {
    config: Config,
    tables: Option<Tables>,
    capture: Option<Capture>,
    /// A panic was caught: nothing is done any more.
    off: bool,
}

/// Between capture_open and capture_close.
#[derive(Debug)]
struct Capture {
    recorder: Recorder,
    /// `None` when the plugin serves fields only.
    outlet: Option<Outlet>,
    node: String,
    /// `None` in a replay.
    clock: Option<Clock>,
    /// What an earlier instance has left in `state_dir`, until the output starts.
    known: Option<Known>,
    /// Processes of a replay, until its first event tells whether it goes on from there.
    waiting: Option<Vec<Initial>>,
    /// The processor that is left out already.
    processor: Option<Processor>,
    /// Looks for what Falco does not deliver; `None` in a replay and when nothing is missing.
    watch: Option<Watch>,
}

/// An event that we subscribe to, undecoded.
#[derive(Debug)]
struct Subscribed<'a>(RawEvent<'a>);

/// Any event, for fields.
#[derive(Debug)]
struct AnyEvent<'a>(RawEvent<'a>);

/// Takes records when there is no output.
#[derive(Debug)]
struct Discard;

// === impl SysFlow ===

impl Plugin for SysFlow {
    const NAME: &'static CStr = c"sysflow";
    const PLUGIN_VERSION: &'static CStr =
        match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
            Ok(version) => version,
            Err(_) => c"0.0.0",
        };
    const DESCRIPTION: &'static CStr =
        c"Turns system calls into SysFlow: processes, files and flows, and the graph that each belongs to";
    const CONTACT: &'static CStr = c"https://github.com/sysflow-telemetry";
    type ConfigType = Json<InitConfig>;

    /// Starts no thread and opens nothing: Falco makes an instance only to check its configuration, too.
    fn new(input: Option<&TablesInput<'_>>, Json(config): Json<InitConfig>) -> Result<Self, Error> {
        let config = config.into_config();
        let made = catch_unwind(AssertUnwindSafe(|| {
            config.check()?;
            let tables = input.map(Tables::new).and_then(|tables| {
                tables
                    .inspect_err(|e| eprintln!("sysflow: Falco's thread table: {e}; starting without it"))
                    .ok()
            });
            Ok(Self { config, tables, capture: None, off: false })
        }));
        made.unwrap_or_else(|_| Err(anyhow::anyhow!("the sysflow plugin panicked while starting")))
    }
}

impl SysFlow {
    /// Runs `work` unless the plugin is off; a panic in it turns the plugin off.
    fn guarded<T>(&mut self, work: impl FnOnce(&mut Self) -> Option<T>) -> Result<Option<T>, Error> {
        if self.off {
            return Ok(None);
        }
        if let Ok(done) = catch_unwind(AssertUnwindSafe(|| work(self))) {
            return Ok(done);
        }
        self.off = true;
        eprintln!("sysflow: the plugin panicked and is off; Falco goes on without it. Please report this.");
        // The thread must not outlive us; what it has is still written. If even that panics, it is leaked.
        if let Some(capture) = self.capture.take() {
            let _ = catch_unwind(AssertUnwindSafe(|| drop(capture)));
        }
        Err(anyhow::anyhow!("the sysflow plugin panicked and is off"))
    }

    /// The state, while a capture is open.
    fn recorder(&self) -> Option<&Recorder> {
        Some(&self.capture.as_ref()?.recorder)
    }

    fn open<R: TableReader>(&mut self, reader: &R) -> Result<(), Error> {
        if let Err(error) = self.close() {
            eprintln!("sysflow: {error}");
        }
        let spool = self.config.spool.as_ref().map(|spool| spool.dir.clone());
        for dir in [&self.config.dir, &self.config.state_dir, &spool].into_iter().flatten() {
            output::check_directory(dir)?;
        }
        let clock = if TableHost::is_live(self.tables.as_ref(), reader) { Clock::of_host() } else { None };
        let node = match (&self.config.node, clock) {
            (node, Some(_)) => own::node_name(node.as_deref()),
            // A replay is not about the machine that it runs on.
            (Some(node), None) => node.clone(),
            (None, None) => "replay".into(),
        };
        let config = &self.config;
        let recorder = Recorder::new(config.recorder(node.clone(), clock.is_some()));
        let env = !matches!(config.env, config::Env::Word(config::EnvWord::Off));
        let mut known = config.state_dir.as_deref().map(Known::load).transpose()?;
        if clock.is_some() {
            known = known.map(|known| known.of_boot(&own_boot()));
        }
        let as_recorded = clock.is_none() && config.compat.is_some();
        let tables = self.tables.as_ref();
        let host = TableHost { tables, reader, clock, env, known: known.as_ref(), as_recorded };
        let initial = host.all();
        let buffer = (config.buffer_mib as usize) << 20;
        let keeps = known.is_some();
        let has_output =
            config.socket.is_some() || config.seqpacket.is_some() || config.dir.is_some() || keeps;
        let outlet = has_output.then(|| Outlet::new(config.schema(), buffer, keeps));
        let mut capture = Capture {
            recorder,
            outlet,
            node,
            clock,
            known,
            waiting: Some(initial),
            processor: None,
            watch: clock.map(|_| Watch::new()),
        };
        if clock.is_some() || !keeps {
            capture.start_recorder(None);
        }
        if clock.is_some() {
            capture.learn_accounts();
            if let (Some(pid), Some(clock)) = (own::own_pid(), clock)
                && !self.config.observe_self
            {
                capture.leave_out(Processor { pid, start: clock.start_time(pid).unwrap_or(0) });
            }
            capture.start_output(&self.config, 0)?;
        }
        self.capture = Some(capture);
        Ok(())
    }

    fn close(&mut self) -> Result<(), Error> {
        let Some(mut capture) = self.capture.take() else { return Ok(()) };
        let now = capture.recorder.now();
        capture.start_recorder(Some(now));
        capture.start_output(&self.config, now)?;
        if let Some(outlet) = &mut capture.outlet {
            capture.recorder.finish(outlet);
            outlet.keep_all(capture.recorder.identities());
            match outlet.close() {
                // Falco ends with the error, and a live one closes also to take over a changed configuration.
                Err(error) if capture.clock.is_some() => eprintln!("sysflow: {error}"),
                done => done?,
            }
        }
        Ok(())
    }
}

// === impl Capture ===

impl Capture {
    /// Takes in the processes that are there, once. `first` is the time of a replay's first event.
    fn start_recorder(&mut self, first: Option<i64>) {
        let Some(mut initial) = self.waiting.take() else { return };
        if let Some(first) = first {
            self.known = self.known.take().map(|known| known.of_replay(first));
            for process in initial.iter_mut().filter(|process| process.tid == process.pid) {
                process.identity = self.known.as_ref().and_then(|known| known.identity(process.pid, 0));
            }
        }
        match &mut self.outlet {
            Some(outlet) => self.recorder.start(initial, outlet),
            None => self.recorder.start(initial, &mut Discard),
        }
    }

    /// Starts the writer thread, once. In a replay the stream is named after the capture, whose first event is at
    /// `first`; so the same capture, replayed again, is the same stream.
    fn start_output(&mut self, config: &Config, first: i64) -> Result<(), Error> {
        let Some(outlet) = self.outlet.as_mut().filter(|outlet| !outlet.is_started()) else { return Ok(()) };
        let stream = if self.clock.is_some() {
            let boot_id = own_boot();
            Stream { id: own::random_id(), node: self.node.clone(), boot_id }
        } else {
            let boot_id = first.to_string();
            // What shapes the records tells streams apart; where they go does not.
            let shape = Config {
                socket: None,
                seqpacket: None,
                dir: None,
                state_dir: None,
                spool: None,
                peer_uids: Vec::new(),
                buffer_mib: 0,
                ..config.clone()
            };
            let hash = Foid::new(&self.node, &format!("\0replay\0{boot_id}\0{shape:?}")).0;
            let mut id = [0; 16];
            id.copy_from_slice(&hash[..16]);
            Stream { id, node: self.node.clone(), boot_id }
        };
        outlet.start(Target {
            socket: config.socket.clone(),
            seqpacket: config.seqpacket.clone(),
            dir: config.dir.clone(),
            spool: config
                .spool
                .as_ref()
                .map(|spool| SpoolPlace { dir: spool.dir.clone(), max: u64::from(spool.max_mib) << 20 }),
            state: config.state_dir.clone().zip(self.known.take()),
            peer_uids: config.peer_uids.clone(),
            schema: config.schema(),
            buffer: (config.buffer_mib as usize) << 20,
            stream,
            live: self.clock.is_some(),
        })?;
        Ok(())
    }

    fn learn_accounts(&mut self) {
        for (name, uid) in own::accounts(&own::host_path("etc/passwd")) {
            self.recorder.learn_user(uid, &name);
        }
        for (name, gid) in own::accounts(&own::host_path("etc/group")) {
            self.recorder.learn_group(gid, &name);
        }
    }

    fn event<R: TableReader>(&mut self, event: &RawEvent<'_>, tables: Option<&Tables>, reader: &R) {
        let ts = event.metadata.ts;
        // An asynchronous event may have no time of its own.
        let ts = if ts > i64::MAX as u64 { self.recorder.now() as u64 } else { ts };
        let code = event.event_type;
        let Ok(raw) = Raw::new(ts, event.metadata.tid, code, event.nparams, event.payload) else {
            self.recorder.malformed();
            return;
        };
        let (env, known, as_recorded) = (false, None, false);
        let mut host = TableHost { tables, reader, clock: self.clock, env, known, as_recorded };
        if code == ASYNCEVENT_E {
            self.asynchronous(&raw, &mut host);
        } else if let Ok(op) = &op(&raw) {
            self.apply(raw.ts, raw.tid, op, &mut host);
        } else {
            self.recorder.malformed();
            return;
        }
        self.watch(code, raw.ts);
    }

    /// An event that another plugin has made.
    fn asynchronous(&mut self, raw: &Raw<'_>, host: &mut dyn Host) {
        let Ok(mut event) = decode(raw) else {
            self.recorder.malformed();
            return;
        };
        if let Some(pid) = krsi_pid(raw)
            && self.recorder.process_of(event.tid).is_none()
        {
            event.tid = pid;
        }
        self.apply(event.ts, event.tid, &event.op, host);
    }

    fn apply(&mut self, ts: i64, tid: i64, op: &Op<'_>, host: &mut dyn Host) {
        let Some(outlet) = &mut self.outlet else {
            self.recorder.apply_op(ts, tid, op, host, &mut Discard);
            return;
        };
        outlet.at(ts);
        self.recorder.apply_op(ts, tid, op, host, outlet);
        if let Some(loss) = outlet.take_loss() {
            self.recorder.report_loss(loss, outlet);
        }
    }

    /// Notices what Falco delivers, and says once what it does not.
    fn watch(&mut self, code: u16, ts: i64) {
        let (Some(watch), Some(outlet)) = (&mut self.watch, &mut self.outlet) else { return };
        let Some(finding) = watch.see(code, ts, outlet.judge()) else { return };
        if watch.is_done() {
            self.watch = None;
        }
        let (Finding::Missing(cause) | Finding::Came(cause)) = finding else { return };
        eprintln!("sysflow: {cause}");
        self.recorder.report_loss(Loss { cause, ..Loss::default() }, outlet);
    }

    /// Leaves the processor's own doings out once it is known.
    fn leave_out_processor(&mut self) {
        let known = self.outlet.as_ref().and_then(Outlet::processor);
        let Some(processor) = known else {
            self.processor = None;
            return;
        };
        if self.processor != Some(processor) && self.leave_out(processor) {
            self.processor = Some(processor);
        }
    }

    /// Stops recording a process, if the one that is known by this pid is the one that was started then. A pid alone may
    /// be that of an earlier process whose end was missed, or of a later one.
    fn leave_out(&mut self, process: Processor) -> bool {
        let started = self.recorder.process_of(process.pid).map(|known| known.oid());
        let is_it = started.is_some_and(|oid| {
            oid.hpid == process.pid
                && (oid.create_ts == 0 || oid.create_ts.abs_diff(process.start) <= SAME_START)
        });
        is_it && self.recorder.ignore_process(process.pid)
    }
}

// === impl Sink for Discard ===

impl Sink for Discard {
    fn record(&mut self, _: &Record, _: Urgency) {}

    fn keeps_identities(&self) -> bool {
        false
    }
}

// === impl ParsePlugin, CaptureListenPlugin for SysFlow ===

impl ParsePlugin for SysFlow {
    type Event<'a> = Subscribed<'a>;

    fn parse_event(
        &mut self,
        input: &EventInput<'_, Subscribed<'_>>,
        parse: &ParseInput<'_>,
    ) -> anyhow::Result<()> {
        let Ok(Subscribed(event)) = input.event() else {
            // Shorter than its own header.
            self.guarded(|plugin| {
                plugin.capture.as_mut()?.recorder.malformed();
                Some(())
            })?;
            return Ok(());
        };
        self.guarded(|plugin| {
            let capture = plugin.capture.as_mut()?;
            if capture.outlet.as_ref().is_some_and(|outlet| !outlet.is_started()) {
                let first = event.metadata.ts as i64;
                capture.start_recorder(Some(first));
                if let Err(error) = capture.start_output(&plugin.config, first) {
                    eprintln!("sysflow: {error}; nothing is recorded");
                    capture.outlet = None;
                }
            }
            capture.event(&event, plugin.tables.as_ref(), &parse.reader);
            if !plugin.config.observe_self && capture.clock.is_some() {
                capture.leave_out_processor();
            }
            Some(())
        })?;
        Ok(())
    }
}

impl CaptureListenPlugin for SysFlow {
    fn capture_open(&mut self, input: &CaptureListenInput<'_>) -> Result<(), Error> {
        let mut result = Ok(());
        self.guarded(|plugin| {
            result = plugin.open(&input.reader);
            Some(())
        })?;
        result
    }

    fn capture_close(&mut self, _: &CaptureListenInput<'_>) -> Result<(), Error> {
        let mut result = Ok(());
        self.guarded(|plugin| {
            result = plugin.close();
            Some(())
        })?;
        result
    }
}

// === impl Subscribed, AnyEvent ===

impl AnyEventPayload for Subscribed<'_> {
    const SOURCES: &'static [Option<&'static str>] = &[Some("syscall")];
    const EVENT_TYPES: &'static [u16] = SUBSCRIBED;
}

impl<'a, 'b> From<&'b RawEvent<'a>> for Subscribed<'a> {
    fn from(event: &'b RawEvent<'a>) -> Self {
        Self(event.into())
    }
}

impl AnyEventPayload for AnyEvent<'_> {
    const SOURCES: &'static [Option<&'static str>] = &[Some("syscall")];
    const EVENT_TYPES: &'static [u16] = &[];
}

impl<'a, 'b> From<&'b RawEvent<'a>> for AnyEvent<'a> {
    fn from(event: &'b RawEvent<'a>) -> Self {
        Self(event.into())
    }
}

impl<'a> AnyEvent<'a> {
    fn tid(&self) -> i64 {
        self.0.metadata.tid
    }

    fn raw(&self) -> Option<Raw<'a>> {
        let event = &self.0;
        Raw::new(event.metadata.ts, event.metadata.tid, event.event_type, event.nparams, event.payload).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_turns_the_plugin_off_and_goes_no_further() {
        let mut plugin = SysFlow { config: Config::default(), tables: None, capture: None, off: false };
        assert_eq!(plugin.guarded(|_| Some(1)).unwrap(), Some(1));
        assert!(plugin.guarded(|_| -> Option<i32> { panic!("a defect") }).is_err());
        assert_eq!(plugin.guarded(|_| -> Option<i32> { panic!("never run") }).unwrap(), None);
    }

    #[test]
    fn what_was_recorded_before_a_panic_is_still_written() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("d");
        let config = Config { dir: Some(dir.clone()), ..Config::default() };
        let mut capture = Capture {
            recorder: Recorder::new(config.recorder("n".into(), false)),
            outlet: Some(Outlet::new(config.schema(), 1 << 20, false)),
            node: "n".into(),
            clock: None,
            known: None,
            waiting: Some(vec![Initial { tid: 7, pid: 7, ..Initial::default() }]),
            processor: None,
            watch: None,
        };
        capture.start_recorder(None);
        capture.start_output(&config, 5).unwrap();
        let mut plugin = SysFlow { config, tables: None, capture: Some(capture), off: false };
        let parsed = plugin.guarded(|plugin| {
            let capture = plugin.capture.as_mut()?;
            let header = sysflow::record::Header {
                version: 5,
                exporter: "n".into(),
                ip: String::new(),
                filename: String::new(),
                lost: Loss::default(),
            };
            capture.outlet.as_mut()?.record(&Record::Header(header), Urgency::Soon);
            panic!("a defect in the middle of an event");
            #[allow(unreachable_code, reason = "what a callback gives")]
            Some(())
        });
        assert!(parsed.is_err() && plugin.off && plugin.capture.is_none());
        assert!(plugin.close().is_ok(), "capture_close comes all the same");
        let files: Vec<_> = std::fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path()).collect();
        let records: usize = files.iter().map(|path| sysflow::Reader::open(path).unwrap().count()).sum();
        assert!(records >= 1, "{files:?}");
        assert!(files.iter().all(|path| path.extension().is_some_and(|end| end == "sf")), "{files:?}");
    }

    #[test]
    fn our_own_process_is_known_by_its_start_too() {
        let mut recorder = Recorder::new(sysflow_flow::Config::default());
        let process = sysflow_flow::Initial {
            tid: 7,
            pid: 7,
            start_ts: 50_000_000_000,
            ..sysflow_flow::Initial::default()
        };
        recorder.start([process], &mut Discard);
        let mut capture = Capture {
            recorder,
            outlet: None,
            node: String::new(),
            clock: None,
            known: None,
            waiting: None,
            processor: None,
            watch: None,
        };
        assert!(
            !capture.leave_out(Processor { pid: 7, start: 90_000_000_000 }),
            "its pid was given out again"
        );
        assert!(!capture.leave_out(Processor { pid: 8, start: 50_000_000_000 }));
        assert!(capture.leave_out(Processor { pid: 7, start: 50_900_000_000 }));
    }

    #[test]
    fn falco_is_told_the_schema_that_we_need() {
        let version = abi::plugin_get_required_event_schema_version(std::ptr::null_mut());
        // SAFETY: the function returns a string that lives as long as the program.
        assert_eq!(unsafe { CStr::from_ptr(version) }, c"4.0.0");
    }
}
