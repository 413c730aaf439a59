//! A plugin that has been initialised: the calls of a capture's life.

use std::{
    ffi::{CString, c_void},
    ptr,
    rc::Rc,
};

use super::{
    Plugin, abi,
    extract::{Request, Value},
    owner::{self, Log, Owner},
    plugin::{Version, string},
    table::{self, Threads},
};
use crate::{
    Capture, Error, RawEvent,
    event::check_bounds,
    schema::{EVENT_MAX, code},
};

/// All events of a capture of system calls have this source.
const SOURCE: &std::ffi::CStr = c"syscall";

/// The event schema of this crate.
const SCHEMA: (u32, u32, u32) = (4, 5, 1);

/// An initialised plugin. Dropping it closes an open capture and destroys it.
///
/// Everything happens on the thread that uses it, as the ABI demands, so it is not `Send`.
#[derive(Debug)]
pub struct Instance {
    plugin: Plugin,
    state: *mut abi::ss_plugin_t,
    owner: Rc<Owner>,
    threads: Threads,
    parse: Filter,
    extract: Filter,
    open: bool,
    /// Number of the last event.
    evtnum: u64,
}

/// Which event types a plugin wants.
#[derive(Debug)]
struct Filter {
    /// By code; empty when it wants none.
    wanted: Vec<bool>,
}

// === impl Instance ===

impl Instance {
    pub(super) fn new(plugin: Plugin, config: &str, capture: &Capture, log: Log) -> Result<Self, Error> {
        let refuse =
            |message: String| Error::Call { plugin: plugin.name().to_owned(), call: "init", message };
        let config = check_config(&plugin, config).map_err(refuse)?;
        let owner = Owner::new(plugin.name(), log);
        let threads = Threads::new(&owner.errors);
        threads.fill(capture);
        owner.registry.insert(Rc::clone(threads.table()));

        let tables = abi::ss_plugin_init_tables_input {
            list_tables: Some(owner::list_tables),
            get_table: Some(owner::get_table),
            add_table: Some(owner::add_table),
            fields: table::DISPATCH_FIELDS,
            fields_ext: table::dispatch_fields_ext(),
            reader_ext: table::dispatch_reader_ext(),
            writer_ext: table::dispatch_writer_ext(),
        };
        let symbols = plugin.symbols();
        let uses_tables = symbols.parse_event.is_some() || symbols.extract_fields.is_some();
        let mut instance = Self {
            state: ptr::null_mut(),
            owner,
            threads,
            parse: Filter { wanted: Vec::new() },
            extract: Filter { wanted: Vec::new() },
            open: false,
            evtnum: 0,
            plugin,
        };
        let input = abi::ss_plugin_init_input {
            config: config.as_ptr(),
            owner: instance.owner_ptr(),
            get_owner_last_error: Some(owner::last_error),
            tables: if uses_tables { &raw const tables } else { ptr::null() },
            log_fn: Some(owner::log),
        };
        let mut rc = abi::SS_PLUGIN_FAILURE;
        if let Some(init) = instance.plugin.symbols().init {
            // SAFETY: all pointers of `input` are valid during the call, and the owner for the life of the instance.
            instance.state = unsafe { init(&raw const input, &raw mut rc) };
        }
        if rc != abi::SS_PLUGIN_SUCCESS {
            // Dropping the instance destroys a state that came in spite of the failure.
            return Err(instance.failure("init"));
        }
        instance.check_schema()?;
        instance.subscribe()?;
        Ok(instance)
    }

    /// The plugin behind this instance.
    pub fn plugin(&self) -> &Plugin {
        &self.plugin
    }

    /// Tells the plugin that a capture begins: it may look at the whole initial state.
    pub fn capture_open(&mut self) -> Result<(), Error> {
        self.open = true;
        match self.plugin.symbols().capture_open {
            None => Ok(()),
            Some(function) => self.listen(function, "capture_open"),
        }
    }

