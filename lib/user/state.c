/* States as streams (ul-stream(5)).  Nothing in the input is believed. */
#include "user/state.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { CHUNK_BYTES = 16 << 20, NAME_BYTES = 2 * FEATURE_NAME_MAX };

static const char *column_name(const Encoder *m, size_t c)
{
	return c == 0 ? "item" : m->catalogue->features[c - 1].name;
}

static const char *precision_name(GemmPrecision precision)
{
	return precision == GEMM_BF16 ? "bf16" : "f32";
}

Text state_user(const StateChunk *c, size_t user)
{
	return (Text){(const char *)c->user_bytes + c->user_offsets[user],
	              (size_t)(c->user_offsets[user + 1] - c->user_offsets[user])};
}

/* Reader */

struct StateReader {
	StreamReader *stream;
	StateOwner owner;
	Document *document; /* behind the chunk */
	/* By column and by layer, for any chunk: */
	const int64_t **value_offsets;
	const int32_t **values;
	const float **k, **v;
};

static bool check_owner(const Document *first, const StateOwner *owner, Error *e)
{
	const char *hash, *precision;
	char own[17];
	snprintf(own, sizeof own, "%016" PRIx64, owner->hash);
	if (!document_check_kind(first, "state", e) || !document_get_string(first, "ul.encoder", &hash, e) ||
	    !document_get_string(first, "ul.precision", &precision, e))
		return false;
	if (strcmp(hash, own) != 0)
		return fail(e, ERROR_USAGE,
		            "a state of another encoder (hash %.16s, this one has %s): begin a new one "
		            "with whole histories",
		            hash, own);
	return strcmp(precision, precision_name(owner->precision)) == 0 ||
	       fail(e, ERROR_USAGE, "a state of --precision %.16s, not %s", precision,
	            precision_name(owner->precision));
}

static bool make_tables(StateReader *r, Error *e)
{
	size_t columns = r->owner.encoder->columns, layers = r->owner.encoder->shape.layers;
	return (r->value_offsets = memory_new(columns, sizeof *r->value_offsets, e)) != NULL &&
	       (r->values = memory_new(columns, sizeof *r->values, e)) != NULL &&
	       (r->k = memory_new(layers, sizeof *r->k, e)) != NULL &&
	       (r->v = memory_new(layers, sizeof *r->v, e)) != NULL;
}

StateReader *state_open(const char *path, const StateOwner *owner, Error *e)
{
	Document *first = NULL;
	StateReader *r = memory_new(1, sizeof *r, e);
	if (r == NULL)
		return NULL;
	r->owner = *owner;
	bool done = make_tables(r, e) && (r->stream = stream_reader_open(path, e)) != NULL &&
	            stream_read(r->stream, &first, e);
	if (done) {
		done = first != NULL ? check_owner(first, owner, e)
		                     : fail(e, ERROR_MALFORMED, "the stream has no document");
		if (!done)
			fail_in(e, "%s", path);
	}
	document_free(first);
	if (done)
		return r;
	state_close(r);
	return NULL;
}

void state_close(StateReader *r)
{
	if (r == NULL)
		return;
	stream_reader_free(r->stream);
	document_free(r->document);
	memory_free(r->value_offsets);
	memory_free(r->values);
	memory_free(r->k);
	memory_free(r->v);
	memory_free(r);
}

static bool get_users(const Document *d, StateChunk *c, Error *e)
{
	const DocumentTensor *bytes = document_need_vector(d, "user.bytes", DTYPE_U8, 0, e);
	const DocumentTensor *ends = document_need_vector(d, "user.offsets", DTYPE_I64, 0, e);
	if (bytes == NULL || ends == NULL)
		return false;
	if (ends->count < 2)
		return fail(e, ERROR_MALFORMED, "a chunk without users");
	c->users = ends->count - 1;
	c->user_bytes = bytes->data;
	return (c->user_offsets = document_need_offsets(d, "user.offsets", c->users, bytes->count, e)) !=
	       NULL;
}

