#include "math/loss.h"

#include "math/gemm.h"
#include "math/vector.h"

#include <math.h>

/* Floats of logits that are worked on together: they stay in the second-level cache. */
enum { CHUNK = 1 << 17 };

/* Logits of one row become weight · (softmax - targets), or zeros where nothing counts. */
static double row_loss(float *z, size_t V, const int32_t *targets, size_t count, float weight)
{
	if (count == 0) {
		vector_scale(z, 0, V);
		return 0;
	}
	double at_targets = 0;
	for (size_t i = 0; i < count; i++)
		at_targets += (double)z[targets[i]];
	float maximum = vector_maximum(z, V);
	float sum = vector_exp(z, 1, maximum, V);
	vector_scale(z, weight / sum, V);
	for (size_t i = 0; i < count; i++)
		z[targets[i]] -= weight / (float)count;
	return (double)(maximum + logf(sum)) - at_targets / (double)count;
}

static double chunk_loss(const CrossEntropy *c, size_t first, size_t rows, float *z, size_t *counted)
{
	double loss = 0;
	const float *h = c->h + first * c->C;
	const int64_t *offsets = c->targets.offsets + first;
	gemm(false, true, rows, c->V, c->C, 1, h, c->C, c->w, c->C, 0, z, c->V);
	for (size_t r = 0; r < rows; r++) {
		size_t count = (size_t)(offsets[r + 1] - offsets[r]);
		loss += row_loss(z + r * c->V, c->V, c->targets.values + offsets[r], count, c->weight);
		*counted += count > 0;
	}
	if (c->dh != NULL)
		gemm(false, false, rows, c->C, c->V, 1, z, c->V, c->w, c->C, 1, c->dh + first * c->C, c->C);
	if (c->dw != NULL)
		gemm(true, false, c->V, c->C, rows, 1, z, c->V, h, c->C, 1, c->dw, c->C);
	return loss;
}

bool cross_entropy(const CrossEntropy *c, double *loss, size_t *rows, Arena *scratch, Error *e)
{
	ArenaMark mark = arena_mark(scratch);
	size_t chunk = CHUNK / (c->V ? c->V : 1);
	chunk = chunk < 16 ? 16 : (chunk > c->N ? c->N : chunk);
	float *z = arena_new(scratch, chunk * c->V, sizeof *z, e);
	if (z == NULL)
		return false;
	for (size_t first = 0; first < c->N; first += chunk)
		*loss += chunk_loss(c, first, c->N - first < chunk ? c->N - first : chunk, z, rows);
	arena_rewind(scratch, mark);
	return true;
}
