#include "stream/stream.h"

#include "base/strings.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { VERSION_MAJOR = 1, VERSION_MINOR = 0 };

/* [{"name": …, "xxh64": …}, …], or NULL for want of memory. */
static json_t *inputs_json(const Provenance *p, Error *e)
{
	json_t *list = json_array();
	bool done = list != NULL;
	for (size_t i = 0; i < p->input_count && done; i++) {
		char hash[17];
		snprintf(hash, sizeof hash, "%016llx", (unsigned long long)p->input_hashes[i]);
		char *name = document_text(p->inputs[i], e);
		done = name != NULL &&
		       json_array_append_new(list, json_pack("{s:s, s:s}", "name", name, "xxh64", hash)) == 0;
		memory_free(name);
	}
	if (!done) {
		json_decref(list);
		return NULL;
	}
	return list;
}

static bool set_inputs(Document *d, const Provenance *p, Error *e)
{
	json_t *list = inputs_json(p, e);
	char *text = list ? json_dumps(list, JSON_COMPACT) : NULL;
	bool done = text != NULL
	                ? document_set(d, "ul.inputs", text, e)
	                : fail(e, ERROR_FAILURE, "out of memory: no room for the names of the inputs");
	free(text);
	json_decref(list);
	return done;
}

bool document_stamp(Document *d, const char *kind, const Provenance *p, Error *e)
{
	return document_set(d, "ul.kind", kind, e) &&
	       document_set_format(d, "ul.version", e, "%d.%d", VERSION_MAJOR, VERSION_MINOR) &&
	       document_set(d, "ul.tool", p->tool, e) && document_set(d, "ul.tool_version", p->version, e) &&
	       document_set(d, "ul.argv", p->argv, e) &&
	       document_set_format(d, "ul.seed", e, "%lld", (long long)p->seed) && set_inputs(d, p, e);
}

bool document_check_inputs(const Document *d, const Provenance *p, Error *e)
{
	const char *text = document_get(d, "ul.inputs");
	json_t *list = text ? json_loads(text, 0, NULL) : NULL;
	size_t count = json_array_size(list);
	bool done = json_is_array(list);
	if (!done)
		fail(e, ERROR_MALFORMED, "the metadata's 'ul.inputs' is no list");
	else if (count != p->input_count)
		done = fail(e, ERROR_USAGE, "there were %zu inputs then, and are %zu now: name the same",
		            count, p->input_count);
	for (size_t i = 0; i < p->input_count && done; i++) {
		char hash[17];
		snprintf(hash, sizeof hash, "%016llx", (unsigned long long)p->input_hashes[i]);
		const json_t *input = json_array_get(list, i);
		const char *name = json_string_value(json_object_get(input, "name")),
		           *then = json_string_value(json_object_get(input, "xxh64"));
		if (then == NULL || strcmp(then, hash) != 0)
			done = fail(e, ERROR_USAGE, "what is in %s is not what was in %.200s", p->inputs[i],
			            name ? name : "the input then");
	}
	json_decref(list);
	return done;
}

static bool is_chunk(const char *kind)
{
	const char *dash = strrchr(kind, '-');
	return dash != NULL && strcmp(dash, "-chunk") == 0;
}

bool document_check_kind(const Document *d, const char *kinds, Error *e)
{
	const char *kind = document_get(d, "ul.kind"), *version = document_get(d, "ul.version");
	char *end = NULL;
	if (kind == NULL)
		return fail(e, ERROR_MALFORMED, "the metadata has no 'ul.kind' where %s is needed", kinds);
	if (word_number(kinds, kind) == SIZE_MAX)
		return fail(e, ERROR_MALFORMED, "this is of kind '%.100s' where %s is needed", kind, kinds);
	if (version == NULL && is_chunk(kind))
		return true;
	if (version == NULL)
		return fail(e, ERROR_MALFORMED, "the metadata has no 'ul.version'");
	if (strtol(version, &end, 10) != VERSION_MAJOR || end == version || (*end != '.' && *end != '\0'))
		return fail(e, ERROR_MALFORMED, "version '%.100s' of '%s'; this program reads version %d",
		            version, kind, VERSION_MAJOR);
	return true;
}