/* As many events as the column of items says. */
static bool get_events(const Document *d, const Encoder *m, StateChunk *c, size_t *events, Error *e)
{
	const DocumentTensor *t = document_need_vector(d, "event.item.offsets", DTYPE_I64, 0, e);
	if (t == NULL)
		return false;
	*events = t->count > 0 ? t->count - 1 : 0;
	c->event_offsets = document_need_offsets(d, "event.offsets", c->users, *events, e);
	for (size_t u = 0; c->event_offsets != NULL && u < c->users; u++)
		if ((size_t)(c->event_offsets[u + 1] - c->event_offsets[u]) > m->shape.max_len)
			return fail(e, ERROR_MALFORMED, "a user with more than the %zu events that are read",
			            m->shape.max_len);
	return c->event_offsets != NULL;
}

static bool get_column(const Document *d, const Encoder *m, size_t column, size_t events, StateChunk *c,
                       Error *e)
{
	char name[NAME_BYTES];
	snprintf(name, sizeof name, "event.%s.values", column_name(m, column));
	const DocumentTensor *t = document_need_vector(d, name, DTYPE_I32, 0, e);
	if (t == NULL)
		return false;
	const int32_t *ids = c->values[column] = t->data;
	for (size_t i = 0; i < t->count; i++)
		if (ids[i] < 0 || (size_t)ids[i] >= m->tables[column]->rows)
			return fail(e, ERROR_MALFORMED, "tensor %s: id %d at %zu is none of the encoder's",
			            name, ids[i], i);
	snprintf(name, sizeof name, "event.%s.offsets", column_name(m, column));
	return (c->value_offsets[column] = document_need_offsets(d, name, events, t->count, e)) != NULL;
}

static const float *get_rows(const Document *d, size_t layer, char part, size_t *rows, size_t dim, Error *e)
{
	char name[NAME_BYTES];
	snprintf(name, sizeof name, "cache.%zu.%c", layer, part);
	const DocumentTensor *t = document_need(d, name, DTYPE_F32, 2, (size_t[]){0, dim}, e);
	if (t == NULL)
		return NULL;
	if (*rows != SIZE_MAX && t->shape[0] != *rows) {
		fail(e, ERROR_MALFORMED, "tensor %s has %zu rows where %zu belong", name, t->shape[0], *rows);
		return NULL;
	}
	*rows = t->shape[0];
	return t->data;
}

/* A user has a row for every event, or none. */
static bool get_cache(const Document *d, const Encoder *m, StateChunk *c, Error *e)
{
	const DocumentTensor *t = document_need_vector(d, "cache.offsets", DTYPE_I64, c->users + 1, e);
	if (t == NULL)
		return false;
	size_t rows = m->shape.layers > 0 ? SIZE_MAX : (size_t)((const int64_t *)t->data)[c->users];
	for (size_t i = 0; i < m->shape.layers; i++)
		if ((c->k[i] = get_rows(d, i, 'k', &rows, m->shape.dim, e)) == NULL ||
		    (c->v[i] = get_rows(d, i, 'v', &rows, m->shape.dim, e)) == NULL)
			return false;
	c->row_offsets = document_need_offsets(d, "cache.offsets", c->users, rows, e);
	for (size_t u = 0; c->row_offsets != NULL && u < c->users; u++) {
		int64_t own = c->row_offsets[u + 1] - c->row_offsets[u],
		        events = c->event_offsets[u + 1] - c->event_offsets[u];
		if (own != 0 && own != events)
			return fail(e, ERROR_MALFORMED, "%" PRId64 " cached rows of %" PRId64 " events", own,
			            events);
	}
	return c->row_offsets != NULL;
}

static bool get_chunk(StateReader *r, StateChunk *c, Error *e)
{
	const Document *d = r->document;
	const Encoder *m = r->owner.encoder;
	size_t events = 0;
	if (!document_check_kind(d, "state-chunk", e) || !get_users(d, c, e) ||
	    !get_events(d, m, c, &events, e) || !get_cache(d, m, c, e))
		return false;
	for (size_t column = 0; column < m->columns; column++)
		if (!get_column(d, m, column, events, c, e))
			return false;
	if (m->shape.times != TIMES_NONE) {
		const DocumentTensor *times = document_need_vector(d, "event.time", DTYPE_I64, events, e);
		if (times == NULL)
			return false;
		c->times = times->data;
	}
	const DocumentTensor *sums =
	    document_need(d, "sum", DTYPE_F64, 2, (size_t[]){c->users, m->shape.dim}, e);
	c->sums = sums ? sums->data : NULL;
	return sums != NULL;
}

