#include "llm/rank.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A prefix of sequences: where it stands in the trie, what it is worth, the rows of the cache behind it. */
typedef struct {
	int32_t node;
	float score;
	size_t parent; /* in the beam before */
} Prefix;

typedef struct {
	Decoder *decoder;
	const TrieSearch *search;
	int32_t *values; /* the best whole sequences so far */
	float *scores;
	size_t found;
	Prefix *open; /* candidates of the next depth */
	size_t open_count, open_capacity;
	int32_t *path, *next_path; /* [beam, width]: the rows that a prefix sees */
	size_t path_capacity, next_capacity, width;
	const float *log_probabilities; /* [beam, V] */
} Search;

static float worst_kept(const Search *s)
{
	return s->found < s->search->K ? -INFINITY : s->scores[s->found - 1];
}

static void keep(Search *s, int32_t value, float score)
{
	if (score <= worst_kept(s) || (s->search->left_out && s->search->left_out[value]))
		return;
	size_t place = s->found < s->search->K ? s->found++ : s->found - 1;
	for (; place > 0 && s->scores[place - 1] < score; place--) {
		s->scores[place] = s->scores[place - 1];
		s->values[place] = s->values[place - 1];
	}
	s->scores[place] = score;
	s->values[place] = value;
}

/* Children of the prefixes [0, count) become candidates; ended sequences are kept. */
static bool expand(Search *s, const Prefix *beam, size_t count, Error *e)
{
	const TrieNode *nodes = s->search->trie->nodes;
	s->open_count = 0;
	for (size_t i = 0; i < count; i++) {
		const float *row = s->log_probabilities + i * s->decoder->llm->shape.V;
		for (int32_t c = nodes[beam[i].node].first_child; c != TRIE_NONE; c = nodes[c].next_sibling) {
			float score = beam[i].score + row[nodes[c].token];
			if (nodes[c].value != TRIE_NONE)
				keep(s, nodes[c].value, score);
			if (nodes[c].first_child == TRIE_NONE)
				continue;
			if (!memory_grow(&s->open, &s->open_capacity, s->open_count + 1, sizeof *s->open, e))
				return false;
			s->open[s->open_count++] = (Prefix){c, score, i};
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

/* The best candidates go on, and none that is already worse than what was found. */
static size_t choose(Search *s)
{
	size_t count = 0, beam = s->search->beam;
	qsort(s->open, s->open_count, sizeof *s->open, by_score);
	while (count < s->open_count && (beam == 0 || count < beam) && s->open[count].score > worst_kept(s))
		count++;
	return count;
}

/* Log-probabilities after hidden states. */
static bool predict(Search *s, Tensor *h, Error *e)
{
	const Tensor *y = h ? decoder_log_probabilities(s->decoder, h, e) : NULL;
	s->log_probabilities = y ? y->value : NULL;
	return y != NULL;
}

/* The rows that the chosen prefixes see, which are `depth` tokens long, and their last tokens. */
static void follow(Search *s, NextToken *next, size_t count, size_t before)
{
	for (size_t i = 0; i < count; i++) {
		int32_t *path = s->next_path + i * s->width;
		memcpy(path, s->path + s->open[i].parent * s->width, before * sizeof *path);
		path[before] = (int32_t)(s->decoder->rows + i);
		next[i] = (NextToken){.token = s->search->trie->nodes[s->open[i].node].token,
		                      .position = (int32_t)before,
		                      .seen = path};
	}
}

static bool advance(Search *s, size_t count, size_t depth, Error *e)
{
	Arena arena = {0};
	NextToken *next = arena_new(&arena, count, sizeof *next, e);
	bool done = next != NULL &&
	            memory_grow(&s->next_path, &s->next_capacity, count * s->width, sizeof *s->next_path, e);
	if (done) {
		follow(s, next, count, s->search->prompt_count + depth - 1);
		done = predict(s, decoder_step(s->decoder, next, count, 1, e), e);
	}
	arena_free(&arena);
	int32_t *path = s->path;
	size_t capacity = s->path_capacity;
	s->path = s->next_path;
	s->path_capacity = s->next_capacity;
	s->next_path = path;
	s->next_capacity = capacity;
	return done;
}

static bool search_trie(Search *s, Error *e)
{
	const TrieSearch *search = s->search;
	size_t N = search->prompt_count, count = 1;
	Prefix *beam = NULL;
	size_t beam_capacity = 0;
	if (search->trie->count == 0 || search->K == 0)
		return true;
	s->width = N + search->trie->depth;
	if (!memory_grow(&s->path, &s->path_capacity, s->width, sizeof *s->path, e) ||
	    !memory_grow(&beam, &beam_capacity, 1, sizeof *beam, e))
		return false;
	for (size_t i = 0; i < N; i++)
		s->path[i] = (int32_t)i;
	bool done = predict(s, decoder_begin(s->decoder, search->prompt, N, e), e);
	beam[0] = (Prefix){0, 0, 0};
	for (size_t depth = 1; done && count > 0; depth++) {
		done = expand(s, beam, count, e);
		count = done ? choose(s) : 0;
		if (count > 0) {
			done = memory_grow(&beam, &beam_capacity, count, sizeof *beam, e) &&
			       advance(s, count, depth, e);
			if (done)
				memcpy(beam, s->open, count * sizeof *beam);
		}
	}
	memory_free(beam);
	return done;
}

bool decoder_rank(Decoder *d, const TrieSearch *search, int32_t *values, float *scores, size_t *count,
                  Error *e)
{
	Search s = {.decoder = d, .search = search, .values = values, .scores = scores};
	bool done = search_trie(&s, e);
	*count = s.found;
	memory_free(s.open);
	memory_free(s.path);
	memory_free(s.next_path);
	return done;
}
