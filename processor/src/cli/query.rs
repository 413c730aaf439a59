//! `sysflow query`.

use std::io::{BufWriter, Write, stdout};
use std::time::Duration;

use clap::ValueEnum;
use sysflow_store::{Asked, DataSet, History, Limits, What};

use crate::error::{self, Error, Result};
use crate::store::{drawn, failed, time};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  sysflow query 'proc.cmdline contains exfil' --store /var/lib/sysflow\n  sysflow query 'sf.net.dport = 4444' --store s3://bucket/prefix --since 7d -o json\n  sysflow query --sql 'SELECT \"sf.proc.exe\", count(*) FROM records GROUP BY 1 ORDER BY 2 DESC' --store /var/lib/sysflow\n\nRows that a running service has not written yet are not here; ask its API (POST /api/v1/query) for those.\nS3: region, endpoint and credentials come from AWS_REGION, AWS_ENDPOINT, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_ALLOW_HTTP."
)]
pub(super) struct Args {
    /// Condition in the language of rules.
    #[arg(value_name = "COND", required_unless_present = "sql", conflicts_with = "sql")]
    condition: Option<String>,
    /// SELECT over the table `records` instead of a condition; columns stand in double quotes: "sf.proc.exe".
    #[arg(long, value_name = "SELECT")]
    sql: Option<String>,
    /// Store of a service: its directory, or s3://bucket/prefix.
    #[arg(long, value_name = "STORE")]
    store: String,
    /// Only what touches the time from here on: 2026-11-24T10:00:00Z, or 15m, 2h, 7d before the newest record.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only what began by then.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Form of the answer.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
    /// Most rows; of a condition's rows the earliest are told.
    #[arg(long, value_name = "ROWS", default_value_t = 10_000)]
    limit: usize,
    /// Seconds that it may take.
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    timeout: u64,
    /// MiB of memory for sorting, grouping and joining.
    #[arg(long, value_name = "MIB", default_value_t = 1024)]
    memory: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// A line a row, for people.
    Table,
    /// A JSON object a row and line.
    Json,
    /// Comma-separated values.
    Csv,
    /// Arrow's IPC stream.
    Arrow,
    /// The graphs of the rows as JSON, version 1.
    Graph,
}

pub(super) fn run(args: &Args) -> Result<()> {
    let what = match (&args.condition, &args.sql) {
        (_, Some(_)) if args.output == Output::Graph => {
            return Err(Error::Usage("a graph is drawn of a condition, not of --sql".into()));
        }
        (_, Some(sql)) => What::Sql(sql.clone()),
        (Some(condition), None) => What::Condition(condition.clone()),
        (None, None) => return Err(Error::Usage("give a condition or --sql".into())),
    };
    let is_condition = matches!(what, What::Condition(_));
    let data = open(&args.store)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|source| Error::Io { what: "cannot start the runtime".into(), source })?;
    runtime.block_on(async {
        let newest = data.newest().await.map_err(failed)?;
        let moment = |name: &str, text: Option<&String>| {
            text.map(|text| time::parse(text, newest))
                .transpose()
                .map_err(|why| Error::Usage(format!("{name}: {why}")))
        };
        let asked = Asked {
            what,
            since: moment("--since", args.since.as_ref())?,
            until: moment("--until", args.until.as_ref())?,
            limits: Limits {
                time: Duration::from_secs(args.timeout),
                memory: args.memory.saturating_mul(1 << 20),
                rows: args.limit,
            },
        };
        let history = History::new(data, None).map_err(failed)?;
        let mut out = BufWriter::with_capacity(64 << 10, stdout());
        if args.output == Output::Graph {
            let limits = Limits { rows: 5_000_000, ..asked.limits };
            let document = drawn::matches(&history, &asked, &limits).await.map_err(failed)?;
            writeln!(out, "{document}").map_err(error::stdout)?;
            return out.flush().map_err(error::stdout);
        }
        let answer = history.ask(&asked).await.map_err(failed)?;
        match args.output {
            Output::Table => sysflow_store::table(&answer, is_condition, &mut out).map_err(error::stdout)?,
            Output::Json => sysflow_store::json_lines(&answer, &mut out).map_err(error::stdout)?,
            Output::Csv => sysflow_store::csv(&answer, &mut out).map_err(error::stdout)?,
            Output::Arrow | Output::Graph => {
                sysflow_store::arrow_stream(&answer, &mut out).map_err(failed)?;
            }
        }
        out.flush().map_err(error::stdout)?;
        if answer.truncated {
            tracing::warn!(
                rows = args.limit,
                "there are more rows; --limit, --since and --until say which are told"
            );
        }
        Ok(())
    })
}

/// The data set of a store that is there: a question must not make one.
fn open(store: &str) -> Result<DataSet> {
    let path = std::path::Path::new(store);
    if !store.contains("://") && !path.join("parquet").is_dir() {
        return Err(Error::Failed(format!(
            "{store} holds no Parquet store; --store takes the directory of a service that ran with --store"
        )));
    }
    DataSet::open(store).map_err(failed)
}
