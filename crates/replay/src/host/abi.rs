//! Made by bindgen from abi/falco_plugin_abi.h; the test `bindings_are_current` compares and renews it.

pub const FALCO_PLUGIN_API_MAJOR: i32 = 3;
pub const FALCO_PLUGIN_API_MINOR: i32 = 12;
pub const SS_PLUGIN_SUCCESS: i32 = 0;
pub const SS_PLUGIN_FAILURE: i32 = 1;
pub const SS_PLUGIN_TIMEOUT: i32 = -1;
pub const SS_PLUGIN_EOF: i32 = 2;
pub const SS_PLUGIN_NOT_SUPPORTED: i32 = 3;
pub const FTYPE_UINT64: i32 = 8;
pub const FTYPE_STRING: i32 = 9;
pub const FTYPE_RELTIME: i32 = 20;
pub const FTYPE_ABSTIME: i32 = 21;
pub const FTYPE_BOOL: i32 = 25;
pub const FTYPE_IPADDR: i32 = 40;
pub const FTYPE_IPNET: i32 = 41;
pub const SS_PLUGIN_SCHEMA_NONE: i32 = 0;
pub const SS_PLUGIN_SCHEMA_JSON: i32 = 1;
pub const SS_PLUGIN_LOG_SEV_FATAL: i32 = 1;
pub const SS_PLUGIN_LOG_SEV_TRACE: i32 = 8;
pub const SS_PLUGIN_ST_INT8: i32 = 1;
pub const SS_PLUGIN_ST_INT16: i32 = 2;
pub const SS_PLUGIN_ST_INT32: i32 = 3;
pub const SS_PLUGIN_ST_INT64: i32 = 4;
pub const SS_PLUGIN_ST_UINT8: i32 = 5;
pub const SS_PLUGIN_ST_UINT16: i32 = 6;
pub const SS_PLUGIN_ST_UINT32: i32 = 7;
pub const SS_PLUGIN_ST_UINT64: i32 = 8;
pub const SS_PLUGIN_ST_STRING: i32 = 9;
pub const SS_PLUGIN_ST_TABLE: i32 = 10;
pub const SS_PLUGIN_ST_BOOL: i32 = 25;
pub type ss_plugin_bool = u32;
pub type ss_plugin_rc = i32;
pub type ss_plugin_schema_type = u32;
pub type ss_plugin_log_severity = u32;
pub type ss_plugin_t = ::core::ffi::c_void;
pub type ss_plugin_owner_t = ::core::ffi::c_void;
pub type ss_plugin_table_t = ::core::ffi::c_void;
pub type ss_plugin_table_entry_t = ::core::ffi::c_void;
pub type ss_plugin_table_field_t = ::core::ffi::c_void;
pub type ss_plugin_table_iterator_state_t = ::core::ffi::c_void;
pub type ss_plugin_routine_t = ::core::ffi::c_void;
pub type ss_plugin_routine_state_t = ::core::ffi::c_void;
#[repr(C, packed)]
#[derive(Debug, Copy, Clone)]
pub struct ss_plugin_event {
    pub ts: u64,
    pub tid: u64,
    pub len: u32,
    pub type_: u16,
    pub nparams: u32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of ss_plugin_event"][::core::mem::size_of::<ss_plugin_event>() - 26usize];
    [
        "Alignment of ss_plugin_event",
    ][::core::mem::align_of::<ss_plugin_event>() - 1usize];
    [
        "Offset of field: ss_plugin_event::ts",
    ][::core::mem::offset_of!(ss_plugin_event, ts) - 0usize];
    [
        "Offset of field: ss_plugin_event::tid",
    ][::core::mem::offset_of!(ss_plugin_event, tid) - 8usize];
    [
        "Offset of field: ss_plugin_event::len",
    ][::core::mem::offset_of!(ss_plugin_event, len) - 16usize];
    [
        "Offset of field: ss_plugin_event::type_",
    ][::core::mem::offset_of!(ss_plugin_event, type_) - 20usize];
    [
        "Offset of field: ss_plugin_event::nparams",
    ][::core::mem::offset_of!(ss_plugin_event, nparams) - 22usize];
};
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct ss_plugin_event_input {
    pub evt: *const ss_plugin_event,
    pub evtnum: u64,
    pub evtsrc: *const ::core::ffi::c_char,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    [
        "Size of ss_plugin_event_input",
    ][::core::mem::size_of::<ss_plugin_event_input>() - 24usize];
    [
        "Alignment of ss_plugin_event_input",
    ][::core::mem::align_of::<ss_plugin_event_input>() - 8usize];
    [
        "Offset of field: ss_plugin_event_input::evt",
    ][::core::mem::offset_of!(ss_plugin_event_input, evt) - 0usize];
    [
        "Offset of field: ss_plugin_event_input::evtnum",
    ][::core::mem::offset_of!(ss_plugin_event_input, evtnum) - 8usize];
    [
        "Offset of field: ss_plugin_event_input::evtsrc",
    ][::core::mem::offset_of!(ss_plugin_event_input, evtsrc) - 16usize];
};
pub type ss_plugin_state_type = u32;
#[repr(C)]
#[derive(Copy, Clone)]
pub union ss_plugin_state_data {
    pub s8: i8,
    pub s16: i16,
    pub s32: i32,
    pub s64: i64,
    pub u8_: u8,
    pub u16_: u16,
    pub u32_: u32,
    pub u64_: u64,
    pub str_: *const ::core::ffi::c_char,
    pub b: ss_plugin_bool,
    pub table: *mut ss_plugin_table_t,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    [
        "Size of ss_plugin_state_data",
    ][::core::mem::size_of::<ss_plugin_state_data>() - 8usize];
    [
        "Alignment of ss_plugin_state_data",
    ][::core::mem::align_of::<ss_plugin_state_data>() - 8usize];
    [
        "Offset of field: ss_plugin_state_data::s8",
    ][::core::mem::offset_of!(ss_plugin_state_data, s8) - 0usize];
    [
        "Offset of field: ss_plugin_state_data::s16",
    ][::core::mem::offset_of!(ss_plugin_state_data, s16) - 0usize];
    [
        "Offset of field: ss_plugin_state_data::s32",
    ][::core::mem::offset_of!(ss_plugin_state_data, s32) - 0usize];
    [
        "Offset of field: ss_plugin_state_data::s64",
    ][::core::mem::offset_of!(ss_plugin_state_data, s64) - 0usize];
    [
        "Offset of field: ss_plugin_state_data::u8_",
    ][::core::mem::offset_of!(ss_plugin_state_data, u8_) - 0usize];
    [
        "Offset of field: ss_plugin_state_data::u16_",
    ][::core::mem::offset_of!(ss_plugin_state_data, u16_) - 0usize];
    [
        "Offset of field: ss_plugin_state_data::u32_",
    ][::core::mem::offset_of!(ss_plugin_state_data, u32_) - 0usize];
    [
        "Offset of field: ss_plugin_state_data::u64_",
    ][::core::mem::offset_of!(ss_plugin_state_data, u64_) - 0usize];
    [
        "Offset of field: ss_plugin_state_data::str_",
    ][::core::mem::offset_of!(ss_plugin_state_data, str_) - 0usize];
    [
        "Offset of field: ss_plugin_state_data::b",
    ][::core::mem::offset_of!(ss_plugin_state_data, b) - 0usize];
    [
        "Offset of field: ss_plugin_state_data::table",
    ][::core::mem::offset_of!(ss_plugin_state_data, table) - 0usize];
};
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct ss_plugin_table_info {
    pub name: *const ::core::ffi::c_char,
    pub key_type: ss_plugin_state_type,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    [
        "Size of ss_plugin_table_info",
    ][::core::mem::size_of::<ss_plugin_table_info>() - 16usize];
    [
        "Alignment of ss_plugin_table_info",
    ][::core::mem::align_of::<ss_plugin_table_info>() - 8usize];
    [
        "Offset of field: ss_plugin_table_info::name",
    ][::core::mem::offset_of!(ss_plugin_table_info, name) - 0usize];
    [
        "Offset of field: ss_plugin_table_info::key_type",
    ][::core::mem::offset_of!(ss_plugin_table_info, key_type) - 8usize];
};
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct ss_plugin_table_fieldinfo {
    pub name: *const ::core::ffi::c_char,
    pub field_type: ss_plugin_state_type,
    pub read_only: ss_plugin_bool,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    [
        "Size of ss_plugin_table_fieldinfo",
    ][::core::mem::size_of::<ss_plugin_table_fieldinfo>() - 16usize];
    [
        "Alignment of ss_plugin_table_fieldinfo",
    ][::core::mem::align_of::<ss_plugin_table_fieldinfo>() - 8usize];
    [
        "Offset of field: ss_plugin_table_fieldinfo::name",
    ][::core::mem::offset_of!(ss_plugin_table_fieldinfo, name) - 0usize];
    [
        "Offset of field: ss_plugin_table_fieldinfo::field_type",
    ][::core::mem::offset_of!(ss_plugin_table_fieldinfo, field_type) - 8usize];
    [
        "Offset of field: ss_plugin_table_fieldinfo::read_only",
    ][::core::mem::offset_of!(ss_plugin_table_fieldinfo, read_only) - 12usize];
};
pub type ss_list_table_fields_fn = ::core::option::Option<
    unsafe extern "C" fn(
        t: *mut ss_plugin_table_t,
        nfields: *mut u32,
    ) -> *const ss_plugin_table_fieldinfo,
