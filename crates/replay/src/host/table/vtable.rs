//! The functions of tables as C sees them.
//!
//! Two layers, as in libs: those named `dispatch_` come with init, parse, extract and capture_open, take the handle
//! of any table and call the function that the table brings; those named `host_` are what the host's tables bring.

use std::{
    ffi::{CStr, c_char},
    ptr,
    rc::Rc,
};

use super::{Field, Row, Table, from_abi};
use crate::host::abi::{
    self, SS_PLUGIN_FAILURE, SS_PLUGIN_NOT_SUPPORTED, SS_PLUGIN_SUCCESS, ss_plugin_bool as Bool,
    ss_plugin_rc as Rc32, ss_plugin_state_data as Data, ss_plugin_table_entry_t as Entry,
    ss_plugin_table_field_t as FieldHandle, ss_plugin_table_fieldinfo as FieldInfo,
    ss_plugin_table_fields_vtable as Fields, ss_plugin_table_input as Input,
    ss_plugin_table_iterator_func_t as IteratorFn, ss_plugin_table_iterator_state_t as IteratorState,
    ss_plugin_table_reader_vtable as Reader, ss_plugin_table_reader_vtable_ext as ReaderExt,
    ss_plugin_table_t as Handle, ss_plugin_table_writer_vtable as Writer,
};

const HOST_FIELDS: Fields = Fields {
    list_table_fields: Some(host_list_fields),
    get_table_field: Some(host_get_field),
    add_table_field: Some(host_add_field),
};

const HOST_READER: ReaderExt = ReaderExt {
    get_table_name: Some(host_name),
    get_table_size: Some(host_size),
    get_table_entry: Some(host_get_entry),
    read_entry_field: Some(host_read),
    release_table_entry: Some(host_release),
    iterate_entries: Some(host_iterate),
};

const HOST_WRITER: Writer = Writer {
    clear_table: Some(host_clear),
    erase_table_entry: Some(host_erase),
    create_table_entry: Some(host_create),
    destroy_table_entry: Some(host_release),
    add_table_entry: Some(host_add_entry),
    write_entry_field: Some(host_write),
};

/// Field functions for handles of any table.
pub(in crate::host) const DISPATCH_FIELDS: Fields = Fields {
    list_table_fields: Some(dispatch_list_fields),
    get_table_field: Some(dispatch_get_field),
    add_table_field: Some(dispatch_add_field),
};

const DISPATCH_READER_EXT: ReaderExt = ReaderExt {
    get_table_name: Some(dispatch_name),
    get_table_size: Some(dispatch_size),
    get_table_entry: Some(dispatch_get_entry),
    read_entry_field: Some(dispatch_read),
    release_table_entry: Some(dispatch_release),
    iterate_entries: Some(dispatch_iterate),
};

/// Reading functions for handles of any table, as old versions of the API have them.
pub(in crate::host) const DISPATCH_READER: Reader = old_reader(&DISPATCH_READER_EXT);

/// Writing functions for handles of any table.
pub(in crate::host) const DISPATCH_WRITER: Writer = Writer {
    clear_table: Some(dispatch_clear),
    erase_table_entry: Some(dispatch_erase),
    create_table_entry: Some(dispatch_create),
    destroy_table_entry: Some(dispatch_destroy),
    add_table_entry: Some(dispatch_add_entry),
    write_entry_field: Some(dispatch_write),
};

static HOST_FIELDS_EXT: Fields = HOST_FIELDS;
static HOST_READER_EXT: ReaderExt = HOST_READER;
static HOST_WRITER_EXT: Writer = HOST_WRITER;
static FIELDS_EXT: Fields = DISPATCH_FIELDS;
static READER_EXT: ReaderExt = DISPATCH_READER_EXT;
static WRITER_EXT: Writer = DISPATCH_WRITER;

/// The ABI's pointers are not const, but nobody may write through them.
pub(in crate::host) fn dispatch_fields_ext() -> *mut Fields {
    (&raw const FIELDS_EXT).cast_mut()
}

/// As above.
pub(in crate::host) fn dispatch_reader_ext() -> *mut ReaderExt {
    (&raw const READER_EXT).cast_mut()
}

/// As above.
pub(in crate::host) fn dispatch_writer_ext() -> *mut Writer {
    (&raw const WRITER_EXT).cast_mut()
}

