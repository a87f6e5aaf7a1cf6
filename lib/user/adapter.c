#include "user/adapter.h"

#include "math/vector.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* For a width that nobody has cut into heads. */
static size_t heads_for(size_t dim)
{
	enum { LEAST_WIDTH = 16 };
	for (size_t heads = dim / LEAST_WIDTH; heads > 1; heads--)
		if (dim % heads == 0 && dim / heads % 2 == 0)
			return heads;
	return 1;
}

PerceiverShape adapter_rows(const AdapterShape *s, const UserSource *users)
{
	const EncoderShape *m = users->encoder ? &users->encoder->shape : NULL;
	size_t dim = m ? m->dim : users->vectors->of.dim, heads = m ? m->heads : heads_for(dim);
	return (PerceiverShape){.dim = dim,
	                        .heads = s->perceiver_heads ? s->perceiver_heads : heads,
	                        .positions = m ? m->max_len : users->vectors->most,
	                        .latents = s->latents,
	                        .layers = s->perceiver_layers};
}

bool users_know_time(const UserSource *users)
{
	return users->encoder != NULL ? users->encoder->shape.times == TIMES_QUERY
	                              : users->vectors != NULL && users->vectors->query_time;
}

static bool add_perceiver(Adapter *a, uint64_t seed, Error *e)
{
	PerceiverShape shape = adapter_rows(&a->shape, &a->users);
	return perceiver_new(&a->perceiver, &shape, &a->parameters, seed, e);
}

/* How large a number of the LLM's embeddings is. */
static double embedding_size(const Llm *m)
{
	const Parameter *p = m->embedding;
	if (p->value == NULL)
		return 1; /* of a stored one nobody asks: an adapter that is loaded has its weights */
	return sqrt((double)vector_dot(p->value, p->value, p->count) / (double)p->count);
}

static bool add_soft(Adapter *a, uint64_t seed, Error *e)
{
	size_t dim = a->perceiver.shape.dim, C = a->llm->shape.layer.C;
	a->memory_norm = parameters_add(&a->parameters, "soft.norm", 1, &dim, INIT_ONE, 0, seed, e);
	a->project = parameters_add(&a->parameters, "soft.project", 2, (size_t[]){C, dim}, INIT_NORMAL,
	                            embedding_size(a->llm) / sqrt((double)dim), seed, e);
	if (a->memory_norm == NULL || a->project == NULL)
		return false;
	parameter_multiplies(a->project, 0);
	return true;
}

/* Marks the layers that a list of numbers names. */
static bool mark_list(const char *list, bool *marked, size_t layers, Error *e)
{
	for (const char *at = list;; at++) { /* over the comma */
		size_t digits = strspn(at, "0123456789"),
		       layer = digits < 9 ? strtoul(at, NULL, 10) : SIZE_MAX;
		if (digits == 0 || (at[digits] != ',' && at[digits] != '\0'))
			return fail(e, ERROR_USAGE, "'%s' is none of all, every:N and a list of layers",
			            list);
		if (layer >= layers)
			return fail(e, ERROR_USAGE, "the LLM's layers are 0 to %zu: it has no layer %.*s",
			            layers - 1, (int)digits, at);
		marked[layer] = true;
		at += digits;
		if (*at == '\0')
			return true;
	}
}

static bool mark_layers(const char *words, bool *marked, size_t layers, Error *e)
{
	char every[16];
	size_t step = 1;
	if (words != NULL && strncmp(words, "every:", 6) == 0) {
		step = strtoul(words + 6, NULL, 10);
		snprintf(every, sizeof every, "%zu", step);
		if (step == 0 || step > layers || strcmp(every, words + 6) != 0)
			return fail(e, ERROR_USAGE, "every:N is of 1 to %zu layers", layers);
	} else if (words != NULL && strcmp(words, "all") != 0) {
		return mark_list(words, marked, layers, e);
	}
	for (size_t i = step - 1; i < layers; i += step)
		marked[i] = true;
	return true;
}

/* Of cross-attention: queries of the LLM's width, keys and values of E's. */
static bool cross_shape(const Adapter *a, LayerShape *shape, Error *e)
{
	const LayerShape *s = &a->llm->shape.layer;
	size_t heads = a->shape.heads ? a->shape.heads : s->heads;
	size_t dim = a->shape.dim ? a->shape.dim : heads * s->D;
	/* Without a Perceiver the rotary tables are of E's rows, for heads of their width. */
	size_t D = a->perceiver.rotary.D;
	if (a->shape.latents == 0 && a->shape.dim == 0)
		dim = heads * D;
	if (a->shape.latents == 0 && dim != heads * D)
		return fail(e, ERROR_USAGE,
		            "without latents, %zu heads of the width of those of E are %zu wide, not %zu",
		            heads, heads * D, dim);
	*shape = (LayerShape){s->C, a->perceiver.shape.dim, heads, heads, dim / heads, 0, s->eps};
	return dim % heads == 0 || fail(e, ERROR_USAGE, "%zu heads cannot share a width of %zu", heads, dim);
}

