//! One script more in an HTML page.

use std::io::Read;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use flate2::read::MultiGzDecoder;
use http_body_util::BodyExt;
use hyper::body::Bytes;

use super::body::Paced;
use super::headers::text;
use super::own::SCRIPT_URL;
use super::policy;

/// Larger pages are passed on as they are. Falcosidekick-UI's has one kilobyte.
const MAX_PAGE: usize = 2 << 20;

/// How long the rest of a page may take.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);

/// Whether an answer is a page of the UI: its description of the API, `/docs`, is left alone.
pub(super) fn is_page(path: &str, response: &Response) -> bool {
    response.status() == StatusCode::OK
        && text(response.headers(), &header::CONTENT_TYPE)
            .is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("text/html"))
        && !path.split('/').any(|part| part == "docs")
}

/// The page with our script; as it came when it is too large, packed in a way that is not ours, or no page after all.
pub(super) async fn with_script(response: Response, only_head: bool) -> Response {
    let (mut head, body) = response.into_parts();
    if only_head {
        // The length of what a GET would give is not known here.
        head.headers.remove(header::CONTENT_LENGTH);
        head.headers.remove(header::ETAG);
        return Response::from_parts(head, body);
    }
    let (read, rest) = match read(body).await {
        Ok(parts) => parts,
        Err(error) => {
            tracing::warn!(%error, "Falcosidekick-UI ended in the middle of a page");
            return super::away(true);
        }
    };
    let changed = match rest {
        None => unpacked(&head.headers, &read).and_then(|page| {
            let nonce = nonce()?;
            Some((insert(&page, &tag(&nonce))?, nonce))
        }),
        Some(_) => None,
    };
    let Some((page, nonce)) = changed else {
        tracing::debug!("a page is passed on without the script");
        let body = Paced::new(Some(read), rest.unwrap_or_default(), PATIENCE);
        return Response::from_parts(head, Body::new(body));
    };
    let headers = &mut head.headers;
    for name in [
        header::CONTENT_LENGTH,
        header::CONTENT_ENCODING,
        header::LAST_MODIFIED,
        header::ETAG,
        header::ACCEPT_RANGES,
    ] {
        headers.remove(name);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let policies: Vec<HeaderValue> = headers
        .get_all(header::CONTENT_SECURITY_POLICY)
        .into_iter()
        .filter_map(|policy| HeaderValue::try_from(policy::admit(policy.to_str().ok()?, &nonce)).ok())
        .collect();
    if !policies.is_empty() {
        headers.remove(header::CONTENT_SECURITY_POLICY);
        for policy in policies {
            headers.append(header::CONTENT_SECURITY_POLICY, policy);
        }
    }
    Response::from_parts(head, Body::from(page))
}

/// The page, and what of it is beyond the limit.
async fn read(mut body: Body) -> Result<(Bytes, Option<Body>), axum::Error> {
    let mut page = Vec::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            page.extend_from_slice(&data);
            if page.len() > MAX_PAGE {
                return Ok((page.into(), Some(body)));
            }
        }
    }
    Ok((page.into(), None))
}

/// The page itself. It was asked for unpacked, but a cache in between may not care.
fn unpacked(headers: &HeaderMap, page: &Bytes) -> Option<Bytes> {
    let encoding = text(headers, &header::CONTENT_ENCODING).unwrap_or("identity").trim();
    if encoding.eq_ignore_ascii_case("identity") {
        return Some(page.clone());
    }
    if !encoding.eq_ignore_ascii_case("gzip") {
        return None;
    }
    let mut text = Vec::new();
    let read = MultiGzDecoder::new(&**page).take(MAX_PAGE as u64 + 1).read_to_end(&mut text).ok()?;
    (read <= MAX_PAGE).then(|| text.into())
}

fn tag(nonce: &str) -> String {
    // Relative, so that it is found below any path that an ingress puts in front.
    format!("<script src=\"{SCRIPT_URL}\" nonce=\"{nonce}\" defer></script>")
}

/// The page with the tag at the beginning of its head, before what a policy in a `meta` element could forbid; `None` when there
/// is no place that looks like one.
fn insert(page: &[u8], tag: &str) -> Option<Vec<u8>> {
    let at = end_of_head_tag(page).or_else(|| rfind(page, b"</body"))?;
    Some([&page[..at], tag.as_bytes(), &page[at..]].concat())
}

fn end_of_head_tag(page: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = find(&page[from..], b"<head") {
        let after = from + at + b"<head".len();
        match page.get(after)? {
            b'>' => return Some(after + 1),
            byte if byte.is_ascii_whitespace() => {
                return page[after..].iter().position(|byte| *byte == b'>').map(|end| after + end + 1);
            }
            // <header>
            _ => from = after,
        }
    }
    None
}

fn find(page: &[u8], what: &[u8]) -> Option<usize> {
    page.windows(what.len()).position(|part| part.eq_ignore_ascii_case(what))
}

fn rfind(page: &[u8], what: &[u8]) -> Option<usize> {
    page.windows(what.len()).rposition(|part| part.eq_ignore_ascii_case(what))
}

fn nonce() -> Option<String> {
    let mut nonce = [0; 16];
    rustls::crypto::ring::default_provider().secure_random.fill(&mut nonce).ok()?;
    Some(crate::hex::encode(&nonce))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inserted(page: &str) -> Option<String> {
        insert(page.as_bytes(), "T").map(|page| String::from_utf8(page).unwrap())
    }

    #[test]
    fn the_tag_comes_first_in_the_head() {
        for (page, wanted) in [
            ("<!DOCTYPE html><html><head><meta></head>", "<!DOCTYPE html><html><head>T<meta></head>"),
            ("<HTML><HEAD lang=\"en\"\n>x", "<HTML><HEAD lang=\"en\"\n>Tx"),
            ("<header>x</header><body>y</BODY>", "<header>x</header><body>yT</BODY>"),
        ] {
            assert_eq!(inserted(page).as_deref(), Some(wanted));
        }
        for page in ["", "<head", "<header>", "no markup at all", "<h\0e\0a\0d\0>\0"] {
            assert_eq!(inserted(page), None, "{page:?}");
        }
    }

    #[test]
    fn only_pages_are_changed() {
        let answer = |status: u16, kind: &str| {
            Response::builder().status(status).header(header::CONTENT_TYPE, kind).body(Body::empty()).unwrap()
        };
        assert!(is_page("/", &answer(200, "Text/HTML; charset=UTF-8")));
        assert!(!is_page("/docs/index.html", &answer(200, "text/html")));
        assert!(!is_page("/", &answer(404, "text/html")));
        assert!(!is_page("/", &answer(200, "application/json")));
    }
}
