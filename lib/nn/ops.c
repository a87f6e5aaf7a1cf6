/* Norms, gates and sums, number by number, and rows that are copied. */
#include "nn/ops_internal.h"

#include <math.h>
#include <string.h>

typedef struct {
	Tensor *x, *y;
	const float *g;
	Parameter *parameter; /* that g is of, or NULL */
	float *inverse;
	size_t rows, C; /* of the pieces */
	float eps;
} Norm;

static void norm_rows(void *context, size_t first, size_t count)
{
	const Norm *n = context;
	size_t at = first * n->C;
	rmsnorm_forward(n->x->value + at, n->g, n->eps, count, n->C, n->y->value + at, n->inverse + first);
}

static void norm_backward(Tape *t, const void *context)
{
	const Norm *n = context;
	rmsnorm_backward(n->x->value, n->g, n->inverse, n->y->gradient, n->rows, n->C,
	                 tape_gradient(t, n->x, NULL), n->parameter ? gradient_of(t, n->parameter) : NULL);
}

/* Over pieces of C numbers, which divides a row. */
static Tensor *norm(Tape *t, Tensor *x, size_t C, const float *g, Parameter *parameter, float eps)
{
	Tensor *y = x ? tape_tensor(t, x->rows, x->cols, needs(x) || (parameter && parameter->trains)) : NULL;
	size_t rows = y ? x->rows * (x->cols / C) : 0;
	float *inverse = y ? arena_new(&t->arena, rows, sizeof *inverse, &t->error) : NULL;
	if (inverse == NULL)
		return NULL;
	Norm n = {x, y, g, parameter, inverse, rows, C, eps};
	tape_spread(t, rows, PART, norm_rows, &n);
	if (needs(y))
		tape_record(t, y, norm_backward, &n, sizeof n);
	return y;
}

Tensor *tape_rmsnorm(Tape *t, Tensor *x, Parameter *g, float eps)
{
	return norm(t, x, g->count, g->value, g, eps);
}

typedef struct {
	Tensor *x, *y;
	Parameter *g, *b;
	float *mean, *inverse;
} LayerNorm;

static void layernorm_back(Tape *t, const void *context)
{
	const LayerNorm *n = context;
	layernorm_backward(n->x->value, n->g->value, n->mean, n->inverse, n->y->gradient, n->x->rows,
	                   n->x->cols, tape_gradient(t, n->x, NULL), gradient_of(t, n->g),
	                   gradient_of(t, n->b));
}

Tensor *tape_layernorm(Tape *t, Tensor *x, Parameter *g, Parameter *b, float eps)
{
	Tensor *y = x ? tape_tensor(t, x->rows, x->cols, needs(x) || g->trains || b->trains) : NULL;
	float *mean = y ? arena_new(&t->arena, x->rows, sizeof *mean, &t->error) : NULL;
	float *inverse = y ? arena_new(&t->arena, x->rows, sizeof *inverse, &t->error) : NULL;
	if (mean == NULL || inverse == NULL)
		return NULL;
	layernorm_forward(x->value, g->value, b->value, eps, x->rows, x->cols, y->value, mean, inverse);
	if (needs(y))
		tape_record(t, y, layernorm_back, &(LayerNorm){x, y, g, b, mean, inverse}, sizeof(LayerNorm));
	return y;
}

Tensor *tape_normalize(Tape *t, Tensor *x, float length)
{
	float *g = x ? arena_new(&t->arena, x->cols, sizeof *g, &t->error) : NULL;
	if (g == NULL)
		return NULL;
	for (size_t i = 0; i < x->cols; i++)
		g[i] = length / sqrtf((float)x->cols);
	return norm(t, x, x->cols, g, NULL, 1e-12f);
}

/* y = f(gate) · up */
typedef struct {
	Tensor *gate, *up, *y;
	void (*forward)(const float *gate, const float *up, size_t n, float *y);
	void (*backward)(const float *gate, const float *up, const float *dy, size_t n, float *dgate,
	                 float *dup);
} Gated;

static void gated_rows(void *context, size_t first, size_t count)
{
	const Gated *s = context;
	size_t at = first * s->y->cols;
	s->forward(s->gate->value + at, s->up->value + at, count * s->y->cols, s->y->value + at);
}

static void gated_back(Tape *t, const void *context)
{
	const Gated *s = context;
	size_t n = s->y->rows * s->y->cols;
	/* Where one side does not train, its gradient goes nowhere. */
	ArenaMark mark = arena_mark(&t->scratch);
	float *dgate = tape_gradient(t, s->gate, NULL), *dup = tape_gradient(t, s->up, NULL);
	float *nowhere =
	    needs(s->gate) && needs(s->up) ? NULL : arena_new(&t->scratch, n, sizeof *nowhere, &t->error);
	if (nowhere != NULL)
		memset(nowhere, 0, n * sizeof *nowhere);
	if (t->error.code == ERROR_NONE)
		s->backward(s->gate->value, s->up->value, s->y->gradient, n, dgate ? dgate : nowhere,
		            dup ? dup : nowhere);
	arena_rewind(&t->scratch, mark);
}