    /// Tells the plugin that the capture is over. As in Falco, the tables are empty by now.
    pub fn capture_close(&mut self) -> Result<(), Error> {
        self.open = false;
        self.threads.clear();
        match self.plugin.symbols().capture_close {
            None => Ok(()),
            Some(function) => self.listen(function, "capture_close"),
        }
    }

    /// Whether the plugin wants to parse events of this type.
    pub fn wants(&self, code: u16) -> bool {
        self.parse.wants(code)
    }

    /// Gives the plugin an event, if it wants its type. `true` if it was delivered and parsed.
    pub fn parse(&mut self, event: RawEvent<'_>) -> Result<bool, Error> {
        self.parse_bytes(event.code(), event.bytes())
    }

    /// Like [`Instance::parse`], with what no reader has checked, as a defective driver might give it: only its
    /// header and its total length are true, for without those a plugin could not even be asked.
    ///
    /// # Safety
    /// The plugin checks numbers and lengths of parameters before it follows them; Falco's API does not demand that.
    pub unsafe fn parse_unchecked(&mut self, event: &[u8]) -> Result<bool, Error> {
        self.parse_bytes(check_bounds(event)?, event)
    }

    fn parse_bytes(&mut self, code: u16, event: &[u8]) -> Result<bool, Error> {
        self.evtnum += 1;
        if !self.wants(code) {
            return Ok(false);
        }
        let Some(parse) = self.plugin.symbols().parse_event else { return Ok(false) };
        let input = self.event_input(event);
        let context = abi::ss_plugin_event_parse_input {
            owner: self.owner_ptr(),
            get_owner_last_error: Some(owner::last_error),
            table_reader: table::DISPATCH_READER,
            table_writer: table::DISPATCH_WRITER,
            table_reader_ext: table::dispatch_reader_ext(),
            table_writer_ext: table::dispatch_writer_ext(),
        };
        // SAFETY: event and context are valid during the call; the event has as many bytes as its header says.
        let rc = unsafe { parse(self.state, &raw const input, &raw const context) };
        if rc == abi::SS_PLUGIN_SUCCESS { Ok(true) } else { Err(self.failure("parse_event")) }
    }

    /// Prepares a field, written `name` or `name[argument]`, for [`Instance::extract_request`].
    pub fn request(&self, field: &str) -> Result<Request, Error> {
        Request::parse(self.plugin.fields(), field).map_err(|problem| Error::Field {
            plugin: self.plugin.name().to_owned(),
            field: field.to_owned(),
            problem,
        })
    }

    /// The values of a field for an event; none when the plugin has no value for it.
    ///
    /// After [`Instance::parse`] of the same event, as in Falco.
    pub fn extract(&mut self, event: RawEvent<'_>, field: &str) -> Result<Vec<Value>, Error> {
        let request = self.request(field)?;
        self.extract_request(event, &request)
    }

    /// Like [`Instance::extract`], for a field that is asked for often.
    pub fn extract_request(&mut self, event: RawEvent<'_>, request: &Request) -> Result<Vec<Value>, Error> {
        self.extract_bytes(event.code(), event.bytes(), request)
    }

    /// To [`Instance::extract_request`] what [`Instance::parse_unchecked`] is to [`Instance::parse`].
    ///
    /// # Safety
    /// As there.
    pub unsafe fn extract_unchecked(&mut self, event: &[u8], request: &Request) -> Result<Vec<Value>, Error> {
        self.extract_bytes(check_bounds(event)?, event, request)
    }

