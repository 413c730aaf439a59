//! Reading sysflow.yaml, and the checks that its types alone cannot make.

use std::path::Path;

use schemars::generate::SchemaSettings;

use super::Config;
use crate::error::{Error, Result};

/// Most requests that can be answered at the same time.
const MAX_REQUESTS: usize = 65_536;

/// Reads a configuration file.
pub fn load(path: &Path) -> Result<Config> {
    let text = std::fs::read_to_string(path).map_err(Error::io("read the configuration", path))?;
    parse(&text, &path.display().to_string())
}

/// Reads a configuration; `name` is what error messages call it.
pub fn parse(text: &str, name: &str) -> Result<Config> {
    if text.lines().all(|line| matches!(line.trim_start().chars().next(), None | Some('#'))) {
        return Ok(Config::default());
    }
    let config: Config = serde_saphyr::from_str(text)
        .map_err(|e| Error::Failed(format!("{name}: {e}\n  `sysflow config schema` lists all keys")))?;
    check(&config).map_err(|why| Error::Failed(format!("{name}: {why}")))?;
    Ok(config)
}

/// JSON schema of the configuration, for editors and charts.
pub fn json_schema() -> serde_json::Value {
    SchemaSettings::draft07().into_generator().into_root_schema_for::<Config>().to_value()
}

/// Whether a name can be the `source` of alerts: a `-` breaks the search of Falcosidekick-UI.
pub fn check_source(source: &str) -> Result<(), String> {
    if !source.is_empty()
        && source.len() <= 64
        && source.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    {
        return Ok(());
    }
    Err(format!("alerts.source: {source:?} has to be of letters, digits and '_'"))
}

/// Whether an address can begin the links to the page.
pub fn check_public_url(url: &str) -> Result<(), String> {
    if url.starts_with("http://") || url.starts_with("https://") {
        return Ok(());
    }
    Err(format!("api.public_url: {url:?} has to begin with http:// or https://"))
}

/// Whether a text is the origin of a page: it becomes part of a policy that browsers read.
fn check_origin(origin: &str) -> Result<(), String> {
    let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://")).unwrap_or_default();
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-.:[]".contains(&byte);
    if !host.is_empty() && host.bytes().all(is_host) {
        return Ok(());
    }
    Err(format!(
        "api.frame_ancestors: {origin:?} has to look like https://ui.example or http://ui.example:2802"
    ))
}

/// Whether an address can lead to Falcosidekick-UI.
fn check_falcosidekick_ui(url: &str) -> Result<(), String> {
    let begins = url.starts_with("http://") || url.starts_with("https://");
    // A link is followed by whoever reads the page: what a reader cannot see is no part of it.
    if begins && url.len() <= 1024 && url.bytes().all(|b| b.is_ascii_graphic()) {
        return Ok(());
    }
    Err(format!(
        "api.falcosidekick_ui: {url:?} has to begin with http:// or https:// and be of printable ASCII"
    ))
}

fn check(config: &Config) -> Result<(), String> {
    let mut exports: Vec<_> = config.exports.iter().map(|export| &export.file).collect();
    exports.sort();
    if let Some(pair) = exports.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(format!("exports: {} stands there twice", pair[0].display()));
    }
    if config.exports.iter().any(|export| export.max_mib == 0) {
        return Err("exports: max_mib has to be at least 1".into());
    }
    check_source(&config.alerts.source)?;
    if config.alerts.window == 0 || config.alerts.max_distinct == 0 {
        return Err("alerts.window and alerts.max_distinct have to be at least 1".into());
    }
    let mut sockets: Vec<_> = config.inputs.iter().map(|input| &input.socket).collect();
    sockets.sort();
    if let Some(pair) = sockets.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(format!("inputs: {} stands there twice", pair[0].display()));
    }
    if let Some(sidekick) = &config.alerts.falcosidekick {
        if sidekick.client_cert.is_some() != sidekick.client_key.is_some() {
            return Err("alerts.falcosidekick: client_cert and client_key go together".into());
        }
        if sidekick.timeout_ms == 0 {
            return Err("alerts.falcosidekick.timeout_ms has to be at least 1".into());
        }
    }
    if let Some(url) = &config.api.public_url {
        check_public_url(url)?;
    }
    config.api.frame_ancestors.iter().try_for_each(|origin| check_origin(origin))?;
    if let Some(url) = &config.api.falcosidekick_ui {
        check_falcosidekick_ui(url)?;
    }
    if config.limits.alerts == 0 || config.limits.graphs == 0 || config.limits.requests == 0 {
        return Err("limits: each has to be at least 1".into());
    }
    if config.limits.requests > MAX_REQUESTS {
        return Err(format!("limits.requests: at most {MAX_REQUESTS}"));
    }
    Ok(())
}
