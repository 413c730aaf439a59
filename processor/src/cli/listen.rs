//! Options of commands that serve the API.

use std::io::{IsTerminal, stderr};
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::config::{Api, check_public_url};
use crate::error::{Error, Result};
use crate::service::Service;

/// Where API and page listen.
#[derive(Debug, clap::Args)]
#[allow(clippy::struct_field_names, reason = "fields are named as their options")]
pub(super) struct Listen {
    /// Address of API and page, such as 127.0.0.1:8686; port 0 takes any that is free.
    #[arg(long, value_name = "ADDR")]
    pub(super) listen: Option<String>,
    /// File of the token that every request has to show; it is made when it does not exist.
    #[arg(long, value_name = "FILE", env = "SYSFLOW_API_TOKEN_FILE")]
    token_file: Option<PathBuf>,
    /// Let everybody in who reaches an address of other machines.
    #[arg(long)]
    insecure: bool,
    /// Address under which users reach the page, such as `https://sysflow.example`: it may differ from node to node.
    #[arg(long, value_name = "URL", env = "SYSFLOW_PUBLIC_URL")]
    public_url: Option<String>,
}

impl Listen {
    /// Changes what a configuration says.
    pub(super) fn apply(&self, api: &mut Api) -> Result<()> {
        if let Some(text) = &self.listen {
            api.listen = parse(text)?;
        }
        api.insecure |= self.insecure;
        if let Some(file) = &self.token_file {
            api.token_file = Some(file.clone());
        }
        if let Some(url) = &self.public_url {
            check_public_url(url).map_err(Error::Usage)?;
            api.public_url = Some(url.clone());
        }
        Ok(())
    }
}

/// Where to open the page. The token is said to a person only: what goes to a log stays there.
pub(super) fn page(service: &Service) -> Option<String> {
    let address = service.page()?;
    Some(match service.token() {
        None => format!("the page is at {address}/"),
        Some(token) if stderr().is_terminal() => format!("log in at {address}/#token={}", token.secret()),
        Some(token) => format!("log in at {address}/#token=... with what {} holds", token.file().display()),
    })
}

pub(super) fn parse(text: &str) -> Result<SocketAddr> {
    let text =
        text.strip_prefix("localhost:").map_or_else(|| text.to_owned(), |port| format!("127.0.0.1:{port}"));
    text.parse().map_err(|_| {
        Error::Usage(format!(
            "--listen {text:?}: an address with a port is expected, such as 127.0.0.1:8686 or [::1]:8686"
        ))
    })
}
