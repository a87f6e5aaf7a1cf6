#include "nn/tape.h"

#include "math/vector.h"

#include <string.h>

struct TapeStep {
	TapeStep *previous;
	Tensor *y;
	void (*backward)(Tape *t, const void *context);
	void *context;
};

/* Memory of a gradient that is not needed any more; this stands at its beginning. */
struct SpareGradient {
	SpareGradient *next;
	size_t count;
};

void tape_reset(Tape *t, bool training, uint64_t random_key)
{
	arena_reset(&t->arena);
	arena_reset(&t->scratch);
	t->last = NULL;
	t->spare = NULL;
	t->training = training;
	t->forgets = false;
	t->random_key = random_key;
	t->random_count = 0;
	t->error = (Error){0};
}

void tape_free(Tape *t)
{
	arena_free(&t->arena);
	arena_free(&t->scratch);
	arena_free(&t->again);
	*t = (Tape){0};
}

void tape_record(Tape *t, Tensor *y, void (*backward)(Tape *t, const void *context), const void *context,
                 size_t size)
{
	if (!t->training || t->forgets || t->error.code != ERROR_NONE)
		return;
	TapeStep *step = arena_new(&t->arena, 1, sizeof *step, &t->error);
	void *copy = arena_new(&t->arena, 1, size, &t->error);
	if (step == NULL || copy == NULL)
		return;
	memcpy(copy, context, size);
	*step = (TapeStep){t->last, y, backward, copy};
	t->last = step;
	if (y->maker == NULL)
		y->maker = step;
}

/* Sizes are a multiple of an arena's alignment, so that the note fits. */
static size_t gradient_count(const Tensor *x)
{
	return (x->rows * x->cols + 15) / 16 * 16;
}

static void put_away(Tape *t, Tensor *x)
{
	if (x->gradient == NULL || x->rows * x->cols == 0)
		return;
	SpareGradient *spare = (SpareGradient *)(void *)x->gradient;
	*spare = (SpareGradient){t->spare, gradient_count(x)};
	t->spare = spare;
	x->gradient = NULL;
}

/* Of a tensor that stays, while what is made again does not, elsewhere. */
static float *take(Tape *t, const Tensor *x)
{
	size_t count = gradient_count(x);
	if (t->outer != NULL && !x->again)
		return arena_new(t->outer, count, sizeof(float), &t->error);
	for (SpareGradient **link = &t->spare; *link != NULL; link = &(*link)->next)
		if ((*link)->count == count) {
			SpareGradient *found = *link;
			*link = found->next;
			return (float *)(void *)found;
		}
	return arena_new(&t->arena, count, sizeof(float), &t->error);
}

float *tape_gradient(Tape *t, Tensor *x, bool *fresh)
{
	bool new = x->gradient == NULL;
	if (!x->needs_gradient || !t->training)
		return NULL;
	if (new)
		x->gradient = take(t, x);
	if (fresh != NULL)
		*fresh = new;
	else if (new && x->gradient != NULL)
		memset(x->gradient, 0, x->rows * x->cols * sizeof(float));
	return x->gradient;
}

void tape_pass_gradient(Tape *t, Tensor *y, Tensor *x)
{
	if (x->needs_gradient && x->gradient == NULL && x->again == y->again) {
		x->gradient = y->gradient;
		y->gradient = NULL;
		return;
	}
	float *gradient = tape_gradient(t, x, NULL);
	if (gradient != NULL)
		vector_add(gradient, y->gradient, x->rows * x->cols);
}

bool tape_backward(Tape *t)
{
	for (const TapeStep *step = t->last; step != NULL && t->error.code == ERROR_NONE;
	     step = step->previous) {
		if (step->y->gradient != NULL)
			step->backward(t, step->context);
		if (step->y->maker == step)
			put_away(t, step->y);
	}
	return t->error.code == ERROR_NONE;
}

