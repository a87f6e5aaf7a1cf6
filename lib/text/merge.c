#include "text/merge.h"

bool merge_symbol(Merging *m, int32_t id, uint32_t start, uint32_t size, Error *e)
{
	if (!memory_grow(&m->symbols, &m->capacity, m->count + 1, sizeof *m->symbols, e))
		return false;
	uint32_t index = (uint32_t)m->count++;
	m->symbols[index] = (Symbol){id, start, size, index == 0 ? SYMBOL_END : index - 1, SYMBOL_END};
	if (index > 0)
		m->symbols[index - 1].next = index;
	return true;
}

/* Adds the pair of symbol `left` and its neighbour, if there is one that merges. */
static bool consider(Merging *m, uint32_t left, MergeFind find, const void *context, Error *e)
{
	if (left == SYMBOL_END || m->symbols[left].next == SYMBOL_END)
		return true;
	const Symbol *a = &m->symbols[left], *b = &m->symbols[a->next];
	HeapItem c = {.order = left, .note = a->size + b->size};
	return !find(context, a, b, &c.cost, &c.id) || heap_push(&m->heap, c, e);
}

bool merge_all(Merging *m, MergeFind find, const void *context, Error *e)
{
	m->heap.count = 0;
	for (size_t i = 0; i < m->count; i++)
		if (!consider(m, (uint32_t)i, find, context, e))
			return false;
	while (m->heap.count > 0) {
		HeapItem c = heap_pop(&m->heap);
		uint32_t at = (uint32_t)c.order;
		Symbol *left = &m->symbols[at];
		/* symbols only grow: where their sizes are still the same, so are they */
		if (left->size == 0 || left->next == SYMBOL_END ||
		    left->size + m->symbols[left->next].size != c.note)
			continue;
		Symbol *right = &m->symbols[left->next];
		left->id = c.id;
		left->size = c.note;
		left->next = right->next;
		right->size = 0;
		if (left->next != SYMBOL_END)
			m->symbols[left->next].previous = at;
		if (!consider(m, left->previous, find, context, e) || !consider(m, at, find, context, e))
			return false;
	}
	return true;
}

void merge_free(Merging *m)
{
	memory_free(m->symbols);
	heap_free(&m->heap);
	*m = (Merging){0};
}
