/* Layers: their way back, and decoding with a cache against the whole forward pass. */
#include "gradient.h"

#include "math/gemm.h"
#include "nn/layers.h"

enum { C = 8, D = 4, N = 7, MEMORY = 5, WIDTH = 6 };

typedef struct {
	Parameters set;
	Parameter *x, *m;
	AttentionLayer self, cross;
	FeedForward feed, plain;
	Rotary rotary;
	bool positions; /* of the memory and of what asks it */
} Layers;

static const int32_t positions[N] = {0, 1, 2, 3, 0, 1, 2};
static const int32_t asking[N] = {4, 4, 4, 4, 2, 2, 2}, memory_positions[MEMORY] = {0, 1, 0, 1, 2};
static const AttentionSegment causal[] = {{0, 4, 0, 4, true}, {4, 3, 4, 3, true}};
static const AttentionSegment asks[] = {{0, 4, 0, 2, false}, {4, 3, 2, 3, false}};

static Layers *layers_new(void)
{
	Error e = {0};
	static Layers l;
	LayerShape self = {C, C, 4, 2, D, 12, 1e-5f}, cross = {C, WIDTH, 2, 2, D, 0, 1e-5f}, plain = self;
	plain.plain = true;
	l = (Layers){0};
	l.x = graph_parameter(&l.set, "x", N, C, &e);
	l.m = graph_parameter(&l.set, "m", MEMORY, WIDTH, &e);
	assert_true(attention_layer_new(&l.self, &l.set, "self", &self, 0.5, 3, &e));
	assert_true(attention_layer_new(&l.cross, &l.set, "cross", &cross, 1, 3, &e));
	assert_true(feed_forward_new(&l.feed, &l.set, "feed", &self, 1, 3, &e));
	assert_true(feed_forward_new(&l.plain, &l.set, "plain", &plain, 1, 3, &e));
	assert_true(l.feed.gate != NULL && l.plain.gate == NULL);
	assert_true(rotary_new(&l.rotary, &(RotaryShape){D, D, false, 100, 1, NULL}, 16, &e));
	/* Ones would hide what a norm does. */
	for (size_t i = 0; i < C; i++)
		l.self.norm->value[i] = l.cross.norm->value[i] = l.feed.norm->value[i] =
		    l.plain.norm->value[i] = 0.5f + (float)i / 8;
	return &l;
}

static void layers_free(Layers *l)
{
	rotary_free(&l->rotary);
	parameters_free(&l->set);
}

static Tensor *build_self(Tape *t, void *context, double *loss)
{
	(void)loss;
	Layers *l = context;
	Sequence s = {.positions = l->positions ? positions : NULL,
	              .rotary = &l->rotary,
	              .segments = causal,
	              .segment_count = 2};
	return attention_layer_self(t, &l->self, tape_tile(t, l->x, 1), &s, 0);
}

static Tensor *build_cross(Tape *t, void *context, double *loss)
{
	(void)loss;
	Layers *l = context;
	Sequence s = {.positions = l->positions ? asking : NULL,
	              .rotary = &l->rotary,
	              .segments = asks,
	              .segment_count = 2};
	KeyValues memory = attention_layer_memory(t, &l->cross, tape_tile(t, l->m, 1), &l->rotary,
	                                          l->positions ? memory_positions : NULL);
	return attention_layer_cross(t, &l->cross, tape_tile(t, l->x, 1), memory, &s);
}

static Tensor *build_feed(Tape *t, void *context, double *loss)
{
	(void)loss;
	Layers *l = context;
	return feed_forward(t, &l->feed, tape_tile(t, l->x, 1));
}

static Tensor *build_plain_feed(Tape *t, void *context, double *loss)
{
	(void)loss;
	Layers *l = context;
	return feed_forward(t, &l->plain, tape_tile(t, l->x, 1));
}

static void check(GraphBuilder build, bool with_positions)
{
	Layers *l = layers_new();
	l->positions = with_positions;
	gradient_check(&l->set, build, l, 1000, 3e-3);
	layers_free(l);
}

static void test_self_gradient(void **state)
{
	(void)state;
	check(build_self, true);
	check(build_self, false);
}

static void test_cross_gradient(void **state)
{
	(void)state;
	check(build_cross, true);
	check(build_cross, false);
}

static void test_feed_gradient(void **state)
{
	(void)state;
	check(build_feed, false);
	check(build_plain_feed, false);
}

/* Only distances count: all positions two further on give the same. */
static void test_rotary_is_relative(void **state)
{
	(void)state;
	Layers *l = layers_new();
	Tape t = {0};
	int32_t later[N], other[N];
	for (int i = 0; i < N; i++) {
		later[i] = positions[i] + 2;
		other[i] = 2 * positions[i];
	}
	Sequence s = {positions, &l->rotary, causal, 2, NULL, NULL, NULL, NULL};
	const Tensor *a = attention_layer_self(&t, &l->self, tape_tile(&t, l->x, 1), &s, 0);
	s.positions = later;
	const Tensor *b = attention_layer_self(&t, &l->self, tape_tile(&t, l->x, 1), &s, 0);
	s.positions = other;
	const Tensor *c = attention_layer_self(&t, &l->self, tape_tile(&t, l->x, 1), &s, 0);
	double same = 0, differs = 0;
	for (size_t i = 0; i < (size_t)N * C; i++) {
		same = fmax(same, fabs((double)a->value[i] - (double)b->value[i]));
		differs = fmax(differs, fabs((double)a->value[i] - (double)c->value[i]));
	}
	assert_true(same < 1e-5 && differs > 1e-3);
	tape_free(&t);
	layers_free(l);
}

