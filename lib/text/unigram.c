#include "text/unigram.h"

#include <math.h>

static const float unknown_cost = 10; /* above the worst piece's */

enum { LONGEST_PIECE = 1 << 12 }; /* each byte of one may take a node of the trie */

/* A way from one node of the trie to the next. */
typedef struct {
	uint32_t parent, child; /* child 0: a free slot */
	int32_t id;             /* of the piece that ends here, or -1 */
	float score;
	uint8_t byte;
} Edge;

struct Unigram {
	Edge *edges; /* a hash table by parent and byte */
	size_t slots, count;
	float worst;
};

struct UnigramNode {
	float score;     /* of the best way from the start to here */
	uint32_t length; /* of its last piece; 0: there is no way yet */
	int32_t id;
};

static Edge *edge_slot(const Unigram *u, uint32_t parent, uint8_t byte)
{
	uint64_t hash = ((uint64_t)parent << 8 | byte) * 0x9e3779b97f4a7c15u;
	size_t mask = u->slots - 1, slot = (size_t)(hash >> 32) & mask;
	while (u->edges[slot].child != 0 && (u->edges[slot].parent != parent || u->edges[slot].byte != byte))
		slot = (slot + 1) & mask;
	return &u->edges[slot];
}

static bool grow(Unigram *u, size_t slots, Error *e)
{
	Unigram larger = {.slots = slots, .count = u->count, .worst = u->worst};
	if ((larger.edges = memory_new(slots, sizeof *larger.edges, e)) == NULL)
		return false;
	for (size_t i = 0; i < u->slots; i++)
		if (u->edges[i].child != 0)
			*edge_slot(&larger, u->edges[i].parent, u->edges[i].byte) = u->edges[i];
	memory_free(u->edges);
	*u = larger;
	return true;
}

Unigram *unigram_new(Error *e)
{
	Unigram *u = memory_new(1, sizeof *u, e);
	if (u == NULL || !grow(u, 1024, e)) {
		unigram_free(u);
		return NULL;
	}
	u->worst = HUGE_VALF;
	return u;
}

void unigram_free(Unigram *u)
{
	if (u == NULL)
		return;
	memory_free(u->edges);
	memory_free(u);
}

bool unigram_add(Unigram *u, Text piece, int32_t id, float score, Error *e)
{
	Edge *edge = NULL;
	uint32_t parent = 0;
	if (piece.size > LONGEST_PIECE)
		return fail(e, ERROR_MALFORMED, "piece %d of the vocabulary has %zu bytes, of %d at most",
		            (int)id, piece.size, LONGEST_PIECE);
	for (size_t i = 0; i < piece.size; i++, parent = edge->child) {
		if (2 * (u->count + 1) > u->slots && !grow(u, 2 * u->slots, e))
			return false;
		if (u->count >= INT32_MAX)
			return fail(e, ERROR_MALFORMED, "the pieces of a vocabulary are too long");
		edge = edge_slot(u, parent, (uint8_t)piece.data[i]);
		if (edge->child == 0)
			*edge = (Edge){parent, (uint32_t)++u->count, -1, 0, (uint8_t)piece.data[i]};
	}
	if (edge != NULL && edge->id < 0) {
		edge->id = id;
		edge->score = score;
	}
	u->worst = fminf(u->worst, score);
	return true;
}

static void offer(UnigramNode *nodes, size_t at, uint32_t length, int32_t id, float score)
{
	UnigramNode *target = &nodes[at + length];
	float sum = nodes[at].score + score;
	if (target->length == 0 || sum > target->score)
		*target = (UnigramNode){sum, length, id};
}

/* Offers all pieces that begin at a place, where a character of so many bytes lies. */
static void offer_pieces(const Unigram *u, Text text, size_t at, uint32_t length, UnigramNode *nodes)
{
	uint32_t parent = 0;
	bool whole = false;
	for (size_t i = at; i < text.size; i++) {
		const Edge *edge = edge_slot(u, parent, (uint8_t)text.data[i]);
		uint32_t size = (uint32_t)(i + 1 - at);
		if (edge->child == 0)
			break;
		parent = edge->child;
		whole = whole || (edge->id >= 0 && size == length);
		if (edge->id >= 0)
			offer(nodes, at, size, edge->id, edge->score);
	}
	if (!whole)
		offer(nodes, at, length, -1, u->worst - unknown_cost);
}

bool unigram_cut(const Unigram *u, Text text, UnigramPath *path, Merging *out, Error *e)
{
	if (!memory_grow(&path->nodes, &path->capacity, text.size + 1, sizeof *path->nodes, e))
		return false;
	UnigramNode *nodes = path->nodes;
	for (size_t i = 0; i <= text.size; i++)
		nodes[i] = (UnigramNode){.length = 0};
	for (size_t i = 0, length; i < text.size; i += length) {
		uint32_t code;
		length = utf8_decode(text.data + i, text.size - i, &code);
		length = length ? length : 1; /* a byte that is no UTF-8 stands for itself */
		offer_pieces(u, text, i, (uint32_t)length, nodes);
	}
	/* Backwards along the best way, turning it: each node then tells the piece that begins there. */
	UnigramNode next = nodes[text.size];
	for (size_t i = text.size; i > 0;) {
		i -= next.length;
		UnigramNode here = nodes[i];
		nodes[i] = next;
		next = here;
	}
	for (size_t i = 0; i < text.size; i += nodes[i].length)
		if (!merge_symbol(out, nodes[i].id, (uint32_t)i, nodes[i].length, e))
			return false;
	return true;
}

void unigram_path_free(UnigramPath *path)
{
	memory_free(path->nodes);
	*path = (UnigramPath){0};
}