>;
pub type ss_table_field_fn = ::core::option::Option<
    unsafe extern "C" fn(
        t: *mut ss_plugin_table_t,
        name: *const ::core::ffi::c_char,
        type_: ss_plugin_state_type,
    ) -> *mut ss_plugin_table_field_t,
>;
pub type ss_get_table_name_fn = ::core::option::Option<
    unsafe extern "C" fn(t: *mut ss_plugin_table_t) -> *const ::core::ffi::c_char,
>;
pub type ss_get_table_size_fn = ::core::option::Option<
    unsafe extern "C" fn(t: *mut ss_plugin_table_t) -> u64,
>;
pub type ss_get_table_entry_fn = ::core::option::Option<
    unsafe extern "C" fn(
        t: *mut ss_plugin_table_t,
        key: *const ss_plugin_state_data,
    ) -> *mut ss_plugin_table_entry_t,
>;
pub type ss_read_entry_field_fn = ::core::option::Option<
    unsafe extern "C" fn(
        t: *mut ss_plugin_table_t,
        e: *mut ss_plugin_table_entry_t,
        f: *const ss_plugin_table_field_t,
        out: *mut ss_plugin_state_data,
    ) -> ss_plugin_rc,
>;
pub type ss_table_entry_fn = ::core::option::Option<
    unsafe extern "C" fn(t: *mut ss_plugin_table_t, e: *mut ss_plugin_table_entry_t),
>;
pub type ss_plugin_table_iterator_func_t = ::core::option::Option<
    unsafe extern "C" fn(
        s: *mut ss_plugin_table_iterator_state_t,
        e: *mut ss_plugin_table_entry_t,
    ) -> ss_plugin_bool,
>;
pub type ss_iterate_entries_fn = ::core::option::Option<
    unsafe extern "C" fn(
        t: *mut ss_plugin_table_t,
        it: ss_plugin_table_iterator_func_t,
        s: *mut ss_plugin_table_iterator_state_t,
    ) -> ss_plugin_bool,
