//! One request to Falcosidekick.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::http::uri::PathAndQuery;
use hyper::{Method, Request, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::client::WantsClientCert;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore};

use crate::config::Sidekick;
use crate::error::{Error, Result};

/// An answer is a line at most; more of it is not read.
const MAX_ANSWER: usize = 8 << 10;

/// Nor is more of a page.
const MAX_PAGE: usize = 4 << 20;

/// A client of one Falcosidekick, or of any server that is asked for pages.
#[derive(Clone, Debug)]
pub struct Client {
    http: hyper_util::client::legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    uri: Uri,
    headers: HeaderMap,
    timeout: Duration,
}

/// A page of a server.
#[derive(Debug)]
pub struct Page {
    /// Its status.
    pub status: StatusCode,
    /// What it says.
    pub text: String,
}

/// What became of a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Falcosidekick has decoded the alert.
    Accepted,
    /// It could not decode it.
    Rejected(String),
    /// The alert did not reach it: no connection, or something in between refused.
    Unreachable(String),
    /// The alert was sent and nothing came back: it may have arrived or not.
    NoAnswer(String),
}

impl Client {
    /// Checks address, headers and certificates; connects on the first alert only.
    pub fn new(config: &Sidekick) -> Result<Self> {
        let uri: Uri = config.url.parse().map_err(|e| bad(format!("url {:?}: {e}", config.url)))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none_or(str::is_empty) {
            return Err(bad(format!("url {:?} has to look like http://host:2801/", config.url)));
        }
        let timeout = Duration::from_millis(config.timeout_ms);
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(timeout));
        tcp.set_keepalive(Some(Duration::from_secs(60)));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls(config)?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let http = hyper_util::client::legacy::Client::builder(TokioExecutor::new())
            // Falcosidekick closes a connection that was idle for 60 s: be first.
            .pool_idle_timeout(Duration::from_secs(50))
            .pool_timer(hyper_util::rt::TokioTimer::new())
            .build(connector);
        Ok(Self { http, uri, headers: headers(config)?, timeout })
    }

    /// Sends one alert.
    pub async fn post(&self, body: String) -> Outcome {
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        // A connection attempt has the same bound of its own, so that an unreachable host is told from a slow one.
        match tokio::time::timeout(self.timeout * 2, self.exchange(request)).await {
            Ok(outcome) => outcome,
            Err(_) => Outcome::NoAnswer(format!("no answer within {:?}", self.timeout * 2)),
        }
    }

    /// Asks the same server for a page, such as `/ping`. An error says why there is none.
    pub async fn get(&self, path: &'static str) -> Result<Page, String> {
        let mut parts = self.uri.clone().into_parts();
        parts.path_and_query = Some(PathAndQuery::from_static(path));
        let uri = Uri::from_parts(parts).map_err(|e| e.to_string())?;
        let mut request = Request::new(Full::default());
        *request.uri_mut() = uri;
        *request.headers_mut() = self.headers.clone();
        let exchange = async {
            let response = self.http.request(request).await.map_err(|e| chain(&e))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), MAX_PAGE).collect().await;
            let body = body.map_err(|e| e.to_string())?.to_bytes();
            Ok(Page { status, text: String::from_utf8_lossy(&body).into_owned() })
        };
        tokio::time::timeout(self.timeout, exchange)
            .await
            .unwrap_or_else(|_| Err(format!("no answer within {:?}", self.timeout)))
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Outcome {
        let response = match self.http.request(request).await {
            Ok(response) => response,
            Err(error) if error.is_connect() => return Outcome::Unreachable(chain(&error)),
            Err(error) => return Outcome::NoAnswer(chain(&error)),
        };
        let status = response.status();
        // Read to its end, or the connection cannot be used again.
        let answer = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
        let text = answer.map_or_else(
            |e| e.to_string(),
            |body| String::from_utf8_lossy(&body.to_bytes()).trim().to_owned(),
        );
        match status {
            status if status.is_success() => Outcome::Accepted,
            StatusCode::BAD_REQUEST => Outcome::Rejected(text),
            // Falcosidekick itself says 200 or 400 only: this is a gateway in front of it.
            status => Outcome::Unreachable(format!("status {status}: {text}")),
        }
    }
}

impl Outcome {
    /// Value of the metric's label.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected(_) => "rejected",
            Self::Unreachable(_) => "unreachable",
            Self::NoAnswer(_) => "no_answer",
        }
    }
}

fn headers(config: &Sidekick) -> Result<HeaderMap> {
    let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
    for (name, value) in &config.headers {
        let name: HeaderName =
            name.parse().map_err(|_| bad(format!("{name:?} cannot be the name of a header")))?;
        let mut value: HeaderValue = value
            .parse()
            .map_err(|_| bad(format!("the value of header {name} holds characters that headers cannot")))?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

fn tls(config: &Sidekick) -> Result<ClientConfig> {
    let builder = trusting(&config.url, config.ca_file.as_deref())?;
    let (Some(cert), Some(key)) = (&config.client_cert, &config.client_key) else {
        return Ok(builder.with_no_client_auth());
    };
    let private =
        PrivateKeyDer::from_pem_file(key).map_err(|e| bad(format!("client_key {}: {e}", key.display())))?;
    builder
        .with_client_auth_cert(certificates("client_cert", cert)?, private)
        .map_err(|e| bad(format!("client_cert {} and client_key {}: {e}", cert.display(), key.display())))
}

/// TLS for a client of this address that shows no certificate.
pub fn client_tls(url: &str, ca_file: Option<&Path>) -> Result<ClientConfig> {
    Ok(trusting(url, ca_file)?.with_no_client_auth())
}

fn trusting(url: &str, ca_file: Option<&Path>) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>> {
    let roots = match ca_file {
        Some(file) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates("ca_file", file)? {
                roots.add(certificate).map_err(|e| bad(format!("ca_file {}: {e}", file.display())))?;
            }
            Some(roots)
        }
        None => None,
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| bad(format!("TLS: {e}")))?;
    Ok(match roots {
        Some(roots) => builder.with_root_certificates(roots),
        // Most installations speak plain HTTP inside a cluster: a machine without a single root is no error then.
        None if url.starts_with("http:") => builder.with_root_certificates(RootCertStore::empty()),
        None => builder.with_root_certificates(system_roots()?),
    })
}

fn system_roots() -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err(bad("this system has no certificate authorities; give ca_file"));
    }
    Ok(roots)
}

fn certificates(what: &str, file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let certificates: Vec<_> = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect)
        .map_err(|e| bad(format!("{what} {}: {e}", file.display())))?;
    if certificates.is_empty() {
        return Err(bad(format!("{what} {} holds no certificate in PEM form", file.display())));
    }
    Ok(certificates)
}

fn bad(why: impl std::fmt::Display) -> Error {
    Error::Failed(format!("alerts.falcosidekick: {why}"))
}

/// The whole chain of causes: hyper's own message is only "client error (Connect)".
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(": ");
        text.push_str(&next.to_string());
        cause = next.source();
    }
    text
}
