//! Where engines hand records to.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hashbrown::HashMap;
use sysflow::Joined;
use sysflow_policy::{Context, Rule};
use sysflow_store::{Judged, Live, Rows, RowsBuilder};

use crate::alert::Alert;
use crate::config;
use crate::engine::Stream;
use crate::metrics::Metrics;

/// Rows that wait for the writer, in parts of a file each. With that much waiting engines wait too, as they do for the
/// archive: a store that is away for some minutes holds up nobody.
const WAITING: usize = 16;

/// Bytes of one part, about.
const MAX_BYTES: usize = 48 << 20;

/// How often room is looked for when there is none.
const ROOM: Duration = Duration::from_millis(20);

const HOUR: i64 = 3_600_000_000_000;

/// Gathers rows, per stream.
#[derive(Debug)]
pub struct Sink {
    state: Mutex<State>,
    /// Taken away when no more is to come.
    to: Mutex<Option<SyncSender<Part>>>,
    /// Parts handed to the writer.
    sent: AtomicU64,
    written: Mutex<Written>,
    changed: Condvar,
    hurried: AtomicBool,
    /// A part was dropped.
    broken: AtomicBool,
    rows: usize,
    age: Duration,
    metrics: Arc<Metrics>,
}

/// Rows for one file.
pub(super) type Part = Arc<RowsBuilder>;

#[derive(Debug, Default)]
struct State {
    open: HashMap<String, Open, foldhash::quality::RandomState>,
    /// Number of the first record of a stream that is not stored.
    stored: HashMap<String, u64, foldhash::quality::RandomState>,
    /// Parts that are not in a file yet, oldest first.
    leaving: VecDeque<(Part, Instant)>,
}

#[derive(Debug)]
struct Open {
    rows: RowsBuilder,
    since: Instant,
    /// Enough for a file.
    full: bool,
}

#[derive(Debug, Default)]
struct Written {
    parts: u64,
    ended: bool,
}

/// What the rules said of a record.
#[derive(Clone, Copy)]
pub struct Matched<'a> {
    /// Rules that matched.
    pub rules: &'a [&'a Rule],
    /// Alerts that it raised.
    pub alerts: &'a [(u64, Alert)],
    /// What was seen before it.
    pub seen: &'a dyn Context,
}

impl std::fmt::Debug for Matched<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Matched").field("rules", &self.rules.len()).finish_non_exhaustive()
    }
}

impl Sink {
    pub(super) fn new(
        config: &config::Parquet,
        stored: Vec<(String, u64)>,
        metrics: Arc<Metrics>,
    ) -> (Self, Receiver<Part>) {
        let (to, jobs) = sync_channel(WAITING);
        let state = State { stored: stored.into_iter().collect(), ..State::default() };
        let sink = Self {
            state: Mutex::new(state),
            to: Mutex::new(Some(to)),
            sent: AtomicU64::new(0),
            written: Mutex::default(),
            changed: Condvar::new(),
            hurried: AtomicBool::new(false),
            broken: AtomicBool::new(false),
            rows: config.flush_rows.max(1),
            age: Duration::from_secs(config.flush_seconds.max(1)),
            metrics,
        };
        (sink, jobs)
    }

    /// Takes a record that was judged, unless it is stored already. To be followed by [`Sink::pass_on`].
    pub fn append(&self, stream: &Stream, number: u64, joined: &Joined<'_>, matched: Matched<'_>) {
        let rules: Vec<&str> = matched.rules.iter().map(|rule| rule.name.as_str()).collect();
        let mut tags: Vec<&str> =
            matched.rules.iter().flat_map(|rule| &rule.tags).map(String::as_str).collect();
        tags.sort_unstable();
        tags.dedup();
        let alerts = alerts(matched.alerts);
        let judged = Judged { rules: &rules, tags: &tags, alerts: &alerts, seen: matched.seen };
        let mut state = self.lock();
        let State { open, stored, .. } = &mut *state;
        if stored.get(&stream.id).is_some_and(|stored| number < *stored) {
            return;
        }
        if !open.contains_key(&stream.id) {
            let rows = RowsBuilder::new(&stream.id, &stream.node);
            open.insert(stream.id.clone(), Open { rows, since: Instant::now(), full: false });
        }
        let Some(open) = open.get_mut(&stream.id) else { return };
        let before = open.rows.latest();
        open.rows.append(number, joined, &judged);
        let passed_hour = before > 0 && open.rows.latest() / HOUR != before / HOUR;
        // What it takes is not asked for each record.
        let many = || open.rows.len().is_multiple_of(256) && open.rows.size() >= MAX_BYTES;
        open.full = open.full || passed_hour || open.rows.len() >= self.rows || many();
    }

    /// Hands on what is enough for a file. May wait for the writer, so nobody else should have to wait meanwhile.
    pub fn pass_on(&self) {
        if self.lock().open.values().any(|open| open.full) {
            self.hand_over(|open| open.full);
        }
    }

    /// Hands on all that was gathered; what it returns is for [`Sink::wait`].
    pub fn cut(&self) -> u64 {
        self.hand_over(|_| true);
        self.sent.load(Ordering::Acquire)
    }

