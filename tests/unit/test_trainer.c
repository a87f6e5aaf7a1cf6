/* Training: budget, schedule, best weights, patience, divergence, averages of weights, checkpoints, and that
 * threads change nothing. */
#include "gradient.h"

#include "nn/checkpoint.h"
#include "nn/optimizer.h"
#include "nn/trainer.h"

enum { WEIGHTS = 5, REPORTS = 4096 };

/* A bowl: the mean over shards of Σ (w - target - wobble(shard))², whose bottom is the target. */
typedef struct {
	Parameters set;
	Parameter *w;
	size_t steps, shards;       /* of an epoch, of a step */
	const double *scores;       /* of the evaluations, or NULL: minus the distance to the target */
	size_t evaluations, epochs; /* so far */
	uint64_t broken_from;       /* step from which the loss is no number; 0: never */
	uint64_t step_count;
	bool fails;
	uint64_t keys[512]; /* of dropout, by step and shard; not kept beyond */
	float at_evaluation[REPORTS];
	TrainerReport reports[REPORTS];
	double losses[REPORTS], side_losses[REPORTS];
	size_t report_count;
	uint64_t stop_after, save_every; /* steps; 0: never */
	Buffer saved;                    /* the last checkpoint */
	size_t saves;
	TrainerEnd end;
} Bowl;

static const float target[WEIGHTS] = {1, -2, 0.5f, 0, 3};

static bool start_epoch(void *context, size_t epoch, size_t *steps, Error *e)
{
	Bowl *b = context;
	(void)e;
	assert_int_equal(epoch, b->epochs);
	b->epochs++;
	*steps = b->steps;
	return true;
}

static size_t start_step(void *context, size_t step)
{
	Bowl *b = context;
	assert_true(step < b->steps);
	b->step_count++;
	return b->shards;
}

static bool run_shard(void *context, Tape *t, size_t shard, double *loss, size_t *targets, size_t *events)
{
	Bowl *b = context;
	float *g = parameter_gradient(b->w, t->lane, &t->error);
	if (g == NULL || (b->fails && shard == 1))
		return false;
	for (size_t i = 0; i < WEIGHTS; i++) {
		/* Wobbles cancel out over a step, but sums of floats depend on their order. */
		float wobble = 0.1f * (float)((double)shard - (double)(b->shards - 1) / 2);
		float off = b->w->value[i] - target[i] - wobble;
		g[i] += 2 * off / (float)b->shards;
		*loss += (double)(off * off);
	}
	if (shard % 2 == 1) {
		loss[1] += (double)shard;
		targets[1]++;
	}
	if (b->broken_from > 0 && b->step_count >= b->broken_from)
		g[0] = NAN;
	size_t place = (b->step_count - 1) * b->shards + shard;
	if (place < sizeof b->keys / sizeof *b->keys)
		b->keys[place] = t->random_key;
	*targets += 1;
	*events += 3;
	return true;
}

static bool evaluate(void *context, GemmPrecision precision, Pool *pool, double *score, char *words,
                     size_t size, Error *e)
{
	Bowl *b = context;
	double distance = 0;
	(void)e;
	assert_int_equal(precision, GEMM_F32);
	assert_true(pool_threads(pool) >= 1);
	for (size_t i = 0; i < WEIGHTS; i++)
		distance += pow((double)(b->w->value[i] - target[i]), 2);
	*score = b->scores ? b->scores[b->evaluations] : -distance;
	b->at_evaluation[b->evaluations++] = b->w->value[0];
	snprintf(words, size, "evaluation %zu", b->evaluations);
	return true;
}

static void take_report(void *context, const TrainerReport *r)
{
	Bowl *b = context;
	assert_true(b->report_count < REPORTS);
	assert_int_equal(r->evaluated, r->words != NULL && r->words[0] != '\0');
	b->losses[b->report_count] = r->loss[0];
	b->side_losses[b->report_count] = r->loss[1];
	b->reports[b->report_count++] = *r;
}

static TrainerWish wish(void *context)
{
	const Bowl *b = context;
	uint64_t step = b->reports[b->report_count - 1].step;
	if (b->stop_after > 0 && step >= b->stop_after)
		return TRAINER_STOP;
	return b->save_every > 0 && step % b->save_every == 0 ? TRAINER_SAVE : TRAINER_GO_ON;
}

