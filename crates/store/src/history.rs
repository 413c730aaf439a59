//! What was recorded: files, and rows that are not in one yet.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::concat_batches;
use datafusion::datasource::MemTable;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::logical_expr::{Expr, cast, lit};
use datafusion::prelude::{SessionConfig, SessionContext};
use sysflow::record::{Record, op};
use sysflow::{GraphId, Priority};
use sysflow_graph::{AlertMark, Document, Graphs, Query};

use crate::builder::Rows;
use crate::column::{self, COLUMNS};
use crate::dataset::DataSet;
use crate::error::{Error, Result};
use crate::filter;
use crate::query::{Limits, run, within};
use crate::restore::{Columns, Restorer};
use crate::table::Files;

/// Name of the table in SQL.
pub(crate) const TABLE: &str = "records";

/// Footers of files that are remembered, in bytes.
const FOOTERS: usize = 64 << 20;

/// Functions that make much out of little: no question about history needs them.
const REFUSED: &[&str] = &[
    "repeat",
    "lpad",
    "rpad",
    "array_repeat",
    "list_repeat",
    "array_resize",
    "list_resize",
    "range",
    "generate_series",
    "gen_series",
];

/// Rows that are in no file yet.
pub trait Live: Send + Sync + std::fmt::Debug {
    /// Those of all streams.
    fn rows(&self) -> Result<Vec<Rows>>;
}

/// History, to be asked.
#[derive(Debug)]
pub struct History {
    data: DataSet,
    live: Option<Arc<dyn Live>>,
    runtime: Arc<RuntimeEnv>,
    threads: usize,
}

/// A graph as its rows tell it.
#[derive(Debug)]
pub struct Found {
    /// The graph, and parts of others that came from it.
    pub graphs: Graphs,
    /// Its alerts as they were told, oldest first.
    pub alerts: Vec<serde_json::Value>,
    /// Rows that it is drawn from.
    pub rows: usize,
    /// Whether there were more rows than may be read for one graph.
    pub truncated: bool,
}

impl Found {
    /// The picture of graph `id`, with its alerts; `None` when nothing is known of it.
    pub fn document(&self, id: GraphId, query: &Query) -> Option<Document> {
        let mut document = self.graphs.document(id, query)?;
        document.truncated |= self.truncated;
        let shown: Vec<String> = document.alert_ids().into_iter().map(str::to_owned).collect();
        let whole = *query == Query::default();
        let is_shown = |alert: &&serde_json::Value| {
            whole || alert["id"].as_str().is_some_and(|id| shown.iter().any(|other| other == id))
        };
        document.alerts = self.alerts.iter().filter(is_shown).map(|alert| alert["alert"].clone()).collect();
        Some(document)
    }
}

