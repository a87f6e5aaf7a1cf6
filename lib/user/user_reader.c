#include "user/user_reader.h"

bool user_reader_new(UserReader *m, const Adapter *a, const Dataset *data, Error *e)
{
	*m = (UserReader){.adapter = a};
	if (a->users.encoder != NULL)
		return translation_new(&m->translation, a->users.encoder, data, e);
	return a->users.vectors == NULL || vectors_fit(a->users.vectors, data, e);
}

void user_reader_free(UserReader *m)
{
	if (m->translation.encoder != NULL)
		translation_free(&m->translation);
	*m = (UserReader){0};
}

/* E of some histories, end to end. */
typedef struct {
	Tensor *e;
	int32_t *positions;
	size_t *first, *rows; /* by history */
} UserRows;

static bool encode(const UserReader *m, Tape *t, const Users *users, const Segment *histories, size_t count,
                   UserRows *r)
{
	EventBatch batch;
	if (!batch_new(&batch, &m->translation, users, histories, count, &t->arena, &t->error))
		return false;
	for (size_t i = 0; i < count; i++) {
		r->first[i] = batch.segments[i].query;
		r->rows[i] = batch.segments[i].queries;
	}
	r->positions = batch.positions;
	r->e = encoder_forward(t, m->adapter->users.encoder, &batch);
	return r->e != NULL;
}

static bool look_up(const UserReader *m, Tape *t, const Users *users, const Segment *histories, size_t count,
                    UserRows *r)
{
	const UserVectors *v = m->adapter->users.vectors;
	size_t *from = arena_new(&t->arena, count, sizeof *from, &t->error), N = 0;
	for (size_t i = 0; from != NULL && i < count; N += r->rows[i++]) {
		r->first[i] = N;
		if (!vectors_find(v, users, users_with(users, histories[i].first), &from[i], &r->rows[i],
		                  &t->error))
			return false;
	}
	r->positions = arena_new(&t->arena, N, sizeof *r->positions, &t->error);
	r->e = tape_tensor(t, N, v->of.dim, false);
	if (from == NULL || r->positions == NULL || r->e == NULL)
		return false;
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < r->rows[i]; k++) {
			vectors_row(v, from[i] + k, r->e->value + (r->first[i] + k) * v->of.dim);
			r->positions[r->first[i] + k] = (int32_t)k;
		}
	return true;
}

bool user_reader_read(const UserReader *m, Tape *t, const Users *users, const Segment *histories,
                      size_t count, const AsOf *asked, AdapterMemory *memory)
{
	UserRows r = {.first = arena_new(&t->arena, count, sizeof *r.first, &t->error),
	              .rows = arena_new(&t->arena, count, sizeof *r.rows, &t->error)};
	size_t *first = arena_new(&t->arena, asked->count, sizeof *first, &t->error),
	       *known = arena_new(&t->arena, asked->count, sizeof *known, &t->error);
	bool encodes = m->adapter->users.encoder != NULL;
	if (r.first == NULL || r.rows == NULL || first == NULL || known == NULL ||
	    !(encodes ? encode : look_up)(m, t, users, histories, count, &r))
		return false;
	for (size_t i = 0; i < asked->count; i++) {
		size_t rows = r.rows[asked->of[i]];
		first[i] = r.first[asked->of[i]];
		known[i] = encodes && asked->known[i] < rows ? asked->known[i] : rows;
		if (known[i] == 0)
			return fail(&t->error, ERROR_USAGE, "a user without events");
	}
	UserTargets targets = {asked->count, first, known, r.positions};
	return adapter_memory(m->adapter, t, r.e, &targets, memory);
}
