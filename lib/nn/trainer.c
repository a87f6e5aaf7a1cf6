#include "nn/trainer.h"

#include "base/clock.h"
#include "nn/checkpoint.h"
#include "nn/optimizer.h"

#include <float.h>
#include <math.h>
#include <pthread.h>
#include <string.h>

typedef struct {
	double *loss; /* by loss */
	size_t *targets;
	size_t events;
} Sums;

typedef struct {
	const Trainee *trainee;
	const Budget *budget;
	const TrainerHost *host;
	Pool *pool;
	pthread_mutex_t lock;
	Tape tapes[LANES];       /* as many are used as there are threads */
	Profile profiles[LANES]; /* of the tapes */
	bool taken[LANES];
	Sums lanes[LANES];
	Error errors[LANES];
	size_t shards, losses;
	uint64_t step;
	size_t epoch, epoch_step; /* steps done of the epoch */
	double started, reported;
	/* Since the last report, end to end: sums of each loss, targets of each, and events; and means. */
	double *since, *means;
	float *best;
	double best_score;
	size_t waited; /* evaluations since one was better than all before */
	bool diverged, stopped;
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
	memset(s->loss, 0, r->losses * sizeof *s->loss);
	memset(s->targets, 0, r->losses * sizeof *s->targets);
	s->events = 0;
	t->error = (Error){0};
	t->profile = r->trainee->profile ? &r->profiles[t - r->tapes] : NULL;
	profile_enter(t->profile, PHASE_NONE, 0);
	for (size_t shard = lane; shard < r->shards && t->error.code == ERROR_NONE; shard += LANES) {
		uint64_t key = random_key(random_key(r->budget->seed, r->step), shard);
		tape_reset(t, true, key);
		t->precision = r->budget->precision;
		t->lane = lane;
		if (!r->trainee->shard(r->trainee->context, t, shard, s->loss, s->targets, &s->events))
			fail(&t->error, ERROR_FAILURE, "a shard of step %llu failed",
			     (unsigned long long)r->step);
	}
	profile_enter(t->profile, PHASE_NONE, 0);
	r->errors[lane] = t->error;
	give_tape(r, t);
}

