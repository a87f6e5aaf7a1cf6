#include "nn/layers.h"

#include "math/vector.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* A vector of ones (a norm's), or a matrix [out, in] of deviation scale/√in. */
static bool add(Parameter **p, Parameters *set, const char *prefix, const char *name, size_t out, size_t in,
                double scale, uint64_t seed, Error *e)
{
	char full[128];
	snprintf(full, sizeof full, "%s.%s", prefix, name);
	if (out == 0)
		*p = parameters_add(set, full, 1, &in, INIT_ONE, 0, seed, e);
	else
		*p = parameters_add(set, full, 2, (size_t[]){out, in}, INIT_NORMAL, scale / sqrt((double)in),
		                    seed, e);
	if (*p != NULL && out > 0)
		parameter_multiplies(*p, 0);
	return *p != NULL;
}

/* A table of zeros [heads, width]. */
static bool add_bias(Parameter **p, Parameters *set, const char *prefix, const char *name, size_t heads,
                     size_t width, Error *e)
{
	char full[128];
	snprintf(full, sizeof full, "%s.%s", prefix, name);
	*p = parameters_add(set, full, 2, (size_t[]){heads, width}, INIT_ZERO, 0, 0, e);
	return *p != NULL;
}

/* A vector of n zeros, or with `ones` (a norm's) of ones, where it is `wanted`. */
static bool add_vector(bool wanted, Parameter **p, Parameters *set, const char *prefix, const char *name,
                       bool ones, size_t n, Error *e)
{
	char full[128];
	snprintf(full, sizeof full, "%s.%s", prefix, name);
	if (wanted)
		*p = parameters_add(set, full, 1, &n, ones ? INIT_ONE : INIT_ZERO, 0, 0, e);
	return !wanted || *p != NULL;
}

static bool add_attention_extras(AttentionLayer *a, Parameters *set, const char *prefix, Error *e)
{
	const LayerShape *s = &a->shape;
	size_t width = s->heads * s->D, kv_width = s->kv_heads * s->D;
	return add_vector(s->centred, &a->norm_bias, set, prefix, "norm_bias", false, s->C, e) &&
	       add_vector(s->qkv_bias, &a->q_bias, set, prefix, "q_bias", false, width, e) &&
	       add_vector(s->qkv_bias, &a->k_bias, set, prefix, "k_bias", false, kv_width, e) &&
	       add_vector(s->qkv_bias, &a->v_bias, set, prefix, "v_bias", false, kv_width, e) &&
	       add_vector(s->o_bias, &a->o_bias, set, prefix, "o_bias", false, s->C, e) &&
	       add_vector(s->head_norm, &a->q_norm, set, prefix, "q_norm", true, s->D, e) &&
	       add_vector(s->head_norm, &a->k_norm, set, prefix, "k_norm", true, s->D, e) &&
	       add_vector(s->post_norm, &a->post_norm, set, prefix, "post_norm", true, s->C, e);
}

static bool add_feed_extras(FeedForward *f, Parameters *set, const char *prefix, Error *e)
{
	const LayerShape *s = &f->shape;
	return add_vector(s->centred, &f->norm_bias, set, prefix, "norm_bias", false, s->C, e) &&
	       add_vector(s->biases && !s->plain, &f->gate_bias, set, prefix, "gate_bias", false, s->F, e) &&
	       add_vector(s->biases, &f->up_bias, set, prefix, "up_bias", false, s->F, e) &&
	       add_vector(s->biases, &f->down_bias, set, prefix, "down_bias", false, s->C, e) &&
	       add_vector(s->post_norm, &f->post_norm, set, prefix, "post_norm", true, s->C, e);
}

bool attention_layer_new(AttentionLayer *a, Parameters *set, const char *prefix, const LayerShape *shape,
                         double out_scale, uint64_t seed, Error *e)
{
	size_t width = shape->heads * shape->D, kv_width = shape->kv_heads * shape->D;
	*a = (AttentionLayer){.shape = *shape};
	return add(&a->norm, set, prefix, "norm", 0, shape->C, 1, seed, e) &&
	       add(&a->q, set, prefix, "q", width, shape->C, 1, seed, e) &&
	       add(&a->k, set, prefix, "k", kv_width, shape->memory, 1, seed, e) &&
	       add(&a->v, set, prefix, "v", kv_width, shape->memory, 1, seed, e) &&
	       add(&a->o, set, prefix, "o", shape->C, width, out_scale, seed, e) &&
	       (!shape->pointwise || (add(&a->gate, set, prefix, "gate", width, shape->C, 1, seed, e) &&
	                              add(&a->out_norm, set, prefix, "out_norm", 0, width, 1, seed, e))) &&
	       (shape->distances == 0 || add_bias(&a->position_bias, set, prefix, "position_bias",
	                                          shape->heads, shape->distances, e)) &&
	       (!shape->time_bias ||
	        add_bias(&a->time_bias, set, prefix, "time_bias", shape->heads, ATTENTION_TIMES, e)) &&
	       add_attention_extras(a, set, prefix, e);
}

