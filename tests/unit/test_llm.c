/* The LLM: its way back, its file, and what is refused of other files. */
#include "gradient.h"

#include "llm/pretrain.h"
#include "llm/vocabulary.h"
#include "nn/optimizer.h"
#include "small_models.h"

static const int32_t tokens[] = {5, 9, 120, 5, 31, 70, 200, 9, 4};
static const int32_t positions[] = {0, 1, 2, 3, 4, 0, 1, 2, 3};
static const AttentionSegment segments[] = {{0, 5, 0, 5, true}, {5, 4, 5, 4, true}};
static const Sequence sequence = {.positions = positions, .segments = segments, .segment_count = 2};

static Tensor *build_llm(Tape *t, void *context, double *loss)
{
	(void)loss;
	return llm_forward(t, context, tokens, 9, &sequence, NULL);
}

static void test_gradient(void **state)
{
	(void)state;
	Llm *m = small_llm(true, 5);
	gradient_check(&m->parameters, build_llm, m, 60, 5e-3);
	llm_free(m);
}

static Tensor *build_loss(Tape *t, void *context, double *loss)
{
	const Llm *m = context;
	static const int64_t offsets[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
	static const int32_t next[] = {9, 120, 5, 31, 2, 200, 9, 4, 2};
	size_t rows = 0;
	tape_cross_entropy(t, llm_forward(t, m, tokens, 9, &sequence, NULL), m->output, m->shape.logit_cap,
	                   (LossTargets){offsets, next}, 1, loss, &rows);
	return NULL;
}

/* A tied matrix gets gradients from both ends; one of its own from one. */
static void test_loss_gradient(void **state)
{
	(void)state;
	for (int tied = 0; tied < 2; tied++) {
		Llm *m = small_llm(tied, 5);
		assert_true((parameters_find(&m->parameters, "llm.output") == NULL) == tied);
		gradient_check(&m->parameters, build_loss, m, 60, 5e-3);
		llm_free(m);
	}
}

static const char *const architectures[] = {"qwen2", "qwen3", "gemma", "gemma2", "gemma3", "gpt2", "gptneox"};

/* Biases and norms that are not what they begin as, so that they matter. */
static void disturb(Llm *m)
{
	Random random = {3, 0};
	for (size_t i = 0; i < m->parameters.count; i++) {
		Parameter *p = m->parameters.items[i];
		for (size_t k = 0; p->rank == 1 && k < p->count; k++)
			p->value[k] += (float)(0.3 * random_normal(&random));
	}
}

static void test_gradient_of_others(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof architectures / sizeof *architectures; i++) {
		Llm *m = small_llm_like(architectures[i], i % 2 > 0, 5);
		disturb(m);
		/* Without rotary positions a bias of keys adds the same to all scores of a row: its gradient
		 * is 0, and differences are noise. */
		for (size_t k = 0; k < m->shape.layers && m->positions != NULL; k++)
			m->attention[k].k_bias->trains = false;
		gradient_check(&m->parameters, build_loss, m, 12, 1e-2);
		llm_free(m);
	}
}

/* What is saved of each is what is read, and it computes the same. */
static void test_others_are_saved(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof architectures / sizeof *architectures; i++) {
		Error e = {0};
		char path[] = "/tmp/test_llm_XXXXXX";
		int file = mkstemp(path);
		assert_true(file >= 0 && close(file) == 0);
		Llm *m = small_llm_like(architectures[i], i % 2 > 0, 5);
		disturb(m);
		assert_true(llm_save(m, "test", path, &e));
		Gguf *g = gguf_open(path, &e); /* as other engines look for q, k and v */
		bool fused =
		    strcmp(architectures[i], "gpt2") == 0 || strcmp(architectures[i], "gptneox") == 0;
		assert_true((gguf_tensor(g, "blk.0.attn_qkv.weight") != NULL) == fused);
		assert_true((gguf_tensor(g, "blk.0.attn_q.weight") == NULL) == fused);
		assert_true((gguf_tensor(g, "blk.0.attn_k.weight") == NULL) == fused);
		gguf_close(g);
		Llm *back = llm_load(path, LLM_EXPANDED, &e);
		if (back == NULL)
			fail_msg("%s", e.text);
		assert_memory_equal(&back->shape.layer, &m->shape.layer, sizeof m->shape.layer);
		Tape a = {0}, b = {0};
		const Tensor *x = llm_forward(&a, m, tokens, 9, &sequence, NULL),
		             *y = llm_forward(&b, back, tokens, 9, &sequence, NULL);
		assert_memory_equal(x->value, y->value, 9 * 16 * sizeof(float));
		tape_free(&a);
		tape_free(&b);
		llm_free(m);
		llm_free(back);
		unlink(path);
	}
}

