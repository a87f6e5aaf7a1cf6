/* The operations that models are made of: each is a pair, forward and backward, in one
 * place, checked against central differences. */
#ifndef NN_OPS_H
#define NN_OPS_H

#include "math/attention.h"
#include "math/loss.h"
#include "math/sampled_loss.h"
#include "nn/tape.h"

/* y = x Wᵀ: x [N, in], W [out, in] */
Tensor *tape_linear(Tape *t, Tensor *x, Parameter *w);
/* y[i] = mean of W's rows in list i: ids by offsets [N + 1]; zeros for an empty list; written into
 * columns [column, column + C) of a tensor `into` of N rows, so that features lie side by side. */
Tensor *tape_embedding(Tape *t, Tensor *into, size_t column, Parameter *w, const int64_t *offsets,
                       const int32_t *ids);
Tensor *tape_rmsnorm(Tape *t, Tensor *x, Parameter *g, float eps);
/* length · x / |x|, row by row (cosine logits) */
Tensor *tape_normalize(Tape *t, Tensor *x, float length);
Tensor *tape_swiglu(Tape *t, Tensor *gate, Tensor *up);
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

/* Tables of cosines and sines for rotary positions. */
typedef struct {
	size_t D, positions;
	float *cosine, *sine; /* [positions, D/2] */
} Rotary;
/* angle(position, i) = position / scaling · base^(-2i/D) / divisors[i], in double; divisors NULL: all 1. */
bool rotary_new(Rotary *r, size_t D, size_t positions, double base, double scaling, const float *divisors,
                Error *e);
void rotary_free(Rotary *r);

/* Turns each head of x in place (the tensor is the same one). */
Tensor *tape_rotary(Tape *t, Tensor *x, const Rotary *rotary, const int32_t *positions);

/* How attention differs from softmax(Q Kᵀ / √D) V; math/attention.h has the parts. */
typedef struct {
	AttentionKind kind; /* the pointwise one does not divide by √D (HSTU) */
	Parameter *position, *time;
	size_t origin;
	const int64_t *query_times, *key_times;
} AttentionTerms;

/* Over segments, which must live as long as the tape's round; terms NULL: that alone. */
Tensor *tape_attention(Tape *t, Tensor *q, Tensor *k, Tensor *v, size_t heads, size_t kv_heads,
                       const AttentionSegment *segments, size_t count, const AttentionTerms *terms);

/* Rows of x by index (an index may come again). */
Tensor *tape_rows(Tape *t, Tensor *x, const int32_t *rows, size_t count);

/* Loss of logits = h Wᵀ, of W from its first row that multiplies; adds gradients of weight · loss at once,
 * to h's and W's. */
bool tape_cross_entropy(Tape *t, Tensor *h, Parameter *w, LossTargets targets, float weight, double *loss,
                        size_t *rows);

/* The same of logits = h yᵀ, of a tensor y [V, C]. */
bool tape_cross_entropy_of(Tape *t, Tensor *h, Tensor *y, LossTargets targets, float weight, double *loss,
                           size_t *rows);

/* Loss of h [N, C] against candidates y, whose numbers in `positive` [N] are each row's own
 * (math/sampled_loss.h); adds gradients of weight · loss at once. */
bool tape_sampled_loss(Tape *t, Tensor *h, Tensor *y, const SampledTerms *terms, const int32_t *positive,
                       float weight, double *loss, size_t *rows);

#endif
