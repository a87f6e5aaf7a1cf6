#include "user/pretrain.h"

#include "eval/metrics.h"
#include "user/histories.h"
#include "user/ranking.h"

#include <math.h>
#include <stdio.h>

enum {
	/* Histories are put together to a lane's share of the step's events, within these. */
	LEAST_EVENTS = 256,
	MOST_EVENTS = 512
};

struct Pretraining {
	Encoder *encoder;
	const Dataset *data;
	const Users *users;
	Translation translation;
	size_t batch;
	double feature_weight;
	bool keep_seen;
	uint64_t seed;
	Histories cut;      /* of the epoch */
	Segment *histories; /* of a step */
	size_t history_count, targets;
	size_t *shards; /* first history of each shard, and the end */
	size_t shard_count;
};

Pretraining *pretraining_new(Encoder *m, const Dataset *data, const Users *users, size_t batch,
                             double feature_weight, bool keep_seen, uint64_t seed, Error *e)
{
	Pretraining *p = memory_new(1, sizeof *p, e);
	if (p == NULL)
		return NULL;
	*p = (Pretraining){.encoder = m,
	                   .data = data,
	                   .users = users,
	                   .batch = batch,
	                   .feature_weight = feature_weight,
	                   .keep_seen = keep_seen,
	                   .seed = seed};
	if (translation_new(&p->translation, m, data, e) &&
	    (p->histories = memory_new(batch, sizeof *p->histories, e)) != NULL &&
	    (p->shards = memory_new(batch + 1, sizeof *p->shards, e)) != NULL)
		return p;
	pretraining_free(p);
	return NULL;
}

void pretraining_free(Pretraining *p)
{
	if (p == NULL)
		return;
	translation_free(&p->translation);
	histories_free(&p->cut);
	memory_free(p->histories);
	memory_free(p->shards);
	memory_free(p);
}

static bool start_epoch(void *context, size_t epoch, size_t *steps, Error *e)
{
	Pretraining *p = context;
	if (!histories_cut(&p->cut, p->data, p->users, p->encoder->shape.max_len, random_key(p->seed, epoch),
	                   e))
		return false;
	*steps = (p->cut.count + p->batch - 1) / p->batch;
	return true;
}

static size_t start_step(void *context, size_t step)
{
	Pretraining *p = context;
	size_t first = step * p->batch, left = p->cut.count - first, events = 0;
	p->history_count = left < p->batch ? left : p->batch;
	p->targets = p->shard_count = 0;
	for (size_t i = 0; i < p->history_count; i++) {
		p->histories[i] = p->cut.items[p->cut.order[first + i]];
		p->targets += p->histories[i].end - p->histories[i].first;
	}
	size_t share = p->targets / LANES;
	share = share < LEAST_EVENTS ? LEAST_EVENTS : (share > MOST_EVENTS ? MOST_EVENTS : share);
	for (size_t i = 0; i < p->history_count; i++) {
		size_t length = p->histories[i].end - p->histories[i].first;
		if (i == 0 || events + length > share) {
			p->shards[p->shard_count++] = i;
			events = 0;
		}
		events += length;
	}
	p->shards[p->shard_count] = p->history_count;
	return p->shard_count;
}

static bool run_shard(void *context, Tape *t, size_t shard, double *loss, size_t *targets, size_t *events)
{
	const Pretraining *p = context;
	size_t first = p->shards[shard], count = p->shards[shard + 1] - first;
	Segment *next = arena_new(&t->arena, count, sizeof *next, &t->error);
	EventBatch inputs, labels;
	if (next == NULL)
		return false;
	for (size_t i = 0; i < count; i++)
		next[i] = (Segment){p->histories[first + i].first + 1, p->histories[first + i].end + 1, true};
	if (!batch_new(&inputs, &p->translation, p->users, p->histories + first, count, &t->arena,
	               &t->error) ||
	    !batch_targets(&labels, &p->translation, p->users, next, count, &t->arena, &t->error))
		return false;
	*events += inputs.rows;
	return encoder_loss(t, p->encoder, encoder_forward(t, p->encoder, &inputs), &labels, p->targets,
	                    p->feature_weight, loss, targets) &&
	       tape_backward(t);
}

/* HR@10 and NDCG@10 of the validation part by the encoder alone, full catalogue, seen items left out unless
 * keep_seen. */
static bool evaluate(void *context, GemmPrecision precision, Pool *pool, double *score, char *words,
                     size_t size, Error *e)
{
	const Pretraining *p = context;
	EncoderRanker encoder = {p->encoder, &p->translation, p->keep_seen, precision};
	Ranker ranker = encoder_ranker(&encoder);
	Rankings answers;
	size_t next = 0;
	double hr = 0, ndcg = 0;
	if (!rank_users(&ranker, p->data, p->users, PART_VALIDATION, 0, p->users->count, &next, pool,
	                &answers, e))
		return false;
	size_t count = answers.count;
	for (size_t i = 0; i < count; i++) {
		hr += metric_value((Metric){METRIC_HR, 10}, answers.answers[i].rank) / (double)count;
		ndcg += metric_value((Metric){METRIC_NDCG, 10}, answers.answers[i].rank) / (double)count;
	}
	rankings_free(&answers);
	*score = count ? ndcg : -HUGE_VAL;
	if (count == 0)
		snprintf(words, size, "validation=none (no user has three events)");
	else
		snprintf(words, size, "hr@10=%.4f ndcg@10=%.4f users=%zu", hr, ndcg, count);
	return true;
}

static const char *feature_name(const void *context, size_t loss)
{
	const Pretraining *p = context;
	return p->encoder->catalogue->features[loss - 1].name;
}

Trainee pretraining_trainee(Pretraining *p)
{
	return (Trainee){.context = p,
	                 .parameters = &p->encoder->parameters,
	                 .epoch = start_epoch,
	                 .step = start_step,
	                 .shard = run_shard,
	                 .evaluate = evaluate,
	                 .losses = p->encoder->columns,
	                 .loss_name = feature_name};
}
