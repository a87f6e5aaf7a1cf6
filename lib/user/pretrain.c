#include "user/pretrain.h"

#include "eval/metrics.h"
#include "user/loss.h"
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
	PretrainingOptions options;
	uint64_t epoch;
	Histories made;     /* of the epoch */
	size_t first;       /* of the step, in the epoch's order */
	Segment *histories; /* of the step */
	size_t history_count, targets;
	size_t *shards; /* first history of each shard, and the end */
	size_t shard_count;
	size_t *starts;      /* events of the step before each history, and all */
	Negatives negatives; /* of sampled losses */
};

/* What random numbers are for, beside what the epoch and its order take. */
enum { NEGATIVES = 0x6e6567 };

Pretraining *pretraining_new(Encoder *m, const Dataset *data, const Users *users,
                             const PretrainingOptions *options, Error *e)
{
	Pretraining *p = memory_new(1, sizeof *p, e);
	if (p == NULL)
		return NULL;
	*p = (Pretraining){.encoder = m, .data = data, .users = users, .options = *options};
	if (translation_new(&p->translation, m, data, e) &&
	    (options->loss == ITEM_LOSS_FULL ||
	     (encoder_sparse(m, e) &&
	      negatives_new(&p->negatives, options->sampling, &p->translation, users, e))) &&
	    (p->histories = memory_new(options->batch, sizeof *p->histories, e)) != NULL &&
	    (p->shards = memory_new(options->batch + 1, sizeof *p->shards, e)) != NULL &&
	    (p->starts = memory_new(options->batch + 1, sizeof *p->starts, e)) != NULL)
		return p;
	pretraining_free(p);
	return NULL;
}

void pretraining_free(Pretraining *p)
{
	if (p == NULL)
		return;
	translation_free(&p->translation);
	negatives_free(&p->negatives);
	memory_free(p->starts);
	histories_free(&p->made);
	memory_free(p->histories);
	memory_free(p->shards);
	memory_free(p);
}

static bool masks(const Pretraining *p)
{
	return p->encoder->shape.arch == ENCODER_BERT4REC;
}

static size_t length_of(Segment s)
{
	return s.end - s.first;
}

static uint64_t epoch_key(const Pretraining *p)
{
	return random_key(p->options.seed, ~p->epoch);
}

/* Whether what follows an input of a history is a target; the same in all windows that have it. */
static bool is_recent(const Pretraining *p, const History *h, size_t event)
{
	Random random = {random_key(epoch_key(p), UINT64_MAX), event};
	double age = (double)(h->newest - event - 1);
	return p->options.recency <= 0 || random_uniform(&random) < exp2(-age / p->options.recency);
}

static bool any_recent(const Pretraining *p, const History *h)
{
	size_t event = h->inputs.first;
	while (event < h->inputs.end && !is_recent(p, h, event))
		event++;
	return event < h->inputs.end;
}

/* The events that are read of a history. */
static Segment read_of(const Pretraining *p, const History *h)
{
	Segment s = h->inputs;
	if (masks(p)) {
		s.end++; /* what only follows can be masked, too */
		s.first += length_of(s) > p->encoder->shape.max_len;
	}
	return s;
}

/* How often each item will be a target, for what is drawn from these. */
static bool count_targets(Pretraining *p, Error *e)
{
	const Histories *h = &p->made;
	Segment *targets = memory_new(h->count, sizeof *targets, e);
	for (size_t i = 0; targets != NULL && i < h->count; i++) {
		targets[i] = read_of(p, &h->items[h->order[i]]);
		targets[i].first += !masks(p);
		targets[i].end += !masks(p);
	}
	if (targets != NULL)
		negatives_count(&p->negatives, &p->translation, p->users, targets, h->count);
	memory_free(targets);
	return targets != NULL;
}