static bool save(void *context, Document *checkpoint)
{
	Error e = {0};
	Bowl *b = context;
	b->saved.size = 0;
	b->saves++;
	return document_encode(checkpoint, &b->saved, &e);
}

static void bowl_new(Bowl *b, size_t steps, size_t shards)
{
	Error e = {0};
	*b = (Bowl){.steps = steps, .shards = shards};
	b->w = parameters_add(&b->set, "w", 1, (size_t[]){WEIGHTS}, INIT_ZERO, 0, 1, &e);
	assert_non_null(b->w);
}

static bool run_from(Bowl *b, Document *from, Budget budget, size_t threads, Error *e)
{
	*e = (Error){0};
	Pool *pool = pool_new(threads, e);
	Trainee trainee = {.context = b,
	                   .parameters = &b->set,
	                   .epoch = start_epoch,
	                   .step = start_step,
	                   .shard = run_shard,
	                   .evaluate = evaluate,
	                   .needed = "no bowl",
	                   .losses = 2};
	TrainerHost host = {b, take_report, wish, save, from};
	b->end = trainer_run(&trainee, &budget, pool, &host, e);
	assert_int_equal(b->end >= TRAINER_STOPPED, e->code == ERROR_NONE);
	pool_free(pool);
	return b->end >= TRAINER_STOPPED;
}

static bool run(Bowl *b, Budget budget, size_t threads, Error *e)
{
	return run_from(b, NULL, budget, threads, e);
}

static const Budget usual = {.steps = 10, .lr = 0.1, .warmup = 0.1, .seed = 1};

static void test_reaches_the_bottom(void **state)
{
	(void)state;
	Error e;
	Bowl b;
	Budget budget = usual;
	bowl_new(&b, 50, 3);
	budget.steps = 400;
	assert_true(run(&b, budget, 1, &e));
	for (size_t i = 0; i < WEIGHTS; i++)
		assert_true(fabsf(b.w->value[i] - target[i]) < 0.01f);
	assert_int_equal(b.report_count, 400);
	assert_int_equal(b.epochs, 8);
	assert_int_equal(b.evaluations, 8);
	assert_true(b.losses[0] > 3 && b.losses[399] < 0.05);
	assert_true(b.side_losses[0] == 1 && b.side_losses[399] == 1);
	parameters_free(&b.set);
}

static void test_budget(void **state)
{
	(void)state;
	Error e;
	Bowl b;
	Budget budget = usual;
	bowl_new(&b, 4, 1);
	assert_true(run(&b, budget, 1, &e));
	assert_true(b.step_count == 10 && b.reports[9].step == 10 && b.reports[9].progress == 1);
	assert_true(b.reports[9].evaluated && b.evaluations == 3); /* after 4, 8 and 10 steps */
	assert_true(b.reports[5].epoch == 1.5 && b.reports[4].progress == 0.5);
	parameters_free(&b.set);

	bowl_new(&b, 4, 1);
	budget.steps = -1;
	budget.epochs = 2.5;
	assert_true(run(&b, budget, 1, &e));
	assert_int_equal(b.step_count, 10);
	parameters_free(&b.set);

	bowl_new(&b, 4, 1);
	budget.steps = 0; /* untrained */
	assert_true(run(&b, budget, 1, &e));
	assert_true(b.step_count == 0 && b.w->value[0] == 0 && b.report_count == 0);
	parameters_free(&b.set);

	bowl_new(&b, 4, 1);
	/* Minutes go before all else. */
	assert_true(run(&b, (Budget){.minutes = 1e-5, .steps = 0, .lr = 0.1}, 1, &e));
	assert_true(b.step_count > 0);
	parameters_free(&b.set);

	bowl_new(&b, 0, 1); /* nothing to train on */
	assert_false(run(&b, usual, 1, &e));
	assert_int_equal(e.code, ERROR_MALFORMED);
	assert_string_equal(e.text, "there is nothing to train on: no bowl");
	parameters_free(&b.set);
}

static void test_evaluate_every(void **state)
{
	(void)state;
	Error e;
	Bowl b;
	Budget budget = usual;
	bowl_new(&b, 4, 1);
	budget.evaluate_every = 3;
	assert_true(run(&b, budget, 1, &e));
	for (size_t i = 0; i < 10; i++)
		assert_int_equal(b.reports[i].evaluated, i == 2 || i == 5 || i == 8 || i == 9);
	parameters_free(&b.set);
}

