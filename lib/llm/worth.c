#include "llm/worth.h"

#include "llm/pieces.h"

/* Pieces are read together up to so many rows: enough to make products fast. */
enum { TOGETHER = 512 };

/* How many pieces from `first` on go together: at least one. */
static size_t batch_at(const Pieces *p, size_t first)
{
	size_t count = 0, rows = 0;
	while (first + count < p->count && (count == 0 || rows + piece_rows(p, first + count) <= TOGETHER))
		rows += piece_rows(p, first + count++);
	return count;
}

static bool read_batch(const Llm *m, Tape *t, const Pieces *p, size_t first, size_t count, double *nll)
{
	PieceBatch b;
	tape_reset(t, false, 0);
	if (!pieces_pack(p, NULL, first, count, &t->arena, &b, &t->error))
		return false;
	double *rows = arena_new(&t->arena, b.N, sizeof *rows, &t->error);
	Sequence s = {.positions = b.positions, .segments = b.segments, .segment_count = b.count};
	const Tensor *h = rows ? llm_forward(t, m, b.tokens, b.N, &s, NULL) : NULL;
	if (!llm_nll(t, m, h, b.next, rows))
		return false;
	for (size_t i = 0, row = 0; i < count; i++)
		for (size_t k = 0; k < piece_rows(p, first + i); k++)
			nll[i] += rows[row++];
	return true;
}

typedef struct {
	const Llm *llm;
	const Pieces *pieces;
	bool exact;
	double *nll; /* by piece */
	Error errors[LANES];
} Reading;

/* Every LANES-th batch. */
static void read_lane(void *context, size_t lane)
{
	Reading *r = context;
	Tape t = {.exact = r->exact};
	bool done = true;
	for (size_t first = 0, i = 0, count; done && first < r->pieces->count; first += count, i++) {
		count = batch_at(r->pieces, first);
		done = i % LANES != lane || read_batch(r->llm, &t, r->pieces, first, count, r->nll + first);
	}
	if (!done)
		r->errors[lane] = t.error;
	tape_free(&t);
}

static void add_up(const Pieces *p, const double *nll, size_t count, Worth *worth)
{
	for (size_t i = 0, piece = 0; i < count; i++)
		for (size_t k = 0; k < worth[i].pieces; k++, piece++) {
			worth[i].nll += nll[piece];
			worth[i].tokens += piece_rows(p, piece);
		}
}

bool llm_worth(const Llm *m, const Strings *texts, size_t first, size_t end, bool exact, Pool *pool,
               Worth *worth, Error *e)
{
	Pieces p = {0};
	bool done = true;
	for (size_t i = first; done && i < end; i++) {
		size_t before = p.count;
		done = pieces_add(&p, m->tokenizer, strings_at(texts, i), m->most_positions, false, e);
		worth[i - first] = (Worth){.pieces = p.count - before};
	}
	Reading r = {.llm = m, .pieces = &p, .exact = exact};
	done = done && (r.nll = memory_new(p.count, sizeof *r.nll, e)) != NULL;
	if (done)
		pool_run(pool, LANES, read_lane, &r);
	done = done && fail_first(r.errors, LANES, e);
	if (done)
		add_up(&p, r.nll, end - first, worth);
	memory_free(r.nll);
	pieces_free(&p);
	return done;
}
