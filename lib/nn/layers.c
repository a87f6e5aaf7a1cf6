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

static bool add_bias(Parameter **p, Parameters *set, const char *prefix, const char *name, size_t heads,
                     size_t width, Error *e)
{
	char full[128];
	snprintf(full, sizeof full, "%s.%s", prefix, name);
	*p = parameters_add(set, full, 2, (size_t[]){heads, width}, INIT_ZERO, 0, 0, e);
	return *p != NULL;
}

bool attention_layer_new(AttentionLayer *a, Parameters *set, const char *prefix, const LayerShape *shape,
                         double out_scale, uint64_t seed, Error *e)
{
	size_t width = shape->heads * shape->D, kv_width = shape->kv_heads * shape->D;
	a->shape = *shape;
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
	        add_bias(&a->time_bias, set, prefix, "time_bias", shape->heads, ATTENTION_TIMES, e));
}

bool feed_forward_new(FeedForward *f, Parameters *set, const char *prefix, const LayerShape *shape,
                      double out_scale, uint64_t seed, Error *e)
{
	*f = (FeedForward){.shape = *shape};
	return add(&f->norm, set, prefix, "norm", 0, shape->C, 1, seed, e) &&
	       (shape->plain || add(&f->gate, set, prefix, "gate", shape->F, shape->C, 1, seed, e)) &&
	       add(&f->up, set, prefix, "up", shape->F, shape->C, 1, seed, e) &&
	       add(&f->down, set, prefix, "down", shape->C, shape->F, out_scale, seed, e);
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

/* One row and head of attention over rows of the cache. */
static void attend_cached(const AttentionLayer *a, const float *q, const float *k, const float *v,
                          const int32_t *seen, size_t count, float *scores, float *o)
{
	size_t D = a->shape.D, width = a->shape.kv_heads * D;
	for (size_t i = 0; i < count; i++)
		scores[i] = vector_dot(q, k + (size_t)seen[i] * width, D) / sqrtf((float)D);
	float sum = vector_exp(scores, 1, vector_maximum(scores, count), count);
	memset(o, 0, D * sizeof *o);
	for (size_t i = 0; i < count; i++)
		vector_add_scaled(o, scores[i] / sum, v + (size_t)seen[i] * width, D);
}

static void store_in_cache(const Sequence *s, size_t layer, const Tensor *k, const Tensor *v)
{
	size_t width = k->cols, bytes = width * sizeof(float);
	for (size_t i = 0; i < k->rows; i++) {
		memcpy(s->cache->k[layer] + (size_t)s->slots[i] * width, k->value + i * width, bytes);
		memcpy(s->cache->v[layer] + (size_t)s->slots[i] * width, v->value + i * width, bytes);
	}
}

static Tensor *cached_attention(Tape *t, const AttentionLayer *a, const Tensor *q, const Sequence *s,
                                size_t layer)
{
	size_t D = a->shape.D, group = a->shape.heads / a->shape.kv_heads, most = 0;
	const float *keys = s->cache->k[layer], *values = s->cache->v[layer];
	for (size_t i = 0; i < q->rows; i++)
		most = s->seen_count[i] > most ? s->seen_count[i] : most;
	Tensor *y = tape_tensor(t, q->rows, q->cols, false);
	float *scores = arena_new(&t->arena, most, sizeof *scores, &t->error);
	if (y == NULL || scores == NULL)
		return NULL;
	for (size_t i = 0; i < q->rows; i++)
		for (size_t h = 0; h < a->shape.heads; h++)
			attend_cached(a, q->value + i * q->cols + h * D, keys + h / group * D,
			              values + h / group * D, s->seen[i], s->seen_count[i], scores,
			              y->value + i * q->cols + h * D);
	return y;
}

static Tensor *segment_attention(Tape *t, const AttentionLayer *a, Tensor *q, Tensor *k, Tensor *v,
                                 const Sequence *s)
{
	AttentionTerms terms = {
	    .kind = a->shape.pointwise ? ATTENTION_SILU : ATTENTION_SOFTMAX,
	    .position = a->position_bias,
	    .time = a->time_bias,
	    .origin = a->shape.origin,
	    .query_times = s->query_times,
	    .key_times = s->key_times,
	};
	return tape_attention(t, q, k, v, a->shape.heads, a->shape.kv_heads, s->segments, s->segment_count,
	                      &terms);
}

Tensor *attention_layer_self(Tape *t, const AttentionLayer *a, Tensor *x, const Sequence *s, size_t layer)
{
	Tensor *n = tape_rmsnorm(t, x, a->norm, a->shape.eps);
	Tensor *q = tape_linear(t, n, a->q), *k = tape_linear(t, n, a->k), *v = tape_linear(t, n, a->v), *y;
	if (a->shape.pointwise) {
		q = tape_silu(t, q);
		k = tape_silu(t, k);
		v = tape_silu(t, v);
	}
	if (s->positions != NULL) {
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
		y = tape_swiglu(t, tape_linear(t, n, a->gate), tape_rmsnorm(t, y, a->out_norm, a->shape.eps));
	return tape_linear(t, y, a->o);
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
	Tensor *n = tape_rmsnorm(t, x, f->norm, f->shape.eps);
	Tensor *gate = f->gate ? tape_linear(t, n, f->gate) : NULL, *up = tape_linear(t, n, f->up);
	return tape_linear(t, f->gate ? tape_swiglu(t, gate, up) : tape_gelu(t, up), f->down);
}
