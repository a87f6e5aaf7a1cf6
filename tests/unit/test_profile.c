/* What is counted, against formulas written out: a product of [m, k] and [k, n] is 2 m n k FLOPs, attention 4
 * D for each query, key and head. */
#include "llm/decode.h"
#include "nn/profile.h"
#include "small_models.h"
#include "user/finetune.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* Of small_llm() and small_encoder(). */
enum { C = 16, KV = 8, F = 24, LAYERS = 2, D_E = 8, F_E = 32 };
enum { N = 7 };
static const int32_t tokens[N] = {8, 90, 17, 5, 6, 9, 7};

/* Per token: the matrices of the LLM's blocks. */
enum { BLOCKS = LAYERS * 2 * (C * C + 2 * C * KV + C * C + 3 * C * F) };

static uint64_t flops(const Profile *p, Phase phase)
{
	return p->phases[phase].flops;
}

static void test_encoder(void **state)
{
	(void)state;
	Error e = {0};
	Sample sample;
	Translation translation;
	EventBatch batch;
	Profile p = {0};
	Tape t = {.profile = &p};
	sample_new(&sample, SPLIT_LEAVE_ONE_OUT, 0, (size_t[]){5, 4}, 2, 7);
	Encoder *m = small_encoder(&sample.data, 0, 1);
	assert_true(translation_new(&translation, m, &sample.data, &e));
	const Segment histories[] = {{0, 5, false}, {5, 9, false}};
	assert_true(batch_new(&batch, &translation, &sample.users, histories, 2, &t.arena, &e));
	assert_non_null(encoder_forward(&t, m, &batch));
	uint64_t input = 9 * m->input->cols * D_E, block = 9 * (4 * D_E * D_E + 3 * D_E * F_E);
	assert_int_equal(p.phases[PHASE_ENCODER].tokens, 9);
	assert_int_equal(flops(&p, PHASE_ENCODER),
	                 2 * input + LAYERS * (2 * block + 4 * (5 * 5 + 4 * 4) * D_E));
	tape_free(&t);
	translation_free(&translation);
	encoder_free(m);
	sample_free(&sample);
}

/* A prompt, and two tokens that come behind it side by side. */
static void test_decoding(void **state)
{
	(void)state;
	Error e = {0};
	Profile p = {0};
	Decoder d;
	Llm *m = small_llm(true, 3);
	assert_true(decoder_new(&d, m, NULL, &e));
	d.tape.profile = &p;
	assert_non_null(decoder_begin(&d, tokens, N, &e));
	assert_int_equal(p.phases[PHASE_PROMPT].tokens, N);
	assert_int_equal(flops(&p, PHASE_PROMPT), N * BLOCKS + LAYERS * 4 * N * N * C);
	assert_int_equal(p.phases[PHASE_PROMPT].cache, LAYERS * 2 * N * KV * sizeof(float));
	assert_int_equal(flops(&p, PHASE_ANSWER), 0);
	const int32_t seen[2][N + 1] = {{0, 1, 2, 3, 4, 5, 6, N}, {0, 1, 2, 3, 4, 5, 6, N + 1}};
	const NextToken next[] = {{5, N, 0, seen[0]}, {6, N, 0, seen[1]}};
	Tensor *h = decoder_step(&d, next, 2, 1, &e);
	assert_non_null(decoder_log_probabilities(&d, h, &e));
	assert_int_equal(p.phases[PHASE_ANSWER].tokens, 2);
	assert_int_equal(flops(&p, PHASE_ANSWER),
	                 2 * BLOCKS + LAYERS * 4 * 2 * (N + 1) * C + 2 * 2 * C * m->shape.V);
	assert_int_equal(p.phases[PHASE_ANSWER].cache, LAYERS * 2 * (N + 2) * KV * sizeof(float));
	decoder_free(&d);
	llm_free(m);
}

static void test_cross_attention(void **state)
{
	(void)state;
	enum { ROWS = 3, MEMORY = 6, WIDTH = 4, HEADS_D = 8 };
	Error e = {0};
	Parameters set = {0};
	AttentionLayer a;
	Profile p = {.phase = PHASE_LLM};
	Tape t = {.profile = &p};
	const LayerShape shape = {WIDTH, MEMORY, 2, 2, 4, 0, 1e-5f};
	const AttentionSegment segment = {0, ROWS, 0, 5, false};
	assert_true(attention_layer_new(&a, &set, "cross", &shape, 1, 3, &e));
	parameters_train(&set, true);
	tape_reset(&t, true, 1);
	Tensor *x = tape_tensor(&t, ROWS, WIDTH, false), *memory = tape_tensor(&t, 5, MEMORY, false);
	memset(x->value, 0, ROWS * WIDTH * sizeof(float));
	memset(memory->value, 0, 5 * MEMORY * sizeof(float));
	KeyValues kv = attention_layer_memory(&t, &a, memory, NULL, NULL);
	Tensor *y =
	    attention_layer_cross(&t, &a, x, kv, &(Sequence){.segments = &segment, .segment_count = 1});
	assert_non_null(y);
	enum { Q = 2 * ROWS * WIDTH * HEADS_D, O = Q, K = 2 * 5 * MEMORY * HEADS_D, PAIRS = ROWS * 5 };
	assert_int_equal(flops(&p, PHASE_LLM), Q + 2 * K + O + 4 * PAIRS * HEADS_D);
	memset(tape_gradient(&t, y, NULL), 0, ROWS * WIDTH * sizeof(float));
	profile_enter(&p, PHASE_BACKWARD, 0);
	assert_true(tape_backward(&t));
	/* Nothing flows back to the memory; scores, dP, dQ, dK and dV are five products. */
	assert_int_equal(flops(&p, PHASE_BACKWARD), 2 * Q + 2 * K + 2 * O + 10 * PAIRS * HEADS_D);
	tape_free(&t);
	parameters_free(&set);
}

