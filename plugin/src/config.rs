//! `init_config`: what an operator can set, with a JSON schema that Falco checks it against.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use schemars::{JsonSchema, Schema as JsonSchemaValue, SchemaGenerator};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};

/// What Falco hands over: settings, or the `null` that it makes of an empty map (`init_config: {}`) in its YAML.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct InitConfig(Option<Config>);

/// Settings of the plugin. All have defaults: `{}` works.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "SysFlow plugin")]
pub(crate) struct Config {
    /// Name of this node in records and graph ids. Default: FALCO_K8S_NODE_NAME, NODE_NAME, or the host's machine-id.
    pub(crate) node: Option<String>,
    /// Unix stream socket on which the processor listens.
    pub(crate) socket: Option<PathBuf>,
    /// Unix socket of type SEQPACKET on which a reader of SysFlow's own stream listens, such as its processor.
    pub(crate) seqpacket: Option<PathBuf>,
    /// User ids that the processor may have, beside root, our own and the owner of the socket's directory.
    pub(crate) peer_uids: Vec<u32>,
    /// Directory for .sf files, a new one every `rotate` seconds.
    pub(crate) dir: Option<PathBuf>,
    /// Directory in which it is kept which process is which, so that ids outlive a restart of Falco.
    pub(crate) state_dir: Option<PathBuf>,
    /// Where records wait on disk while the processor is away or slow. Needs `socket`.
    pub(crate) spool: Option<Spool>,
    /// Memory for records that wait to be written, and for those that wait to be acknowledged, in MiB.
    #[schemars(range(min = 1, max = 4096))]
    pub(crate) buffer_mib: u32,
    /// Seconds between headers, after each of which the stream is readable by itself; 0 for never.
    pub(crate) rotate: u32,
    /// Periods of flows.
    pub(crate) flow: Flow,
    /// Which SysFlow is written.
    pub(crate) schema: Schema,
    /// Whose habits are followed.
    pub(crate) compat: Option<Compat>,
    /// Modes of SysFlow's collector, in place of what `compat` presets.
    pub(crate) modes: Modes,
    /// How much is folded. `rollup` needs the extended schema and no `compat`.
    pub(crate) reduction: Reduction,
    /// What is kept of a process's environment: `off`, `names`, `all`, or a list of names.
    pub(crate) env: Env,
    /// Whether secrets in command lines are masked.
    pub(crate) mask: bool,
    /// Whether Falco's and the processor's own activity is recorded.
    pub(crate) observe_self: bool,
    /// Graphs.
    pub(crate) graph: Graph,
    /// Bounds of the tables.
    pub(crate) limits: Limits,
}

/// Records on disk while the processor is away or slow.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Spool {
    /// Directory of its own; it must belong to Falco's user with mode 0700, and is made if it is missing.
    pub(crate) dir: PathBuf,
    /// Size of all files in it, in MiB.
    #[serde(default = "default_spool_mib")]
    #[schemars(range(min = 1, max = 1_048_576))]
    pub(crate) max_mib: u32,
}

fn default_spool_mib() -> u32 {
    1024
}

/// Periods of flows, in seconds.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Flow {
    /// After which a living flow is told of again.
    #[schemars(range(min = 1, max = 86_400))]
    pub(crate) export: u32,
    /// Without an operation, after which a flow is forgotten.
    #[schemars(range(min = 1, max = 86_400))]
    pub(crate) expire: u32,
    /// After which a new flow is told of for the first time; 0: with the others.
    #[schemars(range(max = 86_400))]
    pub(crate) first: u32,
}

/// Which SysFlow is written.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Schema {
    /// Exactly version 5.
    V5,
    /// Version 5 with further fields and operations.
    #[default]
    Extended,
}

/// Whose habits are followed.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Compat {
    /// The defaults of SysFlow's collector.
    Sysflow,
    /// The settings of its regression tests.
    SysflowTests,
}

