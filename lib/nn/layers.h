/* Layers made of operations: attention and feed-forward with the norm before them, as
 * the user encoder, the LLM, the Perceiver and the cross-attention share them. */
#ifndef NN_LAYERS_H
#define NN_LAYERS_H

#include "nn/ops.h"

typedef struct {
	size_t C;                  /* width of what asks (the residual stream) */
	size_t memory;             /* width of what is asked; C for self-attention */
	size_t heads, kv_heads, D; /* D: width of a head */
	size_t F;                  /* hidden width of the feed-forward layer */
	float eps;                 /* of the norms */
	bool centred;              /* LayerNorm with a bias instead of RMSNorm */
	bool post_norm;            /* what a layer adds is normed, too (Gemma 2) */
	/* Of self-attention: */
	bool pointwise;           /* HSTU's unit instead */
	size_t distances, origin; /* of a learned bias by position; distances 0: none */
	bool time_bias;           /* … and by time */
	bool qkv_bias, o_bias;    /* added to what the matrices give */
	bool head_norm;           /* RMSNorm of each head of q and k (Qwen 3, Gemma 3) */
	float scale, cap;         /* of scores; scale 0: 1/√D, cap 0: none (math/attention.h) */
	size_t window;            /* rows that a row sees, itself among them; 0: all before it */
	/* Of the feed-forward layer: */
	bool plain;  /* without a gate */
	bool gelu;   /* of the gate, instead of silu; a plain layer always has it */
	bool biases; /* added to what the matrices give */
} LayerShape;

/* post_norm( o( softmax(q(norm(x)) k(m)ᵀ · scale + bias) v(m) ) ), m = norm(x), or a memory.  The pointwise
 * one is HSTU's whole unit (Zhai et al. 2024, section 3.2), of x alone: o( out_norm(silu(q kᵀ + bias) v /
 * keys) · silu(gate) ), with q, k, v = silu of q(norm(x)) … and gate = gate(norm(x)). */
typedef struct {
	Parameter *norm, *q, *k, *v, *o;
	/* Where the shape asks for them, else NULL: */
	Parameter *norm_bias, *q_bias, *k_bias, *v_bias, *o_bias, *q_norm, *k_norm, *post_norm;
	Parameter *gate, *out_norm;           /* pointwise */
	Parameter *position_bias, *time_bias; /* [heads, distances], [heads, ATTENTION_TIMES] */
	LayerShape shape;
} AttentionLayer;

/* SwiGLU: down( silu(gate(norm(x))) · up(norm(x)) ), or with gelu; without a gate (NULL):
 * down( gelu(up(norm(x))) ) */
typedef struct {
	Parameter *norm, *gate, *up, *down;
	Parameter *norm_bias, *gate_bias, *up_bias, *down_bias, *post_norm; /* as above */
	LayerShape shape;
} FeedForward;

/* Parameters PREFIX.norm, .q, .k, .v, .o, and PREFIX.norm, .gate (unless plain), .up, .down; normal with
 * deviation 1/√in, the last matrix of each times `out_scale` (1/√(2·layers) keeps a deep residual stream
 * level).  As the shape asks, what the structs above name: norms begin as ones, biases as zeros. */
bool attention_layer_new(AttentionLayer *a, Parameters *set, const char *prefix, const LayerShape *shape,
                         double out_scale, uint64_t seed, Error *e);
bool feed_forward_new(FeedForward *f, Parameters *set, const char *prefix, const LayerShape *shape,
                      double out_scale, uint64_t seed, Error *e);

/* Keys and values of rows that were computed before, for decoding: a pool of rows for each
 * layer, and for each row of a batch the rows that it sees.  Sequences that share a beginning share its rows.
 */
typedef struct {
	size_t layers, capacity, width; /* width: kv_heads · D */
	float **k, **v;                 /* by layer: [capacity, width] */
} KeyValueCache;

bool cache_new(KeyValueCache *c, size_t layers, size_t width, Error *e);
bool cache_reserve(KeyValueCache *c, size_t rows, Error *e);
void cache_free(KeyValueCache *c);

/* Where the rows of a batch stand. */
typedef struct {
	const int32_t *positions; /* [N]; NULL: no rotary positions */
	const Rotary *rotary;
	const AttentionSegment *segments;
	size_t segment_count;
	/* For a bias by time: of rows that ask, and of those that are asked (of the cache, where there is
	 * one). */
	const int64_t *query_times, *key_times;
	/* With a cache, row i is stored in its row slots[i]; the segments' keys are rows of the cache … */
	KeyValueCache *cache;
	const int32_t *slots;
	/* … or, instead of segments, row i sees rows seen[i][0 … seen_count[i]), its own among them. */
	const int32_t *const *seen;
	const size_t *seen_count;
} Sequence;

/* Keys and values of a memory, to be attended to. */
typedef struct {
	Tensor *k, *v;
} KeyValues;

/* With positions (and rotary) NULL where order does not matter; with them, a question from position p meets
 * the row of position r at the distance p - r. */
KeyValues attention_layer_memory(Tape *t, const AttentionLayer *a, Tensor *memory, const Rotary *rotary,
                                 const int32_t *positions);

/* What the layer adds to x: self-attention of `layer` (its place in the cache) … */
Tensor *attention_layer_self(Tape *t, const AttentionLayer *a, Tensor *x, const Sequence *s, size_t layer);
/* … and attention to a memory; of the sequence: segments, and rotary positions of x. */
Tensor *attention_layer_cross(Tape *t, const AttentionLayer *a, Tensor *x, KeyValues memory,
                              const Sequence *s);
Tensor *feed_forward(Tape *t, const FeedForward *f, Tensor *x);

#endif
