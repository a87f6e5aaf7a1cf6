/* Decoding with a cache of keys and values, that sequences which begin alike share. */
#ifndef LLM_DECODE_H
#define LLM_DECODE_H

#include "llm/model.h"

/* Called before each pass: its rows [start[i], start[i + 1]) belong to sequence i, for i < count.  For an
 * injection that tells sequences apart. */
typedef struct {
	void *context;
	bool (*place)(void *context, const size_t *start, size_t count, Arena *arena, Error *e);
} Placing;

/* The state of sequences that are continued together; used by one thread, which the tape's pool may help. */
typedef struct {
	const Llm *llm;
	const Injection *injection; /* NULL: the LLM alone */
	const Placing *placing;     /* NULL: all rows are the same user's */
	KeyValueCache cache;
	Tape tape;   /* of the current call */
	size_t rows; /* of the cache that are taken; who needs the last of them no more may lower it */
} Decoder;

/* Whether a prompt of N tokens is one that can be continued: not empty, nor longer than the context; else
 * ERROR_USAGE. */
bool decoder_takes(const Llm *llm, size_t N, Error *e);

/* pool NULL: on the calling thread alone. */
bool decoder_new(Decoder *d, const Llm *llm, Pool *pool, Error *e);
void decoder_free(Decoder *d);

/* Empties the cache and reads tokens [0, N), N ≥ 1, into rows 0 … N - 1, at positions of the same numbers.
 * Returns the last one's hidden state [1, C], which lives until the next call; NULL on error. */
Tensor *decoder_begin(Decoder *d, const int32_t *tokens, size_t N, Error *e);

/* A prompt of several, and which rows of the cache its tokens go to. */
typedef struct {
	const int32_t *tokens;
	size_t count;
	int32_t *path; /* [count] */
} PromptTokens;

/* Is told the hidden states [end - first, C] behind the last tokens of the prompts [first, end); they live
 * until it returns. */
typedef struct {
	void *context;
	bool (*take)(void *context, size_t first, size_t end, Tensor *h, Error *e);
} PromptReader;

/* Empties the cache and reads all prompts: what they begin with alike is read once, where there is no
 * injection that could tell them apart. */
bool decoder_read(Decoder *d, const PromptTokens *prompts, size_t count, const PromptReader *reader,
                  Error *e);

/* A token of a sequence: at position `position` of it, it goes to the next free row of the cache and sees the
 * rows seen[0 … position], of which the last must be that row (decoder.rows + its number in the batch). */
typedef struct {
	int32_t token, position;
	size_t sequence; /* in rising order; for the placing */
	const int32_t *seen;
} NextToken;

/* A batch of tokens of `sequences` sequences, of one sequence several if they follow one another.  Returns
 * their hidden states [N, C], which live until the next call; NULL on error. */
Tensor *decoder_step(Decoder *d, const NextToken *next, size_t N, size_t sequences, Error *e);

/* Log-probabilities of what follows hidden states [N, C]: [N, V], until the next call of decoder_begin() or
 * decoder_step(). */
Tensor *decoder_log_probabilities(Decoder *d, Tensor *h, Error *e);

#endif
