//! Records in, graphs and alerts out: join with entities, judge by the rules, draw. No clock, no I/O, no tokio.
//!
//! Everything that depends on earlier records is kept per stream, so that a stream means the same whether it comes
//! in one go, over many connections, or from the archive after a restart.

mod build;
mod judge;
mod snapshot;
mod stream;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use hashbrown::HashMap;
use sysflow::record::{Header, Record};

use crate::alert::{Alert, Raised, Rates, Settings};
use crate::config;
use crate::exports::{Exports, Sheets};
use crate::losses;
use crate::metrics::Metrics;
use crate::rules::Rules;
use crate::store::{Matched, Sink};
use crate::world::{State, World};

pub use build::Template;
pub use judge::{Judge, load as load_rules, load_as as load_rules_as};
pub use snapshot::{Frozen, Snapshot};
use stream::Course;
pub use stream::{Batch, Stream};

/// Streams whose state is kept after their last record; beyond, the one without news longest is closed.
const MAX_STREAMS: usize = 64;

/// Streams whose end is remembered after that, so that they are not judged a second time.
const MAX_ENDED: usize = 4096;

/// Turns the records of any number of streams into graphs and alerts.
#[derive(Debug)]
pub struct Engine {
    rules: Arc<Rules>,
    template: Template,
    settings: Settings,
    world: Arc<World>,
    metrics: Arc<Metrics>,
    outputs: SyncSender<Told>,
    exports: Arc<Exports>,
    /// Alerts that went to the outputs.
    sent: AtomicU64,
    courses: Mutex<Courses>,
    /// Where judged records go to be stored.
    sink: Option<Arc<Sink>>,
    /// Held exclusively while the state of all streams is looked at; always taken before any other lock.
    gate: RwLock<()>,
}

#[derive(Debug, Default)]
struct Courses {
    by_stream: HashMap<String, (u64, Arc<Mutex<Course>>), foldhash::quality::RandomState>,
    used: u64,
    /// Number of the next record of streams that were closed, with when they were, by `used`.
    ended: BTreeMap<String, (u64, u64)>,
}

/// An alert on its way to the outputs.
#[derive(Clone, Debug)]
pub struct Told {
    /// The alert.
    pub alert: Arc<Alert>,
    /// Stream of the record that raised it.
    pub stream: Arc<Stream>,
    /// Number of that record.
    pub number: u64,
    /// Whether it comes from judging the archive anew, and was told before.
    pub again: bool,
}

impl Told {
    /// Tells it from the other alerts of its record: an update of a count is another one than what it updates.
    pub fn key(&self) -> String {
        format!("{}/{}", self.alert.id, self.alert.count)
    }
}

impl Engine {
    /// An engine that has seen nothing.
    pub fn new(
        judge: Judge,
        config: &config::Config,
        public_url: &str,
        world: Arc<World>,
        metrics: Arc<Metrics>,
        outputs: SyncSender<Told>,
    ) -> Self {
        let rules = Arc::new(Rules::new(judge));
        world.set_rules(Arc::clone(&rules));
        Self {
            rules,
            template: Template::new(config, public_url),
            settings: Settings {
                window: i64::from(config.alerts.window) * 1_000_000_000,
                max_distinct: config.alerts.max_distinct as usize,
                rates: Rates { rule: config.alerts.per_minute.rule, total: config.alerts.per_minute.total },
            },
            world,
            metrics,
            outputs,
            exports: Arc::default(),
            sent: AtomicU64::new(0),
            courses: Mutex::default(),
            sink: None,
            gate: RwLock::default(),
        }
    }

    /// The same engine, which hands all that it judges to `sink`.
    #[must_use]
    pub fn with_sink(self, sink: Option<Arc<Sink>>) -> Self {
        Self { sink, ..self }
    }

    /// Copies records to `exports` as well.
    #[must_use]
    pub fn with_exports(self, exports: Arc<Exports>) -> Self {
        Self { exports, ..self }
    }

    /// The rules in force.
    pub fn rules(&self) -> &Arc<Rules> {
        &self.rules
    }

