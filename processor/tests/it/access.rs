//! Who may ask the API, and from where: each rule, and what it refuses.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use sysflow_processor::config::Config;

use crate::api::{Answer, Running, request, send};
use crate::cli::{eventually, sysflow};
use crate::records;

const TOKEN: &str = "a-token-for-tests-0123456789";
const JSON: (&str, &str) = ("content-type", "application/json");
const BEARER: (&str, &str) = ("authorization", "Bearer a-token-for-tests-0123456789");

/// A service that asks for the token.
struct Guarded {
    running: Running,
    _dir: tempfile::TempDir,
}

impl Guarded {
    fn start() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Config)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        std::fs::write(&file, format!("{TOKEN}\n")).unwrap();
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
        let running = Running::start(|config| {
            config.api.token_file = Some(file);
            change(config);
        });
        Self { running, _dir: dir }
    }

    fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        request(self.running.address, "GET", path, headers)
    }

    fn post(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        send(self.running.address, "POST", path, headers, Some(body))
    }

    fn log_in(&self, headers: &[(&str, &str)]) -> Answer {
        self.post("/api/v1/login", &[&[JSON], headers].concat(), &format!("{{\"token\": \"{TOKEN}\"}}"))
    }

    /// What a browser sends after it has logged in.
    fn cookie(&self) -> String {
        let set = self.log_in(&[]).headers["set-cookie"].clone();
        set.split(';').next().unwrap().to_owned()
    }
}

fn graph() -> String {
    format!("/api/v1/graphs/{}", records::graph())
}

#[test]
fn the_api_needs_the_token_and_the_page_does_not() {
    let service = Guarded::start();
    for path in ["/api/v1/graphs", &graph(), "/api/v1/alerts", "/api/v1/nothing"] {
        let answer = service.get(path, &[]);
        assert_eq!(answer.status, 401, "{path}");
        assert_eq!(answer.headers["content-type"], "application/problem+json");
        assert_eq!(answer.headers["www-authenticate"], "Bearer realm=\"sysflow\"");
        assert!(!answer.body.contains(TOKEN));
        let expected = if path.ends_with("nothing") { 404 } else { 200 };
        assert_eq!(service.get(path, &[BEARER]).status, expected, "{path}");
    }
    for wrong in ["Bearer a-token-for-tests-012345678", "Bearer", "Basic YTpi", TOKEN, "Embed x.1.00"] {
        assert_eq!(service.get("/api/v1/graphs", &[("authorization", wrong)]).status, 401, "{wrong}");
    }
    for path in ["/", &format!("/g/{}", records::graph()), "/healthz", "/readyz", "/metrics"] {
        assert_eq!(service.get(path, &[]).status, 200, "{path}");
    }
}

#[test]
fn a_browser_shows_the_token_once() {
    let service = Guarded::start();
    let answer = service.log_in(&[]);
    assert_eq!((answer.status, answer.body.as_str()), (204, ""));
    let set = &answer.headers["set-cookie"];
    for part in ["; HttpOnly", "; SameSite=Strict", "; Path=/", "; Max-Age=43200"] {
        assert!(set.contains(part), "{set}");
    }
    assert!(!set.contains("Secure") && !set.contains(TOKEN), "{set}");
    let cookie = service.cookie();
    assert_eq!(service.get("/api/v1/alerts", &[("cookie", &cookie)]).status, 200);
    let mut forged = cookie.clone().into_bytes();
    let last = forged.last_mut().unwrap();
    *last = if *last == b'0' { b'1' } else { b'0' };
    let forged = String::from_utf8(forged).unwrap();
    assert_eq!(service.get("/api/v1/alerts", &[("cookie", &forged)]).status, 401);
    // A browser whose cookie has ended can log in all the same.
    assert_eq!(service.log_in(&[("cookie", &forged)]).status, 204);

    for (body, status) in
        [("{\"token\": \"another\"}", 401), ("{}", 400), ("[", 400), ("{\"token\": 1}", 400)]
    {
        let answer = service.post("/api/v1/login", &[JSON], body);
        assert_eq!(answer.status, status, "{body}");
        assert!(!answer.headers.contains_key("set-cookie"));
    }
    let own = format!("http://{}", service.running.address);
    let answer = service.post("/api/v1/logout", &[JSON, ("cookie", &cookie), ("origin", &own)], "");
    assert_eq!(answer.status, 204);
    assert!(
        answer.headers["set-cookie"].starts_with("sysflow_session=; ")
            && answer.headers["set-cookie"].contains("Max-Age=0")
    );
}

#[test]
fn a_cookie_over_tls_stays_there() {
    let service = Guarded::with(|config| config.api.public_url = Some("https://flow.example".into()));
    let set = service.log_in(&[("origin", "https://flow.example")]).headers["set-cookie"].clone();
    assert!(set.ends_with("; Secure"), "{set}");
}