static bool start_epoch(void *context, size_t epoch, size_t *steps, Error *e)
{
	Pretraining *p = context;
	Histories *h = &p->made;
	Sequencing how = {p->options.sequences, p->encoder->shape.max_len, p->options.stride};
	p->epoch = epoch;
	if (!histories_make(h, p->data, p->users, &how, random_key(p->options.seed, epoch), e))
		return false;
	/* Without a target a history teaches nothing. */
	size_t made = h->count;
	h->count = 0;
	for (size_t i = 0; i < made; i++)
		if (masks(p) || any_recent(p, &h->items[h->order[i]]))
			h->order[h->count++] = h->order[i];
	*steps = (h->count + p->options.batch - 1) / p->options.batch;
	return p->options.loss == ITEM_LOSS_FULL || p->options.sampling != NEGATIVES_BATCH ||
	       count_targets(p, e);
}

static const History *history_of(const Pretraining *p, size_t i)
{
	return &p->made.items[p->made.order[p->first + i]];
}

/* Whether event k of the step's history i is masked: by chance, and where masked events are the targets, one
 * in any case. */
static bool is_masked(const Pretraining *p, size_t i, size_t k)
{
	Random random = {random_key(epoch_key(p), p->first + i), 0};
	size_t one = (size_t)random_below(&random, length_of(p->histories[i]));
	random.counter += k;
	return (masks(p) && k == one) || random_uniform(&random) < p->options.mask_rate;
}

/* Whether row k of the step's history i predicts. */
static bool predicts(const Pretraining *p, size_t i, size_t k)
{
	return masks(p) ? is_masked(p, i, k) : is_recent(p, history_of(p, i), p->histories[i].first + k);
}

/* The events that the step reads of a history of the epoch, and how many of their rows predict. */
static size_t take_history(Pretraining *p, size_t i)
{
	Segment *s = &p->histories[i];
	size_t targets = 0;
	*s = read_of(p, history_of(p, i));
	for (size_t k = 0; k < length_of(*s); k++)
		targets += predicts(p, i, k);
	return targets;
}

static size_t start_step(void *context, size_t step)
{
	Pretraining *p = context;
	size_t batch = p->options.batch, left = p->made.count - step * batch, all = 0, events = 0;
	p->first = step * batch;
	p->history_count = left < batch ? left : batch;
	p->targets = p->shard_count = 0;
	for (size_t i = 0; i < p->history_count; i++) {
		p->targets += take_history(p, i);
		p->starts[i] = all;
		all += length_of(p->histories[i]);
	}
	p->starts[p->history_count] = all;
	size_t share = all / LANES;
	share = share < LEAST_EVENTS ? LEAST_EVENTS : (share > MOST_EVENTS ? MOST_EVENTS : share);
	for (size_t i = 0; i < p->history_count; i++) {
		size_t length = length_of(p->histories[i]);
		if (i == 0 || events + length > share) {
			p->shards[p->shard_count++] = i;
			events = 0;
		}
		events += length;
	}
	p->shards[p->shard_count] = p->history_count;
	return p->shard_count;
}

/* The rows of E that predict, and what: the event that follows, or the masked one itself. */
static Tensor *predict(const Pretraining *p, Tape *t, const Segment *histories, size_t count,
                       EventBatch *labels)
{
	EventBatch inputs;
	size_t all = 0, row = 0, targets = 0, first = (size_t)(histories - p->histories), after = !masks(p);
	for (size_t i = 0; i < count; i++)
		all += length_of(histories[i]);
	bool *masked = arena_new(&t->arena, all, sizeof *masked, &t->error);
	Segment *target = arena_new(&t->arena, all, sizeof *target, &t->error);
	int32_t *rows = arena_new(&t->arena, all, sizeof *rows, &t->error);
	if (masked == NULL || target == NULL || rows == NULL)
		return NULL;
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < length_of(histories[i]); k++, row++) {
			size_t event = histories[i].first + k + after;
			masked[row] = is_masked(p, first + i, k);
			if (!predicts(p, first + i, k))
				continue;
			rows[targets] = (int32_t)row;
			target[targets++] = (Segment){event, event + 1, true};
		}
	if (!batch_masked(&inputs, &p->translation, p->users, histories, count, masked, &t->arena,
	                  &t->error) ||
	    !batch_targets(labels, &p->translation, p->users, target, targets, &t->arena, &t->error))
		return NULL;
	Tensor *h = encoder_forward(t, p->encoder, &inputs);
	return targets < all ? tape_rows(t, h, rows, targets) : h;
}

