/* Texts as a language model reads them: tokens, cut to what it reads at once. */
#ifndef LLM_PIECES_H
#define LLM_PIECES_H

#include "math/attention.h"
#include "text/tokenizer.h"

typedef struct {
	Tokens tokens;
	size_t *
	    offsets; /* piece i is tokens [offsets[i], offsets[i + 1]): its rows, and a last one to predict */
	size_t count, capacity;
} Pieces;

/* Appends BOS, the text and with `end` EOS, where the tokenizer has these, in pieces of `most` rows.  What
 * the last row of a piece predicts is the first row of the next, so that each token but the first of all is
 * predicted once.  Where nothing is predicted there is no piece. */
bool pieces_add(Pieces *p, const Tokenizer *t, Text text, size_t most, bool end, Error *e);
size_t piece_rows(const Pieces *p, size_t i);
void pieces_free(Pieces *p);

/* Some pieces end to end, as llm_forward() takes them: row i of N is to predict next[i]. */
typedef struct {
	size_t N, count;
	int32_t *tokens, *next, *positions;
	AttentionSegment *segments; /* by piece */
} PieceBatch;

/* Pieces order[first … first + count), or with order NULL those of these numbers; in the arena. */
bool pieces_pack(const Pieces *p, const uint32_t *order, size_t first, size_t count, Arena *arena,
                 PieceBatch *b, Error *e);

#endif
