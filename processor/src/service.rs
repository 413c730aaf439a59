//! The parts put together: started in the order in which they need each other, ended in the opposite one.

use std::fs::{File, OpenOptions};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use sysflow::Record;
use tempfile::TempDir;
use tokio::runtime::Handle;

use crate::api::{self, App};
use crate::archive::{self, Archive};
use crate::checkpoint::{Checkpoints, Keeper};
use crate::config::Config;
use crate::engine::{Batch, Engine, Judge, Stream};
use crate::error::{Error, Result};
use crate::exports::Exports;
use crate::input::{self, Input, Intake};
use crate::metrics::{Gauge, Metrics};
use crate::output::{self, AtLeast, Durable, Handled, Output, ToQueue};
use crate::queue::Queue;
use crate::rules::Watcher;
use crate::sidekick::{self, Client};
use crate::stop::Stop;
use crate::store;
use crate::store::upload::Uploads;
use crate::world::World;

/// Batches between an input and its engine: when it falls behind, the input waits, and the plugin keeps the rest.
const BATCHES: usize = 64;

/// Alerts between engines and outputs.
const ALERTS: usize = 1024;

/// How often quiet streams are looked at.
const TICK: Duration = Duration::from_secs(1);

/// A start that takes longer than this writes checkpoints on its way.
const FIRST_CHECKPOINT: Duration = Duration::from_secs(2);

/// How long the last rows may take to be stored; without them there is no last checkpoint.
const STORED: Duration = Duration::from_secs(25);

/// A stream that was quiet for so long has no windows left.
const FORGET: Duration = Duration::from_secs(24 * 3600);

/// What a service is made of beside its configuration.
#[derive(Default)]
pub struct Parts {
    /// Outputs beside those of the configuration.
    pub outputs: Vec<Box<dyn Output>>,
    /// Whether these are told again of what an archive holds from before.
    pub repeat: bool,
    /// Without the API.
    pub no_api: bool,
    /// Wished to stop when the reader of an output goes away.
    pub closed: Stop,
}

/// A running service.
#[derive(Debug)]
pub struct Service {
    world: Arc<World>,
    metrics: Arc<Metrics>,
    engine: Arc<Engine>,
    inputs: Vec<Input>,
    judging: Vec<JoinHandle<()>>,
    outputs: JoinHandle<Option<Error>>,
    handled: Arc<Handled>,
    durable: Arc<Durable>,
    keeper: Option<Keeper>,
    checkpoints: Option<(Arc<Checkpoints>, JoinHandle<()>)>,
    watcher: Watcher,
    archive: Option<Arc<Archive>>,
    parquet: Option<store::Store>,
    uploads: Option<(JoinHandle<()>, Stop)>,
    queue: Option<Arc<Queue>>,
    sidekick: Option<tokio::task::JoinHandle<()>>,
    api: Option<tokio::task::JoinHandle<()>>,
    address: Option<SocketAddr>,
    page: Option<String>,
    token: Option<api::Token>,
    /// Ends API and deliveries, after everything else.
    last: Stop,
    /// Holds the queue when there is no store.
    _temporary: Option<TempDir>,
    /// Keeps other processes off the store.
    _lock: Option<File>,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").field("outputs", &self.outputs.len()).finish_non_exhaustive()
    }
}

