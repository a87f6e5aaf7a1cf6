#include "nn/trainer.h"

#include <math.h>
#include <pthread.h>
#include <time.h>

static double now(void)
{
	struct timespec t;
	return clock_gettime(CLOCK_MONOTONIC, &t) == 0 ? (double)t.tv_sec + 1e-9 * (double)t.tv_nsec : 0;
}

typedef struct {
	double loss;
	size_t targets, events;
} Sums;

typedef struct {
	const Trainee *trainee;
	const Budget *budget;
	Pool *pool;
	pthread_mutex_t lock;
	Tape tapes[LANES]; /* as many are used as there are threads */
	bool taken[LANES];
	Sums lanes[LANES];
	Error errors[LANES];
	size_t shards;
	uint64_t step;
	double started, reported;
	Sums since; /* the last report */
	float *best;
	double best_score;
	size_t waited; /* evaluations since the best one */
} Trainer;

/* A tape that no other lane is using: its memory is warm, and what is computed does not depend on which
 * it is. */
static Tape *take_tape(Trainer *r)
{
	size_t i = 0;
	pthread_mutex_lock(&r->lock);
	while (r->taken[i])
		i++;
	r->taken[i] = true;
	pthread_mutex_unlock(&r->lock);
	return &r->tapes[i];
}

static void give_tape(Trainer *r, const Tape *t)
{
	pthread_mutex_lock(&r->lock);
	r->taken[t - r->tapes] = false;
	pthread_mutex_unlock(&r->lock);
}

/* A lane works through the shards lane, lane + LANES, … in order. */
static void lane_run(void *context, size_t lane)
{
	Trainer *r = context;
	Tape *t = take_tape(r);
	Sums *s = &r->lanes[lane];
	*s = (Sums){0};
	t->error = (Error){0};
	for (size_t shard = lane; shard < r->shards && t->error.code == ERROR_NONE; shard += LANES) {
		uint64_t key = random_key(random_key(r->budget->seed, r->step), shard);
		tape_reset(t, true, key);
		t->precision = r->budget->precision;
		t->lane = lane;
		if (!r->trainee->shard(r->trainee->context, t, shard, &s->loss, &s->targets, &s->events))
			fail(&t->error, ERROR_FAILURE, "a shard of step %llu failed",
			     (unsigned long long)r->step);
	}
	r->errors[lane] = t->error;
	give_tape(r, t);
}

static double progress_of(const Trainer *r, double epoch)
{
	const Budget *b = r->budget;
	double progress;
	if (b->minutes > 0)
		progress = (now() - r->started) / (60 * b->minutes);
	else if (b->steps >= 0)
		progress = b->steps > 0 ? (double)r->step / (double)b->steps : 1;
	else
		progress = b->epochs > 0 ? epoch / b->epochs : 1;
	return progress < 1 ? progress : 1;
}

/* Linear warm-up, then half a cosine down to a fiftieth. */
static double rate_at(const Budget *b, double progress)
{
	if (progress < b->warmup)
		return b->lr * (progress + 1e-3) / (b->warmup + 1e-3);
	double along = (progress - b->warmup) / (1 - b->warmup);
	return b->lr * (0.02 + 0.98 * 0.5 * (1 + cos(M_PI * along)));
}

static bool train_step(Trainer *r, size_t step, double lr, Error *e)
{
	r->shards = r->trainee->step(r->trainee->context, step);
	r->step++;
	pool_run(r->pool, LANES, lane_run, r);
	for (size_t lane = 0; lane < LANES; lane++) {
		if (r->errors[lane].code != ERROR_NONE) {
			*e = r->errors[lane];
			return false;
		}
		r->since.loss += r->lanes[lane].loss;
		r->since.targets += r->lanes[lane].targets;
		r->since.events += r->lanes[lane].events;
	}
	double norm;
	OptimizerStep optimizer = {lr, r->budget->decay, r->budget->clip, r->step};
	if (!parameters_step(r->trainee->parameters, &optimizer, r->pool, &norm, e))
		return false;
	if (!isfinite(norm) || !isfinite(r->since.loss))
		return fail(e, ERROR_FAILURE,
		            "training diverged at step %llu (loss or gradient is not a number): lower --lr",
		            (unsigned long long)r->step);
	return true;
}

