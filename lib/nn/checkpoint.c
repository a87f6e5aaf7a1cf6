#include "nn/checkpoint.h"

#include <stdio.h>
#include <string.h>

enum { NAME_MAX_BYTES = 256 };

static void tensor_name(char name[NAME_MAX_BYTES], const char *what, const Parameter *p)
{
	snprintf(name, NAME_MAX_BYTES, "train.%s.%s", what, p->name);
}

static bool add(Document *d, const char *what, const Parameter *p, const float *values, Error *e)
{
	char name[NAME_MAX_BYTES];
	tensor_name(name, what, p);
	return document_add(d, name, DTYPE_F32, p->rank, p->shape, values, e);
}

bool checkpoint_add(const Parameters *set, const float *best, Document *d, Error *e)
{
	bool done = parameters_save(set, d, e);
	for (size_t i = 0; i < set->count && done; i++) {
		const Parameter *p = set->items[i];
		if (!p->trains)
			continue;
		if (p->m != NULL && parameter_moved(p))
			done = add(d, "m", p, p->m, e) && add(d, "v", p, p->v, e);
		done = done && (p->average == NULL || add(d, "average", p, p->average, e));
		if (best != NULL) {
			done = done && add(d, "best", p, best, e);
			best += p->count;
		}
	}
	return done;
}

static bool has(const Document *d, const char *what, const Parameter *p)
{
	char name[NAME_MAX_BYTES];
	tensor_name(name, what, p);
	return document_find(d, name) != NULL;
}

static bool fill(const Document *d, const char *what, const Parameter *p, float *values, Error *e)
{
	char name[NAME_MAX_BYTES];
	tensor_name(name, what, p);
	const DocumentTensor *t = document_need(d, name, DTYPE_F32, p->rank, p->shape, e);
	if (t == NULL)
		return false;
	if (p->row_gradients == NULL || values == p->average) {
		memcpy(values, t->data, t->bytes);
		return true;
	}
	/* What is zero anyway is not written, so that memory of moments goes by the rows that were reached.
	 */
	const float *from = (const float *)t->data;
	size_t cols = p->cols ? p->cols : 1;
	for (size_t first = 0; first < p->count; first += cols)
		if (memcmp(values + first, from + first, cols * sizeof *values) != 0)
			memcpy(values + first, from + first, cols * sizeof *values);
	return true;
}

static bool read_new(const Document *d, const char *what, Parameter *p, float **values, Error *e)
{
	*values = arena_new(&p->memory->weights, p->count, sizeof **values, e);
	return *values != NULL && fill(d, what, p, *values, e);
}

bool checkpoint_read(Parameters *set, float **best, const Document *d, Error *e)
{
	float *copy = NULL;
	bool done = parameters_load(set, d, e);
	if (done && best != NULL)
		done = (copy = *best = memory_new(parameters_count(set, true), sizeof *copy, e)) != NULL;
	for (size_t i = 0; i < set->count && done; i++) {
		Parameter *p = set->items[i];
		if (!p->trains)
			continue;
		/* A gradient that was there once makes the optimizer move on by its moments alone. */
		if (has(d, "m", p))
			done = parameter_moments(p, e) && fill(d, "m", p, p->m, e) &&
			       fill(d, "v", p, p->v, e) && parameter_gradient_row(p, 0, 0, e) != NULL;
		if (p->row_gradients != NULL)
			row_gradient_clear(&p->row_gradients[0]);
		if (done && has(d, "average", p))
			done = read_new(d, "average", p, &p->average, e);
		if (copy != NULL) {
			done = done && fill(d, "best", p, copy, e);
			copy += p->count;
		}
	}
	return done;
}