bool state_next(StateReader *r, StateChunk *chunk, Error *e)
{
	*chunk = (StateChunk){.value_offsets = r->value_offsets, .values = r->values, .k = r->k, .v = r->v};
	document_free(r->document);
	r->document = NULL;
	if (!stream_read(r->stream, &r->document, e))
		return false;
	return r->document == NULL || get_chunk(r, chunk, e) || fail_in(e, "%s", stream_name(r->stream));
}

/* Writer */

/* A chunk on its way; offsets without their leading 0. */
typedef struct {
	Strings ids;
	size_t events, rows, bytes;
	Buffer event_offsets, row_offsets, sums, times;
	Buffer *value_offsets, *values; /* by column */
	Buffer *k, *v;                  /* by layer */
} Pending;

enum { GROUP = 4 }; /* so many chunks are compressed side by side */

struct StateWriter {
	StreamWriter *stream;
	Pool *pool;
	StateOwner owner;
	Pending pending[GROUP];
	size_t filled; /* of them, but the one at hand */
};

static bool pending_new(Pending *p, const Encoder *m, Error *e)
{
	return (p->value_offsets = memory_new(m->columns, sizeof(Buffer), e)) != NULL &&
	       (p->values = memory_new(m->columns, sizeof(Buffer), e)) != NULL &&
	       (p->k = memory_new(m->shape.layers, sizeof(Buffer), e)) != NULL &&
	       (p->v = memory_new(m->shape.layers, sizeof(Buffer), e)) != NULL;
}

/* Calls act() for each of its buffers. */
static void each_buffer(Pending *p, const Encoder *m, void (*act)(Buffer *b))
{
	act(&p->event_offsets);
	act(&p->row_offsets);
	act(&p->sums);
	act(&p->times);
	for (size_t c = 0; c < m->columns; c++) {
		if (p->value_offsets != NULL)
			act(&p->value_offsets[c]);
		if (p->values != NULL)
			act(&p->values[c]);
	}
	for (size_t i = 0; i < m->shape.layers; i++) {
		if (p->k != NULL)
			act(&p->k[i]);
		if (p->v != NULL)
			act(&p->v[i]);
	}
}

static void pending_free(Pending *p, const Encoder *m)
{
	strings_free(&p->ids);
	each_buffer(p, m, buffer_free);
	memory_free(p->value_offsets);
	memory_free(p->values);
	memory_free(p->k);
	memory_free(p->v);
}

static void empty(Buffer *b)
{
	b->size = 0;
}

static void pending_reset(Pending *p, const Encoder *m)
{
	strings_free(&p->ids);
	each_buffer(p, m, empty);
	p->events = p->rows = p->bytes = 0;
}

static bool add(Document *d, Dtype dtype, size_t size, const Buffer *b, const char *name, Error *e)
{
	return document_add_vector(d, name, dtype, b->size / size, b->data ? (const void *)b->data : name, e);
}

static bool add_offsets(Document *d, Arena *arena, const Buffer *b, const char *name, Error *e)
{
	size_t count = b->size / sizeof(int64_t);
	int64_t *offsets = arena_new(arena, count + 1, sizeof *offsets, e);
	if (offsets == NULL)
		return false;
	offsets[0] = 0;
	if (count > 0)
		memcpy(offsets + 1, b->data, b->size);
	return document_add_vector(d, name, DTYPE_I64, count + 1, offsets, e);
}

static bool add_column(Document *d, Arena *arena, const Encoder *m, const Pending *p, size_t c, Error *e)
{
	char offsets[NAME_BYTES], values[NAME_BYTES];
	snprintf(offsets, sizeof offsets, "event.%s.offsets", column_name(m, c));
	snprintf(values, sizeof values, "event.%s.values", column_name(m, c));
	return add_offsets(d, arena, &p->value_offsets[c], offsets, e) &&
	       add(d, DTYPE_I32, sizeof(int32_t), &p->values[c], values, e);
}

