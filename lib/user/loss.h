/* What a user encoder is trained for: rows of E are to predict items, and features. */
#ifndef USER_LOSS_H
#define USER_LOSS_H

#include "user/encoder.h"

/* What makes the loss of the items. */
typedef struct {
	bool sampled; /* against the negatives that `terms` names, by the encoder's ids; else a softmax over
	                 all items */
	SampledTerms terms;
	float smoothing; /* of the full softmax's truth (math/loss.h) */
} ItemLoss;

/* Σ over columns of weight(column) · loss of E against the targets, row by row; gradients of it / `total` are
 * added at once.  Column 0 has weight 1, the others `feature_weight` and the cross-entropy.  loss and counted
 * are by column: Σ, unweighted, and the targets; added to. */
bool encoder_loss(Tape *t, const Encoder *m, Tensor *e, const EventBatch *targets, size_t total,
                  double feature_weight, const ItemLoss *items, double *loss, size_t *counted);

#endif
