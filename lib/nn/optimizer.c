#include "nn/optimizer.h"

#include "math/vector.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Work on all training weights is cut into slices of this many. */
enum { SLICE = 1 << 14 };

/* Numbers [first, first + count) of a parameter, or these among the rows that a step reached. */
typedef struct {
	Parameter *p;
	const int32_t *rows; /* NULL: numbers */
	size_t first, count;
	double squares;
} Slice;

typedef struct {
	Slice *slices;
	AdamW adamw;
	double decay;
	float scale;   /* of the gradients */
	float share;   /* of the new values in their average; 0: there is none */
	int32_t *rows; /* that the step reached, of all sparse parameters one after the other */
} StepWork;

/* The lanes' gradients of a row, added up into the first that has it; or that sum, where `add` is false. */
static float *row_sum(const Parameter *p, size_t row, bool add)
{
	float *sum = NULL;
	for (size_t lane = 0; lane < LANES; lane++) {
		float *g = row_gradient_find(&p->row_gradients[lane], row);
		if (sum != NULL && g != NULL && add)
			vector_add(sum, g, p->cols);
		sum = sum ? sum : g;
	}
	return sum;
}

static void sum_rows(Slice *s)
{
	s->squares = 0;
	for (size_t i = s->first; i < s->first + s->count; i++)
		s->squares += vector_squares(row_sum(s->p, (size_t)s->rows[i], true), s->p->cols);
}

/* Adds the lanes up into the first one that is there, and clears the others. */
static void sum_slice(void *context, size_t task)
{
	Slice *s = &((StepWork *)context)->slices[task];
	float *sum = NULL;
	if (s->rows != NULL) {
		sum_rows(s);
		return;
	}
	for (size_t lane = 0; lane < LANES; lane++) {
		float *g = s->p->gradient[lane];
		if (g == NULL)
			continue;
		if (sum == NULL) {
			sum = g + s->first;
			continue;
		}
		vector_add(sum, g + s->first, s->count);
		memset(g + s->first, 0, s->count * sizeof *g);
	}
	s->squares = sum ? vector_squares(sum, s->count) : 0;
}

static float *summed(const Slice *s)
{
	for (size_t lane = 0; lane < LANES; lane++)
		if (s->p->gradient[lane] != NULL)
			return s->p->gradient[lane] + s->first;
	return NULL;
}

static void update(const StepWork *work, const Parameter *p, float *g, size_t first, size_t count)
{
	AdamW adamw = work->adamw;
	adamw.decay = p->decays ? (float)work->decay : 0;
	adamw.lr *= p->lr_scale;
	if (work->scale != 1)
		vector_scale(g, work->scale, count);
	adamw_step(&adamw, p->value + first, g, p->m + first, p->v + first, count);
}

static void update_rows(const StepWork *work, const Slice *s)
{
	for (size_t i = s->first; i < s->first + s->count; i++) {
		size_t row = (size_t)s->rows[i];
		update(work, s->p, row_sum(s->p, row, false), row * s->p->cols, s->p->cols);
	}
}

static void update_slice(void *context, size_t task)
{
	const StepWork *work = context;
	const Slice *s = &work->slices[task];
	if (s->rows != NULL) {
		update_rows(work, s);
		return;
	}
	float *g = summed(s);
	if (g == NULL)
		return;
	update(work, s->p, g, s->first, s->count);
	memset(g, 0, s->count * sizeof *g);
}

/* Of a sparse parameter rows move on to where they rest, too. */
static void average_slice(void *context, size_t task)
{
	const StepWork *work = context;
	const Slice *s = &work->slices[task];
	if (s->rows != NULL || (s->p->row_gradients == NULL && summed(s) == NULL))
		return;
	vector_scale(s->p->average + s->first, 1 - work->share, s->count);
	vector_add_scaled(s->p->average + s->first, work->share, s->p->value + s->first, s->count);
}

/* What no gradient reaches stays as it is, and so does its average. */
static bool start_average(Parameter *p, Error *e)
{
	p->average = arena_new(&p->memory->weights, p->count, sizeof *p->average, e);
	if (p->average != NULL)
		memcpy(p->average, p->value, p->count * sizeof *p->average);
	return p->average != NULL;
}

