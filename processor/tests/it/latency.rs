//! How long it takes from a record's emission until its alert is posted.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sysflow::Record;
use sysflow_processor::config::{Config, Input, Sidekick};
use sysflow_processor::service::{Parts, Service};
use sysflow_processor::stop::Stop;

use crate::plugin::Plugin;
use crate::records::{self, RULES, START};

/// Flows a second, each with its file before it where that is new.
const RATE: u64 = 10_000;
/// One flow in so many raises an alert.
const ALERT_EVERY: u64 = 100;
const SECONDS: u64 = 10;
/// What the plugin waits at most before it sends a record that is worth to be known at once.
const SENT_AFTER: Duration = Duration::from_millis(10);
const PROMISED: Duration = Duration::from_millis(100);

/// Number of an alert's record, from the path that it names, and when its post was there as a whole.
type Posts = Arc<Mutex<Vec<(u64, Instant)>>>;

/// A stand-in for Falcosidekick, which answers each post at once.
fn sidekick() -> (String, Posts) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let posts = Posts::default();
    let noted = Arc::clone(&posts);
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let noted = Arc::clone(&noted);
            std::thread::spawn(move || answer(socket, &noted));
        }
    });
    (url, posts)
}

fn answer(socket: TcpStream, posts: &Posts) -> Option<()> {
    let mut input = BufReader::new(socket.try_clone().ok()?);
    let mut output = socket;
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            input.read_line(&mut line).ok().filter(|read| *read > 0)?;
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        input.read_exact(&mut body).ok()?;
        let now = Instant::now();
        let alert: serde_json::Value = serde_json::from_slice(&body).ok()?;
        // There are others, such as of the shell in the beginning.
        let path = alert["output_fields"]["sf.file.path"].as_str().unwrap_or_default();
        if let Some(number) = path.strip_prefix("/etc/").and_then(|number| number.parse().ok()) {
            posts.lock().unwrap().push((number, now));
        }
        output.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").ok()?;
    }
}

/// Flows at a steady rate, sent as the plugin sends them; when each that raises an alert was emitted.
fn emit(plugin: &mut Plugin, mut next: u64) -> Vec<Instant> {
    plugin.frame(next, &records::beginning());
    next += records::beginning().len() as u64;
    let (began, mut emitted) = (Instant::now(), Vec::new());
    let (mut waiting, mut oldest) = (Vec::<Record>::new(), None::<Instant>);
    for n in 0..RATE * SECONDS {
        let due = began + Duration::from_nanos(n * 1_000_000_000 / RATE);
        // Sleeping costs more than the time between two flows.
        let early = due.saturating_duration_since(Instant::now());
        if early > Duration::from_millis(1) {
            std::thread::sleep(early);
        }
        let ts = START + began.elapsed().as_nanos() as i64;
        let path = if n.is_multiple_of(ALERT_EVERY) {
            emitted.push(Instant::now());
            format!("/etc/{}", n / ALERT_EVERY)
        } else {
            format!("/srv/data/{}", n % 5000)
        };
        waiting.extend([records::file(&path), records::read(&path, ts)]);
        if oldest.get_or_insert_with(Instant::now).elapsed() >= SENT_AFTER {
            plugin.frame(next, &waiting);
            next += waiting.len() as u64;
            waiting.clear();
            oldest = None;
        }
    }
    plugin.frame(next, &waiting);
    println!("{} flows in {:.1?}", RATE * SECONDS, began.elapsed());
    emitted
}

/// `make latency` prints it.
#[test]
#[ignore = "a measurement, takes ten seconds and a quiet machine"]
fn alert_latency() {
    let dir = tempfile::tempdir().unwrap();
    let (url, posts) = sidekick();
    let mut config = Config::default();
    std::fs::write(dir.path().join("rules.yaml"), RULES).unwrap();
    config.rules.files.push(dir.path().join("rules.yaml"));
    // The rules that ship as well, so that judging costs what it does.
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../rules/sysflow_rules.yaml");
    config.rules.files.push(shipped.into());
    config.store = Some(dir.path().join("store"));
    config.alerts.max_distinct = u32::MAX;
    config.alerts.falcosidekick = Some(Sidekick::at(url));
    config.inputs.push(Input { socket: dir.path().join("s.sock"), ..Default::default() });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let parts = Parts { no_api: true, ..Parts::default() };
    let mut service = Service::start(&config, parts, runtime.handle(), &Stop::default()).unwrap();
    let (mut plugin, _) = Plugin::welcome(&config.inputs[0].socket, 0);
    let answers = plugin.discard_answers();
    let emitted = emit(&mut plugin, 0);
    plugin.end();
    service.drain_inputs();
    service.shut_down(runtime.handle(), Duration::from_secs(20)).unwrap();
    answers.join().unwrap();
    let posts = posts.lock().unwrap();
    let mut first: Vec<Option<Instant>> = vec![None; emitted.len()];
    for (number, at) in posts.iter() {
        first[*number as usize].get_or_insert(*at);
    }
    let mut took: Vec<_> = first
        .iter()
        .zip(&emitted)
        .map(|(posted, emitted)| posted.expect("each is posted").duration_since(*emitted))
        .collect();
    // Slow ones together have one cause, which their place tells.
    for (second, part) in took.chunks((RATE / ALERT_EVERY) as usize).enumerate() {
        println!("second {second}: longest {:.1?}", part.iter().max().unwrap());
    }
    took.sort_unstable();
    let at = |percent: usize| took[(took.len() - 1) * percent / 100];
    println!(
        "{} flows a second, {} alerts: from emission to the post p50 {:.1?}, p90 {:.1?}, p99 {:.1?}, longest {:.1?}",
        RATE,
        took.len(),
        at(50),
        at(90),
        at(99),
        at(100)
    );
    assert!(at(99) <= PROMISED, "{:?}", at(99));
}
