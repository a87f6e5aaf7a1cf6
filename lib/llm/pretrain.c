#include "llm/pretrain.h"

#include "llm/pieces.h"

#include <math.h>
#include <stdio.h>

enum {
	SHARD_TOKENS = 256,   /* texts are put together to about this many tokens */
	EVALUATED_TEXTS = 256 /* at most, a time */
};

struct LlmPretraining {
	Llm *llm;
	Pieces train, held_out;
	size_t batch, first, count, targets; /* of the step */
	size_t *shards, shard_count;
	uint32_t *order;
	uint64_t seed;
};

static bool add_texts(LlmPretraining *p, const Strings *texts, double holdout, Error *e)
{
	Random random = {random_key(p->seed, 0x401d), 0};
	for (size_t i = 0; i < texts->count; i++)
		if (!pieces_add(random_uniform(&random) < holdout ? &p->held_out : &p->train,
		                p->llm->tokenizer, strings_at(texts, i), p->llm->shape.context, true, e))
			return false;
	if (p->train.count == 0 && p->held_out.count > 0)
		return fail(e, ERROR_USAGE,
		            "--holdout %g keeps all of %zu texts, and leaves none to train on", holdout,
		            texts->count);
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
		size_t length = piece_rows(&p->train, p->order[p->first + i]);
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

/* Loss of some pieces, packed end to end: see pieces_pack(). */
static bool pieces_loss(const Llm *m, Tape *t, const Pieces *p, const uint32_t *order, size_t first,
                        size_t count, double weight, double *loss, size_t *targets)
{
	PieceBatch b;
	if (!pieces_pack(p, order, first, count, &t->arena, &b, &t->error))
		return false;
	int64_t *offsets = arena_new(&t->arena, b.N + 1, sizeof *offsets, &t->error);
	if (offsets == NULL)
		return false;
	for (size_t row = 0; row <= b.N; row++)
		offsets[row] = (int64_t)row;
	Sequence s = {.positions = b.positions, .segments = b.segments, .segment_count = b.count};
	return tape_cross_entropy(t, llm_forward(t, m, b.tokens, b.N, &s, NULL), m->output,
	                          m->shape.logit_cap, (LossTargets){offsets, b.next}, (float)weight, loss,
	                          targets);
}

static bool run_shard(void *context, Tape *t, size_t shard, double *loss, size_t *targets, size_t *events)
{
	const LlmPretraining *p = context;
	size_t first = p->shards[shard], before = *targets;
	bool done = pieces_loss(p->llm, t, &p->train, p->order, p->first + first,
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
		tape_reset(&t, false, 0);
		t.precision = v->precision;
		size_t piece = i * v->pieces->count / v->count; /* of all parts of the texts */
		if (!pieces_loss(v->p->llm, &t, v->pieces, NULL, piece, 1, 1, &v->loss[lane],
		                 &v->targets[lane]))
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
	return (Trainee){.context = p,
	                 .parameters = &p->llm->parameters,
	                 .epoch = start_epoch,
	                 .step = start_step,
	                 .shard = run_shard,
	                 .evaluate = evaluate,
	                 .needed = "no text"};
}
