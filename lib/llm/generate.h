/* Continuing texts: many at once by sampling, or one by beams. */
#ifndef LLM_GENERATE_H
#define LLM_GENERATE_H

#include "llm/decode.h"
#include "llm/sample.h"

/* Why a continuation ended: with all the tokens that it may have, with an end token or where the sink stopped
 * it, or because there is no room for more. */
typedef enum { FINISH_LENGTH, FINISH_STOP, FINISH_CONTEXT } Finish;

/* A prompt and what follows it. */
typedef struct {
	const int32_t *prompt;
	size_t prompt_count;
	uint64_t seed;
	Tokens out;    /* what was added, without an end token; the caller's to free */
	Finish finish; /* set by decoder_generate() */
} Continuation;

/* Takes each token as it comes; sets *stop where the continuation has said enough. */
typedef struct {
	void *context;
	bool (*take)(void *context, size_t continuation, int32_t token, bool *stop, Error *e);
} TokenSink;

typedef struct {
	Sampling sampling;
	size_t beams;          /* above 1: the likeliest of so many, and no sampling */
	size_t most;           /* tokens that are added at most */
	const TokenSink *sink; /* NULL: nobody looks before the end */
} Generation;

/* Continues all of them together until each has ended, has `most` tokens, or its context is full.  Where no
 * injection tells them apart, the beginning that all prompts share is read once.  With beams there is one.
 * An empty prompt is ERROR_USAGE. */
bool decoder_generate(Decoder *d, const Generation *g, Continuation *c, size_t count, Error *e);

#endif
