/* Ranking of what may be said: a search over a trie, the likeliest first (best-first beam search: Meister,
 * Vieira and Cotterell 2020). */
#ifndef LLM_RANK_H
#define LLM_RANK_H

#include "llm/decode.h"
#include "llm/trie.h"

/* Of all prefixes that are known, the one that is worth most is read next, until none is worth more than the
 * K-th best whole sequence; but of each length `beam` at most.  It finds what going on with the best `beam`
 * of one length after the other would find, and, where no length has more that need reading, what scoring all
 * would.  beam 0: all prefixes are read, and every sequence gets its score. */
typedef struct {
	const Trie *trie;
	size_t beam, K;
} TrieSearch;

/* What the trie's sequences are worth behind a prompt: the log-probability of all their tokens.  Sequences
 * whose value v has left_out[v] set are passed over. */
typedef struct {
	const int32_t *prompt;
	size_t prompt_count;
	const uint8_t *left_out; /* by value; NULL: none */
	int32_t *values;         /* [K], with a beam: the best, best first */
	float *scores; /* [K], theirs; without a beam by value, of those that were not passed over */
	size_t found;  /* with a beam: how many */
} TrieQuestion;

/* Answers questions together, each as if it were alone, but for rounding; those of a decoder with a placing
 * are its sequences. */
bool decoder_rank(Decoder *d, const TrieSearch *search, TrieQuestion *questions, size_t count, Error *e);

#endif
