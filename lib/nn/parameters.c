#include "nn/parameters.h"

#include "math/vector.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

static void parameter_free(Parameter *p)
{
	if (p == NULL)
		return;
	if (p->rows_of != NULL) {
		memory_lazy_free(p->m, p->count, sizeof *p->m);
		memory_lazy_free(p->v, p->count, sizeof *p->v);
		for (size_t lane = 0; lane < LANES; lane++)
			row_gradient_free(&p->rows_of[lane]);
		memory_free(p->rows_of);
	}
	memory_free(p->name);
	memory_free(p);
}

/* count × size zeroed bytes. */
static void *zeros(Arena *arena, size_t count, size_t size, Error *e)
{
	void *p = arena_new(arena, count, size, e);
	if (p != NULL)
		memset(p, 0, count * size);
	return p;
}

static void initialise(Parameter *p, Init init, double deviation, uint64_t seed)
{
	Random random = {random_key(seed, XXH64(p->name, strlen(p->name), 0)), 0};
	for (size_t i = 0; i < p->count; i++)
		p->value[i] = init == INIT_NORMAL ? (float)(deviation * random_normal(&random))
		                                  : (float)(init == INIT_ONE);
}

static bool document_has(const void *context, const Parameter *p, Error *e)
{
	return document_need(context, p->name, DTYPE_F32, p->rank, p->shape, e) != NULL;
}

static void document_fill(const void *context, Parameter *p)
{
	const DocumentTensor *t = document_find(context, p->name);
	memcpy(p->value, t->data, t->bytes);
}

ParameterSource parameters_in(const Document *d)
{
	return (ParameterSource){d, document_has, document_fill};
}

/* Name and shape; no values yet. */
static Parameter *describe(const char *name, size_t rank, const size_t *shape, Error *e)
{
	Parameter *p = memory_new(1, sizeof *p, e);
	if (p == NULL)
		return NULL;
	*p = (Parameter){.rank = rank, .count = 1, .trains = true, .decays = rank > 1, .lr_scale = 1};
	bool done = (p->name = memory_string(name, e)) != NULL;
	for (size_t i = 0; i < rank && done; i++) {
		p->shape[i] = shape[i];
		done = memory_product(p->count, shape[i], &p->count, e);
	}
	p->rows = rank > 1 ? shape[0] : 1;
	p->cols = p->rows ? p->count / p->rows : 0;
	if (done)
		return p;
	parameter_free(p);
	return NULL;
}

static void set_factors(Parameter *p, size_t first_row)
{
	size_t rows = p->rows - first_row;
	const float *w = p->value + first_row * p->cols;
	p->first_row = first_row;
	p->forward = (PackedOperand){.k = p->cols, .n = rows, .source = {w, p->cols, true}};
	p->backward = (PackedOperand){.k = rows, .n = p->cols, .source = {w, p->cols, false}};
}

Parameter *parameters_add(Parameters *set, const char *name, size_t rank, const size_t *shape, Init init,
                          double deviation, uint64_t seed, Error *e)
{
	if (set->memory == NULL && (set->memory = memory_new(1, sizeof *set->memory, e)) == NULL)
		return NULL;
	Parameter *p = describe(name, rank, shape, e);
	if (p == NULL)
		return NULL;
	p->memory = set->memory;
	if ((set->source != NULL && !set->source->check(set->source->context, p, e)) ||
	    (p->value = arena_new(&p->memory->weights, p->count, sizeof *p->value, e)) == NULL ||
	    !memory_grow(&set->items, &set->capacity, set->count + 1, sizeof *set->items, e)) {
		parameter_free(p);
		return NULL;
	}
	if (set->source != NULL)
		set->source->read(set->source->context, p);
	else
		initialise(p, init, deviation, seed);
	set_factors(p, 0);
	set->items[set->count++] = p;
	return p;
}

void parameters_free(Parameters *set)
{
	for (size_t i = 0; i < set->count; i++)
		parameter_free(set->items[i]);
	if (set->memory != NULL) {
		arena_free(&set->memory->weights);
		for (size_t lane = 0; lane < LANES; lane++)
			arena_free(&set->memory->gradients[lane]);
	}
	memory_free(set->memory);
	memory_free(set->items);
	*set = (Parameters){0};
}

Parameter *parameters_find(const Parameters *set, const char *name)
{
	for (size_t i = 0; i < set->count; i++)
		if (strcmp(set->items[i]->name, name) == 0)
			return set->items[i];
	return NULL;
}