static Tensor *gated(Tape *t, Tensor *gate, Tensor *up,
                     void (*forward)(const float *gate, const float *up, size_t n, float *y),
                     void (*backward)(const float *gate, const float *up, const float *dy, size_t n,
                                      float *dgate, float *dup))
{
	Tensor *y = gate && up ? tape_tensor(t, up->rows, up->cols, needs(gate) || needs(up)) : NULL;
	if (y == NULL)
		return NULL;
	Gated s = {gate, up, y, forward, backward};
	tape_spread(t, y->rows, PART, gated_rows, &s);
	if (needs(y))
		tape_record(t, y, gated_back, &s, sizeof s);
	return y;
}

Tensor *tape_swiglu(Tape *t, Tensor *gate, Tensor *up)
{
	return gated(t, gate, up, swiglu_forward, swiglu_backward);
}

Tensor *tape_geglu(Tape *t, Tensor *gate, Tensor *up)
{
	return gated(t, gate, up, geglu_forward, geglu_backward);
}

typedef struct {
	Tensor *x, *y;
	float scale;
} Scaled;

static void scale_backward(Tape *t, const void *context)
{
	const Scaled *s = context;
	float *dx = tape_gradient(t, s->x, NULL);
	if (dx != NULL)
		vector_add_scaled(dx, s->scale, s->y->gradient, s->y->rows * s->y->cols);
}

Tensor *tape_scale(Tape *t, Tensor *x, float scale)
{
	if (scale == 1 || x == NULL)
		return x;
	Tensor *y = tape_tensor(t, x->rows, x->cols, needs(x));
	if (y == NULL)
		return NULL;
	memset(y->value, 0, y->rows * y->cols * sizeof(float));
	vector_add_scaled(y->value, scale, x->value, y->rows * y->cols);
	if (needs(y))
		tape_record(t, y, scale_backward, &(Scaled){x, y, scale}, sizeof(Scaled));
	return y;
}

/* y = f(x), element by element. */
typedef struct {
	Tensor *x, *y;
	void (*backward)(const float *x, const float *dy, size_t n, float *dx);
} Unary;

static void unary_back(Tape *t, const void *context)
{
	const Unary *u = context;
	float *dx = tape_gradient(t, u->x, NULL);
	if (dx != NULL)
		u->backward(u->x->value, u->y->gradient, u->y->rows * u->y->cols, dx);
}

static Tensor *unary(Tape *t, Tensor *x, void (*forward)(const float *x, size_t n, float *y),
                     void (*backward)(const float *x, const float *dy, size_t n, float *dx))
{
	Tensor *y = x ? tape_tensor(t, x->rows, x->cols, needs(x)) : NULL;
	if (y == NULL)
		return NULL;
	forward(x->value, y->rows * y->cols, y->value);
	if (needs(y))
		tape_record(t, y, unary_back, &(Unary){x, y, backward}, sizeof(Unary));
	return y;
}

Tensor *tape_silu(Tape *t, Tensor *x)
{
	return unary(t, x, silu_forward, silu_backward);
}

Tensor *tape_gelu(Tape *t, Tensor *x)
{
	return unary(t, x, gelu_forward, gelu_backward);
}

typedef struct {
	Tensor *x, *z, *y;
	float rate;
	uint32_t key;
} Residual;

static void residual_backward(Tape *t, const void *context)
{
	const Residual *r = context;
	size_t n = r->y->rows * r->y->cols;
	float *dz = tape_gradient(t, r->z, NULL);
	if (dz != NULL && r->rate > 0)
		dropout_backward(r->y->gradient, r->rate, r->key, n, dz);
	else if (dz != NULL)
		vector_add(dz, r->y->gradient, n);
	if (r->x != NULL)
		tape_pass_gradient(t, r->y, r->x);
}

static void add_rows(void *context, size_t first, size_t count)
{
	const Residual *r = context;
	size_t at = first * r->y->cols, n = count * r->y->cols;
	memcpy(r->y->value + at, (r->x ? r->x : r->z)->value + at, n * sizeof(float));
	if (r->x != NULL)
		vector_add(r->y->value + at, r->z->value + at, n);
}

/* y = x + dropout(z); x NULL: dropout alone. */
static Tensor *add_dropped(Tape *t, Tensor *x, Tensor *z, float rate)
{
	Tensor *y = z ? tape_tensor(t, z->rows, z->cols, needs(z) || (x && needs(x))) : NULL;
	if (y == NULL)
		return NULL;
	Residual r = {x, z, y, t->training ? rate : 0, 0};
	if (r.rate > 0) {
		r.key = (uint32_t)random_bits(t->random_key, t->random_count++);
		dropout_forward(x ? x->value : NULL, z->value, rate, r.key, y->rows * y->cols, y->value);
	} else {
		tape_spread(t, y->rows, PART, add_rows, &r);
	}
	if (needs(y))
		tape_record(t, y, residual_backward, &r, sizeof r);
	return y;
}

