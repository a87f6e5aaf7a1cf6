/* A matrix and what goes with it: products, biases, rows that are looked up. */
#include "math/gemm.h"
#include "nn/ops_internal.h"

#include <string.h>

typedef struct {
	Tensor *x, *y;
	Parameter *w;
} Linear;

static void linear_backward(Tape *t, const void *context)
{
	const Linear *l = context;
	size_t N = l->x->rows, in = l->w->cols, out = l->w->rows;
	bool fresh;
	float *dw = gradient_of(t, l->w), *dx = tape_gradient(t, l->x, &fresh);
	profile_product(t->profile, N, in, wanted(dx, dw) * out);
	if (dx != NULL)
		gemm_packed(t->precision, N, (Operand){l->y->gradient, out, false},
		            packed_whole(&l->w->backward), !fresh, dx, in);
	if (dw != NULL)
		gemm(t->precision, out, in, N, (Operand){l->y->gradient, out, true},
		     (Operand){l->x->value, in, false}, true, dw, in);
}

typedef struct {
	GemmPrecision precision;
	const Tensor *x, *y;
	const Parameter *w;
} Product;

static void round_rows(void *context, size_t first, size_t count)
{
	stored_round(context, first, count);
}

/* x as products with w want it: the same for all that read x, rounded once a matrix of integers reads it. */
static const StoredRows *rows_of(Tape *t, Tensor *x, const StoredMatrix *w)
{
	bool rounded = w->type->unpack != NULL && !t->exact;
	if (x->rows_made != NULL && (x->rows_made->q != NULL || !rounded))
		return x->rows_made;
	StoredRows *rows = arena_new(&t->arena, 1, sizeof *rows, &t->error);
	if (rows == NULL || !stored_rows(rows, x->value, x->rows, x->cols, rounded, &t->arena, &t->error))
		return NULL;
	if (rounded)
		tape_spread(t, x->rows, PART, round_rows, rows);
	x->rows_made = rows;
	return rows;
}

typedef struct {
	const StoredMatrix *w;
	const StoredRows *rows;
	bool exact;
	Tensor *y;
} StoredLinear;

static void multiply_stored(void *context, size_t first, size_t count)
{
	const StoredLinear *p = context;
	stored_product(p->w, p->rows, p->exact, first, count, p->y->value, p->y->cols);
}

static Tensor *stored_linear(Tape *t, Tensor *x, const StoredMatrix *w)
{
	Tensor *y = tape_tensor(t, x->rows, w->n, false);
	const StoredRows *rows = y ? rows_of(t, x, w) : NULL;
	if (rows == NULL)
		return NULL;
	if (t->training && needs(x)) {
		fail(&t->error, ERROR_FAILURE,
		     "nothing can be trained below a matrix that stays as its file has it");
		return NULL;
	}
	tape_spread(t, w->n, STORED_UNIT, multiply_stored, &(StoredLinear){w, rows, t->exact, y});
	return y;
}

/* Columns [first, first + count) of y. */
static void multiply(void *context, size_t first, size_t count)
{
	const Product *p = context;
	PackedPart part = {&p->w->forward, 0, first, p->w->cols, count};
	gemm_packed(p->precision, p->x->rows, (Operand){p->x->value, p->x->cols, false}, part, false,
	            p->y->value + first, p->y->cols);
}

static Tensor *multiply_whole(Tape *t, Tensor *x, Parameter *w)
{
	if (x != NULL)
		profile_product(t->profile, x->rows, w->rows, w->cols);
	if (x != NULL && w->stored != NULL)
		return stored_linear(t, x, w->stored);
	Tensor *y = x ? tape_tensor(t, x->rows, w->rows, needs(x) || w->trains) : NULL;
	if (y == NULL)
		return NULL;
	tape_spread(t, w->rows, PACKED_UNIT, multiply, &(Product){t->precision, x, y, w});
	if (needs(y))
		tape_record(t, y, linear_backward, &(Linear){x, y, w}, sizeof(Linear));
	return y;
}

Tensor *tape_linear(Tape *t, Tensor *x, Parameter *w)
{
	Tensor *y = multiply_whole(t, x, w);
	const LowRank *u = &w->low_rank;
	if (y == NULL || u->a == NULL)
		return y;
	Tensor *inner = tape_scale(t, multiply_whole(t, tape_dropout(t, x, u->dropout), u->a), u->scale);
	return tape_residual(t, y, multiply_whole(t, inner, u->b), 0);
}

typedef struct {
	Tensor *y;
	Parameter *b;
} Biased;

static void bias_backward(Tape *t, const void *context)
{
	const Biased *d = context;
	float *db = gradient_of(t, d->b);
	for (size_t r = 0; db != NULL && r < d->y->rows; r++)
		vector_add(db, d->y->gradient + r * d->y->cols, d->y->cols);
}

Tensor *tape_bias(Tape *t, Tensor *x, Parameter *b)
{
	if (x == NULL || b == NULL)
		return x;
	for (size_t r = 0; r < x->rows; r++)
		vector_add(x->value + r * x->cols, b->value, x->cols);
	if (b->trains) {
		x->needs_gradient = true;
		tape_record(t, x, bias_backward, &(Biased){x, b}, sizeof(Biased));
	}
	return x;
}

typedef struct {
	Tensor *into;
	size_t column;
	Parameter *w;
	const int64_t *offsets;
	const int32_t *ids;
} Embedding;

static void embedding_backward(Tape *t, const void *context)
{
	const Embedding *m = context;
	size_t C = m->w->cols;
	for (size_t r = 0; r < m->into->rows; r++) {
		const float *dy = m->into->gradient + r * m->into->cols + m->column;
		float share = 1.0f / (float)(m->offsets[r + 1] - m->offsets[r]);
		for (int64_t i = m->offsets[r]; i < m->offsets[r + 1]; i++) {
			float *dw = parameter_gradient_row(m->w, t->lane, (size_t)m->ids[i], &t->error);
			if (dw == NULL)
				return;
			vector_add_scaled(dw, share, dy, C);
		}
	}
}

Tensor *tape_embedding(Tape *t, Tensor *into, size_t column, Parameter *w, const int64_t *offsets,
                       const int32_t *ids)
{
	if (into == NULL)
		return NULL;
	size_t C = w->cols;
	for (size_t r = 0; r < into->rows; r++) {
		float *y = into->value + r * into->cols + column;
		float share = 1.0f / (float)(offsets[r + 1] - offsets[r]);
		if (w->stored != NULL && offsets[r + 1] == offsets[r] + 1) {
			stored_row(w->stored, (size_t)ids[offsets[r]], y);
			continue;
		}
		memset(y, 0, C * sizeof *y);
		for (int64_t i = offsets[r]; i < offsets[r + 1]; i++)
			vector_add_scaled(y, share, w->value + (size_t)ids[i] * C, C);
	}
	if (needs(into) && w->trains)
		tape_record(t, into, embedding_backward, &(Embedding){into, column, w, offsets, ids},
		            sizeof(Embedding));
	return into;
}
