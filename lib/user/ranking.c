#include "user/ranking.h"

#include "eval/metrics.h"
#include "math/vector.h"

#include <math.h>
#include <string.h>

bool query_of(const Dataset *data, const Users *users, size_t user, Part part, Query *q)
{
	size_t first = (size_t)users->offsets[user], end = (size_t)users->offsets[user + 1];
	*q = (Query){.users = users, .user = user, .history = {first, end, false}, .target = ID_PADDING};
	if (part == PART_ALL)
		return end > first;
	Segment s = dataset_segment(data, users, user, part);
	if (part == PART_TRAIN && s.end - s.first >= 2)
		s = (Segment){s.first, s.end - 1, true};
	q->history = s;
	if (s.has_target)
		q->target = users->items[s.end];
	return s.has_target;
}

/* The best so far are a binary heap with the worst of them on top: that of the lowest score, among equals of
 * the highest id. */
static bool is_worse(const Ranking *r, size_t i, size_t j)
{
	return r->scores[i] < r->scores[j] || (r->scores[i] == r->scores[j] && r->items[i] > r->items[j]);
}

static void swap_places(Ranking *r, size_t i, size_t j)
{
	float score = r->scores[i];
	int32_t item = r->items[i];
	r->scores[i] = r->scores[j];
	r->items[i] = r->items[j];
	r->scores[j] = score;
	r->items[j] = item;
}

static void sink(Ranking *r, size_t place, size_t count)
{
	for (size_t child; (child = 2 * place + 1) < count; place = child) {
		child += child + 1 < count && is_worse(r, child + 1, child);
		if (!is_worse(r, child, place))
			return;
		swap_places(r, child, place);
	}
}

/* Items come by rising id: of equals the first stays. */
static void keep_best(Ranking *r, size_t K, int32_t item, float score)
{
	bool full = r->count == K;
	if (full && score <= r->scores[0])
		return;
	size_t place = full ? 0 : r->count++;
	r->scores[place] = score;
	r->items[place] = item;
	if (full)
		sink(r, 0, K);
	for (; place > 0 && is_worse(r, place, (place - 1) / 2); place = (place - 1) / 2)
		swap_places(r, place, (place - 1) / 2);
}

static void sort_best(Ranking *r)
{
	for (size_t count = r->count; count > 1;) {
		swap_places(r, 0, --count);
		sink(r, 0, count);
	}
}

void ranking_fill(Ranking *r, float *scores, size_t V, const int32_t *seen, size_t seen_count, int32_t target,
                  size_t K)
{
	for (size_t i = 0; i < seen_count; i++)
		scores[seen[i]] = -INFINITY;
	r->count = 0;
	r->rank = RANK_NONE;
	for (size_t id = 0; id < V && K > 0; id++)
		if (scores[id] > -INFINITY)
			keep_best(r, K, (int32_t)id, scores[id]);
	sort_best(r);
	if (target < ID_FIRST || !(scores[target] > -INFINITY))
		return;
	r->rank = 1;
	for (size_t id = 0; id < V; id++)
		r->rank +=
		    scores[id] > scores[target] || (scores[id] == scores[target] && id < (size_t)target);
}

void rankings_free(Rankings *r)
{
	memory_free(r->queries);
	memory_free(r->answers);
	memory_free(r->items);
	memory_free(r->scores);
	*r = (Rankings){0};
}

typedef struct {
	const Ranker *ranker;
	Rankings *out;
	size_t K;
	Profile profiles[LANES];
	Error errors[LANES];
} Walk;

static void walk_lane(void *context, size_t lane)
{
	Walk *w = context;
	Tape tape = {.profile = w->ranker->profile ? &w->profiles[lane] : NULL};
	Error *e = &w->errors[lane];
	size_t group = w->ranker->group;
	profile_enter(tape.profile, PHASE_NONE, 0);
	for (size_t first = lane * group; first < w->out->count && e->code == ERROR_NONE;
	     first += LANES * group) {
		size_t left = w->out->count - first;
		tape_reset(&tape, false, 0);
		w->ranker->rank(w->ranker->context, &tape, w->out->queries + first,
		                left < group ? left : group, w->K, w->out->answers + first, e);
		profile_enter(tape.profile, PHASE_NONE, 0);
	}
	tape_free(&tape);
}

