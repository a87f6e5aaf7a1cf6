#include "llm/pretrain.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
	SHARD_TOKENS = 256,   /* texts are put together to about this many tokens */
	EVALUATED_TEXTS = 256 /* at most, a time */
};

/* Pieces of texts: tokens [offsets[i], offsets[i + 1]). */
typedef struct {
	Tokens tokens;
	size_t *offsets;
	size_t count, capacity;
} Pieces;

struct LlmPretraining {
	Llm *llm;
	Pieces train, held_out;
	size_t batch, first, count, targets; /* of the step */
	size_t *shards, shard_count;
	uint32_t *order;
	uint64_t seed;
};

static size_t piece_tokens(const Pieces *p, size_t i)
{
	return p->offsets[i + 1] - p->offsets[i];
}

static bool end_piece(Pieces *p, Error *e)
{
	if (!memory_grow(&p->offsets, &p->capacity, p->count + 2, sizeof *p->offsets, e))
		return false;
	p->offsets[0] = 0;
	p->offsets[++p->count] = p->tokens.count;
	return true;
}

static bool add_token(Pieces *p, int32_t id, Error *e)
{
	if (!memory_grow(&p->tokens.ids, &p->tokens.capacity, p->tokens.count + 1, sizeof *p->tokens.ids, e))
		return false;
	p->tokens.ids[p->tokens.count++] = id;
	return true;
}

/* BOS (which the tokenizer adds), the text, EOS; a piece has one token more than positions, its last
 * being a target only. */
static bool add_text(Pieces *p, const Llm *m, Text text, Error *e)
{
	Tokens tokens = {0};
	const TokenizerModel *model = tokenizer_model(m->tokenizer);
	bool done = tokenizer_encode(m->tokenizer, text, TOKENIZE_BOS, &tokens, e);
	for (size_t i = 0; done && i < tokens.count; i++) {
		done = add_token(p, tokens.ids[i], e);
		if (done && i > 0 && i % m->shape.context == 0)
			done = end_piece(p, e) && add_token(p, tokens.ids[i], e);
	}
	done = done && (model->eos == TOKEN_NONE || add_token(p, model->eos, e)) && end_piece(p, e);
	tokens_free(&tokens);
	return done;
}

static bool add_texts(LlmPretraining *p, const Strings *texts, double holdout, Error *e)
{
	Random random = {random_key(p->seed, 0x401d), 0};
	for (size_t i = 0; i < texts->count; i++)
		if (!add_text(random_uniform(&random) < holdout ? &p->held_out : &p->train, p->llm,
		              strings_at(texts, i), e))
			return false;
	if (p->train.count == 0)
		return fail(e, ERROR_MALFORMED, "there is no text to train on: name one with ul-prep --text");
	return true;
}

LlmPretraining *llm_pretraining_new(Llm *m, const Strings *texts, size_t batch, double holdout, uint64_t seed,
                                    Error *e)
{
	LlmPretraining *p = memory_new(1, sizeof *p, e);
	if (p == NULL)
		return NULL;
	*p = (LlmPretraining){.llm = m, .batch = batch, .seed = seed};
	if (add_texts(p, texts, holdout, e) &&
	    (p->order = memory_new(p->train.count, sizeof *p->order, e)) != NULL &&
	    (p->shards = memory_new(batch + 1, sizeof *p->shards, e)) != NULL)
		return p;
	llm_pretraining_free(p);
	return NULL;
}

static void pieces_free(Pieces *p)
{
	tokens_free(&p->tokens);
	memory_free(p->offsets);
}

void llm_pretraining_free(LlmPretraining *p)
{
	if (p == NULL)
		return;
	pieces_free(&p->train);
	pieces_free(&p->held_out);
	memory_free(p->order);
	memory_free(p->shards);
	memory_free(p);
}

static bool start_epoch(void *context, size_t epoch, size_t *steps, Error *e)
{
	LlmPretraining *p = context;
	Random random = {random_key(p->seed, epoch), 0};
	(void)e;
	for (size_t i = 0; i < p->train.count; i++)
		p->order[i] = (uint32_t)i;
	random_shuffle(&random, p->order, p->train.count);
	*steps = (p->train.count + p->batch - 1) / p->batch;
	return true;
}

