/* SPDX-License-Identifier: Apache-2.0
 *
 * The smallest host of a Falco plugin in C: loads it, checks its API version, initialises it with an empty table of
 * threads, feeds it three events (a shell is executed, it opens a file, it closes it) and extracts a field for each.
 *
 *     host PLUGIN.so CONFIG FIELD
 *
 * It proves that a plugin needs nothing but the C ABI, and is an example for other hosts.
 */
#include "falco_plugin_abi.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXECVE_19_X 293
#define OPENAT_2_X 307
#define CLOSE_X 5

static void fail(const char* what, const char* why) {
	fprintf(stderr, "host: %s: %s\n", what, why ? why : "no reason given");
	exit(1);
}

static void* symbol(void* library, const char* name) {
	void* found = dlsym(library, name);
	if(!found) fail(name, "not exported");
	return found;
}

/* ---- the empty table: any field exists, a field of type table holds another empty table ----------------------- */

static struct { char name[40]; ss_plugin_state_type type; } fields[128];
static int nfields;
static ss_plugin_table_input threads, by_fd, by_index;

static const ss_plugin_table_fieldinfo* list_fields(ss_plugin_table_t* t, uint32_t* n) { (void)t; *n = 0; return NULL; }
static ss_plugin_table_field_t* field(ss_plugin_table_t* t, const char* name, ss_plugin_state_type type) {
	(void)t;
	if(nfields == 128) return NULL;
	snprintf(fields[nfields].name, sizeof(fields[0].name), "%s", name);
	fields[nfields].type = type;
	return &fields[nfields++];
}
static const char* table_name(ss_plugin_table_t* t) { return ((ss_plugin_table_input*)t)->name; }
static uint64_t table_size(ss_plugin_table_t* t) { (void)t; return 0; }
static ss_plugin_table_entry_t* no_entry(ss_plugin_table_t* t, const ss_plugin_state_data* k) { (void)t, (void)k; return NULL; }
static ss_plugin_rc read_field(ss_plugin_table_t* t, ss_plugin_table_entry_t* e, const ss_plugin_table_field_t* f, ss_plugin_state_data* out) {
	(void)t, (void)e;
	int i = (int)((const char*)f - (const char*)fields) / (int)sizeof(fields[0]);
	memset(out, 0, sizeof(*out));
	if(fields[i].type == SS_PLUGIN_ST_STRING) out->str = "";
	if(fields[i].type == SS_PLUGIN_ST_TABLE) out->table = strcmp(fields[i].name, "file_descriptors") ? &by_index : &by_fd;
	return SS_PLUGIN_SUCCESS;
}
static void drop_entry(ss_plugin_table_t* t, ss_plugin_table_entry_t* e) { (void)t, (void)e; }
static ss_plugin_bool iterate(ss_plugin_table_t* t, ss_plugin_table_iterator_func_t f, ss_plugin_table_iterator_state_t* s) { (void)t, (void)f, (void)s; return 1; }
static ss_plugin_rc clear(ss_plugin_table_t* t) { (void)t; return SS_PLUGIN_SUCCESS; }
static ss_plugin_rc erase(ss_plugin_table_t* t, const ss_plugin_state_data* k) { (void)t, (void)k; return SS_PLUGIN_FAILURE; }
static ss_plugin_table_entry_t* create(ss_plugin_table_t* t) { return t; }
static ss_plugin_table_entry_t* add(ss_plugin_table_t* t, const ss_plugin_state_data* k, ss_plugin_table_entry_t* e) { (void)t, (void)k, (void)e; return NULL; }
static ss_plugin_rc write_field(ss_plugin_table_t* t, ss_plugin_table_entry_t* e, const ss_plugin_table_field_t* f, const ss_plugin_state_data* v) { (void)t, (void)e, (void)f, (void)v; return SS_PLUGIN_FAILURE; }

static ss_plugin_table_fields_vtable_ext fields_ext = {list_fields, field, field};
static ss_plugin_table_reader_vtable_ext reader_ext = {table_name, table_size, no_entry, read_field, drop_entry, iterate};
static ss_plugin_table_writer_vtable_ext writer_ext = {clear, erase, create, drop_entry, add, write_field};

