#include "llm/decode.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

bool decoder_new(Decoder *d, const Llm *llm, Error *e)
{
	*d = (Decoder){.llm = llm};
	return cache_new(&d->cache, llm->shape.layers, llm->shape.kv_heads * llm->shape.D, e);
}

void decoder_free(Decoder *d)
{
	cache_free(&d->cache);
	tape_free(&d->tape);
	*d = (Decoder){0};
}

/* A batch of tokens: token i at position positions[i] goes to the next free row of the cache and sees
 * seen[i][0 … seen_count[i]).  Returns the hidden states, which live until the next call. */
static Tensor *run(Decoder *d, const int32_t *tokens, size_t N, const int32_t *positions,
                   const int32_t *const *seen, const size_t *seen_count, Error *e)
{
	tape_reset(&d->tape, false, 0);
	int32_t *slots = arena_new(&d->tape.arena, N, sizeof *slots, e);
	if (slots == NULL || !cache_reserve(&d->cache, d->rows + N, e))
		return NULL;
	for (size_t i = 0; i < N; i++)
		slots[i] = (int32_t)(d->rows + i);
	Sequence s = {.positions = positions,
	              .cache = &d->cache,
	              .slots = slots,
	              .seen = seen,
	              .seen_count = seen_count};
	Tensor *h = llm_forward(&d->tape, d->llm, tokens, N, &s, d->injection);
	if (h == NULL)
		*e = d->tape.error;
	d->rows += N;
	return h;
}

/* The prompt from an empty cache; *last is the hidden state of its last token. */
static Tensor *run_prompt(Decoder *d, const int32_t *prompt, size_t N, int32_t *identity, Error *e)
{
	Arena arena = {0};
	const int32_t **seen = arena_new(&arena, N, sizeof *seen, e);
	size_t *seen_count = arena_new(&arena, N, sizeof *seen_count, e);
	Tensor *h = NULL;
	d->rows = 0;
	if (N == 0)
		fail(e, ERROR_USAGE, "the prompt is empty, and the LLM has no token to begin with");
	if (seen != NULL && seen_count != NULL && N > 0) {
		for (size_t i = 0; i < N; i++) {
			seen[i] = identity;
			seen_count[i] = i + 1;
		}
		h = run(d, prompt, N, identity, seen, seen_count, e);
	}
	arena_free(&arena);
	return h;
}

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
	float *log_probabilities; /* [beam, V] */
	size_t log_capacity;
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

/* Log-probabilities after the chosen prefixes, which are `depth` tokens long. */
static bool advance(Search *s, size_t count, size_t depth, Error *e)
{
	const Llm *llm = s->decoder->llm;
	Arena arena = {0};
	int32_t *tokens = arena_new(&arena, count, sizeof *tokens, e);
	int32_t *positions = arena_new(&arena, count, sizeof *positions, e);
	const int32_t **seen = arena_new(&arena, count, sizeof *seen, e);
	size_t *seen_count = arena_new(&arena, count, sizeof *seen_count, e),
	       before = s->search->prompt_count + depth - 1;
	bool done =
	    tokens != NULL && positions != NULL && seen != NULL && seen_count != NULL &&
	    memory_grow(&s->next_path, &s->next_capacity, count * s->width, sizeof *s->next_path, e) &&
	    memory_grow(&s->log_probabilities, &s->log_capacity, count * llm->shape.V, sizeof(float), e);
	for (size_t i = 0; done && i < count; i++) {
		int32_t *path = s->next_path + i * s->width;
		memcpy(path, s->path + s->open[i].parent * s->width, before * sizeof *path);
		path[before] = (int32_t)(s->decoder->rows + i);
		tokens[i] = s->search->trie->nodes[s->open[i].node].token;
		positions[i] = (int32_t)before;
		seen[i] = path;
		seen_count[i] = before + 1;
	}
	const Tensor *h = done ? run(s->decoder, tokens, count, positions, seen, seen_count, e) : NULL;
	done = h != NULL && llm_log_probabilities(llm, h->value, count, s->log_probabilities, e);
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
	const Llm *llm = s->decoder->llm;
	size_t N = search->prompt_count, count = 1;
	Prefix *beam = NULL;
	size_t beam_capacity = 0;
	if (search->trie->count == 0 || search->K == 0)
		return true;
	s->width = N + search->trie->depth;
	if (!memory_grow(&s->path, &s->path_capacity, s->width, sizeof *s->path, e) ||
	    !memory_grow(&s->log_probabilities, &s->log_capacity, llm->shape.V, sizeof(float), e) ||
	    !memory_grow(&beam, &beam_capacity, 1, sizeof *beam, e))
		return false;
	for (size_t i = 0; i < N; i++)
		s->path[i] = (int32_t)i;
	const Tensor *h = run_prompt(s->decoder, search->prompt, N, s->path, e);
	bool done = h != NULL &&
	            llm_log_probabilities(llm, h->value + (N - 1) * llm->shape.C, 1, s->log_probabilities, e);
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
	memory_free(s.log_probabilities);
	return done;
}