/* Up in a straight line, down along half a cosine to a fiftieth. */
static void test_schedule(void **state)
{
	(void)state;
	Error e;
	Bowl b;
	Budget budget = usual;
	bowl_new(&b, 1000, 1);
	budget.steps = 1000;
	assert_true(run(&b, budget, 1, &e));
	for (size_t i = 0; i < 1000; i++) {
		double progress = (double)i / 1000, lr = b.reports[i].lr;
		double expected = progress < 0.1 ? 0.1 * progress / 0.1
		                                 : 0.1 * (0.51 + 0.49 * cos(M_PI * (progress - 0.1) / 0.9));
		assert_true(fabs(lr - expected) < 1.1e-3 && lr > 0 && lr <= 0.1);
	}
	parameters_free(&b.set);
}

static void test_best_weights(void **state)
{
	(void)state;
	Error e;
	Bowl b;
	Budget budget = usual;
	bowl_new(&b, 2, 1);
	b.scores = (const double[]){-3, -1, -2, -1, -5}; /* the fourth, as good as the second and later */
	assert_true(run(&b, budget, 1, &e));
	assert_int_equal(b.evaluations, 5);
	assert_true(b.w->value[0] == b.at_evaluation[3] && b.w->value[0] != b.at_evaluation[4]);
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(b.reports[2 * i + 1].improved, i < 2 || i == 3);
	parameters_free(&b.set);
}

/* Nothing to validate on: the last weights stay, and patience does not count. */
static void test_no_validation(void **state)
{
	(void)state;
	Error e;
	Bowl b;
	Budget budget = usual;
	bowl_new(&b, 2, 1);
	b.scores = (const double[]){-HUGE_VAL, -HUGE_VAL, -HUGE_VAL, -HUGE_VAL, -HUGE_VAL};
	budget.patience = 1;
	assert_true(run(&b, budget, 1, &e));
	assert_int_equal(b.evaluations, 5);
	assert_true(b.w->value[0] == b.at_evaluation[4]);
	parameters_free(&b.set);
}

/* A score that is no number is not kept as the best for ever. */
static void test_score_not_a_number(void **state)
{
	(void)state;
	Error e;
	Bowl b;
	bowl_new(&b, 2, 1);
	b.scores = (const double[]){(double)NAN, 0, 0, 0, 0};
	assert_false(run(&b, usual, 1, &e));
	assert_int_equal(e.code, ERROR_FAILURE);
	parameters_free(&b.set);
}

static void test_patience(void **state)
{
	(void)state;
	static const double scores[] = {-1, -2, -0.5, -3, -2, -4, -5, -6};
	Error e;
	Bowl b;
	Budget budget = usual;
	bowl_new(&b, 1, 1);
	b.scores = scores;
	budget.steps = 8;
	budget.patience = 2;
	assert_true(run(&b, budget, 1, &e));
	assert_int_equal(b.evaluations, 5); /* two after the third, the best */
	assert_true(b.w->value[0] == b.at_evaluation[2]);
	parameters_free(&b.set);
	bowl_new(&b, 1, 1);
	b.scores = (const double[]){-1, -1, -1, 0}; /* what is as good is kept, and is no better */
	assert_true(run(&b, budget, 1, &e));
	assert_int_equal(b.evaluations, 3);
	assert_true(b.w->value[0] == b.at_evaluation[2]);
	parameters_free(&b.set);
	bowl_new(&b, 1, 1);
	b.scores = scores;
	budget.patience = 0;
	assert_true(run(&b, budget, 1, &e));
	assert_int_equal(b.evaluations, 8);
	parameters_free(&b.set);
}

static void test_divergence(void **state)
{
	(void)state;
	Error e;
	Bowl b;
	bowl_new(&b, 2, 3);
	b.broken_from = 6;
	assert_false(run(&b, usual, 1, &e));
	assert_int_equal(e.code, ERROR_FAILURE);
	assert_non_null(strstr(e.text, "step 6"));
	assert_true(b.step_count == 6 && b.evaluations == 2);
	assert_true(b.w->value[0] == b.at_evaluation[1]); /* finite, and the best */
	assert_int_equal(b.end, TRAINER_DIVERGED);
	parameters_free(&b.set);
	bowl_new(&b, 20, 3);
	b.broken_from = 6; /* before there is a best */
	assert_false(run(&b, usual, 1, &e));
	assert_int_equal(b.end, TRAINER_FAILED);
	parameters_free(&b.set);
	bowl_new(&b, 2, 3);
	b.fails = true;
	assert_false(run(&b, usual, 2, &e));
	assert_int_equal(e.code, ERROR_FAILURE);
	parameters_free(&b.set);
}

