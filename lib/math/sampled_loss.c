#include "math/sampled_loss.h"

#include "math/vector.h"

#include <math.h>

enum {
	CHUNK = 1 << 18, /* scores that are held, if that makes LEAST_ROWS or more rows */
	LEAST_ROWS = 16,
	MOST = 88 /* vector_exp() takes no more for more */
};

double gbce_beta(size_t negatives, size_t items, double t)
{
	double others = items > 1 ? (double)(items - 1) : 1, share = (double)negatives / others;
	share = share < 1 ? share : 1; /* drawn with replacement, they can be more */
	return share * (t * (1 - 1 / share) + 1 / share);
}

/* The scores of a row become their gradients; returns the loss, and in *z the positive's gradient. */
static double softmax_row(const SampledLoss *s, float *row, float *z)
{
	size_t n = s->terms.negatives;
	float highest = vector_maximum(row, n), own = *z;
	highest = highest > own ? highest : own;
	float mine = expf(own - highest), sum = mine + vector_exp(row, 1, highest, n);
	vector_scale(row, s->weight / sum, n);
	*z = s->weight * (mine / sum - 1);
	return (double)highest + log((double)sum) - (double)own;
}

static double gbce_row(const SampledLoss *s, float *row, float *z)
{
	size_t n = s->terms.negatives;
	double loss = 0, product = 1, beta = s->terms.beta, prior = s->terms.prior;
	double score = (double)*z + prior, own = exp(-score);
	for (size_t j = 0; j < n; j++)
		loss += fmax((double)row[j] + prior - MOST, 0); /* what e^z there cuts off */
	vector_exp(row, 1, (float)-prior, n);
	/* Σ log(1 + e^z), a logarithm for eight: e^88, the most there is, stays in range. */
	for (size_t j = 0; j < n; j++) {
		product *= 1 + (double)row[j];
		row[j] *= s->weight / (1 + row[j]);
		if (j % 8 != 7 && j + 1 < n)
			continue;
		loss += log(product);
		product = 1;
	}
	loss += beta * (isinf(own) ? -score : log1p(own));
	*z = (float)(-(double)s->weight * beta * (isinf(own) ? 1 : own / (1 + own)));
	return loss;
}

/* What is drawn often counts less, and a row's own positive not at all. */
static void correct_row(const SampledLoss *s, int32_t positive, float *row)
{
	const SampledTerms *t = &s->terms;
	for (size_t j = 0; t->kind == LOSS_SAMPLED_SOFTMAX && j < t->negatives; j++)
		row[j] -= t->log_expected[j];
	for (size_t j = 0; j < t->negatives; j++)
		if (t->ids[j] == t->ids[positive])
			row[j] = -INFINITY;
}

static double one_row(const SampledLoss *s, size_t r, float *row, size_t *rows)
{
	size_t C = s->C;
	int32_t positive = s->positive[r];
	if (positive < 0) {
		for (size_t j = 0; j < s->terms.negatives; j++)
			row[j] = 0;
		return 0;
	}
	const float *h = s->h + r * C, *y = s->y + (size_t)positive * C;
	float z = vector_dot(h, y, C);
	correct_row(s, positive, row);
	double loss = (s->terms.kind == LOSS_GBCE ? gbce_row : softmax_row)(s, row, &z);
	if (s->dh != NULL)
		vector_add_scaled(s->dh + r * C, z, y, C);
	if (s->dy != NULL)
		vector_add_scaled(s->dy + (size_t)positive * C, z, h, C);
	++*rows;
	return loss;
}

bool sampled_loss(const SampledLoss *s, double *loss, size_t *rows, Arena *scratch, Error *e)
{
	ArenaMark mark = arena_mark(scratch);
	size_t n = s->terms.negatives, C = s->C, most = CHUNK / (n ? n : 1), size;
	most = most < LEAST_ROWS ? LEAST_ROWS : most;
	most = most > s->N ? s->N : most;
	float *z = memory_product(most, n, &size, e) ? arena_new(scratch, size, sizeof *z, e) : NULL;
	if (z == NULL)
		return false;
	for (size_t first = 0, count; first < s->N; first += count) {
		count = s->N - first < most ? s->N - first : most;
		Operand h = {s->h + first * C, C, false}, y = {s->y, C, false};
		gemm(s->precision, count, n, C, h, (Operand){s->y, C, true}, false, z, n);
		for (size_t r = 0; r < count; r++)
			*loss += one_row(s, first + r, z + r * n, rows);
		if (s->dh != NULL)
			gemm(s->precision, count, C, n, (Operand){z, n, false}, y, true, s->dh + first * C,
			     C);
		if (s->dy != NULL)
			gemm(s->precision, n, C, count, (Operand){z, n, true}, h, true, s->dy, C);
	}
	arena_rewind(scratch, mark);
	return true;
}
