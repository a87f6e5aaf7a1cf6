/* Every operation's way back against central differences, and products against the naive one. */
#include "gradient.h"

#include "math/gemm.h"
#include "math/vector.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
	Parameters set;
	Parameter *p[5];
	Rotary rotary;
	AttentionSegment segments[3];
	size_t segment_count, heads, kv_heads;
	float smoothing;     /* of the truth in a loss */
	const float *shares; /* … by target */
	float cap;           /* of logits, or of scores */
	bool pointwise;
	size_t origin, window;
} Graph;

static Tensor *input(Tape *t, Graph *g, int i)
{
	return tape_tile(t, g->p[i], 1);
}

static void check(Graph *g, GraphBuilder build)
{
	gradient_check(&g->set, build, g, 1000, 3e-3);
	parameters_free(&g->set);
}

static void add(Graph *g, int i, size_t rows, size_t cols)
{
	Error e = {0};
	char name[2] = {(char)('a' + i), 0};
	g->p[i] = graph_parameter(&g->set, name, rows, cols, &e);
}

static Tensor *build_linear(Tape *t, void *context, double *loss)
{
	(void)loss;
	Graph *g = context;
	return tape_linear(t, input(t, g, 0), g->p[1]);
}

static void test_linear(void **state)
{
	(void)state;
	Graph g = {0};
	add(&g, 0, 5, 7);
	add(&g, 1, 3, 7);
	check(&g, build_linear);
}

static Tensor *build_norm(Tape *t, void *context, double *loss)
{
	(void)loss;
	Graph *g = context;
	return tape_rmsnorm(t, input(t, g, 0), g->p[1], 1e-5f);
}

static void test_norm(void **state)
{
	(void)state;
	Graph g = {0};
	add(&g, 0, 4, 9);
	add(&g, 1, 1, 9);
	check(&g, build_norm);
}

/* Of each head of a row. */
static void test_head_norm(void **state)
{
	(void)state;
	Graph g = {0};
	add(&g, 0, 3, 8);
	add(&g, 1, 1, 4);
	check(&g, build_norm);
}

static Tensor *build_layernorm(Tape *t, void *context, double *loss)
{
	(void)loss;
	Graph *g = context;
	return tape_bias(t, tape_layernorm(t, input(t, g, 0), g->p[1], g->p[2], 1e-5f), g->p[3]);
}

static void test_layernorm(void **state)
{
	(void)state;
	Graph g = {0};
	add(&g, 0, 4, 9);
	for (int i = 1; i < 4; i++)
		add(&g, i, 1, 9);
	check(&g, build_layernorm);
}

/* By hand: mean 2.5, variance 1.25. */
static void test_layernorm_by_hand(void **state)
{
	(void)state;
	const float x[] = {1, 2, 3, 4}, g[] = {1, 1, 2, 2}, b[] = {0, 1, 0, 1};
	float y[4], mean, inverse, d = (float)(1 / sqrt(1.25));
	layernorm_forward(x, g, b, 0, 1, 4, y, &mean, &inverse);
	const float expected[] = {-1.5f * d, -0.5f * d + 1, 0.5f * d * 2, 1.5f * d * 2 + 1};
	for (int i = 0; i < 4; i++)
		assert_true(fabsf(y[i] - expected[i]) < 1e-6f);
}

static Tensor *build_geglu(Tape *t, void *context, double *loss)
{
	(void)loss;
	Graph *g = context;
	return tape_scale(t, tape_geglu(t, input(t, g, 0), input(t, g, 1)), 1.5f);
}

static void test_geglu(void **state)
{
	(void)state;
	Graph g = {0};
	add(&g, 0, 4, 5);
	add(&g, 1, 4, 5);
	check(&g, build_geglu);
}

static Tensor *build_swiglu(Tape *t, void *context, double *loss)
{
	(void)loss;
	Graph *g = context;
	return tape_swiglu(t, input(t, g, 0), input(t, g, 1));
}

static void test_swiglu(void **state)
{
	(void)state;
	Graph g = {0};
	add(&g, 0, 4, 5);
	add(&g, 1, 4, 5);
	check(&g, build_swiglu);
}

static Tensor *build_gelu(Tape *t, void *context, double *loss)
{
	(void)loss;
	return tape_gelu(t, input(t, context, 0));
}

