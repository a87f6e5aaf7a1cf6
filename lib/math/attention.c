#include "math/attention.h"

#include "math/vector.h"

#include <math.h>
#include <string.h>

enum { TILE = 64 }; /* queries that are worked on together */

/* A tile of queries of one head: the rows, and the keys that any of them sees. */
typedef struct {
	size_t rows, keys; /* in this tile */
	size_t first;      /* of the rows, in the segment */
	size_t start;      /* of the keys, in the segment */
	size_t row, key;   /* of the first of each, in Q and K */
	size_t head, kv_head;
	const AttentionSegment *segment;
	const uint8_t *buckets; /* [rows, keys], of the times between them */
} Tile;

static size_t keys_seen(const AttentionSegment *s, size_t query)
{
	if (!s->causal)
		return s->keys;
	size_t seen = query + 1 + s->keys;
	return seen > s->queries ? seen - s->queries : 0;
}

/* Those of the first `seen` keys that lie before the window. */
static size_t keys_left_behind(const Attention *a, const AttentionSegment *s, size_t seen)
{
	return s->causal && a->window > 0 && seen > a->window ? seen - a->window : 0;
}

static Tile tile_at(const Attention *a, const AttentionSegment *s, size_t head, size_t first)
{
	size_t rows = s->queries - first < TILE ? s->queries - first : TILE;
	size_t start = keys_left_behind(a, s, keys_seen(s, first));
	return (Tile){.rows = rows,
	              .keys = keys_seen(s, first + rows - 1) - start,
	              .first = first,
	              .start = start,
	              .row = s->query + first,
	              .key = s->key + start,
	              .head = head,
	              .kv_head = head / (a->heads / a->kv_heads),
	              .segment = s};
}

/* The row's place among the tile's keys. */
static size_t place_of(const Tile *t, size_t r)
{
	return t->first + r + t->segment->keys - t->segment->queries - t->start;
}

/* The tile's keys that the row sees: [from, to). */
typedef struct {
	size_t from, to;
} Sight;

static Sight sight_of(const Attention *a, const Tile *t, size_t r)
{
	size_t seen = keys_seen(t->segment, t->first + r);
	size_t from = keys_left_behind(a, t->segment, seen);
	return seen > t->start ? (Sight){from - (from ? t->start : 0), seen - t->start} : (Sight){0, 0};
}

/* Zeros where a row sees nothing. */
static void blind(const Tile *t, Sight s, float *row)
{
	memset(row, 0, s.from * sizeof *row);
	memset(row + s.to, 0, (t->keys - s.to) * sizeof *row);
}

static bool has_bias(const Attention *a)
{
	return a->bias.position != NULL || a->bias.time != NULL;
}

static const float *of_head(const float *table, size_t head, size_t width)
{
	return table ? table + head * width : NULL;
}

/* S ← Q Kᵀ for the tile; returns the scale that is still to come, 1 where something had to be added. */
static float tile_scores(const Attention *a, const Tile *t, float *s)
{
	size_t width = a->heads * a->D, kv_width = a->kv_heads * a->D;
	const AttentionBias *b = &a->bias;
	gemm(a->precision, t->rows, t->keys, a->D,
	     (Operand){a->q + t->row * width + t->head * a->D, width, false},
	     (Operand){a->k + t->key * kv_width + t->kv_head * a->D, kv_width, true}, false, s, t->keys);
	bool bias = a->kind != ATTENTION_SOFTMAX || has_bias(a);
	if (!bias && a->cap == 0)
		return a->scale;
	for (size_t r = 0; bias && r < t->rows; r++)
		attention_bias_add(s + r * t->keys, a->scale, sight_of(a, t, r).to,
		                   of_head(b->position, t->head, b->distances), b->distances,
		                   place_of(t, r) + b->origin, of_head(b->time, t->head, ATTENTION_TIMES),
		                   t->buckets + r * t->keys);
	if (a->cap > 0)
		softcap_forward(s, bias ? 1 : a->scale, a->cap, t->rows * t->keys);
	return 1;
}

/* A row of scores becomes probabilities. */
static void softmax_row(const Attention *a, const Tile *t, size_t r, float *row, float scale, size_t seen)
{
	float maximum = seen ? scale * vector_maximum(row, seen) : 0;
	float sum = vector_exp(row, scale, maximum, seen);
	vector_scale(row, sum > 0 ? 1 / sum : 0, seen);
	a->lse[(t->row + r) * a->heads + t->head] = sum > 0 ? maximum + logf(sum) : 0;
}

