/* A plugin that adds a table of its own and uses it through the host, as another plugin would. Its init fails when
 * anything is not as it should be. */
#include "plugin.h"

typedef struct { uint64_t key, value; int used; } row;
static row rows[4];
static const ss_plugin_table_fieldinfo info = {"value", SS_PLUGIN_ST_UINT64, 0};
static char error[128];

static const ss_plugin_table_fieldinfo* list_fields(ss_plugin_table_t* t, uint32_t* n) { (void)t; *n = 1; return &info; }
static ss_plugin_table_field_t* get_field(ss_plugin_table_t* t, const char* name, ss_plugin_state_type type) {
	(void)t;
	return !strcmp(name, "value") && type == SS_PLUGIN_ST_UINT64 ? (void*)&info : NULL;
}
static ss_plugin_table_field_t* no_field(ss_plugin_table_t* t, const char* name, ss_plugin_state_type type) { (void)t, (void)name, (void)type; return NULL; }
static const char* get_name(ss_plugin_table_t* t) { (void)t; return "squares"; }
static uint64_t get_size(ss_plugin_table_t* t) {
	uint64_t n = 0;
	for(row* r = t; r < (row*)t + 4; r++) n += r->used;
	return n;
}
static ss_plugin_table_entry_t* get_entry(ss_plugin_table_t* t, const ss_plugin_state_data* key) {
	for(row* r = t; r < (row*)t + 4; r++) if(r->used && r->key == key->u64) return r;
	return NULL;
}
static ss_plugin_rc read_field(ss_plugin_table_t* t, ss_plugin_table_entry_t* e, const ss_plugin_table_field_t* f, ss_plugin_state_data* out) {
	(void)t;
	if(f != &info) return SS_PLUGIN_FAILURE;
	out->u64 = ((row*)e)->value;
	return SS_PLUGIN_SUCCESS;
}
static void release(ss_plugin_table_t* t, ss_plugin_table_entry_t* e) { (void)t, (void)e; }
static ss_plugin_bool iterate(ss_plugin_table_t* t, ss_plugin_table_iterator_func_t it, ss_plugin_table_iterator_state_t* s) {
	for(row* r = t; r < (row*)t + 4; r++) if(r->used && !it(s, r)) return 0;
	return 1;
}
static ss_plugin_rc clear(ss_plugin_table_t* t) { memset(t, 0, sizeof(rows)); return SS_PLUGIN_SUCCESS; }
static ss_plugin_rc erase(ss_plugin_table_t* t, const ss_plugin_state_data* key) {
	row* r = get_entry(t, key);
	if(!r) return SS_PLUGIN_FAILURE;
	r->used = 0;
	return SS_PLUGIN_SUCCESS;
}
static ss_plugin_table_entry_t* create(ss_plugin_table_t* t) { (void)t; return calloc(1, sizeof(row)); }
static void destroy(ss_plugin_table_t* t, ss_plugin_table_entry_t* e) { (void)t; free(e); }
static ss_plugin_table_entry_t* add(ss_plugin_table_t* t, const ss_plugin_state_data* key, ss_plugin_table_entry_t* e) {
	for(row* r = t; r < (row*)t + 4; r++)
		if(!r->used) {
			*r = (row){key->u64, ((row*)e)->value, 1};
			free(e);
			return r;
		}
	return NULL;
}
static ss_plugin_rc write_field(ss_plugin_table_t* t, ss_plugin_table_entry_t* e, const ss_plugin_table_field_t* f, const ss_plugin_state_data* in) {
	(void)t, (void)f;
	((row*)e)->value = in->u64;
	return SS_PLUGIN_SUCCESS;
}
static ss_plugin_bool sum(ss_plugin_table_iterator_state_t* s, ss_plugin_table_entry_t* e) { *(uint64_t*)s += ((row*)e)->value; return 1; }

static const char* check(const ss_plugin_init_input* in) {
	ss_plugin_table_fields_vtable_ext fields = {list_fields, get_field, no_field};
	ss_plugin_table_reader_vtable_ext reader = {get_name, get_size, get_entry, read_field, release, iterate};
	ss_plugin_table_writer_vtable_ext writer = {clear, erase, create, destroy, add, write_field};
	ss_plugin_table_input table = {
	        "squares", SS_PLUGIN_ST_UINT64, rows,
	        {get_name, get_size, get_entry, read_field}, writer, fields,
	        &reader, &writer, &fields,
	};
	const ss_plugin_init_tables_input* t = in->tables;
	uint64_t total = 0;
	uint32_t n;
	if(!t) return "no tables";
	table.reader_ext = NULL;
	if(!t->add_table(in->owner, &table)) return "a table without functions was taken";
	table.reader_ext = &reader;
	if(t->add_table(in->owner, &table)) return in->get_owner_last_error(in->owner);
	if(!t->add_table(in->owner, &table)) return "the same name was taken twice";
	memset(&reader, 0, sizeof(reader)); /* the host must have copied them */
	memset(&writer, 0, sizeof(writer));
	if(t->list_tables(in->owner, &n), n != 2) return "list_tables";
	ss_plugin_table_t* mine = t->get_table(in->owner, "squares", SS_PLUGIN_ST_UINT64);
	if(!mine) return in->get_owner_last_error(in->owner);
	ss_plugin_table_field_t* value = t->fields_ext->get_table_field(mine, "value", SS_PLUGIN_ST_UINT64);
	if(!value) return "get_table_field";
	for(uint64_t i = 1; i <= 3; i++) {
		ss_plugin_state_data key = {.u64 = i}, square = {.u64 = i * i};
		ss_plugin_table_entry_t* e = t->writer_ext->create_table_entry(mine);
		t->writer_ext->write_entry_field(mine, e, value, &square);
		if(!t->writer_ext->add_table_entry(mine, &key, e)) return "add_table_entry";
	}
	if(!t->reader_ext->iterate_entries(mine, sum, &total) || total != 14) return "iterate_entries";
	if(t->reader_ext->get_table_size(mine) != 3 || strcmp(t->reader_ext->get_table_name(mine), "squares")) return "size or name";
	return NULL;
}

EXPORT const char* plugin_get_required_api_version(void) { return "3.2.0"; }
EXPORT const char* plugin_get_name(void) { return "own_table"; }
EXPORT const char* plugin_get_last_error(ss_plugin_t* s) { (void)s; return error; }
EXPORT void plugin_destroy(ss_plugin_t* s) { (void)s; }
EXPORT ss_plugin_t* plugin_init(const ss_plugin_init_input* in, ss_plugin_rc* rc) {
	const char* problem = check(in);
	snprintf(error, sizeof(error), "%s", problem ? problem : "");
	*rc = problem ? SS_PLUGIN_FAILURE : SS_PLUGIN_SUCCESS;
	return rows;
}
EXPORT ss_plugin_rc plugin_parse_event(ss_plugin_t* s, const ss_plugin_event_input* e, const ss_plugin_event_parse_input* in) {
	(void)s, (void)e, (void)in;
	return SS_PLUGIN_SUCCESS;
}
