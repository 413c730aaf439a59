//! What the proxy itself answers: paths below `sysflow/`, wherever an ingress has put the UI.
//!
//! | path | answer |
//! |---|---|
//! | `inject.js` | the script that marks graph ids in the UI's page |
//! | `POST open/{id}` | for who may read events: address of the frame for a graph, with a token for that graph and a few minutes |
//! | `embed/g/{id}`, `assets/…` | the service's page for frames, without credentials |
//! | `api/v1/graphs/{id}…` | the graph's data, for requests that carry the token |

use axum::body::Body;
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, Limited};
use serde::Deserialize;
use sysflow::GraphId;

use super::{Inner, headers, policy};
use crate::api::Problem;

/// Where the script is, seen from the UI's page.
pub(super) const SCRIPT_URL: &str = "sysflow/inject.js";

const SCRIPT: &str = include_str!("inject.js");

/// What the service says when it is asked for a token has some hundred bytes.
const MAX_GRANT: usize = 16 << 10;

/// A request for the proxy itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Own<'p> {
    Script,
    Open(GraphId),
    Page(GraphId),
    Asset(&'p str),
    /// A graph, and what of it: empty, or `/alerts` and the like.
    Data(GraphId, &'p str),
}

#[derive(Deserialize)]
struct Grant {
    url: String,
    expires: serde_json::Value,
}

impl<'p> Own<'p> {
    /// `None` for what is the UI's.
    pub(super) fn parse(path: &'p str) -> Option<Self> {
        const OURS: &str = "/sysflow/";
        path.rmatch_indices(OURS).find_map(|(at, _)| Self::below(&path[at + OURS.len()..]))
    }

    fn below(path: &'p str) -> Option<Self> {
        if path == "inject.js" {
            return Some(Self::Script);
        }
        if let Some(id) = path.strip_prefix("open/") {
            return GraphId::parse(id).map(Self::Open);
        }
        if let Some(id) = path.strip_prefix("embed/g/") {
            return GraphId::parse(id).map(Self::Page);
        }
        if let Some(name) = path.strip_prefix("assets/") {
            let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
            return (name.bytes().all(plain) && !name.starts_with('.')).then_some(Self::Asset(name));
        }
        let rest = path.strip_prefix("api/v1/graphs/")?;
        let (id, what) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let plain = what.bytes().all(|b| b.is_ascii_lowercase() || b == b'/');
        GraphId::parse(id).filter(|_| plain).map(|id| Self::Data(id, what))
    }

    pub(super) async fn answer(self, proxy: &Inner, request: &Parts) -> Response {
        let allowed = match self {
            Self::Open(_) => Method::POST,
            _ => Method::GET,
        };
        let answer = match self {
            // Asked by the browser before a request with a token: the frame has an origin of its own.
            Self::Data(..) if request.method == Method::OPTIONS => preflight(),
            _ if request.method != allowed => {
                let detail = format!("use {allowed}");
                Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method not allowed", detail).into_response()
            }
            Self::Script => script(),
            Self::Open(id) => proxy.open(id, request).await.unwrap_or_else(IntoResponse::into_response),
            Self::Page(id) => {
                let query = request.uri.query().unwrap_or_default();
                proxy.fetch(&format!("/embed/g/{id}?{query}"), HeaderMap::new()).await
            }
            Self::Asset(name) => proxy.fetch(&format!("/assets/{name}"), HeaderMap::new()).await,
            Self::Data(id, what) => proxy.data(id, what, request).await,
        };
        sealed(answer)
    }
}

impl Inner {
    /// Gives out the address of a frame.
    async fn open(&self, id: GraphId, request: &Parts) -> Result<Response, Problem> {
        if !headers::is_same_origin(&request.headers) {
            let detail = "only Falcosidekick-UI's own page opens graphs";
            return Err(Problem::new(StatusCode::FORBIDDEN, "from another site", detail));
        }
        if !self.pass.admits(&request.headers) {
            let detail = "sign in to Falcosidekick-UI, or load its page again";
            return Err(Problem::new(StatusCode::UNAUTHORIZED, "not signed in", detail));
        }
        let mut ask = Request::new(Body::from("{}"));
        *ask.method_mut() = Method::POST;
        ask.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(token) = &self.token {
            ask.headers_mut().insert(header::AUTHORIZATION, token.clone());
        }
        let answer = self.api(&format!("/api/v1/graphs/{id}/embed"), ask).await?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), MAX_GRANT).collect().await;
        let grant = body.ok().and_then(|body| serde_json::from_slice::<Grant>(&body.to_bytes()).ok());
        let token = grant.as_ref().and_then(|grant| token_of(&grant.url));
        match (status, grant.as_ref(), token) {
            (status, Some(grant), Some(token)) if status.is_success() => {
                let page = self.public_url.as_ref().map(|url| format!("{url}/g/{id}"));
                let frame = format!("embed/g/{id}?token={token}");
                Ok(axum::Json(serde_json::json!({ "frame": frame, "page": page, "expires": grant.expires }))
                    .into_response())
            }
            (StatusCode::NOT_FOUND, ..) => {
                let detail =
                    "it was forgotten to make room for newer ones, or comes from another installation";
                Err(Problem::new(StatusCode::NOT_FOUND, "this graph is not known", detail))
            }
            (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, ..) => {
                tracing::error!(%status, "the service refuses the proxy's token: check --token-file");
                let detail = "the token of sysflow ui-proxy is not the service's: its log has more";
                Err(Problem::new(StatusCode::BAD_GATEWAY, "the service refuses the proxy", detail))
            }
            (status, ..) => {
                tracing::warn!(%status, "the service gives no token for a graph");
                let detail = "it has to be of this version or newer";
                Err(Problem::new(
                    StatusCode::BAD_GATEWAY,
                    "the service gives no token for this graph",
                    detail,
                ))
            }
        }
    }

    async fn data(&self, id: GraphId, what: &str, request: &Parts) -> Response {
        let given = request.headers.get(header::AUTHORIZATION);
        let mut headers = HeaderMap::new();
        match given {
            Some(given) if given.as_bytes().starts_with(b"Embed ") => {
                headers.insert(header::AUTHORIZATION, given.clone());
            }
            _ => {
                let detail = "a token for this graph is needed: authorization: Embed <token>";
                return cross_origin(
                    Problem::new(StatusCode::UNAUTHORIZED, "no token", detail).into_response(),
                );
            }
        }
        for name in [header::ACCEPT, header::IF_NONE_MATCH] {
            if let Some(value) = request.headers.get(&name) {
                headers.insert(name, value.clone());
            }
        }
        let query = request.uri.query().map_or(String::new(), |query| format!("?{query}"));
        cross_origin(self.fetch(&format!("/api/v1/graphs/{id}{what}{query}"), headers).await)
    }

    /// A GET of the service, with nothing of the browser's but these headers.
    async fn fetch(&self, path: &str, headers: HeaderMap) -> Response {
        let mut ask = Request::new(Body::empty());
        *ask.headers_mut() = headers;
        let mut answer = match self.api(path, ask).await {
            Ok(answer) => answer,
            Err(problem) => return problem.into_response(),
        };
        let kept = [header::CONTENT_TYPE, header::CONTENT_LENGTH, header::CACHE_CONTROL, header::ETAG];
        let mut headers = HeaderMap::new();
        for name in kept {
            if let Some(value) = answer.headers_mut().remove(&name) {
                headers.insert(name, value);
            }
        }
        *answer.headers_mut() = headers;
        // Fonts are asked for as data is.
        cross_origin(answer)
    }

    async fn api(&self, path: &str, mut ask: Request) -> Result<Response, Problem> {
        let unlike = |_| Problem::new(StatusCode::BAD_REQUEST, "the address cannot be understood", "");
        *ask.uri_mut() = path.parse().map_err(unlike)?;
        self.api.send(ask).await.map_err(|why| {
            tracing::warn!(%why, "the service does not answer");
            let detail = "is sysflow run up, at the address that sysflow ui-proxy was given with --api?";
            Problem::new(StatusCode::BAD_GATEWAY, "the SysFlow service does not answer", detail)
        })
    }
}

