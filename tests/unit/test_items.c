/* Items as vectors, losses against a few of them, and what is drawn for these. */
#include "gradient.h"

#include "math/vector.h"
#include "small_models.h"
#include "user/items.h"
#include "user/negatives.h"

enum { ROWS = 5, WIDTH = 4, NEGATIVE_COUNT = 6, CANDIDATES = 10 };

/* Of the negatives, 1 and 4 are the positives of rows 0 and 3. */
static const int32_t ids[CANDIDATES] = {7, 3, 9, 9, 5, 11, 3, 8, 5, 7};
static const float log_expected[NEGATIVE_COUNT] = {0.5f, -0.3f, 0, 0, 1.2f, -2};
static const int32_t positive[ROWS] = {6, 7, -1, 8, 9};

typedef struct {
	Parameters set;
	Parameter *h, *y;
	SampledTerms terms;
	double told; /* the loss */
	size_t rows;
} Setting;

static Setting setting_new(SampledLossKind kind)
{
	Error e = {0};
	Setting s = {.terms = {.kind = kind,
	                       .negatives = NEGATIVE_COUNT,
	                       .ids = ids,
	                       .log_expected = log_expected,
	                       .beta = 0.4,
	                       .prior = -1.5}};
	s.h = graph_parameter(&s.set, "h", ROWS, WIDTH, &e);
	s.y = graph_parameter(&s.set, "y", CANDIDATES, WIDTH, &e);
	return s;
}

static Tensor *build_sampled(Tape *t, void *context, double *loss)
{
	Setting *s = context;
	s->told = 0;
	s->rows = 0;
	assert_true(tape_sampled_loss(t, tape_tile(t, s->h, 1), tape_tile(t, s->y, 1), &s->terms, positive,
	                              0.5f, &s->told, &s->rows));
	*loss += 0.5 * s->told;
	return NULL;
}

static double score(const Setting *s, size_t row, size_t candidate)
{
	double z = 0;
	for (size_t i = 0; i < WIDTH; i++)
		z += (double)s->h->value[row * WIDTH + i] * (double)s->y->value[candidate * WIDTH + i];
	return z;
}

/* Row by row, by the definitions. */
static double by_hand(const Setting *s)
{
	double loss = 0;
	for (size_t r = 0; r < ROWS; r++) {
		if (positive[r] < 0)
			continue;
		double z = score(s, r, (size_t)positive[r]), sum = exp(z), others = 0;
		for (size_t j = 0; j < NEGATIVE_COUNT; j++) {
			if (ids[j] == ids[positive[r]])
				continue;
			sum += exp(score(s, r, j) - (double)log_expected[j]);
			others -= log(1 - 1 / (1 + exp(1.5 - score(s, r, j))));
		}
		if (s->terms.kind == LOSS_GBCE)
			loss += others - 0.4 * log(1 / (1 + exp(1.5 - z)));
		else
			loss += log(sum) - z;
	}
	return loss;
}

static void test_sampled_losses(void **state)
{
	(void)state;
	for (int kind = 0; kind < 2; kind++) {
		Setting s = setting_new(kind ? LOSS_GBCE : LOSS_SAMPLED_SOFTMAX);
		gradient_check(&s.set, build_sampled, &s, 1000, 3e-3);
		double expected = by_hand(&s);
		assert_int_equal(s.rows, 4);
		Tape t = {0};
		tape_reset(&t, true, 0);
		build_sampled(&t, &s, &expected);
		assert_true(fabs(s.told - by_hand(&s)) < 1e-5);
		tape_free(&t);
		parameters_free(&s.set);
	}
}

/* Scores beyond what e^x can hold give a loss, and gradients, that are numbers. */
static void test_large_scores(void **state)
{
	(void)state;
	for (int sign = -1; sign <= 1; sign += 2) {
		Error e = {0};
		Arena scratch = {0};
		float h = 1000, y[] = {1, (float)sign, 0.5f}, dh = 0, dy[3] = {0};
		double loss = 0;
		size_t rows = 0;
		SampledLoss s = {
		    .terms = {.kind = LOSS_GBCE, .negatives = 2, .ids = (int32_t[]){3, 4, 5}, .beta = 1},
		    .N = 1,
		    .C = 1,
		    .h = &h,
		    .y = y,
		    .positive = (int32_t[]){2},
		    .weight = 1,
		    .dh = &dh,
		    .dy = dy};
		y[2] = (float)-sign;
		assert_true(sampled_loss(&s, &loss, &rows, &scratch, &e));
		/* 1000 for each score that should have the other sign: three, or one. */
		assert_true(fabs(loss - (sign > 0 ? 3000 : 1000)) < 1 && isfinite(dh) &&
		            vector_finite(dy, 3));
		arena_free(&scratch);
	}
}