static bool add_matrix(Document *d, Dtype dtype, size_t rows, size_t dim, const Buffer *b, const char *name,
                       Error *e)
{
	return document_add(d, name, dtype, 2, (size_t[]){rows, dim}, b->data ? (const void *)b->data : name,
	                    e);
}

static bool add_layer(Document *d, const Encoder *m, const Pending *p, size_t i, Error *e)
{
	char k[NAME_BYTES], v[NAME_BYTES];
	snprintf(k, sizeof k, "cache.%zu.k", i);
	snprintf(v, sizeof v, "cache.%zu.v", i);
	return add_matrix(d, DTYPE_F32, p->rows, m->shape.dim, &p->k[i], k, e) &&
	       add_matrix(d, DTYPE_F32, p->rows, m->shape.dim, &p->v[i], v, e);
}

static bool fill_document(void *context, size_t index, Document *d, Arena *arena, Error *e)
{
	const StateWriter *w = context;
	const Encoder *m = w->owner.encoder;
	const Pending *p = &w->pending[index];
	const Strings *ids = &p->ids;
	bool done =
	    document_set(d, "ul.kind", "state-chunk", e) &&
	    document_add_vector(d, "user.bytes", DTYPE_U8, (size_t)ids->offsets[ids->count],
	                        ids->bytes ? (const void *)ids->bytes : "", e) &&
	    document_add_vector(d, "user.offsets", DTYPE_I64, ids->count + 1, ids->offsets, e) &&
	    add_offsets(d, arena, &p->event_offsets, "event.offsets", e) &&
	    add_offsets(d, arena, &p->row_offsets, "cache.offsets", e) &&
	    add_matrix(d, DTYPE_F64, ids->count, m->shape.dim, &p->sums, "sum", e) &&
	    (m->shape.times == TIMES_NONE || add(d, DTYPE_I64, sizeof(int64_t), &p->times, "event.time", e));
	for (size_t c = 0; done && c < m->columns; c++)
		done = add_column(d, arena, m, p, c, e);
	for (size_t i = 0; done && i < m->shape.layers; i++)
		done = add_layer(d, m, p, i, e);
	return done;
}

static bool flush(StateWriter *w, Error *e)
{
	size_t count = w->filled + (w->filled < GROUP && w->pending[w->filled].ids.count > 0);
	if (count > 0 && !stream_write_many(w->stream, w->pool, count, fill_document, w, e))
		return false;
	for (size_t i = 0; i < count; i++)
		pending_reset(&w->pending[i], w->owner.encoder);
	w->filled = 0;
	return true;
}

static bool write_first(StateWriter *w, const Provenance *p, Error *e)
{
	const Encoder *m = w->owner.encoder;
	Document *d = document_new(e);
	bool done = d != NULL && document_stamp(d, "state", p, e) &&
	            document_set_format(d, "ul.encoder", e, "%016" PRIx64, w->owner.hash) &&
	            document_set(d, "ul.precision", precision_name(w->owner.precision), e) &&
	            document_set_format(d, "ul.dim", e, "%zu", m->shape.dim) &&
	            document_set_format(d, "ul.layers", e, "%zu", m->shape.layers) &&
	            document_set_format(d, "ul.max_len", e, "%zu", m->shape.max_len) &&
	            stream_write(w->stream, d, e);
	document_free(d);
	return done;
}

StateWriter *state_create(const char *path, const StateOwner *owner, bool keys, const Provenance *p,
                          Pool *pool, Error *e)
{
	StateWriter *w = memory_new(1, sizeof *w, e);
	if (w == NULL)
		return NULL;
	w->owner = *owner;
	w->pool = pool;
	bool done = (w->stream = stream_writer_open(path, e)) != NULL;
	for (size_t i = 0; done && i < GROUP; i++)
		done = pending_new(&w->pending[i], owner->encoder, e);
	if (done && write_first(w, p, e)) {
		if (keys)
			stream_writer_expect(w->stream, STREAM_NUMBERS);
		return w;
	}
	state_abort(w);
	return NULL;
}

void state_abort(StateWriter *w)
{
	if (w == NULL)
		return;
	stream_writer_abort(w->stream);
	for (size_t i = 0; i < GROUP; i++)
		pending_free(&w->pending[i], w->owner.encoder);
	memory_free(w);
}

