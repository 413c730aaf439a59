//! What the store costs. Figures, not tests: `cargo test --release -p sysflow-store -- --ignored --nocapture bench`.

use std::time::{Duration, Instant};

use sysflow::record::{
    File, FileFlow, Header, Loss, NetworkFlow, ObjectState, Process, Record, op, open_flags,
};
use sysflow::{Entities, Foid, GraphId, Oid};
use sysflow_graph::Query;
use sysflow_policy::{Memory, NoContext};
use sysflow_store::{Asked, History, Judged, Limits, Rows, RowsBuilder};

use crate::data::{Place, STREAM, trace, wait};

const START: i64 = 1_795_489_172_000_000_000;
const MILLISECOND: i64 = 1_000_000;

/// Rows of a file, as the service writes them.
const PART: usize = 250_000;

/// Processes, each a graph of its own; half of all records are of the first one.
const PROCESSES: i64 = 500;

fn rows() -> i64 {
    // Without optimisation the figures mean nothing: it is only seen to run.
    let usual = if cfg!(debug_assertions) { 100_000 } else { 10_000_000 };
    std::env::var("SYSFLOW_ROWS").ok().and_then(|rows| rows.parse().ok()).unwrap_or(usual)
}

fn oid(nth: i64) -> Oid {
    Oid { create_ts: START - 1_000 * nth, hpid: 1000 + nth }
}

fn graph(nth: i64) -> GraphId {
    GraphId::new("bench", oid(nth))
}

fn entities() -> Vec<Record> {
    let header = Header {
        version: 5,
        exporter: "bench".into(),
        ip: String::new(),
        filename: String::new(),
        lost: Loss::default(),
    };
    let process = |nth: i64| {
        Record::Process(Process {
            state: ObjectState::Created,
            oid: oid(nth),
            ts: oid(nth).create_ts,
            exe: format!("/usr/bin/service-{}", nth % 40),
            exe_args: format!("--config /etc/service/{nth}.yaml --verbose --name worker-{nth}"),
            uid: 1000,
            user_name: "service".into(),
            gid: 1000,
            group_name: "service".into(),
            cwd: "/srv".into(),
            graph_id: graph(nth).to_string(),
            ..Process::default()
        })
    };
    let mut records = vec![Record::Header(header)];
    records.extend((0..PROCESSES).map(process));
    records.extend((0..2_000).map(|nth| {
        let path = format!("/srv/data/{}/part-{nth:05}.db", nth % 17);
        Record::File(File {
            state: ObjectState::Created,
            oid: Foid::new("", &path),
            ts: START,
            restype: i32::from(b'f'),
            path,
            container_id: None,
        })
    }));
    records
}

/// One record a millisecond.
fn record(nth: i64) -> Record {
    let ts = START + nth * MILLISECOND;
    // Half of the records are of one graph.
    let process = if nth % 2 == 0 { 0 } else { 1 + (nth / 2 * 7919) % (PROCESSES - 1) };
    let path_of = |nth: i64| format!("/srv/data/{}/part-{nth:05}.db", nth % 17);
    if nth % 5 == 0 {
        return Record::NetworkFlow(NetworkFlow {
            proc_oid: oid(process),
            ts,
            tid: oid(process).hpid,
            op_flags: op::CONNECT | op::WRITE_SEND | op::READ_RECV | op::CLOSE,
            end_ts: ts + nth % 977 * MILLISECOND,
            sip: i32::from_le_bytes([10, 0, 0, 1]),
            sport: 32_768 + (nth % 28_000) as i32,
            dip: i32::from_le_bytes([10, 0, 1, (nth % 50) as u8]),
            dport: 5432,
            proto: 6,
            fd: 7,
            num_rrecv_ops: 1 + nth % 5,
            num_wsend_ops: 1 + nth % 3,
            num_rrecv_bytes: nth * 31 % 9_000,
            num_wsend_bytes: nth * 17 % 700,
            sip6: None,
            dip6: None,
        });
    }
    Record::FileFlow(FileFlow {
        proc_oid: oid(process),
        ts,
        tid: oid(process).hpid,
        op_flags: op::OPEN | op::READ_RECV | op::CLOSE,
        open_flags: open_flags::RDONLY,
        end_ts: ts + nth % 13 * MILLISECOND,
        file_oid: Foid::new("", &path_of(nth * 31 % 2_000)),
        fd: 5,
        num_rrecv_ops: 1 + nth % 4,
        num_wsend_ops: 0,
        num_rrecv_bytes: nth * 37 % 65_536,
        num_wsend_bytes: 0,
        num_opens: 1,
    })
}

