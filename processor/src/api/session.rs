//! A browser shows the token once, and gets a cookie.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Deserialize;

use super::access::{COOKIE, SESSION};
use super::extract::Body;
use super::{App, Problem};

/// Where a browser shows the token.
pub(super) const LOGIN: &str = "/api/v1/login";

/// Where it forgets it.
pub(super) const LOGOUT: &str = "/api/v1/logout";

/// What a page sends that has found a token in its address.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Login {
    /// The token.
    token: String,
}

pub(super) async fn login(
    State(app): State<App>,
    headers: HeaderMap,
    Body(login): Body<Login>,
) -> Result<Response, Problem> {
    if app.access.token().is_none() {
        // Nothing to log in to; a link with a token works all the same.
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let Some(value) = app.access.log_in(login.token.trim()) else {
        tracing::warn!("somebody tried to log in with a wrong token");
        return Err(Problem::new(
            StatusCode::UNAUTHORIZED,
            "this is not the token",
            "it is in the file api.token_file, or state/api-token below the store",
        )
        .with(header::WWW_AUTHENTICATE, "Bearer realm=\"sysflow\""));
    };
    Ok(with_cookie(&headers, &value, SESSION.as_secs()))
}

/// A copy of the cookie elsewhere lives until it ends: only a new token ends all of them.
pub(super) async fn logout(headers: HeaderMap) -> Response {
    with_cookie(&headers, "", 0)
}

fn with_cookie(headers: &HeaderMap, value: &str, seconds: u64) -> Response {
    // The page's own address tells whether a proxy speaks TLS; over plain HTTP the browser would refuse the cookie.
    let origin = headers.get(header::ORIGIN).map_or(b"".as_slice(), HeaderValue::as_bytes);
    let secure = if origin.starts_with(b"https://") { "; Secure" } else { "" };
    let cookie = format!("{COOKIE}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}");
    let mut response = StatusCode::NO_CONTENT.into_response();
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}
