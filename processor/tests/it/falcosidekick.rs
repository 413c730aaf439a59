//! A stand-in for Falcosidekick's intake, after its sources (handlers.go, types.go): what it takes and what it refuses.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Most bytes of an event before strings are cut.
const MAX_EVENT: usize = 4096;

/// What came in, as Falcosidekick would hand it on.
#[derive(Clone, Default)]
pub(crate) struct Received {
    pub(crate) accepted: Arc<Mutex<Vec<Value>>>,
    pub(crate) refused: Arc<Mutex<Vec<String>>>,
    pub(crate) connections: Arc<Mutex<std::collections::BTreeSet<std::net::SocketAddr>>>,
}

pub(crate) struct Falcosidekick {
    pub(crate) url: String,
    pub(crate) received: Received,
    task: JoinHandle<()>,
}

impl Falcosidekick {
    pub(crate) async fn start() -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    pub(crate) fn on(listener: TcpListener) -> Self {
        let received = Received::default();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let app = Router::new()
            .route("/ping", get(|| async { "pong\n" }))
            .fallback(intake)
            .with_state(received.clone());
        let app = app.into_make_service_with_connect_info::<std::net::SocketAddr>();
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, received, task }
    }

    pub(crate) fn accepted(&self) -> Vec<Value> {
        self.received.accepted.lock().unwrap().clone()
    }

    pub(crate) fn refused(&self) -> Vec<String> {
        self.received.refused.lock().unwrap().clone()
    }
}

impl Drop for Falcosidekick {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn intake(
    State(received): State<Received>,
    axum::extract::ConnectInfo(peer): axum::extract::ConnectInfo<std::net::SocketAddr>,
    method: Method,
    body: Bytes,
) -> Response {
    received.connections.lock().unwrap().insert(peer);
    if method != Method::POST {
        return (StatusCode::BAD_REQUEST, "Please send with post http method").into_response();
    }
    match decode(&body) {
        Ok(event) => {
            received.accepted.lock().unwrap().push(event);
            StatusCode::OK.into_response()
        }
        Err(why) => {
            received.refused.lock().unwrap().push(why.clone());
            (StatusCode::BAD_REQUEST, why).into_response()
        }
    }
}

/// The first JSON object of a body as an event, or why it is none.
pub(crate) fn decode(body: &[u8]) -> Result<Value, String> {
    let first = serde_json::Deserializer::from_slice(body).into_iter::<Value>().next();
    let mut event = first.ok_or("empty body")?.map_err(|e| e.to_string())?;
    let object = event.as_object_mut().ok_or("no object")?;
    for name in ["output", "priority", "rule", "time", "source", "hostname", "uuid"] {
        if object.get(name).is_some_and(|value| !value.is_string() && !value.is_null()) {
            return Err(format!("{name} is no string"));
        }
    }
    let text = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let priorities =
        ["emergency", "alert", "critical", "error", "warning", "notice", "informational", "info", "debug"];
    if !priorities.contains(&text("priority").to_lowercase().as_str()) || text("rule").is_empty() {
        return Err("wrong priority or no rule".into());
    }
    if !is_rfc3339(&text("time")) {
        return Err("wrong time".into());
    }
    if let Some(tags) = object.get("tags").filter(|tags| !tags.is_null()) {
        let strings = tags.as_array().is_some_and(|tags| tags.iter().all(Value::is_string));
        if !strings {
            return Err("tags are no strings".into());
        }
    }
    let fields = object.get("output_fields").and_then(Value::as_object).filter(|fields| !fields.is_empty());
    let fields = fields.ok_or("no output_fields")?;
    for name in ["k8s.ns.name", "k8s.pod.name"] {
        if fields.get(name).is_some_and(|value| !value.is_string() && !value.is_null()) {
            return Err(format!("panic: {name} is no string"));
        }
    }
    if text("source").is_empty() {
        object.insert("source".into(), "syscalls".into());
    }
    object.insert("uuid".into(), "00000000-0000-4000-8000-000000000000".into());
    if let Some(Value::Array(tags)) = object.get_mut("tags") {
        tags.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
    }
    if go_length(&event) > MAX_EVENT {
        cut(&mut event);
    }
    Ok(event)
}

/// Length as Go writes JSON: `<`, `>` and `&` take six bytes.
fn go_length(event: &Value) -> usize {
    let text = event.to_string();
    text.len() + 5 * text.matches(['<', '>', '&']).count()
}

fn cut(event: &mut Value) {
    for value in event["output_fields"].as_object_mut().unwrap().values_mut() {
        if let Value::String(text) = value
            && text.len() > 512
        {
            *text = format!("{}[...]", String::from_utf8_lossy(&text.as_bytes()[..507]));
        }
    }
}

fn is_rfc3339(time: &str) -> bool {
    let shape: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    let Some(rest) = shape.strip_prefix("0000-00-00T00:00:00") else { return false };
    let zone = rest.strip_prefix('.').map_or(rest, |rest| rest.trim_start_matches('0'));
    zone == "Z" || zone == "+00:00" || zone == "-00:00"
}

/// What Falcosidekick-UI demands beyond that (models.go).
pub(crate) fn ui_takes(event: &Value) -> bool {
    let text = |name: &str| event[name].as_str().unwrap_or_default();
    let printable = |text: &str| text.bytes().all(|b| (0x20..0x7f).contains(&b));
    !text("output").is_empty()
        && text("output").is_ascii()
        && !text("rule").is_empty()
        && ["rule", "source", "hostname", "priority"].iter().all(|name| printable(text(name)))
}

#[test]
fn the_stand_in_answers_as_falcosidekick_does() {
    let fields = r#""output_fields":{"a":"b"}"#;
    let event =
        |rest: &str| format!(r#"{{"rule":"r","priority":"Warning","time":"2026-01-01T00:00:00Z"{rest}}}"#);
    let minimal = event(&format!(",{fields}"));
    assert!(decode(minimal.as_bytes()).is_ok());
    assert!(
        decode(format!("{minimal}{minimal} garbage").as_bytes()).is_ok(),
        "only the first object is looked at"
    );
    for (wrong, why) in [
        (format!("[{minimal}]"), "an array"),
        ("{}".into(), "nothing"),
        (minimal.replace("Warning", "WARN"), "a priority that is none"),
        (minimal.replace("\"Warning\"", "4"), "a number as priority"),
        (minimal.replace("\"2026-01-01T00:00:00Z\"", "1700000000"), "a number as time"),
        (minimal.replace("T00:00:00Z", " 00:00:00Z"), "a space in the time"),
        (event(&format!(r#","tags":"a",{fields}"#)), "tags as a string"),
        (event(r#","output_fields":[]"#), "fields as a list"),
        (event(r#","output_fields":{"k8s.ns.name":1}"#), "a number as namespace"),
    ] {
        assert!(decode(wrong.as_bytes()).is_err(), "{why}");
    }
    let long = event(&format!(r#","output_fields":{{"cmdline":"{}"}}"#, "x".repeat(5000)));
    let cut = decode(long.as_bytes()).unwrap();
    assert_eq!(cut["output_fields"]["cmdline"].as_str().unwrap().len(), 512);
}
