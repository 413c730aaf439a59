//! Errors as `application/problem+json` (RFC 9457).

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;

const KIND: HeaderValue = HeaderValue::from_static("application/problem+json");

/// Why a request has no other answer.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    title: String,
    detail: String,
    header: Option<(HeaderName, &'static str)>,
}

/// A problem as it is sent.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub(super) struct Form {
    /// Always `about:blank`: the status says what kind it is.
    r#type: &'static str,
    /// What is wrong.
    title: String,
    /// Status of the answer.
    status: u16,
    /// What to do about it.
    detail: String,
}

impl Problem {
    /// An answer with this status; `title` names what is wrong, `detail` what to do.
    pub fn new(status: StatusCode, title: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { status, title: title.into(), detail: detail.into(), header: None }
    }

    /// The same with a header that this status calls for.
    #[must_use]
    pub(super) fn with(self, name: HeaderName, value: &'static str) -> Self {
        Self { header: Some((name, value)), ..self }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Self { status, title, detail, header } = self;
        let form = Form { r#type: "about:blank", title, status: status.as_u16(), detail };
        // Texts and a number always serialise.
        let body = serde_json::to_string(&form).unwrap_or_default();
        let mut response = (status, [(header::CONTENT_TYPE, KIND)], body).into_response();
        if let Some((name, value)) = header {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

/// An answer whose error is the framework's words, as a problem.
pub(super) fn of_framework(response: Response) -> Response {
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    if !is_error || response.headers().get(header::CONTENT_TYPE) == Some(&KIND) {
        return response;
    }
    let title = status.canonical_reason().unwrap_or("the request failed").to_lowercase();
    let mut problem = Problem::new(status, title, "see docs/api.md, or /api/openapi.json").into_response();
    if let Some(allow) = response.headers().get(header::ALLOW) {
        problem.headers_mut().insert(header::ALLOW, allow.clone());
    }
    problem
}
