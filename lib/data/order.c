/* Who stays, and in what order. */
#include "data/preparation.h"

#include <string.h>

static bool count_items(const Preparation *p, uint8_t *keep, Error *e)
{
	size_t items = p->items.strings.count;
	uint32_t *counts = memory_new(items, sizeof *counts, e);
	if (counts == NULL)
		return false;
	for (size_t i = 0; i < p->events; i++)
		counts[p->event_items[i]]++;
	for (size_t i = ID_FIRST; i < items; i++) {
		keep[i] = counts[i] >= p->options->min_item_events;
		p->report->rare_items += !keep[i];
		p->report->rare_events += keep[i] ? 0 : counts[i];
	}
	memory_free(counts);
	return true;
}

/* A byte for every item: has it min_item_events?  Each has one. */
static uint8_t *select_items(const Preparation *p, Error *e)
{
	size_t items = p->items.strings.count;
	uint8_t *keep = memory_new(items, sizeof *keep, e);
	if (keep == NULL)
		return NULL;
	memset(keep, 1, items);
	if (p->options->min_item_events <= 1 || count_items(p, keep, e))
		return keep;
	memory_free(keep);
	return NULL;
}

/* Events of each user whose items stay; mostly many of one user together. */
static void count_events(const Preparation *p, const uint8_t *keep_item, uint32_t *counts)
{
	for (size_t i = 0; i < p->events;) {
		int32_t user = p->event_users[i];
		uint32_t count = 0;
		for (; i < p->events && p->event_users[i] == user; i++)
			count += keep_item[p->event_items[i]];
		counts[user] += count;
	}
}

/* The users that stay, and where the events of each start in the new order; starts[user] is
 * NOBODY for the others. */
#define NOBODY UINT32_MAX

static bool select_users(Preparation *p, const uint8_t *keep_item, uint32_t *starts, Users *u, Error *e)
{
	size_t users = p->users.strings.count, least = p->options->min_events, events = 0;
	if (p->options->split == SPLIT_WINDOW && least < p->options->window + 2)
		least = p->options->window + 2;
	count_events(p, keep_item, starts);
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
		p->report->training_users += count < 3 && p->options->split != SPLIT_NONE;
		u->offsets[++u->count] = (int64_t)events;
	}
	return true;
}

/* Whether all events stay and lie by user, who are numbered as they come, and what each has in a column can
 * be moved. */
static bool is_grouped(const Preparation *p, size_t kept)
{
	bool grouped = kept == p->events;
	for (size_t i = 0; i < p->schema->field_count; i++)
		grouped = grouped && (p->fields[i].of_item ||
		                      (!p->fields[i].column.text && !p->fields[i].column.multiple));
	for (size_t i = 1; i < p->events && grouped; i++)
		grouped = p->event_users[i - 1] <= p->event_users[i];
	return grouped;
}

/* Fills the order from where the events of each user start. */
static bool fill_order(Preparation *p, const uint8_t *keep_item, uint32_t *starts, Error *e)
{
	size_t capacity = 0;
	uint32_t **rows = &p->order.rows;
	if (!memory_grow(rows, &capacity, p->order.count, sizeof **rows, e))
		return false;
	for (size_t i = 0; i < p->events; i++) {
		uint32_t *next = &starts[p->event_users[i]];
		if (*next != NOBODY && keep_item[p->event_items[i]])
			(*rows)[(*next)++] = (uint32_t)i;
	}
	return true;
}

/* Events by user, in the order in which they came; where they lie so, there is no p->order.rows. */
static bool group_events(Preparation *p, Users *u, Error *e)
{
	uint8_t *keep_item = select_items(p, e);
	uint32_t *starts = keep_item ? memory_new(p->users.strings.count, sizeof *starts, e) : NULL;
	bool done = starts != NULL && select_users(p, keep_item, starts, u, e);
	if (done) {
		p->order.count = (size_t)u->offsets[u->count];
		done = is_grouped(p, p->order.count) || fill_order(p, keep_item, starts, e);
		memory_free(p->event_users);
		p->event_users = NULL;
	}
	memory_free(starts);
	memory_free(keep_item);
	return done;
}

typedef struct {
	uint64_t time; /* since the earliest of the user's */
	uint32_t event;
} Moment;

/* The moments in the order of their times, by one byte of them after the other (radix sort),
 * ties as they were; in `from` or in `to`, which is returned. */