bool feed_forward_new(FeedForward *f, Parameters *set, const char *prefix, const LayerShape *shape,
                      double out_scale, uint64_t seed, Error *e)
{
	*f = (FeedForward){.shape = *shape};
	return add(&f->norm, set, prefix, "norm", 0, shape->C, 1, seed, e) &&
	       (shape->plain || add(&f->gate, set, prefix, "gate", shape->F, shape->C, 1, seed, e)) &&
	       add(&f->up, set, prefix, "up", shape->F, shape->C, 1, seed, e) &&
	       add(&f->down, set, prefix, "down", shape->C, shape->F, out_scale, seed, e) &&
	       add_feed_extras(f, set, prefix, e);
}

bool cache_new(KeyValueCache *c, size_t layers, size_t width, Error *e)
{
	*c = (KeyValueCache){.layers = layers, .width = width};
	c->k = memory_new(layers, sizeof *c->k, e);
	c->v = memory_new(layers, sizeof *c->v, e);
	return c->k != NULL && c->v != NULL;
}

bool cache_reserve(KeyValueCache *c, size_t rows, Error *e)
{
	size_t capacity = c->capacity;
	for (size_t i = 0; i < c->layers; i++) {
		size_t k = c->capacity, v = c->capacity;
		if (!memory_grow(&c->k[i], &k, rows, c->width * sizeof(float), e) ||
		    !memory_grow(&c->v[i], &v, rows, c->width * sizeof(float), e))
			return false;
		capacity = k;
	}
	c->capacity = capacity;
	return true;
}

void cache_free(KeyValueCache *c)
{
	for (size_t i = 0; i < c->layers; i++) {
		if (c->k != NULL)
			memory_free(c->k[i]);
		if (c->v != NULL)
			memory_free(c->v[i]);
	}
	memory_free(c->k);
	memory_free(c->v);
	*c = (KeyValueCache){0};
}

static void store_in_cache(const Sequence *s, size_t layer, const Tensor *k, const Tensor *v)
{
	size_t width = k->cols, bytes = width * sizeof(float);
	for (size_t i = 0; i < k->rows; i++) {
		memcpy(s->cache->k[layer] + (size_t)s->slots[i] * width, k->value + i * width, bytes);
		memcpy(s->cache->v[layer] + (size_t)s->slots[i] * width, v->value + i * width, bytes);
	}
}

/* The rows of a batch, a key head each by turns. */
typedef struct {
	const LayerShape *shape;
	const Sequence *sequence;
	CachedHeads heads;
	const float *q, *k, *v;
	float *o, *scores;  /* scores: [rows · kv_heads, group, most] of rows that are worked on together */
	size_t first, most; /* the first of these rows; the most that any row sees */
} Cached;

enum { SCORES = 1 << 24 }; /* of a batch that are held, if that makes a row or more */

/* Of the rows that a row could see, those before its window. */
static size_t left_behind(size_t seen, size_t window)
{
	return window > 0 && seen > window ? seen - window : 0;
}

static void attend_cached(void *context, size_t first, size_t count)
{
	const Cached *c = context;
	const Sequence *s = c->sequence;
	size_t kv_heads = c->shape->kv_heads, width = c->heads.group * c->heads.D, window = c->shape->window;
	for (size_t i = first; i < first + count; i++) {
		size_t row = c->first + i / kv_heads, head = i % kv_heads;
		size_t at = (row * kv_heads + head) * width;
		size_t seen = s->seen_count[row], before = left_behind(seen, window);
		attention_cached(&c->heads, c->q + at, c->k + head * c->heads.D, c->v + head * c->heads.D,
		                 s->seen[row] + before, seen - before,
		                 c->scores + i * c->heads.group * c->most, c->o + at);
	}
}

static Tensor *cached_attention(Tape *t, const AttentionLayer *a, const Tensor *q, const Sequence *s,
                                size_t layer)
{
	const LayerShape *l = &a->shape;
	Cached c = {.shape = l,
	            .sequence = s,
	            .heads = {l->heads / l->kv_heads, l->D, l->kv_heads * l->D,
	                      l->scale > 0 ? l->scale : 1 / sqrtf((float)l->D), l->cap},
	            .q = q->value,
	            .k = s->cache->k[layer],
	            .v = s->cache->v[layer],
	            .most = 1};
	size_t pairs = 0;
	for (size_t i = 0; i < q->rows; i++) {
		c.most = s->seen_count[i] > c.most ? s->seen_count[i] : c.most;
		pairs += s->seen_count[i] - left_behind(s->seen_count[i], l->window);
	}
	profile_product(t->profile, pairs, q->cols, 2);
	Tensor *y = tape_tensor(t, q->rows, q->cols, false);
	ArenaMark mark = arena_mark(&t->scratch);
	size_t some = SCORES / (l->heads * c.most);
	some = some < 1 ? 1 : some < q->rows ? some : q->rows;
	c.scores = arena_new(&t->scratch, some * l->heads, c.most * sizeof *c.scores, &t->error);
	if (y == NULL || c.scores == NULL)
		return NULL;
	c.o = y->value;
	for (; c.first < q->rows; c.first += some) {
		size_t left = q->rows - c.first;
		tape_spread(t, (left < some ? left : some) * l->kv_heads, 1, attend_cached, &c);
	}
	arena_rewind(&t->scratch, mark);
	return y;
}

