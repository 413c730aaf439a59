//! The proxy in front of stand-ins for Falcosidekick-UI and for the service.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use sysflow_processor::api;
use sysflow_processor::stop::Stop;
use sysflow_processor::ui_proxy::{Proxy, Settings};

use crate::api::{Answer, request};

const ID: &str = "0123456789abcdef0123456789abcdef";
const GONE: &str = "00000000000000000000000000000000";
const PAGE: &str =
    "<!DOCTYPE html><html><head><title>UI</title></head><body><div id=app></div></body></html>";
const HTML: &str = "text/html; charset=UTF-8";
const BROWSER: (&str, &str) = ("accept", "text/html,*/*;q=0.8");

/// What a server has been asked.
type Asked = Arc<Mutex<Vec<(Method, String, HeaderMap)>>>;

struct Setup {
    address: SocketAddr,
    ui: Asked,
    api: Asked,
    stop: Stop,
    _runtime: tokio::runtime::Runtime,
}

impl Drop for Setup {
    fn drop(&mut self) {
        self.stop.stop();
    }
}

impl Setup {
    fn new() -> Self {
        let runtime = runtime();
        let (stop, ui, api) = (Stop::default(), Asked::default(), Asked::default());
        let ui_at = serve(&runtime, &stop, Router::new().fallback(the_ui).with_state(Arc::clone(&ui)));
        let api_at = serve(&runtime, &stop, Router::new().fallback(the_api).with_state(Arc::clone(&api)));
        let address = proxy(&runtime, &stop, &format!("http://{ui_at}"), &format!("http://{api_at}"));
        Self { address, ui, api, stop, _runtime: runtime }
    }

    fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        request(self.address, "GET", path, headers)
    }

    fn open(&self, id: &str, headers: &[(&str, &str)]) -> Answer {
        request(self.address, "POST", &format!("/sysflow/open/{id}"), headers)
    }

    /// The cookie that a browser has after it was shown events.
    fn cookie(&self) -> String {
        let answer =
            self.get("/api/v1/events/search?since=24h", &[("authorization", "Basic YWRtaW46YWRtaW4=")]);
        assert_eq!(answer.status, 200);
        let cookie = &answer.headers["set-cookie"];
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
        cookie.split(';').next().unwrap().to_owned()
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn serve(runtime: &tokio::runtime::Runtime, stop: &Stop, router: Router) -> SocketAddr {
    let server = runtime.block_on(api::bind("127.0.0.1:0".parse().unwrap())).unwrap();
    let address = server.address().unwrap();
    runtime.spawn(server.serve(router, stop.clone()));
    address
}

fn proxy(runtime: &tokio::runtime::Runtime, stop: &Stop, ui: &str, api: &str) -> SocketAddr {
    let server = runtime.block_on(api::bind("127.0.0.1:0".parse().unwrap())).unwrap();
    let address = server.address().unwrap();
    let settings = Settings {
        ui: ui.into(),
        api: api.into(),
        token: Some("secret-token".into()),
        public_url: Some("https://sysflow.example/".into()),
        allowed_hosts: Vec::new(),
        ca_file: None,
        timeout: Duration::from_secs(5),
    };
    let proxy = Proxy::new(&settings, address, stop.clone()).unwrap();
    runtime.spawn(server.serve(proxy.router(), stop.clone()));
    address
}

fn gzip(text: &str) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(text.as_bytes()).unwrap();
    packer.finish().unwrap()
}