static void test_gelu(void **state)
{
	(void)state;
	Graph g = {0};
	add(&g, 0, 4, 5);
	check(&g, build_gelu);
	for (double x = -12; x < 12; x += 0.01) {
		float at = (float)x, y;
		gelu_forward(&at, 1, &y);
		double z = (double)at,
		       tanh_form = z / 2 * (1 + tanh(sqrt(2 / M_PI) * (z + 0.044715 * z * z * z)));
		if (!(fabs((double)y - tanh_form) <= 4e-7 * fabs(z)) ||
		    !(fabs((double)y - z / 2 * (1 + erf(z / sqrt(2)))) < 5e-4))
			fail_msg("gelu(%g): %g, not %g", x, (double)y, tanh_form);
	}
	const float far[] = {-1e4f, 1e4f}, dy[] = {1, 1};
	float y[2], dx[] = {0, 0};
	gelu_forward(far, 2, y);
	assert_true(fabsf(y[0]) < 1e-20f && y[1] == far[1]);
	gelu_backward(far, dy, 2, dx);
	assert_true(fabsf(dx[0]) < 1e-20f && dx[1] == 1);
}

static Tensor *build_residual(Tape *t, void *context, double *loss)
{
	(void)loss;
	Graph *g = context;
	return tape_dropout(t, tape_residual(t, input(t, g, 0), input(t, g, 1), 0.4f), 0.3f);
}

static void test_residual(void **state)
{
	(void)state;
	Graph g = {0};
	add(&g, 0, 6, 5);
	add(&g, 1, 6, 5);
	check(&g, build_residual);
}

static Tensor *build_gate(Tape *t, void *context, double *loss)
{
	(void)loss;
	Graph *g = context;
	return tape_gated_residual(t, input(t, g, 0), input(t, g, 1), g->p[2]);
}

static void test_gate(void **state)
{
	(void)state;
	Graph g = {0};
	add(&g, 0, 6, 5);
	add(&g, 1, 6, 5);
	add(&g, 2, 1, 1);
	check(&g, build_gate);
}

static void test_closed_gate_changes_no_bit(void **state)
{
	(void)state;
	Graph g = {0};
	Tape t = {0};
	add(&g, 0, 2, 2);
	add(&g, 1, 2, 2);
	add(&g, 2, 1, 1);
	g.p[0]->value[0] = -0.0f;
	g.p[1]->value[1] = NAN;
	g.p[2]->value[0] = 0;
	tape_reset(&t, false, 0);
	Tensor *y = build_gate(&t, &g, NULL);
	assert_memory_equal(y->value, g.p[0]->value, 4 * sizeof(float));
	tape_free(&t);
	parameters_free(&g.set);
}

static const int64_t offsets[] = {0, 1, 3, 3, 5};
static const int32_t ids[] = {2, 0, 3, 3, 3};

static Tensor *build_embedding(Tape *t, void *context, double *loss)
{
	(void)loss;
	Graph *g = context;
	Tensor *into = tape_tensor(t, 4, 5, true);
	into = tape_embedding(t, into, 0, g->p[0], offsets, ids);
	return tape_embedding(t, into, 3, g->p[1], offsets, ids);
}

static void test_embedding(void **state)
{
	(void)state;
	Graph g = {0};
	add(&g, 0, 4, 3);
	add(&g, 1, 4, 2);
	check(&g, build_embedding);
}

static Tensor *build_rows(Tape *t, void *context, double *loss)
{
	(void)loss;
	static const int32_t rows[] = {3, 0, 3};
	Graph *g = context;
	return tape_rows(t, input(t, g, 0), rows, 3);
}

static void test_rows(void **state)
{
	(void)state;
	Graph g = {0};
	add(&g, 0, 4, 3);
	check(&g, build_rows);
}

