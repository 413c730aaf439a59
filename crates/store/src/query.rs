//! Questions: a condition of the rules, or SQL, over all rows of a stretch of time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion::arrow::array::{BooleanArray, RecordBatch};
use datafusion::arrow::compute::{
    SortColumn, concat_batches, filter_record_batch, lexsort_to_indices, take_record_batch,
};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::dataframe::DataFrame;
use datafusion::execution::context::SQLOptions;
use datafusion::logical_expr::{Expr, lit};
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::prelude::SessionContext;
use futures_util::StreamExt;
use sysflow_policy::{Condition, Scratch};

use crate::column::{self, COLUMNS};
use crate::error::{Error, Result};
use crate::filter::{self, Filter};
use crate::history::History;
use crate::restore::{Columns, Restorer};

/// A question.
#[derive(Clone, Debug)]
pub struct Asked {
    /// What is asked.
    pub what: What,
    /// Leave out rows that ended before this time, in ns.
    pub since: Option<i64>,
    /// Leave out rows that began after this time, in ns.
    pub until: Option<i64>,
    /// What it may cost.
    pub limits: Limits,
}

/// What is asked.
#[derive(Clone, Debug)]
pub enum What {
    /// Rows that match a condition of the rules.
    Condition(String),
    /// A SELECT over the table `records`. Names of columns have dots: they stand in double quotes.
    Sql(String),
}

/// Bounds of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Time.
    pub time: Duration,
    /// Bytes of memory for sorting, grouping and joining.
    pub memory: usize,
    /// Rows of the answer.
    pub rows: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { time: Duration::from_secs(30), memory: 512 << 20, rows: 10_000 }
    }
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// Columns of the rows.
    pub schema: SchemaRef,
    /// The rows; those of a condition by time.
    pub rows: Vec<RecordBatch>,
    /// Whether there were more than the limit: of a condition's rows the earliest are here.
    pub truncated: bool,
    /// What was looked at.
    pub scanned: Scanned,
    /// How long it took.
    pub elapsed: Duration,
}

/// What was looked at for an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scanned {
    /// Files whose names did not rule them out.
    pub files: usize,
    /// Rows that were read: those that statistics and filters of files did not rule out unread.
    pub rows: usize,
}

impl Asked {
    /// A condition, over all time and within the usual limits.
    pub fn condition(text: impl Into<String>) -> Self {
        Self { what: What::Condition(text.into()), since: None, until: None, limits: Limits::default() }
    }

    /// The same of SQL.
    pub fn sql(text: impl Into<String>) -> Self {
        Self { what: What::Sql(text.into()), ..Self::condition("") }
    }
}

