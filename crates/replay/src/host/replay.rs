//! A whole capture through a plugin: accounts, events, pace, progress, end.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use super::{Instance, Log, Plugin, account_events};
use crate::{Capture, Error, RawEvent, event::set_ts, scap::Counts};

/// Events between two looks at clock and stop flag.
const STRIDE: u64 = 256;
/// Least time between two progress reports.
const REPORT: Duration = Duration::from_millis(100);
/// Longest sleep without a look at the stop flag.
const NAP: Duration = Duration::from_millis(50);
/// Events without a time that are held back at most; captures have a handful.
const MAX_UNTIMED: usize = 4096;

/// How a capture is replayed.
#[derive(Debug, Clone, Default)]
pub struct Options<'a> {
    /// Pace.
    pub speed: Speed,
    /// Added to the time of every event, in nanoseconds: makes an old capture look like one of now.
    pub shift_ns: i64,
    /// Time that the first event with a time gets, in nanoseconds since the epoch; the others keep their distance to
    /// it. Takes the place of `shift_ns`, without the capture having to be read twice.
    pub start_ns: Option<u64>,
    /// Ends the replay soon after it becomes true; the plugin gets its `capture_close` all the same.
    pub stop: Option<&'a AtomicBool>,
    /// Where the plugin's log lines go.
    pub log: Log,
}

/// Pace of a replay.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Speed {
    /// As fast as the plugin takes them.
    #[default]
    Max,
    /// With the pauses of the recording.
    Realtime,
}

/// What a replay has done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReplayStats {
    /// Events of the capture, after conversion, that were offered to the plugin.
    pub events: u64,
    /// User and group events made of the capture's user list.
    pub accounts: u64,
    /// Events and accounts whose type the plugin wanted, parsed without an error.
    pub delivered: u64,
    /// Events that the plugin refused. Falco ignores such errors.
    pub parse_errors: u64,
    /// The last of them.
    pub last_parse_error: Option<String>,
    /// Time of the first event, shifted; nanoseconds since the epoch.
    pub first_ts: Option<u64>,
    /// Time of the latest event, shifted.
    pub last_ts: Option<u64>,
    /// What the reader met.
    pub reader: Counts,
    /// The stop flag ended it.
    pub stopped: bool,
}

/// A progress report.
#[derive(Debug)]
pub struct Progress<'a> {
    /// So far.
    pub stats: &'a ReplayStats,
    /// Bytes of the file read.
    pub bytes_read: u64,
    /// Its size, `None` if it is not a file.
    pub bytes_total: Option<u64>,
    /// Time since the beginning of the replay.
    pub elapsed: Duration,
    /// This is the last report.
    pub done: bool,
}

/// Replays a capture through a new instance of a plugin.
///
/// Events whose time is 0 (old captures begin with their containers, which have none) get the time of the event before
/// them, or of the first one that has a time.
///
/// `on_progress` is called about ten times a second and once at the end, also when the capture turns out to be
/// broken: its events up to the break have then been delivered and the plugin has closed the capture.
pub fn replay(
    capture: Capture,
    plugin: &Plugin,
    config: &str,
    options: &Options<'_>,
    on_progress: &mut dyn FnMut(&Progress<'_>),
) -> Result<ReplayStats, Error> {
    let mut instance = plugin.init_with_log(config, &capture, options.log.clone())?;
    let mut run = Run::new(capture, options);
    instance.capture_open()?;
    let result = run.events(&mut instance, on_progress);
    run.stats.reader = run.capture.counts();
    let closed = instance.capture_close();
    drop(instance);
    run.report(on_progress, true);
    result?;
    closed?;
    Ok(run.stats)
}

struct Run<'a> {
    capture: Capture,
    options: &'a Options<'a>,
    shift_ns: i64,
    stats: ReplayStats,
    started: Instant,
    reported: Instant,
    /// The event that is being delivered.
    current: Vec<u8>,
    /// Events at the head of the capture that have no time.
    untimed: Vec<Vec<u8>>,
}

// === impl Run ===

impl<'a> Run<'a> {
    fn new(capture: Capture, options: &'a Options<'a>) -> Self {
        let now = Instant::now();
        let stats = ReplayStats::default();
        let (current, untimed) = (Vec::new(), Vec::new());
        Self {
            capture,
            options,
            shift_ns: options.shift_ns,
            stats,
            started: now,
            reported: now,
            current,
            untimed,
        }
    }