    /// Takes the next records of a stream, and judges them by the rules that are in force now. `again`: they come from the
    /// archive.
    pub fn take(&self, batch: &Batch, again: bool) {
        let judge = self.rules.current();
        let _open = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        let course = self.course(&batch.stream, again);
        let mut course = course.lock().unwrap_or_else(PoisonError::into_inner);
        let mut told = Vec::new();
        let mut sheets = self.exports.sheets(&batch.stream, again);
        let evicted = course.entities.evicted();
        {
            let mut state = self.world.lock();
            for (number, record) in (batch.first..).zip(&batch.records) {
                if number < course.next {
                    continue;
                }
                course.next = number + 1;
                self.metrics.records.add(record.kind().as_str(), 1);
                self.record(&judge, &mut course, &mut state, (batch, number), record, &mut told, &mut sheets);
            }
        }
        if let Some(sink) = &self.sink {
            sink.pass_on();
        }
        judge.counts().add(&mut course.tally);
        self.metrics.newest.fetch_max(course.clock, Ordering::Relaxed);
        self.metrics.entities_evicted.add(course.entities.evicted().saturating_sub(evicted));
        self.tell(told, batch, again);
        self.exports.write(sheets, &batch.stream);
    }

    /// Alerts that went to the outputs so far.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Number of the next record of a stream that is to be judged.
    pub fn next(&self, stream: &str) -> u64 {
        let courses = self.lock();
        let ended = courses.ended.get(stream).map_or(0, |(next, _)| *next);
        let course = courses.by_stream.get(stream).map(|(_, course)| Arc::clone(course));
        drop(courses);
        course.map_or(ended, |course| course.lock().unwrap_or_else(PoisonError::into_inner).next)
    }

    /// Streams that may go on.
    pub fn streams(&self) -> Vec<Arc<Stream>> {
        let courses: Vec<_> = self.lock().by_stream.values().map(|(_, course)| Arc::clone(course)).collect();
        courses
            .iter()
            .map(|course| Arc::clone(&course.lock().unwrap_or_else(PoisonError::into_inner).stream))
            .collect()
    }

