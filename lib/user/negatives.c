#include "user/negatives.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
	uint64_t count;
	int32_t id;
} Popularity;

static int by_count(const void *a, const void *b)
{
	const Popularity *x = a, *y = b;
	if (x->count != y->count)
		return x->count > y->count ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

static void count_events(const Translation *t, const Users *users, Popularity *items)
{
	for (size_t user = 0; user < users->count; user++) {
		Segment s = dataset_segment(t->data, users, user, PART_TRAIN);
		for (size_t event = s.first; event < s.end; event++) {
			int32_t id = t->ids[0][users->items[event]];
			if (id >= ID_FIRST)
				items[id - ID_FIRST].count++;
		}
	}
}

bool negatives_new(Negatives *n, NegativeSampling sampling, const Translation *t, const Users *users,
                   Error *e)
{
	size_t items = t->encoder->catalogue->items.strings.count - ID_FIRST;
	Popularity *order = memory_new(items, sizeof *order, e);
	*n = (Negatives){.sampling = sampling,
	                 .items = items,
	                 .by_popularity = memory_new(items, sizeof *n->by_popularity, e),
	                 .share = memory_new(items + ID_FIRST, sizeof *n->share, e)};
	bool done = order != NULL && n->by_popularity != NULL && n->share != NULL;
	for (size_t i = 0; done && i < items; i++)
		order[i].id = (int32_t)i + ID_FIRST;
	if (done)
		count_events(t, users, order);
	if (done)
		qsort(order, items, sizeof *order, by_count);
	for (size_t i = 0; done && i < items; i++)
		n->by_popularity[i] = order[i].id;
	memory_free(order);
	return done;
}

void negatives_count(Negatives *n, const Translation *t, const Users *users, const Segment *targets,
                     size_t count)
{
	double all = 0;
	memset(n->share, 0, (n->items + ID_FIRST) * sizeof *n->share);
	for (size_t i = 0; i < count; i++)
		for (size_t event = targets[i].first; event < targets[i].end; event++) {
			n->share[t->ids[0][users->items[event]]]++;
			all++;
		}
	for (size_t id = 0; id < n->items + ID_FIRST; id++)
		n->share[id] /= all > 0 ? all : 1;
}

void negatives_free(Negatives *n)
{
	memory_free(n->by_popularity);
	memory_free(n->share);
	*n = (Negatives){0};
}

static int32_t draw_uniform(const Negatives *n, Random *random, double *share)
{
	*share = 1 / (double)n->items;
	return (int32_t)random_below(random, n->items) + ID_FIRST;
}

static int32_t draw_log_uniform(const Negatives *n, Random *random, double *share)
{
	double scale = log((double)n->items + 1);
	size_t rank = (size_t)(exp(random_uniform(random) * scale) - 1);
	rank = rank < n->items ? rank : n->items - 1;
	*share = log(((double)rank + 2) / ((double)rank + 1)) / scale;
	return n->by_popularity[rank];
}

static int32_t draw_target(const Negatives *n, Random *random, const StepTargets *t, double *share)
{
	size_t place = (size_t)random_below(random, t->starts[t->count]), low = 0, high = t->count;
	while (high - low > 1) {
		size_t middle = (low + high) / 2;
		if (t->starts[middle] <= place)
			low = middle;
		else
			high = middle;
	}
	size_t event = t->histories[low].first + place - t->starts[low] + t->ahead;
	int32_t id = t->translation->ids[0][t->users->items[event]];
	if (id < ID_FIRST || n->share[id] == 0)
		return draw_uniform(n, random, share);
	*share = n->share[id];
	return id;
}

void negatives_draw(const Negatives *n, Random *random, size_t count, const StepTargets *targets,
                    int32_t *ids, float *log_expected)
{
	for (size_t i = 0; i < count; i++) {
		double share;
		ids[i] = n->sampling == NEGATIVES_BATCH         ? draw_target(n, random, targets, &share)
		         : n->sampling == NEGATIVES_LOG_UNIFORM ? draw_log_uniform(n, random, &share)
		                                                : draw_uniform(n, random, &share);
		log_expected[i] = (float)log((double)count * share);
	}
}
