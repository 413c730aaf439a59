//! What holds for every request: which host names it may carry, who may ask, how many are answered at once, and the
//! headers of every answer.

use std::net::SocketAddr;

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::access::{Caller, Refused};
use super::origin::Origin;
use super::{App, Problem, embed, origin, problem, session};
use crate::config;

/// Nothing but the page's own files; no inline script or style, no frames.
const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                   img-src 'self' data:; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Host names that a request may carry.
///
/// A name of an attacker's domain can be made to resolve to 127.0.0.1 (DNS rebinding); a browser then takes our answers for
/// that domain's and lets its scripts read them. The Host header tells.
#[derive(Debug)]
pub(super) struct Hosts {
    /// Empty: any.
    allowed: Vec<String>,
}

impl Hosts {
    pub(super) fn new(api: &config::Api, address: SocketAddr) -> Self {
        let mut allowed: Vec<String> =
            api.allowed_hosts.iter().map(|host| name_of(host).to_ascii_lowercase()).collect();
        if address.ip().is_loopback() || !allowed.is_empty() {
            allowed.extend(["localhost", "127.0.0.1", "[::1]"].map(str::to_owned));
            allowed.push(name_of(&address.to_string()).to_owned());
            let public = api.public_url.as_deref().and_then(|url| url.split_once("://"));
            allowed.extend(
                public.map(|(_, rest)| name_of(rest.split('/').next().unwrap_or(rest)).to_ascii_lowercase()),
            );
        }
        Self { allowed }
    }

    fn allows(&self, host: Option<&str>) -> bool {
        self.allowed.is_empty()
            || host.is_some_and(|host| {
                self.allowed.iter().any(|name| name == &name_of(host).to_ascii_lowercase())
            })
    }
}

/// A host without its port.
fn name_of(host: &str) -> &str {
    match host.rfind(':') {
        Some(at) if host[at + 1..].bytes().all(|b| b.is_ascii_digit()) && !host[..at].ends_with(':') => {
            &host[..at]
        }
        _ => host,
    }
}

/// An answer that pages of others may show in a frame: see [`config::Api::frame_ancestors`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Framed;

pub(super) async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let is_api = path.starts_with("/api/");
    // Probes come with the pod's address as their host and must not queue behind a crowd of readers.
    let probe = matches!(path, "/healthz" | "/readyz" | "/metrics");
    let embed = embed::Request::of(&request);
    let mut response = if probe {
        next.run(request).await
    } else {
        match admit(&app, &request) {
            Err(problem) => problem.into_response(),
            Ok(()) if embed.is_preflight() => StatusCode::NO_CONTENT.into_response(),
            Ok(()) => match app.slots.try_acquire() {
                Ok(_slot) => next.run(request).await,
                Err(_) => Problem::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "too many requests at once",
                    "try again in a second",
                )
                .with(header::RETRY_AFTER, "1")
                .into_response(),
            },
        }
    };
    if !probe {
        response = problem::of_framework(response);
    }
    app.metrics.requests.add(response.status().as_str(), 1);
    let framed = response.extensions().get::<Framed>().is_some();
    let headers = response.headers_mut();
    embed.answer(headers);
    let csp = if framed { app.frame_csp.clone() } else { HeaderValue::from_static(CSP) };
    headers.insert(header::CONTENT_SECURITY_POLICY, csp);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if !framed {
        headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    }
    if is_api {
        // Nobody else's page gets it into its memory, not even as a picture that does not load.
        headers.insert(
            HeaderName::from_static("cross-origin-resource-policy"),
            HeaderValue::from_static("same-origin"),
        );
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Whether a request may be answered at all.
fn admit(app: &App, request: &Request) -> Result<(), Problem> {
    let headers = request.headers();
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    if !app.hosts.allows(host) {
        return Err(Problem::new(
            StatusCode::MISDIRECTED_REQUEST,
            "unknown host name",
            "use localhost, or add the name to api.allowed_hosts or api.public_url",
        ));
    }
    let path = request.uri().path();
    // The page and its files are the same for everybody.
    if !path.starts_with("/api/") || embed::Request::of(request).is_preflight() {
        return Ok(());
    }
    let is_login = matches!(path, session::LOGIN | session::LOGOUT);
    let caller = match app.access.caller(headers) {
        Ok(caller) => Some(caller),
        Err(_) if is_login => None,
        Err(Refused::Nothing) => return Err(unauthorized("the API needs its token")),
        Err(Refused::Wrong) => return Err(unauthorized("the token is wrong or its time is over")),
    };
    if let Some(Caller::Embed(graph)) = caller
        && !embed::opens(graph, request)
    {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "not with this token",
            "an embed token opens GET of its one graph, and no comparison with others",
        ));
    }
    if request.method().is_safe() || caller == Some(Caller::Token) {
        return Ok(());
    }
    match origin::of(headers, app.public_origin.as_deref()) {
        Origin::Own => Ok(()),
        // A browser says where a page's request comes from. Who says nothing is a program, and has no cookie of a browser.
        Origin::Unsaid if caller != Some(Caller::Session) => Ok(()),
        Origin::Unsaid | Origin::Foreign => Err(Problem::new(
            StatusCode::FORBIDDEN,
            "the request comes from another site's page",
            "send it from this site's page, or with the token: Authorization: Bearer ...",
        )),
    }
}

fn unauthorized(title: &str) -> Problem {
    let detail = "send Authorization: Bearer and the token, or open the page at /#token=...; the token is in the file \
                  api.token_file, or state/api-token below the store";
    Problem::new(StatusCode::UNAUTHORIZED, title, detail)
        .with(header::WWW_AUTHENTICATE, "Bearer realm=\"sysflow\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(listen: &str, allowed: &[&str], public: Option<&str>) -> Hosts {
        let api = config::Api {
            allowed_hosts: allowed.iter().map(|&host| host.to_owned()).collect(),
            public_url: public.map(str::to_owned),
            ..config::Api::default()
        };
        Hosts::new(&api, listen.parse().unwrap())
    }

    #[test]
    fn a_rebound_name_is_refused_on_loopback() {
        let local = hosts("127.0.0.1:8686", &[], Some("https://flow.example:8443/x"));
        for host in ["localhost:8686", "LOCALHOST", "127.0.0.1:8686", "[::1]:8686", "flow.example"] {
            assert!(local.allows(Some(host)), "{host}");
        }
        for host in ["evil.example:8686", "localhost.evil.example", ""] {
            assert!(!local.allows(Some(host)), "{host}");
        }
        assert!(!local.allows(None));
    }

    #[test]
    fn elsewhere_any_name_serves_unless_a_list_is_given() {
        assert!(hosts("0.0.0.0:8686", &[], None).allows(Some("node-1:8686")));
        let listed = hosts("0.0.0.0:8686", &["Flow.example:8443"], None);
        assert!(listed.allows(Some("flow.example:80")) && !listed.allows(Some("other.example")));
    }
}
