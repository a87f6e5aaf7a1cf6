/* Reading a dataset (ul-stream(5)).  Nothing in the input is believed: every count,
 * offset and id is checked before it is used, and what is allocated is no more than
 * the documents at hand fill. */
#include "data/dataset.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { NAME_BYTES = 2 * FEATURE_NAME_MAX };

#define ANY SIZE_MAX /* any number of elements */

/* The vector of that name with `count` elements. */
__attribute__((format(printf, 5, 6))) static const DocumentTensor *
need(const Document *d, Dtype dtype, size_t count, Error *e, const char *format, ...)
{
	char name[NAME_BYTES];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(name, sizeof name, format, arguments);
	va_end(arguments);
	const DocumentTensor *t = document_need_vector(d, name, dtype, 0, e);
	if (t != NULL && count != ANY && t->count != count) {
		fail(e, ERROR_MALFORMED, "tensor %s has %zu elements where %zu belong", name, t->count,
		     count);
		return NULL;
	}
	return t;
}

/* A list of lists: row i has elements [offsets[i], offsets[i + 1]). */
typedef struct {
	size_t rows;
	const int64_t *offsets;
	const void *elements;
} Ragged;

static bool check_offsets(const int64_t *offsets, size_t rows, size_t elements, const char *name, Error *e)
{
	bool good = offsets[0] == 0 && (uint64_t)offsets[rows] == elements;
	for (size_t i = 0; good && i < rows; i++)
		good = offsets[i] <= offsets[i + 1];
	return good ||
	       fail(e, ERROR_MALFORMED,
	            "tensor %s.offsets does not rise from 0 to the %zu elements there are", name, elements);
}

static bool need_ragged(const Document *d, const char *name, const char *kind, Dtype dtype, size_t rows,
                        Ragged *r, Error *e)
{
	const DocumentTensor *offsets =
	    need(d, DTYPE_I64, rows == ANY ? ANY : rows + 1, e, "%s.offsets", name);
	const DocumentTensor *elements = offsets ? need(d, dtype, ANY, e, "%s.%s", name, kind) : NULL;
	if (elements == NULL)
		return false;
	if (offsets->count == 0)
		return fail(e, ERROR_MALFORMED, "tensor %s.offsets is empty", name);
	*r = (Ragged){offsets->count - 1, offsets->data, elements->data};
	return check_offsets(r->offsets, r->rows, elements->count, name, e);
}

/* Puts `more` elements behind the `count` that are there. */
static bool extend(void *array, size_t count, const void *from, size_t more, size_t size, Error *e)
{
	size_t capacity = count, need_room = count + more > 0 ? count + more : 1; /* never NULL */
	if (!memory_grow(array, &capacity, need_room, size, e))
		return false;
	uint8_t *to;
	memcpy(&to, array, sizeof to);
	if (more > 0)
		memcpy(to + count * size, from, more * size);
	return true;
}

/* Puts the rows of r behind the `rows` of *offsets, and their elements behind those there. */
static bool extend_ragged(int64_t **offsets, void *elements, size_t rows, const Ragged *r, size_t size,
                          Error *e)
{
	int64_t base = *offsets ? (*offsets)[rows] : 0;
	if (!extend(elements, (size_t)base, r->elements, (size_t)r->offsets[r->rows], size, e) ||
	    !extend(offsets, *offsets ? rows + 1 : 0, r->offsets + (*offsets ? 1 : 0),
	            r->rows + (*offsets ? 0 : 1), sizeof **offsets, e))
		return false;
	for (size_t i = rows + 1; i <= rows + r->rows; i++)
		(*offsets)[i] += base;
	return true;
}

/* Texts must be UTF-8 one by one: they go into JSON and into tokenizers. */
static bool read_strings(const Document *d, const char *name, size_t rows, Strings *s, Error *e)
{
	Ragged r;
	if (!need_ragged(d, name, "bytes", DTYPE_U8, rows, &r, e))
		return false;
	for (size_t i = 0; i < r.rows; i++) {
		const char *text = (const char *)r.elements + r.offsets[i];
		if (!text_is_utf8((Text){text, (size_t)(r.offsets[i + 1] - r.offsets[i])}))
			return fail(e, ERROR_MALFORMED, "tensor %s.bytes: text %zu is not UTF-8", name, i);
	}
	size_t had = s->count;
	if (!extend_ragged(&s->offsets, &s->bytes, had, &r, 1, e))
		return false;
	s->count = had + r.rows;
	s->offsets_capacity = s->count + 1;
	s->bytes_capacity = (size_t)s->offsets[s->count];
	return true;
}

