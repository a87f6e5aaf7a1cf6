/* Central differences against the tape, for anything that is built of parameters: inputs
 * of an operation are parameters too, put on the tape by tape_tile(t, p, 1). */
#ifndef TESTS_GRADIENT_H
#define TESTS_GRADIENT_H

#include "nn/ops.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

/* Builds the graph and returns its output, or NULL with *loss where it ends in one of its own. */
typedef Tensor *(*GraphBuilder)(Tape *t, void *context, double *loss);

/* The loss of an output: Σ c_i y_i with fixed, uneven c. */
static inline double graph_loss(Tape *t, GraphBuilder build, void *context)
{
	double loss = 0;
	Tensor *y = build(t, context, &loss);
	if (t->error.code != ERROR_NONE)
		fail_msg("%s", t->error.text);
	if (y == NULL)
		return loss;
	float *dy = tape_gradient(t, y, NULL);
	for (size_t i = 0; i < y->rows * y->cols; i++) {
		float c = (float)((double)(random_bits(7, i) >> 40) / (1 << 23) - 1);
		loss += (double)c * (double)y->value[i];
		if (dy != NULL)
			dy[i] = c;
	}
	return loss;
}

static inline Parameter *graph_parameter(Parameters *set, const char *name, size_t rows, size_t cols,
                                         Error *e)
{
	Parameter *p = parameters_add(set, name, 2, (size_t[]){rows, cols}, INIT_NORMAL, 0.7, 11, e);
	assert_non_null(p);
	return p;
}

/* Compares up to `most` weights of each parameter that trains. */
static inline void gradient_check(Parameters *set, GraphBuilder build, void *context, size_t most,
                                  double tolerance)
{
	Tape t = {0};
	Error e = {0};
	tape_reset(&t, true, 5);
	graph_loss(&t, build, context);
	if (!tape_backward(&t))
		fail_msg("%s", t.error.text);
	/* Set aside, since losses add to gradients whenever they are computed. */
	for (size_t i = 0; i < set->count; i++) {
		Parameter *p = set->items[i];
		float *g = p->trains ? parameter_gradient(p, 0, &e) : NULL;
		p->m = arena_new(&p->memory->weights, p->count, sizeof *g, &e);
		assert_true(p->m != NULL && (g != NULL || !p->trains));
		if (g != NULL)
			memcpy(p->m, g, p->count * sizeof *g);
	}
	for (size_t i = 0; i < set->count; i++) {
		Parameter *p = set->items[i];
		if (!p->trains)
			continue;
		const float *g = p->m;
		size_t stride = p->count > most ? p->count / most : 1;
		double scale = 1e-2;
		for (size_t k = 0; k < p->count; k++)
			scale = fmax(scale, fabs((double)g[k]));
		for (size_t k = 0; k < p->count; k += stride) {
			const double step = 4e-3;
			float old = p->value[k];
			p->value[k] = (float)((double)old + step);
			double up = (double)p->value[k];
			tape_reset(&t, true, 5);
			double high = graph_loss(&t, build, context);
			p->value[k] = (float)((double)old - step);
			double down = (double)p->value[k];
			tape_reset(&t, true, 5);
			double low = graph_loss(&t, build, context);
			p->value[k] = old;
			double expected = (high - low) / (up - down);
			if (fabs(expected - (double)g[k]) > tolerance * scale)
				fail_msg("%s[%zu]: gradient %g, differences give %g", p->name, k,
				         (double)g[k], expected);
		}
	}
	tape_free(&t);
}

#endif
