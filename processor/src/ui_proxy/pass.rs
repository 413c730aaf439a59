//! Who may open graphs: whoever may read the events of Falcosidekick-UI.
//!
//! Its pages are public, its data is not: each request for data carries a user's name and password. When the UI answers
//! one, the proxy gives the browser a cookie of its own, which scripts cannot read; opening a graph asks for that cookie. So the
//! proxy knows no password, checks none, and a UI without users needs nothing else.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use super::headers::text;
use crate::error::{Error, Result};

const NAME: &str = "sysflow-ui";

/// A cookie is good for this long at least, and twice as long at most; each answer with data renews it.
const LIFE: Duration = Duration::from_secs(3600);

/// The value of the cookie: a secret of this process that changes.
pub(super) struct Pass(Mutex<State>);

struct State {
    current: [u8; 32],
    previous: [u8; 32],
    since: Instant,
}

impl Pass {
    pub(super) fn new() -> Result<Self> {
        let state = State { current: secret()?, previous: secret()?, since: Instant::now() };
        Ok(Self(Mutex::new(state)))
    }

    /// What gives a browser the cookie.
    pub(super) fn cookie(&self, secure: bool) -> HeaderValue {
        let value = crate::hex::encode(&self.fresh().current);
        let secure = if secure { "; Secure" } else { "" };
        let text = format!(
            "{NAME}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={}{secure}",
            2 * LIFE.as_secs()
        );
        let mut value = HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""));
        value.set_sensitive(true);
        value
    }

    /// Whether a request carries it.
    pub(super) fn admits(&self, headers: &HeaderMap) -> bool {
        let state = self.fresh();
        let known = [state.current, state.previous].map(|secret| crate::hex::encode(&secret));
        cookies(headers)
            .filter_map(|cookie| cookie.strip_prefix(NAME)?.strip_prefix('='))
            .any(|value| known.iter().any(|secret| same(secret.as_bytes(), value.as_bytes())))
    }

    fn fresh(&self) -> std::sync::MutexGuard<'_, State> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let age = state.since.elapsed();
        if age >= LIFE
            && let Ok(new) = secret()
        {
            // After two lives without a request nothing that was given out may still be good.
            let before = if age >= 2 * LIFE { secret() } else { Ok(state.current) };
            if let Ok(before) = before {
                *state = State { current: new, previous: before, since: Instant::now() };
            }
        }
        state
    }
}

/// Whether this answer says that who asked may read events: data of Falcosidekick-UI, version 2 or 1.
pub(super) fn proves_access(path: &str, response: &Response<Body>) -> bool {
    let data = match path.rsplit_once("/api/v1/") {
        Some((_, what)) => {
            what.starts_with("events/") || matches!(what, "outputs" | "config" | "configuration")
        }
        None => path == "/events",
    };
    let json = text(response.headers(), &header::CONTENT_TYPE)
        .is_some_and(|kind| kind.starts_with("application/json"));
    data && json && response.status() == StatusCode::OK
}

/// Takes our cookie out of a request for the UI.
pub(super) fn hide(headers: &mut HeaderMap) {
    let others: Vec<&str> = cookies(headers)
        .filter(|cookie| !cookie.starts_with(NAME) || !cookie[NAME.len()..].starts_with('='))
        .collect();
    let value = HeaderValue::try_from(others.join("; ")).ok().filter(|value| !value.is_empty());
    match value {
        Some(value) => _ = headers.insert(header::COOKIE, value),
        None => _ = headers.remove(header::COOKIE),
    }
}

fn cookies(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(';')).map(str::trim).filter(|cookie| !cookie.is_empty())
}

/// Takes the same time wherever the two differ.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |all, (a, b)| all | (a ^ b)) == 0
}

fn secret() -> Result<[u8; 32]> {
    let mut secret = [0; 32];
    rustls::crypto::ring::default_provider()
        .secure_random
        .fill(&mut secret)
        .map_err(|_| Error::Failed("the system gives no random numbers".to_owned()))?;
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(cookie: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_str(cookie).unwrap())])
    }

    fn given(pass: &Pass) -> String {
        pass.cookie(false).to_str().unwrap().split(';').next().unwrap().to_owned()
    }

    #[test]
    fn only_a_cookie_that_was_given_admits() {
        let pass = Pass::new().unwrap();
        let cookie = given(&pass);
        assert!(pass.admits(&with(&format!("a=b; {cookie}; c=d"))));
        let other = given(&Pass::new().unwrap());
        for wrong in [
            other.as_str(),
            "sysflow-ui=",
            "sysflow-ui",
            "a=b",
            &format!("x{cookie}"),
            &cookie[..cookie.len() - 1],
        ] {
            assert!(!pass.admits(&with(wrong)), "{wrong}");
        }
        assert!(!pass.admits(&HeaderMap::new()));
        let text = pass.cookie(true);
        for part in ["HttpOnly", "SameSite=Strict", "Secure"] {
            assert!(text.to_str().unwrap().contains(part));
        }
    }

    #[test]
    fn a_cookie_ends() {
        let pass = Pass::new().unwrap();
        let cookie = given(&pass);
        let back = |by: Duration| pass.0.lock().unwrap().since = Instant::now().checked_sub(by).unwrap();
        back(LIFE);
        assert!(pass.admits(&with(&cookie)), "one life later it is still good");
        assert_ne!(given(&pass), cookie, "but another one is given");
        back(LIFE);
        assert!(!pass.admits(&with(&cookie)));
        let cookie = given(&pass);
        back(2 * LIFE);
        assert!(!pass.admits(&with(&cookie)), "nobody asked for two lives");
    }

    #[test]
    fn the_ui_never_sees_it() {
        let mut headers = with("a=b; sysflow-ui=00; sysflow-uix=1");
        hide(&mut headers);
        assert_eq!(headers[header::COOKIE], "a=b; sysflow-uix=1");
        let mut headers = with("sysflow-ui=00");
        hide(&mut headers);
        assert!(!headers.contains_key(header::COOKIE));
    }

    #[test]
    fn data_proves_access_and_a_public_page_does_not() {
        let answer = |status: u16, kind: &str| {
            Response::builder().status(status).header(header::CONTENT_TYPE, kind).body(Body::empty()).unwrap()
        };
        let json = || answer(200, "application/json; charset=UTF-8");
        for path in ["/api/v1/events/search", "/sub/path/api/v1/outputs", "/events"] {
            assert!(proves_access(path, &json()), "{path}");
        }
        for path in ["/api/v1/healthz", "/api/v1/auth", "/events/x", "/manifest.json"] {
            assert!(!proves_access(path, &json()), "{path}");
        }
        assert!(!proves_access("/api/v1/events/search", &answer(401, "application/json")));
        assert!(
            !proves_access("/events", &answer(200, "text/html")),
            "the page of version 2.2 at this address"
        );
    }
}
