/* The cross-entropy of a large vocabulary beside the plain formula, in double: also where the logits of one
 * block lie far above or below those of another, further than e^x reaches. */
#include "math/loss.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { N = 5, C = 3, V = 600, BLOCK = 256, LONE = 301 };

typedef struct {
	float level[3], lone; /* added to the logits of each block, and of one word */
	float smoothing, cap, weight;
	float h[N * C], w[V * C], dh[N * C], dw[V * C];
	double loss, true_dh[N * C], true_dw[V * C];
	size_t rows;
} Case;

static const int64_t offsets[N + 1] = {0, 1, 1, 3, 4, 5};
static const int32_t targets[] = {2, 599, 7, 300, 511};
enum { COUNTED = 4 };

/* h has 1 first, so that w's first number is the level of a block. */
static void fill(Case *c)
{
	for (size_t i = 0; i < N * C; i++)
		c->h[i] = i % C == 0 ? 1 : sinf((float)i);
	for (size_t i = 0; i < V * C; i++)
		c->w[i] = i % C == 0 ? c->level[i / C / BLOCK] : 2 * cosf(1.7f * (float)i);
	c->w[LONE * C] += c->lone;
}

static double true_row(Case *c, size_t n)
{
	double z[V], highest = -HUGE_VAL, all = 0, loss = 0, count = (double)(offsets[n + 1] - offsets[n]);
	double smoothing = (double)c->smoothing, cap = (double)c->cap;
	for (size_t v = 0; v < V; v++) {
		z[v] = 0;
		for (size_t i = 0; i < C; i++)
			z[v] += (double)c->h[n * C + i] * (double)c->w[v * C + i];
		if (c->cap > 0)
			z[v] = cap * tanh(z[v] / cap);
		highest = fmax(highest, z[v]);
	}
	for (size_t v = 0; v < V; v++)
		all += exp(z[v] - highest);
	for (size_t v = 0; v < V && count > 0; v++) {
		double truth = smoothing / V;
		for (int64_t t = offsets[n]; t < offsets[n + 1]; t++)
			truth += (size_t)targets[t] == v ? (1 - smoothing) / count : 0;
		loss -= truth * (z[v] - highest - log(all));
		double d = (double)c->weight * (exp(z[v] - highest) / all - truth);
		if (c->cap > 0)
			d *= 1 - z[v] / cap * (z[v] / cap);
		for (size_t i = 0; i < C; i++) {
			c->true_dh[n * C + i] += d * (double)c->w[v * C + i];
			c->true_dw[v * C + i] += d * (double)c->h[n * C + i];
		}
	}
	return loss;
}

static void check(Case c)
{
	Arena arena = {0};
	Error e = {0};
	double loss = 0;
	fill(&c);
	PackedOperand forward = {.k = C, .n = V, .source = {c.w, C, true}},
	              backward = {.k = V, .n = C, .source = {c.w, C, false}};
	assert_true(packed_lay_out(&forward, GEMM_F32, &arena, &e) &&
	            packed_lay_out(&backward, GEMM_F32, &arena, &e));
	const CrossEntropy x = {.precision = GEMM_F32,
	                        .N = N,
	                        .h = c.h,
	                        .forward = &forward,
	                        .backward = &backward,
	                        .targets = {.offsets = offsets, .values = targets, .smoothing = c.smoothing},
	                        .cap = c.cap,
	                        .weight = c.weight,
	                        .dh = c.dh,
	                        .dw = c.dw};
	assert_true(cross_entropy(&x, &c.loss, &c.rows, &arena, &e));
	for (size_t n = 0; n < N; n++)
		loss += true_row(&c, n);
	assert_int_equal(c.rows, COUNTED);
	assert_true(fabs(c.loss - loss) <= 4e-6 * (1 + fabs(loss)));
	/* Gradients cancel: what counts is the size of what they are made of. */
	double most = fabs((double)c.lone);
	for (size_t i = 0; i < 3; i++)
		most = fmax(most, fabs((double)c.level[i]));
	for (size_t i = 0; i < N * C; i++)
		assert_true(fabs((double)c.dh[i] - c.true_dh[i]) <= 2e-5 * (double)c.weight * (1 + most));
	for (size_t i = 0; i < V * C; i++)
		assert_true(fabs((double)c.dw[i] - c.true_dw[i]) <= 8e-6 * (double)c.weight);
	arena_free(&arena);
}