impl Service {
    /// Starts everything; returns once inputs are open. What an archive holds is judged before.
    pub fn start(config: &Config, parts: Parts, runtime: &Handle, stop: &Stop) -> Result<Self> {
        let metrics = Arc::new(Metrics::default());
        let last = Stop::default();
        let judge = Judge::load(&config.rules)?;
        let plan = api::Plan::of(config)?;
        // The port is taken first: when another program has it, nothing was touched yet.
        let server = if parts.no_api { None } else { Some(runtime.block_on(api::bind(config.api.listen))?) };
        let address = server.as_ref().map(api::Server::address).transpose()?;
        let client = config.alerts.falcosidekick.as_ref().map(Client::new).transpose()?;

        let store = Store::open(config, &metrics, client.is_some())?;
        // After the store was locked: a token may have to be made there.
        let access = if parts.no_api { None } else { Some(plan.access()?) };
        let token = access.as_ref().and_then(api::Access::token).cloned();
        let keeper = store.state.as_deref().map(Keeper::new).transpose()?;
        let mut durable = Durable { queue: store.queue.clone(), ..Durable::default() };
        let exports = Arc::new(Exports::open(&config.exports, store.state.as_deref(), Arc::clone(&metrics))?);
        durable.ledgers.extend(exports.ledgers());
        durable.exports = Arc::clone(&exports);
        let (mut outputs, mut once) =
            if parts.repeat { (parts.outputs, Vec::new()) } else { (Vec::new(), parts.outputs) };
        if let Some(file) = &config.alerts.file {
            let lines = output::Lines::file(file)?;
            durable.files.extend(lines.handle()?);
            once.push(Box::new(AtLeast::new(lines, config.alerts.file_min_priority)));
        }
        for output in once {
            // Without a store nothing is judged a second time.
            let Some(state) = &store.state else {
                outputs.push(output);
                continue;
            };
            let (output, ledger) = output::once(output, state)?;
            outputs.push(output);
            durable.ledgers.push(ledger);
        }
        if let Some(queue) = &store.queue {
            let min = config.alerts.falcosidekick.as_ref().map(|sidekick| sidekick.min_priority);
            outputs.push(Box::new(AtLeast::new(ToQueue(Arc::clone(queue)), min.unwrap_or_default())));
        }
        let limits =
            sysflow_graph::Limits { graphs: config.limits.graphs, ..sysflow_graph::Limits::default() };
        let world = Arc::new(World::new(limits.clone(), config.limits.alerts));
        let (tell, told) = sync_channel(ALERTS);
        let handled = Arc::new(Handled::default());
        let outputs = output::start(
            told,
            outputs,
            Arc::clone(&metrics),
            parts.closed,
            Arc::clone(&handled),
            Arc::clone(&world),
        )?;

        let parquet = store::Store::start(&config.parquet, config.store.as_deref(), runtime, &metrics)?;
        let sink = parquet.as_ref().map(|parquet| Arc::clone(parquet.sink()));
        let api = server.zip(access).map(|(server, access)| {
            let gauges = gauges(&world, store.queue.as_ref(), sink.as_ref());
            let app = App::new(
                config,
                address.unwrap_or(config.api.listen),
                access,
                last.clone(),
                Arc::clone(&world),
                Arc::clone(&metrics),
                gauges,
            )
            .with_history(parquet.as_ref().map(|parquet| Arc::clone(parquet.history())), config.api.sql);
            runtime.spawn(server.serve(app.router(), last.clone()))
        });
        let public_url = public_url(config, address);
        let engine = Engine::new(judge, config, &public_url, Arc::clone(&world), Arc::clone(&metrics), tell);
        let engine = Arc::new(engine.with_sink(sink.clone()).with_exports(exports));
        let watcher = Watcher::start(Arc::clone(engine.rules()))?;
        let durable = Arc::new(durable);
        let checkpoints = match &keeper {
            None => None,
            Some(keeper) => {
                let (engine, handled) = (Arc::clone(&engine), Arc::clone(&handled));
                let durable = Arc::clone(&durable);
                let metrics = Arc::clone(&metrics);
                Some(Checkpoints::start(keeper.clone(), engine, handled, durable, sink.clone(), metrics)?)
            }
        };
        if let (Some(archive), Some(keeper), Some((checkpoints, _))) = (&store.archive, &keeper, &checkpoints)
        {
            restore(archive, &engine, keeper, limits);
            judge_again(archive, &engine, checkpoints, stop);
        }
        // From here on everything is told: what the archive held from before was handed on first.
        if !durable.ledgers.is_empty() && handled.wait(engine.sent()) {
            for ledger in &durable.ledgers {
                ledger.lock().unwrap_or_else(PoisonError::into_inner).settle()?;
            }
        }
        let sidekick = client.zip(store.queue.clone()).map(|(client, queue)| {
            let delivery =
                runtime.spawn(sidekick::deliver(client, queue, Arc::clone(&metrics), last.clone()));
            let world = Arc::clone(&world);
            runtime.spawn(async move {
                if delivery.await.is_err() {
                    world.fail(
                        "the delivery to Falcosidekick panicked; restart the service, and please report this"
                            .into(),
                    );
                }
            })
        });

        let intake = Arc::new(Intake::new(store.archive.clone(), Arc::clone(&metrics)));
        let (mut inputs, mut judging) = (Vec::new(), Vec::new());
        for input in &config.inputs {
            let (batches, waiting) = sync_channel(BATCHES);
            inputs.push(input::listen(input, Arc::clone(&intake), batches, stop.clone())?);
            let checkpoints = checkpoints.as_ref().map(|(checkpoints, _)| Arc::clone(checkpoints));
            judging.push(judge_batches(Arc::clone(&engine), Arc::clone(&world), waiting, checkpoints)?);
        }
        let uploads =
            config.store.as_deref().map(|store| Uploads::open(&config.archive, store)).transpose()?;
        let uploads = match uploads.flatten() {
            Some(uploads) => {
                let stop = Stop::default();
                Some((uploads.start(runtime.clone(), stop.clone())?, stop))
            }
            None => None,
        };
        world.set_ready();
        Ok(Self {
            world,
            metrics,
            engine,
            inputs,
            judging,
            outputs,
            handled,
            durable,
            keeper,
            checkpoints,
            watcher,
            archive: store.archive,
            parquet,
            uploads,
            queue: store.queue,
            sidekick,
            api,
            address,
            page: address.map(|_| public_url.trim_end_matches('/').to_owned()),
            token,
            last,
            _temporary: store.temporary,
            _lock: store.lock,
        })
    }