static void test_segments_are_apart(void **state)
{
	(void)state;
	Llm *m = small_llm(true, 5);
	Tape t = {0};
	const Tensor *both = llm_forward(&t, m, tokens, 9, &sequence, NULL);
	const Tensor *second = small_forward(&t, m, tokens + 5, 4, NULL);
	for (size_t i = 0; i < (size_t)4 * 16; i++)
		assert_true(fabsf(both->value[5 * 16 + i] - second->value[i]) < 1e-6f);
	tape_free(&t);
	llm_free(m);
}

static void test_context_is_a_limit(void **state)
{
	(void)state;
	Llm *m = small_llm(true, 5);
	Tape t = {0};
	int32_t beyond = LLM_POSITIONS;
	AttentionSegment one = {0, 1, 0, 1, true};
	Sequence s = {.positions = &beyond, .segments = &one, .segment_count = 1};
	assert_null(llm_forward(&t, m, tokens, 1, &s, NULL));
	assert_int_equal(t.error.code, ERROR_USAGE);
	tape_free(&t);
	llm_free(m);
}

static void test_save_and_load(void **state)
{
	(void)state;
	for (int tied = 0; tied < 2; tied++) {
		Error e = {0};
		char path[64], again[64];
		Tape t = {0};
		Llm *m = small_llm(tied, 6);
		small_path(path);
		small_path(again);
		assert_true(llm_save(m, "small", path, &e));
		Llm *n = llm_load(path, LLM_EXPANDED, &e);
		assert_non_null(n);
		assert_int_equal(n->shape.tied, tied);
		assert_true(n->shape.context == m->shape.context && n->shape.layer.kv_heads == 2);
		const Tensor *a = small_forward(&t, m, tokens, 9, NULL),
		             *b = small_forward(&t, n, tokens, 9, NULL);
		assert_memory_equal(a->value, b->value, 9 * m->shape.layer.C * sizeof *a->value);
		const Tensor *p = llm_log_probabilities(&t, m, tape_constant(&t, a->value, 1, a->cols)),
		             *q = llm_log_probabilities(&t, n, tape_constant(&t, b->value, 1, b->cols));
		assert_memory_equal(p->value, q->value, m->shape.V * sizeof *p->value);
		assert_true(llm_save(n, "small", again, &e));
		Llm *o = llm_load(again, LLM_EXPANDED, &e);
		assert_true(o != NULL && o->hash == n->hash && n->hash != 0);
		llm_free(o);
		llm_free(n);
		llm_free(m);
		tape_free(&t);
		unlink(path);
		unlink(again);
	}
}

/* A file like llm_save()'s, with one thing wrong. */
typedef struct {
	const char *architecture, *drop, *extra, *misshapen, *key;
	uint32_t value; /* of the key, which is written before its right one would be */
} Wrong;

static void put_u32(GgufWriter *w, const Wrong *wrong, const char *key, size_t value)
{
	Error e = {0};
	bool changed = wrong->key != NULL && strcmp(wrong->key, key) == 0;
	assert_true(gguf_add_u32(w, key, changed ? wrong->value : (uint32_t)value, &e));
}

static void put_tensor(GgufWriter *w, const Wrong *wrong, const char *name, size_t rows, size_t cols)
{
	static const float zeros[1 << 14];
	Error e = {0};
	size_t shape[] = {cols, rows};
	if (wrong->misshapen != NULL && strcmp(wrong->misshapen, name) == 0)
		shape[0]--;
	if (wrong->drop == NULL || strcmp(wrong->drop, name) != 0)
		assert_true(gguf_add_tensor(w, name, rows ? 2 : 1, shape, zeros, &e));
}

