/* What is to be taken up next, the cheapest first (ties: the lower order): a binary heap. */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include "base/memory.h"

typedef struct {
	double cost;
	uint64_t order;
	uint32_t size; /* these two are whatever the user of the heap makes of them */
	int32_t id;
} Candidate;

typedef struct {
	Candidate *items;
	size_t count, capacity;
} Heap;

bool heap_push(Heap *h, Candidate c, Error *e);
Candidate heap_pop(Heap *h); /* count > 0 */
void heap_free(Heap *h);

#endif
