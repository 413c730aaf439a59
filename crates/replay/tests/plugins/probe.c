/* A plugin that parses, extracts and listens, and tells by its fields what the host gave it.
 *
 * Configuration: {"reject": CODE} refuses events of that type. Fields: probe.parsed, probe.opened, probe.threads (at
 * capture_open), probe.thread[tid] (a line on a row of `threads`), probe.fd[fd] of the process in the configuration's
 * "pid", probe.user[uid], probe.event (type, tid, ts, parameters), probe.codes (list), probe.ip, probe.big, probe.none.
 */
#include "plugin.h"

#define USER_ADDED 354
#define MAX_USERS 128

typedef struct {
	char error[256], text[4096];
	const char* text_ptr;
	uint64_t numbers[8];
	uint32_t flag;
	ss_plugin_byte_buffer buffer;
	uint64_t parsed, opened, threads, last_type;
	int reject, pid;
	struct { uint32_t uid; char name[64]; } users[MAX_USERS];
	int nusers;
	ss_plugin_owner_t* owner;
	ss_owner_error_fn owner_error;
	ss_plugin_table_t* table;
	ss_plugin_table_field_t *tid, *pid_f, *comm, *exe_path, *cwd, *uid, *writable, *container, *args, *env, *cgroups, *fds;
	ss_plugin_table_field_t *arg_value, *env_value, *cg_first, *cg_second;
	ss_plugin_table_field_t *fd_type, *fd_name, *fd_port, *fd_ip, *fd_ino;
} probe;

EXPORT const char* plugin_get_required_api_version(void) { return "3.12.0"; }
EXPORT const char* plugin_get_name(void) { return "probe"; }
EXPORT const char* plugin_get_last_error(ss_plugin_t* s) { return s ? ((probe*)s)->error : NULL; }
EXPORT const char* plugin_get_required_event_schema_version(ss_plugin_t* s) { (void)s; return "4.0.0"; }
EXPORT const char* plugin_get_init_schema(ss_plugin_schema_type* t) { *t = SS_PLUGIN_SCHEMA_JSON; return "{}"; }
EXPORT const char* plugin_get_parse_event_sources(void) { return "[\"syscall\"]"; }
EXPORT void plugin_destroy(ss_plugin_t* s) { free(s); }

static int number(const char* config, const char* key) {
	const char* at = strstr(config, key);
	return at && (at = strchr(at, ':')) ? atoi(at + 1) : -1;
}

/* A field of the tables within a row, found as the ABI demands: through a row made for that. */
static ss_plugin_table_field_t* nested(const ss_plugin_init_tables_input* t, ss_plugin_table_t* table,
                                       ss_plugin_table_field_t* field, const char* name, ss_plugin_state_type type) {
	ss_plugin_state_data data = {0};
	ss_plugin_table_entry_t* entry = t->writer_ext->create_table_entry(table);
	ss_plugin_table_field_t* found = NULL;
	if(entry && t->reader_ext->read_entry_field(table, entry, field, &data) == SS_PLUGIN_SUCCESS && data.table)
		found = t->fields_ext->get_table_field(data.table, name, type);
	if(entry) t->writer_ext->destroy_table_entry(table, entry);
	return found;
}

