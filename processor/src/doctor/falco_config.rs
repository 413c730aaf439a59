//! Falco's configuration as Falco itself puts it together: the main file, then what `config_files` names, in order.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

/// A larger file is no configuration.
const MAX_FILE: u64 = 16 << 20;

/// The merged configuration, and which file each key has from.
#[derive(Debug, Default)]
pub(super) struct FalcoConfig {
    keys: Map<String, Value>,
    origins: BTreeMap<String, PathBuf>,
    /// All files, as Falco names them.
    pub(super) files: Vec<PathBuf>,
}

/// How a file is put over what was read before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Strategy {
    /// Lists grow, everything else is replaced.
    Append,
    /// Everything is replaced.
    Override,
    /// What is there stays.
    AddOnly,
}

impl FalcoConfig {
    /// Reads the file at `path` and all that it includes. `seen` says where a path of the host is seen from here.
    pub(super) fn load(path: &Path, seen: &dyn Fn(&Path) -> PathBuf) -> Result<Self, String> {
        let mut config = Self::default();
        config.include(path, Strategy::Override, seen)?;
        let includes = config.keys.get("config_files").cloned().unwrap_or_default();
        let includes = match includes {
            Value::Array(entries) => entries,
            Value::Null => Vec::new(),
            one => vec![one],
        };
        for entry in includes {
            let (include, strategy) = include_of(&entry)?;
            if include == path {
                return Err(format!("{}: config_files names the file itself", path.display()));
            }
            let there = seen(&include);
            if there.is_dir() {
                for file in sorted_files(&there)? {
                    let name = include.join(file.file_name().unwrap_or_default());
                    config.include_more(&name, strategy, seen)?;
                }
            } else if there.is_file() {
                config.include_more(&include, strategy, seen)?;
            }
            // Falco passes over what does not exist.
        }
        Ok(config)
    }

    /// A key, such as `base_syscalls`.
    pub(super) fn key(&self, key: &str) -> Option<&Value> {
        self.keys.get(key).filter(|value| !value.is_null())
    }

    /// A value below a key, by steps such as `["engine", "kind"]`.
    pub(super) fn at(&self, steps: &[&str]) -> Option<&Value> {
        let (first, rest) = steps.split_first()?;
        rest.iter().try_fold(self.key(first)?, |value, step| value.get(step)).filter(|value| !value.is_null())
    }

    /// Whether a value below a key says yes, in any of YAML's words.
    pub(super) fn is_on(&self, steps: &[&str], default: bool) -> bool {
        self.at(steps).and_then(truth).unwrap_or(default)
    }

    /// The entries of a key that holds a list; one value is a list of one.
    pub(super) fn list(&self, steps: &[&str]) -> Vec<&Value> {
        match self.at(steps) {
            None => Vec::new(),
            Some(Value::Array(entries)) => entries.iter().collect(),
            Some(one) => vec![one],
        }
    }

    /// File that a key was read from last.
    pub(super) fn origin(&self, key: &str) -> String {
        self.origins.get(key).map(|path| path.display().to_string()).unwrap_or_default()
    }

    fn include_more(
        &mut self,
        path: &Path,
        strategy: Strategy,
        seen: &dyn Fn(&Path) -> PathBuf,
    ) -> Result<(), String> {
        let before = self.keys.get("config_files").cloned();
        self.include(path, strategy, seen)?;
        if self.keys.get("config_files") != before.as_ref() {
            return Err(format!(
                "{}: config_files stands in an included file; Falco does not start with that",
                path.display()
            ));
        }
        Ok(())
    }

    fn include(
        &mut self,
        path: &Path,
        strategy: Strategy,
        seen: &dyn Fn(&Path) -> PathBuf,
    ) -> Result<(), String> {
        self.files.push(path.to_owned());
        for (key, value) in read(path, &seen(path))? {
            let known = self.keys.get_mut(&key).filter(|known| !known.is_null());
            match (strategy, known, value) {
                (Strategy::AddOnly, Some(_), _) => continue,
                (Strategy::Append, Some(Value::Array(known)), Value::Array(more)) => known.extend(more),
                (_, _, value) => _ = self.keys.insert(key.clone(), value),
            }
            self.origins.insert(key, path.to_owned());
        }
        Ok(())
    }
}

