#include "llm/rank.h"

#include <math.h>
#include <string.h>

#include "base/heap.h"

/* A prefix of sequences that is read: where it stands in the trie, what it is worth, and the row of the cache
 * that its last token goes to. */
typedef struct {
	int32_t node, row;
	float score;
	uint32_t parent; /* the prefix without that token, by its number */
	size_t depth;    /* tokens */
} Prefix;

/* How things were before a round of a search for all. */
typedef struct {
	size_t rows, prefixes, open;
} Level;

/* One question's search. */
typedef struct {
	TrieQuestion *question;
	/* What could be read next: id is the node, note the parent.  A heap; of a search for all a stack. */
	Heap open;
	Prefix *prefixes; /* the root first, the last `reading` are those of this round */
	size_t count, capacity, reading;
	size_t *read;           /* [depth + 1]: prefixes of each depth that were read */
	int32_t *prompt, *seen; /* the rows of the cache: of the prompt, and [reading, width] of all before */
	size_t seen_capacity, width;
	Level *levels; /* [depth + 1]: the rounds that prefixes still to be read come from */
	size_t level_count;
} Search;

typedef struct {
	Decoder *decoder;
	const TrieSearch *how;
	Search *searches;
	size_t count;
	NextToken *next;
	size_t next_capacity;
} Group;

static float worst_kept(const Group *g, const TrieQuestion *q)
{
	bool full = g->how->beam > 0 && q->found == g->how->K;
	return full ? q->scores[q->found - 1] : -INFINITY;
}

static void keep(const Group *g, TrieQuestion *q, int32_t value, float score)
{
	if (q->left_out != NULL && q->left_out[value])
		return;
	if (g->how->beam == 0) {
		q->scores[value] = score;
		return;
	}
	if (score <= worst_kept(g, q))
		return;
	size_t place = q->found < g->how->K ? q->found++ : q->found - 1;
	for (; place > 0 && q->scores[place - 1] < score; place--) {
		q->scores[place] = q->scores[place - 1];
		q->values[place] = q->values[place - 1];
	}
	q->scores[place] = score;
	q->values[place] = value;
}

static bool push(const Group *g, Search *s, HeapItem item, Error *e)
{
	Heap *open = &s->open;
	if (g->how->beam > 0)
		return heap_push(open, item, e);
	if (!memory_grow(&open->items, &open->capacity, open->count + 1, sizeof item, e))
		return false;
	open->items[open->count++] = item;
	return true;
}

/* The children of a prefix that could still lead to one of the best are open. */
static bool expand(const Group *g, Search *s, size_t prefix, const float *log_probabilities, Error *e)
{
	const TrieNode *nodes = g->how->trie->nodes;
	const Prefix *p = &s->prefixes[prefix];
	for (int32_t c = nodes[p->node].first_child; c != TRIE_NONE; c = nodes[c].next_sibling) {
		float score = p->score + log_probabilities[nodes[c].token];
		if (nodes[c].value != TRIE_NONE)
			keep(g, s->question, nodes[c].value, score);
		if (nodes[c].first_child == TRIE_NONE || score <= worst_kept(g, s->question))
			continue;
		if (!push(g, s, (HeapItem){-(double)score, (uint64_t)c, c, (uint32_t)prefix}, e))
			return false;
	}
	return true;
}

/* So many rows of log-probabilities are there at a time. */
enum { PREDICTED = 64 };

/* The searches [first, end), by the hidden states of the prefixes that were read. */
static bool expand_all(void *context, size_t first, size_t end, Tensor *h, Error *e)
{
	Group *g = context;
	Tape *t = &g->decoder->tape;
	ArenaMark mark = arena_mark(&t->arena);
	const Tensor *y = NULL;
	size_t row = 0;
	for (Search *s = g->searches + first; s < g->searches + end; s++)
		for (size_t i = s->count - s->reading; i < s->count; i++, row++) {
			size_t left = h->rows - row;
			if (row % PREDICTED == 0) {
				arena_rewind(&t->arena, mark);
				y = decoder_log_probabilities(
				    g->decoder,
				    tape_constant(t, h->value + row * h->cols,
				                  left < PREDICTED ? left : PREDICTED, h->cols),
				    e);
			}
			if (y == NULL || !expand(g, s, i, y->value + row % PREDICTED * y->cols, e))
				return false;
		}
	return true;
}

/* So many prefixes of a question are read at a time: products of fewer rows would be slow, of more some would
 * turn out not to have been needed, unless all are. */
enum { ROUND = 8, ROUND_OF_ALL = 64 };

static bool add_prefix(Search *s, HeapItem item, Error *e)
{
	if (!memory_grow(&s->prefixes, &s->capacity, s->count + 1, sizeof *s->prefixes, e))
		return false;
	s->prefixes[s->count++] = (Prefix){.node = item.id,
	                                   .score = (float)-item.cost,
	                                   .parent = item.note,
	                                   .depth = s->prefixes[item.note].depth + 1};
	s->reading++;
	return true;
}

/* A round of a search for all: what follows on one round before any other, so that no more than `depth`
 * rounds are in the cache at a time. */
static bool choose_any(const Group *g, Search *s, Error *e)
{
	s->reading = 0;
	while (s->level_count > 0 && s->open.count == s->levels[s->level_count - 1].open) {
		const Level *done = &s->levels[--s->level_count];
		g->decoder->rows = done->rows;
		s->count = done->prefixes;
	}
	size_t left = s->open.count - (s->level_count > 0 ? s->levels[s->level_count - 1].open : 0);
	size_t reading = left < ROUND_OF_ALL ? left : ROUND_OF_ALL;
	if (reading > 0)
		s->levels[s->level_count++] = (Level){g->decoder->rows, s->count, s->open.count - reading};
	while (s->reading < reading)
		if (!add_prefix(s, s->open.items[--s->open.count], e))
			return false;
	return true;
}

