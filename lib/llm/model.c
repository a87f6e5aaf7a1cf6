#include "llm/model.h"

#include "math/vector.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static bool has_window(const LlmShape *s, size_t layer)
{
	size_t period = s->architecture->window_period;
	return s->window > 0 && (period == 0 || layer % period < period - 1);
}

static bool add_blocks(Llm *m, uint64_t seed, Error *e)
{
	const LlmShape *s = &m->shape;
	double out_scale = 1 / sqrt(2 * (double)(s->layers ? s->layers : 1));
	m->attention = memory_new(s->layers, sizeof *m->attention, e);
	m->feed = memory_new(s->layers, sizeof *m->feed, e);
	if (m->attention == NULL || m->feed == NULL)
		return false;
	for (size_t i = 0; i < s->layers; i++) {
		char name[64];
		LayerShape shape = s->layer;
		shape.window = has_window(s, i) ? s->window : 0;
		snprintf(name, sizeof name, "llm.blk.%zu.attn", i);
		if (!attention_layer_new(&m->attention[i], &m->parameters, name, &shape, out_scale, seed, e))
			return false;
		snprintf(name, sizeof name, "llm.blk.%zu.ffn", i);
		if (!feed_forward_new(&m->feed[i], &m->parameters, name, &shape, out_scale, seed, e))
			return false;
	}
	return true;
}

/* A table of `rows` vectors, or NULL where it is not `wanted`. */
static bool add_table(bool wanted, Parameter **p, Llm *m, const char *name, size_t rows, uint64_t seed,
                      Error *e)
{
	size_t C = m->shape.layer.C;
	if (wanted)
		*p = parameters_add(&m->parameters, name, 2, (size_t[]){rows, C}, INIT_NORMAL,
		                    1 / sqrt((double)C), seed, e);
	return !wanted || *p != NULL;
}

static bool add_norm(Llm *m, uint64_t seed, Error *e)
{
	const LayerShape *s = &m->shape.layer;
	m->norm = parameters_add(&m->parameters, "llm.norm", 1, &s->C, INIT_ONE, 0, seed, e);
	if (m->norm != NULL && s->centred)
		m->norm_bias =
		    parameters_add(&m->parameters, "llm.norm_bias", 1, &s->C, INIT_ZERO, 0, seed, e);
	return m->norm != NULL && (m->norm_bias != NULL || !s->centred);
}

static bool build(Llm *m, uint64_t seed, Error *e)
{
	const LlmShape *s = &m->shape;
	if (!add_table(true, &m->embedding, m, "llm.embed", s->V, seed, e) ||
	    !add_table(s->architecture->learned, &m->positions, m, "llm.positions", s->context, seed, e) ||
	    !add_norm(m, seed, e) || !add_table(!s->tied, &m->output, m, "llm.output", s->V, seed, e))
		return false;
	if (s->tied)
		m->output = m->embedding;
	parameter_multiplies(m->output, 0);
	return add_blocks(m, seed, e);
}

static bool turn(Llm *m, const float *divisors, Error *e)
{
	const LlmShape *s = &m->shape;
	RotaryShape shape = {s->layer.D,   s->turned,       s->architecture->halves,
	                     s->rope_base, s->rope_scaling, divisors};
	if (s->architecture->learned)
		return true;
	if (!rotary_new(&m->rotary, &shape, m->positions_end, e))
		return false;
	if (s->window == 0 || s->architecture->window_rope_base == 0)
		return true;
	shape.base = s->architecture->window_rope_base;
	shape.scaling = 1;
	return rotary_new(&m->window_rotary, &shape, m->positions_end, e);
}

const char *llm_limit(const Llm *m)
{
	return m->most_positions == m->shape.context ? "the LLM's context" : "the most that is read here";
}