static void test_threads_change_nothing(void **state)
{
	(void)state;
	Error e;
	Bowl b;
	float expected[WEIGHTS] = {0};
	for (size_t threads = 1; threads <= 4; threads++) {
		bowl_new(&b, 7, 19);
		assert_true(run(&b, usual, threads, &e));
		if (threads == 1)
			memcpy(expected, b.w->value, sizeof expected);
		assert_memory_equal(expected, b.w->value, sizeof expected);
		parameters_free(&b.set);
	}
}

/* Each shard of each step drops out by a key of its own, which the seed decides. */
static void test_keys(void **state)
{
	(void)state;
	Error e;
	Bowl b, c;
	Budget budget = usual;
	bowl_new(&b, 7, 19);
	bowl_new(&c, 7, 19);
	assert_true(run(&b, budget, 2, &e));
	budget.seed = 2;
	assert_true(run(&c, budget, 2, &e));
	for (size_t i = 0; i < 10 * 19; i++) {
		assert_true(b.keys[i] != c.keys[i]);
		for (size_t k = 0; k < i; k++)
			assert_true(b.keys[i] != b.keys[k]);
	}
	parameters_free(&b.set);
	parameters_free(&c.set);
}

/* A step by hand: lanes are added up, clipping scales all, paces and decay are each parameter's own. */
static void test_optimizer_step(void **state)
{
	(void)state;
	Error e = {0};
	Parameters set = {0};
	Pool *pool = pool_new(2, &e);
	Parameter *v = parameters_add(&set, "vector", 1, (size_t[]){2}, INIT_ONE, 0, 1, &e);
	Parameter *m = parameters_add(&set, "matrix", 2, (size_t[]){1, 2}, INIT_ONE, 0, 1, &e);
	Parameter *f = parameters_add(&set, "frozen", 1, (size_t[]){2}, INIT_ONE, 0, 1, &e);
	assert_true(v && m && f && pool);
	f->trains = false;
	v->lr_scale = 3;
	float *a = parameter_gradient(v, 0, &e), *b = parameter_gradient(v, 5, &e),
	      *c = parameter_gradient(m, 2, &e);
	a[0] = 1;
	b[0] = 2;
	c[0] = 4;
	double norm = 0;
	assert_true(parameters_step(&set, &(OptimizerStep){0.1, 0.5, 1, 1}, pool, &norm, &e));
	assert_true(fabs(norm - 5) < 1e-6);
	assert_true(fabsf(v->value[0] - (1 - 0.3f)) < 1e-5f && v->value[1] == 1); /* first step: lr · sign */
	assert_true(fabsf(m->value[0] - (1 - 0.1f * 0.5f - 0.1f)) < 1e-5f);
	assert_true(fabsf(m->value[1] - (1 - 0.1f * 0.5f)) < 1e-5f);
	assert_true(f->value[0] == 1 && a[0] == 0 && b[0] == 0 && c[0] == 0);
	assert_true(fabsf(v->m[0] - 0.1f * 3 / 5) < 1e-6f);
	a[0] = INFINITY;
	float before = m->value[0];
	assert_true(parameters_step(&set, &(OptimizerStep){0.1, 0.5, 1, 2}, pool, &norm, &e));
	assert_true(!isfinite(norm) && m->value[0] == before);
	pool_free(pool);
	parameters_free(&set);
}

/* Σ X^(step-i) w_i / Σ X^(step-i) is what is evaluated, and what stays where there is no validation; training
 * goes on from the weights themselves. */