size_t parameters_count(const Parameters *set, bool training_only)
{
	size_t count = 0;
	for (size_t i = 0; i < set->count; i++)
		if (set->items[i]->trains || !training_only)
			count += set->items[i]->count;
	return count;
}

void parameters_train(Parameters *set, bool trains)
{
	for (size_t i = 0; i < set->count; i++)
		set->items[i]->trains = trains;
}

void parameter_multiplies(Parameter *p, size_t first_row)
{
	set_factors(p, first_row);
	p->multiplies = true;
}

void parameters_unpack(Parameters *set)
{
	for (size_t i = 0; i < set->count; i++) {
		packed_drop(&set->items[i]->forward);
		packed_drop(&set->items[i]->backward);
	}
}

typedef struct {
	PackedOperand **operands; /* by task */
	size_t *numbers;
	size_t count, operand_capacity, number_capacity;
} Packing;

static void pack_one(void *context, size_t task)
{
	const Packing *p = context;
	packed_fill(p->operands[task], p->numbers[task]);
}

static bool plan_packing(Packing *p, PackedOperand *operand, GemmPrecision precision, Arena *arena, Error *e)
{
	size_t tasks;
	if (!packed_begin(operand, precision, arena, &tasks, e) ||
	    !memory_grow(&p->operands, &p->operand_capacity, p->count + tasks, sizeof *p->operands, e) ||
	    !memory_grow(&p->numbers, &p->number_capacity, p->count + tasks, sizeof *p->numbers, e))
		return false;
	for (size_t i = 0; i < tasks; i++) {
		p->operands[p->count] = operand;
		p->numbers[p->count++] = i;
	}
	return true;
}

/* The operands of a plan are laid out, or dropped where the plan failed. */
static bool pack_planned(Packing *p, bool planned, Parameters *set, Pool *pool)
{
	if (planned)
		pool_run(pool, p->count, pack_one, p);
	else
		parameters_unpack(set);
	memory_free(p->operands);
	memory_free(p->numbers);
	return planned;
}

bool parameters_pack(Parameters *set, GemmPrecision precision, bool backward, Pool *pool, Error *e)
{
	Packing p = {0};
	bool done = true;
	for (size_t i = 0; i < set->count && done; i++) {
		Parameter *q = set->items[i];
		done = !q->multiplies || (backward && q->rows_of != NULL) ||
		       (plan_packing(&p, &q->forward, precision, &q->memory->weights, e) &&
		        (!backward || plan_packing(&p, &q->backward, precision, &q->memory->weights, e)));
	}
	return pack_planned(&p, done, set, pool);
}

/* Again, what is laid out and has trained. */
static bool pack_again(Parameters *set, Pool *pool, Error *e)
{
	Packing p = {0};
	bool done = true;
	for (size_t i = 0; i < set->count && done; i++) {
		Parameter *q = set->items[i];
		PackedOperand *both[] = {&q->forward, &q->backward};
		for (size_t k = 0; k < 2 && done && q->trains; k++)
			done = !both[k]->laid_out ||
			       plan_packing(&p, both[k], both[k]->precision, &q->memory->weights, e);
	}
	return pack_planned(&p, done, set, pool);
}

bool parameters_save(const Parameters *set, Document *d, Error *e)
{
	for (size_t i = 0; i < set->count; i++) {
		const Parameter *p = set->items[i];
		if (!document_add(d, p->name, DTYPE_F32, p->rank, p->shape, p->value, e))
			return false;
	}
	return true;
}

bool parameters_load(Parameters *set, const Document *d, Error *e)
{
	parameters_unpack(set);
	for (size_t i = 0; i < set->count; i++) {
		if (!document_has(d, set->items[i], e))
			return false;
		document_fill(d, set->items[i]);
	}
	return true;
}

bool parameters_keep(const Parameters *set, float **copy, Error *e)
{
	if (*copy == NULL)
		*copy = memory_new(parameters_count(set, true), sizeof **copy, e);
	if (*copy == NULL)
		return false;
	float *to = *copy;
	for (size_t i = 0; i < set->count; i++)
		if (set->items[i]->trains) {
			memcpy(to, set->items[i]->value, set->items[i]->count * sizeof *to);
			to += set->items[i]->count;
		}
	return true;
}

void parameters_restore(Parameters *set, const float *copy)
{
	parameters_unpack(set);
	for (size_t i = 0; i < set->count; i++)
		if (set->items[i]->trains) {
			memcpy(set->items[i]->value, copy, set->items[i]->count * sizeof *copy);
			copy += set->items[i]->count;
		}
}