Tensor *tape_tensor(Tape *t, size_t rows, size_t cols, bool needs_gradient)
{
	size_t count;
	Tensor *x = arena_new(&t->arena, 1, sizeof *x, &t->error);
	if (x == NULL || !memory_product(rows, cols, &count, &t->error))
		return NULL;
	*x = (Tensor){.rows = rows,
	              .cols = cols,
	              .value = arena_new(&t->arena, count, sizeof(float), &t->error),
	              .needs_gradient = needs_gradient,
	              .again = t->outer != NULL};
	return t->error.code == ERROR_NONE ? x : NULL;
}

Tensor *tape_constant(Tape *t, float *value, size_t rows, size_t cols)
{
	Tensor *x = arena_new(&t->arena, 1, sizeof *x, &t->error);
	if (x == NULL)
		return NULL;
	*x = (Tensor){.rows = rows, .cols = cols, .value = value};
	return x;
}

typedef struct {
	Tensor *x, *y;
	Tensor *(*run)(Tape *t, const void *context, Tensor *x);
	const void *context;
	uint32_t random_count; /* as it began */
} Recomputed;

/* A tape within the tape: what it makes is played back at once. */
static void recompute(Tape *t, const void *context)
{
	const Recomputed *r = context;
	Arena outer = t->arena;
	SpareGradient *spare = t->spare;
	TapeStep *last = t->last;
	uint32_t random_count = t->random_count;
	t->outer = &outer;
	t->arena = t->again;
	t->spare = NULL;
	t->last = NULL;
	t->random_count = r->random_count;
	Tensor *y = r->run(t, r->context, r->x);
	if (y != NULL) {
		y->gradient = r->y->gradient;
		tape_backward(t);
	}
	arena_reset(&t->arena);
	t->again = t->arena;
	t->arena = outer;
	t->outer = NULL;
	t->spare = spare;
	t->last = last;
	t->random_count = random_count;
}

Tensor *tape_recomputed(Tape *t, Tensor *x, Tensor *(*run)(Tape *t, const void *context, Tensor *x),
                        const void *context, size_t size)
{
	Tensor *y = x ? tape_tensor(t, x->rows, x->cols, false) : NULL;
	void *copy = y ? arena_new(&t->arena, 1, size, &t->error) : NULL;
	if (copy == NULL)
		return NULL;
	memcpy(copy, context, size);
	Recomputed r = {x, y, run, copy, t->random_count};
	ArenaMark mark = arena_mark(&t->arena);
	t->forgets = true;
	const Tensor *made = run(t, copy, x);
	t->forgets = false;
	if (made == NULL)
		return NULL;
	y->needs_gradient = made->needs_gradient;
	memcpy(y->value, made->value, x->rows * x->cols * sizeof *y->value);
	arena_rewind(&t->arena, mark);
	if (y->needs_gradient)
		tape_record(t, y, recompute, &r, sizeof r);
	return y;
}

typedef struct {
	void (*work)(void *context, size_t first, size_t count);
	void *context;
	size_t count, unit, units, parts;
} Spread;

/* Where a part begins; the last unit may be short. */
static size_t part_begin(const Spread *s, size_t part)
{
	size_t first = s->units * part / s->parts * s->unit;
	return first < s->count ? first : s->count;
}

static void spread_part(void *context, size_t part)
{
	const Spread *s = context;
	size_t first = part_begin(s, part);
	s->work(s->context, first, part_begin(s, part + 1) - first);
}

void tape_spread(Tape *t, size_t count, size_t unit, void (*work)(void *context, size_t first, size_t count),
                 void *context)
{
	/* Two parts a thread, alike: one that is held up leaves its second to the others. */
	size_t parts = t->pool ? 2 * pool_threads(t->pool) : 1, units = (count + unit - 1) / unit;
	Spread s = {work, context, count, unit, units, units < parts ? units : parts};
	if (t->pool == NULL || pool_threads(t->pool) == 1 || units <= 1)
		work(context, 0, count);
	else
		pool_run(t->pool, s.parts, spread_part, &s);
}
