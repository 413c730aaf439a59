/* SPDX-License-Identifier: Apache-2.0
 *
 * The part of Falco's plugin ABI (version 3.12) that a host needs which feeds recorded events to a plugin. Sizes,
 * orders and numbers are Falco's: its loader and any plugin rely on them. The file is the source of src/host/abi.rs
 * (made by bindgen, a test compares the two) and is what host_c/ and the test plugins include.
 *
 * Everything that a plugin returns stays the plugin's until the next call of the same function.
 */
#ifndef SYSFLOW_FALCO_PLUGIN_ABI_H
#define SYSFLOW_FALCO_PLUGIN_ABI_H

#include <stdint.h>

#define FALCO_PLUGIN_API_MAJOR 3
#define FALCO_PLUGIN_API_MINOR 12

typedef uint32_t ss_plugin_bool;

/* What most functions return. */
typedef int32_t ss_plugin_rc;
#define SS_PLUGIN_SUCCESS 0
#define SS_PLUGIN_FAILURE 1
#define SS_PLUGIN_TIMEOUT (-1)
#define SS_PLUGIN_EOF 2
#define SS_PLUGIN_NOT_SUPPORTED 3

/* Types of extracted fields. */
#define FTYPE_UINT64 8
#define FTYPE_STRING 9
#define FTYPE_RELTIME 20
#define FTYPE_ABSTIME 21
#define FTYPE_BOOL 25
#define FTYPE_IPADDR 40
#define FTYPE_IPNET 41

/* How the init configuration is described. */
typedef uint32_t ss_plugin_schema_type;
#define SS_PLUGIN_SCHEMA_NONE 0
#define SS_PLUGIN_SCHEMA_JSON 1

typedef uint32_t ss_plugin_log_severity;
#define SS_PLUGIN_LOG_SEV_FATAL 1
#define SS_PLUGIN_LOG_SEV_TRACE 8

/* Opaque to one side or the other. */
typedef void ss_plugin_t;
typedef void ss_plugin_owner_t;
typedef void ss_plugin_table_t;
typedef void ss_plugin_table_entry_t;
typedef void ss_plugin_table_field_t;
typedef void ss_plugin_table_iterator_state_t;
typedef void ss_plugin_routine_t;
typedef void ss_plugin_routine_state_t;

/* ---- events ------------------------------------------------------------------------------------------------- */

/* Followed by the lengths of the parameters (16 or 32 bits each, by type) and the parameters. */
#pragma pack(push, 1)
typedef struct ss_plugin_event {
	uint64_t ts;      /* ns since the epoch */
	uint64_t tid;     /* all ones: no thread */
	uint32_t len;     /* of the whole event */
	uint16_t type;
	uint32_t nparams;
} ss_plugin_event;
#pragma pack(pop)

typedef struct ss_plugin_event_input {
	const ss_plugin_event* evt;
	uint64_t evtnum;
	const char* evtsrc;
} ss_plugin_event_input;

/* ---- tables ------------------------------------------------------------------------------------------------- */

typedef uint32_t ss_plugin_state_type;
#define SS_PLUGIN_ST_INT8 1
#define SS_PLUGIN_ST_INT16 2
#define SS_PLUGIN_ST_INT32 3
#define SS_PLUGIN_ST_INT64 4
#define SS_PLUGIN_ST_UINT8 5
#define SS_PLUGIN_ST_UINT16 6
#define SS_PLUGIN_ST_UINT32 7
#define SS_PLUGIN_ST_UINT64 8
#define SS_PLUGIN_ST_STRING 9
#define SS_PLUGIN_ST_TABLE 10
#define SS_PLUGIN_ST_BOOL 25

typedef union ss_plugin_state_data {
	int8_t s8;
	int16_t s16;
	int32_t s32;
	int64_t s64;
	uint8_t u8;
	uint16_t u16;
	uint32_t u32;
	uint64_t u64;
	const char* str;
	ss_plugin_bool b;
	ss_plugin_table_t* table;
} ss_plugin_state_data;

