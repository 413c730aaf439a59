//! The configuration of `sysflow run`, `sysflow.yaml`. Unknown keys are errors, every key has a default.

mod level;
mod load;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use level::Level;
pub use load::{check_public_url, check_source, json_schema, load, parse};

/// Where API and page listen unless told otherwise.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:8686";

/// Where the plugin connects unless told otherwise.
pub const DEFAULT_SOCKET: &str = "/run/sysflow/sysflow.sock";

/// Configuration of the sidecar service.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Name of this node. Used where a stream does not name its own.
    pub node: Option<String>,
    /// Where records come from; without any, one socket at its default place.
    pub inputs: Vec<Input>,
    /// What is judged as an alert.
    pub rules: Rules,
    /// How alerts are told, and to whom.
    pub alerts: Alerts,
    /// Directory that holds archive/, queue/ and state/. Without it nothing outlives the process.
    pub store: Option<PathBuf>,
    /// The records as they came, as .sf files below the store.
    pub archive: Archive,
    /// The records as they were judged, as Parquet files to be asked.
    pub parquet: Parquet,
    /// HTTP API and page.
    pub api: Api,
    /// Files that records are copied to, for other systems.
    pub exports: Vec<Export>,
    /// Bounds of memory.
    pub limits: Limits,
}

/// A place where a plugin delivers records.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Path of the unix socket to listen on. Its directory is made when it does not exist.
    #[serde(default = "default_socket")]
    pub socket: PathBuf,
    /// What is spoken there.
    #[serde(default)]
    pub kind: Kind,
    /// User ids that may connect. Default: root and the user of this program.
    #[serde(default)]
    pub peer_uids: Option<Vec<u32>>,
}

/// What is spoken on an input's socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The plugin's stream: numbered, acknowledged, sent again.
    #[default]
    Stream,
    /// SysFlow's own stream, as its collector and the plugin's `seqpacket` send it: a record a packet, no acknowledgement.
    Seqpacket,
}

/// Rules to judge by.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// Rules files, and directories with such, read in this order; and again when they change. Without any, the rules built into the
    /// program.
    pub files: Vec<PathBuf>,
    /// Least priority of a rule that is used: emergency, alert, critical, error, warning, notice, informational, debug.
    pub min_priority: Option<String>,
}

/// What becomes of alerts.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Alerts {
    /// Seconds of event time in which the same alert is told once, and its count at the end.
    pub window: u32,
    /// Most different objects (files, endpoints, command lines) told for one rule in one graph; the rest is counted.
    pub max_distinct: u32,
    /// `source` of the alerts: letters, digits and `_`.
    pub source: String,
    /// Most alerts that are told in a minute of event time; how many others there were is told at the end of a window.
    pub per_minute: PerMinute,
    /// Alerts on standard output.
    pub stdout: Stdout,
    /// Least priority of an alert that goes there.
    pub stdout_min_priority: Level,
    /// File that alerts are appended to, one JSON object a line.
    pub file: Option<PathBuf>,
    /// Least priority of an alert that goes there.
    pub file_min_priority: Level,
    /// Falcosidekick to send alerts to.
    pub falcosidekick: Option<Sidekick>,
    /// Largest size of the queue on disk, in MiB. Beyond it the oldest alerts are dropped and counted.
    pub queue_mib: u32,
}

/// Most alerts in a minute of event time, of each stream. As many may come at once.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PerMinute {
    /// Of each rule. 0: as many as there are.
    pub rule: u32,
    /// Of all rules together. 0: as many as there are.
    pub total: u32,
}

/// Form of alerts on standard output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Stdout {
    /// Nothing is written.
    #[default]
    None,
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// How to reach Falcosidekick.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sidekick {
    /// Its address, such as `http://falcosidekick:2801/`.
    pub url: String,
    /// Least priority of an alert that goes there.
    #[serde(default)]
    pub min_priority: Level,
    /// PEM file of the authorities that its certificate is checked against. Default: those of the system.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// PEM file of the certificate to show.
    #[serde(default)]
    pub client_cert: Option<PathBuf>,
    /// PEM file of that certificate's key.
    #[serde(default)]
    pub client_key: Option<PathBuf>,
    /// Milliseconds that one request may take.
    #[serde(default = "default_timeout_ms")]
    pub timeout_ms: u64,
    /// Headers to add to each request.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
}

/// What is kept of the records.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Archive {
    /// Largest size in MiB; beyond it the oldest files are removed.
    pub max_mib: u64,
    /// Hours that a closed file is kept, counted from its last change. 0: as long as there is room.
    pub max_hours: u64,
    /// Whether each frame is forced to the disk before it is acknowledged: survives a power loss, costs speed.
    pub sync: bool,
    /// Where closed files are copied to, under the keys of SysFlow's exporter: `s3://bucket/prefix`, with credentials in
    /// the variables AWS_*, or a directory. Default: nowhere.
    pub upload: Option<String>,
    /// First part of those keys: name of the cluster.
    pub cluster: Option<String>,
}

