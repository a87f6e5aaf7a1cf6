#include "nn/tape.h"

#include <string.h>

struct TapeStep {
	TapeStep *previous;
	void (*backward)(Tape *t, const void *context);
	void *context;
};

void tape_reset(Tape *t, bool training, uint64_t random_key)
{
	arena_reset(&t->arena);
	arena_reset(&t->scratch);
	t->last = NULL;
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

void tape_record(Tape *t, void (*backward)(Tape *t, const void *context), const void *context, size_t size)
{
	if (!t->training || t->error.code != ERROR_NONE)
		return;
	TapeStep *step = arena_new(&t->arena, 1, sizeof *step, &t->error);
	void *copy = arena_new(&t->arena, 1, size, &t->error);
	if (step == NULL || copy == NULL)
		return;
	memcpy(copy, context, size);
	*step = (TapeStep){t->last, backward, copy};
	t->last = step;
}

bool tape_backward(Tape *t)
{
	for (const TapeStep *step = t->last; step != NULL && t->error.code == ERROR_NONE;
	     step = step->previous)
		step->backward(t, step->context);
	return t->error.code == ERROR_NONE;
}

Tensor *tape_tensor(Tape *t, size_t rows, size_t cols, bool needs_gradient)
{
	size_t count;
	Tensor *x = arena_new(&t->arena, 1, sizeof *x, &t->error);
	if (x == NULL || !memory_product(rows, cols, &count, &t->error))
		return NULL;
	*x = (Tensor){rows, cols, arena_new(&t->arena, count, sizeof(float), &t->error), NULL};
	if (t->training && needs_gradient) {
		x->gradient = arena_new(&t->arena, count, sizeof(float), &t->error);
		if (x->gradient != NULL)
			memset(x->gradient, 0, count * sizeof(float));
	}
	return t->error.code == ERROR_NONE ? x : NULL;
}

Tensor *tape_constant(Tape *t, float *value, size_t rows, size_t cols)
{
	Tensor *x = arena_new(&t->arena, 1, sizeof *x, &t->error);
	if (x == NULL)
		return NULL;
	*x = (Tensor){rows, cols, value, NULL};
	return x;
}
