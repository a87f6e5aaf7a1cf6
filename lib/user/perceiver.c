#include "user/perceiver.h"

#include <stdio.h>

static bool add_layer(Perceiver *p, size_t i, Parameters *set, uint64_t seed, Error *e)
{
	const PerceiverShape *s = &p->shape;
	LayerShape shape = {s->dim, s->dim, s->heads, s->heads, s->dim / s->heads, 2 * s->dim, 1e-5f};
	char name[64];
	snprintf(name, sizeof name, "perceiver.%zu.attn", i);
	if (!attention_layer_new(&p->attention[i], set, name, &shape, 0.5, seed, e))
		return false;
	snprintf(name, sizeof name, "perceiver.%zu.ffn", i);
	return feed_forward_new(&p->feed[i], set, name, &shape, 0.5, seed, e);
}

bool perceiver_new(Perceiver *p, const PerceiverShape *s, Parameters *set, uint64_t seed, Error *e)
{
	*p = (Perceiver){.shape = *s};
	if (s->heads == 0 || s->dim % s->heads != 0)
		return fail(e, ERROR_USAGE, "%zu heads cannot share a width of %zu", s->heads, s->dim);
	size_t D = s->dim / s->heads;
	RotaryShape rotary = {.D = D, .turned = D - D % 2, .base = 10000, .scaling = 1};
	if (!rotary_new(&p->rotary, &rotary, s->positions, e))
		return false;
	if (s->latents == 0)
		return true;
	p->latents = parameters_add(set, "perceiver.latents", 2, (size_t[]){s->latents, s->dim}, INIT_NORMAL,
	                            0.5, seed, e);
	p->attention = memory_new(s->layers, sizeof *p->attention, e);
	p->feed = memory_new(s->layers, sizeof *p->feed, e);
	bool done = p->latents != NULL && p->attention != NULL && p->feed != NULL;
	for (size_t i = 0; done && i < s->layers; i++)
		done = add_layer(p, i, set, seed, e);
	return done;
}

void perceiver_free(Perceiver *p)
{
	rotary_free(&p->rotary);
	memory_free(p->attention);
	memory_free(p->feed);
	*p = (Perceiver){0};
}

/* K rows a target: the learned latents, each on top of the last row of E that the target knows. */
static Tensor *start_latents(const Perceiver *p, Tape *t, Tensor *e, const UserTargets *targets)
{
	size_t K = p->shape.latents;
	int32_t *last = arena_new(&t->arena, targets->count * K, sizeof *last, &t->error);
	if (last == NULL)
		return NULL;
	for (size_t i = 0; i < targets->count * K; i++)
		last[i] = (int32_t)(targets->first[i / K] + targets->known[i / K] - 1);
	return tape_residual(t, tape_rows(t, e, last, targets->count * K),
	                     tape_tile(t, p->latents, targets->count), 0);
}

Tensor *perceiver_forward(const Perceiver *p, Tape *t, Tensor *e, const UserTargets *targets)
{
	size_t K = p->shape.latents, N = targets->count * K;
	if (K == 0)
		return e;
	AttentionSegment *segments = arena_new(&t->arena, targets->count, sizeof *segments, &t->error);
	int32_t *asking = arena_new(&t->arena, N, sizeof *asking, &t->error);
	if (segments == NULL || asking == NULL)
		return NULL;
	for (size_t i = 0; i < N; i++)
		asking[i] = (int32_t)targets->known[i / K] - 1;
	for (size_t i = 0; i < targets->count; i++)
		segments[i] = (AttentionSegment){i * K, K, targets->first[i], targets->known[i], false};
	Sequence s = {
	    .positions = asking, .rotary = &p->rotary, .segments = segments, .segment_count = targets->count};
	Tensor *x = start_latents(p, t, e, targets);
	for (size_t i = 0; i < p->shape.layers; i++) {
		const AttentionLayer *layer = &p->attention[i];
		KeyValues memory = attention_layer_memory(t, layer, e, &p->rotary, targets->positions);
		x = tape_residual(t, x, attention_layer_cross(t, layer, x, memory, &s), 0);
		x = tape_residual(t, x, feed_forward(t, &p->feed[i], x), 0);
	}
	return x;
}