static bool make_room(Rankings *r, size_t users, size_t K, Error *e)
{
	size_t places;
	return memory_product(users, K, &places, e) &&
	       (r->queries = memory_new(users, sizeof *r->queries, e)) != NULL &&
	       (r->answers = memory_new(users, sizeof *r->answers, e)) != NULL &&
	       (r->items = memory_new(places, sizeof *r->items, e)) != NULL &&
	       (r->scores = memory_new(places, sizeof *r->scores, e)) != NULL;
}

bool rank_users(const Ranker *ranker, const Dataset *data, const Users *users, Part part, size_t K,
                size_t most, size_t *next, Pool *pool, Rankings *out, Error *e)
{
	size_t items = ranker->catalogue->items.strings.count;
	*out = (Rankings){0};
	K = K < items ? K : items;
	size_t left = users->count - *next;
	if (!make_room(out, left < most ? left : most, K, e)) {
		rankings_free(out);
		return false;
	}
	for (; *next < users->count && out->count < most; ++*next)
		if (query_of(data, users, *next, part, &out->queries[out->count])) {
			out->answers[out->count] = (Ranking){.items = out->items + out->count * K,
			                                     .scores = out->scores + out->count * K};
			out->count++;
		}
	Walk walk = {.ranker = ranker, .out = out, .K = K};
	profile_enter(ranker->profile, PHASE_NONE, 0);
	pool_run(pool, LANES, walk_lane, &walk);
	profile_gather(ranker->profile, walk.profiles, LANES);
	if (fail_first(walk.errors, LANES, e))
		return true;
	rankings_free(out);
	return false;
}

/* Of the one history of a batch the last row asks. */
static bool ask_at(EventBatch *b, int64_t time, Arena *arena, Error *e)
{
	int64_t *times = arena_new(arena, b->rows, sizeof *times, e);
	if (times == NULL || b->rows == 0 || b->query_times == NULL)
		return times != NULL;
	memcpy(times, b->query_times, b->rows * sizeof *times);
	times[b->rows - 1] = time;
	b->query_times = times;
	return true;
}

/* One history a pass: an answer must not depend on who else asks. */
static bool rank_by_encoder(void *context, Tape *t, const Query *queries, size_t count, size_t K,
                            Ranking *answers, Error *e)
{
	const EncoderRanker *r = context;
	const Encoder *m = r->encoder;
	size_t V = m->tables[0]->rows;
	for (size_t i = 0; i < count; i++) {
		const Query *q = &queries[i];
		size_t first = (size_t)q->users->offsets[q->user],
		       had = r->keep_seen ? 0 : q->history.end - first;
		EventBatch batch;
		tape_reset(t, false, 0);
		t->precision = r->precision;
		float *scores = arena_new(&t->arena, V, sizeof *scores, e);
		int32_t *seen = arena_new(&t->arena, had, sizeof *seen, e);
		if (scores == NULL || seen == NULL ||
		    !batch_questions(&batch, r->translation, q->users, &q->history, 1, &t->arena, e))
			return false;
		if (r->asked_at != NULL && !ask_at(&batch, *r->asked_at, &t->arena, e))
			return false;
		const Tensor *h = encoder_forward(t, m, &batch);
		if (h == NULL) {
			*e = t->error;
			return false;
		}
		profile_enter(t->profile, PHASE_RANK, 1);
		profile_product(t->profile, 1, r->items.packed.n, r->items.packed.k);
		for (size_t k = 0; k < had; k++)
			seen[k] = r->translation->ids[0][q->users->items[first + k]];
		item_scores(&r->items, r->precision, h->value + (h->rows - 1) * h->cols, 1, scores);
		if (!vector_finite(scores + ID_FIRST, V - ID_FIRST))
			return fail(e, ERROR_MALFORMED,
			            "the encoder gives no numbers: are its weights damaged?");
		ranking_fill(&answers[i], scores, V, seen, had, r->translation->ids[0][q->target], K);
	}
	return true;
}

bool encoder_ranker_start(EncoderRanker *r, Pool *pool, Error *e)
{
	const Parameter *tower = r->encoder->tower;
	profile_enter(r->profile, PHASE_RANK, 0);
	if (tower != NULL)
		profile_product(r->profile, r->encoder->output->rows, tower->rows, tower->cols);
	bool done = item_vectors_new(&r->items, r->encoder, r->precision, pool, e) &&
	            item_vectors_lay_out(&r->items, r->precision, e);
	profile_enter(r->profile, PHASE_NONE, 0);
	return done;
}

void encoder_ranker_free(EncoderRanker *r)
{
	item_vectors_free(&r->items);
}

Ranker encoder_ranker(EncoderRanker *context)
{
	return (Ranker){context, context->encoder->catalogue, 1, rank_by_encoder};
}
