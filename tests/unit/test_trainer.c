/* Training: budget, schedule, best weights, patience, divergence, and that threads change nothing. */
#include "gradient.h"

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
	size_t report_count;
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
	b->reports[b->report_count++] = *r;
}

static void bowl_new(Bowl *b, size_t steps, size_t shards)
{
	Error e = {0};
	*b = (Bowl){.steps = steps, .shards = shards};
	b->w = parameters_add(&b->set, "w", 1, (size_t[]){WEIGHTS}, INIT_ZERO, 0, 1, &e);
	assert_non_null(b->w);
}

static bool run(Bowl *b, Budget budget, size_t threads, Error *e)
{
	*e = (Error){0};
	Pool *pool = pool_new(threads, e);
	Trainee trainee = {b, &b->set, NULL, NULL, start_epoch, start_step, run_shard, evaluate};
	bool done = trainer_run(&trainee, &budget, pool, take_report, b, e);
	assert_int_equal(done, e->code == ERROR_NONE);
	pool_free(pool);
	return done;
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
	assert_true(b.reports[0].loss > 3 && b.reports[399].loss < 0.05);
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
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
