//! Loading of a plugin: is it one, which version, what can it do.

use std::{
    ffi::{CStr, c_char},
    fs::File,
    io::Read,
    os::unix::fs::FileTypeExt,
    path::{Path, PathBuf},
    ptr,
    sync::Arc,
};

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};

use super::{
    Instance, Log,
    abi::{self, falco_plugin_symbols as Symbols},
    extract::FieldInfo,
};
use crate::{Capture, Error};

/// A loaded plugin. Cheap to clone; several instances of it can live at once.
///
/// It is never unloaded: a plugin may leave threads or thread-local destructors behind whose code must stay.
#[derive(Debug, Clone)]
pub struct Plugin {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    symbols: Symbols,
    name: String,
    version: String,
    api_version: Version,
    fields: Vec<FieldInfo>,
    parse_sources: Vec<String>,
    extract_sources: Vec<String>,
    init_schema: Option<String>,
}

/// `major.minor.patch`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version(u32, u32, u32);

/// What a plugin may require of us.
const API: Version = Version(abi::FALCO_PLUGIN_API_MAJOR as u32, abi::FALCO_PLUGIN_API_MINOR as u32, 0);

// === impl Plugin ===

impl Plugin {
    /// Loads a plugin and checks that this host can run it.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let fail = |problem: String| Error::Plugin { path: path.to_owned(), problem };
        check_file(path).map_err(&fail)?;
        // Without a slash dlopen would search the system's folders.
        let absolute = std::path::absolute(path).map_err(|e| fail(e.to_string()))?;
        // SAFETY: loading runs the initialisers of the library. The user chose it to be run in this process, and
        // Falco loads plugins in the same way.
        let library = unsafe { Library::open(Some(&absolute), RTLD_NOW | RTLD_LOCAL) }
            .map_err(|e| fail(format!("the dynamic loader refuses it: {e}")))?;
        let symbols = resolve(&library);
        // Never closed, see the type.
        std::mem::forget(library);
        let inner = Inner::new(path, symbols).map_err(fail)?;
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Name that the plugin gives itself.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Its own version.
    pub fn version(&self) -> &str {
        &self.inner.version
    }

    /// Version of the plugin API it requires.
    pub fn api_version(&self) -> String {
        let Version(major, minor, patch) = self.inner.api_version;
        format!("{major}.{minor}.{patch}")
    }

    /// The file it was loaded from.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// The fields it extracts.
    pub fn fields(&self) -> &[FieldInfo] {
        &self.inner.fields
    }

    /// JSON schema of its configuration, if it has one.
    pub fn init_schema(&self) -> Option<&str> {
        self.inner.init_schema.as_deref()
    }

    /// Makes an instance with a configuration, and the initial state of a capture as its `threads` table.
    ///
    /// For a plugin whose configuration is JSON an empty one stands for `{}`.
    pub fn init(&self, config: &str, capture: &Capture) -> Result<Instance, Error> {
        self.init_with_log(config, capture, Log::default())
    }

    /// Like [`Plugin::init`], with the plugin's log lines going to `log` instead of standard error.
    pub fn init_with_log(&self, config: &str, capture: &Capture, log: Log) -> Result<Instance, Error> {
        Instance::new(self.clone(), config, capture, log)
    }

    pub(super) fn symbols(&self) -> &Symbols {
        &self.inner.symbols
    }

    pub(super) fn parses_source(&self, source: &str) -> bool {
        self.inner.symbols.parse_event.is_some() && accepts(&self.inner.parse_sources, source)
    }

    pub(super) fn extracts_source(&self, source: &str) -> bool {
        self.inner.symbols.extract_fields.is_some() && accepts(&self.inner.extract_sources, source)
    }
}

/// No list means every source.
fn accepts(sources: &[String], source: &str) -> bool {
    sources.is_empty() || sources.iter().any(|s| s == source)
}

// === impl Inner ===

impl Inner {
    fn new(path: &Path, symbols: Symbols) -> Result<Self, String> {
        let Symbols { get_required_api_version, get_name, get_version, .. } = symbols;
        let required = call_string(get_required_api_version, "get_required_api_version")?;
        let api_version = Version::parse(&required)
            .ok_or_else(|| format!("it requires the API version {required:?}, which is not a version"))?;
        if api_version.0 != API.0 || api_version > API {
            let Version(major, minor, patch) = API;
            return Err(format!(
                "it requires version {required} of Falco's plugin API, this host has {major}.{minor}.{patch}; \
                 take a build of the plugin for Falco 0.42 to 0.44"
            ));
        }
        check_symbols(&symbols)?;
        let fields = match symbols.get_fields {
            Some(_) => FieldInfo::parse_list(&call_string(symbols.get_fields, "get_fields")?)?,
            None => Vec::new(),
        };
        Ok(Self {
            path: path.to_owned(),
            name: call_string(get_name, "get_name")?,
            version: call_string(get_version, "get_version")?,
            api_version,
            fields,
            parse_sources: sources(symbols.get_parse_event_sources, "get_parse_event_sources")?,
            extract_sources: sources(symbols.get_extract_event_sources, "get_extract_event_sources")?,
            init_schema: init_schema(&symbols),
            symbols,
        })
    }
}