bool parameters_exchange(Parameters *set, Pool *pool, Error *e)
{
	for (size_t i = 0; i < set->count; i++) {
		Parameter *p = set->items[i];
		for (size_t k = 0; p->average != NULL && k < p->count; k++) {
			float value = p->value[k];
			p->value[k] = p->average[k];
			p->average[k] = value;
		}
	}
	return pack_again(set, pool, e);
}

bool parameter_sparse(Parameter *p, Error *e)
{
	if (p->rank != 2 || p->rows > INT32_MAX - 1 || p->rows_of != NULL || p->m != NULL)
		return fail(e, ERROR_FAILURE, "%s cannot be trained by rows, or is trained already", p->name);
	p->rows_of = memory_new(LANES, sizeof *p->rows_of, e);
	for (size_t lane = 0; p->rows_of != NULL && lane < LANES; lane++)
		if (!row_gradient_new(&p->rows_of[lane], p->rows, p->cols, e))
			return false;
	return p->rows_of != NULL;
}

float *parameter_gradient_row(Parameter *p, size_t lane, size_t row, Error *e)
{
	if (p->rows_of != NULL)
		return row_gradient_at(&p->rows_of[lane], row, e);
	float *g = parameter_gradient(p, lane, e);
	return g ? g + row * p->cols : NULL;
}

bool parameter_moments(Parameter *p, Error *e)
{
	bool lazy = p->rows_of != NULL;
	if (p->m == NULL)
		p->m = lazy ? memory_lazy(p->count, sizeof *p->m, e)
		            : zeros(&p->memory->weights, p->count, sizeof *p->m, e);
	if (p->v == NULL)
		p->v = lazy ? memory_lazy(p->count, sizeof *p->v, e)
		            : zeros(&p->memory->weights, p->count, sizeof *p->v, e);
	return p->m != NULL && p->v != NULL;
}

bool parameter_moved(const Parameter *p)
{
	bool moved = false;
	for (size_t lane = 0; lane < LANES; lane++)
		moved = moved || p->gradient[lane] != NULL ||
		        (p->rows_of != NULL && p->rows_of[lane].touched != NULL);
	return moved;
}

float *parameter_gradient(Parameter *p, size_t lane, Error *e)
{
	if (p->rows_of != NULL) {
		fail(e, ERROR_FAILURE, "%s is trained by rows: what needs all of it cannot be trained",
		     p->name);
		return NULL;
	}
	if (p->gradient[lane] == NULL)
		p->gradient[lane] = zeros(&p->memory->gradients[lane], p->count, sizeof(float), e);
	return p->gradient[lane];
}

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
		float *g = row_gradient_find(&p->rows_of[lane], row);
		if (sum != NULL && g != NULL && add)
			vector_add(sum, g, p->cols);
		sum = sum ? sum : g;
	}
	return sum;
}

/* Adds the lanes up into the first one that is there, and clears the others. */
static void sum_slice(void *context, size_t task)
{
	Slice *s = &((StepWork *)context)->slices[task];
	float *sum = NULL;
	s->squares = 0;
	for (size_t i = s->first; s->rows != NULL && i < s->first + s->count; i++)
		s->squares += vector_squares(row_sum(s->p, (size_t)s->rows[i], true), s->p->cols);
	if (s->rows != NULL)
		return;
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

static void update_slice(void *context, size_t task)
{
	const StepWork *work = context;
	const Slice *s = &work->slices[task];
	for (size_t i = s->first; s->rows != NULL && i < s->first + s->count; i++) {
		size_t row = (size_t)s->rows[i];
		update(work, s->p, row_sum(s->p, row, false), row * s->p->cols, s->p->cols);
	}
	float *g = s->rows ? NULL : summed(s);
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
	if (s->rows != NULL || (s->p->rows_of == NULL && summed(s) == NULL))
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
	for (size_t lane = 0; p->rows_of != NULL && lane < LANES; lane++)
		count += p->rows_of[lane].count;
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
		const RowGradient *g = &p->rows_of[lane];
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
		if ((p->rows_of == NULL || average) && !cut(slices, p, NULL, p->count, SLICE, e))
			return false;
		if (p->rows_of == NULL)
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
		for (size_t lane = 0; set->items[i]->rows_of != NULL && lane < LANES; lane++)
			row_gradient_clear(&set->items[i]->rows_of[lane]);
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
			done = pack_again(set, pool, e);
		}
	}
	clear_rows(set);
	memory_free(slices.items);
	memory_free(work.rows);
	return done;
}
