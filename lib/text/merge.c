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

static bool before(const MergeCandidate *a, const MergeCandidate *b)
{
	return a->cost < b->cost || (a->cost <= b->cost && a->left < b->left);
}

static bool push(Merging *m, MergeCandidate c, Error *e)
{
	if (!memory_grow(&m->heap, &m->heap_capacity, m->heap_count + 1, sizeof *m->heap, e))
		return false;
	size_t i = m->heap_count++;
	for (; i > 0 && before(&c, &m->heap[(i - 1) / 2]); i = (i - 1) / 2)
		m->heap[i] = m->heap[(i - 1) / 2];
	m->heap[i] = c;
	return true;
}

static MergeCandidate pop(Merging *m)
{
	MergeCandidate best = m->heap[0], last = m->heap[--m->heap_count];
	size_t i = 0, child;
	while ((child = 2 * i + 1) < m->heap_count) {
		if (child + 1 < m->heap_count && before(&m->heap[child + 1], &m->heap[child]))
			child++;
		if (!before(&m->heap[child], &last))
			break;
		m->heap[i] = m->heap[child];
		i = child;
	}
	m->heap[i] = last;
	return best;
}

/* Adds the pair of symbol `left` and its neighbour, if there is one that merges. */
static bool consider(Merging *m, uint32_t left, MergeFind find, const void *context, Error *e)
{
	if (left == SYMBOL_END || m->symbols[left].next == SYMBOL_END)
		return true;
	const Symbol *a = &m->symbols[left], *b = &m->symbols[a->next];
	MergeCandidate c = {.left = left, .size = a->size + b->size};
	return !find(context, a, b, &c.cost, &c.id) || push(m, c, e);
}

bool merge_all(Merging *m, MergeFind find, const void *context, Error *e)
{
	m->heap_count = 0;
	for (size_t i = 0; i < m->count; i++)
		if (!consider(m, (uint32_t)i, find, context, e))
			return false;
	while (m->heap_count > 0) {
		MergeCandidate c = pop(m);
		Symbol *left = &m->symbols[c.left];
		if (left->size == 0 || left->next == SYMBOL_END ||
		    left->size + m->symbols[left->next].size != c.size)
			continue;
		Symbol *right = &m->symbols[left->next];
		left->id = c.id;
		left->size = c.size;
		left->next = right->next;
		right->size = 0;
		if (left->next != SYMBOL_END)
			m->symbols[left->next].previous = c.left;
		if (!consider(m, left->previous, find, context, e) || !consider(m, c.left, find, context, e))
			return false;
	}
	return true;
}

void merge_free(Merging *m)
{
	memory_free(m->symbols);
	memory_free(m->heap);
	*m = (Merging){0};
}