static bool check_ids(const int32_t *ids, size_t count, int32_t low, size_t limit, const char *name, Error *e)
{
	for (size_t i = 0; i < count; i++)
		if (ids[i] < low || (size_t)ids[i] >= limit)
			return fail(e, ERROR_MALFORMED, "tensor %s: id %d at %zu is not one of %d … %zu",
			            name, ids[i], i, low, limit - 1);
	return true;
}

/* Appends to lists that have `had` rows. */
static bool read_lists(const Document *d, const char *name, const Feature *f, size_t had, size_t rows,
                       IdLists *lists, Error *e)
{
	if (!f->multiple) {
		const DocumentTensor *t = need(d, DTYPE_I32, rows, e, "%s.values", name);
		return t != NULL && check_ids(t->data, rows, 0, f->values.strings.count, name, e) &&
		       extend(&lists->values, had, t->data, rows, sizeof *lists->values, e);
	}
	Ragged r;
	return need_ragged(d, name, "values", DTYPE_I32, rows, &r, e) &&
	       check_ids(r.elements, (size_t)r.offsets[rows], 0, f->values.strings.count, name, e) &&
	       extend_ragged(&lists->offsets, &lists->values, had, &r, sizeof *lists->values, e);
}

static bool read_vocabulary(const Document *d, const char *name, Vocabulary *v, Error *e)
{
	Strings strings = {0};
	bool done = read_strings(d, name, ANY, &strings, e) && vocabulary_from(v, &strings, e);
	strings_free(&strings);
	if (!done)
		return false;
	size_t count = v->strings.count;
	for (size_t i = 0; i < ID_FIRST; i++)
		if (i >= count || !text_equal(strings_at(&v->strings, i), special_name(i)))
			return fail(e, ERROR_MALFORMED, "vocabulary %s does not start with %s %s %s", name,
			            special_name(0).data, special_name(1).data, special_name(2).data);
	for (size_t i = 0; i < count; i++)
		if (vocabulary_find(v, strings_at(&v->strings, i)) != (int64_t)i)
			return fail(e, ERROR_MALFORMED, "vocabulary %s has an entry twice: number %zu", name,
			            i);
	return true;
}

/* One of ul.features or ul.texts: its name, unlike all others, and whose it is. */
static bool read_field(const Dataset *data, const json_t *entry, char **name, bool *of_item, Error *e)
{
	const char *text = json_string_value(json_object_get(entry, "name"));
	const char *of = json_string_value(json_object_get(entry, "of"));
	if (text == NULL || of == NULL || (strcmp(of, "item") != 0 && strcmp(of, "event") != 0))
		return fail(e, ERROR_MALFORMED,
		            "ul.features or ul.texts lacks a name, or an of that is item or event");
	bool good = feature_name_valid(text_of(text));
	for (size_t f = 0; good && f < data->feature_count; f++)
		good = data->features[f].name == NULL || strcmp(data->features[f].name, text) != 0;
	for (size_t t = 0; good && t < data->text_count; t++)
		good = data->texts[t].name == NULL || strcmp(data->texts[t].name, text) != 0;
	if (!good)
		return fail(e, ERROR_MALFORMED, "'%s' is no name for a feature, or is there twice", text);
	*of_item = strcmp(of, "item") == 0;
	*name = memory_string(text, e);
	return *name != NULL;
}

static bool read_feature(const Document *d, const Dataset *data, const json_t *entry, Feature *f, Error *e)
{
	char name[NAME_BYTES];
	const json_t *multiple = json_object_get(entry, "multiple");
	if (!read_field(data, entry, &f->name, &f->of_item, e))
		return false;
	if (!json_is_boolean(multiple))
		return fail(e, ERROR_MALFORMED, "feature %s: \"multiple\" is not true or false", f->name);
	f->multiple = json_is_true(multiple);
	snprintf(name, sizeof name, "feature.%s.vocab", f->name);
	if (!read_vocabulary(d, name, &f->values, e))
		return false;
	snprintf(name, sizeof name, "item.%s", f->name);
	return !f->of_item || read_lists(d, name, f, 0, data->items.strings.count, &f->by_item, e);
}

