//! What stands behind the opaque owner pointer: the tables, the last error and the log.

use std::{
    cell::RefCell,
    ffi::{CStr, CString, c_char},
    ptr,
    rc::Rc,
    sync::Arc,
};

use super::{abi, plugin::string, table::Registry};

/// How serious a plugin finds its log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the usual levels")]
pub enum Severity {
    Fatal,
    Critical,
    Error,
    Warning,
    Notice,
    Info,
    Debug,
    Trace,
}

/// Where a plugin's log lines go; it may be called from the plugin's threads.
#[derive(Clone)]
pub struct Log(Arc<LogFn>);

type LogFn = dyn Fn(Severity, &str) + Send + Sync;

/// Text of the last error of a table function.
#[derive(Debug, Default)]
pub(super) struct Errors {
    last: RefCell<CString>,
}

/// The host's side of one instance.
#[derive(Debug)]
pub(super) struct Owner {
    pub(super) registry: Registry,
    /// Shared with the tables.
    pub(super) errors: Rc<Errors>,
    log: Log,
    name: String,
}

// === impl Owner ===

impl Owner {
    /// An owner that is never freed: plugins keep the pointer for their log, and one that logs from a thread of its
    /// own or after its destruction must not crash the host. It is small once its tables are gone.
    pub(super) fn new(name: &str, log: Log) -> Rc<Self> {
        let errors = Rc::new(Errors::default());
        let registry = Registry::new(Rc::clone(&errors));
        let owner = Rc::new(Self { registry, errors, log, name: name.to_owned() });
        std::mem::forget(Rc::clone(&owner));
        owner
    }
}

/// `get_owner_last_error` of the ABI.
pub(super) unsafe extern "C" fn last_error(owner: *mut abi::ss_plugin_owner_t) -> *const c_char {
    // SAFETY: a plugin passes the owner pointer it got, which outlives the instance.
    let Some(owner) = (unsafe { owner.cast::<Owner>().as_ref() }) else { return c"".as_ptr() };
    owner.errors.pointer()
}

/// `log_fn` of the ABI.
pub(super) unsafe extern "C" fn log(
    owner: *mut abi::ss_plugin_owner_t,
    component: *const c_char,
    message: *const c_char,
    severity: abi::ss_plugin_log_severity,
) {
    // SAFETY: as above. Only the two fields that are safe to share between threads are used.
    let Some(owner) = (unsafe { owner.cast::<Owner>().as_ref() }) else { return };
    // SAFETY: NULL or strings, by the ABI.
    let (component, message) = unsafe { (string(component), string(message)) };
    let component = component.as_deref().unwrap_or(&owner.name);
    (owner.log.0)(Severity::from_abi(severity), &format!("{component}: {}", message.unwrap_or_default()));
}

/// `list_tables` of the ABI.
pub(super) unsafe extern "C" fn list_tables(
    owner: *mut abi::ss_plugin_owner_t,
    count: *mut u32,
) -> *mut abi::ss_plugin_table_info {
    // SAFETY: as above.
    let Some(owner) = (unsafe { owner.cast::<Owner>().as_ref() }) else { return ptr::null_mut() };
    let (list, len) = owner.registry.list();
    if !count.is_null() {
        // SAFETY: the plugin passes a place for the number.
        unsafe { count.write(len) };
    }
    list
}

/// `get_table` of the ABI.
pub(super) unsafe extern "C" fn get_table(
    owner: *mut abi::ss_plugin_owner_t,
    name: *const c_char,
    key_type: abi::ss_plugin_state_type,
) -> *mut abi::ss_plugin_table_t {
    // SAFETY: as above.
    let Some(owner) = (unsafe { owner.cast::<Owner>().as_ref() }) else { return ptr::null_mut() };
    if name.is_null() {
        owner.errors.set("a table was asked for without a name");
        return ptr::null_mut();
    }
    // SAFETY: not NULL, so a string.
    owner.registry.get(unsafe { CStr::from_ptr(name) }, key_type)
}

/// `add_table` of the ABI.
pub(super) unsafe extern "C" fn add_table(
    owner: *mut abi::ss_plugin_owner_t,
    input: *const abi::ss_plugin_table_input,
) -> abi::ss_plugin_rc {
    // SAFETY: as above; the input is valid during the call.
    let (owner, input) = unsafe { (owner.cast::<Owner>().as_ref(), input.as_ref()) };
    let (Some(owner), Some(input)) = (owner, input) else { return abi::SS_PLUGIN_FAILURE };
    // SAFETY: the input comes from the plugin, whose ABI promises valid functions and a name that stays.
    match unsafe { owner.registry.add(input) } {
        Ok(()) => abi::SS_PLUGIN_SUCCESS,
        Err(problem) => {
            owner.errors.set(&problem);
            abi::SS_PLUGIN_FAILURE
        }
    }
}

// === impl Errors ===

impl Errors {
    /// Keeps a message for `get_owner_last_error`.
    pub(super) fn set(&self, message: &str) {
        let clean: Vec<u8> = message.bytes().filter(|&b| b != 0).collect();
        *self.last.borrow_mut() = CString::new(clean).unwrap_or_default();
    }

    fn pointer(&self) -> *const c_char {
        self.last.borrow().as_ptr()
    }
}

// === impl Log ===

impl Log {
    /// Lines go to a function.
    pub fn new(log: impl Fn(Severity, &str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(log))
    }
}

impl Default for Log {
    /// Warnings and worse go to standard error.
    fn default() -> Self {
        Self::new(|severity, line| {
            if severity <= Severity::Warning {
                eprintln!("{line}");
            }
        })
    }
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Log")
    }
}

// === impl Severity ===

impl Severity {
    fn from_abi(severity: abi::ss_plugin_log_severity) -> Self {
        match severity {
            0 | 1 => Self::Fatal,
            2 => Self::Critical,
            3 => Self::Error,
            4 => Self::Warning,
            5 => Self::Notice,
            6 => Self::Info,
            7 => Self::Debug,
            _ => Self::Trace,
        }
    }
}