static void forward_tile(const Attention *a, const Tile *t, float *p)
{
	size_t width = a->heads * a->D, kv_width = a->kv_heads * a->D;
	float scale = tile_scores(a, t, p);
	for (size_t r = 0; r < t->rows; r++) {
		Sight s = sight_of(a, t, r);
		float *row = p + r * t->keys + s.from;
		size_t seen = s.to - s.from;
		if (a->kind == ATTENTION_SOFTMAX) {
			softmax_row(a, t, r, row, scale, seen);
		} else {
			silu_forward(row, seen, row);
			vector_scale(row, 1 / (float)(seen ? seen : 1), seen);
		}
		blind(t, s, p + r * t->keys);
	}
	gemm(a->precision, t->rows, a->D, t->keys, (Operand){p, t->keys, false},
	     (Operand){a->v + t->key * kv_width + t->kv_head * a->D, kv_width, false}, false,
	     a->o + t->row * width + t->head * a->D, width);
}

/* A row of scores and of dP becomes one of P and of dS, the gradient of the scores with all that was added:
 * P ∘ (dP - rowsum(dO ∘ O)), through the cap where there is one … */
static void softmax_row_backward(const Attention *a, const Tile *t, size_t r, const float *dout, float scale,
                                 size_t seen, float *row, float *drow)
{
	size_t at = (t->row + r) * a->heads * a->D + t->head * a->D;
	float along = vector_dot(dout + at, a->o + at, a->D);
	if (a->cap > 0) {
		vector_scale_shift(drow, 1, -along, seen);
		softcap_backward(row, a->cap, drow, seen);
		along = 0;
	}
	vector_exp(row, scale, a->lse[(t->row + r) * a->heads + t->head], seen);
	for (size_t j = 0; j < seen; j++)
		drow[j] = row[j] * (drow[j] - along);
}

/* … or silu'(S) ∘ dP / seen.  `spare` has room for a row. */
static void silu_row_backward(size_t seen, float *row, float *drow, float *spare)
{
	float share = 1 / (float)(seen ? seen : 1);
	memset(spare, 0, seen * sizeof *spare);
	silu_backward(row, drow, seen, spare);
	memcpy(drow, spare, seen * sizeof *drow);
	vector_scale(drow, share, seen);
	silu_forward(row, seen, row);
	vector_scale(row, share, seen);
}

static void bias_row_backward(const Attention *a, const Tile *t, size_t r, Sight s, const float *drow,
                              const AttentionGradients *d)
{
	const AttentionBias *b = &a->bias;
	size_t first = place_of(t, r) + b->origin;
	float *position = d->position ? d->position + t->head * b->distances : NULL,
	      *time = d->time ? d->time + t->head * ATTENTION_TIMES : NULL;
	for (size_t j = s.from; position != NULL && j < s.to; j++) {
		size_t i = j < first ? first - j : 0;
		position[i < b->distances ? i : b->distances - 1] += drow[j];
	}
	for (size_t j = s.from; time != NULL && j < s.to; j++)
		time[t->buckets[r * t->keys + j]] += drow[j];
}

static void backward_tile(const Attention *a, const Tile *t, const float *dout, const AttentionGradients *d,
                          float *p, float *dp, float *spare)
{
	size_t width = a->heads * a->D, kv_width = a->kv_heads * a->D;
	size_t query = t->row * width + t->head * a->D, key = t->key * kv_width + t->kv_head * a->D;
	float scale = tile_scores(a, t, p);
	gemm(a->precision, t->rows, t->keys, a->D, (Operand){dout + query, width, false},
	     (Operand){a->v + key, kv_width, true}, false, dp, t->keys);
	for (size_t r = 0; r < t->rows; r++) {
		Sight s = sight_of(a, t, r);
		float *row = p + r * t->keys + s.from, *drow = dp + r * t->keys + s.from;
		size_t seen = s.to - s.from;
		if (a->kind == ATTENTION_SOFTMAX)
			softmax_row_backward(a, t, r, dout, scale, seen, row, drow);
		else
			silu_row_backward(seen, row, drow, spare);
		blind(t, s, p + r * t->keys);
		blind(t, s, dp + r * t->keys);
		bias_row_backward(a, t, r, s, dp + r * t->keys, d);
		vector_scale(drow, a->scale, seen);
	}
	if (d->v != NULL)
		gemm(a->precision, t->keys, a->D, t->rows, (Operand){p, t->keys, true},
		     (Operand){dout + query, width, false}, true, d->v + key, kv_width);
	if (d->q != NULL)
		gemm(a->precision, t->rows, a->D, t->keys, (Operand){dp, t->keys, false},
		     (Operand){a->k + key, kv_width, false}, true, d->q + query, width);
	if (d->k != NULL)
		gemm(a->precision, t->keys, a->D, t->rows, (Operand){dp, t->keys, true},
		     (Operand){a->q + query, width, false}, true, d->k + key, kv_width);
}

