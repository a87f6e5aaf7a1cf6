#include "math/attention.h"

#include "math/vector.h"

#include <math.h>
#include <string.h>

enum { TILE = 64 }; /* queries that are worked on together */

/* A tile of queries of one head: the rows, and the keys that its last row sees. */
typedef struct {
	size_t rows, keys; /* in this tile */
	size_t first;      /* of the rows, in the segment */
	size_t row, key;   /* of the first of each, in Q and K */
	size_t head, kv_head;
	const AttentionSegment *segment;
} Tile;

static size_t keys_seen(const AttentionSegment *s, size_t query)
{
	if (!s->causal)
		return s->keys;
	size_t seen = query + 1 + s->keys;
	return seen > s->queries ? seen - s->queries : 0;
}

static Tile tile_at(const Attention *a, const AttentionSegment *s, size_t head, size_t first)
{
	size_t rows = s->queries - first < TILE ? s->queries - first : TILE;
	return (Tile){.rows = rows,
	              .keys = keys_seen(s, first + rows - 1),
	              .first = first,
	              .row = s->query + first,
	              .key = s->key,
	              .head = head,
	              .kv_head = head / (a->heads / a->kv_heads),
	              .segment = s};
}

/* P ← Q Kᵀ for the tile, unscaled. */
static void tile_scores(const Attention *a, const Tile *t, float *p)
{
	size_t width = a->heads * a->D, kv_width = a->kv_heads * a->D;
	gemm(a->precision, t->rows, t->keys, a->D,
	     (Operand){a->q + t->row * width + t->head * a->D, width, false},
	     (Operand){a->k + t->key * kv_width + t->kv_head * a->D, kv_width, true}, false, p, t->keys);
}

static void forward_tile(const Attention *a, const Tile *t, float *p)
{
	size_t width = a->heads * a->D, kv_width = a->kv_heads * a->D;
	tile_scores(a, t, p);
	for (size_t r = 0; r < t->rows; r++) {
		float *row = p + r * t->keys;
		size_t seen = keys_seen(t->segment, t->first + r);
		float maximum = seen ? a->scale * vector_maximum(row, seen) : 0;
		float sum = vector_exp(row, a->scale, maximum, seen);
		vector_scale(row, sum > 0 ? 1 / sum : 0, seen);
		memset(row + seen, 0, (t->keys - seen) * sizeof *row);
		a->lse[(t->row + r) * a->heads + t->head] = sum > 0 ? maximum + logf(sum) : 0;
	}
	gemm(a->precision, t->rows, a->D, t->keys, (Operand){p, t->keys, false},
	     (Operand){a->v + t->key * kv_width + t->kv_head * a->D, kv_width, false}, false,
	     a->o + t->row * width + t->head * a->D, width);
}

/* P and dP of the tile become dS = scale · P ∘ (dP - rowsum(dO ∘ O)). */
static void backward_scores(const Attention *a, const Tile *t, const float *dout, const float *p, float *dp)
{
	size_t width = a->heads * a->D;
	for (size_t r = 0; r < t->rows; r++) {
		size_t at = (t->row + r) * width + t->head * a->D;
		float along = vector_dot(dout + at, a->o + at, a->D);
		const float *row = p + r * t->keys;
		float *drow = dp + r * t->keys;
		for (size_t j = 0; j < t->keys; j++)
			drow[j] = a->scale * row[j] * (drow[j] - along);
	}
}

static void backward_tile(const Attention *a, const Tile *t, const float *dout, float *dq, float *dk,
                          float *dv, float *p, float *dp)
{
	size_t width = a->heads * a->D, kv_width = a->kv_heads * a->D;
	size_t query = t->row * width + t->head * a->D, key = t->key * kv_width + t->kv_head * a->D;
	tile_scores(a, t, p);
	for (size_t r = 0; r < t->rows; r++) {
		size_t seen = keys_seen(t->segment, t->first + r);
		vector_exp(p + r * t->keys, a->scale, a->lse[(t->row + r) * a->heads + t->head], seen);
		memset(p + r * t->keys + seen, 0, (t->keys - seen) * sizeof *p);
	}
	if (dv != NULL)
		gemm(a->precision, t->keys, a->D, t->rows, (Operand){p, t->keys, true},
		     (Operand){dout + query, width, false}, true, dv + key, kv_width);
	if (dq == NULL && dk == NULL)
		return;
	gemm(a->precision, t->rows, t->keys, a->D, (Operand){dout + query, width, false},
	     (Operand){a->v + key, kv_width, true}, false, dp, t->keys);
	backward_scores(a, t, dout, p, dp);
	if (dq != NULL)
		gemm(a->precision, t->rows, a->D, t->keys, (Operand){dp, t->keys, false},
		     (Operand){a->k + key, kv_width, false}, true, dq + query, width);
	if (dk != NULL)
		gemm(a->precision, t->keys, a->D, t->rows, (Operand){dp, t->keys, true},
		     (Operand){a->q + query, width, false}, true, dk + key, kv_width);
}

static size_t most_keys(const Attention *a)
{
	size_t most = 1;
	for (size_t i = 0; i < a->segment_count; i++)
		most = a->segments[i].keys > most ? a->segments[i].keys : most;
	return most;
}

bool attention_forward(const Attention *a, Arena *scratch, Error *e)
{
	ArenaMark mark = arena_mark(scratch);
	float *p = arena_new(scratch, most_keys(a) * TILE, sizeof *p, e);
	if (p == NULL)
		return false;
	for (const AttentionSegment *s = a->segments; s < a->segments + a->segment_count; s++)
		for (size_t head = 0; head < a->heads; head++)
			for (size_t first = 0; first < s->queries; first += TILE) {
				Tile tile = tile_at(a, s, head, first);
				forward_tile(a, &tile, p);
			}
	arena_rewind(scratch, mark);
	return true;
}

bool attention_backward(const Attention *a, const float *dout, float *dq, float *dk, float *dv,
                        Arena *scratch, Error *e)
{
	ArenaMark mark = arena_mark(scratch);
	float *p = arena_new(scratch, most_keys(a) * TILE, sizeof *p, e);
	float *dp = arena_new(scratch, most_keys(a) * TILE, sizeof *dp, e);
	if (p == NULL || dp == NULL)
		return false;
	for (const AttentionSegment *s = a->segments; s < a->segments + a->segment_count; s++)
		for (size_t head = 0; head < a->heads; head++)
			for (size_t first = 0; first < s->queries; first += TILE) {
				Tile tile = tile_at(a, s, head, first);
				backward_tile(a, &tile, dout, dq, dk, dv, p, dp);
			}
	arena_rewind(scratch, mark);
	return true;
}