typedef struct ss_plugin_table_info {
	const char* name;
	ss_plugin_state_type key_type;
} ss_plugin_table_info;

typedef struct ss_plugin_table_fieldinfo {
	const char* name;
	ss_plugin_state_type field_type;
	ss_plugin_bool read_only;
} ss_plugin_table_fieldinfo;

typedef const ss_plugin_table_fieldinfo* (*ss_list_table_fields_fn)(ss_plugin_table_t* t, uint32_t* nfields);
typedef ss_plugin_table_field_t* (*ss_table_field_fn)(ss_plugin_table_t* t, const char* name, ss_plugin_state_type type);
typedef const char* (*ss_get_table_name_fn)(ss_plugin_table_t* t);
typedef uint64_t (*ss_get_table_size_fn)(ss_plugin_table_t* t);
typedef ss_plugin_table_entry_t* (*ss_get_table_entry_fn)(ss_plugin_table_t* t, const ss_plugin_state_data* key);
typedef ss_plugin_rc (*ss_read_entry_field_fn)(ss_plugin_table_t* t,
                                               ss_plugin_table_entry_t* e,
                                               const ss_plugin_table_field_t* f,
                                               ss_plugin_state_data* out);
typedef void (*ss_table_entry_fn)(ss_plugin_table_t* t, ss_plugin_table_entry_t* e);
/* False ends the iteration. */
typedef ss_plugin_bool (*ss_plugin_table_iterator_func_t)(ss_plugin_table_iterator_state_t* s, ss_plugin_table_entry_t* e);
typedef ss_plugin_bool (*ss_iterate_entries_fn)(ss_plugin_table_t* t,
                                                ss_plugin_table_iterator_func_t it,
                                                ss_plugin_table_iterator_state_t* s);
typedef ss_plugin_rc (*ss_clear_table_fn)(ss_plugin_table_t* t);
typedef ss_plugin_rc (*ss_erase_table_entry_fn)(ss_plugin_table_t* t, const ss_plugin_state_data* key);
typedef ss_plugin_table_entry_t* (*ss_create_table_entry_fn)(ss_plugin_table_t* t);
typedef ss_plugin_table_entry_t* (*ss_add_table_entry_fn)(ss_plugin_table_t* t,
                                                          const ss_plugin_state_data* key,
                                                          ss_plugin_table_entry_t* entry);
typedef ss_plugin_rc (*ss_write_entry_field_fn)(ss_plugin_table_t* t,
                                                ss_plugin_table_entry_t* e,
                                                const ss_plugin_table_field_t* f,
                                                const ss_plugin_state_data* in);

/* The tables of functions without _ext are those of API versions before 3.2. */
typedef struct {
	ss_list_table_fields_fn list_table_fields;
	ss_table_field_fn get_table_field;
	ss_table_field_fn add_table_field;
} ss_plugin_table_fields_vtable;

typedef ss_plugin_table_fields_vtable ss_plugin_table_fields_vtable_ext;

typedef struct {
	ss_get_table_name_fn get_table_name;
	ss_get_table_size_fn get_table_size;
	ss_get_table_entry_fn get_table_entry;
	ss_read_entry_field_fn read_entry_field;
} ss_plugin_table_reader_vtable;

typedef struct {
	ss_get_table_name_fn get_table_name;
	ss_get_table_size_fn get_table_size;
	ss_get_table_entry_fn get_table_entry; /* to be given back with release_table_entry */
	ss_read_entry_field_fn read_entry_field;
	ss_table_entry_fn release_table_entry;
	ss_iterate_entries_fn iterate_entries;
} ss_plugin_table_reader_vtable_ext;

