#include "math/loss.h"

#include "math/vector.h"

#include <math.h>
#include <string.h>

enum {
	CHUNK = 1 << 20,        /* logits that are held, if that makes LEAST_ROWS or more rows */
	LEAST_ROWS = 64,        /* else every chunk would read all of W for too little */
	BLOCK = 8 * PACKED_UNIT /* of the vocabulary: a block of a chunk stays in the second-level cache */
};

/* A chunk of rows.  Logits lie block by block of the vocabulary, [rows, BLOCK] each, and become
 * e^(z - reference of the row) as soon as they are there; the softmax is then that times a number for each
 * row. A row's reference is its maximum in the first block; where some row has far more in another block, it
 * is the maximum of all, for the whole chunk. */
typedef struct {
	const CrossEntropy *c;
	size_t first, rows, blocks;
	float *z;
	float *capped;          /* the logits in the same places, where there is a cap; else NULL */
	float *reference, *sum; /* [rows] */
	double *at_targets;     /* [rows]: Σ of the targets' logits, each times its share */
	double *everywhere;     /* [rows]: Σ of all logits; for smoothing alone */
	PackedOperand h;        /* [rows, C], laid out once for all blocks of dW */
} Chunk;

static size_t targets_of(const Chunk *k, size_t r, const int32_t **targets)
{
	const int64_t *offsets = k->c->targets.offsets + k->first + r;
	*targets = k->c->targets.values + offsets[0];
	return (size_t)(offsets[1] - offsets[0]);
}

static size_t block_width(const Chunk *k, size_t b)
{
	size_t left = k->c->forward->n - b * BLOCK;
	return left < BLOCK ? left : BLOCK;
}

/* Adds share · change to what the row's logits of its targets have become in the block; returns what they
 * were, each times its share, summed. */
static double at_targets(const Chunk *k, size_t b, size_t r, float *row, float change)
{
	const int32_t *targets;
	size_t count = targets_of(k, r, &targets);
	const float *shares = k->c->targets.shares;
	if (shares != NULL)
		shares += targets - k->c->targets.values;
	double sum = 0;
	for (size_t i = 0; i < count; i++)
		if ((size_t)targets[i] / BLOCK == b) {
			float share = shares ? shares[i] : 1 / (float)count;
			sum += (double)share * (double)row[(size_t)targets[i] % BLOCK];
			row[(size_t)targets[i] % BLOCK] += share * change;
		}
	return sum;
}

static float *block_logits(const Chunk *k, size_t b)
{
	const CrossEntropy *c = k->c;
	size_t C = c->forward->k, width = block_width(k, b);
	float *z = k->z + b * k->rows * BLOCK;
	gemm_packed(c->precision, k->rows, (Operand){c->h + k->first * C, C, false},
	            (PackedPart){c->forward, 0, b * BLOCK, C, width}, false, z, BLOCK);
	for (size_t r = 0; r < k->rows && k->capped != NULL; r++) {
		softcap_forward(z + r * BLOCK, 1, c->cap, width);
		memcpy(k->capped + (b * k->rows + r) * BLOCK, z + r * BLOCK, width * sizeof *z);
	}
	return z;
}

static void forward_block(const Chunk *k, size_t b, bool refer)
{
	size_t width = block_width(k, b);
	float *row = block_logits(k, b);
	for (size_t r = 0; r < k->rows; r++, row += BLOCK) {
		k->at_targets[r] += at_targets(k, b, r, row, 0);
		if (k->c->targets.smoothing > 0)
			k->everywhere[r] += vector_sum(row, width);
		if (refer)
			k->reference[r] = vector_maximum(row, width);
		k->sum[r] += vector_exp(row, 1, k->reference[r], width);
	}
}

/* Every row's reference becomes its maximum. */
static void refer_to_maximum(const Chunk *k)
{
	for (size_t b = 0; b < k->blocks; b++) {
		const float *row = block_logits(k, b);
		for (size_t r = 0; r < k->rows; r++, row += BLOCK) {
			float maximum = vector_maximum(row, block_width(k, b));
			if (maximum > k->reference[r])
				k->reference[r] = maximum;
		}
	}
}

/* Whether no sum is too large for its reference. */
static bool forward(const Chunk *k, bool refer)
{
	const float large =
	    1e30f; /* weight / sum is no subnormal number yet, nor e^x more than vector_exp() can */
	bool small = true;
	for (size_t r = 0; r < k->rows; r++) {
		k->at_targets[r] = k->everywhere[r] = 0;
		k->sum[r] = 0;
	}
	for (size_t b = 0; b < k->blocks; b++)
		forward_block(k, b, refer && b == 0);
	for (size_t r = 0; r < k->rows; r++)
		small = small && k->sum[r] < large;
	return small;
}