>;
pub type ss_clear_table_fn = ::core::option::Option<
    unsafe extern "C" fn(t: *mut ss_plugin_table_t) -> ss_plugin_rc,
>;
pub type ss_erase_table_entry_fn = ::core::option::Option<
    unsafe extern "C" fn(
        t: *mut ss_plugin_table_t,
        key: *const ss_plugin_state_data,
    ) -> ss_plugin_rc,
>;
pub type ss_create_table_entry_fn = ::core::option::Option<
    unsafe extern "C" fn(t: *mut ss_plugin_table_t) -> *mut ss_plugin_table_entry_t,
>;
pub type ss_add_table_entry_fn = ::core::option::Option<
    unsafe extern "C" fn(
        t: *mut ss_plugin_table_t,
        key: *const ss_plugin_state_data,
        entry: *mut ss_plugin_table_entry_t,
    ) -> *mut ss_plugin_table_entry_t,
>;
pub type ss_write_entry_field_fn = ::core::option::Option<
    unsafe extern "C" fn(
        t: *mut ss_plugin_table_t,
        e: *mut ss_plugin_table_entry_t,
        f: *const ss_plugin_table_field_t,
        in_: *const ss_plugin_state_data,
    ) -> ss_plugin_rc,
>;
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct ss_plugin_table_fields_vtable {
    pub list_table_fields: ss_list_table_fields_fn,
    pub get_table_field: ss_table_field_fn,
    pub add_table_field: ss_table_field_fn,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    [
        "Size of ss_plugin_table_fields_vtable",
    ][::core::mem::size_of::<ss_plugin_table_fields_vtable>() - 24usize];
    [
        "Alignment of ss_plugin_table_fields_vtable",
    ][::core::mem::align_of::<ss_plugin_table_fields_vtable>() - 8usize];
    [
        "Offset of field: ss_plugin_table_fields_vtable::list_table_fields",
    ][::core::mem::offset_of!(ss_plugin_table_fields_vtable, list_table_fields)
        - 0usize];
    [
        "Offset of field: ss_plugin_table_fields_vtable::get_table_field",
    ][::core::mem::offset_of!(ss_plugin_table_fields_vtable, get_table_field) - 8usize];
    [
        "Offset of field: ss_plugin_table_fields_vtable::add_table_field",
    ][::core::mem::offset_of!(ss_plugin_table_fields_vtable, add_table_field) - 16usize];
};
pub type ss_plugin_table_fields_vtable_ext = ss_plugin_table_fields_vtable;
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct ss_plugin_table_reader_vtable {
    pub get_table_name: ss_get_table_name_fn,
    pub get_table_size: ss_get_table_size_fn,
    pub get_table_entry: ss_get_table_entry_fn,
    pub read_entry_field: ss_read_entry_field_fn,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    [
        "Size of ss_plugin_table_reader_vtable",
    ][::core::mem::size_of::<ss_plugin_table_reader_vtable>() - 32usize];
    [
        "Alignment of ss_plugin_table_reader_vtable",
    ][::core::mem::align_of::<ss_plugin_table_reader_vtable>() - 8usize];
    [
        "Offset of field: ss_plugin_table_reader_vtable::get_table_name",
    ][::core::mem::offset_of!(ss_plugin_table_reader_vtable, get_table_name) - 0usize];
    [
        "Offset of field: ss_plugin_table_reader_vtable::get_table_size",
    ][::core::mem::offset_of!(ss_plugin_table_reader_vtable, get_table_size) - 8usize];
    [
        "Offset of field: ss_plugin_table_reader_vtable::get_table_entry",
    ][::core::mem::offset_of!(ss_plugin_table_reader_vtable, get_table_entry) - 16usize];
    [
        "Offset of field: ss_plugin_table_reader_vtable::read_entry_field",
    ][::core::mem::offset_of!(ss_plugin_table_reader_vtable, read_entry_field)
        - 24usize];
};
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct ss_plugin_table_reader_vtable_ext {
    pub get_table_name: ss_get_table_name_fn,
    pub get_table_size: ss_get_table_size_fn,
    pub get_table_entry: ss_get_table_entry_fn,
    pub read_entry_field: ss_read_entry_field_fn,
    pub release_table_entry: ss_table_entry_fn,
    pub iterate_entries: ss_iterate_entries_fn,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    [
        "Size of ss_plugin_table_reader_vtable_ext",
    ][::core::mem::size_of::<ss_plugin_table_reader_vtable_ext>() - 48usize];
    [
        "Alignment of ss_plugin_table_reader_vtable_ext",
    ][::core::mem::align_of::<ss_plugin_table_reader_vtable_ext>() - 8usize];
    [
        "Offset of field: ss_plugin_table_reader_vtable_ext::get_table_name",
    ][::core::mem::offset_of!(ss_plugin_table_reader_vtable_ext, get_table_name)
        - 0usize];
    [
        "Offset of field: ss_plugin_table_reader_vtable_ext::get_table_size",
    ][::core::mem::offset_of!(ss_plugin_table_reader_vtable_ext, get_table_size)
        - 8usize];
    [
        "Offset of field: ss_plugin_table_reader_vtable_ext::get_table_entry",
    ][::core::mem::offset_of!(ss_plugin_table_reader_vtable_ext, get_table_entry)
        - 16usize];
    [
        "Offset of field: ss_plugin_table_reader_vtable_ext::read_entry_field",
    ][::core::mem::offset_of!(ss_plugin_table_reader_vtable_ext, read_entry_field)
        - 24usize];
    [
        "Offset of field: ss_plugin_table_reader_vtable_ext::release_table_entry",
    ][::core::mem::offset_of!(ss_plugin_table_reader_vtable_ext, release_table_entry)
        - 32usize];
    [
        "Offset of field: ss_plugin_table_reader_vtable_ext::iterate_entries",
    ][::core::mem::offset_of!(ss_plugin_table_reader_vtable_ext, iterate_entries)
        - 40usize];
};
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct ss_plugin_table_writer_vtable {
    pub clear_table: ss_clear_table_fn,
    pub erase_table_entry: ss_erase_table_entry_fn,
    pub create_table_entry: ss_create_table_entry_fn,
    pub destroy_table_entry: ss_table_entry_fn,
    pub add_table_entry: ss_add_table_entry_fn,
    pub write_entry_field: ss_write_entry_field_fn,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    [
        "Size of ss_plugin_table_writer_vtable",
    ][::core::mem::size_of::<ss_plugin_table_writer_vtable>() - 48usize];
    [
        "Alignment of ss_plugin_table_writer_vtable",
    ][::core::mem::align_of::<ss_plugin_table_writer_vtable>() - 8usize];
    [
        "Offset of field: ss_plugin_table_writer_vtable::clear_table",
    ][::core::mem::offset_of!(ss_plugin_table_writer_vtable, clear_table) - 0usize];
    [
        "Offset of field: ss_plugin_table_writer_vtable::erase_table_entry",
    ][::core::mem::offset_of!(ss_plugin_table_writer_vtable, erase_table_entry)
        - 8usize];
    [
        "Offset of field: ss_plugin_table_writer_vtable::create_table_entry",
    ][::core::mem::offset_of!(ss_plugin_table_writer_vtable, create_table_entry)
        - 16usize];
    [
        "Offset of field: ss_plugin_table_writer_vtable::destroy_table_entry",
    ][::core::mem::offset_of!(ss_plugin_table_writer_vtable, destroy_table_entry)
        - 24usize];
    [
        "Offset of field: ss_plugin_table_writer_vtable::add_table_entry",
    ][::core::mem::offset_of!(ss_plugin_table_writer_vtable, add_table_entry) - 32usize];
    [
        "Offset of field: ss_plugin_table_writer_vtable::write_entry_field",
    ][::core::mem::offset_of!(ss_plugin_table_writer_vtable, write_entry_field)
        - 40usize];
};
pub type ss_plugin_table_writer_vtable_ext = ss_plugin_table_writer_vtable;
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct ss_plugin_table_input {
    pub name: *const ::core::ffi::c_char,
    pub key_type: ss_plugin_state_type,
    pub table: *mut ss_plugin_table_t,
    pub reader: ss_plugin_table_reader_vtable,
    pub writer: ss_plugin_table_writer_vtable,
    pub fields: ss_plugin_table_fields_vtable,
    pub reader_ext: *mut ss_plugin_table_reader_vtable_ext,
    pub writer_ext: *mut ss_plugin_table_writer_vtable_ext,
    pub fields_ext: *mut ss_plugin_table_fields_vtable_ext,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    [
        "Size of ss_plugin_table_input",
    ][::core::mem::size_of::<ss_plugin_table_input>() - 152usize];
    [
        "Alignment of ss_plugin_table_input",
    ][::core::mem::align_of::<ss_plugin_table_input>() - 8usize];
    [
        "Offset of field: ss_plugin_table_input::name",
    ][::core::mem::offset_of!(ss_plugin_table_input, name) - 0usize];
    [
        "Offset of field: ss_plugin_table_input::key_type",
    ][::core::mem::offset_of!(ss_plugin_table_input, key_type) - 8usize];
    [
        "Offset of field: ss_plugin_table_input::table",
    ][::core::mem::offset_of!(ss_plugin_table_input, table) - 16usize];
    [
        "Offset of field: ss_plugin_table_input::reader",
    ][::core::mem::offset_of!(ss_plugin_table_input, reader) - 24usize];
    [
        "Offset of field: ss_plugin_table_input::writer",
    ][::core::mem::offset_of!(ss_plugin_table_input, writer) - 56usize];
    [
        "Offset of field: ss_plugin_table_input::fields",
    ][::core::mem::offset_of!(ss_plugin_table_input, fields) - 104usize];
    [
        "Offset of field: ss_plugin_table_input::reader_ext",
    ][::core::mem::offset_of!(ss_plugin_table_input, reader_ext) - 128usize];
    [
        "Offset of field: ss_plugin_table_input::writer_ext",
    ][::core::mem::offset_of!(ss_plugin_table_input, writer_ext) - 136usize];
    [
        "Offset of field: ss_plugin_table_input::fields_ext",
    ][::core::mem::offset_of!(ss_plugin_table_input, fields_ext) - 144usize];
};
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct ss_plugin_init_tables_input {
    pub list_tables: ::core::option::Option<
        unsafe extern "C" fn(
            o: *mut ss_plugin_owner_t,
            ntables: *mut u32,
        ) -> *mut ss_plugin_table_info,
    >,
    pub get_table: ::core::option::Option<
        unsafe extern "C" fn(
            o: *mut ss_plugin_owner_t,
            name: *const ::core::ffi::c_char,
            key_type: ss_plugin_state_type,
        ) -> *mut ss_plugin_table_t,
    >,
    pub add_table: ::core::option::Option<
        unsafe extern "C" fn(
            o: *mut ss_plugin_owner_t,
            in_: *const ss_plugin_table_input,
        ) -> ss_plugin_rc,
    >,
    pub fields: ss_plugin_table_fields_vtable,
    pub fields_ext: *mut ss_plugin_table_fields_vtable_ext,
    pub reader_ext: *mut ss_plugin_table_reader_vtable_ext,
    pub writer_ext: *mut ss_plugin_table_writer_vtable_ext,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    [
        "Size of ss_plugin_init_tables_input",
    ][::core::mem::size_of::<ss_plugin_init_tables_input>() - 72usize];
    [
        "Alignment of ss_plugin_init_tables_input",
    ][::core::mem::align_of::<ss_plugin_init_tables_input>() - 8usize];
    [
        "Offset of field: ss_plugin_init_tables_input::list_tables",
    ][::core::mem::offset_of!(ss_plugin_init_tables_input, list_tables) - 0usize];
    [
        "Offset of field: ss_plugin_init_tables_input::get_table",
    ][::core::mem::offset_of!(ss_plugin_init_tables_input, get_table) - 8usize];
    [
        "Offset of field: ss_plugin_init_tables_input::add_table",
    ][::core::mem::offset_of!(ss_plugin_init_tables_input, add_table) - 16usize];
    [
        "Offset of field: ss_plugin_init_tables_input::fields",
    ][::core::mem::offset_of!(ss_plugin_init_tables_input, fields) - 24usize];
    [
        "Offset of field: ss_plugin_init_tables_input::fields_ext",
    ][::core::mem::offset_of!(ss_plugin_init_tables_input, fields_ext) - 48usize];
    [
        "Offset of field: ss_plugin_init_tables_input::reader_ext",
    ][::core::mem::offset_of!(ss_plugin_init_tables_input, reader_ext) - 56usize];
    [
        "Offset of field: ss_plugin_init_tables_input::writer_ext",
    ][::core::mem::offset_of!(ss_plugin_init_tables_input, writer_ext) - 64usize];
};
pub type ss_owner_error_fn = ::core::option::Option<
    unsafe extern "C" fn(o: *mut ss_plugin_owner_t) -> *const ::core::ffi::c_char,