EXPORT ss_plugin_t* plugin_init(const ss_plugin_init_input* in, ss_plugin_rc* rc) {
	probe* p = calloc(1, sizeof(*p));
	const ss_plugin_init_tables_input* t = in->tables;
	uint32_t n = 0;
	*rc = SS_PLUGIN_FAILURE;
	p->owner = in->owner;
	p->owner_error = in->get_owner_last_error;
	p->reject = number(in->config, "\"reject\"");
	p->pid = number(in->config, "\"pid\"");
	if(!t) return strcpy(p->error, "no tables"), p;
	ss_plugin_table_info* list = t->list_tables(in->owner, &n);
	if(n != 1 || strcmp(list[0].name, "threads") || list[0].key_type != SS_PLUGIN_ST_INT64) return strcpy(p->error, "list_tables"), p;
	if(t->get_table(in->owner, "threads", SS_PLUGIN_ST_UINT64)) return strcpy(p->error, "wrong key type taken"), p;
	if(t->get_table(in->owner, "nowhere", SS_PLUGIN_ST_INT64)) return strcpy(p->error, "a table from nowhere"), p;
	if(strcmp(p->owner_error(in->owner), "there is no table nowhere")) return strcpy(p->error, "owner error"), p;
	p->table = t->get_table(in->owner, "threads", SS_PLUGIN_ST_INT64);
	if(!p->table) return strcpy(p->error, "no threads"), p;
	const ss_plugin_table_fieldinfo* fields = t->fields_ext->list_table_fields(p->table, &n);
	/* 32 of Falco, and exe_path_as_recorded. */
	if(n != 33 || !fields) return snprintf(p->error, sizeof(p->error), "%u fields", n), p;
	if(t->fields_ext->get_table_field(p->table, "uid", SS_PLUGIN_ST_INT64)) return strcpy(p->error, "wrong type taken"), p;

#define GET(member, name, type) \
	if(!(p->member = t->fields_ext->get_table_field(p->table, name, SS_PLUGIN_ST_##type))) \
		return snprintf(p->error, sizeof(p->error), "%s", p->owner_error(in->owner)), p
#define SUB(member, of, name, type) \
	if(!(p->member = nested(t, p->table, p->of, name, SS_PLUGIN_ST_##type))) \
		return snprintf(p->error, sizeof(p->error), "%s", p->owner_error(in->owner)), p
	GET(tid, "tid", INT64);
	GET(pid_f, "pid", INT64);
	GET(comm, "comm", STRING);
	GET(exe_path, "exe_path", STRING);
	GET(cwd, "cwd", STRING);
	GET(uid, "uid", UINT32);
	GET(writable, "exe_writable", BOOL);
	GET(args, "args", TABLE);
	GET(env, "env", TABLE);
	GET(cgroups, "cgroups", TABLE);
	GET(fds, "file_descriptors", TABLE);
	SUB(arg_value, args, "value", STRING);
	SUB(env_value, env, "value", STRING);
	SUB(cg_first, cgroups, "first", STRING);
	SUB(cg_second, cgroups, "second", STRING);
	SUB(fd_type, fds, "type", UINT8);
	SUB(fd_name, fds, "name", STRING);
	SUB(fd_ino, fds, "ino", UINT64);
	SUB(fd_ip, fds, "socket_ipv4_src_ip", UINT32);
	SUB(fd_port, fds, "socket_ipv4_dst_port", UINT16);
	p->container = t->fields_ext->add_table_field(p->table, "container_id", SS_PLUGIN_ST_STRING);
	if(!p->container || p->container != t->fields_ext->add_table_field(p->table, "container_id", SS_PLUGIN_ST_STRING))
		return strcpy(p->error, "add_table_field"), p;
	if(in->log_fn) in->log_fn(in->owner, NULL, "ready", 6);
	*rc = SS_PLUGIN_SUCCESS;
	return p;
}

static ss_plugin_bool count_row(ss_plugin_table_iterator_state_t* s, ss_plugin_table_entry_t* e) {
	(void)e;
	++*(uint64_t*)s;
	return 1;
}

/* Adds, reads, changes and removes a row of its own, which must not disturb anything. */
static const char* write_row(probe* p, const ss_plugin_capture_listen_input* in) {
	ss_plugin_state_data key = {.s64 = 999999}, data = {.str = "mine"};
	ss_plugin_table_entry_t* e = in->table_writer_ext->create_table_entry(p->table);
	if(!e || in->table_writer_ext->write_entry_field(p->table, e, p->container, &data)) return "write";
	if(!in->table_writer_ext->write_entry_field(p->table, e, p->cwd, &data)) return "cwd was written";
	if(!in->table_writer_ext->write_entry_field(p->table, e, p->fd_name, &data)) return "a field of another table was written";
	if(!(e = in->table_writer_ext->add_table_entry(p->table, &key, e))) return "add";
	in->table_reader_ext->release_table_entry(p->table, e);
	if(!(e = in->table_reader_ext->get_table_entry(p->table, &key))) return "get";
	if(in->table_reader_ext->read_entry_field(p->table, e, p->container, &data) || strcmp(data.str, "mine")) return "read";
	if(in->table_writer_ext->erase_table_entry(p->table, &key)) return "erase";
	if(in->table_reader_ext->read_entry_field(p->table, e, p->container, &data) || strcmp(data.str, "mine")) return "erased row is gone";
	in->table_reader_ext->release_table_entry(p->table, e);
	if(in->table_reader_ext->get_table_entry(p->table, &key)) return "erased row is still there";
	return strcmp(p->owner_error(p->owner), "table threads has no entry 999999") ? "owner error" : NULL;
}

EXPORT ss_plugin_rc plugin_capture_open(ss_plugin_t* s, const ss_plugin_capture_listen_input* in) {
	probe* p = s;
	const char* problem = write_row(p, in);
	if(problem) return snprintf(p->error, sizeof(p->error), "table: %s", problem), SS_PLUGIN_FAILURE;
	if(!in->table_reader_ext->iterate_entries(p->table, count_row, &p->threads)) return SS_PLUGIN_FAILURE;
	if(p->threads != in->table_reader_ext->get_table_size(p->table)) return SS_PLUGIN_FAILURE;
	if(in->routine->subscribe(in->owner, NULL, NULL)) return SS_PLUGIN_FAILURE;
	p->opened = 1;
	return SS_PLUGIN_SUCCESS;
}

EXPORT ss_plugin_rc plugin_capture_close(ss_plugin_t* s, const ss_plugin_capture_listen_input* in) {
	probe* p = s;
	if(in->table_reader_ext->get_table_size(p->table)) return strcpy(p->error, "table is not empty"), SS_PLUGIN_FAILURE;
	p->opened = 0;
	return SS_PLUGIN_SUCCESS;
}

static const char* param(const ss_plugin_event* e, uint32_t i, uint32_t* len) {
	const char* at = (const char*)e + sizeof(*e) + 2 * e->nparams;
	uint16_t n = 0;
	for(uint32_t k = 0; k <= i && k < e->nparams; k++) {
		at += n;
		memcpy(&n, (const char*)e + sizeof(*e) + 2 * k, 2);
	}
	*len = n;
	return at;
}

EXPORT ss_plugin_rc plugin_parse_event(ss_plugin_t* s, const ss_plugin_event_input* in, const ss_plugin_event_parse_input* pi) {
	probe* p = s;
	uint32_t len;
	if(!pi->table_reader_ext || strcmp(in->evtsrc, "syscall")) return SS_PLUGIN_FAILURE;
	if(in->evt->type == p->reject) return snprintf(p->error, sizeof(p->error), "rejected event %lu", (unsigned long)in->evtnum), SS_PLUGIN_FAILURE;
	if(in->evt->type == USER_ADDED && p->nusers < MAX_USERS) {
		memcpy(&p->users[p->nusers].uid, param(in->evt, 0, &len), 4);
		snprintf(p->users[p->nusers++].name, 64, "%s in '%s'", param(in->evt, 2, &len), param(in->evt, 5, &len));
	}
	p->parsed++;
	p->last_type = in->evt->type;
	return SS_PLUGIN_SUCCESS;
}

EXPORT const char* plugin_get_fields(void) {
	return "[{\"type\":\"uint64\",\"name\":\"probe.parsed\",\"desc\":\"events parsed\"},"
	       "{\"type\":\"bool\",\"name\":\"probe.opened\",\"desc\":\"\"},"
	       "{\"type\":\"uint64\",\"name\":\"probe.threads\",\"desc\":\"\"},"
	       "{\"type\":\"string\",\"name\":\"probe.thread\",\"desc\":\"\",\"arg\":{\"isIndex\":true,\"isRequired\":true}},"
	       "{\"type\":\"string\",\"name\":\"probe.fd\",\"desc\":\"\",\"arg\":{\"isIndex\":true}},"
	       "{\"type\":\"string\",\"name\":\"probe.user\",\"desc\":\"\",\"arg\":{\"isKey\":true}},"
	       "{\"type\":\"string\",\"name\":\"probe.event\",\"desc\":\"\",\"addOutput\":true},"
	       "{\"type\":\"uint64\",\"name\":\"probe.codes\",\"desc\":\"\",\"isList\":true},"
	       "{\"type\":\"ipaddr\",\"name\":\"probe.ip\",\"desc\":\"\"},"
	       "{\"type\":\"abstime\",\"name\":\"probe.ts\",\"desc\":\"\"},"
	       "{\"type\":\"string\",\"name\":\"probe.none\",\"desc\":\"\"},"
	       "{\"type\":\"string\",\"name\":\"probe.fails\",\"desc\":\"\"}]";
}

typedef struct { probe* p; ss_plugin_table_reader_vtable_ext* r; ss_plugin_table_t* t; ss_plugin_table_field_t *a, *b; } joined;

static ss_plugin_bool join(ss_plugin_table_iterator_state_t* s, ss_plugin_table_entry_t* e) {
	joined* j = s;
	ss_plugin_state_data d;
	char* to = j->p->text;
	size_t size = sizeof(j->p->text);
	if(j->r->read_entry_field(j->t, e, j->a, &d)) return 0;
	snprintf(to + strlen(to), size - strlen(to), "<%s", d.str);
	if(j->b && !j->r->read_entry_field(j->t, e, j->b, &d)) snprintf(to + strlen(to), size - strlen(to), "=%s", d.str);
	snprintf(to + strlen(to), size - strlen(to), ">");
	return 1;
}

static void describe(probe* p, ss_plugin_table_reader_vtable_ext* r, int64_t tid) {
	ss_plugin_state_data key = {.s64 = tid}, d;
	ss_plugin_table_entry_t* e = r->get_table_entry(p->table, &key);
	p->text[0] = 0;
	if(!e) return (void)snprintf(p->text, sizeof(p->text), "%s", p->owner_error(p->owner));
#define ADD(label, field, fmt, member) \
	if(!r->read_entry_field(p->table, e, field, &d)) \
		snprintf(p->text + strlen(p->text), sizeof(p->text) - strlen(p->text), label fmt, d.member)
#define JOIN(label, field, x, y) \
	if(!r->read_entry_field(p->table, e, field, &d)) { \
		joined j = {p, r, d.table, x, y}; \
		strcat(p->text, label); \
		r->iterate_entries(d.table, join, &j); \
	}
	ADD("tid=", p->tid, "%ld", s64);
	ADD(" pid=", p->pid_f, "%ld", s64);
	ADD(" comm=", p->comm, "%s", str);
	ADD(" exe_path=", p->exe_path, "%s", str);
	ADD(" cwd=", p->cwd, "%s", str);
	ADD(" uid=", p->uid, "%u", u32);
	ADD(" writable=", p->writable, "%u", b);
	ADD(" container='", p->container, "%s'", str);
	JOIN(" args=", p->args, p->arg_value, NULL);
	JOIN(" env=", p->env, p->env_value, NULL);
	JOIN(" cgroups=", p->cgroups, p->cg_first, p->cg_second);
	ADD(" fds=", p->fds, "%lu", table != NULL ? r->get_table_size(d.table) : 0ul);
	r->release_table_entry(p->table, e);
}

static void describe_fd(probe* p, ss_plugin_table_reader_vtable_ext* r, int64_t fd) {
	ss_plugin_state_data key = {.s64 = p->pid}, d;
	ss_plugin_table_entry_t* e = r->get_table_entry(p->table, &key);
	p->text[0] = 0;
	if(!e) return;
	if(!r->read_entry_field(p->table, e, p->fds, &d)) {
		ss_plugin_table_t* table = d.table;
		key.s64 = fd;
		ss_plugin_table_entry_t* f = r->get_table_entry(table, &key);
		unsigned type = 0, port = 0, ip = 0;
		unsigned long ino = 0;
		if(f && !r->read_entry_field(table, f, p->fd_type, &d)) type = d.u8;
		if(f && !r->read_entry_field(table, f, p->fd_port, &d)) port = d.u16;
		if(f && !r->read_entry_field(table, f, p->fd_ip, &d)) ip = d.u32;
		if(f && !r->read_entry_field(table, f, p->fd_ino, &d)) ino = d.u64;
		if(f && !r->read_entry_field(table, f, p->fd_name, &d))
			snprintf(p->text, sizeof(p->text), "type=%u name=%s ino=%lu port=%u ip=%08x", type, d.str, ino, port, ip);
		if(f) r->release_table_entry(table, f);
	}
	r->release_table_entry(p->table, e);
}

EXPORT ss_plugin_rc plugin_extract_fields(ss_plugin_t* s, const ss_plugin_event_input* in, const ss_plugin_field_extract_input* x) {
	probe* p = s;
	ss_plugin_extract_field* f = x->fields;
	static const uint8_t ip[] = {10, 88, 0, 2};
	if(x->num_fields != 1) return SS_PLUGIN_FAILURE;
	f->res_len = 1;
	p->text_ptr = p->text;
	f->res.str = &p->text_ptr;
	if(!strcmp(f->field, "probe.parsed")) p->numbers[0] = p->parsed, f->res.u64 = p->numbers;
	else if(!strcmp(f->field, "probe.opened")) p->flag = p->opened, f->res.boolean = &p->flag;
	else if(!strcmp(f->field, "probe.threads")) p->numbers[0] = p->threads, f->res.u64 = p->numbers;
	else if(!strcmp(f->field, "probe.ts")) p->numbers[0] = in->evt->ts, f->res.u64 = p->numbers;
	else if(!strcmp(f->field, "probe.thread")) describe(p, x->table_reader_ext, (int64_t)f->arg_index);
	else if(!strcmp(f->field, "probe.fd")) describe_fd(p, x->table_reader_ext, f->arg_present ? (int64_t)f->arg_index : -1);
	else if(!strcmp(f->field, "probe.event"))
		snprintf(p->text, sizeof(p->text), "%u/%u tid=%ld num=%lu", in->evt->type, in->evt->nparams, (long)in->evt->tid, (unsigned long)in->evtnum);
	else if(!strcmp(f->field, "probe.codes")) p->numbers[0] = in->evt->type, p->numbers[1] = p->last_type, f->res.u64 = p->numbers, f->res_len = 2;
	else if(!strcmp(f->field, "probe.ip")) p->buffer.len = 4, p->buffer.ptr = ip, f->res.buf = &p->buffer;
	else if(!strcmp(f->field, "probe.user")) {
		f->res_len = 0;
		for(int i = 0; f->arg_key && i < p->nusers; i++)
			if(p->users[i].uid == (uint32_t)atoi(f->arg_key)) p->text_ptr = p->users[i].name, f->res_len = 1;
	} else if(!strcmp(f->field, "probe.fails")) return strcpy(p->error, "this field never works"), SS_PLUGIN_FAILURE;
	else f->res_len = 0;
	return SS_PLUGIN_SUCCESS;
}