/* The loss of a row; its sum becomes what makes weight · softmax of it. */
static double finish_row(const Chunk *k, size_t r, size_t *counted)
{
	const int32_t *targets;
	size_t count = targets_of(k, r, &targets);
	double logsumexp = (double)k->reference[r] + log((double)k->sum[r]);
	double smoothing = (double)k->c->targets.smoothing, V = (double)k->c->forward->n;
	k->sum[r] = count ? k->c->weight / k->sum[r] : 0;
	*counted += count > 0;
	return count ? logsumexp - (1 - smoothing) * k->at_targets[r] - smoothing * k->everywhere[r] / V : 0;
}

/* dlogits = weight · (softmax - truth), and what follows from it. */
static void backward_block(const Chunk *k, size_t b)
{
	const CrossEntropy *c = k->c;
	size_t C = c->forward->k, width = block_width(k, b);
	float *z = k->z + b * k->rows * BLOCK, smoothing = c->targets.smoothing,
	      everywhere = c->weight * smoothing / (float)c->forward->n;
	for (size_t r = 0; r < k->rows; r++) {
		const int32_t *targets;
		size_t count = targets_of(k, r, &targets);
		vector_scale_shift(z + r * BLOCK, k->sum[r], count ? -everywhere : 0, width);
		at_targets(k, b, r, z + r * BLOCK, -c->weight * (1 - smoothing));
		if (k->capped != NULL)
			softcap_backward(k->capped + (b * k->rows + r) * BLOCK, c->cap, z + r * BLOCK, width);
	}
	if (c->dh != NULL)
		gemm_packed(c->precision, k->rows, (Operand){z, BLOCK, false},
		            (PackedPart){c->backward, b * BLOCK, 0, width, C}, true, c->dh + k->first * C, C);
	if (c->dw != NULL)
		gemm_packed(c->precision, width, (Operand){z, BLOCK, true}, packed_whole(&k->h), true,
		            c->dw + b * BLOCK * C, C);
}

static bool lay_out_rows(Chunk *k, Arena *scratch, Error *e)
{
	size_t C = k->c->forward->k;
	k->h.k = k->rows;
	k->h.n = C;
	k->h.source = (Operand){k->c->h + k->first * C, C, false};
	return packed_lay_out(&k->h, k->c->precision, scratch, e);
}

static double chunk_loss(const Chunk *k, size_t *counted)
{
	double loss = 0;
	if (!forward(k, true)) {
		refer_to_maximum(k);
		forward(k, false);
	}
	for (size_t r = 0; r < k->rows; r++)
		loss += finish_row(k, r, counted);
	if (k->c->dh != NULL || k->c->dw != NULL)
		for (size_t b = 0; b < k->blocks; b++)
			backward_block(k, b);
	return loss;
}

/* Chunks of about as many rows each, `most` or less, and of a multiple of the 12 that vector kernels take at
 * a time. */
static size_t even_rows(size_t N, size_t most)
{
	enum { UNIT = 12 };
	size_t chunks = (N + most - 1) / most, rows = chunks ? (N + chunks - 1) / chunks : 0;
	size_t whole = (rows + UNIT - 1) / UNIT * UNIT;
	return whole < most && whole < N ? whole : rows;
}

bool cross_entropy(const CrossEntropy *c, double *loss, size_t *rows, Arena *scratch, Error *e)
{
	ArenaMark mark = arena_mark(scratch);
	size_t V = c->forward->n, most = CHUNK / (V ? V : 1), blocks = (V + BLOCK - 1) / BLOCK;
	most = most < LEAST_ROWS ? LEAST_ROWS : most;
	most = even_rows(c->N, most);
	Chunk k = {.c = c, .blocks = blocks};
	k.z = arena_new(scratch, blocks * BLOCK * most, sizeof *k.z, e);
	k.reference = arena_new(scratch, most, sizeof *k.reference, e);
	k.sum = arena_new(scratch, most, sizeof *k.sum, e);
	k.at_targets = arena_new(scratch, most, sizeof *k.at_targets, e);
	k.everywhere = arena_new(scratch, most, sizeof *k.everywhere, e);
	if (c->cap > 0 && (k.capped = arena_new(scratch, blocks * BLOCK * most, sizeof *k.z, e)) == NULL)
		return false;
	if (k.z == NULL || k.reference == NULL || k.sum == NULL || k.at_targets == NULL ||
	    k.everywhere == NULL)
		return false;
	for (k.first = 0; k.first < c->N; k.first += k.rows) {
		k.rows = c->N - k.first < most ? c->N - k.first : most;
		if (c->dw != NULL && !lay_out_rows(&k, scratch, e))
			return false;
		*loss += chunk_loss(&k, rows);
	}
	arena_rewind(scratch, mark);
	return true;
}
