#include "base/heap.h"

static bool before(const HeapItem *a, const HeapItem *b)
{
	return a->cost < b->cost || (a->cost <= b->cost && a->order < b->order);
}

bool heap_push(Heap *h, HeapItem item, Error *e)
{
	if (!memory_grow(&h->items, &h->capacity, h->count + 1, sizeof *h->items, e))
		return false;
	size_t i = h->count++;
	for (; i > 0 && before(&item, &h->items[(i - 1) / 2]); i = (i - 1) / 2)
		h->items[i] = h->items[(i - 1) / 2];
	h->items[i] = item;
	return true;
}

HeapItem heap_pop(Heap *h)
{
	HeapItem best = h->items[0], last = h->items[--h->count];
	size_t i = 0, child;
	while ((child = 2 * i + 1) < h->count) {
		if (child + 1 < h->count && before(&h->items[child + 1], &h->items[child]))
			child++;
		if (!before(&h->items[child], &last))
			break;
		h->items[i] = h->items[child];
		i = child;
	}
	h->items[i] = last;
	return best;
}

void heap_free(Heap *h)
{
	memory_free(h->items);
	*h = (Heap){0};
}