static Tensor *build_attention(Tape *t, void *context, double *loss)
{
	(void)loss;
	static const int32_t positions[] = {0, 1, 2, 0, 1, 2, 3, 4, 5};
	static const int64_t times[] = {9, 9, 12, 7, 8, 4000000000, 4000000001, 5000000000};
	Graph *g = context;
	Tensor *q = input(t, g, 0), *k = input(t, g, 1);
	if (g->rotary.D != 0) {
		q = tape_rotary(t, q, &g->rotary, positions);
		k = tape_rotary(t, k, &g->rotary, positions);
	}
	AttentionTerms terms = {.kind = g->pointwise ? ATTENTION_SILU : ATTENTION_SOFTMAX,
	                        .cap = g->cap,
	                        .window = g->window,
	                        .position = g->p[3],
	                        .time = g->p[4],
	                        .origin = g->origin,
	                        .query_times = times,
	                        .key_times = times};
	return tape_attention(t, q, k, input(t, g, 2), g->heads, g->kv_heads, g->segments, g->segment_count,
	                      g->p[3] || g->p[4] || g->pointwise || g->cap > 0 || g->window > 0 ? &terms
	                                                                                        : NULL);
}

static void test_attention_causal(void **state)
{
	(void)state;
	Error e = {0};
	Graph g = {.segments = {{0, 3, 0, 3, true}, {3, 5, 3, 5, true}},
	           .segment_count = 2,
	           .heads = 2,
	           .kv_heads = 1};
	assert_true(rotary_new(&g.rotary, &(RotaryShape){4, 4, false, 10000, 1, NULL}, 8, &e));
	add(&g, 0, 8, 8);
	add(&g, 1, 8, 4);
	add(&g, 2, 8, 4);
	check(&g, build_attention);
	rotary_free(&g.rotary);
}

/* Biases by position and time, tables shorter than the segments, in both kinds. */
static void check_biased(bool pointwise, bool causal)
{
	Graph g = {.segments = {{0, 3, 0, 3, causal}, {3, 2, 3, 5, causal}},
	           .segment_count = 2,
	           .heads = 2,
	           .kv_heads = 1,
	           .pointwise = pointwise,
	           .origin = causal ? 0 : 2};
	add(&g, 0, 5, 8);
	add(&g, 1, 8, 4);
	add(&g, 2, 8, 4);
	add(&g, 3, 2, causal ? 3 : 4);
	add(&g, 4, 2, ATTENTION_TIMES);
	check(&g, build_attention);
}

static void test_attention_biased(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++)
		check_biased(i & 1, i & 2);
}

/* A window, a cap on scores, both, and with biases; the last segment has a past. */
static void test_attention_window_and_cap(void **state)
{
	(void)state;
	for (int i = 0; i < 6; i++) {
		Graph g = {.segments = {{0, 3, 0, 3, true}, {3, 2, 3, 5, true}},
		           .segment_count = 2,
		           .heads = 2,
		           .kv_heads = 1,
		           .cap = i % 3 > 0 ? 0.7f : 0,
		           .window = i % 3 < 2 ? 2 : 0};
		add(&g, 0, 5, 8);
		add(&g, 1, 8, 4);
		add(&g, 2, 8, 4);
		if (i >= 3)
			add(&g, 3, 2, 3);
		check(&g, build_attention);
	}
}

/* With a window of w, what lies w or more rows back changes no bit, in a segment of more tiles than one. */
static void test_window_forgets(void **state)
{
	(void)state;
	enum { T = 150, W = 70 };
	Error e = {0};
	Arena scratch = {0};
	float q[T][4], k[T][4], v[T][4], o[2][T][4], lse[T];
	for (int i = 0; i < T; i++)
		for (int c = 0; c < 4; c++) {
			q[i][c] = sinf((float)(i + 3 * c));
			k[i][c] = cosf((float)(2 * i + c));
			v[i][c] = (float)(i - c);
		}
	AttentionSegment segment = {0, T, 0, T, true};
	Attention a = {.heads = 1,
	               .kv_heads = 1,
	               .D = 4,
	               .scale = 1,
	               .window = W,
	               .segments = &segment,
	               .segment_count = 1,
	               .q = q[0],
	               .k = k[0],
	               .v = v[0],
	               .lse = lse};
	for (int round = 0; round < 2; round++) {
		a.o = o[round][0];
		assert_true(attention_forward(&a, &scratch, &e));
		for (int i = 0; i < 10; i++)
			k[i][1] = v[i][2] = 1000;
	}
	for (int i = 0; i < T; i++)
		assert_int_equal(memcmp(o[0][i], o[1][i], sizeof o[0][i]) == 0, i >= W + 9);
	arena_free(&scratch);
}

