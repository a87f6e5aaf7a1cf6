/* Attention, and the positions that heads are turned by. */
#include "nn/ops_internal.h"

#include <math.h>

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