static bool add_cross_layer(Adapter *a, size_t layer, const LayerShape *shape, uint64_t seed, Error *e)
{
	char name[64];
	snprintf(name, sizeof name, "xattn.%zu", layer);
	if (!attention_layer_new(&a->cross[layer], &a->parameters, name, shape, 0.1, seed, e))
		return false;
	snprintf(name, sizeof name, "xattn.%zu.gate", layer);
	a->gates[layer] = parameters_add(&a->parameters, name, 1, &(size_t){1}, INIT_ZERO, 0, seed, e);
	if (a->gates[layer] == NULL)
		return false;
	a->gates[layer]->lr_scale = 10; /* nothing behind a gate learns until it opens */
	return true;
}

static bool add_cross(Adapter *a, uint64_t seed, Error *e)
{
	size_t layers = a->llm->shape.layers, dim = a->perceiver.shape.dim;
	LayerShape shape;
	bool *marked = memory_new(layers, sizeof *marked, e);
	a->cross = memory_new(layers, sizeof *a->cross, e);
	a->gates = memory_new(layers, sizeof(Parameter *), e);
	a->memory_norm = parameters_add(&a->parameters, "xattn.memory_norm", 1, &dim, INIT_ONE, 0, seed, e);
	bool done = marked != NULL && a->cross != NULL && a->gates != NULL && a->memory_norm != NULL &&
	            mark_layers(a->shape.layers, marked, layers, e) && cross_shape(a, &shape, e);
	for (size_t i = 0; done && i < layers; i++)
		done = !marked[i] || add_cross_layer(a, i, &shape, seed, e);
	memory_free(marked);
	return done;
}

bool injects_rows(InjectionKind kind)
{
	return kind == INJECT_CROSS || kind == INJECT_SOFT;
}

static bool check_shape(const AdapterShape *s, const UserSource *users, Error *e)
{
	if (users->encoder != NULL && users->encoder->shape.arch == ENCODER_BERT4REC)
		return fail(
		    e, ERROR_USAGE,
		    "each row of a bert4rec encoder knows the events after it: an adapter needs one that "
		    "was trained with --arch ar or dual");
	return s->inject != INJECT_SOFT || s->latents > 0 ||
	       fail(e, ERROR_USAGE, "a soft prompt is made of --latents: 1 or more");
}

/* Takes a copy of a text for its own; NULL stays. */
static bool own(const char **text, char **copy, Error *e)
{
	if (*text != NULL)
		*text = *copy = memory_string(*text, e);
	return e->code == ERROR_NONE;
}

static bool own_texts(Adapter *a, Error *e)
{
	return own(&a->task.query, &a->query, e) && own(&a->task.target, &a->target, e) &&
	       own(&a->shape.layers, &a->layers, e) && own(&a->shape.lora.matrices, &a->matrices, e);
}

static bool add_all(Adapter *a, uint64_t seed, Error *e)
{
	const AdapterShape *s = &a->shape;
	return (!injects_rows(s->inject) || add_perceiver(a, seed, e)) &&
	       (s->inject != INJECT_CROSS || add_cross(a, seed, e)) &&
	       (s->inject != INJECT_SOFT || add_soft(a, seed, e)) &&
	       (s->tuning != TUNE_LORA || lora_add(&s->lora, a->llm, &a->parameters, seed, e));
}

Adapter *adapter_new(const AdapterShape *shape, const UserSource *users, Llm *llm, const AdapterTask *task,
                     const ParameterSource *source, uint64_t seed, Error *e)
{
	if (!check_shape(shape, users, e))
		return NULL;
	Adapter *a = memory_new(1, sizeof *a, e);
	if (a == NULL)
		return NULL;
	*a = (Adapter){
	    .shape = *shape, .users = *users, .llm = llm, .task = *task, .parameters.source = source};
	bool done = own_texts(a, e) && add_all(a, seed, e);
	a->parameters.source = NULL;
	if (done)
		return a;
	adapter_free(a);
	return NULL;
}

void adapter_free(Adapter *a)
{
	if (a == NULL)
		return;
	if (a->shape.tuning == TUNE_LORA)
		lora_remove(a->llm);
	parameters_free(&a->parameters);
	perceiver_free(&a->perceiver);
	memory_free(a->cross);
	memory_free(a->gates);
	memory_free(a->query);
	memory_free(a->target);
	memory_free(a->layers);
	memory_free(a->matrices);
	memory_free(a);
}