static ss_plugin_table_input make_table(const char* name, ss_plugin_state_type key_type) {
	ss_plugin_table_input t = {name, key_type, NULL, {table_name, table_size, no_entry, read_field}, writer_ext, fields_ext, &reader_ext, &writer_ext, &fields_ext};
	return t;
}
static ss_plugin_table_info* list_tables(ss_plugin_owner_t* o, uint32_t* n) {
	static ss_plugin_table_info info = {"threads", SS_PLUGIN_ST_INT64};
	(void)o;
	*n = 1;
	return &info;
}
static ss_plugin_table_t* get_table(ss_plugin_owner_t* o, const char* name, ss_plugin_state_type key_type) {
	(void)o;
	return strcmp(name, "threads") || key_type != SS_PLUGIN_ST_INT64 ? NULL : &threads;
}
static ss_plugin_rc add_table(ss_plugin_owner_t* o, const ss_plugin_table_input* in) { (void)o, (void)in; return SS_PLUGIN_FAILURE; }
static const char* last_error(ss_plugin_owner_t* o) { (void)o; return "the tables of this host are empty"; }
static void log_line(ss_plugin_owner_t* o, const char* component, const char* msg, ss_plugin_log_severity sev) {
	(void)o, (void)component;
	printf("log %u: %s\n", sev, msg);
}

/* This host has no thread pool. */
static ss_plugin_routine_t* subscribe(ss_plugin_owner_t* o, ss_plugin_routine_fn_t f, ss_plugin_routine_state_t* i) { (void)o, (void)f, (void)i; return NULL; }
static ss_plugin_rc unsubscribe(ss_plugin_owner_t* o, ss_plugin_routine_t* r) { (void)o, (void)r; return SS_PLUGIN_FAILURE; }

/* ---- events ---------------------------------------------------------------------------------------------------- */

static char buffer[4096];

static void event(uint64_t ts, uint64_t tid, uint16_t type) {
	ss_plugin_event e = {ts, tid, sizeof(e), type, 0};
	memcpy(buffer, &e, sizeof(e));
}

/* Appends a parameter: a place for its length is made in the array of lengths. */
static void param(const void* bytes, uint16_t len) {
	ss_plugin_event e;
	memcpy(&e, buffer, sizeof(e));
	size_t lengths = sizeof(e) + 2 * e.nparams;
	memmove(buffer + lengths + 2, buffer + lengths, e.len - lengths);
	memcpy(buffer + lengths, &len, 2);
	memcpy(buffer + e.len + 2, bytes, len);
	e.nparams++;
	e.len += 2 + len;
	memcpy(buffer, &e, sizeof(e));
}
static void i64(int64_t v) { param(&v, 8); }
static void u32(uint32_t v) { param(&v, 4); }
static void str(const char* s) { param(s, (uint16_t)(strlen(s) + 1)); }

static void make_execve(void) {
	event(1700000000000000000u, 4242, EXECVE_19_X);
	i64(0), str("/bin/sh"), param("-c\0id", 6), i64(4242), i64(4242), i64(1), str("/root/"), i64(1024), i64(0), i64(0);
	u32(0), u32(0), u32(0), str("sh"), param("cpu=/", 6), param("HOME=/root", 11), u32(0), i64(4242), u32(0), u32(0);
	i64(0), i64(0), i64(0), i64(1234), i64(0), i64(0), u32(0), str("/usr/bin/dash"), i64(4242), u32(0), str("/bin/sh");
}
static void make_openat(void) {
	event(1700000000000001000u, 4242, OPENAT_2_X);
	i64(3), i64(-100), str("/etc/passwd"), u32(1), u32(0), u32(64768), i64(99);
}
static void make_close(void) {
	event(1700000000000002000u, 4242, CLOSE_X);
	i64(0), i64(3);
}

