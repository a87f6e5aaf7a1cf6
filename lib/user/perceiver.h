/* The Perceiver (Jaegle et al. 2021; User-LLM, section 3.2): K rows X of a user's rows E, however many those
 * are.  K learned latents, added to E's last row, attend to all rows of E with rotary positions, so that a
 * latent knows how long ago a row was; a feed-forward layer follows each layer of attention.  K = 0: there is
 * none, and X is E. */
#ifndef USER_PERCEIVER_H
#define USER_PERCEIVER_H

#include "nn/layers.h"

typedef struct {
	size_t dim, heads; /* of E's rows, and of attention to them */
	size_t positions;  /* rows of a user, at most */
	size_t latents, layers;
} PerceiverShape;

typedef struct {
	PerceiverShape shape;
	Parameter *latents;        /* NULL: there are none */
	AttentionLayer *attention; /* by layer */
	FeedForward *feed;
	Rotary
	    rotary; /* of E's rows, for heads of dim / heads; of an odd width all but the last number turn */
} Perceiver;

/* Adds "perceiver.latents", "perceiver.0.attn.q", … to the set. */
bool perceiver_new(Perceiver *p, const PerceiverShape *shape, Parameters *set, uint64_t seed, Error *e);
void perceiver_free(Perceiver *p);

/* Users in the middle of their histories: for target i, the first `known[i]` rows of the history that
 * begins at row `first[i]` of E. */
typedef struct {
	size_t count;
	const size_t *first, *known;
	int32_t *positions; /* of E's rows in their histories */
} UserTargets;

/* X [count·K, d], the rows of target i from i·K on; or E itself. */
Tensor *perceiver_forward(const Perceiver *p, Tape *t, Tensor *e, const UserTargets *targets);

#endif
