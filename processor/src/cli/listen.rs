//! Options of commands that serve the API.

use std::net::SocketAddr;

use crate::config::{Api, check_public_url};
use crate::error::{Error, Result};

/// Where API and page listen.
#[derive(Debug, clap::Args)]
#[allow(clippy::struct_field_names, reason = "fields are named as their options")]
pub(super) struct Listen {
    /// Address of API and page, such as 127.0.0.1:8686; port 0 takes any that is free.
    #[arg(long, value_name = "ADDR")]
    pub(super) listen: Option<String>,
    /// Allow an address that other machines reach. The API has no authentication.
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
        if let Some(url) = &self.public_url {
            check_public_url(url).map_err(Error::Usage)?;
            api.public_url = Some(url.clone());
        }
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