async fn the_ui(State(asked): State<Asked>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    asked.lock().unwrap().push((head.method, path.clone(), head.headers.clone()));
    let page = |more: &[(&'static str, &'static str)], body: Body| {
        let mut response = Response::new(body);
        let kind =
            [("content-type", HTML), ("etag", "\"1\""), ("last-modified", "Tue, 24 Nov 2026 00:00:00 GMT")];
        for (name, value) in kind.iter().chain(more) {
            response.headers_mut().append(*name, value.parse().unwrap());
        }
        response
    };
    match path.as_str() {
        "/" | "/docs/index.html" => page(&[("connection", "x-hop"), ("x-hop", "1")], PAGE.into()),
        "/strict" => {
            page(&[("content-security-policy", "default-src 'none'; script-src 'nonce-abc'")], PAGE.into())
        }
        "/gzip" => page(&[("content-encoding", "gzip")], gzip(PAGE).into()),
        "/br" => page(&[("content-encoding", "br")], "packed".into()),
        "/large" => page(&[], format!("{PAGE}{}", "x".repeat(3 << 20)).into()),
        "/odd" => page(&[], "no markup".into()),
        "/moved" => (
            StatusCode::FOUND,
            [(header::LOCATION, format!("http://{}/docs/", head.headers["host"].to_str().unwrap()))],
        )
            .into_response(),
        "/post" => {
            let body = axum::body::to_bytes(body, usize::MAX).await;
            body.map_or_else(
                |e| (StatusCode::BAD_REQUEST, e.to_string()).into_response(),
                |b| b.len().to_string().into_response(),
            )
        }
        "/api/v1/events/search" if !head.headers.contains_key(header::AUTHORIZATION) => {
            (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "basic realm=Restricted")]).into_response()
        }
        "/api/v1/events/search" => axum::Json(serde_json::json!({ "results": [] })).into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn the_api(State(asked): State<Asked>, request: Request) -> Response {
    let (head, _) = request.into_parts();
    let path = head.uri.to_string();
    asked.lock().unwrap().push((head.method.clone(), path.clone(), head.headers.clone()));
    let authorization =
        head.headers.get(header::AUTHORIZATION).map(|value| value.to_str().unwrap().to_owned());
    match (head.method, path.as_str(), authorization.as_deref()) {
        (Method::POST, path, Some("Bearer secret-token")) if path == format!("/api/v1/graphs/{ID}/embed") => {
            let url = format!("/embed/g/{ID}?token=one.graph");
            axum::Json(serde_json::json!({ "url": url, "expires": "2026-11-24T03:00:00Z" })).into_response()
        }
        (Method::POST, ..) => StatusCode::NOT_FOUND.into_response(),
        (Method::GET, path, Some("Embed one.graph")) if path.starts_with("/api/v1/graphs/") => (
            [(header::ETAG, "\"e\""), (header::SET_COOKIE, "session=1")],
            axum::Json(serde_json::json!({ "id": ID })),
        )
            .into_response(),
        (Method::GET, path, None) if path.starts_with("/embed/g/") => {
            ([(header::CONTENT_TYPE, HTML), (header::X_FRAME_OPTIONS, "DENY")], PAGE).into_response()
        }
        _ => StatusCode::UNAUTHORIZED.into_response(),
    }
}

#[test]
fn a_page_gets_one_script_and_is_otherwise_as_it_was() {
    let setup = Setup::new();
    let headers = [
        BROWSER,
        ("accept-encoding", "gzip, br"),
        ("if-none-match", "\"1\""),
        ("if-modified-since", "Tue, 24 Nov 2026 00:00:00 GMT"),
        ("cookie", "a=b; sysflow-ui=00"),
        ("authorization", "Basic YTpi"),
        ("x-forwarded-proto", "https"),
    ];
    let answer = setup.get("/", &headers);
    assert_eq!(answer.status, 200);
    let (before, after) =
        answer.body.split_once("<script src=\"sysflow/inject.js\" nonce=\"").expect("the script");
    let (_, after) = after.split_once("\" defer></script>").unwrap();
    assert_eq!(format!("{before}{after}"), PAGE);
    assert_eq!(answer.headers["cache-control"], "no-store");
    for gone in ["etag", "last-modified", "x-hop"] {
        assert!(!answer.headers.contains_key(gone), "{gone}");
    }
    let asked = setup.ui.lock().unwrap();
    let (_, _, seen) = &asked[0];
    assert_eq!(seen["accept-encoding"], "identity");
    assert_eq!(
        (&seen["cookie"], &seen["authorization"]),
        (&"a=b".parse().unwrap(), &"Basic YTpi".parse().unwrap())
    );
    assert_eq!(seen["x-forwarded-host"], setup.address.to_string().as_str());
    assert_ne!(seen["host"], setup.address.to_string().as_str());
    assert!(!seen.contains_key("if-none-match") && !seen.contains_key("if-modified-since"));
}

#[test]
fn a_policy_of_the_page_lets_the_script_in() {
    let setup = Setup::new();
    let answer = setup.get("/strict", &[BROWSER]);
    let nonce = answer.body.split("nonce=\"").nth(1).unwrap().split('"').next().unwrap();
    let policy = format!(
        "default-src 'none'; script-src 'nonce-abc' 'nonce-{nonce}'; connect-src 'self'; child-src 'self'"
    );
    assert_eq!(answer.headers["content-security-policy"], policy);
    let again = setup.get("/strict", &[BROWSER]);
    assert!(!again.body.contains(nonce), "a nonce is used once");
}

