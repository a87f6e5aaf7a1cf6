/* Losses, whose gradients are made at once. */
#include "nn/ops_internal.h"

/* A loss of h against N rows of C numbers, and its gradients at once. */
static void count_loss(Tape *t, const Tensor *h, size_t N, const float *dh, const float *dy)
{
	profile_product(t->profile, h->rows, N, h->cols);
	profile_product_of(t->profile, PHASE_BACKWARD, h->rows, N, wanted(dh, dy) * h->cols);
}

bool tape_cross_entropy(Tape *t, Tensor *h, Parameter *w, float cap, LossTargets targets, float weight,
                        double *loss, size_t *rows)
{
	if (h == NULL)
		return false;
	float *dw = t->training ? gradient_of(t, w) : NULL;
	CrossEntropy c = {.precision = t->precision,
	                  .N = h->rows,
	                  .h = h->value,
	                  .forward = &w->forward,
	                  .backward = &w->backward,
	                  .targets = targets,
	                  .cap = cap,
	                  .weight = weight,
	                  .dh = tape_gradient(t, h, NULL),
	                  .dw = dw ? dw + w->first_row * w->cols : NULL};
	count_loss(t, h, w->forward.n, c.dh, c.dw);
	return t->error.code == ERROR_NONE && cross_entropy(&c, loss, rows, &t->scratch, &t->error);
}

bool tape_cross_entropy_of(Tape *t, Tensor *h, Tensor *y, LossTargets targets, float weight, double *loss,
                           size_t *rows)
{
	if (h == NULL || y == NULL)
		return false;
	ArenaMark mark = arena_mark(&t->scratch);
	PackedOperand forward = {.k = y->cols, .n = y->rows, .source = {y->value, y->cols, true}},
	              backward = {.k = y->rows, .n = y->cols, .source = {y->value, y->cols, false}};
	CrossEntropy c = {.precision = t->precision,
	                  .N = h->rows,
	                  .h = h->value,
	                  .forward = &forward,
	                  .backward = &backward,
	                  .targets = targets,
	                  .weight = weight,
	                  .dh = tape_gradient(t, h, NULL),
	                  .dw = tape_gradient(t, y, NULL)};
	count_loss(t, h, y->rows, c.dh, c.dw);
	bool done = t->error.code == ERROR_NONE &&
	            packed_lay_out(&forward, t->precision, &t->scratch, &t->error) &&
	            packed_lay_out(&backward, t->precision, &t->scratch, &t->error) &&
	            cross_entropy(&c, loss, rows, &t->scratch, &t->error);
	arena_rewind(&t->scratch, mark);
	return done;
}

bool tape_sampled_loss(Tape *t, Tensor *h, Tensor *y, const SampledTerms *terms, const int32_t *positive,
                       float weight, double *loss, size_t *rows)
{
	if (h == NULL || y == NULL)
		return false;
	SampledLoss s = {.precision = t->precision,
	                 .terms = *terms,
	                 .N = h->rows,
	                 .C = h->cols,
	                 .h = h->value,
	                 .y = y->value,
	                 .positive = positive,
	                 .weight = weight,
	                 .dh = tape_gradient(t, h, NULL),
	                 .dy = tape_gradient(t, y, NULL)};
	count_loss(t, h, terms->negatives, s.dh, s.dy);
	return t->error.code == ERROR_NONE && sampled_loss(&s, loss, rows, &t->scratch, &t->error);
}
