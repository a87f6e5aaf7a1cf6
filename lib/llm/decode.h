/* Decoding with a cache of keys and values: ranking by beams over a trie, and sampling. */
#ifndef LLM_DECODE_H
#define LLM_DECODE_H

#include "llm/model.h"
#include "llm/trie.h"

/* One conversation's state; a decoder is used by one thread. */
typedef struct {
	const Llm *llm;
	const Injection *injection; /* NULL: the LLM alone */
	KeyValueCache cache;
	Tape tape;   /* of the current call */
	size_t rows; /* of the cache that are taken */
} Decoder;

bool decoder_new(Decoder *d, const Llm *llm, Error *e);
void decoder_free(Decoder *d);

/* What the trie's sequences are worth after a prompt: the log-probability of all their tokens.  Breadth
 * first; of each depth the best `beam` prefixes go on (0: all, which is exact), and none that is already
 * worse than the K-th best whole sequence.  Sequences whose value v has left_out[v] set are passed over. The
 * best K go to values and scores, best first, *count of them. */
typedef struct {
	const Trie *trie;
	const int32_t *prompt;
	size_t prompt_count, beam, K;
	const uint8_t *left_out; /* by value; NULL: none */
} TrieSearch;
bool decoder_rank(Decoder *d, const TrieSearch *search, int32_t *values, float *scores, size_t *count,
                  Error *e);

/* Continues a prompt until EOS, `most` tokens or the context is full: *out gets the new tokens, without the
 * EOS. */
typedef struct {
	double temperature; /* 0: always the most likely token */
	size_t top_k;       /* 0: all */
	double top_p;       /* 1: all */
	size_t most;        /* tokens */
	uint64_t seed;
} Sampling;
bool decoder_sample(Decoder *d, const int32_t *prompt, size_t prompt_count, const Sampling *sampling,
                    Tokens *out, Error *e);

#endif