#[test]
fn packed_large_and_odd_pages_arrive_whole() {
    let setup = Setup::new();
    let gzip = setup.get("/gzip", &[BROWSER]);
    assert!(gzip.body.contains("sysflow/inject.js") && !gzip.headers.contains_key("content-encoding"));
    let br = setup.get("/br", &[BROWSER]);
    assert_eq!((br.body.as_str(), br.headers["content-encoding"].as_str()), ("packed", "br"));
    let large = setup.get("/large", &[BROWSER]);
    assert_eq!(large.body.len(), PAGE.len() + (3 << 20));
    assert!(!large.body.contains("sysflow/"));
    assert_eq!(setup.get("/odd", &[BROWSER]).body, "no markup");
    assert_eq!(setup.get("/docs/index.html", &[BROWSER]).body, PAGE);
    assert_eq!(setup.get("/moved", &[]).headers["location"], "/docs/");
}

#[test]
fn graphs_open_for_those_who_may_read_events() {
    let setup = Setup::new();
    let same = ("sec-fetch-site", "same-origin");
    assert_eq!(setup.open(ID, &[same]).status, 401);
    let refused = setup.get("/api/v1/events/search", &[]);
    assert_eq!(refused.status, 401);
    assert!(!refused.headers.contains_key("set-cookie") && refused.headers.contains_key("www-authenticate"));

    let cookie = setup.cookie();
    let opened = setup.open(ID, &[same, ("cookie", &cookie)]);
    assert_eq!(opened.status, 200, "{}", opened.body);
    let grant = opened.json();
    assert_eq!(grant["frame"], format!("embed/g/{ID}?token=one.graph"));
    assert_eq!(grant["page"], format!("https://sysflow.example/g/{ID}"));
    assert!(!opened.body.contains("secret-token"));
    let seen = setup.api.lock().unwrap().last().unwrap().2.clone();
    assert_eq!(seen["authorization"], "Bearer secret-token");
    assert!(!seen.contains_key("cookie"));

    assert_eq!(setup.open(ID, &[("sec-fetch-site", "cross-site"), ("cookie", &cookie)]).status, 403);
    assert_eq!(setup.open(ID, &[("origin", "http://evil.example"), ("cookie", &cookie)]).status, 403);
    let gone = setup.open(GONE, &[same, ("cookie", &cookie)]);
    assert_eq!((gone.status, gone.json()["title"].as_str()), (404, Some("this graph is not known")));
    assert_eq!(setup.get(&format!("/sysflow/open/{ID}"), &[("cookie", &cookie)]).status, 405);
}

#[test]
fn the_frame_gets_one_graph_and_no_credentials() {
    let setup = Setup::new();
    let cookie = setup.cookie();
    let page = setup.get(&format!("/sysflow/embed/g/{ID}?token=one.graph&at=1"), &[("cookie", &cookie)]);
    assert_eq!((page.status, page.body.as_str()), (200, PAGE));
    let policy = &page.headers["content-security-policy"];
    assert!(
        policy.starts_with("sandbox allow-scripts;") && policy.ends_with("frame-ancestors 'self'"),
        "{policy}"
    );
    assert!(!policy.contains("allow-same-origin") && !page.headers.contains_key("x-frame-options"));

    let data = format!("/sysflow/api/v1/graphs/{ID}/alerts?limit=2");
    let bare = setup.get(&data, &[("cookie", &cookie), ("authorization", "Basic YTpi")]);
    assert_eq!((bare.status, bare.headers["access-control-allow-origin"].as_str()), (401, "*"));
    let asked = setup.api.lock().unwrap().len();
    let headers = [
        ("cookie", cookie.as_str()),
        ("authorization", "Embed one.graph"),
        ("origin", "null"),
        ("x-more", "1"),
    ];
    let answer = setup.get(&data, &headers);
    assert_eq!((answer.status, answer.json()["id"].as_str()), (200, Some(ID)));
    assert_eq!(answer.headers["etag"], "\"e\"");
    assert!(!answer.headers.contains_key("set-cookie"));
    let api = setup.api.lock().unwrap();
    assert_eq!(api.len(), asked + 1);
    let (_, path, seen) = api.last().unwrap();
    assert_eq!(path, &format!("/api/v1/graphs/{ID}/alerts?limit=2"));
    let mut names: Vec<_> = seen.keys().map(header::HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["authorization", "host"]);
    drop(api);

    let preflight = request(
        setup.address,
        "OPTIONS",
        &data,
        &[("origin", "null"), ("access-control-request-method", "GET")],
    );
    assert_eq!(preflight.status, 204);
    assert_eq!(preflight.headers["access-control-allow-headers"], "authorization, if-none-match");
    assert_eq!(request(setup.address, "DELETE", &data, &[]).status, 405);
}

