/* Items as vectors: what rows of E are multiplied with, to be scores. */
#ifndef USER_ITEMS_H
#define USER_ITEMS_H

#include "user/encoder.h"

/* Vectors [n, d] of items by their ids: rows of the output table, of length 1 for cosine logits; of `dual`
 * the item tower, W [item; features of the item], of length 1. */
Tensor *encoder_items(Tape *t, const Encoder *m, const int32_t *ids, size_t n);
/* The same of ids [first, first + n). */
Tensor *encoder_item_range(Tape *t, const Encoder *m, size_t first, size_t n);
/* Whether they are the rows of the output table as they are, which products can read at once. */
bool items_are_a_table(const Encoder *m);

/* Those of the whole catalogue, to be ranked; borrows the encoder, whose weights must not change. */
typedef struct {
	const float *values; /* [items, d], by id */
	float *own;          /* behind them, where they are not a table's */
	PackedOperand packed;
	Arena panels;
	size_t rows, dim;
} ItemVectors;
bool item_vectors_new(ItemVectors *v, const Encoder *m, GemmPrecision precision, Pool *pool, Error *e);
/* Lays them out for products, where the encoder's table is not: before many calls of item_scores(). */
bool item_vectors_lay_out(ItemVectors *v, GemmPrecision precision, Error *e);
void item_vectors_free(ItemVectors *v);

/* Scores of all items, scores [N, items] with the encoder's item ids as columns: h · vectors;
 * -infinity for ids that are no items. */
void item_scores(const ItemVectors *v, GemmPrecision precision, const float *h, size_t N, float *scores);

#endif