int main(int argc, char** argv) {
	if(argc != 4) fail("usage", "host PLUGIN.so CONFIG FIELD");
	void* library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
	if(!library) fail("dlopen", dlerror());

	const char* version = ((falco_plugin_string_fn)symbol(library, "plugin_get_required_api_version"))();
	unsigned major, minor, patch;
	if(sscanf(version, "%u.%u.%u", &major, &minor, &patch) != 3 || major != FALCO_PLUGIN_API_MAJOR || minor > FALCO_PLUGIN_API_MINOR)
		fail("required API version", version);
	printf("plugin %s %s, API %s\n", ((falco_plugin_string_fn)symbol(library, "plugin_get_name"))(),
	       ((falco_plugin_string_fn)symbol(library, "plugin_get_version"))(), version);

	threads = make_table("threads", SS_PLUGIN_ST_INT64);
	by_fd = make_table("file_descriptors", SS_PLUGIN_ST_INT64);
	by_index = make_table("strings", SS_PLUGIN_ST_UINT64);
	ss_plugin_init_tables_input tables = {list_tables, get_table, add_table, fields_ext, &fields_ext, &reader_ext, &writer_ext};
	ss_plugin_init_input init = {argv[2], &threads, last_error, &tables, log_line};
	falco_plugin_state_string_fn error = (falco_plugin_state_string_fn)symbol(library, "plugin_get_last_error");
	ss_plugin_rc rc = SS_PLUGIN_FAILURE;
	ss_plugin_t* state = ((falco_plugin_init_fn)symbol(library, "plugin_init"))(&init, &rc);
	if(rc != SS_PLUGIN_SUCCESS) fail("plugin_init", state ? error(state) : NULL);

	falco_plugin_parse_event_fn parse = (falco_plugin_parse_event_fn)symbol(library, "plugin_parse_event");
	falco_plugin_extract_fields_fn extract = (falco_plugin_extract_fields_fn)symbol(library, "plugin_extract_fields");
	falco_plugin_capture_fn open = (falco_plugin_capture_fn)dlsym(library, "plugin_capture_open");
	falco_plugin_capture_fn close = (falco_plugin_capture_fn)dlsym(library, "plugin_capture_close");
	const char* list = ((falco_plugin_string_fn)symbol(library, "plugin_get_fields"))();
	char quoted[80];
	snprintf(quoted, sizeof(quoted), "\"%s\"", argv[3]);
	const char* found = strstr(list, quoted);
	if(!found) fail(argv[3], "the plugin has no such field");
	uint32_t id = 0;
	for(const char* at = list; (at = strstr(at, "\"name\":")) && at < found - 8; at++) id++;

	ss_plugin_routine_vtable routines = {subscribe, unsubscribe};
	ss_plugin_capture_listen_input listen = {&threads, &routines, &reader_ext, &writer_ext, last_error};
	if(open && open(state, &listen) != SS_PLUGIN_SUCCESS) fail("plugin_capture_open", error(state));

	void (*make[])(void) = {make_execve, make_openat, make_close};
	for(uint64_t n = 0; n < 3; n++) {
		make[n]();
		ss_plugin_event_input in = {(const ss_plugin_event*)buffer, n + 1, "syscall"};
		ss_plugin_event_parse_input parse_in = {&threads, last_error, threads.reader, writer_ext, &reader_ext, &writer_ext};
		rc = parse(state, &in, &parse_in);
		printf("event %u of %u bytes: %s", in.evt->type, in.evt->len, rc == SS_PLUGIN_SUCCESS ? "parsed" : error(state));
		ss_plugin_extract_field f = {{NULL}, 0, id, argv[3], NULL, 0, 0, FTYPE_STRING, 0};
		ss_plugin_field_extract_input extract_in = {&threads, last_error, 1, &f, threads.reader, &reader_ext, NULL};
		rc = extract(state, &in, &extract_in);
		printf(", %s = %s\n", argv[3], rc != SS_PLUGIN_SUCCESS ? error(state) : f.res_len ? f.res.str[0] : "(none)");
	}
	if(close && close(state, &listen) != SS_PLUGIN_SUCCESS) fail("plugin_capture_close", error(state));
	((falco_plugin_destroy_fn)symbol(library, "plugin_destroy"))(state);
	puts("done");
	return 0;
}