    /// Waits until all parts that were handed on by then are stored; false when they are not after so long.
    pub fn wait(&self, parts: u64, patience: Duration) -> bool {
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = |written: &mut Written| written.parts < parts && !written.ended;
        let (written, _) = self
            .changed
            .wait_timeout_while(written, patience, waiting)
            .unwrap_or_else(PoisonError::into_inner);
        written.parts >= parts
    }

    /// Parts that were gathered for long enough, for the writer, who has nothing else to do just now: whatever else of
    /// their streams was handed on is written.
    pub(super) fn take_due(&self) -> Vec<Part> {
        let parts = self.take(|open| open.since.elapsed() >= self.age);
        self.sent.fetch_add(parts.len() as u64, Ordering::AcqRel);
        parts
    }

    /// The service ends: nobody waits for room any more. What finds none is judged again by the next start.
    pub fn hurry(&self) {
        self.hurried.store(true, Ordering::Release);
    }

    /// Says that the oldest part is in a file.
    pub(super) fn stored(&self, part: &Part) {
        let mut state = self.lock();
        state.leaving.retain(|(other, _)| !Arc::ptr_eq(other, part));
        drop(state);
        self.written.lock().unwrap_or_else(PoisonError::into_inner).parts += 1;
        self.changed.notify_all();
    }

    /// Says that nothing is written any more.
    pub(super) fn ended(&self) {
        self.written.lock().unwrap_or_else(PoisonError::into_inner).ended = true;
        self.changed.notify_all();
    }

    /// Lets the writer end after what it has.
    pub(super) fn close(&self) {
        _ = self.cut();
        self.to.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Whether no more is to come.
    pub(super) fn is_closed(&self) -> bool {
        // Somebody who hands over right now has it.
        self.to.try_lock().is_ok_and(|to| to.is_none())
    }

    /// Rows that are in no file, and how long the oldest of them have waited.
    pub fn waiting(&self) -> (usize, Duration) {
        let state = self.lock();
        let rows = state.open.values().map(|open| open.rows.len()).sum::<usize>()
            + state.leaving.iter().map(|(part, _)| part.len()).sum::<usize>();
        let open = state.open.values().filter(|open| !open.rows.is_empty()).map(|open| open.since);
        let oldest = state.leaving.iter().map(|(_, since)| *since).chain(open).min();
        (rows, oldest.map_or(Duration::ZERO, |since| since.elapsed()))
    }

    fn hand_over(&self, wanted: impl Fn(&Open) -> bool) {
        // Parts of one stream go in order: the lock of the sender is held until they are all on their way.
        let to = self.to.lock().unwrap_or_else(PoisonError::into_inner);
        for part in self.take(wanted) {
            self.sent.fetch_add(1, Ordering::AcqRel);
            if !to.as_ref().is_some_and(|to| self.send(to, part)) {
                // Nothing that comes later may be stored: the number of the last record says what is.
                self.broken.store(true, Ordering::Release);
                self.metrics.store_errors.add(1);
            }
        }
    }

    fn send(&self, to: &SyncSender<Part>, mut part: Part) -> bool {
        while !self.broken.load(Ordering::Acquire) {
            match to.try_send(part) {
                Ok(()) => return true,
                Err(TrySendError::Full(back)) if !self.hurried.load(Ordering::Acquire) => {
                    part = back;
                    std::thread::sleep(ROOM);
                }
                Err(_) => return false,
            }
        }
        false
    }

    fn take(&self, wanted: impl Fn(&Open) -> bool) -> Vec<Part> {
        let mut state = self.lock();
        let State { open, leaving, .. } = &mut *state;
        let ready: Vec<String> =
            open.iter().filter(|(_, open)| wanted(open)).map(|(stream, _)| stream.clone()).collect();
        let mut parts = Vec::new();
        for stream in ready {
            if let Some(open) = open.remove(&stream).filter(|open| !open.rows.is_empty()) {
                let part = Arc::new(open.rows);
                leaving.push_back((Arc::clone(&part), open.since));
                parts.push(part);
            }
        }
        parts
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Live for Sink {
    fn rows(&self) -> sysflow_store::Result<Vec<Rows>> {
        let (parts, open) = {
            let state = self.lock();
            let parts: Vec<Part> = state.leaving.iter().map(|(part, _)| Arc::clone(part)).collect();
            let open: Result<Vec<Rows>, _> = state
                .open
                .values()
                .filter(|open| !open.rows.is_empty())
                .map(|open| open.rows.snapshot())
                .collect();
            (parts, open?)
        };
        let mut rows: Vec<Rows> = parts.iter().map(|part| part.snapshot()).collect::<Result<_, _>>()?;
        rows.extend(open);
        Ok(rows)
    }
}

/// Alerts as rows keep them: with what their graph needs at hand.
fn alerts(alerts: &[(u64, Alert)]) -> String {
    if alerts.is_empty() {
        return String::new();
    }
    let values: Vec<_> = alerts
        .iter()
        .map(|(_, alert)| {
            serde_json::json!({
                "id": alert.id,
                "ts": alert.ts,
                "priority": alert.priority.as_str(),
                "rule": alert.rule,
                "tags": alert.tags,
                "alert": alert.value(),
            })
        })
        .collect();
    serde_json::Value::from(values).to_string()
}
