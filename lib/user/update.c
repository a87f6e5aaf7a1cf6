#include "user/update.h"

#include <string.h>

/* A user with new events. */
typedef struct {
	size_t user; /* in Update.users */
	const StateChunk *before;
	size_t place; /* in `before` */
	StateChunk after;
} Change;

enum { MOST_CHANGES = 256, GROUP_BYTES = 32 << 20 };

typedef struct {
	const Update *u;
	StateWriter *writer;
	UpdatedRows *rows;
	Vocabulary ids; /* of the users */
	bool *met;      /* by user: was in the state */
	/* A group of changes is computed, then written: */
	Change changes[MOST_CHANGES];
	size_t count, most;
	Arena arenas[LANES]; /* behind `after` */
	Tape tapes[LANES];
	KeyValueCache caches[LANES];
	Error errors[LANES];
} Work;

/* What the options ask for, of E as state_extend() leaves it. */
static bool pool_rows(Work *w, const Change *change, const Tensor *h, size_t lane, Error *e)
{
	const char *pool = w->u->pool;
	size_t d = w->u->encoder->shape.dim, events = (size_t)change->after.event_offsets[1];
	bool all = strcmp(pool, "none") == 0;
	size_t count = w->rows->counts[change->user] = all ? h->rows : 1;
	float *out = arena_new(&w->rows->arenas[lane], count * d, sizeof *out, e);
	w->rows->rows[change->user] = out;
	if (out == NULL)
		return false;
	if (all || (strcmp(pool, "last") == 0 && h->rows > 0))
		memcpy(out, h->value + (h->rows - count) * d, count * d * sizeof *out);
	else
		for (size_t i = 0; i < d; i++)
			out[i] = events > 0 ? (float)(change->after.sums[i] / (double)events) : 0;
	return true;
}

static bool compute(Work *w, Change *change, size_t lane, Error *e)
{
	const Update *u = w->u;
	EventBatch events;
	const Tensor *h;
	Tape *t = &w->tapes[lane];
	Segment history = {(size_t)u->users->offsets[change->user],
	                   (size_t)u->users->offsets[change->user + 1], false};
	tape_reset(t, false, 0);
	t->precision = u->precision;
	if (!batch_new(&events, u->translation, u->users, &history, 1, &t->arena, e))
		return false;
	Extension x = {change->before,
	               change->place,
	               strings_at(&u->users->ids, change->user),
	               &events,
	               strcmp(u->pool, "none") == 0,
	               u->keep_keys};
	return state_extend(u->encoder, &x, t, &w->caches[lane], &w->arenas[lane], &change->after, &h, e) &&
	       pool_rows(w, change, h, lane, e);
}

static void run_lane(void *context, size_t lane)
{
	Work *w = context;
	for (size_t i = lane; i < w->count; i += LANES)
		if (!compute(w, &w->changes[i], lane, &w->errors[lane]))
			return;
}

static bool compute_group(Work *w, Error *e)
{
	for (size_t lane = 0; lane < LANES; lane++)
		arena_reset(&w->arenas[lane]);
	pool_run(w->u->threads, LANES, run_lane, w);
	return fail_first(w->errors, LANES, e);
}

/* The user of a chunk's place, if there are new events; -1 if not, -2 on error. */
static int64_t find(Work *w, const StateChunk *c, size_t place, Error *e)
{
	Text id = state_user(c, place);
	int64_t user = vocabulary_find(&w->ids, id);
	if (user >= 0 && w->met[user]) {
		fail(e, ERROR_MALFORMED, "user '%.*s' is in the state twice",
		     (int)(id.size < 100 ? id.size : 100), id.data);
		return -2;
	}
	if (user >= 0)
		w->met[user] = true;
	return user >= 0 ? user : -1;
}

/* Users [first, *end) of a chunk, of which as many change as make a group. */
static bool gather(Work *w, const StateChunk *c, size_t first, size_t *end, Error *e)
{
	w->count = 0;
	for (*end = first; *end < c->users && w->count < w->most; ++*end) {
		int64_t user = find(w, c, *end, e);
		if (user == -2)
			return false;
		if (user >= 0)
			w->changes[w->count++] = (Change){(size_t)user, c, *end, {0}};
	}
	return true;
}

