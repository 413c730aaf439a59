/* A plugin with one fault, chosen by the compiler's -D. */
#include "plugin.h"

#ifndef API_VERSION
#define API_VERSION "3.12.0"
#endif

EXPORT const char* plugin_get_required_api_version(void) { return API_VERSION; }
EXPORT const char* plugin_get_name(void) { return "bad"; }
EXPORT const char* plugin_get_last_error(ss_plugin_t* s) { return s ? "the moon is full" : NULL; }

EXPORT ss_plugin_t* plugin_init(const ss_plugin_init_input* in, ss_plugin_rc* rc) {
	(void)in;
#ifdef INIT_FAILS
	*rc = SS_PLUGIN_FAILURE;
	return INIT_FAILS ? malloc(1) : NULL;
#else
	*rc = SS_PLUGIN_SUCCESS;
	return malloc(1);
#endif
}

#ifndef NO_DESTROY
EXPORT void plugin_destroy(ss_plugin_t* s) { free(s); }
#endif

#ifdef NO_FIELDS
EXPORT ss_plugin_rc plugin_extract_fields(ss_plugin_t* s, const ss_plugin_event_input* e, const ss_plugin_field_extract_input* in) {
	(void)s, (void)e, (void)in;
	return SS_PLUGIN_SUCCESS;
}
#endif

#ifdef SCHEMA
EXPORT const char* plugin_get_required_event_schema_version(ss_plugin_t* s) {
	(void)s;
	return SCHEMA;
}
#endif

#ifdef EVENT_TYPE
EXPORT uint16_t* plugin_get_parse_event_types(uint32_t* n, ss_plugin_t* s) {
	static uint16_t types[] = {EVENT_TYPE};
	(void)s;
	*n = 1;
	return types;
}
EXPORT ss_plugin_rc plugin_parse_event(ss_plugin_t* s, const ss_plugin_event_input* e, const ss_plugin_event_parse_input* in) {
	(void)s, (void)e, (void)in;
	return SS_PLUGIN_SUCCESS;
}
#endif