    fn extract_bytes(&mut self, code: u16, event: &[u8], request: &Request) -> Result<Vec<Value>, Error> {
        let Some(extract) = self.plugin.symbols().extract_fields else { return Ok(Vec::new()) };
        if !self.extract.wants(code) {
            return Ok(Vec::new());
        }
        let mut field = request.to_abi();
        let input = self.event_input(event);
        let context = abi::ss_plugin_field_extract_input {
            owner: self.owner_ptr(),
            get_owner_last_error: Some(owner::last_error),
            num_fields: 1,
            fields: &raw mut field,
            table_reader: table::DISPATCH_READER,
            table_reader_ext: table::dispatch_reader_ext(),
            value_offsets: ptr::null_mut(),
        };
        // SAFETY: event, context and field are valid during the call.
        let rc = unsafe { extract(self.state, &raw const input, &raw const context) };
        if rc != abi::SS_PLUGIN_SUCCESS {
            return Err(self.failure("extract_fields"));
        }
        // SAFETY: the plugin has succeeded, so the values are there until its next call.
        unsafe { request.values(&field) }.map_err(|message| Error::Call {
            plugin: self.plugin.name().to_owned(),
            call: "extract_fields",
            message,
        })
    }

    /// Replaces the content of the `threads` table: another capture follows in the same file.
    pub fn replace_state(&mut self, capture: &Capture) {
        self.threads.fill(capture);
    }

    fn owner_ptr(&self) -> *mut c_void {
        Rc::as_ptr(&self.owner).cast_mut().cast()
    }

    fn event_input(&self, event: &[u8]) -> abi::ss_plugin_event_input {
        abi::ss_plugin_event_input {
            evt: event.as_ptr().cast(),
            evtnum: self.evtnum,
            evtsrc: SOURCE.as_ptr(),
        }
    }

    fn listen(
        &self,
        function: unsafe extern "C" fn(*mut c_void, *const abi::ss_plugin_capture_listen_input) -> i32,
        call: &'static str,
    ) -> Result<(), Error> {
        let mut routines = abi::ss_plugin_routine_vtable {
            subscribe: Some(refuse_routine),
            unsubscribe: Some(no_such_routine),
        };
        let input = abi::ss_plugin_capture_listen_input {
            owner: self.owner_ptr(),
            routine: &raw mut routines,
            table_reader_ext: table::dispatch_reader_ext(),
            table_writer_ext: table::dispatch_writer_ext(),
            get_owner_last_error: Some(owner::last_error),
        };
        // SAFETY: the state is the plugin's own, the input is valid during the call.
        let rc = unsafe { function(self.state, &raw const input) };
        if rc == abi::SS_PLUGIN_SUCCESS { Ok(()) } else { Err(self.failure(call)) }
    }

    /// The error of a call that failed, in the plugin's words.
    fn failure(&self, call: &'static str) -> Error {
        let mut message = None;
        if let (false, Some(last_error)) = (self.state.is_null(), self.plugin.symbols().get_last_error) {
            // SAFETY: the state is the plugin's own; what it returns is NULL or a string.
            message = unsafe { string(last_error(self.state)) };
        }
        let message = message.filter(|m| !m.is_empty()).unwrap_or_else(|| "it does not say why".to_owned());
        Error::Call { plugin: self.plugin.name().to_owned(), call, message }
    }

    /// The event schema that the plugin says it needs; `None` when it lacks the symbol, which a live Falco takes for
    /// 3.0.0 and refuses.
    pub fn required_schema(&self) -> Option<String> {
        let function = self.plugin.symbols().get_required_event_schema_version?;
        // SAFETY: the state is the plugin's own; what it returns is NULL or a string.
        Some(unsafe { string(function(self.state)) }.unwrap_or_default())
    }

    /// A plugin without the symbol is refused by Falco live but not in replay (libsinsp: `open_common`).
    fn check_schema(&self) -> Result<(), Error> {
        let Some(required) = self.required_schema() else { return Ok(()) };
        let ours = Version::new(SCHEMA.0, SCHEMA.1, SCHEMA.2);
        match Version::parse(&required) {
            Some(v) if v.major() == ours.major() && v <= ours => Ok(()),
            _ => Err(Error::Call {
                plugin: self.plugin.name().to_owned(),
                call: "get_required_event_schema_version",
                message: format!(
                    "it requires event schema {required:?}, this host has {}.{}.{}",
                    SCHEMA.0, SCHEMA.1, SCHEMA.2
                ),
            }),
        }
    }