typedef struct {
	ss_clear_table_fn clear_table;
	ss_erase_table_entry_fn erase_table_entry;
	ss_create_table_entry_fn create_table_entry; /* to be given back by destroy_ or add_table_entry */
	ss_table_entry_fn destroy_table_entry;
	ss_add_table_entry_fn add_table_entry; /* what it returns is to be released */
	ss_write_entry_field_fn write_entry_field;
} ss_plugin_table_writer_vtable;

typedef ss_plugin_table_writer_vtable ss_plugin_table_writer_vtable_ext;

/* A table with the functions that work on `table`. A handle of a table (ss_plugin_table_t), be it from get_table or
 * the value of a field of type table, points to one of these; the functions that come with init, parse, extract
 * and capture_open take such handles. */
typedef struct {
	const char* name;
	ss_plugin_state_type key_type;
	ss_plugin_table_t* table;
	ss_plugin_table_reader_vtable reader;
	ss_plugin_table_writer_vtable writer;
	ss_plugin_table_fields_vtable fields;
	ss_plugin_table_reader_vtable_ext* reader_ext;
	ss_plugin_table_writer_vtable_ext* writer_ext;
	ss_plugin_table_fields_vtable_ext* fields_ext;
} ss_plugin_table_input;

typedef struct {
	ss_plugin_table_info* (*list_tables)(ss_plugin_owner_t* o, uint32_t* ntables);
	ss_plugin_table_t* (*get_table)(ss_plugin_owner_t* o, const char* name, ss_plugin_state_type key_type);
	ss_plugin_rc (*add_table)(ss_plugin_owner_t* o, const ss_plugin_table_input* in);
	ss_plugin_table_fields_vtable fields;
	ss_plugin_table_fields_vtable_ext* fields_ext;
	ss_plugin_table_reader_vtable_ext* reader_ext;
	ss_plugin_table_writer_vtable_ext* writer_ext;
} ss_plugin_init_tables_input;

/* ---- what the host passes ----------------------------------------------------------------------------------- */

typedef const char* (*ss_owner_error_fn)(ss_plugin_owner_t* o);
typedef void (*ss_plugin_log_fn_t)(ss_plugin_owner_t* o, const char* component, const char* msg, ss_plugin_log_severity sev);

typedef struct ss_plugin_init_input {
	const char* config;
	ss_plugin_owner_t* owner;
	ss_owner_error_fn get_owner_last_error;
	const ss_plugin_init_tables_input* tables; /* only for plugins that parse or extract */
	ss_plugin_log_fn_t log_fn;
} ss_plugin_init_input;

typedef struct ss_plugin_byte_buffer {
	uint32_t len;
	const void* ptr;
} ss_plugin_byte_buffer;

typedef struct ss_plugin_extract_field {
	union {
		const char** str;
		uint64_t* u64;
		uint32_t* u32;
		ss_plugin_bool* boolean;
		ss_plugin_byte_buffer* buf;
	} res;            /* set by the plugin */
	uint64_t res_len; /* set by the plugin; 0 is no value */
	uint32_t field_id;
	const char* field;
	const char* arg_key;
	uint64_t arg_index;
	ss_plugin_bool arg_present;
	uint32_t ftype;
	ss_plugin_bool flist;
} ss_plugin_extract_field;

typedef struct ss_plugin_extract_value_offsets {
	uint32_t* start;
	uint32_t* length;
} ss_plugin_extract_value_offsets;

typedef struct ss_plugin_field_extract_input {
	ss_plugin_owner_t* owner;
	ss_owner_error_fn get_owner_last_error;
	uint32_t num_fields;
	ss_plugin_extract_field* fields;
	ss_plugin_table_reader_vtable table_reader;
	ss_plugin_table_reader_vtable_ext* table_reader_ext;
	ss_plugin_extract_value_offsets* value_offsets;
} ss_plugin_field_extract_input;

typedef struct ss_plugin_event_parse_input {
	ss_plugin_owner_t* owner;
	ss_owner_error_fn get_owner_last_error;
	ss_plugin_table_reader_vtable table_reader;
	ss_plugin_table_writer_vtable table_writer;
	ss_plugin_table_reader_vtable_ext* table_reader_ext;
	ss_plugin_table_writer_vtable_ext* table_writer_ext;
} ss_plugin_event_parse_input;