/// Says what is wrong with a file before the dynamic loader says it less clearly.
fn check_file(path: &Path) -> Result<(), String> {
    let meta = std::fs::metadata(path).map_err(|e| e.to_string())?;
    if meta.is_dir() || meta.file_type().is_fifo() {
        return Err("it is not a file; give the path of the plugin's .so".to_owned());
    }
    let mut magic = [0; 4];
    let file = File::open(path).map_err(|e| e.to_string())?;
    let read = file.take(4).read(&mut magic).map_err(|e| e.to_string())?;
    if &magic[..read] != b"\x7fELF" {
        return Err("it is not a shared object (no ELF header); give the path of the plugin's .so".to_owned());
    }
    Ok(())
}

fn resolve(library: &Library) -> Symbols {
    macro_rules! symbols {
        ($($name:ident)*) => {
            Symbols {
                $($name: {
                    // SAFETY: the type is the one that the ABI gives to the symbol of this name; the library
                    // stays loaded for good.
                    unsafe { library.get(concat!("plugin_", stringify!($name), "\0").as_bytes()) }
                        .map_or(None, |symbol| *symbol)
                },)*
            }
        };
    }
    symbols! {
        get_required_api_version get_name get_description get_contact get_version get_last_error init destroy
        get_init_schema get_required_event_schema_version get_parse_event_types get_parse_event_sources parse_event
        get_fields get_extract_event_types get_extract_event_sources extract_fields capture_open capture_close
    }
}

/// The symbols that every plugin must have, and those that come in pairs (libs: userspace/plugin/plugin_loader.c).
fn check_symbols(s: &Symbols) -> Result<(), String> {
    let required = [
        ("get_version", s.get_version.is_some()),
        ("get_name", s.get_name.is_some()),
        ("get_description", s.get_description.is_some()),
        ("get_contact", s.get_contact.is_some()),
        ("init", s.init.is_some()),
        ("destroy", s.destroy.is_some()),
        ("get_last_error", s.get_last_error.is_some()),
    ];
    if let Some((name, _)) = required.iter().find(|(_, there)| !there) {
        return Err(missing(name));
    }
    if s.extract_fields.is_some() && s.get_fields.is_none() {
        return Err(missing("get_fields"));
    }
    if s.capture_open.is_some() && s.capture_close.is_none() {
        return Err(missing("capture_close"));
    }
    Ok(())
}

fn missing(symbol: &str) -> String {
    format!("it does not export plugin_{symbol}, so it is not a Falco plugin or an incomplete one")
}

/// Calls a function that returns a string and takes nothing.
fn call_string(function: abi::falco_plugin_string_fn, name: &str) -> Result<String, String> {
    let function = function.ok_or_else(|| missing(name))?;
    // SAFETY: the ABI lets this be called at any time after loading.
    let text = unsafe { function() };
    // SAFETY: a plugin returns NULL or a string that lives until its next call.
    unsafe { string(text) }.ok_or_else(|| format!("plugin_{name} returns nothing"))
}

/// Copies a string of a plugin.
///
/// # Safety
/// `text` is NULL or a string that ends with NUL.
pub(super) unsafe fn string(text: *const c_char) -> Option<String> {
    if text.is_null() {
        return None;
    }
    // SAFETY: as promised by the caller.
    Some(unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
}

fn sources(function: abi::falco_plugin_string_fn, name: &str) -> Result<Vec<String>, String> {
    if function.is_none() {
        return Ok(Vec::new());
    }
    let text = call_string(function, name)?;
    serde_json::from_str(&text).map_err(|e| format!("plugin_{name} does not return a list of names: {e}"))
}

fn init_schema(symbols: &Symbols) -> Option<String> {
    let mut kind = abi::SS_PLUGIN_SCHEMA_NONE as u32;
    // SAFETY: may be called at any time; `kind` is written.
    let text = unsafe { symbols.get_init_schema?(ptr::from_mut(&mut kind)) };
    // SAFETY: NULL or a string.
    let text = unsafe { string(text) }?;
    (kind == abi::SS_PLUGIN_SCHEMA_JSON as u32).then_some(text)
}

// === impl Version ===

impl Version {
    pub(super) fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self(major, minor, patch)
    }

    pub(super) fn major(self) -> u32 {
        self.0
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.').map(|p| p.parse().ok());
        let version = Self(parts.next()??, parts.next()??, parts.next()??);
        parts.next().is_none().then_some(version)
    }
}