/// Modes of SysFlow's collector, each independent of the others. A key that is absent is as `compat` presets it.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Modes {
    /// Which files give records.
    pub(crate) files: Option<Files>,
    /// Which flows on files are left out because they only read. `false` is `off`, which YAML makes of it.
    pub(crate) reads: Option<Reads>,
    /// Whether the threads of a process are counted in process flows.
    pub(crate) process_flows: Option<bool>,
    /// Whether a flow on a file is its open and nothing else, and connections have no bind, listen and shutdown.
    pub(crate) consume: Option<bool>,
}

/// Which files give records.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Files {
    /// Regular files, devices, directories, pipes, unix sockets.
    All,
    /// Flows of regular files and devices only.
    Regular,
    /// None.
    None,
}

/// Which flows that only read are left out.
#[derive(Clone, Copy, Debug, JsonSchema)]
#[schemars(untagged)]
pub(crate) enum Reads {
    /// One of the three words.
    Word(ReadsWord),
    /// What Falco's YAML makes of `off` and `on`.
    Switch(bool),
}

/// Which flows that only read are left out, in a word.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ReadsWord {
    /// None.
    Off,
    /// All.
    All,
    /// Those below /proc, /dev, /sys, /lib, /lib64, /usr/lib and /usr/lib64.
    System,
}

/// How much is folded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Reduction {
    /// Every open of a file is a flow of its own.
    #[default]
    Lossless,
    /// Opens that differ in nothing but their times and counts are one flow, where no trace changes by it.
    Rollup,
}

/// What is kept of a process's environment.
#[derive(Clone, Debug, JsonSchema)]
#[schemars(untagged)]
pub(crate) enum Env {
    /// One of the three words.
    Word(EnvWord),
    /// What Falco's YAML makes of `off` and `on`.
    Switch(bool),
    /// The variables of these names.
    Listed(Vec<String>),
}

/// What is kept of a process's environment, in a word.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EnvWord {
    /// Nothing.
    Off,
    /// The names of all variables.
    Names,
    /// Everything, secrets included.
    All,
}

/// Graphs.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Graph {
    /// Full paths of executables that start sessions, in place of the built-in list.
    pub(crate) servers: Option<Vec<String>>,
}

/// Bounds of the tables; what exceeds them is counted.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Limits {
    /// Processes.
    #[schemars(range(min = 1))]
    pub(crate) processes: u32,
    /// Descriptors of one process.
    #[schemars(range(min = 1))]
    pub(crate) fds: u32,
    /// Descriptors of all processes, with the free numbers below them.
    #[schemars(range(min = 1))]
    pub(crate) all_fds: u32,
    /// Living flows.
    #[schemars(range(min = 1))]
    pub(crate) flows: u32,
    /// Files known at a time.
    #[schemars(range(min = 1))]
    pub(crate) files: u32,
    /// Bytes of one string.
    #[schemars(range(min = 64))]
    pub(crate) string: u32,
}

/// A setting that is not possible.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The value is impossible.
    #[error("init_config: {key} is {value}, {problem}")]
    Value {
        /// Which.
        key: &'static str,
        /// What it is.
        value: String,
        /// What it should be.
        problem: &'static str,
    },
}

// === impl InitConfig ===

impl InitConfig {
    pub(crate) fn into_config(self) -> Config {
        self.0.unwrap_or_default()
    }
}

impl JsonSchema for InitConfig {
    fn schema_name() -> Cow<'static, str> {
        Config::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> JsonSchemaValue {
        let mut schema = Config::json_schema(generator);
        schema.insert("type".into(), serde_json::json!(["object", "null"]));
        schema
    }
}

// === impl Config ===