Tensor *tape_residual(Tape *t, Tensor *x, Tensor *z, float rate)
{
	return x ? add_dropped(t, x, z, rate) : NULL;
}

Tensor *tape_dropout(Tape *t, Tensor *x, float rate)
{
	return t->training && rate > 0 ? add_dropped(t, NULL, x, rate) : x;
}

typedef struct {
	Tensor *x, *z, *y;
	Parameter *alpha;
} Gate;

static void gate_backward(Tape *t, const void *context)
{
	const Gate *g = context;
	size_t n = g->y->rows * g->y->cols;
	float gate = tanhf(g->alpha->value[0]), *dalpha = gradient_of(t, g->alpha);
	float *dz = tape_gradient(t, g->z, NULL);
	if (dz != NULL)
		vector_add_scaled(dz, gate, g->y->gradient, n);
	if (dalpha != NULL)
		*dalpha += (1 - gate * gate) * vector_dot(g->y->gradient, g->z->value, n);
	tape_pass_gradient(t, g->y, g->x);
}

Tensor *tape_gated_residual(Tape *t, Tensor *x, Tensor *z, Parameter *alpha)
{
	Tensor *y = x && z ? tape_tensor(t, x->rows, x->cols, needs(x) || needs(z) || alpha->trains) : NULL;
	if (y == NULL)
		return NULL;
	float gate = tanhf(alpha->value[0]);
	memcpy(y->value, x->value, x->rows * x->cols * sizeof(float));
	if (gate != 0) /* a closed gate lets nothing through, not even a changed -0 or a NaN */
		vector_add_scaled(y->value, gate, z->value, x->rows * x->cols);
	if (needs(y))
		tape_record(t, y, gate_backward, &(Gate){x, z, y, alpha}, sizeof(Gate));
	return y;
}

typedef struct {
	Tensor *y;
	Parameter *b;
	size_t times;
} Tiled;

static void tile_backward(Tape *t, const void *context)
{
	const Tiled *d = context;
	float *db = gradient_of(t, d->b);
	for (size_t i = 0; i < d->times && db != NULL; i++)
		vector_add(db, d->y->gradient + i * d->b->count, d->b->count);
}

Tensor *tape_tile(Tape *t, Parameter *b, size_t times)
{
	Tensor *y = tape_tensor(t, b->rows * times, b->cols, b->trains);
	if (y == NULL)
		return NULL;
	for (size_t i = 0; i < times; i++)
		memcpy(y->value + i * b->count, b->value, b->count * sizeof(float));
	if (needs(y))
		tape_record(t, y, tile_backward, &(Tiled){y, b, times}, sizeof(Tiled));
	return y;
}

typedef struct {
	Tensor *x, *y;
	const int32_t *rows;
} Rows;

static void rows_backward(Tape *t, const void *context)
{
	const Rows *s = context;
	float *dx = tape_gradient(t, s->x, NULL);
	for (size_t i = 0; i < s->y->rows && dx != NULL; i++)
		vector_add(dx + (size_t)s->rows[i] * s->x->cols, s->y->gradient + i * s->x->cols, s->x->cols);
}

Tensor *tape_rows(Tape *t, Tensor *x, const int32_t *rows, size_t count)
{
	Tensor *y = x ? tape_tensor(t, count, x->cols, needs(x)) : NULL;
	if (y == NULL)
		return NULL;
	for (size_t i = 0; i < count; i++)
		memcpy(y->value + i * x->cols, x->value + (size_t)rows[i] * x->cols, x->cols * sizeof(float));
	if (needs(y))
		tape_record(t, y, rows_backward, &(Rows){x, y, rows}, sizeof(Rows));
	return y;
}

typedef struct {
	Tensor *x, *z;
	const int32_t *to, *from;
	size_t count;
} AddedRows;

static void added_rows_backward(Tape *t, const void *context)
{
	const AddedRows *a = context;
	size_t C = a->x->cols;
	float *dz = tape_gradient(t, a->z, NULL);
	for (size_t i = 0; dz != NULL && i < a->count; i++)
		vector_add(dz + (size_t)a->from[i] * C, a->x->gradient + (size_t)a->to[i] * C, C);
}

Tensor *tape_add_rows(Tape *t, Tensor *x, const int32_t *to, Tensor *z, const int32_t *from, size_t count)
{
	if (x == NULL || z == NULL)
		return NULL;
	size_t C = x->cols;
	for (size_t i = 0; i < count; i++)
		vector_add(x->value + (size_t)to[i] * C, z->value + (size_t)from[i] * C, C);
	if (needs(z)) {
		x->needs_gradient = true;
		tape_record(t, x, added_rows_backward, &(AddedRows){x, z, to, from, count},
		            sizeof(AddedRows));
	}
	return x;
}
