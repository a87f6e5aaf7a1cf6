/* Writing a dataset: the tensors and metadata are those of ul-stream(5). */
#include "data/dataset.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { CHUNK_BYTES = 16 << 20, NAME_BYTES = 2 * FEATURE_NAME_MAX };

/* Adds a vector under a printed name. */
__attribute__((format(printf, 6, 7))) static bool add(Document *d, Dtype dtype, size_t count,
                                                      const void *data, Error *e, const char *format, ...)
{
	char name[NAME_BYTES];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(name, sizeof name, format, arguments);
	va_end(arguments);
	return document_add_vector(d, name, dtype, count, data, e);
}

/* Adds rows [first, first + count) of a list of lists: PREFIX.KIND has the elements
 * and PREFIX.offsets where each row starts, counted from 0. */
typedef struct {
	const char *kind; /* "bytes", "values" */
	Dtype dtype;
	const void *elements;
	const int64_t *offsets; /* NULL: nothing at all */
} Ragged;

static bool add_ragged(Document *d, Arena *arena, const char *prefix, const Ragged *r, size_t first,
                       size_t count, Error *e)
{
	int64_t *offsets = arena_new(arena, count + 1, sizeof *offsets, e);
	if (offsets == NULL)
		return false;
	int64_t base = r->offsets ? r->offsets[first] : 0;
	for (size_t i = 0; i <= count; i++)
		offsets[i] = r->offsets ? r->offsets[first + i] - base : 0;
	const void *elements = offsets; /* any address will do for no elements */
	if (offsets[count] > 0)
		elements = (const uint8_t *)r->elements + (size_t)base * dtype_size(r->dtype);
	return add(d, r->dtype, (size_t)offsets[count], elements, e, "%s.%s", prefix, r->kind) &&
	       add(d, DTYPE_I64, count + 1, offsets, e, "%s.offsets", prefix);
}

static bool add_strings(Document *d, Arena *arena, const char *prefix, const Strings *s, size_t first,
                        size_t count, Error *e)
{
	const Ragged r = {"bytes", DTYPE_U8, s->bytes, s->offsets};
	return add_ragged(d, arena, prefix, &r, first, count, e);
}

static bool add_lists(Document *d, Arena *arena, const char *prefix, const IdLists *lists, size_t first,
                      size_t count, Error *e)
{
	if (lists->offsets == NULL)
		return add(d, DTYPE_I32, count, lists->values + first, e, "%s.values", prefix);
	const Ragged r = {"values", DTYPE_I32, lists->values, lists->offsets};
	return add_ragged(d, arena, prefix, &r, first, count, e);
}

/* A list of {"name", "of", "multiple"} as metadata. */
static bool set_json(Document *d, const char *key, json_t *list, Error *e)
{
	char *text = list ? json_dumps(list, JSON_COMPACT) : NULL;
	bool done = text ? document_set(d, key, text, e)
	                 : fail(e, ERROR_FAILURE, "out of memory: no room for %s", key);
	free(text);
	json_decref(list);
	return done;
}

static bool set_fields(Document *d, const Dataset *data, Error *e)
{
	json_t *features = json_array(), *texts = json_array();
	for (size_t f = 0; f < data->feature_count; f++) {
		const Feature *feature = &data->features[f];
		json_array_append_new(features, json_pack("{s:s, s:s, s:b}", "name", feature->name, "of",
		                                          feature->of_item ? "item" : "event", "multiple",
		                                          (int)feature->multiple));
	}
	for (size_t t = 0; t < data->text_count; t++)
		json_array_append_new(texts, json_pack("{s:s, s:s}", "name", data->texts[t].name, "of",
		                                       data->texts[t].of_item ? "item" : "event"));
	bool done = set_json(d, "ul.features", features, e);
	return set_json(d, "ul.texts", texts, e) && done;
}

bool catalogue_add(Document *d, Arena *arena, const Dataset *data, Error *e)
{
	char prefix[NAME_BYTES];
	size_t items = data->items.strings.count;
	if (!set_fields(d, data, e) ||
	    !add_strings(d, arena, "vocab.item", &data->items.strings, 0, items, e))
		return false;
	for (const Feature *f = data->features; f < data->features + data->feature_count; f++) {
		snprintf(prefix, sizeof prefix, "feature.%s.vocab", f->name);
		if (!add_strings(d, arena, prefix, &f->values.strings, 0, f->values.strings.count, e))
			return false;
		snprintf(prefix, sizeof prefix, "item.%s", f->name);
		if (f->of_item && !add_lists(d, arena, prefix, &f->by_item, 0, items, e))
			return false;
	}
	for (const TextField *t = data->texts; t < data->texts + data->text_count; t++) {
		snprintf(prefix, sizeof prefix, "item.%s", t->name);
		if (t->of_item && !add_strings(d, arena, prefix, &t->by_item, 0, items, e))
			return false;
	}
	return true;
}

static bool fill_first(Document *d, Arena *arena, const Dataset *data, const Users *users,
                       const Provenance *p, Error *e)
{
	return document_stamp(d, "dataset", p, e) &&
	       document_set_word(d, "ul.split", SPLITS, data->split, e) &&
	       document_set_format(d, "ul.window", e, "%zu", data->window) &&
	       document_set_format(d, "ul.users", e, "%zu", users->count) &&
	       document_set_format(d, "ul.events", e, "%lld", (long long)users->offsets[users->count]) &&
	       document_set(d, "ul.time", data->has_time ? "1" : "0", e) && catalogue_add(d, arena, data, e);
}

