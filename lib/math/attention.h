/* Scaled dot-product attention over packed segments, without the T×T matrix.
 *
 * For each segment and head: O = softmax(scale · Q Kᵀ + mask) V.  Row t of a causal
 * segment with Tq queries and Tk keys sees the keys up to t + Tk - Tq.  Query head
 * h reads key/value head h / (heads / kv_heads) (grouped-query attention, Ainslie et
 * al. 2023).  Probabilities live for a tile of queries only, and are computed
 * again on the way back from the log-sum-exp of each row (Dao et al. 2022). */
#ifndef MATH_ATTENTION_H
#define MATH_ATTENTION_H

#include "math/gemm.h"

typedef struct {
	size_t query, queries; /* first row and number of rows of Q, O */
	size_t key, keys;      /* the same of K, V */
	bool causal;
} AttentionSegment;

typedef struct {
	GemmPrecision precision;
	size_t heads, kv_heads, D; /* D: width of a head */
	float scale;
	const AttentionSegment *segments;
	size_t segment_count;
	/* Q, O: [Nq, heads·D]; K, V: [Nk, kv_heads·D]; lse: [Nq, heads] */
	const float *q, *k, *v;
	float *o, *lse;
} Attention;

/* Writes o and lse.  A query with no key to see gets 0.  Scratch comes from the arena and goes
 * back to it. */
bool attention_forward(const Attention *a, Arena *scratch, Error *e);

/* Adds to dq, dk, dv (the same shapes as q, k, v); each may be NULL. */
bool attention_backward(const Attention *a, const float *dout, float *dq, float *dk, float *dv,
                        Arena *scratch, Error *e);

#endif