static bool read_text(const Document *d, const Dataset *data, const json_t *entry, TextField *t, Error *e)
{
	char name[NAME_BYTES];
	if (!read_field(data, entry, &t->name, &t->of_item, e))
		return false;
	snprintf(name, sizeof name, "item.%s", t->name);
	return !t->of_item || read_strings(d, name, data->items.strings.count, &t->by_item, e);
}

static json_t *read_json(const Document *d, const char *key, Error *e)
{
	const char *text;
	if (!document_get_string(d, key, &text, e))
		return NULL;
	json_t *list = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	if (json_is_array(list))
		return list;
	json_decref(list);
	fail(e, ERROR_MALFORMED, "%s is no JSON list", key);
	return NULL;
}

static bool read_features(const Document *d, Dataset *data, Error *e)
{
	json_t *list = read_json(d, "ul.features", e);
	bool done = list != NULL &&
	            (data->features = memory_new(json_array_size(list), sizeof *data->features, e)) != NULL;
	if (done)
		data->feature_count = json_array_size(list);
	for (size_t f = 0; done && f < data->feature_count; f++)
		done = read_feature(d, data, json_array_get(list, f), &data->features[f], e);
	json_decref(list);
	return done;
}

static bool read_texts(const Document *d, Dataset *data, Error *e)
{
	json_t *list = read_json(d, "ul.texts", e);
	bool done =
	    list != NULL && (data->texts = memory_new(json_array_size(list), sizeof *data->texts, e)) != NULL;
	if (done)
		data->text_count = json_array_size(list);
	for (size_t t = 0; done && t < data->text_count; t++)
		done = read_text(d, data, json_array_get(list, t), &data->texts[t], e);
	json_decref(list);
	return done;
}

static bool read_split(const Document *d, Dataset *data, Error *e)
{
	size_t split;
	int64_t window;
	if (!document_get_word(d, "ul.split", SPLITS, &split, e) ||
	    !document_get_integer(d, "ul.window", split == SPLIT_WINDOW ? 2 : 0, INT32_MAX, &window, e))
		return false;
	data->split = (Split)split;
	data->window = (size_t)window;
	return true;
}

bool catalogue_read(const Document *d, Dataset *data, Error *e)
{
	return read_vocabulary(d, "vocab.item", &data->items, e) && read_features(d, data, e) &&
	       read_texts(d, data, e);
}

static bool read_first(const Document *d, Dataset *data, Error *e)
{
	int64_t users, events, has_time;
	if (!document_check_kind(d, "dataset", e) || !read_split(d, data, e) ||
	    !document_get_integer(d, "ul.users", 0, INT64_MAX, &users, e) ||
	    !document_get_integer(d, "ul.events", 0, INT64_MAX, &events, e) ||
	    !document_get_integer(d, "ul.time", 0, 1, &has_time, e))
		return false;
	data->users = (size_t)users;
	data->events = (size_t)events;
	data->has_time = has_time == 1;
	return catalogue_read(d, data, e);
}

/* The event columns of a chunk: `events` more behind the `had` that are there. */
static bool append_columns(const Document *d, const Dataset *data, Users *u, size_t had, size_t events,
                           Error *e)
{
	char name[NAME_BYTES];
	const DocumentTensor *items = need(d, DTYPE_I32, events, e, "event.item");
	if (items == NULL ||
	    !check_ids(items->data, events, ID_FIRST, data->items.strings.count, "event.item", e) ||
	    !extend(&u->items, had, items->data, events, sizeof *u->items, e))
		return false;
	if (data->has_time) {
		const DocumentTensor *times = need(d, DTYPE_I64, events, e, "event.time");
		if (times == NULL || !extend(&u->times, had, times->data, events, sizeof *u->times, e))
			return false;
	}
	for (size_t f = 0; f < data->feature_count; f++) {
		const Feature *feature = &data->features[f];
		snprintf(name, sizeof name, "event.%s", feature->name);
		if (!feature->of_item && !read_lists(d, name, feature, had, events, &u->features[f], e))
			return false;
	}
	for (size_t t = 0; t < data->text_count; t++) {
		snprintf(name, sizeof name, "event.%s", data->texts[t].name);
		if (!data->texts[t].of_item && !read_strings(d, name, events, &u->texts[t], e))
			return false;
	}
	return true;
}