static Llm *new_llm(const LlmShape *shape, Tokenizer *tokenizer, const ParameterSource *source,
                    const float *divisors, uint64_t seed, Error *e)
{
	Llm *m = memory_new(1, sizeof *m, e);
	if (m == NULL) {
		tokenizer_free(tokenizer);
		return NULL;
	}
	*m = (Llm){.shape = *shape, .tokenizer = tokenizer, .parameters.source = source};
	m->shape.layer.memory = shape->layer.C;
	m->most_positions = shape->context < LLM_POSITIONS ? shape->context : LLM_POSITIONS;
	m->positions_end = shape->architecture->learned ? m->most_positions : LLM_POSITIONS;
	bool done = build(m, seed, e) && turn(m, divisors, e);
	m->parameters.source = NULL;
	if (done)
		return m;
	llm_free(m);
	return NULL;
}

Llm *llm_new(const LlmShape *shape, Tokenizer *tokenizer, uint64_t seed, Error *e)
{
	return new_llm(shape, tokenizer, NULL, NULL, seed, e);
}

Llm *llm_from(const LlmShape *shape, Tokenizer *tokenizer, const ParameterSource *source,
              const float *divisors, Error *e)
{
	return new_llm(shape, tokenizer, source, divisors, 0, e);
}

void llm_free(Llm *m)
{
	if (m == NULL)
		return;
	parameters_free(&m->parameters);
	rotary_free(&m->rotary);
	rotary_free(&m->window_rotary);
	tokenizer_free(m->tokenizer);
	gguf_close(m->file);
	memory_free(m->attention);
	memory_free(m->feed);
	memory_free(m);
}

/* The row of the table for each id, as lists of one; zeros where it is negative. */
static Tensor *look_up(Tape *t, Parameter *table, const int32_t *ids, size_t N)
{
	int64_t *offsets = arena_new(&t->arena, N + 1, sizeof *offsets, &t->error);
	int32_t *listed = arena_new(&t->arena, N, sizeof *listed, &t->error);
	if (offsets == NULL || listed == NULL)
		return NULL;
	offsets[0] = 0;
	for (size_t i = 0; i < N; i++) {
		offsets[i + 1] = offsets[i] + (ids[i] >= 0);
		if (ids[i] >= 0)
			listed[offsets[i]] = ids[i];
	}
	Tensor *x = tape_tensor(t, N, table->cols, table->trains);
	return tape_embedding(t, x, 0, table, offsets, listed);
}

/* The soft tokens' rows where these are. */
static Tensor *add_soft(Tape *t, Tensor *x, Tensor *soft, const int32_t *tokens, size_t N)
{
	int32_t *to = arena_new(&t->arena, N, sizeof *to, &t->error),
	        *from = arena_new(&t->arena, N, sizeof *from, &t->error);
	size_t count = 0;
	if (to == NULL || from == NULL)
		return NULL;
	for (size_t i = 0; i < N; i++)
		if (tokens[i] < 0) {
			to[count] = (int32_t)i;
			from[count++] = -1 - tokens[i];
		}
	return tape_add_rows(t, x, to, soft, from, count);
}

static Tensor *embed(Tape *t, const Llm *m, const int32_t *tokens, size_t N, const int32_t *positions,
                     Tensor *soft)
{
	Tensor *x = look_up(t, m->embedding, tokens, N);
	if (soft != NULL)
		x = add_soft(t, x, soft, tokens, N);
	if (m->shape.architecture->scaled)
		x = tape_scale(t, x, sqrtf((float)m->shape.layer.C));
	return m->positions ? tape_residual(t, x, look_up(t, m->positions, positions, N), 0) : x;
}

/* Attention, what is injected, feed-forward. */
static Tensor *block(Tape *t, const Llm *m, size_t i, Tensor *x, const Sequence *s,
                     const Injection *injection)
{
	Tensor *before = x;
	x = tape_residual(t, x, attention_layer_self(t, &m->attention[i], x, s, i), 0);
	if (injection != NULL && injection->inject != NULL && x != NULL)
		x = injection->inject(injection->context, t, i, x);
	return tape_residual(t, x, feed_forward(t, &m->feed[i], m->shape.parallel ? before : x), 0);
}