    /// Asks for the types of events that the plugin wants; it may decide on them in init.
    fn subscribe(&mut self) -> Result<(), Error> {
        let symbols = *self.plugin.symbols();
        if self.plugin.parses_source("syscall") {
            self.parse = self.filter(symbols.get_parse_event_types, "get_parse_event_types")?;
        }
        if self.plugin.extracts_source("syscall") {
            self.extract = self.filter(symbols.get_extract_event_types, "get_extract_event_types")?;
        }
        Ok(())
    }

    fn filter(
        &self,
        function: abi::falco_plugin_event_types_fn,
        call: &'static str,
    ) -> Result<Filter, Error> {
        let (mut count, mut list) = (0u32, ptr::null_mut());
        if let Some(function) = function {
            // SAFETY: the state is the plugin's own, `count` is written.
            list = unsafe { function(&raw mut count, self.state) };
        }
        if list.is_null() || count == 0 {
            return Ok(Filter::all());
        }
        // SAFETY: the plugin returns `count` codes that stay until its next call.
        let codes = unsafe { std::slice::from_raw_parts(list, count as usize) };
        if let Some(code) = codes.iter().find(|&&c| c >= EVENT_MAX) {
            let message =
                format!("it wants events of type {code}, but the last one known is {}", EVENT_MAX - 1);
            return Err(Error::Call { plugin: self.plugin.name().to_owned(), call, message });
        }
        Ok(Filter::of(codes))
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        if self.open {
            // Nobody is left to hear of a failure.
            let _ = self.capture_close();
        }
        if let (false, Some(destroy)) = (self.state.is_null(), self.plugin.symbols().destroy) {
            // SAFETY: the state is the plugin's own and is not used after this.
            unsafe { destroy(self.state) };
        }
        self.owner.registry.clear();
    }
}

/// Falco gives `{}` when there is no configuration for a plugin that wants JSON.
fn check_config(plugin: &Plugin, config: &str) -> Result<CString, String> {
    let mut config = config;
    if plugin.init_schema().is_some() {
        if config.trim().is_empty() {
            config = "{}";
        }
        serde_json::from_str::<serde_json::Value>(config)
            .map_err(|e| format!("its configuration is not JSON: {e}"))?;
    }
    CString::new(config).map_err(|_| "its configuration contains a NUL".to_owned())
}

/// Routines are Falco's thread pool, which none of the official plugins uses for syscall events.
unsafe extern "C" fn refuse_routine(
    owner: *mut c_void,
    _: abi::ss_plugin_routine_fn_t,
    _: *mut c_void,
) -> *mut c_void {
    // SAFETY: the plugin passes the owner it got.
    if let Some(owner) = unsafe { owner.cast::<Owner>().as_ref() } {
        owner.errors.set("the replay host runs no routines: start a thread instead");
    }
    ptr::null_mut()
}

unsafe extern "C" fn no_such_routine(_: *mut c_void, _: *mut c_void) -> i32 {
    abi::SS_PLUGIN_FAILURE
}

// === impl Filter ===

impl Filter {
    /// Everything but the events of source plugins, which are of other sources than system calls.
    fn all() -> Self {
        let mut wanted = vec![true; usize::from(EVENT_MAX)];
        wanted[usize::from(code::PLUGINEVENT_E)] = false;
        Self { wanted }
    }

    fn of(codes: &[u16]) -> Self {
        let mut wanted = vec![false; usize::from(EVENT_MAX)];
        for &code in codes {
            wanted[usize::from(code)] = code != code::PLUGINEVENT_E;
        }
        Self { wanted }
    }

    fn wants(&self, code: u16) -> bool {
        self.wanted.get(usize::from(code)).copied().unwrap_or(false)
    }
}