#[test]
fn another_sites_page_changes_nothing() {
    let service = Guarded::start();
    let (own, cookie) = (format!("http://{}", service.running.address), service.cookie());
    let embed = format!("{}/embed", graph());
    let cookie = ("cookie", cookie.as_str());
    let status = |headers: &[(&str, &str)]| service.post(&embed, headers, "").status;
    assert_eq!(status(&[JSON, cookie, ("origin", &own)]), 200);
    assert_eq!(status(&[JSON, cookie, ("sec-fetch-site", "same-origin")]), 200);
    assert_eq!(status(&[JSON, BEARER]), 200);
    // A program with the token, wherever it runs.
    assert_eq!(status(&[JSON, BEARER, ("origin", "https://elsewhere.example")]), 200);
    for foreign in ["http://127.0.0.1:1", "https://evil.example", "null"] {
        assert_eq!(status(&[JSON, cookie, ("origin", foreign)]), 403, "{foreign}");
        assert_eq!(service.log_in(&[("origin", foreign)]).status, 403, "{foreign}");
    }
    for site in ["cross-site", "same-site", "none"] {
        assert_eq!(status(&[JSON, cookie, ("sec-fetch-site", site), ("origin", &own)]), 403, "{site}");
    }
    assert_eq!(status(&[JSON, cookie]), 403, "a browser would have said where it comes from");
    for kind in
        ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonx"]
    {
        assert_eq!(status(&[("content-type", kind), BEARER]), 415, "{kind}");
    }
    assert_eq!(status(&[BEARER]), 415);
    assert_eq!(status(&[("content-type", "Application/JSON; charset=utf-8"), BEARER]), 200);
}

#[test]
fn without_a_token_programs_ask_and_other_sites_do_not() {
    let running = Running::start(|_| {});
    let embed = format!("{}/embed", graph());
    let status = |headers: &[(&str, &str)]| send(running.address, "POST", &embed, headers, None).status;
    assert_eq!(status(&[JSON]), 200);
    assert_eq!(status(&[JSON, ("origin", "https://evil.example")]), 403);
    assert_eq!(status(&[JSON, ("sec-fetch-site", "cross-site")]), 403);
    assert_eq!(status(&[("content-type", "text/plain")]), 415);
    // There is nothing to log in to, and a link with a token works.
    let login = send(running.address, "POST", "/api/v1/login", &[JSON], Some("{\"token\": \"any\"}"));
    assert_eq!((login.status, login.headers.contains_key("set-cookie")), (204, false));
}

#[test]
fn no_other_site_reads_an_answer() {
    for running in [Running::start(|_| {}), Guarded::start().running] {
        for path in ["/api/v1/graphs", &graph(), "/", "/healthz"] {
            for origin in ["https://evil.example", "null"] {
                let answer = request(running.address, "GET", path, &[("origin", origin), BEARER]);
                assert!(
                    !answer.headers.keys().any(|name| name.starts_with("access-control")),
                    "{path} {origin}"
                );
            }
            let asks = [("origin", "https://evil.example"), ("access-control-request-method", "GET")];
            let answer = request(running.address, "OPTIONS", path, &asks);
            assert!(!answer.headers.keys().any(|name| name.starts_with("access-control")), "{path}");
        }
        let answer = request(running.address, "GET", "/api/v1/graphs", &[BEARER]);
        assert_eq!(answer.headers["cross-origin-resource-policy"], "same-origin");
    }
}

#[test]
fn an_embedded_graph_opens_itself_and_nothing_else() {
    let service = Guarded::start();
    let link = service.post(&format!("{}/embed", graph()), &[JSON, BEARER], "").json();
    let (path, token) = link["url"].as_str().unwrap().split_once("?token=").unwrap();
    assert_eq!(path, format!("/embed/g/{}", records::graph()));
    assert!(link["expires"].as_str().unwrap().ends_with('Z'));
    let shown = format!("Embed {token}");
    let shown = ("authorization", shown.as_str());
    let frame = ("origin", "null");

    let answer = service.get(&graph(), &[shown, frame]);
    assert_eq!((answer.status, answer.headers["access-control-allow-origin"].as_str()), (200, "null"));
    assert!(!answer.headers.contains_key("access-control-allow-credentials"));
    assert_eq!(service.get(&format!("{}?depth=1", graph()), &[shown]).status, 200);
    assert_eq!(service.get(&format!("{}/nothing", graph()), &[shown]).status, 404, "it may ask");
    let other = "/api/v1/graphs/00000000000000000000000000000000";
    let diff = format!("{}/diff?other={}", graph(), "0".repeat(32));
    for path in ["/api/v1/graphs", "/api/v1/alerts", other, &diff, "/api/v1/graphs/", "/api/v1/nothing"] {
        assert_eq!(service.get(path, &[shown, frame]).status, 403, "{path}");
    }
    assert_eq!(service.post(&format!("{}/embed", graph()), &[shown, JSON], "").status, 403);
    assert_eq!(service.post("/api/v1/logout", &[shown, JSON], "").status, 403);
    assert_eq!(service.get(&graph(), &[("authorization", &format!("Bearer {token}"))]).status, 401);
    assert_eq!(service.get(&graph(), &[("cookie", &format!("sysflow_session={token}"))]).status, 401);
    let wrong = service.get(&graph(), &[("authorization", "Embed x"), frame]);
    assert_eq!((wrong.status, wrong.headers["access-control-allow-origin"].as_str()), (401, "null"));
    // Without a token the text of one graph still opens one graph.
    let open = Running::start(|_| {});
    assert_eq!(request(open.address, "GET", &graph(), &[shown]).status, 401, "it is another service's");
}