#[test]
fn other_hosts_and_methods_are_refused() {
    let setup = Setup::new();
    assert_eq!(setup.get("/", &[("host", "evil.example")]).status, 421);
    assert_eq!(request(setup.address, "TRACE", "/", &[]).status, 405);
    assert_eq!(request(setup.address, "POST", "/post", &[("content-length", "99999999")]).status, 413);
    assert!(setup.ui.lock().unwrap().is_empty());
}

#[test]
fn a_ui_that_is_away_is_told_to_people_and_scripts() {
    let (runtime, stop) = (runtime(), Stop::default());
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let address = proxy(&runtime, &stop, &format!("http://{nobody}"), &format!("http://{nobody}"));
    let page = request(address, "GET", "/", &[BROWSER]);
    assert_eq!((page.status, page.headers["retry-after"].as_str()), (502, "5"));
    assert!(page.body.contains("<h1>Falcosidekick-UI does not answer</h1>"));
    let data = request(address, "GET", "/api/v1/events/search", &[]);
    assert_eq!((data.status, data.json()["title"].as_str()), (502, Some("Falcosidekick-UI does not answer")));
    let frame = request(address, "GET", &format!("/sysflow/embed/g/{ID}?token=t"), &[]);
    assert_eq!(
        (frame.status, frame.json()["title"].as_str()),
        (502, Some("the SysFlow service does not answer"))
    );
    stop.stop();
}

/// A server that says what the test tells it, byte by byte.
fn scripted(act: impl FnOnce(TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || act(listener.accept().unwrap().0));
    address
}

fn head(socket: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        assert_eq!(socket.read(&mut byte).unwrap(), 1, "{}", String::from_utf8_lossy(&head));
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap().to_lowercase()
}

fn connect(address: SocketAddr, request: &str) -> TcpStream {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    socket.write_all(request.as_bytes()).unwrap();
    socket
}

#[test]
fn bodies_are_passed_on_as_they_come() {
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let ui = scripted(move |mut socket| {
        head(&mut socket);
        socket
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 8\r\n\r\nfour")
            .unwrap();
        wait.recv().unwrap();
        socket.write_all(b"more").unwrap();
    });
    let (runtime, stop) = (runtime(), Stop::default());
    let address = proxy(&runtime, &stop, &format!("http://{ui}"), "http://127.0.0.1:1");
    let mut socket = connect(address, "GET /x HTTP/1.1\r\nhost: localhost\r\n\r\n");
    let head = head(&mut socket);
    assert!(head.contains("content-length: 8"), "{head}");
    let mut part = [0; 4];
    socket.read_exact(&mut part).unwrap();
    assert_eq!(&part, b"four", "before the server has sent the rest");
    go.send(()).unwrap();
    socket.read_exact(&mut part).unwrap();
    assert_eq!(&part, b"more");
    stop.stop();
}

#[test]
fn web_sockets_go_through() {
    let ui = scripted(|mut socket| {
        let head = head(&mut socket);
        assert!(head.contains("upgrade: websocket") && head.contains("connection: upgrade"), "{head}");
        assert!(head.contains("sec-websocket-key: abc"), "{head}");
        let answer = "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
                      sec-websocket-accept: def\r\n\r\n";
        socket.write_all(answer.as_bytes()).unwrap();
        let mut asked = [0; 4];
        socket.read_exact(&mut asked).unwrap();
        assert_eq!(&asked, b"ping");
        socket.write_all(b"pong").unwrap();
    });
    let (runtime, stop) = (runtime(), Stop::default());
    let address = proxy(&runtime, &stop, &format!("http://{ui}"), "http://127.0.0.1:1");
    let ask = "GET /ws HTTP/1.1\r\nhost: localhost\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-key: abc\r\n\r\n";
    let mut socket = connect(address, ask);
    let head = head(&mut socket);
    assert!(head.starts_with("http/1.1 101") && head.contains("sec-websocket-accept: def"), "{head}");
    socket.write_all(b"ping").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "pong");
    stop.stop();
}