fn include_of(entry: &Value) -> Result<(PathBuf, Strategy), String> {
    let (path, strategy) = match entry {
        Value::String(path) => (Some(path.as_str()), None),
        entry => (entry.get("path").and_then(Value::as_str), entry.get("strategy").and_then(Value::as_str)),
    };
    let path = path.ok_or_else(|| format!("config_files: {entry} names no path"))?;
    let strategy = match strategy {
        Some("override") => Strategy::Override,
        Some("add-only") => Strategy::AddOnly,
        _ => Strategy::Append,
    };
    Ok((path.into(), strategy))
}

/// All files of a directory, whatever their names end in: Falco reads them all.
fn sorted_files(dir: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    let mut files: Vec<_> =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_file()).collect();
    files.sort();
    Ok(files)
}

fn read(name: &Path, path: &Path) -> Result<Map<String, Value>, String> {
    let fail = |why: &dyn std::fmt::Display| format!("{}: {why}", name.display());
    let size = fs::metadata(path).map_err(|e| fail(&e))?.len();
    if size > MAX_FILE {
        return Err(fail(&format!("{size} bytes are no configuration")));
    }
    let text = fs::read_to_string(path).map_err(|e| fail(&e))?;
    match serde_saphyr::from_str(&text) {
        Ok(Value::Object(keys)) => Ok(keys),
        Ok(Value::Null) => Ok(Map::new()),
        Ok(_) => Err(fail(&"it has no keys")),
        Err(error) => Err(fail(&error)),
    }
}

/// YAML's words for yes and no, which Falco takes all of.
fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(value) => Some(*value),
        Value::String(text) => match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "y" | "1" => Some(true),
            "false" | "no" | "off" | "n" | "0" => Some(false),
            _ => None,
        },
        Value::Number(number) => number.as_u64().map(|number| number != 0),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(main: &str, others: &[(&str, &str)]) -> Result<FalcoConfig, String> {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("config.d")).unwrap();
        fs::write(dir.path().join("falco.yaml"), main).unwrap();
        for (name, text) in others {
            fs::write(dir.path().join("config.d").join(name), text).unwrap();
        }
        let root = dir.path().to_owned();
        let seen = move |path: &Path| root.join(path.strip_prefix("/etc/falco").unwrap_or(path));
        FalcoConfig::load(Path::new("/etc/falco/falco.yaml"), &seen)
    }

    const MAIN: &str = "config_files: [/etc/falco/config.d, /etc/falco/none]\nload_plugins: []\n\
                        base_syscalls: {all: false, custom_set: [a]}\n";

    #[test]
    fn lists_grow_and_everything_else_is_replaced_in_the_order_of_names() {
        let config = merged(
            MAIN,
            &[
                ("b.yaml", "load_plugins: [sysflow]\nbase_syscalls: {repair: yes}\n"),
                ("a.conf", "load_plugins: [container]\nbase_syscalls: {all: true}\n"),
                ("c.yaml", "# nothing\n"),
            ],
        )
        .unwrap();
        assert_eq!(config.list(&["load_plugins"]), ["container", "sysflow"]);
        // A map is replaced as a whole.
        assert_eq!(config.at(&["base_syscalls", "custom_set"]), None);
        assert!(
            config.is_on(&["base_syscalls", "repair"], false)
                && !config.is_on(&["base_syscalls", "all"], false)
        );
        assert_eq!(config.origin("base_syscalls"), "/etc/falco/config.d/b.yaml");
        assert_eq!(config.files.len(), 4);
    }

    #[test]
    fn strategies_are_falcos() {
        let main = |strategy: &str| {
            MAIN.replace(
                "/etc/falco/config.d",
                &format!("{{path: /etc/falco/config.d, strategy: {strategy}}}"),
            )
        };
        let others =
            [("a", "load_plugins: [x]\nbase_syscalls: {all: true}\nnew: 1\n"), ("b", "load_plugins: [z]\n")];
        let config = merged(&main("override"), &others).unwrap();
        assert_eq!(config.list(&["load_plugins"]), ["z"]);
        let config = merged(&main("add-only"), &others).unwrap();
        assert_eq!((config.list(&["load_plugins"]).len(), config.key("new")), (0, Some(&1.into())));
        assert!(!config.is_on(&["base_syscalls", "all"], true));
    }

    #[test]
    fn what_falco_would_not_start_with_is_told() {
        for (main, others, says) in [
            ("config_files: [/etc/falco/falco.yaml]", &[][..], "names the file itself"),
            (MAIN, &[("a.yaml", "config_files: [x]")], "stands in an included file"),
            (MAIN, &[("a.yaml", "a: [")], "/etc/falco/config.d/a.yaml"),
            ("config_files: [{strategy: append}]", &[], "names no path"),
            ("- 1", &[], "no keys"),
        ] {
            let error = merged(main, others).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }
}
