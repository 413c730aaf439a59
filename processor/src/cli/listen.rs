//! Options of commands that serve the API.

use std::net::SocketAddr;

use crate::config::Api;
use crate::error::{Error, Result};

/// Where API and page listen.
#[derive(Debug, clap::Args)]
pub(super) struct Listen {
    /// Address of API and page, such as 127.0.0.1:8686; port 0 takes any that is free.
    #[arg(long, value_name = "ADDR")]
    pub(super) listen: Option<String>,
    /// Allow an address that other machines reach. The API has no authentication.
    #[arg(long)]
    insecure: bool,
}

impl Listen {
    /// Changes what a configuration says.
    pub(super) fn apply(&self, api: &mut Api) -> Result<()> {
        if let Some(text) = &self.listen {
            api.listen = parse(text)?;
        }
        api.insecure |= self.insecure;
        Ok(())
    }
}

fn parse(text: &str) -> Result<SocketAddr> {
    let text =
        text.strip_prefix("localhost:").map_or_else(|| text.to_owned(), |port| format!("127.0.0.1:{port}"));
    text.parse().map_err(|_| {
        Error::Usage(format!(
            "--listen {text:?}: an address with a port is expected, such as 127.0.0.1:8686 or [::1]:8686"
        ))
    })
}
