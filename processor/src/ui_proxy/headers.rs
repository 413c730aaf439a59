//! Headers on their way through a proxy (RFC 9110, section 7.6), and what is read from them.

use std::net::SocketAddr;

use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use super::pass;
use super::upstream::Upstream;

/// Headers that belong to one connection only.
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Removes what belongs to the connection on this side, and our own cookie.
pub(super) fn forward(headers: &mut HeaderMap) {
    remove_hops(headers);
    if let Some(host) = headers.remove(header::HOST) {
        headers.entry("x-forwarded-host").or_insert(host);
    }
    pass::hide(headers);
}

/// Removes what belongs to the connection on the other side; a redirect to the UI's own address stays on ours.
pub(super) fn backward(headers: &mut HeaderMap, ui: &Upstream) {
    remove_hops(headers);
    let location = headers.get(header::LOCATION).and_then(|at| at.to_str().ok());
    if let Some(path) = location.and_then(|at| ui.path_of(at))
        && let Ok(path) = HeaderValue::try_from(path)
    {
        headers.insert(header::LOCATION, path);
    }
}

/// Asks for a whole page that can be read: neither packed nor only if it has changed.
pub(super) fn ask_afresh(headers: &mut HeaderMap) {
    for name in [
        header::IF_MODIFIED_SINCE,
        header::IF_NONE_MATCH,
        header::IF_RANGE,
        header::RANGE,
        header::ACCEPT_ENCODING,
    ] {
        headers.remove(name);
    }
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
}

/// Whether a person waits for the answer: browsers say so when they open a page.
pub(super) fn wants_page(headers: &HeaderMap) -> bool {
    text(headers, &header::ACCEPT).is_some_and(|accept| accept.contains("text/html"))
}

/// Whether the browser reached what stands in front of us by https.
pub(super) fn is_secure(headers: &HeaderMap) -> bool {
    text(headers, &HeaderName::from_static("x-forwarded-proto"))
        .is_some_and(|proto| proto.eq_ignore_ascii_case("https"))
}

/// The protocol that a request wants to change to, when it is one that is passed on.
pub(super) fn upgrade(headers: &HeaderMap) -> Option<HeaderValue> {
    let wanted = tokens(headers, &header::CONNECTION).any(|token| token.eq_ignore_ascii_case("upgrade"));
    headers
        .get(header::UPGRADE)
        .filter(|to| wanted && to.as_bytes().eq_ignore_ascii_case(b"websocket"))
        .cloned()
}

pub(super) fn set_upgrade(headers: &mut HeaderMap, protocol: &HeaderValue) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, protocol.clone());
}

/// Whether a request comes from a page of the same origin, as far as the browser says so.
pub(super) fn is_same_origin(headers: &HeaderMap) -> bool {
    if let Some(site) = text(headers, &HeaderName::from_static("sec-fetch-site")) {
        return site == "same-origin";
    }
    let Some(origin) = text(headers, &header::ORIGIN) else { return false };
    let host = text(headers, &header::HOST);
    origin.split_once("://").is_some_and(|(_, origin)| Some(origin) == host)
}

/// Length of a body as its sender says.
pub(super) fn length(headers: &HeaderMap) -> Option<u64> {
    text(headers, &header::CONTENT_LENGTH).and_then(|length| length.parse().ok())
}

pub(super) fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn remove_hops(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> =
        tokens(headers, &header::CONNECTION).filter_map(|token| token.parse().ok()).collect();
    for name in named {
        headers.remove(name);
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

fn tokens<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

/// Host names that requests may carry when the proxy listens on loopback.
///
/// A name of an attacker's domain can be made to resolve to 127.0.0.1; a browser then takes our answers for that domain's.
#[derive(Debug)]
pub(super) struct Hosts {
    /// Empty: any.
    allowed: Vec<String>,
}

impl Hosts {
    pub(super) fn new(address: SocketAddr, names: &[String]) -> Self {
        let mut allowed: Vec<String> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
        if address.ip().is_loopback() || !allowed.is_empty() {
            allowed.extend(["localhost", "127.0.0.1", "[::1]"].map(str::to_owned));
            allowed.push(match address {
                SocketAddr::V4(v4) => v4.ip().to_string(),
                SocketAddr::V6(v6) => format!("[{}]", v6.ip()),
            });
        }
        Self { allowed }
    }

    pub(super) fn allow(&self, headers: &HeaderMap) -> bool {
        let host = text(headers, &header::HOST).and_then(|host| host.parse::<Authority>().ok());
        self.allowed.is_empty()
            || host.is_some_and(|host| self.allowed.contains(&host.host().to_ascii_lowercase()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap()))
            .collect()
    }

    #[test]
    fn what_belongs_to_a_connection_is_not_passed_on() {
        let mut headers = map(&[
            ("connection", "close, X-Mine"),
            ("x-mine", "1"),
            ("keep-alive", "5"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("proxy-authorization", "Basic x"),
            ("host", "ui.example"),
            ("authorization", "Basic YTpi"),
        ]);
        forward(&mut headers);
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["authorization", "x-forwarded-host"]);
    }

    #[test]
    fn only_web_sockets_are_passed_on() {
        let wants = |connection: &str, to: &str| {
            upgrade(&map(&[("connection", connection), ("upgrade", to)])).is_some()
        };
        assert!(wants("keep-alive, Upgrade", "WebSocket"));
        assert!(!wants("Upgrade", "h2c") && !wants("keep-alive", "websocket"));
    }

    #[test]
    fn another_site_is_told_apart() {
        assert!(is_same_origin(&map(&[("sec-fetch-site", "same-origin"), ("origin", "null")])));
        assert!(!is_same_origin(&map(&[
            ("sec-fetch-site", "same-site"),
            ("origin", "http://a"),
            ("host", "a")
        ])));
        assert!(is_same_origin(&map(&[("origin", "http://ui.example:80"), ("host", "ui.example:80")])));
        assert!(!is_same_origin(&map(&[("origin", "http://evil.example"), ("host", "ui.example")])));
        assert!(!is_same_origin(&map(&[("host", "ui.example")])));
    }

    #[test]
    fn a_rebound_name_is_refused_on_loopback() {
        let hosts = Hosts::new("127.0.0.1:2803".parse().unwrap(), &["UI.example".to_owned()]);
        for host in ["localhost:2803", "127.0.0.1:2803", "[::1]:2803", "ui.example"] {
            assert!(hosts.allow(&map(&[("host", host)])), "{host}");
        }
        for host in ["evil.example:2803", "localhost.evil.example", "a b"] {
            assert!(!hosts.allow(&map(&[("host", host)])), "{host}");
        }
        assert!(!hosts.allow(&HeaderMap::new()));
        assert!(Hosts::new("0.0.0.0:2803".parse().unwrap(), &[]).allow(&map(&[("host", "node-1:2803")])));
    }
}
