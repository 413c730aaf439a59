//! The page: files of viewer/dist, embedded at build time.

use axum::extract::Path;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use rust_embed::RustEmbed;

use super::Problem;
use super::extract::Graph;

#[derive(RustEmbed)]
#[folder = "../viewer/dist"]
#[allow_missing = true]
struct Files;

/// Shown when the program was built without the page.
const NOT_BUILT: &str = "<!doctype html><html lang=en><meta charset=utf-8><title>SysFlow</title>\
<h1>The page is not built in</h1><p>Build it with <code>make build</code> (it runs <code>npm ci</code> and \
<code>npm run build</code> in <code>viewer/</code> before cargo). The API works without it: \
<a href=/api/v1/graphs>/api/v1/graphs</a>, <a href=/api/v1/alerts>/api/v1/alerts</a>.</p></html>";

pub(super) async fn index() -> Response {
    single_page()
}

/// The same page; its script reads the graph's id from the address.
pub(super) async fn graph(_: Graph) -> Response {
    single_page()
}

pub(super) async fn asset(Path(path): Path<String>) -> Response {
    let Some(file) = Files::get(&format!("assets/{path}")) else {
        return Problem::new(StatusCode::NOT_FOUND, "no such file", "it is not part of this version's page")
            .into_response();
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(media_type(&path))),
        // The names of these files hold a hash of their content.
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable")),
        // The same for everybody. A sandboxed frame has no origin, and may load neither fonts nor modules otherwise.
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
    ];
    (headers, file.data.into_owned()).into_response()
}

fn single_page() -> Response {
    document("index.html").unwrap_or_else(|| Html(NOT_BUILT).into_response())
}

/// A document of the page, if this build has it.
pub(super) fn document(name: &str) -> Option<Response> {
    let page = Files::get(name)?;
    let headers = [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CACHE_CONTROL, "no-cache")];
    Some((headers, page.data.into_owned()).into_response())
}

/// Types of what a page is built of; anything else is bytes, for browsers must not guess.
fn media_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "wasm" => "application/wasm",
        _ => "application/octet-stream",
    }
}