static bool make_room(AdapterMemory *m, const Adapter *a, size_t count, bool positions, Tape *t)
{
	*m = (AdapterMemory){.adapter = a, .count = count};
	m->layers = arena_new(&t->arena, a->llm->shape.layers, sizeof *m->layers, &t->error);
	m->first = arena_new(&t->arena, count, sizeof *m->first, &t->error);
	m->rows = arena_new(&t->arena, count, sizeof *m->rows, &t->error);
	if (positions)
		m->asking = arena_new(&t->arena, count, sizeof *m->asking, &t->error);
	return t->error.code == ERROR_NONE;
}

/* K rows a target, of the LLM's width. */
static bool soft_memory(const Adapter *a, Tape *t, Tensor *x, const UserTargets *targets, AdapterMemory *m)
{
	*m = (AdapterMemory){.adapter = a, .count = targets->count};
	m->soft = tape_linear(t, tape_rmsnorm(t, x, a->memory_norm, 1e-5f), a->project);
	return m->soft != NULL;
}

/* Keys and values of E′ for each layer. */
static bool cross_memory(const Adapter *a, Tape *t, Tensor *x, const UserTargets *targets, AdapterMemory *m)
{
	size_t K = a->shape.latents, bytes = 0;
	bool made = K > 0 && !a->perceived; /* by the Perceiver, target by target */
	if (!make_room(m, a, targets->count, K == 0, t))
		return false;
	for (size_t i = 0; i < targets->count; i++) {
		m->first[i] = made ? i * K : targets->first[i];
		m->rows[i] = made ? K : targets->known[i];
		if (K == 0)
			m->asking[i] = (int32_t)targets->known[i] - 1;
	}
	Tensor *memory = tape_rmsnorm(t, x, a->memory_norm, 1e-5f);
	for (size_t i = 0; i < a->llm->shape.layers; i++) {
		if (a->gates[i] == NULL)
			continue;
		m->layers[i] = attention_layer_memory(t, &a->cross[i], memory, &a->perceiver.rotary,
		                                      K ? NULL : targets->positions);
		bytes += m->layers[i].k ? 2 * m->layers[i].k->rows * m->layers[i].k->cols * sizeof(float) : 0;
	}
	profile_cache(t->profile, bytes);
	return t->error.code == ERROR_NONE;
}

bool adapter_memory(const Adapter *a, Tape *t, Tensor *e, const UserTargets *targets, AdapterMemory *m)
{
	size_t K = a->shape.latents;
	if (e == NULL)
		return false;
	profile_enter(t->profile, PHASE_ADAPTER, K ? targets->count * K : e->rows);
	Tensor *x = a->perceived ? e : perceiver_forward(&a->perceiver, t, e, targets);
	return (a->shape.inject == INJECT_SOFT ? soft_memory : cross_memory)(a, t, x, targets, m);
}

bool adapter_tokens(AdapterMemory *m, const size_t *start, Arena *arena, Error *e)
{
	if (m->soft != NULL)
		return true; /* tokens say themselves whose they are */
	m->segments = arena_new(arena, m->count, sizeof *m->segments, e);
	m->segment_count = m->count;
	m->positions = m->asking ? arena_new(arena, start[m->count], sizeof *m->positions, e) : NULL;
	if (m->segments == NULL || (m->asking != NULL && m->positions == NULL))
		return false;
	for (size_t i = 0; i < m->count; i++) {
		m->segments[i] =
		    (AttentionSegment){start[i], start[i + 1] - start[i], m->first[i], m->rows[i], false};
		for (size_t row = start[i]; m->asking != NULL && row < start[i + 1]; row++)
			m->positions[row] = m->asking[i];
	}
	return true;
}

/* All rows of x ask for the only target. */
static bool ask_alone(const AdapterMemory *m, Tape *t, size_t rows, Sequence *s, AttentionSegment *segment)
{
	*segment = (AttentionSegment){0, rows, m->first[0], m->rows[0], false};
	s->segments = segment;
	s->segment_count = 1;
	if (m->asking == NULL)
		return true;
	int32_t *positions = arena_new(&t->arena, rows, sizeof *positions, &t->error);
	for (size_t row = 0; positions != NULL && row < rows; row++)
		positions[row] = m->asking[0];
	s->positions = positions;
	return positions != NULL;
}

static Tensor *inject(void *context, Tape *t, size_t layer, Tensor *x)
{
	const AdapterMemory *m = context;
	const Adapter *a = m->adapter;
	AttentionSegment alone;
	if (a->gates[layer] == NULL)
		return x;
	Sequence s = {.positions = m->positions,
	              .rotary = &a->perceiver.rotary,
	              .segments = m->segments,
	              .segment_count = m->segment_count};
	if (m->segments == NULL && !ask_alone(m, t, x->rows, &s, &alone))
		return NULL;
	Tensor *z = attention_layer_cross(t, &a->cross[layer], x, m->layers[layer], &s);
	return tape_gated_residual(t, x, z, a->gates[layer]);
}

Injection adapter_injection(AdapterMemory *m)
{
	return (Injection){m, m->soft ? NULL : inject, m->soft};
}