/* The loss of items: for a sampled one negatives of the shard's own are drawn. */
static bool choose_loss(const Pretraining *p, Tape *t, size_t shard, ItemLoss *loss)
{
	const PretrainingOptions *o = &p->options;
	*loss = (ItemLoss){.sampled = o->loss != ITEM_LOSS_FULL, .smoothing = (float)o->label_smoothing};
	if (!loss->sampled)
		return true;
	Random random = {
	    random_key(random_key(random_key(random_key(o->seed, NEGATIVES), p->epoch), p->first), shard), 0};
	int32_t *ids = arena_new(&t->arena, o->negatives, sizeof *ids, &t->error);
	float *log_expected = arena_new(&t->arena, o->negatives, sizeof *log_expected, &t->error);
	if (ids == NULL || log_expected == NULL)
		return false;
	StepTargets step = {.translation = &p->translation,
	                    .users = p->users,
	                    .histories = p->histories,
	                    .starts = p->starts,
	                    .count = p->history_count,
	                    .ahead = !masks(p)};
	negatives_draw(&p->negatives, &random, o->negatives, &step, ids, log_expected);
	loss->terms = (SampledTerms){.kind = o->loss == ITEM_LOSS_GBCE ? LOSS_GBCE : LOSS_SAMPLED_SOFTMAX,
	                             .negatives = o->negatives,
	                             .ids = ids,
	                             .log_expected = log_expected,
	                             .beta = gbce_beta(o->negatives, p->negatives.items, o->calibration),
	                             .prior = -log((double)p->negatives.items)};
	return true;
}

static bool run_shard(void *context, Tape *t, size_t shard, double *loss, size_t *targets, size_t *events)
{
	const Pretraining *p = context;
	const Segment *histories = p->histories + p->shards[shard];
	size_t count = p->shards[shard + 1] - p->shards[shard];
	EventBatch labels = {0};
	ItemLoss items;
	if (!choose_loss(p, t, shard, &items))
		return false;
	Tensor *h = predict(p, t, histories, count, &labels);
	for (size_t i = 0; i < count; i++)
		*events += length_of(histories[i]);
	return h != NULL &&
	       encoder_loss(t, p->encoder, h, &labels, p->targets, p->options.feature_weight, &items, loss,
	                    targets) &&
	       tape_backward(t);
}

/* HR@10 and NDCG@10 of the validation part by the encoder alone, full catalogue, seen items left out unless
 * keep_seen. */
static bool evaluate(void *context, GemmPrecision precision, Pool *pool, double *score, char *words,
                     size_t size, Error *e)
{
	const Pretraining *p = context;
	EncoderRanker encoder = {.encoder = p->encoder,
	                         .translation = &p->translation,
	                         .keep_seen = p->options.keep_seen,
	                         .precision = precision};
	Ranker ranker = encoder_ranker(&encoder);
	Rankings answers;
	size_t next = 0;
	double hr = 0, ndcg = 0;
	bool done = encoder_ranker_start(&encoder, pool, e) &&
	            rank_users(&ranker, p->data, p->users, PART_VALIDATION, 0, p->users->count, &next, pool,
	                       &answers, e);
	encoder_ranker_free(&encoder);
	if (!done && e->code == ERROR_MALFORMED) { /* no numbers: it has diverged */
		*e = (Error){0};
		*score = (double)NAN;
		snprintf(words, size, "ndcg@10=nan");
		return true;
	}
	if (!done)
		return false;
	size_t count = answers.count;
	for (size_t i = 0; i < count; i++) {
		hr += metric_value((Metric){METRIC_HR, 10}, answers.answers[i].rank) / (double)count;
		ndcg += metric_value((Metric){METRIC_NDCG, 10}, answers.answers[i].rank) / (double)count;
	}
	rankings_free(&answers);
	*score = count ? ndcg : -HUGE_VAL;
	if (count == 0)
		snprintf(words, size, "validation=none (no user has an event for it)");
	else
		snprintf(words, size, "hr@10=%.4f ndcg@10=%.4f users=%zu%s", hr, ndcg, count,
		         p->encoder->shape.times == TIMES_QUERY ? " league=query-time" : "");
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
	                 .needed = HISTORY_NEEDED,
	                 .losses = p->encoder->columns,
	                 .loss_name = feature_name};
}
