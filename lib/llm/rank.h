/* Ranking of what may be said: a search by beams over a trie. */
#ifndef LLM_RANK_H
#define LLM_RANK_H

#include "llm/decode.h"
#include "llm/trie.h"

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

#endif
