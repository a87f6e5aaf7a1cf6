#include "llm/model.h"

#include "math/vector.h"

#include <math.h>
#include <stdio.h>

static bool add_blocks(Llm *m, uint64_t seed, Error *e)
{
	const LlmShape *s = &m->shape;
	LayerShape shape = {s->C, s->C, s->heads, s->kv_heads, s->D, s->F, s->eps};
	double out_scale = 1 / sqrt(2 * (double)(s->layers ? s->layers : 1));
	m->attention = memory_new(s->layers, sizeof *m->attention, e);
	m->feed = memory_new(s->layers, sizeof *m->feed, e);
	if (m->attention == NULL || m->feed == NULL)
		return false;
	for (size_t i = 0; i < s->layers; i++) {
		char name[64];
		snprintf(name, sizeof name, "llm.blk.%zu.attn", i);
		if (!attention_layer_new(&m->attention[i], &m->parameters, name, &shape, out_scale, seed, e))
			return false;
		snprintf(name, sizeof name, "llm.blk.%zu.ffn", i);
		if (!feed_forward_new(&m->feed[i], &m->parameters, name, &shape, out_scale, seed, e))
			return false;
	}
	return true;
}

static bool build(Llm *m, uint64_t seed, Error *e)
{
	const LlmShape *s = &m->shape;
	Parameters *set = &m->parameters;
	double deviation = 1 / sqrt((double)s->C);
	m->embedding =
	    parameters_add(set, "llm.embed", 2, (size_t[]){s->V, s->C}, INIT_NORMAL, deviation, seed, e);
	m->norm = parameters_add(set, "llm.norm", 1, &s->C, INIT_ONE, 0, seed, e);
	if (m->embedding == NULL || m->norm == NULL)
		return false;
	m->output = s->tied ? m->embedding
	                    : parameters_add(set, "llm.output", 2, (size_t[]){s->V, s->C}, INIT_NORMAL,
	                                     deviation, seed, e);
	if (m->output != NULL)
		parameter_multiplies(m->output, 0);
	return m->output != NULL && add_blocks(m, seed, e);
}

static Llm *new_llm(const LlmShape *shape, Tokenizer *tokenizer, const ParameterSource *source, uint64_t seed,
                    Error *e)
{
	Llm *m = memory_new(1, sizeof *m, e);
	if (m == NULL) {
		tokenizer_free(tokenizer);
		return NULL;
	}
	*m = (Llm){.shape = *shape, .tokenizer = tokenizer, .parameters.source = source};
	size_t positions = shape->context < LLM_POSITIONS ? shape->context : LLM_POSITIONS;
	bool done = build(m, seed, e) && rotary_new(&m->rotary, shape->D, positions, shape->rope_base,
	                                            shape->rope_scaling, NULL, e);
	m->parameters.source = NULL;
	if (done)
		return m;
	llm_free(m);
	return NULL;
}

Llm *llm_new(const LlmShape *shape, Tokenizer *tokenizer, uint64_t seed, Error *e)
{
	return new_llm(shape, tokenizer, NULL, seed, e);
}

Llm *llm_from(const LlmShape *shape, Tokenizer *tokenizer, const ParameterSource *source, Error *e)
{
	return new_llm(shape, tokenizer, source, 0, e);
}

void llm_free(Llm *m)
{
	if (m == NULL)
		return;
	parameters_free(&m->parameters);
	rotary_free(&m->rotary);
	tokenizer_free(m->tokenizer);
	memory_free(m->attention);
	memory_free(m->feed);
	memory_free(m);
}

/* The embedding of each token, as lists of one. */
static Tensor *embed(Tape *t, const Llm *m, const int32_t *tokens, size_t N)
{
	int64_t *offsets = arena_new(&t->arena, N + 1, sizeof *offsets, &t->error);
	if (offsets == NULL)
		return NULL;
	for (size_t i = 0; i <= N; i++)
		offsets[i] = (int64_t)i;
	Tensor *x = tape_tensor(t, N, m->shape.C, m->embedding->trains);
	return tape_embedding(t, x, 0, m->embedding, offsets, tokens);
}

Tensor *llm_forward(Tape *t, const Llm *m, const int32_t *tokens, size_t N, const Sequence *s,
                    const Injection *injection)
{
	Sequence sequence = *s;
	sequence.rotary = &m->rotary;
	for (size_t i = 0; i < N; i++)
		if ((size_t)s->positions[i] >= m->rotary.positions) {
			fail(&t->error, ERROR_USAGE,
			     "the text is longer than the LLM's context of %zu tokens", m->rotary.positions);
			return NULL;
		}
	Tensor *x = embed(t, m, tokens, N);
	for (size_t i = 0; i < m->shape.layers; i++) {
		x = tape_residual(t, x, attention_layer_self(t, &m->attention[i], x, &sequence, i), 0);
		if (injection != NULL && x != NULL)
			x = injection->inject(injection->context, t, i, x);
		x = tape_residual(t, x, feed_forward(t, &m->feed[i], x), 0);
	}
	return tape_rmsnorm(t, x, m->norm, m->shape.eps);
}

bool llm_log_probabilities(const Llm *m, const float *h, size_t N, float *out, Error *e)
{
	size_t V = m->shape.V, C = m->shape.C;
	gemm_packed(GEMM_F32, N, (Operand){h, C, false}, packed_whole(&m->output->forward), false, out, V);
	for (size_t i = 0; i < N; i++) {
		float *row = out + i * V, sum = vector_logsumexp(row, V);
		if (!isfinite(sum))
			return fail(e, ERROR_FAILURE, "the LLM gives no numbers: are its weights damaged?");
		for (size_t v = 0; v < V; v++)
			row[v] -= sum;
	}
	return true;
}