static void put_model(GgufWriter *w, const Wrong *wrong)
{
	Error e = {0};
	Tokenizer *t = small_tokenizer();
	assert_true(gguf_add_string(w, "general.architecture",
	                            text_of(wrong->architecture ? wrong->architecture : "llama"), &e));
	put_u32(w, wrong, "llama.embedding_length", 8);
	put_u32(w, wrong, "llama.block_count", 1);
	put_u32(w, wrong, "llama.attention.head_count", 2);
	put_u32(w, wrong, "llama.attention.head_count_kv", 1);
	put_u32(w, wrong, "llama.feed_forward_length", 12);
	put_u32(w, wrong, "llama.context_length", 32);
	put_u32(w, wrong, "llama.rope.dimension_count", 4);
	if (wrong->key != NULL && strstr(wrong->key, "key_length") != NULL)
		put_u32(w, wrong, "llama.attention.key_length", 4);
	if (wrong->key != NULL && strstr(wrong->key, "expert") != NULL)
		put_u32(w, wrong, "llama.expert_count", 0);
	assert_true(gguf_add_f32(w, "llama.attention.layer_norm_rms_epsilon", 1e-5f, &e));
	assert_true(vocabulary_write(tokenizer_model(t), tokenizer_size(t), w, &e));
	put_tensor(w, wrong, "token_embd.weight", tokenizer_size(t), 8);
	put_tensor(w, wrong, "output_norm.weight", 0, 8);
	put_tensor(w, wrong, "blk.0.attn_norm.weight", 0, 8);
	put_tensor(w, wrong, "blk.0.attn_q.weight", 8, 8);
	put_tensor(w, wrong, "blk.0.attn_k.weight", 4, 8);
	put_tensor(w, wrong, "blk.0.attn_v.weight", 4, 8);
	put_tensor(w, wrong, "blk.0.attn_output.weight", 8, 8);
	put_tensor(w, wrong, "blk.0.ffn_norm.weight", 0, 8);
	put_tensor(w, wrong, "blk.0.ffn_gate.weight", 12, 8);
	put_tensor(w, wrong, "blk.0.ffn_up.weight", 12, 8);
	put_tensor(w, wrong, "blk.0.ffn_down.weight", 8, 12);
	if (wrong->extra != NULL)
		put_tensor(w, &(Wrong){0}, wrong->extra, 0, 8);
	tokenizer_free(t);
}

/* The code of what loading such a file says; `words` must be in it. */
static int refusal(Wrong wrong, const char *words)
{
	Error e = {0};
	Output output = {0};
	char path[64];
	small_path(path);
	GgufWriter *w = gguf_writer_new(&e);
	put_model(w, &wrong);
	assert_true(output_open(&output, path, true, &e) && gguf_write(w, &output, &e) &&
	            output_close(&output, &e));
	gguf_writer_free(w);
	Llm *m = llm_load(path, LLM_EXPANDED, &e);
	assert_true((m == NULL) == (e.code != ERROR_NONE));
	if (m == NULL && (strstr(e.text, words) == NULL || strstr(e.text, path) == NULL))
		fail_msg("'%s' does not say '%s'", e.text, words);
	llm_free(m);
	unlink(path);
	return e.code;
}

static void test_refused(void **state)
{
	(void)state;
	static const char *const names[] = {
	    "output_norm.weight",    "blk.0.attn_norm.weight", "blk.0.attn_q.weight",
	    "blk.0.attn_k.weight",   "blk.0.attn_v.weight",    "blk.0.attn_output.weight",
	    "blk.0.ffn_norm.weight", "blk.0.ffn_gate.weight",  "blk.0.ffn_up.weight",
	    "blk.0.ffn_down.weight", "token_embd.weight"};
	assert_int_equal(refusal((Wrong){0}, ""), ERROR_NONE);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		assert_int_equal(refusal((Wrong){.drop = names[i]}, names[i]), ERROR_MALFORMED);
		assert_int_equal(refusal((Wrong){.misshapen = names[i]}, names[i]), ERROR_MALFORMED);
	}
	assert_int_equal(refusal((Wrong){.extra = "blk.0.attn_q.bias"}, "blk.0.attn_k.bias is missing"),
	                 ERROR_MALFORMED);
	assert_int_equal(
	    refusal((Wrong){.extra = "blk.1.attn_norm.weight"}, "blk.1.attn_norm.weight is no part"),
	    ERROR_MALFORMED);
	assert_int_equal(refusal((Wrong){.architecture = "mamba"}, "'mamba'"), ERROR_MALFORMED);
	static const struct {
		const char *key;
		uint32_t value;
		const char *words;
	} keys[] = {{"llama.block_count", 2, "blk.1"},
	            {"llama.block_count", 4000, "blk.1"},
	            {"llama.block_count", 0, "block_count"},
	            {"llama.embedding_length", 1 << 20, "token_embd.weight"},
	            {"llama.embedding_length", 12, "token_embd.weight"},
	            {"llama.embedding_length", 0, "embedding_length"},
	            {"llama.attention.head_count", 3, "rotary"},
	            {"llama.attention.head_count", 8, "rotary"},
	            {"llama.attention.head_count_kv", 3, "heads"},
	            {"llama.attention.head_count_kv", 2, "attn_k"},
	            {"llama.feed_forward_length", 13, "ffn_gate"},
	            {"llama.attention.key_length", 4096, "key_length"},
	            {"llama.expert_count", 8, "'llama.expert_count' asks for 8"},
	            {"llama.rope.dimension_count", 3, "rotary"}};
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
		assert_int_equal(refusal((Wrong){.key = keys[i].key, .value = keys[i].value}, keys[i].words),
		                 ERROR_MALFORMED);
}

