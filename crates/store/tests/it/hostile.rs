//! SQL reads the data set, and does nothing else.

use std::time::{Duration, Instant};

use sysflow_store::{Asked, Error, Limits};

use crate::data::{Place, builder, trace, wait};

const REFUSED: &[&str] = &[
    "DROP TABLE records",
    "DROP VIEW records",
    "CREATE TABLE t AS SELECT 1",
    "CREATE VIEW v AS SELECT 1",
    "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/etc/passwd'",
    "CREATE EXTERNAL TABLE t STORED AS PARQUET LOCATION 's3://bucket/x'",
    "CREATE SCHEMA s",
    "CREATE DATABASE d",
    "CREATE FUNCTION f() RETURNS INT RETURN 1",
    "INSERT INTO records SELECT * FROM records",
    "DELETE FROM records",
    "UPDATE records SET \"sf.type\" = 'x'",
    "TRUNCATE TABLE records",
    "COPY records TO '/tmp/stolen.parquet'",
    "COPY (SELECT 1) TO 's3://bucket/x.csv'",
    "SET datafusion.execution.batch_size = 1",
    "RESET datafusion.execution.batch_size",
    "PREPARE p AS SELECT 1",
    "EXECUTE p",
    "DEALLOCATE p",
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "SHOW ALL",
    "SHOW TABLES",
    "EXPLAIN ANALYZE COPY records TO '/tmp/stolen.parquet'",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM 'file:///etc/passwd'",
    "SELECT * FROM \"/etc/passwd\"",
    "SELECT * FROM \"data.parquet\"",
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_parquet('/etc/passwd')",
    "SELECT * FROM parquet_metadata('/etc/passwd')",
    "SELECT * FROM information_schema.tables",
    "SELECT * FROM information_schema.df_settings",
    "SELECT * FROM generate_series(1, 1000000000000)",
    "SELECT repeat('x', 1000000000)",
    "SELECT lpad('x', 1000000000)",
    "SELECT * FROM records; DROP TABLE records",
    "SELECT 1; SELECT 2",
    "SELECT",
    "",
    "\0",
];

#[test]
fn statements_that_do_more_than_read_are_refused() {
    let place = Place::new();
    let history = place.history();
    for statement in REFUSED {
        let error = wait(async { history.ask(&Asked::sql(*statement)).await }).map(|answer| answer.len());
        assert!(error.is_err(), "{statement:?} was answered with {error:?} rows");
    }
    assert!(!std::path::Path::new("/tmp/stolen.parquet").exists());
    let deep = format!("SELECT {}1{}", "(".repeat(100_000), ")".repeat(100_000));
    assert!(wait(async { history.ask(&Asked::sql(deep)).await }).is_err(), "no stack is that deep");
}

#[test]
fn what_sql_is_for() {
    let Some(records) = trace("traces/mon.1531776712.sf") else { return };
    let place = wait(Place::with(&builder(&records)));
    let history = place.history();
    let sql = "SELECT \"sf.proc.exe\", count(*) AS n, sum(\"sf.flow.rbytes\") FROM records \
               WHERE \"sf.type\" = 'FF' GROUP BY 1 ORDER BY n DESC, 1 LIMIT 3";
    let answer = wait(async { history.ask(&Asked::sql(sql)).await }).expect("an answer");
    let (columns, rows) = answer.values();
    assert_eq!(columns.len(), 3);
    assert_eq!(rows.len(), 3);
    let flows = records.iter().filter(|record| matches!(record, sysflow::Record::FileFlow(_))).count() as u64;
    let sql = "SELECT count(*) FROM records WHERE \"sf.type\" = 'FF'";
    let answer = wait(async { history.ask(&Asked::sql(sql)).await }).expect("an answer");
    assert_eq!(answer.values().1[0][0], flows);
}

#[test]
fn time_and_memory_and_rows_are_bounded() {
    let Some(records) = trace("traces/mon.1531776712.sf") else { return };
    let place = wait(Place::with(&builder(&records)));
    let history = place.history();
    let ask = |sql: &str, limits: Limits| {
        let asked = Asked { limits, ..Asked::sql(sql) };
        wait(async { history.ask(&asked).await })
    };
    let cross =
        "SELECT count(*) FROM records a, records b, records c WHERE a.\"sf.ts\" + b.\"sf.ts\" > c.\"sf.ts\"";
    let began = Instant::now();
    let error =
        ask(cross, Limits { time: Duration::from_millis(300), ..Limits::default() }).expect_err("no end");
    assert!(matches!(error, Error::Limit(_)), "{error}");
    assert!(began.elapsed() < Duration::from_secs(5), "it took {:?}", began.elapsed());

    let sort = "SELECT * FROM records ORDER BY \"sf.proc.cmdline\"";
    let error = ask(sort, Limits { memory: 10_000, ..Limits::default() }).expect_err("too much memory");
    assert!(matches!(error, Error::Limit(_)), "{error}");

    let answer = ask("SELECT * FROM records", Limits { rows: 7, ..Limits::default() }).expect("an answer");
    assert_eq!((answer.len(), answer.truncated), (7, true));
}