typedef struct {
	Slice *items;
	size_t count, capacity;
} Slices;

/* Cuts `count` numbers, or rows, into slices of at most `most`. */
static bool cut(Slices *s, Parameter *p, const int32_t *rows, size_t count, size_t most, Error *e)
{
	for (size_t first = 0; first < count; first += most) {
		if (!memory_grow(&s->items, &s->capacity, s->count + 1, sizeof *s->items, e))
			return false;
		size_t left = count - first;
		s->items[s->count++] = (Slice){p, rows, first, left < most ? left : most, 0};
	}
	return true;
}

static size_t rows_reached(const Parameter *p)
{
	size_t count = 0;
	for (size_t lane = 0; p->row_gradients != NULL && lane < LANES; lane++)
		count += p->row_gradients[lane].count;
	return count;
}

static int by_number(const void *a, const void *b)
{
	int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
	return (x > y) - (x < y);
}

/* All rows that the lanes have, each once, in order; returns how many. */
static size_t list_rows(const Parameter *p, int32_t *rows)
{
	size_t count = 0, kept = 0;
	for (size_t lane = 0; lane < LANES; lane++) {
		const RowGradient *g = &p->row_gradients[lane];
		if (g->count > 0)
			memcpy(rows + count, g->touched, g->count * sizeof *rows);
		count += g->count;
	}
	qsort(rows, count, sizeof *rows, by_number);
	for (size_t i = 0; i < count; i++)
		if (kept == 0 || rows[kept - 1] != rows[i])
			rows[kept++] = rows[i];
	return kept;
}

static bool prepare(Parameter *p, bool average, Error *e)
{
	return parameter_moments(p, e) && (!average || p->average != NULL || start_average(p, e));
}

static bool slice_all(const Parameters *set, bool average, StepWork *work, Slices *slices, Error *e)
{
	size_t reached = 0, listed = 0;
	for (size_t i = 0; i < set->count; i++)
		reached += set->items[i]->trains ? rows_reached(set->items[i]) : 0;
	if ((work->rows = memory_new(reached, sizeof *work->rows, e)) == NULL)
		return false;
	for (size_t i = 0; i < set->count; i++) {
		Parameter *p = set->items[i];
		if (!p->trains)
			continue;
		if (!prepare(p, average, e))
			return false;
		if ((p->row_gradients == NULL || average) && !cut(slices, p, NULL, p->count, SLICE, e))
			return false;
		if (p->row_gradients == NULL)
			continue;
		size_t most = SLICE / (p->cols ? p->cols : 1) + 1, count = list_rows(p, work->rows + listed);
		if (!cut(slices, p, work->rows + listed, count, most, e))
			return false;
		listed += count;
	}
	return true;
}

static void clear_rows(const Parameters *set)
{
	for (size_t i = 0; i < set->count; i++)
		for (size_t lane = 0; set->items[i]->row_gradients != NULL && lane < LANES; lane++)
			row_gradient_clear(&set->items[i]->row_gradients[lane]);
}

bool parameters_step(Parameters *set, const OptimizerStep *step, Pool *pool, double *norm, Error *e)
{
	StepWork work = {
	    .adamw = {(float)step->lr, 0.9f, 0.999f, 1e-8f, 0, step->step}, .decay = step->decay, .scale = 1};
	Slices slices = {0};
	if (step->average > 0)
		work.share = (float)((1 - step->average) / (1 - pow(step->average, (double)step->step)));
	bool done = slice_all(set, step->average > 0, &work, &slices, e);
	size_t count = slices.count;
	work.slices = slices.items;
	if (done) {
		double squares = 0;
		pool_run(pool, count, sum_slice, &work);
		for (size_t i = 0; i < count; i++)
			squares += work.slices[i].squares;
		*norm = sqrt(squares);
		if (step->clip > 0 && *norm > step->clip)
			work.scale = (float)(step->clip / *norm);
		if (isfinite(*norm)) {
			pool_run(pool, count, update_slice, &work);
			if (work.share > 0)
				pool_run(pool, count, average_slice, &work);
			done = parameters_pack_again(set, pool, e);
		}
	}
	clear_rows(set);
	memory_free(slices.items);
	memory_free(work.rows);
	return done;
}