/* Of many texts some are evaluated, and not the first ones alone. */
static void test_evaluation_of_many(void **state)
{
	(void)state;
	static const char *const said[] = {"title no. 2", "a title, no. 3, and so on"};
	Error e = {0};
	Strings texts = {0};
	Llm *m = small_llm(true, 7);
	double nll = 0, score = 0;
	size_t count = 0;
	char words[64];
	for (size_t i = 0; i < 2; i++) {
		Tokens all = {0};
		assert_true(tokenizer_encode(m->tokenizer, text_of(said[i]), TOKENIZE_BOS, &all, &e) &&
		            tokens_append(&all, &tokenizer_model(m->tokenizer)->eos, 1, &e));
		nll -= small_worth(m, all.ids, all.count, 1, NULL);
		count += all.count - 1;
		tokens_free(&all);
		for (size_t k = 0; k < 300; k++)
			assert_true(strings_append(&texts, said[i], strlen(said[i]), &e));
	}
	LlmPretraining *p = llm_pretraining_new(m, &texts, 8, 0, 1, &e);
	assert_non_null(p);
	Trainee trainee = llm_pretraining_trainee(p);
	Pool *pool = pool_new(2, &e);
	assert_true(trainee.evaluate(trainee.context, GEMM_F32, pool, &score, words, sizeof words, &e));
	assert_true(fabs(score + nll / (double)count) < 1e-4);
	pool_free(pool);
	llm_pretraining_free(p);
	llm_free(m);
	strings_free(&texts);
}

/* Training on texts that can be known by heart. */
static void test_pretraining_learns(void **state)
{
	(void)state;
	Error e = {0};
	Strings texts = {0};
	Tape t = {0};
	assert_true(strings_append(&texts, "title no. 2", 11, &e) &&
	            strings_append(&texts, "a title, no. 3", 14, &e));
	Llm *m = small_llm(true, 7);
	LlmPretraining *p = llm_pretraining_new(m, &texts, 8, 0, 1, &e);
	assert_non_null(p);
	Trainee trainee = llm_pretraining_trainee(p);
	Pool *pool = pool_new(1, &e);
	double first = 0, last = 0;
	for (uint64_t step = 1; step <= 40; step++) {
		size_t steps = 0, targets = 0, events = 0;
		double loss = 0, norm;
		assert_true(trainee.epoch(trainee.context, step, &steps, &e));
		assert_int_equal(steps, 1);
		assert_int_equal(trainee.step(trainee.context, 0), 1);
		tape_reset(&t, true, step);
		assert_true(trainee.shard(trainee.context, &t, 0, &loss, &targets, &events));
		assert_true(targets == events && targets > 6);
		last = loss / (double)targets;
		first = step == 1 ? last : first;
		assert_true(
		    parameters_step(&m->parameters, &(OptimizerStep){0.02, 0, 1, step}, pool, &norm, &e));
	}
	assert_true(first > 4 && last < 0.5);
	/* By heart: the text is likely, from its first token to its end. */
	Tokens all = {0};
	const TokenizerModel *model = tokenizer_model(m->tokenizer);
	assert_true(tokenizer_encode(m->tokenizer, text_of("title no. 2"), TOKENIZE_BOS, &all, &e));
	assert_true(memory_grow(&all.ids, &all.capacity, all.count + 1, sizeof *all.ids, &e));
	all.ids[all.count++] = model->eos;
	assert_int_equal(all.ids[0], model->bos);
	assert_true(small_worth(m, all.ids, all.count, 1, NULL) > -0.6 * (double)all.count);
	tokens_free(&all);
	pool_free(pool);
	llm_pretraining_free(p);
	llm_free(m);
	strings_free(&texts);
	tape_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_gradient),           cmocka_unit_test(test_gradient_of_others),
	    cmocka_unit_test(test_others_are_saved),   cmocka_unit_test(test_loss_gradient),
	    cmocka_unit_test(test_segments_are_apart), cmocka_unit_test(test_context_is_a_limit),
	    cmocka_unit_test(test_save_and_load),      cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_evaluation_of_many), cmocka_unit_test(test_pretraining_learns),
	};
	gemm_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