impl Config {
    /// Refuses what makes no sense.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let value = |key, value: String, problem| Err(ConfigError::Value { key, value, problem });
        if self.reduction == Reduction::Rollup {
            if matches!(self.schema, Schema::V5) {
                return value("reduction", "rollup".into(), "it needs schema: extended, which has numOpens");
            }
            if self.compat.is_some() {
                return value(
                    "reduction",
                    "rollup".into(),
                    "it must be lossless with compat: the collector folds nothing",
                );
            }
        }
        if !(1..=4096).contains(&self.buffer_mib) {
            return value("buffer_mib", self.buffer_mib.to_string(), "it must be from 1 to 4096");
        }
        let spool = self.spool.as_ref().map(|spool| spool.dir.clone());
        for (key, path) in [
            ("socket", &self.socket),
            ("seqpacket", &self.seqpacket),
            ("dir", &self.dir),
            ("state_dir", &self.state_dir),
            ("spool.dir", &spool),
        ] {
            if let Some(path) = path.as_ref().filter(|path| !path.is_absolute()) {
                return value(key, path.display().to_string(), "it must be an absolute path");
            }
        }
        if let Some(path) = self.seqpacket.as_ref().filter(|path| Some(*path) == self.socket.as_ref()) {
            return value(
                "seqpacket",
                path.display().to_string(),
                "it must not be the socket of the other stream",
            );
        }
        self.check_spool()?;
        for (key, seconds) in [("flow.export", self.flow.export), ("flow.expire", self.flow.expire)] {
            if !(1..=86_400).contains(&seconds) {
                return value(key, seconds.to_string(), "it must be from 1 to 86400 seconds");
            }
        }
        if self.flow.first > 86_400 {
            return value("flow.first", self.flow.first.to_string(), "it must be at most 86400 seconds");
        }
        if matches!(self.env, Env::Switch(true)) {
            return value("env", "true".into(), "it must be off, names, all or a list of names");
        }
        if matches!(self.modes.reads, Some(Reads::Switch(true))) {
            return value("modes.reads", "true".into(), "it must be off, all or system");
        }
        if self.limits.string < 64 {
            return value("limits.string", self.limits.string.to_string(), "it must be at least 64 bytes");
        }
        for (key, limit) in [
            ("limits.processes", self.limits.processes),
            ("limits.fds", self.limits.fds),
            ("limits.all_fds", self.limits.all_fds),
            ("limits.flows", self.limits.flows),
            ("limits.files", self.limits.files),
        ] {
            if limit == 0 {
                return value(key, "0".into(), "it must be at least 1");
            }
        }
        Ok(())
    }

    fn check_spool(&self) -> Result<(), ConfigError> {
        let Some(spool) = &self.spool else { return Ok(()) };
        let dir = Some(spool.dir.as_path());
        let value = |key, value: String, problem| Err(ConfigError::Value { key, value, problem });
        if self.socket.is_none() {
            return value(
                "spool",
                spool.dir.display().to_string(),
                "which needs a socket: it keeps what that does not take",
            );
        }
        // Its files end in .sf as well.
        if dir == self.dir.as_deref() || dir == self.state_dir.as_deref() {
            return value("spool.dir", spool.dir.display().to_string(), "it must be a directory of its own");
        }
        // The processor's user may write there.
        if dir == self.socket.as_deref().and_then(Path::parent) {
            return value(
                "spool.dir",
                spool.dir.display().to_string(),
                "it must not be the directory of the socket",
            );
        }
        if !(1..=1_048_576).contains(&spool.max_mib) {
            return value("spool.max_mib", spool.max_mib.to_string(), "it must be from 1 to 1048576");
        }
        Ok(())
    }

    /// Schema of the records.
    pub(crate) fn schema(&self) -> sysflow::Schema {
        match self.schema {
            Schema::V5 => sysflow::Schema::V5,
            Schema::Extended => sysflow::Schema::Extended,
        }
    }

    /// Settings of the recorder on the node of this name.
    pub(crate) fn recorder(&self, node: String, live: bool) -> sysflow_flow::Config {
        use sysflow::graph::Servers;
        use sysflow_flow::{Compat as FlowCompat, Env as FlowEnv, Reduction as FlowReduction};
        let compat = match self.compat {
            None => FlowCompat::None,
            Some(Compat::Sysflow) => FlowCompat::Sysflow,
            Some(Compat::SysflowTests) => FlowCompat::SysflowTests,
        };
        sysflow_flow::Config {
            node: if compat == FlowCompat::SysflowTests { "tests".into() } else { node },
            // A replay is not about the machine that it runs on.
            ip: if live { std::env::var("NODE_IP").unwrap_or_default() } else { String::new() },
            filename: self
                .dir
                .as_deref()
                .or(self.socket.as_deref())
                .or(self.seqpacket.as_deref())
                .map_or_else(String::new, |path| path.display().to_string()),
            schema: self.schema(),
            compat,
            modes: self.modes.recorder(),
            reduction: match self.reduction {
                Reduction::Lossless => FlowReduction::Lossless,
                Reduction::Rollup => FlowReduction::Rollup,
            },
            export: self.flow.export,
            expire: self.flow.expire,
            first: self.flow.first,
            rotate: self.rotate,
            env: match &self.env {
                Env::Word(EnvWord::Off) | Env::Switch(_) => FlowEnv::Off,
                Env::Word(EnvWord::Names) => FlowEnv::Names,
                Env::Word(EnvWord::All) => FlowEnv::All,
                Env::Listed(names) => FlowEnv::Listed(names.clone()),
            },
            mask: self.mask,
            host_users_for_all: !live,
            servers: self.graph.servers.clone().map_or_else(Servers::default, Servers::new),
            limits: sysflow_flow::Limits {
                processes: self.limits.processes,
                fds: self.limits.fds,
                all_fds: self.limits.all_fds,
                flows: self.limits.flows,
                files: self.limits.files,
                string: self.limits.string,
            },
        }
    }
}

