#include "nn/ops.h"

#include "math/gemm.h"
#include "math/vector.h"

#include <math.h>
#include <string.h>

/* The parameter's gradient in the tape's lane, or NULL where it does not train. */
static float *gradient_of(Tape *t, Parameter *p)
{
	return p->trains ? parameter_gradient(p, t->lane, &t->error) : NULL;
}

/* How many of two gradients are asked for: each is a product as large as the one that it is of. */
static size_t wanted(const float *dx, const float *dw)
{
	return (size_t)(dx != NULL) + (dw != NULL);
}

/* Rows that are worth a thread of their own. */
enum { PART = 16 };

static bool needs(const Tensor *x)
{
	return x->needs_gradient;
}

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

bool rotary_new(Rotary *r, const RotaryShape *s, size_t positions, Error *e)
{
	size_t count, pairs = s->turned / 2;
	*r = (Rotary){.D = s->D, .positions = positions};
	if (!memory_product(positions, pairs, &count, e) ||
	    (r->cosine = memory_new(count, sizeof(float), e)) == NULL ||
	    (r->sine = memory_new(count, sizeof(float), e)) == NULL)
		return false;
	for (size_t i = 0; i < pairs; i++) {
		double divisor = s->scaling * (s->divisors ? (double)s->divisors[i] : 1);
		double frequency = pow(s->base, -2.0 * (double)i / (double)s->turned) / divisor;
		for (size_t position = 0; position < positions; position++) {
			r->cosine[position * pairs + i] = (float)cos((double)position * frequency);
			r->sine[position * pairs + i] = (float)sin((double)position * frequency);
		}
	}
	r->tables = (RotaryTables){s->D, s->turned, s->halves, r->cosine, r->sine};
	return true;
}

void rotary_free(Rotary *r)
{
	memory_free(r->cosine);
	memory_free(r->sine);
	*r = (Rotary){0};
}

typedef struct {
	Tensor *x;
	const Rotary *rotary;
	const int32_t *positions;
} Turn;

static void turn_rows(void *context, size_t first, size_t count)
{
	const Turn *u = context;
	const Rotary *r = u->rotary;
	rotary_apply(u->x->value + first * u->x->cols, count, u->x->cols / r->D, &r->tables,
	             u->positions + first, 1);
}

static void rotary_backward(Tape *t, const void *context)
{
	const Turn *u = context;
	const Rotary *r = u->rotary;
	(void)t;
	rotary_apply(u->x->gradient, u->x->rows, u->x->cols / r->D, &r->tables, u->positions, -1);
}

Tensor *tape_rotary(Tape *t, Tensor *x, const Rotary *rotary, const int32_t *positions)
{
	if (x == NULL)
		return NULL;
	Turn u = {x, rotary, positions};
	tape_spread(t, x->rows, PART, turn_rows, &u);
	if (needs(x))
		tape_record(t, x, rotary_backward, &u, sizeof u);
	return x;
}

typedef struct {
	Attention a;
	Tensor *q, *k, *v, *y;
	Parameter *position, *time;
} Attended;

/* So many products of each query and key that meet, in each head. */
static void count_attention(Tape *t, const Attention *a, size_t products)
{
	if (t->profile != NULL)
		profile_product(t->profile, attention_pairs(a), a->heads * a->D, products);
}

static void attention_back(Tape *t, const void *context)
{
	const Attended *d = context;
	AttentionGradients gradients = {
	    tape_gradient(t, d->q, NULL),
	    tape_gradient(t, d->k, NULL),
	    tape_gradient(t, d->v, NULL),
	    d->position ? gradient_of(t, d->position) : NULL,
	    d->time ? gradient_of(t, d->time) : NULL,
	};
	/* Scores anew, dP, and what is wanted. */
	size_t products = 2 + wanted(gradients.q, gradients.k) + wanted(gradients.v, NULL);
	count_attention(t, &d->a, products);
	if (t->error.code == ERROR_NONE)
		attention_backward(&d->a, d->y->gradient, &gradients, &t->scratch, &t->error);
}

/* Heads by parts, each in room of its own. */
typedef struct {
	const Attention *a;
	AttentionRoom *rooms; /* by head */
} Heads;

static void attend_heads(void *context, size_t first, size_t count)
{
	const Heads *h = context;
	attention_forward_heads(h->a, first, count, &h->rooms[first]);
}

static bool attend(Tape *t, const Attention *a)
{
	if (t->pool == NULL)
		return attention_forward(a, &t->scratch, &t->error);
	ArenaMark mark = arena_mark(&t->scratch);
	AttentionRoom *rooms = arena_new(&t->scratch, a->heads, sizeof *rooms, &t->error);
	for (size_t head = 0; rooms != NULL && head < a->heads; head++)
		if (!attention_room(a, &rooms[head], &t->scratch, &t->error))
			return false;
	if (rooms != NULL)
		tape_spread(t, a->heads, 1, attend_heads, &(Heads){a, rooms});
	arena_rewind(&t->scratch, mark);
	return rooms != NULL;
}

static bool trains(const Parameter *p)
{
	return p != NULL && p->trains;
}

Tensor *tape_attention(Tape *t, Tensor *q, Tensor *k, Tensor *v, size_t heads, size_t kv_heads,
                       const AttentionSegment *segments, size_t count, const AttentionTerms *terms)
{
	AttentionTerms plain = {0};
	terms = terms ? terms : &plain;
	bool records = q && k && v &&
	               (needs(q) || needs(k) || needs(v) || trains(terms->position) || trains(terms->time));
	Tensor *y = q && k && v ? tape_tensor(t, q->rows, q->cols, records) : NULL;
	float *lse = y ? arena_new(&t->arena, q->rows * heads, sizeof *lse, &t->error) : NULL;
	if (lse == NULL)
		return NULL;
	size_t D = q->cols / heads;
	Attended d = {.a = {.precision = t->precision,
	                    .kind = terms->kind,
	                    .heads = heads,
	                    .kv_heads = kv_heads,
	                    .D = D,
	                    .scale = terms->scale > 0                   ? terms->scale
	                             : terms->kind == ATTENTION_SOFTMAX ? 1 / sqrtf((float)D)
	                                                                : 1,
	                    .cap = terms->cap,
	                    .window = terms->window,
	                    .bias = {.distances = terms->position ? terms->position->cols : 0,
	                             .origin = terms->origin,
	                             .position = terms->position ? terms->position->value : NULL,
	                             .time = terms->time ? terms->time->value : NULL,
	                             .query_times = terms->query_times,
	                             .key_times = terms->key_times},
	                    .segments = segments,
	                    .segment_count = count,
	                    .q = q->value,
	                    .k = k->value,
	                    .v = v->value,
	                    .o = y->value,
	                    .lse = lse},
	              .q = q,
	              .k = k,
	              .v = v,
	              .y = y,
	              .position = terms->position,
	              .time = terms->time};
	count_attention(t, &d.a, 2);
	if (!attend(t, &d.a))
		return NULL;
	if (needs(y))
		tape_record(t, y, attention_back, &d, sizeof d);
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