/* Halves of the first numbers of a head: (i, i + turned / 2), the rest stays. */
static void test_rotary_halves(void **state)
{
	(void)state;
	Error e = {0};
	Rotary r;
	const int32_t position = 3;
	float x[] = {1, 2, 3, 4, 5, 6};
	assert_true(rotary_new(&r, &(RotaryShape){6, 4, true, 100, 2, NULL}, 4, &e));
	rotary_apply(x, 1, 1, &r.tables, &position, 1);
	double fast = 1.5, slow = 1.5 / 10;
	const double expected[] = {cos(fast) - 3 * sin(fast),
	                           2 * cos(slow) - 4 * sin(slow),
	                           sin(fast) + 3 * cos(fast),
	                           2 * sin(slow) + 4 * cos(slow),
	                           5,
	                           6};
	for (int i = 0; i < 6; i++)
		assert_true(fabs((double)x[i] - expected[i]) < 1e-5);
	rotary_free(&r);
}

/* Against the definition, number by number. */
static void test_bias_of_scores(void **state)
{
	(void)state;
	const int64_t keys[] = {100, 99, 98, 97, 96, 94, 0, INT64_MIN};
	const uint8_t expected[] = {0, 1, 3, 4, 5, 6, 14, 127};
	const float position[] = {1, 2, 3}, time[ATTENTION_TIMES] = {[0] = 10, [3] = 20, [14] = 30};
	uint8_t buckets[8];
	float x[8] = {2, 2, 2, 2, 2, 2, 2, 2};
	time_buckets(100, keys, 8, buckets);
	assert_memory_equal(buckets, expected, 8);
	attention_bias_add(x, 0.5f, 8, position, 3, 5, time, buckets);
	const float sum[] = {14, 4, 24, 4, 3, 2, 32, 2};
	for (int i = 0; i < 8; i++)
		assert_true(x[i] == sum[i]);
}

static Tensor *build_silu(Tape *t, void *context, double *loss)
{
	(void)loss;
	return tape_silu(t, input(t, context, 0));
}

static void test_silu(void **state)
{
	(void)state;
	Graph g = {0};
	add(&g, 0, 4, 5);
	check(&g, build_silu);
}

/* Two queries with memories of their own, one of them empty, and a longer causal past. */
static void test_attention_cross(void **state)
{
	(void)state;
	Graph g = {.segments = {{0, 2, 1, 4, false}, {2, 1, 0, 0, false}, {3, 2, 2, 5, true}},
	           .segment_count = 3,
	           .heads = 2,
	           .kv_heads = 2};
	add(&g, 0, 5, 4);
	add(&g, 1, 7, 4);
	add(&g, 2, 7, 4);
	check(&g, build_attention);
}

static Tensor *build_loss(Tape *t, void *context, double *loss)
{
	Graph *g = context;
	size_t rows = 0;
	double sum = 0;
	parameter_multiplies(g->p[1], 1);
	tape_cross_entropy(t, input(t, g, 0), g->p[1], g->cap,
	                   (LossTargets){offsets, ids, g->smoothing, g->shares}, 0.5f, &sum, &rows);
	assert_int_equal(rows, 3); /* the third has no target */
	*loss = 0.5 * sum;
	return NULL;
}

static void test_loss(void **state)
{
	(void)state;
	Graph g = {0};
	add(&g, 0, 4, 6);
	add(&g, 1, 8, 6);
	check(&g, build_loss);
	g = (Graph){.cap = 0.8f};
	add(&g, 0, 4, 6);
	add(&g, 1, 8, 6);
	check(&g, build_loss);
	g = (Graph){.smoothing = 0.3f};
	add(&g, 0, 4, 6);
	add(&g, 1, 8, 6);
	check(&g, build_loss);
	const float shares[] = {1, 0.9f, 0.1f, 0.25f, 0.75f};
	g = (Graph){.smoothing = 0.1f, .shares = shares};
	add(&g, 0, 4, 6);
	add(&g, 1, 8, 6);
	check(&g, build_loss);
}

