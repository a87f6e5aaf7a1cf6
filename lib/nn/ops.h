/* The operations that models are made of: each is a pair, forward and backward, in one
 * place, checked against central differences. */
#ifndef NN_OPS_H
#define NN_OPS_H

#include "math/attention.h"
#include "math/loss.h"
#include "math/sampled_loss.h"
#include "math/vector.h"
#include "nn/tape.h"

/* y = x Wᵀ: x [N, in], W [out, in]; and W's low-rank update, where it has one.  Of a W that is stored nothing
 * flows back to x: an error. */
Tensor *tape_linear(Tape *t, Tensor *x, Parameter *w);
/* y[i] = mean of W's rows in list i: ids by offsets [N + 1]; zeros for an empty list; written into
 * columns [column, column + C) of a tensor `into` of N rows, so that features lie side by side.  Of a stored
 * W each list has one id. */
Tensor *tape_embedding(Tape *t, Tensor *into, size_t column, Parameter *w, const int64_t *offsets,
                       const int32_t *ids);
/* x [N, C]: y ← x + b, b [C], in place (the tensor is the same one); b NULL: nothing to add. */
Tensor *tape_bias(Tape *t, Tensor *x, Parameter *b);
/* Row by row, or where g is narrower than a row, head by head of g's width. */
Tensor *tape_rmsnorm(Tape *t, Tensor *x, Parameter *g, float eps);
Tensor *tape_layernorm(Tape *t, Tensor *x, Parameter *g, Parameter *b, float eps);
/* length · x / |x|, row by row (cosine logits) */
Tensor *tape_normalize(Tape *t, Tensor *x, float length);
Tensor *tape_swiglu(Tape *t, Tensor *gate, Tensor *up);
Tensor *tape_geglu(Tape *t, Tensor *gate, Tensor *up);
/* scale · x */
Tensor *tape_scale(Tape *t, Tensor *x, float scale);
/* Element by element (math/vector.h). */
Tensor *tape_silu(Tape *t, Tensor *x);
Tensor *tape_gelu(Tape *t, Tensor *x);
/* x + dropout(z, rate) */
Tensor *tape_residual(Tape *t, Tensor *x, Tensor *z, float rate);
Tensor *tape_dropout(Tape *t, Tensor *x, float rate);
/* x + tanh(alpha) · z, alpha a parameter of one number; for alpha = 0 the result is x, bit for bit */
Tensor *tape_gated_residual(Tape *t, Tensor *x, Tensor *z, Parameter *alpha);
/* The rows of a parameter [K, C], `times` times over: [times·K, C] (the latents of a Perceiver). */
Tensor *tape_tile(Tape *t, Parameter *b, size_t times);

/* Which numbers of a head are turned, and how fast; see rotary_apply() in math/vector.h. */
typedef struct {
	size_t D, turned;
	bool halves;
	double base, scaling;
	const float *divisors; /* [turned/2]; NULL: all 1 */
} RotaryShape;

/* Tables of cosines and sines for rotary positions. */
typedef struct {
	size_t D, positions;
	RotaryTables tables;  /* of what follows */
	float *cosine, *sine; /* [positions, turned/2] */
} Rotary;
/* angle(position, i) = position / scaling · base^(-2i/turned) / divisors[i], in double. */
bool rotary_new(Rotary *r, const RotaryShape *shape, size_t positions, Error *e);
void rotary_free(Rotary *r);

/* Turns each head of x in place (the tensor is the same one). */
Tensor *tape_rotary(Tape *t, Tensor *x, const Rotary *rotary, const int32_t *positions);

/* How attention differs from softmax(Q Kᵀ / √D) V; math/attention.h has the parts. */
typedef struct {
	AttentionKind kind; /* the pointwise one does not divide by √D (HSTU) */
	float scale, cap;   /* scale 0: 1/√D; cap 0: none */
	size_t window;      /* 0: none */
	Parameter *position, *time;
	size_t origin;
	const int64_t *query_times, *key_times;
} AttentionTerms;

/* Over segments, which must live as long as the tape's round; terms NULL: that alone. */
Tensor *tape_attention(Tape *t, Tensor *q, Tensor *k, Tensor *v, size_t heads, size_t kv_heads,
                       const AttentionSegment *segments, size_t count, const AttentionTerms *terms);

/* x[to[i]] ← x[to[i]] + z[from[i]] for i < count, in place (the tensor is the same one); no row of x comes
 * twice. */
Tensor *tape_add_rows(Tape *t, Tensor *x, const int32_t *to, Tensor *z, const int32_t *from, size_t count);
/* Rows of x by index (an index may come again). */
Tensor *tape_rows(Tape *t, Tensor *x, const int32_t *rows, size_t count);

/* Loss of logits = h Wᵀ, of W from its first row that multiplies, with a cap (math/loss.h) or 0; adds
 * gradients of weight · loss at once, to h's and W's. */
bool tape_cross_entropy(Tape *t, Tensor *h, Parameter *w, float cap, LossTargets targets, float weight,
                        double *loss, size_t *rows);

/* The same of logits = h yᵀ, of a tensor y [V, C]. */
bool tape_cross_entropy_of(Tape *t, Tensor *h, Tensor *y, LossTargets targets, float weight, double *loss,
                           size_t *rows);

/* Loss of h [N, C] against candidates y, whose numbers in `positive` [N] are each row's own
 * (math/sampled_loss.h); adds gradients of weight · loss at once. */
bool tape_sampled_loss(Tape *t, Tensor *h, Tensor *y, const SampledTerms *terms, const int32_t *positive,
                       float weight, double *loss, size_t *rows);

#endif
