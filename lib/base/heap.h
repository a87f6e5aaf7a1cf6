/* What is to be taken up next, the cheapest first (ties: the lower order): a binary heap. */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include "base/memory.h"

typedef struct {
	double cost;
	uint64_t order;
	int32_t id; /* this and the next are whatever the heap's user makes of them */
	uint32_t note;
} HeapItem;

typedef struct {
	HeapItem *items; /* the first is the next */
	size_t count, capacity;
} Heap;

bool heap_push(Heap *h, HeapItem item, Error *e);
HeapItem heap_pop(Heap *h); /* count > 0 */
void heap_free(Heap *h);

#endif
