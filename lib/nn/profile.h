/* What a run costs, phase by phase: tokens, FLOPs, bytes of cache, seconds.
 *
 * FLOPs are those of products, counted from the shapes that are multiplied, a multiply-add as two; what is
 * done element by element is left out.  A profile is written by one thread.  Work that several share has a
 * profile for each lane, to be gathered at the end, so that nothing is locked.  A profile of NULL counts
 * nothing. */
#ifndef NN_PROFILE_H
#define NN_PROFILE_H

#include <stddef.h>
#include <stdint.h>

/* Those of an answer, and those of a step of training, which has the first two as well. */
typedef enum {
	PHASE_NONE, /* all else */
	PHASE_ENCODER,
	PHASE_ADAPTER,
	PHASE_PROMPT,
	PHASE_ANSWER,
	PHASE_RANK,
	PHASE_EVALUATION,
	PHASE_LLM,
	PHASE_BACKWARD,
	PHASE_OPTIMIZER,
	PHASES
} Phase;

/* "encoder", … */
const char *phase_name(Phase phase);

typedef struct {
	uint64_t tokens, flops;
	size_t cache; /* bytes of keys and values, the most that one lane held */
	double seconds;
} PhaseCost;

/* Zeroed, it is ready. */
typedef struct {
	PhaseCost phases[PHASES];
	Phase phase;  /* under way */
	double since; /* when that was entered; 0: none was */
} Profile;

/* The phase under way ends, and another begins, of so many tokens. */
void profile_enter(Profile *p, Phase phase, size_t tokens);
/* A product of m×k and k×n numbers, in the phase under way … */
void profile_product(Profile *p, size_t m, size_t n, size_t k);
/* … or in another. */
void profile_product_of(Profile *p, Phase phase, size_t m, size_t n, size_t k);
/* So many bytes of keys and values are held. */
void profile_cache(Profile *p, size_t bytes);

/* Adds parts to the whole and empties them: lanes that have run, some side by side, since the whole entered
 * its phase.  That is PHASE_NONE: their phases share the time by the clock as they took time themselves.  Or
 * it is another: then all they did is of that, and its tokens are those that their LLM read. */
void profile_gather(Profile *whole, Profile *parts, size_t count);

#endif
