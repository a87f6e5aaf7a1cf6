/* Small models for tests: an LLM with a vocabulary of its own, an encoder for a sample dataset, and what
 * it takes to run them. */
#ifndef SMALL_MODELS_H
#define SMALL_MODELS_H

#include "llm/model.h"
#include "math/gemm.h"
#include "sample_dataset.h"
#include "user/encoder.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

#define SMALL __attribute__((unused)) static

SMALL Tokenizer *small_tokenizer(void)
{
	static const char *const texts[] = {"Next choice: title no. 1 \xc3\xa9", "title no. 2",
	                                    "a title, no. 3", "Next choice: title no. 4"};
	Error e = {0};
	Strings list = {0};
	TokenizerModel model = {0};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		sample_must(strings_append(&list, texts[i], strlen(texts[i]), &e), &e);
	sample_must(tokenizer_learn(&list, 275, &model, &e), &e);
	Tokenizer *t = tokenizer_new(&model, &e);
	sample_must(t != NULL, &e);
	strings_free(&list);
	return t;
}

/* With everything that the architecture is known for. */
SMALL Llm *small_llm_like(const char *architecture, bool tied, uint64_t seed)
{
	Error e = {0};
	Tokenizer *tokenizer = small_tokenizer();
	const LlmArchitecture *a = llm_architecture(architecture);
	bool gemma = strncmp(architecture, "gemma", 5) == 0, plain = strncmp(architecture, "gpt", 3) == 0;
	LlmShape shape = {
	    .architecture = a,
	    .layer = {.C = 16,
	              .heads = 4,
	              .kv_heads = plain ? 4 : 2,
	              .D = 4,
	              .F = 24,
	              .eps = 1e-5f,
	              .centred = a->centred,
	              .plain = a->plain,
	              .gelu = a->gelu,
	              .qkv_bias = plain || strcmp(architecture, "qwen2") == 0,
	              .o_bias = plain,
	              .biases = plain,
	              .head_norm = strcmp(architecture, "qwen3") == 0 || strcmp(architecture, "gemma3") == 0,
	              .post_norm = gemma,
	              .cap = a->attention_cap > 0 ? 2 : 0},
	    .turned = plain ? 2 : 4,
	    .window = gemma ? 2 : 0,
	    .parallel = a->parallel,
	    .logit_cap = a->logit_cap > 0 ? 3 : 0,
	    .layers = 2,
	    .V = tokenizer_size(tokenizer),
	    .context = 48,
	    .rope_base = 10000,
	    .rope_scaling = 1,
	    .tied = tied};
	Llm *m = llm_new(&shape, tokenizer, seed, &e);
	sample_must(m != NULL, &e);
	return m;
}

SMALL Llm *small_llm(bool tied, uint64_t seed)
{
	return small_llm_like("llama", tied, seed);
}

SMALL Encoder *small_encoder_of(const EncoderShape *shape, const Dataset *data, uint64_t seed)
{
	Error e = {0};
	Encoder *m = encoder_new(shape, data, seed, &e);
	sample_must(m != NULL, &e);
	/* Embeddings as large as after some training: the norm behind them makes differences of tiny ones
	 * coarse. */
	for (size_t c = 0; c < m->columns; c++)
		for (size_t i = 0; i < m->tables[c]->count; i++)
			m->tables[c]->value[i] *= 16;
	return m;
}

SMALL Encoder *small_encoder(const Dataset *data, double dropout, uint64_t seed)
{
	return small_encoder_of(
	    &(EncoderShape){.dim = 8, .layers = 2, .heads = 2, .max_len = 6, .dropout = dropout}, data, seed);
}

/* Hidden states of a text alone, by the whole forward pass. */
SMALL Tensor *small_forward(Tape *t, const Llm *m, const int32_t *tokens, size_t N,
                            const Injection *injection)
{
	int32_t *positions = arena_new(&t->arena, N, sizeof *positions, &t->error);
	AttentionSegment *segment = arena_new(&t->arena, 1, sizeof *segment, &t->error);
	sample_must(positions != NULL && segment != NULL, &t->error);
	for (size_t i = 0; i < N; i++)
		positions[i] = (int32_t)i;
	*segment = (AttentionSegment){0, N, 0, N, true};
	Sequence s = {.positions = positions, .segments = segment, .segment_count = 1};
	Tensor *h = llm_forward(t, m, tokens, N, &s, injection);
	sample_must(h != NULL, &t->error);
	return h;
}

/* log P(tokens[from …]) after those before. */
SMALL double small_worth(const Llm *m, const int32_t *tokens, size_t N, size_t from,
                         const Injection *injection)
{
	Tape t = {0};
	double sum = 0;
	const Tensor *y = llm_log_probabilities(&t, m, small_forward(&t, m, tokens, N, injection));
	sample_must(y != NULL, &t.error);
	for (size_t i = from; i < N; i++)
		sum += (double)y->value[(i - 1) * m->shape.V + (size_t)tokens[i]];
	tape_free(&t);
	return sum;
}

/* A sum of all weights' bits, to see whether any changed. */
SMALL uint64_t small_hash(const Parameters *set)
{
	uint64_t hash = 1;
	for (size_t i = 0; i < set->count; i++)
		for (size_t k = 0; k < set->items[i]->count; k++) {
			uint32_t bits;
			memcpy(&bits, &set->items[i]->value[k], sizeof bits);
			hash = random_bits(hash, bits);
		}
	return hash;
}

/* A path of a file that is not there yet. */
SMALL void small_path(char path[static 64])
{
	snprintf(path, 64, "/tmp/ul-test.XXXXXX");
	int file = mkstemp(path);
	if (file < 0 || close(file) != 0)
		abort();
}

#define SMALL_PROVENANCE (&(Provenance){"test", "0", "", 1, NULL, NULL, 0})

#endif
