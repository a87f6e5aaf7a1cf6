#include "user/ranking.h"

#include <math.h>
#include <string.h>

/* Counts the pairs (item, next item) of the training events, or with `fill` stores them. */
static void pair_followers(BaselineRanker *b, const Users *users, int64_t *next)
{
	for (size_t user = 0; user < users->count; user++) {
		Segment s = dataset_segment(b->data, users, user, PART_TRAIN);
		for (size_t event = s.first; event + 1 < s.end; event++) {
			int32_t item = users->items[event];
			if (next == NULL)
				b->offsets[item + 1]++;
			else
				b->followers[next[item]++] = users->items[event + 1];
		}
	}
}

bool baseline_new(BaselineRanker *b, const Dataset *data, const Users *users, bool co_occurrence, Error *e)
{
	size_t V = data->items.strings.count;
	*b = (BaselineRanker){.data = data, .co_occurrence = co_occurrence};
	b->popularity = memory_new(V, sizeof *b->popularity, e);
	b->offsets = memory_new(V + 1, sizeof *b->offsets, e);
	if (b->popularity == NULL || b->offsets == NULL)
		return false;
	for (size_t user = 0; user < users->count; user++) {
		Segment s = dataset_segment(data, users, user, PART_TRAIN);
		for (size_t event = s.first; event < s.end; event++)
			b->popularity[users->items[event]]++;
	}
	pair_followers(b, users, NULL);
	for (size_t i = 0; i < V; i++)
		b->offsets[i + 1] += b->offsets[i];
	int64_t *next = memory_new(V + 1, sizeof *next, e);
	b->followers = memory_new((size_t)b->offsets[V], sizeof *b->followers, e);
	if (next != NULL && b->followers != NULL) {
		memcpy(next, b->offsets, (V + 1) * sizeof *next);
		pair_followers(b, users, next);
	}
	memory_free(next);
	return next != NULL && b->followers != NULL;
}

void baseline_free(BaselineRanker *b)
{
	memory_free(b->popularity);
	memory_free(b->offsets);
	memory_free(b->followers);
	*b = (BaselineRanker){0};
}

static bool rank_by_counts(void *context, Tape *t, const Query *queries, size_t count, size_t K,
                           Ranking *answers, Error *e)
{
	const BaselineRanker *b = context;
	size_t V = b->data->items.strings.count;
	/* Popularity below 1 breaks ties among counts of followers. */
	float share = 1;
	for (size_t id = 0; id < V && b->co_occurrence; id++)
		share = fmaxf(share, b->popularity[id] + 1);
	float *scores = arena_new(&t->arena, V, sizeof *scores, e);
	if (scores == NULL)
		return false;
	for (size_t i = 0; i < count; i++) {
		const Query *q = &queries[i];
		size_t first = (size_t)q->users->offsets[q->user];
		for (size_t id = 0; id < V; id++)
			scores[id] = id < (size_t)ID_FIRST ? -INFINITY : b->popularity[id] / share;
		if (b->co_occurrence && q->history.end > first) {
			int32_t last = q->users->items[q->history.end - 1];
			for (int64_t k = b->offsets[last]; k < b->offsets[last + 1]; k++)
				scores[b->followers[k]]++;
		}
		ranking_fill(&answers[i], scores, V, q->users->items + first,
		             b->keep_seen ? 0 : q->history.end - first, q->target, K);
	}
	return true;
}

Ranker baseline_ranker(BaselineRanker *context)
{
	return (Ranker){context, context->data, 64, rank_by_counts};
}