/* An LLM forward and back. */
static void backward_of(bool trains, uint64_t *forward, uint64_t *backward)
{
	Profile p = {.phase = PHASE_LLM};
	Tape t = {.profile = &p};
	Llm *m = small_llm(true, 3);
	double loss = 0;
	size_t rows = 0;
	const int64_t offsets[N + 1] = {0, 0, 0, 0, 0, 0, 1, 2};
	const int32_t targets[] = {4, 5};
	parameters_train(&m->parameters, trains);
	m->embedding->trains = true;
	tape_reset(&t, true, 1);
	Tensor *h = small_forward(&t, m, tokens, N, NULL);
	assert_true(
	    tape_cross_entropy(&t, h, m->output, 0, (LossTargets){offsets, targets, 0}, 1, &loss, &rows));
	assert_int_equal(rows, 2);
	profile_enter(&p, PHASE_BACKWARD, N);
	assert_true(tape_backward(&t));
	uint64_t logits = 2 * N * C * m->shape.V;
	*forward = flops(&p, PHASE_LLM) - logits;
	*backward = flops(&p, PHASE_BACKWARD) - 2 * logits; /* of the hidden states, and of the table */
	tape_free(&t);
	llm_free(m);
}

static void test_backward(void **state)
{
	(void)state;
	uint64_t forward, backward, pairs = LAYERS * N * N;
	backward_of(true, &forward, &backward);
	assert_int_equal(forward, N * BLOCKS + 4 * pairs * C);
	assert_int_equal(backward, 2 * N * BLOCKS + 10 * pairs * C);
	backward_of(false, &forward, &backward); /* through the blocks, and not to them */
	assert_int_equal(backward, N * BLOCKS + 10 * pairs * C);
}

/* Queries are worked on 64 at a time, with all keys that any of them sees. */
static void test_pairs(void **state)
{
	(void)state;
	const AttentionSegment segments[] = {{0, 100, 0, 110, true}, {100, 3, 110, 7, false}};
	Attention a = {.heads = 2, .kv_heads = 1, .segments = segments, .segment_count = 2};
	assert_int_equal(attention_pairs(&a), 64 * (64 + 10) + 36 * 110 + 3 * 7);
	a.window = 5;
	assert_int_equal(attention_pairs(&a), 64 * (64 + 4) + 36 * (36 + 4) + 3 * 7);
}

static void test_gather(void **state)
{
	(void)state;
	Profile whole = {0}, parts[2] = {{{{0}}}};
	for (int phase = PHASE_NONE; phase <= PHASE_EVALUATION; phase += PHASE_EVALUATION) {
		profile_enter(&whole, (Phase)phase, 0);
		for (size_t i = 0; i < 2; i++) {
			profile_enter(&parts[i], PHASE_ENCODER, 3);
			profile_product(&parts[i], 2, 3, 5);
			profile_cache(&parts[i], 10 * i);
			profile_cache(&parts[i], 9);
			profile_enter(&parts[i], PHASE_LLM, 4);
			profile_product_of(&parts[i], PHASE_BACKWARD, 1, 1, 1);
			profile_enter(&parts[i], PHASE_NONE, 0);
		}
		profile_gather(&whole, parts, 2);
		assert_true(flops(&parts[0], PHASE_ENCODER) == 0 && parts[1].since == 0);
		profile_enter(&whole, PHASE_NONE, 0);
	}
	const PhaseCost *encoder = &whole.phases[PHASE_ENCODER], *all = &whole.phases[PHASE_EVALUATION];
	assert_true(encoder->tokens == 6 && encoder->flops == 120 && encoder->cache == 10);
	assert_true(whole.phases[PHASE_LLM].tokens == 8 && flops(&whole, PHASE_BACKWARD) == 4);
	assert_true(all->tokens == 8 && all->flops == 124 && all->cache == 10);
	assert_true(encoder->seconds > 0 && all->seconds > 0);
	profile_enter(NULL, PHASE_LLM, 1);
	profile_product(NULL, 1, 1, 1);
	profile_cache(NULL, 1);
	profile_gather(NULL, parts, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_encoder),         cmocka_unit_test(test_decoding),
	    cmocka_unit_test(test_cross_attention), cmocka_unit_test(test_backward),
	    cmocka_unit_test(test_pairs),           cmocka_unit_test(test_gather),
	};
	gemm_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