size_t attention_pairs(const Attention *a)
{
	size_t pairs = 0;
	for (const AttentionSegment *s = a->segments; s < a->segments + a->segment_count; s++)
		for (size_t first = 0; first < s->queries; first += TILE) {
			Tile tile = tile_at(a, s, 0, first);
			pairs += tile.rows * tile.keys;
		}
	return pairs;
}

static size_t most_keys(const Attention *a)
{
	size_t most = 1;
	for (size_t i = 0; i < a->segment_count; i++)
		most = a->segments[i].keys > most ? a->segments[i].keys : most;
	return most;
}

/* What a pass needs for a tile; `backward`: the way back, too. */
static bool room_new(AttentionRoom *room, const Attention *a, bool backward, Arena *scratch, Error *e)
{
	size_t keys = most_keys(a);
	*room = (AttentionRoom){.p = arena_new(scratch, keys * TILE, sizeof(float), e),
	                        .dp = arena_new(scratch, backward ? keys * TILE : 0, sizeof(float), e),
	                        .spare = arena_new(scratch, keys, sizeof(float), e),
	                        .buckets = arena_new(scratch, a->bias.time ? keys * TILE : 0, 1, e)};
	return room->p != NULL && room->dp != NULL && room->spare != NULL && room->buckets != NULL;
}

/* The buckets are the same for all heads, and so found once a tile. */
static void fill_buckets(const Attention *a, const Tile *t, uint8_t *buckets)
{
	for (size_t r = 0; a->bias.time != NULL && r < t->rows; r++)
		time_buckets(a->bias.query_times[t->row + r], a->bias.key_times + t->key, t->keys,
		             buckets + r * t->keys);
}

/* Heads [from, to); d NULL: forward. */
static void pass(const Attention *a, size_t from, size_t to, const float *dout, const AttentionGradients *d,
                 const AttentionRoom *room)
{
	for (const AttentionSegment *s = a->segments; s < a->segments + a->segment_count; s++)
		for (size_t first = 0; first < s->queries; first += TILE)
			for (size_t head = from; head < to; head++) {
				Tile tile = tile_at(a, s, head, first);
				tile.buckets = room->buckets;
				if (head == from)
					fill_buckets(a, &tile, room->buckets);
				if (d == NULL)
					forward_tile(a, &tile, room->p);
				else
					backward_tile(a, &tile, dout, d, room->p, room->dp, room->spare);
			}
}

bool attention_room(const Attention *a, AttentionRoom *room, Arena *scratch, Error *e)
{
	return room_new(room, a, false, scratch, e);
}

void attention_forward_heads(const Attention *a, size_t first, size_t count, const AttentionRoom *room)
{
	pass(a, first, first + count, NULL, NULL, room);
}

bool attention_forward(const Attention *a, Arena *scratch, Error *e)
{
	ArenaMark mark = arena_mark(scratch);
	AttentionRoom room;
	if (!room_new(&room, a, false, scratch, e))
		return false;
	pass(a, 0, a->heads, NULL, NULL, &room);
	arena_rewind(scratch, mark);
	return true;
}

bool attention_backward(const Attention *a, const float *dout, const AttentionGradients *d, Arena *scratch,
                        Error *e)
{
	ArenaMark mark = arena_mark(scratch);
	AttentionRoom room;
	if (!room_new(&room, a, true, scratch, e))
		return false;
	pass(a, 0, a->heads, dout, d, &room);
	arena_rewind(scratch, mark);
	return true;
}