typedef struct {
	int32_t token;
	float score;
} Candidate;

static int by_candidate(const void *a, const void *b)
{
	const Candidate *x = a, *y = b;
	if (x->score != y->score)
		return x->score > y->score ? -1 : 1;
	return (x->token > y->token) - (x->token < y->token);
}

/* A token by the log-probabilities, which are used up. */
static int32_t sample_token(const Sampling *s, const float *row, size_t V, Candidate *candidates,
                            Random *random)
{
	double sum = 0, total = 0;
	size_t best = 0;
	for (size_t v = 0; v < V; v++) {
		candidates[v] = (Candidate){(int32_t)v, row[v]};
		best = row[v] > row[best] ? v : best;
	}
	if (s->temperature <= 0)
		return (int32_t)best;
	qsort(candidates, V, sizeof *candidates, by_candidate);
	size_t count = s->top_k > 0 && s->top_k < V ? s->top_k : V;
	for (size_t i = 0; i < count; i++)
		total += exp((double)(candidates[i].score - candidates[0].score) / s->temperature);
	/* Nucleus: the fewest tokens that together have top_p. */
	size_t kept = 0;
	while (kept < count && (kept == 0 || sum < s->top_p * total))
		sum += exp((double)(candidates[kept++].score - candidates[0].score) / s->temperature);
	double point = random_uniform(random) * sum;
	for (size_t i = 0; i < kept; i++) {
		point -= exp((double)(candidates[i].score - candidates[0].score) / s->temperature);
		if (point < 0)
			return candidates[i].token;
	}
	return candidates[kept - 1].token;
}

/* All the rows that a sequence of N tokens sees, and memory to choose a token. */
static bool sample_all(Decoder *d, const int32_t *prompt, size_t N, const Sampling *s, int32_t *identity,
                       float *row, Candidate *candidates, Tokens *out, Error *e)
{
	const Llm *llm = d->llm;
	Random random = {random_key(s->seed, 0x5a3), 0};
	const Tensor *h = run_prompt(d, prompt, N, identity, e);
	for (size_t i = 0; h != NULL && i < s->most; i++) {
		if (!llm_log_probabilities(llm, h->value + (h->rows - 1) * llm->shape.C, 1, row, e))
			return false;
		int32_t token = sample_token(s, row, llm->shape.V, candidates, &random);
		if (tokenizer_ends(llm->tokenizer, token))
			return true;
		if (!memory_grow(&out->ids, &out->capacity, out->count + 1, sizeof *out->ids, e))
			return false;
		out->ids[out->count++] = token;
		int32_t position = (int32_t)(N + i);
		const int32_t *seen[] = {identity};
		size_t seen_count[] = {N + i + 1};
		if (N + i >= llm->rotary.positions)
			return true; /* the context is full */
		if (i + 1 < s->most)
			h = run(d, &token, 1, &position, seen, seen_count, e);
	}
	return h != NULL;
}

bool decoder_sample(Decoder *d, const int32_t *prompt, size_t N, const Sampling *s, Tokens *out, Error *e)
{
	size_t V = d->llm->shape.V;
	int32_t *identity = memory_new(N + s->most + 1, sizeof *identity, e);
	float *row = memory_new(V, sizeof *row, e);
	Candidate *candidates = memory_new(V, sizeof *candidates, e);
	bool done = identity != NULL && row != NULL && candidates != NULL;
	for (size_t i = 0; done && i < N + s->most; i++)
		identity[i] = (int32_t)i;
	done = done && sample_all(d, prompt, N, s, identity, row, candidates, out, e);
	memory_free(identity);
	memory_free(row);
	memory_free(candidates);
	return done;
}
