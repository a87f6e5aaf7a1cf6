/* A decoder-only LLM: token embeddings, blocks of attention and feed-forward layers with norms before them,
 * a norm, and logits.  Llama (Touvron et al. 2023) is the plain case; llm/architecture.h has what others do
 * differently. */
#ifndef LLM_MODEL_H
#define LLM_MODEL_H

#include "llm/architecture.h"
#include "llm/gguf.h"
#include "nn/layers.h"
#include "stream/output.h"
#include "text/tokenizer.h"

typedef struct {
	const LlmArchitecture *architecture;
	LayerShape layer; /* of every block; memory and the window are set by llm_new() */
	size_t layers, V;
	size_t context;                 /* positions */
	size_t turned;                  /* numbers of a head that rotary positions turn */
	double rope_base, rope_scaling; /* position / rope_scaling */
	size_t window;                  /* of the layers that have one; 0: none has */
	bool parallel;                  /* x + attention(x) + feed(x), not one after the other */
	float logit_cap;                /* logits become cap · tanh(logit / cap); 0: they stay */
	bool tied;                      /* logits by the embedding table */
} LlmShape;

typedef struct {
	LlmShape shape;
	Parameters parameters; /* "llm.embed", "llm.blk.0.attn.q", …, "llm.norm", "llm.output" */
	Parameter *embedding, *norm, *output; /* output is the embedding where they are tied */
	Parameter *positions, *norm_bias;     /* NULL: there are none */
	AttentionLayer *attention;            /* by layer */
	FeedForward *feed;
	Rotary rotary, window_rotary; /* the second of layers with a window */
	size_t most_positions;        /* of a text: the context, or LLM_POSITIONS where that is less */
	size_t positions_end; /* of what llm_forward() computes: rotary positions go beyond the context */
	Tokenizer *tokenizer;
	uint64_t hash; /* of the file it came from */
	Gguf *file;    /* that stored matrices lie in; NULL: there are none */
} Llm;

/* What most_positions is, in words: "the LLM's context", or "the most that is read here". */
const char *llm_limit(const Llm *m);

/* Random weights; takes over the tokenizer, on error too. */
Llm *llm_new(const LlmShape *shape, Tokenizer *tokenizer, uint64_t seed, Error *e);
/* The same with the weights of a source; divisors [turned/2] of the frequencies of rotary positions may be
 * NULL: all 1. */
Llm *llm_from(const LlmShape *shape, Tokenizer *tokenizer, const ParameterSource *source,
              const float *divisors, Error *e);
void llm_free(Llm *m);

/* A GGUF file or a Hugging Face folder.  LLM_EXPANDED: weights become F32, to be trained or trained through;
 * LLM_AS_STORED: matrices stay as the file has them, to be used alone.  What the file asks for and this code
 * does not do is refused by name. */
enum { LLM_POSITIONS = 8192 };
typedef enum { LLM_EXPANDED, LLM_AS_STORED } LlmWeights;
Llm *llm_load(const char *path, LlmWeights weights, Error *e);
/* The tokenizer alone, of a file that may be a vocabulary without a model. */
Tokenizer *llm_tokenizer(const char *path, Error *e);
/* As GGUF, F32. */
bool llm_save(const Llm *m, const char *name, const char *path, Error *e);
/* Whether writing the file replaces none of those that such a model is read from: the parts of a GGUF, or
 * what a folder has.  Any other file has no more than itself. */
bool llm_differs(const char *output, const char *path, Error *e);

/* A model that llm_load() takes, as GGUF with the numbers that it has, or as F32 with those of `tuned`, if
 * not NULL; path NULL: to standard output. ERROR_MALFORMED where GGUF has no name for what its tokenizer
 * does.
 */
bool llm_convert(const char *from, const Llm *tuned, const char *path, Error *e);

/* What comes in besides tokens. */
typedef struct {
	void *context;
	/* Called between the self-attention and the feed-forward layer of each block: returns x, or what is
	 * to take its place.  NULL: nothing is. */
	Tensor *(*inject)(void *context, Tape *t, size_t layer, Tensor *x);
	Tensor *soft; /* [rows, C]: token -1 - i stands for row i, and not for an embedding; may be NULL */
} Injection;

/* The normed last hidden states h [N, C] of N tokens; llm_logits() makes logits of them. */
Tensor *llm_forward(Tape *t, const Llm *m, const int32_t *tokens, size_t N, const Sequence *s,
                    const Injection *injection);

/* [N, V]: h · outputᵀ, through the cap where there is one; not for training (tape_cross_entropy() is). */
Tensor *llm_logits(Tape *t, const Llm *m, Tensor *h);
/* Fails with ERROR_MALFORMED: what it says are no numbers, and so its weights are damaged. */
bool llm_no_numbers(const Llm *m, Error *e);
/* Log-probabilities of all tokens after each of N hidden states: [N, V].  NULL: they are no numbers. */
Tensor *llm_log_probabilities(Tape *t, const Llm *m, Tensor *h);
/* nll[i] = -log P(next[i]) after row i of hidden states h [N, C]: some rows at a time, since a vocabulary is
 * large. */
bool llm_nll(Tape *t, const Llm *m, const Tensor *h, const int32_t *next, double *nll);

#endif
