#include "llm/sample.h"

#include "math/vector.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct SampleCandidate {
	int32_t token;
	float weight; /* e^((logit - highest) / temperature) */
} Candidate;

static int by_weight(const void *a, const void *b)
{
	const Candidate *x = a, *y = b;
	if (x->weight != y->weight)
		return x->weight > y->weight ? -1 : 1;
	return (x->token > y->token) - (x->token < y->token);
}

/* Each token once, however often it was said. */
static bool punish(Sampler *sampler, const Sampling *s, float *logits, size_t V, const int32_t *said,
                   size_t count, Error *e)
{
	size_t before = sampler->punished_capacity;
	if (s->penalty == 1)
		return true;
	if (!memory_grow(&sampler->punished, &sampler->punished_capacity, V, sizeof(bool), e))
		return false;
	if (sampler->punished_capacity > before)
		memset(sampler->punished, 0, sampler->punished_capacity);
	for (size_t i = 0; i < count; i++) {
		float *logit = &logits[said[i]];
		if (!sampler->punished[said[i]])
			*logit =
			    (float)(*logit > 0 ? (double)*logit / s->penalty : (double)*logit * s->penalty);
		sampler->punished[said[i]] = true;
	}
	for (size_t i = 0; i < count; i++)
		sampler->punished[said[i]] = false;
	return true;
}

static int32_t likeliest(const float *logits, size_t V)
{
	size_t best = 0;
	for (size_t v = 1; v < V; v++)
		best = logits[v] > logits[best] ? v : best;
	return (int32_t)best;
}

/* Moves those of at least this weight to the front; their number and their sum. */
static size_t divide(Candidate *c, size_t count, float least, double *sum)
{
	size_t front = 0;
	*sum = 0;
	for (size_t i = 0; i < count; i++)
		if (c[i].weight >= least) {
			Candidate keep = c[i];
			c[i] = c[front];
			c[front++] = keep;
			*sum += (double)keep.weight;
		}
	return front;
}

/* The best first: of the few that are likely, and of the rest only where those were too few. */
static void sort(const Sampling *s, Candidate *c, size_t V, double total)
{
	double sum;
	size_t likely = divide(c, V, 1e-4f, &sum);
	qsort(c, likely, sizeof *c, by_weight);
	if (s->top_k > 0 ? s->top_k > likely : sum < s->top_p * total)
		qsort(c + likely, V - likely, sizeof *c, by_weight);
}

/* Those among which is drawn come to the front; their number. */
static size_t choose(const Sampling *s, Candidate *c, size_t V, double total)
{
	size_t most = s->top_k > 0 && s->top_k < V ? s->top_k : V, kept = 0;
	double sum = 0;
	if (most < V || s->top_p < 1) {
		sort(s, c, V, total);
		for (total = most < V ? 0 : total; most < V && kept < most; kept++)
			total += (double)c[kept].weight;
		for (kept = 0; kept < most && (kept == 0 || sum < s->top_p * total); kept++)
			sum += (double)c[kept].weight;
		most = kept;
	}
	return divide(c, most, (float)s->min_p, &sum);
}

int32_t sample_token(Sampler *sampler, const Sampling *s, float *logits, size_t V, const int32_t *said,
                     size_t count, Random *random, Error *e)
{
	if (!punish(sampler, s, logits, V, said, count, e))
		return -1;
	float highest = vector_maximum(logits, V), heat = (float)fmin(1 / s->temperature, 1e30);
	if (s->temperature <= 0)
		return likeliest(logits, V);
	if (!memory_grow(&sampler->candidates, &sampler->capacity, V, sizeof(Candidate), e))
		return -1;
	Candidate *c = sampler->candidates;
	vector_scale_shift(logits, 1, -highest, V);
	double sum = 0, total = (double)vector_exp(logits, heat, 0, V);
	for (size_t v = 0; v < V; v++)
		c[v] = (Candidate){(int32_t)v, logits[v]};
	size_t kept = choose(s, c, V, total);
	for (size_t i = 0; i < kept; i++)
		sum += (double)c[i].weight;
	double point = random_uniform(random) * sum;
	for (size_t i = 0; i < kept; i++) {
		point -= (double)c[i].weight;
		if (point < 0)
			return c[i].token;
	}
	return c[kept - 1].token;
}

void sampler_free(Sampler *sampler)
{
	memory_free(sampler->candidates);
	memory_free(sampler->punished);
	*sampler = (Sampler){0};
}