bool state_finish(StateWriter *w, Error *e)
{
	bool done = flush(w, e);
	if (done) {
		StreamWriter *stream = w->stream;
		w->stream = NULL;
		done = stream_writer_close(stream, e);
	}
	state_abort(w);
	return done;
}

/* Values of column `column` of events [first, end), and where each event's end. */
static bool append_column(Pending *p, const StateChunk *c, size_t column, size_t first, size_t end, Error *e)
{
	const int64_t *offsets = c->value_offsets[column];
	Buffer *values = &p->values[column];
	int64_t shift = (int64_t)(values->size / sizeof(int32_t)) - offsets[first];
	for (size_t i = first; i < end; i++) {
		int64_t behind = offsets[i + 1] + shift;
		if (!buffer_append(&p->value_offsets[column], &behind, sizeof behind, e))
			return false;
	}
	return buffer_append(values, c->values[column] + offsets[first],
	                     (size_t)(offsets[end] - offsets[first]) * sizeof(int32_t), e);
}

static bool append_user(Pending *p, const Encoder *m, const StateChunk *c, size_t user, Error *e)
{
	size_t first = (size_t)c->event_offsets[user], end = (size_t)c->event_offsets[user + 1];
	size_t row = (size_t)c->row_offsets[user], rows = (size_t)c->row_offsets[user + 1] - row;
	size_t dim = m->shape.dim, bytes = rows * dim * sizeof(float);
	Text id = state_user(c, user);
	p->events += end - first;
	p->rows += rows;
	int64_t events_behind = (int64_t)p->events, rows_behind = (int64_t)p->rows;
	if (!strings_append(&p->ids, id.data, id.size, e) ||
	    !buffer_append(&p->event_offsets, &events_behind, sizeof events_behind, e) ||
	    !buffer_append(&p->row_offsets, &rows_behind, sizeof rows_behind, e) ||
	    !buffer_append(&p->sums, c->sums + user * dim, dim * sizeof *c->sums, e))
		return false;
	if (c->times != NULL &&
	    !buffer_append(&p->times, c->times + first, (end - first) * sizeof *c->times, e))
		return false;
	if (rows == 0) /* nobody will add to it */
		memset(p->sums.data + p->sums.size - dim * sizeof *c->sums, 0, dim * sizeof *c->sums);
	for (size_t column = 0; column < m->columns; column++)
		if (!append_column(p, c, column, first, end, e))
			return false;
	for (size_t i = 0; i < m->shape.layers; i++)
		if (!buffer_append(&p->k[i], c->k[i] + row * dim, bytes, e) ||
		    !buffer_append(&p->v[i], c->v[i] + row * dim, bytes, e))
			return false;
	return true;
}

/* Bytes of a user in a chunk. */
static size_t user_bytes(const Encoder *m, const StateChunk *c, size_t user)
{
	size_t first = (size_t)c->event_offsets[user], end = (size_t)c->event_offsets[user + 1],
	       dim = m->shape.dim;
	size_t bytes = state_user(c, user).size + 3 * sizeof(int64_t) + dim * sizeof(double) +
	               (size_t)(c->row_offsets[user + 1] - c->row_offsets[user]) * m->shape.layers * 2 * dim *
	                   sizeof(float);
	bytes += c->times ? (end - first) * sizeof *c->times : 0;
	for (size_t column = 0; column < m->columns; column++) {
		const int64_t *offsets = c->value_offsets[column];
		bytes += (end - first) * sizeof(int64_t) +
		         (size_t)(offsets[end] - offsets[first]) * sizeof(int32_t);
	}
	return bytes;
}

bool state_write(StateWriter *w, const StateChunk *chunk, size_t user, Error *e)
{
	const Encoder *m = w->owner.encoder;
	Pending *p = &w->pending[w->filled];
	size_t bytes = user_bytes(m, chunk, user);
	if (p->ids.count > 0 && p->bytes + bytes > CHUNK_BYTES) {
		if (++w->filled == GROUP && !flush(w, e))
			return false;
		p = &w->pending[w->filled];
	}
	p->bytes += bytes;
	return append_user(p, m, chunk, user, e);
}