static bool write_between(Work *w, const StateChunk *c, size_t first, size_t end, Error *e)
{
	const Change *change = w->changes;
	for (size_t place = first; place < end; place++) {
		bool changes = change < w->changes + w->count && change->place == place;
		if (!state_write(w->writer, changes ? &change->after : c, changes ? 0 : place, e))
			return false;
		change += changes;
	}
	return true;
}

static bool pass(Work *w, StateReader *before, Error *e)
{
	StateChunk c;
	for (;;) {
		if (!state_next(before, &c, e))
			return false;
		if (c.users == 0)
			return true;
		for (size_t first = 0, end; first < c.users; first = end)
			if (!gather(w, &c, first, &end, e) || !compute_group(w, e) ||
			    !write_between(w, &c, first, end, e))
				return false;
	}
}

/* Those whom the state did not have, in the order of the data. */
static bool append_fresh(Work *w, size_t *fresh, Error *e)
{
	size_t user = 0, users = w->u->users->count;
	*fresh = 0;
	while (user < users) {
		for (w->count = 0; user < users && w->count < w->most; user++)
			if (!w->met[user])
				w->changes[w->count++] = (Change){.user = user};
		if (!compute_group(w, e))
			return false;
		for (size_t i = 0; i < w->count; i++)
			if (!state_write(w->writer, &w->changes[i].after, 0, e))
				return false;
		*fresh += w->count;
	}
	return true;
}

static bool start(Work *w, Error *e)
{
	const Update *u = w->u;
	const EncoderShape *s = &u->encoder->shape;
	size_t largest = s->max_len * s->dim * sizeof(float) * (2 * s->layers + 1);
	w->most = GROUP_BYTES / largest;
	w->most = w->most < LANES ? LANES : (w->most > MOST_CHANGES ? MOST_CHANGES : w->most);
	w->met = memory_new(u->users->count, sizeof *w->met, e);
	w->rows->rows = memory_new(u->users->count, sizeof *w->rows->rows, e);
	w->rows->counts = memory_new(u->users->count, sizeof *w->rows->counts, e);
	if (w->met == NULL || w->rows->rows == NULL || w->rows->counts == NULL)
		return false;
	for (size_t lane = 0; lane < LANES; lane++)
		if (!cache_new(&w->caches[lane], s->layers, s->dim, e))
			return false;
	for (size_t user = 0; user < u->users->count; user++) {
		Text id = strings_at(&u->users->ids, user);
		int64_t number = vocabulary_add(&w->ids, id, e);
		if (number < 0)
			return false;
		if ((size_t)number != user)
			return fail(e, ERROR_MALFORMED, "user '%.*s' is in the data twice",
			            (int)(id.size < 100 ? id.size : 100), id.data);
	}
	return true;
}

static void work_free(Work *w)
{
	if (w == NULL)
		return;
	vocabulary_free(&w->ids);
	memory_free(w->met);
	for (size_t lane = 0; lane < LANES; lane++) {
		arena_free(&w->arenas[lane]);
		tape_free(&w->tapes[lane]);
		cache_free(&w->caches[lane]);
	}
	memory_free(w);
}

bool update_state(const Update *u, StateReader *before, StateWriter *after, UpdatedRows *rows, size_t *fresh,
                  Error *e)
{
	Work *w = memory_new(1, sizeof *w, e);
	*rows = (UpdatedRows){0};
	bool done = w != NULL;
	if (done) {
		w->u = u;
		w->writer = after;
		w->rows = rows;
		done = start(w, e) && (before == NULL || pass(w, before, e)) && append_fresh(w, fresh, e);
	}
	work_free(w);
	return done;
}

void updated_rows_free(UpdatedRows *rows)
{
	for (size_t lane = 0; lane < LANES; lane++)
		arena_free(&rows->arenas[lane]);
	memory_free(rows->rows);
	memory_free(rows->counts);
	*rows = (UpdatedRows){0};
}