    fn events(
        &mut self,
        instance: &mut Instance,
        on_progress: &mut dyn FnMut(&Progress<'_>),
    ) -> Result<(), Error> {
        let mut sections = 0;
        loop {
            if self.stats.events.is_multiple_of(STRIDE) {
                if self.stop_requested() {
                    self.stats.stopped = true;
                    return Ok(());
                }
                if self.reported.elapsed() >= REPORT {
                    self.reported = Instant::now();
                    self.report(on_progress, false);
                }
            }
            let event = match self.capture.next_event() {
                Ok(Some(event)) => event,
                Ok(None) => return self.release(instance, 0),
                Err(e) => {
                    self.release(instance, 0)?;
                    return Err(e);
                }
            };
            if event.ts() == 0 && self.stats.last_ts.is_none() && self.untimed.len() < MAX_UNTIMED {
                self.untimed.push(event.bytes().to_vec());
                continue;
            }
            // The event is moved out of the reader, which is needed for the accounts and the state.
            self.current.clear();
            self.current.extend_from_slice(event.bytes());
            if let Some(start) =
                self.options.start_ns.filter(|_| event.ts() != 0 && self.stats.first_ts.is_none())
            {
                self.shift_ns = start.wrapping_sub(event.ts()) as i64;
            }
            let ts = match event.ts() {
                0 => self.stats.last_ts.unwrap_or(0),
                ts => ts.saturating_add_signed(self.shift_ns),
            };

            if sections != self.capture.counts().sections {
                if sections > 0 {
                    instance.replace_state(&self.capture);
                }
                sections = self.capture.counts().sections;
                self.accounts(instance, ts)?;
                self.release(instance, ts)?;
            }
            self.stats.first_ts.get_or_insert(ts);
            if self.options.speed == Speed::Realtime && !self.wait_for(ts, on_progress) {
                self.stats.stopped = true;
                return Ok(());
            }
            self.stats.last_ts = self.stats.last_ts.max(Some(ts));
            let mut current = std::mem::take(&mut self.current);
            self.deliver(instance, &mut current, ts)?;
            self.current = current;
        }
    }

    /// Delivers an event with a time.
    fn deliver(&mut self, instance: &mut Instance, event: &mut [u8], ts: u64) -> Result<(), Error> {
        set_ts(event, ts);
        self.stats.events += 1;
        count(&mut self.stats, instance.parse(RawEvent::parse(event)?));
        Ok(())
    }

    /// Delivers the events that came before the first one with a time.
    fn release(&mut self, instance: &mut Instance, ts: u64) -> Result<(), Error> {
        for mut event in std::mem::take(&mut self.untimed) {
            self.deliver(instance, &mut event, ts)?;
        }
        Ok(())
    }

    /// The users and groups of the capture, before its first event and with its time.
    fn accounts(&mut self, instance: &mut Instance, ts: u64) -> Result<(), Error> {
        let stats = &mut self.stats;
        account_events(&self.capture, ts, |event| {
            stats.accounts += 1;
            count(stats, instance.parse(RawEvent::parse(event)?));
            Ok(())
        })
    }

    /// Sleeps until the replay is as old as the recording was at `ts`; `false` if it was stopped before.
    fn wait_for(&mut self, ts: u64, on_progress: &mut dyn FnMut(&Progress<'_>)) -> bool {
        let first = self.stats.first_ts.unwrap_or(ts);
        let due = Duration::from_nanos(ts.saturating_sub(first));
        while let Some(left) = due.checked_sub(self.started.elapsed()).filter(|d| !d.is_zero()) {
            if self.stop_requested() {
                return false;
            }
            thread::sleep(left.min(NAP));
            if self.reported.elapsed() >= REPORT {
                self.reported = Instant::now();
                self.report(on_progress, false);
            }
        }
        true
    }

    fn stop_requested(&self) -> bool {
        self.options.stop.is_some_and(|s| s.load(Ordering::Relaxed))
    }

    fn report(&mut self, on_progress: &mut dyn FnMut(&Progress<'_>), done: bool) {
        self.stats.reader = self.capture.counts();
        on_progress(&Progress {
            stats: &self.stats,
            bytes_read: self.capture.bytes_read(),
            bytes_total: self.capture.file_len(),
            elapsed: self.started.elapsed(),
            done,
        });
    }
}

fn count(stats: &mut ReplayStats, parsed: Result<bool, Error>) {
    match parsed {
        Ok(true) => stats.delivered += 1,
        Ok(false) => {}
        Err(e) => {
            stats.parse_errors += 1;
            stats.last_parse_error = Some(e.to_string());
        }
    }
}
