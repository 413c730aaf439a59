//! What handlers take out of requests; whatever is wrong with it is a [`Problem`].

use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use std::time::Duration;
use sysflow::GraphId;

use super::Problem;

/// Most bytes of a request's body.
pub(super) const MAX_BODY: usize = 256 << 10;

/// A body that has not come by then is not waited for.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// What stands behind the `?`.
#[derive(Debug)]
pub(super) struct Params<T>(pub(super) T);

/// The graph that a path names as `{id}`.
#[derive(Debug)]
pub(super) struct Graph(pub(super) GraphId);

/// A body of JSON.
#[derive(Debug)]
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Query(params) = Query::try_from_uri(&parts.uri).map_err(|e| bad_query(&e.body_text()))?;
        Ok(Self(params))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Graph {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let id = Path::<String>::from_request_parts(parts, state).await.ok();
        id.and_then(|Path(id)| GraphId::parse(&id)).map(Self).ok_or_else(no_graph_id)
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let bytes = whole(request.into_body()).await?;
        serde_json::from_slice(&bytes).map(Self).map_err(|error| {
            let title =
                if error.is_data() { "the body is not what is expected" } else { "the body is no JSON" };
            Problem::new(StatusCode::BAD_REQUEST, title, error.to_string())
        })
    }
}

/// What holds for every request that may change something or costs much: JSON only, which no form of another site can
/// send without asking, and all of it within a while, since it holds a place of others meanwhile.
pub(super) async fn json_only(request: Request, next: Next) -> Response {
    if request.method().is_safe() {
        return next.run(request).await;
    }
    if !is_json(request.headers()) {
        return Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "JSON is expected",
            "send Content-Type: application/json, also without a body",
        )
        .into_response();
    }
    let (parts, body) = request.into_parts();
    match whole(body).await {
        Ok(bytes) => next.run(Request::from_parts(parts, bytes.into())).await,
        Err(problem) => problem.into_response(),
    }
}

pub(super) fn bad_query(why: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "the query cannot be understood", why)
}

fn no_graph_id() -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "no graph id", "32 lower-case hex digits are expected")
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}

async fn whole(body: axum::body::Body) -> Result<axum::body::Bytes, Problem> {
    let read = tokio::time::timeout(BODY_TIMEOUT, axum::body::to_bytes(body, MAX_BODY)).await;
    let read = read.map_err(|_| {
        Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "the body did not come",
            "it has to be there within 10 seconds",
        )
    })?;
    read.map_err(|error| {
        use std::error::Error as _;
        let is_large =
            matches!(error.source(), Some(source) if source.is::<http_body_util::LengthLimitError>());
        if is_large {
            let detail = format!("at most {MAX_BODY} bytes are taken");
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large", detail)
        } else {
            Problem::new(StatusCode::BAD_REQUEST, "the body cannot be read", error.to_string())
        }
    })
}