>;
pub type ss_plugin_log_fn_t = ::core::option::Option<
    unsafe extern "C" fn(
        o: *mut ss_plugin_owner_t,
        component: *const ::core::ffi::c_char,
        msg: *const ::core::ffi::c_char,
        sev: ss_plugin_log_severity,
    ),
>;
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct ss_plugin_init_input {
    pub config: *const ::core::ffi::c_char,
    pub owner: *mut ss_plugin_owner_t,
    pub get_owner_last_error: ss_owner_error_fn,
    pub tables: *const ss_plugin_init_tables_input,
    pub log_fn: ss_plugin_log_fn_t,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    [
        "Size of ss_plugin_init_input",
    ][::core::mem::size_of::<ss_plugin_init_input>() - 40usize];
    [
        "Alignment of ss_plugin_init_input",
    ][::core::mem::align_of::<ss_plugin_init_input>() - 8usize];
    [
        "Offset of field: ss_plugin_init_input::config",
    ][::core::mem::offset_of!(ss_plugin_init_input, config) - 0usize];
    [
        "Offset of field: ss_plugin_init_input::owner",
    ][::core::mem::offset_of!(ss_plugin_init_input, owner) - 8usize];
    [
        "Offset of field: ss_plugin_init_input::get_owner_last_error",
    ][::core::mem::offset_of!(ss_plugin_init_input, get_owner_last_error) - 16usize];
    [
        "Offset of field: ss_plugin_init_input::tables",
    ][::core::mem::offset_of!(ss_plugin_init_input, tables) - 24usize];
    [
        "Offset of field: ss_plugin_init_input::log_fn",
    ][::core::mem::offset_of!(ss_plugin_init_input, log_fn) - 32usize];
};
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct ss_plugin_byte_buffer {
    pub len: u32,
    pub ptr: *const ::core::ffi::c_void,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    [
        "Size of ss_plugin_byte_buffer",
    ][::core::mem::size_of::<ss_plugin_byte_buffer>() - 16usize];
    [
        "Alignment of ss_plugin_byte_buffer",
    ][::core::mem::align_of::<ss_plugin_byte_buffer>() - 8usize];
    [
        "Offset of field: ss_plugin_byte_buffer::len",
    ][::core::mem::offset_of!(ss_plugin_byte_buffer, len) - 0usize];
    [
        "Offset of field: ss_plugin_byte_buffer::ptr",
    ][::core::mem::offset_of!(ss_plugin_byte_buffer, ptr) - 8usize];
};
#[repr(C)]
#[derive(Copy, Clone)]
pub struct ss_plugin_extract_field {
    pub res: ss_plugin_extract_field__bindgen_ty_1,
    pub res_len: u64,
    pub field_id: u32,
    pub field: *const ::core::ffi::c_char,
    pub arg_key: *const ::core::ffi::c_char,
    pub arg_index: u64,
    pub arg_present: ss_plugin_bool,
    pub ftype: u32,
    pub flist: ss_plugin_bool,
}
#[repr(C)]
#[derive(Copy, Clone)]
pub union ss_plugin_extract_field__bindgen_ty_1 {
    pub str_: *mut *const ::core::ffi::c_char,
    pub u64_: *mut u64,
    pub u32_: *mut u32,
    pub boolean: *mut ss_plugin_bool,
    pub buf: *mut ss_plugin_byte_buffer,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    [
        "Size of ss_plugin_extract_field__bindgen_ty_1",
    ][::core::mem::size_of::<ss_plugin_extract_field__bindgen_ty_1>() - 8usize];
    [
        "Alignment of ss_plugin_extract_field__bindgen_ty_1",
    ][::core::mem::align_of::<ss_plugin_extract_field__bindgen_ty_1>() - 8usize];
    [
        "Offset of field: ss_plugin_extract_field__bindgen_ty_1::str_",
    ][::core::mem::offset_of!(ss_plugin_extract_field__bindgen_ty_1, str_) - 0usize];
    [
        "Offset of field: ss_plugin_extract_field__bindgen_ty_1::u64_",
    ][::core::mem::offset_of!(ss_plugin_extract_field__bindgen_ty_1, u64_) - 0usize];
    [
        "Offset of field: ss_plugin_extract_field__bindgen_ty_1::u32_",
    ][::core::mem::offset_of!(ss_plugin_extract_field__bindgen_ty_1, u32_) - 0usize];
    [
        "Offset of field: ss_plugin_extract_field__bindgen_ty_1::boolean",
    ][::core::mem::offset_of!(ss_plugin_extract_field__bindgen_ty_1, boolean) - 0usize];
    [
        "Offset of field: ss_plugin_extract_field__bindgen_ty_1::buf",
    ][::core::mem::offset_of!(ss_plugin_extract_field__bindgen_ty_1, buf) - 0usize];
};
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    [
        "Size of ss_plugin_extract_field",
    ][::core::mem::size_of::<ss_plugin_extract_field>() - 64usize];
    [
        "Alignment of ss_plugin_extract_field",
    ][::core::mem::align_of::<ss_plugin_extract_field>() - 8usize];
    [
        "Offset of field: ss_plugin_extract_field::res",
    ][::core::mem::offset_of!(ss_plugin_extract_field, res) - 0usize];
    [
        "Offset of field: ss_plugin_extract_field::res_len",
    ][::core::mem::offset_of!(ss_plugin_extract_field, res_len) - 8usize];
    [
        "Offset of field: ss_plugin_extract_field::field_id",
    ][::core::mem::offset_of!(ss_plugin_extract_field, field_id) - 16usize];
    [
        "Offset of field: ss_plugin_extract_field::field",
    ][::core::mem::offset_of!(ss_plugin_extract_field, field) - 24usize];
    [
        "Offset of field: ss_plugin_extract_field::arg_key",
    ][::core::mem::offset_of!(ss_plugin_extract_field, arg_key) - 32usize];
    [
        "Offset of field: ss_plugin_extract_field::arg_index",
    ][::core::mem::offset_of!(ss_plugin_extract_field, arg_index) - 40usize];
    [
        "Offset of field: ss_plugin_extract_field::arg_present",
    ][::core::mem::offset_of!(ss_plugin_extract_field, arg_present) - 48usize];
    [
        "Offset of field: ss_plugin_extract_field::ftype",
    ][::core::mem::offset_of!(ss_plugin_extract_field, ftype) - 52usize];
    [
        "Offset of field: ss_plugin_extract_field::flist",
    ][::core::mem::offset_of!(ss_plugin_extract_field, flist) - 56usize];
};
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct ss_plugin_extract_value_offsets {
    pub start: *mut u32,
    pub length: *mut u32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    [
        "Size of ss_plugin_extract_value_offsets",
    ][::core::mem::size_of::<ss_plugin_extract_value_offsets>() - 16usize];
    [
        "Alignment of ss_plugin_extract_value_offsets",
    ][::core::mem::align_of::<ss_plugin_extract_value_offsets>() - 8usize];
    [
        "Offset of field: ss_plugin_extract_value_offsets::start",
    ][::core::mem::offset_of!(ss_plugin_extract_value_offsets, start) - 0usize];
    [
        "Offset of field: ss_plugin_extract_value_offsets::length",
    ][::core::mem::offset_of!(ss_plugin_extract_value_offsets, length) - 8usize];
};
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct ss_plugin_field_extract_input {
    pub owner: *mut ss_plugin_owner_t,
    pub get_owner_last_error: ss_owner_error_fn,
    pub num_fields: u32,
    pub fields: *mut ss_plugin_extract_field,
    pub table_reader: ss_plugin_table_reader_vtable,
    pub table_reader_ext: *mut ss_plugin_table_reader_vtable_ext,
    pub value_offsets: *mut ss_plugin_extract_value_offsets,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    [
        "Size of ss_plugin_field_extract_input",
    ][::core::mem::size_of::<ss_plugin_field_extract_input>() - 80usize];
    [
        "Alignment of ss_plugin_field_extract_input",
    ][::core::mem::align_of::<ss_plugin_field_extract_input>() - 8usize];
    [
        "Offset of field: ss_plugin_field_extract_input::owner",
    ][::core::mem::offset_of!(ss_plugin_field_extract_input, owner) - 0usize];
    [
        "Offset of field: ss_plugin_field_extract_input::get_owner_last_error",
    ][::core::mem::offset_of!(ss_plugin_field_extract_input, get_owner_last_error)
        - 8usize];
    [
        "Offset of field: ss_plugin_field_extract_input::num_fields",
    ][::core::mem::offset_of!(ss_plugin_field_extract_input, num_fields) - 16usize];
    [
        "Offset of field: ss_plugin_field_extract_input::fields",
    ][::core::mem::offset_of!(ss_plugin_field_extract_input, fields) - 24usize];
    [
        "Offset of field: ss_plugin_field_extract_input::table_reader",
    ][::core::mem::offset_of!(ss_plugin_field_extract_input, table_reader) - 32usize];
    [
        "Offset of field: ss_plugin_field_extract_input::table_reader_ext",
    ][::core::mem::offset_of!(ss_plugin_field_extract_input, table_reader_ext)
        - 64usize];
    [
        "Offset of field: ss_plugin_field_extract_input::value_offsets",
    ][::core::mem::offset_of!(ss_plugin_field_extract_input, value_offsets) - 72usize];
};
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct ss_plugin_event_parse_input {
    pub owner: *mut ss_plugin_owner_t,
    pub get_owner_last_error: ss_owner_error_fn,
    pub table_reader: ss_plugin_table_reader_vtable,
    pub table_writer: ss_plugin_table_writer_vtable,
    pub table_reader_ext: *mut ss_plugin_table_reader_vtable_ext,
    pub table_writer_ext: *mut ss_plugin_table_writer_vtable_ext,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    [
        "Size of ss_plugin_event_parse_input",
    ][::core::mem::size_of::<ss_plugin_event_parse_input>() - 112usize];
    [
        "Alignment of ss_plugin_event_parse_input",
    ][::core::mem::align_of::<ss_plugin_event_parse_input>() - 8usize];
    [
        "Offset of field: ss_plugin_event_parse_input::owner",
    ][::core::mem::offset_of!(ss_plugin_event_parse_input, owner) - 0usize];
    [
        "Offset of field: ss_plugin_event_parse_input::get_owner_last_error",
    ][::core::mem::offset_of!(ss_plugin_event_parse_input, get_owner_last_error)
        - 8usize];
    [
        "Offset of field: ss_plugin_event_parse_input::table_reader",
    ][::core::mem::offset_of!(ss_plugin_event_parse_input, table_reader) - 16usize];
    [
        "Offset of field: ss_plugin_event_parse_input::table_writer",
    ][::core::mem::offset_of!(ss_plugin_event_parse_input, table_writer) - 48usize];
    [
        "Offset of field: ss_plugin_event_parse_input::table_reader_ext",
    ][::core::mem::offset_of!(ss_plugin_event_parse_input, table_reader_ext) - 96usize];
    [
        "Offset of field: ss_plugin_event_parse_input::table_writer_ext",
    ][::core::mem::offset_of!(ss_plugin_event_parse_input, table_writer_ext) - 104usize];
};
pub type ss_plugin_routine_fn_t = ::core::option::Option<
    unsafe extern "C" fn(
        s: *mut ss_plugin_t,
        i: *mut ss_plugin_routine_state_t,
    ) -> ss_plugin_bool,
