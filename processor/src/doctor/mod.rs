//! What is wrong with a host or pod, and how to mend it: `sysflow doctor`.
//!
//! Each check looks at one thing and changes nothing. What cannot be seen from here is `unknown`, never `ok`: a sidecar
//! sees no Falco, a laptop no socket.

mod falco;
mod falco_config;
mod host;
mod library;
mod plugin;
mod service;
mod socket;
mod token;

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::config::Config;
use falco_config::FalcoConfig;

/// What is looked at.
#[derive(Debug)]
pub struct Subject {
    /// Where the host's root directory is seen: `/`, or where a pod has it mounted.
    pub root: PathBuf,
    /// Falco's main configuration file, as the host names it.
    pub falco_config: PathBuf,
    /// Whether somebody named it, so that it has to be there.
    pub falco_config_given: bool,
    /// The falco program; none when there is none to be asked.
    pub falco: Option<PathBuf>,
    /// Configuration of `sysflow run`.
    pub config: Config,
    /// Where its API is, such as `http://127.0.0.1:8686`.
    pub url: String,
}

/// How good or bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// As it has to be.
    Ok,
    /// It cannot be seen from here.
    Unknown,
    /// It works, and less than it could.
    Warning,
    /// It does not work, or loses data.
    Problem,
}

/// What a check has found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at, such as `base_syscalls`.
    pub check: &'static str,
    /// How good or bad it is.
    pub status: Status,
    /// What was seen, and where.
    pub message: String,
    /// What to do about it; none where nothing is to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

impl Finding {
    fn ok(check: &'static str, message: impl Into<String>) -> Self {
        Self { check, status: Status::Ok, message: message.into(), fix: None }
    }

    fn unknown(check: &'static str, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { check, status: Status::Unknown, message: message.into(), fix: Some(fix.into()) }
    }

    fn warning(check: &'static str, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { check, status: Status::Warning, message: message.into(), fix: Some(fix.into()) }
    }

    fn problem(check: &'static str, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { check, status: Status::Problem, message: message.into(), fix: Some(fix.into()) }
    }
}

impl Subject {
    /// Makes all checks, those of Falco first.
    pub async fn examine(&self) -> Vec<Finding> {
        let mut found = vec![falco::version(self.falco.as_deref(), &self.falco_config)];
        let seen = |path: &Path| self.seen(path);
        match FalcoConfig::load(&self.falco_config, &seen) {
            Ok(config) => {
                let files = config.files.len();
                let main = self.falco_config.display();
                found
                    .push(Finding::ok("falco_config", format!("{main} and what it includes: {files} files")));
                found.extend(falco::examine(&config));
                found.extend(plugin::examine(&config, self));
            }
            Err(why) if self.falco_config_given || self.seen(&self.falco_config).exists() => {
                let fix = "mend the file, or name the right one with --falco-config";
                found.push(Finding::problem("falco_config", why, fix));
            }
            Err(why) => found.push(Finding::unknown(
                "falco_config",
                format!("no configuration of Falco is seen: {why}"),
                "run this where Falco runs, or say --falco-config FILE or --root DIR",
            )),
        }
        found.extend(self.config.inputs.iter().map(|input| socket::examine(input, self)));
        found.extend(service::examine(&self.url).await);
        found.push(token::examine(&self.config, &self.url).await);
        found.push(host::store(&self.config));
        found.extend(service::falcosidekick(&self.config).await);
        found
    }

    /// Where a path of the host is seen from here.
    fn seen(&self, path: &Path) -> PathBuf {
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }
}
