#include "llm/rank.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A prefix of sequences: where it stands in the trie, and what it is worth. */
typedef struct {
	int32_t node;
	float score;
	size_t parent; /* in the beam before */
} Prefix;

/* One question's search. */
typedef struct {
	TrieQuestion *question;
	Prefix *beam, *open; /* those that were read, and candidates of the next depth */
	size_t count, beam_capacity, open_count, open_capacity;
	int32_t *path, *next_path; /* [count, width]: the rows of the cache that a prefix sees */
	size_t path_capacity, next_capacity, width;
} Search;

typedef struct {
	Decoder *decoder;
	const TrieSearch *how;
	Search *searches;
	size_t count, depth; /* searches; tokens of the beams' prefixes */
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

/* The children of a prefix become candidates; sequences that end are kept. */
static bool expand(const Group *g, Search *s, size_t prefix, const float *log_probabilities, Error *e)
{
	const TrieNode *nodes = g->how->trie->nodes;
	const Prefix *p = &s->beam[prefix];
	for (int32_t c = nodes[p->node].first_child; c != TRIE_NONE; c = nodes[c].next_sibling) {
		float score = p->score + log_probabilities[nodes[c].token];
		if (nodes[c].value != TRIE_NONE)
			keep(g, s->question, nodes[c].value, score);
		if (nodes[c].first_child == TRIE_NONE)
			continue;
		if (!memory_grow(&s->open, &s->open_capacity, s->open_count + 1, sizeof *s->open, e))
			return false;
		s->open[s->open_count++] = (Prefix){c, score, prefix};
	}
	return true;
}

/* So many rows of log-probabilities are there at a time. */
enum { PREDICTED = 64 };

/* The searches [first, end), by the hidden states of all their prefixes. */
static bool expand_all(void *context, size_t first, size_t end, Tensor *h, Error *e)
{
	Group *g = context;
	Tape *t = &g->decoder->tape;
	ArenaMark mark = arena_mark(&t->arena);
	const Tensor *y = NULL;
	size_t row = 0;
	for (Search *s = g->searches + first; s < g->searches + end; s++) {
		s->open_count = 0;
		for (size_t i = 0; i < s->count; i++, row++) {
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
	}
	return true;
}

static int by_score(const void *a, const void *b)
{
	const Prefix *x = a, *y = b;
	if (x->score != y->score)
		return x->score > y->score ? -1 : 1;
	return (x->node > y->node) - (x->node < y->node);
}

/* The best candidates become the beam, and none that is already worse than what was found. */
static void choose(const Group *g, Search *s)
{
	size_t beam = g->how->beam, capacity = s->beam_capacity;
	Prefix *last = s->beam;
	if (s->open_count > 0)
		qsort(s->open, s->open_count, sizeof *s->open, by_score);
	s->count = 0;
	while (s->count < s->open_count && (beam == 0 || s->count < beam) &&
	       s->open[s->count].score > worst_kept(g, s->question))
		s->count++;
	s->beam = s->open;
	s->beam_capacity = s->open_capacity;
	s->open = last;
	s->open_capacity = capacity;
}

/* The rows that the prefixes of a beam see, and their last tokens, the batch's from number `first` on. */
static bool follow(Group *g, Search *s, size_t sequence, size_t first, Error *e)
{
	size_t before = s->question->prompt_count + g->depth - 1, capacity = s->path_capacity;
	if (s->count == 0)
		return true;
	if (!memory_grow(&s->next_path, &s->next_capacity, s->count * s->width, sizeof *s->next_path, e) ||
	    !memory_grow(&g->next, &g->next_capacity, first + s->count, sizeof *g->next, e))
		return false;
	for (size_t i = 0; i < s->count; i++) {
		int32_t *path = s->next_path + i * s->width;
		memcpy(path, s->path + s->beam[i].parent * s->width, before * sizeof *path);
		path[before] = (int32_t)(g->decoder->rows + first + i);
		g->next[first + i] = (NextToken){.token = g->how->trie->nodes[s->beam[i].node].token,
		                                 .position = (int32_t)before,
		                                 .sequence = sequence,
		                                 .seen = path};
	}
	int32_t *path = s->path;
	s->path = s->next_path;
	s->path_capacity = s->next_capacity;
	s->next_path = path;
	s->next_capacity = capacity;
	return true;
}

/* All beams a token on; false in *more: none goes on. */
static bool advance(Group *g, bool *more, Error *e)
{
	size_t N = 0;
	g->depth++;
	for (size_t i = 0; i < g->count; i++) {
		choose(g, &g->searches[i]);
		if (!follow(g, &g->searches[i], i, N, e))
			return false;
		N += g->searches[i].count;
	}
	*more = N > 0;
	if (N == 0)
		return true;
	Tensor *h = decoder_step(g->decoder, g->next, N, g->count, e);
	return h != NULL && expand_all(g, 0, g->count, h, e);
}

/* Each search as its prompt leaves it: at the root. */
static bool begin(Group *g, TrieQuestion *questions, Error *e)
{
	const Trie *trie = g->how->trie;
	PromptTokens *prompts = memory_new(g->count, sizeof *prompts, e);
	bool done = prompts != NULL;
	for (size_t i = 0; done && i < g->count; i++) {
		Search *s = &g->searches[i];
		s->question = &questions[i];
		s->width = s->question->prompt_count + trie->depth;
		done = memory_grow(&s->path, &s->path_capacity, s->width, sizeof *s->path, e) &&
		       memory_grow(&s->beam, &s->beam_capacity, 1, sizeof *s->beam, e);
		if (done)
			s->beam[s->count++] = (Prefix){0, 0, 0};
		prompts[i] = (PromptTokens){s->question->prompt, s->question->prompt_count, s->path};
	}
	PromptReader reader = {g, expand_all};
	done = done && decoder_read(g->decoder, prompts, g->count, &reader, e);
	memory_free(prompts);
	return done;
}

bool decoder_rank(Decoder *d, const TrieSearch *search, TrieQuestion *questions, size_t count, Error *e)
{
	Group g = {.decoder = d, .how = search, .count = count};
	bool more = search->trie->count > 0 && search->K > 0 && count > 0;
	g.searches = memory_new(count, sizeof *g.searches, e);
	for (size_t i = 0; i < count; i++)
		questions[i].found = 0;
	bool done = g.searches != NULL && (!more || begin(&g, questions, e));
	while (done && more)
		done = advance(&g, &more, e);
	for (size_t i = 0; g.searches != NULL && i < count; i++) {
		memory_free(g.searches[i].beam);
		memory_free(g.searches[i].open);
		memory_free(g.searches[i].path);
		memory_free(g.searches[i].next_path);
	}
	memory_free(g.searches);
	memory_free(g.next);
	return done;
}