// === impl Modes ===

impl Modes {
    fn recorder(self) -> sysflow_flow::Modes {
        use sysflow_flow::{FileMode, ReadFilter};
        sysflow_flow::Modes {
            files: self.files.map(|files| match files {
                Files::All => FileMode::All,
                Files::Regular => FileMode::Regular,
                Files::None => FileMode::None,
            }),
            reads: self.reads.map(|reads| match reads {
                Reads::Word(ReadsWord::Off) | Reads::Switch(_) => ReadFilter::Off,
                Reads::Word(ReadsWord::All) => ReadFilter::All,
                Reads::Word(ReadsWord::System) => ReadFilter::System,
            }),
            process_flows: self.process_flows,
            consume: self.consume,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            node: None,
            socket: None,
            seqpacket: None,
            peer_uids: Vec::new(),
            dir: None,
            state_dir: None,
            spool: None,
            buffer_mib: 64,
            rotate: 300,
            flow: Flow::default(),
            schema: Schema::default(),
            compat: None,
            modes: Modes::default(),
            reduction: Reduction::default(),
            env: Env::default(),
            mask: true,
            observe_self: false,
            graph: Graph::default(),
            limits: Limits::default(),
        }
    }
}

impl Default for Flow {
    fn default() -> Self {
        Self { export: 30, expire: 60, first: 1 }
    }
}

impl<'de> Deserialize<'de> for Reads {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        one_of(deserializer, "modes.reads", "it must be off, all or system", |value| match value {
            serde_json::Value::Bool(on) => Some(Self::Switch(on)),
            word => parsed(word).map(Self::Word),
        })
    }
}

impl<'de> Deserialize<'de> for Env {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        one_of(deserializer, "env", "it must be off, names, all or a list of names", |value| match value {
            serde_json::Value::Bool(on) => Some(Self::Switch(on)),
            names @ serde_json::Value::Array(_) => parsed(names).map(Self::Listed),
            word => parsed(word).map(Self::Word),
        })
    }
}

/// A setting of one of several types. Serde would only say that none of them fits.
fn one_of<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    key: &'static str,
    problem: &'static str,
    read: impl FnOnce(serde_json::Value) -> Option<T>,
) -> Result<T, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    let shown = value.to_string();
    read(value).ok_or_else(|| D::Error::custom(ConfigError::Value { key, value: shown, problem }))
}