static void test_exp(void **state)
{
	(void)state;
	for (double x = -86.5; x < 88; x += 0.01) {
		float y = (float)x, true_value = expf(y);
		vector_exp(&y, 1, 0, 1);
		if (fabsf(y - true_value) > 4e-7f * true_value)
			fail_msg("exp(%g): %g, not %g", x, (double)y, (double)true_value);
	}
	float below[] = {-200, -INFINITY};
	assert_true(vector_exp(below, 1, 0, 2) == 0);
}

static Tensor *build_drop(Tape *t, void *context, double *loss)
{
	(void)loss;
	return tape_dropout(t, input(t, context, 0), 0.25f);
}

static void test_dropout_share(void **state)
{
	(void)state;
	Graph g = {0};
	Tape t = {0};
	add(&g, 0, 400, 100);
	for (size_t i = 0; i < g.p[0]->count; i++)
		g.p[0]->value[i] = 1;
	tape_reset(&t, true, 3);
	Tensor *y = build_drop(&t, &g, NULL);
	double zeros = 0, sum = 0;
	for (size_t i = 0; i < 40000; i++) {
		zeros += y->value[i] == 0;
		sum += (double)y->value[i];
	}
	assert_true(fabs(zeros / 40000 - 0.25) < 0.01);
	assert_true(fabs(sum / 40000 - 1) < 0.01);
	tape_free(&t);
	parameters_free(&g.set);
}

static void test_adamw(void **state)
{
	(void)state;
	/* By hand: the first step moves by lr against the sign, the decay comes on top. */
	float w = 2, g = 0.5f, m = 0, v = 0;
	AdamW a = {0.1f, 0.9f, 0.999f, 0, 0.01f, 1};
	adamw_step(&a, &w, &g, &m, &v, 1);
	assert_true(fabsf(w - (2 * (1 - 0.1f * 0.01f) - 0.1f)) < 1e-6f);
	assert_true(fabsf(m - 0.05f) < 1e-7f && fabsf(v - 0.00025f) < 1e-7f);
}

enum { UNIT = 32, MOST = 18 * UNIT };
typedef struct {
	atomic_int seen[MOST];
	atomic_bool whole; /* all parts have begun at multiples of UNIT, and none was empty */
} Seen;

static void see(void *context, size_t first, size_t count)
{
	Seen *s = context;
	if (first % UNIT != 0 || count == 0)
		s->whole = false;
	for (size_t i = first; i < first + count; i++)
		s->seen[i]++;
}

static void test_spread(void **state)
{
	(void)state;
	static const size_t counts[] = {1, UNIT, UNIT + 1, 4 * UNIT, 7 * UNIT - 1, MOST};
	for (size_t threads = 1; threads <= 3; threads++) {
		Pool *pool = pool_new(threads, &(Error){0});
		assert_non_null(pool);
		for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
			Seen s = {.whole = true};
			Tape t = {.pool = pool};
			tape_spread(&t, counts[c], UNIT, see, &s);
			assert_true(s.whole);
			for (size_t i = 0; i < MOST; i++)
				assert_int_equal(s.seen[i], i < counts[c]);
		}
		pool_free(pool);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_spread),
	    cmocka_unit_test(test_exp),
	    cmocka_unit_test(test_linear),
	    cmocka_unit_test(test_norm),
	    cmocka_unit_test(test_head_norm),
	    cmocka_unit_test(test_layernorm),
	    cmocka_unit_test(test_layernorm_by_hand),
	    cmocka_unit_test(test_geglu),
	    cmocka_unit_test(test_attention_window_and_cap),
	    cmocka_unit_test(test_window_forgets),
	    cmocka_unit_test(test_rotary_halves),
	    cmocka_unit_test(test_swiglu),
	    cmocka_unit_test(test_gelu),
	    cmocka_unit_test(test_residual),
	    cmocka_unit_test(test_gate),
	    cmocka_unit_test(test_closed_gate_changes_no_bit),
	    cmocka_unit_test(test_embedding),
	    cmocka_unit_test(test_rows),
	    cmocka_unit_test(test_attention_causal),
	    cmocka_unit_test(test_attention_cross),
	    cmocka_unit_test(test_attention_biased),
	    cmocka_unit_test(test_bias_of_scores),
	    cmocka_unit_test(test_silu),
	    cmocka_unit_test(test_loss),
	    cmocka_unit_test(test_dropout_share),
	    cmocka_unit_test(test_adamw),
	};
	gemm_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