static Tensor *segment_attention(Tape *t, const AttentionLayer *a, Tensor *q, Tensor *k, Tensor *v,
                                 const Sequence *s)
{
	AttentionTerms terms = {
	    .kind = a->shape.pointwise ? ATTENTION_SILU : ATTENTION_SOFTMAX,
	    .scale = a->shape.scale,
	    .cap = a->shape.cap,
	    .window = a->shape.window,
	    .position = a->position_bias,
	    .time = a->time_bias,
	    .origin = a->shape.origin,
	    .query_times = s->query_times,
	    .key_times = s->key_times,
	};
	return tape_attention(t, q, k, v, a->shape.heads, a->shape.kv_heads, s->segments, s->segment_count,
	                      &terms);
}

/* LayerNorm where there is a bias, else RMSNorm. */
static Tensor *norm(Tape *t, Tensor *x, Parameter *g, Parameter *bias, float eps)
{
	return bias ? tape_layernorm(t, x, g, bias, eps) : tape_rmsnorm(t, x, g, eps);
}

static Tensor *affine(Tape *t, Tensor *x, Parameter *w, Parameter *bias)
{
	return tape_bias(t, tape_linear(t, x, w), bias);
}

/* What a layer gives to the residual stream. */
static Tensor *give(Tape *t, Tensor *y, Parameter *post_norm, float eps)
{
	return post_norm ? tape_rmsnorm(t, y, post_norm, eps) : y;
}

Tensor *attention_layer_self(Tape *t, const AttentionLayer *a, Tensor *x, const Sequence *s, size_t layer)
{
	float eps = a->shape.eps;
	Tensor *n = norm(t, x, a->norm, a->norm_bias, eps), *y;
	Tensor *q = affine(t, n, a->q, a->q_bias), *k = affine(t, n, a->k, a->k_bias),
	       *v = affine(t, n, a->v, a->v_bias);
	if (a->q_norm != NULL) {
		q = tape_rmsnorm(t, q, a->q_norm, eps);
		k = tape_rmsnorm(t, k, a->k_norm, eps);
	}
	if (a->shape.pointwise) {
		q = tape_silu(t, q);
		k = tape_silu(t, k);
		v = tape_silu(t, v);
	}
	if (s->positions != NULL && s->rotary != NULL) {
		q = tape_rotary(t, q, s->rotary, s->positions);
		k = tape_rotary(t, k, s->rotary, s->positions);
	}
	if (q == NULL || k == NULL || v == NULL)
		return NULL;
	if (s->cache != NULL) {
		store_in_cache(s, layer, k, v);
		k = tape_constant(t, s->cache->k[layer], s->cache->capacity, k->cols);
		v = tape_constant(t, s->cache->v[layer], s->cache->capacity, v->cols);
	}
	if (s->seen != NULL)
		y = cached_attention(t, a, q, s, layer);
	else
		y = segment_attention(t, a, q, k, v, s);
	if (a->shape.pointwise)
		y = tape_swiglu(t, tape_linear(t, n, a->gate), tape_rmsnorm(t, y, a->out_norm, eps));
	return give(t, affine(t, y, a->o, a->o_bias), a->post_norm, eps);
}

KeyValues attention_layer_memory(Tape *t, const AttentionLayer *a, Tensor *memory, const Rotary *rotary,
                                 const int32_t *positions)
{
	Tensor *k = tape_linear(t, memory, a->k);
	return (KeyValues){positions ? tape_rotary(t, k, rotary, positions) : k,
	                   tape_linear(t, memory, a->v)};
}

Tensor *attention_layer_cross(Tape *t, const AttentionLayer *a, Tensor *x, KeyValues memory,
                              const Sequence *s)
{
	Tensor *q = tape_linear(t, tape_rmsnorm(t, x, a->norm, a->shape.eps), a->q);
	if (s->positions != NULL)
		q = tape_rotary(t, q, s->rotary, s->positions);
	Tensor *y = tape_attention(t, q, memory.k, memory.v, a->shape.heads, a->shape.kv_heads, s->segments,
	                           s->segment_count, NULL);
	return tape_linear(t, y, a->o);
}

Tensor *feed_forward(Tape *t, const FeedForward *f, Tensor *x)
{
	float eps = f->shape.eps;
	Tensor *n = norm(t, x, f->norm, f->norm_bias, eps);
	Tensor *gate = f->gate ? affine(t, n, f->gate, f->gate_bias) : NULL,
	       *up = affine(t, n, f->up, f->up_bias);
	Tensor *h = f->gate == NULL ? tape_gelu(t, up)
	            : f->shape.gelu ? tape_geglu(t, gate, up)
	                            : tape_swiglu(t, gate, up);
	return give(t, affine(t, h, f->down, f->down_bias), f->post_norm, eps);
}