    /// Where the API listens.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Where users reach the page, without a slash at the end.
    pub fn page(&self) -> Option<&str> {
        self.page.as_deref()
    }

    /// The token that the API asks for, if it does.
    pub fn token(&self) -> Option<&api::Token> {
        self.token.as_ref()
    }

    /// Graphs and alerts.
    pub fn world(&self) -> &Arc<World> {
        &self.world
    }

    /// Counters.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Reads the rules files again, also if they seem to be the same, each time that what is returned is called.
    pub fn reload_rules(&self) -> impl Fn() + Send + Sync + 'static {
        self.watcher.handle()
    }

    /// Takes no more connections and waits until those there are have ended and all their records are judged.
    pub fn drain_inputs(&mut self) {
        for input in &self.inputs {
            input.close();
        }
        for input in self.inputs.drain(..) {
            input.join();
        }
        for thread in self.judging.drain(..) {
            if thread.join().is_err() {
                tracing::error!("an engine's thread panicked; please report this");
            }
        }
    }

    /// Ends all suppression windows, when no more records are to come.
    pub fn finish_windows(&self) {
        self.engine.finish();
    }

    /// Ends everything; all that was taken is written. Falcosidekick gets `patience` to take what waits for it; the
    /// number is that of the alerts which still wait. The error is that of an output, such as a closed terminal.
    pub fn shut_down(mut self, runtime: &Handle, patience: Duration) -> Result<u64> {
        if let Some(parquet) = &self.parquet {
            parquet.sink().hurry();
        }
        self.drain_inputs();
        let Self {
            engine,
            outputs,
            handled,
            durable,
            keeper,
            checkpoints,
            watcher,
            archive,
            parquet,
            uploads,
            queue,
            sidekick,
            api,
            last,
            ..
        } = self;
        drop(watcher);
        if let Some((checkpoints, thread)) = checkpoints {
            drop(checkpoints);
            if thread.join().is_err() {
                tracing::error!("the thread of the checkpoints panicked; please report this");
            }
        }
        let snapshot = match keeper.as_ref().map(|_| engine.snapshot()) {
            Some(Err(error)) => {
                tracing::error!(%error, "no checkpoint: the next start judges more of the archive anew");
                None
            }
            snapshot => snapshot.and_then(Result::ok),
        };
        // The last sender of the outputs goes with the engine.
        drop(engine);
        let is_stored = |parts| parquet.as_ref().is_none_or(|store| store.sink().wait(parts, STORED));
        let failed = outputs
            .join()
            .unwrap_or_else(|_| Some(Error::Failed("the outputs panicked; please report this".into())));
        if let (Some(keeper), Some(snapshot)) = (&keeper, &snapshot)
            && handled.wait(snapshot.alerts)
            && is_stored(snapshot.parts)
        {
            durable.sync()?;
            keeper.write(&snapshot.bytes)?;
        }
        let deadline = Instant::now() + patience;
        while queue.as_ref().is_some_and(|queue| queue.depth() > 0) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        last.stop();
        runtime.block_on(async {
            for task in [sidekick, api].into_iter().flatten() {
                if task.await.is_err() {
                    tracing::error!("a task panicked; please report this");
                }
            }
        });
        if let Some(queue) = &queue {
            queue.sync()?;
        }
        if let Some(archive) = &archive {
            archive.close();
        }
        if let Some(parquet) = parquet {
            parquet.close();
        }
        if let Some((thread, stop)) = uploads {
            stop.stop();
            if thread.join().is_err() {
                tracing::error!("the uploads panicked; please report this");
            }
        }
        failed.map_or(Ok(queue.map_or(0, |queue| queue.depth())), Err)
    }
}

