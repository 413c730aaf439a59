/* A plugin that needs no state of the host: it remembers the last event. */
#include "plugin.h"

static char last[32];
static const char* last_ptr = last;

EXPORT const char* plugin_get_required_api_version(void) { return "3.12.0"; }
EXPORT const char* plugin_get_name(void) { return "stub"; }
EXPORT const char* plugin_get_last_error(ss_plugin_t* s) { (void)s; return "never"; }
EXPORT void plugin_destroy(ss_plugin_t* s) { (void)s; }
EXPORT ss_plugin_t* plugin_init(const ss_plugin_init_input* in, ss_plugin_rc* rc) {
	ss_plugin_table_t* threads = in->tables->get_table(in->owner, "threads", SS_PLUGIN_ST_INT64);
	*rc = threads && !in->tables->reader_ext->get_table_size(threads) ? SS_PLUGIN_SUCCESS : SS_PLUGIN_FAILURE;
	return last;
}
EXPORT ss_plugin_rc plugin_parse_event(ss_plugin_t* s, const ss_plugin_event_input* e, const ss_plugin_event_parse_input* in) {
	(void)s, (void)in;
	snprintf(last, sizeof(last), "%u/%u", e->evt->type, e->evt->nparams);
	return SS_PLUGIN_SUCCESS;
}
EXPORT const char* plugin_get_fields(void) {
	return "[{\"type\":\"uint64\",\"name\":\"stub.count\",\"desc\":\"\"},{\"type\":\"string\",\"name\":\"stub.last\",\"desc\":\"\"}]";
}
EXPORT ss_plugin_rc plugin_extract_fields(ss_plugin_t* s, const ss_plugin_event_input* e, const ss_plugin_field_extract_input* in) {
	(void)s, (void)e;
	in->fields[0].res_len = in->fields[0].field_id == 1;
	in->fields[0].res.str = &last_ptr;
	return SS_PLUGIN_SUCCESS;
}