static size_t start_step(void *context, size_t step)
{
	LlmPretraining *p = context;
	size_t tokens = 0;
	p->first = step * p->batch;
	p->count = p->train.count - p->first < p->batch ? p->train.count - p->first : p->batch;
	p->targets = p->shard_count = 0;
	for (size_t i = 0; i < p->count; i++) {
		size_t length = piece_tokens(&p->train, p->order[p->first + i]) - 1;
		if (i == 0 || tokens + length > SHARD_TOKENS) {
			p->shards[p->shard_count++] = i;
			tokens = 0;
		}
		tokens += length;
		p->targets += length;
	}
	p->shards[p->shard_count] = p->count;
	return p->shard_count;
}

/* Loss of some pieces, packed end to end. */
static bool pieces_loss(const Llm *m, Tape *t, const Pieces *p, const uint32_t *which, size_t count,
                        double weight, double *loss, size_t *targets)
{
	size_t N = 0, row = 0;
	for (size_t i = 0; i < count; i++)
		N += piece_tokens(p, which[i]) - 1;
	int32_t *tokens = arena_new(&t->arena, N, sizeof *tokens, &t->error);
	int32_t *next = arena_new(&t->arena, N, sizeof *next, &t->error);
	int32_t *positions = arena_new(&t->arena, N, sizeof *positions, &t->error);
	int64_t *offsets = arena_new(&t->arena, N + 1, sizeof *offsets, &t->error);
	AttentionSegment *segments = arena_new(&t->arena, count, sizeof *segments, &t->error);
	if (tokens == NULL || next == NULL || positions == NULL || offsets == NULL || segments == NULL)
		return false;
	for (size_t i = 0; i < count; i++) {
		size_t length = piece_tokens(p, which[i]) - 1;
		const int32_t *ids = p->tokens.ids + p->offsets[which[i]];
		segments[i] = (AttentionSegment){row, length, row, length, true};
		for (size_t k = 0; k < length; k++, row++) {
			tokens[row] = ids[k];
			next[row] = ids[k + 1];
			positions[row] = (int32_t)k;
			offsets[row] = (int64_t)row;
		}
	}
	offsets[N] = (int64_t)N;
	Sequence s = {.positions = positions, .segments = segments, .segment_count = count};
	return tape_cross_entropy(t, llm_forward(t, m, tokens, N, &s, NULL), m->output, m->shape.logit_cap,
	                          (LossTargets){offsets, next}, (float)weight, loss, targets);
}

static bool run_shard(void *context, Tape *t, size_t shard, double *loss, size_t *targets, size_t *events)
{
	const LlmPretraining *p = context;
	size_t first = p->shards[shard], before = *targets;
	bool done = pieces_loss(p->llm, t, &p->train, p->order + p->first + first,
	                        p->shards[shard + 1] - first, 1 / (double)p->targets, loss, targets) &&
	            tape_backward(t);
	*events += *targets - before;
	return done;
}

typedef struct {
	const LlmPretraining *p;
	GemmPrecision precision;
	const Pieces *pieces;
	size_t count;
	double loss[LANES];
	size_t targets[LANES];
	Error errors[LANES];
} Evaluation;

static void evaluate_lane(void *context, size_t lane)
{
	Evaluation *v = context;
	Tape t = {0};
	for (size_t i = lane; i < v->count && v->errors[lane].code == ERROR_NONE; i += LANES) {
		uint32_t which = (uint32_t)i;
		tape_reset(&t, false, 0);
		t.precision = v->precision;
		if (!pieces_loss(v->p->llm, &t, v->pieces, &which, 1, 1, &v->loss[lane], &v->targets[lane]))
			v->errors[lane] = t.error;
	}
	tape_free(&t);
}

static bool evaluate(void *context, GemmPrecision precision, Pool *pool, double *score, char *words,
                     size_t size, Error *e)
{
	const LlmPretraining *p = context;
	bool held_out = p->held_out.count > 0;
	Evaluation v = {.p = p, .precision = precision, .pieces = held_out ? &p->held_out : &p->train};
	v.count = v.pieces->count < EVALUATED_TEXTS ? v.pieces->count : EVALUATED_TEXTS;
	pool_run(pool, LANES, evaluate_lane, &v);
	double loss = 0;
	size_t targets = 0;
	if (!fail_first(v.errors, LANES, e))
		return false;
	for (size_t lane = 0; lane < LANES; lane++) {
		loss += v.loss[lane];
		targets += v.targets[lane];
	}
	*score = targets ? -loss / (double)targets : 0;
	snprintf(words, size, "%s=%.3f", held_out ? "perplexity" : "training-perplexity", exp(-*score));
	return true;
}

Trainee llm_pretraining_trainee(LlmPretraining *p)
{
	return (Trainee){p, &p->llm->parameters, NULL, NULL, start_epoch, start_step, run_shard, evaluate};
}
