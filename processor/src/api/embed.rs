//! One graph within the page of somebody else, such as Falcosidekick-UI.
//!
//! The frame is sandboxed, so that its origin is nobody's: its scripts reach neither the cookies nor the storage of the
//! page around it, and ours are not sent with their requests. They carry a text instead that opens one graph for some
//! minutes. A browser takes such requests for those of a foreign site and asks first; this is the only thing that is
//! allowed across origins.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;
use sysflow::GraphId;

use super::extract::Graph;
use super::guard::Framed;
use super::{App, page};
use crate::config;
use crate::time;

/// Path below which everything is about one graph.
const GRAPHS: &str = "/api/v1/graphs/";

/// How long a browser need not ask again, in seconds.
const MAX_AGE: &str = "300";

/// The origin of a sandboxed frame.
const NOBODY: &str = "null";

/// What a request has to do with frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// Nothing.
    Other,
    /// A browser asks whether a frame may ask.
    Preflight,
    /// A frame asks.
    Framed,
}

/// Where one graph can be shown in a frame.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "EmbedLink")]
pub(super) struct Link {
    /// Path of the page, with what opens the graph.
    url: String,
    /// When that ends (RFC 3339).
    expires: String,
}

impl Request {
    pub(super) fn of(request: &axum::extract::Request) -> Self {
        let headers = request.headers();
        let is =
            |name, expected: &str| headers.get(name).is_some_and(|value: &HeaderValue| value == expected);
        if !is(header::ORIGIN, NOBODY) || graph_of(request.uri().path()).is_none() {
            return Self::Other;
        }
        let shown = headers.get(header::AUTHORIZATION).and_then(|shown| shown.as_bytes().get(..6));
        match *request.method() {
            Method::OPTIONS if is(header::ACCESS_CONTROL_REQUEST_METHOD, "GET") => Self::Preflight,
            Method::GET if shown.is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"embed ")) => Self::Framed,
            _ => Self::Other,
        }
    }

    pub(super) fn is_preflight(self) -> bool {
        self == Self::Preflight
    }

    /// Lets the browser hand the answer to the frame.
    pub(super) fn answer(self, headers: &mut HeaderMap) {
        let allowed: &[_] = match self {
            Self::Other => return,
            Self::Preflight => &[
                (header::ACCESS_CONTROL_ALLOW_METHODS, "GET"),
                (header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization, if-none-match"),
                (header::ACCESS_CONTROL_MAX_AGE, MAX_AGE),
            ],
            Self::Framed => &[(header::ACCESS_CONTROL_EXPOSE_HEADERS, "etag")],
        };
        for (name, value) in allowed {
            headers.insert(name, HeaderValue::from_static(value));
        }
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static(NOBODY));
        headers.append(header::VARY, HeaderValue::from_static("origin"));
    }
}

/// Whether a text for `graph` is enough for this request. A comparison or links would show other graphs.
pub(super) fn opens(graph: GraphId, request: &axum::extract::Request) -> bool {
    let path = request.uri().path();
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    is_read && graph_of(path) == Some(graph) && !path.ends_with("/diff") && !path.ends_with("/links")
}

fn graph_of(path: &str) -> Option<GraphId> {
    let rest = path.strip_prefix(GRAPHS)?;
    GraphId::parse(rest.split('/').next().unwrap_or(rest))
}

/// `POST /api/v1/graphs/{id}/embed`.
pub(super) async fn link(State(app): State<App>, Graph(graph): Graph) -> Json<Link> {
    let (text, end) = app.access.embed(graph);
    let expires = time::rfc3339(i64::try_from(end).unwrap_or_default().saturating_mul(1_000_000_000));
    Json(Link { url: format!("/embed/g/{graph}?token={text}"), expires })
}

/// `GET /embed/g/{id}`: the page for a frame; its script takes the text out of its address.
pub(super) async fn page(Graph(graph): Graph) -> Response {
    let Some(mut response) = page::document("embed.html") else {
        // This build's page has none: the whole one is better than nothing, outside of a frame.
        return axum::response::Redirect::temporary(&format!("/g/{graph}")).into_response();
    };
    response.extensions_mut().insert(Framed);
    response
}

/// What the page in a frame may do, and in whose.
pub(super) fn csp(api: &config::Api) -> HeaderValue {
    let ancestors = api.frame_ancestors.join(" ");
    let csp = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; font-src \
         'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self' {ancestors}; sandbox allow-scripts \
         allow-popups allow-popups-to-escape-sandbox"
    );
    // The configuration was checked to hold origins only.
    HeaderValue::from_str(&csp).unwrap_or(HeaderValue::from_static("default-src 'none'; sandbox"))
}