impl History {
    /// History of a data set, and of what is not in it yet.
    pub fn new(data: DataSet, live: Option<Arc<dyn Live>>) -> Result<Self> {
        let runtime = RuntimeEnvBuilder::new().with_metadata_cache_limit(FOOTERS).build()?;
        let url = DataSet::url()?;
        runtime.register_object_store(url.as_ref(), data.objects());
        // A question knows the data set and nothing else.
        if let Ok(files) = url::Url::parse("file://") {
            _ = runtime.deregister_object_store(&files);
        }
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Self { data, live, runtime: Arc::new(runtime), threads })
    }

    /// The files.
    pub fn data(&self) -> &DataSet {
        &self.data
    }

    /// The engine with the rows of a stretch of time as its one table, and how many files those are in.
    pub(crate) async fn session(
        &self,
        since: Option<i64>,
        until: Option<i64>,
        limits: &Limits,
    ) -> Result<(SessionContext, usize)> {
        // Live rows first: what becomes a file in between is left out of the files.
        let live = match &self.live {
            Some(live) => live.rows()?,
            None => Vec::new(),
        };
        let mut segments = self.data.segments().await?;
        segments.retain(|segment| segment.overlaps(since, until));
        let files = segments.len();
        let twice = twice(&live, &segments);

        let runtime = RuntimeEnvBuilder::from_runtime_env(&self.runtime)
            .with_memory_limit(limits.memory, 1.0)
            .with_disk_manager_builder(DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled))
            .build_arc()?;
        let mut config = SessionConfig::new().with_target_partitions(self.threads);
        let parquet = &mut config.options_mut().execution.parquet;
        parquet.pushdown_filters = true;
        parquet.reorder_filters = true;
        parquet.schema_force_view_types = false;
        let context = SessionContext::new_with_config_rt(config, runtime);
        for name in REFUSED {
            context.deregister_udf(name);
            context.deregister_udtf(name);
        }

        let mut frame = context.read_table(Arc::new(Files { store: DataSet::url()?, segments }))?;
        if let Some(twice) = twice {
            frame = frame.filter(twice.is_not_true())?;
        }
        if !live.is_empty() {
            let batches = live.into_iter().map(|rows| rows.batch).collect();
            let table = MemTable::try_new(column::gathered_schema(), vec![batches])?;
            let plain = COLUMNS
                .iter()
                .map(|column| cast(filter::column(column.name), column.form.data_type()).alias(column.name));
            frame =
                frame.union(context.read_table(Arc::new(table))?.select(plain.collect::<Vec<Expr>>())?)?;
        }
        if let Some(within) = within(since, until) {
            frame = frame.filter(within)?;
        }
        context.register_table(TABLE, frame.into_view())?;
        Ok((context, files))
    }

    /// Draws graph `id` from the rows of a stretch of time. Bounds are those of live graphs; `limits.rows` bounds the
    /// rows that are read.
    pub async fn graph(
        &self,
        id: GraphId,
        since: Option<i64>,
        until: Option<i64>,
        limits: &Limits,
    ) -> Result<Found> {
        let drawn = self.draw(id, since, until, limits);
        match tokio::time::timeout(limits.time, drawn).await {
            Ok(found) => found,
            Err(_) => Err(Error::Limit(format!(
                "drawing the graph took more than {} s: ask for a shorter time",
                limits.time.as_secs()
            ))),
        }
    }

    /// The picture of a graph that `query` asks for, drawn from the rows of its window; `None` when there are none.
    pub async fn document(&self, id: GraphId, query: &Query, limits: &Limits) -> Result<Option<Document>> {
        let (since, until) = query.window();
        Ok(self.graph(id, since, until, limits).await?.document(id, query))
    }

    async fn draw(
        &self,
        id: GraphId,
        since: Option<i64>,
        until: Option<i64>,
        limits: &Limits,
    ) -> Result<Found> {
        let (context, _) = self.session(since, until, limits).await?;
        let text = id.to_string();
        let own = filter::column(column::GRAPH).eq(lit(text.as_str()));
        let mut rows = rows_of(&context, own, limits.rows).await?;
        // A process that began a graph of its own has left this one with its exec.
        let left = filter::column(column::PARENT).eq(lit(text.as_str())).and(filter::has_bits(op::EXEC));
        let children = rows_of(&context, left, limits.rows).await?;
        if !rows.batches.is_empty() {
            let lost = filter::column(column::TYPE).eq(lit("H"));
            rows.batches.extend(rows_of(&context, lost, 1_000).await?.batches);
        }
        let truncated = rows.truncated;
        rows.batches.extend(children.batches);
        let (graphs, alerts, count) = apply(rows.batches, &text)?;
        Ok(Found { graphs, alerts, rows: count, truncated })
    }
}

/// Rows of a stream that are live and, by now, in a file as well.
fn twice(live: &[Rows], segments: &[crate::dataset::Segment]) -> Option<Expr> {
    let of = |rows: &&Rows| {
        segments.iter().any(|segment| segment.stream() == rows.stream && segment.range().1 >= rows.first)
    };
    live.iter()
        .filter(of)
        .map(|rows| {
            let stream = filter::column(column::STREAM).eq(lit(rows.stream.as_str()));
            stream.and(filter::column(column::RECORD).gt_eq(lit(rows.first as i64)))
        })
        .reduce(Expr::or)
}

