//! `sysflow ui-proxy`: stands in front of an unmodified Falcosidekick-UI and lets the graph of an event open in place.
//!
//! ```text
//! browser -> proxy -> Falcosidekick-UI        everything, as it is; HTML pages get one script more
//!              \---> sysflow run               what the script asks for, below .../sysflow/
//! ```
//!
//! What keeps it safe:
//! * The API's token stays in this process. The browser gets tokens for one graph and a few minutes ([`own`]).
//! * Only who may read the UI's events may open graphs ([`pass`]).
//! * The graph is drawn in a sandboxed frame, and all that is served for it is sandboxed by its own headers too: it cannot
//!   reach the password that Falcosidekick-UI keeps in the browser's session storage.
//! * A page that is not what we know is passed on as it came ([`html`]).

mod body;
mod headers;
mod html;
mod own;
mod pass;
mod policy;
mod tunnel;
mod upstream;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body_util::Limited;
use tokio::sync::Semaphore;

use crate::api::Problem;
use crate::error::{Error, Result};
use crate::stop::Stop;
use headers::Hosts;
use own::Own;
use pass::Pass;
use upstream::Upstream;

/// Largest body of a request. The UI itself sends none; events that are posted through the proxy have a few kilobytes.
const MAX_REQUEST: usize = 8 << 20;

/// Web sockets at the same time: Falcosidekick-UI before version 2 keeps one for each open page.
const MAX_TUNNELS: usize = 128;

/// What the proxy stands between.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Address of Falcosidekick-UI, such as `http://falcosidekick-ui:2802`.
    pub ui: String,
    /// Address of the service whose graphs are shown, such as `http://127.0.0.1:8686`.
    pub api: String,
    /// The API's token.
    pub token: Option<String>,
    /// Address under which users reach the page of the service: the opened graph then has a link to it.
    pub public_url: Option<String>,
    /// Names, beside localhost, that requests may carry when the proxy listens on loopback.
    pub allowed_hosts: Vec<String>,
    /// PEM file of the authorities that certificates of UI and service are checked against. Default: those of the system.
    pub ca_file: Option<PathBuf>,
    /// How long either may take to answer.
    pub timeout: Duration,
}

/// The proxy's state.
#[derive(Clone)]
pub struct Proxy(Arc<Inner>);

struct Inner {
    ui: Upstream,
    api: Upstream,
    token: Option<HeaderValue>,
    public_url: Option<String>,
    hosts: Hosts,
    pass: Pass,
    tunnels: Arc<Semaphore>,
    stop: Stop,
}

impl Proxy {
    /// Checks the settings; nothing is connected yet. `address` is where the proxy listens.
    pub fn new(settings: &Settings, address: SocketAddr, stop: Stop) -> Result<Self> {
        let upstream = |what, url| Upstream::new(what, url, settings.ca_file.as_deref(), settings.timeout);
        let token = match &settings.token {
            None => None,
            Some(token) => {
                let mut value = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| {
                    Error::Failed("the token holds characters that a header cannot".to_owned())
                })?;
                value.set_sensitive(true);
                Some(value)
            }
        };
        Ok(Self(Arc::new(Inner {
            ui: upstream("--ui", &settings.ui)?,
            api: upstream("--api", &settings.api)?,
            token,
            public_url: settings.public_url.as_ref().map(|url| url.trim_end_matches('/').to_owned()),
            hosts: Hosts::new(address, &settings.allowed_hosts),
            pass: Pass::new()?,
            tunnels: Arc::new(Semaphore::new(MAX_TUNNELS)),
            stop,
        })))
    }

    /// All requests.
    pub fn router(self) -> Router {
        Router::new().fallback(handle).with_state(self)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("ui", &self.0.ui).field("api", &self.0.api).finish_non_exhaustive()
    }
}

async fn handle(State(proxy): State<Proxy>, request: Request) -> Response {
    let proxy = &*proxy.0;
    if !proxy.hosts.allow(request.headers()) {
        let detail = "use localhost, or add the name with --allowed-host";
        return Problem::new(StatusCode::MISDIRECTED_REQUEST, "unknown host name", detail).into_response();
    }
    if request.method() == Method::CONNECT || request.method() == Method::TRACE {
        let detail = "this is a proxy for one Falcosidekick-UI only";
        return Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method not allowed", detail).into_response();
    }
    if headers::length(request.headers()).is_some_and(|length| length > MAX_REQUEST as u64) {
        let detail = "Falcosidekick-UI takes no bodies of this size";
        return Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large", detail).into_response();
    }
    let (head, body) = request.into_parts();
    match Own::parse(head.uri.path()) {
        Some(own) => own.answer(proxy, &head).await,
        None => proxy.pass_on(Request::from_parts(head, body)).await,
    }
}

impl Inner {
    /// A request for Falcosidekick-UI.
    async fn pass_on(&self, mut request: Request) -> Response {
        let looks_like_page = headers::wants_page(request.headers());
        let asked = Asked {
            get: request.method() == Method::GET,
            head: request.method() == Method::HEAD,
            secure: headers::is_secure(request.headers()),
            path: request.uri().path().to_owned(),
        };
        let upgrade = headers::upgrade(request.headers());
        let tunnel = upgrade.is_some().then(|| hyper::upgrade::on(&mut request));
        headers::forward(request.headers_mut());
        if looks_like_page {
            headers::ask_afresh(request.headers_mut());
        }
        if let Some(protocol) = &upgrade {
            headers::set_upgrade(request.headers_mut(), protocol);
        }
        let (head, body) = request.into_parts();
        let request = Request::from_parts(head, Body::new(Limited::new(body, MAX_REQUEST)));
        let mut response = match self.ui.send(request).await {
            Ok(response) => response,
            Err(why) => {
                tracing::warn!(%why, "Falcosidekick-UI does not answer");
                return away(looks_like_page);
            }
        };
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return match (tunnel, upgrade) {
                (Some(client), Some(_)) => {
                    tunnel::join(client, response, Arc::clone(&self.tunnels), self.stop.clone())
                }
                _ => away(looks_like_page),
            };
        }
        headers::backward(response.headers_mut(), &self.ui);
        if asked.get && pass::proves_access(&asked.path, &response) {
            response.headers_mut().append(header::SET_COOKIE, self.pass.cookie(asked.secure));
        }
        let (head, body) = response.into_parts();
        let response = Response::from_parts(head, body);
        if html::is_page(&asked.path, &response) && (asked.get || asked.head) {
            return html::with_script(response, asked.head).await;
        }
        response
    }
}

/// What has to be known of a request once it was passed on.
struct Asked {
    get: bool,
    head: bool,
    secure: bool,
    path: String,
}

/// Falcosidekick-UI cannot be reached: a page for people that comes back by itself, a problem for scripts.
fn away(page: bool) -> Response {
    let detail =
        "is it running at the address that sysflow ui-proxy was given with --ui? The proxy's log has more";
    let mut response = if page {
        let csp = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";
        let headers = [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (header::CONTENT_SECURITY_POLICY, csp),
            (header::CACHE_CONTROL, "no-store"),
        ];
        (StatusCode::BAD_GATEWAY, headers, AWAY).into_response()
    } else {
        Problem::new(StatusCode::BAD_GATEWAY, "Falcosidekick-UI does not answer", detail).into_response()
    };
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

const AWAY: &str = include_str!("away.html");
