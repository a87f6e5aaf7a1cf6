#include "nn/parameters.h"

#include "math/vector.h"

#include <math.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

static void parameter_free(Parameter *p)
{
	if (p == NULL)
		return;
	if (p->row_gradients != NULL) {
		memory_lazy_free(p->m, p->count, sizeof *p->m);
		memory_lazy_free(p->v, p->count, sizeof *p->v);
		for (size_t lane = 0; lane < LANES; lane++)
			row_gradient_free(&p->row_gradients[lane]);
		memory_free(p->row_gradients);
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
	const float *w = p->value ? p->value + first_row * p->cols : NULL;
	p->first_row = first_row;
	p->forward = (PackedOperand){.k = p->cols, .n = rows, .source = {w, p->cols, true}};
	p->backward = (PackedOperand){.k = rows, .n = p->cols, .source = {w, p->cols, false}};
}

/* Whether the file's own matrix serves; *done is false on an error. */
static bool keeps(const ParameterSource *source, Parameter *p, bool *done, Error *e)
{
	StoredMatrix stored;
	*done = true;
	if (source == NULL || source->keep == NULL || !source->keep(source->context, p, &stored))
		return false;
	p->stored = arena_new(&p->memory->weights, 1, sizeof *p->stored, e);
	*done = p->stored != NULL;
	if (*done)
		*p->stored = stored;
	p->trains = false;
	return true;
}

/* The values: where they are, or out of the file, or from chance. */
static bool fill(Parameter *p, const ParameterSource *source, Init init, double deviation, uint64_t seed,
                 Error *e)
{
	bool done;
	if (keeps(source, p, &done, e))
		return done;
	if ((p->value = arena_new(&p->memory->weights, p->count, sizeof *p->value, e)) == NULL)
		return false;
	if (source != NULL)
		source->read(source->context, p);
	else
		initialise(p, init, deviation, seed);
	return true;
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
	    !memory_grow(&set->items, &set->capacity, set->count + 1, sizeof *set->items, e) ||
	    !fill(p, set->source, init, deviation, seed, e)) {
		parameter_free(p);
		return NULL;
	}
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

/* A piece of laying out. */
typedef struct {
	PackedOperand *operand; /* or … */
	StoredMatrix *stored;
	size_t number;
} PackTask;

typedef struct {
	PackTask *tasks;
	size_t count, capacity;
} Packing;

static void pack_one(void *context, size_t task)
{
	const PackTask *t = (const PackTask *)context + task;
	if (t->stored != NULL)
		stored_fill(t->stored, t->number);
	else
		packed_fill(t->operand, t->number);
}

static bool plan_tasks(Packing *p, PackTask task, size_t tasks, Error *e)
{
	if (!memory_grow(&p->tasks, &p->capacity, p->count + tasks, sizeof *p->tasks, e))
		return false;
	for (task.number = 0; task.number < tasks; task.number++)
		p->tasks[p->count++] = task;
	return true;
}

static bool plan_packing(Packing *p, PackedOperand *operand, GemmPrecision precision, Arena *arena, Error *e)
{
	size_t tasks;
	return packed_begin(operand, precision, arena, &tasks, e) &&
	       plan_tasks(p, (PackTask){.operand = operand}, tasks, e);
}

static bool plan_parameter(Packing *p, Parameter *q, GemmPrecision precision, bool backward, Error *e)
{
	size_t tasks;
	Arena *arena = &q->memory->weights;
	if (q->stored != NULL)
		return stored_begin(q->stored, precision, arena, &tasks, e) &&
		       plan_tasks(p, (PackTask){.stored = q->stored}, tasks, e);
	return plan_packing(p, &q->forward, precision, arena, e) &&
	       (!backward || plan_packing(p, &q->backward, precision, arena, e));
}

/* The operands of a plan are laid out, or dropped where the plan failed. */
static bool pack_planned(Packing *p, bool planned, Parameters *set, Pool *pool)
{
	if (planned)
		pool_run(pool, p->count, pack_one, p->tasks);
	else {
		parameters_unpack(set);
		for (size_t i = 0; i < set->count; i++)
			if (set->items[i]->stored != NULL)
				stored_drop(set->items[i]->stored);
	}
	memory_free(p->tasks);
	return planned;
}

bool parameters_pack(Parameters *set, GemmPrecision precision, bool backward, Pool *pool, Error *e)
{
	Packing p = {0};
	bool done = true;
	for (size_t i = 0; i < set->count && done; i++) {
		Parameter *q = set->items[i];
		done = !q->multiplies || (backward && q->row_gradients != NULL) ||
		       plan_parameter(&p, q, precision, backward, e);
	}
	return pack_planned(&p, done, set, pool);
}

bool parameters_pack_again(Parameters *set, Pool *pool, Error *e)
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

/* A matrix that is used as a file has it: from now on as if the file had these numbers. */
static bool store(const Document *d, Parameter *p, Error *e)
{
	const DocumentTensor *t = document_find(d, p->name);
	float *numbers = arena_new(&p->memory->weights, p->count, sizeof *numbers, e);
	if (numbers == NULL)
		return false;
	memcpy(numbers, t->data, t->bytes);
	*p->stored = (StoredMatrix){
	    .n = p->rows, .k = p->cols, .type = quant_type(QUANT_F32), .data = (const uint8_t *)numbers};
	return true;
}

bool parameters_load(Parameters *set, const Document *d, Error *e)
{
	parameters_unpack(set);
	for (size_t i = 0; i < set->count; i++) {
		Parameter *p = set->items[i];
		if (!document_has(d, p, e) || (p->stored != NULL && !store(d, p, e)))
			return false;
		if (p->stored == NULL)
			document_fill(d, p);
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
	return parameters_pack_again(set, pool, e);
}

bool parameter_sparse(Parameter *p, Error *e)
{
	if (p->rank != 2 || p->rows > INT32_MAX - 1 || p->row_gradients != NULL || p->m != NULL)
		return fail(e, ERROR_FAILURE, "%s cannot be trained by rows, or is trained already", p->name);
	p->row_gradients = memory_new(LANES, sizeof *p->row_gradients, e);
	for (size_t lane = 0; p->row_gradients != NULL && lane < LANES; lane++)
		if (!row_gradient_new(&p->row_gradients[lane], p->rows, p->cols, e))
			return false;
	return p->row_gradients != NULL;
}

float *parameter_gradient_row(Parameter *p, size_t lane, size_t row, Error *e)
{
	if (p->row_gradients != NULL)
		return row_gradient_at(&p->row_gradients[lane], row, e);
	float *g = parameter_gradient(p, lane, e);
	return g ? g + row * p->cols : NULL;
}

bool parameter_moments(Parameter *p, Error *e)
{
	bool lazy = p->row_gradients != NULL;
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
		        (p->row_gradients != NULL && p->row_gradients[lane].touched != NULL);
	return moved;
}

float *parameter_gradient(Parameter *p, size_t lane, Error *e)
{
	if (p->row_gradients != NULL) {
		fail(e, ERROR_FAILURE, "%s is trained by rows: what needs all of it cannot be trained",
		     p->name);
		return NULL;
	}
	if (p->gradient[lane] == NULL)
		p->gradient[lane] = zeros(&p->memory->gradients[lane], p->count, sizeof(float), e);
	return p->gradient[lane];
}