/// Where archive and queue are.
struct Store {
    /// What else outlives the process.
    state: Option<PathBuf>,
    archive: Option<Arc<Archive>>,
    queue: Option<Arc<Queue>>,
    temporary: Option<TempDir>,
    lock: Option<File>,
}

impl Store {
    fn open(config: &Config, metrics: &Arc<Metrics>, with_queue: bool) -> Result<Self> {
        let lock = config.store.as_deref().map(lock_store).transpose()?;
        let archive = match &config.store {
            None => None,
            Some(store) => {
                Some(Arc::new(Archive::open(&store.join("archive"), &config.archive, Arc::clone(metrics))?))
            }
        };
        let temporary = match &config.store {
            None if with_queue => Some(TempDir::new().map_err(|source| Error::Io {
                what: "cannot make a temporary directory for the alert queue".into(),
                source,
            })?),
            _ => None,
        };
        let queue_dir: Option<PathBuf> = match (&config.store, &temporary) {
            (Some(store), _) if with_queue => Some(store.join("queue")),
            (None, Some(temporary)) => Some(temporary.path().to_owned()),
            _ => None,
        };
        let max_bytes = u64::from(config.alerts.queue_mib) << 20;
        let queue = queue_dir.map(|dir| Queue::open(&dir, max_bytes)).transpose()?.map(Arc::new);
        let state = config.store.as_ref().map(|store| store.join("state"));
        Ok(Self { state, archive, queue, temporary, lock })
    }
}

/// Makes the store if need be, and takes it: two processes would cut each other's files.
fn lock_store(store: &Path) -> Result<File> {
    use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(store)
        .map_err(Error::io("make the store", store))?;
    let path = store.join("lock");
    let lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .map_err(Error::io("open", &path))?;
    match rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(lock),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(Error::Failed(format!(
            "the store {} is in use by another process; stop that one or choose another store",
            store.display()
        ))),
        Err(errno) => Err(Error::io("lock", &path)(errno.into())),
    }
}

/// Goes on from the last checkpoint, if it can be used.
fn restore(archive: &Archive, engine: &Engine, keeper: &Keeper, limits: sysflow_graph::Limits) {
    let bytes = match keeper.read() {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return,
        Err(error) => {
            tracing::warn!(%error, "the checkpoint cannot be used: the whole archive is judged anew");
            keeper.set_aside();
            return;
        }
    };
    if archive.is_empty() {
        // Somebody has begun anew.
        tracing::info!("the archive is empty: its checkpoint is left aside");
        return;
    }
    if let Err(error) = engine.restore(&bytes, limits) {
        tracing::warn!(%error, "the checkpoint cannot be used: the whole archive is judged anew");
        keeper.set_aside();
    }
}

fn judge_again(archive: &Archive, engine: &Engine, checkpoints: &Checkpoints, stop: &Stop) {
    let files = archive.files_from(|stream| engine.next(stream));
    if files.is_empty() {
        return;
    }
    let began = Instant::now();
    tracing::info!(files = files.len(), "judging what the archive holds since the last checkpoint");
    for file in files {
        if stop.is_set() {
            return;
        }
        if let Err(error) = archive::records(&file, |batch| engine.take(batch, true)) {
            tracing::error!(file = %file.display(), %error, "a file of the archive cannot be read to its end");
        }
        // A kill during a long start must not begin it anew.
        if began.elapsed() >= FIRST_CHECKPOINT {
            checkpoints.judged(true);
        }
    }
    if began.elapsed() >= FIRST_CHECKPOINT {
        checkpoints.now();
    }
}

fn judge_batches(
    engine: Arc<Engine>,
    world: Arc<World>,
    batches: Receiver<Batch>,
    checkpoints: Option<Arc<Checkpoints>>,
) -> Result<JoinHandle<()>> {
    std::thread::Builder::new()
        .name("engine".into())
        .spawn(move || world.watch("the engine", || judge_all(&engine, &batches, checkpoints.as_deref())))
        .map_err(|source| Error::Io { what: "cannot start a thread".into(), source })
}