>;
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct ss_plugin_routine_vtable {
    pub subscribe: ::core::option::Option<
        unsafe extern "C" fn(
            o: *mut ss_plugin_owner_t,
            f: ss_plugin_routine_fn_t,
            i: *mut ss_plugin_routine_state_t,
        ) -> *mut ss_plugin_routine_t,
    >,
    pub unsubscribe: ::core::option::Option<
        unsafe extern "C" fn(
            o: *mut ss_plugin_owner_t,
            r: *mut ss_plugin_routine_t,
        ) -> ss_plugin_rc,
    >,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    [
        "Size of ss_plugin_routine_vtable",
    ][::core::mem::size_of::<ss_plugin_routine_vtable>() - 16usize];
    [
        "Alignment of ss_plugin_routine_vtable",
    ][::core::mem::align_of::<ss_plugin_routine_vtable>() - 8usize];
    [
        "Offset of field: ss_plugin_routine_vtable::subscribe",
    ][::core::mem::offset_of!(ss_plugin_routine_vtable, subscribe) - 0usize];
    [
        "Offset of field: ss_plugin_routine_vtable::unsubscribe",
    ][::core::mem::offset_of!(ss_plugin_routine_vtable, unsubscribe) - 8usize];
};
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct ss_plugin_capture_listen_input {
    pub owner: *mut ss_plugin_owner_t,
    pub routine: *mut ss_plugin_routine_vtable,
    pub table_reader_ext: *mut ss_plugin_table_reader_vtable_ext,
    pub table_writer_ext: *mut ss_plugin_table_writer_vtable_ext,
    pub get_owner_last_error: ss_owner_error_fn,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    [
        "Size of ss_plugin_capture_listen_input",
    ][::core::mem::size_of::<ss_plugin_capture_listen_input>() - 40usize];
    [
        "Alignment of ss_plugin_capture_listen_input",
    ][::core::mem::align_of::<ss_plugin_capture_listen_input>() - 8usize];
    [
        "Offset of field: ss_plugin_capture_listen_input::owner",
    ][::core::mem::offset_of!(ss_plugin_capture_listen_input, owner) - 0usize];
    [
        "Offset of field: ss_plugin_capture_listen_input::routine",
    ][::core::mem::offset_of!(ss_plugin_capture_listen_input, routine) - 8usize];
    [
        "Offset of field: ss_plugin_capture_listen_input::table_reader_ext",
    ][::core::mem::offset_of!(ss_plugin_capture_listen_input, table_reader_ext)
        - 16usize];
    [
        "Offset of field: ss_plugin_capture_listen_input::table_writer_ext",
    ][::core::mem::offset_of!(ss_plugin_capture_listen_input, table_writer_ext)
        - 24usize];
    [
        "Offset of field: ss_plugin_capture_listen_input::get_owner_last_error",
    ][::core::mem::offset_of!(ss_plugin_capture_listen_input, get_owner_last_error)
        - 32usize];
};
pub type falco_plugin_string_fn = ::core::option::Option<
    unsafe extern "C" fn() -> *const ::core::ffi::c_char,
