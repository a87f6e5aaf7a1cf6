/* Scaled dot-product attention over packed segments, without the T×T matrix.
 *
 * For each segment and head: O = softmax(scale · Q Kᵀ + bias + mask) V.  Row t of a causal
 * segment with Tq queries and Tk keys sees the keys up to t + Tk - Tq, with a window (of causal segments
 * alone: Mistral, Gemma) the last `window` of these.  With a cap a score s, bias and all, becomes cap ·
 * tanh(s / cap) (Gemma 2).  Query head h reads key/value head h / (heads / kv_heads) (grouped-query
 * attention, Ainslie et al. 2023).  Probabilities live for a tile of queries only, and are computed again on
 * the way back from the log-sum-exp of each row (Dao et al. 2022).
 *
 * The pointwise kind (HSTU, Zhai et al. 2024, section 3.2) has silu(…) / (keys that the row sees) in the
 * place of the softmax: how much there is of something is not lost. */
#ifndef MATH_ATTENTION_H
#define MATH_ATTENTION_H

#include "math/gemm.h"

typedef struct {
	size_t query, queries; /* first row and number of rows of Q, O */
	size_t key, keys;      /* the same of K, V */
	bool causal;
} AttentionSegment;

typedef enum { ATTENTION_SOFTMAX, ATTENTION_SILU } AttentionKind;

enum { ATTENTION_TIMES = 128 }; /* buckets, see time_buckets() */

/* What is added to the scores of each head, either part or both: position[i], where i is the query's place
 * minus the key's, plus `origin`, or the nearest that there is (the query of row t has place t + Tk - Tq,
 * which must not be negative); and time[bucket of the seconds between them] (Raffel et al. 2020, section 2.1;
 * HSTU, section 3.1). */
typedef struct {
	size_t distances, origin;
	const float *position;                  /* [heads, distances] */
	const float *time;                      /* [heads, ATTENTION_TIMES] */
	const int64_t *query_times, *key_times; /* by rows of Q and of K; for `time` */
} AttentionBias;

typedef struct {
	GemmPrecision precision;
	AttentionKind kind;
	size_t heads, kv_heads, D; /* D: width of a head */
	float scale;
	float cap;     /* 0: none */
	size_t window; /* 0: none */
	AttentionBias bias;
	const AttentionSegment *segments;
	size_t segment_count;
	/* Q, O: [Nq, heads·D]; K, V: [Nk, kv_heads·D]; lse: [Nq, heads], of the softmax alone */
	const float *q, *k, *v;
	float *o, *lse;
} Attention;

/* Writes o and lse.  A query with no key to see gets 0.  Scratch comes from the arena and goes
 * back to it. */
bool attention_forward(const Attention *a, Arena *scratch, Error *e);

/* Of each head, how many queries and keys are multiplied with each other: those that see each other, and some
 * beside them, as queries are worked on in tiles. */
size_t attention_pairs(const Attention *a);

/* The same by heads [first, first + count), each in any order and from any thread that has a room of its own
 * (in the arena until that is rewound). */
typedef struct {
	float *p, *dp, *spare;
	uint8_t *buckets;
} AttentionRoom;
bool attention_room(const Attention *a, AttentionRoom *room, Arena *scratch, Error *e);
void attention_forward_heads(const Attention *a, size_t first, size_t count, const AttentionRoom *room);

/* Gradients, of the shapes of what they are of, to be added to; each may be NULL. */
typedef struct {
	float *q, *k, *v, *position, *time;
} AttentionGradients;
bool attention_backward(const Attention *a, const float *dout, const AttentionGradients *d, Arena *scratch,
                        Error *e);

#endif