async fn filled(place: &Place, count: i64) {
    let mut known = Entities::default();
    for record in entities() {
        known.apply(&record);
    }
    let judged = Judged { rules: &[], tags: &[], alerts: "", seen: &NoContext };
    let (mut building, mut writing, mut bytes) = (Duration::ZERO, Duration::ZERO, 0);
    let mut builder = RowsBuilder::new(STREAM, "bench");
    for start in (0..count).step_by(PART) {
        let records: Vec<Record> = (start..count.min(start + PART as i64)).map(record).collect();
        let began = Instant::now();
        for (number, record) in (start as u64..).zip(&records) {
            builder.append(number, &known.join(record), &judged);
        }
        building += began.elapsed();
        let began = Instant::now();
        let full = std::mem::replace(&mut builder, RowsBuilder::new(STREAM, "bench"));
        bytes += place.data.write(&full.rows().expect("rows")).await.expect("written").size();
        writing += began.elapsed();
    }
    let each = |time: Duration| time.as_nanos() as i64 / count.max(1);
    println!(
        "{count} rows: {} ns a row in the engine, {} ns in the writer, {:.1} bytes",
        each(building),
        each(writing),
        bytes as f64 / count as f64
    );
}

async fn timed(what: &str, history: &History, id: GraphId, from: Option<i64>, to: Option<i64>) -> Duration {
    let mut best = Duration::MAX;
    for _ in 0..5 {
        let began = Instant::now();
        let found = history
            .graph(id, from, to, &Limits { rows: 1_000_000, ..Limits::default() })
            .await
            .expect("a graph");
        let document = found.document(id, &Query::default()).expect("a document");
        let took = began.elapsed();
        println!("{what}: {took:.1?}, {} rows, {} nodes", found.rows, document.nodes.len());
        best = best.min(took);
    }
    best
}

#[test]
#[ignore = "figures; writes 10 million rows, which takes minutes"]
fn bench_a_graph_of_ten_thousand_rows_out_of_ten_million() {
    wait(async {
        let place = Place::new();
        filled(&place, rows()).await;
        let history = place.history();
        // 499 other graphs share one half: about ten thousand rows each.
        let small = timed("a graph of its own", &history, graph(42), None, None).await;
        // Ten thousand of its five million rows are twenty seconds.
        let middle = START + rows() / 2 * MILLISECOND;
        let window = (Some(middle), Some(middle + 20_000 * MILLISECOND));
        let half = timed("20 s of the graph that owns half", &history, graph(0), window.0, window.1).await;
        for condition in
            ["sf.proc.cmdline contains worker-123", "proc.name = service-7", "sf.net.dport = 4444"]
        {
            let began = Instant::now();
            let limits = Limits { time: Duration::from_secs(300), ..Limits::default() };
            let answer =
                history.ask(&Asked { limits, ..Asked::condition(condition) }).await.expect("an answer");
            println!(
                "{condition}: {:.1?}, {} rows, {} read",
                began.elapsed(),
                answer.len(),
                answer.scanned.rows
            );
        }
        let limit = Duration::from_millis(100);
        assert!(
            cfg!(debug_assertions) || (small <= limit && half <= limit),
            "{small:?} and {half:?}; {limit:?} are wanted"
        );
    });
}

#[test]
#[ignore = "figures"]
fn bench_bytes_a_record_of_real_traces() {
    for name in
        ["traces/mon.1531776712.sf", "pairs/mpm-preforked_full_capture.sf", "pairs/objectstore_upload.sf"]
    {
        let Some(records) = trace(name) else { return };
        let (mut known, mut memory) = (Entities::default(), Memory::default());
        let mut builder = RowsBuilder::new(STREAM, "bench");
        let mut spent = Duration::ZERO;
        for (number, record) in (0..).zip(&records) {
            known.apply(record);
            let joined = known.join(record);
            let began = Instant::now();
            builder.append(number, &joined, &Judged { rules: &[], tags: &[], alerts: "", seen: &memory });
            spent += began.elapsed();
            memory.observe(&joined, []);
        }
        let rows: Rows = builder.rows().expect("rows");
        let count = rows.batch.num_rows();
        let began = Instant::now();
        let size = wait(async { Place::new().data.write(&rows).await.expect("written").size() });
        println!(
            "{name}: {count} rows, {:.1} bytes a row, {} ns a row in the engine, {} in the writer",
            size as f64 / count as f64,
            spent.as_nanos() / count as u128,
            began.elapsed().as_nanos() / count as u128
        );
    }
}