>;
pub type falco_plugin_state_string_fn = ::core::option::Option<
    unsafe extern "C" fn(s: *mut ss_plugin_t) -> *const ::core::ffi::c_char,
>;
pub type falco_plugin_get_init_schema_fn = ::core::option::Option<
    unsafe extern "C" fn(
        schema_type: *mut ss_plugin_schema_type,
    ) -> *const ::core::ffi::c_char,
>;
pub type falco_plugin_init_fn = ::core::option::Option<
    unsafe extern "C" fn(
        input: *const ss_plugin_init_input,
        rc: *mut ss_plugin_rc,
    ) -> *mut ss_plugin_t,
>;
pub type falco_plugin_destroy_fn = ::core::option::Option<
    unsafe extern "C" fn(s: *mut ss_plugin_t),
>;
pub type falco_plugin_event_types_fn = ::core::option::Option<
    unsafe extern "C" fn(numtypes: *mut u32, s: *mut ss_plugin_t) -> *mut u16,
>;
pub type falco_plugin_parse_event_fn = ::core::option::Option<
    unsafe extern "C" fn(
        s: *mut ss_plugin_t,
        evt: *const ss_plugin_event_input,
        in_: *const ss_plugin_event_parse_input,
    ) -> ss_plugin_rc,
>;
pub type falco_plugin_extract_fields_fn = ::core::option::Option<
    unsafe extern "C" fn(
        s: *mut ss_plugin_t,
        evt: *const ss_plugin_event_input,
        in_: *const ss_plugin_field_extract_input,
    ) -> ss_plugin_rc,