fn judge_all(engine: &Engine, batches: &Receiver<Batch>, checkpoints: Option<&Checkpoints>) {
    // Windows that were open before a restart end too when nothing more comes.
    let mut quiet: Vec<(Arc<Stream>, Instant)> =
        engine.streams().into_iter().map(|stream| (stream, Instant::now())).collect();
    loop {
        match batches.recv_timeout(TICK) {
            Ok(batch) => {
                quiet.retain(|(stream, since)| stream.id != batch.stream.id && since.elapsed() < FORGET);
                quiet.push((Arc::clone(&batch.stream), Instant::now()));
                engine.take(&batch, false);
                if let Some(checkpoints) = checkpoints {
                    checkpoints.judged(batch.records.iter().any(|r| matches!(r, Record::Header(_))));
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        for (stream, since) in quiet.iter().filter(|(_, since)| since.elapsed() >= TICK) {
            engine.idle(stream, since.elapsed().as_nanos() as i64);
        }
    }
}

fn gauges(
    world: &Arc<World>,
    queue: Option<&Arc<Queue>>,
    sink: Option<&Arc<store::Sink>>,
) -> impl Fn() -> Vec<Gauge> + Send + Sync + 'static {
    let (world, queue, sink) = (Arc::clone(world), queue.cloned(), sink.cloned());
    move || {
        let state = world.lock();
        let gauge = |name, help, value| Gauge { name, help, label: None, value };
        let mut gauges = vec![
            gauge("graphs", "graphs in memory", state.graphs.len() as u64),
            gauge(
                "graph_cells",
                "memory of the graphs, in cells of about 200 bytes",
                state.graphs.cells() as u64,
            ),
            gauge("graphs_evicted", "graphs that went to make room for others", state.graphs.evicted()),
            gauge(
                "records_unplaced",
                "records whose process the stream does not describe",
                state.graphs.unplaced(),
            ),
            gauge("alerts_in_memory", "alerts that the API knows", state.alerts.count(None) as u64),
            gauge(
                "calls_not_delivered",
                "most system calls that the Falco of one node does not deliver to its plugin",
                state.missing.most(),
            ),
        ];
        gauges.extend(state.missing.calls().into_iter().map(|(call, nodes)| Gauge {
            name: "call_not_delivered_nodes",
            help: "nodes whose Falco does not deliver this system call",
            label: Some(("call", call)),
            value: nodes,
        }));
        drop(state);
        if let Some(queue) = &queue {
            gauges.push(gauge("queue_depth", "alerts that wait for Falcosidekick", queue.depth()));
            gauges.push(gauge("queue_dropped", "alerts dropped because the queue was full", queue.dropped()));
        }
        if let Some((rows, lag)) = sink.as_ref().map(|sink| sink.waiting()) {
            gauges.push(gauge("store_rows_waiting", "rows that are in no Parquet file yet", rows as u64));
            gauges.push(gauge("store_lag_seconds", "how long the oldest of them has waited", lag.as_secs()));
        }
        gauges
    }
}

/// Where users reach the page: as configured, else where it listens.
fn public_url(config: &Config, address: Option<SocketAddr>) -> String {
    config
        .api
        .public_url
        .clone()
        .unwrap_or_else(|| format!("http://{}", address.unwrap_or(config.api.listen)))
}

/// A channel for an engine that is not part of a service.
pub fn batches() -> (SyncSender<Batch>, Receiver<Batch>) {
    sync_channel(BATCHES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    /// The number of a record after the last one does not exist: connections refuse it, and an engine cannot go on.
    #[test]
    #[cfg(debug_assertions)]
    fn an_engine_that_panics_is_a_failure_of_the_service() {
        let config = Config::default();
        let world = Arc::new(World::new(sysflow_graph::Limits::default(), 10));
        world.set_ready();
        let (tell, _told) = sync_channel(1);
        let judge = Judge::load(&config::Rules::default()).unwrap();
        let engine =
            Arc::new(Engine::new(judge, &config, "http://sysflow", Arc::clone(&world), Arc::default(), tell));
        let (batches, waiting) = sync_channel(1);
        let thread = judge_batches(engine, Arc::clone(&world), waiting, None).unwrap();
        let file = sysflow::record::File {
            state: sysflow::record::ObjectState::Created,
            oid: sysflow::Foid::default(),
            ts: 0,
            restype: 0,
            path: String::new(),
            container_id: None,
        };
        let records = vec![Record::File(file)];
        batches
            .send(Batch { stream: Arc::new(Stream::new([0; 16], "n")), first: u64::MAX, records })
            .unwrap();
        assert!(thread.join().is_err());
        assert!(!world.is_ready());
        assert!(world.failure().unwrap().contains("the engine panicked"), "{:?}", world.failure());
    }
}
