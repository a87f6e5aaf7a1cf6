/* The loop that all kinds of BPE share: of all neighbouring symbols that can be
 * merged, the cheapest pair first (ties: the leftmost), until none is left. */
#ifndef TEXT_MERGE_H
#define TEXT_MERGE_H

#include "base/heap.h"

enum { SYMBOL_END = UINT32_MAX };

typedef struct {
	int32_t id;
	uint32_t start, size;    /* in the text; size 0: merged into its neighbour */
	uint32_t previous, next; /* SYMBOL_END: none */
} Symbol;

/* Whether the two merge, into which id and at which cost. */
typedef bool (*MergeFind)(const void *context, const Symbol *left, const Symbol *right, double *cost,
                          int32_t *id);

/* Zeroed at first, and used again and again. */
typedef struct {
	Symbol *symbols;
	size_t count, capacity;
	Heap heap;
} Merging;

/* Appends a symbol to the list.  merging->count = 0 begins a new one. */
bool merge_symbol(Merging *m, int32_t id, uint32_t start, uint32_t size, Error *e);
/* Merges them all; what is left is the chain of `next` from symbol 0 on.
 * O(n log n) for n symbols. */
bool merge_all(Merging *m, MergeFind find, const void *context, Error *e);
void merge_free(Merging *m);

#endif