/// The handle's content for a table of the host at `table`.
pub(super) fn table_input(name: &'static CStr, key_type: u32, table: *mut Handle) -> Input {
    Input {
        name: name.as_ptr(),
        key_type,
        table,
        reader: old_reader(&HOST_READER),
        writer: HOST_WRITER,
        fields: HOST_FIELDS,
        reader_ext: (&raw const HOST_READER_EXT).cast_mut(),
        writer_ext: (&raw const HOST_WRITER_EXT).cast_mut(),
        fields_ext: (&raw const HOST_FIELDS_EXT).cast_mut(),
    }
}

const fn old_reader(r: &ReaderExt) -> Reader {
    Reader {
        get_table_name: r.get_table_name,
        get_table_size: r.get_table_size,
        get_table_entry: r.get_table_entry,
        read_entry_field: r.read_entry_field,
    }
}

/// Whether a plugin's table brings every function.
pub(super) fn is_complete(r: &ReaderExt, w: &Writer, f: &Fields) -> bool {
    r.get_table_name.is_some()
        && r.get_table_size.is_some()
        && r.get_table_entry.is_some()
        && r.read_entry_field.is_some()
        && r.release_table_entry.is_some()
        && r.iterate_entries.is_some()
        && w.clear_table.is_some()
        && w.erase_table_entry.is_some()
        && w.create_table_entry.is_some()
        && w.destroy_table_entry.is_some()
        && w.add_table_entry.is_some()
        && w.write_entry_field.is_some()
        && f.list_table_fields.is_some()
        && f.get_table_field.is_some()
        && f.add_table_field.is_some()
}

/// What C calls void, by a name that the macro can take.
type Nothing = ();
const NOTHING: Nothing = ();

// === functions on handles ===

/// Makes `dispatch_` functions: each calls the function of the same name that the table of the handle brings.
macro_rules! dispatch {
    ($($name:ident = $vtable:ident.$function:ident($($arg:ident: $ty:ty),*) -> $ret:ty, or $none:expr;)*) => {$(
        unsafe extern "C" fn $name(handle: *mut Handle $(, $arg: $ty)*) -> $ret {
            // SAFETY: a handle is the address of the `ss_plugin_table_input` of a table that lives.
            let Some(input) = (unsafe { handle.cast::<Input>().as_ref() }) else { return $none };
            // SAFETY: tables are registered only with all their functions, and hosts' tables have them all.
            let Some(vtable) = (unsafe { input.$vtable.as_ref() }) else { return $none };
            let Some(function) = vtable.$function else { return $none };
            // SAFETY: the caller's arguments are passed on to the owner of the table they belong to.
            unsafe { function(input.table $(, $arg)*) }
        }
    )*};
}

dispatch! {
    dispatch_list_fields = fields_ext.list_table_fields(count: *mut u32) -> *const FieldInfo, or ptr::null();
    dispatch_get_field = fields_ext.get_table_field(name: *const c_char, kind: u32) -> *mut FieldHandle, or ptr::null_mut();
    dispatch_add_field = fields_ext.add_table_field(name: *const c_char, kind: u32) -> *mut FieldHandle, or ptr::null_mut();
    dispatch_name = reader_ext.get_table_name() -> *const c_char, or ptr::null();
    dispatch_size = reader_ext.get_table_size() -> u64, or 0;
    dispatch_get_entry = reader_ext.get_table_entry(key: *const Data) -> *mut Entry, or ptr::null_mut();
    dispatch_read = reader_ext.read_entry_field(entry: *mut Entry, field: *const FieldHandle, out: *mut Data) -> Rc32, or SS_PLUGIN_FAILURE;
    dispatch_release = reader_ext.release_table_entry(entry: *mut Entry) -> Nothing, or NOTHING;
    dispatch_iterate = reader_ext.iterate_entries(it: IteratorFn, state: *mut IteratorState) -> Bool, or 0;
    dispatch_clear = writer_ext.clear_table() -> Rc32, or SS_PLUGIN_FAILURE;
    dispatch_erase = writer_ext.erase_table_entry(key: *const Data) -> Rc32, or SS_PLUGIN_FAILURE;
    dispatch_create = writer_ext.create_table_entry() -> *mut Entry, or ptr::null_mut();
    dispatch_destroy = writer_ext.destroy_table_entry(entry: *mut Entry) -> Nothing, or NOTHING;
    dispatch_add_entry = writer_ext.add_table_entry(key: *const Data, entry: *mut Entry) -> *mut Entry, or ptr::null_mut();
    dispatch_write = writer_ext.write_entry_field(entry: *mut Entry, field: *const FieldHandle, value: *const Data) -> Rc32, or SS_PLUGIN_FAILURE;
}