/// What is kept of the records as they were judged: rows that `sysflow query` and the API answer from.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Parquet {
    /// Whether rows are written.
    pub enabled: bool,
    /// Where: a directory, or `s3://bucket/prefix` with credentials in the variables AWS_*. Default: the store.
    pub url: Option<String>,
    /// Rows of a file at most.
    pub flush_rows: usize,
    /// Seconds after which rows are written, however few.
    pub flush_seconds: u64,
    /// Largest size of all files in MiB; beyond it the oldest are removed. 0: no bound.
    pub max_mib: u64,
    /// Hours that a file is kept after it was written. 0: as long as there is room.
    pub max_hours: u64,
    /// Whether small files of an hour are put together.
    pub compact: bool,
}

/// A file that records are copied to, with the rules that they match: an object a line.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Export {
    /// Path of the file. Older ones lie beside it, with a number at their end.
    pub file: PathBuf,
    /// Which records.
    #[serde(default)]
    pub mode: ExportMode,
    /// In which form.
    #[serde(default)]
    pub format: ExportForm,
    /// Size in MiB from which on the file begins anew.
    #[serde(default = "default_export_mib")]
    pub max_mib: u32,
    /// Older files that are kept.
    #[serde(default = "default_export_keep")]
    pub keep: u32,
}

/// Which records are exported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ExportMode {
    /// Those that match a rule whose action is `export`.
    Export,
    /// Those, and the ones that match a rule which raises alerts.
    #[default]
    Alert,
    /// All, each with the rules that it matches and their tags.
    Enrich,
}

/// Form of exported records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ExportForm {
    /// SysFlow's JSON.
    #[default]
    Json,
    /// Elastic Common Schema.
    Ecs,
}

/// Where graphs can be asked for.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Api {
    /// Address and port to listen on.
    #[schemars(with = "String")]
    pub listen: SocketAddr,
    /// Address under which users reach the page, such as `https://sysflow.example`. It begins every sf.graph_url.
    pub public_url: Option<String>,
    /// File that holds the token which every request has to show: one line of 16 to 512 characters. It is made when it
    /// does not exist. Default: none on loopback; else `state/api-token` below the store.
    pub token_file: Option<PathBuf>,
    /// Lets everybody in who reaches an address of other machines, where no token file is named.
    pub insecure: bool,
    /// Host names that requests may carry beside localhost and the public URL's.
    pub allowed_hosts: Vec<String>,
    /// Whether POST /api/v1/query takes SQL beside conditions.
    pub sql: bool,
    /// Origins, such as `https://ui.example`, whose pages may show a graph in a frame, beside our own.
    pub frame_ancestors: Vec<String>,
    /// Address of Falcosidekick-UI, such as `https://falco.example`: the page then leads from a graph to its events. That of
    /// version 2.2, which has other links, is given as `https://falco.example/events?since={since}&filter={graph}`.
    pub falcosidekick_ui: Option<String>,
}

/// Bounds of memory.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Alerts that the API keeps in memory; older ones are forgotten first.
    pub alerts: usize,
    /// Graphs that are kept in memory; those without news longest are forgotten first.
    pub graphs: usize,
    /// Requests that the API answers at the same time.
    pub requests: usize,
}

fn default_socket() -> PathBuf {
    DEFAULT_SOCKET.into()
}

fn default_export_mib() -> u32 {
    100
}

fn default_export_keep() -> u32 {
    5
}

fn default_timeout_ms() -> u64 {
    10_000
}

impl Default for Input {
    fn default() -> Self {
        Self { socket: default_socket(), kind: Kind::Stream, peer_uids: None }
    }
}

impl Default for Alerts {
    fn default() -> Self {
        Self {
            window: 60,
            max_distinct: 100,
            source: "sysflow".into(),
            per_minute: PerMinute::default(),
            stdout: Stdout::None,
            stdout_min_priority: Level::default(),
            file: None,
            file_min_priority: Level::default(),
            falcosidekick: None,
            queue_mib: 256,
        }
    }
}

impl Sidekick {
    /// Falcosidekick at `url`, everything else as by default.
    pub fn at(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            min_priority: Level::default(),
            ca_file: None,
            client_cert: None,
            client_key: None,
            timeout_ms: default_timeout_ms(),
            headers: BTreeMap::new(),
        }
    }
}

impl Default for Archive {
    fn default() -> Self {
        Self { max_mib: 4096, max_hours: 0, sync: false, upload: None, cluster: None }
    }
}

impl Default for Parquet {
    fn default() -> Self {
        Self {
            enabled: true,
            url: None,
            flush_rows: 250_000,
            flush_seconds: 60,
            max_mib: 16_384,
            max_hours: 0,
            compact: true,
        }
    }
}

impl Default for Api {
    fn default() -> Self {
        let listen = SocketAddr::from(([127, 0, 0, 1], 8686));
        debug_assert_eq!(listen.to_string(), DEFAULT_LISTEN);
        Self {
            listen,
            public_url: None,
            token_file: None,
            insecure: false,
            allowed_hosts: Vec::new(),
            frame_ancestors: Vec::new(),
            sql: false,
            falcosidekick_ui: None,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { alerts: 10_000, graphs: 10_000, requests: 64 }
    }
}