/* By hand, in double: GQA without positions, one segment. */
static void test_self_by_hand(void **state)
{
	(void)state;
	Layers *l = layers_new();
	Tape t = {0};
	AttentionSegment whole = {0, N, 0, N, true};
	Sequence s = {.segments = &whole, .segment_count = 1};
	const Tensor *y = attention_layer_self(&t, &l->self, tape_tile(&t, l->x, 1), &s, 0);
	double q[N][4 * D] = {{0}}, k[N][2 * D] = {{0}}, v[N][2 * D] = {{0}}, o[N][4 * D] = {{0}};
	for (size_t i = 0; i < N; i++) {
		double squares = 0;
		for (size_t c = 0; c < C; c++)
			squares += pow((double)l->x->value[i * C + c], 2);
		for (size_t c = 0; c < C; c++) {
			double n = (double)l->x->value[i * C + c] / sqrt(squares / C + 1e-5) *
			           (double)l->self.norm->value[c];
			for (size_t j = 0; j < (size_t)4 * D; j++)
				q[i][j] += n * (double)l->self.q->value[j * C + c];
			for (size_t j = 0; j < (size_t)2 * D; j++) {
				k[i][j] += n * (double)l->self.k->value[j * C + c];
				v[i][j] += n * (double)l->self.v->value[j * C + c];
			}
		}
		for (size_t h = 0; h < 4; h++) {
			double p[N], sum = 0;
			for (size_t j = 0; j <= i; j++) {
				double dot = 0;
				for (size_t d = 0; d < D; d++)
					dot += q[i][h * D + d] * k[j][h / 2 * D + d];
				sum += p[j] = exp(dot / sqrt(D));
			}
			for (size_t j = 0; j <= i; j++)
				for (size_t d = 0; d < D; d++)
					o[i][h * D + d] += p[j] / sum * v[j][h / 2 * D + d];
		}
		for (size_t c = 0; c < C; c++) {
			double expected = 0;
			for (size_t j = 0; j < (size_t)4 * D; j++)
				expected += o[i][j] * (double)l->self.o->value[c * 4 * D + j];
			assert_true(fabs(expected - (double)y->value[i * C + c]) < 1e-5);
		}
	}
	tape_free(&t);
	layers_free(l);
}

/* Rows of a cached pass against those of sequences computed whole: two branches of three rows share
 * a beginning of two, and their rows come mixed, as a beam has them. */
static void test_cache_branches(void **state)
{
	(void)state;
	Error e = {0};
	Layers *l = layers_new();
	Tape t = {0};
	KeyValueCache cache;
	assert_true(cache_new(&cache, 2, (size_t)2 * D, &e) && cache_reserve(&cache, 2, &e));
	/* x rows: 0 1 shared; 2 4 6 branch a; 3 5 branch b. */
	const int32_t place[N] = {0, 1, 2, 2, 3, 3, 4};
	const int32_t a[] = {0, 1, 2, 4, 6}, b[] = {0, 1, 3, 5};
	const int32_t *const seen[N] = {a, a, a, b, a, b, a};
	const size_t seen_count[N] = {1, 2, 3, 3, 4, 4, 5};
	const int32_t slots[N] = {0, 1, 2, 3, 4, 5, 6};
	float rows[N * C];
	size_t first = 0;
	for (size_t step = 0; step < 3; step++) { /* 2 rows, 2 rows, 3 rows */
		size_t count = step < 2 ? 2 : 3;
		assert_true(cache_reserve(&cache, first + count, &e));
		Sequence s = {.positions = place + first,
		              .rotary = &l->rotary,
		              .cache = &cache,
		              .slots = slots + first,
		              .seen = seen + first,
		              .seen_count = seen_count + first};
		Tensor *x = tape_constant(&t, l->x->value + first * C, count, C);
		const Tensor *y = attention_layer_self(&t, &l->self, x, &s, 1);
		memcpy(rows + first * C, y->value, count * C * sizeof *rows);
		first += count;
	}
	for (int branch = 0; branch < 2; branch++) {
		const int32_t *which = branch ? b : a;
		size_t length = branch ? 4 : 5;
		const int32_t order[] = {0, 1, 2, 3, 4};
		AttentionSegment whole = {0, length, 0, length, true};
		Sequence s = {
		    .positions = order, .rotary = &l->rotary, .segments = &whole, .segment_count = 1};
		Tensor *x = tape_rows(&t, tape_constant(&t, l->x->value, N, C), which, length);
		const Tensor *y = attention_layer_self(&t, &l->self, x, &s, 0);
		for (size_t i = 0; i < length * C; i++)
			assert_true(fabsf(y->value[i] - rows[(size_t)which[i / C] * C + i % C]) < 1e-5f);
	}
	cache_free(&cache);
	tape_free(&t);
	layers_free(l);
}

/* Growing keeps what is there; a new cache and a freed one are both empty. */
static void test_cache_grows(void **state)
{
	(void)state;
	Error e = {0};
	KeyValueCache cache;
	assert_true(cache_new(&cache, 1, 3, &e) && cache_reserve(&cache, 4, &e));
	for (int i = 0; i < 12; i++)
		cache.k[0][i] = cache.v[0][i] = (float)i;
	assert_true(cache_reserve(&cache, 1000, &e) && cache.capacity >= 1000);
	for (int i = 0; i < 12; i++)
		assert_true(cache.k[0][i] == (float)i && cache.v[0][i] == (float)i);
	cache_free(&cache);
	cache_free(&cache);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_self_gradient), cmocka_unit_test(test_cross_gradient),
	    cmocka_unit_test(test_feed_gradient), cmocka_unit_test(test_rotary_is_relative),
	    cmocka_unit_test(test_self_by_hand),  cmocka_unit_test(test_cache_branches),
	    cmocka_unit_test(test_cache_grows),
	};
	gemm_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
