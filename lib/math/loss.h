/* Softmax cross-entropy over a vocabulary, with the products that make the logits and the
 * gradients: chunk by chunk of rows, forward and backward in one go, so that no [N, V]
 * matrix ever exists. */
#ifndef MATH_LOSS_H
#define MATH_LOSS_H

#include "math/gemm.h"

/* Targets of N rows: row i's are values[offsets[i] … offsets[i + 1]), all equally
 * right (a genre of several), or each to its share; none: the row does not count. */
typedef struct {
	const int64_t *offsets; /* [N + 1] */
	const int32_t *values;  /* in [0, V) */
	float smoothing;        /* this share of the truth is spread over the whole vocabulary (Szegedy et al.
	                         * 2016, section 7): targets have the other 1 - smoothing */
	const float *shares;    /* of the truth, by target; a row's are 1 together; NULL: all have the same */
} LossTargets;

typedef struct {
	GemmPrecision precision;
	size_t N;
	const float *h;                /* [N, C] */
	const PackedOperand *forward;  /* Wᵀ [C, V]: logits = h Wᵀ */
	const PackedOperand *backward; /* W [V, C]: dh = dlogits W */
	LossTargets targets;
	float cap;      /* logits become cap · tanh(logit / cap) (Gemma 2); 0: they stay */
	float weight;   /* gradients are those of weight · Σ rows */
	float *dh, *dw; /* added to; NULL: not wanted (both NULL: the loss alone) */
} CrossEntropy;

/* *loss += Σ over counting rows of Σ over the row's targets of -share · log softmax(logits)[target]
 * (without the weight; with smoothing, the cross-entropy against the smoothed truth); *rows += rows that
 * count. */
bool cross_entropy(const CrossEntropy *c, double *loss, size_t *rows, Arena *scratch, Error *e);

#endif
