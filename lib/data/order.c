/* Who stays, and in what order. */
#include "data/preparation.h"

#include <stdlib.h>

/* A byte for every item: has it min_item_events? */
static uint8_t *select_items(Preparation *p, Error *e)
{
	size_t items = p->items.strings.count;
	uint8_t *keep = memory_new(items, sizeof *keep, e);
	uint32_t *counts = memory_new(items, sizeof *counts, e);
	if (keep != NULL && counts != NULL) {
		for (size_t i = 0; i < p->events; i++)
			counts[p->event_items[i]]++;
		for (size_t i = ID_FIRST; i < items; i++) {
			keep[i] = counts[i] >= p->options->min_item_events;
			p->report->rare_items += !keep[i];
			p->report->rare_events += keep[i] ? 0 : counts[i];
		}
		memory_free(counts);
		return keep;
	}
	memory_free(keep);
	memory_free(counts);
	return NULL;
}

/* The users that stay, and where the events of each start in the new order; starts[user] is
 * NOBODY for the others. */
#define NOBODY UINT32_MAX

static bool select_users(Preparation *p, const uint8_t *keep_item, uint32_t *starts, Users *u, Error *e)
{
	size_t users = p->users.strings.count, least = p->options->min_events, events = 0;
	if (p->options->split == SPLIT_WINDOW && least < p->options->window + 2)
		least = p->options->window + 2;
	for (size_t i = 0; i < p->events; i++)
		starts[p->event_users[i]] += keep_item[p->event_items[i]];
	memory_free(u->offsets);
	u->offsets = memory_new(users + 1, sizeof *u->offsets, e);
	if (u->offsets == NULL)
		return false;
	for (size_t user = ID_FIRST; user < users; user++) {
		uint32_t count = starts[user];
		bool keep = count > 0 && count >= least;
		starts[user] = keep ? (uint32_t)events : NOBODY;
		if (!keep) {
			p->report->short_users++;
			p->report->short_events += count;
			continue;
		}
		Text id = strings_at(&p->users.strings, user);
		if (!strings_append(&u->ids, id.data, id.size, e))
			return false;
		events += count;
		p->report->training_users += count < 3;
		u->offsets[++u->count] = (int64_t)events;
	}
	return true;
}

/* Events by user, in the order in which they came. */
static bool group_events(Preparation *p, Users *u, Error *e)
{
	uint8_t *keep_item = select_items(p, e);
	uint32_t *starts = keep_item ? memory_new(p->users.strings.count, sizeof *starts, e) : NULL;
	bool done = starts != NULL && select_users(p, keep_item, starts, u, e) &&
	            (p->order = memory_new((size_t)u->offsets[u->count], sizeof *p->order, e)) != NULL;
	for (size_t i = 0; done && i < p->events; i++) {
		uint32_t *next = &starts[p->event_users[i]];
		if (*next != NOBODY && keep_item[p->event_items[i]])
			p->order[(*next)++] = (uint32_t)i;
	}
	memory_free(starts);
	memory_free(keep_item);
	return done;
}

typedef struct {
	int64_t time;
	uint32_t event;
} Moment;

static int compare_moments(const void *a, const void *b)
{
	const Moment *x = a, *y = b;
	if (x->time != y->time)
		return x->time < y->time ? -1 : 1;
	return (x->event > y->event) - (x->event < y->event); /* ties keep the order of the file */
}

static void sort_user(const Preparation *p, uint32_t *order, size_t count, Moment *moments)
{
	bool sorted = true;
	for (size_t i = 0; i < count; i++) {
		moments[i] = (Moment){p->event_times[order[i]], order[i]};
		sorted = sorted && (i == 0 || moments[i - 1].time <= moments[i].time);
	}
	if (sorted)
		return;
	qsort(moments, count, sizeof *moments, compare_moments);
	for (size_t i = 0; i < count; i++)
		order[i] = moments[i].event;
}

static bool sort_events(Preparation *p, const Users *u, Error *e)
{
	size_t most = 0;
	if (!p->has_time || p->options->sorted)
		return true;
	for (size_t i = 0; i < u->count; i++)
		if ((size_t)(u->offsets[i + 1] - u->offsets[i]) > most)
			most = (size_t)(u->offsets[i + 1] - u->offsets[i]);
	Moment *moments = memory_new(most, sizeof *moments, e);
	for (size_t i = 0; moments != NULL && i < u->count; i++)
		sort_user(p, p->order + u->offsets[i], (size_t)(u->offsets[i + 1] - u->offsets[i]), moments);
	memory_free(moments);
	return moments != NULL;
}

bool order_events(Preparation *p, Users *u, Error *e)
{
	return group_events(p, u, e) && sort_events(p, u, e);
}
