/* The choice of a token. */
#ifndef LLM_SAMPLE_H
#define LLM_SAMPLE_H

#include "base/memory.h"
#include "base/random.h"

/* In this order: logits of tokens that were said are divided by the penalty (multiplied, below 0; Keskar et
 * al. 2019); all are divided by the temperature; the top_k likeliest stay, of these the fewest that together
 * have top_p (Holtzman et al. 2020), and of these those at least min_p times as likely as the likeliest. */
typedef struct {
	double temperature; /* 0: always the likeliest token */
	size_t top_k;       /* 0: all */
	double top_p;       /* 1: all */
	double min_p;       /* 0: all */
	double penalty;     /* 1: none */
} Sampling;

/* Zeroed at first, and used again and again. */
typedef struct {
	struct SampleCandidate *candidates;
	bool *punished; /* by token; all false between calls */
	size_t capacity, punished_capacity;
} Sampler;

/* From logits [V], finite numbers, which are used up; said [count] are the tokens so far.  Negative on error:
 * out of memory. */
int32_t sample_token(Sampler *sampler, const Sampling *s, float *logits, size_t V, const int32_t *said,
                     size_t count, Random *random, Error *e);
void sampler_free(Sampler *sampler);

#endif
