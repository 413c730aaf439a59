//! A server behind the proxy.

use std::path::Path;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::uri::{Authority, PathAndQuery, Scheme};
use axum::http::{HeaderValue, Uri, header};
use axum::response::Response;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use super::body::Paced;
use crate::error::{Error, Result};
use crate::sidekick;

/// Connections that wait for their next request.
const IDLE: usize = 16;

#[derive(Clone, Debug)]
pub(super) struct Upstream {
    http: Client<HttpsConnector<HttpConnector>, Body>,
    scheme: Scheme,
    authority: Authority,
    /// Begins the path of each request: empty, or a path without its last slash.
    base: String,
    timeout: Duration,
}

impl Upstream {
    /// `what` names the option in errors.
    pub(super) fn new(what: &str, url: &str, ca_file: Option<&Path>, timeout: Duration) -> Result<Self> {
        let bad = |why: &str| Error::Usage(format!("{what} {url:?}: {why}"));
        let uri: Uri = url.parse().map_err(|_| bad("this is no URL"))?;
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
            return Err(bad("it has to look like http://host:2802"));
        };
        if *scheme != Scheme::HTTP && *scheme != Scheme::HTTPS {
            return Err(bad("it has to begin with http:// or https://"));
        }
        if authority.as_str().contains('@') {
            return Err(bad("it must not hold a user or password"));
        }
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(timeout.min(Duration::from_secs(5))));
        tcp.set_keepalive(Some(Duration::from_secs(60)));
        let tls = sidekick::client_tls(url, ca_file).map_err(|e| bad(&e.to_string()))?;
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let http = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(Duration::from_secs(30))
            .pool_timer(hyper_util::rt::TokioTimer::new())
            .pool_max_idle_per_host(IDLE)
            .build(connector);
        let (scheme, authority) = (scheme.clone(), authority.clone());
        Ok(Self { http, scheme, authority, base: uri.path().trim_end_matches('/').to_owned(), timeout })
    }

    /// Sends a request to this server instead of where it was meant for. An error says why there is no answer.
    pub(super) async fn send(&self, mut request: Request) -> Result<Response, String> {
        let path = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
        // The asterisk of OPTIONS names the server as a whole.
        let path = if path.starts_with('/') { path } else { "/" };
        *request.uri_mut() = Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone())
            .path_and_query(format!("{}{path}", self.base))
            .build()
            .map_err(|e| e.to_string())?;
        let host = HeaderValue::from_str(self.authority.as_str()).map_err(|e| e.to_string())?;
        request.headers_mut().insert(header::HOST, host);
        *request.version_mut() = axum::http::Version::HTTP_11;
        let answer = tokio::time::timeout(self.timeout, self.http.request(request))
            .await
            .map_err(|_| format!("{}: no answer within {:?}", self.authority, self.timeout))?
            .map_err(|e| format!("{}: {}", self.authority, sidekick::chain(&e)))?;
        Ok(answer.map(|body| Body::new(Paced::new(None, Body::new(body), self.timeout))))
    }

    /// Path of an address of this server as the browser sees it; `None` for any other server's.
    pub(super) fn path_of(&self, location: &str) -> Option<String> {
        let uri: Uri = location.parse().ok()?;
        if uri.scheme() != Some(&self.scheme) || uri.authority() != Some(&self.authority) {
            return None;
        }
        let path = uri.path_and_query()?.as_str();
        let path = path.strip_prefix(&self.base).unwrap_or(path);
        Some(if path.starts_with('/') { path.to_owned() } else { format!("/{path}") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(url: &str) -> Result<Upstream> {
        Upstream::new("--ui", url, None, Duration::from_secs(1))
    }

    #[test]
    fn wrong_addresses_are_refused() {
        for url in ["", "ui:2802", "/x", "ftp://ui", "http://user:word@ui"] {
            let error = at(url).unwrap_err().to_string();
            assert!(error.starts_with("--ui"), "{url}: {error}");
        }
    }

    #[test]
    fn a_redirect_stays_at_the_proxy() {
        let ui = at("http://ui:2802/falco/").unwrap();
        assert_eq!(ui.path_of("http://ui:2802/falco/docs/?a=b").as_deref(), Some("/docs/?a=b"));
        assert_eq!(ui.path_of("http://ui:2802/falco").as_deref(), Some("/"));
        for other in ["https://ui:2802/falco/docs", "http://other/", "docs/", "//ui:2802/x"] {
            assert_eq!(ui.path_of(other), None, "{other}");
        }
    }
}
