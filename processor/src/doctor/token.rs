//! Who may ask the service, and whether it knows the token that its file holds.

use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::Finding;
use super::service::TIMEOUT_MS;
use crate::api::{Plan, Token};
use crate::config::{Config, Sidekick};
use crate::error::Error;
use crate::sidekick::Client;

const CHECK: &str = "token";

pub(super) async fn examine(config: &Config, url: &str) -> Finding {
    let address = config.api.listen;
    let file = match Plan::of(config) {
        Err(error) => {
            let fix = "name a file with api.token_file; the service makes the token";
            return Finding::problem(CHECK, error.to_string(), fix);
        }
        Ok(Plan::Open) if address.ip().is_loopback() => {
            return Finding::ok(
                CHECK,
                "everybody on this host may ask the service; api.token_file changes that, where users are not trusted",
            );
        }
        Ok(Plan::Open) => {
            return Finding::warning(
                CHECK,
                format!("everybody who reaches {address} may ask the service"),
                "name a file with api.token_file, or make sure that a proxy or a network policy stands in front",
            );
        }
        Ok(Plan::Token(file)) => file,
    };
    let name = file.display();
    let token = match Token::read(&file) {
        Ok(token) => token,
        Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
            return Finding::unknown(
                CHECK,
                format!("{name} is not there yet"),
                "start the service: it makes the token",
            );
        }
        Err(Error::Io { source, .. }) if source.kind() == ErrorKind::PermissionDenied => {
            return Finding::unknown(
                CHECK,
                format!("{name} may not be read"),
                "run this as root or as the service's user",
            );
        }
        Err(error) => {
            return Finding::problem(CHECK, error.to_string(), "write a token into it, or remove it");
        }
    };
    if is_open(&file) {
        return Finding::warning(
            CHECK,
            format!("everybody on this host may use {name}"),
            format!("chmod 600 {name}"),
        );
    }
    match asked(url, token.secret()).await {
        Some(200) => Finding::ok(CHECK, format!("the service knows the token in {name}")),
        Some(401) => Finding::problem(
            CHECK,
            format!("the service knows another token than {name} holds"),
            "restart the service: it reads the file at its start",
        ),
        _ => Finding::ok(CHECK, format!("requests need the token in {name}")),
    }
}

fn is_open(file: &Path) -> bool {
    std::fs::metadata(file).is_ok_and(|file| file.permissions().mode() & 0o007 != 0)
}

/// Status of an answer to a request with the token, if there is one.
async fn asked(url: &str, token: &str) -> Option<u16> {
    let headers = [("authorization".to_owned(), format!("Bearer {token}"))].into();
    let client = Client::new(&Sidekick { timeout_ms: TIMEOUT_MS, headers, ..Sidekick::at(url) }).ok()?;
    client.get("/api/v1/alerts?limit=1").await.ok().map(|page| page.status.as_u16())
}