/* Runs again and again until it returns false. */
typedef ss_plugin_bool (*ss_plugin_routine_fn_t)(ss_plugin_t* s, ss_plugin_routine_state_t* i);

typedef struct {
	ss_plugin_routine_t* (*subscribe)(ss_plugin_owner_t* o, ss_plugin_routine_fn_t f, ss_plugin_routine_state_t* i);
	ss_plugin_rc (*unsubscribe)(ss_plugin_owner_t* o, ss_plugin_routine_t* r);
} ss_plugin_routine_vtable;

typedef struct ss_plugin_capture_listen_input {
	ss_plugin_owner_t* owner;
	ss_plugin_routine_vtable* routine;
	ss_plugin_table_reader_vtable_ext* table_reader_ext;
	ss_plugin_table_writer_vtable_ext* table_writer_ext;
	ss_owner_error_fn get_owner_last_error;
} ss_plugin_capture_listen_input;

/* ---- what a plugin exports ---------------------------------------------------------------------------------- */

/* plugin_get_required_api_version, _get_name, _get_description, _get_contact, _get_version, _get_fields,
 * _get_parse_event_sources, _get_extract_event_sources */
typedef const char* (*falco_plugin_string_fn)(void);
/* plugin_get_last_error, plugin_get_required_event_schema_version */
typedef const char* (*falco_plugin_state_string_fn)(ss_plugin_t* s);
typedef const char* (*falco_plugin_get_init_schema_fn)(ss_plugin_schema_type* schema_type);
typedef ss_plugin_t* (*falco_plugin_init_fn)(const ss_plugin_init_input* input, ss_plugin_rc* rc);
typedef void (*falco_plugin_destroy_fn)(ss_plugin_t* s);
/* plugin_get_parse_event_types, plugin_get_extract_event_types */
typedef uint16_t* (*falco_plugin_event_types_fn)(uint32_t* numtypes, ss_plugin_t* s);
typedef ss_plugin_rc (*falco_plugin_parse_event_fn)(ss_plugin_t* s,
                                                    const ss_plugin_event_input* evt,
                                                    const ss_plugin_event_parse_input* in);
typedef ss_plugin_rc (*falco_plugin_extract_fields_fn)(ss_plugin_t* s,
                                                       const ss_plugin_event_input* evt,
                                                       const ss_plugin_field_extract_input* in);
/* plugin_capture_open, plugin_capture_close */
typedef ss_plugin_rc (*falco_plugin_capture_fn)(ss_plugin_t* s, const ss_plugin_capture_listen_input* i);

/* All of them, as a loader resolves them: member `x` is the symbol plugin_x. */
typedef struct falco_plugin_symbols {
	falco_plugin_string_fn get_required_api_version;
	falco_plugin_string_fn get_name;
	falco_plugin_string_fn get_description;
	falco_plugin_string_fn get_contact;
	falco_plugin_string_fn get_version;
	falco_plugin_state_string_fn get_last_error;
	falco_plugin_init_fn init;
	falco_plugin_destroy_fn destroy;
	falco_plugin_get_init_schema_fn get_init_schema;                  /* may be absent from here on */
	falco_plugin_state_string_fn get_required_event_schema_version;
	falco_plugin_event_types_fn get_parse_event_types;
	falco_plugin_string_fn get_parse_event_sources;
	falco_plugin_parse_event_fn parse_event;
	falco_plugin_string_fn get_fields;
	falco_plugin_event_types_fn get_extract_event_types;
	falco_plugin_string_fn get_extract_event_sources;
	falco_plugin_extract_fields_fn extract_fields;
	falco_plugin_capture_fn capture_open;
	falco_plugin_capture_fn capture_close;
} falco_plugin_symbols;

#endif
