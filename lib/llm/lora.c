#include "llm/lora.h"

#include "math/vector.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* The matrices of a block by their place in LORA_MATRICES; NULL: this architecture has none. */
static Parameter *matrix_of(const Llm *m, size_t layer, size_t number)
{
	const AttentionLayer *a = &m->attention[layer];
	const FeedForward *f = &m->feed[layer];
	Parameter *const matrices[] = {a->q, a->k, a->v, a->o, f->gate, f->up, f->down};
	return number < sizeof matrices / sizeof *matrices ? matrices[number] : NULL;
}

/* Bit i: matrix i of LORA_MATRICES is in the list, of words with commas between. */
static bool parse_matrices(const char *list, unsigned *chosen, Error *e)
{
	*chosen = 0;
	for (const char *word = list; word != NULL; word = strchr(word, ',') ? strchr(word, ',') + 1 : NULL) {
		char name[8] = "";
		size_t size = strcspn(word, ",");
		if (size < sizeof name)
			memcpy(name, word, size);
		size_t number = word_number(LORA_MATRICES, name);
		if (number == SIZE_MAX)
			return fail(e, ERROR_USAGE, "'%.*s' is none of the matrices " LORA_MATRICES,
			            (int)size, word);
		*chosen |= 1u << number;
	}
	return true;
}

static Parameter *add_factor(Parameters *set, const Parameter *w, const char *name, size_t rows, size_t cols,
                             Init init, uint64_t seed, Error *e)
{
	char full[128];
	snprintf(full, sizeof full, "lora%s.%s", strchr(w->name, '.'), name);
	Parameter *p =
	    parameters_add(set, full, 2, (size_t[]){rows, cols}, init, 1 / sqrt((double)cols), seed, e);
	if (p != NULL)
		parameter_multiplies(p, 0);
	return p;
}

static bool add_update(const LoraShape *s, Parameter *w, Parameters *set, uint64_t seed, Error *e)
{
	LowRank update = {.scale = (float)(s->alpha / (double)s->rank), .dropout = (float)s->dropout};
	update.a = add_factor(set, w, "a", s->rank, w->cols, INIT_NORMAL, seed, e);
	update.b = update.a ? add_factor(set, w, "b", w->rows, s->rank, INIT_ZERO, seed, e) : NULL;
	if (update.b == NULL)
		return false;
	w->low_rank = update;
	return true;
}

bool lora_add(const LoraShape *s, Llm *m, Parameters *set, uint64_t seed, Error *e)
{
	unsigned chosen;
	size_t added = 0;
	if (!parse_matrices(s->matrices, &chosen, e))
		return false;
	for (size_t i = 0; i < m->shape.layers; i++)
		for (size_t k = 0; chosen >> k != 0; k++) {
			Parameter *w = chosen >> k & 1 ? matrix_of(m, i, k) : NULL;
			if (w != NULL && !add_update(s, w, set, seed, e))
				return false;
			added += w != NULL;
		}
	return added > 0 || fail(e, ERROR_USAGE, "this LLM has none of the matrices %s", s->matrices);
}

void lora_remove(Llm *m)
{
	for (size_t i = 0; i < m->parameters.count; i++)
		m->parameters.items[i]->low_rank = (LowRank){0};
}

static void merge(Parameter *w)
{
	const LowRank *u = &w->low_rank;
	size_t rank = u->a->rows;
	for (size_t row = 0; row < w->rows; row++)
		for (size_t k = 0; k < rank; k++)
			vector_add_scaled(w->value + row * w->cols, u->scale * u->b->value[row * rank + k],
			                  u->a->value + k * w->cols, w->cols);
}

void lora_merge(Llm *m)
{
	for (size_t i = 0; i < m->parameters.count; i++)
		if (m->parameters.items[i]->low_rank.a != NULL)
			merge(m->parameters.items[i]);
	lora_remove(m);
	parameters_unpack(&m->parameters);
}