#[test]
fn a_browser_asks_first_whether_a_frame_may_ask() {
    let service = Guarded::start();
    let asks = |path: &str, origin: &str, method: &str| {
        request(
            service.running.address,
            "OPTIONS",
            path,
            &[("origin", origin), ("access-control-request-method", method)],
        )
    };
    let answer = asks(&graph(), "null", "GET");
    assert_eq!(answer.status, 204);
    assert_eq!(answer.headers["access-control-allow-origin"], "null");
    assert_eq!(answer.headers["access-control-allow-methods"], "GET");
    assert!(answer.headers["access-control-allow-headers"].contains("authorization"));
    for (path, origin, method) in [
        (graph(), "https://evil.example", "GET"),
        (graph(), "null", "POST"),
        ("/api/v1/graphs".into(), "null", "GET"),
        ("/api/v1/alerts".into(), "null", "GET"),
    ] {
        let answer = asks(&path, origin, method);
        assert!(answer.status >= 400, "{path} {origin} {method}");
        assert!(
            !answer.headers.keys().any(|name| name.starts_with("access-control")),
            "{path} {origin} {method}"
        );
    }
    let rebound = request(
        service.running.address,
        "OPTIONS",
        &graph(),
        &[("host", "evil.example"), ("origin", "null"), ("access-control-request-method", "GET")],
    );
    assert_eq!(rebound.status, 421);
}

#[test]
fn a_frame_gets_a_page_of_its_own_policy() {
    let service = Guarded::with(|config| config.api.frame_ancestors = vec!["https://ui.example".into()]);
    let path = format!("/embed/g/{}", records::graph());
    let answer = service.get(&path, &[]);
    // Which of the two depends on what the page was built with; neither is ever our whole page in somebody's frame.
    let csp = &answer.headers["content-security-policy"];
    if answer.status == 200 {
        assert!(csp.contains("frame-ancestors 'self' https://ui.example; sandbox allow-scripts"), "{csp}");
        assert!(!csp.contains("allow-same-origin") && !answer.headers.contains_key("x-frame-options"));
    } else {
        assert_eq!(
            (answer.status, answer.headers["location"].as_str()),
            (307, path.trim_start_matches("/embed"))
        );
        assert!(csp.contains("frame-ancestors 'none'"), "{csp}");
    }
    assert_eq!(service.get("/embed/g/nothing", &[]).status, 400);
    assert_eq!(service.get("/", &[]).headers["x-frame-options"], "DENY");
}

#[test]
fn an_address_of_other_machines_gets_a_token_in_the_store() {
    let store = tempfile::tempdir().unwrap();
    let dir = store.path().to_owned();
    let running = Running::start(|config| {
        config.api.listen = "0.0.0.0:0".parse().unwrap();
        config.store = Some(dir);
    });
    let address = ([127, 0, 0, 1], running.address.port()).into();
    let file = store.path().join("state/api-token");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let token = std::fs::read_to_string(file).unwrap();
    assert_eq!(request(address, "GET", "/api/v1/alerts", &[]).status, 401);
    let shown = format!("Bearer {}", token.trim());
    assert_eq!(request(address, "GET", "/api/v1/alerts", &[("authorization", &shown)]).status, 200);
}

#[test]
fn the_program_says_where_to_log_in_and_keeps_the_token_out_of_its_log() {
    let dir = tempfile::tempdir().unwrap();
    let (log, file, socket) = (dir.path().join("log"), dir.path().join("token"), dir.path().join("s.sock"));
    let config = dir.path().join("sysflow.yaml");
    std::fs::write(&config, format!("inputs: [{{ socket: {} }}]\n", socket.display())).unwrap();
    let mut command = sysflow();
    command.args(["run", "--listen", "127.0.0.1:0", "-c"]).arg(&config).arg("--token-file").arg(&file);
    let mut child = command.stderr(std::fs::File::create(&log).unwrap()).spawn().unwrap();
    let said = eventually("it says where to log in", || {
        let log = std::fs::read_to_string(&log).unwrap();
        log.contains("waiting for plugins").then_some(log)
    });
    child.kill().unwrap();
    child.wait().unwrap();
    let token = std::fs::read_to_string(&file).unwrap();
    assert!(said.contains("/#token=... with what") && said.contains(&file.display().to_string()), "{said}");
    assert!(!said.contains(token.trim()), "{said}");
    assert_eq!(said.matches("/#token=").count(), 1, "{said}");
    assert!(Path::new(&file).exists());
}