// === functions of the host's tables ===

/// # Safety
/// `table` is the address of a [`Table`] of the host.
unsafe fn table<'a>(table: *mut Handle) -> Option<&'a Table> {
    // SAFETY: as promised; tables live as long as the instance, or the row they are in.
    unsafe { table.cast::<Table>().as_ref() }
}

/// # Safety
/// `entry` is NULL or came from a function of this table and was not given back.
unsafe fn row<'a>(entry: *mut Entry) -> Option<&'a Row> {
    // SAFETY: entries are counted references to rows.
    unsafe { entry.cast::<Row>().as_ref() }
}

/// # Safety
/// `key` is NULL or valid. All keys of the host's tables are 64 bits wide.
unsafe fn key(key: *const Data) -> Option<u64> {
    // SAFETY: as promised.
    unsafe { key.as_ref().map(|k| k.u64_) }
}

/// # Safety
/// `name` is NULL or a string.
unsafe fn name<'a>(name: *const c_char) -> &'a CStr {
    if name.is_null() {
        return c"";
    }
    // SAFETY: a string, as promised.
    unsafe { CStr::from_ptr(name) }
}

unsafe extern "C" fn host_list_fields(t: *mut Handle, count: *mut u32) -> *const FieldInfo {
    // SAFETY: C ABI.
    let Some(table) = (unsafe { table(t) }) else { return ptr::null() };
    let (list, len) = table.schema.list();
    if !count.is_null() {
        // SAFETY: the plugin passes a place for the number.
        unsafe { count.write(len) };
    }
    list
}

unsafe extern "C" fn host_get_field(t: *mut Handle, field: *const c_char, kind: u32) -> *mut FieldHandle {
    // SAFETY: C ABI.
    let (Some(table), field) = (unsafe { (table(t), name(field)) }) else { return ptr::null_mut() };
    match table.schema.find(field, kind) {
        Ok(Some(field)) => return field.cast_mut().cast(),
        Ok(None) => {
            let (table_name, field) = (table.schema.name.to_string_lossy(), field.to_string_lossy());
            table.errors.set(&format!("table {table_name} has no field {field}"));
        }
        Err(problem) => table.errors.set(&problem),
    }
    ptr::null_mut()
}

unsafe extern "C" fn host_add_field(t: *mut Handle, field: *const c_char, kind: u32) -> *mut FieldHandle {
    // SAFETY: C ABI.
    let (Some(table), field) = (unsafe { (table(t), name(field)) }) else { return ptr::null_mut() };
    let known =
        matches!(kind as i32, abi::SS_PLUGIN_ST_INT8..=abi::SS_PLUGIN_ST_STRING | abi::SS_PLUGIN_ST_BOOL);
    match table.schema.find(field, kind) {
        // Plugins that agree on a field share it.
        Ok(Some(field)) => field.cast_mut().cast(),
        Ok(None) if known && !field.is_empty() => {
            table.schema.define(field, kind, false, None).cast_mut().cast()
        }
        Ok(None) => {
            table.errors.set(&format!("a field of type {kind} cannot be added"));
            ptr::null_mut()
        }
        Err(problem) => {
            table.errors.set(&problem);
            ptr::null_mut()
        }
    }
}

unsafe extern "C" fn host_name(t: *mut Handle) -> *const c_char {
    // SAFETY: C ABI.
    unsafe { table(t) }.map_or(ptr::null(), |t| t.schema.name.as_ptr())
}

unsafe extern "C" fn host_size(t: *mut Handle) -> u64 {
    // SAFETY: C ABI.
    unsafe { table(t) }.map_or(0, |t| t.rows.borrow().len() as u64)
}

unsafe extern "C" fn host_get_entry(t: *mut Handle, k: *const Data) -> *mut Entry {
    // SAFETY: C ABI.
    let (Some(table), Some(key)) = (unsafe { (table(t), key(k)) }) else { return ptr::null_mut() };
    if let Some(row) = table.rows.borrow().get(&key) {
        return Rc::into_raw(Rc::clone(row)).cast_mut().cast();
    }
    let (name, key) = (table.schema.name.to_string_lossy(), key as i64);
    table.errors.set(&format!("table {name} has no entry {key}"));
    ptr::null_mut()
}