typedef struct {
	const Llm *m;
	size_t i;
	Sequence s;
	Injection injection;
} Block;

static Tensor *run_block(Tape *t, const void *context, Tensor *x)
{
	const Block *b = context;
	return block(t, b->m, b->i, x, &b->s, &b->injection);
}

Tensor *llm_forward(Tape *t, const Llm *m, const int32_t *tokens, size_t N, const Sequence *s,
                    const Injection *injection)
{
	Sequence sequence = *s;
	float eps = m->shape.layer.eps;
	for (size_t i = 0; i < N; i++)
		if ((size_t)s->positions[i] >= m->positions_end) {
			fail(&t->error, ERROR_USAGE,
			     "the text is longer than the %zu tokens that can be read", m->positions_end);
			return NULL;
		}
	Tensor *x = embed(t, m, tokens, N, s->positions, injection ? injection->soft : NULL);
	for (size_t i = 0; x != NULL && i < m->shape.layers; i++) {
		bool window = m->attention[i].shape.window > 0 && m->window_rotary.D > 0;
		sequence.rotary = m->positions ? NULL : window ? &m->window_rotary : &m->rotary;
		if (t->training && t->recomputes) {
			Block b = {m, i, sequence, injection ? *injection : (Injection){0}};
			x = tape_recomputed(t, x, run_block, &b, sizeof b);
			continue;
		}
		ArenaMark mark = arena_mark(&t->arena);
		Tensor *y = block(t, m, i, x, &sequence, injection);
		if (t->training || y == NULL) {
			x = y;
		} else { /* nobody goes back: the block's activations are not needed any more */
			memcpy(x->value, y->value, N * m->shape.layer.C * sizeof *x->value);
			arena_rewind(&t->arena, mark);
		}
	}
	return m->norm_bias ? tape_layernorm(t, x, m->norm, m->norm_bias, eps)
	                    : tape_rmsnorm(t, x, m->norm, eps);
}

Tensor *llm_logits(Tape *t, const Llm *m, Tensor *h)
{
	Tensor *y = tape_linear(t, h, m->output);
	if (y != NULL && m->shape.logit_cap > 0)
		softcap_forward(y->value, 1, m->shape.logit_cap, y->rows * y->cols);
	return y;
}

bool llm_no_numbers(const Llm *m, Error *e)
{
	return fail(e, ERROR_MALFORMED, "%s: the LLM gives no numbers: its weights are damaged, or too large",
	            m->file ? gguf_path(m->file) : "--llm");
}

Tensor *llm_log_probabilities(Tape *t, const Llm *m, Tensor *h)
{
	Tensor *y = llm_logits(t, m, h);
	for (size_t i = 0; y != NULL && i < y->rows; i++) {
		float *row = y->value + i * y->cols, sum = vector_logsumexp(row, y->cols);
		if (!isfinite(sum)) {
			llm_no_numbers(m, &t->error);
			return NULL;
		}
		vector_scale_shift(row, 1, -sum, y->cols);
	}
	return y;
}

bool llm_nll(Tape *t, const Llm *m, const Tensor *h, const int32_t *next, double *nll)
{
	enum { PIECE = 64 };
	for (size_t first = 0; h != NULL && first < h->rows; first += PIECE) {
		ArenaMark mark = arena_mark(&t->arena);
		size_t rows = h->rows - first < PIECE ? h->rows - first : PIECE;
		const Tensor *y =
		    llm_log_probabilities(t, m, tape_constant(t, h->value + first * h->cols, rows, h->cols));
		for (size_t i = 0; y != NULL && i < rows; i++)
			nll[first + i] = -(double)y->value[i * y->cols + (size_t)next[first + i]];
		arena_rewind(&t->arena, mark);
		if (y == NULL)
			return false;
	}
	return h != NULL;
}
