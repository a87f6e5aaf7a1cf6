/* Items as vectors: what rows of E are multiplied with, to be scores. */
#ifndef USER_ITEMS_H
#define USER_ITEMS_H

#include "user/encoder.h"

/* Vectors [n, d] of items by their ids: rows of the output table, of length 1 for cosine logits; of `dual`
 * the item tower, W [item; features of the item], of length 1. */
Tensor *encoder_items(Tape *t, const Encoder *m, const int32_t *ids, size_t n);

/* Those of the whole catalogue, to be ranked; borrows the encoder, whose weights must not change. */
typedef struct {
	const float *values; /* [items, d], by id */
	float *own;          /* behind them, where they are not a table's */
	PackedOperand packed;
	Arena panels;
	size_t rows, dim;
} ItemVectors;
bool item_vectors_new(ItemVectors *v, const Encoder *m, GemmPrecision precision, Pool *pool, Error *e);
void item_vectors_free(ItemVectors *v);

/* Scores of all items, scores [N, items] with the encoder's item ids as columns: h · vectors;
 * -infinity for ids that are no items. */
void item_scores(const ItemVectors *v, GemmPrecision precision, const float *h, size_t N, float *scores);

/* Loss of rows h against targets (column 0 of batch_targets()); gradients of weight · loss are added at once.
 */
bool item_loss(Tape *t, const Encoder *m, Tensor *h, const EventBatch *targets, const ItemLoss *what,
               float weight, double *loss, size_t *counted);

#endif
