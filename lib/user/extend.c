/* New events of a user, computed from the keys and values of those before. */
#include "user/state.h"

#include <string.h>

/* The events of the window: `skipped` of the old ones are left out. */
typedef struct {
	size_t old, skipped, count; /* old: all there were */
	size_t reused;              /* rows of E that need not be computed, nor their keys and values */
	bool kept;                  /* keys and values, for the next time */
} Window;

static Window window_of(const Encoder *m, const Extension *x)
{
	Window w = {0};
	size_t cached = 0;
	if (x->before != NULL) {
		w.old = (size_t)(x->before->event_offsets[x->place + 1] - x->before->event_offsets[x->place]);
		cached = (size_t)(x->before->row_offsets[x->place + 1] - x->before->row_offsets[x->place]);
	}
	size_t all = w.old + x->events->rows, most = m->shape.max_len;
	w.count = all < most ? all : most;
	w.skipped = all - w.count;
	w.kept = x->keep_keys && w.count < most && m->shape.times != TIMES_QUERY;
	/* Where the last row comes to know when the next event is, it is another, and so are its keys. */
	if (w.skipped == 0 && cached == w.old && x->events->rows > 0 && !x->all_rows &&
	    m->shape.times != TIMES_QUERY)
		w.reused = w.old;
	return w;
}

/* Column c of the events [first, first + count) of a list, behind *row rows that are there. */
static void append_events(const int64_t *offsets, const int32_t *values, size_t first, size_t count,
                          int64_t *to_offsets, int32_t *to_values, size_t *row)
{
	for (size_t i = first; i < first + count; i++) {
		int64_t used = to_offsets[*row], size = offsets[i + 1] - offsets[i];
		if (size > 0)
			memcpy(to_values + used, values + offsets[i], (size_t)size * sizeof *values);
		to_offsets[++*row] = used + size;
	}
}

static bool join_column(const Extension *x, const Window *w, size_t c, Arena *arena, StateChunk *after,
                        Error *e)
{
	size_t row = 0, first = 0, kept = w->old - w->skipped, values;
	const EventBatch *new = x->events;
	const int64_t *before = NULL;
	values = (size_t)(new->offsets[c][new->rows] - new->offsets[c][0]);
	if (x->before != NULL) {
		first = (size_t)x->before->event_offsets[x->place] + w->skipped;
		before = x->before->value_offsets[c];
		values += (size_t)(before[first + kept] - before[first]);
	}
	int64_t *offsets = arena_new(arena, w->count + 1, sizeof *offsets, e);
	int32_t *ids = arena_new(arena, values, sizeof *ids, e);
	if (offsets == NULL || ids == NULL)
		return false;
	offsets[0] = 0;
	if (before != NULL)
		append_events(before, x->before->values[c], first, kept, offsets, ids, &row);
	append_events(new->offsets[c], new->ids[c], 0, new->rows, offsets, ids, &row);
	after->value_offsets[c] = offsets;
	after->values[c] = ids;
	return true;
}

static bool join_times(const Extension *x, const Window *w, Arena *arena, StateChunk *after, Error *e)
{
	size_t kept = w->old - w->skipped;
	int64_t *times = arena_new(arena, w->count, sizeof *times, e);
	if (times == NULL)
		return false;
	if (kept > 0)
		memcpy(times, x->before->times + x->before->event_offsets[x->place] + w->skipped,
		       kept * sizeof *times);
	if (x->events->rows > 0)
		memcpy(times + kept, x->events->key_times, x->events->rows * sizeof *times);
	after->times = times;
	return true;
}

static const int64_t *one_user(size_t count, Arena *arena, Error *e)
{
	int64_t *offsets = arena_new(arena, 2, sizeof *offsets, e);
	if (offsets != NULL) {
		offsets[0] = 0;
		offsets[1] = (int64_t)count;
	}
	return offsets;
}

/* All but the keys, the values and the sum. */
static bool start_after(const Encoder *m, const Extension *x, const Window *w, Arena *arena,
                        StateChunk *after, Error *e)
{
	size_t columns = m->columns, layers = m->shape.layers;
	uint8_t *id = arena_new(arena, x->id.size, 1, e);
	*after = (StateChunk){.users = 1,
	                      .user_bytes = id,
	                      .user_offsets = one_user(x->id.size, arena, e),
	                      .event_offsets = one_user(w->count, arena, e),
	                      .row_offsets = one_user(w->kept ? w->count : 0, arena, e),
	                      .value_offsets = arena_new(arena, columns, sizeof(int64_t *), e),
	                      .values = arena_new(arena, columns, sizeof(int32_t *), e),
	                      .k = arena_new(arena, layers, sizeof(float *), e),
	                      .v = arena_new(arena, layers, sizeof(float *), e)};
	if (id == NULL || after->user_offsets == NULL || after->event_offsets == NULL ||
	    after->row_offsets == NULL || after->value_offsets == NULL || after->values == NULL ||
	    after->k == NULL || after->v == NULL)
		return false;
	if (x->id.size > 0)
		memcpy(id, x->id.data, x->id.size);
	for (size_t c = 0; c < columns; c++)
		if (!join_column(x, w, c, arena, after, e))
			return false;
	return m->shape.times == TIMES_NONE || join_times(x, w, arena, after, e);
}

