//! Delivery to Falcosidekick.

use std::sync::Arc;
use std::time::Duration;

use sysflow_processor::config::Sidekick;
use sysflow_processor::metrics::Metrics;
use sysflow_processor::queue::{Entry, Queue};
use sysflow_processor::sidekick::{Client, Outcome, deliver};
use sysflow_processor::stop::Stop;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::falcosidekick::Falcosidekick;

fn alert(number: u64) -> String {
    format!(
        r#"{{"time":"2026-01-01T00:00:00Z","priority":"Warning","rule":"r","output":"o","output_fields":{{"n":"{number}"}}}}"#
    )
}

fn queue(dir: &std::path::Path, bodies: impl IntoIterator<Item = String>) -> Arc<Queue> {
    let queue = Queue::open(dir, 1 << 20).unwrap();
    for (number, body) in (0..).zip(bodies) {
        queue.push(&Entry { stream: "s".into(), number, key: number.to_string(), body }).unwrap();
    }
    Arc::new(queue)
}

struct Delivery {
    queue: Arc<Queue>,
    metrics: Arc<Metrics>,
    stop: Stop,
    task: tokio::task::JoinHandle<()>,
}

impl Delivery {
    fn start(config: &Sidekick, queue: Arc<Queue>) -> Self {
        let (metrics, stop) = (Arc::new(Metrics::default()), Stop::default());
        let client = Client::new(config).unwrap();
        let task = tokio::spawn(deliver(client, Arc::clone(&queue), Arc::clone(&metrics), stop.clone()));
        Self { queue, metrics, stop, task }
    }

    async fn until_empty(&self) {
        tokio::time::timeout(Duration::from_secs(60), async {
            while self.queue.depth() > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await
        .expect("the queue becomes empty");
    }

    async fn end(self) -> Arc<Metrics> {
        self.stop.stop();
        self.task.await.unwrap();
        self.metrics
    }
}

#[tokio::test]
async fn alerts_go_one_a_request_over_one_connection() {
    let dir = tempfile::tempdir().unwrap();
    let sidekick = Falcosidekick::start().await;
    let delivery = Delivery::start(&Sidekick::at(&sidekick.url), queue(dir.path(), (0..50).map(alert)));
    delivery.until_empty().await;
    let numbers: Vec<_> =
        sidekick.accepted().iter().map(|a| a["output_fields"]["n"].as_str().unwrap().to_owned()).collect();
    assert_eq!(numbers, (0..50).map(|n| n.to_string()).collect::<Vec<_>>());
    assert_eq!(sidekick.received.connections.lock().unwrap().len(), 1);
    assert_eq!(delivery.end().await.posts.get("accepted"), 50);
}

#[tokio::test]
async fn an_outage_delays_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let delivery =
        Delivery::start(&Sidekick::at(format!("http://{address}/")), queue(dir.path(), (0..3).map(alert)));
    while delivery.metrics.posts.get("unreachable") < 2 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(delivery.queue.depth(), 3);
    let sidekick = Falcosidekick::on(TcpListener::bind(address).await.unwrap());
    delivery.until_empty().await;
    assert_eq!(sidekick.accepted().len(), 3);
}

#[tokio::test]
async fn what_cannot_be_decoded_is_counted_and_does_not_block() {
    let dir = tempfile::tempdir().unwrap();
    let sidekick = Falcosidekick::start().await;
    let bodies = [alert(0), "{}".to_owned(), alert(2)];
    let delivery = Delivery::start(&Sidekick::at(&sidekick.url), queue(dir.path(), bodies));
    delivery.until_empty().await;
    assert_eq!((sidekick.accepted().len(), sidekick.refused().len()), (2, 1), "it is not sent again");
    assert_eq!(delivery.end().await.posts.get("rejected"), 1);
}

/// A server that reads requests and answers none of the first `silent` of them.
async fn silent_server(silent: usize) -> (String, Arc<std::sync::atomic::AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let seen = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = Arc::clone(&seen);
    tokio::spawn(async move {
        loop {
            let (mut connection, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            if connection.read(&mut request).await.unwrap_or(0) == 0 {
                continue;
            }
            if count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) >= silent {
                connection
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                    .await
                    .unwrap();
            }
        }
    });
    (url, seen)
}

#[tokio::test]
async fn without_an_answer_an_alert_is_sent_once_more_and_no_oftener() {
    let dir = tempfile::tempdir().unwrap();
    let (url, seen) = silent_server(2).await;
    let delivery = Delivery::start(&Sidekick::at(url), queue(dir.path(), (0..2).map(alert)));
    delivery.until_empty().await;
    assert_eq!(seen.load(std::sync::atomic::Ordering::SeqCst), 3, "twice the first, once the second");
    let metrics = delivery.end().await;
    assert_eq!((metrics.posts.get("no_answer"), metrics.posts.get("accepted")), (2, 1));
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = Sidekick::at(format!("http://{}/", listener.local_addr().unwrap()));
    config.timeout_ms = 50;
    let outcome = Client::new(&config).unwrap().post(alert(0)).await;
    assert!(matches!(outcome, Outcome::NoAnswer(_)), "{outcome:?}");
}

#[tokio::test]
async fn a_gateways_refusal_is_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let app = axum::Router::new().fallback(|| async { axum::http::StatusCode::BAD_GATEWAY });
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    let outcome = Client::new(&Sidekick::at(url)).unwrap().post(alert(0)).await;
    assert!(matches!(&outcome, Outcome::Unreachable(why) if why.contains("502")), "{outcome:?}");
}

#[test]
fn mistakes_in_the_address_and_certificates_are_told_before_the_start() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = Some(file.path().to_owned());
    let ok = Sidekick::at("https://h/");
    for (config, says) in [
        (Sidekick::at("falcosidekick:2801"), "http://"),
        (Sidekick::at("ftp://h/"), "http://"),
        (Sidekick { ca_file: path.clone(), ..ok.clone() }, "ca_file"),
        (
            Sidekick {
                ca_file: None,
                client_cert: path.clone(),
                client_key: path,
                ..Sidekick::at("http://h/")
            },
            "client_",
        ),
        (
            Sidekick { headers: [("a b".to_owned(), String::new())].into(), ..Sidekick::at("http://h/") },
            "header",
        ),
    ] {
        let error = Client::new(&config).unwrap_err().to_string();
        assert!(error.contains("alerts.falcosidekick") && error.contains(says), "{error}");
    }
}

#[tokio::test]
async fn a_queue_that_cannot_note_what_was_sent_goes_on_sending() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("queue");
    let queue = queue(&dir, (0..3).map(alert));
    // As with a full disk, no state can be written any more.
    std::fs::remove_dir_all(&dir).unwrap();
    let sidekick = Falcosidekick::start().await;
    let delivery = Delivery::start(&Sidekick::at(&sidekick.url), queue);
    delivery.until_empty().await;
    assert_eq!(sidekick.accepted().len(), 3, "each once");
    assert_eq!(delivery.end().await.posts.get("accepted"), 3);
}