    /// Says that a stream has brought nothing for so long: windows that have ended by then are told of. When records
    /// come again they mean the same as without this.
    pub fn idle(&self, stream: &Stream, ns: i64) {
        let _open = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        let course = self.lock().by_stream.get(&stream.id).map(|(_, course)| Arc::clone(course));
        let Some(course) = course else { return };
        let mut course = course.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, now) = (course.next.saturating_sub(1), course.clock.saturating_add(ns));
        let told = course.suppressor.overdue(now).into_iter().map(|alert| (last, alert)).collect();
        let batch = Batch { stream: Arc::clone(&course.stream), first: last, records: Vec::new() };
        self.tell(told, &batch, false);
    }

    /// Ends all windows: no more records come.
    pub fn finish(&self) {
        let _open = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        let courses: Vec<_> = self.lock().by_stream.drain().collect();
        for (_, (_, course)) in courses {
            self.close(&course, false);
        }
    }

    #[allow(clippy::too_many_arguments, reason = "what a record changes, used here only")]
    fn record(
        &self,
        judge: &Judge,
        course: &mut Course,
        state: &mut State,
        (batch, number): (&Batch, u64),
        record: &Record,
        told: &mut Vec<(u64, Alert)>,
        sheets: &mut Sheets,
    ) {
        let Course { entities, suppressor, memory, scratch, tally, matches, clock, .. } = course;
        entities.apply(record);
        if let Record::Header(header) = record {
            self.loss(state, &batch.stream, header);
        }
        if record.proc_oid().is_none() {
            if let Some(sink) = &self.sink {
                let unjudged = Matched { rules: &[], alerts: &[], seen: memory };
                sink.append(&batch.stream, number, &entities.join(record), unjudged);
            }
            return;
        }
        *clock = (*clock).max(end_of(record));
        told.extend(suppressor.expire(*clock).into_iter().map(|alert| (number, alert)));
        let joined = entities.join(record);
        let graph = state.graphs.apply(&joined);
        judge.matches(&joined, memory, scratch, tally, matches);
        let matched = || matches.iter().map(|id| judge.rule(*id));
        let told_before = told.len();
        for rule in matched().filter(|rule| judge.alerts(rule)) {
            let seen = (&joined, &*memory);
            match self.template.raise(suppressor, *clock, rule, seen, graph, (batch, number), state) {
                Some(Raised::Told(alert)) => told.push((number, *alert)),
                Some(Raised::Folded) => self.metrics.suppressed.add(1),
                Some(Raised::Held(limit)) => self.metrics.held.add(limit.as_str(), 1),
                None => {}
            }
        }
        if let Some(sink) = &self.sink {
            let rules: Vec<_> = matched().collect();
            let all = Matched { rules: &rules, alerts: &told[told_before..], seen: memory };
            sink.append(&batch.stream, number, &joined, all);
        }
        for rule in matched().filter(|rule| rule.tags_only()) {
            state.graphs.tag(&joined, &rule.tags);
        }
        if !self.exports.is_empty() {
            self.exports.put(sheets, number, &joined, &matched().collect::<Vec<_>>());
        }
        memory.observe(&joined, matched());
    }

    fn loss(&self, state: &mut State, stream: &Stream, header: &Header) {
        let Metrics { lost, lost_events, lost_records, .. } = &*self.metrics;
        let told = losses::Told::read(&header.lost);
        for (cause, count) in &told.events {
            lost.add("events", *count);
            lost_events.add(cause.label(), *count);
        }
        for (cause, count) in &told.records {
            lost.add("records", *count);
            lost_records.add(cause.label(), *count);
        }
        state.missing.take(stream, &told);
        state.graphs.loss(header);
    }

    /// Into the log of the API first, then to the outputs, without the lock: an output may be slow.
    fn tell(&self, told: Vec<(u64, Alert)>, batch: &Batch, again: bool) {
        if told.is_empty() {
            return;
        }
        let told: Vec<_> = told.into_iter().map(|(number, alert)| (number, Arc::new(alert))).collect();
        {
            let mut state = self.world.lock();
            for (_, alert) in &told {
                if state.alerts.put(Arc::clone(alert)) {
                    self.metrics.alerts.add(alert.priority.as_str(), 1);
                }
            }
        }
        for (number, alert) in told {
            let told = Told { alert, stream: Arc::clone(&batch.stream), number, again };
            match self.outputs.send(told) {
                Ok(()) => _ = self.sent.fetch_add(1, Ordering::Relaxed),
                Err(_) => self.metrics.alerts_dropped.add("stopped", 1),
            }
        }
    }

    fn course(&self, stream: &Arc<Stream>, again: bool) -> Arc<Mutex<Course>> {
        let mut courses = self.lock();
        courses.used += 1;
        let used = courses.used;
        if let Some((last, course)) = courses.by_stream.get_mut(&stream.id) {
            *last = used;
            return Arc::clone(course);
        }
        let next = courses.ended.remove(&stream.id).map_or(0, |(next, _)| next);
        let course = Arc::new(Mutex::new(Course::new(Arc::clone(stream), self.settings, next)));
        courses.by_stream.insert(stream.id.clone(), (used, Arc::clone(&course)));
        let oldest = (courses.by_stream.len() > MAX_STREAMS)
            .then(|| courses.by_stream.iter().min_by_key(|(_, (used, _))| *used).map(|(id, _)| id.clone()))
            .flatten();
        let closed = oldest.and_then(|id| courses.by_stream.remove(&id));
        drop(courses);
        if let Some((_, closed)) = closed {
            self.close(&closed, again);
        }
        course
    }

    fn close(&self, course: &Mutex<Course>, again: bool) {
        let mut course = course.lock().unwrap_or_else(PoisonError::into_inner);
        let last = course.next.saturating_sub(1);
        let told = course.suppressor.finish().into_iter().map(|alert| (last, alert)).collect();
        let batch = Batch { stream: Arc::clone(&course.stream), first: last, records: Vec::new() };
        {
            let mut courses = self.lock();
            courses.used += 1;
            let used = courses.used;
            courses.ended.insert(course.stream.id.clone(), (course.next, used));
            // A stream that is forgotten while the archive has it would be judged twice: the oldest is gone first there.
            if courses.ended.len() > MAX_ENDED
                && let Some(oldest) =
                    courses.ended.iter().min_by_key(|(_, (_, used))| *used).map(|(id, _)| id.clone())
            {
                courses.ended.remove(&oldest);
            }
        }
        self.tell(told, &batch, again);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Courses> {
        self.courses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Event time that a record brings: a flow is written when it ends.
fn end_of(record: &Record) -> i64 {
    match record {
        Record::NetworkFlow(flow) => flow.end_ts.max(flow.ts),
        Record::FileFlow(flow) => flow.end_ts.max(flow.ts),
        Record::ProcessFlow(flow) => flow.end_ts.max(flow.ts),
        other => other.ts().unwrap_or(0),
    }
}