/* A chunk's users behind those that are there. */
static bool append_users(const Document *d, const Dataset *data, Users *u, Error *e)
{
	size_t had_users = u->count, had_events = (size_t)u->offsets[u->count];
	if (!document_check_kind(d, "dataset-chunk", e) || !read_strings(d, "user", ANY, &u->ids, e))
		return false;
	size_t count = u->ids.count - had_users;
	const DocumentTensor *t = need(d, DTYPE_I64, count + 1, e, "event.offsets");
	const DocumentTensor *items = t ? need(d, DTYPE_I32, ANY, e, "event.item") : NULL;
	if (items == NULL)
		return false;
	const Ragged r = {count, t->data, NULL};
	if (!check_offsets(r.offsets, count, items->count, "event", e) ||
	    !extend(&u->offsets, had_users + 1, r.offsets + 1, count, sizeof *u->offsets, e))
		return false;
	for (size_t i = had_users + 1; i <= had_users + count; i++)
		u->offsets[i] += (int64_t)had_events;
	u->count = had_users + count;
	return append_columns(d, data, u, had_events, items->count, e);
}

struct DatasetReader {
	StreamReader *stream;
	Dataset data;
	size_t users, events; /* read so far */
	bool ended;
};

DatasetReader *dataset_open(const char *path, Error *e)
{
	DatasetReader *r = memory_new(1, sizeof *r, e);
	if (r == NULL)
		return NULL;
	Document *d = NULL;
	bool done = (r->stream = stream_reader_open(path, e)) != NULL && stream_read(r->stream, &d, e);
	if (done) {
		done = d != NULL ? read_first(d, &r->data, e) : fail(e, ERROR_MALFORMED, "empty stream");
		if (!done)
			fail_in(e, "%s", stream_name(r->stream));
	}
	document_free(d);
	if (!done) {
		dataset_close(r);
		return NULL;
	}
	return r;
}

const Dataset *dataset_of(const DatasetReader *r)
{
	return &r->data;
}

StreamReader *dataset_stream(DatasetReader *r)
{
	return r->stream;
}

void dataset_close(DatasetReader *r)
{
	if (r == NULL)
		return;
	stream_reader_free(r->stream);
	dataset_free(&r->data);
	memory_free(r);
}

/* The next chunk's users into *u; *more is false at the end. */
static bool append_next(DatasetReader *r, Users *u, bool *more, Error *e)
{
	Document *d = NULL;
	size_t had_users = u->count, had_events = (size_t)u->offsets[u->count];
	if (!r->ended && !stream_read(r->stream, &d, e))
		return false;
	*more = d != NULL;
	r->ended = d == NULL;
	bool done = d == NULL || append_users(d, &r->data, u, e);
	document_free(d);
	if (done) {
		r->users += u->count - had_users;
		r->events += (size_t)u->offsets[u->count] - had_events;
		if (r->ended ? r->users != r->data.users || r->events != r->data.events
		             : r->users > r->data.users || r->events > r->data.events)
			done = fail(e, ERROR_MALFORMED,
			            "%zu users with %zu events where %zu with %zu are announced", r->users,
			            r->events, r->data.users, r->data.events);
	}
	return done || fail_in(e, "%s", stream_name(r->stream));
}

static Users *new_users(const DatasetReader *r, Error *e)
{
	Users *u = memory_new(1, sizeof *u, e);
	if (u != NULL && !users_new(u, &r->data, e)) {
		users_free(u);
		memory_free(u);
		return NULL;
	}
	if (u != NULL)
		u->first = r->users;
	return u;
}

bool dataset_next(DatasetReader *r, Users **users, Error *e)
{
	bool more = false;
	Users *u = new_users(r, e);
	bool done = u != NULL && append_next(r, u, &more, e);
	if (u != NULL && !(done && more)) {
		users_free(u);
		memory_free(u);
		u = NULL;
	}
	*users = u;
	return done;
}

bool dataset_all(DatasetReader *r, Users **users, Error *e)
{
	bool more = true;
	Users *u = new_users(r, e);
	bool done = u != NULL;
	while (done && more)
		done = append_next(r, u, &more, e);
	if (u != NULL && !done) {
		users_free(u);
		memory_free(u);
		u = NULL;
	}
	*users = u;
	return done;
}