static bool evaluate(Trainer *r, TrainerReport *report, char *words, size_t size, Error *e)
{
	double score;
	if (!r->trainee->evaluate(r->trainee->context, r->budget->precision, r->pool, &score, words, size, e))
		return false;
	report->evaluated = true;
	report->words = words;
	if (isnan(score))
		return fail(e, ERROR_FAILURE, "the model diverged: its validation score is not a number");
	if (score == -HUGE_VAL)
		return true;
	report->improved = r->best == NULL || score >= r->best_score;
	r->waited = report->improved ? 0 : r->waited + 1;
	if (!report->improved)
		return true;
	r->best_score = score;
	return parameters_keep(r->trainee->parameters, &r->best, e);
}

/* Tells where training stands; evaluates first where it is due. */
static bool tell(Trainer *r, bool due, double progress, double epoch, double lr,
                 void (*report)(void *, const TrainerReport *), void *context, Error *e)
{
	char words[256] = "";
	double time = now();
	TrainerReport line = {.step = r->step,
	                      .progress = progress,
	                      .epoch = epoch,
	                      .seconds = time - r->started,
	                      .rate = (double)r->since.events / (time - r->reported + 1e-9),
	                      .loss = r->since.targets ? r->since.loss / (double)r->since.targets : 0,
	                      .lr = lr};
	if (due && !evaluate(r, &line, words, sizeof words, e))
		return false;
	line.impatient = r->budget->patience > 0 && r->waited >= r->budget->patience && progress < 1;
	report(context, &line);
	if (due) {
		r->since = (Sums){0};
		r->reported = now();
	}
	return true;
}

static bool train(Trainer *r, void (*report)(void *, const TrainerReport *), void *context, Error *e)
{
	bool done = false;
	if (progress_of(r, 0) >= 1)
		return true;
	for (size_t epoch = 0; !done; epoch++) {
		size_t steps = 0;
		if (!r->trainee->epoch(r->trainee->context, epoch, &steps, e))
			return false;
		if (steps == 0)
			return fail(e, ERROR_MALFORMED,
			            "there is nothing to train on: a user needs four events, the last two "
			            "being kept for "
			            "validation and test");
		for (size_t step = 0; step < steps && !done; step++) {
			double lr =
			    rate_at(r->budget, progress_of(r, (double)epoch + (double)step / (double)steps));
			if (!train_step(r, step, lr, e))
				return false;
			double at = (double)epoch + (double)(step + 1) / (double)steps,
			       progress = progress_of(r, at);
			uint64_t every = r->budget->evaluate_every;
			bool due = progress >= 1 || (every ? r->step % every == 0 : step + 1 == steps);
			if (!tell(r, due, progress, at, lr, report, context, e))
				return false;
			done = progress >= 1 || (r->budget->patience > 0 && r->waited >= r->budget->patience);
		}
	}
	return true;
}

static bool pack(const Trainee *trainee, GemmPrecision precision, Pool *pool, Error *e)
{
	Parameters *above = trainee->frozen_above, *below = trainee->frozen_below;
	return parameters_pack(trainee->parameters, precision, true, pool, e) &&
	       (above == NULL || parameters_pack(above, precision, true, pool, e)) &&
	       (below == NULL || parameters_pack(below, precision, false, pool, e));
}

bool trainer_run(const Trainee *trainee, const Budget *budget, Pool *pool,
                 void (*report)(void *context, const TrainerReport *r), void *report_context, Error *e)
{
	Trainer *r = memory_new(1, sizeof *r, e);
	if (r == NULL)
		return false;
	r->trainee = trainee;
	r->budget = budget;
	r->pool = pool;
	pthread_mutex_init(&r->lock, NULL);
	r->started = r->reported = now();
	bool done = pack(trainee, budget->precision, pool, e) && train(r, report, report_context, e);
	if (r->best != NULL)
		parameters_restore(trainee->parameters, r->best);
	for (size_t lane = 0; lane < LANES; lane++)
		tape_free(&r->tapes[lane]);
	pthread_mutex_destroy(&r->lock);
	memory_free(r->best);
	memory_free(r);
	return done;
}