static double progress_of(const Trainer *r, double epoch)
{
	const Budget *b = r->budget;
	double progress;
	if (b->minutes > 0)
		progress = (clock_seconds() - r->started) / (60 * b->minutes);
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

static void add_sums(Trainer *r, const Sums *s)
{
	for (size_t i = 0; i < r->losses; i++) {
		r->since[i] += s->loss[i];
		r->since[r->losses + i] += (double)s->targets[i];
	}
	r->since[2 * r->losses] += (double)s->events;
}

static bool train_step(Trainer *r, size_t step, double lr, Error *e)
{
	r->shards = r->trainee->step(r->trainee->context, step);
	r->step++;
	profile_enter(r->trainee->profile, PHASE_NONE, 0);
	pool_run(r->pool, LANES, lane_run, r);
	profile_gather(r->trainee->profile, r->profiles, LANES);
	if (!fail_first(r->errors, LANES, e))
		return false;
	for (size_t lane = 0; lane < LANES; lane++)
		add_sums(r, &r->lanes[lane]);
	double norm;
	OptimizerStep optimizer = {lr, r->budget->decay, r->budget->clip, r->step, r->budget->average};
	profile_enter(r->trainee->profile, PHASE_OPTIMIZER, 0);
	if (!parameters_step(r->trainee->parameters, &optimizer, r->pool, &norm, e))
		return false;
	profile_enter(r->trainee->profile, PHASE_NONE, 0);
	r->diverged = !isfinite(norm) || !isfinite(r->since[0]);
	if (r->diverged)
		return fail(e, ERROR_FAILURE,
		            "training diverged at step %llu (loss or gradient is not a number): lower --lr",
		            (unsigned long long)r->step);
	return true;
}

static bool evaluate_weights(Trainer *r, TrainerReport *report, char *words, size_t size, Error *e)
{
	double score;
	if (!r->trainee->evaluate(r->trainee->context, r->budget->precision, r->pool, &score, words, size, e))
		return false;
	report->evaluated = true;
	report->words = words;
	r->diverged = isnan(score);
	if (r->diverged)
		return fail(
		    e, ERROR_FAILURE,
		    "training diverged by step %llu (the validation score is not a number): lower --lr",
		    (unsigned long long)r->step);
	if (score == -HUGE_VAL)
		return true;
	report->improved = r->best == NULL || score >= r->best_score;
	r->waited = r->best == NULL || score > r->best_score ? 0 : r->waited + 1;
	if (!report->improved)
		return true;
	r->best_score = score;
	return parameters_keep(r->trainee->parameters, &r->best, e);
}

/* Averages of weights, where they are asked for, take the place of the weights; and back. */
static bool exchange(Trainer *r, Error *e)
{
	return !(r->budget->average > 0) || parameters_exchange(r->trainee->parameters, r->pool, e);
}

static bool evaluate(Trainer *r, TrainerReport *report, char *words, size_t size, Error *e)
{
	profile_enter(r->trainee->profile, PHASE_EVALUATION, 0);
	bool done = exchange(r, e) && evaluate_weights(r, report, words, size, e) && exchange(r, e);
	profile_enter(r->trainee->profile, PHASE_NONE, 0);
	return done;
}

/* Tells where training stands; evaluates first where it is due. */
static bool tell(Trainer *r, bool due, double progress, double epoch, double lr, Error *e)
{
	char words[256] = "";
	double time = clock_seconds(), events = r->since[2 * r->losses];
	for (size_t i = 0; i < r->losses; i++)
		r->means[i] = r->since[i] / r->since[r->losses + i];
	TrainerReport line = {.step = r->step,
	                      .progress = progress,
	                      .epoch = epoch,
	                      .seconds = time - r->started,
	                      .rate = events / (time - r->reported + 1e-9),
	                      .loss = r->means,
	                      .lr = lr};
	if (due && !evaluate(r, &line, words, sizeof words, e))
		return false;
	line.impatient = r->budget->patience > 0 && r->waited >= r->budget->patience && progress < 1;
	r->host->report(r->host->context, &line);
	if (due) {
		memset(r->since, 0, (2 * r->losses + 1) * sizeof *r->since);
		r->reported = clock_seconds();
	}
	return true;
}

static bool describe(const Trainer *r, Document *d, Error *e)
{
	return document_set_format(d, "ul.step", e, "%llu", (unsigned long long)r->step) &&
	       document_set_format(d, "ul.epoch", e, "%zu", r->epoch) &&
	       document_set_format(d, "ul.epoch_step", e, "%zu", r->epoch_step) &&
	       document_set_format(d, "ul.seconds", e, "%.17g", clock_seconds() - r->started) &&
	       document_set_format(d, "ul.reported", e, "%.17g", r->reported - r->started) &&
	       document_set_format(d, "ul.waited", e, "%zu", r->waited) &&
	       (r->best == NULL || document_set_format(d, "ul.best_score", e, "%.17g", r->best_score)) &&
	       document_add_vector(d, "train.since", DTYPE_F64, 2 * r->losses + 1, r->since, e) &&
	       checkpoint_add(r->trainee->parameters, r->best, d, e);
}

static bool save(Trainer *r, bool *kept, Error *e)
{
	Document *d = document_new(e);
	bool done = d != NULL && describe(r, d, e);
	*kept = done && r->host->save(r->host->context, d);
	document_free(d);
	return done;
}

static bool read_place(Trainer *r, const Document *d, Error *e)
{
	int64_t step, epoch, epoch_step, waited;
	double seconds, reported;
	if (!document_get_integer(d, "ul.step", 1, INT64_MAX, &step, e) ||
	    !document_get_integer(d, "ul.epoch", 0, INT64_MAX, &epoch, e) ||
	    !document_get_integer(d, "ul.epoch_step", 1, INT64_MAX, &epoch_step, e) ||
	    !document_get_integer(d, "ul.waited", 0, INT64_MAX, &waited, e) ||
	    !document_get_real(d, "ul.seconds", 0, 1e12, &seconds, e) ||
	    !document_get_real(d, "ul.reported", 0, seconds, &reported, e))
		return false;
	r->step = (uint64_t)step;
	r->epoch = (size_t)epoch;
	r->epoch_step = (size_t)epoch_step;
	r->waited = (size_t)waited;
	r->started = clock_seconds() - seconds;
	r->reported = r->started + reported;
	return true;
}

static bool resume(Trainer *r, const Document *d, Error *e)
{
	bool best = document_get(d, "ul.best_score") != NULL;
	const DocumentTensor *since = document_need_vector(d, "train.since", DTYPE_F64, 2 * r->losses + 1, e);
	if (since == NULL || !read_place(r, d, e) ||
	    (best && !document_get_real(d, "ul.best_score", -DBL_MAX, DBL_MAX, &r->best_score, e)))
		return false;
	memcpy(r->since, since->data, since->bytes);
	return checkpoint_read(r->trainee->parameters, best ? &r->best : NULL, d, e);
}

/* Does what the host wishes. */
static bool obey(Trainer *r, Error *e)
{
	TrainerWish wish = r->host->wish ? r->host->wish(r->host->context) : TRAINER_GO_ON;
	bool kept = false;
	if (wish != TRAINER_GO_ON && !save(r, &kept, e))
		return false;
	r->stopped = wish == TRAINER_STOP && kept;
	return true;
}

/* The rest of an epoch of so many steps. */
static bool train_epoch(Trainer *r, size_t steps, bool *done, Error *e)
{
	const Budget *b = r->budget;
	while (r->epoch_step < steps && !*done && !r->stopped) {
		double from = (double)r->epoch + (double)r->epoch_step / (double)steps,
		       to = (double)r->epoch + (double)(r->epoch_step + 1) / (double)steps,
		       lr = rate_at(b, progress_of(r, from));
		if (!train_step(r, r->epoch_step, lr, e))
			return false;
		r->epoch_step++;
		double progress = progress_of(r, to);
		uint64_t every = b->evaluate_every;
		bool due = progress >= 1 || (every ? r->step % every == 0 : r->epoch_step == steps);
		if (!tell(r, due, progress, to, lr, e))
			return false;
		*done = progress >= 1 || (b->patience > 0 && r->waited >= b->patience);
		if (!*done && !obey(r, e))
			return false;
	}
	return true;
}

static bool train(Trainer *r, Error *e)
{
	bool done = r->step == 0 && progress_of(r, 0) >= 1;
	while (!done && !r->stopped) {
		size_t steps = 0;
		if (!r->trainee->epoch(r->trainee->context, r->epoch, &steps, e))
			return false;
		if (steps == 0)
			return fail(e, ERROR_MALFORMED, "there is nothing to train on: %s",
			            r->trainee->needed);
		if (!train_epoch(r, steps, &done, e))
			return false;
		if (r->epoch_step >= steps) {
			r->epoch++;
			r->epoch_step = 0;
		}
	}
	return true;
}

static bool pack(const Trainee *trainee, GemmPrecision precision, Pool *pool, Error *e)
{
	Parameters *above = trainee->frozen_above, *below = trainee->frozen_below,
	           *teacher = trainee->teacher;
	return parameters_pack(trainee->parameters, precision, true, pool, e) &&
	       (above == NULL || parameters_pack(above, precision, true, pool, e)) &&
	       (below == NULL || parameters_pack(below, precision, false, pool, e)) &&
	       (teacher == NULL || parameters_pack(teacher, precision, false, pool, e));
}

static bool start(Trainer *r, Error *e)
{
	r->losses = r->trainee->losses ? r->trainee->losses : 1;
	r->since = memory_new(2 * r->losses + 1, sizeof *r->since, e);
	r->means = memory_new(r->losses, sizeof *r->means, e);
	bool done = r->since != NULL && r->means != NULL;
	for (size_t lane = 0; lane < LANES && done; lane++) {
		Sums *s = &r->lanes[lane];
		s->loss = memory_new(r->losses, sizeof *s->loss, e);
		s->targets = memory_new(r->losses, sizeof *s->targets, e);
		done = s->loss != NULL && s->targets != NULL;
	}
	r->started = r->reported = clock_seconds();
	if (done && r->host->resume != NULL && !resume(r, r->host->resume, e))
		done = fail_in(e, "the checkpoint");
	document_free(r->host->resume);
	return done && pack(r->trainee, r->budget->precision, r->pool, e);
}

/* The weights that are wanted in the end are put in their place. */
static TrainerEnd finish(Trainer *r, bool done, Error *e)
{
	if (r->stopped)
		return TRAINER_STOPPED;
	if (r->best != NULL)
		parameters_restore(r->trainee->parameters, r->best);
	if (!done)
		return r->diverged && r->best != NULL ? TRAINER_DIVERGED : TRAINER_FAILED;
	return r->best != NULL || exchange(r, e) ? TRAINER_DONE : TRAINER_FAILED;
}

static void trainer_free(Trainer *r)
{
	for (size_t lane = 0; lane < LANES; lane++) {
		tape_free(&r->tapes[lane]);
		memory_free(r->lanes[lane].loss);
		memory_free(r->lanes[lane].targets);
	}
	pthread_mutex_destroy(&r->lock);
	memory_free(r->since);
	memory_free(r->means);
	memory_free(r->best);
	memory_free(r);
}

TrainerEnd trainer_run(const Trainee *trainee, const Budget *budget, Pool *pool, const TrainerHost *host,
                       Error *e)
{
	Trainer *r = memory_new(1, sizeof *r, e);
	if (r == NULL) {
		document_free(host->resume);
		return TRAINER_FAILED;
	}
	r->trainee = trainee;
	r->budget = budget;
	r->pool = pool;
	r->host = host;
	pthread_mutex_init(&r->lock, NULL);
	bool done = start(r, e) && train(r, e);
	TrainerEnd end = finish(r, done, e);
	trainer_free(r);
	return end;
}