/* Every item once, as a uniform draw has it in the mean: the full softmax itself. */
static void test_all_items_are_the_full_softmax(void **state)
{
	(void)state;
	Error e = {0};
	Setting s = setting_new(LOSS_SAMPLED_SOFTMAX);
	Tape t = {0};
	tape_reset(&t, true, 0);
	int64_t offsets[ROWS + 1];
	int32_t targets[ROWS] = {3, 0, 9, 9, 5}, all[CANDIDATES];
	float zeros[CANDIDATES] = {0};
	double full = 0, sampled = 0;
	size_t rows = 0;
	for (int i = 0; i <= ROWS; i++)
		offsets[i] = i;
	for (int i = 0; i < CANDIDATES; i++)
		all[i] = i + 3;
	SampledTerms terms = {.negatives = CANDIDATES, .ids = all, .log_expected = zeros};
	Tensor *h = tape_tile(&t, s.h, 1), *y = tape_tile(&t, s.y, 1);
	assert_true(tape_cross_entropy_of(&t, h, y, (LossTargets){offsets, targets, 0}, 1, &full, &rows));
	float *dy = y->gradient, *dh = h->gradient, first[CANDIDATES * WIDTH + ROWS * WIDTH];
	memcpy(first, dy, sizeof(float) * CANDIDATES * WIDTH);
	memcpy(first + CANDIDATES * WIDTH, dh, sizeof(float) * ROWS * WIDTH);
	assert_true(tape_sampled_loss(&t, h, y, &terms, targets, 1, &sampled, &rows));
	assert_true(rows == 2 * ROWS && fabs(full - sampled) < 1e-4);
	for (size_t i = 0; i < CANDIDATES * WIDTH; i++)
		assert_true(fabsf(dy[i] - 2 * first[i]) < 1e-5f);
	for (size_t i = 0; i < ROWS * WIDTH; i++)
		assert_true(fabsf(dh[i] - 2 * first[CANDIDATES * WIDTH + i]) < 1e-5f);
	assert_int_equal(e.code, ERROR_NONE);
	tape_free(&t);
	parameters_free(&s.set);
}

static Tensor *build_cosine(Tape *t, void *context, double *loss)
{
	static const int64_t offsets[] = {0, 1, 1, 3, 4, 5};
	static const int32_t targets[] = {3, 0, 9, 9, 5};
	Setting *s = context;
	double sum = 0;
	assert_true(tape_cross_entropy_of(t, tape_normalize(t, tape_tile(t, s->h, 1), 3),
	                                  tape_normalize(t, tape_tile(t, s->y, 1), 1),
	                                  (LossTargets){offsets, targets, 0.1f}, 0.5f, &sum, &s->rows));
	*loss += 0.5 * sum;
	return NULL;
}

static void test_cosine_logits(void **state)
{
	(void)state;
	Setting s = setting_new(LOSS_SAMPLED_SOFTMAX);
	gradient_check(&s.set, build_cosine, &s, 1000, 3e-3);
	Tape t = {0};
	const Tensor *x = tape_normalize(&t, tape_tile(&t, s.h, 1), 3);
	for (size_t r = 0; r < ROWS; r++)
		assert_true(fabs(vector_squares(x->value + r * WIDTH, WIDTH) - 9) < 1e-5);
	tape_free(&t);
	parameters_free(&s.set);
}

static void test_beta(void **state)
{
	(void)state;
	assert_true(gbce_beta(100, 1001, 0) == 1);
	assert_true(fabs(gbce_beta(100, 1001, 1) - 0.1) < 1e-12);
	assert_true(fabs(gbce_beta(256, 3416, 0.75) - (0.25 + 0.75 * 256 / 3415)) < 1e-12);
	assert_true(gbce_beta(5000, 1001, 1) == 1);
}

/* Each item comes as often as the draw says that it is expected. */
static void test_draws(void **state)
{
	(void)state;
	enum { ITEMS = 12, DRAWS = 200000 };
	Error e = {0};
	Sample s;
	Translation translation;
	static int32_t drawn[DRAWS];
	static float expected[DRAWS];
	sample_new(&s, SPLIT_LEAVE_ONE_OUT, 0, (size_t[]){9, 4, 30}, 3, ITEMS);
	Encoder *m = small_encoder(&s.data, 0, 4);
	assert_true(translation_new(&translation, m, &s.data, &e));
	for (int sampling = NEGATIVES_UNIFORM; sampling <= NEGATIVES_BATCH; sampling++) {
		Negatives n;
		Random random = {random_key(5, (uint64_t)sampling), 0};
		Segment histories[3];
		size_t starts[4] = {0}, counts[ITEMS + ID_FIRST] = {0}, different = 0;
		double said[ITEMS + ID_FIRST] = {0};
		for (size_t u = 0; u < 3; u++) {
			histories[u] = dataset_segment(&s.data, &s.users, u, PART_TRAIN);
			starts[u + 1] = starts[u] + histories[u].end - histories[u].first;
		}
		StepTargets step = {&translation, &s.users, histories, starts, 3, 1};
		assert_true(negatives_new(&n, (NegativeSampling)sampling, &translation, &s.users, &e));
		/* The first event of each is no target. */
		Segment targets[3];
		for (size_t u = 0; u < 3; u++) {
			targets[u] = (Segment){histories[u].first + 1, histories[u].end, true};
			histories[u].end--;
			starts[u + 1] = starts[u] + histories[u].end - histories[u].first;
		}
		negatives_count(&n, &translation, &s.users, targets, 3);
		negatives_draw(&n, &random, DRAWS, &step, drawn, expected);
		for (size_t i = 0; i < DRAWS; i++) {
			assert_true(drawn[i] >= ID_FIRST && drawn[i] < ITEMS + ID_FIRST);
			counts[drawn[i]]++;
			said[drawn[i]] = exp((double)expected[i]);
		}
		for (size_t id = ID_FIRST; id < ITEMS + ID_FIRST; id++) {
			assert_true(fabs((double)counts[id] - said[id]) < 6 * sqrt(said[id] + 1));
			different += fabs(said[id] - (double)DRAWS / ITEMS) > 100;
		}
		assert_true(sampling == NEGATIVES_UNIFORM ? different == 0 : different > ITEMS / 2);
		negatives_free(&n);
	}
	translation_free(&translation);
	encoder_free(m);
	sample_free(&s);
}

int main(void)
{
	gemm_start();
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_sampled_losses),
	    cmocka_unit_test(test_large_scores),
	    cmocka_unit_test(test_all_items_are_the_full_softmax),
	    cmocka_unit_test(test_cosine_logits),
	    cmocka_unit_test(test_beta),
	    cmocka_unit_test(test_draws),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