/* Users [first, end). */
static bool fill_chunk(Document *d, Arena *arena, const Dataset *data, const Users *users, size_t first,
                       size_t end, Error *e)
{
	char prefix[NAME_BYTES];
	size_t count = end - first, event = (size_t)users->offsets[first];
	size_t events = (size_t)users->offsets[end] - event;
	int64_t *offsets = arena_new(arena, count + 1, sizeof *offsets, e);
	if (offsets == NULL)
		return false;
	for (size_t u = 0; u <= count; u++)
		offsets[u] = users->offsets[first + u] - (int64_t)event;
	if (!document_set(d, "ul.kind", "dataset-chunk", e) ||
	    !add_strings(d, arena, "user", &users->ids, first, count, e) ||
	    !add(d, DTYPE_I64, count + 1, offsets, e, "event.offsets") ||
	    !add(d, DTYPE_I32, events, users->items + event, e, "event.item") ||
	    (data->has_time && !add(d, DTYPE_I64, events, users->times + event, e, "event.time")))
		return false;
	for (size_t f = 0; f < data->feature_count; f++) {
		snprintf(prefix, sizeof prefix, "event.%s", data->features[f].name);
		if (!data->features[f].of_item &&
		    !add_lists(d, arena, prefix, &users->features[f], event, events, e))
			return false;
	}
	for (size_t t = 0; t < data->text_count; t++) {
		snprintf(prefix, sizeof prefix, "event.%s", data->texts[t].name);
		if (!data->texts[t].of_item &&
		    !add_strings(d, arena, prefix, &users->texts[t], event, events, e))
			return false;
	}
	return true;
}

/* Bytes of user u in a chunk. */
static size_t user_bytes(const Dataset *data, const Users *users, size_t u)
{
	size_t first = (size_t)users->offsets[u], end = (size_t)users->offsets[u + 1];
	size_t events = end - first;
	size_t bytes = strings_at(&users->ids, u).size + 2 * sizeof(int64_t) +
	               events * (sizeof(int32_t) + (data->has_time ? sizeof(int64_t) : 0));
	for (size_t f = 0; f < data->feature_count; f++) {
		const int64_t *offsets = users->features[f].offsets;
		if (offsets != NULL)
			bytes += (size_t)(offsets[end] - offsets[first]) * sizeof(int32_t) +
			         events * sizeof(int64_t);
		else if (!data->features[f].of_item)
			bytes += events * sizeof(int32_t);
	}
	for (size_t t = 0; t < data->text_count; t++) {
		const int64_t *offsets = users->texts[t].offsets;
		if (!data->texts[t].of_item && offsets != NULL)
			bytes += (size_t)(offsets[end] - offsets[first]) + events * sizeof(int64_t);
	}
	return bytes;
}

/* The users, cut into chunks by their bytes: chunk i has users [starts[i], starts[i + 1]). */
typedef struct {
	const Dataset *data;
	const Users *users;
	size_t *starts, count, capacity;
} Chunks;

static bool cut_chunks(Chunks *c, Error *e)
{
	size_t bytes = 0;
	for (size_t u = 0; u <= c->users->count; u++) {
		size_t more = u < c->users->count ? user_bytes(c->data, c->users, u) : 0;
		bytes += more;
		if (u > 0 && u < c->users->count && bytes <= CHUNK_BYTES)
			continue;
		if (!memory_grow(&c->starts, &c->capacity, c->count + 1, sizeof *c->starts, e))
			return false;
		c->starts[c->count++] = u;
		bytes = more;
	}
	c->count--; /* the last start is the end */
	return true;
}

static bool fill_document(void *context, size_t index, Document *d, Arena *arena, Error *e)
{
	const Chunks *c = context;
	size_t first = c->starts[index], end = c->starts[index + 1];
	return fill_chunk(d, arena, c->data, c->users, first, end, e);
}

static bool write_first(StreamWriter *w, const Dataset *data, const Users *users, const Provenance *p,
                        Error *e)
{
	Arena arena = {0};
	Document *d = document_new(e);
	bool done = d != NULL && fill_first(d, &arena, data, users, p, e) && stream_write(w, d, e);
	document_free(d);
	arena_free(&arena);
	return done;
}

static StreamContent chunk_content(const Dataset *d)
{
	for (size_t t = 0; t < d->text_count; t++)
		if (!d->texts[t].of_item)
			return STREAM_MIXED;
	return STREAM_IDS;
}

bool dataset_write(const char *path, const Dataset *d, const Users *users, const Provenance *p, Pool *pool,
                   Error *e)
{
	StreamWriter *w = stream_writer_open(path, e);
	if (w == NULL)
		return false;
	Chunks chunks = {.data = d, .users = users};
	bool done = write_first(w, d, users, p, e) && cut_chunks(&chunks, e);
	if (done) {
		stream_writer_expect(w, chunk_content(d));
		done = stream_write_many(w, pool, chunks.count, fill_document, &chunks, e);
	}
	memory_free(chunks.starts);
	if (!done) {
		stream_writer_abort(w);
		return false;
	}
	return stream_writer_close(w, e);
}