fn parsed<T: DeserializeOwned>(value: serde_json::Value) -> Option<T> {
    serde_json::from_value(value).ok()
}

impl Default for Env {
    fn default() -> Self {
        Self::Word(EnvWord::Off)
    }
}

impl Default for Limits {
    fn default() -> Self {
        let limits = sysflow_flow::Limits::default();
        Self {
            processes: limits.processes,
            fds: limits.fds,
            all_fds: limits.all_fds,
            flows: limits.flows,
            files: limits.files,
            string: limits.string,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<Config, String> {
        let config: Config = serde_json::from_str(json).map_err(|e| e.to_string())?;
        config.check().map_err(|e| e.to_string())?;
        Ok(config)
    }

    #[test]
    fn nothing_is_needed() {
        let config = parse("{}").unwrap();
        assert_eq!((config.buffer_mib, config.rotate, config.flow.export), (64, 300, 30));
        assert!(config.mask);
        assert!(!config.observe_self);
    }

    #[test]
    fn the_settings_of_the_conformance_runs_are_taken() {
        let config = parse(r#"{"schema":"v5","compat":"sysflow-tests"}"#).unwrap();
        assert!(matches!((config.schema, config.compat), (Schema::V5, Some(Compat::SysflowTests))));
        assert_eq!(config.recorder("x".into(), false).node, "tests");
    }

    #[test]
    fn modes_are_taken_word_for_word() {
        use sysflow_flow::{FileMode, Modes as Want, ReadFilter};
        let modes = |json: &str| parse(json).unwrap().recorder("x".into(), false).modes;
        assert_eq!(modes("{}"), Want::default());
        let all = r#"{"modes":{"files":"none","reads":"system","process_flows":true,"consume":false}}"#;
        let want = Want {
            files: Some(FileMode::None),
            reads: Some(ReadFilter::System),
            process_flows: Some(true),
            consume: Some(false),
        };
        assert_eq!(modes(all), want);
        // `off` in Falco's YAML reaches us as false.
        for off in ["\"off\"", "false"] {
            let json = format!(r#"{{"modes":{{"reads":{off}}},"env":{off}}}"#);
            assert_eq!(modes(&json).reads, Some(ReadFilter::Off));
            let env = parse(&json).unwrap().recorder("x".into(), false).env;
            assert_eq!(env, sysflow_flow::Env::Off);
        }
    }

    #[test]
    fn the_environment_is_taken_word_for_word() {
        use sysflow_flow::Env as Want;
        let env = |json: &str| parse(json).unwrap().recorder("x".into(), false).env;
        assert_eq!(env("{}"), Want::Off);
        assert_eq!(env(r#"{"env":"names"}"#), Want::Names);
        assert_eq!(env(r#"{"env":"all"}"#), Want::All);
        assert!(matches!(env(r#"{"env":["PATH","HOME"]}"#), Want::Listed(names) if names.len() == 2));
        let schema = serde_json::to_value(schemars::schema_for!(InitConfig)).unwrap();
        assert_eq!(schema["$defs"]["Env"]["anyOf"].as_array().map(Vec::len), Some(3));
        assert_eq!(schema["$defs"]["Reads"]["anyOf"].as_array().map(Vec::len), Some(2));
    }

    #[test]
    fn reduction_is_lossless_unless_set() {
        let of = |json| parse(json).unwrap().recorder("x".into(), true).reduction;
        assert_eq!(of("{}"), sysflow_flow::Reduction::Lossless);
        assert_eq!(of(r#"{"reduction":"rollup"}"#), sysflow_flow::Reduction::Rollup);
    }

    #[test]
    fn mistakes_are_named() {
        for (json, want) in [
            (r#"{"sockets":"/x"}"#, "unknown field `sockets`"),
            (r#"{"flow":{"exports":1}}"#, "unknown field `exports`"),
            (r#"{"state_dir":"x"}"#, "state_dir is x, it must be an absolute path"),
            (r#"{"seqpacket":"x"}"#, "seqpacket is x, it must be an absolute path"),
            (r#"{"socket":"/s","seqpacket":"/s"}"#, "it must not be the socket of the other stream"),
            (r#"{"spool":{"dir":"/x"}}"#, "spool is /x, which needs a socket"),
            (r#"{"socket":"/s/s","spool":{"dir":"x"}}"#, "spool.dir is x, it must be an absolute path"),
            (r#"{"socket":"/s/s","spool":{}}"#, "missing field `dir`"),
            (r#"{"socket":"/s/s","spool":{"dir":"/s"}}"#, "it must not be the directory of the socket"),
            (r#"{"socket":"/s/s","dir":"/x","spool":{"dir":"/x"}}"#, "it must be a directory of its own"),
            (r#"{"socket":"/s/s","spool":{"dir":"/x","max_mib":0}}"#, "spool.max_mib is 0"),
            (r#"{"reduction":"rollup","schema":"v5"}"#, "reduction is rollup, it needs schema: extended"),
            (r#"{"reduction":"rollup","compat":"sysflow"}"#, "reduction is rollup, it must be lossless"),
            (r#"{"reduction":"none"}"#, "unknown variant `none`"),
            (r#"{"socket":"x"}"#, "socket is x, it must be an absolute path"),
            (r#"{"buffer_mib":0}"#, "buffer_mib is 0"),
            (r#"{"flow":{"export":0}}"#, "flow.export is 0"),
            (r#"{"flow":{"first":86401}}"#, "flow.first is 86401, it must be at most"),
            (r#"{"limits":{"flows":0}}"#, "limits.flows is 0"),
            (r#"{"modes":{"file":"all"}}"#, "unknown field `file`"),
            (r#"{"modes":{"reads":true}}"#, "modes.reads is true, it must be off"),
            (r#"{"env":true}"#, "env is true, it must be off"),
            (
                r#"{"env":"some"}"#,
                "init_config: env is \"some\", it must be off, names, all or a list of names",
            ),
            (r#"{"env":["PATH",1]}"#, "env is [\"PATH\",1], it must be off, names, all or a list of names"),
            (r#"{"env":{"all":true}}"#, "env is {\"all\":true}, it must be off"),
            (r#"{"env":null}"#, "env is null, it must be off"),
            (
                r#"{"modes":{"reads":"none"}}"#,
                "init_config: modes.reads is \"none\", it must be off, all or system",
            ),
            (r#"{"modes":{"reads":1}}"#, "modes.reads is 1, it must be off, all or system"),
        ] {
            let error = parse(json).unwrap_err();
            assert!(error.contains(want), "{json}: {error}");
        }
    }

    #[test]
    fn an_empty_map_reaches_us_as_null() {
        let InitConfig(config) = serde_json::from_str("null").unwrap();
        assert!(config.is_none());
        let schema = serde_json::to_value(schemars::schema_for!(InitConfig)).unwrap();
        assert_eq!(schema["type"], serde_json::json!(["object", "null"]));
    }

    #[test]
    fn every_key_is_in_the_schema() {
        let schema = serde_json::to_value(schemars::schema_for!(InitConfig)).unwrap();
        let keys: Vec<_> = schema["properties"].as_object().unwrap().keys().cloned().collect();
        for key in [
            "node",
            "socket",
            "seqpacket",
            "peer_uids",
            "dir",
            "state_dir",
            "spool",
            "buffer_mib",
            "rotate",
            "flow",
            "schema",
            "compat",
            "modes",
            "reduction",
            "env",
            "mask",
            "observe_self",
            "graph",
            "limits",
        ] {
            assert!(keys.iter().any(|k| k == key), "{key} is missing in {keys:?}");
        }
        assert_eq!(schema["additionalProperties"], serde_json::Value::Bool(false));
    }
}