impl Answer {
    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.iter().map(RecordBatch::num_rows).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl History {
    /// Answers a question within its limits.
    pub async fn ask(&self, asked: &Asked) -> Result<Answer> {
        let limit = asked.limits.time;
        match tokio::time::timeout(limit, self.answer(asked)).await {
            Ok(answer) => answer,
            Err(_) => Err(Error::Limit(format!(
                "the query took more than {} s: ask for a shorter time (--since, --until) or for fewer rows",
                limit.as_secs()
            ))),
        }
    }

    async fn answer(&self, asked: &Asked) -> Result<Answer> {
        let began = Instant::now();
        let question = match &asked.what {
            What::Condition(text) => {
                Some(Condition::parse(text).map_err(|problems| Error::Question(problems.to_string()))?)
            }
            What::Sql(_) => None,
        };
        let (context, files) = self.session(asked.since, asked.until, &asked.limits).await?;
        let mut answer = match (&asked.what, question) {
            (What::Sql(text), _) => sql(&context, text, asked.limits.rows).await?,
            (What::Condition(_), Some(condition)) => matching(&context, &condition, asked).await?,
            (What::Condition(_), None) => return Err(Error::Question("no condition".into())),
        };
        answer.scanned.files = files;
        answer.elapsed = began.elapsed();
        Ok(answer)
    }
}

/// Reading, and nothing else.
async fn sql(context: &SessionContext, text: &str, limit: usize) -> Result<Answer> {
    let options = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    let frame = context.sql_with_options(text, options).await?;
    let mut kept = Kept::new(limit, false);
    let (schema, rows) = run(frame, |batch| kept.add(batch)).await?;
    kept.answer(schema, rows)
}

async fn matching(context: &SessionContext, condition: &Condition, asked: &Asked) -> Result<Answer> {
    let filter = Filter::new(condition);
    let shown: Vec<&str> =
        COLUMNS.iter().map(|column| column.name).filter(|name| !name.starts_with("raw.")).collect();
    let mut names = shown.clone();
    names.extend([column::STREAM, column::RECORD]);
    if !filter.is_exact {
        names.extend(crate::restore::needed());
        names.sort_unstable();
        names.dedup();
    }
    let frame = context
        .table(crate::history::TABLE)
        .await?
        .filter(filter.expr)?
        .select(names.iter().map(|name| filter::column(name)).collect::<Vec<Expr>>())?;
    let mut kept = Kept::new(asked.limits.rows, true);
    let mut scratch = Scratch::default();
    let mut restorer = Restorer::default();
    let (schema, rows) = run(frame, |batch| {
        if filter.is_exact {
            return kept.add(batch);
        }
        let columns = Columns::new(&batch);
        let mask: Result<Vec<bool>> = (0..batch.num_rows())
            .map(|at| {
                let row = restorer.row(&columns, at)?;
                Ok(condition.matches_in(&row.joined(), &row, &mut scratch))
            })
            .collect();
        let matching = filter_record_batch(&batch, &BooleanArray::from(mask?))?;
        kept.add(matching)
    })
    .await?;
    let answer = kept.answer(schema, rows)?;
    // Only what has a meaning for people; the order is the order of the files.
    let indices: Result<Vec<usize>, _> = shown.iter().map(|name| answer.schema.index_of(name)).collect();
    let indices = indices?;
    let schema = Arc::new(answer.schema.project(&indices)?);
    let rows: Result<Vec<_>, _> = answer.rows.iter().map(|batch| batch.project(&indices)).collect();
    Ok(Answer { schema, rows: rows?, ..answer })
}

/// Runs a plan; how many rows its files gave.
pub(crate) async fn run(
    frame: DataFrame,
    mut take: impl FnMut(RecordBatch) -> Result<bool>,
) -> Result<(SchemaRef, usize)> {
    let task = Arc::new(frame.task_ctx());
    let plan = frame.create_physical_plan().await?;
    let mut stream = execute_stream(Arc::clone(&plan), task)?;
    while let Some(batch) = stream.next().await {
        if !take(batch?)? {
            break;
        }
    }
    drop(stream);
    Ok((plan.schema(), scanned(plan.as_ref())))
}

fn scanned(plan: &dyn ExecutionPlan) -> usize {
    let own = if plan.children().is_empty() {
        plan.metrics().map_or(0, |metrics| {
            let sum = |name: &str| metrics.sum_by_name(name).map(|value| value.as_usize());
            // Rows that the reader looked at to decide, and all others that it gave.
            match (sum("pushdown_rows_matched"), sum("pushdown_rows_pruned")) {
                (Some(matched), Some(pruned)) if matched + pruned > 0 => matched + pruned,
                _ => metrics.output_rows().unwrap_or(0),
            }
        })
    } else {
        0
    };
    own + plan.children().into_iter().map(|child| scanned(child.as_ref())).sum::<usize>()
}

/// Rows of an answer, as many as are asked for.
struct Kept {
    limit: usize,
    by_time: bool,
    rows: Vec<RecordBatch>,
    count: usize,
    truncated: bool,
}

impl Kept {
    fn new(limit: usize, by_time: bool) -> Self {
        Self { limit, by_time, rows: Vec::new(), count: 0, truncated: false }
    }

    /// Whether more are wanted.
    fn add(&mut self, batch: RecordBatch) -> Result<bool> {
        if batch.num_rows() > 0 {
            self.count += batch.num_rows();
            self.rows.push(batch);
        }
        if !self.by_time {
            return Ok(self.count <= self.limit);
        }
        // Twice as many as wanted, so that sorting is paid for by what it throws away.
        if self.count > self.limit.saturating_mul(2).max(8192) {
            self.cut()?;
        }
        Ok(true)
    }

    fn cut(&mut self) -> Result<()> {
        let Some(first) = self.rows.first() else { return Ok(()) };
        let mut all = concat_batches(&first.schema(), &self.rows)?;
        if self.by_time {
            let by: Vec<SortColumn> = [column::TS, column::STREAM, column::RECORD]
                .into_iter()
                .filter_map(|name| all.column_by_name(name))
                .map(|values| SortColumn { values: Arc::clone(values), options: None })
                .collect();
            all = take_record_batch(&all, &lexsort_to_indices(&by, None)?)?;
        }
        self.truncated |= all.num_rows() > self.limit;
        all = all.slice(0, all.num_rows().min(self.limit));
        self.count = all.num_rows();
        self.rows = vec![all];
        Ok(())
    }

    fn answer(mut self, schema: SchemaRef, rows: usize) -> Result<Answer> {
        self.cut()?;
        let schema = self.rows.first().map_or(schema, RecordBatch::schema);
        Ok(Answer {
            schema,
            rows: self.rows,
            truncated: self.truncated,
            scanned: Scanned { files: 0, rows },
            elapsed: Duration::ZERO,
        })
    }
}

/// Rows that touch a stretch of time.
pub(crate) fn within(since: Option<i64>, until: Option<i64>) -> Option<Expr> {
    let began = until.map(|until| filter::column(column::TS).lt_eq(lit(until)));
    let ended = since.map(|since| {
        let ts = filter::column(column::TS).gt_eq(lit(since));
        ts.or(filter::column(column::END).gt_eq(lit(since)))
    });
    match (began, ended) {
        (Some(began), Some(ended)) => Some(began.and(ended)),
        (one, other) => one.or(other),
    }
}
