#include "user/histories.h"

static bool add(Histories *h, size_t first, size_t end, size_t newest, Error *e)
{
	if (!memory_grow(&h->items, &h->capacity, h->count + 1, sizeof *h->items, e))
		return false;
	h->items[h->count++] = (History){{first, end, true}, newest};
	return true;
}

/* Of a user with the inputs [first, newest). */
static bool add_cut(Histories *h, size_t first, size_t newest, size_t length, Random *random, Error *e)
{
	size_t inputs = newest - first;
	size_t end = first + (inputs <= length ? inputs : 1 + (size_t)random_below(random, length));
	while (first < newest) {
		if (!add(h, first, end, newest, e))
			return false;
		first = end;
		end = newest - end > length ? end + length : newest;
	}
	return true;
}

static bool add_sliding(Histories *h, size_t first, size_t newest, const Sequencing *how, Error *e)
{
	size_t end = newest;
	for (; end - first > how->length; end -= how->stride)
		if (!add(h, end - how->length, end, newest, e))
			return false;
	return add(h, first, end, newest, e);
}

static bool add_user(Histories *h, Segment s, const Sequencing *how, Random *random, Error *e)
{
	if (s.end - s.first < 2)
		return true;
	size_t newest = s.end - 1; /* a target only */
	switch (how->kind) {
	case SEQUENCES_LAST:
		return add(h, newest - s.first > how->length ? newest - how->length : s.first, newest, newest,
		           e);
	case SEQUENCES_SLIDING:
		return add_sliding(h, s.first, newest, how, e);
	case SEQUENCES_CUT:
		break;
	}
	return add_cut(h, s.first, newest, how->length, random, e);
}

bool histories_make(Histories *h, const Dataset *data, const Users *users, const Sequencing *how,
                    uint64_t key, Error *e)
{
	Random random = {key, 0};
	h->count = 0;
	for (size_t user = 0; user < users->count; user++)
		if (!add_user(h, dataset_segment(data, users, user, PART_TRAIN), how, &random, e))
			return false;
	if (h->count > UINT32_MAX)
		return fail(e, ERROR_FAILURE, "more than %u histories", UINT32_MAX);
	if (!memory_grow(&h->order, &h->order_capacity, h->count, sizeof *h->order, e))
		return false;
	for (size_t i = 0; i < h->count; i++)
		h->order[i] = (uint32_t)i;
	random_shuffle(&random, h->order, h->count);
	return true;
}

void histories_free(Histories *h)
{
	memory_free(h->items);
	memory_free(h->order);
	*h = (Histories){0};
}