static void test_average(void **state)
{
	(void)state;
	Error e;
	Bowl plain, b;
	Budget budget = usual;
	static const double none[] = {-HUGE_VAL, -HUGE_VAL, -HUGE_VAL, -HUGE_VAL, -HUGE_VAL,
	                              -HUGE_VAL, -HUGE_VAL, -HUGE_VAL, -HUGE_VAL, -HUGE_VAL};
	bowl_new(&plain, 1, 3);
	plain.scores = none;
	assert_true(run(&plain, budget, 1, &e));
	bowl_new(&b, 1, 3);
	b.scores = none;
	budget.average = 0.7;
	assert_true(run(&b, budget, 2, &e));
	double sum = 0, shares = 0;
	for (size_t i = 0; i < 10; i++) {
		sum = 0.7 * sum + (double)plain.at_evaluation[i];
		shares = 0.7 * shares + 1;
		assert_true(fabs((double)b.at_evaluation[i] - sum / shares) < 1e-6);
		assert_true(b.losses[i] == plain.losses[i]);
	}
	assert_true(plain.at_evaluation[0] == b.at_evaluation[0]); /* the first is one of its own */
	assert_true(b.w->value[0] == b.at_evaluation[9] && plain.w->value[0] == plain.at_evaluation[9]);
	parameters_free(&plain.set);
	parameters_free(&b.set);
}

static Document *decode(const Buffer *saved)
{
	Error e = {0};
	Buffer copy = {0};
	assert_true(buffer_append(&copy, saved->data, saved->size, &e));
	Document *d = document_decode(&copy, &e);
	assert_non_null(d);
	return d;
}

/* Stopped after some step, and gone on from the checkpoint with other threads: the same as in one go. */
static void test_resume(void **state)
{
	(void)state;
	Error e;
	Bowl whole, b;
	static const double scores[] = {-3, -2, -5, -2.5, -1, -1}; /* patience ends before the last */
	for (int kind = 0; kind < 4; kind++) {
		Budget budget = usual;
		budget.steps = 23;
		budget.average = kind % 2 ? 0.8 : 0;
		budget.patience = 2;
		budget.evaluate_every = kind == 3 ? 5 : 0;
		bowl_new(&whole, 4, 19);
		whole.scores = kind >= 2 ? scores : NULL;
		assert_true(run(&whole, budget, 1, &e));
		assert_true(whole.report_count == (kind < 2 ? 23 : (kind == 2 ? 16 : 20)));
		for (uint64_t stop = 1; stop < whole.report_count; stop++) {
			bowl_new(&b, 4, 19);
			b.scores = whole.scores;
			b.stop_after = stop;
			assert_true(run(&b, budget, 1 + stop % 2, &e));
			assert_true(b.end == TRAINER_STOPPED && b.saves == 1 && b.step_count == stop);
			Document *d = decode(&b.saved);
			parameters_free(&b.set);
			b.w = parameters_add(&b.set, "w", 1, (size_t[]){WEIGHTS}, INIT_ONE, 0, 1, &e);
			assert_non_null(b.w);
			b.stop_after = 0;
			b.epochs = (size_t)(stop - 1) / 4; /* an epoch that was begun begins again */
			assert_true(run_from(&b, d, budget, 2 - stop % 2, &e));
			assert_true(b.end == TRAINER_DONE && b.report_count == whole.report_count);
			assert_memory_equal(b.w->value, whole.w->value, WEIGHTS * sizeof(float));
			assert_memory_equal(b.at_evaluation, whole.at_evaluation, sizeof b.at_evaluation);
			assert_memory_equal(b.losses, whole.losses, sizeof b.losses);
			assert_memory_equal(b.side_losses, whole.side_losses, sizeof b.side_losses);
			assert_memory_equal(b.keys, whole.keys, sizeof b.keys);
			buffer_free(&b.saved);
			parameters_free(&b.set);
		}
		parameters_free(&whole.set);
	}
}

/* What no gradient has reached is not moved, before and after; what one has is moved on by its moments. */
static void test_resume_moments(void **state)
{
	(void)state;
	Error e = {0};
	Pool *pool = pool_new(1, &e);
	float after[2][2];
	for (int resumed = 0; resumed < 2; resumed++) {
		Parameters set = {0};
		Parameter *moved = parameters_add(&set, "moved", 1, (size_t[]){1}, INIT_ONE, 0, 1, &e);
		Parameter *still = parameters_add(&set, "still", 2, (size_t[]){1, 1}, INIT_ONE, 0, 1, &e);
		double norm;
		assert_true(moved && still && pool);
		parameter_gradient(moved, 3, &e)[0] = 1;
		assert_true(parameters_step(&set, &(OptimizerStep){0.1, 0.5, 0, 1}, pool, &norm, &e));
		if (resumed) {
			Document *d = document_new(&e);
			Buffer bytes = {0};
			assert_true(checkpoint_add(&set, NULL, d, &e) && document_encode(d, &bytes, &e));
			document_free(d);
			parameters_free(&set);
			d = document_decode(&bytes, &e);
			moved = parameters_add(&set, "moved", 1, (size_t[]){1}, INIT_ZERO, 0, 1, &e);
			still = parameters_add(&set, "still", 2, (size_t[]){1, 1}, INIT_ZERO, 0, 1, &e);
			assert_true(d && moved && still && checkpoint_read(&set, NULL, d, &e));
			document_free(d);
		}
		assert_true(parameters_step(&set, &(OptimizerStep){0.1, 0.5, 0, 2}, pool, &norm, &e));
		after[resumed][0] = moved->value[0];
		after[resumed][1] = still->value[0];
		parameters_free(&set);
	}
	assert_true(after[0][0] == after[1][0] && after[0][0] < 0.9f);
	assert_true(after[0][1] == 1 && after[1][1] == 1);
	pool_free(pool);
}