unsafe extern "C" fn host_read(t: *mut Handle, e: *mut Entry, f: *const FieldHandle, out: *mut Data) -> Rc32 {
    // SAFETY: C ABI; field handles are addresses of fields, which live as long as their schema.
    let (table, row, field) = unsafe { (table(t), row(e), f.cast::<Field>().as_ref()) };
    let (Some(table), Some(row), Some(field), false) = (table, row, field, out.is_null()) else {
        return SS_PLUGIN_FAILURE;
    };
    match table.read(row, field) {
        Ok(value) => {
            // SAFETY: the plugin passes a place for the value.
            unsafe { out.write(value) };
            SS_PLUGIN_SUCCESS
        }
        Err(problem) => {
            table.errors.set(&problem);
            SS_PLUGIN_FAILURE
        }
    }
}

unsafe extern "C" fn host_release(_: *mut Handle, e: *mut Entry) {
    if !e.is_null() {
        // SAFETY: the entry came from `into_raw`, and this is where it is given back.
        drop(unsafe { Rc::from_raw(e.cast::<Row>().cast_const()) });
    }
}

unsafe extern "C" fn host_iterate(t: *mut Handle, it: IteratorFn, state: *mut IteratorState) -> Bool {
    // SAFETY: C ABI.
    let (Some(table), Some(it)) = (unsafe { table(t) }, it) else { return 0 };
    // A copy of the list, because the plugin may change the table while it looks at it.
    let rows: Vec<Rc<Row>> = table.rows.borrow().values().cloned().collect();
    for row in rows {
        // SAFETY: the plugin's function gets its own state and an entry that is lent to it for the call.
        if unsafe { it(state, Rc::as_ptr(&row).cast_mut().cast()) } == 0 {
            return 0;
        }
    }
    1
}

unsafe extern "C" fn host_clear(t: *mut Handle) -> Rc32 {
    // SAFETY: C ABI.
    let Some(table) = (unsafe { table(t) }) else { return SS_PLUGIN_FAILURE };
    let rows = std::mem::take(&mut *table.rows.borrow_mut());
    drop(rows);
    SS_PLUGIN_SUCCESS
}

unsafe extern "C" fn host_erase(t: *mut Handle, k: *const Data) -> Rc32 {
    // SAFETY: C ABI.
    let (Some(table), Some(key)) = (unsafe { (table(t), key(k)) }) else { return SS_PLUGIN_FAILURE };
    let row = table.rows.borrow_mut().remove(&key);
    if row.is_some() { SS_PLUGIN_SUCCESS } else { SS_PLUGIN_NOT_SUPPORTED }
}

unsafe extern "C" fn host_create(t: *mut Handle) -> *mut Entry {
    // SAFETY: C ABI.
    unsafe { table(t) }.map_or(ptr::null_mut(), |t| Rc::into_raw(t.new_row()).cast_mut().cast())
}

unsafe extern "C" fn host_add_entry(t: *mut Handle, k: *const Data, e: *mut Entry) -> *mut Entry {
    // SAFETY: C ABI.
    let (Some(table), Some(key)) = (unsafe { (table(t), key(k)) }) else { return ptr::null_mut() };
    if e.is_null() {
        table.errors.set("a NULL entry cannot be added");
        return ptr::null_mut();
    }
    // SAFETY: the entry came from `create_table_entry` and is given to us here.
    let row = unsafe { Rc::from_raw(e.cast::<Row>().cast_const()) };
    let shared = Rc::clone(&row);
    let replaced = table.rows.borrow_mut().insert(key, row);
    drop(replaced);
    Rc::into_raw(shared).cast_mut().cast()
}

unsafe extern "C" fn host_write(
    t: *mut Handle,
    e: *mut Entry,
    f: *const FieldHandle,
    value: *const Data,
) -> Rc32 {
    // SAFETY: C ABI, as in `host_read`.
    let (table, row, field) = unsafe { (table(t), row(e), f.cast::<Field>().as_ref()) };
    // SAFETY: NULL or valid.
    let value = unsafe { value.as_ref() };
    let (Some(table), Some(row), Some(field), Some(value)) = (table, row, field, value) else {
        return SS_PLUGIN_FAILURE;
    };
    // SAFETY: the plugin has set the member of the field's type.
    let written = unsafe { from_abi(value, field.kind) }.and_then(|v| table.write(row, field, v));
    match written {
        Ok(()) => SS_PLUGIN_SUCCESS,
        Err(problem) => {
            table.errors.set(&problem);
            SS_PLUGIN_FAILURE
        }
    }
}
