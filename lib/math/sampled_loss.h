/* Losses of rows against a few candidates instead of a whole vocabulary: each row has a positive, and all
 * share the negatives.  Forward and backward in one go, chunk by chunk of rows. */
#ifndef MATH_SAMPLED_LOSS_H
#define MATH_SAMPLED_LOSS_H

#include "math/gemm.h"

typedef enum {
	/* log(e^z+ + Σ e^(z_j - log_expected_j)) - z+: with log_expected_j = log(negatives · q_j) of
	 * negatives that were drawn from q, the sum estimates, without bias, that of the full softmax (the
	 * logQ correction of Bengio and Senécal 2008, and of Yi et al. 2019). */
	LOSS_SAMPLED_SOFTMAX,
	/* -beta log σ(z+ + prior) - Σ log(1 - σ(z_j + prior)) (gBCE, Petrov and Macdonald 2023, section 5, as
	 * a sum: divided by the number of negatives, as there, gradients would come near the eps of AdamW).
	 * The prior is the logit of a chance, so that learning does not begin with pushing all scores down
	 * (Lin et al. 2017, section 3.3); it is the same for all, and so no part of the scores. */
	LOSS_GBCE
} SampledLossKind;

typedef struct {
	SampledLossKind kind;
	size_t negatives; /* candidates 0 … negatives - 1; the positives follow */
	/* By candidate: which item it is.  A negative that is a row's own positive is left out of that row.
	 */
	const int32_t *ids;
	const float *log_expected; /* [negatives]; LOSS_SAMPLED_SOFTMAX */
	double beta, prior;        /* LOSS_GBCE */
} SampledTerms;

typedef struct {
	GemmPrecision precision;
	SampledTerms terms;
	size_t N, C;
	const float *h;          /* [N, C] */
	const float *y;          /* [candidates, C]; z = h · y */
	const int32_t *positive; /* [N]: a candidate; negative: the row does not count */
	float weight;            /* gradients are those of weight · Σ rows */
	float *dh, *dy;          /* added to; NULL: not wanted */
} SampledLoss;

/* *loss += Σ over counting rows (unweighted); *rows += rows that count. */
bool sampled_loss(const SampledLoss *s, double *loss, size_t *rows, Arena *scratch, Error *e);

/* beta of gBCE: α (t (1 - 1/α) + 1/α) with α = negatives / (items - 1), the share of the other items that is
 * drawn: t = 0 leaves BCE as it is, with t = 1 its scores are as the full softmax would calibrate them. */
double gbce_beta(size_t negatives, size_t items, double t);

#endif
