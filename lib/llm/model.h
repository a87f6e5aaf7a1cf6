/* A decoder-only LLM of the Llama family (Touvron et al. 2023): token embeddings, blocks
 * of RMSNorm, rotary grouped-query attention and SwiGLU, a norm, and logits. */
#ifndef LLM_MODEL_H
#define LLM_MODEL_H

#include "nn/layers.h"
#include "stream/output.h"
#include "text/tokenizer.h"

typedef struct {
	size_t C, layers, heads, kv_heads, D, F, V;
	size_t context; /* positions */
	float eps;
	double rope_base, rope_scaling; /* position / rope_scaling */
	bool tied;                      /* logits by the embedding table */
} LlmShape;

typedef struct {
	LlmShape shape;
	Parameters parameters; /* "llm.embed", "llm.blk.0.attn.q", …, "llm.norm", "llm.output" */
	Parameter *embedding, *norm, *output; /* output is the embedding where they are tied */
	AttentionLayer *attention;            /* by layer */
	FeedForward *feed;
	Rotary rotary;
	Tokenizer *tokenizer;
	uint64_t hash; /* of the file it came from */
} Llm;

/* Random weights; takes over the tokenizer, on error too. */
Llm *llm_new(const LlmShape *shape, Tokenizer *tokenizer, uint64_t seed, Error *e);
/* The same with the weights of a source. */
Llm *llm_from(const LlmShape *shape, Tokenizer *tokenizer, const ParameterSource *source, Error *e);
void llm_free(Llm *m);

/* GGUF, architecture llama, weights of the types that gguf_expand() knows, expanded to F32.  What the file
 * asks for and this code does not do is refused by name.  At most LLM_POSITIONS positions are prepared. */
enum { LLM_POSITIONS = 8192 };
Llm *llm_load(const char *path, Error *e);
/* As GGUF, F32. */
bool llm_save(const Llm *m, const char *name, const char *path, Error *e);

/* Called between the self-attention and the feed-forward layer of each block: returns x, or what
 * is to take its place. */
typedef struct {
	void *context;
	Tensor *(*inject)(void *context, Tape *t, size_t layer, Tensor *x);
} Injection;

/* The normed last hidden states h [N, C] of N tokens; logits are h · output'. */
Tensor *llm_forward(Tape *t, const Llm *m, const int32_t *tokens, size_t N, const Sequence *s,
                    const Injection *injection);

/* Log-probabilities of all tokens after each of N hidden states: out [N, V].  False: they are no numbers. */
bool llm_log_probabilities(const Llm *m, const float *h, size_t N, float *out, Error *e);

#endif