struct Gathered {
    batches: Vec<RecordBatch>,
    truncated: bool,
}

/// Rows for which an expression is true, with all columns that records are brought back from.
async fn rows_of(context: &SessionContext, expr: Expr, limit: usize) -> Result<Gathered> {
    let columns: Vec<Expr> = COLUMNS
        .iter()
        .map(|column| column.name)
        .filter(|name| *name == column::ALERTS || needed(name))
        .map(filter::column)
        .collect();
    let frame = context.table(TABLE).await?.filter(expr)?.select(columns)?;
    let mut gathered = Gathered { batches: Vec::new(), truncated: false };
    let mut count = 0;
    run(frame, |batch| {
        count += batch.num_rows();
        gathered.batches.push(batch);
        gathered.truncated = count > limit;
        Ok(!gathered.truncated)
    })
    .await?;
    Ok(gathered)
}

fn needed(name: &str) -> bool {
    let is_own = [column::GRAPH, column::STREAM, column::RECORD].contains(&name);
    // What rules remember is not drawn.
    is_own
        || (crate::restore::needed().any(|needed| needed == name)
            && !sysflow_policy::Stateful::ALL.iter().any(|(stateful, _)| *stateful == name))
}

/// Draws rows in the order in which they were recorded.
fn apply(batches: Vec<RecordBatch>, id: &str) -> Result<(Graphs, Vec<serde_json::Value>, usize)> {
    let mut graphs = Graphs::new(sysflow_graph::Limits::default());
    let mut alerts = Vec::new();
    let Some(first) = batches.first() else { return Ok((graphs, alerts, 0)) };
    let all = concat_batches(&first.schema(), &batches)?;
    drop(batches);
    let columns = Columns::new(&all);
    let mut order: Vec<usize> = (0..all.num_rows()).collect();
    // One stream after the other: by the first time of each.
    let mut begin: crate::HashMap<&str, i64> = crate::HashMap::default();
    for at in 0..all.num_rows() {
        let ts = columns.int(column::TS, at).unwrap_or_default();
        let known = begin.entry(columns.text(column::STREAM, at).unwrap_or_default()).or_insert(ts);
        *known = (*known).min(ts);
    }
    let place = |at: &usize| {
        let stream = columns.text(column::STREAM, *at).unwrap_or_default();
        (begin.get(stream).copied(), stream, columns.int(column::RECORD, *at))
    };
    order.sort_by_cached_key(place);
    let mut restorer = Restorer::default();
    let mut count = 0;
    let mut last = None;
    for at in order {
        // The row of a child that is one of the graph's own was found twice.
        let this = place(&at);
        if last.replace(this) == Some(this) {
            continue;
        }
        let row = restorer.row(&columns, at)?;
        if let Record::Header(header) = &row.record {
            graphs.loss(header);
            continue;
        }
        let joined = row.joined();
        graphs.apply(&joined);
        if columns.text(column::GRAPH, at) != Some(id) {
            continue;
        }
        count += 1;
        let told = columns.text(column::ALERTS, at);
        for alert in told
            .and_then(|json| serde_json::from_str::<Vec<serde_json::Value>>(json).ok())
            .unwrap_or_default()
        {
            if let Some(mark) = mark(&alert) {
                graphs.mark(&joined, &mark);
            }
            alerts.push(alert);
        }
    }
    Ok((graphs, alerts, count))
}

fn mark(alert: &serde_json::Value) -> Option<AlertMark> {
    Some(AlertMark {
        id: alert["id"].as_str()?.to_owned(),
        ts: alert["ts"].as_i64()?,
        priority: alert["priority"].as_str()?.parse::<Priority>().ok()?,
        rule: alert["rule"].as_str()?.to_owned(),
        tags: alert["tags"].as_array()?.iter().filter_map(|tag| Some(tag.as_str()?.to_owned())).collect(),
    })
}