static Moment *sort_moments(Moment *from, Moment *to, size_t count, uint64_t latest)
{
	for (int shift = 0; shift < 64 && latest >> shift > 0; shift += 8) {
		uint32_t starts[256] = {0}, sum = 0;
		for (size_t i = 0; i < count; i++)
			starts[from[i].time >> shift & 255]++;
		for (size_t b = 0; b < 256; b++) {
			uint32_t here = starts[b];
			starts[b] = sum;
			sum += here;
		}
		for (size_t i = 0; i < count; i++)
			to[starts[from[i].time >> shift & 255]++] = from[i];
		Moment *sorted = to;
		to = from;
		from = sorted;
	}
	return from;
}

/* Whether anything changed; `moments` has room for two of each event. */
static bool sort_user(const int64_t *times, uint32_t *order, size_t count, Moment *moments)
{
	bool sorted = true;
	int64_t first = times[order[0]], last = first;
	for (size_t i = 1; i < count; i++) {
		int64_t time = times[order[i]];
		sorted = sorted && times[order[i - 1]] <= time;
		first = time < first ? time : first;
		last = time > last ? time : last;
	}
	if (sorted)
		return false;
	for (size_t i = 0; i < count; i++)
		moments[i] = (Moment){(uint64_t)times[order[i]] - (uint64_t)first, order[i]};
	moments = sort_moments(moments, moments + count, count, (uint64_t)last - (uint64_t)first);
	for (size_t i = 0; i < count; i++)
		order[i] = moments[i].event;
	return true;
}

static void move_column(void *column, const uint32_t *order, size_t count, size_t width, void *room)
{
	order_gather(room, column, order, count, width);
	memcpy(column, room, count * width);
}

/* A user's events, which lie together from `first` on, with all that they have. */
static void sort_in_place(const Preparation *p, size_t first, size_t count, uint32_t *order, Moment *moments)
{
	for (size_t i = 0; i < count; i++)
		order[i] = (uint32_t)i;
	if (!sort_user(p->event_times + first, order, count, moments))
		return;
	move_column(p->event_times + first, order, count, sizeof *p->event_times, moments);
	move_column(p->event_items + first, order, count, sizeof *p->event_items, moments);
	for (size_t i = 0; i < p->schema->field_count; i++)
		if (!p->fields[i].of_item) {
			int32_t *ids = p->fields[i].column.lists.values + first;
			move_column(ids, order, count, sizeof *ids, moments);
		}
}

/* A task sorts these many users. */
enum { SORT_USERS = 512 };

typedef struct {
	const Preparation *p;
	const Users *users;
	Error *errors; /* of each task */
} Sorting;

static void sort_task(void *context, size_t task)
{
	const Sorting *s = context;
	const int64_t *offsets = s->users->offsets;
	size_t first = task * SORT_USERS, end = first + SORT_USERS, most = 0;
	if (end > s->users->count)
		end = s->users->count;
	for (size_t u = first; u < end; u++)
		if ((size_t)(offsets[u + 1] - offsets[u]) > most)
			most = (size_t)(offsets[u + 1] - offsets[u]);
	uint32_t *rows = s->p->order.rows,
	         *order = memory_new(rows ? 1 : most, sizeof *order, &s->errors[task]);
	Moment *moments = memory_new(2 * most, sizeof *moments, &s->errors[task]);
	for (size_t u = first; order != NULL && moments != NULL && u < end; u++) {
		size_t count = (size_t)(offsets[u + 1] - offsets[u]);
		if (rows != NULL)
			(void)sort_user(s->p->event_times, rows + offsets[u], count, moments);
		else
			sort_in_place(s->p, (size_t)offsets[u], count, order, moments);
	}
	memory_free(moments);
	memory_free(order);
}

static bool sort_events(Preparation *p, const Users *u, Error *e)
{
	if (!p->has_time || p->options->sorted)
		return true;
	size_t tasks = (u->count + SORT_USERS - 1) / SORT_USERS;
	Sorting s = {p, u, memory_new(tasks, sizeof *s.errors, e)};
	if (s.errors == NULL)
		return false;
	pool_run(p->options->pool, tasks, sort_task, &s);
	bool done = fail_first(s.errors, tasks, e);
	memory_free(s.errors);
	return done;
}

bool order_events(Preparation *p, Users *u, Error *e)
{
	return group_events(p, u, e) && sort_events(p, u, e);
}
