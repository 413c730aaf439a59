//! `sysflow doctor`.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write, stdout};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::runtime;
use crate::alert::text;
use crate::config::{self, Config};
use crate::doctor::{Finding, Status, Subject};
use crate::error::{self, Error, Result};

/// Where Falco reads its configuration, unless told otherwise.
const FALCO_CONFIG: &str = "/etc/falco/falco.yaml";

/// Longest message shown to people.
const MAX_MESSAGE: usize = 4096;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Changes nothing. Exit status: 0 no problem was found (warnings may have been), 1 a problem was found, \
                  2 wrong use.\n\nExample: sysflow doctor --config /etc/sysflow/sysflow.yaml"
)]
pub(super) struct Args {
    /// Configuration file of `sysflow run`; without one, everything is as by default.
    #[arg(short, long, value_name = "FILE", env = "SYSFLOW_CONFIG")]
    config: Option<PathBuf>,
    /// Falco's configuration file; what it includes is read too. [default: /etc/falco/falco.yaml]
    #[arg(long, value_name = "FILE")]
    falco_config: Option<PathBuf>,
    /// The falco program, asked for its version. Without --root, the one in PATH.
    #[arg(long, value_name = "PROGRAM")]
    falco: Option<PathBuf>,
    /// Where the root directory of Falco's host is seen from here, such as /host in a pod.
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
    /// Address of the service's API, such as http://127.0.0.1:8686. By default where its configuration says.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Form of the findings.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people.
    Text,
    /// A JSON object a line: check, status (ok, unknown, warning, problem), message, fix.
    Json,
}

pub(super) fn run(args: &Args) -> Result<()> {
    let mut config = args.config.as_deref().map(config::load).transpose()?.unwrap_or_default();
    if config.inputs.is_empty() {
        config.inputs.push(config::Input::default());
    }
    let here = args.root == Path::new("/");
    let subject = Subject {
        root: args.root.clone(),
        falco_config: args.falco_config.clone().unwrap_or_else(|| FALCO_CONFIG.into()),
        falco_config_given: args.falco_config.is_some(),
        falco: args.falco.clone().or_else(|| here.then(|| program("falco")).flatten()),
        url: args.url.clone().unwrap_or_else(|| url(&config)),
        config,
    };
    let (runtime, _stop) = runtime()?;
    let found = runtime.block_on(subject.examine());
    let mut out = stdout().lock();
    for finding in &found {
        match args.output {
            Output::Text => out.write_all(render(finding, stdout().is_terminal() && colours()).as_bytes()),
            Output::Json => writeln!(out, "{}", serde_json::to_string(finding).unwrap_or_default()),
        }
        .map_err(error::stdout)?;
    }
    out.flush().map_err(error::stdout)?;
    match found.iter().filter(|finding| finding.status == Status::Problem).count() {
        0 => Ok(()),
        1 => Err(Error::Failed("1 problem was found".into())),
        problems => Err(Error::Failed(format!("{problems} problems were found"))),
    }
}

/// Where the API is to be asked: an address that means all of a host is none to connect to.
fn url(config: &Config) -> String {
    let mut address = config.api.listen;
    if address.ip().is_unspecified() {
        address = match address {
            SocketAddr::V4(_) => (Ipv4Addr::LOCALHOST, address.port()).into(),
            SocketAddr::V6(_) => (Ipv6Addr::LOCALHOST, address.port()).into(),
        };
    }
    format!("http://{address}")
}

fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file())
}

fn colours() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// A line, and one with the fix. Names in it come from files of others: printable ASCII.
fn render(finding: &Finding, colour: bool) -> String {
    let (word, code) = match finding.status {
        Status::Ok => ("ok", "32"),
        Status::Unknown => ("unknown", "2"),
        Status::Warning => ("warning", "33"),
        Status::Problem => ("PROBLEM", "1;31"),
    };
    let word = if colour { format!("\x1b[{code}m{word:<8}\x1b[0m") } else { format!("{word:<8}") };
    let shown = |words: &str| text::cut(&text::ascii(words), MAX_MESSAGE).into_owned();
    let mut line = format!("{word} {:<18} {}\n", finding.check, shown(&finding.message));
    if let Some(fix) = &finding.fix {
        _ = writeln!(line, "{:<28}fix: {}", "", shown(fix));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_all_of_a_host_is_asked_on_loopback() {
        let mut config = Config::default();
        for (listen, expected) in [("0.0.0.0:1", "http://127.0.0.1:1"), ("[::]:2", "http://[::1]:2")] {
            config.api.listen = listen.parse().unwrap();
            assert_eq!(url(&config), expected);
        }
    }
}