/// The token in the address that the service gave.
fn token_of(url: &str) -> Option<&str> {
    let (_, query) = url.split_once('?')?;
    let token = query.split('&').find_map(|pair| pair.strip_prefix("token="))?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~');
    (!token.is_empty() && token.bytes().all(plain)).then_some(token)
}

fn script() -> Response {
    let headers =
        [(header::CONTENT_TYPE, "text/javascript; charset=utf-8"), (header::CACHE_CONTROL, "no-cache")];
    (headers, SCRIPT).into_response()
}

fn preflight() -> Response {
    let headers = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization, if-none-match"),
        (header::ACCESS_CONTROL_MAX_AGE, "600"),
    ];
    cross_origin((StatusCode::NO_CONTENT, headers).into_response())
}

/// Readable from an origin of its own: what is in it is public, or was asked for with a token.
fn cross_origin(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("etag"));
    response
}

fn sealed(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, policy::FRAME),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-resource-policy"), "cross-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_paths_are_told_from_the_uis() {
        let id = GraphId::parse("0123456789abcdef0123456789abcdef").unwrap();
        for (path, wanted) in [
            ("/sysflow/inject.js", Some(Own::Script)),
            ("/ui/sysflow/inject.js", Some(Own::Script)),
            ("/sysflow/sysflow/inject.js", Some(Own::Script)),
            ("/sysflow/open/0123456789abcdef0123456789abcdef", Some(Own::Open(id))),
            ("/sysflow/embed/g/0123456789abcdef0123456789abcdef", Some(Own::Page(id))),
            ("/a/b/sysflow/assets/embed-a_B.js", Some(Own::Asset("embed-a_B.js"))),
            ("/sysflow/api/v1/graphs/0123456789abcdef0123456789abcdef", Some(Own::Data(id, ""))),
            (
                "/sysflow/api/v1/graphs/0123456789abcdef0123456789abcdef/alerts",
                Some(Own::Data(id, "/alerts")),
            ),
            // The UI below a path of this name.
            ("/sysflow/", None),
            ("/sysflow/api/v1/events/search", None),
            ("/sysflow/index.html", None),
            // Neither a graph nor a file.
            ("/sysflow/open/x", None),
            ("/sysflow/assets/../../etc/passwd", None),
            ("/sysflow/assets/%2e%2e", None),
            ("/sysflow/api/v1/graphs/0123456789abcdef0123456789abcdef/../x", None),
            ("/sysflow/api/v1/graphs", None),
        ] {
            assert_eq!(Own::parse(path), wanted, "{path}");
        }
    }

    #[test]
    fn only_a_plain_token_is_taken() {
        assert_eq!(token_of("/embed/g/1?token=a-B_1.~"), Some("a-B_1.~"));
        assert_eq!(token_of("https://x/embed/g/1?a=b&token=t"), Some("t"));
        for url in ["/embed/g/1", "/embed/g/1?token=", "/embed/g/1?token=a\"b", "/embed/g/1?token=%22"] {
            assert_eq!(token_of(url), None, "{url}");
        }
    }
}