static void test_levels(void **state)
{
	static const float levels[][3] = {{0, 0, 0},        {0, 60, -60},    {0, 80, 95},    {0, 200, 0},
	                                  {-300, 200, 100}, {300, -200, 90}, {-90, -90, 90}, {0, 88, 88},
	                                  {0, 0, 88.5f},    {0, 0, 89},      {0, 88.3f, 0}};
	(void)state;
	for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
		for (int smooth = 0; smooth < 2; smooth++) {
			Case c = {.weight = 0.5f, .smoothing = smooth ? 0.1f : 0};
			memcpy(c.level, levels[i], sizeof c.level);
			check(c);
		}
	for (float lone = 60; lone < 96; lone += 1) { /* one word above all */
		check((Case){.weight = 0.5f, .lone = lone});
		check((Case){.weight = 1e-6f, .lone = lone});
	}
	check((Case){.weight = 0.5f, .level = {0, 3, -3}, .cap = 2, .smoothing = 0.1f});
	check((Case){.weight = 0.5f, .level = {-90, 90, 0}, .cap = 100});
}

/* Infinite logits make no number, and no endless work. */
static void test_infinite(void **state)
{
	Case c = {.level = {0, INFINITY, 0}};
	Error e = {0};
	Arena arena = {0};
	(void)state;
	fill(&c);
	PackedOperand forward = {.k = C, .n = V, .source = {c.w, C, true}};
	assert_true(packed_lay_out(&forward, GEMM_F32, &arena, &e));
	const CrossEntropy x = {
	    .N = N, .h = c.h, .forward = &forward, .targets = {.offsets = offsets, .values = targets}};
	assert_true(cross_entropy(&x, &c.loss, &c.rows, &arena, &e));
	assert_true(!isfinite(c.loss));
	arena_free(&arena);
}

/* More rows than a chunk holds, beside each of them alone. */
static void test_chunks(void **state)
{
	enum { ROWS = 1501, WIDTH = 8, WORDS = 2000 };
	static float h[ROWS * WIDTH], w[WORDS * WIDTH], dh[ROWS * WIDTH], dw[WORDS * WIDTH], alone[WIDTH],
	    sum[WORDS * WIDTH];
	static int64_t starts[ROWS + 1];
	static int32_t words[ROWS];
	Error e = {0};
	Arena arena = {0};
	double loss = 0, losses = 0;
	size_t rows = 0;
	(void)state;
	for (size_t i = 0; i < ROWS * WIDTH; i++)
		h[i] = sinf((float)i);
	for (size_t i = 0; i < WORDS * WIDTH; i++)
		w[i] = cosf((float)i * 1.7f);
	for (size_t n = 0; n < ROWS; n++) {
		starts[n + 1] = (int64_t)n + 1;
		words[n] = (int32_t)(n * 7 % WORDS);
	}
	PackedOperand forward = {.k = WIDTH, .n = WORDS, .source = {w, WIDTH, true}},
	              backward = {.k = WORDS, .n = WIDTH, .source = {w, WIDTH, false}};
	assert_true(packed_lay_out(&forward, GEMM_F32, &arena, &e) &&
	            packed_lay_out(&backward, GEMM_F32, &arena, &e));
	CrossEntropy x = {.N = ROWS,
	                  .h = h,
	                  .forward = &forward,
	                  .backward = &backward,
	                  .targets = {.offsets = starts, .values = words},
	                  .weight = 1,
	                  .dh = dh,
	                  .dw = dw};
	assert_true(cross_entropy(&x, &loss, &rows, &arena, &e));
	assert_int_equal(rows, ROWS);
	x.N = 0;
	assert_true(cross_entropy(&x, &loss, &rows, &arena, &e));
	assert_int_equal(rows, ROWS);
	x.N = 1;
	x.dh = alone;
	x.dw = sum;
	for (size_t n = 0; n < ROWS; n++) {
		memset(alone, 0, sizeof alone);
		x.h = h + n * WIDTH;
		x.targets.offsets = starts + n;
		assert_true(cross_entropy(&x, &losses, &rows, &arena, &e));
		for (size_t i = 0; i < WIDTH; i++)
			assert_true(fabsf(alone[i] - dh[n * WIDTH + i]) <= 1e-5f);
	}
	for (size_t i = 0; i < WORDS * WIDTH; i++)
		assert_true(fabsf(sum[i] - dw[i]) <= 1e-4f);
	assert_true(fabs(loss - losses) <= 1e-6 * loss);
	arena_free(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_levels), cmocka_unit_test(test_infinite),
	                                   cmocka_unit_test(test_chunks)};
	gemm_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
