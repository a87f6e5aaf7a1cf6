#include "user/histories.h"

static bool cut(Histories *h, Segment s, size_t length, Random *random, Error *e)
{
	size_t inputs = s.end - s.first;
	if (inputs < 2)
		return true;
	inputs--; /* the last event is a target only */
	size_t end = s.first + (inputs <= length ? inputs : 1 + (size_t)random_below(random, length));
	for (size_t first = s.first; first < s.first + inputs;) {
		if (!memory_grow(&h->items, &h->capacity, h->count + 1, sizeof *h->items, e))
			return false;
		h->items[h->count++] = (Segment){first, end, true};
		first = end;
		end = end + length < s.first + inputs ? end + length : s.first + inputs;
	}
	return true;
}

bool histories_cut(Histories *h, const Dataset *data, const Users *users, size_t length, uint64_t key,
                   Error *e)
{
	Random random = {key, 0};
	h->count = 0;
	for (size_t user = 0; user < users->count; user++)
		if (!cut(h, dataset_segment(data, users, user, PART_TRAIN), length, &random, e))
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