/* A budget by the clock counts the time that went by before. */
static void test_resume_minutes(void **state)
{
	(void)state;
	Error e;
	Bowl b;
	Budget budget = {.minutes = 1000, .lr = 0.1, .seed = 1};
	bowl_new(&b, 4, 1);
	b.stop_after = 2;
	assert_true(run(&b, budget, 1, &e));
	Document *d = decode(&b.saved);
	assert_true(document_set(d, "ul.seconds", "59999.9995", &e) &&
	            document_set(d, "ul.reported", "1", &e));
	b.stop_after = 0;
	b.epochs = 0;
	assert_true(run_from(&b, d, budget, 1, &e));
	const TrainerReport *last = &b.reports[b.report_count - 1];
	assert_true(b.end == TRAINER_DONE && b.reports[2].step == 3);
	assert_true(last->seconds >= 60000 && last->seconds < 60100 && last->evaluated);
	buffer_free(&b.saved);
	parameters_free(&b.set);
}

/* Saving on the way changes nothing; what is no checkpoint of this is refused. */
static void test_checkpoints(void **state)
{
	(void)state;
	Error e;
	Bowl whole, b;
	bowl_new(&whole, 4, 3);
	bowl_new(&b, 4, 3);
	b.save_every = 3;
	assert_true(run(&whole, usual, 1, &e) && run(&b, usual, 1, &e));
	assert_true(b.saves == 3 && b.end == TRAINER_DONE); /* none after the last step */
	assert_memory_equal(b.w->value, whole.w->value, WEIGHTS * sizeof(float));
	static const struct {
		const char *key, *value;
	} wrong[] = {{"ul.step", "0"}, {"ul.epoch", "x"}, {"ul.reported", "1e9"}, {"ul.best_score", "nan"}};
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		Document *d = decode(&b.saved);
		assert_true(document_set(d, wrong[i].key, wrong[i].value, &e));
		assert_false(run_from(&b, d, usual, 1, &e));
		assert_int_equal(e.code, ERROR_MALFORMED);
		assert_non_null(strstr(e.text, wrong[i].key));
	}
	/* Another model. */
	Document *d = decode(&b.saved);
	parameters_free(&b.set);
	b.w = parameters_add(&b.set, "w", 1, (size_t[]){WEIGHTS + 1}, INIT_ZERO, 0, 1, &e);
	assert_false(run_from(&b, d, usual, 1, &e));
	assert_int_equal(e.code, ERROR_MALFORMED);
	buffer_free(&b.saved);
	parameters_free(&b.set);
	parameters_free(&whole.set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_reaches_the_bottom),
	    cmocka_unit_test(test_budget),
	    cmocka_unit_test(test_evaluate_every),
	    cmocka_unit_test(test_schedule),
	    cmocka_unit_test(test_best_weights),
	    cmocka_unit_test(test_no_validation),
	    cmocka_unit_test(test_score_not_a_number),
	    cmocka_unit_test(test_patience),
	    cmocka_unit_test(test_divergence),
	    cmocka_unit_test(test_threads_change_nothing),
	    cmocka_unit_test(test_keys),
	    cmocka_unit_test(test_optimizer_step),
	    cmocka_unit_test(test_average),
	    cmocka_unit_test(test_resume),
	    cmocka_unit_test(test_resume_moments),
	    cmocka_unit_test(test_resume_minutes),
	    cmocka_unit_test(test_checkpoints),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
