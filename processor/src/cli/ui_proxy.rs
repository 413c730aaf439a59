//! `sysflow ui-proxy`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::listen::parse;
use super::runtime;
use crate::api;
use crate::config::{DEFAULT_LISTEN, check_public_url};
use crate::error::{Error, Result};
use crate::ui_proxy::{Proxy, Settings};

/// Longest token file that is read: a token is a line.
const MAX_TOKEN: usize = 4096;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: sysflow ui-proxy --ui http://falcosidekick-ui:2802 --api http://127.0.0.1:8686\n\
                        Then open http://127.0.0.1:2803/ in place of Falcosidekick-UI: a click on a graph id shows the graph."
)]
pub(super) struct Args {
    /// Address of Falcosidekick-UI.
    #[arg(long, value_name = "URL")]
    ui: String,
    /// Address of the service whose graphs are shown.
    #[arg(long, value_name = "URL", default_value_t = format!("http://{DEFAULT_LISTEN}"))]
    api: String,
    /// File that holds the API's token, when it has one.
    #[arg(long, value_name = "FILE", env = "SYSFLOW_TOKEN_FILE")]
    token_file: Option<PathBuf>,
    /// Address to listen on. Users sign in with Falcosidekick-UI's own names and passwords.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:2803")]
    listen: String,
    /// Address under which users reach the page of the service: an opened graph then has a link to it.
    #[arg(long, value_name = "URL", env = "SYSFLOW_PUBLIC_URL")]
    public_url: Option<String>,
    /// Host name, beside localhost, that requests may carry when the proxy listens on loopback.
    #[arg(long, value_name = "NAME")]
    allowed_host: Vec<String>,
    /// PEM file of the authorities that https certificates are checked against. Default: those of the system.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Seconds that Falcosidekick-UI and the service may take to answer.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=600))]
    timeout: u64,
}

pub(super) fn run(args: &Args) -> Result<()> {
    let listen = parse(&args.listen)?;
    if let Some(url) = &args.public_url {
        check_public_url(url).map_err(Error::Usage)?;
    }
    let settings = Settings {
        ui: args.ui.clone(),
        api: args.api.clone(),
        token: args.token_file.as_deref().map(token).transpose()?,
        public_url: args.public_url.clone(),
        allowed_hosts: args.allowed_host.clone(),
        ca_file: args.ca_file.clone(),
        timeout: Duration::from_secs(args.timeout),
    };
    let (runtime, stop) = runtime()?;
    runtime.block_on(async {
        let server = api::bind(listen).await?;
        let address = server.address()?;
        let proxy = Proxy::new(&settings, address, stop.clone())?;
        tracing::info!("Falcosidekick-UI with graphs is at http://{address}/");
        server.serve(proxy.router(), stop).await;
        Ok(())
    })
}

fn token(file: &Path) -> Result<String> {
    let text = std::fs::read_to_string(file).map_err(Error::io("read the token", file))?;
    let token = text.trim();
    if token.is_empty() || token.len() > MAX_TOKEN || !token.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Error::Failed(format!(
            "{} holds no token: a line of printable ASCII is expected",
            file.display()
        )));
    }
    Ok(token.to_owned())
}