static bool set_times(const Encoder *m, const StateChunk *after, const Window *w, Arena *arena, EventBatch *b,
                      Error *e)
{
	if (m->shape.times == TIMES_NONE)
		return true;
	int64_t *asked = arena_new(arena, b->rows, sizeof *asked, e);
	bool ahead = m->shape.times == TIMES_QUERY;
	for (size_t i = 0; asked != NULL && i < b->rows; i++)
		asked[i] = after->times[w->reused + i + (ahead && i + 1 < b->rows)];
	b->key_times = after->times;
	b->query_times = asked;
	return asked != NULL;
}

/* The rows of the window that are to be computed, behind those in the cache. */
static bool start_batch(const Encoder *m, const StateChunk *after, const Window *w, KeyValueCache *cache,
                        Arena *arena, EventBatch *b, Error *e)
{
	size_t rows = w->count - w->reused;
	int32_t *positions = arena_new(arena, rows, sizeof *positions, e);
	*b = (EventBatch){.rows = rows,
	                  .offsets = arena_new(arena, m->columns, sizeof *b->offsets, e),
	                  .ids = arena_new(arena, m->columns, sizeof *b->ids, e),
	                  .positions = positions,
	                  .segments = arena_new(arena, 1, sizeof *b->segments, e),
	                  .segment_count = 1,
	                  .cache = w->kept || w->reused > 0 ? cache : NULL,
	                  .slots = positions};
	if (positions == NULL || b->offsets == NULL || b->ids == NULL || b->segments == NULL)
		return false;
	for (size_t c = 0; c < m->columns; c++) {
		b->offsets[c] = (int64_t *)after->value_offsets[c] + w->reused;
		b->ids[c] = (int32_t *)after->values[c];
	}
	if (!set_times(m, after, w, arena, b, e))
		return false;
	for (size_t i = 0; i < rows; i++)
		positions[i] = (int32_t)(w->reused + i);
	b->segments[0] = (AttentionSegment){0, rows, 0, w->count, true};
	return true;
}

static void fill_cache(const Encoder *m, const Extension *x, const Window *w, KeyValueCache *cache)
{
	for (size_t i = 0; i < m->shape.layers && w->reused > 0; i++) {
		size_t first = (size_t)x->before->row_offsets[x->place] * cache->width,
		       bytes = w->reused * cache->width * sizeof(float);
		memcpy(cache->k[i], x->before->k[i] + first, bytes);
		memcpy(cache->v[i], x->before->v[i] + first, bytes);
	}
}

static bool keep_cache(const Encoder *m, const Window *w, const KeyValueCache *cache, Arena *arena,
                       StateChunk *after, Error *e)
{
	size_t count = w->kept ? w->count * cache->width : 0;
	for (size_t i = 0; i < m->shape.layers; i++) {
		float *k = arena_new(arena, count, sizeof *k, e), *v = arena_new(arena, count, sizeof *v, e);
		if (k == NULL || v == NULL)
			return false;
		after->k[i] = k;
		after->v[i] = v;
		if (count == 0)
			continue;
		memcpy(k, cache->k[i], count * sizeof *k);
		memcpy(v, cache->v[i], count * sizeof *v);
	}
	return true;
}

static bool add_up(const Extension *x, const Window *w, const Tensor *h, Arena *arena, StateChunk *after,
                   Error *e)
{
	double *sums = arena_new(arena, h->cols, sizeof *sums, e);
	if (sums == NULL)
		return false;
	for (size_t i = 0; i < h->cols; i++)
		sums[i] = w->reused > 0 ? x->before->sums[x->place * h->cols + i] : 0;
	for (size_t r = 0; r < h->rows; r++)
		for (size_t i = 0; i < h->cols; i++)
			sums[i] += (double)h->value[r * h->cols + i];
	after->sums = sums;
	return true;
}

bool state_extend(const Encoder *m, const Extension *x, Tape *t, KeyValueCache *cache, Arena *arena,
                  StateChunk *after, const Tensor **h, Error *e)
{
	EventBatch batch;
	Window w = window_of(m, x);
	if (!start_after(m, x, &w, arena, after, e) || !cache_reserve(cache, w.count ? w.count : 1, e) ||
	    !start_batch(m, after, &w, cache, &t->arena, &batch, e))
		return false;
	fill_cache(m, x, &w, cache);
	*h = encoder_forward(t, m, &batch);
	if (*h != NULL)
		return keep_cache(m, &w, cache, arena, after, e) && add_up(x, &w, *h, arena, after, e);
	*e = t->error;
	return false;
}
