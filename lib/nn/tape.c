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
	t->random_key = random_key;
	t->random_count = 0;
	t->error = (Error){0};
}

void tape_free(Tape *t)
{
	arena_free(&t->arena);
	arena_free(&t->scratch);
	*t = (Tape){0};
}

void tape_record(Tape *t, Tensor *y, void (*backward)(Tape *t, const void *context), const void *context,
                 size_t size)
{
	if (!t->training || t->error.code != ERROR_NONE)
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

static float *take(Tape *t, size_t count)
{
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
		x->gradient = take(t, gradient_count(x));
	if (fresh != NULL)
		*fresh = new;
	else if (new && x->gradient != NULL)
		memset(x->gradient, 0, x->rows * x->cols * sizeof(float));
	return x->gradient;
}

void tape_pass_gradient(Tensor *y, Tensor *x)
{
	if (!x->needs_gradient)
		return;
	if (x->gradient != NULL) {
		vector_add(x->gradient, y->gradient, x->rows * x->cols);
		return;
	}
	x->gradient = y->gradient;
	y->gradient = NULL;
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
	              .needs_gradient = needs_gradient};
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
	void (*work)(void *context, size_t first, size_t count);
	void *context;
	size_t count, size; /* of a part */
} Spread;

static void spread_part(void *context, size_t part)
{
	const Spread *s = context;
	size_t first = part * s->size, left = s->count - first;
	s->work(s->context, first, left < s->size ? left : s->size);
}

void tape_spread(Tape *t, size_t count, size_t unit, void (*work)(void *context, size_t first, size_t count),
                 void *context)
{
	/* Two parts a thread: one that is held up leaves its second to the others. */
	size_t parts = t->pool ? 2 * pool_threads(t->pool) : 1, units = (count + unit - 1) / unit;
	size_t size = (units + parts - 1) / parts * unit;
	if (t->pool == NULL || pool_threads(t->pool) == 1 || count <= unit) {
		work(context, 0, count);
		return;
	}
	Spread s = {work, context, count, size};
	pool_run(t->pool, (count + size - 1) / size, spread_part, &s);
}