/* Whether the best of what is open may be read in one round with what is no longer than `shallowest`: a
 * longer one has to wait, as a child of the round's prefixes might be better than it. */
static bool fits(const Search *s, size_t shallowest)
{
	return s->reading < ROUND && s->open.count > 0 &&
	       s->prefixes[s->open.items[0].note].depth < shallowest;
}

/* A round of what is open, the best first, but of no length more than `beam` in all. */
static bool choose_round(const Group *g, Search *s, Error *e)
{
	size_t beam = g->how->beam, shallowest = SIZE_MAX;
	s->reading = 0;
	while (fits(s, shallowest)) {
		HeapItem best = heap_pop(&s->open);
		size_t depth = s->prefixes[best.note].depth + 1;
		if ((float)-best.cost <= worst_kept(g, s->question)) {
			s->open.count = 0; /* nor is anything else worth more */
			break;
		}
		if (s->read[depth] == beam)
			continue;
		if (!add_prefix(s, best, e))
			return false;
		shallowest = depth;
		s->read[depth]++;
	}
	return true;
}

/* The rows that the prefixes of this round see, and their last tokens, the batch's from number `first` on. */
static bool follow(Group *g, Search *s, size_t sequence, size_t first, Error *e)
{
	size_t asked = s->question->prompt_count;
	if (s->reading == 0)
		return true;
	if (!memory_grow(&s->seen, &s->seen_capacity, s->reading * s->width, sizeof *s->seen, e) ||
	    !memory_grow(&g->next, &g->next_capacity, first + s->reading, sizeof *g->next, e))
		return false;
	for (size_t i = 0; i < s->reading; i++) {
		Prefix *p = &s->prefixes[s->count - s->reading + i];
		int32_t *seen = s->seen + i * s->width;
		p->row = (int32_t)(g->decoder->rows + first + i);
		memcpy(seen, s->prompt, asked * sizeof *seen);
		for (const Prefix *q = p; q->depth > 0; q = &s->prefixes[q->parent])
			seen[asked + q->depth - 1] = q->row;
		g->next[first + i] = (NextToken){.token = g->how->trie->nodes[p->node].token,
		                                 .position = (int32_t)(asked + p->depth - 1),
		                                 .sequence = sequence,
		                                 .seen = seen};
	}
	return true;
}

/* A round of the searches [first, end); false in *more: none goes on. */
static bool advance(Group *g, size_t first, size_t end, bool *more, Error *e)
{
	size_t N = 0;
	for (size_t i = first; i < end; i++) {
		Search *s = &g->searches[i];
		if (!(g->how->beam > 0 ? choose_round(g, s, e) : choose_any(g, s, e)) ||
		    !follow(g, s, i, N, e))
			return false;
		N += s->reading;
	}
	*more = N > 0;
	if (N == 0)
		return true;
	Tensor *h = decoder_step(g->decoder, g->next, N, g->count, e);
	return h != NULL && expand_all(g, first, end, h, e);
}

static bool search_new(Search *s, TrieQuestion *q, const Trie *trie, Error *e)
{
	s->question = q;
	s->width = q->prompt_count + trie->depth;
	s->read = memory_new(trie->depth + 1, sizeof *s->read, e);
	s->levels = memory_new(trie->depth + 1, sizeof *s->levels, e);
	s->prompt = memory_new(q->prompt_count, sizeof *s->prompt, e);
	if (s->read == NULL || s->levels == NULL || s->prompt == NULL ||
	    !memory_grow(&s->prefixes, &s->capacity, 1, sizeof *s->prefixes, e))
		return false;
	s->prefixes[0] = (Prefix){0};
	s->count = s->reading = 1;
	return true;
}

static void search_free(Search *s)
{
	heap_free(&s->open);
	memory_free(s->prefixes);
	memory_free(s->read);
	memory_free(s->levels);
	memory_free(s->prompt);
	memory_free(s->seen);
}

/* Each search as its prompt leaves it: at the root. */
static bool begin(Group *g, TrieQuestion *questions, Error *e)
{
	PromptTokens *prompts = memory_new(g->count, sizeof *prompts, e);
	bool done = prompts != NULL;
	for (size_t i = 0; done && i < g->count; i++) {
		Search *s = &g->searches[i];
		done = search_new(s, &questions[i], g->how->trie, e);
		prompts[i] = (PromptTokens){questions[i].prompt, questions[i].prompt_count, s->prompt};
	}
	PromptReader reader = {g, expand_all};
	done = done && decoder_read(g->decoder, prompts, g->count, &reader, e);
	memory_free(prompts);
	return done;
}

/* All together; but those for all one after the other, each with the cache to itself. */
static bool go_on(Group *g, Error *e)
{
	size_t together = g->how->beam > 0 ? g->count : 1;
	for (size_t i = 0; i < g->count; i += together)
		for (bool more = true; more;)
			if (!advance(g, i, i + together, &more, e))
				return false;
	return true;
}

bool decoder_rank(Decoder *d, const TrieSearch *search, TrieQuestion *questions, size_t count, Error *e)
{
	Group g = {.decoder = d, .how = search, .count = count};
	for (size_t i = 0; i < count; i++)
		questions[i].found = 0;
	if (search->trie->count == 0 || search->K == 0 || count == 0)
		return true;
	g.searches = memory_new(count, sizeof *g.searches, e);
	bool done = g.searches != NULL && begin(&g, questions, e) && go_on(&g, e);
	for (size_t i = 0; g.searches != NULL && i < count; i++)
		search_free(&g.searches[i]);
	memory_free(g.searches);
	memory_free(g.next);
	return done;
}
