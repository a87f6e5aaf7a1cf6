#include "user/items.h"

#include <math.h>
#include <string.h>

/* Rows of a feature's lists by item. */
static bool list_values(Tape *t, const IdLists *lists, const int32_t *ids, size_t n, int64_t **offsets,
                        int32_t **values)
{
	size_t count = 0, used = 0;
	for (size_t i = 0; i < n; i++)
		count += id_list(lists, (size_t)ids[i]).count;
	*offsets = arena_new(&t->arena, n + 1, sizeof **offsets, &t->error);
	*values = arena_new(&t->arena, count, sizeof **values, &t->error);
	if (*offsets == NULL || *values == NULL)
		return false;
	for (size_t i = 0; i < n; i++) {
		Ids list = id_list(lists, (size_t)ids[i]);
		(*offsets)[i] = (int64_t)used;
		for (size_t k = 0; k < list.count; k++)
			(*values)[used++] = list.values[k];
	}
	(*offsets)[n] = (int64_t)used;
	return true;
}

static const int64_t *one_each(Tape *t, size_t n)
{
	int64_t *offsets = arena_new(&t->arena, n + 1, sizeof *offsets, &t->error);
	for (size_t i = 0; offsets != NULL && i <= n; i++)
		offsets[i] = (int64_t)i;
	return offsets;
}

/* The item and what is the item's own, side by side, through the tower. */
static Tensor *tower(Tape *t, const Encoder *m, const int32_t *ids, size_t n, const int64_t *one)
{
	Tensor *x = tape_embedding(t, tape_tensor(t, n, m->tower->cols, true), 0, m->tables[0], one, ids);
	size_t column = m->tables[0]->cols;
	for (size_t c = 1; c < m->columns; c++) {
		const Feature *f = &m->catalogue->features[c - 1];
		int64_t *offsets;
		int32_t *values;
		if (!f->of_item)
			continue;
		if (!list_values(t, &f->by_item, ids, n, &offsets, &values))
			return NULL;
		x = tape_embedding(t, x, column, m->tables[c], offsets, values);
		column += m->tables[c]->cols;
	}
	return tape_linear(t, x, m->tower);
}

Tensor *encoder_items(Tape *t, const Encoder *m, const int32_t *ids, size_t n)
{
	const int64_t *one = one_each(t, n);
	if (one == NULL)
		return NULL;
	Tensor *y = m->tower ? tower(t, m, ids, n, one)
	                     : tape_embedding(t, tape_tensor(t, n, m->output->cols, m->output->trains), 0,
	                                      m->output, one, ids);
	return m->shape.temperature > 0 ? tape_normalize(t, y, 1) : y;
}

bool items_are_a_table(const Encoder *m)
{
	return m->tower == NULL && m->shape.temperature == 0;
}

Tensor *encoder_item_range(Tape *t, const Encoder *m, size_t first, size_t n)
{
	int32_t *ids = arena_new(&t->arena, n, sizeof *ids, &t->error);
	for (size_t i = 0; ids != NULL && i < n; i++)
		ids[i] = (int32_t)(first + i);
	return ids ? encoder_items(t, m, ids, n) : NULL;
}

enum { GROUP = 1024 };

typedef struct {
	const Encoder *encoder;
	ItemVectors *vectors;
	GemmPrecision precision;
	Error errors[LANES];
} Filling;

static void fill_lane(void *context, size_t lane)
{
	Filling *f = context;
	ItemVectors *v = f->vectors;
	Tape t = {.precision = f->precision};
	for (size_t first = lane * GROUP; first < v->rows; first += LANES * GROUP) {
		size_t n = v->rows - first < GROUP ? v->rows - first : GROUP;
		tape_reset(&t, false, 0);
		const Tensor *y = encoder_item_range(&t, f->encoder, first, n);
		if (y == NULL) {
			f->errors[lane] = t.error;
			break;
		}
		memcpy(v->own + first * v->dim, y->value, n * v->dim * sizeof *v->own);
	}
	tape_free(&t);
}

static bool fill_all(ItemVectors *v, const Encoder *m, GemmPrecision precision, Pool *pool, Error *e)
{
	size_t count;
	Filling f = {.encoder = m, .vectors = v, .precision = precision};
	if (!memory_product(v->rows, v->dim, &count, e) ||
	    (v->own = memory_new(count, sizeof *v->own, e)) == NULL)
		return false;
	pool_run(pool, LANES, fill_lane, &f);
	v->values = v->own;
	return fail_first(f.errors, LANES, e);
}

bool item_vectors_new(ItemVectors *v, const Encoder *m, GemmPrecision precision, Pool *pool, Error *e)
{
	*v = (ItemVectors){.rows = m->output->rows, .dim = m->shape.dim, .values = m->output->value};
	if (!items_are_a_table(m) && !fill_all(v, m, precision, pool, e))
		return false;
	v->packed = (PackedOperand){
	    .k = v->dim, .n = v->rows - ID_FIRST, .source = {v->values + ID_FIRST * v->dim, v->dim, true}};
	if (items_are_a_table(m) && m->output->forward.laid_out)
		v->packed = m->output->forward;
	return true;
}

bool item_vectors_lay_out(ItemVectors *v, GemmPrecision precision, Error *e)
{
	return v->packed.laid_out || packed_lay_out(&v->packed, precision, &v->panels, e);
}

void item_vectors_free(ItemVectors *v)
{
	memory_free(v->own);
	arena_free(&v->panels);
	*v = (ItemVectors){0};
}

void item_scores(const ItemVectors *v, GemmPrecision precision, const float *h, size_t N, float *scores)
{
	gemm_packed(precision, N, (Operand){h, v->dim, false}, packed_whole(&v->packed), false,
	            scores + ID_FIRST, v->rows);
	for (size_t i = 0; i < N; i++)
		for (size_t id = 0; id < (size_t)ID_FIRST; id++)
			scores[i * v->rows + id] = -INFINITY;
}
