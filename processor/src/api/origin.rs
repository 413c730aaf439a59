//! Whose page a request comes from, as far as browsers say.

use axum::http::{HeaderMap, header};

/// Whose page a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// Ours.
    Own,
    /// Somebody else's.
    Foreign,
    /// A browser would have said.
    Unsaid,
}

/// From what browsers add to a request and scripts cannot change. `public` is the origin under which users reach the page
/// when a proxy stands in between.
pub(super) fn of(headers: &HeaderMap, public: Option<&str>) -> Origin {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    // Says more: it knows of redirects, and of the scheme that a proxy hides from us.
    if let Some(site) = text("sec-fetch-site") {
        // `same-site` is another port of this host, and so another program.
        return if site == "same-origin" { Origin::Own } else { Origin::Foreign };
    }
    let Some(origin) = text(header::ORIGIN.as_str()) else { return Origin::Unsaid };
    let own = text(header::HOST.as_str()).unwrap_or_default();
    let authority = origin.split_once("://").map_or("", |(_, authority)| authority);
    let is_own = !own.is_empty() && authority.eq_ignore_ascii_case(own)
        || public.is_some_and(|public| origin.eq_ignore_ascii_case(public));
    if is_own { Origin::Own } else { Origin::Foreign }
}

/// The origin of a URL: what stands before its path.
pub(super) fn of_url(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    Some(format!("{scheme}://{authority}"))
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn origin(headers: &[(&'static str, &'static str)]) -> Origin {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        of(&headers.collect(), of_url("https://flow.example/x").as_deref())
    }

    #[test]
    fn a_page_is_ours_when_the_browser_says_so() {
        let host = ("host", "127.0.0.1:8686");
        assert_eq!(origin(&[host]), Origin::Unsaid);
        assert_eq!(origin(&[host, ("sec-fetch-site", "same-origin")]), Origin::Own);
        // A development server in between sends another host.
        assert_eq!(
            origin(&[host, ("sec-fetch-site", "same-origin"), ("origin", "http://127.0.0.1:5173")]),
            Origin::Own
        );
        for site in ["same-site", "cross-site", "none", "", "SAME-ORIGIN"] {
            let own = ("origin", "http://127.0.0.1:8686");
            assert_eq!(origin(&[host, ("sec-fetch-site", site), own]), Origin::Foreign, "{site}");
        }
        assert_eq!(origin(&[host, ("origin", "http://127.0.0.1:8686")]), Origin::Own);
        assert_eq!(origin(&[host, ("origin", "https://flow.example")]), Origin::Own);
        for foreign in
            ["null", "http://127.0.0.1:8687", "http://flow.example", "https://evil.example", "", "://"]
        {
            assert_eq!(origin(&[host, ("origin", foreign)]), Origin::Foreign, "{foreign}");
        }
        assert_eq!(origin(&[("origin", "null")]), Origin::Foreign);
    }
}