>;
pub type falco_plugin_capture_fn = ::core::option::Option<
    unsafe extern "C" fn(
        s: *mut ss_plugin_t,
        i: *const ss_plugin_capture_listen_input,
    ) -> ss_plugin_rc,
>;
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct falco_plugin_symbols {
    pub get_required_api_version: falco_plugin_string_fn,
    pub get_name: falco_plugin_string_fn,
    pub get_description: falco_plugin_string_fn,
    pub get_contact: falco_plugin_string_fn,
    pub get_version: falco_plugin_string_fn,
    pub get_last_error: falco_plugin_state_string_fn,
    pub init: falco_plugin_init_fn,
    pub destroy: falco_plugin_destroy_fn,
    pub get_init_schema: falco_plugin_get_init_schema_fn,
    pub get_required_event_schema_version: falco_plugin_state_string_fn,
    pub get_parse_event_types: falco_plugin_event_types_fn,
    pub get_parse_event_sources: falco_plugin_string_fn,
    pub parse_event: falco_plugin_parse_event_fn,
    pub get_fields: falco_plugin_string_fn,
    pub get_extract_event_types: falco_plugin_event_types_fn,
    pub get_extract_event_sources: falco_plugin_string_fn,
    pub extract_fields: falco_plugin_extract_fields_fn,
    pub capture_open: falco_plugin_capture_fn,
    pub capture_close: falco_plugin_capture_fn,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    [
        "Size of falco_plugin_symbols",
    ][::core::mem::size_of::<falco_plugin_symbols>() - 152usize];
    [
        "Alignment of falco_plugin_symbols",
    ][::core::mem::align_of::<falco_plugin_symbols>() - 8usize];
    [
        "Offset of field: falco_plugin_symbols::get_required_api_version",
    ][::core::mem::offset_of!(falco_plugin_symbols, get_required_api_version) - 0usize];
    [
        "Offset of field: falco_plugin_symbols::get_name",
    ][::core::mem::offset_of!(falco_plugin_symbols, get_name) - 8usize];
    [
        "Offset of field: falco_plugin_symbols::get_description",
    ][::core::mem::offset_of!(falco_plugin_symbols, get_description) - 16usize];
    [
        "Offset of field: falco_plugin_symbols::get_contact",
    ][::core::mem::offset_of!(falco_plugin_symbols, get_contact) - 24usize];
    [
        "Offset of field: falco_plugin_symbols::get_version",
    ][::core::mem::offset_of!(falco_plugin_symbols, get_version) - 32usize];
    [
        "Offset of field: falco_plugin_symbols::get_last_error",
    ][::core::mem::offset_of!(falco_plugin_symbols, get_last_error) - 40usize];
    [
        "Offset of field: falco_plugin_symbols::init",
    ][::core::mem::offset_of!(falco_plugin_symbols, init) - 48usize];
    [
        "Offset of field: falco_plugin_symbols::destroy",
    ][::core::mem::offset_of!(falco_plugin_symbols, destroy) - 56usize];
    [
        "Offset of field: falco_plugin_symbols::get_init_schema",
    ][::core::mem::offset_of!(falco_plugin_symbols, get_init_schema) - 64usize];
    [
        "Offset of field: falco_plugin_symbols::get_required_event_schema_version",
    ][::core::mem::offset_of!(falco_plugin_symbols, get_required_event_schema_version)
        - 72usize];
    [
        "Offset of field: falco_plugin_symbols::get_parse_event_types",
    ][::core::mem::offset_of!(falco_plugin_symbols, get_parse_event_types) - 80usize];
    [
        "Offset of field: falco_plugin_symbols::get_parse_event_sources",
    ][::core::mem::offset_of!(falco_plugin_symbols, get_parse_event_sources) - 88usize];
    [
        "Offset of field: falco_plugin_symbols::parse_event",
    ][::core::mem::offset_of!(falco_plugin_symbols, parse_event) - 96usize];
    [
        "Offset of field: falco_plugin_symbols::get_fields",
    ][::core::mem::offset_of!(falco_plugin_symbols, get_fields) - 104usize];
    [
        "Offset of field: falco_plugin_symbols::get_extract_event_types",
    ][::core::mem::offset_of!(falco_plugin_symbols, get_extract_event_types) - 112usize];
    [
        "Offset of field: falco_plugin_symbols::get_extract_event_sources",
    ][::core::mem::offset_of!(falco_plugin_symbols, get_extract_event_sources)
        - 120usize];
    [
        "Offset of field: falco_plugin_symbols::extract_fields",
    ][::core::mem::offset_of!(falco_plugin_symbols, extract_fields) - 128usize];
    [
        "Offset of field: falco_plugin_symbols::capture_open",
    ][::core::mem::offset_of!(falco_plugin_symbols, capture_open) - 136usize];
    [
        "Offset of field: falco_plugin_symbols::capture_close",
    ][::core::mem::offset_of!(falco_plugin_symbols, capture_close) - 144usize];
};
